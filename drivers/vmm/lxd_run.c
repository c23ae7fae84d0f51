/* The life of a container of LXD or Incus: what every other action stands on, too. */
#include "drivers/vmm/container.h"
#include "drivers/vmm/lxd.h"
#include "lib/base/error.h"
#include "lib/base/xml.h"
#include <string.h>

#define STATE_SECONDS  30
#define CREATE_SECONDS 280

/* ---- seeing ---- */

void lxd_sight_clear(LxdSight *sight)
{
    g_clear_pointer(&sight->instance, json_object_unref);
    g_clear_error(&sight->error);
}

char *lxd_path(const VmmAction *action, const char *rest)
{
    g_autofree char *name = rest_escape(action->domain);
    return g_strconcat("/1.0/instances/", name, rest, NULL);
}

SshWatch lxd_watch(DriverJob *job, guint seconds)
{
    return (SshWatch){
        .seconds = seconds, .cancelled = (gboolean(*)(gpointer))driver_job_cancelled, .data = job};
}

static VmmPresence presence_of(const char *status)
{
    const char *state = lxd_state_name(status);
    if (g_str_equal(state, "RUNNING"))
        return VMM_RUNNING;
    if (g_str_equal(state, "PAUSED"))
        return VMM_PAUSED;
    return g_str_equal(state, "FAILURE") ? VMM_BROKEN : VMM_ABSENT;
}

/* By what the driver noted: a container of that name may be another's. */
static gboolean is_this(const VmmAction *action, JsonObject *instance)
{
    const char *uuid = json_text_of(json_object_at(instance, "config"), LXD_UUID);
    g_autofree char *own = g_strdup_printf("one-%" G_GINT64_FORMAT, action->vid);
    return action->adopted || !g_str_equal(action->domain, own) ||
           (uuid && !g_ascii_strcasecmp(uuid, action->uuid));
}

LxdSight lxd_look(const VmmAction *action, const char *host)
{
    LxdSight sight = {VMM_UNKNOWN};
    g_autofree char *path = lxd_path(action, "");
    sight.instance = lxd_do(host, "GET", path, NULL, NULL, &sight.error);
    const char *status = json_text_at(sight.instance, "status");
    if (!sight.instance) {
        if (g_error_matches(sight.error, ONE_ERROR, ONE_ERROR_NO_EXISTS)) {
            g_clear_error(&sight.error);
            sight.presence = VMM_ABSENT;
        }
    } else if (!status) {
        g_set_error(&sight.error, ONE_ERROR, ONE_ERROR_INTERNAL,
                    "host %s: LXD does not tell the status of %s", host, action->domain);
    } else {
        sight.presence = is_this(action, sight.instance) ? presence_of(status) : VMM_OTHER;
    }
    return sight;
}

static void fail_job(DriverJob *job, const GError *error)
{
    driver_job_fail(job, "%s", error->message);
}

/* Ends the job when the host could not say, or has another container of that name. */
static gboolean sight_is_clear(DriverJob *job, const LxdSight *sight)
{
    const VmmAction *action = vmm_action_of(job);
    if (sight->presence == VMM_UNKNOWN)
        fail_job(job, sight->error);
    else if (sight->presence == VMM_OTHER)
        driver_job_fail(job,
                        "%s on %s is another container (its " LXD_UUID
                        " is not %s); it is left alone. Rename or remove it there",
                        action->domain, action->host, action->uuid);
    return sight->presence != VMM_UNKNOWN && sight->presence != VMM_OTHER;
}

/* ---- changing its state ---- */

gboolean lxd_change_state(const VmmAction *action, const char *host, const char *word,
                          gboolean force, guint seconds, const SshWatch *watch, GError **error)
{
    g_autofree char *path = lxd_path(action, "/state");
    g_autoptr(JsonObject) body = json_object_new();
    json_object_set_string_member(body, "action", word);
    json_object_set_int_member(body, "timeout", force ? -1 : (gint64)seconds);
    json_object_set_boolean_member(body, "force", force);
    g_autoptr(JsonObject) done = lxd_do(host, "PUT", path, body, watch, error);
    return done != NULL;
}

