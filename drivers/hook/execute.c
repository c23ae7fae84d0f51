/* Runs one hook, here or over ssh. */
#include "drivers/common/libvirt_pool.h"
#include "drivers/common/program.h"
#include "drivers/hook/hook.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A program that is sent to a host may have up to this, in bytes. */
#define PROGRAM_MAX ((gsize)16 * 1024 * 1024)
/* Time to send it, and to remove it again, in seconds. */
#define SEND_SECONDS 120

static const char cut_note[] = "\n[the rest was not kept]\n";

static void cut(GString *text)
{
    if (text->len <= HOOK_OUTPUT_MAX)
        return;
    g_string_truncate(text, HOOK_OUTPUT_MAX);
    g_string_append(text, cut_note);
}

/* Takes over what was heard. `why`: why there is no exit code, or NULL. */
static void take(HookResult *result, SshResult *heard, const GError *why)
{
    result->code = why ? -1 : CLAMP(heard->status, 0, 255);
    result->out = heard->out ? g_steal_pointer(&heard->out) : g_string_new(NULL);
    result->errors = heard->errors ? g_steal_pointer(&heard->errors) : g_string_new(NULL);
    cut(result->out);
    cut(result->errors);
    if (why)
        g_string_append_printf(result->errors, "%s%s: it was ended, with what it had started\n",
                               result->errors->len ? "\n" : "", why->message);
}

/* The words of the program, its path first. (owned; ends with NULL) */
static char **words_of(const HookRequest *request, const char *path, GError **error)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new();
    g_auto(GStrv) list = NULL;
    const char *text = request->arguments ? request->arguments : "";
    if (!request->on_stdin && text[strspn(text, " \t")] &&
        !g_shell_parse_argv(text, NULL, &list, error))
        return NULL;
    g_ptr_array_add(words, g_strdup(path));
    for (guint i = 0; list && list[i]; i++)
        g_ptr_array_add(words, g_strdup(list[i]));
    g_ptr_array_add(words, NULL);
    return (char **)g_ptr_array_steal(words, NULL);
}

/* What it reads: the arguments as one line, or nothing. (owned) */
static char *input_of(const HookRequest *request)
{
    return request->on_stdin ? g_strconcat(request->arguments ? request->arguments : "", "\n", NULL)
                             : g_strdup("");
}

/* ---- here ---- */

/* A descriptor to read the text from, or -1 with the error. */
static int readable(const char *text, GError **error)
{
    gsize length = strlen(text), done = 0;
    int fd = memfd_create("arguments", MFD_CLOEXEC);
    while (fd >= 0 && done < length) {
        ssize_t written = write(fd, text + done, length - done);
        if (written < 0 && errno != EINTR)
            break;
        done += written > 0 ? (gsize)written : 0;
    }
    if (fd >= 0 && done == length && lseek(fd, 0, SEEK_SET) == 0)
        return fd;
    g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "its input cannot be kept: %s",
                g_strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

static gboolean execute_here(const HookRequest *request, char **words, const SshWatch *watch,
                             HookResult *result, GError **error)
{
    g_auto(SshResult) heard = {0};
    g_autoptr(GError) why = NULL;
    g_autofree char *text = input_of(request);
    int input = readable(text, error);
    if (input < 0)
        return FALSE;
    gboolean ended = program_run((const char *const *)words, input, -1, watch, &heard, &why);
    close(input);
    if (!ended && why->domain == G_SPAWN_ERROR) {
        g_propagate_error(error, g_steal_pointer(&why));
        if (g_error_matches(*error, G_SPAWN_ERROR, G_SPAWN_ERROR_TOO_BIG))
            g_prefix_error(error, "ARGUMENTS are too long for words of a program; with "
                                  "ARGUMENTS_STDIN = YES it reads them: ");
        return FALSE;
    }
    take(result, &heard, why);
    return TRUE;
}

/* ---- over ssh ---- */

/* Puts a text into a file of the host by `command`, which says where. (owned) */
static char *send_text(Ssh *ssh, const char *host, const char *command, const char *text,
                       gsize length, GError **error)
{
    const SshWatch watch = {.seconds = SEND_SECONDS};
    g_auto(SshResult) heard = {0};
    if (!ssh_run(ssh, host, command, text, length, &watch, &heard, error) ||
        !ssh_result_check(&heard, host, error))
        return NULL;
    return g_strstrip(g_strndup(heard.out->str, heard.out->len));
}

/* Sends the program and what it reads: a directory of its own on the host. (owned) */
static char *send_program(const HookRequest *request, const char *path, Ssh *ssh, GError **error)
{
    g_autofree char *program = NULL, *directory = NULL, *input = input_of(request);
    gsize length = 0;
    if (!g_file_get_contents(path, &program, &length, error))
        return NULL;
    if (length > PROGRAM_MAX) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                    "%s is too large to be sent to a host (%" G_GSIZE_FORMAT " bytes)", path,
                    length);
        return NULL;
    }
    directory = send_text(ssh, request->host,
                          "umask 077; d=$(mktemp -d /var/tmp/one-hook.XXXXXXXX) && "
                          "cat > \"$d/hook\" && chmod 700 \"$d/hook\" && echo \"$d\"",
                          program, length, error);
    if (!directory)
        return NULL;
    if (!g_str_has_prefix(directory, "/var/tmp/one-hook.") || strpbrk(directory, " \t\r\n'")) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                    "host %s answered with a directory that was not asked for", request->host);
        return NULL;
    }
    g_autofree char *command = g_strdup_printf("umask 077; cat > %s/input", directory);
    g_autofree char *said = send_text(ssh, request->host, command, input, strlen(input), error);
    return said ? g_steal_pointer(&directory) : NULL;
}

