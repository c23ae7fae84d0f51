/* One live migration, shared by the files that lead it: before and during (vmm_migrate.c),
 * when its link broke (vmm_mend.c), afterwards (vmm_settle.c). */
#pragma once

#include "drivers/vmm/libvirt/vmm_libvirt.h"
#include "drivers/vmm/migrate/vmm_migrate_figures.h"
#include "drivers/vmm/migrate/vmm_migrate_options.h"
#include "drivers/vmm/libvirt/vmm_watch.h"

typedef struct Migration {
    DriverJob *job;
    const VmmAction *action;
    virConnectPtr source, destination;
    MigrateOptions options;
    MigrateStorage storage;
    GError *error; /* libvirt's, when the call failed */
    VmmWatchEnd watched;
    MigrateFigures figures;
} Migration;

void migration_clear(Migration *migration);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Migration, migration_clear)

/* The link broke after the switch to post-copy, and this host stands there with its half. */
gboolean migration_is_torn(const VmmSight *sight);
/* When both stand there: waits until the source reaches the destination again, within the limit of
 * the options, and goes on with the memory, several times if need be. `error` is gone then. */
void migration_mend(Migration *migration);

/* Asks both hosts and ends the job by what they say; see the table in share/doc/drivers.md. */
void migration_settle(Migration *migration);

/* ---- migrations that go on without the process that began them (vmm_stray.c) ---- */

/* From here on, until migration_release(), the machine's migration is this process's own. */
void migration_claim(gint64 vid);
void migration_release(gint64 vid);
/* The domain is leaving its host, and it is not this process that moves it. */
gboolean migration_is_stray(gint64 vid, virDomainPtr domain);
/*
 * Waits, at most so long, until a stray migration has ended; 0: as long as it takes. Stops it when
 * it takes longer than the machine's time limit, or when `job` is cancelled. FALSE: it goes on.
 */
gboolean migration_wait_for_stray(DriverJob *job, virDomainPtr domain, gint64 seconds);
