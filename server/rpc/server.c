/* From a call to its row, its handler and its answer. */
#include "server/rpc/sched_actions.h"
#include "server/rpc/call_hooks.h"
#include "server/rpc/server_private.h"

#include "lib/base/log.h"

#include <stdarg.h>
#include <string.h>

/* Codes of XML-RPC faults, as xmlrpc-c has them. */
#define FAULT_TYPE      -501
#define FAULT_NO_METHOD -506

RpcServer *rpc_server_new(World *world, Lifecycle *lifecycle, Sessions *sessions, History *history)
{
    RpcServer *server = g_new0(RpcServer, 1);
    guint count;
    const RpcMethod *rows = rpc_methods(&count);
    server->world = world;
    server->lifecycle = lifecycle;
    server->sessions = sessions;
    server->history = history;
    server->methods =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)g_ptr_array_unref);
    for (guint i = 0; i < count; i++) {
        GPtrArray *shapes = g_hash_table_lookup(server->methods, rows[i].name);
        if (!shapes) {
            shapes = g_ptr_array_new();
            g_hash_table_insert(server->methods, (gpointer)rows[i].name, shapes);
        }
        g_ptr_array_add(shapes, (gpointer)&rows[i]);
    }
    server->consoles = consoles_new();
    server->logins = logins_new();
    server->authorizations = authorizations_new();
    server->agreements = agreements_new();
    server->runs = runs_new();
    server->runs_open = g_queue_new();
    server->readers = readers_new(server);
    world->rpc = server;
    if (lifecycle) {
        sched_actions_connect(server);
        backupjobs_connect(server);
    }
    return server;
}

void rpc_server_free(RpcServer *server)
{
    if (!server)
        return;
    g_thread_pool_free(server->readers, FALSE, TRUE);
    g_hash_table_unref(server->methods);
    consoles_free(server->consoles);
    g_hash_table_unref(server->logins);
    g_hash_table_unref(server->authorizations);
    g_hash_table_unref(server->agreements);
    g_hash_table_unref(server->runs);
    g_queue_free(server->runs_open);
    g_free(server);
}

Consoles *rpc_server_consoles(RpcServer *server)
{
    return server->consoles;
}

/* ---- answers ---- */

typedef struct ReplyEffect {
    CoreEffect effect;
    RpcCall *call;
    RpcReply *reply;
} ReplyEffect;

/* Why a call failed, or NULL: the text of the fault, or of [false, text, ...]. */
static const char *failure_of(const RpcReply *reply)
{
    if (reply->kind == RPC_REPLY_FAULT)
        return reply->fault_text ? reply->fault_text : "";
    if (reply->kind != RPC_REPLY_RESULT || reply->result->type != RPC_ARRAY ||
        reply->result->items->len < 2)
        return NULL;
    const RpcValue *done = reply->result->items->pdata[0], *text = reply->result->items->pdata[1];
    return done->type == RPC_BOOL && !done->number && text->type == RPC_STRING ? text->text : NULL;
}

void request_log_answer(const RpcCall *call, const RpcReply *reply)
{
    const char *failure = failure_of(reply);
    log_debug("ReM",
              "Req:%" G_GUINT64_FORMAT " UID:%d IP:%s %s result %s, %" G_GINT64_FORMAT
              " us%s%.300s",
              call->number, call->caller.uid, call->address ? call->address : "-", call->method,
              failure ? "FAILURE" : "SUCCESS", g_get_monotonic_time() - call->started,
              failure ? ": " : "", failure ? failure : "");
}

static void reply_release(CoreEffect *effect)
{
    ReplyEffect *answer = (ReplyEffect *)effect;
    request_log_answer(answer->call, answer->reply);
    RpcCall *call = g_steal_pointer(&answer->call);
    call->finish(call, g_steal_pointer(&answer->reply));
}

static void reply_destroy(CoreEffect *effect)
{
    ReplyEffect *answer = (ReplyEffect *)effect;
    rpc_reply_free(answer->reply);
    g_free(answer);
}

static ReplyEffect *reply_effect(RpcCall *call, RpcReply *reply)
{
    ReplyEffect *answer = g_new0(ReplyEffect, 1);
    answer->effect.release = reply_release;
    answer->effect.destroy = reply_destroy;
    answer->effect.anywhere = TRUE;
    answer->call = call;
    answer->reply = reply;
    return answer;
}

