/* What LXD and Incus tell of a host and of a container before it goes to another host. */
#include "drivers/vmm/check/container_check.h"
#include "drivers/vmm/lxd/lxd.h"

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

/* A container has the storage of all pools that its disks are in. */
static void add_storage(ContainerHost *host, const char *pool, GError **error)
{
    g_autofree char *before = g_steal_pointer(&host->storage);
    g_autofree char *one = pool_on(host->name, pool, error);
    host->storage =
        before && one ? g_strconcat(before, ", ", one, NULL) : g_strdup(one ? one : before);
}

static void ask_pool(ContainerFacts *facts, const char *pool)
{
    ContainerHost *hosts = facts->hosts;
    g_autoptr(GError) error = NULL;
    add_storage(&hosts[CONTAINER_SOURCE], pool, NULL);
    add_storage(&hosts[CONTAINER_DESTINATION], pool, &error);
    if (g_error_matches(error, ONE_ERROR, ONE_ERROR_NO_EXISTS))
        g_ptr_array_add(facts->missing, g_strdup_printf("%s has no storage pool %s",
                                                        hosts[CONTAINER_DESTINATION].name, pool));
}

/* Each once, that of the root first. */
static void ask_pools(ContainerFacts *facts, JsonObject *devices, const GList *names)
{
    g_autoptr(GPtrArray) pools = g_ptr_array_new();
    for (; names; names = names->next) {
        JsonObject *device = json_object_of(devices, names->data);
        char *pool = (char *)json_text_of(device, "pool");
        if (g_strcmp0(json_text_of(device, "type"), "disk") != 0 || !pool)
            continue;
        gboolean is_root = g_strcmp0(json_text_of(device, "path"), "/") == 0;
        guint at = pools->len;
        if (g_ptr_array_find_with_equal_func(pools, pool, g_str_equal, &at) && is_root)
            g_ptr_array_remove_index(pools, at);
        else if (at < pools->len)
            continue;
        g_ptr_array_insert(pools, is_root ? 0 : -1, pool);
    }
    for (guint i = 0; i < pools->len; i++)
        ask_pool(facts, pools->pdata[i]);
}

/* Networks must be there, too; what is a part of the host stays. */
static void ask_device(ContainerFacts *facts, const char *name, JsonObject *device)
{
    const char *there = facts->hosts[CONTAINER_DESTINATION].name;
    const char *type = json_text_of(device, "type"), *pool = json_text_of(device, "pool");
    const char *network = json_text_of(device, "network");
    const char *source = json_text_of(device, "source");
    network = network ? network : json_text_of(device, "parent");
    if (g_strcmp0(type, "disk") == 0 && pool)
        return; /* ask_pools() */
    if (g_strcmp0(type, "disk") == 0)
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
    ask_pools(facts, devices, names);
    for (const GList *name = names; name; name = name->next)
        ask_device(facts, name->data, json_object_of(devices, name->data));
}
