/* The records of migrations: opened by the order, closed by the state it ends in. */
#include "server/lifecycle/internal.h"
#include "server/lifecycle/cluster_plan.h"

#include "server/model/storage/datastore.h"

static MigrationKind kind_of(const Vm *vm, VmLcm phase, gint type)
{
    static const MigrationKind types[] = {MIGRATION_SAVE, MIGRATION_POWEROFF,
                                          MIGRATION_POWEROFF_HARD};
    if (phase == LCM_MIGRATE)
        return MIGRATION_LIVE;
    if (phase == LCM_PROLOG_MIGRATE_UNKNOWN)
        return MIGRATION_POWEROFF_HARD; /* the old host is told to end it */
    return vm->state == VM_POWEROFF    ? MIGRATION_POWEROFF
           : vm->state == VM_SUSPENDED ? MIGRATION_SAVE
                                       : types[type];
}

void vm_migration_ordered(Lifecycle *lifecycle, Vm *vm, VmLcm phase, const VmMove *order,
                          const char *instead)
{
    const VmRecord *from = vm_previous_record(vm), *to = vm_last_record(vm);
    Migration *before = migration_last(vm);
    if (before && before->record >= 0) { /* where it went will never be known */
        before->record = -1;
        migration_changed(lifecycle->world, vm, before);
    }
    Migration *migration = migration_add(lifecycle->world, vm);
    migration->record = to->seq;
    migration->source = from->host;
    migration->source_name = g_strdup(from->host_name);
    migration->destination = to->host;
    migration->destination_name = g_strdup(to->host_name);
    migration->kind = kind_of(vm, phase, order->type);
    if (migration->kind == MIGRATION_LIVE)
        migration->storage = g_strdup(vm_storage_is_shared(lifecycle, to) ? "shared" : "mirrored");
    if (instead) {
        migration->mode = g_strdup("stopped");
        migration->reason = g_strdup(instead);
    }
    if (order->options)
        migration->options = template_to_text(order->options);
    migration_changed(lifecycle->world, vm, migration);
}

void vm_migration_figures(Lifecycle *lifecycle, Vm *vm, const char *info)
{
    Migration *migration = migration_last(vm);
    if (!migration || migration->result != MIGRATION_RUNNING)
        return;
    migration_take_figures(migration, info);
    migration_changed(lifecycle->world, vm, migration);
}

/* What the driver needs to give a migration up and to see where the machine is. */
#define END_SECONDS 120

guint vm_migration_limit(const Vm *vm)
{
    const Migration *migration = migration_last(vm);
    const char *text = migration ? migration->options : NULL;
    g_autoptr(Template) options =
        text && *text ? template_parse(text, TEMPLATE_MODERN, NULL) : NULL;
    const char *limit = options ? template_get_pair(options, "MIGRATE", "TIME_LIMIT") : NULL;
    guint64 seconds = limit ? g_ascii_strtoull(limit, NULL, 10) : 0;
    return seconds ? (guint)MIN(seconds, G_MAXINT32) + END_SECONDS : 0;
}

/* ---- closing ---- */

static void set_result(Lifecycle *lifecycle, Vm *vm, Migration *migration, MigrationResult result,
                       const char *reason)
{
    Core *core = lifecycle->world->core;
    /* What was said of the way when it was ordered holds as long as nothing went wrong. */
    gboolean keep = migration->reason && migration->result == MIGRATION_RUNNING &&
                    result == MIGRATION_SUCCESS && !reason;
    migration->result = result;
    if (!keep) {
        g_free(migration->reason);
        migration->reason = g_strdup(reason ? reason : "");
    }
    migration->ended = result == MIGRATION_RUNNING ? 0 : core_now(core);
    migration->figures[FIGURE_ELAPSED_MS] = result == MIGRATION_RUNNING ? -1
                                            : migration->since
                                                ? (core_steady(core) - migration->since) / 1000
                                                : (migration->ended - migration->started) * 1000;
    vm_log(lifecycle, vm, LOG_INFO, "migration %d from host %s to host %s: %s", migration->number,
           migration->source_name, migration->destination_name, migration_result_name(result));
}

/* The machine rests: that tells whether the order was carried out. */
static void close_at_rest(Lifecycle *lifecycle, Vm *vm, Migration *migration, const char *reason)
{
    const VmRecord *last = vm_last_record(vm);
    gboolean runs = vm->state == VM_ACTIVE && vm->lcm == LCM_RUNNING;
    gboolean unknown = migration->result == MIGRATION_UNKNOWN;
    if (!last || last->seq < migration->record)
        set_result(lifecycle, vm, migration, MIGRATION_FAILURE, reason);
    else if (runs && last->host == migration->destination)
        set_result(lifecycle, vm, migration, MIGRATION_SUCCESS, reason);
    else if (runs)
        set_result(lifecycle, vm, migration, MIGRATION_FAILURE, "it was found on another host");
    else if (!unknown)
        set_result(lifecycle, vm, migration, MIGRATION_SUCCESS, NULL);
    migration->record = -1;
}

static gboolean is_on_its_way(const Vm *vm)
{
    return vm_is_moving(vm) || (vm->state == VM_ACTIVE && vm->lcm == LCM_BOOT);
}

static gboolean is_at_rest(const Vm *vm)
{
    return vm->state == VM_POWEROFF || vm->state == VM_SUSPENDED ||
           (vm->state == VM_ACTIVE && vm->lcm == LCM_RUNNING);
}

static void follow(Lifecycle *lifecycle, Vm *vm, Migration *migration, const char *reason)
{
    const VmRecord *last = vm_last_record(vm);
    gboolean lost = vm->state == VM_ACTIVE && vm->lcm == LCM_UNKNOWN;
    if (is_at_rest(vm)) {
        close_at_rest(lifecycle, vm, migration, reason);
    } else if (vm->state == VM_ACTIVE && vm_is_failure(vm->lcm)) {
        set_result(lifecycle, vm, migration, MIGRATION_FAILURE, reason); /* may be tried again */
    } else if (lost && last && last->seq >= migration->record) {
        set_result(lifecycle, vm, migration, MIGRATION_UNKNOWN, reason);
    } else {
        if (migration->result == MIGRATION_RUNNING)
            set_result(lifecycle, vm, migration, MIGRATION_FAILURE,
                       reason ? reason : "given up: another action was asked for");
        migration->record = -1;
    }
}

void vm_migration_follow(Lifecycle *lifecycle, Vm *vm, const char *reason)
{
    Migration *migration = migration_last(vm);
    if (!migration || migration->record < 0)
        return;
    if (!is_on_its_way(vm))
        follow(lifecycle, vm, migration, reason);
    else if (migration->result != MIGRATION_RUNNING) /* a step that failed is tried again */
        set_result(lifecycle, vm, migration, MIGRATION_RUNNING, NULL);
    else
        return;
    migration_changed(lifecycle->world, vm, migration);
    plans_look_soon(lifecycle);
}
