/* scheduler/place.c and report.c: the cases of data/sched/place.txt. */
#include "scheduler/groups.h"
#include "scheduler/place.h"
#include "scheduler/report.h"
#include "tests/unit/cases.h"
#include "tests/unit/cpu_time.h"

typedef struct {
    char *name;
    GString *hosts, *datastores, *networks, *vms, *groups;
    GHashTable *limits;
    GPtrArray *expected; /* lines */
} Scene;

/* ---- Reading a case ---- */

/* NAME=value words of a line; a value with blanks stands in double quotes. */
static GHashTable *words_of(const char *line)
{
    GHashTable *words = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_auto(GStrv) parts = NULL;
    g_assert_true(g_shell_parse_argv(line, NULL, &parts, NULL));
    for (char **part = parts; *part != NULL; part++) {
        char *equal = strchr(*part, '=');
        if (equal != NULL)
            g_hash_table_insert(words, g_strndup(*part, equal - *part), g_strdup(equal + 1));
    }
    return words;
}

/* Takes a word out of the table. (owned) */
static char *take(GHashTable *words, const char *name, const char *otherwise)
{
    char *value =
        g_strdup(g_hash_table_contains(words, name) ? g_hash_table_lookup(words, name) : otherwise);
    g_hash_table_remove(words, name);
    return value;
}

static void element(GString *out, const char *name, GHashTable *words, const char *word,
                    const char *otherwise)
{
    g_autofree char *value = take(words, word, otherwise);
    if (value != NULL)
        g_string_append_printf(out, "<%s><![CDATA[%s]]></%s>", name, value, name);
}

static void kib(GString *out, const char *name, GHashTable *words, const char *word,
                const char *otherwise)
{
    g_autofree char *mib = take(words, word, otherwise);
    g_string_append_printf(out, "<%s>%lld</%s>", name, strtoll(mib, NULL, 10) * 1024, name);
}

/* What is left are attributes of its template. */
static void rest(GString *out, GHashTable *words)
{
    GHashTableIter iter;
    gpointer name, value;
    g_string_append(out, "<TEMPLATE>");
    g_hash_table_iter_init(&iter, words);
    while (g_hash_table_iter_next(&iter, &name, &value))
        g_string_append_printf(out, "<%s>%s</%s>", (char *)name, (char *)value, (char *)name);
    g_string_append(out, "</TEMPLATE>");
}

static void add_host(GString *out, int id, GHashTable *words)
{
    g_string_append_printf(out, "<HOST><ID>%d</ID><NAME>h%d</NAME>", id, id);
    element(out, "STATE", words, "state", "2");
    element(out, "CLUSTER_ID", words, "cluster", "0");
    g_string_append(out, "<HOST_SHARE>");
    element(out, "MAX_CPU", words, "cpu", "800");
    element(out, "CPU_USAGE", words, "used_cpu", "0");
    element(out, "RUNNING_VMS", words, "running", "0");
    kib(out, "MAX_MEM", words, "mem", "16384");
    kib(out, "MEM_USAGE", words, "used_mem", "0");
    g_string_append(out, "</HOST_SHARE><VMS>");
    g_autofree char *vms = take(words, "vms", "");
    g_auto(GStrv) ids = g_strsplit(vms, ",", -1);
    for (char **vm = ids; *vm != NULL; vm++)
        g_string_append_printf(out, "<ID>%s</ID>", *vm);
    g_string_append(out, "</VMS>");
    rest(out, words);
    g_string_append(out, "</HOST>");
}

static void add_datastore(GString *out, int id, GHashTable *words)
{
    g_autofree char *clusters = take(words, "clusters", "0");
    g_auto(GStrv) ids = g_strsplit(clusters, ",", -1);
    g_string_append_printf(out, "<DATASTORE><ID>%d</ID><NAME>d%d</NAME>", id, id);
    element(out, "TYPE", words, "type", "1");
    element(out, "STATE", words, "state", "0");
    element(out, "TOTAL_MB", words, "total", "1000");
    element(out, "FREE_MB", words, "free", "1000");
    g_string_append(out, "<CLUSTERS>");
    for (char **cluster = ids; *cluster != NULL; cluster++)
        g_string_append_printf(out, "<ID>%s</ID>", *cluster);
    g_string_append(out, "</CLUSTERS>");
    rest(out, words);
    g_string_append(out, "</DATASTORE>");
}

