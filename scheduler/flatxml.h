/*
 * A pool's XML as flat lists: for each object the leaves below it, in document order.
 * The scheduler reads tens of megabytes each cycle and looks at few elements, so it
 * builds no tree: libxml2's SAX parser calls straight into this reader.
 */
#pragma once

#include <glib.h>

/* One element that holds no other element. */
typedef struct FlatLeaf {
    const char *path;  /* below the object, such as "HOST_SHARE/MAX_CPU"; equal paths of one
                        * document are equal pointers */
    const char *value; /* "" when empty */
    gconstpointer tag; /* what `resolve` gave for this path */
    guint group;       /* equal for the leaves of one parent: tells one DISK from the next */
} FlatLeaf;

typedef struct FlatReader {
    /* Called once for each distinct path of the document; may be NULL. */
    gconstpointer (*resolve)(const char *path, gpointer data);
    /* Called for each child of the root. Paths and values live until it returns. */
    void (*object)(const char *element, const FlatLeaf *leaves, guint count, gpointer data);
    gpointer data;
} FlatReader;

/* A DOCTYPE is refused; nothing is fetched. Error: ONE_ERROR_INTERNAL with the line. */
gboolean flat_read(const char *text, gsize length, const FlatReader *reader, GError **error);
