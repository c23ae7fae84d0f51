#include "lib/base/log.h"
#include "lib/base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* One letter a level, as the users' log tools look for, and the priority of sd-daemon(3). */
static const struct {
    char letter;
    const char *priority;
} levels[] = {
    [LOG_ERROR] = {'E', "<3>"},
    [LOG_WARNING] = {'W', "<4>"},
    [LOG_INFO] = {'I', "<6>"},
    [LOG_DEBUG] = {'D', "<7>"},
};

static GMutex lock; /* guards all below, but for `threshold` */
static int output = STDERR_FILENO;
static char *output_path; /* NULL: standard error */
static gboolean to_journal;
static gint threshold = LOG_INFO;

/* The date of the last line: many lines share one second, and localtime_r() is slow. */
static time_t date_second = -1;
static char date_text[32];

/* The date as asctime(3) writes it, whatever the locale. */
static const char *date_of(time_t second)
{
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct tm tm;

    if (second != date_second && localtime_r(&second, &tm)) {
        g_snprintf(date_text, sizeof(date_text), "%s %s %2d %02d:%02d:%02d %d", days[tm.tm_wday],
                   months[tm.tm_mon], tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                   tm.tm_year + 1900);
        date_second = second;
    }
    return date_text;
}

/* One line stays one line, whoever wrote the text: nobody can forge a second one, nor send
 * control sequences to the administrator's terminal. */
static void append_one_line(GString *line, const char *text)
{
    for (const char *c = text; *c; c++) {
        gboolean control = (guchar)*c < 0x20 || *c == 0x7f;

        if (control && line->len && line->str[line->len - 1] == ' ')
            continue;
        g_string_append_c(line, control ? ' ' : *c);
    }
    while (line->len && line->str[line->len - 1] == ' ')
        g_string_truncate(line, line->len - 1);
}

/* Needs the lock. The journal notes the time itself. */
static GString *make_line(LogLevel level, const char *module, const char *text, gboolean journal)
{
    GString *line = g_string_sized_new(strlen(text) + 64);

    if (journal)
        g_string_append(line, levels[level].priority);
    else
        g_string_append_printf(line, "%s ", date_of(time(NULL)));
    g_string_append_printf(line, "[Z0][%s][%c]: ", module, levels[level].letter);
    append_one_line(line, text);
    return line;
}

/* systemd tells in JOURNAL_STREAM which file is the journal; a redirected standard error is not. */
static gboolean stderr_is_journal(void)
{
    const char *stream = g_getenv("JOURNAL_STREAM");
    guint64 device, inode;
    struct stat status;
    char *end;

    if (!stream || fstat(STDERR_FILENO, &status))
        return FALSE;
    device = g_ascii_strtoull(stream, &end, 10);
    if (*end != ':')
        return FALSE;
    inode = g_ascii_strtoull(end + 1, NULL, 10);
    return device == (guint64)status.st_dev && inode == (guint64)status.st_ino;
}

static int open_file(const char *path, GError **error)
{
    /* Others may not read it: texts of failures can tell more than the owner of a machine should
     * show to everyone on this computer. */
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);

    if (file == -1)
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                    "Cannot open the log file \"%s\": %s. Make its directory writable, or choose "
                    "another LOG SYSTEM in oned.conf.",
                    path, g_strerror(errno));
    return file;
}

static void use_output(int file, const char *path)
{
    if (output != STDERR_FILENO)
        close(output);
    output = file;
    if (path != output_path) {
        g_free(output_path);
        output_path = g_strdup(path);
    }
}

gboolean log_open(LogTarget target, const char *path, LogLevel level, GError **error)
{
    int file = STDERR_FILENO;

    if (target == LOG_TO_FILE) {
        file = open_file(path, error);
        if (file == -1)
            return FALSE;
    }
    g_mutex_lock(&lock);
    use_output(file, target == LOG_TO_FILE ? path : NULL);
    to_journal = target == LOG_TO_JOURNAL || (target == LOG_TO_STDERR && stderr_is_journal());
    g_mutex_unlock(&lock);
    log_set_level(level);
    return TRUE;
}

void log_set_level(LogLevel level)
{
    g_atomic_int_set(&threshold, CLAMP((gint)level, LOG_ERROR, LOG_DEBUG));
}

LogLevel log_level(void)
{
    return (LogLevel)g_atomic_int_get(&threshold);
}

void log_reopen(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = NULL;

    g_mutex_lock(&lock);
    path = g_strdup(output_path);
    g_mutex_unlock(&lock);
    if (!path)
        return;

    int file = open_file(path, &error);
    if (file == -1) {
        fprintf(stderr, "%s\n", error->message);
        return;
    }
    g_mutex_lock(&lock);
    use_output(file, output_path);
    g_mutex_unlock(&lock);
}

/* Needs the lock. FALSE: not all of it is written. */
static gboolean write_all(int file, const char *text, gsize length)
{
    while (length) {
        gssize done = write(file, text, length);

        if (done == -1 && errno == EINTR)
            continue;
        if (done <= 0)
            return FALSE;
        text += done;
        length -= (gsize)done;
    }
    return TRUE;
}

void log_write(LogLevel level, const char *module, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list arguments;
    int saved = errno;

    if (level > log_level())
        return;
    va_start(arguments, format);
    text = g_strdup_vprintf(format, arguments);
    va_end(arguments);

    g_mutex_lock(&lock);
    GString *line = make_line(level, module, text, to_journal);
    g_string_append_c(line, '\n');
    /* One write: lines of several processes do not mix. A log that cannot be written must not stop
     * the daemon, but errors are to be found somewhere: often it is they that say why. */
    if (!write_all(output, line->str, line->len) && level == LOG_ERROR && output != STDERR_FILENO)
        (void)write_all(STDERR_FILENO, line->str, line->len);
    g_mutex_unlock(&lock);
    g_string_free(line, TRUE);
    errno = saved;
}

char *log_format(LogLevel level, const char *module, const char *text)
{
    g_mutex_lock(&lock);
    GString *line = make_line(level, module, text, FALSE);
    g_mutex_unlock(&lock);
    return g_string_free(line, FALSE);
}
