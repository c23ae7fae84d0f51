/*
 * A way to libvirt on another computer through the ssh of this process (lib/ssh), in place of a
 * program "ssh" that libvirt would start for each connection. libvirt connects to a socket in here;
 * a thread carries its bytes to virt-ssh-helper on the host, as libvirt's own way does. Connections
 * to one host share an ssh session, so that the second takes a fraction of the first one's time.
 */
#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>

/* What a pattern of an URI means for a host. Plain text, to be freed with libvirt_route_clear(). */
typedef struct LibvirtRoute {
    char *who;   /* for lib/ssh: "node01", "oneadmin@node01" */
    char *inner; /* for virt-ssh-helper: "qemu:///system" */
    char *outer; /* for libvirt in here, the name of the socket is missing:
                    "qemu+unix:///system?socket=" */
} LibvirtRoute;

/* TRUE when the pattern ("qemu+ssh://%h/system?no_tty=1") says no more than a tunnel can do:
 * another user, but no other port, nor words for libvirt's own way. */
gboolean libvirt_route_read(const char *pattern, const char *host, LibvirtRoute *route);
void libvirt_route_clear(LibvirtRoute *route);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(LibvirtRoute, libvirt_route_clear)

/* An ssh session to one host. Reference-counted, from any thread. */
typedef struct LibvirtTunnel LibvirtTunnel;

/* `patience`: seconds that connecting may take, and the host may then be silent. (owned) */
LibvirtTunnel *libvirt_tunnel_new(guint patience);
LibvirtTunnel *libvirt_tunnel_ref(LibvirtTunnel *tunnel);
void libvirt_tunnel_unref(LibvirtTunnel *tunnel); /* NULL is fine */

/* A connection, to be closed as any other, or NULL with the reason. `*try_ssh` then tells that
 * libvirt's own way may do better: this one lacks something (a jump host, a type of key, the helper
 * on the host), and found that out at once. */
virConnectPtr libvirt_tunnel_open(LibvirtTunnel *tunnel, const LibvirtRoute *route,
                                  gboolean *try_ssh, GError **error);
