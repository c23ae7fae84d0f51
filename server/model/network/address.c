#include "server/model/network/address.h"

#include "lib/base/error.h"

#include <arpa/inet.h>
#include <string.h>

/* The largest number that is a MAC address. */
#define MAC_LAST          G_GUINT64_CONSTANT(0xffffffffffff)

#define wrong(error, ...) (g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, __VA_ARGS__), FALSE)

static const struct {
    const char *word;
    gboolean ip4, prefixes, ip6;
} types[RANGE_TYPES] = {
    [RANGE_ETHER] = {"ETHER", FALSE, FALSE, FALSE},
    [RANGE_IP4] = {"IP4", TRUE, FALSE, FALSE},
    [RANGE_IP6] = {"IP6", FALSE, TRUE, FALSE},
    [RANGE_IP4_6] = {"IP4_6", TRUE, TRUE, FALSE},
    [RANGE_IP6_STATIC] = {"IP6_STATIC", FALSE, FALSE, TRUE},
    [RANGE_IP4_6_STATIC] = {"IP4_6_STATIC", TRUE, FALSE, TRUE},
};

const char *range_type_word(RangeType type)
{
    return types[type].word;
}

/* ---- reading ---- */

static gboolean parse_mac(const char *text, guint64 *mac)
{
    guint64 value = 0;
    for (guint i = 0; i < 6; i++, text += 3) {
        if (!g_ascii_isxdigit(text[0]) || !g_ascii_isxdigit(text[1]) ||
            text[2] != (i < 5 ? ':' : '\0'))
            return FALSE;
        value = value << 8 |
                (guint64)(g_ascii_xdigit_value(text[0]) << 4 | g_ascii_xdigit_value(text[1]));
    }
    *mac = value;
    return TRUE;
}

static gboolean parse_ip4(const char *text, guint32 *ip)
{
    struct in_addr address;
    if (inet_pton(AF_INET, text, &address) != 1)
        return FALSE;
    *ip = ntohl(address.s_addr);
    return TRUE;
}

static gboolean read_size(const TemplateAttribute *given, guint *size, GError **error)
{
    gint64 number;
    const char *text = attribute_get(given, "SIZE");
    if (!text || !attribute_get_int(given, "SIZE", &number) || number < 1 ||
        number > RANGE_SIZE_MAX)
        return wrong(error, "Wrong SIZE for address range: \"%s\" is not a number from 1 to %u",
                     text ? text : "", RANGE_SIZE_MAX);
    *size = (guint)number;
    return TRUE;
}

static gboolean read_type(const TemplateAttribute *given, RangeType *type, GError **error)
{
    const char *word = attribute_get(given, "TYPE");
    for (guint i = 0; word && i < RANGE_TYPES; i++)
        if (g_ascii_strcasecmp(types[i].word, word) == 0)
            return *type = (RangeType)i, TRUE;
    return wrong(error,
                 "Wrong TYPE for address range: \"%s\" is none of IP4, IP6, IP4_6, IP6_STATIC, "
                 "IP4_6_STATIC, ETHER",
                 word ? word : "");
}

static gboolean read_ip4(AddressRange *range, GError **error)
{
    const char *text = attribute_get(range->attributes, "IP");
    if (!text || !parse_ip4(text, &range->ip4))
        return wrong(error, "Wrong IP for address range: \"%s\" is no IPv4 address",
                     text ? text : "");
    if (range->ip4 > G_MAXUINT32 - (range->size - 1))
        return wrong(error, "%u addresses from %s on go beyond the last IPv4 address", range->size,
                     text);
    return TRUE;
}

static gboolean read_ip6(AddressRange *range, GError **error)
{
    gint64 length = 64;
    const char *text = attribute_get(range->attributes, "IP6");
    if (!text || inet_pton(AF_INET6, text, range->ip6) != 1)
        return wrong(error, "Wrong IP6 for address range: \"%s\" is no IPv6 address",
                     text ? text : "");
    const char *prefix = attribute_get(range->attributes, "PREFIX_LENGTH");
    if (!prefix)
        return wrong(error, "PREFIX_LENGTH must be given for an address range with IP6");
    if (!attribute_get_int(range->attributes, "PREFIX_LENGTH", &length) || length < 1 ||
        length > 128)
        return wrong(error, "PREFIX_LENGTH \"%s\" is not a number from 1 to 128", prefix);
    return TRUE;
}

