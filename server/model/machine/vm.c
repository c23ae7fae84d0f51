#include "server/model/machine/vm.h"

#include "lib/base/error.h"
#include "server/model/place/host.h"
#include "server/model/machine/migration.h"
#include "server/model/network/network.h"
#include "server/model/machine/sched_action.h"
#include "server/model/machine/vm_backups.h"
#include "server/model/machine/vm_images.h"
#include "server/model/machine/vm_snapshots.h"
#include "server/model/machine/vmgroup.h"
#include "server/model/network/vrouter.h"
#include "server/model/place/host_pci.h"
#include "server/model/machine/vm_room.h"
#include "server/model/world.h"

static const char *const state_names[VM_STATES] = {
    "INIT", "PENDING", "HOLD",     "ACTIVE",     "STOPPED", "SUSPENDED",
    "DONE", "FAILED",  "POWEROFF", "UNDEPLOYED", "CLONING", "CLONING_FAILURE"};

static const char *const lcm_names[LCM_STATES] = {
    [LCM_INIT] = "LCM_INIT",
    [LCM_PROLOG] = "PROLOG",
    [LCM_BOOT] = "BOOT",
    [LCM_RUNNING] = "RUNNING",
    [LCM_MIGRATE] = "MIGRATE",
    [LCM_SAVE_STOP] = "SAVE_STOP",
    [LCM_SAVE_SUSPEND] = "SAVE_SUSPEND",
    [LCM_SAVE_MIGRATE] = "SAVE_MIGRATE",
    [LCM_PROLOG_MIGRATE] = "PROLOG_MIGRATE",
    [LCM_PROLOG_RESUME] = "PROLOG_RESUME",
    [LCM_EPILOG_STOP] = "EPILOG_STOP",
    [LCM_EPILOG] = "EPILOG",
    [LCM_SHUTDOWN] = "SHUTDOWN",
    [LCM_CLEANUP_RESUBMIT] = "CLEANUP_RESUBMIT",
    [LCM_UNKNOWN] = "UNKNOWN",
    [LCM_HOTPLUG] = "HOTPLUG",
    [LCM_SHUTDOWN_POWEROFF] = "SHUTDOWN_POWEROFF",
    [LCM_BOOT_UNKNOWN] = "BOOT_UNKNOWN",
    [LCM_BOOT_POWEROFF] = "BOOT_POWEROFF",
    [LCM_BOOT_SUSPENDED] = "BOOT_SUSPENDED",
    [LCM_BOOT_STOPPED] = "BOOT_STOPPED",
    [LCM_CLEANUP_DELETE] = "CLEANUP_DELETE",
    [LCM_HOTPLUG_SNAPSHOT] = "HOTPLUG_SNAPSHOT",
    [LCM_HOTPLUG_NIC] = "HOTPLUG_NIC",
    [LCM_SHUTDOWN_UNDEPLOY] = "SHUTDOWN_UNDEPLOY",
    [LCM_EPILOG_UNDEPLOY] = "EPILOG_UNDEPLOY",
    [LCM_PROLOG_UNDEPLOY] = "PROLOG_UNDEPLOY",
    [LCM_BOOT_UNDEPLOY] = "BOOT_UNDEPLOY",
    [LCM_HOTPLUG_PROLOG_POWEROFF] = "HOTPLUG_PROLOG_POWEROFF",
    [LCM_HOTPLUG_EPILOG_POWEROFF] = "HOTPLUG_EPILOG_POWEROFF",
    [LCM_BOOT_MIGRATE] = "BOOT_MIGRATE",
    [LCM_BOOT_FAILURE] = "BOOT_FAILURE",
    [LCM_BOOT_MIGRATE_FAILURE] = "BOOT_MIGRATE_FAILURE",
    [LCM_PROLOG_MIGRATE_FAILURE] = "PROLOG_MIGRATE_FAILURE",
    [LCM_PROLOG_FAILURE] = "PROLOG_FAILURE",
    [LCM_EPILOG_FAILURE] = "EPILOG_FAILURE",
    [LCM_EPILOG_STOP_FAILURE] = "EPILOG_STOP_FAILURE",
    [LCM_EPILOG_UNDEPLOY_FAILURE] = "EPILOG_UNDEPLOY_FAILURE",
    [LCM_PROLOG_MIGRATE_POWEROFF] = "PROLOG_MIGRATE_POWEROFF",
    [LCM_PROLOG_MIGRATE_POWEROFF_FAILURE] = "PROLOG_MIGRATE_POWEROFF_FAILURE",
    [LCM_PROLOG_MIGRATE_SUSPEND] = "PROLOG_MIGRATE_SUSPEND",
    [LCM_PROLOG_MIGRATE_SUSPEND_FAILURE] = "PROLOG_MIGRATE_SUSPEND_FAILURE",
    [LCM_BOOT_UNDEPLOY_FAILURE] = "BOOT_UNDEPLOY_FAILURE",
    [LCM_BOOT_STOPPED_FAILURE] = "BOOT_STOPPED_FAILURE",
    [LCM_PROLOG_RESUME_FAILURE] = "PROLOG_RESUME_FAILURE",
    [LCM_PROLOG_UNDEPLOY_FAILURE] = "PROLOG_UNDEPLOY_FAILURE",
    [LCM_DISK_SNAPSHOT_POWEROFF] = "DISK_SNAPSHOT_POWEROFF",
    [LCM_DISK_SNAPSHOT_REVERT_POWEROFF] = "DISK_SNAPSHOT_REVERT_POWEROFF",
    [LCM_DISK_SNAPSHOT_DELETE_POWEROFF] = "DISK_SNAPSHOT_DELETE_POWEROFF",
    [LCM_DISK_SNAPSHOT_SUSPENDED] = "DISK_SNAPSHOT_SUSPENDED",
    [LCM_DISK_SNAPSHOT_DELETE_SUSPENDED] = "DISK_SNAPSHOT_DELETE_SUSPENDED",
    [LCM_DISK_SNAPSHOT] = "DISK_SNAPSHOT",
    [LCM_DISK_SNAPSHOT_DELETE] = "DISK_SNAPSHOT_DELETE",
    [LCM_PROLOG_MIGRATE_UNKNOWN] = "PROLOG_MIGRATE_UNKNOWN",
    [LCM_PROLOG_MIGRATE_UNKNOWN_FAILURE] = "PROLOG_MIGRATE_UNKNOWN_FAILURE",
    [LCM_DISK_RESIZE] = "DISK_RESIZE",
    [LCM_DISK_RESIZE_POWEROFF] = "DISK_RESIZE_POWEROFF",
    [LCM_DISK_RESIZE_UNDEPLOYED] = "DISK_RESIZE_UNDEPLOYED",
    [LCM_HOTPLUG_NIC_POWEROFF] = "HOTPLUG_NIC_POWEROFF",
    [LCM_HOTPLUG_RESIZE] = "HOTPLUG_RESIZE",
    [LCM_HOTPLUG_SAVEAS] = "HOTPLUG_SAVEAS",
    [LCM_HOTPLUG_SAVEAS_POWEROFF] = "HOTPLUG_SAVEAS_POWEROFF",
    [LCM_HOTPLUG_SAVEAS_SUSPENDED] = "HOTPLUG_SAVEAS_SUSPENDED",
    [LCM_HOTPLUG_SAVEAS_UNDEPLOYED] = "HOTPLUG_SAVEAS_UNDEPLOYED",
    [LCM_HOTPLUG_SAVEAS_STOPPED] = "HOTPLUG_SAVEAS_STOPPED",
    [LCM_BACKUP] = "BACKUP",
    [LCM_BACKUP_POWEROFF] = "BACKUP_POWEROFF",
    [LCM_RESTORE] = "RESTORE",
};

