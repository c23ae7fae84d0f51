/* Images in the model: who may use them and what that makes of their state, copies, snapshots, the
 * room in datastores. */
#include "lib/base/error.h"
#include "server/model/storage/image.h"
#include "server/model/world.h"
#include "tests/unit/small_world.h"

#define MIB_FREE 1000

static Datastore *store_of(SmallWorld *small)
{
    Datastore *datastore = datastore_get(small->world, 1);
    datastore->total_mb = datastore->free_mb = MIB_FREE;
    datastore->measured = core_now_us(small->core) + 1;
    return datastore;
}

static Image *make(SmallWorld *small, gint64 size)
{
    ImageDraft draft = {.name = "image", .size = size, .permissions = 0600, .type = IMAGE_OS};
    return image_create(small->world, store_of(small), &draft);
}

static void assert_checked(SmallWorld *small)
{
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);
    images_check(small->world, found);
    g_assert_cmpstr(found->len ? found->pdata[0] : "", ==, "");
}

/* ---- use ---- */

static const struct {
    ImageState own;
    ImageType type;
    gboolean persistent;
    ImageState first, second; /* after one use and two; INIT: refused */
} uses[] = {
    {IMAGE_READY, IMAGE_OS, FALSE, IMAGE_USED, IMAGE_USED},
    {IMAGE_READY, IMAGE_CDROM, FALSE, IMAGE_USED, IMAGE_USED},
    {IMAGE_READY, IMAGE_DATABLOCK, TRUE, IMAGE_USED_PERS, IMAGE_INIT},
    {IMAGE_READY, IMAGE_FILESYSTEM, TRUE, IMAGE_USED_PERS, IMAGE_INIT},
    {IMAGE_LOCKED, IMAGE_OS, FALSE, IMAGE_LOCKED_USED, IMAGE_LOCKED_USED},
    {IMAGE_LOCKED, IMAGE_OS, TRUE, IMAGE_LOCKED_USED_PERS, IMAGE_INIT},
    {IMAGE_READY, IMAGE_KERNEL, FALSE, IMAGE_INIT, IMAGE_INIT},
    {IMAGE_READY, IMAGE_RAMDISK, FALSE, IMAGE_INIT, IMAGE_INIT},
    {IMAGE_READY, IMAGE_CONTEXT, FALSE, IMAGE_INIT, IMAGE_INIT},
    {IMAGE_READY, IMAGE_BACKUP, FALSE, IMAGE_INIT, IMAGE_INIT},
    {IMAGE_DISABLED, IMAGE_OS, FALSE, IMAGE_INIT, IMAGE_INIT},
    {IMAGE_ERROR, IMAGE_OS, FALSE, IMAGE_INIT, IMAGE_INIT},
    {IMAGE_DELETE, IMAGE_OS, FALSE, IMAGE_INIT, IMAGE_INIT},
};

static void use(SmallWorld *small, Image *image, gint32 vm, ImageState wanted)
{
    g_autoptr(GError) error = NULL;
    ImageState before = image->state;
    guint users = image->users->len;
    gboolean done = image_acquire(small->world, image, vm, &error);
    g_assert_cmpint(done, ==, wanted != IMAGE_INIT);
    if (!done)
        g_assert_error(error, ONE_ERROR, ONE_ERROR_ACTION);
    g_assert_cmpint(image->state, ==, done ? wanted : before);
    g_assert_cmpuint(image->users->len, ==, users + (done ? 1 : 0));
}

