/*
 * The drivers that are there without any file, and the driver programs of OpenNebula,
 * new and of 2009, that a program of ours stands in for, so that a file of theirs works
 * here as it is.
 */
#include "server/core/config_private.h"
#include "lib/base/paths.h"

#include <string.h>

const char config_builtin[] =
    "IM_MAD = [ NAME = kvm,   EXECUTABLE = one_im, ARGUMENTS = kvm ]\n"
    "IM_MAD = [ NAME = qemu,  EXECUTABLE = one_im, ARGUMENTS = qemu ]\n"
    "IM_MAD = [ NAME = xen,   EXECUTABLE = one_im, ARGUMENTS = xen ]\n"
    "IM_MAD = [ NAME = lxc,   EXECUTABLE = one_im, ARGUMENTS = lxc ]\n"
    "IM_MAD = [ NAME = lxc_libvirt, EXECUTABLE = one_im, ARGUMENTS = lxc_libvirt ]\n"
    "IM_MAD = [ NAME = lxd,   EXECUTABLE = one_im, ARGUMENTS = lxd ]\n"
    "IM_MAD = [ NAME = docker, EXECUTABLE = one_im, ARGUMENTS = docker ]\n"
    "IM_MAD = [ NAME = dummy, EXECUTABLE = one_im, ARGUMENTS = dummy ]\n"
    "IM_MAD = [ NAME = im_kvm,   EXECUTABLE = one_im, ARGUMENTS = kvm ]\n"
    "IM_MAD = [ NAME = im_xen,   EXECUTABLE = one_im, ARGUMENTS = xen ]\n"
    "IM_MAD = [ NAME = im_qemu,  EXECUTABLE = one_im, ARGUMENTS = qemu ]\n"
    "IM_MAD = [ NAME = im_dummy, EXECUTABLE = one_im, ARGUMENTS = dummy ]\n"
    "VM_MAD = [ NAME = kvm,   EXECUTABLE = one_vmm, ARGUMENTS = kvm,   TYPE = kvm,\n"
    "           SUNSTONE_NAME = KVM, KEEP_SNAPSHOTS = no, LIVE_RESIZE = yes ]\n"
    "VM_MAD = [ NAME = qemu,  EXECUTABLE = one_vmm, ARGUMENTS = qemu,  TYPE = qemu,\n"
    "           SUNSTONE_NAME = QEMU, KEEP_SNAPSHOTS = no, LIVE_RESIZE = yes ]\n"
    "VM_MAD = [ NAME = xen,   EXECUTABLE = one_vmm, ARGUMENTS = xen,   TYPE = xen,\n"
    "           SUNSTONE_NAME = Xen, KEEP_SNAPSHOTS = no, LIVE_RESIZE = yes ]\n"
    "VM_MAD = [ NAME = lxc,   EXECUTABLE = one_vmm, ARGUMENTS = lxc,   TYPE = lxc,\n"
    "           SUNSTONE_NAME = LXC, KEEP_SNAPSHOTS = no, LIVE_RESIZE = yes,\n"
    "           KEEP_MACHINES = yes ]\n"
    "VM_MAD = [ NAME = lxc_libvirt, EXECUTABLE = one_vmm, ARGUMENTS = lxc_libvirt, TYPE = lxc,\n"
    "           SUNSTONE_NAME = \"LXC (libvirt)\", KEEP_SNAPSHOTS = no, LIVE_RESIZE = yes ]\n"
    "VM_MAD = [ NAME = lxd,   EXECUTABLE = one_vmm, ARGUMENTS = lxd,   TYPE = lxd,\n"
    "           SUNSTONE_NAME = LXD, KEEP_SNAPSHOTS = yes, LIVE_RESIZE = yes,\n"
    "           KEEP_MACHINES = yes ]\n"
    "VM_MAD = [ NAME = docker, EXECUTABLE = one_vmm, ARGUMENTS = docker, TYPE = docker,\n"
    "           SUNSTONE_NAME = Docker, LIVE_RESIZE = yes, KEEP_MACHINES = yes ]\n"
    "VM_MAD = [ NAME = dummy, EXECUTABLE = one_vmm, ARGUMENTS = dummy, TYPE = xml,\n"
    "           SUNSTONE_NAME = Testing, KEEP_SNAPSHOTS = yes, LIVE_RESIZE = yes ]\n"
    "VM_MAD = [ NAME = vmm_kvm,   EXECUTABLE = one_vmm, ARGUMENTS = kvm,   TYPE = kvm ]\n"
    "VM_MAD = [ NAME = vmm_xen,   EXECUTABLE = one_vmm, ARGUMENTS = xen,   TYPE = xen ]\n"
    "VM_MAD = [ NAME = vmm_qemu,  EXECUTABLE = one_vmm, ARGUMENTS = qemu,  TYPE = qemu ]\n"
    "VM_MAD = [ NAME = vmm_dummy, EXECUTABLE = one_vmm, ARGUMENTS = dummy, TYPE = xml ]\n"
    "TM_MAD = [ NAME = shared,    EXECUTABLE = one_tm, ARGUMENTS = \"-d shared\" ]\n"
    "TM_MAD = [ NAME = qcow2,     EXECUTABLE = one_tm, ARGUMENTS = \"-d qcow2\" ]\n"
    "TM_MAD = [ NAME = ssh,       EXECUTABLE = one_tm, ARGUMENTS = \"-d ssh\" ]\n"
    "TM_MAD = [ NAME = dummy,     EXECUTABLE = one_tm, ARGUMENTS = \"-d dummy\" ]\n"
    "TM_MAD = [ NAME = tm_shared, EXECUTABLE = one_tm, ARGUMENTS = \"-d shared\" ]\n"
    "TM_MAD = [ NAME = tm_nfs,    EXECUTABLE = one_tm, ARGUMENTS = \"-d shared\" ]\n"
    "TM_MAD = [ NAME = nfs,       EXECUTABLE = one_tm, ARGUMENTS = \"-d shared\" ]\n"
    "TM_MAD = [ NAME = tm_ssh,    EXECUTABLE = one_tm, ARGUMENTS = \"-d ssh\" ]\n"
    "TM_MAD = [ NAME = tm_dummy,  EXECUTABLE = one_tm, ARGUMENTS = \"-d dummy\" ]\n"
    "HM_MAD = [ NAME = one_hem, EXECUTABLE = one_hem ]\n"
    "MARKET_MAD = [ EXECUTABLE = one_market, ARGUMENTS = \"-t 15 -m "
    "http,one,linuxcontainers,dummy\" ]\n"
    "DATASTORE_MAD = [ EXECUTABLE = one_datastore, ARGUMENTS = \"-t 15 -d dummy,fs,rsync\" ]\n"
    "TM_MAD_CONF = [ NAME = shared, LN_TARGET = NONE, CLONE_TARGET = SYSTEM, SHARED = YES,\n"
    "                DS_MIGRATE = YES, DRIVER = raw ]\n"
    "TM_MAD_CONF = [ NAME = qcow2, LN_TARGET = NONE, CLONE_TARGET = SYSTEM, SHARED = YES,\n"
    "                DS_MIGRATE = YES, DRIVER = qcow2 ]\n"
    "TM_MAD_CONF = [ NAME = ssh, LN_TARGET = SYSTEM, CLONE_TARGET = SYSTEM, SHARED = NO,\n"
    "                DS_MIGRATE = YES, DRIVER = raw ]\n"
    "TM_MAD_CONF = [ NAME = dummy, LN_TARGET = NONE, CLONE_TARGET = SYSTEM, SHARED = YES,\n"
    "                DS_MIGRATE = YES ]\n"
    "DS_MAD_CONF = [ NAME = fs, REQUIRED_ATTRS = \"\", PERSISTENT_ONLY = NO ]\n"
    "DS_MAD_CONF = [ NAME = dummy, REQUIRED_ATTRS = \"\", PERSISTENT_ONLY = NO ]\n"
    "MARKET_MAD_CONF = [ NAME = http, REQUIRED_ATTRS = \"BASE_URL,PUBLIC_DIR\",\n"
    "                    APP_ACTIONS = \"create, delete, monitor\" ]\n"
    "MARKET_MAD_CONF = [ NAME = one, REQUIRED_ATTRS = \"\", APP_ACTIONS = monitor, PUBLIC = YES ]\n"
    "MARKET_MAD_CONF = [ NAME = linuxcontainers, REQUIRED_ATTRS = \"\", APP_ACTIONS = monitor,\n"
    "                    PUBLIC = YES ]\n"
    "MARKET_MAD_CONF = [ NAME = dummy, REQUIRED_ATTRS = \"\",\n"
    "                    APP_ACTIONS = \"create, delete, monitor\" ]\n"
    "AUTH_MAD_CONF = [ NAME = core, PASSWORD_CHANGE = YES, DRIVER_MANAGED_GROUPS = NO,\n"
    "                  DRIVER_MANAGED_GROUP_ADMIN = NO, MAX_TOKEN_TIME = -1 ]\n"
    "AUTH_MAD_CONF = [ NAME = public, PASSWORD_CHANGE = NO, DRIVER_MANAGED_GROUPS = NO,\n"
    "                  DRIVER_MANAGED_GROUP_ADMIN = NO, MAX_TOKEN_TIME = -1 ]\n"
    "AUTH_MAD_CONF = [ NAME = ssh, PASSWORD_CHANGE = YES, DRIVER_MANAGED_GROUPS = NO,\n"
    "                  DRIVER_MANAGED_GROUP_ADMIN = NO, MAX_TOKEN_TIME = -1 ]\n"
    "AUTH_MAD_CONF = [ NAME = x509, PASSWORD_CHANGE = NO, DRIVER_MANAGED_GROUPS = NO,\n"
    "                  DRIVER_MANAGED_GROUP_ADMIN = NO, MAX_TOKEN_TIME = -1 ]\n"
    "AUTH_MAD_CONF = [ NAME = ldap, PASSWORD_CHANGE = NO, DRIVER_MANAGED_GROUPS = NO,\n"
    "                  DRIVER_MANAGED_GROUP_ADMIN = NO, MAX_TOKEN_TIME = 86400 ]\n"
    "AUTH_MAD_CONF = [ NAME = server_cipher, PASSWORD_CHANGE = NO, DRIVER_MANAGED_GROUPS = NO,\n"
    "                  DRIVER_MANAGED_GROUP_ADMIN = NO, MAX_TOKEN_TIME = -1 ]\n"
    "VN_MAD_CONF = [ NAME = dummy, BRIDGE_TYPE = linux ]\n"
    "VN_MAD_CONF = [ NAME = bridge, BRIDGE_TYPE = linux ]\n"
    "VN_MAD_CONF = [ NAME = fw, BRIDGE_TYPE = linux ]\n"
    "VN_MAD_CONF = [ NAME = 802.1Q, BRIDGE_TYPE = linux ]\n"
    "VN_MAD_CONF = [ NAME = vxlan, BRIDGE_TYPE = linux ]\n"
    "VN_MAD_CONF = [ NAME = ovswitch, BRIDGE_TYPE = openvswitch ]\n";

