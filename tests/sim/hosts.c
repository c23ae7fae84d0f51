/* What is true on the simulated hosts, and what drivers do to it. */
#include "tests/sim/drivers.h"

#include <stdlib.h>
#include <string.h>

/* Columns of the table of machines. */
#define COLUMN_STATE 10
#define COLUMN_LCM   11

struct Hosts {
    Sim *sim;
    GHashTable *running;  /* "host/vm": a guest is there */
    GHashTable *frozen;   /* "host/vm": it stands still */
    GHashTable *saved;    /* vm: its memory is in a file */
    GHashTable *disks;    /* "vm/disk" -> its image, or -1: the guest has that disk */
    GHashTable *given_up; /* vm: somebody deleted its record and left its guest alone */
};

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

static void stand(Hosts *hosts, const char *host, gint32 vm, gboolean still)
{
    char *key = place(host, vm);
    if (still) {
        g_hash_table_add(hosts->frozen, key);
    } else {
        g_hash_table_remove(hosts->frozen, key);
        g_free(key);
    }
}

static gboolean stands(const Hosts *hosts, const char *host, gint32 vm)
{
    g_autofree char *key = place(host, vm);
    return g_hash_table_contains(hosts->frozen, key) && hosts_has(hosts, host, vm);
}

static void put(Hosts *hosts, const char *host, gint32 vm, gboolean there)
{
    char *key = place(host, vm);
    stand(hosts, host, vm, FALSE);
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

gboolean hosts_stands(const Hosts *hosts, gint32 vm)
{
    GHashTableIter iterator;
    gpointer key;
    g_hash_table_iter_init(&iterator, hosts->frozen);
    while (g_hash_table_iter_next(&iterator, &key, NULL))
        if (g_ascii_strtoll(strchr(key, '/') + 1, NULL, 10) == vm &&
            g_hash_table_contains(hosts->running, key))
            return TRUE;
    return FALSE;
}

/* ---- what drivers do ---- */

static gboolean act_freeze(Request *request, gint32 vm)
{
    if (!hosts_has(request->sim->hosts, request->host, vm))
        return FALSE;
    stand(request->sim->hosts, request->host, vm, TRUE);
    return TRUE;
}

static gboolean act_thaw(Request *request, gint32 vm)
{
    if (!hosts_has(request->sim->hosts, request->host, vm))
        return FALSE;
    stand(request->sim->hosts, request->host, vm, FALSE);
    return TRUE;
}

static gboolean do_start(Request *request, gint32 vm)
{
    put(request->sim->hosts, request->host, vm, TRUE); /* again is no harm: it is there already */
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
    Plug wanted = {request->sim->hosts, vm, FALSE, TRUE};
    if (!hosts_has(request->sim->hosts, request->host, vm))
        return FALSE;
    each_disk(request->xml, plug, &wanted);
    return TRUE;
}

/* Of a guest that has ended, nothing is attached. */
static gboolean act_detach(Request *request, gint32 vm)
{
    Plug wanted = {request->sim->hosts, vm, FALSE, FALSE};
    each_disk(request->xml, plug, &wanted);
    return TRUE;
}

static gboolean act_running(Request *request, gint32 vm)
{
    return hosts_has(request->sim->hosts, request->host, vm);
}

static gboolean act_deploy(Request *request, gint32 vm)
{
    Plug wanted = {request->sim->hosts, vm, TRUE, TRUE};
    if (!hosts_has(request->sim->hosts, request->host, vm)) {
        no_disks(request->sim->hosts, vm);
        each_disk(request->xml, plug, &wanted);
    }
    return do_start(request, vm);
}

static gboolean act_end(Request *request, gint32 vm)
{
    put(request->sim->hosts, request->host, vm, FALSE);
    return TRUE;
}

static gboolean act_save(Request *request, gint32 vm)
{
    if (!hosts_has(request->sim->hosts, request->host, vm))
        return FALSE;
    put(request->sim->hosts, request->host, vm, FALSE);
    g_hash_table_add(request->sim->hosts->saved, GINT_TO_POINTER(vm));
    return TRUE;
}

static gboolean act_restore(Request *request, gint32 vm)
{
    if (!g_hash_table_contains(request->sim->hosts->saved, GINT_TO_POINTER(vm)))
        return FALSE;
    return do_start(request, vm);
}

static gboolean act_migrate(Request *request, gint32 vm)
{
    if (stands(request->sim->hosts, request->other,
               vm)) { /* left there by one before: it goes on */
        stand(request->sim->hosts, request->other, vm, FALSE);
        return TRUE;
    }
    if (!hosts_has(request->sim->hosts, request->host, vm))
        return FALSE;
    gboolean still = stands(request->sim->hosts, request->host, vm);
    put(request->sim->hosts, request->host, vm, FALSE);
    put(request->sim->hosts, request->other, vm, TRUE);
    stand(request->sim->hosts, request->other, vm, still);
    return TRUE;
}

static gboolean act_cleanup(Request *request, gint32 vm)
{
    put(request->sim->hosts, request->host, vm, FALSE);
    if (request->other && drivers_cut(request->sim->drivers, request->other))
        return FALSE;
    if (request->other && *request->other)
        put(request->sim->hosts, request->other, vm, FALSE);
    return TRUE;
}

/* Here no copy ever stands still: there is nothing to remove but what runs, which stays. */
static gboolean act_settle(Request *request, gint32 vm)
{
    return !hosts_has(request->sim->hosts, request->host, vm);
}

static gboolean act_nothing(Request *request, gint32 vm)
{
    return TRUE;
}

static gboolean act_poll(Request *request, gint32 vm)
{
    gboolean there = hosts_has(request->sim->hosts, request->host, vm);
    request->info = g_strdup(stands(request->sim->hosts, request->host, vm) ? "STATE=p"
                             : there                                        ? "STATE=a"
                                                                            : "STATE=d");
    return TRUE;
}

static const struct {
    const char *action;
    gboolean (*act)(Request *request, gint32 vm);
    gboolean may_fail;    /* by chance, with nothing done */
    gboolean tells_rules; /* of security groups */
} acts[] = {
    {"DEPLOY", act_deploy, TRUE, TRUE},
    {"SHUTDOWN", act_end, TRUE},
    {"CANCEL", act_end, TRUE},
    {"SAVE", act_save, TRUE},
    {"RESTORE", act_restore, TRUE, TRUE},
    {"FREEZE", act_freeze, TRUE},
    {"THAW", act_thaw, TRUE},
    {"MIGRATE", act_migrate, TRUE, TRUE},
    {"CLEANUP", act_cleanup, FALSE},
    {"SETTLE", act_settle, FALSE},
    {"REBOOT", act_nothing, TRUE},
    {"RESET", act_nothing, TRUE},
    {"ATTACHDISK", act_attach, TRUE},
    {"DETACHDISK", act_detach, TRUE},
    {"ATTACHNIC", act_running, TRUE, TRUE},
    {"DETACHNIC", act_nothing, TRUE},
    {"UPDATENIC", act_running, TRUE},
    {"UPDATECONF", act_running, TRUE},
    {"UPDATESG", act_running, TRUE, TRUE},
    {"SNAPSHOTCREATE", act_running, TRUE},
    {"SNAPSHOTREVERT", act_running, TRUE},
    {"SNAPSHOTDELETE", act_nothing, TRUE},
    {"DISKSNAPSHOTCREATE", act_running, TRUE},
    {"RESIZE", act_running, TRUE},
    {"RESIZEDISK", act_running, TRUE},
    {"BACKUP", backups_take, TRUE},
    {"BACKUPCANCEL", backups_drop, TRUE},
    {"EXEC", guests_start, TRUE},
    {"EXECPOLL", guests_poll, TRUE},
    {"EXEC_CANCEL", guests_end, TRUE},
    {"POLL", act_poll, FALSE},
    {"MIGRATECHECK", act_nothing, TRUE},
};

gboolean hosts_carry(Request *request)
{
    const char *action = request->request->action;
    gint32 vm = (gint32)request->request->id;
    guint which = 0;
    while (which < G_N_ELEMENTS(acts) && strcmp(acts[which].action, action) != 0)
        which++;
    if (which == G_N_ELEMENTS(acts))
        sim_wrong(request->sim, "a driver was told %s, which it does not know", action);
    gboolean done =
        !(acts[which].may_fail && request_fails(request)) && acts[which].act(request, vm);
    if (done && acts[which].tells_rules)
        groups_told(request, vm);
    if (!request->info)
        request->info = g_strdup(!done                       ? "it did not work"
                                 : !strcmp(action, "DEPLOY") ? "one-x"
                                                             : "");
    return done;
}

VmLcm hosts_phase(const Sim *sim, gint64 vm)
{
    gint64 state = memory_store_number(sim->memory, "vm", vm, COLUMN_STATE, -1);
    return state == VM_ACTIVE
               ? (VmLcm)memory_store_number(sim->memory, "vm", vm, COLUMN_LCM, LCM_INIT)
               : LCM_INIT;
}

void hosts_explain(Hosts *hosts, const DriverRequest *request)
{
    Sim *sim = hosts->sim;
    if (hosts_lack(sim, request->action))
        sim_wrong(sim, "%s was sent for machine %" G_GINT64_FORMAT ", which its driver lacks",
                  request->action, request->id);
    if (!strcmp(request->action, "POLL") || !strcmp(request->action, "MIGRATECHECK"))
        return; /* questions */
    gint64 state = memory_store_number(sim->memory, "vm", request->id, COLUMN_STATE, -1);
    const char *name =
        vm_lcm_name((VmLcm)memory_store_number(sim->memory, "vm", request->id, COLUMN_LCM, 0));
    gboolean explained = state == VM_ACTIVE &&
                         (!strcmp(request->action, "DEPLOY") || !strcmp(request->action, "RESTORE")
                              ? g_str_has_prefix(name, "BOOT")
                          : !strcmp(request->action, "MIGRATE") ? !strcmp(name, "MIGRATE")
                          : !strcmp(request->action, "SAVE")    ? g_str_has_prefix(name, "SAVE")
                          : strstr(request->action, "ATTACH")   ? g_str_has_prefix(name, "HOTPLUG")
                          : strstr(request->action, "BACKUP")   ? !strcmp(name, "BACKUP")
                                                                : TRUE);
    if (!explained)
        sim_wrong(sim,
                  "%s was sent for machine %" G_GINT64_FORMAT
                  ", but the committed state is %" G_GINT64_FORMAT "/%s",
                  request->action, request->id, state, name);
}

/* ---- the transfer driver ---- */

/* Files of disks that a guest has are neither removed nor made again. */
static void check_line(Sim *sim, gint32 vm, const char *line)
{
    const char *disk = strstr(line, "/disk.");
    char *end = NULL;
    gint64 id = disk ? g_ascii_strtoll(disk + strlen("/disk."), &end, 10) : -1;
    gboolean whole = end && *end == ' ';
    gboolean changes = g_str_has_prefix(line, "DELETE") || g_str_has_prefix(line, "MKIMAGE") ||
                       g_str_has_prefix(line, "SNAP_REVERT") || g_str_has_prefix(line, "RESIZE");
    if (whole && changes && hosts_has_disk(sim->hosts, vm, id) && hosts_count(sim->hosts, vm))
        sim_wrong(sim, "\"%s\", but machine %d has the disk", line, vm);
}

gboolean hosts_transfer(Request *request)
{
    Sim *sim = request->sim;
    gint32 vm = (gint32)request->request->id;
    const char *text = request->request->files[0].text;
    static const char space[] = "TOTAL_MB=100000\nUSED_MB=0\nFREE_MB=100000\n";
    if (!strcmp(request->request->action, "MONITOR")) {
        request->info = g_base64_encode((const guchar *)space, strlen(space));
        return TRUE;
    }
    g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", -1);
    if (request_fails(request) && sim_chance(sim, 0.5))
        return FALSE;
    for (guint i = 0; lines[i]; i++) {
        gboolean handled = FALSE;
        if (request->info && sim_chance(sim, 0.5))
            return FALSE; /* in the middle of it */
        check_line(sim, vm, lines[i]);
        if (!backups_line(sim, vm, lines[i], &handled)) {
            request->info = g_strdup_printf("%s: no such file", lines[i]);
            return FALSE;
        }
        if (!handled && g_str_has_prefix(lines[i], "CPDS"))
            images_saved(sim->images, lines[i]);
    }
    return request->info == NULL;
}

/* ---- monitoring ---- */

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
    g_hash_table_iter_init(&iterator, request->sim->hosts->running);
    while (g_hash_table_iter_next(&iterator, &key, NULL))
        if (g_str_has_prefix(key, prefix))
            g_string_append_printf(
                text, "VM=[ID=\"%s\",DEPLOY_ID=\"one-%s\",STATE=\"%s\"]\n", strchr(key, '/') + 1,
                strchr(key, '/') + 1,
                g_hash_table_contains(request->sim->hosts->frozen, key) ? "PAUSED" : "RUNNING");
    return g_base64_encode((const guchar *)text->str, text->len);
}

