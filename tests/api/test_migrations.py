"""Migrations with options, checked in advance, and what is kept of them: globule.vm.migrate, migratecheck, migrations."""
import subprocess
import time

import pytest
from api.server import BUILD
from api.states import ACTION, AUTHORIZATION, NO_EXISTS


def migrations(client, identity):
    """Newest last, as dictionaries."""
    pool = client.xml("globule.vm.migrations", identity)
    return [{child.tag: child.text or "" for child in row} for row in pool]


def check(client, identity, host, text=""):
    """Whether it is possible, the checks by name (the last of each counts), and the document."""
    answer = client.xml("globule.vm.migratecheck", identity, host, text)
    found = {row.findtext("NAME"): (row.findtext("RESULT"), row.findtext("TEXT")) for row in answer.iter("CHECK")}
    return answer.findtext("POSSIBLE") == "YES", found, answer


def settled(one, identity):
    """The last record, once it has a result."""
    return one.until(lambda: (last := migrations(one, identity)[-1])["RESULT"] != "running" and last, "a result")


@pytest.fixture
def machine(one):
    identity = one.running(0)
    yield identity
    one.control()
    if one.state(identity) not in ("DONE",):
        one.ok("one.vm.recover", identity, 3)
        one.wait(identity, "DONE")


def test_live(one, machine):
    assert migrations(one, machine) == []
    before = int(time.time())
    assert one.ok("globule.vm.migrate", machine, 1, "LIVE=YES\nMIGRATE=[POSTCOPY=YES,MAX_DOWNTIME=50]") == machine
    row = settled(one, machine)
    assert row["RESULT"] == "success" and row["REASON"] == ""
    assert (row["SOURCE"], row["DESTINATION"], row["SOURCE_ID"], row["DESTINATION_ID"]) == ("h1", "h2", "0", "1")
    assert (row["KIND"], row["MODE"], row["STORAGE"]) == ("live", "postcopy", "shared")
    assert (row["ID"], row["VM"], row["MEMORY_BYTES"]) == ("0", str(machine), str(64 << 20))
    assert "POSTCOPY" in row["OPTIONS"] and "MAX_DOWNTIME" in row["OPTIONS"]
    assert before <= int(row["STARTED"]) <= int(row["ENDED"]) <= time.time() + 1
    assert int(row["ELAPSED_MS"]) >= 0
    # The way of OpenNebula leaves a record too, and the row of a machine that is gone stays.
    one.ok("one.vm.migrate", machine, 0, True)
    assert settled(one, machine)["MODE"] == "precopy"
    one.action("terminate-hard", machine)
    one.wait(machine, "DONE")
    assert [row["ID"] for row in migrations(one, machine)] == ["0", "1"]


@pytest.mark.parametrize("kind, kept", [(0, "save"), (1, "poweroff"), (2, "poweroff-hard")])
def test_cold(one, machine, kind, kept):
    one.ok("globule.vm.migrate", machine, 1, f"TYPE={kind}")
    row = settled(one, machine)
    assert (row["KIND"], row["RESULT"], row["MODE"], row["TOTAL_MS"]) == (kept, "success", "-", "-1")


def test_failure_keeps_the_reason(one, machine):
    one.control("MIGRATE * fail=1")
    one.ok("globule.vm.migrate", machine, 1, "LIVE=YES")
    row = settled(one, machine)
    assert row["RESULT"] == "failure" and "failed (simulated)" in row["REASON"]
    assert [host for host, name in one.domains() if name == f"one-{machine}"] == ["h1"]


def test_lost_answer_is_found_out(one, machine):
    """Done, but the driver never says so: `recover --failure` asks both hosts, and they say that it has moved."""
    one.control("MIGRATE * lost=1")
    one.ok("globule.vm.migrate", machine, 1, "LIVE=YES")
    one.until(lambda: one.domain("h2", f"one-{machine}").exists(), "the move")
    one.control()
    one.ok("one.vm.recover", machine, 0)
    row = settled(one, machine)
    assert row["RESULT"] == "success" and "declared failed by recover" in row["REASON"], row
    assert one.state(machine) == "RUNNING"


