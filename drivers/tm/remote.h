/*
 * Files of other hosts, by small scripts of /bin/sh over ssh. Paths of targets are
 * checked here by their words, and on the host for symbolic links on the way.
 */
#pragma once

#include "drivers/common/ssh_copy.h"
#include "drivers/tm/transfer.h"

/* The place with that path, as the copying functions want it. (borrows both) */
SshEnd remote_end(const Place *place, const char *path);

/* Copies a file or directory; `to.path` must have been checked. `mode`: as ssh_copy(). Tells the
 * progress of a long one in the machine's log. */
gboolean remote_copy(const Transfer *transfer, SshEnd from, SshEnd to, const char *mode,
                     GError **error);
/* Runs a script that changes the checked `path` of a host, or of this computer. */
gboolean remote_change(const Transfer *transfer, SshEnd end, const char *script, GError **error);
gboolean remote_link(const Transfer *transfer, const char *source, const Place *target,
                     GError **error);
/* Copies, compares, and only then deletes at the source. */
gboolean remote_move(const Transfer *transfer, const Place *source, const Place *target,
                     GError **error);
gboolean remote_delete(const Transfer *transfer, const Place *place, GError **error);
/* An empty image, made by the host's own tools. */
gboolean remote_make_image(const Transfer *transfer, const Place *target, const char *format,
                           guint64 size, GError **error);
