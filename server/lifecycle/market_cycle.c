/*
 * Marketplaces: how full they are, what public catalogues hold, and images on their way into one.
 */
#include "server/lifecycle/internal.h"

#include "lib/base/error.h"
#include "lib/base/names.h"
#include "server/model/storage/image.h"
#include "server/model/storage/market.h"
#include "server/model/people/user.h"

#include <string.h>

/* A driver that dies under the same work this often is not asked again. */
#define TRIES_MAX 5
/* Apps that are taken from one catalogue. */
#define APPS_MAX           10000

#define refuse(error, ...) (g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION, __VA_ARGS__), FALSE)

/* ---- asking ---- */

/* The document of a request; `app` NULL: about the marketplace. (owned, base64) */
static char *document(World *world, Market *market, MarketApp *app)
{
    g_autoptr(GString) xml = g_string_new("<MARKET_DRIVER_ACTION_DATA>");
    Image *image = app ? image_get(world, app->origin) : NULL;
    Datastore *datastore = image ? datastore_get(world, image->datastore) : NULL;
    object_render(world, &market->head, xml);
    if (app)
        object_render(world, &app->head, xml);
    if (image)
        object_render(world, &image->head, xml);
    if (datastore)
        object_render(world, &datastore->head, xml);
    xml_text(xml, "DATASTORE_LOCATION", world->datastores);
    xml_text(xml, "TRUSTED", user_id_is_admin(world, market->head.uid) ? "YES" : "NO");
    g_string_append(xml, "</MARKET_DRIVER_ACTION_DATA>");
    return g_base64_encode((const guchar *)xml->str, xml->len);
}

static guint64 ask(Lifecycle *lifecycle, Market *market, MarketApp *app, const char *action)
{
    DriverRequest *request = g_new0(DriverRequest, 1);
    gint32 id = app ? app->head.id : market->head.id;
    request->class = DRIVER_MARKET;
    request->driver = g_strdup(market->mad);
    request->action = g_strdup(action);
    request->id = id;
    request->payload = document(lifecycle->world, market, app);
    return lifecycle_ask(lifecycle, request, app ? ASKED_APP : ASKED_MARKET, id, 0,
                         app ? lifecycle_timeout(lifecycle, "IMAGE", 21600)
                             : lifecycle_timeout(lifecycle, "MONITOR", 60));
}

/* ---- looking at marketplaces ---- */

static gboolean is_looked_at(Lifecycle *lifecycle, const Market *market)
{
    return lifecycle_asks(lifecycle, ASKED_MARKET, market->head.id, 0);
}

static void look(Lifecycle *lifecycle, Market *market)
{
    Outside *outside = lifecycle->outside;
    if (market->state == 0 && market_offers(lifecycle->world, market, "monitor") &&
        outside->knows(outside, DRIVER_MARKET, market->mad) && !is_looked_at(lifecycle, market))
        (void)ask(lifecycle, market, NULL, "MONITOR");
}

static void look_at_all(Core *core, gpointer data)
{
    Lifecycle *lifecycle = data;
    World *world = lifecycle->world;
    GPtrArray *markets = world->pools[KIND_MARKETPLACE].order;
    for (guint i = 0; i < markets->len; i++)
        look(lifecycle, markets->pdata[i]);
    lifecycle->markets_timer = core_timer_add(
        core, config_int(world->config, "MONITORING_INTERVAL_MARKET") * G_USEC_PER_SEC, look_at_all,
        lifecycle, NULL);
}

void markets_start_monitoring(Lifecycle *lifecycle)
{
    Core *core = lifecycle->world->core;
    core_timer_cancel(core, lifecycle->markets_timer);
    lifecycle->markets_timer = core_timer_add(core, 0, look_at_all, lifecycle, NULL);
}

void market_look_now(Lifecycle *lifecycle, Market *market)
{
    if (is_looked_at(lifecycle, market))
        market->look_again = TRUE; /* what is under way is of its settings before */
    else
        look(lifecycle, market);
}

