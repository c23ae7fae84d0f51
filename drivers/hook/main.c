/* one_hem: runs the programs of hooks. */
#include "drivers/hook/hook.h"
#include <glib/gprintf.h>
#include <locale.h>

int main(int argc, char **argv)
{
    int threads = 16, per_hook = 4, seconds = 3600;
    g_autofree char *ignored = NULL;
    const GOptionEntry entries[] = {
        {"threads", 't', 0, G_OPTION_ARG_INT, &threads, "Hooks run at once (16)", "N"},
        {"per-hook", 'j', 0, G_OPTION_ARG_INT, &per_hook, "Executions of one hook at once (4)",
         "N"},
        {"timeout", 's', 0, G_OPTION_ARG_INT, &seconds,
         "Time of a hook that has no TIMEOUT, in seconds (3600)", "S"},
        /* Files of OpenNebula have these: nothing is published here. */
        {"publisher", 'p', 0, G_OPTION_ARG_STRING, &ignored, "Without effect", "PORT"},
        {"logger", 'l', 0, G_OPTION_ARG_STRING, &ignored, "Without effect", "PORT"},
        {"bind", 'b', 0, G_OPTION_ARG_STRING, &ignored, "Without effect", "ADDRESS"},
        {NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new("- runs the programs of hooks");
    g_autoptr(GError) error = NULL;
    (void)setlocale(LC_ALL, "C.UTF-8");
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        g_fprintf(stderr, "one_hem: %s\n", error->message);
        return 2;
    }
    if (threads < 1 || per_hook < 1 || seconds < 1) {
        g_fprintf(stderr, "one_hem: --threads, --per-hook and --timeout are 1 or more\n");
        return 2;
    }
    hook_set_default_time((guint)seconds);
    Driver driver = {
        .program = "one_hem",
        .actions = hook_actions,
        .queue_of = hook_queue_of,
        .init = hook_init,
        .prepare = hook_prepare,
        .threads = (guint)threads,
        .per_host = (guint)per_hook,
        .firm_limit = TRUE,
    };
    return driver_run(&driver);
}
