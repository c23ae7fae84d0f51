#include "server/model/people/acl.h"

#include "lib/base/error.h"
#include "server/model/people/vdc.h"
#include "server/model/world.h"

#include <stdlib.h>

#define LOWER(word) ((gint32)((word)&0xffffffff))
#define KINDS_MASK  (((G_GUINT64_CONSTANT(1) << KIND_COUNT) - 1) << 36)

static void print_id(GString *text, guint64 word)
{
    if (word & ACL_ALL)
        g_string_append_c(text, '*');
    else
        g_string_append_printf(text, "%s%d",
                               word & ACL_ONE       ? "#"
                               : word & ACL_GROUP   ? "@"
                               : word & ACL_CLUSTER ? "%"
                                                    : "??",
                               LOWER(word));
}

char *acl_print(guint64 user, guint64 resource, guint64 rights, guint64 zone)
{
    static const char *const words[] = {"USE", "MANAGE", "ADMIN", "CREATE"};
    GString *text = g_string_new(NULL);
    print_id(text, user);
    g_string_append_c(text, ' ');
    gsize start = text->len;
    for (gint kind = 0; kind < KIND_COUNT; kind++)
        if (resource & KIND_BIT(kind))
            g_string_append_printf(text, "%s%s", text->len > start ? "+" : "",
                                   kind_row(kind)->acl_word);
    g_string_append_c(text, '/');
    print_id(text, resource);
    g_string_append_c(text, ' ');
    start = text->len;
    for (guint i = 0; i < 4; i++)
        if (rights & (1u << i))
            g_string_append_printf(text, "%s%s", text->len > start ? "+" : "", words[i]);
    g_string_append_c(text, ' ');
    print_id(text, zone);
    return g_string_free(text, FALSE);
}

static void complain(GString *problems, gboolean wrong, const char *text)
{
    if (wrong)
        g_string_append_printf(problems, "%s%s", problems->len ? "; " : "", text);
}

static void check_existence(World *world, GString *problems, guint64 user, guint64 resource)
{
    g_autofree char *text = NULL;
    if (user & ACL_ONE && !pool_get(world, KIND_USER, LOWER(user)))
        text = g_strdup_printf("User %d does not exist", LOWER(user));
    else if (user & ACL_GROUP && !pool_get(world, KIND_GROUP, LOWER(user)))
        text = g_strdup_printf("Group %d does not exist", LOWER(user));
    complain(problems, text != NULL, text);
    g_clear_pointer(&text, g_free);
    if (resource & ACL_GROUP && !pool_get(world, KIND_GROUP, LOWER(resource)))
        text = g_strdup_printf("Group %d does not exist", LOWER(resource));
    else if (resource & ACL_CLUSTER && !pool_get(world, KIND_CLUSTER, LOWER(resource)))
        text = g_strdup_printf("Cluster %d does not exist", LOWER(resource));
    complain(problems, text != NULL, text);
}

static guint kinds_of_id(guint64 word, guint64 allowed)
{
    return (guint)__builtin_popcountll(word & allowed);
}

static char *malformed(World *world, guint64 user, guint64 resource, guint64 rights, guint64 zone)
{
    const guint64 person = ACL_ONE | ACL_GROUP | ACL_ALL;
    GString *problems = g_string_new(NULL);
    complain(problems, kinds_of_id(user, person) == 0,
             "[user] is missing one of the INDIVIDUAL, GROUP or ALL bits");
    complain(problems, kinds_of_id(user, person) > 1,
             "[user] INDIVIDUAL, GROUP and ALL bits are exclusive");
    complain(problems, user & ACL_ALL && LOWER(user),
             "[user] when using the ALL bit, the ID must be 0");
    complain(problems, kinds_of_id(resource, person | ACL_CLUSTER) == 0,
             "[resource] is missing one of the INDIVIDUAL, GROUP, CLUSTER or ALL bits");
    complain(problems, kinds_of_id(resource, person | ACL_CLUSTER) > 1,
             "[resource] INDIVIDUAL, GROUP, CLUSTER and ALL bits are exclusive");
    complain(problems, resource & ACL_ALL && LOWER(resource),
             "[resource] when using the ALL bit, the ID must be 0");
    complain(problems, !(resource & KINDS_MASK), "[resource] type is missing");
    complain(problems, (resource & ~(KINDS_MASK | G_GUINT64_CONSTANT(0xfffffffff))) != 0,
             "[resource] wrong type, it contains bits of no known kind");
    complain(problems, !(rights & 0xf) || rights & ~G_GUINT64_CONSTANT(0xf), "wrong [rights]");
    complain(problems, kinds_of_id(zone, ACL_ONE | ACL_ALL) != 1,
             "[zone] is missing one of the INDIVIDUAL or ALL bits");
    complain(problems, zone & ACL_ONE && !pool_get(world, KIND_ZONE, LOWER(zone)),
             "[zone] does not exist");
    if (problems->len == 0)
        check_existence(world, problems, user, resource);
    return g_string_free(problems, problems->len == 0);
}

