#include "client/cli/call.h"
#include "client/cli/edit.h"
#include "client/cli/format.h"
#include "client/cli/generic.h"
#include "client/cli/host_machines.h"
#include "client/cli/host_prepare.h"
#include "client/cli/kinds.h"
#include "client/cli/names.h"
#include "client/cli/options.h"
#include "client/cli/samples.h"
#include "client/cli/states.h"
#include "client/cli/table.h"
#include "client/cli/vm_list.h"
#include "client/cli/wait.h"
#include "client/cli/xml.h"

#include <stdio.h>
#include <string.h>

/* ---- States ---- */

static const CliStateRow states[] = {
    {"INIT", "init", CLI_MOVING},
    {"MONITORING_MONITORED", "update", CLI_MOVING},
    {"MONITORED", "on", CLI_RESTING},
    {"ERROR", "err", CLI_BROKEN},
    {"DISABLED", "dsbl", CLI_RESTING},
    {"MONITORING_ERROR", "retry", CLI_MOVING},
    {"MONITORING_INIT", "init", CLI_MOVING},
    {"MONITORING_DISABLED", "dsbl", CLI_MOVING},
    {"OFFLINE", "off", CLI_RESTING},
    {NULL},
};

static void host_state(xmlNode *host, CliState *state)
{
    cli_state_fill(states, host, state);
}

static const char *host_state_named(const char *word)
{
    return cli_state_named(states, word);
}

/* ---- Columns ---- */

static char *allocated(double used, double all, char unit)
{
    int percent = all > 0 ? (int)(used * 100 / all) : 0;
    if (all <= 0)
        return g_strdup("-");
    if (unit == 0)
        return g_strdup_printf("%.0f / %.0f (%d%%)", used, all, percent);
    g_autofree char *one = cli_size(used, unit), *other = cli_size(all, unit);
    return g_strdup_printf("%s / %s (%d%%)", one, other, percent);
}

static char *allocated_cpu(const Cli *cli, xmlNode *host)
{
    return allocated(cli_xml_double(host, "HOST_SHARE/CPU_USAGE", 0),
                     cli_xml_double(host, "HOST_SHARE/MAX_CPU", 0), 0);
}

static char *allocated_memory(const Cli *cli, xmlNode *host)
{
    return allocated(cli_xml_double(host, "HOST_SHARE/MEM_USAGE", 0),
                     cli_xml_double(host, "HOST_SHARE/MAX_MEM", 0), 'K');
}

static char *used_cpu(const Cli *cli, xmlNode *host)
{
    return allocated(cli_xml_double(host, "MONITORING/CAPACITY/USED_CPU", 0),
                     cli_xml_double(host, "HOST_SHARE/TOTAL_CPU", 0), 0);
}

static char *used_memory(const Cli *cli, xmlNode *host)
{
    return allocated(cli_xml_double(host, "MONITORING/CAPACITY/USED_MEMORY", 0),
                     cli_xml_double(host, "HOST_SHARE/TOTAL_MEM", 0), 'K');
}

static char *free_cpu(const Cli *cli, xmlNode *host)
{
    return g_strdup_printf("%.0f", cli_xml_double(host, "HOST_SHARE/MAX_CPU", 0) -
                                       cli_xml_double(host, "HOST_SHARE/CPU_USAGE", 0));
}

static char *free_memory(const Cli *cli, xmlNode *host)
{
    return cli_size(cli_xml_double(host, "HOST_SHARE/MAX_MEM", 0) -
                        cli_xml_double(host, "HOST_SHARE/MEM_USAGE", 0),
                    'K');
}

static char *stat_text(const Cli *cli, xmlNode *host)
{
    return g_strdup(cli_state_row(states, host)->brief);
}

static char *why_text(const Cli *cli, xmlNode *host)
{
    return g_strdup(cli_without_time(cli_xml_text(host, "TEMPLATE/ERROR")));
}

