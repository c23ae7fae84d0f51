#include "server/http/http.h"

#include "lib/base/error.h"
#include "lib/base/linger.h"
#include "lib/base/log.h"
#include "server/http/certificate.h"
#include "server/http/request.h"
#include "server/rpc/consoles.h"
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

/* Room for the head of a request and of its reply; a call's head is a few hundred bytes.
 * It is cleared for each request, and an idle connection keeps it. */
#define HEAD_BYTES 8192
/* Descriptors that the rest of oned needs: database, logs, drivers. */
#define OTHER_FILES 256
/* What a caller may wait in the queue of the kernel while all threads are busy. */
#define BACKLOG 4096

/* How often it is told that there are no more connections. */
#define TELL_FULL_USEC (60 * G_USEC_PER_SEC)

/* How long a thread sleeps at most; shorter once the end has begun. */
#define NAP_MSEC      1000
#define LAST_NAP_MSEC 5

/* How long a thread that had one call or reply looks for the next before it sleeps, in
 * microseconds. */
#define LINGER 60

/* A thread with a share of the connections. libmicrohttpd could run the threads itself, but
 * would not say when a round of its loop is over, and would be woken for each reply. */
typedef struct Worker {
    Http *http;
    struct MHD_Daemon *daemon;
    RequestThread thread;
    GThread *runs;
    gboolean is_lone; /* the last round had one call, or one reply */
} Worker;

struct Http {
    RequestHub *hub;
    int fd; /* listens; each worker has a copy */
    guint16 port;
    guint workers_count;
    Worker *workers;
    _Atomic gint abandoning, ending;
    char *certificate, *key; /* PEM text */
};

HttpOptions http_options_default(void)
{
    return (HttpOptions){
        .address = "127.0.0.1",
        .port = 2633,
        .body_bytes = 16 * 1024 * 1024,
        .bodies_bytes = 256 * 1024 * 1024,
        .nesting = 64,
        .elements = 200000,
        .connections = 12000,
        .connections_per_address = 1000,
        .in_flight = 4096,
        .request_seconds = 30,
        .reply_seconds = 120,
        .idle_seconds = 300,
        .stop_seconds = 2,
    };
}

static gboolean fail(GError **error, const HttpOptions *options, const char *what,
                     const char *advice)
{
    g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "Cannot listen on %s port %u: %s%s%s",
                options->address, options->port, what, *advice ? ". " : "", advice);
    return FALSE;
}

/* ---- the socket ---- */

static struct addrinfo *parse_address(const HttpOptions *options, GError **error)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                             .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    g_autofree char *port = g_strdup_printf("%u", options->port);
    if (getaddrinfo(options->address, port, &hints, &found) != 0) {
        fail(error, options, "this is not an address",
             "Set LISTEN_ADDRESS to an IPv4 or IPv6 address, 127.0.0.1 for this computer alone "
             "or 0.0.0.0 for all networks.");
        return NULL;
    }
    return found;
}

static const char *listen_advice(int code)
{
    switch (code) {
    case EADDRINUSE:
        return "Another oned, or another program, uses it: stop that one or set another PORT.";
    case EADDRNOTAVAIL:
        return "No network of this computer has this address: correct LISTEN_ADDRESS.";
    case EACCES:
        return "Ports below 1024 are the superuser's: set a higher PORT.";
    default:
        return "";
    }
}

/* The listening socket, or -1. */
static int open_socket(const HttpOptions *options, guint16 *port, GError **error)
{
    struct addrinfo *found = parse_address(options, error);
    if (!found)
        return -1;
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int yes = 1;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
        bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
        int code = errno;
        fail(error, options, g_strerror(code), listen_advice(code));
        if (fd >= 0)
            close(fd);
        fd = -1;
    } else {
        union {
            struct sockaddr any;
            struct sockaddr_in ipv4;
            struct sockaddr_in6 ipv6;
        } bound = {.ipv6 = {0}};
        socklen_t length = sizeof bound;
        if (getsockname(fd, &bound.any, &length) == 0)
            *port =
                ntohs(bound.any.sa_family == AF_INET6 ? bound.ipv6.sin6_port : bound.ipv4.sin_port);
    }
    freeaddrinfo(found);
    return fd;
}

