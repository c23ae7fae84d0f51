/*
 * The libvirt flavours of both drivers on libvirt's own simulated hypervisor (test:///), which
 * lives inside this process: no host, no root, no libvirtd.
 */
#include "drivers/common/libvirt_pool.h"

#include "drivers/common/libvirt_stats.h"
#include "drivers/common/libvirt_tunnel.h"
#include "drivers/im/im.h"
#include "drivers/im/im_libvirt.h"
#include "drivers/im/im_pci.h"
#include "drivers/vmm/vmm.h"
#include "drivers/vmm/vmm_action.h"
#include "lib/base/error.h"
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

static const DomainDialect dialect = {
    .type = "test", .os_kernel = "hvm", .os_plain = "hvm", .prefix = "vd"};
static const VmmFlavour flavour = {
    .name = "test",
    .actions = vmm_libvirt_actions,
    .libvirt = {"test:///default", "test:///default"},
    .dialect = &dialect,
    .defaults = "missing.conf",
    .abilities = VMM_SAVES | VMM_RESETS,
};
static char *scratch;

/* ---- the pool ---- */

static void test_local(void)
{
    char own[256] = "";
    g_assert_cmpint(gethostname(own, sizeof own - 1), ==, 0);
    g_assert_true(libvirt_host_is_local("localhost"));
    g_assert_true(libvirt_host_is_local("127.0.0.1"));
    g_assert_true(libvirt_host_is_local(own));
    g_assert_false(libvirt_host_is_local("node99.example"));
    g_assert_false(libvirt_host_is_local(""));
}

static void test_pool(void)
{
    g_autoptr(GError) error = NULL;
    virConnectPtr first = libvirt_pool_get("h1", &error);
    g_assert_no_error(error);
    /* Two calls at a time never share one. */
    virConnectPtr second = libvirt_pool_get("h1", &error);
    g_assert_no_error(error);
    g_assert_true(second != first);
    /* What was given back is taken again. */
    libvirt_pool_release(second);
    virConnectPtr third = libvirt_pool_get("h1", &error);
    g_assert_true(third == second);
    virConnectPtr elsewhere = libvirt_pool_get("h2", &error);
    g_assert_true(elsewhere != first && elsewhere != third);
    /* Forgotten while in use: closed when the user gives it back. */
    libvirt_pool_forget("h1");
    libvirt_pool_release(first);
    libvirt_pool_release(third);
    libvirt_pool_release(elsewhere);
    libvirt_pool_release(NULL);
    virConnectPtr again = libvirt_pool_get("h1", &error);
    g_assert_no_error(error);
    libvirt_pool_release(again);
}

static void test_routes(void)
{
    static const struct {
        const char *pattern, *who, *inner, *outer;
    } cases[] = {
        {"qemu+ssh://%h/system?no_tty=1", "h1", "qemu:///system", "qemu+unix:///system?socket="},
        {"xen+ssh://%h/system", "h1", "xen:///system", "xen+unix:///system?socket="},
        {"qemu+ssh://one@%h/session", "one@h1", "qemu:///session", "qemu+unix:///session?socket="},
        /* What only libvirt's own way can do. */
        {"qemu+ssh://%h:2222/system"},
        {"qemu+ssh://gate/system"},
        {"qemu+ssh://%h/system?no_verify=1"},
        {"qemu+ssh://%h/system?command=/opt/ssh&no_tty=1"},
        {"qemu+ssh://a:b@%h/system"},
        {"qemu+ssh://%h/sys'tem"},
        {"qemu+ssh://%h/%h"},
        {"qemu+tls://%h/system"},
        {"test:///default"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(LibvirtRoute) route = {0};
        g_assert_cmpint(libvirt_route_read(cases[i].pattern, "h1", &route), ==,
                        cases[i].who != NULL);
        g_assert_cmpstr(route.who, ==, cases[i].who);
        g_assert_cmpstr(route.inner, ==, cases[i].inner);
        g_assert_cmpstr(route.outer, ==, cases[i].outer);
    }
}

static void test_bad_names(void)
{
    static const char *const names[] = {"", "-oProxyCommand=x", "a b", "a/b", "a?b", "a%h"};
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(libvirt_pool_get(names[i], &error));
        g_assert_error(error, ONE_ERROR, ONE_ERROR_RPC_API);
    }
}

