#include "server/model/network/network.h"

#include "lib/base/error.h"
#include "server/model/place/cluster.h"
#include "server/model/world.h"

#include <string.h>

#define wrong(error, ...) (g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, __VA_ARGS__), FALSE)

/* Attributes of every network, empty when not given: clients look for them. */
static const char *const always[] = {"BRIDGE", "BRIDGE_TYPE", "OUTER_VLAN_ID",
                                     "PHYDEV", "VLAN_ID",     "VN_MAD"};

const char *network_state_name(NetworkState state)
{
    static const char *const names[] = {"INIT", "READY", "LOCK_CREATE",   "LOCK_DELETE",
                                        "DONE", "ERROR", "UPDATE_FAILURE"};
    return state < G_N_ELEMENTS(names) ? names[state] : "?";
}

Network *network_get(World *world, gint32 id)
{
    return NETWORK(pool_get(world, KIND_NET, id));
}

guint network_used(const Network *network)
{
    guint used = 0;
    for (guint i = 0; i < network->ranges->len; i++)
        used += ((const AddressRange *)network->ranges->pdata[i])->used;
    return used;
}

/* ---- rows ---- */

static const StoreColumn columns[] = {
    HEAD_COLUMNS,
    {"state", STORE_INT},
    {"previous_state", STORE_INT},
    {"clusters", STORE_TEXT},
    {"parent", STORE_INT},
    {"template_id", STORE_INT},
    {"vlan_given", STORE_INT},
    {"next_range", STORE_INT},
    {"template", STORE_TEXT},
    {NULL, STORE_INT},
};
static const StoreTable network_table = {"network", 1, columns};

static const StoreColumn range_columns[] = {
    {"network", STORE_INT}, {"id", STORE_INT},           {"next", STORE_INT},
    {"parent", STORE_INT},  {"parent_first", STORE_INT}, {"attributes", STORE_TEXT},
    {NULL, STORE_INT},
};
const StoreTable range_table = {"address_range", 2, range_columns};

static const StoreColumn lease_columns[] = {
    {"network", STORE_INT}, {"range", STORE_INT},     {"place", STORE_INT},
    {"holder", STORE_INT},  {"holder_id", STORE_INT}, {NULL, STORE_INT},
};
const StoreTable lease_table = {"lease", 3, lease_columns};

static StoreWrite *network_row(World *world, const Object *object)
{
    const Network *network = (const Network *)object;
    StoreWrite *row = store_write_new(&network_table, STORE_PUT);
    guint i = head_to_row(object, row);
    store_set_int(row, i++, network->state);
    store_set_int(row, i++, network->previous_state);
    store_take_text(row, i++, ids_print(network->clusters));
    store_set_int(row, i++, network->parent);
    store_set_int(row, i++, network->template_id);
    store_set_int(row, i++, network->vlan_given);
    store_set_int(row, i++, network->next_range);
    store_take_text(row, i++, template_to_text(object->template));
    return row;
}

static void write_range(World *world, const Network *network, const AddressRange *range)
{
    g_autoptr(Template) text = template_new();
    TemplateAttribute *copy = template_add_vector(text, "AR");
    for (guint i = 0; i < range->attributes->pairs->len; i++) {
        const TemplatePair *pair = range->attributes->pairs->pdata[i];
        attribute_set(copy, pair->name, pair->value);
    }
    StoreWrite *row = store_write_new(&range_table, STORE_PUT);
    store_set_int(row, 0, network->head.id);
    store_set_int(row, 1, range->id);
    store_set_int(row, 2, range->next);
    store_set_int(row, 3, range->parent);
    store_set_int(row, 4, range->parent_first);
    store_take_text(row, 5, template_to_text(text));
    core_write(world->core, row);
}

void network_range_changed(World *world, Network *network, AddressRange *range)
{
    write_range(world, network, range);
    object_touched(world, &network->head);
}

