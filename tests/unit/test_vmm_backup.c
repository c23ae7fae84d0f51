/*
 * Backups of machines that run, by the driver of libvirt: a guest that stands still for the moment
 * of its backup goes on, and notes of what was written are forgotten where they would be wrong.
 * The hypervisor is libvirt's simulated one (test:///); what that lacks, and what shall fail, is
 * in this file: its functions are called in the place of the library's.
 */
#include "drivers/vmm/vmm.h"
#include "drivers/vmm/vmm_action.h"

#include <dlfcn.h>
#include <glib/gstdio.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <string.h>
#include <unistd.h>

static const DomainDialect dialect = {
    .type = "test", .os_kernel = "hvm", .os_plain = "hvm", .prefix = "vd"};
static const VmmFlavour flavour = {
    .name = "test",
    .actions = vmm_libvirt_actions,
    .libvirt = {"test:///default", "test:///default"},
    .dialect = &dialect,
    .defaults = "missing.conf",
    .abilities = VMM_SAVES | VMM_RESETS | VMM_COPIES | VMM_SNAPSHOTS,
};
static char *scratch;

/* ---- the library, as the test wants it ---- */

#define NAME   "backup-7-0"
#define REASON "Domain not found"

/* What fails, and what was done. */
static struct {
    guint refused_resumes, refused_thaws;
    gboolean refuses_freeze, refuses_begin, refuses_delete;
    guint resumes, thaws, aborted;
    gulong slept_ms;
    gboolean noted; /* checkpoint NAME is there */
} now;

/* The library's own reason is then that there is no such domain. */
static int refuse(virDomainPtr domain)
{
    g_assert_null(virDomainLookupByName(virDomainGetConnect(domain), "nobody"));
    return -1;
}

void g_usleep(gulong microseconds)
{
    now.slept_ms += microseconds / 1000;
}

int virDomainResume(virDomainPtr domain)
{
    int (*real)(virDomainPtr) = (int (*)(virDomainPtr))dlsym(RTLD_NEXT, "virDomainResume");
    now.resumes++;
    return now.resumes <= now.refused_resumes ? refuse(domain) : real(domain);
}

int virDomainFSFreeze(virDomainPtr domain, const char **mounts, unsigned count, unsigned flags)
{
    return now.refuses_freeze ? refuse(domain) : 1;
}

int virDomainFSThaw(virDomainPtr domain, const char **mounts, unsigned count, unsigned flags)
{
    return ++now.thaws <= now.refused_thaws ? refuse(domain) : 1;
}

int virDomainBackupBegin(virDomainPtr domain, const char *text, const char *checkpoint,
                         unsigned flags)
{
    return now.refuses_begin ? refuse(domain) : 0;
}

char *virDomainBackupGetXMLDesc(virDomainPtr domain, unsigned flags)
{
    return NULL; /* it has ended already */
}

int virDomainGetJobStats(virDomainPtr domain, int *type, virTypedParameterPtr *figures, int *count,
                         unsigned flags)
{
    *type = VIR_DOMAIN_JOB_COMPLETED;
    return 0;
}

int virDomainAbortJob(virDomainPtr domain)
{
    now.aborted++;
    return 0;
}

int virDomainListAllCheckpoints(virDomainPtr domain, virDomainCheckpointPtr **list, unsigned flags)
{
    *list = (virDomainCheckpointPtr *)calloc(2, sizeof **list);
    (*list)[0] = (virDomainCheckpointPtr)&now;
    return now.noted ? 1 : 0;
}

const char *virDomainCheckpointGetName(virDomainCheckpointPtr checkpoint)
{
    return NAME;
}

int virDomainCheckpointDelete(virDomainCheckpointPtr checkpoint, unsigned flags)
{
    if (now.refuses_delete && !(flags & VIR_DOMAIN_CHECKPOINT_DELETE_METADATA_ONLY))
        return -1;
    now.noted = FALSE;
    return 0;
}

int virDomainCheckpointFree(virDomainCheckpointPtr checkpoint)
{
    return 0;
}

/* ---- the driver ---- */

static char *serve(const char *requests)
{
    const Driver driver = {.program = "one_vmm",
                           .actions = vmm_libvirt_actions,
                           .queue_of = vmm_queue_of,
                           .prepare = vmm_prepare};
    g_autoptr(GError) error = NULL;
    g_autofree char *name = NULL;
    char *heard = NULL;
    int in[2];
    g_assert_cmpint(pipe(in), ==, 0);
    g_assert_cmpint(write(in[1], requests, strlen(requests)), ==, (gssize)strlen(requests));
    close(in[1]);
    int out = g_file_open_tmp("heard-XXXXXX", &name, &error);
    g_assert_no_error(error);
    g_assert_cmpint(driver_serve(&driver, in[0], out), ==, 0);
    close(in[0]);
    close(out);
    g_file_get_contents(name, &heard, NULL, &error);
    g_assert_no_error(error);
    g_unlink(name);
    return heard;
}

