/*
 * MIGRATE: a container is moved by one of three ways, which the check chooses (lxc_check.h). With a
 * checkpoint it stands still at its host until the destination says that it runs there. When that
 * fails, or nobody knows, the checkpoint is first taken away from the destination, and only when
 * the destination has said so does the container go on where it was. Whatever happens in between,
 * who asks next finds it running at one host, or standing still at its own with all of its memory.
 */
#include "drivers/vmm/lxc/lxc_move.h"

#include "drivers/common/ssh_copy.h"
#include "drivers/vmm/check/lxc_check.h"
#include "lib/base/error.h"
#include "lib/base/xml.h"
#include <string.h>

#define MOVE_SECONDS 3400
/* After a failure the destination is asked for that long. */
#define ASK_SECONDS 30
#define STOP_TEXT   "60"

const char *lxc_way_name(LxcWay way)
{
    static const char *const names[] = {"live", "checkpointed", "stopped"};
    return names[way];
}

void lxc_move_clear(LxcMove *move)
{
    lxc_plan_clear(&move->plan);
    migrate_options_clear(&move->options);
    g_clear_pointer(&move->images, g_free);
    g_clear_pointer(&move->earlier, g_free);
}

gboolean lxc_move_read(LxcMove *move, DriverJob *job, GError **error)
{
    const VmmAction *action = vmm_action_of(job);
    *move = (LxcMove){.job = job, .action = action, .dump_ms = -1, .bytes = -1};
    move->begun = move->still = g_get_monotonic_time();
    if (!action->destination) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API, "the request names no MIGR_HOST");
        return FALSE;
    }
    if (*lxc_uuid(action) == '\0') {
        g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION,
                    "%s was imported: its disks are not oned's, so it stays where it is",
                    action->domain);
        return FALSE;
    }
    move->images = g_build_filename(lxc_directory(action), "checkpoint.move", NULL);
    return lxc_build(action, &move->plan, error) &&
           migrate_options_read(action, NULL, &move->options, error);
}

/* ---- calls ---- */

static char *restore_call(const LxcMove *move, const char *owner)
{
    const VmmAction *action = move->action;
    return lxc_call("restore", action->domain, action->uuid, lxc_directory(action),
                    move->plan.config, move->plan.size, move->plan.disks, move->images, owner,
                    NULL);
}

static gboolean at_host(const LxcMove *move, const char *host, const char *call, char **out,
                        GError **error)
{
    const SshWatch watch = {.seconds = MOVE_SECONDS};
    (void)move;
    return lxc_do_firmly(host, call, &watch, out, error);
}

/* ---- the ends ---- */

/* It runs at the destination; what its old host has of it goes. */
static void succeed(LxcMove *move)
{
    const VmmAction *action = move->action;
    gint64 now = g_get_monotonic_time();
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree char *call = lxc_call("leave", action->domain, action->uuid, NULL);
    g_string_printf(text, "total_ms=%" G_GINT64_FORMAT " downtime_ms=%" G_GINT64_FORMAT,
                    (now - move->begun) / 1000, (now - move->still) / 1000);
    if (move->dump_ms >= 0)
        g_string_append_printf(text, " dump_ms=%" G_GINT64_FORMAT, move->dump_ms);
    /* Disks that are sent are not counted. */
    if (move->bytes > 0)
        g_string_append_printf(text, " memory_bytes=%" G_GINT64_FORMAT, move->bytes);
    if (move->bytes > 0 && action->shared)
        g_string_append_printf(text, " bytes=%" G_GINT64_FORMAT, move->bytes);
    g_string_append_printf(text, " mode=%s storage=%s", lxc_way_name(move->way),
                           action->shared ? "shared" : "mirrored");
    if (at_host(move, action->host, call, NULL, &error))
        driver_job_succeed(move->job, text->str);
    else
        driver_job_fail(move->job,
                        "it runs on %s; what %s has of it, which does not run, could not be "
                        "removed: %s",
                        action->destination, action->host, error->message);
}

/* The host that may go on with it. */
static const char *reader_of(const LxcMove *move)
{
    return move->earlier ? move->earlier : move->action->destination;
}

/* What that one says of it, when it cannot begin any more there: "running", "absent" ...; NULL: it
 * does not say. (owned) */
static char *withdraw(LxcMove *move, GError **error)
{
    const VmmAction *action = move->action;
    gint64 until = g_get_monotonic_time() + ASK_SECONDS * G_TIME_SPAN_SECOND;
    g_autofree char *call = lxc_call("withdraw", action->domain, action->uuid, move->images,
                                     action->shared ? "1" : "0", NULL);
    for (;;) {
        g_autofree char *word = NULL;
        g_clear_error(error);
        if (at_host(move, reader_of(move), call, &word, error))
            return g_strdup(g_strstrip(word));
        if (g_get_monotonic_time() > until || driver_job_wait(move->job, 1000))
            return NULL;
    }
}

