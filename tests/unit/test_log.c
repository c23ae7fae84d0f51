#include "lib/base/log.h"

#include <glib/gstdio.h>
#include <string.h>

typedef struct Fixture {
    char *directory;
    char *path;
} Fixture;

static void set_up(Fixture *fixture, gconstpointer data)
{
    fixture->directory = g_dir_make_tmp("globule-XXXXXX", NULL);
    fixture->path = g_build_filename(fixture->directory, "oned.log", NULL);
    g_assert_true(log_open(LOG_TO_FILE, fixture->path, LOG_INFO, NULL));
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
    log_open(LOG_TO_STDERR, NULL, LOG_INFO, NULL);
    g_remove(fixture->path);
    g_rmdir(fixture->directory);
    g_free(fixture->path);
    g_free(fixture->directory);
}

static char *content(const Fixture *fixture)
{
    char *text = NULL;

    g_assert_true(g_file_get_contents(fixture->path, &text, NULL, NULL));
    return text;
}

static void test_layout(Fixture *fixture, gconstpointer data)
{
    log_error("ReM", "machine %d\ngone\x1b[31m\n", 7);
    log_debug("ReM", "not asked for");

    g_autofree char *text = content(fixture);
    g_assert_true(g_regex_match_simple("^[A-Z][a-z]{2} [A-Z][a-z]{2} [ 1-3][0-9] "
                                       "[0-9]{2}:[0-9]{2}:[0-9]{2} [0-9]{4} "
                                       "\\[Z0\\]\\[ReM\\]\\[E\\]: machine 7 gone \\[31m\n$",
                                       text, 0, 0));
}

static void test_levels(Fixture *fixture, gconstpointer data)
{
    log_set_level(LOG_DEBUG);
    g_assert_cmpint(log_level(), ==, LOG_DEBUG);
    log_debug("VMM", "one");
    log_set_level(LOG_ERROR);
    log_warning("VMM", "two");
    log_set_level((LogLevel)99);
    g_assert_cmpint(log_level(), ==, LOG_DEBUG);

    g_autofree char *text = content(fixture);
    g_assert_nonnull(strstr(text, "[VMM][D]: one\n"));
    g_assert_null(strstr(text, "two"));
}

static void test_rotation(Fixture *fixture, gconstpointer data)
{
    g_autofree char *old = g_strconcat(fixture->path, ".1", NULL);
    g_autofree char *text = NULL;

    log_info("ONE", "before");
    g_assert_cmpint(g_rename(fixture->path, old), ==, 0);
    log_reopen();
    log_info("ONE", "after");
    text = content(fixture);
    g_assert_nonnull(strstr(text, "after"));
    g_assert_null(strstr(text, "before"));
    g_remove(old);
}

static void test_refused(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(log_open(LOG_TO_FILE, "/nowhere/at/all.log", LOG_INFO, &error));
    g_assert_nonnull(strstr(error->message, "/nowhere/at/all.log"));
    log_info("ONE", "still here");
    g_autofree char *text = content(fixture);
    g_assert_nonnull(strstr(text, "still here"));
}

static gpointer write_many(gpointer data)
{
    for (int i = 0; i < 500; i++)
        log_info("ONE", "thread %s line %d", (const char *)data, i);
    return NULL;
}

static void test_threads(Fixture *fixture, gconstpointer data)
{
    GThread *one = g_thread_new("one", write_many, (gpointer) "a");
    GThread *two = g_thread_new("two", write_many, (gpointer) "b");
    guint lines = 0;

    for (int i = 0; i < 50; i++)
        log_reopen();
    g_thread_join(one);
    g_thread_join(two);
    g_autofree char *text = content(fixture);
    for (const char *c = text; *c; c++)
        lines += *c == '\n';
    g_assert_cmpuint(lines, ==, 1000);
}

static void test_format(Fixture *fixture, gconstpointer data)
{
    g_autofree char *line = log_format(LOG_WARNING, "LCM", "New VM state\nis BOOT");

    g_assert_true(g_str_has_suffix(line, " [Z0][LCM][W]: New VM state is BOOT"));
}

/* Where an error goes when the file takes no more. */
static void test_full(void)
{
    if (g_test_subprocess()) {
        g_assert_true(log_open(LOG_TO_FILE, "/dev/full", LOG_INFO, NULL));
        log_info("ONE", "an event");
        log_error("ONE", "no room");
        return;
    }
    g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
    g_test_trap_assert_passed();
    g_test_trap_assert_stderr("*[ONE][E]: no room*");
    g_test_trap_assert_stderr_unmatched("*an event*");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/base/log/layout", Fixture, NULL, set_up, test_layout, tear_down);
    g_test_add("/base/log/levels", Fixture, NULL, set_up, test_levels, tear_down);
    g_test_add("/base/log/rotation", Fixture, NULL, set_up, test_rotation, tear_down);
    g_test_add("/base/log/refused", Fixture, NULL, set_up, test_refused, tear_down);
    g_test_add("/base/log/threads", Fixture, NULL, set_up, test_threads, tear_down);
    g_test_add("/base/log/format", Fixture, NULL, set_up, test_format, tear_down);
    g_test_add_func("/log/full", test_full);
    return g_test_run();
}
