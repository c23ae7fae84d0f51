/* What a host says about the machines on it, for the hypervisor's driver. */
#include "server/lifecycle/internal.h"

/* What a host's template may say about the machines on it, as the driver's defaults do. */
static const char *const host_settings[] = {"CGROUPS_VERSION",
                                            "CPU_MODEL",
                                            "DISK",
                                            "EMULATOR",
                                            "EMULATOR_CPUS",
                                            "FEATURES",
                                            "GRAPHICS",
                                            "HYPERV_OPTIONS",
                                            "HYPERV_TIMERS",
                                            "MEMORY_SLOTS",
                                            "MEMORY_TUNE_OFFSET",
                                            "MIGRATE",
                                            "NIC",
                                            "OS",
                                            "OVMF_UEFIS",
                                            "Q35_NUMA_PCIE",
                                            "Q35_ROOT_PORTS",
                                            "RAW",
                                            "SPICE_OPTIONS",
                                            "TPM",
                                            "VCPU",
                                            "VIDEO",
                                            NULL};

void vm_add_host_settings(Lifecycle *lifecycle, const VmRecord *record, GString *xml)
{
    const Host *host = host_get(lifecycle->world, record->host);
    guint count = host ? template_count(host->head.template) : 0, added = 0;
    for (guint i = 0; i < count; i++) {
        const TemplateAttribute *attribute = template_nth(host->head.template, i);
        if (!g_strv_contains(host_settings, attribute->name))
            continue;
        if (added++ == 0)
            g_string_append(xml, "<HOST_TEMPLATE>");
        template_attribute_append_xml(attribute, xml);
    }
    if (added)
        g_string_append(xml, "</HOST_TEMPLATE>");
}
