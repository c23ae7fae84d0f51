"""kill -9 of oned and of its drivers at any moment: nothing that was acknowledged is lost, nothing is done twice."""
import os
import random
import resource
import signal
import threading
import time

import pytest
from api.server import PATIENCE
from api.test_life import end, records, usage

RANDOM = random.Random(20090101)


def test_clean_restart_keeps_everything(fresh):
    one = fresh(hosts=2)
    user = one.user("stays", "pw")
    running = one.running(0, 'KEPT = "yes"', name="runs")
    held = user.allocate(hold=True, name="held")
    one.ok("one.vm.chmod", held, 1, 1, 0, 1, 0, 0, 1, 0, 0)
    one.ok("one.vm.lock", held, 2)
    gone = one.allocate(hold=True)
    one.action("terminate", gone)

    def picture():
        texts = [one.ok("one.vm.info", i) for i in (held, gone)]
        vm = one.vm(running)
        texts.append((vm.findtext("NAME"), vm.findtext("DEPLOY_ID"), vm.findtext("USER_TEMPLATE/KEPT"), len(records(vm)),
                      records(vm)[0].findtext("RSTIME")))
        texts.append(usage(one, 0))
        texts.append(user.ok("one.user.info", -1))
        return texts
    before = picture()
    one.restart()
    one.wait(running, "RUNNING")
    assert picture() == before
    assert one.domains() == [("h1", f"one-{running}")]
    assert one.allocate(hold=True) == 3  # ids go on


def test_ids_are_never_given_twice(fresh):
    one = fresh()
    first = one.user("first").uid
    one.ok("one.user.delete", first)
    host = one.host("gone", wait=False)
    one.ok("one.host.delete", host)
    one.restart(clean=False)
    assert one.user("second").uid == first + 1
    assert one.host("next", wait=False) == host + 1


def test_nothing_acknowledged_is_lost(fresh):
    """Clients that allocate, rename and delete while oned is killed, again and again."""
    one = fresh()
    names, gone = {}, set()
    lock = threading.Lock()

    def work(number, stop):
        client = one.client(one.session)
        count = 0
        while not stop.is_set():
            count += 1
            try:
                identity = client.call("one.vm.allocate", f"CPU=1\nMEMORY=64\nNAME=n{number}-{count}", True)[1]
                with lock:
                    names[identity] = f"n{number}-{count}"
                if count % 3 == 0:
                    reply = client.call("one.vm.rename", identity, f"r{number}-{count}")
                    with lock:
                        names[identity] = f"r{number}-{count}" if reply[0] else names[identity]
                if count % 5 == 0:
                    reply = client.call("one.vm.action", "terminate", identity)
                    if reply[0]:
                        gone.add(identity)
            except Exception:  # the server was killed: what was not answered may be either way
                with lock:
                    names.pop(locals().get("identity"), None)
                return
    for _ in range(6):
        stop = threading.Event()
        threads = [threading.Thread(target=work, args=(n, stop)) for n in range(6)]
        for thread in threads:
            thread.start()
        known = len(names)
        one.until(lambda: len(names) >= known + 12, "the clients to get some work done")
        time.sleep(RANDOM.uniform(0, 0.3))
        one.kill()
        stop.set()
        for thread in threads:
            thread.join(PATIENCE)
        one.start()
        pool = {int(vm.findtext("ID")): vm for vm in one.xml("one.vmpool.info", -2, -1, -1, -2)}
        missing = set(names) - set(pool)
        assert not missing, f"{len(missing)} acknowledged machines are gone: {sorted(missing)[:10]}"
        wrong = [i for i, name in names.items() if pool[i].findtext("NAME") != name]
        assert not wrong, f"{wrong[:5]} lost their names"
        assert all(pool[i].findtext("STATE") == "6" for i in gone if i in names)
    assert len(names) > 50
    checked = one.command("--check")
    assert checked.returncode == 0, checked.stdout


