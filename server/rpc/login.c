#include "server/rpc/login.h"

#include "lib/base/log.h"
#include "lib/base/names.h"
#include "server/rpc/server_private.h"

#include <sodium.h>
#include <string.h>

/* Groups of one user that a driver may name. */
#define GROUPS_MAX 1000

/* A question that a driver thinks about. */
typedef struct Login {
    guint64 number; /* first: the key */
    RpcServer *server;
    char *name, *driver, *password; /* as the driver was told */
    gint32 uid;                     /* -1: nobody of that name yet */
    char *target;                   /* whom a server acts for; else NULL */
    gint32 gid;                     /* the only group that it acts for, or -1 */
    guint64 timer;
} Login;

static void login_free(gpointer data)
{
    Login *login = data;
    core_timer_cancel(login->server->world->core, login->timer);
    g_free(login->name);
    g_free(login->driver);
    if (login->password)
        sodium_memzero(login->password, strlen(login->password));
    g_free(login->password);
    g_free(login->target);
    g_free(login);
}

/* ---- what drivers are there ---- */

gboolean auth_driver_exists(World *world, const char *driver)
{
    return !strcmp(driver, "core") || !strcmp(driver, "public") ||
           config_named(world->config, "AUTH_MAD", driver) != NULL;
}

gboolean auth_driver_says(World *world, const char *driver, const char *member, gboolean otherwise)
{
    return config_named_bool(world->config, "AUTH_MAD_CONF", driver, member, otherwise);
}

gint64 auth_driver_token_time(World *world, const char *driver)
{
    const TemplateAttribute *conf = config_named(world->config, "AUTH_MAD_CONF", driver);
    gint64 seconds = -1;
    if (conf && attribute_get(conf, "MAX_TOKEN_TIME") &&
        !attribute_get_int(conf, "MAX_TOKEN_TIME", &seconds))
        return 0; /* a limit that is no number must not become none */
    return seconds;
}

/* ---- verdicts ---- */

typedef struct VerdictEffect {
    CoreEffect effect;
    Sessions *sessions;
    guint64 number;
    SessionVerdict verdict;
    char *why;
} VerdictEffect;

static void verdict_release(CoreEffect *effect)
{
    VerdictEffect *told = (VerdictEffect *)effect;
    sessions_driver_said(told->sessions, told->number, &told->verdict);
}

static void verdict_destroy(CoreEffect *effect)
{
    g_free(((VerdictEffect *)effect)->why);
    g_free(effect);
}

/* Leaves with the batch at hand: behind a user who was made in it. */
static void tell(RpcServer *server, guint64 number, const SessionVerdict *verdict)
{
    VerdictEffect *effect = g_new0(VerdictEffect, 1);
    effect->effect.release = verdict_release;
    effect->effect.destroy = verdict_destroy;
    effect->effect.anywhere = TRUE; /* like the news of the user, which it must follow */
    effect->sessions = server->sessions;
    effect->number = number;
    effect->verdict = *verdict;
    effect->verdict.why = effect->why = g_strdup(verdict->why);
    core_after_commit(server->world->core, &effect->effect);
}

static void tell_nobody(RpcServer *server, guint64 number, gboolean denied, const char *why)
{
    const SessionVerdict verdict = {-1, -1, -1, -1, denied, why};
    tell(server, number, &verdict);
}

static void end_login(Login *login)
{
    g_hash_table_remove(login->server->logins, &login->number);
}

/* The driver does not do its work: that is nobody's failed attempt. */
static void trouble(Login *login, const char *why)
{
    g_autofree char *text = g_strdup_printf("The authentication driver %s: %s", login->driver, why);
    log_error("AuM", "Login of %s: the driver %s: %s", login->uid < 0 ? "a new user" : login->name,
              login->driver, why);
    tell_nobody(login->server, login->number, FALSE, text);
    end_login(login);
}

/* There is nobody to ask. Callers learn no more than from a wrong password: the name of a user who
 * exists is not theirs to find out. */
static void no_driver(Login *login)
{
    log_error("AuM", "Login of %s: AUTH_MAD of oned.conf has no driver %s", login->name,
              login->driver);
    tell_nobody(login->server, login->number, TRUE, NULL);
    end_login(login);
}

