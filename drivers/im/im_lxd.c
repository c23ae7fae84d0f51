/*
 * Hosts with LXD or Incus: three calls a report, whatever the number of containers.
 *
 * LXD's own figures cost it a process for each container that runs, and it tells them beside all
 * else or not at all. Where the host itself can be looked at (im_outside.c) its control groups and
 * cards tell the same in one go, and LXD is asked for the whole only now and then, because of the
 * space on its pools.
 */
#include "drivers/common/dummy.h"
#include "drivers/common/libvirt_stats.h"
#include "drivers/common/lxd.h"
#include "drivers/im/im.h"
#include "drivers/im/im_libvirt.h"
#include "drivers/im/im_rest.h"
#include "lib/base/error.h"
#include <string.h>

#define MONITOR_SECONDS 60
#define KIB             1024
#define WHOLE_SECONDS   600

/* ---- what is known of a host ---- */

typedef struct Known {
    gint64 again;      /* monotonic: LXD is asked for the whole again */
    gboolean blind;    /* the host does not show all figures: LXD is always asked */
    GHashTable *disks; /* instance -> gint64, bytes of its root; those that have any */
} Known;

static GMutex lock;
static GHashTable *known; /* host -> Known */

static void known_free(gpointer data)
{
    g_hash_table_unref(((Known *)data)->disks);
    g_free(data);
}

static gboolean wants_whole(const char *host)
{
    g_mutex_lock(&lock);
    const Known *about = known ? g_hash_table_lookup(known, host) : NULL;
    gboolean whole = !about || about->blind || g_get_monotonic_time() >= about->again;
    g_mutex_unlock(&lock);
    return whole;
}

static void keep_whole(const char *host, JsonArray *list, gboolean blind)
{
    Known *about = g_new0(Known, 1);
    about->blind = blind;
    about->again = g_get_monotonic_time() + WHOLE_SECONDS * G_TIME_SPAN_SECOND;
    about->disks = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    for (guint i = 0; i < json_count(list); i++) {
        JsonObject *instance = json_nth_object(list, i);
        const char *name = json_text_at(instance, "name");
        gint64 root = json_int_at(instance, "state.disk.root.usage", -1);
        if (name && root > 0)
            g_hash_table_replace(about->disks, g_strdup(name), g_memdup2(&root, sizeof root));
    }
    g_mutex_lock(&lock);
    if (!known)
        known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, known_free);
    g_hash_table_replace(known, g_strdup(host), about);
    g_mutex_unlock(&lock);
}

/* Bytes of its root when they were told last; -1: never. */
static gint64 disk_of(const char *host, const char *name)
{
    g_mutex_lock(&lock);
    const Known *about = known ? g_hash_table_lookup(known, host) : NULL;
    const gint64 *bytes = about ? g_hash_table_lookup(about->disks, name) : NULL;
    gint64 found = bytes ? *bytes : -1;
    g_mutex_unlock(&lock);
    return found;
}

static void forget(const char *host)
{
    g_mutex_lock(&lock);
    if (known)
        g_hash_table_remove(known, host);
    g_mutex_unlock(&lock);
}

/* ---- machines ---- */

gint64 im_lxd_vid(const char *name, JsonObject *config)
{
    const char *text = json_text_of(config, LXD_VID);
    guint64 vid = 0;
    if (text && g_ascii_string_to_unsigned(text, 10, 0, G_MAXINT32, &vid, NULL))
        return (gint64)vid;
    return dummy_vid(name);
}

/* KiB of "64MiB", "512MB", "1GiB" or a number of bytes; 0: no limit, or a share of the host. */
gint64 im_lxd_memory(const char *text)
{
    static const struct {
        const char *unit;
        double bytes;
    } units[] = {{"", 1},
                 {"B", 1},
                 {"kB", 1e3},
                 {"MB", 1e6},
                 {"GB", 1e9},
                 {"KiB", 1024},
                 {"MiB", 1024.0 * 1024},
                 {"GiB", 1024.0 * 1024 * 1024},
                 {"TiB", 1024.0 * 1024 * 1024 * 1024}};
    char *end = NULL;
    double value = text ? g_ascii_strtod(text, &end) : 0;
    if (!text || end == text)
        return 0;
    end += strspn(end, " ");
    for (guint i = 0; i < G_N_ELEMENTS(units); i++)
        if (g_str_equal(end, units[i].unit) && value > 0 && value * units[i].bytes < 1e18)
            return (gint64)(value * units[i].bytes / KIB);
    return 0;
}

/* The host's end of a card counts what the container sends as received. */
static gboolean add_card(JsonObject *config, const char *device, const ImOutside *outside,
                         ImLxdFigures *figures)
{
    g_autofree char *key = g_strdup_printf("volatile.%s.host_name", device);
    const char *name = json_text_of(config, key);
    const ImCard *card = name ? g_hash_table_lookup(outside->cards, name) : NULL;
    if (!card)
        return FALSE;
    figures->rx = MAX(figures->rx, 0) + card->tx;
    figures->tx = MAX(figures->tx, 0) + card->rx;
    return TRUE;
}

