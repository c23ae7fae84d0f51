#include "client/cli/call.h"
#include "client/cli/edit.h"
#include "client/cli/format.h"
#include "client/cli/generic.h"
#include "client/cli/kinds.h"
#include "client/cli/names.h"
#include "client/cli/options.h"
#include "client/cli/quota.h"
#include "client/cli/user_login.h"
#include "client/cli/user_token.h"
#include "client/cli/xml.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

#define TOKEN_SECONDS 36000 /* how long a login is valid unless told */

/* ---- Columns ---- */

static char *enabled_text(const Cli *cli, xmlNode *user)
{
    return g_strdup(cli_xml_int(user, "ENABLED", 1) ? "yes" : "no");
}

static const CliColumn columns[] = {
    {"ID", 4, "ID", NULL, "Number of the user"},
    {"NAME", -10, "NAME", NULL, "Name"},
    {"ENAB", -4, NULL, enabled_text, "May the user log in?"},
    {"GROUP", -8, NULL, cli_column_group, "Primary group"},
    {"AUTH", -8, "AUTH_DRIVER", NULL, "How the user is authenticated"},
    {"VMS", 9, NULL, cli_quota_vms, "Machines, and the quota for them"},
    {"MEMORY", 15, NULL, cli_quota_memory, "Memory of these, and the quota for it"},
    {"CPU", 10, NULL, cli_quota_cpu, "Processors of these, and the quota for them"},
    {"PCI", 9, NULL, cli_quota_pci, "Devices of hosts in these, and the quota for them"},
    {"PASSWORD", -40, "PASSWORD", NULL, "What the server keeps instead of the password"},
    {NULL, 0, NULL, NULL, NULL},
};

/* ---- The page of a user ---- */

static char *token_expiry(const Cli *cli, xmlNode *token)
{
    gint64 end = cli_xml_int(token, "EXPIRATION_TIME", 0);
    return end < 0 ? g_strdup("never") : cli_time(end);
}

static const CliColumn token_columns[] = {
    {"EGID", 5, "EGID", NULL, NULL},
    {"EXPIRES", -14, NULL, token_expiry, NULL},
    {"TOKEN", -64, "TOKEN", NULL, NULL},
    {NULL, 0, NULL, NULL, NULL},
};

static void user_page(Cli *cli, xmlNode *user, GString *page)
{
    cli_page_title(cli, page, "USER %s INFORMATION", cli_xml_text(user, "ID"));
    cli_page_line(page, "ID", cli_xml_text(user, "ID"));
    cli_page_line(page, "NAME", cli_xml_text(user, "NAME"));
    cli_page_line(page, "GROUP", cli_xml_text(user, "GNAME"));
    g_autoptr(GString) others = g_string_new(NULL);
    for (xmlNode *id = xml_find(user, "GROUPS/ID"); id != NULL; id = xml_next_same(id))
        if (strcmp(cli_xml_text(id, ""), cli_xml_text(user, "GID")) != 0)
            g_string_append_printf(others, "%s%s", others->len > 0 ? "," : "",
                                   cli_xml_text(id, ""));
    if (others->len > 0)
        cli_page_line(page, "SECONDARY GROUPS", others->str);
    if (*cli_xml_text(user, "PASSWORD") != '\0')
        cli_page_line(page, "PASSWORD", cli_xml_text(user, "PASSWORD"));
    cli_page_line(page, "AUTH_DRIVER", cli_xml_text(user, "AUTH_DRIVER"));
    cli_page_line(page, "ENABLED", cli_xml_int(user, "ENABLED", 1) ? "Yes" : "No");
    cli_page_table(cli, page, "TOKENS", token_columns, user, "LOGIN_TOKEN");
    g_autofree char *text = cli_template_of(xml_find(user, "TEMPLATE"));
    if (*text != '\0') {
        cli_page_title(cli, page, "USER TEMPLATE");
        g_string_append(page, text);
    }
    cli_page_quota(cli, user, page);
}

/* ---- Passwords ---- */

/* A new password is asked for twice: nobody sees what is typed. (owned) */
static char *ask_twice(const char *name, GError **error)
{
    g_autofree char *prompt = g_strdup_printf("Password of %s", name);
    g_autofree char *password = cli_ask_password(prompt, error);
    g_autofree char *again = password != NULL ? cli_ask_password("Once more", error) : NULL;
    if (again == NULL)
        return NULL;
    if (strcmp(password, again) == 0)
        return g_steal_pointer(&password);
    g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE, "the two differ; nothing is done");
    return NULL;
}

