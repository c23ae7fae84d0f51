#include "client/cli/call.h"
#include "client/cli/format.h"
#include "client/cli/kinds.h"
#include "client/cli/rows.h"
#include "client/cli/xml.h"
#include "lib/base/xml.h"

#include <stdio.h>
#include <string.h>

static char *hosts_text(const Cli *cli, xmlNode *cluster)
{
    return cli_count_of(cluster, "HOSTS/ID");
}

static char *networks_text(const Cli *cli, xmlNode *cluster)
{
    return cli_count_of(cluster, "VNETS/ID");
}

static char *datastores_text(const Cli *cli, xmlNode *cluster)
{
    return cli_count_of(cluster, "DATASTORES/ID");
}

static const CliColumn columns[] = {
    {"ID", 4, "ID", NULL, "Number of the cluster"},
    {"NAME", -18, "NAME", NULL, "Name"},
    {"HOSTS", 7, NULL, hosts_text, "How many hosts it has"},
    {"VNETS", 10, NULL, networks_text, "Networks that its machines may use"},
    {"DATASTORES", 10, NULL, datastores_text, "Datastores that its hosts use"},
    CLI_COLUMNS_END,
};

/* ---- plans ---- */

static char *plan_state_text(const Cli *cli, xmlNode *action)
{
    static const char *const names[] = {"READY", "APPLYING", "DONE", "ERROR", "TIMEOUT"};
    gint64 state = cli_xml_int(action, "STATE", -1);
    return g_strdup(state >= 0 && state < (gint64)G_N_ELEMENTS(names) ? names[state] : "-");
}

static char *plan_time_text(const Cli *cli, xmlNode *action)
{
    return cli_time(cli_xml_int(action, "TIMESTAMP", 0));
}

static const CliColumn plan_columns[] = {
    {"ID", 3, "ID", NULL, NULL},
    {"VM", 6, "VM_ID", NULL, NULL},
    {"OPERATION", -14, "OPERATION", NULL, NULL},
    {"HOST", 5, "HOST_ID", NULL, NULL},
    {"STATE", -9, NULL, plan_state_text, NULL},
    {"TIME", 14, NULL, plan_time_text, NULL},
    CLI_COLUMNS_END,
};

static void plan_page(Cli *cli, xmlNode *cluster, GString *page)
{
    xmlNode *plan = xml_find(cluster, "PLAN");
    if (plan == NULL)
        return;
    g_autofree char *state = plan_state_text(cli, plan);
    g_autofree char *title = g_strdup_printf("PLAN (%s)", state);
    cli_page_table(cli, page, title, plan_columns, plan, "ACTION");
}

/* What became of it is in the cluster: a plan, or none. */
static gboolean optimize_one(Cli *cli, gint32 id, GError **error)
{
    g_auto(WireReply) reply = {0};
    WireClient *wire = cli_wire(cli, error);
    if (wire == NULL || !wire_call(wire, NULL, error, "one.cluster.optimize", "i", id) ||
        !wire_call(wire, &reply, error, cli->kind->info, "ib", id, FALSE))
        return FALSE;
    g_autoptr(xmlDoc) doc = cli_xml_parse(reply.text, error);
    if (doc == NULL)
        return FALSE;
    xmlNode *cluster = xmlDocGetRootElement(doc);
    g_autofree char *moves = cli_count_of(cluster, "PLAN/ACTION");
    if (strcmp(moves, "0") == 0)
        printf("%s (%d): nothing would get better, so there is no plan\n",
               cli_xml_text(cluster, "NAME"), id);
    else
        printf(
            "%s (%d): machines to move: %s. `onecluster show %d` lists them, `onecluster execute "
            "%d` moves them\n",
            cli_xml_text(cluster, "NAME"), id, moves, id, id);
    return TRUE;
}

static CliExit run_optimize(Cli *cli)
{
    return cli_each(cli, optimize_one);
}

static void cluster_page(Cli *cli, xmlNode *cluster, GString *page)
{
    cli_page_head(cli, cluster, page, "CLUSTER");
    cli_page_members(cli, cluster, page, "HOSTS", &cli_host, "HOSTS/ID");
    cli_page_members(cli, cluster, page, "VNETS", &cli_network, "VNETS/ID");
    cli_page_members(cli, cluster, page, "DATASTORES", &cli_datastore, "DATASTORES/ID");
    plan_page(cli, cluster, page);
    cli_page_template(cli, cluster, page, "CLUSTER TEMPLATE");
}

static const CliCommand commands[] = {
    CLI_GROUP("Clusters", "create add allocate", "text:name", NULL, "one.cluster.allocate", "$0",
              cli_run_new, "Makes a cluster."),
    CLI_ROW_LIST("clusters"),
    CLI_ROW_SHOW("cluster", "a cluster"),
    CLI_ROW_DELETE("cluster", "cluster", "Removes an empty cluster."),
    CLI_ROW_RENAME("cluster", "cluster", "a cluster"),
    CLI_ROW_UPDATE("cluster", "cluster", "a cluster"),
    CLI_GROUP("What is in it", "addhost", "cluster host", NULL, "one.cluster.addhost", "id $1",
              NULL, "Puts a host into a cluster. It leaves the one it was in."),
    CLI_ROW("delhost", "cluster host", NULL, "one.cluster.delhost", "id $1", NULL,
            "Puts a host back into the default cluster."),
    CLI_ROW("adddatastore", "cluster datastore", NULL, "one.cluster.adddatastore", "id $1", NULL,
            "Lets a cluster use a datastore."),
    CLI_ROW("deldatastore", "cluster datastore", NULL, "one.cluster.deldatastore", "id $1", NULL,
            "Lets a cluster not use a datastore any more."),
    CLI_ROW("addvnet", "cluster network", NULL, "one.cluster.addvnet", "id $1", NULL,
            "Lets a cluster use a network."),
    CLI_ROW("delvnet", "cluster network", NULL, "one.cluster.delvnet", "id $1", NULL,
            "Lets a cluster not use a network any more."),
    CLI_GROUP("Plans", "optimize", "cluster...", NULL, "one.cluster.optimize", "id", run_optimize,
              "Makes a plan of which machines to move. So that the hosts are used as ONE_DRS of "
              "the cluster says: evenly, or as few as possible. `show` shows it; there is none "
              "when nothing would get better."),
    CLI_ROW("execute planexecute", "cluster...", NULL, "one.cluster.planexecute", "id", NULL,
            "Carries a plan out."),
    CLI_ROW("delete-plan plandelete", "cluster...", NULL, "one.cluster.plandelete", "id", NULL,
            "Deletes a plan. Moves under way go on."),
    CLI_ROWS_END,
};

const CliKind cli_cluster = {
    .word = "cluster",
    .program = "onecluster",
    .noun = "cluster",
    .plural = "clusters",
    .element = "CLUSTER",
    .info = "one.cluster.info",
    .pool = "one.clusterpool.info",
    .about = "Clusters: hosts with the datastores and networks that they share.",
    .examples =
        "  onecluster create rack2\n"
        "  onecluster addhost rack2 node02\n"
        "  onecluster addvnet rack2 lan\n"
        "  onecluster optimize rack2 && onecluster show rack2 && onecluster execute rack2\n",
    .commands = commands,
    .columns = columns,
    .list = "ID,NAME,HOSTS,VNETS,DATASTORES",
    .page = cluster_page,
};
