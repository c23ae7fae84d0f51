#include "lib/ssh/ssh_session.h"

#include "lib/base/error.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* How often a waiting thread looks at the clock and asks its caller. */
#define TICK_MS 200
/* The same of a thread that nobody limits: it only has to keep an eye on the host. */
#define LONG_TICK_MS 2000
/* A host that is silent for this long is asked for a sign of life. */
#define ASK_AFTER_SECONDS 10

gboolean ssh_waiter_init(SshWaiter *waiter, const SshWatch *watch, GError **error)
{
    waiter->watch = watch;
    waiter->deadline = watch != NULL && watch->seconds > 0
                           ? g_get_monotonic_time() + (gint64)watch->seconds * G_USEC_PER_SEC
                           : 0;
    waiter->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (waiter->event >= 0)
        return TRUE;
    g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "cannot make an event descriptor: %s",
                g_strerror(errno));
    return FALSE;
}

void ssh_waiter_clear(SshWaiter *waiter)
{
    if (waiter->event >= 0)
        close(waiter->event);
    waiter->event = -1;
}

gboolean ssh_waiter_may_go_on(const SshWaiter *waiter, GError **error)
{
    if (waiter->watch != NULL && waiter->watch->cancelled != NULL &&
        waiter->watch->cancelled(waiter->watch->data)) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_TIMEOUT, "cancelled");
        return FALSE;
    }
    if (waiter->watch != NULL && waiter->deadline != 0 &&
        g_get_monotonic_time() > waiter->deadline) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_TIMEOUT, "not done within %u s",
                    waiter->watch->seconds);
        return FALSE;
    }
    return TRUE;
}

/* ---- bytes in and out, counted ---- */

static ssize_t receive_bytes(libssh2_socket_t fd, void *buffer, size_t length, int flags,
                             void **abstract)
{
    SshSession *session = *abstract;
    if (session->dead)
        return 0;
    ssize_t got = recv(fd, buffer, length, flags);
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return -EAGAIN;
    if (got <= 0) {
        session->lost = TRUE;
        return got == 0 ? 0 : -errno;
    }
    session->received += (guint64)got;
    session->received_at = g_get_monotonic_time();
    return got;
}

static ssize_t send_bytes(libssh2_socket_t fd, const void *buffer, size_t length, int flags,
                          void **abstract)
{
    SshSession *session = *abstract;
    if (session->dead)
        return -ECONNRESET;
    ssize_t sent = send(fd, buffer, length, flags | MSG_NOSIGNAL);
    if (sent < 0 && (errno == EINTR || errno == EAGAIN))
        return -EAGAIN;
    if (sent < 0) {
        session->lost = TRUE;
        return -errno;
    }
    session->sent_at = g_get_monotonic_time();
    return sent;
}

void ssh_session_fail(SshSession *session, const char *what, GError **error)
{
    char *text = NULL;
    int length = 0;
    libssh2_session_last_error(session->raw, &text, &length, 0);
    const char *cause = length > 0 ? text : "no reason given";
    if (error != NULL && *error == NULL && session->lost)
        g_set_error(error, ONE_ERROR, ONE_ERROR_UNREACHABLE,
                    "host %s: the connection was lost (%s: %s)", session->host, what, cause);
    else if (error != NULL && *error == NULL)
        g_set_error(error, ONE_ERROR, ONE_ERROR_UNREACHABLE, "host %s: %s: %s", session->host, what,
                    cause);
    session->dead = TRUE;
}

static void fail_silent(SshSession *session, GError **error)
{
    session->dead = TRUE;
    g_set_error(error, ONE_ERROR, ONE_ERROR_UNREACHABLE,
                "host %s does not answer: no packet for %u s", session->host, session->patience);
}

static gboolean too_long_since(gint64 then, guint seconds)
{
    return g_get_monotonic_time() - then > (gint64)seconds * G_USEC_PER_SEC;
}

/* Asks a silent host for a sign of life; gives it up after `patience` seconds. */
static gboolean still_alive(SshSession *session, GError **error)
{
    gint64 quiet_since = MAX(session->received_at, session->asked_at);
    if (session->asked_at > session->received_at &&
        too_long_since(session->asked_at, session->patience)) {
        fail_silent(session, error);
        return FALSE;
    }
    /* Asked at most once until it answers, so `asked_at` tells how long it owes the answer. */
    if (session->asked_at <= session->received_at &&
        too_long_since(quiet_since, MIN(ASK_AFTER_SECONDS, session->patience / 2 + 1))) {
        struct pollfd room = {.fd = session->fd, .events = POLLOUT};
        int next = 0;
        if (poll(&room, 1, 0) == 1 && (room.revents & POLLOUT) != 0)
            libssh2_keepalive_send(session->raw, &next);
        session->asked_at = g_get_monotonic_time();
    }
    return TRUE;
}

