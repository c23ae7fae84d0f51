#include "server/model/network/vrouter.h"

#include "server/model/people/acl.h"
#include "server/model/network/network.h"
#include "server/model/world.h"

#include <string.h>

/* keepalived knows its routers by a number of eight bits. */
#define KEEPALIVED_MASK 0xff

/* ---- cards ---- */

TemplateAttribute *vrouter_card(const VRouter *router, gint64 nic)
{
    TemplateAttribute *card;
    gint64 id;
    for (guint i = 0; (card = template_vector(router->head.template, "NIC", i)); i++)
        if (attribute_get_int(card, "NIC_ID", &id) && id == nic)
            return card;
    return NULL;
}

gboolean vrouter_card_says(const TemplateAttribute *card, const char *name)
{
    const char *text = attribute_get(card, name);
    return text && (g_ascii_strcasecmp(text, "YES") == 0 || g_ascii_strcasecmp(text, "Y") == 0 ||
                    g_ascii_strcasecmp(text, "TRUE") == 0 || strcmp(text, "1") == 0);
}

static gboolean is_in(const TemplateAttribute *card, gint32 network)
{
    gint64 id;
    return attribute_get_int(card, "NETWORK_ID", &id) && id == network;
}

void vrouter_touch_networks(World *world, const VRouter *router)
{
    const TemplateAttribute *card;
    for (guint i = 0; (card = template_vector(router->head.template, "NIC", i)); i++) {
        gint64 id;
        Network *network =
            attribute_get_int(card, "NETWORK_ID", &id) ? network_get(world, (gint32)id) : NULL;
        if (network)
            object_touched(world, &network->head);
    }
}

GArray *vrouters_in_network(World *world, gint32 network)
{
    GArray *ids = g_array_new(FALSE, FALSE, sizeof(gint32));
    const GPtrArray *routers = world->pools[KIND_VROUTER].order;
    for (guint i = 0; i < routers->len; i++) {
        const Object *router = routers->pdata[i];
        const TemplateAttribute *card;
        for (guint k = 0; (card = template_vector(router->template, "NIC", k)); k++)
            if (is_in(card, network)) {
                g_array_append_val(ids, router->id);
                break;
            }
    }
    return ids;
}

/* ---- what machines get ---- */

/* Addresses that a card of the router has, and under what name its machines share them. */
static const struct {
    const char *own, *shared;
} addresses[] = {
    {"IP", "VROUTER_IP"},
    {"IP6", "VROUTER_IP6"},
    {"IP6_LINK", "VROUTER_IP6_LINK"},
    {"IP6_ULA", "VROUTER_IP6_ULA"},
    {"IP6_GLOBAL", "VROUTER_IP6_GLOBAL"},
};

static void copy_pairs(const TemplateAttribute *from, TemplateAttribute *into)
{
    for (guint i = 0; i < from->pairs->len; i++) {
        const TemplatePair *pair = from->pairs->pdata[i];
        attribute_set(into, pair->name, pair->value);
    }
}

static void without_addresses(TemplateAttribute *card)
{
    attribute_set(card, "MAC", NULL);
    for (guint i = 0; i < G_N_ELEMENTS(addresses); i++)
        attribute_set(card, addresses[i].own, NULL);
}

/* The machine's own address is of the range that the shared one is of. */
static void add_machine_card(const TemplateAttribute *card, TemplateAttribute *into)
{
    copy_pairs(card, into);
    if (vrouter_card_says(card, "FLOATING_IP"))
        without_addresses(into);
}

TemplateAttribute *vrouter_machine_card(const TemplateAttribute *card)
{
    g_autoptr(Template) template = template_new();
    add_machine_card(card, template_add_vector(template, "NIC"));
    return template_steal(template, 0);
}

void vrouter_share_addresses(const TemplateAttribute *card, TemplateAttribute *machine_card)
{
    for (guint i = 0; i < G_N_ELEMENTS(addresses); i++) {
        const char *text = attribute_get(card, addresses[i].own);
        if (vrouter_card_says(card, "FLOATING_IP") && text && *text)
            attribute_set(machine_card, addresses[i].shared, text);
    }
}

void vrouter_write_machine(const VRouter *router, Template *machine)
{
    const Template *template = router->head.template;
    const TemplateAttribute *card;
    const char *id = template_get(template, "KEEPALIVED_ID");
    const char *password = template_get(template, "KEEPALIVED_PASSWORD");
    template_remove(machine, "NIC");
    template_remove(machine, "NIC_ALIAS"); /* of cards that are gone */
    for (guint i = 0; (card = template_vector(template, "NIC", i)); i++)
        add_machine_card(card, template_add_vector(machine, "NIC"));
    template_set_int(machine, "VROUTER_ID", router->head.id);
    if (id && *id)
        template_set(machine, "VROUTER_KEEPALIVED_ID", id);
    else
        template_set_int(machine, "VROUTER_KEEPALIVED_ID", router->head.id & KEEPALIVED_MASK);
    if (password && *password)
        template_set(machine, "VROUTER_KEEPALIVED_PASSWORD", password);
}

/* ---- machines ---- */

VRouter *vrouter_of_vm(World *world, const Vm *vm)
{
    gint64 id;
    if (!template_get_int(vm->head.template, "VROUTER_ID", &id) || id != (gint32)id)
        return NULL;
    return VROUTER(pool_get(world, KIND_VROUTER, (gint32)id));
}

static gboolean is_in_use(World *world, const VRouter *router, const TemplateAttribute *card)
{
    const char *number = attribute_get(card, "NIC_ID");
    for (guint i = 0; i < router->vms->len; i++) {
        const Object *vm = pool_get(world, KIND_VM, g_array_index(router->vms, gint32, i));
        const TemplateAttribute *nic;
        for (guint k = 0; vm && (nic = template_vector(vm->template, "NIC", k)); k++)
            if (g_strcmp0(attribute_get(nic, "NIC_ID"), number) == 0)
                return TRUE;
    }
    return FALSE;
}