static gboolean read_prefix(const AddressRange *range, const char *name, guint8 *prefix,
                            gboolean *has, GError **error)
{
    guint8 address[16];
    const char *text = attribute_get(range->attributes, name);
    if (!text || !*text)
        return TRUE;
    if (inet_pton(AF_INET6, text, address) != 1)
        return wrong(error, "Wrong %s for address range: \"%s\" is no IPv6 address", name, text);
    memcpy(prefix, address, 8);
    *has = TRUE;
    return TRUE;
}

static gboolean read_mac(AddressRange *range, const char *mac_prefix, guint32 seed, GError **error)
{
    const char *text = attribute_get(range->attributes, "MAC");
    if (text && *text) {
        if (!parse_mac(text, &range->mac))
            return wrong(error,
                         "Wrong MAC for address range: \"%s\" is not of the form "
                         "02:00:0a:00:00:01",
                         text);
    } else {
        guint32 low = types[range->type].ip4 ? range->ip4 : seed;
        g_autofree char *made = g_strdup_printf("%s:%02x:%02x:%02x:%02x", mac_prefix, low >> 24,
                                                low >> 16 & 0xff, low >> 8 & 0xff, low & 0xff);
        if (!parse_mac(made, &range->mac))
            return wrong(error, "MAC_PREFIX \"%s\" of oned.conf is not of the form 02:00",
                         mac_prefix);
        attribute_set(range->attributes, "MAC", made);
    }
    if (range->mac > MAC_LAST - (range->size - 1))
        return wrong(error, "%u addresses from this MAC on go beyond the last one", range->size);
    return TRUE;
}

static gboolean read_all(AddressRange *range, const char *mac_prefix, guint32 seed, GError **error)
{
    const TemplateAttribute *given = range->attributes;
    return read_type(given, &range->type, error) && read_size(given, &range->size, error) &&
           (!types[range->type].ip4 || read_ip4(range, error)) &&
           (!types[range->type].ip6 || read_ip6(range, error)) &&
           (!types[range->type].prefixes ||
            (read_prefix(range, "GLOBAL_PREFIX", range->global, &range->has_global, error) &&
             read_prefix(range, "ULA_PREFIX", range->ula, &range->has_ula, error))) &&
           read_mac(range, mac_prefix, seed, error);
}

static guint words_for(guint size)
{
    return (size + 63) / 64;
}

static void make_bits(AddressRange *range)
{
    g_free(range->words);
    g_free(range->full);
    range->words = g_new0(guint64, words_for(range->size));
    range->full = g_new0(guint64, words_for(words_for(range->size)));
}

AddressRange *range_new(TemplateAttribute *given, const char *mac_prefix, guint32 seed,
                        GError **error)
{
    g_autoptr(AddressRange) range = g_new0(AddressRange, 1);
    range->attributes = given;
    range->parent = -1;
    range->holders = g_hash_table_new(NULL, NULL);
    if (!read_all(range, mac_prefix, seed, error))
        return NULL;
    attribute_set(given, "TYPE", types[range->type].word);
    make_bits(range);
    return g_steal_pointer(&range);
}

void range_free(AddressRange *range)
{
    if (!range)
        return;
    template_attribute_free(range->attributes);
    g_clear_pointer(&range->holders, g_hash_table_unref);
    g_free(range->words);
    g_free(range->full);
    g_free(range);
}

/* ---- bits ---- */

static gboolean is_held(const AddressRange *range, guint index)
{
    return range->words[index / 64] >> (index % 64) & 1;
}

/* The bits of the last word that stand for no address are as if they were held. */
static guint64 held_word(const AddressRange *range, guint word)
{
    guint end = range->size - word * 64;
    return range->words[word] | (end < 64 ? ~G_GUINT64_CONSTANT(0) << end : 0);
}

static void set_bit(AddressRange *range, guint index, gboolean held)
{
    guint word = index / 64;
    guint64 bit = G_GUINT64_CONSTANT(1) << (index % 64);
    range->words[word] = held ? range->words[word] | bit : range->words[word] & ~bit;
    guint64 mark = G_GUINT64_CONSTANT(1) << (word % 64);
    if (held_word(range, word) == ~G_GUINT64_CONSTANT(0))
        range->full[word / 64] |= mark;
    else
        range->full[word / 64] &= ~mark;
}

