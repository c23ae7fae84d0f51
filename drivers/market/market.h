/* one_market's requests: apps that are put into marketplaces and taken out, and what is there. */
#pragma once

#include "drivers/common/driver.h"

/* Sets the flavours that `-m` listed, separated by commas; others than ours, as other
 * configurations list them, are passed over. NULL: all. Once, before the driver runs. */
gboolean market_init(const char *flavours, GError **error);
/* "http, one, linuxcontainers, dummy" (owned) */
char *market_flavours(void);
/* What the driver frame runs; 0: the default. */
Driver market_driver(guint threads);
