/* Security groups: rules of filtering that cards of machines name. */
#include "server/model/network/network.h"
#include "server/model/people/user.h"
#include "server/model/world.h"

#include <string.h>

static const char *const cards[] = {"NIC", "NIC_ALIAS"};

/* Network drivers that apply security groups on hosts. */
gboolean secgroup_is_filtered(const TemplateAttribute *card)
{
    static const char *const drivers[] = {"fw", "802.1Q", "vxlan"};
    const char *driver = attribute_get(card, "VN_MAD");
    for (guint i = 0; driver && i < G_N_ELEMENTS(drivers); i++)
        if (strcmp(driver, drivers[i]) == 0)
            return TRUE;
    return FALSE;
}

/* All groups that the cards of a machine's template name; `filtered`: only of cards whose hosts
 * apply them. (owned) */
static GArray *named_groups(const Template *template, gboolean filtered)
{
    GArray *groups = g_array_new(FALSE, FALSE, sizeof(gint32));
    const TemplateAttribute *card;
    for (guint which = 0; which < G_N_ELEMENTS(cards); which++)
        for (guint i = 0; (card = template_vector(template, cards[which], i)); i++) {
            if (filtered && !secgroup_is_filtered(card))
                continue;
            g_autoptr(GArray) ids = ids_parse(attribute_get(card, "SECURITY_GROUPS"));
            for (guint j = 0; j < ids->len; j++)
                ids_add(groups, g_array_index(ids, gint32, j));
        }
    return groups;
}

GArray *secgroup_ids(const Vm *vm, gboolean filtered)
{
    return named_groups(vm->head.template, filtered);
}

/* Adds the machine to each of these groups, or takes it out of them. */
static void count_in(World *world, const GArray *ids, gint32 vm, gboolean add)
{
    for (guint i = 0; i < ids->len; i++) {
        Object *group = pool_get(world, KIND_SECGROUP, g_array_index(ids, gint32, i));
        if (!group)
            continue;
        if (add)
            ids_add(SECGROUP(group)->vms, vm);
        else
            (void)ids_remove(SECGROUP(group)->vms, vm);
        object_touched(world, group);
    }
}

/* Groups that the machine left have nothing to tell its host any more. */
static void leave(World *world, const GArray *before, const Vm *vm)
{
    for (guint i = 0; i < before->len; i++) {
        gint32 id = g_array_index(before, gint32, i);
        Object *group = pool_get(world, KIND_SECGROUP, id);
        if (!group || ids_contain(vm->groups, id))
            continue;
        gboolean found = ids_remove(SECGROUP(group)->outdated, vm->head.id);
        found |= ids_remove(SECGROUP(group)->updating, vm->head.id);
        found |= ids_remove(SECGROUP(group)->failed, vm->head.id);
        if (found)
            object_changed(world, group);
    }
}

void secgroup_count(World *world, Vm *vm)
{
    g_autoptr(GArray) before = g_steal_pointer(&vm->groups);
    if (before)
        count_in(world, before, vm->head.id, FALSE);
    if (vm->state == VM_DONE)
        return;
    vm->groups = named_groups(vm->head.template, FALSE);
    count_in(world, vm->groups, vm->head.id, TRUE);
    if (before)
        leave(world, before, vm);
}

void secgroup_check(World *world, GPtrArray *problems)
{
    const GPtrArray *vms = world->pools[KIND_VM].order;
    for (guint i = 0; i < vms->len; i++) {
        const Vm *vm = vms->pdata[i];
        g_autoptr(GArray) ids = named_groups(vm->head.template, FALSE);
        for (guint j = 0; j < ids->len; j++) {
            Object *group = pool_get(world, KIND_SECGROUP, g_array_index(ids, gint32, j));
            gboolean counted = group && ids_contain(SECGROUP(group)->vms, vm->head.id);
            if (group && counted != (vm->state != VM_DONE))
                g_ptr_array_add(problems,
                                g_strdup_printf("security group %d %s machine %d, which %s",
                                                group->id, counted ? "counts" : "misses",
                                                vm->head.id, counted ? "is DONE" : "names it"));
        }
    }
}