/* It goes on at its own host from the checkpoint, which is all there. */
static void go_on_at_source(LxcMove *move, const char *reason)
{
    const VmmAction *action = move->action;
    g_autoptr(GError) error = NULL;
    g_autofree char *call = restore_call(move, "own");
    if (at_host(move, action->host, call, NULL, &error))
        driver_job_fail(move->job, "%s; %s goes on running on %s, and nothing of it is on %s",
                        reason, action->domain, action->host, reader_of(move));
    else
        driver_job_fail(move->job,
                        "%s; on %s it does not go on either: %s. Its memory is kept in %s there",
                        reason, action->host, error->message, move->images);
}

/* The move did not end well, or nobody knows how it ended. */
static void settle(LxcMove *move, const char *reason)
{
    const VmmAction *action = move->action;
    g_autoptr(GError) silence = NULL;
    g_autofree char *word = withdraw(move, &silence);
    if (!word)
        driver_job_fail(move->job,
                        "%s; %s does not say whether it runs there (%s), so on %s it stands still "
                        "with all of its memory until it does",
                        reason, reader_of(move), silence->message, action->host);
    else if (g_str_equal(word, "running") && !move->earlier)
        succeed(move);
    else if (g_str_equal(word, "absent"))
        go_on_at_source(move, reason);
    else
        driver_job_fail(move->job, "%s; on %s it is %s, and nothing was done: look at both hosts",
                        reason, reader_of(move), word);
}

/* It stands still at its host. Whoever was given its memory then is the one to be asked, which need
 * not be where it is wanted now: a move may be under way that oned has given up. */
static void settle_earlier(LxcMove *move)
{
    const VmmAction *action = move->action;
    g_autoptr(GError) error = NULL;
    g_autofree char *call = lxc_call("given_to", action->domain, NULL), *to = NULL;
    if (!at_host(move, action->host, call, &to, &error)) {
        driver_job_fail(move->job, "nothing was begun: %s", error->message);
        return;
    }
    if (*g_strstrip(to) && !g_str_equal(to, action->destination))
        move->earlier = g_steal_pointer(&to);
    settle(move, "an earlier move was left in the middle");
}

/* ---- by a checkpoint ---- */

/* Its old disks there are those that PREMIGRATE made, empty. */
static gboolean send_file(const LxcMove *move, const char *name, GError **error)
{
    const VmmAction *action = move->action;
    const SshWatch watch = lxc_watch(move->job, MOVE_SECONDS);
    g_autofree char *path = g_build_filename(lxc_directory(action), name, NULL);
    g_autofree char *from = lxc_who(action->host), *to = lxc_who(action->destination);
    return ssh_copy(lxc_ssh(), (SshEnd){from, path}, (SshEnd){to, path}, NULL, NULL, &watch, error);
}

