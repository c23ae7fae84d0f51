/* How images are shown and kept, and what must always hold of them. */
#include "server/model/storage/image.h"
#include "server/model/storage/image_backup.h"
#include "server/model/machine/vm.h"
#include "server/model/world.h"

#include <string.h>

/* ---- XML ---- */

static gint64 number(const TemplateAttribute *vector, const char *name)
{
    gint64 value = -1;
    (void)attribute_get_int(vector, name, &value);
    return value;
}

static void render_snapshot(const Image *image, const TemplateAttribute *snapshot, GString *xml)
{
    gint64 id = number(snapshot, "ID");
    const char *name = attribute_get(snapshot, "NAME");
    const TemplateAttribute *child;
    g_autoptr(GString) children = g_string_new(NULL);
    g_string_append(xml, "<SNAPSHOT>");
    for (guint i = 0; (child = template_vector(image->snapshots, "SNAPSHOT", i)); i++)
        if (number(child, "PARENT") == id)
            g_string_append_printf(children, "%s%" G_GINT64_FORMAT, children->len ? "," : "",
                                   number(child, "ID"));
    if (children->len)
        xml_cdata(xml, "CHILDREN", children->str);
    if (image_snapshot_is_base(image, (gint32)id))
        xml_cdata(xml, "ACTIVE", "YES");
    xml_int(xml, "DATE", number(snapshot, "DATE"));
    xml_int(xml, "ID", id);
    if (name)
        xml_cdata(xml, "NAME", name);
    xml_int(xml, "PARENT", number(snapshot, "PARENT"));
    xml_int(xml, "SIZE", number(snapshot, "SIZE"));
    g_string_append(xml, "</SNAPSHOT>");
}

static void render_snapshots(const Image *image, GString *xml)
{
    static const struct {
        const char *name, *otherwise;
    } about[] = {{"ALLOW_ORPHANS", "NO"}, {"CURRENT_BASE", "-1"}, {"NEXT_SNAPSHOT", "0"}};
    const TemplateAttribute *snapshot;
    g_string_append(xml, "<SNAPSHOTS>");
    for (guint i = 0; i < G_N_ELEMENTS(about); i++) {
        const char *value = template_get(image->snapshots, about[i].name);
        xml_cdata(xml, about[i].name, value ? value : about[i].otherwise);
    }
    for (guint i = 0; (snapshot = template_vector(image->snapshots, "SNAPSHOT", i)); i++)
        render_snapshot(image, snapshot, xml);
    g_string_append(xml, "</SNAPSHOTS>");
}

/* Each machine once, however many disks it has of the image. */
static void render_users(const Image *image, GString *xml)
{
    g_autoptr(GArray) machines = g_array_new(FALSE, FALSE, sizeof(gint32));
    for (guint i = 0; i < image->users->len; i++)
        ids_add(machines, g_array_index(image->users, gint32, i));
    xml_ids(xml, "VMS", machines);
}

/* What the driver said last of the work at hand stands beside what is kept. */
static void render_template(const Image *image, GString *xml)
{
    g_autoptr(Template) shown = image->progress ? template_copy(image->head.template) : NULL;
    if (shown)
        template_set(shown, "PROGRESS", image->progress);
    template_append_xml_element(shown ? shown : image->head.template, "TEMPLATE", xml);
}

void image_render(World *world, Object *object, GString *xml)
{
    const Image *image = IMAGE(object);
    const Datastore *datastore = datastore_get(world, image->datastore);
    g_string_append(xml, "<IMAGE>");
    xml_int(xml, "ID", object->id);
    xml_owner(world, object, xml);
    xml_text(xml, "NAME", object->name);
    xml_lock(object, xml);
    xml_permissions(object, xml);
    xml_int(xml, "TYPE", image->type);
    xml_int(xml, "DISK_TYPE", image->disk_type);
    xml_int(xml, "PERSISTENT", image->persistent);
    xml_int(xml, "REGTIME", image->regtime);
    xml_int(xml, "MODTIME", image->modtime);
    xml_cdata(xml, "SOURCE", image->source);
    xml_cdata(xml, "PATH", image->path);
    xml_cdata(xml, "FORMAT", image->format);
    xml_cdata(xml, "FS", image->fs);
    xml_int(xml, "SIZE", image->size);
    xml_int(xml, "STATE", image->state);
    xml_int(xml, "PREV_STATE", image->previous_state);
    xml_int(xml, "RUNNING_VMS", image->users->len);
    xml_int(xml, "CLONING_OPS", image->clones->len + image->apps->len);
    xml_int(xml, "CLONING_ID", image->cloning_id);
    xml_int(xml, "TARGET_SNAPSHOT", image->target_snapshot);
    xml_int(xml, "DATASTORE_ID", image->datastore);
    xml_text(xml, "DATASTORE", datastore ? datastore->head.name : "");
    render_users(image, xml);
    xml_ids(xml, "CLONES", image->clones);
    xml_ids(xml, "APP_CLONES", image->apps);
    render_template(image, xml);
    render_snapshots(image, xml);
    image_backup_render(image, xml);
    g_string_append(xml, "</IMAGE>");
}

