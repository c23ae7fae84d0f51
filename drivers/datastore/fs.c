#include "drivers/datastore/fs.h"

#include "drivers/common/files.h"
#include "drivers/common/image.h"
#include "drivers/common/program.h"
#include "drivers/common/room.h"
#include "drivers/common/safe_path.h"
#include "drivers/common/flow.h"
#include "drivers/datastore/backup.h"
#include "drivers/datastore/store.h"
#include "lib/base/error.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB        G_GUINT64_CONSTANT(1048576)
#define BLOCK      4096
#define SUM_BUFFER (1024 * 1024)
/* A progress line at most so often. */
#define PROGRESS_US (3 * G_USEC_PER_SEC)

static const char *format_name(const ImageFacts *facts)
{
    return facts->kind == IMAGE_QCOW2 ? "qcow2" : "raw";
}

static guint64 to_mib(guint64 bytes)
{
    return (bytes + MIB - 1) / MIB;
}

/* What is told of a file that stands. An image that leads elsewhere is none: its header could
 * name any file of the hosts. (owned) */
static char *describe(const DsWork *work, const char *path, const char *target, GError **error)
{
    ImageFacts facts;
    const DsRequest *request = work->request;
    if (!image_look(path, &facts, error))
        return NULL;
    guint64 limit = (guint64)MAX(request->limit_mb, 0), size = to_mib(facts.size);
    if (facts.has_base)
        g_set_error(error, ONE_ERROR, ONE_ERROR_AUTHORIZATION,
                    "it is a qcow2 image that needs another file (a backing file or its data "
                    "elsewhere); make it whole with \"qemu-img convert\"");
    else if (limit > 0 && size > limit)
        g_set_error(error, ONE_ERROR, ONE_ERROR_AUTHORIZATION,
                    "it holds %" G_GUINT64_FORMAT " MB, and this datastore takes at most "
                    "MAX_IMAGE_MB = %" G_GUINT64_FORMAT,
                    size, limit);
    else
        return g_strdup_printf("%s %s", target, format_name(&facts));
    return NULL;
}

/* ---- CP ---- */

typedef struct Copying {
    const DsWork *work;
    int out;
    off_t at, most; /* bytes so far, and those that it may become; 0: any */
    gint64 whole;   /* bytes of the source; -1: not known */
    gint64 told;    /* when progress was last told */
    guint percent;
} Copying;

static gboolean is_cancelled(gpointer data)
{
    const Copying *copying = data;
    const SshWatch *watch = copying->work->watch;
    return watch != NULL && watch->cancelled != NULL && watch->cancelled(watch->data);
}

static void tell_progress(guint64 bytes, gpointer data)
{
    Copying *copying = data;
    gint64 now = g_get_monotonic_time();
    if (copying->whole <= 0 || now - copying->told < PROGRESS_US || copying->work->log == NULL)
        return;
    guint percent = (guint)MIN(100, bytes * 100 / (guint64)copying->whole);
    if (percent == copying->percent)
        return;
    copying->told = now;
    copying->percent = percent;
    g_autofree char *text = g_strdup_printf("progress %u %%", percent);
    copying->work->log('I', copying->work->request->id, text);
}

static gboolean write_block(int out, const guint8 *data, gsize length, off_t at, GError **error)
{
    while (length > 0) {
        ssize_t put = pwrite(out, data, length, at);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0) {
            g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "writing failed: %s",
                        errno == ENOSPC || errno == EDQUOT ? "no space is left in the datastore"
                                                           : g_strerror(errno));
            return FALSE;
        }
        data += put;
        at += put;
        length -= (gsize)put;
    }
    return TRUE;
}

static gboolean is_zero(const guint8 *data, gsize length)
{
    return data[0] == 0 && memcmp(data, data + 1, length - 1) == 0;
}

