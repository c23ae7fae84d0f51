/* scheduler/rank.c: values of rank expressions, policies, and what placing changes. */
#include "scheduler/rank.h"
#include "tests/unit/sched_cases.h"

static void check_rank(SchedPools *pools, gboolean host, const char *text, const char *expected)
{
    guint count = host ? pools->hosts->len : pools->datastores->len;
    SchedRank *rank = sched_rank_new(text, count);
    g_autoptr(GString) values = g_string_new(NULL);
    g_assert_null(rank->error);
    for (guint i = 0; i < count; i++)
        g_string_append_printf(values, "%s%" G_GINT64_FORMAT, i > 0 ? " " : "",
                               host ? sched_rank_host(rank, pools, i)
                                    : sched_rank_datastore(rank, pools, i));
    g_assert_cmpstr(values->str, ==, expected);
    sched_rank_free(rank);
}

static void test_values(void)
{
    sched_each_line("sched/rank.txt", check_rank);
}

static void test_policies(void)
{
    static const char *const hosts[] = {"RUNNING_VMS", "- RUNNING_VMS", "FREE_CPU", "MINE",
                                        "PRIORITY"};
    static const char *const datastores[] = {"- FREE_MB", "FREE_MB", "MINE", "PRIORITY"};
    for (guint i = 0; i < G_N_ELEMENTS(hosts); i++)
        g_assert_cmpstr(sched_host_policy(i, "MINE"), ==, hosts[i]);
    for (guint i = 0; i < G_N_ELEMENTS(datastores); i++)
        g_assert_cmpstr(sched_datastore_policy(i, "MINE"), ==, datastores[i]);
    g_assert_null(sched_host_policy(5, "MINE"));
    g_assert_null(sched_host_policy(-1, "MINE"));
    g_assert_null(sched_datastore_policy(4, "MINE"));
}

static void test_follows_what_was_placed(void)
{
    g_autoptr(SchedPools) pools = sched_test_pools();
    SchedRank *running = sched_rank_new("RUNNING_VMS", pools->hosts->len);
    SchedRank *cpu = sched_rank_new("FREE_CPU", pools->hosts->len);
    SchedRank *memory = sched_rank_new("FREE_MEMORY + MEM_USAGE", pools->hosts->len);
    SchedRank *space = sched_rank_new("FREE_MB", pools->datastores->len);
    SchedHost *host = sched_find_host(pools, 0);
    SchedDatastore *datastore = sched_find_datastore(pools, 0);
    g_assert_cmpint(sched_rank_host(running, pools, 0), ==, 2);
    g_assert_cmpint(sched_rank_host(cpu, pools, 0), ==, 640);
    g_assert_cmpint(sched_rank_host(memory, pools, 0), ==, 12000000 + 1048576);
    host->placed = 3;
    host->placed_cpu = 250;
    host->placed_mem = 1024;
    host->version++;
    datastore->placed_mb = 150;
    datastore->version++;
    g_assert_cmpint(sched_rank_host(running, pools, 0), ==, 5);
    g_assert_cmpint(sched_rank_host(cpu, pools, 0), ==, 390);
    g_assert_cmpint(sched_rank_host(memory, pools, 0), ==, 12000000 + 1048576);
    g_assert_cmpint(sched_rank_datastore(space, pools, 0), ==, 250);
    sched_rank_free(running);
    sched_rank_free(cpu);
    sched_rank_free(memory);
    sched_rank_free(space);
}

static void test_unreadable(void)
{
    g_autoptr(SchedPools) pools = sched_test_pools();
    SchedRank *rank = sched_rank_new("FREE_CPU -5", pools->hosts->len);
    g_assert_nonnull(rank->error);
    g_assert_cmpint(sched_rank_host(rank, pools, 0), ==, 0);
    sched_rank_free(rank);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rank/values", test_values);
    g_test_add_func("/rank/policies", test_policies);
    g_test_add_func("/rank/follows_what_was_placed", test_follows_what_was_placed);
    g_test_add_func("/rank/unreadable", test_unreadable);
    return g_test_run();
}
