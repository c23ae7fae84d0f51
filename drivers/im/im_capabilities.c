/*
 * What a libvirt host can do and how it is built: machine types, CPU models, NUMA nodes, PCI
 * devices. It changes seldom and is long to tell, so it is asked for once in REFRESH_SECONDS a
 * host; only what is free on each node is asked for every time.
 */
#include "drivers/im/im.h"
#include "drivers/im/im_libvirt.h"
#include "drivers/im/im_pci.h"

#include "lib/base/xml.h"
#include <libvirt/virterror.h>
#include <stdlib.h>
#include <string.h>

#define REFRESH_SECONDS 600
#define CELLS_MAX       1024
#define PAGE_SIZES_MAX  16
/* Pages from this size on are huge ones; the largest usual page is 64 KiB (arm64). */
#define HUGE_KIB 128

typedef struct Pages {
    guint size; /* KiB */
    gint64 count;
} Pages;

typedef struct Cell {
    int id;
    gint64 total; /* KiB */
    char *distance;
    GArray *huge; /* of Pages */
} Cell;

typedef struct Capabilities {
    gint64 until; /* monotonic, microseconds */
    char *model;
    GString *text;    /* the attributes that do not change from look to look */
    GPtrArray *cells; /* of Cell */
} Capabilities;

static GMutex lock;
static GHashTable *known; /* host -> Capabilities; a host's jobs run one at a time */

static void free_cell(gpointer data)
{
    Cell *cell = data;
    g_free(cell->distance);
    g_array_unref(cell->huge);
    g_free(cell);
}

static void free_capabilities(gpointer data)
{
    Capabilities *capabilities = data;
    g_free(capabilities->model);
    g_string_free(capabilities->text, TRUE);
    g_ptr_array_unref(capabilities->cells);
    g_free(capabilities);
}

/* ---- NUMA ---- */

typedef struct Sibling {
    int id;
    int distance;
} Sibling;

static gint nearer(gconstpointer one, gconstpointer other)
{
    const Sibling *a = one, *b = other;
    return a->distance != b->distance ? a->distance - b->distance : a->id - b->id;
}

/* Nodes from the nearest, which is itself, to the farthest: "0 1". (owned) */
static char *distance_of(xmlNode *node, int id)
{
    g_autoptr(GArray) siblings = g_array_new(FALSE, FALSE, sizeof(Sibling));
    for (xmlNode *at = xml_find(node, "distances/sibling"); at; at = xml_next_same(at)) {
        Sibling sibling = {(int)xml_get_int(at, "@id", -1), (int)xml_get_int(at, "@value", 255)};
        g_array_append_val(siblings, sibling);
    }
    if (!siblings->len)
        return g_strdup_printf("%d", id);
    g_array_sort(siblings, nearer);
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < siblings->len; i++)
        g_string_append_printf(text, "%s%d", i ? " " : "", g_array_index(siblings, Sibling, i).id);
    return g_string_free(text, FALSE);
}

/* "0-1,4" as "0,1,4". (owned) */
static char *plain_list(const char *text)
{
    GString *list = g_string_new(NULL);
    g_auto(GStrv) pieces = g_strsplit(text, ",", -1);
    for (guint i = 0; pieces[i]; i++) {
        const char *dash = strchr(pieces[i], '-');
        gint64 first = g_ascii_strtoll(pieces[i], NULL, 10);
        gint64 last = dash ? g_ascii_strtoll(dash + 1, NULL, 10) : first;
        for (gint64 cpu = first; cpu <= MIN(last, first + CELLS_MAX); cpu++)
            g_string_append_printf(list, "%s%" G_GINT64_FORMAT, list->len ? "," : "", cpu);
    }
    return g_string_free(list, FALSE);
}

/* A core is told once, by the first of its threads. */
static void append_cores(GString *out, xmlNode *node, int id)
{
    for (xmlNode *cpu = xml_find(node, "cpus/cpu"); cpu; cpu = xml_next_same(cpu)) {
        g_autofree char *siblings = xml_get(cpu, "@siblings"), *own = xml_get(cpu, "@id");
        g_autofree char *threads = plain_list(siblings ? siblings : own ? own : "");
        if (!own || g_ascii_strtoll(threads, NULL, 10) != g_ascii_strtoll(own, NULL, 10))
            continue;
        g_string_append_printf(out,
                               "CORE=[NODE_ID=\"%d\",ID=\"%" G_GINT64_FORMAT "\",CPUS=\"%s\"]\n",
                               id, xml_get_int(cpu, "@core_id", 0), threads);
    }
}

