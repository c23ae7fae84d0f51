#include "drivers/common/safe_path.h"

#include "lib/ssh/ssh.h"
#include "lib/base/error.h"
#include "lib/base/paths.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MIN 2
/* Before the umask; hypervisors run as another user and must pass. */
#define DIRECTORY_MODE 0775

/* Names between the slashes, without empty and "." ones; NULL when there is a "..". (owned) */
static char **split(const char *path)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_auto(GStrv) parts = g_strsplit(path, "/", -1);
    for (guint i = 0; parts[i] != NULL; i++) {
        if (g_str_equal(parts[i], ".."))
            return NULL;
        if (parts[i][0] != '\0' && !g_str_equal(parts[i], "."))
            g_ptr_array_add(names, g_strdup(parts[i]));
    }
    g_ptr_array_add(names, NULL);
    return (char **)g_ptr_array_steal(names, NULL);
}

/* The directories below which files may be changed. (owned) */
static char **roots(void)
{
    const char *datastores = g_getenv("ONE_DATASTORES");
    char **found = g_new0(char *, 3);
    found[0] = datastores != NULL && g_path_is_absolute(datastores) ? g_strdup(datastores)
                                                                    : paths_var("datastores");
    found[1] = paths_var("vms");
    return found;
}

/* How many of `names` are the root; 0: not below it. */
static guint depth_of_root(char **names, const char *root)
{
    g_auto(GStrv) parts = split(root);
    guint depth = parts != NULL ? g_strv_length(parts) : 0;
    if (depth == 0 || g_strv_length(names) < depth)
        return 0;
    for (guint i = 0; i < depth; i++)
        if (!g_str_equal(names[i], parts[i]))
            return 0;
    return depth;
}

/* Splits and checks; `*depth` is how many names belong to the root. (owned) */
static char **check(const char *path, guint *depth, GError **error)
{
    g_auto(GStrv) names = path[0] == '/' ? split(path) : NULL;
    g_auto(GStrv) allowed = roots();
    *depth = 0;
    for (guint i = 0; names != NULL && *depth == 0 && allowed[i] != NULL; i++)
        *depth = depth_of_root(names, allowed[i]);
    if (*depth > 0 && g_strv_length(names) >= *depth + DEPTH_MIN)
        return g_steal_pointer(&names);
    g_set_error(error, ONE_ERROR, ONE_ERROR_AUTHORIZATION,
                "\"%s\" is not touched: only files of a machine below %s (ONE_DATASTORES) or %s "
                "may be changed",
                path, allowed[0], allowed[1]);
    return NULL;
}

static char *join(char **names, guint count)
{
    GString *path = g_string_new(NULL);
    for (guint i = 0; i < count; i++)
        g_string_append_printf(path, "/%s", names[i]);
    return g_string_free(path, FALSE);
}

char *safe_path_check(const char *path, GError **error)
{
    guint depth;
    g_auto(GStrv) names = check(path, &depth, error);
    return names != NULL ? join(names, g_strv_length(names)) : NULL;
}

gboolean safe_path_is_machine(const char *path)
{
    guint depth;
    g_auto(GStrv) names = check(path, &depth, NULL);
    return names != NULL && g_strv_length(names) == depth + DEPTH_MIN;
}

static void set_open_error(GError **error, char **names, guint count)
{
    int problem = errno;
    g_autofree char *path = join(names, count);
    if (problem == ELOOP || problem == ENOTDIR)
        g_set_error(error, ONE_ERROR, ONE_ERROR_AUTHORIZATION,
                    "%s is not a directory of its own but a symbolic link or a file: nothing is "
                    "changed behind it",
                    path);
    else
        g_set_error(error, ONE_ERROR, problem == ENOENT ? ONE_ERROR_NO_EXISTS : ONE_ERROR_INTERNAL,
                    "%s: %s", path, g_strerror(problem));
}

int safe_path_open_parent(const char *path, gboolean make, char **name, GError **error)
{
    guint depth;
    g_auto(GStrv) names = check(path, &depth, error);
    if (names == NULL)
        return -1;
    guint count = g_strv_length(names);
    /* The datastore: links are followed up to and including it. */
    g_autofree char *store = join(names, depth + 1);
    if (make)
        g_mkdir_with_parents(store, DIRECTORY_MODE);
    int fd = open(store, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        set_open_error(error, names, depth + 1);
        return -1;
    }
    for (guint i = depth + 1; i + 1 < count; i++) {
        if (make)
            mkdirat(fd, names[i], DIRECTORY_MODE);
        int next = openat(fd, names[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int problem = errno;
        close(fd);
        errno = problem;
        fd = next;
        if (fd < 0) {
            set_open_error(error, names, i + 1);
            return -1;
        }
    }
    if (name != NULL)
        *name = g_strdup(names[count - 1]);
    return fd;
}

char *safe_path_shell_guard(const char *path, GError **error)
{
    guint depth;
    g_auto(GStrv) names = check(path, &depth, error);
    if (names == NULL)
        return NULL;
    GString *script = g_string_new(NULL);
    for (guint i = depth + 1; i + 1 < g_strv_length(names); i++) {
        g_autofree char *directory = join(names, i + 1);
        g_autofree char *quoted = ssh_quote(directory);
        g_string_append_printf(script,
                               "if [ -L %s ]; then echo %s is a symbolic link: nothing is changed "
                               "behind it >&2; exit 1; fi\n",
                               quoted, quoted);
    }
    return g_string_free(script, FALSE);
}
