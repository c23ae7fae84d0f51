/* What users and the scheduler ask for: deploy, the action words, recover. */
#include "server/lifecycle/internal.h"

#include "lib/base/error.h"
#include "server/model/storage/datastore.h"
#include "server/model/place/host_pci.h"
#include "server/model/people/quota.h"
#include "server/model/machine/vm_room.h"

#include <string.h>

#define refuse(error, ...) (g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION, __VA_ARGS__), FALSE)

/* A machine that may be on either of two hosts is left alone until one of them has said so. */
gboolean vm_refuse_lost(const Vm *vm, GError **error)
{
    if (!vm_is_lost(vm))
        return FALSE;
    (void)refuse(error,
                 "The machine may run on host %s or on host %s; wait until both can be asked, or "
                 "delete it (recover --delete)",
                 vm_previous_record(vm)->host_name, vm_last_record(vm)->host_name);
    return TRUE;
}

/* ---- where to ---- */

static Datastore *pick_datastore(World *world, const Host *host)
{
    GPtrArray *datastores = world->pools[KIND_DATASTORE].order;
    for (guint i = 0; i < datastores->len; i++) {
        Datastore *datastore = datastores->pdata[i];
        if (datastore->type == DATASTORE_SYSTEM && datastore->state == 0 &&
            ids_contain(datastore->clusters, host->cluster))
            return datastore;
    }
    return NULL;
}

Datastore *vm_place_datastore(World *world, const VmPlace *place, const Host *host,
                              const VmRecord *last, GError **error)
{
    gint32 id = place->datastore >= 0 ? place->datastore : last ? last->datastore : -1;
    Datastore *datastore = id >= 0 ? datastore_get(world, id) : pick_datastore(world, host);
    if (!datastore && id >= 0)
        g_set_error(error, ONE_ERROR, ONE_ERROR_NO_EXISTS, "Error getting datastore [%d].", id);
    else if (!datastore)
        (void)refuse(error,
                     "There is no enabled system datastore in cluster %d of host %s; name one, "
                     "or add one to the cluster",
                     host->cluster, host->head.name);
    else if (datastore->type != DATASTORE_SYSTEM) {
        (void)refuse(error, "Datastore %d (%s) is not a system datastore", datastore->head.id,
                     datastore->head.name);
        return NULL;
    }
    return datastore;
}

Host *vm_place_host(World *world, const VmPlace *place, GError **error)
{
    Host *host = host_get(world, place->host);
    if (!host) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_NO_EXISTS, "Error getting host [%d].", place->host);
        return NULL;
    }
    if (host->state == HOST_OFFLINE) {
        (void)refuse(error, "Host is offline, cannot use it to deploy VM");
        return NULL;
    }
    return host;
}

VmRecord *vm_new_record(Lifecycle *lifecycle, Vm *vm, const Host *host, const Datastore *datastore)
{
    const char *transfer = template_get(host->head.template, "TM_MAD"); /* hosts of 2009 */
    VmRecord *record = vm_add_record(lifecycle->world, vm);
    record->host = host->head.id;
    record->host_name = g_strdup(host->head.name);
    record->cluster = host->cluster;
    record->vm_mad = g_strdup(host->vm_mad);
    record->tm_mad = g_strdup(transfer && *transfer ? transfer : datastore->tm_mad);
    record->datastore = datastore->head.id;
    template_set(vm->head.template, "TM_MAD_SYSTEM", record->tm_mad);
    vm_record_changed(lifecycle->world, vm, record);
    return record;
}

/* ---- deploy ---- */

static VmLcm deploy_phase(const Vm *vm)
{
    const VmRecord *last = vm_last_record(vm);
    if (!last)
        return LCM_PROLOG;
    if (last->action == VM_ACTION_STOP)
        return LCM_PROLOG_RESUME;
    if (last->action == VM_ACTION_UNDEPLOY || last->action == VM_ACTION_UNDEPLOY_HARD)
        return LCM_PROLOG_UNDEPLOY;
    return LCM_PROLOG;
}

