/*
 * Scheduled actions: what is to be done to an object at a time, once or again and again. A row of
 * their own table, with the kind and id of the owner, so that machines and backup jobs share them.
 * Shape: SCHED_ACTION of OpenNebula's shared.xsd. When they are due and what then happens:
 * server/lifecycle/sched_run.c.
 */
#pragma once

#include "server/model/object.h"
#include "server/model/machine/sched_time.h"

typedef enum {
    SCHED_END_NONE = -1,
    SCHED_END_NEVER = 0,
    SCHED_END_TIMES = 1, /* end_value: how often it still runs */
    SCHED_END_DATE = 2,  /* end_value: not after this time */
} SchedEnd;

typedef struct SchedAction {
    gint32 id; /* of all of them; never given twice */
    Kind kind; /* of the owner */
    gint32 owner;
    char *action; /* a word such as "poweroff" */
    char *args;   /* as the action's method wants them, separated by commas */
    gint64 first; /* TIME as it was given: its time of day is kept */
    gint64 time;  /* when it is due */
    SchedRepeat repeat;
    char *days;
    SchedEnd end_type;
    gint64 end_value;
    gint64 done;     /* when it last ended, or -1 */
    char *message;   /* why it failed last; "" when it did not */
    gint64 warning;  /* as given; kept for clients that warn before */
    gint attempts;   /* how often it failed since it was due */
    gint64 tried_at; /* when it was tried last, since it was due; 0: not yet */
} SchedAction;

/* As many an owner may have. */
#define SCHED_ACTIONS_MAX 100

void sched_action_free(SchedAction *action);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SchedAction, sched_action_free)

/* A new one, without an id, from SCHED_ACTION = [ ... ]. `origin`: what TIME = "+3600" counts from,
 * or -1 when the owner has no such moment. Whether ACTION and ARGS mean something is the caller's
 * to ask. NULL with an error of ONE_ERROR_INTERNAL. (owned) */
SchedAction *sched_action_parse(Kind kind, const TemplateAttribute *given, gint64 origin,
                                GError **error);
/* The same over `old`, which keeps what is not given; a new value. NULL with the error. (owned) */
SchedAction *sched_action_change(const SchedAction *old, const TemplateAttribute *given,
                                 gint64 origin, GError **error);

/* Gives it to the owner, who has room for it; takes it, and returns its id. */
gint32 sched_action_add(World *world, Object *owner, SchedAction *action);
/* Puts `change` (taken) in its place. */
void sched_action_replace(World *world, SchedAction *action, SchedAction *change);
void sched_action_remove(World *world, SchedAction *action);
/* All of an owner, who is gone or at the end. */
void sched_actions_drop(World *world, Kind kind, gint32 owner);
/* Its fields were changed: the row is written, the owner shows it. */
void sched_action_changed(World *world, SchedAction *action);

SchedAction *sched_action_get(World *world, gint32 id); /* NULL: there is none */
/* One of this owner, or NULL with an error of ONE_ERROR_ACTION. */
SchedAction *sched_action_of(World *world, const Object *owner, gint32 id, GError **error);
/* Those of an owner, by id; NULL when there are none. (borrowed) */
const GPtrArray *sched_actions_of(World *world, Kind kind, gint32 owner);
/* All, in no order. (borrowed) */
GHashTable *sched_actions_all(World *world);

/* When it is to be run next; -1: never again. What was missed while oned was down is due once. */
gint64 sched_action_due(const SchedAction *action);
/* It ran: its next time, or the end. */
void sched_action_succeeded(World *world, SchedAction *action, gint64 now);
/* It could not run: it is tried again each minute for an hour, at most until its next time; then it
 * is given up as if it had run. */
void sched_action_failed(World *world, SchedAction *action, gint64 now, const char *message);

/* <ID>...</ID> of each in <SCHED_ACTIONS>, and the <SCHED_ACTION> elements themselves. */
void sched_actions_render_ids(World *world, const Object *owner, GString *xml);
void sched_actions_render(World *world, const Object *owner, GString *xml);

extern const StoreTable sched_action_table;
gboolean sched_action_load(World *world, const StoreValue *values, GError **error);
/* Adds a line for each that does not fit its owner. */
void sched_actions_check(World *world, GPtrArray *problems);

struct SchedActions *sched_actions_new(void);
void sched_actions_free(struct SchedActions *actions);
/* The highest id ever given, as the counter of that name in the store says. */
#define SCHED_COUNTER "sched_action"
void sched_actions_set_last(World *world, gint64 id);
