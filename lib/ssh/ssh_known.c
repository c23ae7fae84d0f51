#include "lib/ssh/ssh_known.h"

#include "lib/base/error.h"
#include <string.h>

typedef struct Entry {
    char *names; /* comma-separated patterns, or one hashed name */
    char *type;
    guint8 *key;
    gsize length;
    gboolean revoked;
    char *place; /* "file:line" */
} Entry;

struct SshKnown {
    GPtrArray *entries; /* of Entry */
    GString *files;     /* what was read, for messages */
};

static void entry_free(gpointer data)
{
    Entry *entry = data;
    g_free(entry->names);
    g_free(entry->type);
    g_free(entry->key);
    g_free(entry->place);
    g_free(entry);
}

SshKnown *ssh_known_new(void)
{
    SshKnown *known = g_new0(SshKnown, 1);
    known->entries = g_ptr_array_new_with_free_func(entry_free);
    known->files = g_string_new(NULL);
    return known;
}

void ssh_known_free(SshKnown *known)
{
    if (known == NULL)
        return;
    g_ptr_array_unref(known->entries);
    g_string_free(known->files, TRUE);
    g_free(known);
}

static char *next_word(char **text)
{
    char *start = *text + strspn(*text, " \t\r");
    char *end = start + strcspn(start, " \t\r");
    *text = end;
    if (*end != '\0') {
        *end = '\0';
        *text = end + 1;
    }
    return start;
}

static void add_line(SshKnown *known, char *line, const char *file, guint number)
{
    gboolean revoked = FALSE;
    char *names = next_word(&line);
    if (names[0] == '@') {
        if (!g_str_equal(names, "@revoked"))
            return;
        revoked = TRUE;
        names = next_word(&line);
    }
    const char *type = next_word(&line);
    const char *text = next_word(&line);
    if (names[0] == '\0' || names[0] == '#' || type[0] == '\0' || text[0] == '\0')
        return;
    gsize length = 0;
    g_autofree guint8 *key = g_base64_decode(text, &length);
    if (length == 0)
        return;
    Entry *entry = g_new0(Entry, 1);
    entry->names = g_strdup(names);
    entry->type = g_strdup(type);
    entry->key = g_steal_pointer(&key);
    entry->length = length;
    entry->revoked = revoked;
    entry->place = g_strdup_printf("%s:%u", file, number);
    g_ptr_array_add(known->entries, entry);
}

void ssh_known_add(SshKnown *known, const char *text, const char *file)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (guint i = 0; lines[i] != NULL; i++)
        add_line(known, lines[i], file, i + 1);
    g_string_append_printf(known->files, "%s%s", known->files->len > 0 ? ", " : "", file);
}

gboolean ssh_known_add_file(SshKnown *known, const char *path, GError **error)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) problem = NULL;
    if (!g_file_get_contents(path, &text, NULL, &problem)) {
        if (g_error_matches(problem, G_FILE_ERROR, G_FILE_ERROR_NOENT)) {
            ssh_known_add(known, "", path);
            return TRUE;
        }
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "the list of known hosts: %s",
                    problem->message);
        return FALSE;
    }
    ssh_known_add(known, text, path);
    return TRUE;
}

/* "|1|salt|hash", both in base64: hash = HMAC-SHA1(salt, name). */
static gboolean hashed_matches(const char *hashed, const char *name)
{
    g_auto(GStrv) parts = g_strsplit(hashed, "|", 4);
    if (g_strv_length(parts) != 4 || !g_str_equal(parts[1], "1"))
        return FALSE;
    gsize salt_length = 0, hash_length = 0;
    g_autofree guint8 *salt = g_base64_decode(parts[2], &salt_length);
    g_autofree guint8 *hash = g_base64_decode(parts[3], &hash_length);
    guint8 digest[20];
    gsize digest_length = sizeof digest;
    if (salt_length == 0 || hash_length != sizeof digest)
        return FALSE;
    g_autoptr(GHmac) hmac = g_hmac_new(G_CHECKSUM_SHA1, salt, salt_length);
    g_hmac_update(hmac, (const guchar *)name, (gssize)strlen(name));
    g_hmac_get_digest(hmac, digest, &digest_length);
    return memcmp(digest, hash, sizeof digest) == 0;
}

/* One "!pattern" that fits makes the whole line not fit, as in OpenSSH. */
static gboolean names_match(const char *names, const char *name)
{
    if (names[0] == '|')
        return hashed_matches(names, name);
    g_auto(GStrv) patterns = g_strsplit(names, ",", -1);
    gboolean matches = FALSE;
    for (guint i = 0; patterns[i] != NULL; i++) {
        gboolean negated = patterns[i][0] == '!';
        g_autofree char *pattern = g_ascii_strdown(patterns[i] + (negated ? 1 : 0), -1);
        /* "[host]:port" holds no wildcard, and brackets mean nothing to GLib's patterns. */
        if (!g_pattern_match_simple(pattern, name))
            continue;
        if (negated)
            return FALSE;
        matches = TRUE;
    }
    return matches;
}

static char *name_with_port(const char *host, guint port)
{
    g_autofree char *lower = g_ascii_strdown(host, -1);
    return port == 22 ? g_steal_pointer(&lower) : g_strdup_printf("[%s]:%u", lower, port);
}

