/* From a text to the keys in force: defaults, then what the file says, checked by the table. */
#include "lib/base/error.h"
#include "lib/base/paths.h"
#include "server/core/config_private.h"

#include <string.h>

typedef struct Reader {
    const char *text;
    const char *path;
    Template *values;
    GPtrArray *unknown; /* what the warning names (owned texts) */
    GPtrArray *idle;
    GPtrArray *adopted;
    GError **error;
    const TemplateAttribute *at; /* the attribute at hand, and which of its name it is */
    guint nth;
} Reader;

/* ---- values in a template ---- */

const char *config_value(const Template *values, const char *key)
{
    g_autofree char *vector = NULL;
    const char *slash = strchr(key, '/');

    if (!slash)
        return template_get(values, key);
    vector = g_strndup(key, (gsize)(slash - key));
    return template_get_pair(values, vector, slash + 1);
}

void config_set_value(Template *values, const char *key, const char *value)
{
    g_autofree char *name = NULL;
    const char *slash = strchr(key, '/');
    TemplateAttribute *vector;

    if (!slash) {
        template_set(values, key, value);
        return;
    }
    name = g_strndup(key, (gsize)(slash - key));
    vector = template_vector(values, name, 0);
    if (!vector && value)
        vector = template_add_vector(values, name);
    if (vector)
        attribute_set(vector, slash + 1, value);
}

static void set_default(Template *values, const ConfigRow *row)
{
    g_autofree char *path = NULL;

    if (row->kind == CONFIG_LIST) {
        g_auto(GStrv) words = g_strsplit(row->initial, " ", -1);

        for (guint i = 0; words[i]; i++)
            template_add(values, row->key, words[i]);
        return;
    }
    if (*row->initial == '@')
        path = paths_var(row->initial + 1);
    config_set_value(values, row->key, path ? path : row->initial);
}

/* ---- errors ---- */

static gboolean fail(Reader *reader, const char *what)
{
    guint line = template_line_of(reader->text, TEMPLATE_CONFIG, reader->at->name, reader->nth);

    if (line)
        g_set_error(reader->error, ONE_ERROR, ONE_ERROR_INTERNAL, "%s, line %u: %s", reader->path,
                    line, what);
    else
        g_set_error(reader->error, ONE_ERROR, ONE_ERROR_INTERNAL, "%s: %s", reader->path, what);
    return FALSE;
}

static gboolean fail_value(Reader *reader, const ConfigRow *row, const char *name,
                           const char *value)
{
    g_autofree char *allowed = config_allowed(row), *initial = NULL, *what = NULL;

    if (row->initial && *row->initial && *row->initial != '@')
        initial = g_strdup_printf(" (default %s)", row->initial);
    what = g_strdup_printf("%s = \"%s\" is not allowed, it takes %s%s", name, value, allowed,
                           initial ? initial : "");
    return fail(reader, what);
}

static gboolean fail_shape(Reader *reader, gboolean vector_wanted)
{
    g_autofree char *what = NULL;

    if (vector_wanted)
        what =
            g_strdup_printf("%s = \"%s\" is not allowed, it takes a vector: %s = [ NAME = value, "
                            "... ]",
                            reader->at->name, reader->at->value, reader->at->name);
    else
        what = g_strdup_printf("%s = [ ... ] is not allowed, it takes one value", reader->at->name);
    return fail(reader, what);
}

/* ---- what the file says ---- */

static void note(GPtrArray *notes, const char *text)
{
    for (guint i = 0; i < notes->len; i++)
        if (!strcmp(notes->pdata[i], text))
            return;
    g_ptr_array_add(notes, g_strdup(text));
}

static gboolean take_value(Reader *reader, const ConfigRow *row, const char *name,
                           const char *value)
{
    g_autofree char *trimmed = g_strstrip(g_strdup(value)), *kept = NULL;
    const char *present = config_value(reader->values, row->key);

    if (!config_value_fits(row, trimmed))
        return fail_value(reader, row, name, value);
    kept = config_value_kept(row, trimmed);
    if (row->flags & CONFIG_IDLE && g_strcmp0(present, kept))
        note(reader->idle, name);
    config_set_value(reader->values, row->key, kept);
    return TRUE;
}

static gboolean take_members(Reader *reader, const ConfigRow *row)
{
    for (guint i = 0; i < reader->at->pairs->len; i++) {
        const TemplatePair *pair = reader->at->pairs->pdata[i];
        g_autofree char *key = g_strconcat(row->key, "/", pair->name, NULL);
        const ConfigRow *member = config_row(key);

        if (!member)
            note(reader->unknown, key);
        else if (!take_value(reader, member, key, pair->value))
            return FALSE;
    }
    return TRUE;
}

static gboolean take_list(Reader *reader, const ConfigRow *row)
{
    /* What the file lists replaces what is there by default. */
    if (reader->nth == 0)
        template_remove(reader->values, row->key);
    if (row->flags & CONFIG_IDLE)
        note(reader->idle, row->key);
    if (*reader->at->value)
        template_add(reader->values, row->key, reader->at->value);
    return TRUE;
}

/* Removes the vector of that name that was there before, so that the last counts. */
static void remove_named(Template *values, const char *key, const char *name)
{
    TemplateAttribute *old;

    for (guint i = 0; (old = template_vector(values, key, i)); i++) {
        if (g_strcmp0(attribute_get(old, "NAME"), name))
            continue;
        for (guint k = 0; k < template_count(values); k++) {
            if (template_nth(values, k) == old) {
                template_attribute_free(template_steal(values, k));
                return;
            }
        }
    }
}

