#include "client/cli/generic.h"
#include "client/cli/args.h"
#include "client/cli/call.h"
#include "client/cli/edit.h"
#include "client/cli/format.h"
#include "client/cli/names.h"
#include "client/cli/output.h"
#include "client/cli/table.h"
#include "client/cli/wait.h"
#include "client/cli/xml.h"

#include <stdio.h>
#include <string.h>

#define TOP_DELAY 5 /* s between two looks */

/* ---- list ---- */

gboolean cli_filter_flag(Cli *cli, const char *word, gint32 *flag, GError **error)
{
    static const struct {
        const char *word;
        gint32 flag;
    } flags[] = {{"a", -2}, {"all", -2},   {"m", -3}, {"mine", -3},
                 {"g", -1}, {"group", -1}, {"G", -4}, {"primary", -4}};
    *flag = -2;
    for (guint i = 0; word != NULL && i < G_N_ELEMENTS(flags); i++) {
        if (strcmp(flags[i].word, word) == 0) {
            *flag = flags[i].flag;
            return TRUE;
        }
    }
    return word == NULL || cli_find_id(cli, cli_kind_of_word("user"), word, flag, error);
}

/* Arguments of the pool: with a filter flag in front, and the state of machines behind. */
static char *pool_arguments(Cli *cli, GError **error)
{
    const char *usual = cli->kind->pool_arguments;
    gint32 flag;
    if (usual == NULL || *usual == '\0')
        return g_strdup("");
    if (!cli_filter_flag(cli, cli_word(cli, 0), &flag, error))
        return NULL;
    const char *state = cli_option(cli, "state");
    const char *end = state != NULL ? strrchr(usual, ' ') : NULL;
    if (end == NULL)
        return g_strdup_printf("%d%s", flag, strchr(usual, ' '));
    int number = strcmp(state, "any") == 0 ? -2 : cli->kind->state_number(state);
    if (number == -1) {
        g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE,
                    "--state \"%s\" is no state of a %s that the server can search by", state,
                    cli->kind->noun);
        return NULL;
    }
    return g_strdup_printf("%d%.*s %d", flag, (int)(end - strchr(usual, ' ')), strchr(usual, ' '),
                           number);
}

static xmlDoc *fetch_list(Cli *cli, const char *arguments, GError **error)
{
    g_auto(WireReply) reply = {0};
    g_autofree char *extended = cli_option(cli, "extended") != NULL
                                    ? g_strdup_printf("%sextended", cli->kind->pool)
                                    : g_strdup(cli->kind->pool);
    return cli_call_numbers(cli, &reply, error, extended, arguments)
               ? cli_xml_parse(reply.text, error)
               : NULL;
}

char *cli_list_text(Cli *cli, xmlDoc *doc, GError **error)
{
    g_autoptr(CliTable) table = cli_table_new(cli, cli->kind->columns, cli->kind->list, error);
    if (table == NULL)
        return NULL;
    CliFormat format = cli_format(cli);
    xmlNode *next;
    for (xmlNode *at = xml_find(xmlDocGetRootElement(doc), cli->kind->element); at != NULL;
         at = next) {
        next = xml_next_same(at);
        if (format == CLI_PLAIN) {
            cli_table_add(table, at);
        } else if (!cli_table_passes(table, at)) {
            xmlUnlinkNode(at);
            xmlFreeNode(at);
        }
    }
    return format == CLI_PLAIN ? cli_table_text(table, cli_terminal_width())
                               : cli_format_document(doc, format);
}

/* A mistake in the options is told before the server is asked. */
static gboolean options_good(Cli *cli, GError **error)
{
    CliTable *table = cli_table_new(cli, cli->kind->columns, cli->kind->list, error);
    cli_table_free(table);
    return table != NULL;
}

