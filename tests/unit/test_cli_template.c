#include "client/cli/vm_create.h"
#include "client/cli/args.h"
#include "client/cli/edit.h"
#include "client/cli/help.h"
#include "client/cli/kinds.h"
#include "client/cli/xml.h"

static void test_memory(void)
{
    static const struct {
        const char *text;
        gint64 mib; /* 0: wrong */
    } cases[] = {{"128", 128},    {"512m", 512}, {"2g", 2048}, {"2G", 2048}, {"0.5g", 512},
                 {"1t", 1048576}, {"1024k", 1},  {"", 0},      {"-5", 0},    {"0", 0},
                 {"2gb", 2048},   {"2gbb", 0},   {"2b", 0},    {"lots", 0},  {"1e30", 0}};
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        gint64 mib;
        gboolean good = cli_memory(cases[i].text, &mib);
        g_assert_cmpint(mib, ==, cases[i].mib);
        g_assert_cmpint(good, ==, cases[i].mib > 0);
    }
}

static void test_devices(void)
{
    static const struct {
        const char *vector, *text, *expected; /* NULL: wrong */
    } cases[] = {
        {"DISK", "base", "DISK=[IMAGE=\"base\"]\n"},
        {"DISK", "7:size=1000:target=vda", "DISK=[IMAGE_ID=\"7\",SIZE=\"1000\",TARGET=\"vda\"]\n"},
        {"DISK", "bob[base]", "DISK=[IMAGE=\"base\",IMAGE_UNAME=\"bob\"]\n"},
        {"DISK", "/srv/a.img:clone=no", "DISK=[SOURCE=\"/srv/a.img\",CLONE=\"no\"]\n"},
        {"DISK", "type=swap:size=512", "DISK=[TYPE=\"swap\",SIZE=\"512\"]\n"},
        {"NIC", "lan", "NIC=[NETWORK=\"lan\"]\n"},
        {"NIC", "bridge=br0:model=virtio", "NIC=[BRIDGE=\"br0\",MODEL=\"virtio\"]\n"},
        {"NIC", "auto", "NIC=[NETWORK_MODE=\"auto\"]\n"},
        {"NIC", "lan:mac=02:00:0a:00:00:05:model=e1000",
         "NIC=[NETWORK=\"lan\",MAC=\"02:00:0a:00:00:05\",MODEL=\"e1000\"]\n"},
        {"DISK", "a:x=\"q\"", "DISK=[IMAGE=\"a\",X=\"\\\"q\\\"\"]\n"},
        {"DISK", "", NULL},
        {"DISK", "=5", NULL},
        {"NIC", "a::b=1", NULL},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *text = cli_device(cases[i].vector, cases[i].text, &error);
        g_assert_cmpstr(text, ==, cases[i].expected);
        g_assert_true((text == NULL) == (error != NULL));
    }
}

/* The template that a command line makes of a file's text. (owned) */
static char *made_of(const char *line, const char *base, guint number)
{
    g_auto(Cli) cli;
    g_auto(GStrv) words = NULL;
    g_autoptr(GError) error = NULL;
    int count;
    cli_init(&cli, &cli_vm);
    g_assert_true(g_shell_parse_argv(line, &count, &words, NULL));
    g_assert_true(cli_read_arguments(&cli, count, words, NULL));
    char *text = cli_vm_template(&cli, base, number, &error);
    return text != NULL ? text : g_strdup(error->message);
}

