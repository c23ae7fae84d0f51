#include "server/rpc/call.h"

static RpcValue *value_new(RpcType type)
{
    RpcValue *value = g_new0(RpcValue, 1);
    value->type = type;
    return value;
}

static void free_item(gpointer item)
{
    rpc_value_free(item);
}

RpcValue *rpc_value_int(gint64 number)
{
    RpcValue *value = value_new(RPC_INT);
    value->number = number;
    return value;
}

RpcValue *rpc_value_i8(gint64 number)
{
    RpcValue *value = rpc_value_int(number);
    value->is_i8 = TRUE;
    return value;
}

RpcValue *rpc_value_bool(gboolean truth)
{
    RpcValue *value = value_new(RPC_BOOL);
    value->number = truth ? 1 : 0;
    return value;
}

RpcValue *rpc_value_text(const char *text)
{
    RpcValue *value = value_new(RPC_STRING);
    value->text = g_strdup(text ? text : "");
    return value;
}

RpcValue *rpc_value_array(void)
{
    RpcValue *value = value_new(RPC_ARRAY);
    value->items = g_ptr_array_new_with_free_func(free_item);
    return value;
}

RpcValue *rpc_value_struct(void)
{
    RpcValue *value = rpc_value_array();
    value->type = RPC_STRUCT;
    return value;
}

void rpc_value_add(RpcValue *array, RpcValue *item)
{
    g_assert(array->type == RPC_ARRAY);
    g_ptr_array_add(array->items, item);
}

void rpc_value_add_member(RpcValue *structure, const char *name, RpcValue *item)
{
    g_assert(structure->type == RPC_STRUCT);
    g_ptr_array_add(structure->items, rpc_value_text(name));
    g_ptr_array_add(structure->items, item);
}

void rpc_value_free(RpcValue *value)
{
    if (!value)
        return;
    if (value->type == RPC_STRING)
        g_free(value->text);
    else if (value->type == RPC_ARRAY || value->type == RPC_STRUCT)
        g_ptr_array_unref(value->items);
    g_free(value);
}

static RpcReply *reply_new(RpcReplyKind kind)
{
    RpcReply *reply = g_new0(RpcReply, 1);
    reply->kind = kind;
    return reply;
}

RpcReply *rpc_reply_result(RpcValue *result)
{
    RpcReply *reply = reply_new(RPC_REPLY_RESULT);
    reply->result = result;
    return reply;
}

RpcReply *rpc_reply_text(FragmentList *text)
{
    RpcReply *reply = reply_new(RPC_REPLY_TEXT);
    reply->text = text;
    return reply;
}

RpcReply *rpc_reply_fault(gint code, const char *text)
{
    RpcReply *reply = reply_new(RPC_REPLY_FAULT);
    reply->fault_code = code;
    reply->fault_text = g_strdup(text);
    return reply;
}

static void free_part(gpointer part)
{
    rpc_reply_free(part);
}

RpcReply *rpc_reply_many(GPtrArray *parts)
{
    RpcReply *reply = reply_new(RPC_REPLY_MANY);
    reply->parts = parts;
    g_ptr_array_set_free_func(parts, free_part);
    return reply;
}

void rpc_reply_free(RpcReply *reply)
{
    if (!reply)
        return;
    rpc_value_free(reply->result);
    fragment_list_free(reply->text);
    g_free(reply->fault_text);
    if (reply->parts)
        g_ptr_array_unref(reply->parts);
    g_free(reply);
}
