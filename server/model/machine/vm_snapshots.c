#include "server/model/machine/vm_snapshots.h"

#include "lib/base/error.h"
#include "server/model/machine/vm_images.h"

#include <string.h>

static gint64 number(const TemplateAttribute *vector, const char *name)
{
    gint64 value = -1;
    (void)attribute_get_int(vector, name, &value);
    return value;
}

static TemplateAttribute *find_disk(const Vm *vm, gint64 disk)
{
    TemplateAttribute *vector;
    for (guint i = 0; (vector = template_vector(vm->snapshots, "DISK", i)); i++)
        if (number(vector, "DISK_ID") == disk)
            return vector;
    return NULL;
}

static TemplateAttribute *find(const Vm *vm, gint64 disk, gint64 snapshot)
{
    TemplateAttribute *vector;
    for (guint i = 0; (vector = template_vector(vm->snapshots, "SNAPSHOT", i)); i++)
        if (number(vector, "DISK_ID") == disk && number(vector, "ID") == snapshot)
            return vector;
    return NULL;
}

gboolean vm_snapshot_exists(const Vm *vm, gint64 disk, gint64 snapshot)
{
    return find(vm, disk, snapshot) != NULL;
}

gint64 vm_snapshot_add(Vm *vm, gint64 disk, const char *name, gint64 date, gint64 size_mb)
{
    TemplateAttribute *of = find_disk(vm, disk);
    if (!of) {
        of = template_add_vector(vm->snapshots, "DISK");
        attribute_set_int(of, "DISK_ID", disk);
        attribute_set_int(of, "CURRENT_BASE", -1);
        attribute_set_int(of, "NEXT_SNAPSHOT", 0);
    }
    gint64 id = number(of, "NEXT_SNAPSHOT"), parent = number(of, "CURRENT_BASE");
    attribute_set_int(of, "NEXT_SNAPSHOT", id + 1);
    attribute_set_int(of, "CURRENT_BASE", id);
    TemplateAttribute *snapshot = template_add_vector(vm->snapshots, "SNAPSHOT");
    attribute_set_int(snapshot, "DISK_ID", disk);
    attribute_set_int(snapshot, "ID", id);
    attribute_set_int(snapshot, "PARENT", parent);
    attribute_set_int(snapshot, "DATE", date);
    attribute_set_int(snapshot, "SIZE", size_mb);
    if (name && *name)
        attribute_set(snapshot, "NAME", name);
    return id;
}

void vm_snapshot_revert(Vm *vm, gint64 disk, gint64 snapshot)
{
    TemplateAttribute *of = find_disk(vm, disk);
    if (of)
        attribute_set_int(of, "CURRENT_BASE", snapshot);
}

/* Takes out one vector. */
static void drop(Vm *vm, const TemplateAttribute *vector)
{
    for (guint i = 0; i < template_count(vm->snapshots); i++)
        if (template_nth(vm->snapshots, i) == vector) {
            template_attribute_free(template_steal(vm->snapshots, i));
            return;
        }
}

void vm_snapshot_remove(Vm *vm, gint64 disk, gint64 snapshot)
{
    TemplateAttribute *gone = find(vm, disk, snapshot), *of = find_disk(vm, disk), *child;
    if (!gone)
        return;
    gint64 parent = number(gone, "PARENT");
    for (guint i = 0; (child = template_vector(vm->snapshots, "SNAPSHOT", i)); i++)
        if (number(child, "DISK_ID") == disk && number(child, "PARENT") == snapshot)
            attribute_set_int(child, "PARENT", parent);
    if (of && number(of, "CURRENT_BASE") == snapshot)
        attribute_set_int(of, "CURRENT_BASE", parent);
    drop(vm, gone);
}

void vm_snapshot_rename(Vm *vm, gint64 disk, gint64 snapshot, const char *name)
{
    TemplateAttribute *vector = find(vm, disk, snapshot);
    if (vector)
        attribute_set(vector, "NAME", name);
}

void vm_snapshots_forget(Vm *vm, gint64 disk)
{
    for (guint i = template_count(vm->snapshots); i-- > 0;)
        if (number(template_nth(vm->snapshots, i), "DISK_ID") == disk)
            template_attribute_free(template_steal(vm->snapshots, i));
}

