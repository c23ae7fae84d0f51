#include "drivers/vmm/container/cloud_init.h"

#include "lib/base/xml.h"
#include <string.h>

/* Text of the machine's element, or NULL when it is missing or empty. (owned) */
static char *get(const xmlNode *from, const char *path)
{
    char *text = xml_get(from, path);
    if (text && *text)
        return text;
    g_free(text);
    return NULL;
}

/* A scalar of YAML in double quotes, which is also one of JSON. */
static void append_quoted(GString *out, const char *text)
{
    g_string_append_c(out, '"');
    for (const char *c = text; *c; c++) {
        if (*c == '"' || *c == '\\')
            g_string_append_printf(out, "\\%c", *c);
        else if ((guchar)*c < 0x20)
            g_string_append_printf(out, "\\x%02x", (guint)(guchar)*c);
        else
            g_string_append_c(out, *c);
    }
    g_string_append_c(out, '"');
}

static char *decode(char *text, gboolean coded)
{
    gsize length = 0;
    if (!text || !coded)
        return text;
    guchar *bytes = g_base64_decode(text, &length);
    g_free(text);
    char *plain = g_strndup((const char *)bytes, length);
    g_free(bytes);
    return plain;
}

static char *given_user_data(const xmlNode *vm)
{
    g_autofree char *coding = get(vm, "TEMPLATE/CONTEXT/USERDATA_ENCODING");
    char *text = get(vm, "TEMPLATE/CONTEXT/USER_DATA");
    text = text ? text : get(vm, "TEMPLATE/CONTEXT/USERDATA");
    return decode(text, coding && !g_ascii_strcasecmp(coding, "base64"));
}

static void append_keys(GString *out, const char *keys)
{
    g_auto(GStrv) lines = g_strsplit(keys, "\n", -1);
    g_string_append(out, "ssh_authorized_keys:\n");
    for (guint i = 0; lines[i]; i++) {
        if (!*g_strstrip(lines[i]))
            continue;
        g_string_append(out, "  - ");
        append_quoted(out, lines[i]);
        g_string_append_c(out, '\n');
    }
}

static void append_script(GString *out, const char *script)
{
    g_autofree char *coded = g_base64_encode((const guchar *)script, strlen(script));
    g_string_append_printf(out,
                           "write_files:\n  - path: /run/one-start-script\n"
                           "    permissions: \"0700\"\n    encoding: b64\n    content: %s\n"
                           "runcmd:\n  - [ /run/one-start-script ]\n",
                           coded);
}

char *cloud_init_user_data(const VmmAction *action)
{
    char *given = given_user_data(action->vm);
    if (given)
        return given;
    g_autofree char *keys = get(action->vm, "TEMPLATE/CONTEXT/SSH_PUBLIC_KEY");
    g_autofree char *name = get(action->vm, "TEMPLATE/CONTEXT/SET_HOSTNAME");
    g_autofree char *script = decode(get(action->vm, "TEMPLATE/CONTEXT/START_SCRIPT_BASE64"), TRUE);
    if (!script)
        script = get(action->vm, "TEMPLATE/CONTEXT/START_SCRIPT");
    if (!keys && !name && !script)
        return NULL;
    GString *out = g_string_new("#cloud-config\n");
    if (name) {
        g_string_append(out, "hostname: ");
        append_quoted(out, name);
        g_string_append_c(out, '\n');
    }
    if (keys)
        append_keys(out, keys);
    if (script)
        append_script(out, script);
    return g_string_free(out, FALSE);
}

static void append_line(GString *out, const char *indent, const char *name, const char *value)
{
    if (!value)
        return;
    g_string_append_printf(out, "%s%s: ", indent, name);
    append_quoted(out, value);
    g_string_append_c(out, '\n');
}

/* TRUE: the card has an address of its own. */
static gboolean append_nic(GString *out, const xmlNode *nic)
{
    g_autofree char *ip = get(nic, "IP");
    g_autofree char *mac = get(nic, "MAC");
    g_autofree char *mask = get(nic, "NETWORK_MASK");
    g_autofree char *gateway = get(nic, "GATEWAY");
    g_autofree char *servers = get(nic, "DNS");
    if (!ip)
        return FALSE;
    g_string_append_printf(out, "  - type: physical\n    name: eth%" G_GINT64_FORMAT "\n",
                           xml_get_int(nic, "NIC_ID", 0));
    append_line(out, "    ", "mac_address", mac);
    g_string_append(out, "    subnets:\n      - type: static\n");
    append_line(out, "        ", "address", ip);
    append_line(out, "        ", "netmask", mask ? mask : "255.255.255.0");
    append_line(out, "        ", "gateway", gateway);
    if (servers) {
        g_auto(GStrv) words = g_strsplit_set(servers, " ,", -1);
        g_string_append(out, "        dns_nameservers:\n");
        for (guint i = 0; words[i]; i++)
            if (*words[i])
                g_string_append_printf(out, "          - \"%s\"\n", words[i]);
    }
    return TRUE;
}

char *cloud_init_network(const VmmAction *action)
{
    GString *out = g_string_new("version: 1\nconfig:\n");
    gboolean any = FALSE;
    for (const xmlNode *nic = xml_find(action->vm, "TEMPLATE/NIC"); nic; nic = xml_next_same(nic))
        any |= append_nic(out, nic);
    return g_string_free(out, !any);
}
