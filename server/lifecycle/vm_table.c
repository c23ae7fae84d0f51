#include "server/lifecycle/vm_table.h"

#include "server/lifecycle/internal.h"

#include <string.h>

static const VmStepRow steps[STEP_COUNT] = {
    {STEP_NONE},
    {STEP_PROLOG, DRIVER_TRANSFER, "TRANSFER", "PROLOG", 3600},
    {STEP_MOVE, DRIVER_TRANSFER, "TRANSFER", "PROLOG", 3600},
    {STEP_STOP, DRIVER_TRANSFER, "TRANSFER", "EPILOG", 3600},
    {STEP_RESUME, DRIVER_TRANSFER, "TRANSFER", "PROLOG", 3600},
    {STEP_EPILOG, DRIVER_TRANSFER, "TRANSFER", "EPILOG", 3600},
    {STEP_DELETE, DRIVER_TRANSFER, "TRANSFER", "EPILOG", 600, EXPECT_NOTHING, TRUE},
    {STEP_PREMIGRATE, DRIVER_TRANSFER, "TRANSFER", "PREMIGRATE", 600},
    {STEP_POSTMIGRATE, DRIVER_TRANSFER, "TRANSFER", "POSTMIGRATE", 600, EXPECT_NOTHING, TRUE},
    {STEP_FAILMIGRATE, DRIVER_TRANSFER, "TRANSFER", "FAILMIGRATE", 600, EXPECT_NOTHING, TRUE},
    {STEP_DEPLOY, DRIVER_VIRTUALIZATION, "DEPLOY", "DEPLOY", 300, EXPECT_RUNNING},
    {STEP_SHUTDOWN, DRIVER_VIRTUALIZATION, "SHUTDOWN", "SHUTDOWN", 300, EXPECT_GONE},
    {STEP_SAVE, DRIVER_VIRTUALIZATION, "SAVE", "SAVE", 1800, EXPECT_GONE},
    {STEP_LEAVE, DRIVER_VIRTUALIZATION, "SAVE", "SAVE", 1800, EXPECT_GONE},
    {STEP_RESTORE, DRIVER_VIRTUALIZATION, "RESTORE", "RESTORE", 1800, EXPECT_RUNNING},
    {STEP_MIGRATE, DRIVER_VIRTUALIZATION, "MIGRATE", "MIGRATE", 3600, EXPECT_MOVED},
    {STEP_EVICT, DRIVER_VIRTUALIZATION, "CANCEL", "CANCEL", 120, EXPECT_GONE},
    {STEP_CLEANUP, DRIVER_VIRTUALIZATION, "CLEANUP", "CANCEL", 120},
    {STEP_FORGET, DRIVER_VIRTUALIZATION, "CLEANUP", "CANCEL", 240},
    {STEP_DISK_IN, DRIVER_TRANSFER, "TRANSFER", "PROLOG", 3600},
    {STEP_DISK_PLUG, DRIVER_VIRTUALIZATION, "ATTACHDISK", "ATTACH", 300},
    {STEP_DISK_OUT, DRIVER_TRANSFER, "TRANSFER", "EPILOG", 3600},
    {STEP_DISK_UNPLUG, DRIVER_VIRTUALIZATION, "DETACHDISK", "ATTACH", 300},
    {STEP_DISK_ERASE, DRIVER_TRANSFER, "TRANSFER", "EPILOG", 600, EXPECT_NOTHING, TRUE},
    {STEP_NIC_PLUG, DRIVER_VIRTUALIZATION, "ATTACHNIC", "ATTACH", 300},
    {STEP_NIC_UNPLUG, DRIVER_VIRTUALIZATION, "DETACHNIC", "ATTACH", 300},
    {STEP_SNAPSHOT, DRIVER_VIRTUALIZATION, "SNAPSHOTCREATE", "SNAPSHOT", 1800},
    {STEP_SNAPSHOT_UNDO, DRIVER_VIRTUALIZATION, "SNAPSHOTDELETE", "SNAPSHOT", 1800},
    {STEP_DISK_SNAPSHOT, DRIVER_TRANSFER, "TRANSFER", "DISK_SNAPSHOT", 3600},
    {STEP_DISK_SNAPSHOT_READY, DRIVER_TRANSFER, "TRANSFER", "DISK_SNAPSHOT", 3600},
    {STEP_DISK_SNAPSHOT_LIVE, DRIVER_VIRTUALIZATION, "DISKSNAPSHOTCREATE", "DISK_SNAPSHOT", 3600},
    {STEP_DISK_SNAPSHOT_ERASE, DRIVER_TRANSFER, "TRANSFER", "DISK_SNAPSHOT", 600, EXPECT_NOTHING,
     TRUE},
    {STEP_RESIZE, DRIVER_VIRTUALIZATION, "RESIZE", "RESIZE", 300},
    {STEP_DISK_RESIZE, DRIVER_TRANSFER, "TRANSFER", "RESIZE", 300},
    {STEP_DISK_RESIZE_LIVE, DRIVER_VIRTUALIZATION, "RESIZEDISK", "RESIZE", 300},
};