static const CliColumn columns[] = {
    {"ID", 4, "ID", NULL, "Number of the host"},
    {"NAME", -15, "NAME", NULL, "Name by which it is reached"},
    {"CLUSTER", -10, "CLUSTER", NULL, "Cluster to which it belongs"},
    {"TVM", 3, "HOST_SHARE/RUNNING_VMS", NULL, "Machines on it"},
    {"RVM", 3, "HOST_SHARE/RUNNING_VMS", NULL, "The same, by its older name"},
    {"TCPU", 5, "HOST_SHARE/TOTAL_CPU", NULL, "Processors, in percent: 100 is one"},
    {"FCPU", 5, NULL, free_cpu, "Of these not reserved by machines"},
    {"ALLOCATED_CPU", 18, NULL, allocated_cpu,
     "Processors reserved by machines, of those there are, in percent of one"},
    {"REAL_CPU", 18, NULL, used_cpu, "Processors really in use"},
    {"TMEM", 7, "HOST_SHARE/TOTAL_MEM", NULL, "Memory, in KiB"},
    {"FMEM", 7, NULL, free_memory, "Memory not reserved by machines"},
    {"ALLOCATED_MEM", 18, NULL, allocated_memory,
     "Memory reserved by machines, of that which there is"},
    {"REAL_MEM", 18, NULL, used_memory, "Memory really in use"},
    {"STAT", -4, NULL, stat_text, "State: on, init, err, dsbl (disabled), off (offline)"},
    {"IM", -8, "IM_MAD", NULL, "Information driver"},
    {"VM", -8, "VM_MAD", NULL, "Virtualization driver"},
    {"HYPERVISOR", -10, "TEMPLATE/HYPERVISOR", NULL, "Hypervisor that answers"},
    {"WHY", -160, NULL, why_text, "Why it is in error"},
    {NULL, 0, NULL, NULL, NULL},
};

/* ---- The page of a host ---- */

static void add_share(GString *page, const char *label, xmlNode *host, const char *path, char unit)
{
    g_autofree char *text = unit != 0 ? cli_size(cli_xml_double(host, path, 0), unit)
                                      : g_strdup(cli_xml_text(host, path));
    g_string_append_printf(page, "%-22s: %s\n", label, *text != '\0' ? text : "-");
}

static void add_capacity(Cli *cli, xmlNode *host, GString *page)
{
    cli_page_title(cli, page, "HOST SHARES");
    add_share(page, "RUNNING VMS", host, "HOST_SHARE/RUNNING_VMS", 0);
    g_string_append(page, "MEMORY\n");
    add_share(page, "  TOTAL", host, "HOST_SHARE/TOTAL_MEM", 'K');
    add_share(page, "  TOTAL +/- RESERVED", host, "HOST_SHARE/MAX_MEM", 'K');
    add_share(page, "  USED (REAL)", host, "MONITORING/CAPACITY/USED_MEMORY", 'K');
    add_share(page, "  USED (ALLOCATED)", host, "HOST_SHARE/MEM_USAGE", 'K');
    g_string_append(page, "CPU\n");
    add_share(page, "  TOTAL", host, "HOST_SHARE/TOTAL_CPU", 0);
    add_share(page, "  TOTAL +/- RESERVED", host, "HOST_SHARE/MAX_CPU", 0);
    add_share(page, "  USED (REAL)", host, "MONITORING/CAPACITY/USED_CPU", 0);
    add_share(page, "  USED (ALLOCATED)", host, "HOST_SHARE/CPU_USAGE", 0);
    for (xmlNode *ds = xml_find(host, "HOST_SHARE/DATASTORES/DS"); ds != NULL;
         ds = xml_next_same(ds)) {
        cli_page_title(cli, page, "LOCAL SYSTEM DATASTORE #%s CAPACITY", cli_xml_text(ds, "ID"));
        add_share(page, "TOTAL", ds, "TOTAL_MB", 'M');
        add_share(page, "USED", ds, "USED_MB", 'M');
        add_share(page, "FREE", ds, "FREE_MB", 'M');
    }
}

/* What is free of a node, in MONITORING, of its NODE in HOST_SHARE/NUMA_NODES. NULL: not told. */
static xmlNode *sample_of_node(xmlNode *node)
{
    xmlNode *host = node->parent->parent->parent;
    xmlNode *sample = xml_find(host, "MONITORING/NUMA_NODE");
    while (sample != NULL && cli_xml_int(sample, "NODE_ID", -1) != cli_xml_int(node, "NODE_ID", -2))
        sample = xml_next_same(sample);
    return sample;
}

