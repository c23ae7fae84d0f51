/*
 * Images: what disks are made of, and files for machines. Each belongs to a datastore, whose driver
 * makes, copies and removes what is behind it. Shape: OpenNebula's image.xsd. Sizes are MiB.
 *
 * Machines use images by image_acquire() and image_release() only, once for each of their disks;
 * the state follows from that, so an image that is in use is never deleted. All of it in the core
 * thread; the changes are written with the batch at hand.
 */
#pragma once

#include "server/model/storage/datastore.h"
#include "server/model/object.h"

typedef enum {
    IMAGE_INIT = 0,
    IMAGE_READY = 1,
    IMAGE_USED = 2,
    IMAGE_DISABLED = 3,
    IMAGE_LOCKED = 4, /* its driver works on it */
    IMAGE_ERROR = 5,  /* the reason is ERROR of its template */
    IMAGE_CLONE = 6,  /* others are copied from it */
    IMAGE_DELETE = 7,
    IMAGE_USED_PERS = 8,
    IMAGE_LOCKED_USED = 9, /* machines wait for it to be made */
    IMAGE_LOCKED_USED_PERS = 10,
    IMAGE_STATES
} ImageState;

typedef enum {
    IMAGE_OS = 0,
    IMAGE_CDROM = 1,
    IMAGE_DATABLOCK = 2,
    IMAGE_KERNEL = 3, /* this and the next two: files, in datastores of files */
    IMAGE_RAMDISK = 4,
    IMAGE_CONTEXT = 5,
    IMAGE_BACKUP = 6,
    IMAGE_FILESYSTEM = 7,
    IMAGE_TYPES
} ImageType;

/* What the driver is doing for it; the word of each is the driver's action. */
typedef enum {
    IMAGE_NO_WORK,
    IMAGE_WORK_CP,    /* it is copied from PATH */
    IMAGE_WORK_MKFS,  /* it is made empty */
    IMAGE_WORK_CLONE, /* it is copied from another image */
    IMAGE_WORK_SAVE,  /* a machine's disk is written to it, by the transfer driver */
    IMAGE_WORK_RM,
    IMAGE_WORK_RM_FORCED,   /* the same, and it is forgotten also when that fails */
    IMAGE_WORK_SNAP_DELETE, /* these three: of the snapshot `target_snapshot` */
    IMAGE_WORK_SNAP_REVERT,
    IMAGE_WORK_SNAP_FLATTEN,
    IMAGE_WORK_BACKUP,            /* a machine is backed up to it, by the machine's drivers */
    IMAGE_WORK_INCREMENT_FLATTEN, /* the increment `target_snapshot` becomes whole, the older go */
    IMAGE_WORK_RESTORE,           /* it is made of a backup, which PATH names */
    IMAGE_WORKS
} ImageWork;

typedef struct Image {
    Object head;
    ImageType type;
    gint disk_type; /* DISK_TYPE of image.xsd: 0 FILE, 1 CD_ROM, 2 BLOCK ... */
    gboolean persistent;
    gint64 regtime, modtime;
    char *source, *path, *format, *fs; /* never NULL */
    gint64 size;
    ImageState state, previous_state;
    gint32 datastore;
    GArray *users;          /* gint32: ids of machines, sorted, one for each disk */
    GArray *clones;         /* ids of the images that are being copied from it */
    GArray *apps;           /* ids of the apps that it is being copied to: app_set_work() */
    gint32 cloning_id;      /* the image that it is being copied from, or -1 */
    gint32 target_snapshot; /* of the work at hand, or -1 */
    Template *snapshots;    /* see image_snapshot() */
    Template *backup;       /* server/model/storage/image_backup.h; empty but for type BACKUP */
    ImageWork work;
    char *token;     /* made once; with the id it names the file, so work may be done again */
    gint64 stored;   /* when the driver had made it, in microseconds since the epoch; 0: not yet */
    guint64 request; /* in flight; of this run of oned only */
    guint tries;     /* the driver died so often under the work at hand; the same */
    char *progress;  /* what the driver said last of the work at hand: PROGRESS; NULL; the same */
} Image;

#define IMAGE(object) ((Image *)(object))

Image *image_get(World *world, gint32 id);
const char *image_state_name(ImageState state);
const char *image_type_name(ImageType type);
/* FALSE: there is no such type. NULL and "" are no type. */
gboolean image_type_read(const char *word, ImageType *type);
/* KERNEL, RAMDISK and CONTEXT. */
gboolean image_type_is_file(ImageType type);
const char *image_work_name(ImageWork work);

