#include "scheduler/place.h"

#include "scheduler/groups.h"

static void order_clear(SchedOrder *order)
{
    g_free(order->failure);
    g_free(order->networks);
}

void sched_plan_free(SchedPlan *plan)
{
    if (plan == NULL)
        return;
    g_array_unref(plan->orders);
    g_array_unref(plan->stranded);
    g_free(plan);
}

/* ---- Datastores ---- */

const SchedDatastore *sched_full_image_datastore(const SchedPools *pools, const SchedVm *vm,
                                                 gint64 *mb)
{
    /* A machine that has run has its disks already. */
    if (vm->image_space == NULL || vm->resched || vm->host >= 0)
        return NULL;
    for (guint i = 0; i < vm->image_space->len; i++) {
        const SchedImageSpace *space = &g_array_index(vm->image_space, SchedImageSpace, i);
        const SchedDatastore *datastore = sched_find_datastore(pools, space->datastore);
        if (datastore == NULL || datastore->unchecked || datastore->total_mb <= 0 ||
            space->mb <= datastore->free_mb - datastore->placed_mb)
            continue;
        *mb = space->mb;
        return datastore;
    }
    return NULL;
}

/* The system datastore for a machine on that host: where its disks are already, else the
 * highest ranked with room. The index in the pool, or -1. */
static gint choose_datastore(SchedMatcher *matcher, const SchedPools *pools, SchedClass *class,
                             const SchedVm *vm, guint host_index)
{
    const SchedHost *host = &g_array_index(pools->hosts, SchedHost, host_index);
    gint best = -1;
    gint64 best_rank = 0;
    sched_class_datastores(matcher, class);
    for (guint i = 0; i < class->datastores->len; i++) {
        guint32 index = g_array_index(class->datastores, guint32, i);
        const SchedDatastore *datastore = &g_array_index(pools->datastores, SchedDatastore, index);
        if (!sched_datastore_serves(datastore, host))
            continue;
        if (vm->datastore == datastore->id)
            return index;
        if (!sched_datastore_has_room(datastore, host, vm->system_mb))
            continue;
        gint64 rank = sched_rank_datastore(class->ds_rank, pools, index);
        if (best < 0 || rank > best_rank) {
            best = index;
            best_rank = rank;
        }
    }
    return best;
}

/* Servers before 3.4 have no datastores at all; and a machine that is moved stays in its own. */
static gboolean needs_datastore(const SchedPools *pools, const SchedVm *vm)
{
    return pools->datastores->len > 0 && !vm->resched;
}

gboolean sched_class_has_datastore(SchedMatcher *matcher, const SchedPools *pools,
                                   SchedClass *class, guint host)
{
    return !needs_datastore(pools, class->vm) ||
           choose_datastore(matcher, pools, class, class->vm, host) >= 0;
}

SchedHostTest sched_class_lacks(SchedMatcher *matcher, const SchedPools *pools, SchedClass *class,
                                guint host, const SchedNic **nic)
{
    g_autoptr(GArray) chosen = g_array_new(FALSE, FALSE, sizeof(gint32));
    if (!sched_class_has_datastore(matcher, pools, class, host))
        return SCHED_NO_DATASTORE;
    return sched_choose_networks(matcher, class->vm, &g_array_index(pools->hosts, SchedHost, host),
                                 chosen, nic)
               ? SCHED_FITS
               : SCHED_NO_NETWORK;
}

/* ---- Networks ---- */

/* What oned is told of the cards that wanted a network; (owned, NULL: there are none) */
static char *take_networks(const SchedPools *pools, const SchedVm *vm, const GArray *chosen)
{
    if (vm->nics == NULL || chosen->len == 0)
        return NULL;
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < chosen->len; i++) {
        SchedNetwork *network = sched_find_network(pools, g_array_index(chosen, gint32, i));
        network->placed++;
        network->version++;
        g_string_append_printf(text,
                               "NIC = [ NIC_ID = %d, NETWORK_MODE = \"auto\", NETWORK_ID = %d ]\n",
                               g_array_index(vm->nics, SchedNic, i).id, network->id);
    }
    return g_string_free(text, FALSE);
}

/* ---- Hosts ---- */

static void begin_class(SchedMatcher *matcher, const SchedPools *pools, SchedClass *class)
{
    class->begun = TRUE;
    class->hosts = g_new0(guint32, pools->hosts->len + 1);
    for (guint i = 0; i < pools->hosts->len; i++)
        if (sched_host_may_fit(matcher, class, i))
            class->hosts[class->host_count++] = i;
}

static void drop_host(SchedClass *class, guint position)
{
    class->hosts[position] = class->hosts[--class->host_count];
}

/* Position in class->hosts of the best host, or -1. Hosts that do not fit are dropped for
 * good: in one cycle room only shrinks. Of equal ranks the lower id wins. Requirements are
 * asked only of a host that would be the best so far: few, among hosts of equal rank. */
static gint best_host(SchedMatcher *matcher, const SchedPools *pools, SchedClass *class)
{
    gint best = -1;
    gint64 best_rank = 0;
    for (guint i = 0; i < class->host_count;) {
        guint32 index = class->hosts[i];
        if (!sched_host_has_room(matcher, class, index)) {
            drop_host(class, i);
            continue;
        }
        gint64 rank = sched_rank_host(class->rank, pools, index);
        if (best < 0 || rank > best_rank || (rank == best_rank && index < class->hosts[best])) {
            if (!sched_host_meets(matcher, class, index)) {
                drop_host(class, i);
                continue;
            }
            best = i;
            best_rank = rank;
        }
        i++;
    }
    return best;
}

