/* The LXC flavour without a host: its configuration, what hosts print, and the choice of a way. */
#include "drivers/im/im_lxc.h"
#include "drivers/vmm/lxc/lxc.h"
#include "drivers/vmm/check/lxc_check.h"
#include "lib/base/error.h"
#include <string.h>

static VmmAction *action_of_both(const char *template, const char *user)
{
    g_autofree char *text = g_strdup_printf(
        "<VMM_DRIVER_ACTION_DATA><HOST>node01</HOST><DISK_TARGET_PATH>/ds/0/7</DISK_TARGET_PATH>"
        "<VM><ID>7</ID><STIME>1</STIME><USER_TEMPLATE>%s</USER_TEMPLATE>"
        "<TEMPLATE>%s</TEMPLATE></VM>"
        "</VMM_DRIVER_ACTION_DATA>",
        user, template);
    g_autofree char *coded = g_base64_encode((const guchar *)text, strlen(text));
    g_autoptr(GError) error = NULL;
    VmmAction *action = vmm_action_parse(7, coded, &error);
    g_assert_no_error(error);
    return action;
}

static VmmAction *action_of(const char *template)
{
    return action_of_both(template, "");
}

static void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        g_error("\"%s\" lacks \"%s\"", text, part);
}

static void test_configuration(void)
{
    g_autoptr(VmmAction) action = action_of(
        "<CPU>0.5</CPU><MEMORY>64</MEMORY>"
        "<DISK><DISK_ID>0</DISK_ID></DISK><DISK><DISK_ID>1</DISK_ID><TYPE>swap</TYPE></DISK>"
        "<DISK><DISK_ID>2</DISK_ID><READONLY>YES</READONLY><PERSISTENT>YES</PERSISTENT></DISK>"
        "<CONTEXT><DISK_ID>3</DISK_ID><SET_HOSTNAME>web</SET_HOSTNAME></CONTEXT>"
        "<NIC><NIC_ID>0</NIC_ID><BRIDGE>br0</BRIDGE><MAC>02:00:00:00:00:01</MAC>"
        "<IP>10.0.0.7</IP><NETWORK_MASK>255.255.0.0</NETWORK_MASK></NIC>");
    g_auto(LxcPlan) plan = {NULL};
    g_autoptr(GError) error = NULL;
    gboolean good = lxc_build(action, &plan, &error);
    g_assert_no_error(error);
    g_assert_true(good);
    g_assert_cmpstr(plan.disks, ==, "0:rootfs 2:disk.2:p 3:disk.3");
    g_assert_cmpstr(plan.size, ==, "1024");
    static const char *const lines[] = {
        "# one.vid = 7\n",
        "lxc.rootfs.path = dir:@base@/one-7/rootfs\n",
        "lxc.uts.name = web\n",
        "lxc.console.path = none\n",
        "lxc.environment = ONE_MEMORY=64\n",
        "lxc.mount.entry = @base@/one-7/disk.2 media/2 none bind,ro,create=dir 0 0\n",
        "lxc.mount.entry = @base@/one-7/disk.3 context none bind,ro,create=dir 0 0\n",
        "lxc.net.0.veth.pair = one-7-0\n",
        "lxc.net.0.ipv4.address = 10.0.0.7/16\n",
        "@1 lxc.cgroup.cpu.shares = 512\n",
        "@2 lxc.cgroup2.cpu.weight = 50\n",
        "@1 lxc.cgroup.cpu.cfs_quota_us = 50000\n",
        "@2 lxc.cgroup2.cpu.max = 50000 100000\n",
        "@2 lxc.cgroup2.memory.max = 64M\n",
        "lxc.hook.post-stop = umount @base@/one-7/rootfs @base@/one-7/disk.2 ",
    };
    for (guint i = 0; i < G_N_ELEMENTS(lines); i++)
        assert_has(plan.config, lines[i]);
    g_assert_true(g_str_has_prefix(plan.config, "# one.uuid = "));
}

