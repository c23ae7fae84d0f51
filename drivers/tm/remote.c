#include "drivers/tm/remote.h"

#include "drivers/common/image.h"
#include "drivers/common/safe_path.h"
#include "lib/base/error.h"

/* A long copy says how far it is this often. */
#define REPORT_SECONDS 10

SshEnd remote_end(const Place *place, const char *path)
{
    return (SshEnd){transfer_is_here(place->host) ? NULL : place->host, path};
}

typedef struct Progress {
    const Transfer *transfer;
    const char *path;
    gint64 reported; /* monotonic, microseconds */
} Progress;

static gboolean progress_cancelled(gpointer data)
{
    const SshWatch *watch = ((Progress *)data)->transfer->watch;
    return watch != NULL && watch->cancelled != NULL && watch->cancelled(watch->data);
}

static void progress_report(guint64 bytes, gpointer data)
{
    Progress *progress = data;
    gint64 now = g_get_monotonic_time();
    if (now - progress->reported < REPORT_SECONDS * G_USEC_PER_SEC)
        return;
    progress->reported = now;
    transfer_log(progress->transfer, 'I', "%s: %" G_GUINT64_FORMAT " MiB copied", progress->path,
                 bytes >> 20);
}

gboolean remote_copy(const Transfer *transfer, SshEnd from, SshEnd to, const char *mode,
                     GError **error)
{
    Progress progress = {transfer, to.path, g_get_monotonic_time()};
    SshWatch watch = {.seconds = transfer->watch != NULL ? transfer->watch->seconds : 0,
                      .cancelled = progress_cancelled,
                      .progress = progress_report,
                      .data = &progress};
    g_autofree char *guard = safe_path_shell_guard(to.path, error);
    return guard != NULL && ssh_copy(transfer->ssh, from, to, guard, mode, &watch, error);
}

gboolean remote_change(const Transfer *transfer, SshEnd end, const char *script, GError **error)
{
    g_autofree char *guard = safe_path_shell_guard(end.path, error);
    if (guard == NULL)
        return FALSE;
    g_autofree char *whole = g_strconcat(guard, script, NULL);
    return ssh_end_do(transfer->ssh, end, whole, transfer->watch, NULL, error);
}

gboolean remote_link(const Transfer *transfer, const char *source, const Place *target,
                     GError **error)
{
    g_autofree char *path = safe_path_check(target->path, error);
    if (path == NULL)
        return FALSE;
    g_autofree char *from = ssh_quote(source), *to = ssh_quote(path);
    g_autofree char *script =
        g_strdup_printf("s=%s; t=%s\n"
                        "[ -e \"$s\" ] || { echo \"$s does not exist\" >&2; exit 1; }\n"
                        "mkdir -p -- \"$(dirname -- \"$t\")\" && rm -rf -- \"$t.part\" &&"
                        " ln -s -- \"$s\" \"$t.part\" && mv -fT -- \"$t.part\" \"$t\"\n",
                        from, to);
    return remote_change(transfer, remote_end(target, path), script, error);
}

gboolean remote_delete(const Transfer *transfer, const Place *place, GError **error)
{
    g_autofree char *path = safe_path_check(place->path, error);
    if (path == NULL)
        return FALSE;
    g_autofree char *quoted = ssh_quote(path);
    g_autofree char *script = g_strdup_printf("rm -rf --one-file-system -- %s %s.part %s.moved\n",
                                              quoted, quoted, quoted);
    return remote_change(transfer, remote_end(place, path), script, error);
}

/* On one host: a rename, or for a directory that is there already a merge by renames. */
static gboolean move_within(const Transfer *transfer, SshEnd from, SshEnd to, GError **error)
{
    g_autofree char *guard = safe_path_shell_guard(from.path, error);
    if (guard == NULL)
        return FALSE;
    g_autofree char *source = ssh_quote(from.path), *target = ssh_quote(to.path);
    g_autofree char *script = g_strdup_printf(
        "%s s=%s; t=%s; mkdir -p -- \"$(dirname -- \"$t\")\" || exit 1\n"
        "if [ -d \"$s\" ] && [ ! -L \"$s\" ] && [ -d \"$t\" ] && [ ! -L \"$t\" ]; then\n"
        " cd -- \"$s\" && find . -type d ! -name . -exec mkdir -p -- \"$t/{}\" \\; &&"
        " find . ! -type d -exec mv -fT -- {} \"$t/{}\" \\; && rm -rf -- \"$s\"\n"
        "else mv -fT -- \"$s\" \"$t\"; fi\n",
        guard, source, target);
    return remote_change(transfer, to, script, error);
}

