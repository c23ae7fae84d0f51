/* Users, rules of access. */
#include "server/rpc/login.h"
#include "server/rpc/server_private.h"

#include "lib/base/names.h"

#include <sodium.h>
#include <string.h>

/* ---- what the front must know ---- */

typedef struct UserEffect {
    CoreEffect effect;
    Sessions *sessions;
    gint32 uid;
    gboolean removed, enabled;
    char *name, *driver, *verifier;
    GArray *tokens; /* of SessionToken, owning the texts */
} UserEffect;

static void user_release(CoreEffect *effect)
{
    UserEffect *user = (UserEffect *)effect;
    if (user->removed) {
        sessions_remove_user(user->sessions, user->uid);
    } else {
        sessions_put_user(user->sessions, user->name, user->uid, user->enabled, user->driver,
                          user->verifier);
        sessions_put_tokens(user->sessions, user->uid, (SessionToken *)(gpointer)user->tokens->data,
                            user->tokens->len);
    }
}

static void token_clear(gpointer data)
{
    g_free((char *)((SessionToken *)data)->text);
}

/* (owned) */
static GArray *tokens_of(const User *user)
{
    GArray *tokens = g_array_new(FALSE, FALSE, sizeof(SessionToken));
    g_array_set_clear_func(tokens, token_clear);
    for (guint i = 0; i < user->tokens->len; i++) {
        const LoginToken *token = user->tokens->pdata[i];
        SessionToken copy = {g_strdup(token->text), token->expires, token->gid};
        g_array_append_val(tokens, copy);
    }
    return tokens;
}

static void user_destroy(CoreEffect *effect)
{
    UserEffect *user = (UserEffect *)effect;
    g_free(user->name);
    g_free(user->driver);
    g_free(user->verifier);
    g_clear_pointer(&user->tokens, g_array_unref);
    g_free(user);
}

static UserEffect *user_effect(RpcServer *server, gint32 uid)
{
    UserEffect *effect = g_new0(UserEffect, 1);
    effect->effect.release = user_release;
    effect->effect.destroy = user_destroy;
    effect->effect.anywhere = TRUE; /* like the reply, which it must not follow */
    effect->sessions = server->sessions;
    effect->uid = uid;
    return effect;
}

void rpc_server_publish_user(RpcServer *server, User *user)
{
    if (!server->sessions)
        return;
    UserEffect *effect = user_effect(server, user->head.id);
    effect->enabled = user->enabled;
    effect->name = g_strdup(user->head.name);
    effect->driver = g_strdup(user->auth_driver);
    effect->verifier = g_strdup(user->password);
    effect->tokens = tokens_of(user);
    core_after_commit(server->world->core, &effect->effect);
}

void users_changed(Request *request, User *user)
{
    rpc_server_publish_user(request->server, user);
}

void users_removed(Request *request, gint32 uid)
{
    if (!request->server->sessions)
        return;
    UserEffect *effect = user_effect(request->server, uid);
    effect->removed = TRUE;
    core_after_commit(request->world->core, &effect->effect);
}

void rpc_server_publish_users(RpcServer *server)
{
    GPtrArray *users = server->world->pools[KIND_USER].order;
    for (guint i = 0; i < users->len; i++) {
        const User *user = users->pdata[i];
        sessions_put_user(server->sessions, user->head.name, user->head.id, user->enabled,
                          user->auth_driver, user->password);
        g_autoptr(GArray) tokens = tokens_of(user);
        sessions_put_tokens(server->sessions, user->head.id, (SessionToken *)(gpointer)tokens->data,
                            tokens->len);
    }
}

/* ---- users ---- */

gboolean request_may_give_group(Request *request, gint32 gid)
{
    if (gid != GROUP_ONEADMIN || user_is_admin(request->caller))
        return TRUE;
    reply_error(request, ONE_ERROR_AUTHORIZATION,
                "User [%d] : Not authorized to perform MANAGE GROUP [0].",
                request->caller->head.id);
    return FALSE;
}

