#include "drivers/common/libvirt_tunnel.h"

#include "lib/base/error.h"
#include "lib/ssh/ssh.h"
#include <errno.h>
#include <libvirt/virterror.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* The host has no virt-ssh-helper (libvirt before 6.8). */
#define NO_HELPER 117
/* What fails later than this is no matter of keys or programs, but of the host or the network. */
#define QUICK_SECONDS 3
/* libvirt in here connects at once, or not at all. */
#define ACCEPT_SECONDS 10

#define SSH_MARK       "+ssh://"

struct LibvirtTunnel {
    gatomicrefcount references;
    Ssh *ssh;
};

/* One connection on its way through: shared by its thread and who opens it. */
typedef struct Errand {
    gatomicrefcount references;
    LibvirtTunnel *tunnel;
    char *who, *command;
    int listener;
    GMutex lock;
    GCond changed;
    gboolean ended;
    int status;       /* of the helper; -1: it was not reached */
    char *said;       /* its standard error */
    char *connecting; /* why it was not reached */
} Errand;

/* ---- where to ---- */

void libvirt_route_clear(LibvirtRoute *route)
{
    g_clear_pointer(&route->who, g_free);
    g_clear_pointer(&route->inner, g_free);
    g_clear_pointer(&route->outer, g_free);
}

gboolean libvirt_route_read(const char *pattern, const char *host, LibvirtRoute *route)
{
    const char *mark = strstr(pattern, SSH_MARK);
    const char *place = mark ? strstr(mark, "%h/") : NULL;
    if (!place)
        return FALSE;
    const char *path = place + strlen("%h");
    const char *query = strchr(path, '?');
    g_autofree char *user =
        g_strndup(mark + strlen(SSH_MARK), (gsize)(place - mark) - strlen(SSH_MARK));
    /* %h in a path, a colon: none of ours. */
    if ((*user && (!g_str_has_suffix(user, "@") || strpbrk(user, ":/%"))) || strchr(path, '%') ||
        strchr(path, '\'') || (query && !g_str_equal(query, "?no_tty=1")))
        return FALSE;
    g_autofree char *scheme = g_strndup(pattern, (gsize)(mark - pattern));
    g_autofree char *plain = g_strndup(path, query ? (gsize)(query - path) : strlen(path));
    route->who = g_strconcat(user, host, NULL);
    route->inner = g_strdup_printf("%s://%s", scheme, plain);
    route->outer = g_strdup_printf("%s+unix://%s?socket=", scheme, plain);
    return TRUE;
}

/* ---- the session ---- */

LibvirtTunnel *libvirt_tunnel_new(guint patience)
{
    LibvirtTunnel *tunnel = g_new0(LibvirtTunnel, 1);
    g_atomic_ref_count_init(&tunnel->references);
    tunnel->ssh = ssh_new();
    ssh_set_patience(tunnel->ssh, patience);
    return tunnel;
}

LibvirtTunnel *libvirt_tunnel_ref(LibvirtTunnel *tunnel)
{
    g_atomic_ref_count_inc(&tunnel->references);
    return tunnel;
}

void libvirt_tunnel_unref(LibvirtTunnel *tunnel)
{
    if (!tunnel || !g_atomic_ref_count_dec(&tunnel->references))
        return;
    ssh_free(tunnel->ssh);
    g_free(tunnel);
}

/* ---- one connection ---- */

static void errand_unref(Errand *errand)
{
    if (!g_atomic_ref_count_dec(&errand->references))
        return;
    libvirt_tunnel_unref(errand->tunnel);
    g_mutex_clear(&errand->lock);
    g_cond_clear(&errand->changed);
    g_free(errand->who);
    g_free(errand->command);
    g_free(errand->said);
    g_free(errand->connecting);
    g_free(errand);
}

/* A socket without a file, so that nothing is left behind by whatever end. Its name begins with a
 * zero byte, which libvirt writes as '@', and is as long as a name can be, since libvirt does not
 * tell its length. -1 with the reason. */
