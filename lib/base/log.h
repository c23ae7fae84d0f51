/*
 * Log lines for the administrator: one line per event, with the module that
 * speaks and the object it speaks of. The layout is the one that OpenNebula's
 * users know: "Sun Nov 22 00:31:52 2026 [Z0][ReM][I]: text".
 * Safe to call from any thread. Never pass a secret.
 */
#pragma once

#include <glib.h>

typedef enum {
    LOG_ERROR = 0,
    LOG_WARNING = 1,
    LOG_INFO = 2,
    LOG_DEBUG = 3,
} LogLevel;

typedef enum {
    LOG_TO_STDERR,  /* plain lines; with systemd's priority prefix when JOURNAL_STREAM is set */
    LOG_TO_FILE,    /* appended to `path`; log_reopen() after rotation */
    LOG_TO_JOURNAL, /* as LOG_TO_STDERR, always with the priority prefix of sd-daemon(3) */
} LogTarget;

/* Chooses where lines go. Before the first call they go to standard error. */
gboolean log_open(LogTarget target, const char *path, LogLevel level, GError **error);
void log_set_level(LogLevel level);
LogLevel log_level(void);
/* Opens the file again, for log rotation; a failure is written to standard error. */
void log_reopen(void);
/* `module` is a short word such as "VMM". Line ends in the text become blanks. */
void log_write(LogLevel level, const char *module, const char *format, ...) G_GNUC_PRINTF(3, 4);
/* A line in the layout above, without line end (owned). For logs of single machines. */
char *log_format(LogLevel level, const char *module, const char *text);

#define log_error(module, ...)   log_write(LOG_ERROR, module, __VA_ARGS__)
#define log_warning(module, ...) log_write(LOG_WARNING, module, __VA_ARGS__)
#define log_info(module, ...)    log_write(LOG_INFO, module, __VA_ARGS__)
#define log_debug(module, ...)                                                                     \
    do {                                                                                           \
        if (log_level() >= LOG_DEBUG)                                                              \
            log_write(LOG_DEBUG, module, __VA_ARGS__);                                             \
    } while (0)
