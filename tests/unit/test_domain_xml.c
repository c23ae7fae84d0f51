/*
 * Documents of machines against what libvirt shall get. A case is a VM object in
 * data/domain/NAME.vm and, for each hypervisor, the wanted text NAME.<flavour>.xml.
 * GOLDEN=write writes what comes out instead of comparing; read the difference then.
 */
#include "drivers/vmm/domain/domain_xml.h"

#include "drivers/vmm/vmm.h"
#include "lib/base/error.h"
#include "lib/base/xml.h"
#include <libxml/parser.h>
#include <libxml/relaxng.h>
#include <string.h>

static char *directory;
static char *etc;

static char *read_file(const char *path)
{
    char *text = NULL;
    g_autoptr(GError) error = NULL;
    g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    return text;
}

static Template *read_defaults(const char *file)
{
    g_autofree char *path = g_build_filename(etc, file, NULL);
    g_autofree char *text = read_file(path);
    g_autoptr(GError) error = NULL;
    Template *defaults = template_parse(text, TEMPLATE_MODERN, &error);
    g_assert_no_error(error);
    return defaults;
}

static char *make(const char *name, const VmmFlavour *flavour, GError **error)
{
    g_autofree char *file = g_strconcat(name, ".vm", NULL);
    g_autofree char *path = g_build_filename(directory, file, NULL);
    g_autofree char *text = read_file(path);
    g_autoptr(xmlDoc) document = xml_read(text, strlen(text), XML_DEPTH_MAX, NULL);
    g_assert_nonnull(document);
    g_autoptr(Template) defaults = read_defaults(flavour->defaults);
    const xmlNode *vm = xml_root(document);
    gint64 vid = xml_get_int(vm, "ID", -1);
    g_autofree char *domain = g_strdup_printf("one-%" G_GINT64_FORMAT, vid);
    g_autofree char *place = g_strdup_printf("/var/lib/one/datastores/0/%" G_GINT64_FORMAT, vid);
    DomainRequest request = {.dialect = flavour->dialect,
                             .vm = vm,
                             .vid = vid,
                             .name = domain,
                             .uuid = "3b2c0e60-0000-5000-8000-000000000001",
                             .directory = place,
                             .defaults = defaults,
                             .now = 1800000000};
    return domain_xml(&request, error);
}

static void check_golden(const char *file)
{
    g_auto(GStrv) parts = g_strsplit(file, ".", 3); /* name, flavour, "xml" */
    const VmmFlavour *flavour = vmm_flavour(parts[1]);
    g_assert_nonnull(flavour);
    g_autoptr(GError) error = NULL;
    g_autofree char *got = make(parts[0], flavour, &error);
    g_assert_no_error(error);
    g_autoptr(xmlDoc) document = xml_read(got, strlen(got), XML_DEPTH_MAX, &error);
    g_assert_no_error(error);
    g_autofree char *path = g_build_filename(directory, file, NULL);
    if (!g_strcmp0(g_getenv("GOLDEN"), "write")) {
        g_file_set_contents(path, got, -1, &error);
        g_assert_no_error(error);
        return;
    }
    g_autofree char *want = read_file(path);
    if (strcmp(got, want) != 0)
        g_error("%s: the document is\n%s\ninstead of\n%s", file, got, want);
}

/* libvirt's own schema, where libvirt is installed, knows each element that we write. */
static gboolean check_schema(xmlRelaxNG *schema, const char *file)
{
    g_autofree char *path = g_build_filename(directory, file, NULL);
    xmlDoc *document = xmlReadFile(path, NULL, XML_PARSE_NONET);
    xmlRelaxNGValidCtxt *context = xmlRelaxNGNewValidCtxt(schema);
    gboolean valid = xmlRelaxNGValidateDoc(context, document) == 0;
    if (!valid)
        g_test_message("%s is not a domain by libvirt's schema", file);
    xmlRelaxNGFreeValidCtxt(context);
    xmlFreeDoc(document);
    return valid;
}

