/* People at random, and what was acknowledged to them. */
#include "tests/sim/client.h"

#include "server/model/machine/migration.h"
#include "server/model/network/vrouter.h"

#include <string.h>

/* Orders to move a machine. */
typedef struct Moves {
    guint given;     /* acknowledged: each has left a record */
    guint uncertain; /* oned died before it answered: it may have */
} Moves;

struct Client {
    Sim *sim;
    GPtrArray *open;   /* of Call: calls without an answer */
    GArray *made;      /* ids of machines whose making was acknowledged */
    GHashTable *moves; /* id -> Moves */
    guint plans;       /* orders to carry one out: each may move a machine once more */
    guint64 number;
};

static void call_free(Call *call)
{
    g_ptr_array_unref(call->call.arguments);
    g_free(call->call.method);
    g_free(call->call.address);
    g_free(call);
}

static Moves *moves_of(Client *client, gint32 vm)
{
    Moves *moves = g_hash_table_lookup(client->moves, GINT_TO_POINTER(vm));
    if (!moves) {
        moves = g_new0(Moves, 1);
        g_hash_table_insert(client->moves, GINT_TO_POINTER(vm), moves);
    }
    return moves;
}

void client_vm_made(Call *call, const RpcValue *value)
{
    Sim *sim = call->client->sim;
    gint32 id = (gint32)value->number;
    g_array_append_val(call->client->made, id);
    if (memory_store_number(sim->memory, "vm", id, 0, -1) != id)
        sim_wrong(sim, "machine %d was acknowledged before it was committed", id);
}

static void answered(RpcCall *rpc, RpcReply *reply)
{
    Call *call = (Call *)rpc;
    Client *client = call->client;
    if (reply->kind == RPC_REPLY_RESULT) {
        const RpcValue *ok = reply->result->items->pdata[0];
        const RpcValue *value = reply->result->items->pdata[1];
        if (ok->number && call->granted)
            call->granted(call, value);
        if (ok->number && call->moves_vm >= 0)
            moves_of(client, call->moves_vm)->given++;
        if (!ok->number)
            sim_say(client->sim, "  refused: %s", value->text);
    } else if (reply->kind == RPC_REPLY_FAULT) {
        sim_wrong(client->sim, "%s: fault %d %s", rpc->method, reply->fault_code,
                  reply->fault_text);
    }
    g_ptr_array_remove_fast(client->open, call);
    rpc_reply_free(reply);
    call_free(call);
}

Call *call_new(Client *client, const char *method)
{
    Call *call = g_new0(Call, 1);
    call->client = client;
    call->moves_vm = -1;
    call->call.method = g_strdup(method);
    call->call.arguments = g_ptr_array_new_with_free_func((GDestroyNotify)rpc_value_free);
    call->call.finish = answered;
    call->call.number = ++client->number;
    call->call.started = client->sim->now;
    call->call.caller = (RpcCaller){0, -1};
    g_ptr_array_add(call->call.arguments, rpc_value_text("oneadmin:x"));
    return call;
}

void call_int(Call *call, gint64 number)
{
    g_ptr_array_add(call->call.arguments, rpc_value_int(number));
}

void call_text(Call *call, const char *text)
{
    g_ptr_array_add(call->call.arguments, rpc_value_text(text));
}

void call_bool(Call *call, gboolean value)
{
    g_ptr_array_add(call->call.arguments, rpc_value_bool(value));
}

void call_send(Call *call)
{
    Client *client = call->client;
    client->sim->calls++;
    g_ptr_array_add(client->open, call);
    rpc_dispatch(client->sim->rpc, &call->call);
}

void call_method(Client *client, const char *method, const char *arguments, ...)
{
    Call *call = call_new(client, method);
    va_list values;
    va_start(values, arguments);
    for (const char *at = arguments; *at; at++)
        if (*at == 't')
            call_text(call, va_arg(values, const char *));
        else if (*at == 'i')
            call_int(call, va_arg(values, gint));
        else
            call_bool(call, va_arg(values, gboolean));
    va_end(values);
    call_send(call);
}

