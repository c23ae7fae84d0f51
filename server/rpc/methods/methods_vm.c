/* Machines. */
#include "server/rpc/context.h"
#include "server/rpc/sched_actions.h"
#include "server/rpc/server_private.h"
#include "server/rpc/vm_cards.h"
#include "server/rpc/vm_screen.h"
#include "server/rpc/vm_search.h"
#include "server/rpc/template_rules.h"
#include "server/rpc/vm_template.h"

#include "server/model/storage/datastore.h"
#include "server/model/people/quota.h"
#include "server/model/machine/vm_images.h"
#include "server/model/machine/vmgroup.h"

#include <string.h>

/* ---- making and changing ---- */

/* What the machine will take is within the quotas of its owner. */
static gboolean draft_is_allowed(Request *request, const VmDraft *draft, gboolean hold)
{
    Vm vm = {.state = hold ? VM_HOLD : VM_PENDING,
             .head = {.kind = KIND_VM,
                      .id = -1,
                      .uid = request->caller->head.id,
                      .gid = request->caller->head.gid,
                      .template = draft->template},
             .user_template = draft->user_template};
    return quota_allows_vm(request->world, &vm, -1, &request->error);
}

static Vm *new_machine(Request *request, Template *given, const char *otherwise_named,
                       gboolean hold, gboolean trusted, const VRouter *router)
{
    World *world = request->world;
    g_auto(VmDraft) draft = {.trusted = trusted, .router = router};
    if (!vm_draft_make(world, request->caller, given, &draft, &request->error))
        return NULL;
    g_autoptr(GPtrArray) scheduled = request_take_sched_actions(request, NULL, draft.user_template);
    if (!scheduled)
        return NULL;
    gint32 id = world->pools[KIND_VM].last_id + 1; /* that vm_create() will give */
    if (!cards_take(world, request->caller, router, draft.template, id, &request->error))
        return NULL;
    hold |= draft.hold;
    if (!draft_is_allowed(request, &draft, hold) ||
        !vm_images_acquire(world, id, draft.template, &request->error)) {
        cards_give_back(world, draft.template, id);
        return NULL;
    }
    Template *template = g_steal_pointer(&draft.template);
    Vm *vm = vm_create(world, draft.name, request->caller->head.id, request->caller->head.gid,
                       template, g_steal_pointer(&draft.user_template), hold);
    if (otherwise_named && !*draft.name) {
        g_autofree char *name = g_strdup_printf("%s-%d", otherwise_named, vm->head.id);
        object_set_name(world, &vm->head, name);
    }
    vm->head.permissions = request_new_permissions(request);
    if (draft.import) {
        g_free(vm->deploy_id);
        vm->deploy_id = g_steal_pointer(&draft.import);
    }
    vm_draft_finish(world, template, vm->head.id);
    context_complete(world, vm);
    secgroup_count(world, vm);
    vm_group_count(world, vm);
    request_give_sched_actions(request, vm, scheduled);
    vrouter_count(world, vm);
    if (vm_images_look(world, template, NULL) == VM_IMAGES_WAIT)
        vm_wait_for_images(request->lifecycle, vm);
    lifecycle_vm_created(request->lifecycle, vm);
    return vm;
}

Vm *request_new_machine(Request *request, Template *given, const char *otherwise_named,
                        gboolean hold, gboolean trusted)
{
    return new_machine(request, given, otherwise_named, hold, trusted, NULL);
}

Vm *request_new_router_machine(Request *request, const VRouter *router, Template *given,
                               gboolean hold, gboolean trusted)
{
    return new_machine(request, given, NULL, hold, trusted, router);
}

RpcReply *vm_allocate(Request *request)
{
    g_autoptr(Template) given = request_template(request, 1);
    Vm *vm = given ? request_new_machine(request, given, NULL, arg_bool(request, 2, FALSE), FALSE)
                   : NULL;
    return vm ? reply_int(request, vm->head.id) : NULL;
}

RpcReply *vm_update(Request *request)
{
    Vm *vm = VM(request->object);
    g_autoptr(Template) change = request_template(request, 2);
    gint32 append = arg_int(request, 3, 0);
    if (!change)
        return NULL;
    if (append != 0 && append != 1)
        return reply_error(request, ONE_ERROR_RPC_API, "Wrong update type");
    if (!vm_check_restricted(request->world, request->caller, change, &request->error))
        return NULL;
    if (!append)
        keep_restricted(request->world, request->caller, vm->user_template, change,
                        "VM_RESTRICTED_ATTR");
    g_autoptr(GPtrArray) scheduled = request_take_sched_actions(request, vm, change);
    if (!scheduled)
        return NULL;
    if (!request_change_template(request, &vm->user_template, g_steal_pointer(&change), append))
        return NULL;
    request_give_sched_actions(request, vm, scheduled);
    object_changed(request->world, &vm->head);
    return reply_int(request, vm->head.id);
}

