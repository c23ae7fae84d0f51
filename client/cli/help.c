#include "client/cli/help.h"
#include "client/cli/args.h"
#include "client/cli/options.h"

#include <string.h>

#define WIDTH        80
#define OPTION_WIDTH 26 /* column at which the text of an option begins */

static const struct {
    CliExit code;
    const char *meaning;
} exits[] = {
    {CLI_DONE, "Done; with --wait: the state was reached."},
    {CLI_FAILED, "The server refused, or the object ended in another state than the one awaited."},
    {CLI_USAGE, "Unknown command or option, wrong argument, unreadable file."},
    {CLI_UNREACHABLE, "The server gave no answer, or did not accept the login."},
    {CLI_TIMEOUT, "--wait ended before the state was reached."},
    {CLI_NO_OBJECT, "No object of that name or id, or several of that name."},
    {CLI_FORBIDDEN, "The user may not do this, or the object is locked."},
};

static const struct {
    const char *name;
    const char *meaning;
} variables[] = {
    {"ONE_XMLRPC",
     "Address of the server; else ~/.one/one_endpoint, else http://localhost:2633/RPC2."},
    {"ONE_AUTH", "File with one line, user:password or user:token; else ~/.one/one_auth."},
    {"ONE_XMLRPC_TIMEOUT", "Longest wait for an answer, in seconds."},
    {"ONE_CERT_DIR", "Directory with certificates to trust when the address begins with https."},
    {"ONE_PAGER", "Program for --pager."},
    {"VISUAL, EDITOR", "Program for changing a template."},
    {"NO_COLOR", "No colours, whatever the terminal."},
};

/* ---- Pieces ---- */

char *cli_wrap(const char *text, guint indent, guint width)
{
    GString *out = g_string_new(NULL);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (guint i = 0; lines[i] != NULL; i++) {
        g_auto(GStrv) words = g_strsplit(lines[i], " ", -1);
        guint column = 0;
        for (guint j = 0; words[j] != NULL; j++) {
            guint length = (guint)g_utf8_strlen(words[j], -1);
            if (column > 0 && column + 1 + length > width) {
                g_string_append_c(out, '\n');
                column = 0;
            }
            if (column == 0)
                g_string_append_printf(out, "%*s", (int)indent, "");
            else
                g_string_append_c(out, ' ');
            g_string_append(out, words[j]);
            column = (column == 0 ? indent : column + 1) + length;
        }
        g_string_append_c(out, '\n');
    }
    return g_string_free(out, FALSE);
}

/* The first sentence, without its full stop. (owned) */
static char *summary_of(const CliCommand *command)
{
    const char *end = strstr(command->help, ". ");
    gsize length = end != NULL ? (gsize)(end - command->help) : strlen(command->help);
    if (length > 0 && command->help[length - 1] == '.')
        length--;
    return g_strndup(command->help, length);
}

static char *first_name(const CliCommand *command)
{
    return g_strndup(command->names, strcspn(command->names, " "));
}

/* The other names, with commas; "" when there are none. (owned) */
static char *other_names(const CliCommand *command)
{
    const char *others = strchr(command->names, ' ');
    g_auto(GStrv) names = g_strsplit(others != NULL ? others + 1 : "", " ", -1);
    return g_strjoinv(", ", names);
}

static void append_entry(GString *out, guint indent, const char *head, const char *text)
{
    g_autofree char *wrapped = cli_wrap(text, OPTION_WIDTH, WIDTH);
    guint length = indent + (guint)strlen(head);
    g_string_append_printf(out, "%*s%s", (int)indent, "", head);
    if (length + 2 > OPTION_WIDTH)
        g_string_append_printf(out, "\n%s", wrapped);
    else
        g_string_append_printf(out, "%*s%s", (int)(OPTION_WIDTH - length), "",
                               wrapped + OPTION_WIDTH);
}

static void append_options(GString *out, const char *keys)
{
    g_autoptr(GPtrArray) options = cli_options_of(keys);
    for (guint i = 0; i < options->len; i++) {
        const CliOption *option = options->pdata[i];
        g_autofree char *usage = cli_option_usage(option);
        append_entry(out, option->letter != 0 ? 2 : 6, usage, option->help);
    }
}

/* ---- Help ---- */

