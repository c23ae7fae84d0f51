/*
 * Simulated hosts: their machines are the files of drivers/common/dummy.h. A change of a
 * file is told at once, as a hypervisor tells of its domains, so that a guest's death can
 * be simulated with an editor.
 */
#include "drivers/common/dummy.h"
#include "drivers/im/im.h"
#include "drivers/im/im_report.h"
#include "lib/base/log.h"
#include "lib/base/paths.h"
#include <errno.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define CORES_PER_NODE 8
#define DS_TOTAL_MB    (100 * 1024)
#define DS_FREE_MB     (90 * 1024)

/* A host whose directory is watched. */
typedef struct Watched {
    char *host;
    gint64 hid;
    int watch;
    gboolean down; /* as told last */
} Watched;

static GMutex lock;
static GHashTable *by_host;  /* host -> Watched */
static GHashTable *by_watch; /* watch -> Watched */
static int notify = -1;
static int top_watch = -1; /* the directory that has the control file */

static void free_watched(gpointer data)
{
    Watched *watched = data;
    g_free(watched->host);
    g_free(watched);
}

/* ---- changes of files ---- */

/* Appends the state of one machine after its file changed. Other names are machines that were
 * imported, wild ones, which nobody waits for, and the copies that editors make. */
static void append_change(GString *out, const char *host, const char *file)
{
    g_auto(DummyDomain) domain = {.vid = -1};
    ImMachine machine = {.id = -1, .deploy_id = file, .state = "POWEROFF"};
    if (dummy_domain_read(host, file, &domain, NULL)) {
        machine.id = domain.vid;
        machine.uuid = domain.uuid;
        machine.state = domain.state;
    } else {
        machine.id = dummy_vid(file);
    }
    im_append_state(out, &machine);
}

static void tell_down_hosts(void)
{
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, by_host);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Watched *watched = value;
        gboolean down = dummy_host(watched->host).down;
        if (down && !watched->down)
            driver_emit("MONITOR_HOST", FALSE, watched->hid, "the host went down (simulated)");
        watched->down = down;
    }
}

/* One change; texts are gathered by host in `changes`. Under the lock. */
static void note_event(const struct inotify_event *event, GHashTable *changes)
{
    if (event->mask & IN_Q_OVERFLOW) {
        log_warning("IM", "Too many changes of simulated machines at once; the next monitoring "
                          "tells what was missed");
        return;
    }
    if (!event->len || event->name[0] == '.')
        return;
    if (event->wd == top_watch) {
        if (g_str_equal(event->name, "control"))
            tell_down_hosts();
        return;
    }
    Watched *watched = g_hash_table_lookup(by_watch, GINT_TO_POINTER(event->wd));
    if (!watched || watched->down)
        return;
    GString *text = g_hash_table_lookup(changes, watched);
    if (!text) {
        text = g_string_new(NULL);
        g_hash_table_insert(changes, watched, text);
    }
    append_change(text, watched->host, event->name);
}

static void tell_changes(GHashTable *changes)
{
    GHashTableIter iter;
    gpointer key, value;
    g_hash_table_iter_init(&iter, changes);
    while (g_hash_table_iter_next(&iter, &key, &value)) {
        GString *text = value;
        if (text->len)
            im_emit_state(((Watched *)key)->hid, text->str);
        g_string_free(text, TRUE);
    }
}

static gpointer watch(gpointer unused)
{
    static char buffer[64 * 1024] __attribute__((aligned(__alignof__(struct inotify_event))));
    for (;;) {
        gssize got = read(notify, buffer, sizeof buffer);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            log_error("IM", "Changes of simulated machines cannot be watched any more: %s",
                      g_strerror(errno));
            return NULL;
        }
        g_mutex_lock(&lock);
        g_autoptr(GHashTable) changes = g_hash_table_new(NULL, NULL);
        for (char *at = buffer; at < buffer + got;) {
            const struct inotify_event *event = (const struct inotify_event *)at;
            note_event(event, changes);
            at += sizeof *event + event->len;
        }
        tell_changes(changes);
        g_mutex_unlock(&lock);
    }
}

static void start_watching(void)
{
    g_autofree char *top = paths_var("dummy");
    by_host = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free_watched);
    by_watch = g_hash_table_new(NULL, NULL);
    notify = inotify_init1(IN_CLOEXEC);
    if (notify < 0) {
        log_warning("IM",
                    "Simulated machines are not watched (%s): changes are seen at the next "
                    "monitoring only",
                    g_strerror(errno));
        return;
    }
    (void)g_mkdir_with_parents(top, 0755);
    top_watch = inotify_add_watch(notify, top, IN_CLOSE_WRITE | IN_MOVED_TO | IN_DELETE);
    g_thread_unref(g_thread_new("watch", watch, NULL));
}