gint64 vm_snapshot_size(const Vm *vm, gint64 disk, gint64 snapshot)
{
    const TemplateAttribute *vector = find(vm, disk, snapshot);
    return vector ? MAX(number(vector, "SIZE"), 0) : 0;
}

gint64 vm_snapshots_size(const Vm *vm, gint64 disk)
{
    const TemplateAttribute *vector;
    gint64 size = 0;
    for (guint i = 0; (vector = template_vector(vm->snapshots, "SNAPSHOT", i)); i++)
        if (number(vector, "DISK_ID") == disk)
            size += MAX(number(vector, "SIZE"), 0);
    return size;
}

/* ---- those of images ---- */

/* Copies a vector's pairs, but for the disk that it is of. */
static void copy(const TemplateAttribute *from, TemplateAttribute *to)
{
    static const char *const names[] = {"ID", "PARENT", "DATE", "SIZE", "NAME"};
    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        if (attribute_get(from, names[i]))
            attribute_set(to, names[i], attribute_get(from, names[i]));
}

/* The persistent image that the disk is; NULL: it is none. */
static Image *image_itself(World *world, const TemplateAttribute *disk, gint64 *id)
{
    return disk_is_persistent(disk) && attribute_get_int(disk, "DISK_ID", id)
               ? disk_image(world, disk)
               : NULL;
}

void vm_snapshots_adopt(World *world, Vm *vm, TemplateAttribute *disk)
{
    gint64 id = -1, base = -1, next = 0;
    const Image *image = image_itself(world, disk, &id);
    const TemplateAttribute *snapshot;
    if (!image)
        return;
    vm_snapshots_forget(vm, id);
    (void)template_get_int(image->snapshots, "CURRENT_BASE", &base);
    if (!template_get_int(image->snapshots, "NEXT_SNAPSHOT", &next))
        return; /* it never had one */
    TemplateAttribute *of = template_add_vector(vm->snapshots, "DISK");
    attribute_set_int(of, "DISK_ID", id);
    attribute_set_int(of, "CURRENT_BASE", base);
    attribute_set_int(of, "NEXT_SNAPSHOT", next);
    for (guint i = 0; (snapshot = template_vector(image->snapshots, "SNAPSHOT", i)); i++) {
        TemplateAttribute *here = template_add_vector(vm->snapshots, "SNAPSHOT");
        attribute_set_int(here, "DISK_ID", id);
        copy(snapshot, here);
    }
    attribute_set_int(disk, "ORIGINAL_SNAPSHOTS_SIZE", vm_snapshots_size(vm, id));
    attribute_set_int(disk, "DISK_SNAPSHOT_TOTAL_SIZE", vm_snapshots_size(vm, id));
}

void vm_snapshots_renew(World *world, Vm *vm)
{
    TemplateAttribute *disk;
    gint64 id;
    for (guint i = 0; (disk = template_vector(vm->head.template, "DISK", i)); i++) {
        if (!attribute_get_int(disk, "DISK_ID", &id) || !find_disk(vm, id))
            continue;
        vm_snapshots_forget(vm, id);
        attribute_set(disk, "DISK_SNAPSHOT_TOTAL_SIZE", NULL);
        vm_snapshots_adopt(world, vm, disk);
    }
}

void vm_snapshots_keep(World *world, Vm *vm, TemplateAttribute *disk)
{
    gint64 id = -1;
    Image *image = image_itself(world, disk, &id);
    const TemplateAttribute *of = image ? find_disk(vm, id) : NULL, *snapshot;
    if (!of)
        return;
    template_remove(image->snapshots, "SNAPSHOT");
    template_set(image->snapshots, "ALLOW_ORPHANS", "YES"); /* each is a copy for itself */
    template_set_int(image->snapshots, "CURRENT_BASE", number(of, "CURRENT_BASE"));
    template_set_int(image->snapshots, "NEXT_SNAPSHOT", number(of, "NEXT_SNAPSHOT"));
    for (guint i = 0; (snapshot = template_vector(vm->snapshots, "SNAPSHOT", i)); i++)
        if (number(snapshot, "DISK_ID") == id)
            copy(snapshot, template_add_vector(image->snapshots, "SNAPSHOT"));
    attribute_set_int(disk, "ORIGINAL_SNAPSHOTS_SIZE", vm_snapshots_size(vm, id));
    object_changed(world, &image->head);
    object_changed(world, &vm->head);
}

