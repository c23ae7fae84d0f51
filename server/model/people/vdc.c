#include "server/model/people/vdc.h"

#include "server/model/people/acl.h"
#include "server/model/world.h"
#include "server/model/place/zone.h"

#include <string.h>

static const struct {
    Kind kind;
    const char *list, *element, *id;
} sorts[VDC_SORTS] = {
    [VDC_CLUSTERS] = {KIND_CLUSTER, "CLUSTERS", "CLUSTER", "CLUSTER_ID"},
    [VDC_HOSTS] = {KIND_HOST, "HOSTS", "HOST", "HOST_ID"},
    [VDC_DATASTORES] = {KIND_DATASTORE, "DATASTORES", "DATASTORE", "DATASTORE_ID"},
    [VDC_NETS] = {KIND_NET, "VNETS", "VNET", "VNET_ID"},
};

/* What a group gets on a member: a row a rule. */
static const struct {
    VdcSort sort;
    Kind kind;
    const char *right; /* key of the configuration */
} given[] = {
    {VDC_CLUSTERS, KIND_HOST, "DEFAULT_VDC_CLUSTER_HOST_ACL"},
    {VDC_CLUSTERS, KIND_NET, "DEFAULT_VDC_CLUSTER_NET_ACL"},
    {VDC_CLUSTERS, KIND_DATASTORE, "DEFAULT_VDC_CLUSTER_DATASTORE_ACL"},
    {VDC_HOSTS, KIND_HOST, "DEFAULT_VDC_HOST_ACL"},
    {VDC_DATASTORES, KIND_DATASTORE, "DEFAULT_VDC_DATASTORE_ACL"},
    {VDC_NETS, KIND_NET, "DEFAULT_VDC_VNET_ACL"},
};

Kind vdc_kind(VdcSort sort)
{
    return sorts[sort].kind;
}

/* ---- the rules that follow ---- */

/* Three words of a rule; the fourth is this zone. */
typedef struct Rule {
    guint64 user, resource, rights;
} Rule;

static guint rule_hash(gconstpointer data)
{
    const Rule *rule = data;
    return g_int64_hash(&rule->user) * 31 + g_int64_hash(&rule->resource) + (guint)rule->rights;
}

static gboolean rule_equal(gconstpointer a, gconstpointer b)
{
    return memcmp(a, b, sizeof(Rule)) == 0;
}

/* "USE", "USE+MANAGE"; "" or "-": none. */
static guint64 rights_of(World *world, const char *key)
{
    static const struct {
        const char *word;
        Right right;
    } words[] = {{"USE", RIGHT_USE},
                 {"MANAGE", RIGHT_MANAGE},
                 {"ADMIN", RIGHT_ADMIN},
                 {"CREATE", RIGHT_CREATE}};
    guint64 rights = 0;
    g_auto(GStrv) parts = g_strsplit_set(config_text(world->config, key), "+, ", -1);
    for (guint i = 0; parts[i]; i++)
        for (guint j = 0; j < G_N_ELEMENTS(words); j++)
            if (g_ascii_strcasecmp(parts[i], words[j].word) == 0)
                rights |= words[j].right;
    return rights;
}

static void add_rules(World *world, const Vdc *vdc, GHashTable *rules)
{
    for (guint row = 0; row < G_N_ELEMENTS(given); row++) {
        const GArray *members = vdc->members[given[row].sort];
        guint64 rights = rights_of(world, given[row].right);
        for (guint m = 0; rights && m < members->len; m++) {
            gint32 id = g_array_index(members, gint32, m);
            guint64 which = id == VDC_ALL                     ? ACL_ALL
                            : given[row].sort == VDC_CLUSTERS ? ACL_CLUSTER | (guint32)id
                                                              : ACL_ONE | (guint32)id;
            for (guint g = 0; g < vdc->groups->len; g++) {
                Rule *rule = g_new(Rule, 1);
                *rule = (Rule){ACL_GROUP | (guint32)g_array_index(vdc->groups, gint32, g),
                               KIND_BIT(given[row].kind) | which, rights};
                g_hash_table_add(rules, rule);
            }
        }
    }
}

/* The rules that all VDCs together give. (owned) */
static GHashTable *rules_now(World *world)
{
    GHashTable *rules = g_hash_table_new_full(rule_hash, rule_equal, g_free, NULL);
    const GPtrArray *vdcs = world->pools[KIND_VDC].order;
    for (guint i = 0; i < vdcs->len; i++)
        add_rules(world, vdcs->pdata[i], rules);
    return rules;
}

/* Order of the ids that rules get: by group, then by kind. */
static gint compare_rules(gconstpointer a, gconstpointer b)
{
    return memcmp(a, b, sizeof(Rule)) < 0 ? -1 : 1;
}

/* Rules that only the former state of the VDCs gave go, new ones come; `before` is taken. What
 * somebody wrote by hand and a VDC gives too is the VDC's from then on. */
static void follow(World *world, GHashTable *before)
{
    g_autoptr(GHashTable) now = rules_now(world);
    g_autoptr(GList) olds = g_hash_table_get_keys(before);
    GList *news = g_list_sort(g_hash_table_get_keys(now), compare_rules);
    for (GList *old = olds; old; old = old->next) {
        const Rule *rule = old->data;
        AclRule *there = g_hash_table_contains(now, rule)
                             ? NULL
                             : acl_find(world, rule->user, rule->resource, rule->rights, ACL_ONE);
        if (there)
            pool_remove(world, &there->head);
    }
    for (GList *new = news; new; new = new->next) {
        const Rule *rule = new->data;
        if (!g_hash_table_contains(before, rule))
            acl_create(world, rule->user, rule->resource, rule->rights, ACL_ONE, NULL);
    }
    g_list_free(news);
    g_hash_table_unref(before);
}

