/* Hooks: one waits for machines that run, one for a call. None is run twice, or before what it is
 * about is committed. */
#include "tests/sim/sim.h"

#include "server/model/hook.h"

#include <string.h>

struct HookRuns {
    Sim *sim;
    GHashTable *begun; /* "hook/number" of executions whose program was started */
};

HookRuns *hook_runs_new(Sim *sim)
{
    HookRuns *runs = g_new0(HookRuns, 1);
    runs->sim = sim;
    runs->begun = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    return runs;
}

void hook_runs_free(HookRuns *runs)
{
    g_hash_table_unref(runs->begun);
    g_free(runs);
}

void hook_runs_bootstrap(World *world)
{
    static const struct {
        const char *name;
        HookType type;
        const char *text;
    } hooks[] = {
        {"running", HOOK_ON_STATE, "RESOURCE=VM\nON=RUNNING\nCOMMAND=x\nARGUMENTS=\"$TEMPLATE\""},
        {"allocate", HOOK_ON_CALL, "CALL=one.vm.allocate\nCOMMAND=x\nARGUMENTS=\"$API\""},
    };
    for (guint i = 0; i < G_N_ELEMENTS(hooks); i++)
        (void)hook_create(world, hooks[i].name, hooks[i].type,
                          template_parse(hooks[i].text, TEMPLATE_MODERN, NULL));
}

/* The document's EXECUTION_ID. */
static gint64 number_of(const char *xml)
{
    const char *at = strstr(xml, "<EXECUTION_ID>");
    return at ? g_ascii_strtoll(at + strlen("<EXECUTION_ID>"), NULL, 10) : -1;
}

void hook_runs_explain(HookRuns *runs, const DriverRequest *request, const char *xml)
{
    enum { COLUMN_UNDER_WAY = 3 };
    gint64 number = number_of(xml);
    if (memory_store_number_of(runs->sim->memory, "hook_run", request->id, number, COLUMN_UNDER_WAY,
                               -1) != 1)
        sim_wrong(runs->sim,
                  "hook %" G_GINT64_FORMAT " is to be run, but execution %" G_GINT64_FORMAT
                  " is not on record as under way",
                  request->id, number);
}

char *hook_runs_act(HookRuns *runs, const DriverRequest *request, const char *xml)
{
    char *key =
        g_strdup_printf("%" G_GINT64_FORMAT "/%" G_GINT64_FORMAT, request->id, number_of(xml));
    if (!g_hash_table_add(runs->begun, key))
        sim_wrong(runs->sim, "execution %s of a hook was begun twice", key);
    return g_strdup_printf("%d L3g= - -", sim_pick(runs->sim, 2));
}
