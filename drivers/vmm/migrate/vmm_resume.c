#include "drivers/vmm/migrate/vmm_resume.h"

#include <glib/gprintf.h>
#include <libvirt/virterror.h>
#include <string.h>

/* A host that is silent for so many times so many seconds ends the attempt. */
#define KEEPALIVE_SECONDS 5
#define KEEPALIVE_TIMES   6

#define FLAGS_KEPT        (VIR_MIGRATE_PERSIST_DEST | VIR_MIGRATE_UNDEFINE_SOURCE | VIR_MIGRATE_TLS)

char **vmm_resume_words(const Migration *migration, gboolean persistent)
{
    const MigrateOptions *options = &migration->options;
    const VmmAction *action = migration->action;
    unsigned int flags = migrate_options_flags(options, TRUE, migration->storage, persistent);
    GPtrArray *words = g_ptr_array_new();
    flags = (flags & FLAGS_KEPT) | VIR_MIGRATE_LIVE | VIR_MIGRATE_POSTCOPY |
            VIR_MIGRATE_POSTCOPY_RESUME;
    g_ptr_array_add(words, g_strdup("/proc/self/exe"));
    g_ptr_array_add(words, g_strdup(VMM_RESUME_WORD));
    g_ptr_array_add(words, g_strdup_printf("%u", flags));
    g_ptr_array_add(words, libvirt_uri_of(action->host));
    g_ptr_array_add(words, libvirt_uri_of(action->destination));
    g_ptr_array_add(words, g_strdup(action->domain));
    if (options->uri)
        g_ptr_array_add(words, g_strconcat(VIR_MIGRATE_PARAM_URI, "=", options->uri, NULL));
    if (options->tls && !libvirt_host_is_local(action->destination))
        g_ptr_array_add(
            words, g_strconcat(VIR_MIGRATE_PARAM_TLS_DESTINATION, "=", action->destination, NULL));
    g_ptr_array_add(words, NULL);
    return (char **)g_ptr_array_free(words, FALSE);
}

/* ---- the process ---- */

static gpointer run_events(gpointer unused)
{
    while (virEventRunDefaultImpl() == 0)
        ;
    return NULL;
}

static int complain(const char *what, const char *which)
{
    const virError *fault = virGetLastError();
    g_fprintf(stderr, "cannot %s %s: %s\n", what, which,
              fault && fault->message ? fault->message : "no reason was given");
    return 1;
}

static virConnectPtr dial(const char *uri)
{
    virConnectPtr connection = virConnectOpen(uri);
    if (connection)
        (void)virConnectSetKeepAlive(connection, KEEPALIVE_SECONDS, KEEPALIVE_TIMES);
    else
        complain("reach", uri);
    return connection;
}

static void quiet(void *unused, virErrorPtr fault)
{
}

int vmm_resume(int argc, char **argv)
{
    guint64 flags = 0;
    virTypedParameterPtr parameters = NULL;
    int count = 0, room = 0;
    if (argc < 6 || !g_ascii_string_to_unsigned(argv[2], 10, 0, G_MAXUINT, &flags, NULL)) {
        g_fprintf(stderr, "%s takes flags, two URIs of libvirt and a domain\n", VMM_RESUME_WORD);
        return 2;
    }
    for (int i = 6; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        if (value) {
            *value++ = '\0';
            (void)virTypedParamsAddString(&parameters, &count, &room, argv[i], value);
        }
    }
    virSetErrorFunc(NULL, quiet);
    if (virInitialize() < 0 || virEventRegisterDefaultImpl() < 0)
        return complain("start", "libvirt");
    g_thread_unref(g_thread_new("events", run_events, NULL));
    virConnectPtr source = dial(argv[3]);
    virConnectPtr destination = source ? dial(argv[4]) : NULL;
    if (!destination)
        return 1;
    virDomainPtr domain = virDomainLookupByName(source, argv[5]);
    if (!domain)
        return complain("find", argv[5]);
    if (!virDomainMigrate3(domain, destination, parameters, (unsigned int)count,
                           (unsigned int)flags))
        return complain("go on with", argv[5]);
    return 0; /* what is open ends with the process */
}
