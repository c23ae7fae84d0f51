/* Hooks: what a template says, what is run when, and what the records say of it. */
#include "server/lifecycle/hooks.h"
#include "tests/unit/small_life.h"

static char *no_directories[] = {NULL};

/* ---- templates ---- */

/* One that is fine, and what is added to it; the reason when it is refused, else NULL. (owned) */
static char *settled(const char *text, char **directories, Template **template, HookWhen *when)
{
    g_autoptr(GError) error = NULL;
    HookType type;
    *template = template_parse(text, TEMPLATE_MODERN, NULL);
    g_assert_nonnull(*template);
    g_assert_true(hook_type_read(template_get(*template, "TYPE"), &type));
    if (hook_settle(type, *template, directories, when, &error))
        return NULL;
    g_assert_nonnull(error);
    return g_strdup(error->message);
}

static void test_when(void)
{
    static const struct {
        const char *text;
        Kind resource;
        gint state, lcm;
    } cases[] = {
        {"RESOURCE=VM\nON=RUNNING", KIND_VM, VM_ACTIVE, LCM_RUNNING},
        {"RESOURCE=vm\nON=create", KIND_VM, VM_PENDING, LCM_INIT},
        {"RESOURCE=VM\nON=SHUTDOWN", KIND_VM, VM_ACTIVE, LCM_EPILOG},
        {"RESOURCE=VM\nON=CUSTOM\nSTATE=ACTIVE\nLCM_STATE=BOOT_FAILURE", KIND_VM, VM_ACTIVE,
         LCM_BOOT_FAILURE},
        {"RESOURCE=VM\nSTATE=POWEROFF", KIND_VM, VM_POWEROFF, LCM_INIT},
        {"RESOURCE=VM\nSTATE=poweroff\nLCM_STATE=lcm_init", KIND_VM, VM_POWEROFF, LCM_INIT},
        {"RESOURCE=HOST\nON=ERROR", KIND_HOST, HOST_ERROR, 0},
        {"RESOURCE=HOST\nSTATE=OFFLINE\nLCM_STATE=x", KIND_HOST, HOST_OFFLINE, 0},
        {"RESOURCE=IMAGE\nSTATE=USED_PERS", KIND_IMAGE, IMAGE_USED_PERS, 0},
        {"RESOURCE=VNET\nSTATE=UPDATE_FAILURE", KIND_NET, 6, 0},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = g_strdup_printf("TYPE=state\nCOMMAND=x\n%s", cases[i].text);
        g_autoptr(Template) template = NULL;
        HookWhen when;
        g_assert_cmpstr(settled(text, no_directories, &template, &when), ==, NULL);
        g_assert_cmpint(when.resource, ==, cases[i].resource);
        g_assert_cmpint(when.state, ==, cases[i].state);
        g_assert_cmpint(when.lcm, ==, cases[i].lcm);
        g_assert_null(template_get(template, "ON"));
        /* What is stored reads back as the same. */
        HookWhen again;
        g_assert_true(hook_settle(HOOK_ON_STATE, template, NULL, &again, NULL));
        g_assert_cmpint(when.state, ==, again.state);
        g_assert_cmpint(when.lcm, ==, again.lcm);
    }
}

static void test_commands(void)
{
    static char *directories[] = {(char *)"/srv/hooks/", (char *)"/opt/more", NULL};
    static const struct {
        const char *command;
        const char *why; /* NULL: it is fine */
    } cases[] = {
        {"a", NULL},
        {"ft/host_error", NULL},
        {"a-b_c+d@e=f,g:h.sh", NULL},
        {"..a", NULL},
        {"/srv/hooks/a", NULL},
        {"/opt/more/deep/a", NULL},
        {"/srv/hooks", "in none of the directories"},
        {"/srv/hooksaw/a", "in none of the directories"},
        {"/bin/sh", "/srv/hooks/, /opt/more"},
        {"/", "in none of the directories"},
        {"..", "not a plain path"},
        {"a/../../b", "not a plain path"},
        {"/srv/hooks/../../bin/sh", "not a plain path"},
        {"./a", "not a plain path"},
        {"a/", "not a plain path"},
        {"a b", "byte 2"},
        {"a;b", "byte 2"},
        {"`id`", "byte 1"},
        {"\xc3\xa4", "byte 1"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Template) template = template_new();
        g_autoptr(GError) error = NULL;
        HookWhen when;
        template_set(template, "COMMAND", cases[i].command);
        template_set(template, "CALL", "one.vm.resize");
        gboolean good = hook_settle(HOOK_ON_CALL, template, directories, &when, &error);
        if (good != (cases[i].why == NULL) || (!good && !strstr(error->message, cases[i].why)))
            g_error("COMMAND \"%s\": %s", cases[i].command, good ? "accepted" : error->message);
    }
}

