#include "client/evaluate/evaluate.h"
#include "client/evaluate/ping.h"
#include "client/evaluate/serve.h"

#include <string.h>

#define LEAD   3.0  /* s of pings before the first move and after the last */
#define BREATH 1.5  /* s between two moves */
#define SHARE  0.15 /* of a download that has come when the move begins */
#define BEGUN  2.0  /* s after its first bytes, when its size is not known */
#define STALL  90.0 /* s without a byte until a download is given up */

/* Where the machine is not. */
static gint32 other_side(Run *run)
{
    return machine_host(run, run->found.vm) == run->plan.to ? run->found.home : run->plan.to;
}

static gboolean need_address(const Run *run, GError **error)
{
    if (run->address != NULL)
        return TRUE;
    g_set_error(error, CLI_ERROR, CLI_ERROR_FAILED,
                "no network card of %s has an address that is known here: tell the guest's with "
                "--address 10.0.0.5",
                run->found.name);
    return FALSE;
}

static void tell_move(const Run *run, const Move *move)
{
    g_autofree char *downtime =
        move->downtime_ms >= 0
            ? g_strdup_printf(", downtime %" G_GINT64_FORMAT " ms", move->downtime_ms)
            : g_strdup("");
    run_say(run, "%" G_GINT64_FORMAT " MiB from %s to %s: %.2f s%s", move->memory, move->source,
            move->destination, (double)move->elapsed_ms / 1000, downtime);
}

/* ---- 1 and 3: pinged moves, again and again ---- */

static gboolean wants_moves(const Plan *plan)
{
    return plan->ping || plan->repeat > 0;
}

static Pinger *start_pings(Run *run, GError **error)
{
    guint paces[2] = {1, run->plan.pace};
    if (!need_address(run, error))
        return NULL;
    Pinger *pinger = pinger_start(run->address, paces, 2, run->epoch, error);
    if (pinger == NULL)
        return NULL;
    run_tell(run, "pinging %s once and %u times a second", run->address, run->plan.pace);
    run_sleep(run, LEAD);
    if (pinger_answers(pinger) > 0 || run_stops() > 0)
        return pinger;
    g_set_error(error, CLI_ERROR, CLI_ERROR_FAILED,
                "the guest does not answer pings at %s: is it up, and is that its address "
                "(--address)?",
                run->address);
    pinger_stop(pinger, 0, NULL);
    return NULL;
}

static gboolean run_moves(Run *run, GError **error)
{
    guint count = MAX(run->plan.repeat, 1);
    g_autoptr(GError) silent = NULL;
    Pinger *pinger = run->plan.ping ? start_pings(run, &silent) : NULL;
    if (silent != NULL) {
        if (run->plan.repeat == 0) {
            g_propagate_error(error, g_steal_pointer(&silent));
            return FALSE;
        }
        run_note(run, "no pings: %s", silent->message);
    }
    for (guint i = 0; i < count && run_stops() == 0; i++) {
        if (i > 0)
            run_sleep(run, BREATH);
        Move *move = move_run(run, run->found.vm, run->found.memory, other_side(run), MOVE_AGAIN);
        if (move == NULL)
            break;
        tell_move(run, move);
    }
    if (pinger != NULL) {
        run_sleep(run, LEAD);
        pinger_stop(pinger, run_stops() > 0 ? 100 : 1000, run->found.pings);
    }
    return TRUE;
}

/* ---- 4: a download, with and without a move ---- */

static gboolean wants_download(const Plan *plan)
{
    return plan->download != NULL || plan->noise > 0;
}

/* Is it time for the move? */
static gboolean far_enough(const Run *run, double bytes, double first_bytes_at)
{
    if (first_bytes_at < 0)
        return FALSE;
    return run->found.size > 0 ? bytes >= SHARE * run->found.size
                               : run_now(run) - first_bytes_at > BEGUN;
}