char *cli_help_program(const CliKind *kind)
{
    GString *out = g_string_new(NULL);
    g_string_append_printf(out, "Usage: %s COMMAND [ARGUMENTS] [OPTIONS]\n", kind->program);
    g_autofree char *about = cli_wrap(kind->about, 0, WIDTH);
    g_string_append_printf(out, "\n%s", about);
    for (const CliCommand *row = kind->commands; row->names != NULL; row++) {
        if (row->group != NULL)
            g_string_append_printf(out, "\n%s\n", row->group);
        g_autofree char *name = first_name(row);
        g_autofree char *summary = summary_of(row);
        append_entry(out, 2, name, summary);
    }
    g_string_append_printf(out,
                           "\nObjects are told by id or name, lists of them as 0,3,web,5..9.\n"
                           "`%s help COMMAND` explains a command, `man %s` tells all.\n"
                           "\nOptions of every command\n",
                           kind->program, kind->program);
    append_options(out, CLI_GLOBAL);
    if (kind->examples != NULL)
        g_string_append_printf(out, "\nExamples\n%s", kind->examples);
    return g_string_free(out, FALSE);
}

char *cli_help_command(const CliKind *kind, const CliCommand *command)
{
    GString *out = g_string_new(NULL);
    g_autofree char *name = first_name(command);
    g_autofree char *usage = cli_args_usage(command);
    g_autofree char *others = other_names(command);
    g_autofree char *text = cli_wrap(command->help, 0, WIDTH);
    g_string_append_printf(out, "Usage: %s %s%s%s%s\n\n%s", kind->program, name,
                           *usage != '\0' ? " " : "", usage,
                           command->options != NULL ? " [OPTIONS]" : "", text);
    if (*others != '\0')
        g_string_append_printf(out, "\nOther names: %s\n", others);
    if (command->options != NULL) {
        g_string_append(out, "\nOptions\n");
        append_options(out, command->options);
    }
    g_string_append(out, "\nOptions of every command\n");
    append_options(out, CLI_GLOBAL);
    return g_string_free(out, FALSE);
}

/* ---- Man pages ---- */

/* Text that roff takes as it is: no line begins with a dot, no backslash is a command. */
static void append_roff(GString *out, const char *text)
{
    gboolean line_begins = out->len == 0 || out->str[out->len - 1] == '\n';
    for (; *text != '\0'; text++) {
        if (line_begins && (*text == '.' || *text == '\''))
            g_string_append(out, "\\&");
        if (*text == '\\')
            g_string_append(out, "\\e");
        else if (*text == '-')
            g_string_append(out, "\\-");
        else
            g_string_append_c(out, *text);
        line_begins = *text == '\n';
    }
}

static void append_roff_line(GString *out, const char *before, const char *text)
{
    g_string_append(out, before);
    append_roff(out, text);
    g_string_append_c(out, '\n');
}

static void append_roff_entry(GString *out, const char *head, const char *text)
{
    g_string_append(out, ".TP\n");
    append_roff_line(out, ".B ", head);
    append_roff_line(out, "", text);
}

static void append_roff_command(GString *out, const CliCommand *row)
{
    g_autofree char *name = first_name(row);
    g_autofree char *usage = cli_args_usage(row);
    g_autofree char *others = other_names(row);
    g_string_append(out, ".TP\n");
    g_string_append_printf(out, "\\fB");
    append_roff(out, name);
    g_string_append(out, "\\fR ");
    append_roff_line(out, "", usage);
    append_roff_line(out, "", row->help);
    if (*others != '\0') {
        g_autofree char *line = g_strdup_printf("Other names: %s.", others);
        append_roff_line(out, ".br\n", line);
    }
    g_autoptr(GPtrArray) options = cli_options_of(row->options);
    if (options->len == 0)
        return;
    g_autoptr(GString) list = g_string_new("Options: ");
    for (guint i = 0; i < options->len; i++) {
        const CliOption *option = options->pdata[i];
        g_string_append_printf(list, "%s--%s", i > 0 ? ", " : "", option->name);
    }
    g_string_append_c(list, '.');
    append_roff_line(out, ".br\n", list->str);
}

