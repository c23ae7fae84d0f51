#include "server/model/object.h"

#include "server/model/names.h"
#include "server/model/people/quota.h"
#include "server/model/world.h"

#include <string.h>

void object_init(Object *object, Kind kind, gint32 id, const char *name, Template *template)
{
    object->kind = kind;
    object->id = id;
    object->name = g_strdup(name ? name : "");
    object->permissions = PERMISSIONS_DEFAULT;
    object->template = template ? template : template_new();
}

static void drop_renderings(Object *object)
{
    fragment_unref(g_steal_pointer(&object->body));
    fragment_unref(g_steal_pointer(&object->brief));
    fragment_unref(g_steal_pointer(&object->covered[0]));
    fragment_unref(g_steal_pointer(&object->covered[1]));
}

void object_clear(Object *object)
{
    drop_renderings(object);
    quota_use_free(object->takes);
    g_free(object->name);
    template_free(object->template);
}

/* ---- rows ---- */

guint owner_to_row(const Object *object, StoreWrite *row)
{
    guint i = 0;
    store_set_int(row, i++, object->id);
    store_set_text(row, i++, object->name);
    store_set_int(row, i++, object->uid);
    store_set_int(row, i++, object->gid);
    store_set_int(row, i++, object->permissions);
    return i;
}

guint head_to_row(const Object *object, StoreWrite *row)
{
    guint i = owner_to_row(object, row);
    store_set_int(row, i++, object->lock.level);
    store_set_int(row, i++, object->lock.owner);
    store_set_int(row, i++, object->lock.time);
    store_set_int(row, i++, object->lock.request);
    return i;
}

void owner_from_row(Object *object, const StoreValue *values)
{
    object->uid = (gint32)values[2].number;
    object->gid = (gint32)values[3].number;
    object->permissions = (guint)values[4].number;
}

void head_from_row(Object *object, const StoreValue *values)
{
    const StoreValue *lock = values + OWNER_END;
    owner_from_row(object, values);
    object->lock =
        (ObjectLock){(gint)lock[0].number, (gint32)lock[1].number, lock[2].number, lock[3].number};
}

/* ---- pools ---- */

static const StoreColumn counter_columns[] = {
    {"name", STORE_TEXT}, {"value", STORE_INT}, {NULL, STORE_INT}};
const StoreTable counter_table = {"counter", 1, counter_columns};

gint32 pool_next_id(World *world, Kind kind)
{
    return ++world->pools[kind].last_id;
}

/* The rows of a pool say which ids were given, until the highest of them goes: only then is it
 * put on record, so that making an object writes nothing but the object. */
static void remember_last_id(World *world, const Object *leaving)
{
    Pool *pool = &world->pools[leaving->kind];
    if (pool->last_id <= pool->stored_id ||
        g_ptr_array_index(pool->order, pool->order->len - 1) != leaving)
        return;
    pool->stored_id = pool->last_id;
    world_write_counter(world, kind_row(leaving->kind)->acl_word, pool->last_id);
}

void pool_add(World *world, Object *object)
{
    Pool *pool = &world->pools[object->kind];
    guint at = pool->order->len;
    while (at > 0 && ((Object *)pool->order->pdata[at - 1])->id > object->id)
        at--;
    g_ptr_array_insert(pool->order, (gint)at, object);
    g_hash_table_insert(pool->by_id, GINT_TO_POINTER(object->id), object);
    if (pool->by_name)
        g_hash_table_insert(pool->by_name, object->name, object);
    names_add(pool->names, object);
    pool->last_id = MAX(pool->last_id, object->id);
    object_changed(world, object);
}

void pool_remove(World *world, Object *object)
{
    Pool *pool = &world->pools[object->kind];
    StoreWrite *write = store_write_new(pool->operations->table, STORE_DELETE);
    store_set_int(write, 0, object->id);
    core_write(world->core, write);
    remember_last_id(world, object);
    pool->changed = core_batch(world->core);
    quota_object_gone(world, object);
    if (object->unsaved)
        g_ptr_array_remove_fast(world->unsaved, object);
    if (pool->by_name)
        g_hash_table_remove(pool->by_name, object->name);
    names_drop(pool->names, object);
    g_hash_table_remove(pool->by_id, GINT_TO_POINTER(object->id));
    g_ptr_array_remove(pool->order, object);
    pool->operations->free(object);
}

Object *pool_get(World *world, Kind kind, gint32 id)
{
    return g_hash_table_lookup(world->pools[kind].by_id, GINT_TO_POINTER(id));
}

