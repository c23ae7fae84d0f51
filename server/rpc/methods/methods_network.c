/* Virtual networks, their addresses, and security groups. */
#include "server/rpc/server_private.h"
#include "server/rpc/vm_cards.h"
#include "server/rpc/template_rules.h"

#include "lib/base/names.h"
#include "server/model/place/cluster.h"
#include "server/model/network/network.h"
#include "server/model/plain.h"
#include "server/model/people/quota.h"

#include <string.h>

/* ---- networks ---- */

gboolean request_network_fits(Request *request, const Template *template)
{
    return template_fits(request->world, template, &request->error) &&
           check_restricted(request->world, request->caller, template, "VNET_RESTRICTED_ATTR",
                            "Virtual Network Template", &request->error) &&
           cards_groups_allowed(request->world, request->caller,
                                template_get(template, "SECURITY_GROUPS"), &request->error);
}

/* What a network is connected to; the address ranges of a reservation have it from the network that
 * it is a part of, and its owner does not get into another one by changing it. */
static const char *const connection[] = {"VLAN_ID",       "AUTOMATIC_VLAN_ID",
                                         "OUTER_VLAN_ID", "BRIDGE_TYPE",
                                         "QINQ_TYPE",     "VN_MAD",
                                         "PHYDEV",        "BRIDGE",
                                         "VXLAN_MC",      "VXLAN_TTL",
                                         "VXLAN_MODE",    "KEEP_EMPTY_BRIDGE"};

static gboolean keeps_connection(Request *request, Template *change, gboolean append)
{
    const Template *now = request->object->template;
    if (NETWORK(request->object)->parent < 0 || user_is_admin(request->caller))
        return TRUE;
    for (guint i = 0; i < G_N_ELEMENTS(connection); i++) {
        const char *wanted = template_get(change, connection[i]);
        const char *value = template_get(now, connection[i]);
        if (wanted && g_strcmp0(wanted, value ? value : "") != 0)
            return reply_error(request, ONE_ERROR_AUTHORIZATION,
                               "%s of a reservation is that of network %d, and only administrators "
                               "may change it",
                               connection[i], NETWORK(request->object)->parent) != NULL;
        if (!append && !wanted && value)
            template_set(change, connection[i], value);
    }
    return TRUE;
}

Network *request_new_network(Request *request, Template *given, const GArray *clusters)
{
    g_autoptr(Template) template = given;
    g_autofree char *name = g_strdup(template_get(template, "NAME"));
    if (!network_connection_fits(request, template, NULL) ||
        !request_own_name_is_free(request, KIND_NET, name))
        return NULL;
    const char *driver = template_get(template, "VN_MAD");
    const char *bridge = template_get(template, "BRIDGE");
    if ((!driver || !*driver) && !(bridge && *bridge)) {
        reply_error(request, ONE_ERROR_ALLOCATE,
                    "Error allocating a new virtual network. No VN_MAD in template for the "
                    "network: name how hosts connect it (bridge, 802.1Q, vxlan, dummy ...), "
                    "or the BRIDGE of theirs that it is.");
        return NULL;
    }
    if (!driver || !*driver)
        template_set(template, "VN_MAD", "bridge"); /* as all networks were in 2009 */
    template_remove(template, "NAME");
    Network *network =
        network_create(request->world, name, request->caller->head.id, request->caller->head.gid,
                       g_steal_pointer(&template), &request->error);
    if (!network)
        return NULL;
    network->head.permissions = request_new_permissions(request);
    if (clusters->len)
        g_array_set_size(network->clusters, 0); /* not the default one */
    for (guint i = 0; i < clusters->len; i++)
        ids_add(network->clusters, g_array_index(clusters, gint32, i));
    for (guint i = 0; i < network->clusters->len; i++)
        cluster_members_changed(request->world, g_array_index(network->clusters, gint32, i));
    return network;
}

RpcReply *network_allocate(Request *request)
{
    g_autoptr(Template) template = request_template(request, 1);
    gint32 cluster_id = arg_int(request, 2, -1);
    g_autoptr(GArray) clusters = g_array_new(FALSE, FALSE, sizeof(gint32));
    if (!template)
        return NULL;
    Object *cluster = request_object(request, KIND_CLUSTER, cluster_id < 0 ? 0 : cluster_id);
    if (!cluster ||
        (cluster_id >= 0 && !request_may(request, RIGHT_ADMIN, KIND_CLUSTER, cluster)) ||
        !request_network_fits(request, template))
        return NULL;
    ids_add(clusters, cluster->id);
    Network *network = request_new_network(request, g_steal_pointer(&template), clusters);
    return network ? reply_int(request, network->head.id) : NULL;
}

