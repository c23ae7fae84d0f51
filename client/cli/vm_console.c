/* onevm console, vnc, ssh: ways into a machine. */
#include "client/cli/call.h"
#include "client/cli/vm_create.h"
#include "client/cli/xml.h"
#include "lib/wire/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* ^] leaves the console. */
#define LEAVE 0x1d
/* After the end of an input that is no terminal, so much silence ends the console. */
#define SILENCE_MSEC 1000

static xmlDoc *fetch(Cli *cli, GError **error)
{
    g_auto(WireReply) reply = {0};
    WireClient *wire = cli_wire(cli, error);
    return wire != NULL && wire_call(wire, &reply, error, "one.vm.info", "ib",
                                     g_array_index(cli->ids, gint32, 0), FALSE)
               ? cli_xml_parse(reply.text, error)
               : NULL;
}

/* ---- the terminal ---- */

static struct termios before; /* as it was; valid while `raw` */
static volatile sig_atomic_t raw;
static volatile sig_atomic_t ended; /* number of the signal that ends the console */

/* Also at exit, whatever the way there. */
static void restore_terminal(void)
{
    if (raw)
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    raw = 0;
}

static void on_signal(int number)
{
    ended = number;
}

/* Takes the signals that end the console, and the terminal, unless there is no use for it. */
static void make_raw(gboolean signals_only)
{
    static const int numbers[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};
    struct sigaction action = {.sa_handler = on_signal};
    for (guint i = 0; i < G_N_ELEMENTS(numbers); i++)
        sigaction(numbers[i], &action, NULL);
    if (signals_only || !isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &before) != 0)
        return;
    struct termios changed = before;
    cfmakeraw(&changed);
    (void)atexit(restore_terminal);
    raw = 1;
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &changed);
}

/* ---- the line ---- */

typedef enum { LINE_OPEN, LINE_LEFT, LINE_CLOSED, LINE_QUIET, LINE_UNLOGGED } LineEnd;

/* The two ends of the line, and where what the guest writes goes. */
typedef struct Line {
    WireStream *stream;
    const char *log_name; /* NULL: no log */
    int log;              /* -1: none */
    gboolean log_only;    /* neither the terminal nor standard input is used */
    int log_errno;        /* why LINE_UNLOGGED */
} Line;

static gboolean write_all(int fd, const char *bytes, gsize count)
{
    while (count > 0) {
        ssize_t written = write(fd, bytes, count);
        if (written < 0 && errno == EINTR && !ended)
            continue;
        if (written <= 0)
            return FALSE;
        bytes += written;
        count -= (gsize)written;
    }
    return TRUE;
}

/* A log that was asked for and has gaps is worse than an end that is told. */
static LineEnd keep(Line *line, const char *bytes, gsize count)
{
    if (line->log >= 0 && !write_all(line->log, bytes, count) && !ended) {
        line->log_errno = errno;
        return LINE_UNLOGGED;
    }
    return line->log_only || write_all(STDOUT_FILENO, bytes, count) ? LINE_OPEN : LINE_LEFT;
}

static LineEnd from_guest(Line *line)
{
    char block[4096];
    gssize count;
    while ((count = wire_stream_read(line->stream, block, sizeof block)) > 0) {
        LineEnd end = keep(line, block, (gsize)count);
        if (end != LINE_OPEN)
            return end;
    }
    return count == 0 ? LINE_CLOSED : LINE_OPEN;
}

/* *more becomes FALSE at the end of the input. */
static LineEnd to_guest(WireStream *stream, gboolean *more)
{
    char block[1024];
    ssize_t count = read(STDIN_FILENO, block, sizeof block);
    if (count < 0)
        return errno == EINTR ? LINE_OPEN : LINE_LEFT;
    *more = count > 0;
    const char *leave = raw ? memchr(block, LEAVE, (size_t)count) : NULL;
    gsize typed = leave != NULL ? (gsize)(leave - block) : (gsize)count;
    if (!wire_stream_write(stream, block, typed))
        return LINE_CLOSED;
    return leave != NULL ? LINE_LEFT : LINE_OPEN;
}

