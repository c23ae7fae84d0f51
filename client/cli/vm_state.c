#include "client/cli/vm_state.h"
#include "client/cli/format.h"
#include "client/cli/xml.h"

typedef struct {
    const char *name;
    const char *brief;
    CliPhase phase;
} Name;

#define ACTIVE 3

/* STATE */
static const Name main_states[] = {
    {"INIT", "init", CLI_MOVING},      {"PENDING", "pend", CLI_MOVING},
    {"HOLD", "hold", CLI_RESTING},     {"ACTIVE", "actv", CLI_MOVING},
    {"STOPPED", "stop", CLI_RESTING},  {"SUSPENDED", "susp", CLI_RESTING},
    {"DONE", "done", CLI_GONE},        {"FAILED", "fail", CLI_BROKEN},
    {"POWEROFF", "poff", CLI_RESTING}, {"UNDEPLOYED", "unde", CLI_RESTING},
    {"CLONING", "clon", CLI_MOVING},   {"CLONING_FAILURE", "fail", CLI_BROKEN},
};

/* LCM_STATE, by number; it counts while STATE is ACTIVE. */
static const Name lcm_states[] = {
    {"LCM_INIT", "actv", CLI_MOVING},
    {"PROLOG", "prol", CLI_MOVING},
    {"BOOT", "boot", CLI_MOVING},
    {"RUNNING", "runn", CLI_RESTING},
    {"MIGRATE", "migr", CLI_MOVING},
    {"SAVE_STOP", "save", CLI_MOVING},
    {"SAVE_SUSPEND", "save", CLI_MOVING},
    {"SAVE_MIGRATE", "save", CLI_MOVING},
    {"PROLOG_MIGRATE", "migr", CLI_MOVING},
    {"PROLOG_RESUME", "prol", CLI_MOVING},
    {"EPILOG_STOP", "epil", CLI_MOVING},
    {"EPILOG", "epil", CLI_MOVING},
    {"SHUTDOWN", "shut", CLI_MOVING},
    {"CANCEL", "shut", CLI_MOVING},
    {"FAILURE", "fail", CLI_BROKEN},
    {"CLEANUP_RESUBMIT", "clea", CLI_MOVING},
    {"UNKNOWN", "unkn", CLI_MOVING},
    {"HOTPLUG", "hotp", CLI_MOVING},
    {"SHUTDOWN_POWEROFF", "shut", CLI_MOVING},
    {"BOOT_UNKNOWN", "boot", CLI_MOVING},
    {"BOOT_POWEROFF", "boot", CLI_MOVING},
    {"BOOT_SUSPENDED", "boot", CLI_MOVING},
    {"BOOT_STOPPED", "boot", CLI_MOVING},
    {"CLEANUP_DELETE", "clea", CLI_MOVING},
    {"HOTPLUG_SNAPSHOT", "snap", CLI_MOVING},
    {"HOTPLUG_NIC", "hotp", CLI_MOVING},
    {"HOTPLUG_SAVEAS", "hotp", CLI_MOVING},
    {"HOTPLUG_SAVEAS_POWEROFF", "hotp", CLI_MOVING},
    {"HOTPLUG_SAVEAS_SUSPENDED", "hotp", CLI_MOVING},
    {"SHUTDOWN_UNDEPLOY", "shut", CLI_MOVING},
    {"EPILOG_UNDEPLOY", "epil", CLI_MOVING},
    {"PROLOG_UNDEPLOY", "prol", CLI_MOVING},
    {"BOOT_UNDEPLOY", "boot", CLI_MOVING},
    {"HOTPLUG_PROLOG_POWEROFF", "hotp", CLI_MOVING},
    {"HOTPLUG_EPILOG_POWEROFF", "hotp", CLI_MOVING},
    {"BOOT_MIGRATE", "boot", CLI_MOVING},
    {"BOOT_FAILURE", "fail", CLI_BROKEN},
    {"BOOT_MIGRATE_FAILURE", "fail", CLI_BROKEN},
    {"PROLOG_MIGRATE_FAILURE", "fail", CLI_BROKEN},
    {"PROLOG_FAILURE", "fail", CLI_BROKEN},
    {"EPILOG_FAILURE", "fail", CLI_BROKEN},
    {"EPILOG_STOP_FAILURE", "fail", CLI_BROKEN},
    {"EPILOG_UNDEPLOY_FAILURE", "fail", CLI_BROKEN},
    {"PROLOG_MIGRATE_POWEROFF", "migr", CLI_MOVING},
    {"PROLOG_MIGRATE_POWEROFF_FAILURE", "fail", CLI_BROKEN},
    {"PROLOG_MIGRATE_SUSPEND", "migr", CLI_MOVING},
    {"PROLOG_MIGRATE_SUSPEND_FAILURE", "fail", CLI_BROKEN},
    {"BOOT_UNDEPLOY_FAILURE", "fail", CLI_BROKEN},
    {"BOOT_STOPPED_FAILURE", "fail", CLI_BROKEN},
    {"PROLOG_RESUME_FAILURE", "fail", CLI_BROKEN},
    {"PROLOG_UNDEPLOY_FAILURE", "fail", CLI_BROKEN},
    {"DISK_SNAPSHOT_POWEROFF", "snap", CLI_MOVING},
    {"DISK_SNAPSHOT_REVERT_POWEROFF", "snap", CLI_MOVING},
    {"DISK_SNAPSHOT_DELETE_POWEROFF", "snap", CLI_MOVING},
    {"DISK_SNAPSHOT_SUSPENDED", "snap", CLI_MOVING},
    {"DISK_SNAPSHOT_REVERT_SUSPENDED", "snap", CLI_MOVING},
    {"DISK_SNAPSHOT_DELETE_SUSPENDED", "snap", CLI_MOVING},
    {"DISK_SNAPSHOT", "snap", CLI_MOVING},
    {"DISK_SNAPSHOT_REVERT", "snap", CLI_MOVING},
    {"DISK_SNAPSHOT_DELETE", "snap", CLI_MOVING},
    {"PROLOG_MIGRATE_UNKNOWN", "migr", CLI_MOVING},
    {"PROLOG_MIGRATE_UNKNOWN_FAILURE", "fail", CLI_BROKEN},
    {"DISK_RESIZE", "drsz", CLI_MOVING},
    {"DISK_RESIZE_POWEROFF", "drsz", CLI_MOVING},
    {"DISK_RESIZE_UNDEPLOYED", "drsz", CLI_MOVING},
    {"HOTPLUG_NIC_POWEROFF", "hotp", CLI_MOVING},
    {"HOTPLUG_RESIZE", "hotp", CLI_MOVING},
    {"HOTPLUG_SAVEAS_UNDEPLOYED", "hotp", CLI_MOVING},
    {"HOTPLUG_SAVEAS_STOPPED", "hotp", CLI_MOVING},
    {"BACKUP", "back", CLI_MOVING},
    {"BACKUP_POWEROFF", "back", CLI_MOVING},
    {"RESTORE", "rest", CLI_MOVING},
};

