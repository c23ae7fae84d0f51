#include "client/cli/vm_move.h"
#include "client/cli/call.h"
#include "client/cli/format.h"
#include "client/cli/output.h"
#include "client/cli/table.h"
#include "client/cli/xml.h"

#include <stdio.h>
#include <string.h>

/* ---- the order ---- */

/* A unit that may follow a number, and how many of the smallest it is. */
typedef struct Unit {
    const char *word;
    gint64 factor;
} Unit;

static const Unit milliseconds[] = {{"", 1}, {"ms", 1}, {"s", 1000}, {NULL, 0}};
static const Unit mebibytes[] = {{"", 1}, {"m", 1}, {"g", 1024}, {NULL, 0}};
static const Unit seconds[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {NULL, 0}};

static const struct {
    const char *key; /* of the option */
    const char *name;
    const Unit *units; /* NULL: yes or no */
} wishes[] = {
    {"max-downtime", "MAX_DOWNTIME", milliseconds},
    {"bandwidth", "BANDWIDTH", mebibytes},
    {"time-limit", "TIME_LIMIT", seconds},
    {"auto-converge", "AUTO_CONVERGE", NULL},
    {"postcopy", "POSTCOPY", NULL},
    {"peer2peer", "PEER2PEER", NULL},
    {"tls", "TLS", NULL},
    {"tunnel", "TUNNEL", NULL},
    {"compressed", "COMPRESSED", NULL},
    {"live-only", "LIVE_ONLY", NULL},
};

static gboolean read_amount(const char *text, const Unit *units, gint64 *amount)
{
    char *end;
    gint64 number = g_ascii_strtoll(text, &end, 10);
    if (end == text || number <= 0)
        return FALSE;
    for (; units->word != NULL; units++)
        if (g_ascii_strcasecmp(end, units->word) == 0) {
            *amount = number * units->factor;
            return number <= G_MAXINT32;
        }
    return FALSE;
}

static gboolean add_wish(GString *text, guint which, const char *value, GError **error)
{
    const Unit *units = wishes[which].units;
    gint64 amount;
    gboolean no = g_ascii_strcasecmp(value, "no") == 0;
    const char *separator = text->len > 0 ? "," : "";
    if (units != NULL && read_amount(value, units, &amount)) {
        g_string_append_printf(text, "%s%s=\"%" G_GINT64_FORMAT "\"", separator, wishes[which].name,
                               amount);
        return TRUE;
    }
    if (units == NULL && (*value == '\0' || no || g_ascii_strcasecmp(value, "yes") == 0)) {
        g_string_append_printf(text, "%s%s=\"%s\"", separator, wishes[which].name,
                               no ? "NO" : "YES");
        return TRUE;
    }
    if (units == NULL)
        g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE, "--%s=%s: it is yes or no",
                    wishes[which].key, value);
    else
        g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE,
                    "--%s %s: it takes a whole number above 0, alone or with %s%s%s behind it",
                    wishes[which].key, value, units[1].word, units[2].word != NULL ? " or " : "",
                    units[2].word != NULL ? units[2].word : "");
    return FALSE;
}

char *cli_vm_migrate_wishes(Cli *cli, GError **error)
{
    g_autoptr(GString) options = g_string_new(NULL);
    for (guint i = 0; i < G_N_ELEMENTS(wishes); i++) {
        const char *value = cli_option(cli, wishes[i].key);
        if (value != NULL && !add_wish(options, i, value, error))
            return NULL;
    }
    return g_strdup(options->str);
}

/* What stands in the order beside machine and host. `wished` tells of options for the driver.
 * (owned) */
static char *order_text(Cli *cli, gboolean live, gboolean *wished, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    gboolean hard = cli_option(cli, "poff-hard") != NULL;
    g_autofree char *options = cli_vm_migrate_wishes(cli, error);
    if (options == NULL)
        return NULL;
    *wished = *options != '\0';
    g_string_append_printf(text, "LIVE=%s\nENFORCE=%s\nTYPE=%d\n", live ? "YES" : "NO",
                           cli_option(cli, "enforce") != NULL ? "YES" : "NO",
                           hard                              ? 2
                           : cli_option(cli, "poff") != NULL ? 1
                                                             : 0);
    if (cli_word(cli, 2) != NULL)
        g_string_append_printf(text, "DATASTORE=%d\n", cli->numbers[2]);
    if (*wished)
        g_string_append_printf(text, "MIGRATE=[%s]\n", options);
    return g_strdup(text->str);
}

