#include "scheduler/match.h"
#include "lib/expr/expr.h"
#include "scheduler/attributes.h"
#include "scheduler/groups.h"
#include "scheduler/rights.h"
#include <string.h>

/* What is known of one host or datastore. */
enum { UNKNOWN = 0, NOT_MET = 1, MET = 2, CHANGING = 4 };

struct SchedRequirement {
    Expr *expr;
    char *error;
    guint8 *results;
    guint32 *versions; /* of the object when a changing result was found */
};

/* Rights of one user in the machines of one group. */
typedef struct {
    gint32 uid, gid;
    guint8 *hosts; /* UNKNOWN, NOT_MET or MET */
    guint8 *datastores;
} Principal;

/* What makes two machines ask for the same. Texts are kept once, so pointers tell. */
typedef struct {
    const char *automatic, *required, *automatic_ds, *required_ds, *rank, *ds_rank;
    gint64 cpu, memory, system_mb;
    gint32 uid, gid, leaves, alone;
} Key;

struct SchedMatcher {
    SchedPools *pools;
    SchedLimits limits;
    GHashTable *host_requirements, *ds_requirements; /* text -> SchedRequirement */
    GHashTable *host_ranks, *ds_ranks;               /* text -> SchedRank */
    GHashTable *net_requirements, *net_ranks;        /* the same of networks */
    GHashTable *principals;                          /* uid and gid -> Principal */
    GHashTable *classes;                             /* Key -> SchedClass */
};

static void requirement_free(SchedRequirement *requirement)
{
    g_clear_pointer(&requirement->expr, expr_free);
    g_free(requirement->error);
    g_free(requirement->results);
    g_free(requirement->versions);
    g_free(requirement);
}

static void principal_free(Principal *principal)
{
    g_free(principal->hosts);
    g_free(principal->datastores);
    g_free(principal);
}

static void class_free(SchedClass *class)
{
    g_free(class->error);
    g_free(class->reason);
    g_free(class->hosts);
    g_clear_pointer(&class->datastores, g_array_unref);
    g_free(class);
}

static guint key_hash(gconstpointer key)
{
    const guint32 *words = key;
    guint hash = 5381;
    for (guint i = 0; i < sizeof(Key) / sizeof *words; i++)
        hash = (hash ^ words[i]) * 0x9e3779b1u;
    return hash;
}

static gboolean key_equal(gconstpointer a, gconstpointer b)
{
    return memcmp(a, b, sizeof(Key)) == 0;
}

static GHashTable *by_text(gpointer free_value)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)free_value);
}

SchedMatcher *sched_matcher_new(SchedPools *pools, const SchedLimits *limits)
{
    SchedMatcher *matcher = g_new0(SchedMatcher, 1);
    matcher->pools = pools;
    matcher->limits = *limits;
    matcher->host_requirements = by_text(requirement_free);
    matcher->ds_requirements = by_text(requirement_free);
    matcher->net_requirements = by_text(requirement_free);
    matcher->net_ranks = by_text(sched_rank_free);
    matcher->host_ranks = by_text(sched_rank_free);
    matcher->ds_ranks = by_text(sched_rank_free);
    matcher->principals =
        g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, (GDestroyNotify)principal_free);
    matcher->classes =
        g_hash_table_new_full(key_hash, key_equal, g_free, (GDestroyNotify)class_free);
    return matcher;
}

void sched_matcher_free(SchedMatcher *matcher)
{
    if (matcher == NULL)
        return;
    g_hash_table_unref(matcher->classes);
    g_hash_table_unref(matcher->principals);
    g_hash_table_unref(matcher->host_requirements);
    g_hash_table_unref(matcher->ds_requirements);
    g_hash_table_unref(matcher->net_requirements);
    g_hash_table_unref(matcher->net_ranks);
    g_hash_table_unref(matcher->host_ranks);
    g_hash_table_unref(matcher->ds_ranks);
    g_free(matcher);
}

/* ---- Requirements ---- */

