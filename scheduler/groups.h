/*
 * Groups of machines: which hosts the machines of a role may share, must share or must avoid.
 * Read only when a machine that waits has a role. Positions are those of the hosts' own lists, and
 * those that this cycle has given. Attributes: share/doc/templates.md.
 */
#pragma once

#include "scheduler/match.h"

typedef enum {
    SCHED_POLICY_NONE,
    SCHED_POLICY_AFFINED,
    SCHED_POLICY_APART,
} SchedPolicy;

struct SchedRole {
    gint32 group; /* id */
    const char *name;
    SchedPolicy policy;
    GArray *wanted, *avoided; /* of gint32: HOST_AFFINED, HOST_ANTI_AFFINED; NULL: none */
    GArray *vms;              /* of gint32, or NULL */
    GArray *places;           /* of SchedPosition: where its machines are */
    guint tie;                /* equal for roles of the group that AFFINED puts together */
    GPtrArray *others;        /* of SchedRole: all of the group, itself too */
    GPtrArray *apart;         /* of SchedRole: those that ANTI_AFFINED keeps away */
};

void sched_role_free(SchedRole *role);

/* Adds the groups of one.vmgrouppool.info. */
gboolean sched_read_groups(SchedPools *pools, const char *xml, GError **error);
/* Gives each machine its role, and each role the places of its machines. After all reading; what
 * has a group that is not known cannot be placed, and says so. */
void sched_groups_finish(SchedPools *pools);
/* The first rule of its group that keeps the machine from the host; SCHED_FITS: none. */
SchedHostTest sched_test_group(const SchedVm *vm, gint32 host);
/* The machine goes there in this cycle. */
void sched_group_took(const SchedVm *vm, gint32 host);
