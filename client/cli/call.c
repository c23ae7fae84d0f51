#include "client/cli/call.h"
#include "client/cli/args.h"
#include "client/cli/edit.h"
#include "client/cli/names.h"
#include "client/cli/options.h"
#include "client/cli/wait.h"

#include <stdio.h>
#include <string.h>

#define VALUES_MAX 10

/* ---- From params to values ---- */

void cli_values_clear(GArray *values)
{
    for (guint i = 0; values != NULL && i < values->len; i++)
        g_free(g_array_index(values, CliValue, i).text);
    g_clear_pointer(&values, g_array_unref);
}

static void set_text(CliValue *value, char *text)
{
    value->type = 's';
    value->text = text;
}

static void set_number(CliValue *value, char type, gint64 number)
{
    value->type = type;
    value->number = (gint32)number;
}

/* "$2" or "$2:-1". */
static gboolean argument_value(Cli *cli, const char *param, CliValue *value, GError **error)
{
    g_autoptr(GPtrArray) args = cli_args_of(cli->command, error);
    guint nth = (guint)(param[1] - '0');
    if (args == NULL || nth >= args->len) {
        g_clear_error(error);
        g_set_error(error, CLI_ERROR, CLI_ERROR_FAILED, "%s of %s is no argument", param,
                    cli->command->names);
        return FALSE;
    }
    const CliArg *arg = args->pdata[nth];
    gboolean text = arg->type != CLI_ARG_KIND && arg->type != CLI_ARG_NUMBER;
    const char *otherwise = param[2] == ':' ? param + 3 : "";
    const char *word = cli_word(cli, nth);
    if (text)
        set_text(value, g_strdup(word != NULL ? word : otherwise));
    else
        set_number(value, 'i',
                   word != NULL ? cli->numbers[nth] : g_ascii_strtoll(otherwise, NULL, 10));
    return TRUE;
}

/* "{0,live=1,poff=2}" */
static gboolean choice_value(Cli *cli, const char *param, CliValue *value, GError **error)
{
    g_autofree char *inside = g_strndup(param + 1, strlen(param) - 2);
    g_auto(GStrv) choices = g_strsplit(inside, ",", -1);
    g_autoptr(GString) names = g_string_new(NULL);
    const char *chosen = NULL;
    gboolean known = FALSE;
    for (guint i = 0; choices[i] != NULL; i++) {
        char *number = strchr(choices[i], '=');
        if (number == NULL) {
            set_number(value, 'i', g_ascii_strtoll(choices[i], NULL, 10));
            known = TRUE;
            continue;
        }
        *number++ = '\0';
        g_string_append_printf(names, "%s--%s", names->len > 0 ? ", " : "", choices[i]);
        if (cli_option(cli, choices[i]) == NULL)
            continue;
        if (chosen != NULL) {
            g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE, "--%s and --%s: only one of them",
                        cli_option_row(chosen)->name, cli_option_row(choices[i])->name);
            return FALSE;
        }
        chosen = choices[i];
        set_number(value, 'i', g_ascii_strtoll(number, NULL, 10));
    }
    known = known || chosen != NULL;
    if (!known)
        g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE, "%s %s: say how, with one of %s",
                    cli->kind->program, cli->called, names->str);
    return known;
}

/* "'poweroff/hard'" */
static char *quoted_text(const Cli *cli, const char *param)
{
    g_autofree char *word = g_strndup(param + 1, strlen(param) - 2);
    char *option = strchr(word, '/');
    if (option == NULL)
        return g_steal_pointer(&word);
    *option++ = '\0';
    return cli_option(cli, option) != NULL ? g_strdup_printf("%s-%s", word, option)
                                           : g_steal_pointer(&word);
}

static gboolean template_value(Cli *cli, const char *param, gint32 id, CliValue *value,
                               GError **error)
{
    const char *file = cli_option(cli, "file");
    char *text = strcmp(param, "@new") == 0    ? cli_new_text(cli, error)
                 : strcmp(param, "@file") != 0 ? cli_template_text(cli, id, error)
                 : file != NULL                ? cli_read_template(file, error)
                                               : g_strdup("");
    set_text(value, text);
    return text != NULL;
}

static gboolean option_value(Cli *cli, const char *key, CliValue *value, GError **error)
{
    const char *word = cli_option(cli, key);
    set_number(value, 'i', -1);
    return word == NULL || cli_find_id(cli, cli_kind_of_word(key), word, &value->number, error);
}

