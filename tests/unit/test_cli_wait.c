#include "client/cli/wait.h"
#include "client/cli/kinds.h"
#include "client/cli/vm_state.h"
#include "client/cli/xml.h"

#define SECONDS(n) ((n)*G_TIME_SPAN_SECOND)

static const struct {
    const char *name;
    CliPhase phase;
} phases[] = {{"PENDING", CLI_MOVING},   {"BOOT", CLI_MOVING},      {"MIGRATE", CLI_MOVING},
              {"RUNNING", CLI_RESTING},  {"POWEROFF", CLI_RESTING}, {"BOOT_FAILURE", CLI_BROKEN},
              {"UNKNOWN", CLI_MOVING},   {"DONE", CLI_GONE},        {"SAVE_SUSPEND", CLI_MOVING},
              {"SUSPENDED", CLI_RESTING}};

/* Looks "RUNNING@1 MIGRATE@1 RUNNING@2" a second apart; a state may name its host. */
static CliVerdict judge(const char *looks, const char *goal, gint64 goal_host, gboolean patient)
{
    CliWatch watch = {0};
    CliVerdict verdict = CLI_VERDICT_WAIT;
    g_auto(GStrv) words = g_strsplit(looks, " ", -1);
    for (guint i = 0; words[i] != NULL && verdict == CLI_VERDICT_WAIT; i++) {
        g_auto(GStrv) parts = g_strsplit(words[i], "@", 2);
        CliState state = {.name = parts[0], .host = parts[1] != NULL ? atoi(parts[1]) : -1};
        gboolean known = FALSE;
        for (guint j = 0; j < G_N_ELEMENTS(phases); j++) {
            if (g_strcmp0(phases[j].name, parts[0]) != 0)
                continue;
            state.phase = phases[j].phase;
            known = TRUE;
        }
        g_assert_true(known);
        verdict = cli_wait_judge(&watch, &state, goal, goal_host, patient, SECONDS(i));
    }
    g_free(watch.last);
    g_free(watch.why);
    return verdict;
}

static void test_after_an_action(void)
{
    g_assert_cmpint(judge("PENDING BOOT RUNNING", "RUNNING", -1, FALSE), ==, CLI_VERDICT_REACHED);
    g_assert_cmpint(judge("PENDING BOOT", "RUNNING", -1, FALSE), ==, CLI_VERDICT_WAIT);
    g_assert_cmpint(judge("PENDING BOOT BOOT_FAILURE", "RUNNING", -1, FALSE), ==,
                    CLI_VERDICT_FAILED);
    g_assert_cmpint(judge("SAVE_SUSPEND RUNNING", "SUSPENDED", -1, FALSE), ==, CLI_VERDICT_FAILED);
    g_assert_cmpint(judge("DONE", "RUNNING", -1, FALSE), ==, CLI_VERDICT_FAILED);
    g_assert_cmpint(judge("DONE", "DONE", -1, FALSE), ==, CLI_VERDICT_REACHED);
    g_assert_cmpint(judge("UNKNOWN UNKNOWN UNKNOWN", "RUNNING", -1, FALSE), ==, CLI_VERDICT_WAIT);
}

/* A server may accept an action before it shows; for a moment the old state is no failure. */
static void test_grace(void)
{
    g_assert_cmpint(judge("RUNNING RUNNING", "SUSPENDED", -1, FALSE), ==, CLI_VERDICT_WAIT);
    g_assert_cmpint(judge("RUNNING RUNNING RUNNING RUNNING", "SUSPENDED", -1, FALSE), ==,
                    CLI_VERDICT_FAILED);
    g_assert_cmpint(judge("RUNNING SAVE_SUSPEND SUSPENDED", "SUSPENDED", -1, FALSE), ==,
                    CLI_VERDICT_REACHED);
    g_assert_cmpint(judge("BOOT_FAILURE BOOT RUNNING", "RUNNING", -1, FALSE), ==,
                    CLI_VERDICT_REACHED);
}

/* Running again where it was is not what a migration is for. */
static void test_moves(void)
{
    g_assert_cmpint(judge("MIGRATE@1 RUNNING@2", "RUNNING", 2, FALSE), ==, CLI_VERDICT_REACHED);
    g_assert_cmpint(judge("MIGRATE@1 RUNNING@1", "RUNNING", 2, FALSE), ==, CLI_VERDICT_FAILED);
    g_assert_cmpint(judge("RUNNING@1 MIGRATE@1 RUNNING@2", "RUNNING", 2, FALSE), ==,
                    CLI_VERDICT_REACHED);
    g_assert_cmpint(judge("RUNNING@1", "RUNNING", 2, FALSE), ==, CLI_VERDICT_WAIT);
}

