#include "drivers/auth/auth.h"

#include "lib/base/paths.h"
#include "lib/token/token.h"

#include <string.h>

/* Longest work on one question. oned waits ACTION_TIMEOUTS/AUTHENTICATE. */
#define TIMEOUT_SECONDS 120

static gboolean refuse(GError **error, const char *why)
{
    g_set_error_literal(error, ONE_ERROR, ONE_ERROR_AUTHENTICATION, why);
    return FALSE;
}

/* ---- the flavours ---- */

/* A token that the user signed is for them alone. */
static gboolean is_own(const AuthQuestion *question, const Token *token, GString *info,
                       GError **error)
{
    if (strcmp(token->user, question->user) != 0)
        return refuse(error, "the token is of another user");
    g_string_append_printf(info, "UNTIL=%" G_GINT64_FORMAT, token->until);
    return TRUE;
}

static gboolean ssh_verify(const AuthQuestion *question, GString *info, GError **error)
{
    g_auto(Token) token = {0};
    return token_check(question->password, question->secret, question->now, &token, error) &&
           is_own(question, &token, info, error);
}

static gboolean x509_verify(const AuthQuestion *question, GString *info, GError **error)
{
    g_auto(Token) token = {0};
    g_autofree char *directory = paths_etc("auth/certificates");
    return token_x509_check(question->password, question->secret, directory, question->now, &token,
                            error) &&
           is_own(question, &token, info, error);
}

static gboolean server_verify(const AuthQuestion *question, GString *info, GError **error)
{
    g_auto(Token) token = {0};
    if (!token_server_check(question->password, question->user, question->secret, question->now,
                            &token, error))
        return FALSE;
    if (strpbrk(token.user, " \t\r\n"))
        return refuse(error, "the token is for a name that no user has");
    g_string_append_printf(info, "UNTIL=%" G_GINT64_FORMAT " FOR=%s", token.until, token.user);
    return TRUE;
}

static gboolean public_verify(const AuthQuestion *question, GString *info, GError **error)
{
    return refuse(error, "users of the driver public log in by tokens only");
}

static const AuthFlavour flavours[] = {
    {"ssh", ssh_verify},       {"x509", x509_verify},
    {"ldap", ldap_verify},     {"server_cipher", server_verify},
    {"public", public_verify},
};

const AuthFlavour *auth_flavour(const char *name)
{
    for (guint i = 0; i < G_N_ELEMENTS(flavours); i++)
        if (!strcmp(flavours[i].name, name))
            return &flavours[i];
    return NULL;
}

char *auth_flavour_names(void)
{
    GString *names = g_string_new(NULL);
    for (guint i = 0; i < G_N_ELEMENTS(flavours); i++)
        g_string_append_printf(names, "%s%s", i ? ", " : "", flavours[i].name);
    return g_string_free(names, FALSE);
}

/* ---- requests ---- */

static void wipe(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    g_free(text);
}

void auth_request_clear(AuthRequest *request)
{
    g_free(request->driver);
    g_free(request->user);
    wipe(request->password);
    wipe(request->secret);
    memset(request, 0, sizeof *request);
}

gboolean auth_request_read(AuthRequest *request, const char *payload, GError **error)
{
    g_auto(GStrv) words = g_strsplit(payload, " ", 6);
    gsize length = 0;
    if (g_strv_length(words) != 5)
        return refuse(error, "the request is not: uid, driver, user, password, secret");
    *request = (AuthRequest){g_strdup(words[1]), g_strdup(words[2]),
                             g_strdup(strcmp(words[3], "-") != 0 ? words[3] : ""), NULL};
    g_autofree guchar *secret =
        strcmp(words[4], "-") != 0 ? g_base64_decode(words[4], &length) : NULL;
    request->secret = g_strndup(secret ? (const char *)secret : "", length);
    if (secret)
        explicit_bzero(secret, length);
    explicit_bzero(words[3], strlen(words[3]));
    explicit_bzero(words[4], strlen(words[4]));
    return strlen(request->secret) == length || refuse(error, "the secret holds a zero byte");
}

static void request_free(gpointer data)
{
    auth_request_clear(data);
    g_free(data);
}

gboolean auth_prepare(DriverJob *job, GError **error)
{
    AuthRequest *request = g_new0(AuthRequest, 1);
    driver_job_set_data(job, request, request_free);
    return auth_request_read(request, driver_job_payload(job), error);
}

/* A directory that hangs delays no ssh keys. */
char *auth_queue_of(const DriverJob *job)
{
    const AuthRequest *request = driver_job_data((DriverJob *)job);
    return g_strdup(request->driver ? request->driver : "");
}

static void authenticate(DriverJob *job)
{
    const AuthRequest *request = driver_job_data(job);
    const AuthFlavour *flavour = auth_flavour(request->driver);
    const AuthQuestion question = {request->driver, request->user, request->password,
                                   request->secret, g_get_real_time() / G_USEC_PER_SEC};
    g_autoptr(GString) info = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    if (!flavour)
        driver_job_fail(job, "one_auth_mad has no flavour %s", request->driver);
    else if (flavour->verify(&question, info, &error))
        driver_job_succeed(job, info->str);
    else
        driver_job_fail(job, "%s", error->message);
}

const DriverAction auth_actions[] = {
    {"AUTHENTICATE", authenticate, TIMEOUT_SECONDS, DRIVER_QUEUED},
    {NULL},
};
