/* Images: made from a path, an address or nothing, copied, and of disks of machines. */
#include "server/rpc/server_private.h"
#include "server/rpc/template_rules.h"
#include "server/rpc/vm_images.h"

#include "lib/base/names.h"
#include "server/model/storage/image.h"
#include "server/model/people/quota.h"
#include "server/model/machine/vm_images.h"

#include <string.h>

/* 2.x knew one place for images, and names none. */
#define DATASTORE_OF_2009 1

/* What a new image will be. The texts are those of the template, which keeps them. */
typedef struct Order {
    Template *template;
    Datastore *datastore;
    ImageDraft draft;
    ImageWork work;
} Order;

static void order_clear(Order *order)
{
    template_free(order->template);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Order, order_clear)

/* Attributes that become the image's own and are not kept in its template. */
static const char *const own[] = {"NAME", "TYPE",   "PERSISTENT", "SIZE",
                                  "PATH", "SOURCE", "FORMAT",     "FS"};

/* What drivers read of the image itself, and a user has no business to say. */
static const char *const also[] = {"ID",    "UID",     "GID",          "DISK_TYPE",      "STATE",
                                   "TOKEN", "REGTIME", "DATASTORE_ID", "TARGET_SNAPSHOT"};

#define refuse(request, ...)                                                                       \
    (reply_error(request, ONE_ERROR_ALLOCATE, "Error allocating a new image. " __VA_ARGS__), FALSE)

/* ---- what a template says ---- */

/* The first that says something: the caller, their group, oned.conf. */
static gboolean said_persistent(const Request *request, const char *key)
{
    const Object *group = pool_get(request->world, KIND_GROUP, request->caller->head.gid);
    const char *text = template_get(request->caller->head.template, key);
    if (!text && group)
        text = template_get(group->template, key);
    if (!text)
        text = config_text(request->world->config, key);
    return !g_ascii_strcasecmp(text, "YES") || !g_ascii_strcasecmp(text, "TRUE");
}

gboolean image_persistent_fits(Request *request, const Datastore *datastore, ImageType type,
                               gboolean persistent)
{
    const char *only = NULL;
    const TemplateAttribute *conf =
        config_named(request->world->config, "DS_MAD_CONF", datastore->ds_mad);
    if (conf)
        only = attribute_get(conf, "PERSISTENT_ONLY");
    if (persistent && image_type_is_file(type))
        reply_error(request, ONE_ERROR_ACTION,
                    "An image of type KERNEL, RAMDISK or CONTEXT cannot be persistent");
    else if (!persistent && only && !g_ascii_strcasecmp(only, "YES"))
        reply_error(request, ONE_ERROR_ACTION,
                    "Datastore %d has persistent images only (PERSISTENT_ONLY of DS_MAD_CONF for "
                    "%s in oned.conf)",
                    datastore->head.id, datastore->ds_mad);
    return !request->error;
}

static gboolean type_fits(Request *request, const Datastore *datastore, ImageType type)
{
    DatastoreType wanted = image_type_is_file(type) ? DATASTORE_FILE : DATASTORE_IMAGE;
    if (type == IMAGE_BACKUP)
        return refuse(request, "An image of type BACKUP is made by a backup only.");
    if (datastore->type != wanted)
        return refuse(request,
                      "An image of type %s is for a datastore of type %s; datastore %d is "
                      "of type %s.",
                      image_type_name(type), datastore_type_name(wanted), datastore->head.id,
                      datastore_type_name(datastore->type));
    return TRUE;
}

/* Words of lines for drivers have no blanks in them. */
static gboolean is_word(const char *text)
{
    for (const char *at = text; *at; at++)
        if (g_ascii_isspace(*at) || g_ascii_iscntrl(*at))
            return FALSE;
    return TRUE;
}

static gboolean is_name(const char *text)
{
    static const char letters[] = G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "_-+.";
    return !text[strspn(text, letters)];
}

/* Where an image is copied from: an address, or a file of oned's computer that may be read. The
 * driver looks again, at where the path really leads to. */
