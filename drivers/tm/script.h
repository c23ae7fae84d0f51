/*
 * The script of a transfer: one command a line, as oned writes it and as scripts
 * of older drivers had it. Blank lines and lines that begin with # do not count.
 *
 *   today      CLONE shared front:/images/a node01:/ds/0/7/disk.0 7 0
 *   of 2009    CLONE front:/images/a node01:/ds/0/7/disk.0
 *
 * Which of the two a line is follows from its first argument: the flavour's name is a
 * word, neither a place nor a number. A suffix (CLONE.ssh) names the flavour that
 * the system datastore wants for this command. A blank in a path is written %20.
 */
#pragma once

#include <glib.h>

typedef enum {
    VERB_CLONE,
    VERB_LN,
    VERB_MV,
    VERB_DELETE,
    VERB_MKSWAP,
    VERB_MKIMAGE,
    VERB_CONTEXT,
    VERB_SNAP_CREATE,
    VERB_SNAP_CREATE_LIVE,
    VERB_SNAP_REVERT,
    VERB_SNAP_DELETE,
    VERB_RESIZE,
    VERB_MVDS,
    VERB_CPDS,
    VERB_PREMIGRATE,
    VERB_POSTMIGRATE,
    VERB_FAILMIGRATE,
    VERB_COUNT,
} Verb;

/* A file or directory on a host. */
typedef struct Place {
    char *host; /* "localhost" when the script named none */
    char *path; /* absolute, blanks put back */
} Place;

typedef struct ScriptCommand {
    Verb verb;
    const char *name; /* "CLONE" */
    char *flavour;    /* as written; NULL in the form of 2009 */
    char *suffix;     /* after the dot of the name; NULL: none */
    Place source;     /* CLONE, LN, MV, MVDS, CPDS; for the three of migration the host left and the
                         directory */
    Place target;     /* all; for migration the other host and the same directory */
    gint64 size_mb;   /* MKSWAP, MKIMAGE, RESIZE */
    gint64 snapshot;  /* SNAP_*, CPDS: its number; -1: the disk itself */
    char *format;     /* MKIMAGE, CPDS; RESIZE, SNAP_CREATE_LIVE (NULL: not told); lower case */
    char **files;     /* CONTEXT: context.sh first, all on the front-end */
    gint64 vmid;      /* -1: not told */
    gint64 datastore; /* -1: not told */
    guint line;       /* from 1 */
} ScriptCommand;

/* All commands in order (of ScriptCommand). An error names the line. (owned) */
GPtrArray *script_parse(const char *text, GError **error);
/* The same from a file, of at most 1 MiB. (owned) */
GPtrArray *script_read(const char *path, GError **error);
/* "CLONE localhost:/images/a node01:/ds/0/7/disk.0", for messages. (owned) */
char *script_command_text(const ScriptCommand *command);
