/* Clusters and datastores. */
#include "server/rpc/server_private.h"
#include "server/rpc/template_rules.h"

#include "lib/base/names.h"
#include "server/model/place/cluster.h"
#include "server/model/storage/datastore.h"

#include <string.h>

RpcReply *cluster_allocate(Request *request)
{
    const char *name = arg_text(request, 1, "");
    if (!request_name_is_free(request, KIND_CLUSTER, name,
                              pool_find(request->world, KIND_CLUSTER, name)))
        return NULL;
    Cluster *cluster =
        cluster_create(request->world, pool_next_id(request->world, KIND_CLUSTER), name);
    return reply_int(request, cluster->head.id);
}

RpcReply *cluster_delete(Request *request)
{
    gint32 id = request->object->id;
    if (id < 100)
        return reply_error(request, ONE_ERROR_ACTION,
                           "Cannot delete cluster. System Clusters (ID < 100) cannot be deleted.");
    if (cluster_members(request->world, id))
        return reply_error(request, ONE_ERROR_ACTION,
                           "Cannot delete cluster. Cluster %d is not empty, it contains hosts or "
                           "datastores.",
                           id);
    acl_forget(request->world, request->object);
    pool_remove(request->world, request->object);
    return reply_int(request, id);
}

RpcReply *cluster_optimize(Request *request)
{
    return cluster_plan_optimize(request->lifecycle, CLUSTER(request->object), &request->error)
               ? reply_int(request, request->object->id)
               : NULL;
}

RpcReply *cluster_planexecute(Request *request)
{
    return cluster_plan_execute(request->lifecycle, CLUSTER(request->object), &request->error)
               ? reply_int(request, request->object->id)
               : NULL;
}

RpcReply *cluster_plandelete(Request *request)
{
    return cluster_plan_delete(request->lifecycle, CLUSTER(request->object), &request->error)
               ? reply_int(request, request->object->id)
               : NULL;
}

/* Cluster and member of a call, both with the right ADMIN. */
static Object *member_of_call(Request *request, Kind kind)
{
    Object *member = request_object(request, kind, arg_int(request, 2, -1));
    if (!member)
        return NULL;
    AccessNeed needs[] = {{RIGHT_ADMIN, KIND_CLUSTER, request->object, FALSE},
                          {RIGHT_ADMIN, kind, member, FALSE}};
    return access_check(request->world, request->caller, needs, 2, &request->error) ? member : NULL;
}

void cluster_move_host(Request *request, Host *host, gint32 cluster)
{
    gint32 before = host->cluster;
    host->cluster = cluster;
    host_reserve(request->world, host);
    object_changed(request->world, &host->head);
    cluster_members_changed(request->world, before);
    cluster_members_changed(request->world, cluster);
}

RpcReply *cluster_addhost(Request *request)
{
    Object *host = member_of_call(request, KIND_HOST);
    if (!host)
        return NULL;
    cluster_move_host(request, HOST(host), request->object->id);
    return reply_int(request, request->object->id);
}

RpcReply *cluster_delhost(Request *request)
{
    Object *host = member_of_call(request, KIND_HOST);
    if (!host)
        return NULL;
    if (HOST(host)->cluster != request->object->id)
        return reply_error(request, ONE_ERROR_ACTION, "Host %d is not in cluster %d", host->id,
                           request->object->id);
    cluster_move_host(request, HOST(host), 0);
    return reply_int(request, request->object->id);
}

static RpcReply *change_datastore(Request *request, gboolean add)
{
    Object *object = member_of_call(request, KIND_DATASTORE);
    if (!object)
        return NULL;
    Datastore *datastore = DATASTORE(object);
    if (add)
        ids_add(datastore->clusters, request->object->id);
    else if (!ids_remove(datastore->clusters, request->object->id))
        return reply_error(request, ONE_ERROR_ACTION, "Datastore %d is not in cluster %d",
                           object->id, request->object->id);
    object_changed(request->world, object);
    cluster_members_changed(request->world, request->object->id);
    return reply_int(request, request->object->id);
}

RpcReply *cluster_adddatastore(Request *request)
{
    return change_datastore(request, TRUE);
}

RpcReply *cluster_deldatastore(Request *request)
{
    return change_datastore(request, FALSE);
}

/* ---- datastores ---- */

