#include "server/model/machine/backupjob.h"

#include "lib/base/error.h"
#include "server/model/machine/sched_action.h"
#include "server/model/machine/vm.h"
#include "server/model/world.h"

#include <string.h>

BackupJob *backupjob_get(World *world, gint32 id)
{
    return BACKUPJOB(pool_get(world, KIND_BACKUPJOB, id));
}

GArray *backupjob_machines(const Template *template, GError **error)
{
    const char *text = template_get(template, "BACKUP_VMS");
    g_auto(GStrv) words = g_strsplit(text ? text : "", ",", -1);
    g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(gint32));
    for (guint i = 0; words[i]; i++) {
        guint64 read;
        if (words[1] == NULL && !*g_strstrip(words[i]))
            break;
        if (!g_ascii_string_to_unsigned(g_strstrip(words[i]), 10, 0, G_MAXINT32, &read, NULL)) {
            g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                        "BACKUP_VMS is \"%s\", and must be ids of machines with commas between",
                        text);
            return NULL;
        }
        gint32 id = (gint32)read;
        for (guint j = 0; j < ids->len; j++)
            if (g_array_index(ids, gint32, j) == id) {
                g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                            "BACKUP_VMS names machine %d twice", id);
                return NULL;
            }
        g_array_append_val(ids, id);
    }
    return g_steal_pointer(&ids);
}

gboolean backupjob_under_way(const BackupJob *job)
{
    return job->waiting->len || job->backing_up->len;
}

void backupjob_move(World *world, BackupJob *job, gint32 vm, GArray *list)
{
    GArray *const lists[] = {job->updated, job->outdated, job->backing_up, job->errors};
    for (guint i = 0; i < G_N_ELEMENTS(lists); i++)
        ids_remove(lists[i], vm);
    if (list != job->outdated)
        ids_remove(job->waiting, vm);
    if (list)
        ids_add(list, vm);
    object_changed(world, &job->head);
}

/* Those that `wanted` does not name go; the ones being backed up when they are. */
static void drop_others(GArray *list, const GArray *wanted)
{
    for (guint i = list->len; i > 0; i--) {
        gboolean found = FALSE;
        for (guint j = 0; j < wanted->len && !found; j++)
            found = g_array_index(wanted, gint32, j) == g_array_index(list, gint32, i - 1);
        if (!found)
            g_array_remove_index(list, i - 1);
    }
}

void backupjob_updated(World *world, BackupJob *job)
{
    g_autoptr(GArray) wanted = backupjob_machines(job->head.template, NULL);
    if (!wanted)
        return;
    GArray *const lists[] = {job->updated, job->outdated, job->errors, job->waiting};
    for (guint i = 0; i < G_N_ELEMENTS(lists); i++)
        drop_others(lists[i], wanted);
    for (guint i = 0; i < wanted->len; i++) {
        gint32 vm = g_array_index(wanted, gint32, i);
        if (!ids_contain(job->updated, vm) && !ids_contain(job->backing_up, vm) &&
            !ids_contain(job->errors, vm))
            ids_add(job->outdated, vm);
    }
    object_changed(world, &job->head);
}

/* ---- XML ---- */

/* backupjob.xsd wants them in this order. */
static void render_template(World *world, const Object *object, GString *xml)
{
    static const char *const before[] = {
        "BACKUP_VMS", "BACKUP_VOLATILE", "DATASTORE_ID", "DISK_IDS", "ERROR", "EXECUTION",
        "FS_FREEZE",  "KEEP_LAST",       "MODE",         "RESET",    NULL};
    g_string_append(xml, "<TEMPLATE>");
    for (guint i = 0; before[i]; i++)
        if (template_get(object->template, before[i]))
            xml_cdata(xml, before[i], template_get(object->template, before[i]));
    sched_actions_render(world, object, xml);
    for (guint i = 0; i < template_count(object->template); i++) {
        const TemplateAttribute *attribute = template_nth(object->template, i);
        if (!g_strv_contains(before, attribute->name))
            template_attribute_append_xml(attribute, xml);
    }
    g_string_append(xml, "</TEMPLATE>");
}

static void backupjob_render(World *world, Object *object, GString *xml)
{
    const BackupJob *job = BACKUPJOB(object);
    g_string_append(xml, "<BACKUPJOB>");
    xml_int(xml, "ID", object->id);
    xml_owner(world, object, xml);
    xml_text(xml, "NAME", object->name);
    xml_lock(object, xml);
    xml_permissions(object, xml);
    xml_int(xml, "PRIORITY", job->priority);
    xml_int(xml, "LAST_BACKUP_TIME", job->last_time);
    xml_int(xml, "LAST_BACKUP_DURATION", job->last_duration);
    sched_actions_render_ids(world, object, xml);
    xml_ids(xml, "UPDATED_VMS", job->updated);
    xml_ids(xml, "OUTDATED_VMS", job->outdated);
    xml_ids(xml, "BACKING_UP_VMS", job->backing_up);
    xml_ids(xml, "ERROR_VMS", job->errors);
    render_template(world, object, xml);
    g_string_append(xml, "</BACKUPJOB>");
}

