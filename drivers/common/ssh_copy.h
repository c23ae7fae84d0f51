/*
 * Copies files and directories between this computer and others, and between
 * others. What travels is an archive of GNU tar, so holes are kept and the far side
 * needs tar, find and the shell, nothing of ours. The copy is made in TARGET.part, compared
 * with the source (sizes of all files) and renamed; a copy that is cut at any moment, on
 * either side, removes its part. Symbolic links are followed: the target has what they led to.
 */
#pragma once

#include "lib/ssh/ssh.h"

typedef struct SshEnd {
    const char *host; /* NULL: this computer */
    const char *path; /* absolute */
} SshEnd;

typedef enum {
    SSH_END_NOTHING,
    SSH_END_FILE,
    SSH_END_DIRECTORY,
    SSH_END_OTHER, /* a device, a socket ... */
} SshEndKind;

/* What is at an end. `sum` (may be NULL) gets a text that is equal for equal names and sizes
 * of all files. (owned) */
gboolean ssh_end_look(Ssh *ssh, SshEnd end, SshEndKind *kind, char **sum, const SshWatch *watch,
                      GError **error);
/* Runs a script of /bin/sh at an end; other exit codes than 0 are errors. `out` may be NULL. */
gboolean ssh_end_do(Ssh *ssh, SshEnd end, const char *script, const SshWatch *watch, char **out,
                    GError **error);

/*
 * Copies a file over whatever file is at the target, or a directory; files of a directory that
 * exists are replaced by those of the same name, others stay. `guard` (may be NULL) is a script
 * that runs first at the target and may refuse. `mode` such as "0660" is given to a file; NULL:
 * as the source.
 */
gboolean ssh_copy(Ssh *ssh, SshEnd from, SshEnd to, const char *guard, const char *mode,
                  const SshWatch *watch, GError **error);
/* TRUE when both paths are the same directory or file, seen from two computers: storage that
 * they share. Nothing may be deleted at one end then that is wanted at the other. */
gboolean ssh_ends_are_one(Ssh *ssh, SshEnd one, SshEnd other, gboolean *same, const SshWatch *watch,
                          GError **error);
