/* Carries plans out: so many moves at a time as the configuration allows, none after a failure. */
#include "server/lifecycle/cluster_plan.h"

#include "lib/base/error.h"
#include "lib/base/log.h"

#include <string.h>

/* Time-outs are looked at this often while a plan is carried out. */
#define LOOK_SECONDS       10

#define refuse(error, ...) (g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION, __VA_ARGS__), FALSE)

static gint64 number(const TemplateAttribute *action, const char *name)
{
    gint64 value = -1;
    (void)attribute_get_int(action, name, &value);
    return value;
}

PlanState plan_state(const Template *plan)
{
    gint64 state = PLAN_ERROR;
    (void)template_get_int(plan, "STATE", &state);
    return (PlanState)state;
}

static void set_action(World *world, Cluster *cluster, TemplateAttribute *action, PlanState state)
{
    attribute_set_int(action, "STATE", state);
    attribute_set_int(action, "TIMESTAMP", core_now(world->core));
    object_changed(world, &cluster->head);
}

/* ---- one action ---- */

/* What became of the move, as its machine says. */
static PlanState judge(Lifecycle *lifecycle, const TemplateAttribute *action)
{
    const Vm *vm = vm_get(lifecycle->world, (gint32)number(action, "VM_ID"));
    const VmRecord *last = vm ? vm_last_record(vm) : NULL;
    if (!last)
        return PLAN_ERROR;
    if (vm_is_moving(vm) || (vm->state == VM_ACTIVE && vm->lcm == LCM_BOOT))
        return core_now(lifecycle->world->core) - number(action, "TIMESTAMP") >
                       config_int(lifecycle->world->config, "ACTION_TIMEOUT")
                   ? PLAN_TIMEOUT
                   : PLAN_APPLYING;
    gboolean rests = vm->state == VM_POWEROFF || (vm->state == VM_ACTIVE && vm->lcm == LCM_RUNNING);
    return rests && last->host == number(action, "HOST_ID") ? PLAN_DONE : PLAN_ERROR;
}

/* In the record that the move ended. */
static void note_plan(World *world, Vm *vm, gint32 plan, gint32 action)
{
    VmRecord *record = vm_previous_record(vm);
    record->plan = plan;
    record->plan_action = action;
    vm_record_changed(world, vm, record);
}

static gboolean start(Lifecycle *lifecycle, Cluster *cluster, TemplateAttribute *action)
{
    Vm *vm = vm_get(lifecycle->world, (gint32)number(action, "VM_ID"));
    VmPlace place = {(gint32)number(action, "HOST_ID"), (gint32)number(action, "DS_ID"), TRUE};
    /* Nobody has asked for what runs to be ended. */
    VmMove order = {.live = g_strcmp0(attribute_get(action, "OPERATION"), "live-migrate") == 0,
                    .live_only = TRUE};
    VmAsker asker = {0, 0, 0};
    g_autoptr(GError) error = NULL;
    gboolean off = vm && vm->state == VM_POWEROFF;
    gboolean runs = vm && vm->state == VM_ACTIVE && vm->lcm == LCM_RUNNING;
    /* What it was planned for: one that was switched off or suspended since is not moved as one
     * that runs, and one that was locked or tied to its host not at all. */
    if (!(order.live ? runs : off))
        (void)refuse(&error, "the machine is %s", vm ? vm_shown_state(vm) : "gone");
    else if (!plan_may_move(lifecycle, vm))
        (void)refuse(&error, "the machine was locked, is busy, or is tied to its host since the "
                             "plan was made; make a new plan");
    else if (vm_migrate(lifecycle, vm, &place, &order, &asker, &error))
        note_plan(lifecycle->world, vm, cluster->head.id, (gint32)number(action, "ID"));
    if (error)
        log_warning("PLN",
                    "cluster %d: action %" G_GINT64_FORMAT " of its plan, machine %" G_GINT64_FORMAT
                    " to host %d, failed: %s",
                    cluster->head.id, number(action, "ID"), number(action, "VM_ID"), place.host,
                    error->message);
    set_action(lifecycle->world, cluster, action, error ? PLAN_ERROR : PLAN_APPLYING);
    return error == NULL;
}

/* ---- a whole plan ---- */

