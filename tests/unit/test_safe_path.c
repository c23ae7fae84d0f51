#include "drivers/common/safe_path.h"
#include "lib/base/error.h"
#include <glib.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

static char *root;

static void test_words(void)
{
    g_setenv("ONE_DATASTORES", "/srv/ds", TRUE);
    g_setenv("ONE_VAR", "/srv/var", TRUE);
    static const struct {
        const char *path;
        const char *clean; /* NULL: refused */
    } cases[] = {
        {"/srv/ds/0/7", "/srv/ds/0/7"},
        {"/srv/ds/0/7/disk.0", "/srv/ds/0/7/disk.0"},
        {"/srv/ds//0/./7/", "/srv/ds/0/7"},
        {"/srv/var/vms/7/disk.0", "/srv/var/vms/7/disk.0"},
        {"/srv/ds/0/..7", "/srv/ds/0/..7"},
        {"/srv/ds/0", NULL},
        {"/srv/ds", NULL},
        {"/srv/var/vms/7", NULL},
        {"/srv/var/one.db", NULL},
        {"/srv/ds/0/../../../etc/passwd", NULL},
        {"/srv/ds/0/7/..", NULL},
        {"/srv/dsx/0/7", NULL},
        {"/etc/passwd/a/b", NULL},
        {"/", NULL},
        {"", NULL},
        {"srv/ds/0/7", NULL},
        {"../srv/ds/0/7", NULL},
        {"~/ds/0/7", NULL},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *clean = safe_path_check(cases[i].path, &error);
        g_assert_cmpstr(clean, ==, cases[i].clean);
        if (clean == NULL)
            g_assert_error(error, ONE_ERROR, ONE_ERROR_AUTHORIZATION);
    }
    g_assert_true(safe_path_is_machine("/srv/ds/0/7"));
    g_assert_false(safe_path_is_machine("/srv/ds/0/7/disk.0"));
    /* A root that would allow everything is no root. */
    g_setenv("ONE_DATASTORES", "/", TRUE);
    g_assert_null(safe_path_check("/etc/passwd", NULL));
    g_setenv("ONE_DATASTORES", "relative", TRUE);
    g_assert_null(safe_path_check("/relative/0/7", NULL));
}

static char *at(const char *path)
{
    return g_build_filename(root, path, NULL);
}

static int open_parent(const char *path, gboolean make, char **name, GError **error)
{
    g_autofree char *whole = at(path);
    return safe_path_open_parent(whole, make, name, error);
}

static void test_links(void)
{
    root = g_dir_make_tmp("globule-paths-XXXXXX", NULL);
    g_autofree char *ds = at("ds"), *var = at("var"), *other = at("other"), *deep = at("other/7");
    g_setenv("ONE_DATASTORES", ds, TRUE);
    g_setenv("ONE_VAR", var, TRUE);
    g_mkdir_with_parents(ds, 0755);
    g_mkdir_with_parents(deep, 0755);
    g_autofree char *store = at("ds/5");
    g_assert_cmpint(symlink(other, store), ==, 0);
    g_autoptr(GError) error = NULL;
    g_autofree char *name = NULL;
    /* Missing directories are made or told. */
    g_assert_cmpint(open_parent("ds/0/7/disk.0", FALSE, NULL, &error), ==, -1);
    g_assert_error(error, ONE_ERROR, ONE_ERROR_NO_EXISTS);
    g_clear_error(&error);
    int fd = open_parent("ds/0/7/disk.0", TRUE, &name, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(name, ==, "disk.0");
    close(fd);
    /* The datastore may be a link. */
    fd = open_parent("ds/5/7/disk.0", FALSE, NULL, &error);
    g_assert_no_error(error);
    close(fd);
    /* A machine's directory may not. */
    g_autofree char *machine = at("ds/0/8"), *inside = at("ds/0/7/link");
    g_assert_cmpint(symlink("/etc", machine), ==, 0);
    g_assert_cmpint(symlink("..", inside), ==, 0);
    g_assert_cmpint(open_parent("ds/0/8/passwd", FALSE, NULL, &error), ==, -1);
    g_assert_error(error, ONE_ERROR, ONE_ERROR_AUTHORIZATION);
    g_clear_error(&error);
    g_assert_cmpint(open_parent("ds/0/7/link/7/disk.0", TRUE, NULL, &error), ==, -1);
    g_assert_error(error, ONE_ERROR, ONE_ERROR_AUTHORIZATION);
    g_clear_error(&error);
    /* The same by the shell, for other hosts. */
    static const struct {
        const char *path;
        int status;
    } cases[] = {
        {"ds/0/7/disk.0", 0},      {"ds/5/7/disk.0", 0}, {"ds/0/8/passwd", 1},
        {"ds/0/7/link/disk.0", 1}, {"ds/0/8", 0},        {"ds/0/9/disk.0", 0},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = at(cases[i].path);
        g_autofree char *script = safe_path_shell_guard(path, &error);
        g_assert_no_error(error);
        char *argv[] = {(char *)"/bin/sh", (char *)"-c", script, NULL};
        int status = -1;
        g_spawn_sync(NULL, argv, NULL, G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, NULL, NULL, &status,
                     NULL);
        g_assert_cmpint(status >> 8, ==, cases[i].status);
    }
    char *argv[] = {(char *)"rm", (char *)"-rf", root, NULL};
    g_spawn_sync(NULL, argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL);
    g_free(root);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/safe_path/words", test_words);
    g_test_add_func("/safe_path/links", test_links);
    return g_test_run();
}
