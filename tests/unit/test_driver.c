/* The frame of the driver programs, served over pipes as oned does. */
#include "drivers/common/driver.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

typedef struct Served {
    const Driver *driver;
    int to, from; /* our ends */
    int in, out;  /* the driver's ends */
    GThread *thread;
    GString *text;
} Served;

static gpointer serve(gpointer data)
{
    Served *served = data;
    int code = driver_serve(served->driver, served->in, served->out);
    close(served->in);
    close(served->out);
    return GINT_TO_POINTER(code);
}

static Served start(const Driver *driver)
{
    int to[2], from[2];
    g_assert_cmpint(pipe2(to, O_CLOEXEC), ==, 0);
    g_assert_cmpint(pipe2(from, O_CLOEXEC), ==, 0);
    return (Served){driver, to[1], from[0], to[0], from[1], NULL, g_string_new(NULL)};
}

static void run(Served *served)
{
    served->thread = g_thread_new("driver", serve, served);
}

static void say(Served *served, const char *text)
{
    g_assert_cmpint(write(served->to, text, strlen(text)), ==, (gssize)strlen(text));
}

/* The next line of the driver without its line end (owned); NULL at the end. */
static char *hear(Served *served)
{
    char *newline;
    while (!(newline = strchr(served->text->str, '\n'))) {
        struct pollfd fd = {served->from, POLLIN, 0};
        g_assert_cmpint(poll(&fd, 1, 10000), ==, 1);
        char buffer[65536];
        gssize got = read(served->from, buffer, sizeof buffer);
        if (got <= 0)
            return NULL;
        g_string_append_len(served->text, buffer, got);
    }
    char *line = g_strndup(served->text->str, newline - served->text->str);
    g_string_erase(served->text, 0, newline - served->text->str + 1);
    return line;
}

static void expect(Served *served, const char *want)
{
    g_autofree char *line = hear(served);
    g_assert_cmpstr(line, ==, want);
}

static void expect_pattern(Served *served, const char *pattern)
{
    g_autofree char *line = hear(served);
    if (!line || !g_pattern_match_simple(pattern, line))
        g_error("heard \"%s\" instead of \"%s\"", line, pattern);
}

static void finish(Served *served)
{
    close(served->to);
    g_assert_cmpint(GPOINTER_TO_INT(g_thread_join(served->thread)), ==, 0);
    close(served->from);
    g_string_free(served->text, TRUE);
}

/* ---- a driver of the test's own ---- */

static gint begun; /* atomic */

static void run_echo(DriverJob *job)
{
    driver_job_succeed(job, driver_job_payload(job));
}

static void run_sleep(DriverJob *job)
{
    g_atomic_int_inc(&begun);
    if (driver_job_wait(job, 30000))
        driver_job_fail(job, "stopped");
    else
        driver_job_succeed(job, "slept");
}

static void end_later(DriverJob *job)
{
    driver_job_succeed(job, "later");
}

static void run_later(DriverJob *job)
{
    driver_job_later(job, 50, end_later);
}

static void run_lose(DriverJob *job)
{
    driver_job_drop(job);
}

static const DriverAction actions[] = {
    {"ECHO", run_echo, 5, DRIVER_QUEUED},
    {"QUICK", run_echo, 0, DRIVER_AT_ONCE},
    {"LATER", run_later, 5, DRIVER_AT_ONCE},
    {"LOSE", run_lose, 5, DRIVER_AT_ONCE},
    {"SLEEP", run_sleep, 0, DRIVER_QUEUED},
    {"SHORT", run_sleep, 1, DRIVER_QUEUED},
    {"POLL", run_echo, 5, DRIVER_URGENT},
    {"MEASURE", run_sleep, 5, DRIVER_OTHER_IDS},
    {NULL},
};

/* The payload's first word is the host. */
static char *queue_of(const DriverJob *job)
{
    const char *payload = driver_job_payload(job);
    return g_strndup(payload, strcspn(payload, " "));
}

