#include "server/model/machine/sched_action.h"

#include "lib/base/error.h"
#include "server/model/machine/vm.h"
#include "server/model/world.h"

#include <string.h>

/* A failed action is tried again so many seconds later, so many times in all. */
#define RETRY_SECONDS 60
#define ATTEMPTS_MAX  60

struct SchedActions {
    GHashTable *by_id;    /* id -> SchedAction, owned */
    GHashTable *by_owner; /* kind and id -> GPtrArray of SchedAction, by id */
    gint32 last_id;
};

/* What a backup job does. */
#define BACKUP            "backup"

#define wrong(error, ...) (g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, __VA_ARGS__), FALSE)

void sched_action_free(SchedAction *action)
{
    if (!action)
        return;
    g_free(action->action);
    g_free(action->args);
    g_free(action->days);
    g_free(action->message);
    g_free(action);
}

struct SchedActions *sched_actions_new(void)
{
    struct SchedActions *actions = g_new0(struct SchedActions, 1);
    actions->by_id =
        g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify)(void (*)(void))sched_action_free);
    actions->by_owner = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free,
                                              (GDestroyNotify)g_ptr_array_unref);
    actions->last_id = -1;
    return actions;
}

void sched_actions_free(struct SchedActions *actions)
{
    g_hash_table_unref(actions->by_owner);
    g_hash_table_unref(actions->by_id);
    g_free(actions);
}

void sched_actions_set_last(World *world, gint64 id)
{
    world->scheduled->last_id = MAX(world->scheduled->last_id, (gint32)id);
}

/* ---- reading what was given ---- */

static const char *given_text(const TemplateAttribute *given, const char *name)
{
    const char *text = attribute_get(given, name);
    return text && *text ? text : NULL;
}

/* A number of the vector, where it has one. */
static gboolean take_number(const TemplateAttribute *given, const char *name, gint64 least,
                            gint64 most, gint64 *value, GError **error)
{
    const char *text = given_text(given, name);
    if (!text || g_ascii_string_to_signed(text, 10, least, most, value, NULL))
        return TRUE;
    return wrong(error,
                 "SCHED_ACTION: %s = \"%s\" is not a number from %" G_GINT64_FORMAT
                 " to %" G_GINT64_FORMAT,
                 name, text, least, most);
}

static void take_text(const TemplateAttribute *given, const char *name, char **kept)
{
    const char *text = attribute_get(given, name);
    if (!text)
        return;
    g_free(*kept);
    *kept = g_strdup(text);
}

static gboolean take_time(SchedAction *action, const TemplateAttribute *given, gint64 origin,
                          GError **error)
{
    const char *text = given_text(given, "TIME");
    gboolean relative = text && *text == '+';
    gint64 time;
    if (!text && action->time >= 0)
        return TRUE;
    if (!text)
        return wrong(error, "SCHED_ACTION needs TIME: seconds since 1970, or +3600 for an hour "
                            "after the machine was made");
    if (relative && origin < 0)
        return wrong(error,
                     "SCHED_ACTION: TIME = \"%s\" counts from when a machine was made; give "
                     "seconds since 1970 here",
                     text);
    if (!g_ascii_string_to_signed(text + relative, 10, 0, SCHED_TIME_MAX, &time, NULL))
        return wrong(
            error, "SCHED_ACTION: TIME = \"%s\" is neither seconds since 1970 nor +seconds", text);
    time = MIN(relative ? time + origin : time, SCHED_TIME_MAX);
    if (time == action->time)
        return TRUE; /* an editor that sends all again */
    action->time = action->first = time;
    action->done = -1;
    action->attempts = 0;
    action->tried_at = 0;
    return TRUE;
}

static gboolean take_repeat(SchedAction *action, const TemplateAttribute *given, GError **error)
{
    gint64 repeat = action->repeat;
    if (!take_number(given, "REPEAT", SCHED_ONCE, SCHED_HOURLY, &repeat, error))
        return FALSE;
    action->repeat = (SchedRepeat)repeat;
    take_text(given, "DAYS", &action->days);
    if (repeat == SCHED_ONCE)
        *action->days = '\0';
    return sched_days_fit(action->repeat, action->days, error);
}

