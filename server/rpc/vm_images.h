/*
 * Disks of machines that name an image, by IMAGE_ID, or by IMAGE and whose it is (IMAGE_UID,
 * IMAGE_UNAME; else the machine's owner's): found, allowed, described.
 * Errors of ONE_ERROR_INTERNAL and ONE_ERROR_AUTHORIZATION.
 */
#pragma once

#include "server/model/storage/image.h"
#include "server/model/people/user.h"
#include "server/model/world.h"

/* The image that a disk names, whoever may use it; NULL without an error: it names none. */
Image *image_find(World *world, const User *user, const TemplateAttribute *disk, GError **error);
/* One disk; TRUE also when it names no image. */
gboolean image_for_disk(World *world, const User *user, TemplateAttribute *disk, GError **error);
/* Files for the guest, in datastores of files: OS/KERNEL_DS, OS/INITRD_DS and CONTEXT/FILES_DS,
 * each one or more of $FILE[IMAGE_ID=5] or $FILE[IMAGE="name", IMAGE_UNAME="owner"]. They are
 * written back by id. */
gboolean images_for_files(World *world, const User *user, Template *template, GError **error);
/* Writes into the disks of a template their numbers and what their images would give them; for
 * looking at only. A disk of no image, or of one that does not exist, says no more than it did. */
gboolean disks_show(World *world, const User *user, Template *template, GError **error);
/* All disks of a new machine. */
gboolean images_for_disks(World *world, const User *user, Template *template, GError **error);