static void test_use(void)
{
    for (guint i = 0; i < G_N_ELEMENTS(uses); i++) {
        g_test_message("%s %s %d", image_state_name(uses[i].own), image_type_name(uses[i].type),
                       uses[i].persistent);
        SmallWorld *small = small_world_new("");
        Image *image = make(small, 10);
        image->type = uses[i].type;
        image->persistent = uses[i].persistent;
        if (uses[i].own == IMAGE_LOCKED || uses[i].own == IMAGE_DELETE)
            image_set_work(small->world, image,
                           uses[i].own == IMAGE_LOCKED ? IMAGE_WORK_CP : IMAGE_WORK_RM);
        image_enter(small->world, image, uses[i].own);
        assert_checked(small);
        use(small, image, 7, uses[i].first);
        use(small, image, 7, uses[i].second); /* another disk of the same machine */
        assert_checked(small);
        g_assert_cmpuint(image_uses(image, 7), ==, image->users->len);
        while (image->users->len)
            g_assert_true(image_release(small->world, image, 7, FALSE));
        g_assert_cmpint(image->state, ==, uses[i].own);
        g_assert_false(image_release(small->world, image, 7, FALSE));
        assert_checked(small);
        small_world_free(small);
    }
}

static void test_release_of_one_disk(void)
{
    SmallWorld *small = small_world_new("");
    Image *image = make(small, 10);
    image_enter(small->world, image, IMAGE_READY);
    for (gint32 vm = 9; vm >= 3; vm -= 3)
        g_assert_true(image_acquire(small->world, image, vm, NULL));
    g_assert_true(image_acquire(small->world, image, 6, NULL));
    g_assert_true(image_release(small->world, image, 6, TRUE)); /* not persistent: nothing broke */
    g_assert_cmpint(image->state, ==, IMAGE_USED);
    g_autoptr(GString) xml = g_string_new(NULL);
    image_render(small->world, &image->head, xml);
    g_assert_nonnull(strstr(xml->str, "<RUNNING_VMS>3</RUNNING_VMS>"));
    g_assert_nonnull(strstr(xml->str, "<VMS><ID>3</ID><ID>6</ID><ID>9</ID></VMS>"));
    g_assert_true(image_in_use(image));
    small_world_free(small);
}

/* What a persistent image holds after a machine that failed, nobody knows. */
static void test_broken(void)
{
    SmallWorld *small = small_world_new("");
    Image *image = make(small, 10);
    image->persistent = TRUE;
    image_enter(small->world, image, IMAGE_READY);
    g_assert_true(image_acquire(small->world, image, 1, NULL));
    g_assert_true(image_release(small->world, image, 1, TRUE));
    g_assert_cmpint(image->state, ==, IMAGE_ERROR);
    g_assert_cmpint(image->previous_state, ==, IMAGE_USED_PERS);
    small_world_free(small);
}

/* ---- copies ---- */

static void test_copies(void)
{
    SmallWorld *small = small_world_new("");
    Image *source = make(small, 10), *copy = make(small, 10);
    image_enter(small->world, source, IMAGE_READY);
    image_set_work(small->world, copy, IMAGE_WORK_CLONE);
    image_enter(small->world, copy, IMAGE_LOCKED);
    image_cloning_begin(small->world, source, copy);
    g_assert_cmpint(source->state, ==, IMAGE_CLONE);
    assert_checked(small);
    g_assert_true(image_acquire(small->world, source, 1, NULL));
    g_assert_cmpint(source->state, ==, IMAGE_USED); /* used, and copied as well */
    g_assert_true(image_release(small->world, source, 1, FALSE));
    g_assert_cmpint(source->state, ==, IMAGE_CLONE);
    source->persistent = TRUE;
    use(small, source, 1, IMAGE_INIT); /* who writes must not be copied */
    source->persistent = FALSE;
    image_cloning_end(small->world, copy);
    g_assert_cmpint(source->state, ==, IMAGE_READY);
    g_assert_cmpint(copy->cloning_id, ==, -1);
    image_set_work(small->world, copy, IMAGE_NO_WORK);
    image_enter(small->world, copy, IMAGE_READY);
    assert_checked(small);
    small_world_free(small);
}

/* ---- snapshots: 0 <- 1 <- 2, 1 <- 3 (the base) ---- */

