#include "server/model/hook.h"

#include "lib/base/error.h"
#include "lib/base/paths.h"
#include "server/model/place/host.h"
#include "server/model/storage/image.h"
#include "server/model/network/network.h"
#include "server/model/machine/vm.h"
#include "server/model/world.h"

#include <string.h>

#define COMMAND_MAX       1024
#define ARGUMENTS_MAX     4096
#define TIMEOUT_MAX       (7 * 86400)

#define wrong(error, ...) (g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, __VA_ARGS__), FALSE)

/* ---- states ---- */

/* The state that ON stands for; sources: OpenNebula's guide of hooks, and that of 2.x, whose
 * words some still write. */
static const struct {
    Kind kind;
    const char *word;
    gint state, lcm;
} words[] = {
    {KIND_VM, "CREATE", VM_PENDING, LCM_INIT},    {KIND_VM, "PROLOG", VM_ACTIVE, LCM_PROLOG},
    {KIND_VM, "RUNNING", VM_ACTIVE, LCM_RUNNING}, {KIND_VM, "SHUTDOWN", VM_ACTIVE, LCM_EPILOG},
    {KIND_VM, "STOP", VM_STOPPED, LCM_INIT},      {KIND_VM, "DONE", VM_DONE, LCM_INIT},
    {KIND_VM, "UNKNOWN", VM_ACTIVE, LCM_UNKNOWN}, {KIND_HOST, "CREATE", HOST_INIT, 0},
    {KIND_HOST, "ERROR", HOST_ERROR, 0},          {KIND_HOST, "DISABLE", HOST_DISABLED, 0},
    {KIND_IMAGE, "CREATE", IMAGE_LOCKED, 0},      {KIND_IMAGE, "READY", IMAGE_READY, 0},
};

static const char *vm_name(gint state)
{
    return vm_state_name((VmState)state);
}
static const char *lcm_name(gint state)
{
    return vm_lcm_name((VmLcm)state);
}
static const char *host_name(gint state)
{
    return host_state_name((HostState)state);
}
static const char *image_name(gint state)
{
    return image_state_name((ImageState)state);
}
static const char *network_name(gint state)
{
    return network_state_name((NetworkState)state);
}

/* What a state hook can wait for. The states of a host go up to OFFLINE, with gaps. */
static const struct {
    Kind kind;
    const char *resource, *also;
    const char *(*name)(gint state);
    gint states;
} resources[] = {
    {KIND_VM, "VM", "VM", vm_name, VM_STATES},
    {KIND_HOST, "HOST", "HOST", host_name, HOST_OFFLINE + 1},
    {KIND_IMAGE, "IMAGE", "IMAGE", image_name, IMAGE_STATES},
    {KIND_NET, "NET", "VNET", network_name, NETWORK_UPDATE_FAILURE + 1},
};

static gint state_by_name(const char *(*name)(gint), gint states, const char *text)
{
    for (gint state = 0; text && state < states; state++)
        if (strcmp(name(state), "?") != 0 && !g_ascii_strcasecmp(name(state), text))
            return state;
    return -1;
}

/* ---- what a template says ---- */

gboolean hook_type_read(const char *text, HookType *type)
{
    gboolean on_call = text && !g_ascii_strcasecmp(text, "api");
    *type = on_call ? HOOK_ON_CALL : HOOK_ON_STATE;
    return on_call || (text && !g_ascii_strcasecmp(text, "state"));
}

char **hook_directories(World *world)
{
    g_autoptr(GPtrArray) found = g_ptr_array_new();
    const char *more;
    g_ptr_array_add(found, g_build_filename(world->var, "remotes", "hooks", NULL));
    for (guint i = 0; (more = config_list(world->config, "HOOK_DIRECTORY", i)); i++)
        if (*more)
            g_ptr_array_add(found, g_strdup(more));
    g_ptr_array_add(found, paths_mads("hooks"));
    g_ptr_array_add(found, NULL);
    return (char **)g_ptr_array_steal(found, NULL);
}

