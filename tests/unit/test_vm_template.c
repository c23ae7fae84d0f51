/* Drafts of machines: data/vm_template/cases.txt, and templates made to keep the core busy. */
#include "server/rpc/vm_template.h"

#include "lib/base/error.h"
#include "tests/unit/cases.h"
#include "tests/unit/cpu_time.h"
#include "tests/unit/small_world.h"

/* The id that machines get here. */
#define ID 7

/* "NAME.2/PAIR" in the template; NULL when missing. */
static const char *value_at(const Template *template, const char *path)
{
    g_auto(GStrv) parts = g_strsplit(path, "/", 2);
    g_auto(GStrv) name = g_strsplit(parts[0], ".", 2);
    if (!parts[1])
        return template_get(template, name[0]);
    TemplateAttribute *vector = template_vector(
        template, name[0], name[1] ? (guint)g_ascii_strtoull(name[1], NULL, 10) : 0);
    return vector ? attribute_get(vector, parts[1]) : NULL;
}

static void check_line(const VmDraft *draft, const char *line)
{
    g_auto(GStrv) words = g_strsplit(line, " ", 2);
    if (!strcmp(words[0], "hold")) {
        g_assert_true(draft->hold);
        return;
    }
    if (!strcmp(words[0], "name")) {
        g_assert_cmpstr(draft->name, ==, words[1]);
        return;
    }
    g_auto(GStrv) parts = g_strsplit(words[1], "=", 2);
    const Template *template = !strcmp(words[0], "user") ? draft->user_template : draft->template;
    g_test_message("%s", line);
    g_assert_cmpstr(value_at(template, parts[0]), ==, parts[1]);
}

/* Takes the lines with '!' off the front. TRUE: the owner is an ordinary user. */
static gboolean take_settings(const char **input, GString *config)
{
    gboolean user = FALSE;
    while (**input == '!') {
        const char *end = strchr(*input, '\n');
        g_autofree char *line = g_strndup(*input + 1, (gsize)(end - *input - 1));
        if (!strcmp(line, "user"))
            user = TRUE;
        else
            g_string_append_printf(config, "%s\n", line);
        *input = end + 1;
    }
    return user;
}

static void test_case(gconstpointer data)
{
    const Case *one = data;
    const char *text = one->input;
    g_autoptr(GString) config = g_string_new(NULL);
    gboolean ordinary = take_settings(&text, config);
    SmallWorld *small = small_world_new(config->str);
    const User *owner =
        ordinary ? small_user(small, "ann", GROUP_USERS) : user_get(small->world, 0);
    g_autoptr(GError) error = NULL;
    g_autoptr(Template) given = template_parse(text, TEMPLATE_MODERN, &error);
    g_assert_no_error(error);
    g_auto(VmDraft) draft = {0};
    gboolean made = vm_draft_make(small->world, owner, given, &draft, &error);
    if (!strcmp(one->section, "refused")) {
        g_assert_false(made);
        g_assert_nonnull(strstr(error->message, one->expected));
    } else {
        g_assert_no_error(error);
        vm_draft_finish(small->world, draft.template, ID);
        g_auto(GStrv) lines = g_strsplit(one->expected, "\n", -1);
        for (guint i = 0; lines[i]; i++)
            check_line(&draft, lines[i]);
    }
    small_world_free(small);
}

static char *many(const char *line, guint count)
{
    GString *text = g_string_new("CPU=1\nMEMORY=64\n");
    for (guint i = 0; i < count; i++)
        g_string_append(text, line);
    return g_string_free(text, FALSE);
}

/* Refused, and in no time: the core does nothing else meanwhile. */
static void test_floods(void)
{
    static const struct {
        const char *line;
        guint count;
    } floods[] = {{"DISK=[TYPE=fs,SIZE=1]\n", 10000}, {"NIC=[A=b]\n", 10000}, {"A=1\n", 50000}};
    SmallWorld *small = small_world_new(NULL);
    for (guint i = 0; i < G_N_ELEMENTS(floods); i++) {
        g_autofree char *text = many(floods[i].line, floods[i].count);
        g_autoptr(GError) error = NULL;
        g_autoptr(Template) given = template_parse(text, TEMPLATE_MODERN, &error);
        g_assert_no_error(error);
        g_auto(VmDraft) draft = {0};
        gint64 begin = cpu_time();
        g_assert_false(
            vm_draft_make(small->world, user_get(small->world, 0), given, &draft, &error));
        g_assert_error(error, ONE_ERROR, ONE_ERROR_INTERNAL);
        g_assert_cmpint(cpu_time() - begin, <, 2 * G_USEC_PER_SEC);
    }
    small_world_free(small);
}

static void test_many_disks(void)
{
    SmallWorld *small = small_world_new(NULL);
    g_autofree char *text = many("DISK=[TYPE=fs,SIZE=1]\n", 60);
    g_autoptr(Template) given = template_parse(text, TEMPLATE_MODERN, NULL);
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    g_auto(VmDraft) draft = {0};
    g_assert_true(vm_draft_make(small->world, user_get(small->world, 0), given, &draft, NULL));
    for (guint i = 0; i < 60; i++)
        g_assert_true(g_hash_table_add(
            seen, (gpointer)attribute_get(template_vector(draft.template, "DISK", i), "TARGET")));
    g_assert_true(g_hash_table_contains(seen, "sdz"));
    g_assert_true(g_hash_table_contains(seen, "sdaa"));
    g_assert_true(g_hash_table_contains(seen, "sdbh"));
    small_world_free(small);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_autoptr(GPtrArray) cases = cases_load("vm_template/cases.txt");
    for (guint i = 0; i < cases->len; i++) {
        const Case *one = cases->pdata[i];
        g_autofree char *path = g_strdup_printf("/vm-template/%02u %s", i, one->title);
        g_test_add_data_func(path, one, test_case);
    }
    g_test_add_func("/vm-template/floods", test_floods);
    g_test_add_func("/vm-template/many-disks", test_many_disks);
    return g_test_run();
}
