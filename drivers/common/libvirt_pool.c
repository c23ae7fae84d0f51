#include "drivers/common/libvirt_pool.h"

#include "drivers/common/libvirt_tunnel.h"
#include "lib/base/error.h"
#include "lib/base/log.h"
#include <libvirt/virterror.h>
#include <string.h>
#include <unistd.h>

/* A host that is silent for so many tenths of our patience is taken for lost; it is asked each
 * KEEPALIVE_SECONDS. libvirtd answers these questions in its main loop, whatever its workers do. */
#define SILENCE_TENTHS    3
#define KEEPALIVE_SECONDS 2
/* Nobody waits longer than this for a host that went silent, while it is tried again. */
#define SILENT_SECONDS 1
/* An attempt that hangs (ssh, whose packets are lost) is not waited for when a host may be back: at
 * half our patience another is begun, so many at most. */
#define ATTEMPTS_MAX 4
/* libvirt_pool.h tells why. */
#define CALLS_MAX 1
/* A second connection that nobody needed for so long is closed. */
#define SPARE_SECONDS 60
#define REST_SECONDS  1
/* So many connections share an ssh session; sshd's MaxSessions is 10 unless told otherwise. */
#define SHARERS_MAX 8

typedef struct Link {
    virConnectPtr connection;
    LibvirtTunnel *tunnel; /* NULL: it goes another way */
    struct Peer *peer;
    guint users;
    gboolean dead;
    gint64 idle_since;
} Link;

/* All about one host. Never freed, so that threads may come back to it at any time. */
typedef struct Peer {
    char *host;
    GPtrArray *links;     /* of Link: those that may be given out */
    guint opening;        /* attempts under way, each in a thread of its own */
    gint64 opening_since; /* the latest of them */
    gint64 silent_since;  /* it stopped to answer then; 0: it did not */
    guint attempts;       /* that came to an end; those who wait look for a change */
    GError *error;        /* why the last one failed; NULL when it did not */
} Peer;

static const LibvirtSettings *settings;
static gint64 patience = LIBVIRT_CONNECT_SECONDS;
static GMutex lock;
static GCond changed;     /* an attempt to connect has ended */
static GHashTable *peers; /* host -> Peer */
static GHashTable *links; /* connection -> Link, as long as it is open */

/* ---- names ---- */

gboolean libvirt_host_is_local(const char *host)
{
    char own[256] = "";
    if (!g_ascii_strcasecmp(host, "localhost") || g_str_has_prefix(host, "127.") ||
        g_str_equal(host, "::1"))
        return TRUE;
    (void)gethostname(own, sizeof own - 1);
    if (!g_ascii_strcasecmp(host, own))
        return TRUE;
    /* "node01.site" is "node01" and the other way round. */
    gsize length = strcspn(own, ".");
    return length && (own[length] == '\0') != (strchr(host, '.') == NULL) &&
           strcspn(host, ".") == length && !g_ascii_strncasecmp(host, own, length);
}

char *libvirt_uri_of(const char *host)
{
    if (libvirt_host_is_local(host))
        return g_strdup(settings->local);
    g_auto(GStrv) parts = g_strsplit(settings->remote, "%h", -1);
    return g_strjoinv(host, parts);
}

/* ---- errors ---- */

/* What libvirt's answer usually means, and what helps. */
static const char *hint_for(const char *message)
{
    static const struct {
        const char *part, *hint;
    } hints[] = {
        {"Host key verification failed",
         "Put the host's key into known_hosts of the user that runs oned (ssh-keyscan, then "
         "compare)"},
        {"Permission denied (",
         "Put the public key of the user that runs oned into the host's authorized_keys"},
        {"Failed to connect socket", "Start libvirtd on that host"},
        {"Could not resolve hostname", "Put the name into DNS or /etc/hosts"},
        {"Name or service not known", "Put the name into DNS or /etc/hosts"},
        {"no storage pool with matching target path",
         "The machine's directory or disk is missing on the destination; the transfer driver makes "
         "it before (PREMIGRATE)"},
        {"virtlogd-sock",
         "Start virtlogd on that host, or set stdio_handler=\"file\" in its qemu.conf"},
        {"migration requires an FQDN",
         "Give the destination a host name that is not localhost, or set migration_host in its "
         "qemu.conf"},
        {"unable to connect to server at",
         "The source sends the memory straight to that address: is it the destination's "
         "(migration_host in its qemu.conf, MIGRATE/URI in the host's template), and do the "
         "firewalls let TCP ports 49152 to 49215 through?"},
        {"without shared storage is unsafe",
         "Say SHARED=YES in the system datastore when all hosts see the same directory"},
        {"Failed to send migration data to destination host",
         "Xen moves a PV machine live only if it was built with shadow paging, which Debian's is "
         "not: "
         "migrate without --live, or make it a PVH machine (OS/MACHINE=xenpvh)"},
        {"could not find capabilities for",
         "Does the host have this hypervisor (qemu-system, /dev/kvm)?"},
        {"KVM is not supported", "Use the flavour qemu (software emulation) for this host"},
        {"does not support virt type 'kvm'",
         "Use the flavour qemu (software emulation) for this host, or load its KVM module"},
        {"Active console session exists",
         "Somebody on the host is attached to it (virsh console?); --force takes it over"},
        {"Cannot get interface MTU",
         "The bridge of the NIC does not exist on that host; make it there"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(hints); i++)
        if (strstr(message, hints[i].part))
            return hints[i].hint;
    return NULL;
}

static void set_error(GError **error, const char *what, const char *message)
{
    const char *hint = hint_for(message);
    g_autofree char *text = g_strchomp(g_strdup(message));
    g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "cannot %s: %s%s%s", what, text,
                hint ? ". " : "", hint ? hint : "");
}

