#include "drivers/common/libvirt_stats.h"

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

/* ---- states ---- */

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
