/*
 * Directory trees by descriptor and name, never through a symbolic link: what
 * files.h is built of. No path is checked here.
 */
#pragma once

#include "lib/ssh/ssh.h"

#include <glib.h>

/* Removes NAME in the directory, with all below it; stays on its file system. */
gboolean tree_remove(int directory, const char *name, const SshWatch *watch, GError **error);
/* Copies a file, link or directory; sockets and the like are left out. The target must not be. */
gboolean tree_copy(int from, const char *name, int to, const char *to_name, const SshWatch *watch,
                   GError **error);
/* Renames within a file system. Directories of the same name are merged, files replaced. */
gboolean tree_merge(int from, const char *name, int to, const char *to_name, GError **error);