/* What is set of one that runs, and what the kernel takes. */
static void test_limits(void)
{
    static const struct {
        const char *cpu, *said;
    } cases[] = {
        {"0.001", "@1 cpu.shares 2\n@2 cpu.weight 1\n@1 cpu.cfs_period_us 100000\n"
                  "@1 cpu.cfs_quota_us 1000\n@2 cpu.max 1000 100000\n"},
        {"2.5", "@1 cpu.shares 2560\n@2 cpu.weight 250\n@1 cpu.cfs_period_us 100000\n"
                "@1 cpu.cfs_quota_us 250000\n@2 cpu.max 250000 100000\n"},
        {"300", "@1 cpu.shares 262144\n@2 cpu.weight 10000\n@1 cpu.cfs_period_us 100000\n"
                "@1 cpu.cfs_quota_us 30000000\n@2 cpu.max 30000000 100000\n"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = g_strdup_printf("<CPU>%s</CPU><MEMORY>64</MEMORY>", cases[i].cpu);
        g_autoptr(VmmAction) action = action_of(text);
        g_autofree char *limits = lxc_build_limits(action);
        g_autofree char *whole =
            g_strconcat(cases[i].said, "@1 memory.limit_in_bytes 64M\n@2 memory.max 64M\n", NULL);
        g_assert_cmpstr(limits, ==, whole);
    }
}

/* Nothing of a template begins a line of its own in the configuration. */
static void test_refusals(void)
{
    static const struct {
        const char *template, *said;
    } cases[] = {
        {"", "the template has no disk"},
        {"<DISK><DISK_ID>0</DISK_ID></DISK><NIC><NIC_ID>0</NIC_ID></NIC>", "names no BRIDGE"},
        {"<DISK><DISK_ID>0</DISK_ID></DISK><NIC><NIC_ID>0</NIC_ID>"
         "<BRIDGE>br0&#10;lxc.hook.pre-start = /bin/sh</BRIDGE></NIC>",
         "BRIDGE = "},
        {"<DISK><DISK_ID>0</DISK_ID></DISK><OS><INIT>/sbin/init&#10;x</INIT></OS>",
         "TEMPLATE/OS/INIT = "},
        {"<DISK><DISK_ID>0</DISK_ID></DISK><CONTEXT><SET_HOSTNAME>a b</SET_HOSTNAME></CONTEXT>",
         "SET_HOSTNAME = "},
        {"<DISK><DISK_ID>0</DISK_ID></DISK>"
         "<OS><UUID>0&#10;lxc.hook.pre-start = /bin/sh</UUID></OS>",
         "TEMPLATE/OS/UUID = "},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(VmmAction) action = action_of(cases[i].template);
        g_auto(LxcPlan) plan = {NULL};
        g_autoptr(GError) error = NULL;
        g_assert_false(lxc_build(action, &plan, &error));
        assert_has(error->message, cases[i].said);
    }
}

static void test_users(void)
{
    static const struct {
        const char *user, *line, *refused;
    } cases[] = {
        {""},
        {"<LXC_UNPRIVILEGED>yes</LXC_UNPRIVILEGED>",
         "# one.users = 600100001 65536 600100001 yes\n"},
        {"<CONTAINER><LXC_UNPRIVILEGED>AUTO</LXC_UNPRIVILEGED><ID_MAP>1000000</ID_MAP>"
         "<MAX_MAP>2000</MAX_MAP></CONTAINER>",
         "# one.users = 1000000 2000 1000000 auto\n"},
        {"<LXC_UNPRIVILEGED>YES</LXC_UNPRIVILEGED><CONTAINER><UID_MAP>1000000</UID_MAP>"
         "<GID_MAP>2000000</GID_MAP></CONTAINER>",
         "# one.users = 1000000 65536 2000000 yes\n"},
        {"<LXC_UNPRIVILEGED>YES</LXC_UNPRIVILEGED><CONTAINER><ID_MAP>1000000</ID_MAP>"
         "<UID_MAP>3000000</UID_MAP></CONTAINER>",
         "# one.users = 3000000 65536 1000000 yes\n"},
        {"<LXC_UNPRIVILEGED>NO</LXC_UNPRIVILEGED>"},
        {"<LXC_UNPRIVILEGED>false</LXC_UNPRIVILEGED>"
         "<CONTAINER><LXC_UNPRIVILEGED>YES</LXC_UNPRIVILEGED></CONTAINER>"},
        {"<LXC_UNPRIVILEGED>maybe</LXC_UNPRIVILEGED>", NULL, "LXC_UNPRIVILEGED is \"maybe\""},
        {"<CONTAINER><ID_MAP>0</ID_MAP></CONTAINER>", NULL, "CONTAINER/ID_MAP is \"0\""},
        {"<CONTAINER><GID_MAP>7</GID_MAP></CONTAINER>", NULL, "CONTAINER/GID_MAP is \"7\""},
        {"<CONTAINER><UID_MAP>-1</UID_MAP></CONTAINER>", NULL, "CONTAINER/UID_MAP is \"-1\""},
        {"<CONTAINER><MAX_MAP>x</MAX_MAP></CONTAINER>", NULL, "CONTAINER/MAX_MAP is \"x\""},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(VmmAction) action =
            action_of_both("<DISK><DISK_ID>0</DISK_ID></DISK>", cases[i].user);
        g_auto(LxcPlan) plan = {NULL};
        g_autoptr(GError) error = NULL;
        g_assert_cmpint(lxc_build(action, &plan, &error), ==, cases[i].refused == NULL);
        if (cases[i].refused)
            assert_has(error->message, cases[i].refused);
        else if (cases[i].line)
            assert_has(plan.config, cases[i].line);
        else
            g_assert_null(strstr(plan.config, "one.users"));
    }
}

static void test_quoting(void)
{
    g_autofree char *call = lxc_call("deploy", "one-7", "it's; rm -rf /", "", NULL);
    g_assert_cmpstr(call, ==, "deploy 'one-7' 'it'\\''s; rm -rf /' ''");
    g_autofree char *program = lxc_program(call);
    assert_has(program, "run='sudo -n'");
    g_autoptr(GError) error = NULL;
    g_assert_false(lxc_start("qemu+ssh://%h/system", &error));
    assert_has(error->message, "ssh://USER@%h");
}

/* The names of functions that a text has. (owned) */
static GPtrArray *functions_of(const char *text)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (guint i = 0; lines[i]; i++) {
        const char *end = strstr(lines[i], "() {");
        if (end && strspn(lines[i], "abcdefghijklmnopqrstuvwxyz_") == (gsize)(end - lines[i]))
            g_ptr_array_add(names, g_strndup(lines[i], (gsize)(end - lines[i])));
    }
    return names;
}

