#include "drivers/datastore/backup.h"

#include "drivers/common/files.h"
#include "drivers/common/image.h"
#include "drivers/common/program.h"
#include "drivers/common/safe_path.h"
#include "drivers/datastore/backup_place.h"
#include "drivers/datastore/store.h"
#include "lib/base/error.h"
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB G_GUINT64_CONSTANT(1048576)

static gboolean fail(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

static gboolean fail(GError **error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_set_error_literal(error, ONE_ERROR, ONE_ERROR_INTERNAL, text);
    return FALSE;
}

static gint64 nth(const GArray *list, guint i)
{
    return g_array_index(list, gint64, i);
}

static gboolean contains(const GArray *list, gint64 value)
{
    for (guint i = 0; i < list->len; i++)
        if (nth(list, i) == value)
            return TRUE;
    return FALSE;
}

static gboolean exists(const char *path)
{
    return g_file_test(path, G_FILE_TEST_EXISTS);
}

static gboolean rename_to(const char *from, const char *to, GError **error)
{
    return rename(from, to) == 0 ||
           fail(error, "%s cannot become %s: %s", from, to, g_strerror(errno));
}

/* The name is given when the bytes are on the disk: what had it before may be the only copy. */
static gboolean replace(const char *from, const char *to, GError **error)
{
    int file = open(from, O_RDONLY | O_CLOEXEC);
    gboolean ok = file >= 0 && fsync(file) == 0;
    if (!ok)
        (void)fail(error, "%s cannot be written to disk: %s", from, g_strerror(errno));
    if (file >= 0)
        close(file);
    return ok && rename_to(from, to, error);
}

/* ---- disks ---- */

/* Only qcow2 is read as such: the header in a raw disk may be the guest's. */
static const char *format_of(const DsBackup *backup, guint i)
{
    guint count = backup->formats != NULL ? g_strv_length(backup->formats) : 0;
    return i < count && g_str_equal(backup->formats[i], "qcow2") ? "qcow2" : "raw";
}

static gboolean convert(const char *from, const char *from_format, const char *to,
                        const char *to_format, const SshWatch *watch, GError **error)
{
    const char *const argv[] = {"qemu-img", "convert", "-q", "-f", from_format, "-O",
                                to_format,  "--",      from, to,   NULL};
    return program_do(argv, watch, error);
}

/* The increment is told what it stands on; nothing of either is read. */
static gboolean set_base(const char *disk, gint64 parent, gint64 number, const SshWatch *watch,
                         GError **error)
{
    g_autofree char *base =
        g_strdup_printf("../%" G_GINT64_FORMAT "/disk.%" G_GINT64_FORMAT, parent, number);
    const char *const argv[] = {"qemu-img", "rebase", "-q", "-u", "-f", "qcow2",
                                "-F",       "qcow2",  "-b", base, disk, NULL};
    return program_do(argv, watch, error);
}

/* What differs between a whole disk and that of the parent, as an increment: an empty overlay of
 * the disk is put on the parent's instead, and what is not the same comes into it. */
static gboolean make_difference(const char *whole, const char *format, const char *parent,
                                const char *to, const SshWatch *watch, GError **error)
{
    const char *const overlay[] = {"qemu-img", "create", "-q",  "-f", "qcow2", "-F",
                                   format,     "-b",     whole, "--", to,      NULL};
    const char *const rebase[] = {"qemu-img", "rebase", "-q",   "-f", "qcow2", "-F",
                                  "qcow2",    "-b",     parent, "--", to,      NULL};
    return program_do(overlay, watch, error) && program_do(rebase, watch, error);
}

/* What is kept as it is must be what restores read. */
static gboolean is_qcow2(const char *path, GError **error)
{
    ImageFacts facts;
    return image_look(path, &facts, error) &&
           (facts.kind == IMAGE_QCOW2 ||
            fail(error, "%s is no qcow2 image, which the disk should be: its FORMAT is wrong",
                 path));
}

/* A disk that was brought becomes one of the increment; what was done before is not done again. */
static gboolean take_disk(const DsWork *work, const char *target, const char *directory, guint i,
                          GError **error)
{
    const DsBackup *backup = &work->request->backup;
    gint64 number = nth(backup->disks, i);
    g_autofree char *brought = g_strdup_printf("%s.disk.%" G_GINT64_FORMAT, target, number);
    g_autofree char *disk = g_strdup_printf("%s/disk.%" G_GINT64_FORMAT, directory, number);
    g_autofree char *part = g_strconcat(disk, ".part", NULL);
    g_autofree char *parent = g_strdup_printf("%s/%" G_GINT64_FORMAT "/disk.%" G_GINT64_FORMAT,
                                              target, backup->parent, number);
    const char *format = format_of(backup, i);
    gboolean qcow2 = g_str_equal(format, "qcow2");
    gboolean differs = backup->parent >= 0 && !backup->is_increment && exists(parent);
    gboolean based = differs || (backup->parent >= 0 && backup->is_increment);
    (void)g_unlink(part);
    if (!exists(brought) && !exists(disk))
        return fail(error, "%s is not there", brought);
    if (exists(brought) && qcow2 && !is_qcow2(brought, error))
        return FALSE;
    if (exists(brought) && (differs || !qcow2)) {
        gboolean made = differs ? make_difference(brought, format, parent, part, work->watch, error)
                                : convert(brought, format, part, "qcow2", work->watch, error);
        if (!made || !rename_to(part, disk, error))
            return FALSE;
        (void)g_unlink(brought);
    } else if (exists(brought) && !rename_to(brought, disk, error)) {
        return FALSE;
    }
    return !based || set_base(disk, backup->parent, number, work->watch, error);
}

/* ---- increments ---- */

static gboolean write_text(const char *directory, const char *name, const char *text,
                           GError **error)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);
    return g_file_set_contents_full(
        path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0600, error);
}

