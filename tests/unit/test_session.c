#include "server/auth/session.h"

#include "lib/base/log.h"
#include "server/auth/password.h"
#include "tests/unit/cpu_time.h"
#include <string.h>

static char *verifier_of_secret; /* one for all cases: each takes milliseconds */

typedef struct Asked {
    GMutex lock;
    GCond done;
    gint answers;
    SessionAnswer last;
} Asked;

static void note(const SessionAnswer *answer, gpointer data)
{
    Asked *asked = data;
    g_mutex_lock(&asked->lock);
    asked->answers++;
    asked->last = *answer;
    g_cond_signal(&asked->done);
    g_mutex_unlock(&asked->lock);
}

static void wait_for(Asked *asked, gint answers)
{
    g_mutex_lock(&asked->lock);
    while (asked->answers < answers)
        g_cond_wait(&asked->done, &asked->lock);
    g_mutex_unlock(&asked->lock);
}

static Sessions *make(gboolean allow_2009, guint remember_seconds)
{
    SessionsOptions options = sessions_options_default();
    options.allow_2009_without_password = allow_2009;
    options.remember_seconds = remember_seconds;
    options.delay_msec = 20;
    Sessions *sessions = sessions_new(&options);
    sessions_put_user(sessions, "oneadmin", 0, TRUE, "core", verifier_of_secret);
    sessions_put_user(sessions, "alice", 2, TRUE, "core", verifier_of_secret);
    return sessions;
}

/* Asks and waits; `at_once` tells whether no verification was needed. */
static SessionAnswer ask(Sessions *sessions, const char *session, gboolean *at_once)
{
    Asked asked = {0};
    const SessionQuestion question = {session, "127.0.0.1", TRUE, FALSE};
    SessionAnswer answer;
    gboolean now = sessions_ask(sessions, &question, &answer, note, &asked);
    if (at_once)
        *at_once = now;
    if (now)
        return answer;
    wait_for(&asked, 1);
    return asked.last;
}

static void test_forms(void)
{
    g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA1, "secret", -1);
    g_autofree char *old = g_strconcat("alice:", digest, NULL);
    Sessions *sessions = make(FALSE, 900);
    gboolean at_once = TRUE;
    SessionAnswer answer = ask(sessions, "alice:secret", &at_once);
    g_assert_cmpint(answer.uid, ==, 2);
    g_assert_cmpint(answer.token_gid, ==, -1);
    g_assert_false(answer.old_form);
    g_assert_false(at_once);
    answer = ask(sessions, "alice:secret", &at_once);
    g_assert_cmpint(answer.uid, ==, 2);
    g_assert_true(at_once);

    answer = ask(sessions, old, NULL);
    g_assert_cmpint(answer.uid, ==, 2);
    g_assert_true(answer.old_form);
    answer = ask(sessions, old, &at_once);
    g_assert_true(at_once);
    g_assert_true(answer.old_form);

    static const char *const wrong[] = {
        "",           "alice",        "alice:",    "alice:wrong",  ":secret",
        "bob:secret", "Alice:secret", "sessionID", "alice:secret:"};
    for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++)
        g_assert_cmpint(ask(sessions, wrong[i], NULL).uid, ==, -1);
    sessions_free(sessions);
}

/* SESSION_EXPIRATION_TIME of a reload: also what is remembered already is forgotten in time. */
static void test_remembered(void)
{
    Sessions *sessions = make(FALSE, 900);
    gboolean at_once = FALSE;
    g_assert_cmpint(ask(sessions, "alice:secret", NULL).uid, ==, 2);
    sessions_set_remembered(sessions, 0);
    for (int i = 0; i < 2; i++) { /* nor is it remembered again */
        g_assert_cmpint(ask(sessions, "alice:secret", &at_once).uid, ==, 2);
        g_assert_false(at_once);
    }
    sessions_set_remembered(sessions, 900);
    g_assert_cmpint(ask(sessions, "alice:secret", NULL).uid, ==, 2);
    g_assert_cmpint(ask(sessions, "alice:secret", &at_once).uid, ==, 2);
    g_assert_true(at_once);
    sessions_free(sessions);
}