const VmStepRow *vm_step_row(VmStep step)
{
    return &steps[step];
}

#define ACTIVE(lcm)                                                                                \
    {                                                                                              \
        VM_ACTIVE, LCM_##lcm                                                                       \
    }
#define REST(state)                                                                                \
    {                                                                                              \
        VM_##state, LCM_INIT                                                                       \
    }
#define RUNNING ACTIVE(RUNNING)

static const VmPhase phases[] = {
    /* phase, steps, undo, success, failure, times, what else */
    {LCM_PROLOG, {STEP_PROLOG}, STEP_NONE, ACTIVE(BOOT), ACTIVE(PROLOG_FAILURE), TIMES_PROLOG},
    {LCM_BOOT, {STEP_DEPLOY}, STEP_NONE, RUNNING, ACTIVE(BOOT_FAILURE)},
    {LCM_MIGRATE,
     {STEP_PREMIGRATE, STEP_MIGRATE, STEP_POSTMIGRATE},
     STEP_FAILMIGRATE,
     RUNNING,
     RUNNING,
     TIMES_NONE,
     vm_leave_migrate},
    {LCM_SAVE_STOP, {STEP_SAVE}, STEP_NONE, ACTIVE(EPILOG_STOP), RUNNING, TIMES_RUNNING},
    {LCM_SAVE_SUSPEND, {STEP_SAVE}, STEP_NONE, REST(SUSPENDED), RUNNING, TIMES_RUNNING},
    {LCM_SAVE_MIGRATE,
     {STEP_LEAVE},
     STEP_NONE,
     ACTIVE(PROLOG_MIGRATE),
     RUNNING,
     TIMES_NONE,
     vm_leave_save_migrate},
    {LCM_PROLOG_MIGRATE,
     {STEP_MOVE},
     STEP_NONE,
     ACTIVE(BOOT_MIGRATE),
     ACTIVE(PROLOG_MIGRATE_FAILURE),
     TIMES_PROLOG,
     vm_leave_prolog_migrate},
    {LCM_PROLOG_RESUME,
     {STEP_RESUME},
     STEP_NONE,
     ACTIVE(BOOT_STOPPED),
     ACTIVE(PROLOG_RESUME_FAILURE),
     TIMES_PROLOG},
    {LCM_EPILOG_STOP,
     {STEP_STOP},
     STEP_NONE,
     REST(STOPPED),
     ACTIVE(EPILOG_STOP_FAILURE),
     TIMES_EPILOG,
     vm_leave_host},
    {LCM_EPILOG,
     {STEP_FORGET, STEP_EPILOG},
     STEP_NONE,
     REST(DONE),
     ACTIVE(EPILOG_FAILURE),
     TIMES_EPILOG,
     vm_leave_host},
    {LCM_SHUTDOWN, {STEP_SHUTDOWN}, STEP_NONE, ACTIVE(EPILOG), RUNNING, TIMES_RUNNING},
    {LCM_CLEANUP_RESUBMIT,
     {STEP_CLEANUP, STEP_DELETE},
     STEP_NONE,
     REST(PENDING),
     ACTIVE(UNKNOWN),
     TIMES_NONE,
     vm_leave_cleanup},
    {LCM_SHUTDOWN_POWEROFF, {STEP_SHUTDOWN}, STEP_NONE, REST(POWEROFF), RUNNING, TIMES_RUNNING},
    {LCM_BOOT_UNKNOWN, {STEP_DEPLOY}, STEP_NONE, RUNNING, ACTIVE(UNKNOWN)},
    {LCM_BOOT_POWEROFF, {STEP_DEPLOY}, STEP_NONE, RUNNING, REST(POWEROFF)},
    {LCM_BOOT_SUSPENDED, {STEP_RESTORE}, STEP_NONE, RUNNING, REST(SUSPENDED)},
    {LCM_BOOT_STOPPED, {STEP_RESTORE}, STEP_NONE, RUNNING, ACTIVE(BOOT_STOPPED_FAILURE)},
    {LCM_CLEANUP_DELETE,
     {STEP_CLEANUP, STEP_DELETE},
     STEP_NONE,
     REST(DONE),
     ACTIVE(UNKNOWN),
     TIMES_NONE,
     vm_leave_cleanup},
    {LCM_SHUTDOWN_UNDEPLOY,
     {STEP_SHUTDOWN},
     STEP_NONE,
     ACTIVE(EPILOG_UNDEPLOY),
     RUNNING,
     TIMES_RUNNING},
    {LCM_EPILOG_UNDEPLOY,
     {STEP_STOP},
     STEP_NONE,
     REST(UNDEPLOYED),
     ACTIVE(EPILOG_UNDEPLOY_FAILURE),
     TIMES_EPILOG,
     vm_leave_host},
    {LCM_PROLOG_UNDEPLOY,
     {STEP_RESUME},
     STEP_NONE,
     ACTIVE(BOOT_UNDEPLOY),
     ACTIVE(PROLOG_UNDEPLOY_FAILURE),
     TIMES_PROLOG},
    {LCM_BOOT_UNDEPLOY, {STEP_DEPLOY}, STEP_NONE, RUNNING, ACTIVE(BOOT_UNDEPLOY_FAILURE)},
    {LCM_BOOT_MIGRATE, {STEP_RESTORE}, STEP_NONE, RUNNING, ACTIVE(BOOT_MIGRATE_FAILURE)},
    {LCM_PROLOG_MIGRATE_POWEROFF,
     {STEP_MOVE},
     STEP_NONE,
     REST(POWEROFF),
     ACTIVE(PROLOG_MIGRATE_POWEROFF_FAILURE),
     TIMES_PROLOG,
     vm_leave_move},
    {LCM_PROLOG_MIGRATE_SUSPEND,
     {STEP_MOVE},
     STEP_NONE,
     REST(SUSPENDED),
     ACTIVE(PROLOG_MIGRATE_SUSPEND_FAILURE),
     TIMES_PROLOG,
     vm_leave_move},
    {LCM_PROLOG_MIGRATE_UNKNOWN,
     {STEP_EVICT, STEP_MOVE},
     STEP_NONE,
     ACTIVE(BOOT),
     ACTIVE(PROLOG_MIGRATE_UNKNOWN_FAILURE),
     TIMES_PROLOG,
     vm_leave_evict},
    /* Changes. Those that may go back to several states say so when they end. */
    {LCM_HOTPLUG,
     {STEP_DISK_IN, STEP_DISK_PLUG, STEP_DISK_OUT},
     STEP_DISK_UNPLUG,
     RUNNING,
     RUNNING,
     TIMES_NONE,
     vm_leave_change,
     STEP_DISK_ERASE},
    {LCM_HOTPLUG_PROLOG_POWEROFF,
     {STEP_DISK_IN},
     STEP_DISK_ERASE,
     REST(POWEROFF),
     REST(POWEROFF),
     TIMES_NONE,
     vm_leave_change},
    {LCM_HOTPLUG_EPILOG_POWEROFF,
     {STEP_DISK_OUT},
     STEP_NONE,
     REST(POWEROFF),
     REST(POWEROFF),
     TIMES_NONE,
     vm_leave_change},
    {LCM_HOTPLUG_NIC,
     {STEP_NIC_PLUG},
     STEP_NIC_UNPLUG,
     RUNNING,
     RUNNING,
     TIMES_NONE,
     vm_leave_change},
    {LCM_HOTPLUG_NIC_POWEROFF,
     {STEP_NIC_PLUG},
     STEP_NIC_UNPLUG,
     REST(POWEROFF),
     REST(POWEROFF),
     TIMES_NONE,
     vm_leave_change},
    {LCM_HOTPLUG_SNAPSHOT,
     {STEP_SNAPSHOT},
     STEP_SNAPSHOT_UNDO,
     RUNNING,
     RUNNING,
     TIMES_NONE,
     vm_leave_change},
    {LCM_HOTPLUG_RESIZE, {STEP_RESIZE}, STEP_NONE, RUNNING, RUNNING, TIMES_NONE, vm_leave_change},
    {LCM_DISK_SNAPSHOT,
     {STEP_DISK_SNAPSHOT_READY, STEP_DISK_SNAPSHOT_LIVE},
     STEP_DISK_SNAPSHOT_ERASE,
     RUNNING,
     RUNNING,
     TIMES_NONE,
     vm_leave_change},
    {LCM_DISK_SNAPSHOT_POWEROFF,
     {STEP_DISK_SNAPSHOT},
     STEP_DISK_SNAPSHOT_ERASE,
     REST(POWEROFF),
     REST(POWEROFF),
     TIMES_NONE,
     vm_leave_change},
    {LCM_DISK_SNAPSHOT_SUSPENDED,
     {STEP_DISK_SNAPSHOT},
     STEP_DISK_SNAPSHOT_ERASE,
     REST(SUSPENDED),
     REST(SUSPENDED),
     TIMES_NONE,
     vm_leave_change},
    {LCM_DISK_SNAPSHOT_REVERT_POWEROFF,
     {STEP_DISK_SNAPSHOT},
     STEP_NONE,
     REST(POWEROFF),
     REST(POWEROFF),
     TIMES_NONE,
     vm_leave_change},
    {LCM_DISK_SNAPSHOT_DELETE,
     {STEP_DISK_SNAPSHOT},
     STEP_NONE,
     RUNNING,
     RUNNING,
     TIMES_NONE,
     vm_leave_change},
    {LCM_DISK_SNAPSHOT_DELETE_POWEROFF,
     {STEP_DISK_SNAPSHOT},
     STEP_NONE,
     REST(POWEROFF),
     REST(POWEROFF),
     TIMES_NONE,
     vm_leave_change},
    {LCM_DISK_SNAPSHOT_DELETE_SUSPENDED,
     {STEP_DISK_SNAPSHOT},
     STEP_NONE,
     REST(SUSPENDED),
     REST(SUSPENDED),
     TIMES_NONE,
     vm_leave_change},
    {LCM_DISK_RESIZE,
     {STEP_DISK_RESIZE_LIVE},
     STEP_NONE,
     RUNNING,
     RUNNING,
     TIMES_NONE,
     vm_leave_change},
    {LCM_DISK_RESIZE_POWEROFF,
     {STEP_DISK_RESIZE},
     STEP_NONE,
     REST(POWEROFF),
     REST(POWEROFF),
     TIMES_NONE,
     vm_leave_change},
    {LCM_DISK_RESIZE_UNDEPLOYED,
     {STEP_DISK_RESIZE},
     STEP_NONE,
     REST(UNDEPLOYED),
     REST(UNDEPLOYED),
     TIMES_NONE,
     vm_leave_change},
};

