/* Hosts with Docker or Podman: two calls a report, and one for the figures of each container that
 * runs, which the engine does not tell of all together. */
#include "drivers/common/docker.h"
#include "drivers/common/dummy.h"
#include "drivers/common/libvirt_stats.h"
#include "drivers/im/im.h"
#include "drivers/im/im_libvirt.h"
#include "drivers/im/im_rest.h"
#include "lib/base/error.h"
#include <string.h>

#define MONITOR_SECONDS 60
/* Then the figures of the rest are left out; states are told of all. */
#define FIGURES_SECONDS 20
#define KIB             1024
/* Of the call that listens. */
#define LISTEN_SECONDS (30 * 24 * 3600)

gint64 im_docker_vid(const char *name, JsonObject *labels)
{
    const char *text = json_text_of(labels, DOCKER_VID);
    guint64 vid = 0;
    if (text && g_ascii_string_to_unsigned(text, 10, 0, G_MAXINT32, &vid, NULL))
        return (gint64)vid;
    return dummy_vid(name);
}

/* ---- machines ---- */

typedef struct Sums {
    gint64 busy, memory; /* ns, KiB */
    gint64 until;        /* monotonic: figures are asked for */
} Sums;

static void add_traffic(JsonObject *stats, ImMachine *machine)
{
    JsonObject *cards = json_object_at(stats, "networks");
    g_autoptr(GList) names = cards ? json_object_get_members(cards) : NULL;
    for (const GList *name = names; name; name = name->next) {
        JsonObject *card = json_object_of(cards, name->data);
        machine->net_rx = MAX(machine->net_rx, 0) + json_int_at(card, "rx_bytes", 0);
        machine->net_tx = MAX(machine->net_tx, 0) + json_int_at(card, "tx_bytes", 0);
    }
}

static void add_disk_bytes(JsonObject *stats, ImMachine *machine)
{
    JsonArray *rows = json_array_at(stats, "blkio_stats.io_service_bytes_recursive");
    for (guint i = 0; i < json_count(rows); i++) {
        JsonObject *row = json_nth_object(rows, i);
        const char *what = json_text_at(row, "op");
        gint64 bytes = json_int_at(row, "value", 0);
        if (what && !g_ascii_strcasecmp(what, "read"))
            machine->disk_rd_bytes = MAX(machine->disk_rd_bytes, 0) + bytes;
        else if (what && !g_ascii_strcasecmp(what, "write"))
            machine->disk_wr_bytes = MAX(machine->disk_wr_bytes, 0) + bytes;
    }
}

static void add_figures(ImMachine *machine, const char *host, Sums *sums)
{
    g_autofree char *word = rest_escape(machine->deploy_id);
    g_autofree char *path =
        g_strdup_printf("/containers/%s/stats?stream=false&one-shot=true", word);
    g_autofree char *key = g_strdup_printf("docker %s %s", host, machine->deploy_id);
    g_autoptr(JsonObject) stats = docker_do(host, "GET", path, NULL, NULL, NULL);
    gint64 cpu = json_int_at(stats, "cpu_stats.cpu_usage.total_usage", -1);
    gint64 memory = json_int_at(stats, "memory_stats.usage", -1);
    machine->cpu = libvirt_usage(key, cpu);
    machine->memory = memory < 0 ? -1 : memory / KIB;
    add_traffic(stats, machine);
    add_disk_bytes(stats, machine);
    sums->busy += MAX(cpu, 0);
    sums->memory += MAX(machine->memory, 0);
}

static void append_container(GString *out, const char *host, JsonObject *container, Sums *sums)
{
    const char *name = json_nth_text(json_array_at(container, "Names"), 0);
    JsonObject *labels = json_object_at(container, "Labels");
    const char *uuid = json_text_of(labels, DOCKER_UUID);
    const char *id = json_text_at(container, "Id");
    name = name && *name == '/' ? name + 1 : name;
    if (!name)
        return;
    ImMachine machine = {
        .id = im_docker_vid(name, labels),
        .deploy_id = name,
        .uuid = uuid ? uuid : id,
        .state = docker_state_name(json_text_at(container, "State")),
        .cpu = -1,
        .memory = -1,
        .net_rx = -1,
        .net_tx = -1,
        .disk_rd_bytes = -1,
        .disk_wr_bytes = -1,
        .disk_rd_ops = -1,
        .disk_wr_ops = -1,
        .vcpu = -1,
    };
    if (g_str_equal(machine.state, "RUNNING") && g_get_monotonic_time() < sums->until)
        add_figures(&machine, host, sums);
    im_append_machine(out, &machine);
}

/* ---- the host ---- */

