/* Backup jobs: made, changed, run; and what their runs do in the name of their owners. */
#include "server/rpc/sched_actions.h"
#include "server/rpc/server_private.h"

#include "lib/base/error.h"
#include "server/model/machine/backupjob.h"
#include "server/model/machine/vm_backups.h"

#include <string.h>

/* What a job says of itself, which is no setting of backups. */
static gboolean words_fit(Request *request, const Template *template)
{
    const char *execution = template_get(template, "EXECUTION");
    g_autoptr(Template) scratch = template_new();
    if (execution && *execution && g_ascii_strcasecmp(execution, "SEQUENTIAL") != 0 &&
        g_ascii_strcasecmp(execution, "PARALLEL") != 0)
        return reply_error(request, ONE_ERROR_INTERNAL,
                           "EXECUTION is \"%s\", and must be SEQUENTIAL or PARALLEL",
                           execution) != NULL;
    return vm_backups_overlay(scratch, template, &request->error);
}

/* The job runs with its owner's rights, and who makes it must have them. */
static gboolean places_fit(Request *request, const Template *template)
{
    gint64 id;
    g_autoptr(GArray) machines = backupjob_machines(template, &request->error);
    Right right = operation_right(request->world, request->caller, "backup", RIGHT_ADMIN);
    for (guint i = 0; machines && i < machines->len; i++) {
        Object *vm = request_object(request, KIND_VM, g_array_index(machines, gint32, i));
        if (!vm || !request_may(request, right, KIND_VM, vm))
            return FALSE;
    }
    if (!machines || !template_get(template, "DATASTORE_ID"))
        return machines != NULL;
    if (!template_get_int(template, "DATASTORE_ID", &id) || id != (gint32)id)
        return reply_error(request, ONE_ERROR_INTERNAL,
                           "DATASTORE_ID is \"%s\", and must be the id of a datastore",
                           template_get(template, "DATASTORE_ID")) != NULL;
    Object *datastore = request_object(request, KIND_DATASTORE, (gint32)id);
    if (!datastore || !request_may(request, RIGHT_USE, KIND_DATASTORE, datastore))
        return FALSE;
    return DATASTORE(datastore)->type == DATASTORE_BACKUP ||
           reply_error(request, ONE_ERROR_ACTION,
                       "Datastore %d is of type %s; backups go to one of type %s", datastore->id,
                       datastore_type_name(DATASTORE(datastore)->type),
                       datastore_type_name(DATASTORE_BACKUP)) != NULL;
}

static gboolean priority_fits(Request *request, const Object *job, gint64 priority)
{
    if (priority < 0 || priority > BACKUPJOB_PRIORITY_MAX)
        return reply_error(request, ONE_ERROR_ACTION,
                           "The priority of a backup job is a number from 0 to %d",
                           BACKUPJOB_PRIORITY_MAX) != NULL;
    if (job && priority > BACKUPJOB_PRIORITY_FREE) /* a lock holds for administrators, too */
        return request_may(request, RIGHT_ADMIN, KIND_BACKUPJOB, (Object *)job);
    return priority <= BACKUPJOB_PRIORITY_FREE || user_is_admin(request->caller) ||
           reply_error(request, ONE_ERROR_AUTHORIZATION,
                       "User [%d] : A priority above %d is given by administrators only",
                       request->caller->head.id, BACKUPJOB_PRIORITY_FREE) != NULL;
}

static gboolean fits_job(Request *request, const Object *owner, const SchedAction *action)
{
    return !strcmp(action->action, "backup") ||
           reply_error(request, ONE_ERROR_INTERNAL,
                       "SCHED_ACTION: ACTION = \"%s\" is not supported; a backup job is scheduled "
                       "for backup",
                       action->action) != NULL;
}

