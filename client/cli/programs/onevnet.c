#include "client/cli/call.h"
#include "client/cli/edit.h"
#include "client/cli/kinds.h"
#include "client/cli/rows.h"
#include "client/cli/table.h"
#include "client/cli/xml.h"
#include "lib/template/template.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    const char *brief;
} states[] = {
    {"INIT", "ini"}, {"READY", "rdy"}, {"LOCK_CREATE", "lck"},    {"LOCK_DELETE", "lck"},
    {"DONE", "don"}, {"ERROR", "err"}, {"UPDATE_FAILURE", "uer"},
};

static guint state_of(xmlNode *network)
{
    gint64 number = cli_xml_int(network, "STATE", 0);
    return number >= 0 && number < (gint64)G_N_ELEMENTS(states) ? (guint)number : 0;
}

/* ---- Columns ---- */

static char *stat_text(const Cli *cli, xmlNode *network)
{
    return g_strdup(states[state_of(network)].brief);
}

static char *clusters_text(const Cli *cli, xmlNode *network)
{
    return cli_ids_of(network, "CLUSTERS/ID");
}

static char *outdated_text(const Cli *cli, xmlNode *network)
{
    return cli_count_of(network, "OUTDATED_VMS/ID");
}

static char *error_text(const Cli *cli, xmlNode *network)
{
    return cli_count_of(network, "ERROR_VMS/ID");
}

static char *size_text(const Cli *cli, xmlNode *network)
{
    gint64 size = 0;
    for (xmlNode *range = xml_find(network, "AR_POOL/AR"); range != NULL;
         range = xml_next_same(range))
        size += cli_xml_int(range, "SIZE", 0);
    return g_strdup_printf("%" G_GINT64_FORMAT, size);
}

static const CliColumn columns[] = {
    CLI_COLUMNS_OWNED("network"),
    {"CLUSTERS", -10, NULL, clusters_text, "Clusters whose machines may use it"},
    {"BRIDGE", -8, "BRIDGE", NULL, "Bridge on the hosts"},
    {"STATE", -6, NULL, stat_text, "State: rdy (ready), err, ..."},
    {"LEASES", 6, "USED_LEASES", NULL, "Addresses in use"},
    {"OUTD", 4, NULL, outdated_text, "Machines that have older settings of it"},
    {"ERRO", 4, NULL, error_text, "Machines whose cards could not be changed"},
    {"SIZE", 6, NULL, size_text, "Addresses in all its ranges"},
    {"VNMAD", -8, "VN_MAD", NULL, "Network driver"},
    {"VLAN_ID", 7, "VLAN_ID", NULL, "Number of the VLAN"},
    CLI_COLUMNS_END,
};

/* ---- The page ---- */

static void add_range(Cli *cli, xmlNode *range, GString *page)
{
    static const char *const addresses[] = {"MAC",        "IP",      "IP6",
                                            "IP6_GLOBAL", "IP6_ULA", "IP6_LINK"};
    cli_page_title(cli, page, "ADDRESS RANGE %s", cli_xml_text(range, "AR_ID"));
    cli_page_line(page, "TYPE", cli_xml_text(range, "TYPE"));
    cli_page_line(page, "SIZE", cli_xml_text(range, "SIZE"));
    cli_page_line(page, "LEASES", cli_xml_text(range, "USED_LEASES"));
    if (*cli_xml_text(range, "PARENT_NETWORK_AR_ID") != '\0')
        cli_page_line(page, "RESERVED FROM AR", cli_xml_text(range, "PARENT_NETWORK_AR_ID"));
    for (guint i = 0; i < G_N_ELEMENTS(addresses); i++) {
        g_autofree char *end = g_strdup_printf("%s_END", addresses[i]);
        const char *first = cli_xml_text(range, addresses[i]), *last = cli_xml_text(range, end);
        if (*first != '\0')
            cli_page_take(page, addresses[i],
                          g_strdup_printf("%s%s%s", first, *last != '\0' ? " to " : "", last));
    }
}

