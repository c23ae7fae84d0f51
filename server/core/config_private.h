/* The table of keys, and what the files of the configuration share. */
#pragma once

#include "server/core/config.h"

typedef enum {
    CONFIG_SECTION, /* a heading for people */
    CONFIG_INT,     /* whole number from min to max */
    CONFIG_NUMBER,  /* any number from min to max */
    CONFIG_BOOL,    /* YES or NO, in the ways of templates */
    CONFIG_WORD,    /* one of `words` */
    CONFIG_TEXT,
    CONFIG_PATH,    /* an absolute path */
    CONFIG_ADDRESS, /* an IP address */
    CONFIG_UMASK,   /* three octal digits */
    CONFIG_PREFIX,  /* two bytes of a MAC address */
    CONFIG_LIST,    /* may be repeated; the default's values are separated by blanks */
    CONFIG_VECTOR,  /* a vector whose members are rows "KEY/MEMBER" */
    CONFIG_VECTORS, /* vectors that may be repeated, told apart by NAME; any members */
} ConfigKind;

enum {
    CONFIG_RELOAD = 1 << 0,  /* takes effect at SIGHUP */
    CONFIG_OURS = 1 << 1,    /* not part of what OpenNebula's clients know */
    CONFIG_IDLE = 1 << 2,    /* kept and shown, but without effect in this version */
    CONFIG_PROGRAM = 1 << 3, /* vectors that name a driver program: EXECUTABLE is needed */
};

typedef struct ConfigRow {
    const char *key; /* "PORT", "LOG/SYSTEM" */
    ConfigKind kind;
    const char *initial; /* NULL: not set; "@x": the path of x in the state directory */
    gint64 min, max;
    const char *words; /* WORD: allowed words; VECTORS: members that clients know */
    guint flags;
    const char *older; /* older names, separated by blanks */
    const char *help;
} ConfigRow;

extern const ConfigRow config_rows[];
extern const guint config_row_count;
/* Vectors that are in force when the file has none of their name, as a text. */
extern const char config_builtin[];

/* The row of a key, by its present name (any case), or NULL. */
const ConfigRow *config_row(const char *key);
/* The same, also by older names. */
const ConfigRow *config_row_any(const char *key);
/* What a row allows, for people: "a whole number from 0 to 65535". (owned) */
char *config_allowed(const ConfigRow *row);
/* Whether a value is allowed. */
gboolean config_value_fits(const ConfigRow *row, const char *value);
/* An allowed value as it is kept: words as the table spells them. (owned) */
char *config_value_kept(const ConfigRow *row, const char *value);

/* Reads a text: the keys in force, and what is to be said about it. */
typedef struct ConfigReading {
    Template *values;
    char *warning; /* NULL: nothing */
} ConfigReading;
gboolean config_read(const char *text, const char *path, ConfigReading *reading, GError **error);

/* Yes in one of the ways of templates. */
gboolean config_is_yes(const char *value);
/* Text of a value in a template: "PORT" or "LOG/SYSTEM"; NULL when it is not set. */
const char *config_value(const Template *values, const char *key);
void config_set_value(Template *values, const char *key, const char *value);

/* Drivers of OpenNebula whose work a program of ours does: rewrites EXECUTABLE and ARGUMENTS
 * of a vector of that key. TRUE when it did. */
gboolean config_adopt_driver(const char *key, TemplateAttribute *driver);