Object *pool_find(World *world, Kind kind, const char *name)
{
    Pool *pool = &world->pools[kind];
    return pool->by_name && name ? g_hash_table_lookup(pool->by_name, name) : NULL;
}

const GPtrArray *pool_all_own(World *world, Kind kind, gint32 uid, const char *name)
{
    return name ? names_find(world->pools[kind].names, uid, name) : NULL;
}

Object *pool_find_own(World *world, Kind kind, gint32 uid, const char *name)
{
    const GPtrArray *all = pool_all_own(world, kind, uid, name);
    Object *oldest = NULL;
    for (guint i = 0; all && i < all->len; i++) {
        Object *object = all->pdata[i];
        if (!oldest || object->id < oldest->id)
            oldest = object;
    }
    return oldest;
}

guint pool_count(World *world, Kind kind)
{
    return world->pools[kind].order->len;
}

void object_touched(World *world, Object *object)
{
    drop_renderings(object);
}

void object_changed(World *world, Object *object)
{
    Pool *pool = &world->pools[object->kind];
    drop_renderings(object);
    names_follow(pool->names, object);
    if (world->loading)
        return;
    object->changed = pool->changed = core_batch(world->core);
    quota_object_changed(world, object);
    if (!object->unsaved) {
        object->unsaved = TRUE;
        g_ptr_array_add(world->unsaved, object);
    }
}

void object_entered(World *world, Object *object)
{
    if (world->entered && pool_count(world, KIND_HOOK))
        world->entered(world, object);
}

void object_set_name(World *world, Object *object, const char *name)
{
    Pool *pool = &world->pools[object->kind];
    if (pool->by_name)
        g_hash_table_remove(pool->by_name, object->name);
    names_drop(pool->names, object);
    g_free(object->name);
    object->name = g_strdup(name);
    names_add(pool->names, object);
    if (pool->by_name)
        g_hash_table_insert(pool->by_name, object->name, object);
    object_changed(world, object);
}

static Fragment *render_fragment(World *world, Object *object,
                                 void (*render)(World *, Object *, GString *))
{
    g_autoptr(GString) xml = g_string_sized_new(2048);
    render(world, object, xml);
    return fragment_new_escaped(xml->str, xml->len);
}

Fragment *object_body(World *world, Object *object)
{
    if (!object->body)
        object->body =
            render_fragment(world, object, world->pools[object->kind].operations->render);
    return fragment_ref(object->body);
}

Fragment *object_brief(World *world, Object *object)
{
    const KindOperations *operations = world->pools[object->kind].operations;
    if (!operations->render_brief)
        return object_body(world, object);
    if (!object->brief)
        object->brief = render_fragment(world, object, operations->render_brief);
    return fragment_ref(object->brief);
}

void object_render(World *world, Object *object, GString *xml)
{
    world->pools[object->kind].operations->render(world, object, xml);
}

/* ---- pieces of XML ---- */

const char *int_text(gint64 value, char *buffer)
{
    char *at = buffer + INT_TEXT - 1;
    guint64 rest = value < 0 ? -(guint64)value : (guint64)value;
    *at = '\0';
    do
        *--at = (char)('0' + rest % 10);
    while (rest /= 10);
    if (value < 0)
        *--at = '-';
    return at;
}

void xml_int(GString *xml, const char *name, gint64 value)
{
    char buffer[INT_TEXT];
    g_string_append_c(xml, '<');
    g_string_append(xml, name);
    g_string_append_c(xml, '>');
    g_string_append(xml, int_text(value, buffer));
    g_string_append(xml, "</");
    g_string_append(xml, name);
    g_string_append_c(xml, '>');
}

static void append_escaped(GString *xml, const char *text)
{
    for (const char *at = text; *at; at++) {
        switch (*at) {
        case '&':
            g_string_append(xml, "&amp;");
            break;
        case '<':
            g_string_append(xml, "&lt;");
            break;
        case '>':
            g_string_append(xml, "&gt;");
            break;
        default:
            g_string_append_c(xml, *at);
        }
    }
}

void xml_text(GString *xml, const char *name, const char *value)
{
    if (!value || !*value) {
        g_string_append_printf(xml, "<%s/>", name);
        return;
    }
    g_string_append_printf(xml, "<%s>", name);
    append_escaped(xml, value);
    g_string_append_printf(xml, "</%s>", name);
}

