/* Cards of a machine's document, every attribute of which is checked before it goes anywhere. */
#include "drivers/vnm/vnm.h"

#include "lib/base/error.h"
#include "lib/base/xml.h"
#include <gio/gio.h>
#include <string.h>

#define wrong(error, ...) (g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION, __VA_ARGS__), FALSE)

#define VLAN_MAX          4094
#define VXLAN_MAX         16777215
#define MTU_MIN           68
#define MTU_MAX           65535
#define VXLAN_BASE        "239.0.0.0" /* RFC 2365: addresses of an organization's own */

static const VnmDriver drivers[] = {
    {"bridge", VNM_NO_DEVICE, FALSE},
    {"fw", VNM_NO_DEVICE, TRUE},
    {"802.1Q", VNM_VLAN, TRUE},
    {"vxlan", VNM_VXLAN, TRUE},
    {"ovswitch", VNM_OPEN_VSWITCH, FALSE},
};

/* Text of an element, or NULL when it is missing or empty. (owned) */
static char *get(const xmlNode *from, const char *name)
{
    char *text = xml_get(from, name);
    if (text && *g_strstrip(text))
        return text;
    g_free(text);
    return NULL;
}

gboolean vnm_manages(const xmlNode *nic)
{
    g_autofree char *driver = get(nic, "VN_MAD");
    return driver && !g_str_equal(driver, "dummy");
}

char *vnm_tap(gint64 vm, gint64 card, GError **error)
{
    g_autofree char *name = g_strdup_printf("one-%" G_GINT64_FORMAT "-%" G_GINT64_FORMAT, vm, card);
    if (vm >= 0 && card >= 0 && strlen(name) <= VNM_DEVICE_MAX)
        return g_steal_pointer(&name);
    (void)wrong(error,
                "the network card cannot be called %s on its host: names there have %d "
                "letters at most",
                name, VNM_DEVICE_MAX);
    return NULL;
}

/* ---- values ---- */

static gboolean is_device(const char *text)
{
    if (!g_ascii_isalnum(*text) || strlen(text) > VNM_DEVICE_MAX)
        return FALSE;
    for (const char *at = text; *at; at++)
        if (!g_ascii_isalnum(*at) && !strchr("_.-", *at))
            return FALSE;
    return TRUE;
}

/* A device's name, NULL when it is not given. FALSE: it cannot be one. */
static gboolean read_device(const xmlNode *nic, const VnmCard *card, const char *name, char **value,
                            GError **error)
{
    *value = get(nic, name);
    return !*value || is_device(*value) ||
           wrong(error,
                 "NIC %" G_GINT64_FORMAT ": %s \"%s\" can be no device: 1 to %d letters, digits, "
                 "and _ . - behind the first",
                 card->id, name, *value, VNM_DEVICE_MAX);
}

/* A whole number; `*value` stays when it is not given. */
static gboolean read_number(const xmlNode *nic, const VnmCard *card, const char *name, guint least,
                            guint most, guint *value, GError **error)
{
    g_autofree char *text = get(nic, name);
    guint64 number;
    if (!text)
        return TRUE;
    if (!g_ascii_string_to_unsigned(text, 10, least, most, &number, NULL))
        return wrong(error, "NIC %" G_GINT64_FORMAT ": %s \"%s\" is no number from %u to %u",
                     card->id, name, text, least, most);
    *value = (guint)number;
    return TRUE;
}

/* Six bytes in hexadecimal with colons; in small letters. (owned, NULL: it is none) */
static char *read_mac(const char *text)
{
    gboolean fits = text && strlen(text) == 17;
    for (guint i = 0; fits && i < 17; i++)
        fits = i % 3 == 2 ? text[i] == ':' : g_ascii_isxdigit(text[i]);
    return fits ? g_ascii_strdown(text, -1) : NULL;
}

/* An address of that family as it is always written. (owned, NULL: it is none) */
static char *read_address(const char *text, GSocketFamily family)
{
    g_autoptr(GInetAddress) address = text ? g_inet_address_new_from_string(text) : NULL;
    return address && g_inet_address_get_family(address) == family
               ? g_inet_address_to_string(address)
               : NULL;
}

static gboolean is_yes(const xmlNode *nic, const char *name)
{
    static const char *const words[] = {"YES", "Y", "TRUE", "ON", "1"};
    g_autofree char *text = get(nic, name);
    for (guint i = 0; text && i < G_N_ELEMENTS(words); i++)
        if (!g_ascii_strcasecmp(text, words[i]))
            return TRUE;
    return FALSE;
}

/* ---- addresses ---- */

