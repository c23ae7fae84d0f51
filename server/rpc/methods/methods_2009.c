/* The twelve methods of OpenNebula 1.2: names without a dot, no passwords, plain text
 * answers. They stand on what the methods of today do; only shapes and texts are theirs. */
#include "server/rpc/server_private.h"

#include <string.h>

/* Every generation's clients show the text after "false" as it is. */
static RpcReply *told(Request *request, const char *text)
{
    return reply_error(request, ONE_ERROR_ACTION, "%s", text);
}

/* The answer of a method of today, cut down to "true"; a failure stays one. */
static RpcReply *only_done(Request *request, RpcReply *reply)
{
    if (!reply)
        return NULL;
    rpc_reply_free(reply);
    return reply_done(request);
}

static Vm *named_vm(Request *request, guint at)
{
    gint32 id = arg_int(request, at, -1);
    Vm *vm = vm_get(request->world, id);
    if (!vm)
        reply_error(request, ONE_ERROR_NO_EXISTS, "The virtual machine %d does not exists", id);
    request->object = vm ? &vm->head : NULL;
    return vm;
}

static Host *named_host(Request *request, guint at, const char *format)
{
    gint32 id = arg_int(request, at, -1);
    Host *host = host_get(request->world, id);
    if (!host) {
        g_autofree char *number = g_strdup_printf("%d", id);
        g_auto(GStrv) parts = g_strsplit(format, "%", 2);
        reply_error(request, ONE_ERROR_NO_EXISTS, "%s%s%s", parts[0], number, parts[1]);
    }
    request->object = host ? &host->head : NULL;
    return host;
}

RpcReply *old_vmallocate(Request *request)
{
    return vm_allocate(request);
}

RpcReply *old_vmdeploy(Request *request)
{
    VmAsker asker = request_asker(request);
    if (!named_host(request, 2, "The host % does not exists"))
        return NULL;
    Vm *vm = named_vm(request, 1);
    VmPlace place = {arg_int(request, 2, -1), -1, FALSE};
    if (!vm)
        return NULL;
    if (vm->state != VM_PENDING && vm->state != VM_HOLD)
        return reply_error(request, ONE_ERROR_ACTION, "Can not deploy VM %d, wrong state",
                           vm->head.id);
    return vm_deploy(request->lifecycle, vm, &place, &asker, &request->error) ? reply_done(request)
                                                                              : NULL;
}

RpcReply *old_vmaction(Request *request)
{
    VmAsker asker = request_asker(request);
    const char *word = arg_text(request, 1, "");
    if (!vm_get(request->world, arg_int(request, 2, -1)))
        return told(request, "Virtual machine does not exist");
    if (!vm_action_right(word))
        return told(request, "Unknown action");
    Vm *vm = named_vm(request, 2);
    if (!vm_action(request->lifecycle, vm, word, &asker, &request->error))
        return told(request, "Wrong state to perform action");
    return reply_done(request);
}

RpcReply *old_vmmigrate(Request *request)
{
    VmAsker asker = request_asker(request);
    if (!named_host(request, 2, "The host % does not exists"))
        return NULL;
    Vm *vm = named_vm(request, 1);
    VmPlace place = {arg_int(request, 2, -1), -1, FALSE};
    VmMove order = {arg_bool(request, 3, FALSE), 0, NULL};
    return vm && vm_migrate(request->lifecycle, vm, &place, &order, &asker, &request->error)
               ? reply_done(request)
               : NULL;
}

static void line(GString *text, const char *label, const char *format, ...) G_GNUC_PRINTF(3, 4);

static void line(GString *text, const char *label, const char *format, ...)
{
    va_list arguments;
    g_string_append_printf(text, "%-18s: ", label);
    va_start(arguments, format);
    g_string_append_vprintf(text, format, arguments);
    va_end(arguments);
    g_string_append_c(text, '\n');
}

RpcReply *old_vmget_info(Request *request)
{
    gint32 id = arg_int(request, 1, -1);
    Vm *vm = vm_get(request->world, id);
    if (!vm)
        return reply_error(request, ONE_ERROR_NO_EXISTS, "Error getting vm with VID = %d", id);
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree char *template = template_to_text(vm->head.template);
    gint state, lcm; /* clients of 1.2 have the names */
    vm_old_state(vm, &state, &lcm);
    line(text, "VID", "%d", vm->head.id);
    line(text, "UID", "%d", vm->head.uid);
    line(text, "STATE", "%d", state);
    line(text, "LCM STATE", "%d", lcm);
    line(text, "DEPLOY ID", "%s", vm->deploy_id);
    line(text, "MEMORY", "%" G_GINT64_FORMAT, vm->memory_used);
    line(text, "CPU", "%" G_GINT64_FORMAT, vm->cpu_used);
    line(text, "LAST POLL", "%" G_GINT64_FORMAT, vm->last_poll);
    line(text, "START TIME", "%" G_GINT64_FORMAT, vm->stime);
    line(text, "STOP TIME", "%" G_GINT64_FORMAT, vm->etime);
    line(text, "NET TX", "%" G_GINT64_FORMAT, vm->net_tx);
    line(text, "NET RX", "%" G_GINT64_FORMAT, vm->net_rx);
    g_string_append_printf(text, "Template\n%s", template);
    request->seen = vm->head.changed;
    return reply_text(request, text->str);
}