static void read_cells(Capabilities *capabilities, xmlNode *root)
{
    xmlNode *node = xml_find(root, "host/topology/cells/cell");
    for (; node && capabilities->cells->len < CELLS_MAX; node = xml_next_same(node)) {
        Cell *cell = g_new0(Cell, 1);
        cell->id = (int)xml_get_int(node, "@id", 0);
        cell->total = xml_get_int(node, "memory", 0);
        cell->distance = distance_of(node, cell->id);
        cell->huge = g_array_new(FALSE, FALSE, sizeof(Pages));
        for (xmlNode *at = xml_find(node, "pages"); at; at = xml_next_same(at)) {
            Pages pages = {(guint)xml_get_int(at, "@size", 0), xml_get_int(at, "", 0)};
            if (pages.size >= HUGE_KIB && cell->huge->len < PAGE_SIZES_MAX)
                g_array_append_val(cell->huge, pages);
        }
        append_cores(capabilities->text, node, cell->id);
        g_ptr_array_add(capabilities->cells, cell);
    }
}

static void append_huge(GString *out, virConnectPtr connection, const Cell *cell)
{
    unsigned int sizes[PAGE_SIZES_MAX];
    unsigned long long free_pages[PAGE_SIZES_MAX] = {0};
    for (guint i = 0; i < cell->huge->len; i++)
        sizes[i] = g_array_index(cell->huge, Pages, i).size;
    if (cell->huge->len &&
        virNodeGetFreePages(connection, cell->huge->len, sizes, cell->id, 1, free_pages, 0) < 0)
        memset(free_pages, 0, sizeof free_pages);
    for (guint i = 0; i < cell->huge->len; i++)
        g_string_append_printf(
            out,
            "HUGEPAGE=[NODE_ID=\"%d\",SIZE=\"%u\",PAGES=\"%" G_GINT64_FORMAT "\",FREE=\"%llu\"]\n",
            cell->id, sizes[i], g_array_index(cell->huge, Pages, i).count, free_pages[i]);
}

static void append_cells(GString *out, virConnectPtr connection, const GPtrArray *cells)
{
    for (guint i = 0; i < cells->len; i++) {
        const Cell *cell = cells->pdata[i];
        unsigned long long bytes = 0;
        if (virNodeGetCellsFreeMemory(connection, &bytes, cell->id, 1) != 1)
            bytes = 0;
        gint64 available = MIN((gint64)(bytes / 1024), cell->total);
        g_string_append_printf(
            out,
            "MEMORY_NODE=[NODE_ID=\"%d\",TOTAL=\"%" G_GINT64_FORMAT "\",FREE=\"%" G_GINT64_FORMAT
            "\",USED=\"%" G_GINT64_FORMAT "\",DISTANCE=\"%s\"]\n",
            cell->id, cell->total, available, cell->total - available, cell->distance);
        append_huge(out, connection, cell);
    }
}

/* ---- machine types, processors ---- */

static void append_list(GString *out, const char *name, const GPtrArray *words, const char *between)
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 0; i < words->len; i++)
        g_string_append_printf(text, "%s%s", i ? between : "", (const char *)words->pdata[i]);
    if (text->len)
        im_append(out, name, text->str);
}

static void add_texts(GPtrArray *words, xmlNode *first, const char *path, const char *want)
{
    for (xmlNode *at = first; at; at = xml_next_same(at)) {
        g_autofree char *usable = want ? xml_get(at, want) : NULL;
        g_autofree char *word = xml_get(at, path);
        if (word && *word && (!want || g_strcmp0(usable, "yes") == 0) &&
            !g_ptr_array_find_with_equal_func(words, word, g_str_equal, NULL))
            g_ptr_array_add(words, g_steal_pointer(&word));
    }
}

static void append_machines(GString *out, xmlNode *root, const char *arch)
{
    g_autoptr(GPtrArray) machines = g_ptr_array_new_with_free_func(g_free);
    for (xmlNode *guest = xml_find(root, "guest"); guest; guest = xml_next_same(guest)) {
        g_autofree char *name = xml_get(guest, "arch/@name");
        if (g_strcmp0(name, arch) == 0)
            add_texts(machines, xml_find(guest, "arch/machine"), "", NULL);
    }
    append_list(out, "KVM_MACHINES", machines, " ");
}

