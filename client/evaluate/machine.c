#include "client/cli/edit.h"
#include "client/cli/kinds.h"
#include "client/cli/names.h"
#include "client/cli/vm_state.h"
#include "client/cli/wait.h"
#include "client/cli/xml.h"
#include "client/evaluate/evaluate.h"
#include "client/evaluate/ping.h"

#include <string.h>

#define PAUSE   0.04 /* s between two looks at a state */
#define REST    2.0  /* s that a guest which answers is given to finish its start */
#define REMOVAL 60.0 /* s for the machines that were made to be gone */

static xmlDoc *ask(Run *run, const char *method, gint32 id, GError **error)
{
    g_auto(WireReply) reply = {0};
    WireClient *wire = cli_wire(run->cli, error);
    return wire != NULL && wire_call(wire, &reply, error, method, "ib", id, FALSE)
               ? cli_xml_parse(reply.text, error)
               : NULL;
}

/* ---- The machine and its hosts ---- */

static gboolean read_host(Run *run, guint nth, gint32 id, GError **error)
{
    g_autoptr(xmlDoc) doc = ask(run, "one.host.info", id, error);
    xmlNode *host = doc != NULL ? xml_root(doc) : NULL;
    if (host == NULL)
        return FALSE;
    run->found.hosts[nth] = (HostFacts){
        .id = id,
        .name = g_strdup(cli_xml_text(host, "NAME")),
        .model = g_strdup(cli_xml_text(host, "TEMPLATE/MODELNAME")),
        .hypervisor = g_strdup(cli_xml_text(host, "TEMPLATE/HYPERVISOR")),
        .version = g_strdup(cli_xml_text(host, "TEMPLATE/VERSION")),
        .arch = g_strdup(cli_xml_text(host, "TEMPLATE/ARCH")),
        .cpus = cli_xml_int(host, "HOST_SHARE/TOTAL_CPU", 0) / 100,
        .memory = cli_xml_int(host, "HOST_SHARE/TOTAL_MEM", 0) / 1024,
    };
    return TRUE;
}

static gboolean has_been_on(xmlNode *vm, gint32 host)
{
    for (xmlNode *at = xml_find(vm, "HISTORY_RECORDS/HISTORY"); at != NULL; at = xml_next_same(at))
        if (cli_xml_int(at, "HID", -1) == host)
            return TRUE;
    return FALSE;
}

/* MIGRATE of its template, in one line. (owned, NULL: none) */
static char *migrate_settings(xmlNode *vm)
{
    xmlNode *vector = xml_find(vm, "USER_TEMPLATE/MIGRATE");
    if (vector == NULL)
        vector = xml_find(vm, "TEMPLATE/MIGRATE");
    g_autoptr(GString) text = g_string_new(NULL);
    for (xmlNode *at = vector != NULL ? xml_first_element(vector) : NULL; at != NULL;
         at = xml_next_element(at))
        g_string_append_printf(text, "%s%s=%s", text->len > 0 ? ", " : "", xml_name(at),
                               cli_xml_text(at, ""));
    return text->len > 0 ? g_strdup(text->str) : NULL;
}

gboolean machine_read(Run *run, GError **error)
{
    Evaluation *found = &run->found;
    found->vm = g_array_index(run->cli->ids, gint32, 0);
    g_autoptr(xmlDoc) doc = ask(run, "one.vm.info", found->vm, error);
    xmlNode *vm = doc != NULL ? xml_root(doc) : NULL;
    if (vm == NULL)
        return FALSE;
    CliState state = {.name = "", .host = -1};
    cli_vm_state(vm, &state);
    found->name = g_strdup(cli_xml_text(vm, "NAME"));
    if (strcmp(state.name, "RUNNING") != 0) {
        g_set_error(error, CLI_ERROR, CLI_ERROR_FAILED,
                    "%s (%d) is %s: only a machine that runs can be moved while it runs. `onevm "
                    "resume %s --wait` starts it",
                    found->name, found->vm, state.name, found->name);
        return FALSE;
    }
    if (state.host == run->plan.to) {
        g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE,
                    "%s (%d) runs on %s already: name another host with --to", found->name,
                    found->vm, state.where);
        return FALSE;
    }
    found->home = (gint32)state.host;
    found->memory = cli_xml_int(vm, "TEMPLATE/MEMORY", 0);
    found->cpus = g_strdup(
        *cli_xml_text(vm, "TEMPLATE/VCPU") != '\0' ? cli_xml_text(vm, "TEMPLATE/VCPU") : "1");
    found->migrate = migrate_settings(vm);
    found->known = has_been_on(vm, run->plan.to);
    run->address = run->plan.address != NULL ? g_strdup(run->plan.address) : machine_address(vm);
    return read_host(run, 0, found->home, error) && read_host(run, 1, run->plan.to, error);
}

gint32 machine_host(Run *run, gint32 vm)
{
    g_autoptr(xmlDoc) doc = ask(run, "one.vm.info", vm, NULL);
    CliState state = {.name = "", .host = -1};
    if (doc != NULL)
        cli_vm_state(xml_root(doc), &state);
    return strcmp(state.name, "RUNNING") == 0 ? (gint32)state.host : -1;
}

