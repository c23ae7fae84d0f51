#include "server/core/config.h"
#include "server/core/config_private.h"
#include "lib/base/error.h"
#include "tests/unit/cases.h"

#include <glib/gstdio.h>

static Config *load(const char *text)
{
    g_autoptr(GError) error = NULL;
    Config *config = config_load_text(text, "oned.conf", &error);

    g_assert_no_error(error);
    return config;
}

static char *xml_of(const Config *config)
{
    g_autoptr(Template) template = config_to_template(config);
    GString *out = g_string_new(NULL);

    template_append_xml(template, out);
    return g_string_free(out, FALSE);
}

/* ---- the table ---- */

static void test_table(void)
{
    for (guint i = 0; i < config_row_count; i++) {
        const ConfigRow *row = &config_rows[i];
        g_autofree char *upper = g_ascii_strup(row->key, -1);

        if (row->kind == CONFIG_SECTION)
            continue;
        g_test_message("%s", row->key);
        g_assert_cmpstr(row->key, ==, upper);
        g_assert_true(config_row(row->key) == row); /* no key twice */
        g_assert_nonnull(row->help);
        g_assert_true(row->initial || row->flags & CONFIG_IDLE || row->kind == CONFIG_VECTOR ||
                      row->kind == CONFIG_VECTORS);
        if (row->initial && *row->initial != '@')
            g_assert_true(config_value_fits(row, row->initial));
        if (row->kind == CONFIG_WORD)
            g_assert_nonnull(row->words);
        if (row->kind == CONFIG_INT || row->kind == CONFIG_NUMBER)
            g_assert_cmpint(row->min, <, row->max);
        if (strchr(row->key, '/')) {
            g_auto(GStrv) parts = g_strsplit(row->key, "/", 2);
            g_assert_cmpint(config_row(parts[0])->kind, ==, CONFIG_VECTOR);
        }
    }
}

static void test_defaults(void)
{
    g_autoptr(Config) config = config_load(NULL, NULL);
    g_autoptr(Config) missing = config_load("/nowhere/oned.conf", NULL);
    g_autofree char *one = xml_of(config), *two = xml_of(missing);

    g_assert_cmpstr(one, ==, two);
    g_assert_null(config_warning(config));
    g_assert_cmpint(config_int(config, "PORT"), ==, 2633);
    g_assert_cmpint(config_int(config, "MESSAGE_SIZE"), ==, 16 * 1024 * 1024);
    g_assert_cmpstr(config_text(config, "LISTEN_ADDRESS"), ==, "127.0.0.1");
    g_assert_cmpstr(config_text(config, "LOG/SYSTEM"), ==, "file");
    g_assert_cmpstr(config_text(config, "TLS_CERT"), ==, "");
    g_assert_cmpstr(config_text(config, "GRPC_PORT"), ==, "");
    g_assert_true(config_bool(config, "ENABLE_OTHER_PERMISSIONS"));
    g_assert_false(config_bool(config, "LOG/USE_VMS_LOCATION"));
    g_assert_cmpfloat(config_double(config, "VM_SNAPSHOT_FACTOR"), ==, 0);
    g_assert_cmpstr(config_pair(config, "DB", "BACKEND"), ==, "sqlite");
    g_assert_null(config_pair(config, "ACTION_TIMEOUTS", "NONE"));
    g_assert_cmpstr(config_pair(config, "ACTION_TIMEOUTS", "DEPLOY"), ==, "300");
    g_assert_cmpstr(config_list(config, "VM_RESTRICTED_ATTR", 1), ==, "NIC/MAC");
    g_assert_null(config_list(config, "HOST_ENCRYPTED_ATTR", 0));
    g_assert_true(g_str_has_suffix(config_text(config, "DATASTORE_LOCATION"), "/datastores"));
}

