/*
 * Rules of security groups change while machines run: their hosts are told (UPDATESG). A machine
 * that is being started, moved or changed is told when it runs again, since what its driver knew
 * may be older; one that does not run needs nothing, since its next start brings the rules along,
 * but for one that stands still on its host with its cards: it is told when it goes on.
 * What is still to be told is kept with the group, so that a restart forgets nobody.
 */
#include "server/lifecycle/internal.h"

#include "server/model/network/network.h"

#include <string.h>

#define UPDATE_SECONDS 120

static gboolean runs(const Vm *vm)
{
    return vm->state == VM_ACTIVE && vm->lcm == LCM_RUNNING;
}

/* Its host has rules of it, or is about to get them. */
static gboolean is_concerned(Lifecycle *lifecycle, const Vm *vm)
{
    return vm->state == VM_ACTIVE || (vm->state == VM_SUSPENDED && vm_was_frozen(lifecycle, vm));
}

/* A machine whose cards have lost their last group is noted with no group: a card of it says that
 * its host has older rules, then that it is being told, and perhaps that it did not take them. No
 * commit of a group finds such a machine, so it is told again by itself. */
#define MARK "RULES_OUTDATED"
static const char *const OUTDATED = "YES", *const TOLD = "TOLD", *const FAILED = "FAILED";

static const char *const kinds[] = {"NIC", "NIC_ALIAS"};

/* Of each card that says `from`; `to` NULL: it says nothing any more. */
static void change_mark(Lifecycle *lifecycle, Vm *vm, const char *from, const char *to)
{
    TemplateAttribute *card;
    gboolean found = FALSE;
    for (guint kind = 0; kind < G_N_ELEMENTS(kinds); kind++)
        for (guint i = 0; (card = template_vector(vm->head.template, kinds[kind], i)); i++)
            if (g_strcmp0(attribute_get(card, MARK), from) == 0) {
                attribute_set(card, MARK, to);
                found = TRUE;
            }
    if (found)
        object_changed(lifecycle->world, &vm->head);
}

/* `word` NULL: whatever it says. */
static gboolean has_mark(const Vm *vm, const char *word)
{
    const TemplateAttribute *card;
    for (guint kind = 0; kind < G_N_ELEMENTS(kinds); kind++)
        for (guint i = 0; (card = template_vector(vm->head.template, kinds[kind], i)); i++) {
            const char *mark = attribute_get(card, MARK);
            if (mark && (!word || strcmp(mark, word) == 0))
                return TRUE;
        }
    return FALSE;
}

static void tell(Lifecycle *lifecycle, Vm *vm)
{
    if (lifecycle_asks(lifecycle, ASKED_GROUPS, vm->head.id, 0))
        return; /* the answer is followed by another question */
    change_mark(lifecycle, vm, OUTDATED, TOLD);
    change_mark(lifecycle, vm, FAILED, TOLD);
    g_autoptr(GArray) ids = secgroup_ids(vm, TRUE);
    for (guint i = 0; i < ids->len; i++) {
        Object *group = pool_get(lifecycle->world, KIND_SECGROUP, g_array_index(ids, gint32, i));
        if (group && ids_remove(SECGROUP(group)->outdated, vm->head.id)) {
            ids_add(SECGROUP(group)->updating, vm->head.id);
            object_touched(lifecycle->world, group);
        }
    }
    DriverRequest *request = vm_hypervisor_request(lifecycle, vm, vm_last_record(vm), "UPDATESG");
    lifecycle_ask(lifecycle, request, ASKED_GROUPS, vm->head.id, 0,
                  lifecycle_timeout(lifecycle, "UPDATESG", UPDATE_SECONDS));
}

static gboolean names(const Vm *vm, gint32 id)
{
    g_autoptr(GArray) ids = secgroup_ids(vm, TRUE);
    return ids_contain(ids, id);
}

/* Machines whose cards do not name the group any more. */
static void drop_others(GArray *list, const GArray *vms)
{
    for (guint i = list->len; i-- > 0;)
        if (!ids_contain(vms, g_array_index(list, gint32, i)))
            g_array_remove_index(list, i);
}

void lifecycle_group_changed(Lifecycle *lifecycle, Object *object, gboolean only_failed)
{
    World *world = lifecycle->world;
    SecurityGroup *group = SECGROUP(object);
    g_autoptr(GArray) vms = secgroup_vms(world, object->id);
    drop_others(group->outdated, vms);
    drop_others(group->updating, vms);
    drop_others(group->failed, vms);
    for (guint i = 0; i < vms->len; i++) {
        gint32 id = g_array_index(vms, gint32, i);
        Vm *vm = vm_get(world, id);
        gboolean failed = ids_remove(group->failed, id);
        if (!is_concerned(lifecycle, vm) || !names(vm, object->id) || (only_failed && !failed))
            continue;
        ids_add(group->outdated, id);
        if (runs(vm))
            tell(lifecycle, vm);
    }
    object_changed(world, object);
}

/* Noted with a group that the machine is in, else with its card, so that whatever stands in the way
 * now, it is told. */
