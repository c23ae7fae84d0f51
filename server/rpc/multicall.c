#include "server/rpc/multicall.h"

#include "server/rpc/scan.h"
#include <string.h>

typedef struct Inner {
    RpcCall call; /* first */
    Multicall *multicall;
    guint index;
} Inner;

struct Multicall {
    RpcCall *outer;
    GPtrArray *elements; /* of RpcValue *; the outer call's */
    GPtrArray *parts;    /* of RpcReply *, each at its element's place */
    guint next;
    gint pending; /* answers that are missing, and one while calls are still asked for */
};

static void one_less(Multicall *multicall)
{
    if (!g_atomic_int_dec_and_test(&multicall->pending))
        return;
    RpcCall *outer = multicall->outer;
    RpcReply *reply = rpc_reply_many(multicall->parts);
    g_free(multicall);
    outer->finish(outer, reply);
}

static void set_part(Multicall *multicall, guint index, RpcReply *reply)
{
    multicall->parts->pdata[index] = reply;
    one_less(multicall);
}

static void inner_finish(RpcCall *call, RpcReply *reply)
{
    Inner *inner = (Inner *)call;
    Multicall *multicall = inner->multicall;
    guint index = inner->index;
    g_free(call->method);
    g_free(call->address);
    g_free(call->verifier);
    g_ptr_array_unref(call->arguments);
    g_free(inner);
    set_part(multicall, index, reply);
}

Multicall *rpc_multicall_split(RpcCall *outer, guint most, RpcReply **fault)
{
    *fault = NULL;
    const RpcValue *calls = outer->arguments->len > 0 ? outer->arguments->pdata[0] : NULL;
    if (!calls || calls->type != RPC_ARRAY) {
        *fault = rpc_reply_fault(RPC_FAULT_TYPE,
                                 "system.multicall takes one array of structs with methodName "
                                 "and params");
        return NULL;
    }
    if (calls->items->len > most) {
        g_autofree char *text = g_strdup_printf("system.multicall holds %u calls; %u are the most",
                                                calls->items->len, most);
        *fault = rpc_reply_fault(RPC_FAULT_LIMIT, text);
        return NULL;
    }
    Multicall *multicall = g_new0(Multicall, 1);
    multicall->outer = outer;
    multicall->elements = calls->items;
    multicall->parts = g_ptr_array_new();
    g_ptr_array_set_size(multicall->parts, (gint)calls->items->len);
    multicall->pending = (gint)calls->items->len + 1;
    return multicall;
}

/* The place of the value of a member, to take it away; NULL: there is none. */
static RpcValue **member(const RpcValue *structure, const char *name, RpcType type)
{
    for (guint i = 0; i + 1 < structure->items->len; i += 2) {
        const RpcValue *key = structure->items->pdata[i];
        RpcValue **value = (RpcValue **)&structure->items->pdata[i + 1];
        if (strcmp(key->text, name) == 0)
            return (*value)->type == type ? value : NULL;
    }
    return NULL;
}

static RpcCall *make_inner(Multicall *multicall, const RpcValue *element, guint index,
                           RpcReply **fault)
{
    RpcValue **name = NULL, **parameters = NULL;
    if (element->type == RPC_STRUCT) {
        name = member(element, "methodName", RPC_STRING);
        parameters = member(element, "params", RPC_ARRAY);
    }
    if (!name || !parameters) {
        *fault = rpc_reply_fault(RPC_FAULT_TYPE, "An element of system.multicall must be a struct "
                                                 "with methodName, a string, and params, an array");
        return NULL;
    }
    if (strcmp((*name)->text, "system.multicall") == 0) {
        *fault = rpc_reply_fault(RPC_FAULT_REFUSED,
                                 "system.multicall cannot be called inside system.multicall");
        return NULL;
    }
    const RpcCall *outer = multicall->outer;
    Inner *inner = g_new0(Inner, 1);
    inner->multicall = multicall;
    inner->index = index;
    RpcCall *call = &inner->call;
    call->method = g_steal_pointer(&(*name)->text);
    (*name)->text = g_strdup("");
    call->arguments = (*parameters)->items;
    (*parameters)->items = g_ptr_array_new();
    call->caller = (RpcCaller){-1, -1};
    call->address = g_strdup(outer->address);
    call->number = outer->number;
    call->started = outer->started;
    call->finish = inner_finish;
    return call;
}

RpcCall *rpc_multicall_next(Multicall *multicall)
{
    while (multicall->next < multicall->elements->len) {
        guint index = multicall->next++;
        RpcReply *fault = NULL;
        RpcCall *call = make_inner(multicall, multicall->elements->pdata[index], index, &fault);
        if (call)
            return call;
        set_part(multicall, index, fault);
    }
    return NULL;
}

void rpc_multicall_release(Multicall *multicall)
{
    one_less(multicall);
}
