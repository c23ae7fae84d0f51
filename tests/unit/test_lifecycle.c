/*
 * The life cycles with an outside that says what the test wants: every phase with success, failure,
 * lost and late answers and with silence; every row of actions; what monitoring may and may not do.
 */
#include "server/model/machine/sched_action.h"
#include "tests/unit/small_life.h"

/* ---- every phase ---- */

static void each_phase(void (*test)(Fixture *fixture, const VmPhase *phase))
{
    guint count;
    const VmPhase *phases = vm_phases(&count);
    for (guint i = 0; i < count; i++) {
        Fixture fixture;
        g_test_message("%s", vm_lcm_name(phases[i].lcm));
        set_up(&fixture, NULL);
        put(&fixture, VM_ACTIVE, phases[i].lcm);
        expect(&fixture, VM_ACTIVE, phases[i].lcm);
        test(&fixture, &phases[i]);
        tear_down(&fixture, NULL);
    }
}

/* What a driver says that has done it; of a backup it must say what it made. */
static const char *success_of(const Fixture *fixture)
{
    return vm_current_step(fixture->vm) == STEP_BACKUP_KEEP ? "0 1 full" : "-";
}

static void phase_succeeds(Fixture *fixture, const VmPhase *phase)
{
    while (fixture->vm->lcm == phase->lcm)
        answer(fixture, NULL, TRUE, success_of(fixture));
    expect(fixture, phase->success.state, phase->success.lcm);
    g_assert_null(template_get(fixture->vm->user_template, "ERROR"));
    if (phase->success.state == VM_ACTIVE && moves(phase->lcm))
        g_assert_cmpint(vm_last_record(fixture->vm)->host, ==, 1);
}

/* The first step fails; where a machine is, the hosts say: on h0. */
static void phase_fails(Fixture *fixture, const VmPhase *phase)
{
    VmTarget target = phase->failure;
    const VmStepRow *row = vm_step_row(phase->steps[0]);
    if (phase->lcm == LCM_PROLOG_MIGRATE_UNKNOWN)
        target = (VmTarget){VM_ACTIVE, LCM_UNKNOWN}; /* nothing has moved */
    g_assert_false(row->best_effort);
    answer(fixture, NULL, FALSE, "no <luck> & ]]> today");
    while (fixture->vm->lcm == phase->lcm && (vm_current_step(fixture->vm) == phase->undo ||
                                              vm_current_step(fixture->vm) == phase->undo_more))
        answer(fixture, NULL, TRUE, "-");
    expect(fixture, target.state, target.lcm);
    g_assert_nonnull(strstr(template_get(fixture->vm->user_template, "ERROR"), "no <luck>"));
    if (phase->failure.lcm == LCM_RUNNING)
        g_assert_cmpint(vm_last_record(fixture->vm)->host, ==, 0);
}

/* Nobody ever answers anything: no phase is for ever. */
static void phase_in_silence(Fixture *fixture, const VmPhase *phase)
{
    small_wait(fixture->small, 14 * 24 * 3600); /* a backup has four steps of a day, twice */
    g_assert_null(fixture->vm->state == VM_ACTIVE ? vm_phase(fixture->vm->lcm) : NULL);
}

/* Drivers lose every request. */
static void phase_with_dying_drivers(Fixture *fixture, const VmPhase *phase)
{
    for (guint i = 0; i < 2000 && fixture->vm->state == VM_ACTIVE && vm_phase(fixture->vm->lcm);
         i++) {
        guint upto = fixture->small->sent->len;
        for (guint j = fixture->seen; j < upto; j++) {
            const DriverRequest *request = fixture->small->sent->pdata[j];
            if (request->class != DRIVER_INFORMATION)
                say(fixture, request->number, FALSE, TRUE, NULL);
        }
        fixture->seen = upto;
        small_wait(fixture->small, 5);
    }
    g_assert_null(fixture->vm->state == VM_ACTIVE ? vm_phase(fixture->vm->lcm) : NULL);
}

/* The answer is lost, but it was done: the hosts say so, or it is done again. */
static void phase_with_lost_answer(Fixture *fixture, const VmPhase *phase)
{
    static const char there[] = "STATE=a CPU=1 DEPLOY_ID=told-late MEMORY=1";
    gboolean started = FALSE;
    for (guint i = 0; fixture->vm->lcm == phase->lcm && i < 20; i++) {
        started = started || vm_current_step(fixture->vm) == STEP_DEPLOY;
        VmExpectation expectation = vm_step_row(vm_current_step(fixture->vm))->expectation;
        const DriverRequest *request = sent_last(fixture, NULL);
        guint64 number = request->number;
        fixture->seen = fixture->small->sent->len;
        say(fixture, number, FALSE, TRUE, NULL);
        if (expectation == EXPECT_NOTHING) {
            answer(fixture, NULL, TRUE, "-"); /* the second try */
            continue;
        }
        guint64 h0 = poll_of(fixture, "h0"), h1 = poll_of(fixture, "h1");
        fixture->seen = fixture->small->sent->len;
        g_assert_true(h0 || h1);
        if (h1)
            say(fixture, h1, TRUE, FALSE, expectation == EXPECT_GONE ? "STATE=d" : there);
        if (h0)
            say(fixture, h0, TRUE, FALSE, expectation == EXPECT_RUNNING ? there : "STATE=d");
        /* The lost answer comes late, and says the contrary. */
        say(fixture, number, FALSE, FALSE, "too late");
    }
    expect(fixture, phase->success.state, phase->success.lcm);
    if (started)
        g_assert_cmpstr(fixture->vm->deploy_id, ==, "told-late");
}

