/*
 * libvirt moves no machine of which it keeps snapshots, though on shared storage the snapshots
 * are in the images and stay whole. So its list of them is taken along: read, forgotten at the
 * source, and told again to whichever host has the machine afterwards. Meanwhile it lies in a file
 * beside the machine's log, so that it is not lost with this process.
 */
#pragma once

#include "drivers/vmm/vmm_action.h"
#include <libvirt/libvirt.h>

/* Takes the list of a domain away. FALSE: the domain still has all of it. Having none is fine. */
gboolean vmm_carry_take(const VmmAction *action, virDomainPtr domain, GError **error);
/* Gives a domain back what was taken, now or by an earlier process. Nothing taken: does nothing. */
void vmm_carry_give(const VmmAction *action, virDomainPtr domain);
