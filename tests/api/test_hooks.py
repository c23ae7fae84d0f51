"""Hooks: programs that oned has run when something enters a state, or after a call."""
import base64
import contextlib
import os
import re
import signal
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from api.server import Server
from conftest import ROOT
from api.states import ACTION, AUTHORIZATION, INTERNAL, NO_EXISTS

CALL = "NAME = {name}\nTYPE = api\nCALL = {call}\nCOMMAND = {command}\nARGUMENTS = \"{arguments}\"\n"
STATE = "NAME = {name}\nTYPE = state\nRESOURCE = {resource}\n{when}\nCOMMAND = {command}\nARGUMENTS = \"{arguments}\"\n"


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("hooks"), "HOOK_LOG_CONF = [ LOG_RETENTION = 5 ]\n").start()
    server.host("h1")
    yield server
    server.clean_up()


@pytest.fixture
def hook(one):
    """Makes hooks of a test's own, with their programs; they go with it."""
    made = []

    def make(text, program=None, **values):
        values = {"name": f"hook{len(made)}", "command": f"p{len(made)}", "arguments": "", **values}
        if program is not None:
            script(one, values["command"], program)
        made.append(one.ok("one.hook.allocate", text.format(**values)))
        return made[-1]
    yield make
    for identity in made:
        one.call("one.hook.unlock", identity)
        one.call("one.hook.delete", identity)


def script(one, name, text, mode=0o755):
    path = one.var / "remotes" / "hooks" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text if text.startswith("#!") else "#!/bin/sh\n" + text)
    path.chmod(mode)
    return path


def decoded(text):
    return base64.b64decode(text or "").decode()


def runs(client, identity):
    """Each record of a hook, as a dictionary."""
    return [{"id": int(run.findtext("EXECUTION_ID")), "arguments": run.findtext("ARGUMENTS") or "",
             "code": int(run.findtext("EXECUTION_RESULT/CODE")), "command": run.findtext("EXECUTION_RESULT/COMMAND"),
             "out": decoded(run.findtext("EXECUTION_RESULT/STDOUT")), "err": decoded(run.findtext("EXECUTION_RESULT/STDERR")),
             "retry": run.findtext("RETRY"), "host": run.findtext("REMOTE_HOST")}
            for run in client.xml("one.hook.info", identity).findall("HOOKLOG/HOOK_EXECUTION_RECORD")]


def under_way(run):
    return run["code"] == -1 and not run["err"]


def ended(client, identity, count=1):
    """The records, once that many of the hook have ended."""
    def arrived():
        found = [run for run in runs(client, identity) if not under_way(run)]
        return found if len(found) >= count else None
    return client.server.until(arrived, lambda: f"{count} executions of hook {identity}: {runs(client, identity)}")


def refused(client, code, pattern, method, *arguments):
    reply = client.call(method, *arguments)
    assert reply[0] is False and reply[2] == code and re.search(pattern, reply[1]), reply


# ---- states ----

def test_machine_states(one, hook):
    running = hook(STATE, 'echo "$1" | base64 -d', resource="VM", when="ON = RUNNING", arguments="$TEMPLATE")
    done = hook(STATE, 'echo "$#: $1 $2"; echo oops >&2; exit 3', resource="vm",
                when="ON = CUSTOM\nSTATE = done\nLCM_STATE = LCM_INIT", arguments="'two words' $ID")
    created = hook(STATE, "cat", resource="VM", when="STATE = PENDING", arguments="id $ID and $UNKNOWN")
    one.ok("one.hook.update", created, "ARGUMENTS_STDIN = yes", 1)
    template = one.xml("one.hook.info", running).find("TEMPLATE")
    assert {child.tag: child.text for child in template} == {
        "COMMAND": "p0", "ARGUMENTS": "$TEMPLATE", "REMOTE": "NO", "RESOURCE": "VM", "STATE": "ACTIVE", "LCM_STATE": "RUNNING"}
    machine = one.running()
    run, = ended(one, running)
    vm = ET.fromstring(run["out"])
    assert (vm.tag, vm.findtext("ID"), vm.findtext("LCM_STATE")) == ("VM", str(machine), "3")
    assert vm.findtext("HISTORY_RECORDS/HISTORY/HOSTNAME") == "h1"
    assert run["code"] == 0 and run["command"].endswith("/remotes/hooks/p0") and run["host"] is None
    assert ended(one, created)[0]["out"] == f"id {machine} and $UNKNOWN\n"
    assert runs(one, done) == []
    one.action("terminate-hard", machine)
    run, = ended(one, done)
    assert (run["code"], run["out"], run["err"]) == (3, f"2: two words {machine}\n", "oops\n")
    assert len(runs(one, running)) == 1