/* The number of connections for which there are descriptors, `wanted` if possible. */
static guint reserve_files(guint wanted)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return wanted;
    rlim_t need = (rlim_t)wanted + OTHER_FILES;
    if (files.rlim_cur >= need)
        return wanted;
    struct rlimit raised = {need, MAX(files.rlim_max, need)};
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) /* the superuser may */
        return wanted;
    raised = (struct rlimit){MIN(files.rlim_max, need), files.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
        files = raised;
    if (files.rlim_cur >= need)
        return wanted;
    guint possible = (guint)(files.rlim_cur > 2 * OTHER_FILES ? files.rlim_cur - OTHER_FILES
                                                              : files.rlim_cur / 2);
    log_warning("HTTP",
                "Only %u connections are possible instead of %u, since the system allows %lu open "
                "files. Raise the limit (LimitNOFILE= of systemd, or ulimit -Hn).",
                possible, wanted, (unsigned long)files.rlim_cur);
    return possible;
}

/* ---- libmicrohttpd ---- */

static enum MHD_Result admit(void *data, const struct sockaddr *address, socklen_t length)
{
    RequestHub *hub = data;
    return peers_admit(hub->peers, address) ? MHD_YES : MHD_NO;
}

/* Who comes next waits until another one leaves, which looks from outside as if nothing ran. */
static void tell_when_full(const RequestHub *hub)
{
    static _Atomic gint64 told;
    gint64 now = g_get_monotonic_time();
    if (peers_count(hub->peers) < hub->options.connections ||
        (told != 0 && now - told < TELL_FULL_USEC))
        return;
    told = now;
    log_warning(
        "HTTP",
        "All %u connections are taken: new callers wait until one is closed. Raise MAX_CONN, "
        "or lower KEEPALIVE_TIMEOUT",
        hub->options.connections);
}

static void connection_changed(void *data, struct MHD_Connection *connection, void **slot,
                               enum MHD_ConnectionNotificationCode code)
{
    RequestHub *hub = data;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *address =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
        const struct sockaddr *peer = address->client_addr;
        const union MHD_ConnectionInfo *fd =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        *slot = peers_add(hub->peers, fd->connect_fd, peer);
        tell_when_full(hub);
    } else if (*slot) {
        peers_remove(hub->peers, *slot);
        *slot = NULL;
    }
}

static void library_log(void *unused, const char *format, va_list arguments) G_GNUC_PRINTF(2, 0);
static void library_log(void *unused, const char *format, va_list arguments)
{
    if (log_level() < LOG_DEBUG)
        return;
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    log_debug("HTTP", "%s", g_strchomp(text));
}

static guint thread_count(const HttpOptions *options)
{
    return options->threads ? options->threads : CLAMP(g_get_num_processors(), 1, 4);
}