/* ---- the check ---- */

static void add_figure(GString *text, xmlNode *root, const char *path, const char *format)
{
    double number = cli_xml_double(root, path, -1);
    if (number < 0)
        return;
    g_autofree char *value = number >= 10 || number == (double)(gint64)number
                                 ? g_strdup_printf("%.0f", number)
                                 : g_strdup_printf("%.1f", number);
    g_auto(GStrv) parts = g_strsplit(format, "%", 2);
    g_string_append_printf(text, "%s%s%s%s", text->len > 0 ? ", " : "", parts[0], value, parts[1]);
}

static char *check_page(xmlNode *root)
{
    gboolean possible = strcmp(cli_xml_text(root, "POSSIBLE"), "YES") == 0;
    GString *page = g_string_new(NULL);
    g_autoptr(GString) estimate = g_string_new(NULL);
    g_string_append_printf(page, "Machine %s from %s to %s: %s\n", cli_xml_text(root, "VM"),
                           cli_xml_text(root, "SOURCE"), cli_xml_text(root, "DESTINATION"),
                           possible ? "possible" : "NOT possible");
    for (xmlNode *at = xml_find(root, "CHECK"); at != NULL; at = xml_next_same(at)) {
        const char *result = cli_xml_text(at, "RESULT");
        g_string_append_printf(page, "  %-7s  %-10s  %s\n",
                               strcmp(result, "no") == 0 ? "NO" : result, cli_xml_text(at, "NAME"),
                               cli_xml_text(at, "TEXT"));
    }
    add_figure(estimate, root, "TOTAL_MS", "% ms in all");
    add_figure(estimate, root, "DOWNTIME_MS", "% ms without the machine");
    add_figure(estimate, root, "MEMORY_MB", "% MiB of memory");
    add_figure(estimate, root, "DIRTY_RATE_MBS", "written anew at % MiB/s");
    add_figure(estimate, root, "LINK_RATE_MBS", "over a link of % MiB/s");
    if (strcmp(cli_xml_text(root, "STORAGE"), "-") != 0)
        g_string_append_printf(estimate, "%sstorage %s", estimate->len > 0 ? ", " : "",
                               cli_xml_text(root, "STORAGE"));
    if (estimate->len > 0)
        g_string_append_printf(page, "Estimate: %s\n", estimate->str);
    return g_string_free(page, FALSE);
}

/* TRUE: the answer was printed; `possible` tells what it is. */
static gboolean check_one(Cli *cli, gint32 id, const char *order, gboolean *possible,
                          GError **error)
{
    g_auto(WireReply) reply = {0};
    WireClient *wire = cli_wire(cli, error);
    if (wire == NULL || !wire_call(wire, &reply, error, "globule.vm.migratecheck", "iis", id,
                                   cli->numbers[1], order))
        return FALSE;
    g_autoptr(xmlDoc) doc = cli_xml_parse(reply.text, error);
    if (doc == NULL)
        return FALSE;
    xmlNode *root = xmlDocGetRootElement(doc);
    g_autofree char *text =
        cli_format(cli) != CLI_PLAIN ? cli_format_document(doc, cli_format(cli)) : check_page(root);
    *possible = strcmp(cli_xml_text(root, "POSSIBLE"), "YES") == 0;
    cli_print(cli, text);
    return TRUE;
}

static CliExit check_all(Cli *cli, const char *order)
{
    CliExit exit = CLI_DONE;
    for (guint i = 0; i < cli->ids->len; i++) {
        g_autoptr(GError) error = NULL;
        gboolean possible = FALSE;
        CliExit now = CLI_DONE;
        if (!check_one(cli, g_array_index(cli->ids, gint32, i), order, &possible, &error))
            now = cli_fail(cli, error);
        else if (!possible)
            now = CLI_FAILED;
        if (exit == CLI_DONE)
            exit = now;
    }
    return exit;
}

