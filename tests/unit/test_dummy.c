/* The simulated hypervisor: its files, its knobs, and both drivers on top of them. */
#include "drivers/common/dummy.h"

#include "drivers/im/im.h"
#include "drivers/im/im_report.h"
#include "drivers/vmm/vmm.h"
#include "drivers/vmm/vmm_action.h"
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

static char *var;

static void write_control(const char *text)
{
    g_autofree char *path = g_build_filename(var, "dummy", "control", NULL);
    g_autofree char *directory = g_path_get_dirname(path);
    g_autoptr(GError) error = NULL;
    g_mkdir_with_parents(directory, 0755);
    g_file_set_contents(path, text, -1, &error);
    g_assert_no_error(error);
}

static void test_knobs(void)
{
    write_control("# nothing\n");
    g_assert_cmpfloat(dummy_odds("DEPLOY", "h1").latency, ==, 0);
    g_assert_cmpint(dummy_host("h1").total_cpu, ==, 800);
    write_control("* latency=0.5 fail=0.1\n"
                  "DEPLOY node* latency=2  # slow\n"
                  "deploy node7 hold=1 fail=1 lost=0.25\n"
                  "HOST node7 TOTALCPU=1600 TOTALMEMORY=1024 down=1\n"
                  "DEPLOY node7 fail=3 nonsense=4 lost=x\n");
    DummyOdds odds = dummy_odds("DEPLOY", "node7");
    g_assert_cmpfloat(odds.latency, ==, 2);
    g_assert_cmpfloat(odds.fail, ==, 1);
    g_assert_cmpfloat(odds.lost, ==, 0.25);
    g_assert_true(odds.hold);
    odds = dummy_odds("MIGRATE", "node7");
    g_assert_cmpfloat(odds.latency, ==, 0.5);
    g_assert_cmpfloat(odds.fail, ==, 0.1);
    g_assert_false(odds.hold);
    DummyHost host = dummy_host("node7");
    g_assert_cmpint(host.total_cpu, ==, 1600);
    g_assert_cmpint(host.total_memory, ==, 1024);
    g_assert_true(host.down);
    g_assert_false(dummy_host("node8").down);
    write_control("\n");
}

static void test_files(void)
{
    DummyDomain made = {"one-7", "RUNNING", "two\nlines", "u-u", 50, 2048, 7, 0};
    g_auto(DummyDomain) read = {.vid = -1};
    g_autoptr(GError) error = NULL;
    g_assert_true(dummy_domain_write("h1", &made, &error));
    g_assert_true(dummy_domain_read("h1", "one-7", &read, &error));
    g_assert_cmpstr(read.name, ==, "two lines");
    g_assert_cmpint(read.memory, ==, 2048);
    g_assert_cmpint(read.vid, ==, 7);
    g_assert_true(dummy_domain_move("one-7", "h1", "h2", &error));
    dummy_domain_clear(&read);
    g_assert_false(dummy_domain_read("h1", "one-7", &read, &error));
    g_assert_no_error(error);
    g_assert_true(dummy_domain_remove("h2", "one-7", &error));
    g_assert_true(dummy_domain_remove("h2", "one-7", &error));
    g_assert_false(dummy_domain_remove("../etc", "one-7", &error));
    g_assert_nonnull(error);
}

static void test_vid(void)
{
    g_assert_cmpint(dummy_vid("one-12"), ==, 12);
    g_assert_cmpint(dummy_vid("one-"), ==, -1);
    g_assert_cmpint(dummy_vid("one-1x"), ==, -1);
    g_assert_cmpint(dummy_vid("debian"), ==, -1);
}

/* ---- the drivers ---- */

/* Gives the lines to a driver and returns all that it says. (owned) */
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