const VmPhase *vm_phases(guint *count)
{
    *count = G_N_ELEMENTS(phases);
    return phases;
}

const VmPhase *vm_phase(VmLcm lcm)
{
    for (guint i = 0; i < G_N_ELEMENTS(phases); i++)
        if (phases[i].lcm == lcm)
            return &phases[i];
    return NULL;
}

VmLcm vm_failed_phase(VmLcm lcm)
{
    for (guint i = 0; i < G_N_ELEMENTS(phases); i++)
        if (vm_is_failure(lcm) && phases[i].failure.lcm == lcm)
            return phases[i].lcm;
    return LCM_INIT;
}

gboolean vm_is_failure(VmLcm lcm)
{
    return g_str_has_suffix(vm_lcm_name(lcm), "_FAILURE");
}

/* ---- actions ---- */

static const VmActionWord words[] = {
    {"terminate", NULL, "manage"},
    {"terminate-hard", NULL, "manage"},
    {"undeploy", NULL, "manage"},
    {"undeploy-hard", NULL, "manage"},
    {"poweroff", NULL, "manage"},
    {"poweroff-hard", NULL, "manage"},
    {"reboot", NULL, "manage"},
    {"reboot-hard", NULL, "manage"},
    {"hold", NULL, "manage"},
    {"release", NULL, "manage"},
    {"stop", NULL, "manage"},
    {"suspend", NULL, "manage"},
    {"resume", NULL, "manage"},
    {"resched", NULL, "admin"},
    {"unresched", NULL, "admin"},
    /* 1.2 to 4.14 */
    {"shutdown", "terminate", "manage"},
    {"shutdown-hard", "terminate-hard", "manage"},
    {"cancel", "terminate-hard", "manage"},
    {"delete", "delete", "admin"},
    {"finalize", "delete", "admin"},
    {"restart", "resume", "manage"},
    {"boot", "resume", "manage"},
    {"reset", "reboot-hard", "manage"},
    {"resubmit", "delete-recreate", "admin"},
    {"delete-recreate", "delete-recreate", "admin"},
};

