#include "tests/sim/sim.h"

#include "lib/base/log.h"
#include "server/model/people/quota.h"
#include "server/model/people/user.h"
#include "server/rpc/login.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOSTS 4
/* Simulated time after which everything must rest, once there is calm: an hour. */
#define PATIENCE ((gint64)3600 * G_USEC_PER_SEC)

/* ---- events outside the core ---- */

typedef struct Event {
    gint64 when;
    guint64 number;
    void (*act)(Sim *sim, gpointer data);
    gpointer data;
    GDestroyNotify destroy;
} Event;

static gint compare_events(gconstpointer a, gconstpointer b, gpointer data)
{
    const Event *first = a, *second = b;
    if (first->when != second->when)
        return first->when < second->when ? -1 : 1;
    return first->number < second->number ? -1 : first->number > second->number;
}

static void event_free(gpointer data)
{
    Event *event = data;
    if (event->destroy)
        event->destroy(event->data);
    g_free(event);
}

void sim_later(Sim *sim, gint64 delay_us, void (*act)(Sim *sim, gpointer data), gpointer data,
               GDestroyNotify destroy)
{
    Event *event = g_new0(Event, 1);
    *event = (Event){sim->now + delay_us, ++sim->event_count, act, data, destroy};
    g_tree_insert(sim->events, event, event);
}

gboolean sim_chance(Sim *sim, double probability)
{
    return g_rand_double(sim->random) < probability;
}

gint sim_pick(Sim *sim, gint below)
{
    return below > 0 ? g_rand_int_range(sim->random, 0, below) : 0;
}

void sim_say(Sim *sim, const char *format, ...)
{
    if (!sim->verbose)
        return;
    va_list arguments;
    va_start(arguments, format);
    printf("%10.3f  ", (double)(sim->now % (gint64)1e12) / 1e6);
    vprintf(format, arguments);
    putchar('\n');
    va_end(arguments);
}

void sim_wrong(Sim *sim, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fflush(stdout);
    fprintf(stderr, "seed %" G_GUINT64_FORMAT ", step %" G_GUINT64_FORMAT ": ", sim->seed,
            sim->steps);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    exit(1);
}

/* ---- oned in it ---- */

static Sim *the_sim; /* the clock's functions get no other way to it */

static gint64 sim_time(const Clock *clock)
{
    return the_sim->now;
}

/* Two users, of whom bob has a limit that nobody changes, and a group that is nobody's first. */
static void add_people(World *world)
{
    static const char *const names[] = {"ann", "bob"};
    g_autofree char *text = g_strdup_printf("VM=[VMS=%d]", SIM_BOB_VMS);
    g_autoptr(Template) limits = template_parse(text, TEMPLATE_MODERN, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        gint32 users = GROUP_USERS;
        GArray *groups = g_array_new(FALSE, FALSE, sizeof(gint32));
        g_array_append_val(groups, users);
        user_create(world, pool_next_id(world, KIND_USER), names[i], "-", "core", groups);
    }
    group_create(world, pool_next_id(world, KIND_GROUP), "staff");
    (void)quota_set(world, QUOTA_USER, SIM_BOB, limits, NULL);
}

static void start_oned(Sim *sim)
{
    g_autoptr(GError) error = NULL;
    sim->core = core_new(memory_store_store(sim->memory), &sim->clock);
    sim->world = world_new(sim->core, sim->config, "/nonexistent");
    memory_store_watch(sim->memory, sim->world);
    core_set_before_commit(sim->core, (void (*)(gpointer))world_save, sim->world);
    if (!world_load(sim->world, memory_store_store(sim->memory), &error))
        sim_wrong(sim, "the state cannot be read: %s", error->message);
    const GPtrArray *wrong = quota_found_wrong(sim->world);
    if (wrong->len)
        sim_wrong(sim, "%s", (const char *)wrong->pdata[0]);
    if (world_is_empty(sim->world)) {
        world_bootstrap(sim->world, "oneadmin", "-", "-");
        add_people(sim->world);
        hook_runs_bootstrap(sim->world);
    }
    sim->lifecycle = lifecycle_new(sim->world, drivers_outside(sim->drivers));
    sim->rpc = rpc_server_new(sim->world, sim->lifecycle, NULL, NULL);
    rpc_server_connect_drivers(sim->rpc, drivers_outside(sim->drivers));
    lifecycle_start(sim->lifecycle);
}