/* ---- rows ---- */

static const StoreColumn columns[] = {
    HEAD_COLUMNS,
    {"type", STORE_INT},
    {"disk_type", STORE_INT},
    {"persistent", STORE_INT},
    {"regtime", STORE_INT},
    {"modtime", STORE_INT},
    {"source", STORE_TEXT},
    {"path", STORE_TEXT},
    {"format", STORE_TEXT},
    {"fs", STORE_TEXT},
    {"size", STORE_INT},
    {"state", STORE_INT},
    {"previous_state", STORE_INT},
    {"datastore", STORE_INT},
    {"users", STORE_TEXT},
    {"clones", STORE_TEXT},
    {"cloning_id", STORE_INT},
    {"target_snapshot", STORE_INT},
    {"work", STORE_INT},
    {"token", STORE_TEXT},
    {"stored", STORE_INT},
    {"snapshots", STORE_TEXT},
    {"template", STORE_TEXT},
    {"backup", STORE_TEXT},
    {NULL, STORE_INT},
};
static const StoreTable table = {"image", 1, columns};

static StoreWrite *image_row(World *world, const Object *object)
{
    const Image *image = (const Image *)object;
    StoreWrite *row = store_write_new(&table, STORE_PUT);
    guint i = head_to_row(object, row);
    store_set_int(row, i++, image->type);
    store_set_int(row, i++, image->disk_type);
    store_set_int(row, i++, image->persistent);
    store_set_int(row, i++, image->regtime);
    store_set_int(row, i++, image->modtime);
    store_set_text(row, i++, image->source);
    store_set_text(row, i++, image->path);
    store_set_text(row, i++, image->format);
    store_set_text(row, i++, image->fs);
    store_set_int(row, i++, image->size);
    store_set_int(row, i++, image->state);
    store_set_int(row, i++, image->previous_state);
    store_set_int(row, i++, image->datastore);
    store_take_text(row, i++, ids_print(image->users));
    store_take_text(row, i++, ids_print(image->clones));
    store_set_int(row, i++, image->cloning_id);
    store_set_int(row, i++, image->target_snapshot);
    store_set_int(row, i++, image->work);
    store_set_text(row, i++, image->token);
    store_set_int(row, i++, image->stored);
    store_take_text(row, i++, template_to_text(image->snapshots));
    store_take_text(row, i++, template_to_text(object->template));
    store_take_text(row, i++, template_to_text(image->backup));
    return row;
}

/* As ids_parse(), but one may stand there more than once. */
static GArray *parse_users(const char *text)
{
    GArray *users = g_array_new(FALSE, FALSE, sizeof(gint32));
    g_auto(GStrv) words = g_strsplit(text ? text : "", ",", -1);
    for (guint i = 0; words[i] && *words[i]; i++) {
        gint32 id = (gint32)g_ascii_strtoll(words[i], NULL, 10);
        g_array_append_val(users, id);
    }
    return users;
}

static char *text_of(const StoreValue *value)
{
    return g_strdup(value->text ? value->text : "");
}

static gboolean image_load(World *world, const StoreValue *values, GError **error)
{
    const StoreValue *own = values + HEAD_END;
    g_autoptr(Template) template = template_parse(own[21].text, TEMPLATE_MODERN, error);
    g_autoptr(Template) snapshots =
        template ? template_parse(own[20].text, TEMPLATE_MODERN, error) : NULL;
    g_autoptr(Template) backup =
        snapshots ? template_parse(own[22].text, TEMPLATE_MODERN, error) : NULL;
    if (!backup)
        return FALSE;
    Image *image = g_new0(Image, 1);
    Object *head = &image->head;
    object_init(head, KIND_IMAGE, (gint32)values[0].number, values[1].text,
                g_steal_pointer(&template));
    head_from_row(head, values);
    image->type = (ImageType)own[0].number;
    image->disk_type = (gint)own[1].number;
    image->persistent = own[2].number != 0;
    image->regtime = own[3].number;
    image->modtime = own[4].number;
    image->source = text_of(&own[5]);
    image->path = text_of(&own[6]);
    image->format = text_of(&own[7]);
    image->fs = text_of(&own[8]);
    image->size = own[9].number;
    image->state = (ImageState)own[10].number;
    image->previous_state = (ImageState)own[11].number;
    image->datastore = (gint32)own[12].number;
    image->users = parse_users(own[13].text);
    image->clones = ids_parse(own[14].text);
    image->apps = ids_parse(NULL); /* apps are loaded later */
    image->cloning_id = (gint32)own[15].number;
    image->target_snapshot = (gint32)own[16].number;
    image->work = (ImageWork)own[17].number;
    image->token = text_of(&own[18]);
    image->stored = own[19].number;
    image->snapshots = g_steal_pointer(&snapshots);
    image->backup = g_steal_pointer(&backup);
    pool_add(world, head);
    Datastore *datastore = datastore_get(world, image->datastore);
    if (datastore)
        ids_add(datastore->images, head->id);
    return TRUE;
}

