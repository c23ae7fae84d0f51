/* Backups: what hypervisors write of a moment, what lies on the front-end on its way, what the
 * datastore keeps; and people who back up, restore and have jobs for that.
 *
 * What a machine's disks hold is a moment, a number that grows. A whole backup holds all up to its
 * moment; an increment what was written from one moment to another, so it is worth something only
 * behind a backup of exactly that first moment. */
#include "tests/sim/client.h"
#include "tests/sim/drivers.h"

#include "server/model/machine/backupjob.h"
#include "server/model/storage/image_backup.h"
#include "server/model/machine/vm_backups.h"

#include <string.h>

#define BACKUP_CAPACITY 800 /* MiB of the datastore */
/* Where hypervisors write: as server/lifecycle/vm_backup.c has it. */
#define SNAPSHOT ".snap/2147483647"

/* From one moment (0: from the beginning) to another. */
typedef struct Stretch {
    gint64 from, to;
    gint64 size; /* MiB */
} Stretch;

struct Backups {
    Sim *sim;
    gint32 datastore; /* -1: not there yet */
    gint64 moment;
    GHashTable *tracked; /* "vm/image/number" -> Stretch: the hypervisor knows what came after it */
    GHashTable *written; /* "vm/disk" -> Stretch; empty (to is 0) until the hypervisor wrote it */
    GHashTable *files;   /* "id-token.disk.0", "id-token.back.0" -> Stretch: on the front-end */
    GHashTable *kept;    /* "id-token/number" -> Stretch */
    /* "id-token": oned heard that its oldest were not removed, which may be so or not. */
    GHashTable *unsure;
};

static void put(GHashTable *table, char *key, Stretch stretch)
{
    g_hash_table_insert(table, key, g_memdup2(&stretch, sizeof stretch));
}

static GHashTable *new_table(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
}

Backups *backups_new(Sim *sim)
{
    Backups *backups = g_new0(Backups, 1);
    backups->sim = sim;
    backups->datastore = -1;
    backups->tracked = new_table();
    backups->written = new_table();
    backups->files = new_table();
    backups->kept = new_table();
    backups->unsure = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    return backups;
}

void backups_free(Backups *backups)
{
    g_hash_table_unref(backups->tracked);
    g_hash_table_unref(backups->written);
    g_hash_table_unref(backups->files);
    g_hash_table_unref(backups->kept);
    g_hash_table_unref(backups->unsure);
    g_free(backups);
}

gboolean backups_are_in(const Backups *backups, gint64 datastore)
{
    return datastore >= 0 && datastore == backups->datastore;
}

gint64 backups_space(const Backups *backups)
{
    GHashTableIter iterator;
    gpointer stretch;
    gint64 sum = 0;
    g_hash_table_iter_init(&iterator, backups->kept);
    while (g_hash_table_iter_next(&iterator, NULL, &stretch))
        sum += ((Stretch *)stretch)->size;
    return sum;
}

static gboolean begins(gpointer key, gpointer value, gpointer prefix)
{
    return g_str_has_prefix(key, prefix);
}

static void remove_all(GHashTable *table, const char *prefix)
{
    g_hash_table_foreach_remove(table, begins, (gpointer)prefix);
}

void backups_remove(Backups *backups, const char *name)
{
    g_autofree char *files = g_strdup_printf("%s.", name);
    g_autofree char *kept = g_strdup_printf("%s/", name);
    remove_all(backups->files, files);
    remove_all(backups->kept, kept);
}

/* ---- the hypervisor ---- */

/* BACKUP of a document: words of the same name stand before it. */
static const char *order_of(const Request *request)
{
    const char *order = strstr(request->xml, "<BACKUP>");
    if (!order)
        sim_wrong(request->sim, "%s without BACKUP", request->request->action);
    return order;
}

static char *tracked_key(gint32 vm, const char *order, gint64 number)
{
    return g_strdup_printf("%d/%" G_GINT64_FORMAT "/%" G_GINT64_FORMAT, vm,
                           document_number(order, "IMAGE_ID"), number);
}

