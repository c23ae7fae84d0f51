#include "server/rpc/vm_screen.h"

#include "lib/base/error.h"

#include <sodium.h>
#include <string.h>

#define PORTS 65536
/* What each kind of screen takes. */
#define VNC_PASSWORD   8
#define SPICE_PASSWORD 59

/* ---- ports ---- */

/* Marks the ports of a list such as "6800, 32768:65535". */
static void mark_reserved(guint8 *taken, const char *list)
{
    g_auto(GStrv) items = g_strsplit(list ? list : "", ",", -1);
    for (guint i = 0; items[i]; i++) {
        g_auto(GStrv) ends = g_strsplit(items[i], ":", 2);
        gint64 first = g_ascii_strtoll(ends[0] ? ends[0] : "", NULL, 10);
        gint64 last = ends[0] && ends[1] ? g_ascii_strtoll(ends[1], NULL, 10) : first;
        for (gint64 port = MAX(first, 0); port <= last && port < PORTS; port++)
            taken[port] = 1;
    }
}

static void mark_port(guint8 *taken, const Template *template)
{
    const char *text = template_get_pair(template, "GRAPHICS", "PORT");
    gint64 port = text ? g_ascii_strtoll(text, NULL, 10) : 0;
    if (port > 0 && port < PORTS)
        taken[port] = 1;
}

/* Ports that machines have. Those of machines that are gone stay marked until this is done anew,
 * which happens when a port is wanted that is marked. */
static void count_ports(World *world)
{
    if (!world->screen_ports)
        world->screen_ports = g_malloc(PORTS);
    memset(world->screen_ports, 0, PORTS);
    mark_reserved(world->screen_ports, config_text(world->config, "VNC_PORTS/RESERVED"));
    const GPtrArray *vms = world->pools[KIND_VM].order;
    for (guint i = 0; i < vms->len; i++) {
        const Vm *vm = vms->pdata[i];
        if (vm->state != VM_DONE)
            mark_port(world->screen_ports, vm->head.template);
    }
}

/* START + id, as people expect it; the next one that is free when that is not. */
static gint64 free_port(World *world, gint32 id)
{
    gint64 start = config_int(world->config, "VNC_PORTS/START"), room = PORTS - start;
    gint64 natural = start + id % room, port = natural;
    if (!world->screen_ports || world->screen_ports[port])
        count_ports(world);
    for (gint64 tries = 0; tries < room && world->screen_ports[port]; tries++)
        port = start + (port - start + 1) % room;
    return world->screen_ports[port] ? natural : port;
}

gboolean vm_screen_fits(World *world, const Template *template, GError **error)
{
    const char *text = template_get_pair(template, "GRAPHICS", "PORT");
    gint64 start = config_int(world->config, "VNC_PORTS/START"), port;
    if (!text || !*text)
        return TRUE;
    if (!g_ascii_string_to_signed(text, 10, start, PORTS - 1, &port, NULL)) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_ALLOCATE,
                    "GRAPHICS/PORT is %s; it must be from %" G_GINT64_FORMAT " (VNC_PORTS of "
                    "oned.conf) to %d. Leave it out to get one that is free",
                    text, start, PORTS - 1);
        return FALSE;
    }
    count_ports(world);
    if (!world->screen_ports[port])
        return TRUE;
    g_set_error(error, ONE_ERROR, ONE_ERROR_ALLOCATE,
                "GRAPHICS/PORT %" G_GINT64_FORMAT
                " is another machine's, or reserved (VNC_PORTS of "
                "oned.conf). Leave it out to get one that is free",
                port);
    return FALSE;
}

/* ---- the password ---- */

/* Letters and digits that are not taken for each other. (owned) */
static char *random_password(guint length)
{
    static const char letters[] = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    char *password = g_malloc(length + 1);
    for (guint i = 0; i < length; i++)
        password[i] = letters[randombytes_uniform(sizeof letters - 1)];
    password[length] = '\0';
    return password;
}

static gboolean is_yes(const char *text)
{
    static const char *const words[] = {"YES", "Y", "TRUE", "ON", "1"};
    for (guint i = 0; text && i < G_N_ELEMENTS(words); i++)
        if (!g_ascii_strcasecmp(text, words[i]))
            return TRUE;
    return FALSE;
}

void vm_screen_give(World *world, Template *template, gint32 id)
{
    TemplateAttribute *graphics = template_vector(template, "GRAPHICS", 0);
    if (!graphics)
        return;
    const char *port = attribute_get(graphics, "PORT"), *type = attribute_get(graphics, "TYPE");
    const char *password = attribute_get(graphics, "PASSWD");
    if (!port || !*port)
        attribute_set_int(graphics, "PORT", free_port(world, id));
    if (world->screen_ports)
        mark_port(world->screen_ports, template);
    if (is_yes(attribute_get(graphics, "RANDOM_PASSWD")) && (!password || !*password)) {
        gboolean spice = type && !g_ascii_strcasecmp(type, "SPICE");
        g_autofree char *made = random_password(spice ? SPICE_PASSWORD : VNC_PASSWORD);
        attribute_set(graphics, "PASSWD", made);
    }
}

/* ---- who sees it ---- */

gboolean vm_screen_is_secret(const Vm *vm)
{
    const char *password = template_get_pair(vm->head.template, "GRAPHICS", "PASSWD");
    return password && *password;
}

char *vm_screen_cover(Vm *vm)
{
    TemplateAttribute *graphics = template_vector(vm->head.template, "GRAPHICS", 0);
    char *password = graphics ? g_strdup(attribute_get(graphics, "PASSWD")) : NULL;
    if (password)
        attribute_set(graphics, "PASSWD", NULL);
    return password;
}

void vm_screen_uncover(Vm *vm, char *password)
{
    if (password)
        attribute_set(template_vector(vm->head.template, "GRAPHICS", 0), "PASSWD", password);
    g_free(password);
}

Fragment *vm_screen_hidden(World *world, Vm *vm, gboolean whole)
{
    const KindOperations *operations = world->pools[KIND_VM].operations;
    g_autoptr(GString) xml = g_string_new(NULL);
    char *password = vm_screen_cover(vm);
    (whole ? operations->render : operations->render_brief)(world, &vm->head, xml);
    vm_screen_uncover(vm, password);
    return fragment_new_escaped(xml->str, xml->len);
}
