#include "client/cli/names.h"
#include "client/cli/args.h"
#include "client/cli/call.h"
#include "client/cli/xml.h"

#include <string.h>

#define RANGE_MAX 100000 /* objects in one range: a slip of the finger is not a list */
#define CLOSE_MAX 3      /* suggestions */
#define WORD_MAX  128    /* longest name that is compared */

/* ---- Lists ---- */

void cli_pick_free(CliPick *pick)
{
    g_free(pick->name);
    g_free(pick);
}

gboolean cli_is_id(const char *text, gint32 *id)
{
    guint64 number;
    if (!g_ascii_isdigit(text[0]) ||
        !g_ascii_string_to_unsigned(text, 10, 0, G_MAXINT32, &number, NULL))
        return FALSE;
    *id = (gint32)number;
    return TRUE;
}

static gboolean read_range(const char *text, CliPick *pick)
{
    const char *dots = strstr(text, "..");
    if (dots == NULL)
        return FALSE;
    g_autofree char *first = g_strndup(text, dots - text);
    return cli_is_id(first, &pick->first) && cli_is_id(dots + 2, &pick->last);
}

static CliPick *pick_of(const char *text, GError **error)
{
    CliPick *pick = g_new0(CliPick, 1);
    if (cli_is_id(text, &pick->first)) {
        pick->last = pick->first;
    } else if (g_ascii_isdigit(*text) && g_str_has_suffix(text, "..") &&
               strspn(text, "0123456789") == strlen(text) - 2) {
        g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE,
                    "range %s has no end: write both ids, such as 5..9", text);
        cli_pick_free(pick);
        return NULL;
    } else if (read_range(text, pick)) {
        if (pick->last < pick->first || pick->last - pick->first >= RANGE_MAX) {
            g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE, "range %s: %s", text,
                        pick->last < pick->first ? "the first number is the higher one"
                                                 : "more than 100000 objects");
            g_clear_pointer(&pick, cli_pick_free);
        }
    } else {
        pick->name = g_strdup(text);
    }
    return pick;
}

GPtrArray *cli_picks_of(const char *text, GError **error)
{
    g_autoptr(GPtrArray) picks = g_ptr_array_new_with_free_func((GDestroyNotify)cli_pick_free);
    g_auto(GStrv) pieces = g_strsplit(text, ",", -1);
    for (guint i = 0; pieces[i] != NULL; i++) {
        if (*g_strstrip(pieces[i]) == '\0')
            continue;
        CliPick *pick = pick_of(pieces[i], error);
        if (pick == NULL)
            return NULL;
        g_ptr_array_add(picks, pick);
    }
    if (picks->len == 0) {
        g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE, "\"%s\" names no object", text);
        return NULL;
    }
    return g_steal_pointer(&picks);
}

/* ---- Close names ---- */

guint cli_distance(const char *one, const char *other)
{
    gsize length = strlen(one), width = strlen(other);
    if (length > WORD_MAX || width > WORD_MAX)
        return G_MAXUINT;
    guint rows[3][WORD_MAX + 1];
    guint *before = rows[0], *above = rows[1], *row = rows[2];
    for (gsize j = 0; j <= width; j++)
        above[j] = j;
    for (gsize i = 1; i <= length; i++) {
        row[0] = i;
        for (gsize j = 1; j <= width; j++) {
            gboolean same = g_ascii_tolower(one[i - 1]) == g_ascii_tolower(other[j - 1]);
            row[j] = MIN(MIN(above[j], row[j - 1]) + 1, above[j - 1] + (same ? 0 : 1));
            if (i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1])
                row[j] = MIN(row[j], before[j - 2] + 1);
        }
        guint *spare = before;
        before = above, above = row, row = spare;
    }
    return above[width];
}

static gboolean is_close(const char *word, const char *name)
{
    gsize length = strlen(word);
    if (length == 0)
        return FALSE;
    if (length >= 3 && (g_str_has_prefix(name, word) || strstr(name, word) != NULL))
        return TRUE;
    return cli_distance(word, name) <= MAX(1, MIN(3, length / 3));
}

char *cli_close_commands(const CliKind *kind, const char *word)
{
    GString *text = g_string_new(NULL);
    guint count = 0;
    for (const CliCommand *row = kind->commands; row != NULL && row->names != NULL; row++) {
        g_auto(GStrv) names = g_strsplit(row->names, " ", -1);
        for (guint i = 0; names[i] != NULL && count < CLOSE_MAX; i++) {
            if (!is_close(word, names[i]))
                continue;
            g_string_append_printf(text, "%s%s", count++ > 0 ? ", " : "", names[i]);
            break;
        }
    }
    return g_string_free(text, FALSE);
}

/* ---- Looking up ---- */

xmlDoc *cli_pool(Cli *cli, const CliKind *kind, GError **error)
{
    xmlDoc *doc = g_hash_table_lookup(cli->pools, kind->word);
    if (doc != NULL)
        return doc;
    g_auto(WireReply) reply = {0};
    if (!cli_call_numbers(cli, &reply, error, kind->pool, kind->pool_arguments))
        return NULL;
    doc = cli_xml_parse(reply.text, error);
    if (doc != NULL)
        g_hash_table_insert(cli->pools, (gpointer)kind->word, doc);
    return doc;
}

static xmlNode *first_of(const CliKind *kind, xmlDoc *doc)
{
    return xml_find(xmlDocGetRootElement(doc), kind->element);
}

const char *cli_known_name(const Cli *cli, const CliKind *kind, gint32 id)
{
    xmlDoc *doc = g_hash_table_lookup(cli->pools, kind->word);
    for (xmlNode *at = doc != NULL ? first_of(kind, doc) : NULL; at != NULL; at = xml_next_same(at))
        if (cli_xml_int(at, "ID", -1) == id)
            return cli_xml_text(at, "NAME");
    return "";
}

