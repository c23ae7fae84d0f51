/*
 * Whole transfer scripts: the life of a machine's files with each flavour. For ssh there are
 * two other hosts (two_hosts.h).
 */
#include "drivers/tm/transfer.h"
#include "drivers/common/image.h"
#include "drivers/tm/tm.h"
#include "lib/base/error.h"
#include "tests/unit/two_hosts.h"
#include <stdio.h>
#include <stdlib.h>

static Sandbox *box; /* of the test that runs */
static GString *said;

static void keep_log(char severity, gint64 id, const char *text)
{
    g_string_append_printf(said, "%c %s\n", severity, text);
}

/* Runs a script in which @ stands for the datastores and ~ for the box. NULL, or the error. */
static char *run(const char *flavour, const char *format)
{
    g_autofree char *ds = g_build_filename(box->root, "ds", NULL);
    g_auto(GStrv) parts = g_strsplit(format, "@", -1);
    g_autofree char *half = g_strjoinv(ds, parts);
    g_auto(GStrv) more = g_strsplit(half, "~", -1);
    g_autofree char *text = g_strjoinv(box->root, more);
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) commands = script_parse(text, &error);
    g_assert_no_error(error);
    SshWatch watch = {0};
    Transfer transfer = {7, two.ssh, &watch, keep_log};
    g_string_truncate(said, 0);
    gboolean ok = transfer_run(&transfer, commands, flavour_find(flavour), &error);
    g_assert_true(ok == (error == NULL));
    return ok ? NULL : g_strdup(error->message);
}

static void expect_done(const char *flavour, const char *script)
{
    /* All may be repeated. */
    for (int i = 0; i < 2; i++) {
        g_autofree char *problem = run(flavour, script);
        if (problem != NULL)
            g_error("%s", problem);
    }
}

static void expect_failure(const char *flavour, const char *script, const char *text)
{
    g_autofree char *problem = run(flavour, script);
    g_assert_nonnull(problem);
    if (strstr(problem, text) == NULL)
        g_error("\"%s\" does not hold \"%s\"", problem, text);
}

static gboolean exists(const char *name)
{
    g_autofree char *path = sandbox_path(box, name);
    return g_file_test(path, G_FILE_TEST_EXISTS);
}

static ImageFacts look(const char *path)
{
    ImageFacts facts = {0};
    g_autoptr(GError) error = NULL;
    g_assert_true(image_look(path, &facts, &error));
    return facts;
}

static void test_shared(void)
{
    SANDBOX(own);
    box = &own;
    g_autofree char *image = sandbox_sparse(box, "ds/1/abc", 8 << 20, 4096);
    g_autofree char *base = sandbox_path(box, "ds/1/qcow");
    g_assert_true(image_make("qcow2", 32 << 20, base, NULL, NULL));
    g_autofree char *context = sandbox_text(box, "var/vms/7/context.7", "A='b'\n");
    expect_done("shared", "# prolog\n"
                          "CLONE shared localhost:@/1/abc node01:@/0/7/disk.0 7 0\n"
                          "LN shared localhost:@/1/abc node01:@/0/7/disk.1 7 0\n"
                          "MKSWAP shared 16 node01:@/0/7/disk.2 7 0\n"
                          "MKIMAGE shared 16 qcow2 node01:@/0/7/disk.3 7 0\n"
                          "CLONE nfs localhost:@/1/qcow node01:@/0/7/disk.4 7 0\n"
                          "CONTEXT tm_shared ~/var/vms/7/context.7 node01:@/0/7/disk.5 7 0\n"
                          "CLONE front:@/1/abc node01:@/0/7/disk.6\n");
    g_autofree char *disk0 = sandbox_path(box, "ds/0/7/disk.0");
    g_autofree char *disk1 = sandbox_path(box, "ds/0/7/disk.1");
    g_autofree char *disk4 = sandbox_path(box, "ds/0/7/disk.4");
    g_autofree char *disk5 = sandbox_path(box, "ds/0/7/disk.5");
    g_assert_true(sandbox_same(disk0, image));
    g_assert_true(g_file_test(disk1, G_FILE_TEST_IS_SYMLINK));
    g_assert_true(look(disk4).has_base);
    g_assert_cmpint(look(disk5).kind, ==, IMAGE_ISO);
    /* Migration of all kinds moves nothing. */
    expect_done("shared", "MV shared node01:@/0/7 node02:@/0/7 7 0\n"
                          "PREMIGRATE shared node01 node02 @/0/7 7 0\n"
                          "POSTMIGRATE shared node01 node02 @/0/7 7 0\n"
                          "FAILMIGRATE shared node01 node02 @/0/7 7 0\n");
    g_assert_true(sandbox_same(disk0, image));
    /* Epilog: one disk is kept, the rest goes, the image stays. */
    expect_done("shared", "MV shared node01:@/0/7/disk.0 localhost:~/var/vms/7/disk.0 7 0\n");
    expect_done("shared", "DELETE shared node01:@/0/7 7 0\n");
    g_assert_false(exists("ds/0/7"));
    g_assert_true(exists("var/vms/7/disk.0"));
    g_assert_true(exists("ds/1/abc"));
    sandbox_no_leftovers(box);
}