static void write_lease(World *world, const Network *network, const AddressRange *range,
                        guint index, const Holder *holder)
{
    StoreWrite *row = store_write_new(&lease_table, holder ? STORE_PUT : STORE_DELETE);
    store_set_int(row, 0, network->head.id);
    store_set_int(row, 1, range->id);
    store_set_int(row, 2, index);
    if (holder) {
        store_set_int(row, 3, holder->kind);
        store_set_int(row, 4, holder->id);
    }
    core_write(world->core, row);
}

static Network *network_new(gint32 id, const char *name, Template *template)
{
    Network *network = g_new0(Network, 1);
    object_init(&network->head, KIND_NET, id, name, template);
    network->ranges = g_ptr_array_new_with_free_func((GDestroyNotify)range_free);
    network->parent = network->template_id = -1;
    return network;
}

static void network_free(Object *object)
{
    Network *network = NETWORK(object);
    g_ptr_array_unref(network->ranges);
    g_array_unref(network->clusters);
    object_clear(object);
    g_free(network);
}

static gboolean network_load(World *world, const StoreValue *values, GError **error)
{
    const StoreValue *own = values + HEAD_END;
    Template *template = template_parse(own[7].text, TEMPLATE_MODERN, error);
    if (!template)
        return FALSE;
    Network *network = network_new((gint32)values[0].number, values[1].text, template);
    Object *head = &network->head;
    head_from_row(head, values);
    network->state = (NetworkState)own[0].number;
    network->previous_state = (NetworkState)own[1].number;
    network->clusters = ids_parse(own[2].text);
    network->parent = (gint32)own[3].number;
    network->template_id = (gint32)own[4].number;
    network->vlan_given = own[5].number != 0;
    network->next_range = (gint32)own[6].number;
    pool_add(world, head);
    return TRUE;
}

static AddressRange *parse_range(World *world, const Network *network, Template *text,
                                 GError **error)
{
    if (template_count(text) != 1 || !template_vector(text, "AR", 0)) {
        (void)wrong(error, "Network %d: a range of addresses cannot be read", network->head.id);
        return NULL;
    }
    return range_new(template_steal(text, 0), config_text(world->config, "MAC_PREFIX"), 0, error);
}

gboolean range_load(World *world, const StoreValue *values, GError **error)
{
    Network *network = network_get(world, (gint32)values[0].number);
    if (!network)
        return wrong(
            error, "A range of addresses is of network %" G_GINT64_FORMAT ", which does not exist",
            values[0].number);
    g_autoptr(Template) text = template_parse(values[5].text, TEMPLATE_MODERN, error);
    AddressRange *range = text ? parse_range(world, network, text, error) : NULL;
    if (!range)
        return FALSE;
    range->id = (gint32)values[1].number;
    range->next = (guint)values[2].number % range->size;
    range->parent = (gint32)values[3].number;
    range->parent_first = (guint)values[4].number;
    g_ptr_array_add(network->ranges, range);
    return TRUE;
}

gboolean lease_load(World *world, const StoreValue *values, GError **error)
{
    Network *network = network_get(world, (gint32)values[0].number);
    AddressRange *range = network ? network_range(network, (gint32)values[1].number) : NULL;
    if (!range || values[2].number < 0 || values[2].number >= range->size)
        return wrong(error,
                     "A lease is of place %" G_GINT64_FORMAT " of range %" G_GINT64_FORMAT
                     " of network %" G_GINT64_FORMAT ", which does not exist",
                     values[2].number, values[1].number, values[0].number);
    guint next = range->next;
    range_take(range, (guint)values[2].number,
               (Holder){(HolderKind)values[3].number, (gint32)values[4].number});
    range->next = next;
    return TRUE;
}

/* ---- ranges ---- */

AddressRange *network_range(const Network *network, gint32 id)
{
    for (guint i = 0; i < network->ranges->len; i++) {
        AddressRange *range = network->ranges->pdata[i];
        if (range->id == id)
            return range;
    }
    return NULL;
}

