#include "lib/ssh/ssh_config.h"
#include "tests/unit/cases.h"
#include <glib/gstdio.h>

static void append_all(GString *out, const GPtrArray *words)
{
    for (guint i = 0; i < words->len; i++)
        g_string_append_printf(out, " %s", (const char *)g_ptr_array_index(words, i));
}

static char *print_options(const SshOptions *options)
{
    GString *out = g_string_new(NULL);
    g_string_append_printf(out, "%s known as %s, port %u, user %s, keys", options->host_name,
                           options->known_name, options->port, options->user);
    append_all(out, options->identities);
    g_string_append(out, ", known");
    append_all(out, options->known_hosts);
    if (options->identities_only)
        g_string_append(out, ", only");
    if (options->connect_seconds > 0)
        g_string_append_printf(out, ", %u s", options->connect_seconds);
    return g_string_free(out, FALSE);
}

static void test_cases(void)
{
    g_autoptr(GPtrArray) cases = cases_load("tm/ssh_config.txt");
    for (guint i = 0; i < cases->len; i++) {
        const Case *one = g_ptr_array_index(cases, i);
        g_autoptr(GError) error = NULL;
        g_autoptr(SshOptions) options =
            ssh_options_parse(one->input, "node01", "/users/admin", "admin", &error);
        g_autofree char *out = options != NULL ? print_options(options) : NULL;
        g_test_message("%s", one->title);
        g_assert_cmpstr(options != NULL ? out : error->message, ==, one->expected);
    }
}

static void test_environment(void)
{
    g_autofree char *path = NULL;
    int fd = g_file_open_tmp("globule-config-XXXXXX", &path, NULL);
    g_close(fd, NULL);
    g_autofree char *text = g_strdup_printf("Include %s\nPort 5\nInclude /nowhere/*\n", path);
    g_assert_true(g_file_set_contents(path, text, -1, NULL)); /* includes itself: bounded */
    g_setenv("SSH_CONFIG", path, TRUE);
    g_setenv("SSH_KNOWN_HOSTS", "/known", TRUE);
    g_setenv("SSH_IDENTITY", "/key", TRUE);
    g_autoptr(GError) error = NULL;
    g_autoptr(SshOptions) options = ssh_options_read("node01", &error);
    g_assert_no_error(error);
    g_autofree char *out = print_options(options);
    g_assert_nonnull(strstr(out, "port 5, "));
    g_assert_nonnull(strstr(out, ", keys /key, known /known, only"));
    g_unlink(path);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ssh_config/cases", test_cases);
    g_test_add_func("/ssh_config/environment", test_environment);
    return g_test_run();
}
