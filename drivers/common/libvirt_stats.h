/* The figures of domains, as both drivers tell them. */
#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>

typedef struct LibvirtStats {
    int state, reason; /* virDomainState and its reason */
    gint64 cpu_time;   /* ns; -1: not told, as any of these */
    gint64 memory;     /* KiB in use by the host for it, else what it may use */
    gint64 maximum;    /* KiB that it may use at most */
    gint64 vcpu;
    gint64 net_rx, net_tx; /* bytes, all interfaces */
    gint64 disk_rd_bytes, disk_wr_bytes, disk_rd_ops, disk_wr_ops;
} LibvirtStats;

/* Groups of figures to ask libvirt for. */
#define LIBVIRT_STATS_GROUPS                                                                       \
    (VIR_DOMAIN_STATS_STATE | VIR_DOMAIN_STATS_CPU_TOTAL | VIR_DOMAIN_STATS_BALLOON |              \
     VIR_DOMAIN_STATS_VCPU | VIR_DOMAIN_STATS_INTERFACE | VIR_DOMAIN_STATS_BLOCK)

LibvirtStats libvirt_stats_read(const virDomainStatsRecord *record);
/* The same of one domain by single questions, for hypervisors whose libvirt driver has no such
 * records (Xen, LXC). FALSE: it went away. */
gboolean libvirt_stats_ask(virDomainPtr domain, LibvirtStats *stats);

/* libxl ends a guest that reboots, and makes it anew under the same name; a guest that shut down
 * stands in the list, too, until all of it is gone. Meanwhile its domain is inactive though it has
 * no definition, and nobody can say yet whether the machine is off. */
gboolean libvirt_is_passing(virDomainPtr domain, int state);

/* The machine's own disks, files called disk.<id>: their sizes on the host. (owned, of LibvirtDisk)
 */
typedef struct LibvirtDisk {
    gint64 id, bytes;
} LibvirtDisk;
GArray *libvirt_stats_disks(const virDomainStatsRecord *record);

/* RUNNING, PAUSED, SUSPENDED, POWEROFF, FAILURE or UNKNOWN. A domain that stands still because
 * it is being moved or saved counts as running: that is its operation's business. */
const char *libvirt_state_name(int state, int reason);

/* CPU use in percent (100 is a core) since the last call with that key; -1 at the first. The
 * key is freed by libvirt_usage_forget() or after an hour without a call. */
double libvirt_usage(const char *key, gint64 cpu_time);
void libvirt_usage_forget(const char *key);
