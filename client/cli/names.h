/*
 * Which objects are meant: ids, names, lists of both and ranges. Names are looked up in
 * the pool of their kind, once in a run. A name that is unknown gets suggestions, a
 * name that several objects have gets the list of them.
 */
#pragma once

#include "client/cli/cli.h"

/* One piece of "0,3,web,5..9". */
typedef struct CliPick {
    gint32 first;
    gint32 last; /* equal to first when there is no range */
    char *name;  /* NULL when it is a number or a range */
} CliPick;

void cli_pick_free(CliPick *pick);
/* Splits a list; needs no server. (owned, of CliPick) */
GPtrArray *cli_picks_of(const char *text, GError **error);
/* TRUE for a text of digits that is an id. */
gboolean cli_is_id(const char *text, gint32 *id);

/* The id of one object by id or name. */
gboolean cli_find_id(Cli *cli, const CliKind *kind, const char *text, gint32 *id, GError **error);
/* Fills cli->ids, cli->gaps and cli->numbers from the words. */
gboolean cli_find_all(Cli *cli, GError **error);
/* The pool of a kind, fetched once. (borrowed) */
xmlDoc *cli_pool(Cli *cli, const CliKind *kind, GError **error);
/* Name of an object, from the pool if it is there already; "" else. (borrowed) */
const char *cli_known_name(const Cli *cli, const CliKind *kind, gint32 id);

/* How many letters differ: added, left out, changed, swapped. */
guint cli_distance(const char *one, const char *other);
/* Commands whose names are close to `word`, "" for none. (owned) */
char *cli_close_commands(const CliKind *kind, const char *word);
