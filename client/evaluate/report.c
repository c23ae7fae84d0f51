/*
 * The report as a whole, and its parts that hold no measurement of their own: the summary,
 * the table beside the published figures, what was measured with, and how.
 */
#include "client/evaluate/page.h"

#include <string.h>

/* ---- Summary ---- */

static void tile_of_pings(GString *out, const Plan *plan, const Evaluation *found)
{
    if (found->pings[1] == NULL)
        return;
    g_autoptr(GPtrArray) moves = evaluation_moves(found, MOVE_AGAIN);
    PingSummary whole = ping_summary(found->pings[1], -1, G_MAXDOUBLE);
    double silence = 0;
    for (guint i = 0; i < moves->len; i++)
        silence = MAX(silence, section_pings_of(found, moves->pdata[i]).silence);
    g_autofree char *lost = g_strdup_printf("%u of %u", whole.lost, whole.sent);
    g_autofree char *pace = g_strdup_printf("at %u a second, over all of it", plan->pace);
    g_autofree char *figure = g_strdup_printf("%.0f ms", silence * 1000);
    g_autofree char *about = g_strdup_printf("between two answers, in %u move%s", moves->len,
                                             moves->len == 1 ? "" : "s");
    page_tile(out, "Pings lost", lost, pace);
    page_tile(out, "Longest silence", figure, about);
}

static void tile_of_moves(GString *out, const Evaluation *found)
{
    g_autoptr(GPtrArray) moves = evaluation_moves(found, MOVE_AGAIN);
    g_autoptr(GPtrArray) sizes = evaluation_moves(found, MOVE_SIZE);
    const GPtrArray *of = moves->len > 0 ? moves : sizes;
    Spread downtime = section_spread(of, FIGURE_DOWNTIME_MS, FALSE);
    Spread seconds = section_spread(of, FIGURE_SECONDS, FALSE);
    if (seconds.count > 0) {
        g_autofree char *figure = page_amount(seconds.median, "s");
        g_autofree char *about = g_strdup_printf("median of %u, from %.2f to %.2f s", seconds.count,
                                                 seconds.least, seconds.most);
        page_tile(out, "Time of a move", figure, about);
    }
    if (downtime.count > 0) {
        g_autofree char *figure = page_amount(downtime.median, "ms");
        g_autofree char *about =
            g_strdup_printf("by the hypervisor, %.0f to %.0f ms", downtime.least, downtime.most);
        page_tile(out, "Downtime", figure, about);
    }
}

static void tile_of_download(GString *out, const Evaluation *found)
{
    if (found->download_count < 2 || found->downloads[1].move < 0)
        return;
    const FetchResult *result = &found->downloads[1].result;
    const char *expected = found->sum != NULL ? found->sum : found->downloads[0].result.sum;
    gboolean whole = result->done && g_strcmp0(expected, result->sum) == 0;
    page_tile(out, "Download meanwhile",
              whole          ? "intact"
              : result->done ? "DAMAGED"
                             : "not ended",
              whole ? "the same SHA-256" : "see below");
}

void section_tiles(GString *out, const Plan *plan, const Evaluation *found)
{
    g_string_append(out, "<div class=\"tiles\">\n");
    tile_of_pings(out, plan, found);
    tile_of_moves(out, found);
    tile_of_download(out, found);
    g_string_append(out, "</div>\n");
}

/* ---- Beside what was published ---- */

/* What this run has to say about the rows of the table below. (owned; NULL: not measured) */
static char *said_of_pings(const Plan *plan, const Evaluation *found)
{
    g_autoptr(GPtrArray) moves = evaluation_moves(found, MOVE_AGAIN);
    if (found->pings[1] == NULL || moves->len == 0)
        return NULL;
    PingSummary whole = ping_summary(found->pings[1], -1, G_MAXDOUBLE);
    double silence = 0;
    for (guint i = 0; i < moves->len; i++)
        silence = MAX(silence, section_pings_of(found, moves->pdata[i]).silence);
    PingSummary slow = ping_summary(found->pings[0], -1, G_MAXDOUBLE);
    return g_strdup_printf("%u of %u lost at one a second, %u of %u at %u a second; longest "
                           "silence %.0f ms",
                           slow.lost, slow.sent, whole.lost, whole.sent, plan->pace,
                           silence * 1000);
}

