/* Elements of network cards. */
#include "drivers/vmm/domain/domain_build.h"

#include "drivers/vnm/vnm.h"
#include "lib/base/xml.h"
#include <string.h>

/* Names of network devices have 15 characters in the kernel. */
#define DEVICE_NAME_MAX 15
/* Where the sockets of Open vSwitch with DPDK are, as its packages make them. */
#define VHOST_DIRECTORY "/var/lib/openvswitch"

static char *nic_value(const DomainBuild *build, const xmlNode *nic, const char *name)
{
    return domain_setting(build->request, nic, "NIC", name);
}

/* A NIC without MAC keeps one and the same through stop, resume and moves: it is made of
 * the ids, in the range that nobody owns (second bit of the first byte). */
static char *mac_of(const DomainBuild *build, const xmlNode *nic, guint place)
{
    char *mac = domain_text(nic, "MAC");
    guint64 vid = (guint64)build->request->vid;
    return mac ? mac
               : g_strdup_printf("06:6f:%02x:%02x:%02x:%02x", (guint)(vid >> 16 & 0xff),
                                 (guint)(vid >> 8 & 0xff), (guint)(vid & 0xff), place & 0xff);
}

/* ---- what it is connected to ---- */

typedef struct Plug {
    const char *type; /* of the interface */
    char *bridge;     /* NULL: none */
    gboolean ovs, dpdk;
} Plug;

/* Xen connects to its default bridge by itself, containers to a bridge of that name; elsewhere a
 * NIC without bridge is there but connected to nothing. */
static Plug plug_of(const DomainBuild *build, const xmlNode *nic)
{
    Plug plug = {"bridge", nic_value(build, nic, "BRIDGE")};
    g_autofree char *kind = domain_text(nic, "BRIDGE_TYPE");
    g_autofree char *mode = domain_text(nic, "NETWORK_MODE");
    gboolean qemu = domain_has(build, DOMAIN_QEMU);
    if (qemu && (!plug.bridge || (mode && !g_ascii_strcasecmp(mode, "dummy")))) {
        plug.type = "ethernet";
        g_clear_pointer(&plug.bridge, g_free);
    } else if (!plug.bridge) {
        plug.bridge = g_strdup(domain_has(build, DOMAIN_XEN) ? "xenbr0" : "br0");
    } else if (qemu && kind) {
        plug.ovs = !g_ascii_strcasecmp(kind, "openvswitch");
        plug.dpdk = !g_ascii_strcasecmp(kind, "openvswitch_dpdk");
        plug.type = plug.dpdk ? "vhostuser" : "bridge";
    }
    return plug;
}

static void write_plug(DomainBuild *build, const Plug *plug, const char *target)
{
    if (plug->dpdk) {
        g_autofree char *path =
            g_build_filename(VHOST_DIRECTORY, target ? target : plug->bridge, NULL);
        domain_open(&build->writer, "source");
        domain_attribute(&build->writer, "type", "unix");
        domain_attribute(&build->writer, "path", path);
        domain_attribute(&build->writer, "mode", "server");
        domain_close(&build->writer);
        return;
    }
    domain_empty(&build->writer, "source", "bridge", plug->bridge);
    if (plug->ovs)
        domain_empty(&build->writer, "virtualport", "type", "openvswitch");
}

/* Open vSwitch tags by itself what a port sends. */
static void write_vlan(DomainBuild *build, const Plug *plug, const xmlNode *nic)
{
    g_autofree char *driver = domain_text(nic, "VN_MAD");
    gint64 number = xml_get_int(nic, "VLAN_ID", 0);
    if (!plug->ovs || g_strcmp0(driver, "ovswitch") != 0 || number < 1 || number > 4094)
        return;
    g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, number);
    domain_open(&build->writer, "vlan");
    domain_empty(&build->writer, "tag", "id", text);
    domain_close(&build->writer);
}

/* ---- what it may do ---- */

static void write_parameter(DomainBuild *build, const char *name, const char *value)
{
    if (!value)
        return;
    domain_open(&build->writer, "parameter");
    domain_attribute(&build->writer, "name", name);
    domain_attribute(&build->writer, "value", value);
    domain_close(&build->writer);
}