static const char disk[] = "<DISK><DISK_ID>0</DISK_ID><TYPE>file</TYPE><DRIVER>qcow2</DRIVER>"
                           "<TARGET>vda</TARGET>%s</DISK>";

/* What oned would say; the answer, and with it what the driver logged. (owned) */
static char *act(const char *action, const char *freeze, const char *mark)
{
    g_autofree char *marked = g_strdup_printf(disk, strstr(mark, "ATTACH") ? mark : "");
    g_autofree char *xml = g_strdup_printf(
        "<VMM_DRIVER_ACTION_DATA><HOST>h1</HOST><MIGR_HOST/><DEPLOY_ID/>"
        "<LOCAL_DEPLOYMENT_FILE>%s/deployment.0</LOCAL_DEPLOYMENT_FILE>"
        "<CHECKPOINT_FILE>%s/checkpoint</CHECKPOINT_FILE><DISK_TARGET_PATH>%s</DISK_TARGET_PATH>"
        "<VM><ID>3</ID><NAME>web</NAME><STIME>1</STIME><TEMPLATE><CPU>1</CPU>%s"
        "<MEMORY>64</MEMORY>%s</TEMPLATE></VM><BACKUP><IMAGE_ID>7</IMAGE_ID><DISKS>0</DISKS>"
        "<NUMBER>1</NUMBER><PARENT>0</PARENT><TRACK>YES</TRACK><FS_FREEZE>%s</FS_FREEZE></BACKUP>"
        "</VMM_DRIVER_ACTION_DATA>",
        scratch, scratch, scratch, marked, strstr(mark, "ATTACH") ? "" : mark, freeze);
    g_autofree char *payload = g_base64_encode((const guchar *)xml, strlen(xml));
    g_autofree char *line = g_strdup_printf("%s 3 %s\n", action, payload);
    return serve(line);
}

/* The answer fits, wherever it stands among what was logged. */
static void expect(const char *action, const char *freeze, const char *mark, const char *pattern)
{
    g_autofree char *heard = act(action, freeze, mark);
    g_autofree char *anywhere = g_strdup_printf("*%s", pattern);
    if (!g_pattern_match_simple(anywhere, heard))
        g_error("%s: heard \"%s\" instead of \"%s\"", action, heard, pattern);
}

static void begin(void)
{
    memset(&now, 0, sizeof now);
    expect("DEPLOY", "NONE", "", "DEPLOY SUCCESS 3 one-3\n");
}

static void end(void)
{
    expect("CANCEL", "NONE", "", "CANCEL SUCCESS 3 -\n");
}

/* ---- a guest that stands still ---- */

static void test_goes_on(void)
{
    begin();
    expect("BACKUP", "SUSPEND", "", "BACKUP SUCCESS 3 full\n");
    g_assert_cmpuint(now.resumes, ==, 1);
    expect("POLL", "NONE", "", "POLL SUCCESS 3 STATE=a*");
    now.resumes = 0;
    expect("BACKUP", "AGENT", "", "BACKUP SUCCESS 3 full\n");
    g_assert_cmpuint(now.thaws, ==, 1);
    g_assert_cmpuint(now.slept_ms, ==, 0);
    end();
}

static void test_goes_on_later(void)
{
    begin();
    now.refused_resumes = 4;
    expect("BACKUP", "SUSPEND", "", "BACKUP SUCCESS 3 full\n");
    g_assert_cmpuint(now.resumes, ==, 5);
    g_assert_cmpuint(now.slept_ms, ==, 100 + 200 + 400 + 800);
    expect("POLL", "NONE", "", "POLL SUCCESS 3 STATE=a*");
    now.refused_thaws = 2;
    expect("BACKUP", "AGENT", "",
           "one-3 does not go on after the moment of its backup: " REASON
           "*BACKUP SUCCESS 3 full\n");
    g_assert_cmpuint(now.thaws, ==, 3);
    g_assert_cmpuint(now.aborted, ==, 0);
    end();
}

/* It is said, and the copy is given up: a backup that is there would hide it. */
static void test_stays_paused(void)
{
    begin();
    now.refused_resumes = G_MAXUINT;
    expect("BACKUP", "SUSPEND", "",
           "BACKUP FAILURE 3 cannot let one-3 go on after the moment of its backup: " REASON "*"
           ". It stays paused*virsh resume one-3*\n");
    g_assert_cmpuint(now.aborted, ==, 1);
    g_assert_cmpuint(now.slept_ms, >, 20000);
    g_assert_cmpuint(now.slept_ms, <=, 30000);
    expect("POLL", "NONE", "", "POLL SUCCESS 3 STATE=p*");
    /* oned takes back what was begun: that says it, too, and then does it. */
    now.refused_resumes = now.resumes + 20;
    expect("BACKUPCANCEL", "SUSPEND", "",
           "BACKUPCANCEL FAILURE 3 cannot let one-3 go on*: " REASON "*");
    now.refused_resumes = 0;
    expect("BACKUPCANCEL", "SUSPEND", "", "BACKUPCANCEL SUCCESS 3 -\n");
    expect("POLL", "NONE", "", "POLL SUCCESS 3 STATE=a*");
    end();
}

