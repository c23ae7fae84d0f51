/* Hooks and the records of their executions. */
#include "server/rpc/call_hooks.h"
#include "server/rpc/server_private.h"

#include "server/lifecycle/hooks.h"
#include "server/model/people/acl.h"

#include <string.h>

/* Hooks at most: each is looked at whenever something enters a state. */
#define HOOKS_MAX 1000

/* The template says a hook of that type, and is in its one form then. FALSE with the error. */
static gboolean settle(Request *request, HookType type, Template *template, HookWhen *when)
{
    g_auto(GStrv) directories = hook_directories(request->world);
    if (!hook_settle(type, template, directories, when, &request->error))
        return FALSE;
    if (type == HOOK_ON_CALL && !call_can_have_hooks(request->server, when->call)) {
        reply_error(request, ONE_ERROR_INTERNAL, "API call does not exist or is not supported: %s",
                    when->call);
        return FALSE;
    }
    return TRUE;
}

RpcReply *hook_allocate(Request *request)
{
    g_autoptr(Template) template = request_template(request, 1);
    HookType type;
    HookWhen when;
    if (!template)
        return NULL;
    g_autofree char *name = g_strdup(template_get(template, "NAME"));
    if (!name || !*name)
        return reply_error(request, ONE_ERROR_INTERNAL, "No NAME in template for Hook.");
    if (!request_name_is_free(request, KIND_HOOK, name, pool_find(request->world, KIND_HOOK, name)))
        return NULL;
    if (!hook_type_read(template_get(template, "TYPE"), &type))
        return reply_error(
            request, ONE_ERROR_INTERNAL,
            "No TYPE or invalid one in template for Hook: it is \"state\" or \"api\".");
    if (pool_count(request->world, KIND_HOOK) >= HOOKS_MAX)
        return reply_error(request, ONE_ERROR_ALLOCATE, "There are %d hooks, and no more can be",
                           HOOKS_MAX);
    template_remove(template, "NAME");
    template_remove(template, "TYPE");
    if (!settle(request, type, template, &when))
        return NULL;
    Hook *hook = hook_create(request->world, name, type, g_steal_pointer(&template));
    return reply_int(request, hook->head.id);
}

RpcReply *hook_delete(Request *request)
{
    gint32 id = request->object->id;
    acl_forget(request->world, request->object);
    hook_remove(request->world, HOOK(request->object));
    return reply_int(request, id);
}

RpcReply *hook_update(Request *request)
{
    Hook *hook = HOOK(request->object);
    g_autoptr(Template) change = request_template(request, 2);
    gint32 append = arg_int(request, 3, 0);
    HookType type;
    HookWhen when;
    if (!change)
        return NULL;
    if (append != 0 && append != 1)
        return reply_error(request, ONE_ERROR_RPC_API, "Wrong update type");
    const char *said = template_get(change, "TYPE");
    if (said && (!hook_type_read(said, &type) || type != hook->type))
        return reply_error(request, ONE_ERROR_INTERNAL,
                           "The TYPE of a hook cannot be changed; make another hook");
    template_remove(change, "TYPE");
    template_remove(change, "NAME");
    /* What it waits for is kept when a change does not speak of it. */
    const char *resource = template_get(hook->head.template, "RESOURCE");
    if (resource && !template_get(change, "RESOURCE"))
        template_set(change, "RESOURCE", resource);
    g_autoptr(Template) copy = template_copy(hook->head.template);
    if (!request_change_template(request, &copy, g_steal_pointer(&change), append) ||
        !settle(request, hook->type, copy, &when))
        return NULL;
    hook_set_template(request->world, hook, g_steal_pointer(&copy), &when);
    return reply_int(request, hook->head.id);
}

RpcReply *hook_method_retry(Request *request)
{
    Hook *hook = HOOK(request->object);
    gint32 number = arg_int(request, 2, -1);
    const HookRun *run = hook_run(hook, number);
    if (!run)
        return reply_error(request, ONE_ERROR_NO_EXISTS,
                           "Error getting execution [%d] of hook [%d]: there is no record of it.",
                           number, hook->head.id);
    if (run->under_way)
        return reply_error(request, ONE_ERROR_ACTION,
                           "Execution %d of hook %d is under way; it can be run again when it has "
                           "ended",
                           number, hook->head.id);
    (void)hook_retry(request->lifecycle, hook, run);
    return reply_int(request, hook->head.id);
}

/* Which records are wanted. */
typedef struct Wanted {
    gint64 from, until; /* -1: open */
    gint32 codes;       /* -1 failures, 0 all, 1 successes */
} Wanted;

static gboolean is_wanted(const HookRun *run, const Wanted *wanted)
{
    if ((wanted->from >= 0 && run->time < wanted->from) ||
        (wanted->until >= 0 && run->time > wanted->until))
        return FALSE;
    return wanted->codes == 0 || (!run->under_way && (run->code == 0) == (wanted->codes > 0));
}

RpcReply *hooklog_info(Request *request)
{
    Wanted wanted = {arg_int(request, 1, -1), arg_int(request, 2, -1), arg_int(request, 4, 0)};
    gint32 id = arg_int(request, 3, -1);
    const GPtrArray *all = request->world->pools[KIND_HOOK].order;
    g_autoptr(GString) xml = g_string_new("<HOOKLOG>");
    if (wanted.codes < -1 || wanted.codes > 1)
        return reply_error(request, ONE_ERROR_RPC_API,
                           "The filter of return codes is %d; it must be -1 (failures), 0 (all) or "
                           "1 (successes)",
                           wanted.codes);
    for (guint i = all->len; i-- > 0;) {
        const Hook *hook = all->pdata[i];
        for (guint k = 0; k < hook->runs->len && (id < 0 || id == hook->head.id); k++)
            if (is_wanted(hook->runs->pdata[k], &wanted))
                hook_run_render(hook, hook->runs->pdata[k], xml);
    }
    g_string_append(xml, "</HOOKLOG>");
    return reply_text(request, xml->str);
}
