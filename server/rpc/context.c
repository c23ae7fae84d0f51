#include "server/rpc/context.h"

#include "server/model/network/network.h"
#include "server/model/people/user.h"

#include <string.h>

/* ---- one variable ---- */

static const char *user_value(World *world, const Vm *vm, const char *member)
{
    const User *owner = user_get(world, vm->head.uid);
    return owner ? template_get(owner->head.template, member) : NULL;
}

/* `cost`, here and below: see COST_MAX. */
static const char *vector_value(const Vm *vm, const char *vector, const char *member,
                                const char *key, const char *value, gsize *cost)
{
    const Template *both[] = {vm->head.template, vm->user_template};
    for (guint which = 0; which < G_N_ELEMENTS(both); which++) {
        TemplateAttribute *one;
        for (guint i = 0; (one = template_vector(both[which], vector, i)); i++, ++*cost)
            if (!key || !g_strcmp0(attribute_get(one, key), value))
                return attribute_get(one, member);
    }
    return NULL;
}

/* (owned, NULL when there is none) */
static char *plain_value(World *world, const Vm *vm, const char *name)
{
    if (!strcmp(name, "NAME"))
        return g_strdup(vm->head.name);
    if (!strcmp(name, "VMID"))
        return g_strdup_printf("%d", vm->head.id);
    if (!strcmp(name, "UID"))
        return g_strdup_printf("%d", vm->head.uid);
    if (!strcmp(name, "GID"))
        return g_strdup_printf("%d", vm->head.gid);
    if (!strcmp(name, "UNAME"))
        return g_strdup(world_user_name(world, vm->head.uid));
    if (!strcmp(name, "GNAME"))
        return g_strdup(world_group_name(world, vm->head.gid));
    if (!strcmp(name, "TEMPLATE")) {
        g_autoptr(GString) xml = g_string_new(NULL);
        template_append_xml_element(vm->head.template, "TEMPLATE", xml);
        return g_base64_encode((const guchar *)xml->str, xml->len);
    }
    const char *value = template_get(vm->head.template, name);
    return g_strdup(value ? value : template_get(vm->user_template, name));
}

/* Text up to one of `ends`, without blanks and quotes around it. (owned) */
static char *word_until(const char **at, const char *ends)
{
    gsize length = strcspn(*at, ends);
    g_autofree char *raw = g_strndup(*at, length);
    *at += length;
    char *text = g_strstrip(raw);
    gsize size = strlen(text);
    if (size >= 2 && text[0] == '"' && text[size - 1] == '"')
        return g_strndup(text + 1, size - 2);
    return g_strdup(text);
}

/* Reads "[MEMBER]" or "[MEMBER, KEY=value]" after a name. FALSE: it is not of that form, and
 * nothing is read. */
static gboolean read_member(const char **at, char **member, char **key, char **value)
{
    gsize length = **at == '[' ? strcspn(*at, "]$") : 0;
    const char *end = length && (*at)[length] == ']' ? *at + length : NULL;
    if (!end)
        return FALSE;
    const char *from = *at + 1;
    *member = word_until(&from, ",]");
    if (*from == ',') {
        from++;
        *key = word_until(&from, "=]");
        if (*from == '=') {
            from++;
            *value = word_until(&from, "]");
        }
    }
    *at = end + 1;
    return TRUE;
}

/* `at` stands behind the dollar sign. (owned, NULL when there is none) */
static char *variable_value(World *world, const Vm *vm, const char **at, gsize *cost)
{
    gsize length = 0;
    while (g_ascii_isalnum((*at)[length]) || (*at)[length] == '_')
        length++;
    g_autofree char *raw = g_strndup(*at, length);
    g_autofree char *name = g_ascii_strup(raw, -1);
    g_autofree char *member = NULL, *key = NULL, *value = NULL;
    *at += length;
    if (!read_member(at, &member, &key, &value))
        return plain_value(world, vm, name);
    g_autofree char *upper = g_ascii_strup(member, -1);
    g_autofree char *upper_key = key ? g_ascii_strup(key, -1) : NULL;
    if (!strcmp(name, "USER"))
        return g_strdup(user_value(world, vm, upper));
    return g_strdup(vector_value(vm, name, upper, upper_key, value, cost));
}

/* ---- all of them ---- */

/* What the variables of one machine may cost: bytes that they add, and 16 for looking at each
 * and at each vector on the way to it. A short template must not make a long one, nor keep the
 * core busy. Variables behind that are empty. */
#define COST_MAX  ((gsize)256 * 1024)
#define LOOK_COST 16

/* Passes over "NAME" or "NAME[...]". */
static void skip_variable(const char **at)
{
    g_autofree char *member = NULL, *key = NULL, *value = NULL;
    while (g_ascii_isalnum(**at) || **at == '_')
        (*at)++;
    (void)read_member(at, &member, &key, &value);
}

