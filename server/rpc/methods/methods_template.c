/* Templates of machines: kept, cloned, and made into machines. Documents and templates of
 * networks, which are kept in the same way. */
#include "server/rpc/server_private.h"
#include "server/rpc/template_rules.h"
#include "server/rpc/vm_cards.h"
#include "server/rpc/vm_images.h"

#include "lib/base/names.h"
#include "server/model/storage/image.h"
#include "server/model/network/network.h"
#include "server/model/plain.h"

#include <string.h>

/* What a template of machines may hold that was written by this caller. */
static gboolean may_write(Request *request, Kind kind, const Template *template)
{
    return template_fits(request->world, template, &request->error) &&
           (kind != KIND_TEMPLATE ||
            vm_check_restricted(request->world, request->caller, template, &request->error));
}

/* A user's templates have different names; so have their documents of one type. */
static gboolean name_is_free(Request *request, Kind kind, const char *name, gint32 type)
{
    return request_name_is_free(
        request, kind, name,
        plain_find(request->world, kind, request->caller->head.id, name, type));
}

/* The template is taken, and has no NAME any more: that is the object's. */
static Plain *create(Request *request, Kind kind, const char *name, Template *template, gint32 type)
{
    g_autofree char *own = g_strdup(name); /* it may be the template's */
    template_remove(template, "NAME");
    Plain *plain = plain_create(request->world, kind, own, request->caller->head.id,
                                request->caller->head.gid, template, type);
    plain->head.permissions = request_new_permissions(request);
    return plain;
}

RpcReply *template_allocate(Request *request)
{
    Kind kind = request->method->kind;
    gint32 type = kind == KIND_DOCUMENT ? arg_int(request, 2, 0) : 0;
    g_autoptr(Template) template = request_template(request, 1);
    if (!template || !may_write(request, kind, template) ||
        !name_is_free(request, kind, template_get(template, "NAME"), type))
        return NULL;
    const char *name = template_get(template, "NAME");
    Plain *plain = create(request, kind, name, g_steal_pointer(&template), type);
    return reply_int(request, plain->head.id);
}

/* A copy of the request's object that is the caller's. NULL with the error. */
static Plain *copy_of(Request *request, const char *name)
{
    const Object *object = request->object;
    if (!name_is_free(request, object->kind, name, PLAIN(object)->type))
        return NULL;
    g_autoptr(Template) copy = template_copy(object->template);
    /* What an administrator wrote into a template must not become a user's to change. */
    if (!may_write(request, object->kind, copy))
        return NULL;
    return create(request, object->kind, name, g_steal_pointer(&copy), PLAIN(object)->type);
}

RpcReply *template_clone(Request *request)
{
    if (!request_may(request, RIGHT_CREATE, request->object->kind, NULL))
        return NULL;
    const char *name = arg_text(request, 2, "");
    g_autoptr(GArray) made = g_array_new(FALSE, FALSE, sizeof(gint32));
    gboolean images = request->object->kind == KIND_TEMPLATE && arg_bool(request, 3, FALSE);
    Plain *plain = copy_of(request, name);
    if (plain && images && !request_copy_images(request, plain->head.template, name, FALSE, made)) {
        pool_remove(request->world, &plain->head);
        return NULL;
    }
    return plain ? reply_int(request, plain->head.id) : NULL;
}

/* Has the images of the template's disks deleted: all, or none with the error. */
static gboolean delete_images(Request *request, const Template *template)
{
    g_autoptr(GPtrArray) images = request_template_images(request, template, RIGHT_MANAGE);
    for (guint i = 0; images && i < images->len; i++) {
        const Image *image = images->pdata[i];
        if (image &&
            (image_in_use(image) || image->state == IMAGE_DELETE ||
             image->work == IMAGE_WORK_SAVE || (image_is_locked(image) && image->stored))) {
            reply_error(request, ONE_ERROR_ACTION,
                        "Image %d of the template cannot be deleted: it is in state %s",
                        image->head.id, image_state_name(image->state));
            return FALSE;
        }
    }
    for (guint i = 0; images && i < images->len; i++) {
        Image *image = images->pdata[i];
        if (image && image->state != IMAGE_DELETE && /* two disks may be of one image */
            !image_delete(request->lifecycle, image, FALSE, &request->error))
            return FALSE;
    }
    return images != NULL;
}

