#include "server/model/datastore.h"

#include "server/model/cluster.h"
#include "server/model/world.h"

#include <string.h>

Datastore *datastore_get(World *world, gint32 id)
{
    return DATASTORE(pool_get(world, KIND_DATASTORE, id));
}

/* Whether the hosts see the same files there, when nobody says. */
static const char *usually_shared(const char *tm_mad)
{
    return strcmp(tm_mad, "ssh") != 0 && strcmp(tm_mad, "tm_ssh") != 0 ? "YES" : "NO";
}

Datastore *datastore_create(World *world, gint32 id, const char *name, DatastoreType type,
                            const char *ds_mad, const char *tm_mad)
{
    static const char *const words[] = {"IMAGE_DS", "SYSTEM_DS", "FILE_DS"};
    gint32 default_cluster = 0;
    Datastore *datastore = g_new0(Datastore, 1);
    object_init(&datastore->head, KIND_DATASTORE, id, name, NULL);
    datastore->head.permissions = 0640;
    datastore->ds_mad = g_strdup(ds_mad);
    datastore->tm_mad = g_strdup(tm_mad);
    datastore->base_path = g_strdup_printf("%s/%d", world->datastores, id);
    datastore->type = type;
    datastore->clusters = g_array_new(FALSE, FALSE, sizeof(gint32));
    g_array_append_val(datastore->clusters, default_cluster);
    Template *template = datastore->head.template;
    template_set(template, "TYPE", words[type]);
    template_set(template, "DS_MAD", ds_mad);
    template_set(template, "TM_MAD", tm_mad);
    if (type == DATASTORE_SYSTEM)
        template_set(template, "SHARED", usually_shared(tm_mad));
    pool_add(world, &datastore->head);
    return datastore;
}

/* Such words go into the lines for drivers as they are. */
static gboolean is_driver_name(const char *word)
{
    static const char others[] = "_-.";
    for (const char *at = word; at && *at; at++)
        if (!g_ascii_isalnum(*at) && !strchr(others, *at))
            return FALSE;
    return word && *word;
}

static void follow(Template *template, const char *name, char **driver)
{
    const char *wanted = template_get(template, name);
    if (!is_driver_name(wanted)) {
        template_set(template, name, *driver);
        return;
    }
    char *before = *driver;
    *driver = g_strdup(wanted);
    g_free(before);
}

void datastore_updated(Datastore *datastore)
{
    Template *template = datastore->head.template;
    const char *before = usually_shared(datastore->tm_mad);
    follow(template, "TM_MAD", &datastore->tm_mad);
    follow(template, "DS_MAD", &datastore->ds_mad);
    const char *shared = template_get(template, "SHARED");
    if (datastore->type == DATASTORE_SYSTEM && (!shared || !g_ascii_strcasecmp(shared, before)))
        template_set(template, "SHARED", usually_shared(datastore->tm_mad));
}

gboolean datastore_is_shared(const Datastore *datastore)
{
    return template_get_bool(datastore->head.template, "SHARED", TRUE);
}

static void datastore_render(World *world, Object *object, GString *xml)
{
    Datastore *datastore = DATASTORE(object);
    g_string_append(xml, "<DATASTORE>");
    xml_int(xml, "ID", object->id);
    xml_owner(world, object, xml);
    xml_text(xml, "NAME", object->name);
    xml_permissions(object, xml);
    xml_cdata(xml, "DS_MAD", datastore->ds_mad);
    xml_cdata(xml, "TM_MAD", datastore->tm_mad);
    xml_cdata(xml, "BASE_PATH", datastore->base_path);
    xml_int(xml, "TYPE", datastore->type);
    xml_int(xml, "DISK_TYPE", datastore->disk_type);
    xml_int(xml, "STATE", datastore->state);
    xml_ids(xml, "CLUSTERS", datastore->clusters);
    xml_int(xml, "TOTAL_MB", datastore->total_mb);
    xml_int(xml, "FREE_MB", datastore->free_mb);
    xml_int(xml, "USED_MB", datastore->used_mb);
    xml_ids(xml, "IMAGES", NULL);
    template_append_xml_element(object->template, "TEMPLATE", xml);
    g_string_append(xml, "</DATASTORE>");
}

static const StoreColumn columns[] = {
    OWNER_COLUMNS,           {"ds_mad", STORE_TEXT},
    {"tm_mad", STORE_TEXT},  {"base_path", STORE_TEXT},
    {"type", STORE_INT},     {"disk_type", STORE_INT},
    {"state", STORE_INT},    {"clusters", STORE_TEXT},
    {"total_mb", STORE_INT}, {"free_mb", STORE_INT},
    {"used_mb", STORE_INT},  {"template", STORE_TEXT},
    {NULL, STORE_INT},
};
static const StoreTable table = {"datastore", 1, columns};

static StoreWrite *datastore_row(World *world, const Object *object)
{
    const Datastore *datastore = (const Datastore *)object;
    StoreWrite *row = store_write_new(&table, STORE_PUT);
    guint i = owner_to_row(object, row);
    store_set_text(row, i++, datastore->ds_mad);
    store_set_text(row, i++, datastore->tm_mad);
    store_set_text(row, i++, datastore->base_path);
    store_set_int(row, i++, datastore->type);
    store_set_int(row, i++, datastore->disk_type);
    store_set_int(row, i++, datastore->state);
    store_take_text(row, i++, ids_print(datastore->clusters));
    store_set_int(row, i++, datastore->total_mb);
    store_set_int(row, i++, datastore->free_mb);
    store_set_int(row, i++, datastore->used_mb);
    store_take_text(row, i++, template_to_text(object->template));
    return row;
}

static gboolean datastore_load(World *world, const StoreValue *values, GError **error)
{
    const StoreValue *own = values + OWNER_END;
    Template *template = template_parse(own[10].text, TEMPLATE_MODERN, error);
    if (!template)
        return FALSE;
    Datastore *datastore = g_new0(Datastore, 1);
    Object *head = &datastore->head;
    object_init(head, KIND_DATASTORE, (gint32)values[0].number, values[1].text, template);
    owner_from_row(head, values);
    datastore->ds_mad = g_strdup(own[0].text);
    datastore->tm_mad = g_strdup(own[1].text);
    datastore->base_path = g_strdup_printf("%s/%d", world->datastores, head->id);
    datastore->type = (DatastoreType)own[3].number;
    datastore->disk_type = (gint)own[4].number;
    datastore->state = (gint)own[5].number;
    datastore->clusters = ids_parse(own[6].text);
    datastore->total_mb = own[7].number;
    datastore->free_mb = own[8].number;
    datastore->used_mb = own[9].number;
    pool_add(world, head);
    return TRUE;
}

static void datastore_free(Object *object)
{
    Datastore *datastore = DATASTORE(object);
    g_free(datastore->ds_mad);
    g_free(datastore->tm_mad);
    g_free(datastore->base_path);
    g_array_unref(datastore->clusters);
    object_clear(object);
    g_free(datastore);
}

const KindOperations datastore_operations = {datastore_render, NULL,   datastore_row,
                                             datastore_load,   &table, datastore_free};
