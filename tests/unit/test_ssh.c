#include "lib/ssh/ssh.h"
#include "lib/ssh/ssh_hostkey.h"
#include "tests/unit/private_sshd.h"

#include <fcntl.h>

static PrivateSshd sshd;

static gboolean skipped(void)
{
    if (!sshd_missing())
        return FALSE;
    g_test_skip("needs root and " SSHD_PROGRAM " (package openssh-server)");
    return TRUE;
}

static void test_quote(void)
{
    static const char *const words[] = {"plain",     "",        "two words", "it's",
                                        "$(reboot)", "`id`",    "a\nb",      "-rf",
                                        "\\",        "'\"'\"'", "a;b&&c|d",  "\xc3\xa4\xff"};
    for (guint i = 0; i < G_N_ELEMENTS(words); i++) {
        g_autofree char *quoted = ssh_quote(words[i]);
        g_autofree char *command = g_strdup_printf("printf %%s %s", quoted);
        char *argv[] = {(char *)"/bin/sh", (char *)"-c", command, NULL};
        g_autofree char *out = NULL;
        g_assert_true(g_spawn_sync(NULL, argv, NULL, 0, NULL, NULL, &out, NULL, NULL, NULL));
        g_assert_cmpstr(out, ==, words[i]);
    }
}

static void test_run(void)
{
    if (skipped())
        return;
    Ssh *ssh = ssh_new();
    g_autoptr(GError) error = NULL;
    g_auto(SshResult) result = {0};
    g_assert_true(
        ssh_run(ssh, "node01", "cat; echo problem >&2; exit 7", "hello", 5, NULL, &result, &error));
    g_assert_no_error(error);
    g_assert_cmpint(result.status, ==, 7);
    g_assert_cmpstr(result.out->str, ==, "hello");
    g_assert_cmpstr(result.errors->str, ==, "problem\n");
    g_assert_false(ssh_result_check(&result, "node01", &error));
    g_assert_cmpstr(error->message, ==, "host node01: problem");
    g_clear_error(&error);
    g_auto(SshResult) killed = {0};
    g_assert_true(ssh_run(ssh, "node01", "kill -9 $$", NULL, 0, NULL, &killed, &error));
    g_assert_cmpint(killed.status, ==, 255);
    g_autofree char *out = NULL;
    g_assert_true(ssh_do(ssh, "node01", "echo $((6*7))", NULL, &out, &error));
    g_assert_no_error(error);
    g_assert_cmpstr(out, ==, "42\n");
    g_autofree char *one = NULL, *two = NULL;
    g_assert_true(ssh_do(ssh, "node01", "echo $PPID", NULL, &one, &error));
    g_assert_true(ssh_do(ssh, "node01", "echo $PPID", NULL, &two, &error));
    g_assert_cmpstr(one, ==, two); /* one session */
    ssh_free(ssh);
}

typedef struct Errand {
    Ssh *ssh;
    int number;
} Errand;

static gpointer run_errand(gpointer data)
{
    Errand *errand = data;
    for (int round = 0; round < 5; round++) {
        g_autoptr(GError) error = NULL;
        g_auto(SshResult) result = {0};
        g_autofree char *input = g_strnfill(200000 + (gsize)errand->number, 'x');
        g_autofree char *command = g_strdup_printf("sleep 0.0%d; wc -c; echo e%d >&2; exit %d",
                                                   errand->number, errand->number, errand->number);
        g_assert_true(
            ssh_run(errand->ssh, "node01", command, input, strlen(input), NULL, &result, &error));
        g_assert_no_error(error);
        g_assert_cmpint(result.status, ==, errand->number);
        g_assert_cmpint(atoi(result.out->str), ==, 200000 + errand->number);
    }
    return NULL;
}

static void test_side_by_side(void)
{
    if (skipped())
        return;
    Errand errands[8];
    GThread *threads[8];
    Ssh *ssh = ssh_new();
    for (int i = 0; i < 8; i++) {
        errands[i] = (Errand){ssh, i};
        threads[i] = g_thread_new("errand", run_errand, &errands[i]);
    }
    for (int i = 0; i < 8; i++)
        g_thread_join(threads[i]);
    ssh_free(ssh);
}

static void test_limits(void)
{
    if (skipped())
        return;
    Ssh *ssh = ssh_new();
    g_autoptr(GError) error = NULL;
    SshWatch watch = {.seconds = 1};
    gint64 start = g_get_monotonic_time();
    g_autofree char *mark = sshd_file(&sshd, "late");
    /* Seconds that name this run: what another one has left is not meant. */
    g_autofree char *sleeper = g_strdup_printf("sleep 1000.%d", (int)getpid());
    g_autofree char *command = g_strdup_printf("%s; touch %s", sleeper, mark);
    g_autofree char *look = g_strdup_printf("i=0; while pgrep -x -f '%s'; do i=$((i + 1)); "
                                            "[ $i -lt 600 ] || exit 1; sleep 0.1; done",
                                            sleeper);
    g_assert_false(ssh_do(ssh, "node01", command, &watch, NULL, &error));
    g_assert_cmpstr(error->message, ==, "not done within 1 s");
    g_assert_cmpint(g_get_monotonic_time() - start, <, 120 * G_USEC_PER_SEC);
    g_clear_error(&error);
    /* The command itself has ended too, and the session goes on. */
    g_assert_true(ssh_do(ssh, "node01", look, NULL, NULL, &error));
    g_assert_no_error(error);
    g_assert_false(g_file_test(mark, G_FILE_TEST_EXISTS));
    ssh_free(ssh);
}

