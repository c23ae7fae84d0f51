/*
 * Waiting until objects reach a state: one line rewritten on a terminal, a line per
 * change elsewhere, always on standard error. What counts as reached, failed or under
 * way is told by the kind's `state`.
 */
#pragma once

#include "client/cli/cli.h"

/* After a command was done to `ids`: waits for --wait's state or the command's goal. */
CliExit cli_wait_after(Cli *cli, GArray *ids);

/* Whether --wait and --wait-timeout can be obeyed; says what is wrong otherwise. Asked before
 * anything is done. */
gboolean cli_wait_is_meant(const Cli *cli);
/* Waits for a state by its official name. `patient`: rest in another state is no
 * failure, since somebody else may be about to change it. */
CliExit cli_wait_for(Cli *cli, GArray *ids, const char *goal, gint64 goal_host, gboolean patient);

/* How a look at an object is judged. */
typedef enum { CLI_VERDICT_WAIT, CLI_VERDICT_REACHED, CLI_VERDICT_FAILED } CliVerdict;

/* What is remembered of one object between two looks. */
typedef struct CliWatch {
    gint32 id;
    char *name;
    char *last;     /* state at the last look */
    char *why;      /* and its reason */
    gboolean moved; /* it has been seen to change, or under way */
    gint64 since;   /* monotonic time of the first look, µs */
    CliVerdict verdict;
} CliWatch;

/* The goal of what ends in several states (a migration, a repair): whatever it comes to
 * rest in, and on the host asked for when there is one. */
#define CLI_AT_REST "*"

/* Judges one look; `now` is monotonic time in µs. */
CliVerdict cli_wait_judge(CliWatch *watch, const CliState *state, const char *goal,
                          gint64 goal_host, gboolean patient, gint64 now);