def settle(one, identities, seconds=None):
    """All machines at rest."""
    resting = {"RUNNING", "DONE", "POWEROFF", "SUSPENDED", "STOPPED", "UNDEPLOYED", "HOLD", "PENDING"}
    for identity in identities:
        one.wait(identity, *resting, *FAILURES, seconds=seconds)


FAILURES = {"BOOT_FAILURE", "PROLOG_FAILURE", "EPILOG_FAILURE", "EPILOG_STOP_FAILURE", "BOOT_MIGRATE_FAILURE",
            "PROLOG_MIGRATE_FAILURE"}


def invariants(one):
    """No machine runs twice, and none runs that should not."""
    where = {}
    for host, name in one.domains():
        where.setdefault(name, []).append(host)
    for name, hosts in where.items():
        assert len(hosts) == 1, f"{name} runs on {hosts}"
    cpu = {0: 0, 1: 0}
    for vm in one.xml("one.vmpool.infoextended", -2, -1, -1, -1, schema="vm_pool_extended"):
        name = f"one-{vm.findtext('ID')}"
        if vm.findtext("STATE") == "3" and vm.findtext("LCM_STATE") == "3":
            host = records(vm)[-1].findtext("HOSTNAME")
            assert where.get(name) == [host], f"{name} should run on {host} and is on {where.get(name)}"
        if vm.findtext("STATE") in ("3", "5", "8") and records(vm):
            cpu[int(records(vm)[-1].findtext("HID"))] += round(float(vm.findtext("TEMPLATE/CPU")) * 100)
    for host, charged in cpu.items():
        assert usage(one, host)[0] == charged, f"host {host} counts {usage(one, host)[0]} and its machines need {charged}"


@pytest.mark.parametrize("latency", [0.02, 0.3])
def test_kill_in_the_middle_of_actions(fresh, latency):
    one = fresh(hosts=2)
    identities = [one.running(n % 2) for n in range(6)]
    for round_number in range(5):
        one.control(f"* * latency={latency}")
        for identity in identities:
            choice = RANDOM.choice(["suspend", "resume", "poweroff", "stop", "migrate", "live", "deploy", "reboot", "undeploy"])
            if choice in ("migrate", "live"):
                one.call("one.vm.migrate", identity, RANDOM.randint(0, 1), choice == "live")
            elif choice == "deploy":
                one.call("one.vm.deploy", identity, RANDOM.randint(0, 1))
            else:
                one.call("one.vm.action", choice, identity)
        time.sleep(RANDOM.uniform(0, latency * 2))
        one.kill()
        one.control()
        one.start()
        settle(one, identities)
        for identity in identities:
            state = one.state(identity)
            if state in FAILURES:
                one.ok("one.vm.recover", identity, 2)
            elif state in ("SUSPENDED", "POWEROFF", "STOPPED", "UNDEPLOYED"):
                one.action("resume", identity)
        settle(one, identities)
        for identity in identities:
            if one.state(identity) == "PENDING":
                one.ok("one.vm.deploy", identity, 0)
        settle(one, identities)
        assert {one.state(i) for i in identities} == {"RUNNING"}
        invariants(one)


@pytest.mark.parametrize("program", ["one_vmm", "one_im", "one_tm"])
def test_killed_driver(fresh, program):
    one = fresh(hosts=2)
    busy = one.running(0)
    one.control("* * latency=0.5")
    fresh_one = one.allocate()
    one.ok("one.vm.deploy", fresh_one, 1)
    one.action("suspend", busy)
    time.sleep(0.2)
    pids = one.drivers()
    assert program in pids, pids
    for pid in pids[program]:
        os.kill(pid, signal.SIGKILL)
    one.control()
    settle(one, [busy, fresh_one])
    one.until(lambda: set(one.drivers().get(program, [])) - set(pids[program]), f"{program} to be started again")
    for identity in (busy, fresh_one):
        if one.state(identity) in FAILURES:
            one.ok("one.vm.recover", identity, 2)
    settle(one, [busy, fresh_one])
    assert one.state(busy) in ("SUSPENDED", "RUNNING") and one.state(fresh_one) == "RUNNING"
    invariants(one)
    for identity in (busy, fresh_one):
        end(one, identity)


