/* What is asked of drivers again and again, or a second time: once is enough to say so. */
#include "tests/unit/small_life.h"

#include "server/model/network/network.h"
#include "server/model/storage/image_backup.h"
#include "server/model/storage/market.h"

#include "lib/base/log.h"

#include <string.h>

static gboolean knows_all(Outside *outside, DriverClass class, const char *driver)
{
    return TRUE;
}

static guint count_sent(const Fixture *fixture, const char *action)
{
    guint count = 0;
    for (guint i = fixture->seen; i < fixture->small->sent->len; i++)
        count += !strcmp(((const DriverRequest *)fixture->small->sent->pdata[i])->action, action);
    return count;
}

/* ---- security groups ---- */

static guint complaints;

static void count_complaints(Outside *outside, gint32 vm, LogLevel level, const char *module,
                             const char *text)
{
    complaints += level == LOG_ERROR;
}

/* Running on h0, with a filtered card that has just lost its last group. */
static void lose_groups(Fixture *fixture)
{
    put(fixture, VM_ACTIVE, LCM_RUNNING);
    TemplateAttribute *card = template_add_vector(fixture->vm->head.template, "NIC");
    attribute_set_int(card, "NIC_ID", 0);
    attribute_set(card, "VN_MAD", "fw");
    attribute_set(card, "FILTER", "YES");
    fixture->small->outside.vm_log = count_complaints;
    complaints = 0;
    attribute_set(card, "RULES_OUTDATED", "YES");
    vm_groups_follow(fixture->lifecycle, fixture->vm);
    small_settle(fixture->small);
}

static void host_reports(Fixture *fixture)
{
    until_asked(fixture, 0);
    report(fixture, 0, TRUE, "VM=[ID=0,DEPLOY_ID=one-0,STATE=RUNNING]");
}

static const char *shown_error(const Fixture *fixture)
{
    const char *error = template_get(fixture->vm->user_template, "ERROR");
    return error ? error : "";
}

static void test_refusals_are_said_once(Fixture *fixture, gconstpointer data)
{
    lose_groups(fixture);
    for (guint i = 0; i < 5; i++) {
        answer(fixture, "UPDATESG", FALSE, "no nft here");
        host_reports(fixture);
    }
    g_assert_cmpuint(complaints, ==, 1);
    g_assert_nonnull(strstr(shown_error(fixture), "no nft here"));
    answer(fixture, "UPDATESG", FALSE, "another reason");
    g_assert_cmpuint(complaints, ==, 2);
    g_assert_nonnull(strstr(shown_error(fixture), "another reason"));
    host_reports(fixture);
    answer(fixture, "UPDATESG", TRUE, "-");
    g_assert_cmpstr(shown_error(fixture), ==, "");
    g_assert_cmpuint(complaints, ==, 2);
}

static gboolean lacks_save(Outside *outside, DriverClass class, const char *driver,
                           const char *action)
{
    return !strcmp(action, "SAVE");
}

/* Its rules change while it stands still on its host, which brings none along when it goes on. */
static void test_a_frozen_machine_is_told(Fixture *fixture, gconstpointer data)
{
    fixture->small->outside.lacks = lacks_save;
    put(fixture, VM_SUSPENDED, LCM_INIT);
    TemplateAttribute *card = template_add_vector(fixture->vm->head.template, "NIC");
    attribute_set_int(card, "NIC_ID", 0);
    attribute_set(card, "VN_MAD", "fw");
    lifecycle_vm_groups_changed(fixture->lifecycle, fixture->vm, card);
    small_settle(fixture->small);
    g_assert_cmpuint(count_sent(fixture, "UPDATESG"), ==, 0);
    g_assert_true(vm_action(fixture->lifecycle, fixture->vm, "resume", &asker, NULL));
    small_settle(fixture->small);
    answer(fixture, "THAW", TRUE, "-");
    expect(fixture, VM_ACTIVE, LCM_RUNNING);
    g_assert_cmpuint(count_sent(fixture, "UPDATESG"), ==, 1);
}

