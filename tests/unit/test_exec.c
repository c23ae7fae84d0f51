/* Commands in guests: whatever the driver says or does not say, each comes to an end of its own. */
#include "tests/unit/small_life.h"

static const char *known(const Fixture *fixture, const char *name)
{
    const TemplateAttribute *exec = template_vector(fixture->vm->head.template, "QEMU_GA_EXEC", 0);
    return exec ? attribute_get(exec, name) : NULL;
}

static void expect_status(const Fixture *fixture, const char *status)
{
    g_assert_cmpstr(known(fixture, "STATUS"), ==, status);
    g_assert_true((known(fixture, "PID") != NULL) == !strcmp(status, "EXECUTING"));
}

static void expect_reason(const Fixture *fixture, const char *words)
{
    gsize length = 0;
    g_autofree guchar *bytes = g_base64_decode(known(fixture, "STDERR"), &length);
    g_autofree char *text = g_strndup((const char *)bytes, length);
    g_test_message("%s", text);
    g_assert_nonnull(strstr(text, words));
}

static void begin(Fixture *fixture, const char *command)
{
    g_autoptr(GError) error = NULL;
    vm_exec(fixture->lifecycle, fixture->vm, command, "", &asker, &error);
    g_assert_no_error(error);
    small_settle(fixture->small);
}

static void started(Fixture *fixture, const char *command)
{
    begin(fixture, command);
    answer(fixture, "EXEC", TRUE, "17");
    expect_status(fixture, "EXECUTING");
}

static void cancel(Fixture *fixture)
{
    g_assert_true(vm_exec_cancel(fixture->lifecycle, fixture->vm, &asker, NULL));
    small_settle(fixture->small);
}

/* A second later; both hosts are well. */
static void wait(Fixture *fixture)
{
    small_wait(fixture->small, 1);
    for (gint32 i = 0; i < 2; i++)
        if (host_get(fixture->small->world, i)->request)
            report(fixture, i, FALSE, "");
}

/* The number of the next question of that kind. */
static guint64 asked_next(Fixture *fixture, const char *action)
{
    for (guint i = 0; i < 100 && !sent_last(fixture, action); i++)
        wait(fixture);
    const DriverRequest *request = sent_last(fixture, action);
    g_assert_nonnull(request);
    fixture->seen = fixture->small->sent->len;
    return request->number;
}

static guint count(const Fixture *fixture, const char *action)
{
    guint found = 0;
    for (guint i = fixture->seen; i < fixture->small->sent->len; i++)
        found += !strcmp(((DriverRequest *)fixture->small->sent->pdata[i])->action, action);
    return found;
}

#define DONE(code) "STATUS=DONE\nRETURN_CODE=" #code "\n"

static void say_about(Fixture *fixture, guint64 number, const char *text)
{
    g_autofree char *info = g_base64_encode((const guchar *)text, strlen(text));
    say(fixture, number, TRUE, FALSE, info);
}

static void test_questions_in_vain(Fixture *fixture, gconstpointer data)
{
    put(fixture, VM_ACTIVE, LCM_RUNNING);
    started(fixture, "first");
    for (guint i = 0; i < 9; i++)
        say(fixture, asked_next(fixture, "EXECPOLL"), FALSE, i % 2, "no route");
    expect_status(fixture, "EXECUTING");
    say_about(fixture, asked_next(fixture, "EXECPOLL"), "STATUS=EXECUTING\n"); /* there it is */
    for (guint i = 0; i < 10; i++) {
        expect_status(fixture, "EXECUTING");
        say(fixture, asked_next(fixture, "EXECPOLL"), FALSE, FALSE, "no route");
    }
    expect_status(fixture, "ERROR");
    expect_reason(fixture, "no route");
    for (guint i = 0; i < 30; i++)
        wait(fixture);
    g_assert_cmpuint(count(fixture, "EXECPOLL"), ==, 0);
    started(fixture, "second");
    say_about(fixture, asked_next(fixture, "EXECPOLL"), DONE(3));
    expect_status(fixture, "DONE");
    g_assert_cmpstr(known(fixture, "RETURN_CODE"), ==, "3");
    g_assert_null(known(fixture, "TRUNCATED"));
}

