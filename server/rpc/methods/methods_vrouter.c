/* Virtual routers: cards with addresses that several machines share, and these machines. */
#include "server/rpc/server_private.h"
#include "server/rpc/template_rules.h"
#include "server/rpc/vm_cards.h"
#include "server/rpc/vm_devices.h"

#include "server/model/people/quota.h"
#include "server/model/network/vrouter.h"

#include <string.h>

/* Cards, and machines, of one router at most. */
#define CARDS_MAX    256
#define MACHINES_MAX 64

/* ---- cards ---- */

static void release_card(World *world, const TemplateAttribute *card, gint32 router)
{
    network_release_held(world, card, (Holder){HOLDER_ROUTER, router});
}

static void release_cards(World *world, const Template *template, gint32 router)
{
    const TemplateAttribute *card;
    for (guint i = 0; (card = template_vector(template, "NIC", i)); i++)
        release_card(world, card, router);
}

/* What the caller may write into cards of a router. FALSE with the error. */
static gboolean cards_fit(Request *request, const Template *template)
{
    if (template_get(template, "NIC"))
        return reply_error(request, ONE_ERROR_ALLOCATE,
                           "NIC must be a vector: NIC = [ NETWORK_ID = 0, FLOATING_IP = YES ]") !=
               NULL;
    if (template_vector(template, "NIC", CARDS_MAX))
        return reply_error(request, ONE_ERROR_ALLOCATE, "A virtual router has at most %d of NIC",
                           CARDS_MAX) != NULL;
    return vm_check_restricted(request->world, request->caller, template, &request->error);
}

/* The addresses that such a router would hold are within the quotas of its owner. */
static gboolean quota_allows_cards(Request *request, const Object *router, gint32 uid, gint32 gid,
                                   Template *template)
{
    const Object probe = {.kind = KIND_VROUTER, .uid = uid, .gid = gid, .template = template};
    return quota_allows(request->world, router, quota_use_of(request->world, &probe),
                        &request->error);
}

/* Numbers the cards and leases their addresses: all, or none with the error. */
static gboolean take_cards(Request *request, Template *template, gint32 router)
{
    TemplateAttribute *card;
    for (guint i = 0; (card = template_vector(template, "NIC", i)); i++) {
        attribute_set_int(card, "NIC_ID", i);
        if (card_take_shared(request->world, request->caller, card, router, &request->error))
            continue;
        attribute_set(card, "AR_ID", NULL);
        release_cards(request->world, template, router);
        return FALSE;
    }
    if (quota_allows_cards(request, NULL, request->caller->head.id, request->caller->head.gid,
                           template))
        return TRUE;
    release_cards(request->world, template, router);
    return FALSE;
}

RpcReply *vrouter_allocate(Request *request)
{
    World *world = request->world;
    g_autoptr(Template) template = request_template(request, 1);
    if (!template || !cards_fit(request, template) ||
        !request_own_name_is_free(request, KIND_VROUTER, template_get(template, "NAME")))
        return NULL;
    gint32 id = world->pools[KIND_VROUTER].last_id + 1; /* that vrouter_create() will give */
    if (!take_cards(request, template, id))
        return NULL;
    g_autofree char *name = g_strdup(template_get(template, "NAME"));
    template_remove(template, "NAME");
    template_remove(template, VROUTER_DELETING);
    VRouter *router = vrouter_create(world, name, request->caller->head.id,
                                     request->caller->head.gid, g_steal_pointer(&template));
    router->head.permissions = request_new_permissions(request);
    vrouter_touch_networks(world, router);
    return reply_int(request, router->head.id);
}

