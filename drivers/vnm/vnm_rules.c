/*
 * Security groups as rules of nft, in the table "globule" of the family bridge. Each card that is
 * filtered has a chain for each way it is filtered in, "one-12-0-in" and "one-12-0-out"; the maps
 * "to" and "from" lead there by the name of the tap. What belongs to a connection that was let
 * through is let through (chain "established", see vnm_script.c); ARP and the search for
 * neighbours of IPv6 always are, where FILTER_IP_SPOOFING is on for the card's own addresses only.
 */
#include "drivers/vnm/vnm.h"

#include "lib/base/error.h"
#include "lib/base/xml.h"
#include <gio/gio.h>
#include <string.h>

#define wrong(error, ...) (g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION, __VA_ARGS__), FALSE)

#define RULE              "add rule bridge globule %s-%s "

/* (owned, NULL: missing or empty) */
static char *get(const xmlNode *from, const char *name)
{
    char *text = xml_get(from, name);
    if (text && *g_strstrip(text))
        return text;
    g_free(text);
    return NULL;
}

/* ---- one rule ---- */

typedef struct Span {
    guint first, last;
} Span;

static gint compare_spans(gconstpointer a, gconstpointer b)
{
    const Span *left = a, *right = b;
    return (left->first > right->first) - (left->first < right->first);
}

/* "22,80:90" in rising order, with what overlaps put together: nft refuses it otherwise. */
static GArray *read_ports(const char *text)
{
    g_autoptr(GArray) spans = g_array_new(FALSE, FALSE, sizeof(Span));
    g_auto(GStrv) items = g_strsplit(text, ",", -1);
    for (guint i = 0; items[i]; i++) {
        g_auto(GStrv) ends = g_strsplit(g_strstrip(items[i]), ":", 2);
        guint64 first, last;
        if (!ends[0] ||
            !g_ascii_string_to_unsigned(g_strstrip(ends[0]), 10, 0, 65535, &first, NULL))
            return NULL;
        last = first;
        if (ends[1] &&
            !g_ascii_string_to_unsigned(g_strstrip(ends[1]), 10, first, 65535, &last, NULL))
            return NULL;
        g_array_append_val(spans, ((Span){(guint)first, (guint)last}));
    }
    g_array_sort(spans, compare_spans);
    for (guint i = 1; i < spans->len;) {
        Span *before = &g_array_index(spans, Span, i - 1), *span = &g_array_index(spans, Span, i);
        if (span->first > before->last + 1) {
            i++;
            continue;
        }
        before->last = MAX(before->last, span->last);
        g_array_remove_index(spans, i);
    }
    return spans->len ? g_steal_pointer(&spans) : NULL;
}

static gboolean append_ports(GString *match, const char *protocol, const char *range,
                             GError **error)
{
    g_autoptr(GArray) spans = read_ports(range);
    if (!spans)
        return wrong(error, "RANGE \"%s\" is no list of ports such as \"22,80:90\"", range);
    g_string_append_printf(match, "%s dport { ", protocol);
    for (guint i = 0; i < spans->len; i++) {
        const Span *span = &g_array_index(spans, Span, i);
        g_string_append_printf(match, span->first == span->last ? "%s%u" : "%s%u-%u", i ? ", " : "",
                               span->first, span->last);
    }
    g_string_append(match, " }");
    return TRUE;
}

/* The address `size - 1` behind the first; NULL: there is none. (owned) */
static char *last_address(GInetAddress *first, guint64 size)
{
    gsize length = g_inet_address_get_native_size(first);
    guint8 bytes[16];
    guint64 carry = size - 1;
    memcpy(bytes, g_inet_address_to_bytes(first), length);
    for (gsize i = length; i-- > 0;) {
        carry += bytes[i];
        bytes[i] = (guint8)(carry & 0xff);
        carry >>= 8;
    }
    if (carry)
        return NULL;
    g_autoptr(GInetAddress) last =
        g_inet_address_new_from_bytes(bytes, g_inet_address_get_family(first));
    return g_inet_address_to_string(last);
}

/* Whom the rule is about: IP and SIZE. */
static gboolean append_peers(GString *match, const xmlNode *rule, gboolean inbound, GError **error)
{
    g_autofree char *ip = get(rule, "IP"), *size_text = get(rule, "SIZE");
    guint64 size = 1;
    if (!ip)
        return TRUE;
    g_autoptr(GInetAddress) first = g_inet_address_new_from_string(ip);
    if (!first)
        return wrong(error, "IP \"%s\" is no address", ip);
    if (size_text && !g_ascii_string_to_unsigned(size_text, 10, 1, (guint64)1 << 32, &size, NULL))
        return wrong(error, "SIZE \"%s\" is no number of addresses", size_text);
    g_autofree char *from = g_inet_address_to_string(first), *to = last_address(first, size);
    if (!to)
        return wrong(error, "there are no %s addresses from %s on", size_text, ip);
    gboolean v4 = g_inet_address_get_family(first) == G_SOCKET_FAMILY_IPV4;
    g_string_append_printf(match, "%s %s %s", v4 ? "ip" : "ip6", inbound ? "saddr" : "daddr", from);
    if (size > 1)
        g_string_append_printf(match, "-%s", to);
    g_string_append_c(match, ' ');
    return TRUE;
}