static void test_it_says_too_much(Fixture *fixture, gconstpointer data)
{
    static const char *const cases[][2] = {{"YES", "YES"}, {"ENDED", "ENDED"}, {"x", "YES"}};
    put(fixture, VM_ACTIVE, LCM_RUNNING);
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text =
            g_strdup_printf("STATUS=DONE\nRETURN_CODE=0\nTRUNCATED=%s\n", cases[i][0]);
        started(fixture, "loud");
        say_about(fixture, asked_next(fixture, "EXECPOLL"), text);
        expect_status(fixture, "DONE");
        g_assert_cmpstr(known(fixture, "TRUNCATED"), ==, cases[i][1]);
    }
    /* More than is taken from a driver. */
    g_autofree char *letters = g_strnfill(100000, 'A');
    g_autofree char *text = g_strdup_printf("STATUS=DONE\nRETURN_CODE=0\nSTDERR=%s\n", letters);
    started(fixture, "loud");
    say_about(fixture, asked_next(fixture, "EXECPOLL"), text);
    g_assert_null(known(fixture, "STDERR"));
    g_assert_cmpstr(known(fixture, "TRUNCATED"), ==, "YES");
}

static void test_cancel_fails(Fixture *fixture, gconstpointer data)
{
    put(fixture, VM_ACTIVE, LCM_RUNNING);
    started(fixture, "first");
    cancel(fixture);
    answer(fixture, "EXEC_CANCEL", FALSE, "no such process");
    expect_status(fixture, "CANCELLED");
    expect_reason(fixture, "no such process");
    started(fixture, "second");
}

/* What comes late is about the command before. */
static void test_late_answers(Fixture *fixture, gconstpointer data)
{
    put(fixture, VM_ACTIVE, LCM_RUNNING);
    started(fixture, "first");
    guint64 late = asked_next(fixture, "EXECPOLL");
    cancel(fixture);
    answer(fixture, "EXEC_CANCEL", TRUE, "-");
    expect_status(fixture, "CANCELLED");
    begin(fixture, "second");
    say_about(fixture, late, DONE(1));
    answer(fixture, "EXEC", TRUE, "18");
    expect_status(fixture, "EXECUTING");
    g_assert_cmpstr(known(fixture, "PID"), ==, "18");
    say_about(fixture, asked_next(fixture, "EXECPOLL"), DONE(2));
    g_assert_cmpstr(known(fixture, "RETURN_CODE"), ==, "2");
}

/* Each command is asked about as often as the first. */
static void test_one_question_at_a_time(Fixture *fixture, gconstpointer data)
{
    put(fixture, VM_ACTIVE, LCM_RUNNING);
    for (guint i = 0; i < 5; i++) {
        started(fixture, "one of many");
        say_about(fixture, asked_next(fixture, "EXECPOLL"), "STATUS=EXECUTING\n");
        small_wait(fixture->small, i % 3);
        cancel(fixture);
        answer(fixture, "EXEC_CANCEL", TRUE, "-");
    }
    started(fixture, "the last");
    guint questions = 0;
    for (guint i = 0; i < 60; i++) {
        wait(fixture);
        questions += count(fixture, "EXECPOLL");
        const DriverRequest *request = sent_last(fixture, "EXECPOLL");
        guint64 number = request ? request->number : 0;
        fixture->seen = fixture->small->sent->len;
        if (number)
            say_about(fixture, number, "STATUS=EXECUTING\n");
    }
    g_assert_cmpuint(questions, >=, 5);
    g_assert_cmpuint(questions, <=, 15);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, test) g_test_add("/exec/" path, Fixture, NULL, set_up, test, tear_down)
    ADD("questions-in-vain", test_questions_in_vain);
    ADD("it-says-too-much", test_it_says_too_much);
    ADD("cancel-fails", test_cancel_fails);
    ADD("late-answers", test_late_answers);
    ADD("one-question", test_one_question_at_a_time);
    return g_test_run();
}