static gboolean append_host(GString *out, const ImRequest *request, const Sums *sums,
                            GError **error)
{
    g_autoptr(JsonObject) info = docker_do(request->host, "GET", "/info", NULL, NULL, error);
    if (!info)
        return FALSE;
    gint64 total = json_int_at(info, "MemTotal", 0) / KIB;
    const char *groups = json_text_at(info, "CgroupVersion");
    g_auto(ImOutside) outside = im_outside(request->host, request->ds_location);
    g_autofree char *key = g_strconcat("host ", request->host, NULL);
    ImHost figures = {
        .hypervisor = "docker",
        .hostname = json_text_at(info, "Name"),
        .arch = json_text_at(info, "Architecture"),
        .version = json_text_at(info, "ServerVersion"),
        .total_cpu = json_int_at(info, "NCPU", 0) * 100,
        .used_cpu = MAX(libvirt_usage(key, sums->busy), 0),
        .total_memory = total,
        .free_memory = MAX(total - sums->memory, 0),
        .net_rx = outside.net_rx,
        .net_tx = outside.net_tx,
        .cgroups = groups ? (gint64)g_ascii_strtoull(groups, NULL, 10) : outside.cgroups,
    };
    im_append_host(out, &figures);
    im_append(out, "CONTAINER_STORAGE", json_text_at(info, "Driver"));
    im_docker_append_lacks(out, request->host, info);
    g_string_append(out, outside.space->str);
    return TRUE;
}

/* ---- events ---- */

typedef struct Hearing {
    Listener *listener;
    GString *line;
} Hearing;

char *im_docker_event(JsonObject *event)
{
    static const char *const words[] = {"start", "die", "pause", "unpause", "destroy", "oom", NULL};
    const char *what = json_text_at(event, "Action");
    const char *name = json_text_at(event, "Actor.Attributes.name");
    return g_strcmp0(json_text_at(event, "Type"), "container") == 0 && what && name && *name &&
                   g_strv_contains(words, what)
               ? g_strdup(name)
               : NULL;
}

/* What it is now is asked: a restart tells its end, too. One that is gone is off. */
static void tell(Listener *listener, JsonObject *event, const char *name)
{
    g_autofree char *word = rest_escape(name);
    g_autofree char *path = g_strdup_printf("/containers/%s/json", word);
    g_autoptr(JsonObject) now = docker_do(listener_host(listener), "GET", path, NULL, NULL, NULL);
    JsonObject *labels = json_object_at(event, "Actor.Attributes");
    const char *uuid = json_text_of(labels, DOCKER_UUID);
    const ImMachine machine = {
        .id = im_docker_vid(name, labels),
        .deploy_id = name,
        .uuid = uuid ? uuid : json_text_at(event, "Actor.ID"),
        .state = now ? docker_state_name(json_text_at(now, "State.Status")) : "POWEROFF",
    };
    listener_tell(listener, &machine);
}

static gboolean hear(const char *bytes, gsize count, gpointer data)
{
    Hearing *hearing = data;
    char *newline;
    g_string_append_len(hearing->line, bytes, (gssize)count);
    while ((newline = memchr(hearing->line->str, '\n', hearing->line->len))) {
        gsize length = (gsize)(newline - hearing->line->str);
        g_autoptr(JsonObject) event = json_read(hearing->line->str, length, NULL);
        g_autofree char *name = event ? im_docker_event(event) : NULL;
        if (name)
            tell(hearing->listener, event, name);
        g_string_erase(hearing->line, 0, (gssize)length + 1);
    }
    return hearing->line->len < JSON_LINE_MAX;
}

static gboolean stops(gpointer data)
{
    return listener_ends(((Hearing *)data)->listener);
}

static void listen_to(Listener *listener, GError **error)
{
    Hearing hearing = {listener, g_string_new(NULL)};
    const RestCall call = {
        .method = "GET",
        .path = "/events?filters=%7B%22type%22%3A%5B%22container%22%5D%7D",
        .take = hear,
        .data = &hearing,
        .watch = {.seconds = LISTEN_SECONDS, .cancelled = stops, .data = &hearing}};
    g_auto(RestReply) reply = {0};
    g_autoptr(GError) reason = NULL;
    gboolean ended = rest_call(listener_host(listener), &call, &reply, &reason);
    /* Once it had begun its end is the connection's, whatever the reason. */
    if ((!ended && reply.status == 0) || reply.status >= 300)
        g_set_error(error, ONE_ERROR, ONE_ERROR_UNREACHABLE, "%s",
                    reason ? reason->message : "its events are refused");
    g_string_free(hearing.line, TRUE);
}

/* ---- actions ---- */

static void monitor(DriverJob *job)
{
    const ImRequest *request = im_request_of(job);
    Sums sums = {.until = g_get_monotonic_time() + FIGURES_SECONDS * G_TIME_SPAN_SECOND};
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) machines = g_string_new(NULL);
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(JsonArray) list = docker_list(request->host, "/containers/json?all=1", &error);
    for (guint i = 0; i < json_count(list); i++)
        if (json_nth_object(list, i))
            append_container(machines, request->host, json_nth_object(list, i), &sums);
    if (!list || !append_host(text, request, &sums, &error)) {
        driver_job_fail(job, "%s", error->message);
        return;
    }
    listener_start(request->host, request->hid, listen_to);
    im_append_complete(text);
    g_string_append(text, machines->str);
    im_succeed(job, text->str);
}

static void stop(DriverJob *job)
{
    listener_stop(im_request_of(job)->host);
    rest_forget(im_request_of(job)->host);
    im_docker_forget(im_request_of(job)->host);
    driver_job_succeed(job, NULL);
}

const DriverAction im_docker_actions[] = {
    {"MONITOR", monitor, MONITOR_SECONDS},
    {"STOPMONITOR", stop, MONITOR_SECONDS},
    {NULL},
};
