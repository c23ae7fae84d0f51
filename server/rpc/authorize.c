/*
 * A second opinion on rights: when an entry of AUTH_MAD has AUTHZ, what oned would grant to a user
 * who is no administrator is asked of that driver too, which may refuse it. The call is put away
 * meanwhile and handled anew, from its beginning, when the driver agrees.
 */
#include "server/rpc/login.h"
#include "server/rpc/server_private.h"

#include "lib/base/log.h"

#include <string.h>

/* Numbers of these questions; those of logins are below. */
#define FIRST_NUMBER (G_GUINT64_CONSTANT(1) << 40)

/* An agreement is for now: what was to be tried again and was not is asked about anew. */
#define RUN_SECONDS 60

/* The driver is asked about so many runs at a time: the time that it has is for its answer, not for
 * those of others before it, and users' calls have their turn. */
#define RUNS_ASKED_MAX 8

typedef struct Run {
    RpcServer *server;
    char *name;
    gint32 uid;
    void (*again)(Lifecycle *lifecycle, gint32 id);
    gint32 id;
    GPtrArray *agreed;
    char *asks;    /* found in the attempt at hand; waits until it is asked */
    char *refused; /* why */
    gboolean waits;
    guint64 timer; /* until it is forgotten */
} Run;

typedef struct Authorization {
    guint64 number; /* first: the key */
    RpcServer *server;
    RpcCall *call; /* or NULL, and then */
    char *run;     /* the name of a Run */
    char *asks;
    guint64 timer;
} Authorization;

static void authorization_free(gpointer data)
{
    Authorization *asked = data;
    core_timer_cancel(asked->server->world->core, asked->timer);
    g_free(asked->asks);
    g_free(asked->run);
    g_free(asked);
}

static void run_free(gpointer data)
{
    Run *run = data;
    core_timer_cancel(run->server->world->core, run->timer);
    g_ptr_array_unref(run->agreed);
    g_free(run->name);
    g_free(run->asks);
    g_free(run->refused);
    g_free(run);
}

GHashTable *runs_new(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, NULL, run_free);
}

GHashTable *authorizations_new(void)
{
    return g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, authorization_free);
}

GHashTable *agreements_new(void)
{
    return g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify)g_ptr_array_unref);
}

/* The driver of AUTHZ, by the first name in its list; NULL: there is none. (owned) */
static char *authz_driver(const Config *config)
{
    const TemplateAttribute *entry;
    for (guint i = 0; (entry = config_vector(config, "AUTH_MAD", i)); i++) {
        const char *list = attribute_get(entry, "AUTHZ");
        const char *authn = attribute_get(entry, "AUTHN");
        if (!list || !*list)
            continue;
        const char *names = authn && *authn ? authn : list;
        names += strspn(names, ", \t");
        return g_strndup(names, strcspn(names, ", \t"));
    }
    return NULL;
}

/* "VM:12:MANAGE:3:1 ... 1": kind, object or - for what is to be made, right, owner, and that oned
 * would grant it; at the end the same of all together. (owned) */
static char *describe(const AccessNeed *needs, guint count)
{
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < count; i++) {
        const Object *object = needs[i].object;
        g_autofree char *id = object ? g_strdup_printf("%d", object->id) : g_strdup("-");
        g_string_append_printf(text, "%s:%s:%s:%d:1 ", kind_row(needs[i].kind)->acl_word, id,
                               access_right_word(needs[i].right), object ? object->uid : -1);
    }
    return g_string_free(g_string_append_c(text, '1'), FALSE);
}

/* What access_check() calls when it would grant. FALSE: not yet, or not at all. */
static gboolean agrees(World *world, const User *user, const AccessNeed *needs, guint count,
                       GError **error)
{
    RpcServer *server = world->rpc;
    Request *request = server->current;
    Run *run = request ? NULL : server->run;
    g_autofree char *driver = request || run ? authz_driver(world->config) : NULL;
    if (!driver)
        return TRUE;
    g_autofree char *asks = describe(needs, count);
    GPtrArray *agreed = run ? run->agreed : g_hash_table_lookup(server->agreements, request->call);
    char **open = run ? &run->asks : &request->asks;
    if (agreed && g_ptr_array_find_with_equal_func(agreed, asks, g_str_equal, NULL))
        return TRUE;
    if (run && run->refused) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_AUTHORIZATION, "User [%d] : Not authorized: %s.",
                    user->head.id, run->refused);
        return FALSE;
    }
    if (!*open)
        *open = g_steal_pointer(&asks);
    g_set_error(error, ONE_ERROR, ONE_ERROR_AUTHORIZATION,
                "User [%d] : The driver %s has not agreed yet.", user->head.id, driver);
    return FALSE;
}

void rpc_server_connect_authz(RpcServer *server)
{
    server->world->agrees = agrees;
}

/* ---- asking ---- */

static void ask_about_runs(RpcServer *server);

static void forget_run(Core *core, gpointer data)
{
    Run *run = data;
    run->timer = 0;
    g_hash_table_remove(run->server->runs, run->name);
}

/* The driver has agreed, or (`refused`) not: it is tried again soon, and another is asked about.
 * When oned ends nobody said anything, and it is as if it had not been tried. */
static void run_answered(Authorization *asked, const char *refused)
{
    RpcServer *server = asked->server;
    Run *run = g_hash_table_lookup(server->runs, asked->run);
    server->runs_asked--;
    if (run && refused)
        run->refused = g_strdup(refused);
    else if (run)
        g_ptr_array_add(run->agreed, g_steal_pointer(&asked->asks));
    g_hash_table_remove(server->authorizations, &asked->number);
    if (run && server->ending) {
        g_hash_table_remove(server->runs, run->name);
    } else if (run) {
        run->waits = FALSE;
        run->timer = core_timer_add(server->world->core, RUN_SECONDS * G_USEC_PER_SEC, forget_run,
                                    run, NULL);
        run->again(server->lifecycle, run->id);
    }
    ask_about_runs(server);
}

