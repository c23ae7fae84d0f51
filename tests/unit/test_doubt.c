/* Persistent images of a machine of which nobody knows that it writes no more. */
#include "tests/unit/small_life.h"

#include "server/model/machine/vm_images.h"

#include <string.h>

/* The machine's first disk is a persistent image. (borrowed) */
static Image *with_image(Fixture *fixture)
{
    World *world = fixture->small->world;
    const ImageDraft draft = {.name = "kept",
                              .source = "/ds/1/0-x",
                              .format = "raw",
                              .persistent = TRUE,
                              .size = 1,
                              .template = template_new()};
    Image *image = image_create(world, datastore_get(world, 1), &draft);
    image->stored = 1;
    image_enter(world, image, IMAGE_READY);
    disk_describe(world, image, template_vector(fixture->vm->head.template, "DISK", 0));
    g_assert_true(vm_images_acquire(world, fixture->vm->head.id, fixture->vm->head.template, NULL));
    g_assert_cmpint(image->state, ==, IMAGE_USED_PERS);
    small_settle(fixture->small);
    return image;
}

static void recover(Fixture *fixture, gint operation)
{
    g_autoptr(GError) error = NULL;
    vm_recover(fixture->lifecycle, fixture->vm, operation, &asker, &error);
    g_assert_no_error(error);
    small_settle(fixture->small);
}

static void act(Fixture *fixture, const char *word)
{
    g_autoptr(GError) error = NULL;
    vm_action(fixture->lifecycle, fixture->vm, word, &asker, &error);
    g_assert_no_error(error);
    small_settle(fixture->small);
}

static void set_offline(Fixture *fixture, gint32 id)
{
    host_get(fixture->small->world, id)->state = HOST_OFFLINE;
}

static void in_error(const Image *image, const char *word)
{
    const char *reason = template_get(image->head.template, "ERROR");
    g_assert_cmpstr(image_state_name(image->state), ==, "ERROR");
    g_assert_nonnull(reason);
    if (!strstr(reason, word) || !strstr(reason, "oneimage enable"))
        g_error("the reason \"%s\" says nothing of \"%s\"", reason, word);
}

static void is_ready(const Image *image)
{
    g_assert_cmpstr(image_state_name(image->state), ==, "READY");
    g_assert_null(template_get(image->head.template, "ERROR"));
}

/* ---- what leaves no doubt ---- */

static void test_terminated(Fixture *fixture, gconstpointer data)
{
    const Image *image = with_image(fixture);
    put(fixture, VM_ACTIVE, LCM_RUNNING);
    act(fixture, "terminate");
    answer(fixture, "SHUTDOWN", TRUE, "-");
    answer(fixture, "TRANSFER", TRUE, "-");
    expect(fixture, VM_DONE, LCM_INIT);
    is_ready(image);
}

static void test_deleted_by_its_host(Fixture *fixture, gconstpointer data)
{
    const Image *image = with_image(fixture);
    put(fixture, VM_ACTIVE, LCM_RUNNING);
    recover(fixture, 3);
    answer(fixture, "CLEANUP", TRUE, "-");
    answer(fixture, "TRANSFER", TRUE, "-");
    expect(fixture, VM_DONE, LCM_INIT);
    is_ready(image);
}

/* It was off when its host was set offline. */
static void test_deleted_when_off(Fixture *fixture, gconstpointer data)
{
    const Image *image = with_image(fixture);
    put(fixture, VM_POWEROFF, LCM_INIT);
    set_offline(fixture, 0);
    recover(fixture, 3);
    answer(fixture, "TRANSFER", TRUE, "-");
    expect(fixture, VM_DONE, LCM_INIT);
    is_ready(image);
}

/* Its own host has said it after all. */
static void test_doubt_is_over(Fixture *fixture, gconstpointer data)
{
    const Image *image = with_image(fixture);
    put(fixture, VM_ACTIVE, LCM_SHUTDOWN_POWEROFF);
    recover(fixture, 1);
    expect(fixture, VM_POWEROFF, LCM_INIT);
    g_assert_nonnull(template_get_pair(fixture->vm->head.template, "DISK", "DOUBT"));
    act(fixture, "resume");
    answer(fixture, "DEPLOY", TRUE, "one-0");
    expect(fixture, VM_ACTIVE, LCM_RUNNING);
    g_assert_null(template_get_pair(fixture->vm->head.template, "DISK", "DOUBT"));
    act(fixture, "terminate");
    answer(fixture, "SHUTDOWN", TRUE, "-");
    answer(fixture, "TRANSFER", TRUE, "-");
    is_ready(image);
}

/* ---- what does ---- */

static void test_host_offline(Fixture *fixture, gconstpointer data)
{
    const Image *image = with_image(fixture);
    put(fixture, VM_ACTIVE, LCM_UNKNOWN);
    set_offline(fixture, 0);
    recover(fixture, 3);
    answer(fixture, "TRANSFER", TRUE, "-"); /* nobody was asked whether it has ended */
    expect(fixture, VM_DONE, LCM_INIT);
    in_error(image, "host h0, where it was, is offline");
}

