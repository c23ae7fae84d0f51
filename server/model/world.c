#include "server/model/world.h"

#include "server/model/people/acl.h"
#include "server/model/machine/backupjob.h"
#include "server/model/place/cluster.h"
#include "server/model/storage/datastore.h"
#include "server/model/hook.h"
#include "server/model/place/host.h"
#include "server/model/storage/image.h"
#include "server/model/storage/market.h"
#include "server/model/machine/migration.h"
#include "server/model/names.h"
#include "server/model/network/network.h"
#include "server/model/plain.h"
#include "server/model/people/quota.h"
#include "server/model/machine/sched_action.h"
#include "server/model/machine/showback.h"
#include "server/model/people/user.h"
#include "server/model/people/vdc.h"
#include "server/model/machine/vm.h"
#include "server/model/machine/vmgroup.h"
#include "server/model/network/vrouter.h"
#include "server/model/place/zone.h"

#include <string.h>

extern const StoreTable counter_table;

/* The kinds that can exist in this version. Order: what others refer to comes first. */
static const struct {
    Kind kind;
    const KindOperations *operations;
} present[] = {
    {KIND_ZONE, &zone_operations},
    {KIND_GROUP, &group_operations},
    {KIND_USER, &user_operations},
    {KIND_CLUSTER, &cluster_operations},
    {KIND_VDC, &vdc_operations},
    {KIND_ACL, &acl_operations},
    {KIND_DATASTORE, &datastore_operations},
    {KIND_IMAGE, &image_operations},
    {KIND_HOST, &host_operations},
    {KIND_SECGROUP, &secgroup_operations},
    {KIND_NET, &network_operations},
    {KIND_TEMPLATE, &template_operations},
    {KIND_VNTEMPLATE, &vntemplate_operations},
    {KIND_DOCUMENT, &document_operations},
    {KIND_VMGROUP, &vmgroup_operations},
    {KIND_BACKUPJOB, &backupjob_operations},
    {KIND_MARKETPLACE, &market_operations},
    {KIND_MARKETPLACEAPP, &app_operations},
    {KIND_VROUTER, &vrouter_operations},
    {KIND_VM, &vm_operations},
    {KIND_HOOK, &hook_operations},
};

World *world_new(Core *core, Config *config, const char *var)
{
    World *world = g_new0(World, 1);
    world->core = core;
    world->config = config;
    world->var = g_strdup(var);
    world->datastores = g_strdup(config_text(config, "DATASTORE_LOCATION"));
    world->unsaved = g_ptr_array_new();
    world->quotas = quotas_new(config);
    world->scheduled = sched_actions_new();
    world->showback = showback_new();
    for (gint kind = 0; kind < KIND_COUNT; kind++) {
        Pool *pool = &world->pools[kind];
        guint flags = kind_row(kind)->flags;
        pool->by_id = g_hash_table_new(NULL, NULL);
        pool->order = g_ptr_array_new();
        pool->by_name = flags & KIND_UNIQUE_NAME ? g_hash_table_new(g_str_hash, g_str_equal) : NULL;
        pool->names = names_new();
        pool->last_id = pool->stored_id = flags & KIND_FROM_100 ? 99 : -1;
    }
    for (guint i = 0; i < G_N_ELEMENTS(present); i++)
        world->pools[present[i].kind].operations = present[i].operations;
    return world;
}

void world_free(World *world)
{
    if (!world)
        return;
    for (gint kind = 0; kind < KIND_COUNT; kind++) {
        Pool *pool = &world->pools[kind];
        for (guint i = 0; i < pool->order->len; i++)
            pool->operations->free(pool->order->pdata[i]);
        g_ptr_array_unref(pool->order);
        g_hash_table_unref(pool->by_id);
        g_clear_pointer(&pool->by_name, g_hash_table_unref);
        g_hash_table_unref(pool->names);
    }
    g_ptr_array_unref(world->unsaved);
    quotas_free(world->quotas);
    sched_actions_free(world->scheduled);
    g_hash_table_unref(world->showback);
    g_free(world->screen_ports);
    g_free(world->var);
    g_free(world->datastores);
    g_free(world);
}

void world_save(World *world)
{
    quota_save(world);
    for (guint i = 0; i < world->unsaved->len; i++) {
        Object *object = world->unsaved->pdata[i];
        object->unsaved = FALSE;
        core_write(world->core, world->pools[object->kind].operations->row(world, object));
    }
    g_ptr_array_set_size(world->unsaved, 0);
}

