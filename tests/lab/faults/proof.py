"""A machine whose guest proves its memory and disk intact (share/examples/guest/pattern.c), and a reader of
what it says while it is moved between hosts."""
import re
import threading
import time
from functools import partial

from lab.cloud import RUNNING, wait_for

TEMPLATE = """NAME = "{name}"
CPU = 0.5
MEMORY = 104
OS = [ KERNEL = "{boot}/vmlinuz", INITRD = "{boot}/initrd.gz",
       KERNEL_CMD = "console=ttyS0 quiet panic=-1 pattern={pattern}" ]
DISK = [ SOURCE = "{boot}/disk.img", CLONE = "YES", TARGET = "vda" ]
MIGRATE = [ {migrate} ]
"""


class Proof:
    """Reads the console's files of a machine, on all hosts, as they grow."""

    def __init__(self, paths):
        self.paths = paths  # functions that tell the path now: a host that boots again is another one
        self.read = {path: 0 for path in paths}
        self.rest = {path: b"" for path in paths}
        self.wrong = []    # what must never be said
        self.errors = []   # what the disk itself said
        self.boots = self.beat = self.memory = self.disk = 0
        self.memory_since = self.disk_since = 0.0
        self.going = True
        self.thread = threading.Thread(target=self.follow, daemon=True)
        self.thread.start()

    def follow(self):
        while self.going:
            # A machine moves from where it spoke last.
            self.paths.sort(key=lambda path: not self.look(path))
            time.sleep(0.05)

    def look(self, path):
        """Reads what is new; tells whether there was something."""
        try:
            with open(path(), "rb") as console:
                if console.seek(0, 2) < self.read[path]:  # another file: the directory was made anew
                    self.read[path], self.rest[path] = 0, b""
                console.seek(self.read[path])
                new = console.read()
        except OSError:
            return False
        self.read[path] += len(new)
        *lines, self.rest[path] = (self.rest[path] + new).replace(b"\r", b"").split(b"\n")
        for line in lines:
            self.note(line.decode(errors="replace"))
        return bool(new)

    def note(self, line):
        if line.startswith("GUEST-UP "):
            self.boots += 1
            self.beat = self.memory = self.disk = 0
        elif line.startswith(("BAD ", "DISK-ERROR ")) or "Kernel panic" in line:
            (self.errors if line.startswith("DISK-ERROR") else self.wrong).append(line)
        elif line.startswith("ERROR "):
            self.errors.append(line)
        elif found := re.match(r"HB (\d+) [\d.]+$", line):
            beat = int(found.group(1))
            if self.beat and beat != self.beat + 1:
                self.wrong.append(f"beat {beat} follows beat {self.beat}")
            self.beat = beat
        elif found := re.match(r"PATTERN (memory|disk) writes=(\d+) ", line):
            kind, writes = found.group(1), int(found.group(2))
            if writes < getattr(self, kind):
                self.wrong.append(f"{kind}: {writes} writes after {getattr(self, kind)}: it went back in time")
            setattr(self, kind, writes)
            setattr(self, f"{kind}_since", time.monotonic())

    def stop(self):
        self.going = False
        self.thread.join()

    def goes_on(self, seconds=60):
        """From now on all of memory and disk is checked once more, and nothing is wrong."""
        assert not self.wrong, self.wrong
        memory, disk = self.memory, self.disk
        wait_for(f"the guest's proof (memory {memory}, disk {disk}, beat {self.beat}; {self.errors[-2:]})", seconds,
                 lambda: self.wrong or (self.memory > memory and self.disk > disk + 2))
        assert not self.wrong, self.wrong


class ProvenMachine:
    """A machine of a cloud with its proof."""

    # 12 MiB of memory written at 2 MiB/s, 2 MiB of the disk; a copy at so many MiB/s takes some seconds.
    PATTERN, MIGRATE = "12,2,2", 'BANDWIDTH = "12", TIMEOUT = "60"'

    def __init__(self, cloud, boot, name, host, migrate=MIGRATE):
        self.cloud, self.lab, self.name = cloud, cloud.lab, name
        self.id = cloud.create(name, TEMPLATE.format(name=name, boot=boot, pattern=self.PATTERN, migrate=migrate),
                               "--hold")
        self.domain = f"one-{self.id}"
        self.shared = cloud.datastores == "/var/lib/one/datastores"
        hosts = self.lab.hosts[:1] if self.shared else self.lab.hosts
        self.proof = Proof([partial(self.console, host) for host in hosts])
        cloud.cli("onevm", "deploy", name, host)
        cloud.runs_on(name, host, 60)
        wait_for("the guest to prove its disk", 90, lambda: self.proof.disk)

    def directory(self, host):
        """Of this machine on a host, seen from outside."""
        if self.shared:
            return self.lab.shared / f"0/{self.id}"
        return self.lab.root(host) / self.cloud.datastores.lstrip("/") / f"0/{self.id}"

    def console(self, host):
        return self.directory(host) / "console.log"

    def host(self):
        return self.cloud.host_of(self.name)

    def lives(self, seconds=90):
        """RUNNING in one place alone, by our word and by libvirt's; the same boot, memory and disk whole."""
        self.cloud.wait(self.name, RUNNING, seconds)
        host = self.host()
        self.cloud.runs_on(self.name, host)
        self.proof.goes_on()
        return host

    def left_behind(self, host):
        """What a host has of this machine though it is not there."""
        left = [f"domain {name}" for name in self.lab.on(host, "virsh", "-q", "list", "--all", "--name").split()
                if name == self.domain]
        directory = self.directory(host)
        if not self.shared and directory.exists():
            left += [f"{directory.name}/{path.name}" for path in directory.iterdir()] or [f"{directory.name}/"]
        return left

    def remove(self):
        self.proof.stop()
        self.cloud.cli("onevm", "delete", self.name, check=False)
        wait_for(f"{self.name} gone", 60, lambda: not any(
            self.domain in self.lab.domains(host) for host in self.lab.hosts))