/* What was written since the moment of PARENT, when that is known; else all. */
gboolean backups_take(Request *request, gint32 vm)
{
    Backups *backups = request->sim->backups;
    const char *order = order_of(request);
    if (!hosts_has(request->sim->hosts, request->host, vm))
        return FALSE;
    g_autofree char *base = tracked_key(vm, order, document_number(order, "PARENT"));
    g_autofree char *tracks = document_text(order, "TRACK");
    g_autofree char *disks = document_text(order, "DISKS");
    const Stretch *since = g_hash_table_lookup(backups->tracked, base);
    Stretch made = {since ? since->to : 0, ++backups->moment, 0};
    g_auto(GStrv) ids = g_strsplit(disks, ",", -1);
    for (guint i = 0; ids[i]; i++) {
        char *key = g_strdup_printf("%d/%s", vm, ids[i]);
        if (!g_hash_table_contains(backups->written, key)) {
            g_free(key); /* oned died while the backup was being undone */
            return FALSE;
        }
        put(backups->written, key, made);
    }
    /* Moments are forgotten but for that of the backup before, to which it may have to go back. */
    g_autofree char *all = g_strdup_printf("%d/", vm);
    Stretch kept = since ? *since : (Stretch){0};
    remove_all(backups->tracked, all);
    if (kept.to)
        put(backups->tracked, g_strdup(base), kept);
    if (!strcmp(tracks, "YES"))
        put(backups->tracked, tracked_key(vm, order, document_number(order, "NUMBER")), made);
    request->info = g_strdup(made.from ? "increment" : "full");
    return TRUE;
}

gboolean backups_drop(Request *request, gint32 vm)
{
    const char *order = order_of(request);
    g_autofree char *key = tracked_key(vm, order, document_number(order, "NUMBER"));
    g_hash_table_remove(request->sim->backups->tracked, key);
    return TRUE;
}

/* ---- the transfer driver ---- */

/* "h0:/dir/9/disk.2.snap/2147483647" is "9/2" when it is where hypervisors write; NULL: it is not.
 * (owned) */
static char *written_key(gint32 vm, const char *word)
{
    const char *disk = strstr(word, "/disk.");
    const char *end = disk ? strchr(disk + strlen("/disk."), '.') : NULL;
    disk = disk ? disk + strlen("/disk.") : NULL;
    return end && !strcmp(end, SNAPSHOT) ? g_strdup_printf("%d/%.*s", vm, (gint)(end - disk), disk)
                                         : NULL;
}

/* The name of a file that this is about; NULL: none of them. */
static const char *file_name(const char *word)
{
    const char *name = g_str_has_prefix(word, "localhost:") ? strrchr(word, '/') : NULL;
    return name && (strstr(name, ".disk.") || strstr(name, ".back.")) ? name + 1 : NULL;
}

/* A file on its way to the datastore. The driver that removes an image and the one that still works
 * for its machine are two: what the latter brings when nobody waits for it is not held against
 * oned.
 */
static void put_file(Backups *backups, const char *name, Stretch stretch)
{
    const Image *image = image_get(backups->sim->world, (gint32)g_ascii_strtoll(name, NULL, 10));
    if (image && image->work == IMAGE_WORK_BACKUP)
        put(backups->files, g_strdup(name), stretch);
}

static gboolean move(Backups *backups, gint32 vm, const char *from, const char *to,
                     gboolean *handled)
{
    g_autofree char *source = written_key(vm, from);
    const char *target = file_name(to), *back = file_name(from);
    *handled = source || back;
    g_autofree char *all = g_strdup_printf("%d/", vm);
    if (back) /* into the place of the disk: what the hypervisor tracked is of another */
        remove_all(backups->tracked, all);
    if (back && !g_hash_table_remove(backups->files, back))
        return TRUE; /* asked again: it is in its place */
    if (!source || back)
        return TRUE;
    const Stretch *stretch = g_hash_table_lookup(backups->written, source);
    if (stretch && target)
        put_file(backups, target, *stretch);
    g_hash_table_remove(backups->written, source);
    return target && g_hash_table_contains(backups->files, target);
}

