/* A store in memory: batches wait until the simulation commits them. */
#include "tests/sim/sim.h"

#include <string.h>

typedef struct Row {
    guint count;
    StoreValue *values;
} Row;

typedef struct Waiting {
    guint64 batch;
    StoreWrite *writes;
    StoreDone done;
    gpointer data;
} Waiting;

struct MemoryStore {
    Store store;        /* first */
    GHashTable *tables; /* name -> GTree of key text -> Row */
    GHashTable
        *gone; /* "table/key" of objects that were removed: their ids are never given again */
    GHashTable *objects; /* names of the tables that hold objects */
    char *twice;         /* the first that was; NULL: none */
    GQueue waiting;
};

static void row_free(gpointer data)
{
    Row *row = data;
    for (guint i = 0; i < row->count; i++)
        if (row->values[i].type == STORE_TEXT)
            g_free(row->values[i].text);
    g_free(row->values);
    g_free(row);
}

static gint compare_keys(gconstpointer a, gconstpointer b, gpointer data)
{
    return strcmp(a, b);
}

static GTree *table_of(MemoryStore *memory, const char *name)
{
    GTree *table = g_hash_table_lookup(memory->tables, name);
    if (!table) {
        table = g_tree_new_full(compare_keys, NULL, g_free, row_free);
        g_hash_table_insert(memory->tables, g_strdup(name), table);
    }
    return table;
}

/* Keys sort as numbers do. */
static char *key_of(const StoreTable *table, const StoreValue *values)
{
    GString *key = g_string_new(NULL);
    for (guint i = 0; i < table->keys; i++) {
        if (values[i].type == STORE_TEXT)
            g_string_append_printf(key, "%s/", values[i].text);
        else
            g_string_append_printf(key, "%012" G_GINT64_FORMAT "/", values[i].number);
    }
    return g_string_free(key, FALSE);
}

/* Ids of objects stand in logs, in records and on datastores: none may ever mean another object. */
static void watch_id(MemoryStore *memory, const StoreWrite *write, const char *key)
{
    if (!g_hash_table_contains(memory->objects, write->table->name))
        return;
    char *id = g_strdup_printf("%s %s", write->table->name, key);
    if (write->operation == STORE_DELETE) {
        g_hash_table_add(memory->gone, id);
        return;
    }
    if (!memory->twice && g_hash_table_contains(memory->gone, id))
        memory->twice = g_strdup(id);
    g_free(id);
}

static void apply(MemoryStore *memory, StoreWrite *write)
{
    GTree *table = table_of(memory, write->table->name);
    char *key = key_of(write->table, write->values);
    watch_id(memory, write, key);
    if (write->operation == STORE_DELETE) {
        g_tree_remove(table, key);
        g_free(key);
        return;
    }
    Row *row = g_new0(Row, 1);
    row->count = write->count;
    row->values = g_new0(StoreValue, write->count);
    for (guint i = 0; i < write->count; i++) {
        row->values[i] = write->values[i];
        if (write->values[i].type == STORE_TEXT)
            row->values[i].text = g_strdup(write->values[i].text ? write->values[i].text : "");
    }
    g_tree_replace(table, key, row);
}

static void drop_writes(StoreWrite *write)
{
    while (write) {
        StoreWrite *next = write->next;
        store_write_free(write);
        write = next;
    }
}

static void memory_commit(Store *store, guint64 batch, StoreWrite *writes, StoreDone done,
                          gpointer data)
{
    MemoryStore *memory = (MemoryStore *)store;
    Waiting *waiting = g_new0(Waiting, 1);
    *waiting = (Waiting){batch, writes, done, data};
    g_queue_push_tail(&memory->waiting, waiting);
}

gboolean memory_store_commit_one(MemoryStore *memory)
{
    Waiting *waiting = g_queue_pop_head(&memory->waiting);
    if (!waiting)
        return FALSE;
    for (StoreWrite *write = waiting->writes; write; write = write->next)
        apply(memory, write);
    drop_writes(waiting->writes);
    waiting->done(waiting->data, waiting->batch, NULL);
    g_free(waiting);
    return TRUE;
}

guint memory_store_under_way(const MemoryStore *memory)
{
    return memory->waiting.length;
}

void memory_store_crash(MemoryStore *memory)
{
    Waiting *waiting;
    while ((waiting = g_queue_pop_head(&memory->waiting))) {
        drop_writes(waiting->writes);
        g_free(waiting);
    }
}

typedef struct Reading {
    StoreRow row;
    gpointer data;
    GError **error;
    gboolean failed;
} Reading;

static gboolean read_row(gpointer key, gpointer value, gpointer data)
{
    Reading *reading = data;
    reading->failed = !reading->row(((Row *)value)->values, reading->data, reading->error);
    return reading->failed;
}

static gboolean memory_load(Store *store, const StoreTable *table, StoreRow row, gpointer data,
                            GError **error)
{
    Reading reading = {row, data, error, FALSE};
    g_tree_foreach(table_of((MemoryStore *)store, table->name), read_row, &reading);
    return !reading.failed;
}

static void memory_flush(Store *store)
{
    while (memory_store_commit_one((MemoryStore *)store))
        ;
}

static void memory_destroy(Store *store)
{
    memory_store_free((MemoryStore *)store);
}

MemoryStore *memory_store_new(void)
{
    MemoryStore *memory = g_new0(MemoryStore, 1);
    memory->store = (Store){memory_commit, memory_load, memory_flush, memory_destroy};
    memory->tables =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_tree_unref);
    memory->gone = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    memory->objects = g_hash_table_new(g_str_hash, g_str_equal);
    g_queue_init(&memory->waiting);
    return memory;
}

Store *memory_store_store(MemoryStore *memory)
{
    return &memory->store;
}

gint64 memory_store_number(MemoryStore *memory, const char *table, gint64 id, guint column,
                           gint64 otherwise)
{
    g_autofree char *key = g_strdup_printf("%012" G_GINT64_FORMAT "/", id);
    Row *row = g_tree_lookup(table_of(memory, table), key);
    return row ? row->values[column].number : otherwise;
}

gint64 memory_store_number_of(MemoryStore *memory, const char *table, gint64 id, gint64 second,
                              guint column, gint64 otherwise)
{
    g_autofree char *key =
        g_strdup_printf("%012" G_GINT64_FORMAT "/%012" G_GINT64_FORMAT "/", id, second);
    Row *row = g_tree_lookup(table_of(memory, table), key);
    return row ? row->values[column].number : otherwise;
}

void memory_store_watch(MemoryStore *memory, const World *world)
{
    for (guint kind = 0; kind < KIND_COUNT; kind++)
        if (world->pools[kind].operations)
            g_hash_table_add(memory->objects, (gpointer)world->pools[kind].operations->table->name);
}

const char *memory_store_given_twice(const MemoryStore *memory)
{
    return memory->twice;
}

void memory_store_free(MemoryStore *memory)
{
    memory_store_crash(memory);
    g_hash_table_unref(memory->gone);
    g_hash_table_unref(memory->objects);
    g_free(memory->twice);
    g_hash_table_unref(memory->tables);
    g_free(memory);
}
