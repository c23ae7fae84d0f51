#include "client/cli/call.h"
#include "client/cli/edit.h"
#include "client/cli/kinds.h"
#include "client/cli/rows.h"
#include "client/cli/xml.h"

#include <stdio.h>

static const CliColumn columns[] = {
    CLI_COLUMNS_OWNED("template"),
    {"REGTIME", 15, NULL, cli_column_regtime, "When it was made"},
    CLI_COLUMNS_END,
};

static void vntemplate_page(Cli *cli, xmlNode *object, GString *page)
{
    cli_page_head(cli, object, page, "TEMPLATE");
    cli_page_take(page, "REGISTER TIME", cli_column_regtime(cli, object));
    cli_page_rights(cli, object, page);
    cli_page_template(cli, object, page, "TEMPLATE CONTENTS");
}

static CliExit run_instantiate(Cli *cli)
{
    g_autoptr(GError) error = NULL;
    g_auto(WireReply) reply = {0};
    const char *file = cli_word(cli, 1), *name = cli_option(cli, "new-name");
    g_autofree char *more = file != NULL ? cli_read_template(file, &error) : g_strdup("");
    WireClient *wire = more != NULL ? cli_wire(cli, &error) : NULL;
    if (wire == NULL ||
        !wire_call(wire, &reply, &error, "one.vntemplate.instantiate", "iss",
                   g_array_index(cli->ids, gint32, 0), name != NULL ? name : "", more))
        return cli_fail(cli, error);
    printf("VN ID: %" G_GINT64_FORMAT "\n", reply.number);
    return CLI_DONE;
}

static const CliCommand commands[] = {
    CLI_GROUP("Templates of networks", "create add allocate", "file?", "new-name",
              "one.vntemplate.allocate", "@new", cli_run_new,
              "Keeps a template, to make networks from. From a file or from standard input."),
    CLI_ROW_LIST_OF("templates of networks"),
    CLI_ROW_TOP("templates of networks"),
    CLI_ROW_SHOW("vntemplate", "a template of networks"),
    CLI_ROW("instantiate", "vntemplate file?", "new-name", NULL, NULL, run_instantiate,
            "Makes a network from a template. A file adds to it or replaces what it says."),
    CLI_ROW_CLONE("vntemplate", "vntemplate", "a template of networks"),
    CLI_ROW_DELETE("vntemplate", "vntemplate",
                   "Removes a template of networks. Networks made from it stay."),
    CLI_GROUP("Change", "rename", "vntemplate text:name", NULL, "one.vntemplate.rename", "id $1",
              NULL, "Renames a template of networks."),
    CLI_ROW_UPDATE("vntemplate", "vntemplate", "a template of networks"),
    CLI_ROW_LOCK("vntemplate", "vntemplate", "a template of networks"),
    CLI_ROW_UNLOCK("vntemplate", "vntemplate"),
    CLI_ROW_CHMOD("vntemplate", "a template of networks"),
    CLI_ROW_CHOWN("vntemplate", "vntemplate", "a template of networks"),
    CLI_ROW_CHGRP("vntemplate", "vntemplate", "a template of networks"),
    CLI_ROWS_END,
};

const CliKind cli_vntemplate = {
    .word = "vntemplate",
    .program = "onevntemplate",
    .noun = "template of networks",
    .plural = "templates of networks",
    .element = "VNTEMPLATE",
    .info = "one.vntemplate.info",
    .pool = "one.vntemplatepool.info",
    .pool_arguments = "-2 -1 -1",
    .about = "Templates of networks: keeps them, and makes networks from them.",
    .examples = "  onevntemplate create lans.net               VN_MAD, PHYDEV, AR = [ ... ]\n"
                "  onevntemplate instantiate lans --name lan1\n"
                "  onevntemplate chmod lans 604                others may use it\n",
    .commands = commands,
    .columns = columns,
    .list = "ID,USER,GROUP,NAME,REGTIME",
    .page = vntemplate_page,
};
