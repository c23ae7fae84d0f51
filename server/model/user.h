/* Users and groups. A user has a primary group (head.gid) and any number of others;
 * a group's members are found by asking the users. */
#pragma once

#include "server/model/object.h"

#define USER_ONEADMIN    0
#define USER_SERVERADMIN 1
#define GROUP_ONEADMIN   0
#define GROUP_USERS      1

typedef struct User {
    Object head;    /* head.uid is the user itself, head.gid the primary group */
    GArray *groups; /* all of them, the primary one included */
    char *password; /* a verifier (see server/auth/password.h), never the password; never shown */
    char *auth_driver;
    gboolean enabled;
} User;

typedef struct Group {
    Object head;
    GArray *admins;
} Group;

#define USER(object)  ((User *)(object))
#define GROUP(object) ((Group *)(object))

User *user_get(World *world, gint32 id);
User *user_create(World *world, gint32 id, const char *name, const char *verifier,
                  const char *driver, GArray *groups); /* the first is the primary; taken */
Group *group_get(World *world, gint32 id);
Group *group_create(World *world, gint32 id, const char *name);
guint group_members(World *world, gint32 id);
/* Renderings of a group that a user joined or left are made anew. */
void group_members_changed(World *world, gint32 id);
void user_set_primary_group(World *world, User *user, gint32 gid);
gboolean user_is_admin(const User *user); /* oneadmin, or a member of its group */

/* The QUOTAS element that follows a user or group in its pool. */
void quotas_render(gint32 id, GString *xml);

extern const KindOperations user_operations, group_operations;