static gboolean check_size(const Copying *copying, guint64 bytes, GError **error)
{
    if (copying->most == 0 || bytes <= (guint64)copying->most)
        return TRUE;
    g_set_error(error, ONE_ERROR, ONE_ERROR_AUTHORIZATION,
                "it is larger than %" G_GUINT64_FORMAT
                " MB, as much as was reckoned for it or as the datastore takes for one image",
                (guint64)copying->most / MIB);
    return FALSE;
}

/* Writes what is not zero: the file has holes where the source has zeros. */
static gboolean write_sparse(const guint8 *data, gsize length, gpointer user, GError **error)
{
    Copying *copying = user;
    if (!check_size(copying, (guint64)copying->at + length, error))
        return FALSE;
    while (length > 0) {
        gsize piece = MIN(length, BLOCK - (gsize)(copying->at % BLOCK));
        if (!is_zero(data, piece)) {
            /* As many blocks as hold something at once. */
            while (piece < length) {
                gsize next = MIN(length - piece, (gsize)BLOCK);
                if (is_zero(data + piece, next))
                    break;
                piece += next;
            }
            if (!write_block(copying->out, data, piece, copying->at, error))
                return FALSE;
        }
        data += piece;
        length -= piece;
        copying->at += (off_t)piece;
    }
    return TRUE;
}

static gboolean check_sums(const DsRequest *request, GChecksum *const sums[3], GError **error)
{
    for (guint i = 0; i < 3; i++) {
        if (sums[i] == NULL || request->sums[i] == NULL ||
            g_str_equal(g_checksum_get_string(sums[i]), request->sums[i]))
            continue;
        g_set_error(error, ONE_ERROR, ONE_ERROR_AUTHORIZATION,
                    "its %s is %s and should be %s: it is not the file that was meant, or it was "
                    "damaged on its way",
                    ds_checksum_names[i], g_checksum_get_string(sums[i]), request->sums[i]);
        return FALSE;
    }
    return TRUE;
}

/* A file that needs no look at its bytes: by reference, or in the kernel, with its holes. */
static gboolean copy_whole(Copying *copying, Source *source, GError **error)
{
    SshWatch watch = {.cancelled = is_cancelled, .progress = tell_progress, .data = copying};
    return check_size(copying, (guint64)copying->whole, error) &&
           files_copy_data(source_fd(source), copying->out, &watch, error);
}

static gboolean copy_bytes(Copying *copying, Source *source, GError **error)
{
    const DsRequest *request = copying->work->request;
    guint8 head[8];
    gssize length = source_peek(source, head, sizeof head, error);
    if (length < 0)
        return FALSE;
    gboolean packed = request->unpack && flow_packing_of(head, (gsize)length) != NULL;
    gboolean summed =
        request->sums[0] != NULL || request->sums[1] != NULL || request->sums[2] != NULL;
    copying->whole = source_size(source);
    if (source_fd(source) >= 0 && !packed && !summed && request->rate == 0)
        return copy_whole(copying, source, error);
    SshWatch watch = {.cancelled = is_cancelled, .progress = tell_progress, .data = copying};
    Flow flow = {.source = source, .unpack = request->unpack, .watch = &watch};
    for (guint i = 0; i < 3; i++)
        flow.sums[i] = request->sums[i] != NULL ? g_checksum_new(ds_checksums[i]) : NULL;
    gboolean ok =
        flow_run(&flow, write_sparse, copying, error) && check_sums(request, flow.sums, error);
    for (guint i = 0; i < 3; i++)
        g_clear_pointer(&flow.sums[i], g_checksum_free);
    if (ok && (ftruncate(copying->out, copying->at) != 0 || fsync(copying->out) != 0)) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "it cannot be written to disk: %s",
                    g_strerror(errno));
        return FALSE;
    }
    return ok;
}

/* Opens PART of a file that is made. -1 with an error. (owned) */
static int open_part(const FilesPart *part, GError **error)
{
    int out = open(part->part, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0660);
    if (out < 0)
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "%s cannot be made: %s", part->part,
                    g_strerror(errno));
    return out;
}

