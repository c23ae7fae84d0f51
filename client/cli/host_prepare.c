#include "client/cli/host_prepare.h"

#include "client/cli/edit.h"
#include "client/cli/kinds.h"
#include "client/cli/names.h"
#include "client/cli/output.h"
#include "client/cli/table.h"
#include "client/cli/xml.h"
#include "client/prepare/hosts.h"
#include "client/prepare/prepare.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PARALLEL     16
#define PARALLEL_MAX 256

/* ---- Options ---- */

static const char *option_or(const Cli *cli, const char *key, const char *otherwise)
{
    const char *value = cli_option(cli, key);
    return value != NULL && *value != '\0' ? value : otherwise;
}

/* The line of a public key file. (owned) */
static char *read_key(const char *path, GError **error)
{
    g_autofree char *text = NULL;
    if (!g_file_get_contents(path, &text, NULL, error))
        return NULL;
    g_strstrip(text);
    if (strchr(text, '\n') == NULL &&
        (g_str_has_prefix(text, "ssh-") || g_str_has_prefix(text, "ecdsa-") ||
         g_str_has_prefix(text, "sk-")))
        return g_steal_pointer(&text);
    g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE,
                "%s is no public key: a file such as id_ed25519.pub, with one line, is needed",
                path);
    return NULL;
}

static char *find_key(const Cli *cli, GError **error)
{
    static const char *const usual[] = {"id_ed25519.pub", "id_ecdsa.pub", "id_rsa.pub"};
    const char *identity = g_getenv("SSH_IDENTITY");
    if (cli_option(cli, "public-key") != NULL)
        return read_key(cli_option(cli, "public-key"), error);
    if (identity != NULL) {
        g_autofree char *path = g_strconcat(identity, ".pub", NULL);
        return read_key(path, error);
    }
    for (guint i = 0; i < G_N_ELEMENTS(usual); i++) {
        g_autofree char *path = g_build_filename(g_get_home_dir(), ".ssh", usual[i], NULL);
        if (g_file_test(path, G_FILE_TEST_EXISTS))
            return read_key(path, error);
    }
    g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE,
                "there is no key of %s that servers could accept: `ssh-keygen -t ed25519` makes "
                "one, --key names another",
                g_get_user_name());
    return NULL;
}

static gboolean read_wish(Cli *cli, PrepareWish *wish, GError **error)
{
    const char *hypervisor = option_or(cli, "hypervisor", "kvm");
    const char *parallel = cli_option(cli, "parallel");
    guint64 number = PARALLEL;
    wish->hypervisor = prepare_hypervisor_named(hypervisor);
    if (wish->hypervisor == NULL) {
        g_autofree char *names = prepare_hypervisor_names();
        g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE, "--hypervisor \"%s\" is none of: %s",
                    hypervisor, names);
        return FALSE;
    }
    if (parallel != NULL &&
        !g_ascii_string_to_unsigned(parallel, 10, 1, PARALLEL_MAX, &number, NULL)) {
        g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE, "--parallel \"%s\": a number from 1 to %d",
                    parallel, PARALLEL_MAX);
        return FALSE;
    }
    wish->parallel = (guint)number;
    wish->login = option_or(cli, "login", "root");
    wish->user = option_or(cli, "service-user", "oneadmin");
    wish->datastores = option_or(cli, "datastores", "/var/lib/one/datastores");
    wish->nfs = option_or(cli, "nfs", NULL);
    wish->bridge = option_or(cli, "new-bridge", NULL);
    wish->nic = option_or(cli, "bridge-nic", NULL);
    wish->only = option_or(cli, "only", NULL);
    wish->skip = option_or(cli, "skip", NULL);
    wish->check = cli_option(cli, "check") != NULL;
    return prepare_wish_check(wish, error);
}

