/* Requests and their answers, effects on the outside, the scheduler's bell. */
#include "server/lifecycle/internal.h"

#include <string.h>

void driver_request_free(DriverRequest *request)
{
    if (!request)
        return;
    g_free(request->driver);
    g_free(request->action);
    g_free(request->payload);
    for (guint i = 0; i < G_N_ELEMENTS(request->files); i++) {
        g_free(request->files[i].path);
        g_free(request->files[i].text);
    }
    g_free(request);
}

static void asked_free(gpointer data)
{
    Asked *asked = data;
    g_free(asked->driver);
    g_free(asked->action);
    g_free(asked);
}

Lifecycle *lifecycle_new(World *world, Outside *outside)
{
    Lifecycle *lifecycle = g_new0(Lifecycle, 1);
    lifecycle->world = world;
    lifecycle->outside = outside;
    lifecycle->asked = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, asked_free);
    lifecycle->bells = g_ptr_array_new();
    lifecycle->checks = vm_checks_new();
    lifecycle->sched_waits = g_hash_table_new(NULL, NULL);
    lifecycle->consoles = vm_consoles_new();
    lifecycle->stats = stats_new();
    lifecycle->pending_sequence = 1;
    world->lifecycle = lifecycle;
    world->entered = hooks_entered;
    return lifecycle;
}

void lifecycle_free(Lifecycle *lifecycle)
{
    if (!lifecycle)
        return;
    g_hash_table_unref(lifecycle->asked);
    g_hash_table_unref(lifecycle->checks);
    g_hash_table_unref(lifecycle->sched_waits);
    g_hash_table_unref(lifecycle->consoles);
    g_hash_table_unref(lifecycle->stats);
    g_ptr_array_foreach(lifecycle->bells, (GFunc)(void (*)(void))g_free, NULL);
    g_ptr_array_unref(lifecycle->bells);
    g_free(lifecycle);
}

/* ---- effects ---- */

typedef struct SendEffect {
    CoreEffect effect;
    Lifecycle *lifecycle;
    DriverRequest *request;
} SendEffect;

static void set_timer(Lifecycle *lifecycle, Asked *asked);

/* What was given up before the commit let it go, by an input of the same batch or a later one, is
 * not even begun. Its time begins now: a commit may take long, and no driver knew of it. */
static void send_release(CoreEffect *effect)
{
    SendEffect *send = (SendEffect *)effect;
    Lifecycle *lifecycle = send->lifecycle;
    Outside *outside = lifecycle->outside;
    if (send->request->number) {
        Asked *asked = g_hash_table_lookup(lifecycle->asked, &send->request->number);
        if (!asked)
            return;
        asked->sent = core_steady(lifecycle->world->core);
        set_timer(lifecycle, asked);
    }
    outside->send(outside, g_steal_pointer(&send->request));
}

static void send_destroy(CoreEffect *effect)
{
    driver_request_free(((SendEffect *)effect)->request);
    g_free(effect);
}

static void send_after_commit(Lifecycle *lifecycle, DriverRequest *request)
{
    SendEffect *send = g_new0(SendEffect, 1);
    send->effect.release = send_release;
    send->effect.destroy = send_destroy;
    send->lifecycle = lifecycle;
    send->request = request;
    core_after_commit(lifecycle->world->core, &send->effect);
}

typedef struct LogEffect {
    CoreEffect effect;
    Outside *outside;
    gint32 vm;
    LogLevel level;
    char module[8];
    char *text;
} LogEffect;

static void log_release(CoreEffect *effect)
{
    LogEffect *log = (LogEffect *)effect;
    log->outside->vm_log(log->outside, log->vm, log->level, log->module, log->text);
}

static void log_destroy(CoreEffect *effect)
{
    g_free(((LogEffect *)effect)->text);
    g_free(effect);
}

static void log_after_commit(Lifecycle *lifecycle, gint32 vm, LogLevel level, const char *module,
                             char *text)
{
    LogEffect *log = g_new0(LogEffect, 1);
    log->effect.release = log_release;
    log->effect.destroy = log_destroy;
    log->outside = lifecycle->outside;
    log->vm = vm;
    log->level = level;
    g_strlcpy(log->module, module, sizeof log->module);
    log->text = text;
    core_after_commit(lifecycle->world->core, &log->effect);
}

