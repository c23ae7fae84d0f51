/* What LXD and Incus tell of a host and of a container before it goes to another host. */
#include "drivers/vmm/container_check.h"
#include "drivers/vmm/lxd.h"

#include "lib/base/error.h"
#include <string.h>

gboolean lxd_ask_host(struct ContainerHost *host, GError **error)
{
    g_autoptr(JsonObject) server = lxd_do(host->name, "GET", "/1.0", NULL, NULL, error);
    if (!server)
        return FALSE;
    host->daemon = g_strdup(json_text_at(server, "environment.server"));
    host->version = g_strdup(json_text_at(server, "environment.server_version"));
    host->kernel = g_strdup(json_text_at(server, "environment.kernel_version"));
    host->arch = g_strdup(json_text_at(server, "environment.kernel_architecture"));
    return TRUE;
}

/* "the pool default (dir)"; NULL: the host has no such pool, or did not say. (owned) */
static char *pool_on(const char *host, const char *pool, GError **error)
{
    g_autofree char *word = rest_escape(pool);
    g_autofree char *path = g_strconcat("/1.0/storage-pools/", word, NULL);
    g_autoptr(JsonObject) found = lxd_do(host, "GET", path, NULL, NULL, error);
    const char *driver = json_text_at(found, "driver");
    return found ? g_strdup_printf("the pool %s (%s)", pool, driver ? driver : "?") : NULL;
}

static gboolean has_network(const char *host, const char *network)
{
    g_autofree char *word = rest_escape(network);
    g_autofree char *path = g_strconcat("/1.0/networks/", word, NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonObject) found = lxd_do(host, "GET", path, NULL, NULL, &error);
    return found || !g_error_matches(error, ONE_ERROR, ONE_ERROR_NO_EXISTS);
}

static void ask_pool(ContainerFacts *facts, const char *pool)
{
    ContainerHost *hosts = facts->hosts;
    g_autoptr(GError) error = NULL;
    hosts[CONTAINER_SOURCE].storage = pool_on(hosts[CONTAINER_SOURCE].name, pool, NULL);
    hosts[CONTAINER_DESTINATION].storage = pool_on(hosts[CONTAINER_DESTINATION].name, pool, &error);
    if (g_error_matches(error, ONE_ERROR, ONE_ERROR_NO_EXISTS))
        g_ptr_array_add(facts->missing, g_strdup_printf("%s has no storage pool %s",
                                                        hosts[CONTAINER_DESTINATION].name, pool));
}

/* Pools and networks must be there, too; what is a part of the host stays. */
static void ask_device(ContainerFacts *facts, const char *name, JsonObject *device)
{
    const char *there = facts->hosts[CONTAINER_DESTINATION].name;
    const char *type = json_text_of(device, "type"), *pool = json_text_of(device, "pool");
    const char *network = json_text_of(device, "network");
    const char *source = json_text_of(device, "source");
    network = network ? network : json_text_of(device, "parent");
    if (g_strcmp0(type, "disk") == 0 && pool)
        ask_pool(facts, pool);
    else if (g_strcmp0(type, "disk") == 0)
        g_ptr_array_add(facts->stays, g_strdup_printf("the disk %s is %s of each host", name,
                                                      source ? source : "a path"));
    else if (g_strcmp0(type, "nic") != 0)
        g_ptr_array_add(facts->stays, g_strdup_printf("the device %s (%s) is the host's", name,
                                                      type ? type : "?"));
    else if (network && !has_network(there, network))
        g_ptr_array_add(facts->missing,
                        g_strdup_printf("%s has no network or bridge %s", there, network));
}

void lxd_ask_container(const VmmAction *action, struct ContainerFacts *facts)
{
    JsonObject *instance = facts->hosts[CONTAINER_SOURCE].sight.document;
    JsonObject *devices = json_object_at(instance, "expanded_devices");
    g_autofree char *path = container_path(action, "/state");
    facts->never = "neither LXD 5.0 nor Incus 6.0 restores what it saved of a running container by "
                   "CRIU, so this driver does not try";
    facts->sent = "its disk and snapshots are sent while it is off";
    if (facts->hosts[CONTAINER_DESTINATION].unreachable || !instance)
        return;
    g_autoptr(JsonObject) state = lxd_do(action->host, "GET", path, NULL, NULL, NULL);
    gint64 used = json_int_at(state, "disk.root.usage", -1);
    facts->bytes = used > 0 ? used : -1; /* pools without quotas tell none */
    g_autoptr(GList) names = devices ? json_object_get_members(devices) : NULL;
    for (const GList *name = names; name; name = name->next)
        ask_device(facts, name->data, json_object_of(devices, name->data));
}