static gboolean send_disks(const LxcMove *move, GError **error)
{
    g_auto(GStrv) pairs = g_strsplit(move->plan.disks, " ", -1);
    for (guint i = 0; pairs[i]; i++) {
        g_autofree char *name = g_strdup_printf("disk.%.*s", (int)strcspn(pairs[i], ":"), pairs[i]);
        if (!send_file(move, name, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean checkpoint(LxcMove *move, GError **error)
{
    const VmmAction *action = move->action;
    g_autofree char *call = lxc_call("checkpoint", action->domain, action->uuid, move->images,
                                     action->destination, NULL);
    g_autofree char *said = NULL;
    char *rest = NULL;
    move->still = g_get_monotonic_time();
    if (!at_host(move, action->host, call, &said, error))
        return FALSE;
    move->dump_ms = g_ascii_strtoll(said, &rest, 10);
    move->bytes = g_ascii_strtoll(rest, NULL, 10);
    return TRUE;
}

static void move_by_checkpoint(LxcMove *move)
{
    const VmmAction *action = move->action;
    g_autoptr(GError) error = NULL;
    g_autofree char *call = restore_call(move, action->shared ? "given" : "sent");
    if (!checkpoint(move, &error)) {
        /* The host may not have said all: whether it stands still there is what counts. */
        g_auto(LxcSight) here = lxc_look(action, action->host);
        if (here.moving)
            settle(move, error->message);
        else
            driver_job_fail(move->job, "%s", error->message);
        return;
    }
    if (!action->shared &&
        (!send_disks(move, &error) || !send_file(move, "checkpoint.move", &error)))
        settle(move, error->message);
    else if (!at_host(move, action->destination, call, NULL, &error))
        settle(move, error->message);
    else
        succeed(move);
}

/* ---- by power ---- */

static char *deploy_call(const LxcMove *move)
{
    const VmmAction *action = move->action;
    return lxc_call("deploy", action->domain, action->uuid, lxc_directory(action),
                    move->plan.config, move->plan.size, move->plan.disks, NULL);
}

static void start_at_source_again(LxcMove *move, const char *reason)
{
    const VmmAction *action = move->action;
    g_autoptr(GError) silence = NULL, error = NULL;
    g_autofree char *call = deploy_call(move);
    g_autofree char *word = withdraw(move, &silence);
    if (g_strcmp0(word, "running") == 0)
        succeed(move);
    else if (g_strcmp0(word, "absent") != 0)
        driver_job_fail(move->job, "%s; %s does not say that it is off there (%s), so it stays off",
                        reason, action->destination, word ? word : silence->message);
    else if (at_host(move, action->host, call, NULL, &error))
        driver_job_fail(move->job, "%s; it was started again on %s", reason, action->host);
    else
        driver_job_fail(move->job, "%s; on %s it does not start again either: %s", reason,
                        action->host, error->message);
}

static void move_by_power(LxcMove *move)
{
    const VmmAction *action = move->action;
    g_autoptr(GError) error = NULL;
    g_autofree char *end = lxc_call("end", action->domain, action->uuid, STOP_TEXT, NULL);
    g_autofree char *start = deploy_call(move);
    move->still = g_get_monotonic_time();
    if (!at_host(move, action->host, end, NULL, &error)) {
        driver_job_fail(move->job, "%s", error->message);
        return;
    }
    if ((!action->shared && !send_disks(move, &error)) ||
        !at_host(move, action->destination, start, NULL, &error))
        start_at_source_again(move, error->message);
    else
        succeed(move);
}

/* ---- the whole ---- */

/* FALSE ends the job: the hosts are not as they must be, or all is done already. */
static gboolean ready(LxcMove *move, const LxcSight *here, const LxcSight *there)
{
    const VmmAction *action = move->action;
    g_autoptr(GError) error = NULL;
    if (here->presence == VMM_UNKNOWN || there->presence == VMM_UNKNOWN)
        driver_job_fail(move->job, "nothing was begun: %s",
                        (here->error ? here->error : there->error)->message);
    else if (here->moving)
        settle_earlier(move);
    else if (here->presence == VMM_ABSENT && there->presence == VMM_RUNNING)
        driver_job_succeed(move->job, "it ran on the destination already");
    else if (here->presence != VMM_RUNNING)
        driver_job_fail(move->job, "%s %s on %s: only a running machine can be moved live",
                        action->domain, vmm_presence_text(here->presence), action->host);
    else if (there->presence == VMM_OTHER || there->presence == VMM_RUNNING)
        driver_job_fail(move->job,
                        "nothing was begun: on %s there is a container %s already that %s; it goes "
                        "on running on %s",
                        action->destination, action->domain, vmm_presence_text(there->presence),
                        action->host);
    else if (there->there && !lxc_remove(action, action->destination, &error))
        driver_job_fail(move->job, "nothing was begun: what an earlier attempt left stays: %s",
                        error->message);
    else
        return TRUE;
    return FALSE;
}

void lxc_migrate(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    g_auto(LxcMove) move = {NULL};
    g_autoptr(GError) error = NULL;
    if (!lxc_move_read(&move, job, &error)) {
        driver_job_fail(job, "nothing was begun: %s", error->message);
        return;
    }
    g_auto(LxcSight) here = lxc_look(action, action->host);
    g_auto(LxcSight) there = lxc_look(action, action->destination);
    if (!ready(&move, &here, &there))
        return;
    if (!lxc_check_choose(&move, &error)) {
        driver_job_fail(job, "nothing was begun: %s", error->message);
        return;
    }
    if (move.way == LXC_STOPPED)
        move_by_power(&move);
    else
        move_by_checkpoint(&move);
}

/* A copy on HOST goes only when it does not run and the machine is seen running on MIGR_HOST. */
void lxc_settle(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    const SshWatch watch = {.seconds = 100};
    g_autoptr(GError) error = NULL;
    if (!action->destination) {
        driver_job_fail(job, "the request names no MIGR_HOST");
        return;
    }
    g_auto(LxcSight) here = lxc_look(action, action->host);
    g_auto(LxcSight) there = lxc_look(action, action->destination);
    g_autofree char *call = lxc_call("leave", action->domain, lxc_uuid(action), NULL);
    if (here.presence == VMM_ABSENT && !here.there)
        driver_job_succeed(job, NULL);
    else if ((here.presence == VMM_ABSENT || here.moving) && there.presence == VMM_RUNNING &&
             lxc_do(action->host, call, &watch, NULL, &error))
        driver_job_succeed(job, NULL);
    else
        driver_job_fail(job, "%s %s on %s and %s on %s%s%s: it is left alone; look at both hosts",
                        action->domain, vmm_presence_text(here.presence), action->host,
                        vmm_presence_text(there.presence), action->destination, error ? "; " : "",
                        error ? error->message : "");
}
