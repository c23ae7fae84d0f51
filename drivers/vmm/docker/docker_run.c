/*
 * The life of a container of Docker or Podman, as far as it is not that of all containers. One that
 * is off stays on its host; on another host it is made anew from its image, and only what it keeps
 * in volumes goes with it.
 */
#include "drivers/vmm/check/container_check.h"
#include "drivers/vmm/container/container_exec.h"
#include "drivers/vmm/docker/docker_save.h"
#include "drivers/vmm/stream_console.h"
#include "lib/base/error.h"
#include "lib/base/xml.h"
#include <string.h>

#define CALL_SECONDS 60
#define LOOK_MS      200
/* Of what a program said last; enough for a message. */
#define WORDS_BYTES 500

/* ---- orders ---- */

static gboolean give(const VmmAction *action, const char *host, const char *order,
                     const SshWatch *watch, GError **error)
{
    g_autofree char *path = container_path(action, order);
    g_autoptr(JsonObject) done = docker_do(host, "POST", path, NULL, watch, error);
    return done != NULL;
}

/* The engine's own stop kills what does not obey; whether to do that is the user's word. */
static gboolean end(DriverJob *job, const ContainerSight *sight, guint seconds, GError **error)
{
    const VmmAction *action = vmm_action_of(job);
    const SshWatch watch = container_watch(job, CALL_SECONDS);
    gint64 until = g_get_monotonic_time() + seconds * G_TIME_SPAN_SECOND;
    const char *signal = json_text_at(sight->document, "Config.StopSignal");
    g_autofree char *word = rest_escape(signal && *signal ? signal : "SIGTERM");
    g_autofree char *order = g_strconcat("/kill?signal=", word, NULL);
    if (!give(action, action->host, order, &watch, error))
        return FALSE;
    while (g_get_monotonic_time() < until && !driver_job_wait(job, LOOK_MS)) {
        g_auto(ContainerSight) now = container_look(action, action->host);
        if (now.presence == VMM_ABSENT || now.presence == VMM_BROKEN)
            return TRUE;
    }
    return FALSE;
}

/* Processors of a container in billionths. Podman tells them as a share of a period only. */
static gint64 nano_cpus(JsonObject *container)
{
    gint64 nano = json_int_at(container, "HostConfig.NanoCpus", 0);
    gint64 quota = json_int_at(container, "HostConfig.CpuQuota", 0);
    gint64 period = json_int_at(container, "HostConfig.CpuPeriod", 0);
    return nano > 0 || period <= 0 ? nano : quota * 1000000000 / period;
}

static gboolean has_limits(JsonObject *container, JsonObject *limits)
{
    gint64 difference = nano_cpus(container) - json_int_at(limits, "NanoCpus", 0);
    return json_int_at(container, "HostConfig.Memory", 0) == json_int_at(limits, "Memory", 0) &&
           ABS(difference) < 1000000;
}

/* Podman before 5 cannot change a container that it has. */
static gboolean set_limits(DriverJob *job, JsonObject *container, GError **error)
{
    const VmmAction *action = vmm_action_of(job);
    const SshWatch watch = container_watch(job, CALL_SECONDS);
    g_autofree char *path = container_path(action, "/update");
    g_autoptr(JsonObject) limits = docker_build_limits(action);
    if (has_limits(container, limits))
        return TRUE;
    g_autoptr(GError) reason = NULL;
    g_autoptr(JsonObject) done = docker_do(action->host, "POST", path, limits, &watch, &reason);
    if (g_error_matches(reason, ONE_ERROR, ONE_ERROR_NO_EXISTS))
        g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION,
                    "the engine of host %s cannot change CPU and MEMORY of a container that is "
                    "there; onevm recover --recreate makes it anew with them",
                    action->host);
    else if (reason)
        g_propagate_error(error, g_steal_pointer(&reason));
    return done != NULL;
}

/* ---- DEPLOY ---- */

/* On one line, and nothing in it that a terminal would obey. */
static void make_plain(GString *text)
{
    for (char *at = text->str; *at;) {
        char *next = g_utf8_next_char(at);
        if (g_unichar_iscntrl(g_utf8_get_char(at)))
            while (at < next)
                *at++ = ' ';
        at = next;
    }
}