const char *vm_state_name(VmState state)
{
    return state < VM_STATES ? state_names[state] : "?";
}

const char *vm_lcm_name(VmLcm lcm)
{
    return lcm < LCM_STATES && lcm_names[lcm] ? lcm_names[lcm] : "?";
}

void vm_old_state(const Vm *vm, gint *state, gint *lcm)
{
    enum { OLD_FAILURE = 14, OLD_DELETE = 15 };
    static const gint states[VM_STATES] = {
        [VM_POWEROFF] = VM_SUSPENDED, /* resume starts it again */
        [VM_UNDEPLOYED] = VM_STOPPED,
        [VM_CLONING] = VM_PENDING,
        [VM_CLONING_FAILURE] = VM_FAILED,
    };
    static const gint steps[LCM_STATES] = {
        [LCM_SHUTDOWN_POWEROFF] = LCM_SHUTDOWN,
        [LCM_BOOT_UNKNOWN] = LCM_BOOT,
        [LCM_BOOT_POWEROFF] = LCM_BOOT,
        [LCM_BOOT_SUSPENDED] = LCM_BOOT,
        [LCM_BOOT_STOPPED] = LCM_BOOT,
        [LCM_CLEANUP_DELETE] = OLD_DELETE,
        [LCM_SHUTDOWN_UNDEPLOY] = LCM_SHUTDOWN,
        [LCM_EPILOG_UNDEPLOY] = LCM_EPILOG_STOP,
        [LCM_PROLOG_UNDEPLOY] = LCM_PROLOG_RESUME,
        [LCM_BOOT_UNDEPLOY] = LCM_BOOT,
        [LCM_BOOT_MIGRATE] = LCM_BOOT,
        [LCM_PROLOG_MIGRATE_POWEROFF] = LCM_PROLOG_MIGRATE,
        [LCM_PROLOG_MIGRATE_SUSPEND] = LCM_PROLOG_MIGRATE,
        [LCM_PROLOG_MIGRATE_UNKNOWN] = LCM_PROLOG_MIGRATE,
    };
    *state = states[vm->state] ? states[vm->state] : (gint)vm->state;
    *lcm = steps[vm->lcm] ? steps[vm->lcm] : (gint)vm->lcm;
    if (*lcm > LCM_UNKNOWN)
        *lcm = g_str_has_suffix(vm_lcm_name(vm->lcm), "FAILURE") ? OLD_FAILURE : LCM_RUNNING;
}

