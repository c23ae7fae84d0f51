/* The counters of quotas, proved: after a start against what was stored, and at any time against
 * the sum over the objects. */
#include "server/model/people/quota_private.h"

#include <string.h>

static const Kind counted_kinds[] = {KIND_VM, KIND_NET, KIND_IMAGE, KIND_VROUTER};

/* One line of what is wrong. (owned) */
static char *difference(const Quotas *quotas, const QuotaEntry *entry, guint metric,
                        const char *verb, gint64 is, gint64 shall)
{
    GString *text = g_string_new(NULL);
    g_string_append_printf(
        text, "quota of %s %d: %s_USED of %s", entry->kind == QUOTA_USER ? "user" : "group",
        entry->owner, quota_metric_name(quotas, entry->type, metric), quota_type_name(entry->type));
    if (entry->ref >= 0)
        g_string_append_printf(text, " %d", entry->ref);
    if (entry->clusters) {
        g_autofree char *clusters = ids_print(entry->clusters);
        g_string_append_printf(text, " in clusters %s", clusters);
    }
    g_string_append_printf(text, " %s ", verb);
    quota_print_amount(text, is);
    g_string_append(text, ", but the objects take ");
    quota_print_amount(text, shall);
    return g_string_free(text, FALSE);
}

typedef void (*EachEntry)(World *world, QuotaEntry *entry, gpointer data);

static gint compare_owners(gconstpointer one, gconstpointer other)
{
    return GPOINTER_TO_INT(one) - GPOINTER_TO_INT(other);
}

/* In the order of their owners, so that what is said twice is the same. */
static void each_entry(World *world, Quotas *quotas, EachEntry look, gpointer data)
{
    for (guint kind = 0; kind < QUOTA_OWNERS; kind++) {
        GList *owners = g_list_sort(g_hash_table_get_keys(quotas->books[kind]), compare_owners);
        for (GList *at = owners; at; at = at->next) {
            const QuotaBook *book = g_hash_table_lookup(quotas->books[kind], at->data);
            for (guint i = 0; i < book->entries->len; i++)
                look(world, book->entries->pdata[i], data);
        }
        g_list_free(owners);
    }
}

/* ---- at the start ---- */

static void compare_stored(World *world, QuotaEntry *entry, gpointer data)
{
    gboolean counted = *(const gboolean *)data, differs = FALSE;
    for (guint i = 0; i < entry->count; i++) {
        gint64 found = entry->found ? entry->found[i] : 0;
        if (found == entry->used[i])
            continue;
        differs = TRUE;
        if (counted)
            g_ptr_array_add(
                world->quotas->wrong,
                difference(world->quotas, entry, i, "is stored as", found, entry->used[i]));
    }
    g_clear_pointer(&entry->found, g_free);
    if ((differs || quota_entry_is_blank(entry)) && !entry->unsaved) {
        entry->unsaved = TRUE;
        g_ptr_array_add(world->quotas->unsaved, entry);
    }
}

void quota_count(World *world, gboolean counted)
{
    for (guint i = 0; i < G_N_ELEMENTS(counted_kinds); i++) {
        const GPtrArray *order = world->pools[counted_kinds[i]].order;
        for (guint j = 0; j < order->len; j++)
            quota_object_changed(world, order->pdata[j]);
    }
    quota_settle(world);
    each_entry(world, world->quotas, compare_stored, &counted);
}

const GPtrArray *quota_found_wrong(World *world)
{
    return world->quotas->wrong;
}

/* ---- at any time ---- */

static void make_per_cluster(World *world, QuotaEntry *entry, gpointer data)
{
    if (entry->clusters)
        (void)quota_entry(world, entry->kind, entry->owner, entry->type, entry->ref,
                          entry->clusters, TRUE);
}

static gboolean owner_exists(World *world, const QuotaEntry *entry)
{
    Kind kind = entry->kind == QUOTA_USER ? KIND_USER : KIND_GROUP;
    return entry->owner == QUOTA_DEFAULTS || pool_get(world, kind, entry->owner) != NULL;
}

