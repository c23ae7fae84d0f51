/* scheduler/rights.c: who may use which host and datastore. */
#include "scheduler/rights.h"
#include "tests/unit/sched_cases.h"

/* User 2 (group 100) owns datastore 7, whose group is 100; hosts 1 and 2 are in cluster 100. */
static const struct {
    const char *user, *resource, *rights, *zone; /* words of a rule, hexadecimal; NULL: no rule */
    gint32 uid, gid;
    gboolean host1, datastore0;
} cases[] = {
    {NULL, NULL, NULL, NULL, 0, 5, TRUE, TRUE}, /* oneadmin */
    {NULL, NULL, NULL, NULL, 9, 0, TRUE, TRUE}, /* its group */
    {NULL, NULL, NULL, NULL, 2, 100, FALSE, FALSE},
    {"200000064", "2400000000", "2", "100000000", 2, 100, TRUE,
     FALSE}, /* @100 HOST/all MANAGE #0 */
    {"200000064", "2400000000", "1", "100000000", 2, 100, FALSE, FALSE},  /* USE is not enough */
    {"200000064", "2400000000", "2", "100000001", 2, 100, FALSE, FALSE},  /* another zone */
    {"200000064", "2400000000", "2", "400000000", 2, 100, TRUE, FALSE},   /* every zone */
    {"200000065", "2400000000", "2", "400000000", 2, 100, FALSE, FALSE},  /* another group */
    {"100000002", "2100000001", "2", "400000000", 2, 100, TRUE, FALSE},   /* #2 HOST/#1 */
    {"100000002", "2100000000", "2", "400000000", 2, 100, FALSE, FALSE},  /* #2 HOST/#0 */
    {"100000003", "2100000001", "2", "400000000", 2, 100, FALSE, FALSE},  /* #3 */
    {"400000000", "2800000064", "2", "400000000", 2, 100, TRUE, FALSE},   /* all, HOST/%100 */
    {"400000000", "2800000000", "2", "400000000", 2, 100, FALSE, FALSE},  /* HOST/%0 */
    {"400000000", "100800000064", "1", "400000000", 2, 100, FALSE, TRUE}, /* DATASTORE/%100 */
    {"400000000", "102400000000", "3", "400000000", 2, 100, TRUE, TRUE},  /* HOST+DATASTORE */
    {"400000000", "1400000000", "3", "400000000", 2, 100, FALSE, FALSE},  /* VM */
};

static void test_rules(void)
{
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(SchedPools) pools = sched_test_pools();
        g_test_message("case %u", i);
        if (cases[i].user != NULL) {
            g_autofree char *rules = g_strdup_printf(
                "<ACL_POOL><ACL><ID>1</ID><USER>%s</USER><RESOURCE>%s</RESOURCE><RIGHTS>%s</RIGHTS>"
                "<ZONE>%s</ZONE></ACL></ACL_POOL>",
                cases[i].user, cases[i].resource, cases[i].rights, cases[i].zone);
            g_assert_true(sched_read_rules(pools, rules, NULL));
        }
        g_assert_cmpint(
            sched_may_use_host(pools, cases[i].uid, cases[i].gid, sched_find_host(pools, 1)), ==,
            cases[i].host1);
        g_assert_cmpint(sched_may_use_datastore(pools, cases[i].uid, cases[i].gid,
                                                sched_find_datastore(pools, 0)),
                        ==, cases[i].datastore0);
    }
}

static void test_permissions(void)
{
    g_autoptr(SchedPools) pools = sched_test_pools();
    SchedDatastore *datastore = sched_find_datastore(pools, 7);
    g_assert_false(sched_may_use_datastore(pools, 2, 100, datastore));
    datastore->owner_use = TRUE;
    g_assert_true(sched_may_use_datastore(pools, 2, 1, datastore));
    g_assert_false(sched_may_use_datastore(pools, 3, 100, datastore));
    datastore->group_use = TRUE;
    g_assert_true(sched_may_use_datastore(pools, 3, 100, datastore));
    g_assert_false(sched_may_use_datastore(pools, 3, 101, datastore));
    datastore->other_use = TRUE;
    g_assert_true(sched_may_use_datastore(pools, 3, 101, datastore));
}

/* A user's secondary groups count, and being in group 0 by one of them too. */
static void test_groups(void)
{
    g_autoptr(SchedPools) pools = sched_test_pools();
    g_assert_true(sched_read_users(
        pools,
        "<USER_POOL><USER><ID>2</ID><GID>1</GID><GROUPS><ID>1</ID><ID>100</ID></GROUPS>"
        "</USER><USER><ID>3</ID><GID>1</GID><GROUPS><ID>1</ID><ID>0</ID></GROUPS></USER>"
        "</USER_POOL>",
        NULL));
    sched_pools_finish(pools);
    SchedDatastore *datastore = sched_find_datastore(pools, 7);
    datastore->group_use = TRUE;
    g_assert_true(sched_may_use_datastore(pools, 2, 1, datastore));
    g_assert_false(sched_is_admin(pools, 2, 1));
    g_assert_true(sched_is_admin(pools, 3, 1));
    g_assert_true(sched_may_use_host(pools, 3, 1, sched_find_host(pools, 0)));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rights/rules", test_rules);
    g_test_add_func("/rights/permissions", test_permissions);
    g_test_add_func("/rights/groups", test_groups);
    return g_test_run();
}
