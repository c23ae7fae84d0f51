#include "client/cli/format.h"
#include "client/cli/kinds.h"
#include "client/cli/rows.h"
#include "client/cli/xml.h"

static const struct {
    const char *name, *brief;
} types[] = {{"IMAGE", "img"}, {"SYSTEM", "sys"}, {"FILE", "fil"}, {"BACKUP", "bck"}};
static const char *const disk_types[] = {"FILE",           "CD_ROM",  "BLOCK",         "RBD",
                                         "RBD_CDROM",      "GLUSTER", "GLUSTER_CDROM", "SHEEPDOG",
                                         "SHEEPDOG_CDROM", "ISCSI"};

static const char *type_of(xmlNode *datastore, gboolean brief)
{
    gint64 type = cli_xml_int(datastore, "TYPE", -1);
    if (type < 0 || type >= (gint64)G_N_ELEMENTS(types))
        return "-";
    return brief ? types[type].brief : types[type].name;
}

static gboolean is_enabled(xmlNode *datastore)
{
    return cli_xml_int(datastore, "STATE", 0) == 0;
}

/* ---- Columns ---- */

/* Space is known where the datastore is watched; that of a system datastore on the hosts is
 * each host's. */
static char *space_text(xmlNode *datastore, const char *name)
{
    double size = cli_xml_double(datastore, name, 0);
    return size > 0 ? cli_size(size, 'M') : g_strdup("-");
}

static char *size_text(const Cli *cli, xmlNode *datastore)
{
    return space_text(datastore, "TOTAL_MB");
}

static char *available_text(const Cli *cli, xmlNode *datastore)
{
    double all = cli_xml_double(datastore, "TOTAL_MB", 0);
    if (all <= 0)
        return g_strdup("-");
    return g_strdup_printf("%.0f%%", cli_xml_double(datastore, "FREE_MB", 0) * 100 / all);
}

static char *clusters_text(const Cli *cli, xmlNode *datastore)
{
    return cli_ids_of(datastore, "CLUSTERS/ID");
}

static char *images_text(const Cli *cli, xmlNode *datastore)
{
    return cli_count_of(datastore, "IMAGES/ID");
}

static char *type_text(const Cli *cli, xmlNode *datastore)
{
    return g_strdup(type_of(datastore, TRUE));
}

static char *driver_text(const Cli *cli, xmlNode *datastore)
{
    const char *driver = cli_xml_text(datastore, "DS_MAD");
    return g_strdup(*driver != '\0' ? driver : "-");
}

static char *stat_text(const Cli *cli, xmlNode *datastore)
{
    return g_strdup(is_enabled(datastore) ? "on" : "off");
}

static const CliColumn columns[] = {
    {"ID", 4, "ID", NULL, "Number of the datastore"},
    {"USER", -8, NULL, cli_column_user, "Owner"},
    {"GROUP", -8, NULL, cli_column_group, "Group"},
    {"NAME", -12, "NAME", NULL, "Name"},
    {"SIZE", 4, NULL, size_text, "Space in all"},
    {"AVA", 3, NULL, available_text, "Of it free, in percent"},
    {"CLUSTERS", -8, NULL, clusters_text, "Clusters whose hosts use it"},
    {"IMAGES", 6, NULL, images_text, "Images in it"},
    {"TYPE", -4, NULL, type_text, "sys: disks of machines; img: images; fil: files"},
    {"DS", -7, NULL, driver_text, "Datastore driver"},
    {"TM", -7, "TM_MAD", NULL, "Transfer driver"},
    {"STAT", -4, NULL, stat_text, "May machines be put there? on or off"},
    CLI_COLUMNS_END,
};

static void datastore_page(Cli *cli, xmlNode *datastore, GString *page)
{
    gint64 disk = cli_xml_int(datastore, "DISK_TYPE", 0);
    const char *limit = cli_xml_text(datastore, "TEMPLATE/LIMIT_MB");
    cli_page_head(cli, datastore, page, "DATASTORE");
    cli_page_members(cli, datastore, page, "CLUSTERS", &cli_cluster, "CLUSTERS/ID");
    cli_page_line(page, "TYPE", type_of(datastore, FALSE));
    cli_page_take(page, "DS_MAD", driver_text(cli, datastore));
    cli_page_line(page, "TM_MAD", cli_xml_text(datastore, "TM_MAD"));
    cli_page_line(page, "BASE PATH", cli_xml_text(datastore, "BASE_PATH"));
    cli_page_line(page, "DISK_TYPE",
                  disk >= 0 && disk < (gint64)G_N_ELEMENTS(disk_types) ? disk_types[disk] : "-");
    cli_page_line(page, "STATE", is_enabled(datastore) ? "READY" : "DISABLED");
    cli_page_title(cli, page, "DATASTORE CAPACITY");
    cli_page_take(page, "TOTAL", space_text(datastore, "TOTAL_MB"));
    cli_page_take(page, "FREE", space_text(datastore, "FREE_MB"));
    cli_page_take(page, "USED", space_text(datastore, "USED_MB"));
    cli_page_take(page, "LIMIT",
                  *limit != '\0' ? cli_size(g_ascii_strtod(limit, NULL), 'M') : g_strdup("-"));
    cli_page_rights(cli, datastore, page);
    cli_page_template(cli, datastore, page, "DATASTORE TEMPLATE");
}

static const CliCommand commands[] = {
    CLI_GROUP("Datastores", "create add allocate", "file?", "new-name cluster",
              "one.datastore.allocate", "@new =cluster", cli_run_new,
              "Makes a datastore. From a file or from standard input."),
    CLI_ROW_LIST("datastores"),
    CLI_ROW_SHOW("datastore", "a datastore"),
    CLI_ROW_DELETE("datastore", "datastore", "Removes a datastore that nothing is in."),
    CLI_ROW("enable", "datastore...", NULL, "one.datastore.enable", "id yes", NULL,
            "Lets machines be put on a system datastore."),
    CLI_ROW("disable", "datastore...", NULL, "one.datastore.enable", "id no", NULL,
            "Lets no more machines be put on a system datastore. Those there stay."),
    CLI_GROUP("Change", "rename", "datastore text:name", NULL, "one.datastore.rename", "id $1",
              NULL, "Renames a datastore."),
    CLI_ROW_UPDATE("datastore", "datastore", "a datastore"),
    CLI_ROW_CHMOD("datastore", "a datastore"),
    CLI_ROW_CHOWN("datastore", "datastore", "a datastore"),
    CLI_ROW_CHGRP("datastore", "datastore", "a datastore"),
    CLI_ROWS_END,
};

const CliKind cli_datastore = {
    .word = "datastore",
    .program = "onedatastore",
    .noun = "datastore",
    .plural = "datastores",
    .element = "DATASTORE",
    .info = "one.datastore.info",
    .pool = "one.datastorepool.info",
    .about = "Datastores: where disks of machines are, and images and files.",
    .examples = "  onedatastore create fast.ds           NAME, TYPE, TM_MAD\n"
                "  onedatastore disable system           no new machines there\n"
                "  onedatastore show system\n",
    .commands = commands,
    .columns = columns,
    .list = "ID,NAME,SIZE,AVA,CLUSTERS,IMAGES,TYPE,DS,TM,STAT",
    .page = datastore_page,
};