static gboolean path_fits(Request *request, const Datastore *datastore, const char *path)
{
    const Template *template = datastore->head.template;
    const char *restricted = template_get(template, "RESTRICTED_DIRS");
    const char *safe = template_get(template, "SAFE_DIRS");
    if (g_str_has_prefix(path, "http://") || g_str_has_prefix(path, "https://"))
        return is_word(path) || refuse(request, "PATH has a blank: \"%s\".", path);
    g_auto(GStrv) parts = g_strsplit(path, "/", -1);
    if (!g_path_is_absolute(path) || path[strcspn(path, "\t\n\r")])
        return refuse(request,
                      "PATH \"%s\" is neither an absolute path nor an address of http or "
                      "https.",
                      path);
    if (g_strv_contains((const char *const *)parts, "..") || strstr(path, "//"))
        return refuse(request, "PATH \"%s\" has \"..\" or \"//\" in it; give the plain path.",
                      path);
    if (path_is_below(path, restricted ? restricted : "") && !path_is_below(path, safe ? safe : ""))
        return refuse(request,
                      "PATH \"%s\" is in a restricted directory: datastore %d reads from "
                      "SAFE_DIRS only (\"%s\").",
                      path, datastore->head.id, safe ? safe : "");
    return TRUE;
}

static gboolean read_size(Request *request, Order *order)
{
    const Template *template = order->template;
    gint64 size = 0;
    if (template_get(template, "SIZE") &&
        (!template_get_int(template, "SIZE", &size) || size < 1 || size > G_MAXINT32))
        return refuse(request, "SIZE \"%s\" is no number of MiB from 1 to %d.",
                      template_get(template, "SIZE"), G_MAXINT32);
    order->draft.size = size;
    return TRUE;
}

/* From a path, from what is there already, or empty. */
static gboolean read_origin(Request *request, Order *order)
{
    const char *path = template_get(order->template, "PATH");
    const char *source = template_get(order->template, "SOURCE");
    ImageDraft *draft = &order->draft;
    if (path && *path && source && *source)
        return refuse(request, "It has a PATH and a SOURCE; give one of them.");
    if (path && *path) {
        draft->path = path;
        order->work = IMAGE_WORK_CP;
        return path_fits(request, order->datastore, path);
    }
    if (source && *source) {
        draft->source = source;
        order->work = IMAGE_NO_WORK;
        return is_word(source) || refuse(request, "SOURCE has a blank: \"%s\".", source);
    }
    order->work = IMAGE_WORK_MKFS;
    if (draft->type != IMAGE_OS && draft->type != IMAGE_DATABLOCK &&
        draft->type != IMAGE_FILESYSTEM)
        return refuse(request, "An image of type %s needs a PATH.", image_type_name(draft->type));
    if (!draft->size)
        return refuse(request, "It has no PATH to be copied from, and no SIZE to be made with.");
    return TRUE;
}

/* FILE, unless the datastore or the template says otherwise; compact discs have numbers of their
 * own (image.xsd). */
gint image_disk_type_of(const Datastore *datastore, ImageType type)
{
    gboolean has_cd = datastore->disk_type == 0 || datastore->disk_type == 3 ||
                      datastore->disk_type == 5 || datastore->disk_type == 7;
    return datastore->disk_type + (type == IMAGE_CDROM && has_cd ? 1 : 0);
}

static gboolean read_words(Request *request, Order *order)
{
    const Template *template = order->template;
    const Config *config = request->world->config;
    const char *driver = template_get(template, "DRIVER");
    const char *prefix = template_get(template, "DEV_PREFIX");
    ImageDraft *draft = &order->draft;
    draft->format = template_get(template, "FORMAT");
    draft->fs = template_get(template, "FS");
    if (!draft->format)
        draft->format = driver ? driver : template_get(order->datastore->head.template, "DRIVER");
    if (!draft->format && order->work == IMAGE_WORK_MKFS)
        draft->format = "raw";
    if (draft->format && !is_name(draft->format))
        return refuse(request, "FORMAT \"%s\" is not the name of a format, such as raw.",
                      draft->format);
    if (draft->fs && !is_name(draft->fs))
        return refuse(request, "FS \"%s\" is not the name of a file system, such as ext4.",
                      draft->fs);
    if (prefix && !is_name(prefix))
        return refuse(request, "DEV_PREFIX \"%s\" is not the beginning of a device's name.",
                      prefix);
    if (!prefix && !image_type_is_file(draft->type))
        template_set(order->template, "DEV_PREFIX",
                     config_text(config, draft->type == IMAGE_CDROM ? "DEFAULT_CDROM_DEVICE_PREFIX"
                                                                    : "DEFAULT_DEVICE_PREFIX"));
    return TRUE;
}

