/* scheduler/config.c: the shipped file says the defaults; wrong values are told with their place.
 */
#include "scheduler/config.h"
#include "lib/base/error.h"
#include "tests/unit/cases.h"

static SchedConfig *parse(const char *text)
{
    g_autoptr(GError) error = NULL;
    SchedConfig *config = sched_config_parse(text, "sched.conf", &error);
    g_assert_no_error(error);
    return config;
}

static void assert_equal(const SchedConfig *a, const SchedConfig *b)
{
    g_assert_cmpstr(a->endpoint, ==, b->endpoint);
    g_assert_cmpint(a->timeout, ==, b->timeout);
    g_assert_cmpint(a->interval, ==, b->interval);
    g_assert_cmpint(a->max_vm, ==, b->max_vm);
    g_assert_cmpint(a->max_dispatch, ==, b->max_dispatch);
    g_assert_cmpint(a->max_host, ==, b->max_host);
    g_assert_cmpint(a->live_rescheds, ==, b->live_rescheds);
    g_assert_cmpint(a->cold_migrate_mode, ==, b->cold_migrate_mode);
    g_assert_cmpstr(sched_config_rank(a), ==, sched_config_rank(b));
    g_assert_cmpstr(sched_config_ds_rank(a), ==, sched_config_ds_rank(b));
    g_assert_cmpfloat(a->memory_scale, ==, b->memory_scale);
    g_assert_cmpint(a->connections, ==, b->connections);
    g_assert_cmpstr(a->log_system, ==, b->log_system);
    g_assert_cmpint(a->log_level, ==, b->log_level);
}

