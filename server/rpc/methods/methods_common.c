/* What all kinds share: info, update, rename, permissions, owner, locks, pools. */
#include "server/rpc/server_private.h"
#include "server/rpc/vm_screen.h"
#include "server/rpc/template_rules.h"

#include "lib/base/names.h"
#include "server/model/place/cluster.h"
#include "server/model/storage/datastore.h"
#include "server/model/people/quota.h"

#include <string.h>

/* ---- helpers of handlers ---- */

Template *request_template(Request *request, guint at)
{
    g_autoptr(GError) error = NULL;
    Template *template = template_parse(arg_text(request, at, ""), TEMPLATE_MODERN, &error);
    if (!template)
        reply_error(request, ONE_ERROR_INTERNAL, "Parse error: %s", error->message);
    else if (!template_fits(request->world, template, &request->error))
        g_clear_pointer(&template, template_free); /* before anybody looks at all of it */
    return template;
}

gboolean request_change_template(Request *request, Template **template, Template *change,
                                 gboolean append)
{
    g_autoptr(Template) given = change;
    g_autoptr(Template) changed = append ? template_copy(*template) : g_steal_pointer(&given);
    if (append)
        template_merge(changed, given);
    if (!template_fits(request->world, changed, &request->error))
        return FALSE;
    template_free(*template);
    *template = g_steal_pointer(&changed);
    return TRUE;
}

static gboolean in_groups(const Request *request, gint32 gid)
{
    return ids_contain(request->caller->groups, gid);
}

static gboolean passes_filter(Request *request, const Object *object, gint32 filter)
{
    switch (filter) {
    case -4:
        return object->gid == request->caller->head.gid;
    case -3:
        return object->uid == request->caller->head.id;
    case -2:
        return TRUE;
    case -1:
        return object->uid == request->caller->head.id || in_groups(request, object->gid);
    default:
        return object->uid == filter;
    }
}

/* By id upwards? As the user's template says, else that of the primary group, else oned.conf. */
static gboolean is_ascending(const Request *request)
{
    const Object *group = pool_get(request->world, KIND_GROUP, request->caller->head.gid);
    const char *order = template_get(request->caller->head.template, "API_LIST_ORDER");
    if (!order && group)
        order = template_get(group->template, "API_LIST_ORDER");
    if (!order)
        order = config_text(request->world->config, "API_LIST_ORDER");
    return !g_ascii_strcasecmp(order, "ASC");
}

GPtrArray *request_visible(Request *request, Kind kind, gint32 filter)
{
    if (filter < -4) {
        reply_error(request, ONE_ERROR_RPC_API, "Incorrect filter_flag");
        return NULL;
    }
    const GPtrArray *all = request->world->pools[kind].order;
    GPtrArray *visible = g_ptr_array_sized_new(all->len);
    g_auto(AccessView) view = access_view(request->world, request->caller, RIGHT_USE, kind);
    gboolean ascending = is_ascending(request);
    for (guint i = 0; i < all->len; i++) {
        Object *object = all->pdata[ascending ? i : all->len - 1 - i];
        if (passes_filter(request, object, filter) && access_view_has(&view, object))
            g_ptr_array_add(visible, object);
    }
    return visible;
}

void request_page(GPtrArray *objects, gint32 start, gint32 end)
{
    if (start == -1 && end == -1)
        return;
    if (end < -1) {
        guint offset = MIN((guint)MAX(start, 0), objects->len);
        guint size = -(guint)end;
        if (offset)
            g_ptr_array_remove_range(objects, 0, offset);
        if (objects->len > size)
            g_ptr_array_set_size(objects, (gint)size);
        return;
    }
    guint kept = 0;
    for (guint i = 0; i < objects->len; i++) {
        gint32 id = ((Object *)objects->pdata[i])->id;
        if (id >= start && (end == -1 || id <= end))
            objects->pdata[kept++] = objects->pdata[i];
    }
    g_ptr_array_set_size(objects, (gint)kept);
}

/* A user without the tokens. */
static Fragment *user_hidden(World *world, User *user, gboolean full)
{
    const KindOperations *operations = world->pools[KIND_USER].operations;
    g_autoptr(GString) xml = g_string_new(NULL);
    GPtrArray *tokens = user->tokens;
    user->tokens = g_ptr_array_new();
    (full ? operations->render : operations->render_brief)(world, &user->head, xml);
    g_ptr_array_unref(user->tokens);
    user->tokens = tokens;
    return fragment_new_escaped(xml->str, xml->len);
}

