/*
 * The native text form. A hand-written scanner: one pass over the text, no table of
 * states, values copied once. Where we are in the text is worked out only when an
 * error must tell it.
 */
#include "lib/base/error.h"
#include "lib/base/xml.h"
#include "lib/template/template_private.h"

#include <string.h>

#define NB (BYTE_NAME | BYTE_BARE)
#define B  BYTE_BARE

/* clang-format off */
const guint8 template_bytes[256] = {
    /*       0  1  2  3  4  5  6  7   8  9           a  b  c  d           e  f */
    /* 0 */  0, 0, 0, 0, 0, 0, 0, 0,  0, BYTE_BLANK, 0, 0, 0, BYTE_BLANK, 0, 0,
    /* 1 */  0, 0, 0, 0, 0, 0, 0, 0,  0, 0, 0, 0, 0, 0, 0, 0,
    /* 2   !"#$%&'()*+,-./ */
    BYTE_BLANK, B, B, 0, B, B, B, B,  B, B, B, B, 0, B, B, B,
    /* 3  0123456789:;<=>? */
    NB, NB, NB, NB, NB, NB, NB, NB,  NB, NB, B, B, B, 0, B, B,
    /* 4  @ABCDEFGHIJKLMNO */
    B, NB, NB, NB, NB, NB, NB, NB,  NB, NB, NB, NB, NB, NB, NB, NB,
    /* 5  PQRSTUVWXYZ[\]^_ */
    NB, NB, NB, NB, NB, NB, NB, NB,  NB, NB, NB, 0, B, 0, B, NB,
    /* 6  `abcdefghijklmno */
    B, NB, NB, NB, NB, NB, NB, NB,  NB, NB, NB, NB, NB, NB, NB, NB,
    /* 7  pqrstuvwxyz{|}~  */
    NB, NB, NB, NB, NB, NB, NB, NB,  NB, NB, NB, B, B, B, B, B,
    /* 8..f: parts of UTF-8 characters */
    B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B,
    B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B,
    B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B,
    B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B,
};
/* clang-format on */

#undef NB
#undef B

typedef struct Scanner {
    const char *text;
    const char *at;
    const char *token; /* the last token, which an error at the end of the text points at */
    const char *token_end;
    gboolean escapes;        /* \" in quotes */
    gboolean single_quotes;  /* '...' too */
    gboolean comments_after; /* a '#' after a value begins a comment */
    gboolean quoted_names;
    guint attributes;   /* and pairs, so far */
    const char *sought; /* when not NULL: the name that template_line_of() wants */
    guint nth;
    const char *found;
    GError **error;
} Scanner;

static gboolean is(const Scanner *scanner, guint8 classes)
{
    return (template_bytes[(guchar)*scanner->at] & classes) != 0;
}

/* ---- errors ---- */

/* Fills the error with `what` and where it is, counted in characters from 1; the last
 * column is the one after the token, as OpenNebula counts. Always FALSE. */
static gboolean fail_at(Scanner *scanner, const char *from, const char *to, const char *what)
{
    const char *line_start = scanner->text;
    glong line = 1, first, last;

    for (const char *c = scanner->text; c < from; c++) {
        if (*c == '\n') {
            line++;
            line_start = c + 1;
        }
    }
    first = g_utf8_strlen(line_start, from - line_start) + 1;
    last = first + g_utf8_strlen(from, to - from);
    g_set_error(scanner->error, ONE_ERROR, ONE_ERROR_INTERNAL, "%s at line %ld, columns %ld:%ld",
                what, line, first, last);
    return FALSE;
}

/* The token at hand, with the names that OpenNebula's own parser gives them. */
static const char *token_at(const Scanner *scanner, const char **end, char room[16])
{
    const char *at = scanner->at;

    *end = at + 1;
    switch (*at) {
    case '\0':
        return "$end";
    case '=':
        return "EQUAL";
    case ',':
        return "COMMA";
    case '[':
        return "OBRACKET";
    case ']':
        return "CBRACKET";
    case '\n':
        return "end of line";
    case '"':
        return "STRING";
    default:
        break;
    }
    if (is(scanner, BYTE_NAME)) {
        while (template_bytes[(guchar) * *end] & BYTE_NAME)
            ++*end;
        return "VARIABLE";
    }
    *end = g_utf8_next_char(at);
    g_snprintf(room, 16, "'%.*s'", (int)(*end - at), at);
    return room;
}

static gboolean unexpected(Scanner *scanner, const char *expected)
{
    char room[16];
    const char *end, *name = token_at(scanner, &end, room);
    g_autofree char *what =
        g_strdup_printf("syntax error, unexpected %s, expecting %s", name, expected);

    return *scanner->at ? fail_at(scanner, scanner->at, end, what)
                        : fail_at(scanner, scanner->token, scanner->token_end, what);
}

/* ---- tokens ---- */

static void took(Scanner *scanner, const char *from)
{
    scanner->token = from;
    scanner->token_end = scanner->at;
}

