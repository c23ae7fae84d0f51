/* How a container gets from one host to another. */
#pragma once

#include "drivers/vmm/lxc/lxc.h"
#include "drivers/vmm/migrate/vmm_migrate_options.h"

typedef enum {
    LXC_LIVE,         /* its memory goes over the storage that both hosts share */
    LXC_CHECKPOINTED, /* memory and disks are sent to the other host while it stands still */
    LXC_STOPPED,      /* it is ended, and started anew there */
} LxcWay;

const char *lxc_way_name(LxcWay way); /* "live" ... (static) */

typedef struct LxcMove {
    DriverJob *job;
    const VmmAction *action;
    LxcPlan plan;
    MigrateOptions options;
    LxcWay way;
    char *images;          /* directory of the checkpoint, at both hosts */
    char *earlier;         /* NULL, or the host to which an earlier move has given it */
    gint64 begun, still;   /* monotonic: all of it, and since it did not run */
    gint64 dump_ms, bytes; /* -1: not known */
} LxcMove;

void lxc_move_clear(LxcMove *move);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(LxcMove, lxc_move_clear)

/* Reads the request. FALSE: it cannot be carried out. */
gboolean lxc_move_read(LxcMove *move, DriverJob *job, GError **error);

void lxc_migrate(DriverJob *job);
void lxc_settle(DriverJob *job);
