/* scheduler/read_*.c: pools of every server generation become what the scheduler needs. */
#include "scheduler/pools.h"
#include "scheduler/flatxml.h"
#include "lib/base/error.h"
#include "tests/unit/sched_cases.h"

#define VM_HEAD(id, state, lcm, resched)                                                           \
    "<VM><ID>" id "</ID><UID>2</UID><GID>100</GID><STATE>" state "</STATE><LCM_STATE>" lcm         \
    "</LCM_STATE><RESCHED>" resched "</RESCHED>"

static SchedPools *read_vms(const char *vms, double scale)
{
    SchedPools *pools = sched_pools_new();
    g_autoptr(GError) error = NULL;
    g_autofree char *pool = g_strconcat("<VM_POOL>", vms, "</VM_POOL>", NULL);
    sched_read_vms(pools, pool, scale, &error);
    g_assert_no_error(error);
    sched_pools_finish(pools);
    return pools;
}

static const SchedVm *nth(const SchedPools *pools, guint index)
{
    g_assert_cmpuint(index, <, pools->vms->len);
    return &g_array_index(pools->vms, SchedVm, index);
}

static void test_which_machines(void)
{
    g_autoptr(SchedPools) pools =
        read_vms(VM_HEAD("9", "1", "0", "0") "</VM>"  /* pending */
                 VM_HEAD("2", "3", "3", "1") "</VM>"  /* running, to move */
                 VM_HEAD("3", "3", "16", "1") "</VM>" /* unknown, to move */
                 VM_HEAD("4", "8", "0", "1") "</VM>"  /* off, to move */
                 VM_HEAD("5", "3", "3", "0") "</VM>"  /* running */
                 VM_HEAD("6", "3", "1", "1") "</VM>"  /* prolog: later */
                 VM_HEAD("7", "2", "0", "0") "</VM>"  /* held */
                 VM_HEAD("8", "4", "0", "1") "</VM>",
                 0); /* stopped */
    static const gint32 expected[] = {2, 3, 4, 9};
    g_assert_cmpuint(pools->vms->len, ==, G_N_ELEMENTS(expected));
    for (guint i = 0; i < G_N_ELEMENTS(expected); i++) {
        g_assert_cmpint(nth(pools, i)->id, ==, expected[i]);
        g_assert_cmpint(nth(pools, i)->resched, ==, expected[i] != 9);
    }
    g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(gint32));
    g_assert_true(sched_read_resched_ids("<VM_POOL>" VM_HEAD("1", "1", "0", "1") "</VM>" VM_HEAD(
                                             "5", "3", "3", "1") "</VM></VM_POOL>",
                                         ids, NULL));
    g_assert_cmpuint(ids->len, ==, 1);
    g_assert_cmpint(g_array_index(ids, gint32, 0), ==, 5);
}