static void deny(Login *login, const char *why)
{
    log_warning("AuM", "Login of %s is refused by the driver %s: %s",
                login->uid < 0 ? "a new user" : login->name, login->driver,
                *why ? why : "no reason");
    tell_nobody(login->server, login->number, TRUE, NULL);
    end_login(login);
}

/* ---- asking ---- */

typedef struct AskInput {
    CoreInput input;
    RpcServer *server;
    guint64 number;
    char *name, *secret;
} AskInput;

static void overdue(Core *core, gpointer data)
{
    Login *login = data;
    g_autofree char *why = g_strdup_printf(
        "it did not answer within %" G_GINT64_FORMAT " s; try again later, and let the "
        "administrator look at oned.log",
        config_int(login->server->world->config, "ACTION_TIMEOUTS/AUTHENTICATE"));
    login->timer = 0;
    trouble(login, why);
}

/* A server's secret, "user:token" or "user:group:token": takes whom it acts for off its front.
 * NULL: it has no such form. */
static const char *take_target(Login *login, const char *secret)
{
    const char *colon = strchr(secret, ':');
    if (!colon || colon == secret)
        return NULL;
    login->target = g_strndup(secret, (gsize)(colon - secret));
    const char *second = strchr(++colon, ':');
    if (!second)
        return colon;
    g_autofree char *group = g_strndup(colon, (gsize)(second - colon));
    guint64 gid;
    if (!g_ascii_string_to_unsigned(group, 10, 0, G_MAXINT32, &gid, NULL))
        return NULL;
    login->gid = (gint32)gid;
    return second + 1;
}

static void send(Login *login, const char *secret)
{
    World *world = login->server->world;
    g_autofree char *encoded = g_base64_encode((const guchar *)secret, strlen(secret));
    DriverRequest *request = g_new0(DriverRequest, 1);
    request->class = DRIVER_AUTHENTICATION;
    request->driver = g_strdup(login->driver);
    request->action = g_strdup("AUTHENTICATE");
    request->id = (gint64)login->number;
    request->number = login->number;
    request->payload = g_strdup_printf("%d %s %s %s %s", login->uid, login->driver, login->name,
                                       login->password && *login->password ? login->password : "-",
                                       *encoded ? encoded : "-");
    gint64 seconds = config_int(world->config, "ACTION_TIMEOUTS/AUTHENTICATE");
    login->timer = core_timer_add(world->core, seconds * G_USEC_PER_SEC, overdue, login, NULL);
    login->server->outside->send(login->server->outside, request);
}

static void ask_handle(Core *core, CoreInput *input)
{
    AskInput *ask = (AskInput *)input;
    RpcServer *server = ask->server;
    World *world = server->world;
    const User *user = USER(pool_find(world, KIND_USER, ask->name));
    Login *login = g_new0(Login, 1);
    *login = (Login){ask->number, server, g_strdup(ask->name), NULL, NULL, -1, NULL, -1, 0};
    login->driver = g_strdup(user ? user->auth_driver : config_text(world->config, "DEFAULT_AUTH"));
    if (user) {
        login->uid = user->head.id;
        login->password = g_strdup(user->password);
    }
    g_hash_table_insert(server->logins, &login->number, login);
    const char *secret = ask->secret;
    if (g_str_has_prefix(login->driver, "server_"))
        secret = take_target(login, secret);
    if (server->ending)
        trouble(login, "the server is ending; try again");
    else if (!auth_driver_exists(world, login->driver))
        no_driver(login);
    else if (!secret)
        deny(login, "a server's session must be server:user:token");
    else if (strlen(secret) > LOGIN_SECRET_MAX)
        deny(login, "the secret is too long");
    else if (!user && !name_check_user(login->name, NULL))
        deny(login, "the name is none that a user can have");
    else
        send(login, secret);
}

static void ask_destroy(CoreInput *input)
{
    AskInput *ask = (AskInput *)input;
    g_free(ask->name);
    sodium_memzero(ask->secret, strlen(ask->secret));
    g_free(ask->secret);
    g_free(ask);
}