/* The nth argument as it is, as a file's content, or asked for; then hashed if told. (owned) */
static char *password_of(Cli *cli, guint nth, const char *name, GError **error)
{
    const char *word = cli_word(cli, nth);
    g_autofree char *password = NULL;
    if (word != NULL && cli_option(cli, "read-file") != NULL)
        password = cli_read_file(word, error);
    else
        password = word != NULL ? g_strdup(word) : ask_twice(name, error);
    if (password == NULL)
        return NULL;
    g_strchomp(password);
    if (cli_option(cli, "sha1") != NULL)
        return g_compute_checksum_for_string(G_CHECKSUM_SHA1, password, -1);
    if (cli_option(cli, "sha256") != NULL)
        return g_compute_checksum_for_string(G_CHECKSUM_SHA256, password, -1);
    return g_steal_pointer(&password);
}

/* The groups of --group as ids. (owned; NULL: error) */
static GArray *groups_of(Cli *cli, GError **error)
{
    g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(gint32));
    const char *text = cli_option(cli, "group");
    g_auto(GStrv) words = g_strsplit(text != NULL ? text : "", ",", -1);
    for (guint i = 0; words[i] != NULL && *words[i] != '\0'; i++) {
        gint32 id;
        if (!cli_find_id(cli, cli_kind_of_word("group"), words[i], &id, error))
            return NULL;
        g_array_append_val(ids, id);
    }
    return g_steal_pointer(&ids);
}

static CliExit run_create(Cli *cli)
{
    g_autoptr(GError) error = NULL;
    g_auto(WireReply) reply = {0};
    const char *driver = user_login_driver(cli);
    g_autoptr(GArray) groups = groups_of(cli, &error);
    g_autofree char *password = groups == NULL   ? NULL
                                : driver != NULL ? user_login_word(cli, &error)
                                                 : password_of(cli, 1, cli_word(cli, 0), &error);
    driver = driver != NULL ? driver : cli_option(cli, "driver");
    WireClient *wire = password != NULL ? cli_wire(cli, &error) : NULL;
    if (wire == NULL)
        return cli_fail(cli, error);
    const char *how = driver != NULL ? driver : "";
    gboolean good = groups->len == 0 ? wire_call(wire, &reply, &error, "one.user.allocate", "sss",
                                                 cli_word(cli, 0), password, how)
                                     : wire_call(wire, &reply, &error, "one.user.allocate", "sssA",
                                                 cli_word(cli, 0), password, how,
                                                 (const gint32 *)(void *)groups->data, groups->len);
    if (!good)
        return cli_fail(cli, error);
    printf("ID: %" G_GINT64_FORMAT "\n", reply.number);
    return CLI_DONE;
}

static gboolean passwd_one(Cli *cli, gint32 id, GError **error)
{
    g_autofree char *password = password_of(cli, 1, cli_word(cli, 0), error);
    WireClient *wire = password != NULL ? cli_wire(cli, error) : NULL;
    return wire != NULL && wire_call(wire, NULL, error, "one.user.passwd", "is", id, password);
}

static CliExit run_passwd(Cli *cli)
{
    return cli_each(cli, passwd_one);
}

static gboolean chauth_one(Cli *cli, gint32 id, GError **error)
{
    g_autofree char *password =
        cli_word(cli, 2) != NULL ? password_of(cli, 2, cli_word(cli, 0), error) : g_strdup("");
    WireClient *wire = password != NULL ? cli_wire(cli, error) : NULL;
    return wire != NULL &&
           wire_call(wire, NULL, error, "one.user.chauth", "iss", id, cli_word(cli, 1), password);
}

static CliExit run_chauth(Cli *cli)
{
    return cli_each(cli, chauth_one);
}

static gboolean umask_one(Cli *cli, gint32 id, GError **error)
{
    const char *mask = cli_word(cli, 1) != NULL ? cli_word(cli, 1) : "";
    gsize length = strlen(mask);
    if (strspn(mask, "01234567") != length || (length != 0 && length != 3)) {
        g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE,
                    "mask \"%s\" must be three digits from 0 to 7, such as 177", mask);
        return FALSE;
    }
    g_autofree char *text = g_strdup_printf("UMASK=\"%s\"", mask);
    WireClient *wire = cli_wire(cli, error);
    return wire != NULL && wire_call(wire, NULL, error, "one.user.update", "isi", id, text, 1);
}

static CliExit run_umask(Cli *cli)
{
    return cli_each(cli, umask_one);
}

/* ---- Login tokens ---- */

/* Writes "user:token" to ~/.one/one_auth, readable by nobody else. A file that holds
 * another user's login, or a password, is replaced only when told. */
