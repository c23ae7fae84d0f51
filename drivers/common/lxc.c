#include "drivers/common/lxc.h"

#include "drivers/common/libvirt_pool.h"
#include "drivers/common/program.h"
#include "lib/base/error.h"
#include <stdarg.h>
#include <string.h>

/* The files become bytes of this program, with a NUL after each. SConstruct makes the object depend
 * on them. */
#define EMBED(name)                                                                                \
    __asm__(".section .rodata\n"                                                                   \
            "lxc_host_" #name ":\n"                                                                \
            ".incbin \"drivers/common/lxc_host/" #name ".sh\"\n"                                   \
            ".byte 0\n"                                                                            \
            ".previous\n");                                                                        \
    extern const char lxc_host_##name[] __attribute__((visibility("hidden")))

EMBED(base);
EMBED(users);
EMBED(place);
EMBED(figures);
EMBED(sockets);
EMBED(life);
EMBED(report);
EMBED(memory);
EMBED(check);
EMBED(inside);

enum { BASE = 1, USERS = 2, PLACE = 4, FIGURES = 8, SOCKETS = 16 };

/* Files, with those that go before them. A function is called by its name alone, so no two files
 * have one of the same name. */
static const struct {
    const char *text;
    guint own, needs;
} parts[] = {
    {lxc_host_base, BASE},
    {lxc_host_users, USERS, BASE},
    {lxc_host_place, PLACE, BASE | USERS},
    {lxc_host_figures, FIGURES, BASE},
    {lxc_host_sockets, SOCKETS, BASE | FIGURES},
    {lxc_host_life, 0, BASE | USERS | PLACE},
    {lxc_host_report, 0, BASE | FIGURES},
    {lxc_host_memory, 0, BASE | USERS | PLACE},
    {lxc_host_check, 0, BASE | USERS | FIGURES | SOCKETS},
    {lxc_host_inside, 0, BASE | FIGURES},
};

/* A host that is silent for so long is given up, in seconds. */
#define PATIENCE 20
/* Bytes of one command; the guard of lib/ssh takes some more. */
#define PROGRAM_MAX 31000

static Ssh *ssh;
static char *before; /* "root@" of the pattern, or "" */

gboolean lxc_start(const char *uri, GError **error)
{
    static const char scheme[] = "ssh://";
    const char *pattern = uri ? uri : "ssh://%h";
    const char *host = strstr(pattern, "%h");
    if (!g_str_has_prefix(pattern, scheme) || !host || host[2]) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                    "\"%s\" does not tell how hosts with LXC are reached: ssh://%%h, or "
                    "ssh://USER@%%h",
                    pattern);
        return FALSE;
    }
    g_free(before);
    before = g_strndup(pattern + strlen(scheme), (gsize)(host - pattern - strlen(scheme)));
    if (!ssh) {
        ssh = ssh_new();
        ssh_set_patience(ssh, PATIENCE);
    }
    return TRUE;
}

Ssh *lxc_ssh(void)
{
    return ssh;
}

gboolean lxc_is_local(const char *host)
{
    return libvirt_host_is_local(host);
}

char *lxc_who(const char *host)
{
    return lxc_is_local(host) ? NULL : g_strconcat(before, host, NULL);
}

char *lxc_call(const char *function, ...)
{
    GString *call = g_string_new(function);
    va_list words;
    va_start(words, function);
    for (const char *word = va_arg(words, const char *); word; word = va_arg(words, const char *)) {
        g_autofree char *quoted = ssh_quote(word);
        g_string_append_printf(call, " %s", quoted);
    }
    va_end(words);
    return g_string_free(call, FALSE);
}

/* Without comments and indentation: a command of ssh has room for some 32 KiB (RFC 4254 with the
 * packets of RFC 4253). */
static void shorten(GString *out, const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        const char *rest = g_strchug(*line);
        if (*rest && *rest != '#')
            g_string_append_printf(out, "%s\n", rest);
    }
}

