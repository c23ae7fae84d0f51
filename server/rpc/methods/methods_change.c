/* Machines that are changed: devices, snapshots, size, configuration. */
#include "server/rpc/context.h"
#include "server/rpc/server_private.h"
#include "server/rpc/template_rules.h"
#include "server/rpc/vm_cards.h"
#include "server/rpc/vm_devices.h"
#include "server/rpc/vm_template.h"

#include "lib/base/names.h"
#include "server/model/machine/vm_backups.h"
#include "server/model/machine/vm.h"
#include "server/model/network/vrouter.h"

#include <string.h>

static RpcReply *reply_to(Request *request, gboolean success)
{
    return success ? reply_int(request, request->object->id) : NULL;
}

/* -1: the request's error is set. */
static RpcReply *reply_number(Request *request, gint32 number)
{
    return number >= 0 ? reply_int(request, number) : NULL;
}

/* Clients expect the code of a refused action for what they gave, too. */
static RpcReply *refuse_given(Request *request)
{
    if (request->error && request->error->code == ONE_ERROR_INTERNAL)
        request->error->code = ONE_ERROR_ACTION;
    return NULL;
}

/* A name that may be empty. */
static gboolean name_fits(Request *request, const char *name)
{
    return !*name || name_check(name, &request->error);
}

/* ---- disks ---- */

RpcReply *vm_method_attach(Request *request)
{
    Vm *vm = VM(request->object);
    VmAsker asker = request_asker(request);
    g_autoptr(Template) given = request_template(request, 2);
    if (!given)
        return NULL;
    TemplateAttribute *disk =
        vm_draft_disk(request->world, request->caller, vm->head.template, given, &request->error);
    if (!disk)
        return refuse_given(request);
    return reply_to(request, vm_attach_disk(request->lifecycle, vm, disk, &asker, &request->error));
}

RpcReply *vm_method_detach(Request *request)
{
    VmAsker asker = request_asker(request);
    return reply_to(request, vm_detach_disk(request->lifecycle, VM(request->object),
                                            arg_int(request, 2, -1), &asker, &request->error));
}

RpcReply *vm_method_diskresize(Request *request)
{
    VmAsker asker = request_asker(request);
    return reply_to(request,
                    vm_resize_disk(request->lifecycle, VM(request->object), arg_int(request, 2, -1),
                                   arg_text(request, 3, ""), &asker, &request->error));
}

/* ---- network cards ---- */

/* Cards of a router's machines come and go with those of the router. */
static gboolean has_own_cards(Request *request)
{
    const VRouter *router = vrouter_of_vm(request->world, VM(request->object));
    return !router || reply_error(request, ONE_ERROR_ACTION,
                                  "Action is not supported for virtual router VMs: use attachnic "
                                  "and detachnic of virtual router %d, which machine %d is of",
                                  router->head.id, request->object->id) != NULL;
}

RpcReply *vm_method_attachnic(Request *request)
{
    Vm *vm = VM(request->object);
    VmAsker asker = request_asker(request);
    if (!has_own_cards(request))
        return NULL;
    g_autoptr(Template) given = request_template(request, 2);
    if (!given)
        return NULL;
    TemplateAttribute *nic = vm_draft_nic(request->world, request->caller, vm->head.id,
                                          vm->head.template, given, &request->error);
    if (!nic)
        return refuse_given(request);
    return reply_to(request, vm_attach_nic(request->lifecycle, vm, nic, &asker, &request->error));
}

RpcReply *vm_method_detachnic(Request *request)
{
    VmAsker asker = request_asker(request);
    if (!has_own_cards(request))
        return NULL;
    return reply_to(request, vm_detach_nic(request->lifecycle, VM(request->object),
                                           arg_int(request, 2, -1), &asker, &request->error));
}

/* What only administrators give to a card, such as a limit of its network, stays when somebody else
 * replaces what it holds. */
static void keep_restricted_pairs(Request *request, TemplateAttribute *change)
{
    const TemplateAttribute *nic = vm_device(VM(request->object), "NIC", arg_int(request, 2, -1));
    for (guint i = 0; nic && !user_is_admin(request->caller) && i < nic->pairs->len; i++) {
        const TemplatePair *pair = nic->pairs->pdata[i];
        g_autofree char *path = g_strdup_printf("NIC/%s", pair->name);
        if (is_restricted(request->world, "VM_RESTRICTED_ATTR", path, nic))
            attribute_set(change, pair->name, pair->value);
    }
}