gboolean libvirt_error(GError **error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *what = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    const virError *fault = virGetLastError();
    set_error(error, what, fault && fault->message ? fault->message : "no reason given");
    return FALSE;
}

/* libvirt would print each error; ours are results. */
static void keep_quiet(void *data, virErrorPtr fault)
{
}

/* ---- the event thread ---- */

static void nothing(int timer, void *data)
{
}

static gpointer run_events(gpointer data)
{
    /* The loop must have a timer: without one it would sleep on no descriptor at all. */
    (void)virEventAddTimeout(1000, nothing, NULL, NULL);
    for (;;)
        if (virEventRunDefaultImpl() < 0)
            g_usleep(100 * 1000);
    return NULL;
}

void libvirt_pool_start(const LibvirtSettings *wanted)
{
    static gsize started = 0;
    settings = wanted;
    if (!g_once_init_enter(&started))
        return;
    peers = g_hash_table_new(g_str_hash, g_str_equal);
    links = g_hash_table_new(NULL, NULL);
    virSetErrorFunc(NULL, keep_quiet);
    if (virInitialize() < 0 || virEventRegisterDefaultImpl() < 0)
        log_error("DRV", "libvirt cannot be initialized: %s", virGetLastErrorMessage());
    else
        g_thread_unref(g_thread_new("events", run_events, NULL));
    g_once_init_leave(&started, 1);
}

void libvirt_pool_set_patience(int seconds)
{
    patience = CLAMP(seconds, LIBVIRT_CONNECT_SECONDS, LIBVIRT_PATIENCE_MAX);
}

/* ---- connections ---- */

static Peer *peer_of(const char *host)
{
    Peer *peer = g_hash_table_lookup(peers, host);
    if (!peer) {
        peer = g_new0(Peer, 1);
        peer->host = g_strdup(host);
        peer->links = g_ptr_array_new();
        g_hash_table_insert(peers, peer->host, peer);
    }
    return peer;
}

static const char *close_reason(int reason)
{
    switch (reason) {
    case VIR_CONNECT_CLOSE_REASON_KEEPALIVE:
        return "the host does not answer any more (keepalive)";
    case VIR_CONNECT_CLOSE_REASON_EOF:
        return "libvirtd of the host ended, or the connection was cut";
    case VIR_CONNECT_CLOSE_REASON_ERROR:
        return "the connection to libvirtd of the host broke";
    default:
        return "the connection was closed";
    }
}

/* In the event thread. */
static void on_close(virConnectPtr connection, int reason, void *data)
{
    Link *link = data;
    g_mutex_lock(&lock);
    gboolean tell = !link->dead;
    link->dead = TRUE;
    if (reason == VIR_CONNECT_CLOSE_REASON_KEEPALIVE && !link->peer->silent_since)
        link->peer->silent_since = g_get_monotonic_time();
    g_autofree char *host = g_strdup(link->peer->host);
    g_mutex_unlock(&lock);
    if (tell && settings->lost)
        settings->lost(host, close_reason(reason));
}

static void close_all(GPtrArray *closing)
{
    for (guint i = 0; i < closing->len; i++) {
        Link *link = closing->pdata[i];
        g_mutex_lock(&lock);
        g_hash_table_remove(links, link->connection);
        g_mutex_unlock(&lock);
        (void)virConnectUnregisterCloseCallback(link->connection, on_close);
        (void)virConnectClose(link->connection);
        libvirt_tunnel_unref(link->tunnel);
        g_free(link);
    }
}

/* One that carries a living connection to the host already, or another. Where something hangs,
 * nothing is shared with it. (owned) */
