/*
 * CONSOLE: the serial line of a guest, through libvirt, so that it is the same on every
 * hypervisor and host. Each console that is open has a thread here; the connection it uses
 * stays taken.
 */
#include "drivers/vmm/libvirt/vmm_libvirt.h"

#include "drivers/vmm/console.h"
#include "lib/base/error.h"
#include "lib/base/xml.h"
#include <errno.h>
#include <libvirt/virterror.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define BLOCK_BYTES 4096
/* How long to wait before bytes that the stream did not take are offered again. */
#define AGAIN_MS 20

typedef struct Console {
    virConnectPtr connection;
    virStreamPtr stream;
    ConsoleOffer *offer;
    gint64 vid;
    int wake; /* eventfd: the stream has something, or has ended */
} Console;

static void console_free(Console *console)
{
    console_offer_free(console->offer);
    if (console->stream)
        virStreamFree(console->stream);
    libvirt_pool_release(console->connection);
    if (console->wake >= 0)
        close(console->wake);
    g_free(console);
}

/* ---- bytes ---- */

/* In the event thread. What is there is taken by the console's own thread, which then wants to
 * hear of more. */
static void stream_event(virStreamPtr stream, int events, void *data)
{
    (void)virStreamEventUpdateCallback(stream, VIR_STREAM_EVENT_ERROR | VIR_STREAM_EVENT_HANGUP);
    (void)eventfd_write(*(const int *)data, 1);
}

/* TRUE: all that the guest said was passed on, and the console is still open. */
static gboolean from_guest(Console *console, int peer)
{
    char block[BLOCK_BYTES];
    int count;
    while ((count = virStreamRecv(console->stream, block, sizeof block)) > 0)
        if (!console_write(peer, block, (gsize)count))
            return FALSE;
    if (count != -2) /* it would have to wait: nothing more for now */
        return FALSE;
    return virStreamEventUpdateCallback(console->stream, VIR_STREAM_EVENT_READABLE |
                                                             VIR_STREAM_EVENT_ERROR |
                                                             VIR_STREAM_EVENT_HANGUP) == 0;
}

/* What a person types is little; a guest that does not read it is waited for. */
static gboolean to_guest(Console *console, int peer)
{
    char block[BLOCK_BYTES];
    ssize_t count = read(peer, block, sizeof block);
    if (count < 0 && errno == EINTR)
        return TRUE;
    for (ssize_t done = 0; done < count;) {
        int sent = virStreamSend(console->stream, block + done, (size_t)(count - done));
        struct pollfd left = {peer, POLLRDHUP, 0};
        if (sent == -2 && poll(&left, 1, AGAIN_MS) == 0)
            continue;
        if (sent < 0)
            return FALSE;
        done += sent;
    }
    return count > 0;
}

static void relay(Console *console, int peer)
{
    struct pollfd wait[] = {{peer, POLLIN, 0}, {console->wake, POLLIN, 0}};
    gboolean open = from_guest(console, peer);
    while (open) {
        if (poll(wait, G_N_ELEMENTS(wait), -1) < 0 && errno != EINTR)
            break;
        if (wait[1].revents) {
            eventfd_t unused;
            (void)eventfd_read(console->wake, &unused);
            open = from_guest(console, peer);
        }
        if (open && wait[0].revents)
            open = to_guest(console, peer);
    }
}

static gpointer serve(gpointer data)
{
    Console *console = data;
    int peer = console_accept(console->offer);
    if (peer >= 0) {
        driver_log('I', console->vid, "console opened");
        relay(console, peer);
        close(peer);
        driver_log('I', console->vid, "console closed");
    }
    (void)virStreamEventRemoveCallback(console->stream);
    (void)virStreamAbort(console->stream);
    console_free(console);
    return NULL;
}

/* ---- the action ---- */

static gboolean open_stream(Console *console, const VmmAction *action, virDomainPtr domain,
                            GError **error)
{
    gboolean container = vmm_libvirt_flavour()->dialect->traits & DOMAIN_CONTAINER;
    g_autofree char *force = xml_get(xml_root(action->document), "CONSOLE/FORCE");
    unsigned flags = vmm_is_yes(force) && !container ? VIR_DOMAIN_CONSOLE_FORCE : 0;
    console->stream = virStreamNew(console->connection, VIR_STREAM_NONBLOCK);
    if (!console->stream || virDomainOpenConsole(domain, NULL, console->stream, flags) < 0)
        return libvirt_error(error, "open the console of %s on %s", action->domain, action->host);
    if (virStreamEventAddCallback(console->stream, VIR_STREAM_EVENT_ERROR | VIR_STREAM_EVENT_HANGUP,
                                  stream_event, &console->wake, NULL) < 0) {
        (void)libvirt_error(error, "listen to the console of %s", action->domain);
        (void)virStreamAbort(console->stream);
        return FALSE;
    }
    return TRUE;
}

static gboolean look_for(const VmmAction *action, VmmSight *sight, virConnectPtr connection,
                         GError **error)
{
    *sight = vmm_look(action, connection);
    if (sight->presence == VMM_RUNNING || sight->presence == VMM_PAUSED)
        return TRUE;
    if (sight->error)
        g_propagate_error(error, g_steal_pointer(&sight->error));
    else
        g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION, "%s %s on %s, so it has no console",
                    action->domain, vmm_presence_text(sight->presence), action->host);
    return FALSE;
}

void vmm_console(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    g_autoptr(GError) error = NULL;
    g_autofree char *path = NULL;
    g_auto(VmmSight) sight = {VMM_UNKNOWN};
    Console *console = g_new0(Console, 1);
    console->vid = action->vid;
    console->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    console->connection = libvirt_pool_get(action->host, &error);
    gboolean good = console->connection && look_for(action, &sight, console->connection, &error) &&
                    (console->offer = console_offer(action->vid, &path, &error)) &&
                    open_stream(console, action, sight.domain, &error);
    if (!good) {
        driver_job_fail(job, "%s", error->message);
        console_free(console);
        return;
    }
    driver_job_succeed(job, path);
    g_thread_unref(g_thread_new("console", serve, console));
}
