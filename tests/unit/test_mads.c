/*
 * Driver processes: shell scripts that answer with and without tags, die, hang, and write what is
 * none of the protocol.
 */
#include "server/mads/process.h"

#include "lib/base/log.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>

#define EPOCH 3

static char *sandbox; /* a directory of this test's own */

/* Answers INIT, then each request with what follows its action. */
#define LOOP(ready, answer)                                                                        \
    "while read action rest; do case $action in INIT) echo '" ready "';; FINALIZE) exit 0;; "      \
    "*) " answer ";; esac; done"

typedef struct Fixture {
    GMainContext *context;
    Process *process;
    GString *heard; /* "line N text|", "lost N|", "refused N reason|" */
} Fixture;

static void heard_line(Process *process, guint64 number, const char *text, gpointer data)
{
    g_string_append_printf(data, "line %" G_GUINT64_FORMAT " %s|", number, text);
}

static void heard_lost(Process *process, guint64 number, gpointer data)
{
    g_string_append_printf(data, "lost %" G_GUINT64_FORMAT "|", number);
}

static void heard_refused(Process *process, const DriverRequest *request, const char *reason,
                          gpointer data)
{
    g_string_append_printf(data, "refused %" G_GUINT64_FORMAT " %s|", request->number, reason);
}

static void heard_ready(Process *process, const char *said, gpointer data)
{
    if (strstr(said, "LACKS"))
        g_string_append_printf(data, "ready %s|", said);
}

static const ProcessEvents events = {heard_line, heard_lost, heard_ready, heard_refused};

static void begin(Fixture *fixture, const char *script)
{
    char *argv[] = {"/bin/sh", "-c", (char *)script, NULL};
    g_auto(GStrv) environment = g_get_environ();
    fixture->context = g_main_context_new();
    fixture->heard = g_string_new(NULL);
    fixture->process = process_new(fixture->context, DRIVER_VIRTUALIZATION, "script", argv,
                                   environment, EPOCH, &events, fixture->heard);
}

static void end(Fixture *fixture)
{
    process_free(fixture->process);
    g_main_context_unref(fixture->context);
    g_string_free(fixture->heard, TRUE);
}

static void ask(Fixture *fixture, const char *action, gint64 id, guint64 number)
{
    DriverRequest *request = g_new0(DriverRequest, 1);
    request->class = DRIVER_VIRTUALIZATION;
    request->driver = g_strdup("script");
    request->action = g_strdup(action);
    request->id = id;
    request->payload = g_strdup("x");
    request->number = number;
    process_send(fixture->process, request);
}

/* Runs until the text was heard. */
static void until(Fixture *fixture, const char *text)
{
    gint64 limit = g_get_monotonic_time() + 120 * G_USEC_PER_SEC;
    while (!strstr(fixture->heard->str, text)) {
        if (g_get_monotonic_time() > limit)
            g_error("waited in vain for \"%s\"; heard: %.2000s", text, fixture->heard->str);
        if (!g_main_context_iteration(fixture->context, FALSE))
            g_usleep(1000);
    }
}

static void linger(Fixture *fixture, guint milliseconds)
{
    for (guint i = 0; i < milliseconds; i++) {
        while (g_main_context_iteration(fixture->context, FALSE))
            ;
        g_usleep(1000);
    }
}

static void until_ended(Fixture *fixture)
{
    gint64 limit = g_get_monotonic_time() + 120 * G_USEC_PER_SEC;
    while (process_is_running(fixture->process)) {
        g_assert_cmpint(g_get_monotonic_time(), <, limit);
        if (!g_main_context_iteration(fixture->context, FALSE))
            g_usleep(1000);
    }
}

static void test_tagged(void)
{
    Fixture fixture;
    /* the last word of a request is its tag */
    begin(&fixture, LOOP("INIT SUCCESS TAGGED", "set -- $rest; echo $action SUCCESS $1 done $3"));
    ask(&fixture, "DEPLOY", 4, 11);
    ask(&fixture, "DEPLOY", 4, 12);
    until(&fixture, "line 12 ");
    g_assert_cmpstr(fixture.heard->str, ==,
                    "line 11 DEPLOY SUCCESS 4 done #3.11|line 12 DEPLOY SUCCESS 4 done #3.12|");
    end(&fixture);
}

static void test_other_epoch(void)
{
    Fixture fixture;
    begin(&fixture, LOOP("INIT SUCCESS TAGGED", "echo $action SUCCESS 4 old '#2.11'"));
    ask(&fixture, "DEPLOY", 4, 11);
    until(&fixture, "line 0 ");
    end(&fixture);
}

static void test_what_it_lacks(void)
{
    Fixture fixture;
    begin(&fixture,
          LOOP("INIT SUCCESS TAGGED LACKS=SAVE,RESET", "echo $action SUCCESS 4 x '#3.11'"));
    ask(&fixture, "DEPLOY", 4, 11);
    until(&fixture, "line 11 ");
    g_assert_true(g_str_has_prefix(fixture.heard->str, "ready TAGGED LACKS=SAVE,RESET|"));
    end(&fixture);
}

