#include "drivers/datastore/store.h"

#include "lib/base/error.h"
#include "lib/base/paths.h"
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <unistd.h>

#define TICK_US 50000

static GMutex mutex;
static GHashTable
    *unwanted; /* ids (gint64) of images at work: GINT_TO_POINTER(TRUE) when it goes */

static gboolean try_lock(int fd, gint64 id, short type)
{
    struct flock place = {.l_type = type, .l_whence = SEEK_SET, .l_start = MAX(id, 0), .l_len = 1};
    return fcntl(fd, F_OFD_SETLK, &place) == 0;
}

static int open_file(GError **error)
{
    g_autofree char *directory = paths_var(NULL), *path = paths_var("datastore.lock");
    g_mkdir_with_parents(directory, 0750);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "%s cannot be opened: %s", path,
                    g_strerror(errno));
    return fd;
}

static void note(gint64 id, gboolean at_work)
{
    g_mutex_lock(&mutex);
    if (unwanted == NULL)
        unwanted = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    if (at_work)
        g_hash_table_insert(unwanted, g_memdup2(&id, sizeof id), GINT_TO_POINTER(FALSE));
    else
        g_hash_table_remove(unwanted, &id);
    g_mutex_unlock(&mutex);
}

gboolean store_lock(StoreLock *lock, gint64 id, const SshWatch *watch, GError **error)
{
    int fd = open_file(error);
    if (fd < 0)
        return FALSE;
    while (!try_lock(fd, id, F_WRLCK)) {
        int problem = errno;
        if (problem != EAGAIN && problem != EACCES && problem != EINTR) {
            g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "datastore.lock cannot be used: %s",
                        g_strerror(problem));
            close(fd);
            return FALSE;
        }
        if (watch != NULL && watch->cancelled != NULL && watch->cancelled(watch->data)) {
            g_set_error(error, ONE_ERROR, ONE_ERROR_TIMEOUT, "cancelled");
            close(fd);
            return FALSE;
        }
        g_usleep(TICK_US);
    }
    *lock = (StoreLock){fd, id};
    note(id, TRUE);
    return TRUE;
}

void store_lock_clear(StoreLock *lock)
{
    if (lock->fd < 0)
        return;
    note(lock->id, FALSE);
    close(lock->fd);
    lock->fd = -1;
}

void store_unwanted(gint64 id)
{
    g_mutex_lock(&mutex);
    if (unwanted != NULL && g_hash_table_contains(unwanted, &id))
        g_hash_table_replace(unwanted, g_memdup2(&id, sizeof id), GINT_TO_POINTER(TRUE));
    g_mutex_unlock(&mutex);
}

gboolean store_is_unwanted(gint64 id)
{
    g_mutex_lock(&mutex);
    gboolean found = unwanted != NULL && g_hash_table_lookup(unwanted, &id) != NULL;
    g_mutex_unlock(&mutex);
    return found;
}
