/* What is in the datastores, the driver that keeps it, and people who make, copy and remove
 * images. */
#include "tests/sim/sim.h"

#include "server/model/image.h"

#include <stdlib.h>
#include <string.h>

/* MiB of the datastore of images. */
#define CAPACITY 1000
/* Column of the table of images. */
#define COLUMN_WORK 26

struct Images {
    Sim *sim;
    GHashTable *files;  /* "id-token" -> MiB */
    GHashTable *made;   /* ids whose making was acknowledged */
    GHashTable *doomed; /* ids that somebody asked to remove */
};

Images *images_new(Sim *sim)
{
    Images *images = g_new0(Images, 1);
    images->sim = sim;
    images->files = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
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

static gint64 space_used(const Images *images)
{
    GHashTableIter iterator;
    gpointer size;
    gint64 sum = 0;
    g_hash_table_iter_init(&iterator, images->files);
    while (g_hash_table_iter_next(&iterator, NULL, &size))
        sum += GPOINTER_TO_INT(size);
    return sum;
}

/* Text of an element, of the first of that name. (owned) */
static char *element(const char *xml, const char *name)
{
    g_autofree char *open = g_strdup_printf("<%s>", name);
    const char *from = strstr(xml, open);
    const char *end = from ? strchr(from + strlen(open), '<') : NULL;
    return end ? g_strndup(from + strlen(open), (gsize)(end - from) - strlen(open)) : g_strdup("");
}

/* ---- the driver ---- */

static void make_file(Images *images, const char *name, gint32 id, const char *xml)
{
    g_autofree char *size = element(xml, "SIZE");
    if (g_hash_table_contains(images->files, name))
        return; /* asked again */
    g_hash_table_insert(images->files, g_strdup(name), GINT_TO_POINTER(atoi(size)));
    if (space_used(images) > CAPACITY)
        sim_wrong(images->sim, "image %d does not fit: %" G_GINT64_FORMAT " of %d MiB", id,
                  space_used(images), CAPACITY);
}

static void remove_file(Images *images, const char *name, gint32 id)
{
    const Image *image = image_get(images->sim->world, id);
    if (image && (image->users->len || image->clones->len))
        sim_wrong(images->sim, "image %d is removed and in use", id);
    g_hash_table_remove(images->files, name);
}

gboolean images_act(Images *images, const DriverRequest *request, const char *xml, char **info)
{
    gint32 id = (gint32)request->id;
    const char *action = request->action;
    if (!strcmp(action, "MONITOR")) {
        g_autofree char *text =
            g_strdup_printf("TOTAL_MB=%d\nUSED_MB=%" G_GINT64_FORMAT "\nFREE_MB=%" G_GINT64_FORMAT,
                            CAPACITY, space_used(images), CAPACITY - space_used(images));
        *info = g_base64_encode((const guchar *)text, strlen(text));
        return TRUE;
    }
    if (!images->sim->calm && sim_chance(images->sim, 0.05)) {
        *info = g_strdup("it did not work");
        return FALSE;
    }
    if (!strcmp(action, "STAT")) {
        *info = g_strdup_printf("%d", 1 + sim_pick(images->sim, 200));
        return TRUE;
    }
    g_autofree char *token = element(xml, "TOKEN");
    g_autofree char *name = g_strdup_printf("%d-%s", id, token);
    if (!strcmp(action, "CP") || !strcmp(action, "MKFS") || !strcmp(action, "CLONE"))
        make_file(images, name, id, xml);
    else if (!strcmp(action, "RM"))
        remove_file(images, name, id);
    else
        sim_wrong(images->sim, "the driver of images was told %s", action);
    *info = strcmp(action, "RM") != 0 ? g_strdup_printf("%s raw", name) : g_strdup("-");
    return TRUE;
}

void images_explain(Images *images, const DriverRequest *request)
{
    const char *action = request->action;
    if (!strcmp(action, "MONITOR") || !strcmp(action, "STAT"))
        return;
    gint64 work =
        memory_store_number(images->sim->memory, "image", request->id, COLUMN_WORK, IMAGE_NO_WORK);
    /* It may have been given up already, in a batch that was committed together with this one. */
    if (work != IMAGE_WORK_RM && strcmp(image_work_name((ImageWork)work), action) != 0)
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
        g_hash_table_insert(images->files, g_strdup(name + 1), GINT_TO_POINTER(1));
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
        if (image->state != IMAGE_ERROR && image->stored &&
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
    if (datastore->used_mb != space_used(images) || datastore_reserved_mb(world, datastore) != 0)
        sim_wrong(images->sim,
                  "datastore 1 says that %" G_GINT64_FORMAT " MiB are used and %" G_GINT64_FORMAT
                  " reserved, but %" G_GINT64_FORMAT " MiB are used",
                  datastore->used_mb, datastore_reserved_mb(world, datastore), space_used(images));
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
    const GPtrArray *all = images->sim->world->pools[KIND_IMAGE].order;
    guint span = MIN(all->len, 6);
    return span ? ((const Object *)
                       all->pdata[all->len - 1 - (guint)sim_pick(images->sim, (gint)span)])
                      ->id
                : 0;
}
