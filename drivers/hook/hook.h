/*
 * one_hem: runs the programs of hooks, on this computer or over ssh. See share/doc/hooks.md.
 *
 * A program is one file below a directory of hooks, found by real paths, and started without a
 * shell. It leads a process group of its own, which is ended as a whole when its time is over.
 */
#pragma once

#include "drivers/common/driver.h"
#include "lib/base/error.h"
#include "lib/ssh/ssh.h"

/* What is kept of each of standard output and standard error, in bytes. */
#define HOOK_OUTPUT_MAX ((gsize)64 * 1024)

typedef struct HookRequest {
    char *command;     /* below a directory, or absolute */
    char *arguments;   /* one line */
    gboolean on_stdin; /* it reads them; else they are its words */
    char *host;        /* runs there; NULL: here */
    guint seconds;     /* its time; 0: the driver's */
    gint64 execution;
    char **directories;
} HookRequest;

/* From the payload of EXECUTE: base64 of HOOK_DRIVER_ACTION_DATA. */
gboolean hook_request_read(HookRequest *request, const char *payload, GError **error);
void hook_request_clear(HookRequest *request);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(HookRequest, hook_request_clear)

/* The file that a command names: regular, executable, not open to be written by everybody, and
 * really below one of the directories, whatever symbolic links there are. (owned) NULL with the
 * error. */
char *hook_find_command(const char *command, char **directories, GError **error);

/* How it ended. */
typedef struct HookResult {
    char *path;
    gint code;             /* -1: it was ended, or ended without a code; `errors` says so */
    GString *out, *errors; /* cut at HOOK_OUTPUT_MAX */
} HookResult;
void hook_result_clear(HookResult *result);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(HookResult, hook_result_clear)
/* "<code> <command> <out> <errors>", the last three in base64, "-" for nothing. (owned) */
char *hook_result_print(const HookResult *result);

/* Runs it to its end. `ssh`: for remote ones. FALSE: it was not begun, and why. */
gboolean hook_execute(const HookRequest *request, Ssh *ssh, const SshWatch *watch,
                      HookResult *result, GError **error);

/* For driver_run(). `seconds`: the time of hooks without TIMEOUT. */
void hook_set_default_time(guint seconds);
gboolean hook_init(GError **error);
gboolean hook_prepare(DriverJob *job, GError **error);
char *hook_queue_of(const DriverJob *job);
extern const DriverAction hook_actions[];
