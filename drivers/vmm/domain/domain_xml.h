/*
 * The document that libvirt makes a machine of, from the VM object of oned and the
 * administrator's defaults (etc/vmm_exec_*.conf). What differs between hypervisors is
 * a row of DomainDialect. How targets of disks are mapped is told in share/doc/drivers.md.
 */
#pragma once

#include "lib/template/template.h"
#include <glib.h>
#include <libxml/tree.h>

typedef enum {
    DOMAIN_PARTITIONS = 1 << 0, /* a disk may appear as a partition (sda2): Xen */
    DOMAIN_CONTAINER = 1 << 1,  /* no kernel, no devices of a computer: LXC */
    DOMAIN_QEMU = 1 << 2,       /* QEMU's driver elements, virtio, a logged serial line */
    DOMAIN_SHARES = 1 << 3,     /* CPU becomes cputune/shares */
    DOMAIN_XEN = 1 << 4,        /* para-virtual machines, boot loaders of the host */
} DomainTraits;

typedef struct DomainDialect {
    const char *type;      /* attribute of <domain> */
    const char *os_kernel; /* os/type with a kernel of its own */
    const char *os_plain;  /* os/type without */
    const char *prefix;    /* of disk targets when the machine names none */
    const char *nic_model; /* when neither the machine nor the defaults name one */
    DomainTraits traits;
} DomainDialect;

typedef struct DomainRequest {
    const DomainDialect *dialect;
    const xmlNode *vm; /* the VM element */
    gint64 vid;
    const char *name; /* of the domain: "one-<vid>" */
    const char *uuid;
    const char *directory;    /* of the machine's files at the host; may be NULL */
    const Template *host;     /* what the host's template says, before the defaults; may be NULL */
    const Template *defaults; /* may be NULL */
    gint64 now;               /* time of deployment, seconds since the epoch */
    gboolean without_shares;  /* the host cannot do CPU shares */
} DomainRequest;

/* The whole document (owned). Errors name the attribute that cannot be used, and why. */
char *domain_xml(const DomainRequest *request, GError **error);

/* RAW/VALIDATE: libvirt shall compare the document with its schema before it starts it. */
gboolean domain_wants_validation(const DomainRequest *request);

/* One device of that document, as hot plug gives it to a machine that runs (owned): the disk or
 * the NIC of that id, with the target it has in the whole document. */
char *domain_disk_xml(const DomainRequest *request, const char *disk_id, GError **error);
char *domain_nic_xml(const DomainRequest *request, const char *nic_id, GError **error);

/* The saved document of another host, fitted to this one: files that were in the machine's
 * directory there are in `directory` here. NULL without error: nothing had to change. (owned) */
char *domain_xml_relocate(const char *saved, const char *directory, GError **error);
