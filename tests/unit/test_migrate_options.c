/* What a live migration is told, and what it tells: options, flags, figures. */
#include "drivers/vmm/migrate/vmm_migrate_options.h"

#include "drivers/vmm/migrate/vmm_migrate_figures.h"
#include "lib/base/error.h"
#include <string.h>

/* A request with MIGRATE vectors in the four places; "" leaves one out. */
static VmmAction *request(const char *command, const char *user, const char *machine,
                          const char *host)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *xml =
        g_strdup_printf("<VMM_DRIVER_ACTION_DATA><HOST>h1</HOST><MIGR_HOST>h2</MIGR_HOST>"
                        "<MIGRATE>%s</MIGRATE><HOST_TEMPLATE><MIGRATE>%s</MIGRATE></HOST_TEMPLATE>"
                        "<VM><ID>3</ID><USER_TEMPLATE><MIGRATE>%s</MIGRATE></USER_TEMPLATE>"
                        "<TEMPLATE><MIGRATE>%s</MIGRATE></TEMPLATE></VM></VMM_DRIVER_ACTION_DATA>",
                        command, host, user, machine);
    g_autofree char *payload = g_base64_encode((const guchar *)xml, strlen(xml));
    VmmAction *action = vmm_action_parse(3, payload, &error);
    g_assert_no_error(error);
    return action;
}

static Template *configuration(const char *text)
{
    g_autoptr(GError) error = NULL;
    Template *template = template_parse(text, TEMPLATE_MODERN, &error);
    g_assert_no_error(error);
    return template;
}

static void test_nothing_said(void)
{
    g_autoptr(VmmAction) action = request("", "", "", "");
    g_auto(MigrateOptions) options = {0};
    g_assert_true(migrate_options_read(action, NULL, &options, NULL));
    g_assert_cmpint(options.time_limit_s, ==, 600);
    g_assert_cmpint(options.bandwidth_mibs, ==, 0);
    g_assert_cmpint(options.postcopy_resume_s, ==, 300);
    g_assert_true(options.auto_converge);
    g_assert_false(options.peer2peer || options.tls || options.tunnel || options.postcopy ||
                   options.compressed);
    g_assert_null(options.uri);
}

/* The nearer to the command, the more it counts. */
static void test_order(void)
{
    static const struct {
        const char *command, *user, *machine, *host, *defaults;
        gint64 expected;
    } cases[] = {
        {"<BANDWIDTH>1</BANDWIDTH>", "<BANDWIDTH>2</BANDWIDTH>", "<BANDWIDTH>3</BANDWIDTH>",
         "<BANDWIDTH>4</BANDWIDTH>", "MIGRATE = [ BANDWIDTH = 5 ]", 1},
        {"", "<BANDWIDTH>2</BANDWIDTH>", "<BANDWIDTH>3</BANDWIDTH>", "<BANDWIDTH>4</BANDWIDTH>",
         "MIGRATE = [ BANDWIDTH = 5 ]", 2},
        {"", "", "<BANDWIDTH>3</BANDWIDTH>", "<BANDWIDTH>4</BANDWIDTH>",
         "MIGRATE = [ BANDWIDTH = 5 ]", 3},
        {"", "", "", "<BANDWIDTH>4</BANDWIDTH>", "MIGRATE = [ BANDWIDTH = 5 ]", 4},
        {"", "", "", "", "MIGRATE = [ BANDWIDTH = 5 ]", 5},
        {"<BANDWIDTH> </BANDWIDTH>", "", "", "", "MIGRATE = [ BANDWIDTH = \"\" ]", 0},
        {"<BANDWIDTH> 0 </BANDWIDTH>", "", "<BANDWIDTH>3</BANDWIDTH>", "", "", 0},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(VmmAction) action =
            request(cases[i].command, cases[i].user, cases[i].machine, cases[i].host);
        g_autoptr(Template) defaults = configuration(cases[i].defaults);
        g_auto(MigrateOptions) options = {0};
        g_assert_true(migrate_options_read(action, defaults, &options, &error));
        g_assert_cmpint(options.bandwidth_mibs, ==, cases[i].expected);
    }
}

