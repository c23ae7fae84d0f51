#include "server/auth/session_private.h"

#include "lib/base/log.h"
#include "server/auth/password.h"
#include <string.h>

/* Failures that cost nothing: a user's typing errors, and an address's users'. */
#define FREE_BY_USER    3
#define FREE_BY_ADDRESS 10
#define DELAY_MOST      (5 * G_USEC_PER_SEC)

static gpointer work(gpointer data);

/* ---- small things ---- */

static guint digest_hash(gconstpointer digest)
{
    guint value;
    memcpy(&value, digest, sizeof value);
    return value;
}

static gboolean digest_equal(gconstpointer a, gconstpointer b)
{
    return memcmp(a, b, sizeof(Digest)) == 0;
}

static Digest digest_of(const Sessions *sessions, const char *session)
{
    Digest digest;
    crypto_generichash(digest.bytes, sizeof digest.bytes, (const guint8 *)session, strlen(session),
                       sessions->secret, sizeof sessions->secret);
    return digest;
}

static void wipe(char *text)
{
    if (text)
        sodium_memzero(text, strlen(text));
    g_free(text);
}

static void user_free(gpointer data)
{
    SessionUser *user = data;
    g_free(user->name);
    g_free(user->driver);
    wipe(user->verifier);
    g_clear_pointer(&user->tokens, g_array_unref);
    g_free(user);
}

void session_job_free(gpointer data)
{
    Job *job = data;
    g_free(job->user);
    wipe(job->secret);
    g_free(job->address);
    if (job->waiters)
        g_array_unref(job->waiters);
    g_free(job);
}

static gint job_order(gconstpointer a, gconstpointer b, gpointer unused)
{
    gint64 left = ((const Job *)a)->due, right = ((const Job *)b)->due;
    return left < right ? -1 : left > right;
}

/* ---- begin and end ---- */

SessionsOptions sessions_options_default(void)
{
    return (SessionsOptions){.remember_seconds = 900,
                             .remember_most = 20000,
                             .workers = 2,
                             .waiting_most = 1000,
                             .delay_msec = 250};
}

Sessions *sessions_new(const SessionsOptions *options)
{
    if (sodium_init() < 0)
        g_error("libsodium could not be initialized: the system gives no random numbers");
    Sessions *sessions = g_new0(Sessions, 1);
    sessions->options = *options;
    crypto_generichash_keygen(sessions->secret);
    g_rw_lock_init(&sessions->lock);
    sessions->by_name = g_hash_table_new(g_str_hash, g_str_equal);
    sessions->by_uid = g_hash_table_new_full(NULL, NULL, NULL, user_free);
    sessions->known = g_hash_table_new_full(digest_hash, digest_equal, g_free, NULL);
    g_mutex_init(&sessions->work);
    g_cond_init(&sessions->more);
    sessions->jobs = g_sequence_new(NULL);
    sessions->verifying = g_hash_table_new(digest_hash, digest_equal);
    gint64 delay = (gint64)options->delay_msec * 1000;
    sessions->asked = g_hash_table_new(g_int64_hash, g_int64_equal);
    sessions->by_user = throttle_new(FREE_BY_USER, delay, DELAY_MOST);
    sessions->by_address = throttle_new(FREE_BY_ADDRESS, delay, DELAY_MOST);
    sessions->workers = g_ptr_array_new();
    for (guint i = 0; i < MAX(options->workers, 1); i++)
        g_ptr_array_add(sessions->workers, g_thread_new("sessions", work, sessions));
    return sessions;
}

static void answer_all(const Job *job, const SessionAnswer *answer)
{
    for (guint i = 0; job->waiters && i < job->waiters->len; i++) {
        const Waiter *waiter = &g_array_index(job->waiters, Waiter, i);
        waiter->done(answer, waiter->data);
    }
}