/* ---- life cycle ---- */

gboolean place_allowed(Request *request, const VmPlace *place)
{
    Object *host = request_object(request, KIND_HOST, place->host);
    Object *datastore = host && place->datastore >= 0
                            ? request_object(request, KIND_DATASTORE, place->datastore)
                            : NULL;
    if (!host || (place->datastore >= 0 && !datastore))
        return FALSE;
    AccessNeed needs[] = {{RIGHT_MANAGE, KIND_HOST, host, FALSE},
                          {RIGHT_USE, KIND_DATASTORE, datastore, FALSE}};
    return access_check(request->world, request->caller, needs, datastore ? 2 : 1, &request->error);
}

static RpcReply *reply_to_action(Request *request, gboolean success)
{
    return success ? reply_int(request, request->object->id) : NULL;
}

RpcReply *vm_method_deploy(Request *request)
{
    VmPlace place = {arg_int(request, 2, -1), arg_int(request, 4, -1), arg_bool(request, 3, FALSE)};
    VmAsker asker = request_asker(request);
    World *world = request->world;
    Vm *vm = VM(request->object);
    const char *text = arg_text(request, 5, "");
    g_autoptr(Template) before = NULL; /* of a machine whose cards get their networks now */
    g_autoptr(Template) networks = *text ? request_template(request, 5) : NULL;
    if ((*text && !networks) || !place_allowed(request, &place))
        return NULL;
    if (!cards_choose(world, vm, networks, &before, &request->error))
        return NULL;
    if (before)
        context_complete(world, vm);
    gboolean done = vm_deploy(request->lifecycle, vm, &place, &asker, &request->error);
    if (before && done)
        secgroup_count(world, vm);
    else if (before)
        cards_put_back(world, vm, g_steal_pointer(&before));
    return reply_to_action(request, done);
}

RpcReply *vm_method_migrate(Request *request)
{
    VmPlace place = {arg_int(request, 2, -1), arg_int(request, 5, -1), arg_bool(request, 4, FALSE)};
    VmMove order = {arg_bool(request, 3, FALSE), arg_int(request, 6, 0), NULL};
    VmAsker asker = request_asker(request);
    if (!place_allowed(request, &place))
        return NULL;
    return reply_to_action(request, vm_migrate(request->lifecycle, VM(request->object), &place,
                                               &order, &asker, &request->error));
}

static gboolean ends_machine(const char *word)
{
    static const char *const words[] = {"terminate", "terminate-hard", "delete", NULL};
    return g_strv_contains(words, word);
}

RpcReply *vm_method_action(Request *request)
{
    const char *word = arg_text(request, 1, "");
    const char *needed = vm_action_right(word);
    VmAsker asker = request_asker(request);
    const VRouter *router = vrouter_of_vm(request->world, VM(request->object));
    Right right = needed && !strcmp(needed, "admin") ? RIGHT_ADMIN : RIGHT_MANAGE;
    /* "poweroff-hard" is the operation poweroff, "unresched" is resched */
    g_autofree char *operation =
        g_strdup(g_str_has_prefix(word, "un") && strstr(word, "resched") ? "resched"
                                                                         : vm_action_meaning(word));
    if (g_str_has_suffix(operation, "-hard"))
        operation[strlen(operation) - strlen("-hard")] = '\0';
    right = operation_right(request->world, request->caller, operation, right);
    if (!request_may(request, right, KIND_VM, request->object))
        return NULL;
    if (router && ends_machine(vm_action_meaning(word)))
        return reply_error(request, ONE_ERROR_ACTION,
                           "Action \"%s\" is not supported for virtual router VMs: machine %d goes "
                           "when virtual router %d is deleted",
                           word, request->object->id, router->head.id);
    return reply_to_action(
        request, vm_action(request->lifecycle, VM(request->object), word, &asker, &request->error));
}

RpcReply *vm_method_recover(Request *request)
{
    VmAsker asker = request_asker(request);
    gint32 operation = arg_int(request, 2, arg_bool(request, 2, FALSE));
    return reply_to_action(request, vm_recover(request->lifecycle, VM(request->object), operation,
                                               &asker, &request->error));
}

/* ---- reading ---- */

static void render_old(Request *request, Vm *vm, GString *xml)
{
    gboolean may = access_has(request->world, request->caller, RIGHT_MANAGE, &vm->head);
    char *password = may ? NULL : vm_screen_cover(vm);
    vm_render_old(request->world, vm, xml);
    vm_screen_uncover(vm, password);
}

