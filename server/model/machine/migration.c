#include "server/model/machine/migration.h"

#include "lib/base/error.h"
#include "server/model/world.h"

#include <string.h>

static const char *const kind_names[MIGRATION_KINDS] = {"live", "save", "poweroff",
                                                        "poweroff-hard"};
static const char *const result_names[MIGRATION_RESULTS] = {"running", "success", "failure",
                                                            "unknown"};

/* Names of figures, as the driver writes them and as the columns are called. */
static const char *const figure_names[FIGURES] = {"elapsed_ms", "total_ms", "downtime_ms",
                                                  "setup_ms",   "bytes",    "memory_bytes",
                                                  "disk_bytes", "rounds",   "dirty_rate"};

static const StoreColumn migration_columns[] = {
    {"vm", STORE_INT},
    {"number", STORE_INT},
    {"record", STORE_INT},
    {"source", STORE_INT},
    {"source_name", STORE_TEXT},
    {"destination", STORE_INT},
    {"destination_name", STORE_TEXT},
    {"kind", STORE_INT},
    {"mode", STORE_TEXT},
    {"storage", STORE_TEXT},
    {"result", STORE_INT},
    {"reason", STORE_TEXT},
    {"options", STORE_TEXT},
    {"started", STORE_INT},
    {"ended", STORE_INT},
    {"elapsed_ms", STORE_INT},
    {"total_ms", STORE_INT},
    {"downtime_ms", STORE_INT},
    {"setup_ms", STORE_INT},
    {"bytes", STORE_INT},
    {"memory_bytes", STORE_INT},
    {"disk_bytes", STORE_INT},
    {"rounds", STORE_INT},
    {"dirty_rate", STORE_INT},
    {"more", STORE_TEXT},
    {NULL, STORE_INT},
};
const StoreTable migration_table = {"migration", 2, migration_columns};

#define FIRST_FIGURE 15

const char *migration_result_name(MigrationResult result)
{
    return result < MIGRATION_RESULTS ? result_names[result] : "?";
}

void migration_free(gpointer data)
{
    Migration *migration = data;
    g_free(migration->source_name);
    g_free(migration->destination_name);
    g_free(migration->mode);
    g_free(migration->storage);
    g_free(migration->reason);
    g_free(migration->options);
    g_free(migration->more);
    g_free(migration);
}

/* ---- making and keeping ---- */

static void forget_oldest(World *world, Vm *vm)
{
    const Migration *oldest = vm->migrations->pdata[0];
    StoreWrite *write = store_write_new(&migration_table, STORE_DELETE);
    store_set_int(write, 0, vm->head.id);
    store_set_int(write, 1, oldest->number);
    core_write(world->core, write);
    g_ptr_array_remove_index(vm->migrations, 0);
}

Migration *migration_last(const Vm *vm)
{
    return vm->migrations->len ? vm->migrations->pdata[vm->migrations->len - 1] : NULL;
}

Migration *migration_add(World *world, Vm *vm)
{
    const Migration *last = migration_last(vm);
    Migration *migration = g_new0(Migration, 1);
    migration->number = last ? last->number + 1 : 0;
    migration->record = migration->source = migration->destination = -1;
    migration->started = core_now(world->core);
    migration->since = core_steady(world->core);
    for (guint i = 0; i < FIGURES; i++)
        migration->figures[i] = -1;
    while (vm->migrations->len >= MIGRATIONS_KEPT)
        forget_oldest(world, vm);
    g_ptr_array_add(vm->migrations, migration);
    return migration;
}

void migration_changed(World *world, Vm *vm, const Migration *migration)
{
    StoreWrite *row = store_write_new(&migration_table, STORE_PUT);
    guint i = 0;
    store_set_int(row, i++, vm->head.id);
    store_set_int(row, i++, migration->number);
    store_set_int(row, i++, migration->record);
    store_set_int(row, i++, migration->source);
    store_set_text(row, i++, migration->source_name);
    store_set_int(row, i++, migration->destination);
    store_set_text(row, i++, migration->destination_name);
    store_set_int(row, i++, migration->kind);
    store_set_text(row, i++, migration->mode);
    store_set_text(row, i++, migration->storage);
    store_set_int(row, i++, migration->result);
    store_set_text(row, i++, migration->reason);
    store_set_text(row, i++, migration->options);
    store_set_int(row, i++, migration->started);
    store_set_int(row, i++, migration->ended);
    for (guint figure = 0; figure < FIGURES; figure++)
        store_set_int(row, i++, migration->figures[figure]);
    store_set_text(row, i++, migration->more);
    core_write(world->core, row);
    object_changed(world, &vm->head); /* who reads it waits for this batch */
}

