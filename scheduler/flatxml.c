#include "scheduler/flatxml.h"
#include "lib/base/error.h"
#include <libxml/parserInternals.h>
#include <string.h>

#define DEPTH_MAX 64

/* The paths met so far, as a tree. Names are libxml2's own, kept once in its
 * dictionary, so that comparing pointers is enough. */
typedef struct PathNode PathNode;
struct PathNode {
    const xmlChar *name;
    char *path;
    gconstpointer tag;
    PathNode *children, *next;
};

typedef struct {
    const FlatReader *reader;
    xmlParserCtxt *parser;
    PathNode root;              /* stands for the object's element */
    PathNode *stack[DEPTH_MAX]; /* [0] the pool, [1] the object, below it its elements */
    guint groups[DEPTH_MAX];    /* number of the element at that depth */
    gsize starts[DEPTH_MAX];    /* where its text begins in `text` */
    guint depth, elements;
    gboolean childless; /* nothing began since the last start tag */
    GString *text;      /* values of the object, each closed by a zero byte */
    GArray *leaves;     /* FlatLeaf; `value` is an offset into `text` until the object ends */
    const xmlChar *object;
    char *failure;
} Reading;

static void fail(Reading *reading, const char *why)
{
    if (reading->failure == NULL)
        reading->failure =
            g_strdup_printf("%s at line %d", why, xmlSAX2GetLineNumber(reading->parser));
    xmlStopParser(reading->parser);
}

/* The child of that name, made when it is new. */
static PathNode *child_of(Reading *reading, PathNode *parent, const xmlChar *name)
{
    for (PathNode *child = parent->children; child != NULL; child = child->next)
        if (child->name == name)
            return child;
    PathNode *child = g_new0(PathNode, 1);
    child->name = name;
    child->path = parent->path != NULL ? g_strconcat(parent->path, "/", (const char *)name, NULL)
                                       : g_strdup((const char *)name);
    if (reading->reader->resolve != NULL)
        child->tag = reading->reader->resolve(child->path, reading->reader->data);
    PathNode **last = &parent->children;
    while (*last != NULL)
        last = &(*last)->next;
    *last = child;
    return child;
}

static void free_children(PathNode *node)
{
    for (PathNode *child = node->children, *next; child != NULL; child = next) {
        next = child->next;
        free_children(child);
        g_free(child->path);
        g_free(child);
    }
}

static void on_start(void *data, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
                     int namespaces, const xmlChar **namespace_list, int attributes, int defaulted,
                     const xmlChar **attribute_list)
{
    Reading *reading = data;
    guint depth = reading->depth++;
    if (depth >= DEPTH_MAX) {
        fail(reading, "elements are nested too deep");
        return;
    }
    if (depth == 1) {
        reading->object = name;
        g_string_truncate(reading->text, 0);
        g_array_set_size(reading->leaves, 0);
    }
    reading->stack[depth] =
        depth < 2 ? &reading->root : child_of(reading, reading->stack[depth - 1], name);
    reading->groups[depth] = ++reading->elements;
    reading->starts[depth] = reading->text->len;
    reading->childless = TRUE;
}

static void finish_object(Reading *reading)
{
    for (guint i = 0; i < reading->leaves->len; i++) {
        FlatLeaf *leaf = &g_array_index(reading->leaves, FlatLeaf, i);
        leaf->value = reading->text->str + GPOINTER_TO_SIZE(leaf->value);
    }
    reading->reader->object((const char *)reading->object, (const FlatLeaf *)reading->leaves->data,
                            reading->leaves->len, reading->reader->data);
}

static void on_end(void *data, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
    Reading *reading = data;
    guint depth = --reading->depth;
    if (reading->failure != NULL)
        return;
    if (depth > 1 && reading->childless) {
        FlatLeaf leaf = {.path = reading->stack[depth]->path,
                         .value = GSIZE_TO_POINTER(reading->starts[depth]),
                         .tag = reading->stack[depth]->tag,
                         .group = reading->groups[depth - 1]};
        g_string_append_c(reading->text, '\0');
        g_array_append_val(reading->leaves, leaf);
    }
    if (depth == 1)
        finish_object(reading);
    reading->childless = FALSE;
}

/* White space between elements is dropped with the text of elements that have children:
 * only a leaf's end keeps what came since its start. */
static void on_text(void *data, const xmlChar *text, int length)
{
    Reading *reading = data;
    if (reading->depth > 2 && reading->childless)
        g_string_append_len(reading->text, (const char *)text, length);
}

static void on_doctype(void *data, const xmlChar *name, const xmlChar *public_id,
                       const xmlChar *system_id)
{
    fail(data, "a DOCTYPE is not accepted");
}

static void on_error(void *data, const xmlError *problem)
{
    Reading *reading = data;
    if (reading->failure != NULL || problem->level < XML_ERR_ERROR)
        return;
    reading->failure = g_strdup_printf("%s at line %d", problem->message, problem->line);
    g_strdelimit(reading->failure, "\n", ' ');
}

gboolean flat_read(const char *text, gsize length, const FlatReader *reader, GError **error)
{
    xmlSAXHandler handler = {.initialized = XML_SAX2_MAGIC,
                             .startElementNs = on_start,
                             .endElementNs = on_end,
                             .characters = on_text,
                             .cdataBlock = on_text,
                             .internalSubset = on_doctype,
                             .serror = (xmlStructuredErrorFunc)on_error};
    Reading reading = {.reader = reader};
    if (length > G_MAXINT) {
        g_set_error_literal(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                            "the answer is longer than 2 GiB");
        return FALSE;
    }
    reading.parser = xmlCreateMemoryParserCtxt(text, length);
    if (reading.parser == NULL) {
        g_set_error_literal(error, ONE_ERROR, ONE_ERROR_INTERNAL, "the answer is empty");
        return FALSE;
    }
    reading.text = g_string_sized_new(4096);
    reading.leaves = g_array_new(FALSE, FALSE, sizeof(FlatLeaf));
    *reading.parser->sax = handler;
    xmlCtxtUseOptions(reading.parser, XML_PARSE_NONET | XML_PARSE_HUGE);
    reading.parser->userData = &reading;
    xmlParseDocument(reading.parser);
    if (reading.failure == NULL && !reading.parser->wellFormed)
        reading.failure = g_strdup("it is not well-formed");
    if (reading.failure != NULL)
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "the XML of a pool cannot be read: %s",
                    reading.failure);
    gboolean good = reading.failure == NULL;
    free_children(&reading.root);
    g_free(reading.failure);
    g_string_free(reading.text, TRUE);
    g_array_unref(reading.leaves);
    xmlFreeParserCtxt(reading.parser);
    return good;
}