void request_finish_later(RpcCall *call, RpcReply *reply)
{
    RpcServer *server = call->server;
    call_hooks_after(server, call, reply, NULL);
    core_after_commit(server->world->core, &reply_effect(call, reply)->effect);
}

RpcReply *request_failure_reply(Request *request, const GError *error, gint32 object)
{
    RpcValue *tuple = rpc_value_array();
    gboolean of_2009 = !strchr(request->call->method + strlen("one."), '.');
    g_autofree char *text = of_2009
                                ? g_strdup(error->message)
                                : g_strdup_printf("[%s] %s", request->call->method, error->message);
    gint code = error->domain == ONE_ERROR ? error->code : ONE_ERROR_INTERNAL;
    rpc_value_add(tuple, rpc_value_bool(FALSE));
    rpc_value_add(tuple, rpc_value_text(text));
    if (request->old)
        return rpc_reply_result(tuple);
    rpc_value_add(tuple, rpc_value_int(code));
    if (request->method->flags & ROW_HIDDEN)
        return rpc_reply_result(tuple); /* old libraries do not know the type i8 */
    rpc_value_add(tuple, rpc_value_int(code == ONE_ERROR_NO_EXISTS ? object : -1));
    rpc_value_add(tuple, rpc_value_i8(-1));
    return rpc_reply_result(tuple);
}

void request_answer_later(RpcCall *call, const char *text)
{
    RpcValue *tuple = rpc_value_array();
    rpc_value_add(tuple, rpc_value_bool(TRUE));
    rpc_value_add(tuple, rpc_value_text(text));
    rpc_value_add(tuple, rpc_value_int(0));
    request_finish_later(call, rpc_reply_result(tuple));
}

void request_fail_later(RpcCall *call, const GError *error)
{
    static const RpcMethod of_today = {0};
    Request request = {.call = call, .method = &of_today};
    request_finish_later(call, request_failure_reply(&request, error, -1));
}

RpcReply *reply_int(Request *request, gint64 number)
{
    RpcValue *tuple = rpc_value_array();
    rpc_value_add(tuple, rpc_value_bool(TRUE));
    rpc_value_add(tuple, rpc_value_int(number));
    if (!request->old)
        rpc_value_add(tuple, rpc_value_int(0));
    return rpc_reply_result(tuple);
}

RpcReply *reply_text(Request *request, const char *text)
{
    RpcValue *tuple = rpc_value_array();
    rpc_value_add(tuple, rpc_value_bool(TRUE));
    rpc_value_add(tuple, rpc_value_text(text));
    if (!request->old)
        rpc_value_add(tuple, rpc_value_int(0));
    return rpc_reply_result(tuple);
}

RpcReply *reply_done(Request *request)
{
    RpcValue *tuple = rpc_value_array();
    rpc_value_add(tuple, rpc_value_bool(TRUE));
    return rpc_reply_result(tuple);
}

RpcReply *reply_error(Request *request, OneError code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_clear_error(&request->error);
    request->error = g_error_new_valist(ONE_ERROR, code, format, arguments);
    va_end(arguments);
    return NULL;
}

RpcReply *reply_failure(Request *request)
{
    return NULL;
}

VmAsker request_asker(const Request *request)
{
    return (VmAsker){request->caller->head.id, request->caller->head.gid, request->call->number};
}

/* ---- handling ---- */

Object *request_object(Request *request, Kind kind, gint32 id)
{
    Object *object = pool_get(request->world, kind, id);
    if (!object)
        reply_error(request, ONE_ERROR_NO_EXISTS, "Error getting %s [%d].", kind_row(kind)->words,
                    id);
    return object;
}

gboolean request_may(Request *request, Right right, Kind kind, Object *object)
{
    AccessNeed need = {right, kind, object, FALSE};
    g_clear_error(&request->error);
    return access_check(request->world, request->caller, &need, 1, &request->error);
}

/* Whether a list such as "migrate, delete" names the word. */
static gboolean list_names(const char *list, const char *word)
{
    g_auto(GStrv) items = g_strsplit_set(list, ", \t", -1);
    return g_strv_contains((const char *const *)items, word);
}

