/*
 * SAVE and RESTORE by the engine's checkpoints, which CRIU makes and the engine keeps beside the
 * container. Whether one that is off has its memory is asked of the engine, never remembered:
 * Podman tells it; Docker has checkpoints by names, and ours bear the time of the start that they
 * are of, so that one of an earlier life is never taken for this one's.
 */
#include "drivers/vmm/docker/docker_save.h"

#include "lib/base/error.h"
#include <string.h>

#define SAVE_SECONDS 3600
#define CALL_SECONDS 60
/* Of a restore that containerd is not ready for yet. */
#define TRIES  40
#define TRY_MS 250
#define OURS   "one-"

/* ---- what there is ---- */

gboolean docker_engine_is_podman(const char *host, gboolean *podman, GError **error)
{
    g_autoptr(JsonObject) info = docker_do(host, "GET", "/info", NULL, NULL, error);
    *podman = info && docker_is_podman(info);
    return info != NULL;
}

/* Of the life that the container has now, or had last. (owned) */
static char *checkpoint_name(JsonObject *container)
{
    const char *started = json_text_at(container, "State.StartedAt");
    GString *name = g_string_new(OURS);
    for (; started && *started; started++)
        if (g_ascii_isalnum(*started))
            g_string_append_c(name, *started);
    return g_string_free(name, FALSE);
}

/* "/containers/one-12/checkpoints[/NAME]" (owned) */
static char *checkpoint_path(const VmmAction *action, const char *name)
{
    g_autofree char *rest =
        name ? g_strconcat("/checkpoints/", name, NULL) : g_strdup("/checkpoints");
    return container_path(action, rest);
}

static char *podman_path(const VmmAction *action, const char *rest)
{
    g_autofree char *path = container_path(action, rest);
    return g_strconcat(PODMAN, path, NULL);
}

static gboolean docker_has(const VmmAction *action, const char *host, const char *name,
                           gboolean *has, GError **error)
{
    g_autofree char *path = checkpoint_path(action, NULL);
    g_autoptr(JsonArray) list = docker_list(host, path, error);
    for (guint i = 0; i < json_count(list); i++)
        *has |= g_strcmp0(json_text_of(json_nth_object(list, i), "Name"), name) == 0;
    /* Once "experimental" is off Docker refuses the question, and keeps its checkpoints. */
    if (!list)
        g_prefix_error(error,
                       "%s is off on %s, and whether its memory is kept there is not known; Docker "
                       "tells that only with \"experimental\": true in /etc/docker/daemon.json "
                       "(docker start %s there starts it without its memory): ",
                       action->domain, host, action->domain);
    return list != NULL;
}

static gboolean podman_has(const VmmAction *action, const char *host, gboolean *has, GError **error)
{
    g_autofree char *path = podman_path(action, "/json");
    g_autoptr(JsonObject) container = docker_do(host, "GET", path, NULL, NULL, error);
    *has = json_bool_at(container, "State.Checkpointed");
    return container != NULL;
}

gboolean docker_has_memory(const VmmAction *action, const char *host, JsonObject *container,
                           gboolean *has, GError **error)
{
    gboolean podman = FALSE;
    *has = FALSE;
    if (!docker_engine_is_podman(host, &podman, error))
        return FALSE;
    if (podman)
        return podman_has(action, host, has, error);
    g_autofree char *name = checkpoint_name(container);
    return docker_has(action, host, name, has, error);
}

gboolean docker_keeps_memory(const VmmAction *action, JsonObject *container, gboolean *keeps,
                             GError **error)
{
    return docker_has_memory(action, action->host, container, keeps, error);
}

/* ---- SAVE ---- */

/* Those of earlier lives, which nobody can use any more. Podman drops its own. */
static void drop_checkpoints(const VmmAction *action)
{
    g_autofree char *path = checkpoint_path(action, NULL);
    g_autoptr(JsonArray) list = docker_list(action->host, path, NULL);
    for (guint i = 0; i < json_count(list); i++) {
        const char *name = json_text_of(json_nth_object(list, i), "Name");
        if (!name || !g_str_has_prefix(name, OURS))
            continue;
        g_autofree char *one = checkpoint_path(action, name);
        JsonObject *done = docker_do(action->host, "DELETE", one, NULL, NULL, NULL);
        g_clear_pointer(&done, json_object_unref);
    }
}

