#include "client/evaluate/chart.h"
#include "lib/base/xml.h"

#include <math.h>

#define LEFT   48.0
#define RIGHT  14.0
#define TOP    36.0
#define BOTTOM 42.0
#define BAR    40.0 /* widest bar */
#define LETTER 6.3  /* mean width of a letter of the axis, for what may overlap */

/* One drawing of a chart. All lengths are units of the drawing: pixels at full width. */
typedef struct Drawing {
    const Chart *chart;
    GString *out;
    double width, height;
    double x0, x1, y1; /* what the axes span */
    double x_step, y_step;
} Drawing;

double chart_step(double least, double most, guint wanted)
{
    double rough = (most - least) / MAX(wanted, 1);
    if (!(rough > 0))
        return 1;
    double power = pow(10, floor(log10(rough)));
    double part = rough / power;
    return power * (part <= 1 ? 1 : part <= 2 ? 2 : part <= 5 ? 5 : 10);
}

char *chart_number(double number, double step)
{
    int digits = step < 1 ? (int)ceil(-log10(step) - 1e-9) : 0;
    char text[64];
    g_ascii_formatd(text, sizeof text,
                    digits > 6   ? "%.7f"
                    : digits > 4 ? "%.6f"
                    : digits > 3 ? "%.4f"
                    : digits > 2 ? "%.3f"
                    : digits > 1 ? "%.2f"
                    : digits > 0 ? "%.1f"
                                 : "%.0f",
                    fabs(number) < step / 1000 ? 0 : number);
    return g_strdup(text);
}

/* ---- Numbers and places ---- */

/* SVG wants a point whatever the locale, and two digits are finer than any screen. */
static void put_number(GString *out, double number)
{
    char text[64];
    g_string_append(out, g_ascii_formatd(text, sizeof text, "%.2f", number));
}

/* "x" and " y" of a place, or attributes such as x="1.00". */
static void put_pair(GString *out, const char *before, double x, const char *between, double y,
                     const char *after)
{
    g_string_append(out, before);
    put_number(out, x);
    g_string_append(out, between);
    put_number(out, y);
    g_string_append(out, after);
}

static double place_x(const Drawing *drawing, double x)
{
    double span = drawing->width - LEFT - RIGHT;
    return LEFT + (x - drawing->x0) / (drawing->x1 - drawing->x0) * span;
}

static double place_y(const Drawing *drawing, double y)
{
    return drawing->height - BOTTOM - y / drawing->y1 * (drawing->height - TOP - BOTTOM);
}

static void put_text(GString *out, const char *class, const char *anchor, double x, double y,
                     const char *text)
{
    g_string_append_printf(out, "<text class=\"%s\" text-anchor=\"%s\"", class, anchor);
    put_pair(out, " x=\"", x, "\" y=\"", y, "\">");
    xml_append_text(out, text);
    g_string_append(out, "</text>\n");
}

static void put_line(GString *out, const char *class, double x1, double y1, double x2, double y2)
{
    g_string_append_printf(out, "<line class=\"%s\"", class);
    put_pair(out, " x1=\"", x1, "\" y1=\"", y1, "\"");
    put_pair(out, " x2=\"", x2, "\" y2=\"", y2, "\"/>\n");
}

/* ---- Axes ---- */

static void find_span(Drawing *drawing)
{
    const Chart *chart = drawing->chart;
    double x0 = G_MAXDOUBLE, x1 = -G_MAXDOUBLE, most = 0;
    gboolean bars = FALSE;
    for (guint i = 0; i < chart->count; i++) {
        const ChartSeries *series = &chart->series[i];
        bars |= series->form == CHART_BARS;
        for (guint j = 0; j < series->points->len; j++) {
            const ChartPoint *point = &g_array_index(series->points, ChartPoint, j);
            x0 = MIN(x0, point->x);
            x1 = MAX(x1, point->x);
            if (series->form != CHART_MARKS &&
                (chart->from == chart->to || (point->x >= chart->from && point->x <= chart->to)))
                most = MAX(most, point->y);
        }
    }
    if (x0 > x1)
        x0 = 0, x1 = 1;
    if (chart->from != chart->to)
        x0 = chart->from, x1 = chart->to;
    else if (bars)
        x0 -= 0.6, x1 += 0.6;
    else if (x0 == x1)
        x0 -= 1, x1 += 1;
    if (bars)
        most *= 1.08; /* room for the numbers on top */
    drawing->x0 = x0;
    drawing->x1 = x1;
    drawing->y_step = chart_step(0, most > 0 ? most : 1, 4);
    drawing->y1 = MAX(ceil(most / drawing->y_step - 1e-9), 1) * drawing->y_step;
    drawing->x_step = chart_step(x0, x1, drawing->width > 500 ? 8 : 4);
}

