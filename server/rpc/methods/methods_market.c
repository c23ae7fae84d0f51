/* Marketplaces, the apps in them, and images that are made of apps. */
#include "server/rpc/server_private.h"
#include "server/rpc/template_rules.h"

#include "lib/base/names.h"
#include "lib/base/xml.h"
#include "server/model/storage/image.h"
#include "server/model/storage/market.h"

#include <string.h>

#define refuse(request, ...)                                                                       \
    (reply_error(request, ONE_ERROR_ALLOCATE,                                                      \
                 "Error allocating a new marketplaceapp. " __VA_ARGS__),                           \
     FALSE)

/* ---- marketplaces ---- */

/* The driver that a template names is there, and has what it needs. */
static gboolean driver_fits(Request *request, const Template *template)
{
    const char *mad = template_get(template, "MARKET_MAD");
    if (!mad || !*mad)
        return reply_error(request, ONE_ERROR_ALLOCATE,
                           "Error allocating a new marketplace. No MARKET_MAD in template.") !=
               NULL;
    const TemplateAttribute *conf = config_named(request->world->config, "MARKET_MAD_CONF", mad);
    if (!driver_name_fits(mad) || !conf || !lifecycle_knows(request->lifecycle, DRIVER_MARKET, mad))
        return reply_error(request, ONE_ERROR_ALLOCATE,
                           "Error allocating a new marketplace. MARKET_MAD \"%s\" is not known: "
                           "oned.conf needs it in MARKET_MAD (behind -m) and in MARKET_MAD_CONF",
                           mad) != NULL;
    const char *required = attribute_get(conf, "REQUIRED_ATTRS");
    g_auto(GStrv) words = g_strsplit_set(required ? required : "", ", ", -1);
    for (guint i = 0; words[i]; i++)
        if (*words[i] && !template_get(template, words[i]))
            return reply_error(request, ONE_ERROR_ALLOCATE,
                               "Error allocating a new marketplace. One with MARKET_MAD = %s needs "
                               "%s in its template",
                               mad, words[i]) != NULL;
    return TRUE;
}

RpcReply *market_allocate(Request *request)
{
    g_autoptr(Template) template = request_template(request, 1);
    g_autofree char *name = template ? g_strdup(template_get(template, "NAME")) : NULL;
    if (!template || !request_own_name_is_free(request, KIND_MARKETPLACE, name) ||
        !driver_fits(request, template))
        return NULL;
    (void)template_remove(template, "NAME");
    Market *market = market_create(request->world, pool_next_id(request->world, KIND_MARKETPLACE),
                                   name, g_steal_pointer(&template));
    market->head.uid = request->caller->head.id;
    market->head.gid = request->caller->head.gid;
    market->head.permissions = request_new_permissions(request);
    object_changed(request->world, &market->head);
    market_look_now(request->lifecycle, market);
    return reply_int(request, market->head.id);
}

RpcReply *market_method_update(Request *request)
{
    Market *market = MARKET(request->object);
    g_autoptr(Template) change = request_template(request, 2);
    gint32 append = arg_int(request, 3, 0);
    if (!change)
        return NULL;
    if (append != 0 && append != 1)
        return reply_error(request, ONE_ERROR_RPC_API, "Wrong update type");
    if (!request_change_template(request, &market->head.template, g_steal_pointer(&change), append))
        return NULL;
    market_updated(request->world, market);
    return reply_int(request, market->head.id);
}

RpcReply *market_delete(Request *request)
{
    Market *market = MARKET(request->object);
    gint32 id = market->head.id;
    if (market->apps->len && !market_is_public(request->world, market))
        return reply_error(
            request, ONE_ERROR_ACTION,
            "Cannot delete marketplace. Marketplace %d is not empty: it has %u apps, "
            "such as %d.",
            id, market->apps->len, g_array_index(market->apps, gint32, 0));
    market_remove(request->world, market);
    return reply_int(request, id);
}

RpcReply *market_enable(Request *request)
{
    Market *market = MARKET(request->object);
    market->state = arg_bool(request, 2, TRUE) ? 0 : 1;
    object_changed(request->world, &market->head);
    market_look_now(request->lifecycle, market);
    return reply_int(request, market->head.id);
}

/* ---- apps ---- */

