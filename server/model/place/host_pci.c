#include "server/model/place/host_pci.h"

#include "lib/base/error.h"
#include "lib/base/xml.h"
#include "server/model/world.h"
#include <string.h>

/* A report with more is read as far as this. */
#define DEVICES_MAX 1024

/* In the order of clients' schemas. */
static const struct {
    const char *name;
    gboolean optional;
} members[] = {
    {"ADDRESS"},       {"BUS"},         {"CLASS"},    {"CLASS_NAME"},      {"DEVICE"},
    {"DEVICE_NAME"},   {"DOMAIN"},      {"FUNCTION"}, {"IFNAME"},          {"NUMA_NODE"},
    {"SHORT_ADDRESS"}, {"SLOT"},        {"SRIOV"},    {"SRIOV_NUM", TRUE}, {"TYPE"},
    {"VENDOR"},        {"VENDOR_NAME"},
};

Template *host_pci_read(const Template *report)
{
    const TemplateAttribute *at;
    if (!template_vector(report, "PCI", 0))
        return NULL;
    Template *devices = template_new();
    for (guint i = 0; i < DEVICES_MAX && (at = template_vector(report, "PCI", i)); i++) {
        TemplateAttribute *device = template_add_vector(devices, "PCI");
        for (guint k = 0; k < G_N_ELEMENTS(members); k++)
            if (attribute_get(at, members[k].name))
                attribute_set(device, members[k].name, attribute_get(at, members[k].name));
    }
    return devices;
}

/* ---- addresses ---- */

static const struct {
    const char *name, *otherwise;
    int bits;
} parts[] = {{"DOMAIN", "0", 16}, {"BUS", NULL, 8}, {"SLOT", NULL, 8}, {"FUNCTION", NULL, 8}};

/* NULL when it is empty, too. */
static const char *said(const TemplateAttribute *device, const char *name)
{
    const char *text = attribute_get(device, name);
    return text && *text ? text : NULL;
}

/* Domain, bus, slot and function in one number; 0x before any of them does not matter. -1: the
 * address is not whole. */
static gint64 place_of(const TemplateAttribute *device)
{
    gint64 place = 0;
    for (guint i = 0; i < G_N_ELEMENTS(parts); i++) {
        const char *text = said(device, parts[i].name);
        text = text ? text : parts[i].otherwise;
        if (!text)
            return -1;
        gint64 most = ((gint64)1 << parts[i].bits) - 1;
        guint64 value = g_ascii_strtoull(text, NULL, 16);
        place = (place << parts[i].bits) | (gint64)MIN(value, (guint64)most);
    }
    return place;
}

/* Of an address as place_print() writes it; -1: there is none. */
static gint64 place_read(const char *address)
{
    gint64 place = 0;
    g_auto(GStrv) words = g_strsplit(address ? address : "", ":", -1);
    if (g_strv_length(words) != G_N_ELEMENTS(parts))
        return -1;
    for (guint i = 0; i < G_N_ELEMENTS(parts); i++)
        place = (place << parts[i].bits) | (gint64)g_ascii_strtoull(words[i], NULL, 16);
    return place;
}

/* (owned) */
static char *place_print(gint64 place)
{
    return g_strdup_printf("%04x:%02x:%02x:%x", (guint)(place >> 24) & 0xffff,
                           (guint)(place >> 16) & 0xff, (guint)(place >> 8) & 0xff,
                           (guint)place & 0xff);
}

static void place_write(TemplateAttribute *pci, gint64 place)
{
    g_autofree char *address = place_print(place);
    g_auto(GStrv) words = g_strsplit(address, ":", -1);
    for (guint i = 0; i < G_N_ELEMENTS(parts); i++)
        attribute_set(pci, parts[i].name, words[i]);
    attribute_set(pci, "ADDRESS", address);
}

/* ---- what machines ask for ---- */

static const char *const wishes[] = {"VENDOR", "DEVICE", "CLASS", "SHORT_ADDRESS"};

/* Several machines may have parts of one device. */
static gboolean is_part(const TemplateAttribute *pci)
{
    const char *mode = said(pci, "MDEV_MODE");
    return said(pci, "UUID") && !(mode && g_ascii_strcasecmp(mode, "nvidia") == 0);
}

/* It is for us to choose the device. */
static gboolean is_wish(const TemplateAttribute *pci)
{
    for (guint i = 0; i < G_N_ELEMENTS(wishes); i++)
        if (said(pci, wishes[i]))
            return !said(pci, "UUID");
    return FALSE;
}

gboolean host_pci_is_named(const TemplateAttribute *pci)
{
    return is_wish(pci) || is_part(pci) || place_of(pci) >= 0;
}

/* "10de", "0x10DE" and "010de" are the same. */
static gboolean same_number(const char *wanted, const char *has)
{
    char *end = NULL, *other = NULL;
    if (!wanted || !has)
        return !wanted;
    guint64 first = g_ascii_strtoull(wanted, &end, 16), second = g_ascii_strtoull(has, &other, 16);
    gboolean numbers = end != wanted && !*end && other != has && !*other;
    return numbers ? first == second : g_ascii_strcasecmp(wanted, has) == 0;
}