/* ---- the drivers ---- */

static char *serve(const Driver *driver, const char *requests)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *name = NULL;
    g_autofree char *heard = NULL;
    int in[2];
    g_assert_cmpint(pipe(in), ==, 0);
    g_assert_cmpint(write(in[1], requests, strlen(requests)), ==, (gssize)strlen(requests));
    close(in[1]);
    int out = g_file_open_tmp("heard-XXXXXX", &name, &error);
    g_assert_no_error(error);
    g_assert_cmpint(driver_serve(driver, in[0], out), ==, 0);
    close(in[0]);
    close(out);
    g_file_get_contents(name, &heard, NULL, &error);
    g_assert_no_error(error);
    g_unlink(name);
    return g_steal_pointer(&heard);
}

/* `stime` tells one machine with id 3 from another. */
static char *act(const char *action, const char *stime)
{
    g_autofree char *xml = g_strdup_printf(
        "<VMM_DRIVER_ACTION_DATA><HOST>h1</HOST><MIGR_HOST/><DEPLOY_ID/>"
        "<LOCAL_DEPLOYMENT_FILE>%s/deployment.0</LOCAL_DEPLOYMENT_FILE>"
        "<CHECKPOINT_FILE>%s/checkpoint</CHECKPOINT_FILE><DISK_TARGET_PATH>%s</DISK_TARGET_PATH>"
        "<VM><ID>3</ID><NAME>web</NAME><STIME>%s</STIME><TEMPLATE><CPU>1</CPU>"
        "<MEMORY>64</MEMORY></TEMPLATE></VM></VMM_DRIVER_ACTION_DATA>",
        scratch, scratch, scratch, stime);
    g_autofree char *payload = g_base64_encode((const guchar *)xml, strlen(xml));
    g_autofree char *line = g_strdup_printf("%s 3 %s\n", action, payload);
    const Driver driver = {.program = "one_vmm",
                           .actions = vmm_libvirt_actions,
                           .queue_of = vmm_queue_of,
                           .prepare = vmm_prepare};
    return serve(&driver, line);
}

static void expect(const char *action, const char *stime, const char *pattern)
{
    g_autofree char *heard = act(action, stime);
    if (!g_pattern_match_simple(pattern, heard))
        g_error("%s: heard \"%s\" instead of \"%s\"", action, heard, pattern);
}

static void test_life(void)
{
    expect("POLL", "1", "POLL SUCCESS 3 STATE=d\n");
    expect("CANCEL", "1", "CANCEL SUCCESS 3 -\n");
    expect("SHUTDOWN", "1", "SHUTDOWN SUCCESS 3 -\n");
    expect("REBOOT", "1",
           "REBOOT FAILURE 3 one-3 is not there on h1: there is nothing to reboot\n");
    expect("DEPLOY", "1", "DEPLOY SUCCESS 3 one-3\n");
    expect("DEPLOY", "1", "DEPLOY SUCCESS 3 one-3\n");
    expect("POLL", "1", "POLL SUCCESS 3 STATE=a*");
    expect("MIGRATE", "1", "MIGRATE FAILURE 3 the request names no MIGR_HOST\n");
    expect("SAVE", "1", "SAVE SUCCESS 3 -\n");
    expect("POLL", "1", "POLL SUCCESS 3 STATE=d\n");
    expect("RESTORE", "1", "RESTORE SUCCESS 3 one-3\n");
    expect("POLL", "1", "POLL SUCCESS 3 STATE=a*");
    expect("SHUTDOWN", "1", "SHUTDOWN SUCCESS 3 -\n");
    expect("DEPLOY", "1", "DEPLOY SUCCESS 3 one-3\n");
    expect("CLEANUP", "1", "CLEANUP SUCCESS 3 -\n");
    expect("CLEANUP", "1", "CLEANUP SUCCESS 3 -\n");
    expect("POLL", "1", "POLL SUCCESS 3 STATE=d\n");
}

