"""The life of a machine on simulated hosts: each action from each state that allows it, and from those that do not."""
import base64
import itertools
import time
import xmlrpc.client

import pytest
from api.states import ACTION, AUTHORIZATION, INTERNAL

# Numbers of HISTORY/ACTION.
NUMBER = {"migrate": 1, "live-migrate": 2, "undeploy": 5, "undeploy-hard": 6, "stop": 9, "suspend": 10, "poweroff": 19,
          "poweroff-hard": 20, "terminate": 27, "terminate-hard": 28, "poweroff-migrate": 48, "poweroff-hard-migrate": 49}


def records(vm):
    return vm.findall("HISTORY_RECORDS/HISTORY")


def usage(one, host):
    share = one.xml("one.host.info", host).find("HOST_SHARE")
    return tuple(int(share.findtext(name)) for name in ("CPU_USAGE", "MEM_USAGE", "RUNNING_VMS"))


def bring(one, state, host=0):
    """A machine in a resting state."""
    if state == "HOLD":
        return one.allocate(hold=True)
    if state == "PENDING":
        return one.allocate()
    identity = one.running(host)
    word = {"POWEROFF": "poweroff", "SUSPENDED": "suspend", "STOPPED": "stop", "UNDEPLOYED": "undeploy", "DONE": "terminate"}
    if state in word:
        one.action(word[state], identity)
        one.wait(identity, state)
    return identity


def end(one, identity):
    if one.state(identity) != "DONE":
        one.ok("one.vm.recover", identity, 3)
        one.wait(identity, "DONE")


# ---- allocate, deploy, terminate ----

def test_from_nothing_to_running_and_back(one):
    before = usage(one, 0)
    identity = one.allocate("CPU = 2\nMEMORY = 1024\nNOTE = mine", name="whole")
    vm = one.vm(identity)
    assert vm.findtext("STATE") == "1" and vm.findtext("NAME") == "whole"
    assert vm.findtext("USER_TEMPLATE/NOTE") == "mine" and vm.findtext("TEMPLATE/VMID") == str(identity)
    assert records(vm) == []
    assert one.ok("one.vm.deploy", identity, 0) == identity
    vm = one.wait(identity, "RUNNING")
    assert vm.findtext("DEPLOY_ID") == f"one-{identity}"
    (record,) = records(vm)
    assert (record.findtext("HOSTNAME"), record.findtext("HID"), record.findtext("CID"), record.findtext("SEQ")) == ("h1", "0", "0", "0")
    assert 0 < int(record.findtext("PSTIME")) <= int(record.findtext("PETIME")) <= int(record.findtext("RSTIME"))
    assert record.findtext("ETIME") == "0"
    assert usage(one, 0) == (before[0] + 200, before[1] + 1024 * 1024, before[2] + 1)
    assert str(identity) in [e.text for e in one.xml("one.host.info", 0).findall("VMS/ID")]
    assert one.domain("h1", f"one-{identity}").exists()
    one.action("terminate", identity)
    vm = one.wait(identity, "DONE")
    assert int(vm.findtext("ETIME")) >= int(vm.findtext("STIME")) > 0
    record = records(vm)[-1]
    assert int(record.findtext("EETIME")) >= int(record.findtext("ESTIME")) > 0 and int(record.findtext("ETIME")) > 0
    assert record.findtext("ACTION") == str(NUMBER["terminate"])
    assert usage(one, 0) == before
    assert not one.domain("h1", f"one-{identity}").exists()


def test_name_when_none_is_given(one):
    identity = one.allocate(hold=True)
    assert one.vm(identity).findtext("NAME") == f"one-{identity}"
    end(one, identity)


