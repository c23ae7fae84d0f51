#include "server/rpc/astral.h"

#include <string.h>

/* A character is hidden as its two halves of ten bits; MARK says that the next one is itself. */
enum { HIGH = 0xe000, LOW = 0xe400, MARK = 0xe800, MARK_END = 0xe801, FIRST = 0x10000 };

static gboolean is_ours(gunichar character)
{
    return character >= HIGH && character < MARK_END;
}

static void append(GString *out, gunichar character)
{
    if (character >= FIRST) {
        g_string_append_unichar(out, HIGH + ((character - FIRST) >> 10));
        g_string_append_unichar(out, LOW + ((character - FIRST) & 0x3ff));
        return;
    }
    if (is_ours(character))
        g_string_append_unichar(out, MARK);
    g_string_append_unichar(out, character);
}

/* Reads "&#128512;" or "&#x1F600;"; NULL: it is none. */
static const char *read_reference(const char *at, gunichar *character)
{
    gboolean hex = at[1] == '#' && at[2] == 'x';
    const char *digits = at + (hex ? 3 : 2);
    char *end = NULL;
    if (at[1] != '#' || !(hex ? g_ascii_isxdigit(*digits) : g_ascii_isdigit(*digits)))
        return NULL;
    guint64 number = g_ascii_strtoull(digits, &end, hex ? 16 : 10);
    if (*end != ';' || number > 0x10ffff)
        return NULL;
    *character = (gunichar)number;
    return end + 1;
}

/* Another encoding than UTF-8 is declared. */
static gboolean is_foreign(const char *body)
{
    if (!g_str_has_prefix(body, "<?xml"))
        return FALSE;
    const char *end = strstr(body, "?>"), *name = strstr(body, "encoding");
    if (!end || !name || name > end)
        return FALSE;
    name += strcspn(name, "\"'>");
    return g_ascii_strncasecmp(name + (*name != '\0'), "utf-8", 5) != 0;
}

static gboolean has_any(const char *body, gsize length)
{
    for (gsize i = 0; i < length; i++)
        if ((guchar)body[i] >= 0xf0 || (body[i] == '#' && i > 0 && body[i - 1] == '&'))
            return TRUE;
    return FALSE;
}

char *astral_hide(const char *body, gsize length, gsize *hidden)
{
    /* g_strndup() ends it with a zero, behind which the readers above do not look. */
    g_autofree char *text = has_any(body, length) ? g_strndup(body, length) : NULL;
    if (!text || !g_utf8_validate_len(text, length, NULL) || is_foreign(text))
        return NULL;
    GString *out = g_string_sized_new(length + 64);
    gboolean literal = FALSE; /* in a CDATA section, where & is a letter */
    for (const char *at = text, *next; *at; at = next) {
        gunichar character = g_utf8_get_char(at);
        const char *behind = *at == '&' && !literal ? read_reference(at, &character) : NULL;
        if (!literal && g_str_has_prefix(at, "<![CDATA["))
            literal = TRUE;
        else if (literal && g_str_has_prefix(at, "]]>"))
            literal = FALSE;
        next = behind ? behind : g_utf8_next_char(at);
        if (character >= FIRST || is_ours(character))
            append(out, character);
        else
            g_string_append_len(out, at, next - at);
    }
    *hidden = out->len;
    return g_string_free(out, FALSE);
}

void astral_show(char *text)
{
    char *out = text;
    for (const char *at = text; *at;) {
        gunichar character = g_utf8_get_char(at);
        const char *next = g_utf8_next_char(at);
        if (is_ours(character) && *next) { /* two of three bytes each: never shorter than one */
            gunichar second = g_utf8_get_char(next);
            character =
                character == MARK ? second : FIRST + ((character - HIGH) << 10) + (second - LOW);
            next = g_utf8_next_char(next);
        }
        at = next;
        out += g_unichar_to_utf8(character, out);
    }
    *out = '\0';
}