/* The file that is shipped says the defaults, and names every key that does something. */
static void test_shipped(void)
{
    g_autofree char *data = cases_path("config"), *path = NULL, *text = NULL;
    g_autofree char *shipped = NULL, *builtin = NULL;
    g_autoptr(Config) config = NULL, defaults = config_load(NULL, NULL);
    g_autoptr(GError) error = NULL;

    path = g_build_filename(data, "../../../../etc/oned.conf", NULL);
    config = config_load(path, &error);
    g_assert_no_error(error);
    g_assert_null(config_warning(config));
    for (guint i = 0; i < config_row_count; i++) {
        const ConfigRow *row = &config_rows[i];

        g_test_message("%s", row->key);
        if (row->kind != CONFIG_SECTION && row->kind != CONFIG_LIST && row->kind != CONFIG_VECTOR &&
            row->kind != CONFIG_VECTORS)
            g_assert_cmpstr(config_text(config, row->key), ==, config_text(defaults, row->key));
    }
    for (const char *const *key = (const char *[]){"IM_MAD", "VM_MAD", "TM_MAD", "TM_MAD_CONF",
                                                   "DS_MAD_CONF", "AUTH_MAD_CONF", NULL};
         *key; key++) {
        const TemplateAttribute *vector;

        for (guint i = 0; (vector = config_vector(defaults, *key, i)); i++) {
            const TemplateAttribute *same =
                config_named(config, *key, attribute_get(vector, "NAME"));
            g_autoptr(GString) one = g_string_new(NULL), two = g_string_new(NULL);

            g_test_message("%s %s", *key, attribute_get(vector, "NAME"));
            template_attribute_append_xml(vector, one);
            g_assert_nonnull(same);
            template_attribute_append_xml(same, two);
            g_assert_cmpstr(one->str, ==, two->str);
        }
        g_assert_null(config_vector(config, *key, 100));
    }
    shipped = xml_of(config);
    builtin = xml_of(defaults);
    g_assert_cmpuint(strlen(shipped), ==, strlen(builtin)); /* nothing more in it */

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    for (guint i = 0; i < config_row_count; i++) {
        const char *key = strrchr(config_rows[i].key, '/');

        if (config_rows[i].kind == CONFIG_SECTION || config_rows[i].flags & CONFIG_IDLE ||
            g_str_has_prefix(config_rows[i].key, "FEDERATION") ||
            (config_rows[i].kind == CONFIG_VECTOR && !strstr(text, config_rows[i].key)))
            continue;
        g_test_message("%s", config_rows[i].key);
        g_assert_nonnull(strstr(text, key ? key + 1 : config_rows[i].key));
    }
}

/* ---- what files say ---- */

static void test_errors(void)
{
    g_autoptr(GPtrArray) cases = cases_load("config/errors.txt");

    for (guint i = 0; i < cases->len; i++) {
        const Case *one = cases->pdata[i];
        g_autoptr(GError) error = NULL;

        g_test_message("%s", one->title);
        g_assert_null(config_load_text(one->input, "oned.conf", &error));
        g_assert_error(error, ONE_ERROR, ONE_ERROR_INTERNAL);
        g_assert_cmpstr(error->message, ==, one->expected);
    }
}

static const char *or_dash(const char *text)
{
    return text ? text : "-";
}

static void test_theirs(void)
{
    g_autoptr(GPtrArray) cases = cases_load("config/theirs.txt");

    for (guint i = 0; i < cases->len; i++) {
        const Case *one = cases->pdata[i];
        g_autoptr(Config) config = load(one->input);
        g_autoptr(GString) said = g_string_new(NULL);
        const TemplateAttribute *driver;

        g_test_message("%s", one->title);
        for (const char *const *key = (const char *[]){"IM_MAD", "VM_MAD", "TM_MAD", NULL}; *key;
             key++)
            for (guint k = 0; (driver = config_vector(config, *key, k)); k++)
                g_string_append_printf(said, "%s%s %s %s %s", said->len ? "\n" : "", *key,
                                       or_dash(attribute_get(driver, "NAME")),
                                       attribute_get(driver, "EXECUTABLE"),
                                       or_dash(attribute_get(driver, "ARGUMENTS")));
        g_assert_cmpstr(said->str, ==, one->expected);
    }
}