/* Fills the part from the source of the request. */
static gboolean copy_to_part(const DsWork *work, const FilesPart *part, GError **error)
{
    const DsRequest *request = work->request;
    const SourceFences fences = {request->restricted, request->safe, request->local_urls,
                                 request->floor, 0};
    g_autoptr(Source) source =
        source_open(request->path, &fences, request->rate, work->watch, error);
    int out = source != NULL ? open_part(part, error) : -1;
    if (out < 0)
        return FALSE;
    gint64 most = request->size_mb;
    if (request->limit_mb > 0 && (most == 0 || request->limit_mb < most))
        most = request->limit_mb;
    Copying copying = {.work = work,
                       .out = out,
                       .most = (off_t)((guint64)most * MIB),
                       .whole = -1,
                       .told = g_get_monotonic_time()};
    gboolean ok = copy_bytes(&copying, source, error);
    close(out);
    return ok;
}

/* What all makers share: the same request twice makes one file, and nothing half made shows. */
static char *make_file(const DsWork *work,
                       gboolean (*make)(const DsWork *work, const FilesPart *part, GError **error),
                       GError **error)
{
    g_autofree char *target = ds_request_target(work->request, error);
    if (target == NULL)
        return NULL;
    g_auto(StoreLock) lock = {-1};
    if (!store_lock(&lock, work->request->id, work->watch, error))
        return NULL;
    if (g_file_test(target, G_FILE_TEST_EXISTS))
        return describe(work, target, target, error);
    g_auto(FilesPart) part = {.directory = -1};
    if (!files_part_begin(&part, target, error) || !make(work, &part, error))
        return NULL;
    g_autofree char *told = describe(work, part.part, target, error);
    return told != NULL && files_part_commit(&part, error) ? g_steal_pointer(&told) : NULL;
}

char *fs_copy(const DsWork *work, GError **error)
{
    if (work->request->path == NULL) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API, "the image has no PATH to copy it from");
        return NULL;
    }
    char *told = make_file(work, copy_to_part, error);
    if (told == NULL)
        g_prefix_error(error, "%s cannot become an image: ", work->request->path);
    return told;
}

/* ---- MKFS ---- */

static gboolean convert_to_qcow2(const FilesPart *part, const SshWatch *watch, GError **error)
{
    g_autofree char *made = g_strconcat(part->target, ".made.part", NULL);
    const char *const argv[] = {"qemu-img", "convert", "-q",       "-f", "raw", "-O",
                                "qcow2",    "--",      part->part, made, NULL};
    gboolean ok = program_do(argv, watch, error);
    if (ok && rename(made, part->part) != 0) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "%s: %s", made, g_strerror(errno));
        ok = FALSE;
    }
    if (!ok)
        unlink(made);
    return ok;
}

static gboolean make_empty(const DsWork *work, const FilesPart *part, GError **error)
{
    const DsRequest *request = work->request;
    guint64 bytes = (guint64)request->size_mb * MIB;
    gboolean qcow2 = g_strcmp0(request->format, "qcow2") == 0;
    gboolean has_fs = request->fs != NULL && !g_str_equal(request->fs, "raw") &&
                      !g_str_equal(request->fs, "qcow2");
    if (!has_fs)
        return image_make(qcow2 || request->fs == NULL ? request->format : request->fs, bytes,
                          part->part, work->watch, error);
    return image_make(request->fs, bytes, part->part, work->watch, error) &&
           (!qcow2 || convert_to_qcow2(part, work->watch, error));
}

char *fs_make(const DsWork *work, GError **error)
{
    if (work->request->size_mb > 0)
        return make_file(work, make_empty, error);
    g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                "an empty image needs a SIZE of at least 1 (MB)");
    return NULL;
}

/* ---- CLONE ---- */

