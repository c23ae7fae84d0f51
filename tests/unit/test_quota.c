/* Quotas in the model: what is counted, what is allowed, what the store keeps of it, what proves
 * it. */
#include "server/model/people/quota.h"

#include "lib/base/error.h"
#include "server/model/place/host.h"
#include "server/model/network/network.h"
#include "server/store/store_sqlite.h"
#include "tests/unit/small_world.h"

#include <glib/gstdio.h>
#include <sqlite3.h>

/* ---- helpers ---- */

static Template *read_text(const char *text)
{
    g_autoptr(GError) error = NULL;
    Template *template = template_parse(text, TEMPLATE_MODERN, &error);
    g_assert_no_error(error);
    return template;
}

static void set(World *world, QuotaOwner kind, gint32 owner, const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Template) limits = read_text(text);
    quota_set(world, kind, owner, limits, &error);
    g_assert_no_error(error);
}

static Vm *machine(World *world, const User *owner, const char *text)
{
    return vm_create(world, NULL, owner->head.id, owner->head.gid, read_text(text), NULL, TRUE);
}

/* Text of one element of the owner's quotas, such as "VMS_USED"; "" when it is not there. (owned)
 */
static char *shown(World *world, QuotaOwner kind, gint32 owner, const char *name)
{
    g_autoptr(GString) xml = g_string_new(NULL);
    quota_render(world, kind, owner, xml);
    g_autofree char *begin = g_strdup_printf("<%s><![CDATA[", name);
    const char *at = strstr(xml->str, begin);
    at = at ? at + strlen(begin) : "]";
    return g_strndup(at, strcspn(at, "]"));
}

#define assert_shown(world, owner, name, expected)                                                 \
    do {                                                                                           \
        g_autofree char *is = shown(world, QUOTA_USER, owner, name);                               \
        g_assert_cmpstr(is, ==, expected);                                                         \
    } while (0)

/* May the machine be as it would with that template? */
static gboolean allows(World *world, const Vm *vm, const char *text)
{
    g_autoptr(Template) template = read_text(text);
    g_autoptr(GError) error = NULL;
    Vm then = *vm;
    then.head.template = template;
    gboolean may = quota_allows_vm(world, &then, -1, &error);
    if (!may)
        g_assert_error(error, ONE_ERROR, (gint)ONE_ERROR_AUTHORIZATION);
    return may;
}

static void assert_sound(World *world)
{
    g_autoptr(GPtrArray) found = world_check(world);
    g_assert_cmpstr(found->len ? found->pdata[0] : NULL, ==, NULL);
}

/* ---- what a machine takes ---- */

static const struct {
    VmState state;
    VmLcm lcm;
    gboolean runs;
} states[] = {
    {VM_PENDING, LCM_INIT, TRUE},
    {VM_HOLD, LCM_INIT, TRUE},
    {VM_CLONING, LCM_INIT, TRUE},
    {VM_ACTIVE, LCM_PROLOG, TRUE},
    {VM_ACTIVE, LCM_RUNNING, TRUE},
    {VM_ACTIVE, LCM_BOOT_POWEROFF, TRUE},
    {VM_ACTIVE, LCM_UNKNOWN, TRUE},
    {VM_ACTIVE, LCM_SHUTDOWN, TRUE},
    {VM_ACTIVE, LCM_EPILOG, FALSE},
    {VM_ACTIVE, LCM_CLEANUP_DELETE, FALSE},
    {VM_ACTIVE, LCM_EPILOG_UNDEPLOY, FALSE},
    {VM_ACTIVE, LCM_PROLOG_MIGRATE_POWEROFF, FALSE},
    {VM_STOPPED, LCM_INIT, FALSE},
    {VM_SUSPENDED, LCM_INIT, FALSE},
    {VM_POWEROFF, LCM_INIT, FALSE},
    {VM_UNDEPLOYED, LCM_INIT, FALSE},
};

static void test_states(void)
{
    SmallWorld *small = small_world_new(NULL);
    const User *ann = small_user(small, "ann", GROUP_USERS);
    Vm *vm = machine(small->world, ann, "CPU=0.25\nMEMORY=64");
    for (guint i = 0; i < G_N_ELEMENTS(states); i++) {
        vm_set_state(small->world, vm, states[i].state, states[i].lcm);
        g_test_message("%s", vm_shown_state(vm));
        assert_shown(small->world, ann->head.id, "VMS_USED", "1");
        assert_shown(small->world, ann->head.id, "CPU_USED", "0.25");
        assert_shown(small->world, ann->head.id, "RUNNING_CPU_USED", states[i].runs ? "0.25" : "0");
        assert_shown(small->world, ann->head.id, "RUNNING_VMS_USED", states[i].runs ? "1" : "0");
    }
    vm_set_state(small->world, vm, VM_DONE, LCM_INIT);
    assert_shown(small->world, ann->head.id, "VMS_USED", "");
    small_world_free(small);
}