static void write_filter(DomainBuild *build, const xmlNode *nic)
{
    g_autofree char *filter = nic_value(build, nic, "FILTER");
    g_autofree char *ip = domain_text(nic, "IP");
    g_autofree char *router = domain_text(nic, "VROUTER_IP");
    if (!filter || !domain_has(build, DOMAIN_QEMU))
        return;
    domain_open(&build->writer, "filterref");
    domain_attribute(&build->writer, "filter", filter);
    write_parameter(build, "IP", ip);
    write_parameter(build, "IP", ip ? router : NULL);
    domain_close(&build->writer);
}

/* Average and peak in KiB/s, the burst in KiB. */
static gboolean write_direction(DomainBuild *build, const xmlNode *nic, const char *direction,
                                gboolean write)
{
    static const char *const parts[][2] = {
        {"AVG_BW", "average"}, {"PEAK_BW", "peak"}, {"PEAK_KB", "burst"}};
    g_autofree char *prefix = g_ascii_strup(direction, -1);
    gboolean any = FALSE;
    if (write)
        domain_open(&build->writer, direction);
    for (guint i = 0; i < G_N_ELEMENTS(parts); i++) {
        g_autofree char *name = g_strconcat(prefix, "_", parts[i][0], NULL);
        g_autofree char *value = nic_value(build, nic, name);
        any = any || value;
        if (write)
            domain_attribute(&build->writer, parts[i][1], value);
    }
    if (write)
        domain_close(&build->writer);
    return any;
}

static void write_bandwidth(DomainBuild *build, const xmlNode *nic)
{
    gboolean in = write_direction(build, nic, "inbound", FALSE);
    gboolean out = write_direction(build, nic, "outbound", FALSE);
    if (!in && !out)
        return;
    domain_open(&build->writer, "bandwidth");
    if (in)
        write_direction(build, nic, "inbound", TRUE);
    if (out)
        write_direction(build, nic, "outbound", TRUE);
    domain_close(&build->writer);
}

/* ---- the card ---- */

static void write_model(DomainBuild *build, const xmlNode *nic)
{
    g_autofree char *model = nic_value(build, nic, "MODEL");
    g_autofree char *wanted = nic_value(build, nic, "VIRTIO_QUEUES");
    g_autofree char *queues = domain_queues(build, wanted);
    const char *kind = model ? model : build->request->dialect->nic_model;
    if (domain_has(build, DOMAIN_CONTAINER))
        return;
    domain_empty(&build->writer, "model", "type", kind);
    if (queues && g_strcmp0(kind, "virtio") == 0 && domain_has(build, DOMAIN_QEMU)) {
        domain_open(&build->writer, "driver");
        domain_attribute(&build->writer, "queues", queues);
        domain_close(&build->writer);
    }
}

/* The rules of a network driver know the card by this name. (owned, NULL: any) */
static char *target_of(const DomainBuild *build, const xmlNode *nic, guint place)
{
    return vnm_manages(nic) ? vnm_tap(build->request->vid, xml_get_int(nic, "NIC_ID", place), NULL)
                            : domain_text(nic, "TARGET");
}

void domain_write_nic(DomainBuild *build, const xmlNode *nic, guint place)
{
    g_autofree char *mac = mac_of(build, nic, place);
    g_autofree char *target = target_of(build, nic, place);
    g_autofree char *script = domain_text(nic, "SCRIPT");
    g_autofree char *id = domain_text(nic, "NIC_ID");
    g_autofree char *number = g_strdup_printf("%u", place);
    Plug plug = plug_of(build, nic);
    domain_open(&build->writer, "interface");
    domain_attribute(&build->writer, "type", plug.type);
    domain_empty(&build->writer, "mac", "address", mac);
    write_plug(build, &plug, target);
    write_vlan(build, &plug, nic);
    domain_empty(&build->writer, "script", "path", script);
    domain_empty(&build->writer, "target", "dev",
                 target && strlen(target) <= DEVICE_NAME_MAX && !plug.dpdk ? target : NULL);
    write_model(build, nic);
    write_filter(build, nic);
    write_bandwidth(build, nic);
    if (domain_has(build, DOMAIN_QEMU))
        domain_write_order(build, nic, "nic", id ? id : number);
    domain_close(&build->writer);
    g_free(plug.bridge);
}

void domain_write_nics(DomainBuild *build)
{
    guint place = 0;
    const xmlNode *nic = xml_find(build->template, "NIC");
    for (; nic; nic = xml_next_same(nic))
        domain_write_nic(build, nic, place++);
}
