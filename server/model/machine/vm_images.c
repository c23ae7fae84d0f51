#include "server/model/machine/vm_images.h"

#include "server/model/storage/datastore.h"
#include "server/model/machine/vm_snapshots.h"
#include "server/model/world.h"

#include <string.h>

Image *disk_image(World *world, const TemplateAttribute *disk)
{
    gint64 id;
    return attribute_get_int(disk, "IMAGE_ID", &id) && id == (gint32)id
               ? image_get(world, (gint32)id)
               : NULL;
}

gboolean disk_is_persistent(const TemplateAttribute *disk)
{
    const char *persistent = attribute_get(disk, "PERSISTENT");
    return persistent && !g_ascii_strcasecmp(persistent, "YES");
}

gint64 disk_growth(const TemplateAttribute *disk)
{
    gint64 size, original;
    return attribute_get_int(disk, "SIZE", &size) &&
                   attribute_get_int(disk, "ORIGINAL_SIZE", &original) && size <= G_MAXINT32
               ? MAX(size - original, 0)
               : 0;
}

void disk_growth_kept(World *world, TemplateAttribute *disk)
{
    Image *image = disk_image(world, disk);
    gint64 size = 0, original = 0;
    /* Smaller, too: a snapshot may have been taken before it grew. */
    if (!image || !disk_is_persistent(disk) || !attribute_get_int(disk, "SIZE", &size) ||
        !attribute_get_int(disk, "ORIGINAL_SIZE", &original) || size <= 0 || size > G_MAXINT32 ||
        size == original)
        return;
    image->size = size;
    attribute_set_int(disk, "ORIGINAL_SIZE", image->size);
    object_changed(world, &image->head);
}

/* ---- what a disk says of its image ---- */

/* What TM_MAD_CONF says of the transfer driver of the image's datastore, or `otherwise`. */
static const char *conf(World *world, const Datastore *datastore, const char *name,
                        const char *otherwise)
{
    const char *own = template_get(datastore->head.template, name);
    const TemplateAttribute *row =
        own ? NULL : config_named(world->config, "TM_MAD_CONF", datastore->tm_mad);
    const char *value = own ? own : row ? attribute_get(row, name) : NULL;
    return value && *value ? value : otherwise;
}

static void inherit(World *world, const char *list, const Template *from, TemplateAttribute *disk)
{
    const char *name;
    for (guint i = 0; (name = config_list(world->config, list, i)); i++)
        if (template_get(from, name) && !attribute_get(disk, name))
            attribute_set(disk, name, template_get(from, name));
}

/* The guest's view: what the disk says, else what the image says. */
static void describe_device(World *world, const Image *image, TemplateAttribute *disk)
{
    static const char *const names[] = {"DEV_PREFIX", "BUS", "TARGET"};
    gboolean cd = image->type == IMAGE_CDROM;
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        const char *value = template_get(image->head.template, names[i]);
        if (value && *value && !attribute_get(disk, names[i]))
            attribute_set(disk, names[i], value);
    }
    if (!attribute_get(disk, "DEV_PREFIX"))
        attribute_set(disk, "DEV_PREFIX",
                      config_text(world->config,
                                  cd ? "DEFAULT_CDROM_DEVICE_PREFIX" : "DEFAULT_DEVICE_PREFIX"));
    if (cd)
        attribute_set(disk, "READONLY", "YES");
    else if (!attribute_get(disk, "READONLY"))
        attribute_set(disk, "READONLY", "NO");
    attribute_set(disk, "TYPE", cd ? "CDROM" : "FILE");
    inherit(world, "INHERIT_IMAGE_ATTR", image->head.template, disk);
}

