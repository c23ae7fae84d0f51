/*
 * What happens to images: one table of the work that drivers do for them. An image is LOCKED (or
 * DELETE) with the work at hand in its row before the driver is asked, so after a restart, or when
 * the driver died, the same is asked again; the token in the document keeps it from being done
 * twice.
 */
#include "server/lifecycle/internal.h"

#include "lib/base/error.h"
#include "server/model/storage/image.h"
#include "server/model/people/user.h"

#include <string.h>

/* A driver that dies under the same work this often is not asked again. */
#define TRIES_MAX 5

typedef struct ImageRow {
    ImageWork work;
    const char *done; /* for the log */
    ImageState during, after, failed;
    /* What a success changes. FALSE: the answer makes no sense, and counts as a failure. NULL: none
     * of it. */
    gboolean (*ended)(Lifecycle *lifecycle, Image *image, const char *info);
    gboolean forced; /* a failure is as good as a success */
} ImageRow;

static gboolean was_made(Lifecycle *lifecycle, Image *image, const char *info);
static gboolean snapshot_was_deleted(Lifecycle *lifecycle, Image *image, const char *info);
static gboolean snapshot_was_restored(Lifecycle *lifecycle, Image *image, const char *info);
static gboolean snapshots_are_one(Lifecycle *lifecycle, Image *image, const char *info);
static gboolean increments_went(Lifecycle *lifecycle, Image *image, const char *info);

/* clang-format off */
static const ImageRow rows[] = {
    {IMAGE_WORK_CP,    "copied",    IMAGE_LOCKED, IMAGE_READY,  IMAGE_ERROR,  was_made},
    {IMAGE_WORK_MKFS,  "made",      IMAGE_LOCKED, IMAGE_READY,  IMAGE_ERROR,  was_made},
    {IMAGE_WORK_CLONE, "cloned",    IMAGE_LOCKED, IMAGE_READY,  IMAGE_ERROR,  was_made},
    {IMAGE_WORK_SAVE,  "saved",     IMAGE_LOCKED, IMAGE_READY,  IMAGE_ERROR,  was_made},
    {IMAGE_WORK_RM,    "removed",   IMAGE_DELETE, IMAGE_DELETE, IMAGE_ERROR,  NULL},
    {IMAGE_WORK_RM_FORCED, "removed", IMAGE_DELETE, IMAGE_DELETE, IMAGE_DELETE, NULL, TRUE},
    {IMAGE_WORK_SNAP_DELETE,  "without the snapshot", IMAGE_LOCKED, IMAGE_READY, IMAGE_READY, snapshot_was_deleted},
    {IMAGE_WORK_SNAP_REVERT,  "put back",             IMAGE_LOCKED, IMAGE_READY, IMAGE_READY, snapshot_was_restored},
    {IMAGE_WORK_SNAP_FLATTEN, "flattened",            IMAGE_LOCKED, IMAGE_READY, IMAGE_READY, snapshots_are_one},
    {IMAGE_WORK_BACKUP,            "whole",                 IMAGE_LOCKED, IMAGE_READY, IMAGE_READY, NULL},
    {IMAGE_WORK_INCREMENT_FLATTEN, "without its oldest increments", IMAGE_LOCKED, IMAGE_READY, IMAGE_READY, increments_went},
    {IMAGE_WORK_RESTORE,           "restored",              IMAGE_LOCKED, IMAGE_READY, IMAGE_ERROR, was_made},
};
/* clang-format on */

static const ImageRow *row_of(ImageWork work)
{
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
        if (rows[i].work == work)
            return &rows[i];
    return NULL;
}

/* ---- asking ---- */

/* A machine does it. */
static gboolean is_of_machine(ImageWork work)
{
    return work == IMAGE_WORK_SAVE || work == IMAGE_WORK_BACKUP;
}

char *image_document(World *world, Image *image, Datastore *datastore, const char *more)
{
    g_autoptr(GString) xml = g_string_new("<DS_DRIVER_ACTION_DATA>");
    if (image)
        object_render(world, &image->head, xml);
    else
        g_string_append(xml, "<IMAGE/>");
    object_render(world, &datastore->head, xml);
    xml_text(xml, "DATASTORE_LOCATION", world->datastores);
    if (image) {
        xml_text(xml, "TOKEN", image->token);
        xml_int(xml, "TARGET_SNAPSHOT", image->target_snapshot);
        xml_int(xml, "DESTINATION_DS_ID", image->datastore);
        gboolean local = user_id_is_admin(world, image->head.uid) ||
                         app_vouches(world, image->head.template, image->path);
        xml_text(xml, "LOCAL_URLS", local ? "YES" : "NO");
    }
    if (more)
        g_string_append(xml, more);
    g_string_append(xml, "</DS_DRIVER_ACTION_DATA>");
    return g_base64_encode((const guchar *)xml->str, xml->len);
}

