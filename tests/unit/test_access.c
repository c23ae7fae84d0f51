/* Who may do what: data/access/cases.txt. Rules that are malformed. */
#include "server/auth/access.h"

#include "lib/base/error.h"
#include "server/model/place/host.h"
#include "tests/unit/cases.h"
#include "tests/unit/small_world.h"

#include <stdlib.h>

static const struct {
    const char *word;
    Right right;
} rights[] = {
    {"USE", RIGHT_USE}, {"MANAGE", RIGHT_MANAGE}, {"ADMIN", RIGHT_ADMIN}, {"CREATE", RIGHT_CREATE}};

static Right right_of(const char *word)
{
    for (guint i = 0; i < G_N_ELEMENTS(rights); i++)
        if (!strcmp(rights[i].word, word))
            return rights[i].right;
    g_error("%s is no right", word);
}

static Kind kind_of(const char *word)
{
    for (gint kind = 0; kind < KIND_COUNT; kind++)
        if (!strcmp(kind_row(kind)->acl_word, word))
            return kind;
    g_error("%s is no kind", word);
}

static gint32 uid_of(World *world, const char *name)
{
    Object *user = pool_find(world, KIND_USER, name);
    g_assert_nonnull(user);
    return user->id;
}

/* "#3", "@3", "%3" or "*". */
static guint64 id_word(const char *text)
{
    guint64 id = *text == '*' ? 0 : (guint64)(gint)g_ascii_strtoll(text + 1, NULL, 10);
    return id | (*text == '#'   ? ACL_ONE
                 : *text == '@' ? ACL_GROUP
                 : *text == '%' ? ACL_CLUSTER
                                : ACL_ALL);
}

static void make_rule(World *world, char **words)
{
    g_auto(GStrv) resource = g_strsplit(words[2], "/", 2);
    g_auto(GStrv) kinds = g_strsplit(resource[0], "+", -1);
    g_auto(GStrv) given = g_strsplit(words[3], "+", -1);
    g_autoptr(GError) error = NULL;
    guint64 over = id_word(resource[1]), all = 0;
    for (guint i = 0; kinds[i]; i++)
        over |= KIND_BIT(kind_of(kinds[i]));
    for (guint i = 0; given[i]; i++)
        all |= right_of(given[i]);
    acl_create(world, id_word(words[1]), over, all, id_word(words[4]), &error);
    g_assert_no_error(error);
}

static void make_user(World *world, char **words)
{
    g_autoptr(GArray) sorted = ids_parse(words[2]);
    GArray *groups = g_array_new(FALSE, FALSE, sizeof(gint32));
    gint32 first = (gint)g_ascii_strtoll(words[2], NULL, 10);
    g_array_append_val(groups, first);
    for (guint i = 0; i < sorted->len; i++)
        if (g_array_index(sorted, gint32, i) != first)
            g_array_append_val(groups, g_array_index(sorted, gint32, i));
    user_create(world, pool_next_id(world, KIND_USER), words[1], "-", "core", groups);
}

static void own(World *world, Object *object, char **words)
{
    object->uid = uid_of(world, words[0]);
    object->gid = (gint)g_ascii_strtoll(words[1], NULL, 10);
    object->permissions = (guint)strtoul(words[2], NULL, 8);
}

static void make_thing(World *world, char **words)
{
    if (!strcmp(words[0], "group")) {
        group_create(world, pool_next_id(world, KIND_GROUP), words[1]);
    } else if (!strcmp(words[0], "cluster")) {
        cluster_create(world, pool_next_id(world, KIND_CLUSTER), words[1]);
    } else if (!strcmp(words[0], "user")) {
        make_user(world, words);
    } else if (!strcmp(words[0], "host")) {
        host_create(world, words[1], "im", "vmm", (gint)g_ascii_strtoll(words[2], NULL, 10));
    } else if (!strcmp(words[0], "vm")) {
        Vm *vm = vm_create(world, "", 0, 0, template_new(), template_new(), FALSE);
        own(world, &vm->head, words + 1);
        vm->head.lock.level = words[4] ? (gint)g_ascii_strtoll(words[5], NULL, 10) : 0;
    } else if (!strcmp(words[0], "datastore")) {
        gint32 cluster = (gint)g_ascii_strtoll(words[5], NULL, 10);
        Datastore *datastore = datastore_create(world, pool_next_id(world, KIND_DATASTORE),
                                                words[1], DATASTORE_SYSTEM, "-", "shared");
        own(world, &datastore->head, words + 2);
        g_array_index(datastore->clusters, gint32, 0) = cluster;
    } else if (!strcmp(words[0], "rule")) {
        make_rule(world, words);
    } else {
        g_assert_cmpstr(words[0], ==, "norules");
        GPtrArray *rules = world->pools[KIND_ACL].order;
        while (rules->len)
            pool_remove(world, rules->pdata[0]);
    }
}

