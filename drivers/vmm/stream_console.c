#include "drivers/vmm/stream_console.h"

#include "drivers/common/driver.h"
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#define BLOCK_BYTES 4096

typedef struct Relay {
    ConsoleOffer *offer;
    RestStream *stream, *control;
    gboolean framed;
    gint64 vid;
} Relay;

/* TRUE: all that the guest said was passed on, and the console is still open. */
static gboolean from_guest(Relay *relay, int peer)
{
    char block[BLOCK_BYTES];
    gboolean ended = FALSE;
    while (relay->framed) {
        GString *message = rest_stream_message(relay->stream, &ended);
        if (!message)
            return !ended;
        gboolean taken = console_write(peer, message->str, message->len);
        g_string_free(message, TRUE);
        if (!taken)
            return FALSE;
    }
    for (;;) {
        gssize count = rest_stream_read(relay->stream, block, sizeof block);
        if (count <= 0)
            return count == 0;
        if (!console_write(peer, block, (gsize)count))
            return FALSE;
    }
}

static gboolean to_guest(Relay *relay, int peer)
{
    char block[BLOCK_BYTES];
    ssize_t count = read(peer, block, sizeof block);
    if (count < 0 && errno == EINTR)
        return TRUE;
    if (count <= 0)
        return FALSE;
    return relay->framed ? rest_stream_send(relay->stream, SOCKET_BINARY, block, (gsize)count)
                         : rest_stream_write(relay->stream, block, (gsize)count);
}

static gpointer serve(gpointer data)
{
    Relay *relay = data;
    int peer = console_accept(relay->offer);
    if (peer >= 0) {
        struct pollfd wait[] = {{peer, POLLIN, 0}, {rest_stream_fd(relay->stream), POLLIN, 0}};
        driver_log('I', relay->vid, "console opened");
        gboolean open = from_guest(relay, peer);
        while (open && (poll(wait, G_N_ELEMENTS(wait), -1) >= 0 || errno == EINTR)) {
            if (wait[1].revents)
                open = from_guest(relay, peer);
            if (open && wait[0].revents)
                open = to_guest(relay, peer);
        }
        close(peer);
        driver_log('I', relay->vid, "console closed");
    }
    console_offer_free(relay->offer);
    rest_stream_free(relay->stream);
    rest_stream_free(relay->control);
    g_free(relay);
    return NULL;
}

void stream_console_start(ConsoleOffer *offer, RestStream *stream, RestStream *control,
                          gboolean framed, gint64 vid)
{
    Relay *relay = g_new0(Relay, 1);
    *relay = (Relay){offer, stream, control, framed, vid};
    g_thread_unref(g_thread_new("console", serve, relay));
}