static gboolean start_daemon(Worker *worker, GError **error)
{
    Http *http = worker->http;
    const HttpOptions *options = &http->hub->options;
    guint flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_ALLOW_UPGRADE | MHD_USE_ERROR_LOG;
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, http->certificate},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, http->key},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (char *)"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"},
        {MHD_OPTION_END, 0, NULL},
    };
    if (http->certificate)
        flags |= MHD_USE_TLS;
    else
        tls[0].option = MHD_OPTION_END;

    int fd = fcntl(http->fd, F_DUPFD_CLOEXEC, 0);
    errno = 0;
    worker->daemon = MHD_start_daemon(
        flags, 0, admit, http->hub, request_handle, http->hub, /* the logger first */
        MHD_OPTION_EXTERNAL_LOGGER, library_log, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_CONNECTION_LIMIT, MAX(options->connections / http->workers_count, 1),
        MHD_OPTION_CONNECTION_TIMEOUT, options->idle_seconds, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)HEAD_BYTES, MHD_OPTION_NOTIFY_CONNECTION, connection_changed, http->hub,
        MHD_OPTION_NOTIFY_COMPLETED, request_completed, http->hub, MHD_OPTION_ARRAY, tls,
        MHD_OPTION_END);
    if (worker->daemon)
        return TRUE;
    const char *why = errno ? g_strerror(errno) : "libmicrohttpd refused";
    if (fcntl(fd, F_GETFD) >= 0) /* it has closed the socket, or not, as the failure was */
        close(fd);
    return fail(error, options, why,
                http->certificate ? "Look at the certificate and key: both must be PEM, and belong "
                                    "together."
                                  : "The log at level DEBUG says more.");
}

/* Polls, and before that looks for LINGER if asked to. FALSE: nothing came. */
static gboolean wait_for_one(struct pollfd *wait, nfds_t count, gint nap, gboolean linger)
{
    if (linger && nap > 0) {
        gint64 until = linger_until(LINGER);
        do {
            if (poll(wait, count, 0) > 0)
                return TRUE;
        } while (linger_on(until));
    }
    return poll(wait, count, nap) > 0;
}

/* Sleeps until there is something to do for the worker's connections. */
static void wait_for_work(Worker *worker, int epoll, gint nap)
{
    MHD_UNSIGNED_LONG_LONG due = 0;
    if (MHD_get_timeout(worker->daemon, &due) == MHD_YES && due < (guint)nap)
        nap = (gint)due;
    struct pollfd wait[] = {{epoll, POLLIN, 0}, {worker->thread.wake, POLLIN, 0}};
    eventfd_t unused;
    if (wait_for_one(wait, G_N_ELEMENTS(wait), nap, worker->is_lone) && wait[1].revents)
        eventfd_read(worker->thread.wake, &unused);
}

