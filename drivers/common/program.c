#include "drivers/common/program.h"

#include "lib/base/error.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define TICK_MS  100
#define TEXT_MAX (1024 * 1024)

char *program_find(const char *name)
{
    static const char *const more[] = {"/usr/local/sbin", "/usr/sbin", "/sbin"};
    char *found = g_find_program_in_path(name);
    for (guint i = 0; found == NULL && i < G_N_ELEMENTS(more); i++) {
        found = g_build_filename(more[i], name, NULL);
        if (!g_file_test(found, G_FILE_TEST_IS_EXECUTABLE))
            g_clear_pointer(&found, g_free);
    }
    return found;
}

/* In the child: a group of its own, so that all of it can be ended, and not outliving us. */
static void set_up_child(gpointer unused)
{
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
}

typedef struct Running {
    GPid pid;
    int out[2], errors[2]; /* pipes; -1: none */
} Running;

static void close_end(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static gboolean start(Running *running, const char *const *argv, int input, int output,
                      GError **error)
{
    g_autofree char *path = program_find(argv[0]);
    if (path == NULL) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_NO_EXISTS, "the program %s is not installed",
                    argv[0]);
        return FALSE;
    }
    if (pipe2(running->errors, O_CLOEXEC) != 0 ||
        (output < 0 && pipe2(running->out, O_CLOEXEC) != 0)) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "cannot make a pipe: %s",
                    g_strerror(errno));
        return FALSE;
    }
    g_autoptr(GPtrArray) words = g_ptr_array_new();
    g_ptr_array_add(words, path);
    for (guint i = 1; argv[i] != NULL; i++)
        g_ptr_array_add(words, (gpointer)argv[i]);
    g_ptr_array_add(words, NULL);
    gboolean ok = g_spawn_async_with_fds(
        NULL, (char **)words->pdata, NULL, G_SPAWN_DO_NOT_REAP_CHILD, set_up_child, NULL,
        &running->pid, input, output >= 0 ? output : running->out[1], running->errors[1], error);
    close_end(&running->out[1]);
    close_end(&running->errors[1]);
    return ok;
}

/* TRUE: something came or nothing will come any more. */
static void gather(int *fd, GString *text)
{
    char buffer[8192];
    ssize_t got = read(*fd, buffer, sizeof buffer);
    if (got > 0)
        g_string_append_len(text, buffer, MIN(got, (ssize_t)(TEXT_MAX - MIN(text->len, TEXT_MAX))));
    else if (got == 0 || errno != EINTR)
        close_end(fd);
}

static gboolean may_go_on(const SshWatch *watch, gint64 since, GError **error)
{
    if (watch == NULL)
        return TRUE;
    if (watch->cancelled != NULL && watch->cancelled(watch->data))
        g_set_error(error, ONE_ERROR, ONE_ERROR_TIMEOUT, "cancelled");
    else if (watch->seconds > 0 &&
             g_get_monotonic_time() - since > (gint64)watch->seconds * G_USEC_PER_SEC)
        g_set_error(error, ONE_ERROR, ONE_ERROR_TIMEOUT, "not done within %u s", watch->seconds);
    else
        return TRUE;
    return FALSE;
}

/* Reads what it says until it ends. FALSE: cut, and the program was ended. */
static gboolean attend(Running *running, const SshWatch *watch, SshResult *result, GError **error)
{
    gint64 since = g_get_monotonic_time();
    int status = 0;
    for (;;) {
        struct pollfd set[2] = {{.fd = running->out[0], .events = POLLIN},
                                {.fd = running->errors[0], .events = POLLIN}};
        gboolean silent = running->out[0] < 0 && running->errors[0] < 0;
        poll(set, 2, silent ? 5 : TICK_MS);
        if (set[0].revents != 0)
            gather(&running->out[0], result->out);
        if (set[1].revents != 0)
            gather(&running->errors[0], result->errors);
        /* Its last words are read before its end is taken note of. */
        if ((silent || (set[0].revents == 0 && set[1].revents == 0)) &&
            waitpid(running->pid, &status, WNOHANG) == running->pid)
            break;
        if (!may_go_on(watch, since, error)) {
            kill(-running->pid, SIGTERM);
            g_usleep(100000);
            kill(-running->pid, SIGKILL);
            waitpid(running->pid, &status, 0);
            return FALSE;
        }
    }
    result->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return TRUE;
}

gboolean program_run(const char *const *argv, int input, int output, const SshWatch *watch,
                     SshResult *result, GError **error)
{
    Running running = {.out = {-1, -1}, .errors = {-1, -1}};
    result->status = -1;
    result->out = g_string_new(NULL);
    result->errors = g_string_new(NULL);
    gboolean ok =
        start(&running, argv, input, output, error) && attend(&running, watch, result, error);
    close_end(&running.out[0]);
    close_end(&running.out[1]);
    close_end(&running.errors[0]);
    close_end(&running.errors[1]);
    return ok;
}

gboolean program_do(const char *const *argv, const SshWatch *watch, GError **error)
{
    g_auto(SshResult) result = {0};
    if (!program_run(argv, -1, -1, watch, &result, error))
        return FALSE;
    if (result.status == 0)
        return TRUE;
    g_autofree char *text = g_strndup(result.errors->str, 500);
    g_strstrip(g_strdelimit(text, "\r\n", ' '));
    g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "%s ended with code %d: %s", argv[0],
                result.status, text);
    return FALSE;
}