gboolean lxd_remove(const VmmAction *action, const char *host, GError **error)
{
    const SshWatch watch = {.seconds = 100};
    g_autofree char *path = lxd_path(action, "");
    g_auto(LxdSight) sight = lxd_look(action, host);
    if (sight.presence == VMM_UNKNOWN) {
        g_propagate_error(error, g_steal_pointer(&sight.error));
        return FALSE;
    }
    if (sight.presence == VMM_OTHER || !sight.instance)
        return TRUE;
    if (sight.presence != VMM_ABSENT &&
        !lxd_change_state(action, host, "stop", TRUE, 0, &watch, error)) {
        /* It may have ended by itself meanwhile. */
        g_auto(LxdSight) again = lxd_look(action, host);
        if (again.presence != VMM_ABSENT)
            return FALSE;
        g_clear_error(error);
    }
    g_autoptr(GError) reason = NULL;
    g_autoptr(JsonObject) done = lxd_do(host, "DELETE", path, NULL, &watch, &reason);
    if (done || g_error_matches(reason, ONE_ERROR, ONE_ERROR_NO_EXISTS))
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&reason));
    return FALSE;
}

/* ---- DEPLOY ---- */

static gboolean start(DriverJob *job, GError **error)
{
    const VmmAction *action = vmm_action_of(job);
    const SshWatch watch = lxd_watch(job, CREATE_SECONDS);
    return lxd_change_state(action, action->host, "start", FALSE, STATE_SECONDS, &watch, error);
}

/* One that is there and off gets what the template says now, and is started. */
static gboolean start_again(DriverJob *job, JsonObject *instance, GError **error)
{
    return (vmm_action_of(job)->adopted || lxd_update(job, instance, NULL, error)) &&
           start(job, error);
}

/* A new one that does not start is taken away again, so that nothing stays of a failure. */
static gboolean create(DriverJob *job, GError **error)
{
    const VmmAction *action = vmm_action_of(job);
    const SshWatch watch = lxd_watch(job, CREATE_SECONDS);
    g_autoptr(JsonObject) instance = lxd_build_instance(action, error);
    g_autoptr(JsonObject) made =
        instance ? lxd_do(action->host, "POST", "/1.0/instances", instance, &watch, error) : NULL;
    if (!made)
        return FALSE;
    if (start(job, error))
        return TRUE;
    g_autoptr(GError) left = NULL;
    if (!lxd_remove(action, action->host, &left))
        driver_log('W', action->vid, "what was made of %s stays on %s: %s", action->domain,
                   action->host, left->message);
    return FALSE;
}

/* A machine that was on another host is there with its disk, and nowhere else: it comes over. FALSE
 * without the error: no host has it. */
static gboolean fetch(DriverJob *job, GError **error)
{
    const VmmAction *action = vmm_action_of(job);
    g_autoptr(GPtrArray) hosts = container_earlier_hosts(action);
    for (guint i = 0; i < hosts->len; i++) {
        const char *host = hosts->pdata[i];
        g_auto(LxdSight) sight = lxd_look(action, host);
        if (sight.presence == VMM_UNKNOWN) {
            g_propagate_prefixed_error(
                error, g_steal_pointer(&sight.error),
                "%s may be on %s, where it was, with its disk: ", action->domain, host);
            return FALSE;
        }
        if (sight.presence == VMM_OTHER || !sight.instance)
            continue;
        if (sight.presence == VMM_ABSENT)
            return lxd_move(job, host, sight.instance, error);
        g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION, "%s %s on %s", action->domain,
                    vmm_presence_text(sight.presence), host);
        return FALSE;
    }
    return FALSE;
}