static char *expanded(World *world, const Vm *vm, const char *text, gsize *cost)
{
    GString *out = g_string_new(NULL);
    while (*text) {
        if (*text != '$' || !(g_ascii_isalpha(text[1]) || text[1] == '_')) {
            g_string_append_c(out, *text++);
            continue;
        }
        text++;
        if (*cost > COST_MAX) {
            skip_variable(&text);
            continue;
        }
        gsize looks = 1;
        g_autofree char *value = variable_value(world, vm, &text, &looks);
        gsize length = value ? strlen(value) : 0;
        *cost += looks * LOOK_COST + length;
        if (*cost <= COST_MAX)
            g_string_append(out, value ? value : "");
    }
    return g_string_free(out, FALSE);
}

static void expand_all(World *world, const Vm *vm, TemplateAttribute *context)
{
    gsize cost = 0;
    for (guint i = 0; i < context->pairs->len; i++) {
        const TemplatePair *pair = context->pairs->pdata[i];
        if (!strcmp(pair->name, "FILES") || !strcmp(pair->name, "FILES_DS") ||
            !strchr(pair->value, '$'))
            continue;
        g_autofree char *name = g_strdup(pair->name);
        g_autofree char *value = expanded(world, vm, pair->value, &cost);
        attribute_set(context, name, value);
    }
}

/* What a guest is told of a card, ETH0_IP and so on, and where it is found: on the card, else on
 * its range of addresses, else on its network. */
static const struct {
    const char *suffix, *attribute, *or_else;
} told[] = {
    {"MAC", "MAC"},
    {"IP", "IP"},
    {"NETWORK", "NETWORK_ADDRESS"},
    {"MASK", "NETWORK_MASK", "MASK"},
    {"GATEWAY", "GATEWAY"},
    {"GATEWAY6", "GATEWAY6"},
    {"DNS", "DNS"},
    {"SEARCH_DOMAIN", "SEARCH_DOMAIN"},
    {"IP6", "IP6_GLOBAL", "IP6"},
    {"IP6_ULA", "IP6_ULA"},
    {"IP6_PREFIX_LENGTH", "PREFIX_LENGTH"},
    {"METHOD", "METHOD"},
    {"IP6_METHOD", "IP6_METHOD"},
    {"METRIC", "METRIC"},
    {"MTU", "GUEST_MTU", "MTU"},
    {"VLAN_ID", "GUEST_VLAN_ID"},
    {"VROUTER_IP", "VROUTER_IP"},
    {"VROUTER_IP6", "VROUTER_IP6_GLOBAL", "VROUTER_IP6"},
    {"VROUTER_MANAGEMENT", "VROUTER_MANAGEMENT"},
};

static const char *card_value(const TemplateAttribute *card, const Network *network,
                              const AddressRange *range, const char *name)
{
    const char *value = name ? attribute_get(card, name) : NULL;
    if (name && range && !(value && *value))
        value = attribute_get(range->attributes, name);
    if (name && network && !(value && *value))
        value = template_get(network->head.template, name);
    return value && *value ? value : NULL;
}

static void add_card(World *world, const TemplateAttribute *card, const char *prefix,
                     TemplateAttribute *context)
{
    gint64 id, range_id = -1;
    const Network *network =
        attribute_get_int(card, "NETWORK_ID", &id) ? network_get(world, (gint32)id) : NULL;
    (void)attribute_get_int(card, "AR_ID", &range_id);
    const AddressRange *range = network ? network_range(network, (gint32)range_id) : NULL;
    for (guint i = 0; i < G_N_ELEMENTS(told); i++) {
        const char *value = card_value(card, network, range, told[i].attribute);
        g_autofree char *name = g_strdup_printf("%s_%s", prefix, told[i].suffix);
        if (!value)
            value = card_value(card, network, range, told[i].or_else);
        if (value && !attribute_get(context, name))
            attribute_set(context, name, value);
    }
}

static void add_networks(World *world, const Vm *vm, TemplateAttribute *context)
{
    TemplateAttribute *card;
    for (guint i = 0; (card = template_vector(vm->head.template, "NIC", i)); i++) {
        g_autofree char *prefix = g_strdup_printf("ETH%u", i);
        add_card(world, card, prefix, context);
    }
    for (guint i = 0; (card = template_vector(vm->head.template, "NIC_ALIAS", i)); i++) {
        const char *parent = attribute_get(card, "PARENT_ID");
        const char *number = attribute_get(card, "ALIAS_ID");
        g_autofree char *prefix =
            g_strdup_printf("ETH%s_ALIAS%s", parent ? parent : "0", number ? number : "0");
        add_card(world, card, prefix, context);
    }
}

static void add_router(const Vm *vm, TemplateAttribute *context)
{
    static const char *const names[] = {"VROUTER_ID", "VROUTER_KEEPALIVED_ID",
                                        "VROUTER_KEEPALIVED_PASSWORD"};
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        const char *value = template_get(vm->head.template, names[i]);
        if (value)
            attribute_set(context, names[i], value);
    }
}

void context_complete(World *world, Vm *vm)
{
    TemplateAttribute *context = template_vector(vm->head.template, "CONTEXT", 0);
    if (!context)
        return;
    expand_all(world, vm, context);
    const char *network = attribute_get(context, "NETWORK");
    if (network && !g_ascii_strcasecmp(network, "YES")) {
        add_networks(world, vm, context);
        add_router(vm, context);
    }
}
