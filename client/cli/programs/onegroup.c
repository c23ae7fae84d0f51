#include "client/cli/call.h"
#include "client/cli/edit.h"
#include "client/cli/kinds.h"
#include "client/cli/programs/oneacl.h"
#include "client/cli/quota.h"
#include "client/cli/rows.h"
#include "client/cli/xml.h"
#include "lib/base/xml.h"

#include <stdio.h>

static char *users_text(const Cli *cli, xmlNode *group)
{
    return cli_count_of(group, "USERS/ID");
}

static char *admins_text(const Cli *cli, xmlNode *group)
{
    return cli_ids_of(group, "ADMINS/ID");
}

static const CliColumn columns[] = {
    {"ID", 4, "ID", NULL, "Number of the group"},
    {"NAME", -15, "NAME", NULL, "Name"},
    {"USERS", 5, NULL, users_text, "How many users it has"},
    {"VMS", 9, NULL, cli_quota_vms, "Machines, and the quota for them"},
    {"MEMORY", 15, NULL, cli_quota_memory, "Memory of these, and the quota for it"},
    {"CPU", 11, NULL, cli_quota_cpu, "Processors of these, and the quota for them"},
    {"PCI", 9, NULL, cli_quota_pci, "Devices of hosts in these, and the quota for them"},
    {"ADMINS", -10, NULL, admins_text, "Users who administer the group"},
    CLI_COLUMNS_END,
};

static void group_page(Cli *cli, xmlNode *group, GString *page)
{
    cli_page_head(cli, group, page, "GROUP");
    cli_page_members(cli, group, page, "USERS", &cli_user, "USERS/ID");
    cli_page_members(cli, group, page, "ADMINISTRATORS", &cli_user, "ADMINS/ID");
    cli_page_template(cli, group, page, "GROUP TEMPLATE");
    cli_page_quota(cli, group, page);
}

/* What members of a new group may make unless --resources tells; as onegroup of OpenNebula, more
 * than the group "users" may from its first start. Below: the words of one.acl.addrule. */
#define MADE_BY_MEMBERS "VM+IMAGE+TEMPLATE+DOCUMENT+SECGROUP+VROUTER+VMGROUP+BACKUPJOB"
#define OF_A_GROUP      G_GUINT64_CONSTANT(0x200000000)
#define ALL             G_GUINT64_CONSTANT(0x400000000)
#define CREATE          "8"
#define ALL_ZONES       "400000000"

/* A new user of the group who administers it, when --admin_user names one. */
static gboolean create_admin(Cli *cli, WireClient *wire, gint32 group, GError **error)
{
    const char *name = cli_option(cli, "admin_user"), *given = cli_option(cli, "admin_password");
    const char *driver = cli_option(cli, "admin_driver");
    g_auto(WireReply) made = {0};
    if (name == NULL)
        return TRUE;
    g_autofree char *prompt = g_strdup_printf("Password of %s", name);
    g_autofree char *password = given != NULL ? g_strdup(given) : cli_ask_password(prompt, error);
    return password != NULL &&
           wire_call(wire, &made, error, "one.user.allocate", "sssA", name, password,
                     driver != NULL ? driver : "", &group, 1u) &&
           wire_call(wire, NULL, error, "one.group.addadmin", "ii", group, (gint32)made.number);
}

/* The rule that lets members make things; no kinds: none. */
static gboolean let_members_make(WireClient *wire, gint64 id, guint64 kinds, GError **error)
{
    g_autofree char *group = g_strdup_printf("%" G_GINT64_MODIFIER "x", OF_A_GROUP | (guint64)id);
    g_autofree char *what = g_strdup_printf("%" G_GINT64_MODIFIER "x", ALL | kinds);
    return kinds == 0 ||
           wire_call(wire, NULL, error, "one.acl.addrule", "ssss", group, what, CREATE, ALL_ZONES);
}

/* The name as a word or by --name, as onegroup of OpenNebula takes it. */
static const char *new_name(Cli *cli, GError **error)
{
    const char *word = cli_word(cli, 0), *option = cli_option(cli, "new-name");
    if (word == NULL && option == NULL)
        g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE,
                    "what shall the group be called? `onegroup create staff`");
    return word != NULL ? word : option;
}

