/* Screens, input, the serial console, and what else is plugged into the board. */
#include "drivers/vmm/domain/domain_build.h"

#include "lib/base/error.h"
#include "lib/base/xml.h"
#include <string.h>

#define wrong(error, ...) (g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API, __VA_ARGS__), FALSE)

/* What VNC's own authentication can hold; SPICE takes 60 with the end. */
#define VNC_PASSWORD_MAX   8
#define SPICE_PASSWORD_MAX 59

/* ---- graphics ---- */

/* The password is not named in the error: errors are logged. */
static gboolean check_password(const char *kind, const char *password, GError **error)
{
    gsize most = g_str_equal(kind, "vnc") ? VNC_PASSWORD_MAX : SPICE_PASSWORD_MAX;
    if (password && strlen(password) > most)
        return wrong(error,
                     "GRAPHICS/PASSWD has %" G_GSIZE_FORMAT " characters; %s takes %" G_GSIZE_FORMAT
                     " at most",
                     strlen(password), kind, most);
    return TRUE;
}

static gboolean write_graphics(DomainBuild *build, GError **error)
{
    g_autofree char *type = domain_value(build, "GRAPHICS", "TYPE");
    if (!type || !xml_find(build->template, "GRAPHICS"))
        return TRUE;
    g_autofree char *kind = g_ascii_strdown(type, -1);
    g_autofree char *listen = domain_value(build, "GRAPHICS", "LISTEN");
    g_autofree char *password = domain_value(build, "GRAPHICS", "PASSWD");
    g_autofree char *keymap = domain_value(build, "GRAPHICS", "KEYMAP");
    gint64 port = domain_number(build, "GRAPHICS", "PORT", -1);
    if (!g_str_equal(kind, "sdl") && !check_password(kind, password, error))
        return FALSE;
    domain_open(&build->writer, "graphics");
    domain_attribute(&build->writer, "type", kind);
    if (!g_str_equal(kind, "sdl")) {
        domain_attribute(&build->writer, "listen", listen ? listen : "127.0.0.1");
        domain_attribute_int(&build->writer, "port", port > 0 ? port : -1);
        domain_attribute(&build->writer, "autoport", port > 0 ? "no" : "yes");
        domain_attribute(&build->writer, "passwd", password);
        domain_attribute(&build->writer, "keymap", keymap);
    }
    domain_close(&build->writer);
    if (!g_str_equal(kind, "spice") || !domain_has(build, DOMAIN_QEMU))
        return TRUE;
    g_autofree char *options = domain_value(build, NULL, "SPICE_OPTIONS");
    return domain_write_given(build, "SPICE_OPTIONS", options, error);
}

static void write_video_driver(DomainBuild *build)
{
    gboolean iommu = domain_yes(build, "VIDEO", "IOMMU"), ats = domain_yes(build, "VIDEO", "ATS");
    if (!iommu && !ats)
        return;
    domain_open(&build->writer, "driver");
    domain_attribute(&build->writer, "iommu", iommu ? "on" : NULL);
    domain_attribute(&build->writer, "ats", ats ? "on" : NULL);
    domain_close(&build->writer);
}

/* "auto" leaves the choice to libvirt. Less video memory than a MiB is not passed on: cards
 * need more, and older templates hold such numbers. */
static void write_video(DomainBuild *build)
{
    g_autofree char *type = domain_value(build, "VIDEO", "TYPE");
    g_autofree char *size = domain_value(build, "VIDEO", "RESOLUTION");
    gint64 memory = domain_number(build, "VIDEO", "VRAM", 0); /* KiB */
    if (!type || !g_ascii_strcasecmp(type, "auto"))
        return;
    g_autofree char *kind = g_ascii_strdown(type, -1);
    gboolean none = g_str_equal(kind, "none");
    domain_open(&build->writer, "video");
    if (g_str_equal(kind, "virtio"))
        write_video_driver(build);
    domain_open(&build->writer, "model");
    domain_attribute(&build->writer, "type", kind);
    if (memory >= 1024 && !none)
        domain_attribute_int(&build->writer, "vram", memory);
    if (size && !none && !g_str_equal(kind, "cirrus")) {
        g_auto(GStrv) parts = g_strsplit(size, "x", 2);
        domain_open(&build->writer, "resolution");
        domain_attribute(&build->writer, "x", parts[0]);
        domain_attribute(&build->writer, "y", parts[1]);
        domain_close(&build->writer);
    }
    domain_close(&build->writer);
    domain_close(&build->writer);
}

