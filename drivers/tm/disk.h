/*
 * Disks of a machine that are changed while the machine stays: snapshots, which are copies
 * NAME.snap/NUMBER beside the disk, and larger sizes. All is done where the disk is; copies
 * share blocks with the disk where the file system can. What is made appears whole or not at all.
 */
#pragma once

#include "drivers/tm/transfer.h"

/* SNAP_CREATE: of a disk that is not in use. */
gboolean disk_snapshot(const Transfer *transfer, const ScriptCommand *command, GError **error);
/* SNAP_CREATE_LIVE: an empty image of the disk's size and format, which the hypervisor fills. */
gboolean disk_snapshot_ready(const Transfer *transfer, const ScriptCommand *command,
                             GError **error);
/* SNAP_REVERT, SNAP_DELETE, RESIZE. */
gboolean disk_revert(const Transfer *transfer, const ScriptCommand *command, GError **error);
gboolean disk_forget(const Transfer *transfer, const ScriptCommand *command, GError **error);
gboolean disk_resize(const Transfer *transfer, const ScriptCommand *command, GError **error);
