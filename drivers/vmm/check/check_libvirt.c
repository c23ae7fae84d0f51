/* Facts that the two libvirts know. */
#include "drivers/vmm/check/check_facts.h"

#include "lib/base/xml.h"
#include <libvirt/virterror.h>
#include <string.h>

/* For how long the guest's writing is measured, and how long its result is waited for. */
#define DIRTY_SECONDS 1
#define DIRTY_WAIT_MS 4000

static char *last_error(void)
{
    const char *text = virGetLastErrorMessage();
    return g_strchomp(g_strdup(text ? text : "no reason given"));
}

/* ---- the machine at both ends ---- */

static void ask_uuid(CheckFacts *facts, virConnectPtr destination, virDomainPtr domain)
{
    unsigned char uuid[VIR_UUID_BUFLEN];
    if (virDomainGetUUID(domain, uuid) < 0)
        return;
    g_auto(virDomainPtr) other = virDomainLookupByUUID(destination, uuid);
    if (other && virDomainIsActive(other) == 1)
        facts->uuid_taken = g_strdup(virDomainGetName(other));
}

/* libvirt begins no migration while it has something else to do with the machine. */
static void ask_busy(CheckFacts *facts, virDomainPtr domain)
{
    virTypedParameterPtr parameters = NULL;
    int type = VIR_DOMAIN_JOB_NONE, count = 0, operation = VIR_DOMAIN_JOB_OPERATION_UNKNOWN;
    static const char *const names[] = {
        [VIR_DOMAIN_JOB_OPERATION_MIGRATION_IN] = "it arrives here by a migration",
        [VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT] = "a migration is under way",
        [VIR_DOMAIN_JOB_OPERATION_SAVE] = "its memory is being saved",
        [VIR_DOMAIN_JOB_OPERATION_DUMP] = "its memory is being dumped",
        [VIR_DOMAIN_JOB_OPERATION_SNAPSHOT] = "a snapshot is being made",
        [VIR_DOMAIN_JOB_OPERATION_SNAPSHOT_REVERT] = "it goes back to a snapshot",
        [VIR_DOMAIN_JOB_OPERATION_BACKUP] = "a backup is being made",
    };
    if (virDomainGetJobStats(domain, &type, &parameters, &count, 0) == 0 &&
        type != VIR_DOMAIN_JOB_NONE) {
        (void)virTypedParamsGetInt(parameters, count, VIR_DOMAIN_JOB_OPERATION, &operation);
        gboolean named = operation >= 0 && operation < (int)G_N_ELEMENTS(names) && names[operation];
        facts->busy = g_strdup(named ? names[operation] : "libvirt works on it");
    }
    virTypedParamsFree(parameters, count);
    facts->snapshots = MAX(virDomainSnapshotNum(domain, 0), 0);
}

static void ask_resident(CheckFacts *facts, virDomainPtr domain)
{
    virDomainMemoryStatStruct stats[VIR_DOMAIN_MEMORY_STAT_NR];
    int count = virDomainMemoryStats(domain, stats, VIR_DOMAIN_MEMORY_STAT_NR, 0);
    for (int i = 0; i < count; i++)
        if (stats[i].tag == VIR_DOMAIN_MEMORY_STAT_RSS)
            facts->resident = MIN((gint64)stats[i].val * 1024, facts->memory);
}

static void ask_sizes(CheckFacts *facts, virDomainPtr domain)
{
    for (guint i = 0; i < facts->files->len; i++) {
        CheckFile *file = facts->files->pdata[i];
        virDomainBlockInfo info;
        if (file->role != CHECK_DISK || virDomainGetBlockInfo(domain, file->path, &info, 0) < 0)
            continue;
        file->capacity = (gint64)info.capacity;
        file->allocated = (gint64)info.allocation;
    }
}

/* ---- processor and board ---- */

/* Model and features of a host's processor. The set has the names as keys. */
static char *host_cpu(virConnectPtr connection, GHashTable *features)
{
    g_autofree char *text = virConnectGetCapabilities(connection);
    g_autoptr(xmlDoc) document = text ? xml_read(text, strlen(text), XML_DEPTH_MAX, NULL) : NULL;
    const xmlNode *cpu = document ? xml_find(xml_root(document), "host/cpu") : NULL;
    const xmlNode *feature = cpu ? xml_find(cpu, "feature") : NULL;
    for (; feature; feature = xml_next_same(feature)) {
        xmlChar *name = xmlGetProp(feature, BAD_CAST "name");
        if (name)
            g_hash_table_add(features, g_strdup((const char *)name));
        xmlFree(name);
    }
    return cpu ? xml_get(cpu, "model") : NULL;
}