/* The template of a call, whole. FALSE with the request's error. */
static gboolean read_order(Request *request, Order *order)
{
    World *world = request->world;
    ImageDraft *draft = &order->draft;
    order->template = request_template(request, 1);
    order->datastore = order->template
                           ? DATASTORE(request_object(request, KIND_DATASTORE,
                                                      arg_int(request, 2, DATASTORE_OF_2009)))
                           : NULL;
    if (!order->datastore ||
        !request_may(request, RIGHT_USE, KIND_DATASTORE, &order->datastore->head) ||
        !request_app_becomes_image(request, order->template) ||
        !check_restricted(world, request->caller, order->template, "IMAGE_RESTRICTED_ATTR",
                          "Template", &request->error))
        return FALSE;
    const char *type = template_get(order->template, "TYPE");
    const char *persistent = template_get(order->template, "PERSISTENT");
    if (order->datastore->type == DATASTORE_SYSTEM)
        return refuse(request, "New images cannot be allocated in a system datastore.");
    draft->name = template_get(order->template, "NAME");
    if (!request_own_name_is_free(request, KIND_IMAGE, draft->name))
        return FALSE;
    if (!type || !*type)
        type = config_text(world->config, "DEFAULT_IMAGE_TYPE");
    if (!image_type_read(type, &draft->type))
        return refuse(request,
                      "TYPE \"%s\" is not known: it is OS, CDROM, DATABLOCK, KERNEL, "
                      "RAMDISK, CONTEXT or FILESYSTEM.",
                      type);
    draft->persistent = persistent ? template_get_bool(order->template, "PERSISTENT", FALSE)
                                   : said_persistent(request, "DEFAULT_IMAGE_PERSISTENT_NEW") &&
                                         !image_type_is_file(draft->type);
    draft->disk_type = image_disk_type_of(order->datastore, draft->type);
    return type_fits(request, order->datastore, draft->type) &&
           image_persistent_fits(request, order->datastore, draft->type, draft->persistent) &&
           read_size(request, order) && read_origin(request, order) && read_words(request, order);
}

static gboolean driver_is_there(Request *request, const Datastore *datastore)
{
    if (lifecycle_knows(request->lifecycle, DRIVER_DATASTORE, datastore->ds_mad))
        return TRUE;
    return refuse(request,
                  "Datastore %d has DS_MAD = %s, and oned.conf has no DATASTORE_MAD for "
                  "that.",
                  datastore->head.id, datastore->ds_mad);
}

/* The image is made, the caller's. Takes the template of the order. */
static Image *create(Request *request, Order *order)
{
    ImageDraft *draft = &order->draft;
    g_autofree char *name = g_strdup(draft->name);
    g_autofree char *source = g_strdup(draft->source), *path = g_strdup(draft->path);
    g_autofree char *format = g_strdup(draft->format), *fs = g_strdup(draft->fs);
    draft->name = name;
    draft->source = source;
    draft->path = path;
    draft->format = format;
    draft->fs = fs;
    draft->uid = request->caller->head.id;
    draft->gid = request->caller->head.gid;
    draft->permissions = request_new_permissions(request);
    for (guint i = 0; i < G_N_ELEMENTS(own); i++)
        template_remove(order->template, own[i]);
    for (guint i = 0; i < G_N_ELEMENTS(also); i++)
        template_remove(order->template, also[i]);
    template_remove(order->template, "ERROR");
    draft->template = g_steal_pointer(&order->template);
    return image_create(request->world, order->datastore, draft);
}