static gboolean deploy_absent(DriverJob *job, const LxdSight *sight, GError **error)
{
    const VmmAction *action = vmm_action_of(job);
    if (sight->instance)
        return start_again(job, sight->instance, error);
    if (action->adopted) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION,
                    "there is no %s on %s: an imported machine can be started only where it is",
                    action->domain, action->host);
        return FALSE;
    }
    g_autoptr(GError) reason = NULL;
    if (fetch(job, &reason)) {
        g_auto(LxdSight) here = lxd_look(action, action->host);
        return here.instance ? start_again(job, here.instance, error) : start(job, error);
    }
    if (!reason)
        return create(job, error);
    g_propagate_error(error, g_steal_pointer(&reason));
    return FALSE;
}

static void deploy(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    const SshWatch watch = lxd_watch(job, STATE_SECONDS);
    g_autoptr(GError) error = NULL;
    g_auto(LxdSight) sight = lxd_look(action, action->host);
    if (!sight_is_clear(job, &sight))
        return;
    gboolean good = TRUE;
    if (sight.presence == VMM_PAUSED)
        good = lxd_change_state(action, action->host, "unfreeze", FALSE, STATE_SECONDS, &watch,
                                &error);
    else if (sight.presence == VMM_ABSENT || sight.presence == VMM_BROKEN)
        good = deploy_absent(job, &sight, &error);
    if (good)
        driver_job_succeed(job, action->domain);
    else
        fail_job(job, error);
}

/* ---- SHUTDOWN, CANCEL, REBOOT, CLEANUP ---- */

static void shut_down(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    guint seconds = (guint)CLAMP(container_setting("SHUTDOWN_TIMEOUT", 120), 1, 3600);
    const SshWatch watch = lxd_watch(job, seconds + STATE_SECONDS);
    g_autoptr(GError) error = NULL;
    g_auto(LxdSight) sight = lxd_look(action, action->host);
    if (!sight_is_clear(job, &sight))
        return;
    if (sight.presence == VMM_ABSENT ||
        lxd_change_state(action, action->host, "stop", FALSE, seconds, &watch, &error)) {
        driver_job_succeed(job, NULL);
        return;
    }
    g_auto(LxdSight) after = lxd_look(action, action->host);
    if (after.presence == VMM_ABSENT)
        driver_job_succeed(job, NULL);
    else
        driver_job_fail(job,
                        "%s did not end within %u seconds and %s; poweroff --hard ends it (%s)",
                        action->domain, seconds, vmm_presence_text(after.presence), error->message);
}

static void cancel(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    const SshWatch watch = {.seconds = 100};
    g_autoptr(GError) error = NULL;
    g_auto(LxdSight) sight = lxd_look(action, action->host);
    if (sight.presence == VMM_UNKNOWN) {
        fail_job(job, sight.error);
        return;
    }
    /* Another container of that name is none of ours to end. */
    gboolean off = sight.presence == VMM_ABSENT || sight.presence == VMM_OTHER;
    if (off || lxd_change_state(action, action->host, "stop", TRUE, 0, &watch, &error)) {
        driver_job_succeed(job, NULL);
        return;
    }
    g_auto(LxdSight) after = lxd_look(action, action->host);
    if (after.presence == VMM_ABSENT)
        driver_job_succeed(job, NULL);
    else
        fail_job(job, error);
}

static void reboot(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    const SshWatch watch = lxd_watch(job, 100);
    g_autoptr(GError) error = NULL;
    g_auto(LxdSight) sight = lxd_look(action, action->host);
    if (!sight_is_clear(job, &sight))
        return;
    if (sight.presence != VMM_RUNNING)
        driver_job_fail(job, "%s %s on %s", action->domain, vmm_presence_text(sight.presence),
                        action->host);
    else if (lxd_change_state(action, action->host, "restart", FALSE, 60, &watch, &error))
        driver_job_succeed(job, NULL);
    else
        fail_job(job, error);
}

/* The hosts that are named must answer. One where it was earlier may be gone for good; that counts
 * only when no other has it. *found: something was there. */
