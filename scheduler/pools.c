#include "scheduler/pools.h"

#include "scheduler/groups.h"

static void host_clear(SchedHost *host)
{
    g_array_unref(host->attributes);
    g_clear_pointer(&host->pci, g_array_unref);
    g_clear_pointer(&host->local, g_array_unref);
    g_clear_pointer(&host->placed_vms, g_array_unref);
}

static void datastore_clear(SchedDatastore *datastore)
{
    g_array_unref(datastore->attributes);
    g_clear_pointer(&datastore->clusters, g_array_unref);
}

static void network_clear(SchedNetwork *network)
{
    g_array_unref(network->attributes);
    g_clear_pointer(&network->clusters, g_array_unref);
}

static void vm_clear(SchedVm *vm)
{
    g_clear_pointer(&vm->nics, g_array_unref);
    g_clear_pointer(&vm->pci, g_array_unref);
    g_clear_pointer(&vm->image_space, g_array_unref);
}

static void user_clear(SchedUser *user)
{
    g_array_unref(user->groups);
}

static GArray *array_of(gsize size, gpointer clear)
{
    GArray *array = g_array_new(FALSE, TRUE, size);
    g_array_set_clear_func(array, (GDestroyNotify)clear);
    return array;
}

SchedPools *sched_pools_new(void)
{
    SchedPools *pools = g_new0(SchedPools, 1);
    pools->strings = g_string_chunk_new(64 * 1024);
    pools->vms = array_of(sizeof(SchedVm), vm_clear);
    pools->hosts = array_of(sizeof(SchedHost), host_clear);
    pools->datastores = array_of(sizeof(SchedDatastore), datastore_clear);
    pools->networks = array_of(sizeof(SchedNetwork), network_clear);
    pools->roles = g_ptr_array_new_with_free_func((GDestroyNotify)sched_role_free);
    pools->users = array_of(sizeof(SchedUser), user_clear);
    pools->rules = g_array_new(FALSE, TRUE, sizeof(SchedRule));
    pools->columns = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    pools->clusters = g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify)g_array_unref);
    return pools;
}

void sched_pools_free(SchedPools *pools)
{
    if (pools == NULL)
        return;
    g_array_unref(pools->vms);
    g_array_unref(pools->hosts);
    g_array_unref(pools->datastores);
    g_array_unref(pools->networks);
    g_ptr_array_unref(pools->roles);
    g_array_unref(pools->users);
    g_array_unref(pools->rules);
    g_hash_table_unref(pools->clusters);
    g_hash_table_unref(pools->columns);
    g_string_chunk_free(pools->strings);
    g_free(pools);
}

/* Every element of these arrays begins with its id. */
static int compare_ids(gconstpointer a, gconstpointer b)
{
    gint32 left = *(const gint32 *)a, right = *(const gint32 *)b;
    return (left > right) - (left < right);
}

void sched_pools_finish(SchedPools *pools)
{
    g_array_sort(pools->vms, compare_ids);
    g_array_sort(pools->hosts, compare_ids);
    g_array_sort(pools->datastores, compare_ids);
    g_array_sort(pools->networks, compare_ids);
    g_array_sort(pools->users, compare_ids);
    for (guint i = 0; i < pools->hosts->len; i++) {
        SchedHost *host = &g_array_index(pools->hosts, SchedHost, i);
        host->of_cluster = g_hash_table_lookup(pools->clusters, GINT_TO_POINTER(host->cluster));
    }
    sched_groups_finish(pools);
}

static gpointer find(const GArray *array, gint32 id)
{
    guint index;
    if (!g_array_binary_search((GArray *)array, &id, compare_ids, &index))
        return NULL;
    return array->data + (gsize)index * g_array_get_element_size((GArray *)array);
}

SchedHost *sched_find_host(const SchedPools *pools, gint32 id)
{
    return find(pools->hosts, id);
}

SchedDatastore *sched_find_datastore(const SchedPools *pools, gint32 id)
{
    return find(pools->datastores, id);
}

SchedNetwork *sched_find_network(const SchedPools *pools, gint32 id)
{
    return find(pools->networks, id);
}

const SchedUser *sched_find_user(const SchedPools *pools, gint32 id)
{
    return find(pools->users, id);
}
