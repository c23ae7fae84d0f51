#include "client/cli/vm_list.h"
#include "client/cli/edit.h"
#include "client/cli/format.h"
#include "client/cli/generic.h"
#include "client/cli/output.h"
#include "client/cli/samples.h"
#include "client/cli/table.h"
#include "client/cli/sched.h"
#include "client/cli/vm_state.h"
#include "client/cli/xml.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define MONITORING "MONITORING/"

/* ---- Columns of lists ---- */

/* A star before the name: it waits to be scheduled again. */
static char *name_text(const Cli *cli, xmlNode *vm)
{
    return g_strdup_printf("%s%s", cli_xml_int(vm, "RESCHED", 0) == 1 ? "*" : "",
                           cli_xml_text(vm, "NAME"));
}

static char *stat_text(const Cli *cli, xmlNode *vm)
{
    return g_strdup(
        cli_vm_short_name(cli_xml_int(vm, "STATE", -1), cli_xml_int(vm, "LCM_STATE", 0)));
}

static char *state_text(const Cli *cli, xmlNode *vm)
{
    return g_strdup(
        cli_vm_state_name(cli_xml_int(vm, "STATE", -1), cli_xml_int(vm, "LCM_STATE", 0)));
}

static char *memory_text(const Cli *cli, xmlNode *vm)
{
    return cli_size(cli_xml_double(vm, "TEMPLATE/MEMORY", 0), 'M');
}

static char *used_memory_text(const Cli *cli, xmlNode *vm)
{
    return cli_size(cli_xml_double(vm, MONITORING "MEMORY", 0), 'K');
}

static char *used_cpu_text(const Cli *cli, xmlNode *vm)
{
    return g_strdup_printf("%.1f", cli_xml_double(vm, MONITORING "CPU", 0));
}

/* A machine is on a host while it runs, sleeps there or is switched off there. */
static char *host_text(const Cli *cli, xmlNode *vm)
{
    gint64 state = cli_xml_int(vm, "STATE", -1);
    gboolean there = state == 3 || state == 5 || state == 8;
    return g_strdup(there ? cli_xml_text(cli_xml_last(vm, "HISTORY_RECORDS/HISTORY"), "HOSTNAME")
                          : "");
}

static char *time_text(const Cli *cli, xmlNode *vm)
{
    gint64 end = cli_xml_int(vm, "ETIME", 0);
    return cli_span((end > 0 ? end : (gint64)time(NULL)) - cli_xml_int(vm, "STIME", 0));
}

static char *ip_text(const Cli *cli, xmlNode *vm)
{
    GString *out = g_string_new(NULL);
    for (xmlNode *nic = xml_find(vm, "TEMPLATE/NIC"); nic != NULL; nic = xml_next_same(nic))
        if (*cli_xml_text(nic, "IP") != '\0')
            g_string_append_printf(out, "%s%s", out->len > 0 ? "," : "", cli_xml_text(nic, "IP"));
    return g_string_free(out, FALSE);
}

static char *bytes_text(xmlNode *vm, const char *path)
{
    return cli_size(cli_xml_double(vm, path, 0) / 1024, 'K');
}

static char *received_text(const Cli *cli, xmlNode *vm)
{
    return bytes_text(vm, MONITORING "NETRX");
}

static char *sent_text(const Cli *cli, xmlNode *vm)
{
    return bytes_text(vm, MONITORING "NETTX");
}

static char *why_text(const Cli *cli, xmlNode *vm)
{
    CliState state = {.why = ""};
    cli_vm_state(vm, &state);
    return g_strdup(state.why);
}

static char *cluster_text(const Cli *cli, xmlNode *vm)
{
    return g_strdup(cli_xml_text(cli_xml_last(vm, "HISTORY_RECORDS/HISTORY"), "CID"));
}

static char *datastore_text(const Cli *cli, xmlNode *vm)
{
    return g_strdup(cli_xml_text(cli_xml_last(vm, "HISTORY_RECORDS/HISTORY"), "DS_ID"));
}

