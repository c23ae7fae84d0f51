/*
 * Backups of machines that run: QEMU writes what the disks held at one moment to files beside them
 * while the guest goes on. For a series it also begins to note what is written from that moment on
 * (a checkpoint of libvirt), so that the next backup holds no more than that. A checkpoint is named
 * backup-<image>-<number>; there is at most one that counts, the newest that oned knows of, and it
 * ends with the machine's stay on the host: then a backup is full.
 */
#include "drivers/vmm/libvirt/vmm_change.h"

#include "drivers/vmm/libvirt/vmm_watch.h"
#include "lib/base/error.h"
#include "lib/base/xml.h"
#include <libvirt/virterror.h>
#include <string.h>

#define LOOK_MS 200
/* How long the guest's agent may take to answer. */
#define AGENT_SECONDS 30
/* A guest that does not go on: the first pause until the next attempt and the longest, and all
 * pauses together; also of one that could not be frozen, which hardly stands still, and of one
 * whose agent is still about to freeze it. */
#define THAW_PAUSE_MS      100
#define THAW_PAUSE_MOST_MS 5000
#define THAW_LIMIT_MS      30000
#define UNFROZEN_LIMIT_MS  1000
#define LATE_LIMIT_MS      150000
/* Where the transfer driver has made the files; server/lifecycle/vm_backup.c. */
#define BACKUP_FILE "%s.snap/2147483647"
#define PREFIX      "backup-"

static inline void release(virDomainCheckpointPtr checkpoint)
{
    if (checkpoint)
        virDomainCheckpointFree(checkpoint);
}
G_DEFINE_AUTO_CLEANUP_FREE_FUNC(virDomainCheckpointPtr, release, NULL)

typedef struct Order {
    GHashTable *disks; /* "vda" -> path of its backup */
    char *freeze;
    char *base, *next; /* checkpoints; NULL: none */
    gboolean tracks;
    gboolean may_freeze_late; /* the agent has the order to freeze, and has not answered */
} Order;

static void order_clear(Order *order)
{
    g_clear_pointer(&order->disks, g_hash_table_unref);
    g_free(order->freeze);
    g_free(order->base);
    g_free(order->next);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Order, order_clear)

/* ---- what is asked for ---- */

static char *checkpoint_name(const xmlNode *root, const char *number)
{
    gint64 value = xml_get_int(root, number, -1);
    return value < 0 ? NULL
                     : g_strdup_printf(PREFIX "%" G_GINT64_FORMAT "-%" G_GINT64_FORMAT,
                                       xml_get_int(root, "BACKUP/IMAGE_ID", -1), value);
}

/* Raw disks have no place for the notes, and those of qcow2 are lost without one. */
static gboolean read_disks(const VmmAction *action, const VmmGuest *guest, Order *order,
                           GError **error)
{
    g_autofree char *listed = xml_get(xml_root(action->document), "BACKUP/DISKS");
    g_auto(GStrv) words = g_strsplit(listed ? listed : "", ",", -1);
    for (guint i = 0; words[i]; i++) {
        g_autofree char *path = vmm_disk_path(action, g_ascii_strtoll(words[i], NULL, 10));
        const xmlNode *disk = vmm_guest_disk(guest, path);
        char *target = disk ? vmm_node_attribute(disk, "target", "dev") : NULL;
        g_autofree char *format = disk ? vmm_node_attribute(disk, "driver", "type") : NULL;
        if (!target) {
            g_set_error(error, ONE_ERROR, ONE_ERROR_NO_EXISTS, "%s on %s has no disk with file %s",
                        action->domain, action->host, path);
            return FALSE;
        }
        g_hash_table_insert(order->disks, target, g_strdup_printf(BACKUP_FILE, path));
        order->tracks = order->tracks && g_strcmp0(format, "qcow2") == 0;
    }
    return TRUE;
}