/* "3 (bob, RUNNING)": enough to choose among machines of one name. */
static void append_description(GString *text, const CliKind *kind, xmlNode *object)
{
    const char *owner = cli_xml_text(object, "UNAME");
    CliState state = {.name = ""};
    if (kind->state != NULL)
        kind->state(object, &state);
    g_string_append_printf(text, "%s%s", text->len > 0 ? ", " : "", cli_xml_text(object, "ID"));
    if (*owner != '\0' || *state.name != '\0')
        g_string_append_printf(text, " (%s%s%s)", owner,
                               *owner != '\0' && *state.name != '\0' ? ", " : "", state.name);
}

static void fail_unknown(const CliKind *kind, xmlDoc *doc, const char *name, GError **error)
{
    g_autoptr(GString) close = g_string_new(NULL);
    guint count = 0;
    for (xmlNode *at = first_of(kind, doc); at != NULL && count < CLOSE_MAX;
         at = xml_next_same(at)) {
        if (!is_close(name, cli_xml_text(at, "NAME")))
            continue;
        g_string_append_printf(close, "%s%s (id %s)", count++ > 0 ? ", " : "",
                               cli_xml_text(at, "NAME"), cli_xml_text(at, "ID"));
    }
    if (close->len > 0)
        g_set_error(error, CLI_ERROR, CLI_ERROR_NO_OBJECT, "no %s is called '%s'; close: %s",
                    kind->noun, name, close->str);
    else if (first_of(kind, doc) == NULL)
        g_set_error(error, CLI_ERROR, CLI_ERROR_NO_OBJECT,
                    "no %s is called '%s': there are no %s that you may use", kind->noun, name,
                    kind->plural);
    else if (kind->program != NULL)
        g_set_error(error, CLI_ERROR, CLI_ERROR_NO_OBJECT,
                    "no %s is called '%s'; `%s list` shows which there are", kind->noun, name,
                    kind->program);
    else
        g_set_error(error, CLI_ERROR, CLI_ERROR_NO_OBJECT, "no %s is called '%s'", kind->noun,
                    name);
}

gboolean cli_find_id(Cli *cli, const CliKind *kind, const char *text, gint32 *id, GError **error)
{
    if (cli_is_id(text, id))
        return TRUE;
    if (strcmp(text, "-1") == 0) {
        *id = -1; /* the wire's word for "self" or "any" */
        return TRUE;
    }
    xmlDoc *doc = cli_pool(cli, kind, error);
    if (doc == NULL)
        return FALSE;
    g_autoptr(GString) found = g_string_new(NULL);
    guint count = 0;
    for (xmlNode *at = first_of(kind, doc); at != NULL; at = xml_next_same(at)) {
        if (strcmp(cli_xml_text(at, "NAME"), text) != 0)
            continue;
        *id = (gint32)cli_xml_int(at, "ID", -1);
        append_description(found, kind, at);
        count++;
    }
    if (count == 1)
        return TRUE;
    if (count == 0)
        fail_unknown(kind, doc, text, error);
    else
        g_set_error(error, CLI_ERROR, CLI_ERROR_NO_OBJECT, "%u %s are called '%s': %s. Use the id",
                    count, kind->plural, text, found->str);
    return FALSE;
}

static gboolean find_list(Cli *cli, const CliKind *kind, const char *text, GError **error)
{
    g_autoptr(GPtrArray) picks = cli_picks_of(text, error);
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
    for (guint i = 0; picks != NULL && i < picks->len; i++) {
        const CliPick *pick = picks->pdata[i];
        gint32 first = pick->first, last = pick->last;
        if (pick->name != NULL) {
            if (!cli_find_id(cli, kind, pick->name, &first, error))
                return FALSE;
            last = first;
        }
        for (gint32 id = first; id <= last; id++) {
            if (g_hash_table_add(seen, GINT_TO_POINTER(id)))
                g_array_append_val(cli->ids, id);
            if (last > first)
                g_hash_table_add(cli->gaps, GINT_TO_POINTER(id));
        }
    }
    return picks != NULL;
}

static gboolean find_number(const CliArg *arg, const char *text, gint32 *number, GError **error)
{
    gint64 value;
    if (!g_ascii_string_to_signed(text, 10, -1, G_MAXINT32, &value, NULL)) {
        g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE, "%s \"%s\" is no number", arg->label, text);
        return FALSE;
    }
    *number = (gint32)value;
    return TRUE;
}

gboolean cli_find_all(Cli *cli, GError **error)
{
    g_autoptr(GPtrArray) args = cli_args_of(cli->command, error);
    if (args == NULL)
        return FALSE;
    for (guint i = 0; i < args->len && i < cli->words->len; i++) {
        const CliArg *arg = args->pdata[i];
        const char *word = cli->words->pdata[i];
        gint32 number = -1;
        if (arg->type == CLI_ARG_NUMBER && !find_number(arg, word, &number, error))
            return FALSE;
        if (arg->type == CLI_ARG_KIND && i == 0 && arg->kind == cli->kind) {
            if (arg->list) {
                if (!find_list(cli, arg->kind, word, error))
                    return FALSE;
                continue;
            }
            if (!cli_find_id(cli, arg->kind, word, &number, error))
                return FALSE;
            g_array_append_val(cli->ids, number);
        } else if (arg->type == CLI_ARG_KIND &&
                   !cli_find_id(cli, arg->kind, word, &number, error)) {
            return FALSE;
        }
        if (i < G_N_ELEMENTS(cli->numbers))
            cli->numbers[i] = number;
    }
    return TRUE;
}