typedef struct ImageDraft {
    const char *name;
    gint32 uid, gid;
    guint permissions;
    ImageType type;
    gint disk_type;
    gboolean persistent;
    const char *source, *path, *format, *fs; /* NULL: "" */
    gint64 size;
    Template *template; /* taken; what is left of what the user gave */
} ImageDraft;

/* A new image in INIT; the datastore lists it from now on. */
Image *image_create(World *world, Datastore *datastore, const ImageDraft *draft);
/* Gone, with the rules of access that name it. Only when image_in_use() is FALSE. */
void image_remove(World *world, Image *image);

/* The datastore has another name: its images look different. */
void images_touch(World *world, const Datastore *datastore);

/* ---- its state ---- */

/* `wanted`: READY, LOCKED, ERROR, DISABLED or DELETE; the state also says whether machines use it
 * or copies are made of it (READY becomes USED, LOCKED becomes LOCKED_USED_PERS ...). */
void image_enter(World *world, Image *image, ImageState wanted);
/* An image or an app is being copied from it. */
gboolean image_is_copied(const Image *image);
/* Machines use it, are waiting for it, or it is being copied. */
gboolean image_in_use(const Image *image);
/* LOCKED, alone or with machines that wait. */
gboolean image_is_locked(const Image *image);
/* The work at hand; the object is changed. Ends with IMAGE_NO_WORK. */
void image_set_work(World *world, Image *image, ImageWork work);
/* ERROR of the template, for people; NULL: no trouble any more. */
void image_set_error(World *world, Image *image, const char *reason);

/*
 * One more disk of machine `vm` uses the image. READY becomes USED or USED_PERS; LOCKED, while it
 * is being made, LOCKED_USED or LOCKED_USED_PERS (the machine waits: see image_is_locked()).
 * FALSE with ONE_ERROR_ACTION and nothing changed: a persistent image that is in use or is being
 * copied, a file, a backup, or one that is DISABLED, in ERROR or being deleted.
 */
gboolean image_acquire(World *world, Image *image, gint32 vm, GError **error);
/* That disk is gone; FALSE: the machine did not use it. `broken`: the machine may have left a
 * persistent image half written, which is then in ERROR. */
gboolean image_release(World *world, Image *image, gint32 vm, gboolean broken);
/* Disks of that machine that use it. */
guint image_uses(const Image *image, gint32 vm);
/* An image is copied from `source`, or that is over. */
void image_cloning_begin(World *world, Image *source, Image *copy);
void image_cloning_end(World *world, Image *copy);

/* ---- its snapshots, of a persistent disk that was saved with them ---- */

/* Kept in image->snapshots: CURRENT_BASE, NEXT_SNAPSHOT, ALLOW_ORPHANS and vectors
 * SNAPSHOT = [ ID, PARENT, DATE, SIZE, NAME ]. NULL: there is none of that id. (borrowed) */
TemplateAttribute *image_snapshot(const Image *image, gint32 id);
guint image_snapshot_count(const Image *image);
gboolean image_snapshot_is_base(const Image *image, gint32 id);
gboolean image_snapshot_has_children(const Image *image, gint32 id);
/* Deleted: its children become its parent's. Flattened: it and what it stands on are one, nothing
 * else stays. Reverted: the base. */
void image_snapshot_deleted(World *world, Image *image, gint32 id);
void image_snapshot_reverted(World *world, Image *image, gint32 id);
void image_snapshots_flattened(World *world, Image *image);

/* ---- space in datastores ---- */

/* MiB of images that the last measurement could not know of. */
gint64 datastore_reserved_mb(World *world, const Datastore *datastore);
/* Whether `size` MiB more fit: what was measured free less what is reserved, and LIMIT_MB. FALSE
 * with ONE_ERROR_ACTION. Always TRUE where DATASTORE_CAPACITY_CHECK is NO. */
gboolean datastore_has_room(World *world, const Datastore *datastore, gint64 size, GError **error);

/* What must hold, for world_check(): uses are those of machines that exist, states tell the truth,
 * datastores list their images. */
void images_check(World *world, GPtrArray *problems);
/* Uses become the disks that machines have of them, and copies those that are being made; the
 * states follow. */
void images_repair(World *world);

void image_render(World *world, Object *object, GString *xml);
extern const KindOperations image_operations;