gboolean backups_line(Sim *sim, gint32 vm, const char *line, gboolean *handled)
{
    Backups *backups = sim->backups;
    g_auto(GStrv) words = g_strsplit(line, " ", -1);
    guint count = g_strv_length(words);
    const char *action = count > 3 ? words[0] : "";
    if (!strcmp(action, "MV"))
        return move(backups, vm, words[2], words[3], handled);
    const char *copy = !strcmp(action, "CPDS") ? file_name(words[3]) : NULL;
    const char *gone = !strcmp(action, "DELETE") ? file_name(words[2]) : NULL;
    *handled = copy || gone;
    if (copy)
        put_file(backups, copy, (Stretch){0, ++backups->moment, 0});
    else if (gone)
        g_hash_table_remove(backups->files, gone);
    if (!g_str_has_prefix(action, "SNAP_") || strcmp(words[3], "2147483647") != 0)
        return TRUE;
    g_autofree char *place = g_strdup_printf("%s" SNAPSHOT, words[2]);
    char *key = written_key(vm, place);
    *handled = TRUE;
    if (!strcmp(action, "SNAP_CREATE_LIVE")) {
        put(backups->written, key, (Stretch){0});
        return TRUE;
    }
    g_hash_table_remove(backups->written, key);
    g_free(key);
    return TRUE;
}

/* ---- the datastore's driver ---- */

static const Stretch *kept_of(Backups *backups, const char *name, const char *number)
{
    g_autofree char *key = g_strdup_printf("%s/%s", name, number);
    return g_hash_table_lookup(backups->kept, key);
}

/* The newest of the chain is there; it is whole, or goes on where the one before it ended. */
static gboolean check_chain(Backups *backups, const char *name, const char *chain, const char *what)
{
    g_auto(GStrv) ids = g_strsplit(chain, ",", -1);
    guint at = g_strv_length(ids);
    const Stretch *later = NULL;
    do {
        const Stretch *stretch = at > 0 ? kept_of(backups, name, ids[at - 1]) : NULL;
        if (!stretch && !later && g_hash_table_contains(backups->unsure, name))
            return FALSE;
        if (!stretch)
            sim_wrong(backups->sim, "%s: increment %s of %s, of the chain %s, is not there", what,
                      at > 0 ? ids[at - 1] : "before all", name, chain);
        if (later && later->from != stretch->to)
            sim_wrong(backups->sim,
                      "%s: increment %s of %s holds what was written since moment %" G_GINT64_FORMAT
                      ", but the one before it in the chain %s is of moment %" G_GINT64_FORMAT,
                      what, ids[at], name, later->from, chain, stretch->to);
        later = stretch;
        at--;
    } while (later->from);
    return TRUE;
}

/* What the datastore has and oned does not know of is from a backup that was given up. */
static void forget_unknown(Backups *backups, const char *name, const char *known, gint64 number)
{
    g_autoptr(GArray) ids = ids_parse(known);
    GHashTableIter iterator;
    gpointer key;
    gsize length = strlen(name);
    g_hash_table_iter_init(&iterator, backups->kept);
    while (g_hash_table_iter_next(&iterator, &key, NULL)) {
        if (!g_str_has_prefix(key, name) || ((char *)key)[length] != '/')
            continue;
        gint32 id = (gint32)g_ascii_strtoll((char *)key + length + 1, NULL, 10);
        if (id != number && !ids_contain(ids, id))
            g_hash_table_iter_remove(&iterator);
    }
}

