#include "server/model/storage/market.h"

#include "server/model/people/acl.h"
#include "server/model/storage/datastore.h"
#include "server/model/world.h"

#include <string.h>

/* What users may do with the marketplaces of a new installation: use them. */
#define PUBLIC_PERMISSIONS 0744

Market *market_get(World *world, gint32 id)
{
    return MARKET(pool_get(world, KIND_MARKETPLACE, id));
}

/* ---- what the configuration says of a driver ---- */

static const TemplateAttribute *conf_of(const World *world, const Market *market)
{
    return config_named(world->config, "MARKET_MAD_CONF", market->mad);
}

gboolean market_offers(const World *world, const Market *market, const char *action)
{
    const TemplateAttribute *conf = conf_of(world, market);
    const char *actions = conf ? attribute_get(conf, "APP_ACTIONS") : NULL;
    g_auto(GStrv) words = g_strsplit_set(actions ? actions : "", ", \t", -1);
    for (guint i = 0; words[i]; i++)
        if (!g_ascii_strcasecmp(words[i], action))
            return TRUE;
    return FALSE;
}

gboolean market_is_public(const World *world, const Market *market)
{
    const TemplateAttribute *conf = conf_of(world, market);
    const char *word = conf ? attribute_get(conf, "PUBLIC") : NULL;
    return word && !g_ascii_strcasecmp(word, "YES");
}

/* ---- making and removing ---- */

static Market *market_new(gint32 id, const char *name, const char *mad, Template *template)
{
    Market *market = g_new0(Market, 1);
    object_init(&market->head, KIND_MARKETPLACE, id, name, template);
    market->mad = g_strdup(mad ? mad : "");
    market->apps = ids_parse(NULL);
    return market;
}

Market *market_create(World *world, gint32 id, const char *name, Template *template)
{
    Market *market = market_new(id, name, template_get(template, "MARKET_MAD"), template);
    pool_add(world, &market->head);
    return market;
}

