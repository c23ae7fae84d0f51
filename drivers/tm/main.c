/* one_tm: brings the files of machines to hosts and back. */
#include "drivers/tm/tm.h"
#include <glib/gprintf.h>
#include <locale.h>
#include <string.h>

int main(int argc, char **argv)
{
    int threads = 0, per_host = 0, timeout = 0;
    g_autofree char *flavours = NULL;
    const GOptionEntry entries[] = {
        {"threads", 't', 0, G_OPTION_ARG_INT, &threads, "Transfers at once in all (32)", "N"},
        {"per-host", 'p', 0, G_OPTION_ARG_INT, &per_host, "Transfers at once to one host (4)", "N"},
        {"drivers", 'd', 0, G_OPTION_ARG_STRING, &flavours,
         "Flavours, separated by commas; the first serves scripts that name none (shared)", "LIST"},
        {"timeout", 'w', 0, G_OPTION_ARG_INT, &timeout, "Accepted for other configurations", "N"},
        {NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new("");
    g_autofree char *names = flavour_names();
    g_autofree char *summary = g_strdup_printf("Flavours: %s", names);
    g_autoptr(GError) error = NULL;
    (void)setlocale(LC_ALL, "C.UTF-8");
    g_option_context_set_summary(context, summary);
    g_option_context_add_main_entries(context, entries, NULL);
    gboolean parsed = g_option_context_parse(context, &argc, &argv, &error);
    /* The arguments of 2009, "tm_nfs/tm_nfs.conf", name the flavour too. */
    if (parsed && !flavours && argc == 2)
        flavours = g_strndup(argv[1], strcspn(argv[1], "/."));
    if (!parsed || !tm_init(flavours, &error)) {
        g_fprintf(stderr, "one_tm: %s\n", error->message);
        return 2;
    }
    Driver driver = tm_driver((guint)MAX(threads, 0), (guint)MAX(per_host, 0));
    return driver_run(&driver);
}
