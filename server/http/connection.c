#include "server/http/connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/tcp.h>
#include <poll.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* How long, how much and for how many peers the guard reads on after a refusal. */
#define LINGER_USEC  (5 * G_USEC_PER_SEC)
#define LINGER_BYTES (512 * 1024 * 1024)
#define LINGER_MOST  64

/* Connections looked at before the lock is let go for a moment. */
#define SLICE 128

typedef struct Lingering {
    int fd;
    gint64 until;
    gsize left;
} Lingering;

struct Peers {
    _Atomic guint per_address;
    _Atomic gint64 request_usec;
    gboolean plain;

    GMutex lock; /* guards all below, but the atomic ones */
    Peer *first, *last;
    GHashTable *networks; /* network -> number of connections */
    GArray *incoming;     /* of Lingering, on their way to the guard */
    gboolean stopping;
    _Atomic guint count;
    _Atomic guint64 cut;
    _Atomic guint lingering_count;

    int wake; /* eventfd */
    GThread *guard;
    GArray *lingering; /* of Lingering; the guard's own */
};

/* ---- addresses ---- */

static gboolean mapped_ipv4(const struct sockaddr_in6 *address)
{
    return IN6_IS_ADDR_V4MAPPED(&address->sin6_addr);
}

/* The address as a number: IPv4 whole, of IPv6 the upper half, which is one household. */
static guint64 network_of(const struct sockaddr *address, gboolean *local)
{
    guint32 ipv4 = 0;
    if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *ipv6 = (const struct sockaddr_in6 *)address;
        if (!mapped_ipv4(ipv6)) {
            guint64 upper;
            memcpy(&upper, &ipv6->sin6_addr, sizeof upper);
            *local = IN6_IS_ADDR_LOOPBACK(&ipv6->sin6_addr);
            return upper;
        }
        memcpy(&ipv4, ipv6->sin6_addr.s6_addr + 12, sizeof ipv4);
    } else if (address->sa_family == AF_INET) {
        ipv4 = ((const struct sockaddr_in *)address)->sin_addr.s_addr;
    }
    *local = (ntohl(ipv4) >> 24) == 127;
    return ipv4;
}

static void print_address(Peer *peer, const struct sockaddr *address)
{
    if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *ipv6 = (const struct sockaddr_in6 *)address;
        if (mapped_ipv4(ipv6))
            inet_ntop(AF_INET, ipv6->sin6_addr.s6_addr + 12, peer->address, sizeof peer->address);
        else
            inet_ntop(AF_INET6, &ipv6->sin6_addr, peer->address, sizeof peer->address);
    } else if (address->sa_family == AF_INET) {
        inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, peer->address,
                  sizeof peer->address);
    } else {
        g_strlcpy(peer->address, "?", sizeof peer->address);
    }
}

/* ---- the list; the lock is held ---- */

static void list_append(Peers *peers, Peer *peer)
{
    peer->next = NULL;
    peer->prev = peers->last;
    *(peers->last ? &peers->last->next : &peers->first) = peer;
    peers->last = peer;
}

static void list_unlink(Peers *peers, Peer *peer)
{
    *(peer->prev ? &peer->prev->next : &peers->first) = peer->next;
    *(peer->next ? &peer->next->prev : &peers->last) = peer->prev;
}

gboolean peers_admit(Peers *peers, const struct sockaddr *address)
{
    gboolean local = FALSE;
    guint64 network = network_of(address, &local);
    guint most = peers->per_address;
    if (most == 0 || local)
        return TRUE;
    g_mutex_lock(&peers->lock);
    guint open = GPOINTER_TO_UINT(g_hash_table_lookup(peers->networks, &network));
    g_mutex_unlock(&peers->lock);
    if (open >= most)
        peers->cut++;
    return open < most;
}

static void count_network(Peers *peers, guint64 network, gint change)
{
    guint open = GPOINTER_TO_UINT(g_hash_table_lookup(peers->networks, &network)) + (guint)change;
    if (open == 0)
        g_hash_table_remove(peers->networks, &network);
    else
        g_hash_table_insert(peers->networks, g_memdup2(&network, sizeof network),
                            GUINT_TO_POINTER(open));
}

