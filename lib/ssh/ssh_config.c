#include "lib/ssh/ssh_config.h"

#include "lib/base/error.h"
#include <glob.h>
#include <stdlib.h>
#include <string.h>

/* Included files may include others; more than this is a loop. */
#define INCLUDE_DEPTH_MAX 8

/* What is known while the files are read: the first value of a word counts. */
typedef struct Reading {
    const char *host; /* as the caller calls it */
    const char *home;
    const char *local_user;
    GHashTable *values;    /* lower-case word -> first value */
    GPtrArray *identities; /* all values of IdentityFile */
    gboolean applies;      /* the lines of the present block concern the host */
    guint depth;
} Reading;

static char *expand_home(const char *path, const char *home)
{
    if (g_str_has_prefix(path, "~/"))
        return g_build_filename(home, path + 2, NULL);
    return g_strdup(path);
}

/* Replaces %h (and %n) by `host`, %u, %d, %r by user, home and remote user. */
static char *expand_percent(const char *text, const char *host, const Reading *reading,
                            const char *remote_user)
{
    GString *out = g_string_new(NULL);
    for (const char *at = text; *at != '\0'; at++) {
        if (*at != '%' || at[1] == '\0') {
            g_string_append_c(out, *at);
            continue;
        }
        at++;
        if (*at == 'h' || *at == 'n')
            g_string_append(out, host);
        else if (*at == 'u')
            g_string_append(out, reading->local_user);
        else if (*at == 'd')
            g_string_append(out, reading->home);
        else if (*at == 'r' && remote_user != NULL)
            g_string_append(out, remote_user);
        else if (*at == '%')
            g_string_append_c(out, '%');
        else
            g_string_append_printf(out, "%%%c", *at);
    }
    return g_string_free(out, FALSE);
}

/* Splits at blanks and at one '='; double quotes hold blanks together. (owned) */
static char **split_line(const char *line)
{
    GPtrArray *words = g_ptr_array_new();
    const char *at = line;
    for (;;) {
        at += strspn(at, " \t\r");
        if (words->len == 1 && *at == '=')
            at += 1 + strspn(at + 1, " \t\r");
        if (*at == '\0' || *at == '#')
            break;
        gsize length;
        if (*at == '"') {
            at++;
            length = strcspn(at, "\"");
        } else {
            length = strcspn(at, words->len == 0 ? " \t\r=" : " \t\r");
        }
        g_ptr_array_add(words, g_strndup(at, length));
        at += length;
        if (*at == '"')
            at++;
    }
    g_ptr_array_add(words, NULL);
    return (char **)g_ptr_array_free(words, FALSE);
}

/* Patterns of a Host line: one that fits is enough, unless a "!pattern" fits too. */
static gboolean host_fits(char **patterns, const char *host)
{
    gboolean fits = FALSE;
    for (; *patterns != NULL; patterns++) {
        gboolean negated = (*patterns)[0] == '!';
        if (!g_pattern_match_simple(*patterns + (negated ? 1 : 0), host))
            continue;
        if (negated)
            return FALSE;
        fits = TRUE;
    }
    return fits;
}

static void read_text(Reading *reading, const char *text);

static void read_included(Reading *reading, char **patterns)
{
    if (reading->depth >= INCLUDE_DEPTH_MAX)
        return;
    reading->depth++;
    gboolean applies = reading->applies;
    for (; *patterns != NULL; patterns++) {
        g_autofree char *expanded = expand_home(*patterns, reading->home);
        g_autofree char *pattern = g_path_is_absolute(expanded)
                                       ? g_strdup(expanded)
                                       : g_build_filename(reading->home, ".ssh", expanded, NULL);
        glob_t found = {0};
        if (glob(pattern, 0, NULL, &found) == 0) {
            for (gsize i = 0; i < found.gl_pathc; i++) {
                g_autofree char *text = NULL;
                if (g_file_get_contents(found.gl_pathv[i], &text, NULL, NULL))
                    read_text(reading, text);
                reading->applies = applies;
            }
        }
        globfree(&found);
    }
    reading->depth--;
}

static void read_line(Reading *reading, const char *line)
{
    g_auto(GStrv) words = split_line(line);
    if (words[0] == NULL || words[1] == NULL)
        return;
    g_autofree char *word = g_ascii_strdown(words[0], -1);
    if (g_str_equal(word, "host")) {
        reading->applies = host_fits(words + 1, reading->host);
    } else if (g_str_equal(word, "match")) {
        /* The other conditions of Match need a shell or the address: such blocks do not count. */
        reading->applies = g_ascii_strcasecmp(words[1], "all") == 0;
    } else if (!reading->applies) {
        return;
    } else if (g_str_equal(word, "include")) {
        read_included(reading, words + 1);
    } else if (g_str_equal(word, "identityfile")) {
        g_ptr_array_add(reading->identities, g_strdup(words[1]));
    } else if (!g_hash_table_contains(reading->values, word)) {
        g_hash_table_insert(reading->values, g_steal_pointer(&word), g_strjoinv(" ", words + 1));
    }
}

static void read_text(Reading *reading, const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (guint i = 0; lines[i] != NULL; i++)
        read_line(reading, lines[i]);
}

static gboolean refuse_proxy(const Reading *reading, const char *word, GError **error)
{
    g_autofree char *key = g_ascii_strdown(word, -1);
    const char *value = g_hash_table_lookup(reading->values, key);
    if (value == NULL || g_ascii_strcasecmp(value, "none") == 0)
        return TRUE;
    g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                "host %s is reached by %s (%s) in the ssh configuration, which is "
                "not done here: make the host reachable directly, or give it "
                "\"%s none\" and a HostName",
                reading->host, word, value, word);
    return FALSE;
}