/* Copies another image of any datastore of this computer. */
static gboolean clone_to_part(const DsWork *work, const FilesPart *part, GError **error)
{
    const DsRequest *request = work->request;
    const char *from = request->path != NULL ? request->path : request->source;
    g_autofree char *clean = from != NULL ? safe_path_check(from, error) : NULL;
    g_autofree char *name = NULL;
    if (from == NULL)
        g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API, "the image has no PATH to clone");
    int directory = clean != NULL ? safe_path_open_parent(clean, FALSE, &name, error) : -1;
    if (directory < 0)
        return FALSE;
    int in = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    gboolean ok = in >= 0;
    close(directory);
    if (!ok) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_NO_EXISTS, "%s cannot be read: %s", clean,
                    g_strerror(errno));
        return FALSE;
    }
    struct stat facts;
    int out = open_part(part, error);
    Copying copying = {.work = work,
                       .out = out,
                       .whole = fstat(in, &facts) == 0 ? facts.st_size : -1,
                       .told = g_get_monotonic_time()};
    SshWatch watch = {.cancelled = is_cancelled, .progress = tell_progress, .data = &copying};
    ok = out >= 0 && files_copy_data(in, out, &watch, error);
    if (out >= 0)
        close(out);
    close(in);
    return ok;
}

char *fs_clone(const DsWork *work, GError **error)
{
    return make_file(work, clone_to_part, error);
}

/* ---- RESTORE ---- */

/* A disk of a backup becomes an image. */
static gboolean restore_to_part(const DsWork *work, const FilesPart *part, GError **error)
{
    gboolean qcow2 = g_strcmp0(work->request->format, "qcow2") == 0;
    return backup_write(work, qcow2 ? "qcow2" : "raw", part->part, error);
}

char *fs_restore(const DsWork *work, GError **error)
{
    return make_file(work, restore_to_part, error);
}

/* ---- STAT ---- */

typedef struct Counting {
    guint8 head[IMAGE_HEAD_BYTES];
    gsize length;
    guint64 total;
} Counting;

/* The header of a qcow2 image says enough. */
static gboolean count(const guint8 *data, gsize length, gpointer user, GError **error)
{
    Counting *counting = user;
    gsize wanted = MIN(length, sizeof counting->head - counting->length);
    memcpy(counting->head + counting->length, data, wanted);
    counting->length += wanted;
    counting->total += length;
    return counting->length < 512 ||
           image_facts(counting->head, counting->length, 0).kind != IMAGE_QCOW2;
}

static gboolean look_at_source(const DsWork *work, Source *source, guint64 *size, GError **error)
{
    g_autofree Counting *counting = g_new0(Counting, 1);
    gssize length = source_peek(source, counting->head, sizeof counting->head, error);
    if (length < 0)
        return FALSE;
    gboolean packed =
        work->request->unpack && flow_packing_of(counting->head, (gsize)length) != NULL;
    gint64 whole = source_size(source);
    ImageFacts facts = image_facts(counting->head, (gsize)length, (guint64)MAX(whole, 0));
    if (packed || (whole < 0 && facts.kind != IMAGE_QCOW2)) {
        /* Only unpacking tells how much is in it. */
        Flow flow = {.source = source, .unpack = packed, .watch = work->watch};
        if (!flow_run(&flow, count, counting, error))
            return FALSE;
        facts = image_facts(counting->head, counting->length, counting->total);
    }
    /* A full qcow2 is larger than the disk in it, and all of it is copied. */
    *size = MAX(facts.size, packed ? 0 : (guint64)MAX(whole, 0));
    return TRUE;
}

char *fs_size(const DsWork *work, GError **error)
{
    const DsRequest *request = work->request;
    guint64 size = 0;
    if (request->path == NULL) {
        /* A file that is in the datastore already, else what is to be made. */
        ImageFacts facts;
        g_autofree char *own =
            request->source != NULL ? ds_request_own_source(request, error) : NULL;
        if (request->source == NULL)
            return g_strdup_printf("%" G_GINT64_FORMAT, request->size_mb);
        if (own == NULL || !image_look(own, &facts, error))
            return NULL;
        return g_strdup_printf("%" G_GUINT64_FORMAT, to_mib(facts.size));
    }
    const SourceFences fences = {request->restricted, request->safe, request->local_urls,
                                 request->floor, 0};
    g_autoptr(Source) source =
        source_open(request->path, &fences, request->rate, work->watch, error);
    if (source == NULL || !look_at_source(work, source, &size, error))
        return NULL;
    return g_strdup_printf("%" G_GUINT64_FORMAT, to_mib(size));
}

