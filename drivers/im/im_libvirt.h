/* What the libvirt flavours of the information driver share between their files. */
#pragma once

#include "drivers/im/im_report.h"
#include <libvirt/libvirt.h>

/* The host's id, or -1 when nobody monitors it (any more). */
gint64 im_hid_of(const char *host);

/* Which of oned's machines a domain is: by its name one-<id>, else by the metadata that
 * drivers of this kind leave in a domain; -1: none. `ask` FALSE: by the name alone, without
 * a call to the host. */
gint64 im_vid_of(virDomainPtr domain, gboolean ask);

/* Registers for the life cycle events of a new connection; they are sent as STATE_VM. */
void im_events_register(const char *host, virConnectPtr connection);
/* The state that a life cycle event means for oned, or NULL when it means nothing. */
const char *im_event_state(int event, int detail);

/* Capacity, load, and space where datastores are (NULL: not asked for). FALSE: the host did not
 * say. */
gboolean im_append_node(GString *out, const char *host, const char *datastores,
                        virConnectPtr connection, GError **error);
/* What it is made of: processor, machine types, NUMA nodes. Asked for seldom and remembered until
 * im_forget_capabilities(). */
void im_append_capabilities(GString *out, const char *host, virConnectPtr connection,
                            const char *arch);
void im_forget_capabilities(const char *host);
/* "7.2.22" of 7002022, as libvirt codes versions. (owned) */
char *im_version_text(unsigned long version);
/* All machines. FALSE: the list would not be complete; then nothing may be concluded from it. */
gboolean im_append_machines(GString *out, virConnectPtr connection, GError **error);
/* What libvirt does not tell of a host: traffic, version of the control groups, space of single
 * datastores. This computer is looked at; others are by ssh, when libvirt reaches them so too. */
typedef struct ImOutside {
    gint64 net_rx, net_tx; /* bytes; -1: not known */
    gint64 cgroups;        /* 0: not known */
    GString *space;        /* attributes DS_LOCATION_*, DS */
    GHashTable *cards;     /* name -> ImCard, of all interfaces; NULL: not known */
    GHashTable *groups;    /* name of a container -> ImGroup; NULL: not known */
} ImOutside;

typedef struct ImCard {
    gint64 rx, tx; /* bytes */
} ImCard;

/* The control group of a container of liblxc (LXD, Incus). */
typedef struct ImGroup {
    gint64 cpu, memory; /* ns since its start, bytes; -1: not known */
    gboolean populated; /* it has processes */
} ImGroup;

void im_outside_start(const char *uri); /* pattern of other hosts */
ImOutside im_outside(const char *host, const char *datastores);
/* The same with `groups`. */
ImOutside im_outside_containers(const char *host, const char *datastores);
/* Of the text that the command of im_outside.c prints. */
ImOutside im_outside_read(const char *text, const char *datastores);
void im_outside_clear(ImOutside *outside);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ImOutside, im_outside_clear)