static LibvirtTunnel *tunnel_for(Peer *peer, gboolean *shared)
{
    LibvirtTunnel *found = NULL;
    g_mutex_lock(&lock);
    for (guint i = 0; i < peer->links->len && peer->opening <= 1 && !peer->silent_since; i++) {
        const Link *link = peer->links->pdata[i];
        guint sharers = 0;
        for (guint j = 0; j < peer->links->len; j++)
            sharers += ((const Link *)peer->links->pdata[j])->tunnel == link->tunnel;
        if (link->tunnel && !link->dead && sharers < SHARERS_MAX)
            found = link->tunnel;
    }
    if (found)
        found = libvirt_tunnel_ref(found);
    g_mutex_unlock(&lock);
    *shared = found != NULL;
    return found ? found : libvirt_tunnel_new((guint)patience);
}

/* Through a tunnel; NULL with an error: it was tried in vain; without one: another way is to be. */
static virConnectPtr open_tunnelled(Peer *peer, const char *uri, LibvirtTunnel **tunnel,
                                    GError **error)
{
    g_auto(LibvirtRoute) route = {0};
    if (libvirt_host_is_local(peer->host) ||
        !libvirt_route_read(settings->remote, peer->host, &route))
        return NULL;
    gboolean shared = FALSE, try_ssh = FALSE;
    g_autoptr(GError) reason = NULL;
    *tunnel = tunnel_for(peer, &shared);
    virConnectPtr connection = libvirt_tunnel_open(*tunnel, &route, &try_ssh, &reason);
    if (!connection && shared) {
        libvirt_tunnel_unref(*tunnel);
        g_clear_error(&reason);
        *tunnel = libvirt_tunnel_new((guint)patience);
        connection = libvirt_tunnel_open(*tunnel, &route, &try_ssh, &reason);
    }
    if (connection)
        return connection;
    libvirt_tunnel_unref(g_steal_pointer(tunnel));
    if (!try_ssh) {
        g_autofree char *what = g_strdup_printf("connect to %s (%s)", peer->host, uri);
        set_error(error, what, reason->message);
    }
    return NULL;
}

static virConnectPtr open_connection(Peer *peer, LibvirtTunnel **tunnel, GError **error)
{
    g_autofree char *uri = libvirt_uri_of(peer->host);
    g_autoptr(GError) reason = NULL;
    virConnectPtr connection = open_tunnelled(peer, uri, tunnel, &reason);
    if (!connection && reason) {
        g_propagate_error(error, g_steal_pointer(&reason));
        return NULL;
    }
    if (!connection)
        connection = virConnectOpen(uri);
    if (!connection) {
        libvirt_error(error, "connect to %s (%s)", peer->host, uri);
        return NULL;
    }
    /* Drivers inside this process (test:///) have no keepalive; that is fine. */
    gint64 questions = patience * SILENCE_TENTHS / 10 / KEEPALIVE_SECONDS;
    (void)virConnectSetKeepAlive(connection, KEEPALIVE_SECONDS, (unsigned)MAX(questions - 1, 1));
    return connection;
}

/* Runs in a thread of its own, since an ssh that hangs cannot be interrupted. */
static gpointer open_link(gpointer data)
{
    Peer *peer = data;
    g_autoptr(GError) error = NULL;
    Link *link = g_new0(Link, 1);
    link->peer = peer;
    link->idle_since = g_get_monotonic_time();
    link->connection = open_connection(peer, &link->tunnel, &error);
    if (link->connection) {
        (void)virConnectRegisterCloseCallback(link->connection, on_close, link, NULL);
        if (settings->opened)
            settings->opened(peer->host, link->connection);
    }
    g_mutex_lock(&lock);
    if (link->connection) {
        g_ptr_array_add(peer->links, link);
        g_hash_table_insert(links, link->connection, link);
        peer->silent_since = 0;
    } else {
        g_free(link);
    }
    peer->opening--;
    peer->attempts++;
    g_clear_error(&peer->error);
    peer->error = g_steal_pointer(&error);
    g_cond_broadcast(&changed);
    g_mutex_unlock(&lock);
    return NULL;
}

/* The caller closes what is put into `closing`, outside the lock. */
static void drop(Link *link, GPtrArray *closing)
{
    link->dead = TRUE;
    (void)g_ptr_array_remove_fast(link->peer->links, link);
    if (link->users == 0)
        g_ptr_array_add(closing, link);
}

/* A living link with room for one more call, or NULL. Dead links leave, and spare ones that
 * nobody has used for long. */
static Link *choose(Peer *peer, GPtrArray *closing)
{
    gint64 spare = g_get_monotonic_time() - SPARE_SECONDS * G_TIME_SPAN_SECOND;
    Link *best = NULL;
    for (guint i = peer->links->len; i-- > 0;) {
        Link *link = peer->links->pdata[i];
        gboolean unneeded = best && link->users == 0 && link->idle_since < spare;
        if (unneeded || link->dead || virConnectIsAlive(link->connection) != 1)
            drop(link, closing);
        else if (link->users < CALLS_MAX)
            best = link;
    }
    return best;
}

