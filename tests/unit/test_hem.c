/* one_hem: which files are run, how, and on other hosts. */
#include "drivers/hook/hook.h"
#include "tests/unit/private_sshd.h"
#include "tests/unit/sandbox.h"

#include <signal.h>

static char *script(const Sandbox *box, const char *name, const char *text, int mode)
{
    char *path = sandbox_text(box, name, text);
    g_assert_cmpint(chmod(path, (mode_t)mode), ==, 0);
    return path;
}

static char **directories_of(const Sandbox *box)
{
    char **directories = g_new0(char *, 4);
    directories[0] = sandbox_path(box, "missing");
    directories[1] = sandbox_path(box, "one");
    directories[2] = sandbox_path(box, "two");
    return directories;
}

static void expect_found(const Sandbox *box, const char *command, const char *expected)
{
    g_auto(GStrv) directories = directories_of(box);
    g_autoptr(GError) error = NULL;
    g_autofree char *path = hook_find_command(command, directories, &error);
    g_autofree char *wanted = sandbox_path(box, expected);
    g_assert_no_error(error);
    g_assert_cmpstr(path, ==, wanted);
}

static void expect_refused(const Sandbox *box, const char *command, const char *why)
{
    g_auto(GStrv) directories = directories_of(box);
    g_autoptr(GError) error = NULL;
    g_autofree char *path = hook_find_command(command, directories, &error);
    if (path || !strstr(error->message, why))
        g_error("%s: %s", command, path ? path : error->message);
}

static void test_files(void)
{
    SANDBOX(box);
    g_autofree char *a = script(&box, "one/a", "", 0755), *b = script(&box, "two/deep/b", "", 0755);
    g_autofree char *out = script(&box, "out", "", 0755),
                    *open = script(&box, "one/open", "", 0777);
    g_autofree char *link = sandbox_path(&box, "one/link"), *away = sandbox_path(&box, "one/away");
    g_autofree char *absolute = sandbox_path(&box, "two/deep/b");
    g_assert_cmpint(symlink(b, link), ==, 0);
    g_assert_cmpint(symlink(out, away), ==, 0);
    expect_found(&box, "a", "one/a");
    expect_found(&box, "deep/b", "two/deep/b");
    expect_found(&box, absolute, "two/deep/b");
    expect_refused(&box, "link", "leads out"); /* to another directory of hooks, but not its own */
    expect_refused(&box, "away", "leads out");
    expect_refused(&box, "../out", "leads out");
    expect_refused(&box, out, "leads out");
    expect_refused(&box, "open", "can be written by everybody");
    expect_refused(&box, "deep", "is no file");
    expect_refused(&box, "none", "there is no none");
}

static void run(const Sandbox *box, HookRequest *request, Ssh *ssh, HookResult *result)
{
    static const SshWatch watch = {.seconds = 60};
    g_autoptr(GError) error = NULL;
    request->directories = directories_of(box);
    gboolean ran = hook_execute(request, ssh, &watch, result, &error);
    g_assert_no_error(error);
    g_assert_true(ran);
    g_strfreev(g_steal_pointer(&request->directories));
}

static void test_words(void)
{
    SANDBOX(box);
    g_autofree char *path = script(&box, "one/a",
                                   "#!/bin/sh\nfor w; do echo \"<$w>\"; done\n"
                                   "[ ! -t 0 ] && cat; echo no >&2; exit 9\n",
                                   0755);
    static const struct {
        const char *arguments, *out;
        gboolean on_stdin;
    } cases[] = {
        {"", "", FALSE},
        {"  ", "", FALSE},
        {"a 'b c' \"d e\" f\\ g", "<a>\n<b c>\n<d e>\n<f g>\n", FALSE},
        {"$(id) `id` ; rm * > x", "<$(id)>\n<`id`>\n<;>\n<rm>\n<*>\n<>>\n<x>\n", FALSE},
        {"a 'b", "a 'b\n", TRUE},
        {"", "\n", TRUE},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        HookRequest request = {.command = (char *)"a",
                               .arguments = (char *)cases[i].arguments,
                               .on_stdin = cases[i].on_stdin,
                               /* A host that is this computer needs no ssh. */
                               .host = (char *)(i % 2 ? "localhost" : NULL)};
        g_auto(HookResult) result = {0};
        run(&box, &request, NULL, &result);
        g_assert_cmpstr(result.out->str, ==, cases[i].out);
        g_assert_cmpstr(result.errors->str, ==, "no\n");
        g_assert_cmpint(result.code, ==, 9);
        g_assert_cmpstr(result.path, ==, path);
    }
}

static void test_result(void)
{
    g_auto(HookResult)
        result = {g_strdup("/a"), -1, g_string_new_len("a\0b", 3), g_string_new(NULL)};
    g_autofree char *line = hook_result_print(&result);
    g_assert_cmpstr(line, ==, "-1 L2E= YQBi -");
}

