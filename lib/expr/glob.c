#include "lib/expr/glob.h"

#include <fnmatch.h>
#include <string.h>

/* A pattern is a row of these, ended by PART_END; smaller numbers are the byte itself,
 * larger ones the set with that number. */
enum { PART_END = 256, PART_ANY, PART_STAR, PART_NEVER, PART_SET };

struct Glob {
    guint16 *parts;
    guint32 (*sets)[8]; /* which bytes a bracket expression takes */
    char *literal;      /* a pattern without special characters is only compared */
};

/* The last character of a "[:alpha:]", "[=a=]" or "[.a.]" that begins at `open`, or `open`
 * itself when it is an ordinary bracket. */
static const char *class_end(const char *open)
{
    const char end[] = {open[1], ']', '\0'};
    const char *close;

    if (!open[1] || !strchr(":=.", open[1]))
        return open;
    close = strstr(open + 2, end);
    if (!close ||
        (open[1] == ':' && open + 2 + strspn(open + 2, "abcdefghijklmnopqrstuvwxyz") != close))
        return open;
    return close + 1;
}

/* Behind the bracket expression that begins at `open`, or NULL when it is none. */
static const char *bracket_end(const char *open)
{
    const char *c = open + 1;

    if (*c == '!' || *c == '^')
        c++;
    if (*c == ']')
        c++;
    for (; *c && *c != ']'; c++) {
        if (*c == '\\' && c[1])
            c++;
        else if (*c == '[')
            c = class_end(c);
    }
    return *c ? c + 1 : NULL;
}

/* The C library itself says which bytes a bracket expression takes. */
static void fill_set(guint32 set[8], const char *open, const char *end)
{
    g_autofree char *bracket = g_strndup(open, (gsize)(end - open));

    for (guint byte = 1; byte < 256; byte++) {
        const char text[] = {(char)byte, '\0'};

        if (!fnmatch(bracket, text, 0))
            set[byte / 32] |= 1u << (byte % 32);
    }
}

/* Appends the part at `at`, and returns what is behind it; NULL when there are too many sets. */
static const char *append_part(GArray *parts, GArray *sets, const char *at)
{
    const char *end = NULL;
    guint16 part = (guchar)*at;

    if (*at == '*') {
        part = PART_STAR;
    } else if (*at == '?') {
        part = PART_ANY;
    } else if (*at == '\\') {
        at++;
        part = *at ? (guchar)*at : PART_NEVER;
        end = *at ? at + 1 : at;
    } else if (*at == '[' && (end = bracket_end(at))) {
        guint32 set[8] = {0};

        if (sets->len == GLOB_SETS_MAX)
            return NULL;
        fill_set(set, at, end);
        part = (guint16)(PART_SET + sets->len);
        g_array_append_val(sets, set);
    }
    g_array_append_val(parts, part);
    return end ? end : at + 1;
}

Glob *glob_new(const char *pattern)
{
    g_autoptr(GArray) parts = g_array_new(FALSE, FALSE, sizeof(guint16));
    g_autoptr(GArray) sets = g_array_new(FALSE, FALSE, sizeof(guint32[8]));
    const guint16 end = PART_END;
    Glob *glob;

    if (!strpbrk(pattern, "*?[\\")) {
        glob = g_new0(Glob, 1);
        glob->literal = g_strdup(pattern);
        return glob;
    }
    while (*pattern) {
        pattern = append_part(parts, sets, pattern);
        if (!pattern)
            return NULL;
    }
    g_array_append_val(parts, end);
    glob = g_new0(Glob, 1);
    glob->parts = (guint16 *)g_array_free(g_steal_pointer(&parts), FALSE);
    glob->sets = (guint32(*)[8])g_array_free(g_steal_pointer(&sets), FALSE);
    return glob;
}

void glob_free(Glob *glob)
{
    if (!glob)
        return;
    g_free(glob->parts);
    g_free(glob->sets);
    g_free(glob->literal);
    g_free(glob);
}

/* How many bytes of the text one part takes: 0 when it does not match. */
static guint take(const Glob *glob, guint16 part, const char *text)
{
    guint byte = (guchar)*text;

    if (!byte || part == PART_NEVER || part == PART_END)
        return 0;
    if (part < PART_END)
        return part == byte;
    if (part == PART_ANY) {
        guint width = 1;

        while (byte >= 0xc0 && width < 6 && ((guchar)text[width] & 0xc0) == 0x80)
            width++;
        return width;
    }
    return (glob->sets[part - PART_SET][byte / 32] >> (byte % 32)) & 1;
}

gboolean glob_matches(const Glob *glob, const char *text)
{
    const guint16 *part = glob->parts, *star = NULL;
    const char *retry = NULL;

    if (glob->literal)
        return !strcmp(glob->literal, text);
    for (;;) {
        guint taken;

        if (*part == PART_STAR) {
            star = ++part;
            retry = text;
            continue;
        }
        if (!*text && *part == PART_END)
            return TRUE;
        taken = take(glob, *part, text);
        if (taken) {
            part++;
            text += taken;
        } else if (star && *retry) {
            /* Only the last star needs to try again: what stands before it matched as early
             * as it can. */
            part = star;
            text = ++retry;
        } else {
            return FALSE;
        }
    }
}