static SshTrust decide(const SshKnown *known, const char *name, const guint8 *key, gsize length,
                       const Entry **decisive)
{
    g_autofree char *type = ssh_key_type(key, length);
    SshTrust trust = SSH_KEY_UNKNOWN;
    for (guint i = 0; i < known->entries->len; i++) {
        const Entry *entry = g_ptr_array_index(known->entries, i);
        if (!names_match(entry->names, name))
            continue;
        gboolean same = entry->length == length && memcmp(entry->key, key, length) == 0;
        if (entry->revoked && same) {
            *decisive = entry;
            return SSH_KEY_REVOKED;
        }
        if (entry->revoked || trust == SSH_KEY_TRUSTED)
            continue;
        if (same || (trust == SSH_KEY_UNKNOWN && g_str_equal(entry->type, type))) {
            trust = same ? SSH_KEY_TRUSTED : SSH_KEY_CHANGED;
            *decisive = entry;
        }
    }
    return trust;
}

SshTrust ssh_known_decide(const SshKnown *known, const char *host, guint port, const guint8 *key,
                          gsize length, char **place)
{
    const Entry *decisive = NULL;
    g_autofree char *name = name_with_port(host, port);
    SshTrust trust = decide(known, name, key, length, &decisive);
    if (trust == SSH_KEY_UNKNOWN && port != 22) {
        /* As OpenSSH does: the same key under the plain name is good enough. */
        g_autofree char *plain = name_with_port(host, 22);
        trust = decide(known, plain, key, length, &decisive);
        if (trust == SSH_KEY_CHANGED) {
            trust = SSH_KEY_UNKNOWN;
            decisive = NULL;
        }
    }
    if (place != NULL)
        *place = decisive != NULL ? g_strdup(decisive->place) : NULL;
    return trust;
}

char *ssh_known_line(const char *host, guint port, const guint8 *key, gsize length)
{
    g_autofree char *name = name_with_port(host, port);
    g_autofree char *type = ssh_key_type(key, length);
    g_autofree char *text = g_base64_encode(key, length);
    return g_strdup_printf("%s %s %s\n", name, type, text);
}

static char *how_to_scan(const char *host, guint port)
{
    return port == 22 ? g_strdup_printf("ssh-keyscan %s", host)
                      : g_strdup_printf("ssh-keyscan -p %u %s", port, host);
}

gboolean ssh_known_check(const SshKnown *known, const char *host, guint port, const guint8 *key,
                         gsize length, GError **error)
{
    g_autofree char *place = NULL;
    SshTrust trust = ssh_known_decide(known, host, port, key, length, &place);
    if (trust == SSH_KEY_TRUSTED)
        return TRUE;
    g_autofree char *type = ssh_key_type(key, length);
    g_autofree char *print = ssh_key_fingerprint(key, length);
    g_autofree char *scan = how_to_scan(host, port);
    g_autofree char *name = name_with_port(host, port);
    if (trust == SSH_KEY_CHANGED)
        g_set_error(error, ONE_ERROR, ONE_ERROR_AUTHENTICATION,
                    "the %s key of host %s has changed (now %s, another one is in %s): either "
                    "the host was installed anew or somebody stands in between. When sure: "
                    "ssh-keygen -R '%s'; %s >> ~/.ssh/known_hosts",
                    type, name, print, place, name, scan);
    else if (trust == SSH_KEY_REVOKED)
        g_set_error(error, ONE_ERROR, ONE_ERROR_AUTHENTICATION,
                    "the %s key of host %s (%s) is revoked by %s: give the host a new key", type,
                    name, print, place);
    else
        g_set_error(error, ONE_ERROR, ONE_ERROR_AUTHENTICATION,
                    "the %s key of host %s (%s) is not known in %s. To trust it, compare the "
                    "fingerprint and run: %s >> ~/.ssh/known_hosts",
                    type, name, print,
                    known->files->len > 0 ? known->files->str : "any known_hosts file", scan);
    return FALSE;
}

static void add_types(const SshKnown *known, const char *name, GPtrArray *types)
{
    for (guint i = 0; i < known->entries->len; i++) {
        const Entry *entry = g_ptr_array_index(known->entries, i);
        if (entry->revoked || !names_match(entry->names, name) ||
            g_ptr_array_find_with_equal_func(types, entry->type, g_str_equal, NULL))
            continue;
        g_ptr_array_add(types, g_strdup(entry->type));
    }
}

char **ssh_known_types(const SshKnown *known, const char *host, guint port)
{
    g_autoptr(GPtrArray) types = g_ptr_array_new();
    g_autofree char *name = name_with_port(host, port);
    add_types(known, name, types);
    if (types->len == 0 && port != 22) {
        g_autofree char *plain = name_with_port(host, 22);
        add_types(known, plain, types);
    }
    g_ptr_array_add(types, NULL);
    return (char **)g_ptr_array_steal(types, NULL);
}

char *ssh_key_fingerprint(const guint8 *key, gsize length)
{
    guint8 digest[32];
    gsize digest_length = sizeof digest;
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
    g_checksum_update(sum, key, (gssize)length);
    g_checksum_get_digest(sum, digest, &digest_length);
    g_autofree char *text = g_base64_encode(digest, digest_length);
    text[strcspn(text, "=")] = '\0';
    return g_strconcat("SHA256:", text, NULL);
}

char *ssh_key_type(const guint8 *key, gsize length)
{
    if (length < 4)
        return g_strdup("unknown");
    guint32 size = (guint32)key[0] << 24 | (guint32)key[1] << 16 | (guint32)key[2] << 8 | key[3];
    if (size > length - 4 || size > 64)
        return g_strdup("unknown");
    return g_strndup((const char *)key + 4, size);
}