/* oned was restarted in the middle of the phase, which was done meanwhile. */
static void phase_recovers_by_retry(Fixture *fixture, const VmPhase *phase)
{
    g_assert_true(vm_recover(fixture->lifecycle, fixture->vm, 2, &asker, NULL));
    small_settle(fixture->small);
    VmStep step = vm_current_step(fixture->vm);
    if (vm_step_row(step)->expectation != EXPECT_NOTHING) {
        g_assert_true(fixture->vm->work.asking);
        g_assert_true(vm_recover(fixture->lifecycle, fixture->vm, 2, &asker, NULL));
    }
    g_assert_cmpint(vm_current_step(fixture->vm), ==, step);
    g_assert_nonnull(vm_phase(fixture->vm->lcm));
}

/* People declare it done, or failed. While a destination is only prepared, nothing runs there. */
static void phase_declared_done(Fixture *fixture, const VmPhase *phase)
{
    if (vm_current_step(fixture->vm) == STEP_PREMIGRATE) {
        g_autoptr(GError) error = NULL;
        g_assert_false(vm_recover(fixture->lifecycle, fixture->vm, 1, &asker, &error));
        g_assert_nonnull(strstr(error->message, "recover --failure"));
        small_settle(fixture->small);
        expect(fixture, VM_ACTIVE, LCM_MIGRATE);
        g_assert_cmpint(vm_current_step(fixture->vm), ==, STEP_PREMIGRATE);
        return;
    }
    g_assert_true(vm_recover(fixture->lifecycle, fixture->vm, 1, &asker, NULL));
    small_settle(fixture->small);
    expect(fixture, phase->success.state, phase->success.lcm);
}

static void phase_declared_failed(Fixture *fixture, const VmPhase *phase)
{
    g_assert_true(vm_recover(fixture->lifecycle, fixture->vm, 0, &asker, NULL));
    small_settle(fixture->small);
    if (phase->lcm == LCM_PROLOG_MIGRATE_UNKNOWN)
        expect(fixture, VM_ACTIVE, LCM_UNKNOWN);
    else
        expect(fixture, phase->failure.state, phase->failure.lcm);
}

static void phase_deleted(Fixture *fixture, const VmPhase *phase)
{
    g_assert_true(vm_recover(fixture->lifecycle, fixture->vm, 3, &asker, NULL));
    small_settle(fixture->small);
    for (guint i = 0; fixture->vm->state == VM_ACTIVE && i < 5; i++)
        answer(fixture, NULL, TRUE, "-");
    expect(fixture, VM_DONE, LCM_INIT);
    g_assert_cmpuint(fixture->small->forgotten, ==, 1);
}

static void phase_deleted_from_the_database(Fixture *fixture, const VmPhase *phase)
{
    g_assert_true(vm_recover(fixture->lifecycle, fixture->vm, 5, &asker, NULL));
    small_settle(fixture->small);
    expect(fixture, VM_DONE, LCM_INIT);
}

static void test_phases(gconstpointer data)
{
    each_phase((void (*)(Fixture *, const VmPhase *))data);
}

/* ---- every action in every state ---- */

static gboolean state_exists(VmState state, VmLcm lcm)
{
    return state == VM_ACTIVE ? lcm != LCM_INIT && strcmp(vm_lcm_name(lcm), "?") != 0
                              : lcm == LCM_INIT;
}

static void check_action(const char *word, VmState state, VmLcm lcm)
{
    Fixture fixture;
    g_autoptr(GError) error = NULL;
    set_up(&fixture, NULL);
    put(&fixture, state, lcm);
    Vm *vm = fixture.vm;
    if (vm->state == state && vm->lcm == lcm) {
        const VmActionRow *row = vm_action_row(vm_action_meaning(word), vm);
        g_test_message("%s in %s", word, vm_shown_state(vm));
        gboolean done = vm_action(fixture.lifecycle, vm, word, &asker, &error);
        g_assert_cmpint(done, ==, error == NULL);
        if (!strcmp(vm_action_meaning(word), "delete")) {
            g_assert_true(done);
        } else if (strcmp(vm_action_meaning(word), "delete-recreate") != 0) {
            g_assert_cmpint(done, ==, row != NULL);
            if (row)
                expect(&fixture, row->target.state, row->target.lcm);
            else
                expect(&fixture, state, lcm);
        }
        small_settle(&fixture.small[0]);
    }
    tear_down(&fixture, NULL);
}

