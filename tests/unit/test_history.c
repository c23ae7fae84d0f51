/* Monitoring samples: order, bounds, and what happens to a file that is damaged. */
#include "server/store/history.h"
#include "tests/unit/cpu_time.h"
#include <glib/gstdio.h>
#include <string.h>

typedef struct Fixture {
    char *directory, *path;
    gint64 now;
} Fixture;

static void set_up(Fixture *fixture, gconstpointer data)
{
    fixture->directory = g_dir_make_tmp("globule-history-XXXXXX", NULL);
    g_assert_nonnull(fixture->directory);
    fixture->path = g_build_filename(fixture->directory, "monitoring.db", NULL);
    fixture->now = g_get_real_time() / G_TIME_SPAN_SECOND;
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
    GDir *directory = g_dir_open(fixture->directory, 0, NULL);
    const char *name;
    while ((name = g_dir_read_name(directory))) {
        g_autofree char *path = g_build_filename(fixture->directory, name, NULL);
        g_unlink(path);
    }
    g_dir_close(directory);
    g_assert_cmpint(g_rmdir(fixture->directory), ==, 0);
    g_free(fixture->directory);
    g_free(fixture->path);
}

static History *open_history(const Fixture *fixture, gint64 keep)
{
    GError *error = NULL;
    History *history = history_open(fixture->path, keep, &error);
    g_assert_no_error(error);
    return history;
}

static void assert_text(GString *text, const char *expected)
{
    g_assert_cmpstr(text->str, ==, expected);
    g_string_free(text, TRUE);
}

static void add(History *history, HistoryKind kind, gint32 id, gint64 time, const char *word)
{
    g_autofree char *xml = g_strdup_printf("<%s%d>", word, id);
    history_add(history, kind, id, time, xml);
}

static void order_and_choice(Fixture *fixture, gconstpointer data)
{
    History *history = open_history(fixture, 3600);
    gint64 now = fixture->now;
    add(history, HISTORY_VM, 2, now - 100, "b");
    add(history, HISTORY_VM, 1, now - 300, "a");
    add(history, HISTORY_VM, 1, now - 10, "c");
    add(history, HISTORY_VM, 2, now - 200, "a");
    add(history, HISTORY_HOST, 1, now - 50, "h");
    add(history, HISTORY_VM, 1, now - 150, "b");
    assert_text(history_read(history, HISTORY_VM, NULL, 0, 0), "<a1><b1><c1><a2><b2>");
    gint32 ids[] = {2, 1, 2};
    assert_text(history_read(history, HISTORY_VM, ids, 3, now - 160), "<b1><c1><b2>");
    assert_text(history_read(history, HISTORY_VM, ids, 1, 0), "<a2><b2>");
    assert_text(history_read(history, HISTORY_VM, ids, 0, 0), "");
    assert_text(history_read_last(history, HISTORY_VM, NULL, 0), "<c1><b2>");
    assert_text(history_read_last(history, HISTORY_HOST, ids, 3), "<h1>");
    history_close(history);
    history = open_history(fixture, 3600);
    assert_text(history_read_last(history, HISTORY_VM, NULL, 0), "<c1><b2>");
    history_close(history);
}

static void many_objects(Fixture *fixture, gconstpointer data)
{
    History *history = open_history(fixture, 3600);
    GString *expected = g_string_new(NULL);
    for (gint32 id = 0; id < 100; id++) {
        for (gint64 minute = 3; minute > 0; minute--)
            add(history, HISTORY_VM, id, fixture->now - 60 * minute, minute == 3 ? "x" : "y");
        g_string_append_printf(expected, "<x%d><y%d><y%d>", id, id, id);
    }
    assert_text(history_read(history, HISTORY_VM, NULL, 0, 0), expected->str);
    g_string_free(expected, TRUE);
    history_close(history);
}

static void forgotten(Fixture *fixture, gconstpointer data)
{
    History *history = open_history(fixture, 3600);
    add(history, HISTORY_VM, 1, fixture->now - 20, "a");
    add(history, HISTORY_VM, 2, fixture->now - 20, "a");
    add(history, HISTORY_HOST, 1, fixture->now - 20, "h");
    history_forget(history, HISTORY_VM, 1);
    gint32 one = 1;
    assert_text(history_read(history, HISTORY_VM, &one, 1, 0), "");
    assert_text(history_read(history, HISTORY_VM, NULL, 0, 0), "<a2>");
    assert_text(history_read_last(history, HISTORY_VM, NULL, 0), "<a2>");
    assert_text(history_read(history, HISTORY_HOST, &one, 1, 0), "<h1>");
    history_close(history);
}

