#include "drivers/tm/migrate.h"

#include "drivers/common/image.h"
#include "drivers/tm/remote.h"
#include "drivers/common/safe_path.h"
#include "lib/base/error.h"
#include <string.h>

/* Files that are no disks (descriptions of the machine) are copied up to this size; bigger ones
 * (a checkpoint) are of no use to a machine that runs. */
#define SMALL_FILE_BYTES (1024 * 1024)
/* What the guest says on its console: it grows while it is read, and the hypervisor of the
 * destination begins its own. */
#define CONSOLE_FILE "console.log"
/* An image of which more is on the disk than this is not empty. */
#define EMPTY_KIB_MAX 2048

/* A line for each file: size, KiB on the disk, "CD001" or "-", first 104 bytes in base64, name. */
static const char list_script[] =
    "cd -- %s 2>/dev/null || exit 0\n"
    "for f in *; do [ -f \"$f\" ] || continue\n"
    " i=$(dd if=\"$f\" bs=1 skip=32769 count=5 2>/dev/null | tr -cd A-Z0-9)\n"
    " [ \"$i\" = CD001 ] || i=-\n"
    " echo \"$(stat -L -c %%s -- \"$f\") $(du -Lk -- \"$f\" | cut -f1) $i"
    " $(head -c 104 -- \"$f\" | base64 -w 0) $f\"\n"
    "done\n";

typedef struct Entry {
    guint64 size;
    guint64 kib; /* on the disk */
    ImageFacts facts;
    char *name;
} Entry;

static void entry_free(gpointer data)
{
    Entry *entry = data;
    g_free(entry->name);
    g_free(entry);
}

/* NULL with an error: the line is not one of list_script. (owned) */
static Entry *read_entry(const char *line, GError **error)
{
    g_auto(GStrv) fields = g_strsplit(line, " ", 5);
    guint64 size, kib;
    if (g_strv_length(fields) != 5 ||
        !g_ascii_string_to_unsigned(fields[0], 10, 0, G_MAXINT64, &size, NULL) ||
        !g_ascii_string_to_unsigned(fields[1], 10, 0, G_MAXINT64, &kib, NULL)) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                    "the host's list of files has the line \"%.200s\"", line);
        return NULL;
    }
    gsize length = 0;
    g_autofree guint8 *head = g_base64_decode(fields[3], &length);
    Entry *entry = g_new0(Entry, 1);
    entry->size = size;
    entry->kib = kib;
    entry->facts = image_facts(head, length, size);
    if (g_str_equal(fields[2], "CD001"))
        entry->facts.kind = IMAGE_ISO;
    entry->name = g_strdup(fields[4]);
    return entry;
}

/* Files in a directory of a host; empty when it is not there. (of Entry; owned) */
static GPtrArray *list(const Transfer *transfer, SshEnd end, GError **error)
{
    g_autofree char *quoted = ssh_quote(end.path);
    g_autofree char *script = g_strdup_printf(list_script, quoted);
    g_autofree char *out = NULL;
    if (!ssh_end_do(transfer->ssh, end, script, transfer->watch, &out, error))
        return NULL;
    g_autoptr(GPtrArray) entries = g_ptr_array_new_with_free_func(entry_free);
    g_auto(GStrv) lines = g_strsplit(out, "\n", -1);
    for (guint i = 0; lines[i] != NULL; i++) {
        if (lines[i][0] == '\0')
            continue;
        Entry *entry = read_entry(lines[i], error);
        if (entry == NULL)
            return NULL;
        g_ptr_array_add(entries, entry);
    }
    return g_steal_pointer(&entries);
}

static gboolean is_disk(const Entry *entry)
{
    return g_str_has_prefix(entry->name, "disk.") && !g_str_has_suffix(entry->name, ".part");
}

/* The images that the destination has already must be empty: a full one may be in use. */
static gboolean check_destination(const Transfer *transfer, SshEnd end, const char *host,
                                  GError **error)
{
    g_autoptr(GPtrArray) entries = list(transfer, end, error);
    for (guint i = 0; entries != NULL && i < entries->len; i++) {
        const Entry *entry = g_ptr_array_index(entries, i);
        if (!is_disk(entry) || entry->facts.kind == IMAGE_ISO || entry->kib <= EMPTY_KIB_MAX)
            continue;
        g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION,
                    "host %s already has %s/%s, with %" G_GUINT64_FORMAT
                    " KiB of data: make sure that the machine does not run there, then remove the "
                    "directory",
                    host, end.path, entry->name, entry->kib);
        return FALSE;
    }
    return entries != NULL;
}