static void test_changes(void)
{
    Sessions *sessions = make(FALSE, 900);
    gboolean at_once = FALSE;
    g_assert_cmpint(ask(sessions, "alice:secret", NULL).uid, ==, 2);

    /* Nothing has changed: still remembered. */
    sessions_put_user(sessions, "alice", 2, TRUE, "core", verifier_of_secret);
    g_assert_cmpint(ask(sessions, "alice:secret", &at_once).uid, ==, 2);
    g_assert_true(at_once);
    sessions_forget(sessions, 2);
    g_assert_cmpint(ask(sessions, "alice:secret", &at_once).uid, ==, 2);
    g_assert_false(at_once);

    g_autofree char *other = password_verifier("other", NULL);
    sessions_put_user(sessions, "alice", 2, TRUE, "core", other);
    g_assert_cmpint(ask(sessions, "alice:secret", NULL).uid, ==, -1);
    g_assert_cmpint(ask(sessions, "alice:other", NULL).uid, ==, 2);
    sessions_put_user(sessions, "alice", 2, FALSE, "core", other);
    g_assert_cmpint(ask(sessions, "alice:other", NULL).uid, ==, -1);
    sessions_put_user(sessions, "alice", 2, TRUE, "public", other);
    g_assert_cmpint(ask(sessions, "alice:other", NULL).uid, ==, -1);
    sessions_put_user(sessions, "anna", 2, TRUE, "core", other);
    g_assert_cmpint(ask(sessions, "alice:other", NULL).uid, ==, -1);
    g_assert_cmpint(ask(sessions, "anna:other", NULL).uid, ==, 2);
    sessions_remove_user(sessions, 2);
    g_assert_cmpint(ask(sessions, "anna:other", NULL).uid, ==, -1);
    sessions_remove_user(sessions, 2);
    /* The id is used again: what was remembered of the first is not of the second. */
    sessions_put_user(sessions, "anna", 2, TRUE, "core", verifier_of_secret);
    g_assert_cmpint(ask(sessions, "anna:other", NULL).uid, ==, -1);
    sessions_free(sessions);
}

static void test_expiry(void)
{
    Sessions *sessions = make(FALSE, 1);
    gboolean at_once = FALSE;
    ask(sessions, "alice:secret", NULL);
    ask(sessions, "alice:secret", &at_once);
    g_assert_true(at_once);
    g_usleep(1100000);
    g_assert_cmpint(ask(sessions, "alice:secret", &at_once).uid, ==, 2);
    g_assert_false(at_once);
    sessions_free(sessions);
}

static void test_2009(void)
{
    static const struct {
        gboolean allowed, local, old_method;
        const char *session;
        gint32 uid;
    } cases[] = {
        {TRUE, TRUE, TRUE, "sessionID", 0},   {TRUE, TRUE, TRUE, "session", 0},
        {TRUE, TRUE, TRUE, "other", -1},      {TRUE, TRUE, FALSE, "sessionID", -1},
        {TRUE, FALSE, TRUE, "sessionID", -1}, {FALSE, TRUE, TRUE, "sessionID", -1},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        Sessions *sessions = make(cases[i].allowed, 900);
        const SessionQuestion question = {cases[i].session, "127.0.0.1", cases[i].local,
                                          cases[i].old_method};
        SessionAnswer answer;
        g_assert_true(sessions_ask(sessions, &question, &answer, note, NULL));
        g_assert_cmpint(answer.uid, ==, cases[i].uid);
        if (cases[i].old_method && g_str_has_prefix(cases[i].session, "session"))
            g_assert_true(answer.old_form);
        sessions_free(sessions);
    }
}

/* Many questions about one session at the same time are one verification. */
static void test_together(void)
{
    Sessions *sessions = make(FALSE, 900);
    Asked asked = {0};
    const SessionQuestion question = {"alice:secret", "127.0.0.1", TRUE, FALSE};
    SessionAnswer answer;
    gint64 start = cpu_time();
    for (int i = 0; i < 200; i++)
        if (sessions_ask(sessions, &question, &answer, note, &asked))
            note(&answer, &asked);
    wait_for(&asked, 200);
    g_assert_cmpint(asked.last.uid, ==, 2);
    /* 200 verifications would take many seconds. */
    g_assert_cmpint(cpu_time() - start, <, 2 * G_USEC_PER_SEC);
    sessions_free(sessions);
}

/* Microseconds of the quickest of some first attempts, each of another name and address: one may
 * be held up by what else the computer does. */
static gint64 quickest_of_others(Sessions *sessions)
{
    gint64 best = G_MAXINT64;
    for (int i = 0; i < 20 && best >= 200000; i++) {
        g_autofree char *session = g_strdup_printf("nobody%d:x", i);
        g_autofree char *address = g_strdup_printf("192.0.2.%d", 10 + i);
        const SessionQuestion question = {session, address, FALSE, FALSE};
        Asked asked = {0};
        SessionAnswer answer;
        gint64 start = g_get_monotonic_time();
        if (!sessions_ask(sessions, &question, &answer, note, &asked))
            wait_for(&asked, 1);
        best = MIN(best, g_get_monotonic_time() - start);
    }
    return best;
}

