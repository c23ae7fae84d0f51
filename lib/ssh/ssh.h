/*
 * Commands on other hosts over ssh (libssh2). One session is kept open per host;
 * commands and copies run side by side as channels of it, each in the thread that
 * called. A host that hangs, or a caller that gives up, costs that caller's time
 * and nobody else's: nothing here waits without a limit. A session that died is
 * made anew for the next command; a command that had begun is never repeated.
 *
 * Host keys are checked against the known hosts (ssh_known.h) and never learned;
 * users are known by key: the agent of SSH_AUTH_SOCK, then the files of
 * ssh_config.h. Encrypted key files need the agent. A host is "host" or "user@host".
 *
 * All functions may be called from any thread.
 */
#pragma once

#include <glib.h>

typedef struct Ssh Ssh;

/* What a caller wants of a call: when to give up and whom to tell. All may be 0. */
typedef struct SshWatch {
    guint seconds;                        /* the whole call may take this long; 0: no limit */
    gboolean (*cancelled)(gpointer data); /* asked a few times a second */
    void (*progress)(guint64 bytes, gpointer data); /* bytes of input or output so far */
    gpointer data;
} SshWatch;

typedef struct SshResult {
    int status;      /* exit code; 128 + n or 255 after a signal */
    GString *out;    /* standard output, unless it was streamed */
    GString *errors; /* standard error; only the first 64 KiB are kept */
} SshResult;

void ssh_result_clear(SshResult *result);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SshResult, ssh_result_clear)

/* Also makes the process ignore SIGPIPE: a reader that goes away is an error, no end. */
Ssh *ssh_new(void);
/* No call may be under way. */
void ssh_free(Ssh *ssh);
/* How long a host may be wholly silent (no packet at all, though asked) before its session is
 * given up; the default is 45 s. Connecting and opening a channel have the same limit. */
void ssh_set_patience(Ssh *ssh, guint seconds);
/* For hosts that accept no key yet; before the first call. NULL: none. */
void ssh_set_password(Ssh *ssh, const char *password);

/*
 * Runs a command of /bin/sh on the host. TRUE: it ran, `result` tells how it ended.
 * FALSE: the host was not reached, or the call was cut; the error says which.
 * When a call is cut, the command gets end of file on its standard input, no more.
 */
gboolean ssh_run(Ssh *ssh, const char *host, const char *command, const char *input,
                 gsize input_length, const SshWatch *watch, SshResult *result, GError **error);
/* The same with standard input read from a descriptor and standard output written to one (-1:
 * none). Both are switched to non-blocking, and stay the caller's. Streamed data are not kept. */
gboolean ssh_stream(Ssh *ssh, const char *host, const char *command, int input, int output,
                    const SshWatch *watch, SshResult *result, GError **error);

/* An exit code other than 0 as an error: "host HOST: what the command said". */
gboolean ssh_result_check(const SshResult *result, const char *host, GError **error);
/* Runs a command that reads nothing; it is ended, with its children, when the call is cut. TRUE: it
 * ran, `result` tells how it ended. */
gboolean ssh_attend(Ssh *ssh, const char *host, const char *command, const SshWatch *watch,
                    SshResult *result, GError **error);
/* Runs a command that reads nothing, and expects exit code 0. It is ended, with its children,
 * when the call is cut. `out`, if given, gets its standard output. (owned) */
gboolean ssh_do(Ssh *ssh, const char *host, const char *command, const SshWatch *watch, char **out,
                GError **error);
/* One word for /bin/sh, whatever its bytes. (owned) */
char *ssh_quote(const char *word);
/* Wraps a command that may take long and reads nothing, so that it ends, with its children,
 * when the caller goes away. (owned) */
char *ssh_guarded(const char *command);