/* One domain cannot be two machines. */
static gboolean is_taken(World *world, const Vm *vm, const Host *host, GError **error)
{
    for (guint i = 0; vm_is_imported(vm) && i < host->vms->len; i++) {
        const Vm *other = vm_get(world, g_array_index(host->vms, gint32, i));
        if (other && other != vm && !g_strcmp0(other->deploy_id, vm->deploy_id))
            return !refuse(error, "%s on host %s is machine %d already", vm->deploy_id,
                           host->head.name, other->head.id);
    }
    return FALSE;
}

/* The quotas of its owner allow the machine to be in that state. */
static gboolean may_be(World *world, const Vm *vm, VmTarget target, gint32 cluster, GError **error)
{
    Vm then = *vm;
    then.state = target.state;
    then.lcm = target.lcm;
    return quota_allows_vm(world, &then, cluster, error);
}

gboolean vm_deploy(Lifecycle *lifecycle, Vm *vm, const VmPlace *place, const VmAsker *asker,
                   GError **error)
{
    World *world = lifecycle->world;
    if (vm->state != VM_PENDING && vm->state != VM_HOLD && vm->state != VM_STOPPED &&
        vm->state != VM_UNDEPLOYED)
        return refuse(error, "Deploy action is not available for state %s", vm_shown_state(vm));
    Host *host = vm_place_host(world, place, error);
    gint64 cpu, memory;
    vm_capacity(vm, &cpu, &memory);
    if (!host || (place->enforce && !vm_is_on(vm, host->head.id) &&
                  !host_has_room(host, cpu, memory, error)))
        return FALSE;
    if (is_taken(world, vm, host, error))
        return FALSE;
    VmLcm phase = deploy_phase(vm);
    Datastore *datastore = vm_place_datastore(
        world, place, host, phase == LCM_PROLOG ? NULL : vm_last_record(vm), error);
    /* A machine that ran has its disks already. */
    if (datastore && place->enforce && phase == LCM_PROLOG &&
        !vm_fits_datastore(world, vm, host, datastore, error))
        return FALSE;
    if (!datastore || !may_be(world, vm, (VmTarget){VM_ACTIVE, phase}, host->cluster, error))
        return FALSE;
    g_autoptr(Template) after = template_copy(vm->head.template);
    if (!host_pci_choose(world, host, vm, after, FALSE, error))
        return FALSE;
    template_free(vm->head.template);
    vm->head.template = g_steal_pointer(&after);
    vm_new_record(lifecycle, vm, host, datastore);
    if (template_get(vm->user_template, "SCHED_MESSAGE"))
        template_set(vm->user_template, "SCHED_MESSAGE", NULL);
    vm_log(lifecycle, vm, LOG_INFO, "deploy on host %s, datastore %d", host->head.name,
           datastore->head.id);
    vm_enter(lifecycle, vm, VM_ACTIVE, phase);
    return TRUE;
}

/* ---- the action words ---- */

static gboolean flag_resched(Lifecycle *lifecycle, Vm *vm, gboolean on)
{
    vm->resched = on;
    object_changed(lifecycle->world, &vm->head);
    if (on)
        lifecycle_ring(lifecycle);
    return TRUE;
}

static gboolean send_aside(Lifecycle *lifecycle, Vm *vm, const char *action)
{
    DriverRequest *request = vm_hypervisor_request(lifecycle, vm, vm_last_record(vm), action);
    vm_log(lifecycle, vm, LOG_INFO, "%s", action);
    lifecycle_ask(lifecycle, request, ASKED_ASIDE, vm->head.id, 0,
                  lifecycle_timeout(lifecycle, action, 300));
    return TRUE;
}