static void test_request(void)
{
    static const char text[] =
        "<HOOK_DRIVER_ACTION_DATA><COMMAND>ft/x</COMMAND><ARGUMENTS>a &lt; b</ARGUMENTS>"
        "<ARGUMENTS_STDIN>YES</ARGUMENTS_STDIN><TIMEOUT>5</TIMEOUT><HOST/>"
        "<EXECUTION_ID>3</EXECUTION_ID><DIRECTORY>/one</DIRECTORY><DIRECTORY>/two</DIRECTORY>"
        "</HOOK_DRIVER_ACTION_DATA>";
    static const char *const wrong[] = {"", "-", "x", "PEE+", "PEEvPg=="};
    g_autofree char *coded = g_base64_encode((const guchar *)text, strlen(text));
    g_auto(HookRequest) request = {0};
    g_assert_true(hook_request_read(&request, coded, NULL));
    g_assert_cmpstr(request.command, ==, "ft/x");
    g_assert_cmpstr(request.arguments, ==, "a < b");
    g_assert_true(request.on_stdin);
    g_assert_null(request.host);
    g_assert_cmpuint(request.seconds, ==, 5);
    g_assert_cmpint(request.execution, ==, 3);
    g_assert_cmpstr(request.directories[1], ==, "/two");
    for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_auto(HookRequest) bad = {0};
        g_autoptr(GError) error = NULL;
        g_assert_false(hook_request_read(&bad, wrong[i], &error));
        g_assert_nonnull(error);
    }
}

/* ---- on other hosts ---- */

static guint left_on_host(void)
{
    g_autofree char *out = NULL;
    char *argv[] = {(char *)"/bin/sh", (char *)"-c",
                    (char *)"ls -d /var/tmp/one-hook.* 2>/dev/null | wc -l", NULL};
    g_assert_true(g_spawn_sync(NULL, argv, NULL, 0, NULL, NULL, &out, NULL, NULL, NULL));
    return (guint)g_ascii_strtoull(out, NULL, 10);
}

static void test_remote(void)
{
    if (sshd_missing()) {
        g_test_skip("needs root and sshd");
        return;
    }
    SANDBOX(box);
    PrivateSshd sshd = {0};
    sshd_setup(&sshd);
    guint before = left_on_host();
    Ssh *ssh = ssh_new();
    g_autofree char *path =
        script(&box, "one/a",
               "#!/bin/sh\necho \"$#: <$1> <$2>\"; cat; echo \"$SSH_CLIENT\" >&2; exit 5\n", 0755);
    HookRequest request = {.command = (char *)"a",
                           .arguments = (char *)"\"it's\" '$(id) ; b'",
                           .host = (char *)"node01"};
    g_auto(HookResult) result = {0};
    run(&box, &request, ssh, &result);
    g_assert_cmpstr(result.out->str, ==, "2: <it's> <$(id) ; b>\n");
    g_assert_true(g_str_has_prefix(result.errors->str, "127.0.0.1 ")); /* it was there */
    g_assert_cmpint(result.code, ==, 5);
    request.on_stdin = TRUE;
    g_auto(HookResult) read = {0};
    run(&box, &request, ssh, &read);
    g_assert_cmpstr(read.out->str, ==, "0: <> <>\n\"it's\" '$(id) ; b'\n");
    g_assert_cmpuint(left_on_host(), ==, before);
    /* What it says is cut, and it goes on. */
    g_autofree char *loud = script(&box, "one/loud",
                                   "#!/bin/sh\nhead -c 3000000 /dev/zero\n"
                                   "head -c 3000000 /dev/zero >&2\nexit 6\n",
                                   0755);
    HookRequest much = {.command = (char *)"loud", .host = (char *)"node01"};
    g_auto(HookResult) said = {0};
    run(&box, &much, ssh, &said);
    g_assert_cmpint(said.code, ==, 6);
    g_assert_cmpuint(said.out->len, >, HOOK_OUTPUT_MAX);
    g_assert_cmpuint(said.out->len, <, HOOK_OUTPUT_MAX + 50);
    g_assert_cmpuint(said.errors->len, >=, HOOK_OUTPUT_MAX);
    g_assert_cmpuint(said.errors->len, <, HOOK_OUTPUT_MAX + 50);
    /* Its time is over there too, and nothing stays. */
    g_autofree char *slow = script(&box, "one/slow", "#!/bin/sh\necho begun\nsleep 1000\n", 0755);
    static const SshWatch short_watch = {.seconds = 1};
    g_auto(HookRequest) late = {.command = g_strdup("slow"),
                                .host = g_strdup("node01"),
                                .directories = directories_of(&box)};
    g_auto(HookResult) cut = {0};
    g_assert_true(hook_execute(&late, ssh, &short_watch, &cut, NULL));
    g_assert_cmpint(cut.code, ==, -1);
    g_assert_nonnull(strstr(cut.errors->str, "it was ended"));
    g_assert_cmpuint(left_on_host(), ==, before);
    sshd_stop(&sshd);
    g_free(late.host);
    late.host = g_strdup("node02"); /* to which no session is open */
    g_autoptr(GError) error = NULL;
    g_auto(HookResult) none = {0};
    g_assert_false(hook_execute(&late, ssh, &short_watch, &none, &error));
    g_assert_nonnull(strstr(error->message, "node02"));
    ssh_free(ssh);
    sshd_teardown(&sshd);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hem/files", test_files);
    g_test_add_func("/hem/words", test_words);
    g_test_add_func("/hem/result", test_result);
    g_test_add_func("/hem/request", test_request);
    g_test_add_func("/hem/remote", test_remote);
    return g_test_run();
}
