#include "server/model/machine/vmgroup.h"

#include "lib/base/error.h"
#include "lib/base/names.h"
#include "server/model/world.h"

#include <string.h>

#define wrong(error, ...) (g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, __VA_ARGS__), FALSE)

/* ---- roles ---- */

void vm_role_free(VmRole *role)
{
    g_free(role->name);
    g_free(role->policy);
    g_free(role->host_affined);
    g_free(role->host_avoids);
    g_array_unref(role->vms);
    g_free(role);
}

static char *text_or_null(const TemplateAttribute *given, const char *name)
{
    const char *text = attribute_get(given, name);
    return text && *text ? g_strstrip(g_strdup(text)) : NULL;
}

static gboolean names_fit(const VmRole *role, const TemplateAttribute *given, GError **error)
{
    /* ID and VMS are the server's: who sends back what it read may send them. */
    static const char *const known[] = {"NAME", "POLICY", "HOST_AFFINED", "HOST_ANTI_AFFINED", "ID",
                                        "VMS",  NULL};
    if (!name_check(role->name, error))
        return FALSE;
    if (strchr(role->name, ','))
        return wrong(error,
                     "The name of a ROLE, \"%s\", has a comma, which separates roles in "
                     "AFFINED and ANTI_AFFINED; use another character",
                     role->name);
    for (guint i = 0; i < given->pairs->len; i++) {
        const TemplatePair *pair = given->pairs->pdata[i];
        if (!g_strv_contains(known, pair->name))
            return wrong(error,
                         "ROLE \"%s\": %s is none of NAME, POLICY, HOST_AFFINED, "
                         "HOST_ANTI_AFFINED",
                         role->name, pair->name);
    }
    return TRUE;
}

static gboolean is_id_list(const char *text)
{
    g_auto(GStrv) items = g_strsplit(text, ",", -1);
    for (guint i = 0; items[i]; i++)
        if (!g_ascii_string_to_unsigned(g_strstrip(items[i]), 10, 0, G_MAXINT32, NULL, NULL))
            return FALSE;
    return TRUE;
}

static gboolean hosts_fit(const VmRole *role, GError **error)
{
    const char *lists[] = {role->host_affined, role->host_avoids};
    for (guint i = 0; i < G_N_ELEMENTS(lists); i++)
        if (lists[i] && !is_id_list(lists[i]))
            return wrong(error, "ROLE \"%s\": %s \"%s\" is no list of ids of hosts such as \"1,2\"",
                         role->name, i ? "HOST_ANTI_AFFINED" : "HOST_AFFINED", lists[i]);
    g_autoptr(GArray) wanted = ids_parse(role->host_affined);
    g_autoptr(GArray) avoided = ids_parse(role->host_avoids);
    for (guint i = 0; i < wanted->len; i++)
        if (ids_contain(avoided, g_array_index(wanted, gint32, i)))
            return wrong(error,
                         "ROLE \"%s\": host %d is in HOST_AFFINED and in HOST_ANTI_AFFINED; "
                         "take it out of one",
                         role->name, g_array_index(wanted, gint32, i));
    return TRUE;
}

static gboolean policy_fits(const VmRole *role, GError **error)
{
    static const char *const policies[] = {"NONE", "AFFINED", "ANTI_AFFINED", NULL};
    return !role->policy || g_strv_contains(policies, role->policy) ||
           wrong(error, "ROLE \"%s\": POLICY \"%s\" is none of NONE, AFFINED, ANTI_AFFINED",
                 role->name, role->policy);
}

VmRole *vm_role_parse(const TemplateAttribute *given, const char *otherwise, GError **error)
{
    g_autoptr(VmRole) role = g_new0(VmRole, 1);
    role->vms = ids_parse(NULL);
    role->name = text_or_null(given, "NAME");
    if (!role->name)
        role->name = g_strdup(otherwise);
    role->policy = text_or_null(given, "POLICY");
    role->host_affined = text_or_null(given, "HOST_AFFINED");
    role->host_avoids = text_or_null(given, "HOST_ANTI_AFFINED");
    if (role->policy)
        for (char *letter = role->policy; *letter; letter++)
            *letter = g_ascii_toupper(*letter);
    if (!role->name) {
        (void)wrong(error, "A ROLE has no NAME: machines take a role by it");
        return NULL;
    }
    if (!names_fit(role, given, error) || !policy_fits(role, error) || !hosts_fit(role, error))
        return NULL;
    return g_steal_pointer(&role);
}

