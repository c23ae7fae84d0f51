/*
 * Backups on another computer, RSYNC_HOST: files come and go by rsync over ssh, all else is a small
 * script there. Both programs run as oned's user, without asking for passwords. There the
 * directories have the same names as here.
 */
#pragma once

#include "drivers/datastore/fs.h"

/* The parent's disks can be compared with: they are on this computer. */
gboolean backup_parent_is_here(const DsRequest *request, const char *target);
/* The increment that is ready in `directory` stands there under the name `final`; here only what is
 * said of it stays. */
gboolean backup_push(const DsWork *work, const char *directory, const char *final, GError **error);
/* The increments of the request's chain come to `to`. */
gboolean backup_pull(const DsWork *work, const char *source, const char *to, GError **error);
/* INCREMENT_FLATTEN by the qemu-img there: MiB. (owned) */
char *backup_flatten_there(const DsWork *work, const char *target, GError **error);
gboolean backup_remove_there(const DsWork *work, const char *target, GError **error);
/* MONITOR of its directory: base64 of TOTAL_MB= and so on. (owned) */
char *backup_room_there(const DsWork *work, GError **error);