RpcReply *old_hostallocate(Request *request)
{
    /* name, information, virtualization, transfer, managed: as 1.4, with one word more */
    g_ptr_array_set_size(request->call->arguments, 5);
    return host_allocate_old(request);
}

RpcReply *old_hostinfo(Request *request)
{
    Host *host = named_host(request, 1, "Error getting host with HID = %");
    if (!host)
        return NULL;
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree char *template = template_to_text(host->head.template);
    const char *transfer = template_get(host->head.template, "TM_MAD");
    g_string_append_printf(text,
                           "HID      = %d\nHOSTNAME = %s\nIM MAD   = %s\nVMM MAD  = %s\n"
                           "TM MAD   = %s\nMANAGED  = 1\nATTRIBUTES\n%s\nHOST SHARES\n"
                           "HID\tENDPOINT\tMAX_CPU\tMAX_MEMORY\tMAX_DISK\tCPU_USAGE\t"
                           "MEMORY_USAGE\tDISK_USAGE\tRUNNING_VMS\n",
                           host->head.id, host->head.name, host->im_mad, host->vm_mad,
                           transfer ? transfer : "", template);
    g_string_append_printf(text,
                           "%d\t%s\t%" G_GINT64_FORMAT "\t%" G_GINT64_FORMAT "\t%" G_GINT64_FORMAT
                           "\t%" G_GINT64_FORMAT "\t%" G_GINT64_FORMAT "\t%" G_GINT64_FORMAT
                           "\t%u\n",
                           host->head.id, "", host->max_cpu, host->max_memory, host->max_disk,
                           host->cpu_usage, host->memory_usage, host->disk_usage, host->vms->len);
    request->seen = host->head.changed;
    return reply_text(request, text->str);
}

RpcReply *old_hostdelete(Request *request)
{
    return named_host(request, 1, "Error getting host with HID = %")
               ? only_done(request, host_delete(request))
               : NULL;
}

RpcReply *old_hostenable(Request *request)
{
    return named_host(request, 1, "Error getting host with HID = %")
               ? only_done(request, host_enable(request))
               : NULL;
}

/* ---- networks ---- */

static Network *named_network(Request *request)
{
    gint32 id = arg_int(request, 1, -1);
    Network *network = network_get(request->world, id);
    if (!network)
        reply_error(request, ONE_ERROR_NO_EXISTS, "Error getting Virtual Network with NID = %d",
                    id);
    request->object = network ? &network->head : NULL;
    return network;
}

RpcReply *old_vnallocate(Request *request)
{
    RpcReply *reply = network_allocate(request);
    if (!reply && request->error)
        g_prefix_error(&request->error, "Error allocating VN with template: ");
    return reply;
}

static void append_lease(GString *text, const AddressRange *range, guint place)
{
    AddressText told[ADDRESSES_MAX];
    guint count = range_addresses(range, place, told);
    Holder holder = range_holder(range, place);
    g_autofree char *ip = NULL, *mac = NULL;
    for (guint i = 0; i < count; i++) {
        if (!ip && g_str_has_prefix(told[i].name, "IP"))
            ip = g_strdup_printf("IP = %s", told[i].text);
        if (!strcmp(told[i].name, "MAC"))
            mac = g_strdup_printf("MAC = %s", told[i].text);
    }
    g_string_append_printf(text, "%-20s%-24s USED = 1 VID = %d\n", ip ? ip : "IP = -",
                           mac ? mac : "MAC = -", holder.kind == HOLDER_VM ? holder.id : -1);
}

RpcReply *old_vninfo(Request *request)
{
    const Network *network = named_network(request);
    if (!network)
        return NULL;
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree char *template = template_to_text(network->head.template);
    const char *bridge = template_get(network->head.template, "BRIDGE");
    gboolean fixed = network->ranges->len > 0;
    for (guint i = 0; i < network->ranges->len; i++)
        fixed &= ((const AddressRange *)network->ranges->pdata[i])->size == 1;
    line(text, "NID", "%d", network->head.id);
    line(text, "UID", "%d", network->head.uid);
    line(text, "Network Name", "%s", network->head.name);
    line(text, "Type", "%s", fixed ? "Fixed" : "Ranged");
    line(text, "Bridge", "%s", bridge ? bridge : "");
    g_string_append_printf(text, "\n....: Template :....\n%s\n....: Leases :....\n", template);
    for (guint i = 0; i < network->ranges->len; i++) {
        const AddressRange *range = network->ranges->pdata[i];
        for (guint at = range_next_held(range, 0); at < range->size;
             at = range_next_held(range, at + 1))
            append_lease(text, range, at);
    }
    request->seen = network->head.changed;
    return reply_text(request, text->str);
}

RpcReply *old_vndelete(Request *request)
{
    return named_network(request) ? only_done(request, network_delete(request)) : NULL;
}