static const Driver plain = {"one_test", actions, queue_of, 4, 2};

static void wait_begun(gint count)
{
    for (int i = 0; i < 24000 && g_atomic_int_get(&begun) < count; i++)
        g_usleep(5000);
    g_assert_cmpint(g_atomic_int_get(&begun), ==, count);
}

static void test_basic(void)
{
    Served served = start(&plain);
    run(&served);
    say(&served, "INIT\n");
    expect(&served, "INIT SUCCESS TAGGED");
    say(&served, "ECHO 1 h1 #3.1\n");
    expect(&served, "ECHO SUCCESS 1 h1 #3.1");
    say(&served, "QUICK  2  h1\nLATER 3 h1 #3.3\n\n");
    expect(&served, "QUICK SUCCESS 2 h1");
    expect(&served, "LATER SUCCESS 3 later #3.3");
    say(&served, "WHAT 4 x\n");
    expect(&served,
           "WHAT FAILURE 4 one_test does not know the action WHAT; it has ECHO QUICK LATER "
           "LOSE SLEEP SHORT POLL MEASURE");
    say(&served, "ECHO x\n");
    expect_pattern(&served, "LOG E - one_test cannot read a request: *");
    finish(&served);
}

static void test_epoch(void)
{
    Served served = start(&plain);
    run(&served);
    say(&served, "QUICK 1 a #5.1\nQUICK 2 b #4.9\nQUICK 3 c\nQUICK 4 d #6.1\n");
    expect(&served, "QUICK SUCCESS 1 a #5.1");
    expect_pattern(&served, "QUICK FAILURE 2 *older oned* #4.9");
    expect(&served, "QUICK SUCCESS 3 c");
    expect(&served, "QUICK SUCCESS 4 d #6.1");
    finish(&served);
}

/* Two hosts that hang take all four threads; a third host is served all the same, and the
 * first host's urgent lane too. */
static void test_hanging_hosts(void)
{
    g_atomic_int_set(&begun, 0);
    Served served = start(&plain);
    run(&served);
    say(&served, "SLEEP 1 h1\nSLEEP 2 h1\nSLEEP 3 h1\nSLEEP 4 h2\nSLEEP 5 h2\n");
    wait_begun(4);
    say(&served, "ECHO 6 h3\n");
    expect(&served, "ECHO SUCCESS 6 h3");
    say(&served, "POLL 7 h1\n");
    expect(&served, "POLL SUCCESS 7 h1");
    say(&served, "DRIVER_CANCEL 3\n");
    expect(&served, "SLEEP FAILURE 3 cancelled before it began");
    say(&served, "DRIVER_CANCEL 4\n");
    expect(&served, "SLEEP FAILURE 4 stopped");
    say(&served, "FINALIZE\n");
    finish(&served);
}

static void test_firm_limit(void)
{
    static const Driver firm = {"one_test", actions, queue_of, 2, 2, TRUE};
    g_atomic_int_set(&begun, 0);
    Served served = start(&firm);
    run(&served);
    say(&served, "SLEEP 1 h1\nSLEEP 2 h2\nSLEEP 3 h3\n");
    wait_begun(2);
    g_usleep(50 * 1000);
    wait_begun(2);
    say(&served, "DRIVER_CANCEL 1\n");
    expect(&served, "SLEEP FAILURE 1 stopped");
    wait_begun(3);
    say(&served, "FINALIZE\n");
    finish(&served);
}

/* A number names an image and a datastore: what is measured goes on when the other is cancelled. */
static void test_other_ids(void)
{
    Driver ordered = plain;
    ordered.in_order = TRUE;
    g_atomic_int_set(&begun, 0);
    Served served = start(&ordered);
    run(&served);
    say(&served, "MEASURE 1 h1\nSLEEP 1 h1\n");
    wait_begun(2); /* and neither waits for the other */
    say(&served, "DRIVER_CANCEL 1\n");
    expect(&served, "SLEEP FAILURE 1 stopped");
    say(&served, "FINALIZE\n");
    expect(&served, "MEASURE FAILURE 1 stopped");
    finish(&served);
}

