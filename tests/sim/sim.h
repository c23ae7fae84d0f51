/* One simulated installation. See README. */
#pragma once

#include "server/lifecycle/vm_table.h"
#include "server/rpc/server.h"

typedef struct Sim Sim;
typedef struct Client Client;

/* People beside the administrator, and the machines that bob may have. */
#define SIM_ANN     2
#define SIM_BOB     3
#define SIM_STAFF   100
#define SIM_BOB_VMS 3

/* ---- memory_store.c: what survives a crash ---- */

typedef struct MemoryStore MemoryStore;
MemoryStore *memory_store_new(void);
Store *memory_store_store(MemoryStore *memory);
/* Commits the oldest batch under way. FALSE: there is none. */
gboolean memory_store_commit_one(MemoryStore *memory);
guint memory_store_under_way(const MemoryStore *memory);
/* What was not committed is gone. */
void memory_store_crash(MemoryStore *memory);
/* Number in a committed row: column of the row of `table` with that id; `otherwise` when missing.
 */
gint64 memory_store_number(MemoryStore *memory, const char *table, gint64 id, guint column,
                           gint64 otherwise);
/* The same of a row with two keys. */
gint64 memory_store_number_of(MemoryStore *memory, const char *table, gint64 id, gint64 second,
                              guint column, gint64 otherwise);
/* Objects are rows of these tables; an id that was given twice, ever: "table id/". NULL: none. */
void memory_store_watch(MemoryStore *memory, const World *world);
const char *memory_store_given_twice(const MemoryStore *memory);
void memory_store_free(MemoryStore *memory);

/* ---- drivers.c: requests on their way ---- */

typedef struct Drivers Drivers;
Drivers *drivers_new(Sim *sim);
void drivers_free(Drivers *drivers);
Outside *drivers_outside(Drivers *drivers);
/* All drivers die with oned: what they were doing is done or not, nobody hears. */
void drivers_crash(Drivers *drivers);
void drivers_one_dies(Drivers *drivers);
/* A host cannot be reached for a while. */
void drivers_network_fails(Drivers *drivers);
gboolean drivers_cut(const Drivers *drivers, const char *host);

/* ---- hosts.c: what is true on the hosts ---- */

typedef struct Hosts Hosts;
Hosts *hosts_new(Sim *sim);
void hosts_free(Hosts *hosts);
/* Nothing may be asked that the committed state does not explain; so below. */
void hosts_explain(Hosts *hosts, const DriverRequest *request);
/* How many hosts have the machine running (paused counts). */
guint hosts_count(const Hosts *hosts, gint32 vm);
gboolean hosts_has(const Hosts *hosts, const char *host, gint32 vm);
/* The guest, if it runs, has that disk. */
gboolean hosts_has_disk(const Hosts *hosts, gint32 vm, gint64 disk);
/* Somebody deleted the record of a machine and left its guest alone. */
void hosts_give_up(Hosts *hosts, gint32 vm);
gboolean hosts_gave_up(const Hosts *hosts, gint32 vm);
/* A machine whose guest runs and writes to that persistent image, other than `but`; -1: none. */
gint32 hosts_writer(const Hosts *hosts, gint32 image, gint32 but);
/* A guest ends by itself, somewhere; or stands still, until many go on at once. */
void hosts_guest_dies(Hosts *hosts);
void hosts_guest_pauses(Hosts *hosts);
void hosts_guests_go_on(Hosts *hosts);
gboolean hosts_stands(const Hosts *hosts, gint32 vm);
/* LCM_INIT: it is not active. As committed. */
VmLcm hosts_phase(const Sim *sim, gint64 vm);
/* What this seed's hypervisors, or containers, are: the end of VM_MAD, and what they cannot do. */
const char *hosts_driver(const Sim *sim);
gboolean hosts_lack(const Sim *sim, const char *action);
/* What they can do at times, and what they cannot do at this time. */
gboolean hosts_waver(const Sim *sim, const char *action);
gboolean hosts_lack_now(const Sim *sim, const char *action);

/* ---- images.c: what is in the datastores, and the driver that keeps it ---- */