/* Disks that were made of images go back to them, or become others. */
static void test_back(void)
{
    SANDBOX(own);
    box = &own;
    g_free(sandbox_text(box, "ds/1/own", "the image"));
    g_free(sandbox_sparse(box, "ds/1/raw", 8 << 20, 4096));
    g_autofree char *base = sandbox_path(box, "ds/1/qcow");
    g_assert_true(image_make("qcow2", 32 << 20, base, NULL, NULL));
    expect_done("shared", "LN shared localhost:@/1/own node01:@/0/7/disk.0 7 0\n"
                          "CLONE qcow2 localhost:@/1/raw node01:@/0/7/disk.1 7 0\n"
                          "CLONE qcow2 localhost:@/1/qcow node01:@/0/7/disk.2 7 0\n");
    g_autofree char *disk1 = sandbox_path(box, "ds/0/7/disk.1");
    g_assert_true(look(disk1).has_base);
    g_assert_cmpuint(look(disk1).size, ==, 8 << 20);
    g_assert_cmpint(sandbox_kib(disk1), <, 1024);
    expect_done("shared", "MVDS shared node01:@/0/7/disk.0 @/1/own 7 0\n"
                          "CPDS shared node01:@/0/7/disk.1 @/1/saved -1 qcow2 7 0\n"
                          "CPDS qcow2 node01:@/0/7/disk.0 @/1/copy -1 raw 7 0\n");
    sandbox_expect(box, "ds/1/own", "the image");
    sandbox_expect(box, "ds/1/copy", "the image");
    g_autofree char *saved = sandbox_path(box, "ds/1/saved");
    g_assert_cmpint(look(saved).kind, ==, IMAGE_QCOW2);
    g_assert_false(look(saved).has_base);
    /* A disk that is no link replaces its image; one whose header a guest wrote is only copied. */
    g_free(sandbox_text(box, "ds/0/7/disk.3", "written"));
    g_free(sandbox_text(box, "ds/0/7/disk.4.snap/2", "snapshot"));
    expect_done("ssh", "MVDS ssh localhost:@/0/7/disk.3 @/1/own 7 0\n"
                       "CPDS ssh localhost:@/0/7/disk.4 @/1/of-snapshot 2 raw 7 0\n"
                       "CPDS ssh localhost:@/0/7/disk.1 @/1/as-raw -1 raw 7 0\n");
    sandbox_expect(box, "ds/1/own", "written");
    sandbox_expect(box, "ds/1/of-snapshot", "snapshot");
    g_assert_true(sandbox_same(disk1, saved) == FALSE);
    g_autofree char *as_raw = sandbox_path(box, "ds/1/as-raw");
    g_assert_true(sandbox_same(disk1, as_raw));
    expect_failure("shared", "MVDS shared node01:@/0/7/disk.1 /etc/passwd 7 0\n", "not touched");
    expect_failure("shared", "MVDS shared node01:@/0/7/disk.1 @/0/8/disk.0 7 0\n", "not touched");
    expect_failure("ssh", "CPDS ssh localhost:@/0/7/disk.1 @/0/8/disk.0 -1 raw 7 0\n",
                   "not touched");
    sandbox_no_leftovers(box);
}

static void write_to(const char *path, const char *text)
{
    FILE *file = fopen(path, "r+");
    g_assert_nonnull(file);
    g_assert_cmpuint(fwrite(text, 1, strlen(text), file), ==, strlen(text));
    fclose(file);
}

