#include "server/auth/first_start.h"

#include "lib/base/error.h"
#include "lib/base/names.h"

#include <sodium.h>
#include <string.h>

/* Bytes of randomness in a password that is made: 128 bits, 32 letters. */
#define PASSWORD_BYTES 16

void credentials_clear(Credentials *credentials)
{
    g_free(credentials->user);
    if (credentials->password)
        sodium_memzero(credentials->password, strlen(credentials->password));
    g_free(credentials->password);
    g_free(credentials->path);
    memset(credentials, 0, sizeof *credentials);
}

static gboolean make_file(const char *path, GError **error)
{
    guchar bytes[PASSWORD_BYTES];
    char letters[2 * PASSWORD_BYTES + 1];
    randombytes_buf(bytes, sizeof bytes);
    sodium_bin2hex(letters, sizeof letters, bytes, sizeof bytes);
    g_autofree char *directory = g_path_get_dirname(path);
    g_autofree char *text = g_strdup_printf("oneadmin:%s\n", letters);
    g_mkdir_with_parents(directory, 0700);
    if (g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_DURABLE, 0600, error))
        return TRUE;
    g_prefix_error(error, "the administrator's password cannot be written (set ONE_AUTH to a file "
                          "that can): ");
    return FALSE;
}

char *server_secret_make(const char *directory, GError **error)
{
    static const char *const names[] = {"sunstone_auth", "oneflow_auth", "onegate_auth",
                                        "oneform_auth", "oneks_auth"};
    guchar bytes[PASSWORD_BYTES];
    char letters[2 * PASSWORD_BYTES + 1];
    randombytes_buf(bytes, sizeof bytes);
    sodium_bin2hex(letters, sizeof letters, bytes, sizeof bytes);
    g_autofree char *text = g_strdup_printf("serveradmin:%s\n", letters);
    g_mkdir_with_parents(directory, 0700);
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(directory, names[i], NULL);
        if (!g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_DURABLE, 0600, error))
            return NULL;
    }
    return g_compute_checksum_for_string(G_CHECKSUM_SHA256, letters, -1);
}

static gboolean read_line(Credentials *credentials, const char *text, GError **error)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", 2);
    const char *line = lines[0] ? g_strchomp(lines[0]) : "";
    const char *colon = strchr(line, ':');
    g_autoptr(GError) why = NULL;
    if (!colon) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                    "%s: the first line must be user:password", credentials->path);
        return FALSE;
    }
    credentials->user = g_strndup(line, (gsize)(colon - line));
    credentials->password = g_strdup(colon + 1);
    if (!strcmp(credentials->user, "serveradmin"))
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                    "%s: the administrator cannot be called serveradmin", credentials->path);
    else if (!name_check_user(credentials->user, &why) ||
             !name_check_password(credentials->password, &why))
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "%s: %s", credentials->path,
                    why->message);
    else
        return TRUE;
    return FALSE;
}

gboolean credentials_find(Credentials *credentials, GError **error)
{
    const char *named = g_getenv("ONE_AUTH");
    g_autofree char *text = NULL;
    credentials->path = named && *named
                            ? g_strdup(named)
                            : g_build_filename(g_get_home_dir(), ".one", "one_auth", NULL);
    if (sodium_init() < 0) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "libsodium does not start");
        return FALSE;
    }
    if (!g_file_test(credentials->path, G_FILE_TEST_EXISTS)) {
        credentials->is_new = TRUE;
        if (!make_file(credentials->path, error))
            return FALSE;
    }
    if (g_file_get_contents(credentials->path, &text, NULL, error))
        return read_line(credentials, text, error);
    g_prefix_error(error, "the administrator's name and password cannot be read (let the user who "
                          "runs oned read them, or set ONE_AUTH to another file): ");
    return FALSE;
}
