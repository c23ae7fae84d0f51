#include "client/evaluate/ping.h"
#include "client/cli/cli.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define PACES   4
#define PAYLOAD 48 /* bytes behind the header, as ping sends */

typedef struct {
    struct icmphdr head; /* that of ICMPv6 has the same places */
    guint8 pace;
    guint8 rest[PAYLOAD - 1];
} Packet;

typedef struct {
    GArray *pings; /* of Ping */
    gint64 every;  /* µs */
    gint64 next;
} Trace;

struct Pinger {
    GThread *thread;
    GMutex lock; /* of all below but what does not change */
    Trace traces[PACES];
    guint count;
    guint answers;
    gint64 stop; /* when to end, 0: not yet; requests end at once */
    int socket;
    gboolean raw;
    gboolean v6;
    struct sockaddr_storage to;
    guint16 id;
    gint64 epoch;
};

/* ---- The socket ---- */

static gboolean read_address(Pinger *pinger, const char *address)
{
    struct sockaddr_in *four = (struct sockaddr_in *)&pinger->to;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)&pinger->to;
    if (inet_pton(AF_INET, address, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        return TRUE;
    }
    pinger->v6 = inet_pton(AF_INET6, address, &six->sin6_addr) == 1;
    six->sin6_family = AF_INET6;
    return pinger->v6;
}

static gboolean open_socket(Pinger *pinger)
{
    int family = pinger->v6 ? AF_INET6 : AF_INET;
    int protocol = pinger->v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
    pinger->socket = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    if (pinger->socket < 0) {
        pinger->raw = TRUE;
        pinger->socket = socket(family, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    }
    /* A connected socket hears of its own address only. */
    return pinger->socket >= 0 &&
           connect(pinger->socket, (struct sockaddr *)&pinger->to,
                   pinger->v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in)) == 0;
}

/* ---- Sending and hearing ---- */

static guint16 checksum(const void *data, gsize length)
{
    const guint8 *bytes = data;
    guint32 sum = 0;
    for (gsize i = 0; i + 1 < length; i += 2)
        sum += (guint32)bytes[i] << 8 | bytes[i + 1];
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return g_htons((guint16)~sum);
}

static double seconds(const Pinger *pinger, gint64 now)
{
    return (double)(now - pinger->epoch) / G_USEC_PER_SEC;
}

static void send_one(Pinger *pinger, guint nth, gint64 now)
{
    Trace *trace = &pinger->traces[nth];
    Ping ping = {.sent = seconds(pinger, now), .trip = -1};
    Packet packet = {.pace = (guint8)nth};
    packet.head.type = pinger->v6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO;
    packet.head.un.echo.id = pinger->id;
    packet.head.un.echo.sequence = g_htons((guint16)trace->pings->len);
    if (!pinger->v6) /* the kernel sums up for version 6 */
        packet.head.checksum = checksum(&packet, sizeof packet);
    /* What cannot be sent (no route for a moment) is a request without an answer. */
    (void)!send(pinger->socket, &packet, sizeof packet, 0);
    g_array_append_val(trace->pings, ping);
}

static void take_answer(Pinger *pinger, const guint8 *bytes, gsize length, gint64 now)
{
    if (pinger->raw && !pinger->v6) { /* with the header of IP before it */
        gsize head = length > 0 ? (gsize)(bytes[0] & 15) * 4 : 0;
        if (head > length)
            return;
        bytes += head;
        length -= head;
    }
    Packet packet;
    if (length < offsetof(Packet, rest))
        return;
    memcpy(&packet, bytes, offsetof(Packet, rest));
    if (packet.head.type != (pinger->v6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY) ||
        (pinger->raw && packet.head.un.echo.id != pinger->id) || packet.pace >= pinger->count)
        return;
    /* The number on the wire has 16 bits: it is that of the latest request that fits. */
    GArray *pings = pinger->traces[packet.pace].pings;
    guint number = g_ntohs(packet.head.un.echo.sequence);
    while (number + 0x10000 < pings->len)
        number += 0x10000;
    if (number >= pings->len)
        return;
    Ping *ping = &g_array_index(pings, Ping, number);
    if (ping->trip < 0) {
        ping->trip = MAX((seconds(pinger, now) - ping->sent) * 1000, 0);
        pinger->answers++;
    }
}

