/*
 * Connections to libvirt, one process for many hosts: kept open, shared by threads,
 * watched by keepalive, opened again after a loss. Nobody waits for a host that cannot be
 * reached longer than LIBVIRT_CONNECT_SECONDS (or the patience that was set), hardly at all for
 * one that went silent within a connection (6 seconds without an answer), and no host makes
 * another wait.
 *
 * A connection carries one call at a time, and who calls meanwhile gets another: libvirt before
 * 10.4, Debian 12's among them, can crash or hang when a connection breaks while two threads are
 * in calls of it (CVE-2024-4418).
 */
#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>

#define LIBVIRT_CONNECT_SECONDS 20
#define LIBVIRT_PATIENCE_MAX    600

/* What the flavour decides. Strings must live as long as the process. */
typedef struct LibvirtSettings {
    const char *local;  /* URI for this computer: "qemu:///system" */
    const char *remote; /* URI for others, "%h" is the host */
    /* Called in the thread that opened the connection, before anyone uses it. May be NULL. */
    void (*opened)(const char *host, virConnectPtr connection);
    /* Called from the event thread when a connection that was in use is lost. May be NULL. */
    void (*lost)(const char *host, const char *reason);
} LibvirtSettings;

/* Once, before the first use; starts the event thread. */
void libvirt_pool_start(const LibvirtSettings *settings);

/* For hosts that answer slowly: seconds that a connection may take to be opened, in place of
 * LIBVIRT_CONNECT_SECONDS; a silence of 3/10 of that ends one. Before libvirt_pool_start(). */
void libvirt_pool_set_patience(int seconds);

/* A connection to the host; give it back with libvirt_pool_release(), NULL is fine there.
 * The error says what to do. */
virConnectPtr libvirt_pool_get(const char *host, GError **error);
void libvirt_pool_release(virConnectPtr connection);
/* The host stopped to answer in the middle of a connection, and none could be opened since. */
gboolean libvirt_pool_is_silent(const char *host);
/* Closes what is open to that host; `lost` is not called. */
void libvirt_pool_forget(const char *host);

/* TRUE for "localhost", a loopback address and this computer's own name. */
gboolean libvirt_host_is_local(const char *host);
/* URI of a host as the settings have it (owned). */
char *libvirt_uri_of(const char *host);

/* Makes a GError of libvirt's last error in this thread: "cannot WHAT: TEXT. HINT". Returns FALSE.
 * Nearly every function of the library forgets that error, also virDomainGetName(): none may stand
 * among the arguments, which are computed before. */
gboolean libvirt_error(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

static inline void libvirt_domain_release(virDomainPtr domain)
{
    if (domain)
        virDomainFree(domain);
}
G_DEFINE_AUTO_CLEANUP_FREE_FUNC(virDomainPtr, libvirt_domain_release, NULL)
G_DEFINE_AUTO_CLEANUP_FREE_FUNC(virConnectPtr, libvirt_pool_release, NULL)