const CliColumn cli_vm_columns[] = {
    {"ID", 4, "ID", NULL, "Number of the machine"},
    {"USER", -8, NULL, cli_column_user, "Owner"},
    {"GROUP", -8, NULL, cli_column_group, "Group"},
    {"NAME", -15, NULL, name_text, "Name; with a star: it waits to be moved to a better host"},
    {"STAT", 4, NULL, stat_text, "State, short: pend, hold, prol, boot, runn, poff, ..."},
    {"STATE", -14, NULL, state_text, "State, in full: PENDING, RUNNING, BOOT_FAILURE, ..."},
    {"CPU", 4, "TEMPLATE/CPU", NULL, "Processors reserved for it"},
    {"VCPU", 4, "TEMPLATE/VCPU", NULL, "Processors that the guest sees"},
    {"MEM", 7, NULL, memory_text, "Memory reserved for it"},
    {"UCPU", 5, NULL, used_cpu_text, "Processor in use, in percent of one"},
    {"UMEM", 7, NULL, used_memory_text, "Memory in use"},
    {"HOST", -10, NULL, host_text, "Host on which it is"},
    {"TIME", 10, NULL, time_text, "Time since it was created"},
    {"IP", -15, NULL, ip_text, "Addresses of its network cards"},
    {"NETRX", 7, NULL, received_text, "Received from the network"},
    {"NETTX", 7, NULL, sent_text, "Sent to the network"},
    {"CLUSTER", 7, NULL, cluster_text, "Id of the cluster of its host"},
    {"DS", 4, NULL, datastore_text, "Id of its system datastore"},
    {"DEPLOYID", -12, "DEPLOY_ID", NULL, "Its name in the hypervisor's own list"},
    {"WHY", -160, NULL, why_text, "Why it waits, or what failed last"},
    {NULL, 0, NULL, NULL, NULL},
};

/* ---- Tables within the page ---- */

static char *size_text(const Cli *cli, xmlNode *disk)
{
    double size = cli_xml_double(disk, "SIZE", 0);
    return size > 0 ? cli_size(size, 'M') : g_strdup("-");
}

static char *first_of(xmlNode *node, const char *const *paths)
{
    for (; *paths != NULL; paths++)
        if (*cli_xml_text(node, *paths) != '\0')
            return g_strdup(cli_xml_text(node, *paths));
    return g_strdup("-");
}

static char *image_text(const Cli *cli, xmlNode *disk)
{
    static const char *const paths[] = {"IMAGE", "SOURCE", "TYPE", NULL};
    return first_of(disk, paths);
}

static char *disk_store_text(const Cli *cli, xmlNode *disk)
{
    static const char *const paths[] = {"DATASTORE", NULL};
    return first_of(disk, paths);
}

static char *disk_type_text(const Cli *cli, xmlNode *disk)
{
    g_autofree char *type = g_ascii_strdown(cli_xml_text(disk, "TYPE"), -1);
    return g_strdup(*type != '\0' ? type : "-");
}

static const CliColumn disk_columns[] = {
    {"ID", 3, "DISK_ID", NULL, NULL},     {"DATASTORE", -10, NULL, disk_store_text, NULL},
    {"TARGET", -6, "TARGET", NULL, NULL}, {"IMAGE", -30, NULL, image_text, NULL},
    {"SIZE", 9, NULL, size_text, NULL},   {"TYPE", -5, NULL, disk_type_text, NULL},
    {"SAVE", 4, "SAVE", NULL, NULL},      {NULL, 0, NULL, NULL, NULL},
};

static char *network_text(const Cli *cli, xmlNode *nic)
{
    static const char *const paths[] = {"NETWORK", NULL};
    return first_of(nic, paths);
}

static char *address_text(const Cli *cli, xmlNode *nic)
{
    static const char *const paths[] = {"IP", "IP6", "IP6_GLOBAL", NULL};
    return first_of(nic, paths);
}

static const CliColumn nic_columns[] = {
    {"ID", 3, "NIC_ID", NULL, NULL},       {"NETWORK", -20, NULL, network_text, NULL},
    {"BRIDGE", -12, "BRIDGE", NULL, NULL}, {"IP", -15, NULL, address_text, NULL},
    {"MAC", -17, "MAC", NULL, NULL},       {NULL, 0, NULL, NULL, NULL},
};

static char *snapshot_time(const Cli *cli, xmlNode *snapshot)
{
    return cli_time(cli_xml_int(snapshot, "TIME", 0));
}

static const CliColumn snapshot_columns[] = {
    {"ID", 4, "SNAPSHOT_ID", NULL, NULL}, {"TIME", -14, NULL, snapshot_time, NULL},
    {"NAME", -46, "NAME", NULL, NULL},    {"HYPERVISOR_ID", -13, "HYPERVISOR_ID", NULL, NULL},
    {NULL, 0, NULL, NULL, NULL},
};

