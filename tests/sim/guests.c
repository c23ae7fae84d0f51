/* Commands in guests: which run, what their driver says of them, and people who start and end
 * them. A command that was ordered once is started once at most. */
#include "tests/sim/client.h"
#include "tests/sim/drivers.h"

#include <string.h>

struct Guests {
    Sim *sim;
    GHashTable *ordered; /* machine -> how many commands people wanted */
    GHashTable *started; /* machine -> how many there were */
    GHashTable *running; /* "vm/word": it has not ended */
};

Guests *guests_new(Sim *sim)
{
    Guests *guests = g_new0(Guests, 1);
    guests->sim = sim;
    guests->ordered = g_hash_table_new(NULL, NULL);
    guests->started = g_hash_table_new(NULL, NULL);
    guests->running = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    return guests;
}

void guests_free(Guests *guests)
{
    g_hash_table_unref(guests->ordered);
    g_hash_table_unref(guests->started);
    g_hash_table_unref(guests->running);
    g_free(guests);
}

static guint one_more(GHashTable *counts, gint32 vm)
{
    guint count = GPOINTER_TO_UINT(g_hash_table_lookup(counts, GINT_TO_POINTER(vm))) + 1;
    g_hash_table_insert(counts, GINT_TO_POINTER(vm), GUINT_TO_POINTER(count));
    return count;
}

/* ---- the driver ---- */

static const char *exec_of(const Request *request)
{
    const char *exec = strstr(request->xml, "<QEMU_GA_EXEC>");
    if (!exec)
        sim_wrong(request->sim, "%s without a command", request->request->action);
    return exec;
}

gboolean guests_start(Request *request, gint32 vm)
{
    Guests *guests = request->sim->guests;
    g_autofree char *command = document_text(exec_of(request), "COMMAND");
    if (!hosts_has(request->sim->hosts, request->host, vm))
        return FALSE;
    guint started = one_more(guests->started, vm);
    guint ordered = GPOINTER_TO_UINT(g_hash_table_lookup(guests->ordered, GINT_TO_POINTER(vm)));
    if (started > ordered)
        sim_wrong(request->sim, "machine %d was to run %u commands, and \"%s\" is number %u", vm,
                  ordered, command, started);
    request->info = g_strdup_printf("p%u", started);
    g_hash_table_add(guests->running, g_strdup_printf("%d/%s", vm, request->info));
    return TRUE;
}

static char *running_key(const Request *request, gint32 vm)
{
    g_autofree char *word = document_text(exec_of(request), "PID");
    return g_strdup_printf("%d/%s", vm, word);
}

/* A command ends some time; those of a guest that has ended, too. */
gboolean guests_poll(Request *request, gint32 vm)
{
    g_autofree char *key = running_key(request, vm);
    const char *text = "STATUS=\"EXECUTING\"\n";
    if (!hosts_has(request->sim->hosts, request->host, vm))
        text = "STATUS=\"ERROR\"\nERROR=\"Z29uZQ==\"\n";
    else if (!g_hash_table_contains(request->sim->guests->running, key) ||
             sim_chance(request->sim, 0.3))
        text = "STATUS=\"DONE\"\nRETURN_CODE=\"0\"\nSTDOUT=\"aGkK\"\nSTDERR=\"\"\n";
    if (!strstr(text, "EXECUTING"))
        g_hash_table_remove(request->sim->guests->running, key);
    request->info = g_base64_encode((const guchar *)text, strlen(text));
    return TRUE;
}

gboolean guests_end(Request *request, gint32 vm)
{
    g_autofree char *key = running_key(request, vm);
    g_hash_table_remove(request->sim->guests->running, key);
    return TRUE;
}

/* ---- what must hold ---- */

/* Who waits for its end waits no longer than it takes: unless the machine needs people first. */
static gboolean waits(const Vm *vm)
{
    const TemplateAttribute *exec = template_vector(vm->head.template, "QEMU_GA_EXEC", 0);
    return exec && !g_strcmp0(attribute_get(exec, "STATUS"), "EXECUTING") &&
           (vm->state != VM_ACTIVE || vm->lcm == LCM_RUNNING);
}

gboolean guests_rest(const Guests *guests)
{
    const GPtrArray *vms = guests->sim->world->pools[KIND_VM].order;
    for (guint i = 0; i < vms->len; i++)
        if (waits(vms->pdata[i]))
            return FALSE;
    return TRUE;
}

void guests_check_truth(Guests *guests)
{
    const GPtrArray *vms = guests->sim->world->pools[KIND_VM].order;
    for (guint i = 0; i < vms->len; i++)
        if (waits(vms->pdata[i]))
            sim_wrong(guests->sim, "the command in machine %d does not come to its end",
                      ((const Object *)vms->pdata[i])->id);
}

/* ---- what people do ---- */

void run_command(Client *client, gint32 vm)
{
    Sim *sim = client_sim(client);
    gint which = sim_pick(sim, 6);
    gint32 runs = vm_in(client, VM_ACTIVE, vm);
    g_autofree char *command = g_strdup_printf("command%" G_GUINT64_FORMAT, client_number(client));
    sim_say(sim, "%s in %d", which == 0 ? "execcancel" : which == 1 ? "execretry" : command, runs);
    if (which == 0) {
        call_method(client, "one.vm.cancelexec", "i", runs);
        return;
    }
    (void)one_more(sim->guests->ordered, runs);
    if (which == 1)
        call_method(client, "one.vm.retryexec", "i", runs);
    else
        call_method(client, "one.vm.exec", "itt", runs, command, "");
}
