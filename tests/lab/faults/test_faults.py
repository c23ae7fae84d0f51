"""Something breaks during a live migration. Afterwards the machine runs in exactly one place with memory and
disk whole, or, when the hardware it ran on is gone, its state is true; nothing is left on the other host; and
a second attempt works.

./check runs the cases marked `quick`; with FAULTS=all (tests/lab/run-all sets it) all of table.py is run.
FAULTS="oned killed,driver killed" runs those whose names hold these words. A table of results ends the run.
"""
import os
import time

import pytest
from lab.cloud import POWEROFF, RUNNING, UNKNOWN, Cloud, Failed, wait_for
from lab.faults import delays
from lab.faults.kit import FAULTS, MOMENTS, Situation
from lab.faults.proof import ProvenMachine
from lab.faults.table import ANY, CASES, EITHER, LOST

WANTED = os.environ.get("FAULTS", "")
QUICK_DELAYS = (delays.guest_dies, delays.libvirtd_dies)
PATIENCE = 4  # times the value to be reached: this is no measurement, see tests/bench/lab_failures
RESULTS = []  # rows of the table that conftest prints


def chosen():
    cases = [case for case in CASES if case.quick] if not WANTED else [
        case for case in CASES if WANTED == "all" or any(word in str(case) for word in WANTED.split(","))]
    return [pytest.param(case, id=str(case).replace(" ", "_")) for case in sorted(cases, key=lambda case: case.storage)]


def small_disk(lab, host):
    """A file system of 40 MB for the datastores of a host, as a disk of its own."""
    image = lab.dir / host / "datastores.img"
    if not image.exists():
        with open(image, "wb") as file:
            file.truncate(40 << 20)
        lab.on(host, "mkfs.ext4", "-q", "-m", "0", image)
    lab.on(host, "mkdir", "-p", "/srv/local/datastores")
    lab.on(host, "mount", "-o", "loop", image, "/srv/local/datastores")


class Place:
    """A cloud on one kind of storage, and the machine that is moved about in it."""

    def __init__(self, lab, guest, storage):
        self.lab, self.storage, self.boot = lab, storage, guest
        self.machine = None
        if storage == "mirrored":
            for host in lab.hosts:
                small_disk(lab, host)
            lab.on("fe", "mkdir", "-p", "/srv/local/datastores")
        self.cloud = Cloud(lab, f"faults-{storage}",
                           "/var/lib/one/datastores" if storage == "shared" else "/srv/local/datastores",
                           "" if storage == "shared" else 'DEFAULT_TM_MAD = "ssh"')
        self.cloud.start()
        for host in lab.hosts:
            self.cloud.cli("onehost", "create", host, "-i", "qemu", "-v", "qemu")
        for host in lab.hosts:
            self.cloud.wait_host(host, "on", 60)

    def a_machine(self):
        if not self.machine:
            self.machine = ProvenMachine(self.cloud, self.boot, f"proof{len(RESULTS)}", self.lab.hosts[0])
        return self.machine

    def drop_machine(self):
        if self.machine:
            machine, self.machine = self.machine, None
            machine.remove()

    def recover(self):
        """After a failed case the next one begins on sound ground."""
        for host in self.lab.hosts:
            for peer in [*self.lab.hosts, "fe"]:
                if peer != host:
                    self.lab.call("join", host, peer, check=False)
            self.lab.call("join", host, check=False)
            self.lab.call("start", host, check=False)
            self.lab.on(host, "rm", "-f", "/run/hold.libvirtd", "/srv/local/datastores/filler", check=False)
        self.booted()
        self.cloud.cli("one", "start", check=False)
        for host in self.lab.hosts:
            self.cloud.wait_host(host, "on", 90)

    def booted(self):
        """A host that boots again mounts its disk."""
        for host in self.lab.hosts if self.storage == "mirrored" else []:
            if self.lab.on(host, "findmnt", "-n", "/srv/local/datastores", check=False) == "":
                small_disk(self.lab, host)

    def end(self):
        for host in self.lab.hosts:
            try:
                for domain in self.lab.domains(host):
                    self.lab.on(host, "virsh", "-q", "destroy", domain, check=False)
            except Failed as why:
                print(f"domains of {host} are left: {why}")
        if self.machine:
            self.machine.proof.stop()
        self.cloud.stop()
        for host in self.lab.hosts if self.storage == "mirrored" else []:
            self.lab.on(host, "umount", "-l", "/srv/local/datastores", check=False)


@pytest.fixture(scope="module")
def places(lab, guest):
    made = {}

    def place(storage):
        if storage not in made:
            for other in made.values():
                other.end()
            made.clear()
            made[storage] = Place(lab, guest, storage)
        return made[storage]

    yield place
    for other in made.values():
        other.end()


