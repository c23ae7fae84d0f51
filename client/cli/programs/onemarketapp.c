#include "client/cli/call.h"
#include "client/cli/edit.h"
#include "client/cli/format.h"
#include "client/cli/kinds.h"
#include "client/cli/names.h"
#include "client/cli/rows.h"
#include "client/cli/vm_create.h"
#include "client/cli/states.h"
#include "client/cli/wait.h"
#include "client/cli/xml.h"

#include <stdio.h>
#include <string.h>

static const CliStateRow states[] = {
    {"INIT", "init", CLI_MOVING}, {"READY", "rdy", CLI_RESTING},     {"LOCKED", "lock", CLI_MOVING},
    {"ERROR", "err", CLI_BROKEN}, {"DISABLED", "disa", CLI_RESTING}, {NULL},
};

enum { APP_UNKNOWN, APP_IMAGE, APP_VMTEMPLATE, APP_SERVICE_TEMPLATE };

static const struct {
    const char *name, *brief;
} types[] = {
    {"UNKNOWN", "-"}, {"IMAGE", "img"}, {"VMTEMPLATE", "tpl"}, {"SERVICE_TEMPLATE", "srv"}};

static guint type_of(xmlNode *app)
{
    gint64 number = cli_xml_int(app, "TYPE", 0);
    return number >= 0 && number < (gint64)G_N_ELEMENTS(types) ? (guint)number : 0;
}

static void app_state(xmlNode *app, CliState *state)
{
    cli_state_fill(states, app, state);
}

static const char *app_state_named(const char *word)
{
    return cli_state_named(states, word);
}

/* ---- Columns ---- */

static char *size_text(const Cli *cli, xmlNode *app)
{
    return cli_size(cli_xml_double(app, "SIZE", 0), 'M');
}

static char *stat_text(const Cli *cli, xmlNode *app)
{
    return g_strdup(cli_state_row(states, app)->brief);
}

static char *type_text(const Cli *cli, xmlNode *app)
{
    return g_strdup(types[type_of(app)].brief);
}

static const CliColumn columns[] = {
    CLI_COLUMNS_OWNED("app"),
    {"VERSION", 10, "VERSION", NULL, "Version"},
    {"SIZE", 7, NULL, size_text, "Size of its image"},
    {"STAT", -4, NULL, stat_text, "State: rdy (ready), lock (being copied), err, disa"},
    {"TYPE", -4, NULL, type_text, "img: an image; tpl: a template of machines; srv: of a service"},
    {"REGTIME", 15, NULL, cli_column_regtime, "When it was made"},
    {"MARKET", -20, "MARKETPLACE", NULL, "Marketplace that it is in"},
    {"ZONE", 4, "ZONE_ID", NULL, "Zone that it belongs to"},
    CLI_COLUMNS_END,
};

/* ---- The page ---- */

static void app_page(Cli *cli, xmlNode *app, GString *page)
{
    cli_page_head(cli, app, page, "MARKETPLACE APP");
    cli_page_line(page, "TYPE", types[type_of(app)].name);
    cli_page_line(page, "MARKETPLACE", cli_xml_text(app, "MARKETPLACE"));
    cli_page_line(page, "STATE", cli_state_row(states, app)->brief);
    cli_page_lock(app, page);
    cli_page_rights(cli, app, page);
    cli_page_title(cli, page, "DETAILS");
    cli_page_line(page, "SOURCE", cli_xml_text(app, "SOURCE"));
    cli_page_line(page, "MD5", cli_xml_text(app, "MD5"));
    cli_page_take(page, "PUBLISHED", cli_column_regtime(cli, app));
    cli_page_take(page, "SIZE", size_text(cli, app));
    cli_page_line(page, "FORMAT", cli_xml_text(app, "FORMAT"));
    cli_page_line(page, "VERSION", cli_xml_text(app, "VERSION"));
    cli_page_line(page, "DESCRIPTION", cli_xml_text(app, "DESCRIPTION"));
    gsize length = 0;
    g_autofree guchar *bytes = g_base64_decode(cli_xml_text(app, "APPTEMPLATE64"), &length);
    g_autofree char *text = g_strndup((const char *)bytes, length);
    if (length > 0) {
        cli_page_title(cli, page, "IMPORT TEMPLATE");
        g_string_append_printf(page, "%s%s", text, g_str_has_suffix(text, "\n") ? "" : "\n");
    }
    cli_page_template(cli, app, page, "MARKETPLACE APP TEMPLATE");
}

/* ---- create ---- */

