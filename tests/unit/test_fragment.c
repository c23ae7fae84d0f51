#include "server/core/fragment.h"
#include <string.h>

static void test_escape(void)
{
    static const struct {
        const char *text, *escaped;
    } cases[] = {
        {"", ""},
        {"plain", "plain"},
        {"<VM><ID>1</ID></VM>", "&lt;VM&gt;&lt;ID&gt;1&lt;/ID&gt;&lt;/VM&gt;"},
        {"a&b", "a&amp;b"},
        {"&amp;", "&amp;amp;"},
        {"]]>\"'", "]]&gt;\"'"},
        {"\xc3\xa4", "\xc3\xa4"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        Fragment *fragment = fragment_new_escaped(cases[i].text, strlen(cases[i].text));
        g_assert_cmpstr(fragment->text, ==, cases[i].escaped);
        g_assert_cmpuint(fragment->length, ==, strlen(cases[i].escaped));
        fragment_unref(fragment);
    }
}

static void test_list(void)
{
    Fragment *shared = fragment_new("abc", 3);
    FragmentList *list = fragment_list_new(2);
    fragment_list_add(list, fragment_ref(shared));
    fragment_list_add_text(list, "&lt;");
    fragment_list_add(list, fragment_ref(shared));
    g_assert_cmpuint(list->length, ==, 10);
    g_assert_cmpuint(list->items->len, ==, 3);
    g_assert_cmpint(shared->references, ==, 3);
    fragment_list_free(list);
    g_assert_cmpint(shared->references, ==, 1);
    fragment_unref(shared);
    fragment_unref(NULL);
    fragment_list_free(NULL);
}

static gpointer take_and_drop(gpointer data)
{
    for (int i = 0; i < 100000; i++)
        fragment_unref(fragment_ref(data));
    return NULL;
}

static void test_threads(void)
{
    Fragment *fragment = fragment_new("x", 1);
    GThread *threads[4];
    for (int i = 0; i < 4; i++)
        threads[i] = g_thread_new("references", take_and_drop, fragment);
    for (int i = 0; i < 4; i++)
        g_thread_join(threads[i]);
    g_assert_cmpint(fragment->references, ==, 1);
    fragment_unref(fragment);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/fragment/escape", test_escape);
    g_test_add_func("/fragment/list", test_list);
    g_test_add_func("/fragment/threads", test_threads);
    return g_test_run();
}
