/*
 * The flavours of the virtualization driver: one row each. A flavour is a table of
 * actions, and for those of libvirt also how to reach a host and how to write a domain.
 */
#pragma once

#include "drivers/common/driver.h"

typedef struct VmmFlavour {
    const char *name;
    const DriverAction *actions;
    const char *uri; /* of libvirt, "%h" is the host; NULL: not a flavour of libvirt */
    const char *domain_type;
} VmmFlavour;

/* NULL when there is none of that name; vmm_flavour_names() then helps the user. (borrowed) */
const VmmFlavour *vmm_flavour(const char *name);
char *vmm_flavour_names(void); /* "kvm qemu ..." (owned) */

extern const DriverAction vmm_dummy_actions[];
extern const DriverAction vmm_libvirt_actions[];
