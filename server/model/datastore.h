/* A datastore: a place for images, for the disks of running machines (system), or for
 * files. Sizes are MiB and come from monitoring. */
#pragma once

#include "server/model/object.h"

typedef enum { DATASTORE_IMAGE = 0, DATASTORE_SYSTEM = 1, DATASTORE_FILE = 2 } DatastoreType;

typedef struct Datastore {
    Object head;
    char *ds_mad, *tm_mad, *base_path;
    DatastoreType type;
    gint disk_type;
    gint state; /* 0 ready, 1 disabled */
    GArray *clusters;
    gint64 total_mb, free_mb, used_mb;
} Datastore;

#define DATASTORE(object) ((Datastore *)(object))

Datastore *datastore_get(World *world, gint32 id);
Datastore *datastore_create(World *world, gint32 id, const char *name, DatastoreType type,
                            const char *ds_mad, const char *tm_mad);
/* After its template was changed: the drivers follow TM_MAD and DS_MAD, which cannot be taken
 * away nor be other than one plain word, and SHARED follows a new TM_MAD unless it says something
 * of its own. */
void datastore_updated(Datastore *datastore);
/* Machines may be put there by the scheduler or by default. */
gboolean datastore_is_shared(const Datastore *datastore);

extern const KindOperations datastore_operations;