static gboolean fits(const TemplateAttribute *wish, const TemplateAttribute *device)
{
    const char *address = said(wish, "SHORT_ADDRESS"), *has = said(device, "SHORT_ADDRESS");
    for (guint i = 0; i < 3; i++)
        if (!same_number(said(wish, wishes[i]), said(device, wishes[i])))
            return FALSE;
    return !address || (has && g_ascii_strcasecmp(address, has) == 0);
}

static void forget_address(TemplateAttribute *pci)
{
    for (guint i = 0; i < G_N_ELEMENTS(parts); i++)
        attribute_set(pci, parts[i].name, NULL);
    attribute_set(pci, "ADDRESS", NULL);
}

void host_pci_forget(Template *template)
{
    TemplateAttribute *pci;
    for (guint i = 0; (pci = template_vector(template, "PCI", i)); i++) {
        attribute_set(pci, "PREV_ADDRESS", NULL);
        if (is_wish(pci))
            forget_address(pci);
    }
}

void host_pci_number(Template *template)
{
    TemplateAttribute *pci;
    host_pci_forget(template);
    for (guint i = 0; (pci = template_vector(template, "PCI", i)); i++)
        attribute_set_int(pci, "PCI_ID", i);
}

void host_pci_return(Template *template)
{
    TemplateAttribute *pci;
    for (guint i = 0; (pci = template_vector(template, "PCI", i)); i++) {
        gint64 place = place_read(attribute_get(pci, "PREV_ADDRESS"));
        if (place >= 0)
            place_write(pci, place);
        attribute_set(pci, "PREV_ADDRESS", NULL);
    }
}

/* ---- who has it ---- */

/* Of a machine that is between two hosts, what it has on one of them. */
static gint64 place_on(const Vm *vm, const TemplateAttribute *pci, gint32 host)
{
    const VmRecord *last = vm_last_record(vm);
    if (is_part(pci))
        return -1;
    return !last || last->host == host ? place_of(pci)
                                       : place_read(attribute_get(pci, "PREV_ADDRESS"));
}

/* The machine that has it is noted in `owners`; 0, or the id plus 1 of who had it before. */
static gint32 note_owner(GHashTable *owners, gint64 place, gint32 vm)
{
    gint32 before = GPOINTER_TO_INT(g_hash_table_lookup(owners, &place));
    if (!before)
        g_hash_table_insert(owners, g_memdup2(&place, sizeof place), GINT_TO_POINTER(vm + 1));
    return before;
}

/* Place -> id of the machine plus 1; without the devices of `but`. What two have is told in
 * `found`. (owned) */
static GHashTable *owners(World *world, const Host *host, const Vm *but, GPtrArray *found)
{
    GHashTable *table = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    for (guint i = 0; i < host->vms->len; i++) {
        gint32 id = g_array_index(host->vms, gint32, i);
        const Vm *vm = vm_get(world, id);
        const TemplateAttribute *pci;
        if (vm == but)
            continue;
        for (guint k = 0; vm && (pci = template_vector(vm->head.template, "PCI", k)); k++) {
            gint64 place = place_on(vm, pci, host->head.id);
            gint32 before = place >= 0 ? note_owner(table, place, id) : 0;
            if (!before || !found)
                continue;
            g_autofree char *address = place_print(place);
            g_ptr_array_add(found, g_strdup_printf("the PCI device %s of host %d is given to "
                                                   "machine %d and to machine %d",
                                                   address, host->head.id, before - 1, id));
        }
    }
    return table;
}

void host_pci_check(World *world, GPtrArray *found)
{
    GPtrArray *hosts = world->pools[KIND_HOST].order;
    for (guint i = 0; i < hosts->len; i++)
        g_hash_table_unref(owners(world, hosts->pdata[i], NULL, found));
}

void host_pci_render(World *world, const Host *host, GString *xml)
{
    const TemplateAttribute *device;
    if (!host->pci) {
        g_string_append(xml, "<PCI_DEVICES/>");
        return;
    }
    g_autoptr(GHashTable) taken = owners(world, host, NULL, NULL);
    g_string_append(xml, "<PCI_DEVICES>");
    for (guint i = 0; (device = template_vector(host->pci, "PCI", i)); i++) {
        gint64 place = place_of(device);
        g_string_append(xml, "<PCI>");
        for (guint k = 0; k < G_N_ELEMENTS(members); k++) {
            const char *text = attribute_get(device, members[k].name);
            if (text || !members[k].optional)
                xml_cdata(xml, members[k].name, text ? text : "");
        }
        xml_int(xml, "VMID", GPOINTER_TO_INT(g_hash_table_lookup(taken, &place)) - 1);
        g_string_append(xml, "</PCI>");
    }
    g_string_append(xml, "</PCI_DEVICES>");
}

/* ---- the choice ---- */

/* Wishes on one side, free devices on the other: as many pairs as can be. */
typedef struct Choice {
    GPtrArray *wishes, *devices; /* of TemplateAttribute, borrowed */
    gint *taker;                 /* of each device: its wish, or -1 */
    gboolean *seen;              /* devices that this search came by */
} Choice;

