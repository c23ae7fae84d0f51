#include "client/cli/wait.h"
#include "client/cli/names.h"
#include "client/cli/xml.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DEFAULT_TIMEOUT 300 /* s */
#define FIRST_PAUSE     (50 * G_TIME_SPAN_MILLISECOND)
#define LONGEST_PAUSE   G_TIME_SPAN_SECOND
#define GRACE           (2 * G_TIME_SPAN_SECOND) /* until an accepted action must show */

typedef struct {
    Cli *cli;
    GPtrArray *watches; /* of CliWatch */
    const char *goal;
    gint64 goal_host;
    gboolean patient;
    gboolean terminal; /* standard error is one */
    gboolean advised;  /* how to stop waiting for a host was said */
    gint64 start;
    gint64 deadline;
} Wait;

static void watch_free(CliWatch *watch)
{
    g_free(watch->name);
    g_free(watch->last);
    g_free(watch->why);
    g_free(watch);
}

/* ---- Judging ---- */

CliVerdict cli_wait_judge(CliWatch *watch, const CliState *state, const char *goal,
                          gint64 goal_host, gboolean patient, gint64 now)
{
    if (watch->last == NULL)
        watch->since = now;
    if ((watch->last != NULL && strcmp(watch->last, state->name) != 0) ||
        state->phase == CLI_MOVING)
        watch->moved = TRUE;
    g_free(watch->last);
    watch->last = g_strdup(state->name);

    gboolean settled = watch->moved || now - watch->since > GRACE;
    gboolean any = strcmp(goal, CLI_AT_REST) == 0;
    gboolean rests = state->phase == CLI_RESTING || (state->phase == CLI_GONE && goal_host < 0);
    if (any ? rests : strcmp(state->name, goal) == 0) {
        if (goal_host < 0 ? settled || !any : state->host == goal_host)
            return CLI_VERDICT_REACHED;
        /* The right state on the wrong host: the move failed, or has not begun. */
        return settled && !patient ? CLI_VERDICT_FAILED : CLI_VERDICT_WAIT;
    }
    if (state->phase == CLI_GONE)
        return CLI_VERDICT_FAILED;
    if (state->phase == CLI_BROKEN)
        return settled || patient ? CLI_VERDICT_FAILED : CLI_VERDICT_WAIT;
    return state->phase == CLI_RESTING && settled && !patient ? CLI_VERDICT_FAILED
                                                              : CLI_VERDICT_WAIT;
}

/* ---- Looking ---- */

/* One line of progress over the last: cut, since a terminal that breaks lines could not take it
 * back. */
static void show_progress(const char *text, double seconds)
{
    struct winsize size = {0};
    glong room =
        ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
    g_autofree char *time = g_strdup_printf("  %.0f s", seconds);
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    g_autofree char *shown =
        g_utf8_substring(valid, 0, MIN(g_utf8_strlen(valid, -1), room - 1 - (glong)strlen(time)));
    fprintf(stderr, "\r\033[K%s%s", shown, time);
}

/* Once: what waits for something that may never come, and how to stop. The reason goes before it.
 */
static void advise(Wait *wait, const CliWatch *watch, const CliState *state)
{
    if (wait->advised || state->advice == NULL || watch->verdict != CLI_VERDICT_WAIT)
        return;
    wait->advised = TRUE;
    if (wait->terminal) /* the line of progress is cut */
        fprintf(stderr, "\r\033[K%s (%d): %s: %s\n", watch->name, watch->id, state->name,
                state->why);
    fprintf(stderr, "%s. Ctrl-C ends only the waiting, `%s delete %d` the %s\n", state->advice,
            wait->cli->kind->program, watch->id, wait->cli->kind->noun);
}

static void take_look(Wait *wait, CliWatch *watch, xmlNode *object, gint64 now)
{
    CliState state = {.name = "", .host = -1, .where = "", .why = ""};
    wait->cli->kind->state(object, &state);
    gboolean changed =
        g_strcmp0(watch->last, state.name) != 0 || g_strcmp0(watch->why, state.why) != 0;
    g_free(watch->name);
    g_free(watch->why);
    watch->name = g_strdup(cli_xml_text(object, "NAME"));
    watch->why = g_strdup(state.why);
    watch->verdict = cli_wait_judge(watch, &state, wait->goal, wait->goal_host, wait->patient, now);
    if (wait->terminal) {
        advise(wait, watch, &state);
        if (watch->verdict != CLI_VERDICT_WAIT || wait->watches->len > 1)
            return;
        g_autofree char *line =
            g_strdup_printf("%s (%d): %s%s%s", watch->name, watch->id, state.name,
                            *state.why != '\0' ? ": " : "", state.why);
        show_progress(line, (double)(now - wait->start) / 1e6);
    } else if (changed && watch->verdict == CLI_VERDICT_WAIT) {
        fprintf(stderr, "%s (%d): %s%s%s%s%s\n", watch->name, watch->id, state.name,
                *state.where != '\0' ? " on " : "", state.where, *state.why != '\0' ? ": " : "",
                state.why);
        advise(wait, watch, &state);
    }
}

