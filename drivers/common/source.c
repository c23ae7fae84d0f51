#include "drivers/common/source.h"

#include "lib/base/error.h"
#include "lib/base/paths.h"
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define TICK_MS         200
#define CONNECT_SECONDS 30L
#define REDIRECTS_MAX   10L
#define BUFFER_MAX      (1024 * 1024)

struct Source {
    char *name;
    int fd; /* a file */
    CURLM *multi;
    CURL *easy; /* a URL */
    gboolean ended, paused, refused;
    CURLcode result;
    char text[CURL_ERROR_SIZE];
    GByteArray *buffer; /* came, but was not read */
    gsize begin;        /* of what is left in it */
    gint64 size;
    guint64 rate, given; /* bytes a second wanted; bytes that were read */
    gboolean local;      /* may lead to this computer */
    guint64 floor;       /* bytes a second, over `patience` seconds */
    guint patience;
    gint64 since;
    const SshWatch *watch;
};

/* ---- which files ---- */

/* How deep `path` is below `directory`: the length of that, 0 when it is not below. */
static gsize depth_below(const char *path, const char *directory)
{
    gsize length = strlen(directory);
    while (length > 0 && directory[length - 1] == '/')
        length--;
    if (length == 0)
        return directory[0] == '/' ? 1 : 0;
    return strncmp(path, directory, length) == 0 && (path[length] == '/' || path[length] == '\0')
               ? length
               : 0;
}

/* The longest directory of the list that holds the path. Links in the list are followed. */
static gsize nearest(const char *path, const char *directories)
{
    gsize best = 0;
    g_auto(GStrv) list = g_strsplit_set(directories != NULL ? directories : "", " \t\n", -1);
    for (guint i = 0; list[i] != NULL; i++) {
        if (list[i][0] != '/')
            continue;
        char *resolved = realpath(list[i], NULL);
        best = MAX(best, depth_below(path, resolved != NULL ? resolved : list[i]));
        free(resolved); /* NOLINT: it is realpath's */
    }
    return best;
}

gboolean source_path_is_allowed(const char *path, const SourceFences *fences, GError **error)
{
    g_autofree char *state = paths_var(NULL), *configuration = paths_etc(NULL);
    /* Other people's images and machines are below the datastores. */
    const char *datastores = g_getenv("ONE_DATASTORES");
    g_autofree char *own = g_strdup_printf("%s %s %s /etc /root /proc /sys /dev /run", state,
                                           configuration, datastores != NULL ? datastores : "");
    gsize closed = MAX(nearest(path, own), nearest(path, fences->restricted));
    if (closed == 0 || nearest(path, fences->safe) >= closed)
        return TRUE;
    g_set_error(error, ONE_ERROR, ONE_ERROR_AUTHORIZATION,
                "%s is in a directory that images may not be taken from; put the file elsewhere, "
                "or let an administrator name its directory in SAFE_DIRS of the datastore",
                path);
    return FALSE;
}

/* The open file's own path, whatever links led to it. (owned) */
static char *path_of(int fd)
{
    g_autofree char *link = g_strdup_printf("/proc/self/fd/%d", fd);
    return g_file_read_link(link, NULL);
}

static gboolean open_file(Source *source, const SourceFences *fences, GError **error)
{
    struct stat facts;
    guint64 bytes = 0;
    /* Without O_NONBLOCK a pipe of that name would hold us. */
    source->fd = open(source->name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    /* What may not be read is not told apart from what is not there. */
    g_autofree char *path = source->fd >= 0 ? path_of(source->fd) : NULL;
    if (path != NULL && !source_path_is_allowed(path, fences, error))
        return FALSE;
    if (path == NULL || fstat(source->fd, &facts) != 0) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_NO_EXISTS, "%s cannot be read: %s", source->name,
                    g_strerror(errno));
        return FALSE;
    }
    source->size = facts.st_size;
    if (S_ISBLK(facts.st_mode) && ioctl(source->fd, BLKGETSIZE64, &bytes) == 0)
        source->size = (gint64)bytes;
    else if (!S_ISREG(facts.st_mode)) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API, "%s is neither a file nor a block device",
                    source->name);
        return FALSE;
    }
    return TRUE;
}

/* ---- URLs ---- */