static void test_attributes_of_a_machine(void)
{
    g_autoptr(SchedPools) pools = read_vms(
        VM_HEAD(
            "1", "1", "0",
            "0") "<TEMPLATE>"
                 "<AUTOMATIC_REQUIREMENTS><![CDATA[(CLUSTER_ID = 0)]]></AUTOMATIC_REQUIREMENTS>"
                 "<AUTOMATIC_DS_REQUIREMENTS>\"CLUSTERS/ID\" @&gt; 0</AUTOMATIC_DS_REQUIREMENTS>"
                 "<CPU><![CDATA[0.29]]></CPU><MEMORY>100</MEMORY>"
                 "<PCI><VENDOR>10de</VENDOR><CLASS>0302</CLASS></PCI><PCI><SHORT_ADDRESS>02:00.0</"
                 "SHORT_ADDRESS></PCI>"
                 "</TEMPLATE><USER_TEMPLATE><REQUIREMENTS>OLD</REQUIREMENTS><RANK>OLD</RANK>"
                 "<SCHED_REQUIREMENTS>ARCH = \"x\"</SCHED_REQUIREMENTS><SCHED_RANK>R</SCHED_RANK>"
                 "<SCHED_DS_REQUIREMENTS>D</SCHED_DS_REQUIREMENTS><SCHED_DS_RANK>E</SCHED_DS_RANK>"
                 "<USER_PRIORITY>2.5</USER_PRIORITY><SCHED_MESSAGE>why</SCHED_MESSAGE></"
                 "USER_TEMPLATE>"
                 "<HISTORY_RECORDS><HISTORY><SEQ>0</SEQ><HID>3</HID><DS_ID>0</DS_ID></HISTORY>"
                 "<HISTORY><SEQ>1</SEQ><HID>4</HID><DS_ID>103</DS_ID></HISTORY></HISTORY_RECORDS></"
                 "VM>",
        0);
    const SchedVm *vm = nth(pools, 0);
    g_assert_cmpint(vm->uid, ==, 2);
    g_assert_cmpint(vm->gid, ==, 100);
    g_assert_cmpint(vm->cpu, ==, 29);
    g_assert_cmpint(vm->memory, ==, 102400);
    g_assert_cmpint(vm->system_mb, ==, 0);
    g_assert_cmpfloat(vm->priority, ==, 2.5);
    g_assert_cmpstr(vm->automatic, ==, "(CLUSTER_ID = 0)");
    g_assert_cmpstr(vm->automatic_ds, ==, "\"CLUSTERS/ID\" @> 0");
    g_assert_cmpstr(vm->requirements, ==, "ARCH = \"x\"");
    g_assert_cmpstr(vm->rank, ==, "R");
    g_assert_cmpstr(vm->ds_requirements, ==, "D");
    g_assert_cmpstr(vm->ds_rank, ==, "E");
    g_assert_cmpstr(vm->message, ==, "why");
    g_assert_cmpint(vm->host, ==, 4);
    g_assert_cmpint(vm->datastore, ==, 103);
    g_assert_cmpuint(vm->pci->len, ==, 2);
    g_assert_cmpstr(g_array_index(vm->pci, SchedPci, 0).class, ==, "0302");
    g_assert_null(g_array_index(vm->pci, SchedPci, 1).class);
    g_assert_cmpstr(g_array_index(vm->pci, SchedPci, 1).address, ==, "02:00.0");
    g_assert_null(vm->cannot);
}

/* Up to 3.8 everything stood in TEMPLATE, under the old names. */
static void test_old_names(void)
{
    g_autoptr(SchedPools) pools = read_vms(
        VM_HEAD("1", "1", "0",
                "0") "<TEMPLATE><CPU>1</CPU><MEMORY>64</MEMORY>"
                     "<REQUIREMENTS>A = 1</REQUIREMENTS><RANK>FREECPU</RANK></TEMPLATE></VM>",
        0);
    g_assert_cmpstr(nth(pools, 0)->requirements, ==, "A = 1");
    g_assert_cmpstr(nth(pools, 0)->rank, ==, "FREECPU");
    g_assert_cmpint(nth(pools, 0)->host, ==, -1);
}

