#include "server/model/zone.h"

#include "server/model/acl.h"
#include "server/model/world.h"

Zone *zone_create(World *world, gint32 id, const char *name, const char *endpoint)
{
    Zone *zone = g_new0(Zone, 1);
    object_init(&zone->head, KIND_ZONE, id, name, NULL);
    template_set(zone->head.template, "ENDPOINT", endpoint);
    pool_add(world, &zone->head);
    return zone;
}

Vdc *vdc_create(World *world, gint32 id, const char *name, const char *description)
{
    Vdc *vdc = g_new0(Vdc, 1);
    object_init(&vdc->head, KIND_VDC, id, name, NULL);
    vdc->groups = g_array_new(FALSE, FALSE, sizeof(gint32));
    template_set(vdc->head.template, "DESCRIPTION", description);
    pool_add(world, &vdc->head);
    return vdc;
}

/* What a group of VDC 0 gets: a row a rule. */
static const struct {
    Kind kind;
    Right right;
} vdc_rules[] = {
    {KIND_HOST, RIGHT_MANAGE},
    {KIND_NET, RIGHT_USE},
    {KIND_DATASTORE, RIGHT_USE},
};

void vdc_add_group(World *world, Vdc *vdc, gint32 gid)
{
    ids_add(vdc->groups, gid);
    object_changed(world, &vdc->head);
    for (guint i = 0; i < G_N_ELEMENTS(vdc_rules); i++)
        acl_create(world, ACL_GROUP | (guint32)gid, KIND_BIT(vdc_rules[i].kind) | ACL_ALL,
                   vdc_rules[i].right, ACL_ONE, NULL);
}

void vdc_remove_group(World *world, Vdc *vdc, gint32 gid)
{
    if (ids_remove(vdc->groups, gid))
        object_changed(world, &vdc->head);
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

static void vdc_render(World *world, Object *object, GString *xml)
{
    g_string_append(xml, "<VDC>");
    xml_int(xml, "ID", object->id);
    xml_text(xml, "NAME", object->name);
    xml_ids(xml, "GROUPS", VDC(object)->groups);
    g_string_append_printf(
        xml,
        "<CLUSTERS><CLUSTER><ZONE_ID>0</ZONE_ID><CLUSTER_ID>%d</CLUSTER_ID></CLUSTER></CLUSTERS>"
        "<HOSTS/><DATASTORES/><VNETS/>",
        VDC_ALL);
    template_append_xml_element(object->template, "TEMPLATE", xml);
    g_string_append(xml, "</VDC>");
}

static const StoreColumn zone_columns[] = {{"id", STORE_INT},
                                           {"name", STORE_TEXT},
                                           {"state", STORE_INT},
                                           {"template", STORE_TEXT},
                                           {NULL, STORE_INT}};
static const StoreTable zone_table = {"zone", 1, zone_columns};
static const StoreColumn vdc_columns[] = {{"id", STORE_INT},
                                          {"name", STORE_TEXT},
                                          {"groups", STORE_TEXT},
                                          {"template", STORE_TEXT},
                                          {NULL, STORE_INT}};
static const StoreTable vdc_table = {"vdc", 1, vdc_columns};

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

static StoreWrite *vdc_row(World *world, const Object *object)
{
    StoreWrite *row = store_write_new(&vdc_table, STORE_PUT);
    store_set_int(row, 0, object->id);
    store_set_text(row, 1, object->name);
    store_take_text(row, 2, ids_print(((const Vdc *)object)->groups));
    store_take_text(row, 3, template_to_text(object->template));
    return row;
}

static gboolean vdc_load(World *world, const StoreValue *values, GError **error)
{
    Template *template = template_parse(values[3].text, TEMPLATE_MODERN, error);
    if (!template)
        return FALSE;
    Vdc *vdc = g_new0(Vdc, 1);
    object_init(&vdc->head, KIND_VDC, (gint32)values[0].number, values[1].text, template);
    vdc->groups = ids_parse(values[2].text);
    pool_add(world, &vdc->head);
    return TRUE;
}

static void vdc_free(Object *object)
{
    g_array_unref(VDC(object)->groups);
    object_clear(object);
    g_free(object);
}

const KindOperations zone_operations = {zone_render, NULL,        zone_row,
                                        zone_load,   &zone_table, zone_free};
const KindOperations vdc_operations = {vdc_render, NULL, vdc_row, vdc_load, &vdc_table, vdc_free};
