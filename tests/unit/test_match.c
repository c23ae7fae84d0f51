/* scheduler/match.c and attributes.c: which hosts and datastores meet a requirement. */
#include "scheduler/match.h"
#include "tests/unit/sched_cases.h"

static SchedMatcher *matcher_for(SchedPools *pools)
{
    SchedLimits limits = {0, "- RUNNING_VMS", "FREE_MB"};
    return sched_matcher_new(pools, &limits);
}

static void check_requirement(SchedPools *pools, gboolean host, const char *text,
                              const char *expected)
{
    g_autoptr(SchedMatcher) matcher = matcher_for(pools);
    g_autoptr(GString) met = g_string_new(NULL);
    SchedVm vm = {.id = 1, .host = -1, .datastore = -1};
    *(host ? &vm.requirements : &vm.ds_requirements) = *text != '\0' ? text : NULL;
    SchedClass *class = sched_class_of(matcher, &vm);
    g_assert_null(class->error);
    guint count = host ? pools->hosts->len : pools->datastores->len;
    for (guint i = 0; i < count; i++) {
        gint32 id = host ? g_array_index(pools->hosts, SchedHost, i).id
                         : g_array_index(pools->datastores, SchedDatastore, i).id;
        if (host ? sched_test_host(matcher, class, i) == SCHED_FITS
                 : sched_test_datastore(matcher, class, i) == SCHED_DS_FITS)
            g_string_append_printf(met, "%s%d", met->len > 0 ? " " : "", id);
    }
    g_assert_cmpstr(met->str, ==, expected);
}

static void test_requirements(void)
{
    sched_each_line("sched/match.txt", check_requirement);
}

/* Machines that ask for the same share one class; devices and moves never do. */
static void test_classes(void)
{
    g_autoptr(SchedPools) pools = sched_test_pools();
    g_autoptr(SchedMatcher) matcher = matcher_for(pools);
    SchedPci any = {.vendor = "10de", .vmid = -1};
    g_autoptr(GArray) pci = g_array_new(FALSE, FALSE, sizeof(SchedPci));
    g_array_append_val(pci, any);
    const char *same = "ARCH = x86_64";
    SchedVm vms[] = {{.id = 1, .host = -1, .requirements = same},
                     {.id = 2, .host = -1, .requirements = same},
                     {.id = 3, .host = -1, .requirements = same, .cpu = 100},
                     {.id = 4, .host = -1, .requirements = same, .pci = pci},
                     {.id = 5, .host = -1, .requirements = same, .pci = pci},
                     {.id = 6, .host = 0, .requirements = same, .resched = TRUE}};
    SchedClass *classes[G_N_ELEMENTS(vms)];
    for (guint i = 0; i < G_N_ELEMENTS(vms); i++)
        classes[i] = sched_class_of(matcher, &vms[i]);
    g_assert_true(classes[0] == classes[1]);
    for (guint i = 2; i < G_N_ELEMENTS(vms); i++)
        for (guint j = 0; j < i; j++)
            g_assert_true(classes[i] != classes[j]);
    g_assert_cmpint(sched_test_host(matcher, classes[5], 0), ==, SCHED_IS_HERE);
}

/* Host 0 has two devices, one of them taken. */
static void test_devices(void)
{
    g_autoptr(SchedPools) pools = sched_test_pools();
    g_autoptr(SchedMatcher) matcher = matcher_for(pools);
    SchedPci any = {.class = "0x302", .vmid = -1}, taken = {.address = "03:00.0", .vmid = -1};
    SchedPci named = {.vmid = -1}, last = {.vendor = "10DE", .vmid = -1};
    g_autoptr(GArray) one = g_array_new(FALSE, FALSE, sizeof(SchedPci));
    g_autoptr(GArray) two = g_array_new(FALSE, FALSE, sizeof(SchedPci));
    g_autoptr(GArray) other = g_array_new(FALSE, FALSE, sizeof(SchedPci));
    g_array_append_val(one, any);
    g_array_append_val(two, any);
    g_array_append_val(two, any);
    g_array_append_val(other, taken);
    g_autoptr(GArray) exact = g_array_new(FALSE, FALSE, sizeof(SchedPci));
    g_autoptr(GArray) by_itself = g_array_new(FALSE, FALSE, sizeof(SchedPci));
    SchedPci first = {.address = "02:00.0", .vmid = -1};
    g_array_append_val(exact, last); /* alone it would take what only the next can have */
    g_array_append_val(exact, first);
    g_array_append_val(by_itself, named);
    SchedVm vms[] = {{.id = 1, .host = -1, .pci = one},   {.id = 2, .host = -1, .pci = two},
                     {.id = 3, .host = -1, .pci = other}, {.id = 4, .host = -1, .pci = one},
                     {.id = 5, .host = -1, .pci = exact}, {.id = 6, .host = -1, .pci = by_itself}};
    SchedHost *host = sched_find_host(pools, 0);
    SchedHostTest before[] = {SCHED_FITS, SCHED_NO_PCI, SCHED_NO_PCI};
    for (guint i = 0; i < G_N_ELEMENTS(before); i++)
        g_assert_cmpint(sched_test_host(matcher, sched_class_of(matcher, &vms[i]), 0), ==,
                        before[i]);
    g_assert_cmpint(sched_test_host(matcher, sched_class_of(matcher, &vms[0]), 1), ==,
                    SCHED_NO_PCI);
    g_assert_true(sched_take_devices(host, &vms[0]));
    g_assert_cmpint(sched_test_host(matcher, sched_class_of(matcher, &vms[3]), 0), ==,
                    SCHED_NO_PCI);
    g_assert_cmpint(sched_test_host(matcher, sched_class_of(matcher, &vms[5]), 1), ==, SCHED_FITS);
    for (guint i = 0; i < host->pci->len; i++)
        g_array_index(host->pci, SchedPci, i).vmid = -1;
    g_assert_true(sched_take_devices(host, &vms[4]));
    g_assert_cmpint(g_array_index(host->pci, SchedPci, 1).vmid, ==, 5);
}

static void test_room_in_datastores(void)
{
    g_autoptr(SchedPools) pools = sched_test_pools();
    const SchedDatastore *shared = sched_find_datastore(pools, 0);
    const SchedDatastore *local = sched_find_datastore(pools, 5);
    const SchedHost *first = sched_find_host(pools, 0), *second = sched_find_host(pools, 1);
    g_assert_true(sched_datastore_has_room(shared, first, 400));
    g_assert_false(sched_datastore_has_room(shared, first, 401));
    /* A local datastore has the room that its host reports for it. */
    g_assert_true(sched_datastore_has_room(local, first, 700));
    g_assert_false(sched_datastore_has_room(local, first, 701));
    g_assert_true(sched_datastore_has_room(local, second, 1 << 30));
    g_assert_true(sched_datastore_serves(local, first));
    g_assert_false(sched_datastore_serves(local, second));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/match/requirements", test_requirements);
    g_test_add_func("/match/classes", test_classes);
    g_test_add_func("/match/devices", test_devices);
    g_test_add_func("/match/room_in_datastores", test_room_in_datastores);
    return g_test_run();
}
