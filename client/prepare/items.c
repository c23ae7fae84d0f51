#include "client/prepare/items.h"

#include <string.h>

const PrepareHypervisor prepare_hypervisors[] = {
    {"kvm", "qemu:///system",
     "libvirt-daemon-system libvirt-clients $machine qemu-utils "
     "nftables sudo"},
    {"qemu", "qemu:///system",
     "libvirt-daemon-system libvirt-clients $machine qemu-utils "
     "nftables sudo"},
    {"lxc", "", "lxc uidmap e2fsprogs xz-utils zstd bzip2 qemu-utils nftables sudo"},
    {"lxd", "", "lxd lxd-client socat nftables sudo"},
    {"lxc_libvirt", "lxc:///system",
     "libvirt-daemon-system libvirt-clients libvirt-daemon-driver-lxc "
     "nftables sudo"},
    {"xen", "xen:///system",
     "xen-system-amd64 libvirt-daemon-system libvirt-clients libvirt-daemon-driver-xen "
     "nftables sudo"},
    {NULL},
};

/* The script becomes bytes of this program, with a NUL after them. SConstruct makes the object
 * depend on it. */
__asm__(".section .rodata\n"
        "prepare_script_text:\n"
        ".incbin \"client/prepare/items.sh\"\n"
        ".byte 0\n"
        ".previous\n");
extern const char prepare_script_text[] __attribute__((visibility("hidden")));

const char *prepare_script(void)
{
    return prepare_script_text;
}

const PrepareItem prepare_items[] = {
    {"system", PHASE_HOST, FALSE, FALSE,
     "A system whose packages are known: Debian 11, Ubuntu 22.04, or later."},
    {"cpu", PHASE_HOST, FALSE, TRUE, "Virtualization by the processor, for KVM; dom0, for Xen."},
    {"packages", PHASE_HOST, FALSE, TRUE,
     "libvirt and the hypervisor, from the system's own packages."},
    {"user", PHASE_HOST, FALSE, TRUE,
     "The user as whom the front-end comes, and to whom disks belong."},
    {"key", PHASE_HOST, FALSE, TRUE,
     "The front-end's public key, so that its drivers come in without a password."},
    {"lxc", PHASE_HOST, FALSE, TRUE,
     "LXC starts containers there, and that user may run it as root, by sudo."},
    {"lxd", PHASE_HOST, FALSE, TRUE,
     "LXD answers that user, has room for containers, and other hosts can fetch them from it."},
    {"criu", PHASE_HOST, FALSE, TRUE,
     "CRIU that this kernel works with, for live moves of containers; else Debian's next one."},
    {"libvirt", PHASE_HOST, FALSE, TRUE, "libvirtd runs, and that user may use it."},
    {"owner", PHASE_HOST, FALSE, TRUE,
     "QEMU runs as the owner of the disks, and libvirt leaves their ownership alone."},
    {"mount", PHASE_HOST, FALSE, TRUE,
     "The storage that hosts share, when --nfs names it: a line of /etc/fstab, mounted."},
    {"datastores", PHASE_HOST, FALSE, TRUE,
     "The directory of the machines' disks, at the same path everywhere."},
    {"bridge", PHASE_HOST, FALSE, TRUE,
     "The bridge of the machines' network cards; made only when --bridge and --nic name it."},
    {"network", PHASE_HOST, FALSE, TRUE,
     "That user may make the bridges and rules of networks: by sudo, for few programs."},
    {"clock", PHASE_HOST, FALSE, TRUE,
     "Within two seconds of the front-end's: guests get their time from the host."},
    {"rootkey", PHASE_HOST, FALSE, TRUE,
     "A key of root's own, made on the host, for migrations from host to host."},
    {"names", PHASE_TRUST, FALSE, TRUE,
     "Hosts know each other's names and addresses; migrations use them."},
    {"trust", PHASE_TRUST, FALSE, TRUE,
     "Hosts accept each other's keys, and know each other's host keys."},
    {"peers", PHASE_PROOF, FALSE, FALSE, "Proof: root reaches the other hosts by ssh."},
    {"access", PHASE_PROOF, TRUE, FALSE,
     "Proof: the front-end comes in as that user and uses libvirt, LXC or LXD, as the drivers "
     "will."},
    {NULL},
};

char *prepare_check_call(const PrepareItem *item)
{
    return g_strdup_printf("check_%s\n", item->name);
}

char *prepare_fix_call(const PrepareItem *item)
{
    return g_strdup_printf("fix_%s\n", item->name);
}

const PrepareItem *prepare_item_named(const char *name, gsize length)
{
    for (const PrepareItem *item = prepare_items; item->name != NULL; item++)
        if (strlen(item->name) == length && strncmp(item->name, name, length) == 0)
            return item;
    return NULL;
}

const PrepareHypervisor *prepare_hypervisor_named(const char *name)
{
    for (const PrepareHypervisor *row = prepare_hypervisors; row->name != NULL; row++)
        if (strcmp(row->name, name) == 0)
            return row;
    return NULL;
}

char *prepare_item_names(void)
{
    GString *names = g_string_new(NULL);
    for (const PrepareItem *item = prepare_items; item->name != NULL; item++)
        g_string_append_printf(names, "%s%s", names->len > 0 ? " " : "", item->name);
    return g_string_free(names, FALSE);
}

char *prepare_hypervisor_names(void)
{
    GString *names = g_string_new(NULL);
    for (const PrepareHypervisor *row = prepare_hypervisors; row->name != NULL; row++)
        g_string_append_printf(names, "%s%s", names->len > 0 ? " " : "", row->name);
    return g_string_free(names, FALSE);
}
