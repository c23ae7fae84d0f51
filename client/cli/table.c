#include "client/cli/table.h"
#include "client/cli/format.h"
#include "client/cli/xml.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LAST_MIN 20 /* columns that the last text keeps on a narrow terminal */

typedef struct {
    const CliColumn *column;
    int width; /* < 0: left */
} Shown;

typedef struct {
    const CliColumn *column;
    const char *how;
    char *value;
} Condition;

typedef struct {
    xmlNode *object;
    char **texts; /* one for each shown column */
} Row;

struct CliTable {
    const Cli *cli;
    const CliColumn *columns;
    GArray *shown;      /* of Shown */
    GArray *conditions; /* of Condition */
    gboolean any;       /* one condition is enough */
    GArray *order;      /* of const CliColumn *, by pointer */
    GArray *descending; /* of gboolean */
    GPtrArray *rows;    /* of Row */
    gboolean csv;
    const char *separator;
    gboolean header;
    gboolean expand;
    gboolean colour;
};

/* Two characters before one, or "<=" would be taken for "<". */
static const char *const operators[] = {"!=", "<=", ">=", "=", "<", ">", "~", NULL};

static char *text_of(const Cli *cli, const CliColumn *column, xmlNode *object)
{
    return column->text != NULL ? column->text(cli, object)
                                : g_strdup(cli_xml_text(object, column->path));
}

/* ---- Reading the options ---- */

static const CliColumn *column_named(const CliColumn *columns, const char *name, GError **error)
{
    g_autoptr(GString) names = g_string_new(NULL);
    for (const CliColumn *column = columns; column->name != NULL; column++) {
        if (g_ascii_strcasecmp(column->name, name) == 0)
            return column;
        g_string_append_printf(names, "%s%s", names->len > 0 ? ", " : "", column->name);
    }
    g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE, "there is no column \"%s\"; there are %s", name,
                names->str);
    return NULL;
}

static gboolean read_columns(CliTable *table, const char *names, GError **error)
{
    g_auto(GStrv) words = g_strsplit(names, ",", -1);
    for (guint i = 0; words[i] != NULL; i++) {
        Shown shown = {.column = column_named(table->columns, g_strstrip(words[i]), error)};
        if (shown.column == NULL)
            return FALSE;
        shown.width = shown.column->width;
        g_array_append_val(table->shown, shown);
    }
    return TRUE;
}

static gboolean read_condition(CliTable *table, const char *text, GError **error)
{
    gsize at = strcspn(text, "!=<>~");
    for (guint i = 0; operators[i] != NULL && text[at] != '\0'; i++) {
        if (!g_str_has_prefix(text + at, operators[i]))
            continue;
        g_autofree char *name = g_strndup(text, at);
        Condition condition = {.column = column_named(table->columns, g_strstrip(name), error),
                               .how = operators[i],
                               .value = g_strdup(text + at + strlen(operators[i]))};
        if (condition.column == NULL) {
            g_free(condition.value);
            return FALSE;
        }
        g_array_append_val(table->conditions, condition);
        return TRUE;
    }
    g_set_error(
        error, CLI_ERROR, CLI_ERROR_USAGE,
        "--filter \"%s\" is no condition: write COLUMN=value, or != < <= > >= ~ for =", text);
    return FALSE;
}

static gboolean read_filter(CliTable *table, GError **error)
{
    GPtrArray *all = cli_option_all(table->cli, "filter");
    for (guint i = 0; all != NULL && i < all->len; i++) {
        g_auto(GStrv) words = g_strsplit(all->pdata[i], ",", -1);
        for (guint j = 0; words[j] != NULL; j++)
            if (*words[j] != '\0' && !read_condition(table, words[j], error))
                return FALSE;
    }
    const char *how = cli_option(table->cli, "operator");
    if (how != NULL && g_ascii_strcasecmp(how, "AND") != 0 && g_ascii_strcasecmp(how, "OR") != 0) {
        g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE, "--operator \"%s\" must be AND or OR", how);
        return FALSE;
    }
    table->any = how != NULL && g_ascii_strcasecmp(how, "OR") == 0;
    return TRUE;
}

