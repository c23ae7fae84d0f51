/* The tables of methods and of states hold what the code relies on, and the pages made of
 * them are current. */
#include "server/lifecycle/states_page.h"
#include "server/lifecycle/vm_table.h"
#include "server/rpc/api_page.h"
#include "server/rpc/method.h"
#include "server/rpc/openapi.h"
#include "tests/unit/cases.h"

static void check_page(const char *name, const char *option, char *page)
{
    g_autofree char *data = cases_path("..");
    g_autofree char *path = g_build_filename(data, "..", "..", "share", "doc", name, NULL);
    g_autofree char *file = NULL;
    g_autofree char *made = page;
    g_file_get_contents(path, &file, NULL, NULL);
    if (g_strcmp0(made, file) != 0)
        g_test_fail_printf("share/doc/%s is not what the tables say: `oned %s > share/doc/%s`",
                           name, option, name);
}

static void test_pages(void)
{
    check_page("api.md", "--print-api", rpc_api_page());
    check_page("openapi.json", "--print-openapi", rpc_openapi());
    check_page("states.md", "--print-states", vm_states_page());
}

/* Each method is told once, with what it fails with when its object does not exist. */
static void test_page_of_methods(void)
{
    guint count;
    const RpcMethod *rows = rpc_methods(&count);
    g_autofree char *page = rpc_api_page();
    for (guint i = 0; i < count; i++) {
        g_autofree char *heading = g_strdup_printf("\n### %s\n", rows[i].name);
        const char *first = strstr(page, heading);
        g_test_message("%s", rows[i].name);
        g_assert_nonnull(first);
        g_assert_null(strstr(first + 1, heading));
        if (rows[i].id_at)
            g_assert_cmpuint(rpc_failures(&rows[i]) & ONE_ERROR_NO_EXISTS, !=, 0);
    }
}

static void test_methods_are_whole(void)
{
    guint count;
    const RpcMethod *rows = rpc_methods(&count);
    for (guint i = 0; i < count; i++) {
        const RpcMethod *row = &rows[i];
        gboolean named_object = row->need >= NEED_USE && row->need <= NEED_ADMIN;
        g_assert_nonnull(row->handle);
        g_assert_cmpuint(strlen(row->help), >, 5);
        g_assert_cmpint(row->need, >=, NEED_NOTHING);
        g_assert_true(strspn(row->arguments, "ibsA|") == strlen(row->arguments));
        /* a right on an object needs the object's id, and it is a number */
        if (named_object && row->kind != KIND_ACL)
            g_assert_cmpuint(row->id_at, >, 0);
        if (row->id_at)
            g_assert_cmpint(row->arguments[row->id_at - 1], ==, 'i');
        if (row->need != NEED_NOTHING && row->need != NEED_SESSION)
            g_assert_cmpint(row->kind, !=, KIND_NONE);
    }
}

/* No row stands behind another that takes all its calls. */
static void test_shapes_can_be_told_apart(void)
{
    guint count;
    const RpcMethod *rows = rpc_methods(&count);
    for (guint i = 0; i < count; i++)
        for (guint j = i + 1; j < count; j++)
            if (!strcmp(rows[i].name, rows[j].name))
                g_assert_cmpstr(rows[i].arguments, !=, rows[j].arguments);
}

static void test_phases_lead_somewhere(void)
{
    guint count;
    const VmPhase *phases = vm_phases(&count);
    for (guint i = 0; i < count; i++) {
        const VmTarget *targets[] = {&phases[i].success, &phases[i].failure};
        g_assert_cmpint(phases[i].steps[0], !=, STEP_NONE);
        g_assert_true(vm_phase(phases[i].lcm) == &phases[i]);
        for (guint j = 0; j < 2; j++) {
            gboolean rests = targets[j]->state != VM_ACTIVE || targets[j]->lcm == LCM_RUNNING ||
                             targets[j]->lcm == LCM_UNKNOWN || vm_is_failure(targets[j]->lcm);
            g_assert_true(rests || vm_phase(targets[j]->lcm));
            if (targets[j]->state != VM_ACTIVE)
                g_assert_cmpint(targets[j]->lcm, ==, LCM_INIT);
        }
        if (vm_is_failure(phases[i].failure.lcm))
            g_assert_cmpint(vm_failed_phase(phases[i].failure.lcm), !=, LCM_INIT);
    }
}

static void test_actions_lead_somewhere(void)
{
    for (const VmActionRow *row = vm_action_rows(); row->word; row++) {
        Vm vm = {.state = row->state, .lcm = row->lcm};
        gboolean any_failure = row->state == VM_ACTIVE && row->lcm == LCM_INIT;
        if (any_failure)
            vm.lcm = LCM_BOOT_FAILURE;
        /* Changes have methods of their own; all others are words of one.vm.action. */
        const VmActionWord *word = vm_action_word(row->word);
        g_assert_cmpint(word == NULL, ==, row->what == DO_CHANGE);
        g_assert_true(!word || !word->meaning);
        g_assert_true(vm_action_row(row->word, &vm) == row); /* no row before it takes its place */
        if ((row->what == DO_ENTER || row->what == DO_CHANGE) && row->target.state == VM_ACTIVE)
            g_assert_nonnull(vm_phase(row->target.lcm));
    }
}

static void test_old_words_mean_new_ones(void)
{
    static const char *const old[] = {"shutdown", "cancel",   "restart",
                                      "reset",    "finalize", "resubmit"};
    for (guint i = 0; i < G_N_ELEMENTS(old); i++)
        g_assert_nonnull(vm_action_word(old[i])->meaning);
    g_assert_null(vm_action_word("nonsense"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tables/pages", test_pages);
    g_test_add_func("/tables/page_of_methods", test_page_of_methods);
    g_test_add_func("/tables/methods", test_methods_are_whole);
    g_test_add_func("/tables/shapes", test_shapes_can_be_told_apart);
    g_test_add_func("/tables/phases", test_phases_lead_somewhere);
    g_test_add_func("/tables/actions", test_actions_lead_somewhere);
    g_test_add_func("/tables/words", test_old_words_mean_new_ones);
    return g_test_run();
}