static gboolean read_order(const VmmAction *action, const VmmGuest *guest, Order *order,
                           GError **error)
{
    const xmlNode *root = xml_root(action->document);
    g_autofree char *track = xml_get(root, "BACKUP/TRACK");
    order->disks = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    order->freeze = xml_get(root, "BACKUP/FS_FREEZE");
    order->tracks = vmm_is_yes(track);
    if (!read_disks(action, guest, order, error))
        return FALSE;
    order->base = order->tracks ? checkpoint_name(root, "BACKUP/PARENT") : NULL;
    order->next = order->tracks ? checkpoint_name(root, "BACKUP/NUMBER") : NULL;
    return TRUE;
}

/* ---- checkpoints ---- */

/* Forgets all of ours but `kept`. Whether that one is there. */
static gboolean forget_checkpoints(virDomainPtr domain, const char *kept)
{
    virDomainCheckpointPtr *list = NULL;
    gboolean found = FALSE;
    int count = virDomainListAllCheckpoints(domain, &list, VIR_DOMAIN_CHECKPOINT_LIST_TOPOLOGICAL);
    for (int i = 0; i < count; i++) {
        const char *name = virDomainCheckpointGetName(list[i]);
        if (g_strcmp0(name, kept) == 0)
            found = TRUE;
        else if (g_str_has_prefix(name, PREFIX) && virDomainCheckpointDelete(list[i], 0) < 0)
            /* Its disk may be gone: then no increment is made to it, at least. */
            (void)virDomainCheckpointDelete(list[i], VIR_DOMAIN_CHECKPOINT_DELETE_METADATA_ONLY);
        virDomainCheckpointFree(list[i]);
    }
    free(list);
    return found;
}

void vmm_backup_forget(virDomainPtr domain)
{
    (void)forget_checkpoints(domain, NULL);
}

/* ---- which guests an agent may have frozen ---- */

typedef enum {
    FREEZE_UNKNOWN, /* an earlier process may have given the order */
    FREEZE_NONE,
    FREEZE_MAY_BE
} Freeze;

static GMutex freezes_lock;
static GHashTable *freezes; /* id of a machine -> Freeze, both as pointers */

static void note_freeze(const VmmAction *action, Freeze freeze)
{
    g_mutex_lock(&freezes_lock);
    if (!freezes)
        freezes = g_hash_table_new(NULL, NULL);
    g_hash_table_insert(freezes, GINT_TO_POINTER(action->vid), GINT_TO_POINTER(freeze));
    g_mutex_unlock(&freezes_lock);
}

static Freeze freeze_of(const VmmAction *action)
{
    g_mutex_lock(&freezes_lock);
    int freeze = freezes
                     ? GPOINTER_TO_INT(g_hash_table_lookup(freezes, GINT_TO_POINTER(action->vid)))
                     : FREEZE_UNKNOWN;
    g_mutex_unlock(&freezes_lock);
    return (Freeze)freeze;
}

/* ---- a moment at which the guest's files are whole ---- */

/* An agent that did not answer in time has the order all the same, and may freeze later. */
static gboolean freeze_by_agent(virDomainPtr domain, Order *order, GError **error)
{
    gint64 begun = g_get_monotonic_time();
    const char *name = virDomainGetName(domain);
    /* libvirt would wait for ever. The limit stays: others are better off with it, too. */
    (void)virDomainAgentSetResponseTimeout(domain, AGENT_SECONDS, 0);
    if (virDomainFSFreeze(domain, NULL, 0, 0) >= 0)
        return TRUE;
    order->may_freeze_late = g_get_monotonic_time() - begun >= AGENT_SECONDS * G_TIME_SPAN_SECOND;
    return libvirt_error(error,
                         "freeze the file systems of %s by the guest's agent (FS_FREEZE "
                         "of the backups is AGENT; NONE does without)",
                         name);
}