/* The groups of a new user; the first is the primary one. NULL with the error. */
static GArray *wanted_groups(Request *request)
{
    const RpcValue *value = arg_value(request, 4);
    GArray *groups = g_array_new(FALSE, FALSE, sizeof(gint32));
    for (guint i = 0; value && value->type == RPC_ARRAY && i < value->items->len; i++) {
        const RpcValue *item = value->items->pdata[i];
        gint32 gid = item->type == RPC_INT ? (gint32)item->number : -1;
        Object *group = request_object(request, KIND_GROUP, gid);
        gboolean own = gid == request->caller->head.gid; /* the right to make users is enough */
        if (!group || !(own || request_may(request, RIGHT_MANAGE, KIND_GROUP, group)) ||
            !request_may_give_group(request, gid)) {
            g_array_unref(groups);
            return NULL;
        }
        g_array_append_val(groups, gid);
    }
    if (groups->len == 0) {
        gint32 own = user_is_admin(request->caller) ? GROUP_USERS : request->caller->head.gid;
        g_array_append_val(groups, own);
    }
    return groups;
}

/* May a user be verified by this driver, with the password that came? FALSE with the error. */
static gboolean driver_fits(Request *request, const char *driver)
{
    if (g_str_has_prefix(driver, "server_") && !user_is_admin(request->caller))
        reply_error(request, ONE_ERROR_AUTHORIZATION,
                    "A user of the driver \"%s\" acts for all others, oneadmin too: only "
                    "administrators make one",
                    driver);
    else if (!auth_driver_exists(request->world, driver))
        reply_error(request, ONE_ERROR_INTERNAL,
                    "There is no authentication driver \"%s\": AUTH_MAD of oned.conf lists those "
                    "that there are, besides core and public",
                    driver);
    else if (!strcmp(driver, "core") && !request->call->verifier)
        reply_error(request, ONE_ERROR_INTERNAL, "The password could not be stored");
    else
        return TRUE;
    return FALSE;
}

/* What is stored of a password: of users of "core" what verifies it, of others what their driver
 * must be told, such as a public key. */
static const char *kept_password(const Request *request, const char *driver, const char *password)
{
    if (!strcmp(driver, "core"))
        return request->call->verifier;
    return *password ? password : "-";
}

RpcReply *user_allocate(Request *request)
{
    World *world = request->world;
    const char *name = arg_text(request, 1, ""), *password = arg_text(request, 2, "");
    const char *driver = *arg_text(request, 3, "") ? arg_text(request, 3, "") : "core";
    g_autoptr(GError) error = NULL;
    Object *equal = pool_find(world, KIND_USER, name);
    gboolean none_needed =
        !*password && !auth_driver_says(world, driver, "PASSWORD_REQUIRED", TRUE);
    if (!name_check_user(name, &error) || (!none_needed && !name_check_password(password, &error)))
        return reply_error(request, ONE_ERROR_INTERNAL, "%s.", error->message);
    if (equal)
        return reply_error(request, ONE_ERROR_INTERNAL, "NAME is already taken by USER %d.",
                           equal->id);
    if (!driver_fits(request, driver))
        return NULL;
    GArray *groups = wanted_groups(request);
    if (!groups)
        return NULL;
    User *user = user_create(world, pool_next_id(world, KIND_USER), name,
                             kept_password(request, driver, password), driver, groups);
    users_changed(request, user);
    return reply_int(request, user->head.id);
}

RpcReply *user_delete(Request *request)
{
    World *world = request->world;
    User *user = USER(request->object);
    gint32 id = user->head.id;
    guint machines = 0;
    if (id == USER_ONEADMIN || id == USER_SERVERADMIN)
        return reply_error(request, ONE_ERROR_ACTION, "Cannot delete user. %s cannot be deleted.",
                           user->head.name);
    GPtrArray *vms = world->pools[KIND_VM].order;
    for (guint i = 0; i < vms->len; i++)
        machines +=
            ((Vm *)vms->pdata[i])->head.uid == id && ((Vm *)vms->pdata[i])->state != VM_DONE;
    if (machines)
        return reply_error(request, ONE_ERROR_ACTION,
                           "Cannot delete user. %s still owns %u virtual machines; terminate them "
                           "or give them to somebody else.",
                           user->head.name, machines);
    g_autoptr(GArray) groups = g_array_copy(user->groups);
    for (guint i = 0; i < groups->len; i++)
        group_remove_admin(world, group_get(world, g_array_index(groups, gint32, i)), id);
    user_remove_tokens(world, user, FALSE);
    acl_forget(world, &user->head);
    pool_remove(world, &user->head);
    for (guint i = 0; i < groups->len; i++)
        group_members_changed(world, g_array_index(groups, gint32, i));
    users_removed(request, id);
    return reply_int(request, id);
}

