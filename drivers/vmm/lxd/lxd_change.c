/* Changes of a container that is there: size, context, network cards, snapshots. */
#include "drivers/vmm/lxd/lxd.h"

#include "lib/base/error.h"
#include "lib/base/xml.h"
#include <string.h>

#define CHANGE_SECONDS   100
#define SNAPSHOT_SECONDS 1700

/* ---- the container's own document ---- */

/* What the driver says of a container: what the template does not say any more goes. */
static const char *const managed[] = {"limits.memory",
                                      "limits.cpu",
                                      "limits.cpu.allowance",
                                      "cloud-init.user-data",
                                      "cloud-init.network-config",
                                      NULL};

/* A copy that may be changed; what is in it may not. (owned) */
static JsonObject *copy(JsonObject *from)
{
    JsonObject *into = json_object_new();
    g_autoptr(GList) names = from ? json_object_get_members(from) : NULL;
    for (const GList *name = names; name; name = name->next)
        json_object_set_member(into, name->data,
                               json_node_copy(json_object_get_member(from, name->data)));
    return into;
}

static void add_all(JsonObject *into, JsonObject *from)
{
    g_autoptr(GList) names = json_object_get_members(from);
    for (const GList *name = names; name; name = name->next)
        json_object_set_member(into, name->data,
                               json_node_copy(json_object_get_member(from, name->data)));
}

static gboolean is_card(const char *device)
{
    return g_str_has_prefix(device, "eth") && device[3] &&
           strspn(device + 3, "0123456789") == strlen(device + 3);
}

static void remove_cards(JsonObject *devices)
{
    g_autoptr(GList) names = json_object_get_members(devices);
    for (const GList *name = names; name; name = name->next)
        if (is_card(name->data))
            json_object_remove_member(devices, name->data);
}

JsonObject *lxd_build_update(const VmmAction *action, JsonObject *instance, const char *without,
                             GError **error)
{
    static const char *const kept[] = {"architecture", "description", "ephemeral",
                                       "profiles",     "stateful",    NULL};
    g_autoptr(JsonObject) change = lxd_build_change(action, error);
    if (!change)
        return NULL;
    JsonObject *config = copy(json_object_at(instance, "config"));
    JsonObject *devices = copy(json_object_at(instance, "devices"));
    for (guint i = 0; managed[i]; i++)
        json_object_remove_member(config, managed[i]);
    add_all(config, json_object_at(change, "config"));
    remove_cards(devices);
    add_all(devices, json_object_at(change, "devices"));
    if (without)
        json_object_remove_member(devices, without);
    JsonObject *update = json_object_new();
    for (guint i = 0; kept[i]; i++) {
        JsonNode *node = json_object_get_member(instance, kept[i]);
        if (node)
            json_object_set_member(update, kept[i], json_node_copy(node));
    }
    json_object_set_object_member(update, "config", config);
    json_object_set_object_member(update, "devices", devices);
    return update;
}

gboolean lxd_update(DriverJob *job, JsonObject *instance, const char *without, GError **error)
{
    const VmmAction *action = vmm_action_of(job);
    const SshWatch watch = container_watch(job, CHANGE_SECONDS);
    g_autofree char *path = container_path(action, "");
    g_autoptr(JsonObject) update = lxd_build_update(action, instance, without, error);
    g_autoptr(JsonObject) done =
        update ? lxd_do(action->host, "PUT", path, update, &watch, error) : NULL;
    return done != NULL;
}

/* ---- actions ---- */

void lxd_apply(DriverJob *job)
{
    g_autoptr(GError) error = NULL;
    g_auto(ContainerSight) sight = {VMM_UNKNOWN};
    if (container_find(job, &sight))
        container_finish(job, lxd_update(job, sight.document, NULL, &error), NULL, &error);
}

void lxd_detach_nic(DriverJob *job)
{
    g_autoptr(GError) error = NULL;
    g_auto(ContainerSight) sight = {VMM_UNKNOWN};
    const VmmDevice device = vmm_marked_device(vmm_action_of(job), &error);
    if (!device.node) {
        container_finish(job, FALSE, NULL, &error);
        return;
    }
    g_autofree char *name = g_strdup_printf("eth%" G_GINT64_FORMAT, device.id);
    if (container_find(job, &sight))
        container_finish(job, lxd_update(job, sight.document, name, &error), NULL, &error);
}

