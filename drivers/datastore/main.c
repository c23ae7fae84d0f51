/* one_datastore: makes, copies and removes images in datastores of this computer. */
#include "drivers/datastore/datastore.h"
#include <curl/curl.h>
#include <glib/gprintf.h>
#include <locale.h>

int main(int argc, char **argv)
{
    int threads = 0, per_datastore = 0, timeout = 0;
    g_autofree char *flavours = NULL, *system_flavours = NULL;
    const GOptionEntry entries[] = {
        {"threads", 't', 0, G_OPTION_ARG_INT, &threads, "Requests at once in all (15)", "N"},
        {"per-datastore", 'p', 0, G_OPTION_ARG_INT, &per_datastore,
         "Copies at once in one datastore (4)", "N"},
        {"drivers", 'd', 0, G_OPTION_ARG_STRING, &flavours,
         "Flavours, separated by commas; the first serves datastores that name none (fs)", "LIST"},
        {"system", 's', 0, G_OPTION_ARG_STRING, &system_flavours,
         "Accepted for other configurations", "LIST"},
        {"timeout", 'w', 0, G_OPTION_ARG_INT, &timeout, "Accepted for other configurations", "N"},
        {NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new("");
    g_autofree char *names = datastore_flavours();
    g_autofree char *summary = g_strdup_printf("Flavours: %s", names);
    g_autoptr(GError) error = NULL;
    (void)setlocale(LC_ALL, "C.UTF-8");
    g_option_context_set_summary(context, summary);
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error) ||
        !datastore_init(flavours, &error)) {
        g_fprintf(stderr, "one_datastore: %s\n", error->message);
        return 2;
    }
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        g_fprintf(stderr, "one_datastore: libcurl cannot be used\n");
        return 2;
    }
    Driver driver = datastore_driver((guint)MAX(threads, 0), (guint)MAX(per_datastore, 0));
    return driver_run(&driver);
}