static void test_arguments(void)
{
    static const struct {
        const char *arguments, *expected;
    } cases[] = {
        {NULL, ""},
        {"", ""},
        {"$ID", "7"},
        {"-m $TEMPLATE -p 5", "-m PFZNLz4= -p 5"},
        {"$TEMPLATES $IDX $ $$ID $id $", "$TEMPLATES $IDX $ $7 $id $"},
        {"a$ID.b", "a7.b"},
        {"$API", "$API"},
        {"'$ID'", "'7'"},
    };
    const HookFacts facts = {.template = "PFZNLz4=", .id = "7"};
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = hook_arguments(cases[i].arguments, &facts);
        g_assert_cmpstr(text, ==, cases[i].expected);
    }
}

/* ---- executions ---- */

static Hook *make(Fixture *fixture, const char *name, const char *text)
{
    HookType type;
    g_autofree char *whole = g_strdup_printf("COMMAND=x\n%s", text);
    Template *template = template_parse(whole, TEMPLATE_MODERN, NULL);
    g_assert_true(hook_type_read(template_get(template, "TYPE"), &type));
    Hook *hook = hook_create(fixture->small->world, name, type, template);
    small_settle(fixture->small);
    fixture->seen = fixture->small->sent->len;
    return hook;
}

static const HookRun *last_run(const Hook *hook)
{
    g_assert_cmpuint(hook->runs->len, >, 0);
    return hook->runs->pdata[hook->runs->len - 1];
}

static void call_it(Fixture *fixture)
{
    hooks_called(fixture->lifecycle, "one.vm.resize", "<CALL_INFO/>");
    small_settle(fixture->small);
}

#define API_HOOK "TYPE=api\nCALL=one.vm.resize\nARGUMENTS=\"$API\""
#define GOOD     "0 L3gveA== aGk= -"

static void test_state(Fixture *fixture, gconstpointer data)
{
    Hook *hook = make(fixture, "a", "TYPE=state\nRESOURCE=VM\nON=RUNNING\nARGUMENTS=\"$ID\"");
    Hook *other = make(fixture, "b", "TYPE=state\nRESOURCE=VM\nON=DONE");
    Hook *there = make(fixture, "c", "TYPE=state\nRESOURCE=VM\nON=RUNNING\nREMOTE=YES");
    put(fixture, VM_ACTIVE, LCM_RUNNING);
    g_assert_cmpuint(other->runs->len, ==, 0);
    g_assert_true(last_run(hook)->under_way);
    g_assert_cmpstr(last_run(hook)->arguments, ==, "0");
    g_assert_cmpstr(last_run(hook)->host, ==, "");
    g_assert_cmpstr(last_run(there)->host, ==, "h0");
    const DriverRequest *request = sent_last(fixture, "EXECUTE");
    gsize length;
    g_autofree char *document = (char *)g_base64_decode(request->payload, &length);
    g_assert_cmpint(request->class, ==, DRIVER_HOOK);
    g_assert_cmpint(request->id, ==, there->head.id);
    g_assert_nonnull(g_strstr_len(document, (gssize)length, "<HOST>h0</HOST>"));
    answer(fixture, "EXECUTE", TRUE, "3 L3gveA== - b29wcw==");
    g_assert_false(last_run(there)->under_way);
    g_assert_cmpint(last_run(there)->code, ==, 3);
    g_assert_cmpstr(last_run(there)->command, ==, "/x/x");
    g_assert_cmpstr(last_run(there)->errors, ==, "b29wcw==");
    g_assert_true(last_run(hook)->under_way);
    vm_enter(fixture->lifecycle, fixture->vm, VM_DONE, LCM_INIT);
    small_settle(fixture->small);
    g_assert_cmpuint(other->runs->len, ==, 1);
    g_assert_cmpuint(hook->runs->len, ==, 1);
}

static char *errors_of(const HookRun *run)
{
    gsize length;
    g_autofree guchar *text = g_base64_decode(run->errors, &length);
    return g_strndup((const char *)text, length);
}

static void expect_no_code(const Hook *hook, const char *why)
{
    g_autofree char *text = errors_of(last_run(hook));
    g_assert_false(last_run(hook)->under_way);
    g_assert_cmpint(last_run(hook)->code, ==, -1);
    if (!strstr(text, why))
        g_error("\"%s\" does not say \"%s\"", text, why);
}

static void test_bad_ends(Fixture *fixture, gconstpointer data)
{
    Hook *hook = make(fixture, "a", API_HOOK);
    static const char *const nonsense[] = {
        "-", "0", "x L3gveA== - -", "0 L3gveA== - - -", "256 L3gveA== - -", "0 <b> - -"};
    for (guint i = 0; i < G_N_ELEMENTS(nonsense); i++) {
        call_it(fixture);
        answer(fixture, "EXECUTE", TRUE, nonsense[i]);
        expect_no_code(hook, "a result of another form");
    }
    call_it(fixture);
    answer(fixture, "EXECUTE", FALSE, "not begun: no such file");
    expect_no_code(hook, "no such file");
    call_it(fixture);
    say(fixture, sent_last(fixture, "EXECUTE")->number, FALSE, TRUE, NULL);
    expect_no_code(hook, "ended before it answered EXECUTE: it is not known whether it ran");
    g_assert_cmpuint(hook->under_way, ==, 0);
}