/* TIMEOUT is what TIME_LIMIT was called; a nearer TIMEOUT counts more than a farther TIME_LIMIT. */
static void test_older_name(void)
{
    g_autoptr(VmmAction) action =
        request("", "<TIMEOUT>7</TIMEOUT>", "<TIME_LIMIT>8</TIME_LIMIT>", "");
    g_autoptr(Template) defaults = configuration("MIGRATE = [ TIMEOUT = 9 ]");
    g_auto(MigrateOptions) options = {0};
    g_assert_true(migrate_options_read(action, defaults, &options, NULL));
    g_assert_cmpint(options.time_limit_s, ==, 7);
    g_autoptr(VmmAction) silent = request("", "", "", "");
    g_assert_true(migrate_options_read(silent, defaults, &options, NULL));
    g_assert_cmpint(options.time_limit_s, ==, 9);
}

static void test_bad_values(void)
{
    static const struct {
        const char *command, *pattern;
    } cases[] = {
        {"<BANDWIDTH>fast</BANDWIDTH>", "MIGRATE/BANDWIDTH of the command is \"fast\"*MiB/s*"},
        {"<BANDWIDTH>-1</BANDWIDTH>", "*\"-1\"*"},
        {"<BANDWIDTH>99999999999</BANDWIDTH>", "*from 0 to 1000000"},
        {"<MAX_DOWNTIME>50ms</MAX_DOWNTIME>", "*\"50ms\"*milliseconds*"},
        {"<TIME_LIMIT>1.5</TIME_LIMIT>", "*seconds*"},
        {"<TLS>maybe</TLS>", "MIGRATE/TLS of the command is \"maybe\"; it must be YES or NO"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(VmmAction) action = request(cases[i].command, "", "", "");
        g_auto(MigrateOptions) options = {0};
        g_assert_false(migrate_options_read(action, NULL, &options, &error));
        g_assert_error(error, ONE_ERROR, ONE_ERROR_RPC_API);
        if (!g_pattern_match_simple(cases[i].pattern, error->message))
            g_error("\"%s\" is not like \"%s\"", error->message, cases[i].pattern);
    }
}

/* The owner of a machine must not send its memory to addresses of his choice. */
static void test_uri_is_for_administrators(void)
{
    const char *theirs = "<URI>tcp://192.0.2.1</URI>", *ours = "<URI>tcp://10.0.0.2</URI>";
    g_autoptr(VmmAction) owner = request(theirs, theirs, theirs, "");
    g_autoptr(VmmAction) site = request(theirs, theirs, theirs, ours);
    g_auto(MigrateOptions) options = {0}, others = {0};
    g_assert_true(migrate_options_read(owner, NULL, &options, NULL));
    g_assert_null(options.uri);
    g_assert_true(migrate_options_read(site, NULL, &others, NULL));
    g_assert_cmpstr(others.uri, ==, "tcp://10.0.0.2");
}

static void test_what_goes_together(void)
{
    static const struct {
        MigrateOptions options;
        gboolean qemu, shared;
        const char *pattern; /* of the error; NULL: possible */
    } cases[] = {
        {{.tls = TRUE, .postcopy = TRUE, .compressed = TRUE}, TRUE, FALSE, NULL},
        {{.tunnel = TRUE}, TRUE, TRUE, NULL},
        {{.tunnel = TRUE}, TRUE, FALSE, "*cannot be copied through a tunnel*"},
        {{.tunnel = TRUE, .tls = TRUE}, TRUE, TRUE, "*choose one*"},
        {{.tunnel = TRUE, .postcopy = TRUE}, TRUE, TRUE, "*a way back*"},
        {{.bandwidth_mibs = 5, .auto_converge = TRUE}, FALSE, TRUE, NULL},
        {{.tls = TRUE}, FALSE, TRUE, "MIGRATE (xen): TLS=YES*"},
        {{.postcopy = TRUE}, FALSE, TRUE, "*no post-copy*"},
        {{.tunnel = TRUE}, FALSE, TRUE, "*TUNNEL=YES*"},
        {{.bandwidth_mibs = 5}, FALSE, FALSE, "*not shared*migrate without --live"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        gboolean fits = migrate_options_fit(&cases[i].options, cases[i].qemu, cases[i].shared,
                                            cases[i].qemu ? "qemu" : "xen", &error);
        g_assert_true(fits == !cases[i].pattern);
        if (!fits && !g_pattern_match_simple(cases[i].pattern, error->message))
            g_error("\"%s\" is not like \"%s\"", error->message, cases[i].pattern);
    }
}

static void test_flags(void)
{
    const MigrateOptions plain = {0};
    const MigrateOptions all = {
        .auto_converge = TRUE, .postcopy = TRUE, .compressed = TRUE, .tls = TRUE, .tunnel = TRUE};
    const unsigned int always = VIR_MIGRATE_LIVE | VIR_MIGRATE_ABORT_ON_ERROR;
    g_assert_cmphex(migrate_options_flags(&plain, TRUE, MIGRATE_SHARED, FALSE), ==,
                    always | VIR_MIGRATE_UNSAFE);
    g_assert_cmphex(migrate_options_flags(&plain, TRUE, MIGRATE_MIRRORED, FALSE), ==,
                    always | VIR_MIGRATE_NON_SHARED_DISK);
    g_assert_cmphex(migrate_options_flags(&all, TRUE, MIGRATE_SHARED, FALSE), ==,
                    always | VIR_MIGRATE_UNSAFE | VIR_MIGRATE_AUTO_CONVERGE | VIR_MIGRATE_POSTCOPY |
                        VIR_MIGRATE_COMPRESSED | VIR_MIGRATE_TLS | VIR_MIGRATE_TUNNELLED);
    g_assert_cmphex(migrate_options_flags(&all, FALSE, MIGRATE_SHARED, TRUE), ==,
                    VIR_MIGRATE_LIVE | VIR_MIGRATE_PERSIST_DEST | VIR_MIGRATE_UNDEFINE_SOURCE);
}

/* Looks while it goes on, then the statistics of the completed job. */
static void test_figures(void)
{
    static const struct {
        const char *field;
        unsigned long long early, completed;
    } rows[] = {
        {VIR_DOMAIN_JOB_TIME_ELAPSED, 300, 912},
        {VIR_DOMAIN_JOB_DOWNTIME, 300, 21},
        {VIR_DOMAIN_JOB_MEMORY_PAGE_SIZE, 4096, 4096},
        {VIR_DOMAIN_JOB_MEMORY_DIRTY_RATE, 100, 0},
        {VIR_DOMAIN_JOB_MEMORY_ITERATION, 2, 3},
        {VIR_DOMAIN_JOB_MEMORY_PROCESSED, 1000, 5000},
        {VIR_DOMAIN_JOB_DISK_PROCESSED, 700, 0},
        {VIR_DOMAIN_JOB_DATA_PROCESSED, 1700, 5000},
    };
    MigrateFigures figures = MIGRATE_FIGURES_NONE;
    for (guint completed = 0; completed < 2; completed++) {
        virTypedParameterPtr parameters = NULL;
        int count = 0, room = 0;
        for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
            g_assert_cmpint(virTypedParamsAddULLong(&parameters, &count, &room, rows[i].field,
                                                    completed ? rows[i].completed : rows[i].early),
                            ==, 0);
        migrate_figures_take(&figures, parameters, count);
        virTypedParamsFree(parameters, count);
    }
    g_autofree char *text = migrate_figures_text(&figures, FALSE, FALSE);
    g_assert_cmpstr(text, ==,
                    "total_ms=912 downtime_ms=21 bytes=5700 memory_bytes=5000 disk_bytes=700 "
                    "rounds=3 dirty_rate=409600 mode=precopy storage=mirrored");
    figures.resumes = 2; /* counted by the driver, not by libvirt */
    g_autofree char *resumed = migrate_figures_text(&figures, TRUE, FALSE);
    g_assert_nonnull(strstr(resumed, " resumes=2 mode=postcopy "));
    const MigrateFigures none = MIGRATE_FIGURES_NONE;
    g_autofree char *silent = migrate_figures_text(&none, TRUE, TRUE);
    g_assert_cmpstr(silent, ==, "mode=postcopy storage=shared");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(virInitialize(), ==, 0); /* its errors need it */
    g_test_add_func("/migrate/options/nothing", test_nothing_said);
    g_test_add_func("/migrate/options/order", test_order);
    g_test_add_func("/migrate/options/older-name", test_older_name);
    g_test_add_func("/migrate/options/bad", test_bad_values);
    g_test_add_func("/migrate/options/uri", test_uri_is_for_administrators);
    g_test_add_func("/migrate/options/together", test_what_goes_together);
    g_test_add_func("/migrate/options/flags", test_flags);
    g_test_add_func("/migrate/figures", test_figures);
    return g_test_run();
}