static void test_every_action_in_every_state(void)
{
    static const char *const more[] = {"delete", "delete-recreate", "shutdown", "restart", NULL};
    g_autoptr(GHashTable) words = g_hash_table_new(g_str_hash, g_str_equal);
    for (const VmActionRow *row = vm_action_rows(); row->word; row++)
        if (row->what != DO_CHANGE)
            g_hash_table_add(words, (gpointer)row->word);
    for (guint i = 0; more[i]; i++)
        g_hash_table_add(words, (gpointer)more[i]);
    GHashTableIter iterator;
    gpointer word;
    g_hash_table_iter_init(&iterator, words);
    while (g_hash_table_iter_next(&iterator, &word, NULL))
        for (guint state = 0; state < VM_STATES; state++)
            for (guint lcm = 0; lcm < LCM_STATES; lcm++)
                if (state_exists(state, lcm))
                    check_action(word, state, lcm);
}

static void test_unknown_words(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_assert_false(vm_action(fixture->lifecycle, fixture->vm, "explode", &asker, &error));
    g_assert_error(error, ONE_ERROR, ONE_ERROR_ACTION);
    g_assert_false(vm_action(fixture->lifecycle, fixture->vm, "", &asker, NULL));
    g_assert_false(vm_recover(fixture->lifecycle, fixture->vm, 6, &asker, NULL));
    g_assert_false(vm_recover(fixture->lifecycle, fixture->vm, -1, &asker, NULL));
}

/* A harder word ends a soft one that hangs, and the driver hears of it. */
static void test_harder(Fixture *fixture, gconstpointer data)
{
    put(fixture, VM_ACTIVE, LCM_RUNNING);
    g_assert_true(vm_action(fixture->lifecycle, fixture->vm, "poweroff", &asker, NULL));
    small_settle(fixture->small);
    guint64 soft = sent_last(fixture, "SHUTDOWN")->number;
    g_assert_true(vm_action(fixture->lifecycle, fixture->vm, "poweroff-hard", &asker, NULL));
    small_settle(fixture->small);
    g_assert_nonnull(sent_last(fixture, "DRIVER_CANCEL"));
    say(fixture, soft, FALSE, FALSE, "cancelled");
    expect(fixture, VM_ACTIVE, LCM_SHUTDOWN_POWEROFF);
    answer(fixture, "CANCEL", TRUE, "-");
    expect(fixture, VM_POWEROFF, LCM_INIT);
}

/* ---- migration ---- */

static void test_migration_said_to_fail_but_done(Fixture *fixture, gconstpointer data)
{
    migrate_live(fixture);
    answer(fixture, "MIGRATE", FALSE, "broken pipe");
    expect(fixture, VM_ACTIVE, LCM_MIGRATE);
    hosts_say(fixture, "STATE=d", "STATE=a");
    answer(fixture, "TRANSFER", TRUE, "-"); /* POSTMIGRATE */
    runs_alone_on(fixture, 1);
}

static void test_migration_failed(Fixture *fixture, gconstpointer data)
{
    migrate_live(fixture);
    answer(fixture, "MIGRATE", FALSE, "no room");
    hosts_say(fixture, "STATE=a", "STATE=d");
    const DriverRequest *undo = sent_last(fixture, "TRANSFER");
    g_assert_nonnull(strstr(undo->files[0].text, "FAILMIGRATE ssh h0 h1 "));
    answer(fixture, "TRANSFER", FALSE, "that too"); /* best effort */
    runs_alone_on(fixture, 0);
    g_assert_cmpuint(fixture->vm->records->len, ==, 1);
}

static void test_migration_on_both(Fixture *fixture, gconstpointer data)
{
    migrate_live(fixture);
    answer(fixture, "MIGRATE", FALSE, "lost sight");
    hosts_say(fixture, "STATE=a", "STATE=p");
    expect(fixture, VM_ACTIVE, LCM_MIGRATE);
    small_wait(fixture->small, 6);
    hosts_say(fixture, "STATE=d", "STATE=a");
    answer(fixture, "TRANSFER", TRUE, "-");
    runs_alone_on(fixture, 1);
}