/* Cards come and go with attachnic and detachnic: those in `change` are left out. */
RpcReply *vrouter_update(Request *request)
{
    Object *object = request->object;
    g_autoptr(Template) change = request_template(request, 2);
    gint32 append = arg_int(request, 3, 0);
    const TemplateAttribute *card;
    if (!change)
        return NULL;
    if (append != 0 && append != 1)
        return reply_error(request, ONE_ERROR_RPC_API, "Wrong update type");
    template_remove(change, "NIC");
    template_remove(change, VROUTER_DELETING);
    if (vrouter_is_leaving(VROUTER(object)))
        template_set(change, VROUTER_DELETING, "YES");
    for (guint i = 0; !append && (card = template_vector(object->template, "NIC", i)); i++) {
        TemplateAttribute *kept = template_add_vector(change, "NIC");
        for (guint k = 0; k < card->pairs->len; k++) {
            const TemplatePair *pair = card->pairs->pdata[k];
            attribute_set(kept, pair->name, pair->value);
        }
    }
    if (!request_change_template(request, &object->template, g_steal_pointer(&change), append))
        return NULL;
    object_changed(request->world, object);
    return reply_int(request, object->id);
}

/* ---- machines ---- */

static gboolean is_ending(const Vm *vm)
{
    return vm->state == VM_DONE ||
           (vm->state == VM_ACTIVE && (vm->lcm == LCM_EPILOG || vm->lcm == LCM_CLEANUP_DELETE));
}

/* FALSE with the error: it goes on. */
static gboolean end_machine(Request *request, gint32 id, GError **error)
{
    Vm *vm = vm_get(request->world, id);
    VmAsker asker = request_asker(request);
    enum { DELETE = 3 };
    return !vm || is_ending(vm) ||
           vm_action(request->lifecycle, vm, "terminate-hard", &asker, NULL) ||
           vm_recover(request->lifecycle, vm, DELETE, &asker, error);
}

/* All that can be ended are; the error names one that cannot, and why. */
static gboolean end_machines(Request *request, const GArray *ids)
{
    for (guint i = 0; i < ids->len; i++) {
        g_autoptr(GError) error = NULL;
        gint32 id = g_array_index(ids, gint32, i);
        if (!end_machine(request, id, &error) && !request->error)
            g_set_error(&request->error, error->domain, error->code,
                        "Machine %d of the virtual router cannot be ended: %s", id, error->message);
    }
    return request->error == NULL;
}

/* Its addresses are nobody else's before the last machine has let go of them: until then it stays,
 * and goes when that machine is DONE. */
RpcReply *vrouter_delete(Request *request)
{
    gint32 id = request->object->id;
    g_autoptr(GArray) vms = g_array_copy(VROUTER(request->object)->vms); /* which gets shorter */
    gboolean ended = end_machines(request, vms);
    Object *left = pool_get(request->world, KIND_VROUTER, id);
    if (!left)
        request->object = NULL; /* it was leaving, and went with its last machine */
    if (!ended)
        return NULL;
    if (left)
        vrouter_leave(request->world, VROUTER(left));
    return reply_int(request, id);
}

/* "%i" in the name becomes the number. (owned) */
static char *machine_name(const VRouter *router, const char *name, guint number)
{
    g_autofree char *usual = g_strdup_printf("vr-%s-%%i", router->head.name);
    g_autofree char *text = g_strdup_printf("%u", number);
    g_auto(GStrv) parts = g_strsplit(*name ? name : usual, "%i", -1);
    return g_strjoinv(text, parts);
}

/* With the error. */
static gboolean is_leaving(Request *request, const VRouter *router)
{
    if (!vrouter_is_leaving(router))
        return FALSE;
    reply_error(request, ONE_ERROR_ACTION,
                "Virtual router %d is being deleted: it goes when its %u machines have ended",
                router->head.id, router->vms->len);
    return TRUE;
}

static gboolean may_instantiate(Request *request, const Object *source, gint32 count)
{
    const VRouter *router = VROUTER(request->object);
    if (is_leaving(request, router))
        return FALSE;
    if (router->vms->len)
        return reply_error(request, ONE_ERROR_ACTION,
                           "Virtual router already has VMs. Cannot instantiate new ones") != NULL;
    if (count < 1 || count > MACHINES_MAX)
        return reply_error(request, ONE_ERROR_ACTION,
                           "A virtual router has from 1 to %d machines, not %d", MACHINES_MAX,
                           count) != NULL;
    if (!template_get_bool(source->template, "VROUTER", FALSE))
        return reply_error(request, ONE_ERROR_ACTION,
                           "Only virtual router templates are allowed: template %d does not have "
                           "VROUTER=YES",
                           source->id) != NULL;
    return TRUE;
}

