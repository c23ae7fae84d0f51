/* Hosts, datastores and clusters: their numbers, and every attribute that an expression may name.
 */
#include "scheduler/read.h"
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { PART_OBJECT, PART_SPACE, PART_PCI };

typedef struct {
    SchedHost host;
    gint64 max_disk, free_disk;
    SchedLocalSpace space; /* the one whose elements are coming */
    SchedPci pci;
    guint part, part_number;
} RawHost;

#define HOST(member)  offsetof(RawHost, host.member)
#define RAW(member)   offsetof(RawHost, member)
#define SPACE(member) offsetof(RawHost, space.member)
#define PCI(member)   offsetof(RawHost, pci.member)

static const SchedField host_fields[] = {
    {"ID", FIELD_INT32, HOST(id)},
    {"NAME", FIELD_TEXT, HOST(name)},
    {"STATE", FIELD_INT32, HOST(state)},
    {"CLUSTER_ID", FIELD_INT32, HOST(cluster)},
    {"HOST_SHARE/MAX_CPU", FIELD_INT64, HOST(max_cpu)},
    {"HOST_SHARE/CPU_USAGE", FIELD_INT64, HOST(cpu_usage)},
    {"HOST_SHARE/MAX_MEM", FIELD_INT64, HOST(max_mem)},
    {"HOST_SHARE/MEM_USAGE", FIELD_INT64, HOST(mem_usage)},
    {"HOST_SHARE/RUNNING_VMS", FIELD_INT64, HOST(running_vms)},
    {"HOST_SHARE/MAX_DISK", FIELD_INT64, RAW(max_disk)}, /* before 6.0 */
    {"HOST_SHARE/FREE_DISK", FIELD_INT64, RAW(free_disk)},
    {"HOST_SHARE/DATASTORES/MAX_DISK", FIELD_INT64, RAW(max_disk)},
    {"HOST_SHARE/DATASTORES/FREE_DISK", FIELD_INT64, RAW(free_disk)},
    {"HOST_SHARE/DATASTORES/DS/ID", FIELD_INT32, SPACE(datastore), PART_SPACE},
    {"HOST_SHARE/DATASTORES/DS/FREE_MB", FIELD_INT64, SPACE(free_mb), PART_SPACE},
    {"TEMPLATE/DS/ID", FIELD_INT32, SPACE(datastore), PART_SPACE}, /* before 6.0 */
    {"TEMPLATE/DS/FREE_MB", FIELD_INT64, SPACE(free_mb), PART_SPACE},
    {"HOST_SHARE/PCI_DEVICES/PCI/VENDOR", FIELD_TEXT, PCI(vendor), PART_PCI},
    {"HOST_SHARE/PCI_DEVICES/PCI/DEVICE", FIELD_TEXT, PCI(device), PART_PCI},
    {"HOST_SHARE/PCI_DEVICES/PCI/CLASS", FIELD_TEXT, PCI(class), PART_PCI},
    {"HOST_SHARE/PCI_DEVICES/PCI/SHORT_ADDRESS", FIELD_TEXT, PCI(address), PART_PCI},
    {"HOST_SHARE/PCI_DEVICES/PCI/VMID", FIELD_INT64, PCI(vmid), PART_PCI},
    {NULL}};

#define DATASTORE(member) offsetof(SchedDatastore, member)

typedef struct {
    SchedDatastore datastore;
    const char *capacity_check, *shared;
    gint32 cluster;
} RawDatastore;

static const SchedField datastore_fields[] = {
    {"ID", FIELD_INT32, DATASTORE(id)},
    {"UID", FIELD_INT32, DATASTORE(uid)},
    {"GID", FIELD_INT32, DATASTORE(gid)},
    {"NAME", FIELD_TEXT, DATASTORE(name)},
    {"TYPE", FIELD_INT32, DATASTORE(type)},
    {"STATE", FIELD_INT32, DATASTORE(state)},
    {"PERMISSIONS/OWNER_U", FIELD_YES, DATASTORE(owner_use)},
    {"PERMISSIONS/GROUP_U", FIELD_YES, DATASTORE(group_use)},
    {"PERMISSIONS/OTHER_U", FIELD_YES, DATASTORE(other_use)},
    {"TOTAL_MB", FIELD_INT64, DATASTORE(total_mb)},
    {"FREE_MB", FIELD_INT64, DATASTORE(free_mb)},
    {"TEMPLATE/SHARED", FIELD_TEXT, offsetof(RawDatastore, shared)},
    {"TEMPLATE/DATASTORE_CAPACITY_CHECK", FIELD_TEXT, offsetof(RawDatastore, capacity_check)},
    {"CLUSTER_ID", FIELD_INT32, offsetof(RawDatastore, cluster)}, /* 3.4 to 4.14 */
    {NULL}};

static const SchedField no_fields[] = {{NULL}};

/* Below these elements a bare name is looked for. */
static const char *const host_scopes[] = {
    "TEMPLATE", "HOST_SHARE", "HOST_SHARE/DATASTORES", "MONITORING/CAPACITY", "MONITORING/SYSTEM",
    "",         NULL};
