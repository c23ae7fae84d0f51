#include "drivers/vmm/domain/domain_writer.h"

/* The writer fails only when memory is short, and then its text ends early: libvirt refuses
 * such a document. */

DomainWriter domain_writer_new(void)
{
    xmlBuffer *buffer = xmlBufferCreate();
    DomainWriter writer = {buffer, xmlNewTextWriterMemory(buffer, 0)};
    (void)xmlTextWriterSetIndent(writer.writer, 1);
    (void)xmlTextWriterSetIndentString(writer.writer, BAD_CAST "  ");
    return writer;
}

char *domain_writer_end(DomainWriter *writer)
{
    (void)xmlTextWriterEndDocument(writer->writer);
    xmlFreeTextWriter(writer->writer);
    char *text = g_strdup((const char *)xmlBufferContent(writer->buffer));
    xmlBufferFree(writer->buffer);
    return text;
}

void domain_open(DomainWriter *writer, const char *element)
{
    (void)xmlTextWriterStartElement(writer->writer, BAD_CAST element);
}

void domain_close(DomainWriter *writer)
{
    (void)xmlTextWriterEndElement(writer->writer);
}

void domain_attribute(DomainWriter *writer, const char *name, const char *value)
{
    if (value)
        (void)xmlTextWriterWriteAttribute(writer->writer, BAD_CAST name, BAD_CAST value);
}

void domain_attribute_int(DomainWriter *writer, const char *name, gint64 value)
{
    g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, value);
    domain_attribute(writer, name, text);
}

void domain_leaf(DomainWriter *writer, const char *element, const char *text)
{
    if (text)
        (void)xmlTextWriterWriteElement(writer->writer, BAD_CAST element, BAD_CAST text);
}

void domain_leaf_int(DomainWriter *writer, const char *element, gint64 value)
{
    g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, value);
    domain_leaf(writer, element, text);
}

void domain_cdata(DomainWriter *writer, const char *element, const char *text)
{
    if (!text)
        return;
    domain_open(writer, element);
    (void)xmlTextWriterWriteCDATA(writer->writer, BAD_CAST text);
    domain_close(writer);
}

void domain_empty(DomainWriter *writer, const char *element, const char *name, const char *value)
{
    if (!value)
        return;
    domain_open(writer, element);
    domain_attribute(writer, name, value);
    domain_close(writer);
}

void domain_put(DomainWriter *writer, const char *text)
{
    (void)xmlTextWriterWriteString(writer->writer, BAD_CAST text);
}

void domain_put_int(DomainWriter *writer, gint64 value)
{
    g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, value);
    domain_put(writer, text);
}

void domain_raw(DomainWriter *writer, const char *text)
{
    (void)xmlTextWriterWriteRaw(writer->writer, BAD_CAST text);
}