@pytest.mark.parametrize("template, text", [
    ("CPU = 1", "MEMORY attribute must be a positive integer value. There is none."),
    ("MEMORY = 64", "CPU attribute must be a positive float or integer value. There is none."),
    ("CPU = x\nMEMORY = 1", "CPU attribute must be a positive float or integer value. It is \"x\"."),
    ("CPU = -1\nMEMORY = 64", "CPU"), ("CPU = 1\nMEMORY = 0", "MEMORY"), ("CPU = 1\nMEMORY = 1.5", "MEMORY"),
    ("CPU = nan\nMEMORY = 64", "CPU"), ("CPU = inf\nMEMORY = 64", "CPU"), ("CPU = 1e300\nMEMORY = 64", "CPU"),
    ("CPU = 1\nMEMORY = 99999999999999999999", "MEMORY"), ("CPU = 1\nMEMORY = 64\nVCPU = many", "VCPU"),
    ("CPU = 1\nMEMORY = 64\nVCPU = 0", "VCPU"), ("CPU = 1 MEMORY [", "line 1"), ("A = [", "line 1"), ("", "CPU"),
    ("<TEMPLATE><CPU>1</CPU>", ""), ("CPU=1\nMEMORY=64\nNAME=\"a/b\"", "Invalid NAME"),
    ("CPU=1\nMEMORY=64\nNAME=\"" + "n" * 129 + "\"", "Invalid NAME"),
])
def test_template_that_is_refused(one, template, text):
    before = one.ok("one.vmpool.info", -2, -1, -1, -2).count("<VM>")
    one.fails("one.vm.allocate", template, code=INTERNAL, text=text)
    assert one.ok("one.vmpool.info", -2, -1, -1, -2).count("<VM>") == before


def test_template_in_xml(one):
    identity = one.ok("one.vm.allocate", "<TEMPLATE><NAME>inxml</NAME><CPU>1</CPU><MEMORY>64</MEMORY>"
                      "<DISK><SOURCE>/dev/null</SOURCE></DISK><OWN><![CDATA[<&>]]></OWN></TEMPLATE>", True)
    vm = one.vm(identity)
    assert vm.findtext("NAME") == "inxml" and vm.findtext("USER_TEMPLATE/OWN") == "<&>"
    assert vm.findtext("TEMPLATE/DISK/DISK_ID") == "0"
    end(one, identity)


def test_submit_on_hold(one):
    identity = one.ok("one.vm.allocate", "CPU=1\nMEMORY=64\nSUBMIT_ON_HOLD=YES")
    assert one.state(identity) == "HOLD"
    end(one, identity)


def test_hold_and_release(one):
    identity = one.allocate()
    one.action("hold", identity)
    assert one.state(identity) == "HOLD"
    one.fails("one.vm.action", "hold", identity, code=ACTION, text="This action is not available for state HOLD")
    one.action("release", identity)
    assert one.state(identity) == "PENDING"
    end(one, identity)


@pytest.mark.parametrize("word", ["terminate", "terminate-hard"])
@pytest.mark.parametrize("state", ["PENDING", "HOLD", "RUNNING", "POWEROFF", "SUSPENDED", "STOPPED", "UNDEPLOYED"])
def test_terminate_from(one, state, word):
    before = usage(one, 0)
    identity = bring(one, state)
    one.action(word, identity)
    vm = one.wait(identity, "DONE")
    assert usage(one, 0) == before
    assert all(int(record.findtext("ETIME")) > 0 for record in records(vm))
    assert (("h1", f"one-{identity}")) not in one.domains()


def test_terminate_what_is_done(one):
    identity = bring(one, "DONE")
    one.action("terminate", identity)
    assert one.state(identity) == "DONE"


@pytest.mark.parametrize("arguments, text", [
    ((4711,), "host"), ((-1,), "host"), ((0, False, 4711), "datastore"), ((0, False, 1), ""),
])
def test_deploy_to_what_is_not_there(one, arguments, text):
    identity = one.allocate()
    reply = one.fails("one.vm.deploy", identity, *arguments)
    assert text in reply[1].lower(), reply
    assert one.state(identity) == "PENDING"
    end(one, identity)