static void write_inputs(DomainBuild *build)
{
    const xmlNode *input = xml_find(build->template, "INPUT");
    for (; input; input = xml_next_same(input)) {
        g_autofree char *type = domain_text(input, "TYPE");
        g_autofree char *bus = domain_text(input, "BUS");
        if (!type)
            continue;
        g_autofree char *kind = g_ascii_strdown(type, -1);
        g_autofree char *place = bus ? g_ascii_strdown(bus, -1) : NULL;
        domain_open(&build->writer, "input");
        domain_attribute(&build->writer, "type", kind);
        domain_attribute(&build->writer, "bus", place);
        domain_close(&build->writer);
    }
}

gboolean domain_write_screen(DomainBuild *build, GError **error)
{
    if (!write_graphics(build, error))
        return FALSE;
    if (domain_has(build, DOMAIN_QEMU) || xml_find(build->template, "VIDEO"))
        write_video(build);
    write_inputs(build);
    return TRUE;
}

/* ---- the console ---- */

/* A line that `onevm console` talks to, and that is also written to console.log beside the
 * disks, so that what a guest said when nobody listened can be read. */
void domain_write_console(DomainBuild *build)
{
    const char *directory = build->request->directory;
    gboolean qemu = domain_has(build, DOMAIN_QEMU);
    if (qemu) {
        domain_open(&build->writer, "serial");
        domain_attribute(&build->writer, "type", "pty");
        if (directory && build->disks->len) { /* nobody made a directory for a machine without */
            g_autofree char *path = g_build_filename(directory, "console.log", NULL);
            domain_open(&build->writer, "log");
            domain_attribute(&build->writer, "file", path);
            domain_attribute(&build->writer, "append", "on");
            domain_close(&build->writer);
        }
        domain_empty(&build->writer, "target", "port", "0");
        domain_close(&build->writer);
    }
    domain_open(&build->writer, "console");
    domain_attribute(&build->writer, "type", "pty");
    if (qemu) {
        domain_open(&build->writer, "target");
        domain_attribute(&build->writer, "type", "serial");
        domain_attribute_int(&build->writer, "port", 0);
        domain_close(&build->writer);
    }
    domain_close(&build->writer);
}

/* ---- more ---- */

static void write_agent(DomainBuild *build)
{
    if (!domain_yes(build, "FEATURES", "GUEST_AGENT"))
        return;
    domain_open(&build->writer, "channel");
    domain_attribute(&build->writer, "type", "unix");
    domain_open(&build->writer, "target");
    domain_attribute(&build->writer, "type", "virtio");
    domain_attribute(&build->writer, "name", "org.qemu.guest_agent.0");
    domain_close(&build->writer);
    domain_close(&build->writer);
}

static void write_tpm(DomainBuild *build)
{
    g_autofree char *model = domain_value(build, "TPM", "MODEL");
    if (!model)
        return;
    g_autofree char *kind = g_ascii_strdown(model, -1);
    domain_open(&build->writer, "tpm");
    domain_attribute(&build->writer, "model", kind);
    domain_open(&build->writer, "backend");
    domain_attribute(&build->writer, "type", "emulator");
    domain_attribute(&build->writer, "version", "2.0");
    domain_close(&build->writer);
    domain_close(&build->writer);
}

/* OPTIONS: "intremap=on, caching_mode=on". */
static void write_iommu(DomainBuild *build)
{
    g_autofree char *model = domain_text(build->template, "IOMMU/MODEL");
    g_autofree char *options = domain_text(build->template, "IOMMU/OPTIONS");
    if (!model)
        return;
    g_autofree char *kind = g_ascii_strdown(model, -1);
    g_auto(GStrv) list = g_strsplit_set(options ? options : "", ", ", -1);
    domain_open(&build->writer, "iommu");
    domain_attribute(&build->writer, "model", kind);
    if (options) {
        domain_open(&build->writer, "driver");
        for (char **item = list; *item; item++) {
            g_auto(GStrv) pair = g_strsplit(*item, "=", 2);
            if (pair[0] && pair[1] && g_ascii_isalpha(*pair[0]))
                domain_attribute(&build->writer, pair[0], pair[1]);
        }
        domain_close(&build->writer);
    }
    domain_close(&build->writer);
}

void domain_write_extras(DomainBuild *build)
{
    if (!domain_has(build, DOMAIN_QEMU))
        return;
    write_iommu(build);
    write_tpm(build);
    write_agent(build);
}
