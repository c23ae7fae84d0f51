/* The room of the file system that holds a datastore. */
#pragma once

#include <glib.h>

/* "TOTAL_MB=.. USED_MB=.. FREE_MB=.." on three lines; of a directory that is not there yet, where
 * it would be. NULL with an error. (owned) */
char *room_text(const char *path, GError **error);
