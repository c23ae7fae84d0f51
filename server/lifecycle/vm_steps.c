/*
 * What drivers are told at each step: scripts for the transfer driver (vm_scripts.c), documents for
 * the hypervisor's. The formats are those of share/doc/drivers.md.
 */
#include "server/lifecycle/internal.h"

#include "server/model/storage/datastore.h"

#include <string.h>
const VmRecord *vm_step_record(const Vm *vm, VmStep step)
{
    const VmRecord *previous = vm_previous_record(vm);
    gboolean from_previous = step == STEP_MIGRATE || step == STEP_LEAVE || step == STEP_EVICT;
    return from_previous && previous ? previous : vm_last_record(vm);
}
const VmRecord *vm_left_record(const Vm *vm, VmStep step)
{
    return step == STEP_POSTMIGRATE   ? vm_previous_record(vm)
           : step == STEP_FAILMIGRATE ? vm_last_record(vm)
                                      : NULL;
}

/* ---- documents of the hypervisor's driver ---- */

/* What this one order asks for; the driver puts it before the machine's and the host's own. */
static void add_order(const char *order, GString *xml)
{
    g_autoptr(Template) asked =
        order && *order ? template_parse(order, TEMPLATE_MODERN, NULL) : NULL;
    if (asked)
        template_append_xml(asked, xml);
}

static char *action_document(Lifecycle *lifecycle, Vm *vm, const VmRecord *record,
                             const char *other_host, const char *options)
{
    World *world = lifecycle->world;
    g_autofree char *directory = vm_directory(lifecycle, vm, record);
    g_autofree char *local =
        g_strdup_printf("%s/vms/%d/deployment.%d", world->var, vm->head.id, record->seq);
    g_autofree char *remote = g_strdup_printf("%s/deployment.%d", directory, record->seq);
    g_autofree char *checkpoint = g_strdup_printf("%s/checkpoint", directory);
    Object *datastore = pool_get(world, KIND_DATASTORE, record->datastore);
    g_autoptr(GString) xml = g_string_sized_new(4096);
    g_string_append(xml, "<VMM_DRIVER_ACTION_DATA>");
    xml_text(xml, "HOST", record->host_name);
    xml_text(xml, "MIGR_HOST", other_host);
    add_order(options, xml);
    vm_add_host_settings(lifecycle, record, xml);
    xml_text(xml, "DEPLOY_ID", vm->deploy_id);
    xml_text(xml, "LOCAL_DEPLOYMENT_FILE", local);
    xml_text(xml, "REMOTE_DEPLOYMENT_FILE", remote);
    xml_text(xml, "CHECKPOINT_FILE", checkpoint);
    g_string_append(xml, "<TM_COMMAND/><TM_COMMAND_ROLLBACK/>");
    xml_text(xml, "DISK_TARGET_PATH", directory);
    object_render(world, &vm->head, xml);
    if (datastore)
        object_render(world, datastore, xml);
    else
        g_string_append(xml, "<DATASTORE/>");
    g_string_append(xml, "</VMM_DRIVER_ACTION_DATA>");
    return g_base64_encode((const guchar *)xml->str, xml->len);
}

static DriverRequest *hypervisor_request(Lifecycle *lifecycle, Vm *vm, const VmRecord *record,
                                         const char *action, const char *other_host,
                                         const char *options)
{
    DriverRequest *request = g_new0(DriverRequest, 1);
    request->class = DRIVER_VIRTUALIZATION;
    request->driver = g_strdup(record->vm_mad);
    request->action = g_strdup(action);
    request->id = vm->head.id;
    request->payload = action_document(lifecycle, vm, record, other_host, options);
    return request;
}

DriverRequest *vm_hypervisor_request(Lifecycle *lifecycle, Vm *vm, const VmRecord *record,
                                     const char *action)
{
    return hypervisor_request(lifecycle, vm, record, action, NULL, NULL);
}

DriverRequest *vm_settle_request(Lifecycle *lifecycle, Vm *vm, const Host *host)
{
    VmRecord there = *vm_last_record(vm);
    there.host = host->head.id;
    there.host_name = host->head.name;
    return hypervisor_request(lifecycle, vm, &there, "SETTLE", vm_last_record(vm)->host_name, NULL);
}

DriverRequest *vm_check_request(Lifecycle *lifecycle, Vm *vm, const char *destination,
                                const char *options)
{
    return hypervisor_request(lifecycle, vm, vm_last_record(vm), "MIGRATECHECK", destination,
                              options);
}

DriverRequest *vm_console_request(Lifecycle *lifecycle, Vm *vm, const char *options)
{
    return hypervisor_request(lifecycle, vm, vm_last_record(vm), "CONSOLE", NULL, options);
}

/* What the order at hand asked for; "" when nothing. (owned) */
static char *order_options(Lifecycle *lifecycle, const Vm *vm, VmStep step)
{
    const Migration *migration = step == STEP_MIGRATE ? migration_last(vm) : NULL;
    if (step == STEP_BACKUP_TAKE || step == STEP_BACKUP_DROP)
        return vm_backup_order(lifecycle, vm);
    return g_strdup(migration && migration->options ? migration->options : "");
}

