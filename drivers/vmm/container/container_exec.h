/*
 * EXEC, EXECPOLL and EXEC_CANCEL for daemons that run commands by themselves. A thread follows each
 * command to its end and keeps what it said, which is told for ten minutes; a driver that was
 * started anew knows nothing of earlier ones, and says so.
 */
#pragma once

#include "drivers/vmm/container/container_run.h"

/* One run of a command, while it goes on and afterwards. */
typedef struct ContainerRun ContainerRun;

const char *container_run_host(const ContainerRun *run);
const char *container_run_domain(const ContainerRun *run);
/* Of the daemon's path: "/containers/one-12" and `rest`. (owned) */
char *container_run_path(const ContainerRun *run, const char *rest);
/* "/bin/sh", "-c" and what it shall do, as an array for the daemon. (owned) */
JsonArray *container_run_words(const ContainerRun *run);
/* Some more of what it said: 1 is its output, 2 its errors. What is too much is dropped. */
void container_run_said(ContainerRun *run, int stream, const char *bytes, gsize count);

/* The first line of its errors, of daemons that tell the rest at the end only: the number of its
 * process, by which it can be ended. */
void container_run_begun(ContainerRun *run, const char *line);

void container_exec(DriverJob *job);
void container_exec_poll(DriverJob *job);
void container_exec_cancel(DriverJob *job);