/* The file that has the function. */
static guint part_of(const char *call)
{
    g_autofree char *head = g_strdup_printf("\n%.*s() {", (int)strcspn(call, " "), call);
    for (guint i = 0; i < G_N_ELEMENTS(parts); i++)
        if (strstr(parts[i].text, head))
            return i;
    g_return_val_if_reached(0);
}

/* The call behind the files that it needs, quoted once, in $program; $run then is who runs it.
 * (owned) */
static char *prepared(const char *call)
{
    g_autoptr(GString) text = g_string_new(NULL);
    guint last = part_of(call);
    for (guint i = 0; i < G_N_ELEMENTS(parts); i++)
        if (i == last || (parts[i].own & parts[last].needs))
            shorten(text, parts[i].text);
    g_string_append_printf(text, "%s\n", call);
    g_autofree char *quoted = ssh_quote(text->str);
    return g_strdup_printf("program=%s\n"
                           "if [ \"$(id -u)\" = 0 ]; then run=; else run='sudo -n'; fi\n",
                           quoted);
}

char *lxc_program(const char *call)
{
    g_autofree char *text = prepared(call);
    return g_strconcat(text, "exec $run /bin/sh -c \"$program\"\n", NULL);
}

static gboolean fits(const char *host, const char *program, GError **error)
{
    if (strlen(program) <= PROGRAM_MAX)
        return TRUE;
    g_set_error(
        error, ONE_ERROR, ONE_ERROR_ACTION,
        "host %s: what is to be done there takes %" G_GSIZE_FORMAT
        " bytes, and a command of ssh has room for %d: shorten the input of the command, or "
        "RAW/DATA",
        host, strlen(program), PROGRAM_MAX);
    return FALSE;
}

static gboolean run(const char *host, const char *program, int input, int output,
                    const SshWatch *watch, SshResult *result, GError **error)
{
    g_autofree char *who = lxc_who(host);
    const char *const argv[] = {"/bin/sh", "-c", program, NULL};
    return fits(host, program, error) &&
           (who ? ssh_stream(ssh, who, program, input, output, watch, result, error)
                : program_run(argv, input, output, watch, result, error)) &&
           ssh_result_check(result, host, error);
}

static gboolean run_quietly(const char *host, const char *program, const SshWatch *watch,
                            char **out, GError **error)
{
    g_auto(SshResult) result = {0};
    if (!run(host, program, -1, -1, watch, &result, error))
        return FALSE;
    if (out)
        *out = g_string_free(g_steal_pointer(&result.out), FALSE);
    return TRUE;
}

gboolean lxc_do(const char *host, const char *call, const SshWatch *watch, char **out,
                GError **error)
{
    g_autofree char *program = lxc_program(call);
    g_autofree char *who = lxc_who(host);
    if (!fits(host, program, error))
        return FALSE;
    return who ? ssh_do(ssh, who, program, watch, out, error)
               : run_quietly(host, program, watch, out, error);
}

/* Without the guard, in a session of its own: an end of the connection does not reach it. What it
 * says is kept in a file meanwhile, since writing to a reader that is gone would end it. */
gboolean lxc_do_firmly(const char *host, const char *call, const SshWatch *watch, char **out,
                       GError **error)
{
    g_autofree char *program = prepared(call);
    g_autofree char *firm =
        g_strdup_printf("%ssaid=$(mktemp) && why=$said.why || exit\n"
                        "setsid -w $run /bin/sh -c \"$program\" </dev/null >\"$said\" 2>\"$why\"\n"
                        "status=$?\ncat \"$said\"\ncat \"$why\" >&2\nrm -f \"$said\" \"$why\"\n"
                        "exit $status\n",
                        program);
    return run_quietly(host, firm, watch, out, error);
}

gboolean lxc_stream(const char *host, const char *call, int input, int output,
                    const SshWatch *watch, GError **error)
{
    g_autofree char *program = lxc_program(call);
    g_auto(SshResult) result = {0};
    return run(host, program, input, output, watch, &result, error);
}