/* ---- rows ---- */

static const StoreColumn columns[] = {
    HEAD_COLUMNS,
    {"priority", STORE_INT},
    {"last_time", STORE_INT},
    {"last_duration", STORE_INT},
    {"started", STORE_INT},
    {"updated", STORE_TEXT},
    {"outdated", STORE_TEXT},
    {"backing_up", STORE_TEXT},
    {"errors", STORE_TEXT},
    {"waiting", STORE_TEXT},
    {"template", STORE_TEXT},
    {NULL, STORE_INT},
};
static const StoreTable table = {"backup_job", 1, columns};

static StoreWrite *backupjob_row(World *world, const Object *object)
{
    const BackupJob *job = (const BackupJob *)object;
    StoreWrite *row = store_write_new(&table, STORE_PUT);
    guint i = head_to_row(object, row);
    store_set_int(row, i++, job->priority);
    store_set_int(row, i++, job->last_time);
    store_set_int(row, i++, job->last_duration);
    store_set_int(row, i++, job->started);
    store_take_text(row, i++, ids_print(job->updated));
    store_take_text(row, i++, ids_print(job->outdated));
    store_take_text(row, i++, ids_print(job->backing_up));
    store_take_text(row, i++, ids_print(job->errors));
    store_take_text(row, i++, ids_print(job->waiting));
    store_take_text(row, i++, template_to_text(object->template));
    return row;
}

static BackupJob *job_new(gint32 id, const char *name, Template *template)
{
    BackupJob *job = g_new0(BackupJob, 1);
    object_init(&job->head, KIND_BACKUPJOB, id, name, template);
    return job;
}

static gboolean backupjob_load(World *world, const StoreValue *values, GError **error)
{
    const StoreValue *own = values + HEAD_END;
    Template *template = template_parse(own[9].text, TEMPLATE_MODERN, error);
    if (!template)
        return FALSE;
    BackupJob *job = job_new((gint32)values[0].number, values[1].text, template);
    head_from_row(&job->head, values);
    job->priority = (gint32)own[0].number;
    job->last_time = own[1].number;
    job->last_duration = own[2].number;
    job->started = own[3].number;
    job->updated = ids_parse(own[4].text);
    job->outdated = ids_parse(own[5].text);
    job->backing_up = ids_parse(own[6].text);
    job->errors = ids_parse(own[7].text);
    job->waiting = ids_parse(own[8].text);
    pool_add(world, &job->head);
    return TRUE;
}

static void backupjob_free(Object *object)
{
    BackupJob *job = BACKUPJOB(object);
    g_array_unref(job->updated);
    g_array_unref(job->outdated);
    g_array_unref(job->backing_up);
    g_array_unref(job->errors);
    g_array_unref(job->waiting);
    object_clear(object);
    g_free(object);
}

BackupJob *backupjob_create(World *world, const char *name, gint32 uid, gint32 gid, gint32 priority,
                            Template *template)
{
    BackupJob *job = job_new(pool_next_id(world, KIND_BACKUPJOB), name, template);
    job->head.uid = uid;
    job->head.gid = gid;
    job->priority = priority;
    job->updated = ids_parse("");
    job->outdated = ids_parse("");
    job->backing_up = ids_parse("");
    job->errors = ids_parse("");
    job->waiting = ids_parse("");
    pool_add(world, &job->head);
    backupjob_updated(world, job);
    return job;
}

const KindOperations backupjob_operations = {backupjob_render, NULL,   backupjob_row,
                                             backupjob_load,   &table, backupjob_free};

/* ---- what must hold ---- */

void backupjobs_check(World *world, GPtrArray *problems)
{
    const GPtrArray *jobs = world->pools[KIND_BACKUPJOB].order;
    for (guint i = 0; i < jobs->len; i++) {
        const BackupJob *job = jobs->pdata[i];
        for (guint j = 0; j < job->backing_up->len; j++) {
            gint32 id = g_array_index(job->backing_up, gint32, j);
            const Vm *vm = vm_get(world, id);
            gint64 number = -1;
            if (!vm || !vm->operation || !template_get_int(vm->operation, "JOB_ID", &number) ||
                number != job->head.id)
                g_ptr_array_add(problems,
                                g_strdup_printf("backup job %d backs machine %d up, which is not "
                                                "being backed up for it",
                                                job->head.id, id));
        }
    }
}
