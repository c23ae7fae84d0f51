#include "drivers/common/files.h"

#include "drivers/common/safe_path.h"
#include "drivers/common/tree.h"
#include "lib/base/error.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* A cancellation is seen after at most this much. */
#define PIECE_BYTES  (16 * 1024 * 1024)
#define BUFFER_BYTES (1024 * 1024)
/* Before the umask. Disks are not for everybody's eyes. */
#define FILE_MODE 0660

static gboolean fail(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* The text, then what errno says. */
static gboolean fail(GError **error, const char *format, ...)
{
    int problem = errno;
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_set_error(error, ONE_ERROR, problem == ENOENT ? ONE_ERROR_NO_EXISTS : ONE_ERROR_INTERNAL,
                "%s: %s", text,
                problem == ENOSPC || problem == EDQUOT ? "no space is left" : g_strerror(problem));
    return FALSE;
}

static gboolean cancelled(const SshWatch *watch, GError **error)
{
    if (watch == NULL || watch->cancelled == NULL || !watch->cancelled(watch->data))
        return FALSE;
    g_set_error(error, ONE_ERROR, ONE_ERROR_TIMEOUT, "cancelled");
    return TRUE;
}

/* ---- made beside, then renamed ---- */

gboolean files_part_begin(FilesPart *part, const char *target, GError **error)
{
    part->directory = -1;
    part->target = safe_path_check(target, error);
    if (part->target == NULL)
        return FALSE;
    part->directory = safe_path_open_parent(part->target, TRUE, &part->name, error);
    if (part->directory < 0)
        return FALSE;
    part->part = g_strconcat(part->target, ".part", NULL);
    g_autofree char *name = g_strconcat(part->name, ".part", NULL);
    return tree_remove(part->directory, name, NULL, error);
}

/* Flushes a file by its name; programs that wrote it did not. */
static gboolean flush(int directory, const char *name)
{
    int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return errno == ELOOP; /* a link: the directory holds it */
    gboolean ok = fsync(fd) == 0;
    close(fd);
    return ok;
}

gboolean files_part_commit(FilesPart *part, GError **error)
{
    g_autofree char *name = g_strconcat(part->name, ".part", NULL);
    if (!flush(part->directory, name))
        return fail(error, "%s cannot be written to disk", part->part);
    if (renameat(part->directory, name, part->directory, part->name) != 0)
        return fail(error, "%s cannot be put in place", part->target);
    fsync(part->directory);
    close(part->directory);
    part->directory = -1;
    return TRUE;
}

void files_part_clear(FilesPart *part)
{
    if (part->directory >= 0 && part->name != NULL) {
        g_autofree char *name = g_strconcat(part->name, ".part", NULL);
        tree_remove(part->directory, name, NULL, NULL);
        close(part->directory);
    }
    part->directory = -1;
    g_clear_pointer(&part->target, g_free);
    g_clear_pointer(&part->name, g_free);
    g_clear_pointer(&part->part, g_free);
}

/* ---- copying ---- */

static gboolean is_zero(const char *data, gsize length)
{
    return length == 0 || (data[0] == 0 && memcmp(data, data + 1, length - 1) == 0);
}

static gboolean write_all(int out, const char *data, gsize length, off_t at)
{
    while (length > 0) {
        ssize_t put = pwrite(out, data, length, at);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return FALSE;
        data += put;
        at += put;
        length -= (gsize)put;
    }
    return TRUE;
}

/* One piece by reading and writing; blocks of zeros become holes. */
static gboolean copy_by_hand(int in, int out, off_t at, off_t end, GError **error)
{
    g_autofree char *buffer = g_malloc(BUFFER_BYTES);
    while (at < end) {
        gsize wanted = (gsize)MIN(end - at, (off_t)BUFFER_BYTES);
        ssize_t got = pread(in, buffer, wanted, at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail(error, "reading failed");
        if (got == 0) {
            errno = ESTALE;
            return fail(error, "the source became shorter while it was copied");
        }
        if (!is_zero(buffer, (gsize)got) && !write_all(out, buffer, (gsize)got, at))
            return fail(error, "writing failed");
        at += got;
    }
    return TRUE;
}

/* Copies [at, end) of data, in the kernel where it can. */
static gboolean copy_extent(int in, int out, off_t at, off_t end, gboolean *in_kernel,
                            const SshWatch *watch, GError **error)
{
    while (at < end) {
        if (cancelled(watch, error))
            return FALSE;
        off_t piece = MIN(end - at, (off_t)PIECE_BYTES), from = at, to = at;
        ssize_t copied = *in_kernel ? copy_file_range(in, &from, out, &to, (gsize)piece, 0) : 0;
        if (copied > 0) {
            at += copied;
            continue;
        }
        if (copied < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EIO))
            return fail(error, "copying failed");
        /* Other file systems or kinds of files: the long way. */
        *in_kernel = FALSE;
        if (!copy_by_hand(in, out, at, at + piece, error))
            return FALSE;
        at += piece;
        if (watch != NULL && watch->progress != NULL)
            watch->progress((guint64)at, watch->data);
    }
    return TRUE;
}

static gboolean size_of(int fd, off_t *size, GError **error)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return fail(error, "the source cannot be looked at");
    if (S_ISBLK(info.st_mode)) {
        guint64 bytes = 0;
        if (ioctl(fd, BLKGETSIZE64, &bytes) != 0)
            return fail(error, "the size of the block device is not known");
        *size = (off_t)bytes;
        return TRUE;
    }
    *size = info.st_size;
    if (S_ISREG(info.st_mode))
        return TRUE;
    errno = S_ISDIR(info.st_mode) ? EISDIR : EINVAL;
    return fail(error, "only files and block devices can be copied");
}

