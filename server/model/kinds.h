/*
 * The kinds of objects, one row each. The order is that of the bits in ACL rules
 * (share/doc/access.md), so a kind's bit follows from its place.
 */
#pragma once

#include <glib.h>

typedef enum {
    KIND_NONE = -1,
    KIND_VM,
    KIND_HOST,
    KIND_NET,
    KIND_IMAGE,
    KIND_USER,
    KIND_TEMPLATE,
    KIND_GROUP,
    KIND_ACL,
    KIND_DATASTORE,
    KIND_CLUSTER,
    KIND_DOCUMENT,
    KIND_ZONE,
    KIND_SECGROUP,
    KIND_VDC,
    KIND_VROUTER,
    KIND_MARKETPLACE,
    KIND_MARKETPLACEAPP,
    KIND_VMGROUP,
    KIND_VNTEMPLATE,
    KIND_HOOK,
    KIND_BACKUPJOB,
    KIND_COUNT
} Kind;

typedef enum {
    KIND_OWNED = 1 << 0,       /* has an owner, a group and permissions */
    KIND_LOCKABLE = 1 << 1,    /* can be locked */
    KIND_UNIQUE_NAME = 1 << 2, /* no two of one name in the pool */
    KIND_FROM_100 = 1 << 3,    /* ids below 100 belong to the system */
    KIND_FULL_XML = 1 << 4,    /* pools list the same body as info */
} KindFlags;

typedef struct KindRow {
    Kind kind;
    const char *acl_word; /* as ACL rules and their error texts say it */
    const char *words;    /* as other error texts say it */
    const char *method;   /* "vm" in one.vm.info; NULL: no such family */
    const char *pool;     /* "vmpool" */
    const char *element;  /* "VM" */
    const char *pool_element;
    guint flags;
} KindRow;

const KindRow *kind_row(Kind kind);
#define KIND_BIT(kind) (G_GUINT64_CONSTANT(0x1000000000) << (kind))