/* Below one of the directories, by text alone. */
static gboolean is_below(const char *path, char **directories)
{
    for (guint i = 0; directories[i]; i++) {
        gsize length = strlen(directories[i]);
        while (length && directories[i][length - 1] == '/')
            length--;
        if (!strncmp(path, directories[i], length) && path[length] == '/')
            return TRUE;
    }
    return FALSE;
}

/* One name after the other, none of them a way up. */
static gboolean is_plain_path(const char *command)
{
    g_auto(GStrv) names = g_strsplit(*command == '/' ? command + 1 : command, "/", -1);
    for (guint i = 0; names[i]; i++)
        if (!*names[i] || !strcmp(names[i], ".") || !strcmp(names[i], ".."))
            return FALSE;
    return TRUE;
}

static gboolean command_fits(const char *command, char **directories, GError **error)
{
    if (!command || !*command)
        return wrong(error, "No COMMAND in template for Hook.");
    if (strlen(command) > COMMAND_MAX)
        return wrong(error, "COMMAND is longer than %d bytes", COMMAND_MAX);
    for (const char *at = command; *at; at++)
        if (!g_ascii_isalnum(*at) && !strchr("/._-+@=,:", *at))
            return wrong(error,
                         "COMMAND may hold letters, digits and / . _ - + @ = , : only: byte %d is "
                         "another one. It names a file; what the file is to get goes into "
                         "ARGUMENTS",
                         (gint)(at - command) + 1);
    if (!is_plain_path(command))
        return wrong(error,
                     "COMMAND \"%s\" is not a plain path: no part of it may be empty, \".\" "
                     "or \"..\"",
                     command);
    if (*command == '/' && directories && !is_below(command, directories)) {
        g_autofree char *list = g_strjoinv(", ", directories);
        return wrong(error,
                     "COMMAND %s is in none of the directories of hooks: %s. Put it there and name "
                     "it by its path below, or add its directory as HOOK_DIRECTORY to oned.conf",
                     command, list);
    }
    return TRUE;
}

/* YES or NO of a template, in one form. FALSE with the error. */
static gboolean settle_switch(Template *template, const char *name, GError **error)
{
    const char *given = template_get(template, name);
    if (!given)
        return TRUE;
    gboolean yes = template_get_bool(template, name, FALSE);
    static const char *const noes[] = {"", "no", "n", "false", "off", "0", NULL};
    g_autofree char *lower = g_ascii_strdown(given, -1);
    if (!yes && !g_strv_contains(noes, lower))
        return wrong(error, "%s is \"%s\"; it must be YES or NO", name, given);
    template_set(template, name, yes ? "YES" : "NO");
    return TRUE;
}

static gboolean arguments_fit(const Template *template, GError **error)
{
    const char *arguments = template_get(template, "ARGUMENTS");
    g_auto(GStrv) list = NULL;
    g_autoptr(GError) why = NULL;
    if (!arguments || !*arguments)
        return TRUE;
    if (strlen(arguments) > ARGUMENTS_MAX)
        return wrong(error, "ARGUMENTS are longer than %d bytes", ARGUMENTS_MAX);
    for (const char *at = arguments; *at; at++)
        if (g_ascii_iscntrl(*at) && *at != '\t')
            return wrong(error, "ARGUMENTS have a control character (0x%02x); they are one line",
                         (guint)(guchar)*at);
    if (!template_get_bool(template, "ARGUMENTS_STDIN", FALSE) &&
        !g_shell_parse_argv(arguments, NULL, &list, &why) &&
        !g_error_matches(why, G_SHELL_ERROR, G_SHELL_ERROR_EMPTY_STRING))
        return wrong(error, "ARGUMENTS cannot be taken apart into words: %s", why->message);
    return TRUE;
}