gboolean ssh_session_again(SshSession *session, const SshWaiter *waiter, gssize code,
                           gboolean *failed, GError **error)
{
    *failed = FALSE;
    if (code != LIBSSH2_ERROR_EAGAIN ||
        (libssh2_session_block_directions(session->raw) & LIBSSH2_SESSION_BLOCK_OUTBOUND) == 0)
        return FALSE;
    gint64 since = g_get_monotonic_time();
    for (;;) {
        /* A packet stays half sent if this is cut, so the session is lost with it. */
        if (!ssh_waiter_may_go_on(waiter, error)) {
            session->dead = TRUE;
            break;
        }
        if (too_long_since(MAX(since, session->sent_at), session->patience)) {
            fail_silent(session, error);
            break;
        }
        struct pollfd room = {.fd = session->fd, .events = POLLOUT};
        if (poll(&room, 1, TICK_MS) > 0)
            return TRUE;
    }
    *failed = TRUE;
    return FALSE;
}

/* ---- waiting ---- */

static void wake(const SshWaiter *waiter)
{
    guint64 one = 1;
    if (write(waiter->event, &one, sizeof one) < 0) {
        /* The counter is full: the thread is being woken anyway. */
    }
}

static void wake_others(SshSession *session, const SshWaiter *self, gboolean all)
{
    for (GList *at = session->waiters; at != NULL; at = at->next) {
        if (at->data == self)
            continue;
        wake(at->data);
        if (!all)
            return;
    }
}

void ssh_session_wake_all(SshSession *session)
{
    wake_others(session, NULL, TRUE);
}

gboolean ssh_session_wait(SshSession *session, SshWaiter *waiter, struct pollfd others[2],
                          GError **error)
{
    if (!ssh_waiter_may_go_on(waiter, error))
        return FALSE;
    if (session->dead) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_UNREACHABLE, "host %s: the connection was lost",
                    session->host);
        return FALSE;
    }
    if (!still_alive(session, error)) {
        wake_others(session, waiter, TRUE);
        return FALSE;
    }
    if (session->announced != session->received) {
        session->announced = session->received;
        wake_others(session, waiter, TRUE);
    }
    gboolean watching = !session->watched;
    gboolean limited =
        waiter->watch != NULL && (waiter->deadline != 0 || waiter->watch->cancelled != NULL);
    struct pollfd set[4] = {
        {.fd = waiter->event, .events = POLLIN},
        {.fd = others[0].events != 0 ? others[0].fd : -1, .events = others[0].events},
        {.fd = others[1].events != 0 ? others[1].fd : -1, .events = others[1].events},
        {.fd = watching ? session->fd : -1, .events = POLLIN},
    };
    if (watching)
        session->watched = TRUE;
    session->waiters = g_list_append(session->waiters, waiter);
    g_mutex_unlock(&session->lock);
    poll(set, G_N_ELEMENTS(set), limited ? TICK_MS : LONG_TICK_MS);
    g_mutex_lock(&session->lock);
    session->waiters = g_list_remove(session->waiters, waiter);
    guint64 count;
    if ((set[0].revents & POLLIN) != 0 && read(waiter->event, &count, sizeof count) < 0) {
        /* Somebody else's wake-up was already taken: nothing to do. */
    }
    if (watching) {
        session->watched = FALSE;
        wake_others(session, waiter, FALSE); /* the next one to watch the socket */
    }
    return TRUE;
}

/* ---- connecting ---- */

typedef struct Connecting {
    const SshWaiter *waiter;
    gint64 deadline;
    GCancellable *cancellable;
    GSocketConnection *connection;
    GError *error;
    gboolean done;
} Connecting;

static void connected(GObject *source, GAsyncResult *result, gpointer data)
{
    Connecting *connecting = data;
    connecting->connection =
        g_socket_client_connect_to_host_finish(G_SOCKET_CLIENT(source), result, &connecting->error);
    connecting->done = TRUE;
}

static gboolean look_at_clock(gpointer data)
{
    Connecting *connecting = data;
    if (g_get_monotonic_time() > connecting->deadline ||
        !ssh_waiter_may_go_on(connecting->waiter, NULL))
        g_cancellable_cancel(connecting->cancellable);
    return G_SOURCE_CONTINUE;
}