/* What it said last, on one line. (owned) */
static char *last_words(const VmmAction *action)
{
    g_autofree char *path = container_path(action, "/logs?stdout=1&stderr=1&tail=5");
    const RestCall call = {.method = "GET", .path = path, .limit = 65536};
    g_auto(RestReply) reply = {0};
    if (!rest_call(action->host, &call, &reply, NULL) || reply.status != 200)
        return g_strdup("");
    gsize skipped = reply.body->len > WORDS_BYTES ? reply.body->len - WORDS_BYTES : 0;
    g_autofree char *valid =
        g_utf8_make_valid(reply.body->str + skipped, (gssize)(reply.body->len - skipped));
    g_autoptr(GString) text = g_string_new(valid);
    make_plain(text);
    return g_strdup(g_strstrip(text->str));
}

static char *why_off(const VmmAction *action, JsonObject *document)
{
    const char *status = json_text_at(document, "State.Status");
    if (g_strcmp0(status, "created") == 0 || g_strcmp0(status, "configured") == 0)
        return NULL; /* it never ran */
    g_autofree char *words = last_words(action);
    return g_strdup_printf("%s ended with code %" G_GINT64_FORMAT "%s; it said: %s", action->domain,
                           json_int_at(document, "State.ExitCode", -1),
                           json_bool_at(document, "State.OOMKilled") ? ", out of memory" : "",
                           *words ? words : "nothing");
}

/* What is over by now was never a machine. What ends later is told by the engine's events. */
static gboolean start(DriverJob *job, GError **error)
{
    const VmmAction *action = vmm_action_of(job);
    const SshWatch watch = container_watch(job, CALL_SECONDS);
    if (!container_give(action, action->host, CONTAINER_START, &watch, error))
        return FALSE;
    g_auto(ContainerSight) sight = container_look(action, action->host);
    if (sight.presence == VMM_RUNNING || sight.presence == VMM_UNKNOWN)
        return TRUE;
    g_autofree char *why = sight.document ? why_off(action, sight.document) : NULL;
    g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION, "it does not stay up: %s",
                why ? why : "its container is gone");
    return FALSE;
}

static gboolean make(DriverJob *job, JsonObject *document, const char *image, GError **error)
{
    const VmmAction *action = vmm_action_of(job);
    const SshWatch watch = container_watch(job, CALL_SECONDS);
    g_autofree char *name = rest_escape(action->domain);
    g_autofree char *path = g_strconcat("/containers/create?name=", name, NULL);
    json_object_set_string_member(document, "Image", image);
    g_autoptr(JsonObject) made = docker_do(action->host, "POST", path, document, &watch, error);
    return made != NULL;
}

static gboolean start_made(DriverJob *job, GError **error)
{
    if (start(job, error))
        return TRUE;
    container_undo_start(vmm_action_of(job));
    return FALSE;
}

static gboolean create(DriverJob *job, GError **error)
{
    const VmmAction *action = vmm_action_of(job);
    g_autoptr(JsonObject) document = docker_build_container(action, error);
    g_autofree char *image = document ? docker_have_image(job, error) : NULL;
    return image && make(job, document, image, error) && start_made(job, error);
}

/* The engine itself refuses a name that is taken and an image that is not there, so that two
 * questions are saved. What comes from a file is looked at first. */
static gboolean start_new(DriverJob *job, gboolean *made, GError **error)
{
    const VmmAction *action = vmm_action_of(job);
    g_autofree char *image = docker_named_image(action);
    g_autoptr(JsonObject) document = image ? docker_build_container(action, NULL) : NULL;
    *made = document && make(job, document, image, NULL);
    return *made && start_made(job, error);
}

/* It runs here now; what another host has of it is of no use any more. */
static void leave_earlier_hosts(const VmmAction *action)
{
    g_autoptr(GPtrArray) hosts = container_earlier_hosts(action);
    for (guint i = 0; i < hosts->len; i++) {
        g_autoptr(GError) error = NULL;
        if (!container_remove(action, hosts->pdata[i], &error))
            driver_log('W', action->vid, "what %s has of it stays there: %s",
                       (const char *)hosts->pdata[i], error->message);
    }
}

/* FALSE with the error: it runs on another host. One that does not answer was left before. */
static gboolean runs_nowhere_else(const VmmAction *action, GError **error)
{
    g_autoptr(GPtrArray) hosts = container_earlier_hosts(action);
    for (guint i = 0; i < hosts->len; i++) {
        g_auto(ContainerSight) sight = container_look(action, hosts->pdata[i]);
        if (sight.presence == VMM_RUNNING || sight.presence == VMM_PAUSED) {
            g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION, "%s %s on %s", action->domain,
                        vmm_presence_text(sight.presence), (const char *)hosts->pdata[i]);
            return FALSE;
        }
    }
    return TRUE;
}