/* The snapshot that a disk was made of, or that is being worked on. */
static char *active_text(const Cli *cli, xmlNode *snapshot)
{
    return g_strdup(strcmp(cli_xml_text(snapshot, "ACTIVE"), "YES") == 0 ? "=>" : "");
}

static char *snapshot_date(const Cli *cli, xmlNode *snapshot)
{
    return cli_time(cli_xml_int(snapshot, "DATE", 0));
}

static char *snapshot_size(const Cli *cli, xmlNode *snapshot)
{
    return cli_size(cli_xml_double(snapshot, "SIZE", 0), 'M');
}

static const CliColumn disk_snapshot_columns[] = {
    {"AC", 2, NULL, active_text, NULL},
    {"ID", 4, "ID", NULL, NULL},
    {"PARENT", 6, "PARENT", NULL, NULL},
    {"DATE", -14, NULL, snapshot_date, NULL},
    {"SIZE", 9, NULL, snapshot_size, NULL},
    {"NAME", -40, "NAME", NULL, NULL},
    {NULL, 0, NULL, NULL, NULL},
};

static char *action_text(const Cli *cli, xmlNode *record)
{
    return g_strdup(cli_vm_action_name(cli_xml_int(record, "ACTION", 0)));
}

static char *start_text(const Cli *cli, xmlNode *record)
{
    return cli_time(cli_xml_int(record, "STIME", 0));
}

/* How long a part took, or takes so far; "-" when it was not reached. */
static char *part_text(xmlNode *record, const char *start, const char *end, gboolean brief)
{
    gint64 from = cli_xml_int(record, start, 0), to = cli_xml_int(record, end, 0);
    if (from == 0)
        return g_strdup("-");
    gint64 seconds = (to > 0 ? to : (gint64)time(NULL)) - from;
    return brief ? cli_short_span(seconds) : cli_span(seconds);
}

static char *span_text(const Cli *cli, xmlNode *record)
{
    return part_text(record, "STIME", "ETIME", FALSE);
}

static char *prolog_text(const Cli *cli, xmlNode *record)
{
    return part_text(record, "PSTIME", "PETIME", TRUE);
}

static const CliColumn history_columns[] = {
    {"SEQ", 3, "SEQ", NULL, NULL},         {"UID", 4, "UID", NULL, NULL},
    {"HOST", -15, "HOSTNAME", NULL, NULL}, {"ACTION", -13, NULL, action_text, NULL},
    {"DS", 3, "DS_ID", NULL, NULL},        {"START", 14, NULL, start_text, NULL},
    {"TIME", 11, NULL, span_text, NULL},   {"PROLOG", 9, NULL, prolog_text, NULL},
    {NULL, 0, NULL, NULL, NULL},
};

/* ---- The page ---- */

static void add_monitoring(Cli *cli, xmlNode *vm, GString *page)
{
    static const struct {
        const char *name;
        char unit; /* of the number: K, B (bytes), % or 0 for a plain count */
    } values[] = {{"CPU", '%'},         {"MEMORY", 'K'},   {"NETTX", 'B'},       {"NETRX", 'B'},
                  {"DISKRDBYTES", 'B'}, {"DISKRDIOPS", 0}, {"DISKWRBYTES", 'B'}, {"DISKWRIOPS", 0}};
    xmlNode *monitoring = xml_find(vm, "MONITORING");
    if (xml_first_element(monitoring) == NULL)
        return;
    g_autofree char *when = cli_time(cli_xml_int(monitoring, "TIMESTAMP", 0));
    cli_page_title(cli, page, "VIRTUAL MACHINE MONITORING [%s]", when);
    for (guint i = 0; i < G_N_ELEMENTS(values); i++) {
        const char *text = cli_xml_text(monitoring, values[i].name);
        double number = cli_xml_double(monitoring, values[i].name, 0);
        if (*text == '\0')
            continue;
        if (values[i].unit == 'K')
            cli_page_take(page, values[i].name, cli_size(number, 'K'));
        else if (values[i].unit == 'B')
            cli_page_take(page, values[i].name, cli_size(number / 1024, 'K'));
        else
            cli_page_line(page, values[i].name, text);
    }
}