CliExit cli_run_list(Cli *cli)
{
    g_autoptr(GError) error = NULL;
    if (cli_option(cli, "describe") != NULL) {
        g_autofree char *text = cli_table_describe(cli->kind->columns, cli->kind->list);
        cli_print(cli, text);
        return CLI_DONE;
    }
    g_autofree char *arguments = options_good(cli, &error) ? pool_arguments(cli, &error) : NULL;
    g_autoptr(xmlDoc) doc = arguments != NULL ? fetch_list(cli, arguments, &error) : NULL;
    g_autofree char *text = doc != NULL ? cli_list_text(cli, doc, &error) : NULL;
    if (text == NULL)
        return cli_fail(cli, error);
    cli_print(cli, text);
    return CLI_DONE;
}

static gboolean read_number(const Cli *cli, const char *key, gint64 otherwise, gint64 *number)
{
    const char *text = cli_option(cli, key);
    *number = otherwise;
    return text == NULL || g_ascii_string_to_signed(text, 10, 0, G_MAXINT32, number, NULL);
}

CliExit cli_run_absent(Cli *cli)
{
    fprintf(stderr, "%s %s: %s\n", cli->kind->program, cli->called, cli->command->help);
    return CLI_FAILED;
}

CliExit cli_run_top(Cli *cli)
{
    gint64 delay, count;
    g_autoptr(GError) error = NULL;
    if (!read_number(cli, "delay", TOP_DELAY, &delay) || !read_number(cli, "count", 0, &count)) {
        fprintf(stderr, "--delay and --count take whole numbers\n");
        return CLI_USAGE;
    }
    g_autofree char *arguments = options_good(cli, &error) ? pool_arguments(cli, &error) : NULL;
    if (arguments == NULL)
        return cli_fail(cli, error);
    for (gint64 round = 1;; round++) {
        g_autoptr(xmlDoc) doc = fetch_list(cli, arguments, &error);
        g_autofree char *text = doc != NULL ? cli_list_text(cli, doc, &error) : NULL;
        if (text == NULL)
            return cli_fail(cli, error);
        /* Home and clear behind the text: no flicker, nothing left of a longer list. */
        printf(cli->terminal ? "\033[H\033[2J%s" : "%s", text);
        fflush(stdout);
        if (round == count || ferror(stdout))
            return CLI_DONE;
        if (!cli->terminal)
            putchar('\n');
        g_usleep((gulong)MAX(delay, 1) * G_USEC_PER_SEC);
    }
}

/* ---- show ---- */

CliExit cli_show(Cli *cli, gint32 id, CliPage page)
{
    g_autoptr(GError) error = NULL;
    g_auto(WireReply) reply = {0};
    WireClient *wire = cli_wire(cli, &error);
    if (wire == NULL || !wire_call(wire, &reply, &error, cli->kind->info, "ib", id,
                                   cli_option(cli, "decrypt") != NULL))
        return cli_fail(cli, error);
    g_autoptr(xmlDoc) doc = cli_xml_parse(reply.text, &error);
    if (doc == NULL)
        return cli_fail(cli, error);
    if (cli_format(cli) != CLI_PLAIN) {
        g_autofree char *text = cli_format_document(doc, cli_format(cli));
        cli_print(cli, text);
        return CLI_DONE;
    }
    g_autoptr(GString) text = g_string_new(NULL);
    page(cli, xmlDocGetRootElement(doc), text);
    cli_print(cli, text->str);
    return CLI_DONE;
}

CliExit cli_run_show(Cli *cli)
{
    CliExit exit = CLI_DONE;
    if (cli->ids->len == 0)
        return cli_show(cli, -1, cli->kind->page);
    for (guint i = 0; i < cli->ids->len && exit == CLI_DONE; i++)
        exit = cli_show(cli, g_array_index(cli->ids, gint32, i), cli->kind->page);
    return exit;
}

void cli_page_title(const Cli *cli, GString *page, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    g_autofree char *title = g_strdup_vprintf(format, list);
    va_end(list);
    gboolean colour =
        cli->terminal && g_getenv("NO_COLOR") == NULL && cli_option(cli, "no-color") == NULL;
    g_string_append_printf(page, colour ? "%s\033[1m%s\033[0m\n" : "%s%s\n",
                           page->len > 0 ? "\n" : "", title);
}

void cli_page_line(GString *page, const char *label, const char *value)
{
    g_string_append_printf(page, "%-20s: %s\n", label, value);
}

