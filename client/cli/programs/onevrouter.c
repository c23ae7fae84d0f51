#include "client/cli/args.h"
#include "client/cli/kinds.h"
#include "client/cli/edit.h"
#include "client/cli/rows.h"
#include "client/cli/vm_create.h"
#include "client/cli/xml.h"
#include "lib/base/xml.h"

#include <stdio.h>

/* ---- Columns and the page ---- */

static char *vms_text(const Cli *cli, xmlNode *object)
{
    return cli_count_of(object, "VMS/ID");
}

static const CliColumn columns[] = {
    CLI_COLUMNS_OWNED("virtual router"),
    {"VMS", 4, NULL, vms_text, "Machines of the router"},
    CLI_COLUMNS_END,
};

static const CliColumn card_columns[] = {
    {"ID", 3, "NIC_ID", NULL, NULL},
    {"NETWORK", -20, "NETWORK", NULL, NULL},
    {"FLOATING", -8, "FLOATING_IP", NULL, NULL},
    {"ONLY", -4, "FLOATING_ONLY", NULL, NULL},
    {"MANAGEMENT", -10, "VROUTER_MANAGEMENT", NULL, NULL},
    {"IP", -15, "IP", NULL, NULL},
    {"IP6", -30, "IP6_GLOBAL", NULL, NULL},
    CLI_COLUMNS_END,
};

static void vrouter_page(Cli *cli, xmlNode *object, GString *page)
{
    cli_page_head(cli, object, page, "VIRTUAL ROUTER");
    cli_page_members(cli, object, page, "VIRTUAL MACHINES", &cli_vm, "VMS/ID");
    cli_page_rights(cli, object, page);
    cli_page_table(cli, page, "NICS", card_columns, object, "TEMPLATE/NIC");
    cli_page_template(cli, object, page, "TEMPLATE CONTENTS");
}

/* ---- instantiate ---- */

static CliExit run_instantiate(Cli *cli)
{
    g_autoptr(GError) error = NULL;
    const char *name = cli_option(cli, "machine-name");
    const char *file = cli_word(cli, 2);
    gint32 id = g_array_index(cli->ids, gint32, 0), template = cli->numbers[1];
    guint count = cli_multiple(cli);
    if (count == 0)
        return CLI_USAGE;
    g_autofree char *base = file != NULL ? cli_read_file(file, &error) : NULL;
    g_autofree char *text = error == NULL ? cli_vm_template(cli, base, 0, &error) : NULL;
    if (text == NULL)
        return cli_fail(cli, error);
    WireClient *wire = cli_wire(cli, &error);
    if (wire == NULL ||
        !wire_call(wire, NULL, &error, "one.vrouter.instantiate", "iiisbs", id, (gint32)count,
                   template, name != NULL ? name : "", cli_option(cli, "hold") != NULL, text))
        return cli_fail(cli, error);
    printf("ID: %d\n", id);
    return CLI_DONE;
}

/* What machines get beside what their template says; cards are the router's. */
#define ADDITIONS "cpu vcpu memory arch disk boot raw vnc vnc-password vnc-listen spice ssh context"

static const CliCommand commands[] = {
    CLI_GROUP("Virtual routers", "create add allocate", "file?", "new-name", "one.vrouter.allocate",
              "@new", cli_run_new,
              "Makes a virtual router. From a file or from standard input: NIC = [ NETWORK = ..., "
              "FLOATING_IP = YES ] each, KEEPALIVED_ID, KEEPALIVED_PASSWORD."),
    CLI_ROW_LIST_OF("virtual routers"),
    CLI_ROW("top", "text:filterflag?", "delay count " CLI_LIST, NULL, NULL, cli_run_top,
            "Lists the virtual routers again and again. Ctrl-C ends it."),
    CLI_ROW_SHOW("vrouter", "a virtual router"),
    CLI_ROW(
        "instantiate", "vrouter template file?", "machine-name multiple hold " ADDITIONS, NULL,
        NULL, run_instantiate,
        "Makes the machines of a router. From a template with VROUTER=YES; %i in --name becomes "
        "the number of the machine."),
    CLI_ROW_DELETE("vrouter", "vrouter", "Removes a virtual router and its machines."),
    CLI_GROUP("Cards", "nic-attach", "vrouter", "file network ip float float-only management", NULL,
              NULL, cli_vrouter_nic_attach,
              "Gives a router and each of its machines a network card."),
    CLI_ROW("nic-detach", "vrouter number:nicid", NULL, "one.vrouter.detachnic", "id $1", NULL,
            "Takes a network card from a router and each of its machines."),
    CLI_GROUP("Change", "rename", "vrouter text:name", NULL, "one.vrouter.rename", "id $1", NULL,
              "Renames a virtual router."),
    CLI_ROW_UPDATE("vrouter", "vrouter", "a virtual router"),
    CLI_ROW_CHMOD("vrouter", "a virtual router"),
    CLI_ROW_CHOWN("vrouter", "vrouter", "a virtual router"),
    CLI_ROW_CHGRP("vrouter", "vrouter", "a virtual router"),
    CLI_ROW_LOCK("vrouter", "vrouter", "a virtual router"),
    CLI_ROW_UNLOCK("vrouter", "vrouter"),
    CLI_ROWS_END,
};

const CliKind cli_vrouter = {
    .word = "vrouter",
    .program = "onevrouter",
    .noun = "virtual router",
    .plural = "virtual routers",
    .element = "VROUTER",
    .info = "one.vrouter.info",
    .pool = "one.vrouterpool.info",
    .pool_arguments = "-2 -1 -1",
    .about = "Virtual routers: machines that share addresses in several networks.",
    .examples = "  echo 'NIC = [ NETWORK = out ]' | onevrouter create - --name edge\n"
                "  onevrouter instantiate edge vr-template --multiple 2\n"
                "  onevrouter nic-attach edge --network inside --float\n",
    .commands = commands,
    .columns = columns,
    .list = "ID,USER,GROUP,NAME",
    .page = vrouter_page,
};
