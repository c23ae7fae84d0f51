/*
 * The life of a container of Docker or Podman. One that is off stays on its host; on another host
 * it is made anew from its image, and only what it keeps in volumes goes with it.
 */
#include "drivers/vmm/container.h"
#include "drivers/vmm/docker.h"
#include "drivers/vmm/stream_console.h"
#include "drivers/vmm/vmm_libvirt.h"
#include "lib/base/error.h"
#include "lib/base/xml.h"
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define CALL_SECONDS 60
#define PULL_SECONDS 3400
#define LOOK_MS      200

typedef struct DockerSight {
    VmmPresence presence; /* one that is off is VMM_ABSENT and has `container` */
    JsonObject *container;
    GError *error; /* of VMM_UNKNOWN */
} DockerSight;

static void docker_sight_clear(DockerSight *sight)
{
    g_clear_pointer(&sight->container, json_object_unref);
    g_clear_error(&sight->error);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DockerSight, docker_sight_clear)

/* ---- seeing ---- */

static char *path_of(const VmmAction *action, const char *rest)
{
    g_autofree char *name = rest_escape(action->domain);
    return g_strconcat("/containers/", name, rest, NULL);
}

static SshWatch watch_of(DriverJob *job, guint seconds)
{
    return (SshWatch){
        .seconds = seconds, .cancelled = (gboolean(*)(gpointer))driver_job_cancelled, .data = job};
}

static gboolean is_this(const VmmAction *action, JsonObject *container)
{
    const char *uuid = json_text_of(json_object_at(container, "Config.Labels"), DOCKER_UUID);
    g_autofree char *own = g_strdup_printf("one-%" G_GINT64_FORMAT, action->vid);
    return action->adopted || !g_str_equal(action->domain, own) ||
           (uuid && !g_ascii_strcasecmp(uuid, action->uuid));
}

static VmmPresence presence_of(const char *status)
{
    const char *state = docker_state_name(status);
    if (g_str_equal(state, "RUNNING"))
        return VMM_RUNNING;
    if (g_str_equal(state, "PAUSED"))
        return VMM_PAUSED;
    return g_str_equal(state, "FAILURE") ? VMM_BROKEN : VMM_ABSENT;
}

static DockerSight look(const VmmAction *action, const char *host)
{
    DockerSight sight = {VMM_UNKNOWN};
    g_autofree char *path = path_of(action, "/json");
    sight.container = docker_do(host, "GET", path, NULL, NULL, &sight.error);
    const char *status = json_text_at(sight.container, "State.Status");
    if (!sight.container) {
        if (g_error_matches(sight.error, ONE_ERROR, ONE_ERROR_NO_EXISTS)) {
            g_clear_error(&sight.error);
            sight.presence = VMM_ABSENT;
        }
    } else if (!status) {
        g_set_error(&sight.error, ONE_ERROR, ONE_ERROR_INTERNAL,
                    "host %s: Docker does not tell the status of %s", host, action->domain);
    } else {
        sight.presence = is_this(action, sight.container) ? presence_of(status) : VMM_OTHER;
    }
    return sight;
}

static gboolean sight_is_clear(DriverJob *job, const DockerSight *sight)
{
    const VmmAction *action = vmm_action_of(job);
    if (sight->presence == VMM_UNKNOWN)
        driver_job_fail(job, "%s", sight->error->message);
    else if (sight->presence == VMM_OTHER)
        driver_job_fail(job,
                        "%s on %s is another container (its label " DOCKER_UUID
                        " is not %s); it is left alone. Rename or remove it there",
                        action->domain, action->host, action->uuid);
    return sight->presence != VMM_UNKNOWN && sight->presence != VMM_OTHER;
}

/* One call about the container, without an answer of interest. */
static gboolean order(DriverJob *job, const char *method, const char *rest, JsonObject *body,
                      guint seconds, GError **error)
{
    const VmmAction *action = vmm_action_of(job);
    const SshWatch watch = watch_of(job, seconds);
    g_autofree char *path = path_of(action, rest);
    g_autoptr(JsonObject) done = docker_do(action->host, method, path, body, &watch, error);
    return done != NULL;
}

static void finish(DriverJob *job, gboolean good, const char *info, GError *const *error)
{
    if (good)
        driver_job_succeed(job, info);
    else
        driver_job_fail(job, "%s", (*error)->message);
}