static void test_schema(void)
{
    static const char place[] = "/usr/share/libvirt/schemas/domain.rng";
    if (!g_file_test(place, G_FILE_TEST_EXISTS)) {
        g_test_skip("libvirt's schemas are not installed");
        return;
    }
    xmlRelaxNGParserCtxt *parser = xmlRelaxNGNewParserCtxt(place);
    xmlRelaxNG *schema = xmlRelaxNGParse(parser);
    xmlRelaxNGFreeParserCtxt(parser);
    g_assert_nonnull(schema);
    g_autoptr(GDir) files = g_dir_open(directory, 0, NULL);
    const char *file;
    gboolean valid = TRUE;
    while ((file = g_dir_read_name(files)))
        if (g_str_has_suffix(file, ".xml"))
            valid = check_schema(schema, file) && valid;
    g_assert_true(valid);
    xmlRelaxNGFree(schema);
}

static void test_golden(void)
{
    g_autoptr(GDir) files = g_dir_open(directory, 0, NULL);
    const char *file;
    guint count = 0;
    while ((file = g_dir_read_name(files)))
        if (g_str_has_suffix(file, ".xml")) {
            check_golden(file);
            count++;
        }
    g_assert_cmpuint(count, >=, 8);
}

static void expect_error(const char *xml, const char *flavour_name, const char *part)
{
    const VmmFlavour *flavour = vmm_flavour(flavour_name);
    g_autoptr(xmlDoc) document = xml_read(xml, strlen(xml), XML_DEPTH_MAX, NULL);
    DomainRequest request = {.dialect = flavour->dialect,
                             .vm = xml_root(document),
                             .vid = 1,
                             .name = "one-1",
                             .uuid = "3b2c0e60-0000-5000-8000-000000000001"};
    g_autoptr(GError) error = NULL;
    g_autofree char *text = domain_xml(&request, &error);
    g_assert_null(text);
    g_assert_nonnull(strstr(error->message, part));
}

static void test_errors(void)
{
    expect_error("<VM><TEMPLATE><MEMORY>0</MEMORY></TEMPLATE></VM>", "kvm", "MEMORY");
    expect_error("<VM><TEMPLATE><MEMORY>64</MEMORY><RAW><TYPE>kvm</TYPE>"
                 "<DATA><![CDATA[<a>]]></DATA></RAW></TEMPLATE></VM>",
                 "kvm", "RAW/DATA is not well-formed");
    expect_error("<VM><TEMPLATE><MEMORY>64</MEMORY><DISK><DISK_ID>0</DISK_ID>"
                 "<DISK_TYPE>RBD</DISK_TYPE></DISK></TEMPLATE></VM>",
                 "xen", "disk 0: DISK_TYPE=\"RBD\" is for KVM only");
    expect_error("<VM><TEMPLATE><MEMORY>64</MEMORY></TEMPLATE></VM>", "lxc_libvirt",
                 "a container needs a DISK");
}

/* A line of data/domain_errors.txt: what stands in TEMPLATE beside MEMORY, " => ", and what the
 * error must say. */
static void test_values(void)
{
    g_autofree char *path = g_build_filename("tests", "unit", "data", "domain_errors.txt", NULL);
    g_autofree char *text = read_file(path);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    guint count = 0;
    for (char **line = lines; *line; line++) {
        g_auto(GStrv) parts = g_strsplit(*line, " => ", 2);
        if (**line == '#' || !parts[0] || !parts[1])
            continue;
        g_autofree char *vm =
            g_strdup_printf("<VM><TEMPLATE><MEMORY>64</MEMORY>%s</TEMPLATE></VM>", parts[0]);
        g_test_message("%s", *line);
        expect_error(vm, "kvm", parts[1]);
        count++;
    }
    g_assert_cmpuint(count, >=, 30);
}

