/*
 * Long operations of libvirt block their caller; a watch looks after one from a thread of its
 * own: interrupts it when the driver's job is cancelled or takes too long, and steers and
 * measures migrations.
 */
#pragma once

#include "drivers/common/driver.h"
#include "drivers/vmm/migrate/vmm_migrate_figures.h"

typedef struct VmmWatch VmmWatch;

/* All 0: it only sees to it that the driver's job can be cancelled. */
typedef struct VmmWatchOptions {
    gint64 time_limit_s;     /* 0: none */
    gint64 max_downtime_ms;  /* 0: leave it */
    gboolean postcopy;       /* may switch to post-copy */
    gint64 postcopy_after_s; /* 0: after the first pass */
    MigrateFigures *figures; /* borrowed until the end; NULL: nothing is measured */
    const char *destination; /* a host that must not fall silent meanwhile; NULL: none */
} VmmWatchOptions;

typedef struct VmmWatchEnd {
    const char *why;   /* it was interrupted; NULL when not. Static text */
    gboolean postcopy; /* the guest was switched to the destination before its memory */
} VmmWatchEnd;

VmmWatch *vmm_watch_start(DriverJob *job, virDomainPtr domain, VmmWatchOptions options); /* owned */
VmmWatchEnd vmm_watch_end(VmmWatch *watch); /* frees it */
