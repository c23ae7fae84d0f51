/*
 * What the two grammars share: tokens, their errors, and the little program that an
 * expression is turned into.
 */
#pragma once

#include "lib/expr/expr.h"
#include "lib/expr/glob.h"

/* Limits of what users may write. The stack of a rank never holds more than two values a
 * level of nesting. */
#define EXPR_LENGTH_MAX (256 * 1024)
#define EXPR_DEPTH_MAX  100
#define EXPR_STACK_MAX  (2 * EXPR_DEPTH_MAX + 8)

typedef enum {
    STEP_COMPARE, /* result = comparison of the attribute with the value */
    STEP_NOT,     /* result = not result */
    STEP_AND,     /* when the result is false, go on at `skip` */
    STEP_OR,      /* when the result is true, go on at `skip` */
    STEP_NUMBER,  /* push the number */
    STEP_NAME,    /* push the value of the attribute */
    STEP_NEGATE,  /* the four take operands from the stack and push the result */
    STEP_ADD,
    STEP_SUBTRACT,
    STEP_MULTIPLY,
    STEP_DIVIDE,
} StepKind;

typedef enum { VALUE_INTEGER, VALUE_FLOAT, VALUE_STRING } ValueKind;

typedef enum {
    COMPARE_EQUAL,
    COMPARE_UNEQUAL,
    COMPARE_GREATER,
    COMPARE_LESS,
    COMPARE_CONTAINS,
} Comparison;

typedef struct Step {
    StepKind kind;
    Comparison comparison;
    ValueKind value;
    guint skip;
    char *name;
    Glob *glob; /* NULL: the empty string, which matches nothing */
    gint64 integer;
    double real;
} Step;

struct Expr {
    GArray *steps; /* of Step */
};

typedef enum {
    TOKEN_END,
    TOKEN_STRING, /* a name, a bare word, or a quoted string */
    TOKEN_INTEGER,
    TOKEN_FLOAT,
    TOKEN_CONTAINS,
    TOKEN_CHARACTER, /* any other single character */
} TokenKind;

typedef struct Reader {
    const char *text;
    const char *operators; /* the single characters of this grammar */
    GArray *steps;
    guint depth;
    GError **error;
    /* the token at hand */
    TokenKind kind;
    const char *from, *to;
    /* what the text of an INTEGER or FLOAT says */
    gint64 integer;
    double real;
} Reader;

/* Moves to the next token. FALSE with an error at a character that begins none. */
gboolean reader_next(Reader *reader);
gboolean reader_is(const Reader *reader, char character);
/* The text of a STRING without its quotes. (owned) */
char *reader_string(const Reader *reader);
/* Both fill the error and return FALSE. */
gboolean reader_unexpected(Reader *reader, const char *expected);
gboolean reader_fail(Reader *reader, const char *what);
/* One level of nesting deeper; FALSE with an error when that is too deep. */
gboolean reader_enter(Reader *reader);
/* Appends a step, whose pointers it takes, and returns its number. */
guint reader_step(Reader *reader, Step step);

/* Runs `parse` over the whole text; empty text makes no steps. (owned, NULL on error) */
Expr *expr_read(const char *text, const char *operators, gboolean (*parse)(Reader *reader),
                GError **error);

/* A number at the start of the text; FALSE when there is none. */
gboolean expr_to_integer(const char *text, gint64 *value);
gboolean expr_to_double(const char *text, double *value);
