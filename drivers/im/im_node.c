/* What a libvirt host has and how busy it is. */
#include "drivers/common/libvirt_pool.h"
#include "drivers/common/libvirt_stats.h"
#include "drivers/im/im.h"
#include "drivers/im/im_libvirt.h"
#include <libvirt/virterror.h>
#include <string.h>

/* Between the two looks that the first figure of CPU use needs. */
#define FIRST_LOOK_MS 200
#define MIB           (1024 * 1024)

const char *im_flavour_name = "libvirt";

/* ---- CPU and memory ---- */

/* Xen's libvirt driver tells nothing of the cores; but all that run on them are domains, its own
 * system among them. One that ended leaves the sum smaller, which tells nothing once. */
static gint64 busy_time_of_domains(virConnectPtr connection)
{
    virDomainPtr *domains = NULL;
    gint64 sum = 0;
    if (!g_str_equal(im_flavour_name, "xen"))
        return -1;
    int count = virConnectListAllDomains(connection, &domains, VIR_CONNECT_LIST_DOMAINS_ACTIVE);
    for (int i = 0; i < count; i++) {
        virDomainInfo info;
        if (virDomainGetInfo(domains[i], &info) == 0)
            sum += (gint64)info.cpuTime;
        virDomainFree(domains[i]);
    }
    free(domains);
    return count < 0 ? -1 : sum;
}

/* Nanoseconds that all cores were busy, since the host's start; -1: not known. */
static gint64 busy_time(virConnectPtr connection)
{
    virNodeCPUStats stats[16];
    int count = 0;
    gint64 sum = 0;
    if (virNodeGetCPUStats(connection, VIR_NODE_CPU_STATS_ALL_CPUS, NULL, &count, 0) < 0 ||
        count > (int)G_N_ELEMENTS(stats) ||
        virNodeGetCPUStats(connection, VIR_NODE_CPU_STATS_ALL_CPUS, stats, &count, 0) < 0)
        return busy_time_of_domains(connection);
    for (int i = 0; i < count; i++)
        if (g_str_equal(stats[i].field, VIR_NODE_CPU_STATS_KERNEL) ||
            g_str_equal(stats[i].field, VIR_NODE_CPU_STATS_USER))
            sum += (gint64)stats[i].value;
    return sum;
}

static double cpu_use(const char *host, virConnectPtr connection)
{
    g_autofree char *key = g_strconcat("host ", host, NULL);
    double percent = libvirt_usage(key, busy_time(connection));
    if (percent >= 0)
        return percent;
    g_usleep(FIRST_LOOK_MS * 1000);
    return libvirt_usage(key, busy_time(connection));
}

/* KiB that Xen's own system has: no machine can get it. 0 on hosts that are not Xen. */
static gint64 memory_of_dom0(virConnectPtr connection)
{
    virDomainInfo info = {0};
    virDomainPtr domain =
        g_str_equal(im_flavour_name, "xen") ? virDomainLookupByID(connection, 0) : NULL;
    if (domain)
        (void)virDomainGetInfo(domain, &info);
    libvirt_domain_release(domain);
    return (gint64)info.memory;
}

/* KiB in all, and what can be had: free, and what caches would give back. */
static void memory(virConnectPtr connection, gint64 *total, gint64 *available)
{
    virNodeMemoryStats stats[16];
    int count = 0;
    gint64 sum = 0;
    if (virNodeGetMemoryStats(connection, VIR_NODE_MEMORY_STATS_ALL_CELLS, NULL, &count, 0) < 0 ||
        count > (int)G_N_ELEMENTS(stats) ||
        virNodeGetMemoryStats(connection, VIR_NODE_MEMORY_STATS_ALL_CELLS, stats, &count, 0) < 0) {
        *available = (gint64)(virNodeGetFreeMemory(connection) / 1024);
        *total -= MIN(memory_of_dom0(connection), *total);
        return;
    }
    for (int i = 0; i < count; i++)
        if (g_str_equal(stats[i].field, VIR_NODE_MEMORY_STATS_TOTAL))
            *total = (gint64)stats[i].value;
        else
            sum += (gint64)stats[i].value;
    *available = sum;
}

/* ---- space ---- */

static void append_pool_space(GString *out, virStoragePoolPtr pool)
{
    virStoragePoolInfo info;
    if (virStoragePoolGetInfo(pool, &info) == 0)
        im_append_space(out, (gint64)(info.capacity / MIB), (gint64)(info.available / MIB));
}

/*
 * For hosts that only libvirt reaches. It tells the space of a directory only of a storage pool
 * there. When the administrator
 * has none, one is made for the moment of asking and taken away again; the directory itself
 * is not touched.
 */
static void append_space(GString *out, const char *path, virConnectPtr connection)
{
    virStoragePoolPtr pool = virStoragePoolLookupByTargetPath(connection, path);
    gboolean temporary = FALSE;
    if (!pool) {
        g_autofree char *escaped = g_markup_escape_text(path, -1);
        g_autofree char *text = g_strdup_printf(
            "<pool type='dir'><name>globule-space</name><target><path>%s</path></target></pool>",
            escaped);
        pool = virStoragePoolCreateXML(connection, text, 0);
        temporary = TRUE;
    }
    if (!pool)
        return;
    char *name = (char *)virStoragePoolGetName(pool);
    append_pool_space(out, pool);
    /* Also one that a driver before us could not take away any more. */
    if (temporary || g_str_equal(name, "globule-space"))
        (void)virStoragePoolDestroy(pool);
    virStoragePoolFree(pool);
}

/* ---- the whole ---- */

static char *version_of(virConnectPtr connection)
{
    unsigned long version = 0;
    if (virConnectGetVersion(connection, &version) < 0 || version == 0)
        return NULL;
    return im_version_text(version);
}

gboolean im_append_node(GString *out, const char *host, const char *datastores,
                        virConnectPtr connection, GError **error)
{
    virNodeInfo info;
    if (virNodeGetInfo(connection, &info) < 0)
        return libvirt_error(error, "ask %s for its capacity", host);
    g_auto(ImOutside) outside = im_outside(host, datastores);
    g_autofree char *name = virConnectGetHostname(connection);
    g_autofree char *version = version_of(connection);
    ImHost figures = {
        .hypervisor = im_flavour_name,
        .hostname = name,
        .arch = info.model,
        .version = version,
        .cpu_speed = info.mhz,
        .total_cpu = (gint64)info.cpus * 100,
        .used_cpu = cpu_use(host, connection),
        .total_memory = (gint64)info.memory,
        .net_rx = outside.net_rx,
        .net_tx = outside.net_tx,
        .cgroups = outside.cgroups,
    };
    memory(connection, &figures.total_memory, &figures.free_memory);
    figures.free_memory = MIN(figures.free_memory, figures.total_memory);
    im_append_host(out, &figures);
    im_append_capabilities(out, host, connection, info.model);
    if (outside.space->len)
        g_string_append(out, outside.space->str);
    else if (datastores)
        append_space(out, datastores, connection);
    return TRUE;
}