gboolean range_resize(AddressRange *range, guint size, GError **error)
{
    if (size < 1 || size > RANGE_SIZE_MAX)
        return wrong(error, "Wrong SIZE for address range: %u is not a number from 1 to %u", size,
                     RANGE_SIZE_MAX);
    guint held = size < range->size ? range_next_held(range, size) : range->size;
    if (held < range->size)
        return wrong(error,
                     "The address range cannot have %u addresses: one behind that, number %u, is "
                     "in use",
                     size, held);
    if ((types[range->type].ip4 && range->ip4 > G_MAXUINT32 - (size - 1)) ||
        range->mac > MAC_LAST - (size - 1))
        return wrong(error, "%u addresses go beyond the last one that there is", size);
    range->size = size;
    range->next = MIN(range->next, size - 1);
    make_bits(range);
    GHashTableIter iter;
    gpointer index;
    g_hash_table_iter_init(&iter, range->holders);
    while (g_hash_table_iter_next(&iter, &index, NULL))
        set_bit(range, GPOINTER_TO_UINT(index), TRUE);
    attribute_set_int(range->attributes, "SIZE", size);
    return TRUE;
}

/* ---- who holds what ---- */

static gpointer packed(Holder holder)
{
    return GSIZE_TO_POINTER((gsize)holder.kind << 32 | (guint32)holder.id);
}

Holder range_holder(const AddressRange *range, guint index)
{
    gsize value = GPOINTER_TO_SIZE(g_hash_table_lookup(range->holders, GUINT_TO_POINTER(index)));
    return (Holder){(HolderKind)(value >> 32), (gint32)(guint32)value};
}

void range_take(AddressRange *range, guint index, Holder holder)
{
    g_return_if_fail(index < range->size && !is_held(range, index));
    g_hash_table_insert(range->holders, GUINT_TO_POINTER(index), packed(holder));
    set_bit(range, index, TRUE);
    range->used++;
    range->next = (index + 1) % range->size;
}

void range_give_back(AddressRange *range, guint index)
{
    g_return_if_fail(index < range->size && is_held(range, index));
    g_hash_table_remove(range->holders, GUINT_TO_POINTER(index));
    set_bit(range, index, FALSE);
    range->used--;
}

/* The first free one in [from, size); range->size when there is none. */
static guint first_free(const AddressRange *range, guint from)
{
    guint words = words_for(range->size), word = from / 64;
    guint64 free_bits =
        from < range->size ? ~held_word(range, word) & (~G_GUINT64_CONSTANT(0) << (from % 64)) : 0;
    while (!free_bits) {
        do { /* to the next word that is not full, by the marks */
            word++;
            if (word % 64 == 0)
                while (word < words && range->full[word / 64] == ~G_GUINT64_CONSTANT(0))
                    word += 64;
        } while (word < words && range->full[word / 64] >> (word % 64) & 1);
        if (word >= words)
            return range->size;
        free_bits = ~held_word(range, word);
    }
    return word * 64 + (guint)__builtin_ctzll(free_bits);
}

gboolean range_find(AddressRange *range, guint *index)
{
    if (range->used == range->size)
        return FALSE;
    guint found = first_free(range, range->next);
    *index = found < range->size ? found : first_free(range, 0);
    return *index < range->size;
}

guint range_next_held(const AddressRange *range, guint index)
{
    guint words = words_for(range->size);
    guint word = index / 64;
    if (index >= range->size)
        return range->size;
    guint64 bits = range->words[word] & (~G_GUINT64_CONSTANT(0) << (index % 64));
    while (!bits && ++word < words)
        bits = range->words[word];
    return bits ? word * 64 + (guint)__builtin_ctzll(bits) : range->size;
}

gboolean range_find_row(const AddressRange *range, guint count, guint *index)
{
    guint from = 0;
    while (count > 0 && count <= range->size - from) {
        guint start = first_free(range, from), end = range_next_held(range, start);
        if (start >= range->size)
            return FALSE;
        if (end - start >= count)
            return *index = start, TRUE;
        from = end;
    }
    return FALSE;
}

/* ---- addresses ---- */

static void ip6_plus(const guint8 *first, guint index, guint8 *address)
{
    guint32 carry = index;
    memcpy(address, first, 16);
    for (guint i = 16; i-- > 0 && carry;) {
        carry += address[i];
        address[i] = (guint8)carry;
        carry >>= 8;
    }
}

/* RFC 4291, appendix A: the MAC with ff:fe in its middle and the universal bit turned. */
static void ip6_of_mac(const guint8 *prefix, guint64 mac, guint8 *address)
{
    memcpy(address, prefix, 8);
    address[8] = (guint8)(mac >> 40) ^ 2;
    address[9] = (guint8)(mac >> 32);
    address[10] = (guint8)(mac >> 24);
    address[11] = 0xff;
    address[12] = 0xfe;
    address[13] = (guint8)(mac >> 16);
    address[14] = (guint8)(mac >> 8);
    address[15] = (guint8)mac;
}

gboolean range_place_of_mac(const AddressRange *range, const char *mac, guint *index)
{
    guint64 value;
    if (!parse_mac(mac, &value) || value < range->mac || value - range->mac >= range->size)
        return FALSE;
    *index = (guint)(value - range->mac);
    return TRUE;
}

