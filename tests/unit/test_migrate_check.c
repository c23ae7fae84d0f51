/* The pre-flight of a live migration: reading, judging, estimating; no host is asked. */
#include "drivers/vmm/check/check_facts.h"

#include "lib/template/template.h"
#include <string.h>

#define MIB (1024 * 1024)

static const char document[] =
    "<domain type='kvm'><memory unit='KiB'>1048576</memory>"
    "<vcpu cpuset='0-3,^2,9'>2</vcpu><cputune><vcpupin vcpu='0' cpuset='11'/></cputune>"
    "<os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type><kernel>/boot/k</kernel></os>"
    "<cpu mode='custom' match='exact'><model>Haswell</model><feature policy='require' name='f16c'/>"
    "</cpu><devices><emulator>/usr/bin/qemu-system-x86_64</emulator>"
    "<disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='writeback'/>"
    "<source file='/ds/0/3/disk.0'/><backingStore type='file'><source file='/ds/1/base'/>"
    "<backingStore type='file'><source file='/ds/1/root'/><backingStore/></backingStore>"
    "</backingStore><target dev='vda'/></disk>"
    "<disk type='file' device='cdrom'><source file='/ds/0/3/disk.1'/><target dev='hda'/><readonly/>"
    "</disk><disk type='block' device='cdrom'><source dev='/dev/sr0'/><target "
    "dev='hdb'/><readonly/>"
    "</disk><disk type='network' device='disk'><source protocol='nfs' name='x'/>"
    "<target dev='vdb'/></disk>"
    "<interface type='bridge'><source bridge='br7'/></interface>"
    "<interface type='bridge'><source bridge='br7'/></interface>"
    "<interface type='network'><source network='lan'/></interface>"
    "<interface type='hostdev'/><hostdev mode='subsystem' type='pci'/>"
    "<hostdev mode='subsystem' type='pci'><teaming type='transient' persistent='ua-1'/></hostdev>"
    "<shmem name='pad'/><shmem name='own' role='master'/>"
    "<filesystem type='mount'><target dir='home'/></filesystem>"
    "<tpm model='tpm-crb'><backend type='emulator'/></tpm>"
    "<serial type='pty'><source path='/dev/pts/1'/></serial>"
    "<serial type='dev'><source path='/dev/ttyS3'/></serial>"
    "<graphics type='vnc' listen='10.0.0.7'/><graphics type='spice' listen='0.0.0.0'/>"
    "</devices></domain>";

static MigrateOptions options;

/* A migration that nothing stands in the way of. */
static void make_good(CheckFacts *facts)
{
    g_autoptr(GError) error = NULL;
    static const char plain[] =
        "<domain type='kvm'><memory unit='KiB'>1048576</memory><os>"
        "<type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os><cpu mode='custom'/><devices>"
        "<disk type='file' device='disk'><driver cache='none'/><source file='/ds/0/3/disk.0'/>"
        "<target dev='vda'/></disk><interface type='bridge'><source bridge='br0'/></interface>"
        "</devices></domain>";
    options = (MigrateOptions){.time_limit_s = 600, .auto_converge = TRUE};
    check_facts_init(facts);
    facts->hosts[CHECK_SOURCE] = "h1";
    facts->hosts[CHECK_DESTINATION] = "h2";
    facts->domain = "one-3";
    facts->directory = "/ds/0/3";
    facts->shared = TRUE;
    facts->options = &options;
    facts->presence[CHECK_SOURCE] = VMM_RUNNING;
    facts->presence[CHECK_DESTINATION] = VMM_ABSENT;
    facts->cpu.fits = CHECK_YES;
    facts->cpu.destination_cpus = 8;
    facts->machine_fits = CHECK_YES;
    facts->versions[0] = facts->versions[1] = 7002000;
    facts->library_versions[0] = facts->library_versions[1] = 9000000;
    facts->available = 4096LL * MIB;
    facts->resident = 500 * MIB;
    facts->dirty_rate = 10 * MIB;
    g_assert_true(check_domain_read(facts, plain, &error));
    g_assert_no_error(error);
    check_host_read(facts, CHECK_SOURCE, "F 0 77 1700000000 1000 4096 xfs\nL 1000\n");
    check_host_read(facts, CHECK_DESTINATION, "F 0 77 1700000000 1000 4096 xfs\nN 0 +\nS 1000\n");
}