/* A question that was asked before the machine went on says nothing about what came after. */
static void test_late_truth(Fixture *fixture, gconstpointer data)
{
    put(fixture, VM_ACTIVE, LCM_BOOT);
    say(fixture, sent_last(fixture, "DEPLOY")->number, FALSE, TRUE, NULL);
    guint64 old = sent_last(fixture, "POLL")->number;
    g_assert_true(vm_recover(fixture->lifecycle, fixture->vm, 1, &asker, NULL));
    g_assert_true(vm_action(fixture->lifecycle, fixture->vm, "terminate", &asker, NULL));
    small_settle(fixture->small);
    say(fixture, sent_last(fixture, "SHUTDOWN")->number, FALSE, TRUE, NULL);
    guint64 fresh = sent_last(fixture, "POLL")->number;
    g_assert_cmpuint(old, !=, fresh);
    say(fixture, old, TRUE, FALSE, "STATE=d");
    expect(fixture, VM_ACTIVE, LCM_SHUTDOWN); /* its disks are not removed */
    say(fixture, fresh, TRUE, FALSE, "STATE=d");
    expect(fixture, VM_ACTIVE, LCM_EPILOG);
}

/* ---- monitoring ---- */

static void event(Fixture *fixture, gint32 host, const char *text)
{
    g_autofree char *payload = g_base64_encode((const guchar *)text, strlen(text));
    small_wait(fixture->small, 1);
    lifecycle_driver_event(fixture->lifecycle, "im", "STATE_VM", TRUE, host, payload);
    small_settle(fixture->small);
}

static void test_guest_dies(Fixture *fixture, gconstpointer data)
{
    put(fixture, VM_ACTIVE, LCM_RUNNING);
    event(fixture, 1, "VM=[ID=0,STATE=POWEROFF]"); /* it never was there */
    g_assert_null(sent_last(fixture, "POLL"));
    event(fixture, 0, "VM=[ID=0,STATE=POWEROFF]");
    answer(fixture, "POLL", FALSE, "no answer"); /* is never "not running" */
    expect(fixture, VM_ACTIVE, LCM_RUNNING);
    event(fixture, 0, "VM=[ID=0,STATE=POWEROFF]");
    answer(fixture, "POLL", TRUE, "STATE=a"); /* the event was older than its restart */
    expect(fixture, VM_ACTIVE, LCM_RUNNING);
    event(fixture, 0, "VM=[ID=0,STATE=POWEROFF]");
    answer(fixture, "POLL", TRUE, "STATE=d CPU=0");
    expect(fixture, VM_POWEROFF, LCM_INIT);
    g_assert_cmpint(vm_last_record(fixture->vm)->action, ==, VM_ACTION_MONITOR);
    event(fixture, 0, "VM=[ID=0,STATE=RUNNING,DEPLOY_ID=one-0]"); /* of before */
    answer(fixture, "POLL", TRUE, "STATE=d");
    expect(fixture, VM_POWEROFF, LCM_INIT);
    event(fixture, 0, "VM=[ID=0,STATE=RUNNING,DEPLOY_ID=one-0]"); /* somebody started it */
    answer(fixture, "POLL", TRUE, "STATE=a");
    expect(fixture, VM_ACTIVE, LCM_RUNNING);
}

/* An event of before it was suspended must not cost it its memory. */
static void test_suspended(Fixture *fixture, gconstpointer data)
{
    put(fixture, VM_SUSPENDED, LCM_INIT);
    event(fixture, 1, "VM=[ID=0,STATE=RUNNING]");
    g_assert_null(sent_last(fixture, "POLL"));
    event(fixture, 0, "VM=[ID=0,STATE=RUNNING]");
    answer(fixture, "POLL", TRUE, "STATE=d");
    expect(fixture, VM_SUSPENDED, LCM_INIT);
    event(fixture, 0, "VM=[ID=0,STATE=POWEROFF]");
    expect(fixture, VM_SUSPENDED, LCM_INIT);
}

/* Long work that tells of its progress is waited for; that of another machine does not count. */
static void test_progress(Fixture *fixture, gconstpointer data)
{
    put(fixture, VM_ACTIVE, LCM_BOOT);
    for (guint i = 0; i < 10; i++) {
        small_wait(fixture->small, 290);
        g_assert_false(fixture->vm->work.asking);
        lifecycle_driver_log(fixture->lifecycle, LOG_INFO, "VMM", 0, "progress: 10 MiB");
    }
    small_wait(fixture->small, 290);
    lifecycle_driver_log(fixture->lifecycle, LOG_INFO, "VMM", 1, "progress: 10 MiB");
    lifecycle_driver_log(fixture->lifecycle, LOG_INFO, "VMM", 0, "still at it");
    small_wait(fixture->small, 20);
    g_assert_true(fixture->vm->work.asking);
}

static void test_long_reasons(Fixture *fixture, gconstpointer data)
{
    g_autofree char *text = g_strdup_printf("%*d", 3 << 20, 7);
    put(fixture, VM_ACTIVE, LCM_BOOT);
    answer(fixture, "DEPLOY", FALSE, text);
    expect(fixture, VM_ACTIVE, LCM_BOOT_FAILURE);
    g_assert_cmpuint(strlen(template_get(fixture->vm->user_template, "ERROR")), <, 1200);
    until_asked(fixture, 0);
    say(fixture, host_get(fixture->small->world, 0)->request, FALSE, FALSE, text);
    g_assert_cmpuint(
        strlen(template_get(host_get(fixture->small->world, 0)->head.template, "ERROR")), <, 1200);
}