/* CURRENT_VMS is a list: "= 23" asks whether it holds 23, "!= 23" whether it does not. */
static char *as_list(const char *text)
{
    static GRegex *unequal, *equal;
    if (unequal == NULL) {
        unequal = g_regex_new("\\bCURRENT_VMS[ \\t]*![ \\t]*=[ \\t]*(\"[^\"]*\"|[^ \\t&|!()]+)",
                              G_REGEX_OPTIMIZE, 0, NULL);
        equal = g_regex_new("\\bCURRENT_VMS[ \\t]*=", G_REGEX_OPTIMIZE, 0, NULL);
    }
    g_autofree char *once = g_regex_replace(unequal, text, -1, 0, "!(CURRENT_VMS @> \\1)", 0, NULL);
    return once != NULL ? g_regex_replace(equal, once, -1, 0, "CURRENT_VMS @>", 0, NULL) : NULL;
}

static SchedRequirement *requirement_of(GHashTable *table, const char *text, guint objects)
{
    if (text == NULL)
        return NULL;
    SchedRequirement *requirement = g_hash_table_lookup(table, text);
    if (requirement != NULL)
        return requirement;
    requirement = g_new0(SchedRequirement, 1);
    g_autoptr(GError) error = NULL;
    requirement->expr = expr_parse_requirement(text, &error);
    if (requirement->expr != NULL && strstr(text, "CURRENT_VMS") != NULL) {
        g_autofree char *list = as_list(text);
        Expr *better = list != NULL ? expr_parse_requirement(list, NULL) : NULL;
        if (better != NULL) {
            expr_free(requirement->expr);
            requirement->expr = better;
        }
    }
    if (requirement->expr == NULL)
        requirement->error = g_strdup(error->message);
    requirement->results = g_new0(guint8, objects);
    requirement->versions = g_new0(guint32, objects);
    g_hash_table_insert(table, (gpointer)text, requirement);
    return requirement;
}

static gboolean met(SchedRequirement *requirement, guint index, SchedView *view, guint32 version)
{
    guint8 *result = &requirement->results[index];
    if (*result == UNKNOWN || ((*result & CHANGING) && requirement->versions[index] != version)) {
        gboolean good =
            requirement->expr != NULL && expr_matches(requirement->expr, sched_lookup, view);
        *result = (good ? MET : NOT_MET) | (view->changing ? CHANGING : 0);
        requirement->versions[index] = version;
        sched_view_clear(view);
    }
    return (*result & MET) != 0;
}

static gboolean met_by_host(const SchedMatcher *matcher, SchedRequirement *requirement, guint index)
{
    const SchedHost *host = &g_array_index(matcher->pools->hosts, SchedHost, index);
    return requirement == NULL ||
           met(requirement, index, &(SchedView){.pools = matcher->pools, .host = host},
               host->version);
}

static gboolean met_by_datastore(const SchedMatcher *matcher, SchedRequirement *requirement,
                                 guint index)
{
    const SchedDatastore *datastore =
        &g_array_index(matcher->pools->datastores, SchedDatastore, index);
    return requirement == NULL ||
           met(requirement, index, &(SchedView){.pools = matcher->pools, .datastore = datastore},
               datastore->version);
}

/* ---- Rights ---- */

static Principal *principal_of(SchedMatcher *matcher, const SchedVm *vm)
{
    Principal wanted = {.uid = vm->uid, .gid = vm->gid};
    Principal *known = g_hash_table_lookup(matcher->principals, &wanted);
    if (known != NULL)
        return known;
    known = g_new0(Principal, 1);
    known->uid = vm->uid;
    known->gid = vm->gid;
    known->hosts = g_new0(guint8, matcher->pools->hosts->len);
    known->datastores = g_new0(guint8, matcher->pools->datastores->len);
    g_hash_table_insert(matcher->principals, known, known);
    return known;
}

static gboolean may_use_host(SchedMatcher *matcher, const SchedVm *vm, guint index)
{
    guint8 *known = &principal_of(matcher, vm)->hosts[index];
    if (*known == UNKNOWN)
        *known = sched_may_use_host(matcher->pools, vm->uid, vm->gid,
                                    &g_array_index(matcher->pools->hosts, SchedHost, index))
                     ? MET
                     : NOT_MET;
    return *known == MET;
}