/* What was awaited, in words. */
static const char *goal_text(const Wait *wait, const char *state)
{
    if (wait->goal_host >= 0 &&
        (state == NULL || strcmp(state, wait->goal) == 0 || strcmp(wait->goal, CLI_AT_REST) == 0))
        return "on the host asked for";
    return strcmp(wait->goal, CLI_AT_REST) == 0 ? "at rest" : wait->goal;
}

static void tell_end(Wait *wait, CliWatch *watch, xmlNode *object, gint64 now)
{
    CliState state = {.name = "", .host = -1, .where = "", .why = ""};
    wait->cli->kind->state(object, &state);
    if (wait->terminal)
        fprintf(stderr, "\r\033[K");
    double seconds = (now - wait->start) / 1e6;
    if (watch->verdict == CLI_VERDICT_REACHED) {
        fprintf(stderr, "%s (%d) is %s%s%s after %.1f s\n", watch->name, watch->id, state.name,
                *state.where != '\0' ? " on " : "", state.where, seconds);
        return;
    }
    fprintf(stderr, "%s (%d) is %s%s%s and not %s%s%s. `%s show %d` tells more\n", watch->name,
            watch->id, state.name, *state.where != '\0' ? " on " : "", state.where,
            goal_text(wait, state.name), *state.why != '\0' ? ": " : "", state.why,
            wait->cli->kind->program, watch->id);
}

static gboolean look(Wait *wait, CliWatch *watch, GError **error)
{
    g_auto(WireReply) reply = {0};
    WireClient *wire = cli_wire(wait->cli, error);
    if (wire == NULL ||
        !wire_call(wire, &reply, error, wait->cli->kind->info, "ib", watch->id, FALSE))
        return FALSE;
    g_autoptr(xmlDoc) doc = cli_xml_parse(reply.text, error);
    if (doc == NULL)
        return FALSE;
    gint64 now = g_get_monotonic_time();
    take_look(wait, watch, xmlDocGetRootElement(doc), now);
    if (watch->verdict != CLI_VERDICT_WAIT)
        tell_end(wait, watch, xmlDocGetRootElement(doc), now);
    return TRUE;
}

/* "3 of 10 RUNNING, 5 PENDING, 2 BOOT  12 s": the state of many on one line. */
static void tell_many(const Wait *wait)
{
    g_autoptr(GHashTable) counts = g_hash_table_new(g_str_hash, g_str_equal);
    guint reached = 0;
    for (guint i = 0; i < wait->watches->len; i++) {
        const CliWatch *watch = wait->watches->pdata[i];
        if (watch->verdict == CLI_VERDICT_REACHED) {
            reached++;
        } else if (watch->last != NULL) {
            guint count = GPOINTER_TO_UINT(g_hash_table_lookup(counts, watch->last));
            g_hash_table_insert(counts, watch->last, GUINT_TO_POINTER(count + 1));
        }
    }
    g_autoptr(GString) line = g_string_new(NULL);
    g_string_printf(line, "%u of %u %s", reached, wait->watches->len, goal_text(wait, NULL));
    GHashTableIter iter;
    gpointer name, count;
    g_hash_table_iter_init(&iter, counts);
    while (g_hash_table_iter_next(&iter, &name, &count))
        g_string_append_printf(line, ", %u %s", GPOINTER_TO_UINT(count), (const char *)name);
    show_progress(line->str, (double)(g_get_monotonic_time() - wait->start) / 1e6);
}

