/* The renderings of a machine: full, short for pools, and the shape of 1.4 to 3.8.
 * Order of elements: share/schema/vm.rng. */
#include "server/model/machine/vm.h"

#include "server/model/machine/sched_action.h"
#include "server/model/machine/vm_backups.h"
#include "server/model/machine/vm_snapshots.h"
#include "server/model/world.h"

#include <string.h>

void vm_render(World *world, Object *object, GString *xml);
void vm_render_brief(World *world, Object *object, GString *xml);

void vm_render_record_open(const Vm *vm, const VmRecord *record, GString *xml)
{
    g_string_append(xml, "<HISTORY>");
    xml_int(xml, "OID", vm->head.id);
    xml_int(xml, "SEQ", record->seq);
    xml_text(xml, "HOSTNAME", record->host_name);
    xml_int(xml, "HID", record->host);
    xml_int(xml, "CID", record->cluster);
    xml_int(xml, "STIME", record->stime);
    xml_int(xml, "ETIME", record->etime);
    xml_cdata(xml, "VM_MAD", record->vm_mad);
    xml_cdata(xml, "TM_MAD", record->tm_mad);
    xml_int(xml, "DS_ID", record->datastore);
    xml_int(xml, "PLAN_ID", record->plan);
    xml_int(xml, "ACTION_ID", record->plan_action);
    xml_int(xml, "PSTIME", record->pstime);
    xml_int(xml, "PETIME", record->petime);
    xml_int(xml, "RSTIME", record->rstime);
    xml_int(xml, "RETIME", record->retime);
    xml_int(xml, "ESTIME", record->estime);
    xml_int(xml, "EETIME", record->eetime);
    xml_int(xml, "ACTION", record->action);
    xml_int(xml, "UID", record->uid);
    xml_int(xml, "GID", record->gid);
    xml_text(xml, "REQUEST_ID", record->request ? record->request : "-1");
}

static void render_head(World *world, Vm *vm, GString *xml)
{
    xml_int(xml, "ID", vm->head.id);
    xml_owner(world, &vm->head, xml);
    xml_text(xml, "NAME", vm->head.name);
}

static void render_records(const Vm *vm, GString *xml)
{
    if (vm->records->len == 0) {
        g_string_append(xml, "<HISTORY_RECORDS/>");
        return;
    }
    g_string_append(xml, "<HISTORY_RECORDS>");
    for (guint i = 0; i < vm->records->len; i++) {
        vm_render_record_open(vm, vm->records->pdata[i], xml);
        g_string_append(xml, "</HISTORY>");
    }
    g_string_append(xml, "</HISTORY_RECORDS>");
}

static void render_whole(World *world, Object *object, gboolean history, GString *xml)
{
    Vm *vm = VM(object);
    g_string_append(xml, "<VM>");
    render_head(world, vm, xml);
    xml_permissions(object, xml);
    xml_int(xml, "LAST_POLL", vm->last_poll);
    xml_int(xml, "STATE", vm->state);
    xml_int(xml, "LCM_STATE", vm->lcm);
    xml_int(xml, "PREV_STATE", vm->previous_state);
    xml_int(xml, "PREV_LCM_STATE", vm->previous_lcm);
    xml_int(xml, "RESCHED", vm->resched);
    xml_int(xml, "STIME", vm->stime);
    xml_int(xml, "ETIME", vm->etime);
    xml_text(xml, "DEPLOY_ID", vm->deploy_id);
    xml_lock(object, xml);
    g_string_append_printf(xml, vm->monitoring ? "<MONITORING>%s</MONITORING>" : "<MONITORING/>",
                           vm->monitoring);
    sched_actions_render_ids(world, object, xml);
    g_string_append(xml, "<TEMPLATE>");
    template_append_xml(object->template, xml);
    sched_actions_render(world, object, xml);
    g_string_append(xml, "</TEMPLATE>");
    template_append_xml_element(vm->user_template, "USER_TEMPLATE", xml);
    if (history)
        render_records(vm, xml);
    else
        g_string_append(xml, "<HISTORY_RECORDS/>");
    vm_snapshots_render(vm, xml);
    vm_backups_render(vm, xml);
    g_string_append(xml, "</VM>");
}

