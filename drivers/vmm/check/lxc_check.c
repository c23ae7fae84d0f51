#include "drivers/vmm/check/lxc_check.h"

#include "lib/base/error.h"
#include "lib/base/xml.h"
#include <string.h>

void lxc_facts_clear(LxcFacts *facts)
{
    for (guint i = 0; i < LXC_HOSTS; i++) {
        LxcHostFacts *host = &facts->hosts[i];
        char **texts[] = {&host->unreachable, &host->kernel, &host->arch,  &host->lxc,
                          &host->criu,        &host->check,  &host->place, &host->bridges};
        for (guint k = 0; k < G_N_ELEMENTS(texts); k++)
            g_clear_pointer(texts[k], g_free);
        g_clear_pointer(&host->troubles, g_ptr_array_unref);
        lxc_sight_clear(&host->sight);
    }
    g_clear_pointer(&facts->wanted, g_free);
}

/* ---- reading ---- */

static void read_line(LxcHostFacts *host, const char *word, const char *rest)
{
    const struct {
        const char *word;
        char **text;
        gint64 *number;
    } rows[] = {
        {"kernel", &host->kernel, NULL}, {"arch", &host->arch, NULL},
        {"lxc", &host->lxc, NULL},       {"criu", &host->criu, NULL},
        {"check", &host->check, NULL},   {"place", &host->place, NULL},
        {"groups", NULL, &host->groups}, {"available", NULL, &host->available},
        {"space", NULL, &host->space},   {"disks", NULL, &host->disks},
        {"memory", NULL, &host->memory},
    };
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (!g_str_equal(rows[i].word, word))
            continue;
        if (rows[i].number) {
            *rows[i].number = g_ascii_strtoll(rest, NULL, 10);
        } else {
            g_free(*rows[i].text);
            *rows[i].text = g_strdup(rest);
        }
        return;
    }
    if (g_str_equal(word, "state")) {
        host->sight = lxc_sight_of(rest);
    } else if (g_str_equal(word, "plain")) {
        host->plain = TRUE;
    } else if (g_str_equal(word, "shifts")) {
        host->shifts = TRUE;
    } else if (g_str_equal(word, "shifted")) {
        host->shifted = TRUE;
    } else if (g_str_equal(word, "cards")) {
        host->cards = TRUE;
    } else if (g_str_equal(word, "trouble")) {
        g_ptr_array_add(host->troubles, g_strdup(rest));
    } else if (g_str_equal(word, "bridge")) {
        char *all = g_strconcat(host->bridges, rest, " ", NULL);
        g_free(host->bridges);
        host->bridges = all;
    }
}

void lxc_facts_read(LxcHostFacts *host, const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    host->troubles = g_ptr_array_new_with_free_func(g_free);
    host->bridges = g_strdup(" ");
    host->memory = host->disks = -1;
    for (guint i = 0; lines[i]; i++) {
        char *blank = strchr(lines[i], ' ');
        if (!blank)
            continue;
        *blank = '\0';
        read_line(host, lines[i], g_strstrip(blank + 1));
    }
}

static void ask(LxcFacts *facts, guint which, const LxcMove *move)
{
    const VmmAction *action = move->action;
    const SshWatch watch = {.seconds = 40};
    LxcHostFacts *host = &facts->hosts[which];
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    g_autofree char *call = lxc_call("inspect", action->domain, action->uuid, lxc_directory(action),
                                     facts->wanted, move->plan.disks, NULL);
    host->name = which == LXC_SOURCE ? action->host : action->destination;
    gboolean said = lxc_do(host->name, call, &watch, &text, &error);
    lxc_facts_read(host, said ? text : "");
    if (!said)
        host->unreachable = g_strdup(error->message);
}

static void gather(LxcFacts *facts, const LxcMove *move)
{
    const VmmAction *action = move->action;
    g_autoptr(GString) bridges = g_string_new(NULL);
    for (const xmlNode *nic = xml_find(action->vm, "TEMPLATE/NIC"); nic; nic = xml_next_same(nic)) {
        g_autofree char *bridge = xml_get(nic, "BRIDGE");
        g_autofree char *driver = xml_get(nic, "VN_MAD");
        /* Those of network drivers are made when they are needed. */
        if (bridge && *bridge && (!driver || !*driver || g_str_equal(driver, "dummy")))
            g_string_append_printf(bridges, "%s%s", bridges->len ? " " : "", bridge);
    }
    facts->wanted = g_string_free(g_steal_pointer(&bridges), FALSE);
    facts->domain = action->domain;
    facts->shared = action->shared;
    facts->live_only = move->options.live_only;
    for (guint i = 0; i < LXC_HOSTS; i++)
        ask(facts, i, move);
}

/* ---- actions ---- */

gboolean lxc_check_choose(LxcMove *move, GError **error)
{
    g_auto(LxcFacts) facts = {.live_only = FALSE};
    g_auto(LxcVerdict) verdict = {FALSE};
    gather(&facts, move);
    lxc_judge(&facts, &verdict);
    move->way = verdict.way;
    if (!verdict.possible) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION, "%s", verdict.why);
        return FALSE;
    }
    driver_log(move->way == LXC_LIVE ? 'I' : 'W', move->action->vid,
               "it is moved %s, about %" G_GINT64_FORMAT " ms of standing still are expected%s%s",
               lxc_way_name(move->way), verdict.still_ms, *verdict.why ? ": " : "", verdict.why);
    return TRUE;
}

void lxc_check(DriverJob *job)
{
    g_auto(LxcMove) move = {NULL};
    g_auto(LxcFacts) facts = {.live_only = FALSE};
    g_auto(LxcVerdict) verdict = {FALSE};
    g_autoptr(GError) error = NULL;
    if (!lxc_move_read(&move, job, &error)) {
        driver_job_fail(job, "%s", error->message);
        return;
    }
    gather(&facts, &move);
    if (facts.hosts[LXC_SOURCE].unreachable) {
        driver_job_fail(job, "%s", facts.hosts[LXC_SOURCE].unreachable);
        return;
    }
    lxc_judge(&facts, &verdict);
    g_autofree char *coded =
        g_base64_encode((const guchar *)verdict.report, strlen(verdict.report));
    driver_job_succeed(job, coded);
}
