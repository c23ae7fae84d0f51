#include "client/cli/args.h"
#include "client/cli/names.h"
#include "client/cli/options.h"

#include <string.h>

G_DEFINE_QUARK(cli - error - quark, cli_error)

/* ---- What a command takes ---- */

void cli_arg_free(CliArg *arg)
{
    g_free(arg->label);
    g_free(arg);
}

static gboolean take_suffix(char *word, const char *suffix)
{
    if (!g_str_has_suffix(word, suffix))
        return FALSE;
    word[strlen(word) - strlen(suffix)] = '\0';
    return TRUE;
}

static CliArg *arg_of(const char *text, GError **error)
{
    static const struct {
        const char *word;
        CliArgType type;
    } types[] = {
        {"text", CLI_ARG_TEXT},
        {"number", CLI_ARG_NUMBER},
        {"file", CLI_ARG_FILE},
        {"password", CLI_ARG_PASSWORD},
    };
    g_autofree char *word = g_strdup(text);
    CliArg *arg = g_new0(CliArg, 1);
    arg->optional = take_suffix(word, "?");
    arg->list = take_suffix(word, "...");
    char *label = strchr(word, ':');
    if (label != NULL)
        *label++ = '\0';
    for (guint i = 0; i < G_N_ELEMENTS(types); i++) {
        if (strcmp(word, types[i].word) == 0) {
            arg->type = types[i].type;
            arg->label = g_strdup(label != NULL ? label : word);
            return arg;
        }
    }
    arg->kind = cli_kind_of_word(word);
    if (arg->kind == NULL) {
        g_set_error(error, CLI_ERROR, CLI_ERROR_FAILED, "\"%s\" is no kind of argument", text);
        cli_arg_free(arg);
        return NULL;
    }
    arg->type = CLI_ARG_KIND;
    arg->label = g_strdelimit(g_strdup(label != NULL ? label
                                       : arg->list   ? arg->kind->plural
                                                     : arg->kind->noun),
                              " ", '_');
    return arg;
}

GPtrArray *cli_args_of(const CliCommand *command, GError **error)
{
    g_autoptr(GPtrArray) args = g_ptr_array_new_with_free_func((GDestroyNotify)cli_arg_free);
    g_auto(GStrv) words = g_strsplit(command->args != NULL ? command->args : "", " ", -1);
    for (guint i = 0; words[i] != NULL; i++) {
        if (*words[i] == '\0')
            continue;
        CliArg *arg = arg_of(words[i], error);
        if (arg == NULL)
            return NULL;
        g_ptr_array_add(args, arg);
    }
    return g_steal_pointer(&args);
}

char *cli_args_usage(const CliCommand *command)
{
    GString *usage = g_string_new(NULL);
    g_autoptr(GPtrArray) args = cli_args_of(command, NULL);
    for (guint i = 0; args != NULL && i < args->len; i++) {
        const CliArg *arg = args->pdata[i];
        g_string_append_printf(usage, arg->optional ? "%s[<%s>]%s" : "%s<%s>%s", i > 0 ? " " : "",
                               arg->label, arg->list && arg->type == CLI_ARG_TEXT ? "..." : "");
    }
    return g_string_free(usage, FALSE);
}

const CliCommand *cli_command_named(const CliKind *kind, const char *name)
{
    for (const CliCommand *row = kind->commands; row != NULL && row->names != NULL; row++) {
        g_auto(GStrv) names = g_strsplit(row->names, " ", -1);
        if (g_strv_contains((const char *const *)names, name))
            return row;
    }
    return NULL;
}

/* ---- What the user typed ---- */

static void add_option(Cli *cli, const CliOption *row, const char *value)
{
    GPtrArray *values = g_hash_table_lookup(cli->options, row->key);
    if (values == NULL) {
        values = g_ptr_array_new_with_free_func(g_free);
        g_hash_table_insert(cli->options, (gpointer)row->key, values);
    }
    g_ptr_array_add(values, g_strdup(value));
}

static void hide(const CliOption *row, char *value)
{
    if (strcmp(row->key, "password") == 0)
        memset(value, 'x', strlen(value));
}

static void fail_usage(const Cli *cli, GError **error, const char *format, ...) G_GNUC_PRINTF(3, 4);

static void fail_usage(const Cli *cli, GError **error, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    g_autofree char *text = g_strdup_vprintf(format, list);
    va_end(list);
    g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE, "%s; `%s %s%s-h` explains", text,
                cli->kind->program, cli->called != NULL ? cli->called : "",
                cli->called != NULL ? " " : "");
}

static const char *own_options(const Cli *cli)
{
    return cli->command != NULL && cli->command->options != NULL ? cli->command->options : "";
}

