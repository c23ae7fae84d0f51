/*
 * Files and directories of this computer, made, moved and removed so that a
 * crash or a cancellation at any moment leaves either the old or the new state: what is
 * new is written to NAME.part beside its place and renamed when it is whole and on
 * the disk. All targets, and what is moved or removed, must be allowed by
 * safe_path.h. Everything may be repeated.
 *
 * `watch` (may be NULL) is asked between pieces of some MiB; its `seconds` do not count here.
 */
#pragma once

#include "lib/ssh/ssh.h"

#include <glib.h>

/* A file (or directory) being made. */
typedef struct FilesPart {
    int directory; /* that of the target */
    char *target;  /* checked path */
    char *name;    /* last name of the target */
    char *part;    /* path to write to: target with ".part" */
} FilesPart;

/* Makes the directories above the target and removes a `part` that was left behind. */
gboolean files_part_begin(FilesPart *part, const char *target, GError **error);
/* Makes the part durable and gives it the target's name. */
gboolean files_part_commit(FilesPart *part, GError **error);
/* Removes the part unless it was committed. */
void files_part_clear(FilesPart *part);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(FilesPart, files_part_clear)

/* Copies a file or block device to a file: by reference where the file system can (FICLONE),
 * else in the kernel, holes kept; the size is verified. */
gboolean files_copy(const char *source, const char *target, const SshWatch *watch, GError **error);
/* Makes `target` a symbolic link to the existing file `source`. */
gboolean files_link(const char *source, const char *target, GError **error);
/*
 * Moves a file or directory. A directory that exists at the target gets the entries, each
 * replacing one of the same name. When the source is gone and the target is there, the move
 * was done before. Across file systems the source is deleted after the copy is whole.
 * FALSE with ONE_ERROR_NO_EXISTS: neither is there.
 */
gboolean files_move(const char *source, const char *target, const SshWatch *watch, GError **error);
/* Removes a file or a directory with all that is in it, on this file system only. Links are
 * removed, not followed. What is not there is fine. */
gboolean files_remove(const char *path, const SshWatch *watch, GError **error);
/* Copies between open files, size and holes as in the source, and flushes. */
gboolean files_copy_data(int in, int out, const SshWatch *watch, GError **error);