/* ---- given up before the commit ---- */

typedef struct Twice {
    CoreInput input;
    Fixture *fixture;
} Twice;

static void place_and_give_up(Core *core, CoreInput *input)
{
    Fixture *fixture = ((Twice *)input)->fixture;
    const VmPlace place = {0, 0, FALSE};
    g_assert_true(vm_deploy(fixture->lifecycle, fixture->vm, &place, &asker, NULL));
    g_assert_true(vm_recover(fixture->lifecycle, fixture->vm, 3, &asker, NULL));
}

static void test_given_up_in_the_batch_of_its_order(Fixture *fixture, gconstpointer data)
{
    Twice *both = g_new0(Twice, 1);
    both->input.handle = place_and_give_up;
    both->input.destroy = (void (*)(CoreInput *))(void (*)(void))g_free;
    both->fixture = fixture;
    core_post(fixture->small->core, &both->input);
    small_settle(fixture->small);
    expect(fixture, VM_ACTIVE, LCM_CLEANUP_DELETE);
    for (guint i = fixture->seen; i < fixture->small->sent->len; i++) {
        const DriverRequest *request = fixture->small->sent->pdata[i];
        if (!strcmp(request->action, "TRANSFER") && !strstr(request->files[0].text, "DELETE"))
            g_error("it was still begun: %s", request->files[0].text);
    }
}

/* ---- a commit that takes longer than any driver may ---- */

typedef struct Held {
    guint64 batch;
    StoreDone done;
    gpointer data;
} Held;

static GQueue held = G_QUEUE_INIT;

static void hold_commit(Store *store, guint64 batch, StoreWrite *writes, StoreDone done,
                        gpointer data)
{
    Held *one = g_new0(Held, 1);
    *one = (Held){batch, done, data};
    while (writes) {
        StoreWrite *next = writes->next;
        store_write_free(writes);
        writes = next;
    }
    g_queue_push_tail(&held, one);
}

static void let_commits_go(Fixture *fixture)
{
    Held *one;
    fixture->small->store.commit = small_commit;
    while ((one = g_queue_pop_head(&held))) {
        one->done(one->data, one->batch, NULL);
        g_free(one);
    }
    small_settle(fixture->small);
}

static gint host_state(const Fixture *fixture, gint32 id)
{
    return (gint)host_get(fixture->small->world, id)->state;
}

/* The disk is full for ten minutes: hosts that were not asked meanwhile are not lost. */
static void test_time_begins_with_the_sending(Fixture *fixture, gconstpointer data)
{
    put(fixture, VM_ACTIVE, LCM_RUNNING);
    fixture->seen = fixture->small->sent->len;
    fixture->small->store.commit = hold_commit;
    object_changed(fixture->small->world, &fixture->vm->head);
    small_wait(fixture->small, 600);
    g_assert_cmpuint(count_sent(fixture, "MONITOR"), ==, 0);
    for (gint32 i = 0; i < 2; i++) {
        g_assert_cmpuint(host_get(fixture->small->world, i)->request, !=, 0);
        g_assert_cmpint(host_state(fixture, i), ==, HOST_MONITORED);
    }
    let_commits_go(fixture);
    g_assert_cmpuint(count_sent(fixture, "MONITOR"), ==, 2);
    report(fixture, 0, TRUE, "VM=[ID=0,DEPLOY_ID=one-0,STATE=RUNNING]");
    small_wait(fixture->small, 59);
    g_assert_cmpint(host_state(fixture, 1), ==, HOST_MONITORED);
    small_wait(fixture->small, 2); /* and this is one that does not answer */
    g_assert_cmpint(host_state(fixture, 1), ==, HOST_ERROR);
    g_assert_cmpint(host_state(fixture, 0), ==, HOST_MONITORED);
    expect(fixture, VM_ACTIVE, LCM_RUNNING);
}

