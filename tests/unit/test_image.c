#include "drivers/common/image.h"
#include "drivers/common/program.h"
#include "lib/base/error.h"
#include "tests/unit/sandbox.h"

/* What another program says of a file. (owned) */
static char *ask(const char *const *argv)
{
    g_autoptr(GError) error = NULL;
    g_auto(SshResult) result = {0};
    g_assert_true(program_run(argv, -1, -1, NULL, &result, &error));
    return g_string_free(g_steal_pointer(&result.out), FALSE);
}

static gboolean missing(const char *program)
{
    g_autofree char *path = program_find(program);
    if (path != NULL)
        return FALSE;
    g_autofree char *text = g_strdup_printf("%s is not installed", program);
    g_test_skip(text);
    return TRUE;
}

static void test_swap(void)
{
    SANDBOX(box);
    g_autoptr(GError) error = NULL;
    g_autofree char *path = sandbox_path(&box, "swap");
    g_assert_true(image_make_swap(path, 512 << 20, &error));
    g_assert_no_error(error);
    g_assert_cmpint(sandbox_kib(path), <=, 8);
    g_assert_false(image_make_swap(path, 512 << 20, &error)); /* never over something */
    g_clear_error(&error);
    g_assert_false(image_make_swap(path, 4096, &error));
    /* The judgement of util-linux. */
    const char *const argv[] = {"blkid", "-p", "-o", "export", path, NULL};
    if (missing("blkid"))
        return;
    g_autofree char *out = ask(argv);
    g_assert_nonnull(strstr(out, "TYPE=swap"));
    g_assert_nonnull(strstr(out, "VERSION=1"));
    g_assert_nonnull(strstr(out, "UUID="));
}

static void test_formats(void)
{
    static const struct {
        const char *format;
        const char *program;
        ImageKind kind;
    } cases[] = {
        {"raw", "true", IMAGE_RAW},       {NULL, "true", IMAGE_RAW},
        {"-", "true", IMAGE_RAW},         {"QCOW2", "qemu-img", IMAGE_QCOW2},
        {"ext4", "mkfs.ext4", IMAGE_RAW}, {"swap", "true", IMAGE_RAW},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        SANDBOX(box);
        g_autoptr(GError) error = NULL;
        g_autofree char *path = sandbox_path(&box, "image %s");
        if (missing(cases[i].program))
            continue;
        gboolean made = image_make(cases[i].format, 64 << 20, path, NULL, &error);
        g_assert_no_error(error);
        g_assert_true(made);
        ImageFacts facts;
        g_assert_true(image_look(path, &facts, &error));
        g_assert_cmpint(facts.kind, ==, cases[i].kind);
        g_assert_cmpuint(facts.size, ==, 64 << 20);
        g_assert_false(facts.has_base);
    }
    g_autoptr(GError) error = NULL;
    g_assert_false(image_make("vmdk", 1 << 20, "/nowhere/x", NULL, &error));
    g_assert_nonnull(strstr(error->message, "\"vmdk\" cannot be made; known are raw, qcow2"));
}

static void test_overlay(void)
{
    if (missing("qemu-img"))
        return;
    SANDBOX(box);
    g_autoptr(GError) error = NULL;
    g_autofree char *base = sandbox_path(&box, "base"), *top = sandbox_path(&box, "top");
    g_assert_true(image_make("qcow2", 32 << 20, base, NULL, &error));
    g_assert_true(image_make_overlay(base, "qcow2", top, NULL, &error));
    g_assert_no_error(error);
    ImageFacts facts;
    g_assert_true(image_look(top, &facts, &error));
    g_assert_cmpuint(facts.size, ==, 32 << 20);
    g_assert_true(facts.has_base);
}

/* Headers as a guest may write them into its raw disk. */
static void test_facts(void)
{
    guint8 head[104] = "QFI\xfb\0\0\0\3";
    g_assert_cmpint(image_facts(head, 8, 1000).kind, ==, IMAGE_RAW);
    g_assert_cmpint(image_facts((const guint8 *)"", 0, 0).kind, ==, IMAGE_RAW);
    ImageFacts facts = image_facts(head, sizeof head, 1000);
    g_assert_cmpint(facts.kind, ==, IMAGE_QCOW2);
    g_assert_false(facts.has_base);
    head[15] = 200; /* the name of a base is at byte 200 */
    g_assert_true(image_facts(head, sizeof head, 1000).has_base);
    head[15] = 0;
    head[79] = 4; /* the data are in another file */
    g_assert_true(image_facts(head, sizeof head, 1000).has_base);
}