def test_deploy_to_a_host_that_is_off(one):
    host = one.host("off")
    one.ok("one.host.status", host, 2)
    identity = one.allocate()
    one.fails("one.vm.deploy", identity, host, text="Host is offline, cannot use it to deploy VM")
    end(one, identity)
    one.ok("one.host.delete", host)


def test_deploy_to_a_disabled_host_by_the_administrator(one):
    """Disabled is for the scheduler; who names the host may."""
    host = one.host("disabled")
    one.ok("one.host.status", host, 1)
    identity = one.running(host)
    end(one, identity)
    one.ok("one.host.delete", host)


def test_capacity_is_enforced_when_asked(one):
    identity = one.allocate("CPU = 1000\nMEMORY = 64")
    reply = one.fails("one.vm.deploy", identity, 0, True, code=ACTION)
    assert "h1" in reply[1] or "host" in reply[1].lower(), reply
    assert one.state(identity) == "PENDING"
    before = usage(one, 0)
    one.ok("one.vm.deploy", identity, 0, False)
    one.wait(identity, "RUNNING")
    assert usage(one, 0)[0] == before[0] + 100000
    end(one, identity)
    assert usage(one, 0) == before


# ---- actions that come back ----

@pytest.mark.parametrize("word, resting, charged", [
    ("suspend", "SUSPENDED", True), ("poweroff", "POWEROFF", True), ("poweroff-hard", "POWEROFF", True),
    ("stop", "STOPPED", False), ("undeploy", "UNDEPLOYED", False), ("undeploy-hard", "UNDEPLOYED", False)])
def test_away_and_back(one, word, resting, charged):
    before = usage(one, 0)
    identity = one.running(0)
    there = usage(one, 0)
    one.action(word, identity)
    vm = one.wait(identity, resting)
    if word in NUMBER:
        assert records(vm)[-1].findtext("ACTION") == str(NUMBER[word])
    assert usage(one, 0)[:2] == (there[:2] if charged else before[:2])
    one.action("resume", identity)
    if charged:
        one.wait(identity, "RUNNING")
    else:
        one.wait(identity, "PENDING")
        one.ok("one.vm.deploy", identity, 1)  # elsewhere: its files are with the front-end
        vm = one.wait(identity, "RUNNING")
        assert records(vm)[-1].findtext("HOSTNAME") == "h2"
    end(one, identity)
    assert usage(one, 0) == before


@pytest.mark.parametrize("word", ["reboot", "reboot-hard"])
def test_reboot_changes_no_state(one, word):
    identity = one.running(0)
    one.action(word, identity)
    assert one.state(identity) == "RUNNING"
    end(one, identity)


def test_stop_of_what_is_suspended(one):
    identity = bring(one, "SUSPENDED")
    one.action("stop", identity)
    one.wait(identity, "STOPPED")
    end(one, identity)


@pytest.mark.parametrize("word", ["undeploy", "undeploy-hard"])
def test_undeploy_of_what_is_off(one, word):
    identity = bring(one, "POWEROFF")
    one.action(word, identity)
    one.wait(identity, "UNDEPLOYED")
    end(one, identity)


def test_resched(one):
    identity = one.running(0)
    one.action("resched", identity)
    assert one.vm(identity).findtext("RESCHED") == "1"
    one.action("unresched", identity)
    assert one.vm(identity).findtext("RESCHED") == "0"
    end(one, identity)


ALLOWED = {
    "hold": {"PENDING"}, "release": {"HOLD"}, "stop": {"RUNNING", "SUSPENDED"}, "suspend": {"RUNNING"},
    "resume": {"SUSPENDED", "POWEROFF", "STOPPED", "UNDEPLOYED"}, "reboot": {"RUNNING"}, "reboot-hard": {"RUNNING"},
    "poweroff": {"RUNNING"}, "poweroff-hard": {"RUNNING"}, "undeploy": {"RUNNING", "POWEROFF"},
    "undeploy-hard": {"RUNNING", "POWEROFF"}, "resched": {"RUNNING", "POWEROFF"}, "unresched": {"RUNNING", "POWEROFF"},
}
RESTING = ["PENDING", "HOLD", "RUNNING", "POWEROFF", "SUSPENDED", "STOPPED", "UNDEPLOYED", "DONE"]


