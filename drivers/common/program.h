/*
 * Other programs on this computer, by argument list (no shell in between unless
 * the list names one), ended with all they started when the caller gives up.
 */
#pragma once

#include "lib/ssh/ssh.h"

#include <glib.h>

/* Where a program is, also in the directories of administrators that PATH may lack. (owned) */
char *program_find(const char *name);
/*
 * Runs a program to its end. `input` and `output` become its standard input and output; -1:
 * nothing to read, and the output is kept in `result`. The descriptors stay the caller's.
 * TRUE: it ran, `result` tells how it ended.
 */
gboolean program_run(const char *const *argv, int input, int output, const SshWatch *watch,
                     SshResult *result, GError **error);
/* The same without input and output; an exit code other than 0 is an error with what it said. */
gboolean program_do(const char *const *argv, const SshWatch *watch, GError **error);
