#include "server/core/config.h"
#include "lib/base/error.h"
#include "server/core/config_private.h"

#include <errno.h>
#include <string.h>

struct Config {
    char *path; /* NULL: no file */
    ConfigReading reading;
    /* What the reading says, borrowed from it; every call asks some. */
    GHashTable *texts; /* key -> its value, "" when not set */
    GHashTable *lists; /* key that may be repeated -> GPtrArray of its values */
};

/* ---- loading ---- */

/* (owned) */
static GPtrArray *values_of(const Template *template, const char *key)
{
    GPtrArray *values = g_ptr_array_new();
    const char *value;

    while ((value = template_get_nth(template, key, values->len)))
        g_ptr_array_add(values, (gpointer)value);
    return values;
}

/* Puts another reading in the place of the one there is. */
static void take_reading(Config *config, ConfigReading reading)
{
    template_free(config->reading.values);
    g_free(config->reading.warning);
    config->reading = reading;
    g_hash_table_remove_all(config->texts);
    g_hash_table_remove_all(config->lists);
    for (guint i = 0; i < config_row_count; i++) {
        const ConfigRow *row = &config_rows[i];
        const char *value;

        if (row->kind == CONFIG_SECTION)
            continue;
        value = config_value(reading.values, row->key);
        g_hash_table_insert(config->texts, (gpointer)row->key, (gpointer)(value ? value : ""));
        if (row->kind == CONFIG_LIST)
            g_hash_table_insert(config->lists, (gpointer)row->key,
                                values_of(reading.values, row->key));
    }
}

Config *config_load_text(const char *text, const char *path, GError **error)
{
    Config *config;
    ConfigReading reading = {0};

    if (!config_read(text, path, &reading, error))
        return NULL;
    config = g_new0(Config, 1);
    config->texts = g_hash_table_new(g_str_hash, g_str_equal);
    config->lists =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)g_ptr_array_unref);
    take_reading(config, reading);
    return config;
}

/* The text of the file; "" when there is none. (owned, NULL on error) */
static char *read_file(const char *path, GError **error)
{
    g_autoptr(GError) why = NULL;
    char *text = NULL;
    gsize length;

    if (!path)
        return g_strdup("");
    if (g_file_get_contents(path, &text, &length, &why)) {
        if (strlen(text) == length)
            return text;
        g_free(text);
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "%s is not a text file", path);
        return NULL;
    }
    if (g_error_matches(why, G_FILE_ERROR, G_FILE_ERROR_NOENT))
        return g_strdup("");
    g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                "Cannot read the configuration: %s. The user who runs oned must be able to",
                why->message);
    return NULL;
}

Config *config_load(const char *path, GError **error)
{
    g_autofree char *text = read_file(path, error);
    Config *config = NULL;

    if (text)
        config = config_load_text(text, path ? path : "oned.conf", error);
    if (config)
        config->path = g_strdup(path);
    return config;
}

void config_free(Config *config)
{
    if (!config)
        return;
    template_free(config->reading.values);
    g_free(config->reading.warning);
    g_hash_table_unref(config->texts);
    g_hash_table_unref(config->lists);
    g_free(config->path);
    g_free(config);
}

const char *config_warning(const Config *config)
{
    return config->reading.warning;
}

/* ---- values ---- */

const char *config_text(const Config *config, const char *key)
{
    const char *value = g_hash_table_lookup(config->texts, key);

    if (!value)
        g_error("no key \"%s\" in the table of the configuration", key);
    return value;
}

gint64 config_int(const Config *config, const char *key)
{
    return g_ascii_strtoll(config_text(config, key), NULL, 10);
}

double config_double(const Config *config, const char *key)
{
    return g_ascii_strtod(config_text(config, key), NULL);
}

gboolean config_bool(const Config *config, const char *key)
{
    return config_is_yes(config_text(config, key));
}

const char *config_pair(const Config *config, const char *key, const char *member)
{
    return template_get_pair(config->reading.values, key, member);
}

const char *config_list(const Config *config, const char *key, guint index)
{
    const GPtrArray *values = config_values(config, key);

    return index < values->len ? values->pdata[index] : NULL;
}

const GPtrArray *config_values(const Config *config, const char *key)
{
    const GPtrArray *values = g_hash_table_lookup(config->lists, key);

    if (!values)
        g_error("no key \"%s\" that may be repeated in the table of the configuration", key);
    return values;
}

const TemplateAttribute *config_vector(const Config *config, const char *key, guint index)
{
    return template_vector(config->reading.values, key, index);
}

/* Whether `name` is in the list behind "-d" in the arguments, "-t 15 -d dummy,shared,ssh", or
 * behind
 * "-m", as drivers of marketplaces call it. */
static gboolean serves(const char *arguments, const char *name)
{
    g_auto(GStrv) words = g_strsplit_set(arguments ? arguments : "", " \t", -1);

    for (guint i = 0; words[i]; i++) {
        if ((strcmp(words[i], "-d") != 0 && strcmp(words[i], "-m") != 0) || !words[i + 1])
            continue;
        g_auto(GStrv) list = g_strsplit(words[i + 1], ",", -1);
        return g_strv_contains((const char *const *)list, name);
    }
    return FALSE;
}