static void test_old_reports(Fixture *fixture, gconstpointer data)
{
    until_asked(fixture, 0);
    put(fixture, VM_ACTIVE, LCM_RUNNING); /* after the question */
    report(fixture, 0, TRUE, "");
    g_assert_null(sent_last(fixture, "POLL"));
    until_asked(fixture, 0);
    small_wait(fixture->small, 1);
    report(fixture, 0, FALSE, ""); /* an incomplete list says nothing of what it does not name */
    g_assert_null(sent_last(fixture, "POLL"));
    until_asked(fixture, 0);
    report(fixture, 0, TRUE, "");
    g_assert_nonnull(sent_last(fixture, "POLL"));
}

static void test_monitoring_starts_nothing(Fixture *fixture, gconstpointer data)
{
    put(fixture, VM_ACTIVE, LCM_SHUTDOWN_POWEROFF);
    event(fixture, 0, "VM=[ID=0,STATE=POWEROFF]");
    event(fixture, 0, "VM=[ID=0,STATE=RUNNING]");
    g_assert_null(sent_last(fixture, "POLL"));
    expect(fixture, VM_ACTIVE, LCM_SHUTDOWN_POWEROFF);
}

static void test_samples(Fixture *fixture, gconstpointer data)
{
    put(fixture, VM_ACTIVE, LCM_RUNNING);
    static const char text[] = "CPU=\"1e300\"\nMEMORY=\"-1e300\"\nNETRX=\"12.5\"\nNETTX=nan\n";
    g_autofree char *inner = g_base64_encode((const guchar *)text, strlen(text));
    g_autofree char *line = g_strdup_printf("VM=[ID=0,STATE=RUNNING,MONITOR=\"%s\"]\nUSEDCPU="
                                            "1e300\nFREEMEMORY=-1e300\nVM=[ID=99999999999]",
                                            inner);
    guint before = fixture->small->samples;
    until_asked(fixture, 0);
    report(fixture, 0, TRUE, line);
    g_assert_cmpuint(fixture->small->samples, ==, before + 2);
    g_assert_nonnull(strstr(fixture->vm->monitoring, "<NETRX><![CDATA[12.50]]></NETRX>"));
    g_assert_null(strstr(fixture->vm->monitoring, "NETTX"));
    g_assert_null(strstr(fixture->vm->monitoring, "e+"));
}

static void test_unreadable_report(Fixture *fixture, gconstpointer data)
{
    until_asked(fixture, 0);
    Host *host = host_get(fixture->small->world, 0);
    say(fixture, host->request, TRUE, FALSE, "this is not base64 of a template");
    g_assert_cmpint(host->state, ==, HOST_ERROR);
    g_assert_nonnull(strstr(template_get(host->head.template, "ERROR"), "cannot be read"));
}

static void test_host_lost_and_back(Fixture *fixture, gconstpointer data)
{
    Host *host = host_get(fixture->small->world, 0);
    put(fixture, VM_ACTIVE, LCM_RUNNING);
    until_asked(fixture, 0);
    say(fixture, host->request, FALSE, FALSE, "connection refused");
    g_assert_cmpint(host->state, ==, HOST_ERROR);
    expect(fixture, VM_ACTIVE, LCM_UNKNOWN);
    g_assert_cmpint(host->cpu_usage, ==, 100); /* it may well run */
    until_asked(fixture, 0);
    report(fixture, 0, TRUE, "VM=[ID=0,DEPLOY_ID=one-0,STATE=RUNNING]");
    g_assert_cmpint(host->state, ==, HOST_MONITORED);
    g_assert_null(template_get(host->head.template, "ERROR"));
    expect(fixture, VM_ACTIVE, LCM_RUNNING);
    until_asked(fixture, 0);
    small_wait(fixture->small, 100); /* silence is a failure too */
    g_assert_cmpint(host->state, ==, HOST_ERROR);
    expect(fixture, VM_ACTIVE, LCM_UNKNOWN);
}

static void test_unknown_stays_unknown(Fixture *fixture, gconstpointer data)
{
    put(fixture, VM_ACTIVE, LCM_UNKNOWN);
    g_assert_true(vm_action(fixture->lifecycle, fixture->vm, "terminate", &asker, NULL));
    small_settle(fixture->small);
    answer(fixture, "SHUTDOWN", FALSE, "no route to host");
    expect(fixture, VM_ACTIVE, LCM_UNKNOWN);
}