/* ---- what a catalogue holds ---- */

/* Names come from others: what a name may not have becomes an underscore. (owned) NULL: nothing is
 * left of it. */
static char *clean_name(const char *given)
{
    static const char forbidden[] = "&|:\\\";/'#{}$<>";
    g_autofree char *valid = g_utf8_make_valid(given ? given : "", -1);
    g_autofree char *name = g_utf8_substring(valid, 0, MIN(g_utf8_strlen(valid, -1), 128));
    for (char *at = name; *at; at++)
        if (g_ascii_iscntrl(*at) || strchr(forbidden, *at))
            *at = '_';
    g_strstrip(name);
    return name_check(name, NULL) ? g_steal_pointer(&name) : NULL;
}

/* One app of a catalogue, new or seen before. Its name in the catalogue; NULL: it has none, or
 * makes no sense. */
static const char *take_app(Lifecycle *lifecycle, Market *market, GHashTable *known,
                            const char *base64)
{
    World *world = lifecycle->world;
    g_autofree char *text = lifecycle_decoded(base64);
    g_autoptr(Template) given = template_parse(text, TEMPLATE_MODERN, NULL);
    const char *id = given ? template_get(given, "IMPORT_ID") : NULL;
    g_autofree char *name = given ? clean_name(template_get(given, "NAME")) : NULL;
    AppType type = APP_IMAGE;
    const char *word = given ? template_get(given, "TYPE") : NULL;
    if (!id || !*id || !name || (word && !app_type_read(word, &type)))
        return NULL;
    g_autofree char *version = g_strdup(template_get(given, "VERSION"));
    g_autofree char *md5 = g_strdup(template_get(given, "MD5"));
    g_autofree char *source = g_strdup(template_get(given, "SOURCE"));
    MarketApp *app = g_hash_table_lookup(known, id);
    if (app && !strcmp(app->version, version ? version : app->version) &&
        !strcmp(app->md5, md5 ? md5 : app->md5) &&
        !strcmp(app->source, source ? source : app->source))
        return app->imported; /* as it was */
    static const char *const own[] = {"NAME", "TYPE", "ORIGIN_ID", "MARKETPLACE_ID", "ID", "UID"};
    for (guint i = 0; i < G_N_ELEMENTS(own); i++)
        (void)template_remove(given, own[i]);
    if (app) {
        (void)template_remove(given, "IMPORT_ID"); /* by which it is known stays where it is */
        template_free(app->head.template);
        app->head.template = g_steal_pointer(&given);
    } else {
        app = app_create(world, market, name, USER_ONEADMIN, GROUP_ONEADMIN, type,
                         g_steal_pointer(&given));
        app->head.permissions = market->head.permissions;
        app->state = APP_READY;
    }
    app_read_template(app, TRUE);
    object_changed(world, &app->head);
    g_hash_table_insert(known, app->imported, app);
    return app->imported;
}

/* What the catalogue does not name any more is gone, but for what is locked. */
static void drop_missing(Lifecycle *lifecycle, Market *market, GHashTable *seen)
{
    for (guint i = market->apps->len; i > 0; i--) {
        MarketApp *app = app_get(lifecycle->world, g_array_index(market->apps, gint32, i - 1));
        if (app && *app->imported && app->head.lock.level == 0 &&
            !g_hash_table_contains(seen, app->imported))
            app_remove(lifecycle->world, app);
    }
}

