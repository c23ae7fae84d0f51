/*
 * How long a live migration will take, by arithmetic: the memory is sent, then what the guest
 * wrote meanwhile, and so on, until the rest fits into the allowed downtime. Amounts in bytes,
 * rates in bytes per second, times in milliseconds.
 */
#pragma once

#include <glib.h>

typedef struct MigrateLoad {
    gint64 memory;     /* to be sent */
    gint64 disks;      /* to be mirrored; 0: they are shared */
    gint64 dirty_rate; /* that the guest writes */
    gint64 link_rate;  /* that the network carries; more than 0 */
    gint64 max_downtime_ms;
    gboolean postcopy, auto_converge;
} MigrateLoad;

typedef struct MigrateEstimate {
    gboolean converges;           /* FALSE: the guest writes faster than the network carries */
    gint64 total_ms, downtime_ms; /* -1 when it does not */
    guint rounds;
    guint throttle; /* percent by which AUTO_CONVERGE must slow the guest; 0: it need not */
} MigrateEstimate;

MigrateEstimate migrate_estimate(const MigrateLoad *load);
