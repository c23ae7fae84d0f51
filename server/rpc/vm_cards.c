#include "server/rpc/vm_cards.h"

#include "lib/base/error.h"
#include "server/auth/access.h"
#include "server/model/machine/vm_images.h"
#include "server/model/world.h"

#include <string.h>

#define wrong(error, ...) (g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, __VA_ARGS__), FALSE)

static const char *const kinds[] = {"NIC", "NIC_ALIAS"};

/* ---- which network ---- */

/* Whose network is meant by a name: NETWORK_UID, NETWORK_UNAME, else the machine's owner's. */
static gint32 network_owner(World *world, const User *owner, const TemplateAttribute *card)
{
    gint64 uid;
    const char *name = attribute_get(card, "NETWORK_UNAME");
    if (attribute_get_int(card, "NETWORK_UID", &uid))
        return (gint32)uid;
    Object *user = name ? pool_find(world, KIND_USER, name) : NULL;
    return user ? user->id : name ? -1 : owner->head.id;
}

/* NULL with the error; NULL without: the card names no network. */
static Network *network_of(World *world, const User *owner, const TemplateAttribute *card,
                           GError **error)
{
    const char *id = attribute_get(card, "NETWORK_ID"), *name = attribute_get(card, "NETWORK");
    gint64 number;
    if (id && *id) {
        Network *network =
            attribute_get_int(card, "NETWORK_ID", &number) && number == (gint32)number
                ? network_get(world, (gint32)number)
                : NULL;
        if (!network)
            (void)wrong(error, "Virtual network with ID: %s does not exist", id);
        return network;
    }
    if (!name || !*name)
        return NULL;
    gint32 uid = network_owner(world, owner, card);
    Object *found = pool_find_own(world, KIND_NET, uid, name);
    if (found)
        return NETWORK(found);
    (void)wrong(error,
                "User %d does not own a network with name: %s . Set NETWORK_UNAME or NETWORK_UID "
                "of owner in NIC.",
                uid, name);
    return NULL;
}

/* ---- what the card gets ---- */

/* What hosts do for the card: the network alone says so, whatever the card brought. */
static const char *const connection[] = {"BRIDGE",     "BRIDGE_TYPE",      "VN_MAD",   "PHYDEV",
                                         "VLAN_ID",    "OUTER_VLAN_ID",    "VXLAN_MC", "VXLAN_TTL",
                                         "VXLAN_MODE", "KEEP_EMPTY_BRIDGE"};

/* A value of the range, which may be NULL, or else of the network; NULL: neither has one. */
static const char *network_value(const Network *network, const AddressRange *range,
                                 const char *name)
{
    const char *value = range ? attribute_get(range->attributes, name) : NULL;
    if (!value || !*value)
        value = template_get(network->head.template, name);
    return value && *value ? value : NULL;
}

static void inherit(World *world, const Network *network, const AddressRange *range,
                    TemplateAttribute *card)
{
    const char *name;
    for (guint i = 0; i < G_N_ELEMENTS(connection); i++) {
        attribute_set(card, connection[i], network_value(network, range, connection[i]));
    }
    for (guint i = 0; (name = config_list(world->config, "INHERIT_VNET_ATTR", i)); i++) {
        const char *own = attribute_get(card, name);
        const char *value = network_value(network, range, name);
        if (value && !(own && *own))
            attribute_set(card, name, value);
    }
}

/* The groups that the card names, and those of the network; each once. */
static void name_groups(const Network *network, TemplateAttribute *card)
{
    const char *of_network = template_get(network->head.template, "SECURITY_GROUPS");
    g_autoptr(GArray) ids = ids_parse(attribute_get(card, "SECURITY_GROUPS"));
    g_autoptr(GArray) more = ids_parse(of_network ? of_network : "0");
    for (guint i = 0; i < more->len; i++)
        ids_add(ids, g_array_index(more, gint32, i));
    g_autofree char *text = ids_print(ids);
    attribute_set(card, "SECURITY_GROUPS", text);
}

/* Groups of one card at most, and of all cards of a machine: it has a copy of all their rules. */
#define GROUPS_MAX 32