static gboolean write_auth(const Cli *cli, const char *user, const char *token, GError **error)
{
    g_autofree char *directory = g_build_filename(g_get_home_dir(), ".one", NULL);
    g_autofree char *path = g_build_filename(directory, "one_auth", NULL);
    g_autofree char *line = g_strdup_printf("%s:%s\n", user, token);
    if (g_file_test(path, G_FILE_TEST_EXISTS) && cli_option(cli, "force") == NULL) {
        g_set_error(
            error, CLI_ERROR, CLI_ERROR_FAILED,
            "%s exists and is kept; --force replaces it. The login that would be written is: %s",
            path, g_strchomp(line));
        return FALSE;
    }
    if (g_mkdir_with_parents(directory, 0700) != 0) {
        g_set_error(error, CLI_ERROR, CLI_ERROR_FAILED, "%s cannot be made: %s", directory,
                    g_strerror(errno));
        return FALSE;
    }
    if (!g_file_set_contents_full(path, line, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, error) ||
        g_chmod(path, 0600) != 0)
        return FALSE;
    printf("Logged in as %s: %s\n", user, path);
    return TRUE;
}

/* A login that is signed here: the server is not asked. */
static CliExit run_signed_login(Cli *cli, gint64 seconds)
{
    g_autoptr(GError) error = NULL;
    const char *user = cli_word(cli, 0);
    if (user == NULL)
        g_set_error(&error, CLI_ERROR, CLI_ERROR_USAGE,
                    "name the user: the login is made for this name");
    g_autofree char *token = user != NULL ? user_login_token(cli, user, seconds, &error) : NULL;
    if (token == NULL || !write_auth(cli, user, token, &error))
        return cli_fail(cli, error);
    return CLI_DONE;
}

static CliExit run_key(Cli *cli)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *word = user_login_word(cli, &error);
    if (word == NULL)
        return cli_fail(cli, error);
    printf("%s\n", word);
    return CLI_DONE;
}

static CliExit run_login(Cli *cli)
{
    g_autoptr(GError) error = NULL;
    g_auto(WireReply) reply = {0};
    gint64 seconds = TOKEN_SECONDS;
    gint32 group = -1;
    const char *time = cli_option(cli, "time"), *egid = cli_option(cli, "egid");
    if (time != NULL &&
        (!g_ascii_string_to_signed(time, 10, -1, G_MAXINT32, &seconds, NULL) || seconds == 0)) {
        fprintf(stderr, "--time \"%s\" must be a number of seconds, or -1 for ever\n", time);
        return CLI_USAGE;
    }
    if (user_login_driver(cli) != NULL)
        return run_signed_login(cli, seconds);
    const char *user = cli_word(cli, 0);
    /* A user who is named here logs in with the password; else the present login is used. */
    user_act_as(cli, user);
    WireClient *wire = cli_wire(cli, &error);
    if (wire == NULL ||
        (egid != NULL && !cli_find_id(cli, cli_kind_of_word("group"), egid, &group, &error)))
        return cli_fail(cli, error);
    const char *session = wire_client_session(wire);
    g_autofree char *name =
        user != NULL ? g_strdup(user) : g_strndup(session, strcspn(session, ":"));
    if (!wire_call(wire, &reply, &error, "one.user.login", "ssii", name, "", (gint32)seconds,
                   group) ||
        !write_auth(cli, name, reply.text != NULL ? reply.text : "", &error))
        return cli_fail(cli, error);
    return CLI_DONE;
}

static CliExit run_encode(Cli *cli)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *password = password_of(cli, 1, cli_word(cli, 0), &error);
    if (password == NULL)
        return cli_fail(cli, error);
    g_autofree char *user = g_uri_escape_string(cli_word(cli, 0), NULL, FALSE);
    g_autofree char *secret = g_uri_escape_string(password, NULL, FALSE);
    printf("%s:%s\n", user, secret);
    return CLI_DONE;
}

/* ---- The tables ---- */

#define HASHES "read-file sha1 sha256"

