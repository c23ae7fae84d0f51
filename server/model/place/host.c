#include "server/model/place/host.h"

#include "lib/base/error.h"
#include "server/model/place/cluster.h"
#include "server/model/place/host_pci.h"
#include "server/model/world.h"

#include <math.h>
#include <string.h>

const char *host_state_name(HostState state)
{
    switch (state) {
    case HOST_INIT:
        return "INIT";
    case HOST_MONITORED:
        return "MONITORED";
    case HOST_ERROR:
        return "ERROR";
    case HOST_DISABLED:
        return "DISABLED";
    case HOST_OFFLINE:
        return "OFFLINE";
    }
    return "?";
}

Host *host_get(World *world, gint32 id)
{
    return HOST(pool_get(world, KIND_HOST, id));
}

static Host *host_new(gint32 id, const char *name, Template *template)
{
    Host *host = g_new0(Host, 1);
    object_init(&host->head, KIND_HOST, id, name, template);
    host->vms = g_array_new(FALSE, FALSE, sizeof(gint32));
    host->datastores = g_array_new(FALSE, FALSE, sizeof(HostDatastore));
    return host;
}

static void host_free(Object *object)
{
    Host *host = HOST(object);
    g_free(host->im_mad);
    g_free(host->vm_mad);
    g_free(host->monitoring);
    host_numa_free(host->numa);
    template_free(host->pci);
    g_array_unref(host->vms);
    g_array_unref(host->datastores);
    object_clear(object);
    g_free(host);
}

Host *host_create(World *world, const char *name, const char *im_mad, const char *vm_mad,
                  gint32 cluster)
{
    Host *host = host_new(pool_next_id(world, KIND_HOST), name, NULL);
    host->im_mad = g_strdup(im_mad);
    host->vm_mad = g_strdup(vm_mad);
    host->cluster = cluster;
    template_set(host->head.template, "RESERVED_CPU", "");
    template_set(host->head.template, "RESERVED_MEM", "");
    template_set(host->head.template, "IM_MAD", im_mad);
    template_set(host->head.template, "VM_MAD", vm_mad);
    pool_add(world, &host->head);
    cluster_members_changed(world, cluster);
    return host;
}

void host_charge(World *world, gint32 id, gint32 vm, gint64 cpu, gint64 memory, gint64 disk)
{
    Host *host = host_get(world, id);
    if (!host)
        return;
    host->cpu_usage += cpu;
    host->memory_usage += memory;
    host->disk_usage += disk;
    ids_add(host->vms, vm);
    object_touched(world, &host->head);
}

void host_discharge(World *world, gint32 id, gint32 vm, gint64 cpu, gint64 memory, gint64 disk)
{
    Host *host = host_get(world, id);
    if (!host)
        return;
    host->cpu_usage -= cpu;
    host->memory_usage -= memory;
    host->disk_usage -= disk;
    ids_remove(host->vms, vm);
    object_touched(world, &host->head);
}

gboolean host_has_room(const Host *host, gint64 cpu, gint64 memory, GError **error)
{
    if (host->cpu_usage + cpu > host->max_cpu) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION,
                    "Not enough capacity in Host. Capacity requested: CPU: %" G_GINT64_FORMAT
                    ", free: %" G_GINT64_FORMAT " (percent)",
                    cpu, host->max_cpu - host->cpu_usage);
        return FALSE;
    }
    if (host->memory_usage + memory > host->max_memory) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION,
                    "Not enough capacity in Host. Capacity requested: MEMORY: %" G_GINT64_FORMAT
                    ", free: %" G_GINT64_FORMAT " (KiB)",
                    memory, host->max_memory - host->memory_usage);
        return FALSE;
    }
    return TRUE;
}

/* More than any host has, and little enough to add and subtract. */
#define RESERVED_MAX 1e15