static CliExit create_group(Cli *cli)
{
    g_autoptr(GError) error = NULL;
    g_auto(WireReply) made = {0};
    const char *name = new_name(cli, &error), *given = cli_option(cli, "resources");
    const char *what = given != NULL ? given : MADE_BY_MEMBERS;
    guint64 kinds = 0;
    WireClient *wire = name != NULL && (*what == '\0' || cli_acl_kinds(what, &kinds, &error))
                           ? cli_wire(cli, &error)
                           : NULL;
    if (wire == NULL || !wire_call(wire, &made, &error, "one.group.allocate", "s", name))
        return cli_fail(cli, error);
    printf("ID: %" G_GINT64_FORMAT "\n", made.number);
    if (!let_members_make(wire, made.number, kinds, &error))
        g_prefix_error(&error, "The group was made, but its members may not make anything yet: ");
    else if (!create_admin(cli, wire, (gint32)made.number, &error))
        g_prefix_error(&error, "The group was made, but it has no administrator yet: ");
    else
        return CLI_DONE;
    return cli_fail(cli, error);
}

/* ---- vlan ---- */

/* The present rules, for the editor. (owned) */
static char *present_rules(Cli *cli, gint32 id, GError **error)
{
    g_auto(WireReply) reply = {0};
    WireClient *wire = cli_wire(cli, error);
    if (wire == NULL || !wire_call(wire, &reply, error, cli->kind->info, "ib", id, FALSE))
        return NULL;
    g_autoptr(xmlDoc) doc = cli_xml_parse(reply.text, error);
    if (doc == NULL)
        return NULL;
    xmlNode *rules = xml_find(xmlDocGetRootElement(doc), "VLAN_RULES");
    xmlNode *own = xml_find(rules, "ID"); /* of the group, no rule */
    if (own != NULL) {
        xmlUnlinkNode(own);
        xmlFreeNode(own);
    }
    return cli_template_of(rules);
}

static gboolean set_vlan(Cli *cli, gint32 id, GError **error)
{
    gboolean chosen = FALSE;
    g_autofree char *given = cli_given_text(cli, &chosen, error);
    g_autofree char *present = chosen ? NULL : present_rules(cli, id, error);
    g_autofree char *edited = present != NULL ? cli_edit(present, error) : NULL;
    const char *text = chosen ? given : edited;
    WireClient *wire = text != NULL ? cli_wire(cli, error) : NULL;
    return wire != NULL && wire_call(wire, NULL, error, "one.group.vlan", "is", id, text);
}

static CliExit run_vlan(Cli *cli)
{
    return cli_each(cli, set_vlan);
}

static const CliCommand commands[] = {
    CLI_GROUP("Groups", "create add allocate", "text:name?",
              "new-name resources admin_user admin_password admin_driver", NULL, NULL, create_group,
              "Makes a group of users, who may make machines, images and templates. Or what "
              "--resources names. With --admin_user a new user, too, who administers it."),
    CLI_ROW_LIST("groups"),
    CLI_ROW("show", "group...?", "no-color pager no-pager " CLI_FORMATS, NULL, NULL, cli_run_show,
            "Shows all about a group. About your primary group when none is named."),
    CLI_ROW_DELETE("group", "group", "Removes a group that has no users."),
    CLI_ROW_UPDATE("group", "group", "a group"),
    CLI_ROW("vlan", "group file?", NULL, NULL, NULL, run_vlan,
            "Sets the rules of VLANs of a group. From a file, from standard input, or in the "
            "editor: RULE = [ ID = 1, SCOPE = 100, VNTEMPLATE = 3 ]. They are kept and shown."),
    CLI_ROW("addadmin", "group... user", NULL, "one.group.addadmin", "id $1", NULL,
            "Makes a user of a group its administrator."),
    CLI_ROW("deladmin", "group... user", NULL, "one.group.deladmin", "id $1", NULL,
            "Makes an administrator of a group a plain member again."),
    CLI_GROUP("Quotas", "quota", "group file?", NULL, NULL, NULL, cli_run_quota,
              "Sets how much the members of a group may take together. From a file, from standard "
              "input, or in the editor."),
    CLI_ROW("batchquota", "group... file?", NULL, NULL, NULL, cli_run_batchquota,
            "Sets the same limits for several groups."),
    CLI_ROW("defaultquota", "file?", NULL, NULL, NULL, cli_run_defaultquota,
            "Sets the limits of all groups that have no limits of their own."),
    CLI_ROWS_END,
};

const CliKind cli_group = {
    .word = "group",
    .program = "onegroup",
    .noun = "group",
    .plural = "groups",
    .element = "GROUP",
    .info = "one.group.info",
    .pool = "one.grouppool.info",
    .about = "Groups of users: makes them, shows them, says who administers them.",
    .examples = "  onegroup create staff\n"
                "  oneuser chgrp ann staff\n"
                "  onegroup addadmin staff ann\n"
                "  echo 'VM = [ VMS = 20, MEMORY = 65536 ]' | onegroup quota staff\n",
    .commands = commands,
    .columns = columns,
    .list = "ID,NAME,USERS,VMS,MEMORY,CPU,PCI",
    .page = group_page,
};