static char *request(const char *action, const char *host, const char *destination)
{
    g_autofree char *xml =
        g_strdup_printf("<VMM_DRIVER_ACTION_DATA><HOST>%s</HOST><MIGR_HOST>%s</MIGR_HOST>"
                        "<DEPLOY_ID/><VM><ID>3</ID><NAME><![CDATA[a]]></NAME><STIME>1</STIME>"
                        "<TEMPLATE><CPU>0.5</CPU><MEMORY>64</MEMORY></TEMPLATE></VM>"
                        "</VMM_DRIVER_ACTION_DATA>",
                        host, destination);
    g_autofree char *payload = g_base64_encode((const guchar *)xml, strlen(xml));
    return g_strdup_printf("%s 3 %s\n", action, payload);
}

static void expect_action(const char *action, const char *host, const char *destination,
                          const char *want)
{
    const Driver driver = {.program = "one_vmm",
                           .actions = vmm_dummy_actions,
                           .queue_of = vmm_queue_of,
                           .prepare = vmm_prepare};
    g_autofree char *line = request(action, host, destination);
    g_autofree char *heard = serve(&driver, line);
    if (!g_pattern_match_simple(want, heard))
        g_error("%s at %s: \"%s\" instead of \"%s\"", action, host, heard, want);
}

static void test_life(void)
{
    write_control("\n");
    expect_action("POLL", "h1", "", "POLL SUCCESS 3 STATE=d\n");
    expect_action("CANCEL", "h1", "", "CANCEL SUCCESS 3 -\n");
    expect_action("REBOOT", "h1", "", "REBOOT FAILURE 3 there is no machine one-3 on h1\n");
    expect_action("DEPLOY", "h1", "", "DEPLOY SUCCESS 3 one-3\n");
    expect_action("DEPLOY", "h1", "", "DEPLOY SUCCESS 3 one-3\n");
    expect_action("POLL", "h1", "", "POLL SUCCESS 3 STATE=a CPU=50 MEMORY=65536 *\n");
    expect_action("MIGRATECHECK", "h1", "h2", "MIGRATECHECK SUCCESS 3 *\n");
    expect_action("MIGRATECHECK", "h2", "h1", "MIGRATECHECK FAILURE 3 there is no machine*\n");
    expect_action("MIGRATE", "h1", "h2",
                  "MIGRATE SUCCESS 3 total_ms=0 *memory_bytes=67108864 * mode=precopy "
                  "storage=shared\n");
    expect_action("MIGRATE", "h1", "h2", "MIGRATE SUCCESS 3 *\n");
    expect_action("POLL", "h1", "", "POLL SUCCESS 3 STATE=d\n");
    expect_action("RESET", "h2", "", "RESET SUCCESS 3 -\n");
    expect_action("SAVE", "h2", "", "SAVE SUCCESS 3 -\n");
    expect_action("RESTORE", "h1", "", "RESTORE SUCCESS 3 one-3\n");
    expect_action("CLEANUP", "h2", "h1", "CLEANUP SUCCESS 3 -\n");
    expect_action("POLL", "h1", "", "POLL SUCCESS 3 STATE=d\n");
}

/* A machine of the same name that is not this one is never taken for it. */
static void test_other_machine(void)
{
    DummyDomain other = {"one-3", "RUNNING", "b", "11111111-0000-4000-8000-000000000001", 1, 1, 3};
    g_assert_true(dummy_domain_write("h3", &other, NULL));
    expect_action("DEPLOY", "h3", "", "DEPLOY FAILURE 3 another machine called one-3 is on h3*");
    g_assert_true(dummy_domain_remove("h3", "one-3", NULL));
}

static void test_trouble(void)
{
    write_control("DEPLOY h1 fail=1\nDEPLOY h2 lost=1\nDEPLOY h4 latency=0.05\nHOST h3 down=1\n");
    expect_action("DEPLOY", "h1", "", "DEPLOY FAILURE 3 *simulated*");
    expect_action("POLL", "h1", "", "POLL SUCCESS 3 STATE=d\n");
    expect_action("DEPLOY", "h2", "", "");
    expect_action("POLL", "h2", "", "POLL SUCCESS 3 STATE=a*");
    expect_action("MIGRATE", "h2", "h3", "MIGRATE FAILURE 3 *goes on running on h2\n");
    expect_action("POLL", "h3", "", "POLL FAILURE 3 h3 does not answer*");
    expect_action("DEPLOY", "h4", "", "DEPLOY SUCCESS 3 one-3\n");
    expect_action("CANCEL", "h2", "", "CANCEL SUCCESS 3 -\n");
    expect_action("CANCEL", "h4", "", "CANCEL SUCCESS 3 -\n");
    write_control("\n");
}