/* What it asked for, and where on its host the device is that it got. */
static const CliColumn pci_columns[] = {
    {"ID", 3, "PCI_ID", NULL, NULL},
    {"VENDOR", -8, "VENDOR", NULL, NULL},
    {"DEVICE", -8, "DEVICE", NULL, NULL},
    {"CLASS", -8, "CLASS", NULL, NULL},
    {"SLOT", -8, "SHORT_ADDRESS", NULL, NULL},
    {"ADDRESS", -14, "ADDRESS", NULL, NULL},
    {NULL, 0, NULL, NULL, NULL},
};

/* The template without what the page already shows in tables. */
static void add_template(Cli *cli, xmlNode *vm, GString *page)
{
    static const char *const shown[] = {
        "DISK", "NIC", "PCI", "SNAPSHOT", "SECURITY_GROUP_RULE", "SCHED_ACTION", NULL};
    xmlNode *copy = xmlCopyNode(xml_find(vm, "TEMPLATE"), 1);
    if (copy == NULL)
        return;
    for (guint i = 0; shown[i] != NULL && cli_option(cli, "show-all") == NULL; i++) {
        for (xmlNode *at; (at = xml_find(copy, shown[i])) != NULL;) {
            xmlUnlinkNode(at);
            xmlFreeNode(at);
        }
    }
    g_autofree char *text = cli_template_of(copy);
    xmlFreeNode(copy);
    cli_page_title(cli, page, "VIRTUAL MACHINE TEMPLATE");
    g_string_append(page, text);
}

void cli_vm_page(Cli *cli, xmlNode *vm, GString *page)
{
    CliState state = {.host = -1, .where = "", .why = ""};
    cli_vm_state(vm, &state);
    gint64 number = cli_xml_int(vm, "STATE", -1);
    cli_page_title(cli, page, "VIRTUAL MACHINE %s INFORMATION", cli_xml_text(vm, "ID"));
    cli_page_line(page, "ID", cli_xml_text(vm, "ID"));
    cli_page_line(page, "NAME", cli_xml_text(vm, "NAME"));
    cli_page_line(page, "USER", cli_xml_text(vm, "UNAME"));
    cli_page_line(page, "GROUP", cli_xml_text(vm, "GNAME"));
    cli_page_line(page, "STATE", cli_vm_main_name(number));
    cli_page_line(page, "LCM_STATE", cli_vm_lcm_name(cli_xml_int(vm, "LCM_STATE", 0)));
    if (*state.why != '\0')
        cli_page_line(page, number == 1 || number == 2 ? "WAITS BECAUSE" : "LAST ERROR", state.why);
    cli_page_lock(vm, page);
    cli_page_line(page, "RESCHED", cli_xml_int(vm, "RESCHED", 0) ? "Yes" : "No");
    if (*state.where != '\0') {
        cli_page_line(page, "HOST", state.where);
        cli_page_line(page, "CLUSTER ID",
                      cli_xml_text(cli_xml_last(vm, "HISTORY_RECORDS/HISTORY"), "CID"));
    }
    cli_page_take(page, "START TIME", cli_time(cli_xml_int(vm, "STIME", 0)));
    cli_page_take(page, "END TIME", cli_time(cli_xml_int(vm, "ETIME", 0)));
    const char *deployed = cli_xml_text(vm, "DEPLOY_ID");
    cli_page_line(page, "DEPLOY ID", *deployed != '\0' ? deployed : "-");

    add_monitoring(cli, vm, page);
    cli_page_rights(cli, vm, page);
    cli_page_table(cli, page, "VM DISKS", disk_columns, vm, "TEMPLATE/DISK");
    cli_page_table(cli, page, "VM NICS", nic_columns, vm, "TEMPLATE/NIC");
    cli_page_table(cli, page, "VM PCI DEVICES", pci_columns, vm, "TEMPLATE/PCI");
    cli_page_table(cli, page, "SNAPSHOTS", snapshot_columns, vm, "TEMPLATE/SNAPSHOT");
    cli_page_scheduled(cli, vm, page);
    cli_page_table(cli, page, "VIRTUAL MACHINE HISTORY", history_columns, vm,
                   "HISTORY_RECORDS/HISTORY");
    g_autofree char *user_template = cli_template_of(xml_find(vm, "USER_TEMPLATE"));
    if (*user_template != '\0') {
        cli_page_title(cli, page, "USER TEMPLATE");
        g_string_append(page, user_template);
    }
    add_template(cli, vm, page);
}