static gboolean take_end(SchedAction *action, const TemplateAttribute *given, GError **error)
{
    gint64 type = action->end_type;
    if (!take_number(given, "END_TYPE", SCHED_END_NONE, SCHED_END_DATE, &type, error) ||
        !take_number(given, "END_VALUE", -1, SCHED_TIME_MAX, &action->end_value, error))
        return FALSE;
    action->end_type = (SchedEnd)type;
    if (type <= SCHED_END_NEVER)
        action->end_value = -1;
    else if (action->end_value < 0)
        return wrong(error, "SCHED_ACTION: END_TYPE = %d needs END_VALUE: %s", (gint)type,
                     type == SCHED_END_TIMES ? "how often it runs"
                                             : "seconds since 1970 after which it does not");
    return TRUE;
}

static gboolean take_all(SchedAction *action, const TemplateAttribute *given, gint64 origin,
                         GError **error)
{
    if (action->kind != KIND_BACKUPJOB) /* which has no other */
        take_text(given, "ACTION", &action->action);
    take_text(given, "ARGS", &action->args);
    if (!*action->action)
        return wrong(error, "SCHED_ACTION needs ACTION, such as \"poweroff\"");
    return take_time(action, given, origin, error) && take_repeat(action, given, error) &&
           take_end(action, given, error) &&
           take_number(given, "WARNING", G_MININT32, SCHED_TIME_MAX, &action->warning, error);
}

SchedAction *sched_action_parse(Kind kind, const TemplateAttribute *given, gint64 origin,
                                GError **error)
{
    g_autoptr(SchedAction) action = g_new0(SchedAction, 1);
    *action = (SchedAction){.id = -1,
                            .kind = kind,
                            .owner = -1,
                            .action = g_strdup(kind == KIND_BACKUPJOB ? BACKUP : ""),
                            .args = g_strdup(""),
                            .first = -1,
                            .time = -1,
                            .repeat = SCHED_ONCE,
                            .days = g_strdup(""),
                            .end_type = SCHED_END_NONE,
                            .end_value = -1,
                            .done = -1,
                            .message = g_strdup("")};
    return take_all(action, given, origin, error) ? g_steal_pointer(&action) : NULL;
}

SchedAction *sched_action_change(const SchedAction *old, const TemplateAttribute *given,
                                 gint64 origin, GError **error)
{
    g_autoptr(SchedAction) action = g_new0(SchedAction, 1);
    *action = *old;
    action->action = g_strdup(old->action);
    action->args = g_strdup(old->args);
    action->days = g_strdup(old->days);
    action->message = g_strdup(old->message);
    return take_all(action, given, origin, error) ? g_steal_pointer(&action) : NULL;
}

/* ---- keeping ---- */

static void insert(World *world, SchedAction *action)
{
    struct SchedActions *all = world->scheduled;
    gint64 key = (gint64)action->kind << 32 | (guint32)action->owner;
    GPtrArray *own = g_hash_table_lookup(all->by_owner, &key);
    if (!own) {
        own = g_ptr_array_new();
        g_hash_table_insert(all->by_owner, g_memdup2(&key, sizeof key), own);
    }
    g_ptr_array_add(own, action);
    g_hash_table_insert(all->by_id, GINT_TO_POINTER(action->id), action);
    all->last_id = MAX(all->last_id, action->id);
}

static void show_owner(World *world, const SchedAction *action)
{
    Object *owner = pool_get(world, action->kind, action->owner);
    if (owner)
        object_changed(world, owner);
}

void sched_action_changed(World *world, SchedAction *action)
{
    StoreWrite *row = store_write_new(&sched_action_table, STORE_PUT);
    guint i = 0;
    store_set_int(row, i++, action->id);
    store_set_text(row, i++, kind_row(action->kind)->acl_word);
    store_set_int(row, i++, action->owner);
    store_set_text(row, i++, action->action);
    store_set_text(row, i++, action->args);
    store_set_int(row, i++, action->first);
    store_set_int(row, i++, action->time);
    store_set_int(row, i++, action->repeat);
    store_set_text(row, i++, action->days);
    store_set_int(row, i++, action->end_type);
    store_set_int(row, i++, action->end_value);
    store_set_int(row, i++, action->done);
    store_set_text(row, i++, action->message);
    store_set_int(row, i++, action->warning);
    store_set_int(row, i++, action->attempts);
    store_set_int(row, i++, action->tried_at);
    core_write(world->core, row);
    show_owner(world, action);
}

gint32 sched_action_add(World *world, Object *owner, SchedAction *action)
{
    action->id = ++world->scheduled->last_id;
    action->kind = owner->kind;
    action->owner = owner->id;
    world_write_counter(world, SCHED_COUNTER, action->id);
    insert(world, action);
    sched_action_changed(world, action);
    return action->id;
}

