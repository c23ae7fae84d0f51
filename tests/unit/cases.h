/*
 * Tables of cases in files under tests/unit/data. A file holds cases
 *
 *   == title
 *   input
 *   -- name of a section
 *   what is expected
 *
 * Lines before the first case that begin with '#' are comments. The text of a part is
 * its lines without the last line end. Found from the source tree's root, from any build
 * directory in it, or below GLOBULE_SOURCE.
 */
#pragma once

#include <glib.h>
#include <string.h>

typedef struct Case {
    char *title;
    char *input;
    char *section; /* name of the section, "" when there is none */
    char *expected;
} Case;

static inline char *cases_path(const char *name)
{
    g_autofree char *program = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *directory = g_path_get_dirname(program ? program : ".");
    g_autofree char *beside = g_build_filename(directory, "..", "..", NULL);
    const char *roots[] = {g_getenv("GLOBULE_SOURCE"), ".", beside};

    for (guint i = 0; i < G_N_ELEMENTS(roots); i++) {
        g_autofree char *path =
            roots[i] ? g_build_filename(roots[i], "tests/unit/data", name, NULL) : NULL;
        if (path && g_file_test(path, G_FILE_TEST_EXISTS))
            return g_steal_pointer(&path);
    }
    g_error("tests/unit/data/%s not found: run the test in the source tree or set GLOBULE_SOURCE",
            name);
}

static inline char *cases_read(const char *name)
{
    g_autofree char *path = cases_path(name);
    g_autoptr(GError) error = NULL;
    char *text = NULL;

    if (!g_file_get_contents(path, &text, NULL, &error))
        g_error("%s", error->message);
    return text;
}

static inline void case_free(gpointer data)
{
    Case *one = data;

    g_free(one->title);
    g_free(one->input);
    g_free(one->section);
    g_free(one->expected);
    g_free(one);
}

static inline void case_append(char **part, const char *line)
{
    char *longer = *part ? g_strconcat(*part, "\n", line, NULL) : g_strdup(line);

    g_free(*part);
    *part = longer;
}

/* All cases of a file. (owned) */
static inline GPtrArray *cases_load(const char *name)
{
    g_autofree char *text = cases_read(name);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    GPtrArray *cases = g_ptr_array_new_with_free_func(case_free);
    guint count = g_strv_length(lines);
    Case *one = NULL;

    if (count && !*lines[count - 1])
        count--;
    for (guint i = 0; i < count; i++) {
        if (g_str_has_prefix(lines[i], "== ")) {
            one = g_new0(Case, 1);
            one->title = g_strdup(lines[i] + 3);
            g_ptr_array_add(cases, one);
        } else if (one && g_str_has_prefix(lines[i], "-- ")) {
            one->section = g_strdup(lines[i] + 3);
        } else if (one) {
            case_append(one->section ? &one->expected : &one->input, lines[i]);
        }
    }
    for (guint i = 0; i < cases->len; i++) {
        one = cases->pdata[i];
        one->input = one->input ? one->input : g_strdup("");
        one->section = one->section ? one->section : g_strdup("");
        one->expected = one->expected ? one->expected : g_strdup("");
    }
    g_assert_cmpuint(cases->len, >, 0);
    return cases;
}
