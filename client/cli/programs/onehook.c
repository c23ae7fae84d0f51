#include "client/cli/call.h"
#include "client/cli/format.h"
#include "client/cli/kinds.h"
#include "client/cli/output.h"
#include "client/cli/rows.h"
#include "client/cli/table.h"
#include "client/cli/xml.h"
#include "lib/base/xml.h"

#include <stdio.h>
#include <string.h>

static const CliColumn columns[] = {
    {"ID", 4, "ID", NULL, "Number of the hook"},
    {"NAME", -25, "NAME", NULL, "Name"},
    {"TYPE", -8, "TYPE", NULL, "state: run when something enters a state; api: after a call"},
    {"RESOURCE", -8, "TEMPLATE/RESOURCE", NULL, "Of state hooks: what enters the state"},
    {"STATE", -20, "TEMPLATE/STATE", NULL, "Of state hooks: which state"},
    {"LCM_STATE", -20, "TEMPLATE/LCM_STATE", NULL, "Of state hooks of active machines: which"},
    {"CALL", -25, "TEMPLATE/CALL", NULL, "Of api hooks: which call"},
    {"COMMAND", -30, "TEMPLATE/COMMAND", NULL, "What is run"},
    CLI_COLUMNS_END,
};

/* ---- Executions ---- */

static gint64 code_of(xmlNode *run)
{
    return cli_xml_int(run, "EXECUTION_RESULT/CODE", -1);
}

static char *run_time(const Cli *cli, xmlNode *run)
{
    return cli_time(cli_xml_int(run, "TIMESTAMP", 0));
}

/* One that has no code says why on its standard error; one that says nothing has not ended. */
static char *run_result(const Cli *cli, xmlNode *run)
{
    gboolean silent = *cli_xml_text(run, "EXECUTION_RESULT/STDERR") == '\0';
    return g_strdup(code_of(run) == 0            ? "SUCCESS"
                    : code_of(run) < 0 && silent ? "RUNNING"
                                                 : "ERROR");
}

static const CliColumn run_columns[] = {
    {"ID", 6, "EXECUTION_ID", NULL, NULL},
    {"TIMESTAMP", 15, NULL, run_time, NULL},
    {"RC", 4, "EXECUTION_RESULT/CODE", NULL, NULL},
    {"EXECUTION", -9, NULL, run_result, NULL},
    CLI_COLUMNS_END,
};

static const CliColumn log_columns[] = {
    {"HOOK", 5, "HOOK_ID", NULL, NULL},
    {"ID", 6, "EXECUTION_ID", NULL, NULL},
    {"TIMESTAMP", 15, NULL, run_time, NULL},
    {"RC", 4, "EXECUTION_RESULT/CODE", NULL, NULL},
    {"EXECUTION", -9, NULL, run_result, NULL},
    {"COMMAND", -30, "EXECUTION_RESULT/COMMAND", NULL, NULL},
    CLI_COLUMNS_END,
};

/* What a program wrote. It may be anything; a terminal gets no control characters of it. */
static void page_output(Cli *cli, GString *page, const char *title, const char *coded)
{
    gsize length = 0;
    g_autofree guchar *raw = g_base64_decode(coded, &length);
    g_autofree char *text = g_utf8_make_valid((const char *)raw, (gssize)length);
    if (length == 0)
        return;
    for (char *at = text; *at != '\0'; at++)
        if (g_ascii_iscntrl(*at) && *at != '\n' && *at != '\t')
            *at = '?';
    cli_page_title(cli, page, "%s", title);
    g_string_append_printf(page, "%s%s", text, g_str_has_suffix(text, "\n") ? "" : "\n");
}

static void page_run(Cli *cli, xmlNode *run, GString *page)
{
    cli_page_title(cli, page, "HOOK EXECUTION RECORD");
    cli_page_line(page, "EXECUTION ID", cli_xml_text(run, "EXECUTION_ID"));
    cli_page_take(page, "TIMESTAMP", run_time(cli, run));
    cli_page_take(page, "EXECUTION", run_result(cli, run));
    cli_page_line(page, "RETURN CODE", cli_xml_text(run, "EXECUTION_RESULT/CODE"));
    cli_page_line(page, "COMMAND", cli_xml_text(run, "EXECUTION_RESULT/COMMAND"));
    cli_page_line(page, "ARGUMENTS", cli_xml_text(run, "ARGUMENTS"));
    if (xml_find(run, "REMOTE_HOST") != NULL)
        cli_page_line(page, "HOST", cli_xml_text(run, "REMOTE_HOST"));
    if (xml_find(run, "RETRY") != NULL)
        cli_page_line(page, "RETRY", cli_xml_text(run, "RETRY"));
    page_output(cli, page, "EXECUTION STDOUT", cli_xml_text(run, "EXECUTION_RESULT/STDOUT"));
    page_output(cli, page, "EXECUTION STDERR", cli_xml_text(run, "EXECUTION_RESULT/STDERR"));
}