RpcReply *user_info(Request *request)
{
    return reply_object(request, request->object);
}

/* A token that acts for one group must not make itself a session that acts for all. FALSE with the
 * error. */
static gboolean acts_for_all_groups(Request *request)
{
    if (request->call->caller.token_gid < 0)
        return TRUE;
    reply_error(request, ONE_ERROR_AUTHORIZATION,
                "User [%d] : Not authorized: the token acts for group %d only, and does not change "
                "how anybody logs in.",
                request->caller->head.id, request->call->caller.token_gid);
    return FALSE;
}

RpcReply *user_passwd(Request *request)
{
    User *user = USER(request->object);
    g_autoptr(GError) error = NULL;
    if (!acts_for_all_groups(request))
        return NULL;
    if (!name_check_password(arg_text(request, 2, ""), &error))
        return reply_error(request, ONE_ERROR_INTERNAL, "%s.", error->message);
    if (!user_is_admin(request->caller) &&
        !auth_driver_says(request->world, user->auth_driver, "PASSWORD_CHANGE",
                          !strcmp(user->auth_driver, "core")))
        return reply_error(request, ONE_ERROR_AUTHORIZATION,
                           "Password for driver %s cannot be changed: PASSWORD_CHANGE of its "
                           "AUTH_MAD_CONF in oned.conf leaves that to administrators",
                           user->auth_driver);
    if (!strcmp(user->auth_driver, "core") && !request->call->verifier)
        return reply_error(request, ONE_ERROR_INTERNAL, "The password could not be stored");
    const char *kept = kept_password(request, user->auth_driver, arg_text(request, 2, ""));
    g_free(user->password);
    user->password = g_strdup(kept);
    user_remove_tokens(request->world, user, FALSE); /* whoever had one may not be meant */
    object_changed(request->world, &user->head);
    users_changed(request, user);
    return reply_int(request, user->head.id);
}

/* Groups that a driver manages would be as before at the next login. FALSE with the error. */
static gboolean groups_are_ours(Request *request, const User *user)
{
    if (!auth_driver_says(request->world, user->auth_driver, "DRIVER_MANAGED_GROUPS", FALSE))
        return TRUE;
    reply_error(request, ONE_ERROR_ACTION,
                "Groups cannot be manually managed for auth driver %s: it does that itself "
                "(DRIVER_MANAGED_GROUPS of its AUTH_MAD_CONF in oned.conf)",
                user->auth_driver);
    return FALSE;
}

RpcReply *user_chgrp(Request *request)
{
    User *user = USER(request->object);
    Object *group = request_object(request, KIND_GROUP, arg_int(request, 2, -1));
    if (!group || !request_may(request, RIGHT_USE, KIND_GROUP, group) ||
        !groups_are_ours(request, user))
        return NULL;
    if (user->head.id == USER_ONEADMIN)
        return reply_error(request, ONE_ERROR_ACTION,
                           "The primary group of oneadmin cannot be changed");
    if (!request_may_give_group(request, group->id))
        return NULL;
    user_set_primary_group(request->world, user, group->id);
    return reply_int(request, user->head.id);
}

RpcReply *user_enable(Request *request)
{
    User *user = USER(request->object);
    gboolean enable = arg_bool(request, 2, TRUE);
    if (user->head.id == USER_ONEADMIN && !enable)
        return reply_error(request, ONE_ERROR_ACTION, "oneadmin cannot be disabled");
    user->enabled = enable;
    object_changed(request->world, &user->head);
    users_changed(request, user);
    return reply_int(request, user->head.id);
}

/* ---- other groups ---- */

