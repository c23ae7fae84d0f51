/* Shapes of 1.4 to 5.4 that need more than a row: other arguments, in another order, with other
 * meanings. They stand on what the methods of today do. */
#include "server/rpc/server_private.h"

#include "server/model/people/acl.h"
#include "server/model/place/cluster.h"
#include "server/model/storage/image.h"

#include <string.h>

/* ---- pools ---- */

/* 1.4 to 2.2: one number. -1: the caller's own; below: all; else a user. */
RpcReply *pool_info_old(Request *request)
{
    gint32 filter = arg_int(request, 1, -2);
    GPtrArray *objects = request_visible(request, request->method->kind,
                                         filter <= -2   ? -2
                                         : filter == -1 ? -3
                                                        : filter);
    return objects ? reply_pool(request, request->method->kind, objects, FALSE, NULL) : NULL;
}

/* ---- clusters: 2.x says the host first ---- */

RpcReply *cluster_add_old(Request *request)
{
    gpointer *arguments = request->call->arguments->pdata; /* the session stands before them */
    gpointer host = arguments[1];
    arguments[1] = arguments[2];
    arguments[2] = host;
    return cluster_addhost(request);
}

RpcReply *cluster_remove_old(Request *request)
{
    Host *host = HOST(request->object);
    Object *cluster = pool_get(request->world, KIND_CLUSTER, host->cluster);
    AccessNeed needs[] = {{RIGHT_ADMIN, KIND_CLUSTER, cluster, FALSE},
                          {RIGHT_ADMIN, KIND_HOST, &host->head, FALSE}};
    if (!access_check(request->world, request->caller, needs, 2, &request->error))
        return NULL;
    cluster_move_host(request, host, 0);
    return reply_int(request, host->head.id);
}

/* ---- images and networks: one attribute, and public or not ---- */

/* A change of one attribute, whose name is argument 2. NULL with the error. (owned) */
static Template *one_attribute(Request *request, const char *value)
{
    static const char letters[] = G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "_";
    const char *name = arg_text(request, 2, "");
    g_autoptr(Template) change = template_new();
    if (!*name || name[strspn(name, letters)]) {
        reply_error(request, ONE_ERROR_ACTION, "\"%s\" is no name of an attribute", name);
        return NULL;
    }
    template_set(change, name, value);
    return image_may_write(request, change) ? g_steal_pointer(&change) : NULL;
}

RpcReply *image_update_old(Request *request)
{
    Image *image = IMAGE(request->object);
    g_autoptr(Template) change = one_attribute(request, arg_text(request, 3, ""));
    if (!change ||
        !request_change_template(request, &image->head.template, g_steal_pointer(&change), TRUE))
        return NULL;
    object_changed(request->world, &image->head);
    return reply_int(request, image->head.id);
}

RpcReply *image_rmattr_old(Request *request)
{
    Object *object = request->object;
    const char *name = arg_text(request, 2, "");
    g_autoptr(Template) change = one_attribute(request, "");
    if (!change)
        return NULL;
    if (template_remove(object->template, name) == 0)
        return reply_error(request, ONE_ERROR_ACTION, "Image %d has no attribute %s", object->id,
                           name);
    object_changed(request->world, object);
    return reply_int(request, object->id);
}

/* What is public may be used by everybody. */
RpcReply *object_publish_old(Request *request)
{
    Object *object = request->object;
    const guint use = PERMISSION_USE << 3 | PERMISSION_USE;
    if (arg_bool(request, 2, TRUE) && !user_is_admin(request->caller) &&
        !config_bool(request->world->config, "ENABLE_OTHER_PERMISSIONS"))
        return reply_error(request, ONE_ERROR_AUTHORIZATION,
                           "Management of 'other' permissions is disabled in oned.conf");
    object->permissions =
        arg_bool(request, 2, TRUE) ? object->permissions | use : object->permissions & ~use;
    object_changed(request->world, object);
    return reply_int(request, object->id);
}