static char *said_of_downtime(const Plan *plan, const Evaluation *found)
{
    /* Those of other sizes have a row of their own. */
    g_autoptr(GPtrArray) again = evaluation_moves(found, MOVE_AGAIN);
    const GPtrArray *of = again->len > 0 ? again : found->moves;
    Spread spread = section_spread(of, FIGURE_DOWNTIME_MS, FALSE);
    return spread.count > 0
               ? g_strdup_printf("%.0f ms in the median of %u moves (%.0f to %.0f)", spread.median,
                                 spread.count, spread.least, spread.most)
               : NULL;
}

static char *said_of_sizes(const Plan *plan, const Evaluation *found)
{
    g_autoptr(GPtrArray) sizes = evaluation_moves(found, MOVE_SIZE);
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 0; i < sizes->len; i++) {
        const Move *move = sizes->pdata[i];
        if (move->good)
            g_string_append_printf(text, "%s%" G_GINT64_FORMAT " MiB: %.2f s",
                                   text->len > 0 ? ", " : "", move->memory,
                                   section_figure(move, FIGURE_SECONDS));
    }
    return text->len > 0 ? g_strdup(text->str) : NULL;
}

static char *said_of_repeated(const Plan *plan, const Evaluation *found)
{
    g_autoptr(GPtrArray) moves = evaluation_moves(found, MOVE_AGAIN);
    const Move *first = moves->len > 0 ? moves->pdata[0] : NULL;
    Spread later = section_spread(moves, FIGURE_SECONDS, TRUE);
    return first != NULL && first->good && later.count > 0
               ? g_strdup_printf("first %.2f s, later %.2f s in the median of %u",
                                 section_figure(first, FIGURE_SECONDS), later.median, later.count)
               : NULL;
}

static char *said_of_download(const Plan *plan, const Evaluation *found)
{
    if (found->download_count < 2 || !found->downloads[1].result.done)
        return NULL;
    g_autofree char *without = page_span(found->downloads[0].ended - found->downloads[0].began);
    g_autofree char *with = page_span(found->downloads[1].ended - found->downloads[1].began);
    const char *expected = found->sum != NULL ? found->sum : found->downloads[0].result.sum;
    g_autofree char *bytes = page_bytes(found->downloads[1].result.bytes);
    gboolean same = g_strcmp0(expected, found->downloads[1].result.sum) == 0;
    return g_strdup_printf("%s bytes: %s without, %s with; content %s", bytes, without, with,
                           same ? "intact" : "DAMAGED");
}

static char *said_of_rate(const Plan *plan, const Evaluation *found)
{
    const Download *with = &found->downloads[1];
    if (found->download_count < 2 || with->move < 0)
        return NULL;
    const Move *move = found->moves->pdata[with->move];
    const GArray *steps = with->result.steps;
    double end = MIN(move->ended, with->ended);
    if (end <= move->ordered)
        return NULL;
    return g_strdup_printf("from %.2f to %.2f MB/s",
                           progress_rate(steps, with->began, move->ordered) / 1e6,
                           progress_rate(steps, move->ordered, end) / 1e6);
}

/* Values of the thesis of 2016 that these experiments follow, as it gives them. */
static const struct {
    const char *what;
    const char *published;
    char *(*said)(const Plan *plan, const Evaluation *found);
} rows[] = {
    {"pings during a live migration", "none lost; a visible peak of milliseconds", said_of_pings},
    {"time that the guest stands still", "about 0.3 s (LXD's own figure)", said_of_downtime},
    {"time against memory, first move", "512 MiB to 4 GiB: nearly independent of the size",
     said_of_sizes},
    {"the same guest again and again", "clearly faster than the first move", said_of_repeated},
    {"a download inside the guest",
     "1,054,867,456 bytes: 11 min 21 s without, 14 min 26 s with; intact", said_of_download},
    {"its rate while the migration runs", "falls from 2.38 to 0.557 MB/s", said_of_rate},
};

char *report_summary(const Plan *plan, const Evaluation *found)
{
    GString *out = g_string_new(NULL);
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *said = rows[i].said(plan, found);
        if (said != NULL)
            g_string_append_printf(out, "%s: %s (published in 2016: %s)\n", rows[i].what, said,
                                   rows[i].published);
    }
    return g_string_free(out, FALSE);
}

