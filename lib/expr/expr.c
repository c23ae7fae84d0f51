#include "lib/expr/expr_private.h"
#include "lib/base/error.h"

#include <string.h>

/* ---- errors ---- */

gboolean reader_fail(Reader *reader, const char *what)
{
    const char *line_start = reader->text;
    glong line = 1, first;

    for (const char *c = reader->text; c < reader->from; c++) {
        if (*c == '\n') {
            line++;
            line_start = c + 1;
        }
    }
    first = g_utf8_strlen(line_start, reader->from - line_start) + 1;
    g_set_error(reader->error, ONE_ERROR, ONE_ERROR_INTERNAL, "%s at line %ld, columns %ld:%ld",
                what, line, first, first + g_utf8_strlen(reader->from, reader->to - reader->from));
    return FALSE;
}

/* What the token at hand is called; a character is shown as it is. (owned) */
static char *token_name(const Reader *reader)
{
    switch (reader->kind) {
    case TOKEN_END:
        return g_strdup("$end");
    case TOKEN_STRING:
        return g_strdup("STRING");
    case TOKEN_INTEGER:
        return g_strdup("INTEGER");
    case TOKEN_FLOAT:
        return g_strdup("FLOAT");
    case TOKEN_CONTAINS:
        return g_strdup("CONTAINS");
    case TOKEN_CHARACTER:
        break;
    }
    return g_strdup_printf("'%.*s'", (int)(reader->to - reader->from), reader->from);
}

gboolean reader_unexpected(Reader *reader, const char *expected)
{
    g_autofree char *name = token_name(reader);
    g_autofree char *what =
        g_strdup_printf("syntax error, unexpected %s, expecting %s", name, expected);

    return reader_fail(reader, what);
}

gboolean reader_enter(Reader *reader)
{
    if (++reader->depth <= EXPR_DEPTH_MAX)
        return TRUE;
    return reader_fail(reader, "the expression is nested too deep, 100 levels are allowed");
}

/* ---- tokens ---- */

gboolean expr_to_integer(const char *text, gint64 *value)
{
    char *end;

    *value = g_ascii_strtoll(text, &end, 10); /* saturates */
    return end != text;
}

gboolean expr_to_double(const char *text, double *value)
{
    const char *digits;

    text += strspn(text, " \t\r\n");
    digits = text + (*text == '-' || *text == '+');
    /* "nan" and "inf", which strtod() would take, are words here. */
    if (!g_ascii_isdigit(digits[*digits == '.']))
        return FALSE;
    /* So is a hexadecimal number, but for its zero. */
    *value = g_ascii_tolower(digits[1]) == 'x' ? 0 : g_ascii_strtod(text, NULL);
    return TRUE;
}

/* A minus sign right before a digit belongs to the number, whatever stands before it. */
static gboolean begins_number(const char *at)
{
    return g_ascii_isdigit(at[*at == '-']);
}

static void read_number(Reader *reader)
{
    const char *c = reader->from + (*reader->from == '-');

    reader->kind = TOKEN_INTEGER;
    while (g_ascii_isdigit(*c))
        c++;
    if (*c == '.' && g_ascii_isdigit(c[1])) {
        reader->kind = TOKEN_FLOAT;
        for (c++; g_ascii_isdigit(*c);)
            c++;
    }
    reader->to = c;
    reader->integer = g_ascii_strtoll(reader->from, NULL, 10);

    /* Not in place: what follows could look like an exponent. */
    g_autofree char *digits = g_strndup(reader->from, (gsize)(c - reader->from));
    reader->real = g_ascii_strtod(digits, NULL);
}

gboolean reader_next(Reader *reader)
{
    const char *at = reader->to;

    at += strspn(at, " \t");
    reader->from = at;
    reader->to = at + 1;
    reader->kind = TOKEN_CHARACTER;
    if (!*at) {
        reader->kind = TOKEN_END;
        reader->to = at;
    } else if (*at == '"') {
        const char *close = strchr(at + 1, '"');

        reader->kind = TOKEN_STRING;
        if (!close)
            return reader_fail(reader, "syntax error, unexpected $end, this quote is never closed");
        reader->to = close + 1;
    } else if (g_ascii_isalpha(*at)) {
        reader->kind = TOKEN_STRING;
        while (g_ascii_isalnum(*reader->to) || *reader->to == '_')
            reader->to++;
    } else if (begins_number(at)) {
        read_number(reader);
    } else if (at[0] == '@' && at[1] == '>') {
        reader->kind = TOKEN_CONTAINS;
        reader->to = at + 2;
    } else if (!strchr(reader->operators, *at)) {
        reader->to = g_utf8_next_char(at);
        return *at == '\n' ? reader_fail(reader, "syntax error, unexpected end of line")
                           : reader_unexpected(reader, "a name, a value or an operator (other "
                                                       "characters must stand in quotes)");
    }
    return TRUE;
}

gboolean reader_is(const Reader *reader, char character)
{
    return reader->kind == TOKEN_CHARACTER && *reader->from == character;
}

char *reader_string(const Reader *reader)
{
    gboolean quoted = *reader->from == '"';

    return g_strndup(reader->from + quoted, (gsize)(reader->to - reader->from) - 2 * quoted);
}

guint reader_step(Reader *reader, Step step)
{
    g_array_append_val(reader->steps, step);
    return reader->steps->len - 1;
}

/* ---- expressions ---- */

static void step_clear(gpointer data)
{
    Step *step = data;

    g_free(step->name);
    glob_free(step->glob);
}

void expr_free(Expr *expr)
{
    if (!expr)
        return;
    g_array_unref(expr->steps);
    g_free(expr);
}

Expr *expr_read(const char *text, const char *operators, gboolean (*parse)(Reader *reader),
                GError **error)
{
    g_autoptr(Expr) expr = g_new0(Expr, 1);
    Reader reader = {.text = text ? text : "", .operators = operators, .error = error};

    expr->steps = g_array_new(FALSE, FALSE, sizeof(Step));
    g_array_set_clear_func(expr->steps, step_clear);
    reader.steps = expr->steps;
    reader.from = reader.to = reader.text;

    if (strlen(reader.text) > EXPR_LENGTH_MAX) {
        g_set_error_literal(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                            "the expression is longer than 256 KiB");
        return NULL;
    }
    if (!g_utf8_validate(reader.text, -1, &reader.from)) {
        reader.to = reader.from + 1;
        reader_fail(&reader, "syntax error, a byte that is no part of a text in UTF-8");
        return NULL;
    }
    reader.from = reader.text;
    if (!reader_next(&reader))
        return NULL;
    if (reader.kind != TOKEN_END && !parse(&reader))
        return NULL;
    return g_steal_pointer(&expr);
}
