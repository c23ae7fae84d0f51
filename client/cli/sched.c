#include "client/cli/sched.h"
#include "client/cli/call.h"
#include "client/cli/format.h"
#include "client/cli/generic.h"
#include "client/cli/moment.h"
#include "client/cli/xml.h"
#include "lib/base/xml.h"
#include "lib/template/template.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define STEP_MAX          100000 /* of a chart, in its own unit */
#define usage(error, ...) (g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE, __VA_ARGS__), FALSE)

/* How it repeats: the option is the list of days, its place REPEAT. */
static const char *const repeats[] = {"weekly", "monthly", "yearly", "hourly"};

static gboolean set_time(const char *text, TemplateAttribute *action, GError **error)
{
    gint64 moment;
    if (*text == '+') { /* after the machine was made, as the server understands it */
        attribute_set(action, "TIME", text);
        return TRUE;
    }
    if (!cli_moment(text, time(NULL), &moment))
        return usage(error,
                     "--schedule \"%s\" is no time: write " CLI_MOMENTS
                     ", or +3600 for an hour after the machine was made",
                     text);
    attribute_set_int(action, "TIME", moment);
    return TRUE;
}

static gboolean set_end(const char *text, TemplateAttribute *action, GError **error)
{
    gint64 number;
    gboolean times = g_ascii_string_to_signed(text, 10, 1, 100000, &number, NULL);
    if (!times && !cli_moment(text, time(NULL), &number))
        return usage(error, "--end \"%s\" is neither a number of runs nor a time", text);
    attribute_set_int(action, "END_TYPE", times ? 1 : 2);
    attribute_set_int(action, "END_VALUE", number);
    return TRUE;
}

static gboolean set_repeat(Cli *cli, TemplateAttribute *action, GError **error)
{
    const char *chosen = NULL, *end = cli_option(cli, "sched-end");
    for (guint i = 0; i < G_N_ELEMENTS(repeats); i++) {
        const char *days = cli_option(cli, repeats[i]);
        if (days != NULL && chosen != NULL)
            return usage(error, "--%s and --%s: it repeats in one way only", chosen, repeats[i]);
        if (days == NULL)
            continue;
        chosen = repeats[i];
        attribute_set_int(action, "REPEAT", i);
        attribute_set(action, "DAYS", days);
    }
    if (end != NULL && chosen == NULL)
        return usage(error, "--end needs --weekly, --monthly, --yearly or --hourly beside it");
    return end == NULL || set_end(end, action, error);
}

/* What the call has behind the id of its object, with commas between. (owned) */
static char *arguments_of(Cli *cli, gint32 id, GError **error)
{
    GArray *values = cli_values_of(cli, cli->command->params, id, error);
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 1; values != NULL && i < values->len; i++) {
        const CliValue *value = &g_array_index(values, CliValue, i);
        g_string_append(text, i > 1 ? "," : "");
        if (value->type == 's')
            g_string_append(text, value->text);
        else
            g_string_append_printf(text, "%d", value->number);
    }
    char *arguments = values != NULL ? g_strdup(text->str) : NULL;
    cli_values_clear(values);
    return arguments;
}

/* The action's word: that of a call of one.vm.action, else the command's own name. */
static gboolean set_action(Cli *cli, gint32 id, TemplateAttribute *action, GError **error)
{
    const char *params = cli->command->params;
    if (*params == '\'') {
        g_autofree char *word = g_strndup(params + 1, strcspn(params + 1, "'/"));
        g_autofree char *hard = g_strconcat(word, "-hard", NULL);
        attribute_set(action, "ACTION", cli_option(cli, "hard") != NULL ? hard : word);
        return TRUE;
    }
    g_auto(GStrv) names = g_strsplit(cli->command->names, " ", 2);
    g_autofree char *arguments = arguments_of(cli, id, error);
    attribute_set(action, "ACTION", names[0]);
    if (arguments != NULL && *arguments != '\0')
        attribute_set(action, "ARGS", arguments);
    return arguments != NULL;
}