RpcReply *template_delete(Request *request)
{
    gint32 id = request->object->id;
    if (request->object->kind == KIND_TEMPLATE && arg_bool(request, 2, FALSE) &&
        !delete_images(request, request->object->template))
        return NULL;
    acl_forget(request->world, request->object);
    pool_remove(request->world, request->object);
    return reply_int(request, id);
}

/* Arguments: template, extended: with what a machine made of it would get from its images and
 * networks. */
RpcReply *template_info(Request *request)
{
    World *world = request->world;
    if (!arg_bool(request, 2, FALSE))
        return object_info(request);
    Plain shown = *PLAIN(request->object); /* a view of it, with another template */
    g_autoptr(Template) whole = template_copy(shown.head.template);
    if (!disks_show(world, request->caller, whole, &request->error) ||
        !cards_show(world, request->caller, whole, &request->error))
        return NULL;
    shown.head.template = whole;
    g_autoptr(GString) xml = g_string_new(NULL);
    world->pools[KIND_TEMPLATE].operations->render(world, &shown.head, xml);
    request->seen = request->object->changed;
    return reply_text(request, xml->str);
}

/* An administrator's template, and so whatever it holds was meant. */
gboolean request_template_is_trusted(const Object *template)
{
    return template->uid == USER_ONEADMIN || template->gid == GROUP_ONEADMIN;
}

Template *request_instance(Request *request, const Object *source, const char *name, guint at)
{
    g_autoptr(Template) extra = request_template(request, at);
    if (!extra)
        return NULL;
    g_autoptr(Template) all = template_copy(source->template);
    template_remove(all, "NAME");
    if (template_count(extra)) {
        if (!request_may(request, RIGHT_CREATE, KIND_VM, NULL) ||
            !vm_check_restricted(request->world, request->caller, extra, &request->error))
            return NULL;
        template_merge(all, extra);
    }
    if (*name)
        template_set(all, "NAME", name);
    template_set_int(all, "TEMPLATE_ID", source->id);
    return g_steal_pointer(&all);
}

/* The machine's disks are persistent copies of its images, and its own template names them. */
static gboolean take_own_images(Request *request, Plain *own, Template *machine, GArray *copies)
{
    TemplateAttribute *disk, *theirs;
    if (!request_copy_images(request, machine, own->head.name, TRUE, copies))
        return FALSE;
    for (guint i = 0; (disk = template_vector(machine, "DISK", i)); i++) {
        if (!(theirs = template_vector(own->head.template, "DISK", i)) ||
            !attribute_get(disk, "IMAGE_ID"))
            continue;
        attribute_set(theirs, "IMAGE", NULL);
        attribute_set(theirs, "IMAGE_UNAME", NULL);
        attribute_set(theirs, "IMAGE_UID", NULL);
        attribute_set(theirs, "IMAGE_ID", attribute_get(disk, "IMAGE_ID"));
    }
    object_changed(request->world, &own->head);
    return TRUE;
}

/* Arguments: template, name, hold, extra template, persistent: the machine then has a template of
 * its own, which stays when the machine is gone. */
