#include "drivers/common/driver.h"

#include "drivers/common/driver_input.h"
#include "drivers/common/driver_output.h"
#include "drivers/common/driver_pool.h"
#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/mad/line.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* After the end of input running work may finish for that long, as long as someone still
 * reads the results; cancelled work gets the second time to notice. */
#define DRAIN_SECONDS  10
#define CANCEL_SECONDS 2

typedef enum { JOB_NEW, JOB_WAITING, JOB_RUNNING, JOB_DELAYED, JOB_ENDED } JobState;

struct DriverJob {
    gint references; /* atomic */
    MadLine line;
    const DriverAction *action;
    char *queue;
    JobState state;     /* guarded by `lock`, as all below */
    gboolean cancelled; /* atomic reads outside the lock */
    gint64 deadline;    /* monotonic microseconds; 0: none */
    gint64 due;         /* of JOB_DELAYED */
    GSequenceIter *timer;
    void (*resume)(DriverJob *job);
    gboolean occupies; /* later requests of the same object wait for this one */
    gboolean working;  /* its function is running, whatever was answered */
    gpointer data;
    GDestroyNotify destroy;
};

static GMutex lock;
static GCond cancel_cond; /* some job was cancelled */
static const Driver *driver;
static DriverPool *pool;
static GHashTable *jobs;   /* all that have not ended; holds a reference each */
static GHashTable *behind; /* id -> GQueue of jobs that wait for the one at work on that object */
static GSequence *timers;  /* jobs by the time at which something is due */
static guint64 highest_epoch;
static gint kept; /* jobs that other threads keep, and end; atomic */
static GThread *reader;
static int wake_fd = -1;
static const char never_began[] = "cancelled before it began";
static gboolean ending; /* FINALIZE came, or nobody reads the results */

/* ---- jobs ---- */

static DriverJob *job_ref(DriverJob *job)
{
    g_atomic_int_inc(&job->references);
    return job;
}

static void job_unref(gpointer data)
{
    DriverJob *job = data;
    if (!g_atomic_int_dec_and_test(&job->references))
        return;
    if (job->destroy)
        job->destroy(job->data);
    mad_line_clear(&job->line);
    g_free(job->queue);
    g_free(job);
}

const char *driver_job_action(const DriverJob *job)
{
    return job->line.action;
}

gint64 driver_job_id(const DriverJob *job)
{
    return job->line.id;
}

const char *driver_job_payload(const DriverJob *job)
{
    return job->line.payload;
}

gboolean driver_job_cancelled(const DriverJob *job)
{
    return g_atomic_int_get(&job->cancelled);
}

gboolean driver_job_wait(DriverJob *job, guint milliseconds)
{
    gint64 until = g_get_monotonic_time() + (gint64)milliseconds * 1000;
    g_mutex_lock(&lock);
    while (!job->cancelled && g_cond_wait_until(&cancel_cond, &lock, until))
        ;
    gboolean cancelled = job->cancelled;
    g_mutex_unlock(&lock);
    return cancelled;
}

void driver_job_set_data(DriverJob *job, gpointer data, GDestroyNotify destroy)
{
    if (job->destroy)
        job->destroy(job->data);
    job->data = data;
    job->destroy = destroy;
}

gpointer driver_job_data(const DriverJob *job)
{
    return job->data;
}

/* ---- output ---- */

static void wake_reader(void)
{
    guint64 one = 1;
    /* A full counter wakes as well. */
    if (wake_fd >= 0 && write(wake_fd, &one, sizeof one) < 0 && errno != EAGAIN)
        log_error("DRV", "The reading thread cannot be woken: %s", g_strerror(errno));
}

/* The reading thread gathers what one read brought and writes it together. */
static void send_line(const char *line)
{
    driver_output_append(line);
    if (g_thread_self() != reader && driver_output_flush() != DRIVER_OUTPUT_EMPTY)
        wake_reader();
}

void driver_log(char severity, gint64 id, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_autofree char *line = mad_print_log(severity, id, text);
    send_line(line);
}

void driver_emit(const char *action, gboolean success, gint64 id, const char *payload)
{
    g_autofree char *line =
        mad_print_result(action, success ? MAD_SUCCESS : MAD_FAILURE, id, payload, 0, 0);
    send_line(line);
}

static void send_result(const MadLine *request, gboolean success, const char *info)
{
    g_autofree char *line = mad_print_result(request->action, success ? MAD_SUCCESS : MAD_FAILURE,
                                             request->id, info, request->epoch, request->request);
    send_line(line);
}

