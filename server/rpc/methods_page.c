#include "server/rpc/methods_page.h"

#include "server/rpc/method.h"

#include <string.h>

static const char *need_words(Need need)
{
    switch (need) {
    case NEED_NOTHING:
        return "no session";
    case NEED_SESSION:
        return "any user";
    case NEED_USE:
    case NEED_USE_LOCKED:
        return "USE";
    case NEED_MANAGE:
    case NEED_MANAGE_LOCKED:
        return "MANAGE";
    case NEED_ADMIN:
        return "ADMIN";
    case NEED_CREATE:
        return "CREATE";
    case NEED_LISTED:
        return "USE, of each member";
    case NEED_OWN_CHECK:
        return "depends on the arguments";
    case NEED_ONEADMIN:
        return "administrators";
    }
    return "?";
}

static void append_arguments(GString *page, const char *letters)
{
    gboolean optional = FALSE, first = TRUE;
    for (const char *letter = letters; *letter; letter++) {
        if (*letter == '|') {
            optional = TRUE;
            continue;
        }
        const char *word = *letter == 'i'   ? "int"
                           : *letter == 'b' ? "boolean"
                           : *letter == 'A' ? "array of int"
                                            : "string";
        g_string_append_printf(page, optional ? "%s[%s]" : "%s%s", first ? "" : ", ", word);
        first = FALSE;
    }
}

char *rpc_methods_page(void)
{
    guint count;
    const RpcMethod *rows = rpc_methods(&count);
    GString *page = g_string_new(
        "# Methods\n\n"
        "Made by `oned --print-methods` from the method table (server/rpc/methods.c); a test keeps "
        "this page current.\n"
        "Every call has the session, `user:password`, as its first argument, except where it says "
        "\"no session\".\n"
        "Arguments in brackets may be left out; more than these are ignored. A reply is "
        "`[true, value, 0]`,\n"
        "or `[false, text, code, id, -1]`; shapes of 1.2 to 2.2 answer without codes. Faults: -506 "
        "unknown method,\n"
        "-501 wrong or missing arguments, -503 unreadable, -509 over a limit.\n\n"
        "`globule.sched.wait(last, seconds)` is ours: it answers as soon as the number of what "
        "became pending\n"
        "is not `last` any more, or after `seconds` (60 at most), with the number; see "
        "scheduler.md.\n\n"
        "| method | arguments | result | right | what it does |\n|---|---|---|---|---|\n");
    for (guint i = 0; i < count; i++) {
        const RpcMethod *row = &rows[i];
        g_string_append_printf(page, "| %s | ", row->name);
        append_arguments(page, row->arguments);
        g_string_append_printf(page, " | %s | %s | %s |\n", row->result, need_words(row->need),
                               row->help);
    }
    return g_string_free(page, FALSE);
}
