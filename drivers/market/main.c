/* one_market: puts apps into marketplaces, and tells what is there. */
#include "drivers/market/market.h"
#include <curl/curl.h>
#include <glib/gprintf.h>
#include <locale.h>

int main(int argc, char **argv)
{
    int threads = 0, timeout = 0;
    g_autofree char *flavours = NULL;
    const GOptionEntry entries[] = {
        {"threads", 't', 0, G_OPTION_ARG_INT, &threads, "Requests at once in all (15)", "N"},
        {"markets", 'm', 0, G_OPTION_ARG_STRING, &flavours, "Flavours, separated by commas (all)",
         "LIST"},
        {"timeout", 'w', 0, G_OPTION_ARG_INT, &timeout, "Accepted for other configurations", "N"},
        {NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new("");
    g_autofree char *names = market_flavours();
    g_autofree char *summary = g_strdup_printf("Flavours: %s", names);
    g_autoptr(GError) error = NULL;
    (void)setlocale(LC_ALL, "C.UTF-8");
    g_option_context_set_summary(context, summary);
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error) || !market_init(flavours, &error)) {
        g_fprintf(stderr, "one_market: %s\n", error->message);
        return 2;
    }
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        g_fprintf(stderr, "one_market: libcurl cannot be used\n");
        return 2;
    }
    Driver driver = market_driver((guint)MAX(threads, 0));
    return driver_run(&driver);
}