def test_other_states(one, hook):
    host = hook(STATE, "echo $1", resource="HOST", when="STATE = DISABLED", arguments="$ID")
    image = hook(STATE, "echo $1 | base64 -d", resource="IMAGE", when="STATE = READY", arguments="$TEMPLATE")
    net = hook(STATE, "echo $1", resource="VNET", when="STATE = READY", arguments="$ID")
    number = one.ok("one.host.allocate", "other", "dummy", "dummy", -1)
    one.ok("one.host.status", number, 1)
    one.ok("one.host.status", number, 1)  # it is so already
    assert [run["out"] for run in ended(one, host)] == [f"{number}\n"]
    made = one.ok("one.image.allocate", "NAME = hooked\nSOURCE = there\nSIZE = 1", 1, True)
    assert ET.fromstring(ended(one, image)[0]["out"]).findtext("ID") == str(made)
    network = one.ok("one.vn.allocate", "NAME = hooked\nVN_MAD = dummy\nAR = [ TYPE = IP4, IP = 10.8.0.1, SIZE = 5 ]")
    assert ended(one, net)[0]["out"] == f"{network}\n"
    one.ok("one.host.delete", number)


# ---- calls ----

def test_calls(one, hook):
    allocated = hook(CALL, "base64 -d", call="one.template.allocate", arguments="$API")
    one.ok("one.hook.update", allocated, "ARGUMENTS_STDIN = YES", 1)
    deleted = hook(CALL, "echo $1 | base64 -d", call="one.template.delete", arguments="$API")
    text = "NAME = \"a <b> & 'c'\"\nCPU = 1\nMEMORY = 64".replace("<b>", "b").replace("'", "").replace("&", "and")
    made = one.ok("one.template.allocate", text)
    info = ET.fromstring(ended(one, allocated)[0]["out"])
    assert info.tag == "CALL_INFO" and info.findtext("RESULT") == "1"
    told = [tuple(parameter.findtext(name) for name in ("POSITION", "TYPE", "VALUE")) for parameter in info.iter("PARAMETER")]
    assert told == [("1", "IN", "****"), ("2", "IN", text), ("1", "OUT", "true"), ("2", "OUT", str(made)), ("3", "OUT", "0")]
    assert info.findtext("EXTRA/VMTEMPLATE/ID") == str(made)
    assert one.call("one.template.allocate", "NAME = ")[0] is False  # no hook for what was not done
    one.ok("one.template.delete", made)
    info = ET.fromstring(ended(one, deleted)[0]["out"])
    assert info.findtext("EXTRA/VMTEMPLATE/NAME") == "a b and c"
    assert len(runs(one, allocated)) == 1


def test_secrets_are_not_told(one, hook):
    made = hook(CALL, "echo $1 | base64 -d", call="one.user.allocate", arguments="$API")
    login = hook(CALL, "echo $1 | base64 -d", call="one.user.login", arguments="$API")
    one.ok("one.user.allocate", "hooked", "Secret-word", "core")
    token = one.ok("one.user.login", "hooked", "Token-word", 1000, -1)
    for identity in (made, login):
        told = ended(one, identity)[0]["out"]
        assert "hooked" in told and "Secret" not in told and "Some-" not in told and token not in told, told
    one.ok("one.user.delete", int(ET.fromstring(ended(one, made)[0]["out"]).findtext("EXTRA/USER/ID")))


