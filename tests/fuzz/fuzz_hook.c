/*
 * Hooks as people write them: whatever a template says, one that is accepted is accepted again as
 * it is stored, its command stays below its directories, and variables in its arguments become no
 * words of their own.
 */
#include "server/model/hook.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *directories[] = {(char *)"/srv/hooks", NULL};

static void check_command(const char *command)
{
    g_auto(GStrv) names = g_strsplit(command, "/", -1);
    g_assert_true(*command != '/' || g_str_has_prefix(command, "/srv/hooks/"));
    for (guint i = *command == '/' ? 1 : 0; names[i]; i++)
        g_assert_true(*names[i] && strcmp(names[i], "..") != 0 && strcmp(names[i], ".") != 0);
    g_assert_null(strpbrk(command, " \t\r\n;|&$`'\"\\<>*?"));
}

/* As many words as before, whatever the variables stand for. */
static void check_arguments(const Template *template)
{
    const char *arguments = template_get(template, "ARGUMENTS");
    g_autofree char *short_one =
        hook_arguments(arguments, &(HookFacts){.template = "A", .api = "A", .id = "0"});
    g_autofree char *long_one = hook_arguments(
        arguments, &(HookFacts){.template = "QUJD+/==", .api = "QUJD+/==", .id = "2147483647"});
    g_auto(GStrv) before = NULL, after = NULL;
    gint count = 0, again = 0;
    gboolean first = g_shell_parse_argv(short_one, &count, &before, NULL);
    gboolean second = g_shell_parse_argv(long_one, &again, &after, NULL);
    g_assert_cmpint(first, ==, second);
    g_assert_cmpint(count, ==, again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    HookType type = size && data[0] & 1 ? HOOK_ON_CALL : HOOK_ON_STATE;
    g_autofree char *text = size ? g_strndup((const char *)data + 1, size - 1) : g_strdup("");
    g_autoptr(Template) template = template_parse(text, TEMPLATE_MODERN, NULL);
    g_autoptr(GError) error = NULL;
    HookWhen when, again;
    if (!template)
        return 0;
    gboolean good = hook_settle(type, template, directories, &when, &error);
    g_assert_true(good == (error == NULL));
    if (!good)
        return 0;
    check_command(template_get(template, "COMMAND"));
    check_arguments(template);
    g_autofree char *stored = template_to_text(template);
    g_autoptr(Template) back = template_parse(stored, TEMPLATE_MODERN, NULL);
    g_assert_nonnull(back);
    if (!hook_settle(type, back, NULL, &again, &error))
        g_error("accepted, but not as it is stored: %s", error->message);
    g_assert_cmpint(when.resource, ==, again.resource);
    g_assert_cmpint(when.state, ==, again.state);
    g_assert_cmpint(when.lcm, ==, again.lcm);
    return 0;
}