static void test_stays_frozen(void)
{
    begin();
    now.refuses_begin = TRUE;
    now.refused_thaws = G_MAXUINT;
    expect("BACKUP", "AGENT", "",
           "BACKUP FAILURE 3 cannot begin a backup of one-3: " REASON "*; cannot have the agent of "
           "one-3 thaw its file systems after the moment of its backup: " REASON
           "*virsh domfsthaw one-3*\n");
    end();
}

/* The first test: an earlier process may have had it frozen, so that is told. */
static void test_unknown_freeze(void)
{
    begin();
    now.refused_thaws = G_MAXUINT;
    expect("BACKUPCANCEL", "AGENT", "", "BACKUPCANCEL FAILURE 3 cannot have the agent of one-3*");
    now.refused_thaws = 0;
    expect("BACKUPCANCEL", "AGENT", "", "BACKUPCANCEL SUCCESS 3 -\n");
    end();
}

/* The agent is away: what it could not freeze stands not still, and is no reason for an alarm. */
static void test_agent_is_away(void)
{
    begin();
    now.refuses_freeze = TRUE;
    now.refused_thaws = G_MAXUINT;
    expect("BACKUP", "AGENT", "",
           "BACKUP FAILURE 3 cannot freeze the file systems of one-3*: " REASON "*");
    g_assert_cmpuint(now.slept_ms, <=, 1000);
    now.slept_ms = 0;
    g_autofree char *heard = act("BACKUPCANCEL", "AGENT", "");
    g_assert_cmpstr(heard, ==, "BACKUPCANCEL SUCCESS 3 -\n");
    g_assert_cmpuint(now.slept_ms, <=, 1000);
    /* One that it did freeze is. */
    now.refuses_freeze = FALSE;
    expect("BACKUP", "AGENT", "", "BACKUP FAILURE 3 cannot have the agent of one-3*");
    expect("BACKUPCANCEL", "AGENT", "", "BACKUPCANCEL FAILURE 3 cannot have the agent of one-3*");
    now.refused_thaws = 0;
    expect("BACKUPCANCEL", "AGENT", "", "BACKUPCANCEL SUCCESS 3 -\n");
    end();
}

/* ---- notes of what was written ---- */

static void test_forgotten(void)
{
    static const char *const mark = "<SNAPSHOT><SNAPSHOT_ID>0</SNAPSHOT_ID><ACTIVE>YES</ACTIVE>"
                                    "<HYPERVISOR_ID>snap-0</HYPERVISOR_ID></SNAPSHOT>";
    begin();
    now.noted = TRUE;
    expect("BACKUP", "NONE", "", "BACKUP SUCCESS 3 increment\n");
    expect("SNAPSHOTCREATE", "NONE", mark, "SNAPSHOTCREATE SUCCESS 3 snap-0\n");
    g_assert_false(now.noted);
    /* The guest goes back: what was noted since says nothing about its disks. */
    now.noted = TRUE;
    expect("SNAPSHOTREVERT", "NONE", mark, "SNAPSHOTREVERT SUCCESS 3 -\n");
    g_assert_false(now.noted);
    expect("BACKUP", "NONE", "", "BACKUP SUCCESS 3 full\n");
    /* Also when libvirt cannot forget the notes in a disk. */
    now.noted = now.refuses_delete = TRUE;
    expect("SNAPSHOTREVERT", "NONE", mark, "SNAPSHOTREVERT SUCCESS 3 -\n");
    g_assert_false(now.noted);
    end();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    scratch = g_dir_make_tmp("backup-XXXXXX", NULL);
    g_assert_nonnull(scratch);
    g_setenv("ONE_ETC", scratch, TRUE);
    vmm_libvirt_start(&flavour, NULL);
    /* test:///default is one and the same for all connections while one is open. */
    virConnectPtr keep = virConnectOpen("test:///default");
    g_assert_nonnull(keep);
    g_test_add_func("/vmm_backup/unknown_freeze", test_unknown_freeze);
    g_test_add_func("/vmm_backup/goes_on", test_goes_on);
    g_test_add_func("/vmm_backup/goes_on_later", test_goes_on_later);
    g_test_add_func("/vmm_backup/stays_paused", test_stays_paused);
    g_test_add_func("/vmm_backup/stays_frozen", test_stays_frozen);
    g_test_add_func("/vmm_backup/agent_is_away", test_agent_is_away);
    g_test_add_func("/vmm_backup/forgotten", test_forgotten);
    int failed = g_test_run();
    (void)virConnectClose(keep);
    g_autofree char *path = g_build_filename(scratch, "deployment.0", NULL);
    g_unlink(path);
    g_rmdir(scratch);
    return failed;
}
