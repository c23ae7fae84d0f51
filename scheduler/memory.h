/*
 * What the scheduler remembers between cycles, so that it neither hammers oned with an
 * order that was refused nor rewrites messages all the time. Losing it does no harm.
 */
#pragma once

#include "scheduler/pools.h"

typedef struct SchedMemory SchedMemory;

SchedMemory *sched_memory_new(void);
void sched_memory_free(SchedMemory *memory);

/* All times are steady microseconds. */

/* New machines are left alone for so long, for people who place them by hand. */
void sched_memory_set_delay(SchedMemory *memory, gint64 delay);

/* Takes machines that rest out of the pool and forgets those that are gone. `seconds`:
 * until the first of them may be tried, at least 1; 0 when none rests. */
void sched_memory_filter(SchedMemory *memory, SchedPools *pools, gint64 now, guint *resting,
                         guint *seconds);
/* oned refused an order for this machine: it rests, longer each time. */
void sched_memory_refused(SchedMemory *memory, gint32 vm, gint64 now);
void sched_memory_forget(SchedMemory *memory, gint32 vm);

/* A machine that is to be told something. */
typedef struct SchedTelling {
    const SchedVm *vm;
    char *message;    /* dated (owned) */
    gboolean renewed; /* only numbers changed: not worth a line in the log */
} SchedTelling;

/* Appends a SchedTelling when the machine's message does not say this yet. A message that
 * differs in numbers alone is renewed once a minute at most. */
void sched_memory_tell(SchedMemory *memory, const SchedVm *vm, const char *text, gint64 now,
                       GArray *tellings);
void sched_memory_told(SchedMemory *memory, gint32 vm, gint64 now);
