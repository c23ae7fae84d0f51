/* People at random: they make machines, move, stop and end them, and remember what was
 * acknowledged to them. */
#include "tests/sim/sim.h"

#include "server/model/vrouter.h"
#include "server/model/migration.h"

#include <string.h>

typedef struct Waiting {
    RpcCall call; /* first */
    Client *client;
    gboolean makes_vm, makes_image;
    gint32 ends_vm;  /* -1: none */
    gint32 moves_vm; /* -1: none */
} Waiting;

/* Orders to move a machine. */
typedef struct Moves {
    guint given;     /* acknowledged: each has left a record */
    guint uncertain; /* oned died before it answered: it may have */
} Moves;

struct Client {
    Sim *sim;
    GPtrArray *open;   /* of Waiting: calls without an answer */
    GArray *made;      /* ids of machines whose making was acknowledged */
    GHashTable *moves; /* id -> Moves */
    guint plans;       /* orders to carry one out: each may move a machine once more */
    guint64 number;
};

static void waiting_free(Waiting *waiting)
{
    g_ptr_array_unref(waiting->call.arguments);
    g_free(waiting->call.method);
    g_free(waiting->call.address);
    g_free(waiting);
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

static void answered(RpcCall *call, RpcReply *reply)
{
    Waiting *waiting = (Waiting *)call;
    Client *client = waiting->client;
    Sim *sim = client->sim;
    if (reply->kind == RPC_REPLY_RESULT) {
        const RpcValue *ok = reply->result->items->pdata[0];
        const RpcValue *value = reply->result->items->pdata[1];
        if (ok->number && waiting->makes_vm) {
            gint32 id = (gint32)value->number;
            g_array_append_val(client->made, id);
            if (memory_store_number(sim->memory, "vm", id, 0, -1) != id)
                sim_wrong(sim, "machine %d was acknowledged before it was committed", id);
        }
        if (ok->number && waiting->makes_image)
            images_acknowledged(sim->images, (gint32)value->number);
        if (ok->number && waiting->moves_vm >= 0)
            moves_of(client, waiting->moves_vm)->given++;
        if (!ok->number)
            sim_say(sim, "  refused: %s", value->text);
    } else if (reply->kind == RPC_REPLY_FAULT) {
        sim_wrong(sim, "%s: fault %d %s", call->method, reply->fault_code, reply->fault_text);
    }
    g_ptr_array_remove_fast(client->open, waiting);
    rpc_reply_free(reply);
    waiting_free(waiting);
}

static Waiting *new_call(Client *client, const char *method)
{
    Waiting *waiting = g_new0(Waiting, 1);
    waiting->client = client;
    waiting->ends_vm = waiting->moves_vm = -1;
    waiting->call.method = g_strdup(method);
    waiting->call.arguments = g_ptr_array_new_with_free_func((GDestroyNotify)rpc_value_free);
    waiting->call.finish = answered;
    waiting->call.number = ++client->number;
    waiting->call.started = client->sim->now;
    waiting->call.caller = (RpcCaller){0, -1};
    g_ptr_array_add(waiting->call.arguments, rpc_value_text("oneadmin:x"));
    return waiting;
}

static void add_int(Waiting *waiting, gint64 number)
{
    g_ptr_array_add(waiting->call.arguments, rpc_value_int(number));
}

static void add_text(Waiting *waiting, const char *text)
{
    g_ptr_array_add(waiting->call.arguments, rpc_value_text(text));
}

static void add_bool(Waiting *waiting, gboolean value)
{
    g_ptr_array_add(waiting->call.arguments, rpc_value_bool(value));
}

static void send_call(Waiting *waiting)
{
    Client *client = waiting->client;
    client->sim->calls++;
    g_ptr_array_add(client->open, waiting);
    rpc_dispatch(client->sim->rpc, &waiting->call);
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

static void make_vm(Client *client)
{
    Waiting *waiting = new_call(client, "one.vm.allocate");
    waiting->makes_vm = TRUE;
    if (sim_chance(client->sim, 0.6)) /* else the administrator, whom no quota counts */
        waiting->call.caller = (RpcCaller){SIM_ANN + sim_pick(client->sim, 2), -1};
    g_autofree char *disk = g_strdup_printf("CPU=1\nMEMORY=128\nDISK=[IMAGE_ID=%d]\n",
                                            images_some(client->sim->images));
    /* Of the network there are fewer addresses than machines want, and of PCI devices fewer than
     * machines there are: some are refused. */
    gboolean devices = waiting->call.caller.uid == 0 && sim_chance(client->sim, 0.3);
    add_text(waiting, devices ? "CPU=1\nMEMORY=128\nPCI=[VENDOR=10de]\nPCI=[CLASS=302]\n"
                      : sim_chance(client->sim, 0.4) ? disk
                      : sim_chance(client->sim, 0.3)
                          ? "CPU=1\nMEMORY=128\nDISK=[TYPE=\"fs\",SIZE=\"10\"]\n"
                          : "CPU=1\nMEMORY=128\nDISK=[TYPE=\"fs\",SIZE=\"10\"]\n"
                            "NIC=[NETWORK_ID=0]\nNIC=[NETWORK_ID=0]\n");
    add_bool(waiting, sim_chance(client->sim, 0.1));
    send_call(waiting);
}

static void deploy(Client *client, gint32 vm)
{
    Waiting *waiting = new_call(client, "one.vm.deploy");
    add_int(waiting, vm);
    add_int(waiting, sim_pick(client->sim, 4));
    add_bool(waiting, sim_chance(client->sim, 0.5));
    add_int(waiting, -1);
    send_call(waiting);
}

static void migrate(Client *client, gint32 vm)
{
    Waiting *waiting = new_call(client, "one.vm.migrate");
    waiting->moves_vm = vm;
    add_int(waiting, vm);
    add_int(waiting, sim_pick(client->sim, 4));
    add_bool(waiting, sim_chance(client->sim, 0.7));
    add_bool(waiting, FALSE);
    add_int(waiting, -1);
    add_int(waiting, sim_pick(client->sim, 3));
    send_call(waiting);
}

/* Asks whether it could move: changes nothing, and is answered whatever happens to the driver. */
static void check(Client *client, gint32 vm)
{
    Waiting *waiting = new_call(client, "globule.vm.migratecheck");
    add_int(waiting, vm);
    add_int(waiting, sim_pick(client->sim, 4));
    add_text(waiting, sim_chance(client->sim, 0.8) ? "LIVE=YES" : "LIVE=NO");
    send_call(waiting);
}

static void act(Client *client, gint32 vm)
{
    static const char *const words[] = {
        "suspend", "resume",        "stop",        "resume",        "poweroff",       "resume",
        "reboot",  "poweroff-hard", "undeploy",    "undeploy-hard", "hold",           "release",
        "resched", "unresched",     "reboot-hard", "terminate",     "terminate-hard", "resume"};
    Waiting *waiting = new_call(client, "one.vm.action");
    const char *word = words[sim_pick(client->sim, G_N_ELEMENTS(words))];
    sim_say(client->sim, "action %s %d", word, vm);
    add_text(waiting, word);
    add_int(waiting, vm);
    send_call(waiting);
}

static void recover(Client *client, gint32 vm)
{
    /* 0 and 1 declare what is not known and may lie; a careful administrator retries or deletes. */
    Waiting *waiting = new_call(client, "one.vm.recover");
    add_int(waiting, vm);
    add_int(waiting, 2 + sim_pick(client->sim, 3));
    send_call(waiting);
}

/* A record is deleted and the guest forgotten: whatever it has, it keeps. */
static void give_up(Client *client, gint32 vm)
{
    Waiting *waiting = new_call(client, "one.vm.recover");
    sim_say(client->sim, "give up %d", vm);
    hosts_give_up(client->sim->hosts, vm);
    add_int(waiting, vm);
    add_int(waiting, 5);
    send_call(waiting);
}

static void change(Client *client, gint32 vm)
{
    Waiting *waiting = new_call(client, "one.vm.update");
    add_int(waiting, vm);
    add_text(waiting, "NOTE=\"seen\"");
    add_int(waiting, 1);
    send_call(waiting);
}

static void resize(Client *client, gint32 vm)
{
    Waiting *waiting = new_call(client, "one.vm.resize");
    g_autofree char *capacity = g_strdup_printf("CPU=%d\nMEMORY=%d", 1 + sim_pick(client->sim, 3),
                                                64 << sim_pick(client->sim, 4));
    add_int(waiting, vm);
    add_text(waiting, capacity);
    add_bool(waiting, FALSE);
    send_call(waiting);
}

/* A disk, a card, a snapshot more or less; a larger disk. Letters: t text, n number of a device or
 * a snapshot, s size. */
static void plug(Client *client, gint32 vm)
{
    static const struct {
        const char *method, *arguments, *text;
    } calls[] = {
        {"attach", "t", "DISK=[TYPE=fs,SIZE=10]"},
        {"attach", "t", "DISK=[TYPE=fs,SIZE=10]"},
        {"attach", "t", "DISK=[TYPE=fs,SIZE=10]"},
        {"attach", "i"},
        {"attach", "i"},
        {"detach", "n"},
        {"detach", "n"},
        {"disksaveas", "nNem"},
        {"disksaveas", "nNem"},
        {"attachnic", "t", "NIC=[BRIDGE=br0]"},
        {"attachnic", "t", "NIC=[NETWORK_ID=0]"},
        {"detachnic", "n"},
        {"attachpci", "t", "PCI=[VENDOR=10de]"},
        {"attachpci", "t", "PCI=[SHORT_ADDRESS=\"01:00.0\"]"},
        {"detachpci", "n"},
        {"snapshotcreate", "t", "snap"},
        {"snapshotdelete", "n"},
        {"snapshotrevert", "n"},
        {"disksnapshotcreate", "nt", "snap"},
        {"disksnapshotdelete", "nn"},
        {"disksnapshotrevert", "nn"},
        {"diskresize", "ns"},
        {"updateconf", "tn", "CONTEXT=[A=1]"},
    };
    guint which = (guint)sim_pick(client->sim, G_N_ELEMENTS(calls));
    g_autofree char *method = g_strdup_printf("one.vm.%s", calls[which].method);
    Waiting *waiting = new_call(client, method);
    sim_say(client->sim, "%s %d", method, vm);
    add_int(waiting, vm);
    for (const char *at = calls[which].arguments; *at; at++) {
        g_autofree char *size = g_strdup_printf("%d", 11 + sim_pick(client->sim, 100));
        g_autofree char *image =
            g_strdup_printf("DISK=[IMAGE_ID=%d]", images_some(client->sim->images));
        g_autofree char *name = g_strdup_printf("saved%" G_GUINT64_FORMAT, client->number);
        if (*at == 'n' || *at == 'm')
            add_int(waiting, *at == 'm' ? -1 : sim_pick(client->sim, 3));
        else if (strchr("iNe", *at) != NULL)
            add_text(waiting, *at == 'i' ? image : *at == 'N' ? name : "");
        else
            add_text(waiting, *at == 's' ? size : calls[which].text);
    }
    send_call(waiting);
}

static void list(Client *client, gint32 vm)
{
    Waiting *waiting = new_call(client, "one.vmpool.infoextended");
    for (guint i = 0; i < 4; i++)
        add_int(waiting, i == 0 ? -2 : -1);
    send_call(waiting);
}

/* Addresses held by hand and let go, parts of the network reserved and given back. */
static void arrange_network(Client *client, gint32 vm)
{
    static const char *const methods[] = {"hold", "release", "reserve", "delete", "free_ar"};
    guint which = (guint)sim_pick(client->sim, G_N_ELEMENTS(methods));
    g_autofree char *method = g_strdup_printf("one.vn.%s", methods[which]);
    g_autofree char *lease =
        g_strdup_printf("LEASES=[IP=10.0.0.%d]", 1 + sim_pick(client->sim, 15));
    g_autofree char *part = g_strdup_printf("SIZE=%d\nNAME=part%d", 1 + sim_pick(client->sim, 3),
                                            sim_pick(client->sim, 1000));
    Waiting *waiting = new_call(client, method);
    gint32 reservation = 1 + sim_pick(client->sim, 4);
    add_int(waiting, which < 3 ? 0 : reservation);
    if (which < 2)
        add_text(waiting, lease);
    else if (which == 2)
        add_text(waiting, part);
    else if (which == 4)
        add_int(waiting, 0);
    send_call(waiting);
}

/* Images that are made, copied, removed and changed; more than the datastore has room for. */
static void arrange_images(Client *client, gint32 vm)
{
    static const struct {
        const char *method;
        gint weight;
    } calls[] = {{"allocate", 8}, {"clone", 3},      {"delete", 6},
                 {"enable", 2},   {"persistent", 2}, {"chtype", 1}};
    guint which = 0;
    for (gint at = sim_pick(client->sim, 22); at >= calls[which].weight; which++)
        at -= calls[which].weight;
    g_autofree char *method = g_strdup_printf("one.image.%s", calls[which].method);
    g_autofree char *name = g_strdup_printf("image%" G_GUINT64_FORMAT, client->number);
    g_autofree char *size =
        g_strdup_printf("NAME=%s\nSIZE=%d\nPERSISTENT=%s", name, 1 + sim_pick(client->sim, 300),
                        sim_chance(client->sim, 0.3) ? "YES" : "NO");
    g_autofree char *path = g_strdup_printf("%s\nPATH=/var/tmp/x", size);
    gint32 image = images_some(client->sim->images);
    if (which == 3 && images_in_doubt(client->sim->images, image))
        return; /* a guest that was given up may be there, or come yet */
    Waiting *waiting = new_call(client, method);
    sim_say(client->sim, "%s %d", method, image);
    waiting->makes_image = which < 2;
    if (which == 0 && sim_chance(client->sim, 0.5))
        waiting->call.caller = (RpcCaller){SIM_ANN, -1};
    if (which == 0) {
        add_text(waiting, sim_chance(client->sim, 0.5) ? size : path);
        add_int(waiting, 1);
    } else {
        add_int(waiting, image);
    }
    if (which == 1)
        add_text(waiting, name);
    if (which == 2)
        images_doomed(client->sim->images, image);
    if (which == 3 || which == 4)
        add_bool(waiting, sim_chance(client->sim, 0.5));
    if (which == 5)
        add_text(waiting, "DATABLOCK");
    send_call(waiting);
}

/* Machines are given to others, who may have no room for them. */
static void give(Client *client, gint32 vm)
{
    static const gint32 groups[] = {0, 1, SIM_STAFF, -1};
    Waiting *waiting = new_call(client, "one.vm.chown");
    add_int(waiting, vm);
    add_int(waiting, sim_pick(client->sim, 4) ? SIM_ANN + sim_pick(client->sim, 2) : 0);
    add_int(waiting, groups[sim_pick(client->sim, G_N_ELEMENTS(groups))]);
    send_call(waiting);
}

/* Other limits for ann, who has no fixed one, and for the groups. */
static void limit(Client *client, gint32 vm)
{
    static const char *const metrics[] = {"VMS",         "CPU",        "MEMORY", "SYSTEM_DISK_SIZE",
                                          "RUNNING_VMS", "RUNNING_CPU"};
    gint which = sim_pick(client->sim, 3), value = sim_pick(client->sim, 12) - 2;
    Waiting *waiting = new_call(client, which == 0 ? "one.user.quota" : "one.group.quota");
    const char *metric = metrics[sim_pick(client->sim, G_N_ELEMENTS(metrics))];
    g_autofree char *text =
        which == 2
            ? g_strdup_printf("NETWORK=[ID=0,LEASES=%d]\nDATASTORE=[ID=1,IMAGES=%d]", value, value)
            : g_strdup_printf("VM=[%s%s=%d]",
                              sim_chance(client->sim, 0.3) ? "CLUSTER_IDS=\"0\"," : "", metric,
                              strstr(metric, "M") && value > 0 ? value * 64 : value);
    add_int(waiting, which == 0 ? SIM_ANN : sim_chance(client->sim, 0.5) ? 1 : SIM_STAFF);
    add_text(waiting, text);
    send_call(waiting);
}

/* The hosts are evened out; now and then in the middle of it the plan is dropped. */
static void plan(Client *client, gint32 vm)
{
    static const char *const words[] = {"optimize", "planexecute", "plandelete"};
    gint which = sim_pick(client->sim, 8);
    g_autofree char *method = g_strdup_printf("one.cluster.%s", words[which < 4   ? 0
                                                                      : which < 7 ? 1
                                                                                  : 2]);
    Waiting *waiting = new_call(client, method);
    sim_say(client->sim, "%s", method);
    client->plans += which >= 4 && which < 7;
    add_int(waiting, 0);
    send_call(waiting);
}

/* Something for soon; of snapshots the names tell whether one was taken twice. */
static void schedule(Client *client, gint32 vm)
{
    static const char *const words[] = {"suspend", "resume", "poweroff", "terminate-hard"};
    gint64 time = client->sim->now / G_USEC_PER_SEC + sim_pick(client->sim, 60);
    Waiting *waiting = new_call(client, "one.vm.schedadd");
    gboolean snapshot = sim_chance(client->sim, 0.8);
    g_autofree char *text = g_strdup_printf(
        "SCHED_ACTION=[ACTION=\"%s\",ARGS=\"sched%" G_GUINT64_FORMAT "\",TIME=%" G_GINT64_FORMAT
        "]",
        snapshot ? "snapshot-create" : words[sim_pick(client->sim, G_N_ELEMENTS(words))],
        client->number, time);
    sim_say(client->sim, "schedule for %d: %s", vm, text);
    add_int(waiting, vm);
    add_text(waiting, text);
    send_call(waiting);
}

/* Routers with cards of the network, and the machines of these routers, which are started too. */
static void arrange_routers(Client *client, gint32 vm)
{
    static const struct {
        const char *method, *arguments, *text;
    } calls[] = {
        {"allocate", "N", "NIC=[NETWORK_ID=0,FLOATING_IP=YES]"},
        {"allocate", "N",
         "NIC=[NETWORK_ID=0,FLOATING_IP=YES,FLOATING_ONLY=YES]\nNIC=[NETWORK_ID=0]"},
        {"instantiate", "r2", ""},
        {"instantiate", "r2", ""},
        {"attachnic", "rt", "NIC=[NETWORK_ID=0,FLOATING_IP=YES]"},
        {"detachnic", "rn"},
        {"delete", "r"},
    };
    const GPtrArray *routers = client->sim->world->pools[KIND_VROUTER].order;
    const VRouter *some =
        routers->len ? routers->pdata[sim_pick(client->sim, (gint)routers->len)] : NULL;
    if (some && some->vms->len && sim_chance(client->sim, 0.5)) {
        gint which = sim_pick(client->sim, (gint)some->vms->len);
        deploy(client, g_array_index(some->vms, gint32, which));
        return;
    }
    guint which = some ? (guint)sim_pick(client->sim, G_N_ELEMENTS(calls)) : 0;
    g_autofree char *method = g_strdup_printf("one.vrouter.%s", calls[which].method);
    g_autofree char *text = g_strdup_printf("NAME=r%" G_GUINT64_FORMAT "\n%s", client->number,
                                            calls[which].text ? calls[which].text : "");
    Waiting *waiting = new_call(client, method);
    sim_say(client->sim, "%s", method);
    for (const char *at = calls[which].arguments; *at; at++)
        if (*at == 'r' || *at == 'n')
            add_int(waiting, *at == 'r' && some ? some->head.id : sim_pick(client->sim, 3));
        else if (*at == '2')
            add_int(waiting, 1 + sim_pick(client->sim, 2));
        else if (*at == 'N' || *at == 't')
            add_text(waiting, *at == 'N' ? text : calls[which].text);
    if (strcmp(calls[which].method, "instantiate") == 0) {
        add_int(waiting, 0); /* the template that there is */
        add_text(waiting, "");
        add_bool(waiting, FALSE);
        add_text(waiting, "");
    }
    send_call(waiting);
}

static const struct {
    void (*what)(Client *client, gint32 vm);
    gint weight;
} habits[] = {{deploy, 30},
              {migrate, 25},
              {act, 35},
              {recover, 8},
              {give_up, 2},
              {change, 3},
              {resize, 4},
              {list, 2},
              {check, 12},
              {plug, 40},
              {arrange_network, 6},
              {arrange_images, 40},
              {give, 6},
              {limit, 4},
              {schedule, 10},
              {plan, 8},
              {arrange_routers, 15}};

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
        Waiting *waiting = new_call(client, "one.host.allocate");
        add_text(waiting, name);
        add_text(waiting, "dummy");
        add_text(waiting, "dummy");
        add_int(waiting, -1);
        send_call(waiting);
    }
}

void client_add_network(Client *client)
{
    Waiting *waiting = new_call(client, "one.vn.allocate");
    add_text(waiting, "NAME=net\nVN_MAD=dummy\nAR=[TYPE=IP4,IP=10.0.0.1,SIZE=15]");
    add_int(waiting, -1);
    send_call(waiting);
    waiting = new_call(client, "one.template.allocate");
    add_text(waiting, "NAME=router\nVROUTER=YES\nCPU=1\nMEMORY=64");
    send_call(waiting);
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
        open += ((const Waiting *)client->open->pdata[i])->moves_vm == id;
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
                  ((const Waiting *)client->open->pdata[0])->call.method);
}

void client_crash(Client *client)
{
    for (guint i = 0; i < client->open->len; i++) {
        Waiting *waiting = client->open->pdata[i];
        if (waiting->moves_vm >= 0)
            moves_of(client, waiting->moves_vm)->uncertain++;
        waiting_free(waiting);
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
