/*
 * THE table of methods. Where a name has several rows, the first whose shape fits the
 * arguments is taken: today's first, older generations after it. Sources of names and
 * shapes: the XML-RPC reference of OpenNebula 7.4 and the clients of 1.2 to 5.12.
 */
#include "server/rpc/server_private.h"

/* A row cannot be written without saying which right it needs. */
#define METHOD(name, arguments, result, kind, need, handle, help)                                  \
    {                                                                                              \
        name, arguments, result, KIND_##kind, NEED_##need, handle, help, 0, 0                      \
    }
/* A method of one object, whose id is argument `at`. */
#define OBJECT(name, arguments, result, kind, need, at, handle, help)                              \
    {                                                                                              \
        name, arguments, result, KIND_##kind, NEED_##need, handle, help, 0, at                     \
    }
/* A method of one machine that oned.conf names as an operation. */
#define ACTION(name, arguments, need, operation, handle, help)                                     \
    {                                                                                              \
        name, arguments, "int", KIND_VM, NEED_##need, handle, help, 0, 1, operation                \
    }
/* A method whose answer needs nothing of the model. */
#define STATELESS(name, arguments, result, need, handle, help)                                     \
    {                                                                                              \
        name, arguments, result, KIND_NONE, NEED_##need, handle, help, ROW_STATELESS, 0            \
    }
/* A shape of an older generation. */
#define OLDER(name, arguments, kind, need, at, handle, help, of)                                   \
    {                                                                                              \
        name, arguments, "string", KIND_##kind, NEED_##need, handle, help, (of), at                \
    }

#define CHMOD "iiiiiiiiii"