static guint64 guest_size(const char *path)
{
    return look(path).size;
}

/* Snapshots of a raw and a qcow2 disk at `host`, whose files are there under `seen`. */
static void change_disks(const char *flavour, const char *host, char *(*seen)(const char *name))
{
    g_autofree char *raw = seen("disk.0"), *qcow = seen("disk.1"), *ready = seen("disk.1.snap/7");
    g_autofree char *taken = seen("disk.0.snap/0"), *before = NULL;
#define RUN(format)                                                                                \
    do {                                                                                           \
        g_autofree char *script = g_strdup_printf(format, flavour, host);                          \
        expect_done(flavour, script);                                                              \
    } while (0)
    RUN("MKIMAGE %s 2 raw %s:@/0/7/disk.0 7 0\n");
    RUN("MKIMAGE %s 4 qcow2 %s:@/0/7/disk.1 7 0\n");
    write_to(raw, "first");
    RUN("SNAP_CREATE %s %s:@/0/7/disk.0 0 7 0\n");
    write_to(raw, "later");
    RUN("RESIZE %s %s:@/0/7/disk.0 3 7 0\n");
    g_assert_cmpuint(guest_size(raw), ==, 3 << 20);
    g_assert_cmpuint(guest_size(taken), ==, 2 << 20);
    RUN("RESIZE %s %s:@/0/7/disk.0 1 7 0\n"); /* never smaller */
    g_assert_cmpuint(guest_size(raw), ==, 3 << 20);
    RUN("SNAP_REVERT %s %s:@/0/7/disk.0 0 7 0\n");
    g_assert_true(sandbox_same(raw, taken));
    g_assert_true(g_file_get_contents(raw, &before, NULL, NULL));
    g_assert_true(g_str_has_prefix(before, "first"));
    RUN("RESIZE %s %s:@/0/7/disk.1 6 7 0\n");
    g_assert_cmpint(look(qcow).kind, ==, IMAGE_QCOW2);
    g_assert_cmpuint(guest_size(qcow), ==, 6 << 20);
    RUN("SNAP_CREATE_LIVE %s %s:@/0/7/disk.1 7 7 0\n");
    g_assert_cmpint(look(ready).kind, ==, IMAGE_QCOW2);
    g_assert_cmpuint(guest_size(ready), ==, 6 << 20);
    RUN("SNAP_DELETE %s %s:@/0/7/disk.1 7 7 0\n");
    /* What a guest wrote into a raw disk is not taken for the header of an image. */
    g_autofree char *forged = seen("disk.2");
    RUN("MKIMAGE %s 2 raw %s:@/0/7/disk.2 7 0\n");
    write_to(forged, "QFI\xfb");
    RUN("RESIZE %s %s:@/0/7/disk.2 3 raw 7 0\n");
    g_autofree char *bytes = NULL;
    gsize length = 0;
    g_assert_true(g_file_get_contents(forged, &bytes, &length, NULL));
    g_assert_cmpuint(length, ==, 3 << 20);
    g_assert_false(g_file_test(ready, G_FILE_TEST_EXISTS));
#undef RUN
}

static char *seen_here(const char *name)
{
    return g_build_filename(box->root, "ds/0/7", name, NULL);
}

static void test_shared_disks(void)
{
    SANDBOX(own);
    box = &own;
    change_disks("shared", "node01", seen_here);
    expect_failure("shared", "SNAP_REVERT shared node01:@/0/7/disk.0 9 7 0\n", "is not there");
    expect_failure("shared", "SNAP_CREATE shared node01:@/0/7/disk.9 0 7 0\n", "is not there");
    expect_failure("shared", "RESIZE shared node01:/etc/passwd 9 7 0\n", "/etc/passwd");
    expect_failure("shared", "RESIZE shared node01:@/0/7/disk.0 9 qcow2 7 0\n", "no qcow2 image");
    expect_done("shared", "DELETE shared node01:@/0/7 7 0\n");
    sandbox_no_leftovers(box);
}