static const char *const template_scope[] = {"TEMPLATE", "", NULL};

/* What is known of one path. */
typedef struct {
    const SchedField *field;
    const char *path, *name; /* kept in the pools */
} Path;

typedef struct {
    SchedPools *pools;
    const SchedField *fields;
    const char *const *scopes;
    const char *prefix; /* put before each path */
    GPtrArray *paths;
} Reading;

static gconstpointer resolve(const char *text, gpointer data)
{
    Reading *reading = data;
    g_autofree char *path = g_strconcat(reading->prefix, text, NULL);
    const char *slash = strrchr(path, '/');
    g_autofree char *parent = slash != NULL ? g_strndup(path, slash - path) : g_strdup("");
    Path *known = g_new0(Path, 1);
    known->field = sched_field_find(reading->fields, path);
    known->path = sched_keep(reading->pools, path);
    if (g_strv_contains(reading->scopes, parent))
        known->name = slash != NULL ? known->path + (slash - path) + 1 : known->path;
    g_ptr_array_add(reading->paths, known);
    return known;
}

static gboolean read_pool(SchedPools *pools, const char *xml, const SchedField *fields,
                          const char *const *scopes, const char *prefix,
                          void (*object)(const char *, const FlatLeaf *, guint, gpointer),
                          GError **error)
{
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
    Reading reading = {pools, fields, scopes, prefix, paths};
    FlatReader reader = {.resolve = resolve, .object = object, .data = &reading};
    return flat_read(xml, strlen(xml), &reader, error);
}

static GArray *attributes_new(guint count)
{
    return g_array_sized_new(FALSE, FALSE, sizeof(SchedAttribute), count);
}

static void add_attribute(GArray *attributes, const SchedPools *pools, const FlatLeaf *leaf)
{
    const Path *path = leaf->tag;
    SchedAttribute attribute = {path->path, path->name,
                                g_string_chunk_insert(pools->strings, leaf->value)};
    g_array_append_val(attributes, attribute);
}

/* ---- Hosts ---- */

static void finish_part(const SchedPools *pools, RawHost *raw)
{
    SchedHost *host = &raw->host;
    if (raw->part == PART_SPACE && raw->space.datastore >= 0) {
        if (host->local == NULL)
            host->local = g_array_new(FALSE, FALSE, sizeof(SchedLocalSpace));
        g_array_append_val(host->local, raw->space);
    }
    if (raw->part == PART_PCI) {
        SchedPci *pci = &raw->pci;
        *pci =
            (SchedPci){sched_keep(pools, pci->vendor), sched_keep(pools, pci->device),
                       sched_keep(pools, pci->class), sched_keep(pools, pci->address), pci->vmid};
        if (host->pci == NULL)
            host->pci = g_array_new(FALSE, FALSE, sizeof(SchedPci));
        g_array_append_val(host->pci, *pci);
    }
    raw->part = PART_OBJECT;
    raw->space = (SchedLocalSpace){.datastore = -1};
    raw->pci = (SchedPci){.vmid = -1};
}

static void on_host(const char *element, const FlatLeaf *leaves, guint count, gpointer data)
{
    const Reading *reading = data;
    RawHost raw = {.host = {.id = -1, .cluster = -1, .state = -1}};
    if (strcmp(element, "HOST") != 0)
        return;
    SchedHost *host = &raw.host;
    host->attributes = attributes_new(count);
    finish_part(reading->pools, &raw);
    for (guint i = 0; i < count; i++) {
        const Path *path = leaves[i].tag;
        const SchedField *field = path->field;
        add_attribute(host->attributes, reading->pools, &leaves[i]);
        if (field == NULL)
            continue;
        if (raw.part != PART_OBJECT &&
            (field->part != raw.part || leaves[i].group != raw.part_number))
            finish_part(reading->pools, &raw);
        raw.part = field->part;
        raw.part_number = leaves[i].group;
        sched_field_set(field, &raw, leaves[i].value);
    }
    finish_part(reading->pools, &raw);
    host->name = host->name != NULL ? sched_keep(reading->pools, host->name) : "";
    host->free_disk = raw.max_disk > 0 || raw.free_disk > 0 ? raw.free_disk : -1;
    g_array_append_val(reading->pools->hosts, *host);
}

gboolean sched_read_hosts(SchedPools *pools, const char *xml, GError **error)
{
    return read_pool(pools, xml, host_fields, host_scopes, "", on_host, error);
}

static void on_monitoring(const char *element, const FlatLeaf *leaves, guint count, gpointer data)
{
    const Reading *reading = data;
    SchedHost *host = NULL;
    for (guint i = 0; i < count && host == NULL; i++)
        if (strcmp(leaves[i].path, "ID") == 0)
            host = sched_find_host(reading->pools, strtol(leaves[i].value, NULL, 10));
    for (guint i = 0; i < count && host != NULL; i++)
        add_attribute(host->attributes, reading->pools, &leaves[i]);
}

gboolean sched_read_host_monitoring(SchedPools *pools, const char *xml, GError **error)
{
    sched_pools_finish(pools);
    return read_pool(pools, xml, no_fields, host_scopes, "MONITORING/", on_monitoring, error);
}

