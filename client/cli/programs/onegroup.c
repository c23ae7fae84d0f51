#include "client/cli/call.h"
#include "client/cli/edit.h"
#include "client/cli/kinds.h"
#include "client/cli/quota.h"
#include "client/cli/rows.h"
#include "client/cli/xml.h"

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

/* What members of a new group may make, in the words of one.acl.addrule: machines, images,
 * templates, documents, security groups, machine groups, backup jobs. The server gives the same to
 * the group "users" at its first start. */
#define MADE_BY_MEMBERS "121429400000000"
#define OF_A_GROUP      0x200000000
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

static CliExit create_group(Cli *cli)
{
    g_autoptr(GError) error = NULL;
    g_auto(WireReply) made = {0};
    g_auto(WireReply) rule = {0};
    WireClient *wire = cli_wire(cli, &error);
    if (wire == NULL ||
        !wire_call(wire, &made, &error, "one.group.allocate", "s", cli_word(cli, 0)))
        return cli_fail(cli, error);
    printf("ID: %" G_GINT64_FORMAT "\n", made.number);
    g_autofree char *group = g_strdup_printf("%" G_GINT64_MODIFIER "x", OF_A_GROUP | made.number);
    if (!wire_call(wire, &rule, &error, "one.acl.addrule", "ssss", group, MADE_BY_MEMBERS, CREATE,
                   ALL_ZONES))
        g_prefix_error(&error, "The group was made, but its members may not make anything yet: ");
    else if (!create_admin(cli, wire, (gint32)made.number, &error))
        g_prefix_error(&error, "The group was made, but it has no administrator yet: ");
    else
        return CLI_DONE;
    return cli_fail(cli, error);
}

static const CliCommand commands[] = {
    CLI_GROUP("Groups", "create add allocate", "text:name",
              "admin_user admin_password admin_driver", NULL, NULL, create_group,
              "Makes a group of users, who may make machines, images and templates. With "
              "--admin_user a new user, too, who administers it."),
    CLI_ROW_LIST("groups"),
    CLI_ROW("show", "group...?", "no-color pager no-pager " CLI_FORMATS, NULL, NULL, cli_run_show,
            "Shows all about a group. About your primary group when none is named."),
    CLI_ROW_DELETE("group", "group", "Removes a group that has no users."),
    CLI_ROW_UPDATE("group", "group", "a group"),
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