/* A machine that is moved to another host leaves by IN_MOVED_FROM, which is not watched:
 * it is not off. */
static void watch_host(const ImRequest *request, gboolean down)
{
    if (!by_host)
        start_watching();
    g_mutex_lock(&lock);
    Watched *watched = g_hash_table_lookup(by_host, request->host);
    if (!watched) {
        g_autofree char *path = dummy_host_path(request->host, NULL);
        watched = g_new0(Watched, 1);
        watched->host = g_strdup(request->host);
        watched->watch = -1;
        if (path && g_mkdir_with_parents(path, 0755) == 0 && notify >= 0)
            watched->watch =
                inotify_add_watch(notify, path, IN_CLOSE_WRITE | IN_MOVED_TO | IN_DELETE);
        g_hash_table_insert(by_host, watched->host, watched);
        if (watched->watch >= 0)
            g_hash_table_insert(by_watch, GINT_TO_POINTER(watched->watch), watched);
    }
    watched->hid = request->hid;
    watched->down = down;
    g_mutex_unlock(&lock);
}

static void stop(DriverJob *job)
{
    g_mutex_lock(&lock);
    Watched *watched = by_host ? g_hash_table_lookup(by_host, im_request_of(job)->host) : NULL;
    if (watched) {
        if (watched->watch >= 0) {
            g_hash_table_remove(by_watch, GINT_TO_POINTER(watched->watch));
            (void)inotify_rm_watch(notify, watched->watch);
        }
        g_hash_table_remove(by_host, watched->host);
    }
    g_mutex_unlock(&lock);
    driver_job_succeed(job, NULL);
}

/* ---- monitoring ---- */

static void append_domain(GString *out, const DummyDomain *domain)
{
    gboolean running = g_str_equal(domain->state, "RUNNING");
    gint64 age = MAX(g_get_real_time() / G_USEC_PER_SEC - domain->since, 0);
    ImMachine machine = {
        .id = domain->vid,
        .deploy_id = domain->deploy_id,
        .uuid = domain->uuid,
        .name = domain->name,
        .state = domain->state,
        .cpu = running ? (double)domain->cpu : 0,
        .memory = domain->memory,
        /* Counters that grow as if the guest did a little all the time. */
        .net_rx = age * 1000,
        .net_tx = age * 500,
        .disk_rd_bytes = age * 4096,
        .disk_wr_bytes = age * 8192,
        .disk_rd_ops = age,
        .disk_wr_ops = age * 2,
        .maximum = domain->memory,
    };
    im_append_machine(out, &machine);
}

/* All machines of the host into `out`, and what they use. FALSE: the list is not complete. */
static gboolean append_domains(GString *out, const char *host, gint64 *cpu, gint64 *memory,
                               GError **error)
{
    g_autofree char *path = dummy_host_path(host, error);
    g_autoptr(GDir) directory = path ? g_dir_open(path, 0, error) : NULL;
    const char *file;
    if (!directory)
        return FALSE;
    while ((file = g_dir_read_name(directory))) {
        g_auto(DummyDomain) domain = {.vid = -1};
        g_autoptr(GError) unreadable = NULL;
        if (*file == '.')
            continue;
        if (dummy_domain_read(host, file, &domain, &unreadable)) {
            append_domain(out, &domain);
            *cpu += g_str_equal(domain.state, "RUNNING") ? domain.cpu : 0;
            *memory += g_str_equal(domain.state, "POWEROFF") ? 0 : domain.memory;
        } else if (unreadable) {
            g_propagate_error(error, g_steal_pointer(&unreadable));
            return FALSE;
        }
    }
    return TRUE;
}

/* Nodes of CORES_PER_NODE cores each, which share the memory evenly. */
static void append_nodes(GString *out, gint64 cores, gint64 total, gint64 available)
{
    gint64 nodes = MAX((cores + CORES_PER_NODE - 1) / CORES_PER_NODE, 1);
    for (gint64 i = 0; i < cores; i++)
        g_string_append_printf(out,
                               "CORE=[NODE_ID=\"%" G_GINT64_FORMAT "\",ID=\"%" G_GINT64_FORMAT
                               "\",CPUS=\"%" G_GINT64_FORMAT "\"]\n",
                               i / CORES_PER_NODE, i % CORES_PER_NODE, i);
    for (gint64 i = 0; i < nodes; i++) {
        g_autoptr(GString) distance = g_string_new(NULL);
        g_string_append_printf(distance, "%" G_GINT64_FORMAT, i);
        for (gint64 j = 0; j < nodes; j++)
            if (j != i)
                g_string_append_printf(distance, " %" G_GINT64_FORMAT, j);
        g_string_append_printf(
            out,
            "MEMORY_NODE=[NODE_ID=\"%" G_GINT64_FORMAT "\",TOTAL=\"%" G_GINT64_FORMAT
            "\",FREE=\"%" G_GINT64_FORMAT "\",USED=\"%" G_GINT64_FORMAT "\",DISTANCE=\"%s\"]\n"
            "HUGEPAGE=[NODE_ID=\"%" G_GINT64_FORMAT "\",SIZE=\"2048\",PAGES=\"0\",FREE=\"0\"]\n",
            i, total / nodes, available / nodes, (total - available) / nodes, distance->str, i);
    }
}

