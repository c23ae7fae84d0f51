/* one_datastore's requests: images that are copied, made, cloned, measured and removed. */
#pragma once

#include "drivers/common/driver.h"

/* Sets the flavours that `-d` listed, separated by commas; the first serves datastores that name
 * none. Others than ours, as other configurations list them, are passed over: a datastore of such
 * a kind is refused when it is used. NULL: "fs". Once, before the driver runs. */
gboolean datastore_init(const char *flavours, GError **error);
/* "fs, dummy" (owned) */
char *datastore_flavours(void);
/* What the driver frame runs; 0: the default. Requests of "dummy" alone are answered in the
 * reading thread. */
Driver datastore_driver(guint threads, guint per_datastore);
