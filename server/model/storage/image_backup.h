/*
 * Images of type BACKUP: what they hold of a machine. Kept in image->backup, a template:
 *
 *   VM_ID, DISK_IDS, VM_TEMPLATE   of which machine, which disks, and its template then, in base64
 *   NEXT                           number of the next increment; none is given twice
 *   WANTED                         MiB that the backup at hand may take
 *   FORGET                         the increments before that one are to go, or may be gone already
 *   INCREMENT = [ ID, TYPE, DATE, SIZE, SOURCE, PARENT_ID ]   oldest first; SIZE in MiB
 *
 * The first increment is FULL; INCREMENT ones hold what changed since their parent. A FULL one in
 * the middle needs none before it.
 */
#pragma once

#include "server/model/storage/image.h"

struct Vm;

typedef struct BackupIncrement {
    gint32 id, parent; /* parent -1: it is whole */
    gint64 size, date;
} BackupIncrement;

/* What the machine is now is what the newest backup in the image is about. */
void image_backup_describe(Image *image, const struct Vm *vm, const GArray *disks);
/* A number for an increment, which may take so many MiB until it is there. */
gint32 image_backup_begin(World *world, Image *image, gint64 wanted);
/* It is there, or (NULL) it is not. */
void image_backup_end(World *world, Image *image, const BackupIncrement *made);
guint image_backup_count(const Image *image);
/* Of that id, -1 the newest. FALSE: there is none. */
gboolean image_backup_find(const Image *image, gint32 id, BackupIncrement *increment);
/* The same for who wants to restore it: one that is about to go is refused. FALSE: see the error.
 */
gboolean image_backup_offers(const Image *image, gint32 id, BackupIncrement *increment,
                             GError **error);
/* "0,1,4": from the one that is whole to that one, which exists. (owned) */
char *image_backup_chain(const Image *image, gint32 id);
/* Ids of all of them, "0,1,4". (owned) */
char *image_backup_all(const Image *image);
/* The id of the increment that is the oldest when only the last `keep` stay; -1: none goes. */
gint32 image_backup_oldest_kept(const Image *image, guint keep);
/* The increments before `oldest` are about to go: until image_backup_flattened() nobody knows which
 * of them are there. */
void image_backup_forget(Image *image, gint32 oldest);
gint32 image_backup_to_forget(const Image *image); /* -1: none are to go */
/* That one is whole now, and those before it are gone. */
void image_backup_flattened(World *world, Image *image, gint32 id, gint64 size);
/* Numbers of the disks in it. (owned) */
GArray *image_backup_disks(const Image *image);
/* The machine that it is of, or -1. */
gint32 image_backup_vm(const Image *image);
/* The machine's template when it was made. (owned; NULL: it cannot be read) */
Template *image_backup_template(const Image *image);
/* `disk` of the machine has the number `id`, which a disk in the backup has; numbers are given
 * again when the last disk goes. TRUE: it is that one, made of the same image or, as it, of none.
 * The error names both. */
gboolean image_backup_is_of(const Image *image, gint32 id, const TemplateAttribute *disk,
                            GError **error);
void image_backup_render(const Image *image, GString *xml);
