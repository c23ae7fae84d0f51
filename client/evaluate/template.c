/*
 * The template of the machines that are made: like the one that is measured, with another
 * memory, and without what belongs to that one alone. (Declared in evaluate.h.)
 */
#include "client/cli/xml.h"
#include "client/evaluate/evaluate.h"
#include "lib/template/template.h"

#include <string.h>

/* What the server gave it, by vector; the new machine is given its own. */
static const struct {
    const char *vector;
    const char *names[12];
} own[] = {
    {"DISK", {"DISK_ID", NULL}},
    {"NIC", {"NIC_ID", "MAC", "IP", "TARGET", "NAME", "AR_ID", "IP6_LINK", NULL}},
    {"GRAPHICS", {"PORT", "PASSWD", NULL}},
    {"OS", {"UUID", NULL}},
    {"CONTEXT", {"DISK_ID", "TARGET", NULL}},
};

static void forget(Template *template, const char *vector, const char *const *names)
{
    TemplateAttribute *attribute;
    for (guint i = 0; (attribute = template_vector(template, vector, i)) != NULL; i++)
        for (guint j = 0; names[j] != NULL; j++)
            attribute_set(attribute, names[j], NULL);
}

/* Addresses of network cards in CONTEXT ("ETH0_IP") follow from the new cards. */
static void forget_addresses(Template *template)
{
    TemplateAttribute *context = template_vector(template, "CONTEXT", 0);
    if (context == NULL || context->pairs == NULL)
        return;
    for (guint i = context->pairs->len; i-- > 0;) {
        const TemplatePair *pair = context->pairs->pdata[i];
        if (g_str_has_prefix(pair->name, "ETH") && g_ascii_isdigit(pair->name[3])) {
            g_autofree char *name = g_strdup(pair->name);
            attribute_set(context, name, NULL);
        }
    }
}

static gboolean is(const TemplateAttribute *attribute, const char *name, gboolean yes)
{
    static const char *const words[2][6] = {{"NO", "N", "FALSE", "OFF", "0", NULL},
                                            {"YES", "Y", "TRUE", "ON", "1", NULL}};
    const char *value = attribute_get(attribute, name);
    g_autofree char *upper = g_ascii_strup(value != NULL ? value : "", -1);
    return g_strv_contains(words[yes], upper);
}

/* Two machines that write to one disk destroy it. */
static gboolean check_disks(const Template *template, GError **error)
{
    const TemplateAttribute *disk;
    for (guint i = 0; (disk = template_vector(template, "DISK", i)) != NULL; i++) {
        if (is(disk, "READONLY", TRUE) ||
            !(is(disk, "CLONE", FALSE) || is(disk, "PERSISTENT", TRUE)))
            continue;
        const char *source = attribute_get(disk, "SOURCE");
        g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE,
                    "machines like this one would write to its own disk %u (%s is not copied for "
                    "each): name a template for them with --template FILE",
                    i, source != NULL ? source : "it");
        return FALSE;
    }
    return TRUE;
}

/* "10.0.0.5" as the hardware address that tells it: 02:00:0a:00:00:05. (owned) */
static char *mac_of(const char *address)
{
    g_auto(GStrv) words = g_strsplit(address, ".", -1);
    guint64 bytes[4];
    for (guint i = 0; i < 4; i++)
        if (words[i] == NULL || !g_ascii_string_to_unsigned(words[i], 10, 0, 255, &bytes[i], NULL))
            return NULL;
    return words[4] != NULL ? NULL
                            : g_strdup_printf("02:00:%02x:%02x:%02x:%02x", (guint)bytes[0],
                                              (guint)bytes[1], (guint)bytes[2], (guint)bytes[3]);
}

static void give_address(Template *template, const char *spare)
{
    TemplateAttribute *nic = template_vector(template, "NIC", 0);
    g_autofree char *mac = spare != NULL ? mac_of(spare) : NULL;
    if (nic == NULL || spare == NULL)
        return;
    attribute_set(nic, "IP", spare);
    if (mac != NULL)
        attribute_set(nic, "MAC", mac);
}