/* An image may be copied to a marketplace now. */
static gboolean image_fits(Request *request, const Market *market, gint64 origin)
{
    Object *object = request_object(request, KIND_IMAGE, (gint32)origin);
    if (!object || !request_may(request, RIGHT_USE, KIND_IMAGE, object))
        return FALSE;
    const Image *image = IMAGE(object);
    const Datastore *datastore = datastore_get(request->world, image->datastore);
    const TemplateAttribute *conf =
        datastore ? config_named(request->world->config, "DS_MAD_CONF", datastore->ds_mad) : NULL;
    const char *actions = conf ? attribute_get(conf, "MARKETPLACE_ACTIONS") : NULL;
    if (image->state != IMAGE_READY && image->state != IMAGE_USED && image->state != IMAGE_CLONE)
        return refuse(request,
                      "Image %d is in state %s; it can be copied when it is READY or USED.",
                      object->id, image_state_name(image->state));
    if (actions && !strstr(actions, "export"))
        return refuse(request,
                      "Images of datastore %d are not for marketplaces: MARKETPLACE_ACTIONS of "
                      "DS_MAD_CONF for %s in oned.conf is \"%s\".",
                      image->datastore, datastore->ds_mad, actions);
    gint64 left = market->free_mb - market_coming(request->world, market);
    if (market->total_mb > 0 && image->size > left)
        return refuse(request,
                      "Marketplace %d has %" G_GINT64_FORMAT
                      " MB left, and image %d has %" G_GINT64_FORMAT ".",
                      market->head.id, MAX(left, 0), object->id, image->size);
    return TRUE;
}

static gboolean market_takes(Request *request, Market *market)
{
    if (market->state != 0)
        return refuse(request, "Marketplace %d is disabled; enable it first.", market->head.id);
    if (!market_offers(request->world, market, "create"))
        return refuse(request,
                      "Create disabled for market: nothing can be put into marketplace %d (%s).",
                      market->head.id, market->mad);
    return TRUE;
}

/* ORIGIN_ID and TYPE of a new app. */
static gboolean read_origin(Request *request, const Template *template, Market *market,
                            AppType *type, gint64 *origin)
{
    const char *word = template_get(template, "TYPE");
    *type = APP_IMAGE;
    *origin = -1;
    if (word && *word && !app_type_read(word, type))
        return refuse(request,
                      "TYPE \"%s\" is not known: it is IMAGE, VMTEMPLATE or "
                      "SERVICE_TEMPLATE.",
                      word);
    if (template_get(template, "ORIGIN_ID") &&
        (!template_get_int(template, "ORIGIN_ID", origin) || *origin != (gint32)*origin))
        return refuse(request, "ORIGIN_ID \"%s\" is no id.", template_get(template, "ORIGIN_ID"));
    if (*type != APP_IMAGE)
        return TRUE;
    if (*origin < 0)
        return refuse(request,
                      "Missing ORIGIN_ID for the app: the id of the image that is copied.");
    return image_fits(request, market, *origin);
}

RpcReply *marketapp_allocate(Request *request)
{
    /* What only drivers and the server say of an app. */
    static const char *const not_users[] = {"NAME",    "TYPE",   "ORIGIN_ID", "MARKETPLACE_ID",
                                            "SOURCE",  "MD5",    "SIZE",      "IMPORT_ID",
                                            "REGTIME", "FORMAT", "ERROR"};
    World *world = request->world;
    g_autoptr(Template) template = request_template(request, 1);
    Object *object =
        template ? request_object(request, KIND_MARKETPLACE, arg_int(request, 2, -1)) : NULL;
    AppType type = APP_IMAGE;
    gint64 origin = -1;
    if (!object || !request_may(request, RIGHT_USE, KIND_MARKETPLACE, object))
        return NULL;
    g_autofree char *name = g_strdup(template_get(template, "NAME"));
    if (!request_own_name_is_free(request, KIND_MARKETPLACEAPP, name) ||
        !market_takes(request, MARKET(object)) ||
        !read_origin(request, template, MARKET(object), &type, &origin))
        return NULL;
    for (guint i = 0; i < G_N_ELEMENTS(not_users); i++)
        (void)template_remove(template, not_users[i]);
    MarketApp *app = app_create(world, MARKET(object), name, request->caller->head.id,
                                request->caller->head.gid, type, g_steal_pointer(&template));
    app->head.permissions = request_new_permissions(request);
    app->origin = (gint32)origin;
    app->state = APP_READY;
    if (type == APP_IMAGE) {
        app->size = IMAGE(pool_get(world, KIND_IMAGE, app->origin))->size;
        app_begin(request->lifecycle, app, APP_WORK_IMPORT);
    }
    object_changed(world, &app->head);
    return reply_int(request, app->head.id);
}