/* Those of a template, which loses them. NULL with the error. (of SchedAction, owned) */
static GPtrArray *take_schedule(Request *request, Template *template)
{
    g_autoptr(GPtrArray) actions =
        g_ptr_array_new_with_free_func((GDestroyNotify)(void (*)(void))sched_action_free);
    const TemplateAttribute *given;
    for (guint i = 0; (given = template_vector(template, "SCHED_ACTION", i)); i++) {
        SchedAction *action = sched_action_parse(KIND_BACKUPJOB, given,
                                                 core_now(request->world->core), &request->error);
        if (!action)
            return NULL;
        g_ptr_array_add(actions, action);
        if (!fits_job(request, NULL, action))
            return NULL;
    }
    if (actions->len > SCHED_ACTIONS_MAX)
        return reply_error(request, ONE_ERROR_ACTION,
                           "No more than %d scheduled actions are possible", SCHED_ACTIONS_MAX),
               NULL;
    template_remove(template, "SCHED_ACTION");
    return g_steal_pointer(&actions);
}

RpcReply *backupjob_allocate(Request *request)
{
    World *world = request->world;
    g_autoptr(Template) template = request_template(request, 1);
    gint64 priority = BACKUPJOB_PRIORITY_FREE;
    if (!template ||
        !request_own_name_is_free(request, KIND_BACKUPJOB, template_get(template, "NAME")) ||
        !words_fit(request, template) || !places_fit(request, template))
        return NULL;
    if (template_get(template, "PRIORITY") && !template_get_int(template, "PRIORITY", &priority))
        priority = -1;
    g_autoptr(GPtrArray) schedule =
        priority_fits(request, NULL, priority) ? take_schedule(request, template) : NULL;
    if (!schedule)
        return NULL;
    g_autofree char *name = g_strdup(template_get(template, "NAME"));
    template_remove(template, "NAME");
    template_remove(template, "PRIORITY");
    template_remove(template, "ERROR");
    BackupJob *job =
        backupjob_create(world, name, request->caller->head.id, request->caller->head.gid,
                         (gint32)priority, g_steal_pointer(&template));
    job->head.permissions = request_new_permissions(request);
    while (schedule->len) {
        SchedAction *action = g_ptr_array_steal_index(schedule, 0);
        sched_action_add(world, &job->head, action);
        lifecycle_sched_changed(request->lifecycle, action);
    }
    return reply_int(request, job->head.id);
}

RpcReply *backupjob_delete(Request *request)
{
    gint32 id = request->object->id;
    if (BACKUPJOB(request->object)->backing_up->len)
        return reply_error(
            request, ONE_ERROR_ACTION,
            "Cannot delete backup job %d: machines are being backed up for it; wait, "
            "or cancel it",
            id);
    sched_actions_drop(request->world, KIND_BACKUPJOB, id);
    acl_forget(request->world, request->object);
    pool_remove(request->world, request->object);
    return reply_int(request, id);
}

RpcReply *backupjob_update(Request *request)
{
    BackupJob *job = BACKUPJOB(request->object);
    gint32 append = arg_int(request, 3, 0);
    g_autoptr(Template) given = request_template(request, 2);
    if (!given)
        return NULL;
    if (append != 0 && append != 1)
        return reply_error(request, ONE_ERROR_RPC_API, "Wrong update type");
    template_remove(given, "SCHED_ACTION"); /* they have methods of their own */
    template_remove(given, "NAME");
    template_remove(given, "PRIORITY");
    g_autoptr(Template) after = append ? template_copy(job->head.template) : template_new();
    template_merge(after, given);
    if (!words_fit(request, after) || !places_fit(request, after))
        return NULL;
    template_free(job->head.template);
    job->head.template = g_steal_pointer(&after);
    backupjob_updated(request->world, job);
    return reply_int(request, job->head.id);
}

RpcReply *backupjob_method_backup(Request *request)
{
    return backupjob_run(request->lifecycle, BACKUPJOB(request->object), &request->error)
               ? reply_int(request, request->object->id)
               : NULL;
}