static void test_untagged(void)
{
    Fixture fixture;
    begin(&fixture, LOOP("INIT SUCCESS", "set -- $rest; echo $action FAILURE $1 because [$*]"));
    ask(&fixture, "DEPLOY", 4, 11);
    ask(&fixture, "DEPLOY", 5, 12);
    ask(&fixture, "CANCEL", 4, 13);
    until(&fixture, "line 13 ");
    g_assert_cmpstr(fixture.heard->str, ==,
                    "line 11 DEPLOY FAILURE 4 because [4 x]|line 12 DEPLOY FAILURE 5 because [5 "
                    "x]|line 13 CANCEL FAILURE 4 because [4 x]|");
    end(&fixture);
}

static void test_events_and_logs(void)
{
    Fixture fixture;
    begin(&fixture, LOOP("INIT SUCCESS TAGGED",
                         "echo 'LOG I 4 working'; echo 'STATE_VM SUCCESS 4 eA=='; echo $action "
                         "SUCCESS 4 '#3.11'"));
    ask(&fixture, "DEPLOY", 4, 11);
    until(&fixture, "line 11 ");
    g_assert_true(g_str_has_prefix(fixture.heard->str,
                                   "line 0 LOG I 4 working|line 0 STATE_VM SUCCESS 4 eA==|"));
    end(&fixture);
}

static void test_garbage(void)
{
    Fixture fixture;
    begin(&fixture,
          "echo; echo what is this; printf 'DEPLOY\\0SUCCESS\\n'; printf '\\377\\376\\n'; "
          "echo nonsense >&2; " LOOP("INIT SUCCESS TAGGED",
                                     "echo SUCCESS; echo $action SUCCESS 4 '#3.11'"));
    ask(&fixture, "DEPLOY", 4, 11);
    until(&fixture, "line 11 ");
    end(&fixture);
}

/* It dies with a request: that one is lost, and the next goes to a new process. */
static void test_dies(void)
{
    Fixture fixture;
    begin(&fixture, LOOP("INIT SUCCESS TAGGED",
                         "set -- $rest; [ $action = DIE ] && exit 3; echo $action SUCCESS $1 $3"));
    ask(&fixture, "DEPLOY", 4, 11);
    until(&fixture, "line 11 ");
    ask(&fixture, "DIE", 5, 12);
    until(&fixture, "lost 12|");
    ask(&fixture, "DEPLOY", 6, 13);
    until(&fixture, "line 13 ");
    g_assert_null(strstr(fixture.heard->str, "lost 11"));
    end(&fixture);
}

/* What it wrote last counts, though it is dead. */
static void test_last_words(void)
{
    Fixture fixture;
    begin(&fixture, LOOP("INIT SUCCESS TAGGED", "echo $action SUCCESS 4 '#3.11'; kill -9 $$"));
    ask(&fixture, "DEPLOY", 4, 11);
    until(&fixture, "line 11 ");
    linger(&fixture, 300);
    g_assert_null(strstr(fixture.heard->str, "lost"));
    end(&fixture);
}

/* Its death is seen though a child of its own holds the pipe, and the child does not go on. */
static void test_dies_with_children(void)
{
    Fixture fixture;
    g_autofree char *path = g_build_filename(sandbox, "child", NULL);
    g_autofree char *script =
        g_strdup_printf(LOOP("INIT SUCCESS TAGGED", "sleep 1000 & echo $! > %s; kill -9 $$"), path);
    begin(&fixture, script);
    ask(&fixture, "DEPLOY", 4, 11);
    until(&fixture, "lost 11|");
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    pid_t child = (pid_t)g_ascii_strtoll(text, NULL, 10);
    gint64 limit = g_get_monotonic_time() + 120 * G_USEC_PER_SEC;
    g_autofree char *stat_path = g_strdup_printf("/proc/%d/stat", child);
    for (;;) {
        g_autofree char *stat = NULL;
        if (!g_file_get_contents(stat_path, &stat, NULL, NULL) || strstr(stat, ") Z "))
            break;
        g_assert_cmpint(g_get_monotonic_time(), <, limit);
        g_usleep(10000);
    }
    end(&fixture);
}

/* One that ends before it is ready: requests are answered, not kept for a better day. */
static void test_never_ready(void)
{
    Fixture fixture;
    begin(&fixture, "read line; exit 7");
    ask(&fixture, "DEPLOY", 4, 11);
    until(&fixture, "refused 11 driver script cannot start: ended with code 7|");
    end(&fixture);
}

static void test_init_fails(void)
{
    Fixture fixture;
    begin(&fixture, LOOP("INIT FAILURE - no libvirt here", "true"));
    ask(&fixture, "DEPLOY", 4, 11);
    until(&fixture, "refused 11 driver script cannot start: no libvirt here|");
    end(&fixture);
}