def test_driver_that_dies_at_once_is_not_started_for_ever(fresh, tmp_path):
    """With a pause that grows, not in a circle that takes the whole processor."""
    bad = tmp_path / "one_bad"
    bad.write_text("#!/bin/sh\necho x >>$ONE_VAR/starts\nexit 1\n")
    bad.chmod(0o755)
    one = fresh(f'ACTION_TIMEOUTS = [ MONITOR = 2 ]\nIM_MAD = [ NAME = "bad", EXECUTABLE = "{bad}" ]\nVM_MAD = [ NAME = "bad", EXECUTABLE = "{bad}" ]\n')
    host = one.host("b1", "bad", wait=False)
    one.wait_host(host, "ERROR")
    time.sleep(2)
    assert len((one.var / "starts").read_text().split()) < 20
    assert one.host("h1") >= 0


def test_drivers_end_with_oned(fresh):
    one = fresh(hosts=1)
    end(one, one.running(0))
    pids = [pid for group in one.drivers().values() for pid in group]
    assert pids
    one.kill()
    one.until(lambda: not any(os.path.exists(f"/proc/{pid}/exe") and os.path.realpath(f"/proc/{pid}/exe") != "" and
                              open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] != "Z"
                              for pid in pids if os.path.exists(f"/proc/{pid}/stat")), "the drivers to end")


def test_epoch_rises_with_every_start(fresh):
    """A late line of an earlier oned must be told from one of this; the count is in the database."""
    one = fresh(hosts=1)
    one.restart(clean=False)
    identity = one.running(0)
    one.restart(clean=False)
    one.wait(identity, "RUNNING")
    one.action("suspend", identity)
    one.wait(identity, "SUSPENDED")


def test_a_machine_that_died_while_oned_was_away(fresh):
    one = fresh(hosts=1)
    dead, alive = one.running(0), one.running(0)
    one.stop()
    one.domain("h1", f"one-{dead}").unlink()
    one.start()
    one.wait(dead, "POWEROFF", "UNKNOWN")
    one.wait(alive, "RUNNING")


def test_second_oned_is_refused(fresh):
    """Two on one database would each give the same ids."""
    one = fresh()
    ended = one.command("-f")
    assert ended.returncode != 0 and ended.stdout.strip()
    assert one.ok("one.system.version")


def test_start_is_quick_with_many_machines(fresh):
    one = fresh()
    with one.proxy() as proxy:
        for start in range(0, 2000, 100):
            proxy.system.multicall([{"methodName": "one.vm.allocate", "params": [one.session, "CPU=1\nMEMORY=64", True]}] * 100)
    one.kill()
    one.start()
    assert len(one.xml("one.vmpool.info", -2, -1, -1, -1)) == 2000
    assert one.cpu() < 20


def test_a_full_disk_is_waited_for(fresh):
    """No file of oned may grow for a while: who changes something waits, who asks for what has not changed is answered, and nothing is lost."""
    one = fresh()
    one.allocate(hold=True)
    resource.prlimit(one.process.pid, resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
    made = []
    caller = threading.Thread(target=lambda: made.append(one.allocate('FILL = "' + "f" * 400_000 + '"', hold=True)))
    caller.start()
    one.until(lambda: "wait until there is room" in one.log(), "the message of the full disk")
    assert one.ok("one.system.version") and one.vm(0).findtext("ID") == "0"
    assert not made
    resource.prlimit(one.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    caller.join(PATIENCE)
    assert made == [1]
    one.restart(clean=False)
    assert len(one.vm(1).findtext("USER_TEMPLATE/FILL")) == 400_000