/* The document is kept for the administrator, and for nobody else: it may hold a password. */
static void test_kept_document(void)
{
    g_autofree char *path = g_build_filename(scratch, "deployment.0", NULL);
    GStatBuf facts;
    g_assert_cmpint(g_stat(path, &facts), ==, 0);
    g_assert_cmpint(facts.st_mode & 0777, ==, 0600);
}

/* A domain of our name with another UUID is neither stopped, nor destroyed, nor reported. */
static void test_other_machine(void)
{
    expect("DEPLOY", "1", "DEPLOY SUCCESS 3 one-3\n");
    expect("DEPLOY", "2", "DEPLOY FAILURE 3 one-3 on h1 is another machine*");
    expect("CANCEL", "2", "CANCEL FAILURE 3 one-3 on h1 is another machine*");
    expect("POLL", "2", "POLL SUCCESS 3 STATE=d\n");
    expect("CLEANUP", "2", "CLEANUP SUCCESS 3 -\n");
    expect("POLL", "1", "POLL SUCCESS 3 STATE=a*");
    expect("CANCEL", "1", "CANCEL SUCCESS 3 -\n");
}

static void test_monitor(void)
{
    expect("DEPLOY", "1", "DEPLOY SUCCESS 3 one-3\n");
    const Driver driver = {.program = "one_im",
                           .actions = im_libvirt_actions,
                           .queue_of = im_queue_of,
                           .prepare = im_prepare};
    g_autofree char *heard = serve(&driver, "MONITOR 7 h1\n");
    static const char begin[] = "MONITOR SUCCESS 7 ";
    if (!g_str_has_prefix(heard, begin))
        g_error("heard \"%s\"", heard);
    gsize length;
    g_autofree guchar *bytes = g_base64_decode(heard + strlen(begin), &length);
    g_autofree char *report = g_strndup((const char *)bytes, length);
    static const char *const parts[] = {
        "TOTALCPU=\"", "TOTALMEMORY=\"", "SYNC_STATE=\"yes\"",
        "VM=[ID=\"3\",DEPLOY_ID=\"one-3\",UUID=\"", "STATE=\"RUNNING\"",
        /* The machine that test:///default brings along is none of ours. */
        "VM=[ID=\"-1\",DEPLOY_ID=\"test\"", "IMPORT_TEMPLATE=\"",
        /* It says that it has two nodes of eight cores each. */
        "LIBVIRT_VERSION=\"", "CORE=[NODE_ID=\"0\",ID=\"7\",CPUS=\"7\"]\n",
        "CORE=[NODE_ID=\"1\",ID=\"0\",CPUS=\"8\"]\n",
        "MEMORY_NODE=[NODE_ID=\"1\",TOTAL=\"4194304\",FREE=\"",
        "HUGEPAGE=[NODE_ID=\"1\",SIZE=\"1048576\",PAGES=\"0\",FREE=\""};
    for (guint i = 0; i < G_N_ELEMENTS(parts); i++)
        if (!strstr(report, parts[i]))
            g_error("no %s in %s", parts[i], report);
    g_autofree char *stopped = serve(&driver, "STOPMONITOR 7 h1\n");
    g_assert_cmpstr(stopped, ==, "STOPMONITOR SUCCESS 7 -\n");
    expect("CANCEL", "1", "CANCEL SUCCESS 3 -\n");
}

/* What the report tells of the devices of `file` by this filter. (owned) */
static char *pci_by(const char *file, const char *conf)
{
    g_autofree char *path = g_build_filename(scratch, "im_pci.conf", NULL);
    g_autoptr(GError) error = NULL;
    g_assert_true(g_file_set_contents(path, conf, -1, NULL));
    if (!im_pci_init(&error))
        return g_strdup(error->message);
    g_autofree char *uri = g_strdup_printf("test://%s", file);
    virConnectPtr connection = virConnectOpen(uri);
    g_assert_nonnull(connection);
    GString *out = g_string_new(NULL);
    im_append_pci(out, "h1", connection);
    (void)virConnectClose(connection);
    return g_string_free(out, FALSE);
}

#define PCI(name, parent, inside)                                                                  \
    "<device><name>" name "</name><parent>" parent "</parent>" inside "</device>"
