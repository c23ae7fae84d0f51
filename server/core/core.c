/* The loop of core.h. */
#include "server/core/core.h"

#include "lib/base/linger.h"
#include "lib/base/log.h"
#include "server/core/timer.h"

/* Inputs handled in one batch at most, so that the first of a flood need not wait for the last. */
#define BATCH_INPUTS 2048

/* How long the core thread looks for the next input before it sleeps, in microseconds. */
#define LINGER 60

/* A batch under way: its effects wait for the commit. */
typedef struct Effects {
    CoreEffect *first, **last;
} Effects;

typedef struct Flight {
    Core *core;
    guint64 batch;
    gboolean committed;
    Effects own;      /* let go by the core thread */
    Effects anywhere; /* by the thread that commits; sealed when the batch is handed to the store */
} Flight;

struct Core {
    Store *store;
    const Clock *clock;

    GMutex lock; /* guards the six below; everything else belongs to the core thread */
    GCond wake;
    CoreInput *inputs, **inputs_last;
    guint64 acknowledged;   /* newest batch that the store has committed */
    gboolean awaits_commit; /* the core thread has something to do after a commit */
    gboolean asleep;        /* the core thread waits for `wake` */
    gboolean stopping;
    GError *failure; /* what the store said when it could not commit */

    Timers *timers;
    GQueue flights;   /* of Flight, oldest first */
    Flight *open;     /* the batch at hand */
    guint64 batch;    /* its number */
    guint64 released; /* batches up to this one have let their effects go */
    StoreWrite *writes, **writes_last;
    CoreEffect *ready, **ready_last; /* effects that need not wait */
    gint64 wall, steady;             /* the moment of the batch */
    void (*before_commit)(gpointer data);
    gpointer before_commit_data;
    CoreFigures figures;
};

static Flight *flight_new(Core *core, guint64 batch)
{
    Flight *flight = g_new0(Flight, 1);
    flight->core = core;
    flight->batch = batch;
    flight->own.last = &flight->own.first;
    flight->anywhere.last = &flight->anywhere.first;
    return flight;
}

static void effects_drop(CoreEffect *effect)
{
    while (effect) {
        CoreEffect *next = effect->next;
        effect->destroy(effect);
        effect = next;
    }
}

static void flight_free(gpointer data)
{
    Flight *flight = data;
    effects_drop(flight->own.first);
    effects_drop(flight->anywhere.first);
    g_free(flight);
}

Core *core_new(Store *store, const Clock *clock)
{
    Core *core = g_new0(Core, 1);
    core->store = store;
    core->clock = clock;
    g_mutex_init(&core->lock);
    g_cond_init(&core->wake);
    core->inputs_last = &core->inputs;
    core->writes_last = &core->writes;
    core->ready_last = &core->ready;
    core->timers = timers_new();
    g_queue_init(&core->flights);
    core->batch = 1;
    core->open = flight_new(core, core->batch);
    core->wall = clock->wall(clock);
    core->steady = clock->steady(clock);
    return core;
}

void core_free(Core *core)
{
    if (!core)
        return;
    while (core->inputs) {
        CoreInput *input = core->inputs;
        core->inputs = input->next;
        input->destroy(input);
    }
    while (core->writes) {
        StoreWrite *write = core->writes;
        core->writes = write->next;
        store_write_free(write);
    }
    effects_drop(core->ready);
    flight_free(core->open);
    g_queue_clear_full(&core->flights, flight_free);
    timers_free(core->timers);
    g_clear_error(&core->failure);
    g_mutex_clear(&core->lock);
    g_cond_clear(&core->wake);
    g_free(core);
}

void core_set_before_commit(Core *core, void (*hook)(gpointer data), gpointer data)
{
    core->before_commit = hook;
    core->before_commit_data = data;
}

void core_post(Core *core, CoreInput *input)
{
    input->next = NULL;
    g_mutex_lock(&core->lock);
    gboolean wake = core->asleep && core->inputs == NULL;
    g_atomic_pointer_set(core->inputs_last, input);
    core->inputs_last = &input->next;
    g_mutex_unlock(&core->lock);
    if (wake) /* after the lock, which the woken thread takes first */
        g_cond_signal(&core->wake);
}

void core_stop(Core *core)
{
    g_mutex_lock(&core->lock);
    core->stopping = TRUE;
    g_cond_signal(&core->wake);
    g_mutex_unlock(&core->lock);
}

static guint release_list(CoreEffect *effect)
{
    guint count = 0;
    for (; effect; count++) {
        CoreEffect *next = effect->next;
        effect->release(effect);
        effect->destroy(effect);
        effect = next;
    }
    return count;
}

