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

/* Rows that kinds share. `word` is the kind's word in names of methods, `a` its noun with an
 * article: string literals. */
#define RENAME(word, kind, need, a)                                                                \
    OBJECT("one." word ".rename", "is", "int", kind, need, 1, object_rename,                       \
           "Gives " a " a new name.")
/* Of what has an owner; `more`: what chmod takes beside the nine bits. */
#define RIGHTS(word, kind, more, a)                                                                \
    OBJECT("one." word ".chmod", "iiiiiiiiii" more, "int", kind, MANAGE, 1, object_chmod,          \
           "Sets the nine permission bits; -1 keeps one."),                                        \
        OBJECT("one." word ".chown", "iii", "int", kind, MANAGE, 1, object_chown,                  \
               "Gives " a " to a user and a group; -1 keeps one.")
/* Of what can be locked. */
#define LOCKS(word, kind, a)                                                                       \
    OBJECT("one." word ".lock", "ii|b", "int", kind, MANAGE_LOCKED, 1, object_lock,                \
           "Locks " a ": 1 use, 2 manage, 3 admin, 4 all."),                                       \
        OBJECT("one." word ".unlock", "i", "int", kind, MANAGE_LOCKED, 1, object_unlock,           \
               "Unlocks " a ".")

/* clang-format off */
static const RpcMethod methods[] = {
    /* machines */
    METHOD("one.vm.allocate", "s|b", "int", VM, CREATE, vm_allocate,
           "Makes a machine from a template, pending or (second argument) on hold."),
    OBJECT("one.vm.info", "i|b", "string", VM, USE_LOCKED, 1, vm_info, "A machine, whole."),
    ACTION("one.vm.update", "is|i", MANAGE, "update", vm_update,
           "Replaces (0) or merges (1) the user's part of a machine's template."),
    ACTION("one.vm.rename", "is", MANAGE, "rename", object_rename, "Gives a machine a new name."),
    RIGHTS("vm", VM, "", "a machine"),
    LOCKS("vm", VM, "a machine"),
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
    RENAME("host", HOST, ADMIN, "a host"),
    OBJECT("one.host.status", "ii", "int", HOST, ADMIN, 1, host_status,
           "0 enabled, 1 disabled (watched, no new machines), 2 offline."),
    OBJECT("globule.host.forceupdate", "i", "int", HOST, ADMIN, 1, host_forceupdate,
           "Asks a host at once what it has and what runs there."),
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
    OBJECT("one.user.addgroup", "ii", "int", USER, MANAGE, 1, user_addgroup,
           "Makes a user a member of one more group."),
    OBJECT("one.user.delgroup", "ii", "int", USER, MANAGE, 1, user_delgroup, "Ends that."),
    OBJECT("one.user.chauth", "iss", "int", USER, ADMIN, 1, user_chauth,
           "Sets how a user logs in: driver, password (\"\" keeps it)."),
    METHOD("one.user.login", "ssi|i", "string", USER, OWN_CHECK, user_login,
           "Makes or ends a login token: user's name, token, seconds, group."),
    OBJECT("one.group.addadmin", "ii", "int", GROUP, OWN_CHECK, 1, group_addadmin,
           "Makes a member an administrator of the group."),
    OBJECT("one.group.deladmin", "ii", "int", GROUP, OWN_CHECK, 1, group_deladmin, "Ends that."),
    OBJECT("one.user.quota", "is", "int", USER, ADMIN, 1, user_quota,
           "Sets limits of what a user may take: VM, DATASTORE, NETWORK, IMAGE = [...]."),
    METHOD("one.userquota.info", "", "string", NONE, SESSION, userquota_info,
           "The limits of users without their own."),
    METHOD("one.userquota.update", "s", "string", NONE, ONEADMIN, userquota_update,
           "Sets these; answers with what they are then."),
    METHOD("one.userpool.info", "", "string", USER, LISTED, userpool_info, "All users."),
    METHOD("one.group.allocate", "s", "int", GROUP, CREATE, group_allocate, "Makes a group."),
    OBJECT("one.group.delete", "i", "int", GROUP, ADMIN, 1, group_delete, "Removes an empty group."),
    OBJECT("one.group.info", "i|b", "string", GROUP, USE_LOCKED, 1, group_info,
           "A group; -1 is one's primary group."),
    OBJECT("one.group.update", "is|i", "int", GROUP, MANAGE, 1, object_update,
           "Replaces (0) or merges (1) a group's template."),
    OBJECT("one.group.quota", "is", "int", GROUP, ADMIN, 1, group_quota,
           "Sets limits of what all members of a group may take together."),
    METHOD("one.groupquota.info", "", "string", NONE, SESSION, groupquota_info,
           "The limits of groups without their own."),
    METHOD("one.groupquota.update", "s", "string", NONE, ONEADMIN, groupquota_update,
           "Sets these; answers with what they are then."),
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
    RENAME("cluster", CLUSTER, MANAGE, "a cluster"),
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
    RENAME("datastore", DATASTORE, MANAGE, "a datastore"),
    RIGHTS("datastore", DATASTORE, "", "a datastore"),
    OBJECT("one.datastore.enable", "ib", "int", DATASTORE, MANAGE, 1, datastore_enable,
           "Lets machines be put on a system datastore, or not."),
    METHOD("one.datastorepool.info", "", "string", DATASTORE, LISTED, pool_info, "All datastores."),
    OBJECT("one.zone.info", "i|b", "string", ZONE, USE_LOCKED, 1, object_info, "A zone."),
    METHOD("one.zonepool.info", "", "string", ZONE, LISTED, pool_info, "All zones."),
    METHOD("one.zone.raftstatus", "", "string", NONE, SESSION, zone_raftstatus,
           "The part this server has in a group of servers: it is alone."),
    METHOD("one.vdc.allocate", "s", "int", VDC, CREATE, vdc_allocate,
           "Makes a virtual data center."),
    OBJECT("one.vdc.delete", "i", "int", VDC, ADMIN, 1, vdc_delete,
           "Removes a virtual data center and the rights it gave."),
    OBJECT("one.vdc.update", "is|i", "int", VDC, MANAGE, 1, object_update,
           "Replaces (0) or merges (1) a virtual data center's template."),
    RENAME("vdc", VDC, MANAGE, "a virtual data center"),
    OBJECT("one.vdc.addgroup", "ii", "int", VDC, OWN_CHECK, 1, vdc_addgroup,
           "Gives a group the rights of a virtual data center."),
    OBJECT("one.vdc.delgroup", "ii", "int", VDC, OWN_CHECK, 1, vdc_delgroup, "Ends that."),
    OBJECT("one.vdc.addcluster", "iii", "int", VDC, OWN_CHECK, 1, vdc_change_member,
           "Adds a cluster of a zone: VDC, zone, id (-10 all)."),
    OBJECT("one.vdc.delcluster", "iii", "int", VDC, OWN_CHECK, 1, vdc_change_member, "Ends that."),
    OBJECT("one.vdc.addhost", "iii", "int", VDC, OWN_CHECK, 1, vdc_change_member,
           "Adds a host of a zone: VDC, zone, id (-10 all)."),
    OBJECT("one.vdc.delhost", "iii", "int", VDC, OWN_CHECK, 1, vdc_change_member, "Ends that."),
    OBJECT("one.vdc.adddatastore", "iii", "int", VDC, OWN_CHECK, 1, vdc_change_member,
           "Adds a datastore of a zone: VDC, zone, id (-10 all)."),
    OBJECT("one.vdc.deldatastore", "iii", "int", VDC, OWN_CHECK, 1, vdc_change_member, "Ends that."),
    OBJECT("one.vdc.addvnet", "iii", "int", VDC, OWN_CHECK, 1, vdc_change_member,
           "Adds a network of a zone: VDC, zone, id (-10 all)."),
    OBJECT("one.vdc.delvnet", "iii", "int", VDC, OWN_CHECK, 1, vdc_change_member, "Ends that."),
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

    /* networks and security groups */
    METHOD("one.vn.allocate", "s|i", "int", NET, CREATE, network_allocate,
           "Makes a network from a template, in a cluster (-1 default)."),
    OBJECT("one.vn.delete", "i", "int", NET, MANAGE, 1, network_delete,
           "Removes a network whose addresses nobody uses."),
    OBJECT("one.vn.info", "i|b", "string", NET, USE_LOCKED, 1, object_info, "A network."),
    OBJECT("one.vn.update", "is|i", "int", NET, MANAGE, 1, network_update,
           "Replaces (0) or merges (1) a network's template."),
    RENAME("vn", NET, MANAGE, "a network"),
    RIGHTS("vn", NET, "", "a network"),
    LOCKS("vn", NET, "a network"),
    OBJECT("one.vn.add_ar", "is", "int", NET, ADMIN, 1, network_add_ar,
           "Adds a range of addresses: AR = [ TYPE, IP, SIZE, ... ]."),
    OBJECT("one.vn.rm_ar", "ii|b", "int", NET, ADMIN, 1, network_rm_ar,
           "Removes a range that nobody uses; by force also with addresses on hold."),
    OBJECT("one.vn.update_ar", "is", "int", NET, MANAGE, 1, network_update_ar,
           "Changes a range: AR = [ AR_ID, SIZE, ... ]."),
    OBJECT("one.vn.reserve", "is", "int", NET, USE, 1, network_reserve,
           "Sets addresses apart as a network of one's own: SIZE, NAME or NETWORK_ID, and from where."),
    OBJECT("one.vn.free_ar", "ii", "int", NET, MANAGE, 1, network_free_ar,
           "Gives a reserved range back."),
    OBJECT("one.vn.hold", "is", "int", NET, MANAGE, 1, network_hold,
           "Keeps an address from being given: LEASES = [ IP or MAC ]."),
    OBJECT("one.vn.release", "is", "int", NET, MANAGE, 1, network_let_go, "Ends that."),
    OBJECT("one.vn.recover", "ii", "int", NET, MANAGE, 1, network_recover,
           "Of a network in trouble: 0 failure, 1 success, 2 delete, 3 retry."),
    OBJECT("one.cluster.addvnet", "ii", "int", CLUSTER, OWN_CHECK, 1, cluster_addvnet,
           "Lets a cluster use a network."),
    OBJECT("one.cluster.delvnet", "ii", "int", CLUSTER, OWN_CHECK, 1, cluster_delvnet,
           "Ends that."),
    METHOD("one.secgroup.allocate", "s", "int", SECGROUP, CREATE, secgroup_allocate,
           "Makes a security group."),
    OBJECT("one.secgroup.delete", "i", "int", SECGROUP, MANAGE, 1, secgroup_delete,
           "Removes a security group that nobody uses."),
    OBJECT("one.secgroup.info", "i|b", "string", SECGROUP, USE_LOCKED, 1, object_info,
           "A security group."),
    OBJECT("one.secgroup.update", "is|i", "int", SECGROUP, MANAGE, 1, secgroup_update,
           "Replaces (0) or merges (1) what a security group holds."),
    RENAME("secgroup", SECGROUP, MANAGE, "a security group"),
    RIGHTS("secgroup", SECGROUP, "", "a security group"),
    OBJECT("one.secgroup.clone", "is", "int", SECGROUP, USE, 1, secgroup_clone,
           "Copies a security group under a new name."),
    OBJECT("one.secgroup.commit", "ib", "int", SECGROUP, MANAGE, 1, secgroup_commit,
           "Writes the rules into the machines that use them: all, or only those that are behind."),

    /* templates and documents */
    METHOD("one.template.allocate", "s", "int", TEMPLATE, CREATE, template_allocate, "Makes a template of machines."),
    OBJECT("one.template.delete", "i|b", "int", TEMPLATE, MANAGE, 1, template_delete, "Removes a template of machines."),
    OBJECT("one.template.info", "i|bb", "string", TEMPLATE, USE_LOCKED, 1, object_info, "A template of machines."),
    OBJECT("one.template.update", "is|i", "int", TEMPLATE, MANAGE, 1, object_update,
           "Replaces (0) or merges (1) what a template of machines holds."),
    RENAME("template", TEMPLATE, MANAGE, "a template of machines"),
    RIGHTS("template", TEMPLATE, "|b", "a template of machines"),
    LOCKS("template", TEMPLATE, "a template of machines"),
    OBJECT("one.template.clone", "is|b", "int", TEMPLATE, USE, 1, template_clone,
           "Copies a template of machines under a new name."),
    OBJECT("one.template.instantiate", "is|bsb", "int", TEMPLATE, USE, 1, template_instantiate,
           "Makes a machine: template, its name, on hold, more attributes, with a copy of the template."),
    METHOD("one.vntemplate.allocate", "s", "int", VNTEMPLATE, CREATE, template_allocate, "Makes a template of networks."),
    OBJECT("one.vntemplate.delete", "i", "int", VNTEMPLATE, MANAGE, 1, template_delete, "Removes a template of networks."),
    OBJECT("one.vntemplate.info", "i|b", "string", VNTEMPLATE, USE_LOCKED, 1, object_info, "A template of networks."),
    OBJECT("one.vntemplate.update", "is|i", "int", VNTEMPLATE, MANAGE, 1, object_update,
           "Replaces (0) or merges (1) what a template of networks holds."),
    RENAME("vntemplate", VNTEMPLATE, MANAGE, "a template of networks"),
    RIGHTS("vntemplate", VNTEMPLATE, "", "a template of networks"),
    LOCKS("vntemplate", VNTEMPLATE, "a template of networks"),
    OBJECT("one.vntemplate.clone", "is", "int", VNTEMPLATE, USE, 1, template_clone,
           "Copies a template of networks under a new name."),
    METHOD("one.vntemplatepool.info", "|iii", "string", VNTEMPLATE, LISTED, pool_info_filtered,
           "All templates of networks."),
    METHOD("one.document.allocate", "si", "int", DOCUMENT, CREATE, template_allocate, "Makes a document."),
    OBJECT("one.document.delete", "i", "int", DOCUMENT, MANAGE, 1, template_delete, "Removes a document."),
    OBJECT("one.document.info", "i|b", "string", DOCUMENT, USE_LOCKED, 1, object_info, "A document."),
    OBJECT("one.document.update", "is|i", "int", DOCUMENT, MANAGE, 1, object_update,
           "Replaces (0) or merges (1) what a document holds."),
    RENAME("document", DOCUMENT, MANAGE, "a document"),
    RIGHTS("document", DOCUMENT, "", "a document"),
    LOCKS("document", DOCUMENT, "a document"),
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