static xmlNode *run_asked_for(const Cli *cli, xmlNode *object)
{
    const char *wanted = cli_option(cli, "execution");
    xmlNode *run = xml_find(object, "HOOKLOG/HOOK_EXECUTION_RECORD");
    while (run != NULL && g_strcmp0(cli_xml_text(run, "EXECUTION_ID"), wanted) != 0)
        run = xml_next_same(run);
    return run;
}

static void hook_page(Cli *cli, xmlNode *object, GString *page)
{
    cli_page_head(cli, object, page, "HOOK");
    cli_page_line(page, "TYPE", cli_xml_text(object, "TYPE"));
    cli_page_lock(object, page);
    cli_page_template(cli, object, page, "HOOK TEMPLATE");
    cli_page_table(cli, page, "EXECUTION LOG", run_columns, object,
                   "HOOKLOG/HOOK_EXECUTION_RECORD");
}

/* One execution of one hook. */
static gboolean show_run(Cli *cli, gint32 id, GError **error)
{
    g_auto(WireReply) reply = {0};
    WireClient *wire = cli_wire(cli, error);
    if (wire == NULL || !wire_call(wire, &reply, error, cli->kind->info, "ib", id, FALSE))
        return FALSE;
    g_autoptr(xmlDoc) doc = cli_xml_parse(reply.text, error);
    if (doc == NULL)
        return FALSE;
    xmlNode *run = run_asked_for(cli, xmlDocGetRootElement(doc));
    if (run == NULL) {
        g_set_error(error, CLI_ERROR, CLI_ERROR_NO_OBJECT,
                    "there is no record of execution \"%s\" of hook %d; `onehook show %d` lists "
                    "those that are kept",
                    cli_option(cli, "execution"), id, id);
        return FALSE;
    }
    g_autoptr(GString) page = g_string_new(NULL);
    page_run(cli, run, page);
    cli_print(cli, page->str);
    return TRUE;
}

static CliExit run_show(Cli *cli)
{
    if (cli_option(cli, "execution") == NULL || cli_format(cli) != CLI_PLAIN)
        return cli_run_show(cli);
    return cli_each(cli, show_run);
}

/* ---- log ---- */

/* Number of a piece of "09/19/26 14:05", 0 when it has none. */
static gint piece(const GMatchInfo *match, gint which)
{
    g_autofree char *text = g_match_info_fetch(match, which);
    return text != NULL ? (gint)g_ascii_strtoll(text, NULL, 10) : 0;
}

/* As OpenNebula's tools take dates, and as ISO 8601 has them. (owned) NULL: it is none. */
static GDateTime *date_of(const char *text)
{
    g_autoptr(GTimeZone) here = g_time_zone_new_local();
    g_autoptr(GRegex) form =
        g_regex_new("^(\\d\\d?)/(\\d\\d?)/(\\d\\d|\\d{4})(?: (\\d\\d?):(\\d\\d))?$", 0, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;
    if (!g_regex_match(form, text, 0, &match))
        return g_date_time_new_from_iso8601(text, here);
    gint year = piece(match, 3);
    return g_date_time_new(here, year < 100 ? year + 2000 : year, piece(match, 1), piece(match, 2),
                           piece(match, 4), piece(match, 5), 0);
}

/* Seconds since the epoch; -1 when it is not given. FALSE with the error. */
static gboolean read_date(const Cli *cli, const char *key, gint64 *seconds, GError **error)
{
    const char *text = cli_option(cli, key);
    *seconds = -1;
    if (text == NULL || g_ascii_string_to_signed(text, 10, 0, G_MAXINT32, seconds, NULL))
        return TRUE;
    g_autoptr(GDateTime) date = date_of(text);
    if (date != NULL) {
        *seconds = CLAMP(g_date_time_to_unix(date), 0, G_MAXINT32);
        return TRUE;
    }
    g_set_error(
        error, CLI_ERROR, CLI_ERROR_USAGE,
        "--%s \"%s\" is no date such as 09/19/26, \"09/19/26 14:05\" or 2026-09-19T14:05:00", key,
        text);
    return FALSE;
}

/* The arguments of one.hooklog.info. (owned) NULL with the error. */
static char *log_filters(Cli *cli, GError **error)
{
    gint64 from, until, hook = -1;
    const char *id = cli_option(cli, "hook-id");
    gboolean failed = cli_option(cli, "failed-runs") != NULL;
    gboolean well = cli_option(cli, "good-runs") != NULL;
    if (!read_date(cli, "since", &from, error) || !read_date(cli, "until", &until, error))
        return NULL;
    if (id != NULL && !g_ascii_string_to_signed(id, 10, 0, G_MAXINT32, &hook, NULL)) {
        g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE, "--hook-id \"%s\" is no number of a hook",
                    id);
        return NULL;
    }
    return g_strdup_printf("%" G_GINT64_FORMAT " %" G_GINT64_FORMAT " %" G_GINT64_FORMAT " %d",
                           from, until, hook,
                           failed == well ? 0
                           : failed       ? -1
                                          : 1);
}

