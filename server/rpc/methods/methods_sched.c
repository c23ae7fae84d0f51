/* Scheduled actions: the calls about them, and the calls that they become when they are due. */
#include "server/model/machine/vm_backups.h"
#include "server/rpc/sched_actions.h"
#include "server/rpc/server_private.h"

#include <string.h>

/* ---- what a machine can be scheduled for ---- */

/* `call`: the method's arguments after the session. w the action's word, v the machine; the others
 * come from ARGS: s text, i a number, b yes or no. `operation` as in VM_ADMIN_OPERATIONS. */
static const struct VmSchedWord {
    const char *word, *method, *call, *operation;
    Right right; /* when no list of operations says otherwise */
} vm_words[] = {
    {"terminate", "one.vm.action", "wv", "terminate", RIGHT_MANAGE},
    {"terminate-hard", "one.vm.action", "wv", "terminate", RIGHT_MANAGE},
    {"undeploy", "one.vm.action", "wv", "undeploy", RIGHT_MANAGE},
    {"undeploy-hard", "one.vm.action", "wv", "undeploy", RIGHT_MANAGE},
    {"hold", "one.vm.action", "wv", "hold", RIGHT_MANAGE},
    {"release", "one.vm.action", "wv", "release", RIGHT_MANAGE},
    {"stop", "one.vm.action", "wv", "stop", RIGHT_MANAGE},
    {"suspend", "one.vm.action", "wv", "suspend", RIGHT_MANAGE},
    {"resume", "one.vm.action", "wv", "resume", RIGHT_MANAGE},
    {"reboot", "one.vm.action", "wv", "reboot", RIGHT_MANAGE},
    {"reboot-hard", "one.vm.action", "wv", "reboot", RIGHT_MANAGE},
    {"poweroff", "one.vm.action", "wv", "poweroff", RIGHT_MANAGE},
    {"poweroff-hard", "one.vm.action", "wv", "poweroff", RIGHT_MANAGE},
    {"snapshot-create", "one.vm.snapshotcreate", "vs", "snapshot", RIGHT_MANAGE},
    {"snapshot-revert", "one.vm.snapshotrevert", "vi", "snapshot", RIGHT_MANAGE},
    {"snapshot-delete", "one.vm.snapshotdelete", "vi", "snapshot", RIGHT_MANAGE},
    {"disk-snapshot-create", "one.vm.disksnapshotcreate", "vis", "disk-snapshot", RIGHT_MANAGE},
    {"disk-snapshot-revert", "one.vm.disksnapshotrevert", "vii", "disk-snapshot", RIGHT_MANAGE},
    {"disk-snapshot-delete", "one.vm.disksnapshotdelete", "vii", "disk-snapshot", RIGHT_MANAGE},
    {"backup", "one.vm.backup", "vib", "backup", RIGHT_ADMIN},
};

static const struct VmSchedWord *vm_word(const char *word)
{
    for (guint i = 0; i < G_N_ELEMENTS(vm_words); i++)
        if (!strcmp(vm_words[i].word, word))
            return &vm_words[i];
    return NULL;
}

static RpcValue *read_argument(char letter, const char *text)
{
    gint64 number;
    switch (letter) {
    case 's':
        return rpc_value_text(text);
    case 'i':
        return g_ascii_string_to_signed(text, 10, -1, G_MAXINT32, &number, NULL)
                   ? rpc_value_int(number)
                   : NULL;
    default:
        return rpc_value_bool(!g_ascii_strcasecmp(text, "yes") ||
                              !g_ascii_strcasecmp(text, "true") || !strcmp(text, "1"));
    }
}

/* The arguments of the action's call, with a place for the session; NULL with the error when ARGS
 * do not fit. The last text takes the rest, commas too; what may be left out is a boolean at the
 * end. (owned) */
static GPtrArray *call_arguments(const struct VmSchedWord *row, const SchedAction *action,
                                 GError **error)
{
    g_autoptr(GPtrArray) call = g_ptr_array_new_with_free_func((GDestroyNotify)rpc_value_free);
    g_ptr_array_add(call, rpc_value_text(""));
    const char *rest = action->args;
    for (const char *letter = row->call; *letter; letter++) {
        if (*letter == 'w') {
            g_ptr_array_add(call, rpc_value_text(row->word));
            continue;
        }
        if (*letter == 'v') {
            g_ptr_array_add(call, rpc_value_int(action->owner));
            continue;
        }
        gsize length = letter[1] ? strcspn(rest, ",") : strlen(rest);
        g_autofree char *text = g_strstrip(g_strndup(rest, length));
        RpcValue *value = *text || *letter == 'b' ? read_argument(*letter, text) : NULL;
        if (!value) {
            g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                        "SCHED_ACTION: ARGS = \"%s\" does not fit %s, which takes %s", action->args,
                        row->word,
                        !strcmp(row->call, "vs")    ? "a name"
                        : !strcmp(row->call, "vi")  ? "the number of a snapshot"
                        : !strcmp(row->call, "vis") ? "the number of a disk and a name: 0,evening"
                        : !strcmp(row->call, "vii")
                            ? "the numbers of a disk and of a snapshot: 0,2"
                            : "the id of a datastore, and YES to begin anew: 100,NO");
            return NULL;
        }
        g_ptr_array_add(call, value);
        rest += length;
        rest += *rest == ',';
    }
    return g_steal_pointer(&call);
}