static void choice_clear(Choice *choice)
{
    g_ptr_array_unref(choice->wishes);
    g_ptr_array_unref(choice->devices);
    g_free(choice->taker);
    g_free(choice->seen);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Choice, choice_clear)

/* A device is found for the wish; another may give up its own for another one, so that who asks
 * for little does not take the only one that somebody else can use. */
static gboolean find_device(Choice *choice, guint wish)
{
    for (guint i = 0; i < choice->devices->len; i++) {
        if (choice->seen[i] || !fits(choice->wishes->pdata[wish], choice->devices->pdata[i]))
            continue;
        choice->seen[i] = TRUE;
        if (choice->taker[i] >= 0 && !find_device(choice, (guint)choice->taker[i]))
            continue;
        choice->taker[i] = (gint)wish;
        return TRUE;
    }
    return FALSE;
}

/* The host's devices that nobody has, each once. */
static void collect_free(Choice *choice, const Host *host, GHashTable *taken)
{
    TemplateAttribute *device;
    g_autoptr(GHashTable) told = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    for (guint i = 0; host->pci && (device = template_vector(host->pci, "PCI", i)); i++) {
        gint64 place = place_of(device);
        if (place >= 0 && !g_hash_table_contains(taken, &place) && !note_owner(told, place, 0))
            g_ptr_array_add(choice->devices, device);
    }
    choice->taker = g_new(gint, choice->devices->len + 1);
    for (guint i = 0; i < choice->devices->len; i++)
        choice->taker[i] = -1;
    choice->seen = g_new0(gboolean, choice->devices->len + 1);
}

static gboolean none_free(const Host *host, const TemplateAttribute *wish, GError **error)
{
    const TemplateAttribute *device;
    guint count = 0;
    g_autoptr(GString) asked = g_string_new(NULL);
    for (guint i = 0; i < G_N_ELEMENTS(wishes); i++)
        if (said(wish, wishes[i]))
            g_string_append_printf(asked, "%s%s = %s", asked->len ? ", " : "", wishes[i],
                                   said(wish, wishes[i]));
    for (guint i = 0; host->pci && (device = template_vector(host->pci, "PCI", i)); i++)
        count += fits(wish, device);
    if (count)
        g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION,
                    "Host %s has no PCI device with %s that is free: it reports %u of these, which "
                    "machines have (onehost show %s tells which) or this one gets as another PCI",
                    host->head.name, asked->str, count, host->head.name);
    else
        g_set_error(
            error, ONE_ERROR, ONE_ERROR_ACTION,
            "Host %s has no PCI device with %s; onehost show %s lists those that it reports",
            host->head.name, asked->str, host->head.name);
    return FALSE;
}

/* One that says itself which device it is: whether it can have that. */
static gboolean take_named(GHashTable *taken, const Host *host, const Vm *vm,
                           const TemplateAttribute *pci, guint index, GError **error)
{
    gint64 place = is_part(pci) ? -1 : place_of(pci);
    gint32 owner = place >= 0 ? note_owner(taken, place, vm->head.id) : 0;
    g_autofree char *address = place_print(place);
    if (!host_pci_is_named(pci))
        g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION,
                    "PCI %u of machine %d names no device: it needs VENDOR, DEVICE, CLASS or "
                    "SHORT_ADDRESS",
                    index, vm->head.id);
    else if (owner)
        g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION,
                    "The PCI device %s of host %s is given to machine %d", address, host->head.name,
                    owner - 1);
    return host_pci_is_named(pci) && !owner;
}

gboolean host_pci_choose(World *world, const Host *host, const Vm *vm, Template *template,
                         gboolean again, GError **error)
{
    TemplateAttribute *pci;
    g_auto(Choice) choice = {.wishes = g_ptr_array_new(), .devices = g_ptr_array_new()};
    if (!template_vector(template, "PCI", 0))
        return TRUE;
    g_autoptr(GHashTable) taken = owners(world, host, vm, NULL);
    for (guint i = 0; (pci = template_vector(template, "PCI", i)); i++) {
        gint64 now = place_of(pci);
        g_autofree char *before = now >= 0 ? place_print(now) : NULL;
        if (again)
            attribute_set(pci, "PREV_ADDRESS", before);
        if (is_wish(pci) && (again || now < 0))
            g_ptr_array_add(choice.wishes, pci);
        else if (!take_named(taken, host, vm, pci, i, error))
            return FALSE;
    }
    collect_free(&choice, host, taken);
    for (guint i = 0; i < choice.wishes->len; i++) {
        memset(choice.seen, 0, choice.devices->len * sizeof *choice.seen);
        if (!find_device(&choice, i))
            return none_free(host, choice.wishes->pdata[i], error);
    }
    for (guint i = 0; i < choice.devices->len; i++)
        if (choice.taker[i] >= 0)
            place_write(choice.wishes->pdata[choice.taker[i]], place_of(choice.devices->pdata[i]));
    return TRUE;
}
