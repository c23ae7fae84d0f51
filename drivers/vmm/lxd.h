/* What the actions of the LXD flavour share: the machine's container on a host, and the documents
 * that describe it to LXD. */
#pragma once

#include "drivers/common/lxd.h"
#include "drivers/vmm/vmm_action.h"
#include "drivers/vmm/vmm_libvirt.h"

/* ---- seeing (lxd_run.c) ---- */

typedef struct LxdSight {
    VmmPresence presence; /* one that is off is VMM_ABSENT and has `instance` */
    JsonObject *instance; /* as LXD tells it; NULL when absent or unknown */
    GError *error;        /* of VMM_UNKNOWN */
} LxdSight;

void lxd_sight_clear(LxdSight *sight);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(LxdSight, lxd_sight_clear)

/* Looks for the machine on a host. */
LxdSight lxd_look(const VmmAction *action, const char *host);
/* "/1.0/instances/one-12" with what follows. (owned) */
char *lxd_path(const VmmAction *action, const char *rest);
/* The time that a job may take, and its end when the job is cancelled. */
SshWatch lxd_watch(DriverJob *job, guint seconds);
/* Stops it at once and removes it with its disk. TRUE also when there was none. */
gboolean lxd_remove(const VmmAction *action, const char *host, GError **error);
/* Starts, stops, freezes, unfreezes. `seconds` is what LXD gives the guest; 0 and `force`: none. */
gboolean lxd_change_state(const VmmAction *action, const char *host, const char *word,
                          gboolean force, guint seconds, const SshWatch *watch, GError **error);

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

/* What POST /1.0/instances wants, without the name's path; the source is the image that the
 * template names. NULL: the template cannot be such a machine. (owned) */
JsonObject *lxd_build_instance(const VmmAction *action, GError **error);
/* `config` and `devices` alone, for a container that is there: limits, cards, user data. (owned) */
JsonObject *lxd_build_change(const VmmAction *action, GError **error);
/* One network card as a device. NULL with the error. (owned) */
JsonObject *lxd_build_nic(const xmlNode *nic, GError **error);
