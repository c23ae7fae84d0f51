/* PCI devices of hosts come to machines that are off, and go. */
#include "server/rpc/server_private.h"
#include "server/rpc/template_rules.h"

#include "server/lifecycle/lifecycle.h"
#include "server/model/place/host_pci.h"
#include "server/model/people/quota.h"

#include <string.h>

static gboolean is_off(Request *request)
{
    const Vm *vm = VM(request->object);
    if (!vm->operation && (vm->state == VM_POWEROFF || vm->state == VM_UNDEPLOYED))
        return TRUE;
    reply_error(request, ONE_ERROR_ACTION,
                "PCI devices of machine %d change while it is POWEROFF or UNDEPLOYED, not in state "
                "%s",
                vm->head.id, vm_shown_state(vm));
    return FALSE;
}

static gboolean is_card(const TemplateAttribute *pci)
{
    const char *type = attribute_get(pci, "TYPE");
    return type && g_ascii_strcasecmp(type, "NIC") == 0;
}

/* The one PCI = [ ... ] of a call, or NULL with the error. */
static const TemplateAttribute *device_of_call(Request *request, const Template *given)
{
    const TemplateAttribute *pci = template_vector(given, "PCI", 0);
    if (!pci || template_vector(given, "PCI", 1))
        reply_error(request, ONE_ERROR_ACTION,
                    "The template must have one PCI = [ ... ], and has %s",
                    pci ? "several" : "none");
    else if (is_card(pci))
        reply_error(request, ONE_ERROR_ACTION,
                    "A PCI device with TYPE = NIC has an address of a network and cannot be "
                    "attached; give it to the machine when it is made");
    else if (!host_pci_is_named(pci))
        reply_error(request, ONE_ERROR_ACTION,
                    "PCI = [ ... ] names no device: it needs VENDOR, DEVICE, CLASS or "
                    "SHORT_ADDRESS");
    else
        return pci;
    return NULL;
}

/* A template of the machine with that device, which has the next number. (owned) */
static Template *with_device(const Vm *vm, const TemplateAttribute *pci)
{
    const TemplateAttribute *other;
    gint64 next = 0, id;
    g_autoptr(Template) one = template_new();
    Template *after = template_copy(vm->head.template);
    for (guint i = 0; (other = template_vector(after, "PCI", i)); i++)
        next = MAX(next, attribute_get_int(other, "PCI_ID", &id) ? id + 1 : (gint64)i + 1);
    TemplateAttribute *added = template_add_vector(one, "PCI");
    for (guint i = 0; i < pci->pairs->len; i++) {
        const TemplatePair *pair = pci->pairs->pdata[i];
        attribute_set(added, pair->name, pair->value);
    }
    host_pci_number(one);
    attribute_set_int(added, "PCI_ID", next);
    template_take(after, template_steal(one, 0));
    return after;
}

/* The machine's template is another (taken), and who has which device of its host, too. */
static RpcReply *set_devices(Request *request, Template *after, gint number)
{
    Vm *vm = VM(request->object);
    VmAsker asker = request_asker(request);
    const VmRecord *last = vm_last_record(vm);
    Host *host = last ? host_get(request->world, last->host) : NULL;
    template_free(vm->head.template);
    vm->head.template = after;
    vm_note_change(request->lifecycle, vm, number, &asker);
    object_changed(request->world, &vm->head);
    if (host)
        object_touched(request->world, &host->head);
    return reply_int(request, vm->head.id);
}

/* Arguments: machine, template with one PCI = [ ... ]. */
RpcReply *vm_method_attachpci(Request *request)
{
    World *world = request->world;
    Vm *vm = VM(request->object);
    g_autoptr(Template) given = request_template(request, 2);
    if (!given || !vm_check_restricted(world, request->caller, given, &request->error) ||
        !is_off(request))
        return NULL;
    const TemplateAttribute *pci = device_of_call(request, given);
    if (!pci)
        return NULL;
    if (template_vector(vm->head.template, "PCI", HOST_PCI_MAX - 1))
        return reply_error(request, ONE_ERROR_ACTION, "A machine has at most %d PCI devices",
                           HOST_PCI_MAX);
    g_autoptr(Template) after = with_device(vm, pci);
    Vm changed = *vm;
    changed.head.template = after;
    if (!template_fits(world, after, &request->error) ||
        !quota_allows_vm(world, &changed, -1, &request->error))
        return NULL;
    const Host *host = vm->state == VM_POWEROFF ? host_get(world, vm_last_record(vm)->host) : NULL;
    if (host && !host_pci_choose(world, host, vm, after, FALSE, &request->error))
        return NULL;
    return set_devices(request, g_steal_pointer(&after), VM_ACTION_PCI_ATTACH);
}

/* Arguments: machine, PCI_ID; of a device that has none, its place. */
RpcReply *vm_method_detachpci(Request *request)
{
    gint32 wanted = arg_int(request, 2, -1);
    gint64 place = 0, id;
    if (!is_off(request))
        return NULL;
    g_autoptr(Template) after = template_copy(request->object->template);
    for (guint i = 0; i < template_count(after); i++) {
        const TemplateAttribute *pci = template_nth(after, i);
        if (strcmp(pci->name, "PCI") != 0 || !pci->pairs)
            continue;
        gboolean found = (attribute_get_int(pci, "PCI_ID", &id) ? id : place) == (gint64)wanted;
        place++;
        if (!found || is_card(pci))
            continue;
        template_attribute_free(template_steal(after, i));
        return set_devices(request, g_steal_pointer(&after), VM_ACTION_PCI_DETACH);
    }
    return reply_error(request, ONE_ERROR_ACTION, "Machine %d has no PCI device %d",
                       request->object->id, wanted);
}