static void refuse(Authorization *asked, const char *why)
{
    RpcServer *server = asked->server;
    RpcCall *call = asked->call;
    if (!call) {
        run_answered(asked, why && *why ? why : "the driver of AUTHZ refuses");
        return;
    }
    g_autoptr(GError) error =
        g_error_new(ONE_ERROR, ONE_ERROR_AUTHORIZATION, "User [%d] : Not authorized: %s.",
                    call->caller.uid, why && *why ? why : "the driver of AUTHZ refuses");
    g_hash_table_remove(server->agreements, call);
    g_hash_table_remove(server->authorizations, &asked->number);
    request_fail_later(call, error);
}

static void overdue(Core *core, gpointer data)
{
    Authorization *asked = data;
    asked->timer = 0;
    refuse(asked, "the driver of AUTHZ did not answer in time; try again later");
}

/* About a call, or a run. */
static void ask(RpcServer *server, RpcCall *call, const Run *run, gint32 uid, const char *asks)
{
    World *world = server->world;
    Authorization *asked = g_new0(Authorization, 1);
    *asked = (Authorization){.number = FIRST_NUMBER + ++server->authorized,
                             .server = server,
                             .call = call,
                             .run = run ? g_strdup(run->name) : NULL,
                             .asks = g_strdup(asks)};
    g_hash_table_insert(server->authorizations, &asked->number, asked);
    g_autofree char *driver = authz_driver(world->config);
    if (server->ending || !server->outside || !driver) {
        refuse(asked, "there is no driver of AUTHZ any more; try again");
        return;
    }
    DriverRequest *request = g_new0(DriverRequest, 1);
    request->class = DRIVER_AUTHENTICATION;
    request->driver = g_steal_pointer(&driver);
    request->action = g_strdup("AUTHORIZE");
    request->id = (gint64)asked->number;
    request->number = asked->number;
    request->payload = g_strdup_printf("%d %s", uid, asks);
    gint64 seconds = config_int(world->config, "ACTION_TIMEOUTS/AUTHENTICATE");
    asked->timer = core_timer_add(world->core, seconds * G_USEC_PER_SEC, overdue, asked, NULL);
    server->outside->send(server->outside, request);
}

/* As many of those that wait as may be asked about, the first ones first. */
static void ask_about_runs(RpcServer *server)
{
    if (server->ending || server->runs_asking)
        return; /* one was refused at once: the loop that asked goes on */
    server->runs_asking = TRUE;
    while (server->runs_asked < RUNS_ASKED_MAX && server->runs_open->length) {
        Run *run = g_queue_pop_head(server->runs_open);
        g_autofree char *asks = g_steal_pointer(&run->asks);
        server->runs_asked++;
        ask(server, NULL, run, run->uid, asks);
    }
    server->runs_asking = FALSE;
}

void request_ask_driver(RpcServer *server, RpcCall *call, const char *asks)
{
    ask(server, call, NULL, call->caller.uid, asks);
}

gboolean authorize_answered(RpcServer *server, guint64 number, gboolean success, const char *info)
{
    Authorization *asked = g_hash_table_lookup(server->authorizations, &number);
    if (!asked)
        return number > FIRST_NUMBER;
    if (!success) {
        refuse(asked, info);
        return TRUE;
    }
    if (asked->run) {
        run_answered(asked, NULL);
        return TRUE;
    }
    RpcCall *call = asked->call;
    GPtrArray *agreed = g_hash_table_lookup(server->agreements, call);
    if (!agreed) {
        agreed = g_ptr_array_new_with_free_func(g_free);
        g_hash_table_insert(server->agreements, call, agreed);
    }
    g_ptr_array_add(agreed, g_steal_pointer(&asked->asks));
    g_hash_table_remove(server->authorizations, &number);
    request_handle_again(call);
    return TRUE;
}

/* ---- without a call ---- */

gboolean rpc_run_begin(RpcServer *server, const char *name, gint32 uid,
                       void (*again)(Lifecycle *lifecycle, gint32 id), gint32 id)
{
    Run *run = g_hash_table_lookup(server->runs, name);
    if (server->ending || (run && run->waits))
        return FALSE;
    if (run && run->uid != uid) { /* another's word, or about another */
        g_hash_table_remove(server->runs, name);
        run = NULL;
    }
    if (!run) {
        run = g_new0(Run, 1);
        *run = (Run){.server = server,
                     .name = g_strdup(name),
                     .uid = uid,
                     .again = again,
                     .id = id,
                     .agreed = g_ptr_array_new_with_free_func(g_free)};
        g_hash_table_insert(server->runs, run->name, run);
    }
    server->run = run;
    return TRUE;
}

StartResult rpc_run_end(RpcServer *server, gboolean done, GError **error)
{
    Run *run = g_steal_pointer(&server->run);
    if (done || !run->asks) {
        g_hash_table_remove(server->runs, run->name);
        return done ? START_STARTED : START_FAILED;
    }
    g_clear_error(error);
    core_timer_cancel(server->world->core, run->timer);
    run->timer = 0;
    run->waits = TRUE;
    g_queue_push_tail(server->runs_open, run);
    ask_about_runs(server);
    return START_WAITS;
}

void authorizations_end(RpcServer *server)
{
    g_autoptr(GList) open = g_hash_table_get_values(server->authorizations);
    for (GList *at = open; at; at = at->next)
        refuse(at->data, "the server is ending; try again");
}