/* HISTORY/ACTION */
static const char *const actions[] = {
    [0] = "none",
    [1] = "migrate",
    [2] = "live-migrate",
    [5] = "undeploy",
    [6] = "undeploy-hard",
    [7] = "hold",
    [8] = "release",
    [9] = "stop",
    [10] = "suspend",
    [11] = "resume",
    [13] = "delete",
    [14] = "delete-recreate",
    [15] = "reboot",
    [16] = "reboot-hard",
    [17] = "resched",
    [18] = "unresched",
    [19] = "poweroff",
    [20] = "poweroff-hard",
    [21] = "disk-attach",
    [22] = "disk-detach",
    [23] = "nic-attach",
    [24] = "nic-detach",
    [25] = "disk-snapshot-create",
    [26] = "disk-snapshot-delete",
    [27] = "terminate",
    [28] = "terminate-hard",
    [29] = "disk-resize",
    [30] = "deploy",
    [31] = "chown",
    [32] = "chmod",
    [33] = "updateconf",
    [34] = "rename",
    [35] = "resize",
    [36] = "update",
    [37] = "snapshot-create",
    [38] = "snapshot-delete",
    [39] = "snapshot-revert",
    [40] = "disk-saveas",
    [41] = "disk-snapshot-revert",
    [42] = "recover",
    [43] = "retry",
    [44] = "monitor",
    [45] = "disk-snapshot-rename",
    [46] = "alias-attach",
    [47] = "alias-detach",
    [48] = "poweroff-migrate",
    [49] = "poweroff-hard-migrate",
    [50] = "backup",
    [51] = "nic-update",
    [52] = "backup-cancel",
    [53] = "sched-add",
    [54] = "sched-update",
    [55] = "sched-delete",
    [56] = "sg-attach",
    [57] = "sg-detach",
    [58] = "pci-attach",
    [59] = "pci-detach",
    [60] = "restore",
    [61] = "exec",
    [62] = "exec-retry",
    [63] = "exec-cancel",
    [64] = "vmgroup-add",
    [65] = "vmgroup-del",
};

