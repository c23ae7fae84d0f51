#include "server/model/storage/image.h"

#include "lib/base/error.h"
#include "server/model/people/acl.h"
#include "server/model/storage/image_backup.h"
#include "server/model/machine/vm_backups.h"
#include "server/model/world.h"

#include <string.h>

static const char *const state_names[IMAGE_STATES] = {
    "INIT",  "READY",  "USED",      "DISABLED",    "LOCKED",          "ERROR",
    "CLONE", "DELETE", "USED_PERS", "LOCKED_USED", "LOCKED_USED_PERS"};

static const char *const type_names[IMAGE_TYPES] = {
    "OS", "CDROM", "DATABLOCK", "KERNEL", "RAMDISK", "CONTEXT", "BACKUP", "FILESYSTEM"};

static const char *const work_names[IMAGE_WORKS] = {
    "",       "CP",          "MKFS",        "CLONE",        "SAVE",   "RM",
    "RM",     "SNAP_DELETE", "SNAP_REVERT", "SNAP_FLATTEN", "BACKUP", "INCREMENT_FLATTEN",
    "RESTORE"};

Image *image_get(World *world, gint32 id)
{
    return IMAGE(pool_get(world, KIND_IMAGE, id));
}

const char *image_state_name(ImageState state)
{
    return state < IMAGE_STATES ? state_names[state] : "?";
}

const char *image_type_name(ImageType type)
{
    return type < IMAGE_TYPES ? type_names[type] : "?";
}

gboolean image_type_read(const char *word, ImageType *type)
{
    for (guint i = 0; word && i < IMAGE_TYPES; i++)
        if (!g_ascii_strcasecmp(type_names[i], word))
            return *type = (ImageType)i, TRUE;
    return FALSE;
}

gboolean image_type_is_file(ImageType type)
{
    return type == IMAGE_KERNEL || type == IMAGE_RAMDISK || type == IMAGE_CONTEXT;
}

const char *image_work_name(ImageWork work)
{
    return work < IMAGE_WORKS ? work_names[work] : "?";
}

/* ---- making and ending one ---- */

Image *image_create(World *world, Datastore *datastore, const ImageDraft *draft)
{
    Image *image = g_new0(Image, 1);
    Object *head = &image->head;
    object_init(head, KIND_IMAGE, pool_next_id(world, KIND_IMAGE), draft->name, draft->template);
    head->uid = draft->uid;
    head->gid = draft->gid;
    head->permissions = draft->permissions;
    image->type = draft->type;
    image->disk_type = draft->disk_type;
    image->persistent = draft->persistent;
    image->regtime = image->modtime = core_now(world->core);
    image->source = g_strdup(draft->source ? draft->source : "");
    image->path = g_strdup(draft->path ? draft->path : "");
    image->format = g_strdup(draft->format ? draft->format : "");
    image->fs = g_strdup(draft->fs ? draft->fs : "");
    image->size = draft->size;
    image->datastore = datastore->head.id;
    image->users = g_array_new(FALSE, FALSE, sizeof(gint32));
    image->clones = g_array_new(FALSE, FALSE, sizeof(gint32));
    image->apps = g_array_new(FALSE, FALSE, sizeof(gint32));
    image->cloning_id = image->target_snapshot = -1;
    image->snapshots = template_new();
    image->backup = template_new();
    /* The epoch and the id alone make it unlike any other of this database; the rest, unlike those
     * of another one that used the same directory. */
    image->token = g_strdup_printf("%" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER "x-%x",
                                   image->regtime, (gint64)world->epoch, (guint)head->id);
    pool_add(world, head);
    ids_add(datastore->images, head->id);
    object_touched(world, &datastore->head);
    return image;
}

void image_remove(World *world, Image *image)
{
    Datastore *datastore = datastore_get(world, image->datastore);
    if (datastore) {
        ids_remove(datastore->images, image->head.id);
        object_touched(world, &datastore->head);
    }
    Vm *vm = image->type == IMAGE_BACKUP ? vm_get(world, image_backup_vm(image)) : NULL;
    if (vm)
        vm_backups_forget(world, vm, image->head.id);
    acl_forget(world, &image->head);
    pool_remove(world, &image->head);
}

void images_touch(World *world, const Datastore *datastore)
{
    for (guint i = 0; i < datastore->images->len; i++) {
        Image *image = image_get(world, g_array_index(datastore->images, gint32, i));
        if (image)
            object_touched(world, &image->head);
    }
}

/* ---- state ---- */

gboolean image_is_copied(const Image *image)
{
    return image->clones->len || image->apps->len;
}

