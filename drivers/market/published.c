#include "drivers/market/published.h"

#include "drivers/common/image.h"
#include "drivers/common/room.h"
#include "drivers/common/source.h"
#include "lib/base/error.h"
#include "lib/template/template.h"
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER_BYTES (256 * 1024)
#define MIB          G_GUINT64_CONSTANT(1048576)
#define TICK_US      50000

/* ---- where ---- */

static gboolean refuse_directory(const char *directory, const char *why, GError **error)
{
    g_set_error(error, ONE_ERROR, ONE_ERROR_AUTHORIZATION, "PUBLIC_DIR \"%s\" is not used: %s",
                directory, why);
    return FALSE;
}

/* PUBLIC_DIR, open. -1 with the error. */
static int open_directory(const MarketRequest *request, GError **error)
{
    const char *directory = request->public_dir != NULL ? request->public_dir : "";
    if (!request->trusted)
        return refuse_directory(directory,
                                "the marketplace belongs to somebody who is no administrator; only "
                                "an administrator says which directories are written to",
                                error),
               -1;
    if (!g_path_is_absolute(directory) || request->base_url == NULL)
        return refuse_directory(directory,
                                "a marketplace of this kind needs BASE_URL and an absolute path in "
                                "PUBLIC_DIR; \"onemarket update\" sets them",
                                error),
               -1;
    g_autofree char *real = realpath(directory, NULL);
    if (real == NULL) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                    "PUBLIC_DIR %s: %s; make the directory, and let oned's user write there",
                    directory, g_strerror(errno));
        return -1;
    }
    SourceFences fences = {.restricted = NULL, .safe = NULL};
    if (!source_path_is_allowed(real, &fences, NULL))
        return refuse_directory(
                   directory, "it is in a directory of the system or of oned; take another", error),
               -1;
    int fd = open(real, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "PUBLIC_DIR %s cannot be opened: %s",
                    directory, g_strerror(errno));
    return fd;
}

/* ---- a file being written ---- */

static gboolean is_cancelled(const SshWatch *watch, GError **error)
{
    if (watch == NULL || watch->cancelled == NULL || !watch->cancelled(watch->data))
        return FALSE;
    g_set_error(error, ONE_ERROR, ONE_ERROR_TIMEOUT, "cancelled");
    return TRUE;
}

/* The part of that name, locked against the driver of an oned that was killed; -1 with the error.
 */
static int open_part(int directory, const char *part, const SshWatch *watch, GError **error)
{
    while (!is_cancelled(watch, error)) {
        struct stat opened, named;
        int fd = openat(directory, part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (fd < 0) {
            g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                        "%s cannot be written in PUBLIC_DIR: %s", part, g_strerror(errno));
            return -1;
        }
        gboolean locked = flock(fd, LOCK_EX | LOCK_NB) == 0;
        /* Who had it may have renamed it meanwhile. */
        if (locked && fstat(fd, &opened) == 0 &&
            fstatat(directory, part, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
            opened.st_ino == named.st_ino && opened.st_dev == named.st_dev)
            return fd;
        close(fd);
        if (!locked)
            g_usleep(TICK_US);
    }
    return -1;
}

static gboolean write_all(int fd, const guint8 *data, gsize length, GError **error)
{
    while (length > 0) {
        ssize_t put = write(fd, data, length);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0) {
            g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "writing to PUBLIC_DIR failed: %s",
                        g_strerror(errno));
            return FALSE;
        }
        data += put;
        length -= (gsize)put;
    }
    return TRUE;
}

/* All of the source into the file, summed up. */
static gboolean copy(Source *source, int out, GChecksum *sum, guint64 *bytes, GError **error)
{
    g_autofree guint8 *buffer = g_malloc(BUFFER_BYTES);
    gssize got;
    if (ftruncate(out, 0) != 0 || lseek(out, 0, SEEK_SET) != 0) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "the file in PUBLIC_DIR: %s",
                    g_strerror(errno));
        return FALSE;
    }
    while ((got = source_read(source, buffer, BUFFER_BYTES, error)) > 0) {
        g_checksum_update(sum, buffer, got);
        *bytes += (guint64)got;
        if (!write_all(out, buffer, (gsize)got, error))
            return FALSE;
    }
    if (got == 0 && fsync(out) != 0)
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "writing to PUBLIC_DIR failed: %s",
                    g_strerror(errno));
    else if (got == 0)
        return TRUE;
    return FALSE;
}

/* ---- IMPORT ---- */