/* ---- reading ---- */

static void expect_file(const CheckFacts *facts, guint index, const char *path, CheckRole role,
                        gboolean writable)
{
    g_assert_cmpuint(index, <, facts->files->len);
    const CheckFile *file = facts->files->pdata[index];
    g_assert_cmpstr(file->path, ==, path);
    g_assert_cmpint(file->role, ==, role);
    g_assert_true(file->writable == writable);
}

static void test_document(void)
{
    g_auto(CheckFacts) facts = {0};
    check_facts_init(&facts);
    g_assert_true(check_domain_read(&facts, document, NULL));
    g_assert_cmpstr(facts.type, ==, "kvm");
    g_assert_cmpstr(facts.arch, ==, "x86_64");
    g_assert_cmpstr(facts.machine, ==, "pc-q35-7.2");
    g_assert_cmpstr(facts.emulator, ==, "/usr/bin/qemu-system-x86_64");
    g_assert_cmpint(facts.memory, ==, 1024LL * MIB);
    g_assert_cmpstr(facts.cpu.mode, ==, "custom");
    g_assert_nonnull(strstr(facts.cpu.xml, "name=\"f16c\""));
    g_assert_cmpint(facts.cpu.highest_pinned, ==, 11);
    g_assert_cmpuint(facts.files->len, ==, 5);
    expect_file(&facts, 0, "/boot/k", CHECK_BOOT, FALSE);
    expect_file(&facts, 1, "/ds/0/3/disk.0", CHECK_DISK, TRUE);
    expect_file(&facts, 2, "/ds/1/base", CHECK_BASE, FALSE);
    expect_file(&facts, 3, "/ds/1/root", CHECK_BASE, FALSE);
    expect_file(&facts, 4, "/ds/0/3/disk.1", CHECK_DISK, FALSE);
    g_assert_cmpuint(facts.nets->len, ==, 2);
    g_assert_cmpuint(facts.caches->len, ==, 1);
    g_autoptr(GString) devices = g_string_new(NULL);
    for (guint i = 0; i < facts.devices->len; i++) {
        const CheckDevice *device = facts.devices->pdata[i];
        g_string_append_printf(devices, "%s%s\n", device->fatal ? "!" : "", device->what);
    }
    g_assert_cmpstr(devices->str, ==,
                    "!the host's drive /dev/sr0\n!a network card of the host\n"
                    "!the host's pci device\n!the shared memory pad\n!the file system home\n"
                    "the TPM\n!the device /dev/ttyS3\nthe screen listens on 10.0.0.7\n");
    g_autoptr(GError) error = NULL;
    g_assert_false(check_domain_read(&facts, "<domain", &error));
    g_assert_nonnull(error);
}

/* Of Xen's machines only PV ones are doubtful. */
static void test_xen(void)
{
    static const struct {
        const char *type, *kind;
        gboolean paravirtual;
    } cases[] = {{"xen", "linux", TRUE},
                 {"xen", "xenpvh", FALSE},
                 {"xen", "hvm", FALSE},
                 {"kvm", "hvm", FALSE}};
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(CheckFacts) facts = {0};
        g_autofree char *text = g_strdup_printf(
            "<domain type='%s'><os><type>%s</type></os><memory>1</memory><devices/></domain>",
            cases[i].type, cases[i].kind);
        check_facts_init(&facts);
        g_assert_true(check_domain_read(&facts, text, NULL));
        g_assert_cmpint(facts.paravirtual, ==, cases[i].paravirtual);
    }
}

static void test_host_answers(void)
{
    g_auto(CheckFacts) facts = {0};
    make_good(&facts);
    CheckFile *file = facts.files->pdata[0];
    check_host_read(&facts, CHECK_DESTINATION,
                    "F 0 -\nF 9 1 1 1 1 xfs\nF x\nF\nN 5 +\nN 0 -\nS x\nnoise here\n\nL 25000\n");
    g_assert_cmpint(file->seen[CHECK_DESTINATION].there, ==, CHECK_NO);
    g_assert_cmpint(((CheckNet *)facts.nets->pdata[0])->there, ==, CHECK_NO);
    g_assert_cmpint(facts.space, ==, -1);
    g_assert_cmpint(facts.link_rate, ==, 25000LL * 125000);
}

