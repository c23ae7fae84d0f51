#include "server/rpc/gate.h"

#include "lib/base/error.h"
#include "server/rpc/multicall.h"
#include "server/rpc/scan.h"
#include <string.h>

struct Gate {
    GateOptions options;
    GRWLock lock;      /* guards the next */
    GHashTable *known; /* names of methods that exist; asked for once, then remembered */
};

/* What a method means to the gate; others have a session and nothing special. */
typedef enum { NO_SESSION = 1, OF_2009, HAS_PASSWORD } Special;

static const struct {
    const char *method;
    Special special;
    guint argument; /* HAS_PASSWORD: which one, the session being 0 */
} specials[] = {
    {"system.listMethods", NO_SESSION},
    {"system.methodSignature", NO_SESSION},
    {"system.methodHelp", NO_SESSION},
    {"system.capabilities", NO_SESSION},
    {"system.getCapabilities", NO_SESSION},
    {"one.user.allocate", HAS_PASSWORD, 2},
    {"one.user.passwd", HAS_PASSWORD, 2},
    {"one.user.chauth", HAS_PASSWORD, 3},
    /* The methods of OpenNebula 1.2, which has no users: spelled without the second dot. */
    {"one.vmallocate", OF_2009},
    {"one.vmdeploy", OF_2009},
    {"one.vmaction", OF_2009},
    {"one.vmmigrate", OF_2009},
    {"one.vmget_info", OF_2009},
    {"one.hostallocate", OF_2009},
    {"one.hostinfo", OF_2009},
    {"one.hostdelete", OF_2009},
    {"one.hostenable", OF_2009},
    {"one.vnallocate", OF_2009},
    {"one.vninfo", OF_2009},
    {"one.vndelete", OF_2009},
};

/* The index in `specials`, or -1. */
static gint special_of(const char *method)
{
    for (guint i = 0; i < G_N_ELEMENTS(specials); i++)
        if (strcmp(specials[i].method, method) == 0)
            return (gint)i;
    return -1;
}

/* A call that waits for a worker of the sessions. */
typedef struct Waiting {
    Gate *gate;
    RpcCall *call;
    void (*then)(gpointer data); /* when the call has gone on or is answered */
    gpointer data;
} Waiting;

Gate *gate_new(const GateOptions *options)
{
    Gate *gate = g_new0(Gate, 1);
    gate->options = *options;
    if (gate->options.multicall_most == 0)
        gate->options.multicall_most = 1000;
    g_rw_lock_init(&gate->lock);
    gate->known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    return gate;
}

void gate_free(Gate *gate)
{
    if (!gate)
        return;
    g_hash_table_unref(gate->known);
    g_rw_lock_clear(&gate->lock);
    g_free(gate);
}

/* Only names that exist are remembered: as many as there are methods. */
static gboolean exists(Gate *gate, const char *method)
{
    if (!gate->options.exists)
        return TRUE;
    g_rw_lock_reader_lock(&gate->lock);
    gboolean known = g_hash_table_contains(gate->known, method);
    g_rw_lock_reader_unlock(&gate->lock);
    if (known || !gate->options.exists(method))
        return known;
    g_rw_lock_writer_lock(&gate->lock);
    g_hash_table_add(gate->known, g_strdup(method));
    g_rw_lock_writer_unlock(&gate->lock);
    return TRUE;
}

RpcReply *gate_refusal(const char *method, gboolean old_form, const char *why)
{
    g_autofree char *text =
        g_strdup_printf("[%s] User couldn't be authenticated, aborting call.%s%s", method,
                        why ? " " : "", why ? why : "");
    RpcValue *tuple = rpc_value_array();
    rpc_value_add(tuple, rpc_value_bool(FALSE));
    rpc_value_add(tuple, rpc_value_text(text));
    rpc_value_add(tuple, rpc_value_int(ONE_ERROR_AUTHENTICATION));
    if (!old_form) {
        rpc_value_add(tuple, rpc_value_int(-1));
        rpc_value_add(tuple, rpc_value_i8(-1));
    }
    return rpc_reply_result(tuple);
}

/* ---- after the question ---- */

static Waiting *waiting_new(Gate *gate, RpcCall *call, void (*then)(gpointer), gpointer data)
{
    Waiting *waiting = g_new(Waiting, 1);
    *waiting = (Waiting){gate, call, then, data};
    return waiting;
}

static void waiting_end(Waiting *waiting)
{
    if (waiting->then)
        waiting->then(waiting->data);
    g_free(waiting);
}

static void hashed(char *verifier, gpointer data)
{
    Waiting *waiting = data;
    waiting->call->verifier = verifier;
    waiting->gate->options.dispatch(waiting->call, waiting->gate->options.data);
    waiting_end(waiting);
}