RpcReply *network_delete(Request *request)
{
    Network *network = NETWORK(request->object);
    gint32 id = network->head.id;
    if (network_used(network))
        return reply_error(request, ONE_ERROR_ACTION,
                           "Cannot delete virtual network. Can not remove a virtual network with "
                           "leases in use");
    g_autoptr(GArray) routers = vrouters_in_network(request->world, id);
    if (routers->len)
        return reply_error(request, ONE_ERROR_ACTION,
                           "Cannot delete virtual network. Virtual router %d has a card in it",
                           g_array_index(routers, gint32, 0));
    acl_forget(request->world, request->object);
    network_remove(request->world, network);
    return reply_int(request, id);
}

/* How it is connected changes only when that is named. */
static void keep_driver(const Network *network, Template *change)
{
    static const char *const kept[] = {"VN_MAD", "BRIDGE", "BRIDGE_TYPE"};
    for (guint i = 0; i < G_N_ELEMENTS(kept); i++) {
        const char *value = template_get(network->head.template, kept[i]);
        if (value && !template_get(change, kept[i]))
            template_set(change, kept[i], value);
    }
}

RpcReply *network_update(Request *request)
{
    Network *network = NETWORK(request->object);
    g_autoptr(Template) change = request_template(request, 2);
    gint32 append = arg_int(request, 3, 0);
    if (!change || !request_network_fits(request, change))
        return NULL;
    if (append != 0 && append != 1)
        return reply_error(request, ONE_ERROR_RPC_API, "Wrong update type");
    if (!keeps_connection(request, change, append) ||
        !network_connection_fits(request, change, network->head.template))
        return NULL;
    if (!append)
        keep_driver(network, change);
    if (!append)
        keep_restricted(request->world, request->caller, network->head.template, change,
                        "VNET_RESTRICTED_ATTR");
    if (!request_change_template(request, &network->head.template, g_steal_pointer(&change),
                                 append))
        return NULL;
    network_updated(request->world, network);
    object_changed(request->world, request->object);
    return reply_int(request, request->object->id);
}

/* ---- ranges ---- */

/* Takes the first vector of that name out of the argument. NULL with the error. (owned) */
static TemplateAttribute *take_vector(Request *request, guint at, const char *name)
{
    g_autoptr(Template) template = request_template(request, at);
    if (!template)
        return NULL;
    for (guint i = 0; i < template_count(template); i++)
        if (strcmp(template_nth(template, i)->name, name) == 0 && template_nth(template, i)->pairs)
            return template_steal(template, i);
    reply_error(request, ONE_ERROR_ACTION, "Wrong or missing %s: a vector %s = [ ... ] is expected",
                name, name);
    return NULL;
}

static gboolean range_allowed(Request *request, const TemplateAttribute *vector)
{
    g_autoptr(Template) template = template_new();
    TemplateAttribute *copy = template_add_vector(template, "AR");
    for (guint i = 0; i < vector->pairs->len; i++) {
        const TemplatePair *pair = vector->pairs->pdata[i];
        attribute_set(copy, pair->name, pair->value);
    }
    for (guint i = 0; NETWORK(request->object)->parent >= 0 && i < G_N_ELEMENTS(connection); i++)
        if (attribute_get(vector, connection[i]) && !user_is_admin(request->caller))
            return reply_error(request, ONE_ERROR_AUTHORIZATION,
                               "%s of a reservation is that of network %d, and only administrators "
                               "may change it",
                               connection[i], NETWORK(request->object)->parent) != NULL;
    return request_network_fits(request, template);
}

RpcReply *network_add_ar(Request *request)
{
    Network *network = NETWORK(request->object);
    TemplateAttribute *vector = take_vector(request, 2, "AR");
    if (!vector)
        return NULL;
    if (network->parent >= 0) {
        template_attribute_free(vector);
        return reply_error(request, ONE_ERROR_ACTION,
                           "Cannot add address ranges to a reservation: its addresses are network "
                           "%d's",
                           network->parent);
    }
    if (!range_allowed(request, vector)) {
        template_attribute_free(vector);
        return NULL;
    }
    AddressRange *range = network_add_range(request->world, network, vector, &request->error);
    return range ? reply_int(request, network->head.id) : NULL;
}

