/* Quotas of users and groups, and the defaults for those without their own. */
#include "server/rpc/server_private.h"

#include "server/model/people/quota.h"

gboolean request_image_fits_quota(Request *request, const Datastore *datastore, gint64 size)
{
    QuotaUse *use = quota_use_new(request->caller->head.id, request->caller->head.gid, -1);
    quota_use_add_image(use, datastore->head.id, size);
    return quota_allows(request->world, NULL, use, &request->error);
}

static RpcReply *set_own(Request *request, QuotaOwner kind)
{
    gint32 id = request->object->id;
    g_autoptr(Template) limits = request_template(request, 2);
    if (!limits || !quota_set(request->world, kind, id, limits, &request->error))
        return NULL;
    return reply_int(request, id);
}

RpcReply *user_quota(Request *request)
{
    return set_own(request, QUOTA_USER);
}

RpcReply *group_quota(Request *request)
{
    return set_own(request, QUOTA_GROUP);
}

static RpcReply *reply_defaults(Request *request, QuotaOwner kind)
{
    g_autoptr(GString) xml = g_string_new(NULL);
    quota_render_defaults(request->world, kind, xml);
    request->seen = request->world->pools[kind == QUOTA_USER ? KIND_USER : KIND_GROUP].changed;
    return reply_text(request, xml->str);
}

static RpcReply *set_defaults(Request *request, QuotaOwner kind)
{
    g_autoptr(Template) limits = request_template(request, 1);
    if (!limits || !quota_set(request->world, kind, QUOTA_DEFAULTS, limits, &request->error))
        return NULL;
    return reply_defaults(request, kind);
}

RpcReply *userquota_info(Request *request)
{
    return reply_defaults(request, QUOTA_USER);
}

RpcReply *groupquota_info(Request *request)
{
    return reply_defaults(request, QUOTA_GROUP);
}

RpcReply *userquota_update(Request *request)
{
    return set_defaults(request, QUOTA_USER);
}

RpcReply *groupquota_update(Request *request)
{
    return set_defaults(request, QUOTA_GROUP);
}

/* ---- pools, whose last element are the defaults ---- */

static RpcReply *reply_with_defaults(Request *request, Kind kind, QuotaOwner owner)
{
    g_autoptr(GString) xml = g_string_new(NULL);
    quota_render_defaults(request->world, owner, xml);
    g_autofree char *escaped = g_markup_escape_text(xml->str, (gssize)xml->len);
    return reply_pool(request, kind, request_visible(request, kind, -2), FALSE, escaped);
}

RpcReply *userpool_info(Request *request)
{
    return reply_with_defaults(request, KIND_USER, QUOTA_USER);
}

RpcReply *grouppool_info(Request *request)
{
    return reply_with_defaults(request, KIND_GROUP, QUOTA_GROUP);
}