void vm_render(World *world, Object *object, GString *xml)
{
    render_whole(world, object, TRUE, xml);
}

void vm_render_for_record(World *world, Vm *vm, GString *xml)
{
    render_whole(world, &vm->head, FALSE, xml);
}

/* Attributes of vectors that pools show, in this order. */
static const char *const brief_disk[] = {"DISK_ID",
                                         "DATASTORE",
                                         "DATASTORE_ID",
                                         "IMAGE",
                                         "IMAGE_ID",
                                         "SIZE",
                                         "TYPE",
                                         "CLONE",
                                         "CLONE_TARGET",
                                         "LN_TARGET",
                                         "DISK_SNAPSHOT_TOTAL_SIZE",
                                         NULL};
static const char *const brief_nic[] = {
    "IP",  "EXTERNAL_IP", "IP6",        "IP6_LINK", "IP6_ULA",         "IP6_GLOBAL", "NETWORK_MODE",
    "MAC", "NETWORK",     "NETWORK_ID", "NIC_ID",   "SECURITY_GROUPS", NULL};
static const char *const brief_user[] = {"LABELS",
                                         "ERROR",
                                         "SCHED_MESSAGE",
                                         "SCHED_RANK",
                                         "SCHED_DS_RANK",
                                         "SCHED_REQUIREMENTS",
                                         "SCHED_DS_REQUIREMENTS",
                                         "USER_PRIORITY",
                                         NULL};

static void render_brief_vectors(const Template *template, const char *name,
                                 const char *const *shown, GString *xml)
{
    TemplateAttribute *attribute;
    for (guint i = 0; (attribute = template_vector(template, name, i)); i++) {
        g_string_append_printf(xml, "<%s>", name);
        for (guint j = 0; shown[j]; j++) {
            const char *value = attribute_get(attribute, shown[j]);
            if (value)
                xml_cdata(xml, shown[j], value);
        }
        g_string_append_printf(xml, "</%s>", name);
    }
}

static void render_brief_template(const Vm *vm, GString *xml)
{
    const Template *template = vm->head.template;
    g_string_append(xml, "<TEMPLATE>");
    xml_text(xml, "CPU", template_get(template, "CPU"));
    xml_text(xml, "MEMORY", template_get(template, "MEMORY"));
    xml_text(xml, "VCPU", template_get(template, "VCPU"));
    render_brief_vectors(template, "DISK", brief_disk, xml);
    render_brief_vectors(template, "NIC", brief_nic, xml);
    TemplateAttribute *graphics = template_vector(template, "GRAPHICS", 0);
    if (graphics)
        template_attribute_append_xml(graphics, xml);
    g_string_append(xml, "</TEMPLATE>");
}

/* CPU, MEMORY and STATE of the last sample, the part of MONITORING that lists show. */
static void render_brief_monitoring(const Vm *vm, GString *xml)
{
    if (!vm->monitoring) {
        g_string_append(xml, "<MONITORING/>");
        return;
    }
    g_string_append(xml, "<MONITORING>");
    g_string_append_printf(xml, "<CPU><![CDATA[%" G_GINT64_FORMAT "]]></CPU>", vm->cpu_used);
    g_string_append_printf(xml, "<MEMORY><![CDATA[%" G_GINT64_FORMAT "]]></MEMORY>",
                           vm->memory_used);
    g_string_append(xml, "</MONITORING>");
}

