/*
 * Disks on their way back to the datastores of images: one that was its image all the time, or a
 * copy of it (MVDS), and one that becomes another image (CPDS). The image appears whole or stays
 * as it was.
 */
#pragma once

#include "drivers/tm/transfer.h"

/* The disk becomes its image again: nothing to do when it is a link to it. */
gboolean back_move(const Transfer *transfer, const ScriptCommand *command, GError **error);
/* A copy of the disk, or of a snapshot of it, that needs no other file. */
gboolean back_copy(const Transfer *transfer, const ScriptCommand *command, GError **error);