gboolean cards_groups_allowed(World *world, const User *owner, const char *list, GError **error)
{
    g_autoptr(GArray) ids = ids_parse(list);
    if (ids->len > GROUPS_MAX)
        return wrong(error, "SECURITY_GROUPS names %u groups; %d are the most", ids->len,
                     GROUPS_MAX);
    for (guint i = 0; i < ids->len; i++) {
        gint32 id = g_array_index(ids, gint32, i);
        Object *group = pool_get(world, KIND_SECGROUP, id);
        AccessNeed need = {RIGHT_USE, KIND_SECGROUP, group, FALSE};
        if (!group)
            return wrong(error, "Security group with ID: %d does not exist", id);
        if (!access_check(world, owner, &need, 1, error))
            return FALSE;
    }
    return TRUE;
}

/* `range` NULL: the card has no address yet. */
static void describe(World *world, const Network *network, const AddressRange *range,
                     TemplateAttribute *card)
{
    g_autofree char *clusters = ids_print(network->clusters);
    attribute_set(card, "NETWORK", network->head.name);
    attribute_set_int(card, "NETWORK_ID", network->head.id);
    attribute_set(card, "CLUSTER_ID", clusters);
    inherit(world, network, range, card);
}

gboolean cards_show(World *world, const User *owner, Template *template, GError **error)
{
    TemplateAttribute *card;
    for (guint which = 0; which < G_N_ELEMENTS(kinds); which++)
        for (guint i = 0; (card = template_vector(template, kinds[which], i)); i++) {
            Network *network = network_of(world, owner, card, NULL);
            if (!network)
                continue; /* whoever makes a machine of it is told */
            AccessNeed need = {RIGHT_USE, KIND_NET, &network->head, TRUE};
            if (!access_check(world, owner, &need, 1, error))
                return FALSE;
            describe(world, network, NULL, card);
            name_groups(network, card);
        }
    return TRUE;
}

/* A card of no network is connected to the BRIDGE that it names, which is a restricted attribute;
 * nothing is made for it on hosts unless an administrator says so. */
static void leave_to_admins(const User *owner, TemplateAttribute *card)
{
    for (guint i = 0; !user_is_admin(owner) && i < G_N_ELEMENTS(connection); i++)
        if (strcmp(connection[i], "BRIDGE") != 0 && strcmp(connection[i], "BRIDGE_TYPE") != 0)
            attribute_set(card, connection[i], NULL);
}

/* The name of the card on its host, by which drivers know it. */
static void name_target(TemplateAttribute *card, gint32 vm)
{
    const char *id = attribute_get(card, "NIC_ID");
    g_autofree char *target = g_strdup_printf("one-%d-%s", vm, id ? id : "0");
    attribute_set(card, "TARGET", target);
}

/* Addresses that the server alone writes. */
static const char *const addresses[] = {
    "IP",         "IP6",         "IP6_LINK",         "IP6_GLOBAL",      "IP6_ULA",
    "VROUTER_IP", "VROUTER_IP6", "VROUTER_IP6_LINK", "VROUTER_IP6_ULA", "VROUTER_IP6_GLOBAL"};

/* Leases what the card asks for, and writes it into the card. */
static gboolean lease(World *world, Network *network, TemplateAttribute *card, Holder holder,
                      AddressRange **range, GError **error)
{
    guint index;
    gint64 range_id = -1;
    (void)attribute_get_int(card, "AR_ID", &range_id);
    LeaseWish wish = {(gint32)range_id, attribute_get(card, "IP"), attribute_get(card, "IP6"),
                      attribute_get(card, "MAC")};
    if (!network_find(world, network, &wish, range, &index, error))
        return FALSE;
    network_lease(world, network, *range, index, holder);
    attribute_set_int(card, "AR_ID", (*range)->id);
    /* The range alone says them: a card may speak with each of its addresses. */
    for (guint i = 0; i < G_N_ELEMENTS(addresses); i++)
        attribute_set(card, addresses[i], NULL);
    range_describe(*range, index, card);
    return TRUE;
}

/* A card that needs no address: its machine speaks with the router's alone. */
static void take_no_address(TemplateAttribute *card)
{
    attribute_set(card, "AR_ID", NULL); /* it would pass for an address of ours */
    attribute_set(card, "MAC", NULL);
    for (guint i = 0; i < G_N_ELEMENTS(addresses); i++)
        attribute_set(card, addresses[i], NULL);
}

