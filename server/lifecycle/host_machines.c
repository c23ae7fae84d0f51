/* What a host's report says of the machines there: ours, ours where they should not be, imported
 * ones, and wild ones. */
#include "server/lifecycle/internal.h"

#include <math.h>
#include <string.h>

/* No host has more of anything; so that sums and differences of numbers stay in 64 bits. */
#define NUMBER_MAX 1e15

gint64 lifecycle_number(const Template *report, const char *name)
{
    double value = 0;
    template_get_double(report, name, &value);
    return (gint64)CLAMP(value, -NUMBER_MAX, NUMBER_MAX);
}

/* What a sample of a machine may hold, in the order in which it is shown: clients' schemas
 * want the names sorted, with sizes of disks and the id between them. */
static const char *const keys_before_id[] = {"CPU",         "DISKRDBYTES", "DISKRDIOPS",
                                             "DISKWRBYTES", "DISKWRIOPS",  NULL};
static const char *const keys_after_id[] = {"MEMORY", "NETRX", "NETTX", NULL};

static void append_numbers(const Template *values, const char *const *keys, GString *xml)
{
    for (guint i = 0; keys[i]; i++) {
        double number;
        if (!template_get_double(values, keys[i], &number) || fabs(number) > NUMBER_MAX)
            continue;
        g_autofree char *text =
            g_strdup_printf(number == (double)(gint64)number ? "%.0f" : "%.2f", number);
        xml_cdata(xml, keys[i], text);
    }
}

static void append_vm_values(const Template *values, gint32 id, GString *xml)
{
    TemplateAttribute *size;
    append_numbers(values, keys_before_id, xml);
    for (guint i = 0; (size = template_vector(values, "DISK_SIZE", i)); i++) {
        gint64 disk, size_mb;
        if (attribute_get_int(size, "ID", &disk) && attribute_get_int(size, "SIZE", &size_mb)) {
            g_string_append(xml, "<DISK_SIZE>");
            xml_int(xml, "ID", disk);
            xml_int(xml, "SIZE", size_mb);
            g_string_append(xml, "</DISK_SIZE>");
        }
    }
    xml_int(xml, "ID", id);
    append_numbers(values, keys_after_id, xml);
}

static void keep_vm_sample(Lifecycle *lifecycle, Vm *vm, const char *base64)
{
    World *world = lifecycle->world;
    g_autofree char *text = lifecycle_decoded(base64);
    g_autoptr(Template) values = template_parse(text, TEMPLATE_MODERN, NULL);
    if (!values)
        return;
    GString *xml = g_string_sized_new(512);
    append_vm_values(values, vm->head.id, xml);
    vm->cpu_used = lifecycle_number(values, "CPU");
    vm->memory_used = lifecycle_number(values, "MEMORY");
    vm->net_rx = lifecycle_number(values, "NETRX");
    vm->net_tx = lifecycle_number(values, "NETTX");
    vm->last_poll = core_now(world->core);
    xml_int(xml, "TIMESTAMP", vm->last_poll);
    g_free(vm->monitoring);
    vm->monitoring = g_string_free(xml, FALSE);
    object_touched(world, &vm->head);
    lifecycle_keep_sample(lifecycle, SAMPLE_VM, vm->head.id,
                          g_strdup_printf("<MONITORING>%s</MONITORING>", vm->monitoring));
}

/* The machine of a report. Drivers do not know those that were imported by their names. */
static Vm *reported_machine(World *world, const Host *host, const TemplateAttribute *report)
{
    gint64 id;
    const char *domain = attribute_get(report, "DEPLOY_ID");
    if (!attribute_get_int(report, "ID", &id) || id > G_MAXINT32)
        return NULL;
    if (id >= 0)
        return vm_get(world, (gint32)id);
    for (guint i = 0; domain && i < host->vms->len; i++) {
        Vm *vm = vm_get(world, g_array_index(host->vms, gint32, i));
        if (vm && !g_strcmp0(vm->deploy_id, domain))
            return vm;
    }
    return NULL;
}

void host_read_machine(Lifecycle *lifecycle, Host *host, const TemplateAttribute *report,
                       gint64 asked, GHashTable *seen)
{
    Vm *vm = reported_machine(lifecycle->world, host, report);
    if (!vm)
        return;
    const char *state = attribute_get(report, "STATE");
    const char *sample = attribute_get(report, "MONITOR");
    if (seen)
        g_hash_table_add(seen, vm);
    if (sample && vm_is_on(vm, host->head.id))
        keep_vm_sample(lifecycle, vm, sample);
    if (state)
        vm_seen(lifecycle, vm, host, state, attribute_get(report, "DEPLOY_ID"), asked);
}

