#include "drivers/vmm/check/check_facts.h"

static void free_file(gpointer data)
{
    CheckFile *file = data;
    for (guint i = 0; i < CHECK_HOSTS; i++)
        g_free(file->seen[i].file_system);
    g_free(file->path);
    g_free(file);
}

static void free_net(gpointer data)
{
    CheckNet *net = data;
    g_free(net->name);
    g_free(net->problem);
    g_free(net);
}

static void free_device(gpointer data)
{
    CheckDevice *device = data;
    g_free(device->what);
    g_free(device);
}

static void free_cache(gpointer data)
{
    CheckCache *cache = data;
    g_free(cache->target);
    g_free(cache->mode);
    g_free(cache);
}

void check_facts_init(CheckFacts *facts)
{
    *facts = (CheckFacts){
        .presence = {VMM_UNKNOWN, VMM_UNKNOWN},
        .cpu = {.highest_pinned = -1, .destination_cpus = -1},
        .versions = {-1, -1},
        .library_versions = {-1, -1},
        .resident = -1,
        .available = -1,
        .space = -1,
        .dirty_rate = -1,
        .link_rate = -1,
        .files = g_ptr_array_new_with_free_func(free_file),
        .nets = g_ptr_array_new_with_free_func(free_net),
        .devices = g_ptr_array_new_with_free_func(free_device),
        .caches = g_ptr_array_new_with_free_func(free_cache),
    };
}

void check_facts_clear(CheckFacts *facts)
{
    char **texts[] = {
        &facts->options_problem,
        &facts->unreachable,
        &facts->uuid_taken,
        &facts->busy,
        &facts->cpu.mode,
        &facts->cpu.xml,
        &facts->cpu.reason,
        &facts->cpu.models[0],
        &facts->cpu.models[1],
        &facts->cpu.missing,
        &facts->type,
        &facts->arch,
        &facts->machine,
        &facts->emulator,
        &facts->machine_reason,
        &facts->reach[0],
        &facts->reach[1],
        &facts->dirty_reason,
    };
    GPtrArray **arrays[] = {&facts->files, &facts->nets, &facts->devices, &facts->caches};
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++)
        g_clear_pointer(texts[i], g_free);
    for (guint i = 0; i < G_N_ELEMENTS(arrays); i++)
        g_clear_pointer(arrays[i], g_ptr_array_unref);
}