/* ---- when it is due ---- */

StartResult sched_action_call(RpcServer *server, const SchedAction *action, gint32 uid,
                              const char *method, GPtrArray *arguments, GError **error)
{
    g_autofree char *name = g_strdup_printf("action %d", action->id);
    if (!rpc_run_begin(server, name, uid, lifecycle_sched_again, action->id))
        return START_WAITS;
    return rpc_run_end(server, rpc_run_as(server, uid, method, arguments, error), error);
}

static StartResult start_vm_action(Lifecycle *lifecycle, const SchedAction *action, gpointer data,
                                   GError **error)
{
    RpcServer *server = data;
    const struct VmSchedWord *row = vm_word(action->action);
    const Vm *vm = vm_get(server->world, action->owner);
    if (!row || !vm) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "Action \"%s\" is not supported",
                    action->action);
        return START_FAILED;
    }
    g_autoptr(GPtrArray) arguments = call_arguments(row, action, error);
    return arguments
               ? sched_action_call(server, action, vm->head.uid, row->method, arguments, error)
               : START_FAILED;
}

void sched_actions_connect(RpcServer *server)
{
    lifecycle_sched_connect(server->lifecycle, KIND_VM, start_vm_action, server);
}

/* ---- what is asked for ---- */

/* As one.vm.backup asks it of who calls it: a run asks it of the owner only. */
static gboolean may_back_up(Request *request, const Vm *vm, const GPtrArray *call)
{
    gint32 id = (gint32)((const RpcValue *)call->pdata[2])->number;
    if (id < 0 && vm)
        id = (gint32)vm_backups_number(vm->backups, "LAST_DATASTORE_ID");
    if (id < 0)
        return TRUE;
    Object *datastore = request_object(request, KIND_DATASTORE, id);
    return datastore && request_may(request, RIGHT_USE, KIND_DATASTORE, datastore);
}

/* A machine that is not made yet will be the caller's. What its bits and rules give them is not
 * known before, and is asked at the run; who else has a say is asked now. */
static gboolean may_have_later(Request *request, const struct VmSchedWord *row, Right right)
{
    World *world = request->world;
    const User *caller = request->caller;
    const AccessNeed need = {right, KIND_VM, NULL, FALSE};
    if (user_is_admin(caller))
        return TRUE;
    if (caller->is_bound && right == RIGHT_ADMIN)
        return reply_error(request, ONE_ERROR_AUTHORIZATION,
                           "User [%d] : A token that acts for one group does not schedule %s in a "
                           "template, which needs the right ADMIN; take another token, or "
                           "schedule it when the machine is there",
                           caller->head.id, row->word) != NULL;
    return !world->agrees || world->agrees(world, caller, &need, 1, &request->error);
}

static gboolean fits_vm(Request *request, const Object *owner, const SchedAction *action)
{
    const struct VmSchedWord *row = vm_word(action->action);
    if (!row || !g_hash_table_contains(request->server->methods, row->method)) {
        reply_error(request, ONE_ERROR_INTERNAL, "SCHED_ACTION: ACTION = \"%s\" is not supported",
                    action->action);
        return FALSE;
    }
    g_autoptr(GPtrArray) arguments = call_arguments(row, action, &request->error);
    if (!arguments)
        return FALSE;
    /* It will run with its owner's rights: who may not do it now may not have it done later. */
    Right right = operation_right(request->world, request->caller, row->operation, row->right);
    AccessNeed need = {right, KIND_VM, (Object *)owner, FALSE};
    if (!(owner ? access_check(request->world, request->caller, &need, 1, &request->error)
                : may_have_later(request, row, right)))
        return FALSE;
    return strcmp(row->word, "backup") != 0 || may_back_up(request, (const Vm *)owner, arguments);
}

/* The vector of an argument: SCHED_ACTION = [ ... ]. */
static const TemplateAttribute *given_vector(Request *request, const Template *template)
{
    const TemplateAttribute *given = template ? template_vector(template, "SCHED_ACTION", 0) : NULL;
    if (template && !given)
        reply_error(request, ONE_ERROR_INTERNAL,
                    "The template holds no SCHED_ACTION = [ ACTION = ..., TIME = ... ]");
    return given;
}

static gboolean has_room(Request *request, const Object *owner, guint more)
{
    const GPtrArray *own = owner ? sched_actions_of(request->world, owner->kind, owner->id) : NULL;
    if ((own ? own->len : 0) + more <= SCHED_ACTIONS_MAX)
        return TRUE;
    reply_error(request, ONE_ERROR_ACTION,
                "No more than %d scheduled actions are possible; delete "
                "some that are over",
                SCHED_ACTIONS_MAX);
    return FALSE;
}

