#include "lib/base/names.h"
#include "lib/base/error.h"

#include <string.h>

#define BLANKS "\t\n\v\f\r"

static gboolean refuse(GError **error, const char *text)
{
    g_set_error_literal(error, ONE_ERROR, ONE_ERROR_INTERNAL, text);
    return FALSE;
}

/* Control characters cannot stand in XML, so no set needs to name them all. */
static const char *first_bad(const char *name, const char *forbidden)
{
    for (const char *c = name; *c; c++)
        if (strchr(forbidden, *c) || (guchar)*c < 0x20 || *c == 0x7f)
            return c;
    return NULL;
}

static gboolean check(const char *name, const char *forbidden, GError **error)
{
    const char *bad;

    if (!name || !*name)
        return refuse(error, "Invalid NAME, it cannot be empty");
    bad = first_bad(name, forbidden);
    if (bad) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                    g_ascii_isprint(*bad) ? "Invalid NAME, char '%c' is not allowed"
                                          : "Invalid NAME, char '\\x%02x' is not allowed",
                    (guchar)*bad);
        return FALSE;
    }
    if (!g_utf8_validate(name, -1, NULL))
        return refuse(error, "Invalid NAME, it is not UTF-8 text");
    if (g_utf8_strlen(name, -1) > NAME_LENGTH_MAX)
        return refuse(error, "Invalid NAME, max length is 128 chars");
    return TRUE;
}

gboolean name_check(const char *name, GError **error)
{
    return check(name, "&|:\\\";/'#{}$<>" BLANKS, error);
}

gboolean name_check_group(const char *name, GError **error)
{
    return check(name, " &|:\\\";/'#{}$<>" BLANKS, error);
}

gboolean name_check_user(const char *name, GError **error)
{
    return check(name, " :" BLANKS, error);
}

gboolean name_check_password(const char *password, GError **error)
{
    if (!password || !*password)
        return refuse(error, "Invalid password, it cannot be empty");
    if (strpbrk(password, " " BLANKS))
        return refuse(error, "Invalid password, blanks are not allowed");
    return TRUE;
}
