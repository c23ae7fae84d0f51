#include "drivers/vmm/libvirt/vmm_command.h"

#include <string.h>

/* Three bytes are four letters. */
#define LETTERS_MAX (VMM_OUTPUT_MAX / 3 * 4)

char *vmm_command_text64(gint64 code, const char *out, const char *errors, gboolean truncated)
{
    const char *both[] = {out ? out : "", errors ? errors : ""};
    gboolean cut = truncated || strlen(both[0]) > LETTERS_MAX || strlen(both[1]) > LETTERS_MAX;
    g_autofree char *text = g_strdup_printf(
        "STATUS=DONE\nRETURN_CODE=%" G_GINT64_FORMAT "\nSTDOUT=\"%.*s\"\nSTDERR=\"%.*s\"\n%s", code,
        LETTERS_MAX, both[0], LETTERS_MAX, both[1], cut ? "TRUNCATED=YES\n" : "");
    return g_base64_encode((const guchar *)text, strlen(text));
}

char *vmm_command_text(const VmmCommand *command)
{
    const char *out = command->out ? command->out : "";
    const char *errors = command->errors ? command->errors : "";
    g_autofree char *out64 = g_base64_encode((const guchar *)out, strlen(out));
    g_autofree char *errors64 = g_base64_encode((const guchar *)errors, strlen(errors));
    if (g_str_equal(command->status, "DONE"))
        return vmm_command_text64(command->code, out64, errors64, command->truncated);
    g_autofree char *text = g_str_equal(command->status, "ERROR")
                                ? g_strdup_printf("STATUS=ERROR\nERROR=\"%s\"\n", errors64)
                                : g_strdup_printf("STATUS=%s\n", command->status);
    return g_base64_encode((const guchar *)text, strlen(text));
}