/* `floats`: the card of a router's machine that has FLOATING_ONLY. */
static gboolean connect(World *world, const User *owner, TemplateAttribute *card, gint32 vm,
                        gboolean floats, GError **error)
{
    g_autoptr(GError) why = NULL;
    AddressRange *range = NULL;
    Network *network = network_of(world, owner, card, &why);
    if (why) {
        g_propagate_error(error, g_steal_pointer(&why));
        return FALSE;
    }
    attribute_set(card, "NETWORK_UNAME", NULL);
    attribute_set(card, "NETWORK_UID", NULL);
    if (!network) {
        attribute_set(card, "AR_ID", NULL); /* it would pass for an address of ours */
        leave_to_admins(owner, card);
        return cards_groups_allowed(world, owner, attribute_get(card, "SECURITY_GROUPS"), error);
    }
    AccessNeed need = {RIGHT_USE, KIND_NET, &network->head, FALSE};
    if (!access_check(world, owner, &need, 1, error) ||
        !cards_groups_allowed(world, owner, attribute_get(card, "SECURITY_GROUPS"), error))
        return FALSE;
    if (floats)
        take_no_address(card);
    else if (!lease(world, network, card, (Holder){HOLDER_VM, vm}, &range, error))
        return FALSE;
    describe(world, network, range, card);
    name_groups(network, card);
    if (strcmp(card->name, "NIC") == 0)
        name_target(card, vm);
    return TRUE;
}

gboolean card_take(World *world, const User *owner, TemplateAttribute *card, gint32 vm,
                   GError **error)
{
    return connect(world, owner, card, vm, FALSE, error);
}

gboolean card_take_for_router(World *world, const User *owner, const VRouter *router,
                              TemplateAttribute *card, gint32 vm, GError **error)
{
    gint64 id = -1;
    gboolean floats =
        vrouter_card_says(card, "FLOATING_IP") && vrouter_card_says(card, "FLOATING_ONLY");
    (void)attribute_get_int(card, "NIC_ID", &id);
    const TemplateAttribute *shared = vrouter_card(router, id);
    if (!connect(world, owner, card, vm, floats, error))
        return FALSE;
    if (shared)
        vrouter_share_addresses(shared, card);
    return TRUE;
}

gboolean card_take_shared(World *world, const User *owner, TemplateAttribute *card, gint32 router,
                          GError **error)
{
    g_autoptr(GError) why = NULL;
    AddressRange *range = NULL;
    Network *network = network_of(world, owner, card, &why);
    if (why) {
        g_propagate_error(error, g_steal_pointer(&why));
        return FALSE;
    }
    if (!network)
        return wrong(error, "A NIC of a virtual router must name a network: set NETWORK_ID or "
                            "NETWORK in it");
    AccessNeed need = {RIGHT_USE, KIND_NET, &network->head, FALSE};
    if (!access_check(world, owner, &need, 1, error))
        return FALSE;
    if (!vrouter_card_says(card, "FLOATING_IP"))
        attribute_set(card, "AR_ID", NULL); /* each machine has an address, the router has none */
    else if (!lease(world, network, card, (Holder){HOLDER_ROUTER, router}, &range, error))
        return FALSE;
    attribute_set(card, "NETWORK_UNAME", NULL);
    attribute_set(card, "NETWORK_UID", NULL);
    attribute_set(card, "NETWORK", network->head.name);
    attribute_set_int(card, "NETWORK_ID", network->head.id);
    return TRUE;
}

void card_give_back(World *world, const TemplateAttribute *card, gint32 vm)
{
    Vm as_if = {.head.id = vm};
    network_release_card(world, &as_if, card);
}

void cards_give_back(World *world, const Template *template, gint32 vm)
{
    TemplateAttribute *card;
    for (guint which = 0; which < G_N_ELEMENTS(kinds); which++)
        for (guint i = 0; (card = template_vector(template, kinds[which], i)); i++)
            card_give_back(world, card, vm);
}

/* ---- aliases ---- */

/* An alias is one more address of a card, which it names. */
static gboolean join_alias(const Template *template, TemplateAttribute *alias, guint number,
                           GError **error)
{
    const char *parent = attribute_get(alias, "PARENT");
    TemplateAttribute *nic;
    for (guint i = 0; parent && (nic = template_vector(template, "NIC", i)); i++) {
        if (g_strcmp0(attribute_get(nic, "NAME"), parent) != 0)
            continue;
        g_autoptr(GArray) ids = ids_parse(attribute_get(nic, "ALIAS_IDS"));
        gint64 id = -1;
        (void)attribute_get_int(alias, "NIC_ID", &id);
        ids_add(ids, (gint32)id);
        g_autofree char *list = ids_print(ids);
        attribute_set(nic, "ALIAS_IDS", list);
        attribute_set(alias, "PARENT_ID", attribute_get(nic, "NIC_ID"));
        attribute_set_int(alias, "ALIAS_ID", (gint64)ids->len - 1);
        return TRUE;
    }
    return wrong(error, "NIC_ALIAS %u: PARENT %s%s%s is the NAME of no NIC", number,
                 parent ? "\"" : "", parent ? parent : "(missing)", parent ? "\"" : "");
}

