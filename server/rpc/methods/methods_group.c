/* Groups, their administrators, and virtual data centers. */
#include "server/rpc/server_private.h"
#include "server/rpc/template_rules.h"

#include "lib/base/names.h"
#include "server/model/people/vdc.h"
#include "server/model/place/zone.h"

#include <string.h>

/* ---- groups ---- */

RpcReply *group_allocate(Request *request)
{
    World *world = request->world;
    const char *name = arg_text(request, 1, "");
    g_autoptr(GError) error = NULL;
    Object *equal = pool_find(world, KIND_GROUP, name);
    if (!name_check_group(name, &error))
        return reply_error(request, ONE_ERROR_INTERNAL, "%s.", error->message);
    if (equal)
        return reply_error(request, ONE_ERROR_INTERNAL, "NAME is already taken by GROUP %d.",
                           equal->id);
    Group *group = group_create(world, pool_next_id(world, KIND_GROUP), name);
    Object *vdc = pool_get(world, KIND_VDC, 0);
    if (vdc)
        vdc_add_group(world, VDC(vdc), group->head.id);
    return reply_int(request, group->head.id);
}

RpcReply *group_delete(Request *request)
{
    World *world = request->world;
    Object *group = request->object;
    gint32 id = group->id;
    if (id < 100)
        return reply_error(request, ONE_ERROR_ACTION,
                           "Cannot delete group. System Groups (ID < 100) cannot be deleted.");
    if (group_members(world, id))
        return reply_error(request, ONE_ERROR_ACTION, "Cannot delete group. Group %d is not empty.",
                           id);
    acl_forget(world, group);
    pool_remove(world, group);
    return reply_int(request, id);
}

/* RULE = [ ID, SCOPE, VNTEMPLATE ] of a template, with these three and nothing else. NULL with the
 * error. (owned) */
static Template *vlan_rules(Request *request, const Template *given)
{
    static const char *const members[] = {"ID", "SCOPE", "VNTEMPLATE"};
    g_autoptr(Template) rules = template_new();
    const TemplateAttribute *rule;
    for (guint i = 0; (rule = template_vector(given, "RULE", i)); i++) {
        TemplateAttribute *copy = template_add_vector(rules, "RULE");
        for (guint k = 0; k < G_N_ELEMENTS(members); k++) {
            const char *text = attribute_get(rule, members[k]);
            if (!text || !*text)
                return reply_error(request, ONE_ERROR_ACTION,
                                   "RULE %u has no %s: a rule is RULE = [ ID = ..., SCOPE = ..., "
                                   "VNTEMPLATE = ... ]",
                                   i, members[k]),
                       NULL;
            attribute_set(copy, members[k], text);
        }
    }
    if (template_count(given) != template_count(rules))
        return reply_error(request, ONE_ERROR_ACTION,
                           "Rules of VLANs are RULE = [ ID = ..., SCOPE = ..., VNTEMPLATE = ... ] "
                           "each, and nothing else"),
               NULL;
    return g_steal_pointer(&rules);
}

/* Arguments: group, its rules: they take the place of those before. */
RpcReply *group_vlan(Request *request)
{
    Group *group = GROUP(request->object);
    g_autoptr(Template) given = request_template(request, 2);
    Template *rules = given ? vlan_rules(request, given) : NULL;
    if (!rules)
        return NULL;
    template_free(group->vlan_rules);
    group->vlan_rules = rules;
    object_changed(request->world, &group->head);
    return reply_int(request, group->head.id);
}

RpcReply *group_info(Request *request)
{
    return reply_object(request, request->object);
}

/* Group and user of a call, both with the right ADMIN. NULL with the error. */
static User *member_of_call(Request *request)
{
    Object *user = request_object(request, KIND_USER, arg_int(request, 2, -1));
    if (!user)
        return NULL;
    AccessNeed needs[] = {{RIGHT_ADMIN, KIND_GROUP, request->object, FALSE},
                          {RIGHT_ADMIN, KIND_USER, user, FALSE}};
    return access_check(request->world, request->caller, needs, 2, &request->error) ? USER(user)
                                                                                    : NULL;
}

RpcReply *group_addadmin(Request *request)
{
    Group *group = GROUP(request->object);
    User *user = member_of_call(request);
    if (!user)
        return NULL;
    if (!ids_contain(user->groups, group->head.id))
        return reply_error(request, ONE_ERROR_ACTION,
                           "Cannot edit group. User %d is not part of Group %d", user->head.id,
                           group->head.id);
    if (!group_add_admin(request->world, group, user->head.id))
        return reply_error(request, ONE_ERROR_ACTION,
                           "Cannot edit group. User %d is already an administrator of Group %d",
                           user->head.id, group->head.id);
    return reply_int(request, group->head.id);
}

RpcReply *group_deladmin(Request *request)
{
    Group *group = GROUP(request->object);
    User *user = member_of_call(request);
    if (!user)
        return NULL;
    if (!group_remove_admin(request->world, group, user->head.id))
        return reply_error(request, ONE_ERROR_ACTION,
                           "Cannot edit group. User %d is not an administrator of Group %d",
                           user->head.id, group->head.id);
    return reply_int(request, group->head.id);
}

