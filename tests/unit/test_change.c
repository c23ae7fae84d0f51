/* Changes of machines: what drivers are told step by step, what failures leave, what a restart
 * finds. */
#include "tests/unit/small_life.h"

#include "server/model/machine/vm_snapshots.h"

static TemplateAttribute *new_disk(Fixture *fixture)
{
    g_autoptr(Template) given = template_parse("DISK=[DISK_ID=1,TYPE=fs,SIZE=5,SAVE=YES]", 0, NULL);
    return template_steal(given, 0);
}

static void attach(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    put(fixture, VM_ACTIVE, LCM_RUNNING);
    g_assert_true(
        vm_attach_disk(fixture->lifecycle, fixture->vm, new_disk(fixture), &asker, &error));
    small_settle(fixture->small);
    expect(fixture, VM_ACTIVE, LCM_HOTPLUG);
    g_assert_cmpstr(attribute_get(vm_device(fixture->vm, "DISK", 1), "ATTACH"), ==, "YES");
}

/* Lines of the script that was sent last. */
static const char *script(const Fixture *fixture)
{
    return sent_last(fixture, "TRANSFER")->files[0].text;
}

static void rests(const Fixture *fixture, guint disks)
{
    guint count = 0;
    TemplateAttribute *disk;
    expect(fixture, VM_ACTIVE, LCM_RUNNING);
    g_assert_null(fixture->vm->operation);
    while ((disk = template_vector(fixture->vm->head.template, "DISK", count))) {
        g_assert_null(attribute_get(disk, "ATTACH"));
        count++;
    }
    g_assert_cmpuint(count, ==, disks);
}

static void test_attach(Fixture *fixture, gconstpointer data)
{
    attach(fixture);
    g_assert_cmpstr(script(fixture), ==,
                    "MKIMAGE ssh 5 raw h0:/var/lib/one/datastores/0/0/disk.1 0 0\n");
    answer(fixture, "TRANSFER", TRUE, "-");
    answer(fixture, "ATTACHDISK", TRUE, "-");
    rests(fixture, 2);
    VmRecord *before = vm_previous_record(fixture->vm);
    g_assert_cmpint(before->action, ==, VM_ACTION_DISK_ATTACH);
    g_assert_cmpint(before->etime, >, 0);
    g_assert_cmpint(vm_last_record(fixture->vm)->rstime, >, 0);
}

static void test_attach_fails(Fixture *fixture, gconstpointer data)
{
    attach(fixture);
    answer(fixture, "TRANSFER", TRUE, "-");
    answer(fixture, "ATTACHDISK", FALSE, "no slot");
    answer(fixture, "DETACHDISK", TRUE, "-"); /* it is made sure that nothing is there */
    g_assert_nonnull(strstr(script(fixture), "DELETE ssh h0:/var/lib/one/datastores/0/0/disk.1 "));
    g_assert_null(strstr(script(fixture), "MV"));
    answer(fixture, "TRANSFER", FALSE, "that too"); /* best effort */
    rests(fixture, 1);
    g_assert_nonnull(strstr(template_get(fixture->vm->user_template, "ERROR"), "no slot"));
}

/* A disk that was never made is not asked back from the guest. */
static void test_file_fails(Fixture *fixture, gconstpointer data)
{
    attach(fixture);
    answer(fixture, "TRANSFER", FALSE, "no space");
    g_assert_null(sent_last(fixture, "DETACHDISK"));
    answer(fixture, "TRANSFER", TRUE, "-");
    rests(fixture, 1);
}

static void test_attach_is_kept(Fixture *fixture, gconstpointer data)
{
    attach(fixture);
    answer(fixture, "TRANSFER", TRUE, "-");
    answer(fixture, "ATTACHDISK", FALSE, "no answer");
    answer(fixture, "DETACHDISK", FALSE, "no answer either");
    g_assert_null(sent_last(fixture, "TRANSFER")); /* its file may be in use */
    rests(fixture, 2);
    g_assert_nonnull(strstr(template_get(fixture->vm->user_template, "ERROR"), "it is kept"));
}