static void end_oned(Sim *sim)
{
    rpc_server_free(sim->rpc);
    core_free(sim->core);
    lifecycle_free(sim->lifecycle);
    world_free(sim->world);
}

static void crash(Sim *sim)
{
    sim_say(sim, "oned is killed");
    sim->crashes++;
    memory_store_crash(sim->memory);
    drivers_crash(sim->drivers);
    client_crash(sim->client);
    end_oned(sim);
    start_oned(sim);
}

/* ---- what must always hold ---- */

static void check(Sim *sim)
{
    g_autoptr(GPtrArray) found = world_check(sim->world);
    if (found->len)
        sim_wrong(sim, "%s", (const char *)found->pdata[0]);
    if (memory_store_given_twice(sim->memory))
        sim_wrong(sim, "an id was given to a second object: %s",
                  memory_store_given_twice(sim->memory));
    client_check(sim->client);
    images_check_made(sim->images);
    images_check_writers(sim->images);
    backups_check(sim->backups);
    markets_check_made(sim->markets);
}

/* A guest has no disk that oned does not show. */
static void check_disks(Sim *sim, const Vm *vm)
{
    for (gint64 disk = 0; disk < 64; disk++) {
        const TemplateAttribute *shown = NULL;
        gint64 id = -1;
        for (guint i = 0; id != disk && (shown = template_vector(vm->head.template, "DISK", i));
             i++)
            (void)attribute_get_int(shown, "DISK_ID", &id);
        if (id != disk && hosts_has_disk(sim->hosts, vm->head.id, disk))
            sim_wrong(sim, "machine %d has disk %" G_GINT64_FORMAT ", which is not shown",
                      vm->head.id, disk);
    }
    if (vm->operation)
        sim_wrong(sim, "machine %d rests with a change under way", vm->head.id);
}

/* Its guest stands still, and oned says so, or that the guest could not be removed. */
static gboolean is_paused(const Sim *sim, const Vm *vm)
{
    gboolean wavers = hosts_waver(sim, "SAVE");
    gboolean freezes = wavers || (hosts_lack(sim, "SAVE") && !hosts_lack(sim, "FREEZE"));
    gboolean saves = wavers || !freezes;
    gboolean said = (freezes && vm->lcm == LCM_EPILOG_FAILURE) ||
                    (freezes && vm->state == VM_SUSPENDED && vm->frozen > 0) ||
                    (saves && vm->state == VM_ACTIVE && vm->lcm == LCM_UNKNOWN);
    return said && hosts_stands(sim->hosts, vm->head.id);
}

/* Nothing is under way that drivers, or time, would end. What stood still between two hosts and
 * could not be moved on is for people to decide. */
static gboolean rests(const Sim *sim, const Vm *vm)
{
    return vm->state != VM_ACTIVE || vm->lcm == LCM_RUNNING || vm_is_failure(vm->lcm) ||
           (vm->lcm == LCM_UNKNOWN && vm->undecided) || is_paused(sim, vm);
}

/* At the end, what oned says is what is true. */
static void check_truth(Sim *sim)
{
    GPtrArray *vms = sim->world->pools[KIND_VM].order;
    for (guint i = 0; i < vms->len; i++) {
        Vm *vm = vms->pdata[i];
        const VmRecord *last = vm_last_record(vm);
        gboolean runs = vm->state == VM_ACTIVE && vm->lcm == LCM_RUNNING;
        guint count = hosts_count(sim->hosts, vm->head.id);
        if (hosts_gave_up(sim->hosts, vm->head.id))
            continue;
        if (!rests(sim, vm))
            sim_wrong(sim, "machine %d does not come to rest: %s", vm->head.id, vm_shown_state(vm));
        if (runs && (count != 1 || !hosts_has(sim->hosts, last->host_name, vm->head.id)))
            sim_wrong(sim, "machine %d is said to run on %s, but does not", vm->head.id,
                      last->host_name);
        if (runs)
            check_disks(sim, vm);
        if (runs && hosts_stands(sim->hosts, vm->head.id))
            sim_wrong(sim, "machine %d is said to run, but stands still", vm->head.id);
        if (!runs && count && !is_paused(sim, vm) && !vm->undecided)
            sim_wrong(sim, "machine %d is said to be %s, but runs", vm->head.id,
                      vm_shown_state(vm));
    }
    images_check_truth(sim->images);
    backups_check_truth(sim->backups);
    guests_check_truth(sim->guests);
    groups_check_truth(sim->groups);
    markets_check_truth(sim->markets);
}