static gboolean take_driver(Reader *reader, const ConfigRow *row)
{
    const char *name = attribute_get(reader->at, "NAME");
    gboolean nameless = !name || !*name;
    TemplateAttribute *vector;

    if (row->flags & CONFIG_PROGRAM && !attribute_get(reader->at, "EXECUTABLE"))
        return fail(reader, "a driver needs EXECUTABLE = a program in the directory of drivers");
    if (nameless && (!strcmp(row->key, "IM_MAD") || !strcmp(row->key, "VM_MAD")))
        return fail(reader, "a driver needs NAME = what hosts call it");
    if (reader->nth == 0)
        template_remove(reader->values, row->key);
    if (row->flags & CONFIG_IDLE)
        note(reader->idle, row->key);
    if (!nameless)
        remove_named(reader->values, row->key, name);
    vector = template_add_vector(reader->values, row->key);
    for (guint i = 0; i < reader->at->pairs->len; i++) {
        const TemplatePair *pair = reader->at->pairs->pdata[i];

        attribute_set(vector, pair->name, pair->value);
    }
    if (config_adopt_driver(row->key, vector)) {
        g_autofree char *text = g_strdup_printf("%s %s by %s %s", row->key, name ? name : "",
                                                attribute_get(vector, "EXECUTABLE"),
                                                attribute_get(vector, "ARGUMENTS"));
        note(reader->adopted, text);
    }
    return TRUE;
}

static gboolean take_attribute(Reader *reader, const ConfigRow *row)
{
    gboolean vector = row->kind == CONFIG_VECTOR || row->kind == CONFIG_VECTORS;

    if (vector != (reader->at->pairs != NULL))
        return fail_shape(reader, vector);
    switch (row->kind) {
    case CONFIG_VECTOR:
        return take_members(reader, row);
    case CONFIG_VECTORS:
        return take_driver(reader, row);
    case CONFIG_LIST:
        return take_list(reader, row);
    default:
        return take_value(reader, row, reader->at->name, reader->at->value);
    }
}

/* Hooks stood in this file until they became objects. */
static gboolean is_hook(const char *key)
{
    static const char *const keys[] = {"VM_HOOK",   "HOST_HOOK",  "IMAGE_HOOK",   "VNET_HOOK",
                                       "USER_HOOK", "GROUP_HOOK", "VROUTER_HOOK", NULL};

    return g_strv_contains(keys, key);
}

/* Older names first: when a file has both, the present name counts. */
static gboolean take_all(Reader *reader, const Template *file, gboolean older)
{
    for (guint i = 0; i < template_count(file); i++) {
        const ConfigRow *row;

        reader->nth =
            reader->at && i && !strcmp(template_nth(file, i - 1)->name, template_nth(file, i)->name)
                ? reader->nth + 1
                : 0;
        reader->at = template_nth(file, i);
        row = config_row_any(reader->at->name);
        if (!row)
            note(reader->unknown, is_hook(reader->at->name)
                                      ? "hooks (register them with `onehook create`)"
                                      : reader->at->name);
        else if (older == (config_row(reader->at->name) == NULL) && !take_attribute(reader, row))
            return FALSE;
    }
    return TRUE;
}

/* The driver of newer files that speaks for all hosts: what is there without a file does it. */
static void drop_monitord(Template *file)
{
    for (guint i = template_count(file); i-- > 0;) {
        const TemplateAttribute *attribute = template_nth(file, i);

        if (!strcmp(attribute->name, "IM_MAD") && attribute->pairs &&
            !g_strcmp0(attribute_get(attribute, "EXECUTABLE"), "onemonitord"))
            template_attribute_free(template_steal(file, i));
    }
}

/* ---- all together ---- */

static void append_notes(GString *out, const char *heading, GPtrArray *notes)
{
    if (!notes->len)
        return;
    g_string_append_printf(out, "%s%s: ", out->len ? "; " : "", heading);
    for (guint i = 0; i < notes->len; i++)
        g_string_append_printf(out, "%s%s", i ? ", " : "", (const char *)notes->pdata[i]);
}

static char *warning_of(const Reader *reader)
{
    g_autoptr(GString) text = g_string_new(NULL);
    GString *out;

    append_notes(text, "unknown keys, left out", reader->unknown);
    append_notes(text, "without effect in this version", reader->idle);
    append_notes(text, "older drivers done by newer ones", reader->adopted);
    if (!text->len)
        return NULL;
    out = g_string_new(reader->path);
    g_string_append_printf(out, ": %s", text->str);
    return g_string_free(out, FALSE);
}

static Template *defaults(void)
{
    Template *values = template_parse(config_builtin, TEMPLATE_CONFIG, NULL);

    g_assert(values);
    for (guint i = 0; i < config_row_count; i++)
        if (config_rows[i].initial)
            set_default(values, &config_rows[i]);
    return values;
}

gboolean config_read(const char *text, const char *path, ConfigReading *reading, GError **error)
{
    g_autoptr(GPtrArray) unknown = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) idle = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) adopted = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(Template) values = defaults(), file = NULL;
    Reader reader = {.text = text,
                     .path = path,
                     .values = values,
                     .unknown = unknown,
                     .idle = idle,
                     .adopted = adopted,
                     .error = error};

    file = template_parse(text, TEMPLATE_CONFIG, error);
    if (!file) {
        g_prefix_error(error, "%s: ", path);
        return FALSE;
    }
    drop_monitord(file);
    if (!take_all(&reader, file, TRUE) || !take_all(&reader, file, FALSE))
        return FALSE;
    reading->values = g_steal_pointer(&values);
    reading->warning = warning_of(&reader);
    return TRUE;
}