static gboolean number_aliases(Template *template, GError **error)
{
    guint nics = 0;
    TemplateAttribute *alias;
    while (template_vector(template, "NIC", nics))
        nics++;
    for (guint i = 0; (alias = template_vector(template, "NIC_ALIAS", i)); i++) {
        if (i >= 256)
            return wrong(error, "A machine has at most 256 of NIC_ALIAS");
        attribute_set_int(alias, "NIC_ID", nics + i);
        if (!attribute_get(alias, "NAME")) {
            g_autofree char *name = g_strdup_printf("NIC%u", nics + i);
            attribute_set(alias, "NAME", name);
        }
        if (!join_alias(template, alias, i, error))
            return FALSE;
    }
    return TRUE;
}

/* ---- all cards of a new machine ---- */

gboolean cards_groups_fit(const Template *template, const TemplateAttribute *more, GError **error)
{
    g_autoptr(GString) lists = g_string_new(more ? attribute_get(more, "SECURITY_GROUPS") : NULL);
    const TemplateAttribute *card;
    for (guint which = 0; which < G_N_ELEMENTS(kinds); which++)
        for (guint i = 0; (card = template_vector(template, kinds[which], i)); i++) {
            const char *list = attribute_get(card, "SECURITY_GROUPS");
            g_string_append_printf(lists, ",%s", list ? list : "");
        }
    if (!lists->len)
        return TRUE;
    g_autoptr(GArray) ids = ids_parse(lists->str);
    return ids->len <= GROUPS_MAX ||
           wrong(error, "The cards of the machine name %u security groups; %d are the most",
                 ids->len, GROUPS_MAX);
}

/* ---- clusters ---- */

/* What is in `common` (NULL: all) and in `clusters`. FALSE: nothing is. */
static gboolean narrow(GArray **common, const GArray *clusters)
{
    GArray *both = g_array_new(FALSE, FALSE, sizeof(gint32));
    for (guint i = 0; i < clusters->len; i++) {
        gint32 cluster = g_array_index(clusters, gint32, i);
        if (!*common || ids_contain(*common, cluster))
            g_array_append_val(both, cluster);
    }
    g_clear_pointer(common, g_array_unref);
    *common = both;
    return both->len > 0;
}

static const GArray *clusters_of_card(World *world, const TemplateAttribute *card)
{
    gint64 id;
    const Network *network =
        attribute_get_int(card, "NETWORK_ID", &id) ? network_get(world, (gint32)id) : NULL;
    return network ? network->clusters : NULL;
}

static const GArray *clusters_of_disk(World *world, const TemplateAttribute *disk)
{
    const Image *image = disk_image(world, disk);
    const Datastore *datastore = image ? datastore_get(world, image->datastore) : NULL;
    return datastore ? datastore->clusters : NULL;
}

/* What ties a machine to clusters. */
static const struct {
    const char *vector;
    const GArray *(*clusters)(World *world, const TemplateAttribute *vector);
} ties[] = {{"NIC", clusters_of_card}, {"DISK", clusters_of_disk}};

/* The clusters that all of its networks and all datastores of its images are in; none is an error
 * when there are any of these. */
static gboolean write_clusters(World *world, Template *template, GError **error)
{
    g_autoptr(GArray) common = NULL;
    const TemplateAttribute *vector;
    for (guint tie = 0; tie < G_N_ELEMENTS(ties); tie++)
        for (guint i = 0; (vector = template_vector(template, ties[tie].vector, i)); i++) {
            const GArray *clusters = ties[tie].clusters(world, vector);
            if (clusters && !narrow(&common, clusters))
                return wrong(error,
                             "Incompatible clusters: the networks of the machine and the "
                             "datastores of its images have no cluster in common, so no host can "
                             "have them all; %s %u is in none of those of the ones before it",
                             ties[tie].vector, i);
        }
    if (!common)
        return TRUE;
    g_autoptr(GString) hosts = g_string_new("(");
    g_autoptr(GString) places = g_string_new("(");
    for (guint i = 0; i < common->len; i++) {
        gint32 id = g_array_index(common, gint32, i);
        g_string_append_printf(hosts, "%sCLUSTER_ID = %d", i ? " | " : "", id);
        g_string_append_printf(places, "%s\"CLUSTERS/ID\" @> %d", i ? " | " : "", id);
    }
    g_string_append(hosts, ") & !(PIN_POLICY = PINNED)");
    g_string_append(places, ")");
    template_set(template, "AUTOMATIC_REQUIREMENTS", hosts->str);
    template_set(template, "AUTOMATIC_DS_REQUIREMENTS", places->str);
    template_set(template, "AUTOMATIC_NIC_REQUIREMENTS", places->str);
    return TRUE;
}

