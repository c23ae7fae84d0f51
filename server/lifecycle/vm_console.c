/* The serial console of a machine: the driver opens it, nothing of the machine changes. */
#include "server/lifecycle/internal.h"

#include "lib/base/error.h"

#include <string.h>

/* Calls that wait at a time. */
#define WAITING_MAX 100
/* How long the driver may take, in seconds. */
#define CONSOLE_SECONDS 60

typedef struct Waiting {
    guint64 number;
    VmConsoleDone done;
    gpointer data;
} Waiting;

GHashTable *vm_consoles_new(void)
{
    return g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, g_free);
}

gboolean vm_console(Lifecycle *lifecycle, Vm *vm, gboolean force, VmConsoleDone done, gpointer data,
                    GError **error)
{
    gboolean runs = vm->state == VM_ACTIVE && vm->lcm == LCM_RUNNING;
    if (!runs || g_hash_table_size(lifecycle->consoles) >= WAITING_MAX) {
        if (!runs)
            g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION,
                        "Machine %d has no console in state %s; it has one while it is RUNNING",
                        vm->head.id, vm_shown_state(vm));
        else
            g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION,
                        "%d consoles are being opened already; try again in a moment", WAITING_MAX);
        return FALSE;
    }
    DriverRequest *request =
        vm_console_request(lifecycle, vm, force ? "CONSOLE = [ FORCE = YES ]" : "");
    Waiting *waiting = g_new0(Waiting, 1);
    waiting->done = done;
    waiting->data = data;
    waiting->number = lifecycle_ask(lifecycle, request, ASKED_CONSOLE, vm->head.id, 0,
                                    lifecycle_timeout(lifecycle, "CONSOLE", CONSOLE_SECONDS));
    g_hash_table_insert(lifecycle->consoles, &waiting->number, waiting);
    return TRUE;
}

static void fail(const Waiting *waiting, const char *why)
{
    g_autoptr(GError) error =
        g_error_new(ONE_ERROR, ONE_ERROR_ACTION, "The console cannot be opened: %s",
                    why && *why ? why : "the driver gave no reason");
    waiting->done(NULL, error, waiting->data);
}

void vm_console_answered(Lifecycle *lifecycle, const Asked *asked, gboolean success,
                         const char *info)
{
    Waiting *waiting = g_hash_table_lookup(lifecycle->consoles, &asked->number);
    if (!waiting)
        return;
    g_autofree char *socket = success ? lifecycle_decoded(info) : NULL;
    g_hash_table_steal(lifecycle->consoles, &asked->number);
    if (socket && *socket == '/')
        waiting->done(socket, NULL, waiting->data);
    else
        fail(waiting, success ? "the driver did not say where it is" : info);
    g_free(waiting);
}

void vm_consoles_end(Lifecycle *lifecycle)
{
    GHashTableIter iterator;
    gpointer waiting;
    g_hash_table_iter_init(&iterator, lifecycle->consoles);
    while (g_hash_table_iter_next(&iterator, NULL, &waiting)) {
        fail(waiting, "oned ends");
        g_hash_table_iter_remove(&iterator);
    }
}