void section_published(GString *out, const Plan *plan, const Evaluation *found)
{
    static const char *const heads[] = {"", "here", "published in 2016", NULL};
    page_section(out, "published", "Beside the published figures",
                 "The right column is not measured here: a thesis of 2016 gives these values for "
                 "containers (LXD on LXC, CRIU) on hosts with a Celeron of 2.6 GHz, 4 GiB of "
                 "memory and Gigabit Ethernet. Other machines, other guests: compare the shapes, "
                 "not the seconds.");
    page_table_begin(out, heads);
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *said = rows[i].said(plan, found);
        const char *cells[] = {rows[i].what, said != NULL ? said : "not measured",
                               rows[i].published};
        page_row(out, cells, G_N_ELEMENTS(cells));
    }
    page_table_end(out);
    page_section_end(out);
}

/* ---- With what, and how ---- */

static void row_of(GString *out, const char *what, const char *text)
{
    const char *cells[] = {what, text != NULL && *text != '\0' ? text : NULL};
    page_row(out, cells, G_N_ELEMENTS(cells));
}

static void row_of_host(GString *out, const char *what, const HostFacts *host)
{
    g_autofree char *text =
        g_strdup_printf("%s: %s%s%s, %" G_GINT64_FORMAT " processors, %" G_GINT64_FORMAT
                        " MiB of memory, hypervisor %s %s",
                        host->name, *host->model != '\0' ? host->model : "model not known",
                        *host->arch != '\0' ? ", " : "", host->arch, host->cpus, host->memory,
                        *host->hypervisor != '\0' ? host->hypervisor : "not known", host->version);
    row_of(out, what, g_strchomp(text));
}

/* Of the moves that were made in this mode. */
static guint count_of(const Evaluation *found, const char *mode)
{
    guint count = 0;
    for (guint i = 0; i < found->moves->len; i++)
        count += strcmp(((const Move *)found->moves->pdata[i])->mode, mode) == 0;
    return count;
}

/* A driver of containers chooses the best way that can work, for each move anew. */
static void row_of_way(GString *out, const Evaluation *found)
{
    guint stopped = count_of(found, "stopped");
    g_autofree char *ended = g_strdup_printf(
        "NOT live: in %u of %u moves the container was ended, and started anew at the other host",
        stopped, found->moves->len);
    row_of(out, "way of moving",
           found->by_power ? "NOT live: powered off, moved, and started there"
           : stopped > 0   ? ended
           : count_of(found, "checkpointed") > 0
               ? "by a checkpoint: it stood still while its memory and disks were sent"
               : "live");
}

/* How memory travels, by the mode of a move. */
static char *memory_of(const char *mode)
{
    if (strcmp(mode, "live") == 0 || strcmp(mode, "checkpointed") == 0)
        return g_strdup("; memory by a checkpoint of CRIU");
    if (strcmp(mode, "stopped") == 0)
        return g_strdup("; what was in memory is lost");
    return *mode != '\0' ? g_strdup_printf("; memory by %s", mode) : g_strdup("");
}

static void row_of_storage(GString *out, const Evaluation *found)
{
    for (guint i = 0; i < found->moves->len; i++) {
        const Move *move = found->moves->pdata[i];
        if (*move->storage == '\0')
            continue;
        gboolean shared = strcmp(move->storage, "shared") == 0;
        g_autofree char *memory = memory_of(move->mode);
        g_autofree char *text = g_strconcat(shared ? "on storage that both hosts share"
                                                   : "copied with each move (mirrored)",
                                            memory, NULL);
        row_of(out, "disks", text);
        return;
    }
    row_of(out, "disks", NULL);
}

