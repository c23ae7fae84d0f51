/* Judges what is known about a migration: a rule for each thing that can stand in its way. */
#include "drivers/vmm/check/check_facts.h"

#include "lib/template/template.h"

#define MIB (1024 * 1024)
/* What QEMU allows itself when nobody says anything; for the estimate. */
#define QEMU_DOWNTIME_MS 300
/* A card whose speed nobody tells: 1 Gbit/s. */
#define ASSUMED_RATE 125000000
/* Since 4.0 QEMU drops what the host has cached of an image when a machine leaves (the option
 * drop-cache of its file driver). */
#define QEMU_DROPS_CACHE 4000000
/* More than that in an image of the destination is data, and PREMIGRATE refuses it. */
#define EMPTY_BYTES (2 * MIB)

typedef enum { RESULT_OK, RESULT_WARNING, RESULT_NO } Result;

typedef struct Verdict {
    Result result;
    GString *text;
} Verdict;

static void say(Verdict *verdict, Result result, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* The worst counts. What is in order is told only when nothing is wrong. */
static void say(Verdict *verdict, Result result, const char *format, ...)
{
    if (result == RESULT_OK && verdict->result != RESULT_OK)
        return;
    if (result != RESULT_OK && verdict->result == RESULT_OK)
        g_string_truncate(verdict->text, 0);
    verdict->result = MAX(verdict->result, result);
    va_list arguments;
    va_start(arguments, format);
    g_string_append(verdict->text, verdict->text->len ? "; " : "");
    g_string_append_vprintf(verdict->text, format, arguments);
    va_end(arguments);
}

/* ---- the machine ---- */

static void judge_destination(const CheckFacts *facts, Verdict *verdict)
{
    if (facts->unreachable)
        say(verdict, RESULT_NO, "%s", facts->unreachable);
    say(verdict, RESULT_OK, "libvirt of %s answers", facts->hosts[CHECK_DESTINATION]);
}

static void judge_machine(const CheckFacts *facts, Verdict *verdict)
{
    VmmPresence presence = facts->presence[CHECK_SOURCE];
    const char *host = facts->hosts[CHECK_SOURCE];
    if (presence != VMM_RUNNING)
        say(verdict, RESULT_NO, "%s %s on %s: only a running machine can be moved live",
            facts->domain, vmm_presence_text(presence), host);
    if (facts->busy)
        say(verdict, RESULT_NO, "libvirt has begun something else with it: %s", facts->busy);
    if (facts->snapshots && !facts->shared)
        say(verdict, RESULT_NO,
            "its %" G_GINT64_FORMAT " snapshots would be lost, since the disks are copied: delete "
            "them, or migrate without --live",
            facts->snapshots);
    say(verdict, RESULT_OK, "%s runs on %s", facts->domain, host);
}

static void judge_name(const CheckFacts *facts, Verdict *verdict)
{
    VmmPresence presence = facts->presence[CHECK_DESTINATION];
    const char *host = facts->hosts[CHECK_DESTINATION];
    if (presence == VMM_PAUSED || presence == VMM_BROKEN)
        say(verdict, RESULT_WARNING,
            "an earlier attempt left %s on %s, where it does not run; the migration removes that "
            "first",
            facts->domain, host);
    else if (presence != VMM_ABSENT)
        say(verdict, RESULT_NO, "there is a domain %s on %s already that %s: remove it there",
            facts->domain, host, vmm_presence_text(presence));
    if (facts->uuid_taken)
        say(verdict, RESULT_NO, "the domain %s on %s has the same UUID: end it there first",
            facts->uuid_taken, host);
    say(verdict, RESULT_OK, "nothing of that name is on %s", host);
}

static void judge_options(const CheckFacts *facts, Verdict *verdict)
{
    const MigrateOptions *options = facts->options;
    if (facts->options_problem)
        say(verdict, RESULT_NO, "%s", facts->options_problem);
    if (options->tls)
        say(verdict, RESULT_WARNING, "TLS=YES: whether both hosts have certificates is not known");
    if (options->tunnel)
        say(verdict, RESULT_WARNING,
            "TUNNEL=YES: whether root of %s reaches %s by ssh is not known",
            facts->hosts[CHECK_SOURCE], facts->hosts[CHECK_DESTINATION]);
    say(verdict, RESULT_OK, "%s, %s", options->postcopy ? "post-copy" : "pre-copy",
        options->peer2peer ? "led by the hosts" : "led by the driver");
}

/* ---- processor and board ---- */

static void judge_passthrough(const CheckFacts *facts, Verdict *verdict)
{
    const CheckCpu *cpu = &facts->cpu;
    const char *here = cpu->models[CHECK_SOURCE], *there = cpu->models[CHECK_DESTINATION];
    if (!here || !there)
        say(verdict, RESULT_WARNING,
            "the machine sees the processor of %s as it is (%s); that of %s is not known",
            facts->hosts[CHECK_SOURCE], cpu->mode,
            facts->hosts[there ? CHECK_SOURCE : CHECK_DESTINATION]);
    else if (!g_str_equal(here, there))
        say(verdict, RESULT_WARNING,
            "the machine sees the processor as it is (%s): %s here, %s on %s; the guest may crash",
            cpu->mode, here, there, facts->hosts[CHECK_DESTINATION]);
    if (cpu->missing)
        say(verdict, RESULT_WARNING, "%s has no %s", facts->hosts[CHECK_DESTINATION], cpu->missing);
    say(verdict, RESULT_OK, "both hosts have %s with the same features", here ? here : "it");
}

static void judge_cpu(const CheckFacts *facts, Verdict *verdict)
{
    const CheckCpu *cpu = &facts->cpu;
    const char *host = facts->hosts[CHECK_DESTINATION];
    gboolean custom = g_strcmp0(cpu->mode, "custom") == 0;
    if (cpu->highest_pinned >= 0 && cpu->destination_cpus >= 0 &&
        cpu->highest_pinned >= cpu->destination_cpus)
        say(verdict, RESULT_NO,
            "the machine is pinned to CPU %" G_GINT64_FORMAT ", and %s has %" G_GINT64_FORMAT,
            cpu->highest_pinned, host, cpu->destination_cpus);
    if (custom && cpu->fits == CHECK_NO)
        say(verdict, RESULT_NO, "%s: %s", host, cpu->reason ? cpu->reason : "it lacks features");
    else if (custom && cpu->fits == CHECK_UNKNOWN)
        say(verdict, RESULT_WARNING, "whether %s has the machine's processor is not known: %s",
            host, cpu->reason ? cpu->reason : "it was not asked");
    else if (cpu->mode && !custom)
        judge_passthrough(facts, verdict);
    say(verdict, RESULT_OK, "%s has all that the machine sees of its processor", host);
}

static void judge_board(const CheckFacts *facts, Verdict *verdict)
{
    const char *board = facts->machine ? facts->machine : "the machine's board";
    const char *host = facts->hosts[CHECK_DESTINATION];
    /* No host says whether its hypervisor was built with shadow paging. */
    if (facts->paravirtual)
        say(verdict, RESULT_WARNING,
            "a PV machine moves live only if the Xen of %s has shadow paging, which Debian's has "
            "not; OS/MACHINE=xenpvh makes a machine that can, and migrate without --live always "
            "works",
            facts->hosts[CHECK_SOURCE]);
    if (facts->machine_fits == CHECK_YES)
        say(verdict, RESULT_OK, "%s has %s", host, board);
    else if (facts->machine_fits == CHECK_NO)
        say(verdict, RESULT_NO, "%s cannot run %s: %s", host, board, facts->machine_reason);
    else
        say(verdict, RESULT_WARNING, "whether %s has %s is not known: %s", host, board,
            facts->machine_reason ? facts->machine_reason : "it was not asked");
}

/* libvirt's counting: 1000000 * major + 1000 * minor + release. */
static void compare_versions(const CheckFacts *facts, const gint64 *versions, const char *what,
                             Verdict *verdict)
{
    gint64 here = versions[CHECK_SOURCE], there = versions[CHECK_DESTINATION];
    if (here < 0 || there < 0)
        say(verdict, RESULT_WARNING, "the versions of %s are not known", what);
    else if (there < here)
        say(verdict, RESULT_WARNING,
            "%s has the older %s, %d.%d.%d against %d.%d.%d: the way there may be closed",
            facts->hosts[CHECK_DESTINATION], what, (int)(there / 1000000),
            (int)(there / 1000 % 1000), (int)(there % 1000), (int)(here / 1000000),
            (int)(here / 1000 % 1000), (int)(here % 1000));
    else
        say(verdict, RESULT_OK, "%s %d.%d.%d", what, (int)(there / 1000000),
            (int)(there / 1000 % 1000), (int)(there % 1000));
}

static void judge_versions(const CheckFacts *facts, Verdict *verdict)
{
    compare_versions(facts, facts->versions, "hypervisor", verdict);
    compare_versions(facts, facts->library_versions, "libvirt", verdict);
}

static void judge_memory(const CheckFacts *facts, Verdict *verdict)
{
    const char *host = facts->hosts[CHECK_DESTINATION];
    if (facts->available < 0)
        say(verdict, RESULT_WARNING, "how much memory %s has free is not known", host);
    else if (facts->available < facts->memory)
        say(verdict, RESULT_NO,
            "%s has %" G_GINT64_FORMAT " MiB free, and the machine may take %" G_GINT64_FORMAT,
            host, facts->available / MIB, facts->memory / MIB);
    else
        say(verdict, RESULT_OK, "%" G_GINT64_FORMAT " of %" G_GINT64_FORMAT " MiB that %s has free",
            facts->memory / MIB, facts->available / MIB, host);
}

static void judge_devices(const CheckFacts *facts, Verdict *verdict)
{
    for (guint i = 0; i < facts->devices->len; i++) {
        const CheckDevice *device = facts->devices->pdata[i];
        say(verdict, device->fatal ? RESULT_NO : RESULT_WARNING, "%s: %s", device->what,
            device->why);
    }
    say(verdict, RESULT_OK, "no device belongs to the host");
}

/* ---- disks ---- */

/* Local file systems give each file a number that means nothing elsewhere; so two files with
 * the same number there, born in the same second, are one file that both hosts see (a bind mount,
 * a disk that both have mounted). With others that a network or FUSE stands behind, a difference
 * proves nothing. */
static gboolean is_local(const CheckSeen *seen)
{
    static const char *const locals[] = {"ext2/ext3", "xfs", "btrfs", "zfs", "tmpfs", "f2fs", NULL};
    return seen->file_system && g_strv_contains(locals, seen->file_system);
}

static gboolean is_same(const CheckSeen *one, const CheckSeen *other)
{
    gboolean born = !one->born || !other->born || one->born == other->born;
    return one->inode == other->inode && born &&
           g_strcmp0(one->file_system, other->file_system) == 0;
}

static void judge_shared_file(const CheckFacts *facts, const CheckFile *file, Verdict *verdict)
{
    const CheckSeen *here = &file->seen[CHECK_SOURCE], *there = &file->seen[CHECK_DESTINATION];
    const char *host = facts->hosts[CHECK_DESTINATION];
    if (there->there == CHECK_NO)
        say(verdict, RESULT_NO, "%s is not there on %s", file->path, host);
    else if (there->read_only)
        say(verdict, RESULT_NO, "%s cannot be written on %s: its file system is mounted read-only",
            file->path, host);
    else if (there->there == CHECK_UNKNOWN || here->there != CHECK_YES)
        say(verdict, RESULT_WARNING, "whether %s has %s is not known", host, file->path);
    else if (file->role != CHECK_BOOT && !is_same(here, there) && is_local(there))
        say(verdict, RESULT_NO,
            "%s has another file at %s (on a local file system, %s): the system datastore is not "
            "shared by these hosts, though it says SHARED=YES",
            host, file->path, there->file_system);
    else if (file->role != CHECK_BOOT && !is_same(here, there))
        say(verdict, RESULT_WARNING,
            "whether %s is the same file on both hosts cannot be seen on the file system %s",
            file->path, there->file_system);
}

/* What is in the machine's directory the transfer driver makes at the destination, before the
 * hypervisor fills it. All else must be there. */
static void judge_mirrored_file(const CheckFacts *facts, const CheckFile *file, Verdict *verdict)
{
    const CheckSeen *there = &file->seen[CHECK_DESTINATION];
    const char *host = facts->hosts[CHECK_DESTINATION];
    gboolean own = facts->directory && g_str_has_prefix(file->path, facts->directory);
    if (there->there == CHECK_UNKNOWN)
        say(verdict, RESULT_WARNING, "whether %s has %s is not known", host, file->path);
    else if (own && file->role == CHECK_DISK && file->writable && there->there == CHECK_YES &&
             there->used > EMPTY_BYTES)
        say(verdict, RESULT_NO,
            "%s already has %s with %" G_GINT64_FORMAT
            " KiB of data: make sure that the machine does not run there, then remove it",
            host, file->path, there->used / 1024);
    else if (!own && there->there == CHECK_NO && file->role != CHECK_BASE)
        say(verdict, RESULT_NO,
            "%s is not there on %s, and is not in the machine's directory, which is copied",
            file->path, host);
}

static void judge_disks(const CheckFacts *facts, Verdict *verdict)
{
    for (guint i = 0; i < facts->files->len; i++) {
        if (facts->shared)
            judge_shared_file(facts, facts->files->pdata[i], verdict);
        else
            judge_mirrored_file(facts, facts->files->pdata[i], verdict);
    }
    for (guint i = 0; i < CHECK_HOSTS && verdict->result != RESULT_OK; i++)
        if (facts->reach[i])
            say(verdict, RESULT_WARNING, "%s", facts->reach[i]);
    say(verdict, RESULT_OK,
        facts->shared ? "both hosts see the same files" : "they are copied during the migration");
}

/* Of what is copied. `whole`: as if the guest had written all of it. */
static gint64 disk_bytes(const CheckFacts *facts, gboolean whole)
{
    gint64 sum = 0;
    for (guint i = 0; i < facts->files->len; i++) {
        const CheckFile *file = facts->files->pdata[i];
        if (file->role == CHECK_DISK)
            sum += MAX(whole ? MAX(file->capacity, file->allocated) : file->allocated, 0);
    }
    return sum;
}

static void judge_space(const CheckFacts *facts, Verdict *verdict)
{
    const char *host = facts->hosts[CHECK_DESTINATION];
    gint64 least = disk_bytes(facts, FALSE), most = disk_bytes(facts, TRUE);
    if (facts->shared)
        say(verdict, RESULT_OK, "nothing is copied");
    else if (facts->space < 0)
        say(verdict, RESULT_WARNING, "how much space %s has for %s is not known", host,
            facts->directory);
    else if (facts->space < least)
        say(verdict, RESULT_NO,
            "%s has %" G_GINT64_FORMAT " MiB for %s, and the disks hold %" G_GINT64_FORMAT, host,
            facts->space / MIB, facts->directory, least / MIB);
    else if (facts->space < most)
        say(verdict, RESULT_WARNING,
            "%s has %" G_GINT64_FORMAT " MiB for %s: enough now, but the disks may grow to "
            "%" G_GINT64_FORMAT,
            host, facts->space / MIB, facts->directory, most / MIB);
    else
        say(verdict, RESULT_OK, "%" G_GINT64_FORMAT " of %" G_GINT64_FORMAT " MiB on %s",
            most / MIB, facts->space / MIB, host);
}

/* libvirt's own rule, which it does not apply where SHARED=YES vouches for the storage. */
static void judge_cache(const CheckFacts *facts, Verdict *verdict)
{
    static const char *const safe[] = {"none", "directsync", NULL};
    gboolean drops = facts->versions[CHECK_SOURCE] >= QEMU_DROPS_CACHE &&
                     facts->versions[CHECK_DESTINATION] >= QEMU_DROPS_CACHE;
    for (guint i = 0; i < facts->caches->len && facts->shared; i++) {
        const CheckCache *cache = facts->caches->pdata[i];
        const char *mode = cache->mode ? cache->mode : "writeback, QEMU's own";
        if (g_strv_contains(safe, mode))
            continue;
        say(verdict, drops ? RESULT_WARNING : RESULT_NO,
            drops ? "%s has cache=%s: QEMU drops the cache when the machine leaves; none or "
                    "directsync is sure"
                  : "%s has cache=%s, and this QEMU does not drop its cache: the disk may be "
                    "damaged; only none and directsync are safe",
            cache->target, mode);
    }
    say(verdict, RESULT_OK, "no host keeps a cache of them");
}

/* ---- networks ---- */

static void judge_networks(const CheckFacts *facts, Verdict *verdict)
{
    const char *host = facts->hosts[CHECK_DESTINATION];
    for (guint i = 0; i < facts->nets->len; i++) {
        const CheckNet *net = facts->nets->pdata[i];
        const char *what = net->of_libvirt ? "libvirt network" : "bridge";
        if (net->there == CHECK_NO)
            say(verdict, RESULT_NO, "%s has no %s %s: make it there", host, what, net->name);
        else if (net->there == CHECK_UNKNOWN)
            say(verdict, RESULT_WARNING, "whether %s has a %s %s is not known%s%s", host, what,
                net->name, net->problem ? ": " : "", net->problem ? net->problem : "");
        else
            say(verdict, RESULT_OK, "%s has %s", host, net->name);
    }
    if (!facts->nets->len)
        say(verdict, RESULT_OK, "the machine has none");
}

/* ---- how long it takes ---- */

static gint64 link_rate(const CheckFacts *facts)
{
    gint64 rate = facts->link_rate > 0 ? facts->link_rate : ASSUMED_RATE;
    gint64 limit = facts->options->bandwidth_mibs * MIB;
    return limit ? MIN(rate, limit) : rate;
}

static gint64 memory_bytes(const CheckFacts *facts)
{
    return facts->resident >= 0 ? facts->resident : facts->memory;
}

static MigrateEstimate estimate(const CheckFacts *facts)
{
    const MigrateOptions *options = facts->options;
    const MigrateLoad load = {
        .memory = memory_bytes(facts),
        .disks = facts->shared ? 0 : disk_bytes(facts, FALSE),
        .dirty_rate = MAX(facts->dirty_rate, 0),
        .link_rate = link_rate(facts),
        .max_downtime_ms = options->max_downtime_ms ? options->max_downtime_ms : QEMU_DOWNTIME_MS,
        .postcopy = options->postcopy,
        .auto_converge = options->auto_converge,
    };
    return migrate_estimate(&load);
}

static void judge_link(const CheckFacts *facts, Verdict *verdict)
{
    gint64 limit = facts->options->bandwidth_mibs;
    if (facts->link_silent)
        say(verdict, RESULT_WARNING,
            "from %s nobody answers at %s, port 22: if the network between them is cut, and not "
            "ssh alone, the memory cannot go there",
            facts->hosts[CHECK_SOURCE], facts->hosts[CHECK_DESTINATION]);
    else if (facts->link_rate <= 0)
        say(verdict, RESULT_WARNING,
            "the speed of the network between the hosts is not known; the estimate takes 1 Gbit/s");
    else
        say(verdict, RESULT_OK, "%" G_GINT64_FORMAT " MiB/s, by %s", facts->link_rate / MIB,
            facts->link_measured ? "an earlier migration between these hosts"
                                 : "the network card of the source");
    if (limit && limit * MIB < facts->link_rate)
        say(verdict, RESULT_OK, "of which BANDWIDTH allows %" G_GINT64_FORMAT, limit);
}

static void judge_duration(const CheckFacts *facts, Verdict *verdict)
{
    MigrateEstimate expected = estimate(facts);
    gint64 limit = facts->options->time_limit_s;
    if (facts->dirty_rate < 0)
        say(verdict, RESULT_WARNING,
            "how fast the guest writes its memory was not measured (%s); the estimate takes it as "
            "idle",
            facts->dirty_reason ? facts->dirty_reason : "it was not asked");
    if (!expected.converges)
        say(verdict, RESULT_WARNING,
            "the guest writes %" G_GINT64_FORMAT
            " MiB/s, which is more than the network carries: the migration may never end. "
            "POSTCOPY=YES ends it",
            facts->dirty_rate / MIB);
    else if (limit && expected.total_ms > limit * 1000)
        say(verdict, RESULT_WARNING,
            "it will take about %" G_GINT64_FORMAT " s, and TIME_LIMIT gives it %" G_GINT64_FORMAT,
            expected.total_ms / 1000, limit);
    else if (expected.throttle)
        say(verdict, RESULT_WARNING,
            "the guest writes %" G_GINT64_FORMAT
            " MiB/s: AUTO_CONVERGE will slow it by about %u percent",
            facts->dirty_rate / MIB, expected.throttle);
    else
        say(verdict, RESULT_OK, "%u rounds over the memory", expected.rounds);
}

/* ---- all together ---- */

/* What must be known before a rule can be applied. */
typedef enum {
    NEEDS_NOTHING,
    NEEDS_DESTINATION,
    NEEDS_BOTH, /* the machine's document too */
} Needs;

static const struct {
    const char *name;
    void (*judge)(const CheckFacts *facts, Verdict *verdict);
    Needs needs;
} rules[] = {
    {"destination", judge_destination},
    {"machine", judge_machine},
    {"options", judge_options},
    {"name", judge_name, NEEDS_DESTINATION},
    {"cpu", judge_cpu, NEEDS_BOTH},
    {"machine-type", judge_board, NEEDS_BOTH},
    {"versions", judge_versions, NEEDS_BOTH},
    {"memory", judge_memory, NEEDS_BOTH},
    {"devices", judge_devices, NEEDS_BOTH},
    {"disks", judge_disks, NEEDS_BOTH},
    {"space", judge_space, NEEDS_BOTH},
    {"cache", judge_cache, NEEDS_BOTH},
    {"networks", judge_networks, NEEDS_BOTH},
    {"link", judge_link, NEEDS_BOTH},
    {"duration", judge_duration, NEEDS_BOTH},
};

static gboolean can_judge(const CheckFacts *facts, Needs needs)
{
    return needs == NEEDS_NOTHING ||
           (!facts->unreachable && (needs == NEEDS_DESTINATION || facts->type));
}

static void set_rounded_up(Template *report, const char *name, gint64 bytes)
{
    if (bytes >= 0)
        template_set_int(report, name, (bytes + MIB - 1) / MIB);
}

static void set_known(Template *report, const char *name, gint64 value)
{
    if (value >= 0)
        template_set_int(report, name, value);
}

static void add_estimate(const CheckFacts *facts, Template *report)
{
    MigrateEstimate expected = estimate(facts);
    set_rounded_up(report, "MEMORY_MB", memory_bytes(facts));
    set_rounded_up(report, "DIRTY_RATE_MBS", facts->dirty_rate);
    set_rounded_up(report, "LINK_RATE_MBS", link_rate(facts));
    set_known(report, "TOTAL_MS", expected.total_ms);
    set_known(report, "DOWNTIME_MS", expected.downtime_ms);
}

char *check_report(const CheckFacts *facts)
{
    static const char *const words[] = {"ok", "warning", "no"};
    g_autoptr(Template) report = template_new();
    template_set(report, "STORAGE", facts->shared ? "shared" : "mirrored");
    if (can_judge(facts, NEEDS_BOTH))
        add_estimate(facts, report);
    for (guint i = 0; i < G_N_ELEMENTS(rules); i++) {
        if (!can_judge(facts, rules[i].needs))
            continue;
        Verdict verdict = {RESULT_OK, g_string_new(NULL)};
        rules[i].judge(facts, &verdict);
        TemplateAttribute *check = template_add_vector(report, "CHECK");
        attribute_set(check, "NAME", rules[i].name);
        attribute_set(check, "RESULT", words[verdict.result]);
        attribute_set(check, "TEXT", verdict.text->str);
        g_string_free(verdict.text, TRUE);
    }
    return template_to_text(report);
}