/* ---- timers (under the lock) ---- */

static gint64 next_event(const DriverJob *job)
{
    gint64 due = job->state == JOB_DELAYED ? job->due : 0;
    return due && (!job->deadline || due < job->deadline) ? due : job->deadline;
}

static gint compare_events(gconstpointer a, gconstpointer b, gpointer unused)
{
    gint64 left = next_event(a), right = next_event(b);
    return left < right ? -1 : left > right;
}

static void timer_clear(DriverJob *job)
{
    if (job->timer)
        g_sequence_remove(job->timer);
    job->timer = NULL;
}

static void timer_set(DriverJob *job)
{
    if (!next_event(job))
        return;
    job->timer = g_sequence_insert_sorted(timers, job, compare_events, NULL);
    if (g_thread_self() != reader && g_sequence_iter_is_begin(job->timer))
        wake_reader();
}

static void set_deadline(DriverJob *job)
{
    if (job->action->timeout_seconds)
        job->deadline = g_get_monotonic_time() + job->action->timeout_seconds * G_TIME_SPAN_SECOND;
}

/* ---- order (under the lock) ---- */

/* Lets the next request of the object begin, once this one is answered and its function is back. It
 * begins in the reading thread. */
static void release_object(DriverJob *job)
{
    if (!job->occupies || job->state != JOB_ENDED || job->working)
        return;
    job->occupies = FALSE;
    GQueue *queue = g_hash_table_lookup(behind, &job->line.id);
    for (DriverJob *next; (next = g_queue_pop_head(queue)); job_unref(next)) {
        if (next->state == JOB_ENDED)
            continue;
        next->occupies = TRUE;
        timer_clear(next);
        next->due = g_get_monotonic_time();
        timer_set(next);
        job_unref(next);
        return;
    }
    g_hash_table_remove(behind, &job->line.id);
}

/* TRUE: another request of that object is at work, and this one waits for its end. */
static gboolean waits_in_order(DriverJob *job, void (*begin)(DriverJob *job))
{
    GQueue *queue = g_hash_table_lookup(behind, &job->line.id);
    if (!queue) {
        g_hash_table_insert(behind, g_memdup2(&job->line.id, sizeof job->line.id), g_queue_new());
        job->occupies = TRUE;
        return FALSE;
    }
    job->state = JOB_DELAYED;
    job->due = G_MAXINT64;
    job->resume = begin;
    set_deadline(job);
    timer_set(job);
    g_queue_push_tail(queue, job_ref(job));
    return TRUE;
}

static void behind_free(gpointer data)
{
    g_queue_free_full(data, job_unref);
}

/* ---- ends ---- */

/* Under the lock; the caller then owns the reference that `jobs` had. */
static void close_job(DriverJob *job)
{
    timer_clear(job);
    job->state = JOB_ENDED;
    release_object(job);
    g_hash_table_steal(jobs, job);
    if (g_hash_table_size(jobs) == 0 && g_thread_self() != reader)
        wake_reader();
}

static void end_job(DriverJob *job, gboolean success, const char *info)
{
    g_mutex_lock(&lock);
    gboolean open = job->state != JOB_ENDED;
    if (open) {
        send_result(&job->line, success, info);
        close_job(job);
    }
    g_mutex_unlock(&lock);
    if (open)
        job_unref(job);
    else
        driver_log(success ? 'W' : 'I', job->line.id, "%s came to an end after its time-out: %s %s",
                   job->line.action, success ? "SUCCESS" : "FAILURE", info ? info : "");
}

void driver_job_succeed(DriverJob *job, const char *info)
{
    if (job->action->ending)
        job->action->ending(job, TRUE);
    end_job(job, TRUE, info);
}

void driver_job_fail(DriverJob *job, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    if (job->action->ending)
        job->action->ending(job, FALSE);
    end_job(job, FALSE, text);
}

void driver_job_drop(DriverJob *job)
{
    g_mutex_lock(&lock);
    gboolean open = job->state != JOB_ENDED;
    if (open)
        close_job(job);
    g_mutex_unlock(&lock);
    if (open)
        job_unref(job);
}

void driver_job_later(DriverJob *job, guint milliseconds, void (*run)(DriverJob *job))
{
    g_mutex_lock(&lock);
    if (job->state != JOB_ENDED) {
        timer_clear(job);
        job->state = JOB_DELAYED;
        job->due = g_get_monotonic_time() + (gint64)milliseconds * 1000;
        job->resume = run;
        timer_set(job);
    }
    g_mutex_unlock(&lock);
}