static void test_shared_refusals(void)
{
    SANDBOX(own);
    box = &own;
    g_autofree char *image = sandbox_text(box, "ds/1/abc", "image");
    expect_failure("shared", "DELETE shared node01:/etc/passwd 7 0\n", "is not touched");
    expect_failure("shared", "DELETE shared node01:@/0/7/../../.. 7 0\n", "is not touched");
    expect_failure("shared", "CLONE shared localhost:@/1/abc node01:/etc/x/y/z 7 0\n",
                   "is not touched");
    expect_failure("shared", "MV shared node01:/etc/x/y node01:@/0/7/disk.0 7 0\n",
                   "is not touched");
    expect_failure("shared",
                   "CLONE shared localhost:@/1/none node01:@/0/7/disk.0 7 0\n"
                   "DELETE shared node01:@/1/abc 7 0\n",
                   "CLONE localhost:");
    g_assert_true(exists("ds/1/abc")); /* what follows a failure is not done */
    expect_failure("shared", "MV shared node01:@/0/8/disk.0 node01:@/0/9/disk.0 8 0\n",
                   "is not there to be moved");
    expect_done("shared", "MV shared node01:@/0/8 node01:@/5/8 8 0\n");
    g_assert_nonnull(strstr(said->str, "there is nothing to move"));
    expect_failure("shared", "DELETE lvm node01:@/0/7 7 0\n",
                   "there is no transfer by \"lvm\"; known are shared, qcow2, ssh, dummy");
    /* The driver's name in the configuration stands for the flavour that it was started with. */
    g_setenv("ONE_MAD_NAME", "lvm", TRUE);
    expect_done("shared", "DELETE lvm node01:@/0/7 7 0\n");
    g_unsetenv("ONE_MAD_NAME");
    expect_failure("none", "DELETE node01:@/0/7\n", "names no flavour");
    expect_done("none", "DELETE.dummy lvm node01:/etc 7 0\n");
    expect_done("dummy", "CLONE a:/b c:/d\nMKSWAP 1 c:/d\n");
}

static void test_ssh_life(void)
{
    if (two_hosts_skip())
        return;
    two_hosts_clean();
    box = &two.box;
    g_setenv("ONE_DATASTORES", two.sshd[0].seen, TRUE);
    g_autofree char *var = sandbox_path(box, "var");
    g_setenv("ONE_VAR", var, TRUE);
    g_autofree char *image = sandbox_sparse(box, "ds/1/abc", 64 << 20, 8192);
    g_autofree char *context = sandbox_text(box, "var/vms/7/context.7", "A='b'\n");
    expect_done("ssh", "CLONE ssh localhost:@/1/abc node01:@/0/7/disk.0 7 0\n"
                       "LN ssh localhost:@/1/abc node01:@/0/7/disk.1 7 0\n"
                       "MKSWAP ssh 16 node01:@/0/7/disk.2 7 0\n"
                       "MKIMAGE ssh 16 qcow2 node01:@/0/7/disk.3 7 0\n"
                       "MKIMAGE ssh 16 ext4 node01:@/0/7/disk.4 7 0\n"
                       "CONTEXT ssh ~/var/vms/7/context.7 node01:@/0/7/disk.5 7 0\n"
                       "LN ssh node01:@/0/7/disk.0 node01:@/0/7/disk.6 7 0\n"
                       "CLONE.ssh shared node01:@/0/7/disk.0 node01:@/0/7/disk.7 7 0\n");
    g_assert_nonnull(strstr(said->str, "W localhost:"));
    two_hosts_expect("node01", "ds/0/7/disk.0", image, 256);
    two_hosts_expect("node01", "ds/0/7/disk.7", image, 256);
    g_autofree char *disk3 = two_hosts_path("node01", "ds/0/7/disk.3");
    g_autofree char *disk5 = two_hosts_path("node01", "ds/0/7/disk.5");
    g_assert_cmpint(look(disk3).kind, ==, IMAGE_QCOW2);
    g_assert_cmpint(look(disk5).kind, ==, IMAGE_ISO);
    g_assert_false(exists("ds/0/7"));
    /* Cold migration there, stop to here, resume at the first, and the end. */
    expect_done("ssh", "MV ssh node01:@/0/7 node02:@/0/7 7 0\n");
    g_assert_false(two_hosts_exists("node01", "ds/0/7"));
    two_hosts_expect("node02", "ds/0/7/disk.0", image, 256);
    expect_done("ssh", "MV ssh node02:@/0/7 localhost:@/0/7 7 0\n");
    g_assert_false(two_hosts_exists("node02", "ds/0/7"));
    g_autofree char *back = sandbox_path(box, "ds/0/7/disk.0");
    g_assert_true(sandbox_same(back, image));
    g_assert_cmpint(sandbox_kib(back), <=, 256);
    expect_done("ssh", "MV ssh localhost:@/0/7 node01:@/0/7 7 0\n");
    two_hosts_expect("node01", "ds/0/7/disk.0", image, 256);
    expect_done("ssh", "MV ssh node01:@/0/7/disk.0 localhost:~/var/vms/7/disk.0 7 0\n");
    expect_done("ssh", "DELETE ssh node01:@/0/7 7 0\n");
    g_assert_false(two_hosts_exists("node01", "ds/0/7"));
    g_assert_true(exists("var/vms/7/disk.0"));
    two_hosts_no_leftovers();
}