static gboolean keep(Request *request, const char *name)
{
    Backups *backups = request->sim->backups;
    const char *order = order_of(request);
    g_autofree char *number = document_text(order, "NUMBER");
    g_autofree char *disks = document_text(order, "DISKS"), *known = document_text(order, "KNOWN");
    g_autofree char *taken = document_text(order, "TAKEN");
    g_autofree char *parent = document_text(order, "PARENT");
    g_auto(GStrv) ids = g_strsplit(disks, ",", -1);
    const Stretch *there = kept_of(backups, name, number);
    Stretch made = {0};
    for (guint i = 0; ids[i]; i++) {
        g_autofree char *file = g_strdup_printf("%s.disk.%s", name, ids[i]);
        const Stretch *part = g_hash_table_lookup(backups->files, file);
        if (!part && !there)
            return FALSE;
        if (part)
            made = *part;
        g_hash_table_remove(backups->files, file);
    }
    if (made.to) {
        gboolean increment = !strcmp(taken, "increment");
        const Stretch *before = increment ? kept_of(backups, name, parent) : NULL;
        if (increment && (!before || before->to != made.from))
            sim_wrong(request->sim, "increment %s of %s does not go on behind %s", number, name,
                      parent);
        if (!increment && made.from)
            sim_wrong(request->sim, "backup %s of %s is said to be whole", number, name);
        made.size = 1 + sim_pick(request->sim, 10);
        forget_unknown(backups, name, known, g_ascii_strtoll(number, NULL, 10));
        put(backups->kept, g_strdup_printf("%s/%s", name, number), made);
    }
    there = kept_of(backups, name, number);
    if (backups_space(backups) > BACKUP_CAPACITY)
        sim_wrong(request->sim, "backup %s of %s does not fit", number, name);
    request->info = g_strdup_printf("%s %" G_GINT64_FORMAT " %s", number, there->size,
                                    there->from ? "increment" : "full");
    return TRUE;
}

static gboolean flatten(Request *request, const char *name)
{
    Backups *backups = request->sim->backups;
    const char *order = order_of(request);
    g_autofree char *number = document_text(order, "NUMBER");
    g_autofree char *chain = document_text(order, "CHAIN"), *known = document_text(order, "KNOWN");
    const Stretch *there = kept_of(backups, name, number);
    if (!there || there->from) { /* else it was done before */
        if (!check_chain(backups, name, chain, "INCREMENT_FLATTEN"))
            return FALSE;
        Stretch whole = {0, there ? there->to : 0, 5};
        put(backups->kept, g_strdup_printf("%s/%s", name, number), whole);
    }
    g_autoptr(GArray) all = ids_parse(known);
    for (guint i = 0; i < all->len; i++) {
        gint32 id = g_array_index(all, gint32, i);
        g_autofree char *key = g_strdup_printf("%s/%d", name, id);
        if (id < g_ascii_strtoll(number, NULL, 10))
            g_hash_table_remove(backups->kept, key);
    }
    request->info = g_strdup_printf("%" G_GINT64_FORMAT, kept_of(backups, name, number)->size);
    return TRUE;
}

static gboolean make_back(Request *request, const char *name)
{
    const char *order = order_of(request);
    g_autofree char *chain = document_text(order, "CHAIN"), *disks = document_text(order, "DISKS");
    g_auto(GStrv) ids = g_strsplit(disks, ",", -1);
    if (!check_chain(request->sim->backups, name, chain, "RESTOREVM"))
        return FALSE;
    for (guint i = 0; ids[i]; i++)
        put(request->sim->backups->files, g_strdup_printf("%s.back.%s", name, ids[i]),
            (Stretch){0, 1, 0});
    return TRUE;
}

void backups_unsure(Request *request)
{
    if (strcmp(request->request->action, "INCREMENT_FLATTEN") != 0)
        return;
    g_autofree char *token = document_text(request->xml, "TOKEN");
    g_hash_table_add(request->sim->backups->unsure,
                     g_strdup_printf("%" G_GINT64_FORMAT "-%s", request->request->id, token));
}

