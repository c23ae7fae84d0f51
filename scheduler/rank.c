#include "scheduler/rank.h"
#include "scheduler/attributes.h"

static const char *const host_policies[] = {
    "RUNNING_VMS",   /* 0 packing: as few hosts as possible */
    "- RUNNING_VMS", /* 1 striping: as many as possible */
    "FREE_CPU",      /* 2 load-aware: the least busy */
    NULL,            /* 3 custom: the RANK member */
    "PRIORITY",      /* 4 fixed: attribute of the host or its cluster */
};

static const char *const datastore_policies[] = {
    "- FREE_MB", /* 0 packing */
    "FREE_MB",   /* 1 striping */
    NULL,        /* 2 custom */
    "PRIORITY",  /* 3 fixed */
};

static const char *const network_policies[] = {
    "USED_LEASES",   /* 0 packing: the fullest */
    "- USED_LEASES", /* 1 striping */
    NULL,            /* 2 custom */
    "PRIORITY",      /* 3 fixed */
};

static const char *policy_text(const char *const *texts, gint64 count, gint64 policy,
                               const char *custom)
{
    if (policy < 0 || policy >= count)
        return NULL;
    return texts[policy] != NULL ? texts[policy] : custom;
}

const char *sched_host_policy(gint64 policy, const char *custom)
{
    return policy_text(host_policies, G_N_ELEMENTS(host_policies), policy, custom);
}

const char *sched_datastore_policy(gint64 policy, const char *custom)
{
    return policy_text(datastore_policies, G_N_ELEMENTS(datastore_policies), policy, custom);
}

const char *sched_network_policy(gint64 policy, const char *custom)
{
    return policy_text(network_policies, G_N_ELEMENTS(network_policies), policy, custom);
}

SchedRank *sched_rank_new(const char *text, guint objects)
{
    SchedRank *rank = g_new0(SchedRank, 1);
    g_autoptr(GError) error = NULL;
    rank->expr = expr_parse_rank(text, &error);
    if (rank->expr == NULL)
        rank->error = g_strdup(error->message);
    rank->values = g_new0(gint64, objects);
    rank->versions = g_new0(guint32, objects);
    return rank;
}

void sched_rank_free(SchedRank *rank)
{
    if (rank == NULL)
        return;
    g_clear_pointer(&rank->expr, expr_free);
    g_free(rank->error);
    g_free(rank->values);
    g_free(rank->versions);
    g_free(rank);
}

static gint64 evaluate(SchedRank *rank, guint index, SchedView *view, guint32 version)
{
    rank->values[index] = rank->expr != NULL ? expr_rank(rank->expr, sched_lookup, view) : 0;
    rank->versions[index] = version + 1;
    sched_view_clear(view);
    return rank->values[index];
}

gint64 sched_rank_host(SchedRank *rank, const SchedPools *pools, guint index)
{
    const SchedHost *host = &g_array_index(pools->hosts, SchedHost, index);
    if (rank->versions[index] == host->version + 1)
        return rank->values[index];
    return evaluate(rank, index, &(SchedView){.pools = pools, .host = host}, host->version);
}

gint64 sched_rank_datastore(SchedRank *rank, const SchedPools *pools, guint index)
{
    const SchedDatastore *datastore = &g_array_index(pools->datastores, SchedDatastore, index);
    if (rank->versions[index] == datastore->version + 1)
        return rank->values[index];
    return evaluate(rank, index, &(SchedView){.pools = pools, .datastore = datastore},
                    datastore->version);
}

gint64 sched_rank_network(SchedRank *rank, const SchedPools *pools, guint index)
{
    const SchedNetwork *network = &g_array_index(pools->networks, SchedNetwork, index);
    if (rank->versions[index] == network->version + 1)
        return rank->values[index];
    return evaluate(rank, index, &(SchedView){.pools = pools, .network = network},
                    network->version);
}
