/*
 * Which files a transfer may make, replace or delete: only what is below the
 * directory of datastores ($ONE_DATASTORES, else datastores/ in the state
 * directory) or below the machines' directory vms/ in the state directory, and at
 * least two names deep, so never a datastore or a machine's log as a whole.
 *
 * The datastore itself may be a symbolic link, since administrators put big disks
 * there; below it no directory on the way may be one. The last name may: it is
 * the file that is replaced or deleted, not what it points to.
 */
#pragma once

#include <glib.h>

/* Checks the words of the path alone, as for a host that cannot be looked at: absolute, no "..",
 * below one of the two directories. The path without empty and "." parts (owned), or NULL. */
char *safe_path_check(const char *path, GError **error);
/* The same for a path of this computer, looking at each directory on the way. Missing
 * directories are made when `make` is set; else a missing one is ONE_ERROR_NO_EXISTS.
 * Returns a descriptor of the directory that holds the last name, or -1. `name`, if given,
 * gets that name. (owned) */
int safe_path_open_parent(const char *path, gboolean make, char **name, GError **error);
/* Commands of /bin/sh that end with an error text and code 1 when a directory on the way of the
 * checked `path` is a symbolic link. (owned) */
char *safe_path_shell_guard(const char *path, GError **error);
/* TRUE when the path has exactly two names below its root: the directory of one machine. */
gboolean safe_path_is_machine(const char *path);
