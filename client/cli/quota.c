#include "client/cli/quota.h"
#include "client/cli/call.h"
#include "client/cli/edit.h"
#include "client/cli/format.h"
#include "client/cli/generic.h"
#include "client/cli/xml.h"

#include <stdio.h>
#include <string.h>

/* ---- Used and limit ---- */

/* In a pool each user or group is followed by the QUOTAS of the same ID; alone, it holds them. */
static xmlNode *holder_of(xmlNode *object)
{
    xmlNode *next = xml_next_element(object);
    return next != NULL && strcmp(xml_name(next), "QUOTAS") == 0 &&
                   cli_xml_int(next, "ID", -1) == cli_xml_int(object, "ID", -2)
               ? next
               : object;
}

/* The entry of machines that is not for some clusters only. */
static xmlNode *global_entry(xmlNode *holder)
{
    xmlNode *entry = holder != NULL ? xml_find(holder, "VM_QUOTA/VM") : NULL;
    while (entry != NULL && *cli_xml_text(entry, "CLUSTER_IDS") != '\0')
        entry = xml_next_same(entry);
    return entry;
}

/* The limit of those without their own; in a pool and in an object it stands below the root. */
static double default_limit(xmlDoc *doc, const char *type, const char *id, const char *name)
{
    xmlNode *root = xmlDocGetRootElement(doc);
    xmlNode *defaults = xml_find(root, "DEFAULT_USER_QUOTAS");
    g_autofree char *path = g_strdup_printf("%s_QUOTA/%s", type, type);
    if (defaults == NULL)
        defaults = xml_find(root, "DEFAULT_GROUP_QUOTAS");
    xmlNode *entry = defaults != NULL ? xml_find(defaults, path) : NULL;
    while (entry != NULL && strcmp(cli_xml_text(entry, "ID"), id) != 0)
        entry = xml_next_same(entry);
    return cli_xml_double(entry, name, -1);
}

typedef enum { AS_COUNT, AS_SIZE, AS_CPU } AmountForm;

static char *amount_text(double amount, AmountForm form)
{
    if (form == AS_SIZE)
        return amount > 0 ? cli_size(amount, 'M') : g_strdup("0M");
    return g_strdup_printf("%.*f", form == AS_CPU ? 1 : 0, amount);
}

/* "  3 /  10"; "-" is no limit. `entry` NULL: nothing is used, and the default is the limit. */
static char *used_of_limit(xmlDoc *doc, xmlNode *entry, const char *type, const char *name,
                           int width, AmountForm form)
{
    g_autofree char *used_name = g_strdup_printf("%s_USED", name);
    double used = cli_xml_double(entry, used_name, 0), limit = cli_xml_double(entry, name, -1);
    if (limit == -1 && *cli_xml_text(entry, "CLUSTER_IDS") == '\0')
        limit = default_limit(doc, type, cli_xml_text(entry, "ID"), name);
    g_autofree char *left = amount_text(used, form);
    g_autofree char *right = limit < 0 ? g_strdup("-") : amount_text(limit, form);
    return g_strdup_printf("%*s / %*s", width, left, form == AS_SIZE ? width : 3, right);
}

/* In a list: nothing counts the administrators. */
static char *listed(xmlNode *object, const char *name, int width, AmountForm form)
{
    if (cli_xml_int(object, "ID", -1) == 0)
        return g_strdup("-");
    return used_of_limit(object->doc, global_entry(holder_of(object)), "VM", name, width, form);
}

char *cli_quota_vms(const Cli *cli, xmlNode *object)
{
    return listed(object, "VMS", 3, AS_COUNT);
}

char *cli_quota_memory(const Cli *cli, xmlNode *object)
{
    return listed(object, "MEMORY", 6, AS_SIZE);
}

char *cli_quota_cpu(const Cli *cli, xmlNode *object)
{
    return listed(object, "CPU", 4, AS_CPU);
}

char *cli_quota_pci(const Cli *cli, xmlNode *object)
{
    return listed(object, "PCI_DEV", 3, AS_COUNT);
}

/* ---- The tables of a page ---- */

#define METRIC(function, type, name, width, form)                                                  \
    static char *function(const Cli *cli, xmlNode *entry)                                          \
    {                                                                                              \
        return used_of_limit(entry->doc, entry, type, name, width, form);                          \
    }

