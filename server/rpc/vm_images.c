#include "server/rpc/vm_images.h"

#include "lib/base/error.h"
#include "server/auth/access.h"
#include "server/model/vm_images.h"

#include <string.h>

#define wrong(error, ...) (g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, __VA_ARGS__), FALSE)

/* Whose image is meant by a name; -1: nobody's. */
static gint32 owner_of(World *world, const User *user, const TemplateAttribute *disk)
{
    gint64 uid;
    const char *name = attribute_get(disk, "IMAGE_UNAME");
    if (attribute_get_int(disk, "IMAGE_UID", &uid))
        return uid == (gint32)uid ? (gint32)uid : -1;
    Object *owner = name ? pool_find(world, KIND_USER, name) : NULL;
    return owner ? owner->id : name ? -1 : user->head.id;
}

/* NULL with the error; NULL without: the disk names no image. */
static Image *find(World *world, const User *user, const TemplateAttribute *disk, GError **error)
{
    const char *id = attribute_get(disk, "IMAGE_ID"), *name = attribute_get(disk, "IMAGE");
    if (id && *id) {
        Image *image = disk_image(world, disk);
        if (!image)
            (void)wrong(error, "Image with ID: %s does not exist", id);
        return image;
    }
    if (!name || !*name)
        return NULL;
    gint32 uid = owner_of(world, user, disk);
    const GPtrArray *all = world->pools[KIND_IMAGE].order;
    for (guint i = 0; i < all->len; i++) {
        const Object *object = all->pdata[i];
        if (object->uid == uid && strcmp(object->name, name) == 0)
            return IMAGE(object);
    }
    (void)wrong(error,
                "User %d does not own an image with name: %s . Set IMAGE_UNAME or IMAGE_UID of "
                "owner in DISK.",
                uid, name);
    return NULL;
}

/* Only the server says these of a disk: they decide what is read and written where. */
static const char *const own_pairs[] = {
    "SOURCE",      "DATASTORE",  "DATASTORE_ID",  "TM_MAD",       "CLONE_TARGET", "LN_TARGET",
    "IMAGE_STATE", "FORMAT",     "DRIVER",        "CLONE",        "SAVE",         "PERSISTENT",
    "DISK_TYPE",   "CLUSTER_ID", "ORIGINAL_SIZE", "ALLOW_ORPHANS"};

gboolean image_for_disk(World *world, const User *user, TemplateAttribute *disk, GError **error)
{
    g_autoptr(GError) why = NULL;
    Image *image = find(world, user, disk, &why);
    if (why) {
        g_propagate_error(error, g_steal_pointer(&why));
        return FALSE;
    }
    if (!image) {
        attribute_set(disk, "IMAGE_ID", NULL);
        return TRUE;
    }
    AccessNeed need = {RIGHT_USE, KIND_IMAGE, &image->head, FALSE};
    if (!access_check(world, user, &need, 1, error))
        return FALSE;
    for (guint i = 0; i < G_N_ELEMENTS(own_pairs); i++)
        attribute_set(disk, own_pairs[i], NULL);
    disk_describe(world, image, disk);
    return TRUE;
}

gboolean images_for_disks(World *world, const User *user, Template *template, GError **error)
{
    TemplateAttribute *disk;
    for (guint i = 0; (disk = template_vector(template, "DISK", i)); i++)
        if (!image_for_disk(world, user, disk, error))
            return FALSE;
    return TRUE;
}