Right operation_right(World *world, const User *user, const char *operation, Right otherwise)
{
    static const struct {
        const char *key;
        Right right;
    } lists[] = {{"VM_ADMIN_OPERATIONS", RIGHT_ADMIN},
                 {"VM_MANAGE_OPERATIONS", RIGHT_MANAGE},
                 {"VM_USE_OPERATIONS", RIGHT_USE}};
    const Group *group = group_get(world, user->head.gid);
    const Template *const own[] = {user->head.template, group ? group->head.template : NULL};
    for (guint which = 0; which < G_N_ELEMENTS(own); which++)
        for (guint i = 0; i < G_N_ELEMENTS(lists) && own[which]; i++) {
            const char *list = template_get(own[which], lists[i].key);
            if (list && list_names(list, operation))
                return lists[i].right;
        }
    for (guint i = 0; i < G_N_ELEMENTS(lists); i++)
        if (list_names(config_text(world->config, lists[i].key), operation))
            return lists[i].right;
    return otherwise;
}

static gboolean has_rights(Request *request)
{
    const RpcMethod *method = request->method;
    AccessNeed need = {RIGHT_USE, method->kind, request->object, FALSE};
    if (!zone_lets(request))
        return FALSE;
    switch (method->need) {
    case NEED_NOTHING:
    case NEED_SESSION:
    case NEED_LISTED:
    case NEED_OWN_CHECK:
        return TRUE;
    case NEED_ONEADMIN:
        if (user_is_admin(request->caller))
            return TRUE;
        reply_error(request, ONE_ERROR_AUTHORIZATION,
                    "User [%d] not authorized to perform action on -.", request->caller->head.id);
        return FALSE;
    case NEED_USE_LOCKED:
        need.ignore_lock = TRUE;
        break;
    case NEED_USE:
        break;
    case NEED_MANAGE_LOCKED:
        need.ignore_lock = TRUE;
        need.right = RIGHT_MANAGE;
        break;
    case NEED_MANAGE:
        need.right = RIGHT_MANAGE;
        break;
    case NEED_ADMIN:
        need.right = RIGHT_ADMIN;
        break;
    case NEED_CREATE:
        need.right = RIGHT_CREATE;
        break;
    }
    if (method->operation)
        need.right =
            operation_right(request->world, request->caller, method->operation, need.right);
    return access_check(request->world, request->caller, &need, 1, &request->error);
}

static void request_clear(Request *request)
{
    g_clear_pointer(&request->bound.groups, g_array_unref);
    g_clear_pointer(&request->asks, g_free);
    g_clear_pointer(&request->gone, g_free);
    g_clear_error(&request->error);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Request, request_clear)

/* A token that acts for one group: its user is as if they had no other. */
static void bind_to_group(Request *request, gint32 gid)
{
    request->bound = *request->caller;
    request->bound.is_bound = TRUE;
    request->bound.head.gid = gid;
    request->bound.groups = g_array_new(FALSE, FALSE, sizeof(gint32));
    g_array_append_val(request->bound.groups, gid);
    request->caller = &request->bound;
}

static gboolean finds_caller(Request *request)
{
    gint32 gid = request->call->caller.token_gid;
    request->caller = user_get(request->world, request->call->caller.uid);
    if (request->caller && gid >= 0 && !ids_contain(request->caller->groups, gid))
        request->caller = NULL; /* they have left the group since */
    else if (request->caller && gid >= 0)
        bind_to_group(request, gid);
    if (request->method->need == NEED_NOTHING || (request->caller && request->caller->enabled))
        return TRUE;
    reply_error(request, ONE_ERROR_AUTHENTICATION,
                "User couldn't be authenticated, aborting call.");
    return FALSE;
}

static gint32 object_id(const Request *request)
{
    gint32 id = arg_int(request, request->method->id_at, -1);
    if (id != -1 || !request->caller)
        return id;
    /* -1 is oneself, or one's own group */
    if (request->method->kind == KIND_USER)
        return request->caller->head.id;
    if (request->method->kind == KIND_GROUP)
        return request->caller->head.gid;
    return id;
}

static gboolean finds_object(Request *request)
{
    if (!request->method->id_at)
        return TRUE;
    request->object = request_object(request, request->method->kind, object_id(request));
    return request->object != NULL;
}

static void answer(Request *request, RpcReply *reply)
{
    Core *core = request->world->core;
    if (!reply && request->error) {
        gint32 id = request->method->id_at ? object_id(request) : -1;
        reply = request_failure_reply(request, request->error, id);
    }
    g_clear_error(&request->error);
    if (!reply)
        return; /* comes later */
    call_hooks_after(request->server, request->call, reply, request->gone);
    CoreEffect *effect = &reply_effect(request->call, reply)->effect;
    if (request->seen != G_MAXUINT64)
        core_after_batch(core, request->seen, effect);
    else
        core_after_commit(core, effect);
}

