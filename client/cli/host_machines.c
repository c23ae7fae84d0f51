#include "client/cli/host_machines.h"

#include "client/cli/call.h"
#include "client/cli/xml.h"

#include <stdio.h>
#include <string.h>

/* The document of a host. (owned) */
static xmlDoc *fetch(WireClient *wire, gint32 id, GError **error)
{
    g_auto(WireReply) reply = {0};
    return wire_call(wire, &reply, error, "one.host.info", "ib", id, FALSE)
               ? cli_xml_parse(reply.text, error)
               : NULL;
}

/* ---- flush ---- */

/* `recover` is the operation of one.vm.recover, -1 for words of one.vm.action. */
static const struct {
    const char *word;
    int recover;
    const char *told; /* what is true of the machines afterwards */
} actions[] = {
    {"resched", -1, "machines that wait for another host, with a * in `onevm list`"},
    {"delete-recreate", 4, "machines that start anew elsewhere"},
    {"poweroff", -1, "machines that power off"},
    {"poweroff-hard", -1, "machines powered off"},
    {"suspend", -1, "machines that are suspended"},
    {"stop", -1, "machines that are stopped"},
    {"undeploy", -1, "machines that are undeployed"},
    {"undeploy-hard", -1, "machines undeployed"},
};

static int action_of(const Cli *cli)
{
    const char *word = cli_option(cli, "flush-action");
    for (guint i = 0; i < G_N_ELEMENTS(actions); i++)
        if (strcmp(word != NULL ? word : "resched", actions[i].word) == 0)
            return (int)i;
    return -1;
}

static gboolean send_away(WireClient *wire, int action, gint32 machine, GError **error)
{
    return actions[action].recover >= 0
               ? wire_call(wire, NULL, error, "one.vm.recover", "ii", machine,
                           actions[action].recover)
               : wire_call(wire, NULL, error, "one.vm.action", "si", actions[action].word, machine);
}

static gboolean flush_one(Cli *cli, gint32 id, GError **error)
{
    WireClient *wire = cli_wire(cli, error);
    int action = action_of(cli);
    if (wire == NULL || !wire_call(wire, NULL, error, "one.host.status", "ii", id, 1))
        return FALSE;
    g_autoptr(xmlDoc) doc = fetch(wire, id, error);
    if (doc == NULL)
        return FALSE;
    guint moved = 0, stay = 0;
    for (xmlNode *vm = xml_find(xmlDocGetRootElement(doc), "VMS/ID"); vm != NULL;
         vm = xml_next_same(vm)) {
        g_autoptr(GError) refused = NULL;
        gint32 number = (gint32)cli_xml_int(vm, "", -1);
        if (send_away(wire, action, number, &refused)) {
            moved++;
            continue;
        }
        fprintf(stderr, "machine %d stays: %s\n", number, refused->message);
        stay++;
    }
    printf("%s: disabled; %s: %u\n", cli_xml_text(xmlDocGetRootElement(doc), "NAME"),
           actions[action].told, moved);
    if (stay > 0)
        g_set_error(error, CLI_ERROR, CLI_ERROR_FAILED, "machines that stay: %u", stay);
    return stay == 0;
}

CliExit cli_host_flush(Cli *cli)
{
    if (action_of(cli) >= 0)
        return cli_each(cli, flush_one);
    fprintf(stderr, "--action \"%s\" is none of:", cli_option(cli, "flush-action"));
    for (guint i = 0; i < G_N_ELEMENTS(actions); i++)
        fprintf(stderr, " %s", actions[i].word);
    fprintf(stderr, "\n");
    return CLI_USAGE;
}

/* ---- importvm ---- */

static void list_wilds(xmlNode *host, GString *names)
{
    for (xmlNode *wild = xml_find(host, "TEMPLATE/VM"); wild != NULL; wild = xml_next_same(wild))
        g_string_append_printf(names, "%s%s", names->len > 0 ? ", " : "",
                               cli_xml_text(wild, "VM_NAME"));
}

/* The template that the host's driver made for it. (owned) */
static char *wild_template(xmlNode *host, const char *name, GError **error)
{
    g_autoptr(GString) names = g_string_new(NULL);
    xmlNode *wild = xml_find(host, "TEMPLATE/VM");
    while (wild != NULL && strcmp(cli_xml_text(wild, "VM_NAME"), name) != 0 &&
           strcmp(cli_xml_text(wild, "DEPLOY_ID"), name) != 0)
        wild = xml_next_same(wild);
    if (wild != NULL) {
        gsize length = 0;
        g_autofree guchar *bytes = g_base64_decode(cli_xml_text(wild, "IMPORT_TEMPLATE"), &length);
        if (length > 0)
            return g_strndup((const char *)bytes, length);
        g_set_error(error, CLI_ERROR, CLI_ERROR_FAILED,
                    "the driver of host %s tells no template for '%s': it cannot be imported",
                    cli_xml_text(host, "NAME"), name);
        return NULL;
    }
    list_wilds(host, names);
    g_set_error(error, CLI_ERROR, CLI_ERROR_NO_OBJECT, "host %s reports no wild machine '%s'; %s%s",
                cli_xml_text(host, "NAME"), name,
                names->len > 0 ? "it reports: " : "it reports none at all", names->str);
    return NULL;
}

static gboolean import_one(Cli *cli, gint32 host, GError **error)
{
    WireClient *wire = cli_wire(cli, error);
    g_autoptr(xmlDoc) doc = wire != NULL ? fetch(wire, host, error) : NULL;
    g_autofree char *text =
        doc != NULL ? wild_template(xmlDocGetRootElement(doc), cli_word(cli, 1), error) : NULL;
    g_auto(WireReply) reply = {0};
    if (text == NULL || !wire_call(wire, &reply, error, "one.vm.allocate", "s", text))
        return FALSE;
    gint32 id = (gint32)reply.number;
    if (!wire_call(wire, NULL, error, "one.vm.deploy", "iibi", id, host, FALSE, -1)) {
        /* Nothing of it is kept: it would wait on hold for ever. */
        (void)wire_call(wire, NULL, NULL, "one.vm.recover", "ii", id, 3);
        return FALSE;
    }
    printf("ID: %d\n", id);
    return TRUE;
}

CliExit cli_host_import(Cli *cli)
{
    return cli_each(cli, import_one);
}