VmRole *vm_group_role(const GPtrArray *roles, const char *name)
{
    for (guint i = 0; name && i < roles->len; i++) {
        VmRole *role = roles->pdata[i];
        if (strcmp(role->name, name) == 0)
            return role;
    }
    return NULL;
}

VmRole *vm_group_role_by_id(const VmGroup *group, gint32 id)
{
    for (guint i = 0; i < group->roles->len; i++) {
        VmRole *role = group->roles->pdata[i];
        if (role->id == id)
            return role;
    }
    return NULL;
}

gint32 vm_group_add_role(VmGroup *group, VmRole *role)
{
    role->id = group->next_role++;
    g_ptr_array_add(group->roles, role);
    return role->id;
}

guint vm_group_machines(const VmGroup *group)
{
    guint count = 0;
    for (guint i = 0; i < group->roles->len; i++)
        count += ((const VmRole *)group->roles->pdata[i])->vms->len;
    return count;
}

/* ---- rules between roles ---- */

static const char *const rules[] = {"AFFINED", "ANTI_AFFINED"};

/* The roles of one rule, "a, b". (owned) */
static char **rule_names(const char *text)
{
    char **names = g_strsplit(text, ",", -1);
    for (guint i = 0; names[i]; i++)
        g_strstrip(names[i]);
    return names;
}

static gboolean rule_fits(const char *rule, const char *text, const GPtrArray *roles,
                          GError **error)
{
    g_auto(GStrv) names = rule_names(text);
    for (guint i = 0; names[i]; i++) {
        if (!vm_group_role(roles, names[i]))
            return wrong(error, "%s = \"%s\" names role \"%s\", which the group does not have",
                         rule, text, names[i]);
        for (guint j = 0; j < i; j++)
            if (strcmp(names[i], names[j]) == 0)
                return wrong(error,
                             "%s = \"%s\" names role \"%s\" twice; what holds within a role "
                             "is its POLICY",
                             rule, text, names[i]);
    }
    return g_strv_length(names) > 1 ||
           wrong(error, "%s = \"%s\" needs two roles or more", rule, text);
}

/* Roles that AFFINED ties together, over several rules too, have one number. (owned) */
static guint *tie_roles(const Template *template, const GPtrArray *roles)
{
    guint *ties = g_new0(guint, roles->len + 1);
    const char *text;
    for (guint i = 0; i < roles->len; i++)
        ties[i] = i;
    for (guint i = 0; (text = template_get_nth(template, "AFFINED", i)); i++) {
        g_auto(GStrv) names = rule_names(text);
        guint first = 0, next = 0;
        (void)g_ptr_array_find((GPtrArray *)roles, vm_group_role(roles, names[0]), &first);
        for (guint j = 1; names[j]; j++) {
            (void)g_ptr_array_find((GPtrArray *)roles, vm_group_role(roles, names[j]), &next);
            for (guint k = 0, old = ties[next]; k < roles->len; k++)
                if (ties[k] == old)
                    ties[k] = ties[first];
        }
    }
    return ties;
}

/* No two roles are both tied together and kept apart. */
static gboolean rules_agree(const Template *template, const GPtrArray *roles, GError **error)
{
    g_autofree guint *ties = tie_roles(template, roles);
    const char *text;
    for (guint i = 0; (text = template_get_nth(template, "ANTI_AFFINED", i)); i++) {
        g_auto(GStrv) names = rule_names(text);
        for (guint j = 0; names[j]; j++)
            for (guint k = 0; k < j; k++) {
                guint a = 0, b = 0;
                (void)g_ptr_array_find((GPtrArray *)roles, vm_group_role(roles, names[j]), &a);
                (void)g_ptr_array_find((GPtrArray *)roles, vm_group_role(roles, names[k]), &b);
                if (ties[a] == ties[b])
                    return wrong(error,
                                 "ANTI_AFFINED = \"%s\" keeps roles \"%s\" and \"%s\" "
                                 "apart, which AFFINED puts together; remove one of them",
                                 text, names[k], names[j]);
            }
    }
    return TRUE;
}