/* ---- migrate ---- */

static gboolean migrate_one(Cli *cli, gint32 id, GError **error)
{
    gboolean wished = FALSE;
    g_autofree char *order = order_text(cli, TRUE, &wished, error);
    WireClient *wire = order != NULL ? cli_wire(cli, error) : NULL;
    return wire != NULL &&
           wire_call(wire, NULL, error, "globule.vm.migrate", "iis", id, cli->numbers[1], order);
}

CliExit cli_vm_migrate(Cli *cli)
{
    g_autoptr(GError) error = NULL;
    gboolean wished = FALSE;
    gboolean off = cli_option(cli, "poff") != NULL || cli_option(cli, "poff-hard") != NULL;
    gboolean check = cli_option(cli, "check") != NULL;
    gboolean live = cli_option(cli, "live") != NULL || strcmp(cli->called, "livemigrate") == 0 ||
                    (check && !off);
    g_autofree char *order = order_text(cli, live, &wished, &error);
    if (order != NULL && wished && !live)
        g_set_error(&error, CLI_ERROR, CLI_ERROR_USAGE,
                    "only a live migration knows such options: add --live");
    else if (order != NULL && check && cli_option(cli, "wait") != NULL)
        g_set_error(&error, CLI_ERROR, CLI_ERROR_USAGE,
                    "--check changes nothing, so there is nothing to wait for: leave --wait out");
    if (error != NULL)
        return cli_fail(cli, error);
    if (check)
        return check_all(cli, order);
    /* Without options the call is OpenNebula's own, which every server knows. */
    return wished ? cli_each(cli, migrate_one) : cli_run_row(cli);
}

/* ---- what became of them ---- */

static gboolean is_raw(const Cli *cli)
{
    return cli_option(cli, "csv") != NULL;
}

/* "812ms", "2.4s", "61s"; the plain number of milliseconds for --csv. */
static char *span_of(const Cli *cli, xmlNode *row, const char *path)
{
    gint64 number = cli_xml_int(row, path, -1);
    if (is_raw(cli))
        return g_strdup(cli_xml_text(row, path));
    return number < 0        ? g_strdup("-")
           : number < 1000   ? g_strdup_printf("%" G_GINT64_FORMAT "ms", number)
           : number < 100000 ? g_strdup_printf("%.1fs", (double)number / 1000)
                             : g_strdup_printf("%.0fs", (double)number / 1000);
}

static char *bytes_of(const Cli *cli, xmlNode *row, const char *path)
{
    double number = cli_xml_double(row, path, -1);
    if (is_raw(cli))
        return g_strdup(cli_xml_text(row, path));
    return number < 0 ? g_strdup("-") : cli_size(number / 1024, 'K');
}

static char *started_text(const Cli *cli, xmlNode *row)
{
    return is_raw(cli) ? g_strdup(cli_xml_text(row, "STARTED"))
                       : cli_time(cli_xml_int(row, "STARTED", 0));
}

static char *ended_text(const Cli *cli, xmlNode *row)
{
    return is_raw(cli) ? g_strdup(cli_xml_text(row, "ENDED"))
                       : cli_time(cli_xml_int(row, "ENDED", 0));
}

static char *elapsed_text(const Cli *cli, xmlNode *row)
{
    return span_of(cli, row, "ELAPSED_MS");
}

static char *total_text(const Cli *cli, xmlNode *row)
{
    return span_of(cli, row, "TOTAL_MS");
}

static char *downtime_text(const Cli *cli, xmlNode *row)
{
    return span_of(cli, row, "DOWNTIME_MS");
}

static char *setup_text(const Cli *cli, xmlNode *row)
{
    return span_of(cli, row, "SETUP_MS");
}

static char *sent_text(const Cli *cli, xmlNode *row)
{
    return bytes_of(cli, row, "BYTES");
}

static char *memory_text(const Cli *cli, xmlNode *row)
{
    return bytes_of(cli, row, "MEMORY_BYTES");
}

