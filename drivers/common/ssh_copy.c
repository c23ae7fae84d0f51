#include "drivers/common/ssh_copy.h"

#include "drivers/common/program.h"
#include "lib/base/error.h"
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define PIPE_BYTES (1024 * 1024)

/* Ends with code 0 and "nothing", "file SUM", "directory SUM" or "other". */
static const char look_script[] =
    "export LC_ALL=C; p=%s\n"
    "if [ ! -e \"$p\" ] && [ ! -L \"$p\" ]; then echo nothing\n"
    "elif [ -f \"$p\" ]; then s=$(stat -L -c %%s -- \"$p\") && echo \"file $s\"\n"
    "elif [ -d \"$p\" ]; then cd -- \"$p\" && "
    "s=$(find -L . -type f -printf '%%s %%P\\n' | sort | cksum) && echo \"directory $s\"\n"
    "else echo other; fi\n";

static gboolean run_at(Ssh *ssh, SshEnd end, const char *script, int input, int output,
                       const SshWatch *watch, SshResult *result, GError **error)
{
    if (end.host != NULL)
        return ssh_stream(ssh, end.host, script, input, output, watch, result, error);
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    return program_run(argv, input, output, watch, result, error);
}

static const char *name_of(SshEnd end)
{
    return end.host != NULL ? end.host : "localhost";
}

gboolean ssh_end_do(Ssh *ssh, SshEnd end, const char *script, const SshWatch *watch, char **out,
                    GError **error)
{
    if (end.host != NULL)
        return ssh_do(ssh, end.host, script, watch, out, error);
    g_auto(SshResult) result = {0};
    if (!run_at(ssh, end, script, -1, -1, watch, &result, error) ||
        !ssh_result_check(&result, "localhost", error))
        return FALSE;
    if (out != NULL)
        *out = g_string_free(g_steal_pointer(&result.out), FALSE);
    return TRUE;
}

gboolean ssh_end_look(Ssh *ssh, SshEnd end, SshEndKind *kind, char **sum, const SshWatch *watch,
                      GError **error)
{
    static const char *const words[] = {"nothing", "file", "directory", "other"};
    g_autofree char *quoted = ssh_quote(end.path);
    g_autofree char *script = g_strdup_printf(look_script, quoted);
    g_autofree char *out = NULL;
    if (!ssh_end_do(ssh, end, script, watch, &out, error))
        return FALSE;
    g_strchomp(out);
    for (guint i = 0; i < G_N_ELEMENTS(words); i++) {
        gsize length = strlen(words[i]);
        if (strncmp(out, words[i], length) != 0)
            continue;
        *kind = (SshEndKind)i;
        if (sum != NULL)
            *sum = g_strdup(out);
        return TRUE;
    }
    g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                "host %s answered \"%.200s\" when asked for %s: does its shell print something at "
                "each login?",
                name_of(end), out, end.path);
    return FALSE;
}

/* ---- the two sides of a copy ---- */

/* Writes the archive: of "." in a directory, or of one file under its own name. (owned) */
static char *send_script(const char *path, SshEndKind kind)
{
    if (kind == SSH_END_DIRECTORY) {
        g_autofree char *quoted = ssh_quote(path);
        return g_strdup_printf("exec tar -C %s -chSf - .\n", quoted);
    }
    g_autofree char *directory = g_path_get_dirname(path);
    g_autofree char *name = g_path_get_basename(path);
    g_autofree char *quoted_directory = ssh_quote(directory);
    g_autofree char *dotted = g_strconcat("./", name, NULL);
    g_autofree char *quoted_name = ssh_quote(dotted);
    return g_strdup_printf("exec tar -C %s -chSf - %s\n", quoted_directory, quoted_name);
}

/*
 * Fills a new directory PART, usually with what the archive holds, compares it with the source and
 * puts it in place. A copy that is cut leaves tar with half an archive; whatever the reason, PART
 * is removed at the end.
 */
static const char receive_head[] =
    "%s\n" /* the guard */
    "export LC_ALL=C; target=%s; part=$target.part; wanted=%s; mode=%s\n"
    "mkdir -p -- \"$(dirname -- \"$target\")\" && rm -rf -- \"$part\" || exit 1\n"
    "trap 'rm -rf -- \"$part\"' EXIT; trap 'exit 1' HUP INT TERM PIPE\n"
    "mkdir -- \"$part\" || exit 1\n"
    /* What fills it; when that fails, the commonest reason is told, which tar does not name. */
    "%s || { df -Pm -- \"$part\" | { read -r head; read -r dev total used free rest;"
    " echo \"($free MB are free there)\" >&2; }; exit 1; }\n";

static const char unpack[] = "tar -C \"$part\" -xSf - --no-same-owner --warning=no-timestamp";

