/* Processors and memory of a machine, and where on the host they are. */
#include "drivers/vmm/domain/domain_build.h"

#include "lib/base/error.h"
#include "lib/base/xml.h"
#include <math.h>
#include <string.h>

#define wrong(error, ...) (g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API, __VA_ARGS__), FALSE)

/* ---- share of processors ---- */

/* Control groups weigh a core as 1024 (version 1, 2..262144) or 100 (version 2, 1..10000).
 * When the version is not known, 1024 within 2..10000 is valid for both. */
static gint64 cpu_shares(const DomainBuild *build, double cpu)
{
    const char *version = domain_standard(build->request, NULL, "CGROUPS_VERSION");
    gboolean second = g_strcmp0(version, "2") == 0;
    double base = second ? 100 : 1024;
    double maximum = g_strcmp0(version, "1") == 0 ? 262144 : 10000;
    return (gint64)CLAMP(ceil(base * cpu), second ? 1 : 2, maximum);
}

/* Each virtual processor runs on one of the host (policies CORE, THREAD), or on any of its node's
 * (SHARED, or NODE_AFFINITY without a policy). FALSE when it names too few. */
static gboolean write_pins(DomainBuild *build, GError **error)
{
    g_autofree char *policy = domain_value(build, "TOPOLOGY", "PIN_POLICY");
    g_autoptr(GString) all = g_string_new(NULL);
    gboolean shared =
        !policy || !g_ascii_strcasecmp(policy, "SHARED") || !g_ascii_strcasecmp(policy, "NONE");
    gint64 vcpu = 0;
    const xmlNode *node = xml_find(build->template, "NUMA_NODE");
    for (int place = 0; node; node = xml_next_same(node), place++) {
        g_autofree char *cpus = domain_text(node, "CPUS");
        gint64 count = xml_get_int(node, "TOTAL_CPUS", 0);
        g_auto(GStrv) list = g_strsplit(cpus ? cpus : "", ",", -1);
        if (!cpus || count == 0)
            continue;
        if (!shared && (gint64)g_strv_length(list) < count)
            return wrong(error,
                         "NUMA_NODE %d names %u CPUS for %" G_GINT64_FORMAT
                         " virtual ones, which TOPOLOGY/PIN_POLICY=\"%s\" wants apart",
                         place, g_strv_length(list), count, policy);
        for (gint64 i = 0; i < count; i++) {
            domain_open(&build->writer, "vcpupin");
            domain_attribute_int(&build->writer, "vcpu", vcpu++);
            domain_attribute(&build->writer, "cpuset", shared ? cpus : list[i]);
            domain_close(&build->writer);
        }
        g_string_append_printf(all, "%s%s", all->len ? "," : "", cpus);
    }
    const char *emulator = domain_standard(build->request, NULL, "EMULATOR_CPUS");
    domain_empty(&build->writer, "emulatorpin", "cpuset",
                 emulator   ? emulator
                 : all->len ? all->str
                            : NULL);
    return TRUE;
}

static gboolean write_tuning(DomainBuild *build, GError **error)
{
    g_autofree char *cpu = domain_text(build->template, "CPU");
    gboolean shares = domain_has(build, DOMAIN_SHARES) && !build->request->without_shares;
    gboolean pins =
        domain_has(build, DOMAIN_QEMU) && (xml_find(build->template, "NUMA_NODE/CPUS") ||
                                           domain_standard(build->request, NULL, "EMULATOR_CPUS"));
    if (!shares && !pins)
        return TRUE;
    domain_open(&build->writer, "cputune");
    if (shares)
        domain_leaf_int(&build->writer, "shares",
                        cpu_shares(build, cpu ? g_ascii_strtod(cpu, NULL) : 1));
    gboolean good = !pins || write_pins(build, error);
    domain_close(&build->writer);
    return good;
}

/* ---- memory ---- */

typedef struct Memory {
    gint64 now, most; /* MiB; equal when it does not change */
    gboolean plugged; /* by modules, else by a balloon */
} Memory;

