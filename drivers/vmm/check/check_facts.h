/*
 * What is known about a live migration before it is begun: plain facts, gathered from libvirt
 * (check_libvirt.c), the running domain's document (check_domain.c) and over ssh (check_host.c),
 * and judged by the rules of check_rules.c. Nothing here changes anything on a host.
 */
#pragma once

#include "drivers/vmm/check/migrate_estimate.h"
#include "drivers/vmm/libvirt/vmm_libvirt.h"
#include "drivers/vmm/migrate/vmm_migrate_options.h"

/* The two hosts, as indices. */
enum { CHECK_SOURCE, CHECK_DESTINATION, CHECK_HOSTS };

/* An answer that may also be missing. */
typedef enum { CHECK_UNKNOWN, CHECK_YES, CHECK_NO } CheckAnswer;

/* What a host has at a path. */
typedef struct CheckSeen {
    CheckAnswer there;
    gint64 inode, born; /* born: seconds since the epoch; 0: the file system does not tell */
    gint64 size, used;  /* bytes; used: on the disk */
    gboolean read_only; /* its file system is mounted so */
    char *file_system;  /* "nfs", "ext2/ext3"; what stat(1) calls it */
} CheckSeen;

typedef enum {
    CHECK_DISK, /* the guest's own image */
    CHECK_BASE, /* an image below it */
    CHECK_BOOT, /* kernel, initrd, firmware */
} CheckRole;

typedef struct CheckFile {
    char *path;
    CheckRole role;
    gboolean writable; /* by the guest */
    gint64 capacity;   /* bytes that the guest sees; -1: not known */
    gint64 allocated;  /* bytes on the disk of the source; -1: not known */
    CheckSeen seen[CHECK_HOSTS];
} CheckFile;

/* A bridge, a card or libvirt's network that a NIC needs. */
typedef struct CheckNet {
    char *name;
    gboolean of_libvirt;
    CheckAnswer there;
    char *problem; /* why that is not known; may be NULL */
} CheckNet;

/* A device that stays behind, or does not fit: filled by check_domain.c. */
typedef struct CheckDevice {
    char *what;      /* "the PCI device 0000:01:00.0" */
    const char *why; /* static text */
    gboolean fatal;
} CheckDevice;

typedef struct CheckCache {
    char *target; /* "vda" */
    char *mode;   /* "writeback"; NULL: QEMU's own */
} CheckCache;

typedef struct CheckCpu {
    char *mode;                /* of the document: "custom", "host-passthrough"; NULL: none */
    char *xml;                 /* the element; NULL: none */
    CheckAnswer fits;          /* by the destination's hypervisor */
    char *reason;              /* libvirt's, for NO and UNKNOWN */
    char *models[CHECK_HOSTS]; /* of the hosts; NULL: not known */
    char *missing;             /* features of the source's CPU that the destination lacks; NULL */
    gint64 highest_pinned;     /* -1: the machine is not pinned to CPUs */
    gint64 destination_cpus;   /* -1: not known */
} CheckCpu;

typedef struct CheckFacts {
    const char *hosts[CHECK_HOSTS]; /* names (borrowed) */
    const char *domain;             /* its name (borrowed) */
    const char *directory;          /* of the machine (borrowed) */
    gboolean shared;                /* by the system datastore */
    const MigrateOptions *options;  /* borrowed */
    char *options_problem;          /* they do not go together; NULL */

    char *unreachable; /* why libvirt of the destination does not answer; NULL: it does */
    VmmPresence presence[CHECK_HOSTS];
    char *uuid_taken; /* name of another domain of the destination with that UUID; NULL */
    char *busy;       /* what libvirt does with it now; NULL */
    gint64 snapshots; /* that libvirt keeps of it */

    CheckCpu cpu;
    char *type, *arch, *machine, *emulator; /* of the document */
    gboolean paravirtual;                   /* a PV guest of Xen */
    CheckAnswer machine_fits;
    char *machine_reason;
    gint64 versions[CHECK_HOSTS];         /* of the hypervisor, libvirt's counting; -1 */
    gint64 library_versions[CHECK_HOSTS]; /* of libvirt */

    gint64 memory;            /* bytes: the machine's maximum */
    gint64 resident;          /* bytes that it has touched; -1 */
    gint64 available;         /* bytes at the destination, buffers and caches included; -1 */
    gint64 space;             /* bytes where its directory is or would be; -1 */
    char *reach[CHECK_HOSTS]; /* why ssh does not reach that host; NULL: it does */

    GPtrArray *files;   /* of CheckFile */
    GPtrArray *nets;    /* of CheckNet */
    GPtrArray *devices; /* of CheckDevice */
    GPtrArray *caches;  /* of CheckCache: of disks that the guest can write */

    gint64 dirty_rate; /* bytes per second; -1 */
    char *dirty_reason;
    gint64 link_rate;       /* bytes per second; -1 */
    gboolean link_measured; /* by an earlier migration; else the speed of the network card */
    gboolean link_silent;   /* the source finds nobody at the destination's port of ssh */
} CheckFacts;

void check_facts_init(CheckFacts *facts);
void check_facts_clear(CheckFacts *facts);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CheckFacts, check_facts_clear)

/* ---- gathering ---- */

/* The document of a running domain. FALSE: it is not readable. */
gboolean check_domain_read(CheckFacts *facts, const char *xml, GError **error);
/* All that libvirt knows; `domain` runs on the source. Takes about a second. */
void check_libvirt_ask(CheckFacts *facts, virConnectPtr connections[CHECK_HOSTS],
                       virDomainPtr domain);
/* Files, bridges, space and cards of both hosts; what cannot be reached stays unknown. */
void check_hosts_ask(CheckFacts *facts);
/* The script for a host and its answer, apart for tests. (owned) */
char *check_host_script(const CheckFacts *facts, guint host);
void check_host_read(CheckFacts *facts, guint host, const char *answer);

/* The source reaches the destination, as the source finds. FALSE with the error: it cannot be
 * asked.
 */
gboolean check_link_is_up(const char *source, const char *destination, GError **error);

/* Remembers how fast the network between two hosts was, for later estimates. Bytes per second. */
void check_link_remember(const char *source, const char *destination, gint64 rate);
gint64 check_link_remembered(const char *source, const char *destination); /* -1: not known */

/* ---- judging ---- */

/* The answer of the action, in the template language. What could not even be asked, since the
 * destination is not there or the machine does not run, is left out. (owned) */
char *check_report(const CheckFacts *facts);
