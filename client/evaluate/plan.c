#include "client/cli/names.h"
#include "client/cli/vm_create.h"
#include "client/evaluate/evaluate.h"

#include <string.h>

#define REPEAT   5
#define SIZES    "512M,1G,2G,4G"
#define NOISE    "64M"
#define PACE     20
#define SETTLE   30
#define PATIENCE 300

/* ---- Values ---- */

gboolean evaluate_bytes(const char *text, guint64 *bytes)
{
    static const char units[] = "kmgt";
    char *end;
    double number = g_ascii_strtod(text, &end);
    const char *unit = *end != '\0' ? strchr(units, g_ascii_tolower(*end)) : NULL;
    for (const char *at = units; unit != NULL && at <= unit; at++)
        number *= 1024;
    if (end == text || (*end != '\0' && (unit == NULL || end[1] != '\0')) || !(number >= 1) ||
        number > 1e15)
        return FALSE;
    *bytes = (guint64)number;
    return TRUE;
}

static gboolean read_number(const Cli *cli, const char *key, guint least, guint most, guint *value,
                            GError **error)
{
    const char *text = cli_option(cli, key);
    guint64 number;
    if (text == NULL)
        return TRUE;
    if (!g_ascii_string_to_unsigned(text, 10, least, most, &number, NULL)) {
        g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE, "--%s \"%s\" must be a number from %u to %u",
                    key, text, least, most);
        return FALSE;
    }
    *value = (guint)number;
    return TRUE;
}

static gboolean read_sizes(Plan *plan, const char *text, GError **error)
{
    g_auto(GStrv) words = g_strsplit(text, ",", -1);
    for (guint i = 0; words[i] != NULL; i++) {
        gint64 mib;
        if (!cli_memory(g_strstrip(words[i]), &mib)) {
            g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE,
                        "--sizes \"%s\": \"%s\" is no size of memory; write 512M,1G,2G", text,
                        words[i]);
            return FALSE;
        }
        g_array_append_val(plan->sizes, mib);
    }
    return TRUE;
}

/* A URL, a file, or else a size. */
static gboolean read_download(Plan *plan, const char *text, GError **error)
{
    plan->download = text;
    if (strstr(text, "://") != NULL) {
        if (strpbrk(text, " \"'\t\r\n") == NULL)
            return TRUE;
        g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE,
                    "--download \"%s\": blanks and quotes in a URL are written %%20, %%22", text);
        return FALSE;
    }
    if (g_file_test(text, G_FILE_TEST_EXISTS))
        return TRUE;
    plan->download = NULL;
    if (evaluate_bytes(text, &plan->noise))
        return TRUE;
    g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE,
                "--download \"%s\" is neither a URL nor a file here nor a size such as 64M", text);
    return FALSE;
}

static gboolean read_host(Plan *plan, Cli *cli, GError **error)
{
    const char *to = cli_option(cli, "to");
    if (to != NULL)
        return cli_find_id(cli, cli_kind_of_word("host"), to, &plan->to, error);
    g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE,
                "to which host shall it be moved? Add --to HOST; `onehost list` shows which "
                "there are");
    return FALSE;
}

gboolean plan_read(Plan *plan, Cli *cli, GError **error)
{
    const char *sizes = cli_option(cli, "sizes"), *download = cli_option(cli, "download");
    gboolean all = cli_option(cli, "ping") == NULL && cli_option(cli, "repeat") == NULL &&
                   sizes == NULL && download == NULL;
    guint patience = PATIENCE;
    *plan = (Plan){.ping = all || cli_option(cli, "ping") != NULL,
                   .repeat = all ? REPEAT : 0,
                   .sizes = g_array_new(FALSE, FALSE, sizeof(gint64)),
                   .template = cli_option(cli, "template"),
                   .address = cli_option(cli, "address"),
                   .spare = cli_option(cli, "spare"),
                   .login = cli_option(cli, "guest-login"),
                   .pace = PACE,
                   .settle = SETTLE,
                   .output = g_strdup(cli_option(cli, "output"))};
    if (plan->login == NULL)
        plan->login = "root";
    if (!read_host(plan, cli, error) ||
        !read_number(cli, "repeat", 1, 1000, &plan->repeat, error) ||
        !read_number(cli, "pace", 2, 100, &plan->pace, error) ||
        !read_number(cli, "settle", 0, 3600, &plan->settle, error) ||
        !read_number(cli, "wait-timeout", 1, 86400, &patience, error))
        return FALSE;
    plan->patience = patience;
    plan->migrate = cli_vm_migrate_wishes(cli, error);
    if (plan->migrate == NULL)
        return FALSE;
    if ((all || sizes != NULL) && !read_sizes(plan, all ? SIZES : sizes, error))
        return FALSE;
    return (!all && download == NULL) || read_download(plan, all ? NOISE : download, error);
}

void plan_clear(Plan *plan)
{
    g_clear_pointer(&plan->sizes, g_array_unref);
    g_clear_pointer(&plan->output, g_free);
    g_clear_pointer(&plan->migrate, g_free);
}

/* ---- In words ---- */

char *plan_text(const Plan *plan, const Evaluation *found)
{
    GString *text = g_string_new(NULL);
    gboolean download = plan->download != NULL || plan->noise > 0;
    guint moves = MAX(plan->repeat, plan->ping ? 1 : 0) + (download ? 1 : 0);
    if (moves > 0)
        g_string_append_printf(
            text, "Moves %s (%d) between %s and %s %u time%s while it runs, and back in the end.\n",
            found->name, found->vm, found->hosts[0].name, found->hosts[1].name, moves,
            moves == 1 ? "" : "s");
    if (download)
        g_string_append_printf(text, "Lets its guest download %s twice; nothing is kept there.\n",
                               plan->download != NULL ? plan->download : "made-up bytes");
    if (plan->sizes->len == 0)
        return g_string_free(text, FALSE);
    g_string_append_printf(text, "Makes %u machine%s of its own, one after the other, like %s with",
                           plan->sizes->len, plan->sizes->len == 1 ? "" : "s",
                           plan->template != NULL ? plan->template : found->name);
    for (guint i = 0; i < plan->sizes->len; i++)
        g_string_append_printf(text, "%s %" G_GINT64_FORMAT, i > 0 ? "," : "",
                               g_array_index(plan->sizes, gint64, i));
    g_string_append(text, " MiB of memory; moves each there and back, and removes it.\n");
    return g_string_free(text, FALSE);
}
