#include "client/evaluate/evaluate.h"
#include "client/evaluate/ping.h"

#include <string.h>

#define LEAD   3.0 /* s of pings before the first move and after the last */
#define BREATH 1.5 /* s between two moves */

gint32 other_side(Run *run)
{
    return machine_host(run, run->found.vm) == run->plan.to ? run->found.home : run->plan.to;
}

gboolean need_address(const Run *run, GError **error)
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
    run_say(run, "%" G_GINT64_FORMAT " MiB from %s to %s: %.2f s%s%s", move->memory, move->source,
            move->destination, (double)move->elapsed_ms / 1000, downtime,
            strcmp(move->mode, "stopped") == 0 ? ", NOT live: it was ended and started anew" : "");
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

/* ---- 4: a download, with and without a move (download.c) ---- */

static gboolean wants_download(const Plan *plan)
{
    return plan->download != NULL || plan->noise > 0;
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