/* ---- steps ---- */

static void settle(Sim *sim, gboolean commit_all)
{
    while (core_step(sim->core))
        ;
    while (memory_store_under_way(sim->memory) && (commit_all || sim_chance(sim, 0.8))) {
        memory_store_commit_one(sim->memory);
        while (core_step(sim->core))
            ;
    }
}

/* Time goes on to the next thing that happens; at most `limit`. FALSE: nothing before it. */
static gboolean advance(Sim *sim, gint64 limit)
{
    GTreeNode *node = g_tree_node_first(sim->events);
    Event *event = node ? g_tree_node_key(node) : NULL;
    gint64 timer = core_next_timer(sim->core);
    gint64 next = event ? event->when : G_MAXINT64;
    if (timer >= 0 && timer < next) {
        event = NULL;
        next = timer;
    }
    if (next > limit) {
        sim->now = limit;
        return FALSE;
    }
    sim->now = MAX(sim->now, next);
    if (event) {
        g_tree_steal(sim->events, event);
        event->act(sim, event->data);
        event_free(event);
    }
    return TRUE;
}

static void trouble(Sim *sim)
{
    if (sim->dies_soon || sim_chance(sim, 0.01))
        crash(sim);
    sim->dies_soon = FALSE;
    if (sim_chance(sim, 0.02))
        drivers_one_dies(sim->drivers);
    if (sim_chance(sim, 0.02))
        hosts_guest_dies(sim->hosts);
    if (sim_chance(sim, 0.01))
        hosts_guest_pauses(sim->hosts);
    if (sim_chance(sim, 0.01))
        drivers_network_fails(sim->drivers);
}

static void run_wild(Sim *sim, guint steps)
{
    for (guint i = 0; i < steps; i++) {
        sim->steps++;
        trouble(sim);
        if (sim_chance(sim, 0.5))
            client_act(sim->client);
        gint64 until = sim->now + sim_pick(sim, 8000000);
        do
            settle(sim, FALSE);
        while (advance(sim, until));
        check(sim);
    }
}

static gboolean all_rest(Sim *sim)
{
    GPtrArray *vms = sim->world->pools[KIND_VM].order;
    for (guint i = 0; i < vms->len; i++) {
        const Vm *vm = vms->pdata[i];
        if (!rests(sim, vm))
            return FALSE;
    }
    return images_rest(sim->images) && backups_rest(sim->backups) && guests_rest(sim->guests) &&
           markets_rest(sim->markets);
}

static void run_calm(Sim *sim)
{
    sim_say(sim, "calm");
    sim->calm = TRUE;
    hosts_guests_go_on(sim->hosts);
    gint64 end = sim->now + PATIENCE;
    /* Two full rounds of monitoring after the last movement, so that late truths arrive. */
    gint64 rested = 0;
    while (sim->now < end && rested < 3) {
        gint64 until = sim->now + 70 * G_USEC_PER_SEC;
        do
            settle(sim, TRUE);
        while (advance(sim, until));
        rested = all_rest(sim) ? rested + 1 : 0;
        sim->steps++;
    }
    check(sim);
    client_check_answered(sim->client);
    check_truth(sim);
}