gboolean hosts_monitor(Request *request)
{
    if (!strcmp(request->request->action, "MONITOR"))
        request->info = monitor_info(request, request->host);
    return TRUE;
}

/* ---- guests ---- */

/* The key of one that is there, at random; NULL: there is none. (borrowed until it ends) */
static const char *some_guest(Hosts *hosts)
{
    GHashTableIter iterator;
    gpointer key;
    guint skip = (guint)sim_pick(hosts->sim, MAX(1, (gint)g_hash_table_size(hosts->running)));
    g_hash_table_iter_init(&iterator, hosts->running);
    while (g_hash_table_iter_next(&iterator, &key, NULL))
        if (skip-- == 0)
            return key;
    return NULL;
}

void hosts_guest_dies(Hosts *hosts)
{
    const char *key = some_guest(hosts);
    if (!key)
        return;
    sim_say(hosts->sim, "guest dies: %s", key);
    g_hash_table_remove(hosts->frozen, key);
    g_hash_table_remove(hosts->running, key);
}

void hosts_guest_pauses(Hosts *hosts)
{
    const char *key = some_guest(hosts);
    if (!key)
        return;
    sim_say(hosts->sim, "guest pauses: %s", key);
    g_hash_table_add(hosts->frozen, g_strdup(key));
}