static void check_owner(World *world, QuotaEntry *entry, gpointer data)
{
    if (!owner_exists(world, entry) && !quota_entry_is_blank(entry))
        g_ptr_array_add(data, g_strdup_printf("a quota of %s is of %s %d, who does not exist",
                                              quota_type_name(entry->type),
                                              entry->kind == QUOTA_USER ? "user" : "group",
                                              entry->owner));
}

typedef struct Comparison {
    Quotas *other;
    GPtrArray *problems;
    gboolean missing_only;
} Comparison;

static void compare_entry(World *world, QuotaEntry *entry, gpointer data)
{
    const Comparison *with = data;
    Quotas *own = world->quotas;
    world->quotas = with->other;
    const QuotaEntry *other = quota_entry(world, entry->kind, entry->owner, entry->type, entry->ref,
                                          entry->clusters, FALSE);
    world->quotas = own;
    for (guint i = 0; i < entry->count && !(with->missing_only && other); i++) {
        gint64 there = other ? other->used[i] : 0;
        if (there == entry->used[i])
            continue;
        g_ptr_array_add(with->problems,
                        difference(own, entry, i, "is", with->missing_only ? 0 : entry->used[i],
                                   with->missing_only ? entry->used[i] : there));
    }
}

/* All counters once more, from nothing. (owned) */
static Quotas *count_anew(World *world)
{
    Quotas *kept = world->quotas, *fresh = quotas_new(world->config);
    gboolean loading = world->loading;
    world->loading = TRUE; /* nothing is written */
    world->quotas = fresh;
    each_entry(world, kept, make_per_cluster, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(counted_kinds); i++) {
        const GPtrArray *order = world->pools[counted_kinds[i]].order;
        for (guint j = 0; j < order->len; j++) {
            g_autoptr(QuotaUse) use = quota_use_of(world, order->pdata[j]);
            quota_charge(world, use, 1);
        }
    }
    world->quotas = kept;
    world->loading = loading;
    return fresh;
}

void quota_check(World *world, GPtrArray *problems)
{
    Quotas *kept = world->quotas;
    quota_settle(world);
    for (guint i = 0; i < kept->wrong->len; i++)
        g_ptr_array_add(problems, g_strdup(kept->wrong->pdata[i]));
    each_entry(world, kept, check_owner, problems);
    Quotas *fresh = count_anew(world);
    Comparison with_fresh = {fresh, problems, FALSE}, with_kept = {kept, problems, TRUE};
    each_entry(world, kept, compare_entry, &with_fresh);
    each_entry(world, fresh, compare_entry, &with_kept);
    quotas_free(fresh);
}

static void take_from(World *world, QuotaEntry *entry, gpointer data)
{
    Quotas *own = world->quotas;
    world->quotas = data;
    const QuotaEntry *right = quota_entry(world, entry->kind, entry->owner, entry->type, entry->ref,
                                          entry->clusters, FALSE);
    world->quotas = own;
    for (guint i = 0; i < entry->count; i++)
        entry->used[i] = right ? right->used[i] : 0;
    for (guint i = 0; i < entry->count && !owner_exists(world, entry); i++)
        entry->limits[i] = QUOTA_BY_OTHERS; /* blank, it goes */
    quota_entry_changed(world, entry);
}

static void make_all(World *world, QuotaEntry *entry, gpointer data)
{
    (void)quota_entry(world, entry->kind, entry->owner, entry->type, entry->ref, entry->clusters,
                      TRUE);
}

void quota_repair(World *world)
{
    quota_settle(world);
    Quotas *fresh = count_anew(world);
    each_entry(world, fresh, make_all, NULL);
    each_entry(world, world->quotas, take_from, fresh);
    g_ptr_array_set_size(world->quotas->wrong, 0);
    quotas_free(fresh);
}
