/*
 * Transfer scripts from anywhere: reading them, and judging the paths and the words for the
 * shell that come of them, must neither break nor let a path out of the datastores.
 */
#include "lib/ssh/ssh.h"
#include "drivers/common/safe_path.h"
#include "drivers/tm/script.h"
#include "drivers/tm/transfer.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_path(const char *path)
{
    g_autofree char *clean = safe_path_check(path, NULL);
    if (clean == NULL)
        return;
    gboolean below = g_str_has_prefix(clean, "/ds/") || g_str_has_prefix(clean, "/var/vms/");
    g_autofree char *again = safe_path_check(clean, NULL);
    if (!below || strstr(clean, "/../") != NULL || g_str_has_suffix(clean, "/..") ||
        strstr(clean, "//") != NULL || g_strcmp0(clean, again) != 0)
        abort();
    g_autofree char *guard = safe_path_shell_guard(clean, NULL);
    if (guard == NULL)
        abort();
}

/* A quoted word, read as a shell reads it, is the word. */
static void check_quoting(const char *word)
{
    g_autofree char *quoted = ssh_quote(word);
    g_autoptr(GString) read = g_string_new(NULL);
    for (const char *at = quoted; *at != '\0'; at++) {
        if (*at == '\\') {
            g_string_append_c(read, *++at);
            continue;
        }
        if (*at != '\'')
            abort();
        for (at++; *at != '\''; at++)
            g_string_append_c(read, *at);
    }
    if (!g_str_equal(read->str, word))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_setenv("ONE_DATASTORES", "/ds", TRUE);
    g_setenv("ONE_VAR", "/var", TRUE);
    g_autofree char *text = g_strndup((const char *)data, size);
    g_autoptr(GPtrArray) commands = script_parse(text, NULL);
    check_path(text);
    check_quoting(text);
    for (guint i = 0; commands != NULL && i < commands->len; i++) {
        const ScriptCommand *command = g_ptr_array_index(commands, i);
        g_free(script_command_text(command));
        transfer_flavour(command, NULL, NULL);
        transfer_is_here(command->target.host);
        if (command->target.path[0] != '/')
            abort();
        check_path(command->target.path);
    }
    return 0;
}
