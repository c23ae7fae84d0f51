/*
 * Commands in guests. The driver starts one (EXEC) and is asked what became of it (EXECPOLL) until
 * it says so; the machine runs on meanwhile, and all else can be done with it. What is known stands
 * in QEMU_GA_EXEC of the machine's template, as OpenNebula's clients read it, so that a restart
 * forgets no command: COMMAND, STDIN, PID (the driver's word for it), STATUS (EXECUTING, DONE,
 * ERROR, CANCELLED), RETURN_CODE, STDOUT and STDERR in base64, and TRUNCATED when there was more.
 */
#include "server/lifecycle/internal.h"

#include "lib/base/error.h"

#include <string.h>

#define NAME "QEMU_GA_EXEC"

/* Bytes of what is told; it stands in the machine's document. */
#define COMMAND_MAX 16384
#define STDIN_MAX   65536
/* Of what is answered, in base64. */
#define OUTPUT_MAX 90000
/* How long the driver may take, in seconds. */
#define EXEC_SECONDS 60
/* The first question comes soon, the others further and further apart. */
#define POLL_FIRST_US G_TIME_SPAN_SECOND / 2
#define POLL_MOST_US  (G_TIME_SPAN_SECOND * 10)
/* So many questions in vain, one after the other: nobody will say what became of it. */
#define POLL_FAILED_MAX    10

#define refuse(error, ...) (g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION, __VA_ARGS__), FALSE)

/* What a question was about: Asked.place. */
enum { START, POLL, CANCEL };

static const char *const actions[] = {"EXEC", "EXECPOLL", "EXEC_CANCEL"};

/* ---- what is known ---- */

static const TemplateAttribute *known(const Vm *vm)
{
    return template_vector(vm->head.template, NAME, 0);
}

static const char *value(const Vm *vm, const char *name)
{
    const TemplateAttribute *exec = known(vm);
    return exec ? attribute_get(exec, name) : NULL;
}

static gboolean is_executing(const Vm *vm)
{
    return g_strcmp0(value(vm, "STATUS"), "EXECUTING") == 0;
}

/* Members in the order of clients' schemas; NULL: there is none. */
typedef struct Known {
    const char *command, *pid, *code, *status, *errors, *input, *output, *cut;
} Known;

/* What is asked and waited for was about what was known before. */
static void quiet(Lifecycle *lifecycle, Vm *vm)
{
    core_timer_cancel(lifecycle->world->core, vm->exec.timer);
    vm->exec.timer = 0;
    vm->exec.failed = 0;
    for (guint i = 0; i < G_N_ELEMENTS(vm->exec.asked); i++) {
        lifecycle_forget(lifecycle, vm->exec.asked[i]);
        vm->exec.asked[i] = 0;
    }
}

static void set(Lifecycle *lifecycle, Vm *vm, const Known *to)
{
    quiet(lifecycle, vm);
    g_autoptr(Template) made = template_new();
    TemplateAttribute *exec = template_add_vector(made, NAME);
    attribute_set(exec, "COMMAND", to->command);
    attribute_set(exec, "PID", to->pid);
    attribute_set(exec, "RETURN_CODE", to->code);
    attribute_set(exec, "STATUS", to->status);
    attribute_set(exec, "STDERR", to->errors);
    attribute_set(exec, "STDIN", to->input);
    attribute_set(exec, "STDOUT", to->output);
    attribute_set(exec, "TRUNCATED", to->cut);
    template_remove(vm->head.template, NAME);
    template_take(vm->head.template, template_steal(made, 0));
    object_changed(lifecycle->world, &vm->head);
}

/* For the log. */
static const char *said_of(const char *cut)
{
    if (g_strcmp0(cut, "ENDED") == 0)
        return ", ended by the driver: it said much more than is kept";
    return cut ? ", it said more than is kept" : "";
}

/* The command is over, and how that is known. */
static void end(Lifecycle *lifecycle, Vm *vm, const char *status, const char *code,
                const char *output, const char *errors, const char *cut)
{
    set(lifecycle, vm,
        &(Known){value(vm, "COMMAND"), NULL, code, status, errors, value(vm, "STDIN"), output,
                 cut});
    vm_log(lifecycle, vm, LOG_INFO, "the command in the guest: %s%s%s%s", status,
           code ? ", code " : "", code ? code : "", said_of(cut));
}

static void end_with_reason(Lifecycle *lifecycle, Vm *vm, const char *reason)
{
    const char *text = reason && *reason ? reason : "the driver gave no reason";
    g_autofree char *encoded = g_base64_encode((const guchar *)text, strlen(text));
    end(lifecycle, vm, "ERROR", NULL, NULL, encoded, NULL);
}

/* ---- asking the driver ---- */

