/*
 * What the core asks of a store. The core defines the interface; server/store
 * implements it with SQLite, the simulation with memory.
 *
 * A table is a constant description; a write is one row to put or to delete, by the
 * table's first `keys` columns. A batch of writes is committed whole or not at all.
 */
#pragma once

#include <glib.h>

typedef enum { STORE_INT, STORE_TEXT, STORE_REAL } StoreType;

typedef struct StoreColumn {
    const char *name;
    StoreType type;
} StoreColumn;

typedef struct StoreTable {
    const char *name;
    guint keys;                 /* the first columns that are the primary key */
    const StoreColumn *columns; /* ends with a name of NULL */
} StoreTable;

typedef struct StoreValue {
    StoreType type;
    union {
        gint64 number;
        double real;
        char *text; /* NULL is stored as NULL */
    };
} StoreValue;

typedef enum { STORE_PUT, STORE_DELETE } StoreOperation;

typedef struct StoreWrite StoreWrite;
struct StoreWrite {
    StoreWrite *next;
    const StoreTable *table;
    StoreOperation operation;
    guint count; /* values: all columns for a put, the keys for a delete */
    StoreValue values[];
};

/* A new write with room for every column it needs; values are set by the functions
 * below in the order of the columns. (owned) */
StoreWrite *store_write_new(const StoreTable *table, StoreOperation operation);
void store_write_free(StoreWrite *write); /* this one, not those after it */
void store_set_int(StoreWrite *write, guint column, gint64 number);
void store_set_real(StoreWrite *write, guint column, double real);
void store_set_text(StoreWrite *write, guint column, const char *text); /* copied */
void store_take_text(StoreWrite *write, guint column, char *text);      /* owned */
guint store_table_columns(const StoreTable *table);

/* Told when a batch is safe on disk, or that it failed (the daemon then stops: state that
 * cannot be saved must not go on). Called from any thread. */
typedef void (*StoreDone)(gpointer data, guint64 batch, const GError *error);

/* One row of a table being read; values follow the table's columns and are
 * borrowed for the time of the call. FALSE stops the reading with the error set. */
typedef gboolean (*StoreRow)(const StoreValue *values, gpointer data, GError **error);

typedef struct Store Store;
struct Store {
    /* Commits writes (a list, ownership taken) as one transaction; may return before it is
     * done. Batches are committed in the order they come. */
    void (*commit)(Store *store, guint64 batch, StoreWrite *writes, StoreDone done, gpointer data);
    /* Reads all rows, ordered by key. Used at the start. */
    gboolean (*load)(Store *store, const StoreTable *table, StoreRow row, gpointer data,
                     GError **error);
    /* Waits until nothing is under way. */
    void (*flush)(Store *store);
    void (*destroy)(Store *store);
};
