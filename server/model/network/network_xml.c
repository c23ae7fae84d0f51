/* How networks look to clients, with their addresses or (in pools) without. */
#include "server/model/network/network.h"

#include "server/model/place/cluster.h"
#include "server/model/network/vrouter.h"
#include "server/model/world.h"

#include <string.h>

/* A copy of the range's attributes, with its id and what it belongs to. */
static TemplateAttribute *described(Template *into, const AddressRange *range)
{
    TemplateAttribute *copy = template_add_vector(into, "AR");
    for (guint i = 0; i < range->attributes->pairs->len; i++) {
        const TemplatePair *pair = range->attributes->pairs->pdata[i];
        attribute_set(copy, pair->name, pair->value);
    }
    attribute_set_int(copy, "AR_ID", range->id);
    attribute_set_int(copy, "NEXT_INDEX", range->next);
    if (!attribute_get(copy, "SHARED"))
        attribute_set(copy, "SHARED", "NO");
    if (range->parent >= 0)
        attribute_set_int(copy, "PARENT_NETWORK_AR_ID", range->parent);
    attribute_set(copy, "IP6", NULL); /* stands with what is computed */
    return copy;
}

static const AddressText *named(const AddressText *texts, guint count, const char *name)
{
    for (guint i = 0; i < count; i++)
        if (strcmp(texts[i].name, name) == 0)
            return &texts[i];
    return NULL;
}

/* The first and last addresses, in the order that vnet.xsd wants. */
static void append_ends(const AddressRange *range, GString *xml)
{
    static const struct {
        const char *element, *name;
        gboolean last;
    } order[] = {{"MAC_END", "MAC", TRUE},
                 {"IP_END", "IP", TRUE},
                 {"IP6_ULA", "IP6_ULA", FALSE},
                 {"IP6_ULA_END", "IP6_ULA", TRUE},
                 {"IP6_GLOBAL", "IP6_GLOBAL", FALSE},
                 {"IP6_GLOBAL_END", "IP6_GLOBAL", TRUE},
                 {"IP6", "IP6", FALSE},
                 {"IP6_END", "IP6", TRUE}};
    AddressText first[ADDRESSES_MAX], last[ADDRESSES_MAX];
    guint count = range_addresses(range, 0, first);
    (void)range_addresses(range, range->size - 1, last);
    for (guint i = 0; i < G_N_ELEMENTS(order); i++) {
        const AddressText *address = named(order[i].last ? last : first, count, order[i].name);
        if (address)
            xml_cdata(xml, order[i].element, address->text);
    }
}

static void append_value(GString *xml, const char *name, const char *value)
{
    g_string_append_c(xml, '<');
    g_string_append(xml, name);
    g_string_append(xml, "><![CDATA[");
    g_string_append(xml, value);
    g_string_append(xml, "]]></");
    g_string_append(xml, name);
    g_string_append_c(xml, '>');
}

static void render_lease(const AddressRange *range, guint index, GString *xml)
{
    static const char *const words[] = {[HOLDER_VM] = "VM",
                                        [HOLDER_NET] = "VNET",
                                        [HOLDER_ROUTER] = "VROUTER",
                                        [HOLDER_ADMIN] = "VM"};
    Holder holder = range_holder(range, index);
    AddressText texts[ADDRESSES_MAX];
    char id[INT_TEXT];
    guint count = range_addresses(range, index, texts);
    g_string_append(xml, "<LEASE>");
    for (guint i = 0; i < count; i++)
        append_value(xml, texts[i].name, texts[i].text);
    append_value(xml, words[holder.kind], int_text(holder.id, id));
    g_string_append(xml, "</LEASE>");
}