#define PLACE(bus, slot, function)                                                                 \
    "<domain>0</domain><bus>" bus "</bus><slot>" slot "</slot><function>" function "</function>"

static void test_pci(void)
{
    static const char node[] = "<node>" PCI(
        "pci_0000_3b_00_0", "computer",
        "<capability type='pci'><class>0x030200</class>" PLACE(
            "59", "0", "0") "<product id='0x1db4'>Tesla \"V\" [100]</product>"
                            "<vendor id='0x10de'>NVIDIA Corporation</vendor><numa node='1'/>"
                            "</capability>")
        PCI("pci_0000_5e_00_1", "computer",
            "<capability type='pci'><class>0x020000</class>" PLACE(
                "94", "0",
                "1") "<product id='0x1572'>X710</product><vendor id='0x8086'>Intel</vendor>"
                     "<capability type='virt_functions' maxCount='64'>"
                     "<address domain='0x0000' bus='0x5e' slot='0x02' function='0x0'/>"
                     "<address domain='0x0000' bus='0x5e' slot='0x02' function='0x1'/></capability>"
                     "</capability>")
            PCI("net_eth7_00", "pci_0000_5e_00_1",
                "<capability type='net'><interface>eth7</interface><address>00:11</address>"
                "</capability>") "</node>";
    static const char gpu[] =
        "PCI=[TYPE=\"10de:1db4:0302\",VENDOR=\"10de\",DEVICE=\"1db4\",CLASS=\"0302\","
        "VENDOR_NAME=\"NVIDIA Corporation\",DEVICE_NAME=\"Tesla \\\"V\\\" [100]\","
        "CLASS_NAME=\"3D controller\",ADDRESS=\"0000:3b:00:0\",SHORT_ADDRESS=\"3b:00.0\","
        "DOMAIN=\"0000\",BUS=\"3b\",SLOT=\"00\",FUNCTION=\"0\",NUMA_NODE=\"1\",IFNAME=\"-\","
        "SRIOV=\"no\"]\n";
    static const char card[] = "NUMA_NODE=\"-\",IFNAME=\"eth7\",SRIOV=\"pf\",SRIOV_NUM=\"2\"]\n";
    static const struct {
        const char *conf;
        gboolean gpu, card;
    } cases[] = {
        {"", FALSE, FALSE},
        {"FILTER = \"\"", FALSE, FALSE},
        {"FILTER = \"0:0\"", FALSE, FALSE},
        {"FILTER = \"10DE:\"", TRUE, FALSE},
        {"FILTER = \"10de::0300, ::0200\"", FALSE, TRUE},
        {"FILTER = \"::\"", TRUE, TRUE},
        {"FILTER = \"::\" SHORT_ADDRESS = \"0000:5e:00.1\"", FALSE, TRUE},
        {"FILTER = \"8086:\"\nSHORT_ADDRESS = \"3b:00.0\"", FALSE, FALSE},
    };
    g_autofree char *file = g_build_filename(scratch, "node.xml", NULL);
    g_assert_true(g_file_set_contents(file, node, -1, NULL));
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *said = pci_by(file, cases[i].conf);
        if ((strstr(said, gpu) != NULL) != cases[i].gpu ||
            (strstr(said, card) != NULL) != cases[i].card)
            g_error("by %s: %s", cases[i].conf, said);
    }
    static const char *const wrong[][2] = {
        {"FILTER = \"nvidia\"", "im_pci.conf cannot be used: FILTER has \"nvidia\""},
        {"SHORT_ADDRESS = \"3b\"", "SHORT_ADDRESS has \"3b\", which is not an address"},
        {"FILTERS = \"::\"", "it has the key FILTERS"},
        {"FILTER = [", "im_pci.conf cannot be used"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autofree char *said = pci_by(file, wrong[i][0]);
        if (!strstr(said, wrong[i][1]))
            g_error("of %s: %s", wrong[i][0], said);
    }
    g_autofree char *none = pci_by(file, "");
    g_assert_cmpstr(none, ==, "");
}

