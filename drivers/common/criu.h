/* CRIU on hosts whose daemons make checkpoints by it. */
#pragma once

#include <glib.h>

/* What it says of itself on the host, on one line: "CRIU 4.1.1, content", "no CRIU". Programs are
 * run there, so a host that is reached by HTTPS cannot be asked. NULL with the error. (owned) */
char *criu_look(const char *host, GError **error);
/* What it said means that it works there. */
gboolean criu_is_content(const char *said);
