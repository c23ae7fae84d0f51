/* Records of migrations and checks in advance: what each end of an order leaves behind. */
#include "tests/unit/small_life.h"

static Migration *last(const Fixture *fixture)
{
    Migration *migration = migration_last(fixture->vm);
    g_assert_nonnull(migration);
    return migration;
}

static void has_ended(const Fixture *fixture, const char *result, const char *reason)
{
    const Migration *migration = last(fixture);
    g_assert_cmpstr(migration_result_name(migration->result), ==, result);
    g_assert_cmpint(migration->ended, >=, migration->started);
    if (!strstr(migration->reason, reason))
        g_error("reason \"%s\", not \"%s\"", migration->reason, reason);
}

static void test_success(Fixture *fixture, gconstpointer data)
{
    migrate_live(fixture);
    const Migration *migration = last(fixture);
    g_assert_cmpint(migration->result, ==, MIGRATION_RUNNING);
    g_assert_cmpint(migration->kind, ==, MIGRATION_LIVE);
    g_assert_cmpint(migration->ended, ==, 0);
    g_assert_cmpstr(migration->source_name, ==, "h0");
    g_assert_cmpstr(migration->destination_name, ==, "h1");
    g_assert_cmpstr(migration->storage, ==, "mirrored");
    small_now += 1500000;
    answer(fixture, "MIGRATE", TRUE,
           "total_ms=1200 downtime_ms=34 bytes=5000000000 rounds=3 mode=postcopy pages_dup=77 "
           "speed=fast UPPER=1 elapsed_ms=1 mode=<x>");
    answer(fixture, "TRANSFER", TRUE, "-");
    runs_alone_on(fixture, 1);
    has_ended(fixture, "success", "");
    g_assert_cmpint(migration->figures[FIGURE_ELAPSED_MS], ==, 1500);
    g_assert_cmpint(migration->figures[FIGURE_TOTAL_MS], ==, 1200);
    g_assert_cmpint(migration->figures[FIGURE_DOWNTIME_MS], ==, 34);
    g_assert_cmpint(migration->figures[FIGURE_BYTES], ==, 5000000000);
    g_assert_cmpint(migration->figures[FIGURE_DIRTY_RATE], ==, -1);
    g_assert_cmpstr(migration->mode, ==, "postcopy");
    g_assert_cmpstr(migration->more, ==, "pages_dup=77");
    g_autoptr(GString) xml = g_string_new(NULL);
    migrations_render(fixture->vm, xml);
    g_assert_nonnull(strstr(xml->str, "<DOWNTIME_MS>34</DOWNTIME_MS>"));
    g_assert_nonnull(strstr(xml->str, "<PAGES_DUP>77</PAGES_DUP>"));
    g_assert_nonnull(strstr(xml->str, "<KIND>live</KIND><MODE>postcopy</MODE>"));
}

static void test_failure(Fixture *fixture, gconstpointer data)
{
    migrate_live(fixture);
    answer(fixture, "MIGRATE", FALSE, "no room");
    g_assert_cmpint(last(fixture)->result, ==, MIGRATION_RUNNING);
    hosts_say(fixture, "STATE=a", "STATE=d");
    answer(fixture, "TRANSFER", TRUE, "-");
    runs_alone_on(fixture, 0);
    has_ended(fixture, "failure", "no room");
}

/* Whatever was answered, what the hosts say is the result. */
static void test_failure_that_was_none(Fixture *fixture, gconstpointer data)
{
    migrate_live(fixture);
    answer(fixture, "MIGRATE", FALSE, "broken pipe");
    hosts_say(fixture, "STATE=d", "STATE=a");
    answer(fixture, "TRANSFER", TRUE, "-");
    has_ended(fixture, "success", "broken pipe");
}

static void lose_sight(Fixture *fixture)
{
    migrate_live(fixture);
    answer(fixture, "MIGRATE", FALSE, "lost sight");
    for (guint i = 0; fixture->vm->lcm == LCM_MIGRATE && i < 100; i++) {
        hosts_say(fixture, "STATE=d", NULL);
        small_wait(fixture->small, 6);
    }
    expect(fixture, VM_ACTIVE, LCM_UNKNOWN);
    has_ended(fixture, "unknown", "h1 cannot be asked");
}