def test_secrets_of_commands_and_users_are_not_told(one, hook):
    made = [hook(CALL, "echo $1 | base64 -d", call=call, arguments="$API") for call in ("one.vm.exec", "one.user.update")]
    vm = one.running()
    one.ok("one.vm.exec", vm, "exit Secret-command", "Secret-input")
    one.ok("one.user.update", 0, "PRIVATE = Secret-key", 1)
    for identity in made:
        told = ended(one, identity)[0]["out"]
        assert "CALL_INFO" in told and "Secret" not in told, told
    one.action("terminate-hard", vm)


def test_secrets_inside_templates_are_not_told(fresh):
    one = fresh('VM_ENCRYPTED_ATTR = "CONTEXT/LICENSE"\nIMAGE_ENCRYPTED_ATTR = PIN\n', hosts=1)
    template = """NAME = guarded
        CPU = 0.1
        MEMORY = 64
        CONTEXT = [ PASSWORD = "Secret-1", LICENSE = "Secret-2", SHOWN = "plain", PASSWORD_BASE64 = "Secret-11",
                    CRYPTED_PASSWORD_BASE64 = "Secret-12" ]
        EC2_SECRET = "Secret-13"
        API_TOKEN = "Secret-14"
        VAULT = [ TOKEN = "Secret-15" ]
        GRAPHICS = [ TYPE = vnc, PASSWD = "Secret3" ]
        PIN = "Secret-4<&>"
        API_PASSWORD = "Secret-5"
        API_PASSWORD = "Secret-6"
        """
    given = {
        "one.vm.allocate": (template, True),
        "one.template.allocate": (template.replace("guarded", "guarded-too"),),
        "one.vrouter.allocate": ("<VROUTER><NAME>edge</NAME><KEEPALIVED_PASSWORD><![CDATA[Secret-7]]></KEEPALIVED_PASSWORD><password>Secret-16</password><SHOWN>plain</SHOWN></VROUTER>",),
        "one.document.allocate": ("NAME = doc\nSHOWN = plain\nSSH_PRIVATE_KEY = Secret-8", 100),
    }
    hooks, made = {}, {}
    for number, call in enumerate([*given, "one.vm.updateconf", "one.template.delete", "one.user.delete"]):
        script(one, f"p{number}", "echo $1 | base64 -d")
        hooks[call] = one.ok("one.hook.allocate", CALL.format(name=f"h{number}", command=f"p{number}", call=call, arguments="$API"))
    script(one, "state", "echo $1 | base64 -d")
    hooks["state"] = one.ok("one.hook.allocate", STATE.format(name="state", command="state", resource="VM", when="ON = RUNNING", arguments="$TEMPLATE"))
    for call, arguments in given.items():
        made[call] = one.ok(call, *arguments)
    machine = made["one.vm.allocate"]
    one.ok("one.vm.updateconf", machine, 'CONTEXT = [ PASSWORD = "Secret-9", SHOWN = "plain" ]', 1)
    one.ok("one.template.delete", made["one.template.allocate"])
    ann = one.user("secretann")
    one.ok("one.user.update", ann.uid, 'SHOWN = plain\nSSH_PASSPHRASE = "Secret-10"', 0)
    token = one.ok("one.user.login", "secretann", "", 1000, -1)
    one.ok("one.user.delete", ann.uid)
    one.ok("one.vm.action", "release", machine)
    one.ok("one.vm.deploy", machine, 0)
    one.wait(machine, "RUNNING")
    for call, identity in hooks.items():
        run, = ended(one, identity)
        told = run["out"]
        assert "plain" in told and "****" in told and "Secret" not in told and token not in told, (call, told)
        info = ET.fromstring(told)
        if given.get(call, ("",))[0].startswith("<"):  # a program that reads XML gets XML
            text = info.findtext("PARAMETERS/PARAMETER[2]/VALUE")
            assert text == given[call][0].replace("<![CDATA[Secret-7]]>", "****").replace("Secret-16", "****")
        words = one.xml("one.hooklog.info", -1, -1, identity, 0).findtext("HOOK_EXECUTION_RECORD/EXECUTION_RESULT/COMMAND")
        assert all("Secret" not in base64.b64decode(word + "===").decode(errors="replace") for word in re.findall(r"[A-Za-z0-9+/]{40,}", words or ""))
    assert "Secret" not in one.log()
    kept = one.ok("one.vm.info", machine)
    assert "Secret-9" in kept and "Secret-5" in kept