static void test_named(void)
{
    g_autoptr(Config) config =
        load("TM_MAD = [ EXECUTABLE = one_tm, ARGUMENTS = \"-t 15 -d dummy,ssh\" ]\n"
             "TM_MAD = [ NAME = shared, EXECUTABLE = x ]");

    g_assert_cmpstr(attribute_get(config_named(config, "TM_MAD", "ssh"), "EXECUTABLE"), ==,
                    "one_tm");
    g_assert_cmpstr(attribute_get(config_named(config, "TM_MAD", "shared"), "EXECUTABLE"), ==, "x");
    g_assert_null(config_named(config, "TM_MAD", "s"));
    g_assert_cmpstr(attribute_get(config_named(config, "VM_MAD", "kvm"), "TYPE"), ==, "kvm");
    g_assert_null(config_named(config, "VM_MAD", "other"));
}

static void test_said(void)
{
    g_autoptr(Config) config = load(
        "port = ' 1234 '   # comment\n"
        "PORT = 2345\n"
        "VM_POLLING_INTERVAL = 7\n"
        "HOST_MONITORING_INTERVAL = 8\nMONITORING_INTERVAL_HOST = 9\n"
        "API_LIST_ORDER = asc\nDEBUG_LEVEL = 3\nLOG = [ SYSTEM = STD ]\nLOG = [ USE_VMS_LOCATION = "
        "yes ]\n"
        "VM_DIR = /srv/images\n"
        "USER_RESTRICTED_ATTR = ONE\nUSER_RESTRICTED_ATTR = TWO\nGROUP_RESTRICTED_ATTR = \"\"\n"
        "ACTION_TIMEOUTS = [ DEPLOY = 5 ]\n"
        "BOGUS = 1\nBOGUS = 2\nLOG = [ COLOUR = red ]\nOTHER = [ A = 1 ]\n"
        "RAFT = [ LIMIT_PURGE = 3 ]\nNETWORK_SIZE = 254\nSCHED_MAX_WND_TIME = 1\n");

    g_assert_cmpint(config_int(config, "PORT"), ==, 2345);
    g_assert_cmpint(config_int(config, "MONITORING_INTERVAL_VM"), ==, 7);
    g_assert_cmpint(config_int(config, "MONITORING_INTERVAL_HOST"), ==, 9);
    g_assert_cmpint(config_int(config, "LOG/DEBUG_LEVEL"), ==, 3);
    g_assert_cmpstr(config_text(config, "LOG/SYSTEM"), ==, "std");
    g_assert_cmpstr(config_text(config, "API_LIST_ORDER"), ==, "ASC");
    g_assert_true(config_bool(config, "LOG/USE_VMS_LOCATION"));
    g_assert_cmpstr(config_text(config, "DATASTORE_LOCATION"), ==, "/srv/images");
    g_assert_cmpstr(config_list(config, "USER_RESTRICTED_ATTR", 1), ==, "TWO");
    g_assert_null(config_list(config, "USER_RESTRICTED_ATTR", 2));
    g_assert_null(config_list(config, "GROUP_RESTRICTED_ATTR", 0));
    g_assert_cmpint(config_int(config, "ACTION_TIMEOUTS/DEPLOY"), ==, 5);
    g_assert_cmpint(config_int(config, "ACTION_TIMEOUTS/SAVE"), ==, 1800);
    g_assert_cmpstr(config_warning(config), ==,
                    "oned.conf: unknown keys, left out: BOGUS, OTHER, LOG/COLOUR; "
                    "without effect in this version: RAFT/LIMIT_PURGE, SCHED_MAX_WND_TIME");
}

static void test_clients(void)
{
    g_autoptr(Config) config = load("DB = [ BACKEND = sqlite, USER = me, PASSWD = secret ]\n"
                                    "VM_MAD = [ NAME = a, EXECUTABLE = b, OURS = c ]");
    g_autoptr(Template) all = config_to_template(config);
    g_autoptr(Template) administrator = config_for_clients(config, TRUE);
    g_autoptr(Template) user = config_for_clients(config, FALSE);

    g_assert_cmpstr(template_get(all, "MAX_NESTING"), ==, "64");
    g_assert_null(template_get(administrator, "MAX_NESTING"));
    g_assert_null(template_vector(administrator, "ACTION_TIMEOUTS", 0));
    g_assert_cmpstr(template_get(administrator, "PORT"), ==, "2633");
    g_assert_cmpstr(template_get_pair(administrator, "DB", "BACKEND"), ==, "sqlite");
    g_assert_cmpstr(template_get_pair(administrator, "DB", "PASSWD"), ==, "***");
    g_assert_cmpstr(template_get_pair(user, "DB", "USER"), ==, "***");
    g_assert_cmpstr(template_get_pair(user, "DB", "BACKEND"), ==, "***");
    g_assert_cmpstr(template_get_pair(user, "DB", "TIMEOUT"), ==, "2500");
    g_assert_cmpstr(template_get_pair(user, "VM_MAD", "NAME"), ==, "a");
    g_assert_null(template_get_pair(user, "VM_MAD", "OURS"));
    g_assert_null(template_get_pair(user, "TM_MAD", "NAME"));
}

