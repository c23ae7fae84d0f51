/* The timers of the core: one-shot, ordered by time, then by the order they were made. */
#pragma once

#include "server/core/core.h"

typedef struct Timers Timers;

Timers *timers_new(void);
void timers_free(Timers *timers);
guint64 timers_add(Timers *timers, gint64 when, void (*fire)(Core *, gpointer), gpointer data,
                   GDestroyNotify destroy);
void timers_cancel(Timers *timers, guint64 id);
/* Steady time of the first, or -1. */
gint64 timers_next(const Timers *timers);
/* Fires the first one if its time has come. */
gboolean timers_fire(Timers *timers, Core *core, gint64 now);