METRIC(vms, "VM", "VMS", 4, AS_COUNT)
METRIC(memory, "VM", "MEMORY", 6, AS_SIZE)
METRIC(cpu, "VM", "CPU", 6, AS_CPU)
METRIC(pci_dev, "VM", "PCI_DEV", 3, AS_COUNT)
METRIC(pci_nic, "VM", "PCI_NIC", 3, AS_COUNT)
METRIC(disk_size, "VM", "SYSTEM_DISK_SIZE", 6, AS_SIZE)
METRIC(running_vms, "VM", "RUNNING_VMS", 4, AS_COUNT)
METRIC(running_memory, "VM", "RUNNING_MEMORY", 6, AS_SIZE)
METRIC(running_cpu, "VM", "RUNNING_CPU", 6, AS_CPU)
METRIC(running_pci_dev, "VM", "RUNNING_PCI_DEV", 3, AS_COUNT)
METRIC(running_pci_nic, "VM", "RUNNING_PCI_NIC", 3, AS_COUNT)
METRIC(images, "DATASTORE", "IMAGES", 6, AS_COUNT)
METRIC(size, "DATASTORE", "SIZE", 8, AS_SIZE)
METRIC(leases, "NETWORK", "LEASES", 6, AS_COUNT)
METRIC(rvms, "IMAGE", "RVMS", 6, AS_COUNT)

#define COLUMN(name, width, function)                                                              \
    {                                                                                              \
        name, width, NULL, function, NULL                                                          \
    }
#define NO_COLUMN COLUMN(NULL, 0, NULL)

static const CliColumn vm_columns[] = {
    {"CLUSTERS", -10, "CLUSTER_IDS", NULL, NULL},
    COLUMN("VMS", 10, vms),
    COLUMN("MEMORY", 15, memory),
    COLUMN("CPU", 12, cpu),
    COLUMN("PCI DEV", 9, pci_dev),
    COLUMN("PCI NIC", 9, pci_nic),
    COLUMN("DISK SIZE", 15, disk_size),
    NO_COLUMN,
};
static const CliColumn running_columns[] = {
    {"CLUSTERS", -10, "CLUSTER_IDS", NULL, NULL},
    COLUMN("RUN VMS", 10, running_vms),
    COLUMN("RUN MEMORY", 15, running_memory),
    COLUMN("RUN CPU", 12, running_cpu),
    COLUMN("RUN PCI", 9, running_pci_dev),
    COLUMN("RUN PCI NIC", 11, running_pci_nic),
    NO_COLUMN,
};
static const CliColumn datastore_columns[] = {{"ID", 12, "ID", NULL, NULL},
                                              COLUMN("IMAGES", 14, images),
                                              COLUMN("SIZE", 20, size),
                                              NO_COLUMN};
static const CliColumn network_columns[] = {
    {"ID", 12, "ID", NULL, NULL}, COLUMN("LEASES", 14, leases), NO_COLUMN};
static const CliColumn image_columns[] = {
    {"ID", 12, "ID", NULL, NULL}, COLUMN("RUNNING VMS", 14, rvms), NO_COLUMN};

void cli_page_quota(const Cli *cli, xmlNode *object, GString *page)
{
    static const struct {
        const char *title, *path;
        const CliColumn *columns;
    } tables[] = {
        {"VMS USAGE & QUOTAS", "VM_QUOTA/VM", vm_columns},
        {"VMS USAGE & QUOTAS - RUNNING", "VM_QUOTA/VM", running_columns},
        {"DATASTORE USAGE & QUOTAS", "DATASTORE_QUOTA/DATASTORE", datastore_columns},
        {"NETWORK USAGE & QUOTAS", "NETWORK_QUOTA/NETWORK", network_columns},
        {"IMAGE USAGE & QUOTAS", "IMAGE_QUOTA/IMAGE", image_columns},
    };
    for (guint i = 0; i < G_N_ELEMENTS(tables); i++)
        cli_page_table(cli, page, tables[i].title, tables[i].columns, holder_of(object),
                       tables[i].path);
}

/* ---- The commands ---- */

