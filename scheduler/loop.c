#include "scheduler/loop.h"
#include "lib/base/error.h"
#include "lib/base/log.h"
#include "scheduler/fetch.h"
#include "scheduler/memory.h"
#include "scheduler/place.h"
#include "scheduler/report.h"
#include "scheduler/workers.h"
#include <string.h>

#define MODULE "SCH"

/* Connections to a server that is not ours: OpenNebula serves 15 at most by default. */
#define FOREIGN_CONNECTIONS 4
/* Longest globule.sched.wait, in seconds. */
#define WAIT_MAX 60
/* Between two questions to a server that does not answer, in microseconds. */
#define RETRY_LEAST (250 * 1000)
#define RETRY_MOST  (5 * 1000 * 1000)
/* After a cycle that placed nothing: so many times its own length, within these bounds. */
#define REST_FACTOR 4
#define REST_LEAST  (20 * 1000)
#define REST_MOST   (1000 * 1000)
/* Messages written before looking whether something new is to be placed. */
#define MESSAGES_AT_ONCE 200

struct SchedLoop {
    SchedConfig *config;
    SchedConfig *coming; /* from sched_loop_configure(); atomic */
    WireClient *client;
    SchedServer server;
    SchedWorkers *workers;
    SchedMemory *memory;
    char *trouble; /* the failure that was told last */
};

/* What every order needs to know. */
typedef struct {
    const SchedConfig *config;
    gboolean clear_message; /* oned does not take SCHED_MESSAGE away itself */
} Orders;

static gboolean is_lost(const GError *error)
{
    return error->code == ONE_ERROR_UNREACHABLE || error->code == ONE_ERROR_TIMEOUT;
}

SchedLoop *sched_loop_new(SchedConfig *config, GError **error)
{
    g_autoptr(SchedLoop) loop = g_new0(SchedLoop, 1);
    loop->config = config;
    loop->client = wire_client_new(config->endpoint, NULL, error);
    if (loop->client == NULL)
        return NULL;
    loop->server.client = loop->client;
    loop->memory = sched_memory_new();
    return g_steal_pointer(&loop);
}

void sched_loop_free(SchedLoop *loop)
{
    if (loop == NULL)
        return;
    sched_workers_free(loop->workers);
    sched_memory_free(loop->memory);
    wire_client_free(loop->client);
    sched_config_free(loop->config);
    sched_config_free(loop->coming);
    g_free(loop->trouble);
    g_free(loop);
}

void sched_loop_configure(SchedLoop *loop, SchedConfig *config)
{
    sched_config_free(g_atomic_pointer_exchange(&loop->coming, config));
}

static void take_configuration(SchedLoop *loop)
{
    SchedConfig *coming = g_atomic_pointer_exchange(&loop->coming, NULL);
    if (coming == NULL)
        return;
    sched_config_free(loop->config);
    loop->config = coming;
    log_set_level(MIN(coming->log_level, LOG_DEBUG));
    log_info(MODULE, "the configuration was read again");
}

static SchedWorkers *workers_of(SchedLoop *loop)
{
    guint connections = loop->config->connections;
    if (loop->server.cannot_wait)
        connections = MIN(connections, FOREIGN_CONNECTIONS);
    if (loop->workers == NULL)
        loop->workers =
            sched_workers_new(wire_client_endpoint(loop->client), wire_client_session(loop->client),
                              connections, loop->config->timeout);
    return loop->workers;
}

/* ---- Orders ---- */

static void clear_message(WireClient *client, const SchedVm *vm)
{
    g_autofree char *nothing = sched_message_template("");
    wire_call(client, NULL, NULL, "one.vm.update", "isi", vm->id, nothing, 1);
}

static gboolean give_order(WireClient *client, gpointer item, gpointer data, GError **error)
{
    SchedOrder *order = item;
    const Orders *orders = data;
    const SchedVm *vm = order->vm;
    g_autoptr(GError) why = NULL;
    /* Only a running machine (LCM_STATE 3) can be moved live. */
    gboolean live = orders->config->live_rescheds && vm->lcm_state == 3;
    gboolean taken =
        vm->resched
            ? wire_call(client, NULL, &why, "one.vm.migrate", "iibbii", vm->id, order->host, live,
                        FALSE, -1, (int)orders->config->cold_migrate_mode)
            : wire_call(client, NULL, &why, "one.vm.deploy", "iibis", vm->id, order->host, FALSE,
                        order->datastore, order->networks != NULL ? order->networks : "");
    order->done = TRUE;
    if (taken) {
        log_debug(MODULE, "VM %d %s host %d (%s)", vm->id, vm->resched ? "moves to" : "goes to",
                  order->host, order->host_name);
        if (orders->clear_message && vm->message != NULL)
            clear_message(client, vm);
        return TRUE;
    }
    order->failure = g_strdup(why->message);
    if (!is_lost(why))
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&why));
    return FALSE;
}