/* Comes from the store's thread. */
static void batch_done(gpointer data, guint64 batch, const GError *error)
{
    Flight *flight = data; /* there until the core learns below that it is committed */
    Core *core = flight->core;
    if (!error)
        release_list(g_steal_pointer(&flight->anywhere.first));
    g_mutex_lock(&core->lock);
    if (error && !core->failure) {
        core->failure = g_error_copy(error);
        core->stopping = TRUE;
    }
    if (!error && batch > core->acknowledged)
        core->acknowledged = batch;
    gboolean wake = core->asleep && (core->awaits_commit || core->failure);
    g_mutex_unlock(&core->lock);
    if (wake) /* most replies are gone already: the thread that waits for nothing sleeps on */
        g_cond_signal(&core->wake);
}

gint64 core_now(const Core *core)
{
    return core->wall / G_USEC_PER_SEC;
}

gint64 core_now_us(const Core *core)
{
    return core->wall;
}

gint64 core_steady(const Core *core)
{
    return core->steady;
}

guint64 core_batch(const Core *core)
{
    return core->batch;
}

void core_write(Core *core, StoreWrite *write)
{
    write->next = NULL;
    *core->writes_last = write;
    core->writes_last = &write->next;
}

static void effects_add(Effects *effects, CoreEffect *effect)
{
    effect->next = NULL;
    *effects->last = effect;
    effects->last = &effect->next;
}

static void effects_move(Effects *to, Effects *from)
{
    if (!from->first)
        return;
    *to->last = from->first;
    to->last = from->last;
    *from = (Effects){NULL, &from->first};
}

static void add_to_open(Core *core, CoreEffect *effect)
{
    effects_add(effect->anywhere ? &core->open->anywhere : &core->open->own, effect);
}

void core_after_commit(Core *core, CoreEffect *effect)
{
    add_to_open(core, effect);
}

void core_after_batch(Core *core, guint64 seen, CoreEffect *effect)
{
    if (seen >= core->batch) {
        add_to_open(core, effect);
        return;
    }
    if (seen > core->released) {
        for (GList *link = core->flights.head; link; link = link->next) {
            Flight *flight = link->data;
            if (flight->batch >= seen) {
                effects_add(&flight->own, effect);
                return;
            }
        }
    }
    effect->next = NULL;
    *core->ready_last = effect;
    core->ready_last = &effect->next;
}

guint64 core_timer_add(Core *core, gint64 delay_us, void (*fire)(Core *core, gpointer data),
                       gpointer data, GDestroyNotify destroy)
{
    return timers_add(core->timers, core->steady + MAX(delay_us, 0), fire, data, destroy);
}

void core_timer_cancel(Core *core, guint64 timer)
{
    if (timer)
        timers_cancel(core->timers, timer);
}

gint64 core_next_timer(const Core *core)
{
    return timers_next(core->timers);
}

CoreFigures core_figures(const Core *core)
{
    return core->figures;
}

/* Lets go the effects of every batch whose commit is known, in order. */
static gboolean release_committed(Core *core, guint64 acknowledged)
{
    gboolean any = FALSE;
    for (;;) {
        Flight *flight = g_queue_peek_head(&core->flights);
        if (!flight || !(flight->committed || flight->batch <= acknowledged))
            return any;
        if (!any) /* the thread may have slept long: timers that effects begin count from now */
            core->steady = core->clock->steady(core->clock);
        g_queue_pop_head(&core->flights);
        core->released = flight->batch;
        CoreEffect *effects = g_steal_pointer(&flight->own.first);
        flight_free(flight);
        core->figures.effects += release_list(effects);
        any = TRUE;
    }
}

/* Ends the batch at hand: its rows go to the store, its effects wait for them. */
static void close_batch(Core *core)
{
    if (core->before_commit)
        core->before_commit(core->before_commit_data);
    CoreEffect *ready = g_steal_pointer(&core->ready);
    core->ready_last = &core->ready;
    if (core->writes || core->open->own.first || core->open->anywhere.first) {
        Flight *flight = core->open;
        StoreWrite *writes = g_steal_pointer(&core->writes);
        core->writes_last = &core->writes;
        g_queue_push_tail(&core->flights, flight);
        core->batch++;
        core->open = flight_new(core, core->batch);
        core->figures.batches++;
        if (writes) {
            core->figures.commits++;
            core->store->commit(core->store, flight->batch, writes, batch_done, flight);
        } else {
            flight->committed = TRUE; /* nothing of its own to save: follows those before it */
            effects_move(&flight->own, &flight->anywhere);
        }
    }
    core->figures.effects += release_list(ready);
}

