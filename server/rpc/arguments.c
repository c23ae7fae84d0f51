/* The arguments of a call, and the row of the method table that their shape chooses. */
#include "server/rpc/server_private.h"

const RpcValue *arg_value(const Request *request, guint at)
{
    guint first = request->method->need == NEED_NOTHING ? at - 1 : at;
    return first < request->call->arguments->len ? request->call->arguments->pdata[first] : NULL;
}

guint arg_count(const Request *request)
{
    guint session = request->method->need == NEED_NOTHING ? 0 : 1;
    return request->call->arguments->len - MIN(session, request->call->arguments->len);
}

gint32 arg_int(const Request *request, guint at, gint32 otherwise)
{
    const RpcValue *value = arg_value(request, at);
    return value && value->type == RPC_INT ? (gint32)value->number : otherwise;
}

gboolean arg_bool(const Request *request, guint at, gboolean otherwise)
{
    const RpcValue *value = arg_value(request, at);
    return value && value->type == RPC_BOOL ? value->number != 0 : otherwise;
}

const char *arg_text(const Request *request, guint at, const char *otherwise)
{
    const RpcValue *value = arg_value(request, at);
    return value && value->type == RPC_STRING ? value->text : otherwise;
}

static gboolean is_of_type(const RpcValue *value, char letter)
{
    switch (letter) {
    case 'i':
        return value->type == RPC_INT && value->number >= G_MININT32 && value->number <= G_MAXINT32;
    case 'b':
        return value->type == RPC_BOOL;
    case 's':
        return value->type == RPC_STRING;
    case 'A':
        return value->type == RPC_ARRAY;
    default:
        return FALSE;
    }
}

static const char *type_word(char letter)
{
    return letter == 'i'   ? "integer"
           : letter == 'b' ? "boolean"
           : letter == 's' ? "string"
                           : "array";
}

/* Whether the arguments fit the row. FALSE with the text of the fault. */
static gboolean arguments_fit(const Request *request, char **problem)
{
    gboolean optional = FALSE;
    guint at = 0, given = arg_count(request);
    for (const char *letter = request->method->arguments; *letter; letter++) {
        if (*letter == '|') {
            optional = TRUE;
            continue;
        }
        const RpcValue *value = ++at <= given ? arg_value(request, at) : NULL;
        if (!value && optional)
            break;
        if (!value) {
            *problem = g_strdup("Not enough parameters");
            return FALSE;
        }
        if (!is_of_type(value, *letter)) {
            *problem =
                g_strdup_printf("Parameter that is supposed to be %s is not", type_word(*letter));
            return FALSE;
        }
    }
    if (request->method->flags & ROW_EXACT && given > at) {
        *problem = g_strdup("Too many parameters");
        return FALSE;
    }
    return TRUE;
}

const RpcMethod *request_choose_row(Request *request, const GPtrArray *shapes, char **problem)
{
    for (guint i = 0; i < shapes->len; i++) {
        g_autofree char *why = NULL;
        request->method = shapes->pdata[i];
        if (arguments_fit(request, &why))
            return request->method;
        if (!*problem)
            *problem = g_steal_pointer(&why);
    }
    request->method = shapes->pdata[0];
    return NULL;
}