static void test_unknown_then_there(Fixture *fixture, gconstpointer data)
{
    lose_sight(fixture);
    until_asked(fixture, 1);
    report(fixture, 1, TRUE, "VM=[ID=0,DEPLOY_ID=one-0,STATE=RUNNING]");
    has_ended(fixture, "success", "");
    g_assert_cmpint(last(fixture)->record, ==, -1);
}

static void test_unknown_then_back(Fixture *fixture, gconstpointer data)
{
    lose_sight(fixture);
    until_asked(fixture, 0);
    report(fixture, 0, TRUE, "VM=[ID=0,DEPLOY_ID=one-0,STATE=RUNNING]");
    expect(fixture, VM_ACTIVE, LCM_RUNNING);
    has_ended(fixture, "failure", "found on another host");
}

static void test_unknown_for_ever(Fixture *fixture, gconstpointer data)
{
    lose_sight(fixture);
    g_assert_true(vm_recover(fixture->lifecycle, fixture->vm, 3, &asker, NULL));
    small_settle(fixture->small);
    has_ended(fixture, "unknown", "");
    g_assert_cmpint(last(fixture)->record, ==, -1);
}

static void test_given_up(Fixture *fixture, gconstpointer data)
{
    migrate_live(fixture);
    g_assert_true(vm_recover(fixture->lifecycle, fixture->vm, 3, &asker, NULL));
    small_settle(fixture->small);
    expect(fixture, VM_ACTIVE, LCM_CLEANUP_DELETE);
    has_ended(fixture, "failure", "given up");
}

/* Cold: each step is part of the order, and one that fails may be tried again. */
static void test_cold(Fixture *fixture, gconstpointer data)
{
    VmPlace place = {1, -1, FALSE};
    put(fixture, VM_ACTIVE, LCM_RUNNING);
    g_assert_true(vm_migrate(fixture->lifecycle, fixture->vm, &place, &cold_move, &asker, NULL));
    small_settle(fixture->small);
    g_assert_cmpint(last(fixture)->kind, ==, MIGRATION_SAVE);
    answer(fixture, "SAVE", TRUE, "-");
    expect(fixture, VM_ACTIVE, LCM_PROLOG_MIGRATE);
    g_assert_cmpint(last(fixture)->result, ==, MIGRATION_RUNNING);
    answer(fixture, "TRANSFER", FALSE, "disk full");
    expect(fixture, VM_ACTIVE, LCM_PROLOG_MIGRATE_FAILURE);
    has_ended(fixture, "failure", "disk full");
    g_assert_true(vm_recover(fixture->lifecycle, fixture->vm, 2, &asker, NULL));
    small_settle(fixture->small);
    g_assert_cmpint(last(fixture)->result, ==, MIGRATION_RUNNING);
    answer(fixture, "TRANSFER", TRUE, "-");
    answer(fixture, "RESTORE", TRUE, "one-0");
    expect(fixture, VM_ACTIVE, LCM_RUNNING);
    has_ended(fixture, "success", "");
    g_assert_cmpuint(fixture->vm->migrations->len, ==, 1);
}

static void test_cold_without_memory(Fixture *fixture, gconstpointer data)
{
    VmPlace place = {1, -1, FALSE};
    VmMove hard = {FALSE, 2, NULL};
    put(fixture, VM_ACTIVE, LCM_RUNNING);
    g_assert_true(vm_migrate(fixture->lifecycle, fixture->vm, &place, &hard, &asker, NULL));
    small_settle(fixture->small);
    g_assert_cmpint(last(fixture)->kind, ==, MIGRATION_POWEROFF_HARD);
    answer(fixture, "CANCEL", TRUE, "-");
    answer(fixture, "TRANSFER", TRUE, "-");
    expect(fixture, VM_ACTIVE, LCM_BOOT);
    g_assert_cmpint(last(fixture)->result, ==, MIGRATION_RUNNING);
    answer(fixture, "DEPLOY", FALSE, "no kernel");
    expect(fixture, VM_ACTIVE, LCM_BOOT_FAILURE);
    has_ended(fixture, "failure", "no kernel");
}

