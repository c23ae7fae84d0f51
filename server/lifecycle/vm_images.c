/* Machines that wait for images: CLONING until all are ready, CLONING_FAILURE when one failed. */
#include "server/lifecycle/internal.h"

#include "server/model/machine/vm_images.h"

void vm_wait_for_images(Lifecycle *lifecycle, Vm *vm)
{
    /* Where it goes from there. */
    if (vm->state == VM_HOLD)
        template_set(vm->head.template, "SUBMIT_ON_HOLD", "YES");
    vm_set_state(lifecycle->world, vm, VM_CLONING, LCM_INIT);
}

void vm_images_again(Lifecycle *lifecycle, Vm *vm)
{
    const Image *failed = NULL;
    switch (vm_images_look(lifecycle->world, vm->head.template, &failed)) {
    case VM_IMAGES_READY:
        vm_images_describe(lifecycle->world, vm);
        if (template_get(vm->user_template, "ERROR"))
            template_set(vm->user_template, "ERROR", NULL);
        vm_enter(lifecycle, vm,
                 template_get_bool(vm->head.template, "SUBMIT_ON_HOLD", FALSE) ? VM_HOLD
                                                                               : VM_PENDING,
                 LCM_INIT);
        return;
    case VM_IMAGES_WAIT:
        if (vm->state != VM_CLONING)
            vm_enter(lifecycle, vm, VM_CLONING, LCM_INIT);
        return;
    case VM_IMAGES_FAILED: {
        const char *reason = template_get(failed->head.template, "ERROR");
        g_autofree char *text = g_strdup_printf("image %d is not usable: %s", failed->head.id,
                                                reason ? reason : "it is in state ERROR");
        vm_note_failure(lifecycle, vm, text);
        if (vm->state != VM_CLONING_FAILURE)
            vm_enter(lifecycle, vm, VM_CLONING_FAILURE, LCM_INIT);
        return;
    }
    }
}

void vm_images_follow(Lifecycle *lifecycle, const Image *image)
{
    /* A copy: they may change while machines go on. */
    g_autoptr(GArray) users = g_array_copy(image->users);
    for (guint i = 0; i < users->len; i++) {
        Vm *vm = vm_get(lifecycle->world, g_array_index(users, gint32, i));
        if (vm && vm->state == VM_CLONING)
            vm_images_again(lifecycle, vm);
    }
}
