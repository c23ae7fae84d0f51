#include "server/http/api.h"

#include <string.h>

/* More than the name of any method. */
#define METHOD_MAX 100

char *api_method(const char *path)
{
    if (!g_str_has_prefix(path, API_PREFIX))
        return NULL;
    const char *name = path + strlen(API_PREFIX);
    gsize length = strlen(name);
    gsize fit = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._");
    return length > 0 && length <= METHOD_MAX && fit == length ? g_strdup(name) : NULL;
}

char *api_session(const char *authorization)
{
    static const char kind[] = "Basic ";
    if (!authorization || g_ascii_strncasecmp(authorization, kind, strlen(kind)) != 0)
        return NULL;
    g_autofree char *text = g_strstrip(g_strdup(authorization + strlen(kind)));
    gsize length = 0;
    g_autofree guchar *bytes = *text ? g_base64_decode(text, &length) : NULL;
    if (!length || !g_utf8_validate_len((const char *)bytes, length, NULL))
        return NULL;
    return g_strndup((const char *)bytes, length);
}