gboolean im_lxd_figures(JsonObject *instance, const ImOutside *outside, ImLxdFigures *figures)
{
    const char *name = json_text_at(instance, "name");
    JsonObject *config = json_object_at(instance, "expanded_config");
    JsonObject *devices = json_object_at(instance, "expanded_devices");
    const ImGroup *group =
        name && outside->groups ? g_hash_table_lookup(outside->groups, name) : NULL;
    g_autoptr(GList) names = devices ? json_object_get_members(devices) : NULL;
    *figures = (ImLxdFigures){-1, -1, -1, -1};
    if (!group || !group->populated || group->cpu < 0 || group->memory < 0)
        return FALSE;
    figures->cpu = group->cpu;
    figures->memory = group->memory;
    for (const GList *device = names; device; device = device->next) {
        const char *type = json_text_of(json_object_of(devices, device->data), "type");
        if (g_strcmp0(type, "nic") == 0 && !add_card(config, device->data, outside, figures))
            return FALSE;
    }
    return TRUE;
}

/* Bytes of all cards but the loopback; -1: not told. */
static void add_traffic(JsonObject *state, ImLxdFigures *figures)
{
    JsonObject *cards = json_object_at(state, "network");
    g_autoptr(GList) names = cards ? json_object_get_members(cards) : NULL;
    for (const GList *name = names; name; name = name->next) {
        JsonObject *card = json_object_of(cards, name->data);
        if (g_strcmp0(json_text_at(card, "type"), "loopback") == 0)
            continue;
        figures->rx = MAX(figures->rx, 0) + json_int_at(card, "counters.bytes_received", 0);
        figures->tx = MAX(figures->tx, 0) + json_int_at(card, "counters.bytes_sent", 0);
    }
}

static gboolean is_on(JsonObject *instance)
{
    const char *state = lxd_state_name(json_text_at(instance, "status"));
    return g_str_equal(state, "RUNNING") || g_str_equal(state, "PAUSED");
}

/* One that is off uses nothing, and LXD then tells so. */
static ImLxdFigures figures_of(JsonObject *instance, const ImOutside *outside)
{
    ImLxdFigures figures = {0, 0, -1, -1};
    JsonObject *state = json_object_at(instance, "state");
    if (state || !is_on(instance)) {
        figures.cpu = json_int_at(state, "cpu.usage", state ? -1 : 0);
        figures.memory = json_int_at(state, "memory.usage", state ? -1 : 0);
        add_traffic(state, &figures);
    } else {
        (void)im_lxd_figures(instance, outside, &figures);
    }
    return figures;
}

static void append_instance(GString *out, const char *host, JsonObject *instance,
                            const ImOutside *outside, gint64 *busy)
{
    const char *name = json_text_at(instance, "name");
    JsonObject *config = json_object_at(instance, "expanded_config");
    const ImLxdFigures figures = figures_of(instance, outside);
    gint64 root = name ? disk_of(host, name) : -1;
    gint64 maximum = im_lxd_memory(json_text_of(config, "limits.memory"));
    const char *vcpu = json_text_of(config, "limits.cpu");
    g_autoptr(GArray) disks = g_array_new(FALSE, FALSE, sizeof(LibvirtDisk));
    const LibvirtDisk disk = {0, root};
    if (!name)
        return;
    if (root > 0)
        g_array_append_val(disks, disk);
    *busy += MAX(figures.cpu, 0);
    const char *uuid = json_text_of(config, LXD_UUID);
    g_autofree char *key = g_strdup_printf("lxd %s %s", host, name);
    ImMachine machine = {
        .id = im_lxd_vid(name, config),
        .deploy_id = name,
        .uuid = uuid ? uuid : json_text_of(config, "volatile.uuid"),
        .state = lxd_state_name(json_text_at(instance, "status")),
        .cpu = libvirt_usage(key, figures.cpu),
        .memory = figures.memory < 0 ? -1 : figures.memory / KIB,
        .net_rx = figures.rx,
        .net_tx = figures.tx,
        .disk_rd_bytes = -1,
        .disk_wr_bytes = -1,
        .disk_rd_ops = -1,
        .disk_wr_ops = -1,
        .vcpu = vcpu ? (gint64)g_ascii_strtoull(vcpu, NULL, 10) : -1,
        .maximum = maximum,
        .disks = disks,
    };
    im_append_machine(out, &machine);
}