CliExit cli_vm_show(Cli *cli)
{
    CliExit exit = CLI_DONE;
    for (guint i = 0; i < cli->ids->len && exit == CLI_DONE; i++)
        exit = cli_show(cli, g_array_index(cli->ids, gint32, i), cli_vm_page);
    return exit;
}

static void history_page(Cli *cli, xmlNode *vm, GString *page)
{
    g_autofree char *text = cli_table_of(cli, history_columns, vm, "HISTORY_RECORDS/HISTORY");
    cli_page_title(cli, page, "HISTORY OF %s (%s)", cli_xml_text(vm, "NAME"),
                   cli_xml_text(vm, "ID"));
    g_string_append(page, xml_find(vm, "HISTORY_RECORDS/HISTORY") != NULL
                              ? text
                              : "It has not been on any host yet.\n");
}

CliExit cli_vm_history(Cli *cli)
{
    CliExit exit = CLI_DONE;
    for (guint i = 0; i < cli->ids->len && exit == CLI_DONE; i++)
        exit = cli_show(cli, g_array_index(cli->ids, gint32, i), history_page);
    return exit;
}

/* ---- Snapshots ---- */

static void snapshots_page(Cli *cli, xmlNode *vm, GString *page)
{
    g_autofree char *text = cli_table_of(cli, snapshot_columns, vm, "TEMPLATE/SNAPSHOT");
    cli_page_title(cli, page, "SNAPSHOTS OF %s (%s)", cli_xml_text(vm, "NAME"),
                   cli_xml_text(vm, "ID"));
    g_string_append(page, xml_find(vm, "TEMPLATE/SNAPSHOT") != NULL ? text : "It has none.\n");
}

CliExit cli_vm_snapshots(Cli *cli)
{
    return cli_show(cli, g_array_index(cli->ids, gint32, 0), snapshots_page);
}

static void disk_snapshots_page(Cli *cli, xmlNode *vm, GString *page)
{
    const char *disk = cli_word(cli, 1);
    xmlNode *tree = xml_find(vm, "SNAPSHOTS");
    while (tree != NULL && strcmp(cli_xml_text(tree, "DISK_ID"), disk) != 0)
        tree = xml_next_same(tree);
    g_autofree char *text =
        tree != NULL ? cli_table_of(cli, disk_snapshot_columns, tree, "SNAPSHOT") : NULL;
    cli_page_title(cli, page, "SNAPSHOTS OF DISK %s OF %s (%s)", disk, cli_xml_text(vm, "NAME"),
                   cli_xml_text(vm, "ID"));
    g_string_append(page,
                    tree != NULL && xml_find(tree, "SNAPSHOT") != NULL ? text : "It has none.\n");
}

CliExit cli_vm_disk_snapshots(Cli *cli)
{
    return cli_show(cli, g_array_index(cli->ids, gint32, 0), disk_snapshots_page);
}

/* ---- Samples ---- */

static char *sample_memory(const Cli *cli, xmlNode *sample)
{
    return cli_size(cli_xml_double(sample, "MEMORY", 0), 'K');
}

static char *sample_received(const Cli *cli, xmlNode *sample)
{
    return bytes_text(sample, "NETRX");
}

static char *sample_sent(const Cli *cli, xmlNode *sample)
{
    return bytes_text(sample, "NETTX");
}

static char *sample_read(const Cli *cli, xmlNode *sample)
{
    return bytes_text(sample, "DISKRDBYTES");
}

static char *sample_written(const Cli *cli, xmlNode *sample)
{
    return bytes_text(sample, "DISKWRBYTES");
}

static const CliColumn sample_columns[] = {
    {"TIME", -14, NULL, cli_sample_time, NULL}, {"CPU", 6, "CPU", NULL, NULL},
    {"MEM", 8, NULL, sample_memory, NULL},      {"NETRX", 8, NULL, sample_received, NULL},
    {"NETTX", 8, NULL, sample_sent, NULL},      {"DISKRD", 8, NULL, sample_read, NULL},
    {"DISKWR", 8, NULL, sample_written, NULL},  {NULL, 0, NULL, NULL, NULL},
};

CliExit cli_vm_monitoring(Cli *cli)
{
    return cli_show_samples(cli, "one.vm.monitoring", sample_columns);
}