static char *node_cores(const Cli *cli, xmlNode *node)
{
    guint count = 0;
    for (xmlNode *core = xml_find(node, "CORE"); core != NULL; core = xml_next_same(core))
        count++;
    return g_strdup_printf("%u", count);
}

static char *node_total(const Cli *cli, xmlNode *node)
{
    return cli_size(cli_xml_double(node, "MEMORY/TOTAL", 0), 'K');
}

static char *node_memory(xmlNode *node, const char *path)
{
    xmlNode *sample = sample_of_node(node);
    return sample != NULL ? cli_size(cli_xml_double(sample, path, 0), 'K') : g_strdup("-");
}

static char *node_used(const Cli *cli, xmlNode *node)
{
    return node_memory(node, "MEMORY/USED");
}

static char *node_free(const Cli *cli, xmlNode *node)
{
    return node_memory(node, "MEMORY/FREE");
}

/* How many pages of a size are free; empty: not told. (owned) */
static char *free_pages(xmlNode *sample, const char *size)
{
    xmlNode *pages = sample != NULL ? xml_find(sample, "HUGEPAGE") : NULL;
    while (pages != NULL && strcmp(cli_xml_text(pages, "SIZE"), size) != 0)
        pages = xml_next_same(pages);
    return g_strdup(pages != NULL ? cli_xml_text(pages, "FREE") : "");
}

/* "2M: 12 of 512 free, 1G: 0 of 4 free"; sizes of which the host has none are left out. */
static char *node_pages(const Cli *cli, xmlNode *node)
{
    xmlNode *sample = sample_of_node(node);
    GString *text = g_string_new(NULL);
    for (xmlNode *at = xml_find(node, "HUGEPAGE"); at != NULL; at = xml_next_same(at)) {
        const char *size = cli_xml_text(at, "SIZE"), *pages = cli_xml_text(at, "PAGES");
        g_autofree char *shown = cli_size(cli_xml_double(at, "SIZE", 0), 'K');
        g_autofree char *available = free_pages(sample, size);
        if (cli_xml_int(at, "PAGES", 0) > 0)
            g_string_append_printf(text, "%s%s: %s of %s free", text->len > 0 ? ", " : "", shown,
                                   *available != '\0' ? available : "?", pages);
    }
    return g_string_free(text->len > 0 ? text : g_string_append_c(text, '-'), FALSE);
}

static const CliColumn node_columns[] = {
    {"NODE", 4, "NODE_ID", NULL, NULL},    {"CORES", 5, NULL, node_cores, NULL},
    {"MEMORY", 8, NULL, node_total, NULL}, {"USED", 8, NULL, node_used, NULL},
    {"FREE", 8, NULL, node_free, NULL},    {"HUGE_PAGES", -40, NULL, node_pages, NULL},
    {NULL, 0, NULL, NULL, NULL},
};

static char *device_machine(const Cli *cli, xmlNode *device)
{
    gint64 id = cli_xml_int(device, "VMID", -1);
    return id >= 0 ? g_strdup_printf("%" G_GINT64_FORMAT, id) : g_strdup("-");
}

static const CliColumn device_columns[] = {
    {"VM", 5, NULL, device_machine, NULL},    {"ADDR", -8, "SHORT_ADDRESS", NULL, NULL},
    {"TYPE", -14, "TYPE", NULL, NULL},        {"CLASS", -24, "CLASS_NAME", NULL, NULL},
    {"NAME", -48, "DEVICE_NAME", NULL, NULL}, {"NUMA", -4, "NUMA_NODE", NULL, NULL},
    {"SRIOV", -5, "SRIOV", NULL, NULL},       {NULL, 0, NULL, NULL, NULL},
};

/* Machines that the hypervisor runs and nobody created here: VM in the host's template. */
static const CliColumn wild_columns[] = {
    {"NAME", -40, "VM_NAME", NULL, NULL},
    {"DEPLOY_ID", -38, "DEPLOY_ID", NULL, NULL},
    {NULL, 0, NULL, NULL, NULL},
};