RpcReply *vm_info(Request *request)
{
    if (!request->old)
        return reply_object(request, request->object);
    g_autoptr(GString) xml = g_string_new(NULL);
    render_old(request, VM(request->object), xml);
    request->seen = request->object->changed;
    return reply_text(request, xml->str);
}

RpcReply *vm_monitoring(Request *request)
{
    GArray *ids = g_array_new(FALSE, FALSE, sizeof(gint32));
    g_array_append_val(ids, request->object->id);
    return reply_history(request, HISTORY_VM, ids, 0, FALSE);
}

static void keep_state(GPtrArray *vms, gint32 state)
{
    guint kept = 0;
    for (guint i = 0; i < vms->len; i++) {
        const Vm *vm = vms->pdata[i];
        gboolean wanted =
            state == -2 || (state == -1 ? vm->state != VM_DONE : (gint32)vm->state == state);
        if (wanted)
            vms->pdata[kept++] = vms->pdata[i];
    }
    g_ptr_array_set_size(vms, (gint)kept);
}

static void keep_found(Request *request, GPtrArray *vms, VmSearch *search)
{
    guint kept = 0;
    for (guint i = 0; i < vms->len; i++)
        if (vm_search_matches(search, request->world, vms->pdata[i]))
            vms->pdata[kept++] = vms->pdata[i];
    g_ptr_array_set_size(vms, (gint)kept);
}

static RpcReply *list_vms(Request *request, gboolean full)
{
    gint32 state = arg_int(request, 4, -1);
    const char *pairs = arg_text(request, 5, "");
    if (state < -2 || state >= VM_STATES)
        return reply_error(request, ONE_ERROR_RPC_API, "Incorrect state filter %d", state);
    g_autoptr(VmSearch) search = *pairs ? vm_search_parse(pairs, &request->error) : NULL;
    if (*pairs && !search)
        return NULL;
    GPtrArray *vms = request_visible(request, KIND_VM, arg_int(request, 1, -2));
    if (!vms)
        return NULL;
    keep_state(vms, state);
    if (search)
        keep_found(request, vms, search);
    request_page(vms, arg_int(request, 2, -1), arg_int(request, 3, -1));
    return reply_pool(request, KIND_VM, vms, full, NULL);
}

RpcReply *vmpool_info(Request *request)
{
    return list_vms(request, FALSE);
}

RpcReply *vmpool_infoextended(Request *request)
{
    return list_vms(request, TRUE);
}

RpcReply *vmpool_infoset(Request *request)
{
    g_autoptr(GArray) ids = ids_parse(arg_text(request, 1, ""));
    GPtrArray *vms = g_ptr_array_new();
    for (guint i = ids->len; i-- > 0;) {
        Vm *vm = vm_get(request->world, g_array_index(ids, gint32, i));
        if (vm && access_has(request->world, request->caller, RIGHT_USE, &vm->head))
            g_ptr_array_add(vms, vm);
    }
    return reply_pool(request, KIND_VM, vms, arg_bool(request, 2, FALSE), NULL);
}

RpcReply *vmpool_monitoring(Request *request)
{
    GPtrArray *vms = request_visible(request, KIND_VM, arg_int(request, 1, -2));
    gint32 seconds = arg_int(request, 2, -1);
    if (!vms)
        return NULL;
    GArray *ids = g_array_sized_new(FALSE, FALSE, sizeof(gint32), vms->len);
    for (guint i = vms->len; i-- > 0;) {
        const Vm *vm = vms->pdata[i];
        if (vm->state != VM_DONE)
            g_array_append_val(ids, vm->head.id);
    }
    g_ptr_array_unref(vms);
    gint64 since = seconds > 0 ? core_now(request->world->core) - seconds : 0;
    return reply_history(request, HISTORY_VM, ids, since, seconds == 0);
}

/* 1.4 and 2.x: filter; or filter, extended, state. The filter means: -1 own, below all. */
RpcReply *vmpool_info_old(Request *request)
{
    gint32 filter = arg_int(request, 1, -2);
    GPtrArray *vms = request_visible(request, KIND_VM,
                                     filter <= -2   ? -2
                                     : filter == -1 ? -3
                                                    : filter);
    if (!vms)
        return NULL;
    keep_state(vms, arg_int(request, 3, -1));
    g_autoptr(GString) xml = g_string_new("<VM_POOL>");
    for (guint i = vms->len; i-- > 0;)
        render_old(request, vms->pdata[i], xml);
    g_string_append(xml, "</VM_POOL>");
    g_ptr_array_unref(vms);
    request->seen = request->world->pools[KIND_VM].changed;
    return reply_text(request, xml->str);
}