gboolean backups_carry(Request *request, gboolean *handled)
{
    Backups *backups = request->sim->backups;
    const char *action = request->request->action;
    g_autofree char *token = document_text(request->xml, "TOKEN");
    g_autofree char *name = g_strdup_printf("%" G_GINT64_FORMAT "-%s", request->request->id, token);
    *handled = TRUE;
    if (!strcmp(action, "BACKUP"))
        return keep(request, name);
    if (!strcmp(action, "INCREMENT_FLATTEN"))
        return flatten(request, name);
    if (!strcmp(action, "RESTOREVM"))
        return make_back(request, name);
    *handled = FALSE; /* by images_carry(), as others are */
    if (!strcmp(action, "RESTORE")) {
        const char *order = order_of(request);
        g_autofree char *source = document_text(order, "SOURCE");
        g_autofree char *chain = document_text(order, "CHAIN");
        const char *from = strrchr(source, '/');
        *handled = !check_chain(backups, from ? from + 1 : source, chain, "RESTORE");
        return !*handled;
    }
    return TRUE;
}

/* ---- what must hold ---- */

static void check_machine(Sim *sim, const Vm *vm)
{
    g_autoptr(GArray) ids = vm_backups_ids(vm);
    for (guint i = 0; i < ids->len; i++) {
        gint32 id = g_array_index(ids, gint32, i);
        const Image *image = image_get(sim->world, id);
        if (!image || image->type != IMAGE_BACKUP || image_backup_vm(image) != vm->head.id)
            sim_wrong(sim, "machine %d lists backup %d, which is none of it", vm->head.id, id);
    }
}

static void check_image(Sim *sim, const Image *image)
{
    const Vm *vm = vm_get(sim->world, image_backup_vm(image));
    g_autoptr(GArray) ids = vm ? vm_backups_ids(vm) : NULL;
    BackupIncrement newest;
    if (ids && image_backup_count(image) && !ids_contain(ids, image->head.id))
        sim_wrong(sim, "image %d holds backups of machine %d, which does not list it",
                  image->head.id, vm->head.id);
    for (gint32 id = image_backup_find(image, -1, &newest) ? newest.id : -1; id >= 0;) {
        if (!image_backup_find(image, id, &newest) || newest.parent >= id)
            sim_wrong(sim, "increment %d of image %d is in no chain", id, image->head.id);
        id = newest.parent;
    }
    if (image->work == IMAGE_WORK_BACKUP &&
        !(vm && vm->state == VM_ACTIVE &&
          (vm->lcm == LCM_BACKUP || vm->lcm == LCM_BACKUP_POWEROFF)))
        sim_wrong(sim, "image %d waits for a backup of machine %d, which is %s", image->head.id,
                  image_backup_vm(image), vm ? vm_shown_state(vm) : "gone");
}

void backups_check(Backups *backups)
{
    const World *world = backups->sim->world;
    const GPtrArray *vms = world->pools[KIND_VM].order, *images = world->pools[KIND_IMAGE].order;
    const GPtrArray *stores = world->pools[KIND_DATASTORE].order;
    for (guint i = 0; backups->datastore < 0 && i < stores->len; i++)
        if (DATASTORE(stores->pdata[i])->type == DATASTORE_BACKUP)
            backups->datastore = ((const Object *)stores->pdata[i])->id;
    for (guint i = 0; i < vms->len; i++)
        check_machine(backups->sim, vms->pdata[i]);
    for (guint i = 0; i < images->len; i++)
        if (((const Image *)images->pdata[i])->type == IMAGE_BACKUP)
            check_image(backups->sim, images->pdata[i]);
}

/* Every increment that an image lists is in the datastore, in a chain that can be read, also when
 * it was not heard at first that the oldest were removed. */
static void check_increments(Backups *backups, const Image *image)
{
    g_autofree char *name = g_strdup_printf("%d-%s", image->head.id, image->token);
    g_autofree char *all = image_backup_all(image);
    g_autoptr(GArray) ids = ids_parse(all);
    g_hash_table_remove(backups->unsure, name);
    for (guint i = 0; i < ids->len; i++) {
        g_autofree char *chain = image_backup_chain(image, g_array_index(ids, gint32, i));
        check_chain(backups, name, chain, "at the end");
    }
}