Peer *peers_add(Peers *peers, int fd, const struct sockaddr *address)
{
    Peer *peer = g_new0(Peer, 1);
    peer->fd = fd;
    peer->network = network_of(address, &peer->local);
    print_address(peer, address);
    peer_set_phase(peer, PEER_IDLE);
    g_mutex_lock(&peers->lock);
    list_append(peers, peer);
    count_network(peers, peer->network, 1);
    g_mutex_unlock(&peers->lock);
    peers->count++;
    return peer;
}

void peers_remove(Peers *peers, Peer *peer)
{
    g_mutex_lock(&peers->lock);
    list_unlink(peers, peer);
    count_network(peers, peer->network, -1);
    g_mutex_unlock(&peers->lock);
    peers->count--;
    g_free(peer);
}

guint peers_count(const Peers *peers)
{
    return peers->count;
}

guint64 peers_cut(const Peers *peers)
{
    return peers->cut;
}

/* ---- phases ---- */

void peer_set_phase(Peer *peer, PeerPhase phase)
{
    atomic_store_explicit(&peer->since, g_get_monotonic_time(), memory_order_relaxed);
    atomic_store_explicit(&peer->phase, (gint)phase, memory_order_release);
}

void peer_set_replying(Peer *peer, gsize bytes, guint seconds)
{
    gint64 allowed = (gint64)(seconds + bytes / PEER_SLOWEST) * G_USEC_PER_SEC;
    gint64 now = g_get_monotonic_time();
    atomic_store_explicit(&peer->since, now, memory_order_relaxed);
    atomic_store_explicit(&peer->deadline, now + allowed, memory_order_relaxed);
    atomic_store_explicit(&peer->phase, (gint)PEER_REPLYING, memory_order_release);
}

/* ---- the guard ---- */

static guint64 bytes_received(int fd)
{
    struct tcp_info info = {0};
    socklen_t length = sizeof info;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0 ||
        length < offsetof(struct tcp_info, tcpi_bytes_received) + sizeof info.tcpi_bytes_received)
        return 0;
    return info.tcpi_bytes_received;
}

/* A connection that looks idle may be sending the head of a request byte by byte, which
 * libmicrohttpd does not tell: so the bytes are asked of the kernel. */
static gboolean idle_too_slow(const Peers *peers, Peer *peer, gint64 since, gint64 now)
{
    if (peer->seen != since) {
        peer->seen = since;
        peer->received = bytes_received(peer->fd);
        peer->begun = 0;
    } else if (peer->begun == 0 && bytes_received(peer->fd) > peer->received) {
        peer->begun = now;
    }
    return peer->begun != 0 && now - peer->begun > peers->request_usec;
}

static gboolean too_slow(const Peers *peers, Peer *peer, gint64 now)
{
    gint phase = atomic_load_explicit(&peer->phase, memory_order_acquire);
    gint64 since = atomic_load_explicit(&peer->since, memory_order_relaxed);
    switch ((PeerPhase)phase) {
    case PEER_IDLE:
        return idle_too_slow(peers, peer, since, now);
    case PEER_RECEIVING:
        return now - since > peers->request_usec;
    case PEER_REPLYING:
        return now > atomic_load_explicit(&peer->deadline, memory_order_relaxed);
    case PEER_WORKING:
        break;
    }
    return FALSE;
}

/* One look at every connection, a slice at a time; those looked at go to the end. */
static void inspect(Peers *peers)
{
    guint left = peers->count;
    while (left > 0) {
        gint64 now = g_get_monotonic_time();
        g_mutex_lock(&peers->lock);
        for (guint i = 0; i < SLICE && left > 0; i++, left--) {
            Peer *peer = peers->first;
            if (!peer) {
                left = 0;
                break;
            }
            list_unlink(peers, peer);
            list_append(peers, peer);
            if (too_slow(peers, peer, now)) {
                /* Its own thread sees the end and closes it. */
                shutdown(peer->fd, SHUT_RDWR);
                peers->cut++;
            }
        }
        g_mutex_unlock(&peers->lock);
    }
}