static void test_zombies(Fixture *fixture, gconstpointer data)
{
    Host *host = host_get(fixture->small->world, 1);
    put(fixture, VM_ACTIVE, LCM_RUNNING); /* on h0 */
    until_asked(fixture, 1);
    report(fixture, 0, TRUE, "VM=[ID=0,DEPLOY_ID=one-0,STATE=RUNNING]");
    report(fixture, 1, TRUE, "VM=[ID=0,DEPLOY_ID=one-0,STATE=RUNNING]");
    g_assert_cmpstr(template_get(host->head.template, "ZOMBIES"), ==, "0");
    g_assert_cmpint(vm_last_record(fixture->vm)->host, ==, 0);
    expect(fixture, VM_ACTIVE, LCM_RUNNING);
    until_asked(fixture, 1);
    report(fixture, 1, TRUE, "");
    g_assert_null(template_get(host->head.template, "ZOMBIES"));
}

static void test_offline(Fixture *fixture, gconstpointer data)
{
    Host *host = host_get(fixture->small->world, 0);
    put(fixture, VM_ACTIVE, LCM_RUNNING);
    g_assert_true(host_set_status(fixture->lifecycle, host, 2, NULL));
    small_settle(fixture->small);
    expect(fixture, VM_ACTIVE, LCM_UNKNOWN);
    g_assert_nonnull(sent_last(fixture, "STOPMONITOR"));
    small_wait(fixture->small, 1000);
    g_assert_cmpuint(host->request, ==, 0);
    VmPlace place = {1, -1, TRUE};
    g_autoptr(GError) error = NULL;
    fixture->seen = fixture->small->sent->len;
    vm_migrate(fixture->lifecycle, fixture->vm, &place, &cold_move, &asker, &error);
    g_assert_no_error(error);
    small_settle(fixture->small);
    g_assert_null(sent_last(fixture, "CANCEL")); /* nobody to ask there */
    answer(fixture, "TRANSFER", TRUE, "-");
    answer(fixture, "DEPLOY", TRUE, "one-0");
    runs_alone_on(fixture, 1);
    g_assert_true(host_set_status(fixture->lifecycle, host, 0, NULL));
    small_settle(fixture->small);
    g_assert_cmpuint(host->request, !=, 0);
    g_assert_false(host_set_status(fixture->lifecycle, host, 3, NULL));
    g_assert_false(host_set_status(fixture->lifecycle, host, -1, NULL));
}

/* Scheduled actions that wait for somebody's word on rights hold up their owner's later ones only.
 */
static GArray *started;
static gint32 waits_on;

static StartResult start_or_wait(Lifecycle *lifecycle, const SchedAction *action, gpointer data,
                                 GError **error)
{
    g_array_append_val(started, action->id);
    return action->id == waits_on ? START_WAITS : START_STARTED;
}

static gint32 schedule(Fixture *fixture, Object *owner)
{
    g_autoptr(Template) given =
        template_parse("SCHED_ACTION = [ ACTION = hold, TIME = 1 ]", 0, NULL);
    SchedAction *action =
        sched_action_parse(KIND_VM, template_vector(given, "SCHED_ACTION", 0), 0, NULL);
    g_assert_nonnull(action);
    return sched_action_add(fixture->small->world, owner, action);
}

static void test_actions_that_wait(Fixture *fixture, gconstpointer data)
{
    World *world = fixture->small->world;
    Vm *other = vm_create(world, "two", 0, 0, template_parse("CPU=1\nMEMORY=64", 0, NULL),
                          template_new(), FALSE);
    started = g_array_new(FALSE, FALSE, sizeof(gint32));
    lifecycle_sched_connect(fixture->lifecycle, KIND_VM, start_or_wait, NULL);
    gint32 first = schedule(fixture, &fixture->vm->head);
    gint32 second = schedule(fixture, &fixture->vm->head);
    gint32 third = schedule(fixture, &other->head);
    waits_on = first;
    lifecycle_sched_look(fixture->lifecycle);
    small_wait(fixture->small, 600);
    g_assert_cmpuint(started->len, ==, 2);
    g_assert_cmpint(g_array_index(started, gint32, 0), ==, first);
    g_assert_cmpint(g_array_index(started, gint32, 1), ==, third);
    waits_on = -1;
    lifecycle_sched_again(fixture->lifecycle, first);
    small_wait(fixture->small, 600);
    g_assert_cmpuint(started->len, ==, 4);
    g_assert_cmpint(g_array_index(started, gint32, 2), ==, first);
    g_assert_cmpint(g_array_index(started, gint32, 3), ==, second);
    g_array_unref(started);
}

/* A disk that the host had to make raw is raw wherever it goes, until it is made of its image
 * again. */