void markets_bootstrap(World *world)
{
    static const struct {
        const char *name, *mad, *about;
    } builtin[] = {
        {"OpenNebula Public", "one", "OpenNebula Systems MarketPlace"},
        {"Linux Containers", "linuxcontainers",
         "MarketPlace for the public image server fo LXC & LXD hosted at linuxcontainers.org"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(builtin); i++) {
        Template *template = template_new();
        template_set(template, "DESCRIPTION", builtin[i].about);
        template_set(template, "MARKET_MAD", builtin[i].mad);
        Market *market = market_create(world, (gint32)i, builtin[i].name, template);
        market->head.permissions = PUBLIC_PERMISSIONS;
        market->state = 1;
    }
    /* That they were made is on record: who deletes both of them does not get them again. */
    world_write_counter(world, kind_row(KIND_MARKETPLACE)->acl_word,
                        world->pools[KIND_MARKETPLACE].last_id);
}

void market_updated(World *world, Market *market)
{
    Template *template = market->head.template;
    const char *mad = template_get(template, "MARKET_MAD");
    if (driver_name_fits(mad)) {
        g_free(market->mad);
        market->mad = g_strdup(mad);
    }
    template_set(template, "MARKET_MAD", market->mad);
    object_changed(world, &market->head);
}

gint64 market_coming(World *world, const Market *market)
{
    gint64 sum = 0;
    for (guint i = 0; i < market->apps->len; i++) {
        const MarketApp *app = app_get(world, g_array_index(market->apps, gint32, i));
        if (app && app->work == APP_WORK_IMPORT)
            sum += app->size;
    }
    return sum;
}

void market_apps_touch(World *world, const Market *market)
{
    for (guint i = 0; i < market->apps->len; i++) {
        MarketApp *app = app_get(world, g_array_index(market->apps, gint32, i));
        if (app)
            object_touched(world, &app->head);
    }
}

void market_remove(World *world, Market *market)
{
    while (market->apps->len) {
        gint32 id = g_array_index(market->apps, gint32, market->apps->len - 1);
        MarketApp *app = app_get(world, id);
        if (app)
            app_remove(world, app);
        (void)ids_remove(market->apps, id);
    }
    acl_forget(world, &market->head);
    pool_remove(world, &market->head);
}

/* ---- one kind of object ---- */

static void market_render(World *world, Object *object, GString *xml)
{
    const Market *market = MARKET(object);
    char zone[INT_TEXT];
    g_string_append(xml, "<MARKETPLACE>");
    xml_int(xml, "ID", object->id);
    xml_owner(world, object, xml);
    xml_text(xml, "NAME", object->name);
    xml_int(xml, "STATE", market->state);
    xml_cdata(xml, "MARKET_MAD", market->mad);
    xml_cdata(xml, "ZONE_ID", int_text(market->zone, zone));
    xml_int(xml, "TOTAL_MB", market->total_mb);
    xml_int(xml, "FREE_MB", market->free_mb);
    xml_int(xml, "USED_MB", market->used_mb);
    xml_ids(xml, "MARKETPLACEAPPS", market->apps);
    xml_permissions(object, xml);
    template_append_xml_element(object->template, "TEMPLATE", xml);
    g_string_append(xml, "</MARKETPLACE>");
}

static const StoreColumn columns[] = {
    OWNER_COLUMNS,          {"mad", STORE_TEXT},      {"state", STORE_INT},
    {"zone", STORE_INT},    {"total_mb", STORE_INT},  {"free_mb", STORE_INT},
    {"used_mb", STORE_INT}, {"template", STORE_TEXT}, {NULL, STORE_INT},
};
static const StoreTable table = {"marketplace", 1, columns};

static StoreWrite *market_row(World *world, const Object *object)
{
    const Market *market = (const Market *)object;
    StoreWrite *row = store_write_new(&table, STORE_PUT);
    guint i = owner_to_row(object, row);
    store_set_text(row, i++, market->mad);
    store_set_int(row, i++, market->state);
    store_set_int(row, i++, market->zone);
    store_set_int(row, i++, market->total_mb);
    store_set_int(row, i++, market->free_mb);
    store_set_int(row, i++, market->used_mb);
    store_take_text(row, i++, template_to_text(object->template));
    return row;
}

static gboolean market_load(World *world, const StoreValue *values, GError **error)
{
    const StoreValue *own = values + OWNER_END;
    Template *template = template_parse(own[6].text, TEMPLATE_MODERN, error);
    if (!template)
        return FALSE;
    Market *market = market_new((gint32)values[0].number, values[1].text, own[0].text, template);
    owner_from_row(&market->head, values);
    market->state = (gint)own[1].number;
    market->zone = (gint32)own[2].number;
    market->total_mb = own[3].number;
    market->free_mb = own[4].number;
    market->used_mb = own[5].number;
    pool_add(world, &market->head);
    return TRUE;
}

static void market_free(Object *object)
{
    g_array_unref(MARKET(object)->apps);
    g_free(MARKET(object)->mad);
    object_clear(object);
    g_free(object);
}

const KindOperations market_operations = {market_render, NULL,   market_row,
                                          market_load,   &table, market_free};

/* ---- what must hold ---- */

#define violated(problems, ...) g_ptr_array_add(problems, g_strdup_printf(__VA_ARGS__))

void markets_check(World *world, GPtrArray *problems)
{
    const GPtrArray *markets = world->pools[KIND_MARKETPLACE].order;
    const GPtrArray *apps = world->pools[KIND_MARKETPLACEAPP].order;
    for (guint i = 0; i < apps->len; i++) {
        const MarketApp *app = apps->pdata[i];
        const Market *market = market_get(world, app->market);
        if (!market)
            violated(problems, "app %d is of marketplace %d, which does not exist", app->head.id,
                     app->market);
        else if (!ids_contain(market->apps, app->head.id))
            violated(problems, "marketplace %d does not list its app %d", app->market,
                     app->head.id);
        if ((app->state == APP_LOCKED) != (app->work != APP_NO_WORK))
            violated(problems, "app %d is %s, and its driver's work is %s", app->head.id,
                     app_state_name(app->state), app_work_name(app->work));
    }
    for (guint i = 0; i < markets->len; i++) {
        const Market *market = markets->pdata[i];
        for (guint j = 0; j < market->apps->len; j++) {
            const MarketApp *app = app_get(world, g_array_index(market->apps, gint32, j));
            if (!app || app->market != market->head.id)
                violated(problems, "marketplace %d lists app %d, which it does not have",
                         market->head.id, g_array_index(market->apps, gint32, j));
        }
    }
}