static gint64 reserved(const char *text, gint64 total)
{
    char *end;
    double value = text ? g_ascii_strtod(text, &end) : 0;
    if (!text || end == text)
        return 0;
    double amount = *end == '%' ? value * (double)total / 100 : value;
    return isnan(amount) ? 0 : (gint64)CLAMP(amount, -RESERVED_MAX, RESERVED_MAX);
}

static const char *reservation(World *world, const Host *host, const char *name)
{
    const char *own = template_get(host->head.template, name);
    if (own && *own)
        return own;
    Object *cluster = pool_get(world, KIND_CLUSTER, host->cluster);
    const char *common = cluster ? template_get(cluster->template, name) : NULL;
    return common && *common ? common : config_text(world->config, name);
}

void host_reserve(World *world, Host *host)
{
    gint64 cpu =
        host->total_cpu - reserved(reservation(world, host, "RESERVED_CPU"), host->total_cpu);
    gint64 memory =
        host->total_memory - reserved(reservation(world, host, "RESERVED_MEM"), host->total_memory);
    if (cpu == host->max_cpu && memory == host->max_memory)
        return;
    host->max_cpu = cpu;
    host->max_memory = memory;
    object_touched(world, &host->head);
}

/* ---- rendering ---- */

static void render_share(World *world, const Host *host, GString *xml)
{
    g_string_append(xml, "<HOST_SHARE>");
    xml_int(xml, "MEM_USAGE", host->memory_usage);
    xml_int(xml, "CPU_USAGE", host->cpu_usage);
    xml_int(xml, "TOTAL_MEM", host->total_memory);
    xml_int(xml, "TOTAL_CPU", host->total_cpu);
    xml_int(xml, "MAX_MEM", host->max_memory);
    xml_int(xml, "MAX_CPU", host->max_cpu);
    xml_int(xml, "RUNNING_VMS", host->vms->len);
    xml_int(xml, "VMS_THREAD", 1);
    g_string_append(xml, "<DATASTORES>");
    xml_int(xml, "DISK_USAGE", host->disk_usage);
    for (guint i = 0; i < host->datastores->len; i++) {
        const HostDatastore *datastore = &g_array_index(host->datastores, HostDatastore, i);
        g_string_append(xml, "<DS>");
        xml_int(xml, "FREE_MB", datastore->free_mb);
        xml_int(xml, "ID", datastore->id);
        xml_int(xml, "TOTAL_MB", datastore->total_mb);
        xml_int(xml, "USED_MB", datastore->used_mb);
        g_string_append(xml, "</DS>");
    }
    xml_int(xml, "FREE_DISK", host->free_disk);
    xml_int(xml, "MAX_DISK", host->max_disk);
    xml_int(xml, "USED_DISK", host->used_disk);
    g_string_append(xml, "</DATASTORES>");
    host_pci_render(world, host, xml);
    host_numa_render(host->numa, xml);
    g_string_append(xml, "</HOST_SHARE>");
}

static void host_render(World *world, Object *object, GString *xml)
{
    Host *host = HOST(object);
    g_string_append(xml, "<HOST>");
    xml_int(xml, "ID", object->id);
    xml_text(xml, "NAME", object->name);
    xml_int(xml, "STATE", host->state);
    xml_int(xml, "PREV_STATE", host->previous_state);
    xml_cdata(xml, "IM_MAD", host->im_mad);
    xml_cdata(xml, "VM_MAD", host->vm_mad);
    xml_int(xml, "CLUSTER_ID", host->cluster);
    xml_text(xml, "CLUSTER", cluster_name(world, host->cluster));
    render_share(world, host, xml);
    xml_ids(xml, "VMS", host->vms);
    template_append_xml_element(object->template, "TEMPLATE", xml);
    g_string_append_printf(xml, host->monitoring ? "<MONITORING>%s</MONITORING>" : "<MONITORING/>",
                           host->monitoring);
    g_string_append(xml, "</HOST>");
}