static void test_converted_disk(Fixture *fixture, gconstpointer data)
{
    TemplateAttribute *disk = template_vector(fixture->vm->head.template, "DISK", 0);
    attribute_set(disk, "DRIVER", "qcow2");
    put(fixture, VM_ACTIVE, LCM_BOOT);
    vm_begin_step(fixture->lifecycle, fixture->vm);
    small_settle(fixture->small);
    answer(fixture, "DEPLOY", TRUE, "one-0 RAW=0,7");
    runs_alone_on(fixture, 0);
    g_assert_cmpstr(fixture->vm->deploy_id, ==, "one-0");
    g_assert_cmpstr(attribute_get(disk, "DRIVER"), ==, "raw");
    g_assert_true(vm_recover(fixture->lifecycle, fixture->vm, 4, &asker, NULL));
    small_settle(fixture->small);
    answer(fixture, "CLEANUP", TRUE, "-");
    answer(fixture, "TRANSFER", TRUE, "-");
    g_assert_cmpint(fixture->vm->state, ==, VM_PENDING);
    g_assert_cmpstr(attribute_get(disk, "DRIVER"), ==, "qcow2");
    g_assert_null(attribute_get(disk, "CONVERTED_FROM"));
}

/* A step under way on a host that goes offline: its answer is not waited for hours. */
static void test_offline_in_the_middle(Fixture *fixture, gconstpointer data)
{
    put(fixture, VM_ACTIVE, LCM_SHUTDOWN_POWEROFF);
    host_set_status(fixture->lifecycle, host_get(fixture->small->world, 0), 2, NULL);
    say(fixture, sent_last(fixture, "SHUTDOWN")->number, FALSE, TRUE, NULL);
    expect(fixture, VM_POWEROFF, LCM_INIT);
}

static void test_removed_host(Fixture *fixture, gconstpointer data)
{
    World *world = fixture->small->world;
    Host *host = host_get(world, 1);
    until_asked(fixture, 1);
    guint64 number = host->request;
    host_stop_monitoring(fixture->lifecycle, host);
    pool_remove(world, &host->head);
    lifecycle_host_removed(fixture->lifecycle, 1);
    small_settle(fixture->small);
    g_assert_cmpuint(fixture->small->forgotten, ==, 1);
    say(fixture, number, FALSE, FALSE, "late");
    lifecycle_driver_event(fixture->lifecycle, "im", "STATE_VM", TRUE, 1, "eA==");
    lifecycle_driver_event(fixture->lifecycle, "im", "STATE_VM", TRUE, (gint64)1 << 32, "eA==");
    small_wait(fixture->small, 1000);
}

/* ---- what else was once wrong ---- */

static void test_long_timeouts(Fixture *fixture, gconstpointer data)
{
    put(fixture, VM_ACTIVE, LCM_PROLOG);
    fixture->seen = fixture->small->sent->len;
    small_wait(fixture->small, 7000);
    g_assert_null(sent_last(fixture, "TRANSFER"));
    small_wait(fixture->small, 201);
    g_assert_nonnull(sent_last(fixture, "TRANSFER"));
}

/* Text of a user's stays one word of the script. */
static void test_scripts(Fixture *fixture, gconstpointer data)
{
    TemplateAttribute *disk = template_vector(fixture->vm->head.template, "DISK", 0);
    attribute_set(disk, "FORMAT", "raw\nDELETE shared h1:/etc 0 0");
    attribute_set(disk, "SIZE", "5\nDELETE shared h1:/etc 0 0");
    TemplateAttribute *context = template_add_vector(fixture->vm->head.template, "CONTEXT");
    attribute_set(context, "DISK_ID", "1");
    attribute_set(context, "FILES", "/a\nb /c\td");
    attribute_set(context, "NAME", "it's\n`id`");
    put(fixture, VM_ACTIVE, LCM_PROLOG);
    const DriverRequest *request = sent_last(fixture, "TRANSFER");
    g_auto(GStrv) lines = g_strsplit(request->files[0].text, "\n", -1);
    g_assert_cmpuint(g_strv_length(lines), ==, 3);
    g_assert_cmpstr(lines[0], ==,
                    "MKIMAGE ssh 0 raw%0ADELETE%20shared%20h1:/etc%200%200 "
                    "h0:/var/lib/one/datastores/0/0/disk.0 0 0");
    g_assert_true(
        g_str_has_prefix(lines[1], "CONTEXT ssh /var/lib/one/vms/0/context.sh /a b /c d h0:"));
    g_assert_nonnull(strstr(request->files[1].text, "NAME='it'\\''s\n`id`'\n"));
}

static void test_terminate_what_was_stopped(Fixture *fixture, gconstpointer data)
{
    put(fixture, VM_STOPPED, LCM_INIT);
    g_assert_true(vm_action(fixture->lifecycle, fixture->vm, "resume", &asker, NULL));
    expect(fixture, VM_PENDING, LCM_INIT);
    g_assert_true(vm_action(fixture->lifecycle, fixture->vm, "terminate", &asker, NULL));
    expect(fixture, VM_ACTIVE, LCM_EPILOG);
    small_settle(fixture->small);
    g_assert_nonnull(
        strstr(sent_last(fixture, "TRANSFER")->files[0].text, "DELETE ssh localhost:"));
    answer(fixture, "TRANSFER", TRUE, "-");
    expect(fixture, VM_DONE, LCM_INIT);
}

