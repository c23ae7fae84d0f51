/*
 * Where does a machine run? Asked when an answer is missing or a migration failed, and
 * when monitoring says something that the record does not. "No answer" is never taken
 * for "not running": what cannot be known is UNKNOWN.
 */
#include "server/lifecycle/internal.h"

#include <string.h>

/* A question that finds no answer is asked again after so long, at first and later, and so often.
 */
#define ASK_SOON_SECONDS  1
#define ASK_SOON_TIMES    5
#define ASK_AGAIN_SECONDS 5
#define QUESTIONS_MAX     60
/* How often a step whose answer was lost is sent again before it counts as failed. */
#define ATTEMPTS_MAX 3
#define POLL_SECONDS 60
/* What is asked in the very moment of a change counts as older than it. */
#define CONFIRM_MS 20

/* What a host said: 'a' runs, 'p' is paused, 'd' is not there, 'e' has crashed, '-' is between two
 * hosts. '?': no answer; '!': no answer, and monitoring gets none either. */
static char answer_letter(gboolean success, const char *info)
{
    const char *state = success && info ? strstr(info, "STATE=") : NULL;
    return state && state[6] && strchr("apde-", state[6]) ? state[6] : '?';
}

/* A machine whose start was not answered gets its name from the answer to the question. */
static void note_name(Lifecycle *lifecycle, Vm *vm, const char *info)
{
    static const char key[] = "DEPLOY_ID=";
    const char *at = vm_current_step(vm) == STEP_DEPLOY ? strstr(info, key) : NULL;
    if (!at)
        return;
    g_autofree char *name = g_strndup(at + strlen(key), strcspn(at + strlen(key), " \t"));
    vm_note_deploy_id(lifecycle, vm, name);
}

static void ask_host(Lifecycle *lifecycle, Vm *vm, guint place, const VmRecord *record)
{
    if (vm_record_is_offline(lifecycle, record)) {
        vm->work.found[place] = g_strdup("d");
        return;
    }
    DriverRequest *request = vm_hypervisor_request(lifecycle, vm, record, "POLL");
    lifecycle_forget(lifecycle, vm->work.polls[place]);
    vm->work.polls[place] = lifecycle_ask(lifecycle, request, ASKED_TRUTH, vm->head.id, place,
                                          lifecycle_timeout(lifecycle, "POLL", POLL_SECONDS));
}

static void decide_when_known(Lifecycle *lifecycle, Vm *vm);

static void ask_hosts(Lifecycle *lifecycle, Vm *vm)
{
    VmStep step = vm_current_step(vm);
    vm->work.asking = TRUE;
    g_clear_pointer(&vm->work.found[0], g_free);
    g_clear_pointer(&vm->work.found[1], g_free);
    if (vm_step_row(step)->expectation == EXPECT_MOVED) {
        ask_host(lifecycle, vm, 0, vm_previous_record(vm));
        ask_host(lifecycle, vm, 1, vm_last_record(vm));
    } else {
        ask_host(lifecycle, vm, 1, vm_step_record(vm, step));
    }
    decide_when_known(lifecycle, vm);
}

static void send_again(Lifecycle *lifecycle, Vm *vm, const char *why)
{
    vm->work.asking = FALSE;
    vm->work.questions = 0;
    if (++vm->work.attempts >= ATTEMPTS_MAX) {
        vm->work.asking = TRUE; /* the hosts were asked already */
        vm_step_ended(lifecycle, vm, FALSE, why);
        return;
    }
    vm_log(lifecycle, vm, LOG_WARNING, "%s; it is sent again", why);
    vm_begin_step(lifecycle, vm);
}

void vm_ask_truth(Lifecycle *lifecycle, Vm *vm, const char *why)
{
    const VmStepRow *row = vm_step_row(vm_current_step(vm));
    vm->work.request = 0;
    if (row->expectation == EXPECT_NOTHING) {
        send_again(lifecycle, vm, why); /* such work may be done twice */
        return;
    }
    if (!vm->work.reason)
        vm->work.reason = g_strdup(why);
    vm_log(lifecycle, vm, LOG_WARNING, "%s; the host is asked what is true", why);
    ask_hosts(lifecycle, vm);
}

