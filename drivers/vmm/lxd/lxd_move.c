/*
 * A container that is off, from one host's LXD to another's. The two daemons move it between
 * themselves when the source has an address; else its backup goes through this program. Both hosts
 * are asked at the end: it is taken from the source only when the destination has it.
 */
#include "drivers/vmm/lxd/lxd.h"

#include "lib/base/error.h"
#include "lib/base/xml.h"
#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <unistd.h>

#define ADDRESSES_MAX 4
#define BACKUP        "one-move"

/* ---- between the daemons ---- */

static void set_copy(JsonObject *into, JsonObject *from, const char *name)
{
    JsonNode *node = json_object_get_member(from, name);
    if (node)
        json_object_set_member(into, name, json_node_copy(node));
}

static JsonObject *build_target(const VmmAction *action, JsonObject *instance, JsonObject *offer,
                                const char *address, const char *certificate)
{
    static const char *const kept[] = {"architecture", "config",   "description", "devices",
                                       "ephemeral",    "profiles", "stateful",    "type"};
    JsonObject *target = json_object_new(), *source = json_object_new();
    g_autofree char *operation =
        g_strconcat("https://", address, json_text_at(offer, "operation"), NULL);
    json_object_set_string_member(source, "type", "migration");
    json_object_set_string_member(source, "mode", "pull");
    json_object_set_string_member(source, "operation", operation);
    json_object_set_string_member(source, "certificate", certificate);
    json_object_set_object_member(source, "secrets",
                                  json_object_ref(json_object_at(offer, "metadata.metadata")));
    for (guint i = 0; i < G_N_ELEMENTS(kept); i++)
        set_copy(target, instance, kept[i]);
    json_object_set_string_member(target, "name", action->domain);
    json_object_set_object_member(target, "source", source);
    return target;
}

/* The destination fetches it from one address of the source. */
static gboolean pull(DriverJob *job, const char *from, JsonObject *instance, const char *address,
                     const char *certificate, GError **error)
{
    const VmmAction *action = vmm_action_of(job);
    const SshWatch watch = container_watch(job, CONTAINER_LONG_SECONDS);
    g_autofree char *path = container_path(action, "");
    g_autoptr(JsonObject) order = json_object_new();
    json_object_set_string_member(order, "name", action->domain);
    json_object_set_boolean_member(order, "migration", TRUE);
    json_object_set_boolean_member(order, "live", FALSE);
    g_autoptr(JsonObject) offer = lxd_begin(from, "POST", path, order, NULL, error);
    if (!offer)
        return FALSE;
    if (!json_object_at(offer, "metadata.metadata")) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "host %s: LXD offers no migration", from);
        return FALSE;
    }
    g_autoptr(JsonObject) target = build_target(action, instance, offer, address, certificate);
    g_autoptr(JsonObject) done =
        lxd_do(action->host, "POST", "/1.0/instances", target, &watch, error);
    return done != NULL;
}

/* ---- through this program ---- */

typedef struct Export {
    const char *host;
    char *path;
    int out;
    SshWatch watch;
    GError *error;
} Export;

static gboolean write_all(const char *bytes, gsize count, gpointer data)
{
    while (count > 0) {
        ssize_t sent = write(((Export *)data)->out, bytes, count);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return FALSE;
        bytes += sent;
        count -= (gsize)sent;
    }
    return TRUE;
}

static gpointer run_export(gpointer data)
{
    Export *export = data;
    g_auto(RestReply) reply = {0};
    const RestCall call = {.method = "GET",
                           .path = export->path,
                           .take = write_all,
                           .data = export,
                           .watch = export->watch};
    if (rest_call(export->host, &call, &reply, &export->error) && reply.status != 200) {
        JsonObject *answer = lxd_read_answer(export->host, &reply, &export->error);
        g_clear_pointer(&answer, json_object_unref);
    }
    close(export->out);
    return NULL;
}

