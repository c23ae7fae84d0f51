#include "server/model/plain.h"

#include "server/model/world.h"

#include <string.h>

static const StoreColumn columns[] = {
    HEAD_COLUMNS,      {"regtime", STORE_INT}, {"type", STORE_INT}, {"template", STORE_TEXT},
    {NULL, STORE_INT},
};
static const StoreTable template_table = {"vm_template", 1, columns};
static const StoreTable vntemplate_table = {"vnet_template", 1, columns};
static const StoreTable document_table = {"document", 1, columns};

static const StoreTable *table_of(Kind kind)
{
    return kind == KIND_TEMPLATE     ? &template_table
           : kind == KIND_VNTEMPLATE ? &vntemplate_table
                                     : &document_table;
}

Plain *plain_create(World *world, Kind kind, const char *name, gint32 uid, gint32 gid,
                    Template *template, gint32 type)
{
    Plain *plain = g_new0(Plain, 1);
    object_init(&plain->head, kind, pool_next_id(world, kind), name, template);
    plain->head.uid = uid;
    plain->head.gid = gid;
    plain->regtime = core_now(world->core);
    plain->type = type;
    pool_add(world, &plain->head);
    return plain;
}

Object *plain_find(World *world, Kind kind, gint32 uid, const char *name, gint32 type)
{
    const GPtrArray *all = pool_all_own(world, kind, uid, name);
    for (guint i = 0; all && i < all->len; i++)
        if (PLAIN(all->pdata[i])->type == type)
            return all->pdata[i];
    return NULL;
}

static void plain_render(World *world, Object *object, GString *xml)
{
    const char *element = kind_row(object->kind)->element;
    gboolean document = object->kind == KIND_DOCUMENT;
    g_string_append_printf(xml, "<%s>", element);
    xml_int(xml, "ID", object->id);
    xml_owner(world, object, xml);
    xml_text(xml, "NAME", object->name);
    if (document)
        xml_int(xml, "TYPE", PLAIN(object)->type);
    else
        xml_lock(object, xml);
    xml_permissions(object, xml);
    if (document)
        xml_lock(object, xml);
    else
        xml_int(xml, "REGTIME", PLAIN(object)->regtime);
    template_append_xml_element(object->template, "TEMPLATE", xml);
    g_string_append_printf(xml, "</%s>", element);
}

static StoreWrite *plain_row(World *world, const Object *object)
{
    const Plain *plain = (const Plain *)object;
    StoreWrite *row = store_write_new(table_of(object->kind), STORE_PUT);
    guint i = head_to_row(object, row);
    store_set_int(row, i++, plain->regtime);
    store_set_int(row, i++, plain->type);
    store_take_text(row, i++, template_to_text(object->template));
    return row;
}

static gboolean load(World *world, Kind kind, const StoreValue *values, GError **error)
{
    const StoreValue *own = values + HEAD_END;
    Template *template = template_parse(own[2].text, TEMPLATE_MODERN, error);
    if (!template)
        return FALSE;
    Plain *plain = g_new0(Plain, 1);
    Object *head = &plain->head;
    object_init(head, kind, (gint32)values[0].number, values[1].text, template);
    head_from_row(head, values);
    plain->regtime = own[0].number;
    plain->type = (gint32)own[1].number;
    pool_add(world, head);
    return TRUE;
}

static gboolean template_load(World *world, const StoreValue *values, GError **error)
{
    return load(world, KIND_TEMPLATE, values, error);
}

static gboolean vntemplate_load(World *world, const StoreValue *values, GError **error)
{
    return load(world, KIND_VNTEMPLATE, values, error);
}

static gboolean document_load(World *world, const StoreValue *values, GError **error)
{
    return load(world, KIND_DOCUMENT, values, error);
}

static void plain_free(Object *object)
{
    object_clear(object);
    g_free(object);
}

const KindOperations template_operations = {plain_render,    NULL,      plain_row, template_load,
                                            &template_table, plain_free};
const KindOperations vntemplate_operations = {
    plain_render, NULL, plain_row, vntemplate_load, &vntemplate_table, plain_free};
const KindOperations document_operations = {plain_render,    NULL,      plain_row, document_load,
                                            &document_table, plain_free};