GArray *secgroup_vms(World *world, gint32 id)
{
    Object *group = pool_get(world, KIND_SECGROUP, id);
    GArray *vms = g_array_new(FALSE, FALSE, sizeof(gint32));
    if (group && SECGROUP(group)->vms->len)
        g_array_append_vals(vms, SECGROUP(group)->vms->data, SECGROUP(group)->vms->len);
    return vms;
}

/* A copy of a group's rule for a machine; of an address that it names itself there is none. */
static TemplateAttribute *add_rule(Template *template, const Object *group,
                                   const TemplateAttribute *rule)
{
    TemplateAttribute *copy = template_add_vector(template, "SECURITY_GROUP_RULE");
    for (guint k = 0; k < rule->pairs->len; k++) {
        const TemplatePair *pair = rule->pairs->pdata[k];
        attribute_set(copy, pair->name, pair->value);
    }
    attribute_set_int(copy, "SECURITY_GROUP_ID", group->id);
    attribute_set(copy, "SECURITY_GROUP_NAME", group->name);
    return copy;
}

/* Rules of a machine at most: those of networks are one for each range, and users make ranges. What
 * is left out lets less through. */
#define RULES_MOST 8192

/* A rule with NETWORK_ID is one for each range of that network, and of each version of IP. */
static void add_rules(World *world, Template *template, const Object *group,
                      const TemplateAttribute *rule, guint *left)
{
    static const char *const addresses[] = {"IP", "IP6"};
    gint64 id;
    if (!attribute_get_int(rule, "NETWORK_ID", &id)) {
        if (*left > 0 && (*left)--)
            add_rule(template, group, rule);
        return;
    }
    const Network *network = id == (gint32)id ? network_get(world, (gint32)id) : NULL;
    for (guint i = 0; network && i < network->ranges->len; i++) {
        const AddressRange *range = network->ranges->pdata[i];
        for (guint j = 0; j < G_N_ELEMENTS(addresses); j++) {
            const char *first = attribute_get(range->attributes, addresses[j]);
            if (!first || !*first || *left == 0)
                continue;
            (*left)--;
            TemplateAttribute *copy = add_rule(template, group, rule);
            attribute_set(copy, "IP", first);
            attribute_set_int(copy, "SIZE", range->size);
        }
    }
}

void secgroup_write_rules(World *world, Template *template)
{
    g_autoptr(GArray) groups = named_groups(template, FALSE);
    TemplateAttribute *rule;
    guint left = RULES_MOST;
    template_remove(template, "SECURITY_GROUP_RULE");
    for (guint i = 0; i < groups->len; i++) {
        const Object *group = pool_get(world, KIND_SECGROUP, g_array_index(groups, gint32, i));
        for (guint j = 0; group && (rule = template_vector(group->template, "RULE", j)); j++)
            add_rules(world, template, group, rule, &left);
    }
}

static void secgroup_render(World *world, Object *object, GString *xml)
{
    const SecurityGroup *group = SECGROUP(object);
    const GArray *others[] = {group->outdated, group->updating, group->failed};
    g_autoptr(GArray) vms = secgroup_vms(world, object->id);
    for (guint i = 0; i < G_N_ELEMENTS(others); i++)
        for (guint j = 0; j < others[i]->len; j++)
            (void)ids_remove(vms, g_array_index(others[i], gint32, j));
    g_string_append(xml, "<SECURITY_GROUP>");
    xml_int(xml, "ID", object->id);
    xml_owner(world, object, xml);
    xml_text(xml, "NAME", object->name);
    xml_permissions(object, xml);
    xml_ids(xml, "UPDATED_VMS", vms);
    xml_ids(xml, "OUTDATED_VMS", group->outdated);
    xml_ids(xml, "UPDATING_VMS", group->updating);
    xml_ids(xml, "ERROR_VMS", group->failed);
    template_append_xml_element(object->template, "TEMPLATE", xml);
    g_string_append(xml, "</SECURITY_GROUP>");
}

