#include "scheduler/memory.h"
#include "scheduler/report.h"

#define SECOND (1000 * 1000)
/* After the first refusal, and at most. */
#define REST_FIRST (1 * SECOND)
#define REST_MOST  ((gint64)120 * SECOND)
/* Between two messages to one machine that differ in numbers alone. */
#define SAME_AGAIN ((gint64)60 * SECOND)

typedef struct {
    gint64 next_try; /* 0: does not rest */
    gint64 rest;
    gint64 told; /* when its message was written, 0: not by us */
    guint cycle; /* the last one that saw it */
} Past;

struct SchedMemory {
    GHashTable *pasts; /* id of a machine -> Past */
    guint cycle;
    gint64 delay; /* of new machines */
};

SchedMemory *sched_memory_new(void)
{
    SchedMemory *memory = g_new0(SchedMemory, 1);
    memory->pasts = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    return memory;
}

void sched_memory_free(SchedMemory *memory)
{
    if (memory == NULL)
        return;
    g_hash_table_unref(memory->pasts);
    g_free(memory);
}

void sched_memory_set_delay(SchedMemory *memory, gint64 delay)
{
    memory->delay = delay;
}

static Past *find(const SchedMemory *memory, gint32 vm)
{
    return g_hash_table_lookup(memory->pasts, GINT_TO_POINTER(vm));
}

static Past *find_or_add(SchedMemory *memory, gint32 vm)
{
    Past *past = find(memory, vm);
    if (past == NULL) {
        past = g_new0(Past, 1);
        past->cycle = memory->cycle;
        g_hash_table_insert(memory->pasts, GINT_TO_POINTER(vm), past);
    }
    return past;
}

static gboolean is_old(gpointer key, gpointer value, gpointer data)
{
    return ((const Past *)value)->cycle != *(const guint *)data;
}

void sched_memory_filter(SchedMemory *memory, SchedPools *pools, gint64 now, guint *resting,
                         guint *seconds)
{
    gint64 first = 0;
    guint kept = 0;
    *resting = *seconds = 0;
    if (g_hash_table_size(memory->pasts) == 0 && memory->delay == 0)
        return;
    memory->cycle++;
    for (guint i = 0; i < pools->vms->len; i++) {
        SchedVm *vms = (SchedVm *)pools->vms->data;
        Past *past = find(memory, vms[i].id);
        if (past == NULL && memory->delay > 0 && !vms[i].resched) {
            past = find_or_add(memory, vms[i].id);
            past->next_try = now + memory->delay;
        }
        if (past != NULL)
            past->cycle = memory->cycle;
        if (past != NULL && past->next_try > now) {
            ++*resting;
            first = first == 0 ? past->next_try : MIN(first, past->next_try);
            continue;
        }
        SchedVm moved = vms[kept];
        vms[kept++] = vms[i];
        vms[i] = moved;
    }
    g_array_set_size(pools->vms, kept);
    g_hash_table_foreach_remove(memory->pasts, is_old, &memory->cycle);
    if (*resting > 0)
        *seconds = (first - now + SECOND - 1) / SECOND;
}

void sched_memory_refused(SchedMemory *memory, gint32 vm, gint64 now)
{
    Past *past = find_or_add(memory, vm);
    past->rest = past->rest == 0 ? REST_FIRST : MIN(2 * past->rest, REST_MOST);
    past->next_try = now + past->rest;
}

void sched_memory_forget(SchedMemory *memory, gint32 vm)
{
    g_hash_table_remove(memory->pasts, GINT_TO_POINTER(vm));
}

void sched_memory_tell(SchedMemory *memory, const SchedVm *vm, const char *text, gint64 now,
                       GArray *tellings)
{
    const Past *past = find(memory, vm->id);
    if (sched_same_message(vm->message, text, FALSE))
        return;
    gboolean renewed = sched_same_message(vm->message, text, TRUE);
    if (renewed && past != NULL && past->told > 0 && now - past->told < SAME_AGAIN)
        return;
    SchedTelling telling = {vm, sched_message(text, g_get_real_time() / SECOND), renewed};
    g_array_append_val(tellings, telling);
}

void sched_memory_told(SchedMemory *memory, gint32 vm, gint64 now)
{
    find_or_add(memory, vm)->told = now;
}