/* Driver programs of theirs, of 2009 and later, and ours in their place. */
static const struct {
    const char *key, *executable, *ours;
} stand_ins[] = {
    {"IM_MAD", "one_im_ssh", "one_im"},    {"IM_MAD", "one_im_exec", "one_im"},
    {"IM_MAD", "one_im_sh", "one_im"},     {"IM_MAD", "one_im_dummy", "one_im"},
    {"VM_MAD", "one_vmm_xen", "one_vmm"},  {"VM_MAD", "one_vmm_kvm", "one_vmm"},
    {"VM_MAD", "one_vmm_exec", "one_vmm"}, {"VM_MAD", "one_vmm_ssh", "one_vmm"},
    {"VM_MAD", "one_vmm_sh", "one_vmm"},   {"VM_MAD", "one_vmm_dummy", "one_vmm"},
    {"TM_MAD", "one_tm", "one_tm"},
};

/* Words that tell what such a driver is for, and how the program of ours is told. The word
 * stands in ARGUMENTS, EXECUTABLE, DEFAULT or NAME. */
static const struct {
    const char *key, *word, *arguments;
} flavours[] = {
    {"IM_MAD", "kvm", "kvm"},          {"IM_MAD", "qemu", "qemu"},
    {"IM_MAD", "xen", "xen"},          {"IM_MAD", "lxc", "lxc"},
    {"IM_MAD", "dummy", "dummy"},      {"VM_MAD", "kvm", "kvm"},
    {"VM_MAD", "qemu", "qemu"},        {"VM_MAD", "xen", "xen"},
    {"VM_MAD", "lxc", "lxc"},          {"VM_MAD", "dummy", "dummy"},
    {"IM_MAD", "lxd", "lxd"},          {"VM_MAD", "lxd", "lxd"},
    {"IM_MAD", "docker", "docker"},    {"VM_MAD", "docker", "docker"},
    {"TM_MAD", "tm_nfs", "-d shared"}, {"TM_MAD", "tm_shared", "-d shared"},
    {"TM_MAD", "tm_ssh", "-d ssh"},    {"TM_MAD", "tm_dummy", "-d dummy"},
};

