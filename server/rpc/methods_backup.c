/* Backups: made, cancelled, and machines and images that are made of them. */
#include "server/rpc/server_private.h"

#include "server/model/image_backup.h"
#include "server/model/vm_backups.h"

RpcReply *vm_method_backup(Request *request)
{
    Vm *vm = VM(request->object);
    VmAsker asker = request_asker(request);
    const VmBackupOrder order = {
        .datastore = arg_int(request, 2, -1), .reset = arg_bool(request, 3, FALSE), .job = -1};
    gint32 id = order.datastore >= 0 ? order.datastore
                                     : (gint32)vm_backups_number(vm->backups, "LAST_DATASTORE_ID");
    Object *datastore = id >= 0 ? request_object(request, KIND_DATASTORE, id) : NULL;
    if (request->error ||
        (datastore && !request_may(request, RIGHT_USE, KIND_DATASTORE, datastore)) ||
        !request_may(request, RIGHT_CREATE, KIND_IMAGE, NULL) ||
        !vm_backup(request->lifecycle, vm, &order, &asker, &request->error))
        return NULL;
    return reply_int(request, vm->head.id);
}

RpcReply *vm_method_backupcancel(Request *request)
{
    Vm *vm = VM(request->object);
    VmAsker asker = request_asker(request);
    return vm_backup_cancel(request->lifecycle, vm, &asker, &request->error)
               ? reply_int(request, vm->head.id)
               : NULL;
}
