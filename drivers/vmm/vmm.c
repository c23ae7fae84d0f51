#include "drivers/vmm/vmm.h"

static const VmmFlavour flavours[] = {
    {"dummy", vmm_dummy_actions, NULL, NULL},
};

const VmmFlavour *vmm_flavour(const char *name)
{
    for (guint i = 0; i < G_N_ELEMENTS(flavours); i++)
        if (g_str_equal(flavours[i].name, name))
            return &flavours[i];
    return NULL;
}

char *vmm_flavour_names(void)
{
    GString *names = g_string_new(NULL);
    for (guint i = 0; i < G_N_ELEMENTS(flavours); i++)
        g_string_append_printf(names, "%s%s", i ? " " : "", flavours[i].name);
    return g_string_free(names, FALSE);
}