/* The drivers that the template of a new datastore names. */
static gboolean drivers_fit(Request *request, const Template *template, DatastoreType type)
{
    const char *tm = template_get(template, "TM_MAD"), *ds = template_get(template, "DS_MAD");
    const Config *config = request->world->config;
    if (type == DATASTORE_BACKUP && (!tm || !*tm || !strcmp(tm, "-")))
        tm = NULL; /* nothing goes from there to hosts */
    else if (!tm || !*tm)
        return reply_error(request, ONE_ERROR_INTERNAL, "No TM_MAD in template.") != NULL;
    if (tm && !lifecycle_knows(request->lifecycle, DRIVER_TRANSFER, tm) &&
        !config_named(config, "TM_MAD_CONF", tm))
        return reply_error(request, ONE_ERROR_INTERNAL,
                           "TM_MAD \"%s\" is not known: oned.conf has no TM_MAD and no TM_MAD_CONF "
                           "of that name",
                           tm) != NULL;
    if (type == DATASTORE_SYSTEM)
        return TRUE;
    if (!ds || !*ds)
        return reply_error(request, ONE_ERROR_INTERNAL, "No DS_MAD in template.") != NULL;
    const TemplateAttribute *conf = config_named(config, "DS_MAD_CONF", ds);
    if (!conf && !lifecycle_knows(request->lifecycle, DRIVER_DATASTORE, ds))
        return reply_error(request, ONE_ERROR_INTERNAL,
                           "DS_MAD \"%s\" is not known: oned.conf has no DATASTORE_MAD and no "
                           "DS_MAD_CONF of that name",
                           ds) != NULL;
    const char *required = conf ? attribute_get(conf, "REQUIRED_ATTRS") : NULL;
    g_auto(GStrv) words = g_strsplit_set(required ? required : "", ", ", -1);
    for (guint i = 0; words[i]; i++)
        if (*words[i] && !template_get(template, words[i]))
            return reply_error(request, ONE_ERROR_INTERNAL,
                               "A datastore with DS_MAD = %s needs %s in its template", ds,
                               words[i]) != NULL;
    return TRUE;
}

RpcReply *datastore_allocate(Request *request)
{
    World *world = request->world;
    g_autoptr(Template) template = request_template(request, 1);
    gint32 cluster_id = arg_int(request, 2, -1);
    DatastoreType type = DATASTORE_IMAGE;
    if (!template)
        return NULL;
    Object *cluster = request_object(request, KIND_CLUSTER, cluster_id < 0 ? 0 : cluster_id);
    if (!cluster || (cluster_id >= 0 && !request_may(request, RIGHT_ADMIN, KIND_CLUSTER, cluster)))
        return NULL;
    const char *name = template_get(template, "NAME"), *word = template_get(template, "TYPE"),
               *ds = template_get(template, "DS_MAD");
    if (!request_name_is_free(request, KIND_DATASTORE, name,
                              pool_find(request->world, KIND_DATASTORE, name)))
        return NULL;
    if (word && *word && !datastore_type_read(word, &type))
        return reply_error(request, ONE_ERROR_INTERNAL,
                           "TYPE %s is not known: it is IMAGE_DS, SYSTEM_DS, FILE_DS or BACKUP_DS",
                           word);
    if (!drivers_fit(request, template, type))
        return NULL;
    const char *tm = template_get(template, "TM_MAD");
    Datastore *datastore =
        datastore_create(world, pool_next_id(world, KIND_DATASTORE), name, type,
                         type == DATASTORE_SYSTEM ? "-" : ds, tm && *tm ? tm : "-");
    datastore->head.uid = request->caller->head.id;
    datastore->head.gid = request->caller->head.gid;
    template_remove(template, "NAME");
    if (type == DATASTORE_SYSTEM)
        template_remove(template, "DS_MAD");
    template_merge(datastore->head.template, template);
    datastore_updated(world, datastore);
    g_array_index(datastore->clusters, gint32, 0) = cluster->id;
    cluster_members_changed(world, cluster->id);
    datastore_measure_soon(request->lifecycle, datastore->head.id);
    return reply_int(request, datastore->head.id);
}

RpcReply *datastore_delete(Request *request)
{
    World *world = request->world;
    gint32 id = request->object->id;
    if (id < 100)
        return reply_error(
            request, ONE_ERROR_ACTION,
            "Cannot delete datastore. System Datastores (ID < 100) cannot be deleted.");
    const Datastore *datastore = DATASTORE(request->object);
    if (datastore->images->len)
        return reply_error(request, ONE_ERROR_ACTION,
                           "Cannot delete datastore. Datastore %d is not empty: it has %u images, "
                           "such as %d.",
                           id, datastore->images->len, g_array_index(datastore->images, gint32, 0));
    GPtrArray *vms = world->pools[KIND_VM].order;
    for (guint i = 0; i < vms->len; i++) {
        const Vm *vm = vms->pdata[i];
        const VmRecord *last = vm_last_record(vm);
        if (vm->state != VM_DONE && last && last->datastore == id)
            return reply_error(request, ONE_ERROR_ACTION,
                               "Cannot delete datastore. Machine %d has its disks there.",
                               vm->head.id);
    }
    acl_forget(world, request->object);
    pool_remove(world, request->object);
    return reply_int(request, id);
}

RpcReply *datastore_enable(Request *request)
{
    Datastore *datastore = DATASTORE(request->object);
    if (datastore->type != DATASTORE_SYSTEM)
        return reply_error(request, ONE_ERROR_INTERNAL,
                           "Only system datastores can be enabled and disabled");
    datastore->state = arg_bool(request, 2, TRUE) ? 0 : 1;
    object_changed(request->world, &datastore->head);
    return reply_int(request, datastore->head.id);
}
