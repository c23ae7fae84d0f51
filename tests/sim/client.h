/* What people do, one file a kind of thing; the table of it is in client.c. */
#pragma once

#include "tests/sim/sim.h"

/* ---- calls of methods (client.c) ---- */

typedef struct Call Call;
struct Call {
    RpcCall call; /* first */
    Client *client;
    /* NULL, or: it succeeded, with `value`. In the core thread, after the commit. */
    void (*granted)(Call *call, const RpcValue *value);
    gint32 about;    /* what `granted` wants to know of it */
    gint32 moves_vm; /* -1: none */
};

/* By the administrator, as long as call->call.caller is not changed. (owned by the client) */
Call *call_new(Client *client, const char *method);
void call_int(Call *call, gint64 number);
void call_text(Call *call, const char *text);
void call_bool(Call *call, gboolean value);
void call_send(Call *call);
/* Another one each time: for names. */
guint64 client_number(Client *client);
Sim *client_sim(const Client *client);
/* A whole call: letters of `arguments` stand for i gint, t text, b gboolean. */
void call_method(Client *client, const char *method, const char *arguments, ...);
/* The id of one of the newest of that kind; 0 when there is none. */
gint32 some_object(Sim *sim, Kind kind, guint newest);
/* A machine in that state (active: RUNNING), one of the newest; `otherwise` when there is none. */
gint32 vm_in(Client *client, VmState state, gint32 otherwise);
/* Of Call.granted: a machine was made. */
void client_vm_made(Call *call, const RpcValue *value);

/* A plan may be carried out: each of its moves is one more. */
void client_plan_begun(Client *client);

/* ---- what they do: each with one of the newest machines ---- */

typedef void (*Habit)(Client *client, gint32 vm);

/* machines.c */
void make_vm(Client *client);
void deploy(Client *client, gint32 vm);
void migrate(Client *client, gint32 vm);
void check_migration(Client *client, gint32 vm);
void act(Client *client, gint32 vm);
void recover(Client *client, gint32 vm);
void give_up(Client *client, gint32 vm);
void change(Client *client, gint32 vm);
void resize(Client *client, gint32 vm);
void plug(Client *client, gint32 vm);
void list(Client *client, gint32 vm);
void schedule(Client *client, gint32 vm);
/* people.c */
void give(Client *client, gint32 vm);
void limit(Client *client, gint32 vm);
void plan(Client *client, gint32 vm);
/* networks.c */
void arrange_network(Client *client, gint32 vm);
void arrange_routers(Client *client, gint32 vm);
/* groups.c */
void arrange_groups(Client *client, gint32 vm);
/* images.c */
void arrange_images(Client *client, gint32 vm);
/* backups.c */
const char *backups_settings(Sim *sim); /* BACKUP_CONFIG of some kind */
void back_up(Client *client, gint32 vm);
void restore(Client *client, gint32 vm);
void arrange_jobs(Client *client, gint32 vm);
/* guests.c */
void run_command(Client *client, gint32 vm);
/* markets.c */
void arrange_apps(Client *client, gint32 vm);
void pass_by(Client *client, gint32 vm);