/* "%snapshot:-1" */
static gboolean number_value(Cli *cli, const char *param, CliValue *value, GError **error)
{
    g_auto(GStrv) words = g_strsplit(param + 1, ":", 2);
    const char *word = cli_option(cli, words[0]);
    gint64 number = 0;
    if (word == NULL)
        word = words[1] != NULL ? words[1] : "0";
    if (!g_ascii_string_to_signed(word, 10, G_MININT32, G_MAXINT32, &number, NULL)) {
        g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE, "--%s \"%s\" must be a whole number",
                    words[0], word);
        return FALSE;
    }
    set_number(value, 'i', number);
    return TRUE;
}

static gboolean value_of(Cli *cli, const char *param, gint32 id, CliValue *value, GError **error)
{
    switch (param[0]) {
    case '$':
        return argument_value(cli, param, value, error);
    case '{':
        return choice_value(cli, param, value, error);
    case '@':
        return template_value(cli, param, id, value, error);
    case '=':
        return option_value(cli, param + 1, value, error);
    case '%':
        return number_value(cli, param, value, error);
    case '+': {
        const char *word = cli_option(cli, param + 1);
        set_text(value, g_strdup(word != NULL ? word : ""));
        return TRUE;
    }
    case '\'':
        set_text(value, quoted_text(cli, param));
        return TRUE;
    case '?':
        set_number(value, 'b', cli_option(cli, param + 1) != NULL);
        return TRUE;
    case '#':
        set_number(value, 'i', cli_option(cli, param + 1) != NULL);
        return TRUE;
    default:
        break;
    }
    if (strcmp(param, "id") == 0)
        set_number(value, 'i', id);
    else if (strcmp(param, "yes") == 0 || strcmp(param, "no") == 0)
        set_number(value, 'b', param[0] == 'y');
    else
        set_number(value, 'i', g_ascii_strtoll(param, NULL, 10));
    return TRUE;
}

GArray *cli_values_of(Cli *cli, const char *params, gint32 id, GError **error)
{
    GArray *values = g_array_new(FALSE, TRUE, sizeof(CliValue));
    g_auto(GStrv) words = g_strsplit(params, " ", -1);
    for (guint i = 0; words[i] != NULL; i++) {
        CliValue value = {0};
        if (*words[i] == '\0')
            continue;
        if (!value_of(cli, words[i], id, &value, error)) {
            cli_values_clear(values);
            return NULL;
        }
        g_array_append_val(values, value);
    }
    return values;
}

char *cli_shape_of(const CliCommand *command, GError **error)
{
    g_autoptr(GPtrArray) args = cli_args_of(command, error);
    if (args == NULL)
        return NULL;
    g_autoptr(GString) shape = g_string_new(NULL);
    g_auto(GStrv) words = g_strsplit(command->params, " ", -1);
    for (guint i = 0; words[i] != NULL; i++) {
        const char *word = words[i];
        guint nth = word[0] == '$' ? (guint)(word[1] - '0') : 0;
        if (nth >= MAX(args->len, 1)) {
            g_set_error(error, CLI_ERROR, CLI_ERROR_FAILED, "%s: no argument %s", command->names,
                        word);
            return NULL;
        }
        const CliArg *arg = args->len > 0 ? args->pdata[nth] : NULL;
        gboolean number = arg != NULL && (arg->type == CLI_ARG_KIND || arg->type == CLI_ARG_NUMBER);
        char type = strchr("'@+", word[0]) != NULL || (word[0] == '$' && !number) ? 's'
                    : word[0] == '?' || word[0] == 'y' || word[0] == 'n'          ? 'b'
                                                                                  : 'i';
        g_string_append_c(shape, type);
    }
    return g_strdup(shape->str);
}

/* ---- The call ---- */

/* The shapes that rows may have, each with its call: C has no way to call a function of
 * variable arguments with a list that is made at run time. */
