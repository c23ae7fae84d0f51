#include "drivers/tm/script.h"
#include "tests/unit/cases.h"
#include <glib/gstdio.h>

static void print_command(GString *out, const ScriptCommand *command)
{
    g_string_append_printf(out, "%s%u %s %s %s", out->len > 0 ? "\n" : "", command->line,
                           command->name, command->flavour != NULL ? command->flavour : "-",
                           command->suffix != NULL ? command->suffix : "-");
    if (command->source.path != NULL)
        g_string_append_printf(out, " %s:%s", command->source.host, command->source.path);
    g_string_append_printf(out, " %s:%s", command->target.host, command->target.path);
    if (command->size_mb > 0)
        g_string_append_printf(out, " %" G_GINT64_FORMAT " MB", command->size_mb);
    if (command->snapshot > 0)
        g_string_append_printf(out, " snapshot=%" G_GINT64_FORMAT, command->snapshot);
    if (command->format != NULL)
        g_string_append_printf(out, " %s", command->format);
    if (command->files != NULL) {
        g_autofree char *files = g_strjoinv(",", command->files);
        g_string_append_printf(out, " files=%s", files);
    }
    g_string_append_printf(out, " vm=%" G_GINT64_FORMAT " ds=%" G_GINT64_FORMAT, command->vmid,
                           command->datastore);
}

static void test_cases(void)
{
    g_autoptr(GPtrArray) cases = cases_load("tm/scripts.txt");
    for (guint i = 0; i < cases->len; i++) {
        const Case *one = g_ptr_array_index(cases, i);
        g_autoptr(GError) error = NULL;
        g_autoptr(GPtrArray) commands = script_parse(one->input, &error);
        g_autoptr(GString) out = g_string_new(NULL);
        for (guint j = 0; commands != NULL && j < commands->len; j++)
            print_command(out, g_ptr_array_index(commands, j));
        g_test_message("%s", one->title);
        g_assert_cmpstr(commands != NULL ? out->str : error->message, ==, one->expected);
        g_assert_cmpint(commands == NULL, ==, g_str_equal(one->section, "error"));
    }
}

static void test_read(void)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(script_read("/nowhere/transfer.0", &error));
    g_assert_nonnull(strstr(error->message, "/nowhere/transfer.0"));
    g_clear_error(&error);
    g_autofree char *path = NULL;
    int fd = g_file_open_tmp("globule-script-XXXXXX", &path, NULL);
    g_assert_true(g_file_set_contents(path, "DELETE shared a:/b\0c", 20, NULL));
    g_assert_null(script_read(path, &error));
    g_assert_nonnull(strstr(error->message, "zero byte"));
    g_close(fd, NULL);
    g_unlink(path);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/script/cases", test_cases);
    g_test_add_func("/script/read", test_read);
    return g_test_run();
}