void sessions_free(Sessions *sessions)
{
    if (!sessions)
        return;
    g_mutex_lock(&sessions->work);
    sessions->stopping = TRUE;
    g_cond_broadcast(&sessions->more);
    g_mutex_unlock(&sessions->work);
    for (guint i = 0; i < sessions->workers->len; i++)
        g_thread_join(sessions->workers->pdata[i]);
    const SessionAnswer nobody = {-1, -1, FALSE, NULL};
    for (GSequenceIter *at = g_sequence_get_begin_iter(sessions->jobs); !g_sequence_iter_is_end(at);
         at = g_sequence_iter_next(at)) {
        Job *job = g_sequence_get(at);
        answer_all(job, &nobody);
        if (job->hashed)
            job->hashed(NULL, job->data);
        session_job_free(job);
    }
    GHashTableIter asked;
    gpointer left;
    g_hash_table_iter_init(&asked, sessions->asked);
    while (g_hash_table_iter_next(&asked, NULL, &left)) {
        answer_all(left, &nobody);
        session_job_free(left);
    }
    g_hash_table_unref(sessions->asked);
    g_ptr_array_unref(sessions->workers);
    g_hash_table_unref(sessions->verifying);
    g_sequence_free(sessions->jobs);
    throttle_free(sessions->by_user);
    throttle_free(sessions->by_address);
    g_hash_table_unref(sessions->known);
    g_hash_table_unref(sessions->by_name);
    g_hash_table_unref(sessions->by_uid);
    g_rw_lock_clear(&sessions->lock);
    g_mutex_clear(&sessions->work);
    g_cond_clear(&sessions->more);
    sodium_memzero(sessions->secret, sizeof sessions->secret);
    g_free(sessions);
}

/* ---- the users ---- */

void sessions_put_user(Sessions *sessions, const char *name, gint32 uid, gboolean enabled,
                       const char *driver, const char *verifier)
{
    g_rw_lock_writer_lock(&sessions->lock);
    SessionUser *user = g_hash_table_lookup(sessions->by_uid, GINT_TO_POINTER(uid));
    gboolean same = user && user->enabled == enabled && g_strcmp0(user->driver, driver) == 0 &&
                    g_strcmp0(user->verifier, verifier) == 0 && strcmp(user->name, name) == 0;
    if (!same) {
        if (user && g_hash_table_lookup(sessions->by_name, user->name) == user)
            g_hash_table_remove(sessions->by_name, user->name);
        GArray *tokens = user ? g_steal_pointer(&user->tokens) : NULL;
        user = g_new0(SessionUser, 1);
        user->name = g_strdup(name);
        user->uid = uid;
        user->enabled = enabled;
        user->driver = g_strdup(driver);
        user->verifier = g_strdup(verifier);
        user->generation = ++sessions->generation;
        user->tokens = tokens;
        g_hash_table_insert(sessions->by_uid, GINT_TO_POINTER(uid), user);
        g_hash_table_replace(sessions->by_name, user->name, user);
    }
    g_rw_lock_writer_unlock(&sessions->lock);
}

static void token_clear(gpointer data)
{
    wipe((char *)((SessionToken *)data)->text);
}

void sessions_put_tokens(Sessions *sessions, gint32 uid, const SessionToken *tokens, guint count)
{
    GArray *copies = g_array_new(FALSE, FALSE, sizeof(SessionToken));
    g_array_set_clear_func(copies, token_clear);
    for (guint i = 0; i < count; i++) {
        SessionToken copy = {g_strdup(tokens[i].text), tokens[i].expires, tokens[i].gid};
        g_array_append_val(copies, copy);
    }
    g_rw_lock_writer_lock(&sessions->lock);
    SessionUser *user = g_hash_table_lookup(sessions->by_uid, GINT_TO_POINTER(uid));
    GArray *former = copies;
    if (user) {
        former = user->tokens;
        user->tokens = copies;
    }
    g_rw_lock_writer_unlock(&sessions->lock);
    if (former)
        g_array_unref(former);
}

void sessions_remove_user(Sessions *sessions, gint32 uid)
{
    g_rw_lock_writer_lock(&sessions->lock);
    SessionUser *user = g_hash_table_lookup(sessions->by_uid, GINT_TO_POINTER(uid));
    if (user) {
        if (g_hash_table_lookup(sessions->by_name, user->name) == user)
            g_hash_table_remove(sessions->by_name, user->name);
        g_hash_table_remove(sessions->by_uid, GINT_TO_POINTER(uid));
    }
    g_rw_lock_writer_unlock(&sessions->lock);
}

void sessions_forget(Sessions *sessions, gint32 uid)
{
    g_rw_lock_writer_lock(&sessions->lock);
    SessionUser *user = g_hash_table_lookup(sessions->by_uid, GINT_TO_POINTER(uid));
    if (user)
        user->generation = ++sessions->generation;
    g_rw_lock_writer_unlock(&sessions->lock);
}

/* ---- what is remembered ---- */