/* The range that an argument names, or NULL with the error. */
static AddressRange *range_of(Request *request, gint32 id)
{
    AddressRange *range = network_range(NETWORK(request->object), id);
    if (!range)
        reply_error(request, ONE_ERROR_ACTION, "Address Range %d does not exist in network %d", id,
                    request->object->id);
    return range;
}

static RpcReply *remove_range(Request *request, gboolean force)
{
    Network *network = NETWORK(request->object);
    AddressRange *range = range_of(request, arg_int(request, 2, -1));
    if (!range)
        return NULL;
    guint index = range_next_held(range, 0);
    for (; force && index < range->size; index = range_next_held(range, index + 1))
        if (range_holder(range, index).kind != HOLDER_ADMIN)
            break; /* machines keep what they use, even so */
    if (index < range->size)
        return reply_error(request, ONE_ERROR_ACTION,
                           "Cannot remove address range %d: %u of its addresses are in use",
                           range->id, range->used);
    network_remove_range(request->world, network, range);
    return reply_int(request, network->head.id);
}

RpcReply *network_rm_ar(Request *request)
{
    if (NETWORK(request->object)->parent >= 0)
        return reply_error(request, ONE_ERROR_ACTION,
                           "Address ranges of a reservation are given back by one.vn.free_ar");
    return remove_range(request, arg_bool(request, 3, FALSE));
}

RpcReply *network_free_ar(Request *request)
{
    if (NETWORK(request->object)->parent < 0)
        return reply_error(request, ONE_ERROR_ACTION,
                           "Cannot free address range: network %d is no reservation",
                           request->object->id);
    return remove_range(request, FALSE);
}

RpcReply *network_update_ar(Request *request)
{
    /* What addresses a range has does not change, but for how many. */
    static const char *const fixed[] = {
        "AR_ID", "TYPE",          "IP",        "IP6", "ULA_PREFIX", "GLOBAL_PREFIX",
        "MAC",   "PREFIX_LENGTH", "ALLOCATED", NULL};
    Network *network = NETWORK(request->object);
    TemplateAttribute *vector = take_vector(request, 2, "AR");
    gint64 id = -1, size;
    if (!vector)
        return NULL;
    (void)attribute_get_int(vector, "AR_ID", &id);
    AddressRange *range = range_of(request, id == (gint32)id ? (gint32)id : -1);
    gboolean done = range && range_allowed(request, vector);
    if (done && attribute_get(vector, "SIZE")) {
        if (!attribute_get_int(vector, "SIZE", &size) || size < 1 || size > RANGE_SIZE_MAX)
            size = 0;
        if (range->parent >= 0 && size != range->size)
            done = reply_error(request, ONE_ERROR_ACTION,
                               "The size of a reservation cannot be changed") != NULL;
        else
            done = range_resize(range, (guint)size, &request->error);
    }
    for (guint i = 0; done && i < vector->pairs->len; i++) {
        const TemplatePair *pair = vector->pairs->pdata[i];
        if (!g_strv_contains(fixed, pair->name) && strcmp(pair->name, "SIZE") != 0)
            attribute_set(range->attributes, pair->name, pair->value);
    }
    template_attribute_free(vector);
    if (!done)
        return NULL;
    network_range_changed(request->world, network, range);
    object_changed(request->world, request->object);
    return reply_int(request, network->head.id);
}

/* ---- single addresses ---- */

/* Finds the address that LEASES = [ IP = ... ] names; it is in use or not, as `held` says. */
static gboolean named_lease(Request *request, HolderKind held, AddressRange **range, guint *index)
{
    Network *network = NETWORK(request->object);
    TemplateAttribute *vector = take_vector(request, 2, "LEASES");
    gint64 range_id = -1;
    gboolean found = FALSE;
    if (!vector)
        return FALSE;
    const char *ip = attribute_get(vector, "IP"), *ip6 = attribute_get(vector, "IP6");
    const char *mac = attribute_get(vector, "MAC"), *named = ip ? ip : ip6 ? ip6 : mac;
    (void)attribute_get_int(vector, "AR_ID", &range_id);
    for (guint i = 0; named && !found && i < network->ranges->len; i++) {
        *range = network->ranges->pdata[i];
        if (range_id < 0 || (*range)->id == range_id)
            found = ip || ip6 ? range_place_of_ip(*range, named, index)
                              : range_place_of_mac(*range, named, index);
    }
    if (!named)
        reply_error(request, ONE_ERROR_ACTION, "LEASES names no IP, IP6 or MAC");
    else if (!found)
        reply_error(request, ONE_ERROR_ACTION, "%s is in none of the ranges of network %d", named,
                    network->head.id);
    else if (range_holder(*range, *index).kind != held)
        reply_error(request, ONE_ERROR_ACTION,
                    held == HOLDER_NONE ? "%s is in use" : "%s is not on hold", named);
    template_attribute_free(vector);
    return !request->error;
}