static gpointer serve(gpointer data)
{
    Worker *worker = data;
    Http *http = worker->http;
    RequestHub *hub = http->hub;
    int epoll = MHD_get_daemon_info(worker->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    gboolean listening = TRUE;
    request_thread_enter(&worker->thread);
    while (!http->ending) {
        wait_for_work(worker, epoll, listening ? NAP_MSEC : LAST_NAP_MSEC);
        guint moved = request_thread_resume(&worker->thread);
        MHD_run(worker->daemon);
        moved += request_hand_on_gathered(hub);
        worker->is_lone = moved == 1;
        if (http->abandoning)
            request_thread_abandon(&worker->thread);
        if (listening && hub->stopping) {
            close(MHD_quiesce_daemon(worker->daemon));
            listening = FALSE;
        }
    }
    MHD_stop_daemon(worker->daemon);
    return NULL;
}

static gboolean start_workers(Http *http, GError **error)
{
    http->workers_count = thread_count(&http->hub->options);
    http->workers = g_new0(Worker, http->workers_count);
    for (guint i = 0; i < http->workers_count; i++) {
        http->workers[i].http = http;
        http->workers[i].thread.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (!start_daemon(&http->workers[i], error))
            return FALSE;
    }
    for (guint i = 0; i < http->workers_count; i++)
        http->workers[i].runs = g_thread_new("http", serve, &http->workers[i]);
    return TRUE;
}

static gboolean read_tls(Http *http, GError **error)
{
    const HttpOptions *options = &http->hub->options;
    if (!options->tls_certificate && !options->tls_key)
        return TRUE;
    if (!options->tls_certificate || !options->tls_key)
        return fail(error, options, "TLS needs a certificate and its key, and only one is set",
                    "Set both TLS_CERT and TLS_KEY, or neither.");
    g_autoptr(GError) why = NULL;
    if (!g_file_get_contents(options->tls_certificate, &http->certificate, NULL, &why) ||
        !g_file_get_contents(options->tls_key, &http->key, NULL, &why))
        return fail(error, options, why->message,
                    "Files of TLS_CERT and TLS_KEY must be readable by oned.");
    if (!certificate_check(options->tls_certificate, http->certificate, options->tls_key, http->key,
                           &why))
        return fail(error, options, why->message, "");
    return TRUE;
}

static void http_free(Http *http)
{
    for (guint i = 0; i < http->workers_count; i++) {
        Worker *worker = &http->workers[i];
        if (worker->runs)
            g_thread_join(worker->runs);
        else if (worker->daemon)
            MHD_stop_daemon(worker->daemon);
        if (worker->http)
            close(worker->thread.wake);
    }
    g_free(http->workers);
    if (http->fd >= 0)
        close(http->fd);
    peers_free(http->hub->peers);
    http->hub->peers = NULL;
    request_hub_unref(http->hub);
    if (http->key)
        explicit_bzero(http->key, strlen(http->key));
    g_free(http->key);
    g_free(http->certificate);
    g_free(http);
}

Http *http_start(const HttpOptions *options, HttpDispatch dispatch, gpointer data, GError **error)
{
    Http *http = g_new0(Http, 1);
    http->hub = request_hub_new(options, dispatch, data);
    http->hub->options.connections = reserve_files(options->connections);
    http->hub->peers = peers_new(options->connections_per_address, options->request_seconds,
                                 options->tls_certificate == NULL);
    http->fd = -1;
    if (!read_tls(http, error) || (http->fd = open_socket(options, &http->port, error)) < 0 ||
        !start_workers(http, error)) {
        http_free(http);
        return NULL;
    }
    log_info("HTTP", "Listening on %s port %u%s, %u threads, at most %u connections",
             options->address, http->port, http->certificate ? " with TLS" : "",
             http->workers_count, http->hub->options.connections);
    return http;
}

void http_change_limits(Http *http, const HttpOptions *options)
{
    request_hub_limit(http->hub, options);
    peers_limit(http->hub->peers, options->connections_per_address, options->request_seconds);
}

guint16 http_port(const Http *http)
{
    return http->port;
}

/* Waits until a counter is zero, or the time is over. */
static void wait_for_zero(const _Atomic guint *counter, gint64 usec)
{
    gint64 until = g_get_monotonic_time() + usec;
    while (atomic_load_explicit(counter, memory_order_acquire) > 0 &&
           g_get_monotonic_time() < until)
        g_usleep(1000);
}

void http_stop(Http *http)
{
    if (!http)
        return;
    RequestHub *hub = http->hub;
    hub->stopping = TRUE;
    shutdown(http->fd, SHUT_RDWR);
    for (guint i = 0; i < http->workers_count; i++)
        eventfd_write(http->workers[i].thread.wake, 1);
    wait_for_zero(&hub->in_flight, (gint64)hub->options.stop_seconds * G_USEC_PER_SEC);
    guint left = hub->in_flight;
    if (left > 0)
        log_warning("HTTP", "%u calls were not done and are answered 503", left);
    http->abandoning = TRUE;
    if (hub->options.consoles)
        consoles_cut(hub->options.consoles, -1);
    /* libmicrohttpd wants them closed before it ends. */
    wait_for_zero(&hub->relays, 10 * G_USEC_PER_SEC);
    /* A finish that came first may still be waking its connection. */
    wait_for_zero(&hub->in_flight, 10 * G_USEC_PER_SEC);
    wait_for_zero(&hub->open, G_USEC_PER_SEC);
    http->ending = TRUE;
    http_free(http);
}

HttpFigures http_figures(const Http *http)
{
    const RequestHub *hub = http->hub;
    return (HttpFigures){
        .connections = peers_count(hub->peers),
        .in_flight = hub->in_flight,
        .calls = hub->calls,
        .refused = hub->refused,
        .cut = peers_cut(hub->peers),
    };
}