/* What is in the datastore, or on its way there, is an image's. */
static void check_owned(Backups *backups, GHashTable *table)
{
    GHashTableIter iterator;
    gpointer key;
    g_hash_table_iter_init(&iterator, table);
    while (g_hash_table_iter_next(&iterator, &key, NULL))
        if (!image_get(backups->sim->world, (gint32)g_ascii_strtoll(key, NULL, 10)))
            sim_wrong(backups->sim, "%s was left behind, its image is gone", (char *)key);
}

void backups_check_truth(Backups *backups)
{
    World *world = backups->sim->world;
    const GPtrArray *images = world->pools[KIND_IMAGE].order;
    const GPtrArray *jobs = world->pools[KIND_BACKUPJOB].order;
    const Datastore *datastore = datastore_get(world, backups->datastore);
    for (guint i = 0; i < images->len; i++)
        if (((const Image *)images->pdata[i])->type == IMAGE_BACKUP &&
            ((const Image *)images->pdata[i])->stored) /* else removing it failed */
            check_increments(backups, images->pdata[i]);
    check_owned(backups, backups->kept);
    check_owned(backups, backups->files);
    for (guint i = 0; i < jobs->len; i++)
        if (BACKUPJOB(jobs->pdata[i])->started)
            sim_wrong(backups->sim, "backup job %d does not come to its end",
                      ((const Object *)jobs->pdata[i])->id);
    if (datastore && datastore_reserved_mb(world, datastore) != 0)
        sim_wrong(backups->sim, "%" G_GINT64_FORMAT " MiB stay reserved for backups",
                  datastore_reserved_mb(world, datastore));
}

gboolean backups_rest(const Backups *backups)
{
    const GPtrArray *images = backups->sim->world->pools[KIND_IMAGE].order;
    for (guint i = 0; i < images->len; i++)
        if (image_backup_to_forget(images->pdata[i]) >= 0 &&
            ((const Image *)images->pdata[i])->state == IMAGE_READY)
            return FALSE;
    const GPtrArray *jobs = backups->sim->world->pools[KIND_BACKUPJOB].order;
    for (guint i = 0; i < jobs->len; i++)
        if (BACKUPJOB(jobs->pdata[i])->started)
            return FALSE;
    return TRUE;
}

/* ---- what people do ---- */

void backups_add_datastore(Client *client)
{
    call_method(client, "one.datastore.allocate", "ti",
                "NAME=backups\nTYPE=BACKUP_DS\nDS_MAD=dummy\nTM_MAD=\"-\"", -1);
}

const char *backups_settings(Sim *sim)
{
    static const char *const settings[] = {
        "BACKUP_CONFIG=[BACKUP_VOLATILE=YES,MODE=INCREMENT]",
        "BACKUP_CONFIG=[BACKUP_VOLATILE=YES,MODE=INCREMENT,KEEP_LAST=2]",
        "BACKUP_CONFIG=[BACKUP_VOLATILE=YES,MODE=INCREMENT,KEEP_LAST=3]",
        "BACKUP_CONFIG=[BACKUP_VOLATILE=YES,MODE=FULL,KEEP_LAST=2]",
        "BACKUP_CONFIG=[BACKUP_VOLATILE=NO]",
    };
    return settings[sim_pick(sim, G_N_ELEMENTS(settings))];
}

void back_up(Client *client, gint32 vm)
{
    Sim *sim = client_sim(client);
    gint which = sim_pick(sim, 10);
    if (which > 1)
        vm = vm_in(client, sim_chance(sim, 0.75) ? VM_ACTIVE : VM_POWEROFF, vm);
    sim_say(sim, "%s of %d",
            which == 0   ? "backup settings"
            : which == 1 ? "backup-cancel"
                         : "backup",
            vm);
    if (which == 0)
        call_method(client, "one.vm.updateconf", "iti", vm, backups_settings(sim), 1);
    else if (which == 1)
        call_method(client, "one.vm.backupcancel", "i", vm);
    else
        call_method(client, "one.vm.backup", "iib", vm, sim->backups->datastore,
                    sim_chance(sim, 0.1));
}