static GPid server_of(Ssh *ssh)
{
    g_autoptr(GError) error = NULL;
    g_auto(SshResult) result = {0};
    g_assert_true(ssh_run(ssh, "node01", "echo $PPID", NULL, 0, NULL, &result, &error));
    g_assert_no_error(error);
    return (GPid)atoi(result.out->str);
}

static void test_reconnect(void)
{
    if (skipped())
        return;
    Ssh *ssh = ssh_new();
    g_autoptr(GError) error = NULL;
    GPid first = server_of(ssh);
    kill(first, SIGKILL);
    for (int i = 0; i < 12000 && kill(first, 0) == 0; i++)
        g_usleep(5000);
    g_usleep(50000);
    GPid second = server_of(ssh);
    g_assert_cmpint(first, !=, second);
    ssh_free(ssh);
}

static void test_hung_host(void)
{
    if (skipped())
        return;
    Ssh *ssh = ssh_new();
    ssh_set_patience(ssh, 5);
    g_autoptr(GError) error = NULL;
    GPid server = server_of(ssh);
    kill(server, SIGSTOP);
    gint64 start = g_get_monotonic_time();
    g_auto(SshResult) result = {0};
    /* The kept session is silent; a new one is made, so the command works all the same. */
    gboolean ok = ssh_run(ssh, "node01", "echo here", NULL, 0, NULL, &result, &error);
    g_assert_cmpint(g_get_monotonic_time() - start, <, 120 * G_USEC_PER_SEC);
    g_assert_no_error(error);
    g_assert_true(ok);
    kill(server, SIGKILL);
    /* A command under way when the host hangs ends with an error. */
    server = server_of(ssh);
    g_autofree char *left = sshd_file(&sshd, "left");
    g_autofree char *stop =
        g_strdup_printf("echo $$ >%s; kill -STOP %d; exec sleep 600", left, (int)server);
    start = g_get_monotonic_time();
    g_auto(SshResult) other = {0};
    g_assert_false(ssh_run(ssh, "node01", stop, NULL, 0, NULL, &other, &error));
    g_assert_cmpint(g_get_monotonic_time() - start, <, 120 * G_USEC_PER_SEC);
    g_assert_cmpstr(error->message, ==, "host node01 does not answer: no packet for 5 s");
    kill(server, SIGKILL);
    g_autofree char *pid = NULL;
    g_assert_true(g_file_get_contents(left, &pid, NULL, NULL));
    g_assert_cmpint(atoi(pid), >, 1);
    kill(atoi(pid), SIGKILL);
    ssh_free(ssh);
}

static gpointer close_later(gpointer data)
{
    g_usleep(100000);
    close(GPOINTER_TO_INT(data));
    return NULL;
}

static void test_stream(void)
{
    if (skipped())
        return;
    Ssh *ssh = ssh_new();
    g_autoptr(GError) error = NULL;
    g_autofree char *from = sshd_file(&sshd, "from"), *to = sshd_file(&sshd, "to");
    gsize size = 40 * 1024 * 1024 + 13;
    g_autofree char *content = g_malloc(size);
    for (gsize i = 0; i + 4 <= size; i += 4)
        *(guint32 *)(void *)(content + i) = (guint32)(i * 2654435761u);
    g_assert_true(g_file_set_contents(from, content, (gssize)size, NULL));
    int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    g_auto(SshResult) result = {0};
    /* There and back in one channel, over two changes of keys. */
    g_assert_true(ssh_stream(ssh, "node01", "cat", in, out, NULL, &result, &error));
    g_assert_no_error(error);
    g_assert_cmpint(result.status, ==, 0);
    close(in);
    close(out);
    g_autofree char *copy = NULL;
    gsize copy_size = 0;
    g_assert_true(g_file_get_contents(to, &copy, &copy_size, NULL));
    g_assert_cmpuint(copy_size, ==, size);
    g_assert_cmpint(memcmp(copy, content, size), ==, 0);
    /* A command that ends before it has read all. */
    in = open(from, O_RDONLY);
    g_auto(SshResult) early = {0};
    g_assert_true(ssh_stream(ssh, "node01", "head -c 1 >/dev/null; echo enough >&2; exit 3", in, -1,
                             NULL, &early, &error));
    g_assert_no_error(error);
    g_assert_cmpint(early.status, ==, 3);
    close(in);
    /* Input that comes late, from a pipe. */
    int ends[2];
    g_assert_cmpint(pipe(ends), ==, 0);
    g_autoptr(GThread) closer = g_thread_new("closer", close_later, GINT_TO_POINTER(ends[1]));
    g_auto(SshResult) late = {0};
    g_assert_true(ssh_stream(ssh, "node01", "wc -c", ends[0], -1, NULL, &late, &error));
    g_assert_cmpstr(late.out->str, ==, "0\n");
    g_thread_join(g_steal_pointer(&closer));
    close(ends[0]);
    ssh_free(ssh);
}