static gboolean read_order(CliTable *table, GError **error)
{
    const char *text = cli_option(table->cli, "order");
    g_auto(GStrv) words = g_strsplit(text != NULL ? text : "", ",", -1);
    for (guint i = 0; words[i] != NULL && *words[i] != '\0'; i++) {
        gboolean descending = words[i][0] == '-';
        const CliColumn *column =
            column_named(table->columns, words[i] + (descending ? 1 : 0), error);
        if (column == NULL)
            return FALSE;
        g_array_append_val(table->order, column);
        g_array_append_val(table->descending, descending);
    }
    return TRUE;
}

static Shown *shown_named(CliTable *table, const char *name)
{
    for (guint i = 0; i < table->shown->len; i++) {
        Shown *shown = &g_array_index(table->shown, Shown, i);
        if (g_ascii_strcasecmp(shown->column->name, name) == 0)
            return shown;
    }
    return NULL;
}

static gboolean read_sizes(CliTable *table, GError **error)
{
    const char *text = cli_option(table->cli, "size");
    g_auto(GStrv) words = g_strsplit(text != NULL ? text : "", ",", -1);
    for (guint i = 0; words[i] != NULL && *words[i] != '\0'; i++) {
        char *number = strchr(words[i], '=');
        gint64 width;
        if (number == NULL || !g_ascii_string_to_signed(number + 1, 10, 1, 1000, &width, NULL)) {
            g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE,
                        "--size \"%s\" must be NAME=N, N from 1 to 1000", words[i]);
            return FALSE;
        }
        *number = '\0';
        Shown *shown = shown_named(table, words[i]);
        if (column_named(table->columns, words[i], error) == NULL)
            return FALSE;
        if (shown != NULL)
            shown->width = shown->width < 0 ? (int)-width : (int)width;
    }
    return TRUE;
}

static void clear_condition(gpointer data)
{
    g_free(((Condition *)data)->value);
}

static void row_free(Row *row)
{
    g_strfreev(row->texts);
    g_free(row);
}

static CliTable *table_empty(const Cli *cli, const CliColumn *columns)
{
    CliTable *table = g_new0(CliTable, 1);
    table->cli = cli;
    table->columns = columns;
    table->shown = g_array_new(FALSE, FALSE, sizeof(Shown));
    table->conditions = g_array_new(FALSE, FALSE, sizeof(Condition));
    g_array_set_clear_func(table->conditions, clear_condition);
    table->order = g_array_new(FALSE, FALSE, sizeof(const CliColumn *));
    table->descending = g_array_new(FALSE, FALSE, sizeof(gboolean));
    table->rows = g_ptr_array_new_with_free_func((GDestroyNotify)row_free);
    table->header = TRUE;
    return table;
}

CliTable *cli_table_new(const Cli *cli, const CliColumn *columns, const char *names, GError **error)
{
    g_autoptr(CliTable) table = table_empty(cli, columns);
    const char *list = cli_option(cli, "list");
    table->csv = cli_option(cli, "csv") != NULL;
    table->separator = cli_option(cli, "csv-del") != NULL ? cli_option(cli, "csv-del") : ",";
    table->header = cli_option(cli, "no-header") == NULL;
    table->expand = cli_option(cli, "expand") != NULL ||
                    (cli->terminal && cli_option(cli, "no-expand") == NULL);
    table->colour =
        cli->terminal && cli_option(cli, "no-color") == NULL && g_getenv("NO_COLOR") == NULL;
    if (*table->separator == '\0') {
        g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE,
                    "--csv-del \"\" separates nothing: write --csv-del ';'");
        return NULL;
    }
    if (!read_columns(table, list != NULL ? list : names, error) || !read_filter(table, error) ||
        !read_order(table, error) || !read_sizes(table, error))
        return NULL;
    return g_steal_pointer(&table);
}

void cli_table_free(CliTable *table)
{
    if (table == NULL)
        return;
    g_array_unref(table->shown);
    g_array_unref(table->conditions);
    g_array_unref(table->order);
    g_array_unref(table->descending);
    g_ptr_array_unref(table->rows);
    g_free(table);
}

/* ---- Rows ---- */

/* Numbers and sizes are compared as such when both sides are. */
static int compare_texts(const char *one, const char *other)
{
    double a, b;
    if (cli_amount(one, &a) && cli_amount(other, &b))
        return a < b ? -1 : a > b;
    return g_utf8_collate(one, other);
}