/* ---- the rest ---- */

char *fs_remove(const DsWork *work, GError **error)
{
    static const char *const endings[] = {"", ".snap", ".part", ".made.part", ".moved"};
    const DsRequest *request = work->request;
    store_unwanted(request->id);
    g_auto(StoreLock) lock = {-1};
    /* An image that never was made may have left a beginning. */
    g_autofree char *file = request->source != NULL ? ds_request_own_source(request, error)
                                                    : ds_request_target(request, error);
    if (file == NULL || !store_lock(&lock, request->id, work->watch, error))
        return NULL;
    for (guint i = 0; i < G_N_ELEMENTS(endings); i++) {
        g_autofree char *path = g_strconcat(file, endings[i], NULL);
        if (!files_remove(path, work->watch, error))
            return NULL;
    }
    return g_strdup("-");
}

char *fs_monitor(const DsWork *work, GError **error)
{
    const DsRequest *request = work->request;
    g_autofree char *directory = ds_request_directory(request, error);
    g_autofree char *text = directory != NULL ? room_text(directory, error) : NULL;
    return text != NULL ? g_base64_encode((const guchar *)text, strlen(text)) : NULL;
}

/* The file of the snapshot that the request means. (owned) */
static char *snapshot_path(const DsWork *work, char **file, GError **error)
{
    *file = ds_request_own_source(work->request, error);
    if (*file == NULL)
        return NULL;
    if (work->request->snapshot >= 0)
        return g_strdup_printf("%s.snap/%" G_GINT64_FORMAT, *file, work->request->snapshot);
    g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                "the document of the request has no TARGET_SNAPSHOT");
    return NULL;
}

char *fs_forget(const DsWork *work, GError **error)
{
    g_autofree char *file = NULL;
    g_autofree char *snapshot = snapshot_path(work, &file, error);
    g_auto(StoreLock) lock = {-1};
    if (snapshot == NULL || !store_lock(&lock, work->request->id, work->watch, error) ||
        !files_remove(snapshot, work->watch, error))
        return NULL;
    g_autofree char *directory = g_strconcat(file, ".snap", NULL);
    rmdir(directory); /* stays while others are in it */
    return g_strdup("-");
}

char *fs_revert(const DsWork *work, GError **error)
{
    g_autofree char *file = NULL;
    g_autofree char *snapshot = snapshot_path(work, &file, error);
    g_auto(StoreLock) lock = {-1};
    if (snapshot == NULL || !store_lock(&lock, work->request->id, work->watch, error) ||
        !files_copy(snapshot, file, work->watch, error))
        return NULL;
    return g_strdup("-");
}

/* The image becomes what the snapshot holds, when one is told; all its snapshots go. Asked again
 * after an end before its time, the snapshot is gone when the image is as it shall be. */
char *fs_flatten(const DsWork *work, GError **error)
{
    g_autofree char *file = ds_request_own_source(work->request, error);
    g_autofree char *directory = file != NULL ? g_strconcat(file, ".snap", NULL) : NULL;
    g_auto(StoreLock) lock = {-1};
    if (directory == NULL || !store_lock(&lock, work->request->id, work->watch, error))
        return NULL;
    g_autofree char *snapshot =
        g_strdup_printf("%s/%" G_GINT64_FORMAT, directory, work->request->snapshot);
    if (work->request->snapshot >= 0 && g_file_test(snapshot, G_FILE_TEST_EXISTS) &&
        !files_copy(snapshot, file, work->watch, error))
        return NULL;
    return files_remove(directory, work->watch, error) ? g_strdup("-") : NULL;
}