static GPtrArray *read_hosts(Cli *cli, GError **error)
{
    g_autoptr(GPtrArray) hosts = g_ptr_array_new_with_free_func(g_free);
    const char *file = cli_option(cli, "hosts-file");
    for (guint i = 0; cli_word(cli, i) != NULL; i++)
        if (!host_list_add(hosts, cli_word(cli, i), error))
            return NULL;
    g_autofree char *text = file != NULL ? cli_read_file(file, error) : NULL;
    if (file != NULL && (text == NULL || !host_list_add_text(hosts, text, file, error)))
        return NULL;
    if (hosts->len == 0) {
        g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE,
                    "which servers? `onehost prepare node01`, node[01-40], or --file FILE");
        return NULL;
    }
    return g_steal_pointer(&hosts);
}

/* ---- On the way ---- */

static void tell_progress(const PrepareHost *host, PreparePhase phase, guint done, guint all,
                          gpointer data)
{
    static const char *const phases[] = {"", "server", "names and keys", "proof"};
    const PrepareResult *last =
        host->results->len > 0 ? host->results->pdata[host->results->len - 1] : NULL;
    gboolean lost = host->lost && last != NULL;
    if (lost && phase != PHASE_HOST)
        return;
    fprintf(stderr, "[%s %u/%u] %s: %u ok, %u changed, %u missing, %u failed%s%s\n", phases[phase],
            done, all, host->name, prepare_count(host, PREPARE_OK),
            prepare_count(host, PREPARE_CHANGED), prepare_count(host, PREPARE_MISSING),
            prepare_count(host, PREPARE_FAILED), lost ? ": " : "", lost ? last->text : "");
}

static gboolean asks_trust(void)
{
    char answer[16] = "";
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
        return FALSE;
    fprintf(stderr, "Compare them with what the servers' consoles show (ssh-keygen -lf "
                    "/etc/ssh/ssh_host_ed25519_key.pub). Trust them from now on? [y/N] ");
    return fgets(answer, sizeof answer, stdin) != NULL && (answer[0] == 'y' || answer[0] == 'Y');
}

/* Shows the keys that nobody has seen before, and pins them when they are trusted. */
static void pin_keys(const Cli *cli, Prepare *prepare)
{
    GPtrArray *hosts = prepare_hosts(prepare);
    guint unknown = 0;
    for (guint i = 0; i < hosts->len; i++) {
        const PrepareHost *host = hosts->pdata[i];
        if (host->lost || host->key.trust != SSH_KEY_UNKNOWN)
            continue;
        fprintf(stderr, "%s shows a new host key: %s %s\n", host->name, host->key.type,
                host->key.print);
        unknown++;
    }
    if (unknown == 0 || cli_option(cli, "check") != NULL ||
        (cli_option(cli, "accept-new") == NULL && !asks_trust()))
        return;
    for (guint i = 0; i < hosts->len; i++) {
        PrepareHost *host = hosts->pdata[i];
        g_autoptr(GError) error = NULL;
        if (host->lost || host->key.trust != SSH_KEY_UNKNOWN)
            continue;
        g_autofree char *text =
            g_strdup_printf("%s %s, now in %s", host->key.type, host->key.print, host->key.file);
        gboolean pinned = ssh_hostkey_pin(&host->key, &error);
        prepare_note(host, "hostkey", pinned ? PREPARE_CHANGED : PREPARE_FAILED,
                     pinned ? text : error->message);
        host->lost = !pinned;
    }
}

/* ---- Adding them ---- */

static gboolean is_ready(const PrepareHost *host)
{
    return !host->lost && prepare_count(host, PREPARE_MISSING) == 0 &&
           prepare_count(host, PREPARE_FAILED) == 0;
}

static gboolean is_known(Cli *cli, const char *name, GError **error)
{
    xmlDoc *pool = cli_pool(cli, &cli_host, error);
    xmlNode *host = pool != NULL ? xml_find(xmlDocGetRootElement(pool), "HOST") : NULL;
    while (host != NULL && strcmp(cli_xml_text(host, "NAME"), name) != 0)
        host = xml_next_same(host);
    return host != NULL;
}

