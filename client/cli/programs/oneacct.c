/* oneacct: what machines used, record by record; and oneshowback: what that costs. */
#include "client/cli/call.h"
#include "client/cli/format.h"
#include "client/cli/kinds.h"
#include "client/cli/moment.h"
#include "client/cli/output.h"
#include "client/cli/rows.h"
#include "client/cli/vm_state.h"
#include "client/cli/xml.h"
#include "lib/base/xml.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* ---- oneacct ---- */

static char *action_text(const Cli *cli, xmlNode *record)
{
    return g_strdup(cli_vm_action_name(cli_xml_int(record, "ACTION", 0)));
}

static char *start_text(const Cli *cli, xmlNode *record)
{
    return cli_time(cli_xml_int(record, "STIME", 0));
}

static char *end_text(const Cli *cli, xmlNode *record)
{
    return cli_time(cli_xml_int(record, "ETIME", 0));
}

static char *user_text(const Cli *cli, xmlNode *record)
{
    return g_strdup(cli_xml_text(record, cli->numeric ? "VM/UID" : "VM/UNAME"));
}

static char *group_text(const Cli *cli, xmlNode *record)
{
    return g_strdup(cli_xml_text(record, cli->numeric ? "VM/GID" : "VM/GNAME"));
}

static char *memory_text(const Cli *cli, xmlNode *record)
{
    return cli_size(cli_xml_double(record, "VM/TEMPLATE/MEMORY", 0), 'M');
}

static char *received_text(const Cli *cli, xmlNode *record)
{
    return cli_size(cli_xml_double(record, "VM/MONITORING/NETRX", 0) / 1024, 'K');
}

static char *sent_text(const Cli *cli, xmlNode *record)
{
    return cli_size(cli_xml_double(record, "VM/MONITORING/NETTX", 0) / 1024, 'K');
}

static char *disk_text(const Cli *cli, xmlNode *record)
{
    double size = 0;
    for (xmlNode *at = xml_find(record, "VM/TEMPLATE/DISK"); at != NULL; at = xml_next_same(at))
        size += cli_xml_double(at, "SIZE", 0);
    return cli_size(size, 'M');
}

static char *hours_text(const Cli *cli, xmlNode *record)
{
    gint64 from = cli_xml_int(record, "STIME", 0), to = cli_xml_int(record, "ETIME", 0);
    return g_strdup_printf("%.2f", (double)((to > 0 ? to : (gint64)time(NULL)) - from) / 3600);
}

static const CliColumn acct_columns[] = {
    {"UID", 4, "VM/UID", NULL, "Number of the machine's owner"},
    {"USER", -8, NULL, user_text, "The machine's owner"},
    {"GROUP", -8, NULL, group_text, "Its group"},
    {"VID", 4, "OID", NULL, "Number of the machine"},
    {"NAME", -12, "VM/NAME", NULL, "Its name"},
    {"HOSTNAME", -15, "HOSTNAME", NULL, "The host"},
    {"ACTION", -16, NULL, action_text, "What ended the stay there"},
    {"REQUEST_ID", 10, "REQUEST_ID", NULL, "Number of the call that asked for it"},
    {"START_TIME", 14, NULL, start_text, "When it came to the host"},
    {"END_TIME", 14, NULL, end_text, "When it left, - if it is there"},
    {"HOURS", 8, NULL, hours_text, "Hours there"},
    {"MEMORY", 6, NULL, memory_text, "Its memory"},
    {"CPU", 4, "VM/TEMPLATE/CPU", NULL, "Its share of processors"},
    {"NETRX", 6, NULL, received_text, "What it received in all, as last seen"},
    {"NETTX", 6, NULL, sent_text, "What it sent"},
    {"DISK", 6, NULL, disk_text, "Size of its disks"},
    CLI_COLUMNS_END,
};

static gboolean bound(Cli *cli, const char *key, gint64 *moment, GError **error)
{
    const char *text = cli_option(cli, key);
    *moment = -1;
    if (text == NULL || (cli_moment(text, time(NULL), moment) && *moment <= G_MAXINT32))
        return TRUE;
    g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE, "\"%s\" is no time: write " CLI_MOMENTS, text);
    return FALSE;
}