static void skip_blanks(Scanner *scanner)
{
    while (is(scanner, BYTE_BLANK))
        scanner->at++;
}

static gboolean begins_line(const Scanner *scanner)
{
    const char *c = scanner->at;

    while (c > scanner->text && template_bytes[(guchar)c[-1]] & BYTE_BLANK)
        c--;
    return c == scanner->text || c[-1] == '\n';
}

static void skip_line(Scanner *scanner)
{
    scanner->at += strcspn(scanner->at, "\n");
}

/* Blanks, line ends and comments. */
static void skip_space(Scanner *scanner)
{
    for (;;) {
        while (is(scanner, BYTE_BLANK) || *scanner->at == '\n')
            scanner->at++;
        if (*scanner->at != '#' || !(scanner->comments_after || begins_line(scanner)))
            return;
        skip_line(scanner);
    }
}

static gboolean check_value(Scanner *scanner, const char *from, const char *to)
{
    const char *end = g_strstr_len(from, to - from, "]]>");

    return !end ||
           fail_at(scanner, end, end + 3, "syntax error, \"]]>\" is not allowed in a value");
}

/* From behind the opening quote to behind the closing one. (owned, NULL on error) */
static char *quoted(Scanner *scanner, char quote)
{
    const char *open = scanner->at++, *from = scanner->at;
    gboolean escaped = FALSE;
    char *value, *out;

    for (;;) {
        const char *close = strchr(scanner->at, quote);

        if (!close) {
            fail_at(scanner, open, open + 1,
                    "syntax error, unexpected $end, this quote is never closed");
            return NULL;
        }
        scanner->at = close + 1;
        if (!scanner->escapes || quote != '"' || close == from || close[-1] != '\\')
            break;
        escaped = TRUE;
    }
    took(scanner, open);
    if (!check_value(scanner, from, scanner->at - 1))
        return NULL;
    value = g_strndup(from, (gsize)(scanner->at - 1 - from));
    if (!escaped)
        return value;
    out = value;
    for (const char *in = value; *in; in++) {
        if (in[0] == '\\' && in[1] == '"')
            in++;
        *out++ = *in;
    }
    *out = '\0';
    return value;
}

static gboolean at_quote(const Scanner *scanner)
{
    return *scanner->at == '"' || (*scanner->at == '\'' && scanner->single_quotes);
}

/* A value with or without quotes. (owned, NULL on error) */
static char *read_string(Scanner *scanner, const char *expected)
{
    const char *from = scanner->at;

    if (at_quote(scanner))
        return quoted(scanner, *scanner->at);
    while (is(scanner, BYTE_BARE))
        scanner->at++;
    if (scanner->at == from) {
        unexpected(scanner, expected);
        return NULL;
    }
    took(scanner, from);
    return g_strndup(from, (gsize)(scanner->at - from));
}

/* A name; `*quoted_name` holds it when it was quoted, which only the texts of 2009 do. */
static gboolean read_name(Scanner *scanner, const char **name, gsize *length, char **quoted_name)
{
    *name = scanner->at;
    if (scanner->quoted_names && at_quote(scanner)) {
        *quoted_name = quoted(scanner, *scanner->at);
        if (!*quoted_name)
            return FALSE;
        *name = *quoted_name;
        *length = strlen(*name);
        return template_name_is_valid(*name, *length) ||
               fail_at(scanner, scanner->token, scanner->token_end,
                       "syntax error, a name may hold letters, digits and underscores only");
    }
    while (is(scanner, BYTE_NAME))
        scanner->at++;
    *length = (gsize)(scanner->at - *name);
    took(scanner, *name);
    return TRUE;
}

/* What a name is made of may begin here. */
static gboolean at_name(const Scanner *scanner)
{
    return is(scanner, BYTE_NAME) || (scanner->quoted_names && at_quote(scanner));
}

/* "=" with blanks around; `*empty` when nothing but a comment follows on the line. */
static gboolean read_equal(Scanner *scanner, const char *expected, gboolean *empty)
{
    const char *from;

    skip_blanks(scanner);
    from = scanner->at;
    if (*from != '=')
        return unexpected(scanner, expected);
    scanner->at++;
    skip_blanks(scanner);
    took(scanner, from);
    *empty = *scanner->at == '\n' || *scanner->at == '\0' ||
             (*scanner->at == '#' && scanner->comments_after);
    return TRUE;
}

/* ---- grammar ---- */

static gboolean count_one(Scanner *scanner)
{
    if (++scanner->attributes <= TEMPLATE_ATTRIBUTES_MAX)
        return TRUE;
    return fail_at(scanner, scanner->token, scanner->token_end,
                   "too many attributes, a template may have 200000");
}