static DriverRequest *new_request(const Datastore *datastore, const char *action, gint64 id,
                                  char *payload)
{
    DriverRequest *request = g_new0(DriverRequest, 1);
    request->class = DRIVER_DATASTORE;
    request->driver = g_strdup(datastore->ds_mad);
    request->action = g_strdup(action);
    request->id = id;
    request->payload = payload;
    return request;
}

static void ended(Lifecycle *lifecycle, Image *image, gboolean success, const char *info);

/* The work at hand is asked for, once more perhaps. */
static void ask(Lifecycle *lifecycle, Image *image)
{
    if (is_of_machine(image->work))
        return;
    Datastore *datastore = datastore_get(lifecycle->world, image->datastore);
    if (!datastore) {
        ended(lifecycle, image, FALSE, "its datastore is gone");
        return;
    }
    g_autofree char *more = image_backup_document(lifecycle->world, image);
    DriverRequest *request = new_request(datastore, image_work_name(image->work), image->head.id,
                                         image_document(lifecycle->world, image, datastore, more));
    image->request = lifecycle_ask(lifecycle, request, ASKED_IMAGE, image->head.id, 0,
                                   lifecycle_timeout(lifecycle, "IMAGE", 21600));
}

static void begin(Lifecycle *lifecycle, Image *image, ImageWork work, gint32 snapshot)
{
    World *world = lifecycle->world;
    image_set_work(world, image, work);
    image->target_snapshot = snapshot;
    image_enter(world, image, row_of(work)->during);
    ask(lifecycle, image);
}

void image_begin(Lifecycle *lifecycle, Image *image, ImageWork work)
{
    if (work == IMAGE_NO_WORK) {
        image->stored = core_now_us(lifecycle->world->core);
        image_enter(lifecycle->world, image, IMAGE_READY);
        datastore_measure_soon(lifecycle, image->datastore);
        return;
    }
    begin(lifecycle, image, work, -1);
}

/* ---- answers ---- */

/* "<source> <format>" */
static gboolean was_made(Lifecycle *lifecycle, Image *image, const char *info)
{
    static const char letters[] = G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "_-+.";
    g_auto(GStrv) words = g_strsplit_set(info ? info : "", " \t", -1);
    const char *source = words[0], *format = source ? words[1] : NULL;
    if (!source || !*source || !strcmp(source, "-"))
        return FALSE;
    if (format && (!*format || format[strspn(format, letters)]))
        return FALSE;
    g_free(image->source);
    image->source = g_strdup(source);
    if (format || !*image->format) {
        g_free(image->format);
        image->format = g_strdup(format ? format : "raw");
    }
    image->stored = core_now_us(lifecycle->world->core);
    return TRUE;
}

static gboolean snapshot_was_deleted(Lifecycle *lifecycle, Image *image, const char *info)
{
    image_snapshot_deleted(lifecycle->world, image, image->target_snapshot);
    return TRUE;
}

static gboolean snapshot_was_restored(Lifecycle *lifecycle, Image *image, const char *info)
{
    image_snapshot_reverted(lifecycle->world, image, image->target_snapshot);
    return TRUE;
}

static gboolean snapshots_are_one(Lifecycle *lifecycle, Image *image, const char *info)
{
    image_snapshots_flattened(lifecycle->world, image);
    return TRUE;
}

/* MiB of the increment that is the oldest now. */
static gboolean increments_went(Lifecycle *lifecycle, Image *image, const char *info)
{
    gint64 size;
    if (!g_ascii_string_to_signed(info ? info : "", 10, 0, G_MAXINT32, &size, NULL))
        return FALSE;
    image_backup_flattened(lifecycle->world, image, image->target_snapshot, size);
    return TRUE;
}