static gboolean freeze(virDomainPtr domain, Order *order, GError **error)
{
    const char *name = virDomainGetName(domain);
    if (g_strcmp0(order->freeze, "AGENT") == 0)
        return freeze_by_agent(domain, order, error);
    if (g_strcmp0(order->freeze, "SUSPEND") == 0)
        return virDomainSuspend(domain) == 0 ||
               libvirt_error(error, "pause %s for the moment of its backup", name);
    return TRUE;
}

/* Such a guest has no agent that could have frozen anything. */
static gboolean has_no_agent(void)
{
    const virError *fault = virGetLastError();
    return fault && (fault->code == VIR_ERR_ARGUMENT_UNSUPPORTED ||
                     fault->code == VIR_ERR_CONFIG_UNSUPPORTED);
}

/* One attempt. TRUE: it goes on, or is not there any more. */
static gboolean try_thaw(virDomainPtr domain, const Order *order)
{
    int state = 0;
    if (virDomainIsActive(domain) == 0)
        return TRUE;
    if (g_strcmp0(order->freeze, "AGENT") == 0)
        return virDomainFSThaw(domain, NULL, 0, 0) >= 0 || has_no_agent();
    if (g_strcmp0(order->freeze, "SUSPEND") == 0)
        return virDomainGetState(domain, &state, NULL, 0) == 0 &&
               (state != VIR_DOMAIN_PAUSED || virDomainResume(domain) == 0);
    return TRUE;
}

static gboolean stays_frozen(const char *name, const Order *order, GError **error)
{
    gboolean agent = g_strcmp0(order->freeze, "AGENT") == 0;
    g_autoptr(GError) why = NULL;
    libvirt_error(&why,
                  agent ? "have the agent of %s thaw its file systems after the moment of its "
                          "backup"
                        : "let %s go on after the moment of its backup",
                  name);
    g_set_error(error, why->domain, why->code,
                agent ? "%s. What writes to them may stand still; virsh domfsthaw %s on its host "
                        "thaws them, or reset the machine"
                      : "%s. It stays paused; virsh resume %s on its host lets it go on, or reset "
                        "the machine",
                why->message, name);
    return FALSE;
}

/* A guest that stands still is worse than a job that takes longer: it is tried again with growing
 * pauses, also when the job was cancelled. FALSE with the error: it still does. One that was hardly
 * frozen is no reason to warn of. */
static gboolean thaw(DriverJob *job, virDomainPtr domain, const Order *order, guint limit,
                     GError **error)
{
    guint waited = 0, pause = THAW_PAUSE_MS;
    const char *name = virDomainGetName(domain);
    for (; !try_thaw(domain, order); pause = MIN(pause * 2, THAW_PAUSE_MOST_MS)) {
        if (waited == 0 && limit > UNFROZEN_LIMIT_MS)
            driver_log('W', driver_job_id(job),
                       "%s does not go on after the moment of its backup: %s", name,
                       virGetLastErrorMessage());
        if (waited + pause > limit)
            return stays_frozen(name, order, error);
        g_usleep((gulong)pause * 1000);
        waited += pause;
    }
    return TRUE;
}

/* ---- the copy ---- */

/* Every disk of the guest is named, since libvirt would take those that are not. */
static char *backup_text(const VmmGuest *guest, const Order *order, gboolean increment)
{
    GString *text = g_string_new("<domainbackup mode=\"push\">");
    if (increment)
        g_string_append_printf(text, "<incremental>%s</incremental>", order->base);
    g_string_append(text, "<disks>");
    const xmlNode *disk = xml_find(guest->devices, "disk");
    for (; disk; disk = xml_next_same(disk)) {
        g_autofree char *target = vmm_node_attribute(disk, "target", "dev");
        g_autofree char *format = vmm_node_attribute(disk, "driver", "type");
        const char *path = target ? g_hash_table_lookup(order->disks, target) : NULL;
        if (path) {
            g_string_append_printf(
                text, "<disk name=\"%s\" backup=\"yes\" type=\"file\"><target file=\"", target);
            xml_append_text(text, path);
            g_string_append_printf(text, "\"/><driver type=\"%s\"/></disk>",
                                   g_strcmp0(format, "qcow2") == 0 ? "qcow2" : "raw");
        } else if (target) {
            g_string_append_printf(text, "<disk name=\"%s\" backup=\"no\"/>", target);
        }
    }
    g_string_append(text, "</disks></domainbackup>");
    return g_string_free(text, FALSE);
}

