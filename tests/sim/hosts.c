/* What is true on the simulated hosts, and drivers that fail, lose answers and die. */
#include "tests/sim/sim.h"

#include <stdlib.h>
#include <string.h>

/* Columns of the table of machines. */
#define COLUMN_STATE 10
#define COLUMN_LCM   11

struct Hosts {
    Outside outside; /* first */
    Sim *sim;
    GHashTable *running;  /* "host/vm": a guest is there */
    GHashTable *saved;    /* vm: its memory is in a file */
    GHashTable *disks;    /* "vm/disk" -> its image, or -1: the guest has that disk */
    GHashTable *given_up; /* vm: somebody deleted its record and left its guest alone */
    GHashTable *cut;      /* host: cannot be reached until that time */
    GPtrArray *open;      /* of Request: those under way */
};

typedef struct Request {
    Hosts *hosts;
    DriverRequest *request;
    char *host, *other; /* of the hypervisor's document */
    char *xml;          /* the document itself */
    gboolean happened;  /* the order was carried out, or never will be */
    gboolean unheard;   /* nobody waits for the answer any more */
    gboolean success;
    char *info;
} Request;

typedef enum { SAYS_ANSWER, SAYS_LOST } Says;

typedef struct Said {
    CoreInput input;
    Sim *sim;
    Says says;
    guint64 number;
    gboolean success;
    char *info;
} Said;

static void said_handle(Core *core, CoreInput *input)
{
    Said *said = (Said *)input;
    if (said->says == SAYS_LOST)
        lifecycle_lost(said->sim->lifecycle, said->number);
    else
        lifecycle_answer(said->sim->lifecycle, said->number, said->success, said->info);
}

static void said_destroy(CoreInput *input)
{
    g_free(((Said *)input)->info);
    g_free(input);
}

static void say(Sim *sim, Says says, guint64 number, gboolean success, const char *info)
{
    Said *said = g_new0(Said, 1);
    said->input.handle = said_handle;
    said->input.destroy = said_destroy;
    said->sim = sim;
    said->says = says;
    said->number = number;
    said->success = success;
    said->info = g_strdup(info ? info : "");
    core_post(sim->core, &said->input);
}

/* ---- truth ---- */

static char *place(const char *host, gint32 vm)
{
    return g_strdup_printf("%s/%d", host, vm);
}

gboolean hosts_has(const Hosts *hosts, const char *host, gint32 vm)
{
    g_autofree char *key = place(host, vm);
    return g_hash_table_contains(hosts->running, key);
}

static void put(Hosts *hosts, const char *host, gint32 vm, gboolean there)
{
    char *key = place(host, vm);
    if (there) {
        g_hash_table_add(hosts->running, key);
    } else {
        g_hash_table_remove(hosts->running, key);
        g_free(key);
    }
    guint count = hosts_count(hosts, vm);
    if (count > 1)
        sim_wrong(hosts->sim, "machine %d runs on %u hosts", vm, count);
}

guint hosts_count(const Hosts *hosts, gint32 vm)
{
    GHashTableIter iterator;
    gpointer key;
    guint count = 0;
    g_hash_table_iter_init(&iterator, hosts->running);
    while (g_hash_table_iter_next(&iterator, &key, NULL))
        count += g_ascii_strtoll(strchr(key, '/') + 1, NULL, 10) == vm;
    return count;
}

static gboolean is_cut(Hosts *hosts, const char *host)
{
    gint64 *until = g_hash_table_lookup(hosts->cut, host);
    return until && *until > hosts->sim->now && !hosts->sim->calm;
}

/* ---- what drivers do ---- */

static gboolean do_start(Request *request, gint32 vm)
{
    put(request->hosts, request->host, vm, TRUE); /* again is no harm: it is there already */
    return TRUE;
}

/* ---- disks ---- */

