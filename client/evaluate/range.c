#include "client/evaluate/range.h"

#include <string.h>

/* The values of a header, without blanks around; how many lines have that name. */
static guint find_header(char *const *lines, const char *name, const char **value)
{
    guint count = 0;
    for (gsize i = 0; lines[i] != NULL; i++) {
        gsize length = strlen(name);
        /* An empty line ends the head; what follows is no header. */
        if (i > 0 && (*lines[i] == '\0' || strcmp(lines[i], "\r") == 0))
            break;
        if (i == 0 || g_ascii_strncasecmp(lines[i], name, length) != 0 || lines[i][length] != ':')
            continue;
        *value = g_strstrip(lines[i] + length + 1);
        count++;
    }
    return count;
}

/* Digits alone, at least one: no sign, no blank. A number too large for us is the largest, which
 * is beyond every end. */
static gboolean read_place(const char *text, guint64 *place)
{
    if (*text == '\0' || strspn(text, "0123456789") != strlen(text))
        return FALSE;
    *place = g_ascii_strtoull(text, NULL, 10);
    return TRUE;
}

/* "5-9", "5-", "-3": the last is how many there are at the end. */
static RangeKind read_one(const char *text, guint64 size, guint64 *from, guint64 *to)
{
    const char *dash = strchr(text, '-');
    if (dash == NULL)
        return RANGE_WRONG;
    g_autofree char *before = g_strndup(text, (gsize)(dash - text));
    guint64 first = 0, last = G_MAXUINT64;
    if (*before == '\0') {
        if (!read_place(dash + 1, &last) || last == 0 || size == 0)
            return RANGE_WRONG;
        first = last < size ? size - last : 0;
        last = size - 1;
    } else if (!read_place(before, &first) || (dash[1] != '\0' && !read_place(dash + 1, &last)) ||
               last < first || first >= size) {
        return RANGE_WRONG;
    }
    *from = first;
    *to = MIN(last, size - 1) + 1;
    return RANGE_PART;
}

RangeKind range_read(const char *head, guint64 size, guint64 *from, guint64 *to)
{
    static const char unit[] = "bytes=";
    g_auto(GStrv) lines = g_strsplit(head, "\n", -1);
    const char *value = NULL, *mark = NULL;
    guint count = find_header(lines, "Range", &value);
    /* A unit that is not known is not heeded; nor is a range on a condition, since what is served
     * here has no mark that could fulfil one. */
    if (count == 0 || find_header(lines, "If-Range", &mark) > 0)
        return RANGE_WHOLE;
    if (count > 1)
        return RANGE_WRONG;
    if (g_ascii_strncasecmp(value, unit, strlen(unit)) != 0)
        return strchr(value, '=') != NULL ? RANGE_WHOLE : RANGE_WRONG;
    g_auto(GStrv) parts = g_strsplit(value + strlen(unit), ",", -1);
    RangeKind kind = RANGE_WRONG;
    for (gsize i = 0; parts[i] != NULL; i++) {
        kind = read_one(g_strstrip(parts[i]), size, from, to);
        if (kind == RANGE_WRONG)
            return RANGE_WRONG;
    }
    /* Nothing behind the sign has no part at all. */
    return g_strv_length(parts) > 1 ? RANGE_WHOLE : kind;
}