/* Of most objects that is the same fragment, which says that there is nothing to hide. */
Fragment *rendering_for_all(World *world, Object *object, gboolean full)
{
    Fragment **kept = &object->covered[full ? 1 : 0];
    if (*kept)
        return *kept;
    if (object->kind == KIND_VM && vm_screen_is_secret(VM(object)))
        *kept = vm_screen_hidden(world, VM(object), full);
    else if (object->kind == KIND_USER && USER(object)->tokens->len)
        *kept = user_hidden(world, USER(object), full);
    else
        *kept = full ? object_body(world, object) : object_brief(world, object);
    return *kept;
}

/* One rendering serves all, but for secrets: those of a machine are for who may manage it, tokens
 * for who may manage the user, and not through a token that acts for one group. */
static gboolean may_know(Request *request, const AccessView *managed, const Object *object)
{
    if (object->kind == KIND_USER && request->call->caller.token_gid >= 0)
        return FALSE;
    return access_view_has(managed, object);
}

static Fragment *shown(Request *request, const AccessView *managed, Object *object, gboolean full)
{
    Fragment *whole =
        full ? object_body(request->world, object) : object_brief(request->world, object);
    Fragment *public = rendering_for_all(request->world, object, full);
    if (public == whole || may_know(request, managed, object))
        return whole;
    fragment_unref(whole);
    return fragment_ref(public);
}

RpcReply *reply_pool(Request *request, Kind kind, GPtrArray *objects, gboolean full,
                     const char *tail)
{
    const char *element = kind_row(kind)->pool_element;
    FragmentList *list = fragment_list_new(objects->len + 2);
    g_autofree char *head = g_strdup_printf("&lt;%s&gt;", element);
    g_autofree char *end = g_strdup_printf("%s&lt;/%s&gt;", tail ? tail : "", element);
    g_auto(AccessView) managed = access_view(request->world, request->caller, RIGHT_MANAGE, kind);
    fragment_list_add_text(list, head);
    for (guint i = 0; i < objects->len; i++)
        fragment_list_add(list, shown(request, &managed, objects->pdata[i], full));
    fragment_list_add_text(list, end);
    g_ptr_array_unref(objects);
    request->seen = request->world->pools[kind].changed;
    return rpc_reply_text(list);
}

RpcReply *reply_object(Request *request, Object *object)
{
    FragmentList *list = fragment_list_new(1);
    g_auto(AccessView) managed =
        access_view(request->world, request->caller, RIGHT_MANAGE, object->kind);
    fragment_list_add(list, shown(request, &managed, object, TRUE));
    request->seen = object->changed;
    return rpc_reply_text(list);
}

gboolean request_name_is_free(Request *request, Kind kind, const char *name, const Object *equal)
{
    g_autoptr(GError) error = NULL;
    const KindRow *row = kind_row(kind);
    gboolean unique = (row->flags & KIND_UNIQUE_NAME) != 0;
    OneError code = unique ? ONE_ERROR_INTERNAL : ONE_ERROR_ALLOCATE; /* as OpenNebula answers */
    g_autofree char *failed =
        unique ? g_strdup("") : g_strdup_printf("Error allocating a new %s. ", row->words);
    if (!unique && (!name || !*name))
        reply_error(request, code, "%sNo NAME in template for the %s.", failed, row->words);
    else if (!name_check(name, &error))
        reply_error(request, code, "%s%s.", failed, error->message);
    else if (equal)
        reply_error(request, code, "%sNAME is already taken by %s %d.", failed, row->acl_word,
                    equal->id);
    return !request->error;
}

gboolean request_own_name_is_free(Request *request, Kind kind, const char *name)
{
    return request_name_is_free(
        request, kind, name, pool_find_own(request->world, kind, request->caller->head.id, name));
}

guint request_new_permissions(const Request *request)
{
    const char *own = template_get(request->caller->head.template, "UMASK");
    const char *mask = own && *own ? own : config_text(request->world->config, "DEFAULT_UMASK");
    /* A mask gives use and manage; the admin bits are set by chmod only. */
    return 0666 & ~(guint)g_ascii_strtoull(mask, NULL, 8);
}

/* ---- handlers ---- */

RpcReply *object_info(Request *request)
{
    return reply_object(request, request->object);
}

/* The list of attributes that only administrators may give, by kind; NULL: there is none. */
static const char *restricted_key(Kind kind)
{
    return kind == KIND_USER       ? "USER_RESTRICTED_ATTR"
           : kind == KIND_GROUP    ? "GROUP_RESTRICTED_ATTR"
           : kind == KIND_TEMPLATE ? "VM_RESTRICTED_ATTR"
                                   : NULL;
}

