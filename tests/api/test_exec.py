"""Commands in guests: what became of them stands with the machine, whatever happens meanwhile."""
import base64

from api.states import ACTION


def known(one, vm):
    found = one.vm(vm).find("TEMPLATE/QEMU_GA_EXEC")
    return {} if found is None else {item.tag: item.text for item in found}


def text(value):
    return base64.b64decode(value or "").decode()


def ended(one, vm, status="DONE"):
    one.until(lambda: known(one, vm).get("STATUS") == status, lambda: f"{status}: {known(one, vm)}")
    return known(one, vm)


def test_a_command_and_its_end(one):
    vm = one.running()
    assert one.ok("one.vm.exec", vm, 'echo "a<b>&\'c\'"', "line\n\"two\"") == vm
    assert one.state(vm) == "RUNNING"
    said = ended(one, vm)
    assert said["RETURN_CODE"] == "0" and text(said["STDOUT"]) == 'echo "a<b>&\'c\'"\nline\n"two"'
    assert said["COMMAND"] == 'echo "a<b>&\'c\'"' and "PID" not in said
    one.ok("one.vm.exec", vm, "exit 7", "")
    assert ended(one, vm)["RETURN_CODE"] == "7"
    one.ok("one.vm.exec", vm, "lost", "")
    assert "nobody knows" in text(ended(one, vm, "ERROR")["STDERR"])
    one.ok("one.vm.retryexec", vm)
    assert known(one, vm)["COMMAND"] == "lost"
    ended(one, vm, "ERROR")
    one.fails("one.vm.cancelexec", vm, code=ACTION, text="executes no command")
    one.action("terminate-hard", vm)


def test_a_command_goes_on_while_other_things_happen(one):
    vm = one.running()
    one.ok("one.vm.exec", vm, "sleep 100", "")
    one.until(lambda: known(one, vm).get("PID"), "the start")
    one.fails("one.vm.exec", vm, "exit 1", "", code=ACTION, text="already")
    one.fails("one.vm.retryexec", vm, code=ACTION, text="already")
    one.ok("one.vm.attach", vm, "DISK = [ TYPE = fs, SIZE = 1 ]")
    one.wait(vm, "RUNNING")
    one.restart()
    assert known(one, vm)["STATUS"] == "EXECUTING"
    one.wait(vm, "RUNNING")
    one.ok("one.vm.cancelexec", vm)
    assert "PID" not in ended(one, vm, "CANCELLED")
    one.ok("one.vm.exec", vm, "sleep 100", "")
    one.until(lambda: known(one, vm).get("PID"), "the start")
    one.action("poweroff-hard", vm)
    one.wait(vm, "POWEROFF")
    assert "did not run on" in text(ended(one, vm, "ERROR")["STDERR"])
    one.fails("one.vm.retryexec", vm, code=ACTION, text="while it is RUNNING")
    one.action("terminate-hard", vm)


def test_what_is_refused(one):
    vm = one.allocate(hold=True)
    one.fails("one.vm.exec", vm, "true", "", code=ACTION, text="HOLD")
    one.fails("one.vm.retryexec", vm, code=ACTION, text="No command")
    one.fails("one.vm.exec", vm, "", "", code=ACTION, text="from 1 to")
    one.fails("one.vm.exec", vm, "x" * 20000, "", code=ACTION, text="from 1 to")
    forged = one.allocate("QEMU_GA_EXEC = [ COMMAND = x, STATUS = EXECUTING, PID = 5 ]", hold=True)
    assert known(one, forged) == {}
    for identity in (vm, forged):
        one.action("terminate", identity)