static void test_at_rest(Fixture *fixture, gconstpointer data)
{
    static const VmState states[] = {VM_POWEROFF, VM_SUSPENDED};
    static const MigrationKind kinds[] = {MIGRATION_POWEROFF, MIGRATION_SAVE};
    for (guint i = 0; i < G_N_ELEMENTS(states); i++) {
        VmPlace place = {i == 0, -1, FALSE};
        if (i == 0)
            put(fixture, states[i], LCM_INIT);
        else
            vm_enter(fixture->lifecycle, fixture->vm, states[i], LCM_INIT);
        g_assert_true(
            vm_migrate(fixture->lifecycle, fixture->vm, &place, &cold_move, &asker, NULL));
        small_settle(fixture->small);
        g_assert_cmpint(last(fixture)->kind, ==, kinds[i]);
        answer(fixture, "TRANSFER", TRUE, "-");
        expect(fixture, states[i], LCM_INIT);
        has_ended(fixture, "success", "");
    }
}

/* The machine keeps fifty; numbers go on. */
static void test_bounded(Fixture *fixture, gconstpointer data)
{
    put(fixture, VM_POWEROFF, LCM_INIT);
    for (gint i = 0; i < 60; i++) {
        VmPlace place = {1 - vm_last_record(fixture->vm)->host, -1, FALSE};
        g_assert_true(
            vm_migrate(fixture->lifecycle, fixture->vm, &place, &cold_move, &asker, NULL));
        small_settle(fixture->small);
        answer(fixture, "TRANSFER", TRUE, "-");
    }
    g_assert_cmpuint(fixture->vm->migrations->len, ==, MIGRATIONS_KEPT);
    g_assert_cmpint(last(fixture)->number, ==, 59);
    g_assert_cmpint(((Migration *)fixture->vm->migrations->pdata[0])->number, ==, 10);
}

/* ---- what the driver is told ---- */

static char *document_of(const DriverRequest *request)
{
    gsize length;
    g_autofree guchar *bytes = g_base64_decode(request->payload, &length);
    return g_strndup((const char *)bytes, length);
}

static void test_options_travel(Fixture *fixture, gconstpointer data)
{
    g_autoptr(Template) options =
        template_parse("MIGRATE=[MAX_DOWNTIME=50,POSTCOPY=YES]", TEMPLATE_MODERN, NULL);
    VmPlace place = {1, -1, FALSE};
    VmMove order = {TRUE, 0, options};
    Host *host = host_get(fixture->small->world, 0);
    g_autoptr(Template) own = template_parse("MIGRATE=[BANDWIDTH=100]", TEMPLATE_MODERN, NULL);
    template_merge(host->head.template, own);
    put(fixture, VM_ACTIVE, LCM_RUNNING);
    template_set(host_get(fixture->small->world, 1)->head.template, "TM_MAD", "shared");
    g_assert_true(vm_migrate(fixture->lifecycle, fixture->vm, &place, &order, &asker, NULL));
    small_settle(fixture->small);
    g_autofree char *document = document_of(sent_last(fixture, "MIGRATE"));
    g_assert_nonnull(strstr(document, "<MIGRATE><MAX_DOWNTIME><![CDATA[50]]></MAX_DOWNTIME>"
                                      "<POSTCOPY><![CDATA[YES]]></POSTCOPY></MIGRATE>"));
    g_assert_nonnull(strstr(document, "<HOST_TEMPLATE><MIGRATE><BANDWIDTH><![CDATA[100]]>"));
    g_assert_nonnull(strstr(last(fixture)->options, "MAX_DOWNTIME"));
}

