/*
 * Groups of machines: roles that machines take, and rules about which hosts they share or avoid.
 * The server keeps them consistent; the scheduler obeys them. A machine names its group and role in
 * VMGROUP = [ VMGROUP_ID, ROLE ] of its template, which is the only record of membership: the lists
 * of a role are made from it. Shape: OpenNebula's vm_group.xsd.
 */
#pragma once

#include "server/model/object.h"
#include "server/model/machine/vm.h"

typedef struct VmRole {
    gint32 id; /* within the group; never given twice */
    char *name;
    char *policy;                     /* NONE, AFFINED, ANTI_AFFINED; NULL: not said */
    char *host_affined, *host_avoids; /* ids of hosts, "1,2"; NULL: none */
    GArray *vms;                      /* of gint32, machines that are not DONE */
} VmRole;

typedef struct VmGroup {
    Object head;
    gint32 next_role;
    GPtrArray *roles; /* of VmRole, by id */
} VmGroup;

#define VMGROUP(object) ((VmGroup *)(object))

/* Checks. Each answers FALSE, or NULL, with an error of ONE_ERROR_INTERNAL that says what to do. */

/* A role from ROLE = [ NAME, POLICY, HOST_AFFINED, HOST_ANTI_AFFINED ]; `otherwise` is its name
 * when none is given, or NULL. (owned) */
VmRole *vm_role_parse(const TemplateAttribute *given, const char *otherwise, GError **error);
void vm_role_free(VmRole *role);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmRole, vm_role_free)
/* AFFINED and ANTI_AFFINED of the template name roles among these, and do not contradict. */
gboolean vm_group_rules_fit(const Template *template, const GPtrArray *roles, GError **error);

/* A new group; template and roles (of VmRole, without ids yet) are taken. */
VmGroup *vm_group_create(World *world, const char *name, gint32 uid, gint32 gid, Template *template,
                         GPtrArray *roles);
/* Adds a role, taken; returns its id. */
gint32 vm_group_add_role(VmGroup *group, VmRole *role);
VmRole *vm_group_role(const GPtrArray *roles, const char *name); /* NULL: there is none */
VmRole *vm_group_role_by_id(const VmGroup *group, gint32 id);
/* The first of AFFINED and ANTI_AFFINED in which the role stands; NULL: in none. */
const char *vm_group_rule_with(const VmGroup *group, const char *role);
/* Machines of all roles. */
guint vm_group_machines(const VmGroup *group);

/* Enters a machine in the role that its template names, or takes it out when it is DONE. */
void vm_group_count(World *world, Vm *vm);
/* Takes it out before its template names another, or none. */
void vm_group_leave(World *world, Vm *vm);
/* Adds a line for each machine that a group counts wrongly. */
void vm_group_check(World *world, GPtrArray *problems);

extern const KindOperations vmgroup_operations;