static size_t receive(char *data, size_t one, size_t count, void *user)
{
    Source *source = user;
    if (source->buffer->len - source->begin > BUFFER_MAX) {
        source->paused = TRUE;
        return CURL_WRITEFUNC_PAUSE;
    }
    g_byte_array_append(source->buffer, (const guint8 *)data, (guint)(one * count));
    return one * count;
}

/* Services of the front-end trust who speaks from it. Looked at here it does not matter which name
 * or redirection led to the address. */
static gboolean is_local(struct curl_sockaddr *to)
{
    g_autoptr(GSocketAddress) native = g_socket_address_new_from_native(&to->addr, to->addrlen);
    if (!native || !G_IS_INET_SOCKET_ADDRESS(native))
        return TRUE;
    /* An IPv4 address written as one of IPv6 has become IPv4 here. */
    GInetAddress *address =
        g_inet_socket_address_get_address(G_INET_SOCKET_ADDRESS(native)); /* borrowed */
    return g_inet_address_get_is_loopback(address) || g_inet_address_get_is_link_local(address) ||
           g_inet_address_get_is_any(address);
}

static curl_socket_t open_socket(void *user, curlsocktype purpose, struct curl_sockaddr *to)
{
    Source *source = user;
    if (is_local(to)) {
        source->refused = TRUE;
        return CURL_SOCKET_BAD;
    }
    return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

static gboolean open_url(Source *source, GError **error)
{
    source->multi = curl_multi_init();
    source->easy = curl_easy_init();
    if (source->multi == NULL || source->easy == NULL) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "libcurl cannot be used");
        return FALSE;
    }
    CURL *easy = source->easy;
    CURLcode set = curl_easy_setopt(easy, CURLOPT_URL, source->name);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(easy, CURLOPT_MAXREDIRS, REDIRECTS_MAX);
    curl_easy_setopt(easy, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, (long)MIN(source->floor, G_MAXINT32));
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)source->patience);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, source->text);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "globule/" GLOBULE_VERSION);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, receive);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, source);
    if (!source->local) {
        curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
        curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, source);
    }
    if (source->rate > 0)
        curl_easy_setopt(easy, CURLOPT_MAX_RECV_SPEED_LARGE, (curl_off_t)source->rate);
    if (set != CURLE_OK || curl_multi_add_handle(source->multi, easy) != CURLM_OK) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API, "\"%s\" is no URL that can be fetched",
                    source->name);
        return FALSE;
    }
    return TRUE;
}

static gboolean is_cancelled(const Source *source, GError **error)
{
    const SshWatch *watch = source->watch;
    if (watch == NULL || watch->cancelled == NULL || !watch->cancelled(watch->data))
        return FALSE;
    g_set_error(error, ONE_ERROR, ONE_ERROR_TIMEOUT, "cancelled");
    return TRUE;
}

static gboolean check_end(Source *source, GError **error)
{
    curl_off_t length = -1;
    long status = 0;
    curl_easy_getinfo(source->easy, CURLINFO_RESPONSE_CODE, &status);
    if (source->size < 0 && status == 200 &&
        curl_easy_getinfo(source->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length) == CURLE_OK)
        source->size = (gint64)length;
    if (!source->ended || source->result == CURLE_OK)
        return TRUE;
    if (source->refused) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_AUTHORIZATION,
                    "%s leads to the front-end itself or to its link; only administrators take "
                    "images from there, or everybody where the datastore has LOCAL_URLS = YES",
                    source->name);
        return FALSE;
    }
    g_autofree char *slow =
        source->result == CURLE_OPERATION_TIMEDOUT
            ? g_strdup_printf(" (MIN_TRANSFER_BW of the datastore, %" G_GUINT64_FORMAT
                              " bytes a second, is what must come at least)",
                              source->floor)
            : NULL;
    g_set_error(error, ONE_ERROR, ONE_ERROR_NO_EXISTS, "%s cannot be fetched: %s%s", source->name,
                source->text[0] != '\0' ? source->text : curl_easy_strerror(source->result),
                slow != NULL ? slow : "");
    return FALSE;
}