static void image_free(Object *object)
{
    Image *image = IMAGE(object);
    g_free(image->source);
    g_free(image->path);
    g_free(image->format);
    g_free(image->fs);
    g_free(image->token);
    g_free(image->progress);
    g_array_unref(image->users);
    g_array_unref(image->clones);
    g_array_unref(image->apps);
    template_free(image->snapshots);
    template_free(image->backup);
    object_clear(object);
    g_free(image);
}

const KindOperations image_operations = {image_render, NULL,   image_row,
                                         image_load,   &table, image_free};

/* ---- what must hold ---- */

static void violated(GPtrArray *found, const Image *image, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

static void violated(GPtrArray *found, const Image *image, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_ptr_array_add(found, g_strdup_printf("image %d (%s) %s", image->head.id,
                                           image_state_name(image->state), text));
}

static gboolean state_fits(const Image *image)
{
    gboolean used = image->users->len > 0, cloned = image_is_copied(image);
    gboolean removes = image->work == IMAGE_WORK_RM || image->work == IMAGE_WORK_RM_FORCED;
    gboolean makes = image->work != IMAGE_NO_WORK && !removes;
    switch (image->state) {
    case IMAGE_READY:
        return !used && !cloned && !makes;
    case IMAGE_USED:
        return used && !image->persistent && !makes;
    case IMAGE_USED_PERS:
        return used && image->persistent && !makes;
    case IMAGE_CLONE:
        return !used && cloned && !makes;
    case IMAGE_LOCKED:
        return !used && !cloned && makes;
    case IMAGE_LOCKED_USED:
        return used && !image->persistent && makes;
    case IMAGE_LOCKED_USED_PERS:
        return used && image->persistent && makes;
    case IMAGE_DELETE:
        return !used && !cloned && removes;
    case IMAGE_DISABLED:
    case IMAGE_ERROR:
        return image->work == IMAGE_NO_WORK;
    default:
        return FALSE;
    }
}

static void check_copies(World *world, const Image *image, GPtrArray *found)
{
    const Image *source = image_get(world, image->cloning_id);
    if (image->cloning_id >= 0 && !(source && ids_contain(source->clones, image->head.id)))
        violated(found, image, "is copied from image %d, which does not know", image->cloning_id);
    for (guint i = 0; i < image->clones->len; i++) {
        const Image *copy = image_get(world, g_array_index(image->clones, gint32, i));
        if (!copy || copy->cloning_id != image->head.id)
            violated(found, image, "counts a copy to image %d, which is none",
                     g_array_index(image->clones, gint32, i));
    }
}

void images_check(World *world, GPtrArray *problems)
{
    const GPtrArray *images = world->pools[KIND_IMAGE].order;
    for (guint i = 0; i < images->len; i++) {
        const Image *image = images->pdata[i];
        const Datastore *datastore = datastore_get(world, image->datastore);
        if (!state_fits(image))
            violated(problems, image,
                     "has %u uses, %u copies, work \"%s\" and is %spersistent, which is not that "
                     "state",
                     image->users->len, image->clones->len, image_work_name(image->work),
                     image->persistent ? "" : "not ");
        if (!datastore || !ids_contain(datastore->images, image->head.id))
            violated(problems, image, "is in datastore %d, which does not list it",
                     image->datastore);
        if (image->persistent && image->users->len > 1)
            violated(problems, image, "is persistent and has %u uses", image->users->len);
        check_copies(world, image, problems);
    }
}

/* Ids of the machines that have disks of the image, one for each disk. (owned) */
static GArray *real_users(World *world, const Image *image)
{
    GArray *users = g_array_new(FALSE, FALSE, sizeof(gint32));
    const GPtrArray *vms = world->pools[KIND_VM].order;
    for (guint i = 0; i < vms->len; i++) {
        const Vm *vm = vms->pdata[i];
        const TemplateAttribute *disk;
        gint64 id;
        for (guint j = 0; (disk = template_vector(vm->head.template, "DISK", j)); j++)
            if (vm->state != VM_DONE && attribute_get_int(disk, "IMAGE_ID", &id) &&
                id == image->head.id)
                g_array_append_val(users, vm->head.id);
    }
    return users;
}

static gboolean arrays_equal(const GArray *one, const GArray *other)
{
    return one->len == other->len &&
           (one->len == 0 || memcmp(one->data, other->data, one->len * sizeof(gint32)) == 0);
}

static void take_array(World *world, Image *image, GArray **place, GArray *right)
{
    if (arrays_equal(*place, right)) {
        g_array_unref(right);
        return;
    }
    g_array_unref(*place);
    *place = right;
    image_enter(world, image, image->state);
}

void images_repair(World *world)
{
    const GPtrArray *images = world->pools[KIND_IMAGE].order;
    for (guint i = 0; i < images->len; i++) {
        Image *image = images->pdata[i];
        GArray *copies = g_array_new(FALSE, FALSE, sizeof(gint32));
        for (guint j = 0; j < images->len; j++)
            if (IMAGE(images->pdata[j])->cloning_id == image->head.id)
                ids_add(copies, IMAGE(images->pdata[j])->head.id);
        take_array(world, image, &image->clones, copies);
        take_array(world, image, &image->users, real_users(world, image));
    }
}
