#include "server/model/names.h"

#include <string.h>

/* Objects of one owner and one name; a set of these is the index. */
struct OwnName {
    gint32 uid;
    char *name;
    GPtrArray *objects;
};

static guint hash(gconstpointer data)
{
    const OwnName *own = data;
    return g_str_hash(own->name) ^ ((guint)own->uid * 2654435761U);
}

static gboolean equal(gconstpointer a, gconstpointer b)
{
    const OwnName *left = a, *right = b;
    return left->uid == right->uid && strcmp(left->name, right->name) == 0;
}

static void own_free(gpointer data)
{
    OwnName *own = data;
    g_ptr_array_unref(own->objects);
    g_free(own->name);
    g_free(own);
}

GHashTable *names_new(void)
{
    return g_hash_table_new_full(hash, equal, own_free, NULL);
}

static OwnName *find(GHashTable *names, gint32 uid, const char *name)
{
    const OwnName wanted = {.uid = uid, .name = (char *)name};
    return g_hash_table_lookup(names, &wanted);
}

void names_add(GHashTable *names, Object *object)
{
    OwnName *own = find(names, object->uid, object->name);
    if (!own) {
        own = g_new0(OwnName, 1);
        own->uid = object->uid;
        own->name = g_strdup(object->name);
        own->objects = g_ptr_array_new();
        g_hash_table_add(names, own);
    }
    g_ptr_array_add(own->objects, object);
    object->own_name = own;
}

void names_drop(GHashTable *names, Object *object)
{
    OwnName *own = g_steal_pointer(&object->own_name);
    if (!own)
        return;
    g_ptr_array_remove_fast(own->objects, object);
    if (own->objects->len == 0)
        g_hash_table_remove(names, own);
}

void names_follow(GHashTable *names, Object *object)
{
    if (!object->own_name || object->own_name->uid == object->uid)
        return;
    names_drop(names, object);
    names_add(names, object);
}

const GPtrArray *names_find(GHashTable *names, gint32 uid, const char *name)
{
    const OwnName *own = find(names, uid, name);
    return own ? own->objects : NULL;
}
