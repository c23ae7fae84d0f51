#include "drivers/datastore/backup_place.h"

#include "drivers/common/program.h"
#include "lib/base/error.h"
#include <glib/gstdio.h>
#include <string.h>

/* A server that falls silent is given up after a minute, not when TCP does. */
#define BATCH   "BatchMode=yes"
#define CONNECT "ConnectTimeout=20"
#define ALIVE   "ServerAliveInterval=15"
#define SSH     "ssh -o " BATCH " -o " CONNECT " -o " ALIVE

gboolean backup_parent_is_here(const DsRequest *request, const char *target)
{
    g_autofree char *parent =
        g_strdup_printf("%s/%" G_GINT64_FORMAT, target, request->backup.parent);
    return request->rsync_host == NULL && g_file_test(parent, G_FILE_TEST_IS_DIR);
}

/* "user@host" (owned) */
static char *server(const DsRequest *request)
{
    return request->rsync_user != NULL
               ? g_strconcat(request->rsync_user, "@", request->rsync_host, NULL)
               : g_strdup(request->rsync_host);
}

/* Runs a script on the server. What it wrote, or NULL. (owned) */
static char *run_there(const DsWork *work, const char *script, GError **error)
{
    g_autofree char *to = server(work->request);
    g_auto(SshResult) result = {0};
    const char *const argv[] = {"ssh", "-o", BATCH, "-o",   CONNECT, "-o",
                                ALIVE, to,   "--",  script, NULL};
    if (!program_run(argv, -1, -1, work->watch, &result, error))
        return NULL;
    return ssh_result_check(&result, work->request->rsync_host, error)
               ? g_strdup(result.out != NULL ? result.out->str : "")
               : NULL;
}

static gboolean do_there(const DsWork *work, const char *script, GError **error)
{
    g_autofree char *said = run_there(work, script, error);
    return said != NULL;
}

/* Only contents and holes count; a copy that was cut off goes on. */
static gboolean copy(const DsWork *work, const char *from, const char *to, GError **error)
{
    const char *const argv[] = {"rsync",     "--recursive", "--sparse", "--times",
                                "--partial", "--fsync",     "-e",       SSH,
                                "--",        from,          to,         NULL};
    if (program_do(argv, work->watch, error))
        return TRUE;
    g_prefix_error(error, "rsync of %s to %s: ", from, to);
    return FALSE;
}

gboolean backup_push(const DsWork *work, const char *directory, const char *final, GError **error)
{
    g_autofree char *name = server(work->request), *there = ssh_quote(directory),
                    *last = ssh_quote(final);
    g_autofree char *from = g_strconcat(directory, "/", NULL);
    g_autofree char *to = g_strdup_printf("%s:%s/", name, directory);
    g_autofree char *make = g_strdup_printf("umask 077; rm -rf %s && mkdir -p %s", last, there);
    g_autofree char *rename = g_strdup_printf("mv -T %s %s && sync -f %s", there, last, last);
    if (!do_there(work, make, error) || !copy(work, from, to, error) ||
        !do_there(work, rename, error))
        return FALSE;
    for (guint i = 0; i < work->request->backup.disks->len; i++) {
        g_autofree char *disk =
            g_strdup_printf("%s/disk.%" G_GINT64_FORMAT, directory,
                            g_array_index(work->request->backup.disks, gint64, i));
        (void)g_unlink(disk);
    }
    return TRUE;
}

gboolean backup_pull(const DsWork *work, const char *source, const char *to, GError **error)
{
    const GArray *chain = work->request->backup.chain;
    g_autofree char *name = server(work->request);
    for (guint i = 0; i < chain->len; i++) {
        gint64 number = g_array_index(chain, gint64, i);
        g_autofree char *here = g_strdup_printf("%s/%" G_GINT64_FORMAT "/", to, number);
        g_autofree char *from =
            g_strdup_printf("%s:%s/%" G_GINT64_FORMAT "/", name, source, number);
        if (g_mkdir_with_parents(here, 0700) != 0) {
            g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "%s cannot be made", here);
            return FALSE;
        }
        if (!copy(work, from, here, error))
            return FALSE;
    }
    return TRUE;
}