static gboolean settle_vm(const Template *template, HookWhen *when, GError **error)
{
    const char *state = template_get(template, "STATE"), *lcm = template_get(template, "LCM_STATE");
    when->state = state_by_name(vm_name, VM_STATES, state);
    if (when->state < 0)
        return wrong(error, "Wrong STATE: %s", state ? state : "");
    /* The real one wants both; where only one value can be meant it is not asked for. */
    when->lcm = lcm && *lcm                ? state_by_name(lcm_name, LCM_STATES, lcm)
                : when->state == VM_ACTIVE ? -1
                                           : LCM_INIT;
    if (when->lcm < 0 || (when->state == VM_ACTIVE) != (when->lcm != LCM_INIT))
        return wrong(error, "Wrong LCM_STATE: %s (LCM_INIT unless STATE is ACTIVE)",
                     lcm ? lcm : "");
    return TRUE;
}

/* STATE and LCM_STATE from ON, where that names a state itself. FALSE with the error. */
static gboolean settle_on(Template *template, Kind kind, GError **error)
{
    const char *on = template_get(template, "ON");
    if (!on || !*on || !g_ascii_strcasecmp(on, "CUSTOM"))
        return TRUE;
    for (guint i = 0; i < G_N_ELEMENTS(words); i++) {
        if (words[i].kind != kind || g_ascii_strcasecmp(words[i].word, on) != 0)
            continue;
        template_set(template, "STATE",
                     kind == KIND_VM     ? vm_name(words[i].state)
                     : kind == KIND_HOST ? host_name(words[i].state)
                                         : image_name(words[i].state));
        if (kind == KIND_VM)
            template_set(template, "LCM_STATE", lcm_name(words[i].lcm));
        return TRUE;
    }
    g_autoptr(GString) known = g_string_new(NULL);
    for (guint i = 0; i < G_N_ELEMENTS(words); i++)
        if (words[i].kind == kind)
            g_string_append_printf(known, "%s, ", words[i].word);
    return wrong(error, "Unkown state condition: %s; ON is %sor CUSTOM, with STATE", on,
                 known->str);
}

static gboolean settle_state(Template *template, HookWhen *when, GError **error)
{
    const char *resource = template_get(template, "RESOURCE");
    guint which = 0;
    if (!resource || !*resource)
        return wrong(error, "RESOURCE attribute is required for STATE hooks.");
    while (which < G_N_ELEMENTS(resources) &&
           g_ascii_strcasecmp(resources[which].resource, resource) != 0 &&
           g_ascii_strcasecmp(resources[which].also, resource) != 0)
        which++;
    if (which == G_N_ELEMENTS(resources))
        return wrong(error, "Invalid resource type: %s (VM, HOST, IMAGE or NET)", resource);
    when->resource = resources[which].kind;
    template_set(template, "RESOURCE", resources[which].resource);
    if (!settle_on(template, when->resource, error))
        return FALSE;
    template_remove(template, "ON");
    if (when->resource == KIND_VM) {
        if (!settle_vm(template, when, error))
            return FALSE;
        template_set(template, "LCM_STATE", lcm_name(when->lcm));
    } else {
        const char *state = template_get(template, "STATE");
        when->state = state_by_name(resources[which].name, resources[which].states, state);
        when->lcm = 0;
        if (when->state < 0)
            return wrong(error, "Invalid STATE: %s", state ? state : "");
        template_remove(template, "LCM_STATE");
    }
    template_set(template, "STATE", resources[which].name(when->state));
    return TRUE;
}

static gboolean remote_fits(HookType type, const Template *template, const HookWhen *when,
                            GError **error)
{
    gboolean has_host =
        type == HOOK_ON_STATE && (when->resource == KIND_VM || when->resource == KIND_HOST);
    return has_host || !template_get_bool(template, "REMOTE", FALSE) ||
           wrong(error, "REMOTE = YES is for hooks of RESOURCE VM and HOST, which have a host to "
                        "run on");
}

static gboolean timeout_fits(const Template *template, GError **error)
{
    gint64 seconds = 0;
    const char *given = template_get(template, "TIMEOUT");
    return !given ||
           (template_get_int(template, "TIMEOUT", &seconds) && seconds > 0 &&
            seconds <= TIMEOUT_MAX) ||
           wrong(error, "TIMEOUT is \"%s\"; it must be seconds, 1 to %d", given, TIMEOUT_MAX);
}

