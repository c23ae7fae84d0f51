/* Security groups: rules that cards of machines name. */
#include "server/rpc/server_private.h"

#include "lib/base/names.h"
#include "server/model/network/network.h"
#include "server/model/plain.h"

#include <gio/gio.h>
#include <string.h>

/* ---- rules ---- */

static gboolean is_one_of(const char *value, const char *const *words)
{
    for (guint i = 0; value && words[i]; i++)
        if (g_ascii_strcasecmp(value, words[i]) == 0)
            return TRUE;
    return FALSE;
}

/* Ports such as "22,53,80:90,110,1024:65535". */
static gboolean is_port_range(const char *text)
{
    g_auto(GStrv) items = g_strsplit(text, ",", -1);
    for (guint i = 0; items[i]; i++) {
        g_auto(GStrv) ends = g_strsplit(g_strstrip(items[i]), ":", 2);
        guint64 port, least = 0;
        for (guint j = 0; ends[j]; j++, least = port)
            if (!g_ascii_string_to_unsigned(g_strstrip(ends[j]), 10, least, 65535, &port, NULL))
                return FALSE;
        if (!ends[0])
            return FALSE;
    }
    return items[0] != NULL;
}

static gboolean is_address(const char *text)
{
    g_autoptr(GInetAddress) address = g_inet_address_new_from_string(text);
    return address != NULL;
}

/* The first of these that is given and no number from 0 to 255; NULL: none. */
static const char *wrong_type(const TemplateAttribute *rule)
{
    static const char *const names[] = {"ICMP_TYPE", "ICMPV6_TYPE"};
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        const char *text = attribute_get(rule, names[i]);
        if (text && *text && !g_ascii_string_to_unsigned(text, 10, 0, 255, NULL, NULL))
            return names[i];
    }
    return NULL;
}

/* The addresses of a network are shown in the machines that have the rule. */
static void may_name_network(Request *request, gint64 id)
{
    Object *network = request_object(request, KIND_NET, id == (gint32)id ? (gint32)id : -1);
    if (network)
        (void)request_may(request, RIGHT_USE, KIND_NET, network);
}

static gboolean rule_fits(Request *request, const TemplateAttribute *rule, guint number)
{
    static const char *const protocols[] = {"ALL", "TCP", "UDP", "ICMP", "ICMPV6", "IPSEC", NULL};
    static const char *const directions[] = {"INBOUND", "OUTBOUND", NULL};
    const char *protocol = attribute_get(rule, "PROTOCOL");
    const char *direction = attribute_get(rule, "RULE_TYPE"), *range = attribute_get(rule, "RANGE");
    const char *type;
    gint64 size;
    if (!is_one_of(protocol, protocols))
        reply_error(request, ONE_ERROR_ALLOCATE,
                    "RULE %u: PROTOCOL \"%s\" is none of ALL, TCP, UDP, ICMP, ICMPV6, IPSEC",
                    number, protocol ? protocol : "");
    else if (!is_one_of(direction, directions))
        reply_error(request, ONE_ERROR_ALLOCATE,
                    "RULE %u: RULE_TYPE \"%s\" is neither INBOUND nor OUTBOUND", number,
                    direction ? direction : "");
    else if (range && !is_port_range(range))
        reply_error(request, ONE_ERROR_ALLOCATE,
                    "RULE %u: RANGE \"%s\" is no list of ports such as \"22,80:90\"", number,
                    range);
    else if (attribute_get(rule, "IP") &&
             (!attribute_get_int(rule, "SIZE", &size) || size < 1 || size > (gint64)1 << 32))
        reply_error(request, ONE_ERROR_ALLOCATE,
                    "RULE %u: IP needs SIZE, the number of addresses from it on", number);
    else if (attribute_get(rule, "IP") && !is_address(attribute_get(rule, "IP")))
        reply_error(request, ONE_ERROR_ALLOCATE, "RULE %u: IP \"%s\" is no address", number,
                    attribute_get(rule, "IP"));
    else if ((type = wrong_type(rule)))
        reply_error(request, ONE_ERROR_ALLOCATE, "RULE %u: %s \"%s\" is no number from 0 to 255",
                    number, type, attribute_get(rule, type));
    else if (attribute_get_int(rule, "NETWORK_ID", &size))
        may_name_network(request, size);
    return !request->error;
}

/* Rules of one group at most: each machine that uses it has a copy of them. */
#define RULES_MAX 256