static void add_template(Cli *cli, xmlNode *host, GString *page)
{
    xmlNode *copy = xmlCopyNode(xml_find(host, "TEMPLATE"), 1);
    for (xmlNode *at; (at = xml_find(copy, "VM")) != NULL;) {
        xmlUnlinkNode(at);
        xmlFreeNode(at);
    }
    g_autofree char *text = cli_template_of(copy);
    xmlFreeNode(copy);
    cli_page_title(cli, page, "MONITORING INFORMATION");
    g_string_append(page, text);
}

/* The machines on this host, from the pool of machines. */
static void add_machines(Cli *cli, xmlNode *host, GString *page)
{
    if (xml_find(host, "VMS/ID") == NULL)
        return;
    xmlDoc *pool = cli_pool(cli, &cli_vm, NULL);
    g_autoptr(CliTable) table = cli_table_new(cli, cli_vm.columns, cli_vm.list, NULL);
    if (pool == NULL || table == NULL)
        return;
    for (xmlNode *vm = xml_find(xmlDocGetRootElement(pool), "VM"); vm != NULL;
         vm = xml_next_same(vm))
        for (xmlNode *id = xml_find(host, "VMS/ID"); id != NULL; id = xml_next_same(id))
            if (cli_xml_int(id, "", -1) == cli_xml_int(vm, "ID", -2))
                cli_table_add(table, vm);
    g_autofree char *text = cli_table_text(table, cli_terminal_width());
    cli_page_title(cli, page, "VIRTUAL MACHINES");
    g_string_append(page, text);
}

static void host_page(Cli *cli, xmlNode *host, GString *page)
{
    const char *why = cli_xml_text(host, "TEMPLATE/ERROR");
    cli_page_title(cli, page, "HOST %s INFORMATION", cli_xml_text(host, "ID"));
    cli_page_line(page, "ID", cli_xml_text(host, "ID"));
    cli_page_line(page, "NAME", cli_xml_text(host, "NAME"));
    cli_page_line(page, "CLUSTER", cli_xml_text(host, "CLUSTER"));
    cli_page_line(page, "STATE", cli_state_row(states, host)->name);
    if (*why != '\0')
        cli_page_line(page, "LAST ERROR", why);
    cli_page_line(page, "IM_MAD", cli_xml_text(host, "IM_MAD"));
    cli_page_line(page, "VM_MAD", cli_xml_text(host, "VM_MAD"));
    cli_page_take(page, "LAST MONITORING TIME",
                  cli_time(cli_xml_int(host, "MONITORING/TIMESTAMP", 0)));
    add_capacity(cli, host, page);
    cli_page_table(cli, page, "NUMA NODES", node_columns, host, "HOST_SHARE/NUMA_NODES/NODE");
    cli_page_table(cli, page, "PCI DEVICES", device_columns, host, "HOST_SHARE/PCI_DEVICES/PCI");
    add_template(cli, host, page);
    cli_page_table(cli, page, "WILD VIRTUAL MACHINES", wild_columns, host, "TEMPLATE/VM");
    add_machines(cli, host, page);
}

/* ---- create ---- */

/* "node01 im_xen vmm_xen tm_nfs", as in 2009. */
static gboolean create_of_2009(Cli *cli, WireReply *reply, GError **error)
{
    return wire_call(cli->wire, reply, error, "one.host.allocate", "ssss", cli_word(cli, 0),
                     cli_word(cli, 1), cli_word(cli, 2), cli_word(cli, 3));
}

static gboolean create_now(Cli *cli, WireReply *reply, GError **error)
{
    const char *type = cli_option(cli, "type");
    const char *im = cli_option(cli, "im") != NULL ? cli_option(cli, "im") : type;
    const char *vm = cli_option(cli, "vm") != NULL ? cli_option(cli, "vm") : type;
    const char *cluster = cli_option(cli, "cluster");
    gint32 id = -1;
    if (im == NULL || vm == NULL) {
        g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE,
                    "which drivers? For a host with KVM: `onehost create %s -i kvm -v kvm`; others "
                    "are qemu, xen, lxc and dummy",
                    cli_word(cli, 0));
        return FALSE;
    }
    if (cluster != NULL && !cli_find_id(cli, cli_kind_of_word("cluster"), cluster, &id, error))
        return FALSE;
    return wire_call(cli->wire, reply, error, "one.host.allocate", "sssi", cli_word(cli, 0), im, vm,
                     id);
}