RpcReply *object_update(Request *request)
{
    g_autoptr(Template) change = request_template(request, 2);
    gint32 append = arg_int(request, 3, 0);
    if (!change)
        return NULL;
    if (append != 0 && append != 1)
        return reply_error(request, ONE_ERROR_RPC_API, "Wrong update type");
    Object *object = request->object;
    const char *key = restricted_key(object->kind);
    if (object->kind == KIND_IMAGE && !image_may_write(request, change))
        return NULL;
    if (object->kind == KIND_TEMPLATE &&
        !vm_check_restricted(request->world, request->caller, change, &request->error))
        return NULL;
    if (key && !check_restricted(request->world, request->caller, change, key,
                                 kind_row(object->kind)->words, &request->error))
        return NULL;
    if (key && !append)
        keep_restricted(request->world, request->caller, object->template, change, key);
    if (!request_change_template(request, &object->template, g_steal_pointer(&change), append))
        return NULL;
    if (object->kind == KIND_HOST || object->kind == KIND_CLUSTER)
        host_capacity_changed(request->lifecycle,
                              object->kind == KIND_HOST ? HOST(object)->cluster : object->id);
    if (object->kind == KIND_IMAGE)
        IMAGE(object)->modtime = core_now(request->world->core);
    if (object->kind == KIND_DATASTORE)
        datastore_updated(request->world, DATASTORE(object));
    object_changed(request->world, object);
    return reply_int(request, object->id);
}

RpcReply *object_rename(Request *request)
{
    Object *object = request->object;
    const KindRow *row = kind_row(object->kind);
    const char *name = arg_text(request, 2, "");
    g_autoptr(GError) error = NULL;
    if (!name_check(name, &error))
        return reply_error(request, ONE_ERROR_ACTION, "%s", error->message);
    if (object->kind == KIND_HOST && strchr(name, ' '))
        return reply_error(request, ONE_ERROR_ACTION,
                           "Invalid NAME, \"%s\" has a blank; it is the name by which the host is "
                           "reached",
                           name);
    Object *other = object->kind == KIND_IMAGE
                        ? pool_find_own(request->world, object->kind, object->uid, name)
                        : pool_find(request->world, object->kind, name);
    if (other && other != object)
        return reply_error(request, ONE_ERROR_ACTION,
                           "%s cannot be renamed to %s because it collides with %s %d", row->words,
                           name, row->words, other->id);
    if (object->kind == KIND_HOST && HOST(object)->vms->len)
        return reply_error(request, ONE_ERROR_ACTION,
                           "Host %d cannot be renamed while it has machines: their drivers reach "
                           "it by its name",
                           object->id);
    /* A driver knows hosts by their names: it forgets the old one, with what it holds open to it.
     */
    gboolean other_host = object->kind == KIND_HOST && strcmp(object->name, name) != 0;
    if (other_host)
        host_stop_monitoring(request->lifecycle, HOST(object));
    object_set_name(request->world, object, name);
    if (other_host)
        host_start_monitoring(request->lifecycle, HOST(object));
    if (object->kind == KIND_DATASTORE)
        images_touch(request->world, DATASTORE(object));
    if (object->kind == KIND_MARKETPLACE)
        market_apps_touch(request->world, MARKET(object));
    if (object->kind == KIND_CLUSTER)
        for (guint i = 0; i < request->world->pools[KIND_HOST].order->len; i++)
            object_touched(request->world, request->world->pools[KIND_HOST].order->pdata[i]);
    if (object->kind == KIND_HOST)
        cluster_members_changed(request->world, HOST(object)->cluster);
    return reply_int(request, object->id);
}

/* The nine bits of the call are set. FALSE with the error. */
static gboolean set_permissions(Request *request, Object *object)
{
    guint permissions = object->permissions;
    for (guint i = 0; i < 9; i++) {
        gint32 wanted = arg_int(request, i + 2, -1);
        guint bit = 1u << (8 - i);
        if (wanted < -1 || wanted > 1) {
            reply_error(request, ONE_ERROR_RPC_API,
                        "Permission %u is %d; it must be 0, 1, or -1 to keep it", i + 1, wanted);
            return FALSE;
        }
        if (wanted >= 0)
            permissions = wanted ? permissions | bit : permissions & ~bit;
    }
    guint changed = permissions ^ object->permissions;
    if (changed & 0111 && !request_may(request, RIGHT_ADMIN, object->kind, object))
        return FALSE;
    if (changed & 07 && !user_is_admin(request->caller) &&
        !config_bool(request->world->config, "ENABLE_OTHER_PERMISSIONS")) {
        reply_error(request, ONE_ERROR_AUTHORIZATION,
                    "Management of 'other' permissions is disabled in oned.conf");
        return FALSE;
    }
    object->permissions = permissions;
    object_changed(request->world, object);
    return TRUE;
}

