#include "drivers/common/files.h"
#include "lib/base/error.h"
#include "tests/unit/sandbox.h"

#include <fcntl.h>

static gboolean always(gpointer unused)
{
    return TRUE;
}

static void test_copy(void)
{
    SANDBOX(box);
    g_autoptr(GError) error = NULL;
    g_autofree char *from = sandbox_sparse(&box, "image", 64 << 20, 1 << 20);
    g_autofree char *to = sandbox_path(&box, "ds/0/7/disk.0");
    g_assert_true(files_copy(from, to, NULL, &error));
    g_assert_no_error(error);
    g_assert_true(sandbox_same(from, to));
    g_assert_cmpint(sandbox_kib(to), <, 4096);
    /* Again, over what is there; the disk of somebody's own choice is not for all to read. */
    g_assert_true(files_copy(from, to, NULL, &error));
    struct stat info;
    g_assert_cmpint(stat(to, &info), ==, 0);
    g_assert_cmpint(info.st_mode & 0007, ==, 0);
    /* A size that is no multiple of anything, an empty file, a hole at the end. */
    static const gint64 sizes[] = {0, 1, 4097, 3000001};
    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autofree char *small = sandbox_sparse(&box, "small", sizes[i], MIN(sizes[i], 70000));
        g_assert_true(files_copy(small, to, NULL, &error));
        g_assert_true(sandbox_same(small, to));
    }
    sandbox_no_leftovers(&box);
}

/* Between file systems the kernel may refuse; /dev/shm is another one than the rest. */
static void test_copy_across(void)
{
    SANDBOX(box);
    g_autoptr(GError) error = NULL;
    g_autofree char *name = g_strdup_printf("/dev/shm/globule-files-%d", (int)getpid());
    g_autofree char *from = sandbox_sparse(&box, "image", 32 << 20, 1 << 20);
    g_autofree char *content = NULL;
    gsize length = 0;
    g_assert_true(g_file_get_contents(from, &content, &length, NULL));
    if (!g_file_set_contents(name, content, (gssize)length, NULL)) {
        g_test_skip("no room in /dev/shm");
        return;
    }
    g_autofree char *to = sandbox_path(&box, "ds/0/7/disk.0");
    g_assert_true(files_copy(name, to, NULL, &error));
    g_assert_no_error(error);
    g_assert_true(sandbox_same(name, to));
    g_unlink(name);
}

static void test_copy_fails(void)
{
    SANDBOX(box);
    g_autoptr(GError) error = NULL;
    g_autofree char *from = sandbox_sparse(&box, "image", 64 << 20, 64 << 20);
    g_autofree char *to = sandbox_path(&box, "ds/0/7/disk.0");
    SshWatch watch = {.cancelled = always};
    g_assert_false(files_copy(from, to, &watch, &error));
    g_assert_nonnull(strstr(error->message, "cancelled"));
    g_clear_error(&error);
    g_assert_false(files_copy("/nowhere/image", to, NULL, &error));
    g_assert_error(error, ONE_ERROR, ONE_ERROR_NO_EXISTS);
    g_clear_error(&error);
    g_assert_false(files_copy(box.root, to, NULL, &error));
    g_clear_error(&error);
    g_assert_false(files_copy("/dev/zero", to, NULL, &error));
    g_clear_error(&error);
    g_autofree char *outside = sandbox_path(&box, "elsewhere/a/b");
    g_assert_false(files_copy(from, outside, NULL, &error));
    g_assert_error(error, ONE_ERROR, ONE_ERROR_AUTHORIZATION);
    g_assert_false(g_file_test(to, G_FILE_TEST_EXISTS));
    sandbox_no_leftovers(&box);
}