/* Shows the elements of an answer as `list` does. */
static CliExit show_list(Cli *cli, const char *method, const char *arguments)
{
    g_autoptr(GError) error = NULL;
    g_auto(WireReply) reply = {0};
    g_autoptr(xmlDoc) doc = cli_call_numbers(cli, &reply, &error, method, arguments)
                                ? cli_xml_parse(reply.text, &error)
                                : NULL;
    g_autofree char *text = doc != NULL ? cli_list_text(cli, doc, &error) : NULL;
    if (text == NULL)
        return cli_fail(cli, error);
    cli_print(cli, text);
    return CLI_DONE;
}

static CliExit run_acct(Cli *cli)
{
    g_autoptr(GError) error = NULL;
    gint32 flag;
    gint64 start, end;
    const char *user = cli_option(cli, "acct-user");
    if (cli_option(cli, "describe") != NULL)
        return cli_run_list(cli);
    if (!bound(cli, "acct-start", &start, &error) || !bound(cli, "acct-end", &end, &error) ||
        !cli_filter_flag(cli, user != NULL ? user : cli_word(cli, 0), &flag, &error))
        return cli_fail(cli, error);
    g_autofree char *arguments =
        g_strdup_printf("%d %" G_GINT64_FORMAT " %" G_GINT64_FORMAT, flag, start, end);
    return show_list(cli, "one.vmpool.accounting", arguments);
}

static const CliCommand acct_commands[] = {
    CLI_GROUP("Accounting", "list", "text:filterflag?", "acct-start acct-end acct-user " CLI_LIST,
              NULL, NULL, run_acct,
              "Lists the stays of machines on hosts, those that have ended too. All that you may "
              "see; m: only yours, g: those of your groups too, or those of a user told by name."),
    CLI_ROWS_END,
};

const CliKind cli_acct = {
    .word = "acct",
    .program = "oneacct",
    .noun = "record",
    .plural = "records",
    .element = "HISTORY",
    .pool = "one.vmpool.accounting",
    .pool_arguments = "-2 -1 -1",
    .otherwise = "list",
    .about = "Accounting: when machines were on which host, and what they had there.",
    .examples = "  oneacct                               all that you may see\n"
                "  oneacct --start 2026-11-01 --end 2026-12-01 --userfilter ann\n"
                "  oneacct -f HOSTNAME=node01 --csv\n",
    .commands = acct_commands,
    .columns = acct_columns,
    .list = "USER,VID,HOSTNAME,ACTION,START_TIME,END_TIME,MEMORY,CPU,NETRX,NETTX,DISK",
};

/* ---- oneshowback ---- */

static char *owner_text(const Cli *cli, xmlNode *row)
{
    return g_strdup(cli_xml_text(row, cli->numeric ? "UID" : "UNAME"));
}

static char *owner_group_text(const Cli *cli, xmlNode *row)
{
    return g_strdup(cli_xml_text(row, cli->numeric ? "GID" : "GNAME"));
}

static char *rounded(xmlNode *row, const char *name)
{
    return g_strdup_printf("%.2f", cli_xml_double(row, name, 0));
}

static char *hours_of_month(const Cli *cli, xmlNode *row)
{
    return rounded(row, "HOURS");
}

static char *running_hours(const Cli *cli, xmlNode *row)
{
    return rounded(row, "RHOURS");
}

static char *cpu_cost(const Cli *cli, xmlNode *row)
{
    return rounded(row, "CPU_COST");
}

static char *memory_cost(const Cli *cli, xmlNode *row)
{
    return rounded(row, "MEMORY_COST");
}

static char *disk_cost(const Cli *cli, xmlNode *row)
{
    return rounded(row, "DISK_COST");
}

static char *total_cost(const Cli *cli, xmlNode *row)
{
    return rounded(row, "TOTAL_COST");
}

