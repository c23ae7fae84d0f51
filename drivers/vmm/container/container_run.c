#include "drivers/vmm/container/container_run.h"

#include "lib/base/error.h"
#include "lib/base/xml.h"
#include <string.h>

#define ORDER_SECONDS  60
#define REMOVE_SECONDS 100
/* Progress is told at most so often; much less than any time-out of oned's. */
#define PROGRESS_SECONDS 20
/* LCM_STATE of a machine that is started for the first time. */
#define LCM_BOOT 2
/* STATE of one whose memory is kept: it is neither here nor gone. */
#define VM_STATE_SUSPENDED 5

static const ContainerEngine *engine;

void container_use(const ContainerEngine *used)
{
    engine = used;
}

const ContainerEngine *container_engine(void)
{
    return engine;
}

/* ---- seeing ---- */

void container_sight_clear(ContainerSight *sight)
{
    g_clear_pointer(&sight->document, json_object_unref);
    g_clear_error(&sight->error);
}

char *container_path(const VmmAction *action, const char *rest)
{
    g_autofree char *name = rest_escape(action->domain);
    return g_strconcat(engine->folder, name, rest, NULL);
}

void container_progress(DriverJob *job, guint64 bytes)
{
    VmmAction *action = driver_job_data(job);
    gint64 now = g_get_monotonic_time();
    gboolean first = action->told == 0;
    if (!first && now - action->told < PROGRESS_SECONDS * G_TIME_SPAN_SECOND)
        return;
    action->told = now;
    if (!first && bytes)
        driver_log('I', action->vid, "progress: %" G_GUINT64_FORMAT " MiB of the work at hand",
                   bytes >> 20);
    else if (!first)
        driver_log('I', action->vid, "progress: the work at hand goes on");
}

static void tell_progress(guint64 bytes, gpointer job)
{
    container_progress(job, bytes);
}

SshWatch container_watch(DriverJob *job, guint seconds)
{
    return (SshWatch){.seconds = seconds,
                      .cancelled = (gboolean(*)(gpointer))driver_job_cancelled,
                      .progress = tell_progress,
                      .data = job};
}

static VmmPresence presence_of(const char *status)
{
    const char *state = engine->state_name(status);
    if (g_str_equal(state, "RUNNING"))
        return VMM_RUNNING;
    if (g_str_equal(state, "PAUSED"))
        return VMM_PAUSED;
    return g_str_equal(state, "FAILURE") ? VMM_BROKEN : VMM_ABSENT;
}

/* By what the driver noted: a container of that name may be another's. */
static gboolean is_this(const VmmAction *action, JsonObject *document)
{
    const char *uuid = json_text_of(json_object_at(document, engine->marks), engine->uuid);
    g_autofree char *own = g_strdup_printf("one-%" G_GINT64_FORMAT, action->vid);
    return action->adopted || !g_str_equal(action->domain, own) ||
           (uuid && !g_ascii_strcasecmp(uuid, action->uuid));
}

ContainerSight container_look(const VmmAction *action, const char *host)
{
    ContainerSight sight = {VMM_UNKNOWN};
    g_autofree char *path = container_path(action, engine->self);
    sight.document = engine->ask(host, "GET", path, NULL, NULL, &sight.error);
    const char *status = json_text_at(sight.document, engine->status);
    if (!sight.document) {
        if (g_error_matches(sight.error, ONE_ERROR, ONE_ERROR_NO_EXISTS)) {
            g_clear_error(&sight.error);
            sight.presence = VMM_ABSENT;
        }
    } else if (!status) {
        g_set_error(&sight.error, ONE_ERROR, ONE_ERROR_INTERNAL,
                    "host %s: %s does not tell the status of %s", host, engine->name,
                    action->domain);
    } else {
        sight.presence = is_this(action, sight.document) ? presence_of(status) : VMM_OTHER;
    }
    return sight;
}

gboolean container_is_clear(DriverJob *job, const ContainerSight *sight)
{
    const VmmAction *action = vmm_action_of(job);
    if (sight->presence == VMM_UNKNOWN)
        driver_job_fail(job, "%s", sight->error->message);
    else if (sight->presence == VMM_OTHER)
        driver_job_fail(job,
                        "%s on %s is another container (its %s is not %s); it is left alone. "
                        "Rename or remove it there",
                        action->domain, action->host, engine->uuid, action->uuid);
    return sight->presence != VMM_UNKNOWN && sight->presence != VMM_OTHER;
}

gboolean container_find(DriverJob *job, ContainerSight *sight)
{
    const VmmAction *action = vmm_action_of(job);
    *sight = container_look(action, action->host);
    if (!container_is_clear(job, sight))
        return FALSE;
    if (!sight->document)
        driver_job_fail(job, "%s %s on %s", action->domain, vmm_presence_text(VMM_ABSENT),
                        action->host);
    return sight->document != NULL;
}

