#include "server/model/vm_snapshots.h"

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
