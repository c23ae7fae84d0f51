/*
 * Copies between this computer and two others. The others are private sshds which see a
 * directory of their own as the datastores: each of the three has its own files.
 */
#include "drivers/common/ssh_copy.h"
#include "lib/base/error.h"
#include "tests/unit/private_sshd.h"
#include "tests/unit/two_hosts.h"

static const char *path_in(const char *name)
{
    static char *kept[8];
    static guint next;
    next = (next + 1) % G_N_ELEMENTS(kept);
    g_free(kept[next]);
    return kept[next] = g_build_filename(two.box.root, "ds/0/7", name, NULL);
}

static void expect_copy(SshEnd from, SshEnd to, const char *mode)
{
    g_autoptr(GError) error = NULL;
    gboolean ok = ssh_copy(two.ssh, from, to, NULL, mode, NULL, &error);
    g_assert_no_error(error);
    g_assert_true(ok);
}

static void test_sparse(void)
{
    if (two_hosts_skip())
        return;
    two_hosts_clean();
    g_autofree char *image = sandbox_sparse(&two.box, "image with ' blank", 64 << 20, 3000000);
    const char *disk = path_in("disk.0");
    expect_copy((SshEnd){NULL, image}, (SshEnd){"node01", disk}, "0660");
    two_hosts_expect("node01", "ds/0/7/disk.0", image, 4096);
    /* Host to host, by here and directly, and back. */
    expect_copy((SshEnd){"node01", disk}, (SshEnd){"node02", path_in("disk.1")}, NULL);
    two_hosts_expect("node02", "ds/0/7/disk.1", image, 4096);
    two_hosts_let_them_reach_each_other(TRUE);
    expect_copy((SshEnd){"node02", path_in("disk.1")}, (SshEnd){"node01", path_in("disk.2")}, NULL);
    two_hosts_let_them_reach_each_other(FALSE);
    two_hosts_expect("node01", "ds/0/7/disk.2", image, 4096);
    expect_copy((SshEnd){"node01", path_in("disk.2")}, (SshEnd){"node01", path_in("disk 3")}, NULL);
    two_hosts_expect("node01", "ds/0/7/disk 3", image, 4096);
    expect_copy((SshEnd){"node01", path_in("disk 3")}, (SshEnd){NULL, path_in("back")}, NULL);
    g_assert_true(sandbox_same(path_in("back"), image));
    g_assert_cmpint(sandbox_kib(path_in("back")), <, 4096);
    expect_copy((SshEnd){NULL, image}, (SshEnd){NULL, path_in("here")}, NULL);
    g_assert_true(sandbox_same(path_in("here"), image));
    two_hosts_no_leftovers();
}

