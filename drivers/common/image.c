#include "drivers/common/image.h"

#include "drivers/common/program.h"
#include "lib/base/error.h"
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define PAGE_BYTES 4096

/*
 * Formats: the program that makes a file system in a file of the right size, or the image
 * itself; %p stands for the path, %s for the size. The package is for the error message.
 */
static const struct {
    const char *format;
    gboolean truncate; /* the file is first made with its size */
    const char *package;
    const char *argv[8];
} rows[] = {
    {"raw", TRUE, NULL, {NULL}},
    {"qcow2", FALSE, "qemu-utils", {"qemu-img", "create", "-q", "-f", "qcow2", "%p", "%s"}},
    {"ext2", TRUE, "e2fsprogs", {"mkfs.ext2", "-q", "-F", "%p"}},
    {"ext3", TRUE, "e2fsprogs", {"mkfs.ext3", "-q", "-F", "%p"}},
    {"ext4", TRUE, "e2fsprogs", {"mkfs.ext4", "-q", "-F", "%p"}},
    {"xfs", TRUE, "xfsprogs", {"mkfs.xfs", "-q", "-f", "%p"}},
    {"btrfs", TRUE, "btrfs-progs", {"mkfs.btrfs", "-q", "-f", "%p"}},
    {"vfat", TRUE, "dosfstools", {"mkfs.vfat", "%p"}},
    {"ntfs", TRUE, "ntfs-3g", {"mkfs.ntfs", "-Q", "-q", "-F", "%p"}},
    {"swap", TRUE, "util-linux", {"mkswap", "%p"}},
};

/* ---- what an image is ---- */

static guint64 big_endian(const guint8 *at, guint bytes)
{
    guint64 value = 0;
    for (guint i = 0; i < bytes; i++)
        value = value << 8 | at[i];
    return value;
}

ImageFacts image_facts(const guint8 *head, gsize length, guint64 file_size)
{
    ImageFacts facts = {IMAGE_RAW, file_size, FALSE};
    /* docs/interop/qcow2.txt of QEMU: magic, version, backing file offset at 8, size at 24,
     * incompatible features at 72 (bit 2: the data are in another file). */
    if (length >= 104 && memcmp(head, "QFI\xfb", 4) == 0) {
        guint64 version = big_endian(head + 4, 4);
        facts.kind = IMAGE_QCOW2;
        facts.size = big_endian(head + 24, 8);
        facts.has_base = big_endian(head + 8, 8) != 0 ||
                         (version >= 3 && (big_endian(head + 72, 8) & (1u << 2)) != 0);
    } else if (length >= 0x8006 && memcmp(head + 0x8001, "CD001", 5) == 0) {
        facts.kind = IMAGE_ISO;
    }
    return facts;
}

gboolean image_look(const char *path, ImageFacts *facts, GError **error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    g_autofree guint8 *head = g_malloc(IMAGE_HEAD_BYTES);
    gssize length = fd >= 0 ? pread(fd, head, IMAGE_HEAD_BYTES, 0) : -1;
    if (length < 0) {
        g_set_error(error, ONE_ERROR, errno == ENOENT ? ONE_ERROR_NO_EXISTS : ONE_ERROR_INTERNAL,
                    "%s cannot be read: %s", path, g_strerror(errno));
    } else {
        off_t size = lseek(fd, 0, SEEK_END);
        *facts = image_facts(head, (gsize)length, (guint64)MAX(size, 0));
    }
    if (fd >= 0)
        close(fd);
    return length >= 0;
}

/* ---- empty images ---- */

/* A new file of that size, all hole. -1 with an error. (owned) */
static int make_sparse(const char *path, guint64 size, GError **error)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0660);
    if (fd >= 0 && ftruncate(fd, (off_t)size) == 0)
        return fd;
    g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                "%s cannot be made with %" G_GUINT64_FORMAT " bytes: %s", path, size,
                g_strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

