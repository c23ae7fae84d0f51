#include "client/cli/edit.h"
#include "client/cli/args.h"
#include "client/cli/xml.h"
#include "lib/template/template.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define TEXT_MAX (16u << 20) /* bytes of a template: more is a mistake */

static char *read_all(int fd, const char *name, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    char buffer[65536];
    for (;;) {
        gssize got = read(fd, buffer, sizeof buffer);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 || text->len > TEXT_MAX) {
            g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE, "%s cannot be read: %s", name,
                        got < 0 ? g_strerror(errno) : "longer than 16 MiB");
            return NULL;
        }
        if (got == 0)
            return g_strdup(text->str);
        g_string_append_len(text, buffer, got);
    }
}

char *cli_read_file(const char *path, GError **error)
{
    if (strcmp(path, "-") == 0)
        return read_all(STDIN_FILENO, "standard input", error);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE, "file %s cannot be opened: %s", path,
                    g_strerror(errno));
        return NULL;
    }
    char *text = read_all(fd, path, error);
    close(fd);
    return text;
}

char *cli_read_input(GError **error)
{
    return isatty(STDIN_FILENO) ? NULL : cli_read_file("-", error);
}

char *cli_todays_text(const char *text)
{
    g_autoptr(Template) today = template_parse(text, TEMPLATE_MODERN, NULL);
    g_autoptr(Template) old = today == NULL ? template_parse(text, TEMPLATE_2009, NULL) : NULL;
    return old != NULL ? template_to_text(old) : g_strdup(text);
}

char *cli_read_template(const char *path, GError **error)
{
    g_autofree char *text = cli_read_file(path, error);
    return text != NULL ? cli_todays_text(text) : NULL;
}

/* ---- The editor ---- */

static gboolean run_editor(const char *path, GError **error)
{
    const char *editor = g_getenv("VISUAL");
    if (editor == NULL || *editor == '\0')
        editor = g_getenv("EDITOR");
    if (editor == NULL || *editor == '\0')
        editor = "vi";
    g_auto(GStrv) words = NULL;
    int count, status;
    if (!g_shell_parse_argv(editor, &count, &words, error))
        return FALSE;
    words = g_renew(char *, words, count + 2);
    words[count] = g_strdup(path);
    words[count + 1] = NULL;
    if (!g_spawn_sync(NULL, words, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_CHILD_INHERITS_STDIN, NULL,
                      NULL, NULL, NULL, &status, error)) {
        g_prefix_error(error, "the editor (VISUAL or EDITOR): ");
        return FALSE;
    }
    if (!g_spawn_check_wait_status(status, error)) {
        g_prefix_error(error, "the editor %s failed, nothing is changed: ", editor);
        return FALSE;
    }
    return TRUE;
}

char *cli_edit(const char *text, GError **error)
{
    g_autofree char *path = NULL;
    int fd = g_file_open_tmp("globule-XXXXXX.one", &path, error);
    if (fd < 0)
        return NULL;
    close(fd);
    g_autofree char *edited = NULL;
    char *changed = NULL;
    if (g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_NONE, 0600, error) &&
        run_editor(path, error))
        edited = cli_read_file(path, error);
    g_unlink(path);
    if (edited != NULL && strcmp(edited, text) == 0)
        g_set_error(error, CLI_ERROR, CLI_ERROR_FAILED,
                    "the text was not changed: nothing is done");
    else if (edited != NULL)
        changed = cli_todays_text(edited);
    return changed;
}

/* The part of an object that `update` changes. */
static char *present_template(Cli *cli, gint32 id, GError **error)
{
    g_auto(WireReply) reply = {0};
    WireClient *wire = cli_wire(cli, error);
    if (wire == NULL || !wire_call(wire, &reply, error, cli->kind->info, "ib", id, FALSE))
        return NULL;
    g_autoptr(xmlDoc) doc = cli_xml_parse(reply.text, error);
    if (doc == NULL)
        return NULL;
    xmlNode *root = xmlDocGetRootElement(doc);
    xmlNode *element = xml_find(root, "USER_TEMPLATE");
    return cli_template_of(element != NULL ? element : xml_find(root, "TEMPLATE"));
}

/* The file that the command's own argument names, or NULL. (borrowed) */
static const char *file_argument(Cli *cli)
{
    g_autoptr(GPtrArray) args = cli_args_of(cli->command, NULL);
    for (guint i = 0; args != NULL && i < args->len; i++)
        if (((const CliArg *)args->pdata[i])->type == CLI_ARG_FILE && cli_word(cli, i) != NULL)
            return cli_word(cli, i);
    return cli_option(cli, "file");
}

