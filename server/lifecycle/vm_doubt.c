/*
 * Persistent images of a machine of which nobody knows that it writes no more. People may say that
 * it has ended where no host did, or give up the step that would have brought its disks back: then
 * its disks are in doubt, and images that it lets go of are in ERROR instead of READY, so that no
 * second machine writes beside the first. `oneimage enable` gives them back. OpenNebula does the
 * same with each machine that is deleted while it is active; here only where there is a doubt.
 */
#include "server/lifecycle/internal.h"

#include "server/model/machine/vm_images.h"

/* What a guest may still write to when these are only said to be done. */
static const VmLcm endings[] = {LCM_SHUTDOWN,
                                LCM_SHUTDOWN_POWEROFF,
                                LCM_SHUTDOWN_UNDEPLOY,
                                LCM_SAVE_STOP,
                                LCM_SAVE_SUSPEND,
                                LCM_SAVE_MIGRATE,
                                LCM_CLEANUP_DELETE,
                                LCM_CLEANUP_RESUBMIT,
                                LCM_EPILOG,
                                LCM_EPILOG_FAILURE,
                                LCM_EPILOG_STOP,
                                LCM_EPILOG_UNDEPLOY,
                                LCM_EPILOG_STOP_FAILURE,
                                LCM_EPILOG_UNDEPLOY_FAILURE,
                                LCM_PROLOG_MIGRATE_UNKNOWN};

static gboolean is_ending(VmLcm lcm)
{
    for (guint i = 0; i < G_N_ELEMENTS(endings); i++)
        if (endings[i] == lcm)
            return TRUE;
    return FALSE;
}

static void doubt(Lifecycle *lifecycle, Vm *vm, const VmRecord *record, const char *why)
{
    if (vm_images_doubt(lifecycle->world, vm, record->host, why))
        vm_log(lifecycle, vm, LOG_WARNING, "its persistent images are in doubt: %s", why);
}

void vm_doubt_declared(Lifecycle *lifecycle, Vm *vm, gboolean success)
{
    const VmRecord *last = vm_last_record(vm);
    gboolean plugs = success ? vm_changes(vm, "disk-detach") : vm_changes(vm, "disk-attach");
    if (vm->state != VM_ACTIVE || !last || (!plugs && (!success || !is_ending(vm->lcm))))
        return;
    g_autofree char *why =
        g_strdup_printf("in %s on host %s `recover --%s` said how it ended, and no driver did",
                        vm_lcm_name(vm->lcm), last->host_name, success ? "success" : "failure");
    doubt(lifecycle, vm, last, why);
}

void vm_doubt_forgotten(Lifecycle *lifecycle, Vm *vm)
{
    const VmRecord *last = vm_last_record(vm);
    /* One that is frozen may be let go on by anybody on its host. */
    gboolean frozen = vm->state == VM_SUSPENDED && vm_was_frozen(lifecycle, vm);
    if ((vm->state != VM_ACTIVE && !frozen) || !last || vm->lcm == LCM_PROLOG ||
        vm->lcm == LCM_PROLOG_FAILURE)
        return;
    g_autofree char *why = g_strdup_printf(
        "only its record was deleted (recover --delete-db), while it was %s on host %s",
        vm_shown_state(vm), last->host_name);
    doubt(lifecycle, vm, last, why);
}

/* An administrator says of a host that it is off for good; nobody can ask it. */
static void doubt_offline(Lifecycle *lifecycle, Vm *vm, const VmRecord *record)
{
    if (!record || record->etime || !vm_record_is_offline(lifecycle, record))
        return;
    g_autofree char *why = g_strdup_printf(
        "host %s, where it was, is offline, and never said that it ended there", record->host_name);
    doubt(lifecycle, vm, record, why);
}

void vm_doubt_step(Lifecycle *lifecycle, Vm *vm, VmStep step)
{
    const VmRecord *last = vm_last_record(vm);
    gboolean was_active = vm->previous_state == VM_ACTIVE;
    VmLcm before = was_active ? vm->previous_lcm : LCM_INIT;
    if (!last)
        return;
    if (step == STEP_SHUTDOWN || step == STEP_EVICT)
        doubt_offline(lifecycle, vm, vm_step_record(vm, step));
    if (step != STEP_CLEANUP || !was_active || before == LCM_PROLOG || before == LCM_PROLOG_FAILURE)
        return;
    doubt_offline(lifecycle, vm, last);
    doubt_offline(lifecycle, vm, vm_previous_record(vm));
    if (before == LCM_EPILOG || before == LCM_EPILOG_FAILURE)
        doubt(lifecycle, vm, last,
              "it was deleted while its disks were being brought back, so they may be half "
              "written");
}

void vm_doubt_answered(Lifecycle *lifecycle, Vm *vm, VmStep step)
{
    /* A host that starts or ends the machine has no other guest of it. */
    if (step == STEP_DEPLOY || step == STEP_RESTORE || step == STEP_SHUTDOWN || step == STEP_SAVE ||
        step == STEP_LEAVE || step == STEP_EVICT)
        vm_images_trust(lifecycle->world, vm, vm_step_record(vm, step)->host);
}
