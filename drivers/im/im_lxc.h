/* What hosts with LXC print, apart for tests. */
#pragma once

#include "drivers/im/im_libvirt.h"

/* Appends the report of a host that printed `text` (lxc_host/report.sh). FALSE: it is none. */
gboolean im_lxc_read(GString *out, const char *host, const char *text, const ImOutside *outside);
/* The container (owned) that a line of lxc-monitor is about, and what became of it; NULL: it means
 * nothing. */
char *im_lxc_event(const char *line, const char **state);
