/* What is done without a call - scheduled actions, machines of backup jobs - and the driver of
 * AUTHZ: how much of it is asked about at a time, and what becomes of it when oned ends. */
#include "lib/base/error.h"
#include "server/model/machine/backupjob.h"
#include "server/model/machine/sched_action.h"
#include "server/rpc/login.h"
#include "server/rpc/server.h"
#include "tests/unit/small_world.h"

#define MACHINES       20
#define ASKED_AT_ONCE  8 /* as share/doc/drivers.md says */
#define ANSWER_SECONDS 10

static const char limits[] =
    "AUTH_MAD = [ EXECUTABLE = \"x\", AUTHN = \"script\", AUTHZ = \"yes\" ]\n"
    "ACTION_TIMEOUTS = [ AUTHENTICATE = 10 ]\nMAX_BACKUPS_HOST = 0\n";

typedef struct Fixture {
    SmallWorld *small;
    RpcServer *rpc;
    gint32 ann;
    Vm *vms[MACHINES];
    guint seen; /* questions that were answered, or given up */
} Fixture;

static gboolean knows_all(Outside *outside, DriverClass class, const char *driver)
{
    return TRUE;
}

static void set_up(Fixture *fixture, gconstpointer data)
{
    g_autofree char *config = g_strconcat(limits, data, NULL);
    SmallWorld *small = fixture->small = small_world_new(config);
    small_world_live(small);
    small->outside.knows = knows_all;
    fixture->rpc = rpc_server_new(small->world, small->lifecycle, NULL, NULL);
    rpc_server_connect_drivers(fixture->rpc, &small->outside);
    fixture->ann = small_user(small, "ann", GROUP_USERS)->head.id;
    fixture->seen = 0;
    acl_create(small->world, ACL_ONE | (guint32)fixture->ann,
               KIND_BIT(KIND_VM) | KIND_BIT(KIND_DATASTORE) | KIND_BIT(KIND_IMAGE) | ACL_ALL,
               RIGHT_USE | RIGHT_MANAGE | RIGHT_ADMIN | RIGHT_CREATE, ACL_ALL, NULL);
    for (guint i = 0; i < MACHINES; i++)
        fixture->vms[i] = vm_create(small->world, "m", fixture->ann, GROUP_USERS, template_new(),
                                    template_new(), TRUE);
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
    rpc_server_free(fixture->rpc);
    small_world_free(fixture->small);
}

/* Questions about rights that were asked, so far. (of DriverRequest, owned) */
static GPtrArray *questions(const Fixture *fixture)
{
    GPtrArray *found = g_ptr_array_new();
    for (guint i = 0; i < fixture->small->sent->len; i++) {
        DriverRequest *request = fixture->small->sent->pdata[i];
        if (!strcmp(request->action, "AUTHORIZE"))
            g_ptr_array_add(found, request);
    }
    return found;
}

static guint count_open(const Fixture *fixture)
{
    g_autoptr(GPtrArray) asked = questions(fixture);
    return asked->len - fixture->seen;
}

/* The driver agrees to the oldest question that is open. */
static void agree(Fixture *fixture)
{
    g_autoptr(GPtrArray) asked = questions(fixture);
    g_assert_cmpuint(fixture->seen, <, asked->len);
    const DriverRequest *request = asked->pdata[fixture->seen++];
    rpc_login_answered(request->number, TRUE, "-", fixture->rpc);
    small_wait(fixture->small, 0);
}

static void schedule_releases(Fixture *fixture)
{
    SmallWorld *small = fixture->small;
    g_autofree char *text = g_strdup_printf(
        "SCHED_ACTION = [ ACTION = release, TIME = %" G_GINT64_FORMAT " ]", core_now(small->core));
    g_autoptr(Template) given = template_parse(text, TEMPLATE_MODERN, NULL);
    for (guint i = 0; i < MACHINES; i++) {
        SchedAction *action =
            sched_action_parse(KIND_VM, template_vector(given, "SCHED_ACTION", 0), 0, NULL);
        g_assert_nonnull(action);
        sched_action_add(small->world, &fixture->vms[i]->head, action);
        lifecycle_sched_changed(small->lifecycle, action);
    }
    small_wait(small, 0);
}

static guint count_released(const Fixture *fixture)
{
    guint count = 0;
    for (guint i = 0; i < MACHINES; i++)
        count += fixture->vms[i]->state == VM_PENDING;
    return count;
}