static void test_whole(void)
{
    const char *plain = "# mine\nNAME = a\nDISK = [ source = /a ]\n", *wrong_text = "NAME = [";
    g_autofree char *as_it_is = made_of("onevm create x --hold", plain, 0);
    g_assert_cmpstr(as_it_is, ==, plain);
    g_autofree char *of_2009 =
        made_of("onevm create x", "NAME = xen01 # of 2009\nOS = [ root = 'sda' ]\n", 0);
    g_assert_cmpstr(of_2009, ==, "NAME=\"xen01\"\nOS=[ROOT=\"sda\"]\n");
    g_autofree char *not_ours = made_of("onevm create x", wrong_text, 0);
    g_assert_cmpstr(not_ours, ==, wrong_text);
    g_autofree char *options =
        made_of("onevm create --name web-%i --cpu 0.5 --vcpu 2 --memory 1g "
                "--disk a,b --nic bridge=br0 --arch x86_64 --boot disk0 --vnc "
                "--raw 'A=1' --raw 'B=[C=2]' --net_context --context X=1,Y=2",
                NULL, 7);
    g_assert_cmpstr(options, ==,
                    "CPU=\"0.5\"\nMEMORY=\"1024\"\nNAME=\"web-7\"\nVCPU=\"2\"\n"
                    "DISK=[IMAGE=\"a\"]\nDISK=[IMAGE=\"b\"]\nNIC=[BRIDGE=\"br0\"]\n"
                    "OS=[ARCH=\"x86_64\",BOOT=\"disk0\"]\nGRAPHICS=[TYPE=\"vnc\"]\n"
                    "CONTEXT=[NETWORK=\"YES\",X=\"1\",Y=\"2\"]\nA=1\nB=[C=2]\n");
    g_autofree char *screens = made_of(
        "onevm create --vnc-keymap de --spice --spice-password w --video virtio --video-vram 16m "
        "--video-iommu --video-resolution 1920x1080 --files_ds a,b --init a,b",
        NULL, 0);
    g_assert_cmpstr(
        screens, ==,
        "GRAPHICS=[TYPE=\"vnc\",KEYMAP=\"de\"]\n"
        "GRAPHICS=[TYPE=\"spice\",PASSWD=\"w\"]\n"
        "VIDEO=[TYPE=\"virtio\",IOMMU=\"YES\",RESOLUTION=\"1920x1080\",VRAM=\"16384\"]\n"
        "CONTEXT=[FILES_DS=\"$FILE[IMAGE=\\\"a\\\"] $FILE[IMAGE=\\\"b\\\"]\","
        "INIT_SCRIPTS=\"a b\"]\n");
    g_autofree char *no_device = made_of("onevm create --video-vram 16", NULL, 0);
    g_assert_cmpstr(no_device, ==, "which video device? --video virtio, beside what it shall have");
    g_autofree char *no_pixels =
        made_of("onevm create --video vga --video-resolution big", NULL, 0);
    g_assert_cmpstr(no_pixels, ==, "--video-resolution \"big\" is none: write 1920x1080");
    g_autofree char *both = made_of("onevm create x --name other", "NAME=a\nCPU=1\nMEMORY=64\n", 0);
    g_assert_cmpstr(both, ==, "CPU=\"1\"\nMEMORY=\"64\"\nNAME=\"other\"\n");
    g_autofree char *wrong = made_of("onevm create --memory lots", NULL, 0);
    g_assert_cmpstr(wrong, ==, "--memory \"lots\" is no size: write 512, 512m or 2g");
}

static void test_text(void)
{
    g_autoptr(xmlDoc) doc =
        cli_xml_parse("<T><A>1</A><B>say \"x\"</B><C><D>1</D><E>2</E></C><F/></T>", NULL);
    g_autofree char *text = cli_template_of(xml_root(doc));
    g_assert_cmpstr(text, ==,
                    "A=\"1\"\nB=\"say \\\"x\\\"\"\nC=[\n  D=\"1\",\n  E=\"2\" ]\nF=\"\"\n");
    g_autofree char *none = cli_template_of(NULL);
    g_assert_cmpstr(none, ==, "");
}

static void test_wrap(void)
{
    g_autofree char *wrapped = cli_wrap("one two three\nfour", 2, 9);
    g_assert_cmpstr(wrapped, ==, "  one two\n  three\n  four\n");
    g_autofree char *wide = cli_wrap("unbreakable-word x", 0, 5);
    g_assert_cmpstr(wide, ==, "unbreakable-word\nx\n");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cli/template/memory", test_memory);
    g_test_add_func("/cli/template/devices", test_devices);
    g_test_add_func("/cli/template/whole", test_whole);
    g_test_add_func("/cli/template/text", test_text);
    g_test_add_func("/cli/help/wrap", test_wrap);
    return g_test_run();
}