static gboolean add_address(const xmlNode *from, const VnmCard *card, const char *name,
                            GSocketFamily family, GPtrArray *into, GError **error)
{
    g_autofree char *text = get(from, name);
    char *address = read_address(text, family);
    if (text && !address)
        return wrong(error, "NIC %" G_GINT64_FORMAT ": %s \"%s\" is no IP address of version %d",
                     card->id, name, text, family == G_SOCKET_FAMILY_IPV4 ? 4 : 6);
    if (address)
        g_ptr_array_add(into, address);
    return TRUE;
}

static gboolean add_addresses(const xmlNode *from, VnmCard *card, GError **error)
{
    static const char *const v4[] = {"IP", "VROUTER_IP"};
    static const char *const v6[] = {
        "IP6",         "IP6_LINK",         "IP6_GLOBAL",      "IP6_ULA",
        "VROUTER_IP6", "VROUTER_IP6_LINK", "VROUTER_IP6_ULA", "VROUTER_IP6_GLOBAL"};
    for (guint i = 0; i < G_N_ELEMENTS(v4); i++)
        if (!add_address(from, card, v4[i], G_SOCKET_FAMILY_IPV4, card->ip, error))
            return FALSE;
    for (guint i = 0; i < G_N_ELEMENTS(v6); i++)
        if (!add_address(from, card, v6[i], G_SOCKET_FAMILY_IPV6, card->ip6, error))
            return FALSE;
    return TRUE;
}

/* An alias is one more address of the card that it names, when a network has given it: what its
 * owner wrote there is a wish of the guest, and no reason to let it speak so. */
static gboolean add_aliases(const xmlNode *vm, VnmCard *card, GError **error)
{
    const xmlNode *alias = xml_find(vm, "TEMPLATE/NIC_ALIAS");
    for (; alias; alias = xml_next_same(alias))
        if (xml_get_int(alias, "PARENT_ID", -1) == card->id &&
            xml_get_int(alias, "AR_ID", -1) >= 0 && !add_addresses(alias, card, error))
            return FALSE;
    return TRUE;
}

/* ---- devices ---- */

/* eth0.7, or for long names of the card below a short one that is always the same. (owned) */
static char *device_name(const VnmCard *card)
{
    g_autofree char *name = g_strdup_printf("%s.%u", card->phydev, card->number);
    if (strlen(name) <= VNM_DEVICE_MAX)
        return g_steal_pointer(&name);
    return g_strdup_printf("%c%u-%05x", card->driver->device == VNM_VLAN ? 'v' : 'x', card->number,
                           g_str_hash(card->phydev) & 0xfffff);
}

/* The group of a VXLAN is its number behind VXLAN_MC. */
static gboolean read_group(const xmlNode *nic, VnmCard *card, GError **error)
{
    g_autofree char *mode = get(nic, "VXLAN_MODE"), *base = get(nic, "VXLAN_MC");
    if (mode && g_ascii_strcasecmp(mode, "multicast") != 0)
        return wrong(error,
                     "NIC %" G_GINT64_FORMAT ": VXLAN_MODE \"%s\" is not supported: multicast is",
                     card->id, mode);
    g_autofree char *first = read_address(base ? base : VXLAN_BASE, G_SOCKET_FAMILY_IPV4);
    guint32 address = 0;
    for (const char *at = first; at && *at; at += *at == '.')
        address = address << 8 | (guint32)g_ascii_strtoull(at, (char **)&at, 10);
    address += card->number;
    if (!first || address >> 28 != 0xe)
        return wrong(error,
                     "NIC %" G_GINT64_FORMAT ": VXLAN_MC \"%s\" is no multicast address, or leaves "
                     "no room for number %u: 239.0.0.0 suits",
                     card->id, base ? base : VXLAN_BASE, card->number);
    card->group = g_strdup_printf("%u.%u.%u.%u", address >> 24, address >> 16 & 0xff,
                                  address >> 8 & 0xff, address & 0xff);
    return TRUE;
}

static gboolean read_tagged(const xmlNode *nic, VnmCard *card, GError **error)
{
    gboolean vlan = card->driver->device == VNM_VLAN;
    g_autofree char *outer = get(nic, "OUTER_VLAN_ID");
    card->ttl = 16;
    if (!read_number(nic, card, "VLAN_ID", 1, vlan ? VLAN_MAX : VXLAN_MAX, &card->number, error) ||
        !read_number(nic, card, "VXLAN_TTL", 1, 255, &card->ttl, error))
        return FALSE;
    if (!card->number || !card->phydev)
        return wrong(error, "NIC %" G_GINT64_FORMAT ": a network of %s needs %s", card->id,
                     card->driver->name, card->phydev ? "VLAN_ID" : "PHYDEV, the card below");
    if (outer)
        return wrong(error,
                     "NIC %" G_GINT64_FORMAT ": OUTER_VLAN_ID is not supported by the driver %s",
                     card->id, card->driver->name);
    card->device = device_name(card);
    return vlan || read_group(nic, card, error);
}

