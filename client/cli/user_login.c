#include "client/cli/user_login.h"

#include "lib/token/token.h"

#include <string.h>

/* A login that is good "for ever" has an end all the same: its form wants one. */
#define FOR_EVER (10 * 365 * G_GINT64_CONSTANT(86400))

G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_PKEY, EVP_PKEY_free)

const char *user_login_driver(const Cli *cli)
{
    return cli_option(cli, "x509") != NULL ? "x509" : cli_option(cli, "ssh") != NULL ? "ssh" : NULL;
}

static gboolean with_certificate(const Cli *cli)
{
    return g_strcmp0(user_login_driver(cli), "x509") == 0;
}

/* The file that an option means. (owned) */
static char *path_of(const Cli *cli, const char *option, const char *usual)
{
    const char *named = cli_option(cli, option);
    return named != NULL ? g_strdup(named) : g_build_filename(g_get_home_dir(), usual, NULL);
}

/* The file of an option, or the usual one in the home directory. (owned) */
static char *read_file(const Cli *cli, const char *option, const char *usual, GError **error)
{
    g_autofree char *path = path_of(cli, option, usual);
    g_autoptr(GError) why = NULL;
    char *text = NULL;
    if (!g_file_get_contents(path, &text, NULL, &why))
        g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE, "--%s: %s", option, why->message);
    return text;
}

/* What stands in that file will not do. */
static void blame(const Cli *cli, const char *option, const char *usual, GError *why,
                  GError **error)
{
    g_autofree char *path = path_of(cli, option, usual);
    if (why != NULL)
        g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE, "--%s %s: %s", option, path, why->message);
    g_clear_error(&why);
}

static EVP_PKEY *read_key(const Cli *cli, GError **error)
{
    const char *usual = with_certificate(cli) ? ".one/key.pem" : ".ssh/id_rsa";
    GError *why = NULL;
    g_autofree char *text = read_file(cli, "key", usual, error);
    EVP_PKEY *key = text != NULL ? token_private_key(text, &why) : NULL;
    blame(cli, "key", usual, why, error);
    if (text != NULL)
        explicit_bzero(text, strlen(text));
    return key;
}

char *user_login_word(const Cli *cli, GError **error)
{
    if (with_certificate(cli)) {
        GError *why = NULL;
        g_autofree char *certificates = read_file(cli, "cert", ".one/cert.pem", error);
        char *word = certificates != NULL ? token_x509_word(certificates, &why) : NULL;
        blame(cli, "cert", ".one/cert.pem", why, error);
        return word;
    }
    g_autoptr(EVP_PKEY) key = read_key(cli, error);
    return key != NULL ? token_public_word(key, error) : NULL;
}

char *user_login_token(const Cli *cli, const char *user, gint64 seconds, GError **error)
{
    gint64 until = g_get_real_time() / G_USEC_PER_SEC + (seconds < 0 ? FOR_EVER : seconds);
    g_autoptr(EVP_PKEY) key = read_key(cli, error);
    if (key == NULL || !with_certificate(cli))
        return key != NULL ? token_sign(key, user, until, error) : NULL;
    g_autofree char *certificates = read_file(cli, "cert", ".one/cert.pem", error);
    return certificates != NULL ? token_x509_make(key, certificates, user, until, error) : NULL;
}
