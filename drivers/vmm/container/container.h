/* What templates say about containers, the same for every daemon. */
#pragma once

#include "drivers/vmm/vmm_action.h"

/* Reads the defaults, a file of the configuration directory; what is wrong there is an error, a
 * missing file is none. Once, before the first request. */
gboolean container_read_defaults(const char *file, GError **error);
/* A setting of the driver, or `otherwise`. */
gint64 container_setting(const char *name, gint64 otherwise);

/* A pair of the machine's CONTAINER vector (of its user's template, as all that oned itself does
 * not use), else of the defaults'; NULL: neither has it. (owned) */
char *container_value(const VmmAction *action, const char *name);

typedef struct ContainerSize {
    double cpu;    /* processors that it may use; 0: not told */
    gint64 vcpu;   /* that it sees; 0: not told */
    gint64 memory; /* MiB; 0: not told */
} ContainerSize;
ContainerSize container_size(const VmmAction *action);

/* Which of the machine's history records this is of, and with which its life began: the first, or
 * that behind the last which was made anew (recover --recreate). -1: the request tells none. */
gint64 container_deployment(const VmmAction *action);
gint64 container_life(const VmmAction *action);

/* Hosts where the machine was before, the latest first, its own left out. (owned, of char *) */
GPtrArray *container_earlier_hosts(const VmmAction *action);