/* ---- networks that are chosen later ---- */

gboolean card_waits(const TemplateAttribute *card)
{
    const char *mode = attribute_get(card, "NETWORK_MODE");
    return mode && !g_ascii_strcasecmp(mode, "auto") && !attribute_get(card, "AR_ID");
}

void cards_put_back(World *world, Vm *vm, Template *before)
{
    TemplateAttribute *card;
    for (guint i = 0; (card = template_vector(vm->head.template, "NIC", i)); i++) {
        const TemplateAttribute *was = template_vector(before, "NIC", i);
        if (was && card_waits(was) && attribute_get(card, "AR_ID"))
            card_give_back(world, card, vm->head.id);
    }
    template_free(vm->head.template);
    vm->head.template = before;
    object_changed(world, &vm->head);
}

/* The network that the order names for that card; NULL: none. */
static const char *ordered_network(const Template *order, const char *id)
{
    const TemplateAttribute *nic;
    for (guint i = 0; order && id && (nic = template_vector(order, "NIC", i)); i++)
        if (g_strcmp0(attribute_get(nic, "NIC_ID"), id) == 0)
            return attribute_get(nic, "NETWORK_ID");
    return NULL;
}

static gboolean choose(World *world, const User *owner, Template *template, gint32 vm,
                       const Template *order, GError **error)
{
    TemplateAttribute *card;
    for (guint i = 0; (card = template_vector(template, "NIC", i)); i++) {
        if (!card_waits(card))
            continue;
        const char *id = attribute_get(card, "NIC_ID"), *network = ordered_network(order, id);
        if (!network)
            return wrong(error,
                         "NIC %s has NETWORK_MODE = auto and no network is named for it: let the "
                         "scheduler place the machine, or deploy it with NIC = [ NIC_ID = %s, "
                         "NETWORK_ID = ... ]",
                         id, id);
        attribute_set(card, "NETWORK_ID", network);
        attribute_set(card, "NETWORK", NULL);
        if (!card_take(world, owner, card, vm, error))
            return FALSE;
    }
    return cards_groups_fit(template, NULL, error) && write_clusters(world, template, error);
}

static gboolean any_waits(const Template *template)
{
    const TemplateAttribute *card;
    for (guint i = 0; (card = template_vector(template, "NIC", i)); i++)
        if (card_waits(card))
            return TRUE;
    return FALSE;
}

gboolean cards_choose(World *world, Vm *vm, const Template *order, Template **before,
                      GError **error)
{
    const User *owner = user_get(world, vm->head.uid);
    *before = NULL;
    if (!any_waits(vm->head.template))
        return TRUE;
    if (!owner)
        return wrong(error, "The machine's owner, user %d, does not exist", vm->head.uid);
    *before = template_copy(vm->head.template);
    if (choose(world, owner, vm->head.template, vm->head.id, order, error)) {
        secgroup_write_rules(world, vm->head.template);
        return TRUE;
    }
    cards_put_back(world, vm, g_steal_pointer(before));
    return FALSE;
}

gboolean cards_take(World *world, const User *owner, const VRouter *router, Template *template,
                    gint32 vm, GError **error)
{
    TemplateAttribute *card;
    if (!number_aliases(template, error))
        return FALSE;
    for (guint which = 0; which < G_N_ELEMENTS(kinds); which++)
        for (guint i = 0; (card = template_vector(template, kinds[which], i)); i++) {
            if (router ? card_take_for_router(world, owner, router, card, vm, error)
                       : card_take(world, owner, card, vm, error))
                continue;
            cards_give_back(world, template, vm);
            return FALSE;
        }
    if (!cards_groups_fit(template, NULL, error) || !write_clusters(world, template, error)) {
        cards_give_back(world, template, vm);
        return FALSE;
    }
    secgroup_write_rules(world, template);
    return TRUE;
}