/* What PROTOCOL, RANGE and the type of ICMP say. */
static gboolean append_protocol(GString *match, const xmlNode *rule, GError **error)
{
    static const struct {
        const char *name, *nft, *type;
    } protocols[] = {{"ALL", "", NULL},
                     {"TCP", "tcp", NULL},
                     {"UDP", "udp", NULL},
                     {"ICMP", "icmp", "ICMP_TYPE"},
                     {"ICMPV6", "icmpv6", "ICMPV6_TYPE"},
                     {"IPSEC", "esp", NULL}};
    g_autofree char *name = get(rule, "PROTOCOL"), *range = get(rule, "RANGE");
    guint i = 0;
    while (i < G_N_ELEMENTS(protocols) && (!name || g_ascii_strcasecmp(protocols[i].name, name)))
        i++;
    if (i == G_N_ELEMENTS(protocols))
        return wrong(error, "PROTOCOL \"%s\" is none of ALL, TCP, UDP, ICMP, ICMPV6, IPSEC",
                     name ? name : "");
    g_autofree char *type = protocols[i].type ? get(rule, protocols[i].type) : NULL;
    gboolean ports = g_str_equal(protocols[i].name, "TCP") || g_str_equal(protocols[i].name, "UDP");
    guint64 number;
    if (ports && range)
        return append_ports(match, protocols[i].nft, range, error);
    if (type && !g_ascii_string_to_unsigned(type, 10, 0, 255, &number, NULL))
        return wrong(error, "%s \"%s\" is no number from 0 to 255", protocols[i].type, type);
    if (type)
        g_string_append_printf(match, "%s type %" G_GUINT64_FORMAT, protocols[i].nft, number);
    else if (*protocols[i].nft)
        g_string_append_printf(match, "meta l4proto %s", protocols[i].nft);
    return TRUE;
}

static gboolean read_rule(VnmCard *card, const xmlNode *rule, GError **error)
{
    g_autofree char *direction = get(rule, "RULE_TYPE");
    g_autoptr(GString) match = g_string_new(NULL);
    gboolean inbound = direction && !g_ascii_strcasecmp(direction, "INBOUND");
    if (!inbound && (!direction || g_ascii_strcasecmp(direction, "OUTBOUND") != 0))
        return wrong(error, "RULE_TYPE \"%s\" is neither INBOUND nor OUTBOUND",
                     direction ? direction : "");
    if (!append_peers(match, rule, inbound, error) || !append_protocol(match, rule, error))
        return FALSE;
    VnmFilter *filter = inbound ? &card->in : &card->out;
    if (match->len == 0)
        filter->open = TRUE;
    else
        g_ptr_array_add(filter->rules, g_strdup(g_strchomp(match->str)));
    return TRUE;
}

/* ---- all rules of a card ---- */

static gboolean names(const char *groups, gint64 id)
{
    g_auto(GStrv) words = g_strsplit(groups, ",", -1);
    for (guint i = 0; words[i]; i++) {
        guint64 number;
        if (g_ascii_string_to_unsigned(g_strstrip(words[i]), 10, 0, G_MAXINT32, &number, NULL) &&
            (gint64)number == id)
            return TRUE;
    }
    return FALSE;
}

void vnm_filter_clear(VnmFilter *filter)
{
    g_clear_pointer(&filter->rules, g_ptr_array_unref);
}

gboolean vnm_filters_read(VnmCard *card, const xmlNode *vm, const char *groups, GError **error)
{
    VnmFilter *both[] = {&card->in, &card->out};
    gboolean filtered =
        groups && (card->driver->groups || card->driver->device == VNM_OPEN_VSWITCH);
    for (guint i = 0; i < G_N_ELEMENTS(both); i++)
        *both[i] = (VnmFilter){!filtered, g_ptr_array_new_with_free_func(g_free)};
    const xmlNode *rule = filtered ? xml_find(vm, "TEMPLATE/SECURITY_GROUP_RULE") : NULL;
    for (; rule; rule = xml_next_same(rule)) {
        gint64 group = xml_get_int(rule, "SECURITY_GROUP_ID", -1);
        if (names(groups, group) && !read_rule(card, rule, error)) {
            g_prefix_error(error, "NIC %" G_GINT64_FORMAT ", security group %" G_GINT64_FORMAT ": ",
                           card->id, group);
            return FALSE;
        }
    }
    for (guint i = 0; i < G_N_ELEMENTS(both); i++)
        if (both[i]->open)
            g_ptr_array_set_size(both[i]->rules, 0);
    return TRUE;
}

