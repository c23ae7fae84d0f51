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

/* Capacity and load. FALSE: the host did not say. */
gboolean im_append_node(GString *out, const char *host, virConnectPtr connection, GError **error);
/* All machines. FALSE: the list would not be complete; then nothing may be concluded from it. */
gboolean im_append_machines(GString *out, virConnectPtr connection, GError **error);
/* Space where datastores are, when it can be known. */
void im_append_space_of(GString *out, const char *host, const char *path, virConnectPtr connection);
