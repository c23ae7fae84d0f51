/* Marketplaces: what their driver keeps, a catalogue of others, and people who put images there and
 * make images of what is there. */
#include "tests/sim/client.h"
#include "tests/sim/drivers.h"

#include "server/model/storage/image.h"
#include "server/model/storage/market.h"

#include <string.h>

#define MARKET_CAPACITY 900 /* MiB */

struct Markets {
    Sim *sim;
    GHashTable *files;  /* app -> MiB */
    GHashTable *made;   /* apps whose making was acknowledged */
    GHashTable *doomed; /* apps that somebody asked to remove */
};

Markets *markets_new(Sim *sim)
{
    Markets *markets = g_new0(Markets, 1);
    markets->sim = sim;
    markets->files = g_hash_table_new(NULL, NULL);
    markets->made = g_hash_table_new(NULL, NULL);
    markets->doomed = g_hash_table_new(NULL, NULL);
    return markets;
}

void markets_free(Markets *markets)
{
    g_hash_table_unref(markets->files);
    g_hash_table_unref(markets->made);
    g_hash_table_unref(markets->doomed);
    g_free(markets);
}

/* ---- the driver ---- */

static gint64 space_used(const Markets *markets)
{
    GHashTableIter iterator;
    gpointer size;
    gint64 sum = 0;
    g_hash_table_iter_init(&iterator, markets->files);
    while (g_hash_table_iter_next(&iterator, NULL, &size))
        sum += GPOINTER_TO_INT(size);
    return sum;
}

static char *encoded(const GString *text)
{
    return g_base64_encode((const guchar *)text->str, text->len);
}

/* A catalogue of others: apps come and go in it. */
static gboolean monitor(Request *request)
{
    const Market *market = market_get(request->sim->world, (gint32)request->request->id);
    g_autoptr(GString) text = g_string_new(NULL);
    gint64 used = space_used(request->sim->markets);
    if (!market || !market_is_public(request->sim->world, market)) {
        g_string_printf(text,
                        "TOTAL_MB=%d\nUSED_MB=%" G_GINT64_FORMAT "\nFREE_MB=%" G_GINT64_FORMAT "\n",
                        MARKET_CAPACITY, used, MARKET_CAPACITY - used);
        request->info = encoded(text);
        return TRUE;
    }
    for (guint i = 0; i < 4; i++) {
        g_autoptr(GString) app = g_string_new(NULL);
        g_string_printf(app, "NAME=app%u\nIMPORT_ID=x%u\nSOURCE=\"http://x/%u\"\nSIZE=10\nMD5=%d\n",
                        i, i, i, sim_pick(request->sim, 2));
        g_autofree char *base64 = encoded(app);
        if (sim_chance(request->sim, 0.8))
            g_string_append_printf(text, "APP=\"%s\"\n", base64);
    }
    request->info = encoded(text);
    return TRUE;
}

gboolean markets_carry(Request *request)
{
    Markets *markets = request->sim->markets;
    gint32 id = (gint32)request->request->id;
    const char *image = strstr(request->xml, "<IMAGE>");
    if (request_fails(request))
        return FALSE;
    if (!strcmp(request->request->action, "MONITOR"))
        return monitor(request);
    if (!strcmp(request->request->action, "DELETE")) {
        g_hash_table_remove(markets->files, GINT_TO_POINTER(id));
        return TRUE;
    }
    if (strcmp(request->request->action, "IMPORT") != 0 || !image)
        sim_wrong(request->sim, "the driver of marketplaces was told %s, without an image",
                  request->request->action);
    const Image *origin = image_get(request->sim->world, (gint32)document_number(image, "ID"));
    const MarketApp *app = app_get(request->sim->world, id);
    if (app && app->work == APP_WORK_IMPORT && app->request == request->request->number &&
        !(origin && ids_contain(origin->apps, id)))
        sim_wrong(request->sim, "app %d is made of image %d, which does not know of it", id,
                  app->origin);
    gint64 size = document_number(image, "SIZE");
    g_autoptr(GString) text = g_string_new(NULL);
    g_string_printf(text,
                    "SOURCE=\"http://m/app-%d\"\nMD5=m\nSIZE=%" G_GINT64_FORMAT "\nFORMAT=raw\n",
                    id, size);
    g_hash_table_insert(markets->files, GINT_TO_POINTER(id), GINT_TO_POINTER((gint)size));
    request->info = encoded(text);
    return TRUE;
}

void markets_explain(Markets *markets, const DriverRequest *request)
{
    const MarketApp *app = app_get(markets->sim->world, (gint32)request->id);
    if (!strcmp(request->action, "IMPORT") &&
        memory_store_number(markets->sim->memory, "marketplace_app", request->id, 0, -1) !=
            request->id &&
        app)
        sim_wrong(markets->sim, "IMPORT was sent for app %" G_GINT64_FORMAT ", which is not stored",
                  request->id);
}

