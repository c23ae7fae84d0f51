#include "client/cli/call.h"
#include "client/cli/edit.h"
#include "client/cli/generic.h"
#include "client/cli/vm_create.h"
#include "client/cli/vm_list.h"
#include "client/cli/names.h"
#include "client/cli/wait.h"
#include "client/cli/xml.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- resize ---- */

static gboolean resize_one(Cli *cli, gint32 id, GError **error)
{
    static const char *const keys[] = {"cpu", "vcpu", "memory"};
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 0; i < G_N_ELEMENTS(keys); i++) {
        const char *value = cli_option(cli, keys[i]);
        gint64 mib;
        if (value == NULL)
            continue;
        g_autofree char *name = g_ascii_strup(keys[i], -1);
        if (strcmp(keys[i], "memory") != 0) {
            g_string_append_printf(text, "%s=\"%s\"\n", name, value);
        } else if (cli_memory(value, &mib)) {
            g_string_append_printf(text, "%s=\"%" G_GINT64_FORMAT "\"\n", name, mib);
        } else {
            g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE,
                        "--memory \"%s\" is no size: write 512, 512m or 2g", value);
            return FALSE;
        }
    }
    g_autofree char *file = NULL;
    if (text->len == 0 && cli_option(cli, "file") != NULL) {
        file = cli_read_file(cli_option(cli, "file"), error);
        if (file == NULL)
            return FALSE;
        g_string_append(text, file);
    }
    if (text->len == 0) {
        g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE, "resize to what? --cpu, --vcpu or --memory");
        return FALSE;
    }
    WireClient *wire = cli_wire(cli, error);
    return wire != NULL && wire_call(wire, NULL, error, "one.vm.resize", "isb", id, text->str,
                                     cli_option(cli, "enforce") != NULL);
}

CliExit cli_vm_resize(Cli *cli)
{
    return cli_each(cli, resize_one);
}

/* ---- recover --interactive ---- */

static gboolean ask_and_recover(Cli *cli, gint32 id, GError **error)
{
    static const struct {
        const char *word;
        const char *text;
        int operation;
    } choices[] = {
        {"1", "success: go on as if the hanging action had succeeded", 1},
        {"2", "failure: go on as if it had failed", 0},
        {"3", "retry: do it again", 2},
        {"4", "recreate: remove it from its host and start it again as new", 4},
        {"5", "delete: remove the machine", 3},
        {"6", "skip: leave it alone", -1},
    };
    cli_show(cli, id, cli_vm_page);
    printf("\nWhat to do with machine %d?\n", id);
    for (guint i = 0; i < G_N_ELEMENTS(choices); i++)
        printf("  %s  %s\n", choices[i].word, choices[i].text);
    printf("Number: ");
    fflush(stdout);
    char line[64] = "";
    if (fgets(line, sizeof line, stdin) == NULL)
        line[0] = '\0';
    g_strstrip(line);
    for (guint i = 0; i < G_N_ELEMENTS(choices); i++) {
        if (strcmp(choices[i].word, line) != 0)
            continue;
        WireClient *wire = cli_wire(cli, error);
        return choices[i].operation < 0 ||
               (wire != NULL &&
                wire_call(wire, NULL, error, "one.vm.recover", "ii", id, choices[i].operation));
    }
    g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE, "\"%s\" is none of the numbers; nothing is done",
                line);
    return FALSE;
}

CliExit cli_vm_recover(Cli *cli)
{
    return cli_option(cli, "interactive") != NULL ? cli_each(cli, ask_and_recover)
                                                  : cli_run_row(cli);
}

/* ---- delete ---- */

/* As a user of 2009 expects, from any state: in the middle of an action the server does not
 * let a machine be terminated, so it is taken out by the way that repairs use. */