static gboolean remove_from(const VmmAction *action, const char *host, GError **error)
{
    const SshWatch watch = {.seconds = CALL_SECONDS};
    g_autofree char *path = path_of(action, "?force=true&v=true");
    g_auto(DockerSight) sight = look(action, host);
    if (sight.presence == VMM_UNKNOWN) {
        g_propagate_error(error, g_steal_pointer(&sight.error));
        return FALSE;
    }
    if (sight.presence == VMM_OTHER || !sight.container)
        return TRUE;
    g_autoptr(GError) reason = NULL;
    g_autoptr(JsonObject) done = docker_do(host, "DELETE", path, NULL, &watch, &reason);
    if (done || g_error_matches(reason, ONE_ERROR, ONE_ERROR_NO_EXISTS))
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&reason));
    return FALSE;
}

/* ---- DEPLOY ---- */

/* A file of `docker save`; administrators alone may name one (VM_RESTRICTED_ATTR). */
static gboolean load_archive(DriverJob *job, const char *archive, GError **error)
{
    const SshWatch watch = watch_of(job, PULL_SECONDS);
    int input = open(archive, O_RDONLY | O_CLOEXEC);
    if (input < 0) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION,
                    "CONTAINER/ARCHIVE=\"%s\" cannot be read on the front-end", archive);
        return FALSE;
    }
    gboolean good =
        docker_follow(vmm_action_of(job)->host, "/images/load?quiet=true", input, &watch, error);
    close(input);
    return good;
}

/* Without a tag the engine would fetch all there are. */
static gboolean pull(DriverJob *job, const char *image, GError **error)
{
    const SshWatch watch = watch_of(job, PULL_SECONDS);
    const char *last = strrchr(image, '/');
    gboolean tagged = strpbrk(last ? last : image, ":@") != NULL;
    g_autofree char *word = rest_escape(image);
    g_autofree char *path =
        g_strdup_printf("/images/create?fromImage=%s%s", word, tagged ? "" : "&tag=latest");
    driver_log('I', vmm_action_of(job)->vid, "%s fetches the image %s", vmm_action_of(job)->host,
               image);
    return docker_follow(vmm_action_of(job)->host, path, 0, &watch, error);
}

static gboolean have_image(DriverJob *job, GError **error)
{
    const VmmAction *action = vmm_action_of(job);
    g_autofree char *image = container_value(action, "IMAGE");
    g_autofree char *archive = container_value(action, "ARCHIVE");
    g_autofree char *word = rest_escape(image);
    g_autofree char *path = g_strdup_printf("/images/%s/json", word);
    g_autoptr(GError) reason = NULL;
    g_autoptr(JsonObject) there = docker_do(action->host, "GET", path, NULL, NULL, &reason);
    if (there)
        return TRUE;
    if (!g_error_matches(reason, ONE_ERROR, ONE_ERROR_NO_EXISTS)) {
        g_propagate_error(error, g_steal_pointer(&reason));
        return FALSE;
    }
    return archive ? load_archive(job, archive, error) : pull(job, image, error);
}

/* What it said last, on one line. (owned) */
static char *last_words(const VmmAction *action)
{
    g_autofree char *path = path_of(action, "/logs?stdout=1&stderr=1&tail=5");
    const RestCall call = {.method = "GET", .path = path, .limit = 65536};
    g_auto(RestReply) reply = {0};
    if (!rest_call(action->host, &call, &reply, NULL) || reply.status != 200)
        return g_strdup("");
    g_autofree char *text = g_utf8_make_valid(reply.body->str, (gssize)MIN(reply.body->len, 500));
    return g_strdup(g_strstrip(g_strdelimit(text, "\r\n", ' ')));
}

/* A command that is not there, or ends at once, is no machine that runs. */
static gboolean start(DriverJob *job, GError **error)
{
    const VmmAction *action = vmm_action_of(job);
    if (!order(job, "POST", "/start", NULL, CALL_SECONDS, error))
        return FALSE;
    g_usleep(LOOK_MS * 1000);
    g_auto(DockerSight) sight = look(action, action->host);
    if (sight.presence == VMM_RUNNING || sight.presence == VMM_UNKNOWN)
        return TRUE;
    g_autofree char *words = last_words(action);
    g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION,
                "%s ended at once with code %" G_GINT64_FORMAT "; it said: %s", action->domain,
                json_int_at(sight.container, "State.ExitCode", -1), *words ? words : "nothing");
    return FALSE;
}