static int listen_somewhere(char **name, GError **error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    g_autofree char *word =
        g_strdup_printf("globule-%d-%08x%08x", (int)getpid(), g_random_int(), g_random_int());
    g_strlcpy(address.sun_path + 1, word, sizeof address.sun_path - 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
        listen(fd, 4) == 0) {
        *name = g_strconcat("@", word, NULL);
        return fd;
    }
    g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "cannot make a socket for libvirt: %s",
                g_strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Others of this computer can find the name: only this process is served. -1: nobody came. */
static int accept_own(int listener)
{
    gint64 until = g_get_monotonic_time() + ACCEPT_SECONDS * G_TIME_SPAN_SECOND;
    while (g_get_monotonic_time() < until) {
        struct pollfd set = {.fd = listener, .events = POLLIN};
        if (poll(&set, 1, 1000) <= 0)
            continue;
        struct ucred peer = {0};
        socklen_t length = sizeof peer;
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            continue;
        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 && peer.pid == getpid())
            return fd;
        close(fd);
    }
    return -1;
}

static gpointer carry(gpointer data)
{
    Errand *errand = data;
    g_autoptr(GError) error = NULL;
    g_auto(SshResult) result = {.status = -1};
    int fd = accept_own(errand->listener);
    close(errand->listener);
    if (fd >= 0)
        (void)ssh_stream(errand->tunnel->ssh, errand->who, errand->command, fd, fd, NULL, &result,
                         &error);
    g_mutex_lock(&errand->lock);
    errand->status = error || fd < 0 ? -1 : result.status;
    errand->said = result.errors ? g_strdup(result.errors->str) : NULL;
    errand->connecting = g_strdup(error ? error->message : NULL);
    errand->ended = TRUE;
    g_cond_broadcast(&errand->changed);
    g_mutex_unlock(&errand->lock);
    /* Last, since whoever waits for libvirt's answer looks at the reason then. */
    if (fd >= 0)
        close(fd);
    errand_unref(errand);
    return NULL;
}

/* Why no connection came about. */
static void explain(Errand *errand, gboolean *try_ssh, gint64 begun, GError **error)
{
    gint64 until = g_get_monotonic_time() + G_TIME_SPAN_SECOND;
    g_mutex_lock(&errand->lock);
    while (!errand->ended && g_cond_wait_until(&errand->changed, &errand->lock, until))
        ;
    gboolean quick = g_get_monotonic_time() - begun < QUICK_SECONDS * G_TIME_SPAN_SECOND;
    const char *text = errand->status == -1 ? errand->connecting : errand->said;
    *try_ssh = errand->ended && quick && (errand->status == -1 || errand->status == NO_HELPER);
    g_autofree char *clean = g_strdup(text ? text : "");
    g_strdelimit(g_strstrip(clean), "\r\n", ' ');
    g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "%.500s",
                *clean ? clean : virGetLastErrorMessage());
    g_mutex_unlock(&errand->lock);
}

static Errand *begin(LibvirtTunnel *tunnel, const LibvirtRoute *route, char **name, GError **error)
{
    int listener = listen_somewhere(name, error);
    if (listener < 0)
        return NULL;
    Errand *errand = g_new0(Errand, 1);
    g_atomic_ref_count_init(&errand->references);
    g_mutex_init(&errand->lock);
    g_cond_init(&errand->changed);
    errand->tunnel = libvirt_tunnel_ref(tunnel);
    errand->who = g_strdup(route->who);
    errand->command = g_strdup_printf("command -v virt-ssh-helper >/dev/null 2>&1 || exit %d; "
                                      "exec virt-ssh-helper '%s'",
                                      NO_HELPER, route->inner);
    errand->listener = listener;
    errand->status = -1;
    g_atomic_ref_count_inc(&errand->references);
    g_autoptr(GThread) thread = g_thread_try_new("tunnel", carry, errand, error);
    if (thread)
        return errand;
    close(listener);
    errand_unref(errand);
    errand_unref(errand);
    return NULL;
}

virConnectPtr libvirt_tunnel_open(LibvirtTunnel *tunnel, const LibvirtRoute *route,
                                  gboolean *try_ssh, GError **error)
{
    gint64 begun = g_get_monotonic_time();
    g_autofree char *name = NULL;
    *try_ssh = FALSE;
    Errand *errand = begin(tunnel, route, &name, error);
    if (!errand)
        return NULL;
    g_autofree char *uri = g_strconcat(route->outer, name, NULL);
    virConnectPtr connection = virConnectOpen(uri);
    if (!connection)
        explain(errand, try_ssh, begun, error);
    errand_unref(errand);
    return connection;
}