/* The user as they are, if they are as they were. A lock is held. */
static gboolean is_as_it_was(const Sessions *sessions, gint32 uid, guint64 generation)
{
    const SessionUser *user = g_hash_table_lookup(sessions->by_uid, GINT_TO_POINTER(uid));
    return user && user->generation == generation;
}

static gboolean is_good(const Sessions *sessions, const Known *known)
{
    return known->expires > g_get_monotonic_time() &&
           is_as_it_was(sessions, known->uid, known->generation) &&
           is_as_it_was(sessions, known->by, known->by_generation);
}

/* Fills who it is, if the session is known. */
static gboolean recall(Sessions *sessions, const Digest *digest, SessionAnswer *answer)
{
    g_rw_lock_reader_lock(&sessions->lock);
    const Known *known = g_hash_table_lookup(sessions->known, digest);
    gboolean good = known && is_good(sessions, known);
    if (good) {
        answer->uid = known->uid;
        answer->token_gid = known->gid;
    }
    g_rw_lock_reader_unlock(&sessions->lock);
    return good;
}

static gboolean same_text(const char *one, const char *other)
{
    gsize length = strlen(one);
    return length == strlen(other) && sodium_memcmp(one, other, length) == 0;
}

/* Is the secret one of the user's tokens? That takes no time, so it is not remembered. */
static gboolean is_token(Sessions *sessions, const char *session, const char *colon,
                         SessionAnswer *answer)
{
    g_autofree char *name = g_strndup(session, (gsize)(colon - session));
    gint64 now = g_get_real_time() / G_USEC_PER_SEC;
    g_rw_lock_reader_lock(&sessions->lock);
    const SessionUser *user = g_hash_table_lookup(sessions->by_name, name);
    for (guint i = 0; user && user->enabled && user->tokens && i < user->tokens->len; i++) {
        const SessionToken *token = &g_array_index(user->tokens, SessionToken, i);
        if ((token->expires < 0 || token->expires > now) && same_text(token->text, colon + 1)) {
            answer->uid = user->uid;
            answer->token_gid = token->gid;
            break;
        }
    }
    g_rw_lock_reader_unlock(&sessions->lock);
    return answer->uid >= 0;
}

static gboolean is_stale(gpointer key, gpointer value, gpointer data)
{
    return !is_good(data, key);
}

/* The write lock is held. */
static void make_room(Sessions *sessions)
{
    if (g_hash_table_size(sessions->known) < sessions->options.remember_most)
        return;
    g_hash_table_foreach_remove(sessions->known, is_stale, sessions);
    GHashTableIter iterator;
    g_hash_table_iter_init(&iterator, sessions->known);
    while (g_hash_table_size(sessions->known) >= sessions->options.remember_most &&
           g_hash_table_iter_next(&iterator, NULL, NULL))
        g_hash_table_iter_remove(&iterator);
}

/* Fills in how a user is now when that is not given. FALSE: they are gone, or have changed. */
static gboolean settle(const Sessions *sessions, gint32 uid, guint64 *generation)
{
    const SessionUser *user = g_hash_table_lookup(sessions->by_uid, GINT_TO_POINTER(uid));
    if (user && *generation == 0)
        *generation = user->generation;
    return user && user->enabled && user->generation == *generation;
}

/* The lock is held. */
static gint64 remembered_until(const Sessions *sessions)
{
    return g_get_monotonic_time() + (gint64)sessions->options.remember_seconds * G_USEC_PER_SEC;
}

void sessions_set_remembered(Sessions *sessions, guint seconds)
{
    GHashTableIter iterator;
    gpointer key;
    g_rw_lock_writer_lock(&sessions->lock);
    sessions->options.remember_seconds = seconds;
    gint64 most = remembered_until(sessions);
    g_hash_table_iter_init(&iterator, sessions->known);
    while (g_hash_table_iter_next(&iterator, &key, NULL)) {
        Known *known = key;
        known->expires = MIN(known->expires, most);
    }
    g_rw_lock_writer_unlock(&sessions->lock);
}

gboolean session_remember(Sessions *sessions, const Known *known)
{
    Known copy = *known;
    g_rw_lock_writer_lock(&sessions->lock);
    copy.expires = MIN(copy.expires, remembered_until(sessions));
    gboolean still = settle(sessions, copy.uid, &copy.generation) &&
                     settle(sessions, copy.by, &copy.by_generation);
    if (still && sessions->options.remember_seconds > 0) {
        make_room(sessions);
        g_hash_table_add(sessions->known, g_memdup2(&copy, sizeof copy));
    }
    g_rw_lock_writer_unlock(&sessions->lock);
    return still;
}

