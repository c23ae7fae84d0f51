/* Hosts with LXD or Incus: three calls a report, whatever the number of containers. */
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

/* Bytes of all cards but the loopback; -1: not told. */
static void add_traffic(JsonObject *state, ImMachine *machine)
{
    JsonObject *cards = json_object_at(state, "network");
    g_autoptr(GList) names = cards ? json_object_get_members(cards) : NULL;
    for (const GList *name = names; name; name = name->next) {
        JsonObject *card = json_object_of(cards, name->data);
        if (g_strcmp0(json_text_at(card, "type"), "loopback") == 0)
            continue;
        machine->net_rx = MAX(machine->net_rx, 0) + json_int_at(card, "counters.bytes_received", 0);
        machine->net_tx = MAX(machine->net_tx, 0) + json_int_at(card, "counters.bytes_sent", 0);
    }
}

static void append_instance(GString *out, const char *host, JsonObject *instance, gint64 *busy)
{
    const char *name = json_text_at(instance, "name");
    JsonObject *config = json_object_at(instance, "expanded_config");
    JsonObject *state = json_object_at(instance, "state");
    gint64 cpu = json_int_at(state, "cpu.usage", -1);
    gint64 root = json_int_at(state, "disk.root.usage", -1);
    gint64 maximum = im_lxd_memory(json_text_of(config, "limits.memory"));
    const char *vcpu = json_text_of(config, "limits.cpu");
    g_autoptr(GArray) disks = g_array_new(FALSE, FALSE, sizeof(LibvirtDisk));
    const LibvirtDisk disk = {0, root};
    if (!name)
        return;
    if (root > 0)
        g_array_append_val(disks, disk);
    *busy += MAX(cpu, 0);
    const char *uuid = json_text_of(config, LXD_UUID);
    g_autofree char *key = g_strdup_printf("lxd %s %s", host, name);
    ImMachine machine = {
        .id = im_lxd_vid(name, config),
        .deploy_id = name,
        .uuid = uuid ? uuid : json_text_of(config, "volatile.uuid"),
        .state = lxd_state_name(json_text_at(instance, "status")),
        .cpu = libvirt_usage(key, cpu),
        .memory = json_int_at(state, "memory.usage", -KIB) / KIB,
        .net_rx = -1,
        .net_tx = -1,
        .disk_rd_bytes = -1,
        .disk_wr_bytes = -1,
        .disk_rd_ops = -1,
        .disk_wr_ops = -1,
        .vcpu = vcpu ? (gint64)g_ascii_strtoull(vcpu, NULL, 10) : -1,
        .maximum = maximum,
        .disks = disks,
    };
    add_traffic(state, &machine);
    im_append_machine(out, &machine);
}

/* *busy: the time that processors worked for all of them, in nanoseconds. */
static gboolean append_instances(GString *out, const char *host, gint64 *busy, GError **error)
{
    g_autoptr(JsonArray) list = lxd_list(host, "/1.0/instances?recursion=2", error);
    if (!list)
        return FALSE;
    for (guint i = 0; i < json_count(list); i++) {
        JsonObject *instance = json_nth_object(list, i);
        if (instance)
            append_instance(out, host, instance, busy);
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

static gboolean append_host(GString *out, const ImRequest *request, gint64 busy, GError **error)
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
    g_auto(ImOutside) outside = im_outside(request->host, request->ds_location);
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
        .net_rx = outside.net_rx,
        .net_tx = outside.net_tx,
        .cgroups = outside.cgroups,
    };
    im_append_host(out, &figures);
    im_append(out, "CONTAINER_SERVER", json_text_at(server, "environment.server"));
    g_string_append(out, outside.space->str);
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
    if (!append_instances(machines, request->host, &busy, &error) ||
        !append_host(text, request, busy, &error)) {
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
    driver_job_succeed(job, NULL);
}

const DriverAction im_lxd_actions[] = {
    {"MONITOR", monitor, MONITOR_SECONDS},
    {"STOPMONITOR", stop, MONITOR_SECONDS},
    {NULL},
};
