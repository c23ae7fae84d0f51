/*
 * One authenticated ssh connection that several threads share; for ssh.c only.
 *
 * libssh2 allows one call at a time on a session, so `lock` is held around each.
 * The session is non-blocking. A thread that must wait gives up the lock; one of the
 * waiting threads watches the socket, and wakes the others through their eventfd
 * when packets arrived, since they may have been for them. A packet that is only half sent
 * must be finished before anything else is sent: that thread waits with the lock held.
 */
#pragma once

#include "lib/ssh/ssh.h"
#include "lib/ssh/ssh_config.h"
#include "lib/ssh/ssh_known.h"

#include <gio/gio.h>
#include <libssh2.h>
#include <poll.h>

typedef struct SshSession {
    gatomicrefcount references;
    char *host; /* as the caller calls it */
    GMutex lock;
    LIBSSH2_SESSION *raw;
    GSocketConnection *connection;
    int fd;
    guint patience;   /* seconds */
    GList *waiters;   /* of SshWaiter */
    guint users;      /* calls under way */
    gboolean watched; /* a thread watches the socket */
    gboolean opening; /* a channel is being opened: libssh2 has one place for that */
    gboolean lost;    /* the socket ended or broke */
    gboolean dead;    /* no call may use it any more; sending and receiving fail at once */
    guint64 received, announced;           /* bytes; what the waiters have been told of */
    gint64 received_at, sent_at, asked_at; /* monotonic, microseconds */
} SshSession;

/* A thread in the middle of a call. */
typedef struct SshWaiter {
    int event;       /* eventfd */
    gint64 deadline; /* monotonic, microseconds; 0: none */
    const SshWatch *watch;
} SshWaiter;

gboolean ssh_waiter_init(SshWaiter *waiter, const SshWatch *watch, GError **error);
void ssh_waiter_clear(SshWaiter *waiter);
/* FALSE with an error when the time is over or the caller gave up. */
gboolean ssh_waiter_may_go_on(const SshWaiter *waiter, GError **error);

/* Connects and exchanges keys, no more: the host's key is neither known nor checked, and nobody
 * is authenticated. `known` decides only which type of key is asked for. (owned) */
SshSession *ssh_session_greet(const char *host, const SshOptions *options, const SshKnown *known,
                              guint patience, SshWaiter *waiter, GError **error);
/* The key that the host showed, NULL with an error when it showed none. (borrowed) */
const guint8 *ssh_session_hostkey(SshSession *session, gsize *length, GError **error);
/* Connects, checks the host's key and authenticates; with the password (may be NULL) when no key
 * is accepted. (owned) */
SshSession *ssh_session_open(const char *host, const char *password, guint patience,
                             SshWaiter *waiter, GError **error);
SshSession *ssh_session_ref(SshSession *session);
void ssh_session_unref(SshSession *session);

/* All of these with the lock held. */

/* After a libssh2 call returned `code`: TRUE when the very same call is to be made again at
 * once. FALSE with `*failed` FALSE: the call is done, or must wait for the host. */
gboolean ssh_session_again(SshSession *session, const SshWaiter *waiter, gssize code,
                           gboolean *failed, GError **error);
/* Waits a moment for packets, for `others` (two descriptors of the caller, events 0: not
 * wanted), for the wake-up of another thread, or for the next look at the clock. */
gboolean ssh_session_wait(SshSession *session, SshWaiter *waiter, struct pollfd others[2],
                          GError **error);
/* When a call ends: what is left of it concerns the others. */
void ssh_session_wake_all(SshSession *session);
/* Marks the session unusable and sets the error "HOST: WHAT: libssh2's text". */
void ssh_session_fail(SshSession *session, const char *what, GError **error);
