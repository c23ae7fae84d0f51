#include "lib/ssh/ssh.h"

char *ssh_quote(const char *word)
{
    GString *quoted = g_string_new("'");
    for (; *word != '\0'; word++) {
        if (*word == '\'')
            g_string_append(quoted, "'\\''");
        else
            g_string_append_c(quoted, *word);
    }
    g_string_append_c(quoted, '\'');
    return g_string_free(quoted, FALSE);
}

char *ssh_guarded(const char *command)
{
    /* sshd gives each command its own process group. A reader waits for end of file on standard
     * input; when that comes before the command ended, it ends the group. */
    return g_strdup_printf(
        "exec 3<&0 </dev/null\n"
        "{ read -r nothing; trap '' TERM; kill -TERM 0; sleep 2; kill -KILL 0; } "
        "<&3 >/dev/null 2>&1 3<&- &\n"
        "guard=$!\n"
        "exec 3<&-\n"
        "(\n%s\n)\n"
        "status=$?\n"
        "kill -KILL $guard 2>/dev/null\n"
        "exit $status\n",
        command);
}
