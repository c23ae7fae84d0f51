/*
 * Datastores: how full they are, and how large an image will be. System datastores are measured by
 * their transfer driver, those of images by the driver that keeps them.
 */
#include "server/lifecycle/internal.h"

#include "lib/base/error.h"
#include "server/model/storage/image.h"
#include "server/model/people/user.h"

#include <string.h>

/* Changes within this time are measured together. */
#define SETTLE_US G_USEC_PER_SEC

/* ---- how full ---- */

/* Which driver measures it. FALSE: none can. */
static gboolean measured_by(Lifecycle *lifecycle, const Datastore *datastore, DriverClass *class,
                            const char **driver)
{
    Outside *outside = lifecycle->outside;
    *class = DRIVER_DATASTORE;
    *driver = datastore->ds_mad;
    if (datastore->type != DATASTORE_SYSTEM && outside->knows(outside, *class, *driver))
        return TRUE;
    *class = DRIVER_TRANSFER;
    *driver = datastore->tm_mad;
    return outside->knows(outside, *class, *driver);
}

static void measure(Lifecycle *lifecycle, Datastore *datastore)
{
    DriverClass class;
    const char *driver;
    gint32 id = datastore->head.id;
    if (!measured_by(lifecycle, datastore, &class, &driver) ||
        lifecycle_asks(lifecycle, ASKED_DATASTORE, id, 0))
        return;
    g_autoptr(GString) xml = g_string_new("<DS_DRIVER_ACTION_DATA><IMAGE/>");
    object_render(lifecycle->world, &datastore->head, xml);
    xml_text(xml, "DATASTORE_LOCATION", lifecycle->world->datastores);
    g_string_append(xml, "</DS_DRIVER_ACTION_DATA>");
    DriverRequest *request = g_new0(DriverRequest, 1);
    request->class = class;
    request->driver = g_strdup(driver);
    request->action = g_strdup("MONITOR");
    request->id = id;
    request->payload = g_base64_encode((const guchar *)xml->str, xml->len);
    lifecycle_ask(lifecycle, request, ASKED_DATASTORE, id, 0,
                  lifecycle_timeout(lifecycle, "MONITOR", 60));
}

static void measure_all(Core *core, gpointer data)
{
    Lifecycle *lifecycle = data;
    World *world = lifecycle->world;
    GPtrArray *datastores = world->pools[KIND_DATASTORE].order;
    for (guint i = 0; i < datastores->len; i++)
        measure(lifecycle, datastores->pdata[i]);
    lifecycle->datastores_timer = core_timer_add(
        core, config_int(world->config, "MONITORING_INTERVAL_DATASTORE") * G_USEC_PER_SEC,
        measure_all, lifecycle, NULL);
}

void datastores_start_monitoring(Lifecycle *lifecycle)
{
    Core *core = lifecycle->world->core;
    core_timer_cancel(core, lifecycle->datastores_timer);
    lifecycle->datastores_timer = core_timer_add(core, 0, measure_all, lifecycle, NULL);
}

typedef struct Soon {
    Lifecycle *lifecycle;
    gint32 id;
} Soon;

static void measure_now(Core *core, gpointer data)
{
    Soon *soon = data;
    Datastore *datastore = datastore_get(soon->lifecycle->world, soon->id);
    if (!datastore)
        return;
    datastore->awaits_measure = FALSE;
    if (lifecycle_asks(soon->lifecycle, ASKED_DATASTORE, soon->id, 0))
        datastore_measure_soon(soon->lifecycle, soon->id); /* what is asked now is older */
    else
        measure(soon->lifecycle, datastore);
}

void datastore_measure_soon(Lifecycle *lifecycle, gint32 id)
{
    Datastore *datastore = datastore_get(lifecycle->world, id);
    if (!datastore || datastore->awaits_measure)
        return;
    Soon *soon = g_new0(Soon, 1);
    soon->lifecycle = lifecycle;
    soon->id = id;
    datastore->awaits_measure = TRUE;
    core_timer_add(lifecycle->world->core, SETTLE_US, measure_now, soon, g_free);
}

void datastore_answered(Lifecycle *lifecycle, const Asked *asked, gboolean success,
                        const char *info)
{
    Core *core = lifecycle->world->core;
    Datastore *datastore = datastore_get(lifecycle->world, asked->id);
    if (!datastore)
        return;
    g_autofree char *text = success ? lifecycle_decoded(info) : NULL;
    g_autoptr(Template) report = text ? template_parse(text, TEMPLATE_MODERN, NULL) : NULL;
    if (!report) {
        log_warning("DSM", "Datastore %s (%d) could not be measured: %s", datastore->head.name,
                    asked->id, info);
        return;
    }
    datastore->total_mb = lifecycle_number(report, "TOTAL_MB");
    datastore->used_mb = lifecycle_number(report, "USED_MB");
    datastore->free_mb = lifecycle_number(report, "FREE_MB");
    datastore->measured = core_now_us(core) - (core_steady(core) - asked->sent);
    object_changed(lifecycle->world, &datastore->head);
    images_forget_again(lifecycle, datastore);
}