static void nobody_knows(Lifecycle *lifecycle, Vm *vm);

typedef struct AskAgain {
    Lifecycle *lifecycle;
    gint32 vm;
} AskAgain;

static void ask_again_now(Core *core, gpointer data)
{
    AskAgain *again = data;
    Vm *vm = vm_get(again->lifecycle->world, again->vm);
    if (!vm || !vm->work.asking)
        return;
    vm->work.timer = 0;
    ask_hosts(again->lifecycle, vm);
}

static void ask_later(Lifecycle *lifecycle, Vm *vm)
{
    if (++vm->work.questions > QUESTIONS_MAX) {
        nobody_knows(lifecycle, vm);
        return;
    }
    gint64 seconds = vm->work.questions <= ASK_SOON_TIMES ? ASK_SOON_SECONDS : ASK_AGAIN_SECONDS;
    AskAgain *again = g_new0(AskAgain, 1);
    again->lifecycle = lifecycle;
    again->vm = vm->head.id;
    vm->work.timer = core_timer_add(lifecycle->world->core, seconds * G_USEC_PER_SEC, ask_again_now,
                                    again, g_free);
}

static void become_unknown(Lifecycle *lifecycle, Vm *vm, const char *text)
{
    vm_note_failure(lifecycle, vm, text);
    g_free(vm->work.reason);
    vm->work.reason = g_strdup(text); /* vm_enter() puts it on record */
    vm_enter(lifecycle, vm, VM_ACTIVE, LCM_UNKNOWN);
}

/* Gives up asking: the machine is UNKNOWN until a host says where it is. */
static void nobody_knows(Lifecycle *lifecycle, Vm *vm)
{
    g_autofree char *text = g_strdup_printf(
        "no host could say whether the machine runs (%s); it is UNKNOWN until one does",
        vm->work.reason ? vm->work.reason : "no answer");
    become_unknown(lifecycle, vm, text);
}

/* ---- what both hosts of a live migration say, together ---- */

static void moved(Lifecycle *lifecycle, Vm *vm)
{
    vm->work.asking = FALSE;
    vm->work.seen = TRUE;
    vm_step_ended(lifecycle, vm, TRUE, "");
}

static void stayed(Lifecycle *lifecycle, Vm *vm)
{
    g_autofree char *reason = g_strdup(vm->work.reason);
    vm->work.seen = TRUE;
    vm_step_ended(lifecycle, vm, FALSE, reason);
}

static void under_way(Lifecycle *lifecycle, Vm *vm)
{
    vm_log(lifecycle, vm, LOG_WARNING,
           "both hosts have the machine: the migration is still under way");
    ask_later(lifecycle, vm);
}

/* The driver looks at both hosts again, and does what is left to do. What it cannot end stays as it
 * is: with a part of the machine on each host neither may be cleared. */
static void settle_again(Lifecycle *lifecycle, Vm *vm)
{
    g_autofree char *reason = g_strdup(vm->work.reason);
    if (vm->work.attempts + 1 >= ATTEMPTS_MAX) {
        vm->undecided = TRUE;
        nobody_knows(lifecycle, vm);
        return;
    }
    send_again(lifecycle, vm, reason);
}

/* It has left its host, and the other one cannot be seen. Its disks are those of the destination.
 */
static void left_for_a_lost_host(Lifecycle *lifecycle, Vm *vm)
{
    const VmRecord *previous = vm_previous_record(vm), *last = vm_last_record(vm);
    g_autofree char *text =
        g_strdup_printf("the machine has left host %s for %s, and %s cannot be asked: whether it "
                        "runs there is unknown",
                        previous->host_name, last->host_name, last->host_name);
    leftover_note(lifecycle, vm, previous);
    vm_close_record(lifecycle, vm, vm_previous_record(vm));
    become_unknown(lifecycle, vm, text);
}

/* The destination does not have it, and its own host cannot be seen: there it may run, be off, or
 * stand still between the hosts. When that host is back the migration is taken up again. */
static void stayed_on_a_lost_host(Lifecycle *lifecycle, Vm *vm)
{
    const VmRecord *previous = vm_previous_record(vm), *last = vm_last_record(vm);
    g_autofree char *text =
        g_strdup_printf("host %s does not have the machine, and %s cannot be asked: whether it "
                        "still runs there is unknown",
                        last->host_name, previous->host_name);
    vm->stayed = TRUE;
    become_unknown(lifecycle, vm, text);
}

