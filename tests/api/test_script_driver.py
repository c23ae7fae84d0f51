"""A shell script as driver of all three kinds: the line protocol is all that a driver needs."""
import xml.etree.ElementTree as ET

import pytest
from api.states import ACTION
from api.test_life import records

SCRIPTED = """
IM_MAD = [ NAME = "script", EXECUTABLE = "one_script" ]
VM_MAD = [ NAME = "script", EXECUTABLE = "one_script", TYPE = "xml" ]
TM_MAD = [ NAME = "script", EXECUTABLE = "one_script" ]
"""


def told(one):
    return (one.var / "script" / "log").read_text().splitlines()


def test_whole_life_with_a_script(fresh):
    one = fresh(SCRIPTED)
    first, second = one.host("s1", "script"), one.host("s2", "script")
    host = one.xml("one.host.info", first)
    assert host.findtext("HOST_SHARE/TOTAL_CPU") == "400" and host.findtext("HOST_SHARE/TOTAL_MEM") == "8388608"
    identity = one.allocate()
    one.ok("one.vm.deploy", identity, first)
    one.wait(identity, "RUNNING")
    assert (one.var / "script" / "s1" / f"one-{identity}").exists()
    one.until(lambda: one.vm(identity).findtext("MONITORING/MEMORY") == "2048", "its sample")
    one.ok("one.vm.migrate", identity, second, True)
    one.until(lambda: records(one.vm(identity))[-1].findtext("HOSTNAME") == "s2" and one.state(identity) == "RUNNING", "the move")
    assert (one.var / "script" / "s2" / f"one-{identity}").exists()
    for word, state in (("suspend", "SUSPENDED"), ("resume", "RUNNING"), ("reboot", "RUNNING"), ("poweroff", "POWEROFF"),
                        ("resume", "RUNNING"), ("terminate", "DONE")):
        one.action(word, identity)
        one.wait(identity, state)
    assert not (one.var / "script" / "s2" / f"one-{identity}").exists()
    words = [line.split()[0] for line in told(one)]
    assert words.count("INIT") >= 2
    for action in ("MONITOR", "DEPLOY", "MIGRATE", "SAVE", "RESTORE", "SHUTDOWN"):
        assert action in words, words


def test_what_the_driver_cannot_do_is_refused_in_advance(fresh):
    one = fresh(SCRIPTED, start=False)
    (one.var / "script").mkdir()
    (one.var / "script" / "lacks").write_text(" LACKS=SAVE,RESTORE,MIGRATE,RESET")
    one.start()
    first, second = one.host("s1", "script"), one.host("s2", "script")
    identity = one.allocate()
    one.ok("one.vm.deploy", identity, first)
    one.wait(identity, "RUNNING")
    one.fails("one.vm.migrate", identity, second, True, code=ACTION, text="the driver script cannot move a machine while it runs")
    one.fails("one.vm.migrate", identity, second, False, code=ACTION, text="migrate --poff powers the machine off")
    check = ET.fromstring(one.ok("globule.vm.migratecheck", identity, second))
    assert check.findtext("POSSIBLE") == "NO"
    assert any("cannot move a machine while it runs" in c.findtext("TEXT") for c in check.findall("CHECK"))
    for word, action in (("suspend", "SAVE"), ("stop", "SAVE"), ("reboot-hard", "RESET")):
        one.fails("one.vm.action", word, identity, code=ACTION, text=f"the driver script of host s1 has no {action}")
    assert one.state(identity) == "RUNNING" and len(records(one.vm(identity))) == 1
    one.action("reboot", identity)
    one.ok("one.vm.migrate", identity, second, False, False, -1, 1)
    one.until(lambda: records(one.vm(identity))[-1].findtext("HOSTNAME") == "s2" and one.state(identity) == "RUNNING", "the move")
    asked = [line.split()[0] for line in told(one)]
    assert not {"SAVE", "RESTORE", "MIGRATE", "RESET", "MIGRATECHECK"} & set(asked) and "REBOOT" in asked