static gboolean place_of_ip6(const AddressRange *range, const guint8 *wanted, guint *index)
{
    if (types[range->type].ip6) {
        guint64 distance = 0;
        guint32 borrow = 0;
        for (guint i = 16; i-- > 0;) {
            gint digit = (gint)wanted[i] - range->ip6[i] - (gint)borrow;
            borrow = digit < 0;
            if (i >= 8)
                distance |= (guint64)(digit & 0xff) << (8 * (15 - i));
            else if (digit & 0xff)
                return FALSE;
        }
        if (borrow || distance >= range->size)
            return FALSE;
        *index = (guint)distance;
        return TRUE;
    }
    static const guint8 link[8] = {0xfe, 0x80};
    const guint8 *prefixes[] = {link, range->has_global ? range->global : NULL,
                                range->has_ula ? range->ula : NULL};
    guint64 mac = (guint64)(wanted[8] ^ 2) << 40 | (guint64)wanted[9] << 32 |
                  (guint64)wanted[10] << 24 | (guint64)wanted[13] << 16 | (guint64)wanted[14] << 8 |
                  wanted[15];
    for (guint i = 0; types[range->type].prefixes && i < G_N_ELEMENTS(prefixes); i++) {
        guint8 made[16];
        if (!prefixes[i] || memcmp(prefixes[i], wanted, 8) != 0)
            continue;
        ip6_of_mac(prefixes[i], mac, made);
        if (memcmp(made, wanted, 16) == 0 && mac >= range->mac && mac - range->mac < range->size) {
            *index = (guint)(mac - range->mac);
            return TRUE;
        }
    }
    return FALSE;
}

gboolean range_place_of_ip(const AddressRange *range, const char *ip, guint *index)
{
    guint32 ip4;
    guint8 ip6[16];
    if (parse_ip4(ip, &ip4)) {
        if (!types[range->type].ip4 || ip4 < range->ip4 || ip4 - range->ip4 >= range->size)
            return FALSE;
        *index = ip4 - range->ip4;
        return TRUE;
    }
    return inet_pton(AF_INET6, ip, ip6) == 1 && place_of_ip6(range, ip6, index);
}

/* Printed by hand: a large network shows tens of thousands at once. */
static void print_ip4(guint32 ip, char *out)
{
    for (guint i = 0; i < 4; i++) {
        guint part = ip >> (24 - 8 * i) & 0xff;
        if (part >= 100)
            *out++ = (char)('0' + part / 100);
        if (part >= 10)
            *out++ = (char)('0' + part / 10 % 10);
        *out++ = (char)('0' + part % 10);
        *out++ = i < 3 ? '.' : '\0';
    }
}

static void print_mac(guint64 mac, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (guint i = 0; i < 6; i++) {
        guint part = (guint)(mac >> (40 - 8 * i)) & 0xff;
        *out++ = digits[part >> 4];
        *out++ = digits[part & 15];
        *out++ = i < 5 ? ':' : '\0';
    }
}

static void print_ip6(const char *name, const guint8 *address, AddressText *out)
{
    out->name = name;
    (void)inet_ntop(AF_INET6, address, out->text, sizeof out->text);
}

guint range_addresses(const AddressRange *range, guint index, AddressText *out)
{
    static const guint8 link[8] = {0xfe, 0x80};
    guint64 mac = range->mac + index;
    guint8 address[16];
    guint count = 0;
    if (types[range->type].ip4) {
        out[count].name = "IP";
        print_ip4(range->ip4 + index, out[count++].text);
    }
    if (types[range->type].ip6) {
        ip6_plus(range->ip6, index, address);
        print_ip6("IP6", address, &out[count++]);
    }
    if (types[range->type].prefixes) {
        if (range->has_global) {
            ip6_of_mac(range->global, mac, address);
            print_ip6("IP6_GLOBAL", address, &out[count++]);
        }
        ip6_of_mac(link, mac, address);
        print_ip6("IP6_LINK", address, &out[count++]);
        if (range->has_ula) {
            ip6_of_mac(range->ula, mac, address);
            print_ip6("IP6_ULA", address, &out[count++]);
        }
    }
    out[count].name = "MAC";
    print_mac(mac, out[count++].text);
    return count;
}

void range_describe(const AddressRange *range, guint index, TemplateAttribute *into)
{
    AddressText texts[ADDRESSES_MAX];
    guint count = range_addresses(range, index, texts);
    for (guint i = 0; i < count; i++)
        attribute_set(into, texts[i].name, texts[i].text);
}