static const struct {
    const char *template, *metric, *used;
} disks[] = {
    {"DISK=[TYPE=fs,SIZE=10]\nDISK=[TYPE=swap,SIZE=5]", "SYSTEM_DISK_SIZE_USED", "15"},
    {"DISK=[IMAGE_ID=7,DATASTORE_ID=1,SIZE=10,CLONE=YES,CLONE_TARGET=SYSTEM]",
     "SYSTEM_DISK_SIZE_USED", "10"},
    {"DISK=[IMAGE_ID=7,DATASTORE_ID=1,SIZE=10,CLONE=YES,CLONE_TARGET=SELF]", "SIZE_USED", "10"},
    {"DISK=[IMAGE_ID=7,DATASTORE_ID=1,SIZE=10,CLONE=NO,PERSISTENT=YES,LN_TARGET=NONE]",
     "SYSTEM_DISK_SIZE_USED", "0"},
    {"DISK=[IMAGE_ID=7,SIZE=10]\nDISK=[IMAGE_ID=7,SIZE=10]", "RVMS_USED", "1"},
    {"SNAPSHOT=[SNAPSHOT_ID=0,SYSTEM_DISK_SIZE=12]", "SYSTEM_DISK_SIZE_USED", "12"},
    {"DISK=[SIZE=9223372036854775807]", "SYSTEM_DISK_SIZE_USED", "1000000000000"},
    {"DISK=[SIZE=-5]", "SYSTEM_DISK_SIZE_USED", "0"},
    {"PCI=[TYPE=NIC]\nPCI=[VENDOR=10de]", "PCI_NIC_USED", "1"},
    {"GOLD=2.5", "RUNNING_GOLD_USED", "2.5"},
    {"GOLD=-3", "GOLD_USED", "0"},
    {"GOLD=nan", "GOLD_USED", "0"},
};

static void test_devices(void)
{
    SmallWorld *small = small_world_new("QUOTA_VM_ATTRIBUTE = \"gold\"");
    const User *ann = small_user(small, "ann", GROUP_USERS);
    for (guint i = 0; i < G_N_ELEMENTS(disks); i++) {
        g_autofree char *text = g_strconcat("CPU=1\nMEMORY=1\n", disks[i].template, NULL);
        g_test_message("%s", disks[i].template);
        Vm *vm = machine(small->world, ann, text);
        assert_shown(small->world, ann->head.id, disks[i].metric, disks[i].used);
        pool_remove(small->world, &vm->head);
    }
    assert_shown(small->world, ann->head.id, "VMS_USED", "");
    small_world_free(small);
}

/* ---- what is allowed ---- */

static void test_allows(void)
{
    SmallWorld *small = small_world_new(NULL);
    World *world = small->world;
    const User *ann = small_user(small, "ann", GROUP_USERS);
    Vm *vm = machine(world, ann, "CPU=1\nMEMORY=64");
    quota_settle(world);
    set(world, QUOTA_USER, ann->head.id, "VM=[CPU=2,MEMORY=64]");
    g_assert_true(allows(world, vm, "CPU=2\nMEMORY=64"));
    g_assert_false(allows(world, vm, "CPU=2.01\nMEMORY=64"));
    g_assert_false(allows(world, vm, "CPU=1\nMEMORY=65"));
    set(world, QUOTA_USER, ann->head.id, "VM=[CPU=0.5]");
    g_assert_true(
        allows(world, vm, "CPU=1\nMEMORY=64")); /* beyond a new limit, and no more of it */
    g_assert_true(allows(world, vm, "CPU=0.75\nMEMORY=64"));
    g_assert_false(allows(world, vm, "CPU=1.001\nMEMORY=64"));
    set(world, QUOTA_USER, ann->head.id, "VM=[CPU=-1,MEMORY=-2]");
    set(world, QUOTA_USER, QUOTA_DEFAULTS, "VM=[CPU=1,MEMORY=1]");
    g_assert_true(allows(world, vm, "CPU=1\nMEMORY=9999"));
    g_assert_false(allows(world, vm, "CPU=2\nMEMORY=64"));
    set(world, QUOTA_GROUP, GROUP_USERS, "VM=[MEMORY=100]");
    g_assert_false(allows(world, vm, "CPU=1\nMEMORY=101"));
    /* What the machine already is in this batch, and was not asked for, is no way around. */
    template_set_int(vm->head.template, "MEMORY", 5000);
    object_changed(world, &vm->head);
    g_assert_false(allows(world, vm, "CPU=1\nMEMORY=5000"));
    small_world_free(small);
}