static void test_actions_are_asked_about_a_few_at_a_time(Fixture *fixture, gconstpointer data)
{
    schedule_releases(fixture);
    for (guint done = 0; done < MACHINES; done++) {
        g_assert_cmpuint(count_open(fixture), ==, MIN(ASKED_AT_ONCE, MACHINES - done));
        g_assert_cmpuint(count_released(fixture), ==, done);
        agree(fixture);
    }
    g_assert_cmpuint(count_open(fixture), ==, 0);
    g_assert_cmpuint(count_released(fixture), ==, MACHINES);
}

/* Others than those whose question nobody answers go on, each with all of the time for its own. */
static void test_a_silent_driver_keeps_nobody_for_ever(Fixture *fixture, gconstpointer data)
{
    schedule_releases(fixture);
    g_assert_cmpuint(count_open(fixture), ==, ASKED_AT_ONCE);
    small_wait(fixture->small, ANSWER_SECONDS);
    fixture->seen = ASKED_AT_ONCE;
    g_assert_cmpuint(count_open(fixture), ==, ASKED_AT_ONCE);
    small_wait(fixture->small, ANSWER_SECONDS - 1);
    for (guint i = ASKED_AT_ONCE; i < MACHINES; i++)
        agree(fixture);
    g_assert_cmpuint(count_released(fixture), ==, MACHINES - ASKED_AT_ONCE);
}

/* A job of all machines, under way. Their backups fail when they are begun: none of them runs. */
static BackupJob *begin_job(Fixture *fixture)
{
    SmallWorld *small = fixture->small;
    enum { STORE = 100 };
    datastore_create(small->world, STORE, "backups", DATASTORE_BACKUP, "dummy", "dummy");
    g_autoptr(GString) text =
        g_string_new("EXECUTION = PARALLEL\nDATASTORE_ID = 100\nBACKUP_VMS = \"");
    for (guint i = 0; i < MACHINES; i++)
        g_string_append_printf(text, "%s%d", i ? "," : "", fixture->vms[i]->head.id);
    g_string_append_c(text, '"');
    Template *template = template_parse(text->str, TEMPLATE_MODERN, NULL);
    g_assert_nonnull(template);
    BackupJob *job = backupjob_create(small->world, "j", fixture->ann, GROUP_USERS, 50, template);
    g_assert_true(backupjob_run(small->lifecycle, job, NULL));
    small_wait(small, 0);
    g_assert_cmpuint(job->waiting->len, ==, MACHINES);
    return job;
}

/* `data`: how many backups may be under way, of which those that are asked about are some. */
static void test_machines_have_their_place_while_they_are_asked_about(Fixture *fixture,
                                                                      gconstpointer data)
{
    guint places = strstr(data, "= 3") ? 3 : ASKED_AT_ONCE;
    const BackupJob *job = begin_job(fixture);
    for (guint done = 0; done < MACHINES; done++) {
        g_assert_cmpuint(count_open(fixture), ==, MIN(places, MACHINES - done));
        g_assert_cmpuint(job->errors->len, ==, done);
        agree(fixture);
    }
    g_assert_cmpuint(count_open(fixture), ==, 0);
    g_assert_cmpuint(job->waiting->len, ==, 0);
    const char *error = template_get(job->head.template, "ERROR");
    g_assert_null(strstr(error, "in time"));
    g_assert_nonnull(strstr(error, "state"));
}

/* Nobody refused anything: it is done when oned is there again. */
static void test_the_end_fails_no_machine(Fixture *fixture, gconstpointer data)
{
    const BackupJob *job = begin_job(fixture);
    g_autoptr(GPtrArray) before = questions(fixture);
    rpc_logins_end(fixture->rpc);
    small_wait(fixture->small, 3 * ANSWER_SECONDS);
    g_autoptr(GPtrArray) after = questions(fixture);
    g_assert_cmpuint(after->len, ==, before->len);
    g_assert_cmpuint(job->errors->len, ==, 0);
    g_assert_cmpuint(job->waiting->len, ==, MACHINES);
    g_assert_null(template_get(job->head.template, "ERROR"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define CASE(name, config, function)                                                               \
    g_test_add("/authz/" name, Fixture, config, set_up, function, tear_down)
    CASE("actions", "", test_actions_are_asked_about_a_few_at_a_time);
    CASE("silent", "", test_a_silent_driver_keeps_nobody_for_ever);
    CASE("places", "MAX_BACKUPS = 3\n", test_machines_have_their_place_while_they_are_asked_about);
    CASE("no limit", "MAX_BACKUPS = 0\n",
         test_machines_have_their_place_while_they_are_asked_about);
    CASE("the end", "MAX_BACKUPS = 3\n", test_the_end_fails_no_machine);
    return g_test_run();
}