void sched_action_replace(World *world, SchedAction *action, SchedAction *change)
{
    SchedAction old = *action;
    *action = *change;
    *change = old;
    sched_action_free(change);
    sched_action_changed(world, action);
}

static void delete_row(World *world, const SchedAction *action)
{
    StoreWrite *write = store_write_new(&sched_action_table, STORE_DELETE);
    store_set_int(write, 0, action->id);
    core_write(world->core, write);
}

void sched_action_remove(World *world, SchedAction *action)
{
    struct SchedActions *all = world->scheduled;
    gint64 key = (gint64)action->kind << 32 | (guint32)action->owner;
    GPtrArray *own = g_hash_table_lookup(all->by_owner, &key);
    delete_row(world, action);
    show_owner(world, action);
    g_ptr_array_remove(own, action);
    if (own->len == 0)
        g_hash_table_remove(all->by_owner, &key);
    g_hash_table_remove(all->by_id, GINT_TO_POINTER(action->id));
}

void sched_actions_drop(World *world, Kind kind, gint32 owner)
{
    const GPtrArray *own;
    while ((own = sched_actions_of(world, kind, owner)))
        sched_action_remove(world, own->pdata[own->len - 1]);
}

SchedAction *sched_action_get(World *world, gint32 id)
{
    return g_hash_table_lookup(world->scheduled->by_id, GINT_TO_POINTER(id));
}

SchedAction *sched_action_of(World *world, const Object *owner, gint32 id, GError **error)
{
    SchedAction *action = sched_action_get(world, id);
    if (action && action->kind == owner->kind && action->owner == owner->id)
        return action;
    g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION, "%s %d has no scheduled action %d",
                kind_row(owner->kind)->words, owner->id, id);
    return NULL;
}

const GPtrArray *sched_actions_of(World *world, Kind kind, gint32 owner)
{
    gint64 key = (gint64)kind << 32 | (guint32)owner;
    return g_hash_table_lookup(world->scheduled->by_owner, &key);
}

GHashTable *sched_actions_all(World *world)
{
    return world->scheduled->by_id;
}

/* ---- time ---- */

gint64 sched_action_due(const SchedAction *action)
{
    if (action->end_type == SCHED_END_TIMES && action->end_value <= 0)
        return -1;
    if (action->end_type == SCHED_END_DATE && action->time > action->end_value)
        return -1;
    if (action->done > 0 && action->done >= action->time)
        return -1;
    return action->tried_at ? MAX(action->tried_at + RETRY_SECONDS, action->time) : action->time;
}

/* It ran, or was given up. */
static void advance(World *world, SchedAction *action, gint64 now)
{
    gint64 passed = MAX(now, action->time);
    gint64 next = sched_next(action->repeat, action->days, action->first, passed);
    action->done = passed;
    action->attempts = 0;
    action->tried_at = 0;
    if (action->end_type == SCHED_END_TIMES && action->end_value > 0)
        action->end_value--;
    if (next > 0)
        action->time = next;
    sched_action_changed(world, action);
}

void sched_action_failed(World *world, SchedAction *action, gint64 now, const char *message)
{
    gint64 next = sched_next(action->repeat, action->days, action->first, now);
    g_free(action->message);
    action->message = g_strdup(message);
    action->attempts++;
    action->tried_at = now;
    if (action->attempts >= ATTEMPTS_MAX || (next > 0 && next <= now + RETRY_SECONDS))
        advance(world, action, now);
    else
        sched_action_changed(world, action);
}

void sched_action_succeeded(World *world, SchedAction *action, gint64 now)
{
    g_free(action->message);
    action->message = g_strdup("");
    advance(world, action, now);
}

/* ---- seeing ---- */

void sched_actions_render_ids(World *world, const Object *owner, GString *xml)
{
    const GPtrArray *own = sched_actions_of(world, owner->kind, owner->id);
    if (!own) {
        g_string_append(xml, "<SCHED_ACTIONS/>");
        return;
    }
    g_string_append(xml, "<SCHED_ACTIONS>");
    for (guint i = 0; i < own->len; i++)
        xml_int(xml, "ID", ((const SchedAction *)own->pdata[i])->id);
    g_string_append(xml, "</SCHED_ACTIONS>");
}