static gint compare_names(gconstpointer one, gconstpointer other)
{
    return strcmp(*(const char *const *)one, *(const char *const *)other);
}

static void compare_hosts(CheckFacts *facts, virConnectPtr connections[CHECK_HOSTS])
{
    g_autoptr(GHashTable) here = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GHashTable) there = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GPtrArray) missing = g_ptr_array_new();
    facts->cpu.models[CHECK_SOURCE] = host_cpu(connections[CHECK_SOURCE], here);
    facts->cpu.models[CHECK_DESTINATION] = host_cpu(connections[CHECK_DESTINATION], there);
    GHashTableIter iter;
    gpointer name;
    g_hash_table_iter_init(&iter, here);
    while (g_hash_table_iter_next(&iter, &name, NULL))
        if (!g_hash_table_contains(there, name))
            g_ptr_array_add(missing, name);
    g_ptr_array_sort(missing, compare_names);
    if (!missing->len)
        return;
    g_ptr_array_add(missing, NULL);
    facts->cpu.missing = g_strjoinv(" ", (char **)missing->pdata);
}

/* What the guest sees of its processor must be had from the destination's hypervisor. */
static void ask_cpu(CheckFacts *facts, virConnectPtr destination)
{
    CheckCpu *cpu = &facts->cpu;
    virNodeInfo info;
    if (virNodeGetInfo(destination, &info) == 0)
        cpu->destination_cpus = (gint64)VIR_NODEINFO_MAXCPUS(info);
    if (!cpu->xml || g_strcmp0(cpu->mode, "custom") != 0)
        return;
    int result = virConnectCompareHypervisorCPU(destination, facts->emulator, facts->arch,
                                                facts->machine, facts->type, cpu->xml,
                                                VIR_CONNECT_COMPARE_CPU_FAIL_INCOMPATIBLE);
    const virError *fault = virGetLastError();
    if (result > VIR_CPU_COMPARE_INCOMPATIBLE)
        cpu->fits = CHECK_YES;
    else if (result == VIR_CPU_COMPARE_INCOMPATIBLE ||
             (fault && fault->code == VIR_ERR_CPU_INCOMPATIBLE))
        cpu->fits = CHECK_NO;
    if (cpu->fits != CHECK_YES)
        cpu->reason = last_error();
}

static void ask_machine(CheckFacts *facts, virConnectPtr destination)
{
    g_autofree char *text = virConnectGetDomainCapabilities(
        destination, facts->emulator, facts->arch, facts->machine, facts->type, 0);
    const virError *fault = virGetLastError();
    if (text) {
        facts->machine_fits = CHECK_YES;
        return;
    }
    facts->machine_fits = fault && fault->code == VIR_ERR_NO_SUPPORT ? CHECK_UNKNOWN : CHECK_NO;
    facts->machine_reason = last_error();
}

static void ask_versions(CheckFacts *facts, virConnectPtr connections[CHECK_HOSTS])
{
    for (guint i = 0; i < CHECK_HOSTS; i++) {
        unsigned long hypervisor, library;
        if (virConnectGetVersion(connections[i], &hypervisor) == 0)
            facts->versions[i] = (gint64)hypervisor;
        if (virConnectGetLibVersion(connections[i], &library) == 0)
            facts->library_versions[i] = (gint64)library;
    }
}

/* ---- memory and networks of the destination ---- */

