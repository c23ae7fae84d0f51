/*
 * The sections of the report that hold measurements. Each says in one sentence what was
 * found, made from the figures, and keeps to what they show.
 */
#include "client/evaluate/page.h"

#include <math.h>
#include <string.h>

#define AROUND 3.0 /* s of pings shown before and after a move */
#define AFTER  1.0 /* s after a move that still count as its own */
#define PARTS  60  /* of the time of a download, each a point of its rate */
#define MIB    1048576.0

PingSummary section_pings_of(const Evaluation *found, const Move *move)
{
    return ping_summary(found->pings[1], move->ordered, move->ended + AFTER);
}

double section_figure(const Move *move, Figure figure)
{
    switch (figure) {
    case FIGURE_SECONDS:
        return move->elapsed_ms >= 0 ? (double)move->elapsed_ms / 1000 : -1;
    case FIGURE_TOTAL_MS:
        return (double)move->total_ms;
    case FIGURE_DOWNTIME_MS:
        return (double)move->downtime_ms;
    case FIGURE_MIB:
        return move->bytes >= 0 ? (double)move->bytes / MIB : -1;
    }
    return -1;
}

Spread section_spread(const GPtrArray *moves, Figure figure, gboolean later_only)
{
    g_autofree double *values = g_new(double, MAX(moves->len, 1));
    guint count = 0;
    for (guint i = 0; i < moves->len; i++) {
        const Move *move = moves->pdata[i];
        if (move->good && move->role != MOVE_HOME && !(later_only && move->number == 1))
            values[count++] = section_figure(move, figure);
    }
    return spread_of(values, count);
}

static GArray *points_new(void)
{
    return g_array_new(FALSE, FALSE, sizeof(ChartPoint));
}

static void add_point(GArray *points, double x, double y)
{
    ChartPoint point = {x, y};
    g_array_append_val(points, point);
}

/* ---- 1: pings ---- */

static const Move *first_pinged(const Evaluation *found)
{
    g_autoptr(GPtrArray) moves = evaluation_moves(found, MOVE_AGAIN);
    for (guint i = 0; found->pings[1] != NULL && i < moves->len; i++)
        if (((const Move *)moves->pdata[i])->good)
            return moves->pdata[i];
    return NULL;
}

static void take_pings(const GArray *pings, const Move *move, GArray *answered, GArray *lost)
{
    for (guint i = 0; i < pings->len; i++) {
        const Ping *ping = &g_array_index(pings, Ping, i);
        double at = ping->sent - move->ordered;
        if (at < -AROUND || at > move->ended - move->ordered + AROUND)
            continue;
        if (ping->trip < 0)
            add_point(lost, at, 0);
        add_point(answered, at, ping->trip);
    }
}

static void draw_pings(GString *out, const Plan *plan, const Evaluation *found, const Move *move)
{
    g_autoptr(GArray) fast = points_new();
    g_autoptr(GArray) slow = points_new();
    g_autoptr(GArray) lost = points_new();
    take_pings(found->pings[1], move, fast, lost);
    take_pings(found->pings[0], move, slow, lost);
    g_autofree char *name = g_strdup_printf("%u a second", plan->pace);
    ChartSeries series[] = {{name, CHART_LINE, 1, fast, "ms"},
                            {"once a second", CHART_DOTS, 2, slow, "ms"},
                            {"no answer", CHART_MARKS, 4, lost, ""}};
    g_autoptr(GPtrArray) moves = evaluation_moves(found, MOVE_AGAIN);
    g_autofree ChartBand *bands = g_new0(ChartBand, moves->len);
    g_autoptr(GPtrArray) labels = g_ptr_array_new_with_free_func(g_free);
    double end = move->ended + AROUND;
    for (guint i = 0; i < moves->len; i++) {
        const Move *other = moves->pdata[i];
        g_ptr_array_add(labels, g_strdup_printf("move %u", other->number));
        bands[i] = (ChartBand){other->ordered - move->ordered, other->ended - move->ordered,
                               labels->pdata[i]};
        if (other->ordered > move->ended)
            end = MIN(end, other->ordered); /* the next one is another story */
    }
    Chart chart = {.title = "Round trip of each ping around the first move",
                   .x_label = "seconds since the order to move",
                   .y_label = "round trip, ms",
                   .from = -AROUND,
                   .to = end - move->ordered,
                   .series = series,
                   .count = G_N_ELEMENTS(series),
                   .bands = bands,
                   .band_count = moves->len};
    page_figure(out, &chart);
}

