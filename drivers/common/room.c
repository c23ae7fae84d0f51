#include "drivers/common/room.h"

#include "lib/base/error.h"
#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>

/* A datastore that nothing was put in has no directory yet: its parent's file system counts. */
static gboolean look_at_room(const char *path, struct statvfs *room)
{
    g_autofree char *at = g_strdup(path);
    while (statvfs(at, room) != 0) {
        char *slash = strrchr(at, '/');
        if (errno != ENOENT || slash == NULL || slash == at)
            return FALSE;
        *slash = '\0';
    }
    return TRUE;
}

char *room_text(const char *path, GError **error)
{
    struct statvfs room;
    if (!look_at_room(path, &room)) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "the room of %s is not known: %s", path,
                    g_strerror(errno));
        return NULL;
    }
    guint64 unit = room.f_frsize, mib = 1024 * 1024;
    guint64 total = room.f_blocks * unit / mib, used = (room.f_blocks - room.f_bfree) * unit / mib;
    return g_strdup_printf("TOTAL_MB=%" G_GUINT64_FORMAT "\nUSED_MB=%" G_GUINT64_FORMAT
                           "\nFREE_MB=%" G_GUINT64_FORMAT "\n",
                           total, used, (guint64)room.f_bavail * unit / mib);
}