/* The work at hand is over. */
static void ended(Lifecycle *lifecycle, Image *image, gboolean success, const char *info)
{
    World *world = lifecycle->world;
    const ImageRow *row = row_of(image->work);
    const char *word = image_work_name(image->work);
    gint32 id = image->head.id, datastore = image->datastore;
    image->request = 0;
    g_autofree char *reason =
        success ? NULL : g_strdup_printf("%s failed: %s", word, info && *info ? info : "no reason");
    if (success && row->ended && !row->ended(lifecycle, image, info)) {
        success = FALSE;
        reason = g_strdup_printf("%s: the driver answered \"%s\", which makes no sense", word,
                                 info ? info : "");
    }
    if (success || row->forced)
        log_info("ImM", "Image %d is %s%s%s", id, row->done, reason ? ", though " : "",
                 reason ? reason : "");
    else /* what is asked again and again is said once */
        log_write(g_strcmp0(template_get(image->head.template, "ERROR"), reason) ? LOG_ERROR
                                                                                 : LOG_INFO,
                  "ImM", "Image %d: %s", id, reason);
    if (image->cloning_id >= 0)
        image_cloning_end(world, image);
    datastore_measure_soon(lifecycle, datastore);
    if (row->during == IMAGE_DELETE && (success || row->forced)) {
        image_remove(world, image);
        return;
    }
    if (row->during == IMAGE_DELETE)
        image->stored = 0; /* nobody knows how much of it is left */
    image_set_work(world, image, IMAGE_NO_WORK);
    image_set_error(world, image, reason);
    image->modtime = core_now(world->core);
    image_enter(world, image, success ? row->after : row->failed);
    vm_images_follow(lifecycle, image);
}

void image_answered(Lifecycle *lifecycle, const Asked *asked, gboolean success, const char *info)
{
    Image *image = image_get(lifecycle->world, asked->id);
    if (image && image->request == asked->number)
        ended(lifecycle, image, success, info);
}

void image_saved(Lifecycle *lifecycle, Image *image, gboolean success, const char *reason)
{
    g_autofree char *made = g_strdup_printf("%s %s", image->source, image->format);
    if (image->work == IMAGE_WORK_SAVE)
        ended(lifecycle, image, success, success ? made : reason);
}

void image_backed_up(Lifecycle *lifecycle, Image *image, const BackupIncrement *made,
                     const char *reason)
{
    if (image->work != IMAGE_WORK_BACKUP)
        return;
    image_backup_end(lifecycle->world, image, made);
    if (made)
        image->stored = core_now_us(lifecycle->world->core);
    ended(lifecycle, image, made != NULL, reason);
    if (!image_backup_count(image))
        begin(lifecycle, image, IMAGE_WORK_RM_FORCED, -1); /* nothing is in it */
    else
        image_set_error(lifecycle->world, image, NULL); /* what is in it is as good as before */
}

void image_forget_increments(Lifecycle *lifecycle, Image *image, gint32 oldest)
{
    image_backup_forget(image, oldest);
    begin(lifecycle, image, IMAGE_WORK_INCREMENT_FLATTEN, oldest);
}

/* Whether the driver removed them is not known when it did not answer, and it may have removed a
 * part of them when it failed: nobody may rely on them, so it is asked until it says that they are
 * gone. */
void images_forget_again(Lifecycle *lifecycle, const Datastore *datastore)
{
    for (guint i = 0; i < datastore->images->len; i++) {
        Image *image = image_get(lifecycle->world, g_array_index(datastore->images, gint32, i));
        gint32 oldest = image ? image_backup_to_forget(image) : -1;
        const Vm *vm = oldest >= 0 ? vm_get(lifecycle->world, image_backup_vm(image)) : NULL;
        if (oldest >= 0 && image->state == IMAGE_READY && image->work == IMAGE_NO_WORK &&
            !image->head.lock.level && !image->clones->len && !(vm && vm_restores_from(vm, image)))
            begin(lifecycle, image, IMAGE_WORK_INCREMENT_FLATTEN, oldest);
    }
}

void image_lost(Lifecycle *lifecycle, const Asked *asked, const char *why)
{
    Image *image = image_get(lifecycle->world, asked->id);
    if (!image || image->request != asked->number)
        return;
    if (++image->tries < TRIES_MAX) {
        log_info("ImM", "Image %d: %s; it is asked again", image->head.id, why);
        ask(lifecycle, image);
        return;
    }
    g_autofree char *reason = g_strdup_printf("%s, %d times", why, TRIES_MAX);
    ended(lifecycle, image, FALSE, reason);
}

