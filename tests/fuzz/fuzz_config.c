/* Configurations: whatever the file says, there are either keys in force or one error. */
#include "server/core/config.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print(Template *template)
{
    g_autofree char *text = template_to_text(template);
    g_autoptr(Template) back = template_parse(text, TEMPLATE_CONFIG, NULL);

    g_assert_nonnull(back);
    template_free(template);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    g_autoptr(GError) error = NULL;
    g_autoptr(Config) config = config_load_text(text, "oned.conf", &error);

    g_assert_true((config != NULL) == (error == NULL));
    if (!config)
        return 0;
    g_assert_cmpint(config_int(config, "PORT"), >=, 0);
    g_assert_cmpint(config_int(config, "PORT"), <=, 65535);
    g_assert_cmpint(config_int(config, "LOG/DEBUG_LEVEL"), <=, 5);
    config_named(config, "VM_MAD", "kvm");
    config_named(config, "TM_MAD", "ssh");
    config_list(config, "VM_RESTRICTED_ATTR", 3);
    config_warning(config);
    print(config_to_template(config));
    print(config_for_clients(config, FALSE));
    return 0;
}