/* Paths come from documents of users; the script must take them as words. */
static void test_script(void)
{
    g_auto(CheckFacts) facts = {0};
    make_good(&facts);
    CheckFile *file = facts.files->pdata[0];
    g_free(file->path);
    file->path = g_strdup("/ds/a'; rm -rf /; '");
    g_autofree char *there = check_host_script(&facts, CHECK_DESTINATION);
    g_autofree char *here = check_host_script(&facts, CHECK_SOURCE);
    g_assert_nonnull(strstr(there, "\nf 0 '/ds/a'\\''; rm -rf /; '\\'''\n"));
    g_assert_nonnull(strstr(there, "\nn 0 'br0'\ns '/ds/0/3'\n"));
    g_assert_nonnull(strstr(there, "\nw 0 '/ds/a'"));
    g_assert_nonnull(strstr(here, "\nl 'h2'\nr 'h2'\n"));
    g_assert_null(strstr(here, "\nw 0"));
    g_assert_null(strstr(here, "\nn 0"));
}

static void test_remembered_link(void)
{
    g_assert_cmpint(check_link_remembered("a", "b"), ==, -1);
    check_link_remember("a", "b", -1);
    g_assert_cmpint(check_link_remembered("a", "b"), ==, -1);
    check_link_remember("a", "b", 5);
    check_link_remember("a", "b", 7);
    g_assert_cmpint(check_link_remembered("a", "b"), ==, 7);
    g_assert_cmpint(check_link_remembered("b", "a"), ==, -1);
}

/* ---- judging ---- */

static Template *report_of(const CheckFacts *facts)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = check_report(facts);
    Template *report = template_parse(text, TEMPLATE_MODERN, &error);
    g_assert_no_error(error);
    return report;
}

static const TemplateAttribute *find_check(const Template *report, const char *name)
{
    const TemplateAttribute *check;
    for (guint i = 0; (check = template_vector(report, "CHECK", i)); i++)
        if (g_str_equal(attribute_get(check, "NAME"), name))
            return check;
    return NULL;
}

static void test_good(void)
{
    g_auto(CheckFacts) facts = {0};
    make_good(&facts);
    g_autoptr(Template) report = report_of(&facts);
    const TemplateAttribute *check;
    guint count = 0;
    for (; (check = template_vector(report, "CHECK", count)); count++) {
        g_assert_cmpstr(attribute_get(check, "RESULT"), ==, "ok");
        g_assert_cmpstr(attribute_get(check, "TEXT"), !=, "");
    }
    g_assert_cmpuint(count, ==, 15);
    g_assert_cmpstr(template_get(report, "STORAGE"), ==, "shared");
    g_assert_cmpstr(template_get(report, "MEMORY_MB"), ==, "500");
    g_assert_cmpstr(template_get(report, "DIRTY_RATE_MBS"), ==, "10");
    g_assert_cmpstr(template_get(report, "LINK_RATE_MBS"), ==, "120");
    g_assert_nonnull(template_get(report, "TOTAL_MS"));
    g_assert_nonnull(template_get(report, "DOWNTIME_MS"));
}

static CheckFile *disk(CheckFacts *facts)
{
    return facts->files->pdata[0];
}

