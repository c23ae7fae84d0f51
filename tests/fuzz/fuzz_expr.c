/*
 * Requirements and ranks, read and evaluated on a host whose attributes are taken from the
 * input as well: lines before the last are values.
 */
#include "lib/expr/expr.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static guint lookup(const char *name, const char **values, guint room, gpointer data)
{
    char **lines = data;
    guint found = 0;

    for (guint i = 0; lines[i] && found < room && *name != 'Z'; i++)
        values[found++] = lines[i];
    return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    g_auto(GStrv) lines = g_strsplit(text, "\n", 8);
    guint count = g_strv_length(lines);
    const char *last = count ? lines[count - 1] : "";
    g_autoptr(GError) error = NULL, rank_error = NULL;
    g_autoptr(Expr) requirement = expr_parse_requirement(last, &error);
    g_autoptr(Expr) rank = expr_parse_rank(last, &rank_error);

    g_assert_true((requirement != NULL) == (error == NULL));
    g_assert_true((rank != NULL) == (rank_error == NULL));
    if (requirement)
        expr_matches(requirement, lookup, lines);
    if (rank)
        expr_rank(rank, lookup, lines);
    return 0;
}
