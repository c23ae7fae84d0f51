/* What the tests of the scheduler share: the pools of data/sched/pools.xml, and lines "KIND TEXT =>
 * NUMBERS". */
#pragma once

#include "scheduler/pools.h"
#include "tests/unit/cases.h"

/* The text from <NAME> to </NAME>. (owned) */
static inline char *sched_part(const char *text, const char *name)
{
    g_autofree char *pattern = g_strdup_printf("<%s>.*</%s>", name, name);
    g_autoptr(GRegex) regex = g_regex_new(pattern, G_REGEX_DOTALL, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;
    g_assert_true(g_regex_match(regex, text, 0, &match));
    return g_match_info_fetch(match, 0);
}

static inline SchedPools *sched_test_pools(void)
{
    g_autofree char *text = cases_read("sched/pools.xml");
    g_autofree char *hosts = sched_part(text, "HOST_POOL");
    g_autofree char *clusters = sched_part(text, "CLUSTER_POOL");
    g_autofree char *datastores = sched_part(text, "DATASTORE_POOL");
    SchedPools *pools = sched_pools_new();
    g_autoptr(GError) error = NULL;
    g_assert_true(sched_read_hosts(pools, hosts, &error));
    g_assert_true(sched_read_clusters(pools, clusters, &error));
    g_assert_true(sched_read_datastores(pools, datastores, &error));
    sched_pools_finish(pools);
    return pools;
}

typedef void (*SchedLine)(SchedPools *pools, gboolean host, const char *text, const char *expected);

/* Calls for each line of a file that is not empty and no comment. */
static inline void sched_each_line(const char *name, SchedLine each)
{
    g_autoptr(SchedPools) pools = sched_test_pools();
    g_autofree char *text = cases_read(name);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    guint count = 0;
    for (char **line = lines; *line != NULL; line++) {
        if (**line == '\0' || **line == '#')
            continue;
        char *arrow = strstr(*line, "=>");
        char *begin = strchr(*line, ' ') + 1;
        g_assert_nonnull(arrow);
        g_test_message("%s", *line);
        *arrow = '\0';
        each(pools, g_str_has_prefix(*line, "host "), g_strchomp(begin), g_strstrip(arrow + 2));
        count++;
    }
    g_assert_cmpuint(count, >, 5);
}