gboolean vm_snapshot_may_go(const Vm *vm, const TemplateAttribute *disk, gint64 snapshot,
                            GError **error)
{
    const char *mode = attribute_get(disk, "ALLOW_ORPHANS");
    gint64 id = -1;
    (void)attribute_get_int(disk, "DISK_ID", &id);
    const TemplateAttribute *of = find_disk(vm, id), *child;
    gboolean active = of && number(of, "CURRENT_BASE") == snapshot, parent = FALSE;
    for (guint i = 0; (child = template_vector(vm->snapshots, "SNAPSHOT", i)); i++)
        parent |= number(child, "DISK_ID") == id && number(child, "PARENT") == snapshot;
    if (mode && !g_ascii_strcasecmp(mode, "FORMAT"))
        mode = g_strcmp0(attribute_get(disk, "DRIVER"), "qcow2") == 0 ? "NO" : "YES";
    gboolean deny = mode && !g_ascii_strcasecmp(mode, "NO");
    gboolean mixed = mode && !g_ascii_strcasecmp(mode, "MIXED");
    if (!(deny && (active || parent)) && !(mixed && active && parent))
        return TRUE;
    g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION,
                "Snapshot %" G_GINT64_FORMAT " of disk %" G_GINT64_FORMAT " of VM %d %s; "
                "ALLOW_ORPHANS = %s of the datastore does not let it be deleted",
                snapshot, id, vm->head.id,
                active ? "is the one that the disk stands on" : "has children",
                attribute_get(disk, "ALLOW_ORPHANS"));
    return FALSE;
}

/* ---- XML ---- */

/* The children of a snapshot: "2,5". */
static void render_children(const Vm *vm, gint64 disk, gint64 snapshot, GString *xml)
{
    const TemplateAttribute *child;
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 0; (child = template_vector(vm->snapshots, "SNAPSHOT", i)); i++)
        if (number(child, "DISK_ID") == disk && number(child, "PARENT") == snapshot)
            g_string_append_printf(text, "%s%" G_GINT64_FORMAT, text->len ? "," : "",
                                   number(child, "ID"));
    if (text->len)
        xml_cdata(xml, "CHILDREN", text->str);
}

static void render_one(const Vm *vm, gint64 disk, gint64 base, const TemplateAttribute *snapshot,
                       GString *xml)
{
    gint64 id = number(snapshot, "ID");
    const char *name = attribute_get(snapshot, "NAME");
    g_string_append(xml, "<SNAPSHOT>");
    if (id == base)
        xml_cdata(xml, "ACTIVE", "YES");
    render_children(vm, disk, id, xml);
    xml_int(xml, "DATE", number(snapshot, "DATE"));
    xml_int(xml, "ID", id);
    if (name)
        xml_cdata(xml, "NAME", name);
    xml_int(xml, "PARENT", number(snapshot, "PARENT"));
    xml_int(xml, "SIZE", number(snapshot, "SIZE"));
    g_string_append(xml, "</SNAPSHOT>");
}

void vm_snapshots_render(const Vm *vm, GString *xml)
{
    const TemplateAttribute *of, *snapshot;
    for (guint i = 0; (of = template_vector(vm->snapshots, "DISK", i)); i++) {
        gint64 disk = number(of, "DISK_ID"), base = number(of, "CURRENT_BASE");
        g_string_append(xml, "<SNAPSHOTS>");
        xml_cdata(xml, "ALLOW_ORPHANS", "YES");
        xml_int(xml, "CURRENT_BASE", base);
        xml_int(xml, "DISK_ID", disk);
        xml_int(xml, "NEXT_SNAPSHOT", number(of, "NEXT_SNAPSHOT"));
        for (guint j = 0; (snapshot = template_vector(vm->snapshots, "SNAPSHOT", j)); j++)
            if (number(snapshot, "DISK_ID") == disk)
                render_one(vm, disk, base, snapshot, xml);
        g_string_append(xml, "</SNAPSHOTS>");
    }
}
