#include "server/model/people/user.h"

#include "server/model/people/acl.h"
#include "server/model/people/quota.h"
#include "server/model/world.h"

#include <string.h>

User *user_get(World *world, gint32 id)
{
    return USER(pool_get(world, KIND_USER, id));
}

Group *group_get(World *world, gint32 id)
{
    return GROUP(pool_get(world, KIND_GROUP, id));
}

gboolean user_is_admin(const User *user)
{
    return (user->head.id == USER_ONEADMIN && !user->is_bound) ||
           ids_contain(user->groups, GROUP_ONEADMIN);
}

gboolean user_id_is_admin(World *world, gint32 id)
{
    const User *user = user_get(world, id);
    return user && user_is_admin(user);
}

static void token_free(gpointer data)
{
    LoginToken *token = data;
    g_free(token->text);
    g_free(token);
}

static User *user_new(gint32 id, const char *name, gint32 gid, Template *template)
{
    User *user = g_new0(User, 1);
    object_init(&user->head, KIND_USER, id, name, template);
    user->head.uid = id;
    user->head.gid = gid;
    user->tokens = g_ptr_array_new_with_free_func(token_free);
    return user;
}

User *user_create(World *world, gint32 id, const char *name, const char *verifier,
                  const char *driver, GArray *groups)
{
    User *user = user_new(id, name, g_array_index(groups, gint32, 0), NULL);
    user->groups = g_array_new(FALSE, FALSE, sizeof(gint32));
    for (guint i = 0; i < groups->len; i++) {
        ids_add(user->groups, g_array_index(groups, gint32, i));
        group_members_changed(world, g_array_index(groups, gint32, i));
    }
    g_array_unref(groups);
    user->password = g_strdup(verifier);
    user->auth_driver = g_strdup(driver);
    user->enabled = TRUE;
    pool_add(world, &user->head);
    return user;
}

Group *group_create(World *world, gint32 id, const char *name)
{
    Group *group = g_new0(Group, 1);
    object_init(&group->head, KIND_GROUP, id, name, NULL);
    group->head.gid = id;
    group->admins = g_array_new(FALSE, FALSE, sizeof(gint32));
    group->vlan_rules = template_new();
    pool_add(world, &group->head);
    return group;
}

/* ---- login tokens ---- */

static const StoreColumn token_columns[] = {{"user", STORE_INT},
                                            {"token", STORE_TEXT},
                                            {"expires", STORE_INT},
                                            {"gid", STORE_INT},
                                            {NULL, STORE_INT}};
const StoreTable login_token_table = {"login_token", 2, token_columns};

static void write_token(World *world, const User *user, const LoginToken *token, gboolean remove)
{
    StoreWrite *row = store_write_new(&login_token_table, remove ? STORE_DELETE : STORE_PUT);
    store_set_int(row, 0, user->head.id);
    store_set_text(row, 1, token->text);
    if (!remove) {
        store_set_int(row, 2, token->expires);
        store_set_int(row, 3, token->gid);
    }
    core_write(world->core, row);
}

static LoginToken *token_new(User *user, const char *text, gint64 expires, gint32 gid)
{
    LoginToken *token = g_new(LoginToken, 1);
    *token = (LoginToken){g_strdup(text), expires, gid};
    g_ptr_array_add(user->tokens, token);
    return token;
}

void user_add_token(World *world, User *user, const char *text, gint64 expires, gint32 gid)
{
    user_remove_token(world, user, text);
    write_token(world, user, token_new(user, text, expires, gid), FALSE);
    object_touched(world, &user->head);
}

gboolean user_remove_token(World *world, User *user, const char *text)
{
    for (guint i = 0; i < user->tokens->len; i++) {
        const LoginToken *token = user->tokens->pdata[i];
        if (strcmp(token->text, text) != 0)
            continue;
        write_token(world, user, token, TRUE);
        g_ptr_array_remove_index(user->tokens, i);
        object_touched(world, &user->head);
        return TRUE;
    }
    return FALSE;
}

