/* libxml2's writer with the few words that a domain document needs. NULL values are left out. */
#pragma once

#include <glib.h>
#include <libxml/xmlwriter.h>

typedef struct DomainWriter {
    xmlBuffer *buffer;
    xmlTextWriter *writer;
} DomainWriter;

DomainWriter domain_writer_new(void);
char *domain_writer_end(DomainWriter *writer); /* the text (owned); frees the writer */

void domain_open(DomainWriter *writer, const char *element);
void domain_close(DomainWriter *writer);
void domain_attribute(DomainWriter *writer, const char *name, const char *value);
void domain_attribute_int(DomainWriter *writer, const char *name, gint64 value);
/* <element>text</element> */
void domain_leaf(DomainWriter *writer, const char *element, const char *text);
void domain_leaf_int(DomainWriter *writer, const char *element, gint64 value);
void domain_cdata(DomainWriter *writer, const char *element, const char *text);
/* <element name="value"/>; left out when the value is NULL */
void domain_empty(DomainWriter *writer, const char *element, const char *name, const char *value);
/* Text of the element that is open, escaped. */
void domain_put(DomainWriter *writer, const char *text);
void domain_put_int(DomainWriter *writer, gint64 value);
/* Appends text as it is. */
void domain_raw(DomainWriter *writer, const char *text);