static LineEnd talk(Line *line)
{
    struct pollfd wait[] = {{wire_stream_fd(line->stream), POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    gboolean more = !line->log_only;
    LineEnd end = from_guest(line);
    while (end == LINE_OPEN && !ended) {
        int ready = poll(wait, more ? 2 : 1, more || line->log_only ? -1 : SILENCE_MSEC);
        if (ready < 0 && errno != EINTR)
            return LINE_LEFT;
        if (ready == 0)
            return LINE_QUIET;
        if (ready > 0 && wait[0].revents)
            end = from_guest(line);
        if (ready > 0 && more && wait[1].revents && end == LINE_OPEN)
            end = to_guest(line->stream, &more);
    }
    return ended ? LINE_LEFT : end;
}

static WireStream *open_console(Cli *cli, GError **error)
{
    g_auto(WireReply) reply = {0};
    WireClient *wire = cli_wire(cli, error);
    if (wire == NULL ||
        !wire_call(wire, &reply, error, "globule.vm.console", "ib",
                   g_array_index(cli->ids, gint32, 0), cli_option(cli, "take-over") != NULL))
        return NULL;
    g_autofree char *path = g_strconcat("/console/", reply.text, NULL);
    return wire_stream_open(wire, path, "globule-console", error);
}

/* Before the console is opened, so that a file that cannot be written takes it from nobody. */
static gboolean open_log(Cli *cli, Line *line, GError **error)
{
    line->log_name = cli_option(cli, "console-log");
    line->log_only = cli_option(cli, "log-only") != NULL;
    if (line->log_name == NULL) {
        if (line->log_only)
            g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE,
                        "--log-only needs --log FILE: the file that is written to");
        return !line->log_only;
    }
    /* A guest's console may show secrets: the file is its owner's. */
    line->log = open(line->log_name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (line->log < 0)
        g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE, "--log %s cannot be written: %s",
                    line->log_name, g_strerror(errno));
    return line->log >= 0;
}

static CliExit tell_end(const Line *line, LineEnd end)
{
    if (end == LINE_UNLOGGED) {
        fprintf(stderr,
                "\n%s cannot be written any more: %s. The console was left; the machine goes on.\n",
                line->log_name, g_strerror(line->log_errno));
        return CLI_FAILED;
    }
    if (end == LINE_LEFT || end == LINE_QUIET) {
        if (isatty(STDIN_FILENO))
            fprintf(stderr, "\nConsole left; the machine goes on.\n");
        return CLI_DONE;
    }
    fprintf(stderr, "\nThe console was closed: the machine ended, was moved, or somebody took it "
                    "over.\n");
    return CLI_FAILED;
}

CliExit cli_vm_console(Cli *cli)
{
    g_autoptr(GError) error = NULL;
    Line line = {.log = -1};
    g_autoptr(WireStream) stream = NULL;
    if (!open_log(cli, &line, &error) || (stream = open_console(cli, &error)) == NULL) {
        if (line.log >= 0)
            close(line.log);
        return cli_fail(cli, error);
    }
    line.stream = stream;
    if (isatty(STDIN_FILENO) && !line.log_only)
        fprintf(stderr, "Console of machine %d. Ctrl-] leaves it; press Enter if nothing shows.\n",
                g_array_index(cli->ids, gint32, 0));
    fflush(stdout);
    make_raw(line.log_only);
    LineEnd end = talk(&line);
    restore_terminal();
    if (line.log >= 0 && close(line.log) != 0 && end != LINE_UNLOGGED) {
        line.log_errno = errno;
        end = LINE_UNLOGGED;
    }
    return tell_end(&line, end);
}

/* ---- the screen ---- */

static gboolean is_every_address(const char *address)
{
    return strcmp(address, "0.0.0.0") == 0 || strcmp(address, "::") == 0;
}

static gboolean is_loopback(const char *address)
{
    return *address == '\0' || strcmp(address, "::1") == 0 || strcmp(address, "localhost") == 0 ||
           g_str_has_prefix(address, "127.");
}

CliExit cli_vm_vnc(Cli *cli)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(xmlDoc) doc = fetch(cli, &error);
    if (doc == NULL)
        return cli_fail(cli, error);
    xmlNode *vm = xmlDocGetRootElement(doc);
    xmlNode *record = cli_xml_last(vm, "HISTORY_RECORDS/HISTORY");
    const char *host = cli_xml_text(record, "HOSTNAME");
    const char *port = cli_xml_text(vm, "TEMPLATE/GRAPHICS/PORT");
    const char *listen = cli_xml_text(vm, "TEMPLATE/GRAPHICS/LISTEN");
    const char *password = cli_xml_text(vm, "TEMPLATE/GRAPHICS/PASSWD");
    if (*port == '\0' || cli_xml_int(vm, "STATE", -1) != 3 || *host == '\0') {
        fprintf(stderr, "%s %s\n", cli_xml_text(vm, "NAME"),
                *port == '\0' ? "has no screen: its template has no GRAPHICS=[TYPE=vnc]"
                              : "runs on no host, so it has no screen; `onevm resume` starts it");
        return CLI_FAILED;
    }
    g_autofree char *type = g_ascii_strdown(cli_xml_text(vm, "TEMPLATE/GRAPHICS/TYPE"), -1);
    gboolean there = is_loopback(listen);
    const char *address = there ? "127.0.0.1" : is_every_address(listen) ? host : listen;
    printf("%s://%s:%s\n", type, address, port);
    if (there)
        printf("  It listens on %s alone; to reach it from here:\n"
               "  ssh -L %s:127.0.0.1:%s %s\n",
               host, port, port, host);
    if (*password != '\0')
        printf("  password: %s\n", password);
    return CLI_DONE;
}