static gboolean create(DriverJob *job, GError **error)
{
    const VmmAction *action = vmm_action_of(job);
    const SshWatch watch = watch_of(job, CALL_SECONDS);
    g_autofree char *name = rest_escape(action->domain);
    g_autofree char *path = g_strconcat("/containers/create?name=", name, NULL);
    g_autoptr(JsonObject) document = docker_build_container(action, error);
    if (!document || !have_image(job, error))
        return FALSE;
    g_autoptr(JsonObject) made = docker_do(action->host, "POST", path, document, &watch, error);
    if (!made)
        return FALSE;
    if (start(job, error))
        return TRUE;
    g_autoptr(GError) left = NULL;
    if (!remove_from(action, action->host, &left))
        driver_log('W', action->vid, "what was made of %s stays on %s: %s", action->domain,
                   action->host, left->message);
    return FALSE;
}

/* It runs here now; what another host has of it is of no use any more. */
static void leave_earlier_hosts(const VmmAction *action)
{
    g_autoptr(GPtrArray) hosts = container_earlier_hosts(action);
    for (guint i = 0; i < hosts->len; i++) {
        g_autoptr(GError) error = NULL;
        if (!remove_from(action, hosts->pdata[i], &error))
            driver_log('W', action->vid, "what %s has of it stays there: %s",
                       (const char *)hosts->pdata[i], error->message);
    }
}

/* FALSE with the error: it runs on another host. One that does not answer was left before. */
static gboolean runs_nowhere_else(const VmmAction *action, GError **error)
{
    g_autoptr(GPtrArray) hosts = container_earlier_hosts(action);
    for (guint i = 0; i < hosts->len; i++) {
        g_auto(DockerSight) sight = look(action, hosts->pdata[i]);
        if (sight.presence == VMM_RUNNING || sight.presence == VMM_PAUSED) {
            g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION, "%s %s on %s", action->domain,
                        vmm_presence_text(sight.presence), (const char *)hosts->pdata[i]);
            return FALSE;
        }
    }
    return TRUE;
}

static gboolean deploy_absent(DriverJob *job, const DockerSight *sight, GError **error)
{
    const VmmAction *action = vmm_action_of(job);
    if (sight->container) {
        g_autoptr(JsonObject) limits = docker_build_limits(action);
        return (action->adopted || order(job, "POST", "/update", limits, CALL_SECONDS, error)) &&
               start(job, error);
    }
    if (action->adopted) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION,
                    "there is no %s on %s: an imported machine can be started only where it is",
                    action->domain, action->host);
        return FALSE;
    }
    if (!runs_nowhere_else(action, error) || !create(job, error))
        return FALSE;
    leave_earlier_hosts(action);
    return TRUE;
}

static void deploy(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    g_autoptr(GError) error = NULL;
    g_auto(DockerSight) sight = look(action, action->host);
    if (!sight_is_clear(job, &sight))
        return;
    gboolean good = TRUE;
    if (sight.presence == VMM_PAUSED)
        good = order(job, "POST", "/unpause", NULL, CALL_SECONDS, &error);
    else if (sight.presence != VMM_RUNNING)
        good = deploy_absent(job, &sight, &error);
    finish(job, good, action->domain, &error);
}

/* ---- SHUTDOWN, CANCEL, REBOOT, CLEANUP ---- */

/* The engine's own stop kills what does not obey; whether to do that is the user's word. */
static gboolean ask_to_end(DriverJob *job, JsonObject *container, GError **error)
{
    const char *signal = json_text_at(container, "Config.StopSignal");
    g_autofree char *word = rest_escape(signal && *signal ? signal : "SIGTERM");
    g_autofree char *rest = g_strconcat("/kill?signal=", word, NULL);
    return order(job, "POST", rest, NULL, CALL_SECONDS, error);
}

