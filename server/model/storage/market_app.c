#include "server/model/people/acl.h"
#include "server/model/storage/image.h"
#include "server/model/storage/market.h"
#include "server/model/people/user.h"
#include "server/model/world.h"

#include <string.h>

static const char *const state_names[APP_STATES] = {"INIT", "READY", "LOCKED", "ERROR", "DISABLED"};
static const char *const type_names[APP_TYPES] = {"UNKNOWN", "IMAGE", "VMTEMPLATE",
                                                  "SERVICE_TEMPLATE"};
static const char *const work_names[APP_WORKS] = {"nothing", "IMPORT", "DELETE"};

MarketApp *app_get(World *world, gint32 id)
{
    return MARKET_APP(pool_get(world, KIND_MARKETPLACEAPP, id));
}

const char *app_state_name(AppState state)
{
    return state_names[state];
}

const char *app_work_name(AppWork work)
{
    return work_names[work];
}

gboolean app_type_read(const char *word, AppType *type)
{
    for (guint i = APP_IMAGE; word && i < APP_TYPES; i++)
        if (!g_ascii_strcasecmp(word, type_names[i])) {
            *type = (AppType)i;
            return TRUE;
        }
    return FALSE;
}

/* ---- making and removing ---- */

static void set_text(char **place, const char *text)
{
    char *before = *place;
    *place = g_strdup(text ? text : "");
    g_free(before);
}

static MarketApp *app_new(gint32 id, const char *name, Template *template)
{
    MarketApp *app = g_new0(MarketApp, 1);
    object_init(&app->head, KIND_MARKETPLACEAPP, id, name, template);
    app->source = g_strdup("");
    app->md5 = g_strdup("");
    app->description = g_strdup("");
    app->version = g_strdup("");
    app->format = g_strdup("");
    app->template64 = g_strdup("");
    app->imported = g_strdup("");
    app->origin = -1;
    return app;
}

/* What the template says of the app itself moves there. */
static void take(MarketApp *app, const char *name, char **place)
{
    const char *text = template_get(app->head.template, name);
    if (text)
        set_text(place, text);
    (void)template_remove(app->head.template, name);
}

static gint64 take_number(MarketApp *app, const char *name, gint64 otherwise)
{
    gint64 number = otherwise;
    if (!template_get_int(app->head.template, name, &number) || number < 0)
        number = otherwise;
    (void)template_remove(app->head.template, name);
    return number;
}

void app_read_template(MarketApp *app, gboolean driver)
{
    take(app, "DESCRIPTION", &app->description);
    take(app, "VERSION", &app->version);
    take(app, "APPTEMPLATE64", &app->template64);
    if (!driver)
        return;
    take(app, "SOURCE", &app->source);
    take(app, "MD5", &app->md5);
    take(app, "FORMAT", &app->format);
    take(app, "IMPORT_ID", &app->imported);
    app->size = take_number(app, "SIZE", app->size);
    app->regtime = take_number(app, "REGTIME", app->regtime);
}

MarketApp *app_create(World *world, Market *market, const char *name, gint32 uid, gint32 gid,
                      AppType type, Template *template)
{
    MarketApp *app = app_new(pool_next_id(world, KIND_MARKETPLACEAPP), name, template);
    app->head.uid = uid;
    app->head.gid = gid;
    app->regtime = core_now(world->core);
    app->market = market->head.id;
    app->zone = market->zone;
    app->type = type;
    set_text(&app->version, "0.0");
    app_read_template(app, FALSE);
    pool_add(world, &app->head);
    ids_add(market->apps, app->head.id);
    object_touched(world, &market->head);
    return app;
}

/* The image that is copied into the marketplace knows of it, or does not any more. */
static void hold_origin(World *world, const MarketApp *app, gboolean hold)
{
    Image *image = app->work == APP_WORK_IMPORT ? image_get(world, app->origin) : NULL;
    if (!image)
        return;
    if (hold)
        ids_add(image->apps, app->head.id);
    else
        (void)ids_remove(image->apps, app->head.id);
    image_enter(world, image, image->state);
}

void app_set_work(World *world, MarketApp *app, AppWork work, AppState state)
{
    hold_origin(world, app, FALSE);
    app->work = work;
    app->state = state;
    hold_origin(world, app, TRUE);
    object_changed(world, &app->head);
}

void app_remove(World *world, MarketApp *app)
{
    hold_origin(world, app, FALSE);
    Market *market = market_get(world, app->market);
    if (market && ids_remove(market->apps, app->head.id))
        object_touched(world, &market->head);
    acl_forget(world, &app->head);
    pool_remove(world, &app->head);
}

void app_set_error(World *world, MarketApp *app, const char *reason)
{
    template_set(app->head.template, "ERROR", reason);
    object_changed(world, &app->head);
}

MarketApp *app_imported(World *world, const Market *market, const char *name)
{
    for (guint i = 0; i < market->apps->len; i++) {
        MarketApp *app = app_get(world, g_array_index(market->apps, gint32, i));
        if (app && *app->imported && strcmp(app->imported, name) == 0)
            return app;
    }
    return NULL;
}