static void test_clusters(void)
{
    SmallWorld *small = small_world_new(NULL);
    World *world = small->world;
    const User *ann = small_user(small, "ann", GROUP_USERS);
    Vm *vm = machine(world, ann, "CPU=1\nMEMORY=64");
    Cluster *cluster = cluster_create(world, pool_next_id(world, KIND_CLUSTER), "blue");
    g_autofree char *text = g_strdup_printf("VM=[CLUSTER_IDS=\"%d\",CPU=0]", cluster->head.id);
    set(world, QUOTA_USER, ann->head.id, text);
    g_autoptr(GError) error = NULL;
    g_assert_true(quota_allows_vm(world, vm, -1, NULL));
    g_assert_true(quota_allows_vm(world, vm, 0, NULL));
    g_assert_false(quota_allows_vm(world, vm, cluster->head.id, &error));
    g_assert_nonnull(strstr(error->message, "CLUSTER_IDS: "));
    small_world_free(small);
}

/* ---- kept and proved ---- */

typedef struct Kept {
    char *directory, *path;
    Config *config;
    Store *store;
    Core *core;
    World *world;
} Kept;

static void kept_open(Kept *kept)
{
    g_autoptr(GError) error = NULL;
    kept->store = store_sqlite_open(kept->path, world_tables(), &error);
    g_assert_no_error(error);
    kept->core = core_new(kept->store, clock_system());
    kept->world = world_new(kept->core, kept->config, kept->directory);
    core_set_before_commit(kept->core, (void (*)(gpointer))world_save, kept->world);
    world_load(kept->world, kept->store, &error);
    g_assert_no_error(error);
}

static void kept_close(Kept *kept)
{
    core_step(kept->core);
    kept->store->flush(kept->store);
    core_free(kept->core);
    world_free(kept->world);
    kept->store->destroy(kept->store);
}

static void damage(Kept *kept, const char *statement)
{
    sqlite3 *db;
    char *failed = NULL;
    g_assert_cmpint(sqlite3_open(kept->path, &db), ==, SQLITE_OK);
    sqlite3_exec(db, statement, NULL, NULL, &failed);
    g_assert_cmpstr(failed, ==, NULL);
    sqlite3_close(db);
}

static const struct {
    const char *name, *statement, *says;
} damages[] = {
    {"used", "UPDATE quota SET used = 'VMS=7' WHERE kind = 0", "VMS_USED of VM is stored as 7"},
    {"row", "DELETE FROM quota WHERE kind = 1 AND type = 0", "VMS_USED of VM is stored as 0"},
    {"lease", "DELETE FROM lease WHERE holder = 1", "which it does not hold"},
    {"held", "INSERT INTO lease VALUES (0, 0, 9, 1, 0)", "which does not use it"},
    {"owner", "INSERT INTO quota VALUES (0, 77, 0, '', 'VMS=1', '')",
     "user 77, who does not exist"},
    {"cluster", "UPDATE host SET cluster = 55", "cluster 55, which does not exist"},
    {"clusters", "UPDATE datastore SET clusters = '0,66' WHERE id = 1",
     "datastore 1 names cluster 66"},
    {"group", "UPDATE user SET gid = 99, groups = '99' WHERE id = 2", "primary group 99"},
    {"groups", "UPDATE user SET groups = '1,98' WHERE id = 2", "user 2 names group 98"},
    {"admins", "UPDATE groups SET admins = '2' WHERE id = 0", "who is no member"},
    {"uid", "UPDATE vm SET uid = 44", "belongs to user 44"},
};

static void fill(World *world)
{
    GArray *groups = g_array_new(FALSE, FALSE, sizeof(gint32));
    gint32 users = GROUP_USERS;
    g_autoptr(GError) error = NULL;
    world_bootstrap(world, "oneadmin", "-", "-");
    g_array_append_val(groups, users);
    const User *ann =
        user_create(world, pool_next_id(world, KIND_USER), "ann", "-", "core", groups);
    Network *network = network_create(
        world, "net", 0, 0, read_text("VN_MAD=dummy\nAR=[TYPE=IP4,IP=10.0.0.1,SIZE=20]"), &error);
    g_assert_no_error(error);
    Vm *vm = machine(world, ann,
                     "CPU=1.5\nMEMORY=64\nDISK=[TYPE=fs,SIZE=10]\n"
                     "NIC=[NIC_ID=0,NETWORK_ID=0,AR_ID=0]");
    AddressRange *range = network->ranges->pdata[0];
    TemplateAttribute *nic = template_vector(vm->head.template, "NIC", 0);
    range_describe(range, 3, nic);
    network_lease(world, network, range, 3, (Holder){HOLDER_VM, vm->head.id});
    (void)host_create(world, "h1", "dummy", "dummy", 0);
    set(world, QUOTA_USER, ann->head.id, "VM=[VMS=3]\nDATASTORE=[ID=1,SIZE=5]");
    set(world, QUOTA_GROUP, QUOTA_DEFAULTS, "VM=[VMS=30]");
}

