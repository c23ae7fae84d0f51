#include "server/lifecycle/hooks.h"

#include "lib/base/xml.h"
#include "server/lifecycle/internal.h"
#include "server/model/network/network.h"
#include "server/model/secrets.h"

#include <string.h>

/* The driver of hooks, as HM_MAD of oned.conf has it. */
#define DRIVER_NAME "one_hem"
/* Executions of one hook that are waited for; more are not begun. A hook whose program makes the
 * call that it waits for would else fill the memory. */
#define UNDER_WAY_MAX 1000
#define WAITING_MAX   ((gsize)64 * 1024 * 1024) /* bytes of what they get */
/* What a program gets must fit into a line to the driver, with room. */
#define ARGUMENTS_MAX ((gsize)2 * 1024 * 1024)
/* The driver keeps to a hook's TIMEOUT, but may have many before it: only one that has lost the
 * answer is this late. Seconds. */
#define PATIENCE (8 * 86400)

/* ---- requests ---- */

/* (owned) */
static char *request_payload(World *world, const Hook *hook, const HookRun *run)
{
    const Template *template = hook->head.template;
    g_autoptr(GString) xml = g_string_new("<HOOK_DRIVER_ACTION_DATA>");
    g_auto(GStrv) directories = hook_directories(world);
    xml_append_element(xml, "COMMAND", template_get(template, "COMMAND"));
    xml_append_element(xml, "ARGUMENTS", run->arguments);
    xml_append_element(xml, "ARGUMENTS_STDIN",
                       template_get_bool(template, "ARGUMENTS_STDIN", FALSE) ? "YES" : "NO");
    xml_append_element(xml, "TIMEOUT", template_get(template, "TIMEOUT"));
    xml_append_element(xml, "HOST", run->host);
    xml_append_element_int(xml, "EXECUTION_ID", run->number);
    for (guint i = 0; directories[i]; i++)
        xml_append_element(xml, "DIRECTORY", directories[i]);
    g_string_append(xml, "</HOOK_DRIVER_ACTION_DATA>");
    return g_base64_encode((const guchar *)xml->str, xml->len);
}

static void end_without_code(Lifecycle *lifecycle, Hook *hook, HookRun *run, const char *why)
{
    g_autofree char *text = g_base64_encode((const guchar *)why, strlen(why));
    log_warning("HKM", "Hook %s (%d), execution %d: %s", hook->head.name, hook->head.id,
                run->number, why);
    hook_end_run(lifecycle->world, hook, run, NULL, -1, "", text);
}

static gint32 execute(Lifecycle *lifecycle, Hook *hook, const char *arguments, const char *host,
                      gboolean is_retry)
{
    World *world = lifecycle->world;
    gboolean too_long = strlen(arguments) > ARGUMENTS_MAX;
    HookRun *run = hook_begin_run(world, hook, too_long ? "" : arguments, host, is_retry);
    gint32 number = run->number; /* a record may be gone once it has ended */
    if (too_long) {
        end_without_code(lifecycle, hook, run,
                         "not begun: what it would be given is longer than 2 MiB");
    } else if (hook->under_way > UNDER_WAY_MAX || hook->waiting > WAITING_MAX) {
        end_without_code(lifecycle, hook, run,
                         "not begun: as many executions of this hook as oned keeps waiting are "
                         "under way already");
    } else if (template_get_bool(hook->head.template, "REMOTE", FALSE) && !*run->host) {
        end_without_code(lifecycle, hook, run, "not begun: it is REMOTE, and there is no host");
    } else {
        DriverRequest *request = g_new0(DriverRequest, 1);
        request->class = DRIVER_HOOK;
        request->driver = g_strdup(DRIVER_NAME);
        request->action = g_strdup("EXECUTE");
        request->id = hook->head.id;
        request->payload = request_payload(world, hook, run);
        lifecycle_ask(lifecycle, request, ASKED_HOOK, hook->head.id, (guint)number, PATIENCE);
    }
    return number;
}

gint32 hook_retry(Lifecycle *lifecycle, Hook *hook, const HookRun *run)
{
    g_autofree char *arguments = g_strdup(run->arguments);
    g_autofree char *host = g_strdup(run->host);
    return execute(lifecycle, hook, arguments, host, TRUE);
}

/* ---- what happens ---- */

static gboolean waits_for_state(const Hook *hook, const Object *object)
{
    if (hook->type != HOOK_ON_STATE || hook->when.resource != object->kind)
        return FALSE;
    switch (object->kind) {
    case KIND_VM: {
        const Vm *vm = (const Vm *)object;
        return (gint)vm->state == hook->when.state &&
               (vm->state != VM_ACTIVE || (gint)vm->lcm == hook->when.lcm);
    }
    case KIND_HOST:
        return (gint)((const Host *)object)->state == hook->when.state;
    case KIND_IMAGE:
        return (gint)((const Image *)object)->state == hook->when.state;
    case KIND_NET:
        return (gint)((const Network *)object)->state == hook->when.state;
    default:
        return FALSE;
    }
}

/* Where a hook that is REMOTE runs; "" when there is no such place. */
static const char *host_of(const Object *object)
{
    if (object->kind == KIND_HOST)
        return object->name;
    const VmRecord *record = object->kind == KIND_VM ? vm_last_record((const Vm *)object) : NULL;
    return record ? record->host_name : "";
}

