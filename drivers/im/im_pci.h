/*
 * PCI devices of a libvirt host, as its report tells them: PCI=[...] for each that the filter of
 * etc/im_pci.conf lets through. Without that file, or with an empty FILTER, none is told: which
 * devices may leave a host is the administrator's to say.
 */
#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>

/* Reads the filter. FALSE: it is wrong; the error names file, value and what is allowed. */
gboolean im_pci_init(GError **error);
/* Appends what the host has; a host that cannot list its devices is logged. */
void im_append_pci(GString *out, const char *host, virConnectPtr connection);