/* A file or standard input, and what options add; options alone will do. (owned) */
static char *new_text(Cli *cli, GError **error)
{
    static const char *const given[][2] = {{"new-name", "NAME"}, {"description", "DESCRIPTION"}};
    g_autoptr(GString) options = g_string_new(NULL);
    const char *image = cli_option(cli, "origin-image");
    gint32 origin = -1;
    for (guint i = 0; i < G_N_ELEMENTS(given); i++) {
        const char *value = cli_option(cli, given[i][0]);
        g_autoptr(GString) line = g_string_new(NULL);
        if (value != NULL)
            cli_append_pair(line, given[i][1], value);
        if (value != NULL)
            g_string_append_printf(options, "%s\n", line->str);
    }
    if (image != NULL && !cli_find_id(cli, &cli_image, image, &origin, error))
        return NULL;
    if (image != NULL)
        g_string_append_printf(options, "TYPE=\"IMAGE\"\nORIGIN_ID=\"%d\"\n", origin);
    if (image != NULL && cli_word(cli, 0) == NULL)
        return g_strdup(options->str);
    g_autofree char *base = cli_new_text(cli, error);
    return base != NULL ? g_strdup_printf("%s\n%s", base, options->str) : NULL;
}

static CliExit run_create(Cli *cli)
{
    g_autoptr(GError) error = NULL;
    g_auto(WireReply) reply = {0};
    gint32 market = -1;
    const char *name = cli_option(cli, "market");
    if (name == NULL) {
        fprintf(stderr, "into which marketplace? Name it with -m, such as -m ours\n");
        return CLI_USAGE;
    }
    g_autofree char *text = new_text(cli, &error);
    WireClient *wire = text != NULL && cli_find_id(cli, &cli_market, name, &market, &error)
                           ? cli_wire(cli, &error)
                           : NULL;
    if (wire == NULL ||
        !wire_call(wire, &reply, &error, "one.marketapp.allocate", "si", text, market))
        return cli_fail(cli, error);
    gint32 id = (gint32)reply.number;
    printf("ID: %d\n", id);
    g_array_append_val(cli->ids, id);
    return cli_option(cli, "wait") != NULL ? cli_wait_after(cli, cli->ids) : CLI_DONE;
}

/* ---- export ---- */

/* The image of the app, made in the datastore that -d names; -1 with the error. */
static gint32 export_image(Cli *cli, gint32 app, const char *name, GError **error)
{
    const char *datastore = cli_option(cli, "datastore");
    gint32 id = -1;
    g_auto(WireReply) reply = {0};
    g_autoptr(GString) text = g_string_new(NULL);
    if (datastore == NULL) {
        g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE,
                    "into which datastore? Name it with -d, such as -d default");
        return -1;
    }
    cli_append_pair(text, "NAME", name);
    g_string_append_printf(text, "\nFROM_APP=\"%d\"\n", app);
    if (!cli_find_id(cli, &cli_datastore, datastore, &id, error) ||
        !wire_call(cli->wire, &reply, error, "one.image.allocate", "sib", text->str, id, FALSE))
        return -1;
    printf("IMAGE\n    ID: %d\n", (gint32)reply.number);
    return (gint32)reply.number;
}

/* A template of machines from text in base64, with a disk of the image (-1: without). */
static gboolean export_template(Cli *cli, const char *base64, const char *name, gint32 image,
                                GError **error)
{
    gsize length = 0;
    g_autofree guchar *bytes = g_base64_decode(base64, &length);
    g_autofree char *base = g_strndup((const char *)bytes, length);
    g_autoptr(GString) text = g_string_new(base);
    g_auto(WireReply) reply = {0};
    g_string_append_c(text, '\n');
    cli_append_pair(text, "NAME", name);
    if (image >= 0)
        g_string_append_printf(text, "\nDISK = [ IMAGE_ID = \"%d\" ]", image);
    if (!wire_call(cli->wire, &reply, error, "one.template.allocate", "s", text->str))
        return FALSE;
    printf("VMTEMPLATE\n    ID: %d\n", (gint32)reply.number);
    return TRUE;
}

static CliExit export_app(Cli *cli, xmlNode *app, const char *name, GError **error)
{
    guint type = type_of(app);
    const char *machine = cli_option(cli, "vm-name") != NULL ? cli_option(cli, "vm-name") : name;
    const char *template = cli_xml_text(app, "TEMPLATE/VMTEMPLATE64");
    gint32 image = -1;
    if (type == APP_VMTEMPLATE)
        return export_template(cli, cli_xml_text(app, "APPTEMPLATE64"), machine, -1, error)
                   ? CLI_DONE
                   : CLI_FAILED;
    if (type != APP_IMAGE) {
        g_set_error(error, CLI_ERROR, CLI_ERROR_FAILED,
                    "the app is of type %s; only images and templates of machines can be exported",
                    types[type].name);
        return CLI_FAILED;
    }
    image = export_image(cli, (gint32)cli_xml_int(app, "ID", -1), name, error);
    if (image < 0 || (*template != '\0' && !export_template(cli, template, machine, image, error)))
        return CLI_FAILED;
    if (cli_option(cli, "wait") == NULL)
        return CLI_DONE;
    cli->kind = &cli_image; /* from here on it is about the image */
    g_array_set_size(cli->ids, 0);
    g_array_append_val(cli->ids, image);
    return cli_wait_for(cli, cli->ids, "READY", -1, TRUE);
}