static CliExit run_create(Cli *cli)
{
    g_autoptr(GError) error = NULL;
    g_auto(WireReply) reply = {0};
    gboolean old = cli_word(cli, 3) != NULL;
    const char *file = cli_word(cli, 1);
    if (cli_word(cli, 2) != NULL && !old) {
        fprintf(stderr,
                "give a host, or a host and its three drivers: `onehost add %s im_xen vmm_xen "
                "tm_nfs`\n",
                cli_word(cli, 0));
        return CLI_USAGE;
    }
    g_autofree char *text = file != NULL && !old ? cli_read_template(file, &error) : NULL;
    if (error != NULL || cli_wire(cli, &error) == NULL ||
        !(old ? create_of_2009(cli, &reply, &error) : create_now(cli, &reply, &error)))
        return cli_fail(cli, error);
    gint32 id = (gint32)reply.number;
    printf("ID: %d\n", id);
    if (text != NULL && !wire_call(cli->wire, NULL, &error, "one.host.update", "isi", id, text, 1))
        return cli_fail(cli, error);
    g_array_append_val(cli->ids, id);
    return cli_option(cli, "wait") != NULL ? cli_wait_after(cli, cli->ids) : CLI_DONE;
}

/* ---- sync ---- */

static CliExit run_sync(Cli *cli)
{
    printf("Nothing to copy: the drivers reach hosts through libvirt and ssh, no scripts are kept "
           "there.\n");
    return CLI_DONE;
}

/* ---- monitoring ---- */

static char *sample_memory(const Cli *cli, xmlNode *sample)
{
    return cli_size(cli_xml_double(sample, "CAPACITY/USED_MEMORY", 0), 'K');
}

static char *sample_free_memory(const Cli *cli, xmlNode *sample)
{
    return cli_size(cli_xml_double(sample, "CAPACITY/FREE_MEMORY", 0), 'K');
}

static char *sample_received(const Cli *cli, xmlNode *sample)
{
    return cli_size(cli_xml_double(sample, "SYSTEM/NETRX", 0) / 1024, 'K');
}

static char *sample_sent(const Cli *cli, xmlNode *sample)
{
    return cli_size(cli_xml_double(sample, "SYSTEM/NETTX", 0) / 1024, 'K');
}

static const CliColumn sample_columns[] = {
    {"TIME", -14, NULL, cli_sample_time, NULL},
    {"USED_CPU", 8, "CAPACITY/USED_CPU", NULL, NULL},
    {"FREE_CPU", 8, "CAPACITY/FREE_CPU", NULL, NULL},
    {"USED_MEM", 8, NULL, sample_memory, NULL},
    {"FREE_MEM", 8, NULL, sample_free_memory, NULL},
    {"NETRX", 8, NULL, sample_received, NULL},
    {"NETTX", 8, NULL, sample_sent, NULL},
    {NULL, 0, NULL, NULL, NULL},
};

static CliExit run_monitoring(Cli *cli)
{
    return cli_show_samples(cli, "one.host.monitoring", sample_columns);
}

/* ---- The tables ---- */