/* ---- Datastores ---- */

static GArray *clusters_of(const FlatLeaf *leaves, guint count)
{
    GArray *clusters = NULL;
    for (guint i = 0; i < count; i++) {
        if (!g_str_has_prefix(leaves[i].path, "CLUSTERS"))
            continue;
        if (clusters == NULL)
            clusters = g_array_new(FALSE, FALSE, sizeof(gint32));
        gint32 id = strtol(leaves[i].value, NULL, 10);
        if (strcmp(leaves[i].path, "CLUSTERS/ID") == 0)
            g_array_append_val(clusters, id);
    }
    return clusters;
}

static void on_datastore(const char *element, const FlatLeaf *leaves, guint count, gpointer data)
{
    const Reading *reading = data;
    RawDatastore raw = {.datastore = {.id = -1}, .cluster = -1};
    if (strcmp(element, "DATASTORE") != 0)
        return;
    SchedDatastore *datastore = &raw.datastore;
    datastore->attributes = attributes_new(count);
    for (guint i = 0; i < count; i++) {
        const Path *path = leaves[i].tag;
        add_attribute(datastore->attributes, reading->pools, &leaves[i]);
        if (path->field != NULL)
            sched_field_set(path->field, &raw, leaves[i].value);
    }
    datastore->name = datastore->name != NULL ? sched_keep(reading->pools, datastore->name) : "";
    datastore->shared = raw.shared == NULL || g_ascii_strcasecmp(raw.shared, "no") != 0;
    datastore->unchecked =
        raw.capacity_check != NULL && g_ascii_strcasecmp(raw.capacity_check, "no") == 0;
    datastore->clusters = clusters_of(leaves, count);
    if (datastore->clusters == NULL && raw.cluster >= 0) {
        datastore->clusters = g_array_new(FALSE, FALSE, sizeof(gint32));
        g_array_append_val(datastore->clusters, raw.cluster);
    }
    g_array_append_val(reading->pools->datastores, *datastore);
}

gboolean sched_read_datastores(SchedPools *pools, const char *xml, GError **error)
{
    return read_pool(pools, xml, datastore_fields, template_scope, "", on_datastore, error);
}

/* ---- Networks ---- */

#define NETWORK(member) offsetof(SchedNetwork, member)

static const SchedField network_fields[] = {{"ID", FIELD_INT32, NETWORK(id)},
                                            {"UID", FIELD_INT32, NETWORK(uid)},
                                            {"GID", FIELD_INT32, NETWORK(gid)},
                                            {"NAME", FIELD_TEXT, NETWORK(name)},
                                            {"STATE", FIELD_INT32, NETWORK(state)},
                                            {"PERMISSIONS/OWNER_U", FIELD_YES, NETWORK(owner_use)},
                                            {"PERMISSIONS/GROUP_U", FIELD_YES, NETWORK(group_use)},
                                            {"PERMISSIONS/OTHER_U", FIELD_YES, NETWORK(other_use)},
                                            {"USED_LEASES", FIELD_INT64, NETWORK(used)},
                                            {NULL}};

static void on_network(const char *element, const FlatLeaf *leaves, guint count, gpointer data)
{
    const Reading *reading = data;
    SchedNetwork network = {.id = -1, .state = 1};
    if (strcmp(element, "VNET") != 0)
        return;
    network.attributes = attributes_new(count);
    for (guint i = 0; i < count; i++) {
        const Path *path = leaves[i].tag;
        add_attribute(network.attributes, reading->pools, &leaves[i]);
        if (path->field != NULL)
            sched_field_set(path->field, &network, leaves[i].value);
        else if (strcmp(leaves[i].path, "AR_POOL/AR/SIZE") == 0)
            network.size += strtoll(leaves[i].value, NULL, 10);
    }
    network.name = network.name != NULL ? sched_keep(reading->pools, network.name) : "";
    network.clusters = clusters_of(leaves, count);
    g_array_append_val(reading->pools->networks, network);
}

gboolean sched_read_networks(SchedPools *pools, const char *xml, GError **error)
{
    return read_pool(pools, xml, network_fields, template_scope, "", on_network, error);
}

/* ---- Clusters ---- */

static void on_cluster(const char *element, const FlatLeaf *leaves, guint count, gpointer data)
{
    const Reading *reading = data;
    gint32 id = -1;
    if (strcmp(element, "CLUSTER") != 0)
        return;
    GArray *attributes = attributes_new(count);
    for (guint i = 0; i < count; i++) {
        if (strcmp(leaves[i].path, "ID") == 0)
            id = strtol(leaves[i].value, NULL, 10);
        else if (g_str_has_prefix(leaves[i].path, "TEMPLATE/"))
            add_attribute(attributes, reading->pools, &leaves[i]);
    }
    g_hash_table_insert(reading->pools->clusters, GINT_TO_POINTER(id), attributes);
}

gboolean sched_read_clusters(SchedPools *pools, const char *xml, GError **error)
{
    return read_pool(pools, xml, no_fields, template_scope, "", on_cluster, error);
}
