/* Users and groups. A user has a primary group (head.gid) and any number of others;
 * a group's members are found by asking the users. */
#pragma once

#include "server/model/object.h"

#define USER_ONEADMIN    0
#define USER_SERVERADMIN 1
#define GROUP_ONEADMIN   0
#define GROUP_USERS      1

/* Lets its holder log in as the user until it expires. */
typedef struct LoginToken {
    char *text;
    gint64 expires; /* seconds since the epoch; -1: never */
    gint32 gid;     /* the only group that it acts for; -1: all of the user's */
} LoginToken;

#define LOGIN_TOKENS_MAX 10

typedef struct User {
    Object head;    /* head.uid is the user itself, head.gid the primary group */
    GArray *groups; /* all of them, the primary one included */
    char *password; /* a verifier (see server/auth/password.h), never the password; never shown */
    char *auth_driver;
    gboolean enabled;
    gboolean
        is_bound; /* of a caller only: their token acts for one group, and is no more than that */
    GPtrArray *tokens; /* of LoginToken */
} User;

typedef struct Group {
    Object head;
    GArray *admins;
    Template *vlan_rules; /* RULE = [ ID, SCOPE, VNTEMPLATE ] each */
} Group;

#define USER(object)  ((User *)(object))
#define GROUP(object) ((Group *)(object))

User *user_get(World *world, gint32 id);
User *user_create(World *world, gint32 id, const char *name, const char *verifier,
                  const char *driver, GArray *groups); /* the first is the primary; taken */
Group *group_get(World *world, gint32 id);
Group *group_create(World *world, gint32 id, const char *name);
guint group_members(World *world, gint32 id);
/* Administrators of a group, with the rules that this gives them. FALSE: it was so already. */
gboolean group_add_admin(World *world, Group *group, gint32 uid);
gboolean group_remove_admin(World *world, Group *group, gint32 uid);
/* Renderings of a group that a user joined or left are made anew. */
void group_members_changed(World *world, gint32 id);
void user_set_primary_group(World *world, User *user, gint32 gid);
/* All groups at once; the primary one stays if it is among them, else it is `first`, which is. */
void user_set_groups(World *world, User *user, const GArray *groups, gint32 first);
/* Adds a token, in the place of one with the same text. `text` is copied. */
void user_add_token(World *world, User *user, const char *text, gint64 expires, gint32 gid);
/* FALSE: there is no token of that text. */
gboolean user_remove_token(World *world, User *user, const char *text);
void user_remove_tokens(World *world, User *user, gboolean expired_only);
extern const StoreTable login_token_table;
gboolean login_token_load(World *world, const StoreValue *values, GError **error);
gboolean user_is_admin(const User *user);           /* oneadmin, or a member of its group */
gboolean user_id_is_admin(World *world, gint32 id); /* FALSE when there is none of that id */

extern const KindOperations user_operations, group_operations;