typedef struct Progress {
    GHashTable *busy; /* host -> moves from and to it */
    gint applying, ready;
    PlanState worst; /* PLAN_DONE, PLAN_ERROR or PLAN_TIMEOUT */
} Progress;

static gint32 source_of(Lifecycle *lifecycle, const TemplateAttribute *action)
{
    const Vm *vm = vm_get(lifecycle->world, (gint32)number(action, "VM_ID"));
    const VmRecord *record = !vm                ? NULL
                             : vm_is_moving(vm) ? vm_previous_record(vm)
                                                : vm_last_record(vm);
    return record ? record->host : -1;
}

static gint busy_on(const Progress *progress, gint32 host)
{
    return GPOINTER_TO_INT(g_hash_table_lookup(progress->busy, GINT_TO_POINTER(host)));
}

static void count_busy(Progress *progress, gint32 source, gint32 destination)
{
    gint32 hosts[] = {source, destination};
    for (guint i = 0; i < G_N_ELEMENTS(hosts); i++)
        g_hash_table_insert(progress->busy, GINT_TO_POINTER(hosts[i]),
                            GINT_TO_POINTER(busy_on(progress, hosts[i]) + 1));
    progress->applying++;
}

/* Looks what became of the moves under way. */
static void take_stock(Lifecycle *lifecycle, Cluster *cluster, Progress *progress)
{
    TemplateAttribute *action;
    for (guint i = 0; (action = template_vector(cluster->plan, "ACTION", i)); i++) {
        PlanState state = (PlanState)number(action, "STATE");
        PlanState now = state == PLAN_APPLYING ? judge(lifecycle, action) : state;
        if (now != state) {
            log_info("PLN", "cluster %d: machine %" G_GINT64_FORMAT " of its plan: %s",
                     cluster->head.id, number(action, "VM_ID"),
                     now == PLAN_DONE      ? "moved"
                     : now == PLAN_TIMEOUT ? "not moved in time"
                                           : "not moved");
            set_action(lifecycle->world, cluster, action, now);
        }
        if (now == PLAN_APPLYING)
            count_busy(progress, source_of(lifecycle, action), (gint32)number(action, "HOST_ID"));
        progress->ready += now == PLAN_READY;
        if (now > PLAN_DONE)
            progress->worst = MAX(progress->worst, now);
    }
}

static void start_more(Lifecycle *lifecycle, Cluster *cluster, Progress *progress)
{
    gint64 in_all = config_int(lifecycle->world->config, "MAX_ACTIONS_PER_CLUSTER");
    gint64 on_host = config_int(lifecycle->world->config, "MAX_ACTIONS_PER_HOST");
    TemplateAttribute *action;
    for (guint i = 0; progress->worst == PLAN_DONE && progress->ready &&
                      (action = template_vector(cluster->plan, "ACTION", i));
         i++) {
        gint32 source = source_of(lifecycle, action), to = (gint32)number(action, "HOST_ID");
        if (number(action, "STATE") != PLAN_READY || (in_all && progress->applying >= in_all) ||
            (on_host && (busy_on(progress, source) >= on_host || busy_on(progress, to) >= on_host)))
            continue;
        progress->ready--;
        if (start(lifecycle, cluster, action))
            count_busy(progress, source, to);
        else
            progress->worst = PLAN_ERROR;
    }
}

static void advance(Lifecycle *lifecycle, Cluster *cluster)
{
    g_autoptr(GHashTable) busy = g_hash_table_new(NULL, NULL);
    Progress progress = {.busy = busy, .worst = PLAN_DONE};
    take_stock(lifecycle, cluster, &progress);
    start_more(lifecycle, cluster, &progress);
    if (progress.applying || (progress.worst == PLAN_DONE && progress.ready))
        return;
    template_set_int(cluster->plan, "STATE", progress.worst);
    object_changed(lifecycle->world, &cluster->head);
    log_info("PLN", "cluster %d: its plan ended, %s", cluster->head.id,
             progress.worst == PLAN_DONE      ? "all machines were moved"
             : progress.worst == PLAN_TIMEOUT ? "a machine was not moved in time"
                                              : "a machine was not moved");
}

/* ---- time ---- */

static void look_in(Lifecycle *lifecycle, gint64 seconds);

