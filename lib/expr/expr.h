/*
 * Requirement and rank expressions of the scheduler, parsed once and evaluated
 * many times. Grammar: share/doc/templates.md. The traps of the original are kept,
 * since templates rely on them: "!", "&" and "|" have one precedence, left to right;
 * "A -5" is a syntax error; strings match by fnmatch(3); a comparison with a missing
 * attribute is false, "!=" included.
 */
#pragma once

#include <glib.h>

typedef struct Expr Expr;

/* Finds the values of an attribute: writes at most `room` borrowed strings that
 * live until the next call, and returns how many there are. */
typedef guint (*ExprLookup)(const char *name, const char **values, guint room, gpointer data);

/* NULL or empty text is an expression that is always true (rank: 0).
 * The error names what was found and "at line L, columns A:B". (owned) */
Expr *expr_parse_requirement(const char *text, GError **error);
Expr *expr_parse_rank(const char *text, GError **error);
void expr_free(Expr *expr);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Expr, expr_free)

gboolean expr_matches(const Expr *expr, ExprLookup lookup, gpointer data);
/* The rank, cut to a whole number; saturates instead of overflowing. */
gint64 expr_rank(const Expr *expr, ExprLookup lookup, gpointer data);
