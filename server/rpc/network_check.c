/* What a network says about its connection on hosts, checked before a machine fails because of it.
 * The drivers check it again (drivers/vnm). */
#include "server/rpc/server_private.h"

#include "server/model/network/network.h"

#include <string.h>

/* Names of network devices have 15 characters in the kernel. */
#define DEVICE_NAME_MAX 15

static const struct {
    const char *name;
    gint64 highest; /* VLAN_ID; 0: has none */
} drivers[] = {{"dummy", 0},     {"bridge", 0},       {"fw", 0},
               {"802.1Q", 4094}, {"vxlan", 16777215}, {"ovswitch", 4094}};

static gboolean is_device(const char *text)
{
    if (!g_ascii_isalnum(*text) || strlen(text) > DEVICE_NAME_MAX)
        return FALSE;
    for (const char *at = text; *at; at++)
        if (!g_ascii_isalnum(*at) && !strchr("_.-", *at))
            return FALSE;
    return TRUE;
}

/* What will be: of the change, else of the network (NULL: there is none yet). */
static const char *value_of(const Template *change, const Template *now, const char *name)
{
    const char *value = template_get(change, name);
    if (!value && now)
        value = template_get(now, name);
    return value && *value ? value : NULL;
}

static gboolean number_fits(Request *request, const Template *change, const char *name,
                            gint64 least, gint64 most)
{
    const char *value = template_get(change, name);
    gint64 number;
    if (!value || !*value ||
        (template_get_int(change, name, &number) && number >= least && number <= most))
        return TRUE;
    reply_error(request, ONE_ERROR_ALLOCATE,
                "%s \"%s\" is no number from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT, name,
                value, least, most);
    return FALSE;
}

gboolean network_connection_fits(Request *request, const Template *change, const Template *now)
{
    static const char *const devices[] = {"BRIDGE", "PHYDEV"};
    const char *driver = value_of(change, now, "VN_MAD");
    guint row = 0;
    for (guint i = 0; i < G_N_ELEMENTS(devices); i++) {
        const char *name = template_get(change, devices[i]);
        if (name && *name && !is_device(name))
            return reply_error(request, ONE_ERROR_ALLOCATE,
                               "%s \"%s\" can be no device: 1 to %d letters, digits, and _ . - "
                               "behind the first",
                               devices[i], name, DEVICE_NAME_MAX) != NULL;
    }
    while (driver && row < G_N_ELEMENTS(drivers) && strcmp(drivers[row].name, driver) != 0)
        row++;
    if (driver && row == G_N_ELEMENTS(drivers))
        return config_named(request->world->config, "VN_MAD_CONF", driver) ||
               reply_error(
                   request, ONE_ERROR_ALLOCATE,
                   "No network driver is called \"%s\": there are dummy, bridge, fw, 802.1Q, "
                   "vxlan and ovswitch, and those that VN_MAD_CONF of oned.conf names",
                   driver) != NULL;
    gint64 highest = driver && drivers[row].highest ? drivers[row].highest : G_MAXINT32;
    gboolean tagged = driver && (!strcmp(driver, "802.1Q") || !strcmp(driver, "vxlan"));
    if (tagged && !value_of(change, now, "PHYDEV"))
        return reply_error(request, ONE_ERROR_ALLOCATE,
                           "A network of %s needs PHYDEV, the card of the hosts that it goes over",
                           driver) != NULL;
    return number_fits(request, change, "VLAN_ID", 1, highest) &&
           number_fits(request, change, "MTU", 68, 65535) &&
           number_fits(request, change, "VXLAN_TTL", 1, 255);
}