static void set_disk(Hosts *hosts, gint32 vm, gint64 disk, gint32 image, gboolean there)
{
    char *key = g_strdup_printf("%d/%" G_GINT64_FORMAT, vm, disk);
    if (there) {
        g_hash_table_insert(hosts->disks, key, GINT_TO_POINTER(image));
    } else {
        g_hash_table_remove(hosts->disks, key);
        g_free(key);
    }
}

gboolean hosts_has_disk(const Hosts *hosts, gint32 vm, gint64 disk)
{
    g_autofree char *key = g_strdup_printf("%d/%" G_GINT64_FORMAT, vm, disk);
    return g_hash_table_contains(hosts->disks, key);
}

void hosts_give_up(Hosts *hosts, gint32 vm)
{
    g_hash_table_add(hosts->given_up, GINT_TO_POINTER(vm));
}

gboolean hosts_gave_up(const Hosts *hosts, gint32 vm)
{
    return g_hash_table_contains(hosts->given_up, GINT_TO_POINTER(vm));
}

gint32 hosts_writer(const Hosts *hosts, gint32 image, gint32 but)
{
    GHashTableIter iterator;
    gpointer key, value;
    g_hash_table_iter_init(&iterator, hosts->disks);
    while (g_hash_table_iter_next(&iterator, &key, &value)) {
        gint32 vm = (gint32)g_ascii_strtoll(key, NULL, 10);
        if (GPOINTER_TO_INT(value) == image && vm != but && hosts_count(hosts, vm))
            return vm;
    }
    return -1;
}

static gboolean is_disk_of(gpointer key, gpointer value, gpointer prefix)
{
    return g_str_has_prefix(key, prefix);
}

static void no_disks(Hosts *hosts, gint32 vm)
{
    g_autofree char *prefix = g_strdup_printf("%d/", vm);
    g_hash_table_foreach_remove(hosts->disks, is_disk_of, prefix);
}

/* Calls `visit` for each <DISK> of the document. */
static void each_disk(const char *xml,
                      void (*visit)(gint64 id, gint32 image, gboolean marked, gpointer data),
                      gpointer data)
{
    static const char image[] = "<IMAGE_ID><![CDATA[";
    for (const char *at = xml; (at = strstr(at, "<DISK>")); at++) {
        const char *end = strstr(at, "</DISK>"), *id = strstr(at, "<DISK_ID><![CDATA[");
        const char *mark = strstr(at, "<ATTACH><![CDATA[YES"), *made_of = strstr(at, image);
        /* Of an image that is not the disk itself only a copy is written to. */
        const char *itself = strstr(at, "<PERSISTENT><![CDATA[YES");
        gboolean writes = made_of && made_of < end && itself && itself < end;
        if (id && id < end)
            visit(g_ascii_strtoll(id + strlen("<DISK_ID><![CDATA["), NULL, 10),
                  writes ? (gint32)g_ascii_strtoll(made_of + strlen(image), NULL, 10) : -1,
                  mark && mark < end, data);
    }
}

typedef struct Plug {
    Hosts *hosts;
    gint32 vm;
    gboolean all, there; /* all disks, or the marked one; come or go */
} Plug;

static void plug(gint64 id, gint32 image, gboolean marked, gpointer data)
{
    const Plug *wanted = data;
    if (wanted->all || marked)
        set_disk(wanted->hosts, wanted->vm, id, image, wanted->there);
}

static gboolean act_attach(Request *request, gint32 vm)
{
    Plug wanted = {request->hosts, vm, FALSE, TRUE};
    if (!hosts_has(request->hosts, request->host, vm))
        return FALSE;
    each_disk(request->xml, plug, &wanted);
    return TRUE;
}

/* Of a guest that has ended, nothing is attached. */
static gboolean act_detach(Request *request, gint32 vm)
{
    Plug wanted = {request->hosts, vm, FALSE, FALSE};
    each_disk(request->xml, plug, &wanted);
    return TRUE;
}