static gboolean may_use_datastore(SchedMatcher *matcher, const SchedVm *vm, guint index)
{
    guint8 *known = &principal_of(matcher, vm)->datastores[index];
    if (*known == UNKNOWN)
        *known = sched_may_use_datastore(
                     matcher->pools, vm->uid, vm->gid,
                     &g_array_index(matcher->pools->datastores, SchedDatastore, index))
                     ? MET
                     : NOT_MET;
    return *known == MET;
}

/* ---- Classes ---- */

static SchedRank *rank_of(GHashTable *table, const char *text, const char *otherwise, guint objects)
{
    const char *used = text != NULL ? text : otherwise != NULL ? otherwise : "";
    SchedRank *rank = g_hash_table_lookup(table, used);
    if (rank == NULL) {
        rank = sched_rank_new(used, objects);
        g_hash_table_insert(table, (gpointer)used, rank);
    }
    return rank;
}

static void note_error(SchedClass *class, const char *name, const char *text,
                       const SchedRequirement *requirement)
{
    if (class->error == NULL && requirement != NULL && requirement->error != NULL)
        class->error =
            g_strdup_printf("Error in %s: '%s', error: %s", name, text, requirement->error);
}

static SchedClass *class_new(SchedMatcher *matcher, const SchedVm *vm)
{
    guint hosts = matcher->pools->hosts->len, datastores = matcher->pools->datastores->len;
    SchedClass *class = g_new0(SchedClass, 1);
    class->vm = vm;
    class->automatic = requirement_of(matcher->host_requirements, vm->automatic, hosts);
    class->required = requirement_of(matcher->host_requirements, vm->requirements, hosts);
    class->automatic_ds = requirement_of(matcher->ds_requirements, vm->automatic_ds, datastores);
    class->required_ds = requirement_of(matcher->ds_requirements, vm->ds_requirements, datastores);
    class->rank = rank_of(matcher->host_ranks, vm->rank, matcher->limits.default_rank, hosts);
    class->ds_rank =
        rank_of(matcher->ds_ranks, vm->ds_rank, matcher->limits.default_ds_rank, datastores);
    note_error(class, "AUTOMATIC_REQUIREMENTS", vm->automatic, class->automatic);
    note_error(class, "SCHED_REQUIREMENTS", vm->requirements, class->required);
    note_error(class, "AUTOMATIC_DS_REQUIREMENTS", vm->automatic_ds, class->automatic_ds);
    note_error(class, "SCHED_DS_REQUIREMENTS", vm->ds_requirements, class->required_ds);
    for (guint i = 0; vm->nics != NULL && i < vm->nics->len; i++) {
        const char *text = g_array_index(vm->nics, SchedNic, i).requirements;
        note_error(class, "NIC/SCHED_REQUIREMENTS", text,
                   requirement_of(matcher->net_requirements, text, matcher->pools->networks->len));
    }
    return class;
}

SchedClass *sched_class_of(SchedMatcher *matcher, const SchedVm *vm)
{
    /* Devices and networks are taken one by one, so who asks for one is a class by itself; so is
     * who has a role in a group of machines. */
    Key key = {vm->automatic,
               vm->requirements,
               vm->automatic_ds,
               vm->ds_requirements,
               vm->rank,
               vm->ds_rank,
               vm->cpu,
               vm->memory,
               vm->system_mb,
               vm->uid,
               vm->gid,
               vm->resched ? vm->host : -1,
               vm->pci != NULL || vm->nics != NULL || vm->resched || vm->role != NULL ? vm->id
                                                                                      : -1};
    SchedClass *class = g_hash_table_lookup(matcher->classes, &key);
    if (class == NULL) {
        class = class_new(matcher, vm);
        g_hash_table_insert(matcher->classes, g_memdup2(&key, sizeof key), class);
    }
    return class;
}

/* ---- Hosts ---- */