/* The password that an argument holds, or NULL. */
static const char *password_argument(const RpcCall *call)
{
    gint special = special_of(call->method);
    if (special < 0 || specials[special].special != HAS_PASSWORD ||
        call->arguments->len <= specials[special].argument)
        return NULL;
    const RpcValue *value = call->arguments->pdata[specials[special].argument];
    return value->type == RPC_STRING && *value->text ? value->text : NULL;
}

/* The question is answered: the call goes on, or back. TRUE: now; FALSE: when its password
 * is hashed. */
static gboolean judge(Gate *gate, RpcCall *call, const SessionAnswer *answer,
                      void (*then)(gpointer), gpointer data)
{
    if (answer->uid < 0) {
        call->finish(call, gate_refusal(call->method, answer->old_form, answer->why));
        return TRUE;
    }
    call->caller = (RpcCaller){answer->uid, answer->token_gid};
    const char *password = password_argument(call);
    if (password) {
        sessions_hash(gate->options.sessions, password, hashed,
                      waiting_new(gate, call, then, data));
        return FALSE;
    }
    gate->options.dispatch(call, gate->options.data);
    return TRUE;
}

static void answered(const SessionAnswer *answer, gpointer data)
{
    Waiting *waiting = data;
    if (judge(waiting->gate, waiting->call, answer, waiting->then, waiting->data))
        waiting_end(waiting);
    else
        g_free(waiting);
}

/* ---- the question ---- */

static gboolean is_local(const char *address)
{
    return address && (strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0);
}

/* Lets one call through that is not system.multicall. TRUE: it has gone on or is answered;
 * FALSE: it waits, and `then` tells when it no longer does. */
static gboolean admit(Gate *gate, RpcCall *call, void (*then)(gpointer), gpointer data)
{
    gint special = special_of(call->method);
    gboolean open = special >= 0 && specials[special].special == NO_SESSION;
    if (open || !exists(gate, call->method)) {
        gate->options.dispatch(call, gate->options.data);
        return TRUE;
    }
    const RpcValue *session = call->arguments->len > 0 ? call->arguments->pdata[0] : NULL;
    if (!session || session->type != RPC_STRING) {
        call->finish(call, rpc_reply_fault(RPC_FAULT_TYPE,
                                           session ? "Parameter that is supposed to be string is "
                                                     "not: the first must be the session, "
                                                     "\"user:password\""
                                                   : "Not enough parameters: the first must be the "
                                                     "session, \"user:password\""));
        return TRUE;
    }
    const SessionQuestion question = {
        .session = session->text,
        .address = call->address,
        .local = is_local(call->address),
        .method_2009 = special >= 0 && specials[special].special == OF_2009,
    };
    SessionAnswer answer;
    Waiting *waiting = waiting_new(gate, call, then, data);
    if (!sessions_ask(gate->options.sessions, &question, &answer, answered, waiting))
        return FALSE;
    g_free(waiting);
    return judge(gate, call, &answer, then, data);
}

RpcReply *gate_answer_now(RpcCall *call, gpointer data)
{
    Gate *gate = data;
    if (!gate->options.is_stateless ||
        !gate->options.is_stateless(call->method, gate->options.data))
        return NULL;
    gint special = special_of(call->method);
    if (special < 0 || specials[special].special != NO_SESSION) {
        const RpcValue *session = call->arguments->len > 0 ? call->arguments->pdata[0] : NULL;
        SessionAnswer answer;
        if (!session || session->type != RPC_STRING ||
            !sessions_recall(gate->options.sessions, session->text, &answer))
            return NULL;
        call->caller = (RpcCaller){answer.uid, answer.token_gid};
    }
    return gate->options.answer_now(call, gate->options.data);
}

/* ---- many in one ---- */

typedef struct Series {
    Gate *gate;
    Multicall *multicall;
} Series;

/* Each call goes on before the next is looked at, so that they are worked on in order. */
static void continue_series(gpointer data)
{
    Series *series = data;
    RpcCall *call;
    while ((call = rpc_multicall_next(series->multicall)))
        if (!admit(series->gate, call, continue_series, series))
            return;
    rpc_multicall_release(series->multicall);
    g_free(series);
}

static void admit_many(Gate *gate, RpcCall *call)
{
    RpcReply *fault = NULL;
    Multicall *multicall = rpc_multicall_split(call, gate->options.multicall_most, &fault);
    if (!multicall) {
        call->finish(call, fault);
        return;
    }
    Series *series = g_new(Series, 1);
    *series = (Series){gate, multicall};
    continue_series(series);
}

void gate_dispatch(RpcCall *call, gpointer data)
{
    Gate *gate = data;
    if (strcmp(call->method, "system.multicall") == 0)
        admit_many(gate, call);
    else
        admit(gate, call, NULL, NULL);
}