static gboolean save(DriverJob *job, JsonObject *container, GError **error)
{
    const VmmAction *action = vmm_action_of(job);
    const SshWatch watch = container_watch(job, SAVE_SECONDS);
    gboolean podman = FALSE;
    if (!docker_engine_is_podman(action->host, &podman, error))
        return FALSE;
    if (podman) {
        g_autofree char *path = podman_path(action, "/checkpoint?keep=true");
        g_autoptr(JsonObject) done = docker_do(action->host, "POST", path, NULL, &watch, error);
        return done != NULL;
    }
    g_autofree char *name = checkpoint_name(container);
    g_autofree char *path = checkpoint_path(action, NULL);
    g_autoptr(JsonObject) order = json_object_new();
    json_object_set_string_member(order, "CheckpointID", name);
    json_object_set_boolean_member(order, "Exit", TRUE);
    drop_checkpoints(action);
    g_autoptr(JsonObject) done = docker_do(action->host, "POST", path, order, &watch, error);
    return done != NULL;
}

/* Whatever the engine answered: what it is now decides. */
static void tell_saved(DriverJob *job, const char *reason)
{
    const VmmAction *action = vmm_action_of(job);
    g_autoptr(GError) error = NULL;
    gboolean has = FALSE;
    g_auto(ContainerSight) now = {VMM_UNKNOWN};
    if (!container_find(job, &now))
        return;
    if (now.presence == VMM_RUNNING || now.presence == VMM_PAUSED)
        driver_job_fail(job, "%s; %s goes on on %s", reason ? reason : "nothing was saved",
                        action->domain, action->host);
    else if (!docker_has_memory(action, action->host, now.document, &has, &error))
        driver_job_fail(job, "%s", error->message);
    else if (has)
        driver_job_succeed(job, NULL);
    else
        driver_job_fail(job, "%s; %s is off on %s, and its memory was not saved",
                        reason ? reason : "it has ended", action->domain, action->host);
}

void docker_save(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    const SshWatch watch = container_watch(job, CALL_SECONDS);
    g_autoptr(GError) error = NULL;
    g_auto(ContainerSight) sight = {VMM_UNKNOWN};
    if (!container_find(job, &sight))
        return;
    /* Podman makes none of what stands still. */
    if (sight.presence == VMM_PAUSED)
        (void)container_give(action, action->host, CONTAINER_THAW, &watch, NULL);
    if (sight.presence == VMM_RUNNING || sight.presence == VMM_PAUSED)
        (void)save(job, sight.document, &error);
    tell_saved(job, error ? error->message : NULL);
}

/* ---- RESTORE ---- */

/* Docker 20.10 gives a checkpoint to containerd under a name that containerd may still have from
 * the time that it was made; it lets go of it some moments later. */
static gboolean is_in_the_way(const GError *error)
{
    return error && strstr(error->message, "already exists");
}

gboolean docker_start_saved(DriverJob *job, const char *host, JsonObject *container, GError **error)
{
    const VmmAction *action = vmm_action_of(job);
    const SshWatch watch = container_watch(job, SAVE_SECONDS);
    gboolean podman = FALSE;
    if (!docker_engine_is_podman(host, &podman, error))
        return FALSE;
    g_autofree char *name = checkpoint_name(container);
    g_autofree char *rest = g_strconcat("/start?checkpoint=", name, NULL);
    g_autofree char *path = podman ? podman_path(action, "/restore") : container_path(action, rest);
    for (guint tries = 1;; tries++) {
        g_autoptr(GError) reason = NULL;
        JsonObject *done = docker_do(host, "POST", path, NULL, &watch, &reason);
        g_clear_pointer(&done, json_object_unref);
        g_auto(ContainerSight) now = container_look(action, host);
        if (now.presence == VMM_RUNNING) {
            if (!podman)
                drop_checkpoints(action);
            return TRUE;
        }
        if (tries < TRIES && is_in_the_way(reason) && !driver_job_wait(job, TRY_MS))
            continue;
        g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION,
                    "%s; %s does not run on %s, which keeps its memory",
                    reason      ? reason->message
                    : now.error ? now.error->message
                                : "the engine said that it runs",
                    action->domain, host);
        return FALSE;
    }
}

/* Also THAW: what an engine can do may have changed since it was suspended. */
void docker_restore(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    g_autoptr(GError) error = NULL;
    gboolean has = FALSE;
    g_auto(ContainerSight) sight = {VMM_UNKNOWN};
    if (!container_find(job, &sight))
        return;
    if (sight.presence == VMM_RUNNING || sight.presence == VMM_PAUSED) {
        const SshWatch watch = container_watch(job, CALL_SECONDS);
        gboolean good = sight.presence == VMM_RUNNING ||
                        container_give(action, action->host, CONTAINER_THAW, &watch, &error);
        container_finish(job, good, action->domain, &error);
    } else if (!docker_has_memory(action, action->host, sight.document, &has, &error)) {
        driver_job_fail(job, "%s", error->message);
    } else if (!has) {
        driver_job_fail(job, "%s is off on %s, so it has lost what was in its memory",
                        action->domain, action->host);
    } else {
        container_finish(job, docker_start_saved(job, action->host, sight.document, &error),
                         action->domain, &error);
    }
}