static void add_network(GString *out, int id, GHashTable *words)
{
    g_autofree char *clusters = take(words, "clusters", "0");
    g_auto(GStrv) ids = g_strsplit(clusters, ",", -1);
    g_string_append_printf(out, "<VNET><ID>%d</ID><UID>0</UID><GID>0</GID><NAME>n%d</NAME>", id,
                           id);
    element(out, "STATE", words, "state", "1");
    g_string_append(out, "<PERMISSIONS>");
    element(out, "OTHER_U", words, "other", "1");
    g_string_append(out, "</PERMISSIONS><CLUSTERS>");
    for (char **cluster = ids; *cluster != NULL; cluster++)
        g_string_append_printf(out, "<ID>%s</ID>", *cluster);
    g_string_append(out, "</CLUSTERS>");
    element(out, "USED_LEASES", words, "used", "0");
    g_string_append(out, "<AR_POOL><AR><AR_ID>0</AR_ID>");
    element(out, "SIZE", words, "size", "10");
    g_string_append(out, "</AR></AR_POOL>");
    rest(out, words);
    g_string_append(out, "</VNET>");
}

/* Rules are separated by semicolons. */
static void add_rules(GString *out, const char *name, const char *text)
{
    g_auto(GStrv) rules = g_strsplit(text, ";", -1);
    for (char **rule = rules; *rule != NULL; rule++)
        g_string_append_printf(out, "<%s>%s</%s>", name, *rule, name);
}

/* Roles stand in words "NAME=POLICY/HOST_AFFINED/HOST_ANTI_AFFINED/VMS". */
static void add_group(GString *out, int id, GHashTable *words)
{
    static const char *const members[] = {"POLICY", "HOST_AFFINED", "HOST_ANTI_AFFINED", "VMS"};
    g_autofree char *together = take(words, "AFFINED", "");
    g_autofree char *apart = take(words, "ANTI_AFFINED", "");
    GHashTableIter iter;
    gpointer name, value;
    g_string_append_printf(out, "<VM_GROUP><ID>%d</ID><NAME>g</NAME><ROLES>", id);
    g_hash_table_iter_init(&iter, words);
    while (g_hash_table_iter_next(&iter, &name, &value)) {
        g_auto(GStrv) parts = g_strsplit(value, "/", -1);
        g_string_append_printf(out, "<ROLE><NAME>%s</NAME>", (char *)name);
        for (guint i = 0; parts[i] != NULL && i < G_N_ELEMENTS(members); i++)
            g_string_append_printf(out, "<%s>%s</%s>", members[i], parts[i], members[i]);
        g_string_append(out, "</ROLE>");
    }
    g_string_append(out, "</ROLES><TEMPLATE>");
    add_rules(out, "AFFINED", together);
    add_rules(out, "ANTI_AFFINED", apart);
    g_string_append(out, "</TEMPLATE></VM_GROUP>");
}

/* Cards whose network is to be chosen: "nics=2", all with the same wishes. */
static void add_nics(GString *out, GHashTable *words)
{
    g_autofree char *count = take(words, "nics", "0");
    g_autofree char *requirements = take(words, "nic_requirements", NULL);
    g_autofree char *rank = take(words, "nic_rank", NULL);
    for (int i = 0; i < atoi(count); i++) {
        g_string_append_printf(out, "<NIC><NIC_ID>%d</NIC_ID><NETWORK_MODE>auto</NETWORK_MODE>", i);
        if (requirements != NULL)
            g_string_append_printf(out, "<SCHED_REQUIREMENTS><![CDATA[%s]]></SCHED_REQUIREMENTS>",
                                   requirements);
        if (rank != NULL)
            g_string_append_printf(out, "<SCHED_RANK>%s</SCHED_RANK>", rank);
        g_string_append(out, "</NIC>");
    }
}

static void add_vm(GString *out, int id, GHashTable *words)
{
    g_autofree char *uid = take(words, "uid", "0");
    g_string_append_printf(out, "<VM><ID>%d</ID><UID>%s</UID><GID>%s</GID>", id, uid, uid);
    element(out, "STATE", words, "state", "1");
    element(out, "RESCHED", words, "resched", "0");
    g_string_append(out, "<LCM_STATE>3</LCM_STATE><TEMPLATE>");
    element(out, "CPU", words, "cpu", "1");
    element(out, "MEMORY", words, "mem", "64");
    element(out, "AUTOMATIC_REQUIREMENTS", words, "automatic", NULL);
    g_string_append(out, "<DISK><TYPE>fs</TYPE>");
    element(out, "SIZE", words, "size", "0");
    g_string_append(out, "</DISK>");
    add_nics(out, words);
    if (g_hash_table_contains(words, "group")) {
        g_string_append(out, "<VMGROUP>");
        element(out, "ROLE", words, "role", NULL);
        element(out, "VMGROUP_ID", words, "group", NULL);
        g_string_append(out, "</VMGROUP>");
    }
    element(out, "AUTOMATIC_NIC_REQUIREMENTS", words, "automatic_nic", NULL);
    g_string_append(out, "</TEMPLATE><USER_TEMPLATE>");
    element(out, "SCHED_REQUIREMENTS", words, "requirements", NULL);
    element(out, "SCHED_RANK", words, "rank", NULL);
    element(out, "SCHED_DS_REQUIREMENTS", words, "ds_requirements", NULL);
    element(out, "SCHED_DS_RANK", words, "ds_rank", NULL);
    element(out, "USER_PRIORITY", words, "priority", NULL);
    g_string_append(out, "</USER_TEMPLATE><HISTORY_RECORDS>");
    if (g_hash_table_contains(words, "host")) {
        g_string_append(out, "<HISTORY>");
        element(out, "HID", words, "host", NULL);
        element(out, "DS_ID", words, "in", "0");
        g_string_append(out, "</HISTORY>");
    }
    g_string_append(out, "</HISTORY_RECORDS></VM>");
    g_assert_cmpuint(g_hash_table_size(words), ==, 0);
}

