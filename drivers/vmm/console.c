#include "drivers/vmm/console.h"

#include "lib/base/error.h"
#include "lib/base/paths.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* A peer that takes nothing for so long is given up, in seconds. */
#define STALL_SECONDS 60

static gboolean fail(GError **error, const char *what, const char *path)
{
    g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "cannot offer the console: %s %s: %s", what,
                path, g_strerror(errno));
    return FALSE;
}

void console_offer_free(ConsoleOffer *offer)
{
    if (!offer)
        return;
    if (offer->directory >= 0 && offer->name)
        (void)unlinkat(offer->directory, offer->name, 0);
    if (offer->listening >= 0)
        close(offer->listening);
    if (offer->directory >= 0)
        close(offer->directory);
    g_free(offer->name);
    g_free(offer);
}

/* Names of sockets have room for 107 characters, and directories may be longer: so it is named
 * through the open directory. */
static gboolean listen_there(ConsoleOffer *offer, const char *path, GError **error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)g_snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s",
                     offer->directory, offer->name);
    offer->listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    /* The directory is the user's alone already; the mode is for those who look. */
    if (offer->listening < 0 ||
        bind(offer->listening, (struct sockaddr *)&address, sizeof address) != 0 ||
        fchmodat(offer->directory, offer->name, 0600, 0) != 0 || listen(offer->listening, 1) != 0)
        return fail(error, "socket", path);
    return TRUE;
}

static gboolean open_directory(ConsoleOffer *offer, const char *directory, GError **error)
{
    if (mkdir(directory, 0700) != 0 && errno != EEXIST)
        return fail(error, "directory", directory);
    offer->directory = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return offer->directory >= 0 || fail(error, "directory", directory);
}

ConsoleOffer *console_offer(gint64 vid, char **path, GError **error)
{
    g_autofree char *directory = paths_var("consoles");
    g_autofree char *unique = g_uuid_string_random();
    ConsoleOffer *offer = g_new0(ConsoleOffer, 1);
    offer->listening = offer->directory = -1;
    offer->name = g_strdup_printf("%" G_GINT64_FORMAT "-%s", vid, unique);
    g_autofree char *whole = g_build_filename(directory, offer->name, NULL);
    if (!open_directory(offer, directory, error) || !listen_there(offer, whole, error)) {
        console_offer_free(offer);
        return NULL;
    }
    *path = g_base64_encode((const guchar *)whole, strlen(whole));
    return offer;
}

int console_accept(ConsoleOffer *offer)
{
    const struct timeval stall = {.tv_sec = STALL_SECONDS};
    struct pollfd wait = {offer->listening, POLLIN, 0};
    int peer = -1, ready;
    do
        ready = poll(&wait, 1, CONSOLE_OFFER_SECONDS * 1000);
    while (ready < 0 && errno == EINTR);
    if (ready > 0)
        peer = accept4(offer->listening, NULL, NULL, SOCK_CLOEXEC);
    if (peer >= 0)
        (void)setsockopt(peer, SOL_SOCKET, SO_SNDTIMEO, &stall, sizeof stall);
    (void)unlinkat(offer->directory, offer->name, 0);
    g_clear_pointer(&offer->name, g_free);
    return peer;
}

gboolean console_write(int peer, const char *bytes, gsize count)
{
    while (count > 0) {
        ssize_t sent = send(peer, bytes, count, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return FALSE;
        bytes += sent;
        count -= (gsize)sent;
    }
    return TRUE;
}