static void ask(Lifecycle *lifecycle, Vm *vm, guint what)
{
    DriverRequest *request =
        vm_hypervisor_request(lifecycle, vm, vm_last_record(vm), actions[what]);
    vm->exec.asked[what] = lifecycle_ask(lifecycle, request, ASKED_EXEC, vm->head.id, what,
                                         lifecycle_timeout(lifecycle, actions[what], EXEC_SECONDS));
}

typedef struct Later {
    Lifecycle *lifecycle;
    gint32 vm;
    gint64 pause;
} Later;

static void poll_now(Core *core, gpointer data);

static void poll_later(Lifecycle *lifecycle, Vm *vm, gint64 pause)
{
    Later *later = g_new0(Later, 1);
    *later = (Later){lifecycle, vm->head.id, pause};
    core_timer_cancel(lifecycle->world->core, vm->exec.timer);
    vm->exec.timer = core_timer_add(lifecycle->world->core, pause, poll_now, later, g_free);
}

static void poll_now(Core *core, gpointer data)
{
    const Later *later = data;
    Vm *vm = vm_get(later->lifecycle->world, later->vm);
    if (!vm)
        return;
    vm->exec.timer = 0;
    if (!is_executing(vm) || vm->state != VM_ACTIVE)
        return;
    /* While it is moved nobody knows which host to ask; a question under way asks for the next. */
    if (vm->lcm == LCM_RUNNING && value(vm, "PID") && !vm->exec.asked[POLL])
        ask(later->lifecycle, vm, POLL);
    poll_later(later->lifecycle, vm, MIN(later->pause * 3 / 2, POLL_MOST_US));
}

static gboolean may_run(Lifecycle *lifecycle, const Vm *vm, GError **error)
{
    if (vm->state != VM_ACTIVE || vm->lcm != LCM_RUNNING)
        return refuse(error, "Machine %d runs no commands in state %s; it does while it is RUNNING",
                      vm->head.id, vm_shown_state(vm));
    if (vm_driver_lacks(lifecycle, vm, "EXEC"))
        return refuse(error, "Machine %d is of driver %s, which cannot run commands in guests",
                      vm->head.id, vm_last_record(vm)->vm_mad);
    return TRUE;
}

static gboolean start(Lifecycle *lifecycle, Vm *vm, const char *command, const char *input,
                      gint number, const VmAsker *asker, GError **error)
{
    if (!may_run(lifecycle, vm, error))
        return FALSE;
    if (is_executing(vm))
        return refuse(error, "Machine %d executes a command already; wait for its end or cancel it",
                      vm->head.id);
    g_autofree char *own = g_strdup(command), *own_input = g_strdup(input);
    set(lifecycle, vm, &(Known){.command = own, .status = "EXECUTING", .input = own_input});
    vm_note_action(lifecycle, vm, vm_last_record(vm), number, asker);
    vm_log(lifecycle, vm, LOG_INFO, "a command is started in the guest");
    ask(lifecycle, vm, START);
    return TRUE;
}

gboolean vm_exec(Lifecycle *lifecycle, Vm *vm, const char *command, const char *input,
                 const VmAsker *asker, GError **error)
{
    if (!*command || strlen(command) > COMMAND_MAX)
        return refuse(error, "The command has %zu bytes; from 1 to %d are possible",
                      strlen(command), COMMAND_MAX);
    if (strlen(input) > STDIN_MAX)
        return refuse(error, "The standard input has %zu bytes; %d are the most", strlen(input),
                      STDIN_MAX);
    return start(lifecycle, vm, command, input, VM_ACTION_EXEC, asker, error);
}

gboolean vm_exec_retry(Lifecycle *lifecycle, Vm *vm, const VmAsker *asker, GError **error)
{
    const char *command = value(vm, "COMMAND"), *input = value(vm, "STDIN");
    if (!command)
        return refuse(error, "No command was run in machine %d yet", vm->head.id);
    return start(lifecycle, vm, command, input ? input : "", VM_ACTION_EXEC_RETRY, asker, error);
}

gboolean vm_exec_cancel(Lifecycle *lifecycle, Vm *vm, const VmAsker *asker, GError **error)
{
    if (!is_executing(vm))
        return refuse(error, "Machine %d executes no command", vm->head.id);
    if (!may_run(lifecycle, vm, error))
        return FALSE;
    if (!value(vm, "PID"))
        return refuse(error, "The command of machine %d is being started; cancel it in a moment",
                      vm->head.id);
    vm_note_action(lifecycle, vm, vm_last_record(vm), VM_ACTION_EXEC_CANCEL, asker);
    if (!vm->exec.asked[CANCEL])
        ask(lifecycle, vm, CANCEL);
    return TRUE;
}

/* ---- what the driver says ---- */