/* Who has an address. */
static char *holder_text(const Cli *cli, xmlNode *lease)
{
    static const struct {
        const char *element;
        const char *what;
    } holders[] = {{"VM", "machine"}, {"VNET", "network"}, {"VROUTER", "router"}};
    for (guint i = 0; i < G_N_ELEMENTS(holders); i++) {
        const char *id = cli_xml_text(lease, holders[i].element);
        if (*id != '\0' && strcmp(id, "-1") != 0)
            return g_strdup_printf("%s %s", holders[i].what, id);
    }
    return g_strdup("on hold");
}

static char *range_of_lease(const Cli *cli, xmlNode *lease)
{
    return g_strdup(cli_xml_text(lease->parent->parent, "AR_ID"));
}

static const CliColumn lease_columns[] = {
    {"AR", 3, NULL, range_of_lease, NULL},  {"OWNER", -14, NULL, holder_text, NULL},
    {"MAC", -17, "MAC", NULL, NULL},        {"IP", -15, "IP", NULL, NULL},
    {"IP6", -39, "IP6_GLOBAL", NULL, NULL}, CLI_COLUMNS_END,
};

static void network_page(Cli *cli, xmlNode *network, GString *page)
{
    static const struct {
        const char *label, *path;
    } lines[] = {{"BRIDGE", "BRIDGE"},          {"BRIDGE_TYPE", "BRIDGE_TYPE"},
                 {"VN_MAD", "VN_MAD"},          {"PHYSICAL DEVICE", "PHYDEV"},
                 {"VLAN ID", "VLAN_ID"},        {"PARENT NETWORK", "PARENT_NETWORK_ID"},
                 {"USED LEASES", "USED_LEASES"}};
    cli_page_head(cli, network, page, "VIRTUAL NETWORK");
    cli_page_line(page, "STATE", states[state_of(network)].name);
    cli_page_take(page, "CLUSTERS", clusters_text(cli, network));
    for (guint i = 0; i < G_N_ELEMENTS(lines); i++)
        if (*cli_xml_text(network, lines[i].path) != '\0')
            cli_page_line(page, lines[i].label, cli_xml_text(network, lines[i].path));
    cli_page_rights(cli, network, page);
    cli_page_template(cli, network, page, "VIRTUAL NETWORK TEMPLATE");
    for (xmlNode *at = xml_find(network, "AR_POOL/AR"); at != NULL; at = xml_next_same(at))
        add_range(cli, at, page);
    g_autoptr(GString) leases = g_string_new(NULL);
    for (xmlNode *at = xml_find(network, "AR_POOL/AR"); at != NULL; at = xml_next_same(at)) {
        g_autofree char *text = xml_find(at, "LEASES/LEASE") != NULL
                                    ? cli_table_of(cli, lease_columns, at, "LEASES/LEASE")
                                    : g_strdup("");
        /* One heading for the leases of all ranges. */
        const char *rest = leases->len > 0 ? strchr(text, '\n') : NULL;
        g_string_append(leases, rest != NULL ? rest + 1 : text);
    }
    if (leases->len > 0) {
        cli_page_title(cli, page, "LEASES");
        g_string_append(page, leases->str);
    }
    cli_page_title(cli, page, "VIRTUAL MACHINES");
    cli_page_take(page, "UPDATED", cli_ids_of(network, "UPDATED_VMS/ID"));
    cli_page_take(page, "OUTDATED", cli_ids_of(network, "OUTDATED_VMS/ID"));
    cli_page_take(page, "ERROR", cli_ids_of(network, "ERROR_VMS/ID"));
}

/* ---- Ranges of addresses ---- */

static const struct {
    const char *key;
    const char *attribute;
} range_options[] = {{"size-n", "SIZE"},
                     {"first-ip", "IP"},
                     {"first-mac", "MAC"},
                     {"ip6", "IP6"},
                     {"ip6-global", "GLOBAL_PREFIX"},
                     {"ip6-ula", "ULA_PREFIX"}};

/* Sets what the options tell; a number behind --size. */
static gboolean set_options(Cli *cli, TemplateAttribute *range, GError **error)
{
    const char *size = cli_option(cli, "size-n");
    if (size != NULL && !g_ascii_string_to_unsigned(size, 10, 1, G_MAXUINT32, NULL, NULL)) {
        g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE,
                    "--size \"%s\" must be a number of addresses", size);
        return FALSE;
    }
    for (guint i = 0; i < G_N_ELEMENTS(range_options); i++)
        if (cli_option(cli, range_options[i].key) != NULL)
            attribute_set(range, range_options[i].attribute, cli_option(cli, range_options[i].key));
    return TRUE;
}

