/* SAVE and RESTORE by CRIU, FREEZE and THAW. */
#include "drivers/vmm/lxc/lxc.h"

#define SAVE_SECONDS 3600
#define LOOK_SECONDS 60

static gboolean can_save(DriverJob *job, LxcPlan *plan)
{
    const VmmAction *action = vmm_action_of(job);
    g_autoptr(GError) error = NULL;
    if (!action->checkpoint)
        driver_job_fail(job, "the request names no CHECKPOINT_FILE");
    else if (*lxc_uuid(action) == '\0')
        driver_job_fail(job, "%s was imported: what it has open is not known, so it is not saved",
                        action->domain);
    else if (!lxc_build(action, plan, &error))
        driver_job_fail(job, "%s", error->message);
    else
        return TRUE;
    return FALSE;
}

static void call_with_file(DriverJob *job, const char *function)
{
    const VmmAction *action = vmm_action_of(job);
    const SshWatch watch = {.seconds = SAVE_SECONDS};
    g_autoptr(GError) error = NULL;
    g_auto(LxcPlan) plan = {NULL};
    if (!can_save(job, &plan))
        return;
    g_autofree char *call =
        lxc_call(function, action->domain, action->uuid, action->checkpoint, lxc_directory(action),
                 plan.config, plan.size, plan.disks, NULL);
    lxc_finish(job, lxc_do_firmly(action->host, call, &watch, NULL, &error), action->domain,
               &error);
}

/* What CRIU would stumble over is told before anything of the container is touched. */
static gboolean refuse_sockets(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    const SshWatch watch = lxc_watch(job, LOOK_SECONDS);
    g_autoptr(GError) error = NULL;
    g_autofree char *call = lxc_call("refuse_sockets", action->domain, lxc_uuid(action), NULL);
    if (lxc_do(action->host, call, &watch, NULL, &error))
        return TRUE;
    driver_job_fail(job, "%s", error->message);
    return FALSE;
}

void lxc_save(DriverJob *job)
{
    if (refuse_sockets(job))
        call_with_file(job, "save");
}

void lxc_restore(DriverJob *job)
{
    call_with_file(job, "resume");
}

static void freeze(DriverJob *job, const char *word)
{
    const VmmAction *action = vmm_action_of(job);
    const SshWatch watch = lxc_watch(job, 90);
    g_autoptr(GError) error = NULL;
    g_autofree char *call = lxc_call("freeze", action->domain, lxc_uuid(action), word, NULL);
    lxc_finish(job, lxc_do(action->host, call, &watch, NULL, &error), NULL, &error);
}

void lxc_freeze(DriverJob *job)
{
    freeze(job, "freeze");
}

void lxc_thaw(DriverJob *job)
{
    freeze(job, "unfreeze");
}
