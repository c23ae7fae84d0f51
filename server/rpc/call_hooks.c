#include "server/rpc/call_hooks.h"

#include "lib/base/xml.h"
#include "server/lifecycle/hooks.h"
#include "server/model/secrets.h"
#include "server/rpc/server_private.h"

#include <string.h>

/* ---- which calls ---- */

/* Calls that only say something are not for hooks, as in OpenNebula. */
gboolean call_can_have_hooks(const RpcServer *server, const char *method)
{
    static const char *const endings[] = {".info",       ".infoextended", ".infoset",
                                          ".monitoring", ".accounting",   ".showback",
                                          ".migrations", ".migratecheck", ".raftstatus"};
    const GPtrArray *shapes = g_hash_table_lookup(server->methods, method);
    const RpcMethod *first = shapes ? shapes->pdata[0] : NULL;
    if (!first || first->need == NEED_NOTHING || first->flags & (ROW_STATELESS | ROW_OLD) ||
        g_str_has_prefix(method, "one.system.") || g_str_has_prefix(method, "globule.sched."))
        return FALSE;
    for (guint i = 0; i < G_N_ELEMENTS(endings); i++)
        if (g_str_has_suffix(method, endings[i]))
            return FALSE;
    return TRUE;
}

/* ---- what a hook is told ---- */

/* As text: lists have commas between. */
static void append_value(const World *world, GString *text, const RpcValue *value)
{
    switch (value->type) {
    case RPC_INT:
        g_string_append_printf(text, "%" G_GINT64_FORMAT, value->number);
        break;
    case RPC_BOOL:
        g_string_append(text, value->number ? "true" : "false");
        break;
    case RPC_STRING: {
        g_autofree char *hidden = secrets_hidden(world, value->text);
        g_string_append(text, hidden ? hidden : value->text);
        break;
    }
    case RPC_DOUBLE: {
        char buffer[G_ASCII_DTOSTR_BUF_SIZE];
        g_string_append(text, g_ascii_dtostr(buffer, sizeof buffer, value->real));
        break;
    }
    case RPC_ARRAY:
    case RPC_STRUCT:
        for (guint i = 0; i < value->items->len; i++) {
            if (i)
                g_string_append_c(text, ',');
            append_value(world, text, value->items->pdata[i]);
        }
        break;
    case RPC_NIL:
        break;
    }
}

static void append_parameters(const World *world, GString *xml, const RpcCall *call,
                              const GPtrArray *values, gboolean is_answer)
{
    for (guint i = 0; i < values->len; i++) {
        g_autoptr(GString) text = g_string_new(NULL);
        if (secret_argument(call->method, i + 1, is_answer))
            g_string_append(text, SECRET_HIDDEN);
        else
            append_value(world, text, values->pdata[i]);
        g_string_append(xml, "<PARAMETER>");
        xml_append_element_int(xml, "POSITION", i + 1);
        xml_append_element(xml, "TYPE", is_answer ? "OUT" : "IN");
        xml_append_element(xml, "VALUE", text->str);
        g_string_append(xml, "</PARAMETER>");
    }
}

/* [true, ...], or a text made of fragments, which begins so too. */
static gboolean is_success(const RpcReply *reply)
{
    if (reply->kind == RPC_REPLY_TEXT)
        return TRUE;
    if (reply->kind != RPC_REPLY_RESULT || reply->result->type != RPC_ARRAY ||
        !reply->result->items->len)
        return FALSE;
    const RpcValue *done = reply->result->items->pdata[0];
    return done->type == RPC_BOOL && done->number;
}

static void render_hidden(World *world, Object *object, GString *xml)
{
    gsize from = xml->len;
    object_render(world, object, xml);
    secrets_hide_xml(world, xml, from);
}

/* What an allocation made, from the id in its answer. */
static void append_made(RpcServer *server, const RpcCall *call, const RpcReply *reply, GString *xml)
{
    const GPtrArray *shapes = g_hash_table_lookup(server->methods, call->method);
    Kind kind = ((const RpcMethod *)shapes->pdata[0])->kind;
    if (!g_str_has_suffix(call->method, ".allocate") || kind == KIND_NONE ||
        reply->kind != RPC_REPLY_RESULT || reply->result->items->len < 2)
        return;
    const RpcValue *id = reply->result->items->pdata[1];
    Object *made = id->type == RPC_INT ? pool_get(server->world, kind, (gint32)id->number) : NULL;
    if (made)
        render_hidden(server->world, made, xml);
}

char *call_hooks_before(Request *request)
{
    if (!pool_count(request->world, KIND_HOOK) || !request->object ||
        !g_str_has_suffix(request->call->method, ".delete") ||
        !hooks_wait_for(request->world, request->call->method))
        return NULL;
    GString *xml = g_string_new(NULL);
    render_hidden(request->world, request->object, xml);
    return g_string_free(xml, FALSE);
}

void call_hooks_after(RpcServer *server, const RpcCall *call, const RpcReply *reply,
                      const char *gone)
{
    if (!pool_count(server->world, KIND_HOOK) || !hooks_wait_for(server->world, call->method) ||
        !is_success(reply))
        return;
    g_autoptr(GString) xml = g_string_new("<CALL_INFO><RESULT>1</RESULT><PARAMETERS>");
    append_parameters(server->world, xml, call, call->arguments, FALSE);
    if (reply->kind == RPC_REPLY_RESULT)
        append_parameters(server->world, xml, call, reply->result->items, TRUE);
    g_string_append(xml, "</PARAMETERS><EXTRA>");
    if (gone)
        g_string_append(xml, gone);
    else
        append_made(server, call, reply, xml);
    g_string_append(xml, "</EXTRA></CALL_INFO>");
    hooks_called(server->lifecycle, call->method, xml->str);
}
