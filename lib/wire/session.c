#include "lib/wire/session.h"
#include "lib/base/error.h"

#define DEFAULT_ENDPOINT "http://localhost:2633/RPC2"

/* First line without blanks at its end, or NULL when the file cannot be read or the line is empty.
 */
static char *first_line(const char *path, GError **error)
{
    g_autofree char *text = NULL;
    if (!g_file_get_contents(path, &text, NULL, error))
        return NULL;
    char *end = strpbrk(text, "\r\n");
    if (end != NULL)
        *end = '\0';
    g_strchomp(text);
    if (*text == '\0') {
        g_set_error(error, ONE_ERROR, ONE_ERROR_AUTHENTICATION, "the first line of %s is empty",
                    path);
        return NULL;
    }
    return g_steal_pointer(&text);
}

static const char *environment(const char *name)
{
    const char *value = g_getenv(name);
    return value != NULL && *value != '\0' ? value : NULL;
}

/* HOME first, so that `su` without a login shell and tests behave as the shell shows. */
static char *home_file(const char *name)
{
    const char *home = environment("HOME");
    return g_build_filename(home != NULL ? home : g_get_home_dir(), ".one", name, NULL);
}

char *wire_find_endpoint(void)
{
    if (environment("ONE_XMLRPC") != NULL)
        return g_strdup(environment("ONE_XMLRPC"));
    g_autofree char *own = home_file("one_endpoint");
    char *found = first_line(own, NULL);
    if (found == NULL)
        found = first_line("/var/lib/one/.one/one_endpoint", NULL);
    return found != NULL ? found : g_strdup(DEFAULT_ENDPOINT);
}

static char *checked(char *session, const char *path, GError **error)
{
    if (session == NULL || strchr(session, ':') != NULL)
        return session;
    g_free(session);
    g_set_error(error, ONE_ERROR, ONE_ERROR_AUTHENTICATION,
                "%s must hold one line, user:password; its first line has no colon", path);
    return NULL;
}

char *wire_find_session(GError **error)
{
    const char *named = environment("ONE_AUTH");
    if (named != NULL) {
        g_autoptr(GError) why = NULL;
        char *session = first_line(named, &why);
        if (session != NULL)
            return checked(session, named, error);
        g_set_error(error, ONE_ERROR, ONE_ERROR_AUTHENTICATION,
                    "no session: ONE_AUTH names %s, but %s. Put one line, user:password, there, "
                    "or unset ONE_AUTH",
                    named, why->message);
        return NULL;
    }
    g_autoptr(GPtrArray) places = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(places, home_file("one_auth"));
    if (environment("ONE_LOCATION") != NULL)
        g_ptr_array_add(
            places, g_build_filename(environment("ONE_LOCATION"), "var", ".one", "one_auth", NULL));
    g_ptr_array_add(places, g_strdup("/var/lib/one/.one/one_auth"));
    g_autoptr(GString) tried = g_string_new(NULL);
    for (guint i = 0; i < places->len; i++) {
        const char *place = places->pdata[i];
        g_autoptr(GError) why = NULL;
        char *session = first_line(place, &why);
        if (session != NULL)
            return checked(session, place, error);
        gboolean missing = g_error_matches(why, G_FILE_ERROR, G_FILE_ERROR_NOENT);
        g_string_append_printf(tried, "%s%s%s", i > 0 ? ", " : "", place,
                               missing ? " (missing)" : " (cannot be read)");
    }
    g_set_error(error, ONE_ERROR, ONE_ERROR_AUTHENTICATION,
                "no session: `oneuser login NAME` asks for the password and makes one; or set "
                "ONE_AUTH to a "
                "file with one line, user:password. Looked at %s",
                tried->str);
    return NULL;
}
