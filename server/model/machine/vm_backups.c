#include "server/model/machine/vm_backups.h"

#include "lib/base/error.h"

#include <string.h>

/* What users may say. The first word is the default; NULL: a number or a list of numbers. */
static const struct {
    const char *name;
    const char *words[4];
} settings[] = {
    {"BACKUP_VOLATILE", {"NO", "YES"}},
    {"DISK_IDS", {NULL}},
    {"FS_FREEZE", {"NONE", "AGENT", "SUSPEND"}},
    {"INCREMENT_MODE", {"CBT", "SNAPSHOT"}},
    {"KEEP_LAST", {NULL}},
    {"MODE", {"FULL", "INCREMENT"}},
};

/* In the order of vm.xsd. */
static const char *const shown[] = {
    "BACKUP_JOB_ID",         "BACKUP_VOLATILE",   "DISK_IDS",          "FS_FREEZE",
    "INCREMENTAL_BACKUP_ID", "INCREMENT_MODE",    "KEEP_LAST",         "LAST_BACKUP_ID",
    "LAST_BACKUP_SIZE",      "LAST_DATASTORE_ID", "LAST_INCREMENT_ID", "MODE"};

/* "0, 2" with nothing else in it. */
static gboolean is_list(const char *text)
{
    g_auto(GStrv) words = g_strsplit(text, ",", -1);
    guint64 number;
    for (guint i = 0; words[i]; i++)
        if (!g_ascii_string_to_unsigned(g_strstrip(words[i]), 10, 0, G_MAXINT32, &number, NULL))
            return FALSE;
    return TRUE;
}

/* The value in the words that are kept; NULL: it is none of them. "" is the default. (owned) */
static char *read_value(guint which, const char *value, GError **error)
{
    const char *const *words = settings[which].words;
    if (!*value)
        return g_strdup(words[0] ? words[0] : "");
    for (guint i = 0; i < G_N_ELEMENTS(settings[0].words) && words[i]; i++)
        if (!g_ascii_strcasecmp(words[i], value))
            return g_strdup(words[i]);
    gboolean number = !strcmp(settings[which].name, "KEEP_LAST");
    guint64 read;
    if (!words[0] && (number ? g_ascii_string_to_unsigned(value, 10, 0, G_MAXINT32, &read, NULL)
                             : is_list(value)))
        return g_strdup(value);
    g_autofree char *known = words[0] ? g_strjoinv(" or ", (char **)words) : NULL;
    g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION, "%s of the backups is \"%s\", and must be %s",
                settings[which].name, value,
                known    ? known
                : number ? "a whole number"
                         : "numbers of disks, such as 0,2");
    return NULL;
}

/* Sets what `said` gives for each name; NULL: it gives nothing. */
static gboolean configure(Template *backups, const char *(*said)(gconstpointer, const char *),
                          gconstpointer data, gboolean append, GError **error)
{
    char *values[G_N_ELEMENTS(settings)] = {NULL};
    gboolean fits = TRUE;
    for (guint i = 0; fits && i < G_N_ELEMENTS(settings); i++) {
        const char *value = said(data, settings[i].name);
        if (value || !append)
            fits = (values[i] = read_value(i, value ? value : "", error)) != NULL;
    }
    for (guint i = 0; i < G_N_ELEMENTS(settings); i++) {
        if (fits && values[i])
            template_set(backups, settings[i].name, *values[i] ? values[i] : NULL);
        g_free(values[i]);
    }
    return fits;
}

static const char *said_by_attribute(gconstpointer data, const char *name)
{
    return data ? attribute_get(data, name) : NULL;
}

static const char *said_by_template(gconstpointer data, const char *name)
{
    return template_get(data, name);
}

gboolean vm_backups_configure(Template *backups, const TemplateAttribute *given, gboolean append,
                              GError **error)
{
    return configure(backups, said_by_attribute, given, append, error);
}

gboolean vm_backups_overlay(Template *backups, const Template *given, GError **error)
{
    return configure(backups, said_by_template, given, TRUE, error);
}

void vm_backups_take(Vm *vm)
{
    const TemplateAttribute *given = template_vector(vm->head.template, "BACKUP_CONFIG", 0);
    if (given)
        (void)vm_backups_configure(vm->backups, given, FALSE, NULL);
    template_remove(vm->head.template, "BACKUP_CONFIG");
}