@pytest.fixture(scope="module")
def resting(one):
    """One machine in each resting state, left as it is."""
    return {state: bring(one, state) for state in RESTING}


@pytest.mark.parametrize("word, state", [(w, s) for w, s in itertools.product(ALLOWED, RESTING) if s not in ALLOWED[w]])
def test_action_from_the_wrong_state(one, resting, word, state):
    one.fails("one.vm.action", word, resting[state], code=ACTION, text=f'Error performing action "{word}": ')
    assert one.state(resting[state]) == state


@pytest.mark.parametrize("state", [s for s in RESTING if s not in ("PENDING", "HOLD", "STOPPED", "UNDEPLOYED")])
def test_deploy_from_the_wrong_state(one, resting, state):
    one.fails("one.vm.deploy", resting[state], 0, code=ACTION, text=f"Deploy action is not available for state {state}")


@pytest.mark.parametrize("state", [s for s in RESTING if s not in ("RUNNING", "POWEROFF", "SUSPENDED")])
@pytest.mark.parametrize("live", [True, False])
def test_migrate_from_the_wrong_state(one, resting, state, live):
    one.fails("one.vm.migrate", resting[state], 1, live, code=ACTION, text=f"Migrate action is not available for state {state}")


@pytest.mark.parametrize("word", ["nonsense", "", "TERMINATE ", "disk-attach"])
def test_unknown_action(one, resting, word):
    one.fails("one.vm.action", word, resting["HOLD"], code=ACTION, text=f'Action "{word}" is not supported')


# ---- migration ----

@pytest.mark.parametrize("kind, number", [(0, "migrate"), (1, "poweroff-migrate"), (2, "poweroff-hard-migrate")])
def test_cold_migration(one, kind, number):
    before = usage(one, 0), usage(one, 1)
    identity = one.running(0)
    assert one.ok("one.vm.migrate", identity, 1, False, False, -1, kind) == identity
    one.wait(identity, "RUNNING")
    vm = one.wait(identity, "RUNNING")
    first, second = records(vm)
    assert (first.findtext("HOSTNAME"), second.findtext("HOSTNAME")) == ("h1", "h2")
    assert first.findtext("ACTION") == str(NUMBER[number])
    assert int(first.findtext("ETIME")) > 0 and second.findtext("ETIME") == "0"
    assert usage(one, 0) == before[0] and usage(one, 1)[2] == before[1][2] + 1
    assert one.domain("h2", f"one-{identity}").exists() and not one.domain("h1", f"one-{identity}").exists()
    end(one, identity)
    assert (usage(one, 0), usage(one, 1)) == before


def test_live_migration(one):
    before = usage(one, 0), usage(one, 1)
    identity = one.running(0)
    one.ok("one.vm.migrate", identity, 1, True)
    vm = one.until(lambda: (vm := one.vm(identity)).findtext("LCM_STATE") == "3" and len(records(vm)) == 2 and vm, "it to arrive")
    assert records(vm)[0].findtext("ACTION") == str(NUMBER["live-migrate"])
    assert records(vm)[1].findtext("HOSTNAME") == "h2"
    assert usage(one, 0) == before[0] and usage(one, 1)[2] == before[1][2] + 1
    assert [h for h, d in one.domains() if d == f"one-{identity}"] == ["h2"]
    end(one, identity)
    assert (usage(one, 0), usage(one, 1)) == before


