/*
 * Live migrations with a host that falls silent on the way: what both hosts say together decides;
 * what cannot be seen is UNKNOWN, with the reason; no disk goes before it is sure which is needed.
 */
#include "tests/unit/small_life.h"

static Host *host_of(const Fixture *fixture, gint32 id)
{
    return host_get(fixture->small->world, id);
}

static void lose(Fixture *fixture, gint32 id)
{
    until_asked(fixture, id);
    say(fixture, host_of(fixture, id)->request, FALSE, FALSE, "the host does not answer any more");
    g_assert_cmpint(host_of(fixture, id)->state, ==, HOST_ERROR);
}

static void come_back(Fixture *fixture, gint32 id, const char *machines)
{
    until_asked(fixture, id);
    report(fixture, id, TRUE, machines);
    g_assert_cmpint(host_of(fixture, id)->state, ==, HOST_MONITORED);
}

static void break_off(Fixture *fixture)
{
    migrate_live(fixture);
    answer(fixture, "MIGRATE", FALSE, "lost sight");
}

static void unknown_because_of(const Fixture *fixture, const char *word)
{
    expect(fixture, VM_ACTIVE, LCM_UNKNOWN);
    const char *error = template_get(fixture->vm->user_template, "ERROR");
    g_assert_nonnull(error);
    if (!strstr(error, word))
        g_error("the reason \"%s\" says nothing of \"%s\"", error, word);
}

static void leftovers(const Fixture *fixture, gint32 id, const char *wanted)
{
    g_assert_cmpstr(template_get(host_of(fixture, id)->head.template, "LEFTOVERS"), ==, wanted);
}

static void transfer_says(const Fixture *fixture, const char *wanted)
{
    const DriverRequest *request = sent_last(fixture, "TRANSFER");
    g_assert_nonnull(request);
    if (!strstr(request->files[0].text, wanted))
        g_error("%s is not in the script: %s", wanted, request->files[0].text);
}

#define RUNS "VM=[ID=0,DEPLOY_ID=one-0,STATE=RUNNING]"

static void test_destination_lost_after_the_switch(Fixture *fixture, gconstpointer data)
{
    break_off(fixture);
    lose(fixture, 1);
    hosts_say(fixture, "STATE=d", NULL);
    unknown_because_of(fixture, "h1");
    g_assert_cmpint(vm_last_record(fixture->vm)->host, ==, 1);
    g_assert_false(vm_is_lost(fixture->vm));
    g_assert_null(sent_last(fixture, "TRANSFER")); /* the disks of h0 may be the last ones */
    leftovers(fixture, 0, "0:0:ssh");
    come_back(fixture, 1, RUNS);
    runs_alone_on(fixture, 1);
    g_assert_null(template_get(fixture->vm->user_template, "ERROR"));
    answer(fixture, "SETTLE", TRUE, "-"); /* no copy stands still there */
    transfer_says(fixture, "FAILMIGRATE ssh h1 h0 ");
    leftovers(fixture, 0, "0:0:ssh");
    answer(fixture, "TRANSFER", TRUE, "-");
    leftovers(fixture, 0, NULL);
}

static void test_destination_back_without_it(Fixture *fixture, gconstpointer data)
{
    break_off(fixture);
    lose(fixture, 1);
    hosts_say(fixture, "STATE=d", NULL);
    come_back(fixture, 1, "");
    answer(fixture, "POLL", TRUE, "STATE=d");
    expect(fixture, VM_POWEROFF, LCM_INIT);
    g_assert_cmpint(vm_last_record(fixture->vm)->host, ==, 1); /* where the newer disks are */
}

static void test_destination_lost_before_the_switch(Fixture *fixture, gconstpointer data)
{
    break_off(fixture);
    lose(fixture, 1);
    hosts_say(fixture, "STATE=a", NULL);
    runs_alone_on(fixture, 0);
    g_assert_null(sent_last(fixture, "TRANSFER")); /* it would wait for a host that is silent */
    leftovers(fixture, 1, "0:0:ssh");
    come_back(fixture, 1, "");
    answer(fixture, "SETTLE", FALSE, "it runs here too"); /* then nothing is removed */
    g_assert_null(sent_last(fixture, "TRANSFER"));
    leftovers(fixture, 1, "0:0:ssh");
    come_back(fixture, 0, RUNS);
    come_back(fixture, 1, "");
    answer(fixture, "SETTLE", TRUE, "-");
    transfer_says(fixture, "FAILMIGRATE ssh h0 h1 ");
    answer(fixture, "TRANSFER", TRUE, "-");
    leftovers(fixture, 1, NULL);
    runs_alone_on(fixture, 0);
}

static void source_lost(Fixture *fixture)
{
    break_off(fixture);
    lose(fixture, 0);
    hosts_say(fixture, NULL, "STATE=d");
    unknown_because_of(fixture, "h0");
    g_assert_true(vm_is_lost(fixture->vm));
    g_assert_null(sent_last(fixture, "TRANSFER"));
}

