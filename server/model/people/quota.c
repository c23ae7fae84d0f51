#include "server/model/people/quota_private.h"

#include "lib/base/error.h"
#include "server/model/place/host.h"
#include "server/model/people/user.h"

#include <string.h>

/* ---- types and metrics ---- */

static const struct {
    const char *name;
    guint count;
    const char *metrics[VM_METRICS + 1]; /* ends with NULL */
} types[QUOTA_TYPES] = {
    [QUOTA_VM] = {"VM",
                  VM_METRICS,
                  {"CPU", "MEMORY", "PCI_DEV", "PCI_NIC", "RUNNING_CPU", "RUNNING_MEMORY",
                   "RUNNING_PCI_DEV", "RUNNING_PCI_NIC", "RUNNING_VMS", "SYSTEM_DISK_SIZE", "VMS"}},
    [QUOTA_DATASTORE] = {"DATASTORE", 2, {"IMAGES", "SIZE"}},
    [QUOTA_NETWORK] = {"NETWORK", 1, {"LEASES"}},
    [QUOTA_IMAGE] = {"IMAGE", 1, {"RVMS"}},
};

const char *quota_type_name(QuotaType type)
{
    return types[type].name;
}

guint quota_metrics(const Quotas *quotas, QuotaType type)
{
    return types[type].count + (type == QUOTA_VM ? quotas->generic->len : 0);
}

const char *quota_metric_name(const Quotas *quotas, QuotaType type, guint metric)
{
    return metric < types[type].count ? types[type].metrics[metric]
                                      : quotas->generic->pdata[metric - VM_METRICS];
}

/* ---- books ---- */

static void entry_free(gpointer data)
{
    QuotaEntry *entry = data;
    g_clear_pointer(&entry->clusters, g_array_unref);
    g_free(entry->unknown);
    g_free(entry->limits);
    g_free(entry->used);
    g_free(entry->found);
    g_free(entry);
}

static void book_free(gpointer data)
{
    QuotaBook *book = data;
    g_ptr_array_unref(book->entries);
    g_free(book);
}

/* An attribute that machines may have, and the same of those that run. */
static void add_generic(Quotas *quotas, const char *name)
{
    g_autofree char *upper = g_ascii_strup(name, -1);
    if (quotas->generic->len >= 2 * QUOTA_GENERIC_MAX ||
        g_strv_contains(types[QUOTA_VM].metrics, upper) ||
        g_ptr_array_find_with_equal_func(quotas->generic, upper, g_str_equal, NULL))
        return;
    g_ptr_array_add(quotas->generic, g_strdup(upper));
    g_ptr_array_add(quotas->generic, g_strconcat("RUNNING_", upper, NULL));
}

Quotas *quotas_new(Config *config)
{
    Quotas *quotas = g_new0(Quotas, 1);
    const char *name;
    for (guint i = 0; i < QUOTA_OWNERS; i++)
        quotas->books[i] = g_hash_table_new_full(NULL, NULL, NULL, book_free);
    quotas->changed = g_ptr_array_new();
    quotas->unsaved = g_ptr_array_new();
    quotas->generic = g_ptr_array_new_with_free_func(g_free);
    quotas->wrong = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; (name = config_list(config, "QUOTA_VM_ATTRIBUTE", i)); i++)
        add_generic(quotas, name);
    return quotas;
}

void quotas_free(Quotas *quotas)
{
    for (guint i = 0; i < QUOTA_OWNERS; i++)
        g_hash_table_unref(quotas->books[i]);
    g_ptr_array_unref(quotas->changed);
    g_ptr_array_unref(quotas->unsaved);
    g_ptr_array_unref(quotas->generic);
    g_ptr_array_unref(quotas->wrong);
    g_free(quotas);
}

QuotaBook *quota_book(World *world, QuotaOwner kind, gint32 owner)
{
    return g_hash_table_lookup(world->quotas->books[kind], GINT_TO_POINTER(owner));
}

static QuotaEntry *entry_new(const Quotas *quotas, QuotaType type, const GArray *clusters)
{
    QuotaEntry *entry = g_new0(QuotaEntry, 1);
    entry->type = type;
    entry->count = quota_metrics(quotas, type);
    entry->clusters = clusters ? g_array_copy((GArray *)clusters) : NULL;
    entry->limits = g_new(gint64, entry->count);
    entry->used = g_new0(gint64, entry->count);
    for (guint i = 0; i < entry->count; i++)
        entry->limits[i] = QUOTA_BY_OTHERS;
    return entry;
}