/* A script goes on when its ssh is killed with the driver, and may be at work still when the same
 * is asked for again: what changes a series there waits for the other. The kernel lets go of the
 * lock when all that works under it has ended. Of the directory at hand itself: a full server gives
 * no file, and room is made there by removing backups. */
#define LOCK                                                                                       \
    "command -v flock >/dev/null || { echo 'flock is missing on the server of the backups: "       \
    "install util-linux' >&2; exit 1; }\n"                                                         \
    "exec 9<.; flock -w 3600 9 || { echo \"something else is at work on these backups, for "       \
    "an hour already (fuser $PWD says who)\" >&2; exit 1; }\n"

char *backup_flatten_there(const DsWork *work, const char *target, GError **error)
{
    const DsBackup *backup = &work->request->backup;
    g_autofree char *directory = ssh_quote(target);
    g_autoptr(GString) script = g_string_new(NULL);
    g_string_printf(script, "set -e; cd %s\n" LOCK "cd %" G_GINT64_FORMAT "\n", directory,
                    backup->number);
    for (guint i = 0; i < backup->disks->len; i++) {
        gint64 disk = g_array_index(backup->disks, gint64, i);
        g_string_append_printf(script,
                               "qemu-img convert -q -f qcow2 -O qcow2 disk.%" G_GINT64_FORMAT
                               " disk.part; sync -f disk.part; mv disk.part disk.%" G_GINT64_FORMAT
                               "\n",
                               disk, disk);
    }
    g_string_append_printf(script,
                           "sync -f .; cd ..; for n in [0-9]*; do case $n in *[!0-9]*) ;; *) "
                           "[ $n -ge %" G_GINT64_FORMAT " ] || rm -rf $n;; esac; done\n"
                           "du -sm %" G_GINT64_FORMAT "\n",
                           backup->number, backup->number);
    g_autofree char *said = run_there(work, script->str, error);
    return said != NULL
               ? g_strdup_printf("%" G_GINT64_FORMAT, MAX(g_ascii_strtoll(said, NULL, 10), 1))
               : NULL;
}

gboolean backup_remove_there(const DsWork *work, const char *target, GError **error)
{
    g_autofree char *directory = ssh_quote(target);
    g_autofree char *script =
        g_strdup_printf("cd %s 2>/dev/null || exit 0\n" LOCK "rm -rf %s", directory, directory);
    return do_there(work, script, error);
}

char *backup_room_there(const DsWork *work, GError **error)
{
    g_autofree char *path = ds_request_directory(work->request, error);
    if (path == NULL)
        return NULL;
    g_autofree char *directory = ssh_quote(path);
    g_autofree char *script =
        g_strdup_printf("mkdir -p %s && df -Pm %s | tail -n 1", directory, directory);
    g_autofree char *said = run_there(work, script, error);
    if (said == NULL)
        return NULL;
    g_auto(GStrv) words = g_strsplit_set(g_strstrip(said), " \t", -1);
    gint64 figures[3] = {0}; /* of the second to the fourth column */
    guint found = 0;
    for (guint i = 1; words[0] != NULL && words[i] != NULL && found < 3; i++)
        if (*words[i] != '\0')
            figures[found++] = g_ascii_strtoll(words[i], NULL, 10);
    g_autofree char *text =
        g_strdup_printf("TOTAL_MB=%" G_GINT64_FORMAT "\nUSED_MB=%" G_GINT64_FORMAT
                        "\nFREE_MB=%" G_GINT64_FORMAT "\n",
                        figures[0], figures[1], figures[2]);
    return g_base64_encode((const guchar *)text, strlen(text));
}