/* Each call is sent with all that it may call, and there is room for its words. */
static void test_programs(void)
{
    static const char *const calls[] = {
        "deploy",  "start_imported", "end",         "again",         "limit",   "freeze",
        "report",  "watch",          "checkpoint",  "look",          "restore", "withdraw",
        "leave",   "given_to",       "save",        "resume",        "inspect", "console",
        "execute", "executed",       "end_command", "refuse_sockets"};
    g_autoptr(GHashTable) all = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(calls); i++) {
        g_autofree char *program = lxc_program(calls[i]);
        g_autoptr(GPtrArray) names = functions_of(program);
        for (guint k = 0; k < names->len; k++)
            (void)g_hash_table_add(all, g_strdup(names->pdata[k]));
    }
    g_assert_cmpuint(g_hash_table_size(all), >, 40);
    for (guint i = 0; i < G_N_ELEMENTS(calls); i++) {
        g_autofree char *program = lxc_program(calls[i]);
        g_autoptr(GPtrArray) names = functions_of(program);
        GHashTableIter each;
        gpointer name;
        g_assert_cmpuint(strlen(program), <, 20000);
        g_assert_true(g_ptr_array_find_with_equal_func(names, calls[i], g_str_equal, NULL));
        g_hash_table_iter_init(&each, all);
        while (g_hash_table_iter_next(&each, &name, NULL)) {
            g_autofree char *pattern =
                g_strdup_printf("(^|[;&|(] *|! |then |do |else )%s( [\"$]|$)", (char *)name);
            if (g_regex_match_simple(pattern, program, G_REGEX_MULTILINE, 0) &&
                !g_ptr_array_find_with_equal_func(names, name, g_str_equal, NULL))
                g_error("the program of %s calls %s without having it", calls[i], (char *)name);
        }
    }
}

/* ---- what hosts print ---- */