AddressRange *network_add_range(World *world, Network *network, TemplateAttribute *given,
                                GError **error)
{
    /* What the server itself says about a range. */
    static const char *const own[] = {
        "AR_ID", "ALLOCATED", "USED_LEASES", "LEASES", "PARENT_NETWORK_AR_ID", "NEXT_INDEX"};
    for (guint i = 0; i < G_N_ELEMENTS(own); i++)
        attribute_set(given, own[i], NULL);
    AddressRange *range =
        range_new(given, config_text(world->config, "MAC_PREFIX"), g_random_int(), error);
    if (!range)
        return NULL;
    range->id = network->next_range++;
    g_ptr_array_add(network->ranges, range);
    network_range_changed(world, network, range);
    object_changed(world, &network->head);
    return range;
}

void network_remove_range(World *world, Network *network, AddressRange *range)
{
    Network *parent = range->parent >= 0 ? network_get(world, network->parent) : NULL;
    AddressRange *origin = parent ? network_range(parent, range->parent) : NULL;
    for (guint index = range_next_held(range, 0); index < range->size;
         index = range_next_held(range, index + 1))
        write_lease(world, network, range, index, NULL);
    for (guint i = 0; origin && i < range->size; i++)
        network_release(world, parent, origin, range->parent_first + i);
    StoreWrite *row = store_write_new(&range_table, STORE_DELETE);
    store_set_int(row, 0, network->head.id);
    store_set_int(row, 1, range->id);
    core_write(world->core, row);
    g_ptr_array_remove(network->ranges, range);
    object_changed(world, &network->head);
}

/* ---- made and removed ---- */

/* Numbers of VLANs that no network has yet; 0: all are given. */
static guint free_vlan(World *world)
{
    g_autoptr(GHashTable) taken = g_hash_table_new(NULL, NULL);
    const GPtrArray *networks = world->pools[KIND_NET].order;
    for (guint i = 0; i < networks->len; i++) {
        gint64 number;
        if (template_get_int(((Object *)networks->pdata[i])->template, "VLAN_ID", &number))
            g_hash_table_add(taken, GUINT_TO_POINTER((guint)number));
    }
    g_auto(GStrv) reserved =
        g_strsplit_set(config_text(world->config, "VLAN_IDS/RESERVED"), ", ", -1);
    for (guint i = 0; reserved[i]; i++) {
        g_auto(GStrv) ends = g_strsplit(reserved[i], ":", 2); /* "7" or "10:20" */
        guint first = ends[0] ? (guint)g_ascii_strtoull(ends[0], NULL, 10) : 1;
        guint last = ends[0] && ends[1] ? (guint)g_ascii_strtoull(ends[1], NULL, 10) : first;
        for (guint vlan = first; vlan <= MIN(last, 4095); vlan++)
            g_hash_table_add(taken, GUINT_TO_POINTER(vlan));
    }
    for (guint vlan = (guint)config_int(world->config, "VLAN_IDS/START"); vlan < 4095; vlan++)
        if (!g_hash_table_contains(taken, GUINT_TO_POINTER(vlan)))
            return vlan;
    return 0;
}

