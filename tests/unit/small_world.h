/*
 * A world for tests: the real core and model with a store that keeps nothing, a clock that
 * stands until it is moved, and an outside that writes down what it is told.
 */
#pragma once

#include "server/lifecycle/lifecycle.h"
#include "server/model/people/acl.h"
#include "server/model/place/cluster.h"
#include "server/model/storage/datastore.h"
#include "server/model/people/user.h"

#include <string.h>

static gint64 small_now = (gint64)1700000000 * G_USEC_PER_SEC;

static inline gint64 small_time(const Clock *clock)
{
    return small_now;
}

static const Clock small_clock = {small_time, small_time};

static inline void small_commit(Store *store, guint64 batch, StoreWrite *writes, StoreDone done,
                                gpointer data)
{
    while (writes) {
        StoreWrite *next = writes->next;
        store_write_free(writes);
        writes = next;
    }
    done(data, batch, NULL);
}

static inline void small_flush(Store *store)
{
}

typedef struct SmallWorld {
    Outside outside; /* first */
    Store store;
    Config *config;
    Core *core;
    World *world;
    Lifecycle *lifecycle; /* NULL without small_world_live() */
    GPtrArray *sent;      /* of DriverRequest */
    guint samples, forgotten;
} SmallWorld;

static inline SmallWorld *small_world_new(const char *config)
{
    SmallWorld *small = g_new0(SmallWorld, 1);
    g_autoptr(GError) error = NULL;
    small->store.commit = small_commit;
    small->store.flush = small_flush;
    small->config = config_load_text(config ? config : "", "test", &error);
    g_assert_no_error(error);
    small->core = core_new(&small->store, &small_clock);
    small->world = world_new(small->core, small->config, "/var/lib/one");
    core_set_before_commit(small->core, (void (*)(gpointer))world_save, small->world);
    world_bootstrap(small->world, "oneadmin", "-", "-");
    small->sent = g_ptr_array_new_with_free_func((GDestroyNotify)driver_request_free);
    return small;
}

static inline void small_world_free(SmallWorld *small)
{
    core_free(small->core);
    lifecycle_free(small->lifecycle);
    world_free(small->world);
    config_free(small->config);
    g_ptr_array_unref(small->sent);
    g_free(small);
}

/* Everything that is ready now is handled, committed and told. */
static inline void small_settle(SmallWorld *small)
{
    while (core_step(small->core))
        ;
}

/* Time goes on, and every timer on the way fires at its moment. */
static inline void small_wait(SmallWorld *small, gint64 seconds)
{
    gint64 end = small_now + seconds * G_USEC_PER_SEC;
    small_settle(small);
    for (;;) {
        gint64 next = core_next_timer(small->core);
        if (next < 0 || next > end)
            break;
        small_now = MAX(small_now, next);
        small_settle(small);
    }
    small_now = end;
    small_settle(small);
}

static inline User *small_user(SmallWorld *small, const char *name, gint32 gid)
{
    GArray *groups = g_array_new(FALSE, FALSE, sizeof(gint32));
    g_array_append_val(groups, gid);
    return user_create(small->world, pool_next_id(small->world, KIND_USER), name, "-", "core",
                       groups);
}

/* ---- the outside ---- */

static inline void small_send(Outside *outside, DriverRequest *request)
{
    g_ptr_array_add(((SmallWorld *)outside)->sent, request);
}

static inline gboolean small_knows(Outside *outside, DriverClass class, const char *driver)
{
    return FALSE; /* no datastores are measured */
}

static inline void small_vm_log(Outside *outside, gint32 vm, LogLevel level, const char *module,
                                const char *text)
{
    g_test_message("[%d] %s", vm, text);
}

static inline void small_sample(Outside *outside, SampleKind kind, gint32 id, gint64 time,
                                const char *xml)
{
    ((SmallWorld *)outside)->samples++;
}

static inline void small_forget(Outside *outside, SampleKind kind, gint32 id)
{
    ((SmallWorld *)outside)->forgotten++;
}

static inline void small_world_live(SmallWorld *small)
{
    small->outside = (Outside){small_send, small_knows, small_vm_log, small_sample, small_forget};
    small->lifecycle = lifecycle_new(small->world, &small->outside);
}
