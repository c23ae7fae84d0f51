/* Turns the tables of vm_table.c into motion. */
#include "server/lifecycle/internal.h"

#include "server/model/machine/vm_backups.h"
#include "server/model/machine/vm_snapshots.h"

#include <string.h>

void vm_forget_work(Lifecycle *lifecycle, Vm *vm)
{
    lifecycle_cancel(lifecycle, vm->work.request);
    lifecycle_forget(lifecycle, vm->work.polls[0]);
    lifecycle_forget(lifecycle, vm->work.polls[1]);
    core_timer_cancel(lifecycle->world->core, vm->work.timer);
    g_free(vm->work.found[0]);
    g_free(vm->work.found[1]);
    g_free(vm->work.reason);
    memset(&vm->work, 0, sizeof vm->work);
}

void vm_set_error(Lifecycle *lifecycle, Vm *vm, const char *reason)
{
    g_autoptr(GDateTime) now = g_date_time_new_from_unix_local(core_now(lifecycle->world->core));
    g_autofree char *stamp = g_date_time_format(now, "%a %b %e %H:%M:%S %Y");
    g_autofree char *text = g_strdup_printf("%s: %s", stamp, reason);
    template_set(vm->user_template, "ERROR", text);
    object_changed(lifecycle->world, &vm->head);
}

void vm_note_failure(Lifecycle *lifecycle, Vm *vm, const char *reason)
{
    vm_set_error(lifecycle, vm, reason);
    log_warning("VM", "Machine %s (%d): %s", vm->head.name, vm->head.id, reason);
    vm_log(lifecycle, vm, LOG_ERROR, "%s", reason);
}

void vm_close_record(Lifecycle *lifecycle, Vm *vm, VmRecord *record)
{
    gint64 now = core_now(lifecycle->world->core);
    if (!record || record->etime)
        return;
    record->etime = now;
    if (record->rstime && !record->retime)
        record->retime = now;
    vm_record_changed(lifecycle->world, vm, record);
}

void vm_note_action(Lifecycle *lifecycle, Vm *vm, VmRecord *record, gint number,
                    const VmAsker *asker)
{
    if (!record)
        return;
    record->action = number;
    if (asker) {
        record->uid = asker->uid;
        record->gid = asker->gid;
        g_free(record->request);
        record->request = g_strdup_printf("%" G_GUINT64_FORMAT, asker->request);
    }
    vm_record_changed(lifecycle->world, vm, record);
}

/* ---- times of the record ---- */

static void begin_times(Lifecycle *lifecycle, Vm *vm, const VmPhase *phase)
{
    VmRecord *record = vm_last_record(vm);
    gint64 now = core_now(lifecycle->world->core);
    if (!record)
        return;
    if (phase->times == TIMES_PROLOG)
        record->pstime = now;
    else if (phase->times == TIMES_EPILOG)
        record->estime = now;
    else
        return;
    vm_record_changed(lifecycle->world, vm, record);
}

static void end_times(Lifecycle *lifecycle, Vm *vm, const VmPhase *phase, gboolean success)
{
    VmRecord *record = vm_last_record(vm);
    gint64 now = core_now(lifecycle->world->core);
    if (!record)
        return;
    if (phase->times == TIMES_PROLOG)
        record->petime = now;
    else if (phase->times == TIMES_EPILOG)
        record->eetime = now;
    else if (phase->times == TIMES_RUNNING && success)
        record->retime = now;
    else
        return;
    vm_record_changed(lifecycle->world, vm, record);
}

static void entered_running(Lifecycle *lifecycle, Vm *vm)
{
    VmRecord *record = vm_last_record(vm);
    if (record && !record->rstime) {
        record->rstime = core_now(lifecycle->world->core);
        record->retime = 0;
        vm_record_changed(lifecycle->world, vm, record);
    }
    if (vm->resched && vm->previous_lcm != LCM_RUNNING && vm->previous_lcm != LCM_UNKNOWN)
        vm->resched = FALSE;
}

/* ---- entering and leaving ---- */