static CliExit run_export(Cli *cli)
{
    g_autoptr(GError) error = NULL;
    g_auto(WireReply) reply = {0};
    WireClient *wire = cli_wire(cli, &error);
    if (wire == NULL || !wire_call(wire, &reply, &error, cli->kind->info, "ib",
                                   g_array_index(cli->ids, gint32, 0), FALSE))
        return cli_fail(cli, error);
    g_autoptr(xmlDoc) doc = cli_xml_parse(reply.text, &error);
    CliExit code = doc != NULL
                       ? export_app(cli, xmlDocGetRootElement(doc), cli_word(cli, 1), &error)
                       : CLI_FAILED;
    return error != NULL ? cli_fail(cli, error) : code;
}

/* ---- The tables ---- */

static const CliCommand commands[] = {
    {"Apps", "create add allocate", "file?", "market origin-image new-name description " CLI_WAIT,
     NULL, NULL, "READY", 0, run_create,
     "Puts an image into a marketplace. From a file, from standard input, or from options: "
     "ORIGIN_ID is the image, TYPE, DESCRIPTION, VERSION, APPTEMPLATE64."},
    CLI_ROW_LIST_OF("apps"),
    CLI_ROW_SHOW("app", "an app"),
    {NULL, "export", "app text:name", "datastore vm-name " CLI_WAIT, NULL, NULL, "READY", 0,
     run_export,
     "Makes an image of an app in the datastore that -d names, and a template of machines when the "
     "app has one."},
    CLI_ROW("service-template", "text:import text:service_template", "market", NULL, NULL,
            cli_run_absent,
            "There are no services (OneFlow) here. The templates of their roles are put into a "
            "marketplace one by one, see vm-template."),
    CLI_ROW("vm-template vm", "text:import text:template", "market", NULL, NULL, cli_run_absent,
            "Templates are not taken apart here. Put each image there with `onemarketapp create -m "
            "MARKETPLACE --image IMAGE --name NAME`, and the template as an app with TYPE = "
            "VMTEMPLATE and APPTEMPLATE64; of a machine that is off `onevm save` makes both."),
    CLI_ROW_DELETE("app", "marketapp", "Removes an app, and what is behind it."),
    {NULL, "wait", "app... text:state?", "wait-timeout", NULL, NULL, "READY", 0, cli_run_wait,
     "Waits until apps are in a state. READY unless told."},
    CLI_GROUP("Change", "enable", "app...", NULL, "one.marketapp.enable", "id yes", NULL,
              "Lets images be made of an app."),
    CLI_ROW("disable", "app...", NULL, "one.marketapp.enable", "id no", NULL,
            "Lets no images be made of an app."),
    CLI_ROW_RENAME("app", "marketapp", "an app"),
    CLI_ROW_UPDATE("app", "marketapp", "an app"),
    CLI_ROW_LOCK("app", "marketapp", "an app"),
    CLI_ROW_UNLOCK("app", "marketapp"),
    CLI_ROW_CHMOD("app", "an app"),
    CLI_ROW_CHOWN("app", "marketapp", "an app"),
    CLI_ROW_CHGRP("app", "marketapp", "an app"),
    CLI_ROWS_END,
};

const CliKind cli_app = {
    .word = "app",
    .program = "onemarketapp",
    .noun = "app",
    .plural = "apps",
    .element = "MARKETPLACEAPP",
    .info = "one.marketapp.info",
    .pool = "one.marketapppool.info",
    .pool_arguments = "-2 -1 -1",
    .about = "Apps of marketplaces: images and templates that others can have.",
    .examples = "  onemarketapp create -m ours --image web --name web --wait\n"
                "  onemarketapp list -f TYPE=img\n"
                "  onemarketapp export 12 alma9 -d default --wait\n",
    .commands = commands,
    .columns = columns,
    .list = "ID,NAME,VERSION,SIZE,STAT,TYPE,REGTIME,MARKET,ZONE",
    .page = app_page,
    .state = app_state,
    .state_named = app_state_named,
};