const VmActionWord *vm_action_word(const char *word)
{
    for (guint i = 0; i < G_N_ELEMENTS(words); i++)
        if (!strcmp(words[i].word, word))
            return &words[i];
    return NULL;
}

const char *vm_action_right(const char *word)
{
    const VmActionWord *row = vm_action_word(word);
    return row ? row->right : NULL;
}

const char *vm_action_meaning(const char *word)
{
    const VmActionWord *row = vm_action_word(word);
    return row && row->meaning ? row->meaning : word;
}

#define ANY_FAILURE VM_ACTIVE, LCM_INIT
#define IN(lcm)     VM_ACTIVE, LCM_##lcm
#define AT(state)   VM_##state, LCM_INIT

static const VmActionRow actions[] = {
    /* word, state, target, number in the history */
    {"terminate", AT(PENDING), REST(DONE), VM_ACTION_TERMINATE},
    {"terminate", AT(HOLD), REST(DONE), VM_ACTION_TERMINATE},
    {"terminate", AT(CLONING), REST(DONE), VM_ACTION_TERMINATE},
    {"terminate", AT(CLONING_FAILURE), REST(DONE), VM_ACTION_TERMINATE},
    {"terminate", IN(RUNNING), ACTIVE(SHUTDOWN), VM_ACTION_TERMINATE},
    {"terminate", IN(UNKNOWN), ACTIVE(SHUTDOWN), VM_ACTION_TERMINATE},
    {"terminate", AT(SUSPENDED), ACTIVE(EPILOG), VM_ACTION_TERMINATE},
    {"terminate", AT(POWEROFF), ACTIVE(EPILOG), VM_ACTION_TERMINATE},
    {"terminate", AT(STOPPED), ACTIVE(EPILOG), VM_ACTION_TERMINATE},
    {"terminate", AT(UNDEPLOYED), ACTIVE(EPILOG), VM_ACTION_TERMINATE},
    {"terminate", ANY_FAILURE, ACTIVE(CLEANUP_DELETE), VM_ACTION_TERMINATE},
    {"terminate", AT(DONE), REST(DONE), VM_ACTION_NONE, DO_NOTHING},
    {"terminate-hard", AT(PENDING), REST(DONE), VM_ACTION_TERMINATE_HARD},
    {"terminate-hard", AT(HOLD), REST(DONE), VM_ACTION_TERMINATE_HARD},
    {"terminate-hard", AT(CLONING), REST(DONE), VM_ACTION_TERMINATE_HARD},
    {"terminate-hard", AT(CLONING_FAILURE), REST(DONE), VM_ACTION_TERMINATE_HARD},
    {"terminate-hard", IN(RUNNING), ACTIVE(SHUTDOWN), VM_ACTION_TERMINATE_HARD},
    {"terminate-hard", IN(UNKNOWN), ACTIVE(SHUTDOWN), VM_ACTION_TERMINATE_HARD},
    {"terminate-hard", IN(SHUTDOWN), ACTIVE(SHUTDOWN), VM_ACTION_TERMINATE_HARD},
    {"terminate-hard", AT(SUSPENDED), ACTIVE(EPILOG), VM_ACTION_TERMINATE_HARD},
    {"terminate-hard", AT(POWEROFF), ACTIVE(EPILOG), VM_ACTION_TERMINATE_HARD},
    {"terminate-hard", AT(STOPPED), ACTIVE(EPILOG), VM_ACTION_TERMINATE_HARD},
    {"terminate-hard", AT(UNDEPLOYED), ACTIVE(EPILOG), VM_ACTION_TERMINATE_HARD},
    {"terminate-hard", ANY_FAILURE, ACTIVE(CLEANUP_DELETE), VM_ACTION_TERMINATE_HARD},
    {"terminate-hard", AT(DONE), REST(DONE), VM_ACTION_NONE, DO_NOTHING},
    {"undeploy", IN(RUNNING), ACTIVE(SHUTDOWN_UNDEPLOY), VM_ACTION_UNDEPLOY},
    {"undeploy", IN(UNKNOWN), ACTIVE(SHUTDOWN_UNDEPLOY), VM_ACTION_UNDEPLOY},
    {"undeploy", AT(POWEROFF), ACTIVE(EPILOG_UNDEPLOY), VM_ACTION_UNDEPLOY},
    {"undeploy-hard", IN(RUNNING), ACTIVE(SHUTDOWN_UNDEPLOY), VM_ACTION_UNDEPLOY_HARD},
    {"undeploy-hard", IN(UNKNOWN), ACTIVE(SHUTDOWN_UNDEPLOY), VM_ACTION_UNDEPLOY_HARD},
    {"undeploy-hard", IN(SHUTDOWN_UNDEPLOY), ACTIVE(SHUTDOWN_UNDEPLOY), VM_ACTION_UNDEPLOY_HARD},
    {"undeploy-hard", AT(POWEROFF), ACTIVE(EPILOG_UNDEPLOY), VM_ACTION_UNDEPLOY_HARD},
    {"poweroff", IN(RUNNING), ACTIVE(SHUTDOWN_POWEROFF), VM_ACTION_POWEROFF},
    {"poweroff", IN(UNKNOWN), ACTIVE(SHUTDOWN_POWEROFF), VM_ACTION_POWEROFF},
    {"poweroff-hard", IN(RUNNING), ACTIVE(SHUTDOWN_POWEROFF), VM_ACTION_POWEROFF_HARD},
    {"poweroff-hard", IN(UNKNOWN), ACTIVE(SHUTDOWN_POWEROFF), VM_ACTION_POWEROFF_HARD},
    {"poweroff-hard", IN(SHUTDOWN_POWEROFF), ACTIVE(SHUTDOWN_POWEROFF), VM_ACTION_POWEROFF_HARD},
    {"reboot", IN(RUNNING), RUNNING, VM_ACTION_REBOOT, DO_SEND},
    {"reboot-hard", IN(RUNNING), RUNNING, VM_ACTION_REBOOT_HARD, DO_SEND},
    {"hold", AT(PENDING), REST(HOLD), VM_ACTION_HOLD},
    {"release", AT(HOLD), REST(PENDING), VM_ACTION_RELEASE},
    {"stop", IN(RUNNING), ACTIVE(SAVE_STOP), VM_ACTION_STOP},
    {"stop", AT(SUSPENDED), ACTIVE(EPILOG_STOP), VM_ACTION_STOP},
    {"suspend", IN(RUNNING), ACTIVE(SAVE_SUSPEND), VM_ACTION_SUSPEND},
    {"resume", AT(SUSPENDED), ACTIVE(BOOT_SUSPENDED), VM_ACTION_RESUME},
    {"resume", AT(POWEROFF), ACTIVE(BOOT_POWEROFF), VM_ACTION_RESUME},
    {"resume", IN(UNKNOWN), ACTIVE(BOOT_UNKNOWN), VM_ACTION_RESUME},
    {"resume", AT(STOPPED), REST(PENDING), VM_ACTION_RESUME},
    {"resume", AT(UNDEPLOYED), REST(PENDING), VM_ACTION_RESUME},
    {"resched", IN(RUNNING), RUNNING, VM_ACTION_RESCHED, DO_FLAG},
    {"resched", IN(UNKNOWN), ACTIVE(UNKNOWN), VM_ACTION_RESCHED, DO_FLAG},
    {"resched", AT(POWEROFF), REST(POWEROFF), VM_ACTION_RESCHED, DO_FLAG},
    {"unresched", IN(RUNNING), RUNNING, VM_ACTION_UNRESCHED, DO_FLAG},
    {"unresched", IN(UNKNOWN), ACTIVE(UNKNOWN), VM_ACTION_UNRESCHED, DO_FLAG},
    {"unresched", AT(POWEROFF), REST(POWEROFF), VM_ACTION_UNRESCHED, DO_FLAG},
    /* changes */
    {"disk-attach", IN(RUNNING), ACTIVE(HOTPLUG), VM_ACTION_DISK_ATTACH, DO_CHANGE},
    {"disk-attach", AT(POWEROFF), ACTIVE(HOTPLUG_PROLOG_POWEROFF), VM_ACTION_DISK_ATTACH,
     DO_CHANGE},
    {"disk-detach", IN(RUNNING), ACTIVE(HOTPLUG), VM_ACTION_DISK_DETACH, DO_CHANGE},
    {"disk-detach", AT(POWEROFF), ACTIVE(HOTPLUG_EPILOG_POWEROFF), VM_ACTION_DISK_DETACH,
     DO_CHANGE},
    {"nic-attach", IN(RUNNING), ACTIVE(HOTPLUG_NIC), VM_ACTION_NIC_ATTACH, DO_CHANGE},
    {"nic-attach", AT(POWEROFF), ACTIVE(HOTPLUG_NIC_POWEROFF), VM_ACTION_NIC_ATTACH, DO_CHANGE},
    {"nic-detach", IN(RUNNING), ACTIVE(HOTPLUG_NIC), VM_ACTION_NIC_DETACH, DO_CHANGE},
    {"nic-detach", AT(POWEROFF), ACTIVE(HOTPLUG_NIC_POWEROFF), VM_ACTION_NIC_DETACH, DO_CHANGE},
    {"nic-update", IN(RUNNING), ACTIVE(HOTPLUG_NIC), VM_ACTION_NIC_UPDATE, DO_CHANGE},
    {"nic-update", AT(PENDING), REST(PENDING), VM_ACTION_NIC_UPDATE, DO_CHANGE},
    {"nic-update", AT(HOLD), REST(HOLD), VM_ACTION_NIC_UPDATE, DO_CHANGE},
    {"nic-update", AT(POWEROFF), REST(POWEROFF), VM_ACTION_NIC_UPDATE, DO_CHANGE},
    {"nic-update", AT(UNDEPLOYED), REST(UNDEPLOYED), VM_ACTION_NIC_UPDATE, DO_CHANGE},
    {"snapshot-create", IN(RUNNING), ACTIVE(HOTPLUG_SNAPSHOT), VM_ACTION_SNAPSHOT_CREATE,
     DO_CHANGE},
    {"snapshot-revert", IN(RUNNING), ACTIVE(HOTPLUG_SNAPSHOT), VM_ACTION_SNAPSHOT_REVERT,
     DO_CHANGE},
    {"snapshot-delete", IN(RUNNING), ACTIVE(HOTPLUG_SNAPSHOT), VM_ACTION_SNAPSHOT_DELETE,
     DO_CHANGE},
    {"snapshot-delete", AT(POWEROFF), ACTIVE(HOTPLUG_SNAPSHOT), VM_ACTION_SNAPSHOT_DELETE,
     DO_CHANGE},
    {"disk-snapshot-create", IN(RUNNING), ACTIVE(DISK_SNAPSHOT), VM_ACTION_DISK_SNAPSHOT_CREATE,
     DO_CHANGE},
    {"disk-snapshot-create", AT(POWEROFF), ACTIVE(DISK_SNAPSHOT_POWEROFF),
     VM_ACTION_DISK_SNAPSHOT_CREATE, DO_CHANGE},
    {"disk-snapshot-create", AT(SUSPENDED), ACTIVE(DISK_SNAPSHOT_SUSPENDED),
     VM_ACTION_DISK_SNAPSHOT_CREATE, DO_CHANGE},
    {"disk-snapshot-revert", AT(POWEROFF), ACTIVE(DISK_SNAPSHOT_REVERT_POWEROFF),
     VM_ACTION_DISK_SNAPSHOT_REVERT, DO_CHANGE},
    {"disk-snapshot-delete", IN(RUNNING), ACTIVE(DISK_SNAPSHOT_DELETE),
     VM_ACTION_DISK_SNAPSHOT_DELETE, DO_CHANGE},
    {"disk-snapshot-delete", AT(POWEROFF), ACTIVE(DISK_SNAPSHOT_DELETE_POWEROFF),
     VM_ACTION_DISK_SNAPSHOT_DELETE, DO_CHANGE},
    {"disk-snapshot-delete", AT(SUSPENDED), ACTIVE(DISK_SNAPSHOT_DELETE_SUSPENDED),
     VM_ACTION_DISK_SNAPSHOT_DELETE, DO_CHANGE},
    {"disk-resize", IN(RUNNING), ACTIVE(DISK_RESIZE), VM_ACTION_DISK_RESIZE, DO_CHANGE},
    {"disk-resize", AT(POWEROFF), ACTIVE(DISK_RESIZE_POWEROFF), VM_ACTION_DISK_RESIZE, DO_CHANGE},
    {"disk-resize", AT(UNDEPLOYED), ACTIVE(DISK_RESIZE_UNDEPLOYED), VM_ACTION_DISK_RESIZE,
     DO_CHANGE},
    {"resize", IN(RUNNING), ACTIVE(HOTPLUG_RESIZE), VM_ACTION_RESIZE, DO_CHANGE},
    {"resize", AT(INIT), REST(INIT), VM_ACTION_RESIZE, DO_CHANGE},
    {"resize", AT(PENDING), REST(PENDING), VM_ACTION_RESIZE, DO_CHANGE},
    {"resize", AT(HOLD), REST(HOLD), VM_ACTION_RESIZE, DO_CHANGE},
    {"resize", AT(POWEROFF), REST(POWEROFF), VM_ACTION_RESIZE, DO_CHANGE},
    {"resize", AT(UNDEPLOYED), REST(UNDEPLOYED), VM_ACTION_RESIZE, DO_CHANGE},
    {"resize", AT(CLONING), REST(CLONING), VM_ACTION_RESIZE, DO_CHANGE},
    {"resize", AT(CLONING_FAILURE), REST(CLONING_FAILURE), VM_ACTION_RESIZE, DO_CHANGE},
    {"updateconf", IN(RUNNING), ACTIVE(HOTPLUG), VM_ACTION_UPDATECONF, DO_CHANGE},
    {"updateconf", AT(PENDING), REST(PENDING), VM_ACTION_UPDATECONF, DO_CHANGE},
    {"updateconf", AT(HOLD), REST(HOLD), VM_ACTION_UPDATECONF, DO_CHANGE},
    {"updateconf", AT(POWEROFF), ACTIVE(HOTPLUG_PROLOG_POWEROFF), VM_ACTION_UPDATECONF, DO_CHANGE},
    {"updateconf", AT(UNDEPLOYED), REST(UNDEPLOYED), VM_ACTION_UPDATECONF, DO_CHANGE},
    {"updateconf", AT(CLONING), REST(CLONING), VM_ACTION_UPDATECONF, DO_CHANGE},
    {"updateconf", AT(CLONING_FAILURE), REST(CLONING_FAILURE), VM_ACTION_UPDATECONF, DO_CHANGE},
    {NULL},
};

const VmActionRow *vm_action_rows(void)
{
    return actions;
}

const VmActionRow *vm_action_row(const char *word, const Vm *vm)
{
    for (const VmActionRow *row = actions; row->word; row++) {
        if (row->state != vm->state || strcmp(row->word, word) != 0)
            continue;
        gboolean any_failure = row->state == VM_ACTIVE && row->lcm == LCM_INIT;
        if (any_failure ? vm_is_failure(vm->lcm) : row->lcm == vm->lcm)
            return row;
    }
    return NULL;
}