static void expect_refusal(const char *text)
{
    Ssh *ssh = ssh_new();
    g_autoptr(GError) error = NULL;
    g_auto(SshResult) result = {0};
    g_assert_false(ssh_run(ssh, "node01", "true", NULL, 0, NULL, &result, &error));
    g_assert_nonnull(error);
    if (strstr(error->message, text) == NULL)
        g_error("\"%s\" does not hold \"%s\"", error->message, text);
    ssh_free(ssh);
}

static void test_host_key(void)
{
    if (skipped())
        return;
    sshd_stop(&sshd);
    sshd_make_key(&sshd, "host_key");
    sshd_start(&sshd);
    expect_refusal("has changed");
    expect_refusal("ssh-keygen -R");
    sshd_write(&sshd, "known_hosts", "# empty\n");
    expect_refusal("is not known");
    expect_refusal("ssh-keyscan -p");
    sshd_trust(&sshd);
    Ssh *ssh = ssh_new();
    g_autoptr(GError) error = NULL;
    g_assert_true(ssh_do(ssh, "node01", "true", NULL, NULL, &error));
    g_assert_no_error(error);
    ssh_free(ssh);
}

/* A first meeting: the key is shown, pinned once, and then accepted by everything else. */
static void test_first_meeting(void)
{
    if (skipped())
        return;
    g_autofree char *path = sshd_file(&sshd, "known_hosts");
    g_autofree char *before = NULL, *after = NULL;
    g_auto(SshHostKey) key = {0};
    g_auto(SshHostKey) again = {0};
    g_autoptr(GError) error = NULL;
    g_assert_true(g_file_get_contents(path, &before, NULL, NULL));
    sshd_write(&sshd, "known_hosts", "other ssh-ed25519 AAAA"); /* the last line without an end */
    g_assert_true(ssh_hostkey_ask("root@node01", 10, &key, &error));
    g_assert_no_error(error);
    g_assert_cmpint(key.trust, ==, SSH_KEY_UNKNOWN);
    g_assert_cmpstr(key.type, ==, "ssh-ed25519");
    g_assert_cmpstr(key.address, ==, "127.0.0.1");
    g_assert_nonnull(strstr(key.distrust->message, key.print));
    g_assert_true(ssh_hostkey_pin(&key, &error));
    g_assert_false(ssh_hostkey_pin(&key, &error)); /* it is known now */
    g_clear_error(&error);
    g_assert_true(g_file_get_contents(path, &after, NULL, NULL));
    g_assert_true(g_str_has_prefix(after, "other ssh-ed25519 AAAA\n[127.0.0.1]:"));
    g_assert_true(ssh_hostkey_ask("node01", 10, &again, &error));
    g_assert_cmpint(again.trust, ==, SSH_KEY_TRUSTED);
    g_assert_null(again.distrust);
    Ssh *ssh = ssh_new();
    g_assert_true(ssh_do(ssh, "root@node01", "true", NULL, NULL, &error));
    g_assert_no_error(error);
    g_assert_false(ssh_do(ssh, "nobody-here@node01", "true", NULL, NULL, &error));
    g_assert_nonnull(strstr(error->message, "keys of user nobody-here"));
    ssh_free(ssh);
    sshd_write(&sshd, "known_hosts", "%s", before);
}

static void test_no_key(void)
{
    if (skipped())
        return;
    g_autofree char *good = g_strdup(g_getenv("SSH_IDENTITY"));
    g_setenv("SSH_IDENTITY", "/nowhere/id", TRUE);
    expect_refusal("accepts none of the keys of user root");
    g_setenv("SSH_IDENTITY", good, TRUE);
    sshd_stop(&sshd);
    expect_refusal("host node01 cannot be reached");
    sshd_start(&sshd);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (!sshd_missing())
        sshd_setup(&sshd);
    g_test_add_func("/ssh/quote", test_quote);
    g_test_add_func("/ssh/run", test_run);
    g_test_add_func("/ssh/side-by-side", test_side_by_side);
    g_test_add_func("/ssh/stream", test_stream);
    g_test_add_func("/ssh/limits", test_limits);
    g_test_add_func("/ssh/reconnect", test_reconnect);
    g_test_add_func("/ssh/hung-host", test_hung_host);
    g_test_add_func("/ssh/host-key", test_host_key);
    g_test_add_func("/ssh/first-meeting", test_first_meeting);
    g_test_add_func("/ssh/no-key", test_no_key);
    int result = g_test_run();
    if (!sshd_missing())
        sshd_teardown(&sshd);
    return result;
}