/* ---- marketplaces ---- */

static guint64 look_under_way(const Fixture *fixture)
{
    for (guint i = fixture->small->sent->len; i-- > fixture->seen;) {
        const DriverRequest *request = fixture->small->sent->pdata[i];
        if (request->class == DRIVER_MARKET)
            return request->number;
    }
    return 0;
}

static void test_a_marketplace_changes_while_it_is_looked_at(Fixture *fixture, gconstpointer data)
{
    World *world = fixture->small->world;
    fixture->small->outside.knows = knows_all;
    Market *market = market_create(world, pool_next_id(world, KIND_MARKETPLACE), "m",
                                   template_parse("MARKET_MAD=http", TEMPLATE_MODERN, NULL));
    market_look_now(fixture->lifecycle, market);
    small_settle(fixture->small);
    guint64 first = look_under_way(fixture);
    g_assert_cmpuint(first, !=, 0);
    market_look_now(fixture->lifecycle, market); /* it was enabled with another place */
    small_settle(fixture->small);
    g_assert_cmpuint(look_under_way(fixture), ==, first); /* one at a time */
    g_autofree char *old = g_base64_encode((const guchar *)"TOTAL_MB=7\n", strlen("TOTAL_MB=7\n"));
    say(fixture, first, TRUE, FALSE, old);
    guint64 second = look_under_way(fixture);
    g_assert_cmpuint(second, !=, first);
    g_assert_cmpint(market->total_mb, ==, 0); /* that was of the place before */
    g_autofree char *now = g_base64_encode((const guchar *)"TOTAL_MB=9\n", strlen("TOTAL_MB=9\n"));
    say(fixture, second, TRUE, FALSE, now);
    g_assert_cmpint(market->total_mb, ==, 9);
    g_assert_cmpuint(look_under_way(fixture), ==, second);
}

/* ---- increments of backups ---- */

static void measured(Fixture *fixture, gint32 datastore)
{
    g_autofree char *report =
        g_base64_encode((const guchar *)"TOTAL_MB=9\n", strlen("TOTAL_MB=9\n"));
    fixture->small->outside.knows = knows_all;
    datastore_measure_soon(fixture->lifecycle, datastore);
    small_wait(fixture->small, 2);
    guint64 number = 0;
    for (guint i = fixture->seen; i < fixture->small->sent->len; i++) {
        const DriverRequest *request = fixture->small->sent->pdata[i];
        if (!strcmp(request->action, "MONITOR") && request->class == DRIVER_DATASTORE &&
            request->id == datastore)
            number = request->number;
    }
    g_assert_cmpuint(number, !=, 0);
    say(fixture, number, TRUE, FALSE, report);
}

/* Perhaps it is half gone: what is made of it would be, too. The next one is offered. */
static void refuses_increment(Fixture *fixture, Image *image, gint32 id)
{
    g_autoptr(GError) error = NULL;
    BackupIncrement found;
    guint seen = fixture->seen;
    put(fixture, VM_POWEROFF, LCM_INIT);
    fixture->seen = seen;
    g_assert_false(vm_restore(fixture->lifecycle, fixture->vm, image, id, -1, &asker, &error));
    g_assert_nonnull(strstr(error->message, "is being removed"));
    expect(fixture, VM_POWEROFF, LCM_INIT);
    g_assert_true(image_backup_offers(image, id + 1, &found, NULL));
    g_assert_true(image_backup_offers(image, -1, &found, NULL));
    g_assert_cmpint(found.id, ==, 2);
}

