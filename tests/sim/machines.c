/* People who make machines, move, stop, change and end them. */
#include "tests/sim/client.h"

#include <string.h>

void make_vm(Client *client)
{
    Call *call = call_new(client, "one.vm.allocate");
    call->granted = client_vm_made;
    if (sim_chance(client_sim(client), 0.6)) /* else the administrator, whom no quota counts */
        call->call.caller = (RpcCaller){SIM_ANN + sim_pick(client_sim(client), 2), -1};
    g_autofree char *disk = g_strdup_printf("CPU=1\nMEMORY=128\nDISK=[IMAGE_ID=%d]\n",
                                            images_some(client_sim(client)->images));
    /* Of the network there are fewer addresses than machines want, and of PCI devices fewer than
     * machines there are: some are refused. */
    gboolean devices = call->call.caller.uid == 0 && sim_chance(client_sim(client), 0.3);
    g_autofree char *text =
        g_strdup_printf("%s%s",
                        devices ? "CPU=1\nMEMORY=128\nPCI=[VENDOR=10de]\nPCI=[CLASS=302]\n"
                        : sim_chance(client_sim(client), 0.4) ? disk
                        : sim_chance(client_sim(client), 0.3)
                            ? "CPU=1\nMEMORY=128\nDISK=[TYPE=\"fs\",SIZE=\"10\"]\n"
                            : "CPU=1\nMEMORY=128\nDISK=[TYPE=\"fs\",SIZE=\"10\"]\n"
                              "NIC=[NETWORK_ID=0]\nNIC=[NETWORK_ID=0]\n",
                        backups_settings(client_sim(client)));
    call_text(call, text);
    call_bool(call, sim_chance(client_sim(client), 0.1));
    call_send(call);
}

void deploy(Client *client, gint32 vm)
{
    Call *call = call_new(client, "one.vm.deploy");
    call_int(call, sim_chance(client_sim(client), 0.5) ? vm_in(client, VM_PENDING, vm) : vm);
    call_int(call, sim_pick(client_sim(client), 4));
    call_bool(call, sim_chance(client_sim(client), 0.5));
    call_int(call, -1);
    call_send(call);
}

void migrate(Client *client, gint32 vm)
{
    Call *call = call_new(client, "one.vm.migrate");
    call->moves_vm = vm;
    call_int(call, vm);
    call_int(call, sim_pick(client_sim(client), 4));
    call_bool(call, sim_chance(client_sim(client), 0.7));
    call_bool(call, FALSE);
    call_int(call, -1);
    call_int(call, sim_pick(client_sim(client), 3));
    call_send(call);
}

/* Asks whether it could move: changes nothing, and is answered whatever happens to the driver. */
void check_migration(Client *client, gint32 vm)
{
    Call *call = call_new(client, "globule.vm.migratecheck");
    call_int(call, vm);
    call_int(call, sim_pick(client_sim(client), 4));
    call_text(call, sim_chance(client_sim(client), 0.8) ? "LIVE=YES" : "LIVE=NO");
    call_send(call);
}

void act(Client *client, gint32 vm)
{
    static const char *const words[] = {
        "suspend", "resume",        "stop",        "resume",        "poweroff",       "resume",
        "reboot",  "poweroff-hard", "undeploy",    "undeploy-hard", "hold",           "release",
        "resched", "unresched",     "reboot-hard", "terminate",     "terminate-hard", "resume"};
    Call *call = call_new(client, "one.vm.action");
    const char *word = words[sim_pick(client_sim(client), G_N_ELEMENTS(words))];
    sim_say(client_sim(client), "action %s %d", word, vm);
    call_text(call, word);
    call_int(call, vm);
    call_send(call);
}

void recover(Client *client, gint32 vm)
{
    /* 0 and 1 declare what is not known and may lie; a careful administrator retries or deletes. */
    Call *call = call_new(client, "one.vm.recover");
    call_int(call, vm);
    call_int(call, 2 + sim_pick(client_sim(client), 3));
    call_send(call);
}

/* A record is deleted and the guest forgotten: whatever it has, it keeps. */
void give_up(Client *client, gint32 vm)
{
    Call *call = call_new(client, "one.vm.recover");
    sim_say(client_sim(client), "give up %d", vm);
    hosts_give_up(client_sim(client)->hosts, vm);
    call_int(call, vm);
    call_int(call, 5);
    call_send(call);
}

void change(Client *client, gint32 vm)
{
    Call *call = call_new(client, "one.vm.update");
    call_int(call, vm);
    call_text(call, "NOTE=\"seen\"");
    call_int(call, 1);
    call_send(call);
}

void resize(Client *client, gint32 vm)
{
    Call *call = call_new(client, "one.vm.resize");
    g_autofree char *capacity =
        g_strdup_printf("CPU=%d\nMEMORY=%d", 1 + sim_pick(client_sim(client), 3),
                        64 << sim_pick(client_sim(client), 4));
    call_int(call, vm);
    call_text(call, capacity);
    call_bool(call, FALSE);
    call_send(call);
}

/* A disk, a card, a snapshot more or less; a larger disk. Letters: t text, n number of a device or
 * a snapshot, s size. */
void plug(Client *client, gint32 vm)
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
    guint which = (guint)sim_pick(client_sim(client), G_N_ELEMENTS(calls));
    g_autofree char *method = g_strdup_printf("one.vm.%s", calls[which].method);
    Call *call = call_new(client, method);
    sim_say(client_sim(client), "%s %d", method, vm);
    call_int(call, vm);
    for (const char *at = calls[which].arguments; *at; at++) {
        g_autofree char *size = g_strdup_printf("%d", 11 + sim_pick(client_sim(client), 100));
        g_autofree char *image =
            g_strdup_printf("DISK=[IMAGE_ID=%d]", images_some(client_sim(client)->images));
        g_autofree char *name = g_strdup_printf("saved%" G_GUINT64_FORMAT, client_number(client));
        if (*at == 'n' || *at == 'm')
            call_int(call, *at == 'm' ? -1 : sim_pick(client_sim(client), 3));
        else if (strchr("iNe", *at) != NULL)
            call_text(call, *at == 'i' ? image : *at == 'N' ? name : "");
        else
            call_text(call, *at == 's' ? size : calls[which].text);
    }
    call_send(call);
}

void list(Client *client, gint32 vm)
{
    Call *call = call_new(client, "one.vmpool.infoextended");
    for (guint i = 0; i < 4; i++)
        call_int(call, i == 0 ? -2 : -1);
    call_send(call);
}

/* Something for soon; of snapshots the names tell whether one was taken twice. */
void schedule(Client *client, gint32 vm)
{
    static const char *const words[] = {"suspend", "resume", "poweroff", "terminate-hard"};
    gint64 time = client_sim(client)->now / G_USEC_PER_SEC + sim_pick(client_sim(client), 60);
    Call *call = call_new(client, "one.vm.schedadd");
    gboolean snapshot = sim_chance(client_sim(client), 0.8);
    g_autofree char *text = g_strdup_printf(
        "SCHED_ACTION=[ACTION=\"%s\",ARGS=\"sched%" G_GUINT64_FORMAT "\",TIME=%" G_GINT64_FORMAT
        "]",
        snapshot ? "snapshot-create" : words[sim_pick(client_sim(client), G_N_ELEMENTS(words))],
        client_number(client), time);
    sim_say(client_sim(client), "schedule for %d: %s", vm, text);
    call_int(call, vm);
    call_text(call, text);
    call_send(call);
}
