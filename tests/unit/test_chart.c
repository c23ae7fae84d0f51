#include "client/evaluate/chart.h"
#include "lib/base/xml.h"

#include <math.h>
#include <string.h>

static void test_steps(void)
{
    static const struct {
        double least, most;
        guint wanted;
        double step;
    } cases[] = {{0, 10, 4, 5}, {0, 1, 4, 0.5},     {0, 0.93, 4, 0.5},    {0, 71, 4, 20},
                 {-3, 6, 8, 2}, {0, 4096, 4, 2000}, {0, 0.004, 4, 0.001}, {0, 0, 4, 1},
                 {5, 5, 4, 1},  {0, 1e9, 5, 2e8}};
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
        g_assert_cmpfloat_with_epsilon(chart_step(cases[i].least, cases[i].most, cases[i].wanted),
                                       cases[i].step, cases[i].step * 1e-9);
}

static void test_numbers(void)
{
    static const struct {
        double number, step;
        const char *text;
    } cases[] = {{3, 1, "3"},
                 {0.25, 0.05, "0.25"},
                 {0.5, 0.5, "0.5"},
                 {1500, 500, "1500"},
                 {-1e-17, 1, "0"},
                 {-2, 2, "-2"},
                 {0.003, 0.001, "0.003"},
                 {0.0002, 0.0001, "0.0002"},
                 {12.3456, 0.1, "12.3"}};
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = chart_number(cases[i].number, cases[i].step);
        g_assert_cmpstr(text, ==, cases[i].text);
    }
}

/* The figure is XML too: that it can be read as such is what a browser is promised. */
static xmlDoc *drawn(const Chart *chart)
{
    g_autofree char *figure = chart_figure(chart);
    g_autoptr(GError) error = NULL;
    xmlDoc *doc = xml_read(figure, strlen(figure), XML_DEPTH_MAX, &error);
    g_assert_no_error(error);
    return doc;
}

static guint count_of(const char *text, const char *piece)
{
    guint count = 0;
    for (const char *at = text; (at = strstr(at, piece)) != NULL; at += strlen(piece))
        count++;
    return count;
}

static GArray *points_of(const double *values, guint count)
{
    GArray *points = g_array_new(FALSE, FALSE, sizeof(ChartPoint));
    for (guint i = 0; i < count; i++) {
        ChartPoint point = {i, values[i]};
        g_array_append_val(points, point);
    }
    return points;
}

static void test_lines(void)
{
    const double values[] = {1, 2, 40, 3};
    g_autoptr(GArray) points = points_of(values, 4);
    g_autoptr(GArray) none = points_of(NULL, 0);
    ChartSeries series[] = {{"a <b> & \"c\"", CHART_LINE, 1, points, "ms"},
                            {"dots", CHART_DOTS, 2, points, "ms"},
                            {"nothing", CHART_MARKS, 4, none, ""}};
    ChartBand band = {1, 2, "the move"};
    Chart chart = {.title = "T < U",
                   .x_label = "s",
                   .y_label = "ms",
                   .series = series,
                   .count = 3,
                   .bands = &band,
                   .band_count = 1};
    g_autoptr(xmlDoc) doc = drawn(&chart);
    g_assert_nonnull(doc);
    g_autofree char *text = chart_figure(&chart);
    /* Wide and narrow; what has no value is in no legend. */
    g_assert_cmpuint(count_of(text, "<svg"), ==, 2);
    g_assert_cmpuint(count_of(text, "<circle"), ==, 8);
    g_assert_cmpuint(count_of(text, "class=\"key"), ==, 2);
    g_assert_null(strstr(text, "nothing"));
    g_assert_nonnull(strstr(text, "a &lt;b&gt; &amp; &quot;c&quot;"));
    g_assert_nonnull(strstr(text, ">the move</text>"));
    g_assert_null(strstr(text, "nan"));
    g_assert_null(strstr(text, "http"));
}

/* The axis begins at 0 and ends at or above the largest value; a bar's height is its value. */
static void test_bars(void)
{
    const double values[] = {2, 1};
    g_autoptr(GArray) points = points_of(values, 2);
    ChartSeries series = {"moves", CHART_BARS, 1, points, "s"};
    Chart chart = {
        .title = "t", .x_label = "", .y_label = "", .series = &series, .count = 1, .small = TRUE};
    g_autofree char *text = chart_figure(&chart);
    const char *first = strstr(text, "class=\"bar t1\" d=\"M");
    g_assert_nonnull(first);
    double x, bottom, top[2];
    const char *at = first;
    for (guint i = 0; i < 2; i++) {
        g_assert_nonnull(at);
        at += strlen("class=\"bar t1\" d=\"M");
        g_assert_cmpint(sscanf(at, "%lf %lfV%lf", &x, &bottom, &top[i]), ==, 3);
        at = strstr(at, "class=\"bar t1\" d=\"M");
    }
    /* What is rounded off is the same for both. */
    g_assert_cmpfloat_with_epsilon((bottom - top[0] + 4) / (bottom - top[1] + 4), 2, 0.01);
}

/* Nothing, one value, only zeros: still a chart. */
static void test_little(void)
{
    const double zeros[] = {0, 0};
    for (guint count = 0; count <= 2; count++) {
        g_autoptr(GArray) points = points_of(zeros, count);
        for (ChartForm form = CHART_LINE; form <= CHART_MARKS; form++) {
            ChartSeries series = {"x", form, 1, points, NULL};
            Chart chart = {
                .title = "t", .x_label = "x", .y_label = "y", .series = &series, .count = 1};
            g_autofree char *text = chart_figure(&chart);
            g_autoptr(xmlDoc) doc = drawn(&chart);
            g_assert_nonnull(doc);
            g_assert_null(strstr(text, "nan"));
            g_assert_null(strstr(text, "inf"));
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/evaluate/chart/steps", test_steps);
    g_test_add_func("/evaluate/chart/numbers", test_numbers);
    g_test_add_func("/evaluate/chart/lines", test_lines);
    g_test_add_func("/evaluate/chart/bars", test_bars);
    g_test_add_func("/evaluate/chart/little", test_little);
    return g_test_run();
}