def test_what_a_host_cannot_do_is_refused_in_advance(fresh):
    """One host of a driver saves and moves what runs, its neighbour does not, until it reports that it can."""
    one = fresh(SCRIPTED, start=False)
    (one.var / "script").mkdir()
    (one.var / "script" / "lacks").write_text(" LACKS=CARRY HAS=FREEZE,COLDCHECK")
    poor = one.var / "script" / "s2.more"
    poor.write_text('VMM_LACKS="SAVE,RESTORE,MIGRATE"\nVMM_LACKS_WHY="no CRIU: install it"\n')
    one.start()
    first, second = one.host("s1", "script"), one.host("s2", "script")
    one.until(lambda: one.xml("one.host.info", second).findtext("TEMPLATE/VMM_LACKS"), "its report")
    rich, bare = one.running(first), one.running(second)
    one.fails("one.vm.migrate", rich, second, True, code=ACTION, text="host s2 cannot take what runs: no CRIU: install it; migrate --poff")
    one.fails("one.vm.migrate", bare, first, True, code=ACTION, text="host s2 cannot give away what runs: no CRIU")
    for identity in (rich, bare):
        one.fails("one.vm.action", "stop", identity, code=ACTION, text="host s1 keeps the memory" if identity == rich else "host s2 has no SAVE: no CRIU: install it; poweroff")
        one.fails("one.vm.migrate", identity, second if identity == rich else first, False, code=ACTION, text="cannot carry it; migrate --poff powers the machine off")
    one.action("suspend", rich)
    one.wait(rich, "SUSPENDED")
    one.fails("one.vm.migrate", rich, second, False, code=ACTION, text="it is kept with its memory by its host; resume it first")
    one.action("resume", rich)
    one.wait(rich, "RUNNING")
    asked = [line.split()[0] for line in told(one)]
    assert "SAVE" in asked and "RESTORE" in asked and "FREEZE" not in asked and "MIGRATE" not in asked
    one.action("suspend", bare)
    one.until(lambda: f"FREEZE {bare}" in told(one), "the other way, which one_script does not know")
    one.wait(bare, "RUNNING")
    poor.write_text('VMM_LACKS=""\nVMM_LACKS_WHY=""\n')
    one.until(lambda: not one.xml("one.host.info", second).findtext("TEMPLATE/VMM_LACKS"), "its next report")
    one.ok("one.vm.migrate", bare, first, True)
    one.until(lambda: records(one.vm(bare))[-1].findtext("HOSTNAME") == "s1" and one.state(bare) == "RUNNING", "the move")


def test_saved_stays_saved_whatever_its_host_reports_later(fresh):
    """How a machine was suspended is kept with it: it is not taken for one that stood still and is gone."""
    one = fresh(SCRIPTED, start=False)
    (one.var / "script").mkdir()
    (one.var / "script" / "lacks").write_text(" HAS=FREEZE")
    report = one.var / "script" / "s1.more"
    report.write_text("SYNC_STATE=YES\n")
    one.start()
    host = one.host("s1", "script")
    one.until(lambda: one.xml("one.host.info", host).findtext("TEMPLATE/HOSTNAME"), "its report")
    vm = one.running(host)
    one.action("suspend", vm)
    one.wait(vm, "SUSPENDED")
    report.write_text('VMM_LACKS="SAVE,RESTORE,MIGRATE"\nSYNC_STATE=YES\n')
    one.until(lambda: one.xml("one.host.info", host).findtext("TEMPLATE/VMM_LACKS"), "what it lacks")
    before = told(one).count(f"MONITOR {host}")
    one.until(lambda: told(one).count(f"MONITOR {host}") >= before + 2, "a report more")
    assert one.state(vm) == "SUSPENDED"
    one.restart()
    assert one.state(vm) == "SUSPENDED"
    one.action("resume", vm)
    one.wait(vm, "RUNNING")
    asked = told(one)
    assert f"RESTORE {vm}" in asked and f"THAW {vm}" not in asked and asked.count(f"DEPLOY {vm}") == 1


