/* Hosts. */
#include "server/rpc/server_private.h"

#include "lib/base/names.h"
#include "server/model/place/cluster.h"

#include <string.h>

/* A new host, with every check; NULL with the error. */
static Host *make_host(Request *request, const char *name, const char *im, const char *vmm,
                       gint32 cluster_id)
{
    World *world = request->world;
    Object *cluster = request_object(request, KIND_CLUSTER, cluster_id < 0 ? 0 : cluster_id);
    if (!cluster)
        return NULL;
    AccessNeed needs[] = {{RIGHT_CREATE, KIND_HOST, NULL, FALSE},
                          {RIGHT_ADMIN, KIND_CLUSTER, cluster, FALSE}};
    g_autoptr(GError) error = NULL;
    if (!access_check(world, request->caller, needs, 2, &request->error))
        return NULL;
    Object *equal = pool_find(world, KIND_HOST, name);
    if (!name_check(name, &error))
        reply_error(request, ONE_ERROR_ALLOCATE, "Error allocating a new host. %s.",
                    error->message);
    else if (strpbrk(name, " \t"))
        reply_error(request, ONE_ERROR_ALLOCATE,
                    "Error allocating a new host. NAME \"%s\" has a blank; it is the name by "
                    "which the host is reached.",
                    name);
    else if (equal)
        reply_error(request, ONE_ERROR_ALLOCATE,
                    "Error allocating a new host. NAME is already taken by HOST %d.", equal->id);
    else if (!*im || !*vmm)
        reply_error(request, ONE_ERROR_ALLOCATE,
                    "Error allocating a new host. %s cannot be empty: name a driver of oned.conf.",
                    *im ? "VMM_MAD_NAME" : "IM_MAD_NAME");
    else {
        Host *host = host_create(world, name, im, vmm, cluster->id);
        object_entered(world, &host->head);
        host_start_monitoring(request->lifecycle, host);
        return host;
    }
    return NULL;
}

RpcReply *host_allocate(Request *request)
{
    Host *host = make_host(request, arg_text(request, 1, ""), arg_text(request, 2, ""),
                           arg_text(request, 3, ""), arg_int(request, 4, -1));
    return host ? reply_int(request, host->head.id) : NULL;
}

/* 1.4 to 3.0: name, information, virtualization, transfer. 3.2: one more, the network's driver,
 * before the last. 3.4 to 4.14: the network's driver and the cluster. */
RpcReply *host_allocate_old(Request *request)
{
    guint count = arg_count(request);
    gboolean has_transfer = arg_text(request, count, NULL) != NULL;
    Host *host =
        make_host(request, arg_text(request, 1, ""), arg_text(request, 2, ""),
                  arg_text(request, 3, ""), has_transfer ? -1 : arg_int(request, count, -1));
    if (!host)
        return NULL;
    if (has_transfer) {
        template_set(host->head.template, "TM_MAD", arg_text(request, count, ""));
        object_changed(request->world, &host->head);
    }
    return reply_int(request, host->head.id);
}

RpcReply *host_delete(Request *request)
{
    Host *host = HOST(request->object);
    gint32 id = host->head.id, cluster = host->cluster;
    if (host->vms->len)
        return reply_error(request, ONE_ERROR_ACTION,
                           "Cannot delete host. Can not remove a host with running VMs");
    host_stop_monitoring(request->lifecycle, host);
    acl_forget(request->world, &host->head);
    pool_remove(request->world, &host->head);
    cluster_members_changed(request->world, cluster);
    lifecycle_host_removed(request->lifecycle, id);
    return reply_int(request, id);
}

RpcReply *host_info(Request *request)
{
    if (!request->old)
        return reply_object(request, request->object);
    g_autoptr(GString) xml = g_string_new(NULL);
    host_render_old(request->world, HOST(request->object), xml);
    request->seen = request->object->changed;
    return reply_text(request, xml->str);
}

RpcReply *hostpool_info(Request *request)
{
    if (!request->old)
        return pool_info(request);
    GPtrArray *hosts = request_visible(request, KIND_HOST, -2);
    g_autoptr(GString) xml = g_string_new("<HOST_POOL>");
    for (guint i = hosts->len; i-- > 0;)
        host_render_old(request->world, hosts->pdata[i], xml);
    g_string_append(xml, "</HOST_POOL>");
    g_ptr_array_unref(hosts);
    request->seen = request->world->pools[KIND_HOST].changed;
    return reply_text(request, xml->str);
}

static RpcReply *set_status(Request *request, gint status)
{
    return host_set_status(request->lifecycle, HOST(request->object), status, &request->error)
               ? reply_int(request, request->object->id)
               : NULL;
}

RpcReply *host_status(Request *request)
{
    return set_status(request, arg_int(request, 2, -1));
}

RpcReply *host_forceupdate(Request *request)
{
    return host_ask_now(request->lifecycle, HOST(request->object), &request->error)
               ? reply_int(request, request->object->id)
               : NULL;
}

RpcReply *host_enable(Request *request)
{
    return set_status(request, arg_bool(request, 2, TRUE) ? 0 : 1);
}

RpcReply *host_monitoring(Request *request)
{
    GArray *ids = g_array_new(FALSE, FALSE, sizeof(gint32));
    g_array_append_val(ids, request->object->id);
    return reply_history(request, HISTORY_HOST, ids, 0, FALSE);
}

RpcReply *hostpool_monitoring(Request *request)
{
    GPtrArray *hosts = request_visible(request, KIND_HOST, -2);
    gint32 seconds = arg_int(request, 1, -1);
    GArray *ids = g_array_sized_new(FALSE, FALSE, sizeof(gint32), hosts->len);
    for (guint i = hosts->len; i-- > 0;)
        g_array_append_val(ids, ((Object *)hosts->pdata[i])->id);
    g_ptr_array_unref(hosts);
    gint64 since = seconds > 0 ? core_now(request->world->core) - seconds : 0;
    return reply_history(request, HISTORY_HOST, ids, since, seconds == 0);
}