/* The secret has the form that clients of 1.4 to 2.2 send: a SHA-1 in hexadecimal. */
static gboolean session_is_old(const RpcCall *call)
{
    const RpcValue *session = call->arguments->len ? call->arguments->pdata[0] : NULL;
    if (!session || session->type != RPC_STRING)
        return FALSE;
    const char *secret = strchr(session->text, ':');
    if (!secret)
        return FALSE;
    return strlen(++secret) == 40 && strspn(secret, "0123456789abcdef") == 40;
}

gboolean rpc_run_as(RpcServer *server, gint32 uid, const char *method, GPtrArray *arguments,
                    GError **error)
{
    RpcCall call = {.method = (char *)method, .arguments = arguments, .caller = {uid, -1}};
    g_auto(Request) request = {.server = server,
                               .world = server->world,
                               .lifecycle = server->lifecycle,
                               .call = &call,
                               .seen = G_MAXUINT64};
    GPtrArray *shapes = g_hash_table_lookup(server->methods, method);
    g_autofree char *problem = NULL;
    if (!shapes || !request_choose_row(&request, shapes, &problem)) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "%s cannot be called so%s%s", method,
                    problem ? ": " : "", problem ? problem : "");
        return FALSE;
    }
    RpcReply *reply = NULL;
    if (finds_caller(&request) && finds_object(&request) && has_rights(&request))
        reply = request.method->handle(&request);
    if (reply)
        rpc_reply_free(reply);
    else
        g_propagate_error(error, g_steal_pointer(&request.error));
    return reply != NULL;
}

static void call_handle(Core *core, CoreInput *input)
{
    RpcCall *call = (RpcCall *)input;
    RpcServer *server = call->server;
    g_auto(Request) request = {.server = server,
                               .world = server->world,
                               .lifecycle = server->lifecycle,
                               .call = call,
                               .seen = G_MAXUINT64};
    GPtrArray *shapes = g_hash_table_lookup(server->methods, call->method);
    if (!shapes) {
        g_autofree char *text = g_strdup_printf("Method '%s' not defined", call->method);
        core_after_batch(core, 0,
                         &reply_effect(call, rpc_reply_fault(FAULT_NO_METHOD, text))->effect);
        return;
    }
    g_autofree char *problem = NULL;
    const RpcMethod *row = request_choose_row(&request, shapes, &problem);
    request.old = request.method->flags & ROW_OLD || session_is_old(call);
    if (finds_caller(&request) && !row) {
        core_after_batch(core, 0,
                         &reply_effect(call, rpc_reply_fault(FAULT_TYPE, problem))->effect);
        return;
    }
    RpcReply *reply = NULL;
    server->current = &request;
    if (!request.error && finds_object(&request) && has_rights(&request)) {
        request.gone = call_hooks_before(&request);
        reply = request.method->handle(&request);
    }
    server->current = NULL;
    if (!reply && request.error && request.asks) {
        request_ask_driver(server, call, request.asks);
        return;
    }
    g_hash_table_remove(server->agreements, call);
    answer(&request, reply);
}

void request_handle_again(RpcCall *call)
{
    RpcServer *server = call->server;
    call_handle(server->world->core, &call->input);
}

gboolean rpc_is_stateless(const RpcServer *server, const char *method)
{
    const GPtrArray *shapes = g_hash_table_lookup(server->methods, method);
    return shapes && ((const RpcMethod *)shapes->pdata[0])->flags & ROW_STATELESS;
}

RpcReply *rpc_answer_now(RpcServer *server, RpcCall *call)
{
    Request request = {.server = server, .call = call};
    g_autofree char *problem = NULL;
    const GPtrArray *shapes = g_hash_table_lookup(server->methods, call->method);
    const RpcMethod *row = request_choose_row(&request, shapes, &problem);
    if (!row || !(row->flags & ROW_STATELESS))
        return NULL;
    request.old = session_is_old(call);
    RpcReply *reply = row->handle(&request);
    request_log_answer(call, reply);
    return reply;
}

static void call_destroy(CoreInput *input)
{
    /* The call belongs to whoever made it, and is freed after its answer. */
}

void rpc_dispatch(RpcServer *server, RpcCall *call)
{
    call->server = server;
    call->input.handle = call_handle;
    call->input.destroy = call_destroy;
    core_post(server->world->core, &call->input);
}