static const char *arguments_for(const char *key, const TemplateAttribute *driver)
{
    static const char *const places[] = {"ARGUMENTS", "EXECUTABLE", "DEFAULT", "NAME"};

    for (guint place = 0; place < G_N_ELEMENTS(places); place++) {
        const char *text = attribute_get(driver, places[place]);

        for (guint i = 0; text && i < G_N_ELEMENTS(flavours); i++)
            if (!strcmp(flavours[i].key, key) && strstr(text, flavours[i].word))
                return flavours[i].arguments;
    }
    return NULL;
}

/* Theirs is wanted when somebody put it into the directory of drivers. one_tm is also the name
 * of ours; given a file of 2009, "tm_nfs/tm_nfs.conf", theirs was meant. */
static gboolean is_theirs(const TemplateAttribute *driver, const char *executable)
{
    const char *arguments = attribute_get(driver, "ARGUMENTS");
    g_autofree char *program = paths_mads(executable);

    if (!strcmp(executable, "one_tm"))
        return arguments && g_str_has_suffix(arguments, ".conf") && !strchr(arguments, ' ');
    return !g_file_test(program, G_FILE_TEST_EXISTS);
}

/* A list of today, "-t 15 -d dummy,lvm,shared,ssh", names kinds that one_tm does not know and
 * would refuse. TRUE when some had to go. */
