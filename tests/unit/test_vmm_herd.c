/*
 * Many machines that start at once on one host, by the driver of libvirt: guests stand still until
 * the starts are through. The hypervisor is libvirt's simulated one (test:///); what it lacks, and
 * what shall fail, is in this file: its functions are called in the place of the library's.
 */
#include "drivers/vmm/vmm.h"
#include "drivers/vmm/vmm_action.h"

#include <dlfcn.h>
#include <glib/gstdio.h>
#include <libvirt/libvirt.h>
#include <string.h>
#include <unistd.h>

#define MACHINES 6

static const DomainDialect dialect = {
    .type = "test", .os_kernel = "hvm", .os_plain = "hvm", .prefix = "vd"};
static const VmmFlavour flavour = {
    .name = "test",
    .actions = vmm_libvirt_actions,
    .libvirt = {"test:///default", "test:///default"},
    .dialect = &dialect,
    .defaults = "missing.conf",
    .abilities = VMM_SAVES | VMM_RESETS | VMM_HERDS,
};
static char *scratch;

/* ---- the library, as the test wants it ---- */

static GMutex lock;
/* What shall fail, and what was done. Under the lock. */
static struct {
    guint machines;       /* all of them are known before the first is looked for */
    const char *no_start; /* the machine that cannot be started */
    gboolean no_resume;   /* the first that was held cannot be let go */
    char refused[32];     /* that one */
    gboolean no_pause;    /* somebody lets them run before we do */
    const char *waits;    /* this one's start takes until the driver was told to end */
    gboolean told_to_end;
    gboolean gathered;
    guint creates, resumes;
    gint paused;                 /* atomic */
    guint created_before_resume; /* when the first was let go */
} now;

int virNodeGetInfo(virConnectPtr connection, virNodeInfoPtr info)
{
    *info = (virNodeInfo){.cpus = 2};
    return 0;
}

virDomainPtr virDomainLookupByName(virConnectPtr connection, const char *name)
{
    virDomainPtr (*real)(virConnectPtr, const char *) =
        (virDomainPtr(*)(virConnectPtr, const char *))dlsym(RTLD_NEXT, "virDomainLookupByName");
    g_mutex_lock(&lock);
    while (!now.gathered && driver_jobs_open("DEPLOY", "h1") < now.machines)
        g_usleep(1000);
    now.gathered = TRUE;
    g_mutex_unlock(&lock);
    return real(connection, name);
}

virDomainPtr virDomainCreateXML(virConnectPtr connection, const char *text, unsigned flags)
{
    virDomainPtr (*real)(virConnectPtr, const char *, unsigned) =
        (virDomainPtr(*)(virConnectPtr, const char *, unsigned))dlsym(RTLD_NEXT,
                                                                      "virDomainCreateXML");
    g_mutex_lock(&lock);
    gboolean refused = now.no_start && strstr(text, now.no_start);
    now.creates++;
    if (flags & VIR_DOMAIN_START_PAUSED)
        g_atomic_int_inc(&now.paused);
    gboolean waits = now.waits && strstr(text, now.waits);
    g_mutex_unlock(&lock);
    while (waits && !g_atomic_int_get(&now.told_to_end))
        g_usleep(1000);
    if (refused)
        return real(connection, "<nonsense/>", 0);
    virDomainPtr domain = real(connection, text, 0);
    if (domain && flags & VIR_DOMAIN_START_PAUSED && !now.no_pause)
        g_assert_cmpint(virDomainSuspend(domain), ==, 0);
    return domain;
}

int virDomainResume(virDomainPtr domain)
{
    int (*real)(virDomainPtr) = (int (*)(virDomainPtr))dlsym(RTLD_NEXT, "virDomainResume");
    g_mutex_lock(&lock);
    if (!now.resumes++)
        now.created_before_resume = now.creates;
    gboolean refused = now.no_resume && now.resumes == 1;
    if (refused)
        g_strlcpy(now.refused, virDomainGetName(domain), sizeof now.refused);
    g_mutex_unlock(&lock);
    return refused ? -1 : real(domain);
}

