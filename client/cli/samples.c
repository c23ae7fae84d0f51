#include "client/cli/samples.h"
#include "client/cli/format.h"
#include "client/cli/output.h"
#include "client/cli/table.h"
#include "client/cli/xml.h"

#include <stdio.h>

#define LINES 10 /* samples shown unless --lines tells otherwise */

char *cli_sample_time(const Cli *cli, xmlNode *sample)
{
    return cli_time(cli_xml_int(sample, "TIMESTAMP", 0));
}

/* An element of that name anywhere in the sample: "FREE_CPU" is in CAPACITY. */
static xmlNode *search(xmlNode *node, const char *name)
{
    xmlNode *found = xml_find(node, name);
    for (xmlNode *child = xml_first_element(node); found == NULL && child != NULL;
         child = xml_next_element(child))
        if (xml_first_element(child) != NULL)
            found = search(child, name);
    return found;
}

/* Drops the older samples, which stand first. */
static void keep_last(xmlNode *root, gint64 lines)
{
    gint64 count = 0;
    for (xmlNode *at = xml_first_element(root); at != NULL; at = xml_next_element(at))
        count++;
    for (; lines > 0 && count > lines; count--) {
        xmlNode *first = xml_first_element(root);
        xmlUnlinkNode(first);
        xmlFreeNode(first);
    }
}

static void print_value(const Cli *cli, xmlNode *root, const char *name)
{
    g_autofree char *upper = g_ascii_strup(name, -1);
    const char *separator = cli_option(cli, "csv-del") != NULL ? cli_option(cli, "csv-del") : ",";
    gboolean csv = cli_option(cli, "csv") != NULL;
    g_autoptr(GString) out = g_string_new(NULL);
    if (cli_option(cli, "no-header") == NULL && csv)
        g_string_append_printf(out, "TIME%s%s\n", separator, upper);
    else if (cli_option(cli, "no-header") == NULL)
        g_string_append_printf(out, "%-14s %s\n", "TIME", upper);
    for (xmlNode *at = xml_first_element(root); at != NULL; at = xml_next_element(at)) {
        const char *value = cli_xml_text(search(at, upper), "");
        g_autofree char *time = cli_sample_time(cli, at);
        if (csv)
            g_string_append_printf(out, "%s%s%s\n", cli_xml_text(at, "TIMESTAMP"), separator,
                                   value);
        else
            g_string_append_printf(out, "%-14s %s\n", time, *value != '\0' ? value : "-");
    }
    cli_print(cli, out->str);
}

/* The columns' names in their order, as --list would have them. (owned) */
static char *names_of(const CliColumn *columns)
{
    GString *names = g_string_new(NULL);
    for (; columns->name != NULL; columns++)
        g_string_append_printf(names, "%s%s", names->len > 0 ? "," : "", columns->name);
    return g_string_free(names, FALSE);
}

static char *samples_text(Cli *cli, const CliColumn *columns, xmlNode *root, GError **error)
{
    g_autofree char *names = names_of(columns);
    g_autoptr(CliTable) table = cli_table_new(cli, columns, names, error);
    if (table == NULL)
        return NULL;
    for (xmlNode *at = xml_first_element(root); at != NULL; at = xml_next_element(at))
        cli_table_add(table, at);
    return cli_table_text(table, cli_terminal_width());
}

CliExit cli_show_samples(Cli *cli, const char *method, const CliColumn *columns)
{
    g_autoptr(GError) error = NULL;
    g_auto(WireReply) reply = {0};
    gint64 lines = LINES;
    const char *text = cli_option(cli, "lines");
    if (text != NULL && !g_ascii_string_to_signed(text, 10, 0, G_MAXINT32, &lines, NULL)) {
        fprintf(stderr, "--lines \"%s\" is no number\n", text);
        return CLI_USAGE;
    }
    WireClient *wire = cli_wire(cli, &error);
    if (wire == NULL ||
        !wire_call(wire, &reply, &error, method, "i", g_array_index(cli->ids, gint32, 0)))
        return cli_fail(cli, error);
    g_autoptr(xmlDoc) doc = cli_xml_parse(reply.text, &error);
    if (doc == NULL)
        return cli_fail(cli, error);
    xmlNode *root = xmlDocGetRootElement(doc);
    keep_last(root, lines);
    g_autofree char *out = NULL;
    if (cli_format(cli) != CLI_PLAIN) {
        out = cli_format_document(doc, cli_format(cli));
    } else if (cli_word(cli, 1) != NULL) {
        print_value(cli, root, cli_word(cli, 1));
        return CLI_DONE;
    } else if (xml_first_element(root) == NULL) {
        fprintf(stderr, "there is no sample yet\n");
        return CLI_DONE;
    } else {
        out = samples_text(cli, columns, root, &error);
        if (out == NULL)
            return cli_fail(cli, error);
    }
    cli_print(cli, out);
    return CLI_DONE;
}