void lifecycle_vm_groups_changed(Lifecycle *lifecycle, Vm *vm, TemplateAttribute *card)
{
    g_autoptr(GArray) ids = secgroup_ids(vm, TRUE);
    if (is_concerned(lifecycle, vm) && !ids->len && secgroup_is_filtered(card)) {
        attribute_set(card, MARK, OUTDATED);
        object_changed(lifecycle->world, &vm->head);
    }
    for (guint i = 0; is_concerned(lifecycle, vm) && i < ids->len; i++) {
        Object *group = pool_get(lifecycle->world, KIND_SECGROUP, g_array_index(ids, gint32, i));
        if (!group)
            continue;
        (void)ids_remove(SECGROUP(group)->failed, vm->head.id);
        ids_add(SECGROUP(group)->outdated, vm->head.id);
        object_changed(lifecycle->world, group);
    }
    if (runs(vm))
        tell(lifecycle, vm);
}

/* Of all groups of the machine. */
static void forget(Lifecycle *lifecycle, Vm *vm)
{
    g_autoptr(GArray) ids = secgroup_ids(vm, FALSE);
    change_mark(lifecycle, vm, OUTDATED, NULL);
    change_mark(lifecycle, vm, TOLD, NULL);
    change_mark(lifecycle, vm, FAILED, NULL);
    g_clear_pointer(&vm->refused, g_free);
    for (guint i = 0; i < ids->len; i++) {
        Object *group = pool_get(lifecycle->world, KIND_SECGROUP, g_array_index(ids, gint32, i));
        if (!group)
            continue;
        gboolean found = ids_remove(SECGROUP(group)->outdated, vm->head.id);
        found |= ids_remove(SECGROUP(group)->updating, vm->head.id);
        found |= ids_remove(SECGROUP(group)->failed, vm->head.id);
        if (found)
            object_changed(lifecycle->world, group);
    }
}

static gboolean is_outdated(Lifecycle *lifecycle, const Vm *vm)
{
    g_autoptr(GArray) ids = secgroup_ids(vm, TRUE);
    for (guint i = 0; i < ids->len; i++) {
        Object *group = pool_get(lifecycle->world, KIND_SECGROUP, g_array_index(ids, gint32, i));
        if (group && ids_contain(SECGROUP(group)->outdated, vm->head.id))
            return TRUE;
    }
    return FALSE;
}

/* `mark`: what its cards may say to have it told; NULL: anything. */
static void follow(Lifecycle *lifecycle, Vm *vm, const char *mark)
{
    if (!is_concerned(lifecycle, vm))
        forget(lifecycle, vm);
    else if (runs(vm) && (has_mark(vm, mark) || is_outdated(lifecycle, vm)))
        tell(lifecycle, vm);
}

void vm_groups_follow(Lifecycle *lifecycle, Vm *vm)
{
    follow(lifecycle, vm, NULL);
}

void vm_groups_retry(Lifecycle *lifecycle, const Host *host)
{
    for (guint i = 0; i < host->vms->len; i++) {
        Vm *vm = vm_get(lifecycle->world, g_array_index(host->vms, gint32, i));
        if (vm && runs(vm) && has_mark(vm, FAILED))
            tell(lifecycle, vm);
    }
}

/* A host that refuses is asked with each of its reports: what it says is said once, again when it
 * says something else, and it is said when it takes them at last. */
static void note_result(Lifecycle *lifecycle, Vm *vm, gboolean success, const char *info)
{
    const char *error = template_get(vm->user_template, "ERROR");
    if (success && vm->refused) {
        log_info("VM", "Machine %s (%d): its host has taken the rules of its security groups",
                 vm->head.name, vm->head.id);
        if (error && g_str_has_suffix(error, vm->refused)) {
            template_set(vm->user_template, "ERROR", NULL);
            object_changed(lifecycle->world, &vm->head);
        }
    }
    if (success)
        vm_log(lifecycle, vm, LOG_INFO, "the rules of its security groups are in force");
    else if (g_strcmp0(vm->refused, info) != 0)
        vm_note_failure(lifecycle, vm, info);
    else if (!error) /* another success took it away */
        vm_set_error(lifecycle, vm, info);
    g_free(vm->refused);
    vm->refused = success ? NULL : g_strdup(info);
}

void vm_groups_answered(Lifecycle *lifecycle, Vm *vm, gboolean success, const char *info)
{
    g_autoptr(GArray) ids = secgroup_ids(vm, FALSE);
    change_mark(lifecycle, vm, TOLD, success ? NULL : FAILED);
    for (guint i = 0; i < ids->len; i++) {
        Object *group = pool_get(lifecycle->world, KIND_SECGROUP, g_array_index(ids, gint32, i));
        if (!group || !ids_remove(SECGROUP(group)->updating, vm->head.id))
            continue;
        if (!success && is_concerned(lifecycle, vm))
            ids_add(SECGROUP(group)->failed, vm->head.id);
        object_changed(lifecycle->world, group);
    }
    if (is_concerned(lifecycle, vm))
        note_result(lifecycle, vm, success, info && *info ? info : "UPDATESG failed, no reason");
    follow(lifecycle, vm, OUTDATED); /* what failed just now waits for a report of the host */
}