static gboolean is_word(const char *text)
{
    return text && *text && strlen(text) <= 128 &&
           !text[strspn(text,
                        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:")];
}

static const char *short_output(const char *text)
{
    return text && strlen(text) <= OUTPUT_MAX ? text : NULL;
}

/* What is too long for us was cut as well. */
static const char *cut_of(const Template *said)
{
    const char *cut = template_get(said, "TRUNCATED");
    if (cut && *cut)
        return strcmp(cut, "ENDED") == 0 ? "ENDED" : "YES";
    for (guint i = 0; i < 2; i++) {
        const char *text = template_get(said, i == 0 ? "STDOUT" : "STDERR");
        if (text && !short_output(text))
            return "YES";
    }
    return NULL;
}

static void polled(Lifecycle *lifecycle, Vm *vm, const char *info)
{
    g_autofree char *text = lifecycle_decoded(info);
    g_autoptr(Template) said = text ? template_parse(text, TEMPLATE_MODERN, NULL) : NULL;
    const char *status = said ? template_get(said, "STATUS") : NULL;
    if (g_strcmp0(status, "DONE") == 0)
        end(lifecycle, vm, "DONE", template_get(said, "RETURN_CODE"),
            short_output(template_get(said, "STDOUT")), short_output(template_get(said, "STDERR")),
            cut_of(said));
    else if (g_strcmp0(status, "ERROR") == 0)
        end(lifecycle, vm, "ERROR", NULL, NULL, short_output(template_get(said, "ERROR")), NULL);
    else if (g_strcmp0(status, "EXECUTING") != 0)
        end_with_reason(lifecycle, vm, "the driver's answer about the command cannot be read");
}

/* A question in vain may have been about a host that is busy; not so many of them. */
static void poll_failed(Lifecycle *lifecycle, Vm *vm, const char *info)
{
    if (++vm->exec.failed < POLL_FAILED_MAX)
        return;
    g_autofree char *reason = g_strdup_printf(
        "what became of the command is not known: %d questions in a row failed, the last one: %s",
        POLL_FAILED_MAX, info && *info ? info : "no reason");
    end_with_reason(lifecycle, vm, reason);
}

/* Nobody waits for it any more, whatever the driver can do about it. */
static void cancelled(Lifecycle *lifecycle, Vm *vm, gboolean success, const char *info)
{
    g_autofree char *reason =
        success ? NULL
                : g_strdup_printf("it may still run, since ending it failed: %s",
                                  info && *info ? info : "the driver gave no reason");
    g_autofree char *encoded =
        reason ? g_base64_encode((const guchar *)reason, strlen(reason)) : NULL;
    end(lifecycle, vm, "CANCELLED", NULL, NULL, encoded, NULL);
    if (reason)
        vm_note_failure(lifecycle, vm, reason);
}

void vm_exec_answered(Lifecycle *lifecycle, Vm *vm, const Asked *asked, gboolean success,
                      const char *info)
{
    if (vm->exec.asked[asked->place] != asked->number)
        return; /* about a command before */
    vm->exec.asked[asked->place] = 0;
    if (!is_executing(vm))
        return; /* it was cancelled, or the machine is off */
    if (asked->place == POLL && success) {
        vm->exec.failed = 0;
        polled(lifecycle, vm, info);
    } else if (asked->place == POLL) {
        poll_failed(lifecycle, vm, info);
    } else if (asked->place == CANCEL) {
        cancelled(lifecycle, vm, success, info);
    } else if (success && is_word(info)) {
        g_autofree char *pid = g_strdup(info);
        set(lifecycle, vm,
            &(Known){.command = value(vm, "COMMAND"),
                     .pid = pid,
                     .status = "EXECUTING",
                     .input = value(vm, "STDIN")});
        poll_later(lifecycle, vm, POLL_FIRST_US);
    } else {
        end_with_reason(lifecycle, vm,
                        success ? "the driver did not say how it knows the command" : info);
    }
}

void vm_exec_carry(Template *now, Template *before)
{
    template_remove(before, NAME);
    for (guint i = 0; i < template_count(now); i++)
        if (strcmp(template_nth(now, i)->name, NAME) == 0) {
            template_take(before, template_steal(now, i));
            return;
        }
}

void vm_exec_follow(Lifecycle *lifecycle, Vm *vm)
{
    if (vm->state != VM_ACTIVE && is_executing(vm))
        end_with_reason(lifecycle, vm, "the machine did not run on until the command ended");
}

void vm_exec_resume(Lifecycle *lifecycle)
{
    const GPtrArray *vms = lifecycle->world->pools[KIND_VM].order;
    for (guint i = 0; i < vms->len; i++) {
        Vm *vm = vms->pdata[i];
        if (!is_executing(vm) || vm->state == VM_DONE)
            continue;
        if (value(vm, "PID"))
            poll_later(lifecycle, vm, POLL_FIRST_US);
        else
            end_with_reason(lifecycle, vm,
                            "oned was started again before the driver answered: whether the "
                            "command was started is not known");
    }
}