/* A driver without tags that lost one answer is understood again. */
static void test_untagged(Fixture *fixture, gconstpointer data)
{
    Host *host = host_get(fixture->small->world, 0);
    until_asked(fixture, 0);
    guint64 lost = host->request;
    small_wait(fixture->small, 61);
    until_asked(fixture, 0);
    g_assert_cmpuint(host->request, !=, lost);
    g_assert_cmpint(host->state, ==, HOST_ERROR);
    static const char text[] = "TOTALCPU=100\n";
    g_autofree char *payload = g_base64_encode((const guchar *)text, strlen(text));
    lifecycle_answer_untagged(fixture->lifecycle, DRIVER_VIRTUALIZATION, lost, "MONITOR", 0, TRUE,
                              payload);
    g_assert_cmpint(host->state, ==, HOST_ERROR); /* another driver */
    lifecycle_answer_untagged(fixture->lifecycle, DRIVER_INFORMATION, lost, "MONITOR", 0, TRUE,
                              payload);
    g_assert_cmpint(host->state, ==, HOST_MONITORED);
}

static void test_resize(Fixture *fixture, gconstpointer data)
{
    static const char *const wrong[] = {"CPU=0",    "CPU=nan",   "CPU=1e9",    "CPU=-1",
                                        "MEMORY=0", "MEMORY=-5", "MEMORY=1.5", "MEMORY=9999999999",
                                        "VCPU=0",   "VCPU=x"};
    put(fixture, VM_POWEROFF, LCM_INIT);
    for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(Template) capacity = template_parse(wrong[i], 0, NULL);
        g_autoptr(GError) error = NULL;
        g_assert_false(vm_resize(fixture->lifecycle, fixture->vm, capacity, FALSE, &asker, &error));
        g_assert_nonnull(error);
    }
    g_autoptr(Template) huge = template_parse("CPU=99999\nMEMORY=2000000000", 0, NULL);
    g_assert_false(vm_resize(fixture->lifecycle, fixture->vm, huge, TRUE, &asker, NULL));
    g_assert_cmpint(host_get(fixture->small->world, 0)->cpu_usage, ==, 100);
    g_assert_true(vm_resize(fixture->lifecycle, fixture->vm, huge, FALSE, &asker, NULL));
    g_assert_cmpint(host_get(fixture->small->world, 0)->cpu_usage, ==, 9999900);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    log_open(LOG_TO_FILE, "/dev/null", LOG_ERROR, NULL);
#define PHASES(path, test) g_test_add_data_func("/lifecycle/phases/" path, test, test_phases)
    PHASES("succeed", phase_succeeds);
    PHASES("fail", phase_fails);
    PHASES("silence", phase_in_silence);
    PHASES("dying-drivers", phase_with_dying_drivers);
    PHASES("lost-answers", phase_with_lost_answer);
    PHASES("retry", phase_recovers_by_retry);
    PHASES("declared-done", phase_declared_done);
    PHASES("declared-failed", phase_declared_failed);
    PHASES("deleted", phase_deleted);
    PHASES("deleted-db", phase_deleted_from_the_database);
    g_test_add_func("/lifecycle/actions", test_every_action_in_every_state);
#define ADD(path, test) g_test_add("/lifecycle/" path, Fixture, NULL, set_up, test, tear_down)
    ADD("unknown-words", test_unknown_words);
    ADD("harder", test_harder);
    ADD("migration/done", test_migration_said_to_fail_but_done);
    ADD("migration/failed", test_migration_failed);
    ADD("migration/both", test_migration_on_both);
    ADD("late-truth", test_late_truth);
    ADD("monitoring/guest-dies", test_guest_dies);
    ADD("monitoring/suspended", test_suspended);
    ADD("monitoring/progress", test_progress);
    ADD("long-reasons", test_long_reasons);
    ADD("monitoring/old", test_old_reports);
    ADD("monitoring/work", test_monitoring_starts_nothing);
    ADD("monitoring/samples", test_samples);
    ADD("monitoring/unreadable", test_unreadable_report);
    ADD("monitoring/lost-and-back", test_host_lost_and_back);
    ADD("monitoring/zombies", test_zombies);
    ADD("unknown", test_unknown_stays_unknown);
    ADD("offline", test_offline);
    ADD("offline-meanwhile", test_offline_in_the_middle);
    ADD("removed-host", test_removed_host);
    ADD("actions-that-wait", test_actions_that_wait);
    ADD("converted-disk", test_converted_disk);
    g_test_add("/lifecycle/long-timeouts", Fixture, "ACTION_TIMEOUTS = [ PROLOG = 7200 ]", set_up,
               test_long_timeouts, tear_down);
    ADD("scripts", test_scripts);
    ADD("terminate-stopped", test_terminate_what_was_stopped);
    ADD("untagged", test_untagged);
    ADD("resize", test_resize);
    return g_test_run();
}
