#include "server/rpc/vm_images.h"

#include "lib/base/error.h"
#include "server/auth/access.h"
#include "server/model/machine/vm_images.h"

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

Image *image_find(World *world, const User *user, const TemplateAttribute *disk, GError **error)
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
    Object *object = pool_find_own(world, KIND_IMAGE, uid, name);
    if (object)
        return IMAGE(object);
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

static gboolean describe(World *world, const User *user, Image *image, gboolean ignore_lock,
                         TemplateAttribute *disk, GError **error)
{
    AccessNeed need = {RIGHT_USE, KIND_IMAGE, &image->head, ignore_lock};
    if (!access_check(world, user, &need, 1, error))
        return FALSE;
    for (guint i = 0; i < G_N_ELEMENTS(own_pairs); i++)
        attribute_set(disk, own_pairs[i], NULL);
    disk_describe(world, image, disk);
    return TRUE;
}

gboolean image_for_disk(World *world, const User *user, TemplateAttribute *disk, GError **error)
{
    g_autoptr(GError) why = NULL;
    Image *image = image_find(world, user, disk, &why);
    if (why) {
        g_propagate_error(error, g_steal_pointer(&why));
        return FALSE;
    }
    if (!image) {
        attribute_set(disk, "IMAGE_ID", NULL);
        return TRUE;
    }
    return describe(world, user, image, FALSE, disk, error);
}

gboolean disks_show(World *world, const User *user, Template *template, GError **error)
{
    TemplateAttribute *disk;
    for (guint i = 0; (disk = template_vector(template, "DISK", i)); i++) {
        Image *image =
            image_find(world, user, disk, NULL); /* whoever makes a machine of it is told */
        attribute_set_int(disk, "DISK_ID", i);
        if (image && !describe(world, user, image, TRUE, disk, error))
            return FALSE;
    }
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

/* ---- files ---- */

static const struct {
    const char *vector, *name;
    ImageType type;
    gboolean several;
} file_places[] = {
    {"OS", "KERNEL_DS", IMAGE_KERNEL, FALSE},
    {"OS", "INITRD_DS", IMAGE_RAMDISK, FALSE},
    {"CONTEXT", "FILES_DS", IMAGE_CONTEXT, TRUE},
};

/* The image that "IMAGE_ID=5" or "IMAGE=name, IMAGE_UID=3" means, of that type and ready. */
static Image *find_file(World *world, const User *user, const char *inside, ImageType type,
                        GError **error)
{
    g_autofree char *text = g_strdup_printf("DISK = [ %s ]", inside);
    g_autoptr(Template) template = template_parse(text, TEMPLATE_MODERN, NULL);
    const TemplateAttribute *vector = template ? template_vector(template, "DISK", 0) : NULL;
    g_autoptr(GError) why = NULL;
    Image *image = vector ? image_find(world, user, vector, &why) : NULL;
    if (why) {
        g_propagate_error(error, g_steal_pointer(&why));
        return NULL;
    }
    AccessNeed need = {RIGHT_USE, KIND_IMAGE, image ? &image->head : NULL, FALSE};
    if (!image)
        (void)wrong(error, "$FILE[%s] names no image: it needs IMAGE_ID or IMAGE", inside);
    else if (image->type != type)
        (void)wrong(error, "Image %d is of type %s; here one of type %s is wanted", image->head.id,
                    image_type_name(image->type), image_type_name(type));
    else if (image->state != IMAGE_READY && image->state != IMAGE_CLONE)
        (void)wrong(error, "Image %d is in state %s and cannot be used", image->head.id,
                    image_state_name(image->state));
    else if (access_check(world, user, &need, 1, error))
        return image;
    return NULL;
}

/* "$FILE[IMAGE=a] $FILE[...]" as "$FILE[IMAGE_ID=5] $FILE[IMAGE_ID=7]". NULL with the error. */
static char *files_by_id(World *world, const User *user, const char *text, ImageType type,
                         gboolean several, GError **error)
{
    g_autoptr(GString) ids = g_string_new(NULL);
    const char *at = text + strspn(text, " \t\n,");
    while (*at) {
        const char *end = g_str_has_prefix(at, "$FILE[") ? strchr(at, ']') : NULL;
        if (!end || (ids->len && !several)) {
            (void)wrong(error, "\"%s\" is not %s $FILE[IMAGE_ID=...]", text,
                        several ? "a list of" : "one");
            return NULL;
        }
        g_autofree char *inside =
            g_strndup(at + strlen("$FILE["), (gsize)(end - at) - strlen("$FILE["));
        const Image *image = find_file(world, user, inside, type, error);
        if (!image)
            return NULL;
        g_string_append_printf(ids, "%s$FILE[IMAGE_ID=%d]", ids->len ? " " : "", image->head.id);
        at = end + 1 + strspn(end + 1, " \t\n,");
    }
    return g_strdup(ids->str);
}

gboolean images_for_files(World *world, const User *user, Template *template, GError **error)
{
    for (guint i = 0; i < G_N_ELEMENTS(file_places); i++) {
        TemplateAttribute *vector = template_vector(template, file_places[i].vector, 0);
        const char *text = vector ? attribute_get(vector, file_places[i].name) : NULL;
        if (!text || !*text)
            continue;
        g_autofree char *ids =
            files_by_id(world, user, text, file_places[i].type, file_places[i].several, error);
        if (!ids)
            return FALSE;
        attribute_set(vector, file_places[i].name, ids);
    }
    return TRUE;
}