/* Files of disks that a guest has are neither removed nor made again. */
static gboolean act_transfer(Request *request, gint32 vm)
{
    const char *text = request->request->files[0].text;
    g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", -1);
    for (guint i = 0; lines[i]; i++) {
        const char *disk = strstr(lines[i], "/disk.");
        if (g_str_has_prefix(lines[i], "CPDS"))
            images_saved(request->hosts->sim->images, lines[i]);
        char *end = NULL;
        gint64 id = disk ? g_ascii_strtoll(disk + strlen("/disk."), &end, 10) : -1;
        gboolean whole = end && *end == ' ';
        gboolean changes =
            g_str_has_prefix(lines[i], "DELETE") || g_str_has_prefix(lines[i], "MKIMAGE") ||
            g_str_has_prefix(lines[i], "SNAP_REVERT") || g_str_has_prefix(lines[i], "RESIZE");
        if (whole && changes && hosts_has_disk(request->hosts, vm, id) &&
            hosts_count(request->hosts, vm))
            sim_wrong(request->hosts->sim, "\"%s\", but machine %d has the disk", lines[i], vm);
    }
    return TRUE;
}

static gboolean act_running(Request *request, gint32 vm)
{
    return hosts_has(request->hosts, request->host, vm);
}

static gboolean act_deploy(Request *request, gint32 vm)
{
    Plug wanted = {request->hosts, vm, TRUE, TRUE};
    if (!hosts_has(request->hosts, request->host, vm)) {
        no_disks(request->hosts, vm);
        each_disk(request->xml, plug, &wanted);
    }
    return do_start(request, vm);
}

static gboolean act_end(Request *request, gint32 vm)
{
    put(request->hosts, request->host, vm, FALSE);
    return TRUE;
}

static gboolean act_save(Request *request, gint32 vm)
{
    if (!hosts_has(request->hosts, request->host, vm))
        return FALSE;
    put(request->hosts, request->host, vm, FALSE);
    g_hash_table_add(request->hosts->saved, GINT_TO_POINTER(vm));
    return TRUE;
}

static gboolean act_restore(Request *request, gint32 vm)
{
    if (!g_hash_table_contains(request->hosts->saved, GINT_TO_POINTER(vm)))
        return FALSE;
    return do_start(request, vm);
}

static gboolean act_migrate(Request *request, gint32 vm)
{
    if (!hosts_has(request->hosts, request->host, vm))
        return FALSE;
    put(request->hosts, request->host, vm, FALSE);
    put(request->hosts, request->other, vm, TRUE);
    return TRUE;
}

static gboolean act_cleanup(Request *request, gint32 vm)
{
    put(request->hosts, request->host, vm, FALSE);
    if (request->other && is_cut(request->hosts, request->other))
        return FALSE;
    if (request->other && *request->other)
        put(request->hosts, request->other, vm, FALSE);
    return TRUE;
}

/* Here no copy ever stands still: there is nothing to remove but what runs, which stays. */
static gboolean act_settle(Request *request, gint32 vm)
{
    return !hosts_has(request->hosts, request->host, vm);
}

static gboolean act_nothing(Request *request, gint32 vm)
{
    return TRUE;
}

static const struct {
    const char *action;
    gboolean (*act)(Request *request, gint32 vm);
    gboolean may_fail; /* by chance, with nothing done */
} acts[] = {
    {"DEPLOY", act_deploy, TRUE},
    {"SHUTDOWN", act_end, TRUE},
    {"CANCEL", act_end, TRUE},
    {"SAVE", act_save, TRUE},
    {"RESTORE", act_restore, TRUE},
    {"MIGRATE", act_migrate, TRUE},
    {"CLEANUP", act_cleanup, FALSE},
    {"SETTLE", act_settle, FALSE},
    {"REBOOT", act_nothing, TRUE},
    {"RESET", act_nothing, TRUE},
    {"TRANSFER", act_transfer, TRUE},
    {"ATTACHDISK", act_attach, TRUE},
    {"DETACHDISK", act_detach, TRUE},
    {"ATTACHNIC", act_running, TRUE},
    {"DETACHNIC", act_nothing, TRUE},
    {"UPDATENIC", act_running, TRUE},
    {"UPDATECONF", act_running, TRUE},
    {"UPDATESG", act_running, TRUE},
    {"SNAPSHOTCREATE", act_running, TRUE},
    {"SNAPSHOTREVERT", act_running, TRUE},
    {"SNAPSHOTDELETE", act_nothing, TRUE},
    {"DISKSNAPSHOTCREATE", act_running, TRUE},
    {"RESIZE", act_running, TRUE},
    {"RESIZEDISK", act_running, TRUE},
    {"MIGRATECHECK", act_nothing, TRUE},
    {"STOPMONITOR", act_nothing, FALSE},
};

