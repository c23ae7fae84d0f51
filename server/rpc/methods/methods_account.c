/* Accounting and show-back: what machines used, and what that costs. */
#include "server/rpc/server_private.h"
#include "server/rpc/vm_screen.h"

#include "server/model/machine/showback.h"

/* ---- accounting ---- */

/* The record reaches into the time from `start` to `end`; -1: open. */
static gboolean is_within(const VmRecord *record, gint32 start, gint32 end)
{
    return (start == -1 || !record->etime || record->etime > start) &&
           (end == -1 || record->stime < end);
}

/* All records of the machine within that time. The machine itself is written once and sent with
 * each of them. */
static void add_records(World *world, Vm *vm, gint32 start, gint32 end, FragmentList *list)
{
    Fragment *machine = NULL;
    for (guint i = 0; i < vm->records->len; i++) {
        const VmRecord *record = vm->records->pdata[i];
        if (!is_within(record, start, end))
            continue;
        g_autoptr(GString) xml = g_string_new(NULL);
        if (!machine) {
            char *password = vm_screen_cover(vm);
            vm_render_for_record(world, vm, xml);
            vm_screen_uncover(vm, password);
            g_string_append(xml, "</HISTORY>");
            machine = fragment_new_escaped(xml->str, xml->len);
            g_string_truncate(xml, 0);
        }
        vm_render_record_open(vm, record, xml);
        fragment_list_add(list, fragment_new_escaped(xml->str, xml->len));
        fragment_list_add(list, fragment_ref(machine));
    }
    fragment_unref(machine);
}

RpcReply *vmpool_accounting(Request *request)
{
    g_autoptr(GPtrArray) vms = request_visible(request, KIND_VM, arg_int(request, 1, -2));
    gint32 start = arg_int(request, 2, -1), end = arg_int(request, 3, -1);
    if (!vms)
        return NULL;
    FragmentList *list = fragment_list_new(vms->len * 2 + 2);
    fragment_list_add_text(list, "&lt;HISTORY_RECORDS&gt;");
    gboolean ascending =
        vms->len > 1 && ((Object *)vms->pdata[0])->id < ((Object *)vms->pdata[1])->id;
    for (guint i = 0; i < vms->len; i++)
        add_records(request->world, vms->pdata[ascending ? i : vms->len - 1 - i], start, end, list);
    fragment_list_add_text(list, "&lt;/HISTORY_RECORDS&gt;");
    request->seen = request->world->pools[KIND_VM].changed;
    return rpc_reply_text(list);
}

/* ---- show-back ---- */

static ShowbackMonth month_argument(const Request *request, guint at)
{
    return (ShowbackMonth){.month = arg_int(request, at, -1), .year = arg_int(request, at + 1, -1)};
}

RpcReply *vmpool_showback(Request *request)
{
    ShowbackMonth from = month_argument(request, 2), to = month_argument(request, 4);
    if (!showback_month_fits(from, &request->error) || !showback_month_fits(to, &request->error))
        return NULL;
    g_autoptr(GPtrArray) vms = request_visible(request, KIND_VM, arg_int(request, 1, -2));
    if (!vms)
        return NULL;
    g_autoptr(GString) xml = g_string_new("<SHOWBACK_RECORDS>");
    gsize empty = xml->len;
    for (guint i = vms->len; i-- > 0;)
        showback_render(request->world, vms->pdata[i], from, to, xml);
    if (xml->len == empty)
        g_string_assign(xml, "<SHOWBACK_RECORDS/>");
    else
        g_string_append(xml, "</SHOWBACK_RECORDS>");
    return reply_text(request, xml->str);
}

static RpcReply *calculate(Request *request, guint at)
{
    if (!showback_calculate(request->world, month_argument(request, at),
                            month_argument(request, at + 2), &request->error))
        return NULL;
    return reply_text(request, " "); /* as OpenNebula answers */
}

RpcReply *vmpool_calculateshowback(Request *request)
{
    return calculate(request, 1);
}

/* The filter before the months changes nothing, as with OpenNebula, which takes it for the month:
 * all machines are calculated. */
RpcReply *vmpool_calculateshowback_filter(Request *request)
{
    return calculate(request, 2);
}