DriverJob *driver_job_keep(DriverJob *job)
{
    g_atomic_int_inc(&kept);
    return job_ref(job);
}

void driver_job_release(DriverJob *job)
{
    job_unref(job);
    (void)g_atomic_int_dec_and_test(&kept);
}

guint driver_jobs_open(const char *action, const char *queue)
{
    guint open = 0;
    GHashTableIter iter;
    gpointer key;
    g_mutex_lock(&lock);
    g_hash_table_iter_init(&iter, jobs);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        const DriverJob *job = key;
        open += g_str_equal(job->action->name, action) && !g_strcmp0(job->queue, queue);
    }
    g_mutex_unlock(&lock);
    return open;
}

static void cancel_locked(DriverJob *job)
{
    g_atomic_int_set(&job->cancelled, TRUE);
    g_cond_broadcast(&cancel_cond);
}

/* ---- running ---- */

static void work(DriverJob *job)
{
    g_mutex_lock(&lock);
    job->working = TRUE;
    g_mutex_unlock(&lock);
    g_autoptr(GError) error = NULL;
    if (!job->action->before || job->action->before(job, &error))
        job->action->run(job);
    else
        driver_job_fail(job, "%s", error->message);
    g_mutex_lock(&lock);
    job->working = FALSE;
    release_object(job);
    g_mutex_unlock(&lock);
}

static void run_in_worker(gpointer item)
{
    DriverJob *job = item;
    g_mutex_lock(&lock);
    gboolean waiting = job->state == JOB_WAITING;
    gboolean run = waiting && !job->cancelled;
    if (run) {
        job->state = JOB_RUNNING;
        timer_clear(job);
        set_deadline(job);
        timer_set(job);
    }
    g_mutex_unlock(&lock);
    if (run)
        work(job);
    else if (waiting)
        end_job(job, FALSE, never_began);
    job_unref(job);
}

static void start_queued(DriverJob *job)
{
    g_autofree char *queue = driver->queue_of ? driver->queue_of(job) : NULL;
    gboolean urgent = job->action->flags & DRIVER_URGENT;
    /* A blank cannot be part of a host's name, so the lanes never meet. */
    char *lane = g_strconcat(queue ? queue : "", urgent ? " urgent" : "", NULL);
    g_mutex_lock(&lock);
    job->queue = lane;
    job->state = JOB_WAITING;
    set_deadline(job);
    timer_set(job);
    g_mutex_unlock(&lock);
    driver_pool_push(pool, job->queue, job_ref(job));
}

static void start_at_once(DriverJob *job)
{
    job->state = JOB_RUNNING;
    work(job);
    g_mutex_lock(&lock);
    if (job->state == JOB_DELAYED) {
        timer_clear(job);
        set_deadline(job);
        timer_set(job);
    }
    g_mutex_unlock(&lock);
}

static const DriverAction *find_action(const char *name)
{
    for (const DriverAction *action = driver->actions; action->name; action++)
        if (g_str_equal(action->name, name))
            return action;
    return NULL;
}

static void refuse_unknown(const MadLine *line)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_string_printf(text, "%s does not know the action %s; it has", driver->program, line->action);
    for (const DriverAction *action = driver->actions; action->name; action++)
        g_string_append_printf(text, " %s", action->name);
    send_result(line, FALSE, text->str);
}

/* Takes the line's content. */
static void start_job(MadLine *line, const DriverAction *action)
{
    DriverJob *job = g_new0(DriverJob, 1);
    job->references = 1;
    job->line = *line;
    *line = (MadLine){0};
    job->action = action;
    g_autoptr(GError) error = NULL;
    if (driver->prepare && !driver->prepare(job, &error)) {
        send_result(&job->line, FALSE, error->message);
        job_unref(job);
        return;
    }
    void (*begin)(DriverJob * job) = action->flags & DRIVER_AT_ONCE ? start_at_once : start_queued;
    g_mutex_lock(&lock);
    g_hash_table_add(jobs, job_ref(job));
    gboolean waits =
        driver->in_order && !(action->flags & DRIVER_OTHER_IDS) && waits_in_order(job, begin);
    g_mutex_unlock(&lock);
    if (!waits)
        begin(job);
    job_unref(job);
}