static const Name *name_of(gint64 state, gint64 lcm_state)
{
    if (state == ACTIVE && lcm_state >= 0 && lcm_state < (gint64)G_N_ELEMENTS(lcm_states))
        return &lcm_states[lcm_state];
    if (state >= 0 && state < (gint64)G_N_ELEMENTS(main_states))
        return &main_states[state];
    return NULL;
}

const char *cli_vm_state_name(gint64 state, gint64 lcm_state)
{
    const Name *name = name_of(state, lcm_state);
    return name != NULL ? name->name : "-";
}

const char *cli_vm_short_name(gint64 state, gint64 lcm_state)
{
    const Name *name = name_of(state, lcm_state);
    return name != NULL ? name->brief : "-";
}

const char *cli_vm_main_name(gint64 state)
{
    return cli_vm_state_name(state, -1);
}

const char *cli_vm_lcm_name(gint64 lcm_state)
{
    return cli_vm_state_name(ACTIVE, lcm_state);
}

/* Hosts come and room becomes free, but what cannot be read stays so until somebody corrects it. */
static void tell_scheduling(const char *message, CliState *state)
{
    state->why = message;
    if (g_str_has_prefix(cli_without_time(message), "Error in "))
        state->phase = CLI_BROKEN;
    else
        state->advice = "It starts as soon as a host fits";
}

void cli_vm_state(xmlNode *object, CliState *state)
{
    gint64 number = cli_xml_int(object, "STATE", -1);
    const Name *name = name_of(number, cli_xml_int(object, "LCM_STATE", 0));
    xmlNode *record = cli_xml_last(object, "HISTORY_RECORDS/HISTORY");
    gboolean waits = number == 1 || number == 2;                 /* PENDING, HOLD */
    gboolean placed = number == 3 || number == 5 || number == 8; /* ACTIVE, SUSPENDED, POWEROFF */
    state->name = name != NULL ? name->name : "-";
    state->phase = name != NULL ? name->phase : CLI_MOVING;
    state->host = placed ? cli_xml_int(record, "HID", -1) : -1;
    state->where = placed ? cli_xml_text(record, "HOSTNAME") : "";
    state->why = cli_xml_text(object, "USER_TEMPLATE/ERROR");
    if (waits && *cli_xml_text(object, "USER_TEMPLATE/SCHED_MESSAGE") != '\0')
        tell_scheduling(cli_xml_text(object, "USER_TEMPLATE/SCHED_MESSAGE"), state);
    else if (state->phase != CLI_BROKEN && state->phase != CLI_RESTING)
        state->why = "";
    state->why = cli_without_time(state->why);
}

static const char *search(const Name *names, guint count, const char *word, int *number)
{
    for (guint i = 0; i < count; i++) {
        if (g_ascii_strcasecmp(names[i].name, word) != 0 &&
            g_ascii_strcasecmp(names[i].brief, word) != 0)
            continue;
        *number = (int)i;
        return names[i].name;
    }
    return NULL;
}

const char *cli_vm_state_named(const char *word)
{
    int number;
    const char *name = search(main_states, G_N_ELEMENTS(main_states), word, &number);
    return name != NULL ? name : search(lcm_states, G_N_ELEMENTS(lcm_states), word, &number);
}

int cli_vm_state_number(const char *word)
{
    int number = -1;
    search(main_states, G_N_ELEMENTS(main_states), word, &number);
    return number;
}

const char *cli_vm_action_name(gint64 action)
{
    if (action < 0 || action >= (gint64)G_N_ELEMENTS(actions) || actions[action] == NULL)
        return "-";
    return actions[action];
}