const StoreTable *const *world_tables(void)
{
    static const StoreTable *tables[G_N_ELEMENTS(present) + 16]; /* with room for those below */
    guint count = 0;
    for (; count < G_N_ELEMENTS(present); count++)
        tables[count] = present[count].operations->table;
    tables[count++] = &history_table;
    tables[count++] = &migration_table;
    tables[count++] = &range_table;
    tables[count++] = &lease_table;
    tables[count++] = &login_token_table;
    tables[count++] = &quota_table;
    tables[count++] = &sched_action_table;
    tables[count++] = &hook_run_table;
    tables[count++] = &showback_table;
    tables[count++] = &counter_table;
    tables[count] = NULL;
    return tables;
}

/* ---- loading ---- */

typedef struct Loading {
    World *world;
    const KindOperations *operations;
} Loading;

static gboolean load_row(const StoreValue *values, gpointer data, GError **error)
{
    Loading *loading = data;
    return loading->operations->load(loading->world, values, error);
}

static gboolean load_record_row(const StoreValue *values, gpointer data, GError **error)
{
    return vm_load_record(data, values, error);
}

static gboolean load_migration_row(const StoreValue *values, gpointer data, GError **error)
{
    return migration_load(data, values, error);
}

static gboolean load_range_row(const StoreValue *values, gpointer data, GError **error)
{
    return range_load(data, values, error);
}

static gboolean load_lease_row(const StoreValue *values, gpointer data, GError **error)
{
    return lease_load(data, values, error);
}

static gboolean load_token_row(const StoreValue *values, gpointer data, GError **error)
{
    return login_token_load(data, values, error);
}

static gboolean load_quota_row(const StoreValue *values, gpointer data, GError **error)
{
    return quota_load(data, values, error);
}

static gboolean load_sched_action_row(const StoreValue *values, gpointer data, GError **error)
{
    return sched_action_load(data, values, error);
}

static gboolean load_hook_run(const StoreValue *values, gpointer data, GError **error)
{
    return hook_run_load(data, values, error);
}

static gboolean load_showback_row(const StoreValue *values, gpointer data, GError **error)
{
    return showback_load(data, values, error);
}

static gboolean load_counter(const StoreValue *values, gpointer data, GError **error)
{
    World *world = data;
    if (!g_strcmp0(values[0].text, "epoch")) {
        world->epoch = (guint64)values[1].number;
        return TRUE;
    }
    if (!g_strcmp0(values[0].text, "quotas"))
        world->counted = TRUE;
    if (!g_strcmp0(values[0].text, kind_row(KIND_MARKETPLACE)->acl_word))
        world->marketed = TRUE;
    if (!g_strcmp0(values[0].text, SCHED_COUNTER))
        sched_actions_set_last(world, values[1].number);
    for (gint kind = 0; kind < KIND_COUNT; kind++)
        if (!g_strcmp0(values[0].text, kind_row(kind)->acl_word)) {
            Pool *pool = &world->pools[kind];
            pool->stored_id = (gint32)values[1].number;
            pool->last_id = MAX(pool->last_id, pool->stored_id);
        }
    return TRUE;
}

void world_write_counter(World *world, const char *name, gint64 value)
{
    StoreWrite *write = store_write_new(&counter_table, STORE_PUT);
    store_set_text(write, 0, name);
    store_set_int(write, 1, value);
    core_write(world->core, write);
}

/* With the first batch: a newer epoch, and that counters of quotas are stored from now on. */
static void begin_epoch(World *world)
{
    world_write_counter(world, "epoch", (gint64)++world->epoch);
    if (!world->counted)
        world_write_counter(world, "quotas", 1);
    world->counted = TRUE;
}

