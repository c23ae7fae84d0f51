#include "client/prepare/hosts.h"
#include "client/prepare/prepare.h"
#include "tests/unit/cases.h"
#include <glib/gstdio.h>

/* ---- lists of hosts ---- */

static void test_hosts(void)
{
    g_autoptr(GPtrArray) cases = cases_load("prepare/hosts.txt");
    for (guint i = 0; i < cases->len; i++) {
        const Case *one = cases->pdata[i];
        g_autoptr(GPtrArray) hosts = g_ptr_array_new_with_free_func(g_free);
        g_autoptr(GError) error = NULL;
        gboolean ok = host_list_add(hosts, one->input, &error);
        g_ptr_array_add(hosts, NULL);
        g_autofree char *names = g_strjoinv(" ", (char **)hosts->pdata);
        g_test_message("%s", one->title);
        g_assert_cmpstr(ok ? "hosts" : "error", ==, one->section);
        g_assert_cmpstr(ok ? names : error->message, ==, one->expected);
    }
}

static void test_file(void)
{
    g_autoptr(GPtrArray) hosts = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) error = NULL;
    g_assert_true(host_list_add_text(hosts, "# rack 1\nnode[1-2] # both\n\nnode9\n", "rack", NULL));
    g_assert_cmpuint(hosts->len, ==, 3);
    g_assert_cmpstr(hosts->pdata[2], ==, "node9");
    g_assert_false(host_list_add_text(hosts, "node3\n;\n", "rack", &error));
    g_assert_true(g_str_has_prefix(error->message, "rack, line 2: \";\" is no name"));
}

/* ---- the table and its script ---- */