void lxd_refuse_disk(DriverJob *job)
{
    driver_job_fail(job, "containers of LXD get and lose no disks; the root's size is "
                         "CONTAINER/SIZE of the template");
}

/* ---- snapshots ---- */

typedef struct Snapshot {
    char *name, *path;
} Snapshot;

static void snapshot_clear(Snapshot *snapshot)
{
    g_free(snapshot->name);
    g_free(snapshot->path);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Snapshot, snapshot_clear)

/* FALSE ends the job. */
static gboolean read_snapshot(DriverJob *job, Snapshot *snapshot, ContainerSight *sight)
{
    g_autoptr(GError) error = NULL;
    const VmmAction *action = vmm_action_of(job);
    const VmmDevice device = vmm_marked_device(action, &error);
    if (!device.node) {
        container_finish(job, FALSE, NULL, &error);
        return FALSE;
    }
    snapshot->name = xml_get(device.node, "HYPERVISOR_ID");
    if (!snapshot->name || !*snapshot->name) {
        g_free(snapshot->name);
        snapshot->name = g_strdup_printf("snap-%" G_GINT64_FORMAT, device.id);
    }
    g_autofree char *word = rest_escape(snapshot->name);
    g_autofree char *rest = g_strconcat("/snapshots/", word, NULL);
    snapshot->path = container_path(action, rest);
    return container_find(job, sight);
}

void lxd_snapshot_create(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    const SshWatch watch = container_watch(job, SNAPSHOT_SECONDS);
    g_auto(Snapshot) snapshot = {NULL};
    g_auto(ContainerSight) sight = {VMM_UNKNOWN};
    g_autoptr(GError) error = NULL;
    if (!read_snapshot(job, &snapshot, &sight))
        return;
    g_autofree char *path = container_path(action, "/snapshots");
    g_autoptr(JsonObject) there = lxd_do(action->host, "GET", snapshot.path, NULL, NULL, NULL);
    g_autoptr(JsonObject) body = json_object_new();
    json_object_set_string_member(body, "name", snapshot.name);
    json_object_set_boolean_member(body, "stateful", FALSE);
    g_autoptr(JsonObject) done =
        there ? NULL : lxd_do(action->host, "POST", path, body, &watch, &error);
    if (there || done)
        driver_job_succeed(job, snapshot.name);
    else
        container_finish(job, FALSE, NULL, &error);
}

/* LXD itself ends one that runs, and starts it again. */
void lxd_snapshot_revert(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    const SshWatch watch = container_watch(job, SNAPSHOT_SECONDS);
    g_auto(Snapshot) snapshot = {NULL};
    g_auto(ContainerSight) sight = {VMM_UNKNOWN};
    g_autoptr(GError) error = NULL;
    if (!read_snapshot(job, &snapshot, &sight))
        return;
    g_autofree char *path = container_path(action, "");
    g_autoptr(JsonObject) body = json_object_new();
    json_object_set_string_member(body, "restore", snapshot.name);
    g_autoptr(JsonObject) done = lxd_do(action->host, "PUT", path, body, &watch, &error);
    container_finish(job, done != NULL, NULL, &error);
}

void lxd_snapshot_delete(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    const SshWatch watch = container_watch(job, SNAPSHOT_SECONDS);
    g_auto(Snapshot) snapshot = {NULL};
    g_auto(ContainerSight) sight = {VMM_UNKNOWN};
    g_autoptr(GError) error = NULL;
    if (!read_snapshot(job, &snapshot, &sight))
        return;
    g_autoptr(JsonObject) done =
        lxd_do(action->host, "DELETE", snapshot.path, NULL, &watch, &error);
    container_finish(job, done || g_error_matches(error, ONE_ERROR, ONE_ERROR_NO_EXISTS), NULL,
                     &error);
}