static void table_of_pings(GString *out, const Evaluation *found)
{
    static const char *const heads[] = {
        "move", "to", "pings", "no answer", "median trip", "longest trip", "longest silence", NULL};
    g_autoptr(GPtrArray) moves = evaluation_moves(found, MOVE_AGAIN);
    page_table_begin(out, heads);
    for (guint i = 0; i < moves->len; i++) {
        const Move *move = moves->pdata[i];
        PingSummary summary = section_pings_of(found, move);
        g_autofree char *number = g_strdup_printf("%u", move->number);
        g_autofree char *sent = g_strdup_printf("%u", summary.sent);
        g_autofree char *lost = g_strdup_printf("%u", summary.lost);
        g_autofree char *median = page_amount(summary.median, "ms");
        g_autofree char *worst = page_amount(summary.worst, "ms");
        g_autofree char *silence = page_amount(summary.silence * 1000, "ms");
        const char *cells[] = {number, move->destination, sent, lost, median, worst, silence};
        page_row(out, cells, G_N_ELEMENTS(cells));
    }
    page_table_end(out);
}

void section_ping(GString *out, const Plan *plan, const Evaluation *found)
{
    const Move *move = first_pinged(found);
    if (move == NULL)
        return;
    page_section(out, "ping", "1. Pings around the switch",
                 "Does somebody who talks to the guest notice that it moves?");
    PingSummary slow = ping_summary(found->pings[0], -1, G_MAXDOUBLE);
    PingSummary fast = ping_summary(found->pings[1], -1, G_MAXDOUBLE);
    PingSummary summary = section_pings_of(found, move);
    page_format(out, "p", "finding",
                "Of the pings sent once a second %u of %u had no answer, of those sent %u times a "
                "second %u of %u. In the first move the longest silence between two answers was "
                "%.0f ms; %.0f ms lie between two pings.",
                slow.lost, slow.sent, plan->pace, fast.lost, fast.sent, summary.silence * 1000,
                1000.0 / plan->pace);
    draw_pings(out, plan, found, move);
    table_of_pings(out, found);
    page_published(out, "no ping lost, at one a second and faster; a visible peak at the switch, "
                        "of some milliseconds. LXD's own figure for the switch was about 0.3 s.");
    page_section_end(out);
}

/* ---- 2: memory ---- */

/* Time, downtime and data of moves, side by side: two series in each. */
typedef struct Panels {
    const GPtrArray *moves[2];
    const char *names[2];
    guint tones[2];
    ChartForm form;
    gboolean by_memory; /* along x; else by number */
    const char *x_label;
    double from, to; /* of the x axis, as in a chart */
} Panels;

static double panel_x(const Panels *panels, const Move *move)
{
    return panels->by_memory ? (double)move->memory : move->number;
}

/* FALSE when the figure is known of no move. */
static gboolean fill_panel(const Panels *panels, Figure figure, GArray *const points[2],
                           GArray *ticks)
{
    gboolean known = FALSE;
    for (guint i = 0; i < 2; i++)
        for (guint j = 0; j < panels->moves[i]->len; j++) {
            const Move *move = panels->moves[i]->pdata[j];
            ChartTick tick = {.at = panel_x(panels, move)};
            double value = move->good ? section_figure(move, figure) : -1;
            add_point(points[i], tick.at, value);
            known = known || value >= 0;
            g_snprintf(tick.label, sizeof tick.label, "%.0f", tick.at);
            g_array_append_val(ticks, tick);
        }
    return known;
}

static void draw_panel(GString *out, const Panels *panels, Figure figure, gboolean legend)
{
    static const struct {
        const char *title, *label, *unit;
    } about[] = {[FIGURE_SECONDS] = {"Time of moves", "from order to arrival, s", "s"},
                 [FIGURE_DOWNTIME_MS] = {"Downtime of moves", "downtime, ms", "ms"},
                 [FIGURE_MIB] = {"Data of moves", "data moved, MiB", "MiB"}};
    g_autoptr(GArray) one = points_new();
    g_autoptr(GArray) other = points_new();
    g_autoptr(GArray) ticks = g_array_new(FALSE, FALSE, sizeof(ChartTick));
    GArray *const points[2] = {one, other};
    gboolean known = fill_panel(panels, figure, points, ticks);
    ChartSeries series[] = {
        {panels->names[0], panels->form, panels->tones[0], one, about[figure].unit},
        {panels->names[1], panels->form, panels->tones[1], other, about[figure].unit}};
    Chart chart = {.title = about[figure].title,
                   .x_label = panels->x_label,
                   .y_label = about[figure].label,
                   .from = panels->from,
                   .to = panels->to,
                   .series = series,
                   .count = G_N_ELEMENTS(series),
                   .ticks = (const ChartTick *)(const void *)ticks->data,
                   .tick_count = ticks->len,
                   .small = TRUE};
    if (legend)
        page_legend(out, &chart);
    else if (known)
        page_figure(out, &chart);
}

