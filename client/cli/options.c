#include "client/cli/options.h"

#include <string.h>

static const CliOption all[] = {
    /* Everywhere. */
    {"user", 0, "user", "NAME",
     "Act as this user; asks for the password when --password is missing."},
    {"password", 0, "password", "WORD", "Password or token of --user."},
    {"endpoint", 0, "endpoint", "URL", "Address of the server, such as http://node01:2633/RPC2."},
    {"verbose", 'v', "verbose", NULL, "Say what is done."},
    {"help", 'h', "help", NULL, "Explain the command."},
    {"version", 'V', "version", NULL, "Print the version."},

    /* How an answer is printed. */
    {"xml", 'x', "xml", NULL, "Print XML, as the server sent it."},
    {"json", 'j', "json", NULL, "Print JSON."},
    {"yaml", 'y', "yaml", NULL, "Print YAML."},
    {"list", 'l', "list", "COLUMNS",
     "Columns to show, with commas between them; --describe names them all."},
    {"csv", 0, "csv", NULL, "Print comma-separated values, nothing cut."},
    {"csv-del", 0, "csv-del", "CHAR", "Separator for --csv instead of the comma."},
    {"filter", 'f', "filter", "CONDITIONS",
     "Show only rows that fit: COLUMN, operator, value; operators = != < <= > >= and ~ (contains). "
     "Several with commas between them. Example: -f STAT=runn,CPU>=2"},
    {"operator", 0, "operator", "AND|OR",
     "How several conditions of --filter are joined; AND unless told."},
    {"order", 'o', "sort", "COLUMNS",
     "Sort by these columns; a minus sign in front means from the highest."},
    {"order", 0, "order", "COLUMNS", "The same as --sort."},
    {"no-header", 0, "no-header", NULL, "Leave the line of column names out."},
    {"size", 's', "size", "NAME=N", "Other widths for columns: NAME=25,HOST=20."},
    {"adjust", 0, "adjust", "COLUMNS", "Make these columns as wide as their longest value."},
    {"expand", 0, "expand", NULL,
     "Widen columns so that no name is cut, as far as the width allows. Usual on a terminal."},
    {"no-expand", 0, "no-expand", NULL, "Keep the fixed widths on a terminal too."},
    {"describe", 0, "describe", NULL, "Explain the columns."},
    {"numeric", 'n', "numeric", NULL, "Ids of users and groups instead of their names."},
    {"no-color", 0, "no-color", NULL,
     "No colours; there are none anyway unless on a terminal. NO_COLOR does the same."},
    {"pager", 0, "pager", NULL, "Show through ONE_PAGER or less."},
    {"no-pager", 0, "no-pager", NULL, "No pager: the usual way."},
    {"delay", 'd', "delay", "SECONDS", "Time between two looks; 5 unless told."},
    {"count", 0, "count", "N", "End after so many looks."},
    {"state", 0, "state", "STATE",
     "Only machines in this state; `done` shows the ended ones, `any` all."},
    {"extended", 0, "extended", NULL, "All that is known of each machine (with -x, -j or -y)."},
    {"show-all", 0, "all", NULL, "Show all of the template."},
    {"decrypt", 0, "decrypt", NULL, "Ask for encrypted attributes in plain text."},

    /* Waiting. */
    {"wait", 0, "wait", "[=STATE]", "Wait until it is done, or until the given state is reached."},
    {"wait-timeout", 0, "wait-timeout", "SECONDS", "Longest wait; 300 unless told."},

    /* Changing things. */
    {"append", 'a', "append", NULL, "Add to the present attributes instead of replacing them all."},
    {"enforce", 'e', "enforce", NULL, "Refuse when the host has not enough free capacity."},
    {"hard", 0, "hard", NULL, "At once, without asking the guest."},
    {"schedule", 0, "schedule", "TIME",
     "Not now but then: \"2027-01-31 18:00\", \"01/31 18:00\", \"18:00\", now+2h, seconds since "
     "1970, or +3600 for an hour after the machine was made."},
    {"weekly", 0, "weekly", "DAYS",
     "And again on these days of the week, 0 (Sunday) to 6: 1,2,3,4,5."},
    {"monthly", 0, "monthly", "DAYS", "And again on these days of the month: 1,15."},
    {"yearly", 0, "yearly", "DAYS", "And again on these days of the year, from 0: 0,182."},
    {"hourly", 0, "hourly", "HOURS", "And again every so many hours."},
    {"sched-end", 0, "end", "NUMBER|TIME", "How often in all, or not after this time."},
    {"live", 0, "live", NULL,
     "While the guest goes on running; a container that cannot is stopped, moved and started "
     "anew."},
    {"poff", 0, "poff", NULL, "Power the guest off for the move."},
    {"poff-hard", 0, "poff-hard", NULL, "Power the guest off for the move without asking it."},
    {"max-downtime", 0, "max-downtime", "TIME",
     "Longest standstill of the guest at the switch: 50ms, 1s; milliseconds without a unit."},
    {"bandwidth", 0, "bandwidth", "RATE",
     "Most that the migration may send: 100M, 1G; MiB/s without a unit."},
    {"time-limit", 0, "time-limit", "TIME",
     "Give up after this time: 60s, 5m; the machine then goes on where it was."},
    {"auto-converge", 0, "auto-converge", "[=YES|NO]",
     "Slow the guest down when it writes memory faster than it can be sent, or never."},
    {"postcopy", 0, "postcopy", "[=YES|NO]",
     "Let the guest go on at the destination before all memory is there, or never."},
    {"peer2peer", 0, "peer2peer", "[=YES|NO]",
     "The hosts lead it between themselves, so that it goes on without us; or not."},
    {"tls", 0, "tls", "[=YES|NO]", "Encrypt what is sent, with the hosts' certificates."},
    {"tunnel", 0, "tunnel", "[=YES|NO]", "Send through the connection of the libvirt daemons."},
    {"compressed", 0, "compressed", "[=YES|NO]", "Compress what is sent."},
    {"live-only", 0, "live-only", "[=YES|NO]",
     "Of containers: fail rather than stop it, or send its disks, when it cannot move live."},
    {"success", 0, "success", NULL,
     "Go on as if the hanging action had succeeded. Of a live migration both hosts are asked "
     "first."},
    {"failure", 0, "failure", NULL,
     "Go on as if the hanging action had failed. Of a live migration both hosts are asked first."},
    {"retry", 0, "retry", NULL, "Do the last action again."},
    {"delete", 0, "delete", NULL, "Remove it, whatever its state."},
    {"recreate", 0, "recreate", NULL,
     "Remove the machine from its host and start it again as new."},
    {"delete-db", 0, "delete-db", NULL, "Forget the machine without touching any host."},
    {"interactive", 'i', "interactive", NULL, "Show the machine and ask what to do."},
    {"use", 0, "use", NULL, "Lock every action."},
    {"manage", 0, "manage", NULL, "Lock what changes the object."},
    {"admin", 0, "admin", NULL, "Lock administration."},
    {"lock-all", 0, "all", NULL, "Lock every action."},

    /* Machines: a template from options. */
    {"name", 0, "name", "NAME", "Name of the new machine; %i becomes its number with --multiple."},
    {"cpu", 0, "cpu", "CPU", "Share of host processors: 1 is one processor, 0.5 half of one."},
    {"vcpu", 0, "vcpu", "N", "Processors that the guest sees."},
    {"memory", 0, "memory", "SIZE", "Memory in MiB; 512m, 2g and 0.5g work too."},
    {"arch", 0, "arch", "ARCH", "Architecture of the guest: x86_64, aarch64, ..."},
    {"disk", 0, "disk", "DISK",
     "A disk: the name of an image, or /path of a file, and more behind colons: "
     "/srv/a.img:target=vda:clone=no. May be repeated, or commas between."},
    {"nic", 0, "nic", "NIC",
     "A network card: the name of a network, or bridge=br0, and more behind colons: "
     "bridge=br0:model=virtio. May be repeated, or commas between."},
    {"raw", 0, "raw", "TEXT", "Lines to add to the template as they are. May be repeated."},
    {"boot", 0, "boot", "DEVICES", "Order of boot devices: disk0,nic0."},
    {"vnc", 0, "vnc", NULL, "A VNC screen."},
    {"vnc-password", 0, "vnc-password", "WORD", "Password of the VNC screen."},
    {"vnc-listen", 0, "vnc-listen", "ADDRESS", "Address on which VNC listens."},
    {"vnc-keymap", 0, "vnc-keymap", "LAYOUT", "Keyboard of the VNC screen, such as de."},
    {"spice", 0, "spice", NULL, "A SPICE screen."},
    {"spice-password", 0, "spice-password", "WORD", "Password of the SPICE screen."},
    {"spice-listen", 0, "spice-listen", "ADDRESS", "Address on which SPICE listens."},
    {"spice-keymap", 0, "spice-keymap", "LAYOUT", "Keyboard of the SPICE screen."},
    {"video", 0, "video", "TYPE", "Video device: none, vga, cirrus, virtio."},
    {"video-vram", 0, "video-vram", "SIZE", "Its memory in MiB; 16m and 1g work too."},
    {"video-resolution", 0, "video-resolution", "WIDTHxHEIGHT", "Its resolution: 1920x1080."},
    {"video-iommu", 0, "video-iommu", NULL, "With an IOMMU for it."},
    {"video-ats", 0, "video-ats", NULL, "With address translation services for it."},
    {"ssh", 0, "ssh", "[FILE]", "Give the guest this public key; ~/.ssh/id_*.pub unless told."},
    {"net-context", 0, "net_context", NULL, "Give the guest its network settings."},
    {"context", 0, "context", "LINES", "Lines for the guest's context: A=1,B=2."},
    {"files-ds", 0, "files_ds", "IMAGES",
     "Files for the guest's context: names of images of type CONTEXT, with commas between."},
    {"init-scripts", 0, "init", "FILES",
     "Which of these are run when the guest starts: a.sh,b.sh."},
    {"startscript", 0, "startscript", "FILE", "Script that the guest runs when it starts."},
    {"hold", 0, "hold", NULL, "Create on hold; `onevm release` lets it start."},
    {"multiple", 'm', "multiple", "N", "Create so many machines of it."},
    {"dry", 0, "dry", NULL, "Only print the template."},

    /* Accounting. */
    {"acct-start", 0, "start", "TIME", "Only what was there after this time: 2026-11-01."},
    {"acct-end", 0, "end", "TIME", "Only what was there before this time."},
    {"acct-user", 'u', "userfilter", "NAME", "Only machines of this user."},
    {"show-start", 0, "start", "MONTH", "The first month: 10/2026."},
    {"show-end", 0, "end", "MONTH", "The last month."},

    /* Networks and security groups. */
    {"size-n", 's', "size", "N", "How many addresses."},
    {"first-ip", 'i', "ip", "ADDRESS", "The first address."},
    {"first-mac", 'm', "mac", "ADDRESS", "The first hardware address."},
    {"ip6", '6', "ip6", "ADDRESS", "The first address of version 6."},
    {"ip6-global", 'g', "ip6-global", "PREFIX",
     "Prefix of global addresses of version 6, made from the hardware addresses."},
    {"ip6-global", 'g', "ip6_global", "PREFIX", "The same as --ip6-global."},
    {"ip6-ula", 'u', "ip6-ula", "PREFIX", "Prefix of unique local addresses of version 6."},
    {"ip6-ula", 'u', "ip6_ula", "PREFIX", "The same as --ip6-ula."},
    {"ar", 'a', "address-range", "AR_ID", "Only this range of addresses."},
    {"ar", 'a', "address_range", "AR_ID", "The same as --address-range."},
    {"held-too", 0, "force", NULL, "Also when addresses of it are on hold."},
    {"left-over", 'r', "recover", NULL, "Only into those machines that have not got them yet."},
    {"new-name", 'n', "name", "NAME", "Name of what is made."},

    /* Templates. */
    {"machine-name", 0, "name", "NAME",
     "Name of the machine; %i becomes its number with --multiple."},
    {"persistent", 0, "persistent", NULL,
     "Give the machine a copy of the template of its own, which can be changed with it."},
    {"user-inputs", 0, "user-inputs", "NAME=VALUE,...", "Answers to what the template asks for."},
    {"user-inputs", 0, "user_inputs", "NAME=VALUE,...", "The same as --user-inputs."},

    /* Backups. */
    {"reset-series", 0, "reset", NULL, "Begin a new series of increments."},
    {"disk-id", 0, "disk-id", "ID", "Only this disk of the backup."},
    {"increment", 0, "increment", "ID", "This increment of the backup, not the newest."},
    {"no-ip", 0, "no_ip", NULL, "The template shall not ask for the addresses of then."},
    {"no-nic", 0, "no_nic", NULL, "The template shall have no network cards."},

    {"job-vms", 0, "vms", "MACHINES", "Machines to back up, by id or name: 0,3,web."},
    {"job-keep", 0, "keep", "N", "Keep so many backups of each machine."},
    {"job-mode", 0, "mode", "MODE", "FULL or INCREMENT."},

    /* Images. */
    {"datastore", 'd', "datastore", "DATASTORE", "Datastore to put it into, by id or name."},
    {"image-name", 0, "name", "NAME", "Name of the image."},
    {"description", 0, "description", "TEXT", "What it is for."},
    {"image-persistent", 0, "persistent", NULL, "What a machine writes shall stay in it."},
    {"image-size", 0, "size", "SIZE", "Size in MiB; 512m and 10g work too."},
    {"image-path", 0, "path", "PATH",
     "Copy it from there: a file of the server's computer, or an address of http or https."},
    {"image-source", 0, "source", "SOURCE",
     "What is in the datastore already. For administrators."},
    {"image-format", 0, "format", "FORMAT", "Format: raw, qcow2 ..."},
    {"image-driver", 0, "driver", "FORMAT", "The same as --format, as older scripts say it."},
    {"image-fs", 0, "fs", "FS", "File system to make in an empty image: ext4 ..."},
    {"image-target", 0, "target", "DEVICE", "Name of the device in guests, such as vda."},
    {"image-disk-type", 0, "disk_type", "TYPE", "Kind of disk: BLOCK, CDROM, FILE ..."},
    {"md5", 0, "md5", "SUM", "MD5 of what --path names; nothing is made when it differs."},
    {"image-sha1", 0, "sha1", "SUM", "The same with SHA-1."},
    {"image-sha256", 0, "sha256", "SUM", "The same with SHA-256."},
    {"no-check", 0, "no_check_capacity", NULL,
     "Do not look at the free space of the datastore. For administrators."},
    {"recursive", 0, "recursive", NULL, "The images of its disks too."},
    {"image-force", 0, "force", NULL,
     "Also while its driver works on it, and also when the driver cannot remove it."},

    /* Apps. */
    {"market", 'm', "market", "MARKETPLACE", "Marketplace to put it into, by id or name."},
    {"market", 'm', "marketplace", "MARKETPLACE", "The same as --market."},
    {"origin-image", 'i', "image", "IMAGE", "Image that is copied there, by id or name."},
    {"vm-name", 't', "vmname", "NAME", "Name of the template; that of the image unless told."},
    /* Hooks. */
    {"execution", 'e', "execution", "ID", "Number of an execution."},
    {"failed-runs", 0, "error", NULL, "Only executions that failed."},
    {"good-runs", 0, "success", NULL, "Only executions that ended with code 0."},
    {"hook-id", 0, "hook-id", "ID", "Only executions of this hook."},
    {"since", 0, "since", "DATE", "From then on: 09/19/26, \"09/19/26 14:05\", seconds."},
    {"until", 0, "until", "DATE", "Up to then: the same."},

    /* Machines: what is attached to them. */
    {"file", 'f', "file", "FILE", "Read the template from this file."},
    {"image", 'i', "image", "IMAGE", "Image to attach, by id or name."},
    {"source", 0, "source", "PATH", "File of the hosts to attach a copy of."},
    {"format", 0, "format", "FORMAT", "Format of the disk: raw, qcow2, ext4 ..."},
    {"cache", 'c', "cache", "MODE", "How the host caches the disk: none, writethrough ..."},
    {"network", 'n', "network", "NETWORK", "Network to attach to, by id or name."},
    {"bridge", 0, "bridge", "BRIDGE", "Bridge to attach to."},
    {"target", 't', "target", "DEVICE", "Name of the device in the guest, such as vdb."},
    {"prefix", 'p', "prefix", "PREFIX", "Kind of device name: vd, sd, hd, xvd."},
    {"disk-type", 0, "type", "TYPE", "Type of a disk without image: fs or swap."},
    {"disk-size", 0, "size", "MIB", "Size of a disk without image, in MiB."},
    {"model", 0, "model", "MODEL", "Model of the network card, such as virtio."},
    {"ip", 0, "ip", "ADDRESS", "Address that the card shall have."},
    {"float", 0, "float", NULL, "All machines of the router share an address."},
    {"float-only", 0, "float_only", NULL, "They have none of their own beside it."},
    {"management", 0, "management", NULL, "The router is managed through this card."},
    {"mac", 0, "mac", "ADDRESS", "Hardware address that the card shall have."},
    {"pci-short-address", 0, "pci_short_address", "ADDRESS",
     "The device at this address of the host, such as 3b:00.0."},
    {"pci-short-address", 0, "pci", "ADDRESS", "The same as --pci_short_address."},
    {"pci-device", 0, "pci_device", "ID", "A device of this number, such as 1db4."},
    {"pci-vendor", 0, "pci_vendor", "ID", "A device of this vendor, such as 10de."},
    {"pci-class", 0, "pci_class", "ID", "A device of this class, such as 0302."},
    {"image-type", 0, "type", "TYPE", "Type of the new image."},
    {"snapshot", 0, "snapshot", "ID", "Save this snapshot instead of the present content."},
    {"exec-stdin", 0, "stdin", "TEXT", "What the command reads on its standard input."},
    {"nic-id", 0, "nic-id", "ID", "The network card to use."},
    {"ssh-command", 0, "cmd", "COMMAND", "Run this there instead of a shell."},
    {"ssh-options", 0, "ssh-options", "OPTIONS", "For ssh itself: \"-o ConnectTimeout=5\"."},
    {"sync-db", 0, "db", NULL, "Its database too."},
    {"discard", 0, "discard", "MODE",
     "What becomes of blocks that the guest frees: ignore, unmap."},
    {"nic-name", 0, "name", "NAME", "Name of the card, such as NIC1."},
    {"take-over", 0, "force", NULL, "Take the console from whoever is attached to it."},
    {"console-log", 0, "log", "FILE", "Append what the guest writes to this file, too."},
    {"log-only", 0, "log-only", NULL,
     "With --log: to the file alone; nothing is read here, so that no terminal is needed."},
    {"lines", 0, "lines", "N", "So many of the latest samples; 10 unless told, 0 for all."},

    /* Machines: `evaluate`. */
    {"to", 0, "to", "HOST", "The host to move to, by id or name."},
    {"ping", 0, "ping", NULL, "Ping the guest while it moves."},
    {"sizes", 0, "sizes", "LIST",
     "Move machines of these sizes of memory, made for it: 512M,1G,2G,4G."},
    {"repeat", 0, "repeat", "N", "Move the machine so many times, there and back."},
    {"download", 0, "download", "WHAT",
     "Let the guest download this twice, once during a move: a file here, a URL, or a size such as "
     "64M of made-up bytes."},
    {"output", 0, "output", "DIR", "Write the report there; evaluation-NAME-TIME unless told."},
    {"template", 0, "template", "FILE",
     "Template for the machines that --sizes makes; like the machine unless told."},
    {"pace", 0, "pace", "N", "Pings a second of the faster trace; 20 unless told."},
    {"address", 0, "address", "ADDRESS", "Address of the guest, when its network cards tell none."},
    {"spare", 0, "spare", "ADDRESS",
     "A free address for the machines that --sizes makes, one after the other: they are moved when "
     "they answer there."},
    {"guest-login", 0, "login", "NAME", "For ssh into the guest; root unless told."},
    {"settle", 0, "settle", "SECONDS",
     "Time that a machine of --sizes without --spare is given to start; 30 unless told."},
    {"yes", 0, "yes", NULL, "Do not ask first."},

    /* Hosts. */
    {"im", 'i', "im", "DRIVER", "Information driver: kvm, qemu, xen, lxc, dummy, ..."},
    {"vm", 'v', "vm", "DRIVER", "Virtualization driver: kvm, qemu, xen, lxc, dummy, ..."},
    {"type", 't', "type", "DRIVER", "Both drivers at once."},
    {"cluster", 'c', "cluster", "CLUSTER", "Cluster of what is made, by id or name."},
    {"flush-action", 0, "action", "ACTION",
     "What is done to each machine: resched (unless told), poweroff, poweroff-hard, suspend, stop, "
     "undeploy, undeploy-hard, or delete-recreate, which starts it anew elsewhere."},
    {"net", 0, "net", "DRIVER", "Network driver; accepted from older scripts and not used."},

    /* Preparing servers. */
    {"check", 0, "check", NULL, "Only look; change nothing."},
    {"dry-run", 0, "dry-run", NULL, "Print the commands; connect to nobody."},
    {"hosts-file", 'f', "file", "FILE", "More hosts from this file, # begins a comment there."},
    {"hypervisor", 0, "hypervisor", "NAME",
     "What shall run machines: kvm (unless told), qemu, lxc, xen."},
    {"login", 0, "login", "NAME",
     "Who does the work on the server: root (unless told), or a user with sudo without a "
     "password."},
    {"ask-password", 0, "ask-password", NULL,
     "Ask for the password of --login, for servers that accept no key of yours yet."},
    {"service-user", 0, "service-user", "NAME",
     "The user as whom drivers come; oneadmin unless told."},
    {"public-key", 0, "key", "FILE",
     "Public key of the user who runs oned; ~/.ssh/id_ed25519.pub unless told."},
    {"accept-new", 0, "accept-new", NULL,
     "Pin host keys never seen before without a question. Compare them in the report."},
    {"new-bridge", 0, "bridge", "NAME", "The bridge that machines' network cards shall use."},
    {"bridge-nic", 0, "nic", "CARD", "Make that bridge, with this network card in it."},
    {"nfs", 0, "nfs", "SERVER:/PATH",
     "Mount this at the datastores' directory, now and at each start."},
    {"datastores", 0, "datastores", "DIR",
     "Directory of the machines' disks; /var/lib/one/datastores unless told."},
    {"only", 0, "only", "ITEMS", "Only these items, with commas between."},
    {"skip", 0, "skip", "ITEMS", "All items but these, with commas between."},
    {"parallel", 0, "parallel", "N", "Servers at once; 16 unless told."},
    {"add-host", 0, "add", NULL, "Then add those that are ready to the cloud, as `create` does."},

    /* Users. */
    {"ssh", 0, "ssh", NULL, "With a key of ssh."},
    {"x509", 0, "x509", NULL, "With a certificate."},
    {"key", 'k', "key", "FILE",
     "Private key, RSA or Ed25519, without passphrase. ~/.ssh/id_rsa unless told, with --x509 "
     "~/.one/key.pem."},
    {"cert", 'c', "cert", "FILE",
     "Certificates in PEM, one's own first. ~/.one/cert.pem unless told."},
    {"resources", 0, "resources", "KINDS",
     "What members may make, joined by +: VM+TEMPLATE; \"\" for nothing."},
    {"admin_user", 0, "admin_user", "NAME", "Makes this user, who administers the group."},
    {"admin_password", 0, "admin_password", "PASSWORD",
     "That user's password; asked for without this."},
    {"admin_driver", 0, "admin_driver", "DRIVER", "How that user is authenticated."},
    {"driver", 0, "driver", "DRIVER",
     "How the user is authenticated; core (by password) unless told."},
    {"read-file", 'r', "read-file", NULL, "The password is the content of the file of that name."},
    {"sha1", 0, "sha1", NULL,
     "Send the SHA-1 digest of the password instead of it, as clients up to 2.2 did."},
    {"sha256", 0, "sha256", NULL, "Send the SHA-256 digest of the password as the password."},
    {"group", 0, "group", "GROUPS",
     "Groups by id or name, with commas between; the first is the primary one."},
    {"time", 0, "time", "SECONDS", "How long the token is valid; 36000 unless told, -1 for ever."},
    {"force", 0, "force", NULL, "Replace the file even if it holds something else."},
    {"egid", 0, "group", "GROUP", "The token acts with this group only."},
    {"token", 0, "token", "BEGINNING", "The token that begins so."},
    {"global", 0, "global", NULL, "The token for all groups that lasts longest."},
};