gboolean vm_group_rules_fit(const Template *template, const GPtrArray *roles, GError **error)
{
    for (guint which = 0; which < G_N_ELEMENTS(rules); which++) {
        const char *text;
        if (template_vector(template, rules[which], 0))
            return wrong(error, "%s is a list of roles such as \"front, back\", not [ ... ]",
                         rules[which]);
        for (guint i = 0; (text = template_get_nth(template, rules[which], i)); i++)
            if (!rule_fits(rules[which], text, roles, error))
                return FALSE;
    }
    return rules_agree(template, roles, error);
}

const char *vm_group_rule_with(const VmGroup *group, const char *role)
{
    const char *text;
    for (guint which = 0; which < G_N_ELEMENTS(rules); which++)
        for (guint i = 0; (text = template_get_nth(group->head.template, rules[which], i)); i++) {
            g_auto(GStrv) names = rule_names(text);
            if (g_strv_contains((const char *const *)names, role))
                return rules[which];
        }
    return NULL;
}

/* ---- machines ---- */

/* The role that a machine's template names; NULL: none that exists. */
static VmRole *role_of(World *world, const Vm *vm, Object **group)
{
    const TemplateAttribute *given = template_vector(vm->head.template, "VMGROUP", 0);
    gint64 id;
    if (!given || !attribute_get_int(given, "VMGROUP_ID", &id) || id != (gint32)id ||
        !(*group = pool_get(world, KIND_VMGROUP, (gint32)id)))
        return NULL;
    return vm_group_role(VMGROUP(*group)->roles, attribute_get(given, "ROLE"));
}

void vm_group_leave(World *world, Vm *vm)
{
    Object *group = NULL;
    VmRole *role = role_of(world, vm, &group);
    if (role && ids_remove(role->vms, vm->head.id))
        object_touched(world, group);
}

void vm_group_count(World *world, Vm *vm)
{
    Object *group = NULL;
    VmRole *role = role_of(world, vm, &group);
    if (vm->state == VM_DONE) {
        vm_group_leave(world, vm);
    } else if (role) {
        ids_add(role->vms, vm->head.id);
        object_touched(world, group);
    }
}

void vm_group_check(World *world, GPtrArray *problems)
{
    const GPtrArray *vms = world->pools[KIND_VM].order;
    const GPtrArray *groups = world->pools[KIND_VMGROUP].order;
    guint named = 0, counted = 0;
    for (guint i = 0; i < vms->len; i++) {
        const Vm *vm = vms->pdata[i];
        Object *group = NULL;
        const VmRole *role = role_of(world, vm, &group);
        gboolean in = role && ids_contain(role->vms, vm->head.id);
        named += role && vm->state != VM_DONE;
        if (role && in != (vm->state != VM_DONE))
            g_ptr_array_add(problems,
                            g_strdup_printf("group %d of machines %s machine %d, which %s",
                                            group->id, in ? "counts" : "misses", vm->head.id,
                                            in ? "is DONE" : "names it"));
        if (!role && vm->state != VM_DONE && template_vector(vm->head.template, "VMGROUP", 0))
            g_ptr_array_add(problems,
                            g_strdup_printf("machine %d names a group or role of machines that "
                                            "does not exist",
                                            vm->head.id));
    }
    for (guint i = 0; i < groups->len; i++)
        counted += vm_group_machines(groups->pdata[i]);
    if (counted != named)
        g_ptr_array_add(problems, g_strdup_printf("groups of machines count %u machines, but %u "
                                                  "name them",
                                                  counted, named));
}

/* ---- the object ---- */

static void vmgroup_render(World *world, Object *object, GString *xml)
{
    const GPtrArray *all = VMGROUP(object)->roles;
    g_string_append(xml, "<VM_GROUP>");
    xml_int(xml, "ID", object->id);
    xml_owner(world, object, xml);
    xml_text(xml, "NAME", object->name);
    xml_permissions(object, xml);
    xml_lock(object, xml);
    g_string_append(xml, "<ROLES>");
    for (guint i = 0; i < all->len; i++) {
        const VmRole *role = all->pdata[i];
        g_autofree char *vms = role->vms->len ? ids_print(role->vms) : NULL;
        g_string_append(xml, "<ROLE>");
        if (role->host_affined)
            xml_cdata(xml, "HOST_AFFINED", role->host_affined);
        if (role->host_avoids)
            xml_cdata(xml, "HOST_ANTI_AFFINED", role->host_avoids);
        xml_int(xml, "ID", role->id);
        xml_cdata(xml, "NAME", role->name);
        if (role->policy)
            xml_cdata(xml, "POLICY", role->policy);
        if (vms)
            xml_cdata(xml, "VMS", vms);
        g_string_append(xml, "</ROLE>");
    }
    g_string_append(xml, "</ROLES>");
    template_append_xml_element(object->template, "TEMPLATE", xml);
    g_string_append(xml, "</VM_GROUP>");
}

