/*
 * The core of oned: decide, commit, act.
 *
 * One thread owns the whole model. It takes inputs (calls, driver lines, timers),
 * lets each decide, and gathers what they want: writes for the store, effects for
 * the outside. Inputs that are ready together share one batch, and a batch is one
 * transaction. Effects leave only after their batch is committed; that rule is kept
 * here and nowhere else. Clock and store are interfaces, so that the simulation runs
 * this same code with its own.
 */
#pragma once

#include "server/core/store.h"
#include <glib.h>

typedef struct Core Core;

/* Something that happened. `handle` runs in the core thread and does no I/O;
 * afterwards the core calls `destroy`. */
typedef struct CoreInput CoreInput;
struct CoreInput {
    CoreInput *next;
    void (*handle)(Core *core, CoreInput *input);
    void (*destroy)(CoreInput *input);
};

/* Something that the outside will see. `release` runs once, in the core thread, after
 * the commit; `destroy` always follows, also when the batch is lost in a crash.
 * An effect that touches nothing of the core's, such as the reply to a call, says `anywhere`:
 * the thread that learns of the commit lets it go then, which saves waking another. */
typedef struct CoreEffect CoreEffect;
struct CoreEffect {
    CoreEffect *next;
    gboolean anywhere;
    void (*release)(CoreEffect *effect);
    void (*destroy)(CoreEffect *effect);
};

/* Time in microseconds: `wall` since the epoch, `steady` for intervals. */
typedef struct Clock {
    gint64 (*wall)(const struct Clock *clock);
    gint64 (*steady)(const struct Clock *clock);
} Clock;
const Clock *clock_system(void);

/* The store and the clock stay the caller's and must outlive the core. (owned) */
Core *core_new(Store *store, const Clock *clock);
void core_free(Core *core);

/* Gives an input to the core, which takes ownership. Any thread. */
void core_post(Core *core, CoreInput *input);
/* Handles inputs and timers until core_stop(). What is ready together is one batch. */
void core_run(Core *core);
/* Ends core_run() after the batch at hand is committed. Any thread. */
void core_stop(Core *core);
/* After core_run(), in its thread: what is still queued is handled, committed and told. */
void core_finish(Core *core);
/* After core_run(): it ended because the store could not save. */
gboolean core_has_failed(const Core *core);
/* For the simulation: handles what is ready now, commits, releases. FALSE: nothing was ready. */
gboolean core_step(Core *core);
/* Steady time of the next timer in microseconds, or -1 when there is none. */
gint64 core_next_timer(const Core *core);

/* ---- for handlers, in the core thread only ---- */

/* Wall time of the batch at hand, in seconds since the epoch: one moment for all its rows. */
gint64 core_now(const Core *core);
gint64 core_now_us(const Core *core); /* the same in microseconds */
gint64 core_steady(const Core *core);
/* Adds a row to the batch. */
void core_write(Core *core, StoreWrite *write); /* takes ownership */
/* `hook` runs at the end of each batch, before it is sealed, and may add rows: so that an object
 * that changed often in one batch is written once. */
void core_set_before_commit(Core *core, void (*hook)(gpointer data), gpointer data);
/* Number of the batch at hand, from 1 up; an object notes it when it changes. */
guint64 core_batch(const Core *core);
/* Effect that leaves after the batch at hand is committed. Takes ownership. */
void core_after_commit(Core *core, CoreEffect *effect);
/* Effect that tells of objects last changed in batch `seen`: it leaves at once when that
 * batch is committed already, else together with it. */
void core_after_batch(Core *core, guint64 seen, CoreEffect *effect);

/* One-shot timer; `fire` runs as an input of the core. The id is never 0. */
guint64 core_timer_add(Core *core, gint64 delay_us, void (*fire)(Core *core, gpointer data),
                       gpointer data, GDestroyNotify destroy);
void core_timer_cancel(Core *core, guint64 timer); /* 0 and fired timers are fine */

/* How the core did, for `oned`'s own figures. */
typedef struct CoreFigures {
    guint64 inputs, batches, commits;
    guint64 effects; /* let go by the core thread; those of `anywhere` are not counted */
    guint64 largest_batch;
} CoreFigures;
CoreFigures core_figures(const Core *core);