/* Arguments: router, number of machines, template, name, on hold, extra template. All of the
 * machines or none. */
RpcReply *vrouter_instantiate(Request *request)
{
    VRouter *router = VROUTER(request->object);
    gint32 count = arg_int(request, 2, 0);
    gboolean hold = arg_bool(request, 5, FALSE);
    Object *source = request_object(request, KIND_TEMPLATE, arg_int(request, 3, -1));
    if (!source || !request_may(request, RIGHT_USE, KIND_TEMPLATE, source) ||
        !request_may(request, RIGHT_CREATE, KIND_VM, NULL) ||
        !may_instantiate(request, source, count))
        return NULL;
    gboolean trusted = request_template_is_trusted(source);
    g_autoptr(Template) all = request_instance(request, source, "", 6);
    g_autoptr(GArray) made = g_array_new(FALSE, FALSE, sizeof(gint32));
    for (gint32 i = 0; all && i < count; i++) {
        g_autofree char *name = machine_name(router, arg_text(request, 4, ""), (guint)i);
        g_autoptr(Template) own = template_copy(all);
        template_set(own, "NAME", name);
        Vm *vm = request_new_router_machine(request, router, own, hold, trusted);
        if (!vm) {
            g_autoptr(GError) why = g_steal_pointer(&request->error);
            (void)end_machines(request, made); /* none of them was started */
            g_clear_error(&request->error);
            request->error = g_steal_pointer(&why);
            return NULL;
        }
        g_array_append_val(made, vm->head.id);
    }
    return all ? reply_int(request, router->head.id) : NULL;
}

/* ---- cards of a router with machines ---- */

/* Each machine is in a state in which its cards change. FALSE with the error. */
static gboolean machines_may_change(Request *request, const VRouter *router, const char *word)
{
    for (guint i = 0; i < router->vms->len; i++)
        if (!vm_may_change(vm_get(request->world, g_array_index(router->vms, gint32, i)), word,
                           &request->error))
            return FALSE;
    return TRUE;
}

/* The one NIC of the argument, as the router will have it, with its number. NULL with the error.
 * (owned) */
static TemplateAttribute *new_card(Request *request, const VRouter *router)
{
    g_autoptr(Template) given = request_template(request, 2);
    TemplateAttribute *card = given ? template_vector(given, "NIC", 0) : NULL;
    gint64 next = 0, id;
    const TemplateAttribute *other;
    guint count = 0;
    if (!given || !cards_fit(request, given))
        return NULL;
    if (!card || template_vector(given, "NIC", 1))
        return reply_error(request, ONE_ERROR_ACTION,
                           "The template must contain one NIC attribute, and has %s",
                           card ? "several" : "none"),
               NULL;
    for (; (other = template_vector(router->head.template, "NIC", count)); count++)
        if (attribute_get_int(other, "NIC_ID", &id))
            next = MAX(next, id + 1);
    if (count >= CARDS_MAX)
        return reply_error(request, ONE_ERROR_ACTION, "A virtual router has at most %d of NIC",
                           CARDS_MAX),
               NULL;
    for (guint i = 0; i < template_count(given); i++)
        if (template_nth(given, i) == card) {
            card = template_steal(given, i);
            break;
        }
    attribute_set_int(card, "NIC_ID", next);
    return card;
}

static void drop_card(Request *request, VRouter *router, const TemplateAttribute *card)
{
    Template *template = router->head.template;
    vrouter_touch_networks(request->world, router);
    release_card(request->world, card, router->head.id);
    for (guint i = 0; i < template_count(template); i++)
        if (template_nth(template, i) == card) {
            template_attribute_free(template_steal(template, i));
            break;
        }
    object_changed(request->world, &router->head);
}

