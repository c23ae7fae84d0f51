/* Runs the programs of vnm_script.c on hosts, over ssh sessions that are kept open. */
#include "drivers/vnm/vnm.h"

#include "drivers/common/libvirt_pool.h"
#include "drivers/common/ssh_copy.h"

/* A host that does not do its part in that time has other troubles. */
#define HOST_SECONDS 90

static Ssh *session(void)
{
    static gsize once;
    static Ssh *ssh;
    if (g_once_init_enter(&once)) {
        ssh = ssh_new();
        g_once_init_leave(&once, 1);
    }
    return ssh;
}

static gboolean run(const char *host, const char *script, GError **error)
{
    const SshWatch watch = {.seconds = HOST_SECONDS};
    SshEnd end = {libvirt_host_is_local(host) ? NULL : host, "/"};
    if (ssh_end_do(session(), end, script, &watch, NULL, error))
        return TRUE;
    g_prefix_error(error, "network: ");
    return FALSE;
}

gboolean vnm_up(const char *host, const VnmPlan *plan, GError **error)
{
    if (plan->cards->len == 0)
        return TRUE;
    g_autofree char *script = vnm_script_up(plan);
    return run(host, script, error);
}

gboolean vnm_update_rules(const char *host, const VnmPlan *plan, GError **error)
{
    if (plan->cards->len == 0)
        return TRUE;
    g_autofree char *script = vnm_script_rules(plan);
    return run(host, script, error);
}

gboolean vnm_down(const char *host, gint64 vm, gint64 card, GError **error)
{
    g_autofree char *script = vnm_script_down(vm, card);
    return run(host, script, error);
}