RpcReply *marketapp_delete(Request *request)
{
    gint32 id = request->object->id;
    if (!app_delete(request->lifecycle, MARKET_APP(request->object), &request->error))
        return NULL;
    return reply_int(request, id);
}

RpcReply *marketapp_update(Request *request)
{
    static const char *const drivers[] = {"SOURCE",    "MD5",       "SIZE",   "FORMAT",
                                          "ORIGIN_ID", "IMPORT_ID", "REGTIME"};
    MarketApp *app = MARKET_APP(request->object);
    g_autoptr(Template) change = request_template(request, 2);
    gint32 append = arg_int(request, 3, 0);
    if (!change)
        return NULL;
    if (append != 0 && append != 1)
        return reply_error(request, ONE_ERROR_RPC_API, "Wrong update type");
    for (guint i = 0; i < G_N_ELEMENTS(drivers); i++)
        (void)template_remove(change, drivers[i]);
    if (!request_change_template(request, &app->head.template, g_steal_pointer(&change), append))
        return NULL;
    app_read_template(app, FALSE);
    object_changed(request->world, &app->head);
    return reply_int(request, app->head.id);
}

RpcReply *marketapp_enable(Request *request)
{
    MarketApp *app = MARKET_APP(request->object);
    gboolean enable = arg_bool(request, 2, TRUE);
    gboolean hollow = app->type == APP_IMAGE && !*app->imported && !*app->source;
    gboolean half = app->state == APP_ERROR && !hollow; /* also if it were DISABLED first */
    if (app->work != APP_NO_WORK || half || (enable && hollow))
        return reply_error(request, ONE_ERROR_ACTION, "App %d cannot be %s in state %s%s",
                           app->head.id, enable ? "enabled" : "disabled",
                           app_state_name(app->state),
                           half ? ": nobody knows how much a failed DELETE left; delete it again"
                           : app->work == APP_NO_WORK ? ": there is nothing behind it; delete it"
                                                      : "");
    app->state = enable ? APP_READY : APP_DISABLED;
    object_changed(request->world, &app->head);
    return reply_int(request, app->head.id);
}

gboolean request_app_becomes_image(Request *request, Template *template)
{
    gint64 id = -1;
    if (!template_get(template, "FROM_APP"))
        return TRUE;
    (void)template_get_int(template, "FROM_APP", &id);
    Object *object =
        request_object(request, KIND_MARKETPLACEAPP, id == (gint32)id ? (gint32)id : -1);
    if (!object || !request_may(request, RIGHT_USE, KIND_MARKETPLACEAPP, object))
        return FALSE;
    const MarketApp *app = MARKET_APP(object);
    g_autoptr(GError) error = NULL;
    gsize length = 0;
    g_autofree guchar *bytes = g_base64_decode(app->template64, &length);
    g_autofree char *text = g_strndup((const char *)bytes, length);
    g_autoptr(Template) more = template_parse(text, TEMPLATE_MODERN, &error);
    if (app->type != APP_IMAGE || app->state != APP_READY)
        return reply_error(request, ONE_ERROR_ACTION, "App %d cannot be made an image: it is %s%s",
                           object->id,
                           app->type != APP_IMAGE ? "no app of type IMAGE" : "in state ",
                           app->type != APP_IMAGE ? "" : app_state_name(app->state)) != NULL;
    if (!more)
        return reply_error(request, ONE_ERROR_ACTION, "APPTEMPLATE64 of app %d: %s", object->id,
                           error->message) != NULL;
    for (guint i = 0; i < template_count(template); i++) /* what the caller says goes first */
        (void)template_remove(more, template_nth(template, i)->name);
    template_merge(template, more);
    (void)template_remove(template, "SOURCE");
    template_set(template, "PATH", app->source);
    template_set(template, "FROM_APP_NAME", object->name);
    if (*app->format && !template_get(template, "FORMAT"))
        template_set(template, "FORMAT", app->format);
    if (*app->md5) {
        template_set(template, "FROM_APP_MD5", app->md5);
        template_set(template, "MD5", app->md5);
    }
    gint64 size = 0;
    (void)template_get_int(template, "SIZE", &size);
    template_set_int(template, "SIZE", MAX(MAX(app->size, 1), size));
    return TRUE;
}

