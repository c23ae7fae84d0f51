/*
 * Virtual networks: what a host must connect a card to, and ranges of addresses of which each is
 * held by one machine, one reservation or nobody; and security groups, the rules of filtering that
 * cards name. Shapes: OpenNebula's vnet.xsd and security_group.xsd.
 */
#pragma once

#include "server/model/network/address.h"
#include "server/model/object.h"
#include "server/model/machine/vm.h"

typedef enum {
    NETWORK_INIT = 0,
    NETWORK_READY = 1,
    NETWORK_LOCK_CREATE = 2,
    NETWORK_LOCK_DELETE = 3,
    NETWORK_DONE = 4,
    NETWORK_ERROR = 5,
    NETWORK_UPDATE_FAILURE = 6,
} NetworkState;

/* BRIDGE, VN_MAD, VLAN_ID and their like are in the template only. */
typedef struct Network {
    Object head;
    NetworkState state, previous_state;
    GArray *clusters;
    gint32 parent;       /* the network that this is a reservation of, or -1 */
    gint32 template_id;  /* the network template that it was made from, or -1 */
    gboolean vlan_given; /* VLAN_ID was chosen by the server */
    GPtrArray *ranges;   /* of AddressRange, by id */
    gint32 next_range;   /* ids are not used again */
} Network;

#define NETWORK(object) ((Network *)(object))

Network *network_get(World *world, gint32 id);
const char *network_state_name(NetworkState state);
/* A new network, with its ranges (AR of the template) and a bridge of its own when none is named.
 * The template is taken. NULL with ONE_ERROR_INTERNAL, and nothing was made. */
Network *network_create(World *world, const char *name, gint32 uid, gint32 gid, Template *template,
                        GError **error);
/* What the template says was changed. */
void network_updated(World *world, Network *network);
/* Removes the network; what a reservation held goes back to its parent. */
void network_remove(World *world, Network *network);
guint network_used(const Network *network); /* addresses held */

AddressRange *network_range(const Network *network, gint32 id);
/* AR = [...] of a template; the vector is taken. NULL with the error. */
AddressRange *network_add_range(World *world, Network *network, TemplateAttribute *given,
                                GError **error);
void network_range_changed(World *world, Network *network, AddressRange *range);
/* Nothing of it is held, or all is given back. */
void network_remove_range(World *world, Network *network, AddressRange *range);

/* ---- leases ---- */

/* Where an address is wanted; all may be left open. */
typedef struct LeaseWish {
    gint32 range; /* -1: any */
    const char *ip, *ip6, *mac;
} LeaseWish;

/* Finds what is wanted and is free. FALSE with the error. */
gboolean network_find(World *world, Network *network, const LeaseWish *wish, AddressRange **range,
                      guint *index, GError **error);
void network_lease(World *world, Network *network, AddressRange *range, guint index, Holder holder);
void network_release(World *world, Network *network, AddressRange *range, guint index);
/* Every address that the cards of a machine hold; it has ended. */
void network_release_vm(World *world, Vm *vm);
/* The address that a card has, when that is whose it is; else nothing. */
void network_release_held(World *world, const TemplateAttribute *card, Holder holder);
/* The same for one card (NIC or NIC_ALIAS) of it. */
void network_release_card(World *world, const Vm *vm, const TemplateAttribute *card);

void network_render(World *world, Object *object, GString *xml);
void network_render_brief(World *world, Object *object, GString *xml); /* no leases */
extern const KindOperations network_operations;
extern const StoreTable range_table, lease_table;
gboolean range_load(World *world, const StoreValue *values, GError **error);
gboolean lease_load(World *world, const StoreValue *values, GError **error);
/* Adds a line for each lease that nobody has, or that a card has and nobody gave. */
void network_check(World *world, GPtrArray *problems);
/* Sets these right, but for an address that two machines use. */
void network_repair(World *world);

/* ---- security groups ---- */

#define SECGROUP_DEFAULT 0

/* Machines (by id) on whose hosts other rules than the group's are still in force, and those whose
 * host did not take them. The others that name the group are up to date. */
typedef struct SecurityGroup {
    Object head;
    GArray *vms;      /* all that name it; counted again at the start */
    GArray *outdated; /* to be told; after a restart also those that were being told */
    GArray *updating; /* their host is being told */
    GArray *failed;
} SecurityGroup;

#define SECGROUP(object) ((SecurityGroup *)(object))

/* A new group; the template is taken. `id` -1: the next one. */
Object *secgroup_create(World *world, gint32 id, const char *name, gint32 uid, gint32 gid,
                        Template *template);
/* The group that every network has by default, when there is none yet. */
void secgroup_bootstrap(World *world);
/* Machines whose cards name the group. (owned) */
GArray *secgroup_vms(World *world, gint32 id);
/* Groups that the cards of a machine name; `filtered`: only of cards whose hosts apply them.
 * (owned) */
GArray *secgroup_ids(const Vm *vm, gboolean filtered);
/* The network driver of the card applies them. */
gboolean secgroup_is_filtered(const TemplateAttribute *card);
/* The cards of a machine came, went or name others, or it ended: counts it in the groups that they
 * name now. */
void secgroup_count(World *world, Vm *vm);
/* Adds a line for each machine that a group counts wrongly. */
void secgroup_check(World *world, GPtrArray *problems);
/* Writes SECURITY_GROUP_RULE of all groups that the cards of a machine's template name. */
void secgroup_write_rules(World *world, Template *template);
extern const KindOperations secgroup_operations;