/* What stands above the limits in the editor. */
static const char hints[] =
    "# VM        = [ VMS, MEMORY, CPU, SYSTEM_DISK_SIZE, PCI_DEV, PCI_NIC, RUNNING_VMS,\n"
    "#               RUNNING_MEMORY, RUNNING_CPU, RUNNING_PCI_DEV, RUNNING_PCI_NIC, CLUSTER_IDS ]\n"
    "# DATASTORE = [ ID, IMAGES, SIZE ]   NETWORK = [ ID, LEASES ]   IMAGE = [ ID, RVMS ]\n"
    "# Sizes are in MB. -1 is the default limit, -2 is none; what is not named stays as it is.\n";

static gboolean is_counter(const char *name)
{
    return g_str_has_suffix(name, "_USED");
}

/* The limits below `holder` as a template, without what is used. (owned) */
static char *limits_text(xmlNode *holder)
{
    static const char *const paths[] = {"VM_QUOTA/VM", "DATASTORE_QUOTA/DATASTORE",
                                        "NETWORK_QUOTA/NETWORK", "IMAGE_QUOTA/IMAGE"};
    GString *text = g_string_new(hints);
    for (guint i = 0; i < G_N_ELEMENTS(paths); i++)
        for (xmlNode *entry = xml_find(holder, paths[i]); entry != NULL;
             entry = xml_next_same(entry)) {
            const char *separator = "";
            g_string_append_printf(text, "\n%s = [", xml_name(entry));
            for (xmlNode *pair = xml_first_element(entry); pair != NULL;
                 pair = xml_next_element(pair)) {
                if (is_counter(xml_name(pair)))
                    continue;
                g_string_append_printf(text, "%s\n  %s = \"%s\"", separator, xml_name(pair),
                                       cli_xml_text(pair, ""));
                separator = ",";
            }
            g_string_append(text, " ]\n");
        }
    return g_string_free(text, FALSE);
}

/* Text of a file or of standard input, or edited, beginning with what a call answers. (owned) */
static char *wanted_limits(Cli *cli, const char *method, gint32 id, GError **error)
{
    g_auto(WireReply) reply = {0};
    gboolean chosen = FALSE;
    char *text = cli_given_text(cli, &chosen, error);
    if (chosen)
        return text;
    WireClient *wire = cli_wire(cli, error);
    if (wire == NULL)
        return NULL;
    if (method == NULL)
        return cli_edit(hints, error);
    if (!(id >= 0 ? wire_call(wire, &reply, error, method, "ib", id, FALSE)
                  : wire_call(wire, &reply, error, method, "")))
        return NULL;
    g_autoptr(xmlDoc) doc = cli_xml_parse(reply.text, error);
    g_autofree char *present = doc != NULL ? limits_text(xmlDocGetRootElement(doc)) : NULL;
    return present != NULL ? cli_edit(present, error) : NULL;
}

static gboolean set_limits(Cli *cli, gint32 id, const char *text, GError **error)
{
    g_autofree char *method = g_strdup_printf("one.%s.quota", cli->kind->word);
    WireClient *wire = cli_wire(cli, error);
    return wire != NULL && wire_call(wire, NULL, error, method, "is", id, text);
}

static gboolean quota_one(Cli *cli, gint32 id, GError **error)
{
    g_autofree char *text = wanted_limits(cli, cli->kind->info, id, error);
    return text != NULL && set_limits(cli, id, text, error);
}

CliExit cli_run_quota(Cli *cli)
{
    return cli_each(cli, quota_one);
}

CliExit cli_run_batchquota(Cli *cli)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = wanted_limits(cli, NULL, -1, &error);
    CliExit result = text != NULL ? CLI_DONE : cli_fail(cli, error);
    for (guint i = 0; text != NULL && i < cli->ids->len; i++) {
        g_autoptr(GError) failed = NULL;
        if (!set_limits(cli, g_array_index(cli->ids, gint32, i), text, &failed))
            result = cli_fail(cli, failed);
    }
    return result;
}

CliExit cli_run_defaultquota(Cli *cli)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *info = g_strdup_printf("one.%squota.info", cli->kind->word);
    g_autofree char *update = g_strdup_printf("one.%squota.update", cli->kind->word);
    g_autofree char *text = wanted_limits(cli, info, -1, &error);
    WireClient *wire = text != NULL ? cli_wire(cli, &error) : NULL;
    if (wire == NULL || !wire_call(wire, NULL, &error, update, "s", text))
        return cli_fail(cli, error);
    return CLI_DONE;
}