/* The whole of test:///default, as told to import it: 8 GiB and two processors. */
static void test_wild_template(void)
{
    const Driver driver = {.program = "one_im",
                           .actions = im_libvirt_actions,
                           .queue_of = im_queue_of,
                           .prepare = im_prepare};
    g_autofree char *heard = serve(&driver, "MONITOR 7 h1\n");
    gsize length;
    g_autofree guchar *bytes = g_base64_decode(strrchr(heard, ' ') + 1, &length);
    g_autofree char *report = g_strndup((const char *)bytes, length);
    const char *at = strstr(report, "IMPORT_TEMPLATE=\"");
    g_assert_nonnull(at);
    at += strlen("IMPORT_TEMPLATE=\"");
    g_autofree char *base64 = g_strndup(at, strcspn(at, "\""));
    g_autofree guchar *wild = g_base64_decode(base64, &length);
    g_autofree char *text = g_strndup((const char *)wild, length);
    g_assert_cmpstr(text, ==,
                    "NAME=\"test\"\nCPU=\"2\"\nVCPU=\"2\"\nMEMORY=\"8192\"\n"
                    "DEPLOY_ID=\"test\"\nIMPORT_VM_ID=\"test\"\n");
    g_autofree char *stopped = serve(&driver, "STOPMONITOR 7 h1\n");
}

/* What a host prints when libvirt cannot tell. */
static void test_outside(void)
{
    static const char text[] =
        "Inter-|   Receive                                                |  Transmit\n"
        " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets\n"
        "    lo: 999 1 0 0 0 0 0 0 999 1 0 0 0 0 0 0\n"
        "  eth0: 1000 1 0 0 0 0 0 0 200 1 0 0 0 0 0 0\n"
        "   br0: 1000 1 0 0 0 0 0 0 200 1 0 0 0 0 0 0\n"
        " vnet3:50 1 0 0 0 0 0 0 60 1 0 0 0 0 0 0\n";
    static const char rest[] = "cgroups 2\nspace 4096 262144 131072 /ds\n"
                               "space 1048576 10 4 /ds/0\nspace 1048576 10 4 /ds/0x\n";
    g_autofree char *plain = g_strconcat(text, rest, NULL);
    g_autofree char *cards = g_strconcat(text, "card eth0\n", rest, NULL);
    g_auto(ImOutside) all = im_outside_read(plain, "/ds");
    g_assert_cmpint(all.net_rx, ==, 2000);
    g_auto(ImOutside) hardware = im_outside_read(cards, "/ds");
    g_assert_cmpint(hardware.net_rx, ==, 1000);
    g_assert_cmpint(hardware.net_tx, ==, 200);
    g_assert_cmpint(hardware.cgroups, ==, 2);
    g_assert_cmpstr(hardware.space->str, ==,
                    "DS_LOCATION_TOTAL_MB=\"1024\"\nDS_LOCATION_USED_MB=\"512\"\n"
                    "DS_LOCATION_FREE_MB=\"512\"\n"
                    "DS=[ID=\"0\",TOTAL_MB=\"10\",USED_MB=\"6\",FREE_MB=\"4\"]\n");
    const ImCard *bridge = g_hash_table_lookup(all.cards, "br0");
    g_assert_true(bridge && bridge->rx == 1000 && bridge->tx == 200);
    g_auto(ImOutside) nothing = im_outside_read("", NULL);
    g_assert_cmpint(nothing.net_rx, ==, -1);
    g_assert_cmpint(nothing.cgroups, ==, 0);
    g_assert_cmpstr(nothing.space->str, ==, "");
}

/* A wrong file of defaults is told before anything is started with half of them. */
static void test_defaults(void)
{
    g_autofree char *path = g_build_filename(scratch, "missing.conf", NULL);
    g_autoptr(GError) error = NULL;
    g_assert_true(vmm_libvirt_init(&error));
    g_assert_true(g_file_set_contents(path, "DISK = [ CACHE = \n", -1, NULL));
    g_assert_false(vmm_libvirt_init(&error));
    g_assert_nonnull(strstr(error->message, "missing.conf cannot be used"));
    g_assert_true(g_file_set_contents(path, "SHUTDOWN_TIMEOUT = 3\n", -1, NULL));
    g_clear_error(&error);
    g_assert_true(vmm_libvirt_init(&error));
    g_unlink(path);
}

