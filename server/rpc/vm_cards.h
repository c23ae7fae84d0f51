/*
 * The network cards of machines: each that names a network gets an address of it, what the hosts
 * must know to connect it, and the rules of its security groups.
 */
#pragma once

#include "server/model/network/network.h"
#include "server/model/people/user.h"
#include "server/model/network/vrouter.h"

/* Gives the cards (NIC, NIC_ALIAS) of a machine that will have this id their addresses, and the
 * template the rules and the clusters that fit. All or none. `router`: whose cards they are, or
 * NULL. Errors of ONE_ERROR_INTERNAL and ONE_ERROR_AUTHORIZATION. */
gboolean cards_take(World *world, const User *owner, const VRouter *router, Template *template,
                    gint32 vm, GError **error);
/* Writes into the cards of a template what their networks would give them, but for addresses; for
 * looking at only. A card of no network, or of one that does not exist, stays as it is. FALSE with
 * the error: the user may not use a network. */
gboolean cards_show(World *world, const User *owner, Template *template, GError **error);
/* The same as cards_take() for one card, which may come to the machine later; its rules are not
 * written. */
gboolean card_take(World *world, const User *owner, TemplateAttribute *card, gint32 vm,
                   GError **error);
/* The same for the card of a router's machine, which has NIC_ID: it shares the addresses of the
 * router's card of that number, and has none of its own when that has FLOATING_ONLY. */
gboolean card_take_for_router(World *world, const User *owner, const VRouter *router,
                              TemplateAttribute *card, gint32 vm, GError **error);
/* The card of a router itself, which may come to it later: with FLOATING_IP it gets an address that
 * the router holds. */
gboolean card_take_shared(World *world, const User *owner, TemplateAttribute *card, gint32 router,
                          GError **error);
/* Cards with NETWORK_MODE = auto wait for their network until the machine is deployed: `order`
 * names one for each, NIC = [ NIC_ID = 0, NETWORK_ID = 3 ]. All or none; FALSE with the error when
 * one is missing or cannot be had. `*before` gets the machine's template as it was (owned) when
 * some waited, which have their addresses now; else NULL. */
gboolean cards_choose(World *world, Vm *vm, const Template *order, Template **before,
                      GError **error);
gboolean card_waits(const TemplateAttribute *card);
/* Takes back what cards_choose() did: the machine's template is `before` (taken) again. */
void cards_put_back(World *world, Vm *vm, Template *before);
/* Security groups that a list of ids names: they exist, are few enough, and the user may use them.
 */
gboolean cards_groups_allowed(World *world, const User *owner, const char *list, GError **error);
/* The groups of all cards of a machine, with `more` (or NULL), are few enough. */
gboolean cards_groups_fit(const Template *template, const TemplateAttribute *more, GError **error);
/* Gives back what card_take() took. */
void card_give_back(World *world, const TemplateAttribute *card, gint32 vm);
/* Gives back what cards_take() took; the machine does not come to be. */
void cards_give_back(World *world, const Template *template, gint32 vm);
