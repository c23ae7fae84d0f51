/* globule.vm.console: the right is checked, the driver opens the console, the caller gets a token
 * that the HTTP listener takes for it. */
#include "server/rpc/server_private.h"

#include "server/rpc/consoles.h"

/* Of the call that waits for the driver. */
typedef struct Opening {
    RpcCall *call;
    gint32 vm;
    char *user;
    gboolean force;
} Opening;

static void opened(const char *socket, const GError *error, gpointer data)
{
    Opening *opening = data;
    RpcServer *server = opening->call->server;
    if (error) {
        request_fail_later(opening->call, error);
    } else {
        /* Containers let two listen at once; here the new one takes the place of the old. */
        if (opening->force)
            consoles_cut(server->consoles, opening->vm);
        g_autofree char *token = consoles_offer(server->consoles, opening->vm, opening->user,
                                                opening->call->address, socket);
        request_answer_later(opening->call, token);
    }
    g_free(opening->user);
    g_free(opening);
}

RpcReply *vm_method_console(Request *request)
{
    Vm *vm = VM(request->object);
    gboolean force = arg_bool(request, 2, FALSE);
    g_autofree char *holder = consoles_holder(request->server->consoles, vm->head.id);
    if (holder && !force)
        return reply_error(request, ONE_ERROR_ACTION,
                           "%s is attached to the console of machine %d; `onevm console --force "
                           "%d` takes it over",
                           holder, vm->head.id, vm->head.id);
    Opening *opening = g_new0(Opening, 1);
    opening->call = request->call;
    opening->vm = vm->head.id;
    opening->user = g_strdup(request->caller->head.name);
    opening->force = force;
    if (vm_console(request->lifecycle, vm, force, opened, opening, &request->error))
        return NULL;
    g_free(opening->user);
    g_free(opening);
    return NULL;
}