/* What comes for an object while something is at work there waits for its end, not for its answer.
 */
static void test_in_order(void)
{
    Driver ordered = plain;
    ordered.in_order = TRUE;
    g_atomic_int_set(&begun, 0);
    Served served = start(&ordered);
    run(&served);
    say(&served, "SLEEP 1 h1\nQUICK 2 h1\n");
    expect(&served, "QUICK SUCCESS 2 h1");
    wait_begun(1);
    say(&served, "DRIVER_CANCEL 1\nQUICK 1 h1 #1.8\nLATER 1 h1 #1.9\nECHO 1 h1 #1.10\n");
    expect(&served, "SLEEP FAILURE 1 stopped");
    expect(&served, "QUICK SUCCESS 1 h1 #1.8");
    expect(&served, "LATER SUCCESS 1 later #1.9");
    expect(&served, "ECHO SUCCESS 1 h1 #1.10");
    finish(&served);
}

static void test_time_out(void)
{
    Served served = start(&plain);
    run(&served);
    say(&served, "SHORT 1 h1 #1.1\nSHORT 2 h1 #1.2\nSHORT 3 h1 #1.3\n");
    /* What a worker says after its time-out is a line of the log, and may come in between. */
    for (int answers = 0; answers < 3;) {
        g_autofree char *line = hear(&served);
        g_assert_nonnull(line);
        if (g_pattern_match_simple("LOG I * SHORT came to an end after its time-out*", line))
            continue;
        g_assert_true(g_pattern_match_simple("SHORT FAILURE * 1 seconds*#1.*", line));
        answers++;
    }
    finish(&served);
}

/* A lost answer does not keep the program from ending. */
static void test_lost(void)
{
    Served served = start(&plain);
    run(&served);
    say(&served, "LOSE 1 h1\nQUICK 2 h1\n");
    expect(&served, "QUICK SUCCESS 2 h1");
    finish(&served);
}

static void test_drains_at_end_of_input(void)
{
    Served served = start(&plain);
    run(&served);
    say(&served, "LATER 1 h1\nECHO 2 h1\n");
    close(served.to);
    served.to = open("/dev/null", O_WRONLY | O_CLOEXEC);
    g_autofree char *first = hear(&served);
    g_autofree char *second = hear(&served);
    g_assert_nonnull(first);
    g_assert_nonnull(second);
    g_assert_null(hear(&served));
    finish(&served);
}

/* The reader may sleep: results wait in memory and nothing is lost or mixed. */
static void test_slow_reader(void)
{
    enum { COUNT = 20000 };
    Served served = start(&plain);
    run(&served);
    g_autofree char *filler = g_strnfill(100, 'x');
    for (int i = 0; i < COUNT; i++) {
        g_autofree char *line = g_strdup_printf("%s %d %s\n", i % 50 ? "QUICK" : "ECHO", i, filler);
        say(&served, line);
    }
    close(served.to); /* what waits in memory comes all the same */
    served.to = open("/dev/null", O_WRONLY | O_CLOEXEC);
    g_autofree gboolean *seen = g_new0(gboolean, COUNT);
    for (int i = 0; i < COUNT; i++) {
        g_autofree char *line = hear(&served);
        g_auto(GStrv) fields = g_strsplit(line, " ", 4);
        g_assert_cmpstr(fields[3], ==, filler);
        int id = atoi(fields[2]);
        g_assert_false(seen[id]);
        seen[id] = TRUE;
    }
    finish(&served);
}

static gboolean init_fails(GError **error)
{
    g_set_error(error, g_quark_from_static_string("test"), 1, "no flavour of that name");
    return FALSE;
}