static gboolean read_pair(Scanner *scanner, GPtrArray *pairs)
{
    g_autofree char *quoted_name = NULL;
    const char *name, *equal;
    gsize length;
    gboolean empty = FALSE;
    char *value;

    if (!read_name(scanner, &name, &length, &quoted_name) || !count_one(scanner))
        return FALSE;
    if (!read_equal(scanner, "EQUAL", &empty))
        return FALSE;
    equal = scanner->token;
    if (empty && *scanner->at)
        return fail_at(scanner, equal, scanner->token_end,
                       "syntax error, unexpected EQUAL_EMPTY, expecting EQUAL");
    value = read_string(scanner, "STRING");
    if (!value)
        return FALSE;
    g_ptr_array_add(pairs, template_pair_new(name, length, value));
    return TRUE;
}

/* From the opening bracket to behind the closing one. */
static gboolean read_vector(Scanner *scanner, TemplateAttribute *attribute)
{
    const char *from = scanner->at++;

    took(scanner, from);
    skip_space(scanner);
    while (*scanner->at != ']') {
        if (!at_name(scanner))
            return unexpected(scanner, attribute->pairs->len ? "VARIABLE" : "CBRACKET or VARIABLE");
        if (!read_pair(scanner, attribute->pairs))
            return FALSE;
        skip_space(scanner);
        if (*scanner->at == ']')
            break;
        if (*scanner->at != ',')
            return unexpected(scanner, "COMMA or CBRACKET");
        from = scanner->at++;
        took(scanner, from);
        skip_space(scanner);
        if (!at_name(scanner))
            return unexpected(scanner, "VARIABLE");
    }
    from = scanner->at++;
    took(scanner, from);
    template_sort_pairs(attribute);
    return TRUE;
}

static gboolean read_attribute(Scanner *scanner, Template *template)
{
    g_autofree char *quoted_name = NULL;
    const char *name;
    gsize length;
    gboolean empty = FALSE;
    char *value;

    if (!read_name(scanner, &name, &length, &quoted_name) || !count_one(scanner))
        return FALSE;
    if (scanner->sought && !scanner->found && strlen(scanner->sought) == length &&
        !g_ascii_strncasecmp(scanner->sought, name, length) && scanner->nth-- == 0)
        scanner->found = scanner->token;
    if (!read_equal(scanner, "EQUAL or EQUAL_EMPTY", &empty))
        return FALSE;
    if (*scanner->at == '[') {
        TemplateAttribute *attribute = template_vector_new(name, length);

        g_ptr_array_add(template->attributes, attribute);
        return read_vector(scanner, attribute);
    }
    value = empty ? g_strdup("") : read_string(scanner, "OBRACKET or STRING");
    if (!value)
        return FALSE;
    g_ptr_array_add(template->attributes, template_attribute_new(name, length, value));
    return TRUE;
}

static gboolean check_characters(Scanner *scanner)
{
    gsize bad;
    g_autofree char *what = NULL;

    if (xml_text_is_valid(scanner->text, strlen(scanner->text), &bad))
        return TRUE;
    what = g_strdup_printf("syntax error, the byte 0x%02x cannot stand in a template",
                           (guchar)scanner->text[bad]);
    return fail_at(scanner, scanner->text + bad, scanner->text + bad + 1, what);
}

static Scanner scanner_for(const char *text, TemplateFlags flags, GError **error)
{
    gboolean old = (flags & TEMPLATE_2009) != 0, config = (flags & TEMPLATE_CONFIG) != 0;

    return (Scanner){.text = text,
                     .at = text,
                     .token = text,
                     .token_end = text,
                     .escapes = !old,
                     .single_quotes = old || config,
                     .comments_after = old || config,
                     .quoted_names = old,
                     .error = error};
}

static gboolean read_template(Scanner *scanner, Template *template, gboolean may_be_empty)
{
    skip_space(scanner);
    if (!*scanner->at && !may_be_empty)
        return unexpected(scanner, "VARIABLE");
    while (*scanner->at) {
        if (!at_name(scanner))
            return unexpected(scanner, template->attributes->len ? "$end or VARIABLE" : "VARIABLE");
        if (!read_attribute(scanner, template))
            return FALSE;
        skip_space(scanner);
    }
    return TRUE;
}

Template *template_parse_native(const char *text, TemplateFlags flags, GError **error)
{
    Scanner scanner = scanner_for(text, flags, error);
    g_autoptr(Template) template = template_new();

    if (!check_characters(&scanner) || !read_template(&scanner, template, !(flags & TEMPLATE_2009)))
        return NULL;
    template_sort(template);
    return g_steal_pointer(&template);
}

guint template_line_of(const char *text, TemplateFlags flags, const char *name, guint nth)
{
    Scanner scanner = scanner_for(text, flags, NULL);
    g_autoptr(Template) template = template_new();
    guint line = 1;

    scanner.sought = name;
    scanner.nth = nth;
    if (text && xml_text_is_valid(text, strlen(text), NULL))
        read_template(&scanner, template, TRUE);
    if (!scanner.found)
        return 0;
    for (const char *c = text; c < scanner.found; c++)
        line += *c == '\n';
    return line;
}