static void look(Core *core, gpointer data)
{
    Lifecycle *lifecycle = data;
    GPtrArray *clusters = lifecycle->world->pools[KIND_CLUSTER].order;
    gboolean any = FALSE;
    lifecycle->plan_timer = 0;
    for (guint i = 0; i < clusters->len; i++) {
        Cluster *cluster = clusters->pdata[i];
        if (!cluster->plan || plan_state(cluster->plan) != PLAN_APPLYING)
            continue;
        advance(lifecycle, cluster);
        any |= plan_state(cluster->plan) == PLAN_APPLYING;
    }
    if (any)
        look_in(lifecycle, LOOK_SECONDS);
}

static void look_in(Lifecycle *lifecycle, gint64 seconds)
{
    Core *core = lifecycle->world->core;
    core_timer_cancel(core, lifecycle->plan_timer);
    lifecycle->plan_timer = core_timer_add(core, seconds * G_USEC_PER_SEC, look, lifecycle, NULL);
}

void plans_look_soon(Lifecycle *lifecycle)
{
    if (lifecycle->plan_timer) /* only then a plan is carried out */
        look_in(lifecycle, 0);
}

/* Clusters that look after themselves. */
static void make_plans(Core *core, gpointer data)
{
    Lifecycle *lifecycle = data;
    GPtrArray *clusters = lifecycle->world->pools[KIND_CLUSTER].order;
    for (guint i = 0; i < clusters->len; i++) {
        Cluster *cluster = clusters->pdata[i];
        g_autoptr(GError) error = NULL;
        gint automation = plan_automation(cluster);
        if (!automation || (cluster->plan && plan_state(cluster->plan) == PLAN_APPLYING))
            continue;
        if (!cluster_plan_optimize(lifecycle, cluster, &error) ||
            (automation == 2 && cluster->plan && !cluster_plan_execute(lifecycle, cluster, &error)))
            log_warning("PLN", "cluster %d: no plan: %s", cluster->head.id, error->message);
    }
    core_timer_add(core, config_int(lifecycle->world->config, "DRS_INTERVAL") * G_USEC_PER_SEC,
                   make_plans, lifecycle, NULL);
}

void plans_begin(Lifecycle *lifecycle)
{
    gint64 interval = config_int(lifecycle->world->config, "DRS_INTERVAL");
    look_in(lifecycle, 0);
    if (interval > 0)
        core_timer_add(lifecycle->world->core, interval * G_USEC_PER_SEC, make_plans, lifecycle,
                       NULL);
}

/* ---- what is asked for ---- */

static gboolean refuse_applying(const Cluster *cluster, GError **error)
{
    if (!cluster->plan || plan_state(cluster->plan) != PLAN_APPLYING)
        return FALSE;
    return !refuse(error, "The plan of cluster %d is being carried out; wait for it, or delete it",
                   cluster->head.id);
}

gboolean cluster_plan_optimize(Lifecycle *lifecycle, Cluster *cluster, GError **error)
{
    g_autoptr(GError) wrong = NULL;
    if (refuse_applying(cluster, error))
        return FALSE;
    Template *plan = plan_make(lifecycle, cluster, &wrong);
    if (wrong) {
        g_propagate_error(error, g_steal_pointer(&wrong));
        return FALSE;
    }
    cluster_set_plan(lifecycle->world, cluster, plan);
    return TRUE;
}

gboolean cluster_plan_execute(Lifecycle *lifecycle, Cluster *cluster, GError **error)
{
    if (refuse_applying(cluster, error))
        return FALSE;
    if (!cluster->plan)
        return refuse(error,
                      "Cluster %d has no plan; one.cluster.optimize makes one, when "
                      "something would get better by it",
                      cluster->head.id);
    if (plan_state(cluster->plan) != PLAN_READY)
        return refuse(error,
                      "The plan of cluster %d was carried out already; one.cluster.optimize "
                      "makes a new one",
                      cluster->head.id);
    template_set_int(cluster->plan, "STATE", PLAN_APPLYING);
    object_changed(lifecycle->world, &cluster->head);
    advance(lifecycle, cluster);
    look_in(lifecycle, LOOK_SECONDS);
    return TRUE;
}

gboolean cluster_plan_delete(Lifecycle *lifecycle, Cluster *cluster, GError **error)
{
    if (!cluster->plan)
        return refuse(error, "Cluster %d has no plan", cluster->head.id);
    cluster_set_plan(lifecycle->world, cluster, NULL);
    return TRUE;
}