/* ---- addresses one by one: 2.2 to 4.6 ---- */

/* LEASES = [ IP, MAC ] of an argument. NULL with the error. (borrowed from the template) */
static const TemplateAttribute *given_lease(Request *request, const Template *template)
{
    const TemplateAttribute *lease = template ? template_vector(template, "LEASES", 0) : NULL;
    if (template && (!lease || (!attribute_get(lease, "IP") && !attribute_get(lease, "MAC")))) {
        reply_error(request, ONE_ERROR_ACTION, "LEASES = [ IP = ... ] is needed");
        return NULL;
    }
    return lease;
}

RpcReply *network_addleases_old(Request *request)
{
    Network *network = NETWORK(request->object);
    g_autoptr(Template) template = request_template(request, 2);
    const TemplateAttribute *lease = given_lease(request, template);
    g_autoptr(Template) made = template_new();
    if (!lease)
        return NULL;
    if (network->parent >= 0)
        return reply_error(request, ONE_ERROR_ACTION,
                           "Cannot add addresses to a reservation: they are network %d's",
                           network->parent);
    TemplateAttribute *range = template_add_vector(made, "AR");
    attribute_set(range, "TYPE", attribute_get(lease, "IP") ? "IP4" : "ETHER");
    attribute_set(range, "IP", attribute_get(lease, "IP"));
    attribute_set(range, "MAC", attribute_get(lease, "MAC"));
    attribute_set(range, "SIZE", "1");
    return network_add_range(request->world, network, template_steal(made, 0), &request->error)
               ? reply_int(request, network->head.id)
               : NULL;
}

RpcReply *network_rmleases_old(Request *request)
{
    Network *network = NETWORK(request->object);
    g_autoptr(Template) template = request_template(request, 2);
    const TemplateAttribute *lease = given_lease(request, template);
    const char *ip = lease ? attribute_get(lease, "IP") : NULL;
    const char *mac = lease ? attribute_get(lease, "MAC") : NULL;
    for (guint i = 0; lease && i < network->ranges->len; i++) {
        AddressRange *range = network->ranges->pdata[i];
        guint place = 0;
        if (!(ip ? range_place_of_ip(range, ip, &place) : range_place_of_mac(range, mac, &place)))
            continue;
        if (range->size != 1 || network->parent >= 0)
            return reply_error(request, ONE_ERROR_ACTION,
                               "%s is one of %u addresses of range %d, which is removed as a whole",
                               ip ? ip : mac, range->size, range->id);
        if (range->used)
            return reply_error(request, ONE_ERROR_ACTION, "%s is in use", ip ? ip : mac);
        network_remove_range(request->world, network, range);
        return reply_int(request, network->head.id);
    }
    return lease ? reply_error(request, ONE_ERROR_ACTION, "Network %d has no address %s",
                               network->head.id, ip ? ip : mac)
                 : NULL;
}

/* ---- the rest ---- */

RpcReply *vm_savedisk_old(Request *request)
{
    return reply_error(request, ONE_ERROR_ACTION,
                       "OpenNebula 2.x saves a disk into an image that was made before, at the end "
                       "of the machine; here a disk is saved as a new image: one.vm.savedisk with "
                       "a name, or one.vm.disksaveas");
}

/* 4.14 to 5.4: who locks is a word of theirs; here it is the caller, and nobody else changes it. */
RpcReply *document_lock_old(Request *request)
{
    Object *object = request->object;
    gboolean own = object->lock.owner == request->caller->head.id;
    if (object->lock.level && !own && !user_is_admin(request->caller))
        return reply_error(request, ONE_ERROR_LOCKED, "The resource %s is locked. [%d].",
                           kind_row(object->kind)->words, object->id);
    object->lock = (ObjectLock){2, request->caller->head.id, core_now(request->world->core),
                                (gint64)request->call->number};
    object_changed(request->world, object);
    return reply_int(request, object->id);
}