static gboolean begin_opening(Peer *peer, GError **error)
{
    peer->opening++;
    peer->opening_since = g_get_monotonic_time();
    g_autoptr(GThread) thread = g_thread_try_new("connect", open_link, peer, error);
    if (!thread)
        peer->opening--;
    return thread != NULL;
}

static gboolean still_silent(Peer *peer, GError **error)
{
    if (!peer->silent_since)
        peer->silent_since = peer->opening_since;
    gint64 since = peer->silent_since;
    g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                "cannot connect to %s: no answer for %d seconds. Is the host up, and does ssh "
                "reach it?",
                peer->host, (int)((g_get_monotonic_time() - since) / G_TIME_SPAN_SECOND));
    return FALSE;
}

/* Waits until the attempt under way has ended, or long enough. FALSE with the reason. */
static gboolean wait_for_attempt(Peer *peer, GError **error)
{
    gint64 now = g_get_monotonic_time();
    gboolean hangs = now - peer->opening_since > patience * G_TIME_SPAN_SECOND / 2;
    if ((!peer->opening || (hangs && peer->opening < ATTEMPTS_MAX)) && !begin_opening(peer, error))
        return FALSE;
    guint before = peer->attempts;
    gint64 until = peer->opening_since + patience * G_TIME_SPAN_SECOND;
    if (peer->silent_since)
        until = MIN(until, now + SILENT_SECONDS * G_TIME_SPAN_SECOND);
    while (peer->attempts == before)
        if (!g_cond_wait_until(&changed, &lock, until))
            return still_silent(peer, error);
    if (peer->error && error)
        *error = g_error_copy(peer->error);
    return peer->error == NULL;
}

static gboolean check_host(const char *host, GError **error)
{
    if (*host && *host != '-' && !strpbrk(host, " \t/?#%&\"'\\"))
        return TRUE;
    g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API, "\"%s\" is not the name of a host", host);
    return FALSE;
}

/* A link with one more user, or NULL with the reason. *rested: nobody used it for a while. */
static Link *take(const char *host, gboolean *rested, GError **error)
{
    g_autoptr(GPtrArray) closing = g_ptr_array_new();
    g_mutex_lock(&lock);
    Peer *peer = peer_of(host);
    Link *link;
    while (!(link = choose(peer, closing)) && wait_for_attempt(peer, error))
        ;
    if (link) {
        *rested = link->users == 0 &&
                  g_get_monotonic_time() - link->idle_since > REST_SECONDS * G_TIME_SPAN_SECOND;
        link->users++;
    }
    g_mutex_unlock(&lock);
    close_all(closing);
    return link;
}

static void give_back(Link *link, gboolean broken)
{
    g_autoptr(GPtrArray) closing = g_ptr_array_new();
    g_mutex_lock(&lock);
    link->users--;
    link->idle_since = g_get_monotonic_time();
    if (broken || link->dead)
        drop(link, closing);
    g_mutex_unlock(&lock);
    close_all(closing);
}

/* Drivers inside this process (test:///) cannot be asked, and are always there. */
static gboolean answers(virConnectPtr connection)
{
    unsigned long version;
    if (virConnectGetLibVersion(connection, &version) == 0)
        return TRUE;
    const virError *fault = virGetLastError();
    return fault && fault->code == VIR_ERR_NO_SUPPORT;
}

virConnectPtr libvirt_pool_get(const char *host, GError **error)
{
    if (!check_host(host, error))
        return NULL;
    for (;;) {
        gboolean rested;
        Link *link = take(host, &rested, error);
        /* That the other end is gone may be seen only by the first call: make one that can be
         * repeated, rather than lose a request to it. */
        if (!link || !rested || answers(link->connection))
            return link ? link->connection : NULL;
        give_back(link, TRUE);
    }
}

void libvirt_pool_release(virConnectPtr connection)
{
    if (!connection)
        return;
    g_mutex_lock(&lock);
    Link *link = g_hash_table_lookup(links, connection);
    g_mutex_unlock(&lock);
    give_back(link, FALSE);
}

gboolean libvirt_pool_is_silent(const char *host)
{
    g_mutex_lock(&lock);
    gboolean silent = peer_of(host)->silent_since != 0;
    g_mutex_unlock(&lock);
    return silent;
}

void libvirt_pool_forget(const char *host)
{
    g_autoptr(GPtrArray) closing = g_ptr_array_new();
    g_mutex_lock(&lock);
    Peer *peer = peer_of(host);
    while (peer->links->len)
        drop(peer->links->pdata[0], closing);
    g_mutex_unlock(&lock);
    close_all(closing);
}