gboolean image_make_swap(const char *path, guint64 size, GError **error)
{
    guint64 pages = size / PAGE_BYTES;
    if (pages < 10 || pages > G_MAXUINT32) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                    "swap space of %" G_GUINT64_FORMAT " MB cannot be made", size >> 20);
        return FALSE;
    }
    static const char magic[10] = {'S', 'W', 'A', 'P', 'S', 'P', 'A', 'C', 'E', '2'};
    guint8 page[PAGE_BYTES] = {0};
    /* union swap_header: 1024 bytes for a boot loader, version, last page, bad pages, UUID,
     * label; the magic word ends the page. Numbers are little-endian, as the guests here are. */
    guint32 numbers[2] = {GUINT32_TO_LE(1), GUINT32_TO_LE((guint32)(pages - 1))};
    memcpy(page + 1024, numbers, sizeof numbers);
    guint8 *uuid = page + 1036;
    for (guint i = 0; i < 16; i++)
        uuid[i] = (guint8)g_random_int_range(0, 256);
    uuid[6] = (guint8)((uuid[6] & 0x0f) | 0x40); /* RFC 4122, version 4 */
    uuid[8] = (guint8)((uuid[8] & 0x3f) | 0x80);
    memcpy(page + PAGE_BYTES - sizeof magic, magic, sizeof magic);
    int fd = make_sparse(path, size, error);
    if (fd < 0)
        return FALSE;
    gboolean ok = pwrite(fd, page, sizeof page, 0) == (gssize)sizeof page;
    if (!ok)
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "%s cannot be written: %s", path,
                    g_strerror(errno));
    close(fd);
    return ok;
}

static char *formats(void)
{
    GString *names = g_string_new(NULL);
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
        g_string_append_printf(names, "%s%s", i > 0 ? ", " : "", rows[i].format);
    return g_string_free(names, FALSE);
}

/* Index in `rows`, or -1 with an error. No format at all is raw. */
static int find_row(const char *format, GError **error)
{
    if (format == NULL || format[0] == '\0' || g_str_equal(format, "-"))
        return 0;
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
        if (g_ascii_strcasecmp(rows[i].format, format) == 0)
            return (int)i;
    g_autofree char *known = formats();
    g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                "images of format \"%s\" cannot be made; known are %s", format, known);
    return -1;
}

GPtrArray *image_commands(const char *format, guint64 size, const char *path, GError **error)
{
    int row = find_row(format, error);
    if (row < 0)
        return NULL;
    g_autofree char *bytes = g_strdup_printf("%" G_GUINT64_FORMAT, size);
    GPtrArray *commands = g_ptr_array_new_with_free_func((GDestroyNotify)g_strfreev);
    if (rows[row].truncate) {
        const char *truncate[] = {"truncate", "-s", bytes, path, NULL};
        g_ptr_array_add(commands, g_strdupv((char **)truncate));
    }
    if (rows[row].argv[0] != NULL) {
        char **argv = g_strdupv((char **)rows[row].argv);
        for (guint i = 0; argv[i] != NULL; i++) {
            const char *value = g_str_equal(argv[i], "%p")   ? path
                                : g_str_equal(argv[i], "%s") ? bytes
                                                             : NULL;
            if (value != NULL) {
                g_free(argv[i]);
                argv[i] = g_strdup(value);
            }
        }
        g_ptr_array_add(commands, argv);
    }
    return commands;
}

/* Runs a program; when it is missing the error names its package. */
static gboolean run_program(const char *const *argv, const char *package, const SshWatch *watch,
                            GError **error)
{
    g_autofree char *path = program_find(argv[0]);
    if (path == NULL) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_NO_EXISTS,
                    "the program %s is not installed; install the package %s", argv[0], package);
        return FALSE;
    }
    return program_do(argv, watch, error);
}

gboolean image_make(const char *format, guint64 size, const char *path, const SshWatch *watch,
                    GError **error)
{
    int row = find_row(format, error);
    if (row < 0)
        return FALSE;
    if (g_str_equal(rows[row].format, "swap"))
        return image_make_swap(path, size, error);
    g_autoptr(GPtrArray) commands = image_commands(format, size, path, error);
    for (guint i = 0; i < commands->len; i++)
        if (!run_program(g_ptr_array_index(commands, i),
                         rows[row].package != NULL ? rows[row].package : "coreutils", watch, error))
            return FALSE;
    return TRUE;
}