static void test_disks(void)
{
    static const struct {
        const char *disk;
        gint64 system_mb, image_mb; /* in datastore 1 */
    } cases[] = {
        {"<TYPE>fs</TYPE><SIZE>10</SIZE>", 10, 0},
        {"<TYPE>swap</TYPE><SIZE>20</SIZE>", 20, 0},
        {"<IMAGE_ID>0</IMAGE_ID><DATASTORE_ID>1</DATASTORE_ID><SIZE>30</SIZE><CLONE>YES</CLONE>"
         "<CLONE_TARGET>SYSTEM</CLONE_TARGET>",
         30, 0},
        {"<IMAGE_ID>0</IMAGE_ID><DATASTORE_ID>1</DATASTORE_ID><SIZE>40</SIZE><CLONE>YES</CLONE>"
         "<CLONE_TARGET>SELF</CLONE_TARGET>",
         0, 40},
        {"<IMAGE_ID>0</IMAGE_ID><DATASTORE_ID>1</DATASTORE_ID><SIZE>50</SIZE><CLONE>NO</CLONE>"
         "<CLONE_TARGET>SYSTEM</CLONE_TARGET><LN_TARGET>NONE</LN_TARGET>",
         0, 0},
        {"<IMAGE_ID>0</IMAGE_ID><DATASTORE_ID>1</DATASTORE_ID><SIZE>60</SIZE><CLONE>NO</CLONE>"
         "<LN_TARGET>SYSTEM</LN_TARGET><DISK_SNAPSHOT_TOTAL_SIZE>5</DISK_SNAPSHOT_TOTAL_SIZE>",
         65, 0},
        {"<SOURCE>/disk.img</SOURCE><CLONE>no</CLONE><TARGET>sda2</TARGET>", 0, 0},
    };
    g_autoptr(GString) all =
        g_string_new(VM_HEAD("99", "1", "0", "0") "<TEMPLATE><MEMORY>10</MEMORY>");
    gint64 system_mb = 0, image_mb = 0;
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *one = g_strconcat(VM_HEAD("1", "1", "0", "0") "<TEMPLATE><DISK>",
                                           cases[i].disk, "</DISK></TEMPLATE></VM>", NULL);
        g_autoptr(SchedPools) pools = read_vms(one, 0);
        const SchedVm *vm = nth(pools, 0);
        g_assert_cmpint(vm->system_mb, ==, cases[i].system_mb);
        g_assert_cmpint(
            vm->image_space != NULL ? g_array_index(vm->image_space, SchedImageSpace, 0).mb : 0, ==,
            cases[i].image_mb);
        g_string_append_printf(all, "<DISK>%s</DISK>", cases[i].disk);
        system_mb += cases[i].system_mb;
        image_mb += cases[i].image_mb;
    }
    /* The elements of one disk are not taken for those of the next. */
    g_string_append(all, "</TEMPLATE></VM>");
    g_autoptr(SchedPools) pools = read_vms(all->str, 0.5);
    g_assert_cmpint(nth(pools, 0)->system_mb, ==, system_mb + 5);
    g_assert_cmpint(g_array_index(nth(pools, 0)->image_space, SchedImageSpace, 0).mb, ==, image_mb);
}

static void test_what_cannot_be_placed(void)
{
    g_autoptr(SchedPools) pools =
        read_vms(VM_HEAD("2", "1", "0", "0") "<TEMPLATE><VMGROUP><VMGROUP_ID>0</VMGROUP_ID>"
                                             "</VMGROUP></TEMPLATE></VM>",
                 0);
    sched_pools_finish(pools);
    g_assert_nonnull(nth(pools, 0)->cannot);
    g_assert_nonnull(strstr(nth(pools, 0)->cannot, "VM group"));
}

/* Cards whose network is to be chosen: not those that have an address already. */
static void test_cards_that_wait(void)
{
    g_autoptr(SchedPools) pools = read_vms(
        VM_HEAD("1", "1", "0", "0") "<TEMPLATE><NIC><NIC_ID>0</NIC_ID><NETWORK_ID>3</NETWORK_ID>"
                                    "<AR_ID>0</AR_ID><NETWORK_MODE>auto</NETWORK_MODE></NIC><NIC>"
                                    "<NIC_ID>1</NIC_ID><NETWORK_MODE>AUTO</NETWORK_MODE>"
                                    "<SCHED_RANK>X</SCHED_RANK></NIC><NIC><NIC_ID>2</NIC_ID>"
                                    "</NIC></TEMPLATE></VM>",
        0);
    const SchedVm *vm = nth(pools, 0);
    g_assert_null(vm->cannot);
    g_assert_nonnull(vm->nics);
    g_assert_cmpuint(vm->nics->len, ==, 1);
    g_assert_cmpint(g_array_index(vm->nics, SchedNic, 0).id, ==, 1);
    g_assert_cmpstr(g_array_index(vm->nics, SchedNic, 0).rank, ==, "X");
}