def test_frozen_stays_frozen_whatever_its_host_reports_later(fresh):
    """Its guest stands still on its host: its disks are neither moved nor stored elsewhere under it."""
    one = fresh(SCRIPTED, start=False)
    (one.var / "script").mkdir()
    (one.var / "script" / "lacks").write_text(" HAS=FREEZE")
    report = one.var / "script" / "s1.more"
    report.write_text('VMM_LACKS="SAVE,RESTORE,MIGRATE"\n')
    one.start()
    host, other = one.host("s1", "script"), one.host("s2", "script")
    one.until(lambda: one.xml("one.host.info", host).findtext("TEMPLATE/VMM_LACKS"), "what it lacks")
    vm = one.running(host)
    (one.var / "script" / "freezes").touch()
    one.action("suspend", vm)
    one.wait(vm, "SUSPENDED")
    report.write_text('VMM_LACKS=""\n')
    one.until(lambda: not one.xml("one.host.info", host).findtext("TEMPLATE/VMM_LACKS"), "its next report")
    for _ in range(2):
        one.fails("one.vm.migrate", vm, other, False, code=ACTION, text="it stands still in the memory of its host; resume it first")
        one.fails("one.vm.action", "stop", vm, code=ACTION, text="stands still in the memory of host s1; resume it first")
        one.restart()
    one.action("resume", vm)
    one.wait(vm, "RUNNING")
    asked = told(one)
    assert f"THAW {vm}" in asked and not {f"SAVE {vm}", f"RESTORE {vm}"} & set(asked)


def test_missing_machine_of_an_incomplete_list(fresh):
    """Without SYNC_STATE a list may be incomplete: a machine that is not in it is not taken for gone."""
    one = fresh(SCRIPTED)
    first = one.host("s1", "script")
    identity = one.allocate()
    one.ok("one.vm.deploy", identity, first)
    one.wait(identity, "RUNNING")
    (one.var / "script" / "s1" / f"one-{identity}").rename(one.var / "script" / "hidden")
    before = told(one).count(f"MONITOR {first}")
    one.until(lambda: told(one).count(f"MONITOR {first}") >= before + 3, "three more looks")
    assert one.state(identity) == "RUNNING"


def test_script_that_is_killed(fresh):
    one = fresh(SCRIPTED)
    one.host("s1", "script")
    import os
    import signal
    pids = one.drivers()["one_script"]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    one.until(lambda: len(set(one.drivers().get("one_script", [])) - set(pids)) >= 1, "the script to be started again")
    identity = one.allocate()
    one.ok("one.vm.deploy", identity, 0)
    one.wait(identity, "RUNNING")


def test_script_that_is_not_there(fresh):
    """A driver that cannot be started is told, and holds up nothing else."""
    one = fresh(SCRIPTED + 'IM_MAD = [ NAME = "none", EXECUTABLE = "one_nothing" ]\nVM_MAD = [ NAME = "none", EXECUTABLE = "one_nothing" ]\n')
    host = one.host("n1", "none", wait=False)
    one.wait_host(host, "ERROR")
    assert "one_nothing" in one.log()
    one.host("s1", "script")


def test_renamed_host_is_no_longer_watched_under_its_old_name(fresh):
    one = fresh(SCRIPTED)
    host = one.host("old-name", "script")
    one.ok("one.host.rename", host, "new-name")
    stopped = one.var / "script" / "stopped"
    one.until(lambda: stopped.exists() and stopped.read_text().split() == ["old-name"], "STOPMONITOR for the old name")
    one.until(lambda: one.xml("one.host.info", host).findtext("TEMPLATE/HOSTNAME") == "new-name", "a look at the new name")
    assert one.xml("one.host.info", host).findtext("STATE") == "2"


@pytest.mark.parametrize("program, reason", [
    ("#!/bin/sh\necho 'a library is missing' >&2\nexit 7\n", "ended with code 7: a library is missing"),
    ("#!/bin/sh\nread -r init\nkill -9 $$\n", "ended by signal 9"),
    ("#!/bin/sh\nread -r init\necho INIT SUCCESS\nread -r request\nexit 3\n", "ended"),
    ("#!/bin/sh\nread -r init\necho INIT SUCCESS\nexit 3\n", "ended"),
], ids=["at once", "by a signal", "at the first request", "when it is ready"])
def test_driver_that_dies_at_every_start(fresh, tmp_path, program, reason):
    """Its hosts are in error at once, with what it said: nobody waits for a time-out."""
    path = tmp_path / "one_dies"
    path.write_text(program)
    path.chmod(0o755)
    one = fresh(f'IM_MAD = [ NAME = "dies", EXECUTABLE = "{path}" ]')
    for name in ("d1", "d2", "d3"):
        host = one.host(name, "dies", wait=False)
        shown = one.wait_host(host, "ERROR")
        assert reason in shown.findtext("TEMPLATE/ERROR"), shown.findtext("TEMPLATE/ERROR")
