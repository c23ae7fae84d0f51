#include "drivers/vmm/check/container_check.h"

#include "drivers/common/criu.h"
#include "lib/base/error.h"
#include <string.h>

/* For the estimate: until a first program has ended and one has begun, and a network of 1 Gbit/s.
 */
#define RESTART_MS   1500
#define ASSUMED_RATE 125000000
#define MIB          (1024 * 1024)

void container_facts_clear(ContainerFacts *facts)
{
    for (guint i = 0; i < CONTAINER_HOSTS; i++) {
        ContainerHost *host = &facts->hosts[i];
        char **texts[] = {&host->unreachable, &host->daemon,  &host->version, &host->kernel,
                          &host->arch,        &host->storage, &host->criu};
        for (guint k = 0; k < G_N_ELEMENTS(texts); k++)
            g_clear_pointer(texts[k], g_free);
        container_sight_clear(&host->sight);
    }
    g_clear_pointer(&facts->missing, g_ptr_array_unref);
    g_clear_pointer(&facts->stays, g_ptr_array_unref);
}

/* ---- judging ---- */

typedef struct Judged {
    const char *result; /* "ok", "warning", "no"; the worst counts */
    GString *text;
} Judged;

static void say(Judged *judged, const char *result, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* What is in order is told only when nothing is wrong. */
static void say(Judged *judged, const char *result, const char *format, ...)
{
    gboolean fine = g_str_equal(result, "ok"), was_fine = g_str_equal(judged->result, "ok");
    if (fine && !was_fine)
        return;
    if (!fine && was_fine)
        g_string_truncate(judged->text, 0);
    if (!g_str_equal(judged->result, "no"))
        judged->result = result;
    va_list arguments;
    va_start(arguments, format);
    g_string_append(judged->text, judged->text->len ? "; " : "");
    g_string_append_vprintf(judged->text, format, arguments);
    va_end(arguments);
}

static const char *known(const char *text)
{
    return text && *text ? text : "?";
}

static void judge_destination(const VmmAction *action, const ContainerFacts *facts, Judged *judged)
{
    const ContainerHost *there = &facts->hosts[CONTAINER_DESTINATION];
    if (there->unreachable)
        say(judged, "no", "%s", there->unreachable);
    say(judged, "ok", "%s answers", there->name);
}

static void judge_machine(const VmmAction *action, const ContainerFacts *facts, Judged *judged)
{
    const ContainerHost *here = &facts->hosts[CONTAINER_SOURCE];
    VmmPresence presence = here->sight.presence;
    if (presence == VMM_OTHER || !here->sight.document)
        say(judged, "no", "%s %s on %s", action->domain, vmm_presence_text(presence), here->name);
    say(judged, "ok", "%s %s on %s", action->domain, vmm_presence_text(presence), here->name);
}

static void judge_name(const VmmAction *action, const ContainerFacts *facts, Judged *judged)
{
    const ContainerHost *there = &facts->hosts[CONTAINER_DESTINATION];
    VmmPresence presence = there->sight.presence;
    if (presence == VMM_OTHER || presence == VMM_RUNNING || presence == VMM_PAUSED)
        say(judged, "no", "there is a container %s on %s already that %s: remove it there",
            action->domain, there->name, vmm_presence_text(presence));
    else if (there->sight.document)
        say(judged, "warning",
            "an earlier attempt left %s on %s, off, with what its disk held then: a start there "
            "is refused, or begins with that; remove it there first",
            action->domain, there->name);
    say(judged, "ok", "nothing of that name is on %s", there->name);
}

/* The major number of "5.0.2". */
static gint64 major_of(const char *version)
{
    return version ? g_ascii_strtoll(version, NULL, 10) : 0;
}

static void judge_engine(const VmmAction *action, const ContainerFacts *facts, Judged *judged)
{
    const ContainerHost *here = &facts->hosts[CONTAINER_SOURCE];
    const ContainerHost *there = &facts->hosts[CONTAINER_DESTINATION];
    if (g_strcmp0(here->daemon, there->daemon) != 0)
        say(judged, "warning", "%s runs %s and %s runs %s: they may not understand each other",
            here->name, known(here->daemon), there->name, known(there->daemon));
    else if (major_of(here->version) > major_of(there->version))
        say(judged, "warning", "%s %s on %s is older than %s on %s", known(there->daemon),
            known(there->version), there->name, known(here->version), here->name);
    say(judged, "ok", "%s %s on %s, %s on %s", known(here->daemon), known(here->version),
        here->name, known(there->version), there->name);
}

static void judge_kernel(const VmmAction *action, const ContainerFacts *facts, Judged *judged)
{
    const ContainerHost *here = &facts->hosts[CONTAINER_SOURCE];
    const ContainerHost *there = &facts->hosts[CONTAINER_DESTINATION];
    if (g_strcmp0(here->arch, there->arch) != 0)
        say(judged, "no", "%s on %s, %s on %s", known(here->arch), here->name, known(there->arch),
            there->name);
    if (g_strcmp0(here->kernel, there->kernel) == 0)
        say(judged, "ok", "Linux %s (%s) on both", known(here->kernel), known(here->arch));
    else
        say(judged, "ok", "Linux %s on %s and %s on %s, which is no matter to what starts anew",
            known(here->kernel), here->name, known(there->kernel), there->name);
}

static void judge_storage(const VmmAction *action, const ContainerFacts *facts, Judged *judged)
{
    const ContainerHost *here = &facts->hosts[CONTAINER_SOURCE];
    const ContainerHost *there = &facts->hosts[CONTAINER_DESTINATION];
    if (there->storage && g_strcmp0(here->storage, there->storage) != 0)
        say(judged, "warning", "%s on %s, %s on %s", known(here->storage), here->name,
            there->storage, there->name);
    say(judged, "ok", "%s; %s", known(here->storage), facts->sent);
}

static void judge_list(const GPtrArray *list, const char *result, const char *fine, Judged *judged)
{
    for (guint i = 0; list && i < list->len; i++)
        say(judged, result, "%s", (const char *)list->pdata[i]);
    say(judged, "ok", "%s", fine);
}

static void judge_networks(const VmmAction *action, const ContainerFacts *facts, Judged *judged)
{
    judge_list(facts->missing, "no", "the destination has the networks and pools that it names",
               judged);
}

static void judge_devices(const VmmAction *action, const ContainerFacts *facts, Judged *judged)
{
    judge_list(facts->stays, "warning", "nothing of it is bound to its host", judged);
}

/* Said though it is not used: whoever installs CRIU for it shall not wonder. */
static void judge_criu(const VmmAction *action, const ContainerFacts *facts, Judged *judged)
{
    for (guint i = 0; i < CONTAINER_HOSTS; i++)
        say(judged, "ok", "%s: %s%s", facts->hosts[i].name, known(facts->hosts[i].criu),
            facts->hosts[i].checkpoints == 1   ? ", and the engine offers checkpoints"
            : facts->hosts[i].checkpoints == 0 ? ", and the engine offers no checkpoints"
                                               : "");
}

static const struct {
    const char *name;
    void (*judge)(const VmmAction *action, const ContainerFacts *facts, Judged *judged);
    gboolean needs_both; /* both hosts answer */
} rules[] = {
    {"destination", judge_destination}, {"machine", judge_machine},
    {"name", judge_name, TRUE},         {"engine", judge_engine, TRUE},
    {"kernel", judge_kernel, TRUE},     {"storage", judge_storage, TRUE},
    {"networks", judge_networks, TRUE}, {"bound", judge_devices, TRUE},
    {"criu", judge_criu, TRUE},
};

static void add(Template *report, const char *name, const char *result, const char *text)
{
    TemplateAttribute *check = template_add_vector(report, "CHECK");
    attribute_set(check, "NAME", name);
    attribute_set(check, "RESULT", result);
    attribute_set(check, "TEXT", text);
}

char *container_judge(const VmmAction *action, const ContainerFacts *facts)
{
    g_autoptr(Template) report = template_new();
    gboolean both = !facts->hosts[CONTAINER_DESTINATION].unreachable, possible = TRUE;
    gint64 still = RESTART_MS + MAX(facts->bytes, 0) * 1000 / ASSUMED_RATE;
    for (guint i = 0; i < G_N_ELEMENTS(rules); i++) {
        if (rules[i].needs_both && !both)
            continue;
        Judged judged = {"ok", g_string_new(NULL)};
        rules[i].judge(action, facts, &judged);
        add(report, rules[i].name, judged.result, judged.text->str);
        possible = possible && !g_str_equal(judged.result, "no");
        g_string_free(judged.text, TRUE);
    }
    g_autofree char *text = g_strdup_printf(
        "%s; neither live nor checkpointed: %s; expected interruption about %" G_GINT64_FORMAT
        " ms%s beside the time that its programs take to end",
        possible
            ? "stopped: onevm migrate, with --poff or --live, ends it, moves it and starts it anew"
            : "none, for the reasons above",
        facts->never, still, facts->bytes < 0 ? " and the copy" : "");
    add(report, "way", possible ? "warning" : "no", text);
    template_set(report, "STORAGE", "mirrored");
    if (possible) {
        template_set_int(report, "TOTAL_MS", still);
        template_set_int(report, "DOWNTIME_MS", still);
    }
    return template_to_text(report);
}

/* ---- gathering ---- */

static void ask(const VmmAction *action, ContainerFacts *facts, guint which)
{
    ContainerHost *host = &facts->hosts[which];
    g_autoptr(GError) error = NULL;
    host->name = which == CONTAINER_SOURCE ? action->host : action->destination;
    host->checkpoints = -1;
    host->sight = container_look(action, host->name);
    if (host->sight.presence == VMM_UNKNOWN) {
        host->unreachable = g_strdup(host->sight.error->message);
        return;
    }
    if (!container_engine()->ask_host(host, &error)) {
        host->unreachable = g_strdup(error->message);
        return;
    }
    host->criu = criu_look(host->name, &error);
    if (!host->criu)
        host->criu = g_strdup_printf("CRIU was not looked for: %s", error->message);
}

void container_check(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    g_auto(ContainerFacts) facts = {
        .bytes = -1,
        .missing = g_ptr_array_new_with_free_func(g_free),
        .stays = g_ptr_array_new_with_free_func(g_free),
    };
    if (!action->destination) {
        driver_job_fail(job, "the request names no destination");
        return;
    }
    for (guint i = 0; i < CONTAINER_HOSTS; i++)
        ask(action, &facts, i);
    if (facts.hosts[CONTAINER_SOURCE].unreachable) {
        driver_job_fail(job, "%s", facts.hosts[CONTAINER_SOURCE].unreachable);
        return;
    }
    container_engine()->ask_container(action, &facts);
    g_autofree char *report = container_judge(action, &facts);
    g_autofree char *coded = g_base64_encode((const guchar *)report, strlen(report));
    driver_job_succeed(job, coded);
}
