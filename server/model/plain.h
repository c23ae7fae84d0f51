/*
 * Objects that are a head, a template and the moment they were made, and nothing more: templates
 * of machines, templates of networks, documents. Shapes: OpenNebula's vmtemplate.xsd,
 * vntemplate.xsd and document.xsd.
 */
#pragma once

#include "server/model/object.h"

typedef struct Plain {
    Object head;
    gint64 regtime; /* seconds since the epoch */
    gint32 type;    /* of a document, as its makers count; else 0 */
} Plain;

#define PLAIN(object) ((Plain *)(object))

/* A new object of one of these kinds, in its pool. The template is taken. */
Plain *plain_create(World *world, Kind kind, const char *name, gint32 uid, gint32 gid,
                    Template *template, gint32 type);
/* Of those that this user owns, the one of that name and type; NULL: there is none, or no name. */
Object *plain_find(World *world, Kind kind, gint32 uid, const char *name, gint32 type);

extern const KindOperations template_operations, vntemplate_operations, document_operations;