static void draw_panels(GString *out, const Panels *panels)
{
    static const Figure figures[] = {FIGURE_SECONDS, FIGURE_DOWNTIME_MS, FIGURE_MIB};
    draw_panel(out, panels, FIGURE_SECONDS, TRUE);
    g_string_append(out, "<div class=\"charts\">\n");
    for (guint i = 0; i < G_N_ELEMENTS(figures); i++)
        draw_panel(out, panels, figures[i], FALSE);
    g_string_append(out, "</div>\n");
}

static void row_of_move(GString *out, const Move *move, const char *head)
{
    g_autofree char *seconds = page_amount(section_figure(move, FIGURE_SECONDS), "s");
    g_autofree char *total = page_amount(section_figure(move, FIGURE_TOTAL_MS), "ms");
    g_autofree char *downtime = page_amount(section_figure(move, FIGURE_DOWNTIME_MS), "ms");
    g_autofree char *data = page_amount(section_figure(move, FIGURE_MIB), "MiB");
    g_autofree char *rounds =
        move->rounds >= 0 ? g_strdup_printf("%" G_GINT64_FORMAT, move->rounds) : NULL;
    g_autofree char *way = g_strdup_printf("%s to %s", move->source, move->destination);
    const char *cells[] = {head, way,   move->good ? seconds : "failed", total, downtime,
                           data, rounds};
    page_row(out, cells, G_N_ELEMENTS(cells));
}

static void table_of_sizes(GString *out, const Evaluation *found)
{
    static const char *const heads[] = {"memory",   "way",        "time",   "hypervisor's time",
                                        "downtime", "data moved", "rounds", NULL};
    page_table_begin(out, heads);
    for (guint i = 0; i < found->moves->len; i++) {
        const Move *move = found->moves->pdata[i];
        if (move->role != MOVE_SIZE && move->role != MOVE_BACK)
            continue;
        g_autofree char *memory = g_strdup_printf("%" G_GINT64_FORMAT " MiB", move->memory);
        row_of_move(out, move, memory);
    }
    page_table_end(out);
}

/* The smallest and the largest size that could be moved. */
static gboolean ends_of_sizes(const GPtrArray *moves, const Move **least, const Move **most)
{
    *least = *most = NULL;
    for (guint i = 0; i < moves->len; i++) {
        const Move *move = moves->pdata[i];
        if (!move->good)
            continue;
        *least = *least == NULL || move->memory < (*least)->memory ? move : *least;
        *most = *most == NULL || move->memory > (*most)->memory ? move : *most;
    }
    return *least != NULL && (*most)->memory > (*least)->memory;
}

void section_sizes(GString *out, const Plan *plan, const Evaluation *found)
{
    g_autoptr(GPtrArray) first = evaluation_moves(found, MOVE_SIZE);
    const Move *least, *most;
    if (first->len == 0)
        return;
    page_section(out, "sizes", "2. Time against memory",
                 "Does a machine with more memory take longer to move? Each was made for this "
                 "measurement, and moved to a host that never had it.");
    if (ends_of_sizes(first, &least, &most))
        page_format(out, "p", "finding",
                    "From %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT
                    " MiB, %.1f times the memory, the first move went from %.2f to %.2f s: %.1f "
                    "times the time.",
                    least->memory, most->memory, (double)most->memory / (double)least->memory,
                    section_figure(least, FIGURE_SECONDS), section_figure(most, FIGURE_SECONDS),
                    section_figure(most, FIGURE_SECONDS) /
                        MAX(section_figure(least, FIGURE_SECONDS), 0.001));
    g_autoptr(GPtrArray) back = evaluation_moves(found, MOVE_BACK);
    Panels panels = {.moves = {first, back},
                     .names = {"first move", "back again"},
                     .tones = {2, 1},
                     .form = CHART_POINTS,
                     .by_memory = TRUE,
                     .x_label = "memory, MiB"};
    draw_panels(out, &panels);
    table_of_sizes(out, found);
    page_published(out, "for 512 MiB, 1, 2 and 4 GiB the time was nearly independent of the size: "
                        "only pages that were written to travel.");
    page_section_end(out);
}

