/*
 * MIGRATECHECK: whether a live migration could work, and how long it would take, with no change
 * on either host. Facts are gathered (check_facts.h) and judged (check_rules.c).
 */
#include "drivers/vmm/check/check_facts.h"

#include <string.h>

static gboolean can_check(DriverJob *job, const VmmAction *action)
{
    const VmmFlavour *flavour = vmm_libvirt_flavour();
    if (!action->destination)
        driver_job_fail(job, "the request names no MIGR_HOST");
    else if (!(flavour->abilities & VMM_MIGRATES))
        driver_job_fail(job,
                        "machines of %s cannot be moved live by libvirt; migrate without --live "
                        "stops and starts them",
                        flavour->name);
    return action->destination && flavour->abilities & VMM_MIGRATES;
}

/* Looks for the machine on one host; the connection stays with the caller. */
static gboolean look(CheckFacts *facts, guint host, const VmmAction *action,
                     virConnectPtr *connections, VmmSight *sights, GError **error)
{
    connections[host] = libvirt_pool_get(facts->hosts[host], error);
    if (!connections[host])
        return FALSE;
    sights[host] = vmm_look(action, connections[host]);
    facts->presence[host] = sights[host].presence;
    if (sights[host].presence != VMM_UNKNOWN)
        return TRUE;
    g_propagate_prefixed_error(error, g_steal_pointer(&sights[host].error),
                               "%s: ", facts->hosts[host]);
    return FALSE;
}

static gboolean read_document(DriverJob *job, CheckFacts *facts, virDomainPtr domain)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *xml = virDomainGetXMLDesc(domain, 0);
    if (!xml)
        libvirt_error(&error, "read the document of %s", facts->domain);
    else if (check_domain_read(facts, xml, &error))
        return TRUE;
    driver_job_fail(job, "%s", error->message);
    return FALSE;
}

static void check(DriverJob *job, CheckFacts *facts, virConnectPtr *connections, VmmSight *sights)
{
    const VmmAction *action = vmm_action_of(job);
    g_autoptr(GError) error = NULL, silence = NULL;
    if (!look(facts, CHECK_SOURCE, action, connections, sights, &error)) {
        driver_job_fail(job, "%s", error->message);
        return;
    }
    if (!look(facts, CHECK_DESTINATION, action, connections, sights, &silence))
        facts->unreachable = g_strdup(silence->message);
    VmmPresence presence = facts->presence[CHECK_SOURCE];
    if (!silence && (presence == VMM_RUNNING || presence == VMM_PAUSED)) {
        if (!read_document(job, facts, sights[CHECK_SOURCE].domain))
            return;
        check_hosts_ask(facts);
        check_libvirt_ask(facts, connections, sights[CHECK_SOURCE].domain);
    }
    g_autofree char *text = check_report(facts);
    g_autofree char *coded = g_base64_encode((const guchar *)text, strlen(text));
    driver_job_succeed(job, coded);
}

void vmm_check(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    const VmmFlavour *flavour = vmm_libvirt_flavour();
    gboolean qemu = flavour->dialect->traits & DOMAIN_QEMU;
    g_auto(MigrateOptions) options = {0};
    g_auto(CheckFacts) facts = {0};
    g_autoptr(GError) error = NULL;
    virConnectPtr connections[CHECK_HOSTS] = {NULL};
    VmmSight sights[CHECK_HOSTS] = {{VMM_UNKNOWN}, {VMM_UNKNOWN}};
    check_facts_init(&facts);
    if (!can_check(job, action))
        return;
    facts.hosts[CHECK_SOURCE] = action->host;
    facts.hosts[CHECK_DESTINATION] = action->destination;
    facts.domain = action->domain;
    facts.directory = action->directory;
    facts.shared = action->shared;
    facts.options = &options;
    if (!migrate_options_read(action, vmm_libvirt_defaults(), &options, &error) ||
        !migrate_options_fit(&options, qemu, action->shared, flavour->name, &error))
        facts.options_problem = g_strdup(error->message);
    check(job, &facts, connections, sights);
    for (guint i = 0; i < CHECK_HOSTS; i++) {
        vmm_sight_clear(&sights[i]);
        libvirt_pool_release(connections[i]);
    }
}
