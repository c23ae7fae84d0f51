/*
 * Which hosts and datastores a machine may use. Machines that ask for the same are one
 * class and are tested once; an expression is parsed once for each distinct text and its
 * result kept for each host, so a cycle costs (distinct texts x hosts), not
 * (machines x hosts). All of this lives for one cycle.
 */
#pragma once

#include "scheduler/pools.h"
#include "scheduler/rank.h"

/* The tests of a host, in their order; a host is counted at the first that it fails. */
typedef enum {
    SCHED_FITS,
    SCHED_NOT_MONITORED,
    SCHED_IN_ERROR,
    SCHED_DISABLED,
    SCHED_IS_HERE, /* it must leave the host that it is on */
    SCHED_NO_RIGHT,
    SCHED_NO_CPU,
    SCHED_NO_MEMORY,
    SCHED_NO_PCI,
    SCHED_NOT_AUTOMATIC,    /* AUTOMATIC_REQUIREMENTS: clusters of images and networks */
    SCHED_NOT_REQUIRED,     /* SCHED_REQUIREMENTS */
    SCHED_NOT_HOST_AFFINED, /* rules of its group of machines: HOST_AFFINED */
    SCHED_HOST_AVOIDED,     /* HOST_ANTI_AFFINED */
    SCHED_ROLE_ELSEWHERE,   /* POLICY = AFFINED of its role */
    SCHED_ROLE_HERE,        /* POLICY = ANTI_AFFINED */
    SCHED_GROUP_ELSEWHERE,  /* AFFINED of roles */
    SCHED_GROUP_HERE,       /* ANTI_AFFINED of roles */
    SCHED_NO_DATASTORE,     /* no system datastore for it there */
    SCHED_NO_NETWORK,       /* none for a card with NETWORK_MODE = auto */
    SCHED_TOO_MANY,         /* MAX_HOST: next cycle */
    SCHED_HOST_TESTS,
} SchedHostTest;

typedef enum {
    SCHED_DS_FITS,
    SCHED_DS_DISABLED,
    SCHED_DS_NO_RIGHT,
    SCHED_DS_NOT_AUTOMATIC,
    SCHED_DS_NOT_REQUIRED,
    SCHED_DS_NO_SPACE,
    SCHED_DS_TESTS,
} SchedDatastoreTest;

/* The tests of a network for a card, in their order. */
typedef enum {
    SCHED_NET_FITS,
    SCHED_NET_NOT_READY,
    SCHED_NET_NO_RIGHT,
    SCHED_NET_NOT_AUTOMATIC, /* AUTOMATIC_NIC_REQUIREMENTS: clusters of the other networks */
    SCHED_NET_NOT_REQUIRED,  /* SCHED_REQUIREMENTS of the card */
    SCHED_NET_FULL,
    SCHED_NET_TESTS,
} SchedNetworkTest;

/* A requirement's text and its results. */
typedef struct SchedRequirement SchedRequirement;

typedef struct SchedClass {
    const SchedVm *vm; /* the first of them: what it asks, all ask */
    SchedRequirement *automatic, *required, *automatic_ds, *required_ds; /* NULL: none */
    SchedRank *rank, *ds_rank;
    char *reason;   /* why no host fits; made by scheduler/report.c when asked for */
    char *error;    /* text of a requirement that cannot be read, with the reason; else NULL */
    guint32 *hosts; /* indices of hosts that may still take one */
    guint host_count;
    gboolean begun;     /* `hosts` is made */
    gboolean stuck;     /* one of them found no place */
    gboolean delayed;   /* but it may in the next cycle: only MAX_HOST stood in the way */
    GArray *datastores; /* of guint32: indices of those that passed all but space */
} SchedClass;

typedef struct SchedMatcher SchedMatcher;

typedef struct SchedLimits {
    guint per_host; /* MAX_HOST, 0 none */
    const char *default_rank, *default_ds_rank, *default_nic_rank;
    gboolean same_networks; /* the cards of a machine may get one network */
} SchedLimits;

/* `pools` and the texts of `limits` must outlive it. */
SchedMatcher *sched_matcher_new(SchedPools *pools, const SchedLimits *limits);
void sched_matcher_free(SchedMatcher *matcher);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SchedMatcher, sched_matcher_free)

/* The class of a machine. (borrowed until the matcher is freed) */
SchedClass *sched_class_of(SchedMatcher *matcher, const SchedVm *vm);

/* Every test but those of datastores, as things stand now. */
SchedHostTest sched_test_host(SchedMatcher *matcher, const SchedClass *class, guint host);
/* The same in parts, for placing. What no placement changes: state, rights. */
gboolean sched_host_may_fit(SchedMatcher *matcher, const SchedClass *class, guint host);
/* What placements use up: cheap, asked for every host and machine. */
gboolean sched_host_has_room(const SchedMatcher *matcher, const SchedClass *class, guint host);
/* The requirements: dear, asked only where the answer matters. */
gboolean sched_host_meets(const SchedMatcher *matcher, const SchedClass *class, guint host);
/* Gives the machine the devices it asks for; FALSE when one is not to be had. */
gboolean sched_take_devices(SchedHost *host, const SchedVm *vm);

/* Every test but the one of space. */
SchedDatastoreTest sched_test_datastore(SchedMatcher *matcher, const SchedClass *class,
                                        guint datastore);
/* Whether a datastore that passed serves this host and has room. */
gboolean sched_datastore_serves(const SchedDatastore *datastore, const SchedHost *host);
gboolean sched_datastore_has_room(const SchedDatastore *datastore, const SchedHost *host,
                                  gint64 mb);
/* Every test of a network for a card, as things stand now; not that of the host's cluster. */
SchedNetworkTest sched_test_network(SchedMatcher *matcher, const SchedVm *vm, const SchedNic *nic,
                                    guint network);
/* Chooses a network for each card of the machine that wants one, on that host: ids in the order of
 * vm->nics. FALSE: there is none for `*missing`. */
gboolean sched_choose_networks(SchedMatcher *matcher, const SchedVm *vm, const SchedHost *host,
                               GArray *chosen, const SchedNic **missing);

/* Makes class->datastores. */
void sched_class_datastores(SchedMatcher *matcher, SchedClass *class);