@pytest.mark.parametrize("state", ["POWEROFF", "SUSPENDED"])
def test_migration_of_what_does_not_run(one, state):
    identity = bring(one, state)
    one.ok("one.vm.migrate", identity, 1, False)
    vm = one.wait(identity, state)
    one.until(lambda: records(one.vm(identity))[-1].findtext("HOSTNAME") == "h2", "the record of h2")
    vm = one.wait(identity, state)
    assert len(records(vm)) == 2
    one.action("resume", identity)
    one.wait(identity, "RUNNING")
    assert [h for h, d in one.domains() if d == f"one-{identity}"] == ["h2"]
    end(one, identity)


@pytest.mark.parametrize("live", [True, False])
def test_migration_to_where_it_is(one, live):
    identity = one.running(0)
    one.fails("one.vm.migrate", identity, 0, live, code=ACTION, text="VM is already running on host [0] and datastore [0]")
    assert len(records(one.vm(identity))) == 1
    end(one, identity)


def test_migration_to_what_is_not_there(one):
    identity = one.running(0)
    one.fails("one.vm.migrate", identity, 4711, True)
    one.fails("one.vm.migrate", identity, 1, False, False, -1, 9)
    assert one.state(identity) == "RUNNING" and len(records(one.vm(identity))) == 1
    end(one, identity)


def test_migration_with_capacity_enforced(one):
    identity = one.running(0, "CPU = 900\nMEMORY = 64")
    one.fails("one.vm.migrate", identity, 1, True, True, code=ACTION)
    assert one.state(identity) == "RUNNING"
    end(one, identity)


# ---- changes of a machine ----

def test_update(one):
    identity = one.allocate('A = 1\nB = [ C = "x" ]', hold=True)
    one.ok("one.vm.update", identity, "A = 2\nD = 4", 1)
    user = one.vm(identity).find("USER_TEMPLATE")
    assert (user.findtext("A"), user.findtext("B/C"), user.findtext("D")) == ("2", "x", "4")
    one.ok("one.vm.update", identity, "E = 5")
    assert {e.tag for e in one.vm(identity).find("USER_TEMPLATE")} == {"E"}
    one.fails("one.vm.update", identity, "A = 1", 5, text="Wrong update type")
    one.fails("one.vm.update", identity, "A = [", 1, code=INTERNAL)
    assert {e.tag for e in one.vm(identity).find("USER_TEMPLATE")} == {"E"}
    end(one, identity)


def test_rename(one):
    identity = one.allocate(hold=True, name="before")
    assert one.ok("one.vm.rename", identity, "after that") == identity
    assert one.vm(identity).findtext("NAME") == "after that"
    one.fails("one.vm.rename", identity, "", code=ACTION, text="Invalid NAME, it cannot be empty")
    for character in '&|:\\";/\'#{}$<>\t\n':
        one.fails("one.vm.rename", identity, f"a{character}b", text="Invalid NAME, char")
    one.fails("one.vm.rename", identity, "n" * 129, text="Invalid NAME, max length is 128 chars")
    assert one.ok("one.vm.rename", identity, "n" * 128) == identity
    end(one, identity)


def permissions(vm):
    return [int(bit.text) for bit in vm.find("PERMISSIONS")]


def test_chmod(one):
    identity = one.allocate(hold=True)
    assert permissions(one.vm(identity)) == [1, 1, 0, 0, 0, 0, 0, 0, 0]
    one.ok("one.vm.chmod", identity, 1, 1, 1, 1, 0, 0, 1, 0, 0)
    assert permissions(one.vm(identity)) == [1, 1, 1, 1, 0, 0, 1, 0, 0]
    one.ok("one.vm.chmod", identity, -1, -1, 0, -1, 1, -1, 0, -1, -1)
    assert permissions(one.vm(identity)) == [1, 1, 0, 1, 1, 0, 0, 0, 0]
    one.fails("one.vm.chmod", identity, 7, -1, -1, -1, -1, -1, -1, -1, -1)
    assert permissions(one.vm(identity)) == [1, 1, 0, 1, 1, 0, 0, 0, 0]
    end(one, identity)