static char *disk_text(const Cli *cli, xmlNode *row)
{
    return bytes_of(cli, row, "DISK_BYTES");
}

static char *dirty_text(const Cli *cli, xmlNode *row)
{
    return bytes_of(cli, row, "DIRTY_RATE");
}

static char *rounds_text(const Cli *cli, xmlNode *row)
{
    const char *text = cli_xml_text(row, "ROUNDS");
    return g_strdup(!is_raw(cli) && strcmp(text, "-1") == 0 ? "-" : text);
}

static const CliColumn columns[] = {
    {"ID", 3, "ID", NULL, "Number among the machine's migrations"},
    {"KIND", -13, "KIND", NULL, "live, save, poweroff or poweroff-hard"},
    {"FROM", -10, "SOURCE", NULL, "Host that it left"},
    {"TO", -10, "DESTINATION", NULL, "Host that it was to go to"},
    {"RESULT", -7, "RESULT", NULL, "running, success, failure, or unknown: no host can say"},
    {"START", 14, NULL, started_text, "When it was asked for"},
    {"END", 14, NULL, ended_text, "When its result was there"},
    {"TIME", 7, NULL, elapsed_text, "From the order to the result"},
    {"TOTAL", 7, NULL, total_text, "What the hypervisor says that it took"},
    {"DOWN", 7, NULL, downtime_text, "How long the machine stood still"},
    {"SETUP", 7, NULL, setup_text, "What preparing it took"},
    {"SENT", 7, NULL, sent_text, "Bytes sent"},
    {"MEM", 7, NULL, memory_text, "Bytes of memory sent"},
    {"DISKS", 7, NULL, disk_text, "Bytes of disks sent"},
    {"ROUNDS", 6, NULL, rounds_text, "How often memory written meanwhile was sent again"},
    {"DIRTY", 7, NULL, dirty_text, "Bytes of memory that the guest wrote in a second"},
    {"MODE", -8, "MODE", NULL, "precopy or postcopy; of containers live, checkpointed or stopped"},
    {"STORAGE", -8, "STORAGE", NULL, "shared: disks stayed; mirrored: they were sent too"},
    {"REASON", -60, "REASON", NULL, "Why it failed, or what is to be said about it"},
    {NULL, 0, NULL, NULL, NULL},
};

#define SHOWN "ID,KIND,FROM,TO,RESULT,START,TIME,DOWN,SENT,ROUNDS,REASON"

static char *list_text(Cli *cli, xmlNode *root, GError **error)
{
    g_autoptr(CliTable) table = cli_table_new(cli, columns, SHOWN, error);
    if (table == NULL)
        return NULL;
    for (xmlNode *at = xml_first_element(root); at != NULL; at = xml_next_element(at))
        cli_table_add(table, at);
    return cli_table_text(table, cli_terminal_width());
}

CliExit cli_vm_migrations(Cli *cli)
{
    g_autoptr(GError) error = NULL;
    g_auto(WireReply) reply = {0};
    if (cli_option(cli, "describe") != NULL) {
        g_autofree char *text = cli_table_describe(columns, SHOWN);
        cli_print(cli, text);
        return CLI_DONE;
    }
    WireClient *wire = cli_wire(cli, &error);
    if (wire == NULL || !wire_call(wire, &reply, &error, "globule.vm.migrations", "i",
                                   g_array_index(cli->ids, gint32, 0)))
        return cli_fail(cli, error);
    g_autoptr(xmlDoc) doc = cli_xml_parse(reply.text, &error);
    if (doc == NULL)
        return cli_fail(cli, error);
    xmlNode *root = xmlDocGetRootElement(doc);
    if (cli_format(cli) == CLI_PLAIN && xml_first_element(root) == NULL && !is_raw(cli)) {
        fprintf(stderr, "it was never moved\n");
        return CLI_DONE;
    }
    g_autofree char *text = cli_format(cli) != CLI_PLAIN ? cli_format_document(doc, cli_format(cli))
                                                         : list_text(cli, root, &error);
    if (text == NULL)
        return cli_fail(cli, error);
    cli_print(cli, text);
    return CLI_DONE;
}
