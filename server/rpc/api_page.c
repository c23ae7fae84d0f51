#include "server/rpc/api_page.h"

#include "server/rpc/json.h"

#include <string.h>

static const char head[] =
    "# Methods\n\n"
    "Made by `oned --print-api` from the method table (server/rpc/methods.c) and the names of its "
    "arguments\n"
    "(server/rpc/json_names.c); a test keeps this page current. How a call is made, what codes "
    "mean, and what is true\n"
    "of all pools, is in using-the-api.md; the rights are in access.md.\n\n"
    "- Before the arguments shown every call has the session, `user:password`, except where it "
    "says \"no session\".\n"
    "  As JSON (`POST /api/<method>`) user and password are HTTP's, and arguments are given by "
    "these names or in this order.\n"
    "- An argument with `=` may be left out, with all behind it; it is then what stands behind "
    "`=`. With JSON by name any\n"
    "  of them may. More arguments than these are ignored.\n"
    "- A reply is `[true, value, 0]`. An `int` is the id of the object that the call is about, of "
    "a new one when it makes\n"
    "  one, unless the text says otherwise. A `string` is XML where an element is named: its root; "
    "what is in it, share/schema says.\n"
    "- Another reply is `[false, text, code, id, -1]`. \"Fails\" lists the codes of a method, "
    "beside faults: -501 wrong or\n"
    "  missing arguments, -503 unreadable, -506 unknown method, -509 over a limit.\n"
    "- \"Also\" are shapes of older clients, told apart by the number and types of their "
    "arguments. Their failures have no\n"
    "  id, those of 1.2 to 2.2 no code either.\n";

static const char *need_words(Need need)
{
    switch (need) {
    case NEED_NOTHING:
        return "none, no session";
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
        return "any user; answered are those that they have USE of";
    case NEED_OWN_CHECK:
        return "depends on the arguments";
    case NEED_ONEADMIN:
        return "administrators";
    }
    return "?";
}

static const char *type_word(char letter)
{
    return letter == 'i' ? "int" : letter == 'b' ? "boolean" : letter == 'A' ? "array" : "string";
}

/* "(id int, host int, live boolean = false)"; without names those that are not known. */
static void append_arguments(GString *page, const RpcMethod *row, char **names, char **otherwise)
{
    const char *optional = strchr(row->arguments, '|');
    guint at = 0;
    g_string_append_c(page, '(');
    for (const char *letter = row->arguments; *letter; letter++) {
        if (*letter == '|')
            continue;
        g_string_append_printf(page, "%s%s%s%s", at ? ", " : "", names ? names[at] : "",
                               names ? " " : "", type_word(*letter));
        if (optional && letter > optional)
            g_string_append_printf(page, names ? " = %s" : "?", names ? otherwise[at] : "");
        at++;
    }
    g_string_append_c(page, ')');
}

static gboolean ends(const RpcMethod *row, const char *ending)
{
    return g_str_has_suffix(row->name, ending);
}

/* The root of the answer's XML, or NULL. */
static const char *root_of(const RpcMethod *row)
{
    if (row->kind == KIND_NONE || strcmp(row->result, "string") != 0)
        return NULL;
    if (ends(row, "pool.info") || ends(row, "pool.infoextended") || ends(row, "pool.infoset") ||
        ends(row, ".acl.info"))
        return kind_row(row->kind)->pool_element;
    return ends(row, ".info") && row->id_at ? kind_row(row->kind)->element : NULL;
}

static gboolean names_another_object(char **names, guint id_at)
{
    static const char *const others[] = {"host",     "datastore", "image",  "cluster",  "group",
                                         "user",     "network",   "nic",    "secgroup", "vmgroup",
                                         "market",   "template",  "zone",   "server",   "range",
                                         "snapshot", "disk",      "action", "role",     NULL};
    for (guint i = 0; names && names[i]; i++)
        if (i + 1 != id_at && g_strv_contains(others, names[i]))
            return TRUE;
    return FALSE;
}

guint rpc_failures(const RpcMethod *row)
{
    if (row->need == NEED_NOTHING)
        return row->arguments[0] ? ONE_ERROR_NO_EXISTS : 0;
    g_auto(GStrv) names = rpc_json_names(row->name, NULL);
    gboolean reads =
        row->need == NEED_SESSION || row->need == NEED_USE_LOCKED || row->need == NEED_LISTED;
    guint codes = ONE_ERROR_AUTHENTICATION;
    if (row->need != NEED_SESSION && row->need != NEED_LISTED)
        codes |= ONE_ERROR_AUTHORIZATION;
    if (row->id_at || names_another_object(names, row->id_at))
        codes |= ONE_ERROR_NO_EXISTS;
    if (!reads)
        codes |= ONE_ERROR_ACTION | ONE_ERROR_INTERNAL;
    if (row->need == NEED_CREATE || ends(row, ".allocate") || ends(row, ".clone") ||
        ends(row, ".instantiate") || ends(row, ".reserve"))
        codes |= ONE_ERROR_ALLOCATE;
    if (row->arguments[0] && !(row->id_at && !row->arguments[1]))
        codes |= ONE_ERROR_RPC_API;
    if (row->id_at && !reads && row->need != NEED_MANAGE_LOCKED &&
        kind_row(row->kind)->flags & KIND_LOCKABLE)
        codes |= ONE_ERROR_LOCKED;
    return codes;
}

