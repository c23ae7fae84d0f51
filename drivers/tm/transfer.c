#include "drivers/tm/transfer.h"

#include "lib/base/error.h"
#include <string.h>
#include <unistd.h>

static const Flavour *const flavours[] = {&flavour_shared, &flavour_qcow2, &flavour_ssh,
                                          &flavour_dummy};

const Flavour *flavour_find(const char *name)
{
    for (guint i = 0; i < G_N_ELEMENTS(flavours); i++) {
        if (g_ascii_strcasecmp(flavours[i]->name, name) == 0)
            return flavours[i];
        for (guint j = 0; j < G_N_ELEMENTS(flavours[i]->aliases); j++)
            if (flavours[i]->aliases[j] != NULL &&
                g_ascii_strcasecmp(flavours[i]->aliases[j], name) == 0)
                return flavours[i];
    }
    return NULL;
}

char *flavour_names(void)
{
    GString *names = g_string_new(NULL);
    for (guint i = 0; i < G_N_ELEMENTS(flavours); i++)
        g_string_append_printf(names, "%s%s", i > 0 ? ", " : "", flavours[i]->name);
    return g_string_free(names, FALSE);
}

const Flavour *transfer_flavour(const ScriptCommand *command, const Flavour *otherwise,
                                GError **error)
{
    const Flavour *flavour = command->suffix != NULL ? flavour_find(command->suffix) : NULL;
    const char *own_name = g_getenv("ONE_MAD_NAME");
    if (flavour == NULL && command->flavour != NULL)
        flavour = flavour_find(command->flavour);
    /* In a configuration the driver may have any name: TM_MAD = [ NAME = fast, ARGUMENTS = "-d ssh"
     * ] */
    if (flavour == NULL && (command->flavour == NULL || g_strcmp0(command->flavour, own_name) == 0))
        flavour = otherwise;
    if (flavour != NULL)
        return flavour;
    g_autofree char *names = flavour_names();
    if (command->flavour != NULL)
        g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                    "line %u of the transfer script: there is no transfer by \"%s\"; known are %s",
                    command->line, command->flavour, names);
    else
        g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                    "line %u of the transfer script names no flavour, and the driver was started "
                    "without one; give it \"-d\" and one of %s",
                    command->line, names);
    return NULL;
}

gboolean transfer_run(const Transfer *transfer, const GPtrArray *commands, const Flavour *otherwise,
                      GError **error)
{
    for (guint i = 0; i < commands->len; i++) {
        const ScriptCommand *command = g_ptr_array_index(commands, i);
        const Flavour *flavour = transfer_flavour(command, otherwise, error);
        if (flavour == NULL)
            return FALSE;
        gint64 start = g_get_monotonic_time();
        g_autofree char *text = script_command_text(command);
        const SshWatch *watch = transfer->watch;
        if (watch != NULL && watch->cancelled != NULL && watch->cancelled(watch->data)) {
            g_set_error(error, ONE_ERROR, ONE_ERROR_TIMEOUT, "%s: cancelled", text);
            return FALSE;
        }
        if (!flavour->deeds[command->verb](transfer, command, error)) {
            g_prefix_error(error, "%s: ", text);
            return FALSE;
        }
        double seconds = (double)(g_get_monotonic_time() - start) / G_USEC_PER_SEC;
        if (seconds >= 1)
            transfer_log(transfer, 'I', "%s: done in %.1f s", text, seconds);
    }
    return TRUE;
}

gboolean transfer_is_here(const char *host)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "::1", "ip6-localhost"};
    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        if (g_ascii_strcasecmp(host, names[i]) == 0)
            return TRUE;
    char own[256] = "";
    if (gethostname(own, sizeof own - 1) != 0 || own[0] == '\0')
        return FALSE;
    if (g_ascii_strcasecmp(host, own) == 0)
        return TRUE;
    /* "node01" is this computer when it calls itself node01.example.org. */
    gsize length = strlen(host);
    return strchr(host, '.') == NULL && g_ascii_strncasecmp(host, own, length) == 0 &&
           own[length] == '.';
}

void transfer_log(const Transfer *transfer, char severity, const char *format, ...)
{
    if (transfer->log == NULL)
        return;
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    transfer->log(severity, transfer->id, text);
}
