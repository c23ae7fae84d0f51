/*
 * The devices of machines: each disk and network card gets its number, the name it has in the guest
 * or on the host, and a hardware address; all when a machine is made, one more when it is attached.
 * Errors of ONE_ERROR_INTERNAL and ONE_ERROR_AUTHORIZATION.
 */
#pragma once

#include "server/model/people/user.h"
#include "server/model/network/vrouter.h"
#include "server/model/world.h"

/* Checks the disks of a new machine and numbers them, with its context behind them. */
gboolean devices_number_disks(World *world, Template *template, GError **error);
/* `numbered`: the cards have their numbers, and keep them. */
gboolean devices_number_nics(Template *template, gboolean numbered, GError **error);
/* What names the machine; after its id is known. */
void devices_finish(World *world, Template *template, gint32 id);
/* Makes the context, where it is none yet, the last disk of a machine that is there already. */
gboolean devices_give_context(World *world, Template *template, GError **error);
/* One device more for a machine whose template is `machine`, of the one DISK or NIC in `given`:
 * checked, with the next number, a device or an address. NULL with the error. (owned) */
TemplateAttribute *vm_draft_disk(World *world, const User *user, const Template *machine,
                                 Template *given, GError **error);
TemplateAttribute *vm_draft_nic(World *world, const User *user, gint32 vm, const Template *machine,
                                Template *given, GError **error);
/* The same for a card of a router, which has its number, at one of its machines; `card` is taken.
 */
TemplateAttribute *vm_draft_router_nic(World *world, const User *user, const VRouter *router,
                                       const Vm *vm, TemplateAttribute *card, GError **error);