/* What the host can give a guest: the models it could run, and the one closest to itself. */
static void append_models(GString *out, virConnectPtr connection, const char *arch)
{
    /* Emulated processors have other features than those that KVM passes through. */
    const char *virttype = g_str_equal(im_flavour_name, "qemu") ? "qemu" : NULL;
    g_autofree char *text =
        virConnectGetDomainCapabilities(connection, NULL, arch, NULL, virttype, 0);
    g_autoptr(xmlDoc) document = text ? xml_read(text, strlen(text), XML_DEPTH_MAX, NULL) : NULL;
    if (!document)
        return;
    g_autoptr(GPtrArray) models = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) features = g_ptr_array_new_with_free_func(g_free);
    xmlNode *mode = xml_find(xml_root(document), "cpu/mode");
    for (; mode; mode = xml_next_same(mode)) {
        g_autofree char *name = xml_get(mode, "@name");
        if (g_strcmp0(name, "custom") == 0)
            add_texts(models, xml_find(mode, "model"), "", "@usable");
        if (g_strcmp0(name, "host-model") != 0)
            continue;
        g_autofree char *model = xml_get(mode, "model");
        if (model)
            im_append(out, "KVM_CPU_MODEL", model);
        for (xmlNode *at = xml_find(mode, "feature"); at; at = xml_next_same(at)) {
            g_autofree char *policy = xml_get(at, "@policy"), *feature = xml_get(at, "@name");
            if (feature && g_strcmp0(policy, "disable") != 0)
                g_ptr_array_add(features, g_steal_pointer(&feature));
        }
    }
    append_list(out, "KVM_CPU_MODELS", models, " ");
    append_list(out, "KVM_CPU_FEATURES", features, ",");
}

/* "9.0.0" of 9000000. (owned) */
char *im_version_text(unsigned long version)
{
    return g_strdup_printf("%lu.%lu.%lu", version / 1000000, version / 1000 % 1000, version % 1000);
}

static Capabilities *ask(const char *host, virConnectPtr connection, const char *arch)
{
    Capabilities *capabilities = g_new0(Capabilities, 1);
    capabilities->until = g_get_monotonic_time() + REFRESH_SECONDS * G_USEC_PER_SEC;
    capabilities->text = g_string_new(NULL);
    capabilities->cells = g_ptr_array_new_with_free_func(free_cell);
    im_append_pci(capabilities->text, host, connection);
    g_autofree char *text = virConnectGetCapabilities(connection);
    g_autoptr(xmlDoc) document = text ? xml_read(text, strlen(text), XML_DEPTH_MAX, NULL) : NULL;
    unsigned long version = 0;
    if (virConnectGetLibVersion(connection, &version) == 0 && version) {
        g_autofree char *shown = im_version_text(version);
        im_append(capabilities->text, "LIBVIRT_VERSION", shown);
    }
    if (!document)
        return capabilities;
    xmlNode *root = xml_root(document);
    capabilities->model = xml_get(root, "host/cpu/model");
    if (g_strcmp0(virConnectGetType(connection), "QEMU") == 0) {
        append_machines(capabilities->text, root, arch);
        append_models(capabilities->text, connection, arch);
    }
    read_cells(capabilities, root);
    return capabilities;
}

static Capabilities *of_host(const char *host, virConnectPtr connection, const char *arch)
{
    g_mutex_lock(&lock);
    if (!known)
        known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_capabilities);
    Capabilities *capabilities = g_hash_table_lookup(known, host);
    g_mutex_unlock(&lock);
    if (capabilities && g_get_monotonic_time() < capabilities->until)
        return capabilities;
    capabilities = ask(host, connection, arch);
    g_mutex_lock(&lock);
    g_hash_table_insert(known, g_strdup(host), capabilities);
    g_mutex_unlock(&lock);
    return capabilities;
}

void im_append_capabilities(GString *out, const char *host, virConnectPtr connection,
                            const char *arch)
{
    const Capabilities *capabilities = of_host(host, connection, arch);
    /* The name of the processor: libvirt's model, which is also what moves between hosts need. */
    im_append(out, "MODELNAME", capabilities->model);
    g_string_append(out, capabilities->text->str);
    append_cells(out, connection, capabilities->cells);
}

void im_forget_capabilities(const char *host)
{
    g_mutex_lock(&lock);
    if (known)
        g_hash_table_remove(known, host);
    g_mutex_unlock(&lock);
}
