/* The world as a whole: a new installation, saved and read again through SQLite, and what
 * world_check() must find. */
#include "server/model/world.h"

#include "server/model/place/host.h"
#include "server/model/storage/image.h"
#include "server/model/machine/migration.h"
#include "server/model/plain.h"
#include "server/model/people/vdc.h"
#include "server/model/place/zone.h"
#include "server/store/store_sqlite.h"
#include "tests/unit/small_world.h"

#include <glib/gstdio.h>

/* ---- a new installation ---- */

static void test_new(void)
{
    static const struct {
        Kind kind;
        guint count;
        gint32 last_id;
    } pools[] = {{KIND_USER, 2, 1},       {KIND_GROUP, 2, 99}, {KIND_CLUSTER, 1, 99},
                 {KIND_DATASTORE, 3, 99}, {KIND_ZONE, 1, 99},  {KIND_VDC, 1, 99},
                 {KIND_ACL, 6, 5},        {KIND_HOST, 0, -1},  {KIND_VM, 0, -1}};
    SmallWorld *small = small_world_new("DEFAULT_TM_MAD = ssh");
    World *world = small->world;
    g_assert_false(world_is_empty(world));
    for (guint i = 0; i < G_N_ELEMENTS(pools); i++) {
        g_test_message("%s", kind_row(pools[i].kind)->words);
        g_assert_cmpuint(pool_count(world, pools[i].kind), ==, pools[i].count);
        g_assert_cmpint(world->pools[pools[i].kind].last_id, ==, pools[i].last_id);
    }
    g_assert_cmpstr(world_user_name(world, 0), ==, "oneadmin");
    g_assert_cmpstr(world_user_name(world, 99), ==, "");
    g_assert_cmpstr(world_group_name(world, 1), ==, "users");
    g_assert_true(user_is_admin(user_get(world, USER_SERVERADMIN)));
    g_assert_false(datastore_is_shared(datastore_get(world, 0)));
    g_autoptr(GPtrArray) found = world_check(world);
    g_assert_cmpuint(found->len, ==, 0);
    small_world_free(small);
}

/* ---- saved and read again ---- */

typedef struct Saved {
    char *directory, *path;
    Config *config;
    Store *store;
    Core *core;
    World *world;
} Saved;

static void saved_open(Saved *saved)
{
    g_autoptr(GError) error = NULL;
    saved->store = store_sqlite_open(saved->path, world_tables(), &error);
    g_assert_no_error(error);
    saved->core = core_new(saved->store, clock_system());
    saved->world = world_new(saved->core, saved->config, saved->directory);
    core_set_before_commit(saved->core, (void (*)(gpointer))world_save, saved->world);
    world_load(saved->world, saved->store, &error);
    g_assert_no_error(error);
}

static void saved_close(Saved *saved)
{
    core_step(saved->core);
    saved->store->flush(saved->store);
    core_free(saved->core);
    world_free(saved->world);
    saved->store->destroy(saved->store);
}

/* Everything that is, as clients see it, and what only oned knows. (owned) */
static char *picture(World *world)
{
    GString *xml = g_string_new(NULL);
    for (gint kind = 0; kind < KIND_COUNT; kind++) {
        const Pool *pool = &world->pools[kind];
        for (guint i = 0; i < pool->order->len; i++) {
            object_render(world, pool->order->pdata[i], xml);
            if (kind == KIND_IMAGE) {
                const Image *image = IMAGE(pool->order->pdata[i]);
                g_string_append_printf(xml, "%s %d %" G_GINT64_FORMAT, image->token, image->work,
                                       image->stored);
            }
            if (kind == KIND_DATASTORE)
                g_string_append_printf(xml, "%" G_GINT64_FORMAT,
                                       DATASTORE(pool->order->pdata[i])->measured);
            if (kind == KIND_VM) {
                migrations_render(VM(pool->order->pdata[i]), xml);
                g_string_append_printf(xml, "stayed %d frozen %d",
                                       VM(pool->order->pdata[i])->stayed,
                                       VM(pool->order->pdata[i])->frozen);
            }
            g_string_append_c(xml, '\n');
        }
        g_string_append_printf(xml, "%d\n", pool->last_id);
    }
    return g_string_free(xml, FALSE);
}