static gboolean copy_extents(int in, int out, off_t size, const SshWatch *watch, GError **error)
{
    gboolean in_kernel = TRUE;
    off_t at = 0;
    while (at < size) {
        off_t data = lseek(in, at, SEEK_DATA);
        if (data < 0 && errno == ENXIO)
            return TRUE; /* only a hole is left */
        if (data < 0)
            data = at; /* cannot tell: all of it is data */
        off_t hole = lseek(in, data, SEEK_HOLE);
        if (hole < 0 || hole > size || hole == data)
            hole = size;
        if (!copy_extent(in, out, data, hole, &in_kernel, watch, error))
            return FALSE;
        at = hole;
    }
    return TRUE;
}

gboolean files_copy_data(int in, int out, const SshWatch *watch, GError **error)
{
    off_t size = 0, size_after = 0;
    struct stat made;
    if (!size_of(in, &size, error))
        return FALSE;
    if (ioctl(out, FICLONE, in) != 0) {
        if (ftruncate(out, size) != 0)
            return fail(error, "the size cannot be set");
        if (!copy_extents(in, out, size, watch, error))
            return FALSE;
    }
    if (fsync(out) != 0)
        return fail(error, "the copy cannot be written to disk");
    if (fstat(out, &made) != 0 || !size_of(in, &size_after, error))
        return FALSE;
    if (made.st_size == size && size_after == size)
        return TRUE;
    g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                "the copy has %" G_GINT64_FORMAT " bytes and the source %" G_GINT64_FORMAT
                ": it changed meanwhile",
                (gint64)made.st_size, (gint64)size_after);
    return FALSE;
}