static gboolean goes_on(gpointer key, gpointer value, gpointer data)
{
    return sim_chance(data, 0.5);
}

void hosts_guests_go_on(Hosts *hosts)
{
    g_hash_table_foreach_remove(hosts->frozen, goes_on, hosts->sim);
}

/* ---- what their drivers cannot do ---- */

static const struct {
    const char *driver; /* the whole of VM_MAD behind its name and program */
    const char *lacks;
    const char *at_times; /* they cannot do that for some minutes, then can again */
} flavours[] = {
    {"", "FREEZE,THAW,COLDCHECK,FALLBACK"},
    {", KEEP_MACHINES = yes", "SAVE,RESTORE,MIGRATE,RESET"},
    {"", "SAVE,RESTORE,MIGRATE,RESET,FREEZE,THAW,COLDCHECK,FALLBACK,EXEC"},
    {", KEEP_MACHINES = yes", "CARRY,FREEZE,THAW"},
    {", KEEP_MACHINES = yes", "COLDCHECK,FALLBACK", "SAVE,RESTORE"},
};

/* Most installations have hypervisors. */
static guint flavour_of(const Sim *sim)
{
    return sim->seed % 8 < G_N_ELEMENTS(flavours) ? (guint)(sim->seed % 8) : 0;
}

const char *hosts_driver(const Sim *sim)
{
    return flavours[flavour_of(sim)].driver;
}

