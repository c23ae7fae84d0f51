/*
 * PCI devices that a host's information driver tells of, and which machine has each. Who has one
 * is not kept: it follows from the addresses in the templates of the machines that hold capacity
 * on the host.
 *
 * PCI = [ VENDOR, DEVICE, CLASS ] (any of them; hexadecimal) or [ SHORT_ADDRESS ] of a machine asks
 * for a device. When the machine is placed on a host it is given one: DOMAIN, BUS, SLOT, FUNCTION
 * and ADDRESS are written into the vector. While it moves to another host, PREV_ADDRESS is what it
 * has at the first. An administrator may write DOMAIN, BUS, SLOT and FUNCTION instead, and gets
 * just that device, or a UUID, for a part that was made of a device on the host.
 */
#pragma once

#include "server/model/place/host.h"
#include "server/model/machine/vm.h"

/* Devices of one machine at most. */
#define HOST_PCI_MAX 64

/* The PCI vectors of a report. NULL: there is none. (owned) */
Template *host_pci_read(const Template *report);
/* <PCI_DEVICES> of the host's share. */
void host_pci_render(World *world, const Host *host, GString *xml);

/* The vector says which device is wanted, in one of the ways above. */
gboolean host_pci_is_named(const TemplateAttribute *pci);
/* For a new machine: each vector gets its PCI_ID, and no address that is chosen later. */
void host_pci_number(Template *template);
/* Each vector of `template`, which is to be the machine's, gets a free device of the host. `again`:
 * those that have one get another, and what they have becomes PREV_ADDRESS. FALSE with
 * ONE_ERROR_ACTION, and a template to throw away: the host has none that is free. */
gboolean host_pci_choose(World *world, const Host *host, const Vm *vm, Template *template,
                         gboolean again, GError **error);
/* The move to where devices were chosen did not happen: what it had before is its own again. */
void host_pci_return(Template *template);
/* It has left its host, and the devices there. */
void host_pci_forget(Template *template);
/* No device is given twice; what is wrong is told in `found`. */
void host_pci_check(World *world, GPtrArray *found);
