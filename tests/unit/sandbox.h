/*
 * A directory with datastores (ds) and a state directory (var) for tests of transfers;
 * ONE_DATASTORES and ONE_VAR lead there. SANDBOX(box) makes one that goes at the end of the block.
 */
#pragma once

#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct Sandbox {
    char *root;
} Sandbox;

static inline char *sandbox_path(const Sandbox *box, const char *path)
{
    return g_build_filename(box->root, path, NULL);
}

static inline void sandbox_init(Sandbox *box)
{
    box->root = g_dir_make_tmp("globule-box-XXXXXX", NULL);
    g_autofree char *ds = sandbox_path(box, "ds"), *var = sandbox_path(box, "var");
    g_mkdir_with_parents(ds, 0755);
    g_mkdir_with_parents(var, 0755);
    g_setenv("ONE_DATASTORES", ds, TRUE);
    g_setenv("ONE_VAR", var, TRUE);
}

static inline void sandbox_clear(Sandbox *box)
{
    char *argv[] = {(char *)"rm", (char *)"-rf", box->root, NULL};
    g_spawn_sync(NULL, argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL);
    g_clear_pointer(&box->root, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Sandbox, sandbox_clear)

#define SANDBOX(box)                                                                               \
    g_auto(Sandbox) box = {0};                                                                     \
    sandbox_init(&box)

static inline void sandbox_make_parent(const char *path)
{
    g_autofree char *parent = g_path_get_dirname(path);
    g_assert_cmpint(g_mkdir_with_parents(parent, 0755), ==, 0);
}

/* Makes a file; its path. (owned) */
static inline char *sandbox_text(const Sandbox *box, const char *name, const char *text)
{
    char *path = sandbox_path(box, name);
    sandbox_make_parent(path);
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    return path;
}

/* Makes a file of that size of which only `data` bytes are not a hole. (owned) */
static inline char *sandbox_sparse(const Sandbox *box, const char *name, gint64 size, gint64 data)
{
    char *path = sandbox_path(box, name);
    sandbox_make_parent(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    g_assert_cmpint(ftruncate(fd, size), ==, 0);
    g_autofree guint32 *block = g_malloc((gsize)data + 4);
    guint32 seed = 12345;
    for (gint64 i = 0; i * 4 < data; i++)
        block[i] = seed = seed * 1664525u + 1013904223u;
    /* In the middle, so that there are holes at both ends. */
    g_assert_cmpint(pwrite(fd, block, (gsize)data, (size - data) / 2 / 4096 * 4096), ==, data);
    close(fd);
    return path;
}

static inline gint64 sandbox_kib(const char *path)
{
    struct stat info;
    g_assert_cmpint(stat(path, &info), ==, 0);
    return info.st_blocks / 2;
}

static inline gboolean sandbox_same(const char *one, const char *other)
{
    char *argv[] = {(char *)"cmp", (char *)"-s", (char *)one, (char *)other, NULL};
    int status = -1;
    g_spawn_sync(NULL, argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, &status, NULL);
    return status == 0;
}

static inline void sandbox_expect(const Sandbox *box, const char *name, const char *text)
{
    g_autofree char *path = sandbox_path(box, name), *content = NULL;
    g_assert_true(g_file_get_contents(path, &content, NULL, NULL));
    g_assert_cmpstr(content, ==, text);
}

/* Nothing half made or half deleted is anywhere. */
static inline void sandbox_no_leftovers(const Sandbox *box)
{
    g_autofree char *out = NULL;
    char *argv[] = {(char *)"find",           box->root,    (char *)"-name",
                    (char *)"*.part",         (char *)"-o", (char *)"-name",
                    (char *)"*.moved",        (char *)"-o", (char *)"-path",
                    (char *)"*/ds/*-*-*-*-*", NULL};
    g_spawn_sync(NULL, argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out, NULL, NULL, NULL);
    g_assert_cmpstr(out, ==, "");
}