RpcReply *vm_method_updatenic(Request *request)
{
    VmAsker asker = request_asker(request);
    gint32 append = arg_int(request, 4, 0);
    g_autoptr(Template) given = request_template(request, 3);
    if (!given)
        return NULL;
    if (append != 0 && append != 1)
        return reply_error(request, ONE_ERROR_RPC_API, "Wrong update type");
    TemplateAttribute *nic = template_vector(given, "NIC", 0);
    if (!nic || template_vector(given, "NIC", 1))
        return reply_error(request, ONE_ERROR_ACTION,
                           "The template must have one NIC = [ ... ], and has %s",
                           nic ? "several" : "none");
    if (!template_fits(request->world, given, &request->error) ||
        !vm_check_restricted(request->world, request->caller, given, &request->error))
        return NULL;
    if (!append)
        keep_restricted_pairs(request, nic);
    return reply_to(request,
                    vm_update_nic(request->lifecycle, VM(request->object), arg_int(request, 2, -1),
                                  nic, append == 1, &asker, &request->error));
}

/* ---- security groups of a card ---- */

/* The card that the call names, of a machine whose cards can be changed now. NULL with the error.
 */
static TemplateAttribute *card_of_call(Request *request)
{
    Vm *vm = VM(request->object);
    gint32 id = arg_int(request, 2, -1);
    TemplateAttribute *card = NULL;
    gint64 number;
    gboolean rests = vm->state == VM_PENDING || vm->state == VM_HOLD || vm->state == VM_POWEROFF ||
                     vm->state == VM_UNDEPLOYED || vm->state == VM_STOPPED ||
                     vm->state == VM_SUSPENDED;
    if (vm->operation || !(rests || (vm->state == VM_ACTIVE && vm->lcm == LCM_RUNNING)))
        return reply_error(request, ONE_ERROR_ACTION,
                           "Security groups of machine %d cannot be changed in state %s",
                           vm->head.id, vm_shown_state(vm)),
               NULL;
    if (!(card = vm_device(vm, "NIC", id)))
        for (guint i = 0; (card = template_vector(vm->head.template, "NIC_ALIAS", i)); i++)
            if (attribute_get_int(card, "NIC_ID", &number) && number == id)
                break;
    if (!card)
        return reply_error(request, ONE_ERROR_ACTION, "NIC with NIC_ID %d does not exist.", id),
               NULL;
    return card;
}

static RpcReply *set_groups(Request *request, TemplateAttribute *card, const GArray *ids)
{
    Vm *vm = VM(request->object);
    g_autofree char *text = ids_print(ids);
    attribute_set(card, "SECURITY_GROUPS", text);
    secgroup_count(request->world, vm);
    secgroup_write_rules(request->world, vm->head.template);
    object_changed(request->world, &vm->head);
    lifecycle_vm_groups_changed(request->lifecycle, vm, card);
    return reply_int(request, vm->head.id);
}

/* Arguments: machine, card, security group. */
RpcReply *vm_method_attachsg(Request *request)
{
    gint32 group = arg_int(request, 3, -1);
    Object *object = request_object(request, KIND_SECGROUP, group);
    if (!object || !request_may(request, RIGHT_USE, KIND_SECGROUP, object))
        return NULL;
    TemplateAttribute *card = card_of_call(request);
    if (!card)
        return NULL;
    g_autoptr(GArray) ids = ids_parse(attribute_get(card, "SECURITY_GROUPS"));
    if (ids_contain(ids, group))
        return reply_error(request, ONE_ERROR_ACTION,
                           "NIC %d of machine %d is in security group %d already",
                           arg_int(request, 2, -1), request->object->id, group);
    ids_add(ids, group);
    g_autofree char *text = ids_print(ids);
    g_autoptr(Template) more = template_new();
    TemplateAttribute *probe = template_add_vector(more, "NIC");
    attribute_set(probe, "SECURITY_GROUPS", text);
    if (!cards_groups_fit(VM(request->object)->head.template, probe, &request->error))
        return NULL;
    return set_groups(request, card, ids);
}

RpcReply *vm_method_detachsg(Request *request)
{
    gint32 group = arg_int(request, 3, -1);
    TemplateAttribute *card = card_of_call(request);
    g_autoptr(GArray) ids = card ? ids_parse(attribute_get(card, "SECURITY_GROUPS")) : NULL;
    if (!ids)
        return NULL;
    if (!ids_remove(ids, group))
        return reply_error(request, ONE_ERROR_ACTION,
                           "NIC %d of machine %d is not in security group %d",
                           arg_int(request, 2, -1), request->object->id, group);
    /* Groups only let through: with fewer of them less comes by, with none of them all. */
    if (ids->len == 0 && !user_is_admin(request->caller))
        return reply_error(
            request, ONE_ERROR_ACTION,
            "Security group %d is the last one of NIC %d, which would not be filtered "
            "at all without it; attach another first",
            group, arg_int(request, 2, -1));
    return set_groups(request, card, ids);
}

