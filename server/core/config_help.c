/* Looking up rows, and what they allow, for the reader and for people. */
#include "server/core/config_private.h"

#include <math.h>
#include <string.h>

static const char *const yes[] = {"YES", "Y", "TRUE", "ON", "1"};
static const char *const no[] = {"NO", "N", "FALSE", "OFF", "0"};

static gboolean is_one_of(const char *value, const char *const *words, guint count)
{
    for (guint i = 0; i < count; i++)
        if (!g_ascii_strcasecmp(value, words[i]))
            return TRUE;
    return FALSE;
}

gboolean config_is_yes(const char *value)
{
    return is_one_of(value, yes, G_N_ELEMENTS(yes));
}

/* ---- looking up ---- */

/* Names of keys, in upper case, to their rows; a second table has the older names. */
static GHashTable *by_key, *by_older;

static gpointer fill_tables(gpointer data)
{
    by_key = g_hash_table_new(g_str_hash, g_str_equal);
    by_older = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (guint i = 0; i < config_row_count; i++) {
        const ConfigRow *row = &config_rows[i];

        if (row->kind == CONFIG_SECTION)
            continue;
        g_hash_table_insert(by_key, (gpointer)row->key, (gpointer)row);
        if (row->older) {
            g_auto(GStrv) names = g_strsplit(row->older, " ", -1);

            for (guint k = 0; names[k]; k++)
                g_hash_table_insert(by_older, g_strdup(names[k]), (gpointer)row);
        }
    }
    return by_key;
}

static void need_tables(void)
{
    static GOnce once = G_ONCE_INIT;

    g_once(&once, fill_tables, NULL);
}

const ConfigRow *config_row(const char *key)
{
    const ConfigRow *row;

    need_tables();
    row = g_hash_table_lookup(by_key, key);
    if (!row) {
        g_autofree char *upper = g_ascii_strup(key, -1);
        row = g_hash_table_lookup(by_key, upper);
    }
    return row;
}

const ConfigRow *config_row_any(const char *key)
{
    const ConfigRow *row = config_row(key);

    return row ? row : g_hash_table_lookup(by_older, key);
}

/* ---- what is allowed ---- */

static gboolean is_word(const char *words, const char *value)
{
    g_auto(GStrv) list = g_strsplit(words, " ", -1);

    return is_one_of(value, (const char *const *)list, g_strv_length(list));
}

static gboolean is_number(const ConfigRow *row, const char *value)
{
    char *end;
    double number;

    if (!*value || value[strspn(value, "0123456789+-.eE")])
        return FALSE;
    number = g_ascii_strtod(value, &end);
    return !*end && isfinite(number) && number >= (double)row->min && number <= (double)row->max;
}

static gboolean is_hex_byte(const char *text)
{
    return g_ascii_isxdigit(text[0]) && g_ascii_isxdigit(text[1]);
}

gboolean config_value_fits(const ConfigRow *row, const char *value)
{
    switch (row->kind) {
    case CONFIG_INT:
        return g_ascii_string_to_signed(value, 10, row->min, row->max, NULL, NULL);
    case CONFIG_NUMBER:
        return is_number(row, value);
    case CONFIG_BOOL:
        return config_is_yes(value) || is_one_of(value, no, G_N_ELEMENTS(no));
    case CONFIG_WORD:
        return is_word(row->words, value);
    case CONFIG_PATH:
        return *value == '/';
    case CONFIG_ADDRESS:
        return g_hostname_is_ip_address(value);
    case CONFIG_UMASK:
        return strlen(value) == 3 && strspn(value, "01234567") == 3;
    case CONFIG_PREFIX:
        return strlen(value) == 5 && is_hex_byte(value) && value[2] == ':' &&
               is_hex_byte(value + 3);
    default:
        return TRUE;
    }
}

char *config_value_kept(const ConfigRow *row, const char *value)
{
    g_auto(GStrv) words = g_strsplit(row->kind == CONFIG_WORD ? row->words : "", " ", -1);

    for (guint i = 0; words[i]; i++)
        if (!g_ascii_strcasecmp(words[i], value))
            return g_strdup(words[i]);
    return g_strdup(value);
}

char *config_allowed(const ConfigRow *row)
{
    switch (row->kind) {
    case CONFIG_INT:
        return g_strdup_printf("a whole number from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT,
                               row->min, row->max);
    case CONFIG_NUMBER:
        return g_strdup_printf("a number from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT, row->min,
                               row->max);
    case CONFIG_BOOL:
        return g_strdup("YES or NO");
    case CONFIG_WORD:
        return strchr(row->words, ' ') ? g_strdup_printf("one of: %s", row->words)
                                       : g_strdup_printf("\"%s\" only", row->words);
    case CONFIG_PATH:
        return g_strdup("a path that begins with /");
    case CONFIG_ADDRESS:
        return g_strdup("an IP address such as 127.0.0.1, 0.0.0.0 or ::");
    case CONFIG_UMASK:
        return g_strdup("three octal digits");
    case CONFIG_PREFIX:
        return g_strdup("two bytes such as 02:00");
    case CONFIG_LIST:
        return g_strdup("a text, may be repeated");
    case CONFIG_VECTOR:
        return g_strdup("a vector");
    case CONFIG_VECTORS:
        return g_strdup("vectors, may be repeated");
    default:
        return g_strdup("a text");
    }
}

/* ---- the table for people ---- */

static void append_row(GString *out, const ConfigRow *row)
{
    g_autofree char *allowed = config_allowed(row);
    const char *initial = row->initial ? row->initial : "";

    if (row->kind == CONFIG_LIST || *initial == '@')
        initial = "";
    g_string_append_printf(out, "  %-34s %s\n", row->key, row->help);
    g_string_append_printf(out, "  %-34s takes %s%s%s%s%s\n", "", allowed,
                           *initial ? "; default " : "", initial,
                           row->flags & CONFIG_RELOAD ? "; reloaded at SIGHUP" : "",
                           row->flags & CONFIG_IDLE ? "; without effect yet" : "");
    if (row->older)
        g_string_append_printf(out, "  %-34s older names: %s\n", "", row->older);
}

char *config_help(void)
{
    GString *out = g_string_new(
        "Keys of oned.conf. A member of a vector is written KEY = [ MEMBER = value ].\n");

    for (guint i = 0; i < config_row_count; i++) {
        if (config_rows[i].kind == CONFIG_SECTION)
            g_string_append_printf(out, "\n%s\n", config_rows[i].key);
        else
            append_row(out, &config_rows[i]);
    }
    return g_string_free(out, FALSE);
}