static void draw_y_axis(const Drawing *drawing)
{
    double right = drawing->width - RIGHT;
    for (guint i = 0; i * drawing->y_step <= drawing->y1 * 1.0001; i++) {
        double y = place_y(drawing, i * drawing->y_step);
        g_autofree char *label = chart_number(i * drawing->y_step, drawing->y_step);
        put_line(drawing->out, i == 0 ? "axis" : "grid", LEFT, y, right, y);
        put_text(drawing->out, "tick", "end", LEFT - 8, y + 4, label);
    }
    put_text(drawing->out, "label", "start", 2, 14, drawing->chart->y_label);
}

static void draw_x_tick(const Drawing *drawing, double at, const char *label, double *room)
{
    double x = place_x(drawing, at), half = (double)g_utf8_strlen(label, -1) * LETTER / 2;
    put_line(drawing->out, "axis", x, drawing->height - BOTTOM, x, drawing->height - BOTTOM + 4);
    /* Labels that would run into each other are left out; the ticks stay. */
    if (x - half < *room)
        return;
    put_text(drawing->out, "tick", "middle", x, drawing->height - BOTTOM + 17, label);
    *room = x + half + 4;
}

static void draw_x_axis(const Drawing *drawing)
{
    const Chart *chart = drawing->chart;
    double room = 0, step = drawing->x_step;
    for (guint i = 0; i < chart->tick_count; i++)
        draw_x_tick(drawing, chart->ticks[i].at, chart->ticks[i].label, &room);
    gint64 nth = (gint64)ceil(drawing->x0 / step - 1e-9);
    for (; chart->ticks == NULL && (double)nth * step <= drawing->x1 + step * 1e-6; nth++) {
        g_autofree char *label = chart_number((double)nth * step, step);
        draw_x_tick(drawing, (double)nth * step, label, &room);
    }
    put_text(drawing->out, "label", "middle", (LEFT + drawing->width - RIGHT) / 2,
             drawing->height - 6, chart->x_label);
}

static void draw_bands(const Drawing *drawing)
{
    for (guint i = 0; i < drawing->chart->band_count; i++) {
        const ChartBand *band = &drawing->chart->bands[i];
        double from = place_x(drawing, CLAMP(band->from, drawing->x0, drawing->x1));
        double to = place_x(drawing, CLAMP(band->to, drawing->x0, drawing->x1));
        if (band->to <= drawing->x0 || band->from >= drawing->x1)
            continue;
        g_string_append(drawing->out, "<rect class=\"band\"");
        put_pair(drawing->out, " x=\"", from, "\" y=\"", TOP - 6, "\"");
        put_pair(drawing->out, " width=\"", MAX(to - from, 1), "\" height=\"",
                 drawing->height - TOP - BOTTOM + 6, "\"/>\n");
        if (band->label == NULL)
            continue;
        double half = (double)g_utf8_strlen(band->label, -1) * LETTER / 2;
        put_text(drawing->out, "band-label", "middle",
                 CLAMP((from + to) / 2, LEFT + half, drawing->width - RIGHT - half), TOP - 10,
                 band->label);
    }
}

/* ---- Values ---- */

/* Browsers show it when the pointer rests on the mark. */
static void put_tip(const Drawing *drawing, const ChartSeries *series, const ChartPoint *point)
{
    g_autofree char *x = chart_number(point->x, drawing->x_step / 10);
    g_autofree char *y = chart_number(point->y, drawing->y_step / 50);
    g_autoptr(GString) tip = g_string_new(NULL);
    if (series->name != NULL)
        g_string_append_printf(tip, "%s: ", series->name);
    if (series->form != CHART_MARKS)
        g_string_append_printf(tip, "%s %s at ", y, series->unit != NULL ? series->unit : "");
    g_string_append(tip, x);
    g_string_append(drawing->out, "<title>");
    xml_append_text(drawing->out, tip->str);
    g_string_append(drawing->out, "</title>");
}

static gboolean is_inside(const Drawing *drawing, const ChartPoint *point)
{
    return point->y >= 0 && point->x >= drawing->x0 && point->x <= drawing->x1;
}

static void draw_line(const Drawing *drawing, const ChartSeries *series)
{
    gboolean begun = FALSE;
    g_string_append_printf(drawing->out, "<path class=\"line t%u\" d=\"", series->tone);
    for (guint i = 0; i < series->points->len; i++) {
        const ChartPoint *point = &g_array_index(series->points, ChartPoint, i);
        if (!is_inside(drawing, point)) {
            begun = FALSE;
            continue;
        }
        /* A line of no length has round ends: one value between two gaps is a dot. */
        put_pair(drawing->out, begun ? "L" : "M", place_x(drawing, point->x), " ",
                 place_y(drawing, point->y), begun ? "" : "h0");
        begun = TRUE;
    }
    g_string_append(drawing->out, "\"/>\n");
}

static void draw_dots(const Drawing *drawing, const ChartSeries *series, double radius)
{
    for (guint i = 0; i < series->points->len; i++) {
        const ChartPoint *point = &g_array_index(series->points, ChartPoint, i);
        if (!is_inside(drawing, point))
            continue;
        g_string_append_printf(drawing->out, "<circle class=\"dot t%u\"", series->tone);
        put_pair(drawing->out, " cx=\"", place_x(drawing, point->x), "\" cy=\"",
                 place_y(drawing, point->y), "\"");
        g_string_append_printf(drawing->out, " r=\"%u\">", (guint)radius);
        put_tip(drawing, series, point);
        g_string_append(drawing->out, "</circle>\n");
    }
}

