/*
 * A machine and two hosts, h0 and h1, in a small world: what drivers were asked, and answers
 * to it, as the test wants them.
 */
#pragma once

#include "server/lifecycle/internal.h"

#include "lib/base/error.h"
#include "server/model/storage/image_backup.h"
#include "tests/unit/small_world.h"

typedef struct Fixture {
    SmallWorld *small;
    Lifecycle *lifecycle;
    Vm *vm;
    guint seen; /* requests of `sent` that were looked at already */
} Fixture;

static const VmAsker asker = {0, 0, 1};
static const VmMove live_move = {TRUE, 0, NULL}, cold_move = {FALSE, 0, NULL};

/* ---- hosts h0 and h1, and a machine ---- */

static inline const DriverRequest *sent_last(const Fixture *fixture, const char *action)
{
    for (guint i = fixture->small->sent->len; i-- > fixture->seen;) {
        const DriverRequest *request = fixture->small->sent->pdata[i];
        if (!action || !strcmp(request->action, action))
            return request;
    }
    return NULL;
}

typedef struct Say {
    CoreInput input;
    Lifecycle *lifecycle;
    guint64 number;
    gboolean success, lost;
    char *info;
} Say;

static inline void say_handle(Core *core, CoreInput *input)
{
    Say *say = (Say *)input;
    if (say->lost)
        lifecycle_lost(say->lifecycle, say->number);
    else
        lifecycle_answer(say->lifecycle, say->number, say->success, say->info);
}

static inline void say_destroy(CoreInput *input)
{
    g_free(((Say *)input)->info);
    g_free(input);
}

static inline void say(Fixture *fixture, guint64 number, gboolean success, gboolean lost,
                       const char *info)
{
    Say *said = g_new0(Say, 1);
    said->input.handle = say_handle;
    said->input.destroy = say_destroy;
    said->lifecycle = fixture->lifecycle;
    said->number = number;
    said->success = success;
    said->lost = lost;
    said->info = g_strdup(info);
    core_post(fixture->small->core, &said->input);
    small_settle(fixture->small);
}

/* Answers the last request of that action; what was sent before is done with. */
static inline void answer(Fixture *fixture, const char *action, gboolean success, const char *info)
{
    const DriverRequest *request = sent_last(fixture, action);
    if (!request)
        g_error("no %s was sent; the machine is %s", action, vm_shown_state(fixture->vm));
    guint64 number = request->number;
    fixture->seen = fixture->small->sent->len;
    say(fixture, number, success, FALSE, info);
}

/* A POLL that asks that host. */
static inline guint64 poll_of(const Fixture *fixture, const char *host)
{
    for (guint i = fixture->small->sent->len; i-- > fixture->seen;) {
        const DriverRequest *request = fixture->small->sent->pdata[i];
        gsize length;
        if (strcmp(request->action, "POLL") != 0)
            continue;
        g_autofree char *document = (char *)g_base64_decode(request->payload, &length);
        g_autofree char *text = g_strndup(document, length);
        g_autofree char *wanted = g_strdup_printf("<HOST>%s</HOST>", host);
        if (strstr(text, wanted))
            return request->number;
    }
    return 0;
}

static inline void report(Fixture *fixture, gint32 id, gboolean complete, const char *machines)
{
    Host *host = host_get(fixture->small->world, id);
    g_autofree char *text = g_strdup_printf("TOTALCPU=800\nTOTALMEMORY=16777216\n%s%s",
                                            complete ? "SYNC_STATE=yes\n" : "", machines);
    g_autofree char *payload = g_base64_encode((const guchar *)text, strlen(text));
    g_assert_cmpuint(host->request, !=, 0);
    say(fixture, host->request, TRUE, FALSE, payload);
}

/* The next question to a host is under way. */
static inline void until_asked(Fixture *fixture, gint32 id)
{
    while (!host_get(fixture->small->world, id)->request)
        small_wait(fixture->small, 1);
}