def test_a_hook_does_not_delay_its_call(one, hook):
    identity = hook(CALL, "while [ ! -e \"$1\" ]; do sleep 0.05; done", call="one.document.allocate",
                    arguments=str(one.var / "go-on"))
    made = [one.ok("one.document.allocate", f"NAME = slow{number}", 100) for number in range(6)]
    assert all(under_way(run) for run in runs(one, identity)) and len(runs(one, identity)) == 6
    refused(one, ACTION, "under way", "one.hook.retry", identity, 5)
    assert one.xml("one.hooklog.info", -1, -1, identity, 1).find("*") is None  # neither done nor failed yet
    assert one.xml("one.hooklog.info", -1, -1, identity, -1).find("*") is None
    (one.var / "go-on").write_text("")
    assert all(run["code"] == 0 for run in ended(one, identity, 5))
    one.until(lambda: len(runs(one, identity)) == 5, "five records to be kept")
    assert runs(one, identity)[-1]["id"] == 5
    for document in made:
        one.ok("one.document.delete", document)


# ---- what goes wrong ----

def call_it(one):
    one.ok("one.document.delete", one.ok("one.document.allocate", "NAME = trigger", 100))


def test_time_out_ends_all_of_it(one, hook):
    mark = one.var / "child"
    identity = hook(CALL, f"sh -c 'echo $$ > {mark}; exec sleep 1000' & echo early; echo why >&2; wait", call="one.document.delete")
    one.ok("one.hook.update", identity, "TIMEOUT = 5", 1)
    call_it(one)
    run, = ended(one, identity)
    assert run["code"] == -1 and run["out"] == "early\n" and re.match(r"why\n\nnot done within 5 s: it was ended", run["err"]), run
    child = int(mark.read_text())
    one.until(lambda: not os.path.exists(f"/proc/{child}") or open(f"/proc/{child}/stat").read().split()[2] == "Z", "the child to end")


def test_huge_output_is_cut(one, hook):
    identity = hook(CALL, "head -c 3000000 /dev/zero | tr '\\0' x; head -c 100000 /dev/urandom >&2; printf '\\377\\000end'",
                    call="one.document.delete")
    call_it(one)
    record, = one.until(lambda: [at for at in one.xml("one.hook.info", identity).iter("EXECUTION_RESULT")
                                 if at.findtext("CODE") == "0"] or None, "the hook to end")
    out, errors = (base64.b64decode(record.findtext(name)) for name in ("STDOUT", "STDERR"))
    assert out == b"x" * 65536 + b"\n[the rest was not kept]\n" and len(errors) == 65536 + 25


