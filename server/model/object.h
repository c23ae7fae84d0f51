/*
 * The common head of every object, and the pools. An object is changed only in the
 * core thread; after a change the one who made it calls object_changed(), which drops
 * the renderings and adds the object's row to the batch.
 */
#pragma once

#include "lib/template/template.h"
#include "server/core/core.h"
#include "server/core/fragment.h"
#include "server/model/kinds.h"

typedef struct World World;
typedef struct Object Object;

/* Permission bits: three for the owner, the group, the others; use 4, manage 2, admin 1. */
enum {
    PERMISSION_USE = 4,
    PERMISSION_MANAGE = 2,
    PERMISSION_ADMIN = 1,
};
#define PERMISSIONS_DEFAULT 0600

typedef struct ObjectLock {
    gint level; /* 0 open, 1 use, 2 manage, 3 admin */
    gint32 owner;
    gint64 time;
    gint64 request;
} ObjectLock;

typedef struct OwnName OwnName;

struct Object {
    Kind kind;
    gint32 id;
    char *name;
    gint32 uid, gid;
    guint permissions; /* nine bits, as in 0640 */
    ObjectLock lock;
    Template *template; /* never NULL */
    guint64 changed;    /* the batch of its last change */
    gboolean unsaved;   /* its row will be added at the end of the batch */
    Fragment *body;     /* the XML of info, escaped; NULL: to be made */
    Fragment *brief;    /* the XML of a pool, where it is shorter */
    /* Brief and body for those who may not know its secrets; the same fragment where it has none.
     */
    Fragment *covered[2];
    gboolean uncounted;     /* quotas look at it again before the next question */
    OwnName *own_name;      /* where the index of its pool has it; see names.h */
    struct QuotaUse *takes; /* what it is charged for now; NULL: nothing */
};

/* What a kind does; one constant table a kind, in that kind's file. */
typedef struct KindOperations {
    void (*render)(World *world, Object *object, GString *xml);
    void (*render_brief)(World *world, Object *object, GString *xml); /* NULL: as render */
    StoreWrite *(*row)(World *world, const Object *object);
    gboolean (*load)(World *world, const StoreValue *values, GError **error);
    const StoreTable *table;
    void (*free)(Object *object);
} KindOperations;

typedef struct Pool {
    GHashTable *by_id;
    GPtrArray *order;                 /* ascending ids */
    GHashTable *by_name;              /* only for KIND_UNIQUE_NAME */
    GHashTable *names;                /* of each owner: see names.h */
    gint32 last_id;                   /* the highest that was ever given */
    gint32 stored_id;                 /* what the store's counter says of it */
    guint64 changed;                  /* the batch of the last change of any member */
    const KindOperations *operations; /* NULL: nothing of this kind can exist yet */
} Pool;

/* Fills a fresh object's head; the template is taken. */
void object_init(Object *object, Kind kind, gint32 id, const char *name, Template *template);
void object_clear(Object *object);

/* The columns that a row begins with: of objects that have an owner, and of those that can be
 * locked too. What follows in a row begins at OWNER_END or HEAD_END. */
enum { OWNER_END = 5, HEAD_END = 9 };
#define OWNER_COLUMNS                                                                              \
    {"id", STORE_INT}, {"name", STORE_TEXT}, {"uid", STORE_INT}, {"gid", STORE_INT},               \
    {                                                                                              \
        "permissions", STORE_INT                                                                   \
    }
#define HEAD_COLUMNS                                                                               \
    OWNER_COLUMNS, {"lock_level", STORE_INT}, {"lock_owner", STORE_INT}, {"lock_time", STORE_INT}, \
    {                                                                                              \
        "lock_request", STORE_INT                                                                  \
    }
/* Write these columns; return the number of the next one. */
guint owner_to_row(const Object *object, StoreWrite *row);
guint head_to_row(const Object *object, StoreWrite *row);
/* Read them into an object that object_init() filled with the row's id, values[0], and name,
 * values[1]. */
void owner_from_row(Object *object, const StoreValue *values);
void head_from_row(Object *object, const StoreValue *values);

/* Next id of a kind. What is made with it must be added: its row keeps the id from being given
 * again after a restart, and the store's counter does when the row goes. */
gint32 pool_next_id(World *world, Kind kind);
void pool_add(World *world, Object *object);                  /* takes ownership */
void pool_remove(World *world, Object *object);               /* frees it and deletes its row */
Object *pool_get(World *world, Kind kind, gint32 id);         /* NULL when there is none */
Object *pool_find(World *world, Kind kind, const char *name); /* unique names only */
/* Of those that this user owns, the oldest of that name; NULL: there is none, or no name. */
Object *pool_find_own(World *world, Kind kind, gint32 uid, const char *name);
/* All of them, in any order, or NULL (borrowed until any of the kind changes). */
const GPtrArray *pool_all_own(World *world, Kind kind, gint32 uid, const char *name);
guint pool_count(World *world, Kind kind);

/* Changed: renderings dropped, row to be written with this batch. */
void object_changed(World *world, Object *object);
/* It entered another state, or is new: hooks that wait for that are run after the commit. */
void object_entered(World *world, Object *object);
/* Only what is seen changed, not what is stored (monitoring). */
void object_touched(World *world, Object *object);
void object_set_name(World *world, Object *object, const char *name);

/* Renderings, made when first asked for; a new reference. */
Fragment *object_body(World *world, Object *object);
Fragment *object_brief(World *world, Object *object);
/* XML text, not escaped, appended. */
void object_render(World *world, Object *object, GString *xml);

/* A number in a buffer of INT_TEXT bytes, which the result points into; without printf, since pools
 * hold many. */
#define INT_TEXT 24
const char *int_text(gint64 value, char *buffer);

/* Pieces of XML that several kinds share. */
void xml_int(GString *xml, const char *name, gint64 value);
void xml_text(GString *xml, const char *name, const char *value); /* escaped; <NAME/> when empty */
void xml_cdata(GString *xml, const char *name, const char *value);
void xml_ids(GString *xml, const char *name, const GArray *ids);  /* of gint32 */
void xml_owner(World *world, const Object *object, GString *xml); /* UID GID UNAME GNAME */
void xml_permissions(const Object *object, GString *xml);
void xml_lock(const Object *object, GString *xml);

/* Lists of ids kept as text "1,2,3" in the store. */
GArray *ids_parse(const char *text);
char *ids_print(const GArray *ids);
gboolean ids_contain(const GArray *ids, gint32 id);
void ids_add(GArray *ids, gint32 id); /* kept sorted, once */
gboolean ids_remove(GArray *ids, gint32 id);