RpcReply *backupjob_method_retry(Request *request)
{
    return backupjob_retry(request->lifecycle, BACKUPJOB(request->object), &request->error)
               ? reply_int(request, request->object->id)
               : NULL;
}

RpcReply *backupjob_method_cancel(Request *request)
{
    VmAsker asker = request_asker(request);
    backupjob_cancel(request->lifecycle, BACKUPJOB(request->object), &asker);
    return reply_int(request, request->object->id);
}

RpcReply *backupjob_priority(Request *request)
{
    gint32 priority = arg_int(request, 2, -1);
    if (!priority_fits(request, request->object, priority))
        return NULL;
    BACKUPJOB(request->object)->priority = priority;
    object_changed(request->world, request->object);
    return reply_int(request, request->object->id);
}

RpcReply *backupjob_schedadd(Request *request)
{
    return request_sched_add(request, core_now(request->world->core), fits_job);
}

RpcReply *backupjob_schedupdate(Request *request)
{
    return request_sched_update(request, core_now(request->world->core), fits_job);
}

RpcReply *backupjob_scheddelete(Request *request)
{
    return request_sched_delete(request);
}

/* ---- runs ---- */

/* The owner of a job may have lost rights since it was made. */
static gboolean back_up(Lifecycle *lifecycle, BackupJob *job, Vm *vm, RpcServer *server,
                        GError **error)
{
    World *world = server->world;
    const Template *template = job->head.template;
    const User *owner = user_get(world, job->head.uid);
    gint64 id = -1;
    if (!owner) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_NO_EXISTS, "the owner of the job does not exist");
        return FALSE;
    }
    (void)template_get_int(template, "DATASTORE_ID", &id);
    Datastore *datastore = vm_backup_datastore(lifecycle, vm, (gint32)id, error);
    if (!datastore)
        return FALSE;
    const AccessNeed needs[] = {
        {operation_right(world, owner, "backup", RIGHT_ADMIN), KIND_VM, &vm->head, FALSE},
        {RIGHT_USE, KIND_DATASTORE, &datastore->head, FALSE},
        {RIGHT_CREATE, KIND_IMAGE, NULL, FALSE},
    };
    const VmAsker asker = {job->head.uid, job->head.gid, 0};
    const VmBackupOrder order = {.datastore = datastore->head.id,
                                 .reset = template_get_bool(template, "RESET", FALSE),
                                 .job = job->head.id,
                                 .settings = template};
    return access_check(world, owner, needs, G_N_ELEMENTS(needs), error) &&
           vm_backup(lifecycle, vm, &order, &asker, error);
}

static StartResult start_machine(Lifecycle *lifecycle, BackupJob *job, Vm *vm, gpointer data,
                                 GError **error)
{
    RpcServer *server = data;
    g_autofree char *name = g_strdup_printf("job %d, machine %d", job->head.id, vm->head.id);
    if (!rpc_run_begin(server, name, job->head.uid, lifecycle_backupjobs_again, job->head.id))
        return START_WAITS;
    return rpc_run_end(server, back_up(lifecycle, job, vm, server, error), error);
}

static StartResult start_scheduled(Lifecycle *lifecycle, const SchedAction *action, gpointer data,
                                   GError **error)
{
    RpcServer *server = data;
    const BackupJob *job = backupjob_get(server->world, action->owner);
    g_autoptr(GPtrArray) arguments = g_ptr_array_new_with_free_func((GDestroyNotify)rpc_value_free);
    g_ptr_array_add(arguments, rpc_value_text(""));
    g_ptr_array_add(arguments, rpc_value_int(action->owner));
    return job ? sched_action_call(server, action, job->head.uid, "one.backupjob.backup", arguments,
                                   error)
               : START_FAILED;
}

void backupjobs_connect(RpcServer *server)
{
    lifecycle_backupjobs_connect(server->lifecycle, start_machine, server);
    lifecycle_sched_connect(server->lifecycle, KIND_BACKUPJOB, start_scheduled, server);
}
