#include "server/http/upgrade.h"

#include "lib/base/log.h"
#include "server/rpc/consoles.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BLOCK_BYTES 4096
/* A side that takes nothing for so long is given up, in milliseconds. */
#define STALL_MSEC 60000

typedef struct Relay {
    RequestHub *hub; /* a reference */
    ConsoleSession *session;
    struct MHD_UpgradeResponseHandle *handle;
    int client, driver;
    char *begun; /* what the client sent right behind its request */
    gsize begun_length;
} Relay;

/* Names of sockets are short and directories may be long: it is named through its directory. */
static int connect_driver(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    g_autofree char *directory = g_path_get_dirname(path);
    g_autofree char *name = g_path_get_basename(path);
    int place = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int room =
        g_snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", place, name);
    gboolean good = place >= 0 && fd >= 0 && room < (int)sizeof address.sun_path &&
                    connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    if (place >= 0)
        close(place);
    if (!good && fd >= 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static gboolean write_all(int fd, const char *bytes, gsize count)
{
    while (count > 0) {
        ssize_t sent = send(fd, bytes, count, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            struct pollfd wait = {fd, POLLOUT, 0};
            if (poll(&wait, 1, STALL_MSEC) > 0)
                continue;
        }
        if (sent <= 0)
            return FALSE;
        bytes += sent;
        count -= (gsize)sent;
    }
    return TRUE;
}

static gboolean pass(int from, int to)
{
    char block[BLOCK_BYTES];
    ssize_t count = recv(from, block, sizeof block, 0);
    if (count < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK))
        return TRUE;
    return count > 0 && write_all(to, block, (gsize)count);
}

static void carry(const Relay *relay)
{
    struct pollfd wait[] = {
        {relay->client, POLLIN, 0}, {relay->driver, POLLIN, 0}, {relay->session->cut, POLLIN, 0}};
    gboolean open = write_all(relay->driver, relay->begun, relay->begun_length);
    while (open) {
        if (poll(wait, G_N_ELEMENTS(wait), -1) < 0) {
            open = errno == EINTR;
            continue;
        }
        if (wait[2].revents)
            return;
        if (wait[0].revents)
            open = pass(relay->client, relay->driver);
        if (open && wait[1].revents)
            open = pass(relay->driver, relay->client);
    }
}

static gpointer serve(gpointer data)
{
    Relay *relay = data;
    RequestHub *hub = relay->hub;
    gint32 vm = relay->session->vm;
    relay->driver = connect_driver(relay->session->socket);
    if (relay->driver >= 0) {
        log_info("HTTP", "%s from %s is attached to the console of machine %d",
                 relay->session->user, relay->session->address, vm);
        carry(relay);
        close(relay->driver);
        log_info("HTTP", "%s from %s left the console of machine %d", relay->session->user,
                 relay->session->address, vm);
    } else {
        log_warning("HTTP", "The console of machine %d is not there any more: %s", vm,
                    g_strerror(errno));
    }
    consoles_end(hub->options.consoles, relay->session);
    (void)MHD_upgrade_action(relay->handle, MHD_UPGRADE_ACTION_CLOSE);
    hub->relays--;
    request_hub_unref(hub);
    g_free(relay->begun);
    g_free(relay);
    return NULL;
}

/* In the thread that served the request; the socket is ours from now on. */
static void upgraded(void *data, struct MHD_Connection *connection, void *request, const char *more,
                     size_t more_length, MHD_socket socket,
                     struct MHD_UpgradeResponseHandle *handle)
{
    Relay *relay = data;
    relay->client = socket;
    relay->handle = handle;
    relay->begun = g_memdup2(more, more_length);
    relay->begun_length = more_length;
    g_thread_unref(g_thread_new("console", serve, relay));
}

struct MHD_Response *upgrade_console(RequestHub *hub, const char *token, const char *protocol,
                                     guint *status, char **text)
{
    if (!protocol || g_ascii_strcasecmp(protocol, CONSOLE_PROTOCOL) != 0) {
        *status = MHD_HTTP_UPGRADE_REQUIRED;
        *text = g_strdup("A console needs the header \"Upgrade: " CONSOLE_PROTOCOL
                         "\"; `onevm console` sends it.\n");
        return NULL;
    }
    ConsoleSession *session =
        hub->options.consoles ? consoles_take(hub->options.consoles, token) : NULL;
    if (!session) {
        *status = MHD_HTTP_FORBIDDEN;
        *text = g_strdup("This is no token of a console, or it was used, or it is too old; "
                         "ask for another.\n");
        return NULL;
    }
    Relay *relay = g_new0(Relay, 1);
    relay->hub = hub;
    relay->session = session;
    struct MHD_Response *response = MHD_create_response_for_upgrade(upgraded, relay);
    if (!response) {
        consoles_end(hub->options.consoles, session);
        g_free(relay);
        *status = MHD_HTTP_INTERNAL_SERVER_ERROR;
        *text = g_strdup("libmicrohttpd cannot upgrade connections.\n");
        return NULL;
    }
    g_atomic_int_inc(&hub->references);
    hub->relays++;
    MHD_add_response_header(response, MHD_HTTP_HEADER_UPGRADE, CONSOLE_PROTOCOL);
    return response;
}