gboolean image_in_use(const Image *image)
{
    return image->users->len || image_is_copied(image);
}

gboolean image_is_locked(const Image *image)
{
    return image->state == IMAGE_LOCKED || image->state == IMAGE_LOCKED_USED ||
           image->state == IMAGE_LOCKED_USED_PERS;
}

/* The state without what others do with it. */
static ImageState own_state(ImageState state)
{
    switch (state) {
    case IMAGE_USED:
    case IMAGE_USED_PERS:
    case IMAGE_CLONE:
        return IMAGE_READY;
    case IMAGE_LOCKED_USED:
    case IMAGE_LOCKED_USED_PERS:
        return IMAGE_LOCKED;
    default:
        return state;
    }
}

/* The state that says also what others do with it. */
static ImageState shown_state(const Image *image, ImageState own)
{
    gboolean used = image->users->len > 0;
    if (own == IMAGE_READY)
        return used                     ? (image->persistent ? IMAGE_USED_PERS : IMAGE_USED)
               : image_is_copied(image) ? IMAGE_CLONE
                                        : IMAGE_READY;
    if (own == IMAGE_LOCKED && used)
        return image->persistent ? IMAGE_LOCKED_USED_PERS : IMAGE_LOCKED_USED;
    return own;
}

void image_enter(World *world, Image *image, ImageState wanted)
{
    ImageState state = shown_state(image, own_state(wanted));
    gboolean other = state != image->state;
    if (other) {
        image->previous_state = image->state;
        image->state = state;
    }
    object_changed(world, &image->head);
    if (other && !world->loading)
        object_entered(world, &image->head);
}

void image_set_work(World *world, Image *image, ImageWork work)
{
    image->work = work;
    image->tries = 0;
    g_clear_pointer(&image->progress, g_free);
    if (work == IMAGE_NO_WORK)
        image->target_snapshot = -1;
    object_changed(world, &image->head);
}

void image_set_error(World *world, Image *image, const char *reason)
{
    template_set(image->head.template, "ERROR", reason);
    object_changed(world, &image->head);
}

/* ---- use by machines ---- */

static gboolean refuse(const Image *image, GError **error, const char *why)
{
    g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION, "Cannot acquire image %d, %s", image->head.id,
                why);
    return FALSE;
}

gboolean image_acquire(World *world, Image *image, gint32 vm, GError **error)
{
    g_autofree char *state = NULL;
    switch (own_state(image->state)) {
    case IMAGE_READY:
    case IMAGE_LOCKED:
        break;
    default:
        state = g_strdup_printf("it is in state %s", image_state_name(image->state));
        return refuse(image, error, state);
    }
    if (image_type_is_file(image->type) || image->type == IMAGE_BACKUP)
        return refuse(image, error, "a disk is made of OS, CDROM, DATABLOCK and FILESYSTEM only");
    if (image_is_locked(image) && !image->stored && image->work == IMAGE_NO_WORK)
        return refuse(image, error, "it is not made yet");
    if (image->persistent && image->users->len)
        return refuse(image, error, "it is persistent and another disk uses it");
    if (image->persistent && image_is_copied(image))
        return refuse(image, error, "it is persistent and is being copied");
    guint place = 0;
    while (place < image->users->len && g_array_index(image->users, gint32, place) < vm)
        place++;
    g_array_insert_val(image->users, place, vm);
    image_enter(world, image, image->state);
    return TRUE;
}

gboolean image_release(World *world, Image *image, gint32 vm, gboolean broken)
{
    for (guint i = 0; i < image->users->len; i++) {
        if (g_array_index(image->users, gint32, i) != vm)
            continue;
        g_array_remove_index(image->users, i);
        image_enter(world, image,
                    broken && image->persistent && own_state(image->state) == IMAGE_READY
                        ? IMAGE_ERROR
                        : image->state);
        return TRUE;
    }
    return FALSE;
}

guint image_uses(const Image *image, gint32 vm)
{
    guint uses = 0;
    for (guint i = 0; i < image->users->len; i++)
        uses += g_array_index(image->users, gint32, i) == vm;
    return uses;
}

void image_cloning_begin(World *world, Image *source, Image *copy)
{
    copy->cloning_id = source->head.id;
    ids_add(source->clones, copy->head.id);
    image_enter(world, source, source->state);
    object_changed(world, &copy->head);
}

void image_cloning_end(World *world, Image *copy)
{
    Image *source = image_get(world, copy->cloning_id);
    copy->cloning_id = -1;
    object_changed(world, &copy->head);
    if (source && ids_remove(source->clones, copy->head.id))
        image_enter(world, source, source->state);
}

