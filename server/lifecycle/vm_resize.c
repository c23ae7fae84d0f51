/* Size and configuration of a machine: see vm_change.c. */
#include "server/lifecycle/internal.h"

#include "lib/base/error.h"

#define refuse(error, ...) (g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION, __VA_ARGS__), FALSE)

static gboolean check_capacity(const Template *capacity, GError **error)
{
    double cores = 0;
    gint64 number;
    gboolean cpu = template_get(capacity, "CPU") != NULL;
    gboolean wrong_cpu =
        cpu && (!template_get_double(capacity, "CPU", &cores) || !(cores > 0 && cores < 1e6));
    gboolean wrong_memory =
        template_get(capacity, "MEMORY") &&
        (!template_get_int(capacity, "MEMORY", &number) || number <= 0 || number > G_MAXINT32);
    gboolean wrong_vcpu =
        template_get(capacity, "VCPU") &&
        (!template_get_int(capacity, "VCPU", &number) || number <= 0 || number > 65536);
    if (!wrong_cpu && !wrong_memory && !wrong_vcpu)
        return TRUE;
    g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                "CPU must be a positive number, MEMORY (MiB) and VCPU positive whole numbers");
    return FALSE;
}

/* A machine that runs changes its size only when its driver says that it can. */
static const VmActionRow *resize_row(Lifecycle *lifecycle, const Vm *vm, GError **error)
{
    const VmActionRow *row = vm_action_row("resize", vm);
    gboolean live = row && row->target.state == VM_ACTIVE;
    if (!row)
        (void)refuse(error, "This action is not available for state %s", vm_shown_state(vm));
    else if (live && !vm_driver_can(lifecycle, vm, "LIVE_RESIZE"))
        (void)refuse(error,
                     "This action is not available for state %s: the driver %s cannot change the "
                     "size of a machine that runs (LIVE_RESIZE of its VM_MAD); power it off first",
                     vm_shown_state(vm), vm_last_record(vm)->vm_mad);
    else
        return row;
    return NULL;
}

gboolean vm_resize(Lifecycle *lifecycle, Vm *vm, const Template *capacity, gboolean enforce,
                   const VmAsker *asker, GError **error)
{
    static const char *const sizes[] = {"CPU", "VCPU", "MEMORY"};
    World *world = lifecycle->world;
    const VmActionRow *row = resize_row(lifecycle, vm, error);
    if (!row || !check_capacity(capacity, error))
        return FALSE;
    Template *change = vm_change_new(vm, row->word);
    g_autoptr(Template) before = template_copy(vm->head.template);
    gint64 old_cpu, old_memory, new_cpu, new_memory;
    vm_capacity(vm, &old_cpu, &old_memory);
    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++)
        if (template_get(capacity, sizes[i]))
            template_set(vm->head.template, sizes[i], template_get(capacity, sizes[i]));
    vm_capacity(vm, &new_cpu, &new_memory);
    const VmRecord *last = vm_last_record(vm);
    gboolean on_host = vm->state == VM_POWEROFF || vm->state == VM_ACTIVE;
    Host *host = on_host && last ? host_get(world, last->host) : NULL;
    gboolean grows = new_cpu > old_cpu || new_memory > old_memory;
    if (enforce && host && grows &&
        !host_has_room(host, MAX(new_cpu - old_cpu, 0), MAX(new_memory - old_memory, 0), error)) {
        template_free(vm->head.template);
        vm->head.template = g_steal_pointer(&before);
        template_free(change);
        return FALSE;
    }
    template_set_int(change, "HELD_CPU", old_cpu);
    template_set_int(change, "HELD_MEMORY", old_memory);
    return vm_change_begin(lifecycle, vm, row, change, asker, error);
}

gboolean vm_update_conf(Lifecycle *lifecycle, Vm *vm, Template *after, gboolean context,
                        const VmAsker *asker, GError **error)
{
    const VmActionRow *row = vm_change_row(vm, "updateconf", error);
    if (!row) {
        template_free(after);
        return FALSE;
    }
    VmActionRow chosen = *row;
    if (!context) /* the rest is read when the machine starts */
        chosen.target = (VmTarget){vm->state, vm->lcm};
    if (!context && vm->state == VM_ACTIVE) {
        template_free(vm->head.template);
        vm->head.template = after;
        object_changed(lifecycle->world, &vm->head);
        return TRUE;
    }
    Template *change = vm_change_new(vm, row->word);
    template_free(vm->head.template);
    vm->head.template = after;
    return vm_change_begin(lifecycle, vm, &chosen, change, asker, error);
}
