/* one_vmm: runs machines on hosts. The first argument is the flavour. */
#include "drivers/common/libvirt_pool.h"
#include "drivers/vmm/container/container_run.h"
#include "drivers/vmm/vmm.h"
#include "drivers/vmm/vmm_action.h"
#include "drivers/vmm/libvirt/vmm_libvirt.h"
#include "drivers/vmm/migrate/vmm_resume.h"
#include <glib/gprintf.h>
#include <locale.h>

/* Of flavours that are not libvirt's. */
static const char *defaults;

static gboolean read_defaults(GError **error)
{
    return container_read_defaults(defaults, error);
}

int main(int argc, char **argv)
{
    int threads = 0, per_host = 0, retries = 0, patience = 0;
    g_autofree char *uri = NULL;
    const GOptionEntry entries[] = {
        {"threads", 't', 0, G_OPTION_ARG_INT, &threads, "Jobs at once in all (32)", "N"},
        {"per-host", 'p', 0, G_OPTION_ARG_INT, &per_host, "Jobs at once on one host (4)", "N"},
        {"uri", 'u', 0, G_OPTION_ARG_STRING, &uri,
         "How another computer is reached (a URI of libvirt, an endpoint of a container daemon); "
         "%h "
         "is its name",
         "PATTERN"},
        {"wait", 'w', 0, G_OPTION_ARG_INT, &patience, "Seconds that a connection may take (20)",
         "N"},
        {"retries", 'r', 0, G_OPTION_ARG_INT, &retries, "Accepted for older configurations", "N"},
        {NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new("FLAVOUR");
    g_autofree char *names = vmm_flavour_names();
    g_autofree char *summary = g_strdup_printf("Flavours: %s", names);
    g_autoptr(GError) error = NULL;
    (void)setlocale(LC_ALL, "C.UTF-8");
    if (argc > 1 && g_str_equal(argv[1], VMM_RESUME_WORD))
        return vmm_resume(argc, argv);
    g_option_context_set_summary(context, summary);
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        g_fprintf(stderr, "one_vmm: %s\n", error->message);
        return 2;
    }
    const VmmFlavour *flavour = argc == 2 ? vmm_flavour(argv[1]) : NULL;
    if (!flavour) {
        g_fprintf(stderr, "one_vmm: give one flavour of: %s\n", names);
        return 2;
    }
    if (patience) {
        libvirt_pool_set_patience(patience);
        rest_set_patience(patience);
    }
    if (flavour->rest && !rest_start(flavour->rest, uri, &error)) {
        g_fprintf(stderr, "one_vmm: %s\n", error->message);
        return 2;
    }
    if (flavour->engine)
        container_use(flavour->engine);
    if (flavour->start && !flavour->start(uri, &error)) {
        g_fprintf(stderr, "one_vmm: %s\n", error->message);
        return 2;
    }
    if (flavour->look)
        vmm_network_start(flavour->look);
    if (flavour->dialect)
        vmm_libvirt_start(flavour, uri);
    defaults = flavour->defaults;
    g_autofree char *lacks = vmm_flavour_lacks(flavour);
    Driver driver = {
        .program = "one_vmm",
        .actions = flavour->actions,
        .queue_of = vmm_queue_of,
        .prepare = vmm_prepare,
        .init = flavour->dialect    ? vmm_libvirt_init
                : flavour->defaults ? read_defaults
                                    : NULL,
        .threads = (guint)MAX(threads, 0),
        .per_host = (guint)MAX(per_host, 0),
        .in_order = TRUE,
        .lacks = lacks,
        .has = flavour->has,
    };
    return driver_run(&driver);
}