void vm_enter(Lifecycle *lifecycle, Vm *vm, VmState state, VmLcm lcm)
{
    World *world = lifecycle->world;
    gint64 cpu = vm->charges[0].cpu + vm->charges[1].cpu;
    g_autofree char *reason = g_steal_pointer(&vm->work.reason);
    vm_forget_work(lifecycle, vm);
    vm_change_left(lifecycle, vm, state, lcm);
    vm_note_frozen(lifecycle, vm, state, lcm);
    vm_set_state(world, vm, state, lcm);
    if (lcm != LCM_UNKNOWN)
        vm->stayed = vm->undecided = FALSE; /* that was an earlier migration */
    vm_log(lifecycle, vm, LOG_INFO, "New state is %s%s%s", vm_state_name(state),
           state == VM_ACTIVE ? ", active state is " : "",
           state == VM_ACTIVE ? vm_lcm_name(lcm) : "");
    vm_migration_follow(lifecycle, vm, reason);
    if (state == VM_DONE && !vm->etime) {
        vm->etime = core_now(world->core);
        vm_close_record(lifecycle, vm, vm_last_record(vm));
        lifecycle_forget_samples(lifecycle, SAMPLE_VM, vm->head.id);
    }
    if (state == VM_PENDING || vm->charges[0].cpu + vm->charges[1].cpu < cpu)
        lifecycle_ring(lifecycle);
    if (state == VM_ACTIVE && lcm == LCM_RUNNING)
        entered_running(lifecycle, vm);
    object_entered(world, &vm->head);
    leftovers_clean_of(lifecycle, vm);
    vm_groups_follow(lifecycle, vm);
    vm_exec_follow(lifecycle, vm);
    const VmPhase *phase = state == VM_ACTIVE ? vm_phase(lcm) : NULL;
    if (!phase)
        return;
    begin_times(lifecycle, vm, phase);
    vm->work.step = vm_change_step(vm);
    vm_begin_step(lifecycle, vm);
}

void lifecycle_vm_created(Lifecycle *lifecycle, Vm *vm)
{
    vm_log(lifecycle, vm, LOG_INFO, "machine %s made by user %d, state is %s", vm->head.name,
           vm->head.uid, vm_state_name(vm->state));
    object_entered(lifecycle->world, &vm->head);
    if (vm->state == VM_PENDING)
        lifecycle_ring(lifecycle);
}

void vm_take_up_migration(Lifecycle *lifecycle, Vm *vm, const char *why)
{
    vm_forget_work(lifecycle, vm);
    vm_set_state(lifecycle->world, vm, VM_ACTIVE, LCM_MIGRATE);
    vm->undecided = FALSE;
    vm_log(lifecycle, vm, LOG_INFO, "New state is ACTIVE, active state is MIGRATE: %s", why);
    vm_migration_follow(lifecycle, vm, NULL);
    object_entered(lifecycle->world, &vm->head);
    while (vm_current_step(vm) != STEP_MIGRATE)
        vm->work.step++;
    vm_ask_truth(lifecycle, vm, why);
}

/* The step after all steps is the one that undoes, and then there may be one more. */
#define UNDO_STEP G_N_ELEMENTS(((VmPhase *)NULL)->steps)

VmStep vm_current_step(const Vm *vm)
{
    const VmPhase *phase = vm->state == VM_ACTIVE ? vm_phase(vm->lcm) : NULL;
    if (!phase)
        return STEP_NONE;
    if (vm->work.step >= UNDO_STEP)
        return vm->work.step == UNDO_STEP ? phase->undo : phase->undo_more;
    return phase->steps[vm->work.step];
}

gboolean vm_is_kept(const Vm *vm)
{
    return vm->work.step == UNDO_STEP && !vm->work.undone;
}

/* An order that sets itself a longer limit is not given up before. */
static guint step_timeout(Lifecycle *lifecycle, const Vm *vm, const VmStepRow *row)
{
    guint seconds = lifecycle_timeout(lifecycle, row->timeout, row->seconds);
    return row->step == STEP_MIGRATE ? MAX(seconds, vm_migration_limit(vm)) : seconds;
}

void vm_begin_step(Lifecycle *lifecycle, Vm *vm)
{
    VmStep step = vm_current_step(vm);
    gboolean undoing = vm->work.step >= UNDO_STEP;
    while (step == STEP_NONE && !undoing && vm->work.step < UNDO_STEP - 1) {
        vm->work.step++;
        step = vm_current_step(vm);
    }
    if (step == STEP_NONE) {
        g_autofree char *reason = g_strdup(vm->work.reason);
        vm_phase_ended(lifecycle, vm, !undoing, reason);
        return;
    }
    vm_doubt_step(lifecycle, vm, step);
    DriverRequest *request = vm_step_request(lifecycle, vm, step);
    if (!request) {
        vm_step_ended(lifecycle, vm, TRUE, "");
        return;
    }
    const VmStepRow *row = vm_step_row(step);
    vm->work.since = core_steady(lifecycle->world->core);
    vm->work.request = lifecycle_ask(lifecycle, request, ASKED_STEP, vm->head.id, 0,
                                     step_timeout(lifecycle, vm, row));
}

void vm_note_deploy_id(Lifecycle *lifecycle, Vm *vm, const char *id)
{
    if (!id || !*id || !strcmp(id, "-") || !g_strcmp0(vm->deploy_id, id))
        return;
    g_free(vm->deploy_id);
    vm->deploy_id = g_strdup(id);
    object_changed(lifecycle->world, &vm->head);
}

