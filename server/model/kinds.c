#include "server/model/kinds.h"

static const KindRow rows[KIND_COUNT] = {
    {KIND_VM, "VM", "virtual machine", "vm", "vmpool", "VM", "VM_POOL", KIND_OWNED | KIND_LOCKABLE},
    {KIND_HOST, "HOST", "host", "host", "hostpool", "HOST", "HOST_POOL", KIND_UNIQUE_NAME},
    {KIND_NET, "NET", "virtual network", "vn", "vnpool", "VNET", "VNET_POOL",
     KIND_OWNED | KIND_LOCKABLE},
    {KIND_IMAGE, "IMAGE", "image", "image", "imagepool", "IMAGE", "IMAGE_POOL",
     KIND_OWNED | KIND_LOCKABLE},
    {KIND_USER, "USER", "user", "user", "userpool", "USER", "USER_POOL", KIND_UNIQUE_NAME},
    {KIND_TEMPLATE, "TEMPLATE", "virtual machine template", "template", "templatepool",
     "VMTEMPLATE", "VMTEMPLATE_POOL", KIND_OWNED | KIND_LOCKABLE},
    {KIND_GROUP, "GROUP", "group", "group", "grouppool", "GROUP", "GROUP_POOL",
     KIND_UNIQUE_NAME | KIND_FROM_100},
    {KIND_ACL, "ACL", "ACL", "acl", NULL, "ACL", "ACL_POOL", 0},
    {KIND_DATASTORE, "DATASTORE", "datastore", "datastore", "datastorepool", "DATASTORE",
     "DATASTORE_POOL", KIND_OWNED | KIND_UNIQUE_NAME | KIND_FROM_100},
    {KIND_CLUSTER, "CLUSTER", "cluster", "cluster", "clusterpool", "CLUSTER", "CLUSTER_POOL",
     KIND_UNIQUE_NAME | KIND_FROM_100},
    {KIND_DOCUMENT, "DOCUMENT", "document", "document", "documentpool", "DOCUMENT", "DOCUMENT_POOL",
     KIND_OWNED | KIND_LOCKABLE},
    {KIND_ZONE, "ZONE", "zone", "zone", "zonepool", "ZONE", "ZONE_POOL",
     KIND_UNIQUE_NAME | KIND_FROM_100},
    {KIND_SECGROUP, "SECGROUP", "security group", "secgroup", "secgrouppool", "SECURITY_GROUP",
     "SECURITY_GROUP_POOL", KIND_OWNED | KIND_FROM_100},
    {KIND_VDC, "VDC", "VDC", "vdc", "vdcpool", "VDC", "VDC_POOL", KIND_UNIQUE_NAME | KIND_FROM_100},
    {KIND_VROUTER, "VROUTER", "virtual router", "vrouter", "vrouterpool", "VROUTER", "VROUTER_POOL",
     KIND_OWNED | KIND_LOCKABLE},
    {KIND_MARKETPLACE, "MARKETPLACE", "marketplace", "market", "marketpool", "MARKETPLACE",
     "MARKETPLACE_POOL", KIND_OWNED | KIND_FROM_100},
    {KIND_MARKETPLACEAPP, "MARKETPLACEAPP", "marketplaceapp", "marketapp", "marketapppool",
     "MARKETPLACEAPP", "MARKETPLACEAPP_POOL", KIND_OWNED | KIND_LOCKABLE},
    {KIND_VMGROUP, "VMGROUP", "vm group", "vmgroup", "vmgrouppool", "VM_GROUP", "VM_GROUP_POOL",
     KIND_OWNED | KIND_LOCKABLE},
    {KIND_VNTEMPLATE, "VNTEMPLATE", "virtual network template", "vntemplate", "vntemplatepool",
     "VNTEMPLATE", "VNTEMPLATE_POOL", KIND_OWNED | KIND_LOCKABLE},
    {KIND_HOOK, "HOOK", "hook", "hook", "hookpool", "HOOK", "HOOK_POOL",
     KIND_LOCKABLE | KIND_UNIQUE_NAME},
    {KIND_BACKUPJOB, "BACKUPJOB", "backup job", "backupjob", "backupjobpool", "BACKUPJOB",
     "BACKUPJOB_POOL", KIND_OWNED | KIND_LOCKABLE},
};

const KindRow *kind_row(Kind kind)
{
    g_return_val_if_fail(kind >= 0 && kind < KIND_COUNT, NULL);
    return &rows[kind];
}