gboolean image_make_overlay(const char *base, const char *format, const char *path,
                            const SshWatch *watch, GError **error)
{
    const char *const argv[] = {"qemu-img", "create", "-q", "-f", "qcow2", "-F",
                                format,     "-b",     base, path, NULL};
    return run_program(argv, "qemu-utils", watch, error);
}

gboolean image_make_whole(const char *source, const char *path, const SshWatch *watch,
                          GError **error)
{
    const char *const argv[] = {"qemu-img", "convert", "-q",   "-f", "qcow2",
                                "-O",       "qcow2",   source, path, NULL};
    return run_program(argv, "qemu-utils", watch, error);
}

/* ---- the context CD ---- */

/* "/path" or "/path:'name'": the path, and the name that it has on the CD, which is never one of a
 * directory. (both owned) */
static char *split_name(const char *file, char **name)
{
    const char *mark = g_strrstr(file, ":'");
    if (mark == NULL || !g_str_has_suffix(file, "'") || strlen(mark) < 4) {
        *name = g_path_get_basename(file);
        return g_strdup(file);
    }
    *name = g_strndup(mark + 2, strlen(mark) - 3);
    g_strdelimit(*name, "/", '_');
    return g_strndup(file, (gsize)(mark - file));
}

/* Links to all files in one directory, under the names that they have on the CD. */
static gboolean gather(char *const *files, const char *directory, GError **error)
{
    for (guint i = 0; files[i] != NULL; i++) {
        g_autofree char *name = NULL, *path = split_name(files[i], &name);
        if (i == 0 || g_str_equal(name, "context.sh")) {
            g_free(name);
            name = g_strdup("context.sh");
        }
        g_autofree char *link = g_build_filename(directory, name, NULL);
        if (access(path, R_OK) != 0)
            g_set_error(error, ONE_ERROR, ONE_ERROR_NO_EXISTS,
                        "the context file %s cannot be read: %s", path, g_strerror(errno));
        else if (symlink(path, link) == 0)
            continue;
        else
            g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                        errno == EEXIST ? "two context files are called %s: rename one"
                                        : "the context file %s cannot be gathered",
                        name);
        return FALSE;
    }
    return TRUE;
}

static void remove_links(const char *directory)
{
    g_autoptr(GDir) open_directory = g_dir_open(directory, 0, NULL);
    const char *name;
    while (open_directory != NULL && (name = g_dir_read_name(open_directory)) != NULL) {
        g_autofree char *path = g_build_filename(directory, name, NULL);
        g_unlink(path);
    }
    g_rmdir(directory);
}

gboolean image_make_context(char *const *files, const char *path, const SshWatch *watch,
                            GError **error)
{
    static const char *const makers[] = {"genisoimage", "xorrisofs", "mkisofs"};
    const char *maker = NULL;
    for (guint i = 0; maker == NULL && i < G_N_ELEMENTS(makers); i++) {
        g_autofree char *found = program_find(makers[i]);
        maker = found != NULL ? makers[i] : NULL;
    }
    if (maker == NULL) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_NO_EXISTS,
                    "none of genisoimage, xorrisofs and mkisofs is installed; install the package "
                    "genisoimage or xorriso");
        return FALSE;
    }
    g_autofree char *directory = g_dir_make_tmp("one-context-XXXXXX", error);
    if (directory == NULL)
        return FALSE;
    /* -f: what the links lead to; -r: readable by all in the guest; -J: names for Windows. */
    const char *const argv[] = {maker, "-quiet",  "-f", "-J", "-joliet-long", "-r",
                                "-V",  "CONTEXT", "-o", path, directory,      NULL};
    gboolean ok = gather(files, directory, error) && program_do(argv, watch, error);
    remove_links(directory);
    return ok;
}