char *cli_new_text(Cli *cli, GError **error)
{
    const char *name = cli_option(cli, "new-name"), *file = file_argument(cli);
    g_autofree char *text = file != NULL           ? cli_read_template(file, error)
                            : name != NULL         ? g_strdup("")
                            : isatty(STDIN_FILENO) ? NULL
                                                   : cli_read_template("-", error);
    if (text != NULL && *text == '\0' && name == NULL && file == NULL)
        g_clear_pointer(&text, g_free); /* nothing on standard input */
    if (text == NULL && error != NULL && *error == NULL)
        g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE,
                    "what shall it be? Name the file of its template; `%s %s -h` explains",
                    cli->kind->program, cli->called);
    if (text == NULL || name == NULL)
        return g_steal_pointer(&text);
    g_autoptr(Template) template = template_parse(text, TEMPLATE_MODERN, error);
    if (template == NULL)
        return NULL;
    template_set(template, "NAME", name);
    return template_to_text(template);
}

char *cli_given_text(Cli *cli, gboolean *chosen, GError **error)
{
    const char *file = file_argument(cli);
    *chosen = file != NULL || !isatty(STDIN_FILENO);
    char *text = *chosen ? cli_read_template(file != NULL ? file : "-", error) : NULL;
    if (file != NULL || text == NULL || *text != '\0')
        return text;
    /* A job without input would take all attributes off. */
    g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE,
                "there is nothing on standard input: name the file of the new text, - for an empty "
                "one, or run it on a terminal for the editor");
    g_free(text);
    return NULL;
}

char *cli_template_text(Cli *cli, gint32 id, GError **error)
{
    gboolean chosen = FALSE;
    char *given = cli_given_text(cli, &chosen, error);
    if (chosen)
        return given;
    g_autofree char *present =
        cli_option(cli, "append") != NULL ? g_strdup("") : present_template(cli, id, error);
    return present != NULL ? cli_edit(present, error) : NULL;
}

/* ---- Passwords ---- */

char *cli_ask_password(const char *prompt, GError **error)
{
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    struct termios before, quiet;
    if (fd < 0 || tcgetattr(fd, &before) != 0) {
        if (fd >= 0)
            close(fd);
        g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE,
                    "a password is needed, and there is no terminal to ask for it on: give it "
                    "on the command line, or a login in the file that ONE_AUTH names");
        return NULL;
    }
    quiet = before;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    tcsetattr(fd, TCSAFLUSH, &quiet);
    dprintf(fd, "%s: ", prompt);
    char line[512];
    gssize got = read(fd, line, sizeof line - 1);
    tcsetattr(fd, TCSAFLUSH, &before);
    dprintf(fd, "\n");
    close(fd);
    line[MAX(got, 0)] = '\0';
    line[strcspn(line, "\r\n")] = '\0';
    char *password = g_strdup(line);
    explicit_bzero(line, sizeof line);
    if (*password == '\0') {
        g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE, "an empty password is none");
        g_clear_pointer(&password, g_free);
    }
    return password;
}

/* ---- XML as template text ---- */

static void append_quoted(GString *text, const char *value)
{
    g_string_append_c(text, '"');
    for (; *value != '\0'; value++) {
        if (*value == '"')
            g_string_append_c(text, '\\');
        g_string_append_c(text, *value);
    }
    g_string_append_c(text, '"');
}

char *cli_template_of(xmlNode *element)
{
    GString *text = g_string_new(NULL);
    for (xmlNode *at = xml_first_element(element); at != NULL; at = xml_next_element(at)) {
        g_string_append_printf(text, "%s=", (const char *)at->name);
        if (xml_first_element(at) == NULL) {
            append_quoted(text, cli_xml_text(at, ""));
        } else {
            g_string_append(text, "[\n");
            for (xmlNode *pair = xml_first_element(at); pair != NULL;
                 pair = xml_next_element(pair)) {
                g_string_append_printf(text, "  %s=", (const char *)pair->name);
                append_quoted(text, cli_xml_text(pair, ""));
                g_string_append(text, xml_next_element(pair) != NULL ? ",\n" : " ]");
            }
        }
        g_string_append_c(text, '\n');
    }
    return g_string_free(text, FALSE);
}