const char *vm_shown_state(const Vm *vm)
{
    return vm->state == VM_ACTIVE ? vm_lcm_name(vm->lcm) : vm_state_name(vm->state);
}

gboolean vm_is_imported(const Vm *vm)
{
    return template_get_bool(vm->head.template, "IMPORTED", FALSE);
}

Vm *vm_get(World *world, gint32 id)
{
    return VM(pool_get(world, KIND_VM, id));
}

static void record_free(gpointer data)
{
    VmRecord *record = data;
    g_free(record->host_name);
    g_free(record->vm_mad);
    g_free(record->tm_mad);
    g_free(record->request);
    g_free(record);
}

static Vm *vm_new(gint32 id, const char *name, Template *template, Template *user_template)
{
    Vm *vm = g_new0(Vm, 1);
    object_init(&vm->head, KIND_VM, id, name, template);
    vm->user_template = user_template ? user_template : template_new();
    vm->snapshots = template_new();
    vm->backups = template_new();
    vm->records = g_ptr_array_new_with_free_func(record_free);
    vm->migrations = g_ptr_array_new_with_free_func(migration_free);
    vm->deploy_id = g_strdup("");
    vm->charges[0].host = vm->charges[1].host = -1;
    vm->frozen = -1;
    return vm;
}

static void vm_free(Object *object)
{
    Vm *vm = VM(object);
    g_ptr_array_unref(vm->records);
    g_ptr_array_unref(vm->migrations);
    g_clear_pointer(&vm->groups, g_array_unref);
    g_free(vm->deploy_id);
    g_free(vm->monitoring);
    g_free(vm->work.found[0]);
    g_free(vm->work.found[1]);
    g_free(vm->work.reason);
    g_free(vm->refused);
    template_free(vm->user_template);
    template_free(vm->operation);
    template_free(vm->snapshots);
    template_free(vm->backups);
    object_clear(object);
    g_free(vm);
}

