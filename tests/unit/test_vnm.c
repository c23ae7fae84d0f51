/*
 * What network drivers do on hosts: the programs made of data/vnm/full.vm against full.up,
 * full.rules and full.down (without the functions that all begin with), and what is refused, by
 * data/vnm/errors.txt. GOLDEN=write writes what comes out instead of comparing.
 */
#include "drivers/vnm/vnm.h"

#include "lib/base/xml.h"
#include "lib/template/template.h"
#include <string.h>

static char *directory;

static char *read_file(const char *name)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);
    char *text = NULL;
    g_autoptr(GError) error = NULL;
    g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    return text;
}

static xmlDoc *document(const char *text)
{
    g_autoptr(GError) error = NULL;
    xmlDoc *made = xml_read(text, strlen(text), XML_DEPTH_MAX, &error);
    g_assert_no_error(error);
    return made;
}

/* Behind the functions, which end before "begin" alone on a line. */
static void check_golden(const char *script, const char *file)
{
    const char *calls = strstr(script, "\nbegin\n");
    g_assert_nonnull(calls);
    if (!g_strcmp0(g_getenv("GOLDEN"), "write")) {
        g_autofree char *path = g_build_filename(directory, file, NULL);
        g_assert_true(g_file_set_contents(path, calls + 1, -1, NULL));
        return;
    }
    g_autofree char *want = read_file(file);
    g_assert_cmpstr(calls + 1, ==, want);
}

static void test_golden(void)
{
    g_autofree char *text = read_file("full.vm");
    g_autoptr(xmlDoc) vm = document(text);
    g_autoptr(GError) error = NULL;
    g_autoptr(VnmPlan) plan = vnm_plan_read(xml_root(vm), -1, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(plan->cards->len, ==, 5);
    g_autofree char *up = vnm_script_up(plan), *rules = vnm_script_rules(plan);
    g_autofree char *down = vnm_script_down(plan->vm, -1), *one = vnm_script_down(plan->vm, 2);
    check_golden(up, "full.up");
    check_golden(rules, "full.rules");
    check_golden(down, "full.down");
    check_golden(one, "full.down-2");
}

static void test_one_card(void)
{
    g_autofree char *text = read_file("full.vm");
    g_autoptr(xmlDoc) vm = document(text);
    g_autoptr(VnmPlan) plan = vnm_plan_read(xml_root(vm), 2, NULL);
    g_assert_cmpuint(plan->cards->len, ==, 1);
    const VnmCard *card = plan->cards->pdata[0];
    g_assert_cmpint(card->id, ==, 2);
    g_assert_cmpstr(card->group, ==, "239.1.17.112");
    g_assert_cmpuint(strlen(card->device), <=, VNM_DEVICE_MAX);
    g_autoptr(VnmPlan) none = vnm_plan_read(xml_root(vm), 4, NULL);
    g_assert_cmpuint(none->cards->len, ==, 0);
}

/* The NIC and the rule of a line of errors.txt. (owned) */
static char *machine(const char *line)
{
    static const char *const of_rule[] = {"PROTOCOL", "RULE_TYPE", "RANGE", "PEER",
                                          "SIZE",     "ICMP_TYPE", NULL};
    g_autoptr(Template) nic = template_new();
    g_autoptr(Template) rule = template_new();
    template_set(nic, "NIC_ID", "0");
    template_set(nic, "VN_MAD", "vxlan");
    template_set(nic, "BRIDGE", "onebr1");
    template_set(nic, "PHYDEV", "eth0");
    template_set(nic, "VLAN_ID", "7");
    template_set(nic, "MAC", "02:00:00:00:00:01");
    template_set(nic, "SECURITY_GROUPS", "100");
    template_set(rule, "SECURITY_GROUP_ID", "100");
    template_set(rule, "PROTOCOL", "TCP");
    template_set(rule, "RULE_TYPE", "INBOUND");
    /* A word begins with a NAME and "="; what does not belongs to the one before. */
    g_auto(GStrv) words = g_regex_split_simple(" (?=[A-Z_0-9]+=)", line, 0, 0);
    for (guint i = 0; words[i]; i++) {
        g_auto(GStrv) pair = g_strsplit(words[i], "=", 2);
        g_assert_nonnull(pair[1]);
        gboolean peer = g_str_equal(pair[0], "PEER");
        template_set(g_strv_contains(of_rule, pair[0]) ? rule : nic, peer ? "IP" : pair[0],
                     pair[1]);
    }
    GString *text = g_string_new("<VM><ID>12</ID><TEMPLATE>");
    template_append_xml_element(nic, "NIC", text);
    template_append_xml_element(rule, "SECURITY_GROUP_RULE", text);
    g_string_append(text, "</TEMPLATE></VM>");
    return g_string_free(text, FALSE);
}

static void test_errors(void)
{
    g_autofree char *cases = read_file("errors.txt");
    g_auto(GStrv) lines = g_strsplit(cases, "\n", -1);
    guint count = 0;
    for (guint i = 0; lines[i]; i++) {
        if (*lines[i] == '#' || !*lines[i])
            continue;
        g_auto(GStrv) parts = g_strsplit(lines[i], " => ", 2);
        g_assert_nonnull(parts[1]);
        g_autofree char *text = machine(parts[0]);
        g_autoptr(xmlDoc) vm = document(text);
        g_autoptr(GError) error = NULL;
        g_autoptr(VnmPlan) plan = vnm_plan_read(xml_root(vm), -1, &error);
        if (plan || !strstr(error->message, parts[1]))
            g_error("%s: %s", lines[i], error ? error->message : "taken");
        count++;
    }
    g_assert_cmpuint(count, >, 30);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    directory = g_build_filename("tests", "unit", "data", "vnm", NULL);
    g_test_add_func("/vnm/golden", test_golden);
    g_test_add_func("/vnm/one-card", test_one_card);
    g_test_add_func("/vnm/errors", test_errors);
    int result = g_test_run();
    g_free(directory);
    return result;
}
