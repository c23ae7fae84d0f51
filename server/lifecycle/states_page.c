#include "server/lifecycle/states_page.h"

#include "server/lifecycle/vm_table.h"

#include <string.h>

static const char *shown(VmState state, VmLcm lcm)
{
    if (state != VM_ACTIVE)
        return vm_state_name(state);
    return lcm == LCM_INIT ? "(any *_FAILURE)" : vm_lcm_name(lcm);
}

static void append_phases(GString *page)
{
    guint count;
    const VmPhase *phases = vm_phases(&count);
    g_string_append(page,
                    "## Phases\n\nWhile a machine is in one of these, drivers work on it.\n\n"
                    "| phase | drivers do | then | or, when that fails |\n|---|---|---|---|\n");
    for (guint i = 0; i < count; i++) {
        g_string_append_printf(page, "| %s | ", vm_lcm_name(phases[i].lcm));
        for (guint j = 0; j < G_N_ELEMENTS(phases[i].steps) && phases[i].steps[j]; j++) {
            const VmStepRow *step = vm_step_row(phases[i].steps[j]);
            const char *word = step->class == DRIVER_TRANSFER ? step->timeout : step->action;
            g_string_append_printf(page, "%s%s%s", j ? ", " : "",
                                   step->class == DRIVER_TRANSFER ? "transfer: " : "", word);
        }
        g_string_append_printf(page, " | %s | %s |\n",
                               shown(phases[i].success.state, phases[i].success.lcm),
                               shown(phases[i].failure.state, phases[i].failure.lcm));
    }
}

static void append_actions(GString *page)
{
    g_string_append(page,
                    "\n## Actions\n\n`one.vm.action` in a state that is not here answers that "
                    "the action is not available.\n\n"
                    "| action | in state | leads to |\n|---|---|---|\n");
    for (const VmActionRow *row = vm_action_rows(); row->word; row++)
        g_string_append_printf(page, "| %s | %s | %s |\n", row->word, shown(row->state, row->lcm),
                               row->what == DO_SEND   ? "the same (the guest is told)"
                               : row->what == DO_FLAG ? "the same (flag for the scheduler)"
                                                      : shown(row->target.state, row->target.lcm));
}

static void append_diagram(GString *page)
{
    guint count;
    const VmPhase *phases = vm_phases(&count);
    g_string_append(page, "\n## Diagram\n\n```dot\ndigraph states {\n");
    for (guint i = 0; i < count; i++) {
        const char *from = vm_lcm_name(phases[i].lcm);
        g_string_append_printf(page, "  %s -> %s;\n  %s -> %s [style=dashed];\n", from,
                               shown(phases[i].success.state, phases[i].success.lcm), from,
                               shown(phases[i].failure.state, phases[i].failure.lcm));
    }
    for (const VmActionRow *row = vm_action_rows(); row->word; row++)
        if (row->what == DO_ENTER && !(row->state == VM_ACTIVE && row->lcm == LCM_INIT))
            g_string_append_printf(page, "  %s -> %s [label=\"%s\"];\n",
                                   shown(row->state, row->lcm),
                                   shown(row->target.state, row->target.lcm), row->word);
    g_string_append(page, "}\n```\n");
}

char *vm_states_page(void)
{
    GString *page = g_string_new(
        "# The life of a machine\n\n"
        "Made by `oned --print-states` from the tables of server/lifecycle/vm_table.c; a test "
        "keeps "
        "this page\ncurrent.\n\n"
        "A machine rests in PENDING, HOLD, STOPPED, SUSPENDED, POWEROFF, UNDEPLOYED or DONE, or is "
        "ACTIVE. An\n"
        "active machine is RUNNING, UNKNOWN (no host can say whether it runs), in a phase, or in a "
        "state\n"
        "*_FAILURE that waits for `onevm recover`.\n\n"
        "**When an answer is missing** (a driver died, a time is over, oned was killed) the host "
        "is "
        "asked what\n"
        "is true: the phase ends well when it is done, the step is sent again when it is not, and "
        "the "
        "machine is\n"
        "UNKNOWN when no host can be asked for five minutes. \"No answer\" is never taken for "
        "\"not "
        "running\".\n"
        "A machine is started on another host only after its old host said that it is off there; "
        "`onehost\n"
        "offline` is the administrator's word that a dead host stays off: its machines are UNKNOWN "
        "then, and\n"
        "can be ended or started elsewhere.\n\n");
    append_phases(page);
    append_actions(page);
    append_diagram(page);
    return g_string_free(page, FALSE);
}