/* The messages for those whose order was refused. */
static void note_orders(SchedLoop *loop, const SchedPlan *plan, GArray *tellings,
                        SchedOutcome *outcome)
{
    gint64 now = g_get_monotonic_time();
    for (guint i = 0; i < plan->orders->len; i++) {
        const SchedOrder *order = &g_array_index(plan->orders, SchedOrder, i);
        if (!order->done)
            continue;
        if (order->failure == NULL) {
            outcome->placed++;
            sched_memory_forget(loop->memory, order->vm->id);
            continue;
        }
        outcome->failed++;
        g_autofree char *text = g_strdup_printf(
            "Cannot %s host %d (%s): %s", order->vm->resched ? "be moved to" : "be deployed on",
            order->host, order->host_name, order->failure);
        sched_memory_refused(loop->memory, order->vm->id, now);
        outcome->next_try = 1;
        log_warning(MODULE, "VM %d %s", order->vm->id, text);
        sched_memory_tell(loop->memory, order->vm, text, now, tellings);
    }
}

/* ---- Messages ---- */

static gboolean tell(WireClient *client, gpointer item, gpointer data, GError **error)
{
    const SchedTelling *telling = item;
    g_autofree char *text = sched_message_template(telling->message);
    g_autoptr(GError) why = NULL;
    if (wire_call(client, NULL, &why, "one.vm.update", "isi", telling->vm->id, text, 1)) {
        if (!telling->renewed)
            log_info(MODULE, "VM %d waits: %s", telling->vm->id,
                     sched_without_date(telling->message));
        return TRUE;
    }
    if (!is_lost(why))
        return TRUE; /* the machine may be gone meanwhile: nobody waits for the message then */
    g_propagate_error(error, g_steal_pointer(&why));
    return FALSE;
}

/* Writes messages, some at a time; those left when something is to be placed are found
 * again by the next cycle. */
static gboolean tell_all(SchedLoop *loop, GArray *tellings, GError **error)
{
    for (guint done = 0; done < tellings->len;) {
        guint count = MIN(tellings->len - done, MESSAGES_AT_ONCE);
        gboolean something = FALSE;
        g_autoptr(GArray) some = g_array_new(FALSE, FALSE, sizeof(SchedTelling));
        g_array_append_vals(some, &g_array_index(tellings, SchedTelling, done), count);
        if (!sched_workers_run(workers_of(loop), some, tell, NULL, error))
            return FALSE;
        for (guint i = 0; i < count; i++) {
            const SchedTelling *telling = &g_array_index(some, SchedTelling, i);
            sched_memory_told(loop->memory, telling->vm->id, g_get_monotonic_time());
        }
        done += count;
        if (done < tellings->len && !sched_wait(&loop->server, 0, &something, error))
            return FALSE;
        if (something) {
            loop->server.sequence--; /* so that the next wait tells of it again */
            return TRUE;
        }
    }
    return TRUE;
}

static void note_stranded(SchedLoop *loop, SchedMatcher *matcher, const SchedPools *pools,
                          const SchedPlan *plan, GArray *tellings)
{
    gint64 now = g_get_monotonic_time();
    for (guint i = 0; i < plan->stranded->len; i++) {
        const SchedStranded *stranded = &g_array_index(plan->stranded, SchedStranded, i);
        g_autofree char *reason = sched_reason(matcher, pools, stranded);
        if (reason != NULL)
            sched_memory_tell(loop->memory, stranded->vm, reason, now, tellings);
    }
}

static void telling_clear(SchedTelling *telling)
{
    g_free(telling->message);
}

/* ---- One cycle ---- */

static gboolean run_plan(SchedLoop *loop, SchedPools *pools, SchedMatcher *matcher,
                         SchedOutcome *outcome, GError **error)
{
    g_autoptr(SchedPlan) plan =
        sched_plan_new(pools, matcher, loop->config->max_vm, loop->config->max_dispatch);
    Orders orders = {loop->config, loop->server.cannot_wait};
    g_autoptr(GArray) tellings = g_array_new(FALSE, FALSE, sizeof(SchedTelling));
    g_array_set_clear_func(tellings, (GDestroyNotify)telling_clear);
    outcome->stranded = plan->stranded->len;
    outcome->postponed = plan->postponed;
    gboolean good = plan->orders->len == 0 ||
                    sched_workers_run(workers_of(loop), plan->orders, give_order, &orders, error);
    note_orders(loop, plan, tellings, outcome);
    if (good) {
        note_stranded(loop, matcher, pools, plan, tellings);
        good = tell_all(loop, tellings, error);
    }
    if (loop->server.cannot_wait)
        sched_workers_close(loop->workers);
    return good;
}

