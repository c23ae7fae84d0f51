/*
 * The one table of keys. Keys, their types and their meaning are those of OpenNebula's
 * oned.conf (7.4 and older); marked CONFIG_OURS are those it does not have. The shipped
 * etc/oned.conf says the same defaults; a test compares them.
 */
#include "server/core/config_private.h"

#define DAY 86400

/* clang-format off */
const ConfigRow config_rows[] = {
    {"Calls", CONFIG_SECTION},
    {"LISTEN_ADDRESS", CONFIG_ADDRESS, "127.0.0.1", .help =
     "Address to listen on. 0.0.0.0 or :: is all of them: set TLS_CERT and TLS_KEY then."},
    {"PORT", CONFIG_INT, "2633", 0, 65535, .help = "TCP port to listen on; 0 takes any free one."},
    {"TLS_CERT", CONFIG_TEXT, "", .flags = CONFIG_OURS, .help =
     "File with the certificate chain (PEM). Empty: plain HTTP."},
    {"TLS_KEY", CONFIG_TEXT, "", .flags = CONFIG_OURS, .help = "File with its private key (PEM)."},
    {"HTTP_THREADS", CONFIG_INT, "0", 0, 64, .flags = CONFIG_OURS, .help =
     "Threads that serve connections; 0: one a processor, at most 4."},
    {"MAX_CONN", CONFIG_INT, "12000", 1, 1000000, .help = "Connections open at a time."},
    {"MAX_CONN_PER_ADDRESS", CONFIG_INT, "1000", 0, 1000000, .flags = CONFIG_OURS | CONFIG_RELOAD,
     .help =
     "The same for one peer that is not this computer; 0: no limit."},
    {"MAX_CONN_BACKLOG", CONFIG_INT, "1000", 1, 65535, .flags = CONFIG_IDLE, .help =
     "Connections waiting to be accepted."},
    {"MAX_REQUESTS", CONFIG_INT, "4096", 1, 1000000, .flags = CONFIG_OURS | CONFIG_RELOAD, .help =
     "Calls being worked on at a time; more are answered 503."},
    {"KEEPALIVE_TIMEOUT", CONFIG_INT, "300", 1, DAY, .help =
     "Seconds until a silent connection is closed."},
    {"KEEPALIVE_MAX_CONN", CONFIG_INT, "30", 0, G_MAXINT32, .flags = CONFIG_IDLE, .help =
     "Calls in one connection."},
    {"TIMEOUT", CONFIG_INT, "30", 1, DAY, .flags = CONFIG_RELOAD, .help =
     "Seconds that a client has to send a call."},
    {"MESSAGE_SIZE", CONFIG_INT, "16777216", 1024, 1073741824, .flags = CONFIG_RELOAD, .help =
     "Bytes in a call, at most."},
    {"MAX_NESTING", CONFIG_INT, "64", 4, 1000, .flags = CONFIG_OURS | CONFIG_RELOAD, .help =
     "Arrays and structs inside each other in a call, at most."},
    {"RPC_LOG", CONFIG_BOOL, "NO", .flags = CONFIG_IDLE, .help =
     "A log of its own for calls."},
    {"LOG_CALL_FORMAT", CONFIG_TEXT, "Req:%i UID:%u IP:%A %m invoked %l",
     .flags = CONFIG_RELOAD | CONFIG_IDLE, .help =
     "How calls are logged. %i request, %u user, %A address, %m method, %l parameters."},
    {"LOG_RESULT_LENGTH", CONFIG_INT, "20", 0, 100000, .flags = CONFIG_RELOAD | CONFIG_IDLE,
     .help = "Characters of a result in the log."},
    {"SESSION_EXPIRATION_TIME", CONFIG_INT, "900", 0, 30 * DAY, .flags = CONFIG_RELOAD, .help =
     "Seconds that a verified password is remembered."},
    {"ALLOW_2009_WITHOUT_PASSWORD", CONFIG_BOOL, "NO", .flags = CONFIG_OURS, .help =
     "Lets tools of OpenNebula 1.2 on this computer, which know no passwords, act as oneadmin."},
    {"DEFAULT_AUTH", CONFIG_TEXT, "default", .flags = CONFIG_RELOAD, .help =
     "Driver that is asked about users who are unknown, and may introduce them; when AUTH_MAD has "
     "none of that name, nobody is asked."},

    {"State and logs", CONFIG_SECTION},
    {"DB", CONFIG_VECTOR, .help = "Where the state is kept."},
    {"DB/BACKEND", CONFIG_WORD, "sqlite", .words = "sqlite", .help = "Kind of database."},
    {"DB/TIMEOUT", CONFIG_INT, "2500", 0, G_MAXINT32, .help =
     "Milliseconds to wait for another program that has the file."},
    {"DB/SERVER", CONFIG_TEXT, .flags = CONFIG_IDLE, .help = "Address of a database server."},
    {"DB/PORT", CONFIG_INT, NULL, 0, 65535, .flags = CONFIG_IDLE, .help = "Its port."},
    {"DB/USER", CONFIG_TEXT, .flags = CONFIG_IDLE, .help = "User there."},
    {"DB/PASSWD", CONFIG_TEXT, .flags = CONFIG_IDLE, .help = "Password there."},
    {"DB/DB_NAME", CONFIG_TEXT, .flags = CONFIG_IDLE, .help = "Name of the database there."},
    {"DB/CONNECTIONS", CONFIG_INT, NULL, 1, 10000, .flags = CONFIG_IDLE, .help =
     "Connections to it."},
    {"DB/COMPARE_BINARY", CONFIG_BOOL, .flags = CONFIG_IDLE, .help = "Whether case counts there."},
    {"LOG", CONFIG_VECTOR, .help = "Where log lines go."},
    {"LOG/SYSTEM", CONFIG_WORD, "file", .words = "file syslog std", .help =
     "file: oned.log; std: standard error; syslog: the same with priorities, for the journal."},
    {"LOG/DEBUG_LEVEL", CONFIG_INT, "2", 0, 5, .flags = CONFIG_RELOAD, .older = "DEBUG_LEVEL",
     .help = "0 errors, 1 also warnings, 2 also events, 3 and above everything."},
    {"LOG/USE_VMS_LOCATION", CONFIG_BOOL, "NO", .help =
     "Logs of machines beside their files, vms/ID/vm.log; always so with ONE_LOCATION."},
    {"MONITORING_HISTORY", CONFIG_INT, "86400", 0, 3650 * (gint64)DAY,
     .flags = CONFIG_RELOAD | CONFIG_OURS,
     .older = "HOST_MONITORING_EXPIRATION_TIME VM_MONITORING_EXPIRATION_TIME", .help =
     "Seconds that figures of hosts and machines are kept."},

    {"Times", CONFIG_SECTION},
    {"MANAGER_TIMER", CONFIG_INT, "15", 1, DAY, .flags = CONFIG_RELOAD | CONFIG_IDLE, .help =
     "Seconds between looks at what is due."},
    {"MONITORING_INTERVAL_HOST", CONFIG_INT, "60", 1, DAY, .flags = CONFIG_RELOAD,
     .older = "HOST_MONITORING_INTERVAL MONITORING_INTERVAL", .help =
     "Seconds between two questions to one host. Events of machines come at once, unasked."},
    {"MONITORING_INTERVAL_VM", CONFIG_INT, "60", 1, DAY, .flags = CONFIG_RELOAD,
     .older = "VM_POLLING_INTERVAL VM_MONITORING_INTERVAL", .help =
     "Seconds between two questions about a machine whose host does not report it."},
    {"MONITORING_INTERVAL_DATASTORE", CONFIG_INT, "300", 1, DAY, .flags = CONFIG_RELOAD, .help =
     "Seconds between two questions to one datastore."},
    {"RESERVED_CPU", CONFIG_TEXT, "", .flags = CONFIG_OURS | CONFIG_RELOAD, .help =
     "What every host keeps from machines, in percent of one processor or as 10%; below 0 it "
     "gives away more than it has. A cluster's and a host's own RESERVED_CPU go before it."},
    {"RESERVED_MEM", CONFIG_TEXT, "", .flags = CONFIG_OURS | CONFIG_RELOAD, .help =
     "The same of memory, in KiB or as 10%."},
    {"MONITORING_INTERVAL_MARKET", CONFIG_INT, "600", 1, DAY, .flags = CONFIG_RELOAD, .help =
     "Seconds between two looks at a marketplace."},
    {"DS_MONITOR_VM_DISK", CONFIG_INT, "10", 0, 100000, .flags = CONFIG_IDLE, .help =
     "Every how many looks at a datastore the sizes of disks are told."},
    {"ACTION_TIMEOUTS", CONFIG_VECTOR, .flags = CONFIG_OURS, .help =
     "Seconds until the hosts are asked what became of an action."},
    {"ACTION_TIMEOUTS/PROLOG", CONFIG_INT, "3600", 1, 30 * DAY, .flags = CONFIG_RELOAD, .help =
     "Bringing disks to a host, or moving them."},
    {"ACTION_TIMEOUTS/EPILOG", CONFIG_INT, "3600", 1, 30 * DAY, .flags = CONFIG_RELOAD, .help =
     "Saving and removing disks."},
    {"ACTION_TIMEOUTS/PREMIGRATE", CONFIG_INT, "600", 1, 30 * DAY, .flags = CONFIG_RELOAD, .help =
     "Preparing the storage of the destination."},
    {"ACTION_TIMEOUTS/POSTMIGRATE", CONFIG_INT, "600", 1, 30 * DAY, .flags = CONFIG_RELOAD,
     .help = "Cleaning up the source."},
    {"ACTION_TIMEOUTS/FAILMIGRATE", CONFIG_INT, "600", 1, 30 * DAY, .flags = CONFIG_RELOAD,
     .help = "Cleaning up the destination."},
    {"ACTION_TIMEOUTS/DEPLOY", CONFIG_INT, "300", 1, 30 * DAY, .flags = CONFIG_RELOAD, .help =
     "Starting."},
    {"ACTION_TIMEOUTS/SHUTDOWN", CONFIG_INT, "300", 1, 30 * DAY, .flags = CONFIG_RELOAD, .help =
     "Shutting down by the guest."},
    {"ACTION_TIMEOUTS/CANCEL", CONFIG_INT, "120", 1, 30 * DAY, .flags = CONFIG_RELOAD, .help =
     "Ending without the guest, and cleaning up."},
    {"ACTION_TIMEOUTS/REBOOT", CONFIG_INT, "300", 1, 30 * DAY, .flags = CONFIG_RELOAD, .help =
     "Restarting by the guest."},
    {"ACTION_TIMEOUTS/RESET", CONFIG_INT, "120", 1, 30 * DAY, .flags = CONFIG_RELOAD, .help =
     "Restarting without the guest."},
    {"ACTION_TIMEOUTS/SAVE", CONFIG_INT, "1800", 1, 30 * DAY, .flags = CONFIG_RELOAD, .help =
     "Writing the memory to a file."},
    {"ACTION_TIMEOUTS/RESTORE", CONFIG_INT, "1800", 1, 30 * DAY, .flags = CONFIG_RELOAD, .help =
     "Reading it back."},
    {"ACTION_TIMEOUTS/MIGRATE", CONFIG_INT, "3600", 1, 30 * DAY, .flags = CONFIG_RELOAD, .help =
     "Live migration."},
    {"ACTION_TIMEOUTS/MIGRATECHECK", CONFIG_INT, "60", 1, 30 * DAY, .flags = CONFIG_RELOAD,
     .help = "Asking two hosts whether a machine could be moved live."},
    {"ACTION_TIMEOUTS/ATTACH", CONFIG_INT, "300", 1, 30 * DAY, .flags = CONFIG_RELOAD, .help =
     "Attaching or detaching a disk or a network card."},
    {"ACTION_TIMEOUTS/SNAPSHOT", CONFIG_INT, "1800", 1, 30 * DAY, .flags = CONFIG_RELOAD, .help =
     "Taking, restoring or deleting a snapshot of a machine."},
    {"ACTION_TIMEOUTS/DISK_SNAPSHOT", CONFIG_INT, "3600", 1, 30 * DAY, .flags = CONFIG_RELOAD,
     .help = "Copying a disk for a snapshot, or back."},
    {"ACTION_TIMEOUTS/RESIZE", CONFIG_INT, "300", 1, 30 * DAY, .flags = CONFIG_RELOAD, .help =
     "Changing the size of a machine or of a disk."},
    {"ACTION_TIMEOUTS/AUTHENTICATE", CONFIG_INT, "30", 1, DAY, .flags = CONFIG_RELOAD, .help =
     "Verifying a user by a driver."},
    {"ACTION_TIMEOUTS/CONSOLE", CONFIG_INT, "60", 1, 30 * DAY, .flags = CONFIG_RELOAD, .help =
     "Opening a serial console."},
    {"ACTION_TIMEOUTS/IMAGE", CONFIG_INT, "21600", 1, 30 * DAY, .flags = CONFIG_RELOAD, .help =
     "Making, copying or removing an image or an app."},
    {"ACTION_TIMEOUTS/STAT", CONFIG_INT, "60", 1, 30 * DAY, .flags = CONFIG_RELOAD, .help =
     "Finding out how large an image will be."},
    {"ACTION_TIMEOUTS/BACKUP", CONFIG_INT, "86400", 1, 30 * DAY, .flags = CONFIG_RELOAD, .help =
     "Each step of a backup: writing disks, taking them to the front-end, keeping them."},
    {"ACTION_TIMEOUTS/POLL", CONFIG_INT, "60", 1, 30 * DAY, .flags = CONFIG_RELOAD, .help =
     "Asking a host about one machine."},
    {"ACTION_TIMEOUTS/MONITOR", CONFIG_INT, "60", 1, 30 * DAY, .flags = CONFIG_RELOAD, .help =
     "Asking a host, a datastore or a marketplace how it is."},

    {"Machines", CONFIG_SECTION},
    {"DATASTORE_LOCATION", CONFIG_PATH, "@datastores", .older = "VM_DIR", .help =
     "Directory of the datastores, the same on every host. Not set: datastores in the state "
     "directory of oned."},
    {"SCRIPTS_REMOTE_DIR", CONFIG_TEXT, "/var/tmp/one", .flags = CONFIG_IDLE, .help =
     "Directory of scripts on the hosts."},
    {"VM_SUBMIT_ON_HOLD", CONFIG_BOOL, "NO", .flags = CONFIG_RELOAD, .help =
     "New machines wait until they are released."},
    {"DEFAULT_UMASK", CONFIG_UMASK, "177", .flags = CONFIG_RELOAD, .help =
     "Permissions that a new object does not get: 177 leaves the owner's use and manage."},
    {"ENABLE_OTHER_PERMISSIONS", CONFIG_BOOL, "YES", .flags = CONFIG_RELOAD, .help =
     "Whether users may give rights to everyone."},
    {"API_LIST_ORDER", CONFIG_WORD, "DESC", .words = "ASC DESC", .flags = CONFIG_RELOAD, .help =
     "Order of pools, by id."},
    {"VNC_PORTS", CONFIG_VECTOR, .help = "Ports of the machines' screens."},
    {"VNC_PORTS/START", CONFIG_INT, "5900", 1, 65535, .older = "VNC_BASE_PORT", .help = "First port; machine ID adds to it."},
    {"VNC_PORTS/RESERVED", CONFIG_TEXT, "32768:65535", .help =
     "Ports and ranges not to use, such as 6800, 32768:65535."},
    {"VM_ADMIN_OPERATIONS", CONFIG_TEXT,
     "migrate, delete, recover, retry, deploy, resched, backup, restore", .flags = CONFIG_RELOAD,
     .help = "Actions that need the right ADMIN."},
    {"VM_MANAGE_OPERATIONS", CONFIG_TEXT,
     "undeploy, hold, release, stop, suspend, resume, reboot, poweroff, disk-attach, nic-attach, "
     "disk-snapshot, terminate, disk-resize, snapshot, updateconf, rename, resize, update, "
     "disk-saveas, sched-action, sg-attach, pci-attach, exec, vmgroup", .flags = CONFIG_RELOAD,
     .help = "Actions that need the right MANAGE."},
    {"VM_USE_OPERATIONS", CONFIG_TEXT, "", .flags = CONFIG_RELOAD, .help =
     "Actions that need the right USE."},
    {"VM_SNAPSHOT_FACTOR", CONFIG_NUMBER, "0", 0, 1, .flags = CONFIG_RELOAD, .help =
     "Part of its disks that a snapshot of a machine costs of the quota SYSTEM_DISK_SIZE."},
    {"QUOTA_VM_ATTRIBUTE", CONFIG_LIST, "", .help =
     "Attributes of machines whose numbers quotas count, each with RUNNING_ of it too; only "
     "administrators may give them."},
    {"CONTEXT_RESTRICTED_DIRS", CONFIG_TEXT, "/etc", .flags = CONFIG_RELOAD, .help =
     "Directories whose files no context may hold, separated by blanks."},
    {"CONTEXT_SAFE_DIRS", CONFIG_TEXT, "", .flags = CONFIG_RELOAD, .help =
     "Directories below these that it may."},
    {"CONTEXT_ALLOW_ETH_UPDATES", CONFIG_BOOL, "NO", .flags = CONFIG_IDLE, .help =
     "Whether ETH* of a context may be changed."},
    {"DEFAULT_COST", CONFIG_VECTOR, .help = "Cost an hour when a template says none."},
    {"DEFAULT_COST/CPU_COST", CONFIG_NUMBER, "0", 0, G_MAXINT32, .flags = CONFIG_RELOAD,
     .help = "Of one processor."},
    {"DEFAULT_COST/MEMORY_COST", CONFIG_NUMBER, "0", 0, G_MAXINT32, .flags = CONFIG_RELOAD,
     .help = "Of one MB of memory."},
    {"DEFAULT_COST/DISK_COST", CONFIG_NUMBER, "0", 0, G_MAXINT32, .flags = CONFIG_RELOAD,
     .help = "Of one MB of disk."},
    {"SHOWBACK_ONLY_RUNNING", CONFIG_BOOL, "NO", .flags = CONFIG_RELOAD, .help =
     "Whether only running machines cost."},
    {"VM_RESTRICTED_ATTR", CONFIG_LIST,
     "CONTEXT/FILES NIC/MAC NIC/VLAN_ID NIC/BRIDGE NIC/FILTER NIC/FILTER_IP_SPOOFING "
     "NIC/FILTER_MAC_SPOOFING NIC/INBOUND_AVG_BW NIC/INBOUND_PEAK_BW NIC/INBOUND_PEAK_KB "
     "NIC/OUTBOUND_AVG_BW NIC/OUTBOUND_PEAK_BW NIC/OUTBOUND_PEAK_KB NIC/OPENNEBULA_MANAGED "
     "NIC/EXTERNAL NIC_ALIAS/MAC NIC_ALIAS/VLAN_ID NIC_ALIAS/BRIDGE NIC_DEFAULT/MAC "
     "NIC_DEFAULT/VLAN_ID NIC_DEFAULT/BRIDGE NIC_DEFAULT/FILTER DISK/TOTAL_BYTES_SEC "
     "DISK/READ_BYTES_SEC DISK/WRITE_BYTES_SEC DISK/TOTAL_IOPS_SEC DISK/READ_IOPS_SEC "
     "DISK/WRITE_IOPS_SEC DISK/SIZE_IOPS_SEC DISK/OPENNEBULA_MANAGED DISK/ORIGINAL_SIZE "
     "DISK/SIZE_PREV CONTAINER/PRIVILEGED CONTAINER/NESTING CONTAINER/PROFILES CONTAINER/VOLUMES "
     "CONTAINER/NETWORK CONTAINER/ARCHIVE CONTAINER/SIZE CONTAINER/POOL CONTAINER/SERVER "
     "LXC_UNPRIVILEGED CONTAINER/LXC_UNPRIVILEGED CONTAINER/ID_MAP CONTAINER/UID_MAP "
     "CONTAINER/GID_MAP CONTAINER/MAX_MAP "
     "DEPLOY_ID CPU_COST MEMORY_COST DISK_COST PCI EMULATOR RAW/DATA "
     "USER_PRIORITY USER_INPUTS/CPU USER_INPUTS/MEMORY USER_INPUTS/VCPU TOPOLOGY/PIN_POLICY "
     "TOPOLOGY/HUGEPAGE_SIZE", .flags = CONFIG_RELOAD, .help =
     "Attributes that only administrators may give to a machine."},
    {"VM_ENCRYPTED_ATTR", CONFIG_LIST, "CONTEXT/PASSWORD", .flags = CONFIG_RELOAD, .help =
     "Attributes of machines that hooks are not told, beside names that end with PASSWORD and its "
     "like; nothing is kept encrypted."},

    {"Images, storage and networks", CONFIG_SECTION},
    {"DEFAULT_TM_MAD", CONFIG_TEXT, "shared", .flags = CONFIG_OURS, .help =
     "Transfer driver of the datastores made at the first start: shared or ssh."},
    {"DATASTORE_CAPACITY_CHECK", CONFIG_BOOL, "YES", .flags = CONFIG_RELOAD, .help =
     "Whether free space is looked at before an image is made."},
    {"DEFAULT_IMAGE_TYPE", CONFIG_WORD, "OS", .words = "OS CDROM DATABLOCK",
     .flags = CONFIG_RELOAD, .help = "Kind of an image that says none."},
    {"DEFAULT_DEVICE_PREFIX", CONFIG_WORD, "sd", .words = "hd sd vd xvd", .flags = CONFIG_RELOAD,
     .help = "First letters of the name of a disk in the guest."},
    {"DEFAULT_CDROM_DEVICE_PREFIX", CONFIG_WORD, "hd", .words = "hd sd vd xvd",
     .flags = CONFIG_RELOAD | CONFIG_OURS, .help = "The same for compact discs."},
    {"DEFAULT_IMAGE_PERSISTENT", CONFIG_TEXT, "", .flags = CONFIG_RELOAD, .help =
     "Whether copies of images are persistent."},
    {"DEFAULT_IMAGE_PERSISTENT_NEW", CONFIG_TEXT, "", .flags = CONFIG_RELOAD, .help =
     "Whether new images are persistent."},
    {"IMAGE_RESTRICTED_ATTR", CONFIG_LIST, "SOURCE", .flags = CONFIG_RELOAD, .help =
     "Attributes that only administrators may give to an image."},
    {"INHERIT_IMAGE_ATTR", CONFIG_LIST, "DISK_TYPE SERIAL", .flags = CONFIG_RELOAD, .help =
     "Attributes that a disk takes from its image."},
    {"INHERIT_DATASTORE_ATTR", CONFIG_LIST, "DISK_TYPE SPARSE", .flags = CONFIG_RELOAD, .help =
     "Attributes that a disk takes from its datastore."},
    {"INHERIT_VNET_ATTR", CONFIG_LIST,
     "FILTER FILTER_IP_SPOOFING FILTER_MAC_SPOOFING GATEWAY DNS MTU METRIC INBOUND_AVG_BW "
     "INBOUND_PEAK_BW INBOUND_PEAK_KB OUTBOUND_AVG_BW OUTBOUND_PEAK_BW OUTBOUND_PEAK_KB",
     .flags = CONFIG_RELOAD, .help = "Attributes that an interface takes from its network."},
    {"VNET_RESTRICTED_ATTR", CONFIG_LIST,
     "VN_MAD PHYDEV QINQ_TYPE BRIDGE CONF BRIDGE_CONF OVS_BRIDGE_CONF IP_LINK_CONF FILTER "
     "FILTER_IP_SPOOFING FILTER_MAC_SPOOFING AR/VN_MAD AR/PHYDEV AR/BRIDGE AR/FILTER "
     "AR/FILTER_IP_SPOOFING AR/FILTER_MAC_SPOOFING CLUSTER_IDS EXTERNAL",
     .flags = CONFIG_RELOAD, .help = "Attributes that only administrators may give to a network."},
    {"NETWORK_SIZE", CONFIG_INT, "254", 1, 16777214, .help =
     "Addresses of a network that says no size."},
    {"MAC_PREFIX", CONFIG_PREFIX, "02:00", .flags = CONFIG_RELOAD, .help =
     "First two bytes of the MAC addresses that are made."},
    {"MAC_GLOBAL_SPACE", CONFIG_BOOL, "NO", .flags = CONFIG_IDLE, .help =
     "Whether a MAC address may stand in one network only."},
    {"VLAN_IDS", CONFIG_VECTOR, .help = "Numbers of VLANs that are given by oned."},
    {"VLAN_IDS/START", CONFIG_INT, "2", 1, 4094, .help = "The first."},
    {"VLAN_IDS/RESERVED", CONFIG_TEXT, "0, 1, 4095", .help =
     "Numbers and ranges not to use."},
    {"VXLAN_IDS", CONFIG_VECTOR, .help = "The same for VXLAN."},
    {"VXLAN_IDS/START", CONFIG_INT, "2", 1, 16777215, .help = "The first."},
    {"PCI_PASSTHROUGH_BUS", CONFIG_TEXT, "0x01", .flags = CONFIG_IDLE, .help =
     "Bus in the guest for devices of the host."},

    {"Rights", CONFIG_SECTION},
    {"DEFAULT_VDC_HOST_ACL", CONFIG_TEXT, "MANAGE", .help =
     "Rights of a virtual data centre on its hosts."},
    {"DEFAULT_VDC_VNET_ACL", CONFIG_TEXT, "USE", .help = "On its networks."},
    {"DEFAULT_VDC_DATASTORE_ACL", CONFIG_TEXT, "USE", .help =
     "On its datastores."},
    {"DEFAULT_VDC_CLUSTER_HOST_ACL", CONFIG_TEXT, "MANAGE", .help =
     "On the hosts of its clusters."},
    {"DEFAULT_VDC_CLUSTER_NET_ACL", CONFIG_TEXT, "USE", .help =
     "On their networks."},
    {"DEFAULT_VDC_CLUSTER_DATASTORE_ACL", CONFIG_TEXT, "USE", .help =
     "On their datastores."},
    {"USER_RESTRICTED_ATTR", CONFIG_LIST,
     "VM_USE_OPERATIONS VM_MANAGE_OPERATIONS VM_ADMIN_OPERATIONS", .flags = CONFIG_RELOAD, .help =
     "Attributes that only administrators may give to a user."},
    {"GROUP_RESTRICTED_ATTR", CONFIG_LIST,
     "VM_USE_OPERATIONS VM_MANAGE_OPERATIONS VM_ADMIN_OPERATIONS", .flags = CONFIG_RELOAD, .help =
     "The same for groups."},
    {"USER_ENCRYPTED_ATTR", CONFIG_LIST, "SSH_PRIVATE_KEY SSH_PASSPHRASE", .flags = CONFIG_RELOAD,
     .help = "The same of users."},
    {"CLUSTER_ENCRYPTED_ATTR", CONFIG_LIST, "", .flags = CONFIG_RELOAD, .help = "Of clusters."},
    {"DATASTORE_ENCRYPTED_ATTR", CONFIG_LIST, "", .flags = CONFIG_RELOAD, .help = "Of datastores."},
    {"DOCUMENT_ENCRYPTED_ATTR", CONFIG_LIST, "", .flags = CONFIG_RELOAD, .help = "Of documents."},
    {"HOST_ENCRYPTED_ATTR", CONFIG_LIST, "", .flags = CONFIG_RELOAD, .help = "Of hosts."},
    {"IMAGE_ENCRYPTED_ATTR", CONFIG_LIST, "", .flags = CONFIG_RELOAD, .help = "Of images."},
    {"VNET_ENCRYPTED_ATTR", CONFIG_LIST, "", .flags = CONFIG_RELOAD, .help = "Of networks."},

    {"Drivers", CONFIG_SECTION},
    {"IM_MAD", CONFIG_VECTORS, .flags = CONFIG_PROGRAM,
     .words = "ARGUMENTS EXECUTABLE NAME THREADS", .help =
     "Information driver: NAME, EXECUTABLE in the directory of drivers, ARGUMENTS."},
    {"VM_MAD", CONFIG_VECTORS, .flags = CONFIG_PROGRAM,
     .words = "ARGUMENTS COLD_NIC_ATTACH DEFAULT EXECUTABLE KEEP_MACHINES KEEP_SNAPSHOTS LIVE_RESIZE NAME "
              "SUNSTONE_NAME TYPE",
     .help = "Virtualization driver: the same, and TYPE."},
    {"TM_MAD", CONFIG_VECTORS, .flags = CONFIG_PROGRAM, .words = "ARGUMENTS EXECUTABLE", .help =
     "Transfer driver: the same. Without NAME it serves what its ARGUMENTS list behind -d."},
    {"DATASTORE_MAD", CONFIG_VECTORS, .flags = CONFIG_PROGRAM,
     .words = "ARGUMENTS EXECUTABLE", .help = "Driver of images."},
    {"AUTH_MAD", CONFIG_VECTORS, .flags = CONFIG_PROGRAM,
     .words = "AUTHN EXECUTABLE", .help =
     "Driver that verifies users: EXECUTABLE, and in AUTHN what it is asked for (or NAME). With AUTHZ "
     "it is asked about their rights, too."},
    {"HM_MAD", CONFIG_VECTORS, .flags = CONFIG_PROGRAM,
     .words = "ARGUMENTS EXECUTABLE", .help = "Driver of hooks: EXECUTABLE, ARGUMENTS."},
    {"HOOK_DIRECTORY", CONFIG_LIST, "", .flags = CONFIG_OURS | CONFIG_RELOAD, .help =
     "One more directory in which commands of hooks may be; may be repeated."},
    {"IPAM_MAD", CONFIG_VECTORS, .flags = CONFIG_PROGRAM | CONFIG_IDLE,
     .words = "ARGUMENTS EXECUTABLE", .help = "Driver of addresses."},
    {"MARKET_MAD", CONFIG_VECTORS, .flags = CONFIG_PROGRAM,
     .words = "ARGUMENTS EXECUTABLE", .help = "Driver of marketplaces: behind -m the kinds."},
    {"SCHED_MAD", CONFIG_VECTORS, .flags = CONFIG_PROGRAM | CONFIG_IDLE,
     .words = "ARGUMENTS EXECUTABLE", .help = "Scheduler as a driver; mm_sched is its own process."},
    {"TM_MAD_CONF", CONFIG_VECTORS,
     .words = "ALLOW_ORPHANS CLONE_TARGET CLONE_TARGET_SHARED CLONE_TARGET_SSH DISK_TYPE "
              "DISK_TYPE_SHARED DISK_TYPE_SSH DRIVER DS_LIVE_MIGRATE DS_MIGRATE DS_MIGRATE_SNAP "
              "LN_TARGET LN_TARGET_SHARED LN_TARGET_SSH NAME PERSISTENT_SNAPSHOTS SHARED "
              "TM_MAD_SYSTEM",
     .help = "What a transfer driver can do: NAME, SHARED, LN_TARGET, CLONE_TARGET ..."},
    {"DS_MAD_CONF", CONFIG_VECTORS,
     .words = "DATASTORE_CAPACITY_CHECK MARKETPLACE_ACTIONS NAME PERSISTENT_ONLY REQUIRED_ATTRS",
     .help = "What a driver of images can do."},
    {"AUTH_MAD_CONF", CONFIG_VECTORS,
     .words = "DRIVER_MANAGED_GROUPS DRIVER_MANAGED_GROUP_ADMIN MAX_TOKEN_TIME NAME "
              "PASSWORD_CHANGE PASSWORD_REQUIRED",
     .help = "What a way to verify users can do."},
    {"MARKET_MAD_CONF", CONFIG_VECTORS,
     .words = "APP_ACTIONS NAME PUBLIC REQUIRED_ATTRS SUNSTONE_NAME", .help =
     "What a driver of marketplaces can do."},
    {"VN_MAD_CONF", CONFIG_VECTORS, .flags = CONFIG_IDLE, .words = "BRIDGE_TYPE NAME", .help =
     "What a driver of networks can do."},

    {"Kept for clients and for later", CONFIG_SECTION},
    {"FEDERATION", CONFIG_VECTOR, .help = "Place among other front-ends."},
    {"FEDERATION/MODE", CONFIG_WORD, "STANDALONE", .words = "STANDALONE", .help =
     "Alone is the only one yet."},
    {"FEDERATION/ZONE_ID", CONFIG_INT, "0", 0, G_MAXINT32, .flags = CONFIG_IDLE,
     .help = "Zone of this front-end."},
    {"FEDERATION/SERVER_ID", CONFIG_INT, "-1", -1, G_MAXINT32, .flags = CONFIG_IDLE,
     .help = "Number in the zone; -1: alone."},
    {"FEDERATION/MASTER_ONED", CONFIG_TEXT, "", .flags = CONFIG_IDLE, .help =
     "Address of the master."},
    {"COLD_MIGRATE_MODE", CONFIG_INT, "0", 0, 2, .flags = CONFIG_IDLE, .help =
     "How the scheduler migrates: see etc/sched.conf."},
    {"LIVE_RESCHEDS", CONFIG_INT, "0", 0, 1, .flags = CONFIG_IDLE, .help =
     "Whether it migrates live: see etc/sched.conf."},
    {"MAX_ACTIONS_PER_HOST", CONFIG_INT, "1", 0, G_MAXINT32, .flags = CONFIG_RELOAD, .help =
     "Moves of a cluster's plan at a time from or to one host; 0: no limit."},
    {"MAX_ACTIONS_PER_CLUSTER", CONFIG_INT, "30", 0, G_MAXINT32, .flags = CONFIG_RELOAD, .help =
     "Moves of a cluster's plan at a time in all; 0: no limit."},
    {"ACTION_TIMEOUT", CONFIG_INT, "300", 1, 30 * DAY, .flags = CONFIG_RELOAD, .help =
     "Seconds until a plan gives up on a move; for actions of drivers see ACTION_TIMEOUTS."},
    {"DRS_INTERVAL", CONFIG_INT, "600", -1, 30 * DAY, .help =
     "Seconds between plans of clusters whose ONE_DRS says AUTOMATION = PARTIAL or FULL; 0 or -1: "
     "none are made."},
    {"SCHED_MAX_WND_TIME", CONFIG_INT, "10", 0, DAY, .flags = CONFIG_IDLE, .help =
     "Window of the scheduler of 7.x."},
    {"SCHED_MAX_WND_LENGTH", CONFIG_INT, "7", 0, G_MAXINT32, .flags = CONFIG_IDLE, .help =
     "Window of the scheduler of 7.x."},
    {"SCHED_RETRY_TIME", CONFIG_INT, "60", 0, DAY, .flags = CONFIG_IDLE, .help =
     "Pause of the scheduler of 7.x."},
    {"MAX_BACKUPS", CONFIG_INT, "5", 0, G_MAXINT32, .flags = CONFIG_RELOAD, .help =
     "Backups at a time."},
    {"MAX_BACKUPS_HOST", CONFIG_INT, "2", 0, G_MAXINT32, .flags = CONFIG_RELOAD, .help =
     "Backups at a time on one host."},
    {"HOOK_LOG_CONF", CONFIG_VECTOR, .help = "Log of hooks."},
    {"HOOK_LOG_CONF/LOG_RETENTION", CONFIG_INT, "20", 0, G_MAXINT32,
     .flags = CONFIG_RELOAD, .help = "Records kept of the executions of one hook."},
    {"RAFT", CONFIG_VECTOR, .help = "Several front-ends with one state."},
    {"RAFT/LIMIT_PURGE", CONFIG_INT, NULL, 0, G_MAXINT32, .flags = CONFIG_IDLE, .help = "-"},
    {"RAFT/LOG_RETENTION", CONFIG_INT, NULL, 0, G_MAXINT32, .flags = CONFIG_IDLE, .help = "-"},
    {"RAFT/LOG_PURGE_TIMEOUT", CONFIG_INT, NULL, 0, G_MAXINT32, .flags = CONFIG_IDLE,
     .help = "-"},
    {"RAFT/ELECTION_TIMEOUT_MS", CONFIG_INT, NULL, 0, G_MAXINT32, .flags = CONFIG_IDLE,
     .help = "-"},
    {"RAFT/BROADCAST_TIMEOUT_MS", CONFIG_INT, NULL, 0, G_MAXINT32, .flags = CONFIG_IDLE,
     .help = "-"},
    {"RAFT/XMLRPC_TIMEOUT_MS", CONFIG_INT, NULL, 0, G_MAXINT32, .flags = CONFIG_IDLE,
     .help = "-"},
    {"GRPC_PORT", CONFIG_INT, NULL, 0, 65535, .flags = CONFIG_IDLE, .help =
     "Port of another protocol."},
    {"GRPC_LISTEN_ADDRESS", CONFIG_TEXT, .flags = CONFIG_IDLE, .help = "Its address."},
};
/* clang-format on */

const guint config_row_count = G_N_ELEMENTS(config_rows);