void vm_log(Lifecycle *lifecycle, const Vm *vm, LogLevel level, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    log_after_commit(lifecycle, vm->head.id, level, "LCM", text);
}

typedef struct SampleEffect {
    CoreEffect effect;
    Outside *outside;
    SampleKind kind;
    gint32 id;
    gint64 time;
    char *xml; /* NULL: all samples are forgotten */
} SampleEffect;

static void sample_release(CoreEffect *effect)
{
    SampleEffect *sample = (SampleEffect *)effect;
    Outside *outside = sample->outside;
    if (sample->xml)
        outside->sample(outside, sample->kind, sample->id, sample->time, sample->xml);
    else
        outside->forget(outside, sample->kind, sample->id);
}

static void sample_destroy(CoreEffect *effect)
{
    g_free(((SampleEffect *)effect)->xml);
    g_free(effect);
}

void lifecycle_keep_sample(Lifecycle *lifecycle, SampleKind kind, gint32 id, char *xml)
{
    Core *core = lifecycle->world->core;
    SampleEffect *sample = g_new0(SampleEffect, 1);
    sample->effect = (CoreEffect){.release = sample_release, .destroy = sample_destroy};
    sample->outside = lifecycle->outside;
    sample->kind = kind;
    sample->id = id;
    sample->time = core_now(core);
    sample->xml = xml;
    core_after_commit(core, &sample->effect);
}

void lifecycle_forget_samples(Lifecycle *lifecycle, SampleKind kind, gint32 id)
{
    lifecycle_keep_sample(lifecycle, kind, id, NULL);
}

/* ---- requests ---- */

gboolean lifecycle_knows(Lifecycle *lifecycle, DriverClass class, const char *driver)
{
    return lifecycle->outside->knows(lifecycle->outside, class, driver);
}

guint lifecycle_timeout(Lifecycle *lifecycle, const char *name, guint otherwise)
{
    const char *text = config_pair(lifecycle->world->config, "ACTION_TIMEOUTS", name);
    gint64 seconds = text ? g_ascii_strtoll(text, NULL, 10) : 0;
    return seconds > 0 ? (guint)seconds : otherwise;
}

typedef struct Overdue {
    Lifecycle *lifecycle;
    guint64 number;
} Overdue;

static void dispatch_lost(Lifecycle *lifecycle, const Asked *asked, const char *why)
{
    Vm *vm = vm_get(lifecycle->world, asked->id);
    switch (asked->about) {
    case ASKED_STEP:
        if (vm && vm->work.request == asked->number)
            vm_ask_truth(lifecycle, vm, why);
        break;
    case ASKED_TRUTH:
        if (vm)
            vm_truth_answered(lifecycle, vm, asked, FALSE, why);
        break;
    case ASKED_ASIDE:
        if (vm)
            vm_aside_answered(lifecycle, vm, asked, FALSE, why);
        break;
    case ASKED_EXEC:
        if (vm)
            vm_exec_answered(lifecycle, vm, asked, FALSE, why);
        break;
    case ASKED_GROUPS:
        if (vm)
            vm_groups_answered(lifecycle, vm, FALSE, why);
        break;
    case ASKED_CHECK:
        vm_check_answered(lifecycle, asked, FALSE, why);
        break;
    case ASKED_LEFTOVER:
        leftover_answered(lifecycle, asked, FALSE, why);
        break;
    case ASKED_CONSOLE:
        vm_console_answered(lifecycle, asked, FALSE, why);
        break;
    case ASKED_HOST: {
        Host *host = host_get(lifecycle->world, asked->id);
        if (host)
            host_answered(lifecycle, host, asked, FALSE, why);
        break;
    }
    case ASKED_DATASTORE:
        datastore_answered(lifecycle, asked, FALSE, why);
        break;
    case ASKED_IMAGE:
        image_lost(lifecycle, asked, why);
        break;
    case ASKED_HOOK:
        hook_lost(lifecycle, asked, why);
        break;
    case ASKED_STAT:
        stat_answered(lifecycle, asked, FALSE, why);
        break;
    case ASKED_MARKET:
        market_answered(lifecycle, asked, FALSE, why);
        break;
    case ASKED_APP:
        app_lost(lifecycle, asked, why);
        break;
    }
}