static const StoreColumn columns[] = {
    HEAD_COLUMNS,      {"next_role", STORE_INT}, {"roles", STORE_TEXT}, {"template", STORE_TEXT},
    {NULL, STORE_INT},
};
static const StoreTable table = {"vm_group", 1, columns};

/* In the template language: ROLE = [ ... ], with ID. (owned) */
static char *roles_print(const GPtrArray *all)
{
    g_autoptr(Template) template = template_new();
    for (guint i = 0; i < all->len; i++) {
        const VmRole *role = all->pdata[i];
        TemplateAttribute *into = template_add_vector(template, "ROLE");
        attribute_set_int(into, "ID", role->id);
        attribute_set(into, "NAME", role->name);
        attribute_set(into, "POLICY", role->policy);
        attribute_set(into, "HOST_AFFINED", role->host_affined);
        attribute_set(into, "HOST_ANTI_AFFINED", role->host_avoids);
    }
    return template_to_text(template);
}

static StoreWrite *vmgroup_row(World *world, const Object *object)
{
    const VmGroup *group = (const VmGroup *)object;
    StoreWrite *row = store_write_new(&table, STORE_PUT);
    guint i = head_to_row(object, row);
    store_set_int(row, i++, group->next_role);
    store_take_text(row, i++, roles_print(group->roles));
    store_take_text(row, i++, template_to_text(object->template));
    return row;
}

static VmGroup *group_new(gint32 id, const char *name, Template *template)
{
    VmGroup *group = g_new0(VmGroup, 1);
    object_init(&group->head, KIND_VMGROUP, id, name, template);
    group->roles = g_ptr_array_new_with_free_func((GDestroyNotify)vm_role_free);
    return group;
}

static gboolean load_roles(VmGroup *group, const char *text, GError **error)
{
    g_autoptr(Template) all = template_parse(text, TEMPLATE_MODERN, error);
    const TemplateAttribute *given;
    for (guint i = 0; all && (given = template_vector(all, "ROLE", i)); i++) {
        gint64 id = 0;
        VmRole *role = vm_role_parse(given, NULL, error);
        if (!role)
            return FALSE;
        (void)attribute_get_int(given, "ID", &id);
        role->id = (gint32)id;
        g_ptr_array_add(group->roles, role);
    }
    return all != NULL;
}

static void vmgroup_free(Object *object)
{
    g_ptr_array_unref(VMGROUP(object)->roles);
    object_clear(object);
    g_free(object);
}

static gboolean vmgroup_load(World *world, const StoreValue *values, GError **error)
{
    const StoreValue *own = values + HEAD_END;
    Template *template = template_parse(own[2].text, TEMPLATE_MODERN, error);
    if (!template)
        return FALSE;
    VmGroup *group = group_new((gint32)values[0].number, values[1].text, template);
    head_from_row(&group->head, values);
    group->next_role = (gint32)own[0].number;
    if (!load_roles(group, own[1].text, error)) {
        vmgroup_free(&group->head);
        return FALSE;
    }
    pool_add(world, &group->head);
    return TRUE;
}

VmGroup *vm_group_create(World *world, const char *name, gint32 uid, gint32 gid, Template *template,
                         GPtrArray *roles)
{
    VmGroup *group = group_new(pool_next_id(world, KIND_VMGROUP), name, template);
    group->head.uid = uid;
    group->head.gid = gid;
    for (guint i = 0; i < roles->len; i++)
        vm_group_add_role(group, roles->pdata[i]);
    g_ptr_array_set_free_func(roles, NULL);
    g_ptr_array_unref(roles);
    pool_add(world, &group->head);
    return group;
}

const KindOperations vmgroup_operations = {vmgroup_render, NULL,   vmgroup_row,
                                           vmgroup_load,   &table, vmgroup_free};