/* The group of the second argument, to which the caller may add members. NULL with the error. */
static Object *group_to_change(Request *request)
{
    Object *group = request_object(request, KIND_GROUP, arg_int(request, 2, -1));
    return group && request_may(request, RIGHT_MANAGE, KIND_GROUP, group) &&
                   request_may_give_group(request, group->id)
               ? group
               : NULL;
}

RpcReply *user_addgroup(Request *request)
{
    User *user = USER(request->object);
    Object *group = group_to_change(request);
    if (!group || !groups_are_ours(request, user))
        return NULL;
    if (ids_contain(user->groups, group->id))
        return reply_error(request, ONE_ERROR_ACTION, "User %d is already in group %d",
                           user->head.id, group->id);
    ids_add(user->groups, group->id);
    object_changed(request->world, &user->head);
    group_members_changed(request->world, group->id);
    return reply_int(request, user->head.id);
}

RpcReply *user_delgroup(Request *request)
{
    User *user = USER(request->object);
    Object *group = group_to_change(request);
    if (!group || !groups_are_ours(request, user))
        return NULL;
    if (!ids_contain(user->groups, group->id))
        return reply_error(request, ONE_ERROR_ACTION, "User %d is not part of group %d",
                           user->head.id, group->id);
    if (user->head.gid == group->id)
        return reply_error(request, ONE_ERROR_ACTION,
                           "Cannot remove user %d from group %d: it is the primary one (see "
                           "oneuser chgrp)",
                           user->head.id, group->id);
    group_remove_admin(request->world, GROUP(group), user->head.id);
    ids_remove(user->groups, group->id);
    object_changed(request->world, &user->head);
    group_members_changed(request->world, group->id);
    return reply_int(request, user->head.id);
}

/* ---- how they log in ---- */

/* Arguments: user, driver, and a new password or "" to keep it. */
RpcReply *user_chauth(Request *request)
{
    User *user = USER(request->object);
    const char *driver = arg_text(request, 2, ""), *password = arg_text(request, 3, "");
    g_autoptr(GError) error = NULL;
    if (!acts_for_all_groups(request))
        return NULL;
    gboolean to_core = !strcmp(driver, "core"), from_core = !strcmp(user->auth_driver, "core");
    if (*password && !name_check_password(password, &error))
        return reply_error(request, ONE_ERROR_INTERNAL, "%s.", error->message);
    if (!*password && to_core && !from_core)
        return reply_error(request, ONE_ERROR_INTERNAL,
                           "User %s has no password for the driver core: give one",
                           user->head.name);
    if (user->head.id == USER_ONEADMIN && !to_core)
        return reply_error(request, ONE_ERROR_ACTION,
                           "oneadmin stays with the driver core: no driver may lock out who "
                           "repairs it");
    if (!driver_fits(request, *password || !to_core ? driver : "public"))
        return NULL;
    /* What verifies a password is told to no driver. */
    if (*password || (from_core && !to_core)) {
        const char *kept = kept_password(request, driver, password);
        g_free(user->password);
        user->password = g_strdup(kept);
        user_remove_tokens(request->world, user, FALSE);
    }
    g_free(user->auth_driver);
    user->auth_driver = g_strdup(driver);
    object_changed(request->world, &user->head);
    users_changed(request, user);
    return reply_int(request, user->head.id);
}

/* Random text that nobody takes for a password's digest of 40 digits. (owned) */
static char *random_token(void)
{
    guint8 bytes[32];
    GString *text = g_string_sized_new(2 * sizeof bytes + 1);
    randombytes_buf(bytes, sizeof bytes);
    for (guint i = 0; i < sizeof bytes; i++)
        g_string_append_printf(text, "%02x", bytes[i]);
    return g_string_free(text, FALSE);
}

static RpcReply *end_token(Request *request, User *user, const char *text)
{
    if (!*text)
        user_remove_tokens(request->world, user, FALSE);
    else if (!user_remove_token(request->world, user, text))
        return reply_error(request, ONE_ERROR_INTERNAL,
                           "Could not find the login token to be reset");
    users_changed(request, user);
    return reply_text(request, text);
}

/* Arguments: user's name, token ("" for one made here), seconds (-1 for ever, 0 ends the token,
 * or all of them), group that it acts for alone (-1 all). */
