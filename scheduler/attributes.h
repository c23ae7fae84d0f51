/*
 * How a name in an expression finds its value (share/doc/scheduler.md, "Names"):
 * a bare name in the usual places below a host, datastore or network, the first in document
 * order; "A/B" below each of those places; "/HOST/A/B" exactly that element.
 * Numbers that placing a machine changes are given as they are after what this cycle
 * has placed, so that 200 machines in one cycle do not all choose one empty host.
 */
#pragma once

#include "scheduler/pools.h"

typedef struct SchedView {
    const SchedPools *pools;
    const SchedHost *host; /* one of the three, of these pools */
    const SchedDatastore *datastore;
    const SchedNetwork *network;
    gboolean changing; /* set when a value was asked for that placing changes */
    char number[32];
    GPtrArray *numbers; /* text of placed machines' ids, made when asked for */
} SchedView;

void sched_view_clear(SchedView *view);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SchedView, sched_view_clear)

/* An ExprLookup; `view` is a SchedView. */
guint sched_lookup(const char *name, const char **values, guint room, gpointer view);