static char *seen_at_node01(const char *name)
{
    g_autofree char *path = g_strconcat("ds/0/7/", name, NULL);
    return two_hosts_path("node01", path);
}

static void test_ssh_disks(void)
{
    if (two_hosts_skip())
        return;
    two_hosts_clean();
    box = &two.box;
    change_disks("ssh", "node01", seen_at_node01);
    /* Snapshots come along when the machine moves while it runs. */
    expect_done("ssh", "PREMIGRATE ssh node01 node02 @/0/7 7 0\n");
    g_assert_true(two_hosts_exists("node02", "ds/0/7/disk.0.snap/0"));
    g_autofree char *taken = seen_at_node01("disk.0.snap/0");
    two_hosts_expect("node02", "ds/0/7/disk.0.snap/0", taken, 2048);
    expect_done("ssh", "FAILMIGRATE ssh node01 node02 @/0/7 7 0\n");
    g_assert_false(two_hosts_exists("node02", "ds/0/7"));
    expect_done("ssh", "DELETE ssh node01:@/0/7 7 0\n");
    two_hosts_no_leftovers();
}

static void test_ssh_migration(void)
{
    if (two_hosts_skip())
        return;
    two_hosts_clean();
    box = &two.box;
    g_autofree char *image = sandbox_sparse(box, "ds/1/abc", 32 << 20, 4 << 20);
    g_autofree char *context = sandbox_text(box, "var/vms/7/context.7", "A='b'\n");
    expect_done("ssh", "CLONE ssh localhost:@/1/abc node01:@/0/7/disk.0 7 0\n"
                       "MKIMAGE ssh 16 qcow2 node01:@/0/7/disk.1 7 0\n"
                       "CONTEXT ssh ~/var/vms/7/context.7 node01:@/0/7/disk.2 7 0\n");
    static const char pre[] = "PREMIGRATE ssh node01 node02 @/0/7 7 0\n";
    static const char post[] = "POSTMIGRATE ssh node01 node02 @/0/7 7 0\n";
    static const char undo[] = "FAILMIGRATE ssh node01 node02 @/0/7 7 0\n";
    expect_done("ssh", pre);
    g_autofree char *disk0 = two_hosts_path("node02", "ds/0/7/disk.0");
    g_autofree char *disk1 = two_hosts_path("node02", "ds/0/7/disk.1");
    g_autofree char *disk2 = two_hosts_path("node02", "ds/0/7/disk.2");
    g_autofree char *cd = two_hosts_path("node01", "ds/0/7/disk.2");
    g_assert_cmpuint(look(disk0).size, ==, 32 << 20);
    g_assert_cmpint(sandbox_kib(disk0), ==, 0);
    g_assert_cmpint(look(disk1).kind, ==, IMAGE_QCOW2);
    g_assert_cmpuint(look(disk1).size, ==, 16 << 20);
    g_assert_true(sandbox_same(disk2, cd));
    expect_done("ssh", undo);
    g_assert_false(two_hosts_exists("node02", "ds/0/7"));
    two_hosts_expect("node01", "ds/0/7/disk.0", image, 6 * 1024);
    /* The machine runs at the other host already: its disks are not replaced by empty ones. */
    expect_done("ssh", pre);
    g_autofree char *full = sandbox_sparse(box, "node02/0/7/disk.0", 32 << 20, 8 << 20);
    expect_failure("ssh", pre, "make sure that the machine does not run there");
    g_assert_cmpint(sandbox_kib(full), >=, 8 * 1024);
    expect_done("ssh", post);
    g_assert_false(two_hosts_exists("node01", "ds/0/7"));
    g_assert_true(two_hosts_exists("node02", "ds/0/7/disk.0"));
    two_hosts_no_leftovers();
}

