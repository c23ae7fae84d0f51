/*
 * May a user run machines on a host, keep them in a datastore? The scheduler acts as
 * oneadmin, so it must apply the owner's rights itself: MANAGE on the host by an access
 * rule, USE on the system datastore by its permissions or a rule.
 */
#pragma once

#include "scheduler/pools.h"

/* Whether the answer is yes for everything (uid 0, and members of group 0), so that
 * users and rules need not be read. */
gboolean sched_is_admin(const SchedPools *pools, gint32 uid, gint32 gid);
gboolean sched_may_use_host(const SchedPools *pools, gint32 uid, gint32 gid, const SchedHost *host);
gboolean sched_may_use_network(const SchedPools *pools, gint32 uid, gint32 gid,
                               const SchedNetwork *network);
gboolean sched_may_use_datastore(const SchedPools *pools, gint32 uid, gint32 gid,
                                 const SchedDatastore *datastore);