/* Reads argv[at], which starts with "--"; returns how many further words it used, -1 on error. */
static int read_long(Cli *cli, int argc, char **argv, int at, GError **error)
{
    char *name = argv[at] + 2;
    char *equals = strchr(name, '=');
    gsize length = equals != NULL ? (gsize)(equals - name) : strlen(name);
    gboolean several;
    const CliOption *row = cli_option_named(own_options(cli), name, length, &several);
    if (row == NULL && !several)
        row = cli_option_named(CLI_GLOBAL, name, length, &several);
    if (row == NULL) {
        fail_usage(cli, error, "%s %.*s", several ? "several options begin with" : "no option",
                   (int)length + 2, argv[at]);
        return -1;
    }
    if (equals != NULL) {
        if (row->value == NULL) {
            fail_usage(cli, error, "--%s takes no value", row->name);
            return -1;
        }
        add_option(cli, row, equals + 1);
        hide(row, equals + 1);
        return 0;
    }
    gboolean must = row->value != NULL && row->value[0] != '[';
    gboolean may = row->value != NULL && row->value[0] == '[' && row->value[1] != '=';
    if (must && at + 1 >= argc) {
        fail_usage(cli, error, "--%s needs a value behind it", row->name);
        return -1;
    }
    if (must || (may && at + 1 < argc && argv[at + 1][0] != '-')) {
        add_option(cli, row, argv[at + 1]);
        hide(row, argv[at + 1]);
        return 1;
    }
    add_option(cli, row, "");
    return 0;
}

/* Reads argv[at], which is "-" and letters; a value may stand behind its letter. */
static int read_letters(Cli *cli, int argc, char **argv, int at, GError **error)
{
    for (const char *letter = argv[at] + 1; *letter != '\0'; letter++) {
        const CliOption *row = cli_option_letter(own_options(cli), *letter);
        if (row == NULL)
            row = cli_option_letter(CLI_GLOBAL, *letter);
        char shown[3] = {'-', *letter, '\0'};
        if (row == NULL) {
            fail_usage(cli, error, "no option %s", shown);
            return -1;
        }
        if (row->value == NULL || row->value[0] == '[') {
            add_option(cli, row, "");
            continue;
        }
        if (letter[1] != '\0') {
            add_option(cli, row, letter + 1);
            return 0;
        }
        if (at + 1 >= argc) {
            fail_usage(cli, error, "%s needs a value behind it", shown);
            return -1;
        }
        add_option(cli, row, argv[at + 1]);
        return 1;
    }
    return 0;
}

static gboolean take_word(Cli *cli, const char *word, GError **error)
{
    if (cli->command != NULL) {
        g_ptr_array_add(cli->words, g_strdup(word));
        return TRUE;
    }
    cli->command = cli_command_named(cli->kind, word);
    if (cli->command != NULL) {
        cli->called = g_strdup(word);
        return TRUE;
    }
    g_autofree char *close = cli_close_commands(cli->kind, word);
    g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE,
                "%s has no command \"%s\"%s%s; `%s help` lists them", cli->kind->program, word,
                *close != '\0' ? "; close: " : "", close, cli->kind->program);
    return FALSE;
}

/* Words of the type "password" are blanked in argv; which they are is known at the end. */
static void hide_passwords(const Cli *cli, int argc, char **argv)
{
    if (cli->command == NULL)
        return;
    g_autoptr(GPtrArray) args = cli_args_of(cli->command, NULL);
    for (guint i = 0; args != NULL && i < args->len && i < cli->words->len; i++) {
        const CliArg *arg = args->pdata[i];
        for (int at = argc - 1; arg->type == CLI_ARG_PASSWORD && at > 0; at--) {
            if (strcmp(argv[at], cli->words->pdata[i]) == 0) {
                memset(argv[at], 'x', strlen(argv[at]));
                break;
            }
        }
    }
}

static gboolean check_count(Cli *cli, GError **error)
{
    if (cli->command == NULL || cli_option(cli, "help") != NULL)
        return TRUE;
    g_autoptr(GPtrArray) args = cli_args_of(cli->command, error);
    if (args == NULL)
        return FALSE;
    g_autofree char *usage = cli_args_usage(cli->command);
    for (guint i = cli->words->len; i < args->len; i++) {
        const CliArg *arg = args->pdata[i];
        if (arg->optional)
            continue;
        g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE, "<%s> is missing: %s %s %s", arg->label,
                    cli->kind->program, cli->called, usage);
        return FALSE;
    }
    const CliArg *last = args->len > 0 ? args->pdata[args->len - 1] : NULL;
    gboolean open = last != NULL && last->list && last->type == CLI_ARG_TEXT;
    if (cli->words->len > args->len && !open) {
        fail_usage(cli, error, "\"%s\" is one word too many",
                   (const char *)cli->words->pdata[args->len]);
        return FALSE;
    }
    return TRUE;
}

gboolean cli_read_arguments(Cli *cli, int argc, char **argv, GError **error)
{
    gboolean only_words = FALSE;
    for (int at = 1; at < argc; at++) {
        const char *word = argv[at];
        int used = 0;
        if (only_words || word[0] != '-' || word[1] == '\0' || g_ascii_isdigit(word[1])) {
            if (!take_word(cli, word, error))
                return FALSE;
        } else if (strcmp(word, "--") == 0) {
            only_words = TRUE;
        } else {
            used = word[1] == '-' ? read_long(cli, argc, argv, at, error)
                                  : read_letters(cli, argc, argv, at, error);
            if (used < 0)
                return FALSE;
        }
        at += used;
    }
    hide_passwords(cli, argc, argv);
    return check_count(cli, error);
}
