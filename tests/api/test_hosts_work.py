"""What an administrator does with hosts: takes over machines found there, reserves and overcommits, asks, empties."""
import base64

import pytest
from api.states import ACTION, AUTHORIZATION
from api.test_cli import NO_OBJECT, USAGE, Shell
from api.test_life import end

WILD = "STATE=RUNNING\nNAME={0}\nUUID=00000000-0000-0000-0000-000000000001\nCPU=10\nMEMORY=131072\nVID=-1\n"


def put(path, text):
    """A machine's file, at once: a half of it would be another machine."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(text)
    beside.rename(path)


@pytest.fixture
def shell(one, tmp_path):
    return Shell(tmp_path / "shell", one.port, one.session)


@pytest.fixture
def wild(one):
    """Makes machines that oned has not made; removes them at the end."""
    made = []

    def make(name, host="h1"):
        path = one.domain(host, name)
        put(path, WILD.format(name))
        made.append(path)
        one.ok("globule.host.forceupdate", 0 if host == "h1" else 1)
        one.until(lambda: name in (one.xml("one.host.info", 0 if host == "h1" else 1).findtext("TEMPLATE/WILDS") or ""),
                  f"{name} to be seen")
        return path
    yield make
    for path in made:
        path.unlink(missing_ok=True)


# ---- importing ----

def test_a_wild_machine_is_taken_over(one, shell, wild):
    path = wild("grown")
    identity = int(shell.run("onehost importvm h1 grown").removeprefix("ID: "))
    vm = one.wait(identity, "RUNNING")
    assert vm.findtext("DEPLOY_ID") == "grown" and vm.findtext("NAME") == "grown"
    assert vm.findtext("TEMPLATE/IMPORTED") == "YES" and vm.findtext("TEMPLATE/MEMORY") == "128"
    assert vm.findtext("HISTORY_RECORDS/HISTORY/HOSTNAME") == "h1"
    assert path.read_text() == WILD.format("grown"), "it was left as it was"
    one.until(lambda: one.xml("one.host.info", 0).find("TEMPLATE/WILDS") is None, "it to be wild no more")
    share = one.xml("one.host.info", 0).find("HOST_SHARE")
    assert share.findtext("MEM_USAGE") == "131072" and share.findtext("RUNNING_VMS") == "1"
    one.until(lambda: one.vm(identity).findtext("MONITORING/MEMORY"), "its samples")
    # It ends by itself: seen at once, by the name that the driver knows.
    put(path, WILD.format("grown").replace("RUNNING", "POWEROFF"))
    one.wait(identity, "POWEROFF")
    path.unlink()
    one.action("resume", identity)  # what we did not make we cannot make anew
    one.wait(identity, "POWEROFF")
    assert "there is no machine grown on h1" in one.vm(identity).findtext("USER_TEMPLATE/ERROR")
    end(one, identity)


def test_an_imported_machine_survives_a_restart(fresh):
    one = fresh(hosts=1)
    path = one.domain("h1", "grown")
    put(path, WILD.format("grown"))
    identity = one.ok("one.vm.allocate", 'NAME = "old"\nCPU = 1\nMEMORY = 64\nIMPORT_VM_ID = "grown"', False)
    assert one.state(identity) == "HOLD"  # the scheduler does not know where it is
    one.ok("one.vm.deploy", identity, 0)
    one.wait(identity, "RUNNING")
    one.restart()
    assert one.vm(identity).findtext("DEPLOY_ID") == "grown"
    one.ok("globule.host.forceupdate", 0)
    one.wait(identity, "RUNNING")
    one.action("terminate-hard", identity)
    one.wait(identity, "DONE")
    assert not path.exists()


def test_the_same_domain_is_no_two_machines(one, shell, wild):
    wild("single")
    template = one.xml("one.host.info", 0).findtext("TEMPLATE/VM/IMPORT_TEMPLATE")
    first = int(shell.run("onehost importvm h1 single").removeprefix("ID: "))
    one.wait(first, "RUNNING")
    second = one.ok("one.vm.allocate", base64.b64decode(template).decode(), False)
    one.fails("one.vm.deploy", second, 0, code=ACTION, text=f"single on host h1 is machine {first} already")
    one.ok("one.vm.recover", second, 3)
    one.action("terminate-hard", first)
    one.wait(first, "DONE")


def test_a_machine_that_is_not_there_is_not_made(one):
    identity = one.ok("one.vm.allocate", 'CPU = 1\nMEMORY = 64\nDEPLOY_ID = "nowhere"', False)
    one.ok("one.vm.deploy", identity, 1)
    vm = one.wait(identity, "BOOT_FAILURE")
    assert "there is no machine nowhere on h2" in vm.findtext("USER_TEMPLATE/ERROR")
    assert not one.domain("h2", "nowhere").exists()
    one.ok("one.vm.recover", identity, 3)
    one.wait(identity, "DONE")


def test_only_administrators_import(one):
    ann = one.user("ann")
    for attribute in ("DEPLOY_ID", "IMPORT_VM_ID"):
        ann.fails("one.vm.allocate", f'CPU = 1\nMEMORY = 64\n{attribute} = "x"', False, code=AUTHORIZATION, text=attribute)
    identity = ann.ok("one.vm.allocate", 'CPU = 1\nMEMORY = 64\nIMPORTED = "YES"', True)
    assert one.vm(identity).find("TEMPLATE/IMPORTED") is None
    one.ok("one.vm.recover", identity, 3)


def test_importvm_says_which_there_are(one, shell, wild):
    assert "reports none at all" in shell.error("onehost importvm h2 x", NO_OBJECT)
    wild("alpha")
    wild("beta")
    said = shell.error("onehost importvm h1 gamma", NO_OBJECT).strip()
    assert sorted(said.rpartition("reports: ")[2].split(", ")) == ["alpha", "beta"], said


# ---- capacity ----

def maximum(one, host):
    share = one.xml("one.host.info", host).find("HOST_SHARE")
    return int(share.findtext("MAX_CPU")), int(share.findtext("MAX_MEM"))


@pytest.mark.parametrize("cpu, memory, expected", [
    ("100", "1048576", (700, 15728640)), ("-800", "-16777216", (1600, 33554432)), ("25%", "10%", (600, 15099495)),
    ("-50%", "-100%", (1200, 33554432)), ("", "", (800, 16777216)), ("nonsense", "nan", (800, 16777216)),
    ("0", "0", (800, 16777216)), ("9000", "99999999", (-8200, -83222783)),
])
def test_reservations_are_exact(one, cpu, memory, expected):
    """A host's own go before its cluster's; what is below zero adds."""
    one.ok("one.host.update", 1, f'RESERVED_CPU = "{cpu}"\nRESERVED_MEM = "{memory}"', 1)
    assert maximum(one, 1) == expected
    one.ok("one.host.update", 1, 'RESERVED_CPU = ""\nRESERVED_MEM = ""', 1)


def test_reservations_of_the_cluster_and_of_all(fresh):
    one = fresh(hosts=2)
    one.ok("one.cluster.update", 0, 'RESERVED_CPU = "-100%"\nRESERVED_MEM = "1024"', 1)
    assert maximum(one, 0) == maximum(one, 1) == (1600, 16777216 - 1024)
    one.ok("one.host.update", 0, 'RESERVED_CPU = "0"', 1)
    assert maximum(one, 0)[0] == 800 and maximum(one, 1)[0] == 1600
    one.ok("one.cluster.update", 0, 'RESERVED_CPU = ""\nRESERVED_MEM = ""', 1)
    assert maximum(one, 1) == (800, 16777216)
    conf = one.etc / "oned.conf"
    conf.write_text(conf.read_text() + '\nRESERVED_CPU = "200"\nRESERVED_MEM = "50%"\n')
    one.restart()
    assert maximum(one, 1) == (600, 8388608) and maximum(one, 0) == (800, 8388608)


def test_what_is_overcommitted_is_given_away(one):
    """`deploy` with its check, and one machine too many."""
    one.ok("one.host.update", 1, 'RESERVED_CPU = "-200"', 1)
    machines = [one.allocate("CPU = 5"), one.allocate("CPU = 5"), one.allocate("CPU = 0.1")]
    for identity in machines[:2]:
        one.ok("one.vm.deploy", identity, 1, True)
        one.wait(identity, "RUNNING")
    one.fails("one.vm.deploy", machines[2], 1, True, code=ACTION, text="Not enough capacity in Host")
    one.ok("one.host.update", 1, 'RESERVED_CPU = ""', 1)
    for identity in machines:
        one.ok("one.vm.recover", identity, 3)
        one.wait(identity, "DONE")


# ---- asking, emptying ----

def test_disks_on_the_host_itself(fresh):
    """Of a system datastore that each host has for itself the host tells the room, and says what machines were given."""
    one = fresh(hosts=1)
    one.ok("one.datastore.update", 0, "SHARED = NO", 1)
    large, small = (one.allocate(f"DISK = [ TYPE = fs, SIZE = {size}, FORMAT = raw ]") for size in (100000, 8000))
    one.fails("one.vm.deploy", large, 0, True, 0, code=ACTION, text="100000 MiB are wanted")

    def given():
        return int(one.xml("one.host.info", 0).findtext("HOST_SHARE/DATASTORES/DISK_USAGE"))
    one.ok("one.vm.deploy", small, 0, True, 0)
    one.wait(small, "RUNNING")
    assert given() == 8000
    one.ok("one.vm.diskresize", small, 0, "9000")
    one.wait(small, "RUNNING")
    assert given() == 9000
    one.ok("one.vm.deploy", large, 0, False, 0)  # by an administrator who knows better
    one.wait(large, "RUNNING")
    one.restart(clean=False)
    assert given() == 109000
    one.ok("one.datastore.update", 0, "DATASTORE_CAPACITY_CHECK = NO", 1)
    third = one.allocate("DISK = [ TYPE = fs, SIZE = 100000, FORMAT = raw ]")
    one.ok("one.vm.deploy", third, 0, True, 0)
    for identity in (large, small, third):
        one.wait(identity, "RUNNING")
        end(one, identity)
    assert given() == 0


def test_forceupdate_asks_at_once(one):
    before = one.xml("one.host.info", 0).findtext("MONITORING/TIMESTAMP")
    one.control("HOST h1 TOTALCPU=1000")
    assert one.ok("globule.host.forceupdate", 0) == 0
    one.until(lambda: one.xml("one.host.info", 0).findtext("HOST_SHARE/TOTAL_CPU") == "1000", "the new size")
    assert one.xml("one.host.info", 0).findtext("MONITORING/TIMESTAMP") >= before
    one.control()
    one.ok("globule.host.forceupdate", 0)
    one.until(lambda: one.xml("one.host.info", 0).findtext("HOST_SHARE/TOTAL_CPU") == "800", "the old size")
    one.ok("one.host.status", 1, 2)
    one.fails("globule.host.forceupdate", 1, code=ACTION, text="Host 1 is offline")
    one.ok("one.host.status", 1, 0)
    one.wait_host(1, "MONITORED")


@pytest.mark.parametrize("action, state, said", [
    ("", "RUNNING", "machines that wait for another host, with a * in `onevm list`: 1"),
    ("--action poweroff-hard", "POWEROFF", "machines powered off: 1"),
    ("--action delete-recreate", "PENDING", "machines that start anew elsewhere: 1")])
def test_flush(one, shell, action, state, said):
    identity = one.running(0)
    assert shell.run(f"onehost flush h1 {action}") == f"h1: disabled; {said}\n"
    one.wait_host(0, "DISABLED")
    one.wait(identity, state)
    assert one.vm(identity).findtext("RESCHED") == ("0" if action else "1")
    one.ok("one.host.status", 0, 0)
    one.wait_host(0, "MONITORED")
    one.ok("one.vm.recover", identity, 3)
    one.wait(identity, "DONE")


def test_flush_with_a_word_that_is_none(one, shell):
    assert "none of: resched delete-recreate" in shell.error("onehost flush h1 --action burn", USAGE)
    assert one.xml("one.host.info", 0).findtext("STATE") == "2"