static gboolean download_once(Run *run, const char *url, gboolean moving, GError **error)
{
    Evaluation *found = &run->found;
    Download *download = &found->downloads[found->download_count];
    double last = 0, changed, first_at = -1, told = 0;
    gboolean over = FALSE, moved = FALSE;
    const char *what = moving ? "downloading with a move" : "downloading without a move";
    run_tell(run, "%s", what);
    *download = (Download){.began = run_now(run), .move = -1};
    Fetch *fetch = fetch_start(found->way, run->address, run->plan.login, url, run->epoch, error);
    if (fetch == NULL)
        return FALSE;
    for (changed = run_now(run); !over && run_stops() == 0;) {
        double bytes = fetch_look(fetch, &over);
        if (bytes > last) {
            first_at = first_at < 0 ? run_now(run) : first_at;
            changed = run_now(run);
            last = bytes;
        }
        if (run_now(run) - changed > STALL)
            break;
        if (run_now(run) - told > 1) {
            run_tell_amount(run, what, bytes);
            told = run_now(run);
        }
        if (moving && !moved && !over && far_enough(run, bytes, first_at)) {
            moved = TRUE;
            download->move = (int)found->moves->len;
            move_run(run, found->vm, found->memory, other_side(run), MOVE_DOWNLOAD);
            changed = run_now(run);
        }
        run_sleep(run, 0.05);
    }
    fetch_stop(fetch, &download->result);
    const GArray *steps = download->result.steps;
    download->ended =
        steps->len > 0 ? g_array_index(steps, Progress, steps->len - 1).at : run_now(run);
    found->download_count++;
    if (!download->result.done)
        run_note(run, "the download %s a move did not end: %s", moving ? "with" : "without",
                 run_stops() > 0 ? "interrupted" : download->result.why);
    else if (moving && !moved)
        run_note(run, "the download was over before a move could begin: name a larger one");
    else
        run_say(run, "download %s a move: %.1f s, %.0f bytes", moving ? "with" : "without",
                download->ended - download->began, download->result.bytes);
    return download->result.done;
}

static gboolean run_download(Run *run, GError **error)
{
    Evaluation *found = &run->found;
    const Plan *plan = &run->plan;
    if (!need_address(run, error))
        return FALSE;
    run_tell(run, "looking for a way to tell the guest");
    found->way = fetch_find_way(run->address, plan->login, error);
    if (found->way == NULL)
        return FALSE;
    if (plan->download != NULL && strstr(plan->download, "://") != NULL) {
        found->url = g_strdup(plan->download);
        return download_once(run, found->url, FALSE, error) &&
               download_once(run, found->url, TRUE, error);
    }
    g_autoptr(Served) served = serve_start(plan->download, plan->noise, run->address, error);
    if (served == NULL)
        return FALSE;
    found->size = (double)serve_size(served);
    found->sum = serve_sum(served, error);
    found->url =
        g_strdup(plan->download != NULL ? plan->download : "bytes made up by this command");
    return found->sum != NULL && download_once(run, serve_url(served), FALSE, error) &&
           download_once(run, serve_url(served), TRUE, error);
}

/* ---- 2: time against memory ---- */

static gboolean wants_sizes(const Plan *plan)
{
    return plan->sizes->len > 0;
}

static gboolean run_sizes(Run *run, GError **error)
{
    for (guint i = 0; i < run->plan.sizes->len && run_stops() == 0; i++) {
        gint64 memory = g_array_index(run->plan.sizes, gint64, i);
        g_autoptr(GError) reason = NULL;
        gint32 vm = -1;
        run_tell(run, "making a machine with %" G_GINT64_FORMAT " MiB", memory);
        if (!machine_make(run, memory, &vm, &reason)) {
            run_note(run, "%" G_GINT64_FORMAT " MiB could not be measured: %s", memory,
                     reason->message);
        } else {
            Move *there = move_run(run, vm, memory, run->plan.to, MOVE_SIZE);
            if (there != NULL)
                tell_move(run, there);
            if (there != NULL && run_sleep(run, BREATH))
                move_run(run, vm, memory, run->found.home, MOVE_BACK);
        }
        run_tell(run, "removing the machine with %" G_GINT64_FORMAT " MiB", memory);
        machine_remove_all(run);
    }
    return TRUE;
}

const Experiment experiments[] = {
    {"moves", wants_moves, run_moves},
    {"download", wants_download, run_download},
    {"sizes", wants_sizes, run_sizes},
    {NULL, NULL, NULL},
};
