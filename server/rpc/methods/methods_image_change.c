/* Images that are there: opened and closed, given another kind, their snapshots, and their end. */
#include "server/rpc/server_private.h"

#include "server/model/storage/image.h"

RpcReply *image_method_delete(Request *request)
{
    gboolean force = arg_bool(request, 2, FALSE);
    gint32 id = request->object->id;
    if ((force && !request_may(request, RIGHT_ADMIN, KIND_IMAGE, request->object)) ||
        !image_delete(request->lifecycle, IMAGE(request->object), force, &request->error))
        return NULL;
    return reply_int(request, id);
}

/* The image may be something else now: nobody is using it. */
static gboolean is_idle(Request *request, const Image *image, const char *what)
{
    if (!image_in_use(image) &&
        (image->state == IMAGE_READY || image->state == IMAGE_DISABLED ||
         image->state == IMAGE_ERROR)) /* in which machines may wait for it */
        return TRUE;
    reply_error(request, ONE_ERROR_ACTION, "Image %d cannot be %s in state %s%s", image->head.id,
                what, image_state_name(image->state), image->users->len ? ": machines use it" : "");
    return FALSE;
}

RpcReply *image_enable(Request *request)
{
    Image *image = IMAGE(request->object);
    gboolean enable = arg_bool(request, 2, TRUE);
    gboolean can = image->state == IMAGE_READY || image->state == IMAGE_ERROR ||
                   image->state == IMAGE_DISABLED;
    if (!can || (!enable && image_in_use(image)))
        return reply_error(request, ONE_ERROR_ACTION, "Image cannot be %s in state %s",
                           enable ? "enabled" : "disabled", image_state_name(image->state));
    if (enable && !image->stored)
        return reply_error(
            request, ONE_ERROR_ACTION,
            "Image %d cannot be enabled: making or removing it failed, so it is not whole; "
            "delete it",
            image->head.id);
    if (enable)
        image_set_error(request->world, image, NULL);
    image_enter(request->world, image, enable ? IMAGE_READY : IMAGE_DISABLED);
    return reply_int(request, image->head.id);
}

RpcReply *image_persistent(Request *request)
{
    Image *image = IMAGE(request->object);
    gboolean persistent = arg_bool(request, 2, FALSE);
    const Datastore *datastore = datastore_get(request->world, image->datastore);
    if (persistent == image->persistent)
        return reply_int(request, image->head.id);
    if (!is_idle(request, image, persistent ? "made persistent" : "made non-persistent") ||
        (datastore && !image_persistent_fits(request, datastore, image->type, persistent)))
        return NULL;
    if (!persistent && image_snapshot_count(image))
        return reply_error(request, ONE_ERROR_ACTION,
                           "Image %d has snapshots, which only a persistent one can have; flatten "
                           "it first",
                           image->head.id);
    image->persistent = persistent;
    object_changed(request->world, request->object);
    return reply_int(request, image->head.id);
}

RpcReply *image_chtype(Request *request)
{
    Image *image = IMAGE(request->object);
    const char *word = arg_text(request, 2, "");
    ImageType type;
    if (!image_type_read(word, &type))
        return reply_error(request, ONE_ERROR_ACTION,
                           "Unknown type \"%s\": it is OS, CDROM, DATABLOCK, KERNEL, RAMDISK, "
                           "CONTEXT or FILESYSTEM",
                           word);
    if (image->type == IMAGE_BACKUP || type == IMAGE_BACKUP ||
        image_type_is_file(type) != image_type_is_file(image->type))
        return reply_error(request, ONE_ERROR_ACTION, "Cannot change image type to %s from %s",
                           image_type_name(type), image_type_name(image->type));
    if (!is_idle(request, image, "given another type"))
        return NULL;
    const Datastore *datastore = datastore_get(request->world, image->datastore);
    image->type = type;
    if (datastore)
        image->disk_type = image_disk_type_of(datastore, type);
    object_changed(request->world, request->object);
    return reply_int(request, image->head.id);
}

static RpcReply *change_snapshot(Request *request, ImageWork work)
{
    Image *image = IMAGE(request->object);
    if (!image_snapshot_change(request->lifecycle, image, work, arg_int(request, 2, -1),
                               &request->error))
        return NULL;
    return reply_int(request, image->head.id);
}

RpcReply *image_snapshotdelete(Request *request)
{
    return change_snapshot(request, IMAGE_WORK_SNAP_DELETE);
}

RpcReply *image_snapshotrevert(Request *request)
{
    return change_snapshot(request, IMAGE_WORK_SNAP_REVERT);
}

RpcReply *image_snapshotflatten(Request *request)
{
    return change_snapshot(request, IMAGE_WORK_SNAP_FLATTEN);
}
