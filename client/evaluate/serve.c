#include "client/evaluate/serve.h"
#include "client/cli/cli.h"
#include "client/evaluate/range.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE   65536
#define REQUEST 4096 /* longest head of a request */
#define STALLS  60   /* s without a byte accepted, until a visitor is given up */

struct Served {
    char *path; /* NULL: noise */
    guint64 size;
    char *url;
    char *secret; /* "/6f1c...": what is asked for */
    int listener;
    int wake[2]; /* written to when all shall end */
    GThread *thread;
    GPtrArray *workers; /* of GThread */
    gint ending;        /* atomic: workers give up */
};

typedef struct {
    Served *served;
    int socket;
} Visit;

/* ---- What is sent ---- */

/* A piece of noise by its place in the whole: a mixer of 64 bits over the count of words
 * (splitmix64), so that nothing is stored and each run sends the same. */
static void make_noise(guint64 at, guint8 *bytes, gsize length)
{
    for (gsize i = 0; i < length; i += 8) {
        guint64 word = (at + i) / 8 * G_GUINT64_CONSTANT(0x9e3779b97f4a7c15);
        word = (word ^ word >> 30) * G_GUINT64_CONSTANT(0xbf58476d1ce4e5b9);
        word = (word ^ word >> 27) * G_GUINT64_CONSTANT(0x94d049bb133111eb);
        word ^= word >> 31;
        memcpy(bytes + i, &word, MIN(8, length - i));
    }
}

/* Reads the piece at `at`; 0 when the file is shorter than it was, -1 for an error. */
static gssize read_piece(const Served *served, int file, guint64 at, guint8 *bytes)
{
    gsize length = MIN(PIECE, served->size - at);
    if (file >= 0)
        return pread(file, bytes, length, (off_t)at);
    /* Noise is made in words: one that begins in the middle of a word is cut. */
    guint64 word = at / 8 * 8;
    gsize ahead = (gsize)(at - word);
    length = MIN(PIECE - ahead, served->size - at);
    make_noise(word, bytes, length + ahead);
    memmove(bytes, bytes + ahead, length);
    return (gssize)length;
}

static int open_file(const Served *served)
{
    return served->path != NULL ? open(served->path, O_RDONLY | O_CLOEXEC) : -1;
}

char *serve_sum(const Served *served, GError **error)
{
    g_autofree guint8 *bytes = g_malloc(PIECE);
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
    int file = open_file(served);
    guint64 at = 0;
    gssize length = 0;
    while (at < served->size && (length = read_piece(served, file, at, bytes)) > 0) {
        g_checksum_update(sum, bytes, length);
        at += (guint64)length;
    }
    if (at < served->size)
        g_set_error(error, CLI_ERROR, CLI_ERROR_FAILED, "%s cannot be read: %s", served->path,
                    length < 0 ? g_strerror(errno) : "it is shorter than it was");
    if (file >= 0)
        close(file);
    return at == served->size ? g_strdup(g_checksum_get_string(sum)) : NULL;
}

/* ---- One visitor ---- */

/* A guest that stands still for a moment, as one that moves does, is waited for. */
static gboolean send_all(const Visit *visit, const void *data, gsize length)
{
    const guint8 *bytes = data;
    guint stalls = 0;
    while (length > 0) {
        gssize sent = send(visit->socket, bytes, length, MSG_NOSIGNAL);
        if (sent < 0 && (errno == EINTR || errno == EAGAIN) && stalls++ < STALLS &&
            g_atomic_int_get(&visit->served->ending) == 0)
            continue;
        if (sent <= 0)
            return FALSE;
        stalls = 0;
        bytes += sent;
        length -= (gsize)sent;
    }
    return TRUE;
}

/* The first line of the request: "GET /secret HTTP/1.1". */
static gboolean asks_for(const char *head, const char *secret, gboolean *body)
{
    g_auto(GStrv) words = g_strsplit(head, " ", 3);
    *body = g_strcmp0(words[0], "GET") == 0;
    return words[0] != NULL && (*body || strcmp(words[0], "HEAD") == 0) &&
           g_strcmp0(words[1], secret) == 0;
}