static CliExit run_log(Cli *cli)
{
    g_autoptr(GError) error = NULL;
    g_auto(WireReply) reply = {0};
    g_autofree char *filters = log_filters(cli, &error);
    if (filters == NULL || !cli_call_numbers(cli, &reply, &error, "one.hooklog.info", filters))
        return cli_fail(cli, error);
    g_autoptr(xmlDoc) doc = cli_xml_parse(reply.text, &error);
    if (doc == NULL)
        return cli_fail(cli, error);
    g_autofree char *text =
        cli_format(cli) != CLI_PLAIN
            ? cli_format_document(doc, cli_format(cli))
            : cli_table_of(cli, log_columns, xmlDocGetRootElement(doc), "HOOK_EXECUTION_RECORD");
    cli_print(cli, text);
    return CLI_DONE;
}

static const CliCommand commands[] = {
    CLI_GROUP("Hooks", "create add allocate", "file?", "new-name", "one.hook.allocate", "@new",
              cli_run_new,
              "Makes a hook. From a file or from standard input: NAME, TYPE, COMMAND ..."),
    CLI_ROW_LIST("hooks"),
    CLI_ROW("top", "", "delay count " CLI_LIST, NULL, NULL, cli_run_top,
            "Lists the hooks again and again."),
    CLI_ROW("show", "hook...", "execution decrypt no-color pager no-pager " CLI_FORMATS, NULL, NULL,
            run_show,
            "Shows all about a hook and its latest executions. With --execution what one of them "
            "got and wrote."),
    CLI_ROW_DELETE("hook", "hook", "Removes a hook and the records of its executions."),
    CLI_GROUP("Executions", "log", "", "failed-runs good-runs hook-id since until " CLI_FORMATS,
              NULL, NULL, run_log, "Lists executions of hooks: all that are kept, unless told."),
    CLI_ROW("retry", "hook number:execid", NULL, "one.hook.retry", "id $1", NULL,
            "Runs a hook once more. With what it got in that execution."),
    CLI_GROUP("Change", "rename", "hook text:name", NULL, "one.hook.rename", "id $1", NULL,
              "Renames a hook."),
    CLI_ROW_UPDATE("hook", "hook", "a hook"),
    CLI_ROW_LOCK("hook", "hook", "a hook"),
    CLI_ROW_UNLOCK("hook", "hook"),
    CLI_ROWS_END,
};

const CliKind cli_hook = {
    .word = "hook",
    .program = "onehook",
    .noun = "hook",
    .plural = "hooks",
    .element = "HOOK",
    .info = "one.hook.info",
    .pool = "one.hookpool.info",
    .about =
        "Hooks: programs that are run when a machine, host, image or network enters a state, or "
        "after a call. share/doc/hooks.md tells what a template says.",
    .examples = "  onehook create tell.hook\n"
                "  onehook show tell -e 3                what execution 3 got and wrote\n"
                "  onehook log --error --since 09/19/26\n"
                "  onehook retry tell 3\n",
    .commands = commands,
    .columns = columns,
    .list = "ID,NAME,TYPE",
    .page = hook_page,
};