void lifecycle_image_log(Lifecycle *lifecycle, LogLevel level, gint64 id, const char *text)
{
    Image *image = id == (gint32)id ? image_get(lifecycle->world, (gint32)id) : NULL;
    log_write(level, "ImM", "Image %" G_GINT64_FORMAT ": %s", id, text);
    if (!image || image->work == IMAGE_NO_WORK)
        return;
    g_free(image->progress);
    image->progress = g_strdup(text);
    object_touched(lifecycle->world, &image->head);
}

void images_resume(Lifecycle *lifecycle)
{
    const GPtrArray *images = lifecycle->world->pools[KIND_IMAGE].order;
    for (guint i = 0; i < images->len; i++) {
        Image *image = images->pdata[i];
        if (image->work == IMAGE_NO_WORK || is_of_machine(image->work))
            continue; /* the machine goes on with that */
        log_info("ImM", "Image %d: oned was started again; %s is asked again", image->head.id,
                 image_work_name(image->work));
        ask(lifecycle, image);
    }
}

/* ---- what users ask for ---- */

#define refuse(error, ...) (g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION, __VA_ARGS__), FALSE)

gboolean image_delete(Lifecycle *lifecycle, Image *image, gboolean force, GError **error)
{
    gboolean makes = !image->stored; /* what is being made may be given up */
    if (image->users->len)
        return refuse(error, "Cannot delete image. There are %u VMs using it.", image->users->len);
    if (image->clones->len)
        return refuse(error,
                      "Cannot delete image. %u images are being copied from it; wait, or delete "
                      "these first.",
                      image->clones->len);
    if (image->apps->len)
        return refuse(error,
                      "Cannot delete image. It is being copied into a marketplace, as app %d; "
                      "wait, or delete that first.",
                      g_array_index(image->apps, gint32, 0));
    if (image->state == IMAGE_DELETE && !force)
        return refuse(error, "Cannot delete image. It is being deleted.");
    if (image->work == IMAGE_WORK_SAVE)
        return refuse(error,
                      "Cannot delete image. A disk of machine %s is being saved to it; wait.",
                      template_get(image->head.template, "SAVED_VM_ID"));
    const Vm *vm =
        image->type == IMAGE_BACKUP ? vm_get(lifecycle->world, image_backup_vm(image)) : NULL;
    if (vm && vm_restores_from(vm, image))
        return refuse(error, "Cannot delete image. Machine %d is being restored from it; wait.",
                      vm->head.id);
    if (image->work == IMAGE_WORK_BACKUP)
        return refuse(error,
                      "Cannot delete image. Machine %d is being backed up to it; wait, or cancel "
                      "that (onevm backup-cancel).",
                      image_backup_vm(image));
    if (image_is_locked(image) && !makes && !force)
        return refuse(error, "Cannot delete image. Its driver works on it (%s); wait.",
                      image_work_name(image->work));
    lifecycle_cancel(lifecycle, image->request);
    if (image->cloning_id >= 0)
        image_cloning_end(lifecycle->world, image);
    begin(lifecycle, image, force ? IMAGE_WORK_RM_FORCED : IMAGE_WORK_RM, -1);
    return TRUE;
}

/* The snapshot may be worked on. */
static gboolean snapshot_is_free(Image *image, ImageWork work, gint32 snapshot, GError **error)
{
    gboolean orphans = template_get_bool(image->snapshots, "ALLOW_ORPHANS", FALSE);
    if (image->state != IMAGE_READY)
        return refuse(error,
                      "Image %d is in state %s; its snapshots can be changed when it is "
                      "READY, with no machine that uses it",
                      image->head.id, image_state_name(image->state));
    if (!image_snapshot(image, snapshot))
        return refuse(error, "Image %d has no snapshot %d", image->head.id, snapshot);
    if (work != IMAGE_WORK_SNAP_DELETE)
        return TRUE;
    if (image_snapshot_is_base(image, snapshot))
        return refuse(error, "Cannot delete snapshot %d: it is the active one of image %d",
                      snapshot, image->head.id);
    if (!orphans && image_snapshot_has_children(image, snapshot))
        return refuse(error, "Cannot delete snapshot %d of image %d: others were made of it",
                      snapshot, image->head.id);
    return TRUE;
}

gboolean image_snapshot_change(Lifecycle *lifecycle, Image *image, ImageWork work, gint32 snapshot,
                               GError **error)
{
    if (!snapshot_is_free(image, work, snapshot, error))
        return FALSE;
    begin(lifecycle, image, work, snapshot);
    return TRUE;
}
