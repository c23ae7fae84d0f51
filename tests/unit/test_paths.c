#include "lib/base/paths.h"

#include <glib/gstdio.h>

static void check(char *path, const char *expected)
{
    g_assert_cmpstr(path, ==, expected);
    g_free(path);
}

static void clear(void)
{
    g_unsetenv("ONE_LOCATION");
    g_unsetenv("ONE_ETC");
    g_unsetenv("ONE_VAR");
    g_unsetenv("ONE_MADS");
}

static void test_system(void)
{
    clear();
    check(paths_etc(NULL), "/etc/one");
    check(paths_etc("oned.conf"), "/etc/one/oned.conf");
    check(paths_var("one.db"), "/var/lib/one/one.db");
    check(paths_log("oned.log"), "/var/log/one/oned.log");
    check(paths_vm(7, NULL), "/var/lib/one/vms/7");
    check(paths_vm_log(7, FALSE), "/var/log/one/7.log");
    check(paths_vm_log(7, TRUE), "/var/lib/one/vms/7/vm.log");
    g_setenv("ONE_LOCATION", "", TRUE);
    check(paths_etc(NULL), "/etc/one");
}

static void test_private(void)
{
    clear();
    g_setenv("ONE_LOCATION", "/opt/one", TRUE);
    check(paths_etc("oned.conf"), "/opt/one/etc/oned.conf");
    check(paths_var(NULL), "/opt/one/var");
    check(paths_log("oned.log"), "/opt/one/var/oned.log");
    check(paths_vm(7, "deployment.0"), "/opt/one/var/vms/7/deployment.0");
    check(paths_vm_log(7, FALSE), "/opt/one/var/vms/7/vm.log");
    g_setenv("ONE_VAR", "/elsewhere", TRUE);
    check(paths_var("one.db"), "/elsewhere/one.db");
    g_setenv("ONE_ETC", "/conf", TRUE);
    check(paths_etc("oned.conf"), "/conf/oned.conf");
}

static void test_mads(void)
{
    g_autofree char *root = g_dir_make_tmp("globule-XXXXXX", NULL);
    g_autofree char *mads = g_build_filename(root, "lib", "mads", NULL);
    g_autofree char *lib = g_build_filename(root, "lib", NULL);
    g_autofree char *program = g_build_filename(mads, "one_im", NULL);

    clear();
    g_assert_cmpint(g_mkdir_with_parents(mads, 0700), ==, 0);
    g_setenv("ONE_LOCATION", root, TRUE);
    check(paths_mads("one_im"), program);
    g_setenv("ONE_MADS", "/build/mads", TRUE);
    check(paths_mads("one_im"), "/build/mads/one_im");
    g_rmdir(mads);
    g_rmdir(lib);
    g_rmdir(root);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/base/paths/system", test_system);
    g_test_add_func("/base/paths/private", test_private);
    g_test_add_func("/base/paths/mads", test_mads);
    return g_test_run();
}