gboolean container_find_running(DriverJob *job, ContainerSight *sight, const char *for_what)
{
    const VmmAction *action = vmm_action_of(job);
    *sight = container_look(action, action->host);
    if (!container_is_clear(job, sight))
        return FALSE;
    if (sight->presence == VMM_RUNNING || sight->presence == VMM_PAUSED)
        return TRUE;
    driver_job_fail(job, "%s %s on %s, so it %s", action->domain,
                    vmm_presence_text(sight->presence), action->host, for_what);
    return FALSE;
}

/* ---- doing ---- */

void container_finish(DriverJob *job, gboolean good, const char *info, GError *const *error)
{
    if (good)
        driver_job_succeed(job, info);
    else
        driver_job_fail(job, "%s", (*error)->message);
}

gboolean container_give(const VmmAction *action, const char *host, ContainerOrder order,
                        const SshWatch *watch, GError **error)
{
    return engine->give(action, host, engine->orders[order], watch, error);
}

/* Ends it at once. It may have ended by itself meanwhile, which is as good. Signals do not reach
 * one that is frozen. */
static gboolean kill_on(const VmmAction *action, const char *host, VmmPresence presence,
                        GError **error)
{
    const SshWatch watch = {.seconds = REMOVE_SECONDS};
    g_autoptr(GError) reason = NULL;
    if (presence == VMM_PAUSED)
        (void)container_give(action, host, CONTAINER_THAW, &watch, NULL);
    if (container_give(action, host, CONTAINER_KILL, &watch, &reason))
        return TRUE;
    g_auto(ContainerSight) after = container_look(action, host);
    if (after.presence == VMM_ABSENT)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&reason));
    return FALSE;
}

gboolean container_remove(const VmmAction *action, const char *host, GError **error)
{
    const SshWatch watch = {.seconds = REMOVE_SECONDS};
    g_autofree char *path = container_path(action, engine->removal);
    g_auto(ContainerSight) sight = container_look(action, host);
    if (sight.presence == VMM_UNKNOWN) {
        g_propagate_error(error, g_steal_pointer(&sight.error));
        return FALSE;
    }
    if (sight.presence == VMM_OTHER || !sight.document)
        return TRUE;
    if (sight.presence != VMM_ABSENT && !kill_on(action, host, sight.presence, error))
        return FALSE;
    g_autoptr(GError) reason = NULL;
    g_autoptr(JsonObject) done = engine->ask(host, "DELETE", path, NULL, &watch, &reason);
    if (done || g_error_matches(reason, ONE_ERROR, ONE_ERROR_NO_EXISTS))
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&reason));
    return FALSE;
}

void container_undo_start(const VmmAction *action)
{
    g_autoptr(GError) left = NULL;
    if (!container_remove(action, action->host, &left))
        driver_log('W', action->vid, "what was made of %s stays on %s: %s", action->domain,
                   action->host, left->message);
}

gboolean container_refuse_adopted(const VmmAction *action, GError **error)
{
    g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION,
                "there is no %s on %s: an imported machine can be started only where it is",
                action->domain, action->host);
    return FALSE;
}

/* ---- actions ---- */

/* The first start of all: the host has most likely nothing of that name. */
static gboolean is_first_start(const VmmAction *action)
{
    g_autoptr(GPtrArray) earlier = container_earlier_hosts(action);
    return !action->adopted && earlier->len == 0 &&
           xml_get_int(action->vm, "LCM_STATE", 0) == LCM_BOOT;
}

void container_deploy(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    const SshWatch watch = container_watch(job, ORDER_SECONDS);
    gboolean made = FALSE;
    g_autoptr(GError) error = NULL;
    if (engine->start_new && is_first_start(action)) {
        gboolean started = engine->start_new(job, &made, &error);
        if (made) {
            container_finish(job, started, action->domain, &error);
            return;
        }
    }
    g_auto(ContainerSight) sight = container_look(action, action->host);
    if (!container_is_clear(job, &sight))
        return;
    gboolean good = TRUE;
    if (sight.presence == VMM_PAUSED)
        good = container_give(action, action->host, CONTAINER_THAW, &watch, &error);
    else if (sight.presence != VMM_RUNNING)
        good = engine->start(job, &sight, &error);
    container_finish(job, good, action->domain, &error);
}

void container_shut_down(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    gint64 wanted = container_setting("SHUTDOWN_TIMEOUT", engine->shutdown_seconds);
    guint seconds = (guint)CLAMP(wanted, 1, 3600);
    g_autoptr(GError) error = NULL;
    g_auto(ContainerSight) sight = container_look(action, action->host);
    if (!container_is_clear(job, &sight))
        return;
    gboolean off = sight.presence == VMM_ABSENT || sight.presence == VMM_BROKEN;
    if (off || engine->end(job, &sight, seconds, &error)) {
        driver_job_succeed(job, NULL);
        return;
    }
    g_auto(ContainerSight) after = container_look(action, action->host);
    if (after.presence == VMM_ABSENT)
        driver_job_succeed(job, NULL);
    else
        driver_job_fail(job, "%s did not end within %u seconds and %s; poweroff --hard ends it%s%s",
                        action->domain, seconds, vmm_presence_text(after.presence),
                        error ? ": " : "", error ? error->message : "");
}

