/* What a libvirt host has and how busy it is. */
#include "drivers/common/libvirt_pool.h"
#include "drivers/common/libvirt_stats.h"
#include "drivers/im/im.h"
#include "drivers/im/im_libvirt.h"
#include "lib/base/xml.h"
#include <libvirt/virterror.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* Between the two looks that the first figure of CPU use needs. */
#define FIRST_LOOK_MS 200
#define MIB           (1024 * 1024)

const char *im_flavour_name = "libvirt";

/* ---- CPU and memory ---- */

/* Nanoseconds that all cores were busy, since the host's start; -1: not known. */
static gint64 busy_time(virConnectPtr connection)
{
    virNodeCPUStats stats[16];
    int count = 0;
    gint64 sum = 0;
    if (virNodeGetCPUStats(connection, VIR_NODE_CPU_STATS_ALL_CPUS, NULL, &count, 0) < 0 ||
        count > (int)G_N_ELEMENTS(stats) ||
        virNodeGetCPUStats(connection, VIR_NODE_CPU_STATS_ALL_CPUS, stats, &count, 0) < 0)
        return -1;
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
        return;
    }
    for (int i = 0; i < count; i++)
        if (g_str_equal(stats[i].field, VIR_NODE_MEMORY_STATS_TOTAL))
            *total = (gint64)stats[i].value;
        else
            sum += (gint64)stats[i].value;
    *available = sum;
}

/* ---- network ---- */

/* A line of /proc/net/dev: "eth0: 8 figures of receiving, 8 of sending", bytes first. */
static void add_interface(const char *line, gint64 *rx, gint64 *tx)
{
    const char *colon = strchr(line, ':');
    if (!colon)
        return;
    g_autofree char *name = g_strndup(line, (gsize)(colon - line));
    (void)g_strstrip(name);
    if (g_str_equal(name, "lo") || g_str_has_prefix(name, "vnet") || g_str_has_prefix(name, "one-"))
        return;
    char *at = (char *)colon + 1;
    for (int column = 0; column <= 8; column++) {
        gint64 value = (gint64)g_ascii_strtoull(at, &at, 10);
        *rx += column == 0 ? value : 0;
        *tx += column == 8 ? value : 0;
    }
}

/* Bytes of all interfaces but loopback and those of machines; FALSE: not known. libvirt does
 * not tell this of other hosts. */
static gboolean local_traffic(gint64 *rx, gint64 *tx)
{
    g_autofree char *text = NULL;
    if (!g_file_get_contents("/proc/net/dev", &text, NULL, NULL))
        return FALSE;
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    *rx = *tx = 0;
    for (char **line = lines; *line; line++)
        add_interface(*line, rx, tx);
    return TRUE;
}

/* ---- the whole ---- */

static gint64 local_cgroups(void)
{
    if (access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0)
        return 2;
    return access("/sys/fs/cgroup/cpu", F_OK) == 0 ? 1 : 0;
}

/* "7.2.22" of 7002022. (owned) */
static char *version_text(virConnectPtr connection)
{
    unsigned long version = 0;
    if (virConnectGetVersion(connection, &version) < 0 || version == 0)
        return NULL;
    return g_strdup_printf("%lu.%lu.%lu", version / 1000000, version / 1000 % 1000, version % 1000);
}

/* The name of the processor: libvirt's model, which is also what moves between hosts need. */
static char *cpu_model(virConnectPtr connection)
{
    g_autofree char *text = virConnectGetCapabilities(connection);
    g_autoptr(xmlDoc) document = text ? xml_read(text, strlen(text), XML_DEPTH_MAX, NULL) : NULL;
    return document ? xml_get(xml_root(document), "host/cpu/model") : NULL;
}

gboolean im_append_node(GString *out, const char *host, virConnectPtr connection, GError **error)
{
    virNodeInfo info;
    if (virNodeGetInfo(connection, &info) < 0)
        return libvirt_error(error, "ask %s for its capacity", host);
    gboolean local = libvirt_host_is_local(host);
    g_autofree char *name = virConnectGetHostname(connection);
    g_autofree char *version = version_text(connection);
    g_autofree char *model = cpu_model(connection);
    ImHost figures = {
        .hypervisor = im_flavour_name,
        .hostname = name,
        .arch = info.model,
        .model = model,
        .version = version,
        .cpu_speed = info.mhz,
        .total_cpu = (gint64)info.cpus * 100,
        .used_cpu = cpu_use(host, connection),
        .total_memory = (gint64)info.memory,
        .net_rx = -1,
        .net_tx = -1,
        .cgroups = local ? local_cgroups() : 0,
    };
    memory(connection, &figures.total_memory, &figures.free_memory);
    figures.free_memory = MIN(figures.free_memory, figures.total_memory);
    if (local)
        (void)local_traffic(&figures.net_rx, &figures.net_tx);
    im_append_host(out, &figures);
    return TRUE;
}

/* ---- space ---- */

static void append_pool_space(GString *out, virStoragePoolPtr pool)
{
    virStoragePoolInfo info;
    if (virStoragePoolGetInfo(pool, &info) == 0)
        im_append_space(out, (gint64)(info.capacity / MIB), (gint64)(info.available / MIB));
}

/*
 * libvirt tells the space of a directory only of a storage pool there. When the administrator
 * has none, one is made for the moment of asking and taken away again; the directory itself
 * is not touched.
 */
static void append_remote_space(GString *out, const char *path, virConnectPtr connection)
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

void im_append_space_of(GString *out, const char *host, const char *path, virConnectPtr connection)
{
    struct statvfs facts;
    if (!libvirt_host_is_local(host))
        append_remote_space(out, path, connection);
    else if (statvfs(path, &facts) == 0)
        im_append_space(out, (gint64)(facts.f_blocks * facts.f_frsize / MIB),
                        (gint64)(facts.f_bavail * facts.f_frsize / MIB));
}