static const CliCommand commands[] = {
    {"Hosts", "create add allocate", "text:hostname text:file_or_im? text:vmm? text:tm?",
     "im vm type cluster net " CLI_WAIT, NULL, NULL, "MONITORED", 0, run_create,
     "Adds a host. By its drivers as options (-i kvm -v kvm), or as in 2009 by three words behind "
     "its name: information, virtualization and transfer driver. One word is the file of a "
     "template for it."},
    {NULL, "prepare", "text:servers...?",
     "check dry-run hosts-file hypervisor add-host cluster accept-new login ask-password "
     "public-key "
     "service-user datastores nfs new-bridge bridge-nic only skip parallel " CLI_FORMATS,
     NULL, NULL, NULL, 0, cli_host_prepare,
     "Makes a new server a host over ssh, or says what is missing. Names, addresses and ranges "
     "such "
     "as node[01-40]: packages, the service user with its key, host keys, libvirt, directories, "
     "mount, bridge, clock, names, ssh between the hosts. What is there already is left alone, so "
     "that it can be run again at any time; --check only looks. share/doc/hosts.md explains each "
     "item."},
    {NULL, "list", "", CLI_LIST, NULL, NULL, NULL, 0, cli_run_list, "Lists the hosts."},
    {NULL, "top", "", "delay count " CLI_LIST, NULL, NULL, NULL, 0, cli_run_top,
     "Lists the hosts again and again. Ctrl-C ends it."},
    {NULL, "show", "host...", "decrypt no-color pager no-pager " CLI_FORMATS, NULL, NULL, NULL, 0,
     cli_run_show, "Shows all about a host. State, capacity, what it reports, the machines on it."},
    {NULL, "monitoring", "host text:value?", "lines csv csv-del no-header " CLI_FORMATS, NULL, NULL,
     NULL, 0, run_monitoring,
     "Shows the latest samples of what a host uses. With a value's name (USED_CPU, FREE_MEMORY, "
     "NETRX, ...) only it; --csv prints seconds since 1970 and the plain number."},
    {NULL, "enable", "host...", CLI_WAIT, "one.host.status", "id 0", "MONITORED", 0, NULL,
     "Opens a host for machines."},
    {NULL, "disable", "host...", CLI_WAIT, "one.host.status", "id 1", "DISABLED", 0, NULL,
     "Closes a host for new machines. Those that it has stay, and it is watched."},
    {NULL, "offline", "host...", CLI_WAIT, "one.host.status", "id 2", "OFFLINE", 0, NULL,
     "Closes a host and stops watching it. For work on it."},
    {NULL, "flush", "host...", "flush-action", NULL, NULL, NULL, 0, cli_host_flush,
     "Closes a host for new machines and sends those it has away. The scheduler moves them to "
     "other hosts, live when sched.conf has LIVE_RESCHEDS = 1, or what --action says is done to "
     "each."},
    {NULL, "importvm import", "host text:name", NULL, NULL, NULL, NULL, 0, cli_host_import,
     "Takes over a machine that ran before the cloud knew of the host: one of the wild ones that "
     "`show` lists, by name. It goes on running, and is a machine like others from then on."},
    {NULL, "forceupdate", "host...", NULL, "globule.host.forceupdate", "id", NULL, 0, NULL,
     "Asks hosts at once what they have and what runs there, without waiting for their turn."},
    {NULL, "delete", "host...", NULL, "one.host.delete", "id", NULL, 0, NULL,
     "Removes a host. Only when no machine is on it."},
    {NULL, "rename", "host text:name", NULL, "one.host.rename", "id $1", NULL, 0, NULL,
     "Renames a host. The name is also the address by which it is reached."},
    {NULL, "update", "host file?", "append", "one.host.update", "id @template #append", NULL, 0,
     NULL, "Changes a host's attributes. From a file, from standard input, or in the editor."},
    {NULL, "wait", "host... text:state?", "wait-timeout", NULL, NULL, "MONITORED", 0, cli_run_wait,
     "Waits until hosts are in a state. MONITORED unless told; or ERROR, DISABLED, OFFLINE."},
    {NULL, "sync", "text:hosts?", "force", NULL, NULL, NULL, 0, run_sync,
     "Does nothing, successfully. For scripts of other clouds that copy their drivers to the "
     "hosts."},
    {NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL},
};

const CliKind cli_host = {
    .word = "host",
    .program = "onehost",
    .noun = "host",
    .plural = "hosts",
    .element = "HOST",
    .info = "one.host.info",
    .pool = "one.hostpool.info",
    .pool_arguments = "",
    .about =
        "Hosts, the computers on which machines run: adds them, shows them, opens and closes them.",
    .examples = "  onehost create node01 -i kvm -v kvm --wait   add it, wait for its first answer\n"
                "  onehost add node01 im_xen vmm_xen tm_nfs     the same as in 2009\n"
                "  onehost list\n"
                "  onehost prepare node[01-40] --check          what do new servers lack?\n"
                "  onehost prepare node[01-40] --add            set them up, add them\n"
                "  onehost disable node01                       no new machines there\n"
                "  onehost monitoring node01 USED_CPU --csv\n",
    .commands = commands,
    .columns = columns,
    .page = host_page,
    .list = "ID,NAME,CLUSTER,TVM,ALLOCATED_CPU,ALLOCATED_MEM,STAT",
    .state = host_state,
    .state_named = host_state_named,
};
