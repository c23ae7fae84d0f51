/*
 * Snapshots of single disks. Each is a copy of the disk beside it (disk.N.snap/ID), so any of
 * them may be deleted, and they form a tree only for those who look: a snapshot's parent is
 * the one that the disk was made of. Kept in vm->snapshots as vectors
 *
 *   DISK     = [ DISK_ID, CURRENT_BASE, NEXT_SNAPSHOT ]
 *   SNAPSHOT = [ DISK_ID, ID, PARENT, DATE, SIZE, NAME ]      SIZE in MiB
 */
#pragma once

#include "server/model/storage/image.h"
#include "server/model/machine/vm.h"

/* FALSE: the disk has no such snapshot. */
gboolean vm_snapshot_exists(const Vm *vm, gint64 disk, gint64 snapshot);
/* Adds one, made of the disk as it is now, and makes it the base. Its id. */
gint64 vm_snapshot_add(Vm *vm, gint64 disk, const char *name, gint64 date, gint64 size_mb);
/* The disk is again what that snapshot holds. */
void vm_snapshot_revert(Vm *vm, gint64 disk, gint64 snapshot);
void vm_snapshot_remove(Vm *vm, gint64 disk, gint64 snapshot);
void vm_snapshot_rename(Vm *vm, gint64 disk, gint64 snapshot, const char *name);
/* The disk is gone, and its snapshots are. */
void vm_snapshots_forget(Vm *vm, gint64 disk);
/* MiB that the disk had when the snapshot was taken; 0: not known. */
gint64 vm_snapshot_size(const Vm *vm, gint64 disk, gint64 snapshot);
/* MiB of all snapshots of a disk. */
gint64 vm_snapshots_size(const Vm *vm, gint64 disk);
/* Those of a persistent image come with it to the machine's disk: its list becomes the image's. And
 * back: the image's becomes the machine's, once the files are with the image. Nothing happens to
 * other disks. ORIGINAL_SNAPSHOTS_SIZE of the disk is what the image has of their size. */
void vm_snapshots_adopt(World *world, Vm *vm, TemplateAttribute *disk);
void vm_snapshots_keep(World *world, Vm *vm, TemplateAttribute *disk);
/* The machine begins anew, with the disks of its images. */
void vm_snapshots_renew(World *world, Vm *vm);
/* Whether a driver whose ALLOW_ORPHANS is that would do without the snapshot: NO, neither the one
 * that the disk stands on nor one that has children; MIXED, not one that is both; FORMAT is NO for
 * qcow2 and YES for others. FALSE with ONE_ERROR_ACTION. */
gboolean vm_snapshot_may_go(const Vm *vm, const TemplateAttribute *disk, gint64 snapshot,
                            GError **error);
/* A <SNAPSHOTS> element for each disk that has some. */
void vm_snapshots_render(const Vm *vm, GString *xml);