guint64 client_number(Client *client)
{
    return ++client->number;
}

Sim *client_sim(const Client *client)
{
    return client->sim;
}

void client_plan_begun(Client *client)
{
    client->plans++;
}

gint32 some_object(Sim *sim, Kind kind, guint newest)
{
    const GPtrArray *all = sim->world->pools[kind].order;
    guint span = MIN(all->len, newest);
    return span ? ((const Object *)all->pdata[all->len - 1 - (guint)sim_pick(sim, (gint)span)])->id
                : 0;
}

gint32 vm_in(Client *client, VmState state, gint32 otherwise)
{
    const GArray *made = client->made;
    guint from = made->len > 12 ? made->len - 12 : 0;
    guint shift = (guint)sim_pick(client->sim, 12);
    for (guint i = from; i < made->len; i++) {
        guint at = from + (i - from + shift) % (made->len - from);
        const Vm *vm = vm_get(client->sim->world, g_array_index(made, gint32, at));
        if (vm && vm->state == state && (state != VM_ACTIVE || vm->lcm == LCM_RUNNING))
            return vm->head.id;
    }
    return otherwise;
}

/* ---- what they do ---- */

static gint32 some_vm(Client *client)
{
    if (client->made->len == 0)
        return 0;
    /* the newest are busiest */
    guint span = MIN(client->made->len, 8);
    return g_array_index(client->made, gint32,
                         client->made->len - 1 - (guint)sim_pick(client->sim, (gint)span));
}

static const struct {
    Habit what;
    gint weight;
} habits[] = {{deploy, 30},
              {migrate, 25},
              {act, 35},
              {recover, 8},
              {give_up, 2},
              {change, 3},
              {resize, 4},
              {list, 2},
              {check_migration, 12},
              {plug, 40},
              {arrange_network, 6},
              {arrange_images, 40},
              {give, 6},
              {limit, 4},
              {schedule, 10},
              {plan, 8},
              {arrange_routers, 15},
              {back_up, 40},
              {restore, 15},
              {arrange_jobs, 10},
              {run_command, 20},
              {arrange_groups, 20},
              {arrange_apps, 20},
              {pass_by, 12}};

void client_act(Client *client)
{
    gint total = 0, at;
    if (client->made->len < 2 || sim_chance(client->sim, 0.08)) {
        make_vm(client);
        return;
    }
    for (guint i = 0; i < G_N_ELEMENTS(habits); i++)
        total += habits[i].weight;
    at = sim_pick(client->sim, total);
    for (guint i = 0; i < G_N_ELEMENTS(habits); i++) {
        if (at < habits[i].weight) {
            habits[i].what(client, some_vm(client));
            return;
        }
        at -= habits[i].weight;
    }
}

void client_add_hosts(Client *client, guint count)
{
    for (guint i = 0; i < count; i++) {
        g_autofree char *name = g_strdup_printf("h%u", i);
        call_method(client, "one.host.allocate", "ttti", name, "dummy", "dummy", -1);
    }
}

void client_add_network(Client *client)
{
    call_method(client, "one.vn.allocate", "ti",
                "NAME=net\nVN_MAD=fw\nAR=[TYPE=IP4,IP=10.0.0.1,SIZE=15]", -1);
    call_method(client, "one.template.allocate", "t", "NAME=router\nVROUTER=YES\nCPU=1\nMEMORY=64");
}

void client_place_pending(Client *client)
{
    for (guint i = 0; i < client->made->len; i++) {
        gint32 id = g_array_index(client->made, gint32, i);
        Vm *vm = vm_get(client->sim->world, id);
        if (vm && vm->state == VM_PENDING)
            deploy(client, id);
    }
}

/* ---- keeping oned to its word ---- */

/* Each order to move a machine has left one record. That a record is under way as long as the
 * machine is, and no longer, world_check() looks at. */
