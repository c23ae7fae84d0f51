/* Devices of the host that are given to a machine, and the controllers of its own board. */
#include "drivers/vmm/domain/domain_build.h"

#include "drivers/vmm/vmm_action.h"
#include "lib/base/error.h"
#include "lib/base/xml.h"
#include <string.h>

#define wrong(error, ...) (g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API, __VA_ARGS__), FALSE)

/* Root ports of a q35 board when nothing else is said: how many devices can be plugged in. */
#define ROOT_PORTS 16
/* Of each expander bus. */
#define NODE_PORTS 8
/* Bus number of the first expander bus and the room that each gets. */
#define FIRST_BUS 0x20
#define BUS_STEP  0x10

/* ---- devices of the host ---- */

typedef struct PciAddress {
    const char *names[4];
    char *parts[4]; /* domain, bus, slot, function; "0x.." */
} PciAddress;

static void clear_address(PciAddress *address)
{
    for (guint i = 0; i < G_N_ELEMENTS(address->parts); i++)
        g_free(address->parts[i]);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PciAddress, clear_address)

/* How many of the four are there. */
static guint read_address(const xmlNode *node, PciAddress *address)
{
    guint count = 0;
    for (guint i = 0; i < G_N_ELEMENTS(address->parts); i++) {
        g_autofree char *text = domain_text(node, address->names[i]);
        if (!text)
            continue;
        address->parts[i] = g_strconcat(g_str_has_prefix(text, "0x") ? "" : "0x", text, NULL);
        count++;
    }
    return count;
}

static void write_address(DomainBuild *build, const PciAddress *address, const char *type)
{
    static const char *const names[] = {"domain", "bus", "slot", "function"};
    domain_open(&build->writer, "address");
    domain_attribute(&build->writer, "type", type);
    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        domain_attribute(&build->writer, names[i], address->parts[i]);
    domain_close(&build->writer);
}

/* A part of a device, made by its driver on the host, has a UUID; else the whole device moves to
 * the guest and back (managed), unless its driver shares it out itself. */
static gboolean write_host_device(DomainBuild *build, const xmlNode *node, guint place,
                                  GError **error)
{
    g_auto(PciAddress) there = {{"DOMAIN", "BUS", "SLOT", "FUNCTION"}};
    g_auto(PciAddress) here = {{"VM_DOMAIN", "VM_BUS", "VM_SLOT", "VM_FUNCTION"}};
    g_autofree char *uuid = domain_text(node, "UUID");
    g_autofree char *mode = domain_text(node, "MDEV_MODE");
    gboolean nvidia = mode && !g_ascii_strcasecmp(mode, "nvidia");
    gboolean part = uuid && !nvidia;
    if (!part && read_address(node, &there) < 4)
        return wrong(error,
                     "PCI %u has no device of the host: DOMAIN, BUS, SLOT and FUNCTION say which "
                     "one it is",
                     place);
    domain_open(&build->writer, "hostdev");
    domain_attribute(&build->writer, "mode", "subsystem");
    domain_attribute(&build->writer, "type", part ? "mdev" : "pci");
    if (part)
        domain_attribute(&build->writer, "model", "vfio-pci");
    else
        domain_attribute(&build->writer, "managed", nvidia ? "no" : "yes");
    domain_open(&build->writer, "source");
    if (part)
        domain_empty(&build->writer, "address", "uuid", uuid);
    else
        write_address(build, &there, NULL);
    domain_close(&build->writer);
    if (read_address(node, &here) == 4)
        write_address(build, &here, "pci");
    domain_close(&build->writer);
    return TRUE;
}

gboolean domain_write_pci_devices(DomainBuild *build, GError **error)
{
    guint place = 0;
    const xmlNode *node = xml_find(build->template, "PCI");
    for (; node; node = xml_next_same(node))
        if (!write_host_device(build, node, place++, error))
            return FALSE;
    return TRUE;
}

/* ---- controllers ---- */

/* Left open, for what belongs inside. */
static void open_controller(DomainBuild *build, const char *type, gint64 index, const char *model)
{
    domain_open(&build->writer, "controller");
    domain_attribute(&build->writer, "type", type);
    domain_attribute_int(&build->writer, "index", index);
    domain_attribute(&build->writer, "model", model);
}

