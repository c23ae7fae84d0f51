/*
 * Who may do what: the one function that every method passes through.
 * Sources: permission bits of the object, the rules of access, locks. Errors are of
 * ONE_ERROR_AUTHORIZATION, with the texts that OpenNebula's clients know.
 */
#pragma once

#include "server/model/people/acl.h"
#include "server/model/people/user.h"

/* A right to be had on an object, or (object NULL) on a kind as a whole. */
typedef struct AccessNeed {
    Right right;
    Kind kind;
    Object *object;
    gboolean ignore_lock;
} AccessNeed;

const char *access_right_word(Right right);

/* All needs at once; the error names each that is not met. What is granted here world->agrees(), if
 * there is one, may still refuse to users who are no administrators. */
gboolean access_check(World *world, const User *user, const AccessNeed *needs, guint count,
                      GError **error);
/* The same for one object, without an error: for the members of pools. Locks do not hide. */
gboolean access_has(World *world, const User *user, Right right, const Object *object);

/* What a user may do with the members of a pool: the rules that speak of both are picked once. Good
 * until the user or a rule changes. */
typedef struct AccessView {
    const User *user;
    Right right;
    GPtrArray *rules; /* of AclRule, borrowed */
} AccessView;

AccessView access_view(World *world, const User *user, Right right, Kind kind);
void access_view_clear(AccessView *view);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AccessView, access_view_clear)
/* As access_has() says it. */
gboolean access_view_has(const AccessView *view, const Object *object);