/* ---- what libvirt says, in our words ---- */

static void test_event_states(void)
{
    static const struct {
        int event, detail;
        const char *state;
    } cases[] = {
        {VIR_DOMAIN_EVENT_STARTED, VIR_DOMAIN_EVENT_STARTED_BOOTED, "RUNNING"},
        {VIR_DOMAIN_EVENT_STARTED, VIR_DOMAIN_EVENT_STARTED_MIGRATED, NULL},
        {VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN, "POWEROFF"},
        {VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_FAILED, "POWEROFF"},
        {VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_MIGRATED, NULL},
        {VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_SAVED, NULL},
        {VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_PAUSED, "PAUSED"},
        {VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_MIGRATED, NULL},
        {VIR_DOMAIN_EVENT_CRASHED, VIR_DOMAIN_EVENT_CRASHED_PANICKED, "FAILURE"},
        {VIR_DOMAIN_EVENT_DEFINED, VIR_DOMAIN_EVENT_DEFINED_ADDED, NULL},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
        g_assert_cmpstr(im_event_state(cases[i].event, cases[i].detail), ==, cases[i].state);
}

static void test_state_names(void)
{
    g_assert_cmpstr(libvirt_state_name(VIR_DOMAIN_RUNNING, 0), ==, "RUNNING");
    g_assert_cmpstr(libvirt_state_name(VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_USER), ==, "PAUSED");
    g_assert_cmpstr(libvirt_state_name(VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_MIGRATION), ==,
                    "RUNNING");
    /* Half of its memory is elsewhere. */
    g_assert_cmpstr(libvirt_state_name(VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_POSTCOPY_FAILED), ==,
                    "PAUSED");
    g_assert_cmpstr(libvirt_state_name(VIR_DOMAIN_SHUTOFF, 0), ==, "POWEROFF");
    g_assert_cmpstr(libvirt_state_name(VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_CRASHED), ==,
                    "FAILURE");
    g_assert_cmpstr(libvirt_state_name(99, 0), ==, "UNKNOWN");
}

static void test_usage(void)
{
    g_assert_cmpfloat(libvirt_usage("k", -1), <, 0);
    g_assert_cmpfloat(libvirt_usage("k", 1000000), <, 0);
    g_usleep(20 * 1000);
    /* 10 ms of CPU in at least 20 ms of time */
    double percent = libvirt_usage("k", 11000000);
    g_assert_cmpfloat(percent, >, 0);
    g_assert_cmpfloat(percent, <=, 50.0);
    /* A counter that went back is a new machine. */
    g_assert_cmpfloat(libvirt_usage("k", 5), <, 0);
    libvirt_usage_forget("k");
    g_assert_cmpfloat(libvirt_usage("k", 10), <, 0);
}

static void test_stats(void)
{
    virTypedParameterPtr params = NULL;
    int count = 0, room = 0;
    (void)virTypedParamsAddInt(&params, &count, &room, "state.state", VIR_DOMAIN_RUNNING);
    (void)virTypedParamsAddULLong(&params, &count, &room, "cpu.time", 5000);
    (void)virTypedParamsAddULLong(&params, &count, &room, "balloon.current", 1024);
    (void)virTypedParamsAddUInt(&params, &count, &room, "vcpu.current", 2);
    (void)virTypedParamsAddUInt(&params, &count, &room, "net.count", 2);
    (void)virTypedParamsAddULLong(&params, &count, &room, "net.0.rx.bytes", 10);
    (void)virTypedParamsAddULLong(&params, &count, &room, "net.1.rx.bytes", 5);
    (void)virTypedParamsAddULLong(&params, &count, &room, "net.11.tx.bytes", 7);
    (void)virTypedParamsAddULLong(&params, &count, &room, "block.0.rd.reqs", 3);
    const virDomainStatsRecord record = {NULL, params, count};
    LibvirtStats stats = libvirt_stats_read(&record);
    g_assert_cmpint(stats.state, ==, VIR_DOMAIN_RUNNING);
    g_assert_cmpint(stats.cpu_time, ==, 5000);
    g_assert_cmpint(stats.memory, ==, 1024);
    g_assert_cmpint(stats.vcpu, ==, 2);
    g_assert_cmpint(stats.net_rx, ==, 15);
    g_assert_cmpint(stats.net_tx, ==, 7);
    g_assert_cmpint(stats.disk_rd_ops, ==, 3);
    g_assert_cmpint(stats.disk_wr_ops, ==, -1);
    virTypedParamsFree(params, count);
}

/* Of hypervisors that have no records of all domains, the same is asked one by one. */
static void test_stats_asked(void)
{
    g_auto(virConnectPtr) connection = libvirt_pool_get("asked", NULL);
    g_assert_nonnull(connection);
    g_auto(virDomainPtr) lasting = virDomainLookupByName(connection, "test");
    g_auto(virDomainPtr) passing = virDomainCreateXML(
        connection,
        "<domain type='test'><name>asked</name><memory>2048</memory><vcpu>2</vcpu>"
        "<os><type>hvm</type></os><devices><interface type='bridge'><source bridge='b'/>"
        "<target dev='card7'/></interface></devices></domain>",
        0);
    LibvirtStats stats;
    g_assert_nonnull(lasting);
    g_assert_nonnull(passing);
    g_assert_true(libvirt_stats_ask(passing, &stats));
    g_assert_cmpint(stats.state, ==, VIR_DOMAIN_RUNNING);
    g_assert_cmpint(stats.memory, ==, 2048);
    g_assert_cmpint(stats.maximum, ==, 2048);
    g_assert_cmpint(stats.vcpu, ==, 2);
    g_assert_cmpint(stats.cpu_time, >=, 0);
    g_assert_cmpint(stats.net_rx, >=, 0);
    g_assert_cmpint(stats.disk_rd_bytes, ==, -1);
    g_assert_false(libvirt_is_passing(passing, stats.state));
    /* Off, but without a definition: about to go, or to come again. */
    g_assert_true(libvirt_is_passing(passing, VIR_DOMAIN_SHUTOFF));
    g_assert_false(libvirt_is_passing(lasting, VIR_DOMAIN_SHUTOFF));
    g_assert_cmpint(virDomainDestroy(passing), ==, 0);
    g_assert_false(libvirt_stats_ask(passing, &stats));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    scratch = g_dir_make_tmp("libvirt-XXXXXX", NULL);
    g_assert_nonnull(scratch);
    g_setenv("ONE_ETC", scratch, TRUE);
    vmm_libvirt_start(&flavour, NULL);
    /* test:///default is one and the same for all connections while one is open. */
    virConnectPtr keep = virConnectOpen("test:///default");
    g_assert_nonnull(keep);
    g_test_add_func("/libvirt/local", test_local);
    g_test_add_func("/libvirt/pool", test_pool);
    g_test_add_func("/libvirt/routes", test_routes);
    g_test_add_func("/libvirt/bad_names", test_bad_names);
    g_test_add_func("/libvirt/defaults", test_defaults);
    g_test_add_func("/libvirt/life", test_life);
    g_test_add_func("/libvirt/kept_document", test_kept_document);
    g_test_add_func("/libvirt/other_machine", test_other_machine);
    g_test_add_func("/libvirt/monitor", test_monitor);
    g_test_add_func("/libvirt/pci", test_pci);
    g_test_add_func("/libvirt/wild_template", test_wild_template);
    g_test_add_func("/libvirt/outside", test_outside);
    g_test_add_func("/libvirt/event_states", test_event_states);
    g_test_add_func("/libvirt/state_names", test_state_names);
    g_test_add_func("/libvirt/usage", test_usage);
    g_test_add_func("/libvirt/stats", test_stats);
    g_test_add_func("/libvirt/stats-asked", test_stats_asked);
    int failed = g_test_run();
    (void)virConnectClose(keep);
    static const char *const files[] = {"deployment.0", "checkpoint", "node.xml", "im_pci.conf"};
    for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = g_build_filename(scratch, files[i], NULL);
        g_unlink(path);
    }
    g_rmdir(scratch);
    return failed;
}