static void test_slower(void)
{
    Sessions *sessions = make(FALSE, 900);
    gint64 first = 0, last = 0;
    for (int i = 0; i < 9; i++) {
        g_autofree char *session = g_strdup_printf("alice:wrong%d", i);
        gint64 start = g_get_monotonic_time();
        g_assert_cmpint(ask(sessions, session, NULL).uid, ==, -1);
        last = g_get_monotonic_time() - start;
        if (i == 0)
            first = last;
    }
    g_assert_cmpint(last, >, first + 200000); /* 20 ms doubled four times */
    /* Another user from another address is not delayed. */
    Asked asked = {0};
    const SessionQuestion question = {"oneadmin:secret", "192.0.2.1", FALSE, FALSE};
    SessionAnswer answer;
    if (!sessions_ask(sessions, &question, &answer, note, &asked))
        wait_for(&asked, 1);
    g_assert_cmpint(asked.last.uid, ==, 0);
    g_assert_cmpint(quickest_of_others(sessions), <, 200000);
    sessions_free(sessions);
}

static void got_verifier(char *verifier, gpointer data)
{
    Asked *asked = data;
    g_assert_true(verifier && password_verify(verifier, "new"));
    g_free(verifier);
    const SessionAnswer answer = {0};
    note(&answer, asked);
}

static void test_hash(void)
{
    Sessions *sessions = make(FALSE, 900);
    Asked asked = {0};
    sessions_hash(sessions, "new", got_verifier, &asked);
    wait_for(&asked, 1);
    sessions_free(sessions);
}

static void test_end(void)
{
    Sessions *sessions = make(FALSE, 900);
    Asked asked = {0};
    for (int i = 0; i < 30; i++) {
        g_autofree char *session = g_strdup_printf("alice:%d", i);
        const SessionQuestion question = {session, "127.0.0.1", TRUE, FALSE};
        SessionAnswer answer;
        sessions_ask(sessions, &question, &answer, note, &asked);
    }
    sessions_free(sessions);
    g_assert_cmpint(asked.answers, ==, 30); /* nobody is left waiting */
    g_assert_cmpint(asked.last.uid, ==, -1);
}

static void test_speed(void)
{
    Sessions *sessions = make(FALSE, 900);
    ask(sessions, "alice:secret", NULL);
    const SessionQuestion question = {"alice:secret", "127.0.0.1", TRUE, FALSE};
    SessionAnswer answer;
    const int rounds = 100000;
    gint64 start = g_get_monotonic_time();
    for (int i = 0; i < rounds; i++)
        g_assert_true(sessions_ask(sessions, &question, &answer, note, NULL));
    g_test_message("a remembered session takes %.2f us",
                   (double)(g_get_monotonic_time() - start) / rounds);
    sessions_free(sessions);
}

/* ---- drivers ---- */

/* A driver that says at once what the secret asks for. */
static void driver(guint64 number, const char *user, const char *secret, gpointer data)
{
    Sessions *sessions = data;
    SessionVerdict verdict = {-1, -1, -1, -1, TRUE, NULL};
    gint64 now = g_get_real_time() / G_USEC_PER_SEC;
    if (!strcmp(secret, "good"))
        verdict = (SessionVerdict){3, -1, 3, -1, FALSE, NULL};
    else if (!strcmp(secret, "brief"))
        verdict = (SessionVerdict){3, -1, 3, now, FALSE, NULL};
    else if (!strcmp(secret, "for alice"))
        verdict = (SessionVerdict){2, 100, 3, -1, FALSE, NULL};
    else if (!strcmp(secret, "for nobody"))
        verdict = (SessionVerdict){4711, -1, 3, -1, FALSE, NULL};
    else if (!strcmp(secret, "broken"))
        verdict = (SessionVerdict){-1, -1, -1, -1, FALSE, "it is broken"};
    sessions_driver_said(sessions, number + 1000, &verdict); /* nobody's */
    if (strcmp(secret, "silent") != 0)
        sessions_driver_said(sessions, number, &verdict);
    sessions_driver_said(sessions, number + (strcmp(secret, "silent") ? 0 : 1), &verdict);
}

