/*
 * Everything that exists, in one place: the pools, the configuration, and the core
 * that they change through.
 */
#pragma once

#include "server/core/config.h"
#include "server/model/object.h"

struct User;
struct AccessNeed;

struct World {
    Core *core;
    Config *config;
    Pool pools[KIND_COUNT];
    guint64 epoch; /* how often this database was started; commands of older epochs are refused */
    char *datastores;   /* DATASTORE_LOCATION */
    char *var;          /* directory of state and logs */
    GPtrArray *unsaved; /* of Object: changed in the batch at hand */
    struct Quotas *quotas;
    struct SchedActions *scheduled; /* server/model/machine/sched_action.h */
    GHashTable *showback;           /* server/model/machine/showback.h */
    gboolean loading;               /* rows are being read: nothing is written */
    gboolean counted;               /* the database holds counters of quotas */
    gboolean marketed;              /* it has had marketplaces */
    guint8 *screen_ports; /* 1: taken; see server/rpc/vm_screen.c. NULL: not counted yet */

    /* Set by the floors above; may be NULL. */
    gpointer lifecycle;
    gpointer rpc;
    /* Who hears that an object entered a state: see object_entered(). */
    void (*entered)(World *world, Object *object);
    /* Whether somebody else agrees to rights that server/auth/access.c would grant. */
    gboolean (*agrees)(World *world, const struct User *user, const struct AccessNeed *needs,
                       guint count, GError **error);
};

/* An empty world. `core` and `config` stay the caller's. (owned) */
World *world_new(Core *core, Config *config, const char *var);
void world_free(World *world);
/* A number that is kept under a name, such as the last id of a kind. */
void world_write_counter(World *world, const char *name, gint64 value);
/* Adds the rows of all that changed; the core calls it at the end of each batch. */
void world_save(World *world);

/* All tables of the model, for the store; ends with NULL. */
const StoreTable *const *world_tables(void);
/* Reads everything from the store, and raises the epoch (written with the first batch). */
gboolean world_load(World *world, Store *store, GError **error);
/* Makes what a new installation has: users, groups, cluster, datastores, zone, VDC, rules.
 * The password verifiers are given ready. */
void world_bootstrap(World *world, const char *admin, const char *admin_verifier,
                     const char *server_verifier);
gboolean world_is_empty(const World *world);
/* Verifies what must always hold; adds a line for each violation. (owned, of char *) */
GPtrArray *world_check(World *world);
/* Sets right what of that follows from the rest of the state; it is written with the next batch.
 * What is left, another world_check() says. Not for a world in which drivers work. */
void world_repair(World *world);

const char *world_user_name(World *world, gint32 uid); /* borrowed, never NULL */
const char *world_group_name(World *world, gint32 gid);
