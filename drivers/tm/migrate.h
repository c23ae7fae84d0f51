/*
 * Live migration between hosts that share no storage: the hypervisor copies the
 * disks while the machine runs, and wants images of the same size and format at
 * the other host before (PREMIGRATE). Afterwards those of one side go: the
 * source's when it worked (POSTMIGRATE), the destination's when not (FAILMIGRATE).
 * When both hosts see the same directory after all, nothing is done in any of them.
 */
#pragma once

#include "drivers/tm/transfer.h"

gboolean migrate_prepare(const Transfer *transfer, const ScriptCommand *command, GError **error);
gboolean migrate_leave(const Transfer *transfer, const ScriptCommand *command, GError **error);
gboolean migrate_undo(const Transfer *transfer, const ScriptCommand *command, GError **error);
