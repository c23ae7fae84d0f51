/*
 * What the scheduler asks of oned. It speaks to servers of any generation: what an older
 * one does not know (fault -506) is done in the older way and not tried again.
 */
#pragma once

#include "lib/wire/client.h"
#include "scheduler/config.h"
#include "scheduler/match.h"

typedef struct SchedServer {
    WireClient *client;   /* borrowed */
    gboolean cannot_wait; /* no globule.sched.wait */
    gboolean no_extended; /* no one.vmpool.infoextended: pools were whole before 5.8 */
    gboolean no_infoset;
    gboolean no_datastores; /* before 3.4 */
    gboolean zone_known;
    gint32 zone;
    gint32 sequence;    /* of the last globule.sched.wait */
    gint64 scan_cost;   /* microseconds that the last search for RESCHED machines took */
    gint64 last_scan;   /* steady time of its end, 0: never */
    gboolean owes_scan; /* the last cycle left it out, because it was too soon */
} SchedServer;

/* Waits until something is to be placed, at most that long; `something` tells whether it
 * is. With 0 seconds only asks. A server that cannot: returns at once, cannot_wait set. */
gboolean sched_wait(SchedServer *server, guint seconds, gboolean *something, GError **error);

/* Machines to place. Machines to move are looked for when that is cheap: it never takes
 * more than a twentieth of the time. */
gboolean sched_fetch_vms(SchedServer *server, SchedPools *pools, const SchedConfig *config,
                         GError **error);
/* Seconds until machines to move should be looked for again, because the last cycle left
 * them out; 0: it did not. */
guint sched_scan_due(const SchedServer *server);
/* Where to place them: hosts, clusters, datastores; users and rules when an owner is no
 * administrator; monitoring when a rank or requirement needs it. */
gboolean sched_fetch_places(SchedServer *server, SchedPools *pools, const SchedConfig *config,
                            GError **error);