/* Asks the driver to stop what it does for the object. */
static void send_cancel(Lifecycle *lifecycle, const Asked *asked)
{
    DriverRequest *request = g_new0(DriverRequest, 1);
    request->class = asked->class;
    request->driver = g_strdup(asked->driver);
    request->action = g_strdup("DRIVER_CANCEL");
    request->id = asked->object;
    request->payload = g_strdup("");
    send_after_commit(lifecycle, request);
}

static void request_overdue(Core *core, gpointer data)
{
    Overdue *overdue = data;
    Lifecycle *lifecycle = overdue->lifecycle;
    Asked *asked = g_hash_table_lookup(lifecycle->asked, &overdue->number);
    if (!asked)
        return;
    g_hash_table_steal(lifecycle->asked, &asked->number);
    g_autofree char *why =
        g_strdup_printf("driver %s did not answer %s within %" G_GINT64_FORMAT " s", asked->driver,
                        asked->action, (core_steady(core) - asked->sent) / G_USEC_PER_SEC);
    log_warning("DRV", "Request %" G_GUINT64_FORMAT " for object %d: %s", asked->number, asked->id,
                why);
    /* Else a question about the machine would wait behind it in the driver, for ever perhaps. */
    const Vm *vm = asked->about == ASKED_CHECK ? vm_get(lifecycle->world, asked->id) : NULL;
    gboolean copies = asked->about == ASKED_IMAGE || asked->about == ASKED_APP;
    if (asked->about == ASKED_STEP || copies || (vm && !vm->work.request))
        send_cancel(lifecycle, asked);
    if (asked->about == ASKED_IMAGE)
        image_answered(lifecycle, asked, FALSE, why); /* asking again would take as long */
    else if (asked->about == ASKED_APP)
        app_answered(lifecycle, asked, FALSE, why);
    else
        dispatch_lost(lifecycle, asked, why);
    asked_free(asked);
}

static void set_timer(Lifecycle *lifecycle, Asked *asked)
{
    Overdue *overdue = g_new0(Overdue, 1);
    overdue->lifecycle = lifecycle;
    overdue->number = asked->number;
    asked->timer = core_timer_add(lifecycle->world->core, (gint64)asked->seconds * G_USEC_PER_SEC,
                                  request_overdue, overdue, g_free);
}

/* Long work that goes on is not overdue. */
static void note_progress(Lifecycle *lifecycle, const Vm *vm)
{
    guint64 number = vm->work.request;
    Asked *asked = number ? g_hash_table_lookup(lifecycle->asked, &number) : NULL;
    if (!asked || asked->about != ASKED_STEP || !asked->timer)
        return; /* not sent yet: the progress is of what was asked before */
    core_timer_cancel(lifecycle->world->core, asked->timer);
    set_timer(lifecycle, asked);
}

void lifecycle_driver_log(Lifecycle *lifecycle, LogLevel level, const char *module, gint64 id,
                          const char *text)
{
    const Vm *vm = id == (gint32)id ? vm_get(lifecycle->world, (gint32)id) : NULL;
    if (vm && g_str_has_prefix(text, "progress"))
        note_progress(lifecycle, vm);
    if (vm)
        log_after_commit(lifecycle, (gint32)id, level, module, g_strdup(text));
    else
        log_write(level, module, "%s", text);
}

guint64 lifecycle_ask(Lifecycle *lifecycle, DriverRequest *request, AskedAbout about, gint32 id,
                      guint place, guint seconds)
{
    Asked *asked = g_new0(Asked, 1);
    asked->number = request->number = ++lifecycle->last_number;
    asked->about = about;
    asked->id = id;
    asked->object = request->id;
    asked->place = place;
    asked->class = request->class;
    asked->driver = g_strdup(request->driver);
    asked->action = g_strdup(request->action);
    asked->seconds = seconds;
    g_hash_table_insert(lifecycle->asked, &asked->number, asked);
    send_after_commit(lifecycle, request);
    return asked->number;
}

gboolean lifecycle_asks(Lifecycle *lifecycle, AskedAbout about, gint32 id, guint place)
{
    GHashTableIter iterator;
    gpointer value;
    g_hash_table_iter_init(&iterator, lifecycle->asked);
    while (g_hash_table_iter_next(&iterator, NULL, &value)) {
        const Asked *asked = value;
        if (asked->about == about && asked->id == id && asked->place == place)
            return TRUE;
    }
    return FALSE;
}