static void test_terminated_on_a_host_offline(Fixture *fixture, gconstpointer data)
{
    const Image *image = with_image(fixture);
    put(fixture, VM_ACTIVE, LCM_UNKNOWN);
    set_offline(fixture, 0);
    act(fixture, "terminate-hard");
    answer(fixture, "TRANSFER", TRUE, "-");
    expect(fixture, VM_DONE, LCM_INIT);
    in_error(image, "offline");
}

static void declared(Fixture *fixture, VmLcm lcm)
{
    const Image *image = with_image(fixture);
    put(fixture, VM_ACTIVE, lcm);
    recover(fixture, 1);
    if (fixture->vm->state != VM_DONE) /* after the shutdown, the disks */
        answer(fixture, "TRANSFER", TRUE, "-");
    expect(fixture, VM_DONE, LCM_INIT);
    in_error(image, "recover --success");
}

static void test_declared_done(void)
{
    static const VmLcm phases[] = {LCM_SHUTDOWN, LCM_EPILOG, LCM_EPILOG_FAILURE,
                                   LCM_CLEANUP_DELETE};
    for (guint i = 0; i < G_N_ELEMENTS(phases); i++) {
        Fixture fixture;
        set_up(&fixture, NULL);
        declared(&fixture, phases[i]);
        tear_down(&fixture, NULL);
    }
}

static void test_brought_back_by_half(Fixture *fixture, gconstpointer data)
{
    const Image *image = with_image(fixture);
    put(fixture, VM_ACTIVE, LCM_EPILOG);
    answer(fixture, "TRANSFER", FALSE, "no space left");
    expect(fixture, VM_ACTIVE, LCM_EPILOG_FAILURE);
    act(fixture, "terminate");
    answer(fixture, "CLEANUP", TRUE, "-");
    answer(fixture, "TRANSFER", TRUE, "-");
    expect(fixture, VM_DONE, LCM_INIT);
    in_error(image, "half written");
}

static void test_only_the_record_deleted(Fixture *fixture, gconstpointer data)
{
    const Image *image = with_image(fixture);
    put(fixture, VM_ACTIVE, LCM_RUNNING);
    recover(fixture, 5);
    expect(fixture, VM_DONE, LCM_INIT);
    in_error(image, "delete-db");
}

static gboolean lacks_save(Outside *outside, DriverClass class, const char *driver,
                           const char *action)
{
    return strcmp(action, "SAVE") == 0;
}

/* Suspended, its guest stands still on its host with the image. */
static void test_only_the_record_of_a_frozen_one(Fixture *fixture, gconstpointer data)
{
    Image *image = with_image(fixture);
    fixture->small->outside.lacks = lacks_save;
    put(fixture, VM_SUSPENDED, LCM_INIT);
    recover(fixture, 5);
    expect(fixture, VM_DONE, LCM_INIT);
    in_error(image, "delete-db");
}

static void test_detach_declared(Fixture *fixture, gconstpointer data)
{
    const Image *image = with_image(fixture);
    put(fixture, VM_ACTIVE, LCM_RUNNING);
    Template *change = vm_change_new(fixture->vm, "disk-detach");
    template_set_int(change, "STATE", VM_ACTIVE);
    template_set_int(change, "LCM", LCM_HOTPLUG);
    template_set_int(change, "DISK_ID", 0);
    fixture->vm->operation = change;
    vm_enter(fixture->lifecycle, fixture->vm, VM_ACTIVE, LCM_HOTPLUG);
    small_settle(fixture->small);
    recover(fixture, 1);
    expect(fixture, VM_ACTIVE, LCM_RUNNING);
    g_assert_null(template_vector(fixture->vm->head.template, "DISK", 0));
    in_error(image, "HOTPLUG on host h0");
}

#define ADD(name, test) g_test_add(name, Fixture, NULL, set_up, test, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("/doubt/terminated", test_terminated);
    ADD("/doubt/deleted-by-its-host", test_deleted_by_its_host);
    ADD("/doubt/deleted-when-off", test_deleted_when_off);
    ADD("/doubt/is-over", test_doubt_is_over);
    ADD("/doubt/host-offline", test_host_offline);
    ADD("/doubt/terminated-on-a-host-offline", test_terminated_on_a_host_offline);
    g_test_add_func("/doubt/declared-done", test_declared_done);
    ADD("/doubt/brought-back-by-half", test_brought_back_by_half);
    ADD("/doubt/only-the-record-deleted", test_only_the_record_deleted);
    ADD("/doubt/only-the-record-of-a-frozen-one", test_only_the_record_of_a_frozen_one);
    ADD("/doubt/detach-declared", test_detach_declared);
    return g_test_run();
}