static void ask(World *world, const char *line)
{
    g_auto(GStrv) words = g_strsplit(line, " ", -1);
    const User *user = user_get(world, uid_of(world, words[1]));
    Kind kind = kind_of(words[3]);
    Object *object =
        words[4] ? pool_get(world, kind, (gint)g_ascii_strtoll(words[4], NULL, 10)) : NULL;
    AccessNeed need = {right_of(words[2]), kind, object, FALSE};
    g_autoptr(GError) error = NULL;
    g_test_message("%s", line);
    gboolean may = access_check(world, user, &need, 1, &error);
    g_assert_cmpint(may, ==, !strcmp(words[0], "yes"));
    g_assert_cmpint(may, ==, error == NULL);
    if (object && strcmp(words[2], "CREATE") != 0) {
        g_auto(AccessView) view = access_view(world, user, need.right, kind);
        gboolean granted = strcmp(words[0], "no") != 0; /* a lock does not hide */
        g_assert_cmpint(access_has(world, user, need.right, object), ==, granted);
        g_assert_cmpint(access_view_has(&view, object), ==, granted);
    }
    if (error) {
        g_assert_error(error, ONE_ERROR, ONE_ERROR_AUTHORIZATION);
        g_assert_cmpint(strstr(error->message, "locked") != NULL, ==, !strcmp(words[0], "locked"));
    }
    need.ignore_lock = TRUE;
    g_assert_cmpint(access_check(world, user, &need, 1, NULL), ==, strcmp(words[0], "no") != 0);
}

static void test_case(gconstpointer data)
{
    const Case *one = data;
    SmallWorld *small = small_world_new(NULL);
    g_auto(GStrv) things = g_strsplit(one->input, "\n", -1);
    g_auto(GStrv) questions = g_strsplit(one->expected, "\n", -1);
    /* The machines and hosts of a case are numbered from 0, datastores from 100. */
    for (guint i = 0; things[i]; i++) {
        g_auto(GStrv) words = g_strsplit(things[i], " ", -1);
        make_thing(small->world, words);
    }
    for (guint i = 0; questions[i]; i++)
        ask(small->world, questions[i]);
    small_world_free(small);
}

static void test_all_problems_are_told(void)
{
    SmallWorld *small = small_world_new(NULL);
    World *world = small->world;
    const User *ann = small_user(small, "ann", GROUP_USERS);
    const AccessNeed needs[] = {
        {RIGHT_CREATE, KIND_HOST, NULL, FALSE},
        {RIGHT_ADMIN, KIND_CLUSTER, pool_get(world, KIND_CLUSTER, 0), FALSE},
        {RIGHT_CREATE, KIND_VM, NULL, FALSE}};
    g_autoptr(GError) error = NULL;
    g_assert_false(access_check(world, ann, needs, 3, &error));
    g_assert_cmpstr(error->message, ==,
                    "User [2] : Not authorized to perform CREATE HOST; Not authorized to perform "
                    "ADMIN CLUSTER [0].");
    small_world_free(small);
}