static Scene *scene_new(const char *name)
{
    Scene *scene = g_new0(Scene, 1);
    scene->name = g_strdup(name);
    scene->hosts = g_string_new("<HOST_POOL>");
    scene->datastores = g_string_new("<DATASTORE_POOL>");
    scene->networks = g_string_new("<VNET_POOL>");
    scene->vms = g_string_new("<VM_POOL>");
    scene->groups = g_string_new("<VM_GROUP_POOL>");
    scene->limits = words_of("limit");
    scene->expected = g_ptr_array_new_with_free_func(g_free);
    return scene;
}

static void scene_free(Scene *scene)
{
    g_free(scene->name);
    g_string_free(scene->hosts, TRUE);
    g_string_free(scene->datastores, TRUE);
    g_string_free(scene->networks, TRUE);
    g_string_free(scene->vms, TRUE);
    g_string_free(scene->groups, TRUE);
    g_hash_table_unref(scene->limits);
    g_ptr_array_unref(scene->expected);
    g_free(scene);
}

static void scene_line(Scene *scene, const char *line)
{
    if (g_str_has_prefix(line, "goes ") || g_str_has_prefix(line, "waits ") ||
        g_str_has_prefix(line, "later ")) {
        g_ptr_array_add(scene->expected, g_strdup(line));
        return;
    }
    GHashTable *words = words_of(line);
    int id = atoi(line + strcspn(line, " "));
    if (g_str_has_prefix(line, "limit ")) {
        g_hash_table_unref(scene->limits);
        scene->limits = g_hash_table_ref(words);
    } else if (g_str_has_prefix(line, "host ")) {
        add_host(scene->hosts, id, words);
    } else if (g_str_has_prefix(line, "store ")) {
        add_datastore(scene->datastores, id, words);
    } else if (g_str_has_prefix(line, "net ")) {
        add_network(scene->networks, id, words);
    } else if (g_str_has_prefix(line, "group ")) {
        add_group(scene->groups, id, words);
    } else {
        g_assert_true(g_str_has_prefix(line, "vm "));
        add_vm(scene->vms, id, words);
    }
    g_hash_table_unref(words);
}

/* ---- Running it ---- */

static SchedPools *pools_of(const Scene *scene)
{
    SchedPools *pools = sched_pools_new();
    g_autoptr(GError) error = NULL;
    g_string_append(scene->hosts, "</HOST_POOL>");
    g_string_append(scene->datastores, "</DATASTORE_POOL>");
    g_string_append(scene->networks, "</VNET_POOL>");
    g_string_append(scene->vms, "</VM_POOL>");
    g_string_append(scene->groups, "</VM_GROUP_POOL>");
    sched_read_groups(pools, scene->groups->str, &error);
    g_assert_no_error(error);
    sched_read_networks(pools, scene->networks->str, &error);
    g_assert_no_error(error);
    sched_read_hosts(pools, scene->hosts->str, &error);
    g_assert_no_error(error);
    sched_read_datastores(pools, scene->datastores->str, &error);
    g_assert_no_error(error);
    sched_read_vms(pools, scene->vms->str, 0, &error);
    g_assert_no_error(error);
    sched_pools_finish(pools);
    return pools;
}