/* The driver is given the time that the order allows, though the configuration says less. */
static void test_time_limit(Fixture *fixture, gconstpointer data)
{
    g_autoptr(Template) options =
        template_parse("MIGRATE=[TIME_LIMIT=7200]", TEMPLATE_MODERN, NULL);
    VmPlace place = {1, -1, FALSE};
    VmMove order = {TRUE, 0, options};
    put(fixture, VM_ACTIVE, LCM_RUNNING);
    template_set(host_get(fixture->small->world, 1)->head.template, "TM_MAD", "shared");
    g_assert_true(vm_migrate(fixture->lifecycle, fixture->vm, &place, &order, &asker, NULL));
    small_wait(fixture->small, 7200);
    g_assert_cmpuint(poll_of(fixture, "h0"), ==, 0);
    small_wait(fixture->small, 200);
    g_assert_cmpuint(poll_of(fixture, "h0"), !=, 0);
}

/* ---- recover ---- */

/* What an administrator declares of a live migration is asked for first. */
static void declared(Fixture *fixture, gint operation)
{
    migrate_live(fixture);
    guint64 migrate = sent_last(fixture, "MIGRATE")->number;
    g_assert_true(vm_recover(fixture->lifecycle, fixture->vm, operation, &asker, NULL));
    small_settle(fixture->small);
    expect(fixture, VM_ACTIVE, LCM_MIGRATE);
    g_assert_true((sent_last(fixture, "DRIVER_CANCEL") != NULL) == (operation == 0));
    say(fixture, migrate, operation == 0, FALSE, "too late");
    /* The truth is the contrary of what was declared. */
    hosts_say(fixture, operation ? "STATE=a" : "STATE=d", operation ? "STATE=d" : "STATE=a");
    answer(fixture, "TRANSFER", TRUE, "-");
    runs_alone_on(fixture, operation ? 0 : 1);
    has_ended(fixture, operation ? "failure" : "success", "declared");
}

static void test_declared_failed(Fixture *fixture, gconstpointer data)
{
    declared(fixture, 0);
}

static void test_declared_done(Fixture *fixture, gconstpointer data)
{
    declared(fixture, 1);
}

/* A damaged database: nobody knows where the machine comes from, and oned starts all the same. */
static void test_start_without_records(Fixture *fixture, gconstpointer data)
{
    for (guint records = 0; records < 2; records++) {
        vm_set_state(fixture->small->world, fixture->vm, VM_ACTIVE, LCM_MIGRATE);
        if (records)
            add_record(fixture, 0, 0);
        lifecycle_start(fixture->lifecycle);
        small_settle(fixture->small);
        expect(fixture, VM_ACTIVE, LCM_UNKNOWN);
        g_assert_nonnull(strstr(template_get(fixture->vm->user_template, "ERROR"), "oned --check"));
    }
}

/* ---- checks in advance ---- */

typedef struct Told {
    guint times;
    char *xml, *error;
} Told;

static void told_of(const char *xml, const GError *error, gpointer data)
{
    Told *told = data;
    told->times++;
    g_free(told->xml);
    g_free(told->error);
    told->xml = g_strdup(xml);
    told->error = g_strdup(error ? error->message : NULL);
}

static void told_clear(Told *told)
{
    g_free(told->xml);
    g_free(told->error);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Told, told_clear)

static void ask(Fixture *fixture, gint32 host, gboolean enforce, Told *told)
{
    VmPlace place = {host, -1, enforce};
    g_assert_true(
        vm_migrate_check(fixture->lifecycle, fixture->vm, &place, &live_move, told_of, told, NULL));
    small_settle(fixture->small);
}

static void says(const Told *told, const char *text)
{
    g_assert_cmpuint(told->times, ==, 1);
    if (!told->xml || !strstr(told->xml, text))
        g_error("\"%s\" is not in \"%s\" (%s)", text, told->xml, told->error);
}

static char *in_base64(const char *text)
{
    return g_base64_encode((const guchar *)text, strlen(text));
}

