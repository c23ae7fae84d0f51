/*
 * Changes of a machine that runs: devices, snapshots, size. Each looks at the domain first, so
 * that a repeated request is done only once, and at the end says what is true: FAILURE means
 * that nothing has changed.
 */
#pragma once

#include "drivers/vmm/libvirt/vmm_libvirt.h"

/* The machine's domain, and its document as it is now. */
typedef struct VmmGuest {
    virConnectPtr connection;
    VmmSight sight;
    xmlDoc *document; /* NULL when it does not run */
    xmlNode *devices; /* of the document */
} VmmGuest;

void vmm_guest_clear(VmmGuest *guest);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VmmGuest, vmm_guest_clear)

/* Finds it. FALSE ends the job: the host could not say, another machine has its name, or it does
 * not run and `absent_is_fine` is not set. */
gboolean vmm_guest_find(DriverJob *job, VmmGuest *guest, gboolean absent_is_fine);
/* Reads the document again. FALSE with the error. */
gboolean vmm_guest_look_again(VmmGuest *guest, GError **error);
/* Flags of a change: of the running domain, and of its definition where it has one. */
unsigned vmm_guest_flags(const VmmGuest *guest);
/* The disk in the domain whose file is that; NULL: none. (borrowed until it is looked at again) */
xmlNode *vmm_guest_disk(const VmmGuest *guest, const char *path);
/* Attribute of the first element `name` below the node. (owned, NULL: none) */
char *vmm_node_attribute(const xmlNode *node, const char *name, const char *attribute);
/* Path of a disk of the machine at its host. (owned) */
char *vmm_disk_path(const VmmAction *action, gint64 disk);
/* FALSE ends the job: this hypervisor cannot do `what`. */
gboolean vmm_can(DriverJob *job, VmmAbilities ability, const char *what);

/* vmm_plug.c */
void vmm_attach_disk(DriverJob *job);
void vmm_detach_disk(DriverJob *job);
void vmm_attach_nic(DriverJob *job);
void vmm_detach_nic(DriverJob *job);
void vmm_update_nic(DriverJob *job);
void vmm_update_conf(DriverJob *job);
/* vmm_snapshot.c */
void vmm_snapshot_create(DriverJob *job);
void vmm_snapshot_revert(DriverJob *job);
void vmm_snapshot_delete(DriverJob *job);
void vmm_disk_snapshot_create(DriverJob *job);
/* vmm_backup.c */
void vmm_backup(DriverJob *job);
void vmm_backup_cancel(DriverJob *job);
/* What is written to the disks is not noted any more, so that the next backup is read whole:
 * libvirt takes no snapshots meanwhile, and what was noted is wrong after some changes. */
void vmm_backup_forget(virDomainPtr domain);
/* vmm_resize.c */
void vmm_resize(DriverJob *job);
void vmm_resize_disk(DriverJob *job);
