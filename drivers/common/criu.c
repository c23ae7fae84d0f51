#include "drivers/common/criu.h"

#include "drivers/common/rest.h"
#include <string.h>

#define LOOK_SECONDS 20

/* Its version, then the first line of its complaint. What onehost prepare installs goes first. */
static const char look[] =
    "PATH=/usr/local/sbin:$PATH\n"
    "command -v criu >/dev/null 2>&1 || { echo 'no CRIU'; exit 0; }\n"
    "version=$(criu --version 2>/dev/null | sed -n 's/^Version: *//p')\n"
    "if said=$(criu check 2>&1); then echo \"CRIU $version, content\"\n"
    "else echo \"CRIU $version, which does not work: $(echo \"$said\" | head -n 1)\"; fi\n";

char *criu_look(const char *host, GError **error)
{
    char *said = rest_run(host, look, LOOK_SECONDS, error);
    return said ? g_strstrip(said) : NULL;
}

gboolean criu_is_content(const char *said)
{
    return said && g_str_has_prefix(said, "CRIU ") && g_str_has_suffix(said, ", content");
}