def test_programs_that_cannot_be_run(one, hook):
    wanted = {
        "missing": "there is no missing in the directories of hooks: ",
        "open": "can be written by everybody",
        "plain": "cannot be executed",
        "dir": "is no file",
        "away": "leads out of the directories of hooks",
    }
    if os.geteuid() == 0:
        wanted["plain"] = "(cannot be executed|[Pp]ermission denied)"
    script(one, "open", "exit 0").chmod(0o777)
    script(one, "plain", "exit 0", 0o644)
    (one.var / "remotes" / "hooks" / "dir").mkdir()
    (one.var / "remotes" / "hooks" / "away").symlink_to("/bin/true")
    made = {name: hook(CALL, call="one.document.delete", name=name, command=name) for name in wanted}
    call_it(one)
    for name, pattern in wanted.items():
        run, = ended(one, made[name])
        assert run["code"] == -1 and run["err"].startswith("not begun: ") and re.search(pattern, run["err"]), run


def test_long_arguments(one, hook):
    words = hook(CALL, "echo ${#1}", call="one.document.allocate", arguments="$API")
    read = hook(CALL, "wc -c", call="one.document.allocate", arguments="$API")
    one.ok("one.hook.update", read, "ARGUMENTS_STDIN = YES", 1)
    made = one.ok("one.document.allocate", "NAME = long\nTEXT = \"" + "y" * 150000 + "\"", 100)
    run, = ended(one, words)
    assert run["code"] == -1 and "ARGUMENTS_STDIN" in run["err"], run
    assert int(ended(one, read)[0]["out"]) > 200000
    one.ok("one.document.delete", made)


@pytest.mark.parametrize("text, pattern", [
    ("TYPE = api\nCALL = one.vm.resize\nCOMMAND = x", "No NAME"),
    ("NAME = a\nTYPE = api\nCALL = one.vm.resize", "No COMMAND"),
    ("NAME = a\nCOMMAND = x\nCALL = one.vm.resize", "No TYPE or invalid"),
    ("NAME = a\nTYPE = both\nCOMMAND = x\nCALL = one.vm.resize", "No TYPE or invalid"),
    ("NAME = \"a;b\"\nTYPE = api\nCALL = one.vm.resize\nCOMMAND = x", "Invalid NAME"),
    ("NAME = a\nTYPE = api\nCALL = one.vm.resize\nCOMMAND = \"../x\"", "plain path"),
    ("NAME = a\nTYPE = api\nCALL = one.vm.resize\nCOMMAND = \"a//b\"", "plain path"),
    ("NAME = a\nTYPE = api\nCALL = one.vm.resize\nCOMMAND = \"/bin/sh\"", "in none of the directories of hooks: .*HOOK_DIRECTORY"),
    ("NAME = a\nTYPE = api\nCALL = one.vm.resize\nCOMMAND = \"x; rm -rf /\"", "byte 2 is another"),
    ("NAME = a\nTYPE = api\nCALL = one.vm.resize\nCOMMAND = \"x\ny\"", "byte 2 is another"),
    ("NAME = a\nTYPE = api\nCALL = one.vm.resize\nCOMMAND = \"$(id)\"", "byte 1 is another"),
    ("NAME = a\nTYPE = api\nCALL = one.vm.resize\nCOMMAND = " + "x" * 1025, "longer than 1024"),
    ("NAME = a\nTYPE = api\nCALL = one.vm.resize\nCOMMAND = x\nARGUMENTS = \"a\nb\"", "control character"),
    ("NAME = a\nTYPE = api\nCALL = one.vm.resize\nCOMMAND = x\nARGUMENTS = \"it's\"", "taken apart"),
    ("NAME = a\nTYPE = api\nCALL = one.vm.resize\nCOMMAND = x\nTIMEOUT = 0", "TIMEOUT is \"0\""),
    ("NAME = a\nTYPE = api\nCALL = one.vm.resize\nCOMMAND = x\nREMOTE = maybe", "REMOTE is \"maybe\""),
    ("NAME = a\nTYPE = api\nCALL = one.vm.resize\nCOMMAND = x\nREMOTE = yes", "REMOTE = YES is for"),
    ("NAME = a\nTYPE = api\nCALL = one.vm.info\nCOMMAND = x", "does not exist or is not supported: one.vm.info"),
    ("NAME = a\nTYPE = api\nCALL = one.vm.dance\nCOMMAND = x", "does not exist or is not supported: one.vm.dance"),
    ("NAME = a\nTYPE = api\nCALL = system.listMethods\nCOMMAND = x", "does not exist or is not supported"),
    ("NAME = a\nTYPE = api\nCOMMAND = x", "CALL"),
    ("NAME = a\nTYPE = state\nCOMMAND = x", "RESOURCE attribute is required"),
    ("NAME = a\nTYPE = state\nRESOURCE = USER\nCOMMAND = x", "Invalid resource type: USER"),
    ("NAME = a\nTYPE = state\nRESOURCE = VM\nON = LUNCH\nCOMMAND = x", "LUNCH"),
    ("NAME = a\nTYPE = state\nRESOURCE = VM\nSTATE = ACTIVE\nCOMMAND = x", "Wrong LCM_STATE"),
    ("NAME = a\nTYPE = state\nRESOURCE = VM\nSTATE = DONE\nLCM_STATE = RUNNING\nCOMMAND = x", "Wrong LCM_STATE: RUNNING"),
    ("NAME = a\nTYPE = state\nRESOURCE = HOST\nSTATE = RUNNING\nCOMMAND = x", "Invalid STATE: RUNNING"),
    ("NAME = a\nTYPE = state\nRESOURCE = HOST\nSTATE = ?\nCOMMAND = x", "Invalid STATE"),
])
def test_templates_that_are_refused(one, text, pattern):
    refused(one, INTERNAL, pattern, "one.hook.allocate", text)
    assert one.xml("one.hookpool.info").find("HOOK") is None