static Kept kept_new(void)
{
    g_autoptr(GError) error = NULL;
    Kept kept = {.directory = g_dir_make_tmp("quota-XXXXXX", &error)};
    g_assert_no_error(error);
    kept.path = g_build_filename(kept.directory, "one.db", NULL);
    kept.config = config_load_text("", "test", &error);
    g_assert_no_error(error);
    kept_open(&kept);
    fill(kept.world);
    kept_close(&kept);
    return kept;
}

static void kept_clear(Kept *kept)
{
    static const char *const files[] = {"one.db", "one.db-wal", "one.db-shm", "one.db.lock"};
    for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = g_build_filename(kept->directory, files[i], NULL);
        g_unlink(path);
    }
    g_assert_cmpint(g_rmdir(kept->directory), ==, 0);
    config_free(kept->config);
    g_free(kept->path);
    g_free(kept->directory);
}

static void test_kept(void)
{
    Kept kept = kept_new();
    kept_open(&kept);
    g_assert_cmpuint(quota_found_wrong(kept.world)->len, ==, 0);
    assert_sound(kept.world);
    assert_shown(kept.world, 2, "VMS", "3");
    assert_shown(kept.world, 2, "CPU_USED", "1.5");
    assert_shown(kept.world, 2, "LEASES_USED", "1");
    g_autofree char *limit = shown(kept.world, QUOTA_GROUP, QUOTA_DEFAULTS, "VMS");
    g_assert_cmpstr(limit, ==, "30");
    kept_close(&kept);
    kept_clear(&kept);
}

/* Found, set right, and right also when it is read again. */
static void test_damage(gconstpointer data)
{
    guint which = GPOINTER_TO_UINT(data);
    Kept kept = kept_new();
    damage(&kept, damages[which].statement);
    kept_open(&kept);
    g_autoptr(GPtrArray) found = world_check(kept.world);
    g_assert_cmpuint(found->len, >, 0);
    gboolean said = FALSE;
    for (guint i = 0; i < found->len; i++) {
        g_test_message("%s", (const char *)found->pdata[i]);
        said |= strstr(found->pdata[i], damages[which].says) != NULL;
    }
    g_assert_true(said);
    world_repair(kept.world);
    assert_sound(kept.world);
    kept_close(&kept);
    kept_open(&kept);
    g_assert_cmpuint(quota_found_wrong(kept.world)->len, ==, 0);
    assert_sound(kept.world);
    kept_close(&kept);
    kept_clear(&kept);
}

/* A database from before quotas gets its counters, and nothing is said to be wrong. */
static void test_from_before(void)
{
    Kept kept = kept_new();
    damage(&kept, "DELETE FROM quota; DELETE FROM counter WHERE name = 'quotas'");
    kept_open(&kept);
    assert_sound(kept.world);
    assert_shown(kept.world, 2, "VMS_USED", "1");
    kept_close(&kept);
    kept_open(&kept);
    g_assert_cmpuint(quota_found_wrong(kept.world)->len, ==, 0);
    assert_shown(kept.world, 2, "VMS_USED", "1");
    kept_close(&kept);
    kept_clear(&kept);
}

/* Counters of a removed user go; machines that are left are nobody's. */
static void test_removed(void)
{
    Kept kept = kept_new();
    kept_open(&kept);
    pool_remove(kept.world, pool_get(kept.world, KIND_USER, 2));
    vm_set_state(kept.world, vm_get(kept.world, 0), VM_DONE, LCM_INIT);
    vm_get(kept.world, 0)->etime = 1;
    assert_sound(kept.world);
    kept_close(&kept);
    kept_open(&kept);
    assert_sound(kept.world);
    assert_shown(kept.world, 2, "VMS", "");
    kept_close(&kept);
    kept_clear(&kept);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/quota/states", test_states);
    g_test_add_func("/quota/devices", test_devices);
    g_test_add_func("/quota/allows", test_allows);
    g_test_add_func("/quota/clusters", test_clusters);
    g_test_add_func("/quota/kept", test_kept);
    g_test_add_func("/quota/from-before", test_from_before);
    g_test_add_func("/quota/removed", test_removed);
    for (guint i = 0; i < G_N_ELEMENTS(damages); i++) {
        g_autofree char *path = g_strdup_printf("/quota/damage/%s", damages[i].name);
        g_test_add_data_func(path, GUINT_TO_POINTER(i), test_damage);
    }
    return g_test_run();
}