static const char receive_file[] =
    "cd -- \"$part\" && set -- ./* && { [ -f \"$1\" ] || set -- ./.[!.]*; } && [ $# -eq 1 ] &&"
    " [ -f \"$1\" ] ||"
    " { echo 'the archive does not hold one file' >&2; exit 1; }\n"
    "got=\"file $(stat -c %s -- \"$1\")\"\n"
    "[ \"$got\" = \"$wanted\" ] || { echo \"the size of the copy is wrong:"
    " got $got, wanted $wanted\" >&2; exit 1; }\n"
    "[ -z \"$mode\" ] || chmod -- \"$mode\" \"$1\" || exit 1\n"
    "[ ! -d \"$target\" ] || { echo \"$target is a directory\" >&2; exit 1; }\n"
    "sync -- \"$1\" && mv -fT -- \"$1\" \"$target\" || exit 1\n";

static const char receive_directory[] =
    "cd -- \"$part\" || exit 1\n"
    "got=\"directory $(find . -type f -printf '%s %P\\n' | sort | cksum)\"\n"
    "[ \"$got\" = \"$wanted\" ] || { echo \"the files of the copy are not those of the"
    " source\" >&2; exit 1; }\n"
    "find . -type f -exec sync -- {} + || exit 1\n"
    "if [ ! -e \"$target\" ]; then mv -T -- \"$part\" \"$target\" || exit 1; exit "
    "0;"
    " fi\n"
    "find . -type d ! -name . -exec mkdir -p -- \"$target/{}\" \\; &&"
    " find . ! -type d -exec mv -fT -- {} \"$target/{}\" \\; || exit 1\n";

static char *receive_script(const char *target, SshEndKind kind, const char *sum, const char *guard,
                            const char *mode, const char *fill)
{
    g_autofree char *quoted_target = ssh_quote(target);
    g_autofree char *quoted_sum = ssh_quote(sum);
    g_autofree char *quoted_mode = ssh_quote(mode != NULL ? mode : "");
    g_autofree char *head = g_strdup_printf(receive_head, guard != NULL ? guard : "", quoted_target,
                                            quoted_sum, quoted_mode, fill);
    return g_strconcat(head, kind == SSH_END_FILE ? receive_file : receive_directory, NULL);
}

/* The two sides run in threads of their own; what went wrong first is the reason. */
typedef struct Copy {
    GMutex lock;
    GError *error;
    Ssh *ssh;
    const SshWatch *watch;
    gboolean stop; /* one side failed: the other need not go on */
} Copy;

typedef struct Side {
    Copy *copy;
    SshEnd end;
    const char *script;
    int input, output;
    gboolean counts; /* this side tells the progress */
} Side;

static gboolean side_cancelled(gpointer data)
{
    Copy *copy = data;
    const SshWatch *watch = copy->watch;
    if (watch != NULL && watch->cancelled != NULL && watch->cancelled(watch->data))
        return TRUE;
    return g_atomic_int_get(&copy->stop);
}

static void side_progress(guint64 bytes, gpointer data)
{
    Copy *copy = data;
    if (copy->watch != NULL && copy->watch->progress != NULL)
        copy->watch->progress(bytes, copy->watch->data);
}

static gpointer run_side(gpointer data)
{
    Side *side = data;
    Copy *copy = side->copy;
    SshWatch watch = {.seconds = copy->watch != NULL ? copy->watch->seconds : 0,
                      .cancelled = side_cancelled,
                      .progress = side->counts ? side_progress : NULL,
                      .data = copy};
    g_auto(SshResult) result = {0};
    g_autoptr(GError) error = NULL;
    gboolean ok = run_at(copy->ssh, side->end, side->script, side->input, side->output, &watch,
                         &result, &error) &&
                  ssh_result_check(&result, name_of(side->end), &error);
    g_mutex_lock(&copy->lock);
    if (!ok && copy->error == NULL)
        copy->error = g_steal_pointer(&error);
    g_mutex_unlock(&copy->lock);
    /* The receiver cleans up when its input ends early, so only the sender is stopped. */
    if (!ok && side->input >= 0)
        g_atomic_int_set(&copy->stop, TRUE);
    if (side->input >= 0)
        close(side->input);
    if (side->output >= 0)
        close(side->output);
    return GINT_TO_POINTER(ok);
}

static gboolean copy_between(Ssh *ssh, SshEnd from, SshEnd to, const char *send,
                             const char *receive, const SshWatch *watch, GError **error)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "cannot make a pipe");
        return FALSE;
    }
    fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES);
    Copy copy = {.ssh = ssh, .watch = watch};
    g_mutex_init(&copy.lock);
    Side sender = {&copy, from, send, -1, ends[1], from.host != NULL};
    Side receiver = {&copy, to, receive, ends[0], -1, from.host == NULL};
    GThread *thread = g_thread_new("send", run_side, &sender);
    gboolean ok = GPOINTER_TO_INT(run_side(&receiver)) != 0;
    ok = GPOINTER_TO_INT(g_thread_join(thread)) != 0 && ok;
    g_mutex_clear(&copy.lock);
    if (ok)
        return TRUE;
    if (watch != NULL && watch->cancelled != NULL && watch->cancelled(watch->data)) {
        g_clear_error(&copy.error);
        g_set_error(error, ONE_ERROR, ONE_ERROR_TIMEOUT, "cancelled");
    } else {
        g_propagate_error(error, copy.error);
    }
    return FALSE;
}

