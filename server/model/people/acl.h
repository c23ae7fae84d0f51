/*
 * Rules of access: who may do what with which objects, in four 64-bit words whose
 * layout is OpenNebula's. Upper half: which sort of id the lower half is (one, a
 * group, all, a cluster), and for resources the bits of the kinds.
 */
#pragma once

#include "server/model/object.h"

#define ACL_ONE     G_GUINT64_CONSTANT(0x100000000)
#define ACL_GROUP   G_GUINT64_CONSTANT(0x200000000)
#define ACL_ALL     G_GUINT64_CONSTANT(0x400000000)
#define ACL_CLUSTER G_GUINT64_CONSTANT(0x800000000)

typedef enum {
    RIGHT_USE = 1,
    RIGHT_MANAGE = 2,
    RIGHT_ADMIN = 4,
    RIGHT_CREATE = 8,
} Right;

typedef struct AclRule {
    Object head;
    guint64 user, resource, rights, zone;
} AclRule;

#define ACL_RULE(object) ((AclRule *)(object))

/* A new rule. The error tells each thing that is malformed, or that the rule exists. */
AclRule *acl_create(World *world, guint64 user, guint64 resource, guint64 rights, guint64 zone,
                    GError **error);
/* The rule of exactly these words, or NULL. */
AclRule *acl_find(World *world, guint64 user, guint64 resource, guint64 rights, guint64 zone);
/* As people write rules: user, kinds and ids, rights, zone. (owned) */
char *acl_print(guint64 user, guint64 resource, guint64 rights, guint64 zone);
/* Removes the rules that name this object by its id. */
void acl_forget(World *world, const Object *object);

extern const KindOperations acl_operations;