static gboolean has_range_options(const Cli *cli)
{
    for (guint i = 0; i < G_N_ELEMENTS(range_options); i++)
        if (cli_option(cli, range_options[i].key) != NULL)
            return TRUE;
    return FALSE;
}

/* The type that the options make: addresses of version 4, 6, both, or only hardware ones. */
static const char *type_of(const Cli *cli)
{
    gboolean four = cli_option(cli, "first-ip") != NULL;
    gboolean prefix = cli_option(cli, "ip6-global") != NULL || cli_option(cli, "ip6-ula") != NULL;
    if (cli_option(cli, "ip6") != NULL)
        return four ? "IP4_6_STATIC" : "IP6_STATIC";
    return four && prefix ? "IP4_6" : prefix ? "IP6" : four ? "IP4" : "ETHER";
}

/* AR = [ ... ] from a file or from options. `number` >= 0: of the range that is changed. (owned) */
static char *range_template(Cli *cli, guint file, gint32 number, GError **error)
{
    g_autofree char *text = has_range_options(cli) && cli_word(cli, file) == NULL ? g_strdup("")
                            : cli_word(cli, file) != NULL
                                ? cli_read_file(cli_word(cli, file), error)
                                : cli_read_input(error);
    if (text == NULL || (*text == '\0' && !has_range_options(cli))) {
        if (*error == NULL)
            g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE,
                        "which addresses? Name a file with AR = [ ... ], or give --ip and --size; "
                        "`onevnet %s -h` explains",
                        cli->called);
        return NULL;
    }
    g_autoptr(Template) template =
        *text != '\0' ? template_parse(text, TEMPLATE_MODERN, error) : template_new();
    if (template == NULL)
        return NULL;
    TemplateAttribute *range = template_vector(template, "AR", 0);
    gboolean made = range == NULL;
    if (made)
        range = template_add_vector(template, "AR");
    if (!set_options(cli, range, error))
        return NULL;
    if (number >= 0)
        attribute_set_int(range, "AR_ID", number);
    else if (made)
        attribute_set(range, "TYPE", type_of(cli));
    return template_to_text(template);
}

static gboolean addar_one(Cli *cli, gint32 id, GError **error)
{
    g_autofree char *text = range_template(cli, 1, -1, error);
    WireClient *wire = text != NULL ? cli_wire(cli, error) : NULL;
    return wire != NULL && wire_call(wire, NULL, error, "one.vn.add_ar", "is", id, text);
}

static CliExit run_addar(Cli *cli)
{
    return cli_each(cli, addar_one);
}

static gboolean updatear_one(Cli *cli, gint32 id, GError **error)
{
    g_autofree char *text = range_template(cli, 2, cli->numbers[1], error);
    WireClient *wire = text != NULL ? cli_wire(cli, error) : NULL;
    return wire != NULL && wire_call(wire, NULL, error, "one.vn.update_ar", "is", id, text);
}

static CliExit run_updatear(Cli *cli)
{
    return cli_each(cli, updatear_one);
}

/* ---- Addresses ---- */

/* LEASES = [ IP or MAC ] for hold and release. */
static gboolean lease_one(Cli *cli, gint32 id, GError **error)
{
    const char *address = cli_word(cli, 1);
    g_autoptr(Template) template = template_new();
    TemplateAttribute *lease = template_add_vector(template, "LEASES");
    gboolean hardware = strlen(address) == 17 && strspn(address, "0123456789abcdefABCDEF:") == 17;
    gboolean version6 = !hardware && strchr(address, ':') != NULL;
    if (!hardware && !g_hostname_is_ip_address(address)) {
        g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE,
                    "\"%s\" is no address: write 10.0.0.5, or a hardware address", address);
        return FALSE;
    }
    attribute_set(lease, hardware ? "MAC" : version6 ? "IP6" : "IP", address);
    if (cli_option(cli, "ar") != NULL)
        attribute_set(lease, "AR_ID", cli_option(cli, "ar"));
    g_autofree char *text = template_to_text(template);
    WireClient *wire = cli_wire(cli, error);
    return wire != NULL && wire_call(wire, NULL, error, cli->command->method, "is", id, text);
}