static void append_failures(GString *page, guint codes)
{
    if (!codes)
        return;
    g_string_append(page, "; fails:");
    const char *between = " ";
    for (guint code = ONE_ERROR_AUTHENTICATION; code <= ONE_ERROR_LOCKED; code <<= 1)
        if (codes & code) {
            g_string_append_printf(page, "%s%u", between, code);
            between = ", ";
        }
}

/* What has to be sent as JSON, with plain values for what may not be left out. */
static void append_json(GString *page, const RpcMethod *row, char **names)
{
    g_string_append_printf(page, "; JSON: `/api/%s", row->name);
    for (guint at = 0; names && row->arguments[at] && row->arguments[at] != '|'; at++) {
        char letter = row->arguments[at];
        g_string_append_printf(page, "%s\"%s\": %s", at ? ", " : " {", names[at],
                               letter == 'i'   ? "0"
                               : letter == 'b' ? "true"
                                               : "\"...\"");
        if (!row->arguments[at + 1] || row->arguments[at + 1] == '|')
            g_string_append_c(page, '}');
    }
    g_string_append(page, "`");
}

static void append_method(GString *page, const RpcMethod *rows, guint count, guint first)
{
    const RpcMethod *row = &rows[first];
    g_auto(GStrv) otherwise = NULL;
    gboolean old = row->flags & (ROW_OLD | ROW_HIDDEN);
    g_auto(GStrv) names = old ? NULL : rpc_json_names(row->name, &otherwise);
    const char *root = root_of(row);
    g_string_append_printf(page, "\n### %s\n\n    %s", row->name, row->name);
    append_arguments(page, row, names, otherwise);
    g_string_append_printf(page, " -> %s", row->result);
    if (root)
        g_string_append_printf(page, " <%s>", root);
    g_string_append_printf(page, "\n\n%s\n\nRight: %s", row->help, need_words(row->need));
    if (row->operation)
        g_string_append_printf(page, ", or as oned.conf says of the operation %s", row->operation);
    append_failures(page, rpc_failures(row));
    if (!old)
        append_json(page, row, names);
    g_string_append(page, ".\n");
    for (guint i = 0, shapes = 0; i < count; i++) {
        if (i == first || strcmp(rows[i].name, row->name) != 0)
            continue;
        g_string_append(page, shapes++ ? "- " : "\nAlso:\n\n- ");
        g_string_append_c(page, '`');
        append_arguments(page, &rows[i], NULL, NULL);
        g_string_append_printf(page, " -> %s`: %s\n", rows[i].result, rows[i].help);
    }
}

/* "vm" of one.vm.info, one.vmpool.info and globule.vm.console; quotas are with whom they limit;
 * the names of 1.2 have no second dot. (owned) */
static char *family_of(const char *method)
{
    g_auto(GStrv) words = g_strsplit(method, ".", 3);
    if (!words[2])
        return g_strdup(strcmp(words[0], "system") == 0 ? "introspection" : "1.2");
    static const char *const endings[] = {"pool", "quota", "log"};
    for (guint i = 0; i < G_N_ELEMENTS(endings); i++)
        if (g_str_has_suffix(words[1], endings[i]))
            words[1][strlen(words[1]) - strlen(endings[i])] = '\0';
    return g_strdup(words[1]);
}

static const char *family_words(const char *family)
{
    static const char *const others[][2] = {
        {"system", "the server"},
        {"sched", "for schedulers"},
        {"introspection", "what methods there are"},
        {"1.2", "what clients of OpenNebula 1.2 call"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(others); i++)
        if (strcmp(others[i][0], family) == 0)
            return others[i][1];
    for (guint kind = 0; kind < KIND_COUNT; kind++)
        if (g_strcmp0(kind_row(kind)->method, family) == 0)
            return kind_row(kind)->words;
    return family;
}

/* The shape of today, before others of its name. */
static guint shape_of_today(const RpcMethod *rows, guint count, const char *name)
{
    guint first = count;
    for (guint i = 0; i < count; i++)
        if (strcmp(rows[i].name, name) == 0) {
            if (!(rows[i].flags & (ROW_OLD | ROW_HIDDEN)))
                return i;
            first = MIN(first, i);
        }
    return first;
}

char *rpc_api_page(void)
{
    guint count;
    const RpcMethod *rows = rpc_methods(&count);
    GString *page = g_string_new(head);
    g_autoptr(GHashTable) told = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GPtrArray) families = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < count; i++) {
        char *family = family_of(rows[i].name);
        if (g_ptr_array_find_with_equal_func(families, family, g_str_equal, NULL))
            g_free(family);
        else
            g_ptr_array_add(families, family);
    }
    for (guint at = 0; at < families->len; at++) {
        const char *family = families->pdata[at];
        g_string_append_printf(page, "\n## %s: %s\n", family, family_words(family));
        for (guint i = 0; i < count; i++) {
            g_autofree char *own = family_of(rows[i].name);
            if (strcmp(own, family) == 0 && g_hash_table_add(told, (gpointer)rows[i].name))
                append_method(page, rows, count, shape_of_today(rows, count, rows[i].name));
        }
    }
    return g_string_free(page, FALSE);
}
