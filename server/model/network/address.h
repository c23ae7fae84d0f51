/*
 * A range of addresses of a network, and who holds which of them.
 *
 * A range is a count of addresses behind a first one: MAC, and by its type IPv4, IPv6 made of
 * prefixes and the MAC (RFC 4291, modified EUI-64), or IPv6 counted on from a first one. Which
 * are held is kept in bits, so a free one is found as fast in a full /16 as in an empty one.
 * Attributes and types: OpenNebula's (AR of vnet.xsd).
 */
#pragma once

#include "lib/template/template.h"
#include <glib.h>

#define RANGE_SIZE_MAX (1u << 24)

typedef enum {
    RANGE_ETHER,
    RANGE_IP4,
    RANGE_IP6,
    RANGE_IP4_6,
    RANGE_IP6_STATIC,
    RANGE_IP4_6_STATIC,
    RANGE_TYPES
} RangeType;

typedef enum {
    HOLDER_NONE,
    HOLDER_VM,
    HOLDER_NET,    /* another network reserved it */
    HOLDER_ROUTER, /* a virtual router */
    HOLDER_ADMIN,  /* held back by hand */
} HolderKind;

typedef struct Holder {
    HolderKind kind;
    gint32 id; /* -1 of HOLDER_ADMIN */
} Holder;

typedef struct AddressRange {
    gint32 id;
    RangeType type;
    guint size;
    guint next; /* where the search for a free one begins */
    guint used;
    guint64 mac;
    guint32 ip4;
    guint8 ip6[16];           /* of the static types */
    guint8 global[8], ula[8]; /* prefixes of 64 bits */
    gboolean has_global, has_ula;
    gint32 parent; /* range of the parent network that this is a part of, or -1 */
    guint parent_first;
    TemplateAttribute *attributes; /* as given; what is computed is not in it */

    guint64 *words;      /* a bit for each address: held */
    guint64 *full;       /* a bit for each word: all its addresses are held */
    GHashTable *holders; /* index -> Holder, packed into the pointer */
} AddressRange;

/* From AR = [ TYPE, SIZE, IP, MAC, GLOBAL_PREFIX, ULA_PREFIX, IP6, PREFIX_LENGTH, ... ]; the
 * vector is taken whatever comes. `mac_prefix` such as "02:00" begins MAC addresses that are not
 * given: made of the IPv4 address, else of `seed`. Error: ONE_ERROR_INTERNAL, naming attribute and
 * value. (owned) */
AddressRange *range_new(TemplateAttribute *given, const char *mac_prefix, guint32 seed,
                        GError **error);
void range_free(AddressRange *range);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AddressRange, range_free)
const char *range_type_word(RangeType type);
/* Larger, or smaller if nothing is held behind the new end. FALSE with the error. */
gboolean range_resize(AddressRange *range, guint size, GError **error);

/* ---- who holds what ---- */

Holder range_holder(const AddressRange *range, guint index);
void range_take(AddressRange *range, guint index, Holder holder); /* a free one */
void range_give_back(AddressRange *range, guint index);
/* The first free one from `next` on, or from the beginning. FALSE: all are held. */
gboolean range_find(AddressRange *range, guint *index);
/* The first of `count` free ones in a row. */
gboolean range_find_row(const AddressRange *range, guint count, guint *index);
/* The next that is held, from `index` on; range->size when there is none. */
guint range_next_held(const AddressRange *range, guint index);

/* ---- addresses ---- */

/* The place of an address; FALSE: it is not one, or none of this range. */
gboolean range_place_of_ip(const AddressRange *range, const char *ip, guint *index); /* 4 or 6 */
gboolean range_place_of_mac(const AddressRange *range, const char *mac, guint *index);
/* One address as text, and the name of the attribute that it is. */
typedef struct AddressText {
    const char *name;
    char text[46]; /* the longest: INET6_ADDRSTRLEN */
} AddressText;
#define ADDRESSES_MAX 6

/* IP, IP6, IP6_GLOBAL, IP6_LINK, IP6_ULA, MAC: those that the type has, in this order; how many. */
guint range_addresses(const AddressRange *range, guint index, AddressText *out);
/* Sets them in a card. */
void range_describe(const AddressRange *range, guint index, TemplateAttribute *into);
