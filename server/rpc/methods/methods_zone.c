/*
 * Zones, and what servers of one zone say to each other. Nothing is replicated here: a zone is an
 * address that clients ask for, and a server is alone in its zone (SOLO), as raftstatus tells.
 */
#include "server/rpc/server_private.h"

#include "lib/base/names.h"
#include "lib/base/xml.h"
#include "server/model/place/zone.h"

#include <string.h>

/* Servers of one zone at most. */
#define SERVERS_MAX 64

gboolean zone_lets(Request *request)
{
    static const char *const looks[] = {"info", "monitoring", "status", "accounting", "showback"};
    const char *name = request->method->name;
    Need need = request->method->need;
    if (need == NEED_NOTHING || need == NEED_SESSION || need == NEED_LISTED ||
        need == NEED_USE_LOCKED || strcmp(name, "one.zone.enable") == 0)
        return TRUE;
    if (!zone_is_disabled(request->world))
        return TRUE;
    for (guint i = 0; i < G_N_ELEMENTS(looks); i++)
        if (g_str_has_suffix(name, looks[i]))
            return TRUE;
    return reply_error(request, ONE_ERROR_ACTION,
                       "Zone %d is disabled: nothing can be changed until an administrator enables "
                       "it with `onezone enable %d`",
                       THIS_ZONE, THIS_ZONE) != NULL;
}

static gboolean is_address(const char *text)
{
    return text && (g_str_has_prefix(text, "http://") || g_str_has_prefix(text, "https://")) &&
           strlen(text) > strlen("https://") && !text[strcspn(text, " \t\r\n\"'<>")];
}

/* ENDPOINT of a zone or server. FALSE with the error. */
static gboolean endpoint_fits(Request *request, const char *text)
{
    return is_address(text) || reply_error(request, ONE_ERROR_ALLOCATE,
                                           "ENDPOINT \"%s\" is no address of a server, such as "
                                           "http://one.example.org:2633/RPC2",
                                           text ? text : "") != NULL;
}

RpcReply *zone_allocate(Request *request)
{
    World *world = request->world;
    g_autoptr(Template) template = request_template(request, 1);
    if (!template)
        return NULL;
    g_autofree char *name = g_strdup(template_get(template, "NAME"));
    if (!name || !*name)
        return reply_error(request, ONE_ERROR_ALLOCATE,
                           "Error allocating a new zone. No NAME in template for the Zone.");
    if (!request_name_is_free(request, KIND_ZONE, name, pool_find(world, KIND_ZONE, name)) ||
        !endpoint_fits(request, template_get(template, "ENDPOINT")))
        return NULL;
    template_remove(template, "NAME");
    Zone *zone =
        zone_create(world, pool_next_id(world, KIND_ZONE), name, g_steal_pointer(&template));
    return reply_int(request, zone->head.id);
}

RpcReply *zone_delete(Request *request)
{
    gint32 id = request->object->id;
    if (id == THIS_ZONE)
        return reply_error(request, ONE_ERROR_ACTION,
                           "Cannot delete zone. Zone %d is this server's own.", id);
    acl_forget(request->world, request->object);
    pool_remove(request->world, request->object);
    return reply_int(request, id);
}

RpcReply *zone_update(Request *request)
{
    Object *object = request->object;
    g_autoptr(Template) change = request_template(request, 2);
    gint32 append = arg_int(request, 3, 0);
    if (!change)
        return NULL;
    if (append != 0 && append != 1)
        return reply_error(request, ONE_ERROR_RPC_API, "Wrong update type");
    const char *endpoint = template_get(change, "ENDPOINT");
    if (!append && !endpoint) /* a zone without one would be lost to clients */
        template_set(change, "ENDPOINT", template_get(object->template, "ENDPOINT"));
    if ((endpoint && !endpoint_fits(request, endpoint)) ||
        !request_change_template(request, &object->template, g_steal_pointer(&change), append))
        return NULL;
    object_changed(request->world, object);
    return reply_int(request, object->id);
}

RpcReply *zone_enable(Request *request)
{
    Zone *zone = ZONE(request->object);
    zone->state = arg_bool(request, 2, TRUE) ? ZONE_ENABLED : ZONE_DISABLED;
    object_changed(request->world, &zone->head);
    if (!zone_is_disabled(request->world))
        lifecycle_sched_look(request->lifecycle); /* some may have waited for it */
    return reply_int(request, zone->head.id);
}