/* Both hosts see one directory although the flavour says otherwise: nothing may be deleted. */
static void test_ssh_shared_after_all(void)
{
    if (two_hosts_skip())
        return;
    two_hosts_clean();
    box = &two.box;
    g_autofree char *plain = sandbox_path(box, "plain");
    g_setenv("ONE_DATASTORES", plain, TRUE);
    g_autofree char *disk = sandbox_text(box, "plain/0/7/disk.0", "the only copy");
    expect_done("ssh", "MV ssh node01:~/plain/0/7 node02:~/plain/0/7 7 0\n"
                       "MV ssh node01:~/plain/0/7 localhost:~/plain/0/7 7 0\n"
                       "PREMIGRATE ssh node01 node02 ~/plain/0/7 7 0\n"
                       "POSTMIGRATE ssh node01 node02 ~/plain/0/7 7 0\n"
                       "FAILMIGRATE ssh node01 node02 ~/plain/0/7 7 0\n");
    sandbox_expect(box, "plain/0/7/disk.0", "the only copy");
    g_assert_nonnull(strstr(said->str, "is shared by node01 and node02"));
    g_setenv("ONE_DATASTORES", two.sshd[0].seen, TRUE);
    two_hosts_no_leftovers();
}

static void test_ssh_refusals(void)
{
    if (two_hosts_skip())
        return;
    two_hosts_clean();
    box = &two.box;
    g_autofree char *a = sandbox_text(box, "node01/0/7/disk.0", "a");
    g_autofree char *secret = sandbox_text(box, "secret/disk.0", "keep me");
    g_autofree char *link = two_hosts_path("node01", "ds/0/8");
    g_autofree char *target = sandbox_path(box, "secret");
    g_assert_cmpint(symlink(target, link), ==, 0);
    expect_failure("ssh", "DELETE ssh node01:/etc/passwd 7 0\n", "is not touched");
    expect_failure("ssh", "DELETE ssh node01:@/0/8/disk.0 7 0\n", "is a symbolic link");
    expect_failure("ssh", "MKIMAGE ssh 1 raw node01:@/0/8/disk.0 7 0\n", "is a symbolic link");
    expect_failure("ssh", "CLONE ssh localhost:@/0/8 node01:@/0/8/disk.0 7 0\n", "does not exist");
    expect_failure("ssh", "CLONE ssh node01:@/0/7/disk.0 node01:@/0/8/disk.0 7 0\n",
                   "is a symbolic link");
    expect_failure("ssh", "MV ssh node01:@/0/8/disk.0 node01:@/0/7/disk.1 7 0\n",
                   "is a symbolic link");
    expect_failure("ssh", "MV ssh node01:@/0/8/disk.0 node02:@/0/7/disk.1 7 0\n",
                   "is a symbolic link");
    sandbox_expect(box, "secret/disk.0", "keep me");
    expect_failure("ssh", "MKIMAGE ssh 1 vmdk node01:@/0/7/disk.1 7 0\n", "known are raw");
    expect_failure("ssh", "DELETE ssh nohost.invalid:@/0/7 7 0\n", "127.0.0.1 port 22");
    two_hosts_no_leftovers();
}

static void test_here(void)
{
    char name[256] = "";
    g_assert_cmpint(gethostname(name, sizeof name - 1), ==, 0);
    g_assert_true(transfer_is_here("localhost"));
    g_assert_true(transfer_is_here("127.0.0.1"));
    g_assert_true(transfer_is_here(name));
    g_assert_false(transfer_is_here("node01.example.org"));
    g_assert_false(transfer_is_here(""));
}

static void test_monitor(void)
{
    SANDBOX(own);
    g_autoptr(GError) error = NULL;
    g_autofree char *document =
        g_strdup_printf("<DS_DRIVER_ACTION_DATA><DATASTORE><ID>1</ID><BASE_PATH>%s/ds/1"
                        "</BASE_PATH></DATASTORE></DS_DRIVER_ACTION_DATA>",
                        own.root);
    const char *documents[] = {document, "", "<D/>"};
    for (guint i = 0; i < G_N_ELEMENTS(documents); i++) {
        g_autofree char *text = tm_monitor_text(1, documents[i], &error);
        unsigned long total = 0, used = 0, free_mb = 0;
        g_assert_no_error(error);
        g_assert_cmpint(
            sscanf(text, "TOTAL_MB=%lu\nUSED_MB=%lu\nFREE_MB=%lu\n", &total, &used, &free_mb), ==,
            3);
        g_assert_cmpuint(total, >, 0);
        g_assert_cmpuint(used + free_mb, <=, total);
    }
    g_assert_null(tm_monitor_text(1, "no document", &error));
}