gboolean cli_schedule_add(Cli *cli, gint32 id, gint64 *number, GError **error)
{
    g_auto(WireReply) reply = {0};
    g_autoptr(Template) template = template_new();
    TemplateAttribute *action = template_add_vector(template, "SCHED_ACTION");
    WireClient *wire = cli_wire(cli, error);
    if (wire == NULL || !set_action(cli, id, action, error) ||
        !set_time(cli_option(cli, "schedule"), action, error) || !set_repeat(cli, action, error))
        return FALSE;
    g_autofree char *text = template_to_text(template);
    g_autofree char *method = g_strdup_printf("one.%s.schedadd", cli->kind->word);
    if (!wire_call(wire, &reply, error, method, "is", id, text))
        return FALSE;
    *number = reply.number;
    return TRUE;
}

void cli_schedule_tell(const Cli *cli, gint32 id, gint64 number)
{
    printf("%s %d: scheduled, ID: %" G_GINT64_FORMAT "\n", cli->kind->element, id, number);
}

static gboolean schedule_one(Cli *cli, gint32 id, GError **error)
{
    gint64 number = -1;
    if (!cli_schedule_add(cli, id, &number, error))
        return FALSE;
    cli_schedule_tell(cli, id, number);
    return TRUE;
}

gboolean cli_schedule_meant(Cli *cli, GError **error)
{
    gboolean repeated = cli_option(cli, "sched-end") != NULL;
    for (guint i = 0; i < G_N_ELEMENTS(repeats); i++)
        repeated |= cli_option(cli, repeats[i]) != NULL;
    if (cli_option(cli, "schedule") != NULL && cli_option(cli, "wait") != NULL)
        return usage(error, "--wait and --schedule: there is nothing to wait for yet");
    if (cli_option(cli, "schedule") == NULL && repeated)
        return usage(error, "from when on? Give the first time with --schedule");
    if (cli_option(cli, "schedule") == NULL)
        return TRUE;
    g_autoptr(Template) probe = template_new();
    TemplateAttribute *action = template_add_vector(probe, "SCHED_ACTION");
    return set_time(cli_option(cli, "schedule"), action, error) && set_repeat(cli, action, error);
}

CliExit cli_act(Cli *cli)
{
    g_autoptr(GError) error = NULL;
    if (!cli_schedule_meant(cli, &error))
        return cli_fail(cli, error);
    return cli_option(cli, "schedule") != NULL ? cli_each(cli, schedule_one) : cli_run_row(cli);
}

/* ---- several in a row ---- */

/* What a machine comes to when nobody cares for it; the same as onevm.yaml of OpenNebula says. */
static const char *const usual_chart[] = {"suspend+14d", "terminate+14d", NULL};