/* ---- reloading ---- */

static void write_file(const char *path, const char *text)
{
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void assert_names(GPtrArray *names, const char *expected)
{
    g_autoptr(GString) said = g_string_new(NULL);

    for (guint i = 0; i < names->len; i++)
        g_string_append_printf(said, "%s%s", i ? " " : "", (const char *)names->pdata[i]);
    g_assert_cmpstr(said->str, ==, expected);
}

static void test_reload(void)
{
    g_autofree char *directory = g_dir_make_tmp("globule-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(directory, "oned.conf", NULL);
    g_autoptr(Config) config = NULL;

    write_file(path, "PORT = 1\nMANAGER_TIMER = 1\nVM_MAD = [ NAME = a, EXECUTABLE = b ]");
    config = config_load(path, NULL);
    {
        g_auto(ConfigChanges) changes = {0};

        g_assert_true(config_reload(config, &changes, NULL));
        assert_names(changes.applied, "");
        assert_names(changes.restart, "");
    }
    write_file(path, "PORT = 2\nMANAGER_TIMER = 2\nLOG = [ SYSTEM = std, DEBUG_LEVEL = 3 ]\n"
                     "USER_RESTRICTED_ATTR = X\nVM_MAD = [ NAME = a, EXECUTABLE = c ]");
    {
        g_auto(ConfigChanges) changes = {0};

        g_assert_true(config_reload(config, &changes, NULL));
        assert_names(changes.applied, "LOG/DEBUG_LEVEL MANAGER_TIMER USER_RESTRICTED_ATTR");
        assert_names(changes.restart, "PORT LOG/SYSTEM VM_MAD");
    }
    g_assert_cmpint(config_int(config, "PORT"), ==, 1);
    g_assert_cmpint(config_int(config, "MANAGER_TIMER"), ==, 2);
    g_assert_cmpint(config_int(config, "LOG/DEBUG_LEVEL"), ==, 3);
    g_assert_cmpstr(config_text(config, "LOG/SYSTEM"), ==, "file");
    g_assert_cmpstr(config_list(config, "USER_RESTRICTED_ATTR", 0), ==, "X");
    g_assert_cmpstr(config_pair(config, "VM_MAD", "EXECUTABLE"), ==, "b");
    g_assert_null(config_vector(config, "VM_MAD", 1));

    write_file(path, "MANAGER_TIMER = soon");
    {
        g_auto(ConfigChanges) changes = {0};
        g_autoptr(GError) error = NULL;

        g_assert_false(config_reload(config, &changes, &error));
        g_assert_nonnull(strstr(error->message, "soon"));
    }
    g_assert_cmpint(config_int(config, "MANAGER_TIMER"), ==, 2);
    g_remove(path);
    g_rmdir(directory);
}

static void test_help(void)
{
    g_autofree char *help = config_help();

    g_assert_nonnull(strstr(help, "MONITORING_INTERVAL_VM"));
    g_assert_nonnull(strstr(help, "older names: VM_POLLING_INTERVAL"));
    g_assert_nonnull(strstr(help, "takes a whole number from 0 to 65535; default 2633"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/config/table", test_table);
    g_test_add_func("/config/defaults", test_defaults);
    g_test_add_func("/config/shipped", test_shipped);
    g_test_add_func("/config/errors", test_errors);
    g_test_add_func("/config/theirs", test_theirs);
    g_test_add_func("/config/named", test_named);
    g_test_add_func("/config/said", test_said);
    g_test_add_func("/config/clients", test_clients);
    g_test_add_func("/config/reload", test_reload);
    g_test_add_func("/config/help", test_help);
    return g_test_run();
}