static void take_apps(Lifecycle *lifecycle, Market *market, const Template *report)
{
    g_autoptr(GHashTable) known = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    guint senseless = 0;
    for (guint i = 0; i < market->apps->len; i++) {
        MarketApp *app = app_get(lifecycle->world, g_array_index(market->apps, gint32, i));
        if (app && *app->imported)
            g_hash_table_insert(known, app->imported, app);
    }
    for (guint i = 0; i < template_count(report) && g_hash_table_size(seen) < APPS_MAX; i++) {
        const TemplateAttribute *attribute = template_nth(report, i);
        if (strcmp(attribute->name, "APP") != 0 || !attribute->value)
            continue;
        const char *id = take_app(lifecycle, market, known, attribute->value);
        if (id)
            g_hash_table_add(seen, (gpointer)id);
        else
            senseless++;
    }
    if (senseless)
        log_warning("MKP",
                    "Marketplace %s (%d): %u apps of its catalogue have no IMPORT_ID, no usable "
                    "NAME or an unknown TYPE; they are left out",
                    market->head.name, market->head.id, senseless);
    if (g_hash_table_size(seen) == 0 && g_hash_table_size(known) > 0)
        log_warning("MKP",
                    "Marketplace %s (%d): its catalogue is empty now, and it had %u apps; they are "
                    "kept, since a catalogue that is broken looks the same. If it really has none, "
                    "delete the marketplace",
                    market->head.name, market->head.id, g_hash_table_size(known));
    else
        drop_missing(lifecycle, market, seen);
}

static void take_report(Lifecycle *lifecycle, Market *market, gboolean success, const char *info)
{
    g_autofree char *text = success ? lifecycle_decoded(info) : NULL;
    g_autoptr(Template) report = text ? template_parse(text, TEMPLATE_MODERN, NULL) : NULL;
    if (!report) {
        log_warning("MKP", "Marketplace %s (%d) could not be looked at: %s", market->head.name,
                    market->head.id, info && *info ? info : "no reason");
        return;
    }
    if (template_get(report, "TOTAL_MB")) {
        market->total_mb = MAX(lifecycle_number(report, "TOTAL_MB"), 0);
        market->used_mb = MAX(lifecycle_number(report, "USED_MB"), 0);
        market->free_mb = MAX(lifecycle_number(report, "FREE_MB"), 0);
        object_changed(lifecycle->world, &market->head);
    }
    if (market_is_public(lifecycle->world, market))
        take_apps(lifecycle, market, report);
}

void market_answered(Lifecycle *lifecycle, const Asked *asked, gboolean success, const char *info)
{
    Market *market = market_get(lifecycle->world, asked->id);
    if (!market)
        return;
    if (!market->look_again) {
        take_report(lifecycle, market, success, info);
        return;
    }
    /* Asked before the marketplace was changed: the catalogue of another place, perhaps. */
    market->look_again = FALSE;
    look(lifecycle, market);
}

/* ---- images on their way into a marketplace ---- */

static void ended(Lifecycle *lifecycle, MarketApp *app, gboolean success, const char *info);

/* Why the image cannot be copied (any more); NULL: it can, or there is none to copy. (owned) */
static char *origin_trouble(World *world, const MarketApp *app)
{
    const Image *image = image_get(world, app->origin);
    if (app->work != APP_WORK_IMPORT)
        return NULL;
    if (!image)
        return g_strdup_printf("image %d is gone", app->origin);
    return image->state == IMAGE_READY || image->state == IMAGE_USED || image->state == IMAGE_CLONE
               ? NULL
               : g_strdup_printf("image %d is in state %s now", app->origin,
                                 image_state_name(image->state));
}

static void ask_again(Lifecycle *lifecycle, MarketApp *app)
{
    Market *market = market_get(lifecycle->world, app->market);
    g_autofree char *reason = origin_trouble(lifecycle->world, app);
    if (!market)
        ended(lifecycle, app, FALSE, "its marketplace is gone");
    else if (reason)
        ended(lifecycle, app, FALSE, reason);
    else
        app->request = ask(lifecycle, market, app, app_work_name(app->work));
}

void app_begin(Lifecycle *lifecycle, MarketApp *app, AppWork work)
{
    lifecycle_cancel(lifecycle, app->request);
    app->tries = 0;
    app_set_work(lifecycle->world, app, work, APP_LOCKED);
    ask_again(lifecycle, app);
}