static gboolean drop_unknown_transfers(TemplateAttribute *driver)
{
    static const char *const known[] = {"dummy", "qcow2", "shared", "ssh", NULL};
    g_auto(GStrv) words = g_strsplit(attribute_get(driver, "ARGUMENTS"), " ", -1);
    g_autofree char *arguments = NULL;

    for (guint i = 0; words[i] && words[i + 1]; i++) {
        g_autoptr(GString) kept = g_string_new(NULL);
        g_auto(GStrv) list = NULL;

        if (strcmp(words[i], "-d") != 0)
            continue;
        list = g_strsplit(words[i + 1], ",", -1);
        for (guint k = 0; list[k]; k++)
            if (g_strv_contains(known, list[k]))
                g_string_append_printf(kept, "%s%s", kept->len ? "," : "", list[k]);
        if (!kept->len || strlen(kept->str) == strlen(words[i + 1]))
            return FALSE;
        g_free(words[i + 1]);
        words[i + 1] = g_strdup(kept->str);
        arguments = g_strjoinv(" ", words);
        attribute_set(driver, "ARGUMENTS", arguments);
        return TRUE;
    }
    return FALSE;
}

gboolean config_adopt_driver(const char *key, TemplateAttribute *driver)
{
    const char *executable = attribute_get(driver, "EXECUTABLE"), *arguments;

    /* There is one driver of hooks, and files of theirs do not name it. */
    if (!strcmp(key, "HM_MAD"))
        attribute_set(driver, "NAME", "one_hem");
    if (!strcmp(key, "TM_MAD") && !g_strcmp0(executable, "one_tm") &&
        !attribute_get(driver, "NAME") && attribute_get(driver, "ARGUMENTS"))
        return drop_unknown_transfers(driver);
    for (guint i = 0; executable && i < G_N_ELEMENTS(stand_ins); i++) {
        if (strcmp(stand_ins[i].key, key) != 0 ||
            strcmp(stand_ins[i].executable, executable) != 0 || !is_theirs(driver, executable))
            continue;
        arguments = arguments_for(key, driver);
        if (!arguments)
            return FALSE;
        attribute_set(driver, "EXECUTABLE", stand_ins[i].ours);
        attribute_set(driver, "ARGUMENTS", arguments);
        return TRUE;
    }
    return FALSE;
}