static void test_monitor(void)
{
    const Driver driver = {.program = "one_im",
                           .actions = im_dummy_actions,
                           .queue_of = im_queue_of,
                           .prepare = im_prepare};
    DummyDomain known = {"one-9", "RUNNING", "a \"b\"", "u", 150, 2048, 9};
    DummyDomain wild = {"debian", "RUNNING", "w", "v", 10, 4096, -1};
    write_control("HOST h9 TOTALCPU=400\nMONITOR h8 fail=1\n");
    g_assert_true(dummy_domain_write("h9", &known, NULL));
    g_assert_true(dummy_domain_write("h9", &wild, NULL));
    g_autofree char *heard = serve(&driver, "MONITOR 4 h9 /var/lib/one/datastores 0\n");
    g_assert_true(g_str_has_prefix(heard, "MONITOR SUCCESS 4 "));
    gsize length;
    g_autofree char *text = (char *)g_base64_decode(heard + strlen("MONITOR SUCCESS 4 "), &length);
    g_autofree char *report = g_strndup(text, length);
    static const char *const parts[] = {
        "TOTALCPU=\"400\"\n",
        "USEDCPU=\"160\"\n",
        "FREECPU=\"240\"\n",
        "SYNC_STATE=\"yes\"\n",
        "VM=[ID=\"9\",DEPLOY_ID=\"one-9\",UUID=\"u\",STATE=\"RUNNING\"",
        "VM=[ID=\"-1\",DEPLOY_ID",
        "IMPORT_TEMPLATE=",
    };
    for (guint i = 0; i < G_N_ELEMENTS(parts); i++)
        if (!strstr(report, parts[i]))
            g_error("no %s in %s", parts[i], report);
    g_autofree char *failed = serve(&driver, "MONITOR 5 h8\nSTOPMONITOR 4 h9\nMONITOR 6\n");
    g_assert_cmpstr(failed, ==,
                    "MONITOR FAILURE 5 monitoring of h8 failed (simulated)\n"
                    "STOPMONITOR SUCCESS 4 -\nMONITOR FAILURE 6 MONITOR 6 names no host\n");
}

static void test_quotes(void)
{
    g_autoptr(GString) out = g_string_new(NULL);
    im_append(out, "NAME", "a \"b\" ]]> \\ c\x01");
    g_assert_cmpstr(out->str, ==, "NAME=\"a \\\"b\\\" ] ]> \\ c \"\n");
}

/* Only what the simulation makes: files, and one level of directories below "dummy". */
static void remove_tree(const char *path)
{
    g_autoptr(GDir) directory = g_dir_open(path, 0, NULL);
    const char *name;
    while (directory && (name = g_dir_read_name(directory))) {
        g_autofree char *below = g_build_filename(path, name, NULL);
        remove_tree(below);
    }
    g_remove(path);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    var = g_dir_make_tmp("dummy-XXXXXX", NULL);
    g_assert_nonnull(var);
    g_setenv("ONE_VAR", var, TRUE);
    g_test_add_func("/dummy/knobs", test_knobs);
    g_test_add_func("/dummy/files", test_files);
    g_test_add_func("/dummy/vid", test_vid);
    g_test_add_func("/dummy/life", test_life);
    g_test_add_func("/dummy/other_machine", test_other_machine);
    g_test_add_func("/dummy/trouble", test_trouble);
    g_test_add_func("/dummy/monitor", test_monitor);
    g_test_add_func("/dummy/quotes", test_quotes);
    int failed = g_test_run();
    remove_tree(var);
    return failed;
}