/* Networks of 2009 are RANGED (NETWORK_ADDRESS, NETWORK_SIZE) or FIXED (LEASES = [IP, MAC]). */
static gboolean add_old_ranges(World *world, Network *network, Template *template, GError **error)
{
    const char *type = template_get(template, "TYPE");
    const char *address = template_get(template, "NETWORK_ADDRESS");
    if (type && !g_ascii_strcasecmp(type, "FIXED")) {
        TemplateAttribute *lease;
        for (guint i = 0; (lease = template_vector(template, "LEASES", i)); i++) {
            g_autoptr(Template) made = template_new();
            TemplateAttribute *range = template_add_vector(made, "AR");
            attribute_set(range, "TYPE", "IP4");
            attribute_set(range, "SIZE", "1");
            attribute_set(range, "IP", attribute_get(lease, "IP"));
            attribute_set(range, "MAC", attribute_get(lease, "MAC"));
            if (!network_add_range(world, network, template_steal(made, 0), error))
                return FALSE;
        }
        template_remove(template, "LEASES");
        template_remove(template, "TYPE");
    } else if (type && address && !g_ascii_strcasecmp(type, "RANGED")) {
        static const struct {
            const char *letter;
            gint64 size;
        } classes[] = {{"A", 16777214}, {"B", 65534}, {"C", 254}};
        const char *given = template_get(template, "NETWORK_SIZE");
        gint64 size = config_int(world->config, "NETWORK_SIZE");
        for (guint i = 0; i < G_N_ELEMENTS(classes); i++)
            if (given && !g_ascii_strcasecmp(given, classes[i].letter))
                size = classes[i].size;
        (void)template_get_int(template, "NETWORK_SIZE", &size);
        g_autoptr(Template) made = template_new();
        TemplateAttribute *range = template_add_vector(made, "AR");
        guint32 number = 0;
        for (const char *at = address; *at; at++) { /* the network itself is no address of it */
            guint part = (guint)g_ascii_strtoull(at, (char **)&at, 10);
            number = number << 8 | (part & 0xff);
            if (*at != '.')
                break;
        }
        number++;
        g_autofree char *first = g_strdup_printf("%u.%u.%u.%u", number >> 24, number >> 16 & 0xff,
                                                 number >> 8 & 0xff, number & 0xff);
        attribute_set(range, "TYPE", "IP4");
        attribute_set_int(range, "SIZE", size);
        attribute_set(range, "IP", first);
        if (!network_add_range(world, network, template_steal(made, 0), error))
            return FALSE;
        template_remove(template, "TYPE");
    }
    return TRUE;
}

static gboolean add_ranges(World *world, Network *network, GError **error)
{
    Template *template = network->head.template;
    for (guint i = 0; i < template_count(template);) {
        if (strcmp(template_nth(template, i)->name, "AR") != 0) {
            i++;
            continue;
        }
        if (!template_nth(template, i)->pairs)
            return wrong(error,
                         "AR must be a vector: AR = [ TYPE = IP4, IP = 10.0.0.1, SIZE = 10 ]");
        if (!network_add_range(world, network, template_steal(template, i), error))
            return FALSE;
    }
    return add_old_ranges(world, network, template, error);
}

static void fill_in(World *world, Network *network)
{
    Template *template = network->head.template;
    const char *driver = template_get(template, "VN_MAD");
    gboolean tagged = driver && (!strcmp(driver, "802.1Q") || !strcmp(driver, "vxlan"));
    const char *vlan = template_get(template, "VLAN_ID");
    if (tagged && template_get_bool(template, "AUTOMATIC_VLAN_ID", !vlan || !*vlan) &&
        !network->vlan_given) {
        template_set_int(template, "VLAN_ID",
                         strcmp(driver, "vxlan") == 0
                             ? config_int(world->config, "VXLAN_IDS/START") + network->head.id
                             : free_vlan(world));
        network->vlan_given = TRUE;
    }
    const char *bridge = template_get(template, "BRIDGE");
    if (!bridge || !*bridge) {
        g_autofree char *made = g_strdup_printf("onebr%d", network->head.id);
        template_set(template, "BRIDGE", made);
    }
    if (!template_get(template, "BRIDGE_TYPE"))
        template_set(template, "BRIDGE_TYPE",
                     driver && g_str_has_prefix(driver, "ovs") ? "openvswitch" : "linux");
    for (guint i = 0; i < G_N_ELEMENTS(always); i++)
        if (!template_get(template, always[i]))
            template_set(template, always[i], "");
    if (!template_get(template, "SECURITY_GROUPS"))
        template_set(template, "SECURITY_GROUPS", "0");
}

Network *network_create(World *world, const char *name, gint32 uid, gint32 gid, Template *template,
                        GError **error)
{
    gint32 default_cluster = 0;
    Network *network = network_new(pool_next_id(world, KIND_NET), name, template);
    network->head.uid = uid;
    network->head.gid = gid;
    network->clusters = g_array_new(FALSE, FALSE, sizeof(gint32));
    g_array_append_val(network->clusters, default_cluster);
    network->state = network->previous_state = NETWORK_READY;
    pool_add(world, &network->head);
    if (!add_ranges(world, network, error)) {
        network_remove(world, network);
        return NULL;
    }
    fill_in(world, network);
    object_changed(world, &network->head);
    object_entered(world, &network->head);
    return network;
}

