/* The one rule of the core: nothing leaves before what explains it is committed. */
#include "server/core/core.h"

#include <string.h>

static const StoreColumn columns[] = {{"id", STORE_INT}, {NULL, STORE_INT}};
static const StoreTable table = {"thing", 1, columns};

/* A store that commits only when it is told to. */
typedef struct SlowStore {
    Store store;
    guint64 waiting[16];
    gpointer data[16];
    guint count;
    StoreDone done;
} SlowStore;

static void slow_commit(Store *store, guint64 batch, StoreWrite *writes, StoreDone done,
                        gpointer data)
{
    SlowStore *slow = (SlowStore *)store;
    slow->data[slow->count] = data;
    slow->waiting[slow->count++] = batch;
    slow->done = done;
    while (writes) {
        StoreWrite *next = writes->next;
        store_write_free(writes);
        writes = next;
    }
}

static void slow_flush(Store *store)
{
}

/* The oldest batch is committed, or fails, and the core has not been told to look yet. */
static void slow_tell(SlowStore *slow, const GError *error)
{
    g_assert_cmpuint(slow->count, >, 0);
    slow->done(slow->data[0], slow->waiting[0], error);
    for (guint i = 1; i < slow->count; i++) {
        slow->waiting[i - 1] = slow->waiting[i];
        slow->data[i - 1] = slow->data[i];
    }
    slow->count--;
}

static void slow_finish(SlowStore *slow, Core *core)
{
    slow_tell(slow, NULL);
    core_step(core);
}

static gint64 fake_now = 1000000;

static gint64 fake_time(const Clock *clock)
{
    return fake_now;
}

static const Clock fake_clock = {fake_time, fake_time};

typedef struct Note {
    CoreEffect effect;
    GString *seen;
    char letter; /* capital: of the kind that any thread may let go */
} Note;

static void note_release(CoreEffect *effect)
{
    g_string_append_c(((Note *)effect)->seen, ((Note *)effect)->letter);
}

static void note_destroy(CoreEffect *effect)
{
    g_free(effect);
}

static CoreEffect *note(GString *seen, char letter)
{
    Note *effect = g_new0(Note, 1);
    effect->effect.release = note_release;
    effect->effect.destroy = note_destroy;
    effect->seen = seen;
    effect->letter = letter;
    effect->effect.anywhere = g_ascii_isupper(letter);
    return &effect->effect;
}

/* An input that writes a row, or not, and wants a letter to be seen. */
typedef struct Ask {
    CoreInput input;
    GString *seen;
    char letter;
    gboolean writes;
    guint64 reads; /* batch whose changes it tells of; 0: it tells nothing old */
} Ask;

static void ask_handle(Core *core, CoreInput *input)
{
    Ask *ask = (Ask *)input;
    if (ask->writes) {
        StoreWrite *write = store_write_new(&table, STORE_PUT);
        store_set_int(write, 0, 1);
        core_write(core, write);
    }
    if (ask->reads)
        core_after_batch(core, ask->reads, note(ask->seen, ask->letter));
    else
        core_after_commit(core, note(ask->seen, ask->letter));
}

static void ask_destroy(CoreInput *input)
{
    g_free(input);
}

static void ask(Core *core, GString *seen, char letter, gboolean writes, guint64 reads)
{
    Ask *input = g_new0(Ask, 1);
    input->input.handle = ask_handle;
    input->input.destroy = ask_destroy;
    input->seen = seen;
    input->letter = letter;
    input->writes = writes;
    input->reads = reads;
    core_post(core, &input->input);
}

typedef struct Fixture {
    SlowStore slow;
    Core *core;
    GString *seen;
} Fixture;

static void set_up(Fixture *fixture, gconstpointer data)
{
    fixture->slow.store.commit = slow_commit;
    fixture->slow.store.flush = slow_flush;
    fixture->core = core_new(&fixture->slow.store, &fake_clock);
    fixture->seen = g_string_new(NULL);
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
    core_free(fixture->core);
    g_string_free(fixture->seen, TRUE);
}

static void test_effects_wait(Fixture *fixture, gconstpointer data)
{
    ask(fixture->core, fixture->seen, 'a', TRUE, 0);
    core_step(fixture->core);
    g_assert_cmpstr(fixture->seen->str, ==, "");
    slow_finish(&fixture->slow, fixture->core);
    g_assert_cmpstr(fixture->seen->str, ==, "a");
}

static void test_a_batch_is_one_commit(Fixture *fixture, gconstpointer data)
{
    for (char letter = 'a'; letter <= 'd'; letter++)
        ask(fixture->core, fixture->seen, letter, TRUE, 0);
    core_step(fixture->core);
    g_assert_cmpuint(fixture->slow.count, ==, 1);
    slow_finish(&fixture->slow, fixture->core);
    g_assert_cmpstr(fixture->seen->str, ==, "abcd");
}

static void test_order_over_batches(Fixture *fixture, gconstpointer data)
{
    ask(fixture->core, fixture->seen, 'a', TRUE, 0);
    core_step(fixture->core);
    ask(fixture->core, fixture->seen, 'b', FALSE, 0); /* writes nothing, but comes after */
    core_step(fixture->core);
    g_assert_cmpstr(fixture->seen->str, ==, "");
    slow_finish(&fixture->slow, fixture->core);
    g_assert_cmpstr(fixture->seen->str, ==, "ab");
}