static void test_check(Fixture *fixture, gconstpointer data)
{
    g_auto(Told) told = {0};
    put(fixture, VM_ACTIVE, LCM_RUNNING);
    ask(fixture, 1, FALSE, &told);
    g_assert_cmpuint(told.times, ==, 0);
    g_autofree char *document = document_of(sent_last(fixture, "MIGRATECHECK"));
    g_assert_nonnull(strstr(document, "<HOST>h0</HOST><MIGR_HOST>h1</MIGR_HOST>"));
    g_autofree char *text = in_base64("STORAGE=shared\nMEMORY_MB=64\nTOTAL_MS=120.5\n"
                                      "CHECK=[NAME=\"cpu\",RESULT=ok,TEXT=\"same <model>\"]\n"
                                      "CHECK=[NAME=\"cache\",RESULT=warning,TEXT=\"writeback\"]");
    answer(fixture, "MIGRATECHECK", TRUE, text);
    says(&told, "<SOURCE>h0</SOURCE><DESTINATION>h1</DESTINATION><POSSIBLE>YES</POSSIBLE>"
                "<STORAGE>shared</STORAGE>");
    says(&told, "<NAME>cpu</NAME><RESULT>ok</RESULT><TEXT>same &lt;model&gt;</TEXT>");
    says(&told, "<TOTAL_MS>120.5</TOTAL_MS><DOWNTIME_MS>-1</DOWNTIME_MS>");
    expect(fixture, VM_ACTIVE, LCM_RUNNING);
    g_assert_cmpuint(fixture->vm->migrations->len, ==, 0);
    g_assert_cmpuint(fixture->vm->records->len, ==, 1);
}

/* What a driver says in words that nobody knows is no permission. */
static void test_check_that_says_no(Fixture *fixture, gconstpointer data)
{
    static const char *const results[] = {"no", "maybe", ""};
    put(fixture, VM_ACTIVE, LCM_RUNNING);
    for (guint i = 0; i < G_N_ELEMENTS(results); i++) {
        g_auto(Told) told = {0};
        g_autofree char *text = g_strdup_printf("CHECK=[NAME=x,RESULT=\"%s\"]", results[i]);
        g_autofree char *payload = in_base64(text);
        ask(fixture, 1, FALSE, &told);
        answer(fixture, "MIGRATECHECK", TRUE, payload);
        says(&told, "<POSSIBLE>NO</POSSIBLE>");
    }
}

/* Nobody is asked when oned knows already that it cannot be. */
static void test_check_of_what_oned_knows(Fixture *fixture, gconstpointer data)
{
    World *world = fixture->small->world;
    g_auto(Told) rests = {0}, same = {0}, offline = {0}, foreign = {0}, full = {0};
    put(fixture, VM_POWEROFF, LCM_INIT);
    ask(fixture, 1, FALSE, &rests);
    says(&rests, "only a running machine is moved live; this one is POWEROFF");
    vm_enter(fixture->lifecycle, fixture->vm, VM_ACTIVE, LCM_RUNNING);
    ask(fixture, 0, FALSE, &same);
    says(&same, "<RESULT>no</RESULT><TEXT>VM is already running on host [0]");
    host_get(world, 1)->state = HOST_OFFLINE;
    ask(fixture, 1, FALSE, &offline);
    says(&offline, "Host is offline");
    host_get(world, 1)->state = HOST_DISABLED;
    g_free(host_get(world, 1)->vm_mad);
    host_get(world, 1)->vm_mad = g_strdup("other");
    host_get(world, 1)->max_cpu = 10;
    ask(fixture, 1, FALSE, &foreign);
    says(&foreign, "<RESULT>no</RESULT><TEXT>Cannot migrate: host h1 uses the virtualization");
    says(&foreign, "<NAME>capacity</NAME><RESULT>warning</RESULT>");
    says(&foreign, "<NAME>host</NAME><RESULT>warning</RESULT>");
    ask(fixture, 1, TRUE, &full);
    says(&full, "<NAME>capacity</NAME><RESULT>no</RESULT>");
    g_assert_null(sent_last(fixture, "MIGRATECHECK"));
}