/* What was done is not done again: the file of an attached disk would be made anew. */
static void test_goes_on(Fixture *fixture, gconstpointer data)
{
    attach(fixture);
    answer(fixture, "TRANSFER", TRUE, "-");
    g_assert_cmpint(vm_change_step(fixture->vm), ==, 1);
    fixture->seen = fixture->small->sent->len;
    g_assert_true(vm_recover(fixture->lifecycle, fixture->vm, 2, &asker, NULL));
    small_settle(fixture->small);
    g_assert_null(sent_last(fixture, "TRANSFER"));
    answer(fixture, "ATTACHDISK", TRUE, "-");
    rests(fixture, 2);
}

static void detach(Fixture *fixture)
{
    attach(fixture);
    answer(fixture, "TRANSFER", TRUE, "-");
    answer(fixture, "ATTACHDISK", TRUE, "-");
    g_assert_true(vm_detach_disk(fixture->lifecycle, fixture->vm, 1, &asker, NULL));
    small_settle(fixture->small);
}

static void test_detach(Fixture *fixture, gconstpointer data)
{
    detach(fixture);
    answer(fixture, "DETACHDISK", TRUE, "-");
    g_auto(GStrv) lines = g_strsplit(script(fixture), "\n", -1);
    g_assert_true(g_str_has_prefix(lines[0], "MV ssh h0:/var/lib/one/datastores/0/0/disk.1 "));
    g_assert_true(g_str_has_prefix(lines[1], "DELETE ssh h0:/var/lib/one/datastores/0/0/disk.1 "));
    answer(fixture, "TRANSFER", TRUE, "-");
    rests(fixture, 1);
}

static void test_detach_fails(Fixture *fixture, gconstpointer data)
{
    detach(fixture);
    answer(fixture, "DETACHDISK", FALSE, "the guest does not let go");
    g_assert_null(sent_last(fixture, "TRANSFER"));
    rests(fixture, 2);
}

static void test_removed_meanwhile(Fixture *fixture, gconstpointer data)
{
    attach(fixture);
    g_assert_true(vm_recover(fixture->lifecycle, fixture->vm, 3, &asker, NULL));
    small_settle(fixture->small);
    g_assert_null(fixture->vm->operation);
    answer(fixture, "CLEANUP", TRUE, "-");
    answer(fixture, "TRANSFER", TRUE, "-");
    expect(fixture, VM_DONE, LCM_INIT);
}

static void test_size(Fixture *fixture, gconstpointer data)
{
    Host *host = host_get(fixture->small->world, 0);
    g_autoptr(Template) large = template_parse("CPU=3\nMEMORY=128", 0, NULL);
    g_autoptr(Template) small = template_parse("CPU=1\nMEMORY=64", 0, NULL);
    g_autoptr(GError) error = NULL;
    put(fixture, VM_ACTIVE, LCM_RUNNING);
    g_assert_false(vm_resize(fixture->lifecycle, fixture->vm, large, TRUE, &asker, &error));
    g_assert_nonnull(strstr(error->message, "LIVE_RESIZE"));
    g_free(vm_last_record(fixture->vm)->vm_mad);
    vm_last_record(fixture->vm)->vm_mad = g_strdup("dummy"); /* can */
    g_assert_true(vm_resize(fixture->lifecycle, fixture->vm, large, TRUE, &asker, NULL));
    small_settle(fixture->small);
    expect(fixture, VM_ACTIVE, LCM_HOTPLUG_RESIZE);
    g_assert_cmpint(host->cpu_usage, ==, 300);
    answer(fixture, "RESIZE", TRUE, "-");
    g_assert_true(vm_resize(fixture->lifecycle, fixture->vm, small, TRUE, &asker, NULL));
    small_settle(fixture->small);
    g_assert_cmpint(host->cpu_usage, ==, 300); /* until it is less */
    answer(fixture, "RESIZE", FALSE, "no");
    g_assert_cmpint(host->cpu_usage, ==, 300);
    g_assert_cmpint(host->memory_usage, ==, 128 * 1024);
    g_assert_cmpstr(template_get(fixture->vm->head.template, "CPU"), ==, "3");
}