static gboolean prepare_file(const Transfer *transfer, const ScriptCommand *command,
                             const char *directory, const Entry *entry, GError **error)
{
    g_autofree char *path = g_strconcat(directory, "/", entry->name, NULL);
    gboolean disk = is_disk(entry);
    /* The hypervisor copies what the guest may write; a CD is whole from the beginning. */
    if (disk && entry->facts.kind != IMAGE_ISO) {
        Place target = {command->target.host, path};
        const char *format = entry->facts.kind == IMAGE_QCOW2 ? "qcow2" : "raw";
        return remote_make_image(transfer, &target, format, entry->facts.size, error);
    }
    if (!disk && (entry->size > SMALL_FILE_BYTES || g_str_equal(entry->name, CONSOLE_FILE)))
        return TRUE;
    return remote_copy(transfer, remote_end(&command->source, path),
                       remote_end(&command->target, path), NULL, error);
}

/* `*same`: both hosts see one directory, which must be left alone. */
static gboolean check_ends(const Transfer *transfer, const ScriptCommand *command,
                           const char *directory, gboolean *same, GError **error)
{
    SshEnd from = remote_end(&command->source, directory);
    SshEnd to = remote_end(&command->target, directory);
    *same = g_strcmp0(from.host, to.host) == 0;
    if (!*same && !ssh_ends_are_one(transfer->ssh, from, to, same, transfer->watch, error))
        return FALSE;
    if (*same)
        transfer_log(transfer, 'I', "%s is shared by %s and %s: nothing to do", directory,
                     command->source.host, command->target.host);
    return TRUE;
}

/* Snapshots of disks, which nobody writes to, come along whole. */
static gboolean prepare_snapshots(const Transfer *transfer, const ScriptCommand *command,
                                  const char *directory, GError **error)
{
    g_autofree char *quoted = ssh_quote(directory), *out = NULL;
    g_autofree char *script =
        g_strdup_printf("cd -- %s 2>/dev/null || exit 0\n"
                        "for f in disk.*.snap; do if [ -d \"$f\" ]; then echo \"$f\"; fi; done\n",
                        quoted);
    if (!ssh_end_do(transfer->ssh, remote_end(&command->source, directory), script, transfer->watch,
                    &out, error))
        return FALSE;
    g_auto(GStrv) names = g_strsplit(out, "\n", -1);
    for (guint i = 0; names[i] != NULL; i++) {
        g_autofree char *path = g_strconcat(directory, "/", names[i], NULL);
        if (names[i][0] != '\0' && !remote_copy(transfer, remote_end(&command->source, path),
                                                remote_end(&command->target, path), NULL, error))
            return FALSE;
    }
    return TRUE;
}

gboolean migrate_prepare(const Transfer *transfer, const ScriptCommand *command, GError **error)
{
    g_autofree char *directory = safe_path_check(command->target.path, error);
    gboolean same = FALSE;
    if (directory == NULL || !check_ends(transfer, command, directory, &same, error))
        return FALSE;
    if (same)
        return TRUE;
    SshEnd to = remote_end(&command->target, directory);
    if (!check_destination(transfer, to, command->target.host, error))
        return FALSE;
    g_autofree char *quoted = ssh_quote(directory);
    g_autofree char *guard = safe_path_shell_guard(directory, error);
    g_autofree char *script = g_strdup_printf("%smkdir -p -- %s\n", guard, quoted);
    if (!ssh_end_do(transfer->ssh, to, script, transfer->watch, NULL, error))
        return FALSE;
    g_autoptr(GPtrArray) entries = list(transfer, remote_end(&command->source, directory), error);
    for (guint i = 0; entries != NULL && i < entries->len; i++)
        if (!prepare_file(transfer, command, directory, g_ptr_array_index(entries, i), error))
            return FALSE;
    return entries != NULL && prepare_snapshots(transfer, command, directory, error);
}

static gboolean remove_at(const Transfer *transfer, const ScriptCommand *command,
                          const Place *place, GError **error)
{
    g_autofree char *directory = safe_path_check(place->path, error);
    gboolean same = FALSE;
    if (directory == NULL || !check_ends(transfer, command, directory, &same, error))
        return FALSE;
    return same || remote_delete(transfer, place, error);
}

gboolean migrate_leave(const Transfer *transfer, const ScriptCommand *command, GError **error)
{
    return remove_at(transfer, command, &command->source, error);
}

gboolean migrate_undo(const Transfer *transfer, const ScriptCommand *command, GError **error)
{
    return remove_at(transfer, command, &command->target, error);
}
