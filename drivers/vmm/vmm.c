#include "drivers/vmm/vmm.h"

#include "drivers/common/docker.h"
#include "drivers/common/lxd.h"
#include "drivers/vmm/lxc/lxc.h"

static const DomainDialect kvm = {
    .type = "kvm",
    .os_kernel = "hvm",
    .os_plain = "hvm",
    .prefix = "vd",
    .nic_model = "virtio",
    .traits = DOMAIN_QEMU | DOMAIN_SHARES,
};

static const DomainDialect qemu = {
    .type = "qemu",
    .os_kernel = "hvm",
    .os_plain = "hvm",
    .prefix = "vd",
    .nic_model = "virtio",
    .traits = DOMAIN_QEMU | DOMAIN_SHARES,
};

static const DomainDialect xen = {
    .type = "xen",
    .os_kernel = "linux",
    .os_plain = "hvm",
    .prefix = "xvd",
    .traits = DOMAIN_PARTITIONS | DOMAIN_XEN,
};

static const DomainDialect lxc = {
    .type = "lxc",
    .os_kernel = "exe",
    .os_plain = "exe",
    .prefix = "sd",
    .traits = DOMAIN_CONTAINER | DOMAIN_SHARES,
};

/* no_tty: ssh never asks a question, which nobody would see. */
static const VmmFlavour flavours[] = {
    {"dummy", vmm_dummy_actions},
    {
        .name = "kvm",
        .actions = vmm_libvirt_actions,
        .libvirt = {"qemu:///system", "qemu+ssh://%h/system?no_tty=1"},
        .dialect = &kvm,
        .defaults = "vmm_exec_kvm.conf",
        .abilities = VMM_SAVES | VMM_MIGRATES | VMM_RESETS | VMM_PLUGS_DISKS | VMM_PLUGS_NICS |
                     VMM_SNAPSHOTS | VMM_COPIES | VMM_HERDS,
    },
    {
        .name = "qemu",
        .actions = vmm_libvirt_actions,
        .libvirt = {"qemu:///system", "qemu+ssh://%h/system?no_tty=1"},
        .dialect = &qemu,
        .defaults = "vmm_exec_kvm.conf",
        .abilities = VMM_SAVES | VMM_MIGRATES | VMM_RESETS | VMM_PLUGS_DISKS | VMM_PLUGS_NICS |
                     VMM_SNAPSHOTS | VMM_COPIES | VMM_HERDS,
    },
    {
        .name = "xen",
        .actions = vmm_libvirt_actions,
        .libvirt = {"xen:///system", "xen+ssh://%h/system?no_tty=1"},
        .dialect = &xen,
        .defaults = "vmm_exec_xen.conf",
        .abilities = VMM_SAVES | VMM_MIGRATES | VMM_WEIGHS | VMM_PLUGS_DISKS | VMM_PLUGS_NICS,
    },
    {
        .name = "lxc_libvirt",
        .actions = vmm_libvirt_actions,
        .libvirt = {"lxc:///system", "lxc+ssh://%h/system?no_tty=1"},
        .dialect = &lxc,
        .defaults = "vmm_exec_lxc_libvirt.conf",
        .abilities = VMM_PLUGS_NICS,
    },
    {
        .name = "lxc",
        .actions = lxc_actions,
        .start = lxc_start,
        .look = lxc_presence,
        .defaults = "vmm_exec_lxc.conf",
        .has = "FREEZE",
    },
    {
        .name = "lxd",
        .actions = lxd_actions,
        .rest = &lxd_settings,
        .engine = &lxd_engine,
        .defaults = "vmm_exec_lxd.conf",
        .lacks = "SAVE,RESTORE,MIGRATE,RESET",
        .has = "FREEZE,COLDCHECK,FALLBACK",
    },
    {
        .name = "docker",
        .actions = docker_actions,
        .rest = &docker_settings,
        .engine = &docker_engine,
        .defaults = "vmm_exec_docker.conf",
        .lacks = "MIGRATE,RESET,CARRY",
        .has = "FREEZE,COLDCHECK,FALLBACK",
    },
};

const VmmFlavour *vmm_flavour(const char *name)
{
    for (guint i = 0; i < G_N_ELEMENTS(flavours); i++)
        if (g_str_equal(flavours[i].name, name))
            return &flavours[i];
    return NULL;
}

char *vmm_flavour_lacks(const VmmFlavour *flavour)
{
    static const struct {
        VmmAbilities ability;
        const char *actions;
    } needs[] = {{VMM_SAVES, "SAVE,RESTORE"}, {VMM_MIGRATES, "MIGRATE"}, {VMM_RESETS, "RESET"}};
    GString *lacks = g_string_new(flavour->lacks);
    for (guint i = 0; flavour->dialect && i < G_N_ELEMENTS(needs); i++)
        if (!(flavour->abilities & needs[i].ability))
            g_string_append_printf(lacks, "%s%s", lacks->len ? "," : "", needs[i].actions);
    return g_string_free(lacks, FALSE);
}

char *vmm_flavour_names(void)
{
    GString *names = g_string_new(NULL);
    for (guint i = 0; i < G_N_ELEMENTS(flavours); i++)
        g_string_append_printf(names, "%s%s", i ? " " : "", flavours[i].name);
    return g_string_free(names, FALSE);
}