static void describe_datastore(World *world, const Image *image, TemplateAttribute *disk)
{
    const Datastore *datastore = datastore_get(world, image->datastore);
    if (!datastore)
        return;
    g_autofree char *clusters = ids_print(datastore->clusters);
    attribute_set(disk, "DATASTORE", datastore->head.name);
    attribute_set_int(disk, "DATASTORE_ID", datastore->head.id);
    attribute_set(disk, "CLUSTER_ID", clusters);
    attribute_set(disk, "TM_MAD", datastore->tm_mad);
    attribute_set(disk, "CLONE_TARGET", conf(world, datastore, "CLONE_TARGET", "SYSTEM"));
    attribute_set(disk, "LN_TARGET", conf(world, datastore, "LN_TARGET", "NONE"));
    attribute_set(disk, "DISK_TYPE", conf(world, datastore, "DISK_TYPE", "FILE"));
    attribute_set(disk, "ALLOW_ORPHANS", conf(world, datastore, "ALLOW_ORPHANS", "YES"));
    inherit(world, "INHERIT_DATASTORE_ATTR", datastore->head.template, disk);
}

/* A disk that is a copy may be larger than its image. */
static void describe_size(const Image *image, TemplateAttribute *disk)
{
    gint64 size = 0;
    (void)attribute_get_int(disk, "SIZE", &size);
    if (image->persistent || size < image->size || size > G_MAXINT32)
        attribute_set_int(disk, "SIZE", image->size);
    attribute_set_int(disk, "ORIGINAL_SIZE", image->size);
}

void disk_describe(World *world, const Image *image, TemplateAttribute *disk)
{
    describe_device(world, image, disk);
    describe_datastore(world, image, disk);
    describe_size(image, disk);
    attribute_set(disk, "IMAGE", image->head.name);
    attribute_set_int(disk, "IMAGE_ID", image->head.id);
    attribute_set_int(disk, "IMAGE_STATE", image->state);
    attribute_set(disk, "SOURCE", image->source);
    attribute_set(disk, "FORMAT", *image->format ? image->format : "raw");
    /* Disks are what their image was found to be, whatever its owner calls it: a guest must not
     * have its bytes taken for a format that names other files. */
    attribute_set(disk, "DRIVER", *image->format ? image->format : "raw");
    attribute_set(disk, "CLONE", image->persistent ? "NO" : "YES");
    attribute_set(disk, "SAVE", image->persistent ? "YES" : "NO");
    attribute_set(disk, "PERSISTENT", image->persistent ? "YES" : NULL);
    attribute_set_int(disk, "DISK_SNAPSHOT_TOTAL_SIZE", 0);
}

Image *file_image(World *world, const char *text, guint index)
{
    static const char begin[] = "$FILE[IMAGE_ID=";
    const char *at = text ? strstr(text, begin) : NULL;
    while (at && index-- > 0)
        at = strstr(at + 1, begin);
    return at ? image_get(world, (gint32)g_ascii_strtoll(at + strlen(begin), NULL, 10)) : NULL;
}

/* ---- use ---- */

gboolean vm_images_acquire(World *world, gint32 vm, const Template *template, GError **error)
{
    TemplateAttribute *disk;
    for (guint i = 0; (disk = template_vector(template, "DISK", i)); i++) {
        Image *image = disk_image(world, disk);
        if (!image)
            continue;
        if (image_acquire(world, image, vm, error)) {
            attribute_set_int(disk, "IMAGE_STATE", image->state);
            continue;
        }
        while (i-- > 0)
            vm_image_release(world, vm, template_vector(template, "DISK", i));
        return FALSE;
    }
    return TRUE;
}

void vm_image_release(World *world, gint32 vm, const TemplateAttribute *disk)
{
    Image *image = disk_image(world, disk);
    const char *doubt = attribute_get(disk, "DOUBT");
    if (!image || !image_release(world, image, vm, doubt != NULL) || !doubt || !image->persistent)
        return;
    g_autofree char *reason = g_strdup_printf(
        "Machine %d may still write to it, or has left it half written: %s. When the machine is "
        "surely off and the content has been looked at, `oneimage enable %d` gives it back",
        vm, doubt, image->head.id);
    image_set_error(world, image, reason);
}