static gboolean is_among(const char *actions, const char *action)
{
    g_auto(GStrv) words = g_strsplit(actions ? actions : "", ",", -1);
    return g_strv_contains((const char *const *)words, action);
}

gboolean hosts_lack(const Sim *sim, const char *action)
{
    return is_among(flavours[flavour_of(sim)].lacks, action);
}

gboolean hosts_waver(const Sim *sim, const char *action)
{
    return is_among(flavours[flavour_of(sim)].at_times, action);
}

gboolean hosts_lack_now(const Sim *sim, const char *action)
{
    const gint64 minutes = 3;
    return hosts_lack(sim, action) ||
           (hosts_waver(sim, action) && sim->now / (minutes * 60 * G_USEC_PER_SEC) % 2 != 0);
}

Hosts *hosts_new(Sim *sim)
{
    Hosts *hosts = g_new0(Hosts, 1);
    hosts->sim = sim;
    hosts->running = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    hosts->frozen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    hosts->saved = g_hash_table_new(NULL, NULL);
    hosts->disks = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    hosts->given_up = g_hash_table_new(NULL, NULL);
    return hosts;
}

void hosts_free(Hosts *hosts)
{
    g_hash_table_unref(hosts->running);
    g_hash_table_unref(hosts->frozen);
    g_hash_table_unref(hosts->saved);
    g_hash_table_unref(hosts->disks);
    g_hash_table_unref(hosts->given_up);
    g_free(hosts);
}
