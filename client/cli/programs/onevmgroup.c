#include "client/cli/kinds.h"
#include "client/cli/rows.h"
#include "client/cli/xml.h"
#include "lib/base/xml.h"

#include <string.h>

/* ---- Columns ---- */

static guint count_vms(xmlNode *role)
{
    guint count = 0;
    g_auto(GStrv) vms = g_strsplit(cli_xml_text(role, "VMS"), ",", -1);
    for (char **vm = vms; *vm != NULL; vm++)
        count += **vm != '\0';
    return count;
}

static char *vms_text(const Cli *cli, xmlNode *object)
{
    guint count = 0;
    for (xmlNode *at = xml_find(object, "ROLES/ROLE"); at != NULL; at = xml_next_same(at))
        count += count_vms(at);
    return g_strdup_printf("%u", count);
}

static char *roles_text(const Cli *cli, xmlNode *object)
{
    GString *text = g_string_new(NULL);
    for (xmlNode *at = xml_find(object, "ROLES/ROLE"); at != NULL; at = xml_next_same(at))
        g_string_append_printf(text, "%s%s", text->len > 0 ? ", " : "", cli_xml_text(at, "NAME"));
    return g_string_free(text, FALSE);
}

static const CliColumn columns[] = {
    CLI_COLUMNS_OWNED("VM group"),
    {"VMS", -4, NULL, vms_text, "Machines that have a role of the group"},
    {"ROLES", -36, NULL, roles_text, "Names of its roles"},
    CLI_COLUMNS_END,
};

/* ---- The page ---- */

static const CliColumn role_columns[] = {
    {"ID", 3, "ID", NULL, NULL},
    {"NAME", -16, "NAME", NULL, NULL},
    {"POLICY", -12, "POLICY", NULL, NULL},
    {"HOST_AFFINED", -14, "HOST_AFFINED", NULL, NULL},
    {"HOST_ANTI_AFFINED", -17, "HOST_ANTI_AFFINED", NULL, NULL},
    {"VMS", -20, "VMS", NULL, NULL},
    CLI_COLUMNS_END,
};

static void vmgroup_page(Cli *cli, xmlNode *object, GString *page)
{
    cli_page_head(cli, object, page, "VM GROUP");
    cli_page_lock(object, page);
    cli_page_rights(cli, object, page);
    cli_page_table(cli, page, "ROLES", role_columns, object, "ROLES/ROLE");
    cli_page_template(cli, object, page, "TEMPLATE CONTENTS");
}

static const CliCommand commands[] = {
    CLI_GROUP("VM groups", "create add allocate", "file?", "new-name", "one.vmgroup.allocate",
              "@new", cli_run_new,
              "Makes a VM group. From a file or from standard input: ROLE = [ ... ] each, AFFINED, "
              "ANTI_AFFINED."),
    CLI_ROW_LIST_OF("VM groups"),
    CLI_ROW_SHOW("vmgroup", "a VM group"),
    CLI_ROW_DELETE("vmgroup", "vmgroup", "Removes a VM group that no machine is in."),
    CLI_GROUP(
        "Roles", "role-add", "vmgroup file?", NULL, "one.vmgroup.roleadd", "id @new", NULL,
        "Adds a role. From a file or from standard input: ROLE = [ NAME = ..., POLICY = ... ]."),
    CLI_ROW("role-update", "vmgroup number:roleid file?", NULL, "one.vmgroup.roleupdate",
            "id $1 @new", NULL,
            "Replaces what a role says. From a file or from standard input; without NAME it keeps "
            "its name."),
    CLI_ROW("role-delete", "vmgroup number:roleid", NULL, "one.vmgroup.roledelete", "id $1", NULL,
            "Removes a role that no machine has and no rule names."),
    CLI_GROUP("Change", "rename", "vmgroup text:name", NULL, "one.vmgroup.rename", "id $1", NULL,
              "Renames a VM group."),
    CLI_ROW_UPDATE("vmgroup", "vmgroup", "a VM group"),
    CLI_ROW_CHMOD("vmgroup", "a VM group"),
    CLI_ROW_CHOWN("vmgroup", "vmgroup", "a VM group"),
    CLI_ROW_CHGRP("vmgroup", "vmgroup", "a VM group"),
    CLI_ROW_LOCK("vmgroup", "vmgroup", "a VM group"),
    CLI_ROW_UNLOCK("vmgroup", "vmgroup"),
    CLI_ROWS_END,
};

const CliKind cli_vmgroup = {
    .word = "vmgroup",
    .program = "onevmgroup",
    .noun = "VM group",
    .plural = "VM groups",
    .element = "VM_GROUP",
    .info = "one.vmgroup.info",
    .pool = "one.vmgrouppool.info",
    .pool_arguments = "-2 -1 -1",
    .about = "VM groups: roles of machines, and rules about which hosts they share or avoid.",
    .examples = "  onevmgroup create shop.vmg\n"
                "  echo 'ROLE = [ NAME = db, POLICY = ANTI_AFFINED ]' | onevmgroup role-add shop\n"
                "  onevm vmgroup-add web1 shop front\n",
    .commands = commands,
    .columns = columns,
    .list = "ID,USER,GROUP,NAME,VMS,ROLES",
    .page = vmgroup_page,
};