RpcReply *object_chmod(Request *request)
{
    Object *object = request->object;
    gboolean images = object->kind == KIND_TEMPLATE && arg_bool(request, 11, FALSE);
    g_autoptr(GPtrArray) more =
        images ? request_template_images(request, object->template, RIGHT_MANAGE) : NULL;
    if ((images && !more) || !set_permissions(request, object))
        return NULL;
    for (guint i = 0; images && i < more->len; i++)
        if (more->pdata[i] && !set_permissions(request, more->pdata[i]))
            return NULL;
    return reply_int(request, object->id);
}

RpcReply *object_chown(Request *request)
{
    Object *object = request->object;
    gint32 uid = arg_int(request, 2, -1), gid = arg_int(request, 3, -1);
    AccessNeed needs[2];
    guint count = 0;
    Object *user = uid >= 0 ? request_object(request, KIND_USER, uid) : NULL;
    Object *group = gid >= 0 && (user || uid < 0) ? request_object(request, KIND_GROUP, gid) : NULL;
    if ((uid >= 0 && !user) || (gid >= 0 && !group))
        return NULL;
    if (user)
        needs[count++] = (AccessNeed){RIGHT_MANAGE, KIND_USER, user, FALSE};
    if (group)
        needs[count++] = (AccessNeed){RIGHT_USE, KIND_GROUP, group, FALSE};
    if (!access_check(request->world, request->caller, needs, count, &request->error))
        return NULL;
    if (object->kind == KIND_VM && VM(object)->state == VM_DONE)
        return reply_error(request, ONE_ERROR_ACTION,
                           "This action is not available for state DONE");
    Object *other = object->kind == KIND_IMAGE && user && uid != object->uid
                        ? pool_find_own(request->world, object->kind, uid, object->name)
                        : NULL;
    if (other)
        return reply_error(request, ONE_ERROR_INTERNAL,
                           "User %d has an %s with the name %s already: %d; rename one of them",
                           uid, kind_row(object->kind)->words, object->name, other->id);
    if (!quota_allows_owner(request->world, object, user ? uid : object->uid,
                            group ? gid : object->gid, &request->error))
        return NULL;
    if (user)
        object->uid = uid;
    if (group)
        object->gid = gid;
    object_changed(request->world, object);
    return reply_int(request, object->id);
}

RpcReply *object_lock(Request *request)
{
    Object *object = request->object;
    gint32 level = arg_int(request, 2, 0);
    if (level < 1 || level > 4)
        return reply_error(request, ONE_ERROR_ACTION, "Wrong lock level specified");
    gboolean held = object->lock.level > 0;
    gboolean own = object->lock.owner == request->caller->head.id;
    if (held && (arg_bool(request, 3, FALSE) || !(own || user_is_admin(request->caller))))
        return reply_error(request, ONE_ERROR_LOCKED, "The resource %s is locked. [%d].",
                           kind_row(object->kind)->words, object->id);
    object->lock = (ObjectLock){level == 4 ? 1 : level, request->caller->head.id,
                                core_now(request->world->core), (gint64)request->call->number};
    object_changed(request->world, object);
    return reply_int(request, object->id);
}

RpcReply *object_unlock(Request *request)
{
    Object *object = request->object;
    if (object->lock.level && object->lock.owner != request->caller->head.id &&
        !user_is_admin(request->caller))
        return reply_error(request, ONE_ERROR_LOCKED, "The resource %s is locked. [%d].",
                           kind_row(object->kind)->words, object->id);
    object->lock = (ObjectLock){0};
    object_changed(request->world, object);
    return reply_int(request, object->id);
}

RpcReply *pool_info(Request *request)
{
    GPtrArray *objects = request_visible(request, request->method->kind, -2);
    return objects ? reply_pool(request, request->method->kind, objects, FALSE, NULL) : NULL;
}

RpcReply *pool_info_filtered(Request *request)
{
    GPtrArray *objects = request_visible(request, request->method->kind, arg_int(request, 1, -2));
    if (!objects)
        return NULL;
    request_page(objects, arg_int(request, 2, -1), arg_int(request, 3, -1));
    return reply_pool(request, request->method->kind, objects, FALSE, NULL);
}
