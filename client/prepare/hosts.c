#include "client/prepare/hosts.h"

#include "lib/base/error.h"
#include <string.h>

static gboolean add_host(GPtrArray *hosts, const char *name, GError **error)
{
    /* What names of hosts and addresses are made of; the rest would mean something to a shell. */
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    gsize good = strspn(name, letters);
    while (name[good] != '\0' && strchr("-._:%", name[good]) != NULL && good > 0)
        good += 1 + strspn(name + good + 1, letters);
    if (*name == '\0' || name[good] != '\0') {
        g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                    "\"%s\" is no name or address of a host: write node01, node[01-40] or 10.0.0.7",
                    name);
        return FALSE;
    }
    if (g_ptr_array_find_with_equal_func(hosts, name, g_str_equal, NULL))
        return TRUE;
    if (hosts->len >= HOST_LIST_MAX) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API, "more than %d hosts at once: \"%s\"",
                    HOST_LIST_MAX, name);
        return FALSE;
    }
    g_ptr_array_add(hosts, g_strdup(name));
    return TRUE;
}

static gboolean expand(GPtrArray *hosts, const char *text, GError **error);

static gboolean refuse_range(const char *range, GError **error)
{
    g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                "\"%s\" is no range: write [01-40] or [1-4,7], at most %d hosts", range,
                HOST_LIST_MAX);
    return FALSE;
}

/* One piece between the commas of a bracket: "7" or "01-40". */
static gboolean expand_piece(GPtrArray *hosts, const char *before, const char *piece,
                             const char *after, GError **error)
{
    char *end = NULL;
    guint64 first = g_ascii_strtoull(piece, &end, 10), last = first;
    int width = (int)(end - piece);
    gboolean ok = g_ascii_isdigit(*piece);
    if (ok && *end == '-') {
        ok = g_ascii_isdigit(end[1]);
        last = g_ascii_strtoull(end + 1, &end, 10);
    }
    if (!ok || *end != '\0' || last < first || last - first >= HOST_LIST_MAX || width > 18)
        return refuse_range(piece, error);
    for (guint64 number = first; number <= last; number++) {
        g_autofree char *name =
            g_strdup_printf("%s%0*" G_GUINT64_FORMAT "%s", before, width, number, after);
        if (!expand(hosts, name, error))
            return FALSE;
    }
    return TRUE;
}

/* A word that may have brackets, the first of which is opened up here. */
static gboolean expand(GPtrArray *hosts, const char *text, GError **error)
{
    const char *open = strchr(text, '['), *close = open != NULL ? strchr(open, ']') : NULL;
    if (open == NULL)
        return add_host(hosts, text, error);
    if (close == NULL)
        return refuse_range(open, error);
    g_autofree char *before = g_strndup(text, (gsize)(open - text));
    g_autofree char *inside = g_strndup(open + 1, (gsize)(close - open - 1));
    g_auto(GStrv) pieces = g_strsplit(inside, ",", -1);
    if (pieces[0] == NULL)
        return refuse_range(open, error);
    for (guint i = 0; pieces[i] != NULL; i++)
        if (!expand_piece(hosts, before, pieces[i], close + 1, error))
            return FALSE;
    return TRUE;
}

gboolean host_list_add(GPtrArray *hosts, const char *text, GError **error)
{
    g_autoptr(GString) word = g_string_new(NULL);
    gboolean inside = FALSE;
    for (;; text++) {
        gboolean ends = *text == '\0' || (!inside && (*text == ',' || g_ascii_isspace(*text)));
        if (!ends) {
            inside = *text == '[' || (inside && *text != ']');
            g_string_append_c(word, *text);
            continue;
        }
        if (word->len > 0 && !expand(hosts, word->str, error))
            return FALSE;
        g_string_truncate(word, 0);
        if (*text == '\0')
            return TRUE;
    }
}

gboolean host_list_add_text(GPtrArray *hosts, const char *text, const char *file, GError **error)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (guint i = 0; lines[i] != NULL; i++) {
        lines[i][strcspn(lines[i], "#")] = '\0';
        if (!host_list_add(hosts, lines[i], error)) {
            g_prefix_error(error, "%s, line %u: ", file, i + 1);
            return FALSE;
        }
    }
    return TRUE;
}