static gboolean is_of(const DriverJob *job, gint64 id)
{
    return id < 0 || (job->line.id == id && !(job->action->flags & DRIVER_OTHER_IDS));
}

/* Jobs of that object, or of all with -1; each with a reference. (owned) */
static GPtrArray *jobs_of(gint64 id)
{
    GPtrArray *found = g_ptr_array_new_with_free_func(job_unref);
    GHashTableIter iter;
    gpointer key;
    g_mutex_lock(&lock);
    g_hash_table_iter_init(&iter, jobs);
    while (g_hash_table_iter_next(&iter, &key, NULL))
        if (is_of(key, id))
            g_ptr_array_add(found, job_ref(key));
    g_mutex_unlock(&lock);
    return found;
}

/* What waits ends here; what runs is asked to stop and answers itself. */
static void cancel_jobs(gint64 id, const char *reason)
{
    g_autoptr(GPtrArray) found = jobs_of(id);
    for (guint i = 0; i < found->len; i++) {
        DriverJob *job = found->pdata[i];
        g_mutex_lock(&lock);
        cancel_locked(job);
        JobState state = job->state;
        g_mutex_unlock(&lock);
        if (state == JOB_WAITING && driver_pool_take_back(pool, job->queue, job))
            job_unref(job); /* the pool's */
        else if (state != JOB_DELAYED)
            continue;
        end_job(job, FALSE, reason);
    }
}

static void initialize(const MadLine *line)
{
    g_autoptr(GError) error = NULL;
    if (driver->init && !driver->init(&error))
        send_result(line, FALSE, error->message);
    else if (driver->lacks && *driver->lacks) {
        g_autofree char *text = g_strconcat("TAGGED LACKS=", driver->lacks,
                                            driver->has ? " HAS=" : "", driver->has, NULL);
        send_result(line, TRUE, text);
    } else {
        send_result(line, TRUE, "TAGGED");
    }
}

static void handle_line(const char *text)
{
    g_auto(MadLine) line = {0};
    g_autoptr(GError) error = NULL;
    if (!mad_parse_request(text, &line, &error)) {
        driver_log('E', -1, "%s cannot read a request: %s", driver->program, error->message);
        return;
    }
    if (line.epoch && line.epoch < highest_epoch) {
        send_result(&line, FALSE, "this is a request of an older oned; a newer one is at work");
        return;
    }
    highest_epoch = MAX(highest_epoch, line.epoch);
    const DriverAction *action = find_action(line.action);
    if (g_str_equal(line.action, "INIT"))
        initialize(&line);
    else if (g_str_equal(line.action, "FINALIZE"))
        ending = TRUE;
    else if (g_str_equal(line.action, "DRIVER_CANCEL"))
        cancel_jobs(line.id, never_began);
    else if (action)
        start_job(&line, action);
    else
        refuse_unknown(&line);
}

/* ---- the reading thread ---- */

static void time_out(DriverJob *job)
{
    g_mutex_lock(&lock);
    gboolean waiting = job->state == JOB_WAITING;
    g_mutex_unlock(&lock);
    if (waiting && driver_pool_take_back(pool, job->queue, job)) {
        job_unref(job); /* the pool's */
        driver_job_fail(job,
                        "%s was never begun: for %u seconds all places at this host were taken by "
                        "other requests; see whether it answers",
                        job->line.action, job->action->timeout_seconds);
        return;
    }
    driver_job_fail(job, "no result of %s within %u seconds; it is not known how far it came",
                    job->line.action, job->action->timeout_seconds);
    /* Only now, so that the worker's own end is not taken for the result. */
    g_mutex_lock(&lock);
    cancel_locked(job);
    g_mutex_unlock(&lock);
}

/* Does what is due; returns the milliseconds until the next, or -1. */
static int serve_timers(void)
{
    for (;;) {
        g_mutex_lock(&lock);
        GSequenceIter *first = g_sequence_get_begin_iter(timers);
        if (g_sequence_iter_is_end(first)) {
            g_mutex_unlock(&lock);
            return -1;
        }
        DriverJob *job = g_sequence_get(first);
        gint64 left = next_event(job) - g_get_monotonic_time();
        if (left > 0) {
            g_mutex_unlock(&lock);
            return (int)MIN((left + 999) / 1000, 60 * 1000);
        }
        job_ref(job);
        gboolean resume = job->state == JOB_DELAYED && next_event(job) == job->due;
        timer_clear(job);
        g_mutex_unlock(&lock);
        if (resume)
            job->resume(job);
        else
            time_out(job);
        job_unref(job);
    }
}

