/* Backups: made, cancelled, and machines and images that are made of them. */
#include "server/rpc/server_private.h"

#include "lib/base/names.h"
#include "server/model/storage/image_backup.h"
#include "server/model/plain.h"
#include "server/model/people/quota.h"
#include "server/model/machine/vm_backups.h"

#include <string.h>

RpcReply *vm_method_backup(Request *request)
{
    Vm *vm = VM(request->object);
    VmAsker asker = request_asker(request);
    const VmBackupOrder order = {
        .datastore = arg_int(request, 2, -1), .reset = arg_bool(request, 3, FALSE), .job = -1};
    gint32 id = order.datastore >= 0 ? order.datastore
                                     : (gint32)vm_backups_number(vm->backups, "LAST_DATASTORE_ID");
    Object *datastore = id >= 0 ? request_object(request, KIND_DATASTORE, id) : NULL;
    if (request->error ||
        (datastore && !request_may(request, RIGHT_USE, KIND_DATASTORE, datastore)) ||
        !request_may(request, RIGHT_CREATE, KIND_IMAGE, NULL) ||
        !vm_backup(request->lifecycle, vm, &order, &asker, &request->error))
        return NULL;
    return reply_int(request, vm->head.id);
}

RpcReply *vm_method_backupcancel(Request *request)
{
    Vm *vm = VM(request->object);
    VmAsker asker = request_asker(request);
    return vm_backup_cancel(request->lifecycle, vm, &asker, &request->error)
               ? reply_int(request, vm->head.id)
               : NULL;
}

RpcReply *vm_method_restore(Request *request)
{
    Vm *vm = VM(request->object);
    VmAsker asker = request_asker(request);
    Object *image = request_object(request, KIND_IMAGE, arg_int(request, 2, -1));
    if (!image || !request_may(request, RIGHT_USE, KIND_IMAGE, image) ||
        !vm_restore(request->lifecycle, vm, IMAGE(image), arg_int(request, 3, -1),
                    arg_int(request, 4, -1), &asker, &request->error))
        return NULL;
    return reply_int(request, vm->head.id);
}

/* ---- images and a template of a backup ---- */

typedef struct Restore {
    Image *backup;
    Datastore *datastore;
    Template *options, *machine; /* owned */
    BackupIncrement increment;
    GArray *disks; /* owned */
    gboolean single;
    char *name; /* owned */
} Restore;

static void restore_clear(Restore *restore)
{
    template_free(restore->options);
    template_free(restore->machine);
    g_free(restore->name);
    if (restore->disks)
        g_array_unref(restore->disks);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Restore, restore_clear)

#define refuse(request, ...) (reply_error(request, ONE_ERROR_ACTION, __VA_ARGS__), FALSE)

static gboolean option(const Restore *restore, const char *name, gint64 *value)
{
    *value = -1;
    return template_get_int(restore->options, name, value) && *value >= 0;
}

static gboolean read_backup(Request *request, Restore *restore)
{
    gint64 increment, disk;
    const Image *backup = restore->backup;
    if (backup->type != IMAGE_BACKUP)
        return refuse(request, "Can only restore from backup images: image %d is of type %s",
                      backup->head.id, image_type_name(backup->type));
    (void)option(restore, "INCREMENT_ID", &increment);
    restore->single = option(restore, "DISK_ID", &disk);
    restore->disks = image_backup_disks(backup);
    restore->machine = image_backup_template(backup);
    if (backup->state != IMAGE_READY && backup->state != IMAGE_CLONE)
        return refuse(request, "Backup image %d is in state %s; wait, or enable it",
                      backup->head.id, image_state_name(backup->state));
    if (!restore->machine)
        return refuse(request, "Backup image %d does not say of which VM it is", backup->head.id);
    if (!image_backup_offers(backup, (gint32)increment, &restore->increment, &request->error))
        return FALSE;
    if (restore->single && !ids_contain(restore->disks, (gint32)disk))
        return refuse(request, "Backup image %d does not hold disk %d", backup->head.id,
                      (gint)disk);
    if (restore->single) {
        gint32 only = (gint32)disk;
        g_array_set_size(restore->disks, 0);
        g_array_append_val(restore->disks, only);
    }
    return TRUE;
}

