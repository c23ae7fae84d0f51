/* The machine's template as LXD's documents. share/doc/containers.md tells what becomes of what. */
#include "drivers/vmm/lxd/lxd.h"

#include "drivers/vmm/container/cloud_init.h"
#include "drivers/vmm/container/container.h"
#include "lib/base/error.h"
#include "lib/base/xml.h"
#include <math.h>
#include <string.h>

static void set(JsonObject *object, const char *name, const char *value)
{
    if (value)
        json_object_set_string_member(object, name, value);
}

static void take(JsonObject *object, const char *name, char *value)
{
    set(object, name, value);
    g_free(value);
}

/* ---- config ---- */

/* CPU is how much of a processor it may use, VCPU how many it sees. */
static void add_limits(JsonObject *config, const VmmAction *action)
{
    const ContainerSize size = container_size(action);
    if (size.memory > 0)
        take(config, "limits.memory", g_strdup_printf("%" G_GINT64_FORMAT "MiB", size.memory));
    if (size.cpu > 0)
        take(config, "limits.cpu.allowance",
             g_strdup_printf("%dms/100ms", MAX((int)lround(size.cpu * 100), 1)));
    if (size.vcpu > 0)
        take(config, "limits.cpu", g_strdup_printf("%" G_GINT64_FORMAT, size.vcpu));
}

static void add_flag(JsonObject *config, const VmmAction *action, const char *name, const char *key)
{
    g_autofree char *value = container_value(action, name);
    if (value)
        set(config, key, vmm_is_yes(value) ? "true" : "false");
}

/* Words as for a shell, NAME=VALUE each. */
static gboolean add_environment(JsonObject *config, const VmmAction *action, GError **error)
{
    g_autofree char *value = container_value(action, "ENVIRONMENT");
    g_auto(GStrv) words = NULL;
    g_autoptr(GError) reason = NULL;
    if (value && !g_shell_parse_argv(value, NULL, &words, &reason)) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API, "CONTAINER/ENVIRONMENT=\"%s\" %s", value,
                    reason->message);
        return FALSE;
    }
    for (guint i = 0; words && words[i]; i++) {
        char *text = strchr(words[i], '=');
        if (!text || text == words[i]) {
            g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                        "CONTAINER/ENVIRONMENT: \"%s\" is not NAME=VALUE", words[i]);
            return FALSE;
        }
        *text = '\0';
        g_autofree char *name = g_strconcat("environment.", words[i], NULL);
        set(config, name, text + 1);
    }
    return TRUE;
}

static JsonObject *build_config(const VmmAction *action)
{
    JsonObject *config = json_object_new();
    set(config, LXD_UUID, action->uuid);
    take(config, LXD_VID, g_strdup_printf("%" G_GINT64_FORMAT, action->vid));
    if (container_deployment(action) >= 0)
        take(config, LXD_SEQ, g_strdup_printf("%" G_GINT64_FORMAT, container_deployment(action)));
    add_limits(config, action);
    add_flag(config, action, "PRIVILEGED", "security.privileged");
    add_flag(config, action, "NESTING", "security.nesting");
    take(config, "cloud-init.user-data", cloud_init_user_data(action));
    take(config, "cloud-init.network-config", cloud_init_network(action));
    return config;
}

/* ---- devices ---- */

static gboolean says_yes(const xmlNode *nic, const char *name)
{
    g_autofree char *value = xml_get(nic, name);
    return value && (!g_ascii_strcasecmp(value, "YES") || !g_ascii_strcasecmp(value, "TRUE"));
}

/* Nothing filters a container's card, and nothing makes its bridge: a machine that counts on it
 * must not start without. */
static gboolean is_plain(const xmlNode *nic, gint64 id, GError **error)
{
    g_autofree char *driver = xml_get(nic, "VN_MAD");
    if ((!driver || !*driver || !strcmp(driver, "bridge") || !strcmp(driver, "dummy")) &&
        !says_yes(nic, "FILTER_MAC_SPOOFING") && !says_yes(nic, "FILTER_IP_SPOOFING"))
        return TRUE;
    g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                "NIC %" G_GINT64_FORMAT " is of a network with VN_MAD %s or with filters; cards of "
                "containers are neither filtered nor in a VLAN: use a network with VN_MAD = "
                "\"bridge\" and a bridge that is there",
                id, driver ? driver : "");
    return FALSE;
}