/* ---- servers ---- */

static gboolean is_this_zone(Request *request, const char *what)
{
    return request->object->id == THIS_ZONE ||
           reply_error(request, ONE_ERROR_ACTION,
                       "Servers have to be %s through the target zone endpoints", what) != NULL;
}

RpcReply *zone_addserver(Request *request)
{
    Zone *zone = ZONE(request->object);
    g_autoptr(Template) template = request_template(request, 2);
    const TemplateAttribute *server = template ? template_vector(template, "SERVER", 0) : NULL;
    if (!template || !is_this_zone(request, "added"))
        return NULL;
    const char *name = server ? attribute_get(server, "NAME") : template_get(template, "NAME");
    const char *endpoint =
        server ? attribute_get(server, "ENDPOINT") : template_get(template, "ENDPOINT");
    if (!name || !name_check(name, &request->error))
        return request->error ? NULL
                              : reply_error(request, ONE_ERROR_ALLOCATE,
                                            "A server needs SERVER = [ NAME = ..., ENDPOINT = "
                                            "... ], and NAME is missing");
    if (template_vector(zone->servers, "SERVER", SERVERS_MAX - 1))
        return reply_error(request, ONE_ERROR_ALLOCATE, "A zone has at most %d servers",
                           SERVERS_MAX);
    if (!endpoint_fits(request, endpoint))
        return NULL;
    (void)zone_add_server(request->world, zone, name, endpoint);
    return reply_int(request, zone->head.id);
}

RpcReply *zone_delserver(Request *request)
{
    Zone *zone = ZONE(request->object);
    gint32 id = arg_int(request, 2, -1);
    if (!is_this_zone(request, "deleted"))
        return NULL;
    if (!zone_remove_server(request->world, zone, id))
        return reply_error(request, ONE_ERROR_ACTION, "Zone %d has no server %d", zone->head.id,
                           id);
    return reply_int(request, zone->head.id);
}

/* There is no log of which a server could be sent another part. */
RpcReply *zone_resetserver(Request *request)
{
    gint32 id = arg_int(request, 2, -1);
    if (!is_this_zone(request, "reset"))
        return NULL;
    if (!zone_has_server(ZONE(request->object), id))
        return reply_error(request, ONE_ERROR_ACTION, "Zone %d has no server %d",
                           request->object->id, id);
    return reply_int(request, request->object->id);
}

/* What a zone knows of itself, told by it: its address and servers. */
RpcReply *zone_updatedb(Request *request)
{
    Zone *zone = ZONE(request->object);
    const char *text = arg_text(request, 2, "");
    enum { DEPTH_MAX = 8 };
    g_autoptr(xmlDoc) body = xml_read(text, strlen(text), DEPTH_MAX, &request->error);
    const xmlNode *root = body ? xml_root(body) : NULL;
    if (!root)
        return NULL;
    g_autofree char *endpoint = xml_get(root, "TEMPLATE/ENDPOINT");
    if (strcmp(xml_name(root), "ZONE") != 0 || !endpoint_fits(request, endpoint))
        return request->error ? NULL
                              : reply_error(request, ONE_ERROR_ACTION,
                                            "The body is <%s>, not <ZONE>", xml_name(root));
    template_set(zone->head.template, "ENDPOINT", endpoint);
    template_remove(zone->servers, "SERVER");
    guint count = 0;
    for (const xmlNode *at = xml_find(root, "SERVER_POOL/SERVER"); at && count++ < SERVERS_MAX;
         at = xml_next_same(at)) {
        g_autofree char *name = xml_get(at, "NAME"), *address = xml_get(at, "ENDPOINT");
        (void)zone_add_server(request->world, zone, name, is_address(address) ? address : "");
    }
    object_changed(request->world, &zone->head);
    return reply_int(request, zone->head.id);
}

/* ---- between servers ---- */

RpcReply *zone_replicate(Request *request)
{
    return reply_error(request, ONE_ERROR_ACTION,
                       "oned is not a follower. Cannot replicate log record.");
}

RpcReply *zone_fedreplicate(Request *request)
{
    return reply_error(request, ONE_ERROR_ACTION,
                       "Cannot replicate federate log records: this zone is no slave of a "
                       "federation.");
}

RpcReply *zone_voterequest(Request *request)
{
    return reply_error(request, ONE_ERROR_ACTION,
                       "oned is alone in its zone (SOLO) and votes for nobody.");
}
