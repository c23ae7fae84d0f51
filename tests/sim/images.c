/* What is in the datastores, the driver that keeps it, and people who make, copy and remove
 * images. */
#include "tests/sim/client.h"
#include "tests/sim/drivers.h"

#include "server/model/storage/image_backup.h"

#include <stdlib.h>
#include <string.h>

/* MiB of the datastore of images. */
#define CAPACITY 1000
/* Column of the table of images. */
#define COLUMN_WORK 26

/* In a datastore. */
typedef struct File {
    gint64 datastore, size; /* MiB */
} File;

struct Images {
    Sim *sim;
    GHashTable *files;  /* "id-token" -> File */
    GHashTable *made;   /* ids whose making was acknowledged */
    GHashTable *doomed; /* ids that somebody asked to remove */
};

Images *images_new(Sim *sim)
{
    Images *images = g_new0(Images, 1);
    images->sim = sim;
    images->files = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    images->made = g_hash_table_new(NULL, NULL);
    images->doomed = g_hash_table_new(NULL, NULL);
    return images;
}

void images_free(Images *images)
{
    g_hash_table_unref(images->files);
    g_hash_table_unref(images->made);
    g_hash_table_unref(images->doomed);
    g_free(images);
}

static gint64 space_used(const Images *images, gint64 datastore)
{
    GHashTableIter iterator;
    gpointer value;
    gint64 sum = 0;
    g_hash_table_iter_init(&iterator, images->files);
    while (g_hash_table_iter_next(&iterator, NULL, &value))
        sum += ((const File *)value)->datastore == datastore ? ((const File *)value)->size : 0;
    return sum + (backups_are_in(images->sim->backups, datastore)
                      ? backups_space(images->sim->backups)
                      : 0);
}

/* ---- the driver ---- */

static void put_file(Images *images, const char *name, File file)
{
    g_hash_table_insert(images->files, g_strdup(name), g_memdup2(&file, sizeof file));
}

static void make_file(Request *request, const char *name)
{
    Images *images = request->sim->images;
    File file = {document_number(request->xml, "DATASTORE_ID"),
                 document_number(request->xml, "SIZE")};
    if (g_hash_table_contains(images->files, name))
        return; /* asked again */
    put_file(images, name, file);
    if (space_used(images, file.datastore) > CAPACITY)
        sim_wrong(images->sim, "image %s does not fit: %" G_GINT64_FORMAT " of %d MiB", name,
                  space_used(images, file.datastore), CAPACITY);
}

static void remove_file(Request *request, const char *name)
{
    Sim *sim = request->sim;
    const Image *image = image_get(sim->world, (gint32)request->request->id);
    if (image && (image->users->len || image->clones->len || image->apps->len))
        sim_wrong(sim, "image %d is removed and in use", image->head.id);
    g_hash_table_remove(sim->images->files, name);
    backups_remove(sim->backups, name);
}

static gboolean monitor(Request *request)
{
    gint64 used = space_used(request->sim->images, request->request->id);
    g_autofree char *text =
        g_strdup_printf("TOTAL_MB=%d\nUSED_MB=%" G_GINT64_FORMAT "\nFREE_MB=%" G_GINT64_FORMAT,
                        CAPACITY, used, CAPACITY - used);
    request->info = g_base64_encode((const guchar *)text, strlen(text));
    return TRUE;
}

/* What is forgotten even if it cannot be removed is removed here, so that what is left behind is
 * always a mistake. */
static gboolean is_forced(const Request *request)
{
    const Image *image = image_get(request->sim->world, (gint32)request->request->id);
    return image && image->work == IMAGE_WORK_RM_FORCED;
}

gboolean images_carry(Request *request)
{
    const char *action = request->request->action;
    gboolean handled;
    if (!strcmp(action, "MONITOR"))
        return monitor(request);
    if (!is_forced(request) && request_fails(request)) {
        backups_unsure(request);
        return FALSE;
    }
    if (!strcmp(action, "STAT")) {
        request->info = g_strdup_printf("%d", 1 + sim_pick(request->sim, 200));
        return TRUE;
    }
    g_autofree char *token = document_text(request->xml, "TOKEN");
    g_autofree char *name = g_strdup_printf("%" G_GINT64_FORMAT "-%s", request->request->id, token);
    gboolean done = backups_carry(request, &handled);
    if (handled)
        return done;
    if (!strcmp(action, "RM"))
        remove_file(request, name);
    else if (g_str_has_prefix(action, "SNAP_"))
        ; /* beside the file */
    else
        make_file(request, name);
    request->info = g_strdup_printf("%s raw", !strcmp(action, "RM") || *action == 'S' ? "-" : name);
    return TRUE;
}

