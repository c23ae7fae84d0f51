/*
 * Charts as SVG, drawn here: no script, no font and no picture from elsewhere. Colours are
 * classes (t1 .. t4, band, ...) that the page's style sheet fills in, so that one drawing
 * serves light, dark and paper. Each chart is drawn twice, for wide and for narrow screens;
 * the style sheet shows the one that fits.
 */
#pragma once

#include <glib.h>

typedef enum {
    CHART_LINE,
    CHART_DOTS,
    CHART_POINTS, /* a line with a dot at each value */
    CHART_BARS,
    CHART_MARKS, /* ticks along the upper edge: where something happened; y does not count */
} ChartForm;

/* y < 0: no value there; a line is broken. */
typedef struct ChartPoint {
    double x, y;
} ChartPoint;

typedef struct ChartSeries {
    const char *name; /* for the legend; NULL: not in it */
    ChartForm form;
    guint tone;           /* 1 .. 4 */
    const GArray *points; /* of ChartPoint (borrowed) */
    const char *unit;     /* behind a value in the words that show on pointing at it */
} ChartSeries;

/* A span of x that is shaded, with its name at the top. */
typedef struct ChartBand {
    double from, to;
    const char *label;
} ChartBand;

typedef struct ChartTick {
    double at;
    char label[24];
} ChartTick;

/* The y axis begins at 0. `from`, `to`: ends of the x axis; equal: those of the values. */
typedef struct Chart {
    const char *title;   /* for those who cannot see it */
    const char *x_label; /* below the axis, with the unit */
    const char *y_label; /* above the axis, with the unit */
    double from, to;
    const ChartSeries *series;
    guint count;
    const ChartBand *bands;
    guint band_count;
    const ChartTick *ticks; /* of the x axis; NULL: round numbers */
    guint tick_count;
    gboolean small; /* one of several side by side: drawn once, narrow, without legend */
} Chart;

/* <figure> with legend and drawings. (owned) */
char *chart_figure(const Chart *chart);
/* The legend alone, for several that are drawn in the same colours; "" for a single series.
 * (owned) */
char *chart_legend(const Chart *chart);

/* Round numbers from 0 or below `least` to `most` or above, about `wanted` of them:
 * the step between them, 1, 2 or 5 times a power of ten. */
double chart_step(double least, double most, guint wanted);
/* A number with as many digits as the step needs: 0.25 for a step of 0.05. (owned) */
char *chart_number(double number, double step);