@pytest.mark.parametrize("text, said", [
    ("LIVES=YES", "LIVES is not allowed here: an order to migrate may hold LIVE"),
    ("LIVE=perhaps", "LIVE takes YES or NO"),
    ("DATASTORE=none", "DATASTORE takes a number"),
    ("TYPE=3", "Migration type 3 is not known"),
    ("MIGRATE=[BANDWIDTH=fast]", 'BANDWIDTH = "fast" of MIGRATE is not allowed: it takes a whole number of MiB/s'),
    ("MIGRATE=[MAX_DOWNTIME=0]", "from 1 to 3600000"),
    ("MIGRATE=[POSTCOPY=maybe]", "it takes YES or NO"),
    ("MIGRATE=[SPEED=1]", "MIGRATE knows no SPEED: it may hold MAX_DOWNTIME, BANDWIDTH"),
    ("MIGRATE=[TLS=YES]\nMIGRATE=[TLS=NO]", "MIGRATE = [...] once"),
    ("MIGRATE=[", "Parse error"),
])
def test_wrong_text(one, machine, text, said):
    for method in ("globule.vm.migrate", "globule.vm.migratecheck"):
        if method == "globule.vm.migratecheck" and text == "TYPE=3":
            continue  # a reason that it is not possible, not a mistake of the call
        one.fails(method, machine, 1, text, text=said)
    assert migrations(one, machine) == []


# ---- in advance ----

def test_check_changes_nothing(one, machine):
    before = one.ok("one.vm.info", machine)
    possible, found, answer = check(one, machine, 1, "MIGRATE=[POSTCOPY=YES]")
    assert possible, found
    assert found["name"] == ("ok", f"one-{machine} is free on h2") and found["state"][0] == "ok"
    assert found["way"] == ("ok", "from h1 to h2")
    assert (answer.findtext("SOURCE"), answer.findtext("DESTINATION")) == ("h1", "h2")
    assert (answer.findtext("STORAGE"), answer.findtext("MEMORY_MB"), answer.findtext("TOTAL_MS")) == ("shared", "64", "64")
    assert migrations(one, machine) == []
    after = one.ok("one.vm.info", machine)
    assert [line for line in (before, after) if "MIGRATE" in line] == [] and one.state(machine) == "RUNNING"


def test_check_names_every_reason(one, machine):
    one.control("HOST h2 TOTALMEMORY=1024")
    possible, found, _ = check(one, machine, 1)
    one.control()
    assert not possible and found["memory"] == ("no", "h2 has 1 MiB in all (simulated)")
    possible, found, _ = check(one, machine, 0)
    assert not possible and found["way"][0] == "no"
    one.action("poweroff-hard", machine)
    one.wait(machine, "POWEROFF")
    possible, found, _ = check(one, machine, 1)
    assert not possible and found["state"] == ("no", "only a running machine is moved live; this one is POWEROFF")
    possible, found, answer = check(one, machine, 1, "LIVE=NO")
    assert possible and answer.findtext("STORAGE") == "-", found


def test_check_of_hosts_that_do_not_answer(one, machine):
    one.control("HOST h2 down=1")
    one.fails("globule.vm.migratecheck", machine, 1, "", code=ACTION, text="The hosts could not be asked: h2 does not answer")


def test_check_while_the_driver_dies(one, machine):
    import os
    import signal
    import threading
    one.control("MIGRATECHECK * latency=3600")
    said = []
    asking = threading.Thread(target=lambda: said.append(one.call("globule.vm.migratecheck", machine, 1, "")))
    asking.start()
    while asking.is_alive():  # once or twice: the first may come before the question
        asking.join(3)
        for process in one.drivers().get("one_vmm", []) if asking.is_alive() else ():
            os.kill(process, signal.SIGKILL)
    one.control()
    assert said and said[0][0] is False and "ended before it answered MIGRATECHECK" in said[0][1], said
    assert one.state(machine) == "RUNNING"
    assert one.until(lambda: check(one, machine, 1)[0], "the new driver's answer")


def test_check_that_takes_too_long(fresh):
    server = fresh("ACTION_TIMEOUTS = [ MIGRATECHECK = 1 ]\n", hosts=2)
    identity = server.running(0)
    server.control("MIGRATECHECK * latency=3600")
    server.fails("globule.vm.migratecheck", identity, 1, "", code=ACTION, text="did not answer MIGRATECHECK within 1 s")
    server.control("MIGRATECHECK * latency=2")
    server.fails("globule.vm.migratecheck", identity, 1, "", code=ACTION)
    server.control()
    server.ok("globule.vm.migrate", identity, 1, "LIVE=YES")
    assert settled(server, identity)["RESULT"] == "success"


def test_only_who_may_migrate_may_check(one, machine):
    ann = one.user("ann-of-migrations")
    for method in ("globule.vm.migrate", "globule.vm.migratecheck"):
        ann.fails(method, machine, 1, "", code=AUTHORIZATION)
    ann.fails("globule.vm.migrations", machine, code=AUTHORIZATION)
    own = ann.allocate(hold=True)
    assert migrations(ann, own) == []
    ann.fails("globule.vm.migratecheck", own, 1, "", code=AUTHORIZATION)
    one.ok("one.vm.recover", own, 3)
    one.fails("globule.vm.migratecheck", machine, 99, "", code=NO_EXISTS)


# ---- across restarts, and between names ----

