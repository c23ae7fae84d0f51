"""What is broken (FAULTS) and when (MOMENTS). A fault is prepared beforehand, so that it strikes at once."""
import os
import subprocess
import time

from lab.cloud import LAB, wait_for


class Armed:
    """A command that waits on a host for the word to strike."""

    def __init__(self, lab, host, script):
        self.process = subprocess.Popen(
            [LAB, "exec", host, "sh", "-c", f"echo armed; read go; {script}"], env=lab.environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert self.process.stdout.readline() == "armed\n", "the fault could not be prepared"

    def strike(self):
        said = self.process.communicate("go\n", timeout=60)[0]
        assert self.process.returncode == 0, said


class Situation:
    """A migration under way: who moves from where to where."""

    def __init__(self, cloud, machine, source, destination):
        self.cloud, self.lab, self.machine = cloud, cloud.lab, machine
        self.source, self.destination = source, destination


class Fault:
    """One thing that breaks. `hold`: seconds until it is mended."""

    def __init__(self, situation, hold=0):
        self.at, self.lab, self.hold = situation, situation.lab, hold

    def prepare(self):
        pass

    def strike(self):
        raise NotImplementedError

    def mend(self):
        pass


class HostKilled(Fault):
    """A power cut; the host boots again when it is mended."""

    def __init__(self, situation, hold, who):
        super().__init__(situation, hold)
        self.host = getattr(situation, who)

    def strike(self):
        self.lab.call("crash", self.host)

    def mend(self):
        self.lab.call("start", self.host)


class Killed(Fault):
    """A daemon of a host or of the front-end gets signal 9; `hold`: it stays away so long."""

    def __init__(self, situation, hold, who, program):
        super().__init__(situation, hold)
        self.host, self.program = getattr(situation, who, who), program

    def prepare(self):
        assert self.lab.pids(self.host, self.program), f"no {self.program} runs on {self.host}"
        stay = f"touch /run/hold.{self.program}; " if self.hold else ""
        # By pidof at that moment: a driver may have been started again since.
        self.armed = Armed(self.lab, self.host, f"{stay}kill -9 $(pidof {self.program})")

    def strike(self):
        self.armed.strike()

    def mend(self):
        if self.hold:
            self.lab.on(self.host, "rm", "-f", f"/run/hold.{self.program}")


class FrontEndKilled(Killed):
    def __init__(self, situation, hold=0):
        super().__init__(situation, 0, "fe", "oned")
        self.hold = hold

    def prepare(self):
        self.armed = Armed(self.lab, "fe", "kill -9 $(pidof oned)")

    def mend(self):
        wait_for("oned to be gone", 10, lambda: not self.lab.pids("fe", "oned"))
        self.at.cloud.cli("one", "start")


class Cut(Fault):
    """What two hosts send each other is lost; with one, its cable is pulled."""

    def __init__(self, situation, hold, *who):
        super().__init__(situation, hold)
        self.hosts = [getattr(situation, name, name) for name in who]

    def strike(self):
        self.lab.call("cut", *self.hosts)

    def mend(self):
        self.lab.call("join", *self.hosts)


class DiskFull(Fault):
    """The file system of the destination's disks has no byte left."""

    def prepare(self):
        self.armed = Armed(self.lab, self.at.destination, "dd if=/dev/zero of=/srv/local/datastores/filler bs=1M 2>/dev/null; true")

    def strike(self):
        self.armed.strike()

    def mend(self):
        self.lab.on(self.at.destination, "rm", "-f", "/srv/local/datastores/filler")


class ReadOnly(Fault):
    """The destination may not write where disks are."""

    def __init__(self, situation, hold=0):
        super().__init__(situation, hold)
        self.path = situation.cloud.datastores

    def strike(self):
        self.lab.on(self.at.destination, "mount", "-o", "remount,bind,ro", self.path)

    def mend(self):
        self.lab.on(self.at.destination, "mount", "-o", "remount,bind,rw", self.path)


class Aborted(Fault):
    """Somebody ends the hypervisor's job by hand."""

    def prepare(self):
        self.armed = Armed(self.lab, self.at.source, f"virsh -q domjobabort {self.at.machine.domain}")

    def strike(self):
        self.armed.strike()


class TimeOut(Fault):
    """The migration may take less time than it needs."""

    def set(self, migrate):
        path = self.at.cloud.home / "migrate.txt"
        path.write_text(f"MIGRATE = [ {migrate} ]\n")
        self.at.cloud.cli("onevm", "update", "--append", self.at.machine.name, path)

    def prepare(self):
        self.set('BANDWIDTH = "4", TIMEOUT = "2", TIME_LIMIT = "2", POSTCOPY = "NO"')

    def strike(self):
        pass

    def mend(self):
        self.set(self.at.machine.MIGRATE)


FAULTS = {
    "destination killed": lambda at, hold: HostKilled(at, hold, "destination"),
    "source killed": lambda at, hold: HostKilled(at, hold, "source"),
    "source's libvirtd killed": lambda at, hold: Killed(at, hold, "source", "libvirtd"),
    "destination's libvirtd killed": lambda at, hold: Killed(at, hold, "destination", "libvirtd"),
    "hosts cut from each other": lambda at, hold: Cut(at, hold, "source", "destination"),
    "front-end cut from source": lambda at, hold: Cut(at, hold, "fe", "source"),
    "front-end cut from destination": lambda at, hold: Cut(at, hold, "fe", "destination"),
    "destination's cable pulled": lambda at, hold: Cut(at, hold, "destination"),
    "oned killed": FrontEndKilled,
    "driver killed": lambda at, hold: Killed(at, 0, "fe", "one_vmm"),
    "transfer driver killed": lambda at, hold: Killed(at, 0, "fe", "one_tm"),
    "disk full on destination": DiskFull,
    "storage read-only on destination": ReadOnly,
    "job aborted by hand": Aborted,
    "time-out": TimeOut,
}


class Events:
    """The life cycle events of a domain on a host, from now on."""

    def __init__(self, situation, host, word):
        self.word = f"'{situation.machine.domain}': {word}".encode()
        self.said = b""
        self.process = subprocess.Popen(
            [LAB, "exec", host, "stdbuf", "-oL", "virsh", "event", "--all", "--loop"],
            env=situation.lab.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        os.set_blocking(self.process.stdout.fileno(), False)
        time.sleep(0.3)  # that it has registered is not told

    def seen(self):
        self.said += self.process.stdout.read() or b""
        return self.word in self.said

    def end(self):
        self.process.kill()
        self.process.wait()


class Moment:
    """Waits for a point of the migration. FALSE: the migration was over before."""

    def __init__(self, situation):
        self.at = situation

    def reached(self):
        return True

    def end(self):
        pass

    def wait(self, seconds=40):
        end = time.monotonic() + seconds
        while not self.reached():
            if time.monotonic() > end:
                raise AssertionError(f"{type(self).__name__}: this moment did not come within {seconds} s")
            time.sleep(0.005)


class Precopy(Moment):
    """Some of the memory has been sent (mirrored disks come before it)."""

    def reached(self):
        said = self.at.lab.on(self.at.source, "virsh", "domjobinfo", self.at.machine.domain, check=False)
        return "Memory processed" in said or "File processed" in said


class Switch(Moment):
    """The machine was paused at the source, and not yet let run at the destination."""

    place, word = "source", "Suspended"

    def __init__(self, situation):
        super().__init__(situation)
        self.events = Events(situation, getattr(situation, self.place), self.word)

    def reached(self):
        return self.events.seen()

    def end(self):
        self.events.end()


class Switched(Switch):
    """It runs at the destination; the hosts may still be tidying up."""

    place, word = "destination", "Resumed"


MOMENTS = {"start": Moment, "precopy": Precopy, "switch": Switch, "after": Switched}