/* FALSE: no more, FINALIZE came. */
static gboolean take_line(const char *line)
{
    handle_line(line);
    return !ending;
}

static void skip_line(void)
{
    driver_log('E', -1, "%s skips a request longer than %d bytes", driver->program, MAD_LINE_MAX);
}

static gboolean idle(void)
{
    g_mutex_lock(&lock);
    gboolean none = g_hash_table_size(jobs) == 0;
    g_mutex_unlock(&lock);
    return none;
}

/* One turn: waits for input, room in the output, a timer or a wake. */
static void turn(DriverInput *input, int out, gint64 until)
{
    int wait_ms = serve_timers();
    DriverOutputState state = driver_output_flush();
    if (state == DRIVER_OUTPUT_CLOSED || ending) {
        ending = TRUE;
        return;
    }
    if (until && state == DRIVER_OUTPUT_EMPTY && idle())
        return;
    if (until) {
        gint64 left = MAX((until - g_get_monotonic_time()) / 1000, 0) + 1;
        wait_ms = wait_ms < 0 ? (int)left : (int)MIN(left, wait_ms);
    }
    struct pollfd fds[] = {
        {input->fd, POLLIN, 0},
        {wake_fd, POLLIN, 0},
        /* Errors are always reported: a pipe that nobody reads any more. */
        {out, state == DRIVER_OUTPUT_WAITING ? POLLOUT : 0, 0},
    };
    if (poll(fds, G_N_ELEMENTS(fds), wait_ms) <= 0)
        return;
    guint64 count;
    if ((fds[1].revents & POLLIN) && read(wake_fd, &count, sizeof count) < 0)
        log_debug("DRV", "Nothing to read from the wake counter");
    if (fds[2].revents & (POLLERR | POLLNVAL))
        ending = TRUE;
    else if (fds[0].revents && !driver_input_read(input, take_line, skip_line))
        input->fd = -1;
}

static void open_state(const Driver *served, int out)
{
    DriverPoolLimits limits = {served->threads ? served->threads : 32,
                               served->per_host ? served->per_host : 4, served->firm_limit};
    driver = served;
    jobs = g_hash_table_new_full(NULL, NULL, job_unref, NULL);
    timers = g_sequence_new(NULL);
    behind = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, behind_free);
    highest_epoch = 0;
    ending = FALSE;
    reader = g_thread_self();
    wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    pool = driver_pool_new(limits, run_in_worker);
    driver_output_open(out);
}

/* FALSE: workers, or who keeps a job, are stuck and still use what would be freed. */
static gboolean close_state(void)
{
    g_mutex_lock(&lock);
    g_cond_broadcast(&cancel_cond);
    g_mutex_unlock(&lock);
    gint64 until = g_get_monotonic_time() + CANCEL_SECONDS * G_TIME_SPAN_SECOND;
    gboolean all = driver_pool_stop(pool, until);
    while (g_atomic_int_get(&kept) && g_get_monotonic_time() < until)
        g_usleep(10000);
    (void)driver_output_flush();
    driver_output_open(-1);
    if (!all || g_atomic_int_get(&kept))
        return FALSE;
    reader = NULL;
    g_clear_pointer(&jobs, g_hash_table_unref);
    g_clear_pointer(&timers, g_sequence_free);
    g_clear_pointer(&behind, g_hash_table_unref);
    (void)close(wake_fd);
    wake_fd = -1;
    return TRUE;
}

int driver_serve(const Driver *served, int in, int out)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigaction(SIGPIPE, &ignore, NULL);
    open_state(served, out);
    DriverInput input;
    driver_input_open(&input, in);
    while (!ending && input.fd >= 0)
        turn(&input, out, 0);
    gint64 until = g_get_monotonic_time() + DRAIN_SECONDS * G_TIME_SPAN_SECOND;
    while (!ending && (!idle() || driver_output_flush() == DRIVER_OUTPUT_WAITING) &&
           g_get_monotonic_time() < until)
        turn(&input, out, until);
    cancel_jobs(-1, "the driver was told to end");
    driver_input_clear(&input);
    return close_state() ? 0 : 1;
}

int driver_run(const Driver *served)
{
    int code = driver_serve(served, STDIN_FILENO, STDOUT_FILENO);
    /* A worker that is stuck in a library must not meet that library's exit handlers. */
    if (code)
        _exit(0);
    return code;
}