static inline void set_up(Fixture *fixture, gconstpointer data)
{
    fixture->small = small_world_new(data);
    small_world_live(fixture->small);
    World *world = fixture->small->world;
    fixture->lifecycle = fixture->small->lifecycle;
    fixture->seen = 0;
    for (guint i = 0; i < 2; i++) {
        g_autofree char *name = g_strdup_printf("h%u", i);
        host_start_monitoring(fixture->lifecycle, host_create(world, name, "im", "vmm", 0));
    }
    small_settle(fixture->small);
    report(fixture, 0, TRUE, "");
    report(fixture, 1, TRUE, "");
    Template *template =
        template_parse("CPU=1\nMEMORY=64\nDISK=[DISK_ID=0,TYPE=fs,SIZE=1]", 0, NULL);
    fixture->vm = vm_create(world, "one", 0, 0, template, template_new(), FALSE);
    small_settle(fixture->small);
    small_wait(fixture->small, 1);
    fixture->seen = fixture->small->sent->len;
}

static inline void tear_down(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GPtrArray) found = world_check(fixture->small->world);
    for (guint i = 0; i < found->len; i++)
        g_error("%s", (char *)found->pdata[i]);
    small_world_free(fixture->small);
}

static inline void add_record(Fixture *fixture, gint32 host, gint action)
{
    VmRecord *record = vm_add_record(fixture->small->world, fixture->vm);
    record->host = host;
    record->host_name = g_strdup_printf("h%d", host);
    record->vm_mad = g_strdup("vmm");
    record->tm_mad = g_strdup("ssh");
    record->datastore = 0;
    record->action = action;
    vm_record_changed(fixture->small->world, fixture->vm, record);
}

static inline gboolean moves(VmLcm lcm)
{
    return lcm == LCM_MIGRATE || lcm == LCM_SAVE_MIGRATE || lcm == LCM_PROLOG_MIGRATE ||
           lcm == LCM_PROLOG_MIGRATE_POWEROFF || lcm == LCM_PROLOG_MIGRATE_SUSPEND ||
           lcm == LCM_PROLOG_MIGRATE_UNKNOWN;
}

/* A new image, to which the disk is saved, as it is in use. */
static inline void save_to_image(Fixture *fixture, Template *change)
{
    World *world = fixture->small->world;
    const ImageDraft draft = {.name = "saved",
                              .source = "/ds/1/0-x",
                              .format = "raw",
                              .size = 1,
                              .template = template_new()};
    Image *image = image_create(world, datastore_get(world, 1), &draft);
    image_begin(fixture->lifecycle, image, IMAGE_WORK_SAVE);
    template_set_int(change, "IMAGE_ID", image->head.id);
    template_set(change, "LIVE", "YES");
}

/* A new image that holds, or shall hold, the backup of the disk. */
static inline void keep_in_image(Fixture *fixture, Template *change)
{
    World *world = fixture->small->world;
    const ImageDraft draft = {.name = "backup",
                              .source = "/ds/1/0-x",
                              .type = IMAGE_BACKUP,
                              .format = "raw",
                              .template = template_new()};
    g_autoptr(GArray) disks = g_array_new(FALSE, TRUE, sizeof(gint32));
    g_array_set_size(disks, 1); /* disk 0 */
    Image *image = image_create(world, datastore_get(world, 1), &draft);
    image_backup_describe(image, fixture->vm, disks);
    template_set_int(change, "NUMBER", image_backup_begin(world, image, 1));
    image_begin(fixture->lifecycle, image, IMAGE_WORK_BACKUP);
    template_set_int(change, "IMAGE_ID", image->head.id);
    template_set_int(change, "PARENT", -1);
    template_set(change, "DISKS", "0");
}

/* The first change that leads to that phase is under way. */
static inline void begin_change(Fixture *fixture, VmLcm lcm)
{
    for (const VmActionRow *row = vm_action_rows(); row->word; row++) {
        if (row->what != DO_CHANGE || row->target.state != VM_ACTIVE || row->target.lcm != lcm)
            continue;
        Template *change = vm_change_new(fixture->vm, row->word);
        template_set_int(change, "STATE", row->state);
        template_set_int(change, "LCM", lcm);
        template_set_int(change, "DISK_ID", 0);
        template_set_int(change, "NIC_ID", 0);
        template_set_int(change, "SNAPSHOT_ID", 0);
        if (strcmp(row->word, "disk-saveas") == 0)
            save_to_image(fixture, change);
        if (strcmp(row->word, "backup") == 0 || strcmp(row->word, "restore") == 0)
            keep_in_image(fixture, change);
        fixture->vm->operation = change;
        return;
    }
}