def test_chown(one):
    user = one.user("newowner")
    identity = one.allocate(hold=True)
    one.ok("one.vm.chown", identity, user.uid, 1)
    vm = one.vm(identity)
    assert (vm.findtext("UNAME"), vm.findtext("GNAME")) == ("newowner", "users")
    one.ok("one.vm.chown", identity, -1, 0)
    vm = one.vm(identity)
    assert (vm.findtext("UID"), vm.findtext("GID")) == (str(user.uid), "0")
    one.fails("one.vm.chown", identity, 4711, -1)
    one.fails("one.vm.chown", identity, -1, 4711)
    one.ok("one.vm.chown", identity, 0, 0)
    end(one, identity)


def test_lock(one):
    identity = one.allocate(hold=True)
    for level, expected in ((1, 1), (2, 2), (3, 3), (4, 1)):
        assert one.ok("one.vm.lock", identity, level) == identity
        lock = one.vm(identity).find("LOCK")
        assert lock.findtext("LOCKED") == str(expected) and lock.findtext("OWNER") == "0" and int(lock.findtext("TIME")) > 0
        assert one.ok("one.vm.unlock", identity) == identity
        assert one.vm(identity).find("LOCK") is None
    one.fails("one.vm.lock", identity, 9, code=ACTION, text="Wrong lock level specified")
    one.ok("one.vm.lock", identity, 2)
    one.fails("one.vm.action", "release", identity, code=AUTHORIZATION, text=f"User [0] : VM is locked. [{identity}].")
    assert one.call("one.vm.lock", identity, 2, True)[0] is False  # test: whether it is locked already
    brief = one.xml("one.vmpool.info", -2, identity, identity, -2).find("VM/LOCK")
    assert [e.tag for e in brief] == ["LOCKED"]
    one.ok("one.vm.unlock", identity)
    end(one, identity)


def test_resize(one):
    identity = one.allocate("CPU = 1\nMEMORY = 64\nVCPU = 1", hold=True)
    one.ok("one.vm.resize", identity, "CPU = 2\nMEMORY = 128\nVCPU = 4", True)
    template = one.vm(identity).find("TEMPLATE")
    assert (template.findtext("CPU"), template.findtext("MEMORY"), template.findtext("VCPU")) == ("2", "128", "4")
    one.ok("one.vm.resize", identity, "MEMORY = 256")
    assert one.vm(identity).findtext("TEMPLATE/CPU") == "2"
    for wrong in ("CPU = -1", "MEMORY = x", "VCPU = 1.5", "MEMORY = 0"):
        one.fails("one.vm.resize", identity, wrong, True)
    assert one.vm(identity).findtext("TEMPLATE/MEMORY") == "256"
    end(one, identity)


def test_resize_keeps_the_count_of_the_host(one):
    before = usage(one, 0)
    identity = bring(one, "POWEROFF")
    one.ok("one.vm.resize", identity, "CPU = 3\nMEMORY = 512", False)
    after = usage(one, 0)
    assert (after[0] - before[0], after[1] - before[1]) == (300, 512 * 1024)
    end(one, identity)
    assert usage(one, 0) == before


@pytest.mark.parametrize("state", ["SUSPENDED", "STOPPED", "DONE"])
def test_resize_in_the_wrong_state(one, resting, state):
    one.fails("one.vm.resize", resting[state], "CPU = 2", False, code=ACTION)


# ---- monitoring ----