/* Some that runs shows less than LXD would tell. */
static gboolean is_blind(JsonArray *list, const ImOutside *outside)
{
    for (guint i = 0; i < json_count(list); i++) {
        JsonObject *instance = json_nth_object(list, i);
        ImLxdFigures figures;
        if (instance && is_on(instance) && !im_lxd_figures(instance, outside, &figures))
            return TRUE;
    }
    return FALSE;
}

static JsonArray *list_whole(const char *host, const ImOutside *outside, GError **error)
{
    JsonArray *list = lxd_list(host, "/1.0/instances?recursion=2", error);
    if (list)
        keep_whole(host, list, is_blind(list, outside));
    return list;
}

/* One that was started this moment may be in the list and not yet be seen on the host. */
static JsonArray *list_instances(const char *host, const ImOutside *outside, GError **error)
{
    if (wants_whole(host))
        return list_whole(host, outside, error);
    JsonArray *list = lxd_list(host, "/1.0/instances?recursion=1", error);
    if (!list || !is_blind(list, outside))
        return list;
    json_array_unref(list);
    return list_whole(host, outside, error);
}

/* *busy: the time that processors worked for all of them, in nanoseconds. */
static gboolean append_instances(GString *out, const char *host, const ImOutside *outside,
                                 gint64 *busy, GError **error)
{
    g_autoptr(JsonArray) list = list_instances(host, outside, error);
    if (!list)
        return FALSE;
    for (guint i = 0; i < json_count(list); i++) {
        JsonObject *instance = json_nth_object(list, i);
        if (instance)
            append_instance(out, host, instance, outside, busy);
    }
    return TRUE;
}

/* ---- the host ---- */

static const char *model_of(JsonObject *resources)
{
    JsonObject *socket = json_nth_object(json_array_at(resources, "cpu.sockets"), 0);
    return json_text_at(socket, "name");
}

static gint64 speed_of(JsonObject *resources)
{
    JsonObject *socket = json_nth_object(json_array_at(resources, "cpu.sockets"), 0);
    return json_int_at(socket, "frequency", 0);
}

static gboolean append_host(GString *out, const ImRequest *request, const ImOutside *outside,
                            gint64 busy, GError **error)
{
    g_autoptr(JsonObject) server = lxd_do(request->host, "GET", "/1.0", NULL, NULL, error);
    g_autoptr(JsonObject) resources =
        server ? lxd_do(request->host, "GET", "/1.0/resources", NULL, NULL, error) : NULL;
    if (!resources)
        return FALSE;
    if (g_strcmp0(json_text_at(server, "auth"), "trusted") != 0) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_AUTHORIZATION,
                    "host %s: LXD does not trust our certificate; let it: lxc config trust add "
                    "rest/client.crt",
                    request->host);
        return FALSE;
    }
    gint64 total = json_int_at(resources, "memory.total", 0) / KIB;
    g_autofree char *key = g_strconcat("host ", request->host, NULL);
    ImHost figures = {
        .hypervisor = "lxd",
        .hostname = json_text_at(server, "environment.server_name"),
        .arch = json_text_at(server, "environment.kernel_architecture"),
        .model = model_of(resources),
        .version = json_text_at(server, "environment.server_version"),
        .cpu_speed = speed_of(resources),
        .total_cpu = json_int_at(resources, "cpu.total", 0) * 100,
        .used_cpu = MAX(libvirt_usage(key, busy), 0),
        .total_memory = total,
        .free_memory = MAX(total - json_int_at(resources, "memory.used", 0) / KIB, 0),
        .net_rx = outside->net_rx,
        .net_tx = outside->net_tx,
        .cgroups = outside->cgroups,
    };
    im_append_host(out, &figures);
    im_append(out, "CONTAINER_SERVER", json_text_at(server, "environment.server"));
    g_string_append(out, outside->space->str);
    return TRUE;
}

/* ---- actions ---- */

static void monitor(DriverJob *job)
{
    const ImRequest *request = im_request_of(job);
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) machines = g_string_new(NULL);
    g_autoptr(GString) text = g_string_new(NULL);
    gint64 busy = 0;
    g_auto(ImOutside) outside = im_outside_containers(request->host, request->ds_location);
    if (!append_instances(machines, request->host, &outside, &busy, &error) ||
        !append_host(text, request, &outside, busy, &error)) {
        driver_job_fail(job, "%s", error->message);
        return;
    }
    listener_start(request->host, request->hid, im_lxd_listen);
    im_append_complete(text);
    g_string_append(text, machines->str);
    im_succeed(job, text->str);
}

static void stop(DriverJob *job)
{
    listener_stop(im_request_of(job)->host);
    rest_forget(im_request_of(job)->host);
    forget(im_request_of(job)->host);
    driver_job_succeed(job, NULL);
}

const DriverAction im_lxd_actions[] = {
    {"MONITOR", monitor, MONITOR_SECONDS},
    {"STOPMONITOR", stop, MONITOR_SECONDS},
    {NULL},
};