static void check_moves(Client *client, gint32 id)
{
    const Moves *moves = moves_of(client, id);
    const Vm *vm = vm_get(client->sim->world, id);
    const Migration *last = migration_last(vm);
    guint records = last ? (guint)last->number + 1 : 0, open = 0;
    for (guint i = 0; i < client->open->len; i++)
        open += ((const Call *)client->open->pdata[i])->moves_vm == id;
    if (records < moves->given || records > moves->given + moves->uncertain + open + client->plans)
        sim_wrong(client->sim,
                  "machine %d was ordered to move %u times (%u more are not sure), and has %u "
                  "records of that",
                  id, moves->given, moves->uncertain + open, records);
}

/* That the counters are the sums, world_check() looks at; here, that they mean something. */
static void check_limit(Client *client)
{
    guint has = 0;
    for (guint i = 0; i < client->made->len; i++) {
        const Vm *vm = vm_get(client->sim->world, g_array_index(client->made, gint32, i));
        has += vm && vm->head.uid == SIM_BOB && vm->state != VM_DONE;
    }
    if (has > SIM_BOB_VMS)
        sim_wrong(client->sim, "bob has %u machines, and the limit is %d", has, SIM_BOB_VMS);
}

/* What is scheduled once is done once, crashes or not. */
static void check_scheduled(Client *client, const Vm *vm)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    const TemplateAttribute *snapshot;
    for (guint i = 0; (snapshot = template_vector(vm->head.template, "SNAPSHOT", i)); i++) {
        const char *name = attribute_get(snapshot, "NAME");
        if (name && g_str_has_prefix(name, "sched") && !g_hash_table_add(seen, (gpointer)name))
            sim_wrong(client->sim, "machine %d did the scheduled action %s twice", vm->head.id,
                      name);
    }
    const GPtrArray *own = sched_actions_of(client->sim->world, KIND_VM, vm->head.id);
    for (guint i = 0; own && i < own->len; i++) {
        const SchedAction *action = own->pdata[i];
        gint64 due = sched_action_due(action);
        if (due >= 0 && due + 120 < client->sim->now / G_USEC_PER_SEC)
            sim_wrong(client->sim, "the scheduled action %d of machine %d was forgotten",
                      action->id, vm->head.id);
    }
}

void client_check(Client *client)
{
    check_limit(client);
    for (guint i = 0; i < client->made->len; i++) {
        gint32 id = g_array_index(client->made, gint32, i);
        if (!vm_get(client->sim->world, id))
            sim_wrong(client->sim, "machine %d was acknowledged and is gone", id);
        check_moves(client, id);
        check_scheduled(client, vm_get(client->sim->world, id));
    }
}

void client_check_answered(Client *client)
{
    const Cluster *cluster = CLUSTER(pool_get(client->sim->world, KIND_CLUSTER, 0));
    gint64 state = -1;
    if (cluster->plan && template_get_int(cluster->plan, "STATE", &state) && state == 1)
        sim_wrong(client->sim, "the plan of cluster 0 does not come to its end");
    if (client->open->len)
        sim_wrong(client->sim, "%u calls were never answered, such as %s", client->open->len,
                  ((const Call *)client->open->pdata[0])->call.method);
}

void client_crash(Client *client)
{
    for (guint i = 0; i < client->open->len; i++) {
        Call *call = client->open->pdata[i];
        if (call->moves_vm >= 0)
            moves_of(client, call->moves_vm)->uncertain++;
        call_free(call);
    }
    g_ptr_array_set_size(client->open, 0);
}

Client *client_new(Sim *sim)
{
    Client *client = g_new0(Client, 1);
    client->sim = sim;
    client->open = g_ptr_array_new();
    client->made = g_array_new(FALSE, FALSE, sizeof(gint32));
    client->moves = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    return client;
}

void client_free(Client *client)
{
    client_crash(client);
    g_ptr_array_unref(client->open);
    g_array_unref(client->made);
    g_hash_table_unref(client->moves);
    g_free(client);
}