static char *poll_info(Request *request, gint32 vm)
{
    return g_strdup(hosts_has(request->hosts, request->host, vm) ? "STATE=a" : "STATE=d");
}

static char *monitor_info(Request *request, const char *host)
{
    g_autoptr(GString) text = g_string_new("HYPERVISOR=dummy\nTOTALCPU=800\nTOTALMEMORY=16777216\n"
                                           "USEDCPU=1\nFREECPU=799\nSYNC_STATE=yes\n");
    for (guint i = 1; i <= 4; i++)
        g_string_append_printf(
            text,
            "PCI=[VENDOR=10de,DEVICE=1db4,CLASS=0302,SHORT_ADDRESS=\"%02x:00.0\","
            "DOMAIN=0000,BUS=%02x,SLOT=00,FUNCTION=0]\n",
            i, i);
    GHashTableIter iterator;
    gpointer key;
    g_autofree char *prefix = g_strdup_printf("%s/", host);
    g_hash_table_iter_init(&iterator, request->hosts->running);
    while (g_hash_table_iter_next(&iterator, &key, NULL))
        if (g_str_has_prefix(key, prefix))
            g_string_append_printf(text, "VM=[ID=\"%s\",DEPLOY_ID=\"one-%s\",STATE=\"RUNNING\"]\n",
                                   strchr(key, '/') + 1, strchr(key, '/') + 1);
    return g_base64_encode((const guchar *)text->str, text->len);
}

static void request_free(gpointer data)
{
    Request *request = data;
    driver_request_free(request->request);
    g_free(request->host);
    g_free(request->other);
    g_free(request->xml);
    g_free(request->info);
    g_free(request);
}

static void give_answer(Sim *sim, gpointer data)
{
    Request *request = data;
    if (!request->unheard)
        say(sim, SAYS_ANSWER, request->request->number, request->success, request->info);
    g_ptr_array_remove_fast(request->hosts->open, request);
}

static gboolean carry_out(Request *request, gint32 vm, const char *action)
{
    Sim *sim = request->hosts->sim;
    for (guint i = 0; i < G_N_ELEMENTS(acts); i++)
        if (!strcmp(acts[i].action, action))
            return !(acts[i].may_fail && !sim->calm && sim_chance(sim, 0.05)) &&
                   acts[i].act(request, vm);
    sim_wrong(sim, "a driver was told %s, which it does not know", action);
}

/* What was ordered happens on the host, if it can be reached. */
static void happen_now(Request *request)
{
    Hosts *hosts = request->hosts;
    gint32 vm = (gint32)request->request->id;
    const char *action = request->request->action;
    request->happened = TRUE;
    request->success = TRUE;
    if (request->host && is_cut(hosts, request->host)) {
        request->success = FALSE;
        request->info = g_strdup("no route to host");
    } else if (request->request->class == DRIVER_DATASTORE) {
        request->success =
            images_act(hosts->sim->images, request->request, request->xml, &request->info);
    } else if (request->request->class == DRIVER_HOOK) {
        request->info = hook_runs_act(hosts->sim->hooks, request->request, request->xml);
    } else if (!strcmp(action, "POLL")) {
        request->info = poll_info(request, vm);
    } else if (!strcmp(action, "MONITOR") && request->request->class == DRIVER_INFORMATION) {
        request->info = monitor_info(request, request->host);
    } else if (!strcmp(action, "MONITOR")) {
        request->info = g_base64_encode((const guchar *)"TOTAL_MB=1\n", 11);
    } else {
        request->success = carry_out(request, vm, action);
        request->info = g_strdup(!request->success           ? "it did not work"
                                 : !strcmp(action, "DEPLOY") ? "one-x"
                                                             : "");
    }
    sim_say(hosts->sim, "%s %d on %s: %s", action, vm, request->host ? request->host : "-",
            request->success ? "done" : "failed");
}