static int compare_lines(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static GPtrArray *results_of(SchedPools *pools, SchedMatcher *matcher, const SchedPlan *plan)
{
    GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < plan->orders->len; i++) {
        const SchedOrder *order = &g_array_index(plan->orders, SchedOrder, i);
        g_autoptr(GString) line = g_string_new(NULL);
        g_string_printf(line, "goes %d %d %d", order->vm->id, order->host, order->datastore);
        for (const char *at = order->networks; at != NULL && (at = strstr(at, "NETWORK_ID = "));)
            g_string_append_printf(line, " net %d", atoi(at += strlen("NETWORK_ID = ")));
        g_ptr_array_add(lines, g_strdup(line->str));
    }
    for (guint i = 0; i < plan->stranded->len; i++) {
        const SchedStranded *stranded = &g_array_index(plan->stranded, SchedStranded, i);
        g_autofree char *reason = sched_reason(matcher, pools, stranded);
        g_ptr_array_add(lines, g_strdup_printf("waits %d %s", stranded->vm->id, reason));
    }
    if (plan->postponed > 0)
        g_ptr_array_add(lines, g_strdup_printf("later %u", plan->postponed));
    return lines;
}

static void check(Scene *scene)
{
    g_test_message("%s", scene->name);
    g_autofree char *rank = take(scene->limits, "rank", "- RUNNING_VMS");
    g_autofree char *per_host = take(scene->limits, "per_host", "0");
    g_autofree char *vms = take(scene->limits, "vms", "0");
    g_autofree char *orders = take(scene->limits, "orders", "0");
    g_autoptr(SchedPools) pools = pools_of(scene);
    g_autofree char *same = take(scene->limits, "same_networks", "0");
    SchedLimits limits = {atoi(per_host), rank, "FREE_MB", "- USED_LEASES", atoi(same)};
    g_autoptr(SchedMatcher) matcher = sched_matcher_new(pools, &limits);
    g_autoptr(SchedPlan) plan = sched_plan_new(pools, matcher, atoi(vms), atoi(orders));
    g_autoptr(GPtrArray) results = results_of(pools, matcher, plan);
    g_ptr_array_sort(results, compare_lines);
    g_ptr_array_sort(scene->expected, compare_lines);
    g_assert_cmpuint(results->len, ==, scene->expected->len);
    for (guint i = 0; i < results->len; i++)
        if (!g_pattern_match_simple(scene->expected->pdata[i], results->pdata[i]))
            g_assert_cmpstr(results->pdata[i], ==, scene->expected->pdata[i]);
}

static void test_cases(void)
{
    g_autofree char *text = cases_read("sched/place.txt");
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    Scene *scene = NULL;
    for (char **line = lines; *line != NULL; line++) {
        if (g_str_has_prefix(*line, "= ") || line[1] == NULL) {
            if (scene != NULL)
                check(scene);
            g_clear_pointer(&scene, scene_free);
        }
        if (g_str_has_prefix(*line, "= "))
            scene = scene_new(*line + 2);
        else if (scene != NULL && **line != '\0' && **line != '#')
            scene_line(scene, *line);
    }
    g_clear_pointer(&scene, scene_free);
}

/* ---- Many ---- */

static SchedPools *large_cloud(guint hosts, guint vms, gboolean distinct)
{
    Scene *scene = scene_new("large");
    for (guint i = 0; i < hosts; i++) {
        g_autofree char *line = g_strdup_printf("host %u cpu=1000", i);
        scene_line(scene, line);
    }
    for (guint i = 0; i < vms; i++) {
        g_autofree char *line =
            g_strdup_printf("vm %u requirements=\"CURRENT_VMS != %u\"", i, distinct ? i : vms);
        scene_line(scene, line);
    }
    SchedPools *pools = pools_of(scene);
    scene_free(scene);
    return pools;
}

/* A guard against going back to (machines x hosts) expressions: instrumented and on a busy
 * computer this takes a second or two, done naively it takes minutes. */
static void test_many(void)
{
    for (guint distinct = 0; distinct < 2; distinct++) {
        g_autoptr(SchedPools) pools = large_cloud(500, 4000, distinct);
        SchedLimits limits = {0, "- RUNNING_VMS", "FREE_MB", "- USED_LEASES", FALSE};
        g_autoptr(SchedMatcher) matcher = sched_matcher_new(pools, &limits);
        gint64 begin = cpu_time();
        g_autoptr(SchedPlan) plan = sched_plan_new(pools, matcher, 0, 0);
        double seconds = (cpu_time() - begin) / 1e6;
        g_test_message("4000 machines on 500 hosts: %.3f s", seconds);
        g_assert_cmpuint(plan->orders->len, ==, 4000);
        for (guint i = 0; i < 500; i++)
            g_assert_cmpuint(g_array_index(pools->hosts, SchedHost, i).placed, ==, 8);
        g_assert_cmpfloat(seconds, <, 15);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/place/cases", test_cases);
    g_test_add_func("/place/many", test_many);
    return g_test_run();
}