static gboolean read_head(int socket, char *head)
{
    gsize length = 0;
    while (length < REQUEST - 1) {
        gssize got = recv(socket, head + length, REQUEST - 1 - length, 0);
        if (got <= 0)
            return FALSE;
        length += (gsize)got;
        head[length] = '\0';
        if (strstr(head, "\r\n\r\n") != NULL || strstr(head, "\n\n") != NULL)
            return TRUE;
    }
    return FALSE;
}

static void send_body(const Visit *visit, guint64 from, guint64 to)
{
    const Served *served = visit->served;
    g_autofree guint8 *bytes = g_malloc(PIECE);
    int file = open_file(served);
    gssize length;
    for (guint64 at = from; at < to; at += (guint64)length) {
        length = read_piece(served, file, at, bytes);
        if (length <= 0 || !send_all(visit, bytes, MIN((gsize)length, to - at)))
            break;
    }
    if (file >= 0)
        close(file);
}

/* The head of the answer to one who asks for the right path. (owned) */
static char *head_of(RangeKind kind, guint64 from, guint64 to, guint64 size)
{
    static const char *const said[] = {"200 OK", "206 Partial Content",
                                       "416 Range Not Satisfiable"};
    g_autofree char *range =
        kind == RANGE_WHOLE ? g_strdup("")
        : kind == RANGE_PART
            ? g_strdup_printf("Content-Range: bytes %" G_GUINT64_FORMAT "-%" G_GUINT64_FORMAT
                              "/%" G_GUINT64_FORMAT "\r\n",
                              from, to - 1, size)
            : g_strdup_printf("Content-Range: bytes */%" G_GUINT64_FORMAT "\r\n", size);
    return g_strdup_printf("HTTP/1.0 %s\r\nContent-Type: application/octet-stream\r\n"
                           "Accept-Ranges: bytes\r\n%sContent-Length: %" G_GUINT64_FORMAT
                           "\r\nConnection: close\r\n\r\n",
                           said[kind], range, to - from);
}

static void answer_with(const Visit *visit, const char *head, gboolean body)
{
    guint64 size = visit->served->size, from = 0, to = size;
    /* Who asks for the head alone is told of the whole: a range is for what is sent. */
    RangeKind kind = body ? range_read(head, size, &from, &to) : RANGE_WHOLE;
    if (kind != RANGE_PART) {
        from = 0;
        to = kind == RANGE_WHOLE ? size : 0;
    }
    g_autofree char *said = head_of(kind, from, to, size);
    if (send_all(visit, said, strlen(said)) && body)
        send_body(visit, from, to);
}

static gpointer answer(gpointer data)
{
    g_autofree Visit *visit = data;
    static const char none[] = "HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    char head[REQUEST];
    gboolean body;
    if (read_head(visit->socket, head)) {
        if (asks_for(head, visit->served->secret, &body))
            answer_with(visit, head, body);
        else
            send_all(visit, none, strlen(none));
    }
    /* The end is told in order, so that no byte is thrown away. */
    shutdown(visit->socket, SHUT_WR);
    (void)!recv(visit->socket, head, sizeof head, 0);
    close(visit->socket);
    return NULL;
}

static gpointer listen_on(gpointer data)
{
    Served *served = data;
    struct pollfd awaited[2] = {{.fd = served->listener, .events = POLLIN},
                                {.fd = served->wake[0], .events = POLLIN}};
    for (;;) {
        if (poll(awaited, 2, -1) < 0 && errno != EINTR)
            return NULL;
        if (awaited[1].revents != 0)
            return NULL;
        int socket = accept4(served->listener, NULL, NULL, SOCK_CLOEXEC);
        if (socket < 0)
            continue;
        struct timeval patience = {.tv_sec = 1};
        setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        Visit *visit = g_new(Visit, 1);
        *visit = (Visit){.served = served, .socket = socket};
        g_ptr_array_add(served->workers, g_thread_new("serve", answer, visit));
    }
}

/* ---- Begin and end ---- */

/* This computer's address towards the peer: that of a datagram socket which is connected to
 * it, without a packet being sent. (owned) */
