/*
 * Disks that a transfer makes from nothing: swap space, empty images, the CD with
 * which a guest learns its settings; and what it must know of an image's format.
 * All write to the path given, which is a part (files.h); sizes are in bytes.
 */
#pragma once

#include "lib/ssh/ssh.h"

#include <glib.h>

typedef enum { IMAGE_RAW, IMAGE_QCOW2, IMAGE_ISO } ImageKind;

typedef struct ImageFacts {
    ImageKind kind;
    guint64 size;      /* what the guest sees */
    gboolean has_base; /* qcow2 with a backing file or its data elsewhere */
} ImageFacts;

/* How many bytes from the beginning image_facts wants to see. */
#define IMAGE_HEAD_BYTES (34 * 1024)

/* Judges by the beginning of a file of `file_size` bytes. Never follows what the header names. */
ImageFacts image_facts(const guint8 *head, gsize length, guint64 file_size);
/* The same of a file of this computer. */
gboolean image_look(const char *path, ImageFacts *facts, GError **error);

/* A sparse file with the header of swap space (4 KiB pages; Linux, include/linux/swap.h). */
gboolean image_make_swap(const char *path, guint64 size, GError **error);
/* The commands that make an empty image of that format, each an argument list; the path is as
 * given. Unknown formats are an error that names the known ones. (of char **; owned) */
GPtrArray *image_commands(const char *format, guint64 size, const char *path, GError **error);
/* Runs these commands on this computer. */
gboolean image_make(const char *format, guint64 size, const char *path, const SshWatch *watch,
                    GError **error);
/* A qcow2 image whose base is another, of that format: what is not written there is read from the
 * base. */
gboolean image_make_overlay(const char *base, const char *format, const char *path,
                            const SshWatch *watch, GError **error);
/* A qcow2 image with all that another of that format holds, its bases included. */
gboolean image_make_whole(const char *source, const char *path, const SshWatch *watch,
                          GError **error);
/* An ISO 9660 image labelled CONTEXT: the first file as context.sh, the others by their names. */
gboolean image_make_context(char *const *files, const char *path, const SshWatch *watch,
                            GError **error);