/* ---- 3: again and again ---- */

static void finding_of_repeated(GString *out, const Evaluation *found, const GPtrArray *moves)
{
    const Move *first = moves->pdata[0];
    Spread later = section_spread(moves, FIGURE_SECONDS, TRUE);
    if (first->good && later.count > 0)
        page_format(out, "p", "finding",
                    "The first move took %.2f s, the %u after it %.2f s in the median (%.2f to "
                    "%.2f s).",
                    section_figure(first, FIGURE_SECONDS), later.count, later.median, later.least,
                    later.most);
    if (!first->first)
        page_format(out, "p", NULL,
                    "%s had been on %s before this measurement: the first move here is not its "
                    "first ever.",
                    found->name, found->hosts[1].name);
}

void section_repeated(GString *out, const Plan *plan, const Evaluation *found)
{
    static const char *const heads[] = {"move",     "way",        "time",   "hypervisor's time",
                                        "downtime", "data moved", "rounds", NULL};
    g_autoptr(GPtrArray) moves = evaluation_moves(found, MOVE_AGAIN);
    if (moves->len < 2)
        return;
    page_section(out, "repeated", "3. The same machine again and again",
                 "Is it faster to go where one has been?");
    finding_of_repeated(out, found, moves);
    g_autoptr(GPtrArray) first = g_ptr_array_new();
    g_autoptr(GPtrArray) later = g_ptr_array_new();
    for (guint i = 0; i < moves->len; i++)
        g_ptr_array_add(i == 0 ? first : later, moves->pdata[i]);
    Panels panels = {.moves = {first, later},
                     .names = {"first move", "later moves"},
                     .tones = {2, 1},
                     .form = CHART_BARS,
                     .x_label = "number of the move",
                     .from = 0.4,
                     .to = moves->len + 0.6};
    draw_panels(out, &panels);
    page_table_begin(out, heads);
    for (guint i = 0; i < moves->len; i++) {
        g_autofree char *number = g_strdup_printf("%u", i + 1);
        row_of_move(out, moves->pdata[i], number);
    }
    page_table_end(out);
    page_published(out, "moved again and again between two hosts, the container was clearly faster "
                        "than the first time.");
    page_section_end(out);
}

/* ---- 4: a download ---- */

static const Move *move_of(const Evaluation *found, const Download *download)
{
    return download->move >= 0 ? found->moves->pdata[download->move] : NULL;
}

static void draw_download(GString *out, const Evaluation *found)
{
    g_autoptr(GArray) without = points_new();
    g_autoptr(GArray) with = points_new();
    ChartBand band = {0};
    double longest = 0;
    for (guint i = 0; i < found->download_count; i++) {
        const Download *download = &found->downloads[i];
        const Move *move = move_of(found, download);
        g_autoptr(GArray) rates = progress_rates(
            download->result.steps, MIN(PARTS, MAX(download->result.steps->len / 2, 1)));
        longest = MAX(longest, download->ended - download->began);
        for (guint j = 0; j < rates->len; j++) {
            const Progress *rate = &g_array_index(rates, Progress, j);
            add_point(i == 0 ? without : with, rate->at - download->began, rate->bytes / 1e6);
        }
        if (move != NULL)
            band = (ChartBand){move->ordered - download->began, move->ended - download->began,
                               "the move"};
    }
    ChartSeries series[] = {{"without a move", CHART_LINE, 1, without, "MB/s"},
                            {"with a move", CHART_LINE, 2, with, "MB/s"}};
    Chart chart = {.title = "Rate of the download over time",
                   .x_label = "seconds since the download began",
                   .y_label = "rate, MB/s",
                   .from = 0,
                   .to = longest,
                   .series = series,
                   .count = G_N_ELEMENTS(series),
                   .bands = &band,
                   .band_count = band.to > band.from ? 1 : 0};
    page_figure(out, &chart);
}

