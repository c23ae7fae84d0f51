/*
 * A host: where machines run. What it gives away is the sum of what its machines
 * hold, kept exactly and never stored; what it really uses comes from monitoring.
 */
#pragma once

#include "server/model/place/host_numa.h"
#include "server/model/object.h"

typedef enum {
    HOST_INIT = 0,
    HOST_MONITORED = 2,
    HOST_ERROR = 3,
    HOST_DISABLED = 4,
    HOST_OFFLINE = 8,
} HostState;

typedef struct HostDatastore {
    gint32 id;
    gint64 total_mb, used_mb, free_mb;
} HostDatastore;

typedef struct Host {
    Object head; /* the template holds the administrator's attributes and SYSTEM_HOST's */
    HostState state, previous_state;
    char *im_mad, *vm_mad;
    gint32 cluster;
    gint64 last_monitored;

    gint64 cpu_usage, memory_usage; /* given to machines: percent, KiB */
    gint64
        disk_usage; /* MiB of disks that machines have on it, in datastores that are not shared */
    gint64 total_cpu, total_memory;        /* what it has: percent, KiB */
    gint64 max_cpu, max_memory;            /* less what is reserved */
    GArray *vms;                           /* ids of machines that hold capacity here */
    gint64 max_disk, free_disk, used_disk; /* MiB, of the datastores' file system */
    GArray *datastores;                    /* of HostDatastore */
    HostNuma *numa;                        /* NULL: not told yet */
    Template *pci;                         /* of PCI vectors; NULL: none told */
    char *monitoring;                      /* XML inside <MONITORING> */
    gint64 used_cpu, free_cpu, used_memory, free_memory;

    /* Of the information driver's work. */
    guint64 timer;         /* next request */
    guint64 request;       /* under way; 0: none */
    guint64 request_timer; /* its time-out */
    gint64 asked;          /* steady time of the request under way */
    guint failures;        /* in a row */
} Host;

#define HOST(object) ((Host *)(object))

Host *host_get(World *world, gint32 id);
Host *host_create(World *world, const char *name, const char *im_mad, const char *vm_mad,
                  gint32 cluster);
const char *host_state_name(HostState state);
void host_charge(World *world, gint32 host, gint32 vm, gint64 cpu, gint64 memory, gint64 disk);
void host_discharge(World *world, gint32 host, gint32 vm, gint64 cpu, gint64 memory, gint64 disk);
/* Whether so much more fits. FALSE with the reason. */
gboolean host_has_room(const Host *host, gint64 cpu, gint64 memory, GError **error);
/* Computes max_* again from total_* and RESERVED_CPU, RESERVED_MEM (host, else cluster, else
 * oned.conf):
 * a number in percent / KiB, negative to overcommit, or a percentage such as "10%". */
void host_reserve(World *world, Host *host);
/* The shape of 1.4 to 3.8. */
void host_render_old(World *world, Host *host, GString *xml);

extern const KindOperations host_operations;
extern const StoreTable host_table;