/* "suspend+14d": the action, and its seconds after the one before. */
static gboolean read_step(const char *text, char **word, gint64 *seconds, GError **error)
{
    static const struct {
        char unit;
        gint64 seconds;
    } units[] = {{'\0', 1}, {'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    g_auto(GStrv) halves = g_strsplit(text, "+", 2);
    char *end = NULL;
    gint64 number = g_strv_length(halves) == 2 ? g_ascii_strtoll(halves[1], &end, 10) : 0;
    for (guint i = 0; end != NULL && i < G_N_ELEMENTS(units); i++) {
        if (number < 1 || number > STEP_MAX || *halves[0] == '\0' || strlen(end) > 1 ||
            *end != units[i].unit)
            continue;
        *word = g_strdup(halves[0]);
        *seconds = number * units[i].seconds;
        return TRUE;
    }
    return usage(error,
                 "\"%s\" is no step: write ACTION+TIME, such as suspend+14d; units are s, m, h and "
                 "d, numbers from 1 to %d",
                 text, STEP_MAX);
}

/* All steps as one template each; nothing is sent when one of them is wrong. (owned) */
static GPtrArray *chart_of(char *const *steps, gint64 age, GError **error)
{
    g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func(g_free);
    gint64 after = age;
    for (; *steps != NULL; steps++) {
        g_autofree char *word = NULL;
        gint64 seconds;
        if (!read_step(*steps, &word, &seconds, error))
            return NULL;
        after += seconds;
        g_autoptr(Template) template = template_new();
        TemplateAttribute *action = template_add_vector(template, "SCHED_ACTION");
        g_autofree char *time = g_strdup_printf("+%" G_GINT64_FORMAT, after);
        attribute_set(action, "ACTION", word);
        attribute_set(action, "TIME", time);
        g_ptr_array_add(all, template_to_text(template));
    }
    return g_steal_pointer(&all);
}

/* Adds all steps to the machine, or none. */
static gboolean send_chart(WireClient *wire, gint32 id, const GPtrArray *chart, GError **error)
{
    g_autoptr(GArray) added = g_array_new(FALSE, FALSE, sizeof(gint32));
    for (guint i = 0; i < chart->len; i++) {
        g_auto(WireReply) reply = {0};
        if (!wire_call(wire, &reply, error, "one.vm.schedadd", "is", id,
                       (const char *)chart->pdata[i])) {
            for (guint k = 0; k < added->len; k++)
                (void)wire_call(wire, NULL, NULL, "one.vm.scheddelete", "ii", id,
                                g_array_index(added, gint32, k));
            return FALSE;
        }
        gint32 number = (gint32)reply.number;
        g_array_append_val(added, number);
    }
    for (guint i = 0; i < added->len; i++)
        printf("VM %d: scheduled, ID: %d\n", id, g_array_index(added, gint32, i));
    return TRUE;
}

static gboolean add_chart(Cli *cli, gint32 id, GError **error)
{
    g_auto(WireReply) info = {0};
    WireClient *wire = cli_wire(cli, error);
    if (wire == NULL || !wire_call(wire, &info, error, cli->kind->info, "ib", id, FALSE))
        return FALSE;
    g_autoptr(xmlDoc) doc = cli_xml_parse(info.text, error);
    if (doc == NULL)
        return FALSE;
    g_autoptr(GPtrArray) steps = g_ptr_array_new();
    for (guint i = 1; cli_word(cli, i) != NULL; i++)
        g_ptr_array_add(steps, (gpointer)cli_word(cli, i));
    g_ptr_array_add(steps, NULL);
    /* Times count from when the machine was made; the first step from now. */
    gint64 age = MAX(time(NULL) - cli_xml_int(xmlDocGetRootElement(doc), "STIME", 0), 0);
    char *const *given = (char *const *)steps->pdata;
    g_autoptr(GPtrArray) chart =
        chart_of(steps->len > 1 ? given : (char *const *)usual_chart, age, error);
    return chart != NULL && send_chart(wire, id, chart, error);
}

CliExit cli_vm_create_chart(Cli *cli)
{
    return cli_each(cli, add_chart);
}

/* ---- in the page of a machine ---- */

static char *when_text(const Cli *cli, xmlNode *action)
{
    return cli_time(cli_xml_int(action, "TIME", 0));
}

static char *repeat_text(const Cli *cli, xmlNode *action)
{
    gint64 repeat = cli_xml_int(action, "REPEAT", -1);
    return repeat < 0 || repeat >= (gint64)G_N_ELEMENTS(repeats)
               ? g_strdup("-")
               : g_strdup_printf("%s %s", repeats[repeat], cli_xml_text(action, "DAYS"));
}

static char *end_text(const Cli *cli, xmlNode *action)
{
    gint64 value = cli_xml_int(action, "END_VALUE", -1);
    switch (cli_xml_int(action, "END_TYPE", -1)) {
    case 1:
        return g_strdup_printf("%" G_GINT64_FORMAT " more", value);
    case 2:
        return cli_time(value);
    default:
        return g_strdup("-");
    }
}

static char *done_text(const Cli *cli, xmlNode *action)
{
    return cli_time(MAX(cli_xml_int(action, "DONE", 0), 0));
}

static const CliColumn scheduled_columns[] = {
    {"ID", 3, "ID", NULL, NULL},
    {"ACTION", -15, "ACTION", NULL, NULL},
    {"ARGS", -10, "ARGS", NULL, NULL},
    {"SCHEDULED", 14, NULL, when_text, NULL},
    {"REPEAT", -14, NULL, repeat_text, NULL},
    {"END", -14, NULL, end_text, NULL},
    {"DONE", 14, NULL, done_text, NULL},
    {"MESSAGE", -35, "MESSAGE", NULL, NULL},
    {NULL, 0, NULL, NULL, NULL},
};

void cli_page_scheduled(Cli *cli, xmlNode *object, GString *page)
{
    cli_page_table(cli, page, "SCHEDULED ACTIONS", scheduled_columns, object,
                   "TEMPLATE/SCHED_ACTION");
}