static gboolean delete_one(Cli *cli, gint32 id, GError **error)
{
    g_autoptr(GError) refused = NULL;
    WireClient *wire = cli_wire(cli, error);
    if (wire == NULL)
        return FALSE;
    if (wire_call(wire, NULL, &refused, "one.vm.action", "si", "terminate-hard", id))
        return TRUE;
    if (g_error_matches(refused, ONE_ERROR, ONE_ERROR_ACTION))
        return wire_call(wire, NULL, error, "one.vm.recover", "ii", id, 3);
    g_propagate_error(error, g_steal_pointer(&refused));
    return FALSE;
}

CliExit cli_vm_delete(Cli *cli)
{
    return cli_each(cli, delete_one);
}

/* ---- console, ssh ---- */

static xmlDoc *fetch(Cli *cli, GError **error)
{
    g_auto(WireReply) reply = {0};
    WireClient *wire = cli_wire(cli, error);
    return wire != NULL && wire_call(wire, &reply, error, "one.vm.info", "ib",
                                     g_array_index(cli->ids, gint32, 0), FALSE)
               ? cli_xml_parse(reply.text, error)
               : NULL;
}

static gboolean is_here(const char *host)
{
    return strcmp(host, "localhost") == 0 || strcmp(host, g_get_host_name()) == 0 ||
           g_str_has_prefix(host, "127.");
}

/* libvirt's address of a host: by its driver, near or through ssh. (owned, NULL: none) */
static char *libvirt_uri(const char *driver, const char *host)
{
    static const struct {
        const char *driver, *scheme, *path;
    } schemes[] = {{"kvm", "qemu", "system"},     {"qemu", "qemu", "system"},
                   {"vmm_kvm", "qemu", "system"}, {"xen", "xen", "system"},
                   {"vmm_xen", "xen", "system"},  {"lxc", "lxc", "system"}};
    for (guint i = 0; i < G_N_ELEMENTS(schemes); i++)
        if (strcmp(schemes[i].driver, driver) == 0)
            return is_here(host) ? g_strdup_printf("%s:///%s", schemes[i].scheme, schemes[i].path)
                                 : g_strdup_printf("%s+ssh://%s/%s", schemes[i].scheme, host,
                                                   schemes[i].path);
    return NULL;
}

static CliExit replace_by(char *const *words)
{
    fflush(stdout);
    execvp(words[0], words);
    fprintf(stderr, "%s cannot be started: %s\n", words[0],
            errno == ENOENT ? "it is not installed here" : g_strerror(errno));
    return CLI_FAILED;
}

CliExit cli_vm_console(Cli *cli)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(xmlDoc) doc = fetch(cli, &error);
    if (doc == NULL)
        return cli_fail(cli, error);
    xmlNode *vm = xmlDocGetRootElement(doc);
    xmlNode *record = cli_xml_last(vm, "HISTORY_RECORDS/HISTORY");
    const char *host = cli_xml_text(record, "HOSTNAME"), *domain = cli_xml_text(vm, "DEPLOY_ID");
    if (cli_xml_int(vm, "STATE", -1) != 3 || *host == '\0' || *domain == '\0') {
        fprintf(stderr,
                "%s runs on no host, so it has no console; `onevm resume %s` or `onevm "
                "deploy` starts it\n",
                cli_xml_text(vm, "NAME"), cli_xml_text(vm, "ID"));
        return CLI_FAILED;
    }
    g_autofree char *uri = libvirt_uri(cli_xml_text(record, "VM_MAD"), host);
    const char *port = cli_xml_text(vm, "TEMPLATE/GRAPHICS/PORT");
    if (uri == NULL) {
        fprintf(stderr, "machines of the driver \"%s\" have no console\n",
                cli_xml_text(record, "VM_MAD"));
        return CLI_FAILED;
    }
    if (cli_option(cli, "print") != NULL || !cli->terminal || !isatty(STDIN_FILENO)) {
        printf("virsh -c %s console %s\n", uri, domain);
        if (*port != '\0')
            printf("%s %s:%s\n", cli_xml_text(vm, "TEMPLATE/GRAPHICS/TYPE"), host, port);
        return CLI_DONE;
    }
    printf("Console of %s on %s; Ctrl-] leaves it.\n", cli_xml_text(vm, "NAME"), host);
    char *words[] = {"virsh", "-c", uri, "console", (char *)domain, NULL};
    return replace_by(words);
}

