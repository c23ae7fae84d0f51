/*
 * A private sshd for tests: its own port on 127.0.0.1, host key, authorized key
 * and list of known hosts, all in a temporary directory. Every host name leads to
 * it, by the ssh configuration that the environment names.
 */
#pragma once

#include <glib.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define SSHD_PROGRAM "/usr/sbin/sshd"

/* For the leak checker: libssh2 1.10 forgets the host's key (51 bytes) at each change of keys,
 * which this sshd asks for much more often than others. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libssh2.so";
}

typedef struct PrivateSshd {
    char *directory;
    guint port;
    GPid pid;
    /* When set, this sshd and its commands see the directory `own` in the place of `seen`, as
     * another computer would. */
    char *own, *seen;
} PrivateSshd;

static inline char *sshd_file(const PrivateSshd *sshd, const char *name)
{
    return g_build_filename(sshd->directory, name, NULL);
}

static inline void sshd_write(const PrivateSshd *sshd, const char *name, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
static inline void sshd_write(const PrivateSshd *sshd, const char *name, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_autofree char *path = sshd_file(sshd, name);
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

/* Below those ports that the kernel gives to outgoing connections, so that nobody gets it by
 * chance. sshd itself finds out whether it is free. */
static inline guint sshd_random_port(void)
{
    g_autoptr(GRand) random = g_rand_new();
    return (guint)g_rand_int_range(random, 10000, 32000);
}

/* Makes a key pair; with the same name again, a new one. */
static inline void sshd_make_key(const PrivateSshd *sshd, const char *name)
{
    g_autofree char *path = sshd_file(sshd, name);
    g_autofree char *public_path = g_strconcat(path, ".pub", NULL);
    g_unlink(path);
    g_unlink(public_path);
    char *argv[] = {(char *)"ssh-keygen", (char *)"-q", (char *)"-t",
                    (char *)"ed25519",    (char *)"-N", (char *)"",
                    (char *)"-f",         path,         NULL};
    int status = 0;
    g_assert_true(
        g_spawn_sync(NULL, argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, &status, NULL));
    g_assert_cmpint(status, ==, 0);
}

/* Lists the present host key as known, under the address that the tests use. */
static inline void sshd_trust(const PrivateSshd *sshd)
{
    g_autofree char *path = sshd_file(sshd, "host_key.pub");
    g_autofree char *key = NULL;
    g_assert_true(g_file_get_contents(path, &key, NULL, NULL));
    sshd_write(sshd, "known_hosts", "[127.0.0.1]:%u %s", sshd->port, key);
}

/* sshd writes its number once it listens; that somebody answers at the port would not say who. */
static inline gboolean sshd_listens(const PrivateSshd *sshd)
{
    g_autofree char *path = sshd_file(sshd, "pid");
    g_autofree char *text = NULL;
    return g_file_get_contents(path, &text, NULL, NULL) && strchr(text, '\n') != NULL;
}

static inline void sshd_ends_with_us(gpointer unused)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* FALSE when it ended at once, as it does when its port is taken. */
static inline gboolean sshd_try(PrivateSshd *sshd)
{
    static const char script[] = "[ -z \"$2\" ] || mount --bind \"$2\" \"$3\" || exit 1\n"
                                 "exec " SSHD_PROGRAM " -D -e -f \"$1\"";
    g_autofree char *config = sshd_file(sshd, "sshd_config");
    const char *argv[] = {"unshare",
                          "--mount",
                          "/bin/sh",
                          "-c",
                          script,
                          "sshd",
                          config,
                          sshd->own != NULL ? sshd->own : "",
                          sshd->seen != NULL ? sshd->seen : "",
                          NULL};
    g_autofree char *pid = sshd_file(sshd, "pid");
    g_unlink(pid);
    GError *error = NULL;
    g_spawn_async(NULL, (char **)(sshd->own != NULL ? argv : argv + 2), NULL,
                  G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDERR_TO_DEV_NULL |
                      G_SPAWN_STDOUT_TO_DEV_NULL,
                  sshd_ends_with_us, NULL, &sshd->pid, &error);
    g_assert_no_error(error);
    for (int i = 0; i < 12000 && !sshd_listens(sshd); i++) {
        if (waitpid(sshd->pid, NULL, WNOHANG) == sshd->pid) {
            sshd->pid = 0;
            return FALSE;
        }
        g_usleep(10000);
    }
    g_assert_true(sshd_listens(sshd));
    return TRUE;
}

/* Again at the port that it had. */
static inline void sshd_start(PrivateSshd *sshd)
{
    g_assert_true(sshd_try(sshd));
}

static inline void sshd_stop(PrivateSshd *sshd)
{
    if (sshd->pid == 0)
        return;
    kill(sshd->pid, SIGKILL);
    waitpid(sshd->pid, NULL, 0);
    sshd->pid = 0;
}

/* TRUE when a test that needs an sshd must be skipped. */
static inline gboolean sshd_missing(void)
{
    return getuid() != 0 || !g_file_test(SSHD_PROGRAM, G_FILE_TEST_IS_EXECUTABLE);
}

static inline void sshd_configure(PrivateSshd *sshd, guint port)
{
    sshd->port = port;
    const char *d = sshd->directory;
    sshd_write(sshd, "sshd_config",
               "Port %u\nListenAddress 127.0.0.1\nHostKey %s/host_key\nPidFile %s/pid\n"
               "AuthorizedKeysFile %s/user_key.pub\nStrictModes no\nUsePAM no\n"
               "PermitRootLogin prohibit-password\nPasswordAuthentication no\n"
               "MaxSessions 20\nRekeyLimit 16M\nSubsystem sftp internal-sftp\n"
               /* HOME: what the user's own shell does at each start is not what is tested. */
               "SetEnv PATH=%s/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin HOME=%s\n",
               port, d, d, d, d, d);
    sshd_write(sshd, "config", "Host *\n  HostName 127.0.0.1\n  Port %u\n  User root\n", port);
    sshd_trust(sshd);
}

static inline void sshd_setup(PrivateSshd *sshd)
{
    sshd->directory = g_dir_make_tmp("globule-sshd-XXXXXX", NULL);
    g_mkdir_with_parents("/run/sshd", 0755);
    sshd_make_key(sshd, "host_key");
    sshd_make_key(sshd, "user_key");
    g_autofree char *config = sshd_file(sshd, "config");
    g_autofree char *known = sshd_file(sshd, "known_hosts");
    g_autofree char *key = sshd_file(sshd, "user_key");
    g_setenv("SSH_CONFIG", config, TRUE);
    g_setenv("SSH_KNOWN_HOSTS", known, TRUE);
    g_setenv("SSH_IDENTITY", key, TRUE);
    gboolean up = FALSE;
    for (int tries = 20; tries > 0 && !up; tries--) {
        sshd_configure(sshd, sshd_random_port());
        up = sshd_try(sshd);
    }
    g_assert_true(up);
}

static inline void sshd_teardown(PrivateSshd *sshd)
{
    sshd_stop(sshd);
    char *argv[] = {(char *)"rm", (char *)"-rf", sshd->directory, NULL};
    g_spawn_sync(NULL, argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL);
    g_free(sshd->directory);
}