static gboolean holds(const Condition *condition, const char *text)
{
    const char *how = condition->how;
    if (how[0] == '~') {
        g_autofree char *here = g_utf8_casefold(text, -1);
        g_autofree char *there = g_utf8_casefold(condition->value, -1);
        return strstr(here, there) != NULL;
    }
    gboolean same = strcmp(text, condition->value) == 0;
    int order = same ? 0 : compare_texts(text, condition->value);
    switch (how[0]) {
    case '=':
        return order == 0;
    case '!':
        return order != 0;
    case '<':
        return how[1] == '=' ? order <= 0 : order < 0;
    default:
        return how[1] == '=' ? order >= 0 : order > 0;
    }
}

gboolean cli_table_passes(const CliTable *table, xmlNode *object)
{
    gboolean good = TRUE;
    for (guint i = 0; i < table->conditions->len; i++) {
        const Condition *condition = &g_array_index(table->conditions, Condition, i);
        g_autofree char *text = text_of(table->cli, condition->column, object);
        good = holds(condition, g_strstrip(text));
        if (good == table->any)
            return good;
    }
    return good;
}

void cli_table_add(CliTable *table, xmlNode *object)
{
    if (!cli_table_passes(table, object))
        return;
    Row *row = g_new0(Row, 1);
    row->object = object;
    row->texts = g_new0(char *, table->shown->len + 1);
    for (guint i = 0; i < table->shown->len; i++)
        row->texts[i] = text_of(table->cli, g_array_index(table->shown, Shown, i).column, object);
    g_ptr_array_add(table->rows, row);
}

static gint compare_rows(gconstpointer left, gconstpointer right, gpointer data)
{
    const CliTable *table = data;
    const Row *one = *(Row *const *)left, *other = *(Row *const *)right;
    for (guint i = 0; i < table->order->len; i++) {
        const CliColumn *column = g_array_index(table->order, const CliColumn *, i);
        g_autofree char *a = text_of(table->cli, column, one->object);
        g_autofree char *b = text_of(table->cli, column, other->object);
        int order = compare_texts(a, b);
        if (order != 0)
            return g_array_index(table->descending, gboolean, i) ? -order : order;
    }
    return 0;
}

/* ---- Text ---- */

static guint longest(const CliTable *table, guint nth)
{
    guint most = cli_columns(g_array_index(table->shown, Shown, nth).column->name);
    for (guint i = 0; i < table->rows->len; i++)
        most = MAX(most, cli_columns(((Row *)table->rows->pdata[i])->texts[nth]));
    return most;
}

static void set_width(Shown *shown, guint width)
{
    shown->width = shown->width < 0 ? -(int)width : (int)width;
}

/* What is cut gets the room that is left: names first, then from the left to the right. */
static void widen(CliTable *table, guint room, gboolean names)
{
    for (guint i = 0; i < table->shown->len && room > 0; i++) {
        Shown *shown = &g_array_index(table->shown, Shown, i);
        guint now = (guint)ABS(shown->width), want = longest(table, i);
        if (want <= now || names != (strcmp(shown->column->name, "NAME") == 0))
            continue;
        guint more = MIN(want - now, room);
        set_width(shown, now + more);
        room -= more;
    }
    if (names && room > 0)
        widen(table, room, FALSE);
}

static void adjust(CliTable *table, guint width)
{
    const char *named = cli_option(table->cli, "adjust");
    g_auto(GStrv) names = g_strsplit(named != NULL ? named : "", ",", -1);
    guint total = 0;
    for (guint i = 0; i < table->shown->len; i++) {
        Shown *shown = &g_array_index(table->shown, Shown, i);
        /* An id is never cut: half a number is another number. */
        if (strcmp(shown->column->name, "ID") == 0)
            set_width(shown, MAX((guint)ABS(shown->width), longest(table, i)));
        else if (g_strv_contains((const char *const *)names, shown->column->name))
            set_width(shown, longest(table, i));
        total += (guint)ABS(shown->width) + (i > 0 ? 1 : 0);
    }
    if (table->expand && total < width)
        widen(table, width - total, TRUE);
    /* A long text at the end (why a machine waits) gives way on a narrow terminal. */
    Shown *last = &g_array_index(table->shown, Shown, table->shown->len - 1);
    if (total > width && last->width < -LAST_MIN)
        last->width = MIN(-LAST_MIN, last->width + (int)(total - width));
}