void section_setting(GString *out, const Plan *plan, const Evaluation *found)
{
    g_autoptr(GDateTime) began = g_date_time_new_from_unix_local(found->started);
    g_autofree char *time = g_date_time_format(began, "%Y-%m-%d %H:%M:%S %Z");
    g_autofree char *span = page_span(found->seconds);
    g_autofree char *when = g_strdup_printf("%s, for %s", time, span);
    g_autofree char *load =
        found->load[0] < 0
            ? NULL
            : g_strdup_printf("%.1f at the beginning, %.1f at the end, on %u processors; a busy "
                              "computer measures its own delays",
                              found->load[0], found->load[1], g_get_num_processors());
    g_autofree char *machine = g_strdup_printf(
        "%s (%d): %" G_GINT64_FORMAT " MiB of memory, %s virtual processor%s", found->name,
        found->vm, found->memory, found->cpus, strcmp(found->cpus, "1") == 0 ? "" : "s");
    page_section(out, "setting", "Measured with", NULL);
    page_table_begin(out, NULL);
    row_of(out, "machine", machine);
    row_of_host(out, "from", &found->hosts[0]);
    row_of_host(out, "to", &found->hosts[1]);
    row_of_way(out, found);
    row_of_storage(out, found);
    if (plan->migrate != NULL && plan->migrate[0] != '\0')
        row_of(out, "asked for with the command", plan->migrate);
    row_of(out, "settings of its migrations",
           found->migrate != NULL ? found->migrate : "those of its hosts; none of its own");
    if (found->way != NULL)
        row_of(out, "the guest was told by",
               strcmp(found->way, "ssh") == 0 ? "ssh" : "its own service");
    row_of(out, "when", when);
    row_of(out, "load of this computer", load);
    row_of(out, "by", "onevm evaluate of Globule " GLOBULE_VERSION);
    page_table_end(out);
    page_section_end(out);
}

void section_method(GString *out, const Plan *plan, const Evaluation *found)
{
    page_section(out, "method", "How, and what it cannot tell", NULL);
    g_string_append(out, "<ul>\n");
    for (guint i = 0; i < found->notes->len; i++)
        page_text(out, "li", "warning", found->notes->pdata[i]);
    page_text(out, "li", NULL,
              "The time of a move goes from the order to the server until the machine runs at its "
              "destination, as the server saw it. The hypervisor's time and downtime, the data and "
              "the rounds are the hypervisor's own figures.");
    page_format(out, "li", NULL,
                "Pings go from the computer where the command ran, once a second and %u times a "
                "second. A silence is the time between two answers, so it is never shorter than "
                "what lies between two pings, and holds the delays of the network and of this "
                "computer too.",
                plan->pace);
    page_format(out, "li", NULL,
                "The rate of a download is what the guest counted, at the moment when its word "
                "arrived here. %s",
                found->kept ? "The guest keeps the content in a file, to go on with it after a "
                              "move that ends the guest, adds it up there, and removes it."
                            : "The guest adds up the content as it comes and keeps nothing.");
    page_text(out, "li", NULL,
              "Machines made for a size of memory are at rest: a guest that writes to much of "
              "its memory sends more, and takes longer.");
    if (count_of(found, "live") + count_of(found, "checkpointed") > 0)
        page_text(out, "li", NULL,
                  "CRIU writes all of a container's memory while it stands still, and reads it at "
                  "the other host: the time grows with what its programs hold, and is no shorter "
                  "where it has been before.");
    if (strcmp(found->hosts[0].hypervisor, "qemu") == 0 ||
        strcmp(found->hosts[1].hypervisor, "qemu") == 0)
        page_text(out, "li", NULL,
                  "A host without KVM emulates the processor in software, which is many times "
                  "slower: guests here are slower than on hosts with KVM.");
    g_string_append(out, "</ul>\n");
    page_section_end(out);
}

/* ---- The page ---- */

char *report_page(const Plan *plan, const Evaluation *found)
{
    GString *out = g_string_new(NULL);
    g_autofree char *title = g_strdup_printf("Live migration of %s, measured", found->name);
    page_begin(out, title);
    page_text(out, "h1", NULL, title);
    page_format(out, "p", "lead", "Machine %s (%d) between %s and %s.", found->name, found->vm,
                found->hosts[0].name, found->hosts[1].name);
    if (found->interrupted)
        page_text(out, "p", "warning",
                  "This measurement was interrupted: what follows is what had been found by then.");
    section_tiles(out, plan, found);
    section_ping(out, plan, found);
    section_sizes(out, plan, found);
    section_repeated(out, plan, found);
    section_download(out, plan, found);
    section_published(out, plan, found);
    section_setting(out, plan, found);
    section_method(out, plan, found);
    page_end(out);
    return g_string_free(out, FALSE);
}
