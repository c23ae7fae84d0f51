/* Names of arguments, for calls that give them by name. Methods of one ending share theirs. */
#include "server/rpc/json.h"

#include <string.h>

#define BITS "owner_u owner_m owner_a group_u group_m group_a other_u other_m other_a"
#define PAGE "filter start end"

/* A name that begins with a dot stands for all that end so, unless they are named before. */
static const struct {
    const char *method, *names;
} named[] = {
    {"globule.vm.migrate", "id host text"},
    {"globule.vm.migratecheck", "id host text"},
    {"globule.vm.migrations", "id"},
    {"globule.vm.console", "id force"},
    {"globule.sched.wait", "last seconds"},
    {"one.vm.allocate", "template hold"},
    {"one.vm.deploy", "id host enforce datastore nics"},
    {"one.vm.action", "action id"},
    {"one.vm.migrate", "id host live enforce datastore type"},
    {"one.vm.recover", "id operation"},
    {"one.vm.resize", "id template enforce"},
    {"one.vmpool.info", PAGE " state search"},
    {"one.vmpool.infoextended", PAGE " state search"},
    {"one.vmpool.infoset", "ids extended"},
    {"one.vmpool.monitoring", "filter seconds"},
    {"one.host.allocate", "name im_mad vm_mad cluster"},
    {"one.host.status", "id status"},
    {"one.host.enable", "id enable"},
    {"one.hostpool.info", ""},
    {"one.hostpool.monitoring", "seconds"},
    {"one.user.allocate", "name password driver groups"},
    {"one.user.passwd", "id password"},
    {"one.user.chgrp", "id group"},
    {"one.user.enable", "id enable"},
    {"one.userpool.info", ""},
    {"one.group.allocate", "name"},
    {"one.grouppool.info", ""},
    {"one.acl.addrule", "user resource rights zone"},
    {"one.acl.delrule", "id"},
    {"one.acl.info", ""},
    {"one.cluster.allocate", "name"},
    {"one.cluster.addhost", "id host"},
    {"one.cluster.delhost", "id host"},
    {"one.cluster.adddatastore", "id datastore"},
    {"one.cluster.deldatastore", "id datastore"},
    {"one.clusterpool.info", ""},
    {"one.datastore.allocate", "template cluster"},
    {"one.datastore.enable", "id enable"},
    {"one.datastorepool.info", ""},
    {"one.zonepool.info", ""},
    {"one.vdcpool.info", ""},
    {"one.zone.raftstatus", ""},
    {"one.system.version", ""},
    {"one.system.config", ""},
    {"system.listMethods", ""},
    {"system.capabilities", ""},
    {"system.getCapabilities", ""},
    {"system.methodSignature", "method"},
    {"system.methodHelp", "method"},
    {"pool.info", PAGE},
    {".info", "id decrypt"},
    {".update", "id template append"},
    {".rename", "id name"},
    {".chmod", "id " BITS},
    {".chown", "id user group"},
    {".lock", "id level test"},
    {".unlock", "id"},
    {".delete", "id"},
    {".monitoring", "id"},
};

const char *rpc_json_names(const char *method)
{
    for (guint i = 0; i < G_N_ELEMENTS(named); i++) {
        const char *row = named[i].method;
        gboolean ending = row[0] == '.' || !strchr(row, '.') || g_str_has_prefix(row, "pool.");
        if (ending ? g_str_has_suffix(method, row) : !strcmp(method, row))
            return named[i].names;
    }
    return NULL;
}