static Sessions *with_driver(void)
{
    Sessions *sessions = make(FALSE, 900);
    sessions_set_driver(sessions, driver, sessions);
    sessions_put_user(sessions, "gate", 3, TRUE, "script", "-");
    sessions_put_user(sessions, "guest", 4, TRUE, "public", "-");
    return sessions;
}

static void test_driver(void)
{
    Sessions *sessions = with_driver();
    gboolean at_once;
    g_assert_cmpint(ask(sessions, "gate:good", &at_once).uid, ==, 3);
    g_assert_false(at_once);
    g_assert_cmpint(ask(sessions, "gate:good", &at_once).uid, ==, 3);
    g_assert_true(at_once);
    g_assert_cmpint(ask(sessions, "gate:brief", NULL).uid, ==, 3);
    g_assert_cmpint(ask(sessions, "gate:brief", &at_once).uid, ==, 3);
    g_assert_false(at_once); /* it ended before it could be remembered */
    SessionAnswer answer = ask(sessions, "gate:for alice", NULL);
    g_assert_cmpint(answer.uid, ==, 2);
    g_assert_cmpint(answer.token_gid, ==, 100);
    answer = ask(sessions, "gate:for alice", &at_once);
    g_assert_true(at_once && answer.uid == 2 && answer.token_gid == 100);
    g_assert_cmpint(ask(sessions, "gate:for nobody", NULL).uid, ==, -1);
    g_assert_cmpint(ask(sessions, "guest:good", NULL).uid, ==, -1);
    sessions_free(sessions);
}

/* What is remembered ends when the user changes, or the server that vouched for them. */
static void test_driver_forgets(void)
{
    Sessions *sessions = with_driver();
    gboolean at_once;
    for (guint i = 0; i < 2; i++) {
        g_assert_cmpint(ask(sessions, "gate:for alice", NULL).uid, ==, 2);
        if (i == 0)
            sessions_put_user(sessions, "gate", 3, TRUE, "script", "another");
        else
            sessions_put_user(sessions, "alice", 2, FALSE, "core", verifier_of_secret);
        gint32 uid = ask(sessions, "gate:for alice", &at_once).uid;
        g_assert_false(at_once);
        g_assert_cmpint(uid, ==, i == 0 ? 2 : -1);
    }
    sessions_free(sessions);
}

static void test_driver_of_unknown(void)
{
    Sessions *sessions = with_driver();
    g_assert_cmpint(ask(sessions, "new:good", NULL).uid, ==, -1);
    sessions_ask_of_unknown(sessions, TRUE);
    g_assert_cmpint(ask(sessions, "new:good", NULL).uid, ==, 3);
    sessions_free(sessions);
}

/* Trouble of the driver makes nobody wait; questions without an answer end with the table. */
static void test_driver_in_trouble(void)
{
    Sessions *sessions = with_driver();
    Asked asked = {0};
    SessionAnswer answer;
    const SessionQuestion question = {"gate:silent", "127.0.0.1", TRUE, FALSE};
    for (guint i = 0; i < 20; i++) {
        g_autofree char *from = g_strdup_printf("10.0.0.%u", i);
        const SessionQuestion broken = {"gate:broken", from, FALSE, FALSE};
        g_assert_false(sessions_ask(sessions, &broken, &answer, note, &asked));
        wait_for(&asked, (gint)i + 1);
        g_assert_cmpint(asked.last.uid, ==, -1);
    }
    g_assert_false(sessions_ask(sessions, &question, &answer, note, &asked));
    sessions_free(sessions);
    g_assert_cmpint(asked.answers, ==, 21);
    g_assert_cmpint(asked.last.uid, ==, -1);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    log_set_level(LOG_ERROR);
    verifier_of_secret = password_verifier("secret", NULL);
    g_test_add_func("/session/forms", test_forms);
    g_test_add_func("/session/remembered", test_remembered);
    g_test_add_func("/session/changes", test_changes);
    g_test_add_func("/session/expiry", test_expiry);
    g_test_add_func("/session/2009", test_2009);
    g_test_add_func("/session/together", test_together);
    g_test_add_func("/session/slower", test_slower);
    g_test_add_func("/session/hash", test_hash);
    g_test_add_func("/session/end", test_end);
    g_test_add_func("/session/speed", test_speed);
    g_test_add_func("/session/driver", test_driver);
    g_test_add_func("/session/driver-forgets", test_driver_forgets);
    g_test_add_func("/session/driver-of-unknown", test_driver_of_unknown);
    g_test_add_func("/session/driver-in-trouble", test_driver_in_trouble);
    int result = g_test_run();
    g_free(verifier_of_secret);
    return result;
}
