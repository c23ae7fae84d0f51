/* Checkpoints that an engine keeps beside a container, and what SAVE and RESTORE do with them. */
#pragma once

#include "drivers/vmm/docker/docker.h"

gboolean docker_engine_is_podman(const char *host, gboolean *podman, GError **error);
/* *has: the engine has the memory of the container, which is off there; `container` is its
 * document. FALSE: it did not say. */
gboolean docker_has_memory(const VmmAction *action, const char *host, JsonObject *container,
                           gboolean *has, GError **error);
/* The same of the action's host. */
gboolean docker_keeps_memory(const VmmAction *action, JsonObject *container, gboolean *keeps,
                             GError **error);
/* Lets it go on from that. FALSE: it does not run there. */
gboolean docker_start_saved(DriverJob *job, const char *host, JsonObject *container,
                            GError **error);

void docker_save(DriverJob *job);
void docker_restore(DriverJob *job);