gboolean hook_settle(HookType type, Template *template, char **directories, HookWhen *when,
                     GError **error)
{
    *when = (HookWhen){.resource = KIND_NONE};
    if (!command_fits(template_get(template, "COMMAND"), directories, error))
        return FALSE;
    if (!template_get(template, "REMOTE"))
        template_set(template, "REMOTE", "NO");
    if (!settle_switch(template, "REMOTE", error) ||
        !settle_switch(template, "ARGUMENTS_STDIN", error) || !timeout_fits(template, error) ||
        !arguments_fit(template, error))
        return FALSE;
    if (type == HOOK_ON_STATE && !settle_state(template, when, error))
        return FALSE;
    if (type == HOOK_ON_CALL) {
        when->call = template_get(template, "CALL");
        if (!when->call || !*when->call)
            return wrong(error, "The CALL attribute is not defined or it's invalid.");
    }
    return remote_fits(type, template, when, error);
}

/* What a variable of ARGUMENTS stands for here; NULL: it is none. */
static const char *value_of(const char *name, gsize length, const HookFacts *facts)
{
    const struct {
        const char *name, *value;
    } known[] = {{"TEMPLATE", facts->template}, {"API", facts->api}, {"ID", facts->id}};
    for (guint i = 0; i < G_N_ELEMENTS(known); i++)
        if (strlen(known[i].name) == length && !strncmp(known[i].name, name, length))
            return known[i].value;
    return NULL;
}

char *hook_arguments(const char *arguments, const HookFacts *facts)
{
    GString *text = g_string_new(NULL);
    for (const char *at = arguments ? arguments : ""; *at;) {
        gsize length = 0;
        while (*at == '$' && (g_ascii_isupper(at[1 + length]) || at[1 + length] == '_'))
            length++;
        const char *value = length ? value_of(at + 1, length, facts) : NULL;
        if (value) {
            g_string_append(text, value);
            at += 1 + length;
        } else {
            g_string_append_c(text, *at++);
        }
    }
    return g_string_free(text, FALSE);
}

/* ---- records ---- */

static const StoreColumn run_columns[] = {
    {"hook", STORE_INT},       {"number", STORE_INT},  {"time", STORE_INT},
    {"under_way", STORE_INT},  {"retry", STORE_INT},   {"code", STORE_INT},
    {"arguments", STORE_TEXT}, {"host", STORE_TEXT},   {"command", STORE_TEXT},
    {"out", STORE_TEXT},       {"errors", STORE_TEXT}, {NULL, STORE_INT},
};
const StoreTable hook_run_table = {"hook_run", 2, run_columns};

static void run_free(gpointer data)
{
    HookRun *run = data;
    g_free(run->arguments);
    g_free(run->host);
    g_free(run->command);
    g_free(run->out);
    g_free(run->errors);
    g_free(run);
}

static void write_run(World *world, const Hook *hook, const HookRun *run)
{
    StoreWrite *row = store_write_new(&hook_run_table, STORE_PUT);
    guint i = 0;
    store_set_int(row, i++, hook->head.id);
    store_set_int(row, i++, run->number);
    store_set_int(row, i++, run->time);
    store_set_int(row, i++, run->under_way);
    store_set_int(row, i++, run->is_retry);
    store_set_int(row, i++, run->code);
    store_set_text(row, i++, run->arguments);
    store_set_text(row, i++, run->host);
    store_set_text(row, i++, run->command);
    store_set_text(row, i++, run->out);
    store_set_text(row, i++, run->errors);
    core_write(world->core, row);
}

static void delete_run(World *world, const Hook *hook, const HookRun *run)
{
    StoreWrite *row = store_write_new(&hook_run_table, STORE_DELETE);
    store_set_int(row, 0, hook->head.id);
    store_set_int(row, 1, run->number);
    core_write(world->core, row);
}