static void test_increments_that_may_be_gone(Fixture *fixture, gconstpointer data)
{
    World *world = fixture->small->world;
    const ImageDraft draft = {.name = "backup",
                              .source = "/ds/1/0-x",
                              .type = IMAGE_BACKUP,
                              .format = "qcow2",
                              .template = template_new()};
    Image *image = image_create(world, datastore_get(world, 1), &draft);
    g_autoptr(GArray) disks = g_array_new(FALSE, TRUE, sizeof(gint32));
    g_array_set_size(disks, 1);
    image_backup_describe(image, fixture->vm, disks);
    for (gint32 i = 0; i < 3; i++) {
        const BackupIncrement made = {image_backup_begin(world, image, 1), i - 1, 1, 1};
        image_backup_end(world, image, &made);
    }
    image->stored = 1;
    image_enter(world, image, IMAGE_READY);
    image_forget_increments(fixture->lifecycle, image, 1);
    small_settle(fixture->small);
    g_assert_cmpuint(count_sent(fixture, "INCREMENT_FLATTEN"), ==, 1);
    small_wait(fixture->small, 21601); /* nobody answers */
    g_assert_cmpint(image->state, ==, IMAGE_READY);
    g_assert_cmpuint(image_backup_count(image), ==, 3);
    refuses_increment(fixture, image, 0);
    measured(fixture, 1);
    g_assert_cmpuint(count_sent(fixture, "INCREMENT_FLATTEN"), ==, 2);
    g_assert_cmpint(image->state, ==, IMAGE_LOCKED);
    answer(fixture, "INCREMENT_FLATTEN", TRUE, "5");
    g_assert_cmpuint(image_backup_count(image), ==, 2);
    g_assert_null(template_get(image->head.template, "ERROR"));
    measured(fixture, 1);
    g_assert_cmpuint(count_sent(fixture, "INCREMENT_FLATTEN"), ==, 0); /* done is done */
}

/* ---- guests that stand still ---- */

static void test_a_paused_guest_does_not_run(Fixture *fixture, gconstpointer data)
{
    static const char paused[] = "VM=[ID=0,DEPLOY_ID=one-0,STATE=PAUSED]";
    put(fixture, VM_ACTIVE, LCM_RUNNING);
    small_wait(fixture->small, 1);
    fixture->seen = fixture->small->sent->len;
    until_asked(fixture, 0);
    report(fixture, 0, TRUE, paused);
    answer(fixture, "POLL", TRUE, "STATE=a"); /* it was for a moment */
    expect(fixture, VM_ACTIVE, LCM_RUNNING);
    until_asked(fixture, 0);
    report(fixture, 0, TRUE, paused);
    answer(fixture, "POLL", TRUE, "STATE=p");
    expect(fixture, VM_ACTIVE, LCM_UNKNOWN);
    g_assert_nonnull(strstr(shown_error(fixture), "paused"));
    until_asked(fixture, 0);
    report(fixture, 0, TRUE, paused); /* nothing new */
    expect(fixture, VM_ACTIVE, LCM_UNKNOWN);
    until_asked(fixture, 0);
    report(fixture, 0, TRUE, "VM=[ID=0,DEPLOY_ID=one-0,STATE=RUNNING]");
    expect(fixture, VM_ACTIVE, LCM_RUNNING);
    g_assert_cmpstr(shown_error(fixture), ==, "");
}

#define ADD(name, test) g_test_add(name, Fixture, NULL, set_up, test, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    log_open(LOG_TO_FILE, "/dev/null", LOG_ERROR, NULL);
    ADD("/asked-again/refusals-are-said-once", test_refusals_are_said_once);
    ADD("/asked-again/frozen", test_a_frozen_machine_is_told);
    ADD("/asked-again/given-up", test_given_up_in_the_batch_of_its_order);
    ADD("/asked-again/long-commit", test_time_begins_with_the_sending);
    ADD("/asked-again/marketplace", test_a_marketplace_changes_while_it_is_looked_at);
    ADD("/asked-again/increments", test_increments_that_may_be_gone);
    ADD("/asked-again/paused", test_a_paused_guest_does_not_run);
    return g_test_run();
}