gboolean files_copy(const char *source, const char *target, const SshWatch *watch, GError **error)
{
    /* Without O_NONBLOCK a pipe of that name would hold us. */
    int in = open(source, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (in < 0)
        return fail(error, "%s cannot be read", source);
    g_auto(FilesPart) part = {.directory = -1};
    gboolean ok = files_part_begin(&part, target, error);
    if (ok) {
        int out = open(part.part, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
        ok = out >= 0 || fail(error, "%s cannot be made", part.part);
        ok = ok && files_copy_data(in, out, watch, error);
        if (out >= 0)
            close(out);
        if (!ok)
            g_prefix_error(error, "%s to %s: ", source, target);
    }
    close(in);
    return ok && files_part_commit(&part, error);
}

gboolean files_link(const char *source, const char *target, GError **error)
{
    struct stat info;
    if (stat(source, &info) != 0)
        return fail(error, "%s, which is to be linked", source);
    g_auto(FilesPart) part = {.directory = -1};
    if (!files_part_begin(&part, target, error))
        return FALSE;
    if (symlink(source, part.part) != 0)
        return fail(error, "%s cannot be made", part.part);
    return files_part_commit(&part, error);
}

/* ---- moving and removing ---- */

gboolean files_remove(const char *path, const SshWatch *watch, GError **error)
{
    g_autofree char *name = NULL;
    g_autoptr(GError) problem = NULL;
    int directory = safe_path_open_parent(path, FALSE, &name, &problem);
    if (directory < 0) {
        if (g_error_matches(problem, ONE_ERROR, ONE_ERROR_NO_EXISTS))
            return TRUE;
        g_propagate_error(error, g_steal_pointer(&problem));
        return FALSE;
    }
    gboolean ok = tree_remove(directory, name, watch, error);
    close(directory);
    if (!ok)
        g_prefix_error(error, "%s cannot be removed: ", path);
    return ok;
}

static gboolean exists(int directory, const char *name)
{
    struct stat info;
    return directory >= 0 && fstatat(directory, name, &info, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Copies to NAME.part, puts that in place, sets the source aside and deletes it. */
static gboolean move_by_copy(int from, const char *name, int to, const char *to_name,
                             const SshWatch *watch, GError **error)
{
    g_autofree char *part = g_strconcat(to_name, ".part", NULL);
    g_autofree char *aside = g_strconcat(name, ".moved", NULL);
    if (!tree_remove(to, part, watch, error))
        return FALSE;
    if (!tree_copy(from, name, to, part, watch, error) ||
        !tree_merge(to, part, to, to_name, error)) {
        tree_remove(to, part, NULL, NULL);
        return FALSE;
    }
    fsync(to);
    /* Renamed first: half of a deleted source must never be taken for the whole. */
    if (!tree_remove(from, aside, watch, error))
        return FALSE;
    if (renameat(from, name, from, aside) != 0)
        return fail(error, "%s cannot be set aside", name);
    return tree_remove(from, aside, NULL, error);
}

/* Two mounts of one file system count as two: nothing can be renamed between them. */
static gboolean on_same_mount(int one, int other)
{
    struct statx a, b;
    if (statx(one, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID, &a) != 0 ||
        statx(other, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID, &b) != 0)
        return TRUE; /* the renaming will tell */
    return a.stx_dev_major == b.stx_dev_major && a.stx_dev_minor == b.stx_dev_minor &&
           a.stx_mnt_id == b.stx_mnt_id;
}

static gboolean move_between(int from, const char *name, int to, const char *to_name,
                             const SshWatch *watch, GError **error)
{
    if (!on_same_mount(from, to))
        return move_by_copy(from, name, to, to_name, watch, error);
    if (!tree_merge(from, name, to, to_name, error))
        return FALSE;
    fsync(to);
    fsync(from);
    return TRUE;
}

gboolean files_move(const char *source, const char *target, const SshWatch *watch, GError **error)
{
    g_autofree char *from_path = safe_path_check(source, error);
    g_autofree char *to_path = from_path != NULL ? safe_path_check(target, error) : NULL;
    g_autofree char *from_name = NULL, *to_name = NULL;
    g_autoptr(GError) problem = NULL;
    if (to_path == NULL)
        return FALSE;
    if (g_str_has_prefix(to_path, from_path) && strchr("/", to_path[strlen(from_path)]) != NULL) {
        if (g_str_equal(to_path, from_path))
            return TRUE;
        g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API, "%s cannot be moved into itself", source);
        return FALSE;
    }
    int from = safe_path_open_parent(from_path, FALSE, &from_name, &problem);
    if (from < 0 && !g_error_matches(problem, ONE_ERROR, ONE_ERROR_NO_EXISTS)) {
        g_propagate_error(error, g_steal_pointer(&problem));
        return FALSE;
    }
    gboolean ok = FALSE, there = exists(from, from_name);
    int to = safe_path_open_parent(to_path, there, &to_name, there ? error : NULL);
    if (there && to >= 0) {
        ok = move_between(from, from_name, to, to_name, watch, error);
        if (!ok)
            g_prefix_error(error, "%s to %s: ", source, target);
    } else if (!there && exists(to, to_name)) {
        g_autofree char *aside = g_strconcat(from_name != NULL ? from_name : "", ".moved", NULL);
        ok = from < 0 || tree_remove(from, aside, watch, error);
    } else if (!there) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_NO_EXISTS, "%s is not there to be moved", source);
    }
    if (from >= 0)
        close(from);
    if (to >= 0)
        close(to);
    return ok;
}