gboolean hook_run_load(World *world, const StoreValue *values, GError **error)
{
    Object *object = pool_get(world, KIND_HOOK, (gint32)values[0].number);
    if (!object)
        return wrong(error,
                     "an execution of hook %" G_GINT64_FORMAT " is on record, and no such hook",
                     values[0].number);
    HookRun *run = g_new0(HookRun, 1);
    run->number = (gint32)values[1].number;
    run->time = values[2].number;
    run->under_way = values[3].number != 0;
    run->is_retry = values[4].number != 0;
    run->code = (gint)values[5].number;
    run->arguments = g_strdup(values[6].text);
    run->host = g_strdup(values[7].text);
    run->command = g_strdup(values[8].text);
    run->out = g_strdup(values[9].text);
    run->errors = g_strdup(values[10].text);
    g_ptr_array_add(HOOK(object)->runs, run);
    HOOK(object)->under_way += run->under_way;
    if (run->under_way)
        HOOK(object)->waiting += strlen(run->arguments);
    return TRUE;
}

HookRun *hook_run(const Hook *hook, gint32 number)
{
    for (guint i = 0; i < hook->runs->len; i++) {
        HookRun *run = hook->runs->pdata[i];
        if (run->number == number)
            return run;
    }
    return NULL;
}

HookRun *hook_begin_run(World *world, Hook *hook, const char *arguments, const char *host,
                        gboolean is_retry)
{
    HookRun *run = g_new0(HookRun, 1);
    run->number = hook->next_run++;
    run->time = core_now(world->core);
    run->under_way = TRUE;
    run->is_retry = is_retry;
    run->code = -1;
    run->arguments = g_strdup(arguments);
    run->host = g_strdup(host ? host : "");
    run->command = g_strdup(template_get(hook->head.template, "COMMAND"));
    run->out = g_strdup("");
    run->errors = g_strdup("");
    g_ptr_array_add(hook->runs, run);
    hook->under_way++;
    hook->waiting += strlen(run->arguments);
    write_run(world, hook, run);
    object_changed(world, &hook->head);
    return run;
}

/* Those that ended go, the oldest first, until no more than that are left. */
static void keep_latest(World *world, Hook *hook)
{
    guint ended = hook->runs->len - hook->under_way;
    guint most = (guint)config_int(world->config, "HOOK_LOG_CONF/LOG_RETENTION");
    for (guint i = 0; i < hook->runs->len && ended > most;) {
        const HookRun *run = hook->runs->pdata[i];
        if (run->under_way) {
            i++;
            continue;
        }
        delete_run(world, hook, run);
        g_ptr_array_remove_index(hook->runs, i);
        ended--;
    }
}

void hook_end_run(World *world, Hook *hook, HookRun *run, const char *command, gint code,
                  const char *out, const char *errors)
{
    if (command) {
        g_free(run->command);
        run->command = g_strdup(command);
    }
    g_free(run->out);
    g_free(run->errors);
    run->out = g_strdup(out);
    run->errors = g_strdup(errors);
    run->code = code;
    hook->under_way -= run->under_way;
    if (run->under_way)
        hook->waiting -= strlen(run->arguments);
    run->under_way = FALSE;
    write_run(world, hook, run);
    keep_latest(world, hook);
    object_changed(world, &hook->head);
}

void hook_run_render(const Hook *hook, const HookRun *run, GString *xml)
{
    g_string_append(xml, "<HOOK_EXECUTION_RECORD>");
    xml_int(xml, "HOOK_ID", hook->head.id);
    xml_int(xml, "EXECUTION_ID", run->number);
    xml_int(xml, "TIMESTAMP", run->time);
    xml_text(xml, "ARGUMENTS", run->arguments);
    g_string_append(xml, "<EXECUTION_RESULT>");
    xml_text(xml, "COMMAND", run->command);
    xml_text(xml, "STDOUT", run->out);
    xml_text(xml, "STDERR", run->errors);
    xml_int(xml, "CODE", run->code);
    g_string_append(xml, "</EXECUTION_RESULT>");
    if (*run->host)
        xml_text(xml, "REMOTE_HOST", run->host);
    if (run->is_retry)
        xml_text(xml, "RETRY", "yes");
    g_string_append(xml, "</HOOK_EXECUTION_RECORD>");
}