/* The image's file: of its datastore, whose directory lies below what is otherwise shut. (owned) */
static Source *open_image(const MarketRequest *request, const SshWatch *watch, GError **error)
{
    if (request->source == NULL || request->datastore < 0 || request->datastores == NULL) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_NO_EXISTS,
                    "the image that the app is to be copied from is gone");
        return NULL;
    }
    g_autofree char *own =
        g_strdup_printf("%s/%" G_GINT64_FORMAT, request->datastores, request->datastore);
    g_autofree char *real = realpath(own, NULL);
    SourceFences fences = {.restricted = "/", .safe = real != NULL ? real : own};
    return source_open(request->source, &fences, 0, watch, error);
}

static char *tell(const MarketRequest *request, const char *name, GChecksum *sum, guint64 bytes)
{
    g_autoptr(Template) told = template_new();
    g_autofree char *url = g_strconcat(request->base_url, "/", name, NULL);
    template_set(told, "SOURCE", url);
    template_set(told, "MD5", g_checksum_get_string(sum));
    template_set(told, "FORMAT", request->format != NULL ? request->format : "raw");
    g_autofree char *path = g_strconcat(request->public_dir, "/", name, NULL);
    ImageFacts facts;
    guint64 size = image_look(path, &facts, NULL) ? MAX(facts.size, bytes) : bytes;
    template_set_int(told, "SIZE", (gint64)MAX((size + MIB - 1) / MIB, 1));
    g_autofree char *text = template_to_text(told);
    return g_base64_encode((const guchar *)text, strlen(text));
}

char *published_import(const MarketRequest *request, const SshWatch *watch, GError **error)
{
    g_autoptr(Source) source = NULL;
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_MD5);
    g_autofree char *name = market_request_file(request);
    g_autofree char *part = g_strconcat(name, ".part", NULL);
    guint64 bytes = 0;
    int directory = open_directory(request, error);
    if (directory < 0)
        return NULL;
    source = open_image(request, watch, error);
    int out = source != NULL ? open_part(directory, part, watch, error) : -1;
    gboolean done = out >= 0 && copy(source, out, sum, &bytes, error);
    if (done && renameat(directory, part, directory, name) != 0) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "%s in PUBLIC_DIR: %s", name,
                    g_strerror(errno));
        done = FALSE;
    }
    if (out >= 0 && !done)
        (void)unlinkat(directory, part, 0);
    if (done)
        (void)fsync(directory);
    if (out >= 0)
        close(out);
    close(directory);
    return done ? tell(request, name, sum, bytes) : NULL;
}

/* ---- DELETE and MONITOR ---- */

char *published_delete(const MarketRequest *request, const SshWatch *watch, GError **error)
{
    g_autofree char *name = market_request_file(request);
    g_autofree char *part = g_strconcat(name, ".part", NULL);
    int directory = open_directory(request, error);
    if (directory < 0)
        return NULL;
    (void)unlinkat(directory, part, 0);
    gboolean gone = unlinkat(directory, name, 0) == 0 || errno == ENOENT;
    if (!gone)
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "%s in PUBLIC_DIR cannot be removed: %s",
                    name, g_strerror(errno));
    close(directory);
    return gone ? g_strdup("-") : NULL;
}

/* MiB of the files that apps have in PUBLIC_DIR. */
static guint64 used_mb(const char *directory)
{
    g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
    guint64 bytes = 0;
    const char *name;
    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(directory, name, NULL);
        GStatBuf facts;
        if (g_str_has_prefix(name, "app-") && g_lstat(path, &facts) == 0 && S_ISREG(facts.st_mode))
            bytes += (guint64)facts.st_size;
    }
    return (bytes + MIB - 1) / MIB;
}

char *published_monitor(const MarketRequest *request, const SshWatch *watch, GError **error)
{
    int directory = open_directory(request, error);
    if (directory < 0)
        return NULL;
    close(directory);
    g_autofree char *room = room_text(request->public_dir, error);
    if (room == NULL)
        return NULL;
    if (request->limit_mb > 0) {
        guint64 used = used_mb(request->public_dir), limit = (guint64)request->limit_mb;
        g_free(room);
        room = g_strdup_printf("TOTAL_MB=%" G_GUINT64_FORMAT "\nUSED_MB=%" G_GUINT64_FORMAT
                               "\nFREE_MB=%" G_GUINT64_FORMAT "\n",
                               limit, used, used < limit ? limit - used : 0);
    }
    return g_base64_encode((const guchar *)room, strlen(room));
}