Vm *vm_create(World *world, const char *name, gint32 uid, gint32 gid, Template *template,
              Template *user_template, gboolean hold)
{
    gint32 id = pool_next_id(world, KIND_VM);
    g_autofree char *own_name = name && *name ? g_strdup(name) : g_strdup_printf("one-%d", id);
    Vm *vm = vm_new(id, own_name, template, user_template);
    vm->head.uid = uid;
    vm->head.gid = gid;
    vm->state = vm->previous_state = hold ? VM_HOLD : VM_PENDING;
    vm->stime = core_now(world->core);
    template_set_int(template, "VMID", id);
    vm_backups_take(vm);
    TemplateAttribute *disk;
    for (guint i = 0; (disk = template_vector(template, "DISK", i)); i++)
        vm_snapshots_adopt(world, vm, disk);
    pool_add(world, &vm->head);
    return vm;
}

VmRecord *vm_last_record(const Vm *vm)
{
    return vm->records->len ? vm->records->pdata[vm->records->len - 1] : NULL;
}

VmRecord *vm_previous_record(const Vm *vm)
{
    return vm->records->len > 1 ? vm->records->pdata[vm->records->len - 2] : NULL;
}

VmRecord *vm_add_record(World *world, Vm *vm)
{
    VmRecord *last = vm_last_record(vm);
    VmRecord *record = g_new0(VmRecord, 1);
    record->seq = last ? last->seq + 1 : 0;
    record->stime = core_now(world->core);
    record->uid = record->gid = -1;
    record->datastore = record->plan = record->plan_action = -1;
    g_ptr_array_add(vm->records, record);
    return record;
}

void vm_drop_record(World *world, Vm *vm)
{
    VmRecord *record = vm_last_record(vm);
    StoreWrite *write = store_write_new(&history_table, STORE_DELETE);
    store_set_int(write, 0, vm->head.id);
    store_set_int(write, 1, record->seq);
    core_write(world->core, write);
    g_ptr_array_set_size(vm->records, (gint)vm->records->len - 1);
    host_pci_return(vm->head.template);
    object_changed(world, &vm->head);
}

void vm_set_state(World *world, Vm *vm, VmState state, VmLcm lcm)
{
    vm->previous_state = vm->state;
    vm->previous_lcm = vm->lcm;
    vm->state = state;
    vm->lcm = lcm;
    vm->resting_since = core_steady(world->core);
    if (state == VM_DONE && vm->previous_state != VM_DONE) {
        network_release_vm(world, vm);
        vm_group_count(world, vm);
        sched_actions_drop(world, KIND_VM, vm->head.id);
        vrouter_count(world, vm);
        /* Its disks came back: persistent ones have the size there that they had here. */
        if (vm->previous_lcm == LCM_EPILOG || vm->previous_lcm == LCM_EPILOG_FAILURE)
            vm_images_keep(world, vm);
        vm_images_release(world, vm->head.id, vm->head.template);
    }
    vm_recharge(world, vm);
    if (vm->charges[0].host < 0 && state != VM_DONE)
        host_pci_forget(vm->head.template);
    object_changed(world, &vm->head);
}

/* ---- what a machine takes from hosts ---- */

void vm_capacity(const Vm *vm, gint64 *cpu, gint64 *memory)
{
    double cores = 0;
    gint64 mib = 0;
    template_get_double(vm->head.template, "CPU", &cores);
    template_get_int(vm->head.template, "MEMORY", &mib);
    *cpu = (gint64)(cores * 100 + 0.5);
    *memory = mib * 1024;
}