static void test_report(void)
{
    static const char text[] =
        "hostname node01\narch x86_64\nversion 5.0.2\ncriu 4.1.1\ncpus 2\nmodel A CPU\nmhz 2000.1\n"
        "hertz 100\nbusy 100 0 50 900 0 0 0\ntotal 2048000\navailable 1024000\n"
        "container one-7 7 6f9d RUNNING 500 1048576 67108864 10 20 -1 -1\n"
        "container wild -1 - POWEROFF -1 -1 -1 -1 -1 -1 -1\n";
    g_autoptr(GString) out = g_string_new(NULL);
    g_auto(ImOutside) outside = {.net_rx = -1, .net_tx = -1, .space = g_string_new(NULL)};
    g_assert_true(im_lxc_read(out, "node01", text, &outside));
    static const char *const parts[] = {
        "HYPERVISOR=\"lxc\"",
        "TOTALCPU=\"200\"",
        "FREEMEMORY=\"1024000\"",
        "CRIU_VERSION=\"4.1.1\"",
        "VM=[ID=\"7\",DEPLOY_ID=\"one-7\",UUID=\"6f9d\",STATE=\"RUNNING\"",
        "VM=[ID=\"-1\",DEPLOY_ID=\"wild\",STATE=\"POWEROFF\"",
        "IMPORT_TEMPLATE="};
    for (guint i = 0; i < G_N_ELEMENTS(parts); i++)
        assert_has(out->str, parts[i]);
    g_assert_false(im_lxc_read(out, "node01", "Welcome to node01!\n", &outside));
}

static void test_events(void)
{
    static const struct {
        const char *line, *name, *state;
    } cases[] = {
        {"'one-7' changed state to [STOPPED]", "one-7", "POWEROFF"},
        {"'one-7' changed state to [RUNNING]", "one-7", "RUNNING"},
        {"'one-7' changed state to [FROZEN]", "one-7", "PAUSED"},
        {"'one-7' changed state to [STARTING]", NULL, NULL},
        {"'one-7' exited with status [0]", NULL, NULL},
        {"", NULL, NULL},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        const char *state = NULL;
        g_autofree char *name = im_lxc_event(cases[i].line, &state);
        g_assert_cmpstr(name, ==, cases[i].name);
        g_assert_cmpstr(state, ==, cases[i].state);
    }
}

/* ---- the way ---- */

#define HERE                                                                                       \
    "state running\nkernel 6.1\narch x86_64\nlxc 5.0.2\ncriu 4.1.1\ncheck ok\ngroups 2\n"          \
    "available 900000\nspace 900000\nplace 7 9\nbridge br0\ndisks 20480\nmemory 10485760\n"        \
    "plain yes\n"
#define THERE                                                                                      \
    "state absent\nkernel 6.1\narch x86_64\nlxc 5.0.2\ncriu 4.1.1\ncheck ok\ngroups 2\n"           \
    "available 900000\nspace 900000\nplace 7 9\nbridge br0\n"