static void append_csv(const CliTable *table, GString *out, const char *value)
{
    gboolean plain = *value != '\0' && strpbrk(value, "\"\r\n") == NULL &&
                     strstr(value, table->separator) == NULL;
    if (plain) {
        g_string_append(out, value);
        return;
    }
    g_string_append_c(out, '"');
    for (; *value != '\0'; value++)
        g_string_append_printf(out, *value == '"' ? "\"%c" : "%c", *value);
    g_string_append_c(out, '"');
}

/* Colours of states, by their short names. */
static const char *colour_of(const char *text)
{
    static const struct {
        const char *word, *colour;
    } colours[] = {
        {"runn", "32"}, {"on", "32"},    {"rdy", "32"},  {"fail", "31"}, {"err", "31"},
        {"unkn", "31"}, {"retry", "33"}, {"pend", "33"}, {"hold", "33"}, {NULL, NULL},
    };
    for (guint i = 0; colours[i].word != NULL; i++)
        if (strcmp(colours[i].word, text) == 0)
            return colours[i].colour;
    return NULL;
}

static void append_line(const CliTable *table, GString *out, char *const *texts)
{
    for (guint i = 0; i < table->shown->len; i++) {
        const Shown *shown = &g_array_index(table->shown, Shown, i);
        const char *text = texts != NULL ? texts[i] : shown->column->name;
        const char *colour = table->colour && texts != NULL ? colour_of(text) : NULL;
        if (table->csv) {
            g_string_append(out, i > 0 ? table->separator : "");
            append_csv(table, out, text);
            continue;
        }
        g_autofree char *fitted = cli_fit(text, shown->width);
        if (i + 1 == table->shown->len)
            g_strchomp(fitted);
        g_string_append(out, i > 0 ? " " : "");
        if (colour != NULL)
            g_string_append_printf(out, "\033[%sm%s\033[0m", colour, fitted);
        else
            g_string_append(out, fitted);
    }
    while (!table->csv && out->len > 0 && out->str[out->len - 1] == ' ')
        g_string_truncate(out, out->len - 1);
    g_string_append_c(out, '\n');
}

char *cli_table_text(CliTable *table, guint width)
{
    if (table->order->len > 0)
        g_ptr_array_sort_with_data(table->rows, compare_rows, table);
    adjust(table, width > 0 ? width : 1000);
    GString *out = g_string_new(NULL);
    if (table->header) {
        g_autoptr(GString) line = g_string_new(NULL);
        append_line(table, line, NULL);
        g_string_truncate(line, line->len - 1);
        g_string_append_printf(out, table->colour ? "\033[1m%s\033[0m\n" : "%s\n", line->str);
    }
    for (guint i = 0; i < table->rows->len; i++)
        append_line(table, out, ((Row *)table->rows->pdata[i])->texts);
    return g_string_free(out, FALSE);
}

char *cli_table_of(const Cli *cli, const CliColumn *columns, xmlNode *parent, const char *path)
{
    g_autoptr(CliTable) table = table_empty(cli, columns);
    for (const CliColumn *column = columns; column->name != NULL; column++) {
        Shown shown = {.column = column, .width = column->width};
        g_array_append_val(table->shown, shown);
    }
    for (xmlNode *at = xml_find(parent, path); at != NULL; at = xml_next_same(at))
        cli_table_add(table, at);
    return cli_table_text(table, 0);
}

char *cli_table_describe(const CliColumn *columns, const char *names)
{
    GString *out = g_string_new(NULL);
    g_auto(GStrv) shown = g_strsplit(names, ",", -1);
    for (const CliColumn *column = columns; column->name != NULL; column++)
        g_string_append_printf(
            out, "%-10s %c %s\n", column->name,
            g_strv_contains((const char *const *)shown, column->name) ? '*' : ' ', column->help);
    g_string_append(out, "\n* shown unless --list tells otherwise\n");
    return g_string_free(out, FALSE);
}

guint cli_terminal_width(void)
{
    struct winsize size;
    if (!isatty(STDOUT_FILENO))
        return 0;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    const char *columns = g_getenv("COLUMNS");
    guint64 width;
    return columns != NULL && g_ascii_string_to_unsigned(columns, 10, 20, 10000, &width, NULL)
               ? (guint)width
               : 80;
}
