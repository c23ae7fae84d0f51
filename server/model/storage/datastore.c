#include "server/model/storage/datastore.h"

#include "server/model/place/cluster.h"
#include "server/model/world.h"

#include <string.h>

Datastore *datastore_get(World *world, gint32 id)
{
    return DATASTORE(pool_get(world, KIND_DATASTORE, id));
}

static const char *const type_names[DATASTORE_TYPES] = {"IMAGE_DS", "SYSTEM_DS", "FILE_DS",
                                                        "BACKUP_DS"};

gboolean datastore_type_read(const char *word, DatastoreType *type)
{
    for (guint i = 0; word && i < DATASTORE_TYPES; i++)
        if (!g_ascii_strcasecmp(type_names[i], word))
            return *type = (DatastoreType)i, TRUE;
    return FALSE;
}

const char *datastore_type_name(DatastoreType type)
{
    return type < DATASTORE_TYPES ? type_names[type] : "?";
}

/* ---- what depends on the transfer driver ---- */

/* Whether the hosts see the same files there, when nobody says. */
static const char *usually_shared(const char *tm_mad)
{
    return strcmp(tm_mad, "ssh") != 0 && strcmp(tm_mad, "tm_ssh") != 0 ? "YES" : "NO";
}

/* Attributes that a datastore has from TM_MAD_CONF, the types that have them as bits, and what
 * they are when nobody says. */
#define OF(type) (1u << DATASTORE_##type)
static const struct {
    const char *name;
    guint types;
    const char *otherwise;
} given[] = {
    {"ALLOW_ORPHANS", OF(IMAGE) | OF(SYSTEM) | OF(FILE), "YES"},
    {"CLONE_TARGET", OF(IMAGE) | OF(FILE), "SYSTEM"},
    {"CLONE_TARGET_SHARED", OF(IMAGE) | OF(FILE), NULL},
    {"CLONE_TARGET_SSH", OF(IMAGE) | OF(FILE), NULL},
    {"DISK_TYPE_SHARED", OF(IMAGE) | OF(FILE), NULL},
    {"DISK_TYPE_SSH", OF(IMAGE) | OF(FILE), NULL},
    {"DRIVER", OF(IMAGE), NULL},
    {"DS_LIVE_MIGRATE", OF(SYSTEM), NULL},
    {"DS_MIGRATE", OF(SYSTEM), NULL},
    {"DS_MIGRATE_SNAP", OF(SYSTEM), NULL},
    {"LN_TARGET", OF(IMAGE) | OF(FILE), "NONE"},
    {"LN_TARGET_SHARED", OF(IMAGE) | OF(FILE), NULL},
    {"LN_TARGET_SSH", OF(IMAGE) | OF(FILE), NULL},
    {"PERSISTENT_SNAPSHOTS", OF(IMAGE) | OF(SYSTEM) | OF(FILE), NULL},
    {"SHARED", OF(SYSTEM), NULL}, /* usually_shared() */
    {"TM_MAD_SYSTEM", OF(IMAGE) | OF(FILE), NULL},
};

static const char *said_by_conf(World *world, const char *tm_mad, guint which)
{
    const TemplateAttribute *conf = config_named(world->config, "TM_MAD_CONF", tm_mad);
    const char *value = conf ? attribute_get(conf, given[which].name) : NULL;
    if (value)
        return value;
    return strcmp(given[which].name, "SHARED") != 0 ? given[which].otherwise
                                                    : usually_shared(tm_mad);
}

/* What is missing, or (`before` not NULL) still is as that driver had it, becomes as the driver of
 * now has it. */
static void follow_transfer(World *world, Datastore *datastore, const char *before)
{
    Template *template = datastore->head.template;
    for (guint i = 0; i < G_N_ELEMENTS(given); i++) {
        const char *own = template_get(template, given[i].name);
        const char *old = before ? said_by_conf(world, before, i) : NULL;
        if (given[i].types & 1u << datastore->type &&
            (!own || (old && !g_ascii_strcasecmp(own, old))))
            template_set(template, given[i].name, said_by_conf(world, datastore->tm_mad, i));
    }
}