/* ---- virtual data centers ---- */

RpcReply *vdc_allocate(Request *request)
{
    World *world = request->world;
    g_autoptr(Template) template = request_template(request, 1);
    g_autoptr(GError) error = NULL;
    if (!template || !template_fits(world, template, &request->error))
        return NULL;
    const char *name = template_get(template, "NAME");
    Object *equal = name ? pool_find(world, KIND_VDC, name) : NULL;
    if (!name || !*name)
        return reply_error(request, ONE_ERROR_ALLOCATE,
                           "Error allocating a new VDC. No NAME in template for the VDC.");
    if (!name_check(name, &error))
        return reply_error(request, ONE_ERROR_ALLOCATE, "Error allocating a new VDC. %s.",
                           error->message);
    if (equal)
        return reply_error(request, ONE_ERROR_ALLOCATE,
                           "Error allocating a new VDC. NAME is already taken by VDC %d.",
                           equal->id);
    g_autofree char *own = g_strdup(name);
    template_remove(template, "NAME");
    Vdc *vdc = vdc_create(world, pool_next_id(world, KIND_VDC), own, g_steal_pointer(&template));
    return reply_int(request, vdc->head.id);
}

RpcReply *vdc_delete(Request *request)
{
    gint32 id = request->object->id;
    if (id == 0)
        return reply_error(request, ONE_ERROR_ACTION,
                           "Cannot delete VDC. Default VDC (ID 0) cannot be deleted.");
    acl_forget(request->world, request->object);
    vdc_remove(request->world, VDC(request->object));
    return reply_int(request, id);
}

static RpcReply *change_group(Request *request, gboolean add)
{
    Vdc *vdc = VDC(request->object);
    Object *group = request_object(request, KIND_GROUP, arg_int(request, 2, -1));
    if (!group)
        return NULL;
    AccessNeed needs[] = {{RIGHT_ADMIN, KIND_VDC, request->object, FALSE},
                          {RIGHT_ADMIN, KIND_GROUP, group, FALSE}};
    if (!access_check(request->world, request->caller, needs, 2, &request->error))
        return NULL;
    gboolean done = add ? vdc_add_group(request->world, vdc, group->id)
                        : vdc_remove_group(request->world, vdc, group->id);
    if (!done)
        return reply_error(request, ONE_ERROR_ACTION,
                           add ? "Group %d is already assigned to this VDC"
                               : "Group %d is not assigned to this VDC",
                           group->id);
    return reply_int(request, vdc->head.id);
}

RpcReply *vdc_addgroup(Request *request)
{
    return change_group(request, TRUE);
}

RpcReply *vdc_delgroup(Request *request)
{
    return change_group(request, FALSE);
}

/* What the last word of the method's name says: one.vdc.addhost, one.vdc.delvnet ... */
static VdcSort sort_of(const char *method)
{
    static const char *const ends[VDC_SORTS] = {"cluster", "host", "datastore", "vnet"};
    guint sort = 0;
    while (sort + 1 < VDC_SORTS && !g_str_has_suffix(method, ends[sort]))
        sort++;
    return (VdcSort)sort;
}

/* Arguments: VDC, zone, member; -10 is all members of the zone. */
RpcReply *vdc_change_member(Request *request)
{
    World *world = request->world;
    Vdc *vdc = VDC(request->object);
    gint32 zone_id = arg_int(request, 2, -1), id = arg_int(request, 3, -1);
    VdcSort sort = sort_of(request->method->name);
    gboolean add = strstr(request->method->name, ".add") != NULL;
    Object *zone = request_object(request, KIND_ZONE, zone_id);
    if (zone && zone_id != THIS_ZONE)
        return reply_error(
            request, ONE_ERROR_ACTION,
            "Zone %d is another installation: what it has cannot be put into VDCs of "
            "zone %d",
            zone_id, THIS_ZONE);
    Object *member = zone && id != VDC_ALL ? request_object(request, vdc_kind(sort), id) : NULL;
    if (!zone || (id != VDC_ALL && !member))
        return NULL;
    AccessNeed needs[] = {{RIGHT_ADMIN, KIND_VDC, request->object, FALSE},
                          {RIGHT_ADMIN, KIND_ZONE, zone, FALSE},
                          {RIGHT_ADMIN, vdc_kind(sort), member, FALSE}};
    if (!access_check(world, request->caller, needs, 3, &request->error))
        return NULL;
    gboolean done =
        add ? vdc_add_member(world, vdc, sort, id) : vdc_remove_member(world, vdc, sort, id);
    const char *word = kind_row(vdc_kind(sort))->acl_word;
    if (!done)
        return reply_error(request, ONE_ERROR_ACTION,
                           add ? "%s %d is already assigned to this VDC"
                               : "%s %d is not assigned to this VDC",
                           word, id);
    return reply_int(request, vdc->head.id);
}
