#include "drivers/tm/script.h"

#include "lib/base/error.h"
#include <string.h>
#include <sys/stat.h>

#define SCRIPT_BYTES_MAX (1024 * 1024)
/* 1 EiB; more is a slip of the pen. */
#define SIZE_MB_MAX (G_GINT64_CONSTANT(1) << 40)

/*
 * The commands. `arguments` has a letter for each: s source place, t target place,
 * n megabytes, i the number of a snapshot or -1, f format, c context.sh and the files after it, h
 * the host to leave, H the host to go to, d their directory.
 */
static const struct {
    const char *name;
    Verb verb;
    const char *arguments;
    const char *usage;
} rows[] = {
    {"CLONE", VERB_CLONE, "st", "CLONE flavour host:source host:target vmid dsid"},
    {"LN", VERB_LN, "st", "LN flavour host:source host:target vmid dsid"},
    {"MV", VERB_MV, "st", "MV flavour host:source host:target vmid dsid"},
    {"DELETE", VERB_DELETE, "t", "DELETE flavour host:path vmid dsid"},
    {"MKSWAP", VERB_MKSWAP, "nt", "MKSWAP flavour megabytes host:target vmid dsid"},
    {"MKIMAGE", VERB_MKIMAGE, "nft", "MKIMAGE flavour megabytes format host:target vmid dsid"},
    {"CONTEXT", VERB_CONTEXT, "ct", "CONTEXT flavour context.sh [files] host:target vmid dsid"},
    {"SNAP_CREATE", VERB_SNAP_CREATE, "ti", "SNAP_CREATE flavour host:disk snapshot vmid dsid"},
    {"SNAP_CREATE_LIVE", VERB_SNAP_CREATE_LIVE, "tiF",
     "SNAP_CREATE_LIVE flavour host:disk snapshot [format] vmid dsid"},
    {"SNAP_REVERT", VERB_SNAP_REVERT, "ti", "SNAP_REVERT flavour host:disk snapshot vmid dsid"},
    {"SNAP_DELETE", VERB_SNAP_DELETE, "ti", "SNAP_DELETE flavour host:disk snapshot vmid dsid"},
    {"RESIZE", VERB_RESIZE, "tnF", "RESIZE flavour host:disk megabytes [format] vmid dsid"},
    {"MVDS", VERB_MVDS, "st", "MVDS flavour host:disk image vmid dsid"},
    {"CPDS", VERB_CPDS, "stif", "CPDS flavour host:disk image snapshot format vmid dsid"},
    {"PREMIGRATE", VERB_PREMIGRATE, "hHd", "PREMIGRATE flavour from to directory vmid dsid"},
    {"POSTMIGRATE", VERB_POSTMIGRATE, "hHd", "POSTMIGRATE flavour from to directory vmid dsid"},
    {"FAILMIGRATE", VERB_FAILMIGRATE, "hHd", "FAILMIGRATE flavour from to directory vmid dsid"},
};

static void command_free(gpointer data)
{
    ScriptCommand *command = data;
    g_free(command->flavour);
    g_free(command->suffix);
    g_free(command->source.host);
    g_free(command->source.path);
    g_free(command->target.host);
    g_free(command->target.path);
    g_free(command->format);
    g_strfreev(command->files);
    g_free(command);
}

static gboolean fail(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

static gboolean fail(GError **error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_set_error_literal(error, ONE_ERROR, ONE_ERROR_RPC_API, text);
    return FALSE;
}

/* "%20" becomes a blank; nothing else is encoded. (owned) */
static char *decode(const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, "%20", -1);
    return g_strjoinv(" ", parts);
}

static gboolean is_number(const char *word)
{
    return word[0] != '\0' && word[strspn(word, "0123456789")] == '\0';
}

static gboolean is_id(const char *word)
{
    return is_number(word) || g_str_equal(word, "-1");
}

static gboolean is_host_name(const char *host)
{
    return host[0] != '\0' && host[0] != '-' &&
           host[strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                             "0123456789._-:%")] == '\0';
}

static gboolean is_path(const char *path)
{
    return path[0] == '/' && strlen(path) < 4096;
}