def test_monitoring(one):
    identity = one.running(0)
    one.until(lambda: one.vm(identity).find("MONITORING/CPU") is not None, "a first sample")
    samples = one.xml("one.vm.monitoring", identity)
    assert {s.findtext("ID") for s in samples} == {str(identity)} and len(samples) >= 1
    pool = one.xml("one.vmpool.monitoring", -2, 0)
    assert len([s for s in pool if s.findtext("ID") == str(identity)]) == 1
    assert int(one.vm(identity).findtext("LAST_POLL")) > 0
    hosts = one.xml("one.host.monitoring", 0)
    assert len(hosts) >= 1 and {s.findtext("ID") for s in hosts} == {"0"}
    times = [int(s.findtext("TIMESTAMP")) for s in hosts]
    assert times == sorted(times)
    last = one.xml("one.hostpool.monitoring", 0)
    assert sorted(s.findtext("ID") for s in last) == ["0", "1"]
    end(one, identity)


def set_state(one, host, identity, state):
    path = one.domain(host, f"one-{identity}")
    text = "".join(f"STATE={state}\n" if line.startswith("STATE=") else line + "\n" for line in path.read_text().splitlines())
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(text)
    beside.rename(path)


def test_guest_that_ends_and_starts_by_itself(one):
    identity = one.running(0)
    set_state(one, "h1", identity, "POWEROFF")
    one.wait(identity, "POWEROFF")
    set_state(one, "h1", identity, "RUNNING")
    one.wait(identity, "RUNNING")
    end(one, identity)


def test_guest_that_is_paused_is_not_lost(one):
    """Paused by its hypervisor, such as for a full disk: neither gone nor saved, and it goes on by itself."""
    identity = one.running(0)
    set_state(one, "h1", identity, "PAUSED")
    one.wait(identity, "UNKNOWN")
    assert "is paused" in one.vm(identity).findtext("USER_TEMPLATE/ERROR")
    set_state(one, "h1", identity, "RUNNING")
    one.wait(identity, "RUNNING")
    assert one.domain("h1", f"one-{identity}").exists()
    end(one, identity)


def test_guest_that_dies_is_seen_at_once(fresh):
    """By an event: the next poll of this server is an hour away."""
    one = fresh("MONITORING_INTERVAL_HOST = 3600\n", hosts=1)
    for _ in range(3):
        identity = one.running(0)
        set_state(one, "h1", identity, "POWEROFF")
        one.wait(identity, "POWEROFF")
        end(one, identity)


def test_host_that_cannot_be_asked(one):
    """Its machines are UNKNOWN and never taken for off; they come back by themselves."""
    host = one.host("flaky")
    identity = one.running(host)
    one.control("HOST flaky down=1")
    one.wait_host(host, "ERROR")
    one.wait(identity, "UNKNOWN")
    one.control()
    one.wait_host(host, "MONITORED")
    one.wait(identity, "RUNNING")
    end(one, identity)
    one.ok("one.host.delete", host)


def test_log_of_the_machine(one):
    identity = one.running(0)
    path = one.var / "vms" / str(identity) / "vm.log"
    one.until(lambda: path.exists() and "RUNNING" in path.read_text(), "the log")
    end(one, identity)


def test_context_and_disks_are_kept_in_order(one):
    identity = one.ok("one.vm.allocate", """NAME = disks
CPU = 1
MEMORY = 64
OS = [ kernel = /boot/vmlinuz, initrd = /boot/initrd, root = sda2, kernel_cmd = "ro xencons=tty console=tty1" ]
DISK = [ source = /home/domains/xen01/disk.img, clone = no, target = sda2, readonly = no ]
DISK = [ type = swap, size = 512, target = "sda1", readonly = "no" ]
NIC = [ mac = "" ]
NIC = [ BRIDGE = br0 ]
CONTEXT = [ HOSTNAME = "$NAME" ]
""", True)
    template = one.vm(identity).find("TEMPLATE")
    assert [d.findtext("DISK_ID") for d in template.findall("DISK")] == ["0", "1"]
    assert [n.findtext("NIC_ID") for n in template.findall("NIC")] == ["0", "1"]
    macs = [n.findtext("MAC") for n in template.findall("NIC")]
    assert all(mac and mac.count(":") == 5 for mac in macs) and macs[0] != macs[1]
    assert template.findtext("CONTEXT/HOSTNAME") == "disks"
    assert template.findtext("OS/KERNEL") == "/boot/vmlinuz"
    one.ok("one.vm.deploy", identity, 0)
    one.wait(identity, "RUNNING")
    end(one, identity)