static void gone(CheckFacts *facts)
{
    facts->presence[CHECK_SOURCE] = VMM_ABSENT;
}
static void busy(CheckFacts *facts)
{
    facts->busy = g_strdup("a backup is being made");
}
static void taken(CheckFacts *facts)
{
    facts->presence[CHECK_DESTINATION] = VMM_OTHER;
}
static void leftover(CheckFacts *facts)
{
    facts->presence[CHECK_DESTINATION] = VMM_PAUSED;
}
static void same_uuid(CheckFacts *facts)
{
    facts->uuid_taken = g_strdup("copy");
}
static void bad_options(CheckFacts *facts)
{
    facts->options_problem = g_strdup("MIGRATE/TLS is \"x\"");
}
static void no_features(CheckFacts *facts)
{
    facts->cpu.fits = CHECK_NO;
    facts->cpu.reason = g_strdup("Host CPU does not provide required features: f16c");
}
static void unknown_cpu(CheckFacts *facts)
{
    facts->cpu.fits = CHECK_UNKNOWN;
}
static void passthrough_same(CheckFacts *facts)
{
    g_free(facts->cpu.mode);
    facts->cpu.mode = g_strdup("host-passthrough");
    facts->cpu.models[0] = g_strdup("Haswell");
    facts->cpu.models[1] = g_strdup("Haswell");
}
static void passthrough_other(CheckFacts *facts)
{
    passthrough_same(facts);
    g_free(facts->cpu.models[1]);
    facts->cpu.models[1] = g_strdup("Nehalem");
}
static void passthrough_lacking(CheckFacts *facts)
{
    passthrough_same(facts);
    facts->cpu.missing = g_strdup("avx2 f16c");
}
static void pinned_high(CheckFacts *facts)
{
    facts->cpu.highest_pinned = 8;
}
static void no_board(CheckFacts *facts)
{
    facts->machine_fits = CHECK_NO;
    facts->machine_reason = g_strdup("not supported by emulator");
}
static void paravirtual(CheckFacts *facts)
{
    facts->paravirtual = TRUE;
}
static void older(CheckFacts *facts)
{
    facts->versions[CHECK_DESTINATION] = 5002000;
}
static void newer(CheckFacts *facts)
{
    facts->versions[CHECK_DESTINATION] = 8000000;
}
static void no_memory(CheckFacts *facts)
{
    facts->available = 100 * MIB;
}
static void hidden_memory(CheckFacts *facts)
{
    facts->available = -1;
}
static void card_of_host(CheckFacts *facts)
{
    CheckDevice *device = g_new0(CheckDevice, 1);
    device->what = g_strdup("the host's pci device");
    device->why = "it stays";
    device->fatal = TRUE;
    g_ptr_array_add(facts->devices, device);
}
static void missing_disk(CheckFacts *facts)
{
    disk(facts)->seen[CHECK_DESTINATION].there = CHECK_NO;
}
static void other_disk(CheckFacts *facts)
{
    disk(facts)->seen[CHECK_DESTINATION].inode = 78;
}
static void reborn_disk(CheckFacts *facts)
{
    disk(facts)->seen[CHECK_DESTINATION].born++;
}
static void other_disk_on_fuse(CheckFacts *facts)
{
    for (guint i = 0; i < CHECK_HOSTS; i++) {
        g_free(disk(facts)->seen[i].file_system);
        disk(facts)->seen[i].file_system = g_strdup("fuseblk");
    }
    other_disk(facts);
}
static void hidden_disk(CheckFacts *facts)
{
    disk(facts)->seen[CHECK_DESTINATION].there = CHECK_UNKNOWN;
    facts->reach[CHECK_DESTINATION] = g_strdup("host h2: no key fits");
}
static void mirrored(CheckFacts *facts)
{
    facts->shared = FALSE;
    facts->space = 1000 * MIB;
    disk(facts)->seen[CHECK_DESTINATION].there = CHECK_NO;
    disk(facts)->capacity = 500 * MIB;
    disk(facts)->allocated = 100 * MIB;
}
static void snapshots(CheckFacts *facts)
{
    facts->snapshots = 2;
}
static void mirrored_snapshots(CheckFacts *facts)
{
    mirrored(facts);
    snapshots(facts);
}
static void mirrored_over_data(CheckFacts *facts)
{
    mirrored(facts);
    disk(facts)->seen[CHECK_DESTINATION].there = CHECK_YES;
    disk(facts)->seen[CHECK_DESTINATION].used = 3 * MIB;
}
static void mirrored_elsewhere(CheckFacts *facts)
{
    mirrored(facts);
    facts->directory = "/other";
}
static void mirrored_tight(CheckFacts *facts)
{
    mirrored(facts);
    facts->space = 200 * MIB;
}
static void mirrored_full(CheckFacts *facts)
{
    mirrored(facts);
    facts->space = 50 * MIB;
}
static void cached(CheckFacts *facts)
{
    CheckCache *cache = facts->caches->pdata[0];
    g_free(cache->mode);
    cache->mode = g_strdup("writeback");
}
static void cached_old(CheckFacts *facts)
{
    cached(facts);
    facts->versions[0] = facts->versions[1] = 2012000;
}
static void no_bridge(CheckFacts *facts)
{
    ((CheckNet *)facts->nets->pdata[0])->there = CHECK_NO;
}
static void hidden_bridge(CheckFacts *facts)
{
    ((CheckNet *)facts->nets->pdata[0])->there = CHECK_UNKNOWN;
}
static void no_speed(CheckFacts *facts)
{
    facts->link_rate = -1;
}
static void silent_link(CheckFacts *facts)
{
    check_host_read(facts, CHECK_SOURCE, "R -\n");
}
static void read_only_disk(CheckFacts *facts)
{
    check_host_read(facts, CHECK_DESTINATION, "W 9\nW x\nW 0\n");
}
static void idle_unknown(CheckFacts *facts)
{
    facts->dirty_rate = -1;
    facts->dirty_reason = g_strdup("not supported");
}
static void writes_much(CheckFacts *facts)
{
    facts->dirty_rate = 300LL * MIB;
}
static void writes_too_much(CheckFacts *facts)
{
    writes_much(facts);
    options.auto_converge = FALSE;
}
static void hurried(CheckFacts *facts)
{
    options.time_limit_s = 2;
}

