/*
 * The line protocol between oned and its drivers, both directions: one message a
 * line, fields separated by blanks. Any script that reads and prints such lines is
 * a driver. See share/doc/drivers.md.
 *
 *   request:  ACTION ID PAYLOAD... [#EPOCH.REQUEST]
 *   result:   ACTION SUCCESS|FAILURE ID [INFO...] [#EPOCH.REQUEST]
 *   log:      LOG I|W|E|D ID TEXT...
 *   start:    INIT            ->  INIT SUCCESS [TAGGED]     (ID absent)
 *   end:      FINALIZE        ->  the driver exits
 *
 * The tag is sent only to a driver that answered "INIT SUCCESS TAGGED"; such a
 * driver repeats it in each result. A driver without tags is matched by ACTION and ID.
 */
#pragma once

#include <glib.h>

/* Longest line that either side accepts, in bytes. */
#define MAD_LINE_MAX (16 * 1024 * 1024)

typedef enum { MAD_NO_STATUS, MAD_SUCCESS, MAD_FAILURE } MadStatus;

typedef struct MadLine {
    char *action; /* upper case */
    MadStatus status;
    char severity;   /* LOG lines: I W E D; else 0 */
    gint64 id;       /* -1 when absent or "-" */
    char *payload;   /* rest of the line without tag; "" when absent or "-" in a result */
    guint64 epoch;   /* 0: no tag */
    guint64 request; /* 0: no tag */
} MadLine;

void mad_line_clear(MadLine *line);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(MadLine, mad_line_clear)

/*
 * Reads a line without its line end. Runs of blanks separate fields. The text of a result
 * is made fit for XML: what is not UTF-8 and control characters are replaced. Older
 * drivers' "INIT SUCCESS - -" and "LOG - 3 text" are understood (severity I).
 */
gboolean mad_parse_request(const char *text, MadLine *line, GError **error);
gboolean mad_parse_result(const char *text, MadLine *line, GError **error);
/* Prints a line with its line end; line ends inside the payload become blanks. (owned) */
char *mad_print_request(const char *action, gint64 id, const char *payload, guint64 epoch,
                        guint64 request);
char *mad_print_result(const char *action, MadStatus status, gint64 id, const char *info,
                       guint64 epoch, guint64 request);
/* A LOG line; `severity` is one of I W E D. (owned) */
char *mad_print_log(char severity, gint64 id, const char *text);