static void shut_down(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    gint64 seconds = CLAMP(container_setting("SHUTDOWN_TIMEOUT", 30), 1, 3600);
    gint64 until = g_get_monotonic_time() + seconds * G_TIME_SPAN_SECOND;
    g_autoptr(GError) error = NULL;
    g_auto(DockerSight) sight = look(action, action->host);
    if (!sight_is_clear(job, &sight))
        return;
    gboolean gone = sight.presence == VMM_ABSENT || sight.presence == VMM_BROKEN;
    if (!gone && !ask_to_end(job, sight.container, &error)) {
        g_auto(DockerSight) after = look(action, action->host);
        finish(job, after.presence == VMM_ABSENT, NULL, &error);
        return;
    }
    while (!gone && g_get_monotonic_time() < until && !driver_job_wait(job, LOOK_MS)) {
        g_auto(DockerSight) now = look(action, action->host);
        gone = now.presence == VMM_ABSENT || now.presence == VMM_BROKEN;
    }
    if (gone)
        driver_job_succeed(job, NULL);
    else
        driver_job_fail(
            job, "%s did not end within %" G_GINT64_FORMAT " seconds; poweroff --hard ends it",
            action->domain, seconds);
}

static void cancel(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    g_autoptr(GError) error = NULL;
    g_auto(DockerSight) sight = look(action, action->host);
    if (sight.presence == VMM_UNKNOWN) {
        driver_job_fail(job, "%s", sight.error->message);
        return;
    }
    gboolean off = sight.presence == VMM_ABSENT || sight.presence == VMM_OTHER;
    gboolean good = off || order(job, "POST", "/kill", NULL, CALL_SECONDS, &error);
    if (!good) {
        g_auto(DockerSight) after = look(action, action->host);
        good = after.presence == VMM_ABSENT;
    }
    finish(job, good, NULL, &error);
}

static void reboot(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    g_autoptr(GError) error = NULL;
    g_auto(DockerSight) sight = look(action, action->host);
    if (!sight_is_clear(job, &sight))
        return;
    if (sight.presence == VMM_RUNNING)
        finish(job, order(job, "POST", "/restart?t=20", NULL, CALL_SECONDS, &error), NULL, &error);
    else
        driver_job_fail(job, "%s %s on %s", action->domain, vmm_presence_text(sight.presence),
                        action->host);
}

static void clean_up(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    g_autoptr(GError) error = NULL;
    gboolean good = action->adopted ||
                    (remove_from(action, action->host, &error) &&
                     (!action->destination || remove_from(action, action->destination, &error)));
    if (good && !action->adopted)
        leave_earlier_hosts(action);
    finish(job, good, NULL, &error);
}

/* ---- POLL, RESIZE, CONSOLE ---- */

static void poll_machine(DriverJob *job)
{
    static const char *const states[] = {
        [VMM_ABSENT] = "STATE=d", [VMM_RUNNING] = "STATE=a", [VMM_PAUSED] = "STATE=p",
        [VMM_BROKEN] = "STATE=e", [VMM_OTHER] = "STATE=d",
    };
    g_auto(DockerSight) sight = look(vmm_action_of(job), vmm_action_of(job)->host);
    if (sight.presence == VMM_UNKNOWN)
        driver_job_fail(job, "%s", sight.error->message);
    else
        driver_job_succeed(job, states[sight.presence]);
}

static void resize(DriverJob *job)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonObject) limits = docker_build_limits(vmm_action_of(job));
    g_auto(DockerSight) sight = look(vmm_action_of(job), vmm_action_of(job)->host);
    if (sight_is_clear(job, &sight))
        finish(job, order(job, "POST", "/update", limits, CALL_SECONDS, &error), NULL, &error);
}

static void open_console(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    g_autoptr(GError) error = NULL;
    g_autofree char *shown = NULL;
    g_autofree char *path = path_of(action, "/attach?stream=1&stdin=1&stdout=1&stderr=1&logs=1");
    g_auto(DockerSight) sight = look(action, action->host);
    if (!sight_is_clear(job, &sight))
        return;
    if (sight.presence != VMM_RUNNING && sight.presence != VMM_PAUSED) {
        driver_job_fail(job, "%s %s on %s, so it has no console", action->domain,
                        vmm_presence_text(sight.presence), action->host);
        return;
    }
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

const DriverAction docker_actions[] = {
    {"DEPLOY", deploy, 3600},
    {"SHUTDOWN", shut_down, 4000},
    {"CANCEL", cancel, 120, DRIVER_URGENT},
    {"REBOOT", reboot, 120, DRIVER_URGENT},
    {"POLL", poll_machine, 60, DRIVER_URGENT},
    {"CLEANUP", clean_up, 230, DRIVER_URGENT},
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