def test_changes(one, hook):
    identity = hook(CALL, "echo old", call="one.document.delete")
    refused(one, INTERNAL, "NAME is already taken by HOOK", "one.hook.allocate",
            CALL.format(name="hook0", call="one.vm.resize", command="x", arguments=""))
    refused(one, INTERNAL, "plain path", "one.hook.update", identity, "COMMAND = ../../x", 1)
    refused(one, INTERNAL, "TYPE", "one.hook.update", identity, "TYPE = state\nRESOURCE = VM\nON = DONE\nCOMMAND = x", 0)
    refused(one, INTERNAL, "No COMMAND", "one.hook.update", identity, "CALL = one.vm.resize", 0)
    assert one.xml("one.hook.info", identity).findtext("TEMPLATE/CALL") == "one.document.delete"
    script(one, "second", "echo second")
    one.ok("one.hook.update", identity, "COMMAND = second\nCALL = one.template.delete\nNOTE = x", 0)
    call_it(one)
    one.ok("one.template.delete", one.ok("one.template.allocate", "NAME = x\nCPU = 1\nMEMORY = 64"))
    run, = ended(one, identity)
    assert run["out"] == "second\n"
    one.ok("one.hook.rename", identity, "renamed")
    one.ok("one.hook.lock", identity, 1)
    one.ok("one.template.delete", one.ok("one.template.allocate", "NAME = x\nCPU = 1\nMEMORY = 64"))
    ended(one, identity, 2)  # a lock is about the object, and it goes on waiting
    pool = one.xml("one.hookpool.info")
    assert [entry.findtext("NAME") for entry in pool.findall("HOOK")] == ["renamed"] and pool.find("HOOK/HOOKLOG") is None