/* Descriptor 3 is what the hook says on standard error, 4 our standard output: of both only the
 * beginning is sent, and the rest is read, so that a hook that says much is not ended by that. */
static char *remote_command(const char *directory, char **words)
{
    g_autoptr(GString) hook = g_string_new(NULL);
    g_string_append_printf(hook, "%s/hook", directory);
    for (guint i = 1; words[i]; i++) {
        g_autofree char *quoted = ssh_quote(words[i]);
        g_string_append_printf(hook, " %s", quoted);
    }
    g_autofree char *keep =
        g_strdup_printf("{ head -c %" G_GSIZE_FORMAT "; cat >/dev/null; }", HOOK_OUTPUT_MAX + 1);
    return g_strdup_printf("exec 4>&1\n"
                           "{ { %s < %s/input; echo $? > %s/code; } 2>&3 3>&- 4>&- | %s >&4 3>&- "
                           "4>&-; } 3>&1 | %s >&2 4>&-\n"
                           "exit $(cat %s/code)",
                           hook->str, directory, directory, keep, keep, directory);
}

static gboolean execute_there(const HookRequest *request, char **words, Ssh *ssh,
                              const SshWatch *watch, HookResult *result, GError **error)
{
    const SshWatch patience = {.seconds = SEND_SECONDS};
    g_auto(SshResult) heard = {0}, removed = {0};
    g_autoptr(GError) why = NULL;
    g_autofree char *directory = send_program(request, words[0], ssh, error);
    if (!directory)
        return FALSE;
    g_autofree char *command = remote_command(directory, words);
    (void)ssh_attend(ssh, request->host, command, watch, &heard, &why);
    g_autofree char *remove = g_strdup_printf("rm -rf %s", directory);
    (void)ssh_run(ssh, request->host, remove, NULL, 0, &patience, &removed, NULL);
    take(result, &heard, why);
    return TRUE;
}

gboolean hook_execute(const HookRequest *request, Ssh *ssh, const SshWatch *watch,
                      HookResult *result, GError **error)
{
    result->path = hook_find_command(request->command, request->directories, error);
    g_auto(GStrv) words = result->path ? words_of(request, result->path, error) : NULL;
    if (!words)
        return FALSE;
    return request->host && !libvirt_host_is_local(request->host)
               ? execute_there(request, words, ssh, watch, result, error)
               : execute_here(request, words, watch, result, error);
}