static void hear(Pinger *pinger)
{
    guint8 bytes[512];
    gssize length;
    while ((length = recv(pinger->socket, bytes, sizeof bytes, 0)) >= 0 || errno == ECONNREFUSED ||
           errno == EHOSTUNREACH) {
        if (length < 0)
            return;
        g_mutex_lock(&pinger->lock);
        take_answer(pinger, bytes, (gsize)length, g_get_monotonic_time());
        g_mutex_unlock(&pinger->lock);
    }
}

/* Sends what is due; the time until the next is due, in µs, or < 0 when all is over. */
static gint64 send_due(Pinger *pinger)
{
    gint64 now = g_get_monotonic_time(), next = now + G_USEC_PER_SEC;
    g_mutex_lock(&pinger->lock);
    gint64 stop = pinger->stop;
    for (guint i = 0; stop == 0 && i < pinger->count; i++) {
        Trace *trace = &pinger->traces[i];
        if (trace->next <= now) {
            send_one(pinger, i, now);
            /* A thread that was late does not catch up: the pace would be another. */
            trace->next = MAX(trace->next + trace->every, now + trace->every / 2);
        }
        next = MIN(next, trace->next);
    }
    g_mutex_unlock(&pinger->lock);
    return stop == 0 ? next - now : stop - now;
}

static gpointer run(gpointer data)
{
    Pinger *pinger = data;
    for (;;) {
        gint64 wait = send_due(pinger);
        if (wait < 0)
            return NULL;
        struct pollfd awaited = {.fd = pinger->socket, .events = POLLIN};
        struct timespec span = {.tv_nsec = MIN(wait, 20000) * 1000};
        if (ppoll(&awaited, 1, &span, NULL) > 0)
            hear(pinger);
    }
}

/* ---- For others ---- */

static void pinger_free(Pinger *pinger)
{
    for (guint i = 0; i < pinger->count; i++)
        if (pinger->traces[i].pings != NULL)
            g_array_unref(pinger->traces[i].pings);
    if (pinger->socket >= 0)
        close(pinger->socket);
    g_mutex_clear(&pinger->lock);
    g_free(pinger);
}

Pinger *pinger_start(const char *address, const guint *paces, guint count, gint64 epoch,
                     GError **error)
{
    Pinger *pinger = g_new0(Pinger, 1);
    g_mutex_init(&pinger->lock);
    pinger->socket = -1;
    if (!read_address(pinger, address)) {
        g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE, "\"%s\" is no address: write 10.0.0.5",
                    address);
        pinger_free(pinger);
        return NULL;
    }
    if (!open_socket(pinger)) {
        g_set_error(error, CLI_ERROR, CLI_ERROR_FAILED,
                    "%s cannot be pinged: %s. Root may; others when the administrator says: sysctl "
                    "net.ipv4.ping_group_range=\"0 2147483647\"",
                    address, g_strerror(errno));
        pinger_free(pinger);
        return NULL;
    }
    pinger->epoch = epoch;
    pinger->id = (guint16)g_random_int();
    pinger->count = MIN(count, PACES);
    for (guint i = 0; i < pinger->count; i++) {
        pinger->traces[i].pings = g_array_new(FALSE, FALSE, sizeof(Ping));
        pinger->traces[i].every = G_USEC_PER_SEC / MAX(paces[i], 1);
        pinger->traces[i].next = g_get_monotonic_time();
    }
    pinger->thread = g_thread_new("ping", run, pinger);
    return pinger;
}

guint pinger_answers(Pinger *pinger)
{
    g_mutex_lock(&pinger->lock);
    guint answers = pinger->answers;
    g_mutex_unlock(&pinger->lock);
    return answers;
}

void pinger_stop(Pinger *pinger, guint patience, GArray **traces)
{
    g_mutex_lock(&pinger->lock);
    pinger->stop = g_get_monotonic_time() + (gint64)patience * 1000;
    g_mutex_unlock(&pinger->lock);
    g_thread_join(pinger->thread);
    for (guint i = 0; traces != NULL && i < pinger->count; i++)
        traces[i] = g_steal_pointer(&pinger->traces[i].pings);
    pinger_free(pinger);
}

gboolean ping_answers(const char *address, guint patience)
{
    guint pace = 5, answers = 0;
    gint64 end = g_get_monotonic_time() + (gint64)patience * 1000;
    Pinger *pinger = pinger_start(address, &pace, 1, 0, NULL);
    if (pinger == NULL)
        return FALSE;
    while ((answers = pinger_answers(pinger)) == 0 && g_get_monotonic_time() < end)
        g_usleep(20000);
    pinger_stop(pinger, 0, NULL);
    return answers > 0;
}
