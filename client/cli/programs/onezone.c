#include "client/cli/kinds.h"
#include "client/cli/rows.h"
#include "client/cli/xml.h"
#include "lib/base/xml.h"
#include "lib/wire/session.h"

#include <stdio.h>
#include <string.h>

/* ---- Columns and the page ---- */

static gboolean is_current(xmlNode *object)
{
    g_autofree char *endpoint = wire_find_endpoint();
    return strcmp(endpoint, cli_xml_text(object, "TEMPLATE/ENDPOINT")) == 0;
}

static char *current_text(const Cli *cli, xmlNode *object)
{
    return g_strdup(is_current(object) ? "*" : "");
}

static char *state_text(const Cli *cli, xmlNode *object)
{
    return g_strdup(cli_xml_int(object, "STATE", 0) == 0 ? "on" : "dsbl");
}

static const CliColumn columns[] = {
    {"CURRENT", 1, NULL, current_text, "* when its endpoint is the one in use"},
    {"ID", 5, "ID", NULL, "Number of the zone"},
    {"NAME", -15, "NAME", NULL, "Name"},
    {"ENDPOINT", -45, "TEMPLATE/ENDPOINT", NULL, "Address of its server"},
    {"STAT", -4, NULL, state_text, "on, or dsbl when nothing can be changed there"},
    CLI_COLUMNS_END,
};

static const CliColumn server_columns[] = {
    {"ID", 3, "ID", NULL, NULL},
    {"NAME", -15, "NAME", NULL, NULL},
    {"ENDPOINT", -45, "ENDPOINT", NULL, NULL},
    CLI_COLUMNS_END,
};

static void zone_page(Cli *cli, xmlNode *object, GString *page)
{
    cli_page_head(cli, object, page, "ZONE");
    cli_page_take(page, "STATE", state_text(cli, object));
    cli_page_table(cli, page, "SERVERS", server_columns, object, "SERVER_POOL/SERVER");
    cli_page_template(cli, object, page, "ZONE TEMPLATE");
}

/* ---- set ---- */

/* Further commands go to that zone: its address stands in ~/.one/one_endpoint, which the
 * environment goes before. */
static CliExit run_set(Cli *cli)
{
    g_autoptr(GError) error = NULL;
    g_auto(WireReply) reply = {0};
    gint32 id = g_array_index(cli->ids, gint32, 0);
    WireClient *wire = cli_wire(cli, &error);
    if (wire == NULL || !wire_call(wire, &reply, &error, "one.zone.info", "ib", id, FALSE))
        return cli_fail(cli, error);
    g_autoptr(xmlDoc) doc = cli_xml_parse(reply.text, &error);
    if (doc == NULL)
        return cli_fail(cli, error);
    const char *endpoint = cli_xml_text(xmlDocGetRootElement(doc), "TEMPLATE/ENDPOINT");
    g_autofree char *directory = g_build_filename(g_get_home_dir(), ".one", NULL);
    g_autofree char *path = g_build_filename(directory, "one_endpoint", NULL);
    g_autofree char *line = g_strdup_printf("%s\n", endpoint);
    if (g_mkdir_with_parents(directory, 0700) != 0 || !g_file_set_contents(path, line, -1, &error))
        return cli_fail(cli, error);
    printf("Endpoint changed to \"%s\" in %s\n", endpoint, path);
    if (g_getenv("ONE_XMLRPC") != NULL)
        fprintf(stderr, "ONE_XMLRPC is set to %s and goes before that file; unset it\n",
                g_getenv("ONE_XMLRPC"));
    return CLI_DONE;
}

static const CliCommand commands[] = {
    CLI_GROUP("Zones", "create add allocate", "file?", "new-name", "one.zone.allocate", "@new",
              cli_run_new,
              "Makes a zone known. From a file or from standard input: ENDPOINT = "
              "http://server:2633/RPC2."),
    CLI_ROW_LIST("zones"),
    CLI_ROW_SHOW("zone", "a zone"),
    CLI_ROW_DELETE("zone", "zone", "Forgets another zone. Nothing is changed there."),
    CLI_ROW("set use", "zone", NULL, NULL, NULL, run_set,
            "Lets further commands go to a zone. Its endpoint is written to ~/.one/one_endpoint."),
    CLI_GROUP("Change", "rename", "zone text:name", NULL, "one.zone.rename", "id $1", NULL,
              "Renames a zone."),
    CLI_ROW_UPDATE("zone", "zone", "a zone"),
    CLI_ROW("enable", "zone...", NULL, "one.zone.enable", "id yes", NULL,
            "Lets things be changed in a zone."),
    CLI_ROW("disable", "zone...", NULL, "one.zone.enable", "id no", NULL,
            "Lets nothing be changed in a zone: lists and pages are answered."),
    CLI_ROW("server-add", "zone file?", NULL, "one.zone.addserver", "id @new", NULL,
            "Notes a server of the zone. From a file or from standard input: SERVER = [ NAME = "
            "..., ENDPOINT = ... ]."),
    CLI_ROW("server-del", "zone number:serverid", NULL, "one.zone.delserver", "id $1", NULL,
            "Forgets a server of the zone."),
    CLI_ROW("serversync", "text:server", "sync-db", NULL, NULL, cli_run_absent,
            "There is nothing to copy: one server leads a zone, and no other follows it. `oned "
            "--backup FILE` copies its database while it runs."),
    CLI_ROW("server-reset", "zone number:serverid", NULL, "one.zone.resetserver", "id $1", NULL,
            "Sends a server its log anew. There is none here: nothing is done."),
    CLI_ROWS_END,
};

const CliKind cli_zone = {
    .word = "zone",
    .program = "onezone",
    .noun = "zone",
    .plural = "zones",
    .element = "ZONE",
    .info = "one.zone.info",
    .pool = "one.zonepool.info",
    .pool_arguments = "",
    .about = "Zones: this installation, and the addresses of others.",
    .examples = "  echo 'ENDPOINT = http://south:2633/RPC2' | onezone create - --name south\n"
                "  onezone set south && onevm list\n",
    .commands = commands,
    .columns = columns,
    .list = "CURRENT,ID,NAME,ENDPOINT,STAT",
    .page = zone_page,
};
