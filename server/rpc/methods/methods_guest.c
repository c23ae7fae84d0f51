/* What is done inside a guest. */
#include "server/rpc/server_private.h"

static RpcReply *reply_to(Request *request, gboolean success)
{
    return success ? reply_int(request, request->object->id) : NULL;
}

/* Arguments: machine, command, standard input. */
RpcReply *vm_method_exec(Request *request)
{
    VmAsker asker = request_asker(request);
    return reply_to(request,
                    vm_exec(request->lifecycle, VM(request->object), arg_text(request, 2, ""),
                            arg_text(request, 3, ""), &asker, &request->error));
}

RpcReply *vm_method_retryexec(Request *request)
{
    VmAsker asker = request_asker(request);
    return reply_to(
        request, vm_exec_retry(request->lifecycle, VM(request->object), &asker, &request->error));
}

RpcReply *vm_method_cancelexec(Request *request)
{
    VmAsker asker = request_asker(request);
    return reply_to(
        request, vm_exec_cancel(request->lifecycle, VM(request->object), &asker, &request->error));
}