/* ---- ssh ---- */

static CliExit replace_by(char *const *words)
{
    fflush(stdout);
    execvp(words[0], words);
    fprintf(stderr, "%s cannot be started: %s\n", words[0],
            errno == ENOENT ? "it is not installed here" : g_strerror(errno));
    return CLI_FAILED;
}

/* Where to log in: at the card of that number; else at the one with SSH = YES, else at the first
 * with an address; "" when there is none. (borrowed) */
static const char *card_address(xmlNode *vm, const char *number)
{
    const char *address = "";
    for (xmlNode *nic = xml_find(vm, "TEMPLATE/NIC"); nic != NULL; nic = xml_next_same(nic)) {
        const char *own = cli_xml_text(nic, "IP");
        gboolean meant = number != NULL ? strcmp(cli_xml_text(nic, "NIC_ID"), number) == 0
                                        : g_ascii_strcasecmp(cli_xml_text(nic, "SSH"), "YES") == 0;
        if (meant && *own != '\0')
            return own;
        if (number == NULL && *address == '\0')
            address = own;
    }
    return address;
}

CliExit cli_vm_ssh(Cli *cli)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(xmlDoc) doc = fetch(cli, &error);
    if (doc == NULL)
        return cli_fail(cli, error);
    xmlNode *vm = xmlDocGetRootElement(doc);
    const char *address = card_address(vm, cli_option(cli, "nic-id"));
    if (*address == '\0' && cli_option(cli, "nic-id") != NULL) {
        fprintf(stderr, "%s has no network card %s with an IP; `onevm show %s` lists them\n",
                cli_xml_text(vm, "NAME"), cli_option(cli, "nic-id"), cli_xml_text(vm, "ID"));
        return CLI_FAILED;
    }
    if (*address == '\0') {
        fprintf(stderr,
                "no address of %s is known: none of its network cards has an IP. `onevm "
                "console %s` needs none\n",
                cli_xml_text(vm, "NAME"), cli_xml_text(vm, "ID"));
        return CLI_FAILED;
    }
    const char *login = cli_word(cli, 1) != NULL ? cli_word(cli, 1) : "root";
    const char *more = cli_option(cli, "ssh-options"), *command = cli_option(cli, "ssh-command");
    g_autoptr(GPtrArray) words = g_ptr_array_new();
    g_auto(GStrv) options = g_strsplit_set(more != NULL ? more : "", " ", -1);
    g_ptr_array_add(words, "ssh");
    for (guint i = 0; options[i] != NULL; i++)
        if (*options[i] != '\0')
            g_ptr_array_add(words, options[i]);
    const char *last[] = {"-l", login, "--", address, command, NULL};
    for (guint i = 0; i < G_N_ELEMENTS(last); i++)
        g_ptr_array_add(words, (gpointer)last[i]);
    return replace_by((char *const *)words->pdata);
}
