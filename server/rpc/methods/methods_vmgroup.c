/* Groups of machines, their roles, and the machines in them. */
#include "server/rpc/server_private.h"
#include "server/rpc/vm_group.h"

#include "lib/base/error.h"
#include "lib/base/names.h"
#include "server/lifecycle/lifecycle.h"
#include "server/model/machine/vmgroup.h"

#include <string.h>

/* Roles of one group at most. */
#define ROLES_MAX 256

/* ---- roles ---- */

/* Every ROLE of a template, which loses them; NULL with the error. (of VmRole, owned) */
static GPtrArray *take_roles(Request *request, Template *template)
{
    g_autoptr(GPtrArray) roles = g_ptr_array_new_with_free_func((GDestroyNotify)vm_role_free);
    const TemplateAttribute *given;
    if (template_vector(template, "ROLE", ROLES_MAX))
        return reply_error(request, ONE_ERROR_ALLOCATE, "A VM group has at most %d of ROLE",
                           ROLES_MAX),
               NULL;
    for (guint i = 0; (given = template_vector(template, "ROLE", i)); i++) {
        VmRole *role = vm_role_parse(given, NULL, &request->error);
        if (!role)
            return NULL;
        gboolean known = vm_group_role(roles, role->name) != NULL;
        g_ptr_array_add(roles, role);
        if (known)
            return reply_error(request, ONE_ERROR_ALLOCATE, "Two of ROLE have the NAME \"%s\"",
                               role->name),
                   NULL;
    }
    template_remove(template, "ROLE");
    return g_steal_pointer(&roles);
}

/* The one ROLE = [ ... ] of an argument. NULL with the error. (owned) */
static VmRole *given_role(Request *request, guint argument, const char *otherwise)
{
    g_autoptr(Template) template = request_template(request, argument);
    if (!template)
        return NULL;
    const TemplateAttribute *given = template_vector(template, "ROLE", 0);
    if (!given || template_vector(template, "ROLE", 1)) {
        reply_error(request, ONE_ERROR_ACTION,
                    "One ROLE = [ NAME = ..., POLICY = ... ] is needed, and no more");
        return NULL;
    }
    return vm_role_parse(given, otherwise, &request->error);
}

/* The role that argument 2 names. NULL with the error. */
static VmRole *asked_role(Request *request)
{
    gint32 id = arg_int(request, 2, -1);
    VmRole *role = vm_group_role_by_id(VMGROUP(request->object), id);
    if (!role)
        reply_error(request, ONE_ERROR_ACTION, "VM group %d has no role with ID %d",
                    request->object->id, id);
    return role;
}

/* A role keeps its name while machines or rules name it. FALSE with the error. */
static gboolean may_lose_name(Request *request, const VmRole *role, const char *what)
{
    const char *rule = vm_group_rule_with(VMGROUP(request->object), role->name);
    if (role->vms->len)
        return reply_error(request, ONE_ERROR_ACTION,
                           "Cannot %s role \"%s\": it has %u machines, first %d; take them out "
                           "with vmgroupdel",
                           what, role->name, role->vms->len,
                           g_array_index(role->vms, gint32, 0)) != NULL;
    if (rule)
        return reply_error(request, ONE_ERROR_ACTION,
                           "Cannot %s role \"%s\": %s names it; change that with update", what,
                           role->name, rule) != NULL;
    return TRUE;
}

/* ---- handlers ---- */

RpcReply *vmgroup_allocate(Request *request)
{
    g_autoptr(Template) template = request_template(request, 1);
    if (!template ||
        !request_own_name_is_free(request, KIND_VMGROUP, template_get(template, "NAME")))
        return NULL;
    g_autoptr(GPtrArray) roles = take_roles(request, template);
    if (!roles || !vm_group_rules_fit(template, roles, &request->error))
        return NULL;
    g_autofree char *name = g_strdup(template_get(template, "NAME"));
    template_remove(template, "NAME");
    VmGroup *group =
        vm_group_create(request->world, name, request->caller->head.id, request->caller->head.gid,
                        g_steal_pointer(&template), g_steal_pointer(&roles));
    group->head.permissions = request_new_permissions(request);
    return reply_int(request, group->head.id);
}