/* ---- the workers ---- */

/* Is the password right? Takes the same time for a user who does not exist. */
static gint32 verify(Sessions *sessions, const Job *job, const SessionUser *user)
{
    if (!user->verifier) {
        password_pretend(job->secret);
    } else if (password_verify(user->verifier, job->secret)) {
        const Known known = {job->digest, user->uid,        -1,        user->generation,
                             user->uid,   user->generation, G_MAXINT64};
        if (session_remember(sessions, &known))
            return user->uid;
    }
    /* A name that is nobody's may be a password typed in the wrong place. */
    log_warning("AUTH", "Login from %s failed: %s%s", job->address,
                user->name ? "wrong password, or not allowed to log in: user " : "unknown user",
                user->name ? job->user : "");
    return -1;
}

/* Copies what a worker must know of the user. Without a name: there is none. The verifier is only
 * of those whom it lets in. */
static void look_up(Sessions *sessions, const char *name, SessionUser *copy)
{
    g_rw_lock_reader_lock(&sessions->lock);
    const SessionUser *user = g_hash_table_lookup(sessions->by_name, name);
    if (user) {
        gboolean core = g_strcmp0(user->driver, "core") == 0;
        *copy = (SessionUser){.name = g_strdup(user->name),
                              .uid = user->uid,
                              .enabled = user->enabled,
                              .driver = g_strdup(user->driver),
                              .verifier = user->enabled && core ? g_strdup(user->verifier) : NULL,
                              .generation = user->generation};
    }
    g_rw_lock_reader_unlock(&sessions->lock);
}

/* Whether a driver is to judge, and has been told. */
static gboolean goes_to_driver(Sessions *sessions, Job *job, const SessionUser *user)
{
    if (!user->name)
        return g_atomic_int_get(&sessions->ask_of_unknown) &&
               session_job_to_driver(sessions, job, NULL);
    return user->enabled && g_strcmp0(user->driver, "core") != 0 &&
           session_job_to_driver(sessions, job, user->driver);
}

void session_job_end(Sessions *sessions, Job *job, const SessionAnswer *answer, gboolean counts)
{
    gint64 now = g_get_monotonic_time();
    g_mutex_lock(&sessions->work);
    if (answer->uid >= 0) {
        throttle_forgive(sessions->by_user, job->user);
    } else if (counts) {
        throttle_failed(sessions->by_user, job->user, now);
        throttle_failed(sessions->by_address, job->address, now);
    }
    g_hash_table_remove(sessions->verifying, job); /* nobody joins it after this */
    g_mutex_unlock(&sessions->work);
    answer_all(job, answer);
    session_job_free(job);
}

static void run(Sessions *sessions, Job *job)
{
    if (!job->user) {
        char *verifier = password_verifier(job->secret, NULL);
        job->hashed(verifier, job->data);
        session_job_free(job);
        return;
    }
    SessionUser user = {0};
    look_up(sessions, job->user, &user);
    if (!goes_to_driver(sessions, job, &user)) {
        const SessionAnswer answer = {verify(sessions, job, &user), -1,
                                      password_is_digest(job->secret), NULL};
        session_job_end(sessions, job, &answer, TRUE);
    }
    g_free(user.name);
    g_free(user.driver);
    wipe(user.verifier);
}

/* The next job that is due, taken off the list; NULL at the end. The lock is held. */
static Job *next_job(Sessions *sessions)
{
    while (!sessions->stopping) {
        GSequenceIter *first = g_sequence_get_begin_iter(sessions->jobs);
        if (g_sequence_iter_is_end(first)) {
            g_cond_wait(&sessions->more, &sessions->work);
            continue;
        }
        Job *job = g_sequence_get(first);
        if (job->due <= g_get_monotonic_time()) {
            g_sequence_remove(first);
            return job;
        }
        g_cond_wait_until(&sessions->more, &sessions->work, job->due);
    }
    return NULL;
}

static gpointer work(gpointer data)
{
    Sessions *sessions = data;
    g_mutex_lock(&sessions->work);
    for (Job *job; (job = next_job(sessions));) {
        g_mutex_unlock(&sessions->work);
        run(sessions, job);
        g_mutex_lock(&sessions->work);
    }
    g_mutex_unlock(&sessions->work);
    return NULL;
}