static const CliColumn showback_columns[] = {
    {"UID", 4, "UID", NULL, "Number of the machine's owner"},
    {"USER_NAME", -12, NULL, owner_text, "The machine's owner"},
    {"GID", 4, "GID", NULL, "Number of its group"},
    {"GROUP_NAME", -12, NULL, owner_group_text, "Its group"},
    {"VM_ID", 6, "VMID", NULL, "Number of the machine"},
    {"VM_NAME", -12, "VMNAME", NULL, "Its name"},
    {"MONTH", 5, "MONTH", NULL, "Month"},
    {"YEAR", 5, "YEAR", NULL, "Year"},
    {"HOURS", 8, NULL, hours_of_month, "Hours on hosts"},
    {"RHOURS", 8, NULL, running_hours, "Of them, hours that it ran"},
    {"CPU_COST", 12, NULL, cpu_cost, "Cost of processors"},
    {"MEM_COST", 12, NULL, memory_cost, "Cost of memory"},
    {"DISK_COST", 12, NULL, disk_cost, "Cost of disks"},
    {"COST", 12, NULL, total_cost, "Cost of all together"},
    CLI_COLUMNS_END,
};

/* "10 2026" of --start or --end, "-1 -1" without it. NULL with the error. (owned) */
static char *month_of(Cli *cli, const char *key, GError **error)
{
    const char *text = cli_option(cli, key);
    gint32 month = -1, year = -1;
    if (text == NULL || cli_month(text, &month, &year))
        return g_strdup_printf("%d %d", month, year);
    g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE, "\"%s\" is no month: write 10/2026 or 2026-10",
                text);
    return NULL;
}

static char *months_of(Cli *cli, GError **error)
{
    g_autofree char *from = month_of(cli, "show-start", error);
    g_autofree char *to = from != NULL ? month_of(cli, "show-end", error) : NULL;
    return to != NULL ? g_strdup_printf("%s %s", from, to) : NULL;
}

static CliExit run_showback(Cli *cli)
{
    g_autoptr(GError) error = NULL;
    gint32 flag;
    const char *user = cli_option(cli, "acct-user");
    if (cli_option(cli, "describe") != NULL)
        return cli_run_list(cli);
    g_autofree char *months = months_of(cli, &error);
    if (months == NULL ||
        !cli_filter_flag(cli, user != NULL ? user : cli_word(cli, 0), &flag, &error))
        return cli_fail(cli, error);
    g_autofree char *arguments = g_strdup_printf("%d %s", flag, months);
    return show_list(cli, "one.vmpool.showback", arguments);
}

static CliExit run_calculate(Cli *cli)
{
    g_autoptr(GError) error = NULL;
    g_auto(WireReply) reply = {0};
    g_autofree char *months = months_of(cli, &error);
    if (months == NULL ||
        !cli_call_numbers(cli, &reply, &error, "one.vmpool.calculateshowback", months))
        return cli_fail(cli, error);
    return CLI_DONE;
}

static const CliCommand showback_commands[] = {
    CLI_GROUP("Show-back", "list", "text:filterflag?", "show-start show-end acct-user " CLI_LIST,
              NULL, NULL, run_showback,
              "Lists what machines cost by month, as it was calculated last. All that you may see; "
              "m: only yours, g: those of your groups too, or those of a user told by name."),
    CLI_ROW("calculate", "", "show-start show-end", NULL, NULL, run_calculate,
            "Calculates what machines cost, for all months unless told. For administrators."),
    CLI_ROWS_END,
};

const CliKind cli_showback = {
    .word = "showback",
    .program = "oneshowback",
    .noun = "record",
    .plural = "records",
    .element = "SHOWBACK",
    .pool = "one.vmpool.showback",
    .pool_arguments = "-2 -1 -1 -1 -1",
    .about = "Show-back: what machines cost by month.",
    .examples = "  oneshowback calculate                 as often as you like\n"
                "  oneshowback list --start 10/2026 --userfilter ann\n"
                "  oneshowback list -l VM_NAME,MONTH,YEAR,COST --csv\n",
    .commands = showback_commands,
    .columns = showback_columns,
    .list = "USER_NAME,GROUP_NAME,VM_ID,VM_NAME,MONTH,YEAR,HOURS,CPU_COST,MEM_COST,DISK_COST,COST",
};