void images_explain(Images *images, const DriverRequest *request)
{
    const char *action = request->action;
    if (!strcmp(action, "MONITOR") || !strcmp(action, "STAT") || !strcmp(action, "RESTOREVM"))
        return;
    gint64 work =
        memory_store_number(images->sim->memory, "image", request->id, COLUMN_WORK, IMAGE_NO_WORK);
    /* It may have been given up already, in a batch that was committed together with this one; of
     * a backup by its machine. */
    const Image *image = image_get(images->sim->world, (gint32)request->id);
    const Vm *vm = image && !strcmp(action, "BACKUP")
                       ? vm_get(images->sim->world, image_backup_vm(image))
                       : NULL;
    if (vm && vm->lcm != LCM_BACKUP && vm->lcm != LCM_BACKUP_POWEROFF)
        return;
    if (work != IMAGE_WORK_RM && work != IMAGE_WORK_RM_FORCED &&
        strcmp(image_work_name((ImageWork)work), action) != 0)
        sim_wrong(images->sim,
                  "%s was sent for image %" G_GINT64_FORMAT ", but the committed work is \"%s\"",
                  action, request->id, image_work_name((ImageWork)work));
}

/* ---- what was promised ---- */

void images_acknowledged(Images *images, gint32 id)
{
    if (memory_store_number(images->sim->memory, "image", id, 0, -1) != id)
        sim_wrong(images->sim, "image %d was acknowledged before it was committed", id);
    g_hash_table_add(images->made, GINT_TO_POINTER(id));
}

void images_doomed(Images *images, gint32 id)
{
    g_hash_table_add(images->doomed, GINT_TO_POINTER(id));
}

void images_check_made(Images *images)
{
    GHashTableIter iterator;
    gpointer id;
    g_hash_table_iter_init(&iterator, images->made);
    while (g_hash_table_iter_next(&iterator, &id, NULL))
        if (!g_hash_table_contains(images->doomed, id) &&
            !image_get(images->sim->world, GPOINTER_TO_INT(id)))
            sim_wrong(images->sim, "image %d was acknowledged and is gone", GPOINTER_TO_INT(id));
}

gboolean images_in_doubt(const Images *images, gint32 id)
{
    const Image *image = image_get(images->sim->world, id);
    const char *reason = image ? template_get(image->head.template, "ERROR") : NULL;
    return reason && g_str_has_prefix(reason, "Machine ");
}

/* An image that machines may take is written to by none but the one that has it. */
void images_check_writers(Images *images)
{
    const GPtrArray *all = images->sim->world->pools[KIND_IMAGE].order;
    for (guint i = 0; i < all->len; i++) {
        const Image *image = all->pdata[i];
        if (!image->persistent || (image->state != IMAGE_READY && image->state != IMAGE_USED_PERS))
            continue;
        gint32 user = image->users->len ? g_array_index(image->users, gint32, 0) : -1;
        gint32 writer = hosts_writer(images->sim->hosts, image->head.id, user);
        if (writer >= 0)
            sim_wrong(images->sim, "image %d is %s, but a guest of machine %d writes to it",
                      image->head.id, image_state_name(image->state), writer);
    }
}

static char *file_of(const Image *image)
{
    return g_strdup_printf("%d-%s", image->head.id, image->token);
}

void images_saved(Images *images, const char *line)
{
    /* The last: the disk of a machine that is undeployed lies on the front-end, too. */
    const char *place = g_strrstr(line, " localhost:");
    g_auto(GStrv) words = g_strsplit(place ? place + 1 : "", " ", 2);
    const char *name = words[0] ? strrchr(words[0], '/') : NULL;
    if (name)
        put_file(images, name + 1, (File){1, 1});
}

/* At the end: no work goes on, what is READY has its file, no file is without its image, and the
 * datastore says what is true. */
void images_check_truth(Images *images)
{
    World *world = images->sim->world;
    const GPtrArray *all = world->pools[KIND_IMAGE].order;
    g_autoptr(GHashTable) known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (guint i = 0; i < all->len; i++) {
        const Image *image = all->pdata[i];
        char *name = file_of(image);
        g_hash_table_add(known, name);
        if (image->work != IMAGE_NO_WORK)
            sim_wrong(images->sim, "image %d does not come to rest: %s", image->head.id,
                      image_state_name(image->state));
        if (image->state != IMAGE_ERROR && image->stored && image->type != IMAGE_BACKUP &&
            !g_hash_table_contains(images->files, name))
            sim_wrong(images->sim, "image %d is %s, but was never made", image->head.id,
                      image_state_name(image->state));
    }
    GHashTableIter iterator;
    gpointer name;
    g_hash_table_iter_init(&iterator, images->files);
    while (g_hash_table_iter_next(&iterator, &name, NULL))
        if (!g_hash_table_contains(known, name))
            sim_wrong(images->sim, "the file of image %s was left behind", (char *)name);
    const Datastore *datastore = datastore_get(world, 1);
    if (datastore->used_mb != space_used(images, 1) || datastore_reserved_mb(world, datastore) != 0)
        sim_wrong(images->sim,
                  "datastore 1 says that %" G_GINT64_FORMAT " MiB are used and %" G_GINT64_FORMAT
                  " reserved, but %" G_GINT64_FORMAT " MiB are used",
                  datastore->used_mb, datastore_reserved_mb(world, datastore),
                  space_used(images, 1));
}