static double rate_in(const Download *download, double from, double to)
{
    return to > from ? progress_rate(download->result.steps, from, to) / 1e6 : -1;
}

static void table_of_downloads(GString *out, const Evaluation *found)
{
    static const char *const heads[] = {"",          "time",     "mean rate", "before the move",
                                        "during it", "after it", "content",   NULL};
    page_table_begin(out, heads);
    for (guint i = 0; i < found->download_count; i++) {
        const Download *download = &found->downloads[i];
        const Move *move = move_of(found, download);
        double from = move != NULL ? move->ordered : 0, to = move != NULL ? move->ended : 0;
        g_autofree char *span = page_span(download->ended - download->began);
        g_autofree char *mean =
            page_amount(rate_in(download, download->began, download->ended), "MB/s");
        g_autofree char *before = page_amount(rate_in(download, download->began, from), "MB/s");
        g_autofree char *during =
            page_amount(rate_in(download, from, MIN(to, download->ended)), "MB/s");
        g_autofree char *after = page_amount(rate_in(download, to, download->ended), "MB/s");
        const char *cells[] = {i == 0 ? "without a move" : "with a move",
                               span,
                               mean,
                               move != NULL ? before : "–",
                               move != NULL ? during : "–",
                               move != NULL ? after : "–",
                               evaluation_soundness(found, download)};
        page_row(out, cells, G_N_ELEMENTS(cells));
    }
    page_table_end(out);
}

/* What became of a download whose guest was ended by the move. */
static void story_of_break(GString *out, const Evaluation *found, const Download *with)
{
    g_autofree char *broken = page_bytes(with->broken_bytes);
    g_autofree char *resumed = page_bytes(with->resumed_bytes);
    g_autofree char *kept = with->resumed_bytes > 0
                                ? g_strdup_printf("went on at byte %s", resumed)
                                : g_strdup("began anew, since the guest had kept nothing,");
    if (with->resumed_at <= 0)
        page_format(out, "p", "warning",
                    "The move ended the guest: the download broke off at byte %s, and did not go "
                    "on in %u attempt%s.",
                    broken, with->tries, with->tries == 1 ? "" : "s");
    else if (!with->result.done)
        page_format(out, "p", "warning",
                    "The move ended the guest: the download broke off at byte %s, %s %.1f s later, "
                    "and did not end.",
                    broken, kept, with->resumed_at - with->broken_at);
    else
        page_format(out, "p", "finding",
                    "The move ended the guest: the download broke off at byte %s, %s %.1f s later, "
                    "and was whole %.1f s after it had begun. The content is %s.",
                    broken, kept, with->resumed_at - with->broken_at, with->ended - with->began,
                    evaluation_soundness(found, with));
}

void section_download(GString *out, const Plan *plan, const Evaluation *found)
{
    if (found->download_count == 0)
        return;
    const Download *with = &found->downloads[1];
    const Move *move = found->download_count > 1 ? move_of(found, with) : NULL;
    page_section(out, "download", "4. A download inside the guest",
                 "Does work in the guest go on during the move, and is its result whole?");
    g_autofree char *bytes = page_bytes(found->downloads[0].result.bytes);
    if (move != NULL && with->tries > 0)
        story_of_break(out, found, with);
    else if (move != NULL && with->result.done)
        page_format(out, "p", "finding",
                    "%s bytes took %.1f s without a move and %.1f s with one; during the move the "
                    "rate was %.2f MB/s. The content is %s.",
                    bytes, found->downloads[0].ended - found->downloads[0].began,
                    with->ended - with->began,
                    MAX(rate_in(with, move->ordered, MIN(move->ended, with->ended)), 0),
                    evaluation_soundness(found, with));
    draw_download(out, found);
    table_of_downloads(out, found);
    page_format(out, "p", NULL, "Downloaded: %s.", found->url);
    page_sum(out, "SHA-256 of what was sent:", found->sum != NULL ? found->sum : "not known here");
    for (guint i = 0; i < found->download_count; i++)
        if (found->downloads[i].result.sum != NULL)
            page_sum(out, i == 0 ? "in the guest, without a move:" : "in the guest, with a move:",
                     found->downloads[i].result.sum);
    page_published(out, "1,054,867,456 bytes came whole both times, in 11 min 21 s without a "
                        "migration and in 14 min 26 s with one; while it ran the rate fell from "
                        "2.38 to 0.557 MB/s.");
    page_section_end(out);
}