static void render_range(const AddressRange *range, GString *xml, gboolean whole)
{
    g_autoptr(Template) holder = template_new();
    template_attribute_append_xml(described(holder, range), xml);
    if (!whole)
        return;
    g_string_truncate(xml, xml->len - strlen("</AR>"));
    append_ends(range, xml);
    xml_int(xml, "USED_LEASES", range->used);
    g_string_append(xml, "<LEASES>");
    for (guint index = range_next_held(range, 0); index < range->size;
         index = range_next_held(range, index + 1))
        render_lease(range, index, xml);
    g_string_append(xml, "</LEASES></AR>");
}

/* Machines that hold addresses of it, by id. (owned) */
static GArray *machines_of(const Network *network)
{
    GArray *vms = g_array_new(FALSE, FALSE, sizeof(gint32));
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
    for (guint i = 0; i < network->ranges->len; i++) {
        const AddressRange *range = network->ranges->pdata[i];
        for (guint index = range_next_held(range, 0); index < range->size;
             index = range_next_held(range, index + 1)) {
            Holder holder = range_holder(range, index);
            if (holder.kind == HOLDER_VM && g_hash_table_add(seen, GINT_TO_POINTER(holder.id)))
                g_array_append_val(vms, holder.id);
        }
    }
    return vms;
}

static gint compare_ids(gconstpointer a, gconstpointer b)
{
    gint32 left = *(const gint32 *)a, right = *(const gint32 *)b;
    return (left > right) - (left < right);
}

static void id_or_nothing(GString *xml, const char *name, gint32 id)
{
    if (id >= 0)
        xml_int(xml, name, id);
    else
        xml_text(xml, name, "");
}

static void render(World *world, Object *object, GString *xml, gboolean whole)
{
    const Network *network = NETWORK(object);
    const Template *template = object->template;
    g_autoptr(GArray) vms = machines_of(network);
    g_array_sort(vms, compare_ids);
    g_string_append(xml, "<VNET>");
    xml_int(xml, "ID", object->id);
    xml_owner(world, object, xml);
    xml_text(xml, "NAME", object->name);
    xml_lock(object, xml);
    xml_permissions(object, xml);
    xml_ids(xml, "CLUSTERS", network->clusters);
    xml_cdata(xml, "BRIDGE", template_get(template, "BRIDGE"));
    xml_cdata(xml, "BRIDGE_TYPE", template_get(template, "BRIDGE_TYPE"));
    xml_int(xml, "STATE", network->state);
    xml_int(xml, "PREV_STATE", network->previous_state);
    id_or_nothing(xml, "PARENT_NETWORK_ID", network->parent);
    id_or_nothing(xml, "TEMPLATE_ID", network->template_id);
    xml_text(xml, "VN_MAD", template_get(template, "VN_MAD"));
    xml_text(xml, "PHYDEV", template_get(template, "PHYDEV"));
    xml_text(xml, "VLAN_ID", template_get(template, "VLAN_ID"));
    xml_text(xml, "OUTER_VLAN_ID", template_get(template, "OUTER_VLAN_ID"));
    xml_int(xml, "VLAN_ID_AUTOMATIC", network->vlan_given);
    xml_int(xml, "OUTER_VLAN_ID_AUTOMATIC", 0);
    xml_int(xml, "USED_LEASES", network_used(network));
    g_autoptr(GArray) routers = vrouters_in_network(world, object->id);
    xml_ids(xml, "VROUTERS", routers);
    xml_ids(xml, "UPDATED_VMS", vms);
    xml_ids(xml, "OUTDATED_VMS", NULL);
    xml_ids(xml, "UPDATING_VMS", NULL);
    xml_ids(xml, "ERROR_VMS", NULL);
    template_append_xml_element(template, "TEMPLATE", xml);
    g_string_append(xml, "<AR_POOL>");
    for (guint i = 0; i < network->ranges->len; i++)
        render_range(network->ranges->pdata[i], xml, whole);
    g_string_append(xml, "</AR_POOL></VNET>");
}

void network_render(World *world, Object *object, GString *xml)
{
    render(world, object, xml, TRUE);
}

void network_render_brief(World *world, Object *object, GString *xml)
{
    render(world, object, xml, FALSE);
}