void vm_render_brief(World *world, Object *object, GString *xml)
{
    Vm *vm = VM(object);
    g_string_append(xml, "<VM>");
    render_head(world, vm, xml);
    xml_int(xml, "LAST_POLL", vm->last_poll);
    xml_int(xml, "STATE", vm->state);
    xml_int(xml, "LCM_STATE", vm->lcm);
    xml_int(xml, "RESCHED", vm->resched);
    xml_int(xml, "STIME", vm->stime);
    xml_int(xml, "ETIME", vm->etime);
    xml_text(xml, "DEPLOY_ID", vm->deploy_id);
    if (object->lock.level)
        g_string_append_printf(xml, "<LOCK><LOCKED>%d</LOCKED></LOCK>", object->lock.level);
    render_brief_template(vm, xml);
    render_brief_monitoring(vm, xml);
    gsize empty = xml->len;
    g_string_append(xml, "<USER_TEMPLATE>");
    gsize start = xml->len;
    for (guint i = 0; brief_user[i]; i++) {
        const char *value = template_get(vm->user_template, brief_user[i]);
        if (value)
            xml_cdata(xml, brief_user[i], value);
    }
    if (xml->len == start) {
        g_string_truncate(xml, empty);
        g_string_append(xml, "<USER_TEMPLATE/>");
    } else {
        g_string_append(xml, "</USER_TEMPLATE>");
    }
    const VmRecord *last = vm_last_record(vm);
    if (last) {
        g_string_append(xml, "<HISTORY_RECORDS><HISTORY>");
        xml_int(xml, "OID", object->id);
        xml_int(xml, "SEQ", last->seq);
        xml_text(xml, "HOSTNAME", last->host_name);
        xml_int(xml, "HID", last->host);
        xml_int(xml, "CID", last->cluster);
        xml_int(xml, "DS_ID", last->datastore);
        xml_cdata(xml, "VM_MAD", last->vm_mad);
        xml_cdata(xml, "TM_MAD", last->tm_mad);
        xml_int(xml, "ACTION", last->action);
        g_string_append(xml, "</HISTORY></HISTORY_RECORDS>");
    } else {
        g_string_append(xml, "<HISTORY_RECORDS/>");
    }
    g_string_append(xml, "</VM>");
}

void vm_render_old(World *world, Vm *vm, GString *xml)
{
    const VmRecord *last = vm_last_record(vm);
    gint state, lcm;
    vm_old_state(vm, &state, &lcm);
    g_string_append(xml, "<VM>");
    xml_int(xml, "ID", vm->head.id);
    xml_int(xml, "UID", vm->head.uid);
    xml_int(xml, "GID", vm->head.gid);
    xml_text(xml, "USERNAME", world_user_name(world, vm->head.uid));
    xml_text(xml, "UNAME", world_user_name(world, vm->head.uid));
    xml_text(xml, "GNAME", world_group_name(world, vm->head.gid));
    xml_text(xml, "NAME", vm->head.name);
    xml_int(xml, "LAST_POLL", vm->last_poll);
    xml_int(xml, "STATE", state);
    xml_int(xml, "LCM_STATE", lcm);
    xml_int(xml, "STIME", vm->stime);
    xml_int(xml, "ETIME", vm->etime);
    xml_text(xml, "DEPLOY_ID", vm->deploy_id);
    xml_int(xml, "MEMORY", vm->memory_used);
    xml_int(xml, "CPU", vm->cpu_used);
    xml_int(xml, "NET_TX", vm->net_tx);
    xml_int(xml, "NET_RX", vm->net_rx);
    xml_int(xml, "LAST_SEQ", last ? last->seq : -1);
    template_append_xml_element(vm->head.template, "TEMPLATE", xml);
    if (last) {
        g_string_append(xml, "<HISTORY>");
        xml_int(xml, "SEQ", last->seq);
        xml_text(xml, "HOSTNAME", last->host_name);
        xml_int(xml, "HID", last->host);
        xml_int(xml, "STIME", last->stime);
        xml_int(xml, "ETIME", last->etime);
        xml_int(xml, "PSTIME", last->pstime);
        xml_int(xml, "PETIME", last->petime);
        xml_int(xml, "RSTIME", last->rstime);
        xml_int(xml, "RETIME", last->retime);
        xml_int(xml, "ESTIME", last->estime);
        xml_int(xml, "EETIME", last->eetime);
        xml_int(xml, "REASON", 0);
        g_string_append(xml, "</HISTORY>");
    }
    g_string_append(xml, "</VM>");
}