static void fill_image(World *world, const char *odd)
{
    ImageDraft draft = {.name = "disk",
                        .uid = 2,
                        .gid = 1,
                        .permissions = 0644,
                        .type = IMAGE_DATABLOCK,
                        .disk_type = 2,
                        .persistent = TRUE,
                        .source = "source",
                        .path = odd,
                        .format = "qcow2",
                        .fs = "ext4",
                        .size = 77,
                        .template = template_new()};
    Image *image = image_create(world, datastore_get(world, 1), &draft);
    template_set(image->head.template, "NOTE", odd);
    image->head.lock = (ObjectLock){2, 3, 4, 5};
    image->stored = 123456789;
    template_set_int(image->snapshots, "CURRENT_BASE", 0);
    TemplateAttribute *snapshot = template_add_vector(image->snapshots, "SNAPSHOT");
    attribute_set(snapshot, "NAME", odd);
    attribute_set_int(snapshot, "ID", 0);
    draft.name = "copy";
    draft.template = NULL;
    Image *copy = image_create(world, datastore_get(world, 1), &draft);
    image_enter(world, image, IMAGE_READY);
    image_cloning_begin(world, image, copy);
    image_set_work(world, copy, IMAGE_WORK_CLONE);
    image_enter(world, copy, IMAGE_LOCKED);
    datastore_get(world, 1)->measured = 987654321;
}

static void fill(World *world)
{
    g_autofree char *odd = g_strdup("a \"quoted\" 'text' with <&> ]]> \\ and\nlines \303\244");
    Group *staff = group_create(world, pool_next_id(world, KIND_GROUP), "staff");
    vdc_add_group(world, VDC(pool_get(world, KIND_VDC, 0)), staff->head.id);
    GArray *groups = g_array_new(FALSE, FALSE, sizeof(gint32));
    g_array_append_val(groups, staff->head.id);
    User *ann = user_create(world, pool_next_id(world, KIND_USER), "ann", "-", "core", groups);
    template_set(ann->head.template, "NOTE", odd);
    ann->enabled = FALSE;
    cluster_create(world, pool_next_id(world, KIND_CLUSTER), "blue");
    Host *host = host_create(world, "node1", "kvm", "kvm", 100);
    host->state = HOST_DISABLED;
    template_set(host->head.template, "TOTALCPU", "800");
    template_set(host->head.template, "TOTALMEMORY", "1048576");
    template_set(host->head.template, "RESERVED_CPU", "10%");
    host->total_cpu = 800;
    host->total_memory = 1048576;
    host_reserve(world, host);
    datastore_create(world, pool_next_id(world, KIND_DATASTORE), "fast", DATASTORE_SYSTEM, "-",
                     "ssh");
    for (guint i = 0; i < 3; i++) {
        Template *template =
            template_parse("CPU=1.5\nMEMORY=512\nDISK=[SIZE=1]\nDISK=[SIZE=2]", 0, NULL);
        Vm *vm = vm_create(world, i ? "web" : "", ann->head.id, staff->head.id, template,
                           template_new(), i == 1);
        gint64 id;
        g_assert_true(template_get_int(vm->head.template, "VMID", &id));
        g_assert_cmpint(id, ==, vm->head.id);
        template_set(vm->user_template, "NOTE", odd);
        vm->head.permissions = 0640 + i;
        vm->head.lock = (ObjectLock){(gint)i, ann->head.id, 5, 6};
    }
    Vm *vm = vm_get(world, 2);
    vm->stayed = TRUE;
    for (gint i = 0; i < 2; i++) {
        VmRecord *record = vm_add_record(world, vm);
        record->host = host->head.id;
        record->host_name = g_strdup("node1");
        record->cluster = 100;
        record->vm_mad = g_strdup("kvm");
        record->tm_mad = g_strdup("ssh");
        record->datastore = 100;
        record->etime = i ? 0 : 1700000000;
        record->action = VM_ACTION_POWEROFF;
        record->request = g_strdup("77");
        vm_record_changed(world, vm, record);
    }
    vm_set_state(world, vm, VM_ACTIVE, LCM_RUNNING);
    vm->resched = TRUE;
    Migration *migration = migration_add(world, vm);
    migration->source = migration->destination = host->head.id;
    migration->source_name = g_strdup("node1");
    migration->destination_name = g_strdup(odd);
    migration->kind = MIGRATION_POWEROFF;
    migration->result = MIGRATION_FAILURE;
    migration->reason = g_strdup(odd);
    migration->ended = migration->started;
    migration_take_figures(migration, "total_ms=7 bytes=9000000000 mode=precopy pages=3");
    migration_changed(world, vm, migration);
    fill_image(world, odd);
}

