/*
 * Plans of clusters: which machines move where, so that the load of hosts is even (ONE_DRS POLICY
 * BALANCE) or few hosts are in use (PACK), made here from what hosts have given to machines, and
 * carried out a few moves at a time. A plan is the cluster's Template `plan`: STATE, and ACTION =
 * [ ID, VM_ID, STATE, OPERATION, HOST_ID, DS_ID, TIMESTAMP ]. Words and numbers are OpenNebula's.
 */
#pragma once

#include "server/lifecycle/internal.h"
#include "server/model/place/cluster.h"

/* Also of its actions. */
typedef enum {
    PLAN_READY = 0,
    PLAN_APPLYING = 1,
    PLAN_DONE = 2,
    PLAN_ERROR = 3,
    PLAN_TIMEOUT = 4,
} PlanState;

PlanState plan_state(const Template *plan);

/* ---- cluster_plan_make.c ---- */

/* What is to be moved; NULL: nothing would get better. Errors: ONE_DRS says something wrong.
 * (owned) */
Template *plan_make(Lifecycle *lifecycle, const Cluster *cluster, GError **error);
/* The machine may be moved by somebody who does not ask its owner: it goes on, or is off; nothing
 * ties it to its host; and what only the scheduler understands, it is left to. */
gboolean plan_may_move(Lifecycle *lifecycle, const Vm *vm);
/* AUTOMATION of the cluster: 0 none and manual, 1 plans are made, 2 and carried out. */
gint plan_automation(const Cluster *cluster);

/* ---- cluster_plan.c; for callers see lifecycle.h ---- */

/* A migration ended: plans that wait for it go on, after this. */
void plans_look_soon(Lifecycle *lifecycle);
/* After the start: what was under way goes on. */
void plans_begin(Lifecycle *lifecycle);