static CliExit run_lease(Cli *cli)
{
    return cli_each(cli, lease_one);
}

static CliExit run_reserve(Cli *cli)
{
    g_autoptr(GError) error = NULL;
    g_auto(WireReply) reply = {0};
    static const struct {
        const char *key, *attribute;
    } options[] = {{"new-name", "NAME"}, {"size-n", "SIZE"},   {"ar", "AR_ID"},
                   {"first-ip", "IP"},   {"first-mac", "MAC"}, {"ip6", "IP6"}};
    g_autoptr(Template) template = template_new();
    for (guint i = 0; i < G_N_ELEMENTS(options); i++)
        if (cli_option(cli, options[i].key) != NULL)
            template_set(template, options[i].attribute, cli_option(cli, options[i].key));
    if (cli_option(cli, "size-n") == NULL ||
        (cli_option(cli, "new-name") == NULL && cli_word(cli, 1) == NULL)) {
        fprintf(stderr,
                "how many addresses, as what? `onevnet reserve %s --size 8 --name mine`, or "
                "a network of yours to add them to behind it\n",
                cli_word(cli, 0));
        return CLI_USAGE;
    }
    if (cli_word(cli, 1) != NULL)
        template_set_int(template, "NETWORK_ID", cli->numbers[1]);
    g_autofree char *text = template_to_text(template);
    WireClient *wire = cli_wire(cli, &error);
    if (wire == NULL || !wire_call(wire, &reply, &error, "one.vn.reserve", "is",
                                   g_array_index(cli->ids, gint32, 0), text))
        return cli_fail(cli, error);
    printf("ID: %" G_GINT64_FORMAT "\n", reply.number);
    return CLI_DONE;
}

/* ---- orphans ---- */

/* The card of a template means this network: by number, or by the name it has among its owner's. */
static gboolean card_names(xmlNode *card, xmlNode *network, const char *owner)
{
    const char *id = cli_xml_text(card, "NETWORK_ID"), *name = cli_xml_text(card, "NETWORK");
    const char *uname = cli_xml_text(card, "NETWORK_UNAME"),
               *uid = cli_xml_text(card, "NETWORK_UID");
    if (*id != '\0')
        return strcmp(id, cli_xml_text(network, "ID")) == 0;
    if (strcmp(name, cli_xml_text(network, "NAME")) != 0)
        return FALSE;
    return *uid != '\0'
               ? strcmp(uid, cli_xml_text(network, "UID")) == 0
               : strcmp(*uname != '\0' ? uname : owner, cli_xml_text(network, "UNAME")) == 0;
}

static gboolean is_named(xmlNode *network, xmlNode *templates)
{
    static const char *const paths[] = {"TEMPLATE/NIC", "TEMPLATE/NIC_ALIAS"};
    for (xmlNode *at = xml_find(templates, "VMTEMPLATE"); at != NULL; at = xml_next_same(at))
        for (guint i = 0; i < G_N_ELEMENTS(paths); i++)
            for (xmlNode *card = xml_find(at, paths[i]); card != NULL; card = xml_next_same(card))
                if (card_names(card, network, cli_xml_text(at, "UNAME")))
                    return TRUE;
    return FALSE;
}

static CliExit run_orphans(Cli *cli)
{
    g_autoptr(GError) error = NULL;
    g_auto(WireReply) networks = {0};
    g_auto(WireReply) templates = {0};
    if (!cli_call_numbers(cli, &networks, &error, "one.vnpool.info", "-2 -1 -1") ||
        !cli_call_numbers(cli, &templates, &error, "one.templatepool.info", "-2 -1 -1"))
        return cli_fail(cli, error);
    g_autoptr(xmlDoc) all = cli_xml_parse(networks.text, &error);
    g_autoptr(xmlDoc) users = all != NULL ? cli_xml_parse(templates.text, &error) : NULL;
    if (users == NULL)
        return cli_fail(cli, error);
    for (xmlNode *at = xml_find(xmlDocGetRootElement(all), "VNET"); at != NULL;
         at = xml_next_same(at))
        if (!is_named(at, xmlDocGetRootElement(users)))
            printf("%s\n", cli_xml_text(at, "ID"));
    return CLI_DONE;
}

