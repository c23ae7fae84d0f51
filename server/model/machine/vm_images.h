/*
 * The images that a machine's disks are made of: a DISK with IMAGE_ID uses that image from the
 * commit in which it gets the disk to the one in which it loses it or ends. A machine that was
 * made of images that are not ready waits in CLONING.
 */
#pragma once

#include "server/model/storage/image.h"
#include "server/model/machine/vm.h"

/* The image of a disk, or NULL: it has none. */
Image *disk_image(World *world, const TemplateAttribute *disk);
/* Writes into the disk what its image says: SOURCE, SIZE, FORMAT, DATASTORE, CLONE and so on. What
 * the disk says itself of the guest's view of it stays. */
void disk_describe(World *world, const Image *image, TemplateAttribute *disk);
/* TRUE: the disk is its image itself, and what is written to it stays. */
gboolean disk_is_persistent(const TemplateAttribute *disk);

/* What the disk has more than its image had when it was made of it, in MiB. */
gint64 disk_growth(const TemplateAttribute *disk);
/* A persistent disk has another size, and its image is now what the disk is: it has that size.
 * Nothing happens to other disks. */
void disk_growth_kept(World *world, TemplateAttribute *disk);
/* All disks of a machine are with their images again: sizes, and snapshots of persistent ones. */
void vm_images_keep(World *world, Vm *vm);

/* The image of the `index`-th $FILE[IMAGE_ID=5] of a text that the server wrote; NULL: there are
 * fewer, or it is gone. */
Image *file_image(World *world, const char *text, guint index);

/* All images of a machine that gets this id, or, with the error, none. */
gboolean vm_images_acquire(World *world, gint32 vm, const Template *template, GError **error);
/* The image of one disk, or of all. */
void vm_image_release(World *world, gint32 vm, const TemplateAttribute *disk);
void vm_images_release(World *world, gint32 vm, const Template *template);

/* It is not known whether the machine still writes to its persistent images, or left them whole:
 * when it lets go of one that is in ERROR, with the reason. Kept in DOUBT and DOUBT_HOST of the
 * disk. TRUE: one was not in doubt before. The second takes it back, when `host` was where the
 * machine might be. */
gboolean vm_images_doubt(World *world, Vm *vm, gint32 host, const char *why);
void vm_images_trust(World *world, Vm *vm, gint32 host);

typedef enum {
    VM_IMAGES_READY,
    VM_IMAGES_WAIT, /* one is still being made */
    VM_IMAGES_FAILED
} VmImages;

/* What a machine that waits is waiting for; `failed` (may be NULL) gets an image that could not be
 * made. */
VmImages vm_images_look(World *world, const Template *template, const Image **failed);
/* Describes all disks again: their images are ready now. */
void vm_images_describe(World *world, Vm *vm);

/* For world_check(): each image is used as often as machines have disks of it. */
void vm_images_check(World *world, GPtrArray *problems);
