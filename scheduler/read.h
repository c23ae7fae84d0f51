/*
 * Fields of a pool's objects, as a table: which path goes where in a struct, as what.
 * Shared by the readers of scheduler/read_*.c.
 */
#pragma once

#include "scheduler/flatxml.h"
#include "scheduler/pools.h"

typedef enum {
    FIELD_INT32,
    FIELD_INT64,
    FIELD_DOUBLE,
    FIELD_YES,  /* gboolean: YES, TRUE or a number that is not 0 */
    FIELD_TEXT, /* borrowed from the reader; the first that is not empty stays */
} SchedFieldType;

typedef struct SchedField {
    const char *path;
    SchedFieldType type;
    gsize offset;
    guint part; /* 0: of the object itself; else of one of its vectors, by the reader's numbering */
} SchedField;

/* The entry for a path in a table that ends with a NULL path, or NULL. */
const SchedField *sched_field_find(const SchedField *table, const char *path);
void sched_field_set(const SchedField *field, gpointer object, const char *value);
/* A copy that lives as long as the pools, the same pointer for the same text; NULL for
 * NULL and for empty text. */
const char *sched_keep(const SchedPools *pools, const char *text);
