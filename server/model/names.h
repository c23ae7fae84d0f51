/*
 * Which objects of a pool an owner has of a name, so that nobody walks the pool for it. Several may
 * have the same: documents of different types, machines. Follows renaming and new owners.
 */
#pragma once

#include "server/model/object.h"

/* An index. (owned, g_hash_table_unref) */
GHashTable *names_new(void);
/* The object, under the owner and the name that it has now; it must be dropped before it goes. */
void names_add(GHashTable *names, Object *object);
void names_drop(GHashTable *names, Object *object);
/* It may have another owner. */
void names_follow(GHashTable *names, Object *object);
/* Those of that owner and name in any order, or NULL (borrowed until any change). */
const GPtrArray *names_find(GHashTable *names, gint32 uid, const char *name);
