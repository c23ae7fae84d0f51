/* one_tm's requests: TRANSFER of a machine's files, MONITOR of a datastore's room. */
#pragma once

#include "drivers/common/driver.h"
#include "drivers/tm/transfer.h"

/* Sets the flavours that `-d` listed, by name and separated by commas; the first serves commands
 * that name none. NULL: all, and "shared" serves those. Once, before the driver runs. */
gboolean tm_init(const char *flavours, GError **error);
/* What the driver frame runs; 0: its own default. Transfers by "dummy" alone are answered in the
 * reading thread. */
Driver tm_driver(guint threads, guint per_host);

/* "TOTAL_MB=.. USED_MB=.. FREE_MB=.." of the file system that holds the datastore: BASE_PATH of
 * the document, else its directory below ONE_DATASTORES. (owned) */
char *tm_monitor_text(gint64 datastore, const char *document, GError **error);