static gboolean rules_fit(Request *request, const Template *template)
{
    const TemplateAttribute *rule;
    if (template_vector(template, "RULE", RULES_MAX))
        return reply_error(request, ONE_ERROR_ALLOCATE,
                           "A security group has at most %d of RULE; name several groups in the "
                           "network card",
                           RULES_MAX) != NULL;
    for (guint i = 0; (rule = template_vector(template, "RULE", i)); i++)
        if (!rule_fits(request, rule, i))
            return FALSE;
    return TRUE;
}

/* ---- handlers ---- */

static RpcReply *create(Request *request, const char *name, Template *template)
{
    Object *group = secgroup_create(request->world, -1, name, request->caller->head.id,
                                    request->caller->head.gid, template);
    group->permissions = request_new_permissions(request);
    return reply_int(request, group->id);
}

RpcReply *secgroup_allocate(Request *request)
{
    g_autoptr(Template) template = request_template(request, 1);
    if (!template || !rules_fit(request, template) ||
        !request_own_name_is_free(request, KIND_SECGROUP, template_get(template, "NAME")))
        return NULL;
    g_autofree char *name = g_strdup(template_get(template, "NAME"));
    template_remove(template, "NAME");
    return create(request, name, g_steal_pointer(&template));
}

RpcReply *secgroup_clone(Request *request)
{
    const char *name = arg_text(request, 2, "");
    if (!request_may(request, RIGHT_CREATE, KIND_SECGROUP, NULL) ||
        !request_own_name_is_free(request, KIND_SECGROUP, name))
        return NULL;
    return create(request, name, template_copy(request->object->template));
}

/* Networks that name the group. */
static gint32 network_with(World *world, gint32 id)
{
    const GPtrArray *networks = world->pools[KIND_NET].order;
    for (guint i = 0; i < networks->len; i++) {
        const Object *network = networks->pdata[i];
        g_autoptr(GArray) ids = ids_parse(template_get(network->template, "SECURITY_GROUPS"));
        if (ids_contain(ids, id))
            return network->id;
    }
    return -1;
}

RpcReply *secgroup_delete(Request *request)
{
    gint32 id = request->object->id;
    g_autoptr(GArray) vms = secgroup_vms(request->world, id);
    gint32 network = network_with(request->world, id);
    if (id == SECGROUP_DEFAULT)
        return reply_error(request, ONE_ERROR_ACTION,
                           "Cannot delete security group. The default security group (ID 0) cannot "
                           "be deleted.");
    if (vms->len)
        return reply_error(request, ONE_ERROR_ACTION,
                           "Cannot delete security group. The security group is being used by %u "
                           "machines, first %d.",
                           vms->len, g_array_index(vms, gint32, 0));
    if (network >= 0)
        return reply_error(request, ONE_ERROR_ACTION,
                           "Cannot delete security group. Virtual network %d names it.", network);
    acl_forget(request->world, request->object);
    pool_remove(request->world, request->object);
    return reply_int(request, id);
}

static void write_rules(World *world, gint32 id)
{
    g_autoptr(GArray) vms = secgroup_vms(world, id);
    for (guint i = 0; i < vms->len; i++) {
        Vm *vm = vm_get(world, g_array_index(vms, gint32, i));
        secgroup_write_rules(world, vm->head.template);
        object_changed(world, &vm->head);
    }
}

RpcReply *secgroup_update(Request *request)
{
    g_autoptr(Template) change = request_template(request, 2);
    gint32 append = arg_int(request, 3, 0);
    if (!change || !rules_fit(request, change))
        return NULL;
    if (append != 0 && append != 1)
        return reply_error(request, ONE_ERROR_RPC_API, "Wrong update type");
    if (!request_change_template(request, &request->object->template, g_steal_pointer(&change),
                                 append))
        return NULL;
    object_changed(request->world, request->object);
    write_rules(request->world, request->object->id);
    lifecycle_group_changed(request->lifecycle, request->object, FALSE);
    return reply_int(request, request->object->id);
}

/* The rules are in the machines' documents already; their hosts are told once more. */
RpcReply *secgroup_commit(Request *request)
{
    gboolean only_failed = arg_bool(request, 2, FALSE);
    if (!only_failed)
        write_rules(request->world, request->object->id);
    lifecycle_group_changed(request->lifecycle, request->object, only_failed);
    return reply_int(request, request->object->id);
}