static Memory read_memory(const DomainBuild *build)
{
    g_autofree char *mode = domain_text(build->template, "MEMORY_RESIZE_MODE");
    Memory memory = {.now = xml_get_int(build->template, "MEMORY", 0)};
    memory.most = MAX(memory.now, xml_get_int(build->template, "MEMORY_MAX", 0));
    memory.plugged = memory.most > memory.now && domain_has(build, DOMAIN_QEMU) && mode &&
                     !g_ascii_strcasecmp(mode, "HOTPLUG");
    return memory;
}

static void write_memory(DomainBuild *build)
{
    Memory memory = read_memory(build);
    if (memory.plugged) {
        domain_open(&build->writer, "maxMemory");
        domain_attribute_int(&build->writer, "slots",
                             domain_number(build, NULL, "MEMORY_SLOTS", 16));
        domain_attribute(&build->writer, "unit", "KiB");
        domain_put_int(&build->writer, memory.most * 1024);
        domain_close(&build->writer);
    }
    domain_leaf_int(&build->writer, "memory",
                    (memory.plugged ? memory.now : memory.most) * 1024); /* KiB */
    if (memory.most > memory.now && !memory.plugged)
        domain_leaf_int(&build->writer, "currentMemory", memory.now * 1024);
}

gboolean domain_write_size(DomainBuild *build, GError **error)
{
    g_autofree char *memory = domain_text(build->template, "MEMORY");
    gint64 count = domain_number(build, NULL, "VCPU", 1);
    gint64 most = domain_number(build, NULL, "VCPU_MAX", count);
    if (!memory || g_ascii_strtoll(memory, NULL, 10) <= 0)
        return wrong(error,
                     "MEMORY=\"%s\" of machine %" G_GINT64_FORMAT " is not a positive number",
                     memory ? memory : "", build->request->vid);
    if (most < count)
        return wrong(error,
                     "VCPU_MAX=\"%" G_GINT64_FORMAT "\" is less than VCPU=\"%" G_GINT64_FORMAT "\"",
                     most, count);
    build->vcpus = most;
    domain_open(&build->writer, "vcpu");
    if (most > count)
        domain_attribute_int(&build->writer, "current", count);
    domain_put_int(&build->writer, most);
    domain_close(&build->writer);
    if (!write_tuning(build, error))
        return FALSE;
    write_memory(build);
    return TRUE;
}

/* ---- the processor as the guest sees it ---- */

/* Numbers that are missing are found from the others; their product is the number of processors. */
static gboolean write_topology(DomainBuild *build, GError **error)
{
    gint64 threads = domain_number(build, "TOPOLOGY", "THREADS", 1);
    gint64 cores = domain_number(build, "TOPOLOGY", "CORES", 0);
    gint64 sockets = domain_number(build, "TOPOLOGY", "SOCKETS", 0);
    if (!xml_find(build->template, "TOPOLOGY/SOCKETS") &&
        !xml_find(build->template, "TOPOLOGY/CORES") &&
        !xml_find(build->template, "TOPOLOGY/THREADS"))
        return TRUE;
    if (!sockets)
        sockets = cores ? MAX(1, build->vcpus / (cores * threads)) : 1;
    if (!cores)
        cores = MAX(1, build->vcpus / (sockets * threads));
    if (sockets * cores * threads != build->vcpus)
        return wrong(error,
                     "TOPOLOGY: SOCKETS=%" G_GINT64_FORMAT " x CORES=%" G_GINT64_FORMAT
                     " x THREADS=%" G_GINT64_FORMAT " does not make the %" G_GINT64_FORMAT
                     " processors of the machine (VCPU, or VCPU_MAX)",
                     sockets, cores, threads, build->vcpus);
    domain_open(&build->writer, "topology");
    domain_attribute_int(&build->writer, "sockets", sockets);
    domain_attribute_int(&build->writer, "cores", cores);
    domain_attribute_int(&build->writer, "threads", threads);
    domain_close(&build->writer);
    return TRUE;
}

