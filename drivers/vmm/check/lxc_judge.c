/* The rules by which the way of a container from host to host is chosen. */
#include "drivers/vmm/check/lxc_check.h"

#include "lib/template/template.h"
#include <string.h>

#define KIB 1024
#define MIB (1024 * 1024)
/* For the estimate, of hosts of today: what CRIU takes for nothing (two processes), how fast it
 * writes or reads memory, and a network of 1 Gbit/s. */
#define CRIU_MS      400
#define CRIU_RATE    ((gint64)500 * MIB)
#define ASSUMED_RATE 125000000
/* Until a first program has ended and one has begun. */
#define RESTART_MS 1500

/* What a finding means: CRIU cannot, so it has to be stopped; or it cannot go there at all. */
typedef enum { FINE, DOUBT, STOP, NEVER } Finding;

typedef struct Verdict {
    Finding finding;
    GString *text;
} Verdict;

static void say(Verdict *verdict, Finding finding, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* The worst counts. What is in order is told only when nothing is wrong. */
static void say(Verdict *verdict, Finding finding, const char *format, ...)
{
    if (finding == FINE && verdict->finding != FINE)
        return;
    if (finding != FINE && verdict->finding == FINE)
        g_string_truncate(verdict->text, 0);
    verdict->finding = MAX(verdict->finding, finding);
    va_list arguments;
    va_start(arguments, format);
    g_string_append(verdict->text, verdict->text->len ? "; " : "");
    g_string_append_vprintf(verdict->text, format, arguments);
    va_end(arguments);
}

static void judge_destination(const LxcFacts *facts, Verdict *verdict)
{
    const LxcHostFacts *there = &facts->hosts[LXC_DESTINATION];
    if (there->unreachable)
        say(verdict, NEVER, "%s", there->unreachable);
    say(verdict, FINE, "%s answers, with LXC %s", there->name, there->lxc ? there->lxc : "?");
}

static void judge_machine(const LxcFacts *facts, Verdict *verdict)
{
    const LxcHostFacts *here = &facts->hosts[LXC_SOURCE];
    if (here->sight.presence != VMM_RUNNING)
        say(verdict, NEVER, "%s %s on %s: only a running machine can be moved live", facts->domain,
            vmm_presence_text(here->sight.presence), here->name);
    say(verdict, FINE, "%s runs on %s", facts->domain, here->name);
}

static void judge_name(const LxcFacts *facts, Verdict *verdict)
{
    const LxcHostFacts *there = &facts->hosts[LXC_DESTINATION];
    VmmPresence presence = there->sight.presence;
    if (presence != VMM_ABSENT)
        say(verdict, NEVER, "there is a container %s on %s already that %s: remove it there",
            facts->domain, there->name, vmm_presence_text(presence));
    else if (there->sight.there)
        say(verdict, DOUBT, "an earlier attempt left %s on %s, off; the move removes that first",
            facts->domain, there->name);
    say(verdict, FINE, "nothing of that name is on %s", there->name);
}

static void judge_criu(const LxcFacts *facts, Verdict *verdict)
{
    const LxcHostFacts *here = &facts->hosts[LXC_SOURCE], *there = &facts->hosts[LXC_DESTINATION];
    for (guint i = 0; i < LXC_HOSTS; i++) {
        const LxcHostFacts *host = &facts->hosts[i];
        if (!host->criu)
            say(verdict, STOP, "%s has no CRIU: onehost prepare --hypervisor lxc installs it",
                host->name);
        else if (g_strcmp0(host->check, "ok") != 0)
            say(verdict, STOP, "CRIU %s does not work on %s: %s", host->criu, host->name,
                host->check ? host->check : "criu check fails");
    }
    /* Images of a newer one may hold what the older does not know. */
    if (!verdict->finding && here->criu && there->criu && strcmp(here->criu, there->criu) != 0)
        say(verdict,
            g_ascii_strtoll(here->criu, NULL, 10) > g_ascii_strtoll(there->criu, NULL, 10) ? STOP
                                                                                           : DOUBT,
            "CRIU %s on %s and %s on %s", here->criu, here->name, there->criu, there->name);
    say(verdict, FINE, "CRIU %s on both hosts, and criu check finds nothing", here->criu);
}

static void judge_kernel(const LxcFacts *facts, Verdict *verdict)
{
    const LxcHostFacts *here = &facts->hosts[LXC_SOURCE], *there = &facts->hosts[LXC_DESTINATION];
    if (g_strcmp0(here->arch, there->arch) != 0)
        say(verdict, NEVER, "%s on %s, %s on %s", here->arch, here->name, there->arch, there->name);
    if (g_strcmp0(here->kernel, there->kernel) != 0)
        say(verdict, DOUBT,
            "Linux %s on %s and %s on %s: what the older lacks makes the restore fail, and then it "
            "goes on where it was",
            here->kernel, here->name, there->kernel, there->name);
    say(verdict, FINE, "Linux %s on both", here->kernel);
}

static void judge_groups(const LxcFacts *facts, Verdict *verdict)
{
    const LxcHostFacts *here = &facts->hosts[LXC_SOURCE], *there = &facts->hosts[LXC_DESTINATION];
    if (here->groups != there->groups)
        say(verdict, STOP,
            "control groups of version %" G_GINT64_FORMAT " on %s and %" G_GINT64_FORMAT " on %s",
            here->groups, here->name, there->groups, there->name);
    if (g_strcmp0(here->lxc, there->lxc) != 0)
        say(verdict, DOUBT, "LXC %s on %s and %s on %s", here->lxc, here->name, there->lxc,
            there->name);
    say(verdict, FINE, "version %" G_GINT64_FORMAT " on both, and LXC %s", here->groups, here->lxc);
}

static void judge_terminal(const LxcFacts *facts, Verdict *verdict)
{
    if (!facts->hosts[LXC_SOURCE].plain)
        say(verdict, STOP,
            "it has a terminal of its own (CONTAINER/TERMINAL=YES), which CRIU does not restore");
    say(verdict, FINE, "it has none of its own");
}

/* CRIU goes on with the users of the source, whatever the template says meanwhile. As root of the
 * container it may not make the other ends of its network cards. */
static void judge_users(const LxcFacts *facts, Verdict *verdict)
{
    const LxcHostFacts *here = &facts->hosts[LXC_SOURCE], *there = &facts->hosts[LXC_DESTINATION];
    if (here->shifted && !there->shifts)
        say(verdict, STOP,
            "it has users of its own, and %s cannot mount its disks for them: that takes Perl, "
            "unshare and Linux 5.12 there",
            there->name);
    if (here->shifted && here->cards)
        say(verdict, STOP,
            "it has users of its own (LXC_UNPRIVILEGED) and network cards, which CRIU does not "
            "restore for these");
    say(verdict, FINE,
        here->shifted ? "it has users of its own, for whom %s can mount its disks"
                      : "its root is the host's, here and on %s",
        there->name);
}

/* Those of its troubles that begin with the word. */
static void judge_troubles(const LxcFacts *facts, Verdict *verdict, const char *const *words,
                           const char *fine)
{
    const GPtrArray *troubles = facts->hosts[LXC_SOURCE].troubles;
    for (guint i = 0; i < troubles->len; i++)
        for (const char *const *word = words; *word; word++)
            if (g_str_has_prefix(troubles->pdata[i], *word))
                say(verdict, STOP, "%s", (const char *)troubles->pdata[i]);
    say(verdict, FINE, "%s", fine);
}

static void judge_devices(const LxcFacts *facts, Verdict *verdict)
{
    static const char *const words[] = {"device ", NULL};
    judge_troubles(facts, verdict, words, "no device is open");
}

static void judge_namespaces(const LxcFacts *facts, Verdict *verdict)
{
    static const char *const words[] = {"namespace ", "attached ", NULL};
    judge_troubles(facts, verdict, words,
                   "all programs are in its own, and none came from outside");
}

static void judge_files(const LxcFacts *facts, Verdict *verdict)
{
    static const char *const words[] = {"file ", "lock ", "mount ", NULL};
    judge_troubles(facts, verdict, words, "nothing is open or mounted that CRIU cannot restore");
}

/* Told with what would help, since neither CRIU nor the kernel is broken alone. */
static void judge_sockets(const LxcFacts *facts, Verdict *verdict)
{
    static const char *const words[] = {"socket ", NULL};
    const LxcHostFacts *here = &facts->hosts[LXC_SOURCE];
    const GPtrArray *troubles = here->troubles;
    gboolean found = FALSE;
    for (guint i = 0; i < troubles->len; i++)
        found = found || g_str_has_prefix(troubles->pdata[i], words[0]);
    if (found)
        say(verdict, STOP,
            "CRIU %s cannot write its sockets with Linux %s, which %s has: CRIU 4.2 can, and so it "
            "can with a Linux before 6.16; or end these programs before the move",
            here->criu, here->kernel, here->name);
    judge_troubles(facts, verdict, words, "it has no socket open that CRIU cannot write");
}

static void judge_memory(const LxcFacts *facts, Verdict *verdict)
{
    const LxcHostFacts *here = &facts->hosts[LXC_SOURCE], *there = &facts->hosts[LXC_DESTINATION];
    if (here->memory > there->available * KIB)
        say(verdict, NEVER,
            "it uses %" G_GINT64_FORMAT " MiB, and %s has %" G_GINT64_FORMAT " MiB left",
            here->memory / MIB, there->name, there->available / KIB);
    say(verdict, FINE, "it uses %" G_GINT64_FORMAT " MiB, and %s has %" G_GINT64_FORMAT " MiB left",
        MAX(here->memory, 0) / MIB, there->name, there->available / KIB);
}

static void judge_disks(const LxcFacts *facts, Verdict *verdict)
{
    const LxcHostFacts *here = &facts->hosts[LXC_SOURCE], *there = &facts->hosts[LXC_DESTINATION];
    gint64 room = MAX(here->memory, 0) / KIB + (facts->shared ? 0 : MAX(here->disks, 0));
    if (facts->shared && g_strcmp0(here->place, there->place) != 0)
        say(verdict, NEVER,
            "%s does not see the machine's directory as %s does, though its datastore is SHARED: "
            "is it mounted there?",
            there->name, here->name);
    if (room > there->space)
        say(verdict, NEVER,
            "%" G_GINT64_FORMAT " MiB are needed on %s, and %" G_GINT64_FORMAT " MiB are free",
            room / KIB, there->name, there->space / KIB);
    if (!facts->shared)
        say(verdict, DOUBT,
            "its disks (%" G_GINT64_FORMAT
            " MiB) are sent to %s while it stands still: the datastore is not shared",
            MAX(here->disks, 0) / KIB, there->name);
    say(verdict, FINE, "both hosts see its directory");
}

static void judge_networks(const LxcFacts *facts, Verdict *verdict)
{
    const LxcHostFacts *there = &facts->hosts[LXC_DESTINATION];
    g_auto(GStrv) bridges = g_strsplit(facts->wanted, " ", -1);
    for (guint i = 0; bridges[i]; i++) {
        g_autofree char *word = g_strdup_printf(" %s ", bridges[i]);
        if (*bridges[i] && !strstr(there->bridges, word))
            say(verdict, NEVER, "%s has no bridge %s", there->name, bridges[i]);
    }
    say(verdict, FINE, "%s has what its cards need", there->name);
}

static const struct {
    const char *name;
    void (*judge)(const LxcFacts *facts, Verdict *verdict);
    gboolean needs_both; /* both hosts answer, and it runs */
} rules[] = {
    {"destination", judge_destination}, {"machine", judge_machine},
    {"name", judge_name, TRUE},         {"criu", judge_criu, TRUE},
    {"kernel", judge_kernel, TRUE},     {"control-groups", judge_groups, TRUE},
    {"terminal", judge_terminal, TRUE}, {"users", judge_users, TRUE},
    {"devices", judge_devices, TRUE},   {"namespaces", judge_namespaces, TRUE},
    {"files", judge_files, TRUE},       {"sockets", judge_sockets, TRUE},
    {"memory", judge_memory, TRUE},     {"disks", judge_disks, TRUE},
    {"networks", judge_networks, TRUE},
};

void lxc_verdict_clear(LxcVerdict *verdict)
{
    g_clear_pointer(&verdict->why, g_free);
    g_clear_pointer(&verdict->report, g_free);
}

/* ---- the estimate ---- */

static void estimate(const LxcFacts *facts, LxcVerdict *verdict)
{
    gint64 memory = MAX(facts->hosts[LXC_SOURCE].memory, 0);
    gint64 disks = MAX(facts->hosts[LXC_SOURCE].disks, 0) * KIB;
    gint64 rate = facts->link_rate > 0 ? facts->link_rate : ASSUMED_RATE;
    gint64 criu = CRIU_MS + 2 * memory * 1000 / CRIU_RATE;
    gint64 sent = (facts->shared ? 0 : disks) + (verdict->way == LXC_CHECKPOINTED ? memory : 0);
    verdict->still_ms =
        (verdict->way == LXC_STOPPED ? RESTART_MS : criu) + sent * 1000 / MAX(rate, 1);
    verdict->total_ms = verdict->still_ms + CRIU_MS;
}

/* ---- the whole ---- */

static const char *result_of(const LxcFacts *facts, Finding finding)
{
    if (finding == FINE)
        return "ok";
    return finding == NEVER || (finding == STOP && facts->live_only) ? "no" : "warning";
}

static void add_check(Template *report, const char *name, const char *result, const char *text)
{
    TemplateAttribute *check = template_add_vector(report, "CHECK");
    attribute_set(check, "NAME", name);
    attribute_set(check, "RESULT", result);
    attribute_set(check, "TEXT", text);
}

/* Says which way it will be, last of all. */
static void add_way(const LxcFacts *facts, LxcVerdict *verdict, Template *report)
{
    static const char *const texts[] = {
        "live: its memory goes over the shared storage by CRIU",
        "checkpointed: its memory and disks are sent while it stands still",
        "stopped: it is ended, and started anew there; its memory is lost",
    };
    g_autofree char *text =
        verdict->possible
            ? g_strdup_printf("%s; expected interruption about %" G_GINT64_FORMAT " ms",
                              texts[verdict->way], verdict->still_ms)
            : g_strdup_printf("none: %s", verdict->why);
    add_check(report, "way",
              !verdict->possible         ? "no"
              : verdict->way == LXC_LIVE ? "ok"
                                         : "warning",
              text);
    template_set(report, "STORAGE", facts->shared ? "shared" : "mirrored");
    if (!verdict->possible)
        return;
    template_set_int(report, "MEMORY_MB",
                     (MAX(facts->hosts[LXC_SOURCE].memory, 0) + MIB - 1) / MIB);
    template_set_int(report, "TOTAL_MS", verdict->total_ms);
    template_set_int(report, "DOWNTIME_MS", verdict->still_ms);
}

void lxc_judge(const LxcFacts *facts, LxcVerdict *verdict)
{
    g_autoptr(Template) report = template_new();
    g_autoptr(GString) why = g_string_new(NULL);
    Finding worst = FINE;
    gboolean both = !facts->hosts[LXC_SOURCE].unreachable &&
                    !facts->hosts[LXC_DESTINATION].unreachable &&
                    facts->hosts[LXC_SOURCE].sight.presence == VMM_RUNNING;
    for (guint i = 0; i < G_N_ELEMENTS(rules); i++) {
        if (rules[i].needs_both && !both)
            continue;
        Verdict one = {FINE, g_string_new(NULL)};
        rules[i].judge(facts, &one);
        add_check(report, rules[i].name, result_of(facts, one.finding), one.text->str);
        if (one.finding >= STOP ||
            (one.finding == DOUBT && !facts->shared && g_str_equal(rules[i].name, "disks")))
            g_string_append_printf(why, "%s%s", why->len ? "; " : "", one.text->str);
        worst = MAX(worst, one.finding);
        g_string_free(one.text, TRUE);
    }
    verdict->way = worst >= STOP ? LXC_STOPPED : facts->shared ? LXC_LIVE : LXC_CHECKPOINTED;
    verdict->possible = worst != NEVER && (!facts->live_only || verdict->way == LXC_LIVE);
    if (worst != NEVER && !verdict->possible)
        g_string_prepend(why, "LIVE_ONLY forbids to stop it, and it cannot move live: ");
    verdict->why = g_string_free(g_steal_pointer(&why), FALSE);
    estimate(facts, verdict);
    add_way(facts, verdict, report);
    verdict->report = template_to_text(report);
}