/* It runs nowhere. With disks on both hosts the newer ones must be chosen, and none may go before
 * that is sure. */
static void nowhere(Lifecycle *lifecycle, Vm *vm)
{
    const VmRecord *previous = vm_previous_record(vm), *last = vm_last_record(vm);
    if (vm_storage_is_shared(lifecycle, last) || vm->work.ended || vm->stayed) {
        g_autofree char *reason =
            g_strdup_printf("%s; neither host has the machine any more", vm->work.reason);
        vm->work.off = TRUE;
        vm_step_ended(lifecycle, vm, FALSE, reason);
        return;
    }
    vm->undecided = TRUE;
    g_autofree char *text = g_strdup_printf(
        "%s; neither host has the machine any more, and both may have its disks. Look which are "
        "newer, then say where it is: onevm recover --success means %s, --failure means %s",
        vm->work.reason, last->host_name, previous->host_name);
    become_unknown(lifecycle, vm, text);
}

/* Letters of answer_letter(); the first row that fits counts. What no row has is asked again. */
static const struct {
    const char *source, *destination;
    void (*then)(Lifecycle *lifecycle, Vm *vm);
} verdicts[] = {
    {"de!", "a", moved},
    {"ap", "de!", stayed},
    {"de", "de", nowhere},
    {"de", "!", left_for_a_lost_host},
    {"!", "de", stayed_on_a_lost_host},
    {"de", "p-", settle_again},
    {"-", "apde-", settle_again},
    {"ap", "ap-", under_way},
    {"!-", "!-p", nobody_knows},
};

static void decide_moved(Lifecycle *lifecycle, Vm *vm, char source, char destination)
{
    for (guint i = 0; i < G_N_ELEMENTS(verdicts); i++)
        if (strchr(verdicts[i].source, source) && strchr(verdicts[i].destination, destination)) {
            verdicts[i].then(lifecycle, vm);
            return;
        }
    ask_later(lifecycle, vm);
}

static gboolean is_as_expected(VmExpectation expectation, char here)
{
    return expectation == EXPECT_RUNNING  ? here == 'a'
           : expectation == EXPECT_PAUSED ? here == 'p'
                                          : here != 'a' && here != 'p';
}

/* `there` is what the host it comes from says, `here` the one it is on or goes to. */
static void decide(Lifecycle *lifecycle, Vm *vm, char there, char here)
{
    VmExpectation expectation = vm_step_row(vm_current_step(vm))->expectation;
    g_autofree char *reason = g_strdup(vm->work.reason);
    if (expectation == EXPECT_MOVED) {
        decide_moved(lifecycle, vm, there, here);
    } else if (strchr("?!-", here)) {
        ask_later(lifecycle, vm);
    } else if (expectation == EXPECT_PAUSED && strchr("de", here)) {
        vm->work.seen = TRUE;
        vm_step_ended(lifecycle, vm, FALSE, reason);
    } else if (is_as_expected(expectation, here)) {
        vm_log(lifecycle, vm, LOG_INFO, "the host says that it is done");
        vm->work.asking = FALSE;
        if (!vm_record_is_offline(lifecycle, vm_step_record(vm, vm_current_step(vm))))
            vm_doubt_answered(lifecycle, vm, vm_current_step(vm));
        vm_step_ended(lifecycle, vm, TRUE, "");
    } else {
        send_again(lifecycle, vm, reason);
    }
}

static void decide_when_known(Lifecycle *lifecycle, Vm *vm)
{
    gboolean both = vm_step_row(vm_current_step(vm))->expectation == EXPECT_MOVED;
    const char *there = vm->work.found[0], *here = vm->work.found[1];
    if (here && (there || !both))
        decide(lifecycle, vm, there ? *there : '?', *here);
}

