/*
 * JSON in and out: what is read must be written so that it reads as the same, arguments by name are
 * placed or refused, and any text that an answer may hold becomes JSON.
 */
#include "server/rpc/json.h"

#include <string.h>

static const RpcLimits limits = {1 << 20, 16, 2000};

static void must(gboolean true_here, const char *what)
{
    if (!true_here)
        g_error("%s", what);
}

/* The reply holds the value in {"result": ...}; or, for text that is XML, the document. */
static GString *written(RpcValue *value)
{
    guint status;
    RpcReply *reply = rpc_reply_result(value);
    GString *out = rpc_json_encode(reply, &status);
    rpc_reply_free(reply);
    must(status == 200 || strstr(out->str, "{\"error\":") == out->str, "a status without an error");
    return out;
}

static void must_be_json(const GString *text)
{
    static const RpcLimits wide = {1 << 30, 1000, G_MAXUINT};
    gint code;
    g_autofree char *problem = NULL;
    RpcValue *value = rpc_json_read(text->str, text->len, &wide, &code, &problem);
    /* JSON, but not what a call may be: an object with many members (a document with many
     * elements), a character that XML cannot hold. */
    if (!value && !strstr(problem, "more than 100 members") && !strstr(problem, "cannot be kept"))
        g_error("what is written is no JSON, %s: %s", problem, text->str);
    rpc_value_free(value);
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);
int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    static const char *const methods[] = {"globule.vm.migrate", "one.vm.info",
                                          "system.listMethods"};
    /* A copy that ends where the body does, so that reading on is seen. */
    g_autofree char *body = g_memdup2(data, size);
    gint code;
    g_autofree char *problem = NULL;
    RpcValue *value = rpc_json_read(body, size, &limits, &code, &problem);
    must((value == NULL) == (problem != NULL), "no value without a problem");
    if (value) {
        RpcValue *tuple = rpc_value_array();
        rpc_value_add(tuple, rpc_value_bool(TRUE));
        rpc_value_add(tuple, value);
        g_autoptr(GString) out = written(tuple);
        must_be_json(out);
    }
    for (guint i = 0; i < G_N_ELEMENTS(methods); i++) {
        g_autoptr(GPtrArray) arguments = NULL;
        RpcReply *fault = rpc_json_decode(methods[i], "a:b", body, size, &limits, &arguments);
        must((fault == NULL) == (arguments != NULL), "no arguments without a fault");
        rpc_reply_free(fault);
    }
    g_autofree char *text = g_strndup((const char *)data, size);
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    g_autoptr(GString) document = written(rpc_value_text(valid));
    must_be_json(document);
    return 0;
}
