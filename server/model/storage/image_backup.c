#include "server/model/storage/image_backup.h"

#include "lib/base/error.h"
#include "server/model/machine/vm.h"
#include "server/model/world.h"

#include <string.h>

static gint64 number(const TemplateAttribute *vector, const char *name)
{
    gint64 value = -1;
    (void)attribute_get_int(vector, name, &value);
    return value;
}

void image_backup_describe(Image *image, const Vm *vm, const GArray *disks)
{
    g_autofree char *ids = ids_print(disks);
    g_autofree char *text = template_to_text(vm->head.template);
    g_autofree char *packed = g_base64_encode((const guchar *)text, strlen(text));
    template_set_int(image->backup, "VM_ID", vm->head.id);
    template_set(image->backup, "DISK_IDS", ids);
    template_set(image->backup, "VM_TEMPLATE", packed);
    if (!template_get(image->backup, "NEXT"))
        template_set_int(image->backup, "NEXT", 0);
}

/* All increments, and what is being made. */
static void set_size(World *world, Image *image)
{
    gint64 size = 0;
    const TemplateAttribute *vector;
    (void)template_get_int(image->backup, "WANTED", &size);
    for (guint i = 0; (vector = template_vector(image->backup, "INCREMENT", i)); i++)
        size += MAX(number(vector, "SIZE"), 0);
    image->size = size;
    object_changed(world, &image->head);
}

gint32 image_backup_begin(World *world, Image *image, gint64 wanted)
{
    gint64 next = 0;
    (void)template_get_int(image->backup, "NEXT", &next);
    template_set_int(image->backup, "NEXT", next + 1);
    template_set_int(image->backup, "WANTED", wanted);
    set_size(world, image);
    return (gint32)next;
}

void image_backup_end(World *world, Image *image, const BackupIncrement *made)
{
    template_set(image->backup, "WANTED", NULL);
    if (made) {
        TemplateAttribute *vector = template_add_vector(image->backup, "INCREMENT");
        attribute_set_int(vector, "ID", made->id);
        attribute_set(vector, "TYPE", made->parent < 0 ? "FULL" : "INCREMENT");
        attribute_set_int(vector, "DATE", made->date);
        attribute_set_int(vector, "SIZE", made->size);
        attribute_set_int(vector, "PARENT_ID", made->parent);
    }
    set_size(world, image);
}

guint image_backup_count(const Image *image)
{
    guint count = 0;
    while (template_vector(image->backup, "INCREMENT", count))
        count++;
    return count;
}

gboolean image_backup_find(const Image *image, gint32 id, BackupIncrement *increment)
{
    const TemplateAttribute *vector, *found = NULL;
    for (guint i = 0; (vector = template_vector(image->backup, "INCREMENT", i)); i++)
        if (id < 0 || number(vector, "ID") == id)
            found = vector;
    if (found)
        *increment =
            (BackupIncrement){(gint32)number(found, "ID"), (gint32)number(found, "PARENT_ID"),
                              number(found, "SIZE"), number(found, "DATE")};
    return found != NULL;
}

gboolean image_backup_offers(const Image *image, gint32 id, BackupIncrement *increment,
                             GError **error)
{
    gint32 oldest = image_backup_to_forget(image);
    if (!image_backup_find(image, id, increment)) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION, "Backup image %d has no increment %d",
                    image->head.id, id);
        return FALSE;
    }
    if (increment->id < oldest) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION,
                    "Increment %d of backup image %d is being removed, and parts of it may be gone "
                    "already; restore increment %d or a later one",
                    increment->id, image->head.id, oldest);
        return FALSE;
    }
    return TRUE;
}

char *image_backup_chain(const Image *image, gint32 id)
{
    g_autoptr(GArray) ids = ids_parse("");
    BackupIncrement increment;
    /* Parents are older, so this ends. */
    while (id >= 0 && !ids_contain(ids, id) && image_backup_find(image, id, &increment)) {
        ids_add(ids, id);
        id = increment.parent;
    }
    return ids_print(ids);
}

char *image_backup_all(const Image *image)
{
    g_autoptr(GArray) ids = ids_parse("");
    const TemplateAttribute *vector;
    for (guint i = 0; (vector = template_vector(image->backup, "INCREMENT", i)); i++)
        ids_add(ids, (gint32)number(vector, "ID"));
    return ids_print(ids);
}

