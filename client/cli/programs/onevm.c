#include "client/cli/generic.h"
#include "client/cli/kinds.h"
#include "client/cli/options.h"
#include "client/cli/vm_create.h"
#include "client/cli/vm_list.h"
#include "client/cli/vm_move.h"
#include "client/cli/vm_save.h"
#include "client/cli/sched.h"
#include "client/cli/vm_state.h"
#include "client/cli/wait.h"
#include "client/cli/xml.h"
#include "client/evaluate/evaluate.h"

#include <stdio.h>

/* Machines of 2009 words do what they did then, by the calls of today. */
static const CliCommand commands[] = {
    {"Create and look", "create submit allocate", "file?",
     CLI_VM_TEMPLATE " hold multiple dry " CLI_WAIT, NULL, NULL, "RUNNING", 0, cli_vm_create,
     "Creates machines. From a template file, from standard input, or from options; options "
     "change what the file says. Prints the id of each."},
    {NULL, "list", "text:filter?", "state extended " CLI_LIST, NULL, NULL, NULL, 0, cli_run_list,
     "Lists the machines. All that you may see; `m` only your own, `g` those of your groups, or "
     "those of a user by name or id. Ended ones are shown with --state done."},
    {NULL, "top", "text:filter?", "delay count state " CLI_LIST, NULL, NULL, NULL, 0, cli_run_top,
     "Lists the machines again and again. Ctrl-C ends it."},
    {NULL, "show", "vm...", "show-all decrypt no-color pager no-pager " CLI_FORMATS, NULL, NULL,
     NULL, 0, cli_vm_show,
     "Shows all about a machine. State, place, disks, network cards, history, template."},
    {NULL, "history", "vm...", CLI_FORMATS, NULL, NULL, NULL, 0, cli_vm_history,
     "Shows on which hosts a machine has been. And what was done to it."},
    {NULL, "monitoring", "vm text:value?", "lines csv csv-del no-header " CLI_FORMATS, NULL, NULL,
     NULL, 0, cli_vm_monitoring,
     "Shows the latest samples of what a machine uses. With a value's name (CPU, MEMORY, NETRX, "
     "...) only it; --csv prints seconds since 1970 and the plain number."},
    {NULL, "console", "vm", "take-over console-log log-only", NULL, NULL, NULL, 0, cli_vm_console,
     "Connects to the text console of a running machine. Through oned, from wherever its tools "
     "work; Ctrl-] leaves it. Tells who is attached already, and takes it over with --force. "
     "--log FILE keeps what the guest writes; with --log-only it goes on without a terminal, until "
     "a signal ends it or the console is closed."},
    {NULL, "vnc", "vm", NULL, NULL, NULL, NULL, 0, cli_vm_vnc,
     "Tells how to reach the screen of a running machine: address, port and password."},
    {NULL, "ssh", "vm text:login?", "nic-id ssh-command ssh-options", NULL, NULL, NULL, 0,
     cli_vm_ssh,
     "Logs in to the machine by ssh. As root, or the given login, at the address of --nic-id, of "
     "the card with SSH = YES, or of the first that has one."},
    {NULL, "port-forward", "vm text:port?", "nic-id", NULL, NULL, NULL, 0, cli_run_absent,
     "No ports of hosts lead to machines: they have addresses of their own in their networks. "
     "`onevm ssh` logs in there; from elsewhere `ssh -J HOST -L PORT:ADDRESS:PORT LOGIN@ADDRESS` "
     "leads through the host."},
    {NULL, "wait", "vm... text:state?", "wait-timeout", NULL, NULL, "RUNNING", 0, cli_run_wait,
     "Waits until machines are in a state. RUNNING unless told; any state will do, such as "
     "POWEROFF, SUSPENDED, DONE or BOOT."},

    {"Run and stop", "deploy", "vm... host datastore?", "enforce file " CLI_WAIT, "one.vm.deploy",
     "id $1 ?enforce $2:-1 @file", "RUNNING", 1, NULL,
     "Starts a waiting machine on a host. Without it the scheduler chooses one."},
    {NULL, "hold", "vm...", CLI_SCHEDULE " " CLI_WAIT, "one.vm.action", "'hold' id", "HOLD", 0,
     cli_act, "Keeps a waiting machine from being started."},
    {NULL, "release", "vm...", CLI_SCHEDULE " " CLI_WAIT, "one.vm.action", "'release' id",
     "RUNNING", 0, cli_act, "Lets a machine on hold be started."},
    {NULL, "suspend", "vm...", CLI_SCHEDULE " " CLI_WAIT, "one.vm.action", "'suspend' id",
     "SUSPENDED", 0, cli_act, "Saves a machine's memory on its host and frees the processor."},
    {NULL, "stop", "vm...", CLI_SCHEDULE " " CLI_WAIT, "one.vm.action", "'stop' id", "STOPPED", 0,
     cli_act, "Saves a machine's memory and frees its host. It may go on elsewhere."},
    {NULL, "resume restart boot", "vm...", CLI_SCHEDULE " " CLI_WAIT, "one.vm.action",
     "'resume' id", "RUNNING", 0, cli_act,
     "Lets a suspended, stopped, switched-off or lost machine go on."},
    {NULL, "poweroff", "vm...", "hard " CLI_SCHEDULE " " CLI_WAIT, "one.vm.action",
     "'poweroff/hard' id", "POWEROFF", 0, cli_act,
     "Switches a machine off; it stays on its host. `resume` switches it on."},
    {NULL, "undeploy", "vm...", "hard " CLI_SCHEDULE " " CLI_WAIT, "one.vm.action",
     "'undeploy/hard' id", "UNDEPLOYED", 0, cli_act,
     "Switches a machine off and frees its host. Its disks are kept; `resume` starts it anywhere."},
    {NULL, "reboot", "vm...", "hard " CLI_SCHEDULE " " CLI_WAIT, "one.vm.action",
     "'reboot/hard' id", "RUNNING", 0, cli_act, "Asks the guest to start anew."},
    {NULL, "reset", "vm...", CLI_SCHEDULE " " CLI_WAIT, "one.vm.action", "'reboot-hard' id",
     "RUNNING", 0, cli_act, "Starts the guest anew without asking it."},
    {NULL, "terminate shutdown", "vm...", "hard " CLI_SCHEDULE " " CLI_WAIT, "one.vm.action",
     "'terminate/hard' id", "DONE", 0, cli_act,
     "Shuts a machine down and removes it for good. With --hard the guest is not asked."},
    {NULL, "delete finalize", "vm...", CLI_WAIT, NULL, NULL, "DONE", 0, cli_vm_delete,
     "Removes a machine for good, whatever its state, without asking the guest. One that hangs in "
     "the middle of an action is taken out of it, as recover --delete does."},
    {NULL, "cancel", "vm...", CLI_WAIT, "one.vm.action", "'terminate-hard' id", "DONE", 0, NULL,
     "Stops a running machine without asking the guest, and removes it for good. The same as "
     "terminate --hard."},

    {"Move", "migrate", "vm... host datastore?",
     "check live poff poff-hard enforce " CLI_VM_MIGRATE " " CLI_FORMATS " " CLI_WAIT,
     "one.vm.migrate", "id $1 ?live ?enforce $2:-1 {0,poff=1,poff-hard=2}", CLI_AT_REST, 1,
     cli_vm_migrate,
     "Moves a machine to another host. Its memory is saved and restored there, so that what runs "
     "in it goes on; with --live it goes on during the move as well. --check moves nothing: it "
     "says whether a live migration could work (or a cold one, with --poff), what stands in its "
     "way, and what it would take; the exit status is 1 when it cannot work."},
    {NULL, "livemigrate", "vm... host datastore?",
     "check enforce " CLI_VM_MIGRATE " " CLI_FORMATS " " CLI_WAIT, "one.vm.migrate",
     "id $1 yes ?enforce $2:-1 0", CLI_AT_REST, 1, cli_vm_migrate,
     "Moves a machine to another host while it runs. The same as migrate --live."},
    {NULL, "migrations", "vm", CLI_LIST, NULL, NULL, NULL, 0, cli_vm_migrations,
     "Shows what became of the last orders to move a machine. Fifty of them; times, downtime, "
     "bytes and reasons. --csv prints milliseconds, bytes and seconds since 1970 as plain "
     "numbers."},
    {NULL, "evaluate", "vm", EVALUATE_OPTIONS, NULL, NULL, NULL, 0, cli_vm_evaluate,
     "Measures live migration between two hosts, and writes a report. Moves the running machine to "
     "the host --to and back: pings its guest meanwhile (--ping), again and again (--repeat), "
     "while "
     "the guest downloads (--download); and makes machines with other sizes of memory (--sizes), "
     "which it removes again. All four unless some are named. The report is a page with charts, "
     "beside a CSV file for each experiment; share/doc/evaluate.md explains them. Ctrl-C ends it "
     "in "
     "order: what was measured is written, the machine goes back."},
    {NULL, "resched", "vm...", NULL, "one.vm.action", "'resched' id", NULL, 0, NULL,
     "Asks the scheduler to move a machine to a better host."},
    {NULL, "unresched", "vm...", NULL, "one.vm.action", "'unresched' id", NULL, 0, NULL,
     "Takes the wish for a better host back."},

    {"Repair", "recover", "vm...",
     "success failure retry delete recreate delete-db interactive " CLI_WAIT, "one.vm.recover",
     "id {failure=0,success=1,retry=2,delete=3,recreate=4,delete-db=5}", CLI_AT_REST, 0,
     cli_vm_recover,
     "Decides about a machine that hangs or failed. Say how, with one of the options."},
    {NULL, "resubmit delete-recreate", "vm...", CLI_WAIT, "one.vm.recover", "id 4", "RUNNING", 0,
     NULL,
     "Removes a machine from its host and starts it again as new. The same as recover --recreate."},

    {"Change", "rename", "vm text:name", NULL, "one.vm.rename", "id $1", NULL, 0, NULL,
     "Renames a machine."},
    {NULL, "update", "vm file?", "append", "one.vm.update", "id @template #append", NULL, 0, NULL,
     "Changes a machine's own attributes. From a file, from standard input, or in the editor."},
    {NULL, "updateconf", "vm file?", "append " CLI_WAIT, "one.vm.updateconf",
     "id @template #append", CLI_AT_REST, 0, NULL,
     "Changes a machine's configuration. OS, FEATURES, INPUT, GRAPHICS, VIDEO, RAW, CPU_MODEL and "
     "CONTEXT; from a file, from standard input, or in the editor."},
    {NULL, "resize", "vm...", "cpu vcpu memory file enforce " CLI_WAIT, NULL, NULL, CLI_AT_REST, 0,
     cli_vm_resize,
     "Changes processor and memory of a machine. One that runs has room up to its VCPU_MAX and "
     "MEMORY_MAX."},
    {NULL, "lock", "vm...", "use manage admin lock-all", "one.vm.lock",
     "id {4,use=1,manage=2,admin=3,lock-all=4} no", NULL, 0, NULL,
     "Protects a machine from being changed. From every action unless an option tells less."},
    {NULL, "unlock", "vm...", NULL, "one.vm.unlock", "id", NULL, 0, NULL,
     "Takes the protection off."},
    {NULL, "chmod", "vm... text:octet", NULL, NULL, NULL, NULL, 0, cli_run_chmod,
     "Sets the rights of owner, group and others. Three digits, each the sum of 4 (use), 2 "
     "(manage) and 1 (administer): 640."},
    {NULL, "chown", "vm... user group?", NULL, "one.vm.chown", "id $1 $2:-1", NULL, 0, NULL,
     "Gives a machine to another user, and group."},
    {NULL, "chgrp", "vm... group", NULL, "one.vm.chown", "id -1 $1", NULL, 0, NULL,
     "Gives a machine to another group."},

    {"Disks, network cards, snapshots", "disk-attach", "vm",
     "file image source target prefix disk-type disk-size format cache discard " CLI_WAIT, NULL,
     NULL, CLI_AT_REST, 0, cli_vm_disk_attach,
     "Attaches a disk, also to a machine that runs. An image, a file of the hosts (--source), or "
     "an empty one with --type and --size."},
    {NULL, "disk-detach", "vm number:diskid", CLI_WAIT, "one.vm.detach", "id $1", CLI_AT_REST, 0,
     NULL,
     "Detaches a disk, and removes it. When a guest does not let go of it, it stays and the "
     "machine's log tells."},
    {NULL, "disk-resize", "vm number:diskid text:size", CLI_WAIT, "one.vm.diskresize", "id $1 $2",
     CLI_AT_REST, 0, NULL, "Makes a disk larger. The size is in MiB."},
    {NULL, "disk-saveas", "vm number:diskid text:img_name", "image-type snapshot",
     "one.vm.disksaveas", "id $1 $2 +image-type %snapshot:-1", NULL, 0, NULL,
     "Saves a disk as a new image. Of the type of the disk's image unless --type tells another."},
    {NULL, "save", "vm text:name", "image-persistent wait-timeout", NULL, NULL, "POWEROFF", 0,
     cli_vm_save,
     "Makes a template of a machine that is off, to make others like it. A copy of the template it "
     "was made from, with its capacity and cards of now; each disk of an image is saved as a new "
     "image, NAME-disk-0 and so on."},
    {NULL, "disk-snapshot-create", "vm number:diskid text:name", CLI_SCHEDULE " " CLI_WAIT,
     "one.vm.disksnapshotcreate", "id $1 $2", CLI_AT_REST, 0, cli_act,
     "Takes a snapshot of a disk. It is a copy beside the disk, also while the guest runs."},
    {NULL, "disk-snapshot-delete", "vm number:diskid number:snapshot_id", CLI_SCHEDULE " " CLI_WAIT,
     "one.vm.disksnapshotdelete", "id $1 $2", CLI_AT_REST, 0, cli_act,
     "Deletes a snapshot of a disk."},
    {NULL, "disk-snapshot-list", "vm number:diskid", CLI_FORMATS, NULL, NULL, NULL, 0,
     cli_vm_disk_snapshots, "Lists the snapshots of a disk. An arrow marks the one it is made of."},
    {NULL, "disk-snapshot-revert", "vm number:diskid number:snapshot_id", CLI_SCHEDULE " " CLI_WAIT,
     "one.vm.disksnapshotrevert", "id $1 $2", CLI_AT_REST, 0, cli_act,
     "Puts a disk of a machine that is off back to a snapshot."},
    {NULL, "disk-snapshot-rename", "vm number:diskid number:snapshot_id text:name", NULL,
     "one.vm.disksnapshotrename", "id $1 $2 $3", NULL, 0, NULL, "Renames a snapshot of a disk."},
    {NULL, "nic-attach", "vm", "file network bridge ip mac model target nic-name " CLI_WAIT, NULL,
     NULL, CLI_AT_REST, 0, cli_vm_nic_attach,
     "Attaches a network card, also to a machine that runs. An alias of a card (NIC_ALIAS) stands "
     "in the template that the machine is made of."},
    {NULL, "nic-detach", "vm number:nicid", CLI_WAIT, "one.vm.detachnic", "id $1", CLI_AT_REST, 0,
     NULL, "Detaches a network card."},
    {NULL, "nic-update", "vm number:nicid file?", "append " CLI_WAIT, "one.vm.updatenic",
     "id $1 @template #append", CLI_AT_REST, 0, NULL, "Changes a network card."},
    {NULL, "sg-attach", "vm number:nicid secgroup", NULL, "one.vm.attachsg", "id $1 $2", NULL, 0,
     NULL, "Puts a network card into a security group."},
    {NULL, "sg-detach", "vm number:nicid secgroup", NULL, "one.vm.detachsg", "id $1 $2", NULL, 0,
     NULL, "Takes a network card out of a security group."},
    {NULL, "pci-attach", "vm", "file pci-short-address pci-device pci-vendor pci-class", NULL, NULL,
     NULL, 0, cli_vm_pci_attach,
     "Gives a PCI device of its host to a machine that is off. One that is free and is what the "
     "options say; of an undeployed machine the host is chosen to have one."},
    {NULL, "pci-detach", "vm number:pciid", NULL, "one.vm.detachpci", "id $1", NULL, 0, NULL,
     "Takes a PCI device from a machine that is off."},
    {NULL, "exec", "vm... text:command", "exec-stdin", "one.vm.exec", "id $1 +exec-stdin", NULL, 0,
     NULL,
     "Runs a command in the guest, by its agent. What becomes of it is shown by `onevm show`."},
    {NULL, "exec-retry", "vm...", NULL, "one.vm.retryexec", "id", NULL, 0, NULL,
     "Runs the last command once more."},
    {NULL, "exec-cancel", "vm...", NULL, "one.vm.cancelexec", "id", NULL, 0, NULL,
     "Ends the command that is executing."},
    {NULL, "vmgroup-add", "vm vmgroup text:role", NULL, "one.vm.vmgroupadd", "id $1 $2", NULL, 0,
     NULL, "Gives a machine a role in a VM group."},
    {NULL, "vmgroup-del", "vm", NULL, "one.vm.vmgroupdel", "id", NULL, 0, NULL,
     "Takes a machine out of its VM group."},
    {NULL, "snapshot-create", "vm... text:name?", CLI_SCHEDULE " " CLI_WAIT,
     "one.vm.snapshotcreate", "id $1:", CLI_AT_REST, 0, cli_act,
     "Takes a snapshot of a running machine, memory and disks. The disks must be of format qcow2."},
    {NULL, "snapshot-delete", "vm number:snapshot_id", CLI_SCHEDULE " " CLI_WAIT,
     "one.vm.snapshotdelete", "id $1", CLI_AT_REST, 0, cli_act, "Deletes a snapshot of a machine."},
    {NULL, "snapshot-list", "vm", CLI_FORMATS, NULL, NULL, NULL, 0, cli_vm_snapshots,
     "Lists the snapshots of a machine."},
    {NULL, "snapshot-revert", "vm number:snapshot_id", CLI_SCHEDULE " " CLI_WAIT,
     "one.vm.snapshotrevert", "id $1", CLI_AT_REST, 0, cli_act,
     "Puts a machine back to a snapshot. It goes on from that moment."},

    {"Scheduled actions", "sched-add", "vm file?", NULL, "one.vm.schedadd", "id @new", NULL, 0,
     cli_run_new,
     "Schedules an action. From a file or from standard input: SCHED_ACTION = [ ACTION = ..., TIME "
     "= ... ]. The same as the action's own command with --schedule."},
    {NULL, "create-chart", "vm text:steps...?", NULL, NULL, NULL, NULL, 0, cli_vm_create_chart,
     "Schedules several actions, each so long after the one before. Such as suspend+14d "
     "terminate+14d, which is what is done when no steps are named; units are s, m, h and d."},
    {NULL, "sched-update update-chart", "vm number:sched_id file?", NULL, "one.vm.schedupdate",
     "id $1 @new", NULL, 0, NULL,
     "Changes a scheduled action. From a file or from standard input; what it does not say stays."},
    {NULL, "sched-delete delete-chart", "vm number:sched_id", NULL, "one.vm.scheddelete", "id $1",
     NULL, 0, NULL, "Deletes a scheduled action."},
    {"Backups", "backup", "vm...", "datastore reset-series " CLI_SCHEDULE " " CLI_WAIT,
     "one.vm.backup", "id =datastore ?reset-series", CLI_AT_REST, 0, cli_act,
     "Backs a machine up. To the datastore that -d names, or that of its last backup; with --reset "
     "a new series of increments begins."},
    {NULL, "backup-cancel", "vm...", CLI_WAIT, "one.vm.backupcancel", "id", CLI_AT_REST, 0, NULL,
     "Gives up the backup that is being made of a machine."},
    {NULL, "backup-mode backupmode", "vm text:mode", NULL, NULL, NULL, NULL, 0, cli_vm_backup_mode,
     "Sets how a machine is backed up: FULL or INCREMENT."},
    {NULL, "restore", "vm image", "disk-id increment " CLI_WAIT, "one.vm.restore",
     "id $1 %increment:-1 %disk-id:-1", "POWEROFF", 0, NULL,
     "Puts disks of a machine that is off back to a backup. All that the backup holds unless "
     "--disk-id names one; the newest increment unless --increment names another."},
    {NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL},
};

const CliKind cli_vm = {
    .word = "vm",
    .program = "onevm",
    .noun = "machine",
    .plural = "machines",
    .element = "VM",
    .info = "one.vm.info",
    .pool = "one.vmpool.info",
    .pool_arguments = "-2 -1 -1 -1",
    .about = "Virtual machines: creates them, shows them, starts, stops and moves them.",
    .examples = "  onevm create web.one --wait           create and wait until it runs\n"
                "  onevm create --name web --cpu 1 --memory 512 --disk /srv/web.img\n"
                "  onevm list -f STAT=runn -l ID,NAME,HOST\n"
                "  onevm deploy web node02               on this host\n"
                "  onevm migrate web node03 --live --wait\n"
                "  onevm evaluate web --to node02        how well it moves, as a page with charts\n"
                "  onevm suspend web --schedule 18:00 --weekly 1,2,3,4,5\n"
                "  onevm poweroff 3,5..9 --wait && echo all are off\n",
    .commands = commands,
    .columns = cli_vm_columns,
    .list = "ID,USER,GROUP,NAME,STAT,CPU,MEM,HOST,TIME",
    .state = cli_vm_state,
    .state_named = cli_vm_state_named,
    .state_number = cli_vm_state_number,
};