guint64 sim_run(guint64 seed, guint steps, gboolean verbose)
{
    Sim sim = {.seed = seed, .verbose = verbose};
    g_autoptr(GError) error = NULL;
    the_sim = &sim;
    sim.random = g_rand_new_with_seed((guint32)seed);
    sim.now = (gint64)1700000000 * G_USEC_PER_SEC;
    sim.clock = (Clock){sim_time, sim_time};
    sim.events = g_tree_new_full(compare_events, NULL, event_free, NULL);
    sim.memory = memory_store_new();
    /* In some clusters a driver is asked whether people may do what they want. */
    const char *authz = seed % 4 ? "" : "AUTH_MAD = [ EXECUTABLE = x, AUTHN = x, AUTHZ = x ]\n";
    g_autofree char *hypervisor =
        g_strdup_printf("VM_MAD = [ NAME = dummy, EXECUTABLE = x, TYPE = xml, "
                        "KEEP_SNAPSHOTS = yes, LIVE_RESIZE = yes%s ]\n",
                        hosts_driver(&sim));
    g_autofree char *text = g_strconcat(authz, hypervisor,
                                        "MONITORING_INTERVAL_HOST = 30\n"
                                        "MONITORING_INTERVAL_DATASTORE = 60\n"
                                        "MONITORING_INTERVAL_MARKET = 60\n"
                                        "ACTION_TIMEOUTS = [ IMAGE = 600, BACKUP = 600 ]\n",
                                        NULL);
    sim.config = config_load_text(text, "simulation", &error);
    if (!sim.config)
        sim_wrong(&sim, "%s", error->message);
    sim.drivers = drivers_new(&sim);
    sim.hosts = hosts_new(&sim);
    sim.images = images_new(&sim);
    sim.backups = backups_new(&sim);
    sim.guests = guests_new(&sim);
    sim.groups = groups_new(&sim);
    sim.markets = markets_new(&sim);
    sim.hooks = hook_runs_new(&sim);
    sim.client = client_new(&sim);
    start_oned(&sim);
    client_add_hosts(sim.client, HOSTS);
    client_add_network(sim.client);
    backups_add_datastore(sim.client);
    markets_add(sim.client);
    settle(&sim, TRUE);
    run_wild(&sim, steps);
    run_calm(&sim);
    printf("seed %" G_GUINT64_FORMAT ": %" G_GUINT64_FORMAT " steps, %" G_GUINT64_FORMAT
           " calls, %u machines, %" G_GUINT64_FORMAT " crashes, %" G_GUINT64_FORMAT
           " lost answers, %.1f h\n",
           seed, sim.steps, sim.calls, pool_count(sim.world, KIND_VM), sim.crashes, sim.lost,
           (double)(sim.now - (gint64)1700000000 * G_USEC_PER_SEC) / 3.6e9);
    g_tree_unref(sim.events);
    memory_store_crash(sim.memory);
    client_crash(sim.client);
    end_oned(&sim);
    client_free(sim.client);
    drivers_free(sim.drivers);
    hosts_free(sim.hosts);
    images_free(sim.images);
    backups_free(sim.backups);
    guests_free(sim.guests);
    groups_free(sim.groups);
    markets_free(sim.markets);
    hook_runs_free(sim.hooks);
    memory_store_free(sim.memory);
    config_free(sim.config);
    g_rand_free(sim.random);
    return sim.aimed;
}

/* Phases of the table in which no answer was lost, for who runs as many seeds as there are phases
 * or more. */
static void tell_missed(const guint64 *aimed)
{
    guint count;
    const VmPhase *phases = vm_phases(&count);
    g_autoptr(GString) missed = g_string_new(NULL);
    for (guint i = 0; i < count; i++)
        if (!aimed[i])
            g_string_append_printf(missed, " %s", vm_lcm_name(phases[i].lcm));
    printf("phases in which no answer was lost:%s\n", missed->len ? missed->str : " none");
}

int main(int argc, char **argv)
{
    gint64 seeds = 1, from = 1;
    gint steps = 600;
    gboolean verbose = FALSE;
    const GOptionEntry entries[] = {
        {"seeds", 'n', 0, G_OPTION_ARG_INT64, &seeds, "How many", "N"},
        {"from", 's', 0, G_OPTION_ARG_INT64, &from, "The first", "S"},
        {"steps", 0, 0, G_OPTION_ARG_INT, &steps, "Steps with trouble in each", "N"},
        {"verbose", 'v', 0, G_OPTION_ARG_NONE, &verbose, "Tell everything", NULL},
        {NULL}};
    g_autoptr(GOptionContext) context = g_option_context_new("- the core under random trouble");
    g_autoptr(GError) error = NULL;
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        fprintf(stderr, "sim: %s\n", error->message);
        return 2;
    }
    log_set_level(LOG_ERROR);
    if (!verbose)
        log_open(LOG_TO_FILE, "/dev/null", LOG_ERROR, NULL);
    guint count;
    (void)vm_phases(&count);
    g_autofree guint64 *aimed = g_new0(guint64, count);
    for (gint64 i = 0; i < seeds; i++)
        aimed[(guint64)(from + i) % count] += sim_run((guint64)(from + i), (guint)steps, verbose);
    if (seeds >= count)
        tell_missed(aimed);
    return 0;
}