/* Handles what is ready: some inputs and the timers that are due. */
static gboolean handle_ready(Core *core, CoreInput *inputs)
{
    gboolean any = inputs != NULL;
    guint64 handled = 0, fired = 0; /* a flood of inputs does not hold up time-outs */
    core->wall = core->clock->wall(core->clock);
    core->steady = core->clock->steady(core->clock);
    while (inputs) {
        CoreInput *input = inputs;
        void (*destroy)(CoreInput *) = input->destroy; /* a call may be gone once it is answered */
        inputs = input->next;
        input->handle(core, input);
        destroy(input);
        handled++;
    }
    while (fired < BATCH_INPUTS && timers_fire(core->timers, core, core->steady)) {
        any = TRUE;
        fired++;
    }
    core->figures.inputs += handled + fired;
    core->figures.largest_batch = MAX(core->figures.largest_batch, handled + fired);
    return any;
}

/* Takes up to BATCH_INPUTS inputs off the queue; the lock is held. */
static CoreInput *take_inputs(Core *core)
{
    CoreInput *first = core->inputs;
    CoreInput *last = first;
    for (guint i = 1; last && last->next && i < BATCH_INPUTS; i++)
        last = last->next;
    if (last) {
        core->inputs = last->next;
        if (!core->inputs)
            core->inputs_last = &core->inputs;
        last->next = NULL;
    }
    return first;
}

static guint64 acknowledged_batch(Core *core)
{
    g_mutex_lock(&core->lock);
    guint64 acknowledged = core->acknowledged;
    g_mutex_unlock(&core->lock);
    return acknowledged;
}

gboolean core_step(Core *core)
{
    g_mutex_lock(&core->lock);
    CoreInput *inputs = take_inputs(core);
    g_mutex_unlock(&core->lock);
    gboolean any = handle_ready(core, inputs);
    close_batch(core);
    return release_committed(core, acknowledged_batch(core)) || any;
}

/* Whether a batch that is not committed yet leaves something to do for the core thread. */
static gboolean awaits_commit(const Core *core)
{
    for (const GList *link = core->flights.head; link; link = link->next) {
        if (((const Flight *)link->data)->own.first)
            return TRUE;
    }
    return FALSE;
}

static void linger(Core *core)
{
    gint64 until = linger_until(LINGER);
    while (!g_atomic_pointer_get(&core->inputs) && linger_on(until))
        continue;
}

/* Waits until there is something to do; the lock is held. TRUE: go on. */
static gboolean wait_for_work(Core *core, guint64 seen)
{
    gboolean due = FALSE;
    core->awaits_commit = awaits_commit(core);
    core->asleep = TRUE;
    while (!due && !core->stopping && !core->inputs && core->acknowledged == seen) {
        gint64 next = timers_next(core->timers);
        if (next < 0)
            g_cond_wait(&core->wake, &core->lock);
        else
            due = next <= core->clock->steady(core->clock) ||
                  !g_cond_wait_until(&core->wake, &core->lock, next);
    }
    core->asleep = FALSE;
    return !core->stopping;
}

void core_finish(Core *core)
{
    gboolean any = TRUE;
    for (guint i = 0; any && !core_has_failed(core) && i < 100; i++) {
        any = core_step(core);
        core->store->flush(core->store);
        any |= core_step(core);
    }
}

gboolean core_has_failed(const Core *core)
{
    return core->failure != NULL;
}

void core_run(Core *core)
{
    guint64 acknowledged = 0;
    gboolean is_lone = FALSE;
    for (;;) {
        if (is_lone)
            linger(core);
        g_mutex_lock(&core->lock);
        gboolean go_on = wait_for_work(core, acknowledged);
        CoreInput *inputs = go_on ? take_inputs(core) : NULL;
        acknowledged = core->acknowledged;
        g_mutex_unlock(&core->lock);
        if (!go_on)
            break;
        is_lone = inputs && !inputs->next;
        release_committed(core, acknowledged);
        handle_ready(core, inputs);
        close_batch(core);
        acknowledged = acknowledged_batch(core);
        release_committed(core, acknowledged);
    }
    core->store->flush(core->store);
    release_committed(core, acknowledged_batch(core));
    if (core->failure)
        log_error("ONE",
                  "The state could not be saved: %s. oned stops, since it must not go on with "
                  "changes that a restart would lose; look at the disk, then start it again.",
                  core->failure->message);
}
