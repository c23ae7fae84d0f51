#include "client/cli/kinds.h"

#include <string.h>

const CliKind *const cli_kinds[] = {
    &cli_vm,       &cli_host,    &cli_user, &cli_template,  &cli_network,   &cli_vntemplate,
    &cli_secgroup, &cli_group,   &cli_acl,  &cli_cluster,   &cli_datastore, &cli_vdc,
    &cli_image,    &cli_vmgroup, &cli_acct, &cli_showback,  &cli_vrouter,   &cli_hook,
    &cli_market,   &cli_app,     &cli_zone, &cli_backupjob, NULL,
};

const CliKind *cli_kind_of_word(const char *word)
{
    for (guint i = 0; cli_kinds[i] != NULL; i++)
        if (strcmp(cli_kinds[i]->word, word) == 0)
            return cli_kinds[i];
    return NULL;
}

const CliKind *cli_kind_of_program(const char *program)
{
    for (guint i = 0; cli_kinds[i] != NULL; i++)
        if (g_strcmp0(cli_kinds[i]->program, program) == 0)
            return cli_kinds[i];
    return NULL;
}