static const CliCommand commands[] = {
    {"Users", "create add allocate", "text:username password:password?",
     "driver group ssh x509 key cert " HASHES, NULL, NULL, NULL, 0, run_create,
     "Creates a user. The password is asked for when it is not given; other users of this "
     "computer could see it on the command line for a moment. With --ssh or --x509 the public part "
     "of the key, or the subject of the certificate, takes its place."},
    {NULL, "list", "", CLI_LIST, NULL, NULL, NULL, 0, cli_run_list, "Lists the users."},
    {NULL, "show", "user...?", "decrypt no-color pager no-pager " CLI_FORMATS, NULL, NULL, NULL, 0,
     cli_run_show, "Shows all about a user. About yourself when none is named."},
    {NULL, "delete", "user...", NULL, "one.user.delete", "id", NULL, 0, NULL, "Removes a user."},
    {NULL, "update", "user file?", "append", "one.user.update", "id @template #append", NULL, 0,
     NULL, "Changes a user's attributes. From a file, from standard input, or in the editor."},
    {NULL, "umask", "user... text:mask?", NULL, NULL, NULL, NULL, 0, run_umask,
     "Sets which rights new objects of a user do not get. Three digits such as 177; nothing: the "
     "usual ones."},

    {"Login", "passwd", "user... password:password?", HASHES, NULL, NULL, NULL, 0, run_passwd,
     "Changes a password. It is asked for when it is not given."},
    {NULL, "login token-create", "text:username?", "time egid force ssh x509 key cert", NULL, NULL,
     NULL, 0, run_login,
     "Gets a login token and keeps it in ~/.one/one_auth. The password is asked for, and need "
     "not be kept in any file. With --ssh or --x509 a login is signed with the private key."},
    {NULL, "key", "", "ssh x509 key cert", NULL, NULL, NULL, 0, run_key,
     "Prints what stands in the place of a password for users who log in with a key. For `oneuser "
     "chauth USER ssh WORD`; with --x509 the subject of the certificate."},
    {NULL, "token-set", "text:username?", "token egid global", NULL, NULL, NULL, 0, user_token_set,
     "Prints what lets a shell act with one of your tokens. Its login is kept in a file below "
     "~/.one, which ONE_AUTH then names: eval \"$(oneuser token-set --group staff)\"."},
    {NULL, "token-delete", "text:username_or_token text:token?", NULL, NULL, NULL, NULL, 0,
     user_token_delete,
     "Makes a login token invalid, and removes its file. Of your own tokens its beginning will "
     "do; of another user's it is named in full behind the user."},
    {NULL, "token-delete-all", "text:username", NULL, "one.user.login", "$0 '' 0 -1", NULL, 0, NULL,
     "Makes all login tokens of a user invalid."},
    {NULL, "enable", "user...", NULL, "one.user.enable", "id yes", NULL, 0, NULL,
     "Lets a user log in."},
    {NULL, "disable", "user...", NULL, "one.user.enable", "id no", NULL, 0, NULL,
     "Lets a user not log in any more."},
    {NULL, "chauth", "user... text:driver password:password?", HASHES, NULL, NULL, NULL, 0,
     run_chauth, "Changes how a user is authenticated."},
    {NULL, "passwdsearch", "text:driver password:password", "csv csv-del " CLI_FORMATS, NULL, NULL,
     NULL, 0, cli_run_absent,
     "The server shows nobody what it keeps instead of passwords, so they cannot be searched for. "
     "`oneuser list -f AUTH=ssh` lists the users of a driver."},
    {NULL, "encode", "text:username password:password?", "read-file", NULL, NULL, NULL, 0,
     run_encode,
     "Prints user and password as they stand in an authentication file. Blanks and other special "
     "characters are written as %20 and so on."},

    {"Groups", "chgrp", "user... group", NULL, "one.user.chgrp", "id $1", NULL, 0, NULL,
     "Changes a user's primary group."},
    {NULL, "addgroup", "user... group", NULL, "one.user.addgroup", "id $1", NULL, 0, NULL,
     "Adds a user to a further group."},
    {NULL, "delgroup", "user... group", NULL, "one.user.delgroup", "id $1", NULL, 0, NULL,
     "Takes a user out of a further group."},

    {"Quotas", "quota", "user file?", NULL, NULL, NULL, NULL, 0, cli_run_quota,
     "Sets how much a user may take. From a file, from standard input, or in the editor."},
    {NULL, "batchquota", "user... file?", NULL, NULL, NULL, NULL, 0, cli_run_batchquota,
     "Sets the same limits for several users."},
    {NULL, "defaultquota", "file?", NULL, NULL, NULL, NULL, 0, cli_run_defaultquota,
     "Sets the limits of all users that have no limits of their own."},
    {NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL},
};

const CliKind cli_user = {
    .word = "user",
    .program = "oneuser",
    .noun = "user",
    .plural = "users",
    .element = "USER",
    .info = "one.user.info",
    .pool = "one.userpool.info",
    .pool_arguments = "",
    .about = "Users: creates them, shows them, changes their passwords and groups.",
    .examples = "  oneuser create bob                 asks for the password\n"
                "  oneuser passwd bob\n"
                "  oneuser chgrp bob users\n"
                "  oneuser list -l ID,NAME,GROUP --csv\n",
    .commands = commands,
    .columns = columns,
    .page = user_page,
    .list = "ID,NAME,ENAB,GROUP,AUTH,VMS,MEMORY,CPU,PCI",
};