static void test_rules(void)
{
    static const struct {
        void (*change)(CheckFacts *facts);
        const char *check, *result, *pattern;
    } cases[] = {
        {gone, "machine", "no", "one-3 is not there on h1*"},
        {busy, "machine", "no", "*a backup*"},
        {snapshots, "machine", "ok", "one-3 runs on h1"},
        {mirrored_snapshots, "machine", "no", "its 2 snapshots would be lost*"},
        {taken, "name", "no", "*one-3 on h2 already*"},
        {leftover, "name", "warning", "*earlier attempt*"},
        {same_uuid, "name", "no", "*copy on h2*"},
        {bad_options, "options", "no", "MIGRATE/TLS*"},
        {no_features, "cpu", "no", "h2: *f16c"},
        {unknown_cpu, "cpu", "warning", "*not known*"},
        {passthrough_same, "cpu", "ok", "*Haswell*"},
        {passthrough_other, "cpu", "warning", "*Haswell here, Nehalem on h2*"},
        {passthrough_lacking, "cpu", "warning", "h2 has no avx2 f16c"},
        {pinned_high, "cpu", "no", "*pinned to CPU 8, and h2 has 8"},
        {no_board, "machine-type", "no", "h2 cannot run pc-q35-7.2: not supported*"},
        {paravirtual, "machine-type", "warning", "*the Xen of h1 has shadow paging*"},
        {older, "versions", "warning", "h2 has the older hypervisor, 5.2.0 against 7.2.0*"},
        {newer, "versions", "ok", "hypervisor 8.0.0*"},
        {no_memory, "memory", "no", "h2 has 100 MiB free*1024"},
        {hidden_memory, "memory", "warning", "*not known"},
        {card_of_host, "devices", "no", "the host's pci device: it stays"},
        {missing_disk, "disks", "no", "/ds/0/3/disk.0 is not there on h2"},
        {other_disk, "disks", "no", "h2 has another file*SHARED=YES"},
        {reborn_disk, "disks", "no", "h2 has another file*"},
        {other_disk_on_fuse, "disks", "warning", "*cannot be seen on the file system fuseblk"},
        {hidden_disk, "disks", "warning", "*not known; host h2: no key fits"},
        {read_only_disk, "disks", "no", "/ds/0/3/disk.0 cannot be written on h2*read-only"},
        {mirrored, "disks", "ok", "*copied*"},
        {mirrored, "space", "ok", "500 of 1000 MiB on h2"},
        {mirrored_over_data, "disks", "no", "*3072 KiB of data*"},
        {mirrored_elsewhere, "disks", "no", "*not in the machine's directory*"},
        {mirrored_tight, "space", "warning", "*may grow to 500"},
        {mirrored_full, "space", "no", "h2 has 50 MiB*hold 100"},
        {cached, "cache", "warning", "vda has cache=writeback*"},
        {cached_old, "cache", "no", "*may be damaged*"},
        {no_bridge, "networks", "no", "h2 has no bridge br0*"},
        {hidden_bridge, "networks", "warning", "*not known"},
        {silent_link, "link", "warning", "from h1 nobody answers at h2, port 22*"},
        {no_speed, "link", "warning", "*1 Gbit/s"},
        {idle_unknown, "duration", "warning", "*not supported*idle"},
        {writes_much, "duration", "warning", "*300 MiB/s: AUTO_CONVERGE*"},
        {writes_too_much, "duration", "warning", "*may never end*"},
        {hurried, "duration", "warning", "*TIME_LIMIT gives it 2"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(CheckFacts) facts = {0};
        make_good(&facts);
        cases[i].change(&facts);
        g_autoptr(Template) report = report_of(&facts);
        const TemplateAttribute *check = find_check(report, cases[i].check);
        const char *text = attribute_get(check, "TEXT");
        if (g_strcmp0(attribute_get(check, "RESULT"), cases[i].result) != 0 ||
            !g_pattern_match_simple(cases[i].pattern, text))
            g_error("case %u: %s is %s, \"%s\"; expected %s, \"%s\"", i, cases[i].check,
                    attribute_get(check, "RESULT"), text, cases[i].result, cases[i].pattern);
    }
}

/* Nothing is said of what could not be looked at. */
static void test_unreachable(void)
{
    g_auto(CheckFacts) facts = {0};
    make_good(&facts);
    facts.unreachable = g_strdup("cannot connect to h2");
    g_autoptr(Template) report = report_of(&facts);
    g_assert_cmpstr(attribute_get(find_check(report, "destination"), "RESULT"), ==, "no");
    g_assert_cmpstr(attribute_get(find_check(report, "machine"), "RESULT"), ==, "ok");
    g_assert_null(find_check(report, "memory"));
    g_assert_null(template_get(report, "TOTAL_MS"));
}

/* ---- the estimate ---- */

static void test_estimate(void)
{
    static const struct {
        MigrateLoad load;
        MigrateEstimate expected;
    } cases[] = {
        /* 1000 bytes at 1000 bytes/s, idle: one round, and the constants of both ends. */
        {{1000, 0, 0, 1000, 300}, {TRUE, 1220, 20, 1, 0}},
        {{1000, 500, 0, 1000, 300}, {TRUE, 1720, 20, 1, 0}},
        /* Writes a tenth of what is sent: 100 bytes are left, which fit into 300 ms. */
        {{1000, 0, 100, 1000, 300}, {TRUE, 1320, 120, 1, 0}},
        /* 50 ms allowed: another round leaves 10 bytes. */
        {{1000, 0, 100, 1000, 50}, {TRUE, 1330, 30, 2, 0}},
        /* Post-copy: what is left follows after the switch. */
        {{1000, 0, 900, 1000, 50, TRUE}, {TRUE, 2120, 20, 1, 0}},
        /* Writes as fast as the network: never. */
        {{1000, 0, 1000, 1000, 50}, {FALSE, -1, -1, 100, 0}},
        /* The same, slowed in every second round until it ends: 1000 1000 1000 800 640 448 314 188
         * 113 56 bytes are sent, and 28 are left. */
        {{1000, 0, 1000, 1000, 50, FALSE, TRUE}, {TRUE, 5807, 48, 10, 50}},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        MigrateEstimate found = migrate_estimate(&cases[i].load);
        const MigrateEstimate *expected = &cases[i].expected;
        g_test_message("case %u: %d, total %" G_GINT64_FORMAT ", downtime %" G_GINT64_FORMAT
                       ", %u rounds, throttle %u",
                       i, found.converges, found.total_ms, found.downtime_ms, found.rounds,
                       found.throttle);
        g_assert_true(found.converges == expected->converges);
        g_assert_cmpint(found.total_ms, ==, expected->total_ms);
        g_assert_cmpint(found.downtime_ms, ==, expected->downtime_ms);
        g_assert_cmpuint(found.rounds, ==, expected->rounds);
        g_assert_cmpuint(found.throttle, ==, expected->throttle);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(virInitialize(), ==, 0); /* its errors need it */
    g_test_add_func("/check/document", test_document);
    g_test_add_func("/check/xen", test_xen);
    g_test_add_func("/check/host/answers", test_host_answers);
    g_test_add_func("/check/host/script", test_script);
    g_test_add_func("/check/link", test_remembered_link);
    g_test_add_func("/check/good", test_good);
    g_test_add_func("/check/rules", test_rules);
    g_test_add_func("/check/unreachable", test_unreachable);
    g_test_add_func("/check/estimate", test_estimate);
    return g_test_run();
}
