/* The documents that describe a machine to Docker and Podman. */
#pragma once

#include "drivers/common/docker.h"
#include "drivers/vmm/vmm_action.h"

/* What POST /containers/create wants. NULL: the template cannot be such a machine. (owned) */
JsonObject *docker_build_container(const VmmAction *action, GError **error);
/* CPU and MEMORY alone. (owned) */
JsonObject *docker_build_limits(const VmmAction *action);
