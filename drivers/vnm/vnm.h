/*
 * What the network cards of a machine need on its host: a bridge, a VLAN or VXLAN device below it,
 * and rules of filtering for the card's tap. Nothing here knows a hypervisor: who starts a machine
 * calls vnm_up() before and vnm_down() afterwards. All of it may be repeated.
 *
 * The rules match the tap by its name, one-<machine>-<card>, so they are there before the tap is,
 * and no packet passes without them. Who uses a device is noted on the host in small files, by
 * which the last one to leave removes what was made for machines; what an administrator made stays.
 *
 * Sources: attributes as in OpenNebula's network drivers; nft(8), ip-link(8).
 */
#pragma once

#include "lib/ssh/ssh.h"

#include <libxml/tree.h>

#define VNM_DEVICE_MAX 15 /* letters of a device's name in Linux */

typedef struct VnmDriver {
    const char *name;
    enum { VNM_NO_DEVICE, VNM_VLAN, VNM_VXLAN, VNM_OPEN_VSWITCH } device;
    gboolean groups; /* applies security groups */
} VnmDriver;

/* One way of a card: what it lets through. */
typedef struct VnmFilter {
    gboolean open;    /* everything; `matches` is empty */
    GPtrArray *rules; /* of char *: matches of nft, "tcp dport { 22, 80-90 }" */
} VnmFilter;

typedef struct VnmCard {
    const VnmDriver *driver;
    gint64 id;
    char *tap;
    char *mac;
    char *bridge, *phydev; /* phydev may be NULL */
    char *device;          /* of the VLAN or VXLAN; NULL: none */
    char *group;           /* multicast address of the VXLAN; NULL: none */
    guint number;          /* of the VLAN or VXLAN */
    guint mtu, ttl;        /* 0: not told */
    gboolean keep;         /* an empty bridge stays */
    gboolean mac_filter, ip_filter;
    GPtrArray *ip, *ip6; /* of char *: addresses of the card and its aliases */
    VnmFilter in, out;   /* to the guest, from it */
} VnmCard;

typedef struct VnmPlan {
    gint64 vm;
    GPtrArray *cards; /* of VnmCard: those that need something */
} VnmPlan;

/* Reads the VM element. `only` -1: all cards, else that one. NULL with the error when an attribute
 * is not what it must be. (owned) */
VnmPlan *vnm_plan_read(const xmlNode *vm, gint64 only, GError **error);
void vnm_plan_free(VnmPlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VnmPlan, vnm_plan_free)

/* The card is one that vnm_up() would do something for. */
gboolean vnm_manages(const xmlNode *nic);
/* Name of its tap; NULL with the error when the ids make none. (owned) */
char *vnm_tap(gint64 vm, gint64 card, GError **error);

/* What lets a card's traffic through, read from the rules of its groups. vnm_rules.c */
gboolean vnm_filters_read(VnmCard *card, const xmlNode *vm, const char *groups, GError **error);
void vnm_filter_clear(VnmFilter *filter);
/* Text for nft: the rules of the card, in place of those that are there. */
void vnm_rules_append(const VnmCard *card, GString *text);
gboolean vnm_is_filtered(const VnmCard *card);

/* Programs of /bin/sh for the host. vnm_script.c (owned) */
char *vnm_script_up(const VnmPlan *plan);
char *vnm_script_rules(const VnmPlan *plan);
/* `card` -1: all of them. */
char *vnm_script_down(gint64 vm, gint64 card);

/* Runs them; the host may be this computer. FALSE with what the host said. vnm.c */
gboolean vnm_up(const char *host, const VnmPlan *plan, GError **error);
gboolean vnm_update_rules(const char *host, const VnmPlan *plan, GError **error);
gboolean vnm_down(const char *host, gint64 vm, gint64 card, GError **error);