void cli_page_take(GString *page, const char *label, char *value)
{
    cli_page_line(page, label, value);
    g_free(value);
}

void cli_page_rights(const Cli *cli, xmlNode *object, GString *page)
{
    static const char *const who[] = {"OWNER", "GROUP", "OTHER"};
    xmlNode *rights = xml_find(object, "PERMISSIONS");
    if (rights == NULL)
        return;
    cli_page_title(cli, page, "PERMISSIONS");
    for (guint i = 0; i < G_N_ELEMENTS(who); i++) {
        gint64 bits[3];
        for (guint j = 0; j < 3; j++) {
            g_autofree char *name = g_strdup_printf("%s_%c", who[i], "UMA"[j]);
            bits[j] = cli_xml_int(rights, name, 0);
        }
        cli_page_take(page, who[i], cli_rights(bits[0], bits[1], bits[2]));
    }
}

void cli_page_lock(xmlNode *object, GString *page)
{
    static const char *const levels[] = {"None", "Use", "Manage", "Admin"};
    gint64 level = cli_xml_int(object, "LOCK/LOCKED", 0);
    cli_page_line(page, "LOCK", level >= 0 && level < 4 ? levels[level] : "All");
}

void cli_page_table(const Cli *cli, GString *page, const char *title, const CliColumn *columns,
                    xmlNode *parent, const char *path)
{
    if (xml_find(parent, path) == NULL)
        return;
    cli_page_title(cli, page, "%s", title);
    g_autofree char *text = cli_table_of(cli, columns, parent, path);
    g_string_append(page, text);
}

void cli_page_head(Cli *cli, xmlNode *object, GString *page, const char *what)
{
    cli_page_title(cli, page, "%s %s INFORMATION", what, cli_xml_text(object, "ID"));
    cli_page_line(page, "ID", cli_xml_text(object, "ID"));
    cli_page_line(page, "NAME", cli_xml_text(object, "NAME"));
    if (xml_find(object, "PERMISSIONS") == NULL)
        return;
    cli_page_take(page, "USER", cli_column_user(cli, object));
    cli_page_take(page, "GROUP", cli_column_group(cli, object));
    if (cli_command_named(cli->kind, "lock") != NULL)
        cli_page_lock(object, page);
}

void cli_page_template(const Cli *cli, xmlNode *object, GString *page, const char *title)
{
    g_autofree char *text = cli_template_of(xml_find(object, "TEMPLATE"));
    if (*text == '\0')
        return;
    cli_page_title(cli, page, "%s", title);
    g_string_append(page, text);
}

void cli_page_members(Cli *cli, xmlNode *object, GString *page, const char *label,
                      const CliKind *kind, const char *path)
{
    GString *text = g_string_new(NULL);
    xmlNode *at = xml_find(object, path);
    if (at != NULL)
        cli_pool(cli, kind, NULL); /* names are shown where one may see them */
    for (; at != NULL; at = xml_next_same(at)) {
        const char *name = cli_known_name(cli, kind, (gint32)cli_xml_int(at, "", -1));
        g_string_append_printf(text, "%s%s", text->len > 0 ? ", " : "", cli_xml_text(at, ""));
        if (*name != '\0')
            g_string_append_printf(text, " (%s)", name);
    }
    cli_page_take(page, label, g_string_free(text, FALSE));
}

/* ---- Columns ---- */

char *cli_column_user(const Cli *cli, xmlNode *object)
{
    return g_strdup(cli_xml_text(object, cli->numeric ? "UID" : "UNAME"));
}

char *cli_column_group(const Cli *cli, xmlNode *object)
{
    return g_strdup(cli_xml_text(object, cli->numeric ? "GID" : "GNAME"));
}

char *cli_column_regtime(const Cli *cli, xmlNode *object)
{
    return cli_time(cli_xml_int(object, "REGTIME", 0));
}

char *cli_count_of(xmlNode *object, const char *path)
{
    guint count = 0;
    for (xmlNode *at = xml_find(object, path); at != NULL; at = xml_next_same(at))
        count++;
    return g_strdup_printf("%u", count);
}

