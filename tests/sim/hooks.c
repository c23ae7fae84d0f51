/* Hooks: one waits for machines that run, one for a call. None is run twice, or before what it is
 * about is committed. */
#include "tests/sim/drivers.h"

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

void hook_runs_explain(HookRuns *runs, const DriverRequest *request, const char *xml)
{
    enum { COLUMN_UNDER_WAY = 3 };
    gint64 number = document_number(xml, "EXECUTION_ID");
    if (memory_store_number_of(runs->sim->memory, "hook_run", request->id, number, COLUMN_UNDER_WAY,
                               -1) != 1)
        sim_wrong(runs->sim,
                  "hook %" G_GINT64_FORMAT " is to be run, but execution %" G_GINT64_FORMAT
                  " is not on record as under way",
                  request->id, number);
}

gboolean hooks_carry(Request *request)
{
    char *key = g_strdup_printf("%" G_GINT64_FORMAT "/%" G_GINT64_FORMAT, request->request->id,
                                document_number(request->xml, "EXECUTION_ID"));
    if (!g_hash_table_add(request->sim->hooks->begun, key))
        sim_wrong(request->sim, "execution %s of a hook was begun twice", key);
    request->info = g_strdup_printf("%d L3g= - -", sim_pick(request->sim, 2));
    return TRUE;
}