void vm_renew_record(Lifecycle *lifecycle, Vm *vm)
{
    World *world = lifecycle->world;
    VmRecord *last = vm_last_record(vm);
    VmRecord *record = vm_add_record(world, vm);
    record->host = last->host;
    record->host_name = g_strdup(last->host_name);
    record->cluster = last->cluster;
    record->vm_mad = g_strdup(last->vm_mad);
    record->tm_mad = g_strdup(last->tm_mad);
    record->datastore = last->datastore;
    vm_close_record(lifecycle, vm, last);
    vm_record_changed(world, vm, record);
}

static gboolean enter_by_action(Lifecycle *lifecycle, Vm *vm, const VmActionRow *row,
                                const VmAsker *asker, GError **error)
{
    /* One that was stopped and waits to go on has its files on the front-end. */
    gboolean has_files = row->target.state == VM_DONE && deploy_phase(vm) != LCM_PROLOG;
    if (!has_files && !may_be(lifecycle->world, vm, row->target, -1, error))
        return FALSE;
    gboolean resumes_here =
        !strcmp(row->word, "resume") && vm->state != VM_STOPPED && vm->state != VM_UNDEPLOYED;
    if (resumes_here && vm->state != VM_ACTIVE)
        vm_renew_record(lifecycle, vm);
    else if (strcmp(row->word, "resume") != 0 && strcmp(row->word, "hold") != 0 &&
             strcmp(row->word, "release") != 0)
        vm_note_action(lifecycle, vm, vm_last_record(vm), row->number, asker);
    if (has_files)
        vm_enter(lifecycle, vm, VM_ACTIVE, LCM_EPILOG);
    else
        vm_enter(lifecycle, vm, row->target.state, row->target.lcm);
    return TRUE;
}

/* What the driver must be able to do for an action, beyond what all can, and lacks; NULL: nothing.
 */
static const char *lacking(Lifecycle *lifecycle, const Vm *vm, const VmActionRow *row)
{
    const char *needed[] = {NULL, NULL};
    if (row->target.lcm == LCM_SAVE_SUSPEND) {
        needed[0] = vm_driver_freezes(lifecycle, vm) ? "FREEZE" : "SAVE";
    } else if (row->target.lcm == LCM_EPILOG_STOP && vm->state == VM_SUSPENDED) {
        if (vm_was_frozen(lifecycle, vm))
            return "SAVE";
        needed[0] = "CARRY";
    } else if (row->target.lcm == LCM_SAVE_STOP) {
        needed[0] = "SAVE";
        needed[1] = "CARRY";
    } else if (row->what == DO_SEND && row->number != VM_ACTION_REBOOT) {
        needed[0] = "RESET";
    }
    for (guint i = 0; i < G_N_ELEMENTS(needed); i++)
        if (needed[i] && vm_driver_lacks(lifecycle, vm, needed[i]))
            return needed[i];
    return NULL;
}

static gboolean refuse_lack(Lifecycle *lifecycle, const Vm *vm, const char *word, const char *what,
                            GError **error)
{
    const VmRecord *record = vm_last_record(vm);
    const Host *host = host_get(lifecycle->world, record->host);
    if (vm->state == VM_SUSPENDED && !vm_driver_lacks(lifecycle, vm, what))
        return refuse(error,
                      "Error performing action \"%s\": the machine stands still in the memory of "
                      "host %s; resume it first",
                      word, record->host_name);
    if (!strcmp(what, "CARRY"))
        return refuse(error,
                      "Error performing action \"%s\": host %s keeps the memory that it saves to "
                      "itself; suspend and poweroff are possible",
                      word, record->host_name);
    if (host && vm_host_lacks(host, what))
        return refuse(error,
                      "Error performing action \"%s\": host %s has no %s: %s; poweroff and reboot "
                      "are possible",
                      word, record->host_name, what, vm_host_lacks_why(host));
    return refuse(error,
                  "Error performing action \"%s\": the driver %s of host %s has no %s; poweroff "
                  "and reboot are possible",
                  word, record->vm_mad, record->host_name, what);
}

