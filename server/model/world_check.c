/*
 * What must hold in every state that is stored: one row a theme, with what sets it right where the
 * rest of the state says what is right. Counters are proved by counting again: capacity of hosts,
 * leases of networks, quotas, members of groups and clusters.
 */
#include "server/model/machine/backupjob.h"
#include "server/model/place/cluster.h"
#include "server/model/storage/datastore.h"
#include "server/model/place/host.h"
#include "server/model/place/host_pci.h"
#include "server/model/storage/image.h"
#include "server/model/storage/market.h"
#include "server/model/machine/migration.h"
#include "server/model/network/network.h"
#include "server/model/people/quota.h"
#include "server/model/machine/sched_action.h"
#include "server/model/people/user.h"
#include "server/model/machine/vm.h"
#include "server/model/machine/vm_images.h"
#include "server/model/machine/vmgroup.h"
#include "server/model/network/vrouter.h"
#include "server/model/world.h"

#include <string.h>

static void violated(GPtrArray *found, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void violated(GPtrArray *found, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_ptr_array_add(found, g_strdup_vprintf(format, arguments));
    va_end(arguments);
}

static void migration_violated(const char *text, gpointer found)
{
    g_ptr_array_add(found, g_strdup(text));
}

static void check_vm(World *world, Vm *vm, GPtrArray *found)
{
    const VmRecord *last = vm_last_record(vm);
    gint32 id = vm->head.id;
    if (vm->state >= VM_STATES || vm->lcm >= LCM_STATES || !strcmp(vm_shown_state(vm), "?"))
        violated(found, "machine %d is in a state that does not exist: %d/%d", id, vm->state,
                 vm->lcm);
    if (vm->state != VM_ACTIVE && vm->lcm != LCM_INIT)
        violated(found, "machine %d is %s but has the active state %s", id,
                 vm_state_name(vm->state), vm_lcm_name(vm->lcm));
    gboolean placed =
        vm->state == VM_ACTIVE || vm->state == VM_POWEROFF || vm->state == VM_SUSPENDED;
    if (placed && !last)
        violated(found, "machine %d is %s but was never on a host", id, vm_shown_state(vm));
    if (vm_is_moving(vm) && vm->lcm != LCM_BOOT_MIGRATE && last && !vm_previous_record(vm))
        violated(found, "machine %d is in %s but has a history record of one host only", id,
                 vm_shown_state(vm));
    if (placed && last && !host_get(world, last->host))
        violated(found, "machine %d is %s on host %d, which does not exist", id, vm_shown_state(vm),
                 last->host);
    if (vm->frozen >= 0 && vm->state != VM_SUSPENDED &&
        (vm->state != VM_ACTIVE || vm->lcm == LCM_RUNNING))
        violated(found, "machine %d is %s but is said to be suspended", id, vm_shown_state(vm));
    if (vm->state == VM_DONE && vm->etime == 0)
        violated(found, "machine %d is done but has no end time", id);
    if (!pool_get(world, KIND_USER, vm->head.uid) && vm->state != VM_DONE)
        violated(found, "machine %d belongs to user %d, who does not exist", id, vm->head.uid);
    for (guint i = 0; i < vm->records->len; i++) {
        const VmRecord *record = vm->records->pdata[i];
        if (record->seq != (gint)i)
            violated(found, "machine %d: history record %u has number %d", id, i, record->seq);
        if (i + 1 < vm->records->len && record->etime == 0 && !vm_is_on(vm, record->host))
            violated(found, "machine %d: history record %d has no end", id, record->seq);
    }
    migrations_check(vm, migration_violated, found);
}

static void check_vms(World *world, GPtrArray *found)
{
    GPtrArray *vms = world->pools[KIND_VM].order;
    for (guint i = 0; i < vms->len; i++)
        check_vm(world, vms->pdata[i], found);
}

/* Whose owner is gone is the administrator's. What state a machine should be in, hosts know: that
 * is asked when oned runs. */
static void repair_vms(World *world)
{
    GPtrArray *vms = world->pools[KIND_VM].order;
    for (guint i = 0; i < vms->len; i++) {
        Object *vm = vms->pdata[i];
        if (VM(vm)->state == VM_DONE || pool_get(world, KIND_USER, vm->uid))
            continue;
        vm->uid = USER_ONEADMIN;
        vm->gid = GROUP_ONEADMIN;
        object_changed(world, vm);
    }
}

static void check_hosts(World *world, GPtrArray *found)
{
    GPtrArray *hosts = world->pools[KIND_HOST].order;
    for (guint i = 0; i < hosts->len; i++) {
        Host *host = hosts->pdata[i];
        gint64 cpu = 0, memory = 0, disk = 0;
        guint machines = 0;
        GPtrArray *vms = world->pools[KIND_VM].order;
        for (guint j = 0; j < vms->len; j++) {
            Vm *vm = vms->pdata[j];
            for (guint k = 0; k < 2; k++) {
                if (vm->charges[k].host != host->head.id)
                    continue;
                cpu += vm->charges[k].cpu;
                memory += vm->charges[k].memory;
                disk += vm->charges[k].disk;
                machines++;
            }
        }
        if (cpu != host->cpu_usage || memory != host->memory_usage || machines != host->vms->len)
            violated(found,
                     "host %d counts %" G_GINT64_FORMAT " %% of CPU, %" G_GINT64_FORMAT
                     " KiB in %u machines, but its machines hold %" G_GINT64_FORMAT
                     " %%, %" G_GINT64_FORMAT " KiB in %u",
                     host->head.id, host->cpu_usage, host->memory_usage, host->vms->len, cpu,
                     memory, machines);
        if (disk != host->disk_usage)
            violated(found,
                     "host %d counts %" G_GINT64_FORMAT " MiB of disks, but its machines hold "
                     "%" G_GINT64_FORMAT " MiB",
                     host->head.id, host->disk_usage, disk);
        if (!pool_get(world, KIND_CLUSTER, host->cluster))
            violated(found, "host %d is in cluster %d, which does not exist", host->head.id,
                     host->cluster);
    }
}

static void repair_hosts(World *world)
{
    GPtrArray *hosts = world->pools[KIND_HOST].order;
    for (guint i = 0; i < hosts->len; i++) {
        Host *host = hosts->pdata[i];
        if (pool_get(world, KIND_CLUSTER, host->cluster))
            continue;
        host->cluster = 0;
        object_changed(world, &host->head);
        cluster_members_changed(world, 0);
    }
}

/* ---- lists of others' ids ---- */

/* Members of a list that do not exist are said, or taken out. */
static void look_at_ids(World *world, Object *object, GArray *ids, Kind kind, GPtrArray *found)
{
    for (guint i = ids->len; i-- > 0;) {
        gint32 id = g_array_index(ids, gint32, i);
        if (pool_get(world, kind, id))
            continue;
        if (found) {
            violated(found, "%s %d names %s %d, which does not exist",
                     kind_row(object->kind)->words, object->id, kind_row(kind)->words, id);
            continue;
        }
        ids_remove(ids, id);
        object_changed(world, object);
    }
}

/* An administrator of a group is a member of it. */
static void look_at_admins(World *world, Group *group, GPtrArray *found)
{
    for (guint i = group->admins->len; i-- > 0;) {
        gint32 id = g_array_index(group->admins, gint32, i);
        const User *user = user_get(world, id);
        if (!user || ids_contain(user->groups, group->head.id))
            continue;
        if (found)
            violated(found, "group %d has the administrator %d, who is no member", group->head.id,
                     id);
        else
            group_remove_admin(world, group, id);
    }
}

static void look_at_members(World *world, GPtrArray *found)
{
    GPtrArray *users = world->pools[KIND_USER].order, *groups = world->pools[KIND_GROUP].order;
    GPtrArray *datastores = world->pools[KIND_DATASTORE].order;
    GPtrArray *networks = world->pools[KIND_NET].order;
    for (guint i = 0; i < users->len; i++) {
        User *user = users->pdata[i];
        if (!group_get(world, user->head.gid) && found)
            violated(found, "user %d has the primary group %d, which does not exist", user->head.id,
                     user->head.gid);
        else if (!group_get(world, user->head.gid))
            user_set_primary_group(world, user, GROUP_USERS);
        look_at_ids(world, &user->head, user->groups, KIND_GROUP, found);
    }
    for (guint i = 0; i < groups->len; i++) {
        look_at_ids(world, groups->pdata[i], GROUP(groups->pdata[i])->admins, KIND_USER, found);
        look_at_admins(world, groups->pdata[i], found);
    }
    for (guint i = 0; i < datastores->len; i++)
        look_at_ids(world, datastores->pdata[i], DATASTORE(datastores->pdata[i])->clusters,
                    KIND_CLUSTER, found);
    for (guint i = 0; i < networks->len; i++)
        look_at_ids(world, networks->pdata[i], NETWORK(networks->pdata[i])->clusters, KIND_CLUSTER,
                    found);
}

static void check_members(World *world, GPtrArray *found)
{
    look_at_members(world, found);
}

static void repair_members(World *world)
{
    look_at_members(world, NULL);
}

static void check_ids(World *world, GPtrArray *found)
{
    for (gint kind = 0; kind < KIND_COUNT; kind++) {
        Pool *pool = &world->pools[kind];
        for (guint i = 0; i < pool->order->len; i++)
            if (((Object *)pool->order->pdata[i])->id > pool->last_id)
                violated(found, "%s %d has an id above the counter %d", kind_row(kind)->words,
                         ((Object *)pool->order->pdata[i])->id, pool->last_id);
    }
}

/* ---- the table ---- */

static const struct {
    void (*check)(World *world, GPtrArray *found);
    void (*repair)(World *world); /* NULL: nothing else says what is right */
} themes[] = {
    {check_members, repair_members}, {check_vms, repair_vms},     {check_hosts, repair_hosts},
    {network_check, network_repair}, {secgroup_check, NULL},      {vm_group_check, NULL},
    {images_check, images_repair},   {vm_images_check, NULL},     {check_ids, NULL},
    {vrouter_check, NULL},           {quota_check, quota_repair}, {sched_actions_check, NULL},
    {backupjobs_check, NULL},        {markets_check, NULL},       {host_pci_check, NULL},
};

GPtrArray *world_check(World *world)
{
    GPtrArray *found = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < G_N_ELEMENTS(themes); i++)
        themes[i].check(world, found);
    return found;
}

void world_repair(World *world)
{
    for (guint i = 0; i < G_N_ELEMENTS(themes); i++)
        if (themes[i].repair)
            themes[i].repair(world);
}