/* The card that each machine will get, with its address: all, or NULL with the error. (owned) */
static GPtrArray *draft_cards(Request *request, const VRouter *router,
                              const TemplateAttribute *card)
{
    g_autoptr(GPtrArray) drafts = g_ptr_array_new();
    for (guint i = 0; i < router->vms->len; i++) {
        const Vm *vm = vm_get(request->world, g_array_index(router->vms, gint32, i));
        TemplateAttribute *draft = vm_draft_router_nic(request->world, request->caller, router, vm,
                                                       vrouter_machine_card(card), &request->error);
        if (draft) {
            g_ptr_array_add(drafts, draft);
            continue;
        }
        for (guint k = 0; k < drafts->len; k++) {
            card_give_back(request->world, drafts->pdata[k], g_array_index(router->vms, gint32, k));
            template_attribute_free(drafts->pdata[k]);
        }
        return NULL;
    }
    return g_steal_pointer(&drafts);
}

/* Gives each machine its card; those that cannot have one, by a quota, are named in the error. How
 * many got theirs. */
static guint attach_cards(Request *request, const VRouter *router, GPtrArray *drafts)
{
    VmAsker asker = request_asker(request);
    g_autoptr(GArray) vms = g_array_copy(router->vms);
    guint done = 0;
    for (guint i = 0; i < drafts->len; i++) {
        g_autoptr(GError) error = NULL;
        gint32 id = g_array_index(vms, gint32, i);
        if (vm_attach_nic(request->lifecycle, vm_get(request->world, id), drafts->pdata[i], &asker,
                          &error))
            done++;
        else if (!request->error)
            g_set_error(&request->error, error->domain, error->code,
                        "Machine %d of the virtual router did not get the card: %s", id,
                        error->message);
    }
    return done;
}

RpcReply *vrouter_attachnic(Request *request)
{
    VRouter *router = VROUTER(request->object);
    World *world = request->world;
    if (is_leaving(request, router) || !machines_may_change(request, router, "nic-attach"))
        return NULL;
    TemplateAttribute *card = new_card(request, router);
    if (!card)
        return NULL;
    if (!card_take_shared(world, request->caller, card, router->head.id, &request->error)) {
        template_attribute_free(card);
        return NULL;
    }
    template_take(router->head.template, card);
    object_changed(world, &router->head);
    vrouter_touch_networks(world, router);
    g_autoptr(GPtrArray) drafts = NULL;
    if (quota_allows_cards(request, &router->head, router->head.uid, router->head.gid,
                           router->head.template))
        drafts = draft_cards(request, router, card);
    if (!drafts || (attach_cards(request, router, drafts) == 0 && drafts->len))
        drop_card(request, router, card);
    return request->error ? reply_failure(request) : reply_int(request, router->head.id);
}

RpcReply *vrouter_detachnic(Request *request)
{
    VRouter *router = VROUTER(request->object);
    VmAsker asker = request_asker(request);
    gint32 id = arg_int(request, 2, -1);
    TemplateAttribute *card = vrouter_card(router, id);
    if (!card)
        return reply_error(request, ONE_ERROR_ACTION, "NIC with NIC_ID %d does not exist.", id);
    if (!machines_may_change(request, router, "nic-detach"))
        return NULL;
    /* Its address is nobody else's before the last machine has let go of it. */
    attribute_set(card, "LEAVING", "YES");
    object_changed(request->world, &router->head);
    g_autoptr(GArray) vms = g_array_copy(router->vms);
    for (guint i = 0; i < vms->len; i++) {
        Vm *vm = vm_get(request->world, g_array_index(vms, gint32, i));
        if (vm_device(vm, "NIC", id) &&
            !vm_detach_nic(request->lifecycle, vm, id, &asker, &request->error))
            return NULL;
    }
    vrouter_settle(request->world, router);
    return reply_int(request, router->head.id);
}