JsonObject *lxd_build_nic(const xmlNode *nic, GError **error)
{
    g_autofree char *bridge = xml_get(nic, "BRIDGE");
    g_autofree char *mac = xml_get(nic, "MAC");
    g_autofree char *target = xml_get(nic, "TARGET");
    gint64 id = xml_get_int(nic, "NIC_ID", 0);
    if (!bridge || !*bridge) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                    "NIC %" G_GINT64_FORMAT " names no BRIDGE, which a container needs", id);
        return NULL;
    }
    if (!is_plain(nic, id, error))
        return NULL;
    JsonObject *device = json_object_new();
    set(device, "type", "nic");
    set(device, "nictype", "bridged");
    set(device, "parent", bridge);
    take(device, "name", g_strdup_printf("eth%" G_GINT64_FORMAT, id));
    set(device, "hwaddr", mac && *mac ? mac : NULL);
    set(device, "host_name", target && *target ? target : NULL);
    return device;
}

static gboolean add_nics(JsonObject *devices, const VmmAction *action, GError **error)
{
    for (const xmlNode *nic = xml_find(action->vm, "TEMPLATE/NIC"); nic; nic = xml_next_same(nic)) {
        JsonObject *device = lxd_build_nic(nic, error);
        if (!device)
            return FALSE;
        g_autofree char *name =
            g_strdup_printf("eth%" G_GINT64_FORMAT, xml_get_int(nic, "NIC_ID", 0));
        json_object_set_object_member(devices, name, device);
    }
    return TRUE;
}

/* The root is the profile's unless pool or size are told. */
static void add_root(JsonObject *devices, const VmmAction *action)
{
    g_autofree char *pool = container_value(action, "POOL");
    g_autofree char *size = container_value(action, "SIZE");
    if (!pool && !size)
        return;
    JsonObject *root = json_object_new();
    set(root, "type", "disk");
    set(root, "path", "/");
    set(root, "pool", pool ? pool : "default");
    if (size)
        take(root, "size", g_strconcat(size, "MiB", NULL));
    json_object_set_object_member(devices, "root", root);
}

static JsonObject *build_devices(const VmmAction *action, GError **error)
{
    g_autoptr(JsonObject) devices = json_object_new();
    add_root(devices, action);
    return add_nics(devices, action, error) ? g_steal_pointer(&devices) : NULL;
}

/* ---- the whole ---- */

static gboolean is_fingerprint(const char *image)
{
    gsize length = strlen(image);
    return length >= 12 && length <= 64 && strspn(image, "0123456789abcdef") == length;
}

void lxd_set_source(JsonObject *instance, const VmmAction *action, const char *image)
{
    g_autofree char *server = container_value(action, "SERVER");
    g_autofree char *protocol = container_value(action, "PROTOCOL");
    JsonObject *source = json_object_new();
    set(source, "type", "image");
    set(source, is_fingerprint(image) ? "fingerprint" : "alias", image);
    if (server) {
        set(source, "mode", "pull");
        set(source, "server", server);
        set(source, "protocol", protocol ? protocol : "simplestreams");
    }
    json_object_set_object_member(instance, "source", source);
}

static void add_profiles(JsonObject *instance, const VmmAction *action)
{
    g_autofree char *profiles = container_value(action, "PROFILES");
    g_auto(GStrv) names = g_strsplit_set(profiles ? profiles : "", ", ", -1);
    JsonArray *array = json_array_new();
    for (guint i = 0; names[i]; i++)
        if (*names[i])
            json_array_add_string_element(array, names[i]);
    if (json_array_get_length(array) == 0)
        json_array_add_string_element(array, "default");
    json_object_set_array_member(instance, "profiles", array);
}

JsonObject *lxd_build_change(const VmmAction *action, GError **error)
{
    g_autoptr(JsonObject) config = build_config(action);
    if (!add_environment(config, action, error))
        return NULL;
    JsonObject *devices = build_devices(action, error);
    if (!devices)
        return NULL;
    JsonObject *change = json_object_new();
    g_autofree char *name = xml_get(action->vm, "NAME");
    set(change, "description", name);
    json_object_set_object_member(change, "config", json_object_ref(config));
    json_object_set_object_member(change, "devices", devices);
    return change;
}

JsonObject *lxd_build_instance(const VmmAction *action, GError **error)
{
    g_autoptr(JsonObject) instance = lxd_build_change(action, error);
    if (!instance)
        return NULL;
    set(instance, "name", action->domain);
    set(instance, "type", "container");
    add_profiles(instance, action);
    return g_steal_pointer(&instance);
}