void vm_truth_answered(Lifecycle *lifecycle, Vm *vm, const Asked *asked, gboolean success,
                       const char *info)
{
    guint place = asked->place;
    if (!vm->work.asking || vm->work.timer || vm->work.polls[place] != asked->number)
        return;
    char letter = answer_letter(success, info);
    const VmRecord *record = place ? vm_step_record(vm, vm_current_step(vm)) : NULL;
    if (vm_step_row(vm_current_step(vm))->expectation == EXPECT_MOVED)
        record = place ? vm_last_record(vm) : vm_previous_record(vm);
    if (letter == '?')
        vm_log(lifecycle, vm, LOG_WARNING, "the host could not say: %s", info ? info : "");
    if (letter == 'a')
        note_name(lifecycle, vm, info);
    if (letter == '?' && record && vm_record_is_lost(lifecycle, record))
        letter = '!';
    g_free(vm->work.found[place]);
    vm->work.found[place] = g_strdup_printf("%c", letter);
    decide_when_known(lifecycle, vm);
}

/* ---- what monitoring says ---- */

gboolean vm_is_lost(const Vm *vm)
{
    const VmRecord *previous = vm_previous_record(vm);
    return vm->state == VM_ACTIVE && vm->lcm == LCM_UNKNOWN && previous && !previous->etime;
}

/* Resting states in which the hypervisor has nothing of the machine, or should not. */
static gboolean is_off(const Vm *vm)
{
    return vm->state == VM_POWEROFF || vm->state == VM_SUSPENDED;
}

/* Suspended, but the hypervisor has it all the same. */
static gboolean is_frozen(Lifecycle *lifecycle, const Vm *vm)
{
    return vm->state == VM_SUSPENDED && vm_was_frozen(lifecycle, vm);
}

static gboolean is_up(const Vm *vm)
{
    return vm->state == VM_ACTIVE && (vm->lcm == LCM_RUNNING || vm->lcm == LCM_UNKNOWN);
}

/* Sight of it was lost while it moved live: once its hosts can tell more, both are asked again, as
 * after a restart of oned. TRUE: they are. */
static gboolean take_up_again(Lifecycle *lifecycle, Vm *vm, const Host *host, gboolean runs)
{
    const VmRecord *last = vm_last_record(vm), *previous = vm_previous_record(vm);
    gboolean concerned = host->head.id == last->host || host->head.id == previous->host;
    gboolean told = runs || (!vm->undecided && !vm_record_is_lost(lifecycle, last) &&
                             !vm_record_is_lost(lifecycle, previous));
    if (vm->previous_lcm != LCM_MIGRATE || !concerned || !told)
        return FALSE;
    vm_take_up_migration(lifecycle, vm, "its hosts answer again");
    return TRUE;
}

/* A machine of which we lost sight runs on another host than the record says. */
static void found_elsewhere(Lifecycle *lifecycle, Vm *vm, Host *host)
{
    VmRecord *last = vm_last_record(vm);
    vm_log(lifecycle, vm, LOG_WARNING, "the machine was found running on host %s, not on %s",
           host->head.name, last->host_name);
    vm_close_record(lifecycle, vm, vm_previous_record(vm));
    vm_close_record(lifecycle, vm, last);
    VmRecord *record = vm_add_record(lifecycle->world, vm);
    record->host = host->head.id;
    record->host_name = g_strdup(host->head.name);
    record->cluster = host->cluster;
    record->vm_mad = g_strdup(host->vm_mad);
    record->tm_mad = g_strdup(last->tm_mad);
    record->datastore = last->datastore;
    record->rstime = record->stime;
    vm_record_changed(lifecycle->world, vm, record);
}

/* Its start is said to have failed. */
static gboolean failed_to_start(const Vm *vm)
{
    return vm->state == VM_ACTIVE && vm_is_failure(vm->lcm) &&
           g_str_has_prefix(vm_lcm_name(vm->lcm), "BOOT");
}

/* It may be there and stand still, and that would not be seen by its state. */
static gboolean may_stand(Lifecycle *lifecycle, const Vm *vm)
{
    return failed_to_start(vm) || (vm->state == VM_ACTIVE && vm->lcm == LCM_RUNNING) ||
           (is_up(vm) && vm_driver_freezes(lifecycle, vm));
}

/* Its guest is there and does nothing: a backup that could not let it go on, a full disk, somebody
 * on the host. SUSPENDED would say that its memory is in a file, and let its disks be moved or
 * removed under it; from UNKNOWN it is started by letting it go on, and ended with its guest. */
