/*
 * Hooks: programs that the administrator has run when something enters a state, or after a call.
 * Each keeps records of its latest executions, in a table of their own. Shape: OpenNebula's
 * hook.xsd. All of it in the core thread; changes are written with the batch at hand.
 *
 * An execution is on record before its program is started, as one under way, so none is ever
 * started twice or forgotten: see server/lifecycle/hooks.c.
 */
#pragma once

#include "server/model/object.h"

typedef enum { HOOK_ON_STATE = 0, HOOK_ON_CALL = 1 } HookType;

/* What a hook waits for. */
typedef struct HookWhen {
    Kind resource;    /* HOOK_ON_STATE: VM, HOST, IMAGE or NET */
    gint state, lcm;  /* numbers of that kind; lcm 0 for all but active machines */
    const char *call; /* HOOK_ON_CALL: a name, borrowed from the template */
} HookWhen;

/* One execution. */
typedef struct HookRun {
    gint32 number; /* of this hook, from 0 up */
    gint64 time;
    gboolean under_way;
    gboolean is_retry;
    char *arguments;    /* as the command gets them */
    char *host;         /* where it ran when it was REMOTE, else "" */
    char *command;      /* what was run; that of the template until the driver said */
    char *out, *errors; /* base64 */
    gint code;          /* exit code; -1: none, and `errors` says why */
} HookRun;

typedef struct Hook {
    Object head;
    HookType type;
    HookWhen when;
    gint32 next_run;
    guint under_way;
    gsize waiting;   /* bytes of arguments of those */
    GPtrArray *runs; /* of HookRun, oldest first */
} Hook;

#define HOOK(object) ((Hook *)(object))

/* The directories in which commands are, of which the first is the administrator's own.
 * (owned, ends with NULL) */
char **hook_directories(World *world);
/* Reads what a template says about a hook and brings it into its one form: ON becomes STATE and
 * LCM_STATE, REMOTE is YES or NO. FALSE with ONE_ERROR_INTERNAL. That CALL exists is not
 * looked at. `directories`: where commands may be; NULL: that is not checked. */
gboolean hook_settle(HookType type, Template *template, char **directories, HookWhen *when,
                     GError **error);
/* What variables of ARGUMENTS stand for: $TEMPLATE, $API and $ID; NULL: that one stays as it is. No
 * value may hold a blank, a quote or a backslash, so that none becomes another word. */
typedef struct HookFacts {
    const char *template, *api, *id;
} HookFacts;
char *hook_arguments(const char *arguments, const HookFacts *facts); /* (owned) */
/* "state", "api", in any case. FALSE: neither. */
gboolean hook_type_read(const char *text, HookType *type);

/* A new hook; the template, which hook_settle() accepted, is taken. */
Hook *hook_create(World *world, const char *name, HookType type, Template *template);
/* It has another template, which hook_settle() accepted; taken. */
void hook_set_template(World *world, Hook *hook, Template *template, const HookWhen *when);
/* Removes it with its records. */
void hook_remove(World *world, Hook *hook);

/* A new record, under way; both texts are copied. */
HookRun *hook_begin_run(World *world, Hook *hook, const char *arguments, const char *host,
                        gboolean is_retry);
/* It ended; `out` and `errors` are base64. Records beyond LOG_RETENTION go, the oldest first. */
void hook_end_run(World *world, Hook *hook, HookRun *run, const char *command, gint code,
                  const char *out, const char *errors);
HookRun *hook_run(const Hook *hook, gint32 number); /* NULL: there is none */
/* <HOOK_EXECUTION_RECORD>, appended. */
void hook_run_render(const Hook *hook, const HookRun *run, GString *xml);

extern const KindOperations hook_operations;
extern const StoreTable hook_run_table;
gboolean hook_run_load(World *world, const StoreValue *values, GError **error);