def test_who_may(one, hook):
    identity = hook(CALL, "echo", call="one.document.delete")
    user = one.user("plain")
    text = CALL.format(name="mine", call="one.vm.resize", command="x", arguments="")
    refused(user, AUTHORIZATION, "CREATE HOOK", "one.hook.allocate", text)
    for method, *arguments in (("info",), ("update", "A = 1", 1), ("rename", "x"), ("lock", 1), ("unlock",), ("retry", 0), ("delete",)):
        refused(user, AUTHORIZATION, "Not authorized to perform (USE|MANAGE) HOOK", f"one.hook.{method}", identity, *arguments)
    refused(user, AUTHORIZATION, "not authorized", "one.hooklog.info", -1, -1, -1, 0)
    assert user.xml("one.hookpool.info").find("HOOK") is None
    one.ok("one.user.delete", user.uid)


# ---- the log ----

def test_log_and_retry(one, hook):
    identity = hook(CALL, f"cat {one.var}/code; exit $(cat {one.var}/code)", call="one.document.delete")
    (one.var / "code").write_text("4")
    call_it(one)
    ended(one, identity)
    (one.var / "code").write_text("0")
    refused(one, NO_EXISTS, r"execution \[7\]", "one.hook.retry", identity, 7)
    assert one.ok("one.hook.retry", identity, 0) == identity
    first, again = ended(one, identity, 2)
    assert (first["code"], first["retry"], again["code"], again["retry"], again["out"]) == (4, None, 0, "yes", "0")

    def log(*filters):
        return [int(run.findtext("EXECUTION_ID")) for run in one.xml("one.hooklog.info", *filters, schema="hooklog").findall("*")
                if run.findtext("HOOK_ID") == str(identity)]
    now = int(time.time())
    assert log(-1, -1, -1, 0) == [0, 1] and log(-1, -1, identity, -1) == [0] and log(-1, -1, identity, 1) == [1]
    assert log(now - 600, now + 600, -1, 0) == [0, 1] and log(now + 600, -1, -1, 0) == [] and log(-1, now - 600, -1, 0) == []
    assert log(-1, -1, identity + 1, 0) == []
    one.ok("one.hook.delete", identity)
    assert log(-1, -1, -1, 0) == []


@pytest.fixture
def sleepers(tmp_path):
    """A file of numbers of processes, which are ended after the test."""
    path = tmp_path / "sleepers"
    yield path
    for pid in path.read_text().split() if path.exists() else ():
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/cmdline").read_bytes() == b"sleep\x001000\0":
                os.kill(int(pid), signal.SIGKILL)


def test_an_end_in_the_middle_is_told_and_not_repeated(fresh, sleepers):
    one = fresh()
    script(one, "wait", f"echo $$ >> {sleepers}; echo begun >> {one.var}/begun; exec sleep 1000")
    identity = one.ok("one.hook.allocate", CALL.format(name="a", call="one.document.delete", command="wait", arguments="x"))
    call_it(one)
    begun = one.var / "begun"
    one.until(begun.exists, "the hook to begin")
    os.kill(one.drivers()["one_hem"][0], signal.SIGKILL)
    run, = ended(one, identity)
    assert run["code"] == -1 and "ended before it answered EXECUTE: it is not known whether it ran" in run["err"], run
    call_it(one)
    one.until(lambda: begun.read_text() == "begun\n" * 2, "the second to begin")
    one.restart(clean=False)
    last = ended(one, identity, 2)[-1]
    assert last["code"] == -1 and "oned ended before the hook did: it is not known" in last["err"], last
    assert begun.read_text() == "begun\n" * 2
    one.restart()
    assert len(runs(one, identity)) == 2
    assert "in order" in one.command("--check").stdout


def test_another_directory_and_old_words_of_the_configuration(fresh, tmp_path):
    more = tmp_path / "more"
    more.mkdir()
    one = fresh(f"HOOK_DIRECTORY = \"{more}\"\nHM_MAD = [ EXECUTABLE = \"one_hem\", ARGUMENTS = \"-p 2101 -l 2102 -b 127.0.0.1\" ]\n")
    path = more / "there"
    path.write_text("#!/bin/sh\necho there\n")
    path.chmod(0o755)
    full = one.ok("one.hook.allocate", CALL.format(name="full", call="one.document.delete", command=path, arguments=""))
    short = one.ok("one.hook.allocate", CALL.format(name="short", call="one.document.delete", command="there", arguments=""))
    call_it(one)
    assert ended(one, full)[0]["out"] == ended(one, short)[0]["out"] == "there\n"