static gboolean prepare(DriverJob *job, GError **error)
{
    if (*driver_job_payload(job) == 'h')
        return TRUE;
    g_set_error(error, g_quark_from_static_string("test"), 1, "not a host");
    return FALSE;
}

static void test_hooks(void)
{
    static const Driver hooked = {"one_test", actions, queue_of, 0, 0, FALSE, init_fails, prepare};
    Served served = start(&hooked);
    run(&served);
    say(&served, "INIT\nQUICK 1 x\nQUICK 2 h\n");
    expect(&served, "INIT FAILURE no flavour of that name");
    expect(&served, "QUICK FAILURE 1 not a host");
    expect(&served, "QUICK SUCCESS 2 h");
    finish(&served);
}

/* When nobody reads the results any more the program ends although input stays open. */
static void test_reader_gone(void)
{
    Served served = start(&plain);
    run(&served);
    close(served.from);
    served.from = open("/dev/null", O_RDONLY | O_CLOEXEC);
    g_thread_join(served.thread);
    close(served.to);
    close(served.from);
    g_string_free(served.text, TRUE);
}

/* ---- before and after ---- */

static GString *told;

static gboolean hook_before(DriverJob *job, GError **error)
{
    g_string_append_printf(told, "before %s;", driver_job_payload(job));
    if (g_str_equal(driver_job_payload(job), "never"))
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "not allowed");
    return !g_str_equal(driver_job_payload(job), "never");
}

static void hook_run(DriverJob *job)
{
    g_string_append_printf(told, "run %s;", driver_job_payload(job));
    if (g_str_equal(driver_job_payload(job), "bad"))
        driver_job_fail(job, "went wrong");
    else
        driver_job_succeed(job, NULL);
}

static void hook_ending(DriverJob *job, gboolean success)
{
    g_string_append_printf(told, "ending %s %d;", driver_job_payload(job), success);
}

/* What an action needs is made before it and undone when it fails, all before it is answered. */
static void test_before_and_ending(void)
{
    static const DriverAction hooked[] = {
        {"DEPLOY", hook_run, 10, DRIVER_QUEUED, hook_before, hook_ending}, {NULL}};
    const Driver driver = {.program = "test", .actions = hooked, .in_order = TRUE};
    Served served = start(&driver);
    told = g_string_new(NULL);
    run(&served);
    say(&served, "DEPLOY 1 good\n");
    expect(&served, "DEPLOY SUCCESS 1 -");
    g_assert_cmpstr(told->str, ==, "before good;run good;ending good 1;");
    g_string_truncate(told, 0);
    say(&served, "DEPLOY 1 bad\n");
    expect(&served, "DEPLOY FAILURE 1 went wrong");
    g_assert_cmpstr(told->str, ==, "before bad;run bad;ending bad 0;");
    g_string_truncate(told, 0);
    say(&served, "DEPLOY 1 never\n");
    expect(&served, "DEPLOY FAILURE 1 not allowed");
    g_assert_cmpstr(told->str, ==, "before never;ending never 0;");
    finish(&served);
    g_string_free(told, TRUE);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/driver/basic", test_basic);
    g_test_add_func("/driver/epoch", test_epoch);
    g_test_add_func("/driver/hanging_hosts", test_hanging_hosts);
    g_test_add_func("/driver/firm_limit", test_firm_limit);
    g_test_add_func("/driver/other_ids", test_other_ids);
    g_test_add_func("/driver/in_order", test_in_order);
    g_test_add_func("/driver/time_out", test_time_out);
    g_test_add_func("/driver/lost", test_lost);
    g_test_add_func("/driver/drains_at_end_of_input", test_drains_at_end_of_input);
    g_test_add_func("/driver/slow_reader", test_slow_reader);
    g_test_add_func("/driver/hooks", test_hooks);
    g_test_add_func("/driver/reader_gone", test_reader_gone);
    g_test_add_func("/driver/before_and_ending", test_before_and_ending);
    return g_test_run();
}