gboolean sched_loop_cycle(SchedLoop *loop, SchedOutcome *outcome, GError **error)
{
    gint64 begin = g_get_monotonic_time();
    g_autoptr(SchedPools) pools = sched_pools_new();
    *outcome = (SchedOutcome){0};
    wire_client_set_timeout(loop->client, loop->config->timeout);
    if (!sched_fetch_vms(&loop->server, pools, loop->config, error))
        return FALSE;
    sched_memory_set_delay(loop->memory, (gint64)loop->config->new_machine_delay * 1000 * 1000);
    sched_memory_filter(loop->memory, pools, begin, &outcome->resting, &outcome->next_try);
    gboolean good = TRUE;
    if (pools->vms->len > 0) {
        SchedLimits limits = {loop->config->max_host, sched_config_rank(loop->config),
                              sched_config_ds_rank(loop->config),
                              sched_config_nic_rank(loop->config), !loop->config->different_vnets};
        if (!sched_fetch_places(&loop->server, pools, loop->config, error))
            return FALSE;
        g_autoptr(SchedMatcher) matcher = sched_matcher_new(pools, &limits);
        good = run_plan(loop, pools, matcher, outcome, error);
    }
    outcome->microseconds = g_get_monotonic_time() - begin;
    if (outcome->placed + outcome->failed > 0)
        log_info(MODULE, "%u placed, %u refused, %u without a place, %u later, in %.3f s",
                 outcome->placed, outcome->failed, outcome->stranded, outcome->postponed,
                 outcome->microseconds / 1e6);
    return good;
}

/* ---- For ever ---- */

/* Blocks until the next cycle is due. */
static gboolean rest(SchedLoop *loop, const SchedOutcome *outcome, GError **error)
{
    guint seconds = loop->config->interval;
    gboolean something;
    if (outcome->placed > 0 && outcome->postponed > 0)
        return TRUE;
    if (outcome->placed == 0 && outcome->stranded + outcome->failed > 0)
        g_usleep(CLAMP(REST_FACTOR * outcome->microseconds, REST_LEAST, REST_MOST));
    if (outcome->next_try > 0)
        seconds = MIN(seconds, outcome->next_try);
    if (sched_scan_due(&loop->server) > 0)
        seconds = MIN(seconds, sched_scan_due(&loop->server));
    if (!loop->server.cannot_wait) {
        seconds = MIN(seconds, WAIT_MAX);
        wire_client_set_timeout(loop->client, seconds + loop->config->timeout);
        if (!sched_wait(&loop->server, seconds, &something, error))
            return FALSE;
    }
    if (loop->server.cannot_wait)
        g_usleep((gulong)seconds * 1000 * 1000);
    return TRUE;
}

/* Sleeps after a failure, longer each time; says so once, and again only what is another reason
 * than why oned cannot be reached: a server that is away fails in more than one way. */
static gint64 back_off(SchedLoop *loop, gint64 last, const GError *error)
{
    gboolean same = !g_strcmp0(loop->trouble, error->message);
    if (last == 0)
        log_error(MODULE, "%s%s Trying again until it works", error->message,
                  g_str_has_suffix(error->message, "?") ? "" : ".");
    else if (!same && !is_lost(error))
        log_error(MODULE, "Still not: %s", error->message);
    if (last == 0 || !is_lost(error)) {
        g_free(loop->trouble);
        loop->trouble = g_strdup(error->message);
    }
    gint64 time = last == 0 ? RETRY_LEAST : MIN(2 * last, RETRY_MOST);
    g_usleep(time);
    return time;
}

/* Everything that was known of the server is forgotten; the session is read again, since
 * a new oned may have made a new one. */
static void connect_again(SchedLoop *loop)
{
    WireClient *client = wire_client_new(loop->config->endpoint, NULL, NULL);
    if (client != NULL) {
        wire_client_free(loop->client);
        loop->client = client;
    }
    loop->server = (SchedServer){.client = loop->client};
    g_clear_pointer(&loop->workers, sched_workers_free);
}

void sched_loop_run(SchedLoop *loop)
{
    gint64 trouble = 0; /* last sleep after a failure, 0: none */
    gboolean began = FALSE, something;
    for (;;) {
        SchedOutcome outcome = {0};
        g_autoptr(GError) error = NULL;
        take_configuration(loop);
        /* The number of the newest event first: what happens during the cycle is told by
         * the next wait. */
        gboolean good = (began || sched_wait(&loop->server, 0, &something, &error)) &&
                        sched_loop_cycle(loop, &outcome, &error);
        if (good && (!began || trouble > 0))
            log_info(MODULE, "oned at %s answers; %s", wire_client_endpoint(loop->client),
                     loop->server.cannot_wait
                         ? "it cannot wake the scheduler, so it is asked again "
                           "every SCHED_INTERVAL"
                         : "it wakes the scheduler");
        began = good;
        if (good) {
            trouble = 0;
            good = rest(loop, &outcome, &error);
        }
        if (good)
            continue;
        trouble = back_off(loop, trouble, error);
        /* It may be another version when it comes back. */
        began = FALSE;
        connect_again(loop);
    }
}