AclRule *acl_find(World *world, guint64 user, guint64 resource, guint64 rights, guint64 zone)
{
    GPtrArray *rules = world->pools[KIND_ACL].order;
    for (guint i = 0; i < rules->len; i++) {
        AclRule *rule = rules->pdata[i];
        if (rule->user == user && rule->resource == resource && rule->rights == rights &&
            rule->zone == zone)
            return rule;
    }
    return NULL;
}

AclRule *acl_create(World *world, guint64 user, guint64 resource, guint64 rights, guint64 zone,
                    GError **error)
{
    g_autofree char *problems = malformed(world, user, resource, rights, zone);
    if (problems) {
        g_autofree char *text = acl_print(user, resource, rights, zone);
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "Rule %s is malformed: %s.", text,
                    problems);
        return NULL;
    }
    AclRule *equal = acl_find(world, user, resource, rights, zone);
    if (equal) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "Rule already exists as ACL %d",
                    equal->head.id);
        return NULL;
    }
    AclRule *rule = g_new0(AclRule, 1);
    object_init(&rule->head, KIND_ACL, pool_next_id(world, KIND_ACL), "", NULL);
    rule->user = user;
    rule->resource = resource;
    rule->rights = rights;
    rule->zone = zone;
    pool_add(world, &rule->head);
    return rule;
}

void acl_forget(World *world, const Object *object)
{
    guint64 id = (guint32)object->id;
    guint64 as_user = object->kind == KIND_USER    ? ACL_ONE | id
                      : object->kind == KIND_GROUP ? ACL_GROUP | id
                                                   : 0;
    guint64 as_place = object->kind == KIND_GROUP     ? ACL_GROUP | id
                       : object->kind == KIND_CLUSTER ? ACL_CLUSTER | id
                                                      : 0;
    guint64 exact = KIND_BIT(object->kind) | ACL_ONE | id;
    vdc_forget(world, object);
    GPtrArray *rules = world->pools[KIND_ACL].order;
    for (guint i = rules->len; i-- > 0;) {
        AclRule *rule = rules->pdata[i];
        if ((as_user && rule->user == as_user) || rule->resource == exact ||
            (as_place && (rule->resource & ~KINDS_MASK) == as_place))
            pool_remove(world, &rule->head);
    }
}

static void acl_render(World *world, Object *object, GString *xml)
{
    AclRule *rule = ACL_RULE(object);
    g_autofree char *text = acl_print(rule->user, rule->resource, rule->rights, rule->zone);
    g_string_append(xml, "<ACL>");
    xml_int(xml, "ID", object->id);
    g_string_append_printf(xml,
                           "<USER>%" G_GINT64_MODIFIER "x</USER><RESOURCE>%" G_GINT64_MODIFIER
                           "x</RESOURCE><RIGHTS>%" G_GINT64_MODIFIER
                           "x</RIGHTS><ZONE>%" G_GINT64_MODIFIER "x</ZONE>",
                           rule->user, rule->resource, rule->rights, rule->zone);
    xml_text(xml, "STRING", text);
    g_string_append(xml, "</ACL>");
}

static const StoreColumn columns[] = {
    {"id", STORE_INT},      {"user", STORE_TEXT}, {"resource", STORE_TEXT},
    {"rights", STORE_TEXT}, {"zone", STORE_TEXT}, {NULL, STORE_INT},
};
static const StoreTable table = {"acl", 1, columns};

static StoreWrite *acl_row(World *world, const Object *object)
{
    const AclRule *rule = (const AclRule *)object;
    const guint64 words[] = {rule->user, rule->resource, rule->rights, rule->zone};
    StoreWrite *row = store_write_new(&table, STORE_PUT);
    store_set_int(row, 0, object->id);
    for (guint i = 0; i < 4; i++)
        store_take_text(row, i + 1, g_strdup_printf("%" G_GINT64_MODIFIER "x", words[i]));
    return row;
}

static gboolean acl_load(World *world, const StoreValue *values, GError **error)
{
    AclRule *rule = g_new0(AclRule, 1);
    object_init(&rule->head, KIND_ACL, (gint32)values[0].number, "", NULL);
    rule->user = g_ascii_strtoull(values[1].text, NULL, 16);
    rule->resource = g_ascii_strtoull(values[2].text, NULL, 16);
    rule->rights = g_ascii_strtoull(values[3].text, NULL, 16);
    rule->zone = g_ascii_strtoull(values[4].text, NULL, 16);
    pool_add(world, &rule->head);
    return TRUE;
}

static void acl_free(Object *object)
{
    object_clear(object);
    g_free(object);
}

const KindOperations acl_operations = {acl_render, NULL, acl_row, acl_load, &table, acl_free};
