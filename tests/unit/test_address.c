/* Ranges of addresses: reading, counting, searching, and that nothing is given twice. */
#include "server/model/network/address.h"

#include "lib/base/error.h"

#include <string.h>

/* AR of the text, or NULL with the error's text in `*why`. */
static AddressRange *range_of(const char *text, char **why)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *full = g_strdup_printf("AR = [ %s ]", text);
    g_autoptr(Template) template = template_parse(full, TEMPLATE_MODERN, NULL);
    g_assert_nonnull(template);
    AddressRange *range = range_new(template_steal(template, 0), "02:00", 0x01020304, &error);
    g_assert_true((range != NULL) == (error == NULL));
    if (why)
        *why = error ? g_strdup(error->message) : NULL;
    return range;
}

static void test_reading(void)
{
    static const struct {
        const char *text, *wrong; /* part of the complaint; NULL: none */
    } cases[] = {
        {"TYPE = IP4, SIZE = 10, IP = 10.0.0.1", NULL},
        {"TYPE = ip4, SIZE = 10, IP = 10.0.0.1", NULL},
        {"TYPE = ETHER, SIZE = 1", NULL},
        {"TYPE = IP6, SIZE = 5, GLOBAL_PREFIX = \"2001:db8::\"", NULL},
        {"TYPE = IP4_6, SIZE = 5, IP = 10.0.0.1, ULA_PREFIX = \"fd00::\"", NULL},
        {"TYPE = IP6_STATIC, SIZE = 5, IP6 = \"2001:db8::fe\", PREFIX_LENGTH = 64", NULL},
        {"SIZE = 10, IP = 10.0.0.1", "Wrong TYPE"},
        {"TYPE = IP5, SIZE = 10", "\"IP5\" is none of IP4"},
        {"TYPE = IP4, IP = 10.0.0.1", "Wrong SIZE"},
        {"TYPE = IP4, SIZE = 0, IP = 10.0.0.1", "\"0\" is not a number from 1"},
        {"TYPE = IP4, SIZE = -3, IP = 10.0.0.1", "\"-3\""},
        {"TYPE = IP4, SIZE = 16777217, IP = 10.0.0.1", "\"16777217\""},
        {"TYPE = IP4, SIZE = 99999999999999999999, IP = 10.0.0.1", "Wrong SIZE"},
        {"TYPE = IP4, SIZE = 10", "Wrong IP"},
        {"TYPE = IP4, SIZE = 10, IP = 10.0.0.256", "\"10.0.0.256\" is no IPv4"},
        {"TYPE = IP4, SIZE = 10, IP = 255.255.255.250", "beyond the last IPv4"},
        {"TYPE = ETHER, SIZE = 2, MAC = \"02:00:00:00:00\"", "Wrong MAC"},
        {"TYPE = ETHER, SIZE = 2, MAC = \"02-00-00-00-00-01\"", "Wrong MAC"},
        {"TYPE = ETHER, SIZE = 2, MAC = \"ff:ff:ff:ff:ff:ff\"", "beyond the last one"},
        {"TYPE = IP6, SIZE = 5, GLOBAL_PREFIX = \"2001:zz::\"", "Wrong GLOBAL_PREFIX"},
        {"TYPE = IP6_STATIC, SIZE = 5, IP6 = \"2001:db8::1\"", "PREFIX_LENGTH must be given"},
        {"TYPE = IP6_STATIC, SIZE = 5, IP6 = \"x\", PREFIX_LENGTH = 64", "Wrong IP6"},
        {"TYPE = IP6_STATIC, SIZE = 5, IP6 = \"::1\", PREFIX_LENGTH = 129", "\"129\""},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *why = NULL;
        g_autoptr(AddressRange) range = range_of(cases[i].text, &why);
        if ((range != NULL) != (cases[i].wrong == NULL) || (why && !strstr(why, cases[i].wrong)))
            g_error("%s: %s", cases[i].text, why ? why : "was taken");
    }
}