# ---- ft/host_error ----

def dead_host(fresh, words):
    """A host in ERROR with a machine, and the records of the hook that saw that."""
    one = fresh(hosts=2)
    text = (ROOT / "share" / "examples" / "hooks" / "host_error.hook").read_text()
    identity = one.ok("one.hook.allocate", re.sub("ARGUMENTS = .*", f'ARGUMENTS = "$TEMPLATE {words}"', text))
    machine = one.running()
    one.control("HOST h1 down=1")
    one.wait_host(0, "ERROR")
    return one, identity, machine


def test_machines_of_a_dead_host_begin_anew(fresh):
    one, identity, machine = dead_host(fresh, "-r -u -p 1")
    run, = ended(one, identity)
    assert run["code"] == 0 and re.fullmatch(
        rf"host h1 \(0\) is in ERROR\nlooking again in 1 s\nno fencing: .*\nit is OFFLINE now; .*\n"
        rf"machine {machine} is to be started anew\n1 machines are to be started anew, 0 cannot be\n", run["out"]), run
    one.wait(machine, "PENDING")
    one.wait_host(0, "OFFLINE")
    one.ok("one.vm.deploy", machine, 1)
    one.wait(machine, "RUNNING")


def test_fencing_comes_first(fresh):
    one, identity, machine = dead_host(fresh, "-m -p 0")
    run, = ended(one, identity)
    assert run["code"] == 1 and "fencing is on, and there is no program" in run["err"] and "fence_host.sh" in run["err"], run
    one.wait_host(0, "ERROR")  # nothing was done
    script(one, "ft/fence_host.sh", f"base64 -d > {one.var}/fenced; echo switched; [ -e {one.var}/works ] || exit 2")
    one.ok("one.hook.retry", identity, 0)
    run = ended(one, identity, 2)[-1]
    assert run["code"] == 1 and "fence_host.sh ended with 2" in run["err"] and "switched" in run["out"], run
    assert one.vm(machine).findtext("RESCHED") == "0"
    (one.var / "works").write_text("")
    one.ok("one.hook.retry", identity, 0)
    run = ended(one, identity, 3)[-1]
    assert run["code"] == 0 and f"machine {machine} is to be moved" in run["out"], run
    assert ET.fromstring((one.var / "fenced").read_text()).findtext("NAME") == "h1"
    assert one.vm(machine).findtext("RESCHED") == "1"
    one.ok("one.vm.migrate", machine, 1, False)  # as the scheduler does
    one.wait(machine, "RUNNING")


def test_a_host_that_comes_back_is_left_alone(fresh):
    one, identity, machine = dead_host(fresh, "-d -u -p 1000")
    one.until(lambda: runs(one, identity), "the hook to begin")
    one.control()
    run, = ended(one, identity)
    assert run["code"] == 0 and run["out"].endswith("it came back: nothing is to be done\n"), run
    one.wait(machine, "RUNNING")


@pytest.mark.parametrize("words, pattern", [
    ("-u", "one of -m .* and -d"), ("-m -r", "one of -m"), ("-x", "Unknown option"), ("", "one of -m")])
def test_wrong_words_of_host_error(one, hook, words, pattern):
    identity = hook(STATE, resource="HOST", when="STATE = OFFLINE", command="ft/host_error", arguments="$TEMPLATE " + words)
    number = one.ok("one.host.allocate", "wrong", "dummy", "dummy", -1)
    one.ok("one.host.status", number, 2)
    run, = ended(one, identity)
    assert run["code"] == 1 and re.search(pattern, run["err"]), run
    one.ok("one.host.delete", number)
