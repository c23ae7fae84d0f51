/*
 * The scheduler's life: wait until something is to be placed, look at everything, place
 * what can be placed, tell the others why not; again at once while there is more.
 */
#pragma once

#include "scheduler/config.h"

typedef struct SchedLoop SchedLoop;

/* What one cycle did. */
typedef struct SchedOutcome {
    guint placed;    /* orders that oned took */
    guint failed;    /* orders that it refused */
    guint stranded;  /* machines that found no place */
    guint postponed; /* machines left for the next cycle */
    guint resting;   /* machines whose last order failed, not tried again yet */
    guint next_try;  /* seconds until the first of them is, 0: none rests */
    gint64 microseconds;
} SchedOutcome;

/* Takes the configuration. Fails when there is no session. (owned) */
SchedLoop *sched_loop_new(SchedConfig *config, GError **error);
void sched_loop_free(SchedLoop *loop);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SchedLoop, sched_loop_free)

/* One cycle; FALSE when oned cannot be reached or its answers cannot be read. */
gboolean sched_loop_cycle(SchedLoop *loop, SchedOutcome *outcome, GError **error);
/* Runs until the process ends. */
void sched_loop_run(SchedLoop *loop);
/* From any thread: takes another configuration at the beginning of the next cycle. The
 * server and the number of connections stay. Takes ownership. */
void sched_loop_configure(SchedLoop *loop, SchedConfig *config);