typedef struct Images Images;
Images *images_new(Sim *sim);
void images_free(Images *images);
void images_explain(Images *images, const DriverRequest *request);
/* Making it was acknowledged; removing it was asked for. */
void images_acknowledged(Images *images, gint32 id);
void images_doomed(Images *images, gint32 id);
/* A machine's disk was written to an image: CPDS of a transfer script. */
void images_saved(Images *images, const char *line);
void images_check_made(Images *images);
/* In ERROR since a guest may still write to it: who enables it looks first. */
gboolean images_in_doubt(const Images *images, gint32 id);
void images_check_writers(Images *images);
void images_check_truth(Images *images);
gboolean images_rest(const Images *images);
gint32 images_some(const Images *images); /* the id of one of the last, 0 when there is none */

/* ---- backups.c: what backups hold ---- */

typedef struct Backups Backups;
Backups *backups_new(Sim *sim);
void backups_free(Backups *backups);
/* MiB of them, and whether they are in that datastore. */
gint64 backups_space(const Backups *backups);
gboolean backups_are_in(const Backups *backups, gint64 datastore);
/* A datastore for them; once. */
void backups_add_datastore(Client *client);
/* All that drivers made of the image is removed. */
void backups_remove(Backups *backups, const char *name);
void backups_check(Backups *backups);
void backups_check_truth(Backups *backups);
gboolean backups_rest(const Backups *backups);

/* ---- guests.c: commands in guests ---- */

typedef struct Guests Guests;
Guests *guests_new(Sim *sim);
void guests_free(Guests *guests);
void guests_check_truth(Guests *guests);
gboolean guests_rest(const Guests *guests);

/* ---- groups.c: security groups ---- */

typedef struct Groups Groups;
Groups *groups_new(Sim *sim);
void groups_free(Groups *groups);
void groups_check_truth(Groups *groups);

/* ---- markets.c: marketplaces ---- */

typedef struct Markets Markets;
Markets *markets_new(Sim *sim);
void markets_free(Markets *markets);
/* One that images can be put into; once. */
void markets_add(Client *client);
void markets_explain(Markets *markets, const DriverRequest *request);
void markets_check_made(Markets *markets);
void markets_check_truth(Markets *markets);
gboolean markets_rest(const Markets *markets);

/* ---- hooks.c: programs of the administrator ---- */

typedef struct HookRuns HookRuns;
HookRuns *hook_runs_new(Sim *sim);
void hook_runs_free(HookRuns *runs);
void hook_runs_bootstrap(World *world);
/* The execution is committed as one under way. */
void hook_runs_explain(HookRuns *runs, const DriverRequest *request, const char *xml);

/* ---- client.c: what people do ---- */

Client *client_new(Sim *sim);
void client_free(Client *client);
void client_act(Client *client);
/* Calls without an answer when oned died get none; what was acknowledged must be there. */
void client_crash(Client *client);
void client_check(Client *client);
void client_check_answered(Client *client); /* at the end: nobody waits any more */
void client_place_pending(Client *client);  /* deploys what is pending, for the end */
void client_add_hosts(Client *client, guint count);
/* A network with fewer addresses than the machines of a run want; a template of routers. */
void client_add_network(Client *client);

/* ---- sim.c ---- */

struct Sim {
    guint64 seed;
    GRand *random;
    gint64 now; /* microseconds, wall and steady alike */
    Clock clock;
    gboolean verbose, calm, dies_soon;
    MemoryStore *memory;
    Config *config;
    Core *core;
    World *world;
    Lifecycle *lifecycle;
    RpcServer *rpc;
    Drivers *drivers;
    Hosts *hosts;
    Images *images;
    Backups *backups;
    Guests *guests;
    Groups *groups;
    Markets *markets;
    HookRuns *hooks;
    Client *client;
    GTree *events; /* of what will happen outside the core */
    guint64 event_count, steps, crashes, calls, lost;
    guint64 aimed; /* answers lost in the phase of this seed */
};

/* Something that happens later; `act` runs once. Dropped by sim_forget(). */
void sim_later(Sim *sim, gint64 delay_us, void (*act)(Sim *sim, gpointer data), gpointer data,
               GDestroyNotify destroy);
gboolean sim_chance(Sim *sim, double probability);
gint sim_pick(Sim *sim, gint below);
void sim_say(Sim *sim, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* Ends the program: the seed, the step and what is wrong. */
void sim_wrong(Sim *sim, const char *format, ...) G_GNUC_PRINTF(2, 3) G_GNUC_NORETURN;
/* Runs a seed: `steps` with trouble, then calm until all rests. How many answers were lost in the
 * phase on which it aims. */
guint64 sim_run(guint64 seed, guint steps, gboolean verbose);