/* "host:/path", "[fe80::1]:/path" or "/path". */
static gboolean read_place(const char *word, Place *place, GError **error)
{
    if (strstr(word, "://") != NULL)
        return fail(error,
                    "\"%s\" is an address of the web, which is not fetched here: download it and "
                    "give its path",
                    word);
    const char *colon;
    if (word[0] == '[') {
        const char *end = strchr(word, ']');
        if (end == NULL || end[1] != ':')
            return fail(error, "\"%s\" is not a place such as [address]:/path", word);
        place->host = g_strndup(word + 1, (gsize)(end - word - 1));
        colon = end + 1;
    } else if (word[0] == '/') {
        place->host = g_strdup("localhost");
        colon = NULL;
    } else {
        colon = strchr(word, ':');
        if (colon == NULL)
            return fail(error, "\"%s\" is not a place such as host:/path", word);
        place->host = g_strndup(word, (gsize)(colon - word));
    }
    if (!is_host_name(place->host))
        return fail(error, "\"%s\" does not begin with the name of a host", word);
    place->path = decode(colon != NULL ? colon + 1 : word);
    if (!is_path(place->path))
        return fail(error, "\"%s\" is not a place such as host:/path: its path must be absolute",
                    word);
    return TRUE;
}

static gboolean read_host(const char *word, Place *place, GError **error)
{
    if (!is_host_name(word))
        return fail(error, "\"%s\" is not the name of a host", word);
    place->host = g_strdup(word);
    return TRUE;
}

static gboolean read_directory(const char *word, ScriptCommand *command, GError **error)
{
    g_autofree char *path = decode(word);
    if (!is_path(path))
        return fail(error, "\"%s\" is not an absolute path of a directory", word);
    command->source.path = g_strdup(path);
    command->target.path = g_steal_pointer(&path);
    return TRUE;
}

static gboolean read_size(const char *word, gint64 *size, GError **error)
{
    guint64 number = 0;
    if (!g_ascii_string_to_unsigned(word, 10, 1, SIZE_MB_MAX, &number, NULL))
        return fail(error, "\"%s\" is not a size in MB, from 1", word);
    *size = (gint64)number;
    return TRUE;
}

static gboolean read_number(const char *word, gint64 *number, GError **error)
{
    guint64 value = 0;
    if (!g_ascii_string_to_unsigned(word, 10, 0, G_MAXINT32, &value, NULL))
        return fail(error, "\"%s\" is not the number of a snapshot", word);
    *number = (gint64)value;
    return TRUE;
}

/* All but the last of the words that are left. */
static gboolean read_context_files(char **words, guint count, ScriptCommand *command,
                                   GError **error)
{
    command->files = g_new0(char *, count + 1);
    for (guint i = 0; i < count; i++) {
        command->files[i] = decode(words[i]);
        if (strstr(words[i], "://") != NULL)
            return fail(error,
                        "the context file \"%s\" is an address of the web, which is not fetched "
                        "here: download it and give its path",
                        words[i]);
        if (!is_path(command->files[i]))
            return fail(error, "the context file \"%s\" is not an absolute path on the front-end",
                        words[i]);
    }
    return TRUE;
}

static gboolean read_argument(char letter, const char *word, ScriptCommand *command, GError **error)
{
    switch (letter) {
    case 's':
        return read_place(word, &command->source, error);
    case 't':
        return read_place(word, &command->target, error);
    case 'n':
        return read_size(word, &command->size_mb, error);
    case 'i':
        command->snapshot = -1;
        return g_str_equal(word, "-1") || read_number(word, &command->snapshot, error);
    case 'f':
    case 'F':
        command->format = g_ascii_strdown(word, -1);
        return TRUE;
    case 'h':
        return read_host(word, &command->source, error);
    case 'H':
        return read_host(word, &command->target, error);
    case 'd':
        return read_directory(word, command, error);
    default:
        g_assert_not_reached();
    }
}