const CliOption *cli_option_row(const char *key)
{
    for (guint i = 0; i < G_N_ELEMENTS(all); i++)
        if (strcmp(all[i].key, key) == 0)
            return &all[i];
    return NULL;
}

char *cli_option_usage(const CliOption *option)
{
    GString *text = g_string_new(NULL);
    if (option->letter != 0)
        g_string_append_printf(text, "-%c, ", option->letter);
    g_string_append_printf(text, "--%s", option->name);
    if (option->value != NULL)
        g_string_append_printf(text, "%s%s", g_str_has_prefix(option->value, "[=") ? "" : " ",
                               option->value);
    return g_string_free(text, FALSE);
}

GPtrArray *cli_options_of(const char *keys)
{
    GPtrArray *rows = g_ptr_array_new();
    g_auto(GStrv) words = g_strsplit(keys != NULL ? keys : "", " ", -1);
    for (guint i = 0; words[i] != NULL; i++) {
        const CliOption *row = *words[i] != '\0' ? cli_option_row(words[i]) : NULL;
        if (row != NULL)
            g_ptr_array_add(rows, (gpointer)row);
    }
    return rows;
}

static gboolean has_key(const char *keys, const char *key)
{
    gsize length = strlen(key);
    for (const char *at = keys; at != NULL && (at = strstr(at, key)) != NULL; at += length)
        if ((at == keys || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
            return TRUE;
    return FALSE;
}

const CliOption *cli_option_letter(const char *keys, char letter)
{
    for (guint i = 0; i < G_N_ELEMENTS(all); i++)
        if (all[i].letter == letter && has_key(keys, all[i].key))
            return &all[i];
    return NULL;
}

const CliOption *cli_option_named(const char *keys, const char *name, gsize length,
                                  gboolean *several)
{
    const CliOption *found = NULL;
    *several = FALSE;
    for (guint i = 0; i < G_N_ELEMENTS(all); i++) {
        const CliOption *row = &all[i];
        if (strncmp(row->name, name, length) != 0 || !has_key(keys, row->key))
            continue;
        if (row->name[length] == '\0')
            return row;
        *several = found != NULL;
        found = row;
    }
    return *several ? NULL : found;
}
