/*
 * A request for the datastore driver: the document DS_DRIVER_ACTION_DATA, base64 on the
 * line, with the image, its datastore, and what the action needs besides.
 *
 * What an image says goes before what its datastore says. Nothing of it is trusted: names of
 * files are checked where they are used.
 */
#pragma once

#include <glib.h>

/* What is said of a backup: BACKUP in the document. Numbers of increments and of disks; the arrays
 * are of gint64 and never NULL. */
typedef struct DsBackup {
    gint64 number;         /* the increment that is meant; -1: the document is about none */
    gint64 parent;         /* what it is an increment to; -1: it shall be whole */
    gboolean is_increment; /* what was brought holds only what changed since the parent */
    GArray *known;         /* increments that are wanted; others may go */
    GArray *chain;         /* from the whole one to `number` */
    GArray *disks;
    char **formats;   /* of the disks in their order; may be NULL */
    GArray *sizes;    /* MiB that they shall have at least, in their order */
    gint64 datastore; /* of the backup, when the image that is made of it is in another */
    char *source;     /* the same: its directory; NULL */
    char *machine;    /* the machine's XML, NULL when it is not in the document */
} DsBackup;

typedef struct DsRequest {
    gint64 id;        /* of the line: an image, a datastore (MONITOR), any number (STAT) */
    gint64 datastore; /* -1: not told */
    char *flavour;    /* DS_MAD; NULL: not told */
    char *path;       /* where it comes from: an absolute path or a URL; NULL: nowhere */
    char *source;     /* the file in the datastore; NULL: none yet */
    char *token;      /* makes the file's name; letters, digits, "-" and "_" */
    char *format;     /* raw, qcow2; lower case; NULL: not told */
    char *fs;         /* file system to make; lower case; NULL: none */
    gint64 size_mb;   /* 0: not told */
    gint64 limit_mb;  /* how large images may be, MAX_IMAGE_MB; 0: no limit */
    gint64 snapshot;  /* TARGET_SNAPSHOT; -1: none */
    guint64 rate;     /* bytes a second, LIMIT_TRANSFER_BW; 0: no limit */
    guint64 floor;    /* the least that a URL must bring, MIN_TRANSFER_BW; 0: the usual */
    char *sums[3];    /* wanted, lower case: MD5, SHA1, SHA256; NULL: not wanted */
    gboolean unpack;  /* what is compressed is stored unpacked */
    char *restricted; /* directories separated by blanks; NULL: not told */
    char *safe;
    char *rsync_host; /* where backups are kept; NULL: on this computer */
    char *rsync_user; /* NULL: as ssh is configured */
    DsBackup backup;
    gboolean local_urls; /* URLs may lead to addresses of the front-end itself */
} DsRequest;

/* Checksums in the order of `sums`. */
extern const GChecksumType ds_checksums[3];
extern const char *const ds_checksum_names[3];

/* Reads the payload of a line. The error says what is wrong with the document. (owned) */
DsRequest *ds_request_parse(gint64 id, const char *payload, GError **error);
void ds_request_free(DsRequest *request);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DsRequest, ds_request_free)

/* The directory of the datastore. NULL with an error when it is not told. (owned) */
char *ds_request_directory(const DsRequest *request, GError **error);
/* The file of this image in its datastore, made of its id and token. NULL with an error when the
 * datastore is not told. (owned) */
char *ds_request_target(const DsRequest *request, GError **error);
/* `source` if it is a file directly in the directory of this datastore: the only ones that are
 * ever changed. NULL with an error. (owned) */
char *ds_request_own_source(const DsRequest *request, GError **error);
/* "10M" as bytes; K, M, G; 0 for what is no size. */
guint64 ds_parse_rate(const char *text);