static void write_cell(DomainBuild *build, gint64 id, gint64 first, gint64 count, gint64 memory)
{
    g_autofree char *access = domain_value(build, "TOPOLOGY", "MEMORY_ACCESS");
    g_autofree char *cpus =
        g_strdup_printf("%" G_GINT64_FORMAT "-%" G_GINT64_FORMAT, first, first + count - 1);
    g_autofree char *mode = access ? g_ascii_strdown(access, -1) : NULL;
    domain_open(&build->writer, "cell");
    domain_attribute_int(&build->writer, "id", id);
    domain_attribute(&build->writer, "cpus", count > 0 ? cpus : NULL);
    domain_attribute_int(&build->writer, "memory", memory);
    domain_attribute(&build->writer, "unit", "KiB");
    domain_attribute(&build->writer, "memAccess", mode);
    domain_close(&build->writer);
}

/* The guest's nodes are those that the machine was given on the host. Memory that can be plugged
 * belongs to a node, so such a machine has at least one. */
static gboolean write_cells(DomainBuild *build, GError **error)
{
    Memory memory = read_memory(build);
    const xmlNode *node = xml_find(build->template, "NUMA_NODE");
    gint64 cpus = 0, kilobytes = 0, id = 0;
    if (!node && !memory.plugged)
        return TRUE;
    domain_open(&build->writer, "numa");
    if (!node)
        write_cell(build, 0, 0, build->vcpus, memory.now * 1024);
    for (const xmlNode *at = node; at; at = xml_next_same(at)) {
        gint64 count = xml_get_int(at, "TOTAL_CPUS", 0);
        write_cell(build, id++, cpus, count, xml_get_int(at, "MEMORY", 0));
        cpus += count;
        kilobytes += xml_get_int(at, "MEMORY", 0);
    }
    domain_close(&build->writer);
    if (node && (cpus > build->vcpus || kilobytes != memory.now * 1024))
        return wrong(error,
                     "the NUMA_NODEs have %" G_GINT64_FORMAT " processors and %" G_GINT64_FORMAT
                     " KiB, the machine has %" G_GINT64_FORMAT " and %" G_GINT64_FORMAT,
                     cpus, kilobytes, build->vcpus, memory.now * 1024);
    return TRUE;
}

static void write_model(DomainBuild *build, const char *model)
{
    gboolean of_host = g_str_has_prefix(model, "host-") || g_str_equal(model, "maximum");
    domain_attribute(&build->writer, "mode", of_host ? model : "custom");
    if (of_host)
        return;
    domain_attribute(&build->writer, "match", "exact");
    domain_open(&build->writer, "model");
    /* A host without this model refuses the machine, rather than give it another. */
    domain_attribute(&build->writer, "fallback", "forbid");
    domain_put(&build->writer, model);
    domain_close(&build->writer);
}

static void write_cpu_features(DomainBuild *build)
{
    g_autofree char *features = domain_value(build, "CPU_MODEL", "FEATURES");
    g_auto(GStrv) list = g_strsplit_set(features ? features : "", ", ", -1);
    for (char **item = list; *item; item++) {
        if (!**item)
            continue;
        domain_open(&build->writer, "feature");
        domain_attribute(&build->writer, "policy", "require");
        domain_attribute(&build->writer, "name", *item);
        domain_close(&build->writer);
    }
}

/* The memory of each of the guest's nodes comes from one of the host's. */
static void write_numatune(DomainBuild *build)
{
    g_autoptr(GString) all = g_string_new(NULL);
    const xmlNode *first = xml_find(build->template, "NUMA_NODE");
    for (const xmlNode *node = first; node; node = xml_next_same(node)) {
        g_autofree char *place = domain_text(node, "MEMORY_NODE_ID");
        if (place)
            g_string_append_printf(all, "%s%s", all->len ? "," : "", place);
    }
    if (!all->len)
        return;
    domain_open(&build->writer, "numatune");
    domain_open(&build->writer, "memory");
    domain_attribute(&build->writer, "mode", "strict");
    domain_attribute(&build->writer, "nodeset", all->str);
    domain_close(&build->writer);
    gint64 id = 0;
    for (const xmlNode *node = first; node; node = xml_next_same(node), id++) {
        g_autofree char *place = domain_text(node, "MEMORY_NODE_ID");
        if (!place)
            continue;
        domain_open(&build->writer, "memnode");
        domain_attribute_int(&build->writer, "cellid", id);
        domain_attribute(&build->writer, "mode", "strict");
        domain_attribute(&build->writer, "nodeset", place);
        domain_close(&build->writer);
    }
    domain_close(&build->writer);
}

