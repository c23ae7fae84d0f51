#include "server/model/place/cluster.h"

#include "server/model/storage/datastore.h"
#include "server/model/place/host.h"
#include "server/model/network/network.h"
#include "server/model/world.h"

Cluster *cluster_create(World *world, gint32 id, const char *name)
{
    Cluster *cluster = g_new0(Cluster, 1);
    object_init(&cluster->head, KIND_CLUSTER, id, name, NULL);
    template_set(cluster->head.template, "RESERVED_CPU", "");
    template_set(cluster->head.template, "RESERVED_MEM", "");
    pool_add(world, &cluster->head);
    return cluster;
}

const char *cluster_name(World *world, gint32 id)
{
    Object *cluster = pool_get(world, KIND_CLUSTER, id);
    return cluster ? cluster->name : "";
}

void cluster_members_changed(World *world, gint32 id)
{
    Object *cluster = pool_get(world, KIND_CLUSTER, id);
    if (!cluster)
        return;
    object_touched(world, cluster);
    if (!world->loading)
        cluster->changed = world->pools[KIND_CLUSTER].changed = core_batch(world->core);
}

static GArray *member_hosts(World *world, gint32 id)
{
    GArray *ids = g_array_new(FALSE, FALSE, sizeof(gint32));
    GPtrArray *hosts = world->pools[KIND_HOST].order;
    for (guint i = 0; i < hosts->len; i++) {
        Host *host = hosts->pdata[i];
        if (host->cluster == id)
            g_array_append_val(ids, host->head.id);
    }
    return ids;
}

static GArray *member_datastores(World *world, gint32 id)
{
    GArray *ids = g_array_new(FALSE, FALSE, sizeof(gint32));
    GPtrArray *datastores = world->pools[KIND_DATASTORE].order;
    for (guint i = 0; i < datastores->len; i++) {
        Datastore *datastore = datastores->pdata[i];
        if (ids_contain(datastore->clusters, id))
            g_array_append_val(ids, datastore->head.id);
    }
    return ids;
}

static GArray *member_networks(World *world, gint32 id)
{
    GArray *ids = g_array_new(FALSE, FALSE, sizeof(gint32));
    GPtrArray *networks = world->pools[KIND_NET].order;
    for (guint i = 0; i < networks->len; i++) {
        Network *network = networks->pdata[i];
        if (ids_contain(network->clusters, id))
            g_array_append_val(ids, network->head.id);
    }
    return ids;
}

guint cluster_members(World *world, gint32 id)
{
    g_autoptr(GArray) hosts = member_hosts(world, id);
    g_autoptr(GArray) datastores = member_datastores(world, id);
    g_autoptr(GArray) networks = member_networks(world, id);
    return hosts->len + datastores->len + networks->len;
}

void cluster_set_plan(World *world, Cluster *cluster, Template *plan)
{
    template_free(cluster->plan);
    cluster->plan = plan;
    object_changed(world, &cluster->head);
}

/* PLAN, in the order of OpenNebula's cluster.xsd. */
static void render_plan(const Cluster *cluster, GString *xml)
{
    static const char *const members[] = {"ID",      "VM_ID", "STATE",    "OPERATION",
                                          "HOST_ID", "DS_ID", "TIMESTAMP"};
    const TemplateAttribute *action;
    g_string_append(xml, "<PLAN>");
    xml_int(xml, "ID", cluster->head.id);
    xml_text(xml, "STATE", template_get(cluster->plan, "STATE"));
    for (guint i = 0; (action = template_vector(cluster->plan, "ACTION", i)); i++) {
        g_string_append(xml, "<ACTION>");
        for (guint j = 0; j < G_N_ELEMENTS(members); j++)
            xml_text(xml, members[j], attribute_get(action, members[j]));
        g_string_append(xml, "</ACTION>");
    }
    g_string_append(xml, "</PLAN>");
}

static void cluster_render(World *world, Object *object, GString *xml)
{
    g_autoptr(GArray) hosts = member_hosts(world, object->id);
    g_autoptr(GArray) datastores = member_datastores(world, object->id);
    g_autoptr(GArray) networks = member_networks(world, object->id);
    g_string_append(xml, "<CLUSTER>");
    xml_int(xml, "ID", object->id);
    xml_text(xml, "NAME", object->name);
    xml_ids(xml, "HOSTS", hosts);
    xml_ids(xml, "DATASTORES", datastores);
    xml_ids(xml, "VNETS", networks);
    template_append_xml_element(object->template, "TEMPLATE", xml);
    if (CLUSTER(object)->plan)
        render_plan(CLUSTER(object), xml);
    g_string_append(xml, "</CLUSTER>");
}

static const StoreColumn columns[] = {{"id", STORE_INT},
                                      {"name", STORE_TEXT},
                                      {"template", STORE_TEXT},
                                      {"plan", STORE_TEXT},
                                      {NULL, STORE_INT}};
static const StoreTable table = {"cluster", 1, columns};

static StoreWrite *cluster_row(World *world, const Object *object)
{
    StoreWrite *row = store_write_new(&table, STORE_PUT);
    store_set_int(row, 0, object->id);
    store_set_text(row, 1, object->name);
    store_take_text(row, 2, template_to_text(object->template));
    if (((const Cluster *)object)->plan)
        store_take_text(row, 3, template_to_text(((const Cluster *)object)->plan));
    else
        store_set_text(row, 3, "");
    return row;
}

static gboolean cluster_load(World *world, const StoreValue *values, GError **error)
{
    g_autoptr(Template) template = template_parse(values[2].text, TEMPLATE_MODERN, error);
    gboolean planned = values[3].text && *values[3].text;
    Template *plan =
        template && planned ? template_parse(values[3].text, TEMPLATE_MODERN, error) : NULL;
    if (!template || (planned && !plan))
        return FALSE;
    Cluster *cluster = g_new0(Cluster, 1);
    cluster->plan = plan;
    object_init(&cluster->head, KIND_CLUSTER, (gint32)values[0].number, values[1].text,
                g_steal_pointer(&template));
    pool_add(world, &cluster->head);
    return TRUE;
}

static void cluster_free(Object *object)
{
    template_free(CLUSTER(object)->plan);
    object_clear(object);
    g_free(object);
}

const KindOperations cluster_operations = {cluster_render, NULL,   cluster_row,
                                           cluster_load,   &table, cluster_free};