gboolean images_rest(const Images *images)
{
    const GPtrArray *all = images->sim->world->pools[KIND_IMAGE].order;
    for (guint i = 0; i < all->len; i++)
        if (((const Image *)all->pdata[i])->work != IMAGE_NO_WORK)
            return FALSE;
    return TRUE;
}

gint32 images_some(const Images *images)
{
    gint32 id = some_object(images->sim, KIND_IMAGE, 6);
    const Image *image = image_get(images->sim->world, id);
    /* Backups have actions of their own. */
    return image && image->type == IMAGE_BACKUP && sim_chance(images->sim, 0.8)
               ? some_object(images->sim, KIND_IMAGE, 30)
               : id;
}

/* ---- what people do ---- */

static void image_made(Call *call, const RpcValue *value)
{
    images_acknowledged(client_sim(call->client)->images, (gint32)value->number);
}

/* Of all types: those of machines, and files, which are in a datastore of their own. More than
 * there is room for. */
static void make_image(Client *client)
{
    static const struct {
        const char *type;
        gint32 datastore;
        gboolean has_path;
    } types[] = {{"OS", 1},           {"OS", 1, TRUE},        {"DATABLOCK", 1},
                 {"OS", 1},           {"DATABLOCK", 1, TRUE}, {"CDROM", 1, TRUE},
                 {"KERNEL", 2, TRUE}, {"CONTEXT", 2, TRUE},   {"FILESYSTEM", 1, TRUE}};
    Sim *sim = client_sim(client);
    guint which = (guint)sim_pick(sim, G_N_ELEMENTS(types));
    g_autofree char *text = g_strdup_printf(
        "NAME=image%" G_GUINT64_FORMAT "\nSIZE=%d\nTYPE=%s\nPERSISTENT=%s\n%s",
        client_number(client), 1 + sim_pick(sim, 300), types[which].type,
        sim_chance(sim, 0.3) ? "YES" : "NO", types[which].has_path ? "PATH=/var/tmp/x" : "");
    Call *call = call_new(client, "one.image.allocate");
    sim_say(sim, "an image of type %s", types[which].type);
    call->granted = image_made;
    if (sim_chance(sim, 0.5))
        call->call.caller = (RpcCaller){SIM_ANN, -1};
    call_text(call, text);
    call_int(call, types[which].datastore);
    call_send(call);
}

/* Copied, removed and changed. Letters: i the image, n its name, b yes or no, s a snapshot. */
void arrange_images(Client *client, gint32 vm)
{
    static const struct {
        const char *method, *arguments, *type;
        gint weight;
    } calls[] = {{"allocate", "", NULL, 8},         {"clone", "in", NULL, 3},
                 {"delete", "i", NULL, 6},          {"enable", "ib", NULL, 2},
                 {"persistent", "ib", NULL, 2},     {"chtype", "it", "DATABLOCK", 1},
                 {"chtype", "it", "CDROM", 1},      {"snapshotdelete", "is", NULL, 1},
                 {"snapshotrevert", "is", NULL, 1}, {"snapshotflatten", "is", NULL, 1}};
    Sim *sim = client_sim(client);
    gint32 image = images_some(sim->images);
    guint which = 0;
    for (gint at = sim_pick(sim, 26); at >= calls[which].weight; which++)
        at -= calls[which].weight;
    if (which == 0) {
        make_image(client);
        return;
    }
    if (!strcmp(calls[which].method, "enable") && images_in_doubt(sim->images, image))
        return; /* a guest that was given up may be there, or come yet */
    g_autofree char *method = g_strdup_printf("one.image.%s", calls[which].method);
    g_autofree char *name = g_strdup_printf("image%" G_GUINT64_FORMAT, client_number(client));
    Call *call = call_new(client, method);
    sim_say(sim, "%s %d", method, image);
    if (!strcmp(calls[which].method, "clone"))
        call->granted = image_made;
    if (!strcmp(calls[which].method, "delete"))
        images_doomed(sim->images, image);
    for (const char *at = calls[which].arguments; *at; at++)
        if (*at == 'i' || *at == 's')
            call_int(call, *at == 'i' ? image : sim_pick(sim, 3));
        else if (*at == 'b')
            call_bool(call, sim_chance(sim, 0.5));
        else
            call_text(call, *at == 'n' ? name : calls[which].type);
    call_send(call);
}