static const StoreColumn columns[] = {
    OWNER_COLUMNS,          {"template", STORE_TEXT}, {"outdated", STORE_TEXT},
    {"failed", STORE_TEXT}, {NULL, STORE_INT},
};
static const StoreTable table = {"security_group", 1, columns};

static StoreWrite *secgroup_row(World *world, const Object *object)
{
    StoreWrite *row = store_write_new(&table, STORE_PUT);
    const SecurityGroup *group = (const SecurityGroup *)object;
    g_autofree char *waiting = ids_print(group->outdated), *told = ids_print(group->updating);
    guint i = owner_to_row(object, row);
    store_take_text(row, i++, template_to_text(object->template));
    store_take_text(row, i++, g_strconcat(waiting, *waiting && *told ? "," : "", told, NULL));
    store_take_text(row, i++, ids_print(group->failed));
    return row;
}

static Object *secgroup_new(gint32 id, const char *name, gint32 uid, gint32 gid, Template *template)
{
    SecurityGroup *group = g_new0(SecurityGroup, 1);
    object_init(&group->head, KIND_SECGROUP, id, name, template);
    group->head.uid = uid;
    group->head.gid = gid;
    group->vms = ids_parse(NULL);
    group->outdated = ids_parse(NULL);
    group->updating = ids_parse(NULL);
    group->failed = ids_parse(NULL);
    return &group->head;
}

static gboolean secgroup_load(World *world, const StoreValue *values, GError **error)
{
    Template *template = template_parse(values[OWNER_END].text, TEMPLATE_MODERN, error);
    if (!template)
        return FALSE;
    Object *group = secgroup_new((gint32)values[0].number, values[1].text, 0, 0, template);
    owner_from_row(group, values);
    g_array_unref(SECGROUP(group)->outdated);
    g_array_unref(SECGROUP(group)->failed);
    SECGROUP(group)->outdated = ids_parse(values[OWNER_END + 1].text);
    SECGROUP(group)->failed = ids_parse(values[OWNER_END + 2].text);
    pool_add(world, group);
    return TRUE;
}

static void secgroup_free(Object *object)
{
    g_array_unref(SECGROUP(object)->vms);
    g_array_unref(SECGROUP(object)->outdated);
    g_array_unref(SECGROUP(object)->updating);
    g_array_unref(SECGROUP(object)->failed);
    object_clear(object);
    g_free(object);
}

Object *secgroup_create(World *world, gint32 id, const char *name, gint32 uid, gint32 gid,
                        Template *template)
{
    gint32 own = id >= 0 ? id : pool_next_id(world, KIND_SECGROUP);
    Object *group = secgroup_new(own, name, uid, gid, template);
    pool_add(world, group);
    return group;
}

void secgroup_bootstrap(World *world)
{
    static const char *const directions[] = {"OUTBOUND", "INBOUND"};
    if (pool_get(world, KIND_SECGROUP, SECGROUP_DEFAULT))
        return;
    Template *template = template_new();
    template_set(template, "DESCRIPTION",
                 "Every network has this group unless it names others. It lets all traffic "
                 "through; change its rules to filter by default.");
    for (guint i = 0; i < G_N_ELEMENTS(directions); i++) {
        TemplateAttribute *rule = template_add_vector(template, "RULE");
        attribute_set(rule, "PROTOCOL", "ALL");
        attribute_set(rule, "RULE_TYPE", directions[i]);
    }
    Object *group = secgroup_create(world, SECGROUP_DEFAULT, "default", USER_ONEADMIN,
                                    GROUP_ONEADMIN, template);
    group->permissions = 0744;
    object_changed(world, group);
}

const KindOperations secgroup_operations = {secgroup_render, NULL,   secgroup_row,
                                            secgroup_load,   &table, secgroup_free};
