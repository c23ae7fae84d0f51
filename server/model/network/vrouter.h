/*
 * Virtual routers: cards, with addresses that the machines of a router share, and machines that are
 * all made from one template. The cards stand in the router's template as NIC = [ ... ] with their
 * NIC_ID. A card with FLOATING_IP has an address that the router itself holds; each machine has one
 * of its own beside it, unless the card has FLOATING_ONLY. A machine names its router in VROUTER_ID
 * of its template, which is the only record of membership. Shape: OpenNebula's vrouter.xsd.
 */
#pragma once

#include "server/model/object.h"
#include "server/model/machine/vm.h"

typedef struct VRouter {
    Object head;
    GArray *vms; /* of gint32, machines that are not DONE; counted again at the start */
} VRouter;

#define VROUTER(object) ((VRouter *)(object))

/* A new router; the template is taken. Its cards are connected by vrouter_touch_networks(). */
VRouter *vrouter_create(World *world, const char *name, gint32 uid, gint32 gid, Template *template);

/* The card of that number; NULL: none. (borrowed until the template changes) */
TemplateAttribute *vrouter_card(const VRouter *router, gint64 nic);
/* FLOATING_IP, FLOATING_ONLY and their like are YES. */
gboolean vrouter_card_says(const TemplateAttribute *card, const char *name);
/* Networks that its cards name are seen to have the router, or not any more: their renderings are
 * dropped. */
void vrouter_touch_networks(World *world, const VRouter *router);
/* Routers with a card in the network, ascending. (owned) */
GArray *vrouters_in_network(World *world, gint32 network);

/* What a machine of the router gets: its cards, VROUTER_ID and the ids of keepalived, in the place
 * of what the template has. */
void vrouter_write_machine(const VRouter *router, Template *machine);
/* One card as a machine gets it, before it has an address: without what is the router's. (owned) */
TemplateAttribute *vrouter_machine_card(const TemplateAttribute *card);
/* The router's addresses become those that the machine's card of the same number shares. */
void vrouter_share_addresses(const TemplateAttribute *card, TemplateAttribute *machine_card);

/* The router that a machine belongs to; NULL: none, or it was deleted. */
VRouter *vrouter_of_vm(World *world, const Vm *vm);
/* It was deleted while it had machines, and goes when the last of them is DONE. */
#define VROUTER_DELETING "DELETING"
gboolean vrouter_is_leaving(const VRouter *router);
/* It is gone, with its addresses, now or when its machines are. */
void vrouter_leave(World *world, VRouter *router);
/* Enters a machine in its router, or takes it out when it is DONE: the router may be gone then. */
void vrouter_count(World *world, Vm *vm);
/* Cards that leave (LEAVING=YES) are gone, with their addresses, once no machine has them any more.
 */
void vrouter_settle(World *world, VRouter *router);
/* Adds a line for each machine that a router counts wrongly. */
void vrouter_check(World *world, GPtrArray *problems);

extern const KindOperations vrouter_operations;
