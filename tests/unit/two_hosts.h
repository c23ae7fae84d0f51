/*
 * Two other computers for tests, node01 and node02: private sshds of this one, each of
 * which sees a directory of its own in the place of the datastores.
 */
#pragma once

#include "lib/ssh/ssh.h"
#include "tests/unit/private_sshd.h"
#include "tests/unit/sandbox.h"

typedef struct TwoHosts {
    Sandbox box;
    PrivateSshd sshd[2];
    Ssh *ssh;
    const char *reason; /* why there are none */
} TwoHosts;

static TwoHosts two;

/* The file of a host as this computer sees it. (owned) */
static inline char *two_hosts_path(const char *host, const char *path)
{
    g_assert_true(g_str_has_prefix(path, "ds/"));
    return g_build_filename(two.box.root, host, path + 3, NULL);
}

static inline gboolean two_hosts_can_unshare(void)
{
    char *argv[] = {(char *)"unshare", (char *)"--mount", (char *)"true", NULL};
    int status = -1;
    return g_spawn_sync(NULL, argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL, NULL,
                        NULL, NULL, NULL, &status, NULL) &&
           status == 0;
}

static inline void two_hosts_write_config(void)
{
    g_autofree char *one = sshd_file(&two.sshd[0], "known_hosts");
    g_autofree char *other = sshd_file(&two.sshd[1], "known_hosts");
    g_autofree char *one_text = NULL, *other_text = NULL;
    g_assert_true(g_file_get_contents(one, &one_text, NULL, NULL));
    g_assert_true(g_file_get_contents(other, &other_text, NULL, NULL));
    sshd_write(&two.sshd[0], "known_hosts", "%s%s", one_text, other_text);
    sshd_write(&two.sshd[0], "config",
               "Host node01\n Port %u\n IdentityFile %s/user_key\n"
               "Host node02\n Port %u\n IdentityFile %s/user_key\n"
               "Host *\n HostName 127.0.0.1\n User root\n UserKnownHostsFile %s\n",
               two.sshd[0].port, two.sshd[0].directory, two.sshd[1].port, two.sshd[1].directory,
               one);
    g_autofree char *config = sshd_file(&two.sshd[0], "config");
    g_setenv("SSH_CONFIG", config, TRUE);
    g_unsetenv("SSH_KNOWN_HOSTS");
    g_unsetenv("SSH_IDENTITY");
    g_unsetenv("SSH_AUTH_SOCK");
}

static inline void two_hosts_setup(void)
{
    if (sshd_missing())
        two.reason = "needs root and " SSHD_PROGRAM " (package openssh-server)";
    else if (!two_hosts_can_unshare())
        two.reason = "needs the right to make mount namespaces";
    if (two.reason != NULL)
        return;
    sandbox_init(&two.box);
    for (guint i = 0; i < 2; i++) {
        two.sshd[i].own = g_strdup_printf("%s/node0%u", two.box.root, i + 1);
        two.sshd[i].seen = g_build_filename(two.box.root, "ds", NULL);
        g_mkdir_with_parents(two.sshd[i].own, 0755);
        sshd_setup(&two.sshd[i]);
    }
    two_hosts_write_config();
    two.ssh = ssh_new();
}

static inline void two_hosts_teardown(void)
{
    if (two.reason != NULL)
        return;
    ssh_free(two.ssh);
    for (guint i = 0; i < 2; i++) {
        sshd_teardown(&two.sshd[i]);
        g_free(two.sshd[i].own);
        g_free(two.sshd[i].seen);
    }
    sandbox_clear(&two.box);
}

static inline gboolean two_hosts_skip(void)
{
    if (two.reason != NULL)
        g_test_skip(two.reason);
    return two.reason != NULL;
}

/* Empties the datastores of all three. */
static inline void two_hosts_clean(void)
{
    g_autofree char *command =
        g_strdup_printf("cd '%s' && find ds node01 node02 -mindepth 1 -delete", two.box.root);
    char *argv[] = {(char *)"/bin/sh", (char *)"-c", command, NULL};
    g_spawn_sync(NULL, argv, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL);
}

/* Whether the hosts' own ssh finds the other: a wrapper in the PATH of their commands. */
static inline void two_hosts_let_them_reach_each_other(gboolean reach)
{
    for (guint i = 0; i < 2; i++) {
        g_autofree char *bin = sshd_file(&two.sshd[i], "bin");
        g_autofree char *wrapper = g_build_filename(bin, "ssh", NULL);
        g_unlink(wrapper);
        if (!reach)
            continue;
        g_mkdir_with_parents(bin, 0755);
        sshd_write(&two.sshd[i], "bin/ssh", "#!/bin/sh\nexec /usr/bin/ssh -F %s/config \"$@\"\n",
                   two.sshd[0].directory);
        g_assert_cmpint(g_chmod(wrapper, 0755), ==, 0);
    }
}

static inline gboolean two_hosts_exists(const char *host, const char *path)
{
    g_autofree char *whole = two_hosts_path(host, path);
    return g_file_test(whole, G_FILE_TEST_EXISTS);
}

/* The host has that file, like `original`, and at most so much of it is on the disk. */
static inline void two_hosts_expect(const char *host, const char *path, const char *original,
                                    gint64 kib_max)
{
    g_autofree char *whole = two_hosts_path(host, path);
    g_assert_true(sandbox_same(whole, original));
    g_assert_cmpint(sandbox_kib(whole), <=, kib_max);
}

/* Waits a moment for the commands of hosts that lost their caller. */
static inline void two_hosts_no_leftovers(void)
{
    g_autofree char *command = g_strdup_printf(
        "cd '%s'; for i in 1 2 3 4 5 6 7 8 9 10; do"
        " [ -n \"$(find . -name '*.part' -o -name '*.moved' -o -name '*-*-*-*-*')\" ] || exit 0;"
        " sleep 0.3; done; find . -name '*.part' -o -name '*.moved' -o -name '*-*-*-*-*'",
        two.box.root);
    char *argv[] = {(char *)"/bin/sh", (char *)"-c", command, NULL};
    g_autofree char *out = NULL;
    g_spawn_sync(NULL, argv, NULL, 0, NULL, NULL, &out, NULL, NULL, NULL);
    g_assert_cmpstr(out, ==, "");
}
