/*
 * Body of an HTTP request to values, and back: nothing may crash, what is read must be
 * writable, and the quick way for plain calls must read what xmlrpc-c reads.
 */
#include "server/rpc/codec.h"
#include "server/rpc/plain.h"
#include <string.h>

static const RpcLimits limits = {1 << 20, 16, 2000};

static void must(gboolean true_here, const char *what)
{
    if (!true_here)
        g_error("%s", what);
}

static gboolean same(const RpcValue *a, const RpcValue *b)
{
    if (a->type != b->type || a->is_i8 != b->is_i8)
        return FALSE;
    switch (a->type) {
    case RPC_INT:
    case RPC_BOOL:
        return a->number == b->number;
    case RPC_STRING:
        return strcmp(a->text, b->text) == 0;
    case RPC_ARRAY:
        if (a->items->len != b->items->len)
            return FALSE;
        for (guint i = 0; i < a->items->len; i++)
            if (!same(a->items->pdata[i], b->items->pdata[i]))
                return FALSE;
        return TRUE;
    default: /* never plain */
        return FALSE;
    }
}

static void compare(const char *body, gsize size, const char *method, const GPtrArray *arguments)
{
    g_autofree char *other = NULL;
    g_autoptr(GPtrArray) others = NULL;
    RpcReply *fault = rpc_decode_any(body, size, &limits, &other, &others);
    must(!fault, "plain, but xmlrpc-c refuses it");
    must(strcmp(method, other) == 0, "the methods differ");
    must(arguments->len == others->len, "the numbers of arguments differ");
    for (guint i = 0; i < arguments->len; i++)
        must(same(arguments->pdata[i], others->pdata[i]), "the values differ");
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);
int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    /* A copy that ends where the body does, so that reading on is seen. */
    g_autofree char *body = g_memdup2(data, size);
    g_autofree char *method = NULL;
    g_autoptr(GPtrArray) arguments = NULL;
    RpcReply *reply = NULL;
    if (rpc_read_plain(body, size, &limits, &method, &arguments))
        compare(body, size, method, arguments);
    else
        reply = rpc_decode_any(body, size, &limits, &method, &arguments);
    if (!reply) {
        RpcValue *tuple = rpc_value_array();
        g_ptr_array_unref(tuple->items);
        tuple->items = g_steal_pointer(&arguments);
        reply = rpc_reply_result(tuple);
    }
    g_string_free(rpc_encode(reply), TRUE);
    rpc_reply_free(reply);
    return 0;
}