static gboolean was_hard(gint action)
{
    return action == VM_ACTION_TERMINATE_HARD || action == VM_ACTION_UNDEPLOY_HARD ||
           action == VM_ACTION_POWEROFF_HARD || action == VM_ACTION_POWEROFF_HARD_MIGRATE;
}

/* What the drivers are told, where it depends on the change. */
static const struct {
    VmStep step;
    const char *word, *action;
} change_actions[] = {
    {STEP_DISK_PLUG, "disk-detach", "DETACHDISK"},
    {STEP_DISK_PLUG, "updateconf", "UPDATECONF"},
    {STEP_NIC_PLUG, "nic-detach", "DETACHNIC"},
    {STEP_NIC_PLUG, "nic-update", "UPDATENIC"},
    {STEP_SNAPSHOT, "snapshot-revert", "SNAPSHOTREVERT"},
    {STEP_SNAPSHOT, "snapshot-delete", "SNAPSHOTDELETE"},
};

static const char *step_action(const Vm *vm, VmStep step, const VmRecord *record)
{
    if (step == STEP_SHUTDOWN)
        return was_hard(record->action) ? "CANCEL" : "SHUTDOWN";
    if (step == STEP_LEAVE && record->action != VM_ACTION_MIGRATE)
        return was_hard(record->action) ? "CANCEL" : "SHUTDOWN";
    for (guint i = 0; i < G_N_ELEMENTS(change_actions); i++)
        if (change_actions[i].step == step && vm_changes(vm, change_actions[i].word))
            return change_actions[i].action;
    return vm_step_row(step)->action;
}

/* Whether this step of the hypervisor's is one of the change under way. */
static gboolean is_wanted(const Vm *vm, VmStep step)
{
    if (step < STEP_DISK_IN)
        return TRUE;
    if (!vm->operation)
        return FALSE;
    switch (step) {
    case STEP_DISK_UNPLUG: /* a disk that did not come was never given to the machine */
        return vm_changes(vm, "disk-attach") && vm->work.failed > 0;
    case STEP_NIC_UNPLUG:
        return vm_changes(vm, "nic-attach");
    case STEP_DISK_SNAPSHOT_LIVE:
        return !vm_saves_as_it_is(vm);
    case STEP_SNAPSHOT_UNDO:
        return vm_changes(vm, "snapshot-create");
    default:
        return TRUE;
    }
}

/* An administrator who sets a host offline says that nothing runs there any more. */
gboolean vm_record_is_offline(Lifecycle *lifecycle, const VmRecord *record)
{
    const Host *host = host_get(lifecycle->world, record->host);
    return !host || host->state == HOST_OFFLINE;
}

gboolean vm_record_is_lost(Lifecycle *lifecycle, const VmRecord *record)
{
    const Host *host = host_get(lifecycle->world, record->host);
    return host && host->state == HOST_ERROR;
}

/* The hypervisor cannot have the machine: it was never told of it, or has been left already. */
static gboolean nothing_to_clean(Lifecycle *lifecycle, const Vm *vm)
{
    gboolean never_booted =
        vm->previous_state == VM_ACTIVE &&
        (vm->previous_lcm == LCM_PROLOG || vm->previous_lcm == LCM_PROLOG_FAILURE);
    return never_booted || vm_last_record(vm)->etime ||
           vm_record_is_offline(lifecycle, vm_last_record(vm));
}

/* Machines are suspended and resumed in one of two ways, and these phases have the steps of both.
 */
static gboolean is_other_way(Lifecycle *lifecycle, const Vm *vm, VmStep step)
{
    gboolean saves = step == STEP_SAVE || step == STEP_RESTORE;
    gboolean freezes = step == STEP_FREEZE || step == STEP_THAW;
    return (vm->lcm == LCM_SAVE_SUSPEND || vm->lcm == LCM_BOOT_SUSPENDED) && (saves || freezes) &&
           freezes != vm_was_frozen(lifecycle, vm);
}

DriverRequest *vm_step_request(Lifecycle *lifecycle, Vm *vm, VmStep step)
{
    if (!vm_last_record(vm))
        return NULL;
    const VmStepRow *row = vm_step_row(step);
    if (row->class == DRIVER_TRANSFER)
        return vm_transfer_request(lifecycle, vm, step);
    if (row->class == DRIVER_DATASTORE)
        return vm_backup_request(lifecycle, vm, step);
    const VmRecord *last = vm_last_record(vm), *previous = vm_previous_record(vm);
    const VmRecord *record = vm_step_record(vm, step);
    const char *other = NULL;
    gboolean unused_offline = step == STEP_EVICT || step == STEP_SHUTDOWN || step == STEP_FORGET;
    if (is_other_way(lifecycle, vm, step))
        return NULL;
    if (!is_wanted(vm, step) || (step == STEP_CLEANUP && nothing_to_clean(lifecycle, vm)) ||
        (step == STEP_FORGET && !vm_driver_can(lifecycle, vm, "KEEP_MACHINES")) ||
        (unused_offline && vm_record_is_offline(lifecycle, record)))
        return NULL;
    if (step == STEP_MIGRATE)
        other = last->host_name;
    else if (step == STEP_CLEANUP && previous && !previous->etime &&
             !vm_record_is_offline(lifecycle, previous))
        other = previous->host_name;
    g_autofree char *options = order_options(lifecycle, vm, step);
    return hypervisor_request(lifecycle, vm, record, step_action(vm, step, record), other, options);
}