static void test_readers_of_old_things_do_not_wait(Fixture *fixture, gconstpointer data)
{
    ask(fixture->core, fixture->seen, 'a', TRUE, 0); /* batch 1 */
    core_step(fixture->core);
    slow_finish(&fixture->slow, fixture->core);
    ask(fixture->core, fixture->seen, 'b', TRUE, 0); /* batch 2, under way */
    core_step(fixture->core);
    ask(fixture->core, fixture->seen, 'o', FALSE, 1);
    ask(fixture->core, fixture->seen, 'n', FALSE, 2);
    core_step(fixture->core);
    g_assert_cmpstr(fixture->seen->str, ==, "ao");
    slow_finish(&fixture->slow, fixture->core);
    g_assert_cmpstr(fixture->seen->str, ==, "aobn");
}

static void test_what_is_lost_in_a_crash_is_never_seen(Fixture *fixture, gconstpointer data)
{
    ask(fixture->core, fixture->seen, 'a', TRUE, 0);
    core_step(fixture->core);
    ask(fixture->core, fixture->seen, 'b', TRUE, 0);
    core_free(fixture->core);
    g_assert_cmpstr(fixture->seen->str, ==, "");
    fixture->core = core_new(&fixture->slow.store, &fake_clock);
}

/* The thread that commits lets some go at once; still nothing goes early, or twice, or is lost. */
static void test_any_thread_lets_go(Fixture *fixture, gconstpointer data)
{
    ask(fixture->core, fixture->seen, 'A', TRUE, 0);
    ask(fixture->core, fixture->seen, 'b', TRUE, 0);
    core_step(fixture->core);
    ask(fixture->core, fixture->seen, 'C', FALSE, 0); /* has no commit of its own to wait for */
    ask(fixture->core, fixture->seen, 'd', FALSE, 0);
    core_step(fixture->core);
    ask(fixture->core, fixture->seen, 'E', FALSE, 2); /* tells of what batch 2 has done */
    core_step(fixture->core);
    g_assert_cmpstr(fixture->seen->str, ==, "");
    slow_tell(&fixture->slow, NULL);
    g_assert_cmpstr(fixture->seen->str, ==, "A");
    core_step(fixture->core);
    g_assert_cmpuint(fixture->seen->len, ==, 5);
    for (const char *letter = "AbCdE"; *letter; letter++)
        g_assert_nonnull(strchr(fixture->seen->str, *letter));
}

static void test_a_failed_commit_tells_nothing(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = g_error_new(G_FILE_ERROR, G_FILE_ERROR_NOSPC, "disk full");
    ask(fixture->core, fixture->seen, 'A', TRUE, 0);
    core_step(fixture->core);
    slow_tell(&fixture->slow, error);
    core_step(fixture->core);
    g_assert_cmpstr(fixture->seen->str, ==, "");
    g_assert_true(core_has_failed(fixture->core));
}

static void timer_fired(Core *core, gpointer data)
{
    core_after_commit(core, note(data, 't'));
}

static void test_timers(Fixture *fixture, gconstpointer data)
{
    guint64 first = core_timer_add(fixture->core, 1000, timer_fired, fixture->seen, NULL);
    core_timer_add(fixture->core, 2000, timer_fired, fixture->seen, NULL);
    g_assert_cmpuint(first, !=, 0);
    g_assert_cmpint(core_next_timer(fixture->core), ==, fake_now + 1000);
    core_timer_cancel(fixture->core, first);
    fake_now += 1500;
    core_step(fixture->core);
    g_assert_cmpstr(fixture->seen->str, ==, "");
    fake_now += 1000;
    core_step(fixture->core);
    core_step(fixture->core);
    g_assert_cmpstr(fixture->seen->str, ==, "t");
    g_assert_cmpint(core_next_timer(fixture->core), ==, -1);
}

/* However many calls come, time goes on. */
static void test_timers_in_a_flood(Fixture *fixture, gconstpointer data)
{
    core_timer_add(fixture->core, 1000, timer_fired, fixture->seen, NULL);
    fake_now += 2000;
    for (guint i = 0; i < 5000; i++)
        ask(fixture->core, fixture->seen, '.', FALSE, 0);
    core_step(fixture->core);
    g_assert_nonnull(strchr(fixture->seen->str, 't'));
    g_assert_cmpuint(fixture->seen->len, <, 5000);
    core_finish(fixture->core);
    g_assert_cmpuint(fixture->seen->len, ==, 5001);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, test) g_test_add(path, Fixture, NULL, set_up, test, tear_down)
    ADD("/core/effects-wait", test_effects_wait);
    ADD("/core/one-commit", test_a_batch_is_one_commit);
    ADD("/core/order", test_order_over_batches);
    ADD("/core/readers", test_readers_of_old_things_do_not_wait);
    ADD("/core/crash", test_what_is_lost_in_a_crash_is_never_seen);
    ADD("/core/any-thread", test_any_thread_lets_go);
    ADD("/core/failed", test_a_failed_commit_tells_nothing);
    ADD("/core/timers", test_timers);
    ADD("/core/timers-in-a-flood", test_timers_in_a_flood);
    return g_test_run();
}