static gint compare_clusters(const GArray *one, const GArray *other)
{
    if (!one || !other)
        return (one != NULL) - (other != NULL);
    for (guint i = 0; i < MIN(one->len, other->len); i++) {
        gint32 a = g_array_index(one, gint32, i), b = g_array_index(other, gint32, i);
        if (a != b)
            return a < b ? -1 : 1;
    }
    return (gint)one->len - (gint)other->len;
}

QuotaEntry *quota_entry(World *world, QuotaOwner kind, gint32 owner, QuotaType type, gint32 ref,
                        const GArray *clusters, gboolean make)
{
    QuotaBook *book = quota_book(world, kind, owner);
    if (!book && !make)
        return NULL;
    if (!book) {
        book = g_new0(QuotaBook, 1);
        book->entries = g_ptr_array_new_with_free_func(entry_free);
        g_hash_table_insert(world->quotas->books[kind], GINT_TO_POINTER(owner), book);
    }
    guint low = 0, high = book->entries->len;
    while (low < high) {
        guint middle = (low + high) / 2;
        QuotaEntry *entry = book->entries->pdata[middle];
        gint order = entry->type != type ? (gint)entry->type - (gint)type
                     : entry->ref != ref ? (entry->ref < ref ? -1 : 1)
                                         : compare_clusters(entry->clusters, clusters);
        if (order == 0)
            return entry;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (!make)
        return NULL;
    QuotaEntry *entry = entry_new(world->quotas, type, clusters);
    entry->kind = kind;
    entry->owner = owner;
    entry->ref = ref;
    g_ptr_array_insert(book->entries, (gint)low, entry);
    return entry;
}

gboolean quota_entry_is_blank(const QuotaEntry *entry)
{
    for (guint i = 0; i < entry->count; i++)
        if (entry->used[i] != 0 || entry->limits[i] != QUOTA_BY_OTHERS)
            return FALSE;
    return !entry->unknown;
}

static Object *owner_object(World *world, QuotaOwner kind, gint32 owner)
{
    return pool_get(world, kind == QUOTA_USER ? KIND_USER : KIND_GROUP, owner);
}

void quota_entry_changed(World *world, QuotaEntry *entry)
{
    Object *owner = owner_object(world, entry->kind, entry->owner);
    if (world->loading)
        return;
    if (owner) {
        object_touched(world, owner);
        owner->changed = world->pools[owner->kind].changed = core_batch(world->core);
    }
    if (!entry->unsaved) {
        entry->unsaved = TRUE;
        g_ptr_array_add(world->quotas->unsaved, entry);
    }
}

/* ---- charging ---- */

/* Sums may pass 64 bits when somebody claims exabytes; what was added comes off again. */
static gint64 wrapped_sum(gint64 one, gint64 other)
{
    gint64 sum;
    (void)__builtin_add_overflow(one, other, &sum);
    return sum;
}

/* oneadmin and its group take what they want. */
static gboolean is_counted(World *world, QuotaOwner kind, gint32 owner)
{
    return owner > 0 && owner_object(world, kind, owner) != NULL;
}

/* Nobody's quota counts what is oneadmin's and its group's: it need not be worked out. */
static gboolean may_count(const Object *object)
{
    return object->uid > 0 || object->gid > 0;
}

/* The entry per cluster of which the cluster is a part; NULL: none. */
static QuotaEntry *cluster_entry(World *world, QuotaOwner kind, gint32 owner, gint32 cluster)
{
    const QuotaBook *book = cluster >= 0 ? quota_book(world, kind, owner) : NULL;
    for (guint i = 0; book && i < book->entries->len; i++) {
        QuotaEntry *entry = book->entries->pdata[i];
        if (entry->type != QUOTA_VM)
            break;
        if (entry->clusters && ids_contain(entry->clusters, cluster))
            return entry;
    }
    return NULL;
}

static void charge_owner(World *world, const QuotaUse *use, QuotaOwner kind, gint32 owner,
                         gint sign)
{
    if (!is_counted(world, kind, owner))
        return;
    for (guint i = 0; i < use->items->len; i++) {
        const QuotaItem *item = &g_array_index(use->items, QuotaItem, i);
        QuotaEntry *entries[] = {
            quota_entry(world, kind, owner, item->type, item->ref, NULL, TRUE),
            item->type == QUOTA_VM ? cluster_entry(world, kind, owner, use->cluster) : NULL};
        for (guint j = 0; j < G_N_ELEMENTS(entries) && entries[j]; j++) {
            gint64 *used = &entries[j]->used[item->metric];
            *used = wrapped_sum(*used, sign * item->amount);
            quota_entry_changed(world, entries[j]);
        }
    }
}

void quota_charge(World *world, const QuotaUse *use, gint sign)
{
    if (!use)
        return;
    charge_owner(world, use, QUOTA_USER, use->uid, sign);
    charge_owner(world, use, QUOTA_GROUP, use->gid, sign);
}

static gboolean uses_equal(const QuotaUse *one, const QuotaUse *other)
{
    if (!one || !other)
        return one == other;
    if (one->uid != other->uid || one->gid != other->gid || one->cluster != other->cluster ||
        one->items->len != other->items->len)
        return FALSE;
    for (guint i = 0; i < one->items->len; i++) {
        const QuotaItem *a = &g_array_index(one->items, QuotaItem, i);
        const QuotaItem *b = &g_array_index(other->items, QuotaItem, i);
        if (a->type != b->type || a->ref != b->ref || a->metric != b->metric ||
            a->amount != b->amount)
            return FALSE;
    }
    return TRUE;
}

static void recharge(World *world, Object *object)
{
    g_autoptr(QuotaUse) now = may_count(object) ? quota_use_of(world, object) : NULL;
    if (uses_equal(now, object->takes))
        return;
    quota_charge(world, object->takes, -1);
    quota_charge(world, now, 1);
    quota_use_free(object->takes);
    object->takes = g_steal_pointer(&now);
}

void quota_object_changed(World *world, Object *object)
{
    if (object->uncounted)
        return;
    object->uncounted = TRUE;
    g_ptr_array_add(world->quotas->changed, object);
}

/* Of a user or group, the book goes too. */
static void forget_book(World *world, QuotaOwner kind, gint32 owner)
{
    QuotaBook *book = quota_book(world, kind, owner);
    for (guint i = 0; book && i < book->entries->len; i++) {
        QuotaEntry *entry = book->entries->pdata[i];
        for (guint j = 0; j < entry->count; j++) {
            entry->used[j] = 0;
            entry->limits[j] = QUOTA_BY_OTHERS;
        }
        g_clear_pointer(&entry->unknown, g_free);
        if (!entry->unsaved) { /* a blank entry goes when the batch is saved */
            entry->unsaved = TRUE;
            g_ptr_array_add(world->quotas->unsaved, entry);
        }
    }
}

void quota_object_gone(World *world, Object *object)
{
    if (object->uncounted)
        g_ptr_array_remove_fast(world->quotas->changed, object);
    object->uncounted = FALSE;
    quota_charge(world, object->takes, -1);
    g_clear_pointer(&object->takes, quota_use_free);
    if (object->kind == KIND_USER || object->kind == KIND_GROUP)
        forget_book(world, object->kind == KIND_USER ? QUOTA_USER : QUOTA_GROUP, object->id);
}

/* Leaves one out, which may be changed already and not yet be allowed to. */
static void settle_others(World *world, const Object *but)
{
    GPtrArray *changed = world->quotas->changed;
    guint kept = 0;
    for (guint i = 0; i < changed->len; i++) {
        Object *object = changed->pdata[i];
        if (object == but) {
            changed->pdata[kept++] = object;
            continue;
        }
        object->uncounted = FALSE;
        recharge(world, object);
    }
    g_ptr_array_set_size(changed, (gint)kept);
}

void quota_settle(World *world)
{
    settle_others(world, NULL);
}

void quota_entry_recount(World *world, QuotaEntry *entry)
{
    const GPtrArray *vms = world->pools[KIND_VM].order;
    quota_settle(world);
    memset(entry->used, 0, entry->count * sizeof entry->used[0]);
    for (guint i = 0; i < vms->len; i++) {
        const QuotaUse *use = ((Object *)vms->pdata[i])->takes;
        gint32 owner = !use ? -1 : entry->kind == QUOTA_USER ? use->uid : use->gid;
        if (!use || owner != entry->owner || !ids_contain(entry->clusters, use->cluster))
            continue;
        for (guint j = 0; j < use->items->len; j++) {
            const QuotaItem *item = &g_array_index(use->items, QuotaItem, j);
            if (item->type == QUOTA_VM)
                entry->used[item->metric] = wrapped_sum(entry->used[item->metric], item->amount);
        }
    }
}

/* ---- asking ---- */

static gint64 amount_in(const QuotaUse *use, const QuotaItem *wanted)
{
    for (guint i = 0; use && i < use->items->len; i++) {
        const QuotaItem *item = &g_array_index(use->items, QuotaItem, i);
        if (item->type == wanted->type && item->ref == wanted->ref &&
            item->metric == wanted->metric)
            return item->amount;
    }
    return 0;
}

/* The limit that holds; below 0: none. There are no default limits per cluster. */
static gint64 limit_of(World *world, const QuotaEntry *entry, const QuotaItem *item,
                       QuotaOwner kind)
{
    gint64 limit = entry ? entry->limits[item->metric] : QUOTA_BY_OTHERS;
    if (limit != QUOTA_BY_OTHERS || (entry && entry->clusters))
        return limit;
    const QuotaEntry *otherwise =
        quota_entry(world, kind, QUOTA_DEFAULTS, item->type, item->ref, NULL, FALSE);
    return otherwise ? otherwise->limits[item->metric] : QUOTA_UNLIMITED;
}

static gboolean refuse(World *world, QuotaOwner kind, gint32 owner, const QuotaEntry *entry,
                       const QuotaItem *item, gint64 limit, gint64 increase, GError **error)
{
    g_autoptr(GString) text = g_string_new(kind == QUOTA_USER ? "user" : "group");
    g_string_append_printf(text, " [%d] limit of ", owner);
    quota_print_amount(text, limit);
    g_string_append_printf(text, " reached for %s quota in %s",
                           quota_metric_name(world->quotas, item->type, item->metric),
                           types[item->type].name);
    if (item->ref >= 0)
        g_string_append_printf(text, " with ID: %d", item->ref);
    if (entry && entry->clusters) {
        g_autofree char *clusters = ids_print(entry->clusters);
        g_string_append_printf(text, " with CLUSTER_IDS: %s", clusters);
    }
    g_string_append(text, ". Used: ");
    quota_print_amount(text, entry ? entry->used[item->metric] : 0);
    g_string_append(text, ", asked for: ");
    quota_print_amount(text, increase);
    g_set_error(error, ONE_ERROR, ONE_ERROR_AUTHORIZATION, "%s.", text->str);
    return FALSE;
}

/* `before`: what of it is in the entry's counter already. */
static gboolean fits(World *world, QuotaOwner kind, gint32 owner, const QuotaEntry *entry,
                     const QuotaItem *item, gint64 before, GError **error)
{
    gint64 increase = item->amount - before;
    gint64 limit = increase > 0 ? limit_of(world, entry, item, kind) : QUOTA_UNLIMITED;
    gint64 used = entry ? entry->used[item->metric] : 0, after;
    if (limit < 0 || (!__builtin_add_overflow(used, increase, &after) && after <= limit))
        return TRUE;
    return refuse(world, kind, owner, entry, item, limit, increase, error);
}

static gboolean owner_allows(World *world, QuotaOwner kind, gint32 owner, const QuotaUse *before,
                             const QuotaUse *wanted, GError **error)
{
    if (!is_counted(world, kind, owner))
        return TRUE;
    for (guint i = 0; i < wanted->items->len; i++) {
        const QuotaItem *item = &g_array_index(wanted->items, QuotaItem, i);
        gint64 had = amount_in(before, item);
        const QuotaEntry *all = quota_entry(world, kind, owner, item->type, item->ref, NULL, FALSE);
        if (!fits(world, kind, owner, all, item, had, error))
            return FALSE;
        const QuotaEntry *part =
            item->type == QUOTA_VM ? cluster_entry(world, kind, owner, wanted->cluster) : NULL;
        gboolean there =
            part && before && cluster_entry(world, kind, owner, before->cluster) == part;
        if (part && !fits(world, kind, owner, part, item, there ? had : 0, error))
            return FALSE;
    }
    return TRUE;
}

gboolean quota_allows(World *world, const Object *object, QuotaUse *wanted, GError **error)
{
    g_autoptr(QuotaUse) taken = wanted;
    if (!taken)
        return TRUE;
    settle_others(world, object);
    const QuotaUse *before = object ? object->takes : NULL;
    return owner_allows(world, QUOTA_USER, wanted->uid,
                        before && before->uid == wanted->uid ? before : NULL, wanted, error) &&
           owner_allows(world, QUOTA_GROUP, wanted->gid,
                        before && before->gid == wanted->gid ? before : NULL, wanted, error);
}

gboolean quota_allows_vm(World *world, const Vm *changed, gint32 cluster, GError **error)
{
    const Vm *vm = vm_get(world, changed->head.id);
    QuotaUse *wanted = may_count(&changed->head) ? quota_use_of(world, &changed->head) : NULL;
    if (wanted && cluster >= 0)
        wanted->cluster = cluster;
    return quota_allows(world, vm ? &vm->head : NULL, wanted, error);
}

gboolean quota_allows_owner(World *world, const Object *object, gint32 uid, gint32 gid,
                            GError **error)
{
    QuotaUse *wanted = quota_use_of(world, object);
    if (wanted) {
        wanted->uid = uid;
        wanted->gid = gid;
    }
    return quota_allows(world, object, wanted, error);
}
