#include "server/core/fragment.h"
#include <string.h>

static Fragment *fragment_allocate(gsize length)
{
    g_assert(length < G_MAXUINT); /* a single object's text; far beyond any limit on input */
    Fragment *fragment = g_malloc(sizeof *fragment + length + 1);
    fragment->references = 1;
    fragment->length = (guint)length;
    fragment->text[length] = '\0';
    return fragment;
}

Fragment *fragment_new(const char *text, gsize length)
{
    Fragment *fragment = fragment_allocate(length);
    if (length > 0)
        memcpy(fragment->text, text, length);
    return fragment;
}

/* How many bytes more the escape of a byte has than the byte: 0 when it stands for itself. */
static const guint8 longer[256] = {['&'] = 4, ['<'] = 3, ['>'] = 3};

static const char *escape_of(char byte)
{
    return byte == '&' ? "&amp;" : byte == '<' ? "&lt;" : "&gt;";
}

Fragment *fragment_new_escaped(const char *text, gsize length)
{
    /* Counted first: one allocation of the exact size, since fragments live long. */
    gsize total = length;
    for (gsize i = 0; i < length; i++)
        total += longer[(guchar)text[i]];

    Fragment *fragment = fragment_allocate(total);
    char *out = fragment->text;
    for (const char *at = text, *end = text + length; at < end; at++) {
        while (at < end && !longer[(guchar)*at])
            *out++ = *at++;
        if (at == end)
            break;
        guint size = longer[(guchar)*at] + 1u;
        memcpy(out, escape_of(*at), size);
        out += size;
    }
    return fragment;
}

Fragment *fragment_ref(Fragment *fragment)
{
    g_atomic_int_inc(&fragment->references);
    return fragment;
}

void fragment_unref(Fragment *fragment)
{
    if (fragment && g_atomic_int_dec_and_test(&fragment->references))
        g_free(fragment);
}

static void drop_item(gpointer item)
{
    fragment_unref(item);
}

FragmentList *fragment_list_new(guint expected)
{
    FragmentList *list = g_new(FragmentList, 1);
    list->items = g_ptr_array_new_full(expected, drop_item);
    list->length = 0;
    return list;
}

void fragment_list_add(FragmentList *list, Fragment *fragment)
{
    g_ptr_array_add(list->items, fragment);
    list->length += fragment->length;
}

void fragment_list_add_text(FragmentList *list, const char *escaped)
{
    fragment_list_add(list, fragment_new(escaped, strlen(escaped)));
}

void fragment_list_free(FragmentList *list)
{
    if (!list)
        return;
    g_ptr_array_unref(list->items);
    g_free(list);
}