static void test_context(void)
{
    if (missing("genisoimage") || missing("isoinfo"))
        return;
    SANDBOX(box);
    g_autoptr(GError) error = NULL;
    g_autofree char *context = sandbox_text(&box, "vms/7/context.7", "ETH0_IP='10.0.0.7'\n");
    g_autofree char *key = sandbox_text(&box, "files/a key.pub", "ssh-ed25519 AAAA\n");
    g_autofree char *iso = sandbox_path(&box, "iso");
    char *files[] = {context, key, NULL};
    g_assert_true(image_make_context(files, iso, NULL, &error));
    g_assert_no_error(error);
    ImageFacts facts;
    g_assert_true(image_look(iso, &facts, &error));
    g_assert_cmpint(facts.kind, ==, IMAGE_ISO);
    const char *const list[] = {"isoinfo", "-R", "-f", "-i", iso, NULL};
    g_autofree char *names = ask(list);
    g_assert_cmpstr(names, ==, "/a key.pub\n/context.sh\n");
    const char *const read[] = {"isoinfo", "-R", "-x", "/context.sh", "-i", iso, NULL};
    g_autofree char *text = ask(read);
    g_assert_cmpstr(text, ==, "ETH0_IP='10.0.0.7'\n");
    const char *const label[] = {"isoinfo", "-d", "-i", iso, NULL};
    g_autofree char *facts_text = ask(label);
    g_assert_nonnull(strstr(facts_text, "Volume id: CONTEXT\n"));
    char *gone[] = {context, (char *)"/nowhere/file", NULL};
    g_assert_false(image_make_context(gone, iso, NULL, &error));
    g_assert_nonnull(strstr(error->message, "/nowhere/file"));
    g_clear_error(&error);
    char *twice[] = {context, key, key, NULL};
    g_assert_false(image_make_context(twice, iso, NULL, &error));
    g_assert_nonnull(strstr(error->message, "two context files are called a key.pub"));
}

static void test_no_maker(void)
{
    SANDBOX(box);
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_strdup(g_getenv("PATH"));
    g_autofree char *usual = program_find("genisoimage");
    if (usual != NULL && g_str_has_prefix(usual, "/usr/sbin/")) {
        g_test_skip("the program is where it is always found");
        return;
    }
    g_setenv("PATH", "/nowhere", TRUE);
    g_autofree char *context = sandbox_text(&box, "context.7", "");
    char *files[] = {context, NULL};
    g_assert_false(image_make_context(files, "/nowhere/iso", NULL, &error));
    g_setenv("PATH", path, TRUE);
    g_assert_nonnull(strstr(error->message, "install the package genisoimage or xorriso"));
}

static gboolean now(gpointer unused)
{
    return TRUE;
}

static void test_programs(void)
{
    g_autoptr(GError) error = NULL;
    const char *const fails[] = {"sh", "-c", "echo a problem >&2; exit 3", NULL};
    g_assert_false(program_do(fails, NULL, &error));
    g_assert_cmpstr(error->message, ==, "sh ended with code 3: a problem");
    g_clear_error(&error);
    const char *const none[] = {"no-such-program", NULL};
    g_assert_false(program_do(none, NULL, &error));
    g_clear_error(&error);
    /* Cut, with what it started. */
    const char *const slow[] = {"sh", "-c", "sleep 61.25; true", NULL};
    SshWatch watch = {.seconds = 1};
    g_assert_false(program_do(slow, &watch, &error));
    g_assert_cmpstr(error->message, ==, "not done within 1 s");
    g_clear_error(&error);
    watch.cancelled = now;
    g_assert_false(program_do(slow, &watch, &error));
    g_assert_cmpstr(error->message, ==, "cancelled");
    const char *const look[] = {"pgrep", "-f", "sleep 61.25", NULL};
    g_auto(SshResult) result = {0};
    if (missing("pgrep"))
        return;
    g_clear_error(&error);
    g_assert_true(program_run(look, -1, -1, NULL, &result, &error));
    g_assert_cmpstr(result.out->str, ==, "");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/image/swap", test_swap);
    g_test_add_func("/image/formats", test_formats);
    g_test_add_func("/image/overlay", test_overlay);
    g_test_add_func("/image/facts", test_facts);
    g_test_add_func("/image/context", test_context);
    g_test_add_func("/image/no-maker", test_no_maker);
    g_test_add_func("/image/programs", test_programs);
    return g_test_run();
}
