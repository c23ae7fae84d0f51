#include "client/cli/user_token.h"
#include "client/cli/names.h"
#include "client/cli/xml.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

void user_act_as(Cli *cli, const char *name)
{
    if (name == NULL || cli_option(cli, "user") != NULL)
        return;
    GPtrArray *as = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(as, g_strdup(name));
    g_hash_table_insert(cli->options, (gpointer) "user", as);
}

/* ---- Which token ---- */

/* What the caller knows of himself. (owned) */
static xmlDoc *fetch_self(Cli *cli, GError **error)
{
    g_auto(WireReply) reply = {0};
    WireClient *wire = cli_wire(cli, error);
    if (wire == NULL || !wire_call(wire, &reply, error, "one.user.info", "ib", -1, FALSE))
        return NULL;
    return cli_xml_parse(reply.text, error);
}

/* End of its life; those without one last longest. */
static gint64 end_of(xmlNode *token)
{
    gint64 end = cli_xml_int(token, "EXPIRATION_TIME", 0);
    return end < 0 ? G_MAXINT64 : end;
}

/* Those that begin so (NULL: all) and act with this group (-2: whichever). (borrowed nodes) */
static GPtrArray *tokens_of(xmlNode *user, const char *start, gint32 group, gboolean ended)
{
    gint64 now = g_get_real_time() / G_USEC_PER_SEC;
    GPtrArray *found = g_ptr_array_new();
    for (xmlNode *at = xml_find(user, "LOGIN_TOKEN"); at != NULL; at = xml_next_same(at)) {
        if ((start == NULL || g_str_has_prefix(cli_xml_text(at, "TOKEN"), start)) &&
            (group == -2 || cli_xml_int(at, "EGID", -1) == group) && (ended || end_of(at) > now))
            g_ptr_array_add(found, at);
    }
    return found;
}

/* Nothing begins every token, and is all of them to the server: a script's variable that is empty
 * must not end a login. */
static gboolean token_is_told(const char *text, GError **error)
{
    if (*text == '\0')
        g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE,
                    "which token? \"\" is none: write its beginning; `oneuser show` lists them");
    return *text != '\0';
}

/* The one token that begins so; NULL with the error. (borrowed) */
static xmlNode *token_named(xmlNode *user, const char *start, gboolean ended, GError **error)
{
    if (!token_is_told(start, error))
        return NULL;
    g_autoptr(GPtrArray) found = tokens_of(user, start, -2, ended);
    if (found->len == 1)
        return found->pdata[0];
    g_set_error(error, CLI_ERROR, CLI_ERROR_NO_OBJECT,
                found->len == 0
                    ? "no token of %s begins with \"%s\"; `oneuser show` lists them"
                    : "several tokens of %s begin with \"%s\"; `oneuser show` lists them",
                cli_xml_text(user, "NAME"), start);
    return NULL;
}

/* The token for that group that lasts longest; NULL with the error. (borrowed) */
static xmlNode *token_for(xmlNode *user, gint32 group, GError **error)
{
    g_autoptr(GPtrArray) found = tokens_of(user, NULL, group, FALSE);
    xmlNode *best = NULL;
    for (guint i = 0; i < found->len; i++)
        if (best == NULL || end_of(found->pdata[i]) > end_of(best))
            best = found->pdata[i];
    if (best == NULL)
        g_set_error(error, CLI_ERROR, CLI_ERROR_NO_OBJECT,
                    group < 0 ? "%s has no valid token for all groups; `oneuser login` makes one"
                              : "%s has no valid token for that group; `oneuser login --group` "
                                "makes one",
                    cli_xml_text(user, "NAME"));
    return best;
}

static xmlNode *token_meant(Cli *cli, xmlNode *user, GError **error)
{
    const char *start = cli_option(cli, "token"), *name = cli_option(cli, "egid");
    gint32 group = -1;
    gboolean global = cli_option(cli, "global") != NULL;
    if ((start != NULL) + (name != NULL) + global != 1) {
        g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE,
                    "which token? One of --token BEGINNING, --group GROUP and --global");
        return NULL;
    }
    if (start != NULL)
        return token_named(user, start, FALSE, error);
    if (name != NULL && !cli_find_id(cli, cli_kind_of_word("group"), name, &group, error))
        return NULL;
    return token_for(user, group, error);
}

/* ---- Its file ---- */

/* ~/.one/DIGEST.token of "user:token". (owned) */
static char *path_of(const char *login)
{
    g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_MD5, login, -1);
    g_autofree char *name = g_strconcat(digest, ".token", NULL);
    return g_build_filename(g_get_home_dir(), ".one", name, NULL);
}

static gboolean write_login(const char *path, const char *login, GError **error)
{
    g_autofree char *directory = g_path_get_dirname(path);
    if (g_mkdir_with_parents(directory, 0700) != 0) {
        g_set_error(error, CLI_ERROR, CLI_ERROR_FAILED, "%s cannot be made: %s", directory,
                    g_strerror(errno));
        return FALSE;
    }
    return g_file_set_contents_full(path, login, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, error);
}

CliExit user_token_set(Cli *cli)
{
    g_autoptr(GError) error = NULL;
    user_act_as(cli, cli_word(cli, 0));
    g_autoptr(xmlDoc) doc = fetch_self(cli, &error);
    xmlNode *user = doc != NULL ? xmlDocGetRootElement(doc) : NULL;
    xmlNode *token = user != NULL ? token_meant(cli, user, &error) : NULL;
    if (token == NULL)
        return cli_fail(cli, error);
    g_autofree char *login =
        g_strdup_printf("%s:%s", cli_xml_text(user, "NAME"), cli_xml_text(token, "TOKEN"));
    g_autofree char *path = path_of(login);
    if (!write_login(path, login, &error))
        return cli_fail(cli, error);
    g_autofree char *quoted = g_shell_quote(path);
    printf("export ONE_AUTH=%s; export ONE_EGID=%s\n", quoted, cli_xml_text(token, "EGID"));
    return CLI_DONE;
}

CliExit user_token_delete(Cli *cli)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(xmlDoc) doc = NULL;
    const char *name = cli_word(cli, 0), *token = cli_word(cli, 1);
    if (token == NULL) {
        doc = fetch_self(cli, &error);
        xmlNode *user = doc != NULL ? xmlDocGetRootElement(doc) : NULL;
        xmlNode *own = user != NULL ? token_named(user, name, TRUE, &error) : NULL;
        if (own == NULL)
            return cli_fail(cli, error);
        name = cli_xml_text(user, "NAME");
        token = cli_xml_text(own, "TOKEN");
    }
    WireClient *wire = token_is_told(token, &error) ? cli_wire(cli, &error) : NULL;
    if (wire == NULL ||
        !wire_call(wire, NULL, &error, "one.user.login", "ssii", name, token, 0, -1))
        return cli_fail(cli, error);
    g_autofree char *login = g_strdup_printf("%s:%s", name, token);
    g_autofree char *path = path_of(login);
    if (g_unlink(path) == 0)
        printf("%s is removed\n", path);
    return CLI_DONE;
}
