/*
 * Which machine goes where in this cycle: the most important and then the oldest
 * machine first, each to the highest ranked host that still has room for it. Capacity
 * and ranks are kept in memory as machines are placed, so that one cycle can place
 * thousands.
 */
#pragma once

#include "scheduler/match.h"

typedef struct SchedOrder {
    const SchedVm *vm;
    gint32 host, datastore; /* datastore -1: the server chooses */
    const char *host_name;
    char *
        networks; /* "NIC = [ NIC_ID = 0, NETWORK_ID = 3 ]..." for cards that wanted one; or NULL */
    gboolean done; /* the server was asked */
    char *failure; /* what it answered when it refused, else NULL */
} SchedOrder;

/* A machine that found no place. */
typedef struct SchedStranded {
    const SchedVm *vm;
    SchedClass *class;
} SchedStranded;

typedef struct SchedPlan {
    GArray *orders;   /* of SchedOrder */
    GArray *stranded; /* of SchedStranded */
    guint postponed;  /* machines left for the next cycle by MAX_VM, MAX_DISPATCH or MAX_HOST */
} SchedPlan;

/* Changes the "placed" members of hosts and datastores. 0 means no limit. (owned) */
SchedPlan *sched_plan_new(SchedPools *pools, SchedMatcher *matcher, guint max_vms,
                          guint max_orders);
void sched_plan_free(SchedPlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SchedPlan, sched_plan_free)

/* The first image datastore without room for the machine's clones, or NULL; `mb` gets
 * what is needed there. */
const SchedDatastore *sched_full_image_datastore(const SchedPools *pools, const SchedVm *vm,
                                                 gint64 *mb);
/* What that host lacks for the machine beside what its tests ask: a datastore, or a network for
 * `*nic`. SCHED_FITS: nothing. */
SchedHostTest sched_class_lacks(SchedMatcher *matcher, const SchedPools *pools, SchedClass *class,
                                guint host, const SchedNic **nic);
/* Whether some system datastore serves the host and has room for the class. */
gboolean sched_class_has_datastore(SchedMatcher *matcher, const SchedPools *pools,
                                   SchedClass *class, guint host);
