#include "client/cli/output.h"
#include "client/cli/xml.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

CliFormat cli_format(const Cli *cli)
{
    return cli_option(cli, "xml") != NULL    ? CLI_XML
           : cli_option(cli, "json") != NULL ? CLI_JSON
           : cli_option(cli, "yaml") != NULL ? CLI_YAML
                                             : CLI_PLAIN;
}

/* Children by name, in the order of the first of each name. (owned, of GPtrArray of xmlNode) */
static GPtrArray *groups_of(xmlNode *node)
{
    GPtrArray *groups = g_ptr_array_new_with_free_func((GDestroyNotify)g_ptr_array_unref);
    g_autoptr(GHashTable) index = g_hash_table_new(g_str_hash, g_str_equal);
    for (xmlNode *at = xml_first_element(node); at != NULL; at = xml_next_element(at)) {
        GPtrArray *group = g_hash_table_lookup(index, at->name);
        if (group == NULL) {
            group = g_ptr_array_new();
            g_hash_table_insert(index, (gpointer)at->name, group);
            g_ptr_array_add(groups, group);
        }
        g_ptr_array_add(group, at);
    }
    return groups;
}

static const char *name_of(const GPtrArray *group)
{
    return (const char *)((xmlNode *)group->pdata[0])->name;
}

/* A string that JSON and YAML read alike. */
static void append_string(GString *out, const char *text)
{
    g_string_append_c(out, '"');
    for (; *text != '\0'; text++) {
        guchar letter = (guchar)*text;
        if (letter == '"' || letter == '\\')
            g_string_append_printf(out, "\\%c", letter);
        else if (letter == '\n')
            g_string_append(out, "\\n");
        else if (letter < 0x20 || letter == 0x7f)
            g_string_append_printf(out, "\\u%04x", letter);
        else
            g_string_append_c(out, (char)letter);
    }
    g_string_append_c(out, '"');
}

static void indent(GString *out, guint depth)
{
    g_string_append_printf(out, "%*s", (int)depth * 2, "");
}

/* ---- JSON ---- */

static void append_json(GString *out, xmlNode *node, guint depth)
{
    if (xml_first_element(node) == NULL) {
        if (node->children == NULL)
            g_string_append(out, "{}");
        else
            append_string(out, cli_xml_text(node, ""));
        return;
    }
    g_autoptr(GPtrArray) groups = groups_of(node);
    g_string_append(out, "{\n");
    for (guint i = 0; i < groups->len; i++) {
        const GPtrArray *group = groups->pdata[i];
        gboolean many = group->len > 1;
        indent(out, depth + 1);
        g_string_append_printf(out, "\"%s\": %s", name_of(group), many ? "[\n" : "");
        for (guint j = 0; j < group->len; j++) {
            if (many)
                indent(out, depth + 2);
            append_json(out, group->pdata[j], depth + (many ? 2 : 1));
            g_string_append(out, j + 1 < group->len ? ",\n" : "");
        }
        if (many) {
            g_string_append_c(out, '\n');
            indent(out, depth + 1);
            g_string_append_c(out, ']');
        }
        g_string_append(out, i + 1 < groups->len ? ",\n" : "\n");
    }
    indent(out, depth);
    g_string_append_c(out, '}');
}

/* ---- YAML ---- */

static void append_yaml(GString *out, xmlNode *node, guint depth, gboolean in_list);

/* What stands behind "NAME:" or "-". */
static void append_yaml_value(GString *out, xmlNode *node, guint depth, gboolean in_list)
{
    if (xml_first_element(node) != NULL) {
        g_string_append_c(out, in_list ? ' ' : '\n');
        append_yaml(out, node, depth + 1, in_list);
    } else if (node->children == NULL) {
        g_string_append(out, " {}\n");
    } else {
        g_string_append_c(out, ' ');
        append_string(out, cli_xml_text(node, ""));
        g_string_append_c(out, '\n');
    }
}

static void append_yaml(GString *out, xmlNode *node, guint depth, gboolean in_list)
{
    g_autoptr(GPtrArray) groups = groups_of(node);
    for (guint i = 0; i < groups->len; i++) {
        const GPtrArray *group = groups->pdata[i];
        /* The first name of a list's item stands on the line of its dash. */
        if (i > 0 || !in_list)
            indent(out, depth);
        g_string_append_printf(out, "%s:", name_of(group));
        if (group->len == 1) {
            append_yaml_value(out, group->pdata[0], depth, FALSE);
            continue;
        }
        g_string_append_c(out, '\n');
        for (guint j = 0; j < group->len; j++) {
            indent(out, depth);
            g_string_append_c(out, '-');
            append_yaml_value(out, group->pdata[j], depth, TRUE);
        }
    }
}

char *cli_format_document(xmlDoc *doc, CliFormat format)
{
    xmlNode *root = xmlDocGetRootElement(doc);
    GString *out = g_string_new(NULL);
    if (format == CLI_XML) {
        xmlBuffer *buffer = xmlBufferCreate();
        xmlNodeDump(buffer, doc, root, 0, 1);
        g_string_append(out, (const char *)xmlBufferContent(buffer));
        xmlBufferFree(buffer);
        g_string_append_c(out, '\n');
    } else if (format == CLI_JSON) {
        g_string_append_printf(out, "{\n  \"%s\": ", (const char *)root->name);
        append_json(out, root, 1);
        g_string_append(out, "\n}\n");
    } else {
        g_string_append_printf(out, "---\n%s:", (const char *)root->name);
        append_yaml_value(out, root, 0, FALSE);
    }
    return g_string_free(out, FALSE);
}

/* ---- Printing ---- */

static gboolean print_in_pager(const char *text)
{
    const char *pager = g_getenv("ONE_PAGER");
    g_auto(GStrv) words = NULL;
    GPid pid;
    int input;
    if (!g_shell_parse_argv(pager != NULL && *pager != '\0' ? pager : "less -RS", NULL, &words,
                            NULL))
        return FALSE;
    if (!g_spawn_async_with_pipes(NULL, words, NULL,
                                  G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &pid,
                                  &input, NULL, NULL, NULL))
        return FALSE;
    signal(SIGPIPE, SIG_IGN); /* the reader may leave before the end */
    for (gsize length = strlen(text); length > 0;) {
        gssize written = write(input, text, length);
        if (written <= 0)
            break;
        text += written;
        length -= (gsize)written;
    }
    close(input);
    waitpid(pid, NULL, 0);
    g_spawn_close_pid(pid);
    return TRUE;
}

void cli_print(const Cli *cli, const char *text)
{
    gboolean paged = cli->terminal && cli_option(cli, "pager") != NULL &&
                     cli_option(cli, "no-pager") == NULL && print_in_pager(text);
    if (!paged)
        fputs(text, stdout);
}