/* Every option that some command of the kind takes, in the order of the table. */
static void append_roff_options(GString *out, const CliKind *kind)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
    for (const CliCommand *row = kind->commands; row->names != NULL; row++) {
        g_autoptr(GPtrArray) options = cli_options_of(row->options);
        for (guint i = 0; i < options->len; i++) {
            const CliOption *option = options->pdata[i];
            if (!g_hash_table_add(seen, (gpointer)option))
                continue;
            g_autofree char *usage = cli_option_usage(option);
            append_roff_entry(out, usage, option->help);
        }
    }
    g_autoptr(GPtrArray) global = cli_options_of(CLI_GLOBAL);
    for (guint i = 0; i < global->len; i++) {
        g_autofree char *usage = cli_option_usage(global->pdata[i]);
        append_roff_entry(out, usage, ((const CliOption *)global->pdata[i])->help);
    }
}

char *cli_man(const CliKind *kind)
{
    GString *out = g_string_new(NULL);
    g_autofree char *upper = g_ascii_strup(kind->program, -1);
    g_string_append_printf(out,
                           ".\\\" Made by `onecli --man %s`: change the tables in client/cli.\n"
                           ".TH %s 1 \"\" \"Globule %s\" \"Globule\"\n.SH NAME\n",
                           kind->program, upper, GLOBULE_VERSION);
    g_string_append_printf(out,
                           "%s \\- works with the %s of the cloud\n.SH SYNOPSIS\n.B %s\n"
                           ".I COMMAND\n[\\fIARGUMENTS\\fR] [\\fIOPTIONS\\fR]\n",
                           kind->program, kind->plural, kind->program);
    append_roff_line(out, ".SH DESCRIPTION\n", kind->about);
    append_roff_line(out, ".PP\n",
                     "Objects are told by id or name; lists of them as 0,3,web,5..9: ids, "
                     "names and ranges. Of a range, numbers that do not exist are skipped.");
    g_string_append(out, ".SH COMMANDS\n");
    for (const CliCommand *row = kind->commands; row->names != NULL; row++) {
        if (row->group != NULL)
            append_roff_line(out, ".SS ", row->group);
        append_roff_command(out, row);
    }
    g_string_append(out, ".SH OPTIONS\n");
    append_roff_options(out, kind);
    g_string_append(out, ".SH COLUMNS\nColumns of lists, for --list, --filter and --sort.\n");
    for (const CliColumn *column = kind->columns; column->name != NULL; column++)
        append_roff_entry(out, column->name, column->help);
    g_string_append(out, ".SH ENVIRONMENT\n");
    for (guint i = 0; i < G_N_ELEMENTS(variables); i++)
        append_roff_entry(out, variables[i].name, variables[i].meaning);
    g_string_append(out, ".SH EXIT STATUS\n");
    for (guint i = 0; i < G_N_ELEMENTS(exits); i++) {
        g_autofree char *code = g_strdup_printf("%d", exits[i].code);
        append_roff_entry(out, code, exits[i].meaning);
    }
    if (kind->examples != NULL) {
        append_roff_line(out, ".SH EXAMPLES\n.nf\n", kind->examples);
        g_string_append(out, ".fi\n");
    }
    g_string_append(out, ".SH SEE ALSO\n");
    for (guint i = 0, count = 0; cli_kinds[i] != NULL; i++)
        if (cli_kinds[i]->program != NULL && cli_kinds[i] != kind)
            g_string_append_printf(out, "%s.BR %s (1)", count++ > 0 ? ",\n" : "",
                                   cli_kinds[i]->program);
    g_string_append_c(out, '\n');
    return g_string_free(out, FALSE);
}

/* ---- Completion ---- */

char *cli_programs(void)
{
    GString *out = g_string_new(NULL);
    for (guint i = 0; cli_kinds[i] != NULL; i++)
        if (cli_kinds[i]->program != NULL)
            g_string_append_printf(out, "%s\n", cli_kinds[i]->program);
    return g_string_free(out, FALSE);
}