static char *checkpoint_text(const VmmGuest *guest, const Order *order)
{
    GString *text = g_string_new(NULL);
    g_string_printf(text, "<domaincheckpoint><name>%s</name><disks>", order->next);
    const xmlNode *disk = xml_find(guest->devices, "disk");
    for (; disk; disk = xml_next_same(disk)) {
        g_autofree char *target = vmm_node_attribute(disk, "target", "dev");
        if (target)
            g_string_append_printf(text, "<disk name=\"%s\" checkpoint=\"%s\"/>", target,
                                   g_hash_table_contains(order->disks, target) ? "bitmap" : "no");
    }
    g_string_append(text, "</disks></domaincheckpoint>");
    return g_string_free(text, FALSE);
}

/* Begins it; without notes when these cannot be made. */
static gboolean begin(DriverJob *job, const VmmGuest *guest, Order *order, gboolean *increment,
                      GError **error)
{
    virDomainPtr domain = guest->sight.domain;
    const char *name = virDomainGetName(domain);
    const unsigned flags = VIR_DOMAIN_BACKUP_BEGIN_REUSE_EXTERNAL;
    g_autofree char *checkpoint = order->tracks ? checkpoint_text(guest, order) : NULL;
    g_autofree char *text = backup_text(guest, order, *increment);
    if (virDomainBackupBegin(domain, text, checkpoint, flags) == 0)
        return TRUE;
    if (order->tracks) {
        driver_log('W', driver_job_id(job),
                   "what is written from now on is not noted, so the next backup is read whole: %s",
                   virGetLastErrorMessage());
        vmm_backup_forget(domain);
        order->tracks = FALSE;
        *increment = FALSE;
        g_autofree char *whole = backup_text(guest, order, FALSE);
        if (virDomainBackupBegin(domain, whole, NULL, flags) == 0)
            return TRUE;
    }
    return libvirt_error(error, "begin a backup of %s", name);
}

static gboolean under_way(virDomainPtr domain)
{
    char *text = virDomainBackupGetXMLDesc(domain, 0);
    gboolean found = text != NULL;
    free(text);
    return found;
}

/* How the job that is over ended. */
static gboolean ended_well(virDomainPtr domain, GError **error)
{
    virTypedParameterPtr figures = NULL;
    int type = VIR_DOMAIN_JOB_NONE, count = 0;
    const char *name = virDomainGetName(domain), *why = NULL;
    if (virDomainGetJobStats(domain, &type, &figures, &count, VIR_DOMAIN_JOB_STATS_COMPLETED) < 0)
        return libvirt_error(error, "learn how the backup of %s ended", name);
    gboolean done = type == VIR_DOMAIN_JOB_COMPLETED;
    (void)virTypedParamsGetString(figures, count, VIR_DOMAIN_JOB_ERRMSG, &why);
    if (!done)
        g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION,
                    "the backup of %s did not come to its end: %s", name,
                    why ? why : "is there room beside its disks?");
    virTypedParamsFree(figures, count);
    return done;
}

static gboolean wait_end(DriverJob *job, virDomainPtr domain, GError **error)
{
    while (under_way(domain))
        if (driver_job_wait(job, LOOK_MS)) {
            (void)virDomainAbortJob(domain);
            g_set_error(error, ONE_ERROR, ONE_ERROR_TIMEOUT, "cancelled");
            return FALSE;
        }
    return ended_well(domain, error);
}

/* What was begun and never ended, perhaps by an earlier process of this driver. FALSE with the
 * error: the guest does not go on. */