static void test_part_left_behind(void)
{
    SANDBOX(box);
    g_autoptr(GError) error = NULL;
    g_autofree char *from = sandbox_text(&box, "image", "new");
    g_autofree char *part = sandbox_text(&box, "ds/0/7/disk.0.part", "half a file");
    g_autofree char *to = sandbox_text(&box, "ds/0/7/disk.0", "old");
    g_assert_true(files_copy(from, to, NULL, &error));
    g_assert_true(sandbox_same(from, to));
    g_assert_false(g_file_test(part, G_FILE_TEST_EXISTS));
    /* A part that leads elsewhere is not written through. */
    g_autofree char *precious = sandbox_text(&box, "precious", "keep me");
    g_assert_cmpint(symlink(precious, part), ==, 0);
    g_assert_true(files_copy(from, to, NULL, &error));
    sandbox_expect(&box, "precious", "keep me");
}

static void test_link(void)
{
    SANDBOX(box);
    g_autoptr(GError) error = NULL;
    g_autofree char *from = sandbox_text(&box, "image", "persistent");
    g_autofree char *to = sandbox_path(&box, "ds/0/7/disk.0");
    g_assert_true(files_link(from, to, &error));
    g_assert_true(files_link(from, to, &error));
    g_assert_true(g_file_test(to, G_FILE_TEST_IS_SYMLINK));
    sandbox_expect(&box, "ds/0/7/disk.0", "persistent");
    g_assert_false(files_link("/nowhere/image", to, &error));
    sandbox_expect(&box, "ds/0/7/disk.0", "persistent");
    /* Deleting the disk leaves the image alone. */
    g_clear_error(&error);
    g_assert_true(files_remove(to, NULL, &error));
    sandbox_expect(&box, "image", "persistent");
}

static void test_move(void)
{
    SANDBOX(box);
    g_autoptr(GError) error = NULL;
    g_autofree char *a = sandbox_text(&box, "ds/0/7/disk.0", "zero");
    g_autofree char *from = sandbox_path(&box, "ds/0/7"), *to = sandbox_path(&box, "ds/1/7");
    g_assert_true(files_move(from, to, NULL, &error));
    g_assert_no_error(error);
    sandbox_expect(&box, "ds/1/7/disk.0", "zero");
    g_assert_false(g_file_test(from, G_FILE_TEST_EXISTS));
    /* Once more: it was done before. */
    g_assert_true(files_move(from, to, NULL, &error));
    /* Into a directory that is there: what it has stays. */
    g_autofree char *b = sandbox_text(&box, "ds/0/7/disk.1", "one");
    g_autofree char *c = sandbox_text(&box, "ds/0/7/sub/x", "x");
    g_autofree char *d = sandbox_text(&box, "ds/1/7/sub/y", "y");
    g_assert_true(files_move(from, to, NULL, &error));
    g_assert_no_error(error);
    sandbox_expect(&box, "ds/1/7/disk.0", "zero");
    sandbox_expect(&box, "ds/1/7/disk.1", "one");
    sandbox_expect(&box, "ds/1/7/sub/x", "x");
    sandbox_expect(&box, "ds/1/7/sub/y", "y");
    g_assert_false(g_file_test(from, G_FILE_TEST_EXISTS));
    /* Into itself, onto itself, from nothing. */
    g_autofree char *inside = sandbox_path(&box, "ds/1/7/sub/z");
    g_assert_false(files_move(to, inside, NULL, &error));
    g_clear_error(&error);
    g_assert_true(files_move(to, to, NULL, &error));
    g_autofree char *none = sandbox_path(&box, "ds/0/9"), *nowhere = sandbox_path(&box, "ds/1/9");
    g_assert_false(files_move(none, nowhere, NULL, &error));
    g_assert_error(error, ONE_ERROR, ONE_ERROR_NO_EXISTS);
    sandbox_no_leftovers(&box);
}