/* While these last, the machine may be on either host of its last two records. */
static gboolean is_between_hosts(const Vm *vm)
{
    switch (vm->lcm) {
    case LCM_MIGRATE:
    case LCM_SAVE_MIGRATE:
    case LCM_PROLOG_MIGRATE:
    case LCM_PROLOG_MIGRATE_FAILURE:
    case LCM_PROLOG_MIGRATE_POWEROFF:
    case LCM_PROLOG_MIGRATE_POWEROFF_FAILURE:
    case LCM_PROLOG_MIGRATE_SUSPEND:
    case LCM_PROLOG_MIGRATE_SUSPEND_FAILURE:
    case LCM_PROLOG_MIGRATE_UNKNOWN:
    case LCM_PROLOG_MIGRATE_UNKNOWN_FAILURE:
    case LCM_CLEANUP_DELETE:
    case LCM_CLEANUP_RESUBMIT:
    case LCM_UNKNOWN: /* sight was lost while it moved */
        return vm->state == VM_ACTIVE;
    default:
        return FALSE;
    }
}

gboolean vm_is_moving(const Vm *vm)
{
    switch (vm->lcm) {
    case LCM_MIGRATE:
    case LCM_SAVE_MIGRATE:
    case LCM_PROLOG_MIGRATE:
    case LCM_PROLOG_MIGRATE_POWEROFF:
    case LCM_PROLOG_MIGRATE_SUSPEND:
    case LCM_PROLOG_MIGRATE_UNKNOWN:
    case LCM_BOOT_MIGRATE:
        return vm->state == VM_ACTIVE;
    default:
        return FALSE;
    }
}

static void charge(World *world, Vm *vm, VmCharge *now, VmCharge then)
{
    if (then.host < 0)
        then = (VmCharge){.host = -1};
    if (now->host == then.host && now->cpu == then.cpu && now->memory == then.memory &&
        now->disk == then.disk)
        return;
    if (now->host >= 0)
        host_discharge(world, now->host, vm->head.id, now->cpu, now->memory, now->disk);
    *now = then;
    if (then.host >= 0)
        host_charge(world, then.host, vm->head.id, then.cpu, then.memory, then.disk);
}

void vm_recharge(World *world, Vm *vm)
{
    gint64 cpu, memory, held, disk = vm_host_mb(world, vm);
    vm_capacity(vm, &cpu, &memory);
    /* While its size changes it holds the larger of both. */
    if (vm->operation && template_get_int(vm->operation, "HELD_CPU", &held))
        cpu = MAX(cpu, held);
    if (vm->operation && template_get_int(vm->operation, "HELD_MEMORY", &held))
        memory = MAX(memory, held);
    const VmRecord *last = vm_last_record(vm), *previous = vm_previous_record(vm);
    gboolean placed =
        last && !last->etime &&
        (vm->state == VM_ACTIVE || vm->state == VM_POWEROFF || vm->state == VM_SUSPENDED);
    gint32 here = placed ? last->host : -1;
    gint32 other =
        placed && previous && !previous->etime && is_between_hosts(vm) && previous->host != here
            ? previous->host
            : -1;
    /* The one given up first, so that a host is never charged twice for one machine. */
    if (vm->charges[0].host != here && vm->charges[0].host == other && other >= 0) {
        VmCharge swap = vm->charges[0];
        vm->charges[0] = vm->charges[1];
        vm->charges[1] = swap;
    }
    if (vm->charges[1].host != other)
        charge(world, vm, &vm->charges[1], (VmCharge){.host = -1});
    charge(world, vm, &vm->charges[0], (VmCharge){here, cpu, memory, disk});
    charge(world, vm, &vm->charges[1], (VmCharge){other, cpu, memory, disk});
}

gboolean vm_is_on(const Vm *vm, gint32 host)
{
    return host >= 0 && (vm->charges[0].host == host || vm->charges[1].host == host);
}

/* ---- rows ---- */