static void test_round_trip(void)
{
    Saved saved = {.directory = g_dir_make_tmp("globule-world-XXXXXX", NULL)};
    saved.path = g_build_filename(saved.directory, "one.db", NULL);
    saved.config = config_load_text("", "test", NULL);
    saved_open(&saved);
    g_assert_true(world_is_empty(saved.world));
    guint64 epoch = saved.world->epoch;
    world_bootstrap(saved.world, "oneadmin", "verifier", "-");
    fill(saved.world);
    g_autofree char *before = picture(saved.world);
    g_assert_cmpint(host_get(saved.world, 0)->cpu_usage, ==, 150);
    saved_close(&saved);

    saved_open(&saved);
    g_autofree char *after = picture(saved.world);
    g_assert_cmpstr(after, ==, before);
    g_assert_cmpuint(saved.world->epoch, ==, epoch + 1);
    g_assert_cmpint(host_get(saved.world, 0)->cpu_usage, ==, 150);
    g_assert_cmpint(host_get(saved.world, 0)->memory_usage, ==, 512 * 1024);
    g_assert_cmpint(host_get(saved.world, 0)->max_cpu, ==, 720);
    g_assert_cmpstr(user_get(saved.world, 0)->password, ==, "verifier");
    g_autoptr(GPtrArray) found = world_check(saved.world);
    g_assert_cmpuint(found->len, ==, 0);
    /* What goes is gone; its id does not come again. */
    gint32 gone = pool_next_id(saved.world, KIND_GROUP);
    Group *group = group_create(saved.world, gone, "short-lived");
    core_step(saved.core);
    pool_remove(saved.world, &group->head);
    saved_close(&saved);

    saved_open(&saved);
    g_assert_null(group_get(saved.world, gone));
    gint32 next = pool_next_id(saved.world, KIND_GROUP);
    g_assert_cmpint(next, ==, gone + 1);
    /* Nor of one that is made and goes in the same batch, above one that stays. */
    group_create(saved.world, next, "lasting");
    gint32 brief = pool_next_id(saved.world, KIND_GROUP);
    pool_remove(saved.world, &group_create(saved.world, brief, "brief")->head);
    saved_close(&saved);

    saved_open(&saved);
    g_assert_nonnull(group_get(saved.world, next));
    g_assert_null(group_get(saved.world, brief));
    g_assert_cmpint(saved.world->pools[KIND_GROUP].stored_id, ==, brief);
    g_assert_cmpint(pool_next_id(saved.world, KIND_GROUP), ==, brief + 1);
    saved_close(&saved);
    config_free(saved.config);
    static const char *const files[] = {"one.db", "one.db-wal", "one.db-shm", "one.db.lock"};
    for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = g_build_filename(saved.directory, files[i], NULL);
        g_unlink(path);
    }
    g_assert_cmpint(g_rmdir(saved.directory), ==, 0);
    g_free(saved.path);
    g_free(saved.directory);
}

/* ---- damage ---- */

static void break_state(World *world, Vm *vm)
{
    vm->state = (VmState)77;
}

static void break_lcm(World *world, Vm *vm)
{
    vm->lcm = (VmLcm)13; /* a number that was never used */
}

static void break_rest(World *world, Vm *vm)
{
    vm->state = VM_POWEROFF;
}

static void break_records(World *world, Vm *vm)
{
    g_ptr_array_set_size(vm->records, 0);
    vm_recharge(world, vm);
}

static void break_host(World *world, Vm *vm)
{
    vm_last_record(vm)->host = 42;
    vm_recharge(world, vm);
}