void container_cancel(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    g_autoptr(GError) error = NULL;
    g_auto(ContainerSight) sight = container_look(action, action->host);
    if (sight.presence == VMM_UNKNOWN) {
        driver_job_fail(job, "%s", sight.error->message);
        return;
    }
    /* Another container of that name is none of ours to end. */
    gboolean off = sight.presence == VMM_ABSENT || sight.presence == VMM_OTHER;
    container_finish(job, off || kill_on(action, action->host, sight.presence, &error), NULL,
                     &error);
}

void container_reboot(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    const SshWatch watch = container_watch(job, REMOVE_SECONDS);
    g_autoptr(GError) error = NULL;
    g_auto(ContainerSight) sight = container_look(action, action->host);
    if (!container_is_clear(job, &sight))
        return;
    if (sight.presence == VMM_RUNNING)
        container_finish(job,
                         container_give(action, action->host, CONTAINER_RESTART, &watch, &error),
                         NULL, &error);
    else
        driver_job_fail(job, "%s %s on %s", action->domain, vmm_presence_text(sight.presence),
                        action->host);
}

void container_freeze(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    const SshWatch watch = container_watch(job, ORDER_SECONDS);
    g_autoptr(GError) error = NULL;
    g_auto(ContainerSight) sight = {VMM_UNKNOWN};
    if (!container_find_running(job, &sight, "cannot be frozen"))
        return;
    gboolean good = sight.presence == VMM_PAUSED ||
                    container_give(action, action->host, CONTAINER_FREEZE, &watch, &error);
    container_finish(job, good, NULL, &error);
}

/* What was in memory is lost when it is off, so it is not started as if nothing had been. */
void container_thaw(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    const SshWatch watch = container_watch(job, ORDER_SECONDS);
    g_autoptr(GError) error = NULL;
    g_auto(ContainerSight) sight = {VMM_UNKNOWN};
    if (!container_find_running(job, &sight, "has lost what was in its memory"))
        return;
    gboolean good = sight.presence == VMM_RUNNING ||
                    container_give(action, action->host, CONTAINER_THAW, &watch, &error);
    container_finish(job, good, action->domain, &error);
}

/* The hosts that are named must answer. One where it was earlier may be gone for good; that counts
 * only when no other has it. *found: something was there. */
static gboolean clean_hosts(const VmmAction *action, const GPtrArray *hosts, gboolean *found,
                            GError **error)
{
    for (guint i = 0; i < hosts->len; i++) {
        g_auto(ContainerSight) sight = container_look(action, hosts->pdata[i]);
        if (sight.presence == VMM_UNKNOWN) {
            g_propagate_error(error, g_steal_pointer(&sight.error));
            return FALSE;
        }
        *found |= sight.document && sight.presence != VMM_OTHER;
        if (!container_remove(action, hosts->pdata[i], error))
            return FALSE;
    }
    return TRUE;
}

/* Nothing of it may stay, wherever it was. */
void container_clean_up(DriverJob *job)
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
    container_finish(job, good, NULL, &error);
}

/* FALSE with the error: whether the memory of one that is suspended is there is not known, so
 * nobody may take it for one that has merely ended. */
static gboolean look_for_memory(const VmmAction *action, const ContainerSight *sight,
                                gboolean *keeps, GError **error)
{
    if (!engine->keeps_memory || sight->presence != VMM_ABSENT || !sight->document ||
        xml_get_int(action->vm, "STATE", 0) != VM_STATE_SUSPENDED)
        return TRUE;
    return engine->keeps_memory(action, sight->document, keeps, error);
}

void container_poll(DriverJob *job)
{
    static const char letters[] = {[VMM_ABSENT] = 'd', [VMM_RUNNING] = 'a', [VMM_PAUSED] = 'p',
                                   [VMM_BROKEN] = 'e', [VMM_OTHER] = 'd',   [VMM_UNKNOWN] = '-'};
    const VmmAction *action = vmm_action_of(job);
    g_auto(ContainerSight) sight = container_look(action, action->host);
    if (sight.presence == VMM_UNKNOWN) {
        driver_job_fail(job, "%s", sight.error->message);
        return;
    }
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    gboolean keeps = FALSE;
    if (!look_for_memory(action, &sight, &keeps, &error)) {
        driver_job_fail(job, "%s", error->message);
        return;
    }
    g_string_printf(text, "STATE=%c", keeps ? '-' : letters[sight.presence]);
    if (engine->figures && (sight.presence == VMM_RUNNING || sight.presence == VMM_PAUSED))
        engine->figures(action, text);
    g_autofree char *why = engine->why_off && sight.document && sight.presence != VMM_OTHER &&
                                   sight.presence != VMM_RUNNING && sight.presence != VMM_PAUSED
                               ? engine->why_off(action, sight.document)
                               : NULL;
    if (why)
        g_string_append_printf(text, " REASON=%s", why);
    driver_job_succeed(job, text->str);
}
