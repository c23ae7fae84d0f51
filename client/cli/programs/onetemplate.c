#include "client/cli/call.h"
#include "client/cli/edit.h"
#include "client/cli/kinds.h"
#include "client/cli/rows.h"
#include "client/cli/user_inputs.h"
#include "client/cli/vm_create.h"
#include "client/cli/wait.h"
#include "client/cli/xml.h"

#include <stdio.h>
#include <string.h>

static const CliColumn columns[] = {
    CLI_COLUMNS_OWNED("template"),
    {"REGTIME", 15, NULL, cli_column_regtime, "When it was made"},
    CLI_COLUMNS_END,
};

static void template_page(Cli *cli, xmlNode *object, GString *page)
{
    cli_page_head(cli, object, page, "TEMPLATE");
    cli_page_take(page, "REGISTER TIME", cli_column_regtime(cli, object));
    cli_page_rights(cli, object, page);
    cli_page_template(cli, object, page, "TEMPLATE CONTENTS");
}

/* ---- create ---- */

static CliExit run_create(Cli *cli)
{
    g_autoptr(GError) error = NULL;
    g_auto(WireReply) reply = {0};
    g_autofree char *base = cli_vm_base(cli, &error);
    g_autofree char *text = error == NULL ? cli_vm_template(cli, base, 0, &error) : NULL;
    if (text == NULL)
        return cli_fail(cli, error);
    if (cli_option(cli, "dry") != NULL) {
        printf("%s", text);
        return CLI_DONE;
    }
    WireClient *wire = cli_wire(cli, &error);
    if (wire == NULL || !wire_call(wire, &reply, &error, "one.template.allocate", "s", text))
        return cli_fail(cli, error);
    printf("ID: %" G_GINT64_FORMAT "\n", reply.number);
    return CLI_DONE;
}

/* ---- instantiate ---- */

/* What the command adds to the template: a file, options, answers to what it asks. (owned) */
static char *additions(Cli *cli, gint32 id, GError **error)
{
    const char *skip[] = {NULL, NULL, NULL, NULL};
    guint count = 0;
    for (const char *const *key = (const char *const[]){"cpu", "vcpu", "memory", NULL};
         *key != NULL; key++)
        if (cli_option(cli, *key) != NULL)
            skip[count++] = strcmp(*key, "cpu") == 0    ? "CPU"
                            : strcmp(*key, "vcpu") == 0 ? "VCPU"
                                                        : "MEMORY";
    g_auto(WireReply) reply = {0};
    WireClient *wire = cli_wire(cli, error);
    if (wire == NULL || !wire_call(wire, &reply, error, cli->kind->info, "ib", id, FALSE))
        return NULL;
    g_autoptr(xmlDoc) doc = cli_xml_parse(reply.text, error);
    g_autofree char *answers = doc != NULL
                                   ? cli_user_inputs(xmlDocGetRootElement(doc),
                                                     cli_option(cli, "user-inputs"), skip, error)
                                   : NULL;
    if (answers == NULL)
        return NULL;
    const char *file = cli_word(cli, 1);
    g_autofree char *base = file != NULL ? cli_read_file(file, error) : NULL;
    g_autofree char *own = *error == NULL ? cli_vm_template(cli, base, 0, error) : NULL;
    return own != NULL ? g_strdup_printf("%s%s%s", answers, own, *own != '\0' ? "\n" : "") : NULL;
}