gboolean vm_backups_is(const Template *backups, const char *name, const char *word)
{
    const char *value = template_get(backups, name);
    for (guint i = 0; !value && i < G_N_ELEMENTS(settings); i++)
        if (!strcmp(settings[i].name, name))
            value = settings[i].words[0];
    return g_strcmp0(value, word) == 0;
}

gint64 vm_backups_number(const Template *backups, const char *name)
{
    gint64 value = -1;
    (void)template_get_int(backups, name, &value);
    return value;
}

/* ---- the backups there are ---- */

GArray *vm_backups_ids(const Vm *vm)
{
    return ids_parse(template_get(vm->backups, "IDS"));
}

static void set_ids(World *world, Vm *vm, GArray *ids)
{
    g_autofree char *text = ids_print(ids);
    template_set(vm->backups, "IDS", ids->len ? text : NULL);
    object_changed(world, &vm->head);
    g_array_unref(ids);
}

void vm_backups_add(World *world, Vm *vm, gint32 image)
{
    GArray *ids = vm_backups_ids(vm);
    ids_add(ids, image);
    set_ids(world, vm, ids);
}

void vm_backups_forget(World *world, Vm *vm, gint32 image)
{
    GArray *ids = vm_backups_ids(vm);
    if (vm_backups_number(vm->backups, "INCREMENTAL_BACKUP_ID") == image) {
        template_set(vm->backups, "INCREMENTAL_BACKUP_ID", NULL);
        template_set(vm->backups, "LAST_INCREMENT_ID", NULL);
        object_changed(world, &vm->head);
    }
    if (ids_remove(ids, image))
        set_ids(world, vm, ids);
    else
        g_array_unref(ids);
}

/* ---- disks ---- */

static gboolean is_kept(const TemplateAttribute *disk, const Template *backups)
{
    const char *type = attribute_get(disk, "TYPE");
    gboolean volatile_disk = !attribute_get(disk, "IMAGE_ID") && !attribute_get(disk, "SOURCE");
    if (type && (!g_ascii_strcasecmp(type, "cdrom") || !g_ascii_strcasecmp(type, "swap")))
        return FALSE;
    return !volatile_disk || vm_backups_is(backups, "BACKUP_VOLATILE", "YES");
}

GArray *vm_backups_disks(const Vm *vm, const Template *backups)
{
    const char *listed = template_get(backups, "DISK_IDS");
    g_autoptr(GArray) only = ids_parse(listed);
    GArray *disks = ids_parse("");
    const TemplateAttribute *disk;
    gint64 id;
    for (guint i = 0; (disk = template_vector(vm->head.template, "DISK", i)); i++)
        if (attribute_get_int(disk, "DISK_ID", &id) && is_kept(disk, backups) &&
            (!listed || ids_contain(only, (gint32)id)))
            ids_add(disks, (gint32)id);
    return disks;
}

const char *vm_backups_format(const TemplateAttribute *disk)
{
    const char *format = disk ? attribute_get(disk, "DRIVER") : NULL;
    if (!format && disk)
        format = attribute_get(disk, "FORMAT");
    return format && !g_ascii_strcasecmp(format, "qcow2") ? "qcow2" : "raw";
}

/* ---- XML ---- */

void vm_backups_render(const Vm *vm, GString *xml)
{
    g_autoptr(GArray) ids = vm_backups_ids(vm);
    gsize start = xml->len;
    g_string_append(xml, "<BACKUPS><BACKUP_CONFIG>");
    gsize empty = xml->len;
    for (guint i = 0; i < G_N_ELEMENTS(shown); i++)
        if (template_get(vm->backups, shown[i]))
            xml_cdata(xml, shown[i], template_get(vm->backups, shown[i]));
    if (xml->len == empty) {
        g_string_truncate(xml, start);
        g_string_append(xml, "<BACKUPS><BACKUP_CONFIG/>");
    } else {
        g_string_append(xml, "</BACKUP_CONFIG>");
    }
    xml_ids(xml, "BACKUP_IDS", ids);
    g_string_append(xml, "</BACKUPS>");
}