static SchedHostTest test_state(gint32 state)
{
    switch (state) {
    case 1:
    case 2:
        return SCHED_FITS;
    case 3:
    case 5:
        return SCHED_IN_ERROR;
    case 4:
    case 7:
    case 8:
        return SCHED_DISABLED;
    }
    return SCHED_NOT_MONITORED;
}

static gboolean is_any(const char *wanted)
{
    return wanted == NULL || *wanted == '\0';
}

/* Numbers in hexadecimal, as oned reads them: "10de" and "0x10DE" are the same. */
static gboolean same_or_any(const char *wanted, const char *has)
{
    char *end = NULL, *other = NULL;
    if (is_any(wanted) || has == NULL)
        return is_any(wanted);
    guint64 first = g_ascii_strtoull(wanted, &end, 16), second = g_ascii_strtoull(has, &other, 16);
    gboolean numbers = end != wanted && *end == '\0' && other != has && *other == '\0';
    return numbers ? first == second : g_ascii_strcasecmp(wanted, has) == 0;
}

/* One that names its device in another way is for oned to look at. */
static gboolean is_wish(const SchedPci *want)
{
    return !is_any(want->vendor) || !is_any(want->device) || !is_any(want->class) ||
           !is_any(want->address);
}

/* A device that is free is found for the wish `index`; another wish may give up the one that was
 * found for it, for another: oned chooses in the same way. */
static gboolean find_device(const SchedHost *host, const GArray *wanted, guint index, gint *takers,
                            gboolean *seen)
{
    const SchedPci *want = &g_array_index(wanted, SchedPci, index);
    for (guint i = 0; host->pci != NULL && i < host->pci->len; i++) {
        const SchedPci *device = &g_array_index(host->pci, SchedPci, i);
        if (seen[i] || device->vmid >= 0 || !same_or_any(want->vendor, device->vendor) ||
            !same_or_any(want->device, device->device) ||
            !same_or_any(want->class, device->class) ||
            !same_or_any(want->address, device->address))
            continue;
        seen[i] = TRUE;
        if (takers[i] >= 0 && !find_device(host, wanted, (guint)takers[i], takers, seen))
            continue;
        takers[i] = (gint)index;
        return TRUE;
    }
    return FALSE;
}

/* A device for each wish: the number of its taker in `takers`, as long as the host's list. */
static gboolean find_devices(const SchedHost *host, const GArray *wanted, gint *takers)
{
    guint count = host->pci != NULL ? host->pci->len : 0;
    g_autofree gboolean *seen = g_new(gboolean, count + 1);
    for (guint i = 0; i < count; i++)
        takers[i] = -1;
    for (guint i = 0; i < wanted->len; i++) {
        memset(seen, 0, (count + 1) * sizeof *seen);
        if (is_wish(&g_array_index(wanted, SchedPci, i)) &&
            !find_device(host, wanted, i, takers, seen))
            return FALSE;
    }
    return TRUE;
}

gboolean sched_take_devices(SchedHost *host, const SchedVm *vm)
{
    guint count = host->pci != NULL ? host->pci->len : 0;
    g_autofree gint *takers = g_new(gint, count + 1);
    if (vm->pci == NULL)
        return TRUE;
    if (!find_devices(host, vm->pci, takers))
        return FALSE;
    for (guint i = 0; i < count; i++)
        if (takers[i] >= 0)
            g_array_index(host->pci, SchedPci, i).vmid = vm->id;
    return TRUE;
}

static gboolean has_devices(const SchedHost *host, const SchedVm *vm)
{
    g_autofree gint *takers = g_new(gint, (host->pci != NULL ? host->pci->len : 0) + 1);
    return find_devices(host, vm->pci, takers);
}

static SchedHostTest test_room(const SchedHost *host, const SchedVm *vm)
{
    if (vm->cpu > host->max_cpu - host->cpu_usage - host->placed_cpu)
        return SCHED_NO_CPU;
    if (vm->memory > host->max_mem - host->mem_usage - host->placed_mem)
        return SCHED_NO_MEMORY;
    if (vm->pci != NULL && !has_devices(host, vm))
        return SCHED_NO_PCI;
    return SCHED_FITS;
}