/* Set aside first: half of a deleted source must never be taken for the whole. */
static gboolean delete_moved(const Transfer *transfer, SshEnd end, GError **error)
{
    g_autofree char *quoted = ssh_quote(end.path);
    g_autofree char *script =
        g_strdup_printf("s=%s; rm -rf --one-file-system -- \"$s.moved\" || exit 1\n"
                        "[ ! -e \"$s\" ] || mv -T -- \"$s\" \"$s.moved\" || exit 1\n"
                        "rm -rf --one-file-system -- \"$s.moved\"\n",
                        quoted);
    return remote_change(transfer, end, script, error);
}

/* The source is not there: the move was done before, or there never was anything. */
static gboolean moved_before(const Transfer *transfer, SshEnd from, SshEnd to, GError **error)
{
    SshEndKind kind;
    if (!ssh_end_look(transfer->ssh, to, &kind, NULL, transfer->watch, error))
        return FALSE;
    if (kind != SSH_END_NOTHING)
        return delete_moved(transfer, from, error);
    if (safe_path_is_machine(from.path)) {
        transfer_log(transfer, 'W', "%s: there is nothing to move", from.path);
        return TRUE;
    }
    g_set_error(error, ONE_ERROR, ONE_ERROR_NO_EXISTS, "%s is not there to be moved", from.path);
    return FALSE;
}

/* What will be deleted in the end is looked at before anything is copied. */
static gboolean check_source(const Transfer *transfer, SshEnd from, GError **error)
{
    g_autofree char *guard = safe_path_shell_guard(from.path, error);
    return guard != NULL && (guard[0] == '\0' ||
                             ssh_end_do(transfer->ssh, from, guard, transfer->watch, NULL, error));
}

gboolean remote_move(const Transfer *transfer, const Place *source, const Place *target,
                     GError **error)
{
    g_autofree char *from_path = safe_path_check(source->path, error);
    g_autofree char *to_path = from_path != NULL ? safe_path_check(target->path, error) : NULL;
    if (to_path == NULL)
        return FALSE;
    SshEnd from = remote_end(source, from_path), to = remote_end(target, to_path);
    gboolean one_host = g_strcmp0(from.host, to.host) == 0;
    if (one_host && g_str_equal(from_path, to_path))
        return TRUE;
    SshEndKind kind;
    if (!check_source(transfer, from, error) ||
        !ssh_end_look(transfer->ssh, from, &kind, NULL, transfer->watch, error))
        return FALSE;
    if (kind == SSH_END_NOTHING)
        return moved_before(transfer, from, to, error);
    if (one_host)
        return move_within(transfer, from, to, error);
    gboolean same = FALSE;
    if (g_str_equal(from_path, to_path) &&
        !ssh_ends_are_one(transfer->ssh, from, to, &same, transfer->watch, error))
        return FALSE;
    if (same) {
        transfer_log(transfer, 'I', "%s is shared by %s and %s: nothing to move", from_path,
                     source->host, target->host);
        return TRUE;
    }
    return remote_copy(transfer, from, to, NULL, error) && delete_moved(transfer, from, error);
}

gboolean remote_make_image(const Transfer *transfer, const Place *target, const char *format,
                           guint64 size, GError **error)
{
    g_autofree char *path = safe_path_check(target->path, error);
    if (path == NULL)
        return FALSE;
    g_autofree char *part = g_strconcat(path, ".part", NULL);
    g_autoptr(GPtrArray) commands = image_commands(format, size, part, error);
    if (commands == NULL)
        return FALSE;
    g_autofree char *to = ssh_quote(path);
    g_autoptr(GString) script = g_string_new(NULL);
    g_string_append_printf(script,
                           "PATH=$PATH:/usr/sbin:/sbin; t=%s; trap 'rm -f -- \"$t.part\"' EXIT\n"
                           "trap 'exit 1' HUP INT TERM PIPE\n"
                           "mkdir -p -- \"$(dirname -- \"$t\")\" && rm -rf -- \"$t.part\"",
                           to);
    for (guint i = 0; i < commands->len; i++) {
        char **argv = g_ptr_array_index(commands, i);
        g_string_append(script, " &&\n");
        for (guint j = 0; argv[j] != NULL; j++) {
            g_autofree char *word = ssh_quote(argv[j]);
            g_string_append_printf(script, "%s ", word);
        }
        g_string_append(script, ">/dev/null");
    }
    g_string_append(script, " &&\nchmod 0660 -- \"$t.part\" && mv -fT -- \"$t.part\" \"$t\"\n");
    return remote_change(transfer, remote_end(target, path), script->str, error);
}
