/*
 * What a machine's backups shall be like, and which there are: BACKUPS of vm.xsd. Kept in
 * vm->backups, a template: what users say (MODE, KEEP_LAST, FS_FREEZE, BACKUP_VOLATILE,
 * INCREMENT_MODE, DISK_IDS), what oned remembers of the last backup (LAST_DATASTORE_ID,
 * LAST_BACKUP_ID, LAST_BACKUP_SIZE, LAST_INCREMENT_ID, INCREMENTAL_BACKUP_ID, BACKUP_JOB_ID), and
 * IDS, the ids of the images that hold backups of it.
 */
#pragma once

#include "server/model/machine/vm.h"

/* What users may say is taken from `given`, a vector BACKUP_CONFIG or a template; without `append`
 * what it does not name becomes the default. FALSE with the error and nothing changed. */
gboolean vm_backups_configure(Template *backups, const TemplateAttribute *given, gboolean append,
                              GError **error);
/* The same of a template, such as a backup job's, whose other attributes are passed over. */
gboolean vm_backups_overlay(Template *backups, const Template *given, GError **error);
/* A new machine: BACKUP_CONFIG of its template becomes its own, and it forgets what another
 * machine's backups were. */
void vm_backups_take(Vm *vm);
/* Words and numbers of the settings; what is not said is the default. */
gboolean vm_backups_is(const Template *backups, const char *name, const char *word);
/* -1: not set. */
gint64 vm_backups_number(const Template *backups, const char *name);
/* Ids of the images with its backups, in the order in which these were begun. (owned) */
GArray *vm_backups_ids(const Vm *vm);
/* A backup is there. The oldest stand first. */
void vm_backups_add(World *world, Vm *vm, gint32 image);
/* The image is gone; nothing happens when it is none of the machine's. */
void vm_backups_forget(World *world, Vm *vm, gint32 image);
/* Numbers of the disks that a backup of the machine holds. (owned, of gint32) */
GArray *vm_backups_disks(const Vm *vm, const Template *settings);
/* What the disk is in its file: "qcow2" or "raw". NULL is raw. */
const char *vm_backups_format(const TemplateAttribute *disk);
void vm_backups_render(const Vm *vm, GString *xml);