/* clang-format off */
static const RpcMethod methods[] = {
    /* machines */
    METHOD("one.vm.allocate", "s|b", "int", VM, CREATE, vm_allocate,
           "Makes a machine from a template, pending or (second argument) on hold."),
    OBJECT("one.vm.info", "i|b", "string", VM, USE_LOCKED, 1, vm_info, "A machine, whole."),
    ACTION("one.vm.update", "is|i", MANAGE, "update", vm_update,
           "Replaces (0) or merges (1) the user's part of a machine's template."),
    ACTION("one.vm.rename", "is", MANAGE, "rename", object_rename, "Gives a machine a new name."),
    OBJECT("one.vm.chmod", CHMOD, "int", VM, MANAGE, 1, object_chmod,
           "Sets the nine permission bits; -1 keeps one."),
    OBJECT("one.vm.chown", "iii", "int", VM, MANAGE, 1, object_chown,
           "Gives a machine to a user and a group; -1 keeps one."),
    OBJECT("one.vm.lock", "ii|b", "int", VM, MANAGE_LOCKED, 1, object_lock,
           "Locks a machine: 1 use, 2 manage, 3 admin, 4 all."),
    OBJECT("one.vm.unlock", "i", "int", VM, MANAGE_LOCKED, 1, object_unlock, "Unlocks a machine."),
    ACTION("one.vm.deploy", "ii|bis", ADMIN, "deploy", vm_method_deploy,
           "Starts a pending machine on a host: machine, host, check capacity, system datastore."),
    OBJECT("one.vm.action", "si", "int", VM, OWN_CHECK, 2, vm_method_action,
           "An action by its word: terminate, suspend, resume, stop, poweroff, reboot ..."),
    ACTION("one.vm.migrate", "iib|bii", ADMIN, "migrate", vm_method_migrate,
           "Moves a machine: machine, host, live, check capacity, datastore, type (0 save, 1 power "
           "off, 2 power off hard)."),
    ACTION("globule.vm.migrate", "ii|s", ADMIN, "migrate", vm_method_migrate_with,
           "Moves a machine: machine, host, text of LIVE, ENFORCE, DATASTORE, TYPE, MIGRATE = [...]."),
    {"globule.vm.migratecheck", "ii|s", "string", KIND_VM, NEED_ADMIN, vm_method_migrate_check,
     "Says whether that could work (LIVE is YES when not given), and changes nothing.", 0, 1,
     "migrate"},
    OBJECT("globule.vm.migrations", "i", "string", VM, USE_LOCKED, 1, vm_method_migrations,
           "What came of the last orders to move a machine."),
    ACTION("one.vm.recover", "ii", ADMIN, "recover", vm_method_recover,
           "0 failure, 1 success, 2 retry, 3 delete, 4 delete and make pending, 5 delete the record."),
    {"one.vm.recover", "ib", "int", KIND_VM, NEED_ADMIN, vm_method_recover,
     "As 4.2 to 4.6 call it: success or failure.", ROW_EXACT | ROW_HIDDEN, 1, "recover"},
    ACTION("one.vm.resize", "is|b", MANAGE, "resize", vm_method_resize,
           "Other CPU, VCPU or MEMORY; for a machine that runs when its driver has LIVE_RESIZE."),
    ACTION("one.vm.updateconf", "is|i", MANAGE, "updateconf", vm_method_updateconf,
           "Replaces (0) or merges (1) OS, FEATURES, INPUT, GRAPHICS, VIDEO, RAW, CPU_MODEL, TPM, "
           "NIC_DEFAULT and CONTEXT."),
    ACTION("one.vm.attach", "is", MANAGE, "disk-attach", vm_method_attach,
           "Attaches a disk, described by one DISK = [ ... ]."),
    ACTION("one.vm.detach", "ii", MANAGE, "disk-attach", vm_method_detach,
           "Detaches a disk: machine, disk."),
    ACTION("one.vm.diskresize", "iis", MANAGE, "disk-resize", vm_method_diskresize,
           "Makes a disk larger: machine, disk, size in MiB as text."),
    ACTION("one.vm.attachnic", "is", MANAGE, "nic-attach", vm_method_attachnic,
           "Attaches a network card, described by one NIC = [ ... ]."),
    ACTION("one.vm.detachnic", "ii", MANAGE, "nic-attach", vm_method_detachnic,
           "Detaches a network card: machine, card."),
    ACTION("one.vm.updatenic", "iis|i", MANAGE, "nic-attach", vm_method_updatenic,
           "Replaces (0) or merges (1) what can be changed of a network card."),
    ACTION("one.vm.snapshotcreate", "is", MANAGE, "snapshot", vm_method_snapshotcreate,
           "Takes a snapshot of a running machine, memory and disks; answers with its id."),
    ACTION("one.vm.snapshotrevert", "ii", MANAGE, "snapshot", vm_method_snapshotrevert,
           "Puts a running machine back to a snapshot."),
    ACTION("one.vm.snapshotdelete", "ii", MANAGE, "snapshot", vm_method_snapshotdelete,
           "Deletes a snapshot of a machine."),
    ACTION("one.vm.disksnapshotcreate", "iis", MANAGE, "disk-snapshot", vm_method_disksnapshotcreate,
           "Takes a snapshot of a disk: machine, disk, name; answers with its id."),
    ACTION("one.vm.disksnapshotrevert", "iii", MANAGE, "disk-snapshot", vm_method_disksnapshotrevert,
           "Puts a disk of a machine that is off back to a snapshot: machine, disk, snapshot."),
    ACTION("one.vm.disksnapshotdelete", "iii", MANAGE, "disk-snapshot", vm_method_disksnapshotdelete,
           "Deletes a snapshot of a disk."),
    ACTION("one.vm.disksnapshotrename", "iiis", MANAGE, "disk-snapshot", vm_method_disksnapshotrename,
           "Gives a snapshot of a disk another name."),
    OBJECT("one.vm.monitoring", "i", "string", VM, USE, 1, vm_monitoring,
           "Monitoring samples of a machine."),
    {"globule.vm.console", "i|b", "string", KIND_VM, NEED_MANAGE, vm_method_console,
     "Opens the serial console of a running machine; true: takes it from who has it. Returns a "
     "token, good once and soon, for GET /console/<token>, which is upgraded.", 0, 1, "console"},
    METHOD("one.vmpool.info", "iiii|s", "string", VM, LISTED, vmpool_info,
           "Machines, short: filter, start, end, state."),
    OLDER("one.vmpool.info", "i|bi", VM, LISTED, 0, vmpool_info_old,
          "As 1.4 to 2.2 call it: filter, extended, state.", ROW_OLD | ROW_EXACT | ROW_HIDDEN),
    METHOD("one.vmpool.infoextended", "iiii|s", "string", VM, LISTED, vmpool_infoextended,
           "Machines, whole: filter, start, end, state."),
    METHOD("one.vmpool.infoset", "sb", "string", VM, LISTED, vmpool_infoset,
           "Machines by their ids, joined with commas; whole or short."),
    METHOD("one.vmpool.monitoring", "i|i", "string", VM, LISTED, vmpool_monitoring,
           "Monitoring samples of machines: filter, seconds (-1 all, 0 the last)."),

    /* hosts */
    METHOD("one.host.allocate", "sssi", "int", HOST, OWN_CHECK, host_allocate,
           "Makes a host: name, information driver, virtualization driver, cluster (-1 default)."),
    OLDER("one.host.allocate", "ssssi", HOST, OWN_CHECK, 0, host_allocate_old,
          "As 3.4 to 4.14 call it.", ROW_EXACT | ROW_HIDDEN),
    OLDER("one.host.allocate", "sssss", HOST, OWN_CHECK, 0, host_allocate_old,
          "As 3.2 calls it.", ROW_EXACT | ROW_HIDDEN),
    OLDER("one.host.allocate", "ssss", HOST, OWN_CHECK, 0, host_allocate_old,
          "As 1.4 to 3.0 call it: name and three drivers.", ROW_EXACT | ROW_HIDDEN),
    OBJECT("one.host.delete", "i", "int", HOST, ADMIN, 1, host_delete,
           "Removes a host that has no machines."),
    OBJECT("one.host.info", "i|b", "string", HOST, USE_LOCKED, 1, host_info, "A host."),
    OBJECT("one.host.update", "is|i", "int", HOST, ADMIN, 1, object_update,
           "Replaces (0) or merges (1) a host's template."),
    OBJECT("one.host.rename", "is", "int", HOST, ADMIN, 1, object_rename, "Gives a host a new name."),
    OBJECT("one.host.status", "ii", "int", HOST, ADMIN, 1, host_status,
           "0 enabled, 1 disabled (watched, no new machines), 2 offline."),
    OLDER("one.host.enable", "ib", HOST, ADMIN, 1, host_enable, "As 1.4 to 4.14 call it.", 0),
    OBJECT("one.host.monitoring", "i", "string", HOST, USE, 1, host_monitoring,
           "Monitoring samples of a host."),
    METHOD("one.hostpool.info", "", "string", HOST, LISTED, hostpool_info, "All hosts."),
    METHOD("one.hostpool.monitoring", "|i", "string", HOST, LISTED, hostpool_monitoring,
           "Monitoring samples of hosts: seconds (-1 all, 0 the last)."),

    /* users and groups */
    METHOD("one.user.allocate", "sss|A", "int", USER, CREATE, user_allocate,
           "Makes a user: name, password, authentication driver, groups (the first is primary)."),
    OLDER("one.user.allocate", "ss", USER, CREATE, 0, user_allocate, "As 1.4 to 3.0 call it.",
          ROW_EXACT | ROW_HIDDEN),
    OBJECT("one.user.delete", "i", "int", USER, ADMIN, 1, user_delete, "Removes a user."),
    OBJECT("one.user.info", "i|b", "string", USER, USE_LOCKED, 1, user_info,
           "A user; -1 is oneself."),
    OBJECT("one.user.passwd", "is", "int", USER, MANAGE, 1, user_passwd, "Sets a password."),
    OBJECT("one.user.update", "is|i", "int", USER, MANAGE, 1, object_update,
           "Replaces (0) or merges (1) a user's template."),
    OBJECT("one.user.chgrp", "ii", "int", USER, MANAGE, 1, user_chgrp,
           "Gives a user another primary group."),
    OBJECT("one.user.enable", "ib", "int", USER, ADMIN, 1, user_enable,
           "Lets a user in, or not any more."),
    METHOD("one.userpool.info", "", "string", USER, LISTED, userpool_info, "All users."),
    METHOD("one.group.allocate", "s", "int", GROUP, CREATE, group_allocate, "Makes a group."),
    OBJECT("one.group.delete", "i", "int", GROUP, ADMIN, 1, group_delete, "Removes an empty group."),
    OBJECT("one.group.info", "i|b", "string", GROUP, USE_LOCKED, 1, group_info,
           "A group; -1 is one's primary group."),
    OBJECT("one.group.update", "is|i", "int", GROUP, MANAGE, 1, object_update,
           "Replaces (0) or merges (1) a group's template."),
    METHOD("one.grouppool.info", "", "string", GROUP, LISTED, grouppool_info, "All groups."),
    METHOD("one.acl.addrule", "sss|s", "int", ACL, MANAGE, acl_addrule,
           "Adds a rule of access: user, resource, rights, zone, in hexadecimal."),
    OBJECT("one.acl.delrule", "i", "int", ACL, MANAGE, 1, acl_delrule, "Removes a rule of access."),
    METHOD("one.acl.info", "", "string", ACL, MANAGE, acl_info, "All rules of access."),

    /* places */
    METHOD("one.cluster.allocate", "s", "int", CLUSTER, CREATE, cluster_allocate, "Makes a cluster."),
    OBJECT("one.cluster.delete", "i", "int", CLUSTER, ADMIN, 1, cluster_delete,
           "Removes an empty cluster."),
    OBJECT("one.cluster.info", "i|b", "string", CLUSTER, USE_LOCKED, 1, object_info, "A cluster."),
    OBJECT("one.cluster.update", "is|i", "int", CLUSTER, MANAGE, 1, object_update,
           "Replaces (0) or merges (1) a cluster's template."),
    OBJECT("one.cluster.rename", "is", "int", CLUSTER, MANAGE, 1, object_rename,
           "Gives a cluster a new name."),
    OBJECT("one.cluster.addhost", "ii", "int", CLUSTER, OWN_CHECK, 1, cluster_addhost,
           "Puts a host into a cluster."),
    OBJECT("one.cluster.delhost", "ii", "int", CLUSTER, OWN_CHECK, 1, cluster_delhost,
           "Puts a host back into the default cluster."),
    OBJECT("one.cluster.adddatastore", "ii", "int", CLUSTER, OWN_CHECK, 1, cluster_adddatastore,
           "Lets a cluster use a datastore."),
    OBJECT("one.cluster.deldatastore", "ii", "int", CLUSTER, OWN_CHECK, 1, cluster_deldatastore,
           "Ends that."),
    METHOD("one.clusterpool.info", "", "string", CLUSTER, LISTED, pool_info, "All clusters."),
    METHOD("one.datastore.allocate", "s|i", "int", DATASTORE, CREATE, datastore_allocate,
           "Makes a datastore from a template, in a cluster."),
    OBJECT("one.datastore.delete", "i", "int", DATASTORE, MANAGE, 1, datastore_delete,
           "Removes a datastore that no machine uses."),
    OBJECT("one.datastore.info", "i|b", "string", DATASTORE, USE_LOCKED, 1, object_info,
           "A datastore."),
    OBJECT("one.datastore.update", "is|i", "int", DATASTORE, MANAGE, 1, object_update,
           "Replaces (0) or merges (1) a datastore's template."),
    OBJECT("one.datastore.rename", "is", "int", DATASTORE, MANAGE, 1, object_rename,
           "Gives a datastore a new name."),
    OBJECT("one.datastore.chmod", CHMOD, "int", DATASTORE, MANAGE, 1, object_chmod,
           "Sets the nine permission bits; -1 keeps one."),
    OBJECT("one.datastore.chown", "iii", "int", DATASTORE, MANAGE, 1, object_chown,
           "Gives a datastore to a user and a group; -1 keeps one."),
    OBJECT("one.datastore.enable", "ib", "int", DATASTORE, MANAGE, 1, datastore_enable,
           "Lets machines be put on a system datastore, or not."),
    METHOD("one.datastorepool.info", "", "string", DATASTORE, LISTED, pool_info, "All datastores."),
    OBJECT("one.zone.info", "i|b", "string", ZONE, USE_LOCKED, 1, object_info, "A zone."),
    METHOD("one.zonepool.info", "", "string", ZONE, LISTED, pool_info, "All zones."),
    METHOD("one.zone.raftstatus", "", "string", NONE, SESSION, zone_raftstatus,
           "The part this server has in a group of servers: it is alone."),
    METHOD("one.vdcpool.info", "", "string", VDC, LISTED, pool_info,
           "All virtual data centers."),
    OBJECT("one.vdc.info", "i|b", "string", VDC, USE_LOCKED, 1, object_info,
           "A virtual data center."),

    /* pools of kinds that clients list and of which nothing can exist yet */
    METHOD("one.imagepool.info", "|iii", "string", IMAGE, LISTED, pool_info_filtered, "All images."),
    METHOD("one.vnpool.info", "|iii", "string", NET, LISTED, pool_info_filtered, "All networks."),
    METHOD("one.templatepool.info", "|iii", "string", TEMPLATE, LISTED, pool_info_filtered,
           "All templates of machines."),
    METHOD("one.secgrouppool.info", "|iii", "string", SECGROUP, LISTED, pool_info_filtered,
           "All security groups."),
    METHOD("one.vmgrouppool.info", "|iii", "string", VMGROUP, LISTED, pool_info_filtered,
           "All groups of machines."),
    METHOD("one.vrouterpool.info", "|iii", "string", VROUTER, LISTED, pool_info_filtered,
           "All virtual routers."),

    /* templates and documents */
    METHOD("one.template.allocate", "s", "int", TEMPLATE, CREATE, template_allocate, "Makes a template of machines."),
    OBJECT("one.template.delete", "i|b", "int", TEMPLATE, MANAGE, 1, template_delete, "Removes a template of machines."),
    OBJECT("one.template.info", "i|bb", "string", TEMPLATE, USE_LOCKED, 1, object_info, "A template of machines."),
    OBJECT("one.template.update", "is|i", "int", TEMPLATE, MANAGE, 1, object_update,
           "Replaces (0) or merges (1) what a template of machines holds."),
    OBJECT("one.template.rename", "is", "int", TEMPLATE, MANAGE, 1, object_rename, "Gives a template of machines a new name."),
    OBJECT("one.template.chmod", CHMOD "|b", "int", TEMPLATE, MANAGE, 1, object_chmod,
           "Sets the nine permission bits; -1 keeps one."),
    OBJECT("one.template.chown", "iii", "int", TEMPLATE, MANAGE, 1, object_chown,
           "Gives a template of machines to a user and a group; -1 keeps one."),
    OBJECT("one.template.lock", "ii|b", "int", TEMPLATE, MANAGE_LOCKED, 1, object_lock,
           "Locks a template of machines: 1 use, 2 manage, 3 admin, 4 all."),
    OBJECT("one.template.unlock", "i", "int", TEMPLATE, MANAGE_LOCKED, 1, object_unlock, "Unlocks a template of machines."),
    OBJECT("one.template.clone", "is|b", "int", TEMPLATE, USE, 1, template_clone,
           "Copies a template of machines under a new name."),
    OBJECT("one.template.instantiate", "is|bsb", "int", TEMPLATE, USE, 1, template_instantiate,
           "Makes a machine: template, its name, on hold, more attributes, with a copy of the template."),
    METHOD("one.vntemplate.allocate", "s", "int", VNTEMPLATE, CREATE, template_allocate, "Makes a template of networks."),
    OBJECT("one.vntemplate.delete", "i", "int", VNTEMPLATE, MANAGE, 1, template_delete, "Removes a template of networks."),
    OBJECT("one.vntemplate.info", "i|b", "string", VNTEMPLATE, USE_LOCKED, 1, object_info, "A template of networks."),
    OBJECT("one.vntemplate.update", "is|i", "int", VNTEMPLATE, MANAGE, 1, object_update,
           "Replaces (0) or merges (1) what a template of networks holds."),
    OBJECT("one.vntemplate.rename", "is", "int", VNTEMPLATE, MANAGE, 1, object_rename, "Gives a template of networks a new name."),
    OBJECT("one.vntemplate.chmod", CHMOD, "int", VNTEMPLATE, MANAGE, 1, object_chmod,
           "Sets the nine permission bits; -1 keeps one."),
    OBJECT("one.vntemplate.chown", "iii", "int", VNTEMPLATE, MANAGE, 1, object_chown,
           "Gives a template of networks to a user and a group; -1 keeps one."),
    OBJECT("one.vntemplate.lock", "ii|b", "int", VNTEMPLATE, MANAGE_LOCKED, 1, object_lock,
           "Locks a template of networks: 1 use, 2 manage, 3 admin, 4 all."),
    OBJECT("one.vntemplate.unlock", "i", "int", VNTEMPLATE, MANAGE_LOCKED, 1, object_unlock, "Unlocks a template of networks."),
    OBJECT("one.vntemplate.clone", "is", "int", VNTEMPLATE, USE, 1, template_clone,
           "Copies a template of networks under a new name."),
    METHOD("one.vntemplatepool.info", "|iii", "string", VNTEMPLATE, LISTED, pool_info_filtered,
           "All templates of networks."),
    METHOD("one.document.allocate", "si", "int", DOCUMENT, CREATE, template_allocate, "Makes a document."),
    OBJECT("one.document.delete", "i", "int", DOCUMENT, MANAGE, 1, template_delete, "Removes a document."),
    OBJECT("one.document.info", "i|b", "string", DOCUMENT, USE_LOCKED, 1, object_info, "A document."),
    OBJECT("one.document.update", "is|i", "int", DOCUMENT, MANAGE, 1, object_update,
           "Replaces (0) or merges (1) what a document holds."),
    OBJECT("one.document.rename", "is", "int", DOCUMENT, MANAGE, 1, object_rename, "Gives a document a new name."),
    OBJECT("one.document.chmod", CHMOD, "int", DOCUMENT, MANAGE, 1, object_chmod,
           "Sets the nine permission bits; -1 keeps one."),
    OBJECT("one.document.chown", "iii", "int", DOCUMENT, MANAGE, 1, object_chown,
           "Gives a document to a user and a group; -1 keeps one."),
    OBJECT("one.document.lock", "ii|b", "int", DOCUMENT, MANAGE_LOCKED, 1, object_lock,
           "Locks a document: 1 use, 2 manage, 3 admin, 4 all."),
    OBJECT("one.document.unlock", "i", "int", DOCUMENT, MANAGE_LOCKED, 1, object_unlock, "Unlocks a document."),
    OBJECT("one.document.clone", "is", "int", DOCUMENT, USE, 1, template_clone,
           "Copies a document under a new name."),
    METHOD("one.documentpool.info", "|iiii", "string", DOCUMENT, LISTED, documentpool_info,
           "Documents of one type: filter, start, end, type."),

    /* the server */
    STATELESS("one.system.version", "", "string", SESSION, system_version,
           "The generation of this interface."),
    METHOD("one.system.config", "", "string", NONE, SESSION, system_config,
           "The configuration in force."),
    METHOD("globule.sched.wait", "i|i", "int", NONE, SESSION, sched_wait,
           "Answers when something became pending since the number given, or after some seconds."),
    STATELESS("system.listMethods", "", "array", NOTHING, system_list_methods,
           "Names of all methods."),
    STATELESS("system.methodSignature", "s", "array", NOTHING, system_method_signature,
           "Types of a method's result and arguments, a list for each shape."),
    STATELESS("system.methodHelp", "s", "string", NOTHING, system_method_help,
           "What a method does."),
    STATELESS("system.capabilities", "", "struct", NOTHING, system_capabilities,
           "What this server can do beyond XML-RPC."),
    STATELESS("system.getCapabilities", "", "struct", NOTHING, system_capabilities,
           "The same."),

    /* 1.2 */
    OLDER("one.vmallocate", "s", VM, CREATE, 0, old_vmallocate, "1.2: makes a machine.", ROW_OLD),
    OLDER("one.vmdeploy", "ii", VM, ONEADMIN, 0, old_vmdeploy, "1.2: starts it on a host.", ROW_OLD),
    OLDER("one.vmaction", "si", VM, ONEADMIN, 0, old_vmaction, "1.2: an action by its word.", ROW_OLD),
    OLDER("one.vmmigrate", "iib", VM, ONEADMIN, 0, old_vmmigrate, "1.2: moves it.", ROW_OLD),
    OLDER("one.vmget_info", "i", VM, ONEADMIN, 0, old_vmget_info, "1.2: a machine as text.", ROW_OLD),
    OLDER("one.hostallocate", "ssssb", HOST, OWN_CHECK, 0, old_hostallocate,
          "1.2: makes a host: name, three drivers, managed.", ROW_OLD),
    OLDER("one.hostinfo", "i", HOST, ONEADMIN, 0, old_hostinfo, "1.2: a host as text.", ROW_OLD),
    OLDER("one.hostdelete", "i", HOST, ONEADMIN, 0, old_hostdelete, "1.2: removes a host.", ROW_OLD),
    OLDER("one.hostenable", "ib", HOST, ONEADMIN, 0, old_hostenable, "1.2: enables it or not.", ROW_OLD),
    OLDER("one.vnallocate", "s", NET, ONEADMIN, 0, old_network, "1.2: makes a network.", ROW_OLD),
    OLDER("one.vninfo", "i", NET, ONEADMIN, 0, old_network, "1.2: a network as text.", ROW_OLD),
    OLDER("one.vndelete", "i", NET, ONEADMIN, 0, old_network, "1.2: removes a network.", ROW_OLD),
};
/* clang-format on */

const RpcMethod *rpc_methods(guint *count)
{
    *count = G_N_ELEMENTS(methods);
    return methods;
}