/* Drivers carry out the requests of one machine in the order in which they came. */
static void happen_in_order(Request *request)
{
    for (;;) {
        Request *first = request;
        for (guint i = 0; i < request->hosts->open->len; i++) {
            Request *other = request->hosts->open->pdata[i];
            if (!other->happened && other->request->class == request->request->class &&
                other->request->id == request->request->id &&
                other->request->number < first->request->number)
                first = other;
        }
        if (!first->happened)
            happen_now(first);
        if (first == request)
            return;
    }
}

/* The answer comes a little later, or never. */
static void happen(Sim *sim, gpointer data)
{
    Request *request = data;
    if (!request->happened && request->request->class != DRIVER_INFORMATION)
        happen_in_order(request);
    else if (!request->happened)
        happen_now(request);
    if (!sim->calm && sim_chance(sim, 0.03)) {
        request->unheard = TRUE;
        sim->lost++;
    }
    sim_later(sim, sim_pick(sim, 400000), give_answer, request, NULL);
}

/* A driver that dies has given its order to the hypervisor already, or never will. */
static void die(Request *request)
{
    request->unheard = TRUE;
    if (!request->happened && sim_chance(request->hosts->sim, 0.5))
        happen_now(request);
    request->happened = TRUE;
}

static char *element(const char *xml, const char *name)
{
    g_autofree char *open = g_strdup_printf("<%s>", name);
    const char *from = strstr(xml, open);
    const char *end = from ? strstr(from, "</") : NULL;
    return end ? g_strndup(from + strlen(open), (gsize)(end - from) - strlen(open)) : NULL;
}

/* Nothing may be asked of a driver that the committed state does not explain. */
static void check_explained(Hosts *hosts, const DriverRequest *request)
{
    Sim *sim = hosts->sim;
    if (request->class == DRIVER_DATASTORE)
        images_explain(sim->images, request);
    if (request->class != DRIVER_VIRTUALIZATION || !strcmp(request->action, "POLL"))
        return;
    gint64 state = memory_store_number(sim->memory, "vm", request->id, COLUMN_STATE, -1);
    const char *name =
        vm_lcm_name((VmLcm)memory_store_number(sim->memory, "vm", request->id, COLUMN_LCM, 0));
    gboolean explained = state == VM_ACTIVE &&
                         (!strcmp(request->action, "DEPLOY") || !strcmp(request->action, "RESTORE")
                              ? g_str_has_prefix(name, "BOOT")
                          : !strcmp(request->action, "MIGRATE") ? !strcmp(name, "MIGRATE")
                          : !strcmp(request->action, "SAVE")    ? g_str_has_prefix(name, "SAVE")
                          : strstr(request->action, "ATTACH")   ? g_str_has_prefix(name, "HOTPLUG")
                                                                : TRUE);
    if (!explained)
        sim_wrong(sim,
                  "%s was sent for machine %" G_GINT64_FORMAT
                  ", but the committed state is %" G_GINT64_FORMAT "/%s",
                  request->action, request->id, state, name);
}