/* ---- changes ---- */

static void vdc_init(Vdc *vdc, gint32 id, const char *name, Template *template)
{
    object_init(&vdc->head, KIND_VDC, id, name, template);
    vdc->groups = g_array_new(FALSE, FALSE, sizeof(gint32));
    for (guint i = 0; i < VDC_SORTS; i++)
        vdc->members[i] = g_array_new(FALSE, FALSE, sizeof(gint32));
}

Vdc *vdc_create(World *world, gint32 id, const char *name, Template *template)
{
    Vdc *vdc = g_new0(Vdc, 1);
    vdc_init(vdc, id, name, template);
    pool_add(world, &vdc->head);
    return vdc;
}

gboolean vdc_add_group(World *world, Vdc *vdc, gint32 gid)
{
    if (ids_contain(vdc->groups, gid))
        return FALSE;
    GHashTable *before = rules_now(world);
    ids_add(vdc->groups, gid);
    object_changed(world, &vdc->head);
    follow(world, before);
    return TRUE;
}

gboolean vdc_remove_group(World *world, Vdc *vdc, gint32 gid)
{
    GHashTable *before = rules_now(world);
    gboolean removed = ids_remove(vdc->groups, gid);
    if (removed)
        object_changed(world, &vdc->head);
    follow(world, before);
    return removed;
}

gboolean vdc_add_member(World *world, Vdc *vdc, VdcSort sort, gint32 id)
{
    GArray *members = vdc->members[sort];
    if (ids_contain(members, id) || ids_contain(members, VDC_ALL))
        return FALSE;
    GHashTable *before = rules_now(world);
    if (id == VDC_ALL)
        g_array_set_size(members, 0);
    ids_add(members, id);
    object_changed(world, &vdc->head);
    follow(world, before);
    return TRUE;
}

gboolean vdc_remove_member(World *world, Vdc *vdc, VdcSort sort, gint32 id)
{
    GHashTable *before = rules_now(world);
    gboolean removed = ids_remove(vdc->members[sort], id);
    if (removed)
        object_changed(world, &vdc->head);
    follow(world, before);
    return removed;
}

void vdc_remove(World *world, Vdc *vdc)
{
    GHashTable *before = rules_now(world);
    pool_remove(world, &vdc->head);
    follow(world, before);
}

void vdc_forget(World *world, const Object *object)
{
    const GPtrArray *vdcs = world->pools[KIND_VDC].order;
    for (guint i = 0; i < vdcs->len; i++) {
        Vdc *vdc = vdcs->pdata[i];
        if (object->kind == KIND_GROUP && ids_contain(vdc->groups, object->id))
            vdc_remove_group(world, vdc, object->id);
        for (guint sort = 0; sort < VDC_SORTS; sort++)
            if (object->kind == sorts[sort].kind && ids_contain(vdc->members[sort], object->id))
                vdc_remove_member(world, vdc, (VdcSort)sort, object->id);
    }
}

/* ---- XML and rows ---- */

static void vdc_render(World *world, Object *object, GString *xml)
{
    const Vdc *vdc = VDC(object);
    g_string_append(xml, "<VDC>");
    xml_int(xml, "ID", object->id);
    xml_text(xml, "NAME", object->name);
    xml_ids(xml, "GROUPS", vdc->groups);
    for (guint sort = 0; sort < VDC_SORTS; sort++) {
        g_string_append_printf(xml, "<%s>", sorts[sort].list);
        for (guint i = 0; i < vdc->members[sort]->len; i++) {
            g_string_append_printf(xml, "<%s>", sorts[sort].element);
            xml_int(xml, "ZONE_ID", THIS_ZONE);
            xml_int(xml, sorts[sort].id, g_array_index(vdc->members[sort], gint32, i));
            g_string_append_printf(xml, "</%s>", sorts[sort].element);
        }
        g_string_append_printf(xml, "</%s>", sorts[sort].list);
    }
    template_append_xml_element(object->template, "TEMPLATE", xml);
    g_string_append(xml, "</VDC>");
}

static const StoreColumn columns[] = {
    {"id", STORE_INT},          {"name", STORE_TEXT},     {"groups", STORE_TEXT},
    {"template", STORE_TEXT},   {"clusters", STORE_TEXT}, {"hosts", STORE_TEXT},
    {"datastores", STORE_TEXT}, {"networks", STORE_TEXT}, {NULL, STORE_INT}};
static const StoreTable table = {"vdc", 1, columns};

static StoreWrite *vdc_row(World *world, const Object *object)
{
    const Vdc *vdc = (const Vdc *)object;
    StoreWrite *row = store_write_new(&table, STORE_PUT);
    store_set_int(row, 0, object->id);
    store_set_text(row, 1, object->name);
    store_take_text(row, 2, ids_print(vdc->groups));
    store_take_text(row, 3, template_to_text(object->template));
    for (guint sort = 0; sort < VDC_SORTS; sort++)
        store_take_text(row, 4 + sort, ids_print(vdc->members[sort]));
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
    for (guint sort = 0; sort < VDC_SORTS; sort++)
        vdc->members[sort] = ids_parse(values[4 + sort].text);
    pool_add(world, &vdc->head);
    return TRUE;
}

static void vdc_free(Object *object)
{
    Vdc *vdc = VDC(object);
    g_array_unref(vdc->groups);
    for (guint sort = 0; sort < VDC_SORTS; sort++)
        g_array_unref(vdc->members[sort]);
    object_clear(object);
    g_free(vdc);
}

const KindOperations vdc_operations = {vdc_render, NULL, vdc_row, vdc_load, &table, vdc_free};