gint32 image_backup_oldest_kept(const Image *image, guint keep)
{
    guint count = image_backup_count(image);
    return keep > 0 && count > keep
               ? (gint32)number(template_vector(image->backup, "INCREMENT", count - keep), "ID")
               : -1;
}

void image_backup_forget(Image *image, gint32 oldest)
{
    template_set_int(image->backup, "FORGET", oldest);
}

gint32 image_backup_to_forget(const Image *image)
{
    gint64 oldest = -1;
    (void)template_get_int(image->backup, "FORGET", &oldest);
    return (gint32)oldest;
}

void image_backup_flattened(World *world, Image *image, gint32 id, gint64 size)
{
    TemplateAttribute *vector;
    template_set(image->backup, "FORGET", NULL);
    for (guint i = template_count(image->backup); i > 0; i--) {
        vector = template_nth(image->backup, i - 1);
        if (!strcmp(vector->name, "INCREMENT") && number(vector, "ID") < id)
            template_attribute_free(template_steal(image->backup, i - 1));
    }
    vector = template_vector(image->backup, "INCREMENT", 0);
    if (vector && number(vector, "ID") == id) {
        attribute_set(vector, "TYPE", "FULL");
        attribute_set_int(vector, "PARENT_ID", -1);
        attribute_set_int(vector, "SIZE", size);
    }
    set_size(world, image);
}

GArray *image_backup_disks(const Image *image)
{
    return ids_parse(template_get(image->backup, "DISK_IDS"));
}

gint32 image_backup_vm(const Image *image)
{
    gint64 vm = -1;
    (void)template_get_int(image->backup, "VM_ID", &vm);
    return (gint32)vm;
}

Template *image_backup_template(const Image *image)
{
    const char *packed = template_get(image->backup, "VM_TEMPLATE");
    gsize length = 0;
    g_autofree char *bytes = (char *)g_base64_decode(packed ? packed : "", &length);
    g_autofree char *text = g_strndup(bytes, length);
    return *text ? template_parse(text, TEMPLATE_MODERN, NULL) : NULL;
}

/* "image 5" (owned) */
static char *made_of(const TemplateAttribute *disk)
{
    gint64 id = disk ? number(disk, "IMAGE_ID") : -1;
    return !disk    ? g_strdup("no disk")
           : id < 0 ? g_strdup("a volatile disk")
                    : g_strdup_printf("image %" G_GINT64_FORMAT, id);
}

gboolean image_backup_is_of(const Image *image, gint32 id, const TemplateAttribute *disk,
                            GError **error)
{
    g_autoptr(Template) template = image_backup_template(image);
    const TemplateAttribute *vector = NULL, *held = NULL;
    for (guint i = 0; template && (vector = template_vector(template, "DISK", i)); i++)
        if (number(vector, "DISK_ID") == id)
            held = vector;
    g_autofree char *then = made_of(held), *now = made_of(disk);
    if (held && !strcmp(then, now))
        return TRUE;
    g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION,
                "Disk %d of VM %d is %s now and was %s when it was backed up to image %d; restore "
                "other disks, or make images of the backup (oneimage restore)",
                id, image_backup_vm(image), now, then, image->head.id);
    return FALSE;
}

void image_backup_render(const Image *image, GString *xml)
{
    g_autoptr(GArray) disks = image_backup_disks(image);
    const TemplateAttribute *vector;
    if (!image_backup_count(image))
        g_string_append(xml, "<BACKUP_INCREMENTS/>");
    for (guint i = 0; (vector = template_vector(image->backup, "INCREMENT", i)); i++) {
        g_autofree char *source =
            g_strdup_printf("%s/%" G_GINT64_FORMAT, image->source, number(vector, "ID"));
        g_string_append(xml, i ? "<INCREMENT>" : "<BACKUP_INCREMENTS><INCREMENT>");
        xml_cdata(xml, "DATE", attribute_get(vector, "DATE"));
        xml_cdata(xml, "ID", attribute_get(vector, "ID"));
        xml_int(xml, "PARENT_ID", number(vector, "PARENT_ID"));
        xml_cdata(xml, "SIZE", attribute_get(vector, "SIZE"));
        xml_cdata(xml, "SOURCE", source);
        xml_cdata(xml, "TYPE", attribute_get(vector, "TYPE"));
        g_string_append(xml, "</INCREMENT>");
    }
    if (image_backup_count(image))
        g_string_append(xml, "</BACKUP_INCREMENTS>");
    xml_ids(xml, "BACKUP_DISK_IDS", disks);
}