gboolean app_vouches(World *world, const Template *template, const char *url)
{
    gint64 id = -1;
    const MarketApp *app = template_get_int(template, "FROM_APP", &id) && id == (gint32)id
                               ? app_get(world, (gint32)id)
                               : NULL;
    const Market *market = app ? market_get(world, app->market) : NULL;
    const char *base = market && user_id_is_admin(world, market->head.uid)
                           ? template_get(market->head.template, "BASE_URL")
                           : NULL;
    /* Of an app that this installation put there, not one that a catalogue made up. */
    return base && *base && url && !*app->imported && strcmp(app->source, url) == 0 &&
           g_str_has_prefix(url, base);
}

/* ---- one kind of object ---- */

static void app_render(World *world, Object *object, GString *xml)
{
    const MarketApp *app = MARKET_APP(object);
    const Market *market = market_get(world, app->market);
    char number[INT_TEXT];
    g_string_append(xml, "<MARKETPLACEAPP>");
    xml_int(xml, "ID", object->id);
    xml_owner(world, object, xml);
    xml_lock(object, xml);
    xml_int(xml, "REGTIME", app->regtime);
    xml_text(xml, "NAME", object->name);
    xml_cdata(xml, "ZONE_ID", int_text(app->zone, number));
    xml_cdata(xml, "ORIGIN_ID", int_text(app->origin, number));
    xml_cdata(xml, "SOURCE", app->source);
    xml_cdata(xml, "MD5", app->md5);
    xml_int(xml, "SIZE", app->size);
    xml_cdata(xml, "DESCRIPTION", app->description);
    xml_cdata(xml, "VERSION", app->version);
    xml_cdata(xml, "FORMAT", app->format);
    xml_cdata(xml, "APPTEMPLATE64", app->template64);
    xml_int(xml, "MARKETPLACE_ID", app->market);
    xml_cdata(xml, "MARKETPLACE", market ? market->head.name : "");
    xml_int(xml, "STATE", app->state);
    xml_int(xml, "TYPE", app->type);
    xml_permissions(object, xml);
    template_append_xml_element(object->template, "TEMPLATE", xml);
    g_string_append(xml, "</MARKETPLACEAPP>");
}

static const StoreColumn columns[] = {
    HEAD_COLUMNS,           {"regtime", STORE_INT},      {"zone", STORE_INT},
    {"origin", STORE_INT},  {"source", STORE_TEXT},      {"md5", STORE_TEXT},
    {"size", STORE_INT},    {"description", STORE_TEXT}, {"version", STORE_TEXT},
    {"format", STORE_TEXT}, {"template64", STORE_TEXT},  {"market", STORE_INT},
    {"state", STORE_INT},   {"type", STORE_INT},         {"imported", STORE_TEXT},
    {"work", STORE_INT},    {"template", STORE_TEXT},    {NULL, STORE_INT},
};
static const StoreTable table = {"marketplace_app", 1, columns};

static StoreWrite *app_row(World *world, const Object *object)
{
    const MarketApp *app = (const MarketApp *)object;
    StoreWrite *row = store_write_new(&table, STORE_PUT);
    guint i = head_to_row(object, row);
    store_set_int(row, i++, app->regtime);
    store_set_int(row, i++, app->zone);
    store_set_int(row, i++, app->origin);
    store_set_text(row, i++, app->source);
    store_set_text(row, i++, app->md5);
    store_set_int(row, i++, app->size);
    store_set_text(row, i++, app->description);
    store_set_text(row, i++, app->version);
    store_set_text(row, i++, app->format);
    store_set_text(row, i++, app->template64);
    store_set_int(row, i++, app->market);
    store_set_int(row, i++, app->state);
    store_set_int(row, i++, app->type);
    store_set_text(row, i++, app->imported);
    store_set_int(row, i++, app->work);
    store_take_text(row, i++, template_to_text(object->template));
    return row;
}

static gint in_range(gint64 number, gint count)
{
    return number >= 0 && number < count ? (gint)number : 0;
}

static gboolean app_load(World *world, const StoreValue *values, GError **error)
{
    const StoreValue *own = values + HEAD_END;
    Template *template = template_parse(own[15].text, TEMPLATE_MODERN, error);
    if (!template)
        return FALSE;
    MarketApp *app = app_new((gint32)values[0].number, values[1].text, template);
    head_from_row(&app->head, values);
    app->regtime = own[0].number;
    app->zone = (gint32)own[1].number;
    app->origin = (gint32)own[2].number;
    set_text(&app->source, own[3].text);
    set_text(&app->md5, own[4].text);
    app->size = own[5].number;
    set_text(&app->description, own[6].text);
    set_text(&app->version, own[7].text);
    set_text(&app->format, own[8].text);
    set_text(&app->template64, own[9].text);
    app->market = (gint32)own[10].number;
    app->state = (AppState)in_range(own[11].number, APP_STATES);
    app->type = (AppType)in_range(own[12].number, APP_TYPES);
    set_text(&app->imported, own[13].text);
    app->work = (AppWork)in_range(own[14].number, APP_WORKS);
    pool_add(world, &app->head);
    Market *market = market_get(world, app->market);
    if (market)
        ids_add(market->apps, app->head.id);
    hold_origin(world, app, TRUE);
    return TRUE;
}

static void app_free(Object *object)
{
    MarketApp *app = MARKET_APP(object);
    g_free(app->source);
    g_free(app->md5);
    g_free(app->description);
    g_free(app->version);
    g_free(app->format);
    g_free(app->template64);
    g_free(app->imported);
    object_clear(object);
    g_free(app);
}

const KindOperations app_operations = {app_render, NULL, app_row, app_load, &table, app_free};