RpcReply *vmgroup_delete(Request *request)
{
    gint32 id = request->object->id;
    guint machines = vm_group_machines(VMGROUP(request->object));
    if (machines)
        return reply_error(request, ONE_ERROR_ACTION,
                           "Cannot delete VM group %d: %u machines are in it; terminate them or "
                           "take them out with vmgroupdel",
                           id, machines);
    acl_forget(request->world, request->object);
    pool_remove(request->world, request->object);
    return reply_int(request, id);
}

RpcReply *vmgroup_update(Request *request)
{
    Object *object = request->object;
    g_autoptr(Template) change = request_template(request, 2);
    gint32 append = arg_int(request, 3, 0);
    if (!change)
        return NULL;
    if (append != 0 && append != 1)
        return reply_error(request, ONE_ERROR_RPC_API, "Wrong update type");
    if (template_vector(change, "ROLE", 0) || template_get(change, "ROLE"))
        return reply_error(request, ONE_ERROR_ACTION,
                           "ROLE is not changed by update; use roleadd, roleupdate, roledelete");
    g_autoptr(Template) after = append ? template_copy(object->template) : template_copy(change);
    if (append)
        template_merge(after, change);
    if (!vm_group_rules_fit(after, VMGROUP(object)->roles, &request->error) ||
        !request_change_template(request, &object->template, g_steal_pointer(&change), append))
        return NULL;
    object_changed(request->world, object);
    return reply_int(request, object->id);
}

RpcReply *vmgroup_roleadd(Request *request)
{
    VmGroup *group = VMGROUP(request->object);
    g_autoptr(VmRole) role = given_role(request, 2, NULL);
    if (!role)
        return NULL;
    if (vm_group_role(group->roles, role->name))
        return reply_error(request, ONE_ERROR_ACTION, "VM group %d has a role \"%s\" already",
                           group->head.id, role->name);
    if (group->roles->len >= ROLES_MAX)
        return reply_error(request, ONE_ERROR_ACTION, "A VM group has at most %d of ROLE",
                           ROLES_MAX);
    vm_group_add_role(group, g_steal_pointer(&role));
    object_changed(request->world, &group->head);
    return reply_int(request, group->head.id);
}

RpcReply *vmgroup_roledelete(Request *request)
{
    VmGroup *group = VMGROUP(request->object);
    VmRole *role = asked_role(request);
    if (!role || !may_lose_name(request, role, "delete"))
        return NULL;
    g_ptr_array_remove(group->roles, role);
    object_changed(request->world, &group->head);
    return reply_int(request, group->head.id);
}

/* The role is what is given; it keeps its name when no other is. */
RpcReply *vmgroup_roleupdate(Request *request)
{
    VmGroup *group = VMGROUP(request->object);
    VmRole *now = asked_role(request);
    g_autoptr(VmRole) given = now ? given_role(request, 3, now->name) : NULL;
    if (!given)
        return NULL;
    if (strcmp(given->name, now->name) != 0) {
        if (!may_lose_name(request, now, "rename"))
            return NULL;
        if (vm_group_role(group->roles, given->name))
            return reply_error(request, ONE_ERROR_ACTION, "VM group %d has a role \"%s\" already",
                               group->head.id, given->name);
    }
    VmRole old = *now;
    now->name = g_steal_pointer(&given->name);
    now->policy = g_steal_pointer(&given->policy);
    now->host_affined = g_steal_pointer(&given->host_affined);
    now->host_avoids = g_steal_pointer(&given->host_avoids);
    given->name = old.name;
    given->policy = old.policy;
    given->host_affined = old.host_affined;
    given->host_avoids = old.host_avoids;
    object_changed(request->world, &group->head);
    return reply_int(request, group->head.id);
}

/* ---- machines ---- */

#define refuse(error, ...) (g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, __VA_ARGS__), NULL)