static gboolean filters_out(const VnmCard *card)
{
    return !card->out.open || card->mac_filter || card->ip_filter;
}

gboolean vnm_is_filtered(const VnmCard *card)
{
    return !card->in.open || filters_out(card);
}

/* ---- text ---- */

/* The chain, empty; `used`: the map leads there, else both are taken away. */
static void append_chain(const VnmCard *card, const char *way, const char *map, gboolean used,
                         GString *text)
{
    g_string_append_printf(text,
                           "add chain bridge globule %1$s-%2$s\n"
                           "flush chain bridge globule %1$s-%2$s\n"
                           "add element bridge globule %3$s { \"%1$s\" : jump %1$s-%2$s }\n",
                           card->tap, way, map);
    if (!used)
        g_string_append_printf(text,
                               "delete element bridge globule %3$s { \"%1$s\" }\n"
                               "delete chain bridge globule %1$s-%2$s\n",
                               card->tap, way, map);
}

static void append_list(const GPtrArray *addresses, const char *more, GString *text)
{
    g_string_append_printf(text, "{ %s", more);
    for (guint i = 0; i < addresses->len; i++)
        g_string_append_printf(text, ", %s", (const char *)addresses->pdata[i]);
    g_string_append(text, " } drop\n");
}

/* What a card may tell others of IPv6: that its own addresses are there. It is no router, and sends
 * nobody elsewhere. The target stands behind 8 bytes of the message (RFC 4861, 4.4); nft 1.0.6 has
 * no name for it. */
static void append_neighbours(const VnmCard *card, GString *text)
{
    g_string_append_printf(text, RULE "icmpv6 type { nd-router-advert, nd-redirect } drop\n",
                           card->tap, "out");
    g_string_append_printf(text, RULE "icmpv6 type nd-neighbor-advert", card->tap, "out");
    for (guint i = 0; i < card->ip6->len; i++) {
        g_autoptr(GInetAddress) address = g_inet_address_new_from_string(card->ip6->pdata[i]);
        const guint8 *bytes = g_inet_address_to_bytes(address);
        g_string_append(text, i ? ", 0x" : " @th,64,128 != { 0x");
        for (guint j = 0; j < 16; j++)
            g_string_append_printf(text, "%02x", bytes[j]);
    }
    g_string_append_printf(text, "%s drop\n", card->ip6->len ? " }" : "");
}

/* Addresses with which a card may not speak. 0.0.0.0 and :: are of cards that look for one. */
static void append_spoofing(const VnmCard *card, GString *text)
{
    const char *tap = card->tap, *mac = card->mac;
    if (!card->mac_filter && !card->ip_filter)
        return;
    /* With a tag of its own a frame would go to another VLAN, and past what looks at addresses. */
    g_string_append_printf(text, RULE "ether type { 0x8100, 0x88a8, 0x9100 } drop\n", tap, "out");
    if (card->mac_filter)
        g_string_append_printf(text,
                               RULE "ether saddr != %s drop\n" RULE "arp saddr ether != %s drop\n",
                               tap, "out", mac, tap, "out", mac);
    if (!card->ip_filter)
        return;
    g_string_append_printf(text, RULE "ip saddr != ", tap, "out");
    append_list(card->ip, "0.0.0.0", text);
    g_string_append_printf(text, RULE "arp saddr ip != ", tap, "out");
    append_list(card->ip, "0.0.0.0", text);
    g_string_append_printf(text, RULE "ip6 saddr != ", tap, "out");
    append_list(card->ip6, "::", text);
    append_neighbours(card, text);
}

static void append_filter(const VnmCard *card, const VnmFilter *filter, const char *way,
                          GString *text)
{
    const char *tap = card->tap;
    if (filter->open)
        return;
    g_string_append_printf(text, RULE "jump established\n", tap, way);
    g_string_append_printf(text, RULE "ether type arp accept\n", tap, way);
    /* A guest asks for routers, and is told; it is none itself. */
    g_string_append_printf(
        text, RULE "icmpv6 type { %s, nd-neighbor-solicit, nd-neighbor-advert } accept\n", tap, way,
        filter == &card->in ? "nd-router-advert" : "nd-router-solicit");
    for (guint i = 0; i < filter->rules->len; i++)
        g_string_append_printf(text, RULE "%s accept\n", tap, way,
                               (const char *)filter->rules->pdata[i]);
    g_string_append_printf(text, RULE "drop\n", tap, way);
}

void vnm_rules_append(const VnmCard *card, GString *text)
{
    append_chain(card, "in", "to", !card->in.open, text);
    append_filter(card, &card->in, "in", text);
    append_chain(card, "out", "from", filters_out(card), text);
    if (!filters_out(card))
        return;
    append_spoofing(card, text);
    append_filter(card, &card->out, "out", text);
}