/* ---- as other zones write them ---- */

/* The document of an object, whose root is `element`. NULL with the error. (owned) */
static xmlDoc *given_body(Request *request, const char *element)
{
    const char *text = arg_text(request, 2, "");
    g_autoptr(GError) error = NULL;
    g_autoptr(xmlDoc) document = xml_read(text, strlen(text), XML_DEPTH_MAX, &error);
    if (!document)
        reply_error(request, ONE_ERROR_INTERNAL, "Cannot update object body: %s", error->message);
    else if (strcmp(xml_name(xml_root(document)), element) != 0)
        reply_error(request, ONE_ERROR_INTERNAL, "Cannot update object body: it is a %s, not a %s",
                    xml_name(xml_root(document)), element);
    return request->error ? NULL : g_steal_pointer(&document);
}

/* The TEMPLATE of a body. NULL with the error. (owned) */
static Template *body_template(Request *request, const xmlNode *root)
{
    xmlNode *inner = xml_find(root, "TEMPLATE");
    g_autoptr(GError) error = NULL;
    if (!inner)
        return template_new();
    xmlBuffer *buffer = xmlBufferCreate();
    xmlNodeDump(buffer, inner->doc, inner, 0, 0);
    g_autoptr(Template) template =
        template_parse((const char *)xmlBufferContent(buffer), TEMPLATE_MODERN, &error);
    xmlBufferFree(buffer);
    if (!template)
        reply_error(request, ONE_ERROR_INTERNAL, "Cannot update object body: %s", error->message);
    else if (!template_fits(request->world, template, &request->error))
        return NULL;
    return g_steal_pointer(&template);
}

/* Owner and rights, as far as the owner exists here. */
static void read_head(Request *request, Object *object, const xmlNode *root)
{
    static const char *const bits[9] = {"OWNER_U", "OWNER_M", "OWNER_A", "GROUP_U", "GROUP_M",
                                        "GROUP_A", "OTHER_U", "OTHER_M", "OTHER_A"};
    gint64 uid = xml_get_int(root, "UID", object->uid), gid = xml_get_int(root, "GID", object->gid);
    if (uid == (gint32)uid && pool_get(request->world, KIND_USER, (gint32)uid))
        object->uid = (gint32)uid;
    if (gid == (gint32)gid && pool_get(request->world, KIND_GROUP, (gint32)gid))
        object->gid = (gint32)gid;
    for (guint i = 0; i < G_N_ELEMENTS(bits); i++) {
        g_autofree char *path = g_strconcat("PERMISSIONS/", bits[i], NULL);
        guint bit = 1u << (8 - i);
        gint64 set = xml_get_int(root, path, (object->permissions & bit) != 0);
        object->permissions = set ? object->permissions | bit : object->permissions & ~bit;
    }
}

/* A name that an object of another zone brings. NULL with the error. (owned) */
static char *body_name(Request *request, const xmlNode *root)
{
    g_autofree char *name = xml_get(root, "NAME");
    if (name_check(name, &request->error))
        return g_steal_pointer(&name);
    return NULL;
}

/* What a call brings of an object of another zone: one.market.allocatedb and its like. */
typedef struct Given {
    xmlDoc *body;
    const xmlNode *root; /* of the body */
    char *name;
    Template *template;
} Given;

static void given_clear(Given *given)
{
    xmlFreeDoc(given->body);
    g_free(given->name);
    template_free(given->template);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Given, given_clear)

/* FALSE with the error. */
static gboolean read_given(Request *request, const char *element, Given *given)
{
    given->body = given_body(request, element);
    given->root = given->body ? xml_root(given->body) : NULL;
    given->name = given->root ? body_name(request, given->root) : NULL;
    given->template = given->name ? body_template(request, given->root) : NULL;
    return given->template != NULL;
}

static void read_market(Market *market, const xmlNode *root)
{
    market->state = xml_get_int(root, "STATE", market->state) ? 1 : 0;
    market->total_mb = MAX(xml_get_int(root, "TOTAL_MB", market->total_mb), 0);
    market->free_mb = MAX(xml_get_int(root, "FREE_MB", market->free_mb), 0);
    market->used_mb = MAX(xml_get_int(root, "USED_MB", market->used_mb), 0);
    market->zone = (gint32)CLAMP(xml_get_int(root, "ZONE_ID", market->zone), 0, G_MAXINT32);
}