static void break_end(World *world, Vm *vm)
{
    vm_set_state(world, vm, VM_DONE, LCM_INIT);
    vm->etime = 0;
}

static void break_owner(World *world, Vm *vm)
{
    vm->head.uid = 42;
}

static void break_numbers(World *world, Vm *vm)
{
    vm_last_record(vm)->seq = 5;
}

static void break_open_record(World *world, Vm *vm)
{
    VmRecord *record = vm_add_record(world, vm);
    record->host = 1;
    record->host_name = g_strdup("h1");
    vm_recharge(world, vm);
}

static void break_way(World *world, Vm *vm)
{
    vm_set_state(world, vm, VM_ACTIVE, LCM_MIGRATE);
}

static void break_migration(World *world, Vm *vm)
{
    Migration *migration = migration_add(world, vm);
    migration->record = 0;
}

static void break_result(World *world, Vm *vm)
{
    Migration *migration = migration_add(world, vm);
    migration->result = MIGRATION_SUCCESS;
}

static void break_usage(World *world, Vm *vm)
{
    host_get(world, 0)->cpu_usage++;
}

static void break_memory(World *world, Vm *vm)
{
    host_get(world, 1)->memory_usage = -1;
}

static void break_list(World *world, Vm *vm)
{
    ids_add(host_get(world, 1)->vms, 9);
}

static void break_cluster(World *world, Vm *vm)
{
    host_get(world, 1)->cluster = 42;
}

static void break_group(World *world, Vm *vm)
{
    user_get(world, 0)->head.gid = 42;
}

static void break_frozen(World *world, Vm *vm)
{
    vm->frozen = 0;
}

static void break_counter(World *world, Vm *vm)
{
    world->pools[KIND_HOST].last_id = 0;
}

static const struct {
    const char *name;
    void (*damage)(World *world, Vm *vm);
    const char *told;
} damages[] = {
    {"state", break_state, "machine 0 is in a state that does not exist: 77/3"},
    {"active state", break_lcm, "machine 0 is in a state that does not exist: 3/13"},
    {"rest", break_rest, "machine 0 is POWEROFF but has the active state RUNNING"},
    {"records", break_records, "machine 0 is RUNNING but was never on a host"},
    {"host", break_host, "machine 0 is RUNNING on host 42, which does not exist"},
    {"end", break_end, "machine 0 is done but has no end time"},
    {"owner", break_owner, "machine 0 belongs to user 42, who does not exist"},
    {"numbers", break_numbers, "machine 0: history record 0 has number 5"},
    {"open record", break_open_record, "machine 0: history record 0 has no end"},
    {"way", break_way, "machine 0 is in MIGRATE but has a history record of one host only"},
    {"migration", break_migration, "machine 0: migration 0 is said to be under way, but"},
    {"result", break_result, "machine 0: migration 0 has a result, but no end"},
    {"cpu", break_usage, "host 0 counts 101 % of CPU"},
    {"memory", break_memory, "host 1 counts 0 % of CPU, -1 KiB"},
    {"list", break_list, "host 1 counts 0 % of CPU, 0 KiB in 1 machines"},
    {"cluster", break_cluster, "host 1 is in cluster 42, which does not exist"},
    {"group", break_group, "user 0 has the primary group 42, which does not exist"},
    {"frozen", break_frozen, "machine 0 is RUNNING but is said to be suspended"},
    {"counter", break_counter, "host 1 has an id above the counter 0"},
};

static void test_damage(gconstpointer data)
{
    guint which = GPOINTER_TO_UINT(data);
    SmallWorld *small = small_world_new(NULL);
    World *world = small->world;
    host_create(world, "h0", "im", "vmm", 0);
    host_create(world, "h1", "im", "vmm", 0);
    Vm *vm = vm_create(world, "one", 0, 0, template_parse("CPU=1\nMEMORY=64", 0, NULL),
                       template_new(), FALSE);
    VmRecord *record = vm_add_record(world, vm);
    record->host = 0;
    record->host_name = g_strdup("h0");
    vm_set_state(world, vm, VM_ACTIVE, LCM_RUNNING);
    g_autoptr(GPtrArray) sound = world_check(world);
    g_assert_cmpuint(sound->len, ==, 0);
    damages[which].damage(world, vm);
    g_autoptr(GPtrArray) found = world_check(world);
    gboolean told = FALSE;
    for (guint i = 0; i < found->len; i++) {
        g_test_message("%s", (char *)found->pdata[i]);
        told |= g_str_has_prefix(found->pdata[i], damages[which].told);
    }
    g_assert_true(told);
    small_world_free(small);
}