static void found_paused(Lifecycle *lifecycle, Vm *vm)
{
    g_autofree char *text =
        g_strdup_printf("host %s says that the machine is paused: it does nothing until `onevm "
                        "resume` lets it go on, or somebody on the host does",
                        vm_last_record(vm)->host_name);
    become_unknown(lifecycle, vm, text);
}

/* The reason why it was UNKNOWN counts no more. */
static void forget_error(Vm *vm)
{
    if (vm->state == VM_ACTIVE && vm->lcm == LCM_UNKNOWN)
        template_set(vm->user_template, "ERROR", NULL);
}

static void seen_running(Lifecycle *lifecycle, Vm *vm, Host *host, const char *deploy_id)
{
    const VmRecord *last = vm_last_record(vm);
    gboolean here = last->host == host->head.id;
    /* Drivers that do not tell it when they are asked tell it here. */
    if (here && !*vm->deploy_id)
        vm_note_deploy_id(lifecycle, vm, deploy_id);
    if (vm->state == VM_ACTIVE && vm->lcm == LCM_UNKNOWN && !here)
        found_elsewhere(lifecycle, vm, host);
    else if (!here || !((vm->state == VM_ACTIVE && vm->lcm == LCM_UNKNOWN) || failed_to_start(vm)))
        return;
    if (here)
        vm_close_record(lifecycle, vm, vm_previous_record(vm));
    vm_note_deploy_id(lifecycle, vm, deploy_id);
    vm_log(lifecycle, vm, LOG_INFO, "host %s says that the machine runs", host->head.name);
    forget_error(vm);
    vm_enter(lifecycle, vm, VM_ACTIVE, LCM_RUNNING);
}

/* Evidence that it is gone, or runs though it was put to rest, is confirmed by a question to the
 * hypervisor: what was told may be older than what happened since. A suspended machine that was
 * wrongly taken for a running one would lose its memory. */
static void confirm(Lifecycle *lifecycle, Vm *vm)
{
    DriverRequest *request = vm_hypervisor_request(lifecycle, vm, vm_last_record(vm), "POLL");
    lifecycle_ask(lifecycle, request, ASKED_ASIDE, vm->head.id, 0,
                  lifecycle_timeout(lifecycle, "POLL", POLL_SECONDS));
}

static void confirm_start_now(Core *core, gpointer data)
{
    AskAgain *again = data;
    Vm *vm = vm_get(again->lifecycle->world, again->vm);
    if (vm && vm->state == VM_ACTIVE && vm->lcm == LCM_RUNNING)
        confirm(again->lifecycle, vm);
}

void vm_confirm_start(Lifecycle *lifecycle, Vm *vm)
{
    AskAgain *again = g_new0(AskAgain, 1);
    again->lifecycle = lifecycle;
    again->vm = vm->head.id;
    (void)core_timer_add(lifecycle->world->core, (gint64)CONFIRM_MS * 1000, confirm_start_now,
                         again, g_free);
}

/* Monitoring starts nothing while drivers work on it. Its end is kept in mind: a program may end
 * so soon that this is told before its start is answered. */
static void seen_at_work(Vm *vm, const Host *host)
{
    VmStep step = vm_current_step(vm);
    const VmRecord *last = vm_last_record(vm), *previous = vm_previous_record(vm);
    if (step == STEP_MIGRATE && previous->host == host->head.id)
        vm->work.ended = TRUE;
    else if (vm_step_row(step)->expectation == EXPECT_RUNNING && last->host == host->head.id)
        vm->work.over = TRUE;
}

/* What a driver tells with `d` of one that ended by itself. (owned) */
static char *reason_of(const char *info)
{
    static const char key[] = " REASON=";
    const char *at = info ? strstr(info, key) : NULL;
    return at && at[strlen(key)] ? g_strdup(at + strlen(key)) : NULL;
}