/* ---- how large ---- */

/* Sizes that one user may ask for at a time: some take as long as another computer likes. */
#define STATS_MAX 16

typedef struct Stat {
    gint32 uid;
    ImageStatDone done;
    gpointer data;
} Stat;

GHashTable *stats_new(void)
{
    return g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
}

static guint stats_of(Lifecycle *lifecycle, gint32 uid)
{
    GHashTableIter iterator;
    gpointer value;
    guint count = 0;
    g_hash_table_iter_init(&iterator, lifecycle->stats);
    while (g_hash_table_iter_next(&iterator, NULL, &value))
        count += ((const Stat *)value)->uid == uid;
    return count;
}

/* An image that does not exist yet. (owned, base64) */
static char *draft_document(World *world, Datastore *datastore, const Template *template,
                            gint32 uid)
{
    g_autoptr(GString) xml = g_string_new("<DS_DRIVER_ACTION_DATA><IMAGE>");
    template_append_xml(template, xml);
    template_append_xml_element(template, "TEMPLATE", xml);
    g_string_append(xml, "</IMAGE>");
    object_render(world, &datastore->head, xml);
    xml_text(xml, "DATASTORE_LOCATION", world->datastores);
    gboolean local = user_id_is_admin(world, uid) ||
                     app_vouches(world, template, template_get(template, "PATH"));
    xml_text(xml, "LOCAL_URLS", local ? "YES" : "NO");
    g_string_append(xml, "</DS_DRIVER_ACTION_DATA>");
    return g_base64_encode((const guchar *)xml->str, xml->len);
}

gboolean image_stat(Lifecycle *lifecycle, Datastore *datastore, const Template *template,
                    gint32 uid, ImageStatDone done, gpointer data, GError **error)
{
    if (stats_of(lifecycle, uid) >= STATS_MAX) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION,
                    "The sizes of %d images of user %d are being looked at; try again when that is "
                    "done",
                    STATS_MAX, uid);
        return FALSE;
    }
    DriverRequest *request = g_new0(DriverRequest, 1);
    request->class = DRIVER_DATASTORE;
    request->driver = g_strdup(datastore->ds_mad);
    request->action = g_strdup("STAT");
    request->id = (gint64)(lifecycle->last_number + 1); /* the number that it gets below */
    request->payload = draft_document(lifecycle->world, datastore, template, uid);
    gint64 *number = g_new(gint64, 1);
    Stat *stat = g_new0(Stat, 1);
    stat->uid = uid;
    stat->done = done;
    stat->data = data;
    *number = (gint64)lifecycle_ask(lifecycle, request, ASKED_STAT, -1, 0,
                                    lifecycle_timeout(lifecycle, "STAT", 60));
    g_hash_table_insert(lifecycle->stats, number, stat);
    return TRUE;
}

void stat_answered(Lifecycle *lifecycle, const Asked *asked, gboolean success, const char *info)
{
    gpointer key = NULL, value = NULL;
    gint64 size = -1;
    if (!g_hash_table_steal_extended(lifecycle->stats, &asked->number, &key, &value))
        return;
    g_autofree Stat *stat = value;
    g_autoptr(GError) error = NULL;
    g_free(key);
    if (!success)
        g_set_error(&error, ONE_ERROR, ONE_ERROR_ACTION, "Cannot determine Image SIZE. %s",
                    info && *info ? info : "The driver did not say why");
    else if (!g_ascii_string_to_signed(info ? info : "", 10, 0, G_MAXINT32, &size, NULL))
        g_set_error(
            &error, ONE_ERROR, ONE_ERROR_ACTION,
            "Cannot determine Image SIZE. The driver answered \"%s\", which is no number of "
            "MiB",
            info ? info : "");
    stat->done(size, error, stat->data);
}

void stats_end(Lifecycle *lifecycle)
{
    g_autoptr(GError) error = g_error_new(ONE_ERROR, ONE_ERROR_INTERNAL, "oned ends; try again");
    g_autoptr(GHashTable) open = g_steal_pointer(&lifecycle->stats);
    GHashTableIter iterator;
    gpointer value;
    lifecycle->stats = stats_new();
    g_hash_table_iter_init(&iterator, open);
    while (g_hash_table_iter_next(&iterator, NULL, &value)) {
        Stat *stat = value;
        stat->done(-1, error, stat->data);
    }
}