/* Waits until something came or the transfer ended. */
static gboolean fill(Source *source, gsize wanted, GError **error)
{
    while (source->buffer->len - source->begin < wanted && !source->ended) {
        int running = 0, left = 0;
        if (is_cancelled(source, error))
            return FALSE;
        if (source->paused) {
            source->paused = FALSE;
            curl_easy_pause(source->easy, CURLPAUSE_CONT);
        }
        curl_multi_perform(source->multi, &running);
        CURLMsg *message = curl_multi_info_read(source->multi, &left);
        if (message != NULL && message->msg == CURLMSG_DONE) {
            source->ended = TRUE;
            source->result = message->data.result;
        } else if (source->buffer->len - source->begin < wanted) {
            curl_multi_poll(source->multi, NULL, 0, TICK_MS, NULL);
        }
    }
    return check_end(source, error);
}

static gssize take(Source *source, guint8 *to, gsize room)
{
    gsize count = MIN(room, source->buffer->len - source->begin);
    memcpy(to, source->buffer->data + source->begin, count);
    source->begin += count;
    if (source->begin == source->buffer->len) {
        g_byte_array_set_size(source->buffer, 0);
        source->begin = 0;
    }
    return (gssize)count;
}

/* ---- both ---- */

Source *source_open(const char *path, const SourceFences *fences, guint64 rate,
                    const SshWatch *watch, GError **error)
{
    g_autoptr(Source) source = g_new0(Source, 1);
    source->name = g_strdup(path);
    source->fd = -1;
    source->size = -1;
    source->rate = rate;
    source->local = fences->local;
    source->floor = fences->floor > 0 ? fences->floor : SOURCE_FLOOR;
    source->patience = fences->patience > 0 ? fences->patience : SOURCE_PATIENCE;
    source->watch = watch;
    source->since = g_get_monotonic_time();
    source->buffer = g_byte_array_new();
    gboolean ok = FALSE;
    if (g_ascii_strncasecmp(path, "http://", 7) == 0 ||
        g_ascii_strncasecmp(path, "https://", 8) == 0)
        ok = open_url(source, error);
    else if (path[0] == '/')
        ok = open_file(source, fences, error);
    else
        g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                    "\"%s\" is no source of an image: give the absolute path of a file of the "
                    "front-end, or a URL that begins with http:// or https://",
                    path);
    return ok ? g_steal_pointer(&source) : NULL;
}

void source_free(Source *source)
{
    if (source == NULL)
        return;
    if (source->easy != NULL) {
        curl_multi_remove_handle(source->multi, source->easy);
        curl_easy_cleanup(source->easy);
    }
    if (source->multi != NULL)
        curl_multi_cleanup(source->multi);
    if (source->fd >= 0)
        close(source->fd);
    g_byte_array_unref(source->buffer);
    g_free(source->name);
    g_free(source);
}

/* Waits while more was read than the rate allows; libcurl keeps to it by itself. */
static gboolean keep_rate(Source *source, gsize count, GError **error)
{
    source->given += count;
    if (source->rate == 0 || source->easy != NULL)
        return TRUE;
    double due = (double)source->given / (double)source->rate;
    while ((double)(g_get_monotonic_time() - source->since) / G_USEC_PER_SEC < due) {
        if (is_cancelled(source, error))
            return FALSE;
        g_usleep(20000);
    }
    return TRUE;
}

static gssize read_file(Source *source, guint8 *to, gsize room, GError **error)
{
    ssize_t got;
    if (source->rate > 0) /* in pieces, so that the rate is even */
        room = MIN(room, MAX(source->rate / 8, 4096));
    do
        got = read(source->fd, to, room);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "%s cannot be read: %s", source->name,
                    g_strerror(errno));
    return got;
}

gssize source_read(Source *source, guint8 *to, gsize room, GError **error)
{
    if (is_cancelled(source, error))
        return -1;
    gssize got;
    if (source->easy != NULL)
        got = fill(source, 1, error) ? take(source, to, room) : -1;
    else
        got = read_file(source, to, room, error);
    return got > 0 && !keep_rate(source, (gsize)got, error) ? -1 : got;
}

gssize source_peek(Source *source, guint8 *to, gsize room, GError **error)
{
    if (source->easy != NULL) {
        if (!fill(source, room, error))
            return -1;
        gsize count = MIN(room, source->buffer->len - source->begin);
        memcpy(to, source->buffer->data + source->begin, count);
        return (gssize)count;
    }
    ssize_t got = pread(source->fd, to, room, 0);
    if (got < 0)
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "%s cannot be read: %s", source->name,
                    g_strerror(errno));
    return got;
}

gint64 source_size(const Source *source)
{
    return source->size;
}

int source_fd(const Source *source)
{
    return source->fd;
}