static gboolean call_shape(WireClient *wire, WireReply *reply, GError **error, const char *method,
                           const char *types, const CliValue *v, gboolean try_only)
{
#define SHAPE(shape, ...)                                                                          \
    if (strcmp(types, shape) == 0)                                                                 \
        return try_only || wire_call(wire, reply, error, method, shape, ##__VA_ARGS__);
    SHAPE("")
    SHAPE("i", v[0].number)
    SHAPE("s", v[0].text)
    SHAPE("ib", v[0].number, v[1].number)
    SHAPE("ii", v[0].number, v[1].number)
    SHAPE("is", v[0].number, v[1].text)
    SHAPE("si", v[0].text, v[1].number)
    SHAPE("iii", v[0].number, v[1].number, v[2].number)
    SHAPE("iib", v[0].number, v[1].number, v[2].number)
    SHAPE("iis", v[0].number, v[1].number, v[2].text)
    SHAPE("isb", v[0].number, v[1].text, v[2].number)
    SHAPE("isi", v[0].number, v[1].text, v[2].number)
    SHAPE("iss", v[0].number, v[1].text, v[2].text)
    SHAPE("iiii", v[0].number, v[1].number, v[2].number, v[3].number)
    SHAPE("iiiii", v[0].number, v[1].number, v[2].number, v[3].number, v[4].number)
    SHAPE("iiis", v[0].number, v[1].number, v[2].number, v[3].text)
    SHAPE("iisi", v[0].number, v[1].number, v[2].text, v[3].number)
    SHAPE("ssii", v[0].text, v[1].text, v[2].number, v[3].number)
    SHAPE("iibis", v[0].number, v[1].number, v[2].number, v[3].number, v[4].text)
    SHAPE("iissi", v[0].number, v[1].number, v[2].text, v[3].text, v[4].number)
    SHAPE("iibbii", v[0].number, v[1].number, v[2].number, v[3].number, v[4].number, v[5].number)
#undef SHAPE
    g_set_error(error, CLI_ERROR, CLI_ERROR_FAILED, "%s: no way to send the types %s", method,
                types);
    return FALSE;
}

gboolean cli_shape_known(const char *types)
{
    return call_shape(NULL, NULL, NULL, "", types, NULL, TRUE);
}

static void explain(const char *method, const GArray *values)
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 0; i < values->len; i++) {
        const CliValue *value = &g_array_index(values, CliValue, i);
        g_string_append(text, i > 0 ? ", " : "");
        if (value->type == 's')
            g_string_append_printf(text, "\"%.40s\"", value->text);
        else if (value->type == 'b')
            g_string_append(text, value->number ? "true" : "false");
        else
            g_string_append_printf(text, "%d", value->number);
    }
    fprintf(stderr, "%s(%s)\n", method, text->str);
}

gboolean cli_call(Cli *cli, WireReply *reply, GError **error, const char *method,
                  const GArray *values)
{
    char types[VALUES_MAX + 1] = "";
    for (guint i = 0; i < values->len && i < VALUES_MAX; i++)
        types[i] = g_array_index(values, CliValue, i).type;
    WireClient *wire = cli_wire(cli, error);
    if (wire == NULL)
        return FALSE;
    if (cli->verbose)
        explain(method, values);
    return call_shape(wire, reply, error, method, types, (const CliValue *)(void *)values->data,
                      FALSE);
}

gboolean cli_call_numbers(Cli *cli, WireReply *reply, GError **error, const char *method,
                          const char *numbers)
{
    GArray *values = cli_values_of(cli, numbers != NULL ? numbers : "", -1, error);
    gboolean good = values != NULL && cli_call(cli, reply, error, method, values);
    cli_values_clear(values);
    return good;
}

/* ---- For each object ---- */

CliExit cli_each(Cli *cli, CliEach each)
{
    CliExit exit = CLI_DONE;
    guint missing = 0;
    g_autoptr(GArray) done = g_array_new(FALSE, FALSE, sizeof(gint32));
    for (guint i = 0; i < cli->ids->len; i++) {
        gint32 id = g_array_index(cli->ids, gint32, i);
        g_autoptr(GError) error = NULL;
        if (each(cli, id, &error)) {
            g_array_append_val(done, id);
            continue;
        }
        if (g_error_matches(error, ONE_ERROR, ONE_ERROR_NO_EXISTS) &&
            g_hash_table_contains(cli->gaps, GINT_TO_POINTER(id)) && ++missing < cli->ids->len)
            continue;
        CliExit failed = cli_fail(cli, error);
        if (exit == CLI_DONE)
            exit = failed;
        if (failed == CLI_UNREACHABLE || failed == CLI_USAGE)
            return failed;
    }
    if (cli_option(cli, "wait") != NULL && done->len > 0) {
        CliExit waited = cli_wait_after(cli, done);
        if (exit == CLI_DONE)
            exit = waited;
    }
    return exit;
}

static gboolean call_row(Cli *cli, gint32 id, GError **error)
{
    GArray *values = cli_values_of(cli, cli->command->params, id, error);
    if (values == NULL)
        return FALSE;
    g_auto(WireReply) reply = {0};
    gboolean good = cli_call(cli, &reply, error, cli->command->method, values);
    cli_values_clear(values);
    return good;
}

CliExit cli_run_row(Cli *cli)
{
    /* A row without objects of its own kind is one call. */
    gint32 none = -1;
    if (cli->ids->len == 0)
        g_array_append_val(cli->ids, none);
    return cli_each(cli, call_row);
}
