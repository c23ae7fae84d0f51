#include "server/auth/access.h"

#include "lib/base/error.h"
#include "server/model/place/cluster.h"
#include "server/model/storage/datastore.h"
#include "server/model/place/host.h"
#include "server/model/network/network.h"
#include "server/model/world.h"
#include "server/model/place/zone.h"

/* A lock of level 1 stops use and more, 2 manage and more, 3 only admin. */
static gboolean is_locked(const Object *object, Right right)
{
    gint rank = right == RIGHT_ADMIN ? 3 : right == RIGHT_MANAGE ? 2 : 1;
    return object && object->lock.level > 0 && object->lock.level <= rank;
}

static gboolean rule_is_for(const AclRule *rule, const User *user)
{
    if (rule->user & ACL_ALL)
        return TRUE;
    gint32 id = (gint32)(rule->user & 0xffffffff);
    if (rule->user & ACL_ONE)
        return id == user->head.id;
    return rule->user & ACL_GROUP && ids_contain(user->groups, id);
}

static gboolean in_cluster(const Object *object, gint32 cluster)
{
    if (object->kind == KIND_HOST)
        return ((const Host *)object)->cluster == cluster;
    if (object->kind == KIND_DATASTORE)
        return ids_contain(((const Datastore *)object)->clusters, cluster);
    if (object->kind == KIND_NET)
        return ids_contain(((const Network *)object)->clusters, cluster);
    return object->kind == KIND_CLUSTER && object->id == cluster;
}

/* The rule gives the user the right on objects of this kind: which of them, rule_covers() says. */
static gboolean rule_speaks(const AclRule *rule, const User *user, Right right, Kind kind)
{
    return rule->rights & right && rule->resource & KIND_BIT(kind) &&
           (rule->zone & ACL_ALL || (rule->zone & 0xffffffff) == THIS_ZONE) &&
           rule_is_for(rule, user);
}

static gboolean rule_covers(const AclRule *rule, const Object *object)
{
    if (rule->resource & ACL_ALL)
        return TRUE;
    gint32 id = (gint32)(rule->resource & 0xffffffff);
    if (!object)
        return FALSE;
    if (rule->resource & ACL_ONE)
        return object->id == id;
    if (rule->resource & ACL_GROUP)
        return object->gid == id;
    return in_cluster(object, id);
}

/* What is made will belong to the user's own group. */
static gboolean rule_covers_new(const AclRule *rule, const User *user)
{
    return rule->resource & ACL_ALL ||
           (rule->resource & ACL_GROUP && (gint32)(rule->resource & 0xffffffff) == user->head.gid);
}

static gboolean rules_grant(World *world, const User *user, Right right, Kind kind,
                            const Object *object)
{
    GPtrArray *rules = world->pools[KIND_ACL].order;
    gboolean new = right == RIGHT_CREATE && !object;
    for (guint i = 0; i < rules->len; i++)
        if (rule_speaks(rules->pdata[i], user, right, kind) &&
            (new ? rule_covers_new(rules->pdata[i], user) : rule_covers(rules->pdata[i], object)))
            return TRUE;
    return FALSE;
}

static gboolean permissions_grant(const User *user, Right right, const Object *object)
{
    guint bit = right == RIGHT_USE      ? PERMISSION_USE
                : right == RIGHT_MANAGE ? PERMISSION_MANAGE
                                        : PERMISSION_ADMIN;
    if (right == RIGHT_CREATE || !object)
        return FALSE;
    if (object->kind == KIND_USER && object->id == user->head.id)
        return right != RIGHT_ADMIN;
    if (object->kind == KIND_GROUP && right == RIGHT_USE && ids_contain(user->groups, object->id))
        return TRUE;
    if (!(kind_row(object->kind)->flags & KIND_OWNED))
        return FALSE;
    return (object->uid == user->head.id && object->permissions >> 6 & bit) ||
           (ids_contain(user->groups, object->gid) && object->permissions >> 3 & bit) ||
           object->permissions & bit;
}

/* Whoever may change an administrator is one as well: no rule gives that to others. */
static gboolean is_above(const User *user, Right right, const Object *object)
{
    return object && object->kind == KIND_USER && right != RIGHT_USE &&
           object->id != user->head.id && user_is_admin((const User *)object);
}

static gboolean is_granted(World *world, const User *user, Right right, Kind kind,
                           const Object *object)
{
    if (user_is_admin(user))
        return TRUE;
    if (is_above(user, right, object))
        return FALSE;
    return permissions_grant(user, right, object) || rules_grant(world, user, right, kind, object);
}

gboolean access_has(World *world, const User *user, Right right, const Object *object)
{
    return is_granted(world, user, right, object->kind, object);
}

/* ---- pools ---- */

AccessView access_view(World *world, const User *user, Right right, Kind kind)
{
    AccessView view = {user, right, g_ptr_array_new()};
    GPtrArray *rules = world->pools[KIND_ACL].order;
    for (guint i = 0; i < rules->len; i++)
        if (rule_speaks(rules->pdata[i], user, right, kind))
            g_ptr_array_add(view.rules, rules->pdata[i]);
    return view;
}

void access_view_clear(AccessView *view)
{
    g_clear_pointer(&view->rules, g_ptr_array_unref);
}

gboolean access_view_has(const AccessView *view, const Object *object)
{
    if (user_is_admin(view->user))
        return TRUE;
    if (is_above(view->user, view->right, object))
        return FALSE;
    if (permissions_grant(view->user, view->right, object))
        return TRUE;
    for (guint i = 0; i < view->rules->len; i++)
        if (rule_covers(view->rules->pdata[i], object))
            return TRUE;
    return FALSE;
}

/* ---- what methods need ---- */

const char *access_right_word(Right right)
{
    switch (right) {
    case RIGHT_USE:
        return "USE";
    case RIGHT_MANAGE:
        return "MANAGE";
    case RIGHT_ADMIN:
        return "ADMIN";
    case RIGHT_CREATE:
        return "CREATE";
    }
    return "?";
}

gboolean access_check(World *world, const User *user, const AccessNeed *needs, guint count,
                      GError **error)
{
    g_autoptr(GString) problems = g_string_new(NULL);
    for (guint i = 0; i < count; i++) {
        const AccessNeed *need = &needs[i];
        const char *word = kind_row(need->kind)->acl_word;
        const char *separator = problems->len ? "; " : "";
        if (!is_granted(world, user, need->right, need->kind, need->object)) {
            g_string_append_printf(problems, "%sNot authorized to perform %s %s", separator,
                                   access_right_word(need->right), word);
            if (need->object)
                g_string_append_printf(problems, " [%d]", need->object->id);
        } else if (!need->ignore_lock && is_locked(need->object, need->right)) {
            g_string_append_printf(problems, "%s%s is locked. [%d]", separator, word,
                                   need->object->id);
        }
    }
    if (problems->len == 0)
        return !world->agrees || user_is_admin(user) ||
               world->agrees(world, user, needs, count, error);
    g_set_error(error, ONE_ERROR, ONE_ERROR_AUTHORIZATION, "User [%d] : %s.", user->head.id,
                problems->str);
    return FALSE;
}