gboolean vm_images_doubt(World *world, Vm *vm, gint32 host, const char *why)
{
    TemplateAttribute *disk;
    gboolean found = FALSE;
    for (guint i = 0; (disk = template_vector(vm->head.template, "DISK", i)); i++) {
        if (!disk_image(world, disk) || !disk_is_persistent(disk) || attribute_get(disk, "DOUBT"))
            continue;
        attribute_set(disk, "DOUBT", why);
        attribute_set_int(disk, "DOUBT_HOST", host);
        found = TRUE;
    }
    if (found)
        object_changed(world, &vm->head);
    return found;
}

void vm_images_trust(World *world, Vm *vm, gint32 host)
{
    TemplateAttribute *disk;
    for (guint i = 0; (disk = template_vector(vm->head.template, "DISK", i)); i++) {
        gint64 there;
        if (!attribute_get_int(disk, "DOUBT_HOST", &there) || there != host)
            continue;
        attribute_set(disk, "DOUBT", NULL);
        attribute_set(disk, "DOUBT_HOST", NULL);
        object_changed(world, &vm->head);
    }
}

void vm_images_release(World *world, gint32 vm, const Template *template)
{
    const TemplateAttribute *disk;
    for (guint i = 0; (disk = template_vector(template, "DISK", i)); i++)
        vm_image_release(world, vm, disk);
}

void vm_images_keep(World *world, Vm *vm)
{
    TemplateAttribute *disk;
    for (guint i = 0; (disk = template_vector(vm->head.template, "DISK", i)); i++) {
        disk_growth_kept(world, disk);
        vm_snapshots_keep(world, vm, disk);
    }
}

VmImages vm_images_look(World *world, const Template *template, const Image **failed)
{
    const TemplateAttribute *disk;
    VmImages found = VM_IMAGES_READY;
    for (guint i = 0; (disk = template_vector(template, "DISK", i)); i++) {
        const Image *image = disk_image(world, disk);
        if (image && image->state == IMAGE_ERROR) {
            if (failed)
                *failed = image;
            return VM_IMAGES_FAILED;
        }
        if (image && image_is_locked(image))
            found = VM_IMAGES_WAIT;
    }
    return found;
}

void vm_images_describe(World *world, Vm *vm)
{
    TemplateAttribute *disk;
    for (guint i = 0; (disk = template_vector(vm->head.template, "DISK", i)); i++) {
        const Image *image = disk_image(world, disk);
        if (image)
            disk_describe(world, image, disk);
    }
    object_changed(world, &vm->head);
}

/* ---- what must hold ---- */

void vm_images_check(World *world, GPtrArray *problems)
{
    g_autoptr(GHashTable) wanted = g_hash_table_new(g_direct_hash, g_direct_equal);
    const GPtrArray *vms = world->pools[KIND_VM].order, *images = world->pools[KIND_IMAGE].order;
    for (guint i = 0; i < vms->len; i++) {
        const Vm *vm = vms->pdata[i];
        const TemplateAttribute *disk;
        for (guint j = 0;
             vm->state != VM_DONE && (disk = template_vector(vm->head.template, "DISK", j)); j++) {
            Image *image = disk_image(world, disk);
            if (!image)
                continue;
            guint uses = GPOINTER_TO_UINT(g_hash_table_lookup(wanted, image));
            g_hash_table_insert(wanted, image, GUINT_TO_POINTER(uses + 1));
            if (image_uses(image, vm->head.id) == 0)
                g_ptr_array_add(problems,
                                g_strdup_printf("machine %d has a disk of image %d, which does not "
                                                "know of it",
                                                vm->head.id, image->head.id));
        }
    }
    for (guint i = 0; i < images->len; i++) {
        const Image *image = images->pdata[i];
        guint uses = GPOINTER_TO_UINT(g_hash_table_lookup(wanted, image));
        if (uses != image->users->len)
            g_ptr_array_add(problems,
                            g_strdup_printf("image %d has %u uses, machines have %u disks of it",
                                            image->head.id, image->users->len, uses));
    }
}