static void draw_marks(const Drawing *drawing, const ChartSeries *series)
{
    for (guint i = 0; i < series->points->len; i++) {
        const ChartPoint *point = &g_array_index(series->points, ChartPoint, i);
        if (!is_inside(drawing, point))
            continue;
        g_string_append_printf(drawing->out, "<rect class=\"mark t%u\"", series->tone);
        put_pair(drawing->out, " x=\"", place_x(drawing, point->x) - 1, "\" y=\"", TOP,
                 "\" width=\"2\" height=\"10\">");
        put_tip(drawing, series, point);
        g_string_append(drawing->out, "</rect>\n");
    }
}

/* A bar is round at its end and square on the axis. */
static void draw_bars(const Drawing *drawing, const ChartSeries *series)
{
    double unit = (drawing->width - LEFT - RIGHT) / (drawing->x1 - drawing->x0);
    double wide = MIN(BAR, unit * 0.7), floor_y = place_y(drawing, 0);
    for (guint i = 0; i < series->points->len; i++) {
        const ChartPoint *point = &g_array_index(series->points, ChartPoint, i);
        if (!is_inside(drawing, point))
            continue;
        double left = place_x(drawing, point->x) - wide / 2, top = place_y(drawing, point->y);
        double round = MIN(4, MIN(wide / 2, floor_y - top));
        g_string_append_printf(drawing->out, "<path class=\"bar t%u\"", series->tone);
        put_pair(drawing->out, " d=\"M", left, " ", floor_y, "V");
        put_number(drawing->out, top + round);
        put_pair(drawing->out, "Q", left, " ", top, " ");
        put_pair(drawing->out, "", left + round, " ", top, "H");
        put_number(drawing->out, left + wide - round);
        put_pair(drawing->out, "Q", left + wide, " ", top, " ");
        put_pair(drawing->out, "", left + wide, " ", top + round, "V");
        put_number(drawing->out, floor_y);
        g_string_append(drawing->out, "Z\">");
        put_tip(drawing, series, point);
        g_string_append(drawing->out, "</path>\n");
        g_autofree char *value = chart_number(point->y, drawing->y_step / 10);
        if ((double)strlen(value) * LETTER < unit)
            put_text(drawing->out, "value", "middle", left + wide / 2, top - 5, value);
    }
}

static void draw_series(const Drawing *drawing, const ChartSeries *series)
{
    switch (series->form) {
    case CHART_LINE:
        draw_line(drawing, series);
        break;
    case CHART_DOTS:
        draw_dots(drawing, series, 3);
        break;
    case CHART_POINTS:
        draw_line(drawing, series);
        draw_dots(drawing, series, 4);
        break;
    case CHART_BARS:
        draw_bars(drawing, series);
        break;
    case CHART_MARKS:
        draw_marks(drawing, series);
        break;
    }
}

/* ---- The whole ---- */

static void draw(const Chart *chart, GString *out, const char *class, double width, double height)
{
    Drawing drawing = {.chart = chart, .out = out, .width = width, .height = height};
    find_span(&drawing);
    g_string_append_printf(out, "<svg class=\"%s\" role=\"img\" viewBox=\"0 0 %.0f %.0f\"", class,
                           width, height);
    g_string_append(out, " aria-label=\"");
    xml_append_text(out, chart->title);
    g_string_append(out, "\">\n");
    draw_bands(&drawing);
    draw_y_axis(&drawing);
    draw_x_axis(&drawing);
    for (guint i = 0; i < chart->count; i++)
        draw_series(&drawing, &chart->series[i]);
    g_string_append(out, "</svg>\n");
}

char *chart_legend(const Chart *chart)
{
    g_autoptr(GString) out = g_string_new("<figcaption>");
    guint named = 0;
    for (guint i = 0; i < chart->count; i++) {
        const ChartSeries *series = &chart->series[i];
        if (series->name == NULL || series->points->len == 0)
            continue;
        named++;
        g_string_append_printf(out, "<span class=\"item\"><span class=\"key k%u\"></span>",
                               series->tone);
        xml_append_text(out, series->name);
        g_string_append(out, "</span> ");
    }
    g_string_append(out, "</figcaption>\n");
    return g_strdup(named > 1 ? out->str : "");
}

char *chart_figure(const Chart *chart)
{
    GString *out = g_string_new("<figure>\n");
    if (chart->small) {
        draw(chart, out, "small", 270, 220);
    } else {
        g_autofree char *legend = chart_legend(chart);
        g_string_append(out, legend);
        draw(chart, out, "wide", 780, 320);
        draw(chart, out, "narrow", 360, 270);
    }
    g_string_append(out, "</figure>\n");
    return g_string_free(out, FALSE);
}