gboolean migration_load(World *world, const StoreValue *values, GError **error)
{
    Vm *vm = vm_get(world, (gint32)values[0].number);
    if (!vm) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                    "migration %" G_GINT64_FORMAT " belongs to machine %" G_GINT64_FORMAT
                    ", which does not exist",
                    values[1].number, values[0].number);
        return FALSE;
    }
    Migration *migration = g_new0(Migration, 1);
    guint i = 1;
    migration->number = (gint)values[i++].number;
    migration->record = (gint)values[i++].number;
    migration->source = (gint32)values[i++].number;
    migration->source_name = g_strdup(values[i++].text);
    migration->destination = (gint32)values[i++].number;
    migration->destination_name = g_strdup(values[i++].text);
    migration->kind = (MigrationKind)values[i++].number;
    migration->mode = g_strdup(values[i++].text);
    migration->storage = g_strdup(values[i++].text);
    migration->result = (MigrationResult)values[i++].number;
    migration->reason = g_strdup(values[i++].text);
    migration->options = g_strdup(values[i++].text);
    migration->started = values[i++].number;
    migration->ended = values[i++].number;
    g_assert(i == FIRST_FIGURE);
    for (guint figure = 0; figure < FIGURES; figure++)
        migration->figures[figure] = values[i++].number;
    migration->more = g_strdup(values[i].text);
    g_ptr_array_add(vm->migrations, migration);
    return TRUE;
}

/* ---- what the driver told ---- */

/* Figures without a column of their own: as many as a person would read. */
#define MORE_MAX        20
#define NAME_MAX_LENGTH 32

static gboolean is_figure_name(const char *name)
{
    gsize length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");
    return length > 0 && length <= NAME_MAX_LENGTH && !name[length] && g_ascii_isalpha(name[0]);
}

static void take_number(Migration *migration, const char *name, gint64 number, GPtrArray *more)
{
    for (guint i = FIGURE_TOTAL_MS; i < FIGURES; i++)
        if (!strcmp(figure_names[i], name)) {
            migration->figures[i] = number;
            return;
        }
    if (is_figure_name(name) && strcmp(name, figure_names[FIGURE_ELAPSED_MS]) != 0 &&
        more->len < MORE_MAX)
        g_ptr_array_add(more, g_strdup_printf("%s=%" G_GINT64_FORMAT, name, number));
}

/* A word that is one of those the XML knows. */
static void take_word(char **kept, const char *value, const char *const *known)
{
    if (!g_strv_contains(known, value))
        return;
    g_free(*kept);
    *kept = g_strdup(value);
}

void migration_take_figures(Migration *migration, const char *words)
{
    static const char *const modes[] = {"precopy",      "postcopy", "live",
                                        "checkpointed", "stopped",  NULL};
    static const char *const storages[] = {"shared", "mirrored", NULL};
    g_auto(GStrv) list = g_strsplit_set(words ? words : "", " \t,", -1);
    g_autoptr(GPtrArray) more = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; list[i]; i++) {
        char *value = strchr(list[i], '=');
        gint64 number;
        if (!value)
            continue;
        *value++ = '\0';
        if (!strcmp(list[i], "mode"))
            take_word(&migration->mode, value, modes);
        else if (!strcmp(list[i], "storage"))
            take_word(&migration->storage, value, storages);
        else if (g_ascii_string_to_signed(value, 10, 0, G_MAXINT64, &number, NULL))
            take_number(migration, list[i], number, more);
    }
    g_ptr_array_add(more, NULL);
    g_free(migration->more);
    migration->more = g_strjoinv(" ", (char **)more->pdata);
}

/* ---- seeing ---- */

static const char *word_or_dash(const char *word)
{
    return word && *word ? word : "-";
}