static gboolean end_earlier(DriverJob *job, virDomainPtr domain, const Order *order, GError **error)
{
    const VmmAction *action = vmm_action_of(job);
    gboolean copies = under_way(domain);
    /* An agent that is away then, and had frozen nothing, has nothing to thaw either. */
    if (!copies && g_strcmp0(order->freeze, "AGENT") == 0 && freeze_of(action) == FREEZE_NONE) {
        (void)thaw(job, domain, order, UNFROZEN_LIMIT_MS, NULL);
        return TRUE;
    }
    if (copies) {
        (void)virDomainAbortJob(domain);
        for (guint i = 0; i < 50 && under_way(domain); i++)
            if (driver_job_wait(job, LOOK_MS))
                break;
    }
    if (!thaw(job, domain, order, THAW_LIMIT_MS, error))
        return FALSE;
    note_freeze(action, FREEZE_NONE);
    return TRUE;
}

/* Freezes, begins, thaws. FALSE with the error, which says so when the guest stands still. */
static gboolean take_moment(DriverJob *job, const VmmGuest *guest, Order *order,
                            gboolean *increment, GError **error)
{
    virDomainPtr domain = guest->sight.domain;
    g_autoptr(GError) why = NULL, cold = NULL;
    note_freeze(vmm_action_of(job), FREEZE_MAY_BE);
    gboolean frozen = freeze(domain, order, &why);
    gboolean begun = frozen && begin(job, guest, order, increment, &why);
    guint limit = order->may_freeze_late ? LATE_LIMIT_MS
                  : frozen               ? THAW_LIMIT_MS
                                         : UNFROZEN_LIMIT_MS;
    gboolean goes_on = thaw(job, domain, order, limit, &cold);
    frozen = frozen || order->may_freeze_late;
    note_freeze(vmm_action_of(job), goes_on || !frozen ? FREEZE_NONE : FREEZE_MAY_BE);
    if (!goes_on && begun)
        (void)virDomainAbortJob(domain);
    if (!goes_on && frozen && why)
        g_set_error(error, cold->domain, cold->code, "%s; %s", why->message, cold->message);
    else if (!goes_on && frozen)
        g_propagate_error(error, g_steal_pointer(&cold));
    else if (why)
        g_propagate_error(error, g_steal_pointer(&why));
    return begun && goes_on;
}

void vmm_backup(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    g_auto(VmmGuest) guest = {NULL};
    g_auto(Order) order = {NULL};
    g_autoptr(GError) error = NULL;
    if (!vmm_can(job, VMM_COPIES, "be backed up while they run") ||
        !vmm_guest_find(job, &guest, FALSE))
        return;
    virDomainPtr domain = guest.sight.domain;
    if (!read_order(action, &guest, &order, &error) ||
        (under_way(domain) && !end_earlier(job, domain, &order, &error))) {
        driver_job_fail(job, "%s", error->message);
        return;
    }
    gboolean increment = forget_checkpoints(domain, order.base) && order.base;
    if (take_moment(job, &guest, &order, &increment, &error) && wait_end(job, domain, &error))
        driver_job_succeed(job, increment ? "increment" : "full");
    else
        driver_job_fail(job, "%s", error->message);
}

void vmm_backup_cancel(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    g_auto(VmmGuest) guest = {NULL};
    g_auto(Order) order = {NULL};
    g_autoptr(GError) error = NULL;
    if (!vmm_guest_find(job, &guest, TRUE))
        return;
    if (guest.document) {
        /* A disk may be gone meanwhile; the guest goes on all the same. */
        (void)read_order(action, &guest, &order, NULL);
        (void)end_earlier(job, guest.sight.domain, &order, &error);
        /* What was noted since goes back to the moment before. */
        (void)forget_checkpoints(guest.sight.domain, order.base);
    }
    if (error)
        driver_job_fail(job, "%s", error->message);
    else
        driver_job_succeed(job, NULL);
}
