/*
 * What the scheduler knows in one cycle: machines that wait, hosts, datastores,
 * clusters, users and access rules, read from the XML of the pools into compact
 * structs. Texts live in `strings` as long as the pools do.
 */
#pragma once

#include <glib.h>

/* One attribute of a host, datastore or cluster that an expression may name. */
typedef struct SchedAttribute {
    const char *path; /* such as "HOST_SHARE/MAX_CPU" */
    const char *name; /* the last part of the path where a bare name finds it, else NULL */
    const char *value;
} SchedAttribute;

typedef struct SchedPci { /* of a host: a device; of a machine: what it asks for */
    const char *vendor, *device, *class, *address; /* NULL: any */
    gint64 vmid;                                   /* of a device: who has it, -1 nobody */
} SchedPci;

/* Space of a datastore as one host sees it (local datastores of the ssh transfer). */
typedef struct SchedLocalSpace {
    gint32 datastore;
    gint64 free_mb;
} SchedLocalSpace;

typedef struct SchedHost {
    gint32 id, cluster, state;
    const char *name;
    gint64 max_cpu, cpu_usage; /* percent: 100 is one core */
    gint64 max_mem, mem_usage; /* KiB */
    gint64 free_disk;          /* MB of the host's own disk for any datastore, -1 unknown */
    gint64 running_vms;
    GArray *attributes;       /* of SchedAttribute, in document order */
    GArray *pci;              /* of SchedPci, NULL when none */
    GArray *local;            /* of SchedLocalSpace, NULL when none */
    const GArray *of_cluster; /* attributes of its cluster's template, or NULL */

    /* What this cycle has put there. */
    guint placed;
    gint64 placed_cpu, placed_mem, placed_disk;
    GArray *placed_vms; /* of gint32, NULL when none */
    guint version;      /* grows with each change: results computed before are stale */
} SchedHost;

typedef enum {
    SCHED_DS_IMAGE = 0,
    SCHED_DS_SYSTEM = 1,
} SchedDatastoreType;

typedef struct SchedDatastore {
    gint32 id, uid, gid, type, state;
    const char *name;
    gboolean group_use, owner_use, other_use;
    gboolean shared;          /* one space for all hosts */
    gboolean unchecked;       /* DATASTORE_CAPACITY_CHECK = NO */
    gint64 total_mb, free_mb; /* total 0: not monitored, so its space is not known */
    GArray *clusters;         /* of gint32; NULL: of every cluster (servers before 5.0) */
    GArray *attributes;
    gint64 placed_mb;
    guint version;
} SchedDatastore;

typedef struct SchedNetwork {
    gint32 id, uid, gid, state;
    const char *name;
    gboolean group_use, owner_use, other_use;
    gint64 size, used; /* addresses of all ranges; those that are held */
    GArray *clusters;  /* of gint32 */
    GArray *attributes;
    gint64 placed; /* addresses that this cycle has given */
    guint version;
} SchedNetwork;

/* A card of a machine whose network is to be chosen (NETWORK_MODE = auto). */
typedef struct SchedNic {
    gint32 id;
    const char *requirements, *rank; /* NULL: none */
} SchedNic;

/* A volume that grows in the image's own datastore. */
typedef struct SchedImageSpace {
    gint32 datastore;
    gint64 mb;
} SchedImageSpace;

typedef struct SchedRole SchedRole; /* scheduler/groups.h */

typedef struct SchedVm {
    gint32 id, uid, gid, state, lcm_state;
    gboolean resched;
    gint64 cpu;       /* percent */
    gint64 memory;    /* KiB */
    gint64 system_mb; /* space it takes in the system datastore */
    double priority;
    const char *automatic, *requirements; /* NULL: none */
    const char *automatic_ds, *ds_requirements;
    const char *rank, *ds_rank;
    const char *message; /* SCHED_MESSAGE as it is now, or NULL */
    const char *cannot;  /* why this scheduler cannot place it at all, or NULL */
    gint32 host;         /* of its last history record, -1 none */
    gint32 datastore;    /* likewise */
    GArray *pci;         /* of SchedPci, NULL when none */
    GArray *image_space; /* of SchedImageSpace, NULL when none */
    GArray *nics;        /* of SchedNic, NULL when none is to be chosen */
    const char *automatic_nic;
    gint32 group; /* of machines, -1 none */
    const char *role_name;
    SchedRole *role; /* borrowed; NULL: none, or not known */
} SchedVm;

typedef struct SchedUser {
    gint32 id, gid;
    GArray *groups; /* of gint32, the primary one included */
} SchedUser;

/* The words of a rule as they travel: upper half what kind, lower half which id. */
typedef struct SchedRule {
    guint64 user, resource, rights, zone;
} SchedRule;

typedef struct SchedPools {
    GStringChunk *strings;
    GArray *vms;          /* of SchedVm, by id */
    GArray *hosts;        /* of SchedHost, by id */
    GArray *datastores;   /* of SchedDatastore, by id */
    GArray *networks;     /* of SchedNetwork, by id; read only when a machine needs one */
    GPtrArray *roles;     /* of SchedRole, of all groups; read only when a machine has one */
    GHashTable *clusters; /* id -> GArray of SchedAttribute */
    GArray *users;        /* of SchedUser */
    gint32 zone;          /* whose rules apply */
    GArray *rules;        /* of SchedRule */
    GHashTable *columns;  /* of scheduler/attributes.c: a name's value for every host */
} SchedPools;

SchedPools *sched_pools_new(void);
void sched_pools_free(SchedPools *pools);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SchedPools, sched_pools_free)

/* Reading: each adds what the text holds. `scale` is MEMORY_SYSTEM_DS_SCALE. Of
 * machines only those are kept that may be placed: pending ones, and ones to be moved
 * (RESCHED = 1 while running, unknown or powered off). */
gboolean sched_read_vms(SchedPools *pools, const char *xml, double scale, GError **error);
gboolean sched_read_hosts(SchedPools *pools, const char *xml, GError **error);
gboolean sched_read_datastores(SchedPools *pools, const char *xml, GError **error);
gboolean sched_read_networks(SchedPools *pools, const char *xml, GError **error);
gboolean sched_read_clusters(SchedPools *pools, const char *xml, GError **error);
gboolean sched_read_users(SchedPools *pools, const char *xml, GError **error);
gboolean sched_read_rules(SchedPools *pools, const char *xml, GError **error);
/* The last samples of one.hostpool.monitoring, for servers whose hosts carry none. */
gboolean sched_read_host_monitoring(SchedPools *pools, const char *xml, GError **error);
/* Ids of the machines to be moved in a pool of short bodies (one.vmpool.info). */
gboolean sched_read_resched_ids(const char *xml, GArray *ids, GError **error);
/* FEDERATION/ZONE_ID of one.system.config; 0 when it does not tell. */
gint32 sched_read_zone(const char *xml);
/* Sorts by id and ties hosts to their clusters. After all reading, before any use. */
void sched_pools_finish(SchedPools *pools);

SchedHost *sched_find_host(const SchedPools *pools, gint32 id);
SchedNetwork *sched_find_network(const SchedPools *pools, gint32 id);
SchedDatastore *sched_find_datastore(const SchedPools *pools, gint32 id);
const SchedUser *sched_find_user(const SchedPools *pools, gint32 id);