static void add_one(Cli *cli, PrepareHost *host, const char *driver, gint32 cluster)
{
    g_autoptr(GError) error = NULL;
    g_auto(WireReply) reply = {0};
    gboolean known = is_known(cli, host->name, &error);
    if (known)
        prepare_note(host, "cloud", PREPARE_OK, "is a host already");
    else if (cli_option(cli, "check") != NULL && error == NULL)
        prepare_note(host, "cloud", PREPARE_MISSING, "is no host yet");
    else if (error == NULL && cli_wire(cli, &error) != NULL &&
             wire_call(cli->wire, &reply, &error, "one.host.allocate", "sssi", host->name, driver,
                       driver, cluster)) {
        g_autofree char *text = g_strdup_printf("ID: %d", (gint32)reply.number);
        prepare_note(host, "cloud", PREPARE_CHANGED, text);
    } else {
        prepare_note(host, "cloud", PREPARE_FAILED, error->message);
    }
}

static gboolean add_hosts(Cli *cli, Prepare *prepare, const PrepareWish *wish, GError **error)
{
    GPtrArray *hosts = prepare_hosts(prepare);
    const char *cluster = cli_option(cli, "cluster");
    gint32 id = -1;
    if (cluster != NULL && !cli_find_id(cli, cli_kind_of_word("cluster"), cluster, &id, error))
        return FALSE;
    for (guint i = 0; i < hosts->len; i++) {
        PrepareHost *host = hosts->pdata[i];
        if (is_ready(host))
            add_one(cli, host, wish->hypervisor->name, id);
        else
            prepare_note(host, "cloud", PREPARE_FAILED, "not added: it is not ready");
    }
    return TRUE;
}

/* ---- The report ---- */

static xmlNode *add_text(xmlNode *parent, const char *name, const char *text)
{
    return xmlNewTextChild(parent, NULL, (const xmlChar *)name, (const xmlChar *)text);
}

static void add_number(xmlNode *parent, const char *name, guint number)
{
    g_autofree char *text = g_strdup_printf("%u", number);
    add_text(parent, name, text);
}

static const char *result_of(const PrepareHost *host)
{
    return prepare_count(host, PREPARE_FAILED) > 0    ? "failed"
           : prepare_count(host, PREPARE_MISSING) > 0 ? "missing"
           : prepare_count(host, PREPARE_CHANGED) > 0 ? "changed"
                                                      : "ok";
}

/* All of it as a document. (owned) */
static xmlDoc *report_of(Prepare *prepare)
{
    GPtrArray *hosts = prepare_hosts(prepare);
    xmlDoc *doc = xmlNewDoc((const xmlChar *)"1.0");
    xmlNode *root = xmlNewNode(NULL, (const xmlChar *)"PREPARATION");
    xmlDocSetRootElement(doc, root);
    for (guint i = 0; i < hosts->len; i++) {
        const PrepareHost *host = hosts->pdata[i];
        xmlNode *node = add_text(root, "HOST", NULL);
        add_text(node, "NAME", host->name);
        add_text(node, "RESULT", result_of(host));
        add_number(node, "OK", prepare_count(host, PREPARE_OK));
        add_number(node, "CHANGED", prepare_count(host, PREPARE_CHANGED));
        add_number(node, "MISSING", prepare_count(host, PREPARE_MISSING));
        add_number(node, "FAILED", prepare_count(host, PREPARE_FAILED));
        for (guint j = 0; j < host->results->len; j++) {
            const PrepareResult *result = host->results->pdata[j];
            xmlNode *item = add_text(node, "ITEM", NULL);
            g_autofree char *text = g_utf8_make_valid(result->text, -1);
            add_text(item, "NAME", result->item);
            add_text(item, "RESULT", prepare_state_name(result->state));
            add_text(item, "TEXT", text);
        }
    }
    return doc;
}

static const CliColumn host_columns[] = {
    {"HOST", -24, "NAME", NULL, NULL},     {"RESULT", -8, "RESULT", NULL, NULL},
    {"OK", 4, "OK", NULL, NULL},           {"CHANGED", 7, "CHANGED", NULL, NULL},
    {"MISSING", 7, "MISSING", NULL, NULL}, {"FAILED", 6, "FAILED", NULL, NULL},
    {NULL, 0, NULL, NULL, NULL},
};

static const CliColumn item_columns[] = {
    {"ITEM", -12, "NAME", NULL, NULL},
    {"RESULT", -8, "RESULT", NULL, NULL},
    {"TEXT", -200, "TEXT", NULL, NULL},
    {NULL, 0, NULL, NULL, NULL},
};