RpcReply *market_allocatedb(Request *request)
{
    g_auto(Given) given = {0};
    if (!read_given(request, "MARKETPLACE", &given))
        return NULL;
    g_autofree char *mad = xml_get(given.root, "MARKET_MAD");
    if (!driver_name_fits(mad))
        return reply_error(request, ONE_ERROR_INTERNAL,
                           "Cannot update object body: MARKET_MAD \"%s\" is no name of a driver",
                           mad ? mad : "");
    template_set(given.template, "MARKET_MAD", mad);
    Market *market = market_create(request->world, pool_next_id(request->world, KIND_MARKETPLACE),
                                   given.name, g_steal_pointer(&given.template));
    read_head(request, &market->head, given.root);
    read_market(market, given.root);
    object_changed(request->world, &market->head);
    return reply_int(request, market->head.id);
}

RpcReply *market_updatedb(Request *request)
{
    Market *market = MARKET(request->object);
    g_auto(Given) given = {0};
    if (!read_given(request, "MARKETPLACE", &given))
        return NULL;
    template_free(market->head.template);
    market->head.template = g_steal_pointer(&given.template);
    read_head(request, &market->head, given.root);
    read_market(market, given.root);
    object_set_name(request->world, &market->head, given.name);
    market_updated(request->world, market);
    market_apps_touch(request->world, market);
    return reply_int(request, market->head.id);
}

/* Attributes of an app that its body has as elements of their own, as app_read_template() takes
 * them. */
static void lift(const xmlNode *root, Template *template)
{
    static const char *const own[] = {"SOURCE", "MD5",     "SIZE",    "DESCRIPTION",
                                      "FORMAT", "VERSION", "REGTIME", "APPTEMPLATE64"};
    for (guint i = 0; i < G_N_ELEMENTS(own); i++) {
        g_autofree char *text = xml_get(root, own[i]);
        if (text)
            template_set(template, own[i], text);
    }
}

static void read_app(MarketApp *app, const xmlNode *root)
{
    gint64 state = xml_get_int(root, "STATE", app->state);
    gint64 type = xml_get_int(root, "TYPE", app->type);
    gint64 origin = xml_get_int(root, "ORIGIN_ID", app->origin);
    app_read_template(app, TRUE);
    /* What the driver of another zone is at work on is not at work here. */
    if (app->work == APP_NO_WORK && state >= 0 && state < APP_STATES && state != APP_LOCKED)
        app->state = (AppState)state;
    if (type > APP_UNKNOWN && type < APP_TYPES)
        app->type = (AppType)type;
    if (app->work == APP_NO_WORK)
        app->origin = (gint32)CLAMP(origin, -1, G_MAXINT32);
    app->zone = (gint32)CLAMP(xml_get_int(root, "ZONE_ID", app->zone), 0, G_MAXINT32);
}

RpcReply *marketapp_allocatedb(Request *request)
{
    g_auto(Given) given = {0};
    if (!read_given(request, "MARKETPLACEAPP", &given))
        return NULL;
    gint64 id = xml_get_int(given.root, "MARKETPLACE_ID", -1);
    Object *market = request_object(request, KIND_MARKETPLACE, id == (gint32)id ? (gint32)id : -1);
    if (!market)
        return NULL;
    lift(given.root, given.template);
    MarketApp *app = app_create(request->world, MARKET(market), given.name, USER_ONEADMIN,
                                GROUP_ONEADMIN, APP_IMAGE, g_steal_pointer(&given.template));
    read_head(request, &app->head, given.root);
    read_app(app, given.root);
    object_changed(request->world, &app->head);
    return reply_int(request, app->head.id);
}

RpcReply *marketapp_updatedb(Request *request)
{
    MarketApp *app = MARKET_APP(request->object);
    g_auto(Given) given = {0};
    if (!read_given(request, "MARKETPLACEAPP", &given))
        return NULL;
    lift(given.root, given.template);
    template_free(app->head.template);
    app->head.template = g_steal_pointer(&given.template);
    read_head(request, &app->head, given.root);
    read_app(app, given.root);
    object_set_name(request->world, &app->head, given.name);
    return reply_int(request, app->head.id);
}

RpcReply *marketapp_dropdb(Request *request)
{
    gint32 id = request->object->id;
    app_give_up(request->lifecycle, MARKET_APP(request->object));
    app_remove(request->world, MARKET_APP(request->object));
    return reply_int(request, id);
}