RpcReply *network_hold(Request *request)
{
    AddressRange *range = NULL;
    guint index = 0;
    if (!named_lease(request, HOLDER_NONE, &range, &index))
        return NULL;
    guint next = range->next; /* the search for others goes on where it was */
    network_lease(request->world, NETWORK(request->object), range, index,
                  (Holder){HOLDER_ADMIN, -1});
    range->next = next;
    return reply_int(request, request->object->id);
}

RpcReply *network_let_go(Request *request)
{
    AddressRange *range = NULL;
    guint index = 0;
    if (!named_lease(request, HOLDER_ADMIN, &range, &index))
        return NULL;
    network_release(request->world, NETWORK(request->object), range, index);
    return reply_int(request, request->object->id);
}

/* ---- reservations ---- */

/* Addresses of one reservation at most: each is written, and shown with the network. */
#define RESERVATION_MAX 65536

/* The first of `size` free addresses in a row, from where the template says. */
static gboolean find_row(Request *request, const Template *wanted, guint size, AddressRange **range,
                         guint *first)
{
    Network *network = NETWORK(request->object);
    const char *ip = template_get(wanted, "IP"), *ip6 = template_get(wanted, "IP6");
    const char *mac = template_get(wanted, "MAC"), *named = ip ? ip : ip6 ? ip6 : mac;
    gint64 range_id = -1;
    (void)template_get_int(wanted, "AR_ID", &range_id);
    for (guint i = 0; i < network->ranges->len; i++) {
        *range = network->ranges->pdata[i];
        if (range_id >= 0 && (*range)->id != range_id)
            continue;
        if (!named && range_find_row(*range, size, first))
            return TRUE;
        if (named &&
            (ip || ip6 ? range_place_of_ip(*range, named, first)
                       : range_place_of_mac(*range, named, first)) &&
            size <= (*range)->size - *first && range_holder(*range, *first).kind == HOLDER_NONE &&
            range_next_held(*range, *first) >= *first + size)
            return TRUE;
    }
    reply_error(request, ONE_ERROR_ACTION,
                "Not enough free addresses in an address range: network %d has no %u in a row%s%s",
                network->head.id, size, named ? " from " : "", named ? named : "");
    return FALSE;
}

/* The part of a range that goes to a reservation. (owned) */
static TemplateAttribute *part_of(const AddressRange *range, guint first, guint size)
{
    g_autoptr(Template) holder = template_new();
    TemplateAttribute *part = template_add_vector(holder, "AR");
    for (guint i = 0; i < range->attributes->pairs->len; i++) {
        const TemplatePair *pair = range->attributes->pairs->pdata[i];
        attribute_set(part, pair->name, pair->value);
    }
    g_autoptr(Template) other = template_new();
    TemplateAttribute *addresses = template_add_vector(other, "FIRST");
    range_describe(range, first, addresses);
    attribute_set(part, "MAC", attribute_get(addresses, "MAC"));
    attribute_set(part, "IP", attribute_get(addresses, "IP"));
    attribute_set(part, "IP6", attribute_get(addresses, "IP6"));
    attribute_set_int(part, "SIZE", size);
    return template_steal(holder, 0);
}

/* `own`: the reservation that grows; NULL: it is to be made. */
static gboolean may_reserve(Request *request, const Network *own, gint64 size)
{
    World *world = request->world;
    const Object *caller = &request->caller->head;
    QuotaUse *use = own ? quota_use_of(world, &own->head) : NULL;
    if (!use)
        use =
            quota_use_new(own ? own->head.uid : caller->id, own ? own->head.gid : caller->gid, -1);
    quota_use_add(use, QUOTA_NETWORK, request->object->id, NETWORK_LEASES, size);
    return quota_allows(world, own ? &own->head : NULL, use, &request->error);
}