/* The state directory on another file system than the datastores. */
static void test_move_across(void)
{
    SANDBOX(box);
    g_autoptr(GError) error = NULL;
    g_autofree char *other = g_dir_make_tmp("globule-unused-XXXXXX", NULL);
    g_rmdir(other);
    g_autofree char *shm = g_strdup_printf("/dev/shm/globule-move-%d", (int)getpid());
    g_autofree char *machine = g_build_filename(shm, "vms", "7", NULL);
    if (g_mkdir_with_parents(machine, 0755) != 0) {
        g_test_skip("/dev/shm is not writable");
        return;
    }
    g_setenv("ONE_VAR", shm, TRUE);
    g_autofree char *a = sandbox_text(&box, "ds/0/7/images/disk.0", "zero");
    g_autofree char *sparse = sandbox_sparse(&box, "ds/0/7/images/disk.1", 16 << 20, 4096);
    g_autofree char *from = sandbox_path(&box, "ds/0/7/images");
    g_autofree char *link = sandbox_path(&box, "ds/0/7/images/link");
    g_assert_cmpint(symlink("disk.0", link), ==, 0);
    g_autofree char *to = g_build_filename(machine, "images", NULL);
    g_assert_true(files_move(from, to, NULL, &error));
    g_assert_no_error(error);
    g_assert_false(g_file_test(from, G_FILE_TEST_EXISTS));
    g_autofree char *moved = g_build_filename(to, "disk.1", NULL);
    g_assert_cmpint(sandbox_kib(moved), <, 1024);
    /* Killed after the copy and before the end of the deletion: nothing is lost. */
    g_autofree char *aside = sandbox_text(&box, "ds/0/7/images.moved/disk.1", "remains");
    g_assert_true(files_move(from, to, NULL, &error));
    g_assert_false(g_file_test(aside, G_FILE_TEST_EXISTS));
    g_assert_true(files_move(to, from, NULL, &error));
    g_assert_no_error(error);
    sandbox_expect(&box, "ds/0/7/images/disk.0", "zero");
    g_assert_true(g_file_test(link, G_FILE_TEST_IS_SYMLINK));
    sandbox_no_leftovers(&box);
    char *argv[] = {(char *)"rm", (char *)"-rf", shm, NULL};
    g_spawn_sync(NULL, argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL);
}

static void test_remove(void)
{
    SANDBOX(box);
    g_autoptr(GError) error = NULL;
    g_autofree char *precious = sandbox_text(&box, "precious/file", "keep me");
    g_autofree char *outside = sandbox_path(&box, "precious");
    g_autofree char *a = sandbox_text(&box, "ds/0/7/a/b/c", "x");
    g_autofree char *link = sandbox_path(&box, "ds/0/7/a/out");
    g_assert_cmpint(symlink(outside, link), ==, 0);
    g_autofree char *machine = sandbox_path(&box, "ds/0/7");
    /* Through a link, or outside: refused. */
    g_autofree char *through = sandbox_path(&box, "ds/0/7/a/out/file");
    g_assert_false(files_remove(through, NULL, &error));
    g_assert_error(error, ONE_ERROR, ONE_ERROR_AUTHORIZATION);
    g_clear_error(&error);
    g_assert_false(files_remove(precious, NULL, &error));
    g_assert_error(error, ONE_ERROR, ONE_ERROR_AUTHORIZATION);
    g_clear_error(&error);
    static const char *const refused[] = {"ds", "ds/0", "ds/0/..", "ds/0/7/../../../precious"};
    for (guint i = 0; i < G_N_ELEMENTS(refused); i++) {
        g_autofree char *path = g_strconcat(box.root, "/", refused[i], NULL);
        g_assert_false(files_remove(path, NULL, &error));
        g_assert_error(error, ONE_ERROR, ONE_ERROR_AUTHORIZATION);
        g_clear_error(&error);
    }
    g_assert_true(files_remove(machine, NULL, &error));
    g_assert_no_error(error);
    g_assert_false(g_file_test(machine, G_FILE_TEST_EXISTS));
    g_assert_true(files_remove(machine, NULL, &error));
    sandbox_expect(&box, "precious/file", "keep me");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/files/copy", test_copy);
    g_test_add_func("/files/copy-across", test_copy_across);
    g_test_add_func("/files/copy-fails", test_copy_fails);
    g_test_add_func("/files/part-left-behind", test_part_left_behind);
    g_test_add_func("/files/link", test_link);
    g_test_add_func("/files/move", test_move);
    g_test_add_func("/files/move-across", test_move_across);
    g_test_add_func("/files/remove", test_remove);
    return g_test_run();
}
