#include "drivers/common/libvirt_stats.h"

#include "lib/base/xml.h"
#include <libxml/tree.h>
#include <string.h>

#define FORGET_SECONDS 3600

/* ---- figures ---- */

static gint64 get(const virDomainStatsRecord *record, const char *name)
{
    unsigned long long large;
    unsigned int small;
    if (virTypedParamsGetULLong(record->params, record->nparams, name, &large) == 1)
        return (gint64)large;
    if (virTypedParamsGetUInt(record->params, record->nparams, name, &small) == 1)
        return small;
    return -1;
}

/* The sum of "net.0.rx.bytes", "net.1.rx.bytes", ...; -1 when none is told. */
static gint64 sum(const virDomainStatsRecord *record, const char *group, const char *name)
{
    gint64 total = -1;
    for (int i = 0; i < record->nparams; i++) {
        const virTypedParameter *parameter = &record->params[i];
        const char *at = parameter->field + strlen(group);
        if (parameter->type != VIR_TYPED_PARAM_ULLONG ||
            !g_str_has_prefix(parameter->field, group) || !g_ascii_isdigit(*at))
            continue;
        while (g_ascii_isdigit(*at))
            at++;
        if (g_str_equal(at, name))
            total = MAX(total, 0) + (gint64)parameter->value.ul;
    }
    return total;
}

static int get_int(const virDomainStatsRecord *record, const char *name)
{
    int value = 0;
    (void)virTypedParamsGetInt(record->params, record->nparams, name, &value);
    return value;
}

LibvirtStats libvirt_stats_read(const virDomainStatsRecord *record)
{
    gint64 resident = get(record, "balloon.rss");
    return (LibvirtStats){
        .state = get_int(record, "state.state"),
        .reason = get_int(record, "state.reason"),
        .cpu_time = get(record, "cpu.time"),
        .memory = resident > 0 ? resident : get(record, "balloon.current"),
        .maximum = get(record, "balloon.maximum"),
        .vcpu = get(record, "vcpu.current"),
        .net_rx = sum(record, "net.", ".rx.bytes"),
        .net_tx = sum(record, "net.", ".tx.bytes"),
        .disk_rd_bytes = sum(record, "block.", ".rd.bytes"),
        .disk_wr_bytes = sum(record, "block.", ".wr.bytes"),
        .disk_rd_ops = sum(record, "block.", ".rd.reqs"),
        .disk_wr_ops = sum(record, "block.", ".wr.reqs"),
    };
}

static gint64 disk_id(const char *path)
{
    const char *name = path ? strrchr(path, '/') : NULL;
    guint64 id;
    return name && g_str_has_prefix(name, "/disk.") &&
                   g_ascii_string_to_unsigned(name + strlen("/disk."), 10, 0, G_MAXINT32, &id, NULL)
               ? (gint64)id
               : -1;
}

GArray *libvirt_stats_disks(const virDomainStatsRecord *record)
{
    GArray *disks = g_array_new(FALSE, FALSE, sizeof(LibvirtDisk));
    gint64 count = get(record, "block.count");
    for (gint64 i = 0; i < count; i++) {
        g_autofree char *name = g_strdup_printf("block.%" G_GINT64_FORMAT ".path", i);
        g_autofree char *size = g_strdup_printf("block.%" G_GINT64_FORMAT ".physical", i);
        const char *path = NULL;
        (void)virTypedParamsGetString(record->params, record->nparams, name, &path);
        LibvirtDisk disk = {disk_id(path), get(record, size)};
        if (disk.id >= 0 && disk.bytes >= 0)
            g_array_append_val(disks, disk);
    }
    return disks;
}

/* ---- one by one ---- */

/* What libvirt tells of a device by its name: FALSE when it does not. */
typedef gboolean (*AskDevice)(virDomainPtr domain, const char *device, LibvirtStats *stats);

static void add(gint64 *sum, long long value)
{
    if (value >= 0)
        *sum = MAX(*sum, 0) + value;
}

static gboolean ask_interface(virDomainPtr domain, const char *device, LibvirtStats *stats)
{
    virDomainInterfaceStatsStruct figures;
    if (virDomainInterfaceStats(domain, device, &figures, sizeof figures) < 0)
        return FALSE;
    add(&stats->net_rx, figures.rx_bytes);
    add(&stats->net_tx, figures.tx_bytes);
    return TRUE;
}

static gboolean ask_disk(virDomainPtr domain, const char *device, LibvirtStats *stats)
{
    virDomainBlockStatsStruct figures;
    if (virDomainBlockStats(domain, device, &figures, sizeof figures) < 0)
        return FALSE;
    add(&stats->disk_rd_bytes, figures.rd_bytes);
    add(&stats->disk_wr_bytes, figures.wr_bytes);
    add(&stats->disk_rd_ops, figures.rd_req);
    add(&stats->disk_wr_ops, figures.wr_req);
    return TRUE;
}

/* The first device that has no figures ends it: the others of its kind will have none either. */
static void ask_devices(virDomainPtr domain, const xmlNode *device, AskDevice ask,
                        LibvirtStats *stats)
{
    gboolean told = TRUE;
    for (; device && told; device = xml_next_same(device)) {
        xmlNode *target = xml_find(device, "target");
        xmlChar *name = target ? xmlGetProp(target, BAD_CAST "dev") : NULL;
        told = !name || ask(domain, (const char *)name, stats);
        xmlFree(name);
    }
}

