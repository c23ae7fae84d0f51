#include "server/model/plain.h"

#include "server/model/world.h"

#include <string.h>

static const StoreColumn columns[] = {
    {"id", STORE_INT},         {"name", STORE_TEXT},       {"uid", STORE_INT},
    {"gid", STORE_INT},        {"permissions", STORE_INT}, {"lock_level", STORE_INT},
    {"lock_owner", STORE_INT}, {"lock_time", STORE_INT},   {"lock_request", STORE_INT},
    {"regtime", STORE_INT},    {"type", STORE_INT},        {"template", STORE_TEXT},
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

Object *pool_find_own(World *world, Kind kind, gint32 uid, const char *name)
{
    const GPtrArray *all = world->pools[kind].order;
    for (guint i = 0; i < all->len; i++) {
        Object *object = all->pdata[i];
        if (object->uid == uid && strcmp(object->name, name) == 0)
            return object;
    }
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
    guint i = 0;
    store_set_int(row, i++, object->id);
    store_set_text(row, i++, object->name);
    store_set_int(row, i++, object->uid);
    store_set_int(row, i++, object->gid);
    store_set_int(row, i++, object->permissions);
    store_set_int(row, i++, object->lock.level);
    store_set_int(row, i++, object->lock.owner);
    store_set_int(row, i++, object->lock.time);
    store_set_int(row, i++, object->lock.request);
    store_set_int(row, i++, plain->regtime);
    store_set_int(row, i++, plain->type);
    store_take_text(row, i++, template_to_text(object->template));
    return row;
}

static gboolean load(World *world, Kind kind, const StoreValue *values, GError **error)
{
    Template *template = template_parse(values[11].text, TEMPLATE_MODERN, error);
    if (!template)
        return FALSE;
    Plain *plain = g_new0(Plain, 1);
    Object *head = &plain->head;
    object_init(head, kind, (gint32)values[0].number, values[1].text, template);
    head->uid = (gint32)values[2].number;
    head->gid = (gint32)values[3].number;
    head->permissions = (guint)values[4].number;
    head->lock = (ObjectLock){(gint)values[5].number, (gint32)values[6].number, values[7].number,
                              values[8].number};
    plain->regtime = values[9].number;
    plain->type = (gint32)values[10].number;
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