/* ---- lists of ids ---- */

static void test_ids(void)
{
    static const struct {
        const char *text, *read;
    } lists[] = {
        {"", ""},
        {"1", "1"},
        {"3,1,2,3", "1,2,3"},
        {" 5 ; 4", "4,5"},
        {"-1,7", "-1,7"},
        {"x,y", ""},
        {"1-2", "-2,1"},
        {",,,", ""},
        {"4294967296,99999999999999999999", ""},
        {"2147483647,-2147483648", "-2147483648,2147483647"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(lists); i++) {
        g_autoptr(GArray) ids = ids_parse(lists[i].text);
        g_autofree char *text = ids_print(ids);
        g_assert_cmpstr(text, ==, lists[i].read);
    }
    g_autoptr(GArray) none = ids_parse(NULL);
    g_assert_cmpuint(none->len, ==, 0);
    g_assert_false(ids_remove(none, 3));
    ids_add(none, 3);
    ids_add(none, 3);
    g_assert_cmpuint(none->len, ==, 1);
    g_assert_true(ids_contain(none, 3));
    g_assert_true(ids_remove(none, 3));
}

/* What an owner has of a name is found at once, whatever was renamed, given away or removed. */
static void test_names(void)
{
    SmallWorld *small = small_world_new("");
    World *world = small->world;
    Object *first = &plain_create(world, KIND_TEMPLATE, "web", 2, 1, template_new(), 0)->head;
    Object *second = &plain_create(world, KIND_TEMPLATE, "web", 2, 1, template_new(), 0)->head;
    Object *other = &plain_create(world, KIND_TEMPLATE, "web", 3, 1, template_new(), 0)->head;
    Object *paper = &plain_create(world, KIND_DOCUMENT, "web", 2, 1, template_new(), 7)->head;
    g_assert_true(pool_find_own(world, KIND_TEMPLATE, 2, "web") == first);
    g_assert_true(pool_find_own(world, KIND_TEMPLATE, 3, "web") == other);
    g_assert_null(pool_find_own(world, KIND_TEMPLATE, 4, "web"));
    g_assert_null(pool_find_own(world, KIND_TEMPLATE, 2, "Web"));
    g_assert_null(pool_find_own(world, KIND_TEMPLATE, 2, NULL));
    g_assert_true(plain_find(world, KIND_DOCUMENT, 2, "web", 7) == paper);
    g_assert_null(plain_find(world, KIND_DOCUMENT, 2, "web", 8));
    object_set_name(world, first, "mail");
    g_assert_true(pool_find_own(world, KIND_TEMPLATE, 2, "web") == second);
    g_assert_true(pool_find_own(world, KIND_TEMPLATE, 2, "mail") == first);
    second->uid = 3;
    object_changed(world, second);
    g_assert_null(pool_find_own(world, KIND_TEMPLATE, 2, "web"));
    g_assert_true(pool_find_own(world, KIND_TEMPLATE, 3, "web") == second); /* the oldest */
    pool_remove(world, second);
    g_assert_true(pool_find_own(world, KIND_TEMPLATE, 3, "web") == other);
    pool_remove(world, other);
    g_assert_null(pool_find_own(world, KIND_TEMPLATE, 3, "web"));
    small_world_free(small);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/world/names", test_names);
    g_test_add_func("/world/new", test_new);
    g_test_add_func("/world/round-trip", test_round_trip);
    for (guint i = 0; i < G_N_ELEMENTS(damages); i++) {
        g_autofree char *path = g_strdup_printf("/world/damage/%s", damages[i].name);
        g_test_add_data_func(path, GUINT_TO_POINTER(i), test_damage);
    }
    g_test_add_func("/world/ids", test_ids);
    return g_test_run();
}
