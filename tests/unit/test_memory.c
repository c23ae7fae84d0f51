/* scheduler/memory.c: machines rest after a refusal, messages are not rewritten all the time. */
#include "scheduler/memory.h"

#define SECOND ((gint64)1000 * 1000)

static SchedPools *pools_with(guint count)
{
    SchedPools *pools = sched_pools_new();
    for (guint i = 0; i < count; i++) {
        SchedVm vm = {.id = i};
        g_array_append_val(pools->vms, vm);
    }
    return pools;
}

static guint left_at(SchedMemory *memory, gint64 now, guint *resting, guint *seconds)
{
    g_autoptr(SchedPools) pools = pools_with(3);
    sched_memory_filter(memory, pools, now, resting, seconds);
    for (guint i = 1; i < pools->vms->len; i++)
        g_assert_cmpint(g_array_index(pools->vms, SchedVm, i - 1).id, <,
                        g_array_index(pools->vms, SchedVm, i).id);
    return pools->vms->len;
}

static void test_rest(void)
{
    SchedMemory *memory = sched_memory_new();
    guint resting, seconds;
    g_assert_cmpuint(left_at(memory, 0, &resting, &seconds), ==, 3);
    sched_memory_refused(memory, 0, 10 * SECOND);
    g_assert_cmpuint(left_at(memory, 10 * SECOND, &resting, &seconds), ==, 2);
    g_assert_cmpuint(resting, ==, 1);
    g_assert_cmpuint(seconds, ==, 1);
    g_assert_cmpuint(left_at(memory, 11 * SECOND, &resting, &seconds), ==, 3);
    g_assert_cmpuint(seconds, ==, 0);
    sched_memory_refused(memory, 0, 11 * SECOND);
    sched_memory_refused(memory, 1, 11 * SECOND);
    g_assert_cmpuint(left_at(memory, 12 * SECOND, &resting, &seconds), ==, 2);
    g_assert_cmpuint(left_at(memory, 13 * SECOND, &resting, &seconds), ==, 3);
    for (int i = 0; i < 20; i++)
        sched_memory_refused(memory, 2, 20 * SECOND);
    g_assert_cmpuint(left_at(memory, 139 * SECOND, &resting, &seconds), ==, 2);
    g_assert_cmpuint(left_at(memory, 141 * SECOND, &resting, &seconds), ==, 3);
    sched_memory_refused(memory, 2, 141 * SECOND);
    sched_memory_forget(memory, 2);
    g_assert_cmpuint(left_at(memory, 141 * SECOND, &resting, &seconds), ==, 3);
    sched_memory_free(memory);
}

/* People who place machines themselves get the time to say so. */
static void test_delay(void)
{
    SchedMemory *memory = sched_memory_new();
    guint resting, seconds;
    sched_memory_set_delay(memory, 30 * SECOND);
    g_assert_cmpuint(left_at(memory, 10 * SECOND, &resting, &seconds), ==, 0);
    g_assert_cmpuint(resting, ==, 3);
    g_assert_cmpuint(seconds, ==, 30);
    g_assert_cmpuint(left_at(memory, 39 * SECOND, &resting, &seconds), ==, 0);
    g_assert_cmpuint(seconds, ==, 1);
    g_assert_cmpuint(left_at(memory, 40 * SECOND, &resting, &seconds), ==, 3);
    sched_memory_free(memory);
}

static guint told(SchedMemory *memory, const char *message, const char *text, gint64 now)
{
    g_autoptr(GArray) tellings = g_array_new(FALSE, FALSE, sizeof(SchedTelling));
    SchedVm vm = {.id = 1, .message = message};
    sched_memory_tell(memory, &vm, text, now, tellings);
    guint count = tellings->len;
    for (guint i = 0; i < count; i++)
        g_free(g_array_index(tellings, SchedTelling, i).message);
    if (count > 0)
        sched_memory_told(memory, 1, now);
    return count;
}

static void test_messages(void)
{
    SchedMemory *memory = sched_memory_new();
    const char *old = "Sun Nov 22 00:31:52 2026: 2 of 3 hosts";
    g_assert_cmpuint(told(memory, NULL, "2 of 3 hosts", SECOND), ==, 1);
    g_assert_cmpuint(told(memory, old, "2 of 3 hosts", 2 * SECOND), ==, 0);
    g_assert_cmpuint(told(memory, old, "3 of 3 hosts", 2 * SECOND), ==, 0);
    g_assert_cmpuint(told(memory, old, "another reason", 3 * SECOND), ==, 1);
    g_assert_cmpuint(told(memory, old, "3 of 3 hosts", 64 * SECOND), ==, 1);
    sched_memory_free(memory);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/memory/rest", test_rest);
    g_test_add_func("/memory/delay", test_delay);
    g_test_add_func("/memory/messages", test_messages);
    return g_test_run();
}