/* The name of a flavour is neither a place, a path nor a number. */
static gboolean is_flavour_name(const char *word)
{
    return word[strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")] ==
               '\0' &&
           !is_id(word);
}

/* Takes the numbers at the end: vmid and dsid, or the size that drivers of 2010 had. */
static void take_ids(char **words, guint *count, ScriptCommand *command)
{
    guint numbers = 0;
    while (numbers < 2 && *count > numbers && is_id(words[*count - 1 - numbers]))
        numbers++;
    command->vmid = command->datastore = -1;
    if (numbers == 2) {
        command->vmid = g_ascii_strtoll(words[*count - 2], NULL, 10);
        command->datastore = g_ascii_strtoll(words[*count - 1], NULL, 10);
    }
    *count -= numbers;
}

static gboolean read_arguments(const char *letters, char **words, guint count,
                               ScriptCommand *command, const char *usage, GError **error)
{
    /* Only migration cannot do without the flavour, being younger than it. */
    gboolean flavoured = count > 0 && is_flavour_name(words[0]);
    if (flavoured) {
        command->flavour = g_strdup(words[0]);
        words++;
        count--;
    }
    take_ids(words, &count, command);
    /* A format at the end may be left out. */
    guint wanted = (guint)strlen(letters);
    if (letters[wanted - 1] == 'F' && count + 1 == wanted)
        wanted--;
    guint files = letters[0] == 'c' && count > 1 ? count - 1 : 0;
    if (files > 0 ? FALSE : count != wanted)
        return fail(error, "%u arguments where %u are wanted: %s", count, wanted, usage);
    if (files > 0) {
        if (!read_context_files(words, files, command, error))
            return FALSE;
        words += files;
        letters++;
    }
    for (guint i = 0; letters[i] != '\0' && (files > 0 || i < wanted); i++)
        if (!read_argument(letters[i], words[i], command, error))
            return FALSE;
    return TRUE;
}

static char *names_of_commands(void)
{
    GString *names = g_string_new(NULL);
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
        g_string_append_printf(names, "%s%s", i > 0 ? ", " : "", rows[i].name);
    return g_string_free(names, FALSE);
}

static gboolean read_command(char **words, ScriptCommand *command, GError **error)
{
    char *dot = strchr(words[0], '.');
    if (dot != NULL) {
        *dot = '\0';
        command->suffix = g_ascii_strdown(dot + 1, -1);
    }
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (g_ascii_strcasecmp(words[0], rows[i].name) != 0)
            continue;
        command->verb = rows[i].verb;
        command->name = rows[i].name;
        return read_arguments(rows[i].arguments, words + 1, g_strv_length(words + 1), command,
                              rows[i].usage, error);
    }
    g_autofree char *names = names_of_commands();
    return fail(error, "\"%s\" is not a command of this driver, which knows %s", words[0], names);
}

/* (owned) */
static char **split_words(const char *line)
{
    GPtrArray *words = g_ptr_array_new();
    for (const char *at = line + strspn(line, " \t\r"); *at != '\0'; at += strspn(at, " \t\r")) {
        gsize length = strcspn(at, " \t\r");
        g_ptr_array_add(words, g_strndup(at, length));
        at += length;
    }
    g_ptr_array_add(words, NULL);
    return (char **)g_ptr_array_free(words, FALSE);
}

GPtrArray *script_parse(const char *text, GError **error)
{
    g_autoptr(GPtrArray) commands = g_ptr_array_new_with_free_func(command_free);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (guint i = 0; lines[i] != NULL; i++) {
        g_auto(GStrv) words = split_words(lines[i]);
        if (words[0] == NULL || words[0][0] == '#')
            continue;
        ScriptCommand *command = g_new0(ScriptCommand, 1);
        command->line = i + 1;
        g_ptr_array_add(commands, command);
        if (!read_command(words, command, error)) {
            g_prefix_error(error, "line %u of the transfer script: ", i + 1);
            return NULL;
        }
    }
    return g_steal_pointer(&commands);
}

GPtrArray *script_read(const char *path, GError **error)
{
    struct stat info;
    if (stat(path, &info) == 0 && info.st_size > SCRIPT_BYTES_MAX) {
        fail(error, "the transfer script %s has more than %d bytes", path, SCRIPT_BYTES_MAX);
        return NULL;
    }
    g_autofree char *text = NULL;
    gsize length = 0;
    g_autoptr(GError) cause = NULL;
    if (!g_file_get_contents(path, &text, &length, &cause)) {
        fail(error, "the transfer script cannot be read: %s", cause->message);
        return NULL;
    }
    if (strlen(text) != length) {
        fail(error, "the transfer script %s holds a zero byte", path);
        return NULL;
    }
    return script_parse(text, error);
}

char *script_command_text(const ScriptCommand *command)
{
    if (command->verb >= VERB_PREMIGRATE)
        return g_strdup_printf("%s %s %s %s", command->name, command->source.host,
                               command->target.host, command->target.path);
    if (command->source.path != NULL)
        return g_strdup_printf("%s %s:%s %s:%s", command->name, command->source.host,
                               command->source.path, command->target.host, command->target.path);
    return g_strdup_printf("%s %s:%s", command->name, command->target.host, command->target.path);
}