def test_record_survives_kill(fresh):
    server = fresh(hosts=2)
    identity = server.running(0)
    server.control("MIGRATE * latency=3600")
    server.ok("globule.vm.migrate", identity, 1, "LIVE=YES")
    assert migrations(server, identity)[0]["RESULT"] == "running"
    server.restart(clean=False)
    row = settled(server, identity)
    assert row["RESULT"] == "failure" and "oned was started again" in row["REASON"], row
    assert int(row["ENDED"]) >= int(row["STARTED"])
    server.control()
    server.ok("globule.vm.migrate", identity, 1, "LIVE=YES")
    assert settled(server, identity)["ID"] == "1"
    server.stop()
    told = server.command("--check")
    assert told.returncode == 0 and "in order" in told.stdout, told.stdout
    server.start()


def test_two_names_of_one_driver(fresh):
    """A machine moves between hosts added as `dummy` and as `vmm_dummy`, and not to one of another program."""
    server = fresh("VM_MAD = [ NAME = vmm_dummy, EXECUTABLE = one_vmm, ARGUMENTS = dummy ]\n"
                   "VM_MAD = [ NAME = other, EXECUTABLE = one_vmm, ARGUMENTS = qemu ]\n", hosts=1)
    for name, driver in (("h2", "vmm_dummy"), ("h3", "other")):
        identity = server.ok("one.host.allocate", name, "dummy", driver, -1)
        server.wait_host(identity, "MONITORED")
    machine = server.running(0)
    possible, found, _ = check(server, machine, 1)
    assert possible and found["driver"] == ("ok", "vmm_dummy"), found
    server.ok("one.vm.migrate", machine, 1, True)
    assert settled(server, machine)["RESULT"] == "success"
    possible, found, _ = check(server, machine, 2)
    assert not possible and found["driver"][0] == "no"
    server.fails("one.vm.migrate", machine, 2, True, code=ACTION, text="uses the virtualization driver other")


@pytest.mark.parametrize("words,code,text", [
    ("3", 2, "two URIs of libvirt"),
    ("many test:///default test:///default test", 2, "takes flags"),
    ("1 test:///default test:///default none", 1, "cannot find none"),
    ("1 test:///default nowhere:/// test", 1, "cannot reach nowhere:///"),
    ("1 test:///default test:///default test", 1, "cannot go on with test: ")])
def test_attempt_to_go_on_after_postcopy(words, code, text):
    """What vmm_mend.c starts as a process of its own; with real halves of a memory: tests/lab/test_migrate_modes.py."""
    ended = subprocess.run([BUILD / "mads/one_vmm", "--resume-postcopy", *words.split()], capture_output=True, text=True, timeout=120)
    assert (ended.returncode, text in ended.stderr) == (code, True), ended


def test_fallback_that_fails(fresh, tmp_path):
    """One that does not end goes on where it was, its record says why, and its snapshots are not lost without a word."""
    (tmp_path / "containers").write_text(f"#!/bin/sh\n{BUILD}/mads/one_vmm dummy | sed -u 's/^INIT SUCCESS.*TAGGED$/& LACKS=MIGRATE HAS=FALLBACK/'\n")
    (tmp_path / "containers").chmod(0o755)
    one = fresh(f'VM_MAD = [ NAME = "containers", EXECUTABLE = "{tmp_path}/containers" ]\n'
                'IM_MAD = [ NAME = "containers", EXECUTABLE = "one_im", ARGUMENTS = "dummy" ]\n')
    one.host("h1", "containers"), one.host("h2", "containers")
    machine = one.running(0)
    one.control("SHUTDOWN * fail=1")
    one.ok("one.vm.migrate", machine, 1, True)
    row = settled(one, machine)
    assert (row["KIND"], row["MODE"], row["RESULT"]) == ("poweroff", "stopped", "failure") and row["REASON"]
    assert "not live" not in row["REASON"], "why it failed, which is another thing"
    one.wait(machine, "RUNNING")
    assert one.xml("one.vm.info", machine).findall("HISTORY_RECORDS/HISTORY")[-1].findtext("HOSTNAME") == "h1"
    one.control()
    one.ok("one.vm.snapshotcreate", machine, "kept")
    one.wait(machine, "RUNNING")
    one.fails("one.vm.migrate", machine, 1, True, code=ACTION, text="1 snapshots, which stay on its host")
    assert not check(one, machine, 1, "LIVE = YES")[0] and check(one, machine, 1, "LIVE = NO\nTYPE = 1")[0]
    one.ok("one.vm.snapshotdelete", machine, 0)
    one.wait(machine, "RUNNING")
    one.ok("one.vm.migrate", machine, 1, True)
    one.until(lambda: migrations(one, machine)[-1]["RESULT"] == "success", "the move")
    assert migrations(one, machine)[-1]["REASON"].startswith("stopped, not live: the driver containers cannot move a machine while it runs;")