void xml_cdata(GString *xml, const char *name, const char *value)
{
    g_string_append_printf(xml, "<%s><![CDATA[", name);
    for (const char *at = value ? value : ""; *at;) {
        const char *end = strstr(at, "]]>");
        if (!end) {
            g_string_append(xml, at);
            break;
        }
        g_string_append_len(xml, at, end - at);
        g_string_append(xml, "]]]]><![CDATA[>");
        at = end + 3;
    }
    g_string_append_printf(xml, "]]></%s>", name);
}

void xml_ids(GString *xml, const char *name, const GArray *ids)
{
    if (!ids || ids->len == 0) {
        g_string_append_printf(xml, "<%s/>", name);
        return;
    }
    g_string_append_printf(xml, "<%s>", name);
    for (guint i = 0; i < ids->len; i++)
        xml_int(xml, "ID", g_array_index(ids, gint32, i));
    g_string_append_printf(xml, "</%s>", name);
}

void xml_owner(World *world, const Object *object, GString *xml)
{
    xml_int(xml, "UID", object->uid);
    xml_int(xml, "GID", object->gid);
    xml_text(xml, "UNAME", world_user_name(world, object->uid));
    xml_text(xml, "GNAME", world_group_name(world, object->gid));
}

void xml_permissions(const Object *object, GString *xml)
{
    static const char *const names[9] = {"OWNER_U", "OWNER_M", "OWNER_A", "GROUP_U", "GROUP_M",
                                         "GROUP_A", "OTHER_U", "OTHER_M", "OTHER_A"};
    g_string_append(xml, "<PERMISSIONS>");
    for (guint i = 0; i < 9; i++)
        xml_int(xml, names[i], (object->permissions >> (8 - i)) & 1);
    g_string_append(xml, "</PERMISSIONS>");
}

void xml_lock(const Object *object, GString *xml)
{
    if (object->lock.level == 0)
        return;
    g_string_append(xml, "<LOCK>");
    xml_int(xml, "LOCKED", object->lock.level);
    xml_int(xml, "OWNER", object->lock.owner);
    xml_int(xml, "TIME", object->lock.time);
    xml_int(xml, "REQ_ID", object->lock.request);
    g_string_append(xml, "</LOCK>");
}

/* ---- lists of ids ---- */

static gint compare_ids(gconstpointer a, gconstpointer b)
{
    gint32 first = *(const gint32 *)a, second = *(const gint32 *)b;
    return first < second ? -1 : first > second;
}

/* Sorted once at the end: a list may come from a user and be long. Numbers that are no ids are
 * left out. */
GArray *ids_parse(const char *text)
{
    GArray *ids = g_array_new(FALSE, FALSE, sizeof(gint32));
    guint kept = 0;
    for (const char *at = text ? text : ""; *at;) {
        char *end;
        gint64 number = g_ascii_strtoll(at, &end, 10);
        gint32 id = (gint32)number;
        if (end != at && number == id)
            g_array_append_val(ids, id);
        at = end == at ? at + 1 : end;
    }
    g_array_sort(ids, compare_ids);
    for (guint i = 0; i < ids->len; i++)
        if (i == 0 || g_array_index(ids, gint32, i) != g_array_index(ids, gint32, kept - 1))
            g_array_index(ids, gint32, kept++) = g_array_index(ids, gint32, i);
    g_array_set_size(ids, kept);
    return ids;
}

char *ids_print(const GArray *ids)
{
    GString *text = g_string_new(NULL);
    for (guint i = 0; ids && i < ids->len; i++)
        g_string_append_printf(text, "%s%d", i ? "," : "", g_array_index(ids, gint32, i));
    return g_string_free(text, FALSE);
}

/* Place of the id, or where it would stand. */
static guint ids_place(const GArray *ids, gint32 id, gboolean *found)
{
    guint low = 0, high = ids->len;
    while (low < high) {
        guint middle = (low + high) / 2;
        if (g_array_index(ids, gint32, middle) < id)
            low = middle + 1;
        else
            high = middle;
    }
    *found = low < ids->len && g_array_index(ids, gint32, low) == id;
    return low;
}

gboolean ids_contain(const GArray *ids, gint32 id)
{
    gboolean found;
    ids_place(ids, id, &found);
    return found;
}

void ids_add(GArray *ids, gint32 id)
{
    gboolean found;
    guint place = ids_place(ids, id, &found);
    if (!found)
        g_array_insert_val(ids, place, id);
}

gboolean ids_remove(GArray *ids, gint32 id)
{
    gboolean found;
    guint place = ids_place(ids, id, &found);
    if (found)
        g_array_remove_index(ids, place);
    return found;
}
