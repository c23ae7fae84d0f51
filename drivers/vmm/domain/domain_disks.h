/*
 * Disks of a domain: what each is made of, and which device and bus it gets. Their elements
 * are written by domain_drives.c.
 *
 * A target such as sda2 is a partition for Xen, which can give an image that place. For
 * QEMU each image is a whole disk, so sda2 becomes the first whole disk of its kind that
 * nothing else asked for (sda, else sdb, ...), in the order of the document, and
 * OS/ROOT follows it. xvd becomes vd there.
 */
#pragma once

#include "drivers/vmm/domain/domain_writer.h"
#include "drivers/vmm/domain/domain_xml.h"

typedef enum { DISK_PLAIN, DISK_CDROM, DISK_FLOPPY } DomainDiskKind;

/* How the hypervisor itself reaches disks over the network: words of TYPE and DISK_TYPE, and the
 * attributes that tell where. */
typedef struct DomainProtocol {
    const char *word;                    /* "RBD"; a CD-ROM is "RBD_CDROM" */
    const char *name;                    /* libvirt's */
    const char *hosts;                   /* attribute: "ceph1 ceph2:6789" */
    guint port;                          /* when a host names none; 0: leave it out */
    const char *transport;               /* may be NULL */
    const char *user, *secret;           /* attributes; NULL: no authentication */
    const char *secret_type, *secret_by; /* "ceph" by its "uuid" */
} DomainProtocol;

typedef struct DomainDisk {
    const xmlNode *node; /* the DISK or CONTEXT element */
    char *id;
    char *wanted; /* target as the machine has it; NULL when it has none */
    char *target; /* as it is in the domain */
    const char *bus;
    DomainDiskKind kind;
    gboolean context;
    gboolean block;
    gboolean readonly;
    gboolean directory;             /* of the host, shown to the guest: no disk and no target */
    const DomainProtocol *protocol; /* NULL: a file or a block device */
    gint unit;                      /* on a SATA or SCSI bus; -1: another bus */
    char *path;
    char *format;
} DomainDisk;

/* The machine's disks and its context, with targets; (owned, frees its DomainDisks). */
GPtrArray *domain_disks_plan(const DomainRequest *request, GError **error);
/* The device of OS/ROOT in the guest: "sda2" -> "sda" when that disk was mapped so. (owned) */
char *domain_disks_root(const GPtrArray *disks, const char *root);

/* Shared with the rest of the document: text of VM/TEMPLATE/<vector>/<name>, else the
 * default of that name; NULL when there is neither or it is empty. (owned) */
char *domain_setting(const DomainRequest *request, const xmlNode *vector_node, const char *vector,
                     const char *name);
/* What only the administrator decides: of the host's template, else of the defaults. (borrowed) */
const char *domain_standard(const DomainRequest *request, const char *vector, const char *name);
/* Text of an element below, NULL when missing or empty. (owned) */
char *domain_text(const xmlNode *from, const char *path);
/* Place of disk or NIC in OS/BOOT ("disk0,nic0"): 1 is first; 0: it is not there. */
guint domain_boot_order(const DomainRequest *request, const char *kind, const char *id);
