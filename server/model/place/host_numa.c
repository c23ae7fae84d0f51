#include "server/model/place/host_numa.h"

#include "lib/base/xml.h"
#include "server/model/object.h"
#include <string.h>

/* A report with more is read as far as this. */
#define NODES_MAX 1024
#define CORES_MAX 8192
#define PAGES_MAX 8192

typedef struct Core {
    gint64 node, id;
    char *cpus; /* "0,4" */
} Core;

typedef struct Pages {
    gint64 node, size, pages, free;
} Pages;

typedef struct Node {
    gint64 id, total, free, used; /* KiB */
    char *distance;
} Node;

struct HostNuma {
    GArray *nodes; /* of Node */
    GArray *cores; /* of Core */
    GArray *pages; /* of Pages */
};

static void clear_core(gpointer data)
{
    g_free(((Core *)data)->cpus);
}

static void clear_node(gpointer data)
{
    g_free(((Node *)data)->distance);
}

void host_numa_free(HostNuma *numa)
{
    if (!numa)
        return;
    g_array_unref(numa->nodes);
    g_array_unref(numa->cores);
    g_array_unref(numa->pages);
    g_free(numa);
}

static gint64 number(const TemplateAttribute *vector, const char *name)
{
    gint64 value = 0;
    attribute_get_int(vector, name, &value);
    return MAX(value, 0);
}

HostNuma *host_numa_read(const Template *report)
{
    const TemplateAttribute *at;
    if (!template_vector(report, "MEMORY_NODE", 0))
        return NULL;
    HostNuma *numa = g_new0(HostNuma, 1);
    numa->nodes = g_array_new(FALSE, FALSE, sizeof(Node));
    numa->cores = g_array_new(FALSE, FALSE, sizeof(Core));
    numa->pages = g_array_new(FALSE, FALSE, sizeof(Pages));
    g_array_set_clear_func(numa->nodes, clear_node);
    g_array_set_clear_func(numa->cores, clear_core);
    for (guint i = 0; i < NODES_MAX && (at = template_vector(report, "MEMORY_NODE", i)); i++) {
        Node node = {number(at, "NODE_ID"), number(at, "TOTAL"), number(at, "FREE"),
                     number(at, "USED"), g_strdup(attribute_get(at, "DISTANCE"))};
        g_array_append_val(numa->nodes, node);
    }
    for (guint i = 0; i < CORES_MAX && (at = template_vector(report, "CORE", i)); i++) {
        Core core = {number(at, "NODE_ID"), number(at, "ID"), g_strdup(attribute_get(at, "CPUS"))};
        g_array_append_val(numa->cores, core);
    }
    for (guint i = 0; i < PAGES_MAX && (at = template_vector(report, "HUGEPAGE", i)); i++) {
        Pages pages = {number(at, "NODE_ID"), number(at, "SIZE"), number(at, "PAGES"),
                       number(at, "FREE")};
        g_array_append_val(numa->pages, pages);
    }
    return numa;
}

/* Threads of a core with the machine that has each pinned: "0:-1,4:-1", -1 being nobody. */
static void render_core(const Core *core, GString *xml)
{
    g_auto(GStrv) threads = g_strsplit(core->cpus ? core->cpus : "", ",", -1);
    g_autoptr(GString) cpus = g_string_new(NULL);
    for (guint i = 0; threads[i]; i++)
        g_string_append_printf(cpus, "%s%s:-1", i ? "," : "", threads[i]);
    g_string_append(xml, "<CORE>");
    xml_text(xml, "CPUS", cpus->str);
    xml_text(xml, "DEDICATED", "NO");
    xml_int(xml, "FREE", g_strv_length(threads));
    xml_int(xml, "ID", core->id);
    g_string_append(xml, "</CORE>");
}

static void render_node(const HostNuma *numa, const Node *node, GString *xml)
{
    g_string_append(xml, "<NODE>");
    for (guint i = 0; i < numa->cores->len; i++)
        if (g_array_index(numa->cores, Core, i).node == node->id)
            render_core(&g_array_index(numa->cores, Core, i), xml);
    for (guint i = 0; i < numa->pages->len; i++) {
        const Pages *pages = &g_array_index(numa->pages, Pages, i);
        if (pages->node != node->id)
            continue;
        g_string_append(xml, "<HUGEPAGE>");
        xml_int(xml, "PAGES", pages->pages);
        xml_int(xml, "SIZE", pages->size);
        xml_int(xml, "USAGE", 0);
        g_string_append(xml, "</HUGEPAGE>");
    }
    g_string_append(xml, "<MEMORY>");
    xml_text(xml, "DISTANCE", node->distance);
    xml_int(xml, "TOTAL", node->total);
    xml_int(xml, "USAGE", 0);
    g_string_append(xml, "</MEMORY>");
    xml_int(xml, "NODE_ID", node->id);
    g_string_append(xml, "</NODE>");
}

void host_numa_render(const HostNuma *numa, GString *xml)
{
    g_string_append(xml, numa ? "<NUMA_NODES>" : "<NUMA_NODES/>");
    for (guint i = 0; numa && i < numa->nodes->len; i++)
        render_node(numa, &g_array_index(numa->nodes, Node, i), xml);
    g_string_append(xml, numa ? "</NUMA_NODES>" : "");
}

void host_numa_render_sample(const HostNuma *numa, GString *xml)
{
    for (guint i = 0; numa && i < numa->nodes->len; i++) {
        const Node *node = &g_array_index(numa->nodes, Node, i);
        g_string_append(xml, "<NUMA_NODE>");
        for (guint j = 0; j < numa->pages->len; j++) {
            const Pages *pages = &g_array_index(numa->pages, Pages, j);
            if (pages->node != node->id)
                continue;
            g_string_append(xml, "<HUGEPAGE>");
            xml_int(xml, "FREE", pages->free);
            xml_int(xml, "SIZE", pages->size);
            g_string_append(xml, "</HUGEPAGE>");
        }
        g_string_append(xml, "<MEMORY>");
        xml_int(xml, "FREE", node->free);
        xml_int(xml, "USED", node->used);
        g_string_append(xml, "</MEMORY>");
        xml_int(xml, "NODE_ID", node->id);
        g_string_append(xml, "</NUMA_NODE>");
    }
}