/* By a worker of the sessions. */
static void ask_driver(guint64 number, const char *user, const char *secret, gpointer data)
{
    RpcServer *server = data;
    AskInput *ask = g_new0(AskInput, 1);
    ask->input.handle = ask_handle;
    ask->input.destroy = ask_destroy;
    ask->server = server;
    ask->number = number;
    ask->name = g_strdup(user);
    ask->secret = g_strdup(secret);
    core_post(server->world->core, &ask->input);
}

void rpc_server_connect_drivers(RpcServer *server, Outside *outside)
{
    server->outside = outside;
    if (server->sessions)
        sessions_set_driver(server->sessions, ask_driver, server);
    rpc_server_connect_authz(server);
    rpc_logins_reconfigured(server);
}

void rpc_logins_reconfigured(RpcServer *server)
{
    const char *driver = config_text(server->world->config, "DEFAULT_AUTH");
    if (!server->sessions)
        return;
    sessions_ask_of_unknown(server->sessions,
                            config_named(server->world->config, "AUTH_MAD", driver) != NULL);
}

GHashTable *logins_new(void)
{
    return g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, login_free);
}

/* ---- what the driver said ---- */

/* What follows a SUCCESS: "UNTIL=<seconds since the epoch>" and "FOR=<user>" anywhere; of the rest
 * the driver, name and password of the user, and ids of groups, *id of those to administrate. */
typedef struct Said {
    gint64 until;
    char *whom;
    GPtrArray *words;
} Said;

static void said_clear(Said *said)
{
    g_free(said->whom);
    g_ptr_array_unref(said->words);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Said, said_clear)

static void said_read(Said *said, const char *info)
{
    g_auto(GStrv) words = g_strsplit_set(info, " \t", -1);
    *said = (Said){-1, NULL, g_ptr_array_new_with_free_func(g_free)};
    for (guint i = 0; words[i]; i++) {
        if (g_str_has_prefix(words[i], "UNTIL=")) {
            if (!g_ascii_string_to_signed(words[i] + 6, 10, 0, G_MAXINT64, &said->until, NULL))
                said->until = 0; /* an end that cannot be read has come */
        } else if (g_str_has_prefix(words[i], "FOR=")) {
            g_free(said->whom);
            said->whom = g_strdup(words[i] + 4);
        } else if (*words[i]) {
            g_ptr_array_add(said->words, g_strdup(words[i]));
        }
    }
}

/* The groups behind driver, name and password, as sets; `first` is the first of them. FALSE: one of
 * them is no group. */
static gboolean read_groups(World *world, const Said *said, GArray *groups, GArray *administrated,
                            gint32 *first)
{
    *first = GROUP_USERS;
    if (said->words->len > GROUPS_MAX + 3)
        return FALSE;
    for (guint i = 3; i < said->words->len; i++) {
        const char *word = said->words->pdata[i];
        gboolean admin = *word == '*';
        guint64 gid;
        if (!g_ascii_string_to_unsigned(word + admin, 10, 0, G_MAXINT32, &gid, NULL) ||
            !group_get(world, (gint32)gid))
            return FALSE;
        if (i == 3)
            *first = (gint32)gid;
        ids_add(groups, (gint32)gid);
        if (admin)
            ids_add(administrated, (gint32)gid);
    }
    return TRUE;
}

static void appoint(World *world, User *user, const GArray *administrated)
{
    if (!auth_driver_says(world, user->auth_driver, "DRIVER_MANAGED_GROUP_ADMIN", FALSE))
        return;
    for (guint i = 0; i < user->groups->len; i++) {
        Group *group = group_get(world, g_array_index(user->groups, gint32, i));
        if (ids_contain(administrated, group->head.id))
            group_add_admin(world, group, user->head.id);
        else
            group_remove_admin(world, group, user->head.id);
    }
}

/* Makes the user whom the driver introduces, or finds whom it means: a directory may spell a name
 * in another way. NULL with the reason. */
