/*
 * The flavours of the virtualization driver: one row each. A flavour is a table of
 * actions; for those of libvirt the row also says how to reach a host, how its domains
 * are written, and what it cannot do.
 */
#pragma once

#include "drivers/common/driver.h"
#include "drivers/common/libvirt_pool.h"
#include "drivers/common/rest.h"
#include "drivers/vmm/domain/domain_xml.h"
#include "drivers/vmm/vmm_action.h"

typedef enum {
    VMM_SAVES = 1 << 0,    /* SAVE, RESTORE */
    VMM_MIGRATES = 1 << 1, /* live migration */
    VMM_RESETS = 1 << 2,
    VMM_WEIGHS = 1 << 3, /* CPU is a weight of the scheduler, set after the start */
    VMM_PLUGS_DISKS = 1 << 4,
    VMM_PLUGS_NICS = 1 << 5,
    VMM_SNAPSHOTS = 1 << 6, /* of memory and disks together */
    VMM_COPIES = 1 << 7,    /* a disk while the guest uses it; and makes it larger */
    VMM_HERDS = 1 << 8,     /* starts a guest that stands still at first: vmm_herd.h */
} VmmAbilities;

typedef struct VmmFlavour {
    const char *name;
    const DriverAction *actions;
    const RestSettings *rest;             /* NULL: no daemon with a REST service */
    const struct ContainerEngine *engine; /* of those that have one */
    /* Of a flavour whose hosts are reached by ssh and nothing else: reads the pattern (NULL: its
     * own), and how its machines are seen there. */
    gboolean (*start)(const char *uri, GError **error);
    VmmPresence (*look)(const VmmAction *action, const char *host);
    const char *lacks; /* of a flavour that is not libvirt's: actions it cannot do */
    const char *has;   /* and those that not all have, of which oned asks first */
    /* The rest is for flavours of libvirt. */
    LibvirtSettings libvirt;
    const DomainDialect *dialect;
    const char *defaults; /* file in the configuration directory */
    VmmAbilities abilities;
} VmmFlavour;

/* NULL when there is none of that name; vmm_flavour_names() then helps the user. (borrowed) */
const VmmFlavour *vmm_flavour(const char *name);
char *vmm_flavour_names(void); /* "kvm qemu ..." (owned) */

/* Actions that machines of this flavour cannot do, "SAVE,RESTORE,MIGRATE". (owned) */
char *vmm_flavour_lacks(const VmmFlavour *flavour);

/* For flavours of libvirt, before the first request: which row, and the URI of other hosts
 * when it is not the row's (NULL; "%h" is the host). */
void vmm_libvirt_start(const VmmFlavour *flavour, const char *uri);
/* Reads the defaults of machines; what is wrong there is an error, a missing file is none. */
gboolean vmm_libvirt_init(GError **error);

extern const DriverAction vmm_dummy_actions[];
extern const DriverAction vmm_libvirt_actions[];
extern const DriverAction lxc_actions[];
extern const DriverAction lxd_actions[];
extern const DriverAction docker_actions[];
extern const struct ContainerEngine lxd_engine, docker_engine;