gboolean machine_wait(Run *run, gint32 vm, const char *goal, gint32 host, gboolean firm,
                      GError **error)
{
    CliWatch watch = {.id = vm};
    double end = run_now(run) + (double)run->plan.patience;
    CliVerdict verdict = CLI_VERDICT_WAIT;
    while (verdict == CLI_VERDICT_WAIT) {
        g_autoptr(xmlDoc) doc = ask(run, "one.vm.info", vm, error);
        if (doc == NULL)
            break;
        CliState state = {.name = "", .host = -1, .where = "", .why = ""};
        cli_vm_state(xml_root(doc), &state);
        verdict = cli_wait_judge(&watch, &state, goal, host, FALSE, g_get_monotonic_time());
        if (verdict == CLI_VERDICT_FAILED)
            g_set_error(error, CLI_ERROR, CLI_ERROR_FAILED, "it is %s%s%s%s%s", state.name,
                        *state.where != '\0' ? " on " : "", state.where,
                        *state.why != '\0' ? ": " : "", state.why);
        else if (verdict == CLI_VERDICT_WAIT && run_now(run) > end)
            g_set_error(error, CLI_ERROR, CLI_ERROR_FAILED,
                        "it is still %s after %" G_GINT64_FORMAT " s (--wait-timeout)", state.name,
                        run->plan.patience);
        else if (verdict == CLI_VERDICT_WAIT && run_stops() > (firm ? 1 : 0))
            g_set_error(error, CLI_ERROR, CLI_ERROR_FAILED, "interrupted");
        else if (verdict == CLI_VERDICT_WAIT) {
            g_usleep((gulong)(PAUSE * G_USEC_PER_SEC));
            continue;
        }
        break;
    }
    g_free(watch.last);
    return verdict == CLI_VERDICT_REACHED;
}

/* ---- Machines that are made ---- */

static char *new_template(Run *run, gint64 memory, GError **error)
{
    const char *spare = run->plan.spare;
    if (run->plan.template != NULL) {
        g_autofree char *text = cli_read_file(run->plan.template, error);
        return text != NULL ? machine_template_file(text, run->found.name, memory, spare, error)
                            : NULL;
    }
    g_auto(WireReply) reply = {0};
    WireClient *wire = cli_wire(run->cli, error);
    return wire != NULL && wire_call(wire, &reply, error, "one.vm.info", "ib", run->found.vm, FALSE)
               ? machine_template_from(reply.text, memory, spare, error)
               : NULL;
}

/* A guest that has just started dirties its memory more than one at rest. */
static gboolean let_settle(Run *run, GError **error)
{
    const char *spare = run->plan.spare;
    double end = run_now(run) + (spare != NULL ? (double)run->plan.patience : run->plan.settle);
    gboolean answers = FALSE;
    while (run_now(run) < end && run_stops() == 0 && !answers) {
        if (spare == NULL)
            run_sleep(run, MIN(0.5, end - run_now(run)));
        else
            answers = ping_answers(spare, 500);
    }
    if (run_stops() > 0)
        g_set_error(error, CLI_ERROR, CLI_ERROR_FAILED, "interrupted");
    else if (spare != NULL && !answers)
        g_set_error(error, CLI_ERROR, CLI_ERROR_FAILED,
                    "its guest does not answer at %s (--spare): is the address free, and does the "
                    "guest take it from its network card?",
                    spare);
    else if (spare != NULL)
        run_sleep(run, REST);
    return run_stops() == 0 && (spare == NULL || answers);
}

gboolean machine_make(Run *run, gint64 memory, gint32 *vm, GError **error)
{
    g_auto(WireReply) reply = {0};
    WireClient *wire = cli_wire(run->cli, error);
    g_autofree char *text = wire != NULL ? new_template(run, memory, error) : NULL;
    /* On hold, or the scheduler might choose another host. */
    if (text == NULL || !wire_call(wire, &reply, error, "one.vm.allocate", "sb", text, TRUE))
        return FALSE;
    *vm = (gint32)reply.number;
    g_array_append_val(run->made, *vm);
    if (!wire_call(wire, NULL, error, "one.vm.deploy", "iibis", *vm, run->found.home, TRUE, -1, ""))
        return FALSE;
    return machine_wait(run, *vm, "RUNNING", run->found.home, FALSE, error) &&
           let_settle(run, error);
}

static gboolean remove_one(Run *run, gint32 vm, GError **error)
{
    g_autoptr(GError) refused = NULL;
    WireClient *wire = cli_wire(run->cli, error);
    if (wire == NULL)
        return FALSE;
    if (wire_call(wire, NULL, &refused, "one.vm.action", "si", "terminate-hard", vm) ||
        g_error_matches(refused, ONE_ERROR, ONE_ERROR_NO_EXISTS))
        return TRUE;
    /* In the middle of an action only a repair takes it out. */
    return wire_call(wire, NULL, error, "one.vm.recover", "ii", vm, 3);
}

void machine_remove_all(Run *run)
{
    guint stops = run_stops();
    double end = run_now(run) + REMOVAL;
    for (guint i = 0; i < run->made->len; i++) {
        gint32 vm = g_array_index(run->made, gint32, i);
        g_autoptr(GError) error = NULL;
        CliState state = {.name = ""};
        gboolean asked = remove_one(run, vm, &error);
        while (asked && strcmp(state.name, "DONE") != 0 && run_now(run) < end &&
               run_stops() <= stops) {
            g_autoptr(xmlDoc) doc = ask(run, "one.vm.info", vm, NULL);
            if (doc == NULL)
                break;
            cli_vm_state(xml_root(doc), &state);
            state.name = strcmp(state.name, "DONE") == 0 ? "DONE" : "";
            g_usleep((gulong)(PAUSE * G_USEC_PER_SEC));
        }
        if (strcmp(state.name, "DONE") != 0)
            run_note(run,
                     "machine %d, made for the measurement, could not be seen to go%s%s. "
                     "`onevm delete %d` removes it",
                     vm, error != NULL ? ": " : "", error != NULL ? error->message : "", vm);
    }
    g_array_set_size(run->made, 0);
}