class Trial:
    """One case, from the order to the second attempt; `said` is its row of the table."""

    def __init__(self, place, case):
        self.place, self.case, self.cloud, self.lab = place, case, place.cloud, place.lab
        self.machine = place.a_machine()
        source = self.machine.lives()
        destination = next(host for host in self.lab.hosts if host != source)
        self.at = Situation(self.cloud, self.machine, source, destination)
        self.said = {"fault": case.fault, "moment": case.moment, "storage": case.storage, "held": f"{case.hold:g}"}

    def order(self, **options):
        return self.cloud.cli("onevm", "migrate", "--live", self.machine.name, self.at.destination, **options)

    def strike(self):
        """Orders the migration and breaks the thing at its moment. Returns the fault."""
        fault = FAULTS[self.case.fault](self.at, self.case.hold)
        fault.prepare()
        if self.case.moment == "before":
            fault.strike()
            self.order(check=False)
            return fault
        moment = MOMENTS[self.case.moment](self.at)
        try:
            self.order()
            moment.wait()
            fault.strike()
        finally:
            moment.end()
        return fault

    def run(self):
        fault = self.strike()
        self.struck = time.monotonic()
        while self.case.hold and time.monotonic() < self.struck + self.case.hold:
            time.sleep(0.1)
        if self.case.ends in (LOST, ANY):
            self.may_be_lost()
        fault.mend()
        self.place.booted()
        for host in self.lab.hosts:
            self.cloud.wait_host(host, "on", 90)
        if self.came_to_rest() == RUNNING:
            self.runs_once()
        else:
            self.was_lost()

    def came_to_rest(self):
        """RUNNING, or POWEROFF, or UNKNOWN; the record stays with this."""
        state = wait_for(f"{self.machine.name} at rest", 150, lambda: (
            state if (state := self.cloud.state(self.machine.name)) in (RUNNING, POWEROFF) else None))
        self.said["at rest after"] = f"{time.monotonic() - self.struck:.0f} s"
        return state

    def may_be_lost(self):
        """While the host is away: UNKNOWN with the reason, or RUNNING where it is still seen to run."""
        wait_for("a true state while the host is away", 60, lambda: (
            self.cloud.state(self.machine.name) in (UNKNOWN, RUNNING) and self.is_true()))
        vm = self.cloud.vm(self.machine.name)
        if self.cloud.state(self.machine.name) == UNKNOWN:
            self.said["meanwhile"] = f"UNKNOWN after {time.monotonic() - self.struck:.0f} s"
            reason = vm.findtext("USER_TEMPLATE/ERROR") or ""
            assert self.machine.host() in reason or self.at.destination in reason, f"the reason given is: {reason!r}"

    def is_true(self):
        state, host = self.cloud.state(self.machine.name), self.machine.host()
        if state != RUNNING:
            return True
        return self.machine.domain in self.lab.on(host, "virsh", "-q", "list", "--name", check=False).split()

    def runs_once(self):
        assert self.case.ends != LOST, "it runs, though the hardware it ran on was gone"
        host = self.machine.lives()
        where = "source" if host == self.at.source else "destination"
        self.said["runs on"] = where
        assert self.case.ends in (where, EITHER, ANY), f"it runs on the {where}, not on the {self.case.ends}"
        self.nothing_left(host)
        self.second_attempt(host)

    def was_lost(self):
        """It was off when the host came back; it starts again, on a disk that is whole."""
        assert self.case.ends in (LOST, ANY), f"{self.machine.name} is off:\n{self.cloud.vm_log(self.machine.name)}"
        boots = self.machine.proof.boots
        self.cloud.cli("onevm", "resume", self.machine.name)
        wait_for("another boot", 90, lambda: self.machine.proof.boots > boots and self.machine.proof.disk)
        host = self.machine.lives()
        self.said["runs on"] = "off with its host; started again"
        self.nothing_left(host)
        self.second_attempt(host)

    def nothing_left(self, host):
        other = next(name for name in self.lab.hosts if name != host)
        try:
            wait_for("the other host to be clean", 15, lambda: not self.machine.left_behind(other))
        except AssertionError:
            raise AssertionError(f"left on {other}: {self.machine.left_behind(other)}") from None
        self.said["left"] = "nothing"

    def second_attempt(self, host):
        other = next(name for name in self.lab.hosts if name != host)
        self.cloud.cli("onevm", "migrate", "--live", self.machine.name, other)
        wait_for(f"{self.machine.name} on {other}", 60, lambda: self.machine.host() == other)
        self.cloud.wait(self.machine.name, RUNNING, 60)
        assert self.machine.lives() == other, f"the second attempt failed:\n{self.cloud.vm_log(self.machine.name)}"
        self.nothing_left(other)
        self.said["again"] = "works"
        self.said["proof"] = f"whole, {self.machine.proof.memory // 256} MiB written"


@pytest.mark.parametrize("case", chosen())
def test_fault(places, case):
    begun = time.monotonic()
    place = places(case.storage)
    trial = Trial(place, case)
    RESULTS.append(trial.said)
    try:
        trial.run()
    except BaseException as error:
        trial.said["result"] = f"FAILED: {str(error).splitlines()[0][:90] if str(error) else type(error).__name__}"
        print(f"source {trial.at.source}, destination {trial.at.destination}; said {trial.said}")
        print(place.cloud.logs())
        place.recover()
        place.drop_machine()
        raise
    trial.said["result"] = "ok"
    trial.said["took"] = f"{time.monotonic() - begun:.0f} s"


@pytest.mark.parametrize("what, seconds, measure", [
    pytest.param(*row, id=row[2].__name__) for row in delays.ROWS
    if WANTED == "all" or row[2].__name__ in WANTED or (not WANTED and row[2] in QUICK_DELAYS)])
def test_seen_in_time(places, what, seconds, measure):
    """Failures are told to clients at all, within limits that a busy computer keeps."""
    place = places("mirrored" if not WANTED else "shared")
    try:
        took = measure(place)
    except BaseException:
        print(place.cloud.logs())
        place.recover()
        place.drop_machine()
        raise
    assert took < seconds * PATIENCE, f"{what}: {took:.2f} s"