/* ---- what must hold ---- */

void markets_check_made(Markets *markets)
{
    GHashTableIter iterator;
    gpointer id;
    g_hash_table_iter_init(&iterator, markets->made);
    while (g_hash_table_iter_next(&iterator, &id, NULL))
        if (!g_hash_table_contains(markets->doomed, id) &&
            !app_get(markets->sim->world, GPOINTER_TO_INT(id)))
            sim_wrong(markets->sim, "app %d was acknowledged and is gone", GPOINTER_TO_INT(id));
}

static gboolean is_kept_here(const MarketApp *app)
{
    return app->type == APP_IMAGE && !*app->imported;
}

void markets_check_truth(Markets *markets)
{
    const GPtrArray *apps = markets->sim->world->pools[KIND_MARKETPLACEAPP].order;
    for (guint i = 0; i < apps->len; i++) {
        const MarketApp *app = apps->pdata[i];
        gpointer key = GINT_TO_POINTER(app->head.id);
        if (app->work != APP_NO_WORK || app->state == APP_LOCKED)
            sim_wrong(markets->sim, "app %d does not come to rest: %s", app->head.id,
                      app_state_name(app->state));
        if (is_kept_here(app) && app->state == APP_READY &&
            !g_hash_table_contains(markets->files, key))
            sim_wrong(markets->sim, "app %d is READY, but nothing is behind it", app->head.id);
    }
    GHashTableIter iterator;
    gpointer id;
    g_hash_table_iter_init(&iterator, markets->files);
    while (g_hash_table_iter_next(&iterator, &id, NULL))
        if (!app_get(markets->sim->world, GPOINTER_TO_INT(id)))
            sim_wrong(markets->sim, "what was behind app %d was left behind", GPOINTER_TO_INT(id));
}

gboolean markets_rest(const Markets *markets)
{
    const GPtrArray *apps = markets->sim->world->pools[KIND_MARKETPLACEAPP].order;
    for (guint i = 0; i < apps->len; i++)
        if (((const MarketApp *)apps->pdata[i])->work != APP_NO_WORK)
            return FALSE;
    return TRUE;
}

/* ---- what people do ---- */

/* The last; before it stand those that every installation has. */
static gint32 own_market(const Sim *sim)
{
    const GPtrArray *all = sim->world->pools[KIND_MARKETPLACE].order;
    return all->len ? ((const Object *)all->pdata[all->len - 1])->id : -1;
}

void markets_add(Client *client)
{
    call_method(client, "one.market.allocate", "t", "NAME=own\nMARKET_MAD=dummy");
}

static void app_made(Call *call, const RpcValue *value)
{
    Sim *sim = client_sim(call->client);
    g_hash_table_add(sim->markets->made, GINT_TO_POINTER((gint32)value->number));
}

static void image_made(Call *call, const RpcValue *value)
{
    images_acknowledged(client_sim(call->client)->images, (gint32)value->number);
}

static void make(Client *client, const char *method, const char *text, gint32 where,
                 void (*granted)(Call *call, const RpcValue *value))
{
    Call *call = call_new(client, method);
    call->granted = granted;
    if (sim_chance(client_sim(client), 0.3))
        call->call.caller = (RpcCaller){SIM_ANN, -1};
    call_text(call, text);
    call_int(call, where);
    call_send(call);
}

void arrange_apps(Client *client, gint32 vm)
{
    Sim *sim = client_sim(client);
    gint32 app = some_object(sim, KIND_MARKETPLACEAPP, 6), image = images_some(sim->images);
    g_autofree char *import = g_strdup_printf(
        "NAME=app%" G_GUINT64_FORMAT "\nTYPE=%s\nORIGIN_ID=%d", client_number(client),
        sim_chance(sim, 0.9) ? "IMAGE" : "VMTEMPLATE", image);
    g_autofree char *export = g_strdup_printf("NAME=exported%" G_GUINT64_FORMAT "\nFROM_APP=%d",
                                              client_number(client), app);
    gint which = sim_pick(sim, 12);
    sim_say(sim, "app %d, image %d: %d", app, image, which);
    if (which < 5) {
        make(client, "one.marketapp.allocate", import, own_market(sim), app_made);
    } else if (which < 8) {
        make(client, "one.image.allocate", export, 1, image_made);
    } else if (which < 10) {
        g_hash_table_add(sim->markets->doomed, GINT_TO_POINTER(app));
        call_method(client, "one.marketapp.delete", "i", app);
    } else if (which == 10) {
        call_method(client, "one.marketapp.enable", "ib", app, sim_chance(sim, 0.7));
    } else {
        call_method(client, "one.market.enable", "ib", sim_pick(sim, 2), sim_chance(sim, 0.6));
    }
}