static User *introduced(Login *login, const Said *said, const char **why)
{
    World *world = login->server->world;
    g_autoptr(GArray) groups = g_array_new(FALSE, FALSE, sizeof(gint32));
    g_autoptr(GArray) administrated = g_array_new(FALSE, FALSE, sizeof(gint32));
    if (said->words->len < 3) {
        *why = "it said SUCCESS, but not who the user is: <driver> <name> <password> [groups]";
        return NULL;
    }
    const char *driver = said->words->pdata[0], *name = said->words->pdata[1];
    gint32 first;
    User *user = USER(pool_find(world, KIND_USER, name));
    if (user && (!user->enabled || strcmp(user->auth_driver, driver) != 0)) {
        *why = "it introduces a user who exists and is not its own, or disabled";
        return NULL;
    }
    if (user)
        return user;
    if (!auth_driver_exists(world, driver) || !strcmp(driver, "core") ||
        !strcmp(driver, "public") || g_str_has_prefix(driver, "server_"))
        *why = "it introduces a user of a driver that is not in AUTH_MAD";
    else if (!name_check_user(name, NULL))
        *why = "it introduces a user with a name that no user can have";
    else if (!read_groups(world, said, groups, administrated, &first))
        *why = "it names groups that do not exist";
    if (*why)
        return NULL;
    g_array_prepend_val(groups, first); /* the primary one; a set takes it once */
    user = user_create(world, pool_next_id(world, KIND_USER), name, said->words->pdata[2], driver,
                       g_steal_pointer(&groups));
    appoint(world, user, administrated);
    rpc_server_publish_user(login->server, user);
    log_info("AuM", "User %d, %s, is new: the driver %s introduced them", user->head.id, name,
             driver);
    return user;
}

/* The groups of a user of a driver that manages them. FALSE with the reason. */
static gboolean regroup(World *world, User *user, const Said *said, const char **why)
{
    g_autoptr(GArray) groups = g_array_new(FALSE, FALSE, sizeof(gint32));
    g_autoptr(GArray) administrated = g_array_new(FALSE, FALSE, sizeof(gint32));
    gint32 first;
    if (said->words->len < 4 || user->head.id == USER_ONEADMIN ||
        !auth_driver_says(world, user->auth_driver, "DRIVER_MANAGED_GROUPS", FALSE))
        return TRUE;
    if (!read_groups(world, said, groups, administrated, &first)) {
        *why = "it names groups that do not exist";
        return FALSE;
    }
    user_set_groups(world, user, groups, first);
    appoint(world, user, administrated);
    return TRUE;
}

/* The user of the question, if they are still as the driver was told. NULL with the reason. */
static User *still_there(Login *login, const char **why)
{
    User *user = user_get(login->server->world, login->uid);
    if (user && user->enabled && !strcmp(user->auth_driver, login->driver) &&
        g_strcmp0(user->password, login->password) == 0)
        return user;
    *why = "the user was changed while it thought";
    return NULL;
}

void rpc_login_answered(guint64 number, gboolean success, const char *info, gpointer data)
{
    RpcServer *server = data;
    Login *login = g_hash_table_lookup(server->logins, &number);
    g_auto(Said) said = {0};
    said_read(&said, info);
    if (authorize_answered(server, number, success, info) || !login)
        return;
    if (!success) {
        deny(login, info);
        return;
    }
    const char *why = NULL;
    User *user = login->uid < 0 ? introduced(login, &said, &why) : still_there(login, &why);
    if (user && !login->target)
        (void)regroup(server->world, user, &said, &why);
    if (login->target && said.whom && strcmp(said.whom, login->target) != 0)
        why = "the token is for another user than the session";
    User *whom = login->target ? USER(pool_find(server->world, KIND_USER, login->target)) : user;
    if (said.until >= 0 && said.until <= core_now(server->world->core))
        why = "the session has expired";
    if (why || !whom) {
        deny(login, why ? why : "there is no such user to act for");
        return;
    }
    const SessionVerdict verdict = {whom->head.id, login->gid, user->head.id,
                                    said.until,    FALSE,      NULL};
    tell(server, number, &verdict);
    end_login(login);
}

void rpc_login_failed(guint64 number, const char *why, gpointer data)
{
    RpcServer *server = data;
    Login *login = g_hash_table_lookup(server->logins, &number);
    if (!authorize_answered(server, number, FALSE, why) && login)
        trouble(login, why);
}

void rpc_logins_end(RpcServer *server)
{
    server->ending = TRUE;
    g_autoptr(GList) open = g_hash_table_get_values(server->logins);
    for (GList *at = open; at; at = at->next)
        trouble(at->data, "the server is ending; try again");
    authorizations_end(server);
}
