/*
 * Requirements: comparisons of attributes joined by "!", "&" and "|", which have one
 * precedence and are read from left to right. They become a program with one result and
 * jumps: "a & b" is  a; AND end; b; end.  It needs no stack, however deep the brackets.
 */
#include "lib/expr/expr_private.h"

#include <string.h>

/* Most values of a list that "@>" looks at. */
#define LIST_MAX 512

static gboolean read_chain(Reader *reader);

/* ---- reading ---- */

static gboolean read_value(Reader *reader, Step *step)
{
    gboolean only_numbers = step->comparison == COMPARE_GREATER || step->comparison == COMPARE_LESS;

    if (reader->kind == TOKEN_STRING && !only_numbers) {
        g_autofree char *pattern = reader_string(reader);

        step->value = VALUE_STRING;
        step->glob = *pattern ? glob_new(pattern) : NULL;
        if (*pattern && !step->glob)
            return reader_fail(reader, "too many [...] in one pattern, 64 are allowed");
    } else if (reader->kind == TOKEN_INTEGER || reader->kind == TOKEN_FLOAT) {
        step->value = reader->kind == TOKEN_INTEGER ? VALUE_INTEGER : VALUE_FLOAT;
        step->integer = reader->integer;
        step->real = reader->real;
    } else {
        return reader_unexpected(reader,
                                 only_numbers ? "INTEGER or FLOAT" : "INTEGER or FLOAT or STRING");
    }
    return reader_next(reader);
}

static gboolean read_operator(Reader *reader, Comparison *comparison)
{
    if (reader_is(reader, '!')) {
        if (!reader_next(reader))
            return FALSE;
        if (!reader_is(reader, '='))
            return reader_unexpected(reader, "'='");
        *comparison = COMPARE_UNEQUAL;
    } else if (reader_is(reader, '=')) {
        *comparison = COMPARE_EQUAL;
    } else if (reader_is(reader, '>')) {
        *comparison = COMPARE_GREATER;
    } else if (reader_is(reader, '<')) {
        *comparison = COMPARE_LESS;
    } else if (reader->kind == TOKEN_CONTAINS) {
        *comparison = COMPARE_CONTAINS;
    } else {
        return reader_unexpected(reader, "'=' or '!' or '>' or '<' or CONTAINS");
    }
    return reader_next(reader);
}

static gboolean read_comparison(Reader *reader)
{
    Step step = {.kind = STEP_COMPARE, .name = reader_string(reader)};

    if (!reader_next(reader) || !read_operator(reader, &step.comparison) ||
        !read_value(reader, &step)) {
        g_free(step.name);
        glob_free(step.glob);
        return FALSE;
    }
    reader_step(reader, step);
    return TRUE;
}

/* A comparison, brackets, or one of these behind "!". */
static gboolean read_term(Reader *reader)
{
    gboolean negated = FALSE;

    while (reader_is(reader, '!')) {
        negated = !negated;
        if (!reader_next(reader))
            return FALSE;
    }
    if (reader_is(reader, '(')) {
        if (!reader_enter(reader) || !reader_next(reader) || !read_chain(reader))
            return FALSE;
        if (!reader_is(reader, ')'))
            return reader_unexpected(reader, "'&' or '|' or ')'");
        reader->depth--;
        if (!reader_next(reader))
            return FALSE;
    } else if (reader->kind != TOKEN_STRING) {
        return reader_unexpected(reader, "STRING or '!' or '('");
    } else if (!read_comparison(reader)) {
        return FALSE;
    }
    if (negated)
        reader_step(reader, (Step){.kind = STEP_NOT});
    return TRUE;
}

static gboolean read_chain(Reader *reader)
{
    if (!read_term(reader))
        return FALSE;
    while (reader_is(reader, '&') || reader_is(reader, '|')) {
        StepKind kind = reader_is(reader, '&') ? STEP_AND : STEP_OR;
        guint jump = reader_step(reader, (Step){.kind = kind});

        if (!reader_next(reader) || !read_term(reader))
            return FALSE;
        g_array_index(reader->steps, Step, jump).skip = reader->steps->len;
    }
    return TRUE;
}

static gboolean read_requirement(Reader *reader)
{
    if (!read_chain(reader))
        return FALSE;
    return reader->kind == TOKEN_END || reader_unexpected(reader, "'&' or '|' or $end");
}

Expr *expr_parse_requirement(const char *text, GError **error)
{
    return expr_read(text, "!&|=<>()", read_requirement, error);
}

/* ---- evaluating ---- */

static gboolean same(const Step *step, const char *text)
{
    gint64 integer;
    double real;

    switch (step->value) {
    case VALUE_INTEGER:
        return expr_to_integer(text, &integer) && integer == step->integer;
    case VALUE_FLOAT:
        return expr_to_double(text, &real) && real == step->real;
    case VALUE_STRING:
        return step->glob && glob_matches(step->glob, text);
    }
    return FALSE;
}

/* A value that is no number is as good as missing for a number. */
static gboolean can_compare(const Step *step, const char *text)
{
    gint64 integer;
    double real;

    switch (step->value) {
    case VALUE_INTEGER:
        return expr_to_integer(text, &integer);
    case VALUE_FLOAT:
        return expr_to_double(text, &real);
    case VALUE_STRING:
        return step->glob != NULL;
    }
    return FALSE;
}

/* -1, 0, 1: the attribute's number is less, equal, greater. */
static int order(const Step *step, const char *text)
{
    if (step->value == VALUE_INTEGER) {
        gint64 integer = 0;

        expr_to_integer(text, &integer);
        return (integer > step->integer) - (integer < step->integer);
    }

    double real = 0;

    expr_to_double(text, &real);
    return (real > step->real) - (real < step->real);
}

static gboolean contains(const Step *step, ExprLookup lookup, gpointer data)
{
    const char *values[LIST_MAX];
    guint count = MIN(lookup(step->name, values, LIST_MAX, data), LIST_MAX);

    for (guint i = 0; i < count; i++)
        if (same(step, values[i]))
            return TRUE;
    return FALSE;
}

static gboolean compare(const Step *step, ExprLookup lookup, gpointer data)
{
    const char *value = NULL;

    if (step->comparison == COMPARE_CONTAINS)
        return contains(step, lookup, data);
    if (!lookup(step->name, &value, 1, data) || !value || !can_compare(step, value))
        return FALSE;
    switch (step->comparison) {
    case COMPARE_EQUAL:
        return same(step, value);
    case COMPARE_UNEQUAL:
        return !same(step, value);
    case COMPARE_GREATER:
        return order(step, value) > 0;
    default:
        return order(step, value) < 0;
    }
}

gboolean expr_matches(const Expr *expr, ExprLookup lookup, gpointer data)
{
    const Step *steps = (const Step *)(const void *)expr->steps->data;
    gboolean result = TRUE;
    guint at = 0;

    while (at < expr->steps->len) {
        const Step *step = &steps[at++];

        if (step->kind == STEP_COMPARE)
            result = compare(step, lookup, data);
        else if (step->kind == STEP_NOT)
            result = !result;
        else if (result == (step->kind == STEP_OR))
            at = step->skip;
    }
    return result;
}