/* What the image is goes by methods of its own, and is no attribute of its template: a driver that
 * finds no PATH of an image must not find another one there. */
gboolean image_may_write(Request *request, const Template *change)
{
    const char *found = NULL;
    for (guint i = 0; !found && i < G_N_ELEMENTS(own); i++)
        found = template_get(change, own[i]) ? own[i] : NULL;
    for (guint i = 0; !found && i < G_N_ELEMENTS(also); i++)
        found = template_get(change, also[i]) ? also[i] : NULL;
    if (!check_restricted(request->world, request->caller, change, "IMAGE_RESTRICTED_ATTR",
                          "Template", &request->error))
        return FALSE;
    if (found)
        reply_error(request, ONE_ERROR_ACTION,
                    "%s of an image cannot be changed by an update: see one.image.rename, chtype, "
                    "persistent and their like",
                    found);
    return !found;
}

/* ---- making one ---- */

/* The size is known: the call is handled once more, from its beginning, since meanwhile anything
 * may have changed. */
static void size_is_known(gint64 size, const GError *error, gpointer data)
{
    RpcCall *call = data;
    if (error) {
        request_fail_later(call, error);
        return;
    }
    call->size_known = TRUE;
    call->size_mb = size;
    request_handle_again(call);
}

RpcReply *image_allocate(Request *request)
{
    g_auto(Order) order = {0};
    gboolean no_check = arg_bool(request, 3, FALSE);
    RpcCall *call = request->call;
    if (!read_order(request, &order))
        return NULL;
    if (no_check && !user_is_admin(request->caller))
        return reply_error(request, ONE_ERROR_AUTHORIZATION,
                           "User [%d] : Only administrators may make an image without looking at "
                           "the free space.",
                           request->caller->head.id);
    if (order.work != IMAGE_NO_WORK && !driver_is_there(request, order.datastore))
        return NULL;
    if (order.draft.path && !call->size_known) {
        (void)image_stat(request->lifecycle, order.datastore, order.template,
                         request->caller->head.id, size_is_known, call, &request->error);
        return NULL;
    }
    if (order.draft.path)
        order.draft.size = MAX(order.draft.size, call->size_mb);
    if (!no_check && order.work != IMAGE_NO_WORK &&
        !datastore_has_room(request->world, order.datastore, order.draft.size, &request->error))
        return NULL;
    if (!request_image_fits_quota(request, order.datastore, order.draft.size))
        return NULL;
    ImageWork work = order.work;
    Image *image = create(request, &order);
    image_begin(request->lifecycle, image, work);
    return reply_int(request, image->head.id);
}

/* ---- copying one ---- */

static gboolean may_be_copied(Request *request, const Image *image)
{
    if (image_type_is_file(image->type) || image->type == IMAGE_BACKUP)
        reply_error(request, ONE_ERROR_ACTION, "An image of type %s cannot be cloned",
                    image_type_name(image->type));
    else if (image->state != IMAGE_READY && image->state != IMAGE_USED &&
             image->state != IMAGE_CLONE)
        reply_error(request, ONE_ERROR_ACTION, "Cannot clone image %d in state %s", image->head.id,
                    image_state_name(image->state));
    return !request->error;
}

/* Where a copy goes: the datastore of the image, or another that the same driver keeps. */
static Datastore *copy_goes_to(Request *request, const Image *image, gint32 id)
{
    Object *object = request_object(request, KIND_DATASTORE, id < 0 ? image->datastore : id);
    const Datastore *from = datastore_get(request->world, image->datastore);
    if (!object || !request_may(request, RIGHT_USE, KIND_DATASTORE, object))
        return NULL;
    Datastore *to = DATASTORE(object);
    if (to->type != DATASTORE_IMAGE || (from && strcmp(from->ds_mad, to->ds_mad) != 0)) {
        reply_error(request, ONE_ERROR_ACTION,
                    "Image %d of datastore %d cannot be cloned into datastore %d: that must be of "
                    "type IMAGE_DS with DS_MAD = %s",
                    image->head.id, image->datastore, object->id, from ? from->ds_mad : "");
        return NULL;
    }
    return to;
}