CliExit cli_vm_ssh(Cli *cli)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(xmlDoc) doc = fetch(cli, &error);
    if (doc == NULL)
        return cli_fail(cli, error);
    xmlNode *vm = xmlDocGetRootElement(doc);
    const char *address = "";
    for (xmlNode *nic = xml_find(vm, "TEMPLATE/NIC"); nic != NULL && *address == '\0';
         nic = xml_next_same(nic))
        address = cli_xml_text(nic, "IP");
    if (*address == '\0') {
        fprintf(stderr,
                "no address of %s is known: none of its network cards has an IP. `onevm "
                "console %s` needs none\n",
                cli_xml_text(vm, "NAME"), cli_xml_text(vm, "ID"));
        return CLI_FAILED;
    }
    const char *login = cli_word(cli, 1) != NULL ? cli_word(cli, 1) : "root";
    char *words[] = {"ssh", "-l", (char *)login, "--", (char *)address, NULL};
    return replace_by(words);
}

/* ---- What is attached ---- */

typedef struct {
    const char *key; /* of the option */
    const char *name;
} Pair;

/* NAME="value" of the options that are given; an image or network by id or name. */
static gboolean append_pairs(Cli *cli, GString *text, const Pair *pairs, guint count,
                             GError **error)
{
    for (guint i = 0; i < count; i++) {
        const char *value = cli_option(cli, pairs[i].key);
        gint32 id;
        if (value == NULL)
            continue;
        const CliKind *kind = cli_kind_of_word(pairs[i].key);
        if (kind != NULL && !cli_find_id(cli, kind, value, &id, error))
            return FALSE;
        g_autofree char *number = kind != NULL ? g_strdup_printf("%d", id) : NULL;
        g_string_append_printf(text, "%s%s=\"%s\"", text->str[text->len - 1] == '[' ? "" : ", ",
                               pairs[i].name, number != NULL ? number : value);
    }
    return TRUE;
}

static gboolean attach(Cli *cli, gint32 id, const char *method, const char *vector,
                       const Pair *pairs, guint count, GError **error)
{
    g_autofree char *file = NULL;
    g_autoptr(GString) text = g_string_new(NULL);
    if (cli_option(cli, "file") != NULL) {
        file = cli_read_file(cli_option(cli, "file"), error);
        if (file == NULL)
            return FALSE;
        g_string_append(text, file);
    } else {
        g_string_append_printf(text, "%s=[", vector);
        if (!append_pairs(cli, text, pairs, count, error))
            return FALSE;
        if (text->str[text->len - 1] == '[') {
            g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE,
                        "attach what? `onevm %s -h` lists the options", cli->called);
            return FALSE;
        }
        g_string_append(text, "]");
    }
    WireClient *wire = cli_wire(cli, error);
    return wire != NULL && wire_call(wire, NULL, error, method, "is", id, text->str);
}

static gboolean attach_disk(Cli *cli, gint32 id, GError **error)
{
    static const Pair pairs[] = {{"image", "IMAGE_ID"},
                                 {"disk-type", "TYPE"},
                                 {"disk-size", "SIZE"},
                                 {"target", "TARGET"},
                                 {"prefix", "DEV_PREFIX"}};
    return attach(cli, id, "one.vm.attach", "DISK", pairs, G_N_ELEMENTS(pairs), error);
}

static gboolean attach_nic(Cli *cli, gint32 id, GError **error)
{
    static const Pair pairs[] = {
        {"network", "NETWORK_ID"}, {"bridge", "BRIDGE"}, {"ip", "IP"}, {"mac", "MAC"},
        {"model", "MODEL"},        {"target", "TARGET"}};
    return attach(cli, id, "one.vm.attachnic", "NIC", pairs, G_N_ELEMENTS(pairs), error);
}

CliExit cli_vm_disk_attach(Cli *cli)
{
    return cli_each(cli, attach_disk);
}

CliExit cli_vm_nic_attach(Cli *cli)
{
    return cli_each(cli, attach_nic);
}