static void write_controller(DomainBuild *build, const char *type, gint64 index, const char *model)
{
    open_controller(build, type, index, model);
    domain_close(&build->writer);
}

/* There from the start, so that a SCSI disk can be plugged in while the machine runs. */
static void write_scsi(DomainBuild *build)
{
    g_autofree char *wanted = domain_value(build, "FEATURES", "VIRTIO_SCSI_QUEUES");
    g_autofree char *queues = domain_queues(build, wanted);
    open_controller(build, "scsi", 0, "virtio-scsi");
    if (queues || build->iothreads > 0) {
        domain_open(&build->writer, "driver");
        domain_attribute(&build->writer, "queues", queues);
        if (build->iothreads > 0)
            domain_attribute_int(&build->writer, "iothread",
                                 build->iothread % build->iothreads + 1);
        domain_close(&build->writer);
    }
    domain_close(&build->writer);
}

static void write_root(DomainBuild *build)
{
    gint64 hole = domain_number(build, "FEATURES", "PCIHOLE64", 0); /* KiB */
    open_controller(build, "pci", 0, "pcie-root");
    if (hole) {
        domain_open(&build->writer, "pcihole64");
        domain_attribute(&build->writer, "unit", "KiB");
        domain_put_int(&build->writer, hole);
        domain_close(&build->writer);
    }
    domain_close(&build->writer);
}

static void write_flat(DomainBuild *build)
{
    gint64 ports = ROOT_PORTS;
    const char *wanted = domain_standard(build->request, NULL, "Q35_ROOT_PORTS");
    if (wanted)
        ports = g_ascii_strtoll(wanted, NULL, 10);
    for (gint64 index = 1; index <= ports; index++)
        write_controller(build, "pci", index, "pcie-root-port");
    write_controller(build, "pci", ports + 1, "pcie-to-pci-bridge");
}

/* One expander bus with its ports for a node of the guest. */
static void write_node_bus(DomainBuild *build, gint64 first, guint node)
{
    open_controller(build, "pci", first, "pcie-expander-bus");
    domain_open(&build->writer, "target");
    domain_attribute_int(&build->writer, "busNr", FIRST_BUS + BUS_STEP * (gint64)node);
    domain_leaf_int(&build->writer, "node", node);
    domain_close(&build->writer);
    domain_close(&build->writer);
    for (gint64 port = 0; port < NODE_PORTS; port++) {
        open_controller(build, "pci", first + 1 + port, "pcie-root-port");
        domain_open(&build->writer, "address");
        domain_attribute(&build->writer, "type", "pci");
        domain_attribute_int(&build->writer, "bus", first);
        domain_attribute_int(&build->writer, "slot", 0);
        domain_attribute_int(&build->writer, "function", port);
        domain_attribute(&build->writer, "multifunction", port == 0 ? "on" : NULL);
        domain_close(&build->writer);
        domain_close(&build->writer);
    }
}

/* A device that is plugged into a bus of its node is told to the guest as near that memory. */
static void write_by_node(DomainBuild *build)
{
    gint64 index = 3;
    write_controller(build, "pci", 1, "pcie-root-port");
    write_controller(build, "pci", 2, "pcie-to-pci-bridge");
    const xmlNode *node = xml_find(build->template, "NUMA_NODE");
    for (guint place = 0; node; node = xml_next_same(node), place++) {
        if (xml_get_int(node, "TOTAL_CPUS", 0) == 0 || xml_get_int(node, "MEMORY", 0) == 0)
            continue;
        write_node_bus(build, index, place);
        index += 1 + NODE_PORTS;
    }
}

static void write_pcie(DomainBuild *build)
{
    g_autofree char *machine = domain_value(build, "OS", "MACHINE");
    const char *by_node = domain_standard(build->request, NULL, "Q35_NUMA_PCIE");
    if (!machine || (!strstr(machine, "q35") && !g_str_has_prefix(machine, "virt")))
        return;
    write_root(build);
    if (xml_find(build->template, "NUMA_NODE") && strstr(machine, "q35") &&
        (!by_node || vmm_is_yes(by_node)))
        write_by_node(build);
    else
        write_flat(build);
}

void domain_write_controllers(DomainBuild *build)
{
    if (!domain_has(build, DOMAIN_QEMU))
        return;
    write_scsi(build);
    write_pcie(build);
}