/* The machine in that state, as it would have come there: on h0, or on its way from h0 to h1. */
static inline void put(Fixture *fixture, VmState state, VmLcm lcm)
{
    Vm *vm = fixture->vm;
    gboolean placed = state != VM_PENDING && state != VM_HOLD && state != VM_INIT &&
                      state != VM_CLONING && state != VM_CLONING_FAILURE;
    VmLcm phase = state == VM_ACTIVE && vm_is_failure(lcm) ? vm_failed_phase(lcm) : lcm;
    if (placed)
        add_record(fixture, 0, state == VM_ACTIVE && moves(phase) ? VM_ACTION_MIGRATE : 0);
    if (state == VM_ACTIVE && phase == LCM_PROLOG_MIGRATE) /* it has left h0 already */
        vm_close_record(fixture->lifecycle, vm, vm_last_record(vm));
    if (state == VM_ACTIVE && moves(phase))
        add_record(fixture, 1, 0);
    if (state == VM_STOPPED || state == VM_UNDEPLOYED || state == VM_DONE) {
        vm_last_record(vm)->action = state == VM_STOPPED ? VM_ACTION_STOP : VM_ACTION_UNDEPLOY;
        vm_close_record(fixture->lifecycle, vm, vm_last_record(vm));
    }
    if (lcm == LCM_DISK_RESIZE_UNDEPLOYED || lcm == LCM_HOTPLUG_SAVEAS_UNDEPLOYED ||
        lcm == LCM_HOTPLUG_SAVEAS_STOPPED) {
        vm_last_record(vm)->action = VM_ACTION_UNDEPLOY;
        vm_close_record(fixture->lifecycle, vm, vm_last_record(vm));
    }
    fixture->seen = fixture->small->sent->len;
    if (state == VM_ACTIVE)
        begin_change(fixture, lcm);
    vm_enter(fixture->lifecycle, vm, state, lcm);
    small_settle(fixture->small);
}

static inline void expect(const Fixture *fixture, VmState state, VmLcm lcm)
{
    g_assert_cmpstr(vm_state_name(fixture->vm->state), ==, vm_state_name(state));
    g_assert_cmpstr(vm_lcm_name(fixture->vm->lcm), ==, vm_lcm_name(lcm));
}

/* ---- migration ---- */

static inline void migrate_live(Fixture *fixture)
{
    put(fixture, VM_ACTIVE, LCM_RUNNING);
    VmPlace place = {1, -1, TRUE};
    g_autoptr(GError) error = NULL;
    template_set(host_get(fixture->small->world, 1)->head.template, "TM_MAD", "ssh");
    vm_migrate(fixture->lifecycle, fixture->vm, &place, &live_move, &asker, &error);
    g_assert_no_error(error);
    small_settle(fixture->small);
    answer(fixture, "TRANSFER", TRUE, "-"); /* PREMIGRATE, since storage is not shared */
    g_assert_cmpint(host_get(fixture->small->world, 0)->cpu_usage, ==, 100);
    g_assert_cmpint(host_get(fixture->small->world, 1)->cpu_usage, ==, 100);
}

static inline void hosts_say(Fixture *fixture, const char *h0, const char *h1)
{
    guint64 first = poll_of(fixture, "h0"), second = poll_of(fixture, "h1");
    g_assert_cmpuint(first, !=, 0);
    g_assert_cmpuint(second, !=, 0);
    fixture->seen = fixture->small->sent->len;
    say(fixture, first, h0 != NULL, FALSE, h0 ? h0 : "no route");
    say(fixture, second, h1 != NULL, FALSE, h1 ? h1 : "no route");
}

static inline void runs_alone_on(Fixture *fixture, gint32 host)
{
    expect(fixture, VM_ACTIVE, LCM_RUNNING);
    g_assert_cmpint(vm_last_record(fixture->vm)->host, ==, host);
    g_assert_cmpint(host_get(fixture->small->world, host)->cpu_usage, ==, 100);
    g_assert_cmpint(host_get(fixture->small->world, 1 - host)->cpu_usage, ==, 0);
}
