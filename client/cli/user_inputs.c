#include "client/cli/user_inputs.h"
#include "client/cli/edit.h"
#include "client/cli/vm_create.h"
#include "client/cli/xml.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FIELDS 5 /* M|type|description|options|default */

typedef struct Input {
    const char *name;
    gboolean must;
    const char *type, *about, *options, *usual; /* "" when missing */
} Input;

/* ---- Does an answer fit? ---- */

static gboolean has_type(const Input *input, const char *type)
{
    return g_str_has_prefix(input->type, type);
}

static gboolean is_choice(const Input *input, const char *word)
{
    g_auto(GStrv) choices = g_strsplit(input->options, ",", -1);
    return g_strv_contains((const char *const *)choices, word);
}

static gboolean in_range(const Input *input, double number)
{
    const char *dots = strstr(input->options, "..");
    return !has_type(input, "range") || dots == NULL ||
           (number >= g_ascii_strtod(input->options, NULL) &&
            number <= g_ascii_strtod(dots + 2, NULL));
}

static gboolean number_fits(const Input *input, const char *answer)
{
    char *end;
    double number = g_ascii_strtod(answer, &end);
    gboolean whole = !g_str_has_suffix(input->type, "-float");
    return end != answer && *end == '\0' && in_range(input, number) &&
           (!whole || strpbrk(answer, ".eExX") == NULL);
}

static gboolean fits(const Input *input, const char *answer)
{
    if (has_type(input, "number") || has_type(input, "range"))
        return number_fits(input, answer);
    if (has_type(input, "boolean"))
        return g_ascii_strcasecmp(answer, "YES") == 0 || g_ascii_strcasecmp(answer, "NO") == 0;
    if (!has_type(input, "list"))
        return TRUE;
    g_auto(GStrv) words = g_strsplit(answer, has_type(input, "list-multiple") ? "," : "\n", -1);
    for (guint i = 0; words[i] != NULL; i++)
        if (!is_choice(input, words[i]))
            return FALSE;
    return TRUE;
}

/* "a number from 1..8": for the question and for the complaint. (owned) */
static char *wanted(const Input *input)
{
    if (has_type(input, "range"))
        return g_strdup_printf("a number in %s", input->options);
    if (has_type(input, "number"))
        return g_strdup(g_str_has_suffix(input->type, "-float") ? "a number" : "a whole number");
    if (has_type(input, "boolean"))
        return g_strdup("YES or NO");
    if (has_type(input, "list-multiple"))
        return g_strdup_printf("some of %s, with commas between", input->options);
    return has_type(input, "list") ? g_strdup_printf("one of %s", input->options)
                                   : g_strdup("a text");
}

/* ---- Where it comes from ---- */

/* "A=1,B=2"; a piece without "=" goes on with the value before it. (owned; NULL: error) */
static GHashTable *answers_of(const char *given, GError **error)
{
    g_autoptr(GHashTable) answers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_auto(GStrv) pieces = g_strsplit(given != NULL ? given : "", ",", -1);
    g_autofree char *last = NULL;
    for (guint i = 0; pieces[i] != NULL && given != NULL && *given != '\0'; i++) {
        const char *equals = strchr(pieces[i], '=');
        if (equals == NULL && last == NULL) {
            g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE,
                        "--user-inputs \"%s\": write NAME=value,NAME=value", given);
            return NULL;
        }
        char *value =
            equals != NULL
                ? g_strdup(equals + 1)
                : g_strdup_printf("%s,%s", (char *)g_hash_table_lookup(answers, last), pieces[i]);
        if (equals != NULL) {
            g_free(last);
            last = g_ascii_strup(pieces[i], equals - pieces[i]);
        }
        g_hash_table_replace(answers, g_strdup(last), value);
    }
    return g_steal_pointer(&answers);
}

/* A line from the terminal; the default for an empty one. (owned) */
static char *read_answer(const Input *input)
{
    char line[4096];
    if (fgets(line, sizeof line, stdin) == NULL)
        return NULL;
    line[strcspn(line, "\r\n")] = '\0';
    return g_strdup(*line != '\0' ? line : input->usual);
}

/* Asks until it fits. NULL with an error when the input ends. (owned) */
static char *ask(const Input *input, GError **error)
{
    g_autofree char *what = wanted(input);
    for (;;) {
        g_autofree char *prompt = g_strdup_printf(
            "%s%s%s (%s%s%s%s)", input->name, *input->about != '\0' ? ", " : "", input->about, what,
            *input->usual != '\0' ? "; Enter: " : "", input->usual,
            *input->usual == '\0' && !input->must ? "; may be left empty" : "");
        g_autofree char *answer = NULL;
        if (has_type(input, "password")) {
            answer = cli_ask_password(prompt, error);
            if (answer == NULL)
                return NULL;
        } else {
            printf("%s: ", prompt);
            fflush(stdout);
            answer = read_answer(input);
        }
        if (answer == NULL) {
            g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE, "no answer for %s: nothing is done",
                        input->name);
            return NULL;
        }
        if (*answer == '\0' ? !input->must : fits(input, answer))
            return g_steal_pointer(&answer);
        printf("%s: it must be %s.\n", input->name, what);
    }
}