void network_updated(World *world, Network *network)
{
    template_remove(network->head.template, "AR");
    fill_in(world, network);
}

void network_remove(World *world, Network *network)
{
    for (guint i = 0; i < network->clusters->len; i++)
        cluster_members_changed(world, g_array_index(network->clusters, gint32, i));
    while (network->ranges->len)
        network_remove_range(world, network, network->ranges->pdata[0]);
    pool_remove(world, &network->head);
}

/* ---- leases ---- */

static gboolean in_range(const AddressRange *range, const LeaseWish *wish, guint *index)
{
    const char *wanted[] = {wish->ip, wish->ip6};
    for (guint i = 0; i < G_N_ELEMENTS(wanted); i++)
        if (wanted[i] && *wanted[i])
            return range_place_of_ip(range, wanted[i], index);
    return range_place_of_mac(range, wish->mac, index);
}

gboolean network_find(World *world, Network *network, const LeaseWish *wish, AddressRange **range,
                      guint *index, GError **error)
{
    gboolean exact =
        (wish->ip && *wish->ip) || (wish->ip6 && *wish->ip6) || (wish->mac && *wish->mac);
    gboolean known = FALSE;
    for (guint i = 0; i < network->ranges->len; i++) {
        *range = network->ranges->pdata[i];
        if (wish->range >= 0 && (*range)->id != wish->range)
            continue;
        if (!exact && range_find(*range, index))
            return TRUE;
        if (exact && in_range(*range, wish, index)) {
            known = TRUE;
            if (range_holder(*range, *index).kind == HOLDER_NONE)
                return TRUE;
        }
    }
    if (!exact)
        return wrong(error, "Cannot get a lease from network %d: all of its addresses are in use",
                     network->head.id);
    const char *wanted = wish->ip && *wish->ip     ? wish->ip
                         : wish->ip6 && *wish->ip6 ? wish->ip6
                                                   : wish->mac;
    return wrong(error, "Cannot get IP/MAC lease from virtual network %d: %s is %s",
                 network->head.id, wanted, known ? "in use" : "in none of its ranges");
}

void network_lease(World *world, Network *network, AddressRange *range, guint index, Holder holder)
{
    range_take(range, index, holder);
    write_lease(world, network, range, index, &holder);
    object_touched(world, &network->head);
}

void network_release(World *world, Network *network, AddressRange *range, guint index)
{
    if (range_holder(range, index).kind == HOLDER_NONE)
        return;
    range_give_back(range, index);
    write_lease(world, network, range, index, NULL);
    object_touched(world, &network->head);
}

/* Where a card's address is; FALSE: it is of no network of ours. */
static gboolean place_of_card(World *world, const TemplateAttribute *card, Network **network,
                              AddressRange **range, guint *index)
{
    gint64 id, range_id;
    const char *mac = attribute_get(card, "MAC");
    if (!mac || !attribute_get_int(card, "NETWORK_ID", &id) ||
        !attribute_get_int(card, "AR_ID", &range_id))
        return FALSE;
    *network = network_get(world, (gint32)id);
    *range = *network ? network_range(*network, (gint32)range_id) : NULL;
    return *range && range_place_of_mac(*range, mac, index);
}

void network_release_held(World *world, const TemplateAttribute *card, Holder holder)
{
    Network *network;
    AddressRange *range;
    guint index;
    if (!place_of_card(world, card, &network, &range, &index))
        return;
    Holder now = range_holder(range, index);
    if (now.kind == holder.kind && now.id == holder.id)
        network_release(world, network, range, index);
}

void network_release_card(World *world, const Vm *vm, const TemplateAttribute *card)
{
    network_release_held(world, card, (Holder){HOLDER_VM, vm->head.id});
}

static const char *const cards[] = {"NIC", "NIC_ALIAS"};

void network_release_vm(World *world, Vm *vm)
{
    const TemplateAttribute *card;
    for (guint which = 0; which < G_N_ELEMENTS(cards); which++)
        for (guint i = 0; (card = template_vector(vm->head.template, cards[which], i)); i++)
            network_release_card(world, vm, card);
    secgroup_count(world, vm);
}