/* Elements that the schema of older versions of libvirt does not know yet. */
static void test_newer_elements(void)
{
    static const char xml[] =
        "<VM><TEMPLATE><MEMORY>64</MEMORY><FEATURES><RAS>on</RAS></FEATURES><DISK><DISK_ID>0</"
        "DISK_ID>"
        "<TYPE>FILESYSTEM</TYPE><SOURCE>/srv</SOURCE><MOUNT_TAG>srv</MOUNT_TAG>"
        "<READONLY>YES</READONLY></DISK></TEMPLATE></VM>";
    g_autoptr(xmlDoc) document = xml_read(xml, strlen(xml), XML_DEPTH_MAX, NULL);
    DomainRequest request = {.dialect = vmm_flavour("kvm")->dialect,
                             .vm = xml_root(document),
                             .vid = 1,
                             .name = "one-1"};
    g_autoptr(GError) error = NULL;
    g_autofree char *text = domain_xml(&request, &error);
    g_assert_no_error(error);
    g_assert_nonnull(strstr(text, "<ras state=\"on\"/>"));
    g_autoptr(xmlDoc) made = xml_read(text, strlen(text), XML_DEPTH_MAX, &error);
    g_assert_nonnull(xml_find(xml_root(made), "devices/filesystem/readonly"));
}

/* Machine before host before defaults; what is the administrator's is not the machine's to say. */
static void test_order_of_settings(void)
{
    static const char xml[] =
        "<VM><TEMPLATE><CPU>2</CPU><MEMORY>64</MEMORY><CGROUPS_VERSION>1</CGROUPS_VERSION>"
        "<CPU_MODEL><MODEL>mine</MODEL></CPU_MODEL><OS><FIRMWARE>/host.fd</FIRMWARE></OS>"
        "<DISK><DISK_ID>0</DISK_ID></DISK></TEMPLATE></VM>";
    g_autoptr(GError) error = NULL;
    g_autoptr(xmlDoc) document = xml_read(xml, strlen(xml), XML_DEPTH_MAX, NULL);
    g_autoptr(Template) host = template_parse(
        "CGROUPS_VERSION=2\nOVMF_UEFIS=\"/host.fd\"\nCPU_MODEL=[MODEL=theirs,FEATURES=aes]\n"
        "DISK=[CACHE=writeback]",
        TEMPLATE_MODERN, &error);
    g_assert_no_error(error);
    g_autoptr(Template) defaults =
        template_parse("CGROUPS_VERSION=1\nDISK=[CACHE=none,IO=threads]", TEMPLATE_MODERN, &error);
    g_assert_no_error(error);
    DomainRequest request = {.dialect = vmm_flavour("kvm")->dialect,
                             .vm = xml_root(document),
                             .vid = 1,
                             .name = "one-1",
                             .host = host,
                             .defaults = defaults};
    g_autofree char *text = domain_xml(&request, &error);
    g_assert_no_error(error);
    static const char *const parts[] = {"<shares>200</shares>", ">mine</model>", "name=\"aes\"",
                                        ">/host.fd</loader>", "cache=\"writeback\" io=\"threads\""};
    for (guint i = 0; i < G_N_ELEMENTS(parts); i++)
        g_assert_nonnull(strstr(text, parts[i]));
    template_set(host, "Q35_ROOT_PORTS", "many");
    g_assert_null(domain_xml(&request, &error));
    g_assert_nonnull(strstr(error->message, "the host's template: Q35_ROOT_PORTS=\"many\""));
}

static void test_single_devices(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(xmlDoc) document = NULL;
    g_autofree char *path = g_build_filename(directory, "disks.vm", NULL);
    g_autofree char *text = read_file(path);
    document = xml_read(text, strlen(text), XML_DEPTH_MAX, NULL);
    DomainRequest request = {.dialect = vmm_flavour("kvm")->dialect,
                             .vm = xml_root(document),
                             .vid = 20,
                             .name = "one-20",
                             .uuid = "3b2c0e60-0000-5000-8000-000000000001",
                             .directory = "/d"};
    g_autofree char *disk = domain_disk_xml(&request, "1", &error);
    g_assert_no_error(error);
    g_assert_true(g_str_has_prefix(disk, "<disk type=\"file\""));
    g_assert_nonnull(strstr(disk, "\"/d/disk.1\""));
    g_autofree char *nic = domain_nic_xml(&request, "0", &error);
    g_assert_no_error(error);
    g_assert_true(g_str_has_prefix(nic, "<interface type=\"bridge\""));
    g_assert_null(domain_disk_xml(&request, "99", &error));
    g_assert_error(error, ONE_ERROR, ONE_ERROR_NO_EXISTS);
    g_clear_error(&error);
    g_assert_null(domain_nic_xml(&request, "99", &error));
    g_assert_nonnull(strstr(error->message, "no NIC 99"));
}

