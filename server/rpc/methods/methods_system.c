/* The server itself: version, configuration, introspection, the scheduler's bell. */
#include "server/rpc/server_private.h"

#include <string.h>

/* The generation of the wire that clients ask for. */
#define WIRE_VERSION "7.4.0"

RpcReply *system_version(Request *request)
{
    request->seen = 0;
    return reply_text(request, WIRE_VERSION);
}

RpcReply *system_config(Request *request)
{
    g_autoptr(Template) config =
        config_for_clients(request->world->config, user_is_admin(request->caller));
    g_autoptr(GString) xml = g_string_new(NULL);
    template_append_xml_element(config, "OPENNEBULA_CONFIGURATION", xml);
    request->seen = 0;
    return reply_text(request, xml->str);
}

/* User 0 alone: the database has what opens doors. */
static gboolean is_first_user(Request *request)
{
    if (request->caller->head.id == USER_ONEADMIN)
        return TRUE;
    reply_error(request, ONE_ERROR_AUTHORIZATION, "User [%d] : Only oneadmin may use SQL.",
                request->caller->head.id);
    return FALSE;
}

RpcReply *system_sql(Request *request)
{
    if (!is_first_user(request))
        return NULL;
    return reply_error(
        request, ONE_ERROR_ACTION,
        "SQL command failed: oned keeps in memory what the database has, and would "
        "not see the change. Use the methods; or stop oned, make a copy with \"oned "
        "--backup\", change the file with sqlite3 and look at it with \"oned --check\"");
}

RpcReply *system_sqlquery(Request *request)
{
    return is_first_user(request) ? reply_query(request, arg_text(request, 1, "")) : NULL;
}

/* What onezone and Sunstone ask before they list zones. */
RpcReply *zone_raftstatus(Request *request)
{
    request->seen = 0;
    return reply_text(request, "<RAFT><SERVER_ID>-1</SERVER_ID><STATE>0</STATE><TERM>0</TERM>"
                               "<VOTEDFOR>-1</VOTEDFOR><COMMIT>0</COMMIT>"
                               "<LOG_INDEX>-1</LOG_INDEX><LOG_TERM>-1</LOG_TERM>"
                               "<FEDLOG_INDEX>-1</FEDLOG_INDEX></RAFT>");
}

/* ---- introspection ---- */

static const char *type_name(char letter)
{
    return letter == 'i' ? "int" : letter == 'b' ? "boolean" : letter == 'A' ? "array" : "string";
}

static gint compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

RpcReply *system_list_methods(Request *request)
{
    guint count;
    const RpcMethod *rows = rpc_methods(&count);
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    for (guint i = 0; i < count; i++)
        if (!(rows[i].flags & ROW_HIDDEN))
            g_ptr_array_add(names, (gpointer)rows[i].name);
    g_ptr_array_add(names, (gpointer) "system.multicall");
    g_ptr_array_sort(names, compare_names);
    RpcValue *list = rpc_value_array();
    for (guint i = 0; i < names->len; i++)
        if (i == 0 || strcmp(names->pdata[i], names->pdata[i - 1]) != 0)
            rpc_value_add(list, rpc_value_text(names->pdata[i]));
    request->seen = 0;
    return rpc_reply_result(list);
}

static const GPtrArray *named_rows(Request *request)
{
    return g_hash_table_lookup(request->server->methods, arg_text(request, 1, ""));
}

static RpcReply *no_such_method(Request *request)
{
    g_autofree char *text = g_strdup_printf("Method '%s' not defined", arg_text(request, 1, ""));
    request->seen = 0;
    return rpc_reply_fault(-506, text);
}

static RpcValue *signature_of(const RpcMethod *row)
{
    RpcValue *signature = rpc_value_array();
    rpc_value_add(signature, rpc_value_text(row->need == NEED_NOTHING ? row->result : "array"));
    if (row->need != NEED_NOTHING)
        rpc_value_add(signature, rpc_value_text("string"));
    for (const char *letter = row->arguments; *letter; letter++)
        if (*letter != '|')
            rpc_value_add(signature, rpc_value_text(type_name(*letter)));
    return signature;
}

RpcReply *system_method_signature(Request *request)
{
    const GPtrArray *rows = named_rows(request);
    if (!strcmp(arg_text(request, 1, ""), "system.multicall")) {
        RpcValue *list = rpc_value_array(), *signature = rpc_value_array();
        rpc_value_add(signature, rpc_value_text("array"));
        rpc_value_add(signature, rpc_value_text("array"));
        rpc_value_add(list, signature);
        return rpc_reply_result(list);
    }
    if (!rows)
        return no_such_method(request);
    RpcValue *list = rpc_value_array();
    for (guint i = 0; i < rows->len; i++)
        rpc_value_add(list, signature_of(rows->pdata[i]));
    request->seen = 0;
    return rpc_reply_result(list);
}

RpcReply *system_method_help(Request *request)
{
    const GPtrArray *rows = named_rows(request);
    request->seen = 0;
    if (!strcmp(arg_text(request, 1, ""), "system.multicall"))
        return rpc_reply_result(rpc_value_text("Makes several calls at once: an array of "
                                               "structs with methodName and params."));
    return rows ? rpc_reply_result(rpc_value_text(((const RpcMethod *)rows->pdata[0])->help))
                : no_such_method(request);
}

RpcReply *system_capabilities(Request *request)
{
    RpcValue *capabilities = rpc_value_struct(), *introspection = rpc_value_struct();
    rpc_value_add_member(introspection, "specUrl",
                         rpc_value_text("http://xmlrpc-c.sourceforge.net/introspection.html"));
    rpc_value_add_member(introspection, "specVersion", rpc_value_int(1));
    rpc_value_add_member(capabilities, "introspect", introspection);
    request->seen = 0;
    return rpc_reply_result(capabilities);
}

/* ---- the scheduler's bell ---- */

static void bell_rang(guint64 sequence, gpointer data)
{
    RpcCall *call = data;
    RpcValue *tuple = rpc_value_array();
    rpc_value_add(tuple, rpc_value_bool(TRUE));
    rpc_value_add(tuple, rpc_value_int((gint32)(sequence & 0x7fffffff)));
    rpc_value_add(tuple, rpc_value_int(0));
    request_finish_later(call, rpc_reply_result(tuple));
}

RpcReply *sched_wait(Request *request)
{
    guint64 now = lifecycle_pending_sequence(request->lifecycle);
    gint32 last = arg_int(request, 1, 0);
    gint32 seconds = CLAMP(arg_int(request, 2, 30), 0, 60);
    /* The wire has 31 bits; only whether it is the same counts. */
    gboolean same = (gint32)(now & 0x7fffffff) == last;
    lifecycle_wait_pending(request->lifecycle, same ? now : now + 1, (guint)seconds, bell_rang,
                           request->call);
    return NULL;
}