static void hosts_send(Outside *outside, DriverRequest *request)
{
    Hosts *hosts = (Hosts *)outside;
    if (!strcmp(request->action, "DRIVER_CANCEL")) {
        driver_request_free(request); /* here nothing takes long */
        return;
    }
    Request *open = g_new0(Request, 1);
    check_explained(hosts, request);
    open->hosts = hosts;
    open->request = request;
    if (request->class == DRIVER_VIRTUALIZATION || request->class == DRIVER_DATASTORE ||
        request->class == DRIVER_HOOK) {
        gsize length;
        g_autofree guchar *bytes = g_base64_decode(request->payload, &length);
        open->xml = g_strndup((const char *)bytes, length);
    }
    if (request->class == DRIVER_HOOK)
        hook_runs_explain(hosts->sim->hooks, request, open->xml);
    if (request->class == DRIVER_VIRTUALIZATION) {
        open->host = element(open->xml, "HOST");
        open->other = element(open->xml, "MIGR_HOST");
    } else if (request->class == DRIVER_INFORMATION) {
        g_auto(GStrv) words = g_strsplit(request->payload, " ", 2);
        open->host = g_strdup(words[0]);
    }
    g_ptr_array_add(hosts->open, open);
    sim_later(hosts->sim, sim_pick(hosts->sim, 2000000), happen, open, NULL);
}

static gboolean hosts_knows(Outside *outside, DriverClass class, const char *driver)
{
    return TRUE;
}

static void hosts_log(Outside *outside, gint32 vm, LogLevel level, const char *module,
                      const char *text)
{
    sim_say(((Hosts *)outside)->sim, "  log of %d: %s", vm, text);
}

static void hosts_sample(Outside *outside, SampleKind kind, gint32 id, gint64 time, const char *xml)
{
}

static void hosts_forget(Outside *outside, SampleKind kind, gint32 id)
{
}

Hosts *hosts_new(Sim *sim)
{
    Hosts *hosts = g_new0(Hosts, 1);
    hosts->outside = (Outside){hosts_send, hosts_knows, hosts_log, hosts_sample, hosts_forget};
    hosts->sim = sim;
    hosts->running = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    hosts->saved = g_hash_table_new(NULL, NULL);
    hosts->disks = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    hosts->given_up = g_hash_table_new(NULL, NULL);
    hosts->cut = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    hosts->open = g_ptr_array_new_with_free_func(request_free);
    return hosts;
}

void hosts_free(Hosts *hosts)
{
    g_hash_table_unref(hosts->running);
    g_hash_table_unref(hosts->saved);
    g_hash_table_unref(hosts->disks);
    g_hash_table_unref(hosts->given_up);
    g_hash_table_unref(hosts->cut);
    g_ptr_array_unref(hosts->open);
    g_free(hosts);
}

Outside *hosts_outside(Hosts *hosts)
{
    return &hosts->outside;
}

void hosts_crash(Hosts *hosts)
{
    for (guint i = 0; i < hosts->open->len; i++)
        die(hosts->open->pdata[i]);
}

void hosts_driver_dies(Hosts *hosts)
{
    DriverClass class = (DriverClass)sim_pick(hosts->sim, DRIVER_CLASSES);
    sim_say(hosts->sim, "driver of class %d dies", class);
    for (guint i = 0; i < hosts->open->len; i++) {
        Request *request = hosts->open->pdata[i];
        if (request->request->class != class || request->unheard)
            continue;
        die(request);
        say(hosts->sim, SAYS_LOST, request->request->number, FALSE, NULL);
    }
}

void hosts_guest_dies(Hosts *hosts)
{
    GHashTableIter iterator;
    gpointer key;
    guint skip = (guint)sim_pick(hosts->sim, MAX(1, (gint)g_hash_table_size(hosts->running)));
    g_hash_table_iter_init(&iterator, hosts->running);
    while (g_hash_table_iter_next(&iterator, &key, NULL))
        if (skip-- == 0) {
            sim_say(hosts->sim, "guest dies: %s", (char *)key);
            g_hash_table_iter_remove(&iterator);
            return;
        }
}

void hosts_network_fails(Hosts *hosts)
{
    gint64 until = hosts->sim->now + sim_pick(hosts->sim, 120) * G_USEC_PER_SEC;
    char *host = g_strdup_printf("h%d", sim_pick(hosts->sim, 4));
    sim_say(hosts->sim, "%s is cut off", host);
    g_hash_table_insert(hosts->cut, host, g_memdup2(&until, sizeof until));
}

void hosts_calm(Hosts *hosts)
{
    g_hash_table_remove_all(hosts->cut);
}