static void test_ways(void)
{
    static const struct {
        const char *here, *there; /* lines that come last, so that they count */
        gboolean shared, live_only, possible;
        LxcWay way;
        const char *said;
    } cases[] = {
        {"", "", TRUE, FALSE, TRUE, LXC_LIVE, "live: its memory goes over"},
        {"", "", FALSE, FALSE, TRUE, LXC_CHECKPOINTED, "its disks (20 MiB) are sent to node02"},
        {"", "", FALSE, TRUE, FALSE, LXC_CHECKPOINTED, "LIVE_ONLY forbids"},
        {"", "check vdso: Unexpected rt vDSO area bounds\n", TRUE, FALSE, TRUE, LXC_STOPPED,
         "CRIU 4.1.1 does not work on node02: vdso"},
        {"", "check vdso\n", TRUE, TRUE, FALSE, LXC_STOPPED, "LIVE_ONLY forbids"},
        {"", "criu 3.17.1\n", TRUE, FALSE, TRUE, LXC_STOPPED, "CRIU 4.1.1 on node01 and 3.17.1"},
        {"", "groups 1\n", TRUE, FALSE, TRUE, LXC_STOPPED, "control groups of version 2 on node01"},
        {"", "kernel 6.2\n", TRUE, FALSE, TRUE, LXC_LIVE, "Linux 6.1 on node01 and 6.2 on node02"},
        {"", "arch aarch64\n", TRUE, FALSE, FALSE, LXC_STOPPED, "x86_64 on node01, aarch64"},
        {"trouble device /dev/fuse is open in sshfs\n", "", TRUE, FALSE, TRUE, LXC_STOPPED,
         "/dev/fuse is open in sshfs"},
        {"trouble namespace pid of unshare\n", "", TRUE, FALSE, TRUE, LXC_STOPPED, "of unshare"},
        {"trouble socket TCP port 80 (listening) is open in httpd\n", "", TRUE, FALSE, TRUE,
         LXC_STOPPED, "socket TCP port 80 (listening) is open in httpd"},
        {"trouble socket UDP port 53 is open in named\n", "", FALSE, FALSE, TRUE, LXC_STOPPED,
         "CRIU 4.1.1 cannot write its sockets with Linux 6.1, which node01 has: CRIU 4.2 can"},
        {"trouble socket TCP port 80 (listening) is open in httpd\n", "", TRUE, TRUE, FALSE,
         LXC_STOPPED, "LIVE_ONLY forbids to stop it, and it cannot move live: CRIU 4.1.1 cannot"},
        {"", "", TRUE, FALSE, TRUE, LXC_LIVE, "it has no socket open that CRIU cannot write"},
        {"trouble lock of a file is held by flock\n", "", TRUE, FALSE, TRUE, LXC_STOPPED, "flock"},
        {"shifted yes\n", "", TRUE, FALSE, TRUE, LXC_STOPPED, "node02 cannot mount its disks for"},
        {"shifted yes\ncards yes\n", "shifts yes\n", TRUE, FALSE, TRUE, LXC_STOPPED,
         "and network cards, which CRIU does not restore"},
        {"shifted yes\n", "shifts yes\n", TRUE, FALSE, TRUE, LXC_LIVE, "it has users of its own"},
        {"", "place 8 9\n", TRUE, FALSE, FALSE, LXC_STOPPED,
         "does not see the machine's directory"},
        {"", "available 5\n", TRUE, FALSE, FALSE, LXC_STOPPED, "it uses 10 MiB, and node02 has 0"},
        {"", "space 5\n", TRUE, FALSE, FALSE, LXC_STOPPED, "10 MiB are needed on node02"},
        {"", "state running\n", TRUE, FALSE, FALSE, LXC_STOPPED, "there is a container one-7 on"},
        {"state paused\n", "", TRUE, FALSE, FALSE, LXC_STOPPED, "only a running machine"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(LxcFacts) facts = {.domain = "one-7"};
        g_auto(LxcVerdict) verdict = {FALSE};
        g_autofree char *here = g_strconcat(HERE, cases[i].here, NULL);
        g_autofree char *there = g_strconcat(THERE, cases[i].there, NULL);
        facts.shared = cases[i].shared;
        facts.live_only = cases[i].live_only;
        facts.wanted = g_strdup("br0");
        facts.hosts[LXC_SOURCE].name = "node01";
        facts.hosts[LXC_DESTINATION].name = "node02";
        lxc_facts_read(&facts.hosts[LXC_SOURCE], here);
        lxc_facts_read(&facts.hosts[LXC_DESTINATION], there);
        lxc_judge(&facts, &verdict);
        g_test_message("%s%s", cases[i].here, cases[i].there);
        assert_has(verdict.report, cases[i].said);
        g_assert_cmpint(verdict.possible, ==, cases[i].possible);
        if (verdict.possible) {
            g_assert_cmpint(verdict.way, ==, cases[i].way);
            g_assert_cmpint(verdict.still_ms, >, 0);
            assert_has(verdict.report, "DOWNTIME_MS");
        } else {
            assert_has(verdict.report, "NAME=\"way\", RESULT=\"no\"");
        }
    }
}

/* A card's bridge must be there; the destination must answer. */
static void test_never(void)
{
    g_auto(LxcFacts) facts = {.domain = "one-7", .shared = TRUE};
    g_auto(LxcVerdict) first = {FALSE}, second = {FALSE};
    facts.wanted = g_strdup("br0 br1");
    facts.hosts[LXC_SOURCE].name = "node01";
    facts.hosts[LXC_DESTINATION].name = "node02";
    lxc_facts_read(&facts.hosts[LXC_SOURCE], HERE);
    lxc_facts_read(&facts.hosts[LXC_DESTINATION], THERE);
    lxc_judge(&facts, &first);
    g_assert_false(first.possible);
    assert_has(first.why, "node02 has no bridge br1");
    facts.hosts[LXC_DESTINATION].unreachable = g_strdup("host node02: no route");
    lxc_judge(&facts, &second);
    g_assert_false(second.possible);
    assert_has(second.why, "no route");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/lxc/configuration", test_configuration);
    g_test_add_func("/lxc/limits", test_limits);
    g_test_add_func("/lxc/refusals", test_refusals);
    g_test_add_func("/lxc/users", test_users);
    g_test_add_func("/lxc/quoting", test_quoting);
    g_test_add_func("/lxc/programs", test_programs);
    g_test_add_func("/lxc/report", test_report);
    g_test_add_func("/lxc/events", test_events);
    g_test_add_func("/lxc/ways", test_ways);
    g_test_add_func("/lxc/never", test_never);
    return g_test_run();
}
