/* A datastore: a place for images, for the disks of running machines (system), or for
 * files. Sizes are MiB and come from monitoring. */
#pragma once

#include "server/model/object.h"

typedef enum {
    DATASTORE_IMAGE = 0,
    DATASTORE_SYSTEM = 1,
    DATASTORE_FILE = 2,
    DATASTORE_BACKUP = 3,
    DATASTORE_TYPES
} DatastoreType;

typedef struct Datastore {
    Object head;
    char *ds_mad, *tm_mad, *base_path;
    DatastoreType type;
    gint disk_type;
    gint state; /* 0 ready, 1 disabled */
    GArray *clusters;
    gint64 total_mb, free_mb, used_mb;
    gint64 measured; /* when these were asked for, in microseconds since the epoch; 0: never */
    gboolean awaits_measure; /* it will be measured soon; of this run of oned only */
    GArray *images; /* ids of the images there: kept by image_create() and image_remove() */
} Datastore;

#define DATASTORE(object) ((Datastore *)(object))

Datastore *datastore_get(World *world, gint32 id);
Datastore *datastore_create(World *world, gint32 id, const char *name, DatastoreType type,
                            const char *ds_mad, const char *tm_mad);
/* "IMAGE_DS" and so on, in any case. FALSE: there is no such type. */
gboolean datastore_type_read(const char *word, DatastoreType *type);
const char *datastore_type_name(DatastoreType type);
/* After its template was changed: the drivers follow TM_MAD and DS_MAD, which cannot be taken
 * away nor be other than one plain word; TYPE stays; what TM_MAD_CONF of oned.conf says of a
 * transfer driver (CLONE_TARGET, LN_TARGET, SHARED ...) follows a new TM_MAD unless the template
 * says something of its own. */
void datastore_updated(World *world, Datastore *datastore);
/* A word that may name a driver: letters, digits, _ - and dots. */
gboolean driver_name_fits(const char *word);
/* Machines may be put there by the scheduler or by default. */
gboolean datastore_is_shared(const Datastore *datastore);

extern const KindOperations datastore_operations;