static gboolean clean_hosts(const VmmAction *action, const GPtrArray *hosts, gboolean *found,
                            GError **error)
{
    for (guint i = 0; i < hosts->len; i++) {
        g_auto(LxdSight) sight = lxd_look(action, hosts->pdata[i]);
        if (sight.presence == VMM_UNKNOWN) {
            g_propagate_error(error, g_steal_pointer(&sight.error));
            return FALSE;
        }
        *found |= sight.instance && sight.presence != VMM_OTHER;
        if (!lxd_remove(action, hosts->pdata[i], error))
            return FALSE;
    }
    return TRUE;
}

/* Nothing of it may stay, wherever it was. */
static void clean_up(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    g_autoptr(GPtrArray) named = g_ptr_array_new();
    g_autoptr(GPtrArray) earlier = container_earlier_hosts(action);
    g_autoptr(GError) error = NULL;
    gboolean found = FALSE;
    g_ptr_array_add(named, action->host);
    if (action->destination)
        g_ptr_array_add(named, action->destination);
    gboolean good = action->adopted || clean_hosts(action, named, &found, &error);
    if (good && !action->adopted && !clean_hosts(action, earlier, &found, &error)) {
        good = found;
        if (found)
            driver_log('W', action->vid, "an earlier host of it is not asked: %s", error->message);
    }
    if (good)
        driver_job_succeed(job, NULL);
    else
        fail_job(job, error);
}

/* ---- POLL ---- */

static void append_figures(GString *text, const VmmAction *action)
{
    g_autofree char *path = lxd_path(action, "/state");
    g_autoptr(JsonObject) state = lxd_do(action->host, "GET", path, NULL, NULL, NULL);
    gint64 memory = json_int_at(state, "memory.usage", -1);
    if (memory >= 0)
        g_string_append_printf(text, " MEMORY=%" G_GINT64_FORMAT, memory / 1024);
}

static void poll_machine(DriverJob *job)
{
    static const char letters[] = {[VMM_ABSENT] = 'd', [VMM_RUNNING] = 'a', [VMM_PAUSED] = 'p',
                                   [VMM_BROKEN] = 'e', [VMM_OTHER] = 'd',   [VMM_UNKNOWN] = '-'};
    const VmmAction *action = vmm_action_of(job);
    g_auto(LxdSight) sight = lxd_look(action, action->host);
    if (sight.presence == VMM_UNKNOWN) {
        fail_job(job, sight.error);
        return;
    }
    g_autoptr(GString) text = g_string_new(NULL);
    g_string_printf(text, "STATE=%c", letters[sight.presence]);
    if (sight.presence == VMM_RUNNING || sight.presence == VMM_PAUSED)
        append_figures(text, action);
    driver_job_succeed(job, text->str);
}

/* The time-outs are wider than what the calls themselves allow; they catch a daemon that never
 * comes back. */
const DriverAction lxd_actions[] = {
    {"DEPLOY", deploy, 3600},
    {"SHUTDOWN", shut_down, 4000},
    {"CANCEL", cancel, 120, DRIVER_URGENT},
    {"REBOOT", reboot, 120, DRIVER_URGENT},
    {"POLL", poll_machine, 60, DRIVER_URGENT},
    {"CLEANUP", clean_up, 230, DRIVER_URGENT},
    {"RESIZE", lxd_apply, 180},
    {"UPDATECONF", lxd_apply, 120},
    {"ATTACHNIC", lxd_apply, 120},
    {"UPDATENIC", lxd_apply, 120},
    {"DETACHNIC", lxd_detach_nic, 120},
    {"ATTACHDISK", lxd_refuse_disk, 60},
    {"DETACHDISK", lxd_refuse_disk, 60},
    {"RESIZEDISK", lxd_refuse_disk, 60},
    {"SNAPSHOTCREATE", lxd_snapshot_create, 1800},
    {"SNAPSHOTREVERT", lxd_snapshot_revert, 1800},
    {"SNAPSHOTDELETE", lxd_snapshot_delete, 1800},
    {"CONSOLE", lxd_console, 60, DRIVER_URGENT},
    {NULL},
};