void lifecycle_forget(Lifecycle *lifecycle, guint64 number)
{
    Asked *asked = number ? g_hash_table_lookup(lifecycle->asked, &number) : NULL;
    if (!asked)
        return;
    core_timer_cancel(lifecycle->world->core, asked->timer);
    g_hash_table_remove(lifecycle->asked, &number);
}

void lifecycle_cancel(Lifecycle *lifecycle, guint64 number)
{
    const Asked *asked = number ? g_hash_table_lookup(lifecycle->asked, &number) : NULL;
    if (!asked)
        return;
    send_cancel(lifecycle, asked);
    lifecycle_forget(lifecycle, number);
}

static void step_answered(Lifecycle *lifecycle, Vm *vm, const Asked *asked, gboolean success,
                          const char *info)
{
    if (!vm || vm->work.request != asked->number)
        return;
    vm->work.request = 0;
    vm_log(lifecycle, vm, success ? LOG_INFO : LOG_ERROR, "%s %s in %.3f s%s%s", asked->action,
           success ? "done" : "failed",
           (double)(core_steady(lifecycle->world->core) - asked->sent) / 1e6,
           info && *info ? ": " : "", info && *info ? info : "");
    if (success)
        vm_doubt_answered(lifecycle, vm, vm_current_step(vm));
    vm_step_ended(lifecycle, vm, success, info);
}

/* Reasons are shown in lists, logs and columns: a driver's whole output is not one. (owned) */
#define REASON_MAX 1000

static char *short_reason(const char *text)
{
    if (!text || g_utf8_strlen(text, -1) <= REASON_MAX)
        return g_strdup(text);
    g_autofree char *begin = g_utf8_substring(text, 0, REASON_MAX);
    return g_strconcat(begin, " ...", NULL);
}

void lifecycle_answer(Lifecycle *lifecycle, guint64 number, gboolean success, const char *info)
{
    g_autofree char *reason = success ? NULL : short_reason(info);
    if (!success)
        info = reason;
    Asked *asked = g_hash_table_lookup(lifecycle->asked, &number);
    if (!asked) {
        log_info("DRV", "Answer to request %" G_GUINT64_FORMAT ", which nobody waits for: %s %s",
                 number, success ? "SUCCESS" : "FAILURE", info);
        return;
    }
    g_hash_table_steal(lifecycle->asked, &number);
    core_timer_cancel(lifecycle->world->core, asked->timer);
    Vm *vm = vm_get(lifecycle->world, asked->id);
    switch (asked->about) {
    case ASKED_STEP:
        step_answered(lifecycle, vm, asked, success, info);
        break;
    case ASKED_TRUTH:
        if (vm)
            vm_truth_answered(lifecycle, vm, asked, success, info);
        break;
    case ASKED_ASIDE:
        if (vm)
            vm_aside_answered(lifecycle, vm, asked, success, info);
        break;
    case ASKED_GROUPS:
        if (vm)
            vm_groups_answered(lifecycle, vm, success, info);
        break;
    case ASKED_EXEC:
        if (vm)
            vm_exec_answered(lifecycle, vm, asked, success, info);
        break;
    case ASKED_CHECK:
        vm_check_answered(lifecycle, asked, success, info);
        break;
    case ASKED_LEFTOVER:
        leftover_answered(lifecycle, asked, success, info);
        break;
    case ASKED_CONSOLE:
        vm_console_answered(lifecycle, asked, success, info);
        break;
    case ASKED_HOST: {
        Host *host = host_get(lifecycle->world, asked->id);
        if (host)
            host_answered(lifecycle, host, asked, success, info);
        break;
    }
    case ASKED_DATASTORE:
        datastore_answered(lifecycle, asked, success, info);
        break;
    case ASKED_IMAGE:
        image_answered(lifecycle, asked, success, info);
        break;
    case ASKED_HOOK:
        hook_answered(lifecycle, asked, success, info);
        break;
    case ASKED_STAT:
        stat_answered(lifecycle, asked, success, info);
        break;
    case ASKED_MARKET:
        market_answered(lifecycle, asked, success, info);
        break;
    case ASKED_APP:
        app_answered(lifecycle, asked, success, info);
        break;
    }
    asked_free(asked);
}