static CliExit run_instantiate(Cli *cli)
{
    g_autoptr(GError) error = NULL;
    const char *name = cli_option(cli, "machine-name");
    gint32 id = g_array_index(cli->ids, gint32, 0);
    gboolean hold = cli_option(cli, "hold") != NULL;
    guint count = cli_multiple(cli);
    if (count == 0)
        return CLI_USAGE;
    g_autofree char *text = additions(cli, id, &error);
    if (text == NULL)
        return cli_fail(cli, error);
    g_array_set_size(cli->ids, 0);
    for (guint i = 0; i < count; i++) {
        g_auto(WireReply) reply = {0};
        g_autofree char *numbered = cli_numbered(name != NULL ? name : "", i);
        if (!wire_call(cli->wire, &reply, &error, "one.template.instantiate", "isbsb", id, numbered,
                       hold, text, cli_option(cli, "persistent") != NULL))
            return cli_fail(cli, error);
        gint32 machine = (gint32)reply.number;
        printf("VM ID: %d\n", machine);
        g_array_append_val(cli->ids, machine);
    }
    const char *wait = cli_option(cli, "wait");
    if (wait == NULL || (hold && *wait == '\0'))
        return CLI_DONE;
    cli->kind = &cli_vm; /* from here on it is about machines */
    const char *goal = *wait == '\0' ? "RUNNING" : cli_vm.state_named(wait);
    if (goal != NULL)
        return cli_wait_for(cli, cli->ids, goal, -1, TRUE);
    fprintf(stderr, "no state of a machine is called \"%s\"; `onevm wait -h` names some\n", wait);
    return CLI_USAGE;
}

/* ---- The tables ---- */

static const CliCommand commands[] = {
    CLI_GROUP("Templates", "create add allocate", "file?", "dry " CLI_VM_TEMPLATE, NULL, NULL,
              run_create,
              "Keeps a template, to make machines from. From a file, from standard input, or from "
              "options."),
    CLI_ROW_LIST_OF("templates"),
    CLI_ROW_TOP("templates"),
    CLI_ROW_SHOW("template", "a template"),
    CLI_ROW("instantiate", "template file?",
            "machine-name multiple hold persistent user-inputs " CLI_VM_ADDITIONS " " CLI_WAIT,
            NULL, NULL, run_instantiate,
            "Makes machines from a template. A file and options add to it or replace what it says. "
            "What its USER_INPUTS ask for is taken from --user-inputs, else asked on the terminal, "
            "else the default is taken."),
    CLI_ROW("clone", "template text:name", "recursive", "one.template.clone", "id $1 ?recursive",
            cli_run_new, "Copies a template under a new name. The copy is yours."),
    CLI_ROW("delete", "template...", "recursive", "one.template.delete", "id ?recursive", NULL,
            "Removes a template. Machines made from it stay."),
    CLI_GROUP("Change", "rename", "template text:name", NULL, "one.template.rename", "id $1", NULL,
              "Renames a template."),
    CLI_ROW_UPDATE("template", "template", "a template"),
    CLI_ROW_LOCK("template", "template", "a template"),
    CLI_ROW_UNLOCK("template", "template"),
    CLI_ROW("chmod", "template... text:octet", "recursive", NULL, NULL, cli_run_chmod,
            "Sets the rights to a template. Of owner, group and others: three digits, each the sum "
            "of 4 (use), 2 (manage) and 1 (administer), such as 640."),
    CLI_ROW_CHOWN("template", "template", "a template"),
    CLI_ROW_CHGRP("template", "template", "a template"),
    CLI_ROWS_END,
};

const CliKind cli_template = {
    .word = "template",
    .program = "onetemplate",
    .noun = "template",
    .plural = "templates",
    .element = "VMTEMPLATE",
    .info = "one.template.info",
    .pool = "one.templatepool.info",
    .pool_arguments = "-2 -1 -1",
    .about = "Templates of machines: keeps them, and makes machines from them.",
    .examples = "  onetemplate create web.one\n"
                "  onetemplate create --name web --cpu 1 --memory 512 --disk /srv/web.img\n"
                "  onetemplate instantiate web --name web1 --wait\n"
                "  onetemplate instantiate web --name web%i --multiple 3 --memory 1g\n"
                "  onetemplate instantiate web --user-inputs SIZE=big,OWNER=ann\n",
    .commands = commands,
    .columns = columns,
    .list = "ID,USER,GROUP,NAME,REGTIME",
    .page = template_page,
};
