/* What the files of the Docker flavour share beside what all containers have (container_run.h). */
#pragma once

#include "drivers/common/docker.h"
#include "drivers/vmm/container/container_run.h"

/* What POST /containers/create wants beside the image. NULL: the template cannot be such a machine.
 * (owned) */
JsonObject *docker_build_container(const VmmAction *action, GError **error);
/* CPU and MEMORY alone. (owned) */
JsonObject *docker_build_limits(const VmmAction *action);

/* Sees to it that the host has the machine's image (docker_image.c): what it is called there.
 * (owned) */
char *docker_have_image(DriverJob *job, GError **error);
/* The image when the template names it and it comes from no file; NULL: otherwise. (owned) */
char *docker_named_image(const VmmAction *action);

/* Of the row of its daemon (docker_exec.c). */
gboolean docker_run_command(struct ContainerRun *run, int *code, GError **error);

/* Of the same row: facts before it moves (docker_check.c). */
gboolean docker_ask_host(struct ContainerHost *host, GError **error);
void docker_ask_container(const VmmAction *action, struct ContainerFacts *facts);