static const VnmDriver *find_driver(const VnmCard *card, const char *name, GError **error)
{
    for (guint i = 0; i < G_N_ELEMENTS(drivers); i++)
        if (g_str_equal(drivers[i].name, name))
            return &drivers[i];
    (void)wrong(error,
                "NIC %" G_GINT64_FORMAT ": no network driver is called \"%s\": there are bridge, "
                "fw, 802.1Q, vxlan, ovswitch and dummy",
                card->id, name);
    return NULL;
}

/* ---- cards ---- */

static void card_free(gpointer data)
{
    VnmCard *card = data;
    g_free(card->tap);
    g_free(card->mac);
    g_free(card->bridge);
    g_free(card->phydev);
    g_free(card->device);
    g_free(card->group);
    g_ptr_array_unref(card->ip);
    g_ptr_array_unref(card->ip6);
    vnm_filter_clear(&card->in);
    vnm_filter_clear(&card->out);
    g_free(card);
}

static gboolean read_connection(const xmlNode *nic, VnmCard *card, GError **error)
{
    g_autofree char *name = get(nic, "VN_MAD");
    card->driver = find_driver(card, name, error);
    if (!card->driver || !read_device(nic, card, "BRIDGE", &card->bridge, error) ||
        !read_device(nic, card, "PHYDEV", &card->phydev, error) ||
        !read_number(nic, card, "MTU", MTU_MIN, MTU_MAX, &card->mtu, error))
        return FALSE;
    if (!card->bridge)
        return wrong(error, "NIC %" G_GINT64_FORMAT ": a network of %s needs BRIDGE", card->id,
                     card->driver->name);
    card->keep = is_yes(nic, "KEEP_EMPTY_BRIDGE");
    gboolean tagged = card->driver->device == VNM_VLAN || card->driver->device == VNM_VXLAN;
    return !tagged || read_tagged(nic, card, error);
}

static gboolean read_protection(const xmlNode *vm, const xmlNode *nic, VnmCard *card,
                                GError **error)
{
    g_autofree char *mac = get(nic, "MAC"), *groups = get(nic, "SECURITY_GROUPS");
    card->mac = read_mac(mac);
    card->mac_filter = is_yes(nic, "FILTER_MAC_SPOOFING");
    card->ip_filter = is_yes(nic, "FILTER_IP_SPOOFING");
    if (!card->mac && (mac || card->mac_filter || card->ip_filter))
        return wrong(error, "NIC %" G_GINT64_FORMAT ": MAC \"%s\" is no address of a card",
                     card->id, mac ? mac : "");
    if (!add_addresses(nic, card, error) || !add_aliases(vm, card, error) ||
        !vnm_filters_read(card, vm, groups, error))
        return FALSE;
    if (card->driver->device == VNM_OPEN_VSWITCH && vnm_is_filtered(card))
        return wrong(error,
                     "NIC %" G_GINT64_FORMAT ": on Open vSwitch neither FILTER_MAC_SPOOFING nor "
                     "FILTER_IP_SPOOFING nor security groups that keep something out are applied; "
                     "use fw, 802.1Q or vxlan, or take them off the network",
                     card->id);
    return TRUE;
}

static VnmCard *card_read(const xmlNode *vm, const xmlNode *nic, gint64 vid, GError **error)
{
    VnmCard *card = g_new0(VnmCard, 1);
    card->id = xml_get_int(nic, "NIC_ID", -1);
    card->ip = g_ptr_array_new_with_free_func(g_free);
    card->ip6 = g_ptr_array_new_with_free_func(g_free);
    card->tap = vnm_tap(vid, card->id, error);
    if (card->tap && read_connection(nic, card, error) && read_protection(vm, nic, card, error))
        return card;
    card_free(card);
    return NULL;
}

VnmPlan *vnm_plan_read(const xmlNode *vm, gint64 only, GError **error)
{
    g_autoptr(VnmPlan) plan = g_new0(VnmPlan, 1);
    plan->vm = xml_get_int(vm, "ID", -1);
    plan->cards = g_ptr_array_new_with_free_func(card_free);
    const xmlNode *nic = xml_find(vm, "TEMPLATE/NIC");
    for (; nic; nic = xml_next_same(nic)) {
        if (!vnm_manages(nic) || (only >= 0 && xml_get_int(nic, "NIC_ID", -1) != only))
            continue;
        VnmCard *card = card_read(vm, nic, plan->vm, error);
        if (!card)
            return NULL;
        g_ptr_array_add(plan->cards, card);
    }
    return g_steal_pointer(&plan);
}

void vnm_plan_free(VnmPlan *plan)
{
    if (!plan)
        return;
    g_ptr_array_unref(plan->cards);
    g_free(plan);
}