/* ---- the driver program, by its pipes ---- */

typedef struct Served {
    Driver driver;
    int in[2], out[2];
} Served;

static gpointer serve(gpointer data)
{
    Served *served = data;
    driver_serve(&served->driver, served->in[0], served->out[1]);
    close(served->out[1]);
    return NULL;
}

static char *hear(FILE *from)
{
    char *line = NULL;
    size_t room = 0;
    g_assert_cmpint(getline(&line, &room, from), >, 0);
    char *copy = g_strdup(g_strchomp(line));
    free(line);
    return copy;
}

static void test_driver(void)
{
    if (two_hosts_skip())
        return;
    two_hosts_clean();
    box = &two.box;
    g_autoptr(GError) error = NULL;
    g_autofree char *image = sandbox_sparse(box, "ds/1/big", 160 << 20, 150 << 20);
    g_autofree char *text = g_strdup_printf("CLONE ssh localhost:%s node01:%s/0/7/disk.0 7 0\n",
                                            image, two.sshd[0].seen);
    g_autofree char *path = sandbox_text(box, "var/vms/7/transfer.0.prolog", text);
    g_assert_true(tm_init("ssh", &error));
    Served served = {.driver = tm_driver(0, 0)};
    g_assert_cmpint(pipe(served.in) | pipe(served.out), ==, 0);
    GThread *thread = g_thread_new("driver", serve, &served);
    FILE *from = fdopen(served.out[0], "r"), *to = fdopen(served.in[1], "w");
    fprintf(to, "INIT\nTRANSFER 7 %s #1.1\nTRANSFER 8 /nowhere #1.2\n", path);
    fflush(to);
    g_autofree char *first = hear(from), *second = hear(from);
    g_assert_cmpstr(first, ==, "INIT SUCCESS TAGGED");
    g_assert_true(g_str_has_prefix(second, "TRANSFER FAILURE 8 the transfer script cannot be"));
    /* In the middle of the copy. */
    for (int i = 0; i < 24000 && !two_hosts_exists("node01", "ds/0/7/disk.0.part/big"); i++)
        g_usleep(5000);
    g_assert_true(two_hosts_exists("node01", "ds/0/7/disk.0.part"));
    gint64 start = g_get_monotonic_time();
    fprintf(to, "DRIVER_CANCEL 7\n");
    fflush(to);
    g_autofree char *third = hear(from);
    g_assert_true(g_str_has_prefix(third, "TRANSFER FAILURE 7 "));
    g_assert_cmpint(g_get_monotonic_time() - start, <, 120 * G_USEC_PER_SEC);
    g_usleep(300000);
    g_assert_false(two_hosts_exists("node01", "ds/0/7/disk.0"));
    two_hosts_no_leftovers();
    fclose(to);
    g_thread_join(thread);
    fclose(from);
    close(served.in[0]);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    said = g_string_new(NULL);
    two_hosts_setup();
    g_test_add_func("/transfer/ssh/life", test_ssh_life);
    g_test_add_func("/transfer/ssh/migration", test_ssh_migration);
    g_test_add_func("/transfer/ssh/shared-after-all", test_ssh_shared_after_all);
    g_test_add_func("/transfer/ssh/refusals", test_ssh_refusals);
    g_test_add_func("/transfer/ssh/driver", test_driver);
    g_test_add_func("/transfer/ssh/disks", test_ssh_disks);
    g_test_add_func("/transfer/shared", test_shared);
    g_test_add_func("/transfer/back", test_back);
    g_test_add_func("/transfer/shared/disks", test_shared_disks);
    g_test_add_func("/transfer/shared/refusals", test_shared_refusals);
    g_test_add_func("/transfer/here", test_here);
    g_test_add_func("/transfer/monitor", test_monitor);
    int result = g_test_run();
    two_hosts_teardown();
    g_string_free(said, TRUE);
    return result;
}