/* A migration ends in what the machine was before, a repair in what it can be. */
static void test_at_rest(void)
{
    g_assert_cmpint(judge("MIGRATE@1 RUNNING@2", CLI_AT_REST, 2, FALSE), ==, CLI_VERDICT_REACHED);
    g_assert_cmpint(judge("POWEROFF@2", CLI_AT_REST, 2, FALSE), ==, CLI_VERDICT_REACHED);
    g_assert_cmpint(judge("MIGRATE@1 RUNNING@1", CLI_AT_REST, 2, FALSE), ==, CLI_VERDICT_FAILED);
    g_assert_cmpint(judge("MIGRATE@1 BOOT_FAILURE@2", CLI_AT_REST, 2, FALSE), ==,
                    CLI_VERDICT_FAILED);
    g_assert_cmpint(judge("POWEROFF", CLI_AT_REST, -1, FALSE), ==, CLI_VERDICT_WAIT);
    g_assert_cmpint(judge("BOOT RUNNING", CLI_AT_REST, -1, FALSE), ==, CLI_VERDICT_REACHED);
    g_assert_cmpint(judge("BOOT DONE", CLI_AT_REST, -1, FALSE), ==, CLI_VERDICT_REACHED);
    g_assert_cmpint(judge("BOOT BOOT_FAILURE", CLI_AT_REST, -1, FALSE), ==, CLI_VERDICT_FAILED);
}

static void test_patience(void)
{
    g_assert_cmpint(judge("RUNNING RUNNING RUNNING RUNNING RUNNING", "POWEROFF", -1, TRUE), ==,
                    CLI_VERDICT_WAIT);
    g_assert_cmpint(judge("BOOT_FAILURE", "RUNNING", -1, TRUE), ==, CLI_VERDICT_FAILED);
    g_assert_cmpint(judge("BOOT_FAILURE", "BOOT_FAILURE", -1, TRUE), ==, CLI_VERDICT_REACHED);
}

static void test_states(void)
{
    g_assert_cmpstr(cli_vm_state_name(3, 3), ==, "RUNNING");
    g_assert_cmpstr(cli_vm_state_name(8, 3), ==, "POWEROFF");
    g_assert_cmpstr(cli_vm_short_name(3, 36), ==, "fail");
    g_assert_cmpstr(cli_vm_short_name(3, 71), ==, "rest");
    g_assert_cmpstr(cli_vm_state_name(99, 0), ==, "-");
    g_assert_cmpstr(cli_vm_state_name(-1, 0), ==, "-");
    g_assert_cmpstr(cli_vm_state_named("runn"), ==, "RUNNING");
    g_assert_cmpstr(cli_vm_state_named("PowerOff"), ==, "POWEROFF");
    g_assert_null(cli_vm_state_named("sleeping"));
    g_assert_cmpint(cli_vm_state_number("done"), ==, 6);
    g_assert_cmpstr(cli_vm_action_name(2), ==, "live-migrate");
    g_assert_cmpstr(cli_vm_action_name(65), ==, "vmgroup-del");
    g_assert_cmpstr(cli_vm_action_name(66), ==, "-");
}

static void test_why(void)
{
    g_autoptr(xmlDoc) waits = cli_xml_parse(
        "<VM><STATE>1</STATE><LCM_STATE>0</LCM_STATE><USER_TEMPLATE><ERROR>old</ERROR>"
        "<SCHED_MESSAGE>no host</SCHED_MESSAGE></USER_TEMPLATE></VM>",
        NULL);
    g_autoptr(xmlDoc) failed =
        cli_xml_parse("<VM><STATE>3</STATE><LCM_STATE>36</LCM_STATE><USER_TEMPLATE><ERROR>no "
                      "kernel</ERROR></USER_TEMPLATE>"
                      "<HISTORY_RECORDS><HISTORY><HID>0</HID><HOSTNAME>a</HOSTNAME></"
                      "HISTORY><HISTORY><HID>5</HID>"
                      "<HOSTNAME>b</HOSTNAME></HISTORY></HISTORY_RECORDS></VM>",
                      NULL);
    CliState state;
    cli_vm_state(xml_root(waits), &state);
    g_assert_cmpstr(state.why, ==, "no host");
    g_assert_cmpint(state.host, ==, -1);
    cli_vm_state(xml_root(failed), &state);
    g_assert_cmpstr(state.name, ==, "BOOT_FAILURE");
    g_assert_cmpint(state.phase, ==, CLI_BROKEN);
    g_assert_cmpstr(state.why, ==, "no kernel");
    g_assert_cmpstr(state.where, ==, "b");
    g_assert_cmpint(state.host, ==, 5);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cli/wait/after-an-action", test_after_an_action);
    g_test_add_func("/cli/wait/grace", test_grace);
    g_test_add_func("/cli/wait/moves", test_moves);
    g_test_add_func("/cli/wait/at-rest", test_at_rest);
    g_test_add_func("/cli/wait/patience", test_patience);
    g_test_add_func("/cli/state/names", test_states);
    g_test_add_func("/cli/state/why", test_why);
    return g_test_run();
}