static void test_restart(Fixture *fixture, gconstpointer data)
{
    Hook *hook = make(fixture, "a", API_HOOK);
    call_it(fixture);
    answer(fixture, "EXECUTE", TRUE, GOOD);
    call_it(fixture);
    call_it(fixture);
    g_assert_cmpuint(hook->under_way, ==, 2);
    guint sent = fixture->small->sent->len;
    hooks_resume(fixture->lifecycle);
    small_settle(fixture->small);
    expect_no_code(hook, "oned ended before the hook did");
    g_assert_cmpuint(hook->under_way, ==, 0);
    g_assert_cmpint(hook_run(hook, 0)->code, ==, 0);
    g_assert_cmpuint(fixture->small->sent->len, ==, sent); /* nothing is run again */
}

static void test_retention(Fixture *fixture, gconstpointer data)
{
    Hook *hook = make(fixture, "a", API_HOOK);
    call_it(fixture);
    guint64 slow = sent_last(fixture, "EXECUTE")->number;
    for (guint i = 0; i < 10; i++) {
        call_it(fixture);
        answer(fixture, "EXECUTE", TRUE, GOOD);
    }
    /* Three that ended, and the one that goes on. */
    g_assert_cmpuint(hook->runs->len, ==, 4);
    g_assert_true(hook_run(hook, 0)->under_way);
    g_assert_nonnull(hook_run(hook, 10));
    g_assert_null(hook_run(hook, 7));
    say(fixture, slow, TRUE, FALSE, GOOD);
    g_assert_cmpuint(hook->runs->len, ==, 3);
    g_assert_null(hook_run(hook, 0)); /* the oldest */
}

static void test_flood(Fixture *fixture, gconstpointer data)
{
    Hook *hook = make(fixture, "a", API_HOOK);
    for (guint i = 0; i < 1000; i++)
        call_it(fixture);
    g_assert_cmpuint(hook->under_way, ==, 1000);
    guint sent = fixture->small->sent->len;
    call_it(fixture);
    expect_no_code(hook, "not begun: as many executions");
    g_assert_cmpuint(fixture->small->sent->len, ==, sent);
    g_autofree char *info = g_strnfill((gsize)2 * 1024 * 1024, 'x');
    answer(fixture, "EXECUTE", TRUE, GOOD);
    hooks_called(fixture->lifecycle, "one.vm.resize", info);
    expect_no_code(hook, "longer than 2 MiB");
    hooks_resume(fixture->lifecycle);
    g_assert_cmpuint(hook->waiting, ==, 0);
    /* What waits is bounded in bytes, too: 1.5 MiB are 2 MiB as base64. */
    g_autofree char *large = g_strnfill((gsize)1536 * 1024, 'x');
    for (guint i = 0; i < 32; i++)
        hooks_called(fixture->lifecycle, "one.vm.resize", large);
    g_assert_cmpuint(hook->under_way, ==, 32);
    hooks_called(fixture->lifecycle, "one.vm.resize", large);
    expect_no_code(hook, "not begun: as many executions");
    small_settle(fixture->small);
    hooks_resume(fixture->lifecycle);
    g_assert_cmpuint(hook->waiting, ==, 0);
}

static void test_deleted(Fixture *fixture, gconstpointer data)
{
    Hook *hook = make(fixture, "a", API_HOOK);
    call_it(fixture);
    guint64 number = sent_last(fixture, "EXECUTE")->number;
    hook_remove(fixture->small->world, hook);
    small_settle(fixture->small);
    say(fixture, number, TRUE, FALSE, GOOD);
    g_assert_false(hooks_wait_for(fixture->small->world, "one.vm.resize"));
    g_assert_cmpuint(pool_count(fixture->small->world, KIND_HOOK), ==, 0);
}

static void test_retry(Fixture *fixture, gconstpointer data)
{
    Hook *hook = make(fixture, "a", API_HOOK);
    call_it(fixture);
    answer(fixture, "EXECUTE", TRUE, "7 L3gveA== - -");
    g_assert_cmpint(hook_retry(fixture->lifecycle, hook, last_run(hook)), ==, 1);
    small_settle(fixture->small);
    g_assert_true(last_run(hook)->is_retry);
    g_assert_cmpstr(last_run(hook)->arguments, ==, hook_run(hook, 0)->arguments);
    answer(fixture, "EXECUTE", TRUE, GOOD);
    g_assert_cmpint(last_run(hook)->code, ==, 0);
    g_assert_cmpstr(last_run(hook)->out, ==, "aGk=");
}

#define KEEPS_THREE "HOOK_LOG_CONF = [ LOG_RETENTION = 3 ]"
#define ADD(path, function)                                                                        \
    g_test_add("/hook/" path, Fixture, KEEPS_THREE, set_up, function, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hook/when", test_when);
    g_test_add_func("/hook/commands", test_commands);
    g_test_add_func("/hook/arguments", test_arguments);
    ADD("state", test_state);
    ADD("bad_ends", test_bad_ends);
    ADD("restart", test_restart);
    ADD("retention", test_retention);
    ADD("flood", test_flood);
    ADD("deleted", test_deleted);
    ADD("retry", test_retry);
    return g_test_run();
}