static void test_source_lost_before_the_switch(Fixture *fixture, gconstpointer data)
{
    source_lost(fixture);
    come_back(fixture, 1, ""); /* that is known already */
    expect(fixture, VM_ACTIVE, LCM_UNKNOWN);
    come_back(fixture, 0, "");
    hosts_say(fixture, "STATE=d", "STATE=d");
    transfer_says(fixture, "FAILMIGRATE ssh h0 h1 ");
    answer(fixture, "TRANSFER", TRUE, "-");
    expect(fixture, VM_POWEROFF, LCM_INIT);
    g_assert_cmpint(vm_last_record(fixture->vm)->host, ==, 0);
}

/* It stands still there, paused for a switch that never came; monitoring cannot tell. */
static void test_source_lost_at_the_switch(Fixture *fixture, gconstpointer data)
{
    source_lost(fixture);
    come_back(fixture, 0, RUNS);
    hosts_say(fixture, "STATE=-", "STATE=d");
    answer(fixture, "MIGRATE", FALSE, "one-0 goes on running on h0");
    hosts_say(fixture, "STATE=a", "STATE=d");
    answer(fixture, "TRANSFER", TRUE, "-");
    runs_alone_on(fixture, 0);
}

static void test_source_lost_after_the_switch(Fixture *fixture, gconstpointer data)
{
    break_off(fixture);
    lose(fixture, 0);
    hosts_say(fixture, NULL, "STATE=a");
    runs_alone_on(fixture, 1);
    leftovers(fixture, 0, "0:0:ssh");
    come_back(fixture, 0, ""); /* what stands still there is no machine for monitoring to tell */
    answer(fixture, "SETTLE", TRUE, "-");
    answer(fixture, "TRANSFER", TRUE, "-");
    leftovers(fixture, 0, NULL);
    runs_alone_on(fixture, 1);
}

static void both_lost(Fixture *fixture)
{
    break_off(fixture);
    lose(fixture, 0);
    lose(fixture, 1);
    hosts_say(fixture, NULL, NULL);
    unknown_because_of(fixture, "no host could say");
    g_assert_true(vm_is_lost(fixture->vm));
}

static void test_both_lost_and_one_runs_it(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    VmPlace place = {1, -1, TRUE};
    both_lost(fixture);
    g_assert_false(vm_action(fixture->lifecycle, fixture->vm, "resume", &asker, &error));
    g_assert_false(vm_migrate(fixture->lifecycle, fixture->vm, &place, &cold_move, &asker, NULL));
    come_back(fixture, 1, RUNS);
    hosts_say(fixture, NULL, "STATE=a");
    runs_alone_on(fixture, 1);
}

static void test_both_lost_and_both_back(Fixture *fixture, gconstpointer data)
{
    both_lost(fixture);
    come_back(fixture, 0, "");
    expect(fixture, VM_ACTIVE, LCM_UNKNOWN); /* the other one may run it */
    come_back(fixture, 1, "");
    hosts_say(fixture, "STATE=d", "STATE=d");
    unknown_because_of(fixture, "onevm recover --success means h1, --failure means h0");
    come_back(fixture, 0, ""); /* asking again would not help */
    expect(fixture, VM_ACTIVE, LCM_UNKNOWN);
    g_assert_true(vm_recover(fixture->lifecycle, fixture->vm, 0, &asker, NULL));
    small_settle(fixture->small);
    g_assert_cmpint(vm_last_record(fixture->vm)->host, ==, 0);
    leftovers(fixture, 1, "0:0:ssh");
    come_back(fixture, 0, "");
    answer(fixture, "POLL", TRUE, "STATE=d");
    expect(fixture, VM_POWEROFF, LCM_INIT);
    come_back(fixture, 1, "");
    transfer_says(fixture, "FAILMIGRATE ssh h0 h1 ");
}

/* The guest turned itself off at the source, which an event told. */
static void test_guest_ends_on_the_way(Fixture *fixture, gconstpointer data)
{
    g_autofree char *payload = g_base64_encode((const guchar *)"VM=[ID=0,STATE=POWEROFF]", 24);
    migrate_live(fixture);
    lifecycle_driver_event(fixture->lifecycle, "im", "STATE_VM", TRUE, 0, payload);
    small_settle(fixture->small);
    answer(fixture, "MIGRATE", FALSE, "the domain is not running");
    hosts_say(fixture, "STATE=d", "STATE=d");
    transfer_says(fixture, "FAILMIGRATE ssh h0 h1 ");
    answer(fixture, "TRANSFER", TRUE, "-");
    expect(fixture, VM_POWEROFF, LCM_INIT);
    g_assert_cmpint(vm_last_record(fixture->vm)->host, ==, 0);
}