static void test_malformed_rules(void)
{
    const guint64 vms = KIND_BIT(KIND_VM) | ACL_ALL;
    const struct {
        guint64 user, resource, rights, zone;
        const char *problem;
    } rules[] = {
        {0, vms, 1, ACL_ALL, "[user] is missing"},
        {ACL_ONE | ACL_GROUP, vms, 1, ACL_ALL,
         "[user] INDIVIDUAL, GROUP and ALL bits are exclusive"},
        {ACL_ALL | 1, vms, 1, ACL_ALL, "[user] when using the ALL bit, the ID must be 0"},
        {ACL_ONE | 99, vms, 1, ACL_ALL, "User 99 does not exist"},
        {ACL_ONE | 0xffffffff, vms, 1, ACL_ALL, "User -1 does not exist"},
        {ACL_GROUP | 99, vms, 1, ACL_ALL, "Group 99 does not exist"},
        {ACL_ALL, KIND_BIT(KIND_VM), 1, ACL_ALL, "[resource] is missing"},
        {ACL_ALL, vms | ACL_ONE, 1, ACL_ALL, "[resource] INDIVIDUAL"},
        {ACL_ALL, ACL_ALL, 1, ACL_ALL, "[resource] type is missing"},
        {ACL_ALL, vms | 5, 1, ACL_ALL, "[resource] when using the ALL bit"},
        {ACL_ALL, KIND_BIT(KIND_HOST) | ACL_CLUSTER | 7, 1, ACL_ALL, "Cluster 7 does not exist"},
        {ACL_ALL, vms, 0, ACL_ALL, "wrong [rights]"},
        {ACL_ALL, vms, 16, ACL_ALL, "wrong [rights]"},
        {ACL_ALL, vms, 1, 0, "[zone] is missing"},
        {ACL_ALL, vms, 1, ACL_ONE | 9, "[zone] does not exist"},
        {G_MAXUINT64, G_MAXUINT64, G_MAXUINT64, G_MAXUINT64, "malformed"},
    };
    SmallWorld *small = small_world_new(NULL);
    for (guint i = 0; i < G_N_ELEMENTS(rules); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(acl_create(small->world, rules[i].user, rules[i].resource, rules[i].rights,
                                 rules[i].zone, &error));
        g_test_message("%s", error->message);
        g_assert_nonnull(strstr(error->message, rules[i].problem));
    }
    g_autoptr(GError) error = NULL;
    g_assert_nonnull(acl_create(small->world, ACL_ALL, vms, RIGHT_USE, ACL_ALL, &error));
    g_assert_null(acl_create(small->world, ACL_ALL, vms, RIGHT_USE, ACL_ALL, &error));
    g_assert_nonnull(strstr(error->message, "already exists as ACL"));
    small_world_free(small);
}

/* What names a thing that is gone must not name the next thing with its id. */
static void test_forgotten_rules(void)
{
    SmallWorld *small = small_world_new(NULL);
    World *world = small->world;
    User *ann = small_user(small, "ann", GROUP_USERS);
    Group *staff = group_create(world, pool_next_id(world, KIND_GROUP), "staff");
    guint before = pool_count(world, KIND_ACL);
    acl_create(world, ACL_ONE | (guint32)ann->head.id, KIND_BIT(KIND_VM) | ACL_ALL, 1, ACL_ALL,
               NULL);
    acl_create(world, ACL_ALL, KIND_BIT(KIND_USER) | ACL_ONE | (guint32)ann->head.id, 1, ACL_ALL,
               NULL);
    acl_create(world, ACL_GROUP | (guint32)staff->head.id, KIND_BIT(KIND_VM) | ACL_ALL, 1, ACL_ALL,
               NULL);
    acl_create(world, ACL_ALL, KIND_BIT(KIND_VM) | ACL_GROUP | (guint32)staff->head.id, 1, ACL_ALL,
               NULL);
    g_assert_cmpuint(pool_count(world, KIND_ACL), ==, before + 4);
    acl_forget(world, &ann->head);
    g_assert_cmpuint(pool_count(world, KIND_ACL), ==, before + 2);
    acl_forget(world, &staff->head);
    g_assert_cmpuint(pool_count(world, KIND_ACL), ==, before);
    small_world_free(small);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_autoptr(GPtrArray) cases = cases_load("access/cases.txt");
    for (guint i = 0; i < cases->len; i++) {
        const Case *one = cases->pdata[i];
        g_autofree char *path = g_strdup_printf("/access/%02u %s", i, one->title);
        g_test_add_data_func(path, one, test_case);
    }
    g_test_add_func("/access/all-problems", test_all_problems_are_told);
    g_test_add_func("/access/malformed-rules", test_malformed_rules);
    g_test_add_func("/access/forgotten-rules", test_forgotten_rules);
    return g_test_run();
}