static TemplateAttribute *disk_then(const Restore *restore, gint32 id)
{
    TemplateAttribute *disk;
    gint64 number;
    for (guint i = 0; (disk = template_vector(restore->machine, "DISK", i)); i++)
        if (attribute_get_int(disk, "DISK_ID", &number) && number == id)
            return disk;
    return NULL;
}

static gint64 size_then(const Restore *restore, gint32 id)
{
    const TemplateAttribute *disk = disk_then(restore, id);
    gint64 size = 0;
    if (disk)
        (void)attribute_get_int(disk, "SIZE", &size);
    return MAX(size, 1);
}

static char *image_name(const Restore *restore, gint32 disk)
{
    return g_strdup_printf("%s-disk-%d", restore->name, disk);
}

static gboolean names_are_free(Request *request, Restore *restore)
{
    const char *given = template_get(restore->options, "NAME");
    restore->name = given && *given ? g_strdup(given)
                                    : g_strdup_printf("%s-%d", restore->backup->head.name,
                                                      restore->increment.id);
    if (!name_check(restore->name, &request->error))
        return FALSE;
    for (guint i = 0; i < restore->disks->len; i++) {
        g_autofree char *name = image_name(restore, g_array_index(restore->disks, gint32, i));
        if (!request_own_name_is_free(request, KIND_IMAGE, name))
            return FALSE;
    }
    if (!restore->single &&
        plain_find(request->world, KIND_TEMPLATE, request->caller->head.id, restore->name, 0))
        return refuse(request, "You have a template called \"%s\" already; give another NAME",
                      restore->name);
    return TRUE;
}

/* Counted before anything is made. */
static gboolean has_room(Request *request, const Restore *restore)
{
    gint64 sum = 0;
    const Object *caller = &request->caller->head;
    QuotaUse *more = quota_use_new(caller->id, caller->gid, -1);
    for (guint i = 0; i < restore->disks->len; i++) {
        gint64 size = size_then(restore, g_array_index(restore->disks, gint32, i));
        quota_use_add_image(more, restore->datastore->head.id, size);
        sum += size;
    }
    return quota_allows(request->world, NULL, more, &request->error) &&
           datastore_has_room(request->world, restore->datastore, sum, &request->error);
}

static gint32 make_image(Request *request, const Restore *restore, gint32 disk)
{
    World *world = request->world;
    const TemplateAttribute *then = disk_then(restore, disk);
    const char *format = vm_backups_format(then);
    const char *prefix = then ? attribute_get(then, "DEV_PREFIX") : NULL;
    const char *wanted = template_get(restore->datastore->head.template, "DRIVER");
    gboolean first = disk == g_array_index(restore->disks, gint32, 0);
    g_autofree char *name = image_name(restore, disk);
    g_autofree char *path = image_backup_path(restore->backup, restore->increment.id, disk);
    Template *template = template_new();
    template_set(template, "DEV_PREFIX",
                 prefix ? prefix : config_text(world->config, "DEFAULT_DEVICE_PREFIX"));
    template_set_int(template, "SAVED_IMAGE_ID", restore->backup->head.id);
    const ImageDraft draft = {.name = name,
                              .uid = request->caller->head.id,
                              .gid = request->caller->head.gid,
                              .permissions = request_new_permissions(request),
                              .type = first && !restore->single ? IMAGE_OS : IMAGE_DATABLOCK,
                              .disk_type = restore->datastore->disk_type,
                              .path = path,
                              .format =
                                  !g_strcmp0(wanted ? wanted : format, "qcow2") ? "qcow2" : "raw",
                              .size = size_then(restore, disk),
                              .template = template};
    Image *image = image_create(world, restore->datastore, &draft);
    image_cloning_begin(world, restore->backup, image);
    image_begin(request->lifecycle, image, IMAGE_WORK_RESTORE);
    return image->head.id;
}

/* What of the machine's template is another machine's, too. */
static const char *const general[] = {"CPU",     "VCPU",      "MEMORY",   "FEATURES", "INPUT",
                                      "VIDEO",   "CPU_MODEL", "TOPOLOGY", "OS",       "GRAPHICS",
                                      "CONTEXT", "TPM",       NULL};
/* And what of that was given to the one machine. */
static const char *const particular[][2] = {
    {"OS", "UUID"}, {"GRAPHICS", "PORT"}, {"CONTEXT", "DISK_ID"}, {"CONTEXT", "TARGET"}};
static const char *const of_card[] = {"NETWORK", "NETWORK_ID", "NETWORK_UNAME", "MODEL", "BRIDGE",
                                      "IP",      NULL};