char *cli_ids_of(xmlNode *object, const char *path)
{
    GString *text = g_string_new(NULL);
    for (xmlNode *at = xml_find(object, path); at != NULL; at = xml_next_same(at))
        g_string_append_printf(text, "%s%s", text->len > 0 ? "," : "", cli_xml_text(at, ""));
    return g_string_free(text, FALSE);
}

/* ---- What makes something ---- */

CliExit cli_run_new(Cli *cli)
{
    g_autoptr(GError) error = NULL;
    g_auto(WireReply) reply = {0};
    gint32 id = cli->ids->len > 0 ? g_array_index(cli->ids, gint32, 0) : -1;
    GArray *values = cli_values_of(cli, cli->command->params, id, &error);
    gboolean good = values != NULL && cli_call(cli, &reply, &error, cli->command->method, values);
    cli_values_clear(values);
    if (!good)
        return cli_fail(cli, error);
    printf("ID: %" G_GINT64_FORMAT "\n", reply.number);
    return CLI_DONE;
}

/* ---- wait ---- */

CliExit cli_run_wait(Cli *cli)
{
    const char *asked = cli_word(cli, 1);
    const char *goal = asked != NULL ? cli->kind->state_named(asked) : cli->command->goal;
    if (goal == NULL) {
        fprintf(stderr, "no state of a %s is called \"%s\"; `%s wait -h` names some\n",
                cli->kind->noun, asked, cli->kind->program);
        return CLI_USAGE;
    }
    return cli_wait_for(cli, cli->ids, goal, -1, TRUE);
}

/* ---- chmod ---- */

/* "640", or "u=rw,g=r" as chmod of files has it: r is use, w manage, x administer. */
static gboolean read_rights(const char *text, int digits[3])
{
    memset(digits, 0, 3 * sizeof *digits);
    if (strlen(text) == 3 && strspn(text, "01234567") == 3) {
        for (guint i = 0; i < 3; i++)
            digits[i] = text[i] - '0';
        return TRUE;
    }
    g_auto(GStrv) words = g_strsplit(text, ",", -1);
    for (guint i = 0; words[i] != NULL; i++) {
        const char *whose = *words[i] != '\0' ? strchr("ugo", *words[i]) : NULL;
        if (whose == NULL || words[i][1] != '=' ||
            strspn(words[i] + 2, "rwx-") != strlen(words[i] + 2))
            return FALSE;
        int *digit = &digits[*whose == 'u' ? 0 : *whose == 'g' ? 1 : 2];
        *digit = (strchr(words[i], 'r') != NULL ? 4 : 0) | (strchr(words[i], 'w') != NULL ? 2 : 0) |
                 (strchr(words[i], 'x') != NULL ? 1 : 0);
    }
    return words[0] != NULL;
}

static gboolean chmod_one(Cli *cli, gint32 id, GError **error)
{
    const char *octet = cli_word(cli, 1);
    int digits[3];
    if (!read_rights(octet, digits)) {
        g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE,
                    "rights \"%s\" must be three digits from 0 to 7, such as 640, or u=rw,g=r",
                    octet);
        return FALSE;
    }
    gint32 bits[9];
    for (guint i = 0; i < 9; i++)
        bits[i] = digits[i / 3] >> (2 - i % 3) & 1;
    WireClient *wire = cli_wire(cli, error);
    g_auto(GStrv) words = g_strsplit(cli->kind->info, ".", 3);
    g_autofree char *method = g_strdup_printf("one.%s.chmod", words[1]);
    /* Only kinds that take the option have the argument. */
    const char *shape = cli_option(cli, "recursive") != NULL ? "iiiiiiiiiib" : "iiiiiiiiii";
    return wire != NULL &&
           wire_call(wire, NULL, error, method, shape, id, bits[0], bits[1], bits[2], bits[3],
                     bits[4], bits[5], bits[6], bits[7], bits[8], TRUE);
}

CliExit cli_run_chmod(Cli *cli)
{
    return cli_each(cli, chmod_one);
}