void user_remove_tokens(World *world, User *user, gboolean expired_only)
{
    for (guint i = user->tokens->len; i-- > 0;) {
        const LoginToken *token = user->tokens->pdata[i];
        if (expired_only && (token->expires < 0 || token->expires > core_now(world->core)))
            continue;
        write_token(world, user, token, TRUE);
        g_ptr_array_remove_index(user->tokens, i);
        object_touched(world, &user->head);
    }
}

gboolean login_token_load(World *world, const StoreValue *values, GError **error)
{
    User *user = user_get(world, (gint32)values[0].number);
    if (user)
        token_new(user, values[1].text, values[2].number, (gint32)values[3].number);
    return TRUE;
}

guint group_members(World *world, gint32 id)
{
    guint members = 0;
    GPtrArray *users = world->pools[KIND_USER].order;
    for (guint i = 0; i < users->len; i++)
        members += ids_contain(((User *)users->pdata[i])->groups, id);
    return members;
}

/* What an administrator of a group may do with what is the group's: a row a rule. */
static const struct {
    guint64 kinds, rights;
} admin_rules[] = {
    {KIND_BIT(KIND_USER), RIGHT_USE | RIGHT_MANAGE | RIGHT_ADMIN | RIGHT_CREATE},
    {KIND_BIT(KIND_VM) | KIND_BIT(KIND_NET) | KIND_BIT(KIND_IMAGE) | KIND_BIT(KIND_TEMPLATE) |
         KIND_BIT(KIND_DOCUMENT) | KIND_BIT(KIND_SECGROUP) | KIND_BIT(KIND_VROUTER) |
         KIND_BIT(KIND_VMGROUP) | KIND_BIT(KIND_BACKUPJOB),
     RIGHT_USE | RIGHT_MANAGE},
};

gboolean group_add_admin(World *world, Group *group, gint32 uid)
{
    if (ids_contain(group->admins, uid))
        return FALSE;
    ids_add(group->admins, uid);
    object_changed(world, &group->head);
    for (guint i = 0; i < G_N_ELEMENTS(admin_rules); i++)
        acl_create(world, ACL_ONE | (guint32)uid,
                   admin_rules[i].kinds | ACL_GROUP | (guint32)group->head.id,
                   admin_rules[i].rights, ACL_ALL, NULL);
    return TRUE;
}

gboolean group_remove_admin(World *world, Group *group, gint32 uid)
{
    if (!ids_remove(group->admins, uid))
        return FALSE;
    object_changed(world, &group->head);
    for (guint i = 0; i < G_N_ELEMENTS(admin_rules); i++) {
        AclRule *rule = acl_find(world, ACL_ONE | (guint32)uid,
                                 admin_rules[i].kinds | ACL_GROUP | (guint32)group->head.id,
                                 admin_rules[i].rights, ACL_ALL);
        if (rule)
            pool_remove(world, &rule->head);
    }
    return TRUE;
}

void group_members_changed(World *world, gint32 id)
{
    Object *group = pool_get(world, KIND_GROUP, id);
    if (!group)
        return;
    object_touched(world, group);
    if (!world->loading)
        group->changed = world->pools[KIND_GROUP].changed = core_batch(world->core);
}

void user_set_primary_group(World *world, User *user, gint32 gid)
{
    Group *former = group_get(world, user->head.gid);
    group_members_changed(world, user->head.gid);
    if (former && gid != user->head.gid)
        group_remove_admin(world, former, user->head.id); /* who is no member is no administrator */
    ids_remove(user->groups, user->head.gid);
    user->head.gid = gid;
    ids_add(user->groups, gid);
    group_members_changed(world, gid);
    object_changed(world, &user->head);
}