/* ---- questions ---- */

static void add_waiter(Job *job, SessionDone done, gpointer data)
{
    const Waiter waiter = {done, data};
    if (!job->waiters)
        job->waiters = g_array_new(FALSE, FALSE, sizeof(Waiter));
    g_array_append_val(job->waiters, waiter);
}

static void add_job(Sessions *sessions, Job *job)
{
    g_sequence_insert_sorted(sessions->jobs, job, job_order, NULL);
    g_cond_signal(&sessions->more);
}

/* How long the attempt must wait, or -1: it is not even made. */
static gint64 delay_for(Sessions *sessions, const char *user, const SessionQuestion *question,
                        gint64 now)
{
    if (sessions->stopping ||
        (guint)g_sequence_get_length(sessions->jobs) + g_hash_table_size(sessions->asked) >=
            sessions->options.waiting_most)
        return -1;
    gint64 by_user = throttle_delay(sessions->by_user, user, now);
    gint64 by_address = throttle_queue(sessions->by_address, question->address, now);
    /* All users of this computer have one address: they wait, but are not sent away. */
    if (by_address < 0 && question->local)
        by_address = throttle_delay(sessions->by_address, question->address, now);
    return by_address < 0 ? -1 : MAX(by_user, by_address);
}

/* Hands the question to the workers. FALSE: too many wait. */
static gboolean ask_workers(Sessions *sessions, const SessionQuestion *question, const char *colon,
                            const Digest *digest, SessionDone done, gpointer data)
{
    g_autofree char *user = g_strndup(question->session, (gsize)(colon - question->session));
    gboolean taken = TRUE;
    g_mutex_lock(&sessions->work);
    Job *job = g_hash_table_lookup(sessions->verifying, digest);
    if (!job) {
        gint64 now = g_get_monotonic_time();
        gint64 delay = delay_for(sessions, user, question, now);
        if (delay < 0) {
            taken = FALSE;
        } else {
            job = g_new0(Job, 1);
            job->digest = *digest;
            job->due = now + delay;
            job->user = g_steal_pointer(&user);
            job->secret = g_strdup(colon + 1);
            job->address = g_strdup(question->address);
            g_hash_table_add(sessions->verifying, job);
            add_job(sessions, job);
        }
    }
    if (taken)
        add_waiter(job, done, data);
    g_mutex_unlock(&sessions->work);
    return taken;
}

static gboolean is_2009_word(const char *session)
{
    return strcmp(session, "sessionID") == 0 || strcmp(session, "session") == 0;
}

gboolean sessions_ask(Sessions *sessions, const SessionQuestion *question, SessionAnswer *answer,
                      SessionDone done, gpointer data)
{
    *answer = (SessionAnswer){-1, -1, FALSE, NULL};
    if (question->method_2009 && is_2009_word(question->session)) {
        answer->old_form = TRUE;
        if (sessions->options.allow_2009_without_password && question->local)
            answer->uid = 0;
        return TRUE;
    }
    const char *colon = strchr(question->session, ':');
    if (!colon)
        return TRUE;
    answer->old_form = password_is_digest(colon + 1);
    Digest digest = digest_of(sessions, question->session);
    if (recall(sessions, &digest, answer) || is_token(sessions, question->session, colon, answer))
        return TRUE;
    return !ask_workers(sessions, question, colon, &digest, done, data);
}

gboolean sessions_recall(Sessions *sessions, const char *session, SessionAnswer *answer)
{
    const char *colon = strchr(session, ':');
    if (!colon)
        return FALSE;
    Digest digest = digest_of(sessions, session);
    *answer = (SessionAnswer){-1, -1, password_is_digest(colon + 1), NULL};
    return recall(sessions, &digest, answer);
}

void sessions_hash(Sessions *sessions, const char *password, SessionHashed done, gpointer data)
{
    Job *job = g_new0(Job, 1);
    job->secret = g_strdup(password);
    job->hashed = done;
    job->data = data;
    g_mutex_lock(&sessions->work);
    job->due = g_get_monotonic_time();
    gboolean stopping = sessions->stopping;
    if (!stopping)
        add_job(sessions, job);
    g_mutex_unlock(&sessions->work);
    if (stopping) {
        done(NULL, data);
        session_job_free(job);
    }
}