static GSocketAddress *own_address(const char *peer, GError **error)
{
    g_autoptr(GSocketAddress) to = g_inet_socket_address_new_from_string(peer, 9);
    if (to == NULL) {
        g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE, "\"%s\" is no address: write 10.0.0.5",
                    peer);
        return NULL;
    }
    g_autoptr(GSocket) probe =
        g_socket_new(g_socket_address_get_family(to), G_SOCKET_TYPE_DATAGRAM, 0, error);
    if (probe == NULL || !g_socket_connect(probe, to, NULL, error))
        return NULL;
    return g_socket_get_local_address(probe, error);
}

static gboolean begin_to_listen(Served *served, const char *peer, GError **error)
{
    g_autoptr(GSocketAddress) near = own_address(peer, error);
    if (near == NULL)
        return FALSE;
    GInetAddress *inet = g_inet_socket_address_get_address(G_INET_SOCKET_ADDRESS(near));
    g_autoptr(GSocketAddress) wanted = g_inet_socket_address_new(inet, 0);
    g_autoptr(GSocket) socket =
        g_socket_new(g_socket_address_get_family(wanted), G_SOCKET_TYPE_STREAM, 0, error);
    if (socket == NULL || !g_socket_bind(socket, wanted, TRUE, error) ||
        !g_socket_listen(socket, error))
        return FALSE;
    g_autoptr(GSocketAddress) bound = g_socket_get_local_address(socket, error);
    if (bound == NULL)
        return FALSE;
    g_autofree char *host = g_inet_address_to_string(inet);
    gboolean v6 = strchr(host, ':') != NULL;
    served->url = g_strdup_printf("http://%s%s%s:%u%s", v6 ? "[" : "", host, v6 ? "]" : "",
                                  g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(bound)),
                                  served->secret);
    served->listener = fcntl(g_socket_get_fd(socket), F_DUPFD_CLOEXEC, 3);
    return served->listener >= 0;
}

static gboolean find_size(Served *served, GError **error)
{
    struct stat about;
    if (served->path == NULL)
        return TRUE;
    if (access(served->path, R_OK) != 0 || stat(served->path, &about) != 0 ||
        !S_ISREG(about.st_mode)) {
        g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE, "%s cannot be served for download: %s",
                    served->path, errno != 0 ? g_strerror(errno) : "it is no file");
        return FALSE;
    }
    served->size = (guint64)about.st_size;
    return TRUE;
}

Served *serve_start(const char *path, guint64 size, const char *peer, GError **error)
{
    g_autoptr(Served) served = g_new0(Served, 1);
    g_autofree char *uuid = g_uuid_string_random();
    served->path = g_strdup(path);
    served->size = size;
    served->secret = g_strdup_printf("/%s", uuid);
    served->listener = served->wake[0] = served->wake[1] = -1;
    served->workers = g_ptr_array_new();
    errno = 0;
    if (!find_size(served, error) || !begin_to_listen(served, peer, error))
        return NULL;
    if (pipe2(served->wake, O_CLOEXEC) != 0) {
        g_set_error(error, CLI_ERROR, CLI_ERROR_FAILED, "no pipe can be made: %s",
                    g_strerror(errno));
        return NULL;
    }
    served->thread = g_thread_new("listen", listen_on, served);
    return g_steal_pointer(&served);
}

void serve_stop(Served *served)
{
    g_atomic_int_set(&served->ending, 1);
    if (served->thread != NULL) {
        (void)!write(served->wake[1], "", 1);
        g_thread_join(served->thread);
    }
    for (guint i = 0; i < served->workers->len; i++)
        g_thread_join(served->workers->pdata[i]);
    g_ptr_array_unref(served->workers);
    int all[] = {served->listener, served->wake[0], served->wake[1]};
    for (guint i = 0; i < G_N_ELEMENTS(all); i++)
        if (all[i] >= 0)
            close(all[i]);
    g_free(served->path);
    g_free(served->url);
    g_free(served->secret);
    g_free(served);
}

const char *serve_url(const Served *served)
{
    return served->url;
}

guint64 serve_size(const Served *served)
{
    return served->size;
}