/* MiB that the files of a directory take of the disk. */
static guint64 space_of(const char *directory)
{
    g_autoptr(GDir) files = g_dir_open(directory, 0, NULL);
    const char *name;
    guint64 blocks = 0;
    while (files != NULL && (name = g_dir_read_name(files)) != NULL) {
        g_autofree char *path = g_build_filename(directory, name, NULL);
        struct stat facts;
        if (lstat(path, &facts) == 0)
            blocks += (guint64)facts.st_blocks;
    }
    return MAX((blocks * 512 + MIB - 1) / MIB, 1);
}

/* Increments that were begun and of which oned knows nothing any more, when `above` is -1; else
 * those below that number. */
static gboolean remove_others(const DsWork *work, const char *target, gint64 above, GError **error)
{
    const DsBackup *backup = &work->request->backup;
    g_autoptr(GDir) entries = g_dir_open(target, 0, NULL);
    const char *name;
    while (entries != NULL && (name = g_dir_read_name(entries)) != NULL) {
        char *end;
        gint64 number = g_ascii_strtoll(name, &end, 10);
        gboolean wanted = above >= 0 ? number >= above
                                     : contains(backup->known, number) || number == backup->number;
        g_autofree char *path = g_build_filename(target, name, NULL);
        if (end != name && !wanted && !files_remove(path, work->watch, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean sync_directory(const char *path, GError **error)
{
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    gboolean ok = directory >= 0 && syncfs(directory) == 0;
    if (!ok)
        (void)fail(error, "%s cannot be written to disk: %s", path, g_strerror(errno));
    if (directory >= 0)
        close(directory);
    return ok;
}

/* Fills <n>.new, and gives it its name. */
static gboolean make_increment(const DsWork *work, const char *target, const char *final,
                               GError **error)
{
    const DsBackup *backup = &work->request->backup;
    g_autofree char *directory = g_strconcat(final, ".new", NULL);
    if (g_mkdir_with_parents(directory, 0770) != 0)
        return fail(error, "%s cannot be made: %s", directory, g_strerror(errno));
    for (guint i = 0; i < backup->disks->len; i++)
        if (!take_disk(work, target, directory, i, error))
            return FALSE;
    if (backup->machine != NULL && !write_text(directory, "vm.xml", backup->machine, error))
        return FALSE;
    gboolean whole = backup->parent < 0 ||
                     (!backup->is_increment && !backup_parent_is_here(work->request, target));
    g_autofree char *about =
        g_strdup_printf("%" G_GINT64_FORMAT " %" G_GUINT64_FORMAT " %s", backup->number,
                        space_of(directory), whole ? "full" : "increment");
    return write_text(directory, "about", about, error) && sync_directory(directory, error) &&
           (work->request->rsync_host == NULL || backup_push(work, directory, final, error)) &&
           rename_to(directory, final, error) && sync_directory(target, error);
}

static char *read_about(const char *final, GError **error)
{
    g_autofree char *path = g_build_filename(final, "about", NULL);
    char *text = NULL;
    return g_file_get_contents(path, &text, NULL, error) ? text : NULL;
}

char *backup_keep(const DsWork *work, GError **error)
{
    const DsBackup *backup = &work->request->backup;
    g_autofree char *target = ds_request_target(work->request, error);
    g_auto(StoreLock) lock = {-1};
    if (target == NULL || !store_lock(&lock, work->request->id, work->watch, error))
        return NULL;
    g_autofree char *final = g_strdup_printf("%s/%" G_GINT64_FORMAT, target, backup->number);
    if (backup->number < 0 || backup->disks->len == 0) {
        (void)fail(error, "the document of the request says nothing of a backup");
        return NULL;
    }
    if (exists(final))
        return read_about(final, error);
    gboolean done =
        remove_others(work, target, -1, error) && make_increment(work, target, final, error);
    return done ? read_about(final, error) : NULL;
}

/* ---- fewer increments ---- */

static gboolean flatten_disk(const DsWork *work, const char *directory, gint64 number,
                             GError **error)
{
    g_autofree char *disk = g_strdup_printf("%s/disk.%" G_GINT64_FORMAT, directory, number);
    g_autofree char *part = g_strconcat(disk, ".part", NULL);
    ImageFacts facts;
    if (!is_qcow2(disk, error) || !image_look(disk, &facts, error))
        return FALSE;
    if (!facts.has_base) /* done before */
        return TRUE;
    (void)g_unlink(part);
    return convert(disk, "qcow2", part, "qcow2", work->watch, error) && replace(part, disk, error);
}

char *backup_flatten(const DsWork *work, GError **error)
{
    const DsBackup *backup = &work->request->backup;
    g_autofree char *target = ds_request_target(work->request, error);
    g_auto(StoreLock) lock = {-1};
    if (target == NULL || !store_lock(&lock, work->request->id, work->watch, error))
        return NULL;
    g_autofree char *final = g_strdup_printf("%s/%" G_GINT64_FORMAT, target, backup->number);
    if (work->request->rsync_host != NULL)
        return backup_flatten_there(work, target, error);
    for (guint i = 0; i < backup->disks->len; i++)
        if (!flatten_disk(work, final, nth(backup->disks, i), error))
            return NULL;
    g_autofree char *about = g_strdup_printf("%" G_GINT64_FORMAT " %" G_GUINT64_FORMAT " full",
                                             backup->number, space_of(final));
    if (!write_text(final, "about", about, error) || !sync_directory(final, error) ||
        !remove_others(work, target, backup->number, error))
        return NULL;
    return g_strdup_printf("%" G_GUINT64_FORMAT, space_of(final));
}

/* ---- the end of all of them ---- */

/* What was on its way to the image or from it. */
static gboolean remove_strays(const DsWork *work, const char *target, GError **error)
{
    g_autofree char *directory = g_path_get_dirname(target), *name = g_path_get_basename(target);
    g_autofree char *prefix = g_strconcat(name, ".", NULL);
    g_autoptr(GDir) entries = g_dir_open(directory, 0, NULL);
    const char *entry;
    while (entries != NULL && (entry = g_dir_read_name(entries)) != NULL) {
        g_autofree char *path = g_build_filename(directory, entry, NULL);
        if (g_str_has_prefix(entry, prefix) && !files_remove(path, work->watch, error))
            return FALSE;
    }
    return TRUE;
}

char *backup_remove(const DsWork *work, GError **error)
{
    g_autofree char *target = ds_request_target(work->request, error);
    store_unwanted(work->request->id);
    g_auto(StoreLock) lock = {-1};
    if (target == NULL || !store_lock(&lock, work->request->id, work->watch, error) ||
        !remove_strays(work, target, error) || !files_remove(target, work->watch, error) ||
        (work->request->rsync_host != NULL && !backup_remove_there(work, target, error)))
        return NULL;
    return g_strdup("-");
}

char *backup_monitor(const DsWork *work, GError **error)
{
    return work->request->rsync_host != NULL ? backup_room_there(work, error)
                                             : fs_monitor(work, error);
}

/* ---- back to disks ---- */

/* The directory of a backup that a request means, which may be of another datastore. (owned) */
static char *source_of(const DsWork *work, GError **error)
{
    const DsBackup *backup = &work->request->backup;
    g_autofree char *named = backup->source != NULL ? safe_path_check(backup->source, error)
                                                    : ds_request_target(work->request, error);
    if (named != NULL && !safe_path_is_machine(named)) {
        (void)fail(error, "\"%s\" is no backup in a datastore", named);
        return NULL;
    }
    return g_steal_pointer(&named);
}

/* A disk that was made larger since has its size again. */
static gboolean grow(const char *path, const char *format, gint64 size, const SshWatch *watch,
                     GError **error)
{
    ImageFacts facts;
    g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT "M", size);
    const char *const argv[] = {"qemu-img", "resize", "-q", "-f", format, "--", path, text, NULL};
    if (g_str_equal(format, "raw")) {
        struct stat about;
        return stat(path, &about) != 0 || (guint64)about.st_size >= (guint64)size * MIB ||
               truncate(path, (off_t)((guint64)size * MIB)) == 0 ||
               fail(error, "%s cannot have %s: %s", path, text, g_strerror(errno));
    }
    return image_look(path, &facts, error) &&
           (facts.size >= (guint64)size * MIB || program_do(argv, watch, error));
}

gboolean backup_write(const DsWork *work, const char *format, const char *part, GError **error)
{
    const DsBackup *backup = &work->request->backup;
    g_autofree char *source = source_of(work, error), *pulled = NULL;
    if (source == NULL)
        return FALSE;
    if (backup->disks->len != 1 || backup->number < 0)
        return fail(error, "the document of the request names no disk of a backup");
    if (work->request->rsync_host != NULL) {
        pulled = g_strconcat(part, ".pull", NULL);
        if (!backup_pull(work, source, pulled, error)) {
            (void)files_remove(pulled, NULL, NULL);
            return FALSE;
        }
    }
    g_autofree char *disk =
        g_strdup_printf("%s/%" G_GINT64_FORMAT "/disk.%" G_GINT64_FORMAT,
                        pulled != NULL ? pulled : source, backup->number, nth(backup->disks, 0));
    gboolean done =
        convert(disk, "qcow2", part, format, work->watch, error) &&
        (backup->sizes->len == 0 || grow(part, format, nth(backup->sizes, 0), work->watch, error));
    if (pulled != NULL)
        (void)files_remove(pulled, NULL, NULL);
    return done;
}

char *backup_return(const DsWork *work, GError **error)
{
    const DsBackup *backup = &work->request->backup;
    g_autofree char *target = ds_request_target(work->request, error);
    g_auto(StoreLock) lock = {-1};
    if (target == NULL || !store_lock(&lock, work->request->id, work->watch, error))
        return NULL;
    g_autofree char *pulled = g_strconcat(target, ".pull", NULL);
    gboolean remote = work->request->rsync_host != NULL, done = TRUE;
    if (remote && !backup_pull(work, target, pulled, error))
        return NULL;
    for (guint i = 0; done && i < backup->disks->len; i++) {
        const char *format = format_of(backup, i);
        g_autofree char *disk =
            g_strdup_printf("%s/%" G_GINT64_FORMAT "/disk.%" G_GINT64_FORMAT,
                            remote ? pulled : target, backup->number, nth(backup->disks, i));
        g_autofree char *back =
            g_strdup_printf("%s.back.%" G_GINT64_FORMAT, target, nth(backup->disks, i));
        g_autofree char *part = g_strconcat(back, ".part", NULL);
        (void)g_unlink(part);
        done = convert(disk, "qcow2", part, format, work->watch, error) &&
               (i >= backup->sizes->len ||
                grow(part, format, nth(backup->sizes, i), work->watch, error)) &&
               replace(part, back, error);
    }
    if (remote)
        (void)files_remove(pulled, NULL, NULL);
    if (!done)
        (void)remove_strays(work, target, NULL);
    return done ? g_strdup("-") : NULL;
}