RpcReply *request_sched_add(Request *request, gint64 origin, SchedFits fits)
{
    g_autoptr(Template) template = request_template(request, 2);
    const TemplateAttribute *given = given_vector(request, template);
    g_autoptr(SchedAction) action =
        given ? sched_action_parse(request->object->kind, given, origin, &request->error) : NULL;
    if (!action)
        return NULL;
    action->owner = request->object->id;
    if (!fits(request, request->object, action) || !has_room(request, request->object, 1))
        return NULL;
    SchedAction *kept = action;
    gint32 id = sched_action_add(request->world, request->object, g_steal_pointer(&action));
    lifecycle_sched_changed(request->lifecycle, kept);
    return reply_int(request, id);
}

RpcReply *request_sched_update(Request *request, gint64 origin, SchedFits fits)
{
    g_autoptr(Template) template = request_template(request, 3);
    const TemplateAttribute *given = given_vector(request, template);
    SchedAction *old = given ? sched_action_of(request->world, request->object,
                                               arg_int(request, 2, -1), &request->error)
                             : NULL;
    g_autoptr(SchedAction) change =
        old ? sched_action_change(old, given, origin, &request->error) : NULL;
    if (!change || !fits(request, request->object, change))
        return NULL;
    sched_action_replace(request->world, old, g_steal_pointer(&change));
    lifecycle_sched_changed(request->lifecycle, old);
    return reply_int(request, old->id);
}

RpcReply *request_sched_delete(Request *request)
{
    SchedAction *action =
        sched_action_of(request->world, request->object, arg_int(request, 2, -1), &request->error);
    if (!action)
        return NULL;
    sched_action_remove(request->world, action);
    return reply_int(request, request->object->id);
}

RpcReply *vm_method_schedadd(Request *request)
{
    const Vm *vm = VM(request->object);
    if (vm->state == VM_DONE)
        return reply_error(request, ONE_ERROR_INTERNAL,
                           "Machine %d is done: nothing can be scheduled for it", vm->head.id);
    return request_sched_add(request, vm->stime, fits_vm);
}

RpcReply *vm_method_schedupdate(Request *request)
{
    return request_sched_update(request, VM(request->object)->stime, fits_vm);
}

RpcReply *vm_method_scheddelete(Request *request)
{
    return request_sched_delete(request);
}

/* ---- in templates ---- */

/* One vector of a machine's template; NULL with the request's error. (owned) */
static SchedAction *take_vector(Request *request, const Vm *vm, const TemplateAttribute *given)
{
    gint64 id, origin = vm ? vm->stime : core_now(request->world->core);
    SchedAction *old = vm && attribute_get_int(given, "ID", &id) && id == (gint32)id
                           ? sched_action_get(request->world, (gint32)id)
                           : NULL;
    if (old && (old->kind != KIND_VM || old->owner != vm->head.id))
        old = NULL; /* written for another machine: a new one for this */
    SchedAction *action = old ? sched_action_change(old, given, origin, &request->error)
                              : sched_action_parse(KIND_VM, given, origin, &request->error);
    if (action && !fits_vm(request, vm ? &vm->head : NULL, action))
        g_clear_pointer(&action, sched_action_free);
    return action;
}

GPtrArray *request_take_sched_actions(Request *request, const Vm *vm, Template *template)
{
    g_autoptr(GPtrArray) actions =
        g_ptr_array_new_with_free_func((GDestroyNotify)(void (*)(void))sched_action_free);
    const TemplateAttribute *given;
    guint more = 0;
    for (guint i = 0; (given = template_vector(template, "SCHED_ACTION", i)); i++) {
        SchedAction *action = take_vector(request, vm, given);
        if (!action)
            return NULL;
        g_ptr_array_add(actions, action);
        more += action->id < 0;
    }
    if (vm && vm->state == VM_DONE && actions->len) {
        reply_error(request, ONE_ERROR_INTERNAL,
                    "Machine %d is done: nothing can be scheduled for it", vm->head.id);
        return NULL;
    }
    if (!has_room(request, vm ? &vm->head : NULL, more))
        return NULL;
    template_remove(template, "SCHED_ACTION");
    return g_steal_pointer(&actions);
}

void request_give_sched_actions(Request *request, Vm *vm, GPtrArray *actions)
{
    World *world = request->world;
    while (actions->len) {
        SchedAction *action = g_ptr_array_steal_index(actions, 0);
        SchedAction *kept = action->id < 0 ? action : sched_action_get(world, action->id);
        if (action->id < 0)
            sched_action_add(world, &vm->head, action);
        else
            sched_action_replace(world, kept, action);
        lifecycle_sched_changed(request->lifecycle, kept);
    }
}