/* ---- The tables ---- */

#define RANGE_OPTIONS "size-n first-ip first-mac ip6"
#define PREFIXES      " ip6-global ip6-ula"

static const CliCommand commands[] = {
    CLI_GROUP("Networks", "create add allocate", "file?", "new-name cluster", "one.vn.allocate",
              "@new =cluster", cli_run_new, "Makes a network. From a file or from standard input."),
    CLI_ROW_LIST_OF("networks"),
    CLI_ROW_SHOW("network", "a network"),
    CLI_ROW_DELETE("network", "vn", "Removes a network. Only when nobody has an address of it."),
    CLI_ROW(
        "orphans", "", NULL, NULL, NULL, run_orphans,
        "Numbers of the networks that no template of machines names. Of those that you may see."),
    CLI_ROW("recover", "network...", "success failure retry delete", "one.vn.recover",
            "id {failure=0,success=1,delete=2,retry=3}", NULL,
            "Decides about a network that hangs or failed. Say how, with one of the options."),
    CLI_GROUP("Addresses", "addar", "network file?", RANGE_OPTIONS PREFIXES, NULL, NULL, run_addar,
              "Adds a range of addresses. From a file, from standard input (AR = [ ... ]), or by "
              "options."),
    CLI_ROW("rmar", "network number:ar_id", "held-too", "one.vn.rm_ar", "id $1 ?held-too", NULL,
            "Removes a range of addresses. Only when nobody has one of them."),
    CLI_ROW("updatear", "network number:ar_id file?", RANGE_OPTIONS PREFIXES, NULL, NULL,
            run_updatear,
            "Changes a range of addresses. From a file (AR = [ ... ]) or by options."),
    CLI_ROW("hold", "network text:address", "ar", "one.vn.hold", NULL, run_lease,
            "Keeps an address from being given to machines."),
    CLI_ROW("release", "network text:address", "ar", "one.vn.release", NULL, run_lease,
            "Lets an address on hold be given again."),
    CLI_ROW("reserve", "network network:own_network?", "new-name ar " RANGE_OPTIONS, NULL, NULL,
            run_reserve,
            "Sets addresses apart as a network of your own. A new one (--name), or one you have."),
    CLI_ROW("free", "network number:ar_id", NULL, "one.vn.free_ar", "id $1", NULL,
            "Gives a reserved range back to the network it came from."),
    CLI_GROUP("Change", "rename", "network text:name", NULL, "one.vn.rename", "id $1", NULL,
              "Renames a network."),
    CLI_ROW_UPDATE("network", "vn", "a network"),
    CLI_ROW_LOCK("network", "vn", "a network"),
    CLI_ROW_UNLOCK("network", "vn"),
    CLI_ROW_CHMOD("network", "a network"),
    CLI_ROW_CHOWN("network", "vn", "a network"),
    CLI_ROW_CHGRP("network", "vn", "a network"),
    CLI_ROWS_END,
};

const CliKind cli_network = {
    .word = "network",
    .program = "onevnet",
    .noun = "network",
    .plural = "networks",
    .element = "VNET",
    .info = "one.vn.info",
    .pool = "one.vnpool.info",
    .pool_arguments = "-2 -1 -1",
    .about = "Virtual networks: bridges on the hosts, and the addresses that machines get there.",
    .examples = "  onevnet create lan.net                      BRIDGE, VN_MAD, AR = [ ... ]\n"
                "  onevnet addar lan --ip 10.0.0.10 --size 50\n"
                "  onevnet hold lan 10.0.0.12                  nobody gets this one\n"
                "  onevnet reserve lan --size 8 --name mine\n"
                "  onevnet show lan                            who has which address\n",
    .commands = commands,
    .columns = columns,
    .list = "ID,USER,GROUP,NAME,CLUSTERS,BRIDGE,STATE,LEASES,OUTD,ERRO",
    .page = network_page,
};