static void test_check_without_answer(Fixture *fixture, gconstpointer data)
{
    g_auto(Told) refused = {0}, dead = {0}, silent = {0}, nonsense = {0}, ended = {0};
    put(fixture, VM_ACTIVE, LCM_RUNNING);
    ask(fixture, 1, FALSE, &refused);
    answer(fixture, "MIGRATECHECK", FALSE, "no route to h1");
    g_assert_cmpstr(refused.error, ==, "The hosts could not be asked: no route to h1");
    ask(fixture, 1, FALSE, &dead);
    say(fixture, sent_last(fixture, "MIGRATECHECK")->number, FALSE, TRUE, NULL);
    g_assert_nonnull(strstr(dead.error, "ended before it answered MIGRATECHECK"));
    ask(fixture, 1, FALSE, &nonsense);
    g_autofree char *text = in_base64("CHECK=[");
    answer(fixture, "MIGRATECHECK", TRUE, text);
    g_assert_nonnull(strstr(nonsense.error, "cannot be read"));
    ask(fixture, 1, FALSE, &silent);
    small_wait(fixture->small, 61);
    g_assert_cmpuint(silent.times, ==, 1);
    g_assert_nonnull(strstr(silent.error, "did not answer MIGRATECHECK within 60 s"));
    ask(fixture, 1, FALSE, &ended);
    lifecycle_end_waits(fixture->lifecycle);
    g_assert_cmpstr(ended.error, ==, "The hosts could not be asked: oned ends");
    expect(fixture, VM_ACTIVE, LCM_RUNNING);
}

static void test_many_checks(Fixture *fixture, gconstpointer data)
{
    g_auto(Told) told = {0};
    g_autoptr(GError) error = NULL;
    VmPlace place = {1, -1, FALSE};
    put(fixture, VM_ACTIVE, LCM_RUNNING);
    guint asked = 0;
    while (vm_migrate_check(fixture->lifecycle, fixture->vm, &place, &live_move, told_of, &told,
                            &error))
        g_assert_cmpuint(++asked, <, 1000);
    g_assert_nonnull(strstr(error->message, "ask again later"));
    small_settle(fixture->small);
    lifecycle_end_waits(fixture->lifecycle);
    g_assert_cmpuint(told.times, ==, asked);
}

/* ---- two names for one driver ---- */

static gboolean all_the_same(Outside *outside, DriverClass class, const char *one,
                             const char *other)
{
    return TRUE;
}

static void test_two_names(Fixture *fixture, gconstpointer data)
{
    VmPlace place = {1, -1, FALSE};
    Host *host = host_get(fixture->small->world, 1);
    g_free(host->vm_mad);
    host->vm_mad = g_strdup("vmm_too");
    put(fixture, VM_ACTIVE, LCM_RUNNING);
    g_assert_false(vm_migrate(fixture->lifecycle, fixture->vm, &place, &live_move, &asker, NULL));
    fixture->small->outside.same = all_the_same;
    g_assert_true(vm_migrate(fixture->lifecycle, fixture->vm, &place, &live_move, &asker, NULL));
    g_assert_cmpstr(vm_last_record(fixture->vm)->vm_mad, ==, "vmm_too");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, test) g_test_add("/migration/" path, Fixture, NULL, set_up, test, tear_down)
    ADD("success", test_success);
    ADD("failure", test_failure);
    ADD("failure-that-was-none", test_failure_that_was_none);
    ADD("unknown-then-there", test_unknown_then_there);
    ADD("unknown-then-back", test_unknown_then_back);
    ADD("unknown-for-ever", test_unknown_for_ever);
    ADD("given-up", test_given_up);
    ADD("cold", test_cold);
    ADD("cold-without-memory", test_cold_without_memory);
    ADD("at-rest", test_at_rest);
    ADD("bounded", test_bounded);
    ADD("options", test_options_travel);
    ADD("time-limit", test_time_limit);
    ADD("start-without-records", test_start_without_records);
    ADD("check", test_check);
    ADD("check-no", test_check_that_says_no);
    ADD("check-known", test_check_of_what_oned_knows);
    ADD("check-without-answer", test_check_without_answer);
    ADD("check-many", test_many_checks);
    ADD("two-names", test_two_names);
    ADD("declared-failed", test_declared_failed);
    ADD("declared-done", test_declared_done);
    return g_test_run();
}