static void test_addresses(void)
{
    static const struct {
        const char *text;
        guint index;
        const char *name, *value;
    } cases[] = {
        {"TYPE = IP4, SIZE = 300, IP = 10.0.0.250", 10, "IP", "10.0.1.4"},
        {"TYPE = IP4, SIZE = 300, IP = 10.0.0.250", 10, "MAC", "02:00:0a:00:01:04"},
        {"TYPE = IP4, SIZE = 3, IP = 10.0.0.1, MAC = \"0a:ff:ff:ff:ff:fe\"", 1, "MAC",
         "0a:ff:ff:ff:ff:ff"},
        {"TYPE = ETHER, SIZE = 9", 1, "MAC", "02:00:01:02:03:05"},
        {"TYPE = ETHER, SIZE = 9", 1, "IP", NULL},
        {"TYPE = IP6, SIZE = 5, GLOBAL_PREFIX = \"2001:db8::\", MAC = \"02:00:0a:00:00:01\"", 2,
         "IP6_GLOBAL", "2001:db8::aff:fe00:3"},
        {"TYPE = IP6, SIZE = 5, ULA_PREFIX = \"fd00::\", MAC = \"02:00:0a:00:00:01\"", 0, "IP6_ULA",
         "fd00::aff:fe00:1"},
        {"TYPE = IP6, SIZE = 5, MAC = \"02:00:0a:00:00:01\"", 0, "IP6_LINK", "fe80::aff:fe00:1"},
        {"TYPE = IP6_STATIC, SIZE = 500, IP6 = \"2001:db8::fffe\", PREFIX_LENGTH = 64", 3, "IP6",
         "2001:db8::1:1"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(AddressRange) range = range_of(cases[i].text, NULL);
        g_autoptr(Template) template = template_new();
        TemplateAttribute *into = template_add_vector(template, "LEASE");
        guint place = 4711;
        range_describe(range, cases[i].index, into);
        g_assert_cmpstr(attribute_get(into, cases[i].name), ==, cases[i].value);
        if (!cases[i].value)
            continue;
        gboolean found = strcmp(cases[i].name, "MAC") == 0
                             ? range_place_of_mac(range, cases[i].value, &place)
                             : range_place_of_ip(range, cases[i].value, &place);
        g_assert_true(found);
        g_assert_cmpuint(place, ==, cases[i].index);
    }
}

static void test_not_in_range(void)
{
    static const struct {
        const char *text, *ip;
    } cases[] = {
        {"TYPE = IP4, SIZE = 3, IP = 10.0.0.1", "10.0.0.4"},
        {"TYPE = IP4, SIZE = 3, IP = 10.0.0.1", "10.0.0.0"},
        {"TYPE = IP4, SIZE = 3, IP = 10.0.0.1", "nonsense"},
        {"TYPE = IP4, SIZE = 3, IP = 10.0.0.1", "2001:db8::1"},
        {"TYPE = ETHER, SIZE = 3", "10.0.0.1"},
        {"TYPE = IP6_STATIC, SIZE = 3, IP6 = \"2001:db8::1\", PREFIX_LENGTH = 64", "2001:db8::4"},
        {"TYPE = IP6_STATIC, SIZE = 3, IP6 = \"2001:db8::1\", PREFIX_LENGTH = 64", "2001:db8::0"},
        {"TYPE = IP6_STATIC, SIZE = 3, IP6 = \"2001:db8::1\", PREFIX_LENGTH = 64", "2001:db9::1"},
        {"TYPE = IP6, SIZE = 3, GLOBAL_PREFIX = \"2001:db8::\"", "2001:db8::1"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        guint place;
        g_autoptr(AddressRange) range = range_of(cases[i].text, NULL);
        if (range_place_of_ip(range, cases[i].ip, &place))
            g_error("%s has %s", cases[i].text, cases[i].ip);
    }
}

/* Against a plain table: takes and gives back at random, in ranges that end everywhere in a word.
 */
static void test_holding(void)
{
    static const guint sizes[] = {1, 2, 63, 64, 65, 127, 128, 4095, 4096, 4097, 9000};
    for (gsize s = 0; s < G_N_ELEMENTS(sizes); s++) {
        guint size = sizes[s];
        g_autofree char *text = g_strdup_printf("TYPE = ETHER, SIZE = %u", size);
        g_autoptr(AddressRange) range = range_of(text, NULL);
        g_autofree gint32 *held = g_new0(gint32, size);
        g_autoptr(GRand) random = g_rand_new_with_seed(size);
        guint used = 0, index;
        for (guint step = 0; step < 4 * size + 50; step++) {
            if (g_rand_int_range(random, 0, 3)) {
                gboolean found = range_find(range, &index);
                g_assert_true(found == (used < size));
                if (!found)
                    continue;
                g_assert_cmpint(held[index], ==, 0);
                range_take(range, index, (Holder){HOLDER_VM, held[index] = (gint32)step + 1});
                used++;
            } else {
                index = (guint)g_rand_int_range(random, 0, (gint)size);
                if (held[index]) {
                    range_give_back(range, index);
                    held[index] = 0;
                    used--;
                }
            }
            g_assert_cmpuint(range->used, ==, used);
        }
        guint next = 0;
        for (index = 0; index < size; index++) {
            Holder holder = range_holder(range, index);
            g_assert_cmpint(holder.kind == HOLDER_VM ? holder.id : 0, ==, held[index]);
            if (held[index]) {
                g_assert_cmpuint(range_next_held(range, next), ==, index);
                next = index + 1;
            }
        }
        g_assert_cmpuint(range_next_held(range, next), ==, size);
    }
}

static void test_rows(void)
{
    g_autoptr(AddressRange) range = range_of("TYPE = ETHER, SIZE = 200", NULL);
    guint index;
    for (guint taken = 20; taken < 200; taken += 50) /* 20 70 120 170 */
        range_take(range, taken, (Holder){HOLDER_ADMIN, -1});
    g_assert_true(range_find_row(range, 20, &index));
    g_assert_cmpuint(index, ==, 0);
    g_assert_true(range_find_row(range, 21, &index));
    g_assert_cmpuint(index, ==, 21);
    g_assert_true(range_find_row(range, 49, &index));
    g_assert_cmpuint(index, ==, 21);
    g_assert_false(range_find_row(range, 50, &index));
    g_assert_false(range_find_row(range, 0, &index));
    g_assert_false(range_find_row(range, 201, &index));
}

static void test_resize(void)
{
    g_autoptr(AddressRange) range = range_of("TYPE = IP4, SIZE = 100, IP = 10.0.0.1", NULL);
    g_autoptr(GError) error = NULL;
    guint index;
    range_take(range, 60, (Holder){HOLDER_VM, 5});
    g_assert_false(range_resize(range, 60, &error));
    g_assert_nonnull(strstr(error->message, "number 60"));
    g_assert_true(range_resize(range, 61, NULL));
    g_assert_cmpint(range_holder(range, 60).id, ==, 5);
    g_assert_false(range_find_row(range, 61, &index));
    g_assert_true(range_resize(range, 5000, NULL));
    g_assert_true(range_find_row(range, 4900, &index));
    g_assert_cmpuint(index, ==, 61);
    g_assert_false(range_resize(range, 0, NULL));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/address/reading", test_reading);
    g_test_add_func("/address/addresses", test_addresses);
    g_test_add_func("/address/not-in-range", test_not_in_range);
    g_test_add_func("/address/holding", test_holding);
    g_test_add_func("/address/rows", test_rows);
    g_test_add_func("/address/resize", test_resize);
    return g_test_run();
}
