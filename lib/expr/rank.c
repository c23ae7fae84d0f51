/*
 * Ranks: arithmetic over attributes. They become a program for a small stack. A minus sign
 * before an operand binds like the one between two: -a*b is -(a*b).
 */
#include "lib/expr/expr_private.h"

#include <math.h>

enum { LEVEL_SUM = 1, LEVEL_PRODUCT = 2 };

static gboolean read_from(Reader *reader, int level);

/* ---- reading ---- */

static gboolean read_operand(Reader *reader)
{
    if (reader->kind == TOKEN_STRING) {
        reader_step(reader, (Step){.kind = STEP_NAME, .name = reader_string(reader)});
    } else if (reader->kind == TOKEN_INTEGER || reader->kind == TOKEN_FLOAT) {
        reader_step(reader, (Step){.kind = STEP_NUMBER, .real = reader->real});
    } else if (reader_is(reader, '(')) {
        if (!reader_enter(reader) || !reader_next(reader) || !read_from(reader, LEVEL_SUM))
            return FALSE;
        if (!reader_is(reader, ')'))
            return reader_unexpected(reader, "an operator or ')'");
        reader->depth--;
    } else if (reader_is(reader, '-')) {
        if (!reader_enter(reader) || !reader_next(reader) || !read_from(reader, LEVEL_PRODUCT))
            return FALSE;
        reader->depth--;
        reader_step(reader, (Step){.kind = STEP_NEGATE});
        return TRUE;
    } else {
        return reader_unexpected(reader, "INTEGER or FLOAT or STRING or '-' or '('");
    }
    return reader_next(reader);
}

static const struct {
    char sign;
    int level;
    StepKind step;
} operators[] = {
    {'+', LEVEL_SUM, STEP_ADD},
    {'-', LEVEL_SUM, STEP_SUBTRACT},
    {'*', LEVEL_PRODUCT, STEP_MULTIPLY},
    {'/', LEVEL_PRODUCT, STEP_DIVIDE},
};

/* The operator at hand, when its level is at least that; -1 when there is none. */
static int operator_at(const Reader *reader, int level)
{
    for (guint i = 0; i < G_N_ELEMENTS(operators); i++)
        if (reader_is(reader, operators[i].sign))
            return operators[i].level >= level ? (int)i : -1;
    return -1;
}

static gboolean read_from(Reader *reader, int level)
{
    int found;

    if (!read_operand(reader))
        return FALSE;
    while ((found = operator_at(reader, level)) >= 0) {
        if (!reader_next(reader) || !read_from(reader, operators[found].level + 1))
            return FALSE;
        reader_step(reader, (Step){.kind = operators[found].step});
    }
    return TRUE;
}

static gboolean read_rank(Reader *reader)
{
    if (!read_from(reader, LEVEL_SUM))
        return FALSE;
    return reader->kind == TOKEN_END || reader_unexpected(reader, "an operator or $end");
}

Expr *expr_parse_rank(const char *text, GError **error)
{
    return expr_read(text, "+-*/()", read_rank, error);
}

/* ---- evaluating ---- */

static double attribute_number(const char *name, ExprLookup lookup, gpointer data)
{
    const char *value = NULL;
    double number;

    if (lookup(name, &value, 1, data) && value && expr_to_double(value, &number))
        return number;
    return 0;
}

static double apply(StepKind kind, double left, double right)
{
    switch (kind) {
    case STEP_ADD:
        return left + right;
    case STEP_SUBTRACT:
        return left - right;
    case STEP_MULTIPLY:
        return left * right;
    default:
        return left / right;
    }
}

/* Towards zero; what is beyond the range is the end of the range, and what is no number is 0. */
static gint64 cut(double value)
{
    if (isnan(value))
        return 0;
    if (value >= 9223372036854775807.0)
        return G_MAXINT64;
    if (value <= -9223372036854775808.0)
        return G_MININT64;
    return (gint64)value;
}

gint64 expr_rank(const Expr *expr, ExprLookup lookup, gpointer data)
{
    const Step *steps = (const Step *)(const void *)expr->steps->data;
    double stack[EXPR_STACK_MAX];
    guint height = 0;

    for (guint i = 0; i < expr->steps->len; i++) {
        const Step *step = &steps[i];

        if (step->kind == STEP_NUMBER || step->kind == STEP_NAME) {
            g_assert(height < EXPR_STACK_MAX);
            stack[height++] =
                step->kind == STEP_NUMBER ? step->real : attribute_number(step->name, lookup, data);
        } else if (step->kind == STEP_NEGATE) {
            g_assert(height > 0);
            stack[height - 1] = -stack[height - 1];
        } else {
            g_assert(height > 1);
            height--;
            stack[height - 1] = apply(step->kind, stack[height - 1], stack[height]);
        }
    }
    return height ? cut(stack[0]) : 0;
}