/* SOURCE, SIZE, MD5 and FORMAT, in base64. FALSE: the answer names no source. */
static gboolean was_imported(MarketApp *app, const char *info)
{
    g_autofree char *text = lifecycle_decoded(info ? info : "");
    g_autoptr(Template) told = template_parse(text, TEMPLATE_MODERN, NULL);
    const char *source = told ? template_get(told, "SOURCE") : NULL;
    if (!source || !*source)
        return FALSE;
    static const char *const wanted[] = {"SOURCE", "SIZE", "MD5", "FORMAT"};
    for (guint i = 0; i < G_N_ELEMENTS(wanted); i++)
        template_set(app->head.template, wanted[i], template_get(told, wanted[i]));
    app_read_template(app, TRUE);
    return TRUE;
}

/* The work at hand is over. */
static void ended(Lifecycle *lifecycle, MarketApp *app, gboolean success, const char *info)
{
    gboolean deleted = app->work == APP_WORK_DELETE;
    const char *word = app_work_name(app->work);
    g_autofree char *reason =
        success ? NULL : g_strdup_printf("%s failed: %s", word, info && *info ? info : "no reason");
    app->request = 0;
    if (success && !deleted && !was_imported(app, info)) {
        success = FALSE;
        reason = g_strdup_printf("IMPORT: the driver answered \"%s\", which names no SOURCE",
                                 info ? info : "");
    }
    if (success)
        log_info("MKP", "App %d is %s", app->head.id, deleted ? "removed" : "in its marketplace");
    else
        log_error("MKP", "App %d: %s", app->head.id, reason);
    Market *market = market_get(lifecycle->world, app->market);
    if (success && deleted) {
        app_remove(lifecycle->world, app);
    } else {
        app_set_work(lifecycle->world, app, APP_NO_WORK, success ? APP_READY : APP_ERROR);
        app_set_error(lifecycle->world, app, reason);
    }
    if (market)
        look(lifecycle, market);
}

void app_answered(Lifecycle *lifecycle, const Asked *asked, gboolean success, const char *info)
{
    MarketApp *app = app_get(lifecycle->world, asked->id);
    if (app && app->request == asked->number)
        ended(lifecycle, app, success, info);
}

void app_lost(Lifecycle *lifecycle, const Asked *asked, const char *why)
{
    MarketApp *app = app_get(lifecycle->world, asked->id);
    if (!app || app->request != asked->number)
        return;
    if (++app->tries < TRIES_MAX) {
        log_info("MKP", "App %d: %s; it is asked again", app->head.id, why);
        ask_again(lifecycle, app);
        return;
    }
    g_autofree char *reason = g_strdup_printf("%s, %d times", why, TRIES_MAX);
    ended(lifecycle, app, FALSE, reason);
}

void markets_start(Lifecycle *lifecycle)
{
    const GPtrArray *apps = lifecycle->world->pools[KIND_MARKETPLACEAPP].order;
    for (guint i = 0; i < apps->len; i++) {
        MarketApp *app = apps->pdata[i];
        if (app->work != APP_NO_WORK)
            ask_again(lifecycle, app);
    }
    markets_start_monitoring(lifecycle);
}

/* ---- what users ask for ---- */

gboolean app_delete(Lifecycle *lifecycle, MarketApp *app, GError **error)
{
    World *world = lifecycle->world;
    const Market *market = market_get(world, app->market);
    if (app->work == APP_WORK_DELETE)
        return refuse(error, "Cannot delete marketplaceapp. It is being deleted.");
    if (app->type != APP_IMAGE && !*app->imported) {
        app_remove(world, app); /* there is nothing outside */
        return TRUE;
    }
    if (market && !market_offers(world, market, "delete"))
        return refuse(error,
                      "Delete disabled for market: marketplace %d (%s) shows a catalogue that "
                      "others keep; disable the app, or the marketplace",
                      market->head.id, market->mad);
    app_begin(lifecycle, app, APP_WORK_DELETE);
    return TRUE;
}

void app_give_up(Lifecycle *lifecycle, MarketApp *app)
{
    lifecycle_cancel(lifecycle, app->request);
    app->request = 0;
}