static void render_more(const Migration *migration, GString *xml)
{
    g_auto(GStrv) words = g_strsplit(migration->more ? migration->more : "", " ", -1);
    for (guint i = 0; words[i]; i++) {
        char *value = strchr(words[i], '=');
        if (!value)
            continue;
        *value++ = '\0';
        g_autofree char *name = g_ascii_strup(words[i], -1);
        xml_text(xml, name, value);
    }
}

static void migration_render(const Vm *vm, const Migration *migration, GString *xml)
{
    g_string_append(xml, "<MIGRATION>");
    xml_int(xml, "ID", migration->number);
    xml_int(xml, "VM", vm->head.id);
    xml_int(xml, "SOURCE_ID", migration->source);
    xml_text(xml, "SOURCE", migration->source_name);
    xml_int(xml, "DESTINATION_ID", migration->destination);
    xml_text(xml, "DESTINATION", migration->destination_name);
    xml_text(xml, "KIND", kind_names[migration->kind]);
    xml_text(xml, "MODE", word_or_dash(migration->mode));
    xml_text(xml, "STORAGE", word_or_dash(migration->storage));
    xml_text(xml, "RESULT", migration_result_name(migration->result));
    xml_text(xml, "REASON", migration->reason);
    xml_text(xml, "OPTIONS", migration->options);
    xml_int(xml, "STARTED", migration->started);
    xml_int(xml, "ENDED", migration->ended);
    for (guint i = 0; i < FIGURES; i++) {
        g_autofree char *name = g_ascii_strup(figure_names[i], -1);
        xml_int(xml, name, migration->figures[i]);
    }
    render_more(migration, xml);
    g_string_append(xml, "</MIGRATION>");
}

void migrations_render(const Vm *vm, GString *xml)
{
    g_string_append(xml, "<MIGRATION_POOL>");
    for (guint i = 0; i < vm->migrations->len; i++)
        migration_render(vm, vm->migrations->pdata[i], xml);
    g_string_append(xml, "</MIGRATION_POOL>");
}

/* ---- what must hold ---- */

typedef struct Telling {
    void (*tell)(const char *text, gpointer data);
    gpointer data;
    gint32 vm;
    gint number;
} Telling;

static void wrong(const Telling *telling, const char *what)
{
    g_autofree char *text =
        g_strdup_printf("machine %d: migration %d %s", telling->vm, telling->number, what);
    telling->tell(text, telling->data);
}

static void check_one(const Vm *vm, const Migration *migration, const Telling *telling)
{
    gboolean is_last = migration == migration_last(vm);
    gboolean running = migration->result == MIGRATION_RUNNING;
    if (migration->kind >= MIGRATION_KINDS || migration->result >= MIGRATION_RESULTS) {
        wrong(telling, "has a kind or a result that does not exist");
        return;
    }
    if (running && !(is_last && (vm_is_moving(vm) || vm->lcm == LCM_BOOT)))
        wrong(telling, "is said to be under way, but the machine is not on its way");
    if (!running && is_last && vm_is_moving(vm))
        wrong(telling, "has a result, but the machine is still on its way");
    if (running != (migration->ended == 0))
        wrong(telling, running ? "is under way, but has an end" : "has a result, but no end");
    if (migration->record >= 0 && !is_last)
        wrong(telling, "waits for its result, but there was another one since");
    if (migration->record >= 0 && migration->record >= (gint)vm->records->len)
        wrong(telling, "belongs to a history record that does not exist");
    if (running && migration->record < 0)
        wrong(telling, "is under way without a history record");
}

void migrations_check(const Vm *vm, void (*tell)(const char *text, gpointer data), gpointer data)
{
    Telling telling = {tell, data, vm->head.id, 0};
    gint before = -1;
    for (guint i = 0; i < vm->migrations->len; i++) {
        const Migration *migration = vm->migrations->pdata[i];
        telling.number = migration->number;
        if (migration->number <= before)
            wrong(&telling, "does not follow the one before it");
        before = migration->number;
        check_one(vm, migration, &telling);
    }
    if (vm->migrations->len > MIGRATIONS_KEPT)
        wrong(&telling, "is one too many: the oldest should have been forgotten");
}