gboolean world_load(World *world, Store *store, GError **error)
{
    world->loading = TRUE;
    for (guint i = 0; i < G_N_ELEMENTS(present); i++) {
        Loading loading = {world, present[i].operations};
        if (!store->load(store, present[i].operations->table, load_row, &loading, error))
            return FALSE;
    }
    if (!store->load(store, &history_table, load_record_row, world, error) ||
        !store->load(store, &migration_table, load_migration_row, world, error) ||
        !store->load(store, &range_table, load_range_row, world, error) ||
        !store->load(store, &lease_table, load_lease_row, world, error) ||
        !store->load(store, &login_token_table, load_token_row, world, error) ||
        !store->load(store, &quota_table, load_quota_row, world, error) ||
        !store->load(store, &sched_action_table, load_sched_action_row, world, error) ||
        !store->load(store, &hook_run_table, load_hook_run, world, error) ||
        !store->load(store, &showback_table, load_showback_row, world, error) ||
        !store->load(store, &counter_table, load_counter, world, error))
        return FALSE;
    GPtrArray *hosts = world->pools[KIND_HOST].order;
    for (guint i = 0; i < hosts->len; i++)
        host_reserve(world, hosts->pdata[i]);
    GPtrArray *vms = world->pools[KIND_VM].order;
    for (guint i = 0; i < vms->len; i++) {
        vm_recharge(world, vms->pdata[i]);
        secgroup_count(world, vms->pdata[i]);
        vm_group_count(world, vms->pdata[i]);
        vrouter_count(world, vms->pdata[i]);
    }
    quota_count(world, world->counted);
    world->loading = FALSE;
    begin_epoch(world);
    if (!world_is_empty(world)) {
        secgroup_bootstrap(world); /* databases of version 1 have none */
        if (!world->marketed && !pool_count(world, KIND_MARKETPLACE))
            markets_bootstrap(world); /* nor have those of version 2 marketplaces */
    }
    return TRUE;
}

gboolean world_is_empty(const World *world)
{
    return world->pools[KIND_USER].order->len == 0;
}

/* ---- a new installation ---- */

static GArray *one_group(gint32 gid)
{
    GArray *groups = g_array_new(FALSE, FALSE, sizeof(gint32));
    g_array_append_val(groups, gid);
    return groups;
}

static void bootstrap_rules(World *world)
{
    static const Kind creatable[] = {KIND_VM,       KIND_IMAGE,   KIND_TEMPLATE, KIND_DOCUMENT,
                                     KIND_SECGROUP, KIND_VMGROUP, KIND_BACKUPJOB};
    guint64 create = ACL_ALL;
    for (guint i = 0; i < G_N_ELEMENTS(creatable); i++)
        create |= KIND_BIT(creatable[i]);
    acl_create(world, ACL_GROUP | GROUP_USERS, create, RIGHT_CREATE, ACL_ALL, NULL);
    acl_create(world, ACL_ALL, KIND_BIT(KIND_ZONE) | ACL_ALL, RIGHT_USE, ACL_ALL, NULL);
    acl_create(world, ACL_ALL, KIND_BIT(KIND_MARKETPLACE) | KIND_BIT(KIND_MARKETPLACEAPP) | ACL_ALL,
               RIGHT_USE, ACL_ALL, NULL);
}

void world_bootstrap(World *world, const char *admin, const char *admin_verifier,
                     const char *server_verifier)
{
    g_autofree char *endpoint = g_strdup_printf("http://localhost:%" G_GINT64_FORMAT "/RPC2",
                                                config_int(world->config, "PORT"));
    Template *zone = template_new();
    template_set(zone, "ENDPOINT", endpoint);
    zone_create(world, THIS_ZONE, "OpenNebula", zone);
    group_create(world, GROUP_ONEADMIN, "oneadmin");
    group_create(world, GROUP_USERS, "users");
    user_create(world, USER_ONEADMIN, admin, admin_verifier, "core", one_group(GROUP_ONEADMIN));
    user_create(world, USER_SERVERADMIN, "serveradmin", server_verifier, "server_cipher",
                one_group(GROUP_ONEADMIN));
    cluster_create(world, 0, "default");
    const char *transfer = config_text(world->config, "DEFAULT_TM_MAD");
    datastore_create(world, 0, "system", DATASTORE_SYSTEM, "-", transfer);
    datastore_create(world, 1, "default", DATASTORE_IMAGE, "fs", transfer);
    datastore_create(world, 2, "files", DATASTORE_FILE, "fs", transfer);
    Template *about = template_new();
    template_set(about, "DESCRIPTION",
                 "Every new group is added to this VDC. Use it to store default access rules for "
                 "your groups.");
    Vdc *vdc = vdc_create(world, 0, "default", about);
    vdc_add_member(world, vdc, VDC_CLUSTERS, VDC_ALL);
    secgroup_bootstrap(world);
    markets_bootstrap(world);
    bootstrap_rules(world);
    vdc_add_group(world, vdc, GROUP_USERS);
}

/* ---- names ---- */

const char *world_user_name(World *world, gint32 uid)
{
    Object *user = pool_get(world, KIND_USER, uid);
    return user ? user->name : "";
}

const char *world_group_name(World *world, gint32 gid)
{
    Object *group = pool_get(world, KIND_GROUP, gid);
    return group ? group->name : "";
}