static const StoreColumn vm_columns[] = {
    HEAD_COLUMNS,
    {"last_poll", STORE_INT},
    {"state", STORE_INT},
    {"lcm_state", STORE_INT},
    {"previous_state", STORE_INT},
    {"previous_lcm_state", STORE_INT},
    {"resched", STORE_INT},
    {"stime", STORE_INT},
    {"etime", STORE_INT},
    {"deploy_id", STORE_TEXT},
    {"template", STORE_TEXT},
    {"user_template", STORE_TEXT},
    {"operation", STORE_TEXT},
    {"snapshots", STORE_TEXT},
    {"stayed", STORE_INT},
    {"backups", STORE_TEXT},
    {"frozen", STORE_INT},
    {NULL, STORE_INT},
};
const StoreTable vm_table = {"vm", 1, vm_columns};

static const StoreColumn history_columns[] = {
    {"vm", STORE_INT},          {"seq", STORE_INT},      {"host", STORE_INT},
    {"host_name", STORE_TEXT},  {"cluster", STORE_INT},  {"stime", STORE_INT},
    {"etime", STORE_INT},       {"vm_mad", STORE_TEXT},  {"tm_mad", STORE_TEXT},
    {"datastore", STORE_INT},   {"pstime", STORE_INT},   {"petime", STORE_INT},
    {"rstime", STORE_INT},      {"retime", STORE_INT},   {"estime", STORE_INT},
    {"eetime", STORE_INT},      {"action", STORE_INT},   {"uid", STORE_INT},
    {"gid", STORE_INT},         {"request", STORE_TEXT}, {"plan", STORE_INT},
    {"plan_action", STORE_INT}, {NULL, STORE_INT},
};
const StoreTable history_table = {"vm_history", 2, history_columns};

static StoreWrite *vm_row(World *world, const Object *object)
{
    const Vm *vm = (const Vm *)object;
    StoreWrite *row = store_write_new(&vm_table, STORE_PUT);
    guint i = head_to_row(object, row);
    store_set_int(row, i++, vm->last_poll);
    store_set_int(row, i++, vm->state);
    store_set_int(row, i++, vm->lcm);
    store_set_int(row, i++, vm->previous_state);
    store_set_int(row, i++, vm->previous_lcm);
    store_set_int(row, i++, vm->resched);
    store_set_int(row, i++, vm->stime);
    store_set_int(row, i++, vm->etime);
    store_set_text(row, i++, vm->deploy_id);
    store_take_text(row, i++, template_to_text(object->template));
    store_take_text(row, i++, template_to_text(vm->user_template));
    if (vm->operation)
        store_take_text(row, i++, template_to_text(vm->operation));
    else
        store_set_text(row, i++, "");
    store_take_text(row, i++, template_to_text(vm->snapshots));
    store_set_int(row, i++, vm->stayed);
    store_take_text(row, i++, template_to_text(vm->backups));
    store_set_int(row, i++, vm->frozen);
    return row;
}