/* One host: all items. Several: a line each, then what is not well, and whatever -v adds. */
static char *report_text(const Cli *cli, xmlDoc *doc)
{
    xmlNode *root = xmlDocGetRootElement(doc), *first = xml_find(root, "HOST");
    if (xml_next_same(first) == NULL)
        return cli_table_of(cli, item_columns, first, "ITEM");
    g_autofree char *table = cli_table_of(cli, host_columns, root, "HOST");
    GString *text = g_string_new(table);
    for (xmlNode *host = first; host != NULL; host = xml_next_same(host))
        for (xmlNode *item = xml_find(host, "ITEM"); item != NULL; item = xml_next_same(item)) {
            const char *result = cli_xml_text(item, "RESULT");
            if (cli->verbose || strcmp(result, "missing") == 0 || strcmp(result, "failed") == 0)
                g_string_append_printf(text, "%s: %s %s: %s\n", cli_xml_text(host, "NAME"),
                                       cli_xml_text(item, "NAME"), result,
                                       cli_xml_text(item, "TEXT"));
        }
    return g_string_free(text, FALSE);
}

static CliExit report(const Cli *cli, Prepare *prepare)
{
    xmlDoc *doc = report_of(prepare);
    g_autofree char *text = cli_format(cli) != CLI_PLAIN ? cli_format_document(doc, cli_format(cli))
                                                         : report_text(cli, doc);
    cli_print(cli, text);
    xmlFreeDoc(doc);
    GPtrArray *hosts = prepare_hosts(prepare);
    for (guint i = 0; i < hosts->len; i++)
        if (!is_ready(hosts->pdata[i]))
            return CLI_FAILED;
    return CLI_DONE;
}

/* ---- dry run ---- */

static void print_script(Prepare *prepare, const PrepareWish *wish)
{
    GPtrArray *hosts = prepare_hosts(prepare);
    g_autofree char *variables = prepare_variables(prepare, NULL);
    printf("# What `onehost prepare` runs as root on");
    for (guint i = 0; i < hosts->len; i++)
        printf(" %s", ((const PrepareHost *)hosts->pdata[i])->name);
    printf(".\n# Each call at the end is a command of its own, behind all that stands before it.\n"
           "# A fix runs when its check ended with 1, then the check again.\n\n%s\n%s",
           variables, prepare_script());
    for (const PrepareItem *item = prepare_items; item->name != NULL; item++) {
        g_autofree char *check = prepare_check_call(item), *fix = prepare_fix_call(item);
        if (prepare_does(wish, item))
            printf("\n# %s\n%s%s%s", item->why, item->as_user ? "# As the service user:\n" : "",
                   check, item->fixable && !wish->check ? fix : "");
    }
}

CliExit cli_host_prepare(Cli *cli)
{
    g_autoptr(GError) error = NULL;
    PrepareWish wish = {0};
    g_autoptr(GPtrArray) names = NULL;
    g_autofree char *key = NULL, *password = NULL;
    if (!read_wish(cli, &wish, &error) || (names = read_hosts(cli, &error)) == NULL ||
        (key = find_key(cli, &error)) == NULL) {
        (void)cli_fail(cli, error);
        return CLI_USAGE;
    }
    wish.key = key;
    g_autofree char *prompt = g_strdup_printf("Password of %s on the servers", wish.login);
    if (cli_option(cli, "ask-password") != NULL && cli_option(cli, "dry-run") == NULL &&
        (password = cli_ask_password(prompt, &error)) == NULL)
        return cli_fail(cli, error);
    wish.password = password;
    g_autoptr(Prepare) prepare = prepare_new(&wish, names, tell_progress, NULL);
    if (cli_option(cli, "dry-run") != NULL) {
        print_script(prepare, &wish);
        return CLI_DONE;
    }
    prepare_meet(prepare);
    pin_keys(cli, prepare);
    prepare_run(prepare);
    if (cli_option(cli, "add-host") != NULL && !add_hosts(cli, prepare, &wish, &error))
        return cli_fail(cli, error);
    return report(cli, prepare);
}