static int run_script(const char *variables, const char *call, char **out)
{
    g_autofree char *command = g_strconcat(variables, "\n", prepare_script(), call, NULL);
    char *argv[] = {(char *)"/bin/sh", (char *)"-c", command, NULL};
    int status = -1;
    g_assert_true(g_spawn_sync(NULL, argv, NULL, 0, NULL, NULL, out, NULL, &status, NULL));
    g_assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_rows_have_their_functions(void)
{
    for (const PrepareItem *item = prepare_items; item->name != NULL; item++) {
        g_autofree char *check = g_strdup_printf("\ncheck_%s() {", item->name);
        g_autofree char *fix = g_strdup_printf("\nfix_%s() {", item->name);
        g_assert_nonnull(strstr(prepare_script(), check));
        g_assert_true((strstr(prepare_script(), fix) != NULL) == item->fixable);
        g_assert_true(g_str_has_suffix(item->why, "."));
        g_assert_true(prepare_item_named(item->name, strlen(item->name)) == item);
        g_assert_cmpint(item->phase, >=, item > prepare_items ? item[-1].phase : PHASE_HOST);
    }
    g_assert_null(prepare_item_named("use", 3));
    g_assert_null(prepare_item_named("nothing", 7));
}

static void test_looks(void)
{
    static const struct {
        const char *variables, *call;
        int code;
        const char *said;
    } cases[] = {
        {"user=nobody-here", "check_user", 1, "there is no user nobody-here"},
        {"user=root nfs= uid=", "check_user", 0, "root (0), /root"},
        {"user=root nfs=a:/b uid=7", "check_user", 2, "on the front-end root is 7"},
        {"user=nobody-here", "check_key", 1, "there is no user nobody-here"},
        {"hypervisor=lxc", "check_cpu", 0, "lxc needs none"},
        {"hypervisor=lxc", "check_owner", 3, ""},
        {"hypervisor=kvm user=root", "check_lxc", 3, ""},
        {"hypervisor=kvm", "check_criu", 3, ""},
        {"hypervisor=lxd uri=", "check_libvirt", 3, ""},
        {"hypervisor=kvm user=root", "check_lxd", 3, ""},
        {"hypervisor=lxd user=root PATH=/nowhere", "check_lxd", 2, "lxd-client is not installed"},
        {"hypervisor=lxc uri=", "check_libvirt", 3, ""},
        {"nfs=", "check_mount", 3, ""},
        {"nfs=a:/b datastores=/nowhere", "check_mount", 1, "/etc/fstab has no line for a:/b"},
        {"datastores=/nowhere", "check_datastores", 1, "there is no /nowhere"},
        {"datastores=/ user=nobody", "check_datastores", 1, "/ belongs to root"},
        {"datastores=/ user=root", "check_datastores", 0, "/, "},
        {"bridge=br-nowhere nic=", "check_bridge", 1, "there is no bridge br-nowhere"},
        {"bridge=br-nowhere nic=", "fix_bridge", 2, "name the network card"},
        {"bridge=br-nowhere nic=nowhere0", "fix_bridge", 2, "there is no network card nowhere0"},
        {"bridge=br-nowhere nic=lo SSH_CONNECTION='127.0.0.9 1 127.0.0.1 22'", "fix_bridge", 2,
         "this connection comes in through lo (127.0.0.1): the change would cut it"},
        {"user=root", "check_network", 3, "root needs no leave"},
        {"user=nobody-here", "check_network", 1, "nobody-here may not run ip and nft as root"},
        {"front=$(date +%s)", "check_clock", 0, "0 s from"},
        {"front=$(($(date +%s) - 60))", "check_clock", 1, "60 s from"},
        {"hosts=1", "check_rootkey", 3, ""},
        {"hosts=1", "check_trust", 3, ""},
        {"hosts=1", "check_peers", 3, ""},
        {"packages=no-such-package-anywhere", "check_packages", 1,
         "not installed: no-such-package-anywhere"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *said = NULL;
        g_test_message("%s %s", cases[i].variables, cases[i].call);
        g_assert_cmpint(run_script(cases[i].variables, cases[i].call, &said), ==, cases[i].code);
        if (strstr(said, cases[i].said) == NULL)
            g_assert_cmpstr(said, ==, cases[i].said);
    }
}

/* A fresh daemon, played by a script that keeps what it is told: one fix makes all good, and a
 * second one changes nothing. */
static void test_lxd(void)
{
    static const char played[] =
        "#!/bin/sh\ncd \"${0%/*}\" || exit\ncase \"$*\" in\n"
        "'query /1.0') [ -e up ] || { echo 'no socket' >&2; exit 1; }; echo '{\"server_version\": "
        "\"5.0.2\"}' ;;\n"
        "'storage list --format csv') cat pools 2>/dev/null ;;\n"
        "'storage create default dir') echo default,dir >>pools; echo pool >>done ;;\n"
        "'profile show default') cat profile 2>/dev/null ;;\n"
        "'profile device add default root disk path=/ pool=default') echo '    type: disk' "
        ">>profile; echo profile >>done ;;\n"
        "'config get core.https_address') cat address 2>/dev/null ;;\n"
        "'config set core.https_address :8443') echo :8443 >address; echo address >>done ;;\n"
        "'enable --now lxd') : >up; echo start >>done ;;\n"
        "'waitready --timeout=60') [ -e up ] ;;\n"
        "*) echo \"unexpected: $*\" >&2; exit 1 ;;\nesac\nexit\n";
    static const char *const programs[] = {"lxc", "lxd", "systemctl"};
    g_autofree char *directory = g_dir_make_tmp("prepare-XXXXXX", NULL);
    g_autofree char *variables =
        g_strdup_printf("hypervisor=lxd user=root PATH=%s:$PATH", directory);
    g_autofree char *notes = g_build_filename(directory, "done", NULL);
    g_autofree char *before = NULL, *fixed = NULL, *after = NULL, *again = NULL, *did = NULL;
    for (guint i = 0; i < G_N_ELEMENTS(programs); i++) {
        g_autofree char *path = g_build_filename(directory, programs[i], NULL);
        g_assert_true(g_file_set_contents_full(path, played, -1, 0, 0755, NULL));
    }
    g_assert_cmpint(run_script(variables, "check_lxd", &before), ==, 1);
    g_assert_nonnull(strstr(before, "LXD does not answer: no socket"));
    g_assert_cmpint(run_script(variables, "fix_lxd", &fixed), ==, 0);
    g_assert_cmpint(run_script(variables, "check_lxd", &after), ==, 0);
    g_assert_cmpstr(after, ==, "LXD 5.0.2, :8443 for other hosts\n");
    g_assert_cmpint(run_script(variables, "fix_lxd", &again), ==, 0);
    g_assert_true(g_file_get_contents(notes, &did, NULL, NULL));
    g_assert_cmpstr(did, ==, "start\npool\nprofile\naddress\n");
    g_autofree char *away = g_strdup_printf("rm -r '%s'", directory);
    g_assert_true(g_spawn_command_line_sync(away, NULL, NULL, NULL, NULL));
}

/* Where somebody left the last line of a file without an end, ours get lines of their own. */
static void test_files_without_an_end(void)
{
    static const char played[] =
        "user=$(id -un) hosts=2 nfs=fe:/srv datastores=$PWD/ds key='ssh-ed25519 AAAA front' "
        "peers=globule-peer=10.0.0.2 peer_keys='ssh-ed25519 BBBB root@peer' "
        "peer_hostkeys='globule-peer ssh-ed25519 CCCC'\n"
        "getent() { case $1 in passwd) echo \"x:x:0:0::$PWD:/bin/sh\" ;; ahosts*) echo 10.0.0.1 ;; "
        "*) return 2 ;; esac; }\n"
        "findmnt() { echo fe:/srv; }; systemctl() { :; }; virsh() { :; }\n";
    static const char files[] = "fstab=fstab hosts_file=hosts known_hosts=known qemu_conf=conf "
                                "ssh_config=config; ";
    static const struct {
        const char *fix, *file, *line;
    } cases[] = {
        {"fix_key", ".ssh/authorized_keys", "ssh-ed25519 AAAA front"},
        {"fix_owner", "conf", "dynamic_ownership = 0"},
        {"fix_mount", "fstab", "fe:/srv DIRECTORY/ds nfs rw,hard,_netdev,nofail 0 0"},
        {"fix_names", "hosts", "10.0.0.2 globule-peer"},
        {"fix_trust", ".ssh/authorized_keys", "ssh-ed25519 BBBB root@peer"},
        {"fix_trust", "known", "globule-peer ssh-ed25519 CCCC"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *directory = g_dir_make_tmp("prepare-XXXXXX", NULL);
        g_autofree char *keys = g_build_filename(directory, ".ssh", NULL);
        g_autofree char *path = g_build_filename(directory, cases[i].file, NULL);
        g_autofree char *variables = g_strdup_printf("cd '%s' || exit\n%s", directory, played);
        g_autofree char *call = g_strconcat(files, cases[i].fix, NULL);
        g_autofree char *said = NULL, *after = NULL;
        g_autoptr(GString) line = g_string_new(cases[i].line);
        (void)g_string_replace(line, "DIRECTORY", directory, 0);
        g_string_prepend_c(line, '\n');
        g_string_append_c(line, '\n');
        g_test_message("%s %s", cases[i].fix, cases[i].file);
        g_assert_cmpint(g_mkdir(keys, 0700), ==, 0);
        for (guint k = 0; k < G_N_ELEMENTS(cases); k++) {
            g_autofree char *other = g_build_filename(directory, cases[k].file, NULL);
            g_assert_true(g_file_set_contents(other, "the last", -1, NULL));
        }
        g_assert_cmpint(run_script(variables, call, &said), ==, 0);
        g_assert_true(g_file_get_contents(path, &after, NULL, NULL));
        if (!g_str_has_prefix(after, "the last\n") || strstr(after, line->str) == NULL)
            g_error("after %s: \"%s\"", cases[i].fix, after);
        g_autofree char *away = g_strdup_printf("rm -r '%s'", directory);
        g_assert_true(g_spawn_command_line_sync(away, NULL, NULL, NULL, NULL));
    }
}

/* ---- what is wanted ---- */

static PrepareWish usual_wish(void)
{
    return (PrepareWish){.hypervisor = prepare_hypervisor_named("kvm"),
                         .login = "root",
                         .user = "oneadmin",
                         .key = "ssh-ed25519 AAAA it's",
                         .datastores = "/var/lib/one/datastores",
                         .parallel = 2};
}

static void expect_refused(const PrepareWish *wish, const char *reason)
{
    g_autoptr(GError) error = NULL;
    g_assert_false(prepare_wish_check(wish, &error));
    if (strstr(error->message, reason) == NULL)
        g_assert_cmpstr(error->message, ==, reason);
}

static void test_wishes(void)
{
    PrepareWish wish = usual_wish();
    g_assert_true(prepare_wish_check(&wish, NULL));
    wish.user = "one admin";
    expect_refused(&wish, "--service-user \"one admin\"");
    wish = usual_wish();
    wish.datastores = "here";
    expect_refused(&wish, "a path from / on is needed");
    wish = usual_wish();
    wish.nfs = "server";
    expect_refused(&wish, "write server:/path");
    wish.nfs = "server:/a'b";
    expect_refused(&wish, "--nfs");
    wish = usual_wish();
    wish.nic = "eth0";
    expect_refused(&wish, "--bridge br0");
    wish.bridge = "a-very-long-name-for-a-bridge";
    expect_refused(&wish, "15 letters");
    wish = usual_wish();
    wish.skip = "user,nothing";
    expect_refused(&wish, "--skip \"nothing\": no such item; there are: system cpu");
    wish.skip = "user,bridge";
    g_assert_true(prepare_wish_check(&wish, NULL));
    g_assert_false(prepare_does(&wish, prepare_item_named("user", 4)));
    g_assert_true(prepare_does(&wish, prepare_item_named("key", 3)));
    wish.only = "key,user";
    g_assert_true(prepare_does(&wish, prepare_item_named("key", 3)));
    g_assert_false(prepare_does(&wish, prepare_item_named("user", 4)));
    g_assert_false(prepare_does(&wish, prepare_item_named("clock", 5)));
}

/* The variables are shell, whatever is in them. */
static void test_variables(void)
{
    PrepareWish wish = usual_wish();
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    g_autofree char *said = NULL;
    wish.nfs = "server:/srv";
    g_ptr_array_add(names, (gpointer) "node01");
    g_autoptr(Prepare) prepare = prepare_new(&wish, names, NULL, NULL);
    g_autofree char *variables = prepare_variables(prepare, NULL);
    g_assert_cmpint(run_script(variables, "echo \"$key|$user|$hosts|$packages|$uri\"", &said), ==,
                    0);
    g_assert_true(
        g_str_has_prefix(said, "ssh-ed25519 AAAA it's|oneadmin|1|libvirt-daemon-system "));
    g_assert_nonnull(strstr(said, " qemu-utils nftables sudo nfs-common|qemu:///system\n"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/prepare/hosts", test_hosts);
    g_test_add_func("/prepare/file", test_file);
    g_test_add_func("/prepare/rows", test_rows_have_their_functions);
    g_test_add_func("/prepare/looks", test_looks);
    g_test_add_func("/prepare/lxd", test_lxd);
    g_test_add_func("/prepare/files", test_files_without_an_end);
    g_test_add_func("/prepare/wishes", test_wishes);
    g_test_add_func("/prepare/variables", test_variables);
    return g_test_run();
}