RpcReply *user_login(Request *request)
{
    World *world = request->world;
    const char *name = arg_text(request, 1, ""), *text = arg_text(request, 2, "");
    gint32 seconds = arg_int(request, 3, 0), gid = arg_int(request, 4, -1);
    Object *object = pool_find(world, KIND_USER, name);
    g_autoptr(GError) error = NULL;
    if (!object)
        return reply_error(request, ONE_ERROR_NO_EXISTS, "Error getting user [%s].", name);
    if (!request_may(request, RIGHT_MANAGE, KIND_USER, object))
        return NULL;
    User *user = USER(object);
    if (seconds == 0 && !*text && !acts_for_all_groups(request))
        return NULL;
    if (seconds == 0)
        return end_token(request, user, text);
    if (seconds < -1)
        return reply_error(request, ONE_ERROR_RPC_API,
                           "A token is valid for some seconds, or -1 for ever; %d is neither",
                           seconds);
    if (gid >= 0 && !ids_contain(user->groups, gid))
        return reply_error(request, ONE_ERROR_INTERNAL,
                           "User %s is not part of group %d, so no token can act for it", name,
                           gid);
    if (request->call->caller.token_gid >= 0 && gid != request->call->caller.token_gid)
        return reply_error(request, ONE_ERROR_AUTHORIZATION,
                           "User [%d] : Not authorized: a token that acts for group %d makes "
                           "tokens for this group only.",
                           request->caller->head.id, request->call->caller.token_gid);
    if (*text && (strlen(text) < 8 || !name_check_password(text, &error)))
        return reply_error(request, ONE_ERROR_INTERNAL, "%s.",
                           error ? error->message : "A token has at least 8 characters");
    gint64 most = auth_driver_token_time(world, user->auth_driver);
    if (most == 0)
        return reply_error(request, ONE_ERROR_INTERNAL,
                           "Login tokens are disabled for driver %s (MAX_TOKEN_TIME of its "
                           "AUTH_MAD_CONF in oned.conf)",
                           user->auth_driver);
    if (most > 0 && (seconds < 0 || seconds > most))
        seconds = (gint32)MIN(most, G_MAXINT32);
    user_remove_tokens(world, user, TRUE);
    if (user->tokens->len >= LOGIN_TOKENS_MAX)
        return reply_error(request, ONE_ERROR_INTERNAL,
                           "Max tokens limit reached: user %s has %d; end one first", name,
                           LOGIN_TOKENS_MAX);
    g_autofree char *made = *text ? g_strdup(text) : random_token();
    user_add_token(world, user, made, seconds < 0 ? -1 : core_now(world->core) + seconds, gid);
    users_changed(request, user);
    return reply_text(request, made);
}

/* ---- rules ---- */

RpcReply *acl_addrule(Request *request)
{
    guint64 words[4] = {0, 0, 0, ACL_ONE};
    for (guint i = 0; i < 4; i++) {
        const char *text = arg_text(request, i + 1, NULL);
        if (text && *text)
            words[i] = g_ascii_strtoull(text, NULL, 16);
    }
    AclRule *rule =
        acl_create(request->world, words[0], words[1], words[2], words[3], &request->error);
    return rule ? reply_int(request, rule->head.id) : NULL;
}

RpcReply *acl_delrule(Request *request)
{
    gint32 id = request->object->id;
    pool_remove(request->world, request->object);
    return reply_int(request, id);
}

/* Rules of users, of groups, of everybody: the order in which oneacl shows them. */
static gint compare_rules(gconstpointer a, gconstpointer b)
{
    const AclRule *one = *(AclRule *const *)a, *other = *(AclRule *const *)b;
    if (one->user != other->user)
        return one->user < other->user ? -1 : 1;
    return one->head.id - other->head.id;
}

RpcReply *acl_info(Request *request)
{
    GPtrArray *rules = g_ptr_array_new();
    GPtrArray *all = request->world->pools[KIND_ACL].order;
    for (guint i = 0; i < all->len; i++)
        g_ptr_array_add(rules, all->pdata[i]);
    g_ptr_array_sort(rules, compare_rules);
    return reply_pool(request, KIND_ACL, rules, TRUE, NULL);
}