static Network *reservation(Request *request, const Template *wanted, gint64 size)
{
    World *world = request->world;
    Network *network = NETWORK(request->object);
    gint64 id;
    if (template_get(wanted, "NETWORK_ID")) {
        if (!template_get_int(wanted, "NETWORK_ID", &id) || id != (gint32)id)
            id = -1;
        Object *other = request_object(request, KIND_NET, (gint32)id);
        if (!other || !request_may(request, RIGHT_MANAGE, KIND_NET, other))
            return NULL;
        if (NETWORK(other)->parent != network->head.id) {
            reply_error(request, ONE_ERROR_ACTION, "Network %d is no reservation of network %d",
                        other->id, network->head.id);
            return NULL;
        }
        return may_reserve(request, NETWORK(other), size) ? NETWORK(other) : NULL;
    }
    const char *name = template_get(wanted, "NAME");
    if (!request_own_name_is_free(request, KIND_NET, name) || !may_reserve(request, NULL, size))
        return NULL;
    g_autoptr(Template) copy = template_copy(network->head.template);
    template_remove(copy, "TYPE"); /* with which it would get addresses of its own, as in 2009 */
    Network *made = network_create(world, name, request->caller->head.id, request->caller->head.gid,
                                   g_steal_pointer(&copy), &request->error);
    if (!made)
        return NULL;
    made->parent = network->head.id;
    made->head.permissions = request_new_permissions(request);
    g_array_set_size(made->clusters, 0);
    for (guint i = 0; i < network->clusters->len; i++)
        ids_add(made->clusters, g_array_index(network->clusters, gint32, i));
    return made;
}

RpcReply *network_reserve(Request *request)
{
    World *world = request->world;
    Network *network = NETWORK(request->object);
    g_autoptr(Template) wanted = request_template(request, 2);
    AddressRange *range = NULL;
    guint first;
    gint64 size = 0;
    if (!wanted)
        return NULL;
    if (!template_get_int(wanted, "SIZE", &size) || size < 1 || size > RESERVATION_MAX)
        return reply_error(request, ONE_ERROR_ACTION,
                           "Wrong SIZE: \"%s\" is no number of addresses to reserve, from 1 to %d",
                           template_get(wanted, "SIZE") ? template_get(wanted, "SIZE") : "",
                           RESERVATION_MAX);
    if (network->parent >= 0)
        return reply_error(request, ONE_ERROR_ACTION,
                           "Cannot reserve from a reservation: network %d is one of network %d",
                           network->head.id, network->parent);
    if (!find_row(request, wanted, (guint)size, &range, &first))
        return NULL;
    Network *own = reservation(request, wanted, size);
    if (!own)
        return NULL;
    AddressRange *part =
        network_add_range(world, own, part_of(range, first, (guint)size), &request->error);
    if (!part)
        return NULL;
    part->parent = range->id;
    part->parent_first = first;
    network_range_changed(world, own, part);
    for (guint i = 0; i < (guint)size; i++)
        network_lease(world, network, range, first + i, (Holder){HOLDER_NET, own->head.id});
    object_changed(world, &own->head);
    return reply_int(request, own->head.id);
}

RpcReply *network_recover(Request *request)
{
    Network *network = NETWORK(request->object);
    gint32 operation = arg_int(request, 2, -1);
    if (operation < 0 || operation > 3)
        return reply_error(request, ONE_ERROR_ACTION, "Wrong recover operation %d", operation);
    if (operation == 2)
        return network_delete(request);
    if (network->state == NETWORK_READY)
        return reply_error(request, ONE_ERROR_ACTION,
                           "Cannot recover virtual network %d: it is READY", network->head.id);
    network->previous_state = network->state;
    network->state = operation == 0 ? NETWORK_ERROR : NETWORK_READY;
    object_changed(request->world, request->object);
    object_entered(request->world, request->object);
    return reply_int(request, network->head.id);
}

/* ---- in clusters ---- */

static RpcReply *change_cluster(Request *request, gboolean add)
{
    Object *member = request_object(request, KIND_NET, arg_int(request, 2, -1));
    if (!member)
        return NULL;
    AccessNeed needs[] = {{RIGHT_ADMIN, KIND_CLUSTER, request->object, FALSE},
                          {RIGHT_ADMIN, KIND_NET, member, FALSE}};
    if (!access_check(request->world, request->caller, needs, 2, &request->error))
        return NULL;
    Network *network = NETWORK(member);
    if (add)
        ids_add(network->clusters, request->object->id);
    else if (!ids_remove(network->clusters, request->object->id))
        return reply_error(request, ONE_ERROR_ACTION, "Virtual network %d is not in cluster %d",
                           member->id, request->object->id);
    object_changed(request->world, member);
    cluster_members_changed(request->world, request->object->id);
    return reply_int(request, request->object->id);
}

RpcReply *cluster_addvnet(Request *request)
{
    return change_cluster(request, TRUE);
}

RpcReply *cluster_delvnet(Request *request)
{
    return change_cluster(request, FALSE);
}