RpcReply *template_instantiate(Request *request)
{
    const Object *source = request->object;
    gboolean persistent = arg_bool(request, 5, FALSE),
             trusted = request_template_is_trusted(source);
    if (template_get_bool(source->template, "VROUTER", FALSE))
        return reply_error(request, ONE_ERROR_ACTION,
                           "Virtual router templates cannot be instantiated: template %d has "
                           "VROUTER=YES; use one.vrouter.instantiate",
                           source->id);
    g_autoptr(Template) all = request_instance(request, source, arg_text(request, 2, ""), 4);
    if (!all)
        return NULL;
    if (persistent && !(request_may(request, RIGHT_CREATE, KIND_TEMPLATE, NULL) &&
                        request_may(request, RIGHT_CREATE, KIND_VM, NULL)))
        return NULL;
    Plain *own = NULL;
    g_autoptr(GArray) copies = g_array_new(FALSE, FALSE, sizeof(gint32));
    if (persistent) {
        const char *name = arg_text(request, 2, "");
        g_autofree char *made = g_strdup_printf("%s-copy", source->name);
        if (!(own = copy_of(request, *name ? name : made)))
            return NULL;
        template_set_int(all, "TEMPLATE_ID", own->head.id);
        if (!take_own_images(request, own, all, copies)) {
            pool_remove(request->world, &own->head);
            return NULL;
        }
    }
    Vm *vm = request_new_machine(request, all, source->name, arg_bool(request, 3, FALSE), trusted);
    if (!vm && own)
        pool_remove(request->world, &own->head);
    for (guint i = 0; !vm && i < copies->len; i++)
        (void)image_delete(request->lifecycle,
                           image_get(request->world, g_array_index(copies, gint32, i)), FALSE,
                           NULL);
    return vm ? reply_int(request, vm->head.id) : NULL;
}

/* The clusters that CLUSTER_IDS names, taken out of the template; of others than an administrator's
 * the caller must be ADMIN. FALSE with the request's error. */
static gboolean take_clusters(Request *request, Template *template, gboolean trusted, GArray **ids)
{
    *ids = ids_parse(template_get(template, "CLUSTER_IDS"));
    template_remove(template, "CLUSTER_IDS");
    for (guint i = 0; i < (*ids)->len; i++) {
        Object *cluster = request_object(request, KIND_CLUSTER, g_array_index(*ids, gint32, i));
        if (!cluster || (!trusted && !request_may(request, RIGHT_ADMIN, KIND_CLUSTER, cluster)))
            return FALSE;
    }
    return TRUE;
}

/* Arguments: template of networks, name, extra template. */
RpcReply *vntemplate_instantiate(Request *request)
{
    const Object *source = request->object;
    const char *name = arg_text(request, 2, "");
    g_autoptr(Template) extra = request_template(request, 3);
    if (!extra || !request_may(request, RIGHT_CREATE, KIND_NET, NULL) ||
        !request_network_fits(request, extra))
        return NULL;
    gboolean trusted = request_template_is_trusted(source);
    g_autoptr(Template) all = template_copy(source->template);
    trusted &= !template_get(extra, "CLUSTER_IDS");
    template_merge(all, extra);
    template_set(all, "NAME", *name ? name : source->name);
    g_autoptr(GArray) clusters = NULL;
    if (!(request_template_is_trusted(source) ? template_fits(request->world, all, &request->error)
                                              : request_network_fits(request, all)) ||
        !take_clusters(request, all, trusted, &clusters))
        return NULL;
    Network *network = request_new_network(request, g_steal_pointer(&all), clusters);
    if (!network)
        return NULL;
    network->template_id = source->id;
    return reply_int(request, network->head.id);
}

/* Documents of one type. */
RpcReply *documentpool_info(Request *request)
{
    GPtrArray *objects = request_visible(request, KIND_DOCUMENT, arg_int(request, 1, -2));
    gint32 type = arg_int(request, 4, 0);
    if (!objects)
        return NULL;
    for (guint i = objects->len; i > 0; i--)
        if (PLAIN(objects->pdata[i - 1])->type != type)
            g_ptr_array_remove_index(objects, i - 1);
    request_page(objects, arg_int(request, 2, -1), arg_int(request, 3, -1));
    return reply_pool(request, KIND_DOCUMENT, objects, FALSE, NULL);
}
