/* one_im: tells what hosts have and which machines run there. The first argument is the flavour. */
#include "drivers/common/libvirt_pool.h"
#include "drivers/im/im.h"
#include "drivers/im/im_libvirt.h"
#include "drivers/im/im_pci.h"
#include <glib/gprintf.h>
#include <locale.h>

int main(int argc, char **argv)
{
    int threads = 0, retries = 0, patience = 0;
    g_autofree char *uri = NULL;
    const GOptionEntry entries[] = {
        {"threads", 't', 0, G_OPTION_ARG_INT, &threads, "Hosts asked at once (32)", "N"},
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
    g_autofree char *names = im_flavour_names();
    g_autofree char *summary = g_strdup_printf("Flavours: %s", names);
    g_autoptr(GError) error = NULL;
    (void)setlocale(LC_ALL, "C.UTF-8");
    g_option_context_set_summary(context, summary);
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        g_fprintf(stderr, "one_im: %s\n", error->message);
        return 2;
    }
    const ImFlavour *flavour = argc == 2 ? im_flavour(argv[1]) : NULL;
    if (!flavour) {
        g_fprintf(stderr, "one_im: give one flavour of: %s\n", names);
        return 2;
    }
    if (patience) {
        libvirt_pool_set_patience(patience);
        rest_set_patience(patience);
    }
    if (flavour->rest && !rest_start(flavour->rest, uri, &error)) {
        g_fprintf(stderr, "one_im: %s\n", error->message);
        return 2;
    }
    if (flavour->start && !flavour->start(uri, &error)) {
        g_fprintf(stderr, "one_im: %s\n", error->message);
        return 2;
    }
    if (flavour->start) {
        g_autofree char *pattern = g_strconcat(uri ? uri : "ssh://%h", "/", NULL);
        im_outside_start(pattern);
    }
    if (flavour->rest)
        im_outside_start(uri ? uri : flavour->rest->remote);
    if (flavour->libvirt.local && !im_pci_init(&error)) {
        g_fprintf(stderr, "one_im: %s\n", error->message);
        return 2;
    }
    if (flavour->libvirt.local)
        im_libvirt_start(flavour, uri);
    Driver driver = {
        .program = "one_im",
        .actions = flavour->actions,
        .queue_of = im_queue_of,
        .prepare = im_prepare,
        .threads = (guint)MAX(threads, 0),
        .per_host = 1,
    };
    return driver_run(&driver);
}
