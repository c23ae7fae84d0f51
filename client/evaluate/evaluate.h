/*
 * `onevm evaluate`: measures live migration on the user's own hosts, by the four experiments
 * of a thesis of 2016 (share/doc/evaluate.md), and writes a report. This header holds what
 * was asked for and what was found; the parts work on it one after the other:
 *
 *   plan.c        from options to a plan, and what it means, in words
 *   machine.c     the machine, its hosts, machines made for the measurement (template.c)
 *   move.c        one live migration and its figures
 *   experiments.c the experiments, a table
 *   download.c    the one with a download in the guest
 *   tables.c      CSV, report.c, sections.c: the page
 *   evaluate.c    the command: asks, runs, cleans up, writes
 */
#pragma once

#include "client/cli/cli.h"
#include "client/cli/vm_move.h"
#include "client/evaluate/fetch.h"
#include "client/evaluate/stats.h"

CliExit cli_vm_evaluate(Cli *cli);

/* Options of the command, beside the global ones. */
#define EVALUATE_OPTIONS                                                                           \
    "to ping sizes repeat download output template pace address spare guest-login settle yes "     \
    "wait-timeout " CLI_VM_MIGRATE

/* What was asked for. Texts are borrowed from the command line. */
typedef struct Plan {
    gint32 to; /* host */
    gboolean ping;
    guint repeat;         /* moves of the machine; 0: this experiment is not wanted */
    GArray *sizes;        /* of gint64, MiB; in the order given */
    const char *download; /* URL, path, or NULL when noise is served or nothing wanted */
    guint64 noise;        /* bytes of it to serve */
    const char *template; /* file for the machines that are made; NULL: like the machine */
    const char *address;  /* of the guest; NULL: as the machine's network cards say */
    const char *spare;    /* address for the machines that are made, or NULL */
    const char *login;    /* for ssh into the guest */
    guint pace;           /* pings a second of the faster trace */
    guint settle;         /* s that a new machine is given before it is moved */
    gint64 patience;      /* s for a move, and for a start */
    char *output;         /* directory (owned) */
    char *migrate; /* how to move, in the template language; "": as the machine says (owned) */
} Plan;

typedef enum {
    MOVE_AGAIN,    /* of the machine, there and back: experiments 1 and 3 */
    MOVE_SIZE,     /* of a machine that was made, to a host that never had it */
    MOVE_BACK,     /* the same one back to where it came from */
    MOVE_DOWNLOAD, /* while the guest downloads */
    MOVE_HOME,     /* back to where all began; not measured */
} MoveRole;

/* One live migration. Figures that nobody knows are -1. */
typedef struct Move {
    MoveRole role;
    guint number; /* from 1 among those of its role */
    gint32 vm;
    gint64 memory; /* MiB */
    char *source, *destination;
    gboolean first; /* the destination never had this machine before */
    gboolean good;
    char *reason;          /* why it failed */
    double ordered, ended; /* s since the evaluation began, by our clock */
    gint64 elapsed_ms;     /* from the order until the server saw it done */
    gint64 total_ms;       /* as the hypervisor counts */
    gint64 downtime_ms;    /* the same */
    gint64 bytes;          /* that travelled */
    gint64 memory_bytes, disk_bytes;
    gint64 rounds;
    double dirty_rate; /* bytes a second */
    char *mode;        /* "precopy", "postcopy", "" */
    char *storage;     /* "shared", "mirrored", "" */
} Move;

typedef struct HostFacts {
    gint32 id;
    char *name, *model, *hypervisor, *version, *arch;
    gint64 cpus;
    gint64 memory; /* MiB */
} HostFacts;

typedef struct Download {
    FetchResult result;
    double began, ended;
    int move; /* index of the move that ran meanwhile, -1: none */
    /* When the move ended the guest, and the download with it: */
    guint tries;          /* how often the guest was told to go on; 0: it did not break off */
    double broken_at;     /* when the guest's last word came, */
    double broken_bytes;  /* and what that was */
    double resumed_at;    /* 0: it never went on */
    double resumed_bytes; /* from where; 0: anew */
} Download;

/* What was found, as far as it came. */
typedef struct Evaluation {
    gint32 vm;
    char *name;
    gint64 memory; /* MiB */
    char *cpus;
    gboolean by_power;     /* moves are not live: the driver cannot */
    char *migrate;         /* MIGRATE of its template, or NULL */
    gint32 home;           /* host where all began */
    gboolean known;        /* the destination had the machine before all this */
    HostFacts hosts[2];    /* home, destination */
    gint64 started;        /* s since 1970 */
    double seconds;        /* how long all of it took */
    double load[2];        /* of this computer at the beginning and the end; -1: not known */
    GPtrArray *moves;      /* of Move */
    GArray *pings[2];      /* once a second, and faster; NULL: no such trace */
    Download downloads[2]; /* without a move, with one */
    guint download_count;
    gboolean kept;    /* in the guest, until it was whole: its moves end it */
    const char *way;  /* how the guest was told to download */
    char *url;        /* what it downloaded, as the report names it */
    char *sum;        /* SHA-256 of what was served; NULL: known to nobody but the guest */
    double size;      /* bytes of it; 0: not known */
    GPtrArray *notes; /* of char *: what could not be measured, and why */
    gboolean interrupted;
} Evaluation;