static void test_fragments(void)
{
    if (two_hosts_skip())
        return;
    two_hosts_clean();
    /* A thousand small pieces of data, and a hole at the end. */
    g_autofree char *image = sandbox_path(&two.box, "fragments");
    int fd = open(image, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    for (int i = 0; i < 1000; i++)
        g_assert_cmpint(pwrite(fd, &i, sizeof i, (off_t)i * 65536), ==, sizeof i);
    g_assert_cmpint(ftruncate(fd, (off_t)3 << 30), ==, 0);
    close(fd);
    expect_copy((SshEnd){NULL, image}, (SshEnd){"node01", path_in("disk.0")}, NULL);
    expect_copy((SshEnd){"node01", path_in("disk.0")}, (SshEnd){NULL, path_in("back")}, NULL);
    struct stat info;
    g_assert_cmpint(stat(path_in("back"), &info), ==, 0);
    g_assert_cmpint(info.st_size, ==, (gint64)3 << 30);
    g_assert_cmpint(info.st_blocks / 2, <, 8192);
    fd = open(path_in("back"), O_RDONLY);
    for (int i = 0, value = -1; i < 1000; i++) {
        g_assert_cmpint(pread(fd, &value, sizeof value, (off_t)i * 65536), ==, sizeof value);
        g_assert_cmpint(value, ==, i);
    }
    close(fd);
}

static void test_directory(void)
{
    if (two_hosts_skip())
        return;
    two_hosts_clean();
    g_autofree char *a = sandbox_text(&two.box, "ds/0/7/disk.0", "zero");
    g_autofree char *b = sandbox_text(&two.box, "ds/0/7/sub dir/it's", "quote");
    g_autofree char *c = sandbox_path(&two.box, "ds/0/7/link");
    g_assert_cmpint(symlink("disk.0", c), ==, 0);
    g_autofree char *machine = sandbox_path(&two.box, "ds/0/7");
    expect_copy((SshEnd){NULL, machine}, (SshEnd){"node01", machine}, NULL);
    two_hosts_expect("node01", "ds/0/7/sub dir/it's", b, 4);
    two_hosts_expect("node01", "ds/0/7/link", a, 4);
    /* Into one that is there. */
    g_autoptr(GError) error = NULL;
    g_assert_true(ssh_do(two.ssh, "node01", "cd $0; true", NULL, NULL, &error));
    g_unlink(a);
    g_unlink(c);
    g_autofree char *d = sandbox_text(&two.box, "ds/0/7/disk.1", "one");
    expect_copy((SshEnd){NULL, machine}, (SshEnd){"node01", machine}, NULL);
    two_hosts_expect("node01", "ds/0/7/disk.1", d, 4);
    g_autofree char *kept = g_strdup_printf("cat '%s/disk.0'", machine), *out = NULL;
    g_assert_true(ssh_do(two.ssh, "node01", kept, NULL, &out, &error));
    g_assert_cmpstr(out, ==, "zero");
    two_hosts_no_leftovers();
}

static void test_refusals(void)
{
    if (two_hosts_skip())
        return;
    two_hosts_clean();
    g_autoptr(GError) error = NULL;
    g_assert_false(ssh_copy(two.ssh, (SshEnd){NULL, "/nowhere/image"},
                            (SshEnd){"node01", path_in("disk.0")}, NULL, NULL, NULL, &error));
    g_assert_error(error, ONE_ERROR, ONE_ERROR_NO_EXISTS);
    g_clear_error(&error);
    g_assert_false(ssh_copy(two.ssh, (SshEnd){NULL, "/dev/null"},
                            (SshEnd){"node01", path_in("disk.0")}, NULL, NULL, NULL, &error));
    g_assert_nonnull(strstr(error->message, "neither a file nor a directory"));
    g_clear_error(&error);
    g_autofree char *image = sandbox_text(&two.box, "image", "content");
    g_assert_false(ssh_copy(two.ssh, (SshEnd){NULL, image}, (SshEnd){"node01", path_in("disk.0")},
                            "echo no, never >&2; exit 1", NULL, NULL, &error));
    g_assert_cmpstr(error->message, ==, "host node01: no, never");
    g_clear_error(&error);
    /* No room: a small file system at the other end. */
    g_autofree char *full = g_strdup_printf("mkdir -p '%s' && mount -t tmpfs -o size=1m none '%s'",
                                            path_in(""), path_in(""));
    g_assert_true(ssh_do(two.ssh, "node02", full, NULL, NULL, &error));
    g_autofree char *big = sandbox_sparse(&two.box, "big", 8 << 20, 8 << 20);
    g_assert_false(ssh_copy(two.ssh, (SshEnd){NULL, big}, (SshEnd){"node02", path_in("disk.0")},
                            NULL, NULL, NULL, &error));
    g_assert_nonnull(strstr(error->message, "(0 MB are free there)"));
    g_clear_error(&error);
    g_autofree char *undo = g_strdup_printf("ls -A '%s'; umount '%s'", path_in(""), path_in(""));
    g_autofree char *left = NULL;
    g_assert_true(ssh_do(two.ssh, "node02", undo, NULL, &left, &error));
    g_assert_cmpstr(left, ==, "");
    two_hosts_no_leftovers();
}

/* Breaks something when some bytes have gone. */
typedef struct Breaker {
    guint64 after;
    GPid victim; /* 0: cancels instead */
    gboolean done;
} Breaker;

static void break_at(guint64 bytes, gpointer data)
{
    Breaker *breaker = data;
    if (bytes < breaker->after || g_atomic_int_get(&breaker->done))
        return;
    if (breaker->victim > 0)
        kill(breaker->victim, SIGKILL);
    g_atomic_int_set(&breaker->done, TRUE);
}

static gboolean is_broken(gpointer data)
{
    Breaker *breaker = data;
    return breaker->victim == 0 && g_atomic_int_get(&breaker->done);
}

static void expect_broken(SshEnd from, SshEnd to, GPid victim, const char *text)
{
    Breaker breaker = {.after = 5 << 20, .victim = victim};
    SshWatch watch = {.progress = break_at, .cancelled = is_broken, .data = &breaker};
    g_autoptr(GError) error = NULL;
    gint64 start = g_get_monotonic_time();
    g_assert_false(ssh_copy(two.ssh, from, to, NULL, NULL, &watch, &error));
    g_assert_true(breaker.done);
    g_assert_cmpint(g_get_monotonic_time() - start, <, 120 * G_USEC_PER_SEC);
    g_test_message("%s", error->message);
    if (strstr(error->message, text) == NULL)
        g_error("\"%s\" does not hold \"%s\"", error->message, text);
    two_hosts_no_leftovers();
}

static GPid server_of(const char *host)
{
    g_autoptr(GError) error = NULL;
    g_auto(SshResult) result = {0};
    g_assert_true(ssh_run(two.ssh, host, "echo $PPID", NULL, 0, NULL, &result, &error));
    return (GPid)atoi(result.out->str);
}

static void test_broken(void)
{
    if (two_hosts_skip())
        return;
    two_hosts_clean();
    g_autofree char *image = sandbox_sparse(&two.box, "image", 64 << 20, 60 << 20);
    SshEnd here = {NULL, image}, there = {"node01", path_in("disk.0")};
    SshEnd back = {NULL, path_in("back")}, other = {"node02", path_in("disk.0")};
    expect_broken(here, there, server_of("node01"), "host node01: the connection was lost");
    g_assert_false(two_hosts_exists("node01", "ds/0/7/disk.0"));
    expect_broken(here, there, 0, "cancelled");
    g_assert_false(two_hosts_exists("node01", "ds/0/7/disk.0"));
    expect_copy(here, there, NULL);
    expect_broken(there, back, server_of("node01"), "host node01: the connection was lost");
    expect_broken(there, back, 0, "cancelled");
    g_assert_false(g_file_test(back.path, G_FILE_TEST_EXISTS));
    expect_broken(there, other, server_of("node01"), "host node01: the connection was lost");
    expect_broken(there, other, server_of("node02"), "host node02: the connection was lost");
    expect_broken(there, other, 0, "cancelled");
    g_assert_false(two_hosts_exists("node02", "ds/0/7/disk.0"));
    expect_copy(there, other, NULL);
    two_hosts_expect("node02", "ds/0/7/disk.0", image, 62 * 1024);
}

static void test_one(void)
{
    if (two_hosts_skip())
        return;
    two_hosts_clean();
    g_autoptr(GError) error = NULL;
    g_autofree char *machine = sandbox_path(&two.box, "ds/0/7");
    g_autofree char *shared = sandbox_path(&two.box, "plain/0/7");
    sandbox_make_parent(shared);
    gboolean same = TRUE;
    SshEnd one = {"node01", machine}, other = {"node02", machine}, here = {NULL, machine};
    g_assert_true(ssh_ends_are_one(two.ssh, one, other, &same, NULL, &error));
    g_assert_false(same);
    g_assert_true(ssh_ends_are_one(two.ssh, here, other, &same, NULL, &error));
    g_assert_false(same);
    /* What is not below the datastores is the same for all in this test. */
    one.path = other.path = here.path = shared;
    g_assert_true(ssh_ends_are_one(two.ssh, one, other, &same, NULL, &error));
    g_assert_true(same);
    g_assert_true(ssh_ends_are_one(two.ssh, here, other, &same, NULL, &error));
    g_assert_true(same);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    two_hosts_setup();
    g_test_add_func("/ssh_copy/sparse", test_sparse);
    g_test_add_func("/ssh_copy/fragments", test_fragments);
    g_test_add_func("/ssh_copy/directory", test_directory);
    g_test_add_func("/ssh_copy/refusals", test_refusals);
    g_test_add_func("/ssh_copy/broken", test_broken);
    g_test_add_func("/ssh_copy/one", test_one);
    int result = g_test_run();
    two_hosts_teardown();
    return result;
}