/* Numbers of DISK_TYPE in image.xsd. */
static gint disk_type_number(const char *word)
{
    static const struct {
        const char *word;
        gint number;
    } types[] = {{"FILE", 0},    {"CDROM", 1},    {"BLOCK", 2}, {"RBD", 3},
                 {"GLUSTER", 5}, {"SHEEPDOG", 7}, {"ISCSI", 9}, {"FILESYSTEM", 10}};
    for (guint i = 0; word && i < G_N_ELEMENTS(types); i++)
        if (!g_ascii_strcasecmp(types[i].word, word))
            return types[i].number;
    return 0;
}

/* What every datastore has, also one of a database of before. Paths from which no image may be
 * read: all, but for what is safe. */
static void complete(World *world, Datastore *datastore)
{
    static const char *const paths[][2] = {{"RESTRICTED_DIRS", "/"}, {"SAFE_DIRS", "/var/tmp"}};
    Template *template = datastore->head.template;
    follow_transfer(world, datastore, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(paths); i++)
        if (!template_get(template, paths[i][0]))
            template_set(template, paths[i][0], paths[i][1]);
    datastore->disk_type = disk_type_number(template_get(template, "DISK_TYPE"));
}

Datastore *datastore_create(World *world, gint32 id, const char *name, DatastoreType type,
                            const char *ds_mad, const char *tm_mad)
{
    gint32 default_cluster = 0;
    Datastore *datastore = g_new0(Datastore, 1);
    object_init(&datastore->head, KIND_DATASTORE, id, name, NULL);
    datastore->head.permissions = 0640;
    datastore->ds_mad = g_strdup(ds_mad);
    datastore->tm_mad = g_strdup(tm_mad);
    datastore->base_path = g_strdup_printf("%s/%d", world->datastores, id);
    datastore->type = type;
    datastore->clusters = g_array_new(FALSE, FALSE, sizeof(gint32));
    datastore->images = g_array_new(FALSE, FALSE, sizeof(gint32));
    g_array_append_val(datastore->clusters, default_cluster);
    Template *template = datastore->head.template;
    template_set(template, "TYPE", type_names[type]);
    template_set(template, "DS_MAD", ds_mad);
    template_set(template, "TM_MAD", tm_mad);
    complete(world, datastore);
    pool_add(world, &datastore->head);
    return datastore;
}

/* Such words go into the lines for drivers as they are. */
gboolean driver_name_fits(const char *word)
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
    if (!driver_name_fits(wanted)) {
        template_set(template, name, *driver);
        return;
    }
    char *before = *driver;
    *driver = g_strdup(wanted);
    g_free(before);
}

void datastore_updated(World *world, Datastore *datastore)
{
    Template *template = datastore->head.template;
    g_autofree char *before = g_strdup(datastore->tm_mad);
    follow(template, "TM_MAD", &datastore->tm_mad);
    follow(template, "DS_MAD", &datastore->ds_mad);
    template_set(template, "TYPE", type_names[datastore->type]);
    follow_transfer(world, datastore, before);
    complete(world, datastore);
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
    xml_ids(xml, "IMAGES", datastore->images);
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
    {"measured", STORE_INT}, {NULL, STORE_INT},
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
    store_set_int(row, i++, datastore->measured);
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
    datastore->measured = own[11].number;
    datastore->images = g_array_new(FALSE, FALSE, sizeof(gint32));
    complete(world, datastore);
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
    g_array_unref(datastore->images);
    object_clear(object);
    g_free(datastore);
}

const KindOperations datastore_operations = {datastore_render, NULL,   datastore_row,
                                             datastore_load,   &table, datastore_free};
