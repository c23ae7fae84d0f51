/*
 * What a live migration cost, as libvirt tells it while it runs and afterwards. Times in
 * milliseconds, amounts in bytes, rates in bytes per second; -1 is "not told".
 */
#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>

typedef struct MigrateFigures {
    gint64 total_ms, downtime_ms, setup_ms;
    gint64 bytes, memory_bytes, disk_bytes; /* carried over the network */
    gint64 rounds;                          /* passes over the memory */
    gint64 dirty_rate;                      /* the guest's highest */
    gint64 memory_rate;                     /* of the network, the highest */
    gint64 pages_normal, pages_constant;    /* sent whole; all of whose bytes were equal */
    gint64 postcopy_requests;               /* the guest waited for a page that was not there yet */
    gint64 throttle;                        /* percent by which AUTO_CONVERGE slowed the guest */
    gint64 resumes; /* how often it went on after the link broke; not libvirt's */
} MigrateFigures;

#define MIGRATE_FIGURES_NONE                                                                       \
    {                                                                                              \
        -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1                                     \
    }

/* Takes what the statistics of a job have. Amounts, rates and rounds keep their highest value:
 * those of a completed job are no longer all there. */
void migrate_figures_take(MigrateFigures *figures, virTypedParameterPtr parameters, int count);
/* "total_ms=912 downtime_ms=21 ... mode=precopy storage=shared"; what is -1 is left out. (owned) */
char *migrate_figures_text(const MigrateFigures *figures, gboolean postcopy, gboolean shared);