void user_set_groups(World *world, User *user, const GArray *groups, gint32 first)
{
    if (!ids_contain(groups, user->head.gid))
        user_set_primary_group(world, user, first);
    g_autoptr(GArray) before = g_array_copy(user->groups);
    for (guint i = 0; i < before->len; i++) {
        gint32 gid = g_array_index(before, gint32, i);
        if (ids_contain(groups, gid))
            continue;
        group_remove_admin(world, group_get(world, gid), user->head.id);
        ids_remove(user->groups, gid);
        group_members_changed(world, gid);
        object_changed(world, &user->head);
    }
    for (guint i = 0; i < groups->len; i++) {
        gint32 gid = g_array_index(groups, gint32, i);
        if (ids_contain(user->groups, gid))
            continue;
        ids_add(user->groups, gid);
        group_members_changed(world, gid);
        object_changed(world, &user->head);
    }
}

/* The QUOTAS element that follows a user or group in its pool. */
static void render_quotas(World *world, QuotaOwner kind, gint32 id, GString *xml)
{
    g_string_append_printf(xml, "<QUOTAS><ID>%d</ID>", id);
    quota_render(world, kind, id, xml);
    g_string_append(xml, "</QUOTAS>");
}

static void render_user(World *world, Object *object, GString *xml)
{
    User *user = USER(object);
    xml_int(xml, "ID", object->id);
    xml_int(xml, "GID", object->gid);
    xml_ids(xml, "GROUPS", user->groups);
    xml_text(xml, "GNAME", world_group_name(world, object->gid));
    xml_text(xml, "NAME", object->name);
    g_string_append(xml, "<PASSWORD/>");
    xml_cdata(xml, "AUTH_DRIVER", user->auth_driver);
    xml_int(xml, "ENABLED", user->enabled);
    for (guint i = 0; i < user->tokens->len; i++) {
        const LoginToken *token = user->tokens->pdata[i];
        g_string_append(xml, "<LOGIN_TOKEN>");
        xml_text(xml, "TOKEN", token->text);
        xml_int(xml, "EXPIRATION_TIME", token->expires);
        xml_int(xml, "EGID", token->gid);
        g_string_append(xml, "</LOGIN_TOKEN>");
    }
    template_append_xml_element(object->template, "TEMPLATE", xml);
}

static void user_render(World *world, Object *object, GString *xml)
{
    g_string_append(xml, "<USER>");
    render_user(world, object, xml);
    quota_render(world, QUOTA_USER, object->id, xml);
    quota_render_defaults(world, QUOTA_USER, xml);
    g_string_append(xml, "</USER>");
}

static void user_render_brief(World *world, Object *object, GString *xml)
{
    g_string_append(xml, "<USER>");
    render_user(world, object, xml);
    g_string_append(xml, "</USER>");
    render_quotas(world, QUOTA_USER, object->id, xml);
}

static void render_group(World *world, Object *object, GString *xml)
{
    g_autoptr(GArray) members = g_array_new(FALSE, FALSE, sizeof(gint32));
    GPtrArray *users = world->pools[KIND_USER].order;
    for (guint i = 0; i < users->len; i++) {
        User *user = users->pdata[i];
        if (ids_contain(user->groups, object->id))
            g_array_append_val(members, user->head.id);
    }
    xml_int(xml, "ID", object->id);
    xml_text(xml, "NAME", object->name);
    template_append_xml_element(object->template, "TEMPLATE", xml);
    xml_ids(xml, "USERS", members);
    xml_ids(xml, "ADMINS", GROUP(object)->admins);
}

static void render_vlan_rules(const Object *object, GString *xml)
{
    const TemplateAttribute *rule;
    g_string_append_printf(xml, "<VLAN_RULES><ID>%d</ID>", object->id);
    for (guint i = 0; (rule = template_vector(GROUP(object)->vlan_rules, "RULE", i)); i++)
        template_attribute_append_xml(rule, xml);
    g_string_append(xml, "</VLAN_RULES>");
}

static void group_render(World *world, Object *object, GString *xml)
{
    g_string_append(xml, "<GROUP>");
    render_group(world, object, xml);
    quota_render(world, QUOTA_GROUP, object->id, xml);
    render_vlan_rules(object, xml);
    quota_render_defaults(world, QUOTA_GROUP, xml);
    g_string_append(xml, "</GROUP>");
}