/* Text of users ends in the document as text, whatever it is. */
static void test_hostile_text(void)
{
    static const char xml[] =
        "<VM><NAME>a&lt;/title&gt;&lt;devices/&gt;\"'&amp;</NAME><TEMPLATE><MEMORY>64</MEMORY>"
        "<OS><KERNEL>/k&lt;\"</KERNEL><KERNEL_CMD>a=\"&lt;b&gt;\"</KERNEL_CMD></OS>"
        "<DISK><DISK_ID>0</DISK_ID><SERIAL>&lt;/disk&gt;</SERIAL></DISK>"
        "<GRAPHICS><TYPE>vnc</TYPE><PASSWD>'\"&lt;</PASSWD></GRAPHICS></TEMPLATE></VM>";
    g_autoptr(xmlDoc) document = xml_read(xml, strlen(xml), XML_DEPTH_MAX, NULL);
    DomainRequest request = {.dialect = vmm_flavour("kvm")->dialect,
                             .vm = xml_root(document),
                             .vid = 1,
                             .name = "one-1",
                             .uuid = "3b2c0e60-0000-5000-8000-000000000001"};
    g_autoptr(GError) error = NULL;
    g_autofree char *text = domain_xml(&request, &error);
    g_assert_no_error(error);
    g_autoptr(xmlDoc) made = xml_read(text, strlen(text), XML_DEPTH_MAX, &error);
    g_assert_no_error(error);
    g_autofree char *title = xml_get(xml_root(made), "title");
    g_assert_cmpstr(title, ==, "a</title><devices/>\"'&");
    g_autofree char *line = xml_get(xml_root(made), "os/cmdline");
    g_assert_cmpstr(line, ==, "a=\"<b>\"");
    g_autofree char *serial = xml_get(xml_root(made), "devices/disk/serial");
    g_assert_cmpstr(serial, ==, "</disk>");
}

static void test_relocate(void)
{
    static const char saved[] =
        "<domain><os><nvram>/old/0/3/nvram.fd</nvram></os><devices>"
        "<disk><source file='/old/0/3/disk.0'/></disk><disk><source file='/iso/a.iso'/></disk>"
        "<serial type='pty'><source path='/dev/pts/1'/><log file='/old/0/3/console.log'/></serial>"
        "</devices></domain>";
    g_autoptr(GError) error = NULL;
    g_autofree char *moved = domain_xml_relocate(saved, "/new/100/3", &error);
    g_assert_no_error(error);
    g_assert_nonnull(strstr(moved, "\"/new/100/3/disk.0\""));
    g_assert_nonnull(strstr(moved, "\"/new/100/3/console.log\""));
    g_assert_nonnull(strstr(moved, ">/new/100/3/nvram.fd<"));
    g_assert_nonnull(strstr(moved, "\"/iso/a.iso\""));
    g_assert_nonnull(strstr(moved, "\"/dev/pts/1\""));
    g_assert_null(domain_xml_relocate(saved, "/old/0/3", &error));
    g_assert_no_error(error);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    directory = g_build_filename("tests", "unit", "data", "domain", NULL);
    etc = g_strdup("etc");
    g_test_add_func("/domain_xml/golden", test_golden);
    g_test_add_func("/domain_xml/schema", test_schema);
    g_test_add_func("/domain_xml/errors", test_errors);
    g_test_add_func("/domain_xml/values", test_values);
    g_test_add_func("/domain_xml/newer_elements", test_newer_elements);
    g_test_add_func("/domain_xml/order_of_settings", test_order_of_settings);
    g_test_add_func("/domain_xml/single_devices", test_single_devices);
    g_test_add_func("/domain_xml/hostile_text", test_hostile_text);
    g_test_add_func("/domain_xml/relocate", test_relocate);
    return g_test_run();
}