/* Where the copy goes, when all is well with it; NULL with the error. */
static Datastore *copy_is_possible(Request *request, const Image *source, const char *name,
                                   gint32 id, gboolean persistent)
{
    if (!request_may(request, RIGHT_CREATE, KIND_IMAGE, NULL) || !may_be_copied(request, source))
        return NULL;
    Datastore *datastore = copy_goes_to(request, source, id);
    return datastore && request_own_name_is_free(request, KIND_IMAGE, name) &&
                   driver_is_there(request, datastore) &&
                   datastore_has_room(request->world, datastore, source->size, &request->error) &&
                   image_persistent_fits(request, datastore, source->type, persistent)
               ? datastore
               : NULL;
}

static Image *copy_image(Request *request, Image *source, Datastore *datastore, const char *name,
                         gboolean persistent)
{
    g_auto(Order) order = {.template = template_copy(source->head.template),
                           .datastore = datastore,
                           .draft = {.name = name,
                                     .type = source->type,
                                     .persistent = persistent,
                                     .disk_type = image_disk_type_of(datastore, source->type),
                                     .path = source->source,
                                     .format = source->format,
                                     .fs = source->fs,
                                     .size = source->size}};
    Image *copy = create(request, &order);
    image_cloning_begin(request->world, source, copy);
    image_begin(request->lifecycle, copy, IMAGE_WORK_CLONE);
    return copy;
}

RpcReply *image_clone(Request *request)
{
    Image *source = IMAGE(request->object);
    const char *name = arg_text(request, 2, "");
    gboolean persistent = said_persistent(request, "DEFAULT_IMAGE_PERSISTENT");
    Datastore *datastore =
        copy_is_possible(request, source, name, arg_int(request, 3, -1), persistent);
    if (!datastore || !request_image_fits_quota(request, datastore, source->size))
        return NULL;
    return reply_int(request, copy_image(request, source, datastore, name, persistent)->head.id);
}

/* ---- the images of a template ---- */

GPtrArray *request_template_images(Request *request, const Template *template, Right right)
{
    g_autoptr(GPtrArray) images = g_ptr_array_new();
    TemplateAttribute *disk;
    for (guint i = 0; (disk = template_vector(template, "DISK", i)); i++) {
        g_autoptr(GError) why = NULL;
        Image *image = image_find(request->world, request->caller, disk, &why);
        if (why) {
            g_propagate_error(&request->error, g_steal_pointer(&why));
            return NULL;
        }
        if (image && !request_may(request, right, KIND_IMAGE, &image->head))
            return NULL;
        g_ptr_array_add(images, image);
    }
    return g_steal_pointer(&images);
}

gboolean request_copy_images(Request *request, Template *template, const char *name,
                             gboolean persistent, GArray *made)
{
    g_autoptr(GPtrArray) images = request_template_images(request, template, RIGHT_USE);
    const Object *caller = &request->caller->head;
    g_autoptr(QuotaUse) all = quota_use_new(caller->id, caller->gid, -1);
    gint64 wanted = 0; /* of several datastores more than each needs */
    for (guint pass = 0; images && pass < 2; pass++) {
        if (pass == 1 &&
            !quota_allows(request->world, NULL, g_steal_pointer(&all), &request->error))
            return FALSE;
        for (guint i = 0; i < images->len; i++) {
            Image *source = images->pdata[i];
            g_autofree char *copy = g_strdup_printf("%s-disk-%u", name, i);
            /* All are looked at before the first is copied. */
            Datastore *datastore = !source ? NULL
                                   : pass == 0
                                       ? copy_is_possible(request, source, copy, -1, persistent)
                                       : datastore_get(request->world, source->datastore);
            if (source && !datastore)
                return FALSE;
            if (source && pass == 0) {
                wanted += source->size;
                if (!datastore_has_room(request->world, datastore, wanted, &request->error))
                    return FALSE;
                quota_use_add_image(all, datastore->head.id, source->size);
            }
            if (!source || pass == 0)
                continue;
            gint32 id = copy_image(request, source, datastore, copy, persistent)->head.id;
            TemplateAttribute *disk = template_vector(template, "DISK", i);
            g_array_append_val(made, id);
            attribute_set(disk, "IMAGE", NULL);
            attribute_set(disk, "IMAGE_UNAME", NULL);
            attribute_set(disk, "IMAGE_UID", NULL);
            attribute_set_int(disk, "IMAGE_ID", id);
        }
    }
    return images != NULL;
}