gboolean vm_action(Lifecycle *lifecycle, Vm *vm, const char *word, const VmAsker *asker,
                   GError **error)
{
    const VmActionWord *known = vm_action_word(word);
    if (!known)
        return refuse(error, "Action \"%s\" is not supported", word);
    const char *meaning = known->meaning ? known->meaning : word;
    if (!strcmp(meaning, "delete"))
        return vm_recover(lifecycle, vm, 3, asker, error);
    if (!strcmp(meaning, "delete-recreate"))
        return vm_recover(lifecycle, vm, 4, asker, error);
    const VmActionRow *row = vm_action_row(meaning, vm);
    if (!row && g_str_has_prefix(meaning, "terminate"))
        return refuse(error,
                      "Error performing action \"%s\": Could not terminate VM %d, wrong "
                      "state %s.",
                      word, vm->head.id, vm_shown_state(vm));
    if (!row)
        return refuse(error,
                      "Error performing action \"%s\": This action is not available for state %s",
                      word, vm_shown_state(vm));
    if (row->what == DO_ENTER && vm_refuse_lost(vm, error))
        return FALSE;
    const char *lack = vm_last_record(vm) ? lacking(lifecycle, vm, row) : NULL;
    if (lack)
        return refuse_lack(lifecycle, vm, word, lack, error);
    vm_log(lifecycle, vm, LOG_INFO, "action %s", word);
    switch (row->what) {
    case DO_ENTER:
        return enter_by_action(lifecycle, vm, row, asker, error);
    case DO_FLAG:
        return flag_resched(lifecycle, vm, !strcmp(meaning, "resched"));
    case DO_SEND:
        return send_aside(lifecycle, vm, row->number == VM_ACTION_REBOOT ? "REBOOT" : "RESET");
    case DO_NOTHING:
    case DO_CHANGE: /* no word of one.vm.action */
        return TRUE;
    }
    return TRUE;
}

/* ---- recover ---- */

static gboolean wrong_recover(const Vm *vm, const char *what, GError **error)
{
    return refuse(error, "Could not perform a %s operation on VM %d, wrong state %s.", what,
                  vm->head.id, vm_shown_state(vm));
}

/* What is declared of a live migration may be wrong, and then the machine would run twice or be
 * lost: both hosts are asked, and what they say is what becomes of it. Declared failed, it is given
 * up first. */
static void recover_live_migration(Lifecycle *lifecycle, Vm *vm, gboolean success)
{
    if (vm_current_step(vm) != STEP_MIGRATE || vm->work.asking) {
        vm_log(lifecycle, vm, LOG_INFO, "the hosts have been asked already, and decide");
        return;
    }
    if (success)
        lifecycle_forget(lifecycle, vm->work.request);
    else
        lifecycle_cancel(lifecycle, vm->work.request);
    vm_ask_truth(lifecycle, vm,
                 success ? "declared done by recover" : "declared failed by recover");
}

static gboolean recover_result(Lifecycle *lifecycle, Vm *vm, gboolean success, GError **error)
{
    if (vm->state == VM_CLONING_FAILURE && success) {
        vm_images_again(lifecycle, vm);
        return TRUE;
    }
    if (vm->state != VM_ACTIVE)
        return wrong_recover(vm, "recover", error);
    VmLcm failed = vm_failed_phase(vm->lcm);
    gboolean prepares = vm->lcm == LCM_MIGRATE && vm_current_step(vm) == STEP_PREMIGRATE;
    if (prepares && success)
        return refuse(error,
                      "VM %d is not at its destination: only its disks are prepared there. Declare "
                      "the migration failed (recover --failure), and it goes on where it runs",
                      vm->head.id);
    vm_doubt_declared(lifecycle, vm, success);
    if (vm->lcm == LCM_MIGRATE && !prepares) {
        recover_live_migration(lifecycle, vm, success);
    } else if (vm_phase(vm->lcm)) {
        vm_phase_ended(lifecycle, vm, success, "declared failed by recover");
    } else if (failed != LCM_INIT && success) {
        vm->lcm = failed; /* as if the phase had gone well */
        vm_phase_ended(lifecycle, vm, TRUE, NULL);
    } else if (vm->lcm == LCM_UNKNOWN && success) {
        if (vm_is_lost(vm))
            leftover_note(lifecycle, vm, vm_previous_record(vm));
        vm_close_record(lifecycle, vm, vm_previous_record(vm));
        vm_enter(lifecycle, vm, VM_ACTIVE, LCM_RUNNING);
    } else if (vm_is_lost(vm)) {
        leftover_note(lifecycle, vm, vm_last_record(vm));
        vm_drop_record(lifecycle->world, vm);
        vm_enter(lifecycle, vm, VM_ACTIVE, LCM_UNKNOWN);
    }
    return TRUE;
}