/* Whether a list such as "ssh, x509" has the name. */
static gboolean names_one(const char *list, const char *name)
{
    g_auto(GStrv) names = g_strsplit_set(list ? list : "", ", \t", -1);

    return *name && g_strv_contains((const char *const *)names, name);
}

const TemplateAttribute *config_named(const Config *config, const char *key, const char *name)
{
    const TemplateAttribute *vector, *nameless = NULL;

    for (guint i = 0; (vector = config_vector(config, key, i)); i++) {
        const char *own = attribute_get(vector, "NAME");

        if (own && !strcmp(own, name))
            return vector;
        if ((!own || !*own) && !nameless &&
            (serves(attribute_get(vector, "ARGUMENTS"), name) ||
             names_one(attribute_get(vector, "AUTHN"), name)))
            nameless = vector;
    }
    return nameless;
}

gboolean config_named_bool(const Config *config, const char *key, const char *name,
                           const char *member, gboolean otherwise)
{
    const TemplateAttribute *vector = config_named(config, key, name);
    const char *value = vector ? attribute_get(vector, member) : NULL;

    return value && *value ? config_is_yes(value) : otherwise;
}

/* ---- as a template ---- */

Template *config_to_template(const Config *config)
{
    return template_copy(config->reading.values);
}

static gboolean is_listed(const char *words, const char *name)
{
    g_auto(GStrv) list = g_strsplit(words, " ", -1);

    return g_strv_contains((const char *const *)list, name);
}

/* Whether clients know a member, and what they may see of it. NULL: nothing. */
static const char *member_for_clients(const ConfigRow *row, const TemplatePair *pair,
                                      gboolean administrator)
{
    static const char hidden[] = "BACKEND SERVER PORT USER PASSWD DB_NAME";

    if (row->kind == CONFIG_VECTORS && !is_listed(row->words, pair->name))
        return NULL;
    if (!strcmp(row->key, "DB") &&
        (administrator ? !strcmp(pair->name, "PASSWD") : is_listed(hidden, pair->name)))
        return "***";
    return pair->value;
}

Template *config_for_clients(const Config *config, gboolean administrator)
{
    const Template *values = config->reading.values;
    Template *shown = template_new();

    for (guint i = 0; i < template_count(values); i++) {
        const TemplateAttribute *attribute = template_nth(values, i);
        const ConfigRow *row = config_row(attribute->name);
        TemplateAttribute *vector;

        if (row->flags & CONFIG_OURS)
            continue;
        if (attribute->value) {
            template_add(shown, attribute->name, attribute->value);
            continue;
        }
        vector = template_add_vector(shown, attribute->name);
        for (guint k = 0; k < attribute->pairs->len; k++) {
            const TemplatePair *pair = attribute->pairs->pdata[k];

            attribute_set(vector, pair->name, member_for_clients(row, pair, administrator));
        }
    }
    return shown;
}

/* ---- reloading ---- */

void config_changes_clear(ConfigChanges *changes)
{
    g_clear_pointer(&changes->applied, g_ptr_array_unref);
    g_clear_pointer(&changes->restart, g_ptr_array_unref);
}

/* All that a template says for a row, to compare. (owned) */
static char *said(const Template *values, const ConfigRow *row)
{
    GString *out;

    if (strchr(row->key, '/') || (row->kind != CONFIG_LIST && row->kind != CONFIG_VECTORS))
        return g_strdup(config_value(values, row->key));
    out = g_string_new(NULL);
    for (guint i = 0; i < template_count(values); i++)
        if (!strcmp(template_nth(values, i)->name, row->key))
            template_attribute_append_xml(template_nth(values, i), out);
    return g_string_free(out, FALSE);
}

/* Puts what `from` says for a row in the place of what `into` says. */
static void keep(Template *into, const Template *from, const ConfigRow *row)
{
    g_autoptr(Template) copy = NULL;

    if (row->kind != CONFIG_LIST && row->kind != CONFIG_VECTORS) {
        config_set_value(into, row->key, config_value(from, row->key));
        return;
    }
    template_remove(into, row->key);
    copy = template_copy(from);
    for (guint i = template_count(copy); i-- > 0;)
        if (strcmp(template_nth(copy, i)->name, row->key) != 0)
            template_attribute_free(template_steal(copy, i));
    template_merge(into, copy);
}

gboolean config_reload(Config *config, ConfigChanges *changes, GError **error)
{
    g_autofree char *text = read_file(config->path, error);
    ConfigReading reading = {0};

    changes->applied = g_ptr_array_new();
    changes->restart = g_ptr_array_new();
    if (!text || !config_read(text, config->path ? config->path : "oned.conf", &reading, error))
        return FALSE;
    for (guint i = 0; i < config_row_count; i++) {
        const ConfigRow *row = &config_rows[i];
        g_autofree char *before = NULL, *after = NULL;

        if (row->kind == CONFIG_SECTION || row->kind == CONFIG_VECTOR)
            continue;
        before = said(config->reading.values, row);
        after = said(reading.values, row);
        if (!g_strcmp0(before, after))
            continue;
        g_ptr_array_add(row->flags & CONFIG_RELOAD ? changes->applied : changes->restart,
                        (gpointer)row->key);
        if (!(row->flags & CONFIG_RELOAD))
            keep(reading.values, config->reading.values, row);
    }
    take_reading(config, reading);
    return TRUE;
}