static void render_one(const SchedAction *action, GString *xml)
{
    g_string_append(xml, "<SCHED_ACTION>");
    xml_int(xml, "ID", action->id);
    xml_int(xml, "PARENT_ID", action->owner);
    xml_text(xml, "TYPE", kind_row(action->kind)->acl_word);
    xml_text(xml, "ACTION", action->action);
    xml_text(xml, "ARGS", action->args);
    xml_int(xml, "TIME", action->time);
    xml_int(xml, "REPEAT", action->repeat);
    xml_text(xml, "DAYS", action->days);
    xml_int(xml, "END_TYPE", action->end_type);
    xml_int(xml, "END_VALUE", action->end_value);
    xml_int(xml, "DONE", action->done);
    xml_text(xml, "MESSAGE", action->message);
    xml_int(xml, "WARNING", action->warning);
    g_string_append(xml, "</SCHED_ACTION>");
}

void sched_actions_render(World *world, const Object *owner, GString *xml)
{
    const GPtrArray *own = sched_actions_of(world, owner->kind, owner->id);
    for (guint i = 0; own && i < own->len; i++)
        render_one(own->pdata[i], xml);
}

/* ---- rows ---- */

static const StoreColumn sched_action_columns[] = {
    {"id", STORE_INT},       {"kind", STORE_TEXT},     {"owner", STORE_INT},
    {"action", STORE_TEXT},  {"args", STORE_TEXT},     {"first", STORE_INT},
    {"time", STORE_INT},     {"repeat", STORE_INT},    {"days", STORE_TEXT},
    {"end_type", STORE_INT}, {"end_value", STORE_INT}, {"done", STORE_INT},
    {"message", STORE_TEXT}, {"warning", STORE_INT},   {"attempts", STORE_INT},
    {"tried_at", STORE_INT}, {NULL, STORE_INT},
};
const StoreTable sched_action_table = {"sched_action", 1, sched_action_columns};

static gboolean kind_of_word(const char *word, Kind *kind)
{
    for (gint i = 0; i < KIND_COUNT; i++)
        if (!g_strcmp0(kind_row((Kind)i)->acl_word, word)) {
            *kind = (Kind)i;
            return TRUE;
        }
    return FALSE;
}

gboolean sched_action_load(World *world, const StoreValue *values, GError **error)
{
    Kind kind;
    if (!kind_of_word(values[1].text, &kind) || !pool_get(world, kind, (gint32)values[2].number))
        return wrong(error,
                     "scheduled action %" G_GINT64_FORMAT " belongs to %s %" G_GINT64_FORMAT
                     ", which does not exist",
                     values[0].number, values[1].text, values[2].number);
    SchedAction *action = g_new0(SchedAction, 1);
    guint i = 3;
    action->id = (gint32)values[0].number;
    action->kind = kind;
    action->owner = (gint32)values[2].number;
    action->action = g_strdup(values[i++].text);
    action->args = g_strdup(values[i++].text);
    action->first = values[i++].number;
    action->time = values[i++].number;
    action->repeat = (SchedRepeat)values[i++].number;
    action->days = g_strdup(values[i++].text);
    action->end_type = (SchedEnd)values[i++].number;
    action->end_value = values[i++].number;
    action->done = values[i++].number;
    action->message = g_strdup(values[i++].text);
    action->warning = values[i++].number;
    action->attempts = (gint)values[i++].number;
    action->tried_at = values[i].number;
    insert(world, action);
    return TRUE;
}

void sched_actions_check(World *world, GPtrArray *problems)
{
    GHashTableIter iterator;
    gpointer value;
    g_hash_table_iter_init(&iterator, world->scheduled->by_id);
    while (g_hash_table_iter_next(&iterator, NULL, &value)) {
        const SchedAction *action = value;
        const Object *owner = pool_get(world, action->kind, action->owner);
        if (!owner)
            g_ptr_array_add(problems,
                            g_strdup_printf("scheduled action %d belongs to %s %d, which does not "
                                            "exist",
                                            action->id, kind_row(action->kind)->acl_word,
                                            action->owner));
        else if (action->kind == KIND_VM && VM(owner)->state == VM_DONE)
            g_ptr_array_add(problems, g_strdup_printf("scheduled action %d belongs to machine %d, "
                                                      "which is done",
                                                      action->id, action->owner));
        if (action->repeat < SCHED_ONCE || action->repeat > SCHED_HOURLY ||
            !sched_days_fit(action->repeat, action->days, NULL))
            g_ptr_array_add(problems, g_strdup_printf("scheduled action %d repeats in a way that "
                                                      "does not exist",
                                                      action->id));
    }
}
