#include "drivers/common/tree.h"

#include "drivers/common/files.h"
#include "lib/base/error.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static gboolean fail(GError **error, const char *what, const char *name)
{
    int problem = errno;
    g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "%s %s: %s", name, what, g_strerror(problem));
    return FALSE;
}

static int open_directory(int directory, const char *name)
{
    return openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Names in a directory, all read before anything is done with them. NULL: errno. (owned) */
static char **list(int directory)
{
    int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = copy >= 0 ? fdopendir(copy) : NULL;
    if (stream == NULL) {
        if (copy >= 0)
            close(copy);
        return NULL;
    }
    GPtrArray *names = g_ptr_array_new();
    for (struct dirent *entry; (entry = readdir(stream)) != NULL;)
        if (!g_str_equal(entry->d_name, ".") && !g_str_equal(entry->d_name, ".."))
            g_ptr_array_add(names, g_strdup(entry->d_name));
    closedir(stream);
    g_ptr_array_add(names, NULL);
    return (char **)g_ptr_array_free(names, FALSE);
}

static gboolean cancelled(const SshWatch *watch, GError **error)
{
    if (watch == NULL || watch->cancelled == NULL || !watch->cancelled(watch->data))
        return FALSE;
    g_set_error(error, ONE_ERROR, ONE_ERROR_TIMEOUT, "cancelled");
    return TRUE;
}

static gboolean remove_on_device(int directory, const char *name, dev_t device,
                                 const SshWatch *watch, GError **error)
{
    struct stat info;
    if (fstatat(directory, name, &info, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT || fail(error, "cannot be looked at", name);
    if (cancelled(watch, error))
        return FALSE;
    if (!S_ISDIR(info.st_mode))
        return unlinkat(directory, name, 0) == 0 || errno == ENOENT ||
               fail(error, "cannot be removed", name);
    if (info.st_dev != device) {
        errno = EXDEV;
        return fail(error, "is another file system mounted there; unmount it first", name);
    }
    int fd = open_directory(directory, name);
    if (fd < 0)
        return errno == ENOENT || fail(error, "cannot be opened", name);
    g_auto(GStrv) names = list(fd);
    gboolean ok = names != NULL || fail(error, "cannot be listed", name);
    for (guint i = 0; ok && names[i] != NULL; i++)
        ok = remove_on_device(fd, names[i], device, watch, error);
    close(fd);
    return ok && (unlinkat(directory, name, AT_REMOVEDIR) == 0 || errno == ENOENT ||
                  fail(error, "cannot be removed", name));
}

gboolean tree_remove(int directory, const char *name, const SshWatch *watch, GError **error)
{
    struct stat info;
    if (fstat(directory, &info) != 0)
        return fail(error, "has no directory", name);
    return remove_on_device(directory, name, info.st_dev, watch, error);
}

static gboolean copy_file(int from, const char *name, int to, const char *to_name, mode_t mode,
                          const SshWatch *watch, GError **error)
{
    int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (in < 0)
        return fail(error, "cannot be read", name);
    int out = openat(to, to_name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    gboolean ok =
        out >= 0 ? files_copy_data(in, out, watch, error) : fail(error, "cannot be made", to_name);
    ok = ok && (fchmod(out, mode & 0777) == 0 || fail(error, "cannot get its mode", to_name));
    if (out >= 0)
        close(out);
    close(in);
    return ok;
}

static gboolean copy_directory(int from, const char *name, int to, const char *to_name, mode_t mode,
                               const SshWatch *watch, GError **error)
{
    if (mkdirat(to, to_name, 0700) != 0)
        return fail(error, "cannot be made", to_name);
    int in = open_directory(from, name);
    int out = open_directory(to, to_name);
    g_auto(GStrv) names = in >= 0 ? list(in) : NULL;
    gboolean ok = (names != NULL && out >= 0) || fail(error, "cannot be listed", name);
    for (guint i = 0; ok && names[i] != NULL; i++)
        ok = tree_copy(in, names[i], out, names[i], watch, error);
    ok = ok && (fchmod(out, mode & 0777) == 0 || fail(error, "cannot get its mode", to_name));
    if (ok)
        fsync(out);
    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
    return ok;
}

static gboolean copy_link(int from, const char *name, int to, const char *to_name, GError **error)
{
    char text[PATH_MAX];
    ssize_t length = readlinkat(from, name, text, sizeof text - 1);
    if (length < 0)
        return fail(error, "cannot be read", name);
    text[length] = '\0';
    return symlinkat(text, to, to_name) == 0 || fail(error, "cannot be made", to_name);
}

gboolean tree_copy(int from, const char *name, int to, const char *to_name, const SshWatch *watch,
                   GError **error)
{
    struct stat info;
    if (fstatat(from, name, &info, AT_SYMLINK_NOFOLLOW) != 0)
        return fail(error, "cannot be looked at", name);
    if (S_ISREG(info.st_mode))
        return copy_file(from, name, to, to_name, info.st_mode, watch, error);
    if (S_ISDIR(info.st_mode))
        return copy_directory(from, name, to, to_name, info.st_mode, watch, error);
    if (S_ISLNK(info.st_mode))
        return copy_link(from, name, to, to_name, error);
    return TRUE;
}

gboolean tree_merge(int from, const char *name, int to, const char *to_name, GError **error)
{
    struct stat source, target;
    if (fstatat(from, name, &source, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT || fail(error, "cannot be looked at", name);
    gboolean both = S_ISDIR(source.st_mode) &&
                    fstatat(to, to_name, &target, AT_SYMLINK_NOFOLLOW) == 0 &&
                    S_ISDIR(target.st_mode);
    if (!both)
        return renameat(from, name, to, to_name) == 0 || fail(error, "cannot be moved", name);
    int in = open_directory(from, name);
    int out = open_directory(to, to_name);
    g_auto(GStrv) names = in >= 0 ? list(in) : NULL;
    gboolean ok = (names != NULL && out >= 0) || fail(error, "cannot be listed", name);
    for (guint i = 0; ok && names[i] != NULL; i++)
        ok = tree_merge(in, names[i], out, names[i], error);
    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
    return ok &&
           (unlinkat(from, name, AT_REMOVEDIR) == 0 || fail(error, "cannot be removed", name));
}
