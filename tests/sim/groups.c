/* Security groups: which rules hosts know of the machines on them, and people who change these. A
 * host that knows older ones is told, or it is said that it could not be. */
#include "tests/sim/client.h"
#include "tests/sim/drivers.h"

#include "server/model/network/network.h"

#include <string.h>

struct Groups {
    Sim *sim;
    GHashTable *rules; /* machine -> the text of its rules, as its host was told them last */
};

Groups *groups_new(Sim *sim)
{
    Groups *groups = g_new0(Groups, 1);
    groups->sim = sim;
    groups->rules = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    return groups;
}

void groups_free(Groups *groups)
{
    g_hash_table_unref(groups->rules);
    g_free(groups);
}

void groups_told(Request *request, gint32 vm)
{
    g_hash_table_insert(request->sim->groups->rules, GINT_TO_POINTER(vm), g_strdup(request->xml));
}

/* Ports, by which each change of a group is known. Of cards that no driver filters hosts need not
 * know anything. */
static gboolean knows(const char *document, const Vm *vm, const TemplateAttribute *rule)
{
    const char *range = attribute_get(rule, "RANGE");
    g_autoptr(GArray) filtered = secgroup_ids(vm, TRUE);
    gint64 group = -1;
    (void)attribute_get_int(rule, "SECURITY_GROUP_ID", &group);
    if (!ids_contain(filtered, (gint32)group))
        return TRUE;
    g_autofree char *text = g_strdup_printf("<RANGE><![CDATA[%s]]></RANGE>", range ? range : "");
    return !range || (document && strstr(document, text));
}

static gboolean is_told_of(const World *world, gint32 vm)
{
    const GPtrArray *groups = world->pools[KIND_SECGROUP].order;
    for (guint i = 0; i < groups->len; i++)
        if (ids_contain(SECGROUP(groups->pdata[i])->failed, vm))
            return TRUE;
    return FALSE;
}

/* It had that many cards when its host was told: a card that has gone took its rules along. */
static gboolean has_cards_of(const Vm *vm, const char *document)
{
    guint then = 0, now = 0;
    for (const char *at = document; (at = strstr(at, "<NIC_ID>")); at++)
        then++;
    while (template_vector(vm->head.template, "NIC", now))
        now++;
    return then == now;
}

/* Of machines whose cards are all filtered, and that have lost their last group. */
static gboolean has_no_group(const Vm *vm)
{
    g_autoptr(GArray) ids = secgroup_ids(vm, FALSE);
    const TemplateAttribute *card = NULL;
    guint i = 0;
    while ((card = template_vector(vm->head.template, "NIC", i)) && secgroup_is_filtered(card))
        i++;
    return i > 0 && !card && !ids->len;
}

/* Nobody is to be told any more, and hosts know the rules in force. */
void groups_check_truth(Groups *groups)
{
    const World *world = groups->sim->world;
    const GPtrArray *vms = world->pools[KIND_VM].order, *all = world->pools[KIND_SECGROUP].order;
    for (guint i = 0; i < all->len; i++) {
        const SecurityGroup *group = SECGROUP(all->pdata[i]);
        for (guint j = 0; j < group->outdated->len + group->updating->len; j++) {
            gint32 id = j < group->outdated->len
                            ? g_array_index(group->outdated, gint32, j)
                            : g_array_index(group->updating, gint32, j - group->outdated->len);
            const Vm *vm = vm_get(groups->sim->world, id);
            gboolean waits =
                vm && (vm->state == VM_ACTIVE
                           ? vm->lcm != LCM_RUNNING
                           : vm->state == VM_SUSPENDED && hosts_stands(groups->sim->hosts, id));
            if (!waits)
                sim_wrong(groups->sim, "machine %d is never told of the rules of group %d", id,
                          group->head.id);
        }
    }
    for (guint i = 0; i < vms->len; i++) {
        const Vm *vm = vms->pdata[i];
        const TemplateAttribute *rule;
        const char *told = g_hash_table_lookup(groups->rules, GINT_TO_POINTER(vm->head.id));
        if (vm->state != VM_ACTIVE || vm->lcm != LCM_RUNNING || is_told_of(world, vm->head.id) ||
            hosts_gave_up(groups->sim->hosts, vm->head.id))
            continue;
        for (guint j = 0; (rule = template_vector(vm->head.template, "SECURITY_GROUP_RULE", j));
             j++)
            if (!knows(told, vm, rule))
                sim_wrong(groups->sim, "the host of machine %d does not know the rule of port %s",
                          vm->head.id, attribute_get(rule, "RANGE"));
        if (told && has_no_group(vm) && has_cards_of(vm, told) &&
            strstr(told, "<SECURITY_GROUP_RULE>"))
            sim_wrong(groups->sim,
                      "machine %d has no security group, and its host knows rules of one",
                      vm->head.id);
    }
}

/* ---- what people do ---- */

/* A card of the machine loses its groups, the last included. */
static void detach_all(Client *client, gint32 vm)
{
    Sim *sim = client_sim(client);
    const Vm *machine = vm_get(sim->world, vm);
    const TemplateAttribute *card =
        machine ? template_vector(machine->head.template, "NIC", (guint)sim_pick(sim, 2)) : NULL;
    gint64 number = -1;
    if (!card || !attribute_get_int(card, "NIC_ID", &number))
        return;
    const char *named = attribute_get(card, "SECURITY_GROUPS");
    g_autoptr(GArray) groups = ids_parse(named ? named : "");
    for (guint i = 0; i < groups->len; i++)
        call_method(client, "one.vm.detachsg", "iii", vm, (gint)number,
                    g_array_index(groups, gint32, i));
}

void arrange_groups(Client *client, gint32 vm)
{
    Sim *sim = client_sim(client);
    gint32 group = some_object(sim, KIND_SECGROUP, 4), runs = vm_in(client, VM_ACTIVE, vm);
    g_autofree char *rule = g_strdup_printf(
        "RULE=[PROTOCOL=TCP,RULE_TYPE=INBOUND,RANGE=%" G_GUINT64_FORMAT "]", client_number(client));
    g_autofree char *named =
        g_strdup_printf("NAME=group%" G_GUINT64_FORMAT "\n%s", client_number(client), rule);
    gint which = sim_pick(sim, 14);
    sim_say(sim, "group %d, machine %d: %d, %s", group, runs, which, rule);
    if (which == 0)
        call_method(client, "one.secgroup.allocate", "t", named);
    else if (which == 1)
        call_method(client, "one.secgroup.delete", "i", group);
    else if (which == 2)
        call_method(client, "one.secgroup.commit", "ib", group, sim_chance(sim, 0.5));
    else if (which < 6)
        call_method(client, "one.vm.attachsg", "iii", runs, sim_pick(sim, 2), group);
    else if (which < 8)
        call_method(client, "one.vm.detachsg", "iii", runs, sim_pick(sim, 2), group);
    else if (which < 10)
        detach_all(client, runs);
    else
        call_method(client, "one.secgroup.update", "iti", group, rule, 0);
}
