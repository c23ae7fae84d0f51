/* Whether a machine's domain is on its host, and what it does there. */
#include "drivers/vmm/libvirt/vmm_libvirt.h"

#include "drivers/common/libvirt_stats.h"
#include "lib/base/error.h"
#include <libvirt/virterror.h>
#include <string.h>

/* How often a guest that ends or reboots is looked at. */
#define LOOK_MS 250
/* How long it is waited until a guest of Xen that ends or reboots has done so; within the time
 * of a POLL. */
#define PASSING_SECONDS 40

void vmm_sight_clear(VmmSight *sight)
{
    libvirt_domain_release(g_steal_pointer(&sight->domain));
    g_clear_error(&sight->error);
}

const char *vmm_presence_text(VmmPresence presence)
{
    static const char *const texts[] = {
        [VMM_ABSENT] = "is not there",      [VMM_RUNNING] = "runs",
        [VMM_PAUSED] = "is paused",         [VMM_BROKEN] = "has crashed",
        [VMM_OTHER] = "is another machine", [VMM_UNKNOWN] = "cannot be seen",
    };
    return texts[presence];
}

/* A domain that has our kind of name must have the machine's UUID too: after a new start
 * with an empty database there may be an older one-12. Imported machines have other names. */
static gboolean is_this(const VmmAction *action, virDomainPtr domain)
{
    char uuid[VIR_UUID_STRING_BUFLEN] = "";
    g_autofree char *own = g_strdup_printf("one-%" G_GINT64_FORMAT, action->vid);
    return action->adopted || !g_str_equal(action->domain, own) ||
           (virDomainGetUUIDString(domain, uuid) == 0 && !g_ascii_strcasecmp(uuid, action->uuid));
}

static VmmPresence presence_of(int state)
{
    switch (state) {
    case VIR_DOMAIN_RUNNING:
    case VIR_DOMAIN_BLOCKED:
    case VIR_DOMAIN_SHUTDOWN:
    case VIR_DOMAIN_NOSTATE: /* active, whatever else */
        return VMM_RUNNING;
    case VIR_DOMAIN_PAUSED:
    case VIR_DOMAIN_PMSUSPENDED:
        return VMM_PAUSED;
    case VIR_DOMAIN_CRASHED:
        return VMM_BROKEN;
    default:
        return VMM_ABSENT;
    }
}

static gboolean is_missing(void)
{
    const virError *fault = virGetLastError();
    return fault && fault->code == VIR_ERR_NO_DOMAIN;
}

/* *passing: it is about to be off, or on again. */
static VmmSight look_once(const VmmAction *action, virConnectPtr connection, gboolean *passing)
{
    VmmSight sight = {VMM_UNKNOWN};
    int state = 0;
    *passing = FALSE;
    sight.domain = virDomainLookupByName(connection, action->domain);
    if (sight.domain && !is_this(action, sight.domain)) {
        sight.presence = VMM_OTHER;
    } else if (sight.domain && virDomainGetState(sight.domain, &state, &sight.reason, 0) == 0) {
        sight.presence = presence_of(state);
        *passing = libvirt_is_passing(sight.domain, state);
    } else if (is_missing()) {
        libvirt_domain_release(g_steal_pointer(&sight.domain));
        sight.presence = VMM_ABSENT;
    } else {
        libvirt_error(&sight.error, "look for %s", action->domain);
    }
    return sight;
}

VmmSight vmm_look(const VmmAction *action, virConnectPtr connection)
{
    gint64 until = g_get_monotonic_time() + PASSING_SECONDS * G_TIME_SPAN_SECOND;
    for (;;) {
        gboolean passing;
        VmmSight sight = look_once(action, connection, &passing);
        if (!passing)
            return sight;
        vmm_sight_clear(&sight);
        if (g_get_monotonic_time() > until) {
            g_set_error(&sight.error, ONE_ERROR, ONE_ERROR_INTERNAL,
                        "%s is neither on nor off: its host has been ending it, or starting it "
                        "anew, for %d seconds",
                        action->domain, PASSING_SECONDS);
            sight.presence = VMM_UNKNOWN;
            return sight;
        }
        g_usleep(LOOK_MS * 1000);
    }
}
