#include "server/model/place/zone.h"

#include "server/model/world.h"

static Zone *zone_new(gint32 id, const char *name, Template *template, Template *servers)
{
    Zone *zone = g_new0(Zone, 1);
    object_init(&zone->head, KIND_ZONE, id, name, template);
    zone->servers = servers;
    return zone;
}

Zone *zone_create(World *world, gint32 id, const char *name, Template *template)
{
    Zone *zone = zone_new(id, name, template, template_new());
    pool_add(world, &zone->head);
    return zone;
}

/* ---- servers ---- */

static guint place_of(const Zone *zone, gint32 id)
{
    const TemplateAttribute *server;
    gint64 number;
    guint i = 0;
    for (; (server = template_vector(zone->servers, "SERVER", i)); i++)
        if (attribute_get_int(server, "ID", &number) && number == id)
            break;
    return i;
}

gboolean zone_is_disabled(World *world)
{
    const Object *zone = pool_get(world, KIND_ZONE, THIS_ZONE);
    return zone && ZONE(zone)->state == ZONE_DISABLED;
}

gboolean zone_has_server(const Zone *zone, gint32 id)
{
    return template_vector(zone->servers, "SERVER", place_of(zone, id)) != NULL;
}

gint32 zone_add_server(World *world, Zone *zone, const char *name, const char *endpoint)
{
    TemplateAttribute *server = template_add_vector(zone->servers, "SERVER");
    attribute_set(server, "ENDPOINT", endpoint);
    attribute_set_int(server, "ID", zone->next_server);
    attribute_set(server, "NAME", name);
    object_changed(world, &zone->head);
    return zone->next_server++;
}

gboolean zone_remove_server(World *world, Zone *zone, gint32 id)
{
    if (!zone_has_server(zone, id))
        return FALSE;
    template_attribute_free(template_steal(zone->servers, place_of(zone, id)));
    object_changed(world, &zone->head);
    return TRUE;
}

/* ---- the object ---- */

static void zone_render(World *world, Object *object, GString *xml)
{
    g_string_append(xml, "<ZONE>");
    xml_int(xml, "ID", object->id);
    xml_text(xml, "NAME", object->name);
    xml_int(xml, "STATE", ZONE(object)->state);
    template_append_xml_element(object->template, "TEMPLATE", xml);
    template_append_xml_element(ZONE(object)->servers, "SERVER_POOL", xml);
    g_string_append(xml, "</ZONE>");
}

static const StoreColumn zone_columns[] = {{"id", STORE_INT},       {"name", STORE_TEXT},
                                           {"state", STORE_INT},    {"template", STORE_TEXT},
                                           {"servers", STORE_TEXT}, {"next_server", STORE_INT},
                                           {NULL, STORE_INT}};
static const StoreTable zone_table = {"zone", 1, zone_columns};

static StoreWrite *zone_row(World *world, const Object *object)
{
    const Zone *zone = (const Zone *)object;
    StoreWrite *row = store_write_new(&zone_table, STORE_PUT);
    store_set_int(row, 0, object->id);
    store_set_text(row, 1, object->name);
    store_set_int(row, 2, zone->state);
    store_take_text(row, 3, template_to_text(object->template));
    store_take_text(row, 4, template_to_text(zone->servers));
    store_set_int(row, 5, zone->next_server);
    return row;
}

static gboolean zone_load(World *world, const StoreValue *values, GError **error)
{
    g_autoptr(Template) template = template_parse(values[3].text, TEMPLATE_MODERN, error);
    Template *servers = template ? template_parse(values[4].text, TEMPLATE_MODERN, error) : NULL;
    if (!servers)
        return FALSE;
    Zone *zone =
        zone_new((gint32)values[0].number, values[1].text, g_steal_pointer(&template), servers);
    zone->state = values[2].number == ZONE_DISABLED ? ZONE_DISABLED : ZONE_ENABLED;
    zone->next_server = (gint32)values[5].number;
    pool_add(world, &zone->head);
    return TRUE;
}

static void zone_free(Object *object)
{
    template_free(ZONE(object)->servers);
    object_clear(object);
    g_free(object);
}

const KindOperations zone_operations = {zone_render, NULL,        zone_row,
                                        zone_load,   &zone_table, zone_free};