/* The group that VMGROUP of a template names, by id or by name and owner. NULL with the error. */
static Object *find_group(World *world, const User *user, const TemplateAttribute *given,
                          GError **error)
{
    const char *id = attribute_get(given, "VMGROUP_ID"),
               *name = attribute_get(given, "VMGROUP_NAME");
    const char *owner = attribute_get(given, "VMGROUP_UNAME");
    gint64 number;
    Object *group = NULL;
    if (id && *id) {
        if (attribute_get_int(given, "VMGROUP_ID", &number) && number == (gint32)number)
            group = pool_get(world, KIND_VMGROUP, (gint32)number);
        return group ? group : refuse(error, "VM group with ID: %s does not exist", id);
    }
    if (!name || !*name)
        return refuse(error, "VMGROUP names no group: it needs VMGROUP_ID or VMGROUP_NAME");
    gint64 uid = user->head.id;
    if (owner) {
        const Object *named = pool_find(world, KIND_USER, owner);
        uid = named ? named->id : -1;
    } else {
        (void)attribute_get_int(given, "VMGROUP_UID", &uid);
    }
    group = uid == (gint32)uid ? pool_find_own(world, KIND_VMGROUP, (gint32)uid, name) : NULL;
    return group ? group
                 : refuse(error,
                          "User %" G_GINT64_FORMAT " does not own a VM group with name: %s . Set "
                          "VMGROUP_UNAME or VMGROUP_UID of owner in VMGROUP, or VMGROUP_ID.",
                          uid, name);
}

gboolean vm_group_for_machine(World *world, const User *user, Template *template, GError **error)
{
    TemplateAttribute *given = template_vector(template, "VMGROUP", 0);
    if (template_get(template, "VMGROUP") || template_vector(template, "VMGROUP", 1))
        return refuse(error,
                      "A machine has one VMGROUP = [ VMGROUP_ID = ..., ROLE = ... ] at most") !=
               NULL;
    if (!given)
        return TRUE;
    Object *group = find_group(world, user, given, error);
    const char *role = attribute_get(given, "ROLE");
    AccessNeed need = {RIGHT_USE, KIND_VMGROUP, group, FALSE};
    if (!group || !access_check(world, user, &need, 1, error))
        return FALSE;
    if (!vm_group_role(VMGROUP(group)->roles, role))
        return refuse(error,
                      "VM group %d has no role \"%s\": set ROLE in VMGROUP to one of its own",
                      group->id, role ? role : "") != NULL;
    attribute_set_int(given, "VMGROUP_ID", group->id);
    return TRUE;
}

static void note(Request *request, Vm *vm, gint number)
{
    VmAsker asker = request_asker(request);
    vm_note_change(request->lifecycle, vm, number, &asker);
    object_changed(request->world, &vm->head);
}

/* Arguments: machine, group, name of the role. */
RpcReply *vm_method_vmgroupadd(Request *request)
{
    Vm *vm = VM(request->object);
    gint32 id = arg_int(request, 2, -1);
    const TemplateAttribute *now = template_vector(vm->head.template, "VMGROUP", 0);
    Object *group = request_object(request, KIND_VMGROUP, id);
    if (!group || !request_may(request, RIGHT_USE, KIND_VMGROUP, group))
        return NULL;
    if (vm->state == VM_DONE)
        return reply_error(request, ONE_ERROR_ACTION, "Machine %d is done: it takes no role",
                           vm->head.id);
    if (now)
        return reply_error(request, ONE_ERROR_ACTION,
                           "Machine %d is in VM group %s, role \"%s\"; take it out first, with "
                           "vmgroupdel",
                           vm->head.id, attribute_get(now, "VMGROUP_ID"),
                           attribute_get(now, "ROLE"));
    if (!vm_group_role(VMGROUP(group)->roles, arg_text(request, 3, "")))
        return reply_error(request, ONE_ERROR_ACTION, "VM group %d has no role \"%s\"", id,
                           arg_text(request, 3, ""));
    TemplateAttribute *given = template_add_vector(vm->head.template, "VMGROUP");
    attribute_set(given, "ROLE", arg_text(request, 3, ""));
    attribute_set_int(given, "VMGROUP_ID", id);
    vm_group_count(request->world, vm);
    note(request, vm, VM_ACTION_VMGROUP_ADD);
    return reply_int(request, vm->head.id);
}

RpcReply *vm_method_vmgroupdel(Request *request)
{
    Vm *vm = VM(request->object);
    if (!template_vector(vm->head.template, "VMGROUP", 0))
        return reply_error(request, ONE_ERROR_ACTION, "Machine %d is in no VM group", vm->head.id);
    vm_group_leave(request->world, vm);
    template_remove(vm->head.template, "VMGROUP");
    note(request, vm, VM_ACTION_VMGROUP_DEL);
    return reply_int(request, vm->head.id);
}