/* ---- the driver ---- */

typedef struct Served {
    int in, out;
} Served;

static gpointer serve(gpointer data)
{
    static const Driver driver = {.program = "one_vmm",
                                  .actions = vmm_libvirt_actions,
                                  .queue_of = vmm_queue_of,
                                  .prepare = vmm_prepare,
                                  .per_host = 2,
                                  .in_order = TRUE};
    const Served *served = data;
    g_assert_cmpint(driver_serve(&driver, served->in, served->out), ==, 0);
    close(served->in);
    close(served->out);
    return NULL;
}

static void say(GString *lines, const char *action, guint id)
{
    g_autofree char *xml = g_strdup_printf(
        "<VMM_DRIVER_ACTION_DATA><HOST>h1</HOST><MIGR_HOST/><DEPLOY_ID/>"
        "<DISK_TARGET_PATH>%s</DISK_TARGET_PATH><VM><ID>%u</ID><NAME>web</NAME><STIME>1</STIME>"
        "<TEMPLATE><CPU>1</CPU><MEMORY>64</MEMORY></TEMPLATE></VM></VMM_DRIVER_ACTION_DATA>",
        scratch, id);
    g_autofree char *payload = g_base64_encode((const guchar *)xml, strlen(xml));
    g_string_append_printf(lines, "%s %u %s\n", action, id, payload);
}

/* Sends one action for each of so many machines. */
static void send_all(int to, const char *action, guint machines)
{
    g_autoptr(GString) lines = g_string_new(NULL);
    for (guint i = 0; i < machines; i++)
        say(lines, action, i);
    g_assert_cmpint(write(to, lines->str, lines->len), ==, (gssize)lines->len);
}

/* What a driver says to one action for each of so many machines. It is told to end when it has
 * answered all, or when `held` of them stand still. (owned) */
static char *ask_all(const char *action, guint machines, guint held)
{
    int to[2], from[2];
    char line[1024];
    GString *heard = g_string_new("\n");
    g_assert_cmpint(pipe(to), ==, 0);
    g_assert_cmpint(pipe(from), ==, 0);
    Served served = {to[0], from[1]};
    GThread *thread = g_thread_new("driver", serve, &served);
    FILE *answers = fdopen(from[0], "r");
    send_all(to[1], action, machines);
    while (held && g_atomic_int_get(&now.paused) < (gint)held)
        g_usleep(1000);
    if (held)
        g_assert_cmpint(write(to[1], "FINALIZE\n", 9), ==, 9);
    g_atomic_int_set(&now.told_to_end, TRUE);
    for (guint count = 0; held || count < machines;) {
        if (!fgets(line, sizeof line, answers))
            break;
        g_string_append(heard, line);
        count += g_str_has_prefix(line, action);
    }
    close(to[1]);
    g_thread_join(thread);
    (void)fclose(answers);
    return g_string_free(heard, FALSE);
}

/* All of them; each answers, and is there and runs, but those that were made to fail. */
static void start_all(guint machines)
{
    now.machines = machines;
    g_autofree char *heard = ask_all("DEPLOY", machines, 0);
    now.gathered = TRUE;
    g_autofree char *seen = ask_all("POLL", machines, 0);
    for (guint i = 0; i < machines; i++) {
        g_autofree char *name = g_strdup_printf("one-%u", i);
        gboolean no_start = now.no_start && strstr(now.no_start, name);
        gboolean stands = strcmp(now.refused, name) == 0;
        g_autofree char *answer = no_start || stands
                                      ? g_strdup_printf("\nDEPLOY FAILURE %u ", i)
                                      : g_strdup_printf("\nDEPLOY SUCCESS %u %s\n", i, name);
        g_autofree char *state = g_strdup_printf("\nPOLL SUCCESS %u STATE=%c", i,
                                                 no_start ? 'd'
                                                 : stands ? 'p'
                                                          : 'a');
        if (!strstr(heard, answer) || !strstr(seen, state))
            g_error("of machine %u was heard:%sand then:%s", i, heard, seen);
    }
    g_autofree char *gone = ask_all("CANCEL", machines, 0);
    g_assert_null(strstr(gone, "FAILURE"));
}

