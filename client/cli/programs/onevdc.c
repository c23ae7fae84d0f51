#include "client/cli/call.h"
#include "client/cli/kinds.h"
#include "client/cli/names.h"
#include "client/cli/rows.h"
#include "client/cli/xml.h"

#include <string.h>

#define ALL_OF_ZONE (-10) /* instead of an id: all that the zone has */

/* What a VDC gives to its groups. */
typedef struct Resource {
    const char *what;    /* in names of commands */
    const char *element; /* below `list` in the VDC */
    const char *list;
    const CliKind *kind;
} Resource;

static const Resource resources[] = {
    {"cluster", "CLUSTER", "CLUSTERS", &cli_cluster},
    {"host", "HOST", "HOSTS", &cli_host},
    {"vnet", "VNET", "VNETS", &cli_network},
    {"datastore", "DATASTORE", "DATASTORES", &cli_datastore},
};

/* ---- Columns ---- */

/* The resources of one sort as "0, 3 (of zone 100)", or ALL; with `count` how many. (owned) */
static char *resource_text(xmlNode *vdc, const Resource *resource, gboolean count)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree char *path = g_strdup_printf("%s/%s", resource->list, resource->element);
    g_autofree char *id_name = g_strdup_printf("%s_ID", resource->element);
    guint found = 0;
    for (xmlNode *at = xml_find(vdc, path); at != NULL; at = xml_next_same(at), found++) {
        gint64 id = cli_xml_int(at, id_name, -1), zone = cli_xml_int(at, "ZONE_ID", 0);
        if (id == ALL_OF_ZONE && count)
            return g_strdup("ALL");
        g_string_append(text, text->len > 0 ? ", " : "");
        if (id == ALL_OF_ZONE)
            g_string_append(text, "ALL");
        else
            g_string_append_printf(text, "%" G_GINT64_FORMAT, id);
        if (zone != 0)
            g_string_append_printf(text, " (of zone %" G_GINT64_FORMAT ")", zone);
    }
    return count ? g_strdup_printf("%u", found) : g_strdup(text->str);
}

static char *groups_text(const Cli *cli, xmlNode *vdc)
{
    return cli_count_of(vdc, "GROUPS/ID");
}

static char *clusters_text(const Cli *cli, xmlNode *vdc)
{
    return resource_text(vdc, &resources[0], TRUE);
}

static char *hosts_text(const Cli *cli, xmlNode *vdc)
{
    return resource_text(vdc, &resources[1], TRUE);
}

static char *networks_text(const Cli *cli, xmlNode *vdc)
{
    return resource_text(vdc, &resources[2], TRUE);
}

static char *datastores_text(const Cli *cli, xmlNode *vdc)
{
    return resource_text(vdc, &resources[3], TRUE);
}

static const CliColumn columns[] = {
    {"ID", 4, "ID", NULL, "Number of the VDC"},
    {"NAME", -17, "NAME", NULL, "Name"},
    {"GROUPS", 6, NULL, groups_text, "How many groups may use it"},
    {"CLUSTERS", 10, NULL, clusters_text, "Clusters that they may use; ALL: those of the zone"},
    {"HOSTS", 10, NULL, hosts_text, "Hosts besides"},
    {"VNETS", 10, NULL, networks_text, "Networks besides"},
    {"DATASTORES", 10, NULL, datastores_text, "Datastores besides"},
    CLI_COLUMNS_END,
};

static void vdc_page(Cli *cli, xmlNode *vdc, GString *page)
{
    cli_page_head(cli, vdc, page, "VDC");
    cli_page_members(cli, vdc, page, "GROUPS", &cli_group, "GROUPS/ID");
    for (guint i = 0; i < G_N_ELEMENTS(resources); i++)
        cli_page_take(page, resources[i].list, resource_text(vdc, &resources[i], FALSE));
    cli_page_template(cli, vdc, page, "VDC TEMPLATE");
}

/* ---- Resources ---- */

/* The last word is a resource of the sort that the command's name tells, or ALL. */
static gboolean change_one(Cli *cli, gint32 id, GError **error)
{
    const char *word = cli_word(cli, 2);
    gint32 resource = ALL_OF_ZONE;
    for (guint i = 0; i < G_N_ELEMENTS(resources); i++)
        if (strcmp(cli->called + strlen("add"), resources[i].what) == 0 &&
            g_ascii_strcasecmp(word, "ALL") != 0 &&
            !cli_find_id(cli, resources[i].kind, word, &resource, error))
            return FALSE;
    WireClient *wire = cli_wire(cli, error);
    return wire != NULL &&
           wire_call(wire, NULL, error, cli->command->method, "iii", id, cli->numbers[1], resource);
}

static CliExit run_change(Cli *cli)
{
    return cli_each(cli, change_one);
}

/* ---- The tables ---- */

#define ROWS_RESOURCE(what, a, plural)                                                             \
    CLI_ROW("add" what, "vdc... zone text:" what, NULL, "one.vdc.add" what, NULL, run_change,      \
            "Lets the groups of a VDC use " a ". The zone is 0; ALL: all " plural " of it."),      \
        CLI_ROW("del" what, "vdc... zone text:" what, NULL, "one.vdc.del" what, NULL, run_change,  \
                "Lets the groups of a VDC not use " a " any more.")

static const CliCommand commands[] = {
    CLI_GROUP("VDCs", "create add allocate", "file?", "new-name", "one.vdc.allocate", "@new",
              cli_run_new, "Makes a VDC. From a file, from standard input, or by --name."),
    CLI_ROW_LIST("VDCs"),
    CLI_ROW("show", "vdc...", "no-color pager no-pager " CLI_FORMATS, NULL, NULL, cli_run_show,
            "Shows all about a VDC."),
    CLI_ROW_DELETE("vdc", "vdc", "Removes a VDC. Its groups lose what it gave them."),
    CLI_ROW_RENAME("vdc", "vdc", "a VDC"),
    CLI_ROW_UPDATE("vdc", "vdc", "a VDC"),
    CLI_GROUP("What is in it", "addgroup", "vdc... group", NULL, "one.vdc.addgroup", "id $1", NULL,
              "Lets a group use what a VDC has."),
    CLI_ROW("delgroup", "vdc... group", NULL, "one.vdc.delgroup", "id $1", NULL,
            "Takes that from a group."),
    ROWS_RESOURCE("cluster", "a cluster", "clusters"),
    ROWS_RESOURCE("host", "a host", "hosts"),
    ROWS_RESOURCE("vnet", "a network", "networks"),
    ROWS_RESOURCE("datastore", "a datastore", "datastores"),
    CLI_ROWS_END,
};

const CliKind cli_vdc = {
    .word = "vdc",
    .program = "onevdc",
    .noun = "VDC",
    .plural = "VDCs",
    .element = "VDC",
    .info = "one.vdc.info",
    .pool = "one.vdcpool.info",
    .about = "Virtual data centers: which groups may use which clusters, hosts, networks and "
             "datastores.",
    .examples = "  onevdc create --name physics\n"
                "  onevdc addgroup physics staff\n"
                "  onevdc addcluster physics 0 rack2\n"
                "  onevdc addhost physics 0 ALL\n",
    .commands = commands,
    .columns = columns,
    .list = "ID,NAME,GROUPS,CLUSTERS,HOSTS,VNETS,DATASTORES",
    .page = vdc_page,
};
