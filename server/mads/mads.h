/* The real outside: driver processes, logs of machines, monitoring history. */
#pragma once

#include "server/core/config.h"
#include "server/core/core.h"
#include "server/lifecycle/lifecycle.h"
#include "server/store/store_sqlite.h"

typedef struct Mads Mads;

/* Starts the thread; no driver yet. `history` may be NULL. All stay the caller's. (owned) */
Mads *mads_new(Core *core, Config *config, History *history, const char *var, guint64 epoch);
/* Who gets the answers; once, before anything is sent. */
void mads_connect(Mads *mads, Lifecycle *lifecycle);

/* Who hears of logins that drivers were asked about; called in the core thread. */
typedef struct MadsLogins {
    void (*answered)(guint64 number, gboolean success, const char *info, gpointer data);
    void (*failed)(guint64 number, const char *why, gpointer data); /* the driver does not work */
    gpointer data;
} MadsLogins;
/* Once, before the first is asked about. */
void mads_connect_logins(Mads *mads, const MadsLogins *logins);
Outside *mads_outside(Mads *mads);
/* Ends every driver (FINALIZE, then signals) and the thread. */
void mads_stop(Mads *mads);
void mads_free(Mads *mads);