static gboolean recover_retry(Lifecycle *lifecycle, Vm *vm, GError **error)
{
    if (vm->state != VM_ACTIVE)
        return wrong_recover(vm, "retry", error);
    VmLcm failed = vm_failed_phase(vm->lcm);
    if (failed != LCM_INIT)
        vm_enter(lifecycle, vm, VM_ACTIVE, failed);
    else if (vm_phase(vm->lcm) && vm_step_row(vm_current_step(vm))->expectation == EXPECT_NOTHING)
        vm_enter(lifecycle, vm, VM_ACTIVE, vm->lcm);
    else if (vm_phase(vm->lcm) && !vm->work.asking) {
        lifecycle_forget(lifecycle, vm->work.request);
        vm_ask_truth(lifecycle, vm, "retry was asked for");
    }
    return TRUE;
}

static gboolean recover_delete(Lifecycle *lifecycle, Vm *vm, const VmAsker *asker, gint number,
                               VmLcm cleanup, VmState rest, GError **error)
{
    if (vm->state == VM_DONE)
        return number == VM_ACTION_DELETE ? TRUE : wrong_recover(vm, "delete-recreate", error);
    vm_note_action(lifecycle, vm, vm_last_record(vm), number, asker);
    if (!vm_last_record(vm)) {
        vm_enter(lifecycle, vm, rest, LCM_INIT);
        return TRUE;
    }
    vm_enter(lifecycle, vm, VM_ACTIVE, cleanup);
    return TRUE;
}

gboolean vm_recover(Lifecycle *lifecycle, Vm *vm, gint operation, const VmAsker *asker,
                    GError **error)
{
    vm_log(lifecycle, vm, LOG_INFO, "recover, operation %d", operation);
    switch (operation) {
    case 0:
    case 1:
        return recover_result(lifecycle, vm, operation == 1, error);
    case 2:
        return recover_retry(lifecycle, vm, error);
    case 3:
        return recover_delete(lifecycle, vm, asker, VM_ACTION_DELETE, LCM_CLEANUP_DELETE, VM_DONE,
                              error);
    case 4:
        if (vm->state != VM_HOLD && vm->state != VM_POWEROFF && vm->state != VM_SUSPENDED &&
            vm->state != VM_ACTIVE)
            return wrong_recover(vm, "delete-recreate", error);
        if (!may_be(lifecycle->world, vm, (VmTarget){VM_PENDING, LCM_INIT}, -1, error))
            return FALSE;
        return recover_delete(lifecycle, vm, asker, VM_ACTION_DELETE_RECREATE, LCM_CLEANUP_RESUBMIT,
                              VM_PENDING, error);
    case 5:
        if (vm->state != VM_DONE) {
            VmRecord *previous = vm_previous_record(vm);
            vm_note_action(lifecycle, vm, vm_last_record(vm), VM_ACTION_DELETE, asker);
            vm_close_record(lifecycle, vm, previous);
            vm_doubt_forgotten(lifecycle, vm);
            vm_enter(lifecycle, vm, VM_DONE, LCM_INIT);
        }
        return TRUE;
    default:
        return refuse(error, "Wrong recovery operation code");
    }
}