static gint32 some_backup(Sim *sim)
{
    const GPtrArray *all = sim->world->pools[KIND_IMAGE].order;
    g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(gint32));
    for (guint i = 0; i < all->len; i++)
        if (((const Image *)all->pdata[i])->type == IMAGE_BACKUP)
            g_array_append_val(found, ((const Object *)all->pdata[i])->id);
    return found->len ? g_array_index(found, gint32, sim_pick(sim, (gint)found->len)) : -1;
}

static void images_made(Call *call, const RpcValue *value)
{
    g_auto(GStrv) words = g_strsplit(value->text, " ", -1);
    for (guint i = 1; words[0] && words[i]; i++)
        images_acknowledged(client_sim(call->client)->images,
                            (gint32)g_ascii_strtoll(words[i], NULL, 10));
}

/* In place, to new images; or a backup is removed. */
void restore(Client *client, gint32 vm)
{
    Sim *sim = client_sim(client);
    gint32 backup = some_backup(sim);
    const Image *image = image_get(sim->world, backup);
    gint which = sim_pick(sim, 10);
    if (!image) {
        back_up(client, vm);
        return;
    }
    if (which == 0) {
        images_doomed(sim->images, backup);
        call_method(client, "one.image.delete", "i", backup);
    } else if (which < 7) {
        gint32 of = sim_chance(sim, 0.8) ? image_backup_vm(image) : vm;
        const Vm *machine = vm_get(sim->world, of);
        if (machine && machine->state == VM_ACTIVE && machine->lcm == LCM_RUNNING)
            call_method(client, "one.vm.action", "ti", "poweroff-hard", of); /* for the next time */
        sim_say(sim, "restore %d from %d", of, backup);
        call_method(client, "one.vm.restore", "iiii", of, backup, sim_pick(sim, 4) - 1,
                    sim_pick(sim, 3) - 1);
    } else {
        g_autofree char *text =
            g_strdup_printf("NAME=restored%" G_GUINT64_FORMAT "%s", client_number(client),
                            sim_chance(sim, 0.3) ? "\nDISK_ID=0" : "");
        Call *call = call_new(client, "one.image.restore");
        sim_say(sim, "images of backup %d", backup);
        call->granted = images_made;
        call_int(call, backup);
        call_int(call, 1);
        call_text(call, text);
        call_send(call);
    }
}

void arrange_jobs(Client *client, gint32 vm)
{
    static const char *const words[] = {"backup", "backup", "backup", "cancel", "retry", "delete"};
    Sim *sim = client_sim(client);
    gint32 job = some_object(sim, KIND_BACKUPJOB, 3);
    gboolean make = sim_chance(sim, 0.3);
    g_autofree char *text = g_strdup_printf(
        "NAME=job%" G_GUINT64_FORMAT "\nBACKUP_VMS=\"%d,%d,%d\"\nDATASTORE_ID=%d\n"
        "EXECUTION=%s\nMODE=%s\nBACKUP_VOLATILE=YES\nKEEP_LAST=%d\nFS_FREEZE=NONE",
        client_number(client), MAX(vm - 2, 0), MAX(vm - 2, 0) + 1, MAX(vm - 2, 0) + 2,
        sim->backups->datastore, sim_chance(sim, 0.5) ? "PARALLEL" : "SEQUENTIAL",
        sim_chance(sim, 0.5) ? "INCREMENT" : "FULL", sim_pick(sim, 4));
    const char *word = words[sim_pick(sim, G_N_ELEMENTS(words))];
    g_autofree char *method = g_strdup_printf("one.backupjob.%s", word);
    sim_say(sim, "%s %d", make ? "one.backupjob.allocate" : method, job);
    if (make)
        call_method(client, "one.backupjob.allocate", "t", text);
    else
        call_method(client, method, "i", job);
}