void host_render_old(World *world, Host *host, GString *xml)
{
    g_string_append(xml, "<HOST>");
    xml_int(xml, "ID", host->head.id);
    xml_text(xml, "NAME", host->head.name);
    xml_int(xml, "STATE", host->state == HOST_OFFLINE ? HOST_DISABLED : host->state);
    xml_text(xml, "IM_MAD", host->im_mad);
    xml_text(xml, "VM_MAD", host->vm_mad);
    xml_text(xml, "TM_MAD", template_get(host->head.template, "TM_MAD"));
    xml_int(xml, "LAST_MON_TIME", host->last_monitored);
    xml_text(xml, "CLUSTER", cluster_name(world, host->cluster));
    g_string_append(xml, "<HOST_SHARE>");
    xml_int(xml, "HID", host->head.id);
    xml_int(xml, "DISK_USAGE", host->disk_usage);
    xml_int(xml, "MEM_USAGE", host->memory_usage);
    xml_int(xml, "CPU_USAGE", host->cpu_usage);
    xml_int(xml, "MAX_DISK", host->max_disk);
    xml_int(xml, "MAX_MEM", host->max_memory);
    xml_int(xml, "MAX_CPU", host->max_cpu);
    xml_int(xml, "FREE_DISK", host->free_disk);
    xml_int(xml, "FREE_MEM", host->free_memory);
    xml_int(xml, "FREE_CPU", host->free_cpu);
    xml_int(xml, "USED_DISK", host->used_disk);
    xml_int(xml, "USED_MEM", host->used_memory);
    xml_int(xml, "USED_CPU", host->used_cpu);
    xml_int(xml, "RUNNING_VMS", host->vms->len);
    g_string_append(xml, "</HOST_SHARE>");
    template_append_xml_element(host->head.template, "TEMPLATE", xml);
    g_string_append(xml, "</HOST>");
}

/* ---- rows ---- */

static const StoreColumn columns[] = {
    {"id", STORE_INT},
    {"name", STORE_TEXT},
    {"state", STORE_INT},
    {"previous_state", STORE_INT},
    {"im_mad", STORE_TEXT},
    {"vm_mad", STORE_TEXT},
    {"cluster", STORE_INT},
    {"template", STORE_TEXT},
    {"last_monitored", STORE_INT},
    {NULL, STORE_INT},
};
const StoreTable host_table = {"host", 1, columns};

static StoreWrite *host_row(World *world, const Object *object)
{
    const Host *host = (const Host *)object;
    StoreWrite *row = store_write_new(&host_table, STORE_PUT);
    store_set_int(row, 0, object->id);
    store_set_text(row, 1, object->name);
    store_set_int(row, 2, host->state);
    store_set_int(row, 3, host->previous_state);
    store_set_text(row, 4, host->im_mad);
    store_set_text(row, 5, host->vm_mad);
    store_set_int(row, 6, host->cluster);
    store_take_text(row, 7, template_to_text(object->template));
    store_set_int(row, 8, host->last_monitored);
    return row;
}

static gboolean host_load(World *world, const StoreValue *values, GError **error)
{
    Template *template = template_parse(values[7].text, TEMPLATE_MODERN, error);
    if (!template) {
        g_prefix_error(error, "host %" G_GINT64_FORMAT ": ", values[0].number);
        return FALSE;
    }
    Host *host = host_new((gint32)values[0].number, values[1].text, template);
    host->state = (HostState)values[2].number;
    host->previous_state = (HostState)values[3].number;
    host->im_mad = g_strdup(values[4].text);
    host->vm_mad = g_strdup(values[5].text);
    host->cluster = (gint32)values[6].number;
    host->last_monitored = values[8].number;
    template_get_int(template, "TOTALCPU", &host->total_cpu);
    template_get_int(template, "TOTALMEMORY", &host->total_memory);
    pool_add(world, &host->head);
    return TRUE;
}

const KindOperations host_operations = {host_render, NULL,        host_row,
                                        host_load,   &host_table, host_free};