/* "onevm deploy) args='vm host datastore'; options='--enforce --wait' ;;" */
static void append_case(GString *out, const CliKind *kind, const CliCommand *row)
{
    g_auto(GStrv) names = g_strsplit(row->names, " ", -1);
    g_string_append(out, "    ");
    for (guint i = 0; names[i] != NULL; i++)
        g_string_append_printf(out, "%s\"%s %s\"", i > 0 ? " | " : "", kind->program, names[i]);
    g_string_append(out, ")\n        args='");
    g_autoptr(GPtrArray) args = cli_args_of(row, NULL);
    for (guint i = 0; args != NULL && i < args->len; i++) {
        const CliArg *arg = args->pdata[i];
        const char *word = arg->type == CLI_ARG_FILE                         ? "-file"
                           : arg->kind != NULL && arg->kind->program != NULL ? arg->kind->program
                                                                             : "-";
        g_string_append_printf(out, "%s%s", i > 0 ? " " : "", word);
    }
    g_string_append(out, "' options='");
    g_autoptr(GPtrArray) options = cli_options_of(row->options);
    for (guint i = 0; i < options->len; i++)
        g_string_append_printf(out, "--%s ", ((const CliOption *)options->pdata[i])->name);
    g_string_append(out, "'\n        ;;\n");
}

static void append_commands(GString *out, const CliKind *kind)
{
    g_string_append_printf(out, "    %s) commands='help", kind->program);
    for (const CliCommand *row = kind->commands; row->names != NULL; row++) {
        g_autofree char *name = first_name(row);
        g_string_append_printf(out, " %s", name);
    }
    g_string_append(out, "' ;;\n");
}

/* Makes COMPREPLY from the program, its command, the word in hand and the words before. */
static const char completion_logic[] =
    "    if ((nth == 0)); then\n"
    "        mapfile -t COMPREPLY < <(compgen -W \"$commands\" -- \"$word\")\n"
    "        return\n"
    "    fi\n"
    "    case $word in\n"
    "    -*)\n"
    "        mapfile -t COMPREPLY < <(compgen -W \"$options $global\" -- \"$word\")\n"
    "        return\n"
    "        ;;\n"
    "    esac\n"
    "    local -a kinds\n"
    "    read -ra kinds <<<\"$args\"\n"
    "    case ${kinds[nth - 1]-} in\n"
    "    one*) # names, asked of the server; silent when it does not answer\n"
    "        mapfile -t COMPREPLY < <(compgen -W \"$(ONE_XMLRPC_TIMEOUT=2 \"${kinds[nth - 1]}\" "
    "list \\\n"
    "            --no-header --csv -l NAME 2>/dev/null </dev/null)\" -- \"$word\")\n"
    "        ;;\n"
    "    -file) mapfile -t COMPREPLY < <(compgen -f -- \"$word\") ;;\n"
    "    esac\n";

char *cli_completion(void)
{
    GString *out =
        g_string_new("# bash completion for Globule; made by `onecli --completion`: change the\n"
                     "# tables in client/cli.\n\n_globule() {\n"
                     "    local program=${1##*/} word=${COMP_WORDS[COMP_CWORD]}\n"
                     "    local command='' commands='' args='' options='' nth=0 i\n"
                     "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
                     "        case ${COMP_WORDS[i]} in\n"
                     "        -*) ;;\n"
                     "        *)\n"
                     "            ((nth++ == 0)) && command=${COMP_WORDS[i]}\n"
                     "            ;;\n"
                     "        esac\n"
                     "    done\n");
    g_autoptr(GPtrArray) global = cli_options_of(CLI_GLOBAL);
    g_string_append(out, "    local global='");
    for (guint i = 0; i < global->len; i++)
        g_string_append_printf(out, "--%s ", ((const CliOption *)global->pdata[i])->name);
    g_string_append(out, "'\n    case $program in\n");
    for (guint i = 0; cli_kinds[i] != NULL; i++)
        if (cli_kinds[i]->program != NULL)
            append_commands(out, cli_kinds[i]);
    g_string_append(out, "    esac\n    case \"$program $command\" in\n");
    for (guint i = 0; cli_kinds[i] != NULL; i++)
        for (const CliCommand *row = cli_kinds[i]->commands; row != NULL && row->names != NULL;
             row++)
            append_case(out, cli_kinds[i], row);
    g_string_append_printf(out, "    esac\n%s}\n\n", completion_logic);
    g_autofree char *programs = cli_programs();
    g_strdelimit(g_strchomp(programs), "\n", ' ');
    g_string_append_printf(out, "complete -F _globule %s\n", programs);
    return g_string_free(out, FALSE);
}