/* Machines of ours that run where they should not, for the administrator to look at: nothing is
 * done to them, since it is not known whether anybody uses them. TRUE when the list changed. */
static gboolean note_zombies(Lifecycle *lifecycle, Host *host, GHashTable *seen, gint64 asked)
{
    g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(gint32));
    GHashTableIter iterator;
    gpointer key;
    g_hash_table_iter_init(&iterator, seen);
    while (g_hash_table_iter_next(&iterator, &key, NULL)) {
        const Vm *vm = key;
        if (!vm_is_on(vm, host->head.id) && asked > vm->resting_since)
            ids_add(ids, vm->head.id);
    }
    g_autofree char *list = ids_print(ids);
    const char *before = template_get(host->head.template, "ZOMBIES");
    if (!g_strcmp0(before ? before : "", list))
        return FALSE;
    if (*list)
        log_warning("HST", "Host %s (%d) runs machines that should not be there: %s",
                    host->head.name, host->head.id, list);
    template_set(host->head.template, "ZOMBIES", *list ? list : NULL);
    g_autofree char *total = g_strdup_printf("%u", ids->len);
    template_set(host->head.template, "TOTAL_ZOMBIES", *list ? total : NULL);
    return TRUE;
}

static gboolean is_wild(World *world, const Host *host, const TemplateAttribute *report)
{
    gint64 id;
    return attribute_get_int(report, "ID", &id) && id == -1 && attribute_get(report, "VM_NAME") &&
           !reported_machine(world, host, report);
}

/* Machines that were not made by us: shown, and left alone until somebody imports them. TRUE when
 * the list changed. */
static gboolean note_wilds(World *world, Host *host, const Template *report)
{
    Template *template = host->head.template;
    g_autoptr(GString) names = g_string_new(NULL);
    guint count = 0;
    TemplateAttribute *vector;
    for (guint i = 0; (vector = template_vector(report, "VM", i)); i++) {
        if (is_wild(world, host, vector))
            g_string_append_printf(names, "%s%s", count++ ? "," : "",
                                   attribute_get(vector, "VM_NAME"));
    }
    const char *before = template_get(template, "WILDS");
    if (!g_strcmp0(before ? before : "", names->str))
        return FALSE;
    template_set(template, "WILDS", count ? names->str : NULL);
    g_autofree char *total = g_strdup_printf("%u", count);
    template_set(template, "TOTAL_WILDS", count ? total : NULL);
    template_set(template, "VM", NULL);
    static const char *const kept[] = {"DEPLOY_ID", "VM_NAME", "IMPORT_TEMPLATE", NULL};
    for (guint i = 0; (vector = template_vector(report, "VM", i)); i++) {
        if (!is_wild(world, host, vector))
            continue;
        TemplateAttribute *wild = template_add_vector(template, "VM");
        for (guint j = 0; kept[j]; j++)
            if (attribute_get(vector, kept[j]))
                attribute_set(wild, kept[j], attribute_get(vector, kept[j]));
    }
    return TRUE;
}

void host_read_machines(Lifecycle *lifecycle, Host *host, const Template *report, gint64 asked)
{
    gboolean complete = template_get_bool(report, "SYNC_STATE", FALSE);
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
    TemplateAttribute *vector;
    for (guint i = 0; (vector = template_vector(report, "VM", i)); i++)
        host_read_machine(lifecycle, host, vector, asked, seen);
    gboolean wilds = note_wilds(lifecycle->world, host, report);
    if (note_zombies(lifecycle, host, seen, asked) || wilds)
        object_changed(lifecycle->world, &host->head);
    if (!complete)
        return; /* what such a list does not name may well be there */
    g_autoptr(GArray) ids = g_array_copy(host->vms);
    for (guint i = 0; i < ids->len; i++) {
        Vm *vm = vm_get(lifecycle->world, g_array_index(ids, gint32, i));
        if (vm && !g_hash_table_contains(seen, vm))
            vm_seen(lifecycle, vm, host, VM_NOT_LISTED, NULL, asked);
    }
}