gboolean libvirt_stats_ask(virDomainPtr domain, LibvirtStats *stats)
{
    virDomainInfo info;
    *stats = (LibvirtStats){.cpu_time = -1,
                            .memory = -1,
                            .maximum = -1,
                            .vcpu = -1,
                            .net_rx = -1,
                            .net_tx = -1,
                            .disk_rd_bytes = -1,
                            .disk_wr_bytes = -1,
                            .disk_rd_ops = -1,
                            .disk_wr_ops = -1};
    if (virDomainGetState(domain, &stats->state, &stats->reason, 0) < 0)
        return FALSE;
    if (virDomainGetInfo(domain, &info) == 0) {
        stats->cpu_time = (gint64)info.cpuTime;
        stats->memory = (gint64)info.memory;
        stats->maximum = (gint64)info.maxMem;
        stats->vcpu = info.nrVirtCpu;
    }
    if (stats->state != VIR_DOMAIN_RUNNING && stats->state != VIR_DOMAIN_BLOCKED)
        return TRUE;
    char *text = virDomainGetXMLDesc(domain, 0);
    g_autoptr(xmlDoc) document = text ? xml_read(text, strlen(text), XML_DEPTH_MAX, NULL) : NULL;
    const xmlNode *root = document ? xml_root(document) : NULL;
    if (root) {
        ask_devices(domain, xml_find(root, "devices/interface"), ask_interface, stats);
        ask_devices(domain, xml_find(root, "devices/disk"), ask_disk, stats);
    }
    free(text);
    return TRUE;
}

/* ---- states ---- */

gboolean libvirt_is_passing(virDomainPtr domain, int state)
{
    return state == VIR_DOMAIN_SHUTOFF && virDomainIsPersistent(domain) == 0;
}

static const char *paused_name(int reason)
{
    switch (reason) {
    case VIR_DOMAIN_PAUSED_MIGRATION:
    case VIR_DOMAIN_PAUSED_SAVE:
    case VIR_DOMAIN_PAUSED_DUMP:
    case VIR_DOMAIN_PAUSED_FROM_SNAPSHOT:
    case VIR_DOMAIN_PAUSED_SNAPSHOT:
    case VIR_DOMAIN_PAUSED_STARTING_UP:
    case VIR_DOMAIN_PAUSED_SHUTTING_DOWN:
    case VIR_DOMAIN_PAUSED_POSTCOPY:
        return "RUNNING";
    default:
        return "PAUSED";
    }
}

const char *libvirt_state_name(int state, int reason)
{
    switch (state) {
    case VIR_DOMAIN_RUNNING:
        /* It stands still as soon as it needs memory that is at the other host. */
        return reason == VIR_DOMAIN_RUNNING_POSTCOPY_FAILED ? "PAUSED" : "RUNNING";
    case VIR_DOMAIN_BLOCKED:
    case VIR_DOMAIN_SHUTDOWN:
        return "RUNNING";
    case VIR_DOMAIN_PAUSED:
        return paused_name(reason);
    case VIR_DOMAIN_PMSUSPENDED:
        return "SUSPENDED";
    case VIR_DOMAIN_SHUTOFF:
        return reason == VIR_DOMAIN_SHUTOFF_CRASHED ? "FAILURE" : "POWEROFF";
    case VIR_DOMAIN_CRASHED:
        return "FAILURE";
    default:
        return "UNKNOWN";
    }
}

/* ---- CPU use ---- */

typedef struct Sample {
    gint64 cpu_time; /* ns */
    gint64 at;       /* monotonic microseconds */
} Sample;

static GMutex lock;
static GHashTable *samples;
static gint64 swept;

static gboolean is_old(gpointer key, gpointer value, gpointer now)
{
    return *(gint64 *)now - ((Sample *)value)->at > FORGET_SECONDS * G_TIME_SPAN_SECOND;
}

/* Under the lock. */
static void sweep(gint64 now)
{
    if (!samples)
        samples = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    if (now - swept < FORGET_SECONDS * G_TIME_SPAN_SECOND)
        return;
    swept = now;
    g_hash_table_foreach_remove(samples, is_old, &now);
}

double libvirt_usage(const char *key, gint64 cpu_time)
{
    gint64 now = g_get_monotonic_time();
    double percent = -1;
    if (cpu_time < 0)
        return -1;
    g_mutex_lock(&lock);
    sweep(now);
    Sample *sample = g_hash_table_lookup(samples, key);
    if (!sample) {
        sample = g_new0(Sample, 1);
        g_hash_table_insert(samples, g_strdup(key), sample);
    } else if (now > sample->at && cpu_time >= sample->cpu_time) {
        percent = (double)(cpu_time - sample->cpu_time) / 10.0 / (double)(now - sample->at);
    }
    *sample = (Sample){cpu_time, now};
    g_mutex_unlock(&lock);
    return percent;
}

void libvirt_usage_forget(const char *key)
{
    g_mutex_lock(&lock);
    if (samples)
        g_hash_table_remove(samples, key);
    g_mutex_unlock(&lock);
}
