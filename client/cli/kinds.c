#include "client/cli/kinds.h"

#include <string.h>

/* Kinds of which only names are needed, until they get their own program. */
static const CliKind group = {.word = "group",
                              .noun = "group",
                              .plural = "groups",
                              .element = "GROUP",
                              .info = "one.group.info",
                              .pool = "one.grouppool.info"};
static const CliKind cluster = {.word = "cluster",
                                .noun = "cluster",
                                .plural = "clusters",
                                .element = "CLUSTER",
                                .info = "one.cluster.info",
                                .pool = "one.clusterpool.info"};
static const CliKind datastore = {.word = "datastore",
                                  .noun = "datastore",
                                  .plural = "datastores",
                                  .element = "DATASTORE",
                                  .info = "one.datastore.info",
                                  .pool = "one.datastorepool.info"};
static const CliKind image = {.word = "image",
                              .noun = "image",
                              .plural = "images",
                              .element = "IMAGE",
                              .info = "one.image.info",
                              .pool = "one.imagepool.info",
                              .pool_arguments = "-2 -1 -1"};
static const CliKind network = {.word = "network",
                                .noun = "network",
                                .plural = "networks",
                                .element = "VNET",
                                .info = "one.vn.info",
                                .pool = "one.vnpool.info",
                                .pool_arguments = "-2 -1 -1"};
static const CliKind secgroup = {.word = "secgroup",
                                 .noun = "security group",
                                 .plural = "security groups",
                                 .element = "SECURITY_GROUP",
                                 .info = "one.secgroup.info",
                                 .pool = "one.secgrouppool.info",
                                 .pool_arguments = "-2 -1 -1"};

const CliKind *const cli_kinds[] = {
    &cli_vm,    &cli_host, &cli_user, &cli_template, &group, &cluster,
    &datastore, &image,    &network,  &secgroup,     NULL,
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