static void test_snapshot(Fixture *fixture, gconstpointer data)
{
    put(fixture, VM_ACTIVE, LCM_RUNNING);
    g_assert_cmpint(vm_snapshot_create(fixture->lifecycle, fixture->vm, "a", &asker, NULL), ==, 0);
    small_settle(fixture->small);
    answer(fixture, "SNAPSHOTCREATE", TRUE, "snap-x");
    TemplateAttribute *snapshot = vm_device(fixture->vm, "SNAPSHOT", 0);
    g_assert_cmpstr(attribute_get(snapshot, "HYPERVISOR_ID"), ==, "snap-x");
    g_assert_null(attribute_get(snapshot, "ACTION"));
    g_assert_true(vm_action(fixture->lifecycle, fixture->vm, "poweroff-hard", &asker, NULL));
    small_settle(fixture->small);
    g_assert_nonnull(vm_device(fixture->vm, "SNAPSHOT", 0));
    answer(fixture, "CANCEL", TRUE, "-");
    g_assert_null(vm_device(fixture->vm, "SNAPSHOT", 0)); /* the driver does not keep them */
}

/* What the hypervisor writes lies beside the disk, and not behind a link that a snapshot left. */
/* An increment that adds to nothing could not be restored: no backup is made of it, whoever says
 * so. */
static void increment_to_nothing(Fixture *fixture, gboolean of_hypervisor)
{
    put(fixture, VM_ACTIVE, LCM_BACKUP);
    gint32 image = (gint32)vm_change_number(fixture->vm, "IMAGE_ID");
    answer(fixture, "TRANSFER", TRUE, "-");
    answer(fixture, "BACKUP", TRUE, of_hypervisor ? "increment" : "full");
    if (of_hypervisor) {
        answer(fixture, "BACKUPCANCEL", TRUE, "-");
        answer(fixture, "TRANSFER", TRUE, "-");
    } else {
        answer(fixture, "TRANSFER", TRUE, "-");
        answer(fixture, "BACKUP", TRUE, "0 1 increment");
    }
    expect(fixture, VM_ACTIVE, LCM_RUNNING);
    g_assert_nonnull(template_get(fixture->vm->user_template, "ERROR"));
    answer(fixture, "RM", TRUE, "-");
    g_assert_null(image_get(fixture->small->world, image));
}

static void test_increment_to_nothing(Fixture *fixture, gconstpointer data)
{
    increment_to_nothing(fixture, FALSE);
}

static void test_increment_taken_of_nothing(Fixture *fixture, gconstpointer data)
{
    increment_to_nothing(fixture, TRUE);
}

static void test_backup_after_snapshot(Fixture *fixture, gconstpointer data)
{
    static const char *const at = "h0:/d/disk.0";
    put(fixture, VM_ACTIVE, LCM_BACKUP);
    TemplateAttribute *disk = vm_device(fixture->vm, "DISK", 0);
    VmRecord *record = vm_last_record(fixture->vm);
    for (guint i = 0; i < 4; i++) {
        gboolean image = i & 1, shared = i & 2;
        g_autoptr(GString) text = g_string_new(NULL);
        attribute_set(disk, "PERSISTENT", image ? "YES" : NULL);
        attribute_set(disk, "IMAGE_ID",
                      image ? template_get(fixture->vm->operation, "IMAGE_ID") : NULL);
        g_free(record->tm_mad);
        record->tm_mad = g_strdup(shared ? "shared" : "ssh");
        g_assert_true(
            vm_backup_script(fixture->lifecycle, fixture->vm, STEP_BACKUP_READY, "/d", text));
        g_autofree char *link = g_strdup_printf("DELETE shared %s.snap 0 0\n", at);
        g_autofree char *made =
            g_strdup_printf("SNAP_CREATE_LIVE %s %s 2147483647 raw 0 0\n", record->tm_mad, at);
        g_autofree char *wanted = g_strconcat(image && shared ? link : "", made, NULL);
        g_assert_cmpstr(text->str, ==, wanted);
    }
    attribute_set(disk, "PERSISTENT", NULL);
    attribute_set(disk, "IMAGE_ID", NULL);
}