static gboolean too_many(const SchedMatcher *matcher, const SchedHost *host)
{
    return matcher->limits.per_host > 0 && host->placed >= matcher->limits.per_host;
}

SchedHostTest sched_test_host(SchedMatcher *matcher, const SchedClass *class, guint index)
{
    const SchedHost *host = &g_array_index(matcher->pools->hosts, SchedHost, index);
    const SchedVm *vm = class->vm;
    SchedHostTest test = test_state(host->state);
    if (test != SCHED_FITS)
        return test;
    if (vm->resched && vm->host == host->id)
        return SCHED_IS_HERE;
    if (!may_use_host(matcher, vm, index))
        return SCHED_NO_RIGHT;
    test = test_room(host, vm);
    if (test != SCHED_FITS)
        return test;
    if (!met_by_host(matcher, class->automatic, index))
        return SCHED_NOT_AUTOMATIC;
    if (!met_by_host(matcher, class->required, index))
        return SCHED_NOT_REQUIRED;
    test = sched_test_group(vm, host->id);
    if (test != SCHED_FITS)
        return test;
    return too_many(matcher, host) ? SCHED_TOO_MANY : SCHED_FITS;
}

gboolean sched_host_may_fit(SchedMatcher *matcher, const SchedClass *class, guint index)
{
    const SchedHost *host = &g_array_index(matcher->pools->hosts, SchedHost, index);
    return test_state(host->state) == SCHED_FITS &&
           !(class->vm->resched && class->vm->host == host->id) &&
           may_use_host(matcher, class->vm, index);
}

gboolean sched_host_has_room(const SchedMatcher *matcher, const SchedClass *class, guint index)
{
    const SchedHost *host = &g_array_index(matcher->pools->hosts, SchedHost, index);
    return test_room(host, class->vm) == SCHED_FITS && !too_many(matcher, host);
}

gboolean sched_host_meets(const SchedMatcher *matcher, const SchedClass *class, guint index)
{
    return met_by_host(matcher, class->automatic, index) &&
           met_by_host(matcher, class->required, index) &&
           sched_test_group(class->vm, g_array_index(matcher->pools->hosts, SchedHost, index).id) ==
               SCHED_FITS;
}

/* ---- Datastores ---- */

SchedDatastoreTest sched_test_datastore(SchedMatcher *matcher, const SchedClass *class, guint index)
{
    const SchedDatastore *datastore =
        &g_array_index(matcher->pools->datastores, SchedDatastore, index);
    if (datastore->state != 0)
        return SCHED_DS_DISABLED;
    if (!may_use_datastore(matcher, class->vm, index))
        return SCHED_DS_NO_RIGHT;
    if (!met_by_datastore(matcher, class->automatic_ds, index))
        return SCHED_DS_NOT_AUTOMATIC;
    if (!met_by_datastore(matcher, class->required_ds, index))
        return SCHED_DS_NOT_REQUIRED;
    return SCHED_DS_FITS;
}

gboolean sched_datastore_serves(const SchedDatastore *datastore, const SchedHost *host)
{
    if (datastore->clusters == NULL)
        return TRUE;
    for (guint i = 0; i < datastore->clusters->len; i++)
        if (g_array_index(datastore->clusters, gint32, i) == host->cluster)
            return TRUE;
    return FALSE;
}

gboolean sched_datastore_has_room(const SchedDatastore *datastore, const SchedHost *host, gint64 mb)
{
    if (datastore->unchecked || mb <= 0)
        return TRUE;
    if (datastore->shared)
        return datastore->total_mb <= 0 || mb <= datastore->free_mb - datastore->placed_mb;
    for (guint i = 0; host->local != NULL && i < host->local->len; i++) {
        const SchedLocalSpace *space = &g_array_index(host->local, SchedLocalSpace, i);
        if (space->datastore == datastore->id)
            return mb <= space->free_mb - host->placed_disk;
    }
    return host->free_disk < 0 || mb <= host->free_disk - host->placed_disk;
}

/* ---- Networks ---- */

enum { NETWORK_READY = 1 };