/* On one computer: cp keeps holes and shares blocks where the file system can. */
static gboolean copy_at(Ssh *ssh, SshEnd from, SshEnd to, SshEndKind kind, const char *sum,
                        const char *guard, const char *mode, const SshWatch *watch, GError **error)
{
    g_autofree char *source = ssh_quote(from.path);
    g_autofree char *fill = g_strdup_printf("cp -rL --sparse=auto --reflink=auto -- %s%s \"$part\"",
                                            source, kind == SSH_END_DIRECTORY ? "/." : "");
    g_autofree char *script = receive_script(to.path, kind, sum, guard, mode, fill);
    return ssh_end_do(ssh, to, script, watch, NULL, error);
}

/* ssh as the one host is to call it for the other: no questions, no host that is not known. */
static const char ssh_command[] = "ssh -o BatchMode=yes -o StrictHostKeyChecking=yes"
                                  " -o ConnectTimeout=5 -o ServerAliveInterval=15";

/* Whether the first host may log in to the second, so that data need not come by here. */
static gboolean can_reach(Ssh *ssh, SshEnd from, SshEnd to, gboolean *direct, const SshWatch *watch,
                          GError **error)
{
    g_autofree char *host = ssh_quote(to.host);
    g_autofree char *script =
        g_strdup_printf("%s -n %s true >/dev/null 2>&1 && echo yes || echo no", ssh_command, host);
    g_autofree char *answer = NULL;
    if (!ssh_end_do(ssh, from, script, watch, &answer, error))
        return FALSE;
    *direct = g_str_has_prefix(answer, "yes");
    return TRUE;
}

/* The archive goes from host to host. The receiving side compares, so its exit code is all. */
static gboolean copy_directly(Ssh *ssh, SshEnd from, SshEnd to, const char *send,
                              const char *receive, const SshWatch *watch, GError **error)
{
    g_autofree char *host = ssh_quote(to.host);
    g_autofree char *script = ssh_quote(receive);
    g_autofree char *command = g_strconcat("/bin/sh -c ", script, NULL);
    g_autofree char *quoted = ssh_quote(command);
    g_autofree char *line = g_strdup_printf("( %s ) | %s %s %s", send, ssh_command, host, quoted);
    if (ssh_end_do(ssh, from, line, watch, NULL, error))
        return TRUE;
    g_prefix_error(error, "directly from %s to %s: ", from.host, to.host);
    return FALSE;
}

gboolean ssh_copy(Ssh *ssh, SshEnd from, SshEnd to, const char *guard, const char *mode,
                  const SshWatch *watch, GError **error)
{
    SshEndKind kind;
    g_autofree char *sum = NULL;
    if (!ssh_end_look(ssh, from, &kind, &sum, watch, error))
        return FALSE;
    if (kind != SSH_END_FILE && kind != SSH_END_DIRECTORY) {
        g_set_error(error, ONE_ERROR,
                    kind == SSH_END_NOTHING ? ONE_ERROR_NO_EXISTS : ONE_ERROR_INTERNAL, "%s:%s %s",
                    name_of(from), from.path,
                    kind == SSH_END_NOTHING ? "does not exist"
                                            : "is neither a file nor a directory: only those can "
                                              "be copied to another host");
        return FALSE;
    }
    if (g_strcmp0(from.host, to.host) == 0)
        return copy_at(ssh, from, to, kind, sum, guard, mode, watch, error);
    g_autofree char *send = send_script(from.path, kind);
    g_autofree char *receive = receive_script(to.path, kind, sum, guard, mode, unpack);
    gboolean direct = FALSE;
    if (from.host != NULL && to.host != NULL && !can_reach(ssh, from, to, &direct, watch, error))
        return FALSE;
    if (direct)
        return copy_directly(ssh, from, to, send, receive, watch, error);
    return copy_between(ssh, from, to, send, receive, watch, error);
}

gboolean ssh_ends_are_one(Ssh *ssh, SshEnd one, SshEnd other, gboolean *same, const SshWatch *watch,
                          GError **error)
{
    /* A mark with a name that nobody else has, made at one end and looked for at the other. */
    g_autofree char *name = g_uuid_string_random();
    g_autofree char *first = g_strdup_printf("%s.%s", one.path, name);
    g_autofree char *second = g_strdup_printf("%s.%s", other.path, name);
    g_autofree char *made = ssh_quote(first), *sought = ssh_quote(second);
    g_autofree char *make =
        g_strdup_printf("if [ -d \"$(dirname -- %s)\" ]; then : >%s; fi", made, made);
    g_autofree char *seek =
        g_strdup_printf("if [ -e %s ]; then echo yes; else echo no; fi", sought);
    g_autofree char *clean = g_strdup_printf("rm -f -- %s", made);
    g_autofree char *answer = NULL;
    if (!ssh_end_do(ssh, one, make, watch, NULL, error))
        return FALSE;
    gboolean ok = ssh_end_do(ssh, other, seek, watch, &answer, error);
    ssh_end_do(ssh, one, clean, watch, NULL, NULL);
    *same = ok && g_str_has_prefix(answer, "yes");
    return ok;
}
