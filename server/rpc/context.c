#include "server/rpc/context.h"

#include "server/model/user.h"

#include <string.h>

/* ---- one variable ---- */

static const char *user_value(World *world, const Vm *vm, const char *member)
{
    const User *owner = user_get(world, vm->head.uid);
    return owner ? template_get(owner->head.template, member) : NULL;
}

static const char *vector_value(const Vm *vm, const char *vector, const char *member,
                                const char *key, const char *value)
{
    const Template *both[] = {vm->head.template, vm->user_template};
    for (guint which = 0; which < G_N_ELEMENTS(both); which++) {
        TemplateAttribute *one;
        for (guint i = 0; (one = template_vector(both[which], vector, i)); i++)
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
    const char *end = **at == '[' ? strchr(*at, ']') : NULL;
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
static char *variable_value(World *world, const Vm *vm, const char **at)
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
    return g_strdup(vector_value(vm, name, upper, upper_key, value));
}

/* ---- all of them ---- */

/* What variables may add to one machine, in bytes: a short template must not make a long one. */
#define ADDED_MAX (256 * 1024)

static char *expanded(World *world, const Vm *vm, const char *text, gsize *added)
{
    GString *out = g_string_new(NULL);
    while (*text) {
        if (*text != '$' || !(g_ascii_isalpha(text[1]) || text[1] == '_')) {
            g_string_append_c(out, *text++);
            continue;
        }
        text++;
        g_autofree char *value = variable_value(world, vm, &text);
        gsize length = value ? strlen(value) : 0;
        if (*added + length > ADDED_MAX)
            continue;
        *added += length;
        g_string_append(out, value ? value : "");
    }
    return g_string_free(out, FALSE);
}

static void expand_all(World *world, const Vm *vm, TemplateAttribute *context)
{
    gsize added = 0;
    for (guint i = 0; i < context->pairs->len; i++) {
        const TemplatePair *pair = context->pairs->pdata[i];
        if (!strcmp(pair->name, "FILES") || !strchr(pair->value, '$'))
            continue;
        g_autofree char *name = g_strdup(pair->name);
        g_autofree char *value = expanded(world, vm, pair->value, &added);
        attribute_set(context, name, value);
    }
}

static void add_networks(const Vm *vm, TemplateAttribute *context)
{
    static const char *const told[] = {
        "MAC",           "IP",  "NETWORK_ADDRESS", "MASK",   "GATEWAY", "DNS",
        "SEARCH_DOMAIN", "IP6", "GATEWAY6",        "METRIC", "MTU",     NULL};
    TemplateAttribute *nic;
    for (guint i = 0; (nic = template_vector(vm->head.template, "NIC", i)); i++) {
        for (guint j = 0; told[j]; j++) {
            const char *value = attribute_get(nic, told[j]);
            g_autofree char *name = g_strdup_printf("ETH%u_%s", i, told[j]);
            if (value && *value && !attribute_get(context, name))
                attribute_set(context, name, value);
        }
    }
}

void context_complete(World *world, Vm *vm)
{
    TemplateAttribute *context = template_vector(vm->head.template, "CONTEXT", 0);
    if (!context)
        return;
    expand_all(world, vm, context);
    const char *network = attribute_get(context, "NETWORK");
    if (network && !g_ascii_strcasecmp(network, "YES"))
        add_networks(vm, context);
}