static const char *const of_disk[] = {"TARGET", "DEV_PREFIX", "CACHE", "IO", "DISCARD", NULL};

static void copy_pairs(TemplateAttribute *to, const TemplateAttribute *from,
                       const char *const *names)
{
    for (guint i = 0; names[i]; i++)
        if (attribute_get(from, names[i]))
            attribute_set(to, names[i], attribute_get(from, names[i]));
}

static void copy_general(Template *to, const Template *from)
{
    for (guint i = 0; i < template_count(from); i++) {
        const TemplateAttribute *attribute = template_nth(from, i);
        if (!g_strv_contains(general, attribute->name))
            continue;
        if (!attribute->pairs) {
            template_add(to, attribute->name, template_get(from, attribute->name));
            continue;
        }
        TemplateAttribute *copy = template_add_vector(to, attribute->name);
        for (guint j = 0; j < attribute->pairs->len; j++) {
            const TemplatePair *pair = attribute->pairs->pdata[j];
            attribute_set(copy, pair->name, pair->value);
        }
        for (guint j = 0; j < G_N_ELEMENTS(particular); j++)
            if (!strcmp(particular[j][0], attribute->name))
                attribute_set(copy, particular[j][1], NULL);
    }
}

static gint32 make_template(Request *request, const Restore *restore, const GArray *images)
{
    Template *template = template_new();
    const TemplateAttribute *card;
    gboolean no_card = template_get_bool(restore->options, "NO_NIC", FALSE);
    gboolean no_address = template_get_bool(restore->options, "NO_IP", FALSE);
    copy_general(template, restore->machine);
    for (guint i = 0; i < restore->disks->len; i++) {
        const TemplateAttribute *then =
            disk_then(restore, g_array_index(restore->disks, gint32, i));
        TemplateAttribute *disk = template_add_vector(template, "DISK");
        attribute_set_int(disk, "IMAGE_ID", g_array_index(images, gint32, i));
        if (then)
            copy_pairs(disk, then, of_disk);
    }
    for (guint i = 0; !no_card && (card = template_vector(restore->machine, "NIC", i)); i++) {
        TemplateAttribute *copy = template_add_vector(template, "NIC");
        copy_pairs(copy, card, of_card);
        if (no_address)
            attribute_set(copy, "IP", NULL);
    }
    Plain *made = plain_create(request->world, KIND_TEMPLATE, restore->name,
                               request->caller->head.id, request->caller->head.gid, template, 0);
    made->head.permissions = request_new_permissions(request);
    return made->head.id;
}

RpcReply *image_restore(Request *request)
{
    g_auto(Restore) restore = {.backup = IMAGE(request->object)};
    Object *datastore = request_object(request, KIND_DATASTORE, arg_int(request, 2, -1));
    restore.options = datastore ? request_template(request, 3) : NULL;
    restore.datastore = DATASTORE(datastore);
    gint64 disk;
    if (!restore.options || !request_may(request, RIGHT_USE, KIND_DATASTORE, datastore) ||
        !request_may(request, RIGHT_CREATE, KIND_IMAGE, NULL) ||
        (!option(&restore, "DISK_ID", &disk) &&
         !request_may(request, RIGHT_CREATE, KIND_TEMPLATE, NULL)) ||
        !read_backup(request, &restore))
        return NULL;
    if (restore.datastore->type != DATASTORE_IMAGE)
        return reply_error(request, ONE_ERROR_ACTION,
                           "Datastore %d is of type %s; images are restored to one of type %s",
                           datastore->id, datastore_type_name(restore.datastore->type),
                           datastore_type_name(DATASTORE_IMAGE));
    if (!names_are_free(request, &restore) || !has_room(request, &restore))
        return NULL;
    g_autoptr(GArray) images = g_array_new(FALSE, FALSE, sizeof(gint32));
    for (guint i = 0; i < restore.disks->len; i++) {
        gint32 id = make_image(request, &restore, g_array_index(restore.disks, gint32, i));
        g_array_append_val(images, id);
    }
    g_autoptr(GString) answer = g_string_new(NULL);
    g_string_printf(answer, "%d", restore.single ? -1 : make_template(request, &restore, images));
    for (guint i = 0; i < images->len; i++)
        g_string_append_printf(answer, " %d", g_array_index(images, gint32, i));
    return reply_text(request, answer->str);
}
