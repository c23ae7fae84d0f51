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
        if (*value == '\0') /* a flag */
            value = "YES";
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
                        "attach what? `%s %s -h` lists the options", cli->kind->program,
                        cli->called);
            return FALSE;
        }
        g_string_append(text, "]");
    }
    WireClient *wire = cli_wire(cli, error);
    return wire != NULL && wire_call(wire, NULL, error, method, "is", id, text->str);
}

static gboolean attach_disk(Cli *cli, gint32 id, GError **error)
{
    static const Pair pairs[] = {
        {"image", "IMAGE_ID"}, {"disk-type", "TYPE"},    {"disk-size", "SIZE"},
        {"target", "TARGET"},  {"prefix", "DEV_PREFIX"}, {"source", "SOURCE"},
        {"format", "FORMAT"},  {"cache", "CACHE"},       {"discard", "DISCARD"}};
    return attach(cli, id, "one.vm.attach", "DISK", pairs, G_N_ELEMENTS(pairs), error);
}

static gboolean attach_nic(Cli *cli, gint32 id, GError **error)
{
    static const Pair pairs[] = {
        {"network", "NETWORK_ID"}, {"bridge", "BRIDGE"}, {"ip", "IP"},        {"mac", "MAC"},
        {"model", "MODEL"},        {"target", "TARGET"}, {"nic-name", "NAME"}};
    return attach(cli, id, "one.vm.attachnic", "NIC", pairs, G_N_ELEMENTS(pairs), error);
}

static gboolean attach_pci(Cli *cli, gint32 id, GError **error)
{
    static const Pair pairs[] = {{"pci-short-address", "SHORT_ADDRESS"},
                                 {"pci-device", "DEVICE"},
                                 {"pci-vendor", "VENDOR"},
                                 {"pci-class", "CLASS"}};
    return attach(cli, id, "one.vm.attachpci", "PCI", pairs, G_N_ELEMENTS(pairs), error);
}

CliExit cli_vm_pci_attach(Cli *cli)
{
    return cli_each(cli, attach_pci);
}

static gboolean attach_router_nic(Cli *cli, gint32 id, GError **error)
{
    static const Pair pairs[] = {{"network", "NETWORK_ID"},
                                 {"ip", "IP"},
                                 {"float", "FLOATING_IP"},
                                 {"float-only", "FLOATING_ONLY"},
                                 {"management", "VROUTER_MANAGEMENT"}};
    return attach(cli, id, "one.vrouter.attachnic", "NIC", pairs, G_N_ELEMENTS(pairs), error);
}

CliExit cli_vrouter_nic_attach(Cli *cli)
{
    return cli_each(cli, attach_router_nic);
}

CliExit cli_vm_disk_attach(Cli *cli)
{
    return cli_each(cli, attach_disk);
}

CliExit cli_vm_nic_attach(Cli *cli)
{
    return cli_each(cli, attach_nic);
}

static gboolean set_backup_mode(Cli *cli, gint32 id, GError **error)
{
    g_autofree char *mode = g_ascii_strup(cli_word(cli, 1), -1);
    g_autofree char *text = g_strdup_printf("BACKUP_CONFIG=[MODE=\"%s\"]", mode);
    WireClient *wire = cli_wire(cli, error);
    return wire != NULL && wire_call(wire, NULL, error, "one.vm.updateconf", "isi", id, text, 1);
}

CliExit cli_vm_backup_mode(Cli *cli)
{
    return cli_each(cli, set_backup_mode);
}
