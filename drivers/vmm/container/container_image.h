/*
 * Images of containers that are files on the front-end: CONTAINER/ARCHIVE, or a disk of the machine
 * that is an image of one of our datastores. A file is a tar archive, compressed or not: what the
 * daemon itself exports, or just the files of a root.
 */
#pragma once

#include "drivers/vmm/vmm_action.h"

typedef struct ContainerImage {
    char *file; /* NULL: the template names none */
    char *key;  /* 24 hexadecimal digits, others when the file was changed */
} ContainerImage;

void container_image_clear(ContainerImage *image);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ContainerImage, container_image_clear)

/* The error tells which disk cannot be a container's, or why the file cannot be read. */
gboolean container_image_find(const VmmAction *action, ContainerImage *image, GError **error);
/* What a file at the top of the archive says; "" when there is none, NULL with the error. (owned)
 */
char *container_image_read(const ContainerImage *image, const char *member, GError **error);
/* The names of all that is in the archive, folders with a "/" at their end, odd characters escaped.
 * (owned) */
char **container_image_names(const ContainerImage *image, GError **error);
/* The file, for reading; -1 with the error. */
int container_image_open(const ContainerImage *image, GError **error);
