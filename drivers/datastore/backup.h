/*
 * Flavour "rsync": backups of machines, in the datastore's directory on this computer, or in a
 * directory of the same name on RSYNC_HOST, which rsync and ssh reach.
 *
 *   <datastores>/<datastore id>/<image id>-<token>/<n>/disk.<d>   qcow2, of increment n
 *   <datastores>/<datastore id>/<image id>-<token>/<n>/vm.xml     the machine as it was
 *   <datastores>/<datastore id>/<image id>-<token>/<n>/about      "<n> <MiB> full" or "...
 * increment" <datastores>/<datastore id>/<image id>-<token>/<n>.new/       being made
 *   <datastores>/<datastore id>/<image id>-<token>.disk.<d>       on its way here
 *   <datastores>/<datastore id>/<image id>-<token>.back.<d>       on its way back to a machine
 *
 * An increment's disks have the parent's, ../<parent>/disk.<d>, as their backing files, so each is
 * a whole disk to whoever reads it with what is before it. An increment appears when all of it is
 * there. Everything may be asked again.
 */
#pragma once

#include "drivers/datastore/fs.h"

char *backup_keep(const DsWork *work, GError **error);    /* BACKUP: what "about" says */
char *backup_flatten(const DsWork *work, GError **error); /* INCREMENT_FLATTEN: MiB */
char *backup_remove(const DsWork *work, GError **error);  /* RM */
char *backup_monitor(const DsWork *work, GError **error); /* MONITOR */
char *backup_return(const DsWork *work, GError **error);  /* RESTOREVM: the files .back.<d> */
/* Writes the disk of a backup, with all that it stands on, to `part`. */
gboolean backup_write(const DsWork *work, const char *format, const char *part, GError **error);
