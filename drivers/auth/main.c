/* one_auth_mad: verifies users by keys, certificates, a directory, or for servers. */
#include "drivers/auth/auth.h"
#include <glib/gprintf.h>
#include <locale.h>

/* Each name in the list is a flavour. */
static gboolean all_known(const char *list, GError **error)
{
    g_auto(GStrv) names = g_strsplit(list ? list : "", ",", -1);
    for (guint i = 0; names[i]; i++) {
        if (auth_flavour(names[i]))
            continue;
        g_autofree char *known = auth_flavour_names();
        g_set_error(error, ONE_ERROR, ONE_ERROR_NO_EXISTS,
                    "there is no flavour \"%s\" (AUTHN of oned.conf); there are %s", names[i],
                    known);
        return FALSE;
    }
    return TRUE;
}

int main(int argc, char **argv)
{
    int threads = 0;
    g_autofree char *authn = NULL;
    const GOptionEntry entries[] = {
        {"threads", 't', 0, G_OPTION_ARG_INT, &threads, "Users verified at once (32)", "N"},
        {"authn", 'a', 0, G_OPTION_ARG_STRING, &authn, "Flavours that it is asked for", "LIST"},
        {NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new("");
    g_autofree char *names = auth_flavour_names();
    g_autofree char *summary = g_strdup_printf("Flavours: %s", names);
    g_autoptr(GError) error = NULL;
    (void)setlocale(LC_ALL, "C.UTF-8");
    g_option_context_set_summary(context, summary);
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error) || !all_known(authn, &error)) {
        g_fprintf(stderr, "one_auth_mad: %s\n", error->message);
        return 2;
    }
    Driver driver = {
        .program = "one_auth_mad",
        .actions = auth_actions,
        .queue_of = auth_queue_of,
        .prepare = auth_prepare,
        .threads = (guint)MAX(threads, 0),
        .per_host = 16,
    };
    return driver_run(&driver);
}