static gboolean vm_load(World *world, const StoreValue *values, GError **error)
{
    const StoreValue *own = values + HEAD_END;
    g_autoptr(Template) template = template_parse(own[9].text, TEMPLATE_MODERN, error);
    g_autoptr(Template) user =
        template ? template_parse(own[10].text, TEMPLATE_MODERN, error) : NULL;
    g_autoptr(Template) operation =
        user ? template_parse(own[11].text, TEMPLATE_MODERN, error) : NULL;
    g_autoptr(Template) snapshots =
        operation ? template_parse(own[12].text, TEMPLATE_MODERN, error) : NULL;
    g_autoptr(Template) backups =
        snapshots ? template_parse(own[14].text, TEMPLATE_MODERN, error) : NULL;
    if (!backups) {
        g_prefix_error(error, "machine %" G_GINT64_FORMAT ": ", values[0].number);
        return FALSE;
    }
    Vm *vm = vm_new((gint32)values[0].number, values[1].text, g_steal_pointer(&template),
                    g_steal_pointer(&user));
    Object *head = &vm->head;
    head_from_row(head, values);
    vm->last_poll = own[0].number;
    vm->state = (VmState)own[1].number;
    vm->lcm = (VmLcm)own[2].number;
    vm->previous_state = (VmState)own[3].number;
    vm->previous_lcm = (VmLcm)own[4].number;
    vm->resched = own[5].number != 0;
    vm->stime = own[6].number;
    vm->etime = own[7].number;
    g_free(vm->deploy_id);
    vm->deploy_id = g_strdup(own[8].text);
    vm->operation = template_count(operation) ? g_steal_pointer(&operation) : NULL;
    template_free(vm->snapshots);
    vm->snapshots = g_steal_pointer(&snapshots);
    vm->stayed = own[13].number != 0;
    template_free(vm->backups);
    vm->backups = g_steal_pointer(&backups);
    vm->frozen = (gint)CLAMP(own[15].number, -1, 1);
    pool_add(world, head);
    return TRUE;
}

void vm_record_changed(World *world, Vm *vm, VmRecord *record)
{
    StoreWrite *row = store_write_new(&history_table, STORE_PUT);
    guint i = 0;
    store_set_int(row, i++, vm->head.id);
    store_set_int(row, i++, record->seq);
    store_set_int(row, i++, record->host);
    store_set_text(row, i++, record->host_name);
    store_set_int(row, i++, record->cluster);
    store_set_int(row, i++, record->stime);
    store_set_int(row, i++, record->etime);
    store_set_text(row, i++, record->vm_mad);
    store_set_text(row, i++, record->tm_mad);
    store_set_int(row, i++, record->datastore);
    store_set_int(row, i++, record->pstime);
    store_set_int(row, i++, record->petime);
    store_set_int(row, i++, record->rstime);
    store_set_int(row, i++, record->retime);
    store_set_int(row, i++, record->estime);
    store_set_int(row, i++, record->eetime);
    store_set_int(row, i++, record->action);
    store_set_int(row, i++, record->uid);
    store_set_int(row, i++, record->gid);
    store_set_text(row, i++, record->request);
    store_set_int(row, i++, record->plan);
    store_set_int(row, i++, record->plan_action);
    core_write(world->core, row);
    object_changed(world, &vm->head);
}

gboolean vm_load_record(World *world, const StoreValue *values, GError **error)
{
    Vm *vm = vm_get(world, (gint32)values[0].number);
    if (!vm) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                    "history record %" G_GINT64_FORMAT " belongs to machine %" G_GINT64_FORMAT
                    ", which does not exist",
                    values[1].number, values[0].number);
        return FALSE;
    }
    VmRecord *record = g_new0(VmRecord, 1);
    record->seq = (gint)values[1].number;
    record->host = (gint32)values[2].number;
    record->host_name = g_strdup(values[3].text);
    record->cluster = (gint32)values[4].number;
    record->stime = values[5].number;
    record->etime = values[6].number;
    record->vm_mad = g_strdup(values[7].text);
    record->tm_mad = g_strdup(values[8].text);
    record->datastore = (gint32)values[9].number;
    record->pstime = values[10].number;
    record->petime = values[11].number;
    record->rstime = values[12].number;
    record->retime = values[13].number;
    record->estime = values[14].number;
    record->eetime = values[15].number;
    record->action = (gint)values[16].number;
    record->uid = (gint32)values[17].number;
    record->gid = (gint32)values[18].number;
    record->request = g_strdup(values[19].text);
    record->plan = (gint32)values[20].number;
    record->plan_action = (gint32)values[21].number;
    g_ptr_array_add(vm->records, record);
    return TRUE;
}

void vm_render(World *world, Object *object, GString *xml);
void vm_render_brief(World *world, Object *object, GString *xml);

const KindOperations vm_operations = {vm_render, vm_render_brief, vm_row,
                                      vm_load,   &vm_table,       vm_free};