/* ---- snapshots ---- */

RpcReply *vm_method_snapshotcreate(Request *request)
{
    VmAsker asker = request_asker(request);
    const char *name = arg_text(request, 2, "");
    if (!name_fits(request, name))
        return NULL;
    return reply_number(request, vm_snapshot_create(request->lifecycle, VM(request->object), name,
                                                    &asker, &request->error));
}

static RpcReply *change_snapshot(Request *request, const char *word)
{
    VmAsker asker = request_asker(request);
    return reply_to(request, vm_snapshot_change(request->lifecycle, VM(request->object), word,
                                                arg_int(request, 2, -1), &asker, &request->error));
}

RpcReply *vm_method_snapshotrevert(Request *request)
{
    return change_snapshot(request, "snapshot-revert");
}

RpcReply *vm_method_snapshotdelete(Request *request)
{
    return change_snapshot(request, "snapshot-delete");
}

RpcReply *vm_method_disksnapshotcreate(Request *request)
{
    VmAsker asker = request_asker(request);
    const char *name = arg_text(request, 3, "");
    if (!name_fits(request, name))
        return NULL;
    return reply_number(request, vm_disk_snapshot_create(request->lifecycle, VM(request->object),
                                                         arg_int(request, 2, -1), name, &asker,
                                                         &request->error));
}

static RpcReply *change_disk_snapshot(Request *request, const char *word)
{
    VmAsker asker = request_asker(request);
    return reply_to(request,
                    vm_disk_snapshot_change(request->lifecycle, VM(request->object), word,
                                            arg_int(request, 2, -1), arg_int(request, 3, -1),
                                            &asker, &request->error));
}

RpcReply *vm_method_disksnapshotrevert(Request *request)
{
    return change_disk_snapshot(request, "disk-snapshot-revert");
}

RpcReply *vm_method_disksnapshotdelete(Request *request)
{
    return change_disk_snapshot(request, "disk-snapshot-delete");
}

RpcReply *vm_method_disksnapshotrename(Request *request)
{
    const char *name = arg_text(request, 4, "");
    if (!name_check(name, &request->error))
        return NULL;
    return reply_to(request, vm_disk_snapshot_rename(
                                 request->lifecycle, VM(request->object), arg_int(request, 2, -1),
                                 arg_int(request, 3, -1), name, &request->error));
}

/* ---- size, configuration ---- */

RpcReply *vm_method_resize(Request *request)
{
    VmAsker asker = request_asker(request);
    g_autoptr(Template) capacity = request_template(request, 2);
    if (!capacity)
        return NULL;
    return reply_to(request, vm_resize(request->lifecycle, VM(request->object), capacity,
                                       arg_bool(request, 3, TRUE), &asker, &request->error));
}

/* What the guest is told, as text. (owned) */
static char *context_of(const Template *template)
{
    const TemplateAttribute *context = template_vector(template, "CONTEXT", 0);
    GString *text = g_string_new(NULL);
    if (context)
        template_attribute_append_xml(context, text);
    return g_string_free(text, FALSE);
}

RpcReply *vm_method_updateconf(Request *request)
{
    Vm *vm = VM(request->object);
    VmAsker asker = request_asker(request);
    gint32 append = arg_int(request, 3, 0);
    g_autoptr(Template) given = request_template(request, 2);
    if (!given)
        return NULL;
    if (append != 0 && append != 1)
        return reply_error(request, ONE_ERROR_RPC_API, "Wrong update type");
    const TemplateAttribute *backups = template_vector(given, "BACKUP_CONFIG", 0);
    if (!append || backups) {
        g_autoptr(Template) settings = template_copy(vm->backups);
        if (!vm_backups_configure(settings, backups, append == 1, &request->error))
            return NULL;
    }
    Template *before = vm->head.template;
    Template *after =
        vm_draft_conf(request->world, request->caller, before, given, append == 1, &request->error);
    if (!after)
        return NULL;
    if (template_vector(given, "CONTEXT", 0)) {
        vm->head.template = after; /* variables are read from what it will be */
        context_complete(request->world, vm);
        vm->head.template = before;
    }
    g_autofree char *now = context_of(before), *then = context_of(after);
    if (!vm_update_conf(request->lifecycle, vm, after, strcmp(now, then) != 0, &asker,
                        &request->error))
        return NULL;
    if (!append || backups) {
        (void)vm_backups_configure(vm->backups, backups, append == 1, NULL);
        object_changed(request->world, request->object);
    }
    return reply_int(request, vm->head.id);
}
