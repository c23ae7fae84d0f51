/* What the flavours of container daemons share between their files. */
#pragma once

#include "drivers/common/json.h"
#include "drivers/im/im_libvirt.h"
#include "drivers/im/im_listen.h"

/* Which of oned's machines an instance of LXD is: by what the driver noted in its configuration,
 * else by its name one-<id>; -1: none. */
gint64 im_lxd_vid(const char *name, JsonObject *config);
/* KiB of a size as LXD's configuration has it, "64MiB"; 0: none, or a share of the host. */
gint64 im_lxd_memory(const char *text);
/* Figures of an instance; -1: not known. */
typedef struct ImLxdFigures {
    gint64 cpu, memory, rx, tx; /* ns since its start, bytes */
} ImLxdFigures;
/* By what the host itself shows of it. FALSE: not all of it is to be seen there. */
gboolean im_lxd_figures(JsonObject *instance, const ImOutside *outside, ImLxdFigures *figures);
/* The instance that an event is about (owned), and what became of it; NULL: it means nothing. */
char *im_lxd_event(JsonObject *event, const char **state);
/* The same two for Docker; the container that an event is about. */
gint64 im_docker_vid(const char *name, JsonObject *labels);
char *im_docker_event(JsonObject *event);
/* VMM_LACKS of a host, of which `info` is the engine's word; forgets what was found of it before.
 */
void im_docker_append_lacks(GString *out, const char *host, JsonObject *info);
void im_docker_forget(const char *host);
/* Listens to a host's events. */
void im_lxd_listen(Listener *listener, GError **error);