static void test_tree(Fixture *fixture, gconstpointer data)
{
    Vm *vm = fixture->vm;
    g_autoptr(GString) xml = g_string_new(NULL);
    g_assert_cmpint(vm_snapshot_add(vm, 0, "a", 1, 10), ==, 0);
    g_assert_cmpint(vm_snapshot_add(vm, 0, "", 2, 10), ==, 1);
    g_assert_cmpint(vm_snapshot_add(vm, 7, "of another", 3, 5), ==, 0);
    vm_snapshot_revert(vm, 0, 0);
    g_assert_cmpint(vm_snapshot_add(vm, 0, "b", 4, 10), ==, 2);
    g_assert_cmpint(vm_snapshots_size(vm, 0), ==, 30);
    vm_snapshot_remove(vm, 0, 0);
    vm_snapshot_remove(vm, 0, 9);
    g_assert_false(vm_snapshot_exists(vm, 0, 0));
    vm_snapshots_forget(vm, 7);
    vm_snapshots_render(vm, xml);
    g_assert_cmpstr(xml->str, ==,
                    "<SNAPSHOTS><ALLOW_ORPHANS><![CDATA[YES]]></ALLOW_ORPHANS>"
                    "<CURRENT_BASE>2</CURRENT_BASE><DISK_ID>0</DISK_ID>"
                    "<NEXT_SNAPSHOT>3</NEXT_SNAPSHOT><SNAPSHOT><DATE>2</DATE><ID>1</ID>"
                    "<PARENT>-1</PARENT><SIZE>10</SIZE></SNAPSHOT><SNAPSHOT>"
                    "<ACTIVE><![CDATA[YES]]></ACTIVE><DATE>4</DATE><ID>2</ID>"
                    "<NAME><![CDATA[b]]></NAME><PARENT>-1</PARENT><SIZE>10</SIZE></SNAPSHOT>"
                    "</SNAPSHOTS>");
}

/* A template that was written as text comes back the same, whatever it holds. */
static void test_strange_text(Fixture *fixture, gconstpointer data)
{
    static const char strange[] = "a \"b\" \\\" c\\ ]\n<d> & 'e', f = \\";
    template_set(fixture->vm->head.template, "RAW", strange);
    attach(fixture);
    answer(fixture, "TRANSFER", FALSE, "no");
    answer(fixture, "TRANSFER", TRUE, "-");
    rests(fixture, 1);
    g_assert_cmpstr(template_get(fixture->vm->head.template, "RAW"), ==, strange);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    log_open(LOG_TO_FILE, "/dev/null", LOG_ERROR, NULL);
#define ADD(path, test) g_test_add("/change/" path, Fixture, NULL, set_up, test, tear_down)
    ADD("backup-after-snapshot", test_backup_after_snapshot);
    ADD("increment-to-nothing", test_increment_to_nothing);
    ADD("increment-to-nothing-taken", test_increment_taken_of_nothing);
    ADD("attach", test_attach);
    ADD("attach/fails", test_attach_fails);
    ADD("attach/no-file", test_file_fails);
    ADD("attach/kept", test_attach_is_kept);
    ADD("attach/goes-on", test_goes_on);
    ADD("detach", test_detach);
    ADD("detach/fails", test_detach_fails);
    ADD("removed-meanwhile", test_removed_meanwhile);
    ADD("size", test_size);
    ADD("snapshot", test_snapshot);
    ADD("tree", test_tree);
    ADD("strange-text", test_strange_text);
    return g_test_run();
}
