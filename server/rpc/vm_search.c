#include "server/rpc/vm_search.h"

#include "lib/base/error.h"
#include "server/rpc/method.h"
#include "server/rpc/vm_screen.h"

#include <string.h>

/* As many parts as a person would write. */
#define TERMS_MAX 32

typedef struct Term {
    char *path; /* "VM.TEMPLATE.NIC.IP"; NULL: any */
    char *text;
    gboolean found;
} Term;

struct VmSearch {
    GArray *terms; /* of Term */
    GString *xml, *path, *value;
};

static void term_clear(gpointer data)
{
    Term *term = data;
    g_free(term->path);
    g_free(term->text);
}

void vm_search_free(VmSearch *search)
{
    g_array_unref(search->terms);
    g_string_free(search->xml, TRUE);
    g_string_free(search->path, TRUE);
    g_string_free(search->value, TRUE);
    g_free(search);
}

/* "TEMPLATE.NIC[0].IP" as "VM.TEMPLATE.NIC.IP". (owned) */
static char *plain_path(const char *text, gsize length)
{
    GString *path = g_string_new(NULL);
    gboolean inside = FALSE;
    for (gsize i = 0; i < length; i++) {
        inside = text[i] == '[' || (inside && text[i] != ']');
        if (!inside && text[i] != ']')
            g_string_append_c(path, text[i]);
    }
    if (!g_str_has_prefix(path->str, "VM."))
        g_string_prepend(path, "VM.");
    return g_string_free(path, FALSE);
}

VmSearch *vm_search_parse(const char *text, GError **error)
{
    g_auto(GStrv) parts = g_strsplit(text, "&", -1);
    VmSearch *search = g_new0(VmSearch, 1);
    search->terms = g_array_new(FALSE, TRUE, sizeof(Term));
    g_array_set_clear_func(search->terms, term_clear);
    search->xml = g_string_new(NULL);
    search->path = g_string_new(NULL);
    search->value = g_string_new(NULL);
    for (guint i = 0; parts[i]; i++) {
        const char *equal = strchr(parts[i], '=');
        const char *wanted = equal ? equal + 1 : parts[i];
        if (!*wanted || equal == parts[i] || i >= TERMS_MAX) {
            g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                        "The search \"%s\" is no list of at most %d parts such as "
                        "VM.NAME=web&VM.TEMPLATE.NIC[*].IP=10.0",
                        text, TERMS_MAX);
            vm_search_free(search);
            return NULL;
        }
        Term term = {equal ? plain_path(parts[i], (gsize)(equal - parts[i])) : NULL,
                     g_strdup(wanted), FALSE};
        g_array_append_val(search->terms, term);
    }
    return search;
}

/* ---- walking through the machine's own rendering ---- */

static void look_at_value(VmSearch *search)
{
    for (guint i = 0; i < search->terms->len; i++) {
        Term *term = &g_array_index(search->terms, Term, i);
        if (!term->found && (!term->path || !strcmp(term->path, search->path->str)))
            term->found = strstr(search->value->str, term->text) != NULL;
    }
    g_string_truncate(search->value, 0);
}

/* Text up to the next tag or entity, and the entity: what xml_text() and its like write for one
 * character. */
static const char *take_text(const char *at, GString *value)
{
    static const struct {
        const char *written;
        char meant;
    } entities[] = {{"&lt;", '<'}, {"&gt;", '>'}, {"&amp;", '&'}, {"&quot;", '"'}, {"&#13;", '\r'}};
    gsize plain = strcspn(at, "&<");
    g_string_append_len(value, at, (gssize)plain);
    at += plain;
    for (guint i = 0; *at == '&' && i < G_N_ELEMENTS(entities); i++)
        if (g_str_has_prefix(at, entities[i].written)) {
            g_string_append_c(value, entities[i].meant);
            return at + strlen(entities[i].written);
        }
    if (*at != '&')
        return at;
    g_string_append_c(value, *at);
    return at + 1;
}

/* From '<' of a tag to what follows it. */
static const char *take_tag(VmSearch *search, const char *at)
{
    static const char cdata[] = "<![CDATA[";
    gboolean verbatim = at[1] == '!' && g_str_has_prefix(at, cdata);
    const char *end = verbatim ? strstr(at, "]]>") : strchr(at, '>');
    if (!end)
        return at + strlen(at);
    if (verbatim) {
        at += strlen(cdata);
        g_string_append_len(search->value, at, end - at);
        return end + strlen("]]>");
    }
    if (at[1] == '/') {
        look_at_value(search);
        char *dot = strrchr(search->path->str, '.');
        g_string_truncate(search->path, dot ? (gsize)(dot - search->path->str) : 0);
    } else if (end[-1] != '/') {
        if (search->path->len)
            g_string_append_c(search->path, '.');
        g_string_append_len(search->path, at + 1, end - at - 1);
        g_string_truncate(search->value, 0);
    }
    return end + 1;
}

/* Cheap, before the machine is looked through: a text that stands nowhere in its rendering, which
 * lists share, is in none of its values. Texts that would be written differently there may be. */
static gboolean may_match(const VmSearch *search, const Fragment *rendering)
{
    for (guint i = 0; i < search->terms->len; i++) {
        const char *text = g_array_index(search->terms, Term, i).text;
        if (!strpbrk(text, "&<>\"\r]") && !strstr(rendering->text, text))
            return FALSE;
    }
    return TRUE;
}

gboolean vm_search_matches(VmSearch *search, World *world, Vm *vm)
{
    if (!may_match(search, rendering_for_all(world, &vm->head, TRUE)))
        return FALSE;
    char *password = vm_screen_cover(vm);
    g_string_truncate(search->xml, 0);
    vm_operations.render(world, &vm->head, search->xml);
    vm_screen_uncover(vm, password);
    g_string_truncate(search->path, 0);
    g_string_truncate(search->value, 0);
    for (guint i = 0; i < search->terms->len; i++)
        g_array_index(search->terms, Term, i).found = FALSE;
    for (const char *at = search->xml->str; *at;)
        at = *at == '<' ? take_tag(search, at) : take_text(at, search->value);
    for (guint i = 0; i < search->terms->len; i++)
        if (!g_array_index(search->terms, Term, i).found)
            return FALSE;
    return TRUE;
}