/* Attributes of both parts of a machine: its own, and the user's. */
static void take_all(Template *into, Template *from, gboolean user)
{
    static const char *const not_ours[] = {"VMID",
                                           "TEMPLATE_ID",
                                           "ERROR",
                                           "NAME",
                                           "AUTOMATIC_REQUIREMENTS",
                                           "AUTOMATIC_DS_REQUIREMENTS",
                                           "AUTOMATIC_NIC_REQUIREMENTS",
                                           NULL};
    for (guint i = template_count(from); i-- > 0;) {
        const TemplateAttribute *attribute = template_nth(from, i);
        if (g_strv_contains(not_ours, attribute->name) ||
            (user && g_str_has_prefix(attribute->name, "SCHED_")))
            continue;
        template_take(into, template_steal(from, i));
    }
}

static gboolean read_part(Template *into, xmlNode *vm, const char *part, GError **error)
{
    xmlNode *node = xml_find(vm, part);
    if (node == NULL)
        return TRUE;
    xmlBuffer *buffer = xmlBufferCreate();
    xmlNodeDump(buffer, node->doc, node, 0, 0);
    g_autoptr(Template) read =
        template_parse((const char *)xmlBufferContent(buffer), TEMPLATE_MODERN, error);
    xmlBufferFree(buffer);
    if (read == NULL)
        return FALSE;
    take_all(into, read, strcmp(part, "USER_TEMPLATE") == 0);
    return TRUE;
}

static char *finish(Template *template, const char *name, gint64 memory, const char *spare)
{
    g_autofree char *full = g_strdup_printf("%s-evaluate-%" G_GINT64_FORMAT "M", name, memory);
    template_set(template, "NAME", full);
    template_set_int(template, "MEMORY", memory);
    give_address(template, spare);
    return template_to_text(template);
}

char *machine_template_from(const char *xml, gint64 memory, const char *spare, GError **error)
{
    g_autoptr(xmlDoc) doc = cli_xml_parse(xml, error);
    g_autoptr(Template) template = template_new();
    xmlNode *vm = doc != NULL ? xml_root(doc) : NULL;
    if (vm == NULL || !read_part(template, vm, "TEMPLATE", error) ||
        !read_part(template, vm, "USER_TEMPLATE", error) || !check_disks(template, error))
        return NULL;
    for (guint i = 0; i < G_N_ELEMENTS(own); i++)
        forget(template, own[i].vector, own[i].names);
    forget_addresses(template);
    return finish(template, cli_xml_text(vm, "NAME"), memory, spare);
}

char *machine_template_file(const char *text, const char *name, gint64 memory, const char *spare,
                            GError **error)
{
    g_autoptr(Template) template = template_parse(text, TEMPLATE_2009, error);
    return template != NULL ? finish(template, name, memory, spare) : NULL;
}

/* Where no address was given, one may hide in the card's own, 02:00:0a:00:00:05:
 * contextualization takes it from there. Cards that the server numbered have 0 there. (owned) */
static char *address_of_mac(const char *mac)
{
    guint64 byte[6];
    g_auto(GStrv) words = g_strsplit(mac, ":", -1);
    for (guint i = 0; i < G_N_ELEMENTS(byte); i++)
        if (words[i] == NULL || !g_ascii_string_to_unsigned(words[i], 16, 0, 255, &byte[i], NULL))
            return NULL;
    if (byte[0] != 2 || byte[1] != 0 || byte[2] == 0)
        return NULL;
    return g_strdup_printf("%u.%u.%u.%u", (guint)byte[2], (guint)byte[3], (guint)byte[4],
                           (guint)byte[5]);
}

char *machine_address(xmlNode *vm)
{
    for (xmlNode *nic = xml_find(vm, "TEMPLATE/NIC"); nic != NULL; nic = xml_next_same(nic)) {
        const char *address = cli_xml_text(nic, "IP");
        char *found =
            *address != '\0' ? g_strdup(address) : address_of_mac(cli_xml_text(nic, "MAC"));
        if (found != NULL)
            return found;
    }
    return NULL;
}
