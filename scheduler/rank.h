/*
 * Rank expressions: parsed once for each distinct text, evaluated once for each host
 * (or datastore) and again only after a machine was placed there. Higher is better.
 *
 * OpenNebula scales the ranks of several policies and adds them up; since a machine has
 * exactly one rank for hosts and one for datastores, and scaling by a positive number
 * changes no order, the ranks are compared as they are.
 */
#pragma once

#include "scheduler/pools.h"
#include "lib/expr/expr.h"

typedef struct SchedRank {
    Expr *expr;
    char *error;       /* why the text cannot be read (every rank is 0 then), or NULL */
    gint64 *values;    /* for each host or datastore */
    guint32 *versions; /* of the object when the value was found, plus 1; 0: not yet */
} SchedRank;

SchedRank *sched_rank_new(const char *text, guint objects);
void sched_rank_free(SchedRank *rank);
gint64 sched_rank_host(SchedRank *rank, const SchedPools *pools, guint host);
gint64 sched_rank_network(SchedRank *rank, const SchedPools *pools, guint network);
gint64 sched_rank_datastore(SchedRank *rank, const SchedPools *pools, guint datastore);

/* The rank text of a policy of DEFAULT_SCHED (0 packing ... 4 fixed) and of
 * DEFAULT_DS_SCHED (0 to 3); `custom` is the RANK member. NULL: no such policy. */
const char *sched_host_policy(gint64 policy, const char *custom);
const char *sched_network_policy(gint64 policy, const char *custom); /* of DEFAULT_NIC_SCHED */
const char *sched_datastore_policy(gint64 policy, const char *custom);