void move_free(Move *move);
void evaluation_init(Evaluation *evaluation);
void evaluation_clear(Evaluation *evaluation);
/* Moves of a role, in order. (container owned) */
GPtrArray *evaluation_moves(const Evaluation *evaluation, MoveRole role);
/* Is the download whole and unchanged, as far as it can be told? In words. */
const char *evaluation_soundness(const Evaluation *evaluation, const Download *download);
/* "16M" in bytes; FALSE when it is no size. */
gboolean evaluate_bytes(const char *text, guint64 *bytes);

/* From the options to the plan. FALSE with an error that says which value is wrong. */
gboolean plan_read(Plan *plan, Cli *cli, GError **error);
void plan_clear(Plan *plan);
/* What will be done to whom, for the question before it is done. (owned) */
char *plan_text(const Plan *plan, const Evaluation *evaluation);

/* One run of the command. */
typedef struct Run {
    Cli *cli;
    Plan plan;
    Evaluation found;
    GArray *made;  /* gint32: machines made and not yet removed */
    gint64 epoch;  /* monotonic time, µs, that counts as 0 */
    char *address; /* of the guest; NULL: not known */
    gboolean terminal;
} Run;

double run_now(const Run *run);
/* What is done now: one line that is rewritten on a terminal, a line each elsewhere. */
void run_tell(const Run *run, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* How far something is: on a terminal only. */
void run_tell_amount(const Run *run, const char *what, double bytes);
/* A line that stays. */
void run_say(const Run *run, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* Something for the report that could not be done or needs a word. */
void run_note(Run *run, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* Sleeps; FALSE when it was interrupted. */
gboolean run_sleep(const Run *run, double seconds);
/* How often the user has asked to stop: once is enough, twice ends even what is better waited
 * for. */
guint run_stops(void);

/* The machine and its two hosts; fails when it does not run, or runs there already. */
gboolean machine_read(Run *run, GError **error);
/* Waits until a machine is in the state, on that host (-1: any). `firm`: one interruption
 * does not end the wait. */
gboolean machine_wait(Run *run, gint32 vm, const char *goal, gint32 host, gboolean firm,
                      GError **error);
/* Host where it runs now, -1 when it does not run. */
gint32 machine_host(Run *run, gint32 vm);
/* Makes it, starts it at home, and lets it come to rest; remembered in run->made. */
gboolean machine_make(Run *run, gint64 memory, gint32 *vm, GError **error);
/* Removes what was made, as far as it is still there. */
void machine_remove_all(Run *run);
/* The template of a machine of that memory, like the one that the server shows as `xml`, or
 * as the text of a file says. `spare`: address of its first network card, or NULL. (owned) */
char *machine_template_file(const char *text, const char *name, gint64 memory, const char *spare,
                            GError **error);
char *machine_template_from(const char *xml, gint64 memory, const char *spare, GError **error);
/* The address that a machine's network cards tell, or NULL. (owned) */
char *machine_address(xmlNode *vm);

/* Moves a machine while it runs, and keeps the figures in run->found.moves. NULL when it
 * could not even be ordered or did not arrive; the reason is noted, and kept with the move. */
Move *move_run(Run *run, gint32 vm, gint64 memory, gint32 to, MoveRole role);
/* Would a move there end the guest and start it anew, as far as the server knows beforehand? */
gboolean move_ends_guest(Run *run, gint32 to);
/* The same from the answer of globule.vm.migratecheck. */
gboolean move_check_ends_guest(const char *xml);
/* Fills in figures from the answer of globule.vm.migrations; the youngest record counts. */
gboolean move_read_figures(Move *move, const char *xml);

/* The experiments, in the order in which they are done. */
typedef struct Experiment {
    const char *title;
    gboolean (*wanted)(const Plan *plan);
    gboolean (*run)(Run *run, GError **error);
} Experiment;
extern const Experiment experiments[];
gboolean run_download(Run *run, GError **error);
/* Where the machine is not. */
gint32 other_side(Run *run);
gboolean need_address(const Run *run, GError **error);

/* The page, and a CSV file for each experiment that found something. Names of the files are
 * added to `names`. */
char *report_page(const Plan *plan, const Evaluation *found); /* (owned) */
/* What was found, beside what was published, a line each. (owned) */
char *report_summary(const Plan *plan, const Evaluation *found);
gboolean tables_write(const Plan *plan, const Evaluation *found, GPtrArray *names, GError **error);
/* One of them as text: "ping", "moves", "download", "resumed". (owned) */
char *table_text(const Evaluation *found, const char *name);
