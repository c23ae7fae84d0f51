/* Runs scheduled actions when they are due. */
#include "server/lifecycle/internal.h"

#include "lib/base/error.h"
#include "lib/base/log.h"
#include "server/model/machine/sched_action.h"
#include "server/model/place/zone.h"

/* The wall clock may be set while oned runs: it is looked at this often, at least. */
#define LOOK_SECONDS 60
/* So many are started in one batch; the rest follow in the next. */
#define BATCH_MAX 100

static void look(Core *core, gpointer data);

static void look_in(Lifecycle *lifecycle, gint64 seconds)
{
    Core *core = lifecycle->world->core;
    core_timer_cancel(core, lifecycle->sched_timer);
    lifecycle->sched_due = core_now(core) + seconds;
    lifecycle->sched_timer = core_timer_add(core, seconds * G_USEC_PER_SEC, look, lifecycle, NULL);
}

void lifecycle_sched_connect(Lifecycle *lifecycle, Kind kind, SchedStart start, gpointer data)
{
    lifecycle->sched_starts[kind] = start;
    lifecycle->sched_data[kind] = data;
}

void lifecycle_sched_changed(Lifecycle *lifecycle, const SchedAction *action)
{
    gint64 due = sched_action_due(action);
    gint64 wait = CLAMP(due - core_now(lifecycle->world->core), 0, LOOK_SECONDS);
    if (due >= 0 &&
        (!lifecycle->sched_timer || core_now(lifecycle->world->core) + wait < lifecycle->sched_due))
        look_in(lifecycle, wait);
}

/* In oned's log, and in that of a machine. */
static void tell(Lifecycle *lifecycle, const Object *owner, gint32 id, const char *word,
                 const char *why)
{
    if (!owner)
        return; /* it ended its owner */
    const char *kind = kind_row(owner->kind)->words, *result = why ? "failed: " : "started";
    log_write(why ? LOG_WARNING : LOG_INFO, "SCH", "%s %d: scheduled action %d, %s, %s%s", kind,
              owner->id, id, word, result, why ? why : "");
    if (owner->kind == KIND_VM)
        vm_log(lifecycle, (const Vm *)owner, why ? LOG_WARNING : LOG_INFO,
               "scheduled action %d, %s, %s%s", id, word, result, why ? why : "");
}

/* The action may be gone afterwards: it may have ended its owner. */
static void run(Lifecycle *lifecycle, SchedAction *action)
{
    World *world = lifecycle->world;
    SchedStart start = lifecycle->sched_starts[action->kind];
    gint32 id = action->id, owner = action->owner;
    Kind kind = action->kind;
    g_autofree char *word = g_strdup(action->action);
    g_autoptr(GError) error = NULL;
    g_hash_table_add(lifecycle->sched_waits, GINT_TO_POINTER(id)); /* it may be told so at once */
    StartResult result = start
                             ? start(lifecycle, action, lifecycle->sched_data[action->kind], &error)
                             : START_FAILED;
    if (result == START_WAITS)
        return;
    g_hash_table_remove(lifecycle->sched_waits, GINT_TO_POINTER(id));
    gboolean done = result == START_STARTED;
    const char *why = done ? NULL : error ? error->message : "nothing here can run it";
    tell(lifecycle, pool_get(world, kind, owner), id, word, why);
    action = sched_action_get(world, id);
    if (action && done)
        sched_action_succeeded(world, action, core_now(world->core));
    else if (action)
        sched_action_failed(world, action, core_now(world->core), why);
}

static gint by_time(gconstpointer one, gconstpointer other)
{
    const SchedAction *a = *(const SchedAction *const *)one,
                      *b = *(const SchedAction *const *)other;
    gint64 first = sched_action_due(a), second = sched_action_due(b);
    return first != second ? (first < second ? -1 : 1) : a->id < b->id ? -1 : 1;
}

/* One of the same owner waits: actions are done in the order of their times. */
static gboolean owner_waits(const Lifecycle *lifecycle, const SchedAction *action)
{
    const GPtrArray *own = sched_actions_of(lifecycle->world, action->kind, action->owner);
    for (guint i = 0; own && i < own->len; i++) {
        const SchedAction *other = own->pdata[i];
        if (g_hash_table_contains(lifecycle->sched_waits, GINT_TO_POINTER(other->id)))
            return TRUE;
    }
    return FALSE;
}

/* Those that are due and wait for nobody, in the order of their times; `next`: when the first of
 * the others is, or -1. (owned, of SchedAction) */
static GPtrArray *find_due(const Lifecycle *lifecycle, gint64 *next)
{
    World *world = lifecycle->world;
    GPtrArray *found = g_ptr_array_new();
    GHashTableIter iterator;
    gpointer value;
    *next = -1;
    g_hash_table_iter_init(&iterator, sched_actions_all(world));
    while (g_hash_table_iter_next(&iterator, NULL, &value)) {
        gint64 due = sched_action_due(value);
        if (owner_waits(lifecycle, value))
            continue;
        if (due >= 0 && due <= core_now(world->core))
            g_ptr_array_add(found, value);
        else if (due >= 0 && (*next < 0 || due < *next))
            *next = due;
    }
    g_ptr_array_sort(found, by_time);
    return found;
}

static void look(Core *core, gpointer data)
{
    Lifecycle *lifecycle = data;
    World *world = lifecycle->world;
    gint64 next;
    lifecycle->sched_timer = 0;
    if (zone_is_disabled(world)) { /* they wait, and use up none of their attempts */
        look_in(lifecycle, LOOK_SECONDS);
        return;
    }
    g_autoptr(GPtrArray) due = find_due(lifecycle, &next);
    g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(gint32));
    for (guint i = 0; i < due->len; i++)
        g_array_append_val(ids, ((const SchedAction *)due->pdata[i])->id);
    for (guint i = 0; i < ids->len && i < BATCH_MAX; i++) {
        SchedAction *action = sched_action_get(world, g_array_index(ids, gint32, i));
        if (action && !owner_waits(lifecycle, action)) /* one before it may have ended its owner */
            run(lifecycle, action);
    }
    g_autoptr(GPtrArray) left = find_due(lifecycle, &next);
    if (left->len)
        look_in(lifecycle, 0);
    else if (next >= 0)
        look_in(lifecycle, MIN(next - core_now(core), LOOK_SECONDS));
}

void lifecycle_sched_again(Lifecycle *lifecycle, gint32 action)
{
    if (g_hash_table_remove(lifecycle->sched_waits, GINT_TO_POINTER(action)))
        look_in(lifecycle, 0);
}

void lifecycle_sched_look(Lifecycle *lifecycle)
{
    if (g_hash_table_size(sched_actions_all(lifecycle->world)))
        look_in(lifecycle, 0);
}