static const TemplateAttribute *find_left(World *world, const VRouter *router)
{
    const TemplateAttribute *card;
    for (guint i = 0; (card = template_vector(router->head.template, "NIC", i)); i++)
        if (vrouter_card_says(card, "LEAVING") && !is_in_use(world, router, card))
            return card;
    return NULL;
}

void vrouter_settle(World *world, VRouter *router)
{
    Template *template = router->head.template;
    const TemplateAttribute *card;
    while ((card = find_left(world, router))) {
        vrouter_touch_networks(world, router);
        network_release_held(world, card, (Holder){HOLDER_ROUTER, router->head.id});
        for (guint i = 0; i < template_count(template); i++)
            if (template_nth(template, i) == card) {
                template_attribute_free(template_steal(template, i));
                break;
            }
        object_changed(world, &router->head);
    }
}

gboolean vrouter_is_leaving(const VRouter *router)
{
    return template_get_bool(router->head.template, VROUTER_DELETING, FALSE);
}

static void release_cards(World *world, const VRouter *router)
{
    const TemplateAttribute *card;
    for (guint i = 0; (card = template_vector(router->head.template, "NIC", i)); i++)
        network_release_held(world, card, (Holder){HOLDER_ROUTER, router->head.id});
}

void vrouter_leave(World *world, VRouter *router)
{
    vrouter_touch_networks(world, router);
    if (router->vms->len) {
        template_set(router->head.template, VROUTER_DELETING, "YES");
        object_changed(world, &router->head);
        return;
    }
    release_cards(world, router);
    acl_forget(world, &router->head);
    pool_remove(world, &router->head);
}

void vrouter_count(World *world, Vm *vm)
{
    VRouter *router = vrouter_of_vm(world, vm);
    if (!router)
        return;
    if (vm->state != VM_DONE) {
        ids_add(router->vms, vm->head.id);
    } else if (ids_remove(router->vms, vm->head.id)) {
        vrouter_settle(world, router);
        if (!router->vms->len && vrouter_is_leaving(router)) {
            vrouter_leave(world, router);
            return;
        }
    }
    object_touched(world, &router->head);
}

void vrouter_check(World *world, GPtrArray *problems)
{
    const GPtrArray *vms = world->pools[KIND_VM].order;
    const GPtrArray *routers = world->pools[KIND_VROUTER].order;
    guint named = 0, counted = 0;
    for (guint i = 0; i < vms->len; i++) {
        const Vm *vm = vms->pdata[i];
        const VRouter *router = vrouter_of_vm(world, vm);
        gboolean in = router && ids_contain(router->vms, vm->head.id);
        named += router && vm->state != VM_DONE;
        if (router && in != (vm->state != VM_DONE))
            g_ptr_array_add(problems, g_strdup_printf("virtual router %d %s machine %d, which %s",
                                                      router->head.id, in ? "counts" : "misses",
                                                      vm->head.id, in ? "is DONE" : "names it"));
    }
    for (guint i = 0; i < routers->len; i++)
        counted += VROUTER(routers->pdata[i])->vms->len;
    if (counted != named)
        g_ptr_array_add(problems, g_strdup_printf("virtual routers count %u machines, but %u name "
                                                  "them",
                                                  counted, named));
}

/* ---- the object ---- */

static void vrouter_render(World *world, Object *object, GString *xml)
{
    g_string_append(xml, "<VROUTER>");
    xml_int(xml, "ID", object->id);
    xml_owner(world, object, xml);
    xml_text(xml, "NAME", object->name);
    xml_permissions(object, xml);
    xml_lock(object, xml);
    xml_ids(xml, "VMS", VROUTER(object)->vms);
    template_append_xml_element(object->template, "TEMPLATE", xml);
    g_string_append(xml, "</VROUTER>");
}

static const StoreColumn columns[] = {HEAD_COLUMNS, {"template", STORE_TEXT}, {NULL, STORE_INT}};
static const StoreTable table = {"vrouter", 1, columns};

static StoreWrite *vrouter_row(World *world, const Object *object)
{
    StoreWrite *row = store_write_new(&table, STORE_PUT);
    guint i = head_to_row(object, row);
    store_take_text(row, i, template_to_text(object->template));
    return row;
}

static VRouter *router_new(gint32 id, const char *name, Template *template)
{
    VRouter *router = g_new0(VRouter, 1);
    object_init(&router->head, KIND_VROUTER, id, name, template);
    router->vms = ids_parse(NULL);
    return router;
}

static gboolean vrouter_load(World *world, const StoreValue *values, GError **error)
{
    Template *template = template_parse(values[HEAD_END].text, TEMPLATE_MODERN, error);
    if (!template)
        return FALSE;
    VRouter *router = router_new((gint32)values[0].number, values[1].text, template);
    head_from_row(&router->head, values);
    pool_add(world, &router->head);
    return TRUE;
}

static void vrouter_free(Object *object)
{
    g_array_unref(VROUTER(object)->vms);
    object_clear(object);
    g_free(object);
}

VRouter *vrouter_create(World *world, const char *name, gint32 uid, gint32 gid, Template *template)
{
    VRouter *router = router_new(pool_next_id(world, KIND_VROUTER), name, template);
    router->head.uid = uid;
    router->head.gid = gid;
    pool_add(world, &router->head);
    return router;
}

const KindOperations vrouter_operations = {vrouter_render, NULL,   vrouter_row,
                                           vrouter_load,   &table, vrouter_free};