static CliExit tell_timeout(const Wait *wait)
{
    if (wait->terminal)
        fprintf(stderr, "\r\033[K");
    for (guint i = 0; i < wait->watches->len; i++) {
        const CliWatch *watch = wait->watches->pdata[i];
        if (watch->verdict != CLI_VERDICT_WAIT)
            continue;
        fprintf(stderr, "%s (%d) is still %s%s%s after %.0f s and not %s; it goes on without you\n",
                watch->name, watch->id, watch->last, *watch->why != '\0' ? ": " : "", watch->why,
                (g_get_monotonic_time() - wait->start) / 1e6, goal_text(wait, watch->last));
    }
    return CLI_TIMEOUT;
}

/* One round over all that are still awaited; returns how many remain. */
static guint look_at_all(Wait *wait, CliExit *exit)
{
    guint remaining = 0;
    for (guint i = 0; i < wait->watches->len; i++) {
        CliWatch *watch = wait->watches->pdata[i];
        g_autoptr(GError) error = NULL;
        if (watch->verdict != CLI_VERDICT_WAIT)
            continue;
        if (!look(wait, watch, &error)) {
            *exit = cli_fail(wait->cli, error);
            watch->verdict = CLI_VERDICT_FAILED;
        } else if (watch->verdict == CLI_VERDICT_FAILED) {
            *exit = CLI_FAILED;
        } else if (watch->verdict == CLI_VERDICT_WAIT) {
            remaining++;
        }
    }
    return remaining;
}

static gboolean read_timeout(const Cli *cli, gint64 *seconds)
{
    const char *text = cli_option(cli, "wait-timeout");
    *seconds = DEFAULT_TIMEOUT;
    if (text == NULL || g_ascii_string_to_signed(text, 10, 0, 31536000, seconds, NULL))
        return TRUE;
    fprintf(stderr, "--wait-timeout \"%s\" is no number of seconds\n", text);
    return FALSE;
}

CliExit cli_wait_for(Cli *cli, GArray *ids, const char *goal, gint64 goal_host, gboolean patient)
{
    gint64 seconds;
    if (!read_timeout(cli, &seconds))
        return CLI_USAGE;
    g_autoptr(GPtrArray) watches = g_ptr_array_new_with_free_func((GDestroyNotify)watch_free);
    for (guint i = 0; i < ids->len; i++) {
        CliWatch *watch = g_new0(CliWatch, 1);
        watch->id = g_array_index(ids, gint32, i);
        g_ptr_array_add(watches, watch);
    }
    Wait wait = {.cli = cli, .watches = watches, .goal = goal, .goal_host = goal_host};
    wait.patient = patient;
    wait.terminal = isatty(STDERR_FILENO);
    wait.start = g_get_monotonic_time();
    wait.deadline = wait.start + seconds * G_TIME_SPAN_SECOND;
    CliExit exit = CLI_DONE;
    fflush(stdout);
    for (gint64 pause = FIRST_PAUSE;; pause = MIN(pause * 5 / 4, LONGEST_PAUSE)) {
        guint remaining = look_at_all(&wait, &exit);
        if (wait.terminal && wait.watches->len > 1 && remaining > 0)
            tell_many(&wait);
        if (remaining == 0 || exit == CLI_UNREACHABLE)
            return exit;
        gint64 left = wait.deadline - g_get_monotonic_time();
        if (left <= 0)
            return tell_timeout(&wait);
        g_usleep((gulong)MIN(pause, left));
    }
}

/* The state that --wait names, or the command's own; NULL, having said so, when there is none. */
static const char *read_goal(const Cli *cli)
{
    const char *asked = cli_option(cli, "wait");
    const char *goal =
        asked == NULL || *asked == '\0' ? cli->command->goal : cli->kind->state_named(asked);
    if (goal == NULL)
        fprintf(stderr, "--wait=%s: no state of a %s is called so\n", asked, cli->kind->noun);
    return goal;
}

gboolean cli_wait_is_meant(const Cli *cli)
{
    gint64 seconds;
    return (cli_option(cli, "wait") == NULL || read_goal(cli) != NULL) &&
           read_timeout(cli, &seconds);
}

CliExit cli_wait_after(Cli *cli, GArray *ids)
{
    const char *goal = read_goal(cli);
    if (goal == NULL)
        return CLI_USAGE;
    /* A state that somebody else must bring about is waited for with patience; the command's
     * own state, or any on the host that it names, is reached now or not at all. */
    gint64 host = cli->command->goal_host > 0 ? cli->numbers[cli->command->goal_host] : -1;
    gboolean own = host >= 0 || strcmp(goal, cli->command->goal) == 0;
    return cli_wait_for(cli, ids, goal, host, !own);
}
