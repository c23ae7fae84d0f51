/*
 * What the parts of a domain document share. A part is a function that writes some elements;
 * the parts are called in the order of the document by domain_xml(). Values were checked
 * before (domain_check.h), so a part that still fails does so for reasons between values.
 */
#pragma once

#include "drivers/vmm/domain/domain_disks.h"
#include "drivers/vmm/domain/domain_writer.h"
#include "drivers/vmm/domain/domain_xml.h"

typedef struct DomainBuild {
    const DomainRequest *request;
    const xmlNode *template; /* VM/TEMPLATE */
    GPtrArray *disks;        /* of DomainDisk */
    DomainWriter writer;
    gint64 vcpus;     /* the most that the machine may have */
    gint64 iothreads; /* of QEMU; 0: none */
    gint64 iothread;  /* which one the next disk gets */
} DomainBuild;

static inline gboolean domain_has(const DomainBuild *build, DomainTraits trait)
{
    return (build->request->dialect->traits & trait) != 0;
}

/* TEMPLATE/<vector>/<name>, or TEMPLATE/<name> when the vector is NULL; else the default of
 * that name; NULL when there is neither. (owned) */
char *domain_value(const DomainBuild *build, const char *vector, const char *name);
gboolean domain_yes(const DomainBuild *build, const char *vector, const char *name);
gint64 domain_number(const DomainBuild *build, const char *vector, const char *name,
                     gint64 otherwise);
/* A number of queues: "auto" is one for each processor. NULL text: NULL. (owned) */
char *domain_queues(const DomainBuild *build, const char *text);
/* Writes XML that somebody gave, after reading it by itself, so that it can neither close an
 * element around it nor break the document. `what` names it in the error. */
gboolean domain_write_given(DomainBuild *build, const char *what, const char *xml, GError **error);
/* <boot order=/>; ORDER of the disk or NIC, else its place in OS/BOOT. */
void domain_write_order(DomainBuild *build, const xmlNode *device, const char *kind,
                        const char *id);

/* domain_size.c: processors, memory, their places */
gboolean domain_write_size(DomainBuild *build, GError **error);
gboolean domain_write_cpu(DomainBuild *build, GError **error); /* with numatune and iothreads */
void domain_write_memory_backing(DomainBuild *build);
gboolean domain_write_encryption(DomainBuild *build, GError **error);

/* domain_system.c: how it starts, what the board can do */
gboolean domain_write_os(DomainBuild *build, GError **error);
gboolean domain_write_features(DomainBuild *build, GError **error); /* with the clock */

/* domain_drives.c */
gboolean domain_write_disks(DomainBuild *build, GError **error);
gboolean domain_write_disk(DomainBuild *build, const DomainDisk *disk, GError **error);
gboolean domain_write_container_root(DomainBuild *build, GError **error);
gboolean domain_uses_shared_directory(const DomainBuild *build);

/* domain_nics.c */
void domain_write_nics(DomainBuild *build);
void domain_write_nic(DomainBuild *build, const xmlNode *nic, guint place);

/* domain_devices.c */
gboolean domain_write_screen(DomainBuild *build, GError **error); /* graphics, video, input */
void domain_write_console(DomainBuild *build);
void domain_write_extras(DomainBuild *build); /* agent, TPM, IOMMU */

/* domain_pci.c */
gboolean domain_write_pci_devices(DomainBuild *build, GError **error);
void domain_write_controllers(DomainBuild *build);
