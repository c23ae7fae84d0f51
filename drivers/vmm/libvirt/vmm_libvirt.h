/*
 * What the actions of the libvirt flavours share: finding the machine's domain on a host,
 * and making sure that it is this machine and not another of the same name.
 */
#pragma once

#include "drivers/common/libvirt_pool.h"
#include "drivers/vmm/vmm.h"
#include "drivers/vmm/vmm_action.h"

const VmmFlavour *vmm_libvirt_flavour(void);
const Template *vmm_libvirt_defaults(void);

typedef struct VmmSight {
    VmmPresence presence;
    int reason;          /* libvirt's, for VMM_PAUSED */
    virDomainPtr domain; /* NULL when absent or unknown */
    GError *error;       /* of VMM_UNKNOWN */
} VmmSight;

void vmm_sight_clear(VmmSight *sight);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VmmSight, vmm_sight_clear)

/* Looks for the machine on a host. An inactive domain is VMM_ABSENT but has `domain`. While Xen
 * ends a guest, or starts it anew, this waits for what becomes of it. */
VmmSight vmm_look(const VmmAction *action, virConnectPtr connection);
const char *vmm_presence_text(VmmPresence presence);

/* Stops a domain at once, and forgets its definition if it has one of our name. */
gboolean vmm_destroy(const VmmAction *action, virDomainPtr domain, const char *host,
                     GError **error);

/* What the machine's domain document is made of. */
DomainRequest vmm_domain_request(const VmmAction *action);
/* Of hypervisors whose CPU is a weight: sets it. A failure is logged. */
void vmm_set_weight(const VmmAction *action, virDomainPtr domain);

/* What the machine's cards need on a host, around the actions that start and end it there
 * (vmm_network.c). */
/* How another flavour than libvirt's sees a machine on a host; before the first request. */
typedef VmmPresence (*VmmLookAt)(const VmmAction *action, const char *host);
void vmm_network_start(VmmLookAt look);
gboolean vmm_network_before(DriverJob *job, GError **error);
void vmm_network_ending(DriverJob *job, gboolean success);
void vmm_update_groups(DriverJob *job);

void vmm_migrate(DriverJob *job);
void vmm_settle(DriverJob *job);
void vmm_check(DriverJob *job);
void vmm_save(DriverJob *job);
void vmm_restore(DriverJob *job);
void vmm_console(DriverJob *job);
void vmm_exec(DriverJob *job);
void vmm_exec_poll(DriverJob *job);
void vmm_exec_cancel(DriverJob *job);
