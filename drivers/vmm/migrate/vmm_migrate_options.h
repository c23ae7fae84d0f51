/*
 * How a machine is to be moved live: the pairs of MIGRATE = [...]. Read, from the least to the
 * most binding, from the driver's configuration (etc/vmm_exec_*.conf), the host's template, the
 * machine's (TEMPLATE, then USER_TEMPLATE) and the command. share/doc/drivers.md lists them.
 */
#pragma once

#include "drivers/vmm/vmm_action.h"
#include "lib/template/template.h"
#include <libvirt/libvirt.h>

typedef struct MigrateOptions {
    gint64 max_downtime_ms;   /* 0: the hypervisor's own */
    gint64 bandwidth_mibs;    /* MiB/s; 0: no limit */
    gint64 time_limit_s;      /* 0: none */
    gint64 postcopy_after_s;  /* 0: after the first pass */
    gint64 postcopy_resume_s; /* a link that broke is waited for; 0: not at all */
    gboolean auto_converge, postcopy, compressed;
    gboolean peer2peer, tunnel, tls;
    gboolean live_only; /* of containers: never stopped to be moved. Guests of libvirt never are */
    char *uri;          /* of the network for the memory; NULL: the destination's own choice */
} MigrateOptions;

void migrate_options_clear(MigrateOptions *options);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(MigrateOptions, migrate_options_clear)

/* Merges and checks all. The error names the pair, where it was found, and what is possible. */
gboolean migrate_options_read(const VmmAction *action, const Template *defaults,
                              MigrateOptions *options, GError **error);

/* FALSE: the hypervisor (`name`) cannot do one of them, which must not be left out silently. */
gboolean migrate_options_fit(const MigrateOptions *options, gboolean qemu, gboolean shared,
                             const char *name, GError **error);

typedef enum {
    MIGRATE_SHARED,   /* the disks stay where they are */
    MIGRATE_MIRRORED, /* copied whole, during the migration */
} MigrateStorage;

/* Flags for virDomainMigrate3(); `persistent`: the domain has a definition at the source. */
unsigned int migrate_options_flags(const MigrateOptions *options, gboolean qemu,
                                   MigrateStorage storage, gboolean persistent);
