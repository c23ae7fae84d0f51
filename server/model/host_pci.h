/*
 * PCI devices that a host's information driver tells of, and which machine has each. Who has one
 * is not kept: it follows from the addresses in the templates of the machines that hold capacity
 * on the host.
 */
#pragma once

#include "server/model/host.h"

/* The PCI vectors of a report. NULL: there is none. (owned) */
Template *host_pci_read(const Template *report);
/* <PCI_DEVICES> of the host's share. */
void host_pci_render(World *world, const Host *host, GString *xml);