static void next_step(Lifecycle *lifecycle, Vm *vm)
{
    vm->work.attempts = 0;
    vm->work.undone = vm->work.step >= UNDO_STEP;
    if (vm->work.step + 1 == UNDO_STEP || vm->work.step > UNDO_STEP) {
        g_autofree char *reason = g_strdup(vm->work.reason);
        vm_phase_ended(lifecycle, vm, vm->work.step < UNDO_STEP, reason);
        return;
    }
    vm->work.step++;
    vm_change_stepped(lifecycle, vm);
    vm_begin_step(lifecycle, vm);
}

static void undo(Lifecycle *lifecycle, Vm *vm)
{
    vm->work.failed = vm->work.step;
    vm->work.step = UNDO_STEP;
    vm->work.asking = FALSE;
    vm->work.attempts = 0;
    vm_begin_step(lifecycle, vm);
}

/* What was begun cannot be taken back: both reasons are told. */
static void undo_failed(Lifecycle *lifecycle, Vm *vm, const char *info)
{
    g_autofree char *reason =
        g_strdup_printf("%s; it is not known whether anything of it is left, so it is kept: %s",
                        vm->work.reason, info && *info ? info : "the driver gave no reason");
    vm_phase_ended(lifecycle, vm, FALSE, reason);
}

/* DEPLOY was answered: "<deploy id>", and behind it " RAW=0,2" names disks that the driver had to
 * make raw; they are what they are wherever they are copied to. */
static void note_deployed(Lifecycle *lifecycle, Vm *vm, const char *info)
{
    const char *list = info ? strstr(info, " RAW=") : NULL;
    g_autofree char *id = list ? g_strndup(info, (gsize)(list - info)) : g_strdup(info);
    g_autoptr(GArray) disks = ids_parse(list ? list + strlen(" RAW=") : "");
    vm_note_deploy_id(lifecycle, vm, id);
    for (guint i = 0; i < disks->len; i++) {
        TemplateAttribute *disk = vm_device(vm, "DISK", g_array_index(disks, gint32, i));
        if (!disk || strcmp(vm_backups_format(disk), "raw") == 0)
            continue;
        attribute_set(disk, "CONVERTED_FROM", vm_backups_format(disk));
        attribute_set(disk, "DRIVER", "raw");
        object_changed(lifecycle->world, &vm->head);
        vm_log(lifecycle, vm, LOG_INFO, "disk %d is raw now", g_array_index(disks, gint32, i));
    }
}

/* The machine is made anew of its images: so are disks that were made raw. */
static void forget_conversions(Vm *vm)
{
    TemplateAttribute *disk;
    for (guint i = 0; (disk = template_vector(vm->head.template, "DISK", i)); i++)
        if (attribute_get(disk, "CONVERTED_FROM")) {
            attribute_set(disk, "DRIVER", attribute_get(disk, "CONVERTED_FROM"));
            attribute_set(disk, "CONVERTED_FROM", NULL);
        }
}

/* Its backup failed, and the guest may stand still since: who reads why must read that, too. */
static void add_reason(Vm *vm, const char *info)
{
    g_autofree char *first = vm->work.reason;
    vm->work.reason = g_strdup_printf("%s; what was begun could not be ended: %s", first,
                                      info && *info ? info : "the driver gave no reason");
}

void vm_step_ended(Lifecycle *lifecycle, Vm *vm, gboolean success, const char *info)
{
    VmStep step = vm_current_step(vm);
    const VmStepRow *row = vm_step_row(step);
    const VmPhase *phase = vm_phase(vm->lcm);
    if (!phase)
        return;
    if (success && step == STEP_BACKUP_TAKE && !vm_backup_taken(vm, info)) {
        success = FALSE;
        info = "BACKUP: the driver took an increment though there is nothing that it adds to";
    }
    if (success || row->best_effort) {
        const VmRecord *left = vm_left_record(vm, step);
        if (!success && left)
            leftover_note(lifecycle, vm, left);
        if (!success && step == STEP_BACKUP_DROP)
            add_reason(vm, info);
        if (success && step == STEP_DEPLOY)
            note_deployed(lifecycle, vm, info);
        if (step == STEP_MIGRATE)
            vm_migration_figures(lifecycle, vm, info);
        if (success &&
            (step == STEP_SNAPSHOT || step == STEP_BACKUP_TAKE || step == STEP_BACKUP_KEEP))
            vm_change_answered(vm, info);
        next_step(lifecycle, vm);
        return;
    }
    if (vm->work.step >= UNDO_STEP) {
        undo_failed(lifecycle, vm, info);
        return;
    }
    g_free(vm->work.reason);
    vm->work.reason = g_strdup(info && *info ? info : "the driver gave no reason");
    if (row->expectation == EXPECT_MOVED && !vm->work.asking) {
        /* Whatever the hypervisor answered, the hosts know where the machine runs. */
        vm_ask_truth(lifecycle, vm, vm->work.reason);
        return;
    }
    if (phase->undo != STEP_NONE) {
        undo(lifecycle, vm);
        return;
    }
    g_autofree char *reason = g_strdup(vm->work.reason);
    vm_phase_ended(lifecycle, vm, FALSE, reason);
}