void lifecycle_answer_untagged(Lifecycle *lifecycle, DriverClass class, guint64 number,
                               const char *action, gint64 id, gboolean success, const char *info)
{
    GHashTableIter iterator;
    gpointer value;
    guint64 oldest = 0;
    if (!g_hash_table_contains(lifecycle->asked, &number)) {
        g_hash_table_iter_init(&iterator, lifecycle->asked);
        while (g_hash_table_iter_next(&iterator, NULL, &value)) {
            const Asked *asked = value;
            if (asked->timer && asked->class == class && asked->id == id &&
                !strcmp(asked->action, action) && (!oldest || asked->number < oldest))
                oldest = asked->number;
        }
    }
    lifecycle_answer(lifecycle, oldest ? oldest : number, success, info);
}

void lifecycle_lost(Lifecycle *lifecycle, guint64 number)
{
    Asked *asked = g_hash_table_lookup(lifecycle->asked, &number);
    if (!asked)
        return;
    g_hash_table_steal(lifecycle->asked, &number);
    core_timer_cancel(lifecycle->world->core, asked->timer);
    g_autofree char *why =
        g_strdup_printf("driver %s ended before it answered %s", asked->driver, asked->action);
    dispatch_lost(lifecycle, asked, why);
    asked_free(asked);
}

void lifecycle_driver_event(Lifecycle *lifecycle, const char *driver, const char *action,
                            gboolean success, gint64 id, const char *payload)
{
    Host *host = host_get(lifecycle->world, (gint32)id);
    if (!host || strcmp(host->im_mad, driver) != 0) {
        log_info("DRV", "Driver %s says %s of host %" G_GINT64_FORMAT ", which it does not watch",
                 driver, action, id);
        return;
    }
    g_autofree char *reason = success ? NULL : short_reason(payload);
    host_event(lifecycle, host, action, success, success ? payload : reason);
}

/* ---- the scheduler's bell ---- */

/* Who waits longest is told first when more than these wait: a call that waits is cheap, not free.
 */
#define BELLS_MAX 1000

struct Bell {
    Lifecycle *lifecycle;
    guint64 timer;
    void (*ring)(guint64 sequence, gpointer data);
    gpointer data;
};

guint64 lifecycle_pending_sequence(const Lifecycle *lifecycle)
{
    return lifecycle->pending_sequence;
}

static void bell_ring(Bell *bell)
{
    g_ptr_array_remove_fast(bell->lifecycle->bells, bell);
    bell->ring(bell->lifecycle->pending_sequence, bell->data);
    g_free(bell);
}

static void bell_time_over(Core *core, gpointer data)
{
    Bell *bell = data;
    bell->timer = 0;
    bell_ring(bell);
}

static void ring_all(Lifecycle *lifecycle)
{
    while (lifecycle->bells->len) {
        Bell *bell = lifecycle->bells->pdata[0];
        core_timer_cancel(lifecycle->world->core, bell->timer);
        bell_ring(bell);
    }
}

void lifecycle_ring(Lifecycle *lifecycle)
{
    lifecycle->pending_sequence++;
    ring_all(lifecycle);
}

void lifecycle_end_waits(Lifecycle *lifecycle)
{
    ring_all(lifecycle);
    vm_checks_end(lifecycle);
    vm_consoles_end(lifecycle);
    stats_end(lifecycle);
}

void lifecycle_end(Lifecycle *lifecycle)
{
    lifecycle->pending_sequence++;
    lifecycle_end_waits(lifecycle);
}

void lifecycle_wait_pending(Lifecycle *lifecycle, guint64 last, guint seconds,
                            void (*ring)(guint64 sequence, gpointer data), gpointer data)
{
    if (last != lifecycle->pending_sequence || seconds == 0) {
        ring(lifecycle->pending_sequence, data);
        return;
    }
    if (lifecycle->bells->len >= BELLS_MAX) {
        Bell *first = lifecycle->bells->pdata[0];
        core_timer_cancel(lifecycle->world->core, first->timer);
        bell_ring(first);
    }
    Bell *bell = g_new0(Bell, 1);
    bell->lifecycle = lifecycle;
    bell->ring = ring;
    bell->data = data;
    g_ptr_array_add(lifecycle->bells, bell);
    bell->timer = core_timer_add(lifecycle->world->core, (gint64)seconds * G_USEC_PER_SEC,
                                 bell_time_over, bell, NULL);
}