/* The destination reads what the source writes; the error of the source explains the other. */
static gboolean carry(DriverJob *job, const char *from, GError **error)
{
    const VmmAction *action = vmm_action_of(job);
    const SshWatch watch = container_watch(job, CONTAINER_LONG_SECONDS);
    int pipes[2];
    if (!g_unix_open_pipe(pipes, FD_CLOEXEC, error))
        return FALSE;
    Export export = {from, container_path(action, "/backups/" BACKUP "/export"), pipes[1], watch,
                     NULL};
    g_auto(RestReply) reply = {0};
    const RestCall call = {.method = "POST",
                           .path = "/1.0/instances",
                           .type = "application/octet-stream",
                           .input = pipes[0],
                           .watch = watch};
    GThread *thread = g_thread_new("export", run_export, &export);
    gboolean sent = rest_call(action->host, &call, &reply, error);
    close(pipes[0]); /* ends the export when the destination gave up */
    (void)g_thread_join(thread);
    g_free(export.path);
    g_autoptr(JsonObject) answer = sent ? lxd_read_answer(action->host, &reply, error) : NULL;
    g_autoptr(JsonObject) done = answer ? lxd_finish(action->host, answer, &watch, error) : NULL;
    if (done && !export.error)
        return TRUE;
    if (export.error) {
        g_clear_error(error);
        g_propagate_error(error, export.error);
    }
    return FALSE;
}

static gboolean carry_backup(DriverJob *job, const char *from, GError **error)
{
    const VmmAction *action = vmm_action_of(job);
    const SshWatch watch = container_watch(job, CONTAINER_LONG_SECONDS);
    g_autofree char *path = container_path(action, "/backups");
    g_autofree char *own = container_path(action, "/backups/" BACKUP);
    g_autoptr(JsonObject) order = json_object_new();
    json_object_set_string_member(order, "name", BACKUP);
    json_object_set_string_member(order, "compression_algorithm", "none");
    json_object_set_boolean_member(order, "instance_only", FALSE);
    /* One that an earlier attempt left. */
    (void)lxd_order(from, "DELETE", own, NULL, &watch, NULL);
    gboolean made = lxd_order(from, "POST", path, order, &watch, error);
    gboolean good = made && carry(job, from, error);
    if (made)
        (void)lxd_order(from, "DELETE", own, NULL, &watch, NULL);
    return good;
}

/* ---- the whole ---- */

/* Tries the ways in turn. Reasons of ways that failed go to the machine's log. */
static gboolean copy_over(DriverJob *job, const char *from, JsonObject *instance, GError **error)
{
    const VmmAction *action = vmm_action_of(job);
    g_autoptr(JsonObject) server = lxd_do(from, "GET", "/1.0", NULL, NULL, error);
    if (!server)
        return FALSE;
    JsonArray *addresses = json_array_at(server, "environment.addresses");
    const char *certificate = json_text_at(server, "environment.certificate");
    for (guint i = 0; certificate && i < MIN(json_count(addresses), ADDRESSES_MAX); i++) {
        const char *address = json_nth_text(addresses, i);
        g_autoptr(GError) reason = NULL, left = NULL;
        if (!address || pull(job, from, instance, address, certificate, &reason))
            return address != NULL;
        driver_log('W', action->vid, "%s does not fetch %s from %s: %s", action->host,
                   action->domain, address, reason->message);
        if (driver_job_cancelled(job) || !container_remove(action, action->host, &left)) {
            g_propagate_error(error, g_steal_pointer(&reason));
            return FALSE;
        }
    }
    return carry_backup(job, from, error);
}

gboolean lxd_move(DriverJob *job, const char *from, JsonObject *instance, GError **error)
{
    const VmmAction *action = vmm_action_of(job);
    gint64 begun = g_get_monotonic_time();
    g_autoptr(GError) left = NULL;
    if (!copy_over(job, from, instance, error)) {
        g_prefix_error(error, "%s stays on %s: ", action->domain, from);
        if (!container_remove(action, action->host, &left))
            driver_log('W', action->vid, "part of it may be on %s: %s", action->host,
                       left->message);
        return FALSE;
    }
    g_auto(ContainerSight) there = container_look(action, action->host);
    if (there.presence == VMM_UNKNOWN) {
        g_propagate_prefixed_error(error, g_steal_pointer(&there.error),
                                   "%s has told that it has %s, which stays on %s until it says so "
                                   "again: ",
                                   action->host, action->domain, from);
        return FALSE;
    }
    if (!there.document || there.presence == VMM_OTHER) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                    "%s told that it has %s, but it is not there; it stays on %s", action->host,
                    action->domain, from);
        return FALSE;
    }
    if (!container_remove(action, from, error)) {
        g_prefix_error(error, "%s has %s, but it cannot be removed from %s: ", action->host,
                       action->domain, from);
        return FALSE;
    }
    driver_log('I', action->vid, "moved from %s to %s in %d ms", from, action->host,
               (int)((g_get_monotonic_time() - begun) / 1000));
    return TRUE;
}