static void charge(SchedPools *pools, const SchedVm *vm, SchedHost *host, SchedDatastore *datastore)
{
    host->placed++;
    host->placed_cpu += vm->cpu;
    host->placed_mem += vm->memory;
    host->version++;
    if (host->placed_vms == NULL)
        host->placed_vms = g_array_new(FALSE, FALSE, sizeof(gint32));
    g_array_append_val(host->placed_vms, vm->id);
    sched_take_devices(host, vm);
    sched_group_took(vm, host->id);
    if (datastore != NULL && vm->host < 0) {
        if (datastore->shared)
            datastore->placed_mb += vm->system_mb;
        else
            host->placed_disk += vm->system_mb;
        datastore->version++;
    }
    for (guint i = 0; vm->image_space != NULL && vm->host < 0 && i < vm->image_space->len; i++) {
        const SchedImageSpace *space = &g_array_index(vm->image_space, SchedImageSpace, i);
        SchedDatastore *image_store = sched_find_datastore(pools, space->datastore);
        if (image_store != NULL) {
            image_store->placed_mb += space->mb;
            image_store->version++;
        }
    }
}

/* Finds a place and takes it; FALSE when there is none. */
static gboolean place(SchedPools *pools, SchedMatcher *matcher, SchedClass *class,
                      const SchedVm *vm, SchedOrder *order)
{
    g_autoptr(GArray) networks = g_array_new(FALSE, FALSE, sizeof(gint32));
    const SchedNic *missing;
    gint position;
    gint64 mb;
    if (vm->cannot != NULL || class->error != NULL ||
        sched_full_image_datastore(pools, vm, &mb) != NULL)
        return FALSE;
    if (!class->begun)
        begin_class(matcher, pools, class);
    while ((position = best_host(matcher, pools, class)) >= 0) {
        SchedHost *host = &g_array_index(pools->hosts, SchedHost, class->hosts[position]);
        SchedDatastore *datastore = NULL;
        if (needs_datastore(pools, vm)) {
            gint chosen = choose_datastore(matcher, pools, class, vm, class->hosts[position]);
            if (chosen < 0) {
                drop_host(class, position);
                continue;
            }
            datastore = &g_array_index(pools->datastores, SchedDatastore, chosen);
        }
        if (vm->nics != NULL && !sched_choose_networks(matcher, vm, host, networks, &missing)) {
            drop_host(class, position);
            continue;
        }
        *order = (SchedOrder){vm, host->id, datastore != NULL ? datastore->id : -1, host->name,
                              take_networks(pools, vm, networks)};
        charge(pools, vm, host, datastore);
        return TRUE;
    }
    return FALSE;
}

/* ---- The plan ---- */

static int more_important(gconstpointer a, gconstpointer b)
{
    const SchedVm *left = *(const SchedVm *const *)a, *right = *(const SchedVm *const *)b;
    if (left->priority != right->priority)
        return left->priority > right->priority ? -1 : 1;
    return (left->id > right->id) - (left->id < right->id);
}

static GPtrArray *in_order(const SchedPools *pools, guint max_vms, guint *postponed)
{
    guint count = pools->vms->len;
    if (max_vms > 0 && count > max_vms) {
        *postponed += count - max_vms;
        count = max_vms;
    }
    GPtrArray *vms = g_ptr_array_sized_new(count);
    for (guint i = 0; i < count; i++)
        g_ptr_array_add(vms, &g_array_index(pools->vms, SchedVm, i));
    g_ptr_array_sort(vms, more_important);
    return vms;
}

/* Whether only MAX_HOST stands in the way: found once for each class. */
static gboolean is_delayed(SchedMatcher *matcher, const SchedPools *pools, SchedClass *class)
{
    for (guint i = 0; !class->stuck && !class->delayed && i < pools->hosts->len; i++)
        class->delayed = sched_test_host(matcher, class, i) == SCHED_TOO_MANY;
    class->stuck = TRUE;
    return class->delayed;
}

SchedPlan *sched_plan_new(SchedPools *pools, SchedMatcher *matcher, guint max_vms, guint max_orders)
{
    SchedPlan *plan = g_new0(SchedPlan, 1);
    plan->orders = g_array_new(FALSE, FALSE, sizeof(SchedOrder));
    g_array_set_clear_func(plan->orders, (GDestroyNotify)order_clear);
    plan->stranded = g_array_new(FALSE, FALSE, sizeof(SchedStranded));
    g_autoptr(GPtrArray) vms = in_order(pools, max_vms, &plan->postponed);
    g_autoptr(GArray) homeless = g_array_new(FALSE, FALSE, sizeof(SchedStranded));
    for (guint i = 0; i < vms->len; i++) {
        if (max_orders > 0 && plan->orders->len >= max_orders) {
            plan->postponed += vms->len - i;
            break;
        }
        SchedOrder order;
        SchedStranded candidate = {vms->pdata[i], sched_class_of(matcher, vms->pdata[i])};
        if (place(pools, matcher, candidate.class, candidate.vm, &order))
            g_array_append_val(plan->orders, order);
        else
            g_array_append_val(homeless, candidate);
    }
    for (guint i = 0; i < homeless->len; i++) {
        SchedStranded *candidate = &g_array_index(homeless, SchedStranded, i);
        if (is_delayed(matcher, pools, candidate->class))
            plan->postponed++;
        else
            g_array_append_val(plan->stranded, *candidate);
    }
    return plan;
}