def test_variables_of_a_context(one):
    user = one.user("contextual")
    one.ok("one.user.update", user.uid, 'SSH_PUBLIC_KEY = "ssh-rsa AAAA"', 1)
    identity = user.ok("one.vm.allocate", """NAME = web
CPU = 1
MEMORY = 64
ROLE = "front $NAME"
NIC = [ NAME = one, IP = 10.0.0.5, GATEWAY = 10.0.0.1 ]
NIC = [ NAME = two, IP = 10.1.0.5 ]
CONTEXT = [ HOST = "$NAME-$VMID", WHO = "$UNAME/$UID/$GNAME", KEY = "$USER[SSH_PUBLIC_KEY]", ROLE = "$ROLE",
  FIRST = "$NIC[IP]", SECOND = "$NIC[IP, NAME=\\"two\\"]", NONE = "<$NOTHING><$NIC[NOTHING]>", COST = "5$ or $5",
  OPEN = "$NIC[IP", NETWORK = "YES", ETH1_DNS = "9.9.9.9", ALL = "$TEMPLATE" ]
""", True)
    context = {e.tag: e.text for e in one.vm(identity).find("TEMPLATE/CONTEXT")}
    assert context["HOST"] == f"web-{identity}" and context["WHO"] == f"contextual/{user.uid}/users"
    assert context["KEY"] == "ssh-rsa AAAA" and context["ROLE"] == "front $NAME"  # values are not read again
    assert (context["FIRST"], context["SECOND"], context["NONE"]) == ("10.0.0.5", "10.1.0.5", "<><>")
    assert context["COST"] == "5$ or $5" and context["OPEN"] == "[IP"
    assert (context["ETH0_IP"], context["ETH0_GATEWAY"], context["ETH1_IP"]) == ("10.0.0.5", "10.0.0.1", "10.1.0.5")
    assert context["ETH1_DNS"] == "9.9.9.9" and context["ETH0_MAC"].count(":") == 5
    assert b"<TEMPLATE>" in base64.b64decode(context["ALL"])
    end(one, identity)


def test_variables_that_would_grow(one):
    identity = one.ok("one.vm.allocate", 'CPU = 1\nMEMORY = 64\nBIG = "' + "b" * 50000 + '"\nCONTEXT = [ A = "' + "$BIG" * 2000 + '" ]', True)
    assert len(one.vm(identity).findtext("TEMPLATE/CONTEXT/A")) == 250000
    end(one, identity)


def test_odd_texts_survive(one):
    text = "\u00e9\u4e16\u20ac <&> \"q\" 'a' $x \\n"
    encoded = base64.b64encode(text.encode()).decode()
    identity = one.ok("one.vm.allocate", f"<T><CPU>1</CPU><MEMORY>64</MEMORY><ODD><![CDATA[{text}]]></ODD>"
                      f"<CODE>{encoded}</CODE></T>", True)
    user = one.vm(identity).find("USER_TEMPLATE")
    assert user.findtext("ODD") == text and user.findtext("CODE") == encoded
    end(one, identity)


def test_text_beyond_the_first_plane(one):
    """Kept, or refused with a fault that says why; never cut or mangled."""
    try:
        identity = one.allocate('FACE = "\U0001f600"', hold=True)
    except xmlrpc.client.Fault as fault:
        assert fault.faultCode == -503 and "UTF-8" in fault.faultString
        return
    assert one.vm(identity).findtext("USER_TEMPLATE/FACE") == "\U0001f600"
    end(one, identity)
