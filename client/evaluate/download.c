/* Experiment 4: a download inside the guest, with and without a move; a guest that was ended by
 * its move goes on with it, as a user's own program would. */
#include "client/evaluate/evaluate.h"
#include "client/evaluate/serve.h"

#include <string.h>

#define SHARE 0.15 /* of a download that has come when the move begins */
#define BEGUN 2.0  /* s after its first bytes, when its size is not known */
#define STALL 90.0 /* s without a word until a download is given up */
#define AGAIN 0.5  /* s until a guest that did not go on is asked again */

/* One download on its way. */
typedef struct Task {
    Run *run;
    Download *download;
    FetchOrder order;
    const char *what; /* as the user reads it */
    gboolean moving;  /* a move is to come */
} Task;

static const Move *move_of(const Task *task)
{
    const Evaluation *found = &task->run->found;
    return task->download->move >= 0 ? found->moves->pdata[task->download->move] : NULL;
}

/* Did the move end all that ran in the guest? */
static gboolean was_ended(const Task *task)
{
    const Move *move = move_of(task);
    return move != NULL && (task->run->found.by_power || strcmp(move->mode, "stopped") == 0);
}

static gboolean runs(Run *run)
{
    return machine_host(run, run->found.vm) >= 0;
}

/* Is it time for the move? */
static gboolean far_enough(const Run *run, double bytes, double first_bytes_at)
{
    if (first_bytes_at < 0)
        return FALSE;
    return run->found.size > 0 ? bytes >= SHARE * run->found.size
                               : run_now(run) - first_bytes_at > BEGUN;
}

/* Until it is over, stands still for long, or the guest is no more. */
static void follow(Task *task, Fetch *fetch)
{
    Run *run = task->run;
    double last = 0, changed = run_now(run), first_at = -1, told = 0;
    gboolean over = FALSE;
    while (!over && run_stops() == 0 && run_now(run) - changed <= STALL) {
        double bytes = fetch_look(fetch, &over);
        if (bytes > last) {
            first_at = first_at < 0 ? run_now(run) : first_at;
            last = bytes;
        }
        changed = MAX(changed, fetch_heard(fetch));
        if (run_now(run) - told > 1) {
            run_tell_amount(run, task->what, bytes);
            told = run_now(run);
        }
        if (task->moving && task->download->move < 0 && !over && far_enough(run, bytes, first_at)) {
            task->download->move = (int)run->found.moves->len;
            const Move *move =
                move_run(run, run->found.vm, run->found.memory, other_side(run), MOVE_DOWNLOAD);
            /* Nobody may be left to say that its connection has ended. */
            if (was_ended(task) && (move != NULL || !runs(run)))
                return;
            changed = run_now(run);
        }
        run_sleep(run, 0.05);
    }
}

/* What a later call came to is added to what there was. */
static void add_result(Download *download, FetchResult *more)
{
    FetchResult *all = &download->result;
    const Progress *steps = (const Progress *)(gpointer)more->steps->data;
    /* The first of all steps is the order's, the next one the guest's. */
    if (more->steps->len > 1 && (more->done || more->bytes > MAX(more->from, 0))) {
        if (download->resumed_at <= 0) {
            download->resumed_at = steps[1].at;
            download->resumed_bytes = MAX(more->from, 0);
        }
        g_array_append_vals(all->steps, steps + 1, more->steps->len - 1);
        all->bytes = more->bytes;
    }
    all->done = more->done;
    g_free(all->sum);
    all->sum = g_steal_pointer(&more->sum);
    g_free(all->why);
    all->why = g_steal_pointer(&more->why);
    fetch_result_clear(more);
}

/* The guest starts anew: it is told to go on until it can, for as long as a move may take. */
static void go_on(Task *task)
{
    Run *run = task->run;
    Download *download = task->download;
    const GArray *steps = download->result.steps;
    const Progress *last = &g_array_index(steps, Progress, steps->len - 1);
    double end = run_now(run) + (double)run->plan.patience;
    download->broken_at = last->at;
    download->broken_bytes = last->bytes;
    run_say(run, "the download broke off at byte %.0f: telling the guest to go on", last->bytes);
    do {
        g_autoptr(GError) error = NULL;
        Fetch *fetch = fetch_start(&task->order, &error);
        download->tries++;
        if (fetch != NULL) {
            FetchResult more = {0};
            follow(task, fetch);
            fetch_stop(fetch, &more);
            add_result(download, &more);
        } else {
            g_free(download->result.why);
            download->result.why = g_strdup(error->message);
        }
    } while (!download->result.done && run_sleep(run, AGAIN) && run_now(run) < end);
    if (download->result.done)
        run_say(run, "it went on at byte %.0f, %.1f s later", download->resumed_bytes,
                download->resumed_at - download->broken_at);
}

static void tell_end(const Task *task)
{
    Run *run = task->run;
    const Download *download = task->download;
    const char *with = task->moving ? "with" : "without";
    if (!download->result.done)
        run_note(run, "the download %s a move did not end: %s", with,
                 run_stops() > 0 ? "interrupted" : download->result.why);
    else if (task->moving && download->move < 0)
        run_note(run, "the download was over before a move could begin: name a larger one");
    else
        run_say(run, "download %s a move: %.1f s, %.0f bytes", with,
                download->ended - download->began, download->result.bytes);
}

static gboolean download_once(Run *run, const char *url, gboolean moving, GError **error)
{
    Evaluation *found = &run->found;
    Download *download = &found->downloads[found->download_count];
    g_autofree char *keep = found->kept ? g_uuid_string_random() : NULL;
    Task task = {.run = run,
                 .download = download,
                 .order = {.way = found->way,
                           .address = run->address,
                           .login = run->plan.login,
                           .url = url,
                           .keep = keep,
                           .epoch = run->epoch},
                 .what = moving ? "downloading with a move" : "downloading without a move",
                 .moving = moving};
    run_tell(run, "%s", task.what);
    *download = (Download){.began = run_now(run), .move = -1};
    Fetch *fetch = fetch_start(&task.order, error);
    if (fetch == NULL)
        return FALSE;
    follow(&task, fetch);
    fetch_stop(fetch, &download->result);
    if (!download->result.done && run_stops() == 0 && was_ended(&task) && runs(run))
        go_on(&task);
    const GArray *steps = download->result.steps;
    download->ended =
        steps->len > 0 ? g_array_index(steps, Progress, steps->len - 1).at : run_now(run);
    found->download_count++;
    tell_end(&task);
    if (keep != NULL && !download->result.done && !fetch_forget(&task.order))
        run_note(run, "the guest may still have a part of the download, in /var/tmp/fetch-%s",
                 keep);
    return download->result.done;
}

static gboolean both(Run *run, const char *url, GError **error)
{
    /* The same way both times, or their times could not be compared. */
    run->found.kept = move_ends_guest(run, other_side(run));
    return download_once(run, url, FALSE, error) && download_once(run, url, TRUE, error);
}

gboolean run_download(Run *run, GError **error)
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
        return both(run, found->url, error);
    }
    g_autoptr(Served) served = serve_start(plan->download, plan->noise, run->address, error);
    if (served == NULL)
        return FALSE;
    found->size = (double)serve_size(served);
    found->sum = serve_sum(served, error);
    found->url =
        g_strdup(plan->download != NULL ? plan->download : "bytes made up by this command");
    return found->sum != NULL && both(run, serve_url(served), error);
}
