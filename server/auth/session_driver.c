/* Sessions that a driver verifies: no thread waits for it. */
#include "server/auth/session_private.h"

#include "lib/base/log.h"
#include "server/auth/password.h"

void sessions_set_driver(Sessions *sessions, SessionAskDriver ask, gpointer data)
{
    sessions->ask_driver = ask;
    sessions->driver_data = data;
}

void sessions_ask_of_unknown(Sessions *sessions, gboolean ask)
{
    g_atomic_int_set(&sessions->ask_of_unknown, ask);
}

gboolean session_job_to_driver(Sessions *sessions, Job *job, const char *driver)
{
    if (!sessions->ask_driver || g_strcmp0(driver, "public") == 0)
        return FALSE;
    /* The answer may come, and free the job, before this function ends. */
    g_autofree char *user = g_strdup(job->user), *secret = g_strdup(job->secret);
    g_mutex_lock(&sessions->work);
    guint64 number = job->number = ++sessions->last_number;
    g_hash_table_insert(sessions->asked, &job->number, job);
    g_mutex_unlock(&sessions->work);
    sessions->ask_driver(number, user, secret, sessions->driver_data);
    sodium_memzero(secret, strlen(secret));
    return TRUE;
}

/* Steady time of a moment on the clock. */
static gint64 steady_of(gint64 until)
{
    gint64 left = until - g_get_real_time() / G_USEC_PER_SEC;
    return g_get_monotonic_time() + CLAMP(left, 0, G_MAXINT32) * G_USEC_PER_SEC;
}

void sessions_driver_said(Sessions *sessions, guint64 number, const SessionVerdict *verdict)
{
    g_mutex_lock(&sessions->work);
    Job *job = g_hash_table_lookup(sessions->asked, &number);
    if (job)
        g_hash_table_remove(sessions->asked, &number);
    g_mutex_unlock(&sessions->work);
    if (!job)
        return;
    SessionAnswer answer = {verdict->uid, verdict->gid, password_is_digest(job->secret),
                            verdict->why};
    const Known known = {.digest = job->digest,
                         .uid = verdict->uid,
                         .gid = verdict->gid,
                         .by = verdict->by,
                         .expires = verdict->until < 0 ? G_MAXINT64 : steady_of(verdict->until)};
    if (answer.uid >= 0 && !session_remember(sessions, &known))
        answer.uid = -1;
    session_job_end(sessions, job, &answer, verdict->denied);
}