static void test_shipped(void)
{
    g_autofree char *cases = cases_path("sched");
    g_autofree char *path = g_build_filename(cases, "../../../../etc/sched.conf", NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(SchedConfig) shipped = sched_config_load(path, &error);
    g_assert_no_error(error);
    g_autoptr(SchedConfig) defaults = parse(NULL);
    assert_equal(shipped, defaults);
    g_assert_cmpuint(shipped->warnings->len, ==, 0);
    g_assert_cmpstr(sched_config_rank(defaults), ==, "- RUNNING_VMS");
}

/* OpenNebula's own shipped values, and what 2009 wrote. */
static void test_theirs(void)
{
    g_autoptr(SchedConfig) config = parse(
        "MESSAGE_SIZE = 1073741824\nTIMEOUT = 60\nONE_XMLRPC = \"http://front:2633/RPC2\"\n"
        "sched_interval = 30\nMAX_VM = 5000\nMAX_DISPATCH = 30\nMAX_HOST = 1\nLIVE_RESCHEDS = 1\n"
        "COLD_MIGRATE_MODE = 2\nDEFAULT_SCHED = [ policy = 3, RANK = \"- (RUNNING_VMS * 50 + "
        "FREE_CPU)\" ]\n"
        "DEFAULT_DS_SCHED = [ POLICY = 0 ]\nDEFAULT_NIC_SCHED = [ POLICY = 1 ]\nDIFFERENT_VNETS = "
        "YES\n"
        "LOG = [ SYSTEM = \"syslog\", DEBUG_LEVEL = 2 ]\nMEMORY_SYSTEM_DS_SCALE = 0.5\n");
    g_assert_cmpstr(config->endpoint, ==, "http://front:2633/RPC2");
    g_assert_cmpint(config->interval, ==, 30);
    g_assert_cmpint(config->max_host, ==, 1);
    g_assert_cmpint(config->live_rescheds, ==, 1);
    g_assert_cmpstr(sched_config_rank(config), ==, "- (RUNNING_VMS * 50 + FREE_CPU)");
    g_assert_cmpstr(sched_config_ds_rank(config), ==, "- FREE_MB");
    g_assert_cmpstr(config->log_system, ==, "syslog");
    g_assert_cmpfloat(config->memory_scale, ==, 0.5);
    g_assert_cmpuint(config->warnings->len, ==, 0);
}

/* As in oned.conf: of equal keys the last counts. */
static void test_last_counts(void)
{
    g_autoptr(SchedConfig) config =
        parse("MAX_HOST = 1\nLOG = [ SYSTEM = \"std\", DEBUG_LEVEL = 1 ]\nmax_host = 7\n"
              "LOG = [ SYSTEM = \"syslog\" ]\n");
    g_assert_cmpint(config->max_host, ==, 7);
    g_assert_cmpstr(config->log_system, ==, "syslog");
}

static void test_wrong(void)
{
    static const struct {
        const char *text, *message;
    } wrong[] = {
        {"\n# note\nMAX_VM = many\n", "sched.conf, line 3: MAX_VM = \"many\" is wrong; allowed: a "
                                      "whole number from 0 to 2147483647"},
        {"SCHED_INTERVAL = 0\n",
         "sched.conf, line 1: SCHED_INTERVAL = \"0\" is wrong; allowed: a whole "
         "number from 1 to 86400"},
        {"LIVE_RESCHEDS = perhaps\n",
         "sched.conf, line 1: LIVE_RESCHEDS = \"perhaps\" is wrong; allowed: YES or "
         "NO, 1 or 0"},
        {"MEMORY_SYSTEM_DS_SCALE = -1\n",
         "sched.conf, line 1: MEMORY_SYSTEM_DS_SCALE = \"-1\" is wrong; allowed: "
         "a number from 0 to 1000"},
        {"MAX_VM = 1\nLOG = [ SYSTEM = paper ]\n",
         "sched.conf, line 2: LOG/SYSTEM = \"paper\" is wrong; allowed: "
         "one of: file std syslog"},
        {"MAX_VM = 1\nMAX_HOST = 1\nMAX_VM = x\n",
         "sched.conf, line 3: MAX_VM = \"x\" is wrong; allowed: a whole number from 0 to "
         "2147483647"},
        {"DEFAULT_SCHED = [ POLICY = 5 ]\n",
         "sched.conf, line 1: DEFAULT_SCHED/POLICY = \"5\" is wrong; allowed: "
         "a whole number from 0 to 4"},
        {"DEFAULT_SCHED = [ POLICY = 3 ]\n",
         "DEFAULT_SCHED has the custom policy, which needs a RANK"},
        {"DEFAULT_DS_SCHED = [ POLICY = 2, RANK = \"A -5\" ]\n",
         "DEFAULT_DS_SCHED has a RANK that cannot be read: *"},
        {"MAX_VM 5\n", "sched.conf: *"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(sched_config_parse(wrong[i].text, "sched.conf", &error));
        g_assert_error(error, ONE_ERROR, ONE_ERROR_INTERNAL);
        if (!g_pattern_match_simple(wrong[i].message, error->message))
            g_assert_cmpstr(error->message, ==, wrong[i].message);
    }
}

static void test_warnings(void)
{
    g_autoptr(SchedConfig) config =
        parse("MAX_VMS = 3\nHTTP_PROXY = \"http://p\"\nEXTERNAL_SCHEDULER = [ SERVER = \"\" "
              "]\nOTHER = [ A = 1 ]\n");
    g_assert_cmpuint(config->warnings->len, ==, 2);
    g_assert_cmpstr(config->warnings->pdata[0], ==,
                    "HTTP_PROXY means nothing here: set http_proxy in the environment instead");
    g_assert_cmpstr(config->warnings->pdata[1], ==, "unknown keys, not used: MAX_VMS, OTHER");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sched_config/shipped", test_shipped);
    g_test_add_func("/sched_config/theirs", test_theirs);
    g_test_add_func("/sched_config/wrong", test_wrong);
    g_test_add_func("/sched-config/last", test_last_counts);
    g_test_add_func("/sched_config/warnings", test_warnings);
    return g_test_run();
}