static gboolean start_absent(DriverJob *job, const ContainerSight *sight, GError **error)
{
    const VmmAction *action = vmm_action_of(job);
    if (sight->document)
        return (action->adopted || set_limits(job, sight->document, error)) && start(job, error);
    if (action->adopted)
        return container_refuse_adopted(action, error);
    if (!runs_nowhere_else(action, error) || !create(job, error))
        return FALSE;
    leave_earlier_hosts(action);
    return TRUE;
}

/* ---- RESIZE, CONSOLE ---- */

static void resize(DriverJob *job)
{
    g_autoptr(GError) error = NULL;
    g_auto(ContainerSight) sight = {VMM_UNKNOWN};
    if (container_find(job, &sight))
        container_finish(job, set_limits(job, sight.document, &error), NULL, &error);
}

static void open_console(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    g_autoptr(GError) error = NULL;
    g_autofree char *shown = NULL;
    g_autofree char *path =
        container_path(action, "/attach?stream=1&stdin=1&stdout=1&stderr=1&logs=1");
    g_auto(ContainerSight) sight = {VMM_UNKNOWN};
    if (!container_find_running(job, &sight, "has no console"))
        return;
    RestStream *stream = rest_stream_open(action->host, "POST", path, NULL, "tcp", &error);
    ConsoleOffer *offer = stream ? console_offer(action->vid, &shown, &error) : NULL;
    if (!offer) {
        driver_job_fail(job, "%s", error->message);
        rest_stream_free(stream);
        return;
    }
    driver_job_succeed(job, shown);
    stream_console_start(offer, stream, NULL, FALSE, action->vid);
}

static void refuse(DriverJob *job)
{
    driver_job_fail(job,
                    "containers of Docker have no %s: disks are VOLUMES, networks NETWORK of "
                    "CONTAINER, as it was made",
                    driver_job_action(job));
}

const ContainerEngine docker_engine = {
    .name = "Docker",
    .folder = "/containers/",
    .self = "/json",
    .removal = "?force=true&v=true",
    .status = "State.Status",
    .marks = "Config.Labels",
    .uuid = DOCKER_UUID,
    .orders = {"/start", "/kill", "/restart?t=20", "/pause", "/unpause"},
    .shutdown_seconds = 30,
    .state_name = docker_state_name,
    .ask = docker_do,
    .give = give,
    .end = end,
    .start = start_absent,
    .start_new = start_new,
    .why_off = why_off,
    .keeps_memory = docker_keeps_memory,
    .ask_host = docker_ask_host,
    .ask_container = docker_ask_container,
    .run = docker_run_command,
};

const DriverAction docker_actions[] = {
    {"DEPLOY", container_deploy, 24 * 3600},
    {"SHUTDOWN", container_shut_down, 4000},
    {"CANCEL", container_cancel, 120, DRIVER_URGENT},
    {"REBOOT", container_reboot, 120, DRIVER_URGENT},
    {"FREEZE", container_freeze, 120},
    {"THAW", docker_restore, 3700},
    {"SAVE", docker_save, 3700},
    {"RESTORE", docker_restore, 3700},
    {"MIGRATECHECK", container_check, 90, DRIVER_URGENT},
    {"POLL", container_poll, 60, DRIVER_URGENT},
    {"EXEC", container_exec, 60, DRIVER_URGENT},
    {"EXECPOLL", container_exec_poll, 60, DRIVER_URGENT},
    {"EXEC_CANCEL", container_exec_cancel, 60, DRIVER_URGENT},
    {"CLEANUP", container_clean_up, 230, DRIVER_URGENT},
    {"RESIZE", resize, 180},
    {"CONSOLE", open_console, 60, DRIVER_URGENT},
    {"ATTACHDISK", refuse, 60},
    {"DETACHDISK", refuse, 60},
    {"ATTACHNIC", refuse, 60},
    {"DETACHNIC", refuse, 60},
    {"SNAPSHOTCREATE", refuse, 60},
    {"SNAPSHOTREVERT", refuse, 60},
    {"SNAPSHOTDELETE", refuse, 60},
    {NULL},
};
