#include "client/cli/cli.h"
#include "client/cli/args.h"
#include "client/cli/call.h"
#include "client/cli/edit.h"
#include "client/cli/help.h"
#include "client/cli/kinds.h"
#include "client/cli/names.h"
#include "client/cli/wait.h"
#include "client/cli/xml.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FAULT_NO_METHOD (-506)

/* ---- What a run knows ---- */

void cli_init(Cli *cli, const CliKind *kind)
{
    memset(cli, 0, sizeof *cli);
    cli->kind = kind;
    cli->options =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)g_ptr_array_unref);
    cli->words = g_ptr_array_new_with_free_func(g_free);
    cli->ids = g_array_new(FALSE, FALSE, sizeof(gint32));
    cli->gaps = g_hash_table_new(NULL, NULL);
    cli->pools = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)xmlFreeDoc);
    cli->terminal = isatty(STDOUT_FILENO);
}

void cli_clear(Cli *cli)
{
    g_hash_table_unref(cli->options);
    g_ptr_array_unref(cli->words);
    g_array_unref(cli->ids);
    g_hash_table_unref(cli->gaps);
    g_hash_table_unref(cli->pools);
    wire_client_free(cli->wire);
    g_free(cli->called);
}

const char *cli_option(const Cli *cli, const char *key)
{
    GPtrArray *values = g_hash_table_lookup(cli->options, key);
    return values != NULL ? values->pdata[values->len - 1] : NULL;
}

GPtrArray *cli_option_all(const Cli *cli, const char *key)
{
    return g_hash_table_lookup(cli->options, key);
}

const char *cli_word(const Cli *cli, guint nth)
{
    return nth < cli->words->len ? cli->words->pdata[nth] : NULL;
}

WireClient *cli_wire(Cli *cli, GError **error)
{
    if (cli->wire != NULL)
        return cli->wire;
    g_autofree char *session = NULL;
    const char *user = cli_option(cli, "user");
    if (user != NULL) {
        g_autofree char *prompt = g_strdup_printf("Password of %s", user);
        g_autofree char *password = cli_option(cli, "password") != NULL
                                        ? g_strdup(cli_option(cli, "password"))
                                        : cli_ask_password(prompt, error);
        if (password == NULL)
            return NULL;
        session = g_strdup_printf("%s:%s", user, password);
    } else if (cli_option(cli, "password") != NULL) {
        g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE, "--password needs --user beside it");
        return NULL;
    }
    cli->wire = wire_client_new(cli_option(cli, "endpoint"), session, error);
    return cli->wire;
}

/* ---- Failure ---- */

CliExit cli_exit_of(const GError *error)
{
    if (error->domain == CLI_ERROR)
        return error->code == CLI_ERROR_USAGE       ? CLI_USAGE
               : error->code == CLI_ERROR_NO_OBJECT ? CLI_NO_OBJECT
                                                    : CLI_FAILED;
    if (error->domain != ONE_ERROR)
        return CLI_FAILED;
    switch (error->code) {
    case ONE_ERROR_AUTHENTICATION:
    case ONE_ERROR_UNREACHABLE:
    case ONE_ERROR_TIMEOUT:
        return CLI_UNREACHABLE;
    case ONE_ERROR_NO_EXISTS:
        return CLI_NO_OBJECT;
    case ONE_ERROR_AUTHORIZATION:
    case ONE_ERROR_LOCKED:
        return CLI_FORBIDDEN;
    default:
        return CLI_FAILED;
    }
}

/* Of which kind the object is that the server does not find ("Error getting host [7]."); NULL when
 * the text does not tell. Other words than the kind's own noun count when the id is one that the
 * command is for. */
static const CliKind *kind_missing(const Cli *cli, const char *text)
{
    const char *words = strstr(text, "Error getting "), *number = strrchr(text, '[');
    if (words == NULL || number == NULL || !g_str_has_suffix(text, "]."))
        return NULL;
    words += strlen("Error getting ");
    for (guint i = 0; cli_kinds[i] != NULL; i++) {
        gsize length = strlen(cli_kinds[i]->noun);
        if (strncmp(words, cli_kinds[i]->noun, length) == 0 && words + length + 1 == number)
            return cli_kinds[i];
    }
    for (guint i = 0; i < cli->ids->len; i++)
        if (g_array_index(cli->ids, gint32, i) == g_ascii_strtoll(number + 1, NULL, 10))
            return cli->kind;
    return NULL;
}

/* What to do, when the server's own text does not say it. */
static void tell_way_out(const Cli *cli, const GError *error)
{
    const char *program = cli->kind->program, *called = cli->called;
    if (cli->wire == NULL || error->domain != ONE_ERROR)
        return;
    const CliKind *missing =
        error->code == ONE_ERROR_NO_EXISTS ? kind_missing(cli, error->message) : NULL;
    if (error->code == ONE_ERROR_AUTHENTICATION)
        fprintf(stderr,
                "%s does not accept this user and password. They come from --user, from the file "
                "that ONE_AUTH names, or from ~/.one/one_auth; where a login token has ended, "
                "`oneuser login` makes another\n",
                wire_client_endpoint(cli->wire));
    else if (missing != NULL)
        fprintf(stderr, "`%s list` shows which there are\n", missing->program);
    else if (wire_fault_code(cli->wire) == FAULT_NO_METHOD)
        fprintf(stderr, "This server does not offer what `%s %s` needs\n", program, called);
    else if (strstr(error->message, "is locked") != NULL)
        fprintf(stderr, "`%s unlock` takes the protection off\n", program);
    else if (error->code == ONE_ERROR_ACTION && cli->kind == &cli_vm &&
             cli->command->goal != NULL && strcmp(cli->command->goal, "DONE") == 0)
        fprintf(stderr, "`onevm recover --delete` removes a machine whatever its state\n");
}