static void begin(void)
{
    memset(&now, 0, sizeof now);
}

/* Of a herd all but the last few stand still, until each was started. */
static void test_herd(void)
{
    begin();
    start_all(MACHINES);
    g_assert_cmpuint(now.creates, ==, MACHINES);
    g_assert_cmpint(now.paused, >=, MACHINES - 2);
    g_assert_cmpint((gint)now.resumes, ==, now.paused);
    g_assert_cmpuint(now.created_before_resume, ==, MACHINES);
}

/* No more than the host has processors: nobody waits for anybody. */
static void test_few(void)
{
    begin();
    start_all(2);
    g_assert_cmpint(now.paused, ==, 0);
    g_assert_cmpuint(now.resumes, ==, 0);
}

static void test_one_cannot_start(void)
{
    begin();
    now.no_start = "<name>one-3</name>";
    start_all(MACHINES);
    g_assert_cmpuint(now.resumes, >=, 3);
}

static void test_one_cannot_run(void)
{
    begin();
    now.no_resume = TRUE;
    start_all(MACHINES);
    g_assert_cmpstr(now.refused, !=, "");
}

static void test_somebody_lets_them_run(void)
{
    begin();
    now.no_pause = TRUE;
    start_all(MACHINES);
    g_assert_cmpint(now.paused, >=, MACHINES - 2);
    g_assert_cmpuint(now.resumes, ==, 0);
}

/* A driver that ends leaves nobody paused. */
static void test_end(void)
{
    begin();
    now.machines = MACHINES;
    now.waits = "<name>one-4</name>";
    g_autofree char *heard = ask_all("DEPLOY", MACHINES, 4);
    now.gathered = TRUE;
    g_autofree char *seen = ask_all("POLL", MACHINES, 0);
    for (guint i = 0; i < 4; i++) {
        g_autofree char *answer = g_strdup_printf("\nDEPLOY SUCCESS %u one-%u\n", i, i);
        g_autofree char *state = g_strdup_printf("\nPOLL SUCCESS %u STATE=a", i);
        if (!strstr(heard, answer) || !strstr(seen, state))
            g_error("of machine %u was heard:%sand then:%s", i, heard, seen);
    }
    g_assert_null(strstr(seen, "STATE=p"));
    g_autofree char *gone = ask_all("CANCEL", MACHINES, 0);
    g_assert_null(strstr(gone, "FAILURE"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    scratch = g_dir_make_tmp("herd-XXXXXX", NULL);
    g_assert_nonnull(scratch);
    g_setenv("ONE_ETC", scratch, TRUE);
    vmm_libvirt_start(&flavour, NULL);
    /* test:///default is one and the same for all connections while one is open. */
    virConnectPtr keep = virConnectOpen("test:///default");
    g_assert_nonnull(keep);
    g_test_add_func("/vmm_herd/herd", test_herd);
    g_test_add_func("/vmm_herd/few", test_few);
    g_test_add_func("/vmm_herd/one_cannot_start", test_one_cannot_start);
    g_test_add_func("/vmm_herd/one_cannot_run", test_one_cannot_run);
    g_test_add_func("/vmm_herd/somebody_lets_them_run", test_somebody_lets_them_run);
    g_test_add_func("/vmm_herd/end", test_end);
    int failed = g_test_run();
    (void)virConnectClose(keep);
    g_rmdir(scratch);
    return failed;
}
