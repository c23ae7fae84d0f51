/*
 * Who may do what: the one function that every method passes through.
 * Sources: permission bits of the object, the rules of access, locks. Errors are of
 * ONE_ERROR_AUTHORIZATION, with the texts that OpenNebula's clients know.
 */
#pragma once

#include "server/model/acl.h"
#include "server/model/user.h"

/* A right to be had on an object, or (object NULL) on a kind as a whole. */
typedef struct AccessNeed {
    Right right;
    Kind kind;
    Object *object;
    gboolean ignore_lock;
} AccessNeed;

/* All needs at once; the error names each that is not met. */
gboolean access_check(World *world, const User *user, const AccessNeed *needs, guint count,
                      GError **error);
/* The same for one object, without an error: for the members of pools. Locks do not hide. */
gboolean access_has(World *world, const User *user, Right right, const Object *object);