CliExit cli_fail(Cli *cli, const GError *error)
{
    fflush(stdout);
    fprintf(stderr, "%s\n", error->message);
    tell_way_out(cli, error);
    return cli_exit_of(error);
}

/* ---- Programs ---- */

static CliExit run_command(Cli *cli)
{
    g_autoptr(GError) error = NULL;
    cli->verbose = cli_option(cli, "verbose") != NULL;
    cli->numeric = cli_option(cli, "numeric") != NULL;
    if (!cli_wait_is_meant(cli))
        return CLI_USAGE;
    if (!cli_find_all(cli, &error))
        return cli_fail(cli, error);
    return cli->command->run != NULL ? cli->command->run(cli) : cli_run_row(cli);
}

static CliExit help(Cli *cli, const CliCommand *command)
{
    g_autofree char *text =
        command != NULL ? cli_help_command(cli->kind, command) : cli_help_program(cli->kind);
    fputs(text, stdout);
    return CLI_DONE;
}

static CliExit run_program(Cli *cli, int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    if (argc > 1 && strcmp(argv[1], "help") == 0) {
        const CliCommand *command = argc > 2 ? cli_command_named(cli->kind, argv[2]) : NULL;
        if (argc <= 2 || command != NULL)
            return help(cli, command);
        argv++, argc--; /* an unknown command: told as such */
    }
    g_autofree char **longer = NULL;
    static const char *const about[] = {"-h", "--help", "-V", "--version", NULL};
    if (cli->kind->otherwise != NULL &&
        (argc < 2 || (argv[1][0] == '-' && !g_strv_contains(about, argv[1])))) {
        longer = g_new0(char *, (gsize)argc + 2);
        longer[0] = argv[0];
        longer[1] = (char *)cli->kind->otherwise;
        for (int i = 1; i < argc; i++)
            longer[i + 1] = argv[i];
        argv = longer;
        argc++;
    }
    if (!cli_read_arguments(cli, argc, argv, &error))
        return cli_fail(cli, error);
    if (cli_option(cli, "version") != NULL) {
        printf("Globule %s\n", GLOBULE_VERSION);
        return CLI_DONE;
    }
    if (cli_option(cli, "help") != NULL)
        return help(cli, cli->command);
    if (cli->command == NULL) {
        help(cli, NULL);
        return CLI_USAGE;
    }
    return run_command(cli);
}

/* `onecli` itself: makes man pages and the completion; with a program's name it stands in for that.
 */
static CliExit run_onecli(int argc, char **argv)
{
    const CliKind *kind = argc > 2 ? cli_kind_of_program(argv[2]) : NULL;
    g_autofree char *text = NULL;
    if (argc == 3 && strcmp(argv[1], "--man") == 0 && kind != NULL)
        text = cli_man(kind);
    else if (argc == 2 && strcmp(argv[1], "--completion") == 0)
        text = cli_completion();
    else if (argc == 2 && strcmp(argv[1], "--programs") == 0)
        text = cli_programs();
    else if (argc == 2 && (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0))
        text = g_strdup("Globule " GLOBULE_VERSION "\n");
    if (text != NULL) {
        fputs(text, stdout);
        return CLI_DONE;
    }
    gboolean asked = argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
    g_autofree char *programs = cli_programs();
    g_strdelimit(g_strchomp(programs), "\n", ' ');
    if (argc > 1 && argv[1][0] != '-')
        fprintf(stderr, "there is no program \"%s\"\n", argv[1]);
    fprintf(asked ? stdout : stderr,
            "usage: onecli PROGRAM COMMAND ..., PROGRAM one of: %s\n"
            "       onecli --programs | --man PROGRAM | --completion | --version\n",
            programs);
    return asked ? CLI_DONE : CLI_USAGE;
}

CliExit cli_main(int argc, char **argv)
{
    setlocale(LC_ALL, "");
    setlocale(LC_NUMERIC, "C"); /* scripts read "0.5", never "0,5" */
    g_autofree char *name = g_path_get_basename(argc > 0 ? argv[0] : "onecli");
    const CliKind *kind = cli_kind_of_program(name);
    if (kind == NULL && argc > 1) {
        kind = cli_kind_of_program(argv[1]);
        if (kind != NULL)
            argv++, argc--;
    }
    CliExit exit;
    if (kind == NULL) {
        exit = run_onecli(argc, argv);
    } else {
        Cli cli;
        cli_init(&cli, kind);
        exit = run_program(&cli, argc, argv);
        cli_clear(&cli);
    }
    if (fflush(stdout) != 0 && exit == CLI_DONE) {
        perror("standard output");
        exit = CLI_FAILED;
    }
    return exit;
}