/* ---- saving a machine's disk as one ---- */

/* What the new image takes from the disk and the image that this was made of. (owned) */
static Template *saved_template(const Image *source, gint32 vm, gint32 disk)
{
    static const char *const kept[] = {"DEV_PREFIX", "DRIVER", "BUS", "DESCRIPTION"};
    Template *template = template_new();
    for (guint i = 0; i < G_N_ELEMENTS(kept); i++)
        if (template_get(source->head.template, kept[i]))
            template_set(template, kept[i], template_get(source->head.template, kept[i]));
    template_set_int(template, "SAVED_DISK_ID", disk);
    template_set_int(template, "SAVED_IMAGE_ID", source->head.id);
    template_set_int(template, "SAVED_VM_ID", vm);
    return template;
}

static gboolean read_saved(Request *request, const TemplateAttribute *disk, Order *order)
{
    const Image *source = disk ? disk_image(request->world, disk) : NULL;
    const char *type = arg_text(request, 4, ""),
               *format = disk ? attribute_get(disk, "DRIVER") : "";
    gint64 size = 0;
    if (!source)
        return reply_error(request, ONE_ERROR_ACTION,
                           disk ? "Disk %d was not made of an image; it belongs to no datastore "
                                  "that could keep it"
                                : "VM disk does not exist: there is no disk %d",
                           arg_int(request, 2, -1)),
               FALSE;
    order->datastore = datastore_get(request->world, source->datastore);
    order->draft.type = source->type;
    if (*type && (!image_type_read(type, &order->draft.type) ||
                  image_type_is_file(order->draft.type) || order->draft.type == IMAGE_BACKUP))
        return reply_error(
                   request, ONE_ERROR_ACTION,
                   "A disk cannot be saved as an image of type \"%s\"; give OS or DATABLOCK", type),
               FALSE;
    (void)attribute_get_int(disk, "SIZE", &size);
    order->draft.size = size;
    order->draft.disk_type = source->disk_type;
    order->draft.format = format && !strcmp(format, "qcow2") ? "qcow2" : "raw";
    order->template = saved_template(source, request->object->id, arg_int(request, 2, -1));
    return TRUE;
}

RpcReply *vm_method_disksaveas(Request *request)
{
    World *world = request->world;
    Vm *vm = VM(request->object);
    g_auto(Order) order = {.draft = {.name = arg_text(request, 3, "")}};
    VmAsker asker = request_asker(request);
    if (!read_saved(request, vm_device(vm, "DISK", arg_int(request, 2, -1)), &order) ||
        !request_may(request, RIGHT_CREATE, KIND_IMAGE, NULL) ||
        !request_may(request, RIGHT_USE, KIND_DATASTORE, &order.datastore->head) ||
        !request_own_name_is_free(request, KIND_IMAGE, order.draft.name) ||
        !datastore_has_room(world, order.datastore, order.draft.size, &request->error) ||
        !request_image_fits_quota(request, order.datastore, order.draft.size))
        return NULL;
    Image *image = create(request, &order);
    g_free(image->source);
    image->source = g_strdup_printf("%s/%d/%d-%s", world->datastores, image->datastore,
                                    image->head.id, image->token);
    gint32 id = image->head.id;
    if (vm_save_disk(request->lifecycle, vm, arg_int(request, 2, -1), arg_int(request, 5, -1),
                     image, &asker, &request->error))
        return reply_int(request, id);
    image_remove(world, image);
    return NULL;
}
