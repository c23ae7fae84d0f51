"""mm_sched with the real oned and simulated hosts: from pending to RUNNING without a hand."""
import os
import signal
import subprocess
import time

import pytest
from api.server import BUILD, PATIENCE

pytestmark = pytest.mark.usefixtures("one")


class Scheduler:
    def __init__(self, server, *options):
        self.server, self.options, self.process = server, options, None

    def start(self):
        environment = dict(self.server.environment(), ONE_XMLRPC=f"http://127.0.0.1:{self.server.port}/RPC2")
        output = open(self.server.directory / "sched.out", "ab")
        self.process = subprocess.Popen([BUILD / "bin/mm_sched", *self.options], env=environment,
                                        stdout=output, stderr=output)
        output.close()
        return self

    def kill(self, number):
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def clean_up(self):
        assert self.kill(signal.SIGTERM) == 0
        said = (self.server.directory / "sched.out").read_text(errors="replace")
        assert "Sanitizer" not in said and "runtime error" not in said, said


@pytest.fixture(scope="module")
def scheduler(one):
    (one.etc / "sched.conf").write_text("LIVE_RESCHEDS = YES\nSCHED_INTERVAL = 60\n")
    started = Scheduler(one).start()
    yield started
    started.clean_up()


def message(one, identity):
    return one.vm(identity).findtext("USER_TEMPLATE/SCHED_MESSAGE")


def host_of(one, identity):
    return int(one.vm(identity).find("HISTORY_RECORDS")[-1].findtext("HID"))


def test_places_at_once(one, scheduler):
    machines = [one.allocate(name=f"quick-{number}") for number in range(8)]
    for identity in machines:
        one.wait(identity, "RUNNING")
    assert sorted(host_of(one, identity) for identity in machines) == [0] * 4 + [1] * 4


def test_requirements_and_rank(one, scheduler):
    identity = one.allocate('SCHED_REQUIREMENTS = "NAME = \\"h2\\""')
    one.wait(identity, "RUNNING")
    assert host_of(one, identity) == 1
    identity = one.allocate('REQUIREMENTS = "ID < 5"\nRANK = "0 - ID"')
    one.wait(identity, "RUNNING")
    assert host_of(one, identity) == 0


def test_tells_why_and_takes_it_back(one, scheduler):
    identity = one.allocate('SCHED_REQUIREMENTS = "RACK = \\"A 12\\""')
    text = one.until(lambda: message(one, identity), "the message")
    assert text.endswith(': No host: 2 of 2 do not meet SCHED_REQUIREMENTS: RACK = "A 12"')
    # What it waits for comes; the next machine that becomes pending wakes the scheduler.
    one.ok("one.host.update", 1, 'RACK = "A 12"', 1)
    one.wait(one.allocate(), "RUNNING")
    one.wait(identity, "RUNNING")
    assert host_of(one, identity) == 1
    assert not message(one, identity), "the reason is gone with the waiting"


def test_freed_capacity_is_used(one, scheduler):
    large = int(one.xml("one.host.info", 0).findtext("HOST_SHARE/MAX_MEM")) // 1024 * 3 // 4
    fillers = [one.allocate(f'CPU = 0.01\nMEMORY = {large}\nSCHED_REQUIREMENTS = "ID = {host}"', name=f"large-{host}")
               for host in (0, 1)]
    for identity in fillers:
        one.wait(identity, "RUNNING")
    waiting = one.allocate(f"CPU = 0.01\nMEMORY = {large}", name="waiting")
    text = one.until(lambda: message(one, waiting), "the message")
    assert f"2 of 2 have too little memory (needs {large} MiB)" in text
    one.action("terminate-hard", fillers[1])
    one.wait(waiting, "RUNNING")
    assert host_of(one, waiting) == 1
    for identity in (fillers[0], waiting):
        one.action("terminate-hard", identity)


def test_moves_on_request(one, scheduler):
    identity = one.allocate()
    one.wait(identity, "RUNNING")
    before = host_of(one, identity)
    one.action("resched", identity)
    one.until(lambda: host_of(one, identity) == 1 - before, "the machine to move")
    vm = one.wait(identity, "RUNNING")
    assert vm.findtext("RESCHED") == "0"


def test_only_where_the_owner_may(one, scheduler):
    """Group 1 has its right on hosts by a rule of the first start; without it there is none."""
    guest = one.user("guest-of-sched")
    rules = one.xml("one.acl.info")
    assert any("HOST" in rule.findtext("STRING") for rule in rules), "the first start makes rules for hosts"
    identity = guest.allocate()
    guest_vm = one.wait(identity, "RUNNING")
    assert guest_vm.findtext("UNAME") == "guest-of-sched"


def test_killed_in_the_middle(one, scheduler):
    machines = [one.allocate(name=f"middle-{number}", hold=True) for number in range(60)]
    for number, identity in enumerate(machines):
        one.action("release", identity)
        if number % 20 == 10:
            scheduler.kill(signal.SIGKILL)
            scheduler.start()
    for identity in machines:
        one.wait(identity, "RUNNING")
    assert all(len(one.vm(identity).find("HISTORY_RECORDS")) == 1 for identity in machines), "each placed once"


def test_oned_killed_in_the_middle(one, scheduler):
    machines = [one.allocate(name=f"crash-{number}") for number in range(30)]
    one.restart(clean=False)
    for identity in machines:
        one.wait(identity, "RUNNING")
    assert scheduler.process.poll() is None


def test_waits_without_work(one, scheduler):
    """An idle scheduler sleeps: no processor time, however long."""
    time.sleep(0.5)

    def used():
        words = open(f"/proc/{scheduler.process.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
    before = used()
    time.sleep(1.5)
    assert used() - before <= 0.1