static void add_snapshots(Image *image)
{
    static const gint parents[] = {-1, 0, 1, 1};
    for (gint i = 0; i < (gint)G_N_ELEMENTS(parents); i++) {
        TemplateAttribute *snapshot = template_add_vector(image->snapshots, "SNAPSHOT");
        attribute_set_int(snapshot, "ID", i);
        attribute_set_int(snapshot, "PARENT", parents[i]);
        attribute_set_int(snapshot, "DATE", 5);
        attribute_set_int(snapshot, "SIZE", 10);
    }
    template_set_int(image->snapshots, "CURRENT_BASE", 3);
    template_set_int(image->snapshots, "NEXT_SNAPSHOT", 4);
}

static void test_snapshots(void)
{
    SmallWorld *small = small_world_new("");
    Image *image = make(small, 10);
    add_snapshots(image);
    g_assert_cmpuint(image_snapshot_count(image), ==, 4);
    g_assert_true(image_snapshot_is_base(image, 3) && !image_snapshot_is_base(image, 2));
    g_assert_true(image_snapshot_has_children(image, 1) && !image_snapshot_has_children(image, 2));
    g_assert_null(image_snapshot(image, 4));
    g_autoptr(GString) xml = g_string_new(NULL);
    image_render(small->world, &image->head, xml);
    g_assert_nonnull(strstr(xml->str, "<CHILDREN><![CDATA[2,3]]></CHILDREN>"));
    g_assert_nonnull(
        strstr(xml->str, "<SNAPSHOT><ACTIVE><![CDATA[YES]]></ACTIVE><DATE>5</DATE><ID>3"));
    image_snapshot_deleted(small->world, image, 1);
    g_assert_cmpstr(attribute_get(image_snapshot(image, 2), "PARENT"), ==, "0");
    g_assert_cmpstr(attribute_get(image_snapshot(image, 3), "PARENT"), ==, "0");
    image_snapshot_reverted(small->world, image, 2);
    g_assert_true(image_snapshot_is_base(image, 2));
    image_snapshot_deleted(small->world, image, 2);
    g_assert_true(image_snapshot_is_base(image, 0));
    image_snapshot_deleted(small->world, image, 99);
    g_assert_cmpuint(image_snapshot_count(image), ==, 2);
    image_snapshots_flattened(small->world, image);
    g_assert_cmpuint(image_snapshot_count(image), ==, 0);
    g_assert_true(image_snapshot_is_base(image, -1));
    small_world_free(small);
}

/* ---- room ---- */

static void assert_room(SmallWorld *small, gint64 size, gboolean wanted)
{
    g_autoptr(GError) error = NULL;
    gboolean room = datastore_has_room(small->world, datastore_get(small->world, 1), size, &error);
    g_assert_cmpint(room, ==, wanted);
    if (!room)
        g_assert_error(error, ONE_ERROR, ONE_ERROR_ACTION);
}

static void test_room(void)
{
    SmallWorld *small = small_world_new("");
    Image *image = make(small, 300);
    Datastore *datastore = datastore_get(small->world, 1);
    image_set_work(small->world, image, IMAGE_WORK_CP);
    image_enter(small->world, image, IMAGE_LOCKED);
    g_assert_cmpint(datastore_reserved_mb(small->world, datastore), ==, 300);
    assert_room(small, 700, TRUE);
    assert_room(small, 701, FALSE);
    image->stored = datastore->measured + 1; /* made after the measurement */
    image_set_work(small->world, image, IMAGE_NO_WORK);
    image_enter(small->world, image, IMAGE_READY);
    assert_room(small, 701, FALSE);
    image->stored = datastore->measured - 1; /* before it: it is part of what was measured */
    assert_room(small, 1000, TRUE);
    datastore->used_mb = 100;
    template_set(datastore->head.template, "LIMIT_MB", "150");
    assert_room(small, 50, TRUE);
    assert_room(small, 51, FALSE);
    template_set(datastore->head.template, "DATASTORE_CAPACITY_CHECK", "NO");
    assert_room(small, 51, TRUE);
    template_set(datastore->head.template, "DATASTORE_CAPACITY_CHECK", NULL);
    datastore->measured = 0;
    assert_room(small, 1, FALSE); /* nobody knows */
    small_world_free(small);
}