gboolean domain_write_cpu(DomainBuild *build, GError **error)
{
    g_autofree char *model = domain_value(build, "CPU_MODEL", "MODEL");
    gboolean shaped = xml_find(build->template, "TOPOLOGY") ||
                      xml_find(build->template, "NUMA_NODE") || read_memory(build).plugged;
    if (!domain_has(build, DOMAIN_QEMU))
        return TRUE;
    if (model || shaped) {
        domain_open(&build->writer, "cpu");
        if (model) {
            write_model(build, model);
        }
        gboolean good = write_topology(build, error);
        if (model)
            write_cpu_features(build);
        good = good && write_cells(build, error);
        domain_close(&build->writer);
        if (!good)
            return FALSE;
    }
    write_numatune(build);
    build->iothreads = domain_number(build, "FEATURES", "IOTHREADS", 0);
    if (build->iothreads > 0)
        domain_leaf_int(&build->writer, "iothreads", build->iothreads);
    return TRUE;
}

/* ---- what the memory is made of ---- */

/* A directory that is shared with the host is read and written through the guest's memory, by
 * another process. */
void domain_write_memory_backing(DomainBuild *build)
{
    gint64 page = domain_number(build, "TOPOLOGY", "HUGEPAGE_SIZE", 0); /* MiB */
    gboolean shared = domain_uses_shared_directory(build);
    if (!domain_has(build, DOMAIN_QEMU) || (!page && !shared))
        return;
    domain_open(&build->writer, "memoryBacking");
    if (page) {
        domain_open(&build->writer, "hugepages");
        domain_open(&build->writer, "page");
        domain_attribute_int(&build->writer, "size", page * 1024);
        domain_attribute(&build->writer, "unit", "KiB");
        domain_close(&build->writer);
        domain_close(&build->writer);
    } else {
        domain_empty(&build->writer, "source", "type", "memfd");
    }
    if (shared)
        domain_empty(&build->writer, "access", "mode", "shared");
    domain_close(&build->writer);
}

/* Bits of AMD's policy: the host may not debug it, its key is for no other machine, and the
 * registers are encrypted too. */
#define SEV_NO_DEBUG   0x01
#define SEV_NO_SHARING 0x02
#define SEV_REGISTERS  0x04

gboolean domain_write_encryption(DomainBuild *build, GError **error)
{
    g_autofree char *type = domain_text(build->template, "MEMORY_ENCRYPTION/TYPE");
    if (!type)
        return TRUE;
    if (!domain_has(build, DOMAIN_QEMU))
        return wrong(error, "MEMORY_ENCRYPTION/TYPE=\"%s\" is for KVM only", type);
    guint policy = SEV_NO_DEBUG | SEV_NO_SHARING |
                   (g_ascii_strcasecmp(type, "SEV-ES") == 0 ? SEV_REGISTERS : 0);
    g_autofree char *text = g_strdup_printf("0x%04x", policy);
    /* Its memory is locked, and the emulator needs some beside it. */
    gint64 room = read_memory(build).most + domain_number(build, NULL, "MEMORY_TUNE_OFFSET", 256);
    domain_open(&build->writer, "memtune");
    domain_open(&build->writer, "hard_limit");
    domain_attribute(&build->writer, "unit", "MiB");
    domain_put_int(&build->writer, room);
    domain_close(&build->writer);
    domain_close(&build->writer);
    domain_open(&build->writer, "launchSecurity");
    domain_attribute(&build->writer, "type", "sev");
    domain_leaf(&build->writer, "policy", text);
    domain_close(&build->writer);
    return TRUE;
}
