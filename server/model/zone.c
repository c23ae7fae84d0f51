#include "server/model/zone.h"

#include "server/model/world.h"

Zone *zone_create(World *world, gint32 id, const char *name, const char *endpoint)
{
    Zone *zone = g_new0(Zone, 1);
    object_init(&zone->head, KIND_ZONE, id, name, NULL);
    template_set(zone->head.template, "ENDPOINT", endpoint);
    pool_add(world, &zone->head);
    return zone;
}

static void zone_render(World *world, Object *object, GString *xml)
{
    g_string_append(xml, "<ZONE>");
    xml_int(xml, "ID", object->id);
    xml_text(xml, "NAME", object->name);
    xml_int(xml, "STATE", ((Zone *)object)->state);
    template_append_xml_element(object->template, "TEMPLATE", xml);
    g_string_append(xml, "<SERVER_POOL/></ZONE>");
}

static const StoreColumn zone_columns[] = {{"id", STORE_INT},
                                           {"name", STORE_TEXT},
                                           {"state", STORE_INT},
                                           {"template", STORE_TEXT},
                                           {NULL, STORE_INT}};
static const StoreTable zone_table = {"zone", 1, zone_columns};

static StoreWrite *zone_row(World *world, const Object *object)
{
    StoreWrite *row = store_write_new(&zone_table, STORE_PUT);
    store_set_int(row, 0, object->id);
    store_set_text(row, 1, object->name);
    store_set_int(row, 2, ((const Zone *)object)->state);
    store_take_text(row, 3, template_to_text(object->template));
    return row;
}

static gboolean zone_load(World *world, const StoreValue *values, GError **error)
{
    Template *template = template_parse(values[3].text, TEMPLATE_MODERN, error);
    if (!template)
        return FALSE;
    Zone *zone = g_new0(Zone, 1);
    object_init(&zone->head, KIND_ZONE, (gint32)values[0].number, values[1].text, template);
    zone->state = (gint)values[2].number;
    pool_add(world, &zone->head);
    return TRUE;
}

static void zone_free(Object *object)
{
    object_clear(object);
    g_free(object);
}

const KindOperations zone_operations = {zone_render, NULL,        zone_row,
                                        zone_load,   &zone_table, zone_free};