/* Name resolution and connection, cut by the deadline wherever they hang. */
static GSocketConnection *connect_socket(const SshOptions *options, guint seconds,
                                         const SshWaiter *waiter, GError **error)
{
    g_autoptr(GMainContext) context = g_main_context_new();
    g_autoptr(GSocketClient) client = g_socket_client_new();
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    Connecting connecting = {.waiter = waiter,
                             .cancellable = cancellable,
                             .deadline = g_get_monotonic_time() + (gint64)seconds * G_USEC_PER_SEC};
    g_main_context_push_thread_default(context);
    g_socket_client_set_enable_proxy(client, FALSE);
    g_autoptr(GSource) clock = g_timeout_source_new(TICK_MS);
    g_source_set_callback(clock, look_at_clock, &connecting, NULL);
    g_source_attach(clock, context);
    g_socket_client_connect_to_host_async(client, options->host_name, (guint16)options->port,
                                          cancellable, connected, &connecting);
    while (!connecting.done)
        g_main_context_iteration(context, TRUE);
    g_source_destroy(clock);
    g_main_context_pop_thread_default(context);
    if (connecting.connection != NULL)
        return connecting.connection;
    g_autoptr(GError) cause = connecting.error;
    if (!g_error_matches(cause, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        g_set_error(error, ONE_ERROR, ONE_ERROR_UNREACHABLE, "%s port %u: %s", options->host_name,
                    options->port, cause->message);
    else if (ssh_waiter_may_go_on(waiter, error))
        g_set_error(error, ONE_ERROR, ONE_ERROR_UNREACHABLE,
                    "%s port %u: no connection within %u s", options->host_name, options->port,
                    seconds);
    return NULL;
}

/* A peer that vanished is noticed by the kernel even when nothing is sent. */
static void tune_socket(int fd)
{
    const int on = 1, idle = 20, interval = 5, count = 4;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* For steps before the session is shared: waits for whatever libssh2 waits for. FALSE: done or
 * failed, as `*failed` tells. */
static gboolean step_again(SshSession *session, const SshWaiter *waiter, gint64 deadline, int code,
                           gboolean *failed, GError **error)
{
    *failed = FALSE;
    if (code != LIBSSH2_ERROR_EAGAIN)
        return FALSE;
    if (!ssh_waiter_may_go_on(waiter, error)) {
        *failed = TRUE;
    } else if (g_get_monotonic_time() > deadline) {
        fail_silent(session, error);
        *failed = TRUE;
    }
    if (*failed)
        return FALSE;
    int directions = libssh2_session_block_directions(session->raw);
    struct pollfd set = {.fd = session->fd,
                         .events = (short)((directions & LIBSSH2_SESSION_BLOCK_OUTBOUND) != 0
                                               ? POLLIN | POLLOUT
                                               : POLLIN)};
    poll(&set, 1, TICK_MS);
    return TRUE;
}

static gint64 patience_ends(const SshSession *session)
{
    return g_get_monotonic_time() + (gint64)session->patience * G_USEC_PER_SEC;
}

/* Sets the order of preference. Names that this libssh2 does not know are left out here: it would
 * leave them out itself, but 1.10 copies over itself while doing so. */
static void prefer(LIBSSH2_SESSION *raw, int method, const char *names)
{
    const char **supported = NULL;
    int count = libssh2_session_supported_algs(raw, method, &supported);
    g_auto(GStrv) wanted = g_strsplit(names, ",", -1);
    g_autoptr(GString) known = g_string_new(NULL);
    for (guint i = 0; wanted[i] != NULL; i++)
        for (int j = 0; j < count; j++)
            if (g_str_equal(wanted[i], supported[j]))
                g_string_append_printf(known, "%s%s", known->len > 0 ? "," : "", wanted[i]);
    if (count > 0)
        libssh2_free(raw, supported);
    if (known->len > 0)
        libssh2_session_method_pref(raw, method, known->str);
}

/* Asks for a host key of a type that is known, so that a host with several is not "unknown". */
static void prefer_known_types(LIBSSH2_SESSION *raw, const SshKnown *known, const char *host,
                               guint port)
{
    g_auto(GStrv) types = ssh_known_types(known, host, port);
    g_autoptr(GString) names = g_string_new(NULL);
    for (guint i = 0; types[i] != NULL; i++) {
        if (g_str_equal(types[i], "ssh-rsa"))
            g_string_append(names, "rsa-sha2-512,rsa-sha2-256,");
        g_string_append_printf(names, "%s,", types[i]);
    }
    g_string_append(names, "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,"
                           "ecdsa-sha2-nistp521,rsa-sha2-512,rsa-sha2-256,ssh-rsa");
    prefer(raw, LIBSSH2_METHOD_HOSTKEY, names->str);
}

static gboolean shake_hands(SshSession *session, const SshOptions *options, const SshKnown *known,
                            const SshWaiter *waiter, GError **error)
{
    prefer_known_types(session->raw, known, options->known_name, options->port);
    /* The cheapest that all servers of today have; libssh2 1.10 has none with its own check. */
    static const char ciphers[] = "aes128-gcm@openssh.com,aes128-ctr,aes256-ctr,aes192-ctr";
    prefer(session->raw, LIBSSH2_METHOD_CRYPT_CS, ciphers);
    prefer(session->raw, LIBSSH2_METHOD_CRYPT_SC, ciphers);
    gint64 deadline = patience_ends(session);
    gboolean failed;
    int code;
    do {
        code = libssh2_session_handshake(session->raw, session->fd);
    } while (step_again(session, waiter, deadline, code, &failed, error));
    if (!failed && code != 0)
        ssh_session_fail(session, "no ssh connection", error);
    return !failed && code == 0;
}

const guint8 *ssh_session_hostkey(SshSession *session, gsize *length, GError **error)
{
    int type = 0;
    const char *key = libssh2_session_hostkey(session->raw, length, &type);
    if (key == NULL)
        ssh_session_fail(session, "it showed no host key", error);
    return (const guint8 *)key;
}

/* ---- authentication ---- */

/* FALSE: not accepted; `*failed` when there is no use in going on. */
static gboolean try_agent(SshSession *session, const char *user, const SshWaiter *waiter,
                          gint64 deadline, gboolean *failed, GError **error)
{
    *failed = FALSE;
    if (g_getenv("SSH_AUTH_SOCK") == NULL)
        return FALSE;
    LIBSSH2_AGENT *agent = libssh2_agent_init(session->raw);
    if (agent == NULL)
        return FALSE;
    gboolean accepted = FALSE;
    if (libssh2_agent_connect(agent) == 0 && libssh2_agent_list_identities(agent) == 0) {
        struct libssh2_agent_publickey *key = NULL;
        while (!accepted && !*failed && libssh2_agent_get_identity(agent, &key, key) == 0) {
            int code;
            do {
                code = libssh2_agent_userauth(agent, user, key);
            } while (step_again(session, waiter, deadline, code, failed, error));
            accepted = code == 0;
        }
        libssh2_agent_disconnect(agent);
    }
    libssh2_agent_free(agent);
    return accepted;
}

static gboolean try_file(SshSession *session, const char *user, const char *path,
                         const SshWaiter *waiter, gint64 deadline, gboolean *failed, GString *tried,
                         GError **error)
{
    *failed = FALSE;
    if (!g_file_test(path, G_FILE_TEST_EXISTS))
        return FALSE;
    int code;
    do {
        code = libssh2_userauth_publickey_fromfile_ex(session->raw, user, (unsigned)strlen(user),
                                                      NULL, path, NULL);
    } while (step_again(session, waiter, deadline, code, failed, error));
    if (code == 0)
        return TRUE;
    char *text = NULL;
    int length = 0;
    libssh2_session_last_error(session->raw, &text, &length, 0);
    g_string_append_printf(tried, "%s%s (%s)", tried->len > 0 ? ", " : "", path,
                           length > 0 ? text : "refused");
    return FALSE;
}

static gboolean try_password(SshSession *session, const char *user, const char *password,
                             const SshWaiter *waiter, gint64 deadline, gboolean *failed,
                             GError **error)
{
    int code;
    do {
        code = libssh2_userauth_password_ex(session->raw, user, (unsigned)strlen(user), password,
                                            (unsigned)strlen(password), NULL);
    } while (step_again(session, waiter, deadline, code, failed, error));
    return code == 0;
}

static gboolean authenticate(SshSession *session, const SshOptions *options, const char *password,
                             const SshWaiter *waiter, GError **error)
{
    gint64 deadline = patience_ends(session);
    gboolean failed = FALSE;
    g_autoptr(GString) tried = g_string_new(NULL);
    if (!options->identities_only) {
        if (try_agent(session, options->user, waiter, deadline, &failed, error))
            return TRUE;
        if (!failed && g_getenv("SSH_AUTH_SOCK") != NULL)
            g_string_append(tried, "the agent");
    }
    for (guint i = 0; !failed && i < options->identities->len; i++)
        if (try_file(session, options->user, g_ptr_array_index(options->identities, i), waiter,
                     deadline, &failed, tried, error))
            return TRUE;
    if (!failed && password != NULL) {
        if (try_password(session, options->user, password, waiter, deadline, &failed, error))
            return TRUE;
        g_string_append_printf(tried, "%sthe password", tried->len > 0 ? ", " : "");
    }
    if (failed)
        return FALSE;
    g_set_error(error, ONE_ERROR, ONE_ERROR_AUTHENTICATION,
                "host %s accepts none of the keys of user %s (tried: %s). Make a key with "
                "\"ssh-keygen -t ed25519\" and put it there with \"ssh-copy-id %s@%s\"; RSA keys "
                "do not work with libssh2 before 1.11 and servers of today",
                session->host, options->user, tried->len > 0 ? tried->str : "none was found",
                options->user, options->host_name);
    return FALSE;
}

static void session_destroy(SshSession *session)
{
    session->dead = TRUE;
    if (session->raw != NULL) {
        /* With `dead` set nothing is sent; a few rounds free the channels left behind. */
        for (int i = 0; i < 100 && libssh2_session_free(session->raw) == LIBSSH2_ERROR_EAGAIN; i++)
            continue;
    }
    g_clear_object(&session->connection);
    g_mutex_clear(&session->lock);
    g_list_free(session->waiters);
    g_free(session->host);
    g_free(session);
}

SshSession *ssh_session_ref(SshSession *session)
{
    g_atomic_ref_count_inc(&session->references);
    return session;
}

void ssh_session_unref(SshSession *session)
{
    if (session != NULL && g_atomic_ref_count_dec(&session->references))
        session_destroy(session);
}

static gboolean open_raw(SshSession *session, GError **error)
{
    session->raw = libssh2_session_init_ex(NULL, NULL, NULL, session);
    if (session->raw == NULL) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "libssh2 has no memory for a session");
        return FALSE;
    }
    libssh2_session_set_blocking(session->raw, 0);
    G_GNUC_BEGIN_IGNORE_DEPRECATIONS
    libssh2_session_callback_set(session->raw, LIBSSH2_CALLBACK_RECV, (void *)receive_bytes);
    libssh2_session_callback_set(session->raw, LIBSSH2_CALLBACK_SEND, (void *)send_bytes);
    G_GNUC_END_IGNORE_DEPRECATIONS
    libssh2_keepalive_config(session->raw, 1, 1);
    return TRUE;
}

SshSession *ssh_session_greet(const char *host, const SshOptions *options, const SshKnown *known,
                              guint patience, SshWaiter *waiter, GError **error)
{
    guint seconds = options->connect_seconds > 0 ? options->connect_seconds : patience;
    GSocketConnection *connection = connect_socket(options, seconds, waiter, error);
    if (connection == NULL) {
        g_prefix_error(error, "host %s cannot be reached: ", host);
        return NULL;
    }
    SshSession *session = g_new0(SshSession, 1);
    g_atomic_ref_count_init(&session->references);
    g_mutex_init(&session->lock);
    session->host = g_strdup(host);
    session->connection = connection;
    session->fd = g_socket_get_fd(g_socket_connection_get_socket(connection));
    session->patience = patience;
    session->received_at = session->sent_at = g_get_monotonic_time();
    tune_socket(session->fd);
    if (open_raw(session, error) && shake_hands(session, options, known, waiter, error))
        return session;
    ssh_session_unref(session);
    return NULL;
}

static SshKnown *read_known(const SshOptions *options, GError **error)
{
    g_autoptr(SshKnown) known = ssh_known_new();
    for (guint i = 0; i < options->known_hosts->len; i++)
        if (!ssh_known_add_file(known, g_ptr_array_index(options->known_hosts, i), error))
            return NULL;
    return g_steal_pointer(&known);
}

SshSession *ssh_session_open(const char *host, const char *password, guint patience,
                             SshWaiter *waiter, GError **error)
{
    g_autoptr(SshOptions) options = ssh_options_read(host, error);
    g_autoptr(SshKnown) known = options != NULL ? read_known(options, error) : NULL;
    if (known == NULL)
        return NULL;
    SshSession *session = ssh_session_greet(host, options, known, patience, waiter, error);
    gsize length = 0;
    const guint8 *key = session != NULL ? ssh_session_hostkey(session, &length, error) : NULL;
    if (key != NULL &&
        ssh_known_check(known, options->known_name, options->port, key, length, error) &&
        authenticate(session, options, password, waiter, error))
        return session;
    ssh_session_unref(session);
    return NULL;
}