/* Half of them are for computing, half are network cards. */
static void append_devices(GString *out, guint count)
{
    static const struct {
        const char *vendor, *device, *class, *vendor_name, *device_name, *class_name;
    } kinds[] = {{"10de", "1db4", "0302", "NVIDIA Corporation", "Tesla V100", "3D controller"},
                 {"8086", "10ca", "0200", "Intel Corporation", "82576 Virtual Function",
                  "Ethernet controller"}};
    for (guint i = 0; i < count; i++) {
        guint k = i % G_N_ELEMENTS(kinds);
        g_string_append_printf(
            out,
            "PCI=[TYPE=\"%s:%s:%s\",VENDOR=\"%s\",DEVICE=\"%s\",CLASS=\"%s\",VENDOR_NAME=\"%s\","
            "DEVICE_NAME=\"%s\",CLASS_NAME=\"%s\",ADDRESS=\"0000:%02x:00:0\","
            "SHORT_ADDRESS=\"%02x:00.0\",DOMAIN=\"0000\",BUS=\"%02x\",SLOT=\"00\","
            "FUNCTION=\"0\",NUMA_NODE=\"-\",IFNAME=\"-\",SRIOV=\"no\"]\n",
            kinds[k].vendor, kinds[k].device, kinds[k].class, kinds[k].vendor, kinds[k].device,
            kinds[k].class, kinds[k].vendor_name, kinds[k].device_name, kinds[k].class_name, i + 1,
            i + 1, i + 1);
    }
}

static void report(DriverJob *job, const DummyHost *host)
{
    const ImRequest *request = im_request_of(job);
    g_autoptr(GString) machines = g_string_new(NULL);
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    gint64 cpu = 0, memory = 0;
    if (!append_domains(machines, request->host, &cpu, &memory, &error)) {
        driver_job_fail(job, "the machines of %s cannot be read: %s", request->host,
                        error->message);
        return;
    }
    ImHost figures = {
        .hypervisor = "dummy",
        .hostname = request->host,
        .arch = "x86_64",
        .model = "Simulated processor",
        .version = GLOBULE_VERSION,
        .cgroups = 2,
        .cpu_speed = 2000,
        .total_cpu = host->total_cpu,
        .used_cpu = (double)cpu,
        .total_memory = host->total_memory,
        .free_memory = MAX(host->total_memory - memory, 0),
        .net_rx = 0,
        .net_tx = 0,
    };
    im_append_host(text, &figures);
    im_append(text, "KVM_MACHINES", "pc q35");
    im_append(text, "KVM_CPU_MODELS", "qemu64");
    im_append(text, "KVM_CPU_MODEL", "qemu64");
    im_append(text, "KVM_CPU_FEATURES", "cx16,lahf_lm");
    append_nodes(text, MIN(host->total_cpu / 100, 1024), host->total_memory, figures.free_memory);
    append_devices(text, host->pci);
    im_append_space(text, DS_TOTAL_MB, DS_FREE_MB);
    im_append_complete(text);
    g_string_append_len(text, machines->str, (gssize)machines->len);
    im_succeed(job, text->str);
}

static void finish(DriverJob *job)
{
    const ImRequest *request = im_request_of(job);
    DummyOdds odds = dummy_odds("MONITOR", request->host);
    DummyHost host = dummy_host(request->host);
    watch_host(request, host.down);
    if (host.down)
        driver_job_fail(job, "%s does not answer (simulated)", request->host);
    else if (odds.fail > 0 && g_random_double() < odds.fail)
        driver_job_fail(job, "monitoring of %s failed (simulated)", request->host);
    else if (odds.lost > 0 && g_random_double() < odds.lost)
        driver_job_drop(job);
    else
        report(job, &host);
}

static void monitor(DriverJob *job)
{
    dummy_delay(job, "MONITOR", im_request_of(job)->host, monitor, finish);
}

const DriverAction im_dummy_actions[] = {
    {"MONITOR", monitor, 0, DRIVER_AT_ONCE},
    {"STOPMONITOR", stop, 0, DRIVER_AT_ONCE},
    {NULL},
};