/* ---- snapshots ---- */

static gint64 number(const TemplateAttribute *vector, const char *name)
{
    gint64 value = -1;
    (void)attribute_get_int(vector, name, &value);
    return value;
}

static gint64 base_of(const Image *image)
{
    gint64 base = -1;
    (void)template_get_int(image->snapshots, "CURRENT_BASE", &base);
    return base;
}

TemplateAttribute *image_snapshot(const Image *image, gint32 id)
{
    TemplateAttribute *vector;
    for (guint i = 0; (vector = template_vector(image->snapshots, "SNAPSHOT", i)); i++)
        if (number(vector, "ID") == id)
            return vector;
    return NULL;
}

guint image_snapshot_count(const Image *image)
{
    guint count = 0;
    while (template_vector(image->snapshots, "SNAPSHOT", count))
        count++;
    return count;
}

gboolean image_snapshot_is_base(const Image *image, gint32 id)
{
    return base_of(image) == id;
}

gboolean image_snapshot_has_children(const Image *image, gint32 id)
{
    const TemplateAttribute *vector;
    for (guint i = 0; (vector = template_vector(image->snapshots, "SNAPSHOT", i)); i++)
        if (number(vector, "PARENT") == id)
            return TRUE;
    return FALSE;
}

void image_snapshot_deleted(World *world, Image *image, gint32 id)
{
    TemplateAttribute *gone = image_snapshot(image, id), *child;
    if (!gone)
        return;
    gint64 parent = number(gone, "PARENT");
    for (guint i = 0; (child = template_vector(image->snapshots, "SNAPSHOT", i)); i++)
        if (number(child, "PARENT") == id)
            attribute_set_int(child, "PARENT", parent);
    for (guint i = 0; i < template_count(image->snapshots); i++)
        if (template_nth(image->snapshots, i) == gone) {
            template_attribute_free(template_steal(image->snapshots, i));
            break;
        }
    if (image_snapshot_is_base(image, id))
        template_set_int(image->snapshots, "CURRENT_BASE", parent);
    object_changed(world, &image->head);
}

void image_snapshot_reverted(World *world, Image *image, gint32 id)
{
    template_set_int(image->snapshots, "CURRENT_BASE", id);
    object_changed(world, &image->head);
}

void image_snapshots_flattened(World *world, Image *image)
{
    template_remove(image->snapshots, "SNAPSHOT");
    template_set_int(image->snapshots, "CURRENT_BASE", -1);
    object_changed(world, &image->head);
}

/* ---- space ---- */

/* The last measurement may not have seen what it holds, or will hold. Of one that failed nobody
 * knows what was left; MODTIME is in seconds. */
static gboolean is_unmeasured(const Image *image, gint64 measured)
{
    if (image->stored)
        return image->stored > measured;
    return image_is_locked(image) || image->state == IMAGE_DELETE ||
           (image->state == IMAGE_ERROR && (image->modtime + 1) * G_USEC_PER_SEC > measured);
}

gint64 datastore_reserved_mb(World *world, const Datastore *datastore)
{
    gint64 reserved = 0;
    for (guint i = 0; i < datastore->images->len; i++) {
        const Image *image = image_get(world, g_array_index(datastore->images, gint32, i));
        gint64 wanted = 0; /* of an increment that is being made */
        if (image && is_unmeasured(image, datastore->measured))
            reserved += image->size;
        else if (image && template_get_int(image->backup, "WANTED", &wanted))
            reserved += wanted;
    }
    return reserved;
}

gboolean datastore_has_room(World *world, const Datastore *datastore, gint64 size, GError **error)
{
    const Template *template = datastore->head.template;
    gboolean check = config_bool(world->config, "DATASTORE_CAPACITY_CHECK");
    gint64 limit, reserved, room;
    if (!template_get_bool(template, "DATASTORE_CAPACITY_CHECK", check))
        return TRUE;
    if (datastore->measured == 0) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION,
                    "Not enough space in datastore %d: how much it has was not measured yet; try "
                    "again, and see the log of oned when that does not help",
                    datastore->head.id);
        return FALSE;
    }
    reserved = datastore_reserved_mb(world, datastore);
    room = datastore->free_mb - reserved;
    if (template_get_int(template, "LIMIT_MB", &limit))
        room = MIN(room, limit - datastore->used_mb - reserved);
    if (size <= room)
        return TRUE;
    g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION,
                "Not enough space in datastore %d: %" G_GINT64_FORMAT
                " MiB are wanted, %" G_GINT64_FORMAT " MiB are free",
                datastore->head.id, size, MAX(room, 0));
    return FALSE;
}