/* What runs in it ended so soon that the event of it was faster than the answer of its start. */
static void test_guest_ends_before_its_start_is_answered(Fixture *fixture, gconstpointer data)
{
    g_autofree char *payload = g_base64_encode((const guchar *)"VM=[ID=0,STATE=POWEROFF]", 24);
    put(fixture, VM_ACTIVE, LCM_BOOT);
    lifecycle_driver_event(fixture->lifecycle, "im", "STATE_VM", TRUE, 0, payload);
    small_settle(fixture->small);
    g_assert_null(sent_last(fixture, "POLL"));
    answer(fixture, "DEPLOY", TRUE, "one-0");
    expect(fixture, VM_ACTIVE, LCM_RUNNING);
    small_wait(fixture->small, 1);
    answer(fixture, "POLL", TRUE, "STATE=d REASON=one-0 ended with code 3; it said: \"no\"");
    expect(fixture, VM_POWEROFF, LCM_INIT);
    const char *error = template_get(fixture->vm->user_template, "ERROR");
    g_assert_true(error && g_str_has_suffix(error, ": one-0 ended with code 3; it said: \"no\""));
}

/* Nobody leads it any more: the driver settles what it finds. */
static void test_left_between_the_hosts(Fixture *fixture, gconstpointer data)
{
    break_off(fixture);
    hosts_say(fixture, "STATE=-", "STATE=d");
    answer(fixture, "MIGRATE", FALSE, "one-0 goes on running on h0");
    hosts_say(fixture, "STATE=a", "STATE=d");
    answer(fixture, "TRANSFER", TRUE, "-");
    runs_alone_on(fixture, 0);
}

/* A torn post-copy: nobody can end it, and neither half may be cleared away. */
static void test_half_on_each_host(Fixture *fixture, gconstpointer data)
{
    break_off(fixture);
    for (guint i = 0; i < 2; i++) {
        hosts_say(fixture, "STATE=-", "STATE=-");
        answer(fixture, "MIGRATE", FALSE, "half of the memory is on h0");
    }
    hosts_say(fixture, "STATE=-", "STATE=-");
    unknown_because_of(fixture, "half of the memory is on h0");
    g_assert_null(sent_last(fixture, "TRANSFER"));
    come_back(fixture, 0, "VM=[ID=0,DEPLOY_ID=one-0,STATE=PAUSED]");
    come_back(fixture, 1, "VM=[ID=0,DEPLOY_ID=one-0,STATE=PAUSED]");
    expect(fixture, VM_ACTIVE, LCM_UNKNOWN); /* asking again would not help */
    /* A person went on with it. */
    come_back(fixture, 1, RUNS);
    hosts_say(fixture, "STATE=d", "STATE=a");
    answer(fixture, "TRANSFER", TRUE, "-");
    runs_alone_on(fixture, 1);
}

/* Monitoring notices the loss while the question is repeated: nobody waits for the next round. */
static void test_loss_is_noticed_while_asking(Fixture *fixture, gconstpointer data)
{
    break_off(fixture);
    hosts_say(fixture, "STATE=d", NULL);
    expect(fixture, VM_ACTIVE, LCM_MIGRATE);
    lose(fixture, 1);
    hosts_say(fixture, "STATE=d", NULL);
    unknown_because_of(fixture, "h1");
}

static void test_reason_of_a_lost_host(Fixture *fixture, gconstpointer data)
{
    put(fixture, VM_ACTIVE, LCM_RUNNING);
    lose(fixture, 0);
    unknown_because_of(fixture, "the host does not answer any more");
    come_back(fixture, 0, RUNS);
    runs_alone_on(fixture, 0);
    g_assert_null(template_get(fixture->vm->user_template, "ERROR"));
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*test)(Fixture *fixture, gconstpointer data);
    } tests[] = {
        {"destination-lost-after", test_destination_lost_after_the_switch},
        {"destination-back-without-it", test_destination_back_without_it},
        {"destination-lost-before", test_destination_lost_before_the_switch},
        {"source-lost-before", test_source_lost_before_the_switch},
        {"source-lost-at", test_source_lost_at_the_switch},
        {"source-lost-after", test_source_lost_after_the_switch},
        {"both-lost-one-runs", test_both_lost_and_one_runs_it},
        {"both-lost-both-back", test_both_lost_and_both_back},
        {"guest-ends", test_guest_ends_on_the_way},
        {"guest-ends-early", test_guest_ends_before_its_start_is_answered},
        {"between-the-hosts", test_left_between_the_hosts},
        {"half-on-each", test_half_on_each_host},
        {"noticed-while-asking", test_loss_is_noticed_while_asking},
        {"reason", test_reason_of_a_lost_host},
    };
    g_test_init(&argc, &argv, NULL);
    log_open(LOG_TO_FILE, "/dev/null", LOG_ERROR, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_autofree char *path = g_strdup_printf("/lost-hosts/%s", tests[i].name);
        g_test_add(path, Fixture, NULL, set_up, tests[i].test, tear_down);
    }
    return g_test_run();
}
