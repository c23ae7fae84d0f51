/*
 * Room for the disks that machines have in system datastores. Sizes are MiB, as the disks and
 * their snapshots say; a disk that is a link to its image takes none, nor does one that is made
 * beside its image (CLONE_TARGET = SELF). A datastore with SHARED = NO lies on each host, and has
 * there what the host reports; another has what was measured of it.
 */
#pragma once

#include "server/model/storage/datastore.h"
#include "server/model/place/host.h"
#include "server/model/machine/vm.h"

/* What its disks take of the system datastore. */
gint64 vm_system_mb(const Vm *vm);
/* What they take of the host itself: that, or 0 where the datastore is shared. */
gint64 vm_host_mb(World *world, const Vm *vm);
/* Whether the machine's disks fit into the datastore on that host: what is free of it, or of
 * LIMIT_MB, less what was given to machines since that was measured. FALSE with ONE_ERROR_ACTION.
 * TRUE where nothing was measured, and where DATASTORE_CAPACITY_CHECK is NO. */
gboolean vm_fits_datastore(World *world, const Vm *vm, const Host *host, const Datastore *datastore,
                           GError **error);