/* The answer; "" for none, which only an optional one may have. (owned; NULL: error) */
static char *answer_for(const Input *input, GHashTable *answers, GError **error)
{
    const char *given = g_hash_table_lookup(answers, input->name);
    g_autofree char *what = wanted(input);
    if (has_type(input, "fixed"))
        return g_strdup(input->usual);
    if (given == NULL && isatty(STDIN_FILENO))
        return ask(input, error);
    const char *answer = given != NULL ? given : input->usual;
    if (*answer == '\0' && input->must)
        g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE,
                    "the template asks for %s%s%s%s: give --user-inputs %s=... (%s)", input->name,
                    *input->about != '\0' ? " (" : "", input->about,
                    *input->about != '\0' ? ")" : "", input->name, what);
    else if (*answer != '\0' && !fits(input, answer))
        g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE, "%s=\"%s\": it must be %s", input->name,
                    answer, what);
    else
        return g_strdup(answer);
    return NULL;
}

static void append_answer(GString *out, const Input *input, const char *answer)
{
    if (*answer == '\0')
        return;
    g_autofree char *coded =
        has_type(input, "text64") ? g_base64_encode((const guchar *)answer, strlen(answer)) : NULL;
    cli_append_pair(out, input->name, coded != NULL ? coded : answer);
    g_string_append_c(out, '\n');
}

/* One attribute of USER_INPUTS; `fields` holds its texts. */
static void read_input(Input *input, xmlNode *at, char **fields)
{
    const char *parts[FIELDS] = {"", "", "", "", ""};
    for (guint i = 0; i < FIELDS && fields[i] != NULL; i++)
        parts[i] = g_strstrip(fields[i]);
    *input = (Input){(const char *)at->name,
                     g_ascii_strcasecmp(parts[0], "M") == 0,
                     parts[1],
                     parts[2],
                     parts[3],
                     parts[4]};
}

/* Attributes in the order of INPUTS_ORDER, then the others. (container owned) */
static GPtrArray *in_order(xmlNode *object)
{
    GPtrArray *order = g_ptr_array_new();
    xmlNode *inputs = xml_find(object, "TEMPLATE/USER_INPUTS");
    g_auto(GStrv) names = g_strsplit(cli_xml_text(object, "TEMPLATE/INPUTS_ORDER"), ",", -1);
    for (guint i = 0; names[i] != NULL; i++) {
        xmlNode *at = *g_strstrip(names[i]) != '\0' ? xml_find(inputs, names[i]) : NULL;
        if (at != NULL && !g_ptr_array_find(order, at, NULL))
            g_ptr_array_add(order, at);
    }
    for (xmlNode *at = xml_first_element(inputs); at != NULL; at = xml_next_element(at))
        if (!g_ptr_array_find(order, at, NULL))
            g_ptr_array_add(order, at);
    return order;
}

static gboolean check_names(GHashTable *answers, xmlNode *object, GError **error)
{
    GHashTableIter iterator;
    gpointer name;
    xmlNode *inputs = xml_find(object, "TEMPLATE/USER_INPUTS");
    g_hash_table_iter_init(&iterator, answers);
    while (g_hash_table_iter_next(&iterator, &name, NULL)) {
        if (inputs != NULL && xml_find(inputs, name) != NULL)
            continue;
        g_autoptr(GString) known = g_string_new(NULL);
        for (xmlNode *at = xml_first_element(inputs); at != NULL; at = xml_next_element(at))
            g_string_append_printf(known, "%s%s", known->len > 0 ? ", " : "", xml_name(at));
        g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE,
                    "--user-inputs %s: template %s asks for no such value; it asks for: %s",
                    (const char *)name, cli_xml_text(object, "NAME"),
                    known->len > 0 ? known->str : "nothing");
        return FALSE;
    }
    return TRUE;
}

char *cli_user_inputs(xmlNode *object, const char *given, const char *const *skip, GError **error)
{
    g_autoptr(GHashTable) answers = answers_of(given, error);
    if (answers == NULL || !check_names(answers, object, error))
        return NULL;
    g_autoptr(GString) out = g_string_new(NULL);
    g_autoptr(GPtrArray) order = in_order(object);
    for (guint i = 0; i < order->len; i++) {
        xmlNode *at = order->pdata[i];
        Input input;
        g_auto(GStrv) fields = g_strsplit(cli_xml_text(at, ""), "|", FIELDS);
        read_input(&input, at, fields);
        if (g_strv_contains(skip, input.name))
            continue;
        g_autofree char *answer = answer_for(&input, answers, error);
        if (answer == NULL)
            return NULL;
        append_answer(out, &input, answer);
    }
    return g_strdup(out->str);
}