static void bounded_by_age(Fixture *fixture, gconstpointer data)
{
    History *history = open_history(fixture, 600);
    add(history, HISTORY_VM, 1, fixture->now - 5000, "old");
    add(history, HISTORY_VM, 1, fixture->now - 30, "new");
    assert_text(history_read(history, HISTORY_VM, NULL, 0, 0), "<new1>");
    history_close(history);
    /* Gone from the file too: with a longer memory nothing comes back. */
    history = open_history(fixture, 6000);
    assert_text(history_read(history, HISTORY_VM, NULL, 0, 0), "<new1>");
    history_close(history);
    history = open_history(fixture, 0);
    add(history, HISTORY_VM, 1, fixture->now - 1, "none");
    history_close(history);
}

static void bounded_by_size(Fixture *fixture, gconstpointer data)
{
    History *history = open_history(fixture, 36000);
    g_autofree char *text = g_strnfill(1000, 's');
    for (gint64 minute = 100; minute > 0; minute--) {
        for (gint32 id = 0; id < 50; id++)
            history_add(history, HISTORY_VM, id, fixture->now - 60 * minute, text);
    }
    history_close(history);
    history = open_history(fixture, 36000);
    history_set_limit(history, 1000000); /* of five million */
    add(history, HISTORY_VM, 7, fixture->now, "end");
    GString *left = history_read(history, HISTORY_VM, NULL, 0, 0);
    g_assert_cmpuint(left->len, >, 300000);
    g_string_free(left, TRUE);
    history_close(history);
    history = open_history(fixture, 36000);
    left = history_read(history, HISTORY_VM, NULL, 0, 0);
    g_assert_cmpuint(left->len, <, 1000000);
    g_assert_cmpuint(left->len, >, 300000);
    g_assert_nonnull(strstr(left->str, "<end7>")); /* the oldest went */
    g_string_free(left, TRUE);
    history_close(history);
}

static void damaged_file(Fixture *fixture, gconstpointer data)
{
    g_autofree char *junk = g_strnfill(8192, 'x');
    g_assert_true(g_file_set_contents(fixture->path, junk, 8192, NULL));
    History *history = open_history(fixture, 3600);
    add(history, HISTORY_VM, 1, fixture->now, "a");
    assert_text(history_read_last(history, HISTORY_VM, NULL, 0), "<a1>");
    history_close(history);
    g_autofree char *aside = g_strconcat(fixture->path, ".damaged", NULL);
    g_assert_true(g_file_test(aside, G_FILE_TEST_EXISTS));
}

static void no_directory(Fixture *fixture, gconstpointer data)
{
    g_autofree char *path = g_build_filename(fixture->directory, "none", "m.db", NULL);
    g_autoptr(GError) error = NULL;
    g_assert_null(history_open(path, 60, &error));
    g_assert_nonnull(strstr(error->message, "No such file or directory"));
}

/* 1,000 hosts and 10,000 machines a minute: how long the thread is at work is told. */
static void cheap(Fixture *fixture, gconstpointer data)
{
    History *history = open_history(fixture, 3600);
    g_autofree char *text = g_strnfill(350, 's');
    gint64 before = cpu_time();
    for (gint64 minute = 5; minute > 0; minute--) {
        for (gint32 id = 0; id < 11000; id++)
            history_add(history, id < 1000 ? HISTORY_HOST : HISTORY_VM, id,
                        fixture->now - 60 * minute, text);
        gint32 one = 1;
        g_string_free(history_read_last(history, HISTORY_HOST, &one, 1), TRUE);
    }
    double took = (double)(cpu_time() - before) / G_TIME_SPAN_SECOND;
    g_test_message("a minute of 11,000 samples took %.3f s", took / 5);
    g_assert_cmpfloat(took, <, 5 * 20); /* a third of the time there is, with sanitizers too */
    history_close(history);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name) g_test_add("/history/" #name, Fixture, NULL, set_up, name, tear_down)
    ADD(order_and_choice);
    ADD(many_objects);
    ADD(forgotten);
    ADD(bounded_by_age);
    ADD(bounded_by_size);
    ADD(damaged_file);
    ADD(no_directory);
    ADD(cheap);
    return g_test_run();
}
