#include "client/cli/kinds.h"
#include "client/cli/rows.h"
#include "client/cli/xml.h"

#include <string.h>

/* ---- Columns ---- */

static char *updated_text(const Cli *cli, xmlNode *object)
{
    return cli_count_of(object, "UPDATED_VMS/ID");
}

static char *outdated_text(const Cli *cli, xmlNode *object)
{
    return cli_count_of(object, "OUTDATED_VMS/ID");
}

static char *error_text(const Cli *cli, xmlNode *object)
{
    return cli_count_of(object, "ERROR_VMS/ID");
}

static const CliColumn columns[] = {
    CLI_COLUMNS_OWNED("security group"),
    {"UPDATED", 8, NULL, updated_text, "Machines that have the rules as they are now"},
    {"OUTDATED", 8, NULL, outdated_text, "Machines that have older rules"},
    {"ERROR", 8, NULL, error_text, "Machines whose rules could not be changed"},
    CLI_COLUMNS_END,
};

/* ---- The page ---- */

static char *range_text(const Cli *cli, xmlNode *rule)
{
    const char *range = cli_xml_text(rule, "RANGE");
    return g_strdup(*range != '\0' ? range : "all");
}

static char *network_text(const Cli *cli, xmlNode *rule)
{
    const char *network = cli_xml_text(rule, "NETWORK_ID"), *ip = cli_xml_text(rule, "IP");
    if (*network != '\0')
        return g_strdup_printf("network %s", network);
    return *ip != '\0' ? g_strdup_printf("%s +%s", ip, cli_xml_text(rule, "SIZE"))
                       : g_strdup("any");
}

static const CliColumn rule_columns[] = {
    {"TYPE", -8, "RULE_TYPE", NULL, NULL},      {"PROTOCOL", -8, "PROTOCOL", NULL, NULL},
    {"ICMP_TYPE", -9, "ICMP_TYPE", NULL, NULL}, {"NETWORK", -30, NULL, network_text, NULL},
    {"RANGE", -24, NULL, range_text, NULL},     CLI_COLUMNS_END,
};

static void secgroup_page(Cli *cli, xmlNode *object, GString *page)
{
    cli_page_head(cli, object, page, "SECURITY GROUP");
    cli_page_rights(cli, object, page);
    cli_page_title(cli, page, "VIRTUAL MACHINES");
    cli_page_take(page, "UPDATED", cli_ids_of(object, "UPDATED_VMS/ID"));
    cli_page_take(page, "OUTDATED", cli_ids_of(object, "OUTDATED_VMS/ID"));
    cli_page_take(page, "ERROR", cli_ids_of(object, "ERROR_VMS/ID"));
    cli_page_table(cli, page, "RULES", rule_columns, object, "TEMPLATE/RULE");
    cli_page_template(cli, object, page, "TEMPLATE CONTENTS");
}

static const CliCommand commands[] = {
    CLI_GROUP("Security groups", "create add allocate", "file?", "new-name",
              "one.secgroup.allocate", "@new", cli_run_new,
              "Makes a security group. From a file or from standard input: RULE = [ ... ] each."),
    CLI_ROW_LIST_OF("security groups"),
    CLI_ROW_SHOW("secgroup", "a security group"),
    CLI_ROW_CLONE("secgroup", "secgroup", "a security group"),
    CLI_ROW_DELETE("secgroup", "secgroup", "Removes a security group that nothing uses."),
    CLI_ROW("commit", "secgroup", "left-over", "one.secgroup.commit", "id ?left-over", NULL,
            "Writes the rules into the machines that use them."),
    CLI_GROUP("Change", "rename", "secgroup text:name", NULL, "one.secgroup.rename", "id $1", NULL,
              "Renames a security group."),
    CLI_ROW_UPDATE("secgroup", "secgroup", "a security group"),
    CLI_ROW_CHMOD("secgroup", "a security group"),
    CLI_ROW_CHOWN("secgroup", "secgroup", "a security group"),
    CLI_ROW_CHGRP("secgroup", "secgroup", "a security group"),
    CLI_ROWS_END,
};

const CliKind cli_secgroup = {
    .word = "secgroup",
    .program = "onesecgroup",
    .noun = "security group",
    .plural = "security groups",
    .element = "SECURITY_GROUP",
    .info = "one.secgroup.info",
    .pool = "one.secgrouppool.info",
    .pool_arguments = "-2 -1 -1",
    .about = "Security groups: rules about what may come to a machine's network cards, and leave.",
    .examples = "  onesecgroup create web.sg\n"
                "  onesecgroup show web\n"
                "  onesecgroup update web && onesecgroup commit web\n",
    .commands = commands,
    .columns = columns,
    .list = "ID,USER,GROUP,NAME,UPDATED,OUTDATED,ERROR",
    .page = secgroup_page,
};