static void group_render_brief(World *world, Object *object, GString *xml)
{
    g_string_append(xml, "<GROUP>");
    render_group(world, object, xml);
    g_string_append(xml, "</GROUP>");
    render_quotas(world, QUOTA_GROUP, object->id, xml);
    render_vlan_rules(object, xml);
}

static const StoreColumn user_columns[] = {
    {"id", STORE_INT},      {"name", STORE_TEXT},     {"gid", STORE_INT},
    {"groups", STORE_TEXT}, {"password", STORE_TEXT}, {"auth_driver", STORE_TEXT},
    {"enabled", STORE_INT}, {"template", STORE_TEXT}, {NULL, STORE_INT},
};
static const StoreTable user_table = {"user", 1, user_columns};

static StoreWrite *user_row(World *world, const Object *object)
{
    const User *user = (const User *)object;
    StoreWrite *row = store_write_new(&user_table, STORE_PUT);
    store_set_int(row, 0, object->id);
    store_set_text(row, 1, object->name);
    store_set_int(row, 2, object->gid);
    store_take_text(row, 3, ids_print(user->groups));
    store_set_text(row, 4, user->password);
    store_set_text(row, 5, user->auth_driver);
    store_set_int(row, 6, user->enabled);
    store_take_text(row, 7, template_to_text(object->template));
    return row;
}

static gboolean user_load(World *world, const StoreValue *values, GError **error)
{
    Template *template = template_parse(values[7].text, TEMPLATE_MODERN, error);
    if (!template)
        return FALSE;
    User *user =
        user_new((gint32)values[0].number, values[1].text, (gint32)values[2].number, template);
    user->groups = ids_parse(values[3].text);
    ids_add(user->groups, user->head.gid);
    user->password = g_strdup(values[4].text);
    user->auth_driver = g_strdup(values[5].text);
    user->enabled = values[6].number != 0;
    pool_add(world, &user->head);
    return TRUE;
}

static void user_free(Object *object)
{
    User *user = USER(object);
    g_array_unref(user->groups);
    g_free(user->password);
    g_free(user->auth_driver);
    g_ptr_array_unref(user->tokens);
    object_clear(object);
    g_free(user);
}

static const StoreColumn group_columns[] = {{"id", STORE_INT},          {"name", STORE_TEXT},
                                            {"template", STORE_TEXT},   {"admins", STORE_TEXT},
                                            {"vlan_rules", STORE_TEXT}, {NULL, STORE_INT}};
static const StoreTable group_table = {"groups", 1, group_columns};

static StoreWrite *group_row(World *world, const Object *object)
{
    StoreWrite *row = store_write_new(&group_table, STORE_PUT);
    store_set_int(row, 0, object->id);
    store_set_text(row, 1, object->name);
    store_take_text(row, 2, template_to_text(object->template));
    store_take_text(row, 3, ids_print(((const Group *)object)->admins));
    store_take_text(row, 4, template_to_text(((const Group *)object)->vlan_rules));
    return row;
}

static gboolean group_load(World *world, const StoreValue *values, GError **error)
{
    g_autoptr(Template) template = template_parse(values[2].text, TEMPLATE_MODERN, error);
    Template *rules = template ? template_parse(values[4].text, TEMPLATE_MODERN, error) : NULL;
    if (!rules)
        return FALSE;
    Group *group = g_new0(Group, 1);
    object_init(&group->head, KIND_GROUP, (gint32)values[0].number, values[1].text,
                g_steal_pointer(&template));
    group->vlan_rules = rules;
    group->head.gid = group->head.id;
    group->admins = ids_parse(values[3].text);
    pool_add(world, &group->head);
    return TRUE;
}

static void group_free(Object *object)
{
    g_array_unref(GROUP(object)->admins);
    template_free(GROUP(object)->vlan_rules);
    object_clear(object);
    g_free(object);
}

const KindOperations user_operations = {user_render, user_render_brief, user_row,
                                        user_load,   &user_table,       user_free};
const KindOperations group_operations = {group_render, group_render_brief, group_row,
                                         group_load,   &group_table,       group_free};