/* ---- what must hold ---- */

static void spoil_state(Image *image)
{
    image->state = IMAGE_USED;
}

static void spoil_users(Image *image)
{
    gint32 vm = 3;
    g_array_append_val(image->users, vm);
}

static void spoil_copy(Image *image)
{
    image->cloning_id = 4711;
}

static void spoil_datastore(Image *image)
{
    image->datastore = 2;
}

static void spoil_work(Image *image)
{
    image->work = IMAGE_WORK_CP;
}

static void test_check(void)
{
    static void (*const spoil[])(Image * image) = {spoil_state, spoil_users, spoil_copy,
                                                   spoil_datastore, spoil_work};
    for (guint i = 0; i < G_N_ELEMENTS(spoil); i++) {
        SmallWorld *small = small_world_new("");
        g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);
        Image *image = make(small, 1);
        image_enter(small->world, image, IMAGE_READY);
        assert_checked(small);
        spoil[i](image);
        images_check(small->world, found);
        g_assert_cmpuint(found->len, >=, 1);
        g_assert_true(g_str_has_prefix(found->pdata[0], "image 0 ("));
        small_world_free(small);
    }
}

/* ---- datastores ---- */

static void test_datastore(void)
{
    static const char conf[] =
        "TM_MAD_CONF = [ NAME = one, CLONE_TARGET = SELF, LN_TARGET = NONE, DRIVER = qcow2 ]\n"
        "TM_MAD_CONF = [ NAME = two, CLONE_TARGET = SYSTEM, LN_TARGET = SYSTEM ]\n";
    SmallWorld *small = small_world_new(conf);
    Datastore *datastore =
        datastore_create(small->world, 100, "images", DATASTORE_IMAGE, "fs", "one");
    Template *template = datastore->head.template;
    g_assert_cmpstr(template_get(template, "CLONE_TARGET"), ==, "SELF");
    g_assert_cmpstr(template_get(template, "DRIVER"), ==, "qcow2");
    g_assert_cmpstr(template_get(template, "RESTRICTED_DIRS"), ==, "/");
    g_assert_cmpstr(template_get(template, "SAFE_DIRS"), ==, "/var/tmp");
    g_assert_null(template_get(template, "SHARED"));
    /* Another driver: what the template says by itself stays. */
    template_set(template, "LN_TARGET", "SELF");
    template_set(template, "TM_MAD", "two");
    template_set(template, "TYPE", "SYSTEM_DS");
    datastore_updated(small->world, datastore);
    g_assert_cmpstr(datastore->tm_mad, ==, "two");
    g_assert_cmpstr(template_get(template, "CLONE_TARGET"), ==, "SYSTEM");
    g_assert_cmpstr(template_get(template, "LN_TARGET"), ==, "SELF");
    g_assert_null(template_get(template, "DRIVER"));
    g_assert_cmpstr(template_get(template, "TYPE"), ==, "IMAGE_DS");
    DatastoreType type;
    g_assert_true(datastore_type_read("backup_ds", &type) && type == DATASTORE_BACKUP);
    g_assert_false(datastore_type_read("tape", &type));
    small_world_free(small);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/images/use", test_use);
    g_test_add_func("/images/release-of-one-disk", test_release_of_one_disk);
    g_test_add_func("/images/broken", test_broken);
    g_test_add_func("/images/copies", test_copies);
    g_test_add_func("/images/snapshots", test_snapshots);
    g_test_add_func("/images/room", test_room);
    g_test_add_func("/images/check", test_check);
    g_test_add_func("/images/datastore", test_datastore);
    return g_test_run();
}
