#include "client/cli/format.h"
#include "client/cli/kinds.h"
#include "client/cli/rows.h"
#include "client/cli/xml.h"

/* ---- Columns ---- */

static char *size_text(const Cli *cli, xmlNode *market)
{
    double total = cli_xml_double(market, "TOTAL_MB", 0);
    return total > 0 ? cli_size(total, 'M') : g_strdup("0M");
}

static char *available_text(const Cli *cli, xmlNode *market)
{
    double total = cli_xml_double(market, "TOTAL_MB", 0);
    double left = cli_xml_double(market, "FREE_MB", 0);
    return total > 0 ? g_strdup_printf("%.0f%%", 100 * left / total) : g_strdup("-");
}

static char *apps_text(const Cli *cli, xmlNode *market)
{
    guint count = 0;
    for (xmlNode *at = xml_find(market, "MARKETPLACEAPPS/ID"); at != NULL; at = xml_next_same(at))
        count++;
    return g_strdup_printf("%u", count);
}

static char *stat_text(const Cli *cli, xmlNode *market)
{
    return g_strdup(cli_xml_int(market, "STATE", 0) == 0 ? "on" : "off");
}

static const CliColumn columns[] = {
    {"ID", 4, "ID", NULL, "Number of the marketplace"},
    {"USER", -8, NULL, cli_column_user, "Owner"},
    {"GROUP", -8, NULL, cli_column_group, "Group"},
    {"NAME", -20, "NAME", NULL, "Name"},
    {"SIZE", 7, NULL, size_text, "Space in all; 0M: not known"},
    {"AVAIL", 5, NULL, available_text, "Of it free, in percent"},
    {"APPS", 5, NULL, apps_text, "Apps in it"},
    {"MAD", -15, "MARKET_MAD", NULL, "Driver"},
    {"ZONE", 4, "ZONE_ID", NULL, "Zone that it belongs to"},
    {"STAT", -4, NULL, stat_text, "on or off"},
    CLI_COLUMNS_END,
};

/* ---- The page ---- */

static void market_page(Cli *cli, xmlNode *market, GString *page)
{
    cli_page_head(cli, market, page, "MARKETPLACE");
    cli_page_line(page, "STATE", cli_xml_int(market, "STATE", 0) == 0 ? "ENABLED" : "DISABLED");
    cli_page_line(page, "MARKET_MAD", cli_xml_text(market, "MARKET_MAD"));
    cli_page_title(cli, page, "MARKETPLACE CAPACITY");
    cli_page_take(page, "TOTAL", size_text(cli, market));
    cli_page_take(page, "FREE", cli_size(cli_xml_double(market, "FREE_MB", 0), 'M'));
    cli_page_take(page, "USED", cli_size(cli_xml_double(market, "USED_MB", 0), 'M'));
    cli_page_rights(cli, market, page);
    cli_page_template(cli, market, page, "MARKETPLACE TEMPLATE");
    cli_page_title(cli, page, "MARKETPLACE APPS");
    cli_page_members(cli, market, page, "APPS", &cli_app, "MARKETPLACEAPPS/ID");
}

static const CliCommand commands[] = {
    CLI_GROUP("Marketplaces", "create add allocate", "file?", "new-name", "one.market.allocate",
              "@new", cli_run_new,
              "Makes a marketplace. From a file or from standard input: MARKET_MAD, and what that "
              "needs."),
    CLI_ROW_LIST("marketplaces"),
    CLI_ROW_SHOW("market", "a marketplace"),
    CLI_ROW_DELETE("market", "market",
                   "Removes a marketplace that has no apps, or whose apps are those of others."),
    CLI_GROUP("Change", "enable", "market...", NULL, "one.market.enable", "id yes", NULL,
              "Enables a marketplace, and looks at what is there."),
    CLI_ROW("disable", "market...", NULL, "one.market.enable", "id no", NULL,
            "Leaves a marketplace alone: nothing is put there, and it is not looked at."),
    CLI_ROW_RENAME("market", "market", "a marketplace"),
    CLI_ROW_UPDATE("market", "market", "a marketplace"),
    CLI_ROW_CHMOD("market", "a marketplace"),
    CLI_ROW_CHOWN("market", "market", "a marketplace"),
    CLI_ROW_CHGRP("market", "market", "a marketplace"),
    CLI_ROWS_END,
};

const CliKind cli_market = {
    .word = "market",
    .program = "onemarket",
    .noun = "marketplace",
    .plural = "marketplaces",
    .element = "MARKETPLACE",
    .info = "one.market.info",
    .pool = "one.marketpool.info",
    .pool_arguments = "",
    .about = "Marketplaces: where images and templates are kept for others, and public catalogues.",
    .examples = "  onemarket create ours.market\n"
                "  onemarket enable 'OpenNebula Public'\n"
                "  onemarketapp list\n",
    .commands = commands,
    .columns = columns,
    .list = "ID,NAME,SIZE,AVAIL,APPS,MAD,ZONE,STAT",
    .page = market_page,
};