/* ---- checking ---- */

static const char *holder_word(HolderKind kind)
{
    return kind == HOLDER_ROUTER ? "virtual router" : "machine";
}

/* That somebody uses an address. (owned) */
static char *lease_key(const Network *network, const AddressRange *range, guint index, Holder who)
{
    return g_strdup_printf("%d/%d/%u/%d", network->head.id, range->id, index, who.kind);
}

/* Without `problems` what is wrong is set right: who uses an address holds it, when nobody else
 * does, and who does not use it gives it back. */
static void check_cards(World *world, const Object *user, Holder who, GHashTable *seen,
                        GPtrArray *problems)
{
    const TemplateAttribute *card;
    for (guint which = 0; which < G_N_ELEMENTS(cards); which++)
        for (guint i = 0; (card = template_vector(user->template, cards[which], i)); i++) {
            Network *network;
            AddressRange *range;
            guint index;
            if (!place_of_card(world, card, &network, &range, &index))
                continue;
            Holder holder = range_holder(range, index);
            gboolean holds = holder.kind == who.kind && holder.id == who.id;
            if (!holds && !problems && holder.kind == HOLDER_NONE)
                network_lease(world, network, range, index, who);
            else if (!holds && problems)
                g_ptr_array_add(problems,
                                g_strdup_printf("%s %d uses %s of network %d, which it does "
                                                "not hold",
                                                holder_word(who.kind), who.id,
                                                attribute_get(card, "MAC"), network->head.id));
            g_hash_table_add(seen, lease_key(network, range, index, who));
        }
}

static void check_range(World *world, Network *network, AddressRange *range, GHashTable *seen,
                        GPtrArray *problems)
{
    for (guint index = range_next_held(range, 0); index < range->size;
         index = range_next_held(range, index + 1)) {
        Holder holder = range_holder(range, index);
        g_autofree char *key = lease_key(network, range, index, holder);
        gboolean unused = (holder.kind == HOLDER_VM || holder.kind == HOLDER_ROUTER) &&
                          !g_hash_table_contains(seen, key);
        gboolean lost = holder.kind == HOLDER_NET && !network_get(world, holder.id);
        if (!problems && (unused || lost))
            network_release(world, network, range, index);
        else if (unused)
            g_ptr_array_add(problems, g_strdup_printf("network %d, range %d, address %u is held by "
                                                      "%s %d, which does not use it",
                                                      network->head.id, range->id, index,
                                                      holder_word(holder.kind), holder.id));
        else if (lost)
            g_ptr_array_add(problems,
                            g_strdup_printf("network %d, range %d, address %u is held by "
                                            "network %d, which does not exist",
                                            network->head.id, range->id, index, holder.id));
    }
}

static void look_at_leases(World *world, GPtrArray *problems)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    const GPtrArray *vms = world->pools[KIND_VM].order;
    const GPtrArray *routers = world->pools[KIND_VROUTER].order;
    const GPtrArray *networks = world->pools[KIND_NET].order;
    for (guint i = 0; i < vms->len; i++)
        if (VM(vms->pdata[i])->state != VM_DONE)
            check_cards(world, vms->pdata[i], (Holder){HOLDER_VM, ((Object *)vms->pdata[i])->id},
                        seen, problems);
    for (guint i = 0; i < routers->len; i++)
        check_cards(world, routers->pdata[i],
                    (Holder){HOLDER_ROUTER, ((Object *)routers->pdata[i])->id}, seen, problems);
    for (guint i = 0; i < networks->len; i++) {
        Network *network = networks->pdata[i];
        for (guint j = 0; j < network->ranges->len; j++)
            check_range(world, network, network->ranges->pdata[j], seen, problems);
    }
}

void network_check(World *world, GPtrArray *problems)
{
    look_at_leases(world, problems);
}

void network_repair(World *world)
{
    look_at_leases(world, NULL);
}

const KindOperations network_operations = {network_render, network_render_brief, network_row,
                                           network_load,   &network_table,       network_free};
