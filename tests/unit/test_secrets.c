/* What hooks are not told: attributes of templates and elements of what kinds render. */
#include "server/model/secrets.h"
#include "tests/unit/small_world.h"

static void test_names(void)
{
    SmallWorld *small =
        small_world_new("VM_ENCRYPTED_ATTR = \"CONTEXT/KEY\"\nIMAGE_ENCRYPTED_ATTR = PIN\n");
    static const struct {
        const char *parent, *name;
        gboolean secret;
    } rows[] = {
        {"CONTEXT", "PASSWORD", TRUE},
        {NULL, "KEEPALIVED_PASSWORD", TRUE},
        {"GRAPHICS", "PASSWD", TRUE},
        {"TEMPLATE", "SSH_PASSPHRASE", TRUE},
        {"CONTEXT", "KEY", TRUE},
        {"OS", "KEY", FALSE},
        {NULL, "KEY", FALSE},
        {"TEMPLATE", "PIN", TRUE},
        {"LOGIN_TOKEN", "TOKEN", TRUE},
        {"CONTEXT", "TOKEN", FALSE},
        {"CONTEXT", "ONEGATE_TOKEN", TRUE},
        {"VAULT", "TOKEN", TRUE},
        {NULL, "API_TOKEN", TRUE},
        {NULL, "EC2_SECRET", TRUE},
        {"DISK", "CEPH_SECRET", FALSE},
        {"DISK", "LUKS_SECRET", FALSE},
        {"CONTEXT", "PASSWORD_BASE64", TRUE},
        {"CONTEXT", "CRYPTED_PASSWORD_BASE64", TRUE},
        {"CONTEXT", "START_SCRIPT_BASE64", FALSE},
        {NULL, "_BASE64", FALSE},
        {"GRAPHICS", "RANDOM_PASSWD", FALSE},
        {NULL, "NAME", FALSE},
        {NULL, "PASSWORD_HINT", FALSE},
    };
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s/%s", rows[i].parent ? rows[i].parent : "", rows[i].name);
        g_assert_cmpint(secret_attribute(small->world, rows[i].parent, rows[i].name), ==,
                        rows[i].secret);
    }
    small_world_free(small);
}

static void test_templates(void)
{
    SmallWorld *small = small_world_new(NULL);
    static const char *const same[] = {
        "NAME = a\nCPU = 1", "web", "", "1 = 2 [", "A = [", "PASSWORD = \"\"", "<A><B>1</B></A>"};
    for (guint i = 0; i < G_N_ELEMENTS(same); i++) {
        g_autofree char *hidden = secrets_hidden(small->world, same[i]);
        if (hidden && *same[i] == '<')
            g_assert_cmpstr(hidden, ==, same[i]);
        else
            g_assert_null(hidden);
    }
    g_autofree char *native = secrets_hidden(
        small->world, "A_PASSWORD = x1\nA_PASSWORD = x2\nCONTEXT = [ PASSWORD = x3, B = shown ]");
    g_autofree char *xml = secrets_hidden(
        small->world, "<T><CONTEXT><PASSWORD>x4</PASSWORD><B>shown</B></CONTEXT></T>");
    g_autofree char *deep = secrets_hidden(
        small->world,
        "<M><TEMPLATE><S><T><PASSWORD>x5</PASSWORD></T></S><B>shown</B></TEMPLATE></M>");
    const char *const made[] = {native, xml, deep};
    for (guint i = 0; i < G_N_ELEMENTS(made); i++) {
        g_test_message("%s", made[i]);
        g_assert_nonnull(strstr(made[i], SECRET_HIDDEN));
        g_assert_nonnull(strstr(made[i], "shown"));
        g_assert_null(strchr(made[i], 'x'));
    }
    g_assert_cmpstr(xml, ==, "<T><CONTEXT><PASSWORD>****</PASSWORD><B>shown</B></CONTEXT></T>");
    small_world_free(small);
}

static void test_xml(void)
{
    SmallWorld *small = small_world_new(NULL);
    static const char *const rows[][2] = {
        {"<U><PASSWORD>a&lt;b</PASSWORD></U>", "<U><PASSWORD>****</PASSWORD></U>"},
        {"<U><PASSWORD/><N>1</N></U>", "<U><PASSWORD/><N>1</N></U>"},
        {"<U><PASSWORD></PASSWORD></U>", "<U><PASSWORD></PASSWORD></U>"},
        {"<U><PASSWD><![CDATA[</PASSWD>]]]]><![CDATA[>x]]></PASSWD><N>1</N></U>",
         "<U><PASSWD>****</PASSWD><N>1</N></U>"},
        {"<U><PASSWD><A>shown</A></PASSWD></U>", "<U><PASSWD><A>shown</A></PASSWD></U>"},
        {"<U><LOGIN_TOKEN><TOKEN>t</TOKEN><EGID>1</EGID></LOGIN_TOKEN><HINT>u</HINT></U>",
         "<U><LOGIN_TOKEN><TOKEN>****</TOKEN><EGID>1</EGID></LOGIN_TOKEN><HINT>u</HINT></U>"},
        {"<V><C><![CDATA[<PASSWORD>no</PASSWORD>]]></C></V>",
         "<V><C><![CDATA[<PASSWORD>no</PASSWORD>]]></C></V>"},
        {"<?xml version=\"1.0\"?><!-- a --><U><PASSWORD kind=\"b\">c</PASSWORD></U>",
         "<?xml version=\"1.0\"?><!-- a --><U><PASSWORD kind=\"b\">****</PASSWORD></U>"},
        {"<t><CoNtExT><password>a</password></CoNtExT></t>",
         "<t><CoNtExT><password>****</password></CoNtExT></t>"},
        {"<!-- > <PASSWORD> --><U><PASSWORD>a<!-- b -->c<?d e?></PASSWORD></U>",
         "<!-- > <PASSWORD> --><U><PASSWORD>****</PASSWORD></U>"},
        {"<U><PASSWORD kind=\">\" other='\">'>c</PASSWORD></U>",
         "<U><PASSWORD kind=\">\" other='\">'>****</PASSWORD></U>"},
        {"<PASSWORD kind=\">x", "<PASSWORD kind=\">x"},
        {"no element", "no element"},
        {"<PASSWORD", "<PASSWORD"},
        {"<PASSWORD>x", "<PASSWORD>x"},
        {"", ""},
    };
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GString) xml = g_string_new("<before/>");
        g_string_append(xml, rows[i][0]);
        secrets_hide_xml(small->world, xml, strlen("<before/>"));
        g_assert_cmpstr(xml->str + strlen("<before/>"), ==, rows[i][1]);
    }
    small_world_free(small);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/secrets/names", test_names);
    g_test_add_func("/secrets/templates", test_templates);
    g_test_add_func("/secrets/xml", test_xml);
    return g_test_run();
}