void vm_seen(Lifecycle *lifecycle, Vm *vm, Host *host, const char *state, const char *deploy_id,
             gint64 asked)
{
    const VmRecord *last = vm_last_record(vm);
    VmRecord *previous = vm_previous_record(vm);
    gboolean runs = strcmp(state, "RUNNING") == 0;
    gboolean ended = !strcmp(state, "POWEROFF") || !strcmp(state, "FAILURE");
    gboolean gone = ended || !strcmp(state, VM_NOT_LISTED);
    gboolean here = last && last->host == host->head.id;
    if (!last || last->etime)
        return;
    if (vm->state == VM_ACTIVE && vm_phase(vm->lcm)) {
        if (ended)
            seen_at_work(vm, host);
        return;
    }
    if (asked <= vm->resting_since)
        return;
    if (vm_is_lost(vm) && take_up_again(lifecycle, vm, host, runs))
        return;
    if (runs && is_off(vm)) {
        if (here)
            confirm(lifecycle, vm);
    } else if (runs) {
        seen_running(lifecycle, vm, host, deploy_id);
    } else if (gone && vm_is_lost(vm)) {
        /* One host of the two less; the other must say what is true. */
        if (vm->previous_lcm != LCM_MIGRATE && previous->host == host->head.id)
            vm_close_record(lifecycle, vm, previous);
    } else if (here && gone && (is_up(vm) || is_frozen(lifecycle, vm))) {
        confirm(lifecycle, vm);
    } else if (here && !strcmp(state, "PAUSED") && may_stand(lifecycle, vm)) {
        confirm(lifecycle, vm);
    }
}

void vm_aside_answered(Lifecycle *lifecycle, Vm *vm, const Asked *asked, gboolean success,
                       const char *info)
{
    if (strcmp(asked->action, "POLL") != 0) {
        if (success)
            vm_log(lifecycle, vm, LOG_INFO, "%s done", asked->action);
        else
            vm_note_failure(lifecycle, vm, info && *info ? info : "the driver gave no reason");
        return;
    }
    char letter = answer_letter(success, info);
    VmRecord *last = vm_last_record(vm);
    if (asked->sent <= vm->resting_since)
        return;
    if (is_off(vm) && letter == 'a') {
        vm_log(lifecycle, vm, LOG_WARNING, "host %s says that the machine runs", last->host_name);
        vm_enter(lifecycle, vm, VM_ACTIVE, LCM_RUNNING);
        return;
    }
    gboolean gone = letter == 'd' || letter == 'e';
    gboolean stands = letter == 'p' && may_stand(lifecycle, vm);
    if (stands && !vm_driver_freezes(lifecycle, vm)) {
        found_paused(lifecycle, vm);
        return;
    }
    if (!stands && !(gone && (is_up(vm) || is_frozen(lifecycle, vm))))
        return;
    last->retime = core_now(lifecycle->world->core);
    vm_note_action(lifecycle, vm, last, VM_ACTION_MONITOR, NULL);
    g_autofree char *reason = reason_of(info);
    vm_log(lifecycle, vm, LOG_WARNING, "host %s says that the machine %s%s%s", last->host_name,
           stands          ? "stands still"
           : letter == 'e' ? "has crashed"
                           : "does not run any more",
           reason ? ": " : "", reason ? reason : "");
    forget_error(vm);
    if (reason)
        vm_set_error(lifecycle, vm, reason);
    vm_enter(lifecycle, vm, stands ? VM_SUSPENDED : VM_POWEROFF, LCM_INIT);
}

void vm_host_lost(Lifecycle *lifecycle, Vm *vm, const Host *host, const char *reason)
{
    const VmRecord *last = vm_last_record(vm);
    if (vm->work.asking && vm->work.timer) {
        /* The answer may be that there will be none. */
        core_timer_cancel(lifecycle->world->core, vm->work.timer);
        vm->work.timer = 0;
        ask_hosts(lifecycle, vm);
        return;
    }
    if (vm->state != VM_ACTIVE || vm->lcm != LCM_RUNNING || !last || last->host != host->head.id)
        return;
    g_autofree char *text =
        g_strdup_printf("host %s cannot be asked, so it is unknown whether the machine runs: %s",
                        last->host_name, reason && *reason ? reason : "no reason given");
    vm_set_error(lifecycle, vm, text);
    vm_log(lifecycle, vm, LOG_WARNING, "%s", text);
    vm_enter(lifecycle, vm, VM_ACTIVE, LCM_UNKNOWN);
}