static gboolean met_by_network(SchedMatcher *matcher, const char *text, guint index)
{
    const SchedNetwork *network = &g_array_index(matcher->pools->networks, SchedNetwork, index);
    SchedRequirement *requirement =
        requirement_of(matcher->net_requirements, text, matcher->pools->networks->len);
    return requirement == NULL ||
           met(requirement, index, &(SchedView){.pools = matcher->pools, .network = network},
               network->version);
}

SchedNetworkTest sched_test_network(SchedMatcher *matcher, const SchedVm *vm, const SchedNic *nic,
                                    guint index)
{
    const SchedNetwork *network = &g_array_index(matcher->pools->networks, SchedNetwork, index);
    if (network->state != NETWORK_READY)
        return SCHED_NET_NOT_READY;
    if (!sched_may_use_network(matcher->pools, vm->uid, vm->gid, network))
        return SCHED_NET_NO_RIGHT;
    if (!met_by_network(matcher, vm->automatic_nic, index))
        return SCHED_NET_NOT_AUTOMATIC;
    if (!met_by_network(matcher, nic->requirements, index))
        return SCHED_NET_NOT_REQUIRED;
    return network->used + network->placed < network->size ? SCHED_NET_FITS : SCHED_NET_FULL;
}

static gboolean holds(const GArray *ids, gint32 id)
{
    for (guint i = 0; ids != NULL && i < ids->len; i++)
        if (g_array_index(ids, gint32, i) == id)
            return TRUE;
    return FALSE;
}

/* Addresses of that network among those that were chosen for other cards of the machine. */
static gint64 chosen_before(const GArray *chosen, gint32 id)
{
    gint64 count = 0;
    for (guint i = 0; i < chosen->len; i++)
        count += g_array_index(chosen, gint32, i) == id;
    return count;
}

/* The highest ranked network for a card on that host; -1: none. */
static gint32 best_network(SchedMatcher *matcher, const SchedVm *vm, const SchedNic *nic,
                           const SchedHost *host, const GArray *chosen)
{
    const GArray *networks = matcher->pools->networks;
    SchedRank *rank =
        rank_of(matcher->net_ranks, nic->rank, matcher->limits.default_nic_rank, networks->len);
    gint32 best = -1;
    gint64 best_rank = 0;
    for (guint i = 0; i < networks->len; i++) {
        const SchedNetwork *network = &g_array_index(networks, SchedNetwork, i);
        gint64 before = chosen_before(chosen, network->id);
        if (!holds(network->clusters, host->cluster) ||
            (before > 0 && !matcher->limits.same_networks) ||
            sched_test_network(matcher, vm, nic, i) != SCHED_NET_FITS ||
            network->used + network->placed + before >= network->size)
            continue;
        gint64 value = sched_rank_network(rank, matcher->pools, i);
        if (best < 0 || value > best_rank) {
            best = network->id;
            best_rank = value;
        }
    }
    return best;
}

gboolean sched_choose_networks(SchedMatcher *matcher, const SchedVm *vm, const SchedHost *host,
                               GArray *chosen, const SchedNic **missing)
{
    g_array_set_size(chosen, 0);
    for (guint i = 0; vm->nics != NULL && i < vm->nics->len; i++) {
        const SchedNic *nic = &g_array_index(vm->nics, SchedNic, i);
        gint32 network = best_network(matcher, vm, nic, host, chosen);
        if (network < 0) {
            *missing = nic;
            return FALSE;
        }
        g_array_append_val(chosen, network);
    }
    return TRUE;
}

void sched_class_datastores(SchedMatcher *matcher, SchedClass *class)
{
    if (class->datastores != NULL)
        return;
    class->datastores = g_array_new(FALSE, FALSE, sizeof(guint32));
    for (guint32 i = 0; i < matcher->pools->datastores->len; i++) {
        const SchedDatastore *datastore =
            &g_array_index(matcher->pools->datastores, SchedDatastore, i);
        if (datastore->type == SCHED_DS_SYSTEM &&
            sched_test_datastore(matcher, class, i) == SCHED_DS_FITS)
            g_array_append_val(class->datastores, i);
    }
}