static void test_no_such_program(void)
{
    Fixture fixture;
    char *argv[] = {"/nonexistent/driver", NULL};
    begin(&fixture, "true");
    process_free(fixture.process);
    fixture.process = process_new(fixture.context, DRIVER_VIRTUALIZATION, "script", argv, NULL,
                                  EPOCH, &events, fixture.heard);
    ask(&fixture, "DEPLOY", 4, 11);
    until(&fixture, "refused 11 driver script cannot be started: ");
    end(&fixture);
}

/* Starts over and over, with pauses, and goes on when it can. */
static void test_back_off(void)
{
    Fixture fixture;
    g_autofree char *path = g_build_filename(sandbox, "starts", NULL);
    g_autofree char *script =
        g_strdup_printf("echo >> %s; [ $(wc -l < %s) -lt 4 ] && exit 1; " LOOP(
                            "INIT SUCCESS TAGGED", "echo $action SUCCESS 4 '#3.12'"),
                        path, path);
    begin(&fixture, script);
    gint64 from = g_get_monotonic_time();
    ask(&fixture, "DEPLOY", 4, 11);
    until(&fixture, "refused 11 ");
    for (guint64 number = 12; !strstr(fixture.heard->str, "line 12 "); number++) {
        g_assert_cmpint(number, <, 600);
        ask(&fixture, "DEPLOY", 4, number);
        linger(&fixture, 200);
    }
    g_assert_cmpint(g_get_monotonic_time() - from, >, 2 * G_USEC_PER_SEC);
    end(&fixture);
}

/* A line without end: the driver is ended, memory is not. */
static void test_endless_line(void)
{
    Fixture fixture;
    begin(&fixture, LOOP("INIT SUCCESS TAGGED", "exec cat /dev/zero | tr '\\0' a"));
    ask(&fixture, "DEPLOY", 4, 11);
    until(&fixture, "lost 11|");
    end(&fixture);
}

static void test_endless_complaint(void)
{
    Fixture fixture;
    begin(&fixture, LOOP("INIT SUCCESS TAGGED", "head -c 300000 /dev/zero | tr '\\0' a >&2; echo "
                                                "$action SUCCESS 4 '#3.11'"));
    ask(&fixture, "DEPLOY", 4, 11);
    until(&fixture, "line 11 ");
    end(&fixture);
}

static void test_finalize(void)
{
    Fixture fixture;
    begin(&fixture, LOOP("INIT SUCCESS TAGGED", "echo $action SUCCESS 4 '#3.11'"));
    ask(&fixture, "DEPLOY", 4, 11);
    until(&fixture, "line 11 ");
    process_finalize(fixture.process);
    until_ended(&fixture);
    end(&fixture);
}

/* One that does not read: nothing blocks, and it is gone at the end. */
static void test_does_not_read(void)
{
    Fixture fixture;
    begin(&fixture, "echo INIT SUCCESS TAGGED; echo 'LOG I 0 ready'; exec sleep 1000");
    ask(&fixture, "DEPLOY", 0, 1);
    until(&fixture, "ready");
    for (guint64 number = 2; number < 20000; number++)
        ask(&fixture, "DEPLOY", 4, number);
    gint64 from = g_get_monotonic_time();
    end(&fixture);
    g_assert_cmpint(g_get_monotonic_time() - from, <, 60 * G_USEC_PER_SEC);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    sandbox = g_dir_make_tmp("globule-mads-XXXXXX", NULL);
    signal(SIGPIPE, SIG_IGN);
    log_open(LOG_TO_FILE, "/dev/null", LOG_ERROR, NULL);
    g_test_add_func("/mads/tagged", test_tagged);
    g_test_add_func("/mads/other-epoch", test_other_epoch);
    g_test_add_func("/mads/what-it-lacks", test_what_it_lacks);
    g_test_add_func("/mads/untagged", test_untagged);
    g_test_add_func("/mads/events-and-logs", test_events_and_logs);
    g_test_add_func("/mads/garbage", test_garbage);
    g_test_add_func("/mads/dies", test_dies);
    g_test_add_func("/mads/last-words", test_last_words);
    g_test_add_func("/mads/dies-with-children", test_dies_with_children);
    g_test_add_func("/mads/never-ready", test_never_ready);
    g_test_add_func("/mads/init-fails", test_init_fails);
    g_test_add_func("/mads/no-such-program", test_no_such_program);
    g_test_add_func("/mads/back-off", test_back_off);
    g_test_add_func("/mads/endless-line", test_endless_line);
    g_test_add_func("/mads/endless-complaint", test_endless_complaint);
    g_test_add_func("/mads/finalize", test_finalize);
    g_test_add_func("/mads/does-not-read", test_does_not_read);
    int code = g_test_run();
    g_autofree char *child = g_build_filename(sandbox, "child", NULL);
    g_autofree char *starts = g_build_filename(sandbox, "starts", NULL);
    g_unlink(child);
    g_unlink(starts);
    g_rmdir(sandbox);
    g_free(sandbox);
    return code;
}