static void test_hosts(void)
{
    g_autoptr(SchedPools) pools = sched_test_pools();
    const SchedHost *host = sched_find_host(pools, 0);
    g_assert_cmpstr(host->name, ==, "node01");
    g_assert_cmpint(host->state, ==, 2);
    g_assert_cmpint(host->max_cpu, ==, 800);
    g_assert_cmpint(host->cpu_usage, ==, 100);
    g_assert_cmpint(host->max_mem, ==, 16777216);
    g_assert_cmpint(host->mem_usage, ==, 1048576);
    g_assert_cmpint(host->free_disk, ==, 5000);
    g_assert_cmpuint(host->local->len, ==, 2);
    g_assert_cmpint(g_array_index(host->local, SchedLocalSpace, 1).free_mb, ==, 50);
    g_assert_cmpuint(host->pci->len, ==, 2);
    g_assert_cmpint(g_array_index(host->pci, SchedPci, 1).vmid, ==, 9);
    g_assert_cmpint(sched_find_host(pools, 1)->free_disk, ==, -1);
    g_assert_nonnull(sched_find_host(pools, 2)->of_cluster);
    g_assert_null(sched_find_host(pools, 3));
    const SchedDatastore *datastore = sched_find_datastore(pools, 0);
    g_assert_true(datastore->shared);
    g_assert_cmpuint(datastore->clusters->len, ==, 2);
    g_assert_cmpint(datastore->free_mb, ==, 400);
    g_assert_false(sched_find_datastore(pools, 5)->shared);
}

static void test_users(void)
{
    g_autoptr(SchedPools) pools = sched_pools_new();
    g_assert_true(sched_read_users(
        pools,
        "<USER_POOL><USER><ID>5</ID><GID>1</GID><GROUPS><ID>1</ID><ID>0</ID></GROUPS></USER>"
        "<QUOTAS><ID>5</ID></QUOTAS><USER><ID>3</ID><GID>7</GID></USER>"
        "<DEFAULT_USER_QUOTAS/></USER_POOL>",
        NULL));
    sched_pools_finish(pools);
    g_assert_cmpuint(pools->users->len, ==, 2);
    g_assert_cmpuint(sched_find_user(pools, 5)->groups->len, ==, 2);
    g_assert_cmpint(g_array_index(sched_find_user(pools, 3)->groups, gint32, 0), ==, 7);
    g_assert_cmpint(
        sched_read_zone("<OPENNEBULA_CONFIGURATION><FEDERATION><MODE>MASTER</MODE>"
                        "<ZONE_ID>100</ZONE_ID></FEDERATION></OPENNEBULA_CONFIGURATION>"),
        ==, 100);
    g_assert_cmpint(sched_read_zone("<OPENNEBULA_CONFIGURATION/>"), ==, 0);
}

/* What is no pool is an error and never half a pool taken for all. */
static void test_broken(void)
{
    static const char *const texts[] = {
        "",
        "no XML",
        "<VM_POOL>",
        "<VM_POOL><VM></VM_POOL>",
        "<VM_POOL>\x01</VM_POOL>",
        "<!DOCTYPE a [<!ENTITY e \"x\">]><VM_POOL>&e;</VM_POOL>",
    };
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(SchedPools) pools = sched_pools_new();
        g_autoptr(GError) error = NULL;
        g_assert_false(sched_read_vms(pools, texts[i], 0, &error));
        g_assert_error(error, ONE_ERROR, ONE_ERROR_INTERNAL);
    }
    g_autoptr(GString) deep = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    for (int i = 0; i < 1000; i++)
        g_string_append(deep, "<A>");
    g_autoptr(SchedPools) pools = sched_pools_new();
    g_assert_false(sched_read_vms(pools, deep->str, 0, &error));
    g_assert_nonnull(strstr(error->message, "too deep"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pools/which_machines", test_which_machines);
    g_test_add_func("/pools/attributes_of_a_machine", test_attributes_of_a_machine);
    g_test_add_func("/pools/old_names", test_old_names);
    g_test_add_func("/pools/disks", test_disks);
    g_test_add_func("/pools/what_cannot_be_placed", test_what_cannot_be_placed);
    g_test_add_func("/pools/cards_that_wait", test_cards_that_wait);
    g_test_add_func("/pools/hosts", test_hosts);
    g_test_add_func("/pools/users", test_users);
    g_test_add_func("/pools/broken", test_broken);
    return g_test_run();
}