static void ask_memory(CheckFacts *facts, virConnectPtr destination)
{
    static const char *const counted[] = {VIR_NODE_MEMORY_STATS_FREE, VIR_NODE_MEMORY_STATS_BUFFERS,
                                          VIR_NODE_MEMORY_STATS_CACHED, NULL};
    virNodeMemoryStats stats[16];
    int count = 0;
    if (virNodeGetMemoryStats(destination, VIR_NODE_MEMORY_STATS_ALL_CELLS, NULL, &count, 0) < 0 ||
        count <= 0 || count > (int)G_N_ELEMENTS(stats) ||
        virNodeGetMemoryStats(destination, VIR_NODE_MEMORY_STATS_ALL_CELLS, stats, &count, 0) < 0) {
        unsigned long long bytes = virNodeGetFreeMemory(destination);
        facts->available = bytes ? (gint64)bytes : -1;
        return;
    }
    facts->available = 0;
    for (int i = 0; i < count; i++)
        if (g_strv_contains(counted, stats[i].field))
            facts->available += (gint64)stats[i].value * 1024;
}

static void ask_network(CheckNet *net, virConnectPtr destination)
{
    virNetworkPtr network = virNetworkLookupByName(destination, net->name);
    net->there = network && virNetworkIsActive(network) == 1 ? CHECK_YES : CHECK_NO;
    if (network)
        virNetworkFree(network);
}

/* Cards and bridges are seen better over ssh; this is for hosts that are not reached by it. */
static void ask_interface(CheckNet *net, virConnectPtr destination)
{
    virInterfacePtr interface = virInterfaceLookupByName(destination, net->name);
    const virError *fault = virGetLastError();
    if (interface)
        net->there = CHECK_YES;
    else if (fault && fault->code == VIR_ERR_NO_INTERFACE)
        net->there = CHECK_NO;
    else
        net->problem = last_error();
    if (interface)
        virInterfaceFree(interface);
}

static void ask_nets(CheckFacts *facts, virConnectPtr destination)
{
    for (guint i = 0; i < facts->nets->len; i++) {
        CheckNet *net = facts->nets->pdata[i];
        if (net->of_libvirt)
            ask_network(net, destination);
        else
            ask_interface(net, destination);
    }
}

/* ---- how fast the guest writes ---- */

/* TRUE: the measurement has come to its end. */
static gboolean read_dirty_rate(CheckFacts *facts, virDomainPtr domain)
{
    virDomainPtr domains[] = {domain, NULL};
    virDomainStatsRecordPtr *records = NULL;
    int status = VIR_DOMAIN_DIRTYRATE_UNSTARTED;
    long long rate = -1;
    if (virDomainListGetStats(domains, VIR_DOMAIN_STATS_DIRTYRATE, &records, 0) != 1) {
        facts->dirty_reason = last_error();
        return TRUE;
    }
    (void)virTypedParamsGetInt(records[0]->params, records[0]->nparams, "dirtyrate.calc_status",
                               &status);
    (void)virTypedParamsGetLLong(records[0]->params, records[0]->nparams,
                                 "dirtyrate.megabytes_per_second", &rate);
    virDomainStatsRecordListFree(records);
    if (status != VIR_DOMAIN_DIRTYRATE_MEASURED)
        return FALSE;
    facts->dirty_rate = rate >= 0 ? (gint64)rate * 1024 * 1024 : -1;
    return TRUE;
}

static void ask_dirty_rate(CheckFacts *facts, virDomainPtr domain)
{
    if (virDomainStartDirtyRateCalc(domain, DIRTY_SECONDS, 0) < 0) {
        facts->dirty_reason = last_error();
        return;
    }
    gint64 until = g_get_monotonic_time() + DIRTY_WAIT_MS * 1000;
    g_usleep(DIRTY_SECONDS * G_USEC_PER_SEC);
    while (!read_dirty_rate(facts, domain)) {
        if (g_get_monotonic_time() > until) {
            facts->dirty_reason = g_strdup("the measurement did not end in time");
            return;
        }
        g_usleep(100 * 1000);
    }
}

void check_libvirt_ask(CheckFacts *facts, virConnectPtr connections[CHECK_HOSTS],
                       virDomainPtr domain)
{
    virConnectPtr destination = connections[CHECK_DESTINATION];
    ask_uuid(facts, destination, domain);
    ask_busy(facts, domain);
    ask_resident(facts, domain);
    ask_sizes(facts, domain);
    compare_hosts(facts, connections);
    ask_cpu(facts, destination);
    ask_machine(facts, destination);
    ask_versions(facts, connections);
    ask_memory(facts, destination);
    ask_nets(facts, destination);
    ask_dirty_rate(facts, domain);
}