/* ---- the object ---- */

static void render(Object *object, gboolean log, GString *xml)
{
    const Hook *hook = HOOK(object);
    g_string_append(xml, "<HOOK>");
    xml_int(xml, "ID", object->id);
    xml_text(xml, "NAME", object->name);
    xml_text(xml, "TYPE", hook->type == HOOK_ON_CALL ? "api" : "state");
    xml_lock(object, xml);
    template_append_xml_element(object->template, "TEMPLATE", xml);
    if (log && !hook->runs->len)
        g_string_append(xml, "<HOOKLOG/>");
    if (log && hook->runs->len) {
        g_string_append(xml, "<HOOKLOG>");
        for (guint i = 0; i < hook->runs->len; i++)
            hook_run_render(hook, hook->runs->pdata[i], xml);
        g_string_append(xml, "</HOOKLOG>");
    }
    g_string_append(xml, "</HOOK>");
}

static void hook_render(World *world, Object *object, GString *xml)
{
    render(object, TRUE, xml);
}

static void hook_render_brief(World *world, Object *object, GString *xml)
{
    render(object, FALSE, xml);
}

static const StoreColumn columns[] = {
    HEAD_COLUMNS,      {"type", STORE_INT}, {"next_run", STORE_INT}, {"template", STORE_TEXT},
    {NULL, STORE_INT},
};
static const StoreTable table = {"hook", 1, columns};

static StoreWrite *hook_row(World *world, const Object *object)
{
    const Hook *hook = (const Hook *)object;
    StoreWrite *row = store_write_new(&table, STORE_PUT);
    guint i = head_to_row(object, row);
    store_set_int(row, i++, hook->type);
    store_set_int(row, i++, hook->next_run);
    store_take_text(row, i++, template_to_text(object->template));
    return row;
}

static Hook *hook_new(gint32 id, const char *name, HookType type, Template *template)
{
    Hook *hook = g_new0(Hook, 1);
    object_init(&hook->head, KIND_HOOK, id, name, template);
    hook->type = type;
    hook->runs = g_ptr_array_new_with_free_func(run_free);
    return hook;
}

static void hook_free(Object *object)
{
    g_ptr_array_unref(HOOK(object)->runs);
    object_clear(object);
    g_free(object);
}

static gboolean hook_load(World *world, const StoreValue *values, GError **error)
{
    const StoreValue *own = values + HEAD_END;
    Template *template = template_parse(own[2].text, TEMPLATE_MODERN, error);
    if (!template)
        return FALSE;
    HookType type = own[0].number == HOOK_ON_CALL ? HOOK_ON_CALL : HOOK_ON_STATE;
    Hook *hook = hook_new((gint32)values[0].number, values[1].text, type, template);
    head_from_row(&hook->head, values);
    hook->next_run = (gint32)own[1].number;
    if (!hook_settle(type, template, NULL, &hook->when, error)) {
        g_prefix_error(error, "hook %d: ", hook->head.id);
        hook_free(&hook->head);
        return FALSE;
    }
    pool_add(world, &hook->head);
    return TRUE;
}

Hook *hook_create(World *world, const char *name, HookType type, Template *template)
{
    Hook *hook = hook_new(pool_next_id(world, KIND_HOOK), name, type, template);
    (void)hook_settle(type, template, NULL, &hook->when, NULL);
    pool_add(world, &hook->head);
    return hook;
}

void hook_set_template(World *world, Hook *hook, Template *template, const HookWhen *when)
{
    template_free(hook->head.template);
    hook->head.template = template;
    hook->when = *when;
    object_changed(world, &hook->head);
}

void hook_remove(World *world, Hook *hook)
{
    for (guint i = 0; i < hook->runs->len; i++)
        delete_run(world, hook, hook->runs->pdata[i]);
    pool_remove(world, &hook->head);
}

const KindOperations hook_operations = {hook_render, hook_render_brief, hook_row, hook_load,
                                        &table,      hook_free};