void peers_tell(const Peers *peers, const Peer *peer, const char *answer, gsize length)
{
    if (peers->plain && send(peer->fd, answer, length, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        return; /* the peer will see the connection closed instead */
}

void peers_linger(Peers *peers, const Peer *peer)
{
    if (peers->lingering_count >= LINGER_MOST)
        return;
    int fd = dup(peer->fd);
    if (fd < 0)
        return;
    peers->lingering_count++;
    Lingering one = {fd, g_get_monotonic_time() + LINGER_USEC, LINGER_BYTES};
    g_mutex_lock(&peers->lock);
    g_array_append_val(peers->incoming, one);
    g_mutex_unlock(&peers->lock);
    eventfd_write(peers->wake, 1);
}

/* FALSE: done with it. */
static gboolean drain(Lingering *one, gint64 now)
{
    static char nowhere[65536]; /* used by the guard alone */
    for (int i = 0; i < 64; i++) {
        gssize got = recv(one->fd, nowhere, sizeof nowhere, MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        if (got <= 0 || (gsize)got >= one->left)
            return FALSE;
        one->left -= (gsize)got;
    }
    return now < one->until;
}

static void drain_all(Peers *peers)
{
    gint64 now = g_get_monotonic_time();
    for (guint i = 0; i < peers->lingering->len;) {
        Lingering *one = &g_array_index(peers->lingering, Lingering, i);
        if (drain(one, now)) {
            i++;
        } else {
            close(one->fd);
            g_array_remove_index_fast(peers->lingering, i);
            peers->lingering_count--;
        }
    }
}

/* Waits for something to do, for a second at most. */
static void guard_wait(Peers *peers)
{
    g_autofree struct pollfd *wait = g_new0(struct pollfd, 1 + peers->lingering->len);
    wait[0] = (struct pollfd){peers->wake, POLLIN, 0};
    for (guint i = 0; i < peers->lingering->len; i++)
        wait[1 + i] = (struct pollfd){g_array_index(peers->lingering, Lingering, i).fd, POLLIN, 0};
    eventfd_t unused;
    if (poll(wait, 1 + peers->lingering->len, 1000) > 0 && wait[0].revents)
        eventfd_read(peers->wake, &unused);
}

static gpointer guard(gpointer data)
{
    Peers *peers = data;
    gint64 next = 0;
    for (;;) {
        guard_wait(peers);
        g_mutex_lock(&peers->lock);
        gboolean stopping = peers->stopping;
        g_array_append_vals(peers->lingering, peers->incoming->data, peers->incoming->len);
        g_array_set_size(peers->incoming, 0);
        g_mutex_unlock(&peers->lock);
        if (stopping)
            return NULL;
        drain_all(peers);
        gint64 now = g_get_monotonic_time();
        if (now >= next) {
            inspect(peers);
            next = now + G_USEC_PER_SEC - G_USEC_PER_SEC / 10;
        }
    }
}

/* ---- begin and end ---- */

void peers_limit(Peers *peers, guint per_address, guint request_seconds)
{
    peers->per_address = per_address;
    peers->request_usec = (gint64)request_seconds * G_USEC_PER_SEC;
}

Peers *peers_new(guint per_address, guint request_seconds, gboolean plain)
{
    Peers *peers = g_new0(Peers, 1);
    peers_limit(peers, per_address, request_seconds);
    peers->plain = plain;
    g_mutex_init(&peers->lock);
    peers->networks = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    peers->lingering = g_array_new(FALSE, FALSE, sizeof(Lingering));
    peers->incoming = g_array_new(FALSE, FALSE, sizeof(Lingering));
    peers->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    peers->guard = g_thread_new("http-guard", guard, peers);
    return peers;
}

void peers_free(Peers *peers)
{
    if (!peers)
        return;
    g_mutex_lock(&peers->lock);
    peers->stopping = TRUE;
    g_mutex_unlock(&peers->lock);
    eventfd_write(peers->wake, 1);
    g_thread_join(peers->guard);
    for (guint i = 0; i < peers->lingering->len; i++)
        close(g_array_index(peers->lingering, Lingering, i).fd);
    g_array_unref(peers->lingering);
    g_array_unref(peers->incoming);
    g_hash_table_unref(peers->networks);
    g_mutex_clear(&peers->lock);
    close(peers->wake);
    g_free(peers);
}