void hooks_entered(World *world, Object *object)
{
    Lifecycle *lifecycle = world->lifecycle;
    const GPtrArray *all = world->pools[KIND_HOOK].order;
    g_autofree char *coded = NULL;
    g_autofree char *id = g_strdup_printf("%d", object->id);
    for (guint i = 0; i < all->len; i++) {
        Hook *hook = all->pdata[i];
        if (!waits_for_state(hook, object))
            continue;
        if (!coded) {
            g_autoptr(GString) xml = g_string_new(NULL);
            object_render(world, object, xml);
            secrets_hide_xml(world, xml, 0);
            coded = g_base64_encode((const guchar *)xml->str, xml->len);
        }
        const Template *template = hook->head.template;
        g_autofree char *arguments = hook_arguments(template_get(template, "ARGUMENTS"),
                                                    &(HookFacts){.template = coded, .id = id});
        execute(lifecycle, hook, arguments,
                template_get_bool(template, "REMOTE", FALSE) ? host_of(object) : "", FALSE);
    }
}

static gboolean waits_for_call(const Hook *hook, const char *call)
{
    return hook->type == HOOK_ON_CALL && !strcmp(hook->when.call, call);
}

gboolean hooks_wait_for(World *world, const char *call)
{
    const GPtrArray *all = world->pools[KIND_HOOK].order;
    for (guint i = 0; i < all->len; i++)
        if (waits_for_call(all->pdata[i], call))
            return TRUE;
    return FALSE;
}

void hooks_called(Lifecycle *lifecycle, const char *call, const char *info)
{
    const GPtrArray *all = lifecycle->world->pools[KIND_HOOK].order;
    g_autofree char *coded = g_base64_encode((const guchar *)info, strlen(info));
    for (guint i = 0; i < all->len; i++) {
        Hook *hook = all->pdata[i];
        if (!waits_for_call(hook, call))
            continue;
        g_autofree char *arguments = hook_arguments(template_get(hook->head.template, "ARGUMENTS"),
                                                    &(HookFacts){.api = coded});
        execute(lifecycle, hook, arguments, "", FALSE);
    }
}

/* ---- what the driver says ---- */

/* "-" stands for nothing. FALSE: it is no base64. */
static gboolean is_coded(const char *word)
{
    return !strcmp(word, "-") ||
           strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=") ==
               strlen(word);
}

static const char *coded_text(const char *word)
{
    return strcmp(word, "-") != 0 ? word : "";
}

/* "<code> <command> <out> <errors>", the last three in base64; code -1: it has none. FALSE: it is
 * not that. */
static gboolean take_result(Lifecycle *lifecycle, Hook *hook, HookRun *run, const char *info)
{
    g_auto(GStrv) words = g_strsplit(info, " ", -1);
    gint64 code = 0;
    if (g_strv_length(words) != 4 ||
        !g_ascii_string_to_signed(words[0], 10, -1, 255, &code, NULL) || !is_coded(words[1]) ||
        !is_coded(words[2]) || !is_coded(words[3]))
        return FALSE;
    g_autofree char *command = lifecycle_decoded(coded_text(words[1]));
    log_info("HKM", "Hook %s (%d), execution %d: %s ended with code %d", hook->head.name,
             hook->head.id, run->number, command, (gint)code);
    hook_end_run(lifecycle->world, hook, run, command, (gint)code, coded_text(words[2]),
                 coded_text(words[3]));
    return TRUE;
}

void hook_answered(Lifecycle *lifecycle, const Asked *asked, gboolean success, const char *info)
{
    Object *object = pool_get(lifecycle->world, KIND_HOOK, asked->id);
    HookRun *run = object ? hook_run(HOOK(object), (gint32)asked->place) : NULL;
    if (!run) {
        log_info("HKM", "Hook %d, execution %u ended after the hook was deleted", asked->id,
                 asked->place);
        return;
    }
    if (!success)
        end_without_code(lifecycle, HOOK(object), run, info);
    else if (!take_result(lifecycle, HOOK(object), run, info))
        end_without_code(lifecycle, HOOK(object), run,
                         "it ran, and the driver of hooks gave a result of another form");
}

#define UNKNOWN_END                                                                                \
    "it is not known whether it ran, and how far; it is not run again by itself (onehook retry "   \
    "does)"

void hook_lost(Lifecycle *lifecycle, const Asked *asked, const char *why)
{
    g_autofree char *text = g_strdup_printf("%s: " UNKNOWN_END, why);
    hook_answered(lifecycle, asked, FALSE, text);
}

void hooks_resume(Lifecycle *lifecycle)
{
    const GPtrArray *all = lifecycle->world->pools[KIND_HOOK].order;
    for (guint i = 0; i < all->len; i++) {
        Hook *hook = all->pdata[i];
        while (hook->under_way) {
            HookRun *run = NULL;
            for (guint k = 0; !run; k++)
                if (((HookRun *)hook->runs->pdata[k])->under_way)
                    run = hook->runs->pdata[k];
            end_without_code(lifecycle, hook, run, "oned ended before the hook did: " UNKNOWN_END);
        }
    }
}
