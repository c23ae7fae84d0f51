/* What the actions of the LXC flavour share: the machine's container on a host, and its
 * configuration as liblxc reads it. */
#pragma once

#include "drivers/common/lxc.h"
#include "drivers/vmm/vmm_action.h"
#include "drivers/vmm/libvirt/vmm_libvirt.h"

/* ---- documents (lxc_build.c) ---- */

/* What a call of lxc_host/ needs to put a container together. */
typedef struct LxcPlan {
    char *config; /* lines of lxc.container.conf(5); "@1 " and "@2 " begin those for one version of
                     the control groups, "@base@" is where LXC keeps its containers */
    char *disks;  /* "0:rootfs:p 1:disk.1"; p: the image is persistent */
    char *size;   /* MiB of a file system that is made of an archive */
    gboolean has_terminal;
} LxcPlan;

/* FALSE: the template cannot be such a machine. */
gboolean lxc_build(const VmmAction *action, LxcPlan *plan, GError **error);
void lxc_plan_clear(LxcPlan *plan);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(LxcPlan, lxc_plan_clear)
/* Lines "@1 cpu.cfs_quota_us 50000" of what can be set while it runs. (owned) */
char *lxc_build_limits(const VmmAction *action);

/* ---- seeing and acting (lxc_run.c) ---- */

typedef struct LxcSight {
    VmmPresence presence;
    gboolean there;  /* it has a place here: off, running or between hosts */
    gboolean moving; /* it stands still here, its memory in a checkpoint; `presence` VMM_PAUSED */
    GError *error;   /* of VMM_UNKNOWN */
} LxcSight;

void lxc_sight_clear(LxcSight *sight);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(LxcSight, lxc_sight_clear)

/* Looks for the machine on a host; waits for what another call has begun with it there. */
LxcSight lxc_look(const VmmAction *action, const char *host);
/* The same, in short. */
VmmPresence lxc_presence(const VmmAction *action, const char *host);
/* What lxc_host/ prints for it. */
LxcSight lxc_sight_of(const char *word);
/* The UUID by which the host knows the machine; "" for one that oned did not make. */
const char *lxc_uuid(const VmmAction *action);
/* The time that a job may take, and its end when the job is cancelled. */
SshWatch lxc_watch(DriverJob *job, guint seconds);
/* Ends the job by what a call said. */
void lxc_finish(DriverJob *job, gboolean good, const char *info, GError *const *error);
/* Ends it at once and takes away its place there. TRUE also when there was none. */
gboolean lxc_remove(const VmmAction *action, const char *host, GError **error);
/* The directory of the machine's files at its host. */
const char *lxc_directory(const VmmAction *action);

void lxc_save(DriverJob *job);
void lxc_restore(DriverJob *job);
void lxc_freeze(DriverJob *job);
void lxc_thaw(DriverJob *job);

/* ---- inside (lxc_inside.c) ---- */

void lxc_console(DriverJob *job);
void lxc_exec(DriverJob *job);
void lxc_exec_poll(DriverJob *job);
void lxc_exec_cancel(DriverJob *job);
/* What a host printed of a command, as EXECPOLL answers it. (owned) */
char *lxc_read_exec(const char *text);