void vm_phase_ended(Lifecycle *lifecycle, Vm *vm, gboolean success, const char *reason)
{
    const VmPhase *phase = vm_phase(vm->lcm);
    VmTarget target = success ? phase->success : phase->failure;
    gboolean doubted = success && vm->work.over;
    end_times(lifecycle, vm, phase, success);
    if (!success) {
        g_autofree char *text = g_strdup_printf("%s failed: %s", vm_lcm_name(vm->lcm),
                                                reason ? reason : "the driver gave no reason");
        vm_note_failure(lifecycle, vm, text);
        g_free(vm->work.reason);
        vm->work.reason = g_strdup(reason); /* vm_enter() puts it on record */
    } else if (template_get(vm->user_template, "ERROR")) {
        template_set(vm->user_template, "ERROR", NULL);
    }
    if (phase->leave)
        phase->leave(lifecycle, vm, success, &target);
    /* A driver that could do nothing has not seen it running either. */
    if (!success && !vm->work.seen && target.state == VM_ACTIVE && target.lcm == LCM_RUNNING &&
        vm->previous_state == VM_ACTIVE && vm->previous_lcm == LCM_UNKNOWN)
        target.lcm = LCM_UNKNOWN;
    if (target.state == VM_PENDING && template_get_bool(vm->head.template, "SUBMIT_ON_HOLD", FALSE))
        target.state = VM_HOLD;
    vm_enter(lifecycle, vm, target.state, target.lcm);
    if (doubted)
        vm_confirm_start(lifecycle, vm);
}

/* ---- hooks of the phases ---- */

void vm_leave_migrate(Lifecycle *lifecycle, Vm *vm, gboolean success, VmTarget *target)
{
    VmRecord *previous = vm_previous_record(vm);
    if (vm->work.off)
        *target = (VmTarget){VM_POWEROFF, LCM_INIT};
    if (success) {
        vm_close_record(lifecycle, vm, previous);
        return;
    }
    vm_drop_record(lifecycle->world, vm);
    vm_note_action(lifecycle, vm, vm_last_record(vm), VM_ACTION_NONE, NULL);
}

void vm_leave_save_migrate(Lifecycle *lifecycle, Vm *vm, gboolean success, VmTarget *target)
{
    if (success)
        vm_close_record(lifecycle, vm, vm_previous_record(vm));
    else
        vm_leave_migrate(lifecycle, vm, FALSE, target);
}

void vm_leave_prolog_migrate(Lifecycle *lifecycle, Vm *vm, gboolean success, VmTarget *target)
{
    const VmRecord *previous = vm_previous_record(vm);
    if (success && previous && previous->action != VM_ACTION_MIGRATE)
        target->lcm = LCM_BOOT; /* it was powered off, there is no saved state */
}

void vm_leave_move(Lifecycle *lifecycle, Vm *vm, gboolean success, VmTarget *target)
{
    if (success)
        vm_close_record(lifecycle, vm, vm_previous_record(vm));
}

/* Until the old host has said that the machine is off there, nothing has moved. */
void vm_leave_evict(Lifecycle *lifecycle, Vm *vm, gboolean success, VmTarget *target)
{
    if (success) {
        vm_close_record(lifecycle, vm, vm_previous_record(vm));
    } else if (vm_current_step(vm) == STEP_EVICT) {
        vm_leave_migrate(lifecycle, vm, FALSE, target);
        target->lcm = LCM_UNKNOWN;
    }
}

void vm_leave_host(Lifecycle *lifecycle, Vm *vm, gboolean success, VmTarget *target)
{
    if (success)
        vm_close_record(lifecycle, vm, vm_last_record(vm));
}

/* A machine that could not be removed from its host may still run there, on its disks: it is not
 * gone, and nothing was deleted. */
void vm_leave_cleanup(Lifecycle *lifecycle, Vm *vm, gboolean success, VmTarget *target)
{
    if (!success) {
        /* The record of the other host of a migration stays open: it may be there as well. */
        vm_log(lifecycle, vm, LOG_WARNING,
               "nothing was deleted. When the host is off for good, say so (onehost offline) and "
               "delete the machine again");
        return;
    }
    vm_close_record(lifecycle, vm, vm_previous_record(vm));
    vm_close_record(lifecycle, vm, vm_last_record(vm));
    g_free(vm->deploy_id);
    vm->deploy_id = g_strdup("");
    if (target->state == VM_PENDING) {
        forget_conversions(vm);
        vm_snapshots_renew(lifecycle->world, vm);
    }
}