static gboolean read_number(const Reading *reading, const char *word, guint max, guint *number,
                            GError **error)
{
    const char *value = g_hash_table_lookup(reading->values, word);
    guint64 parsed = 0;
    if (value == NULL)
        return TRUE;
    if (!g_ascii_string_to_unsigned(value, 10, 1, max, &parsed, NULL)) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                    "the ssh configuration gives host %s the %s \"%s\": a number from 1 to %u is "
                    "needed",
                    reading->host, word, value, max);
        return FALSE;
    }
    *number = (guint)parsed;
    return TRUE;
}

static void add_files(GPtrArray *files, const Reading *reading, const char *word,
                      const char *otherwise)
{
    const char *value = g_hash_table_lookup(reading->values, word);
    g_auto(GStrv) names = g_strsplit(value != NULL ? value : otherwise, " ", -1);
    for (guint i = 0; names[i] != NULL; i++)
        if (names[i][0] != '\0' && g_ascii_strcasecmp(names[i], "none") != 0)
            g_ptr_array_add(files, expand_home(names[i], reading->home));
}

static void add_identities(SshOptions *options, const Reading *reading)
{
    static const char *const usual[] = {"~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa"};
    for (guint i = 0; i < reading->identities->len; i++) {
        g_autofree char *path =
            expand_home(g_ptr_array_index(reading->identities, i), reading->home);
        g_ptr_array_add(options->identities,
                        expand_percent(path, options->host_name, reading, options->user));
    }
    if (reading->identities->len == 0)
        for (guint i = 0; i < G_N_ELEMENTS(usual); i++)
            g_ptr_array_add(options->identities, expand_home(usual[i], reading->home));
}

static SshOptions *finish(const Reading *reading, GError **error)
{
    if (!refuse_proxy(reading, "ProxyJump", error) || !refuse_proxy(reading, "ProxyCommand", error))
        return NULL;
    g_autoptr(SshOptions) options = g_new0(SshOptions, 1);
    options->identities = g_ptr_array_new_with_free_func(g_free);
    options->known_hosts = g_ptr_array_new_with_free_func(g_free);
    options->port = 22;
    if (!read_number(reading, "port", 65535, &options->port, error) ||
        !read_number(reading, "connecttimeout", 3600, &options->connect_seconds, error))
        return NULL;
    const char *user = g_hash_table_lookup(reading->values, "user");
    options->user = g_strdup(user != NULL ? user : reading->local_user);
    const char *name = g_hash_table_lookup(reading->values, "hostname");
    options->host_name = name != NULL ? expand_percent(name, reading->host, reading, options->user)
                                      : g_strdup(reading->host);
    const char *alias = g_hash_table_lookup(reading->values, "hostkeyalias");
    options->known_name = g_strdup(alias != NULL ? alias : options->host_name);
    const char *only = g_hash_table_lookup(reading->values, "identitiesonly");
    options->identities_only = only != NULL && g_ascii_strcasecmp(only, "yes") == 0;
    add_identities(options, reading);
    add_files(options->known_hosts, reading, "userknownhostsfile",
              "~/.ssh/known_hosts ~/.ssh/known_hosts2");
    add_files(options->known_hosts, reading, "globalknownhostsfile",
              "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2");
    return g_steal_pointer(&options);
}

SshOptions *ssh_options_parse(const char *text, const char *host, const char *home,
                              const char *user, GError **error)
{
    g_autoptr(GHashTable) values = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr(GPtrArray) identities = g_ptr_array_new_with_free_func(g_free);
    Reading reading = {.host = host,
                       .home = home,
                       .local_user = user,
                       .values = values,
                       .identities = identities,
                       .applies = TRUE};
    read_text(&reading, text);
    return finish(&reading, error);
}

static void append_file(GString *text, const char *path)
{
    g_autofree char *content = NULL;
    if (!g_file_get_contents(path, &content, NULL, NULL))
        return;
    /* The second file starts outside of any Host block of the first. */
    g_string_append_printf(text, "%s\nHost *\n", content);
}

static void replace_files(GPtrArray *files, const char *path)
{
    g_ptr_array_set_size(files, 0);
    g_ptr_array_add(files, g_strdup(path));
}

SshOptions *ssh_options_read(const char *host, GError **error)
{
    const char *home = g_get_home_dir();
    const char *only = g_getenv("SSH_CONFIG");
    g_autoptr(GString) text = g_string_new(NULL);
    if (only != NULL) {
        append_file(text, only);
    } else {
        g_autofree char *own = g_build_filename(home, ".ssh", "config", NULL);
        append_file(text, own);
        append_file(text, "/etc/ssh/ssh_config");
    }
    const char *at = strrchr(host, '@');
    g_autofree char *user = at != NULL ? g_strndup(host, (gsize)(at - host)) : NULL;
    SshOptions *options =
        ssh_options_parse(text->str, at != NULL ? at + 1 : host, home, g_get_user_name(), error);
    if (options == NULL)
        return NULL;
    if (user != NULL) {
        g_free(options->user);
        options->user = g_steal_pointer(&user);
    }
    const char *known_hosts = g_getenv("SSH_KNOWN_HOSTS");
    if (known_hosts != NULL)
        replace_files(options->known_hosts, known_hosts);
    const char *identity = g_getenv("SSH_IDENTITY");
    if (identity != NULL) {
        replace_files(options->identities, identity);
        options->identities_only = TRUE;
    }
    return options;
}

void ssh_options_free(SshOptions *options)
{
    if (options == NULL)
        return;
    g_free(options->host_name);
    g_free(options->known_name);
    g_free(options->user);
    g_ptr_array_unref(options->identities);
    g_ptr_array_unref(options->known_hosts);
    g_free(options);
}
