/* What the files of the LXD flavour share beside what all containers have (container_run.h). */
#pragma once

#include "drivers/common/lxd.h"
#include "drivers/vmm/container/container_run.h"

/* ---- images (lxd_image.c) ---- */

/* The image of a new container: the one that the template names, or one that is brought to the host
 * from a file, when it is not there yet. (owned) */
char *lxd_have_image(DriverJob *job, GError **error);

/* ---- moving (lxd_move.c) ---- */

/* Takes the container, which is off at `from`, to the action's host. FALSE: it is still there, and
 * nothing of it here, or the error says otherwise. */
gboolean lxd_move(DriverJob *job, const char *from, JsonObject *instance, GError **error);

/* ---- changes (lxd_change.c) ---- */

/* Gives the container what the template says now, but for the device `without` (NULL: all). */
gboolean lxd_update(DriverJob *job, JsonObject *instance, const char *without, GError **error);
/* The document of that. (owned) */
JsonObject *lxd_build_update(const VmmAction *action, JsonObject *instance, const char *without,
                             GError **error);
void lxd_apply(DriverJob *job);
void lxd_detach_nic(DriverJob *job);
void lxd_refuse_disk(DriverJob *job);
void lxd_snapshot_create(DriverJob *job);
void lxd_snapshot_revert(DriverJob *job);
void lxd_snapshot_delete(DriverJob *job);
void lxd_console(DriverJob *job);

/* ---- documents (lxd_build.c) ---- */

/* What POST /1.0/instances wants, without the name's path; lxd_set_source() adds the image, an
 * alias or a fingerprint. NULL: the template cannot be such a machine. (owned) */
JsonObject *lxd_build_instance(const VmmAction *action, GError **error);
void lxd_set_source(JsonObject *instance, const VmmAction *action, const char *image);
/* `config` and `devices` alone, for a container that is there: limits, cards, user data. (owned) */
JsonObject *lxd_build_change(const VmmAction *action, GError **error);
/* One network card as a device. NULL with the error. (owned) */
JsonObject *lxd_build_nic(const xmlNode *nic, GError **error);

/* Of the row of its daemon (lxd_exec.c). */
gboolean lxd_run_command(struct ContainerRun *run, int *code, GError **error);

/* Of the same row: facts before it moves (lxd_check.c). */
gboolean lxd_ask_host(struct ContainerHost *host, GError **error);
void lxd_ask_container(const VmmAction *action, struct ContainerFacts *facts);
