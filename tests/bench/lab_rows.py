"""Rows of tests/bench/lab: what the cloud does with real hosts, beside virsh on the same hosts, in turns.

Each kind of measurement is made with two machines of the same domain document: one is the cloud's, the other a copy
of it under another name that only virsh knows. virsh runs on the hosts themselves, in shells that are open already.
"""
import contextlib
import ctypes
import os
import re
import shutil
import statistics
import subprocess
import time
import uuid
import xml.etree.ElementTree as ET
from pathlib import Path

import load
from lab.cloud import LAB, wait_for
from lab.heartbeat import Console
from table import Result

GUEST = """NAME = "{name}"
CPU = 0.1
MEMORY = 100
OS = [ KERNEL = "{boot}/vmlinuz", INITRD = "{boot}/initrd.gz", KERNEL_CMD = "console=ttyS0 quiet panic=-1" ]
DISK = [ SOURCE = "{boot}/disk.img", CLONE = "YES", TARGET = "vda" ]
NIC = [ BRIDGE = "br0" ]
"""
# Finds nothing to boot from, and leaves the processors alone.
IDLE = """NAME = "{name}"
CPU = 0.05
MEMORY = 128
DISK = [ SOURCE = "{boot}/disk.img", CLONE = "YES", TARGET = "vda" ]
"""
RUNNING, POWEROFF, DONE = ("3", "3"), ("8", "0"), ("6", "0")
DATASTORES = "/var/lib/one/datastores"  # on the hosts
LOOK = 0.005  # seconds between two questions


def enter_network(lab):
    """The front-end's network for this process, so that no other program stands between it and the server."""
    with open(f"/run/netns/{lab.prefix}-fe") as namespace:
        if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), 0x40000000):
            raise OSError(ctypes.get_errno(), f"cannot enter {namespace.name}")


class Shell:
    """A shell on a host that is open already: what is measured is the command, not the way to it."""

    def __init__(self, lab, host):
        self.process = subprocess.Popen([LAB, "exec", host, "bash"], env=lab.environment, text=True, bufsize=1,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.host = host
        self.send(":")
        self.receive()

    def send(self, script):
        self.process.stdin.write(f"{{ {script}\n}} 2>&1 </dev/null; ended=$?; echo; echo ENDED $ended\n")
        self.begun = time.perf_counter()

    def receive(self):
        """(seconds, what was said) of what was sent; an error when it failed."""
        said = []
        for line in self.process.stdout:
            if line.startswith("ENDED "):
                took = time.perf_counter() - self.begun
                text = "".join(said).strip()
                if line.split()[1] != "0":
                    raise RuntimeError(f"virsh on {self.host}: {text}")
                return took, text
            said.append(line)
        raise RuntimeError(f"the shell on {self.host} ended: {''.join(said)}")

    def run(self, script):
        self.send(script)
        return self.receive()

    def end(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def stat_of(pid):
    """/proc/PID/stat from the state on, which is field 3 of proc(5)."""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()


class Bench:
    """The cloud, a connection to it, and a shell on each host."""

    def __init__(self, cloud, guest, rounds):
        self.cloud, self.lab, self.boot, self.rounds = cloud, cloud.lab, guest, rounds
        self.session = (cloud.home / "var/.one/one_auth").read_text().strip()
        self.connection = load.Connection(("127.0.0.1", 2633))
        self.shells = {host: Shell(self.lab, host) for host in self.lab.hosts}
        self.copies = 0

    def end(self):
        for shell in self.shells.values():
            shell.end()
        self.connection.close()

    def call(self, method, *arguments):
        return self.connection.call(method, self.session, *arguments)

    def record(self, machine):
        return self.call("one.vm.info", machine)

    def wait(self, machine, state, host=None, seconds=120, look=LOOK):
        """Until the server says so, on this host; an error of the machine's ends it."""
        state = "<STATE>{}</STATE><LCM_STATE>{}</LCM_STATE>".format(*state)
        end = time.monotonic() + seconds
        while True:
            text = self.record(machine)
            if state in text and (not host or re.findall("<HOSTNAME>(.*?)</HOSTNAME>", text)[-1] == host):
                return text
            if time.monotonic() > end:
                raise RuntimeError(f"machine {machine} is not in {state} after {seconds} s: "
                                   f"{self.cloud.vm_log(str(machine))}")
            time.sleep(look)

    def create(self, template, name, host=None, hold=False):
        """Made and, with a host, deployed there by hand; else the scheduler finds the place."""
        machine = self.call("one.vm.allocate", template.format(name=name, boot=self.boot), bool(host) or hold)
        if host:
            self.call("one.vm.deploy", machine, self.lab.hosts.index(host))
        return machine

    def remove(self, *machines):
        for machine in machines:
            self.call("one.vm.action", "terminate-hard", machine)
        for machine in machines:
            self.wait(machine, DONE)

    def console(self, directory):
        return Console(self.lab.shared / directory / "console.log")

    def booted(self, directory):
        wait_for(f"the guest of {directory}", 120, lambda: self.console(directory).last >= 2)

    # ---- the same by virsh ----

    def copy(self, machine):
        """The domain document of the machine under another name, with a copy of its disks: (name, directory)."""
        self.copies += 1
        name, directory = f"bench-{self.copies}", f"bench/{self.copies}"
        own = (self.cloud.home / f"var/vms/{machine}").glob("deployment.*")
        text = max(own, key=lambda path: int(path.suffix[1:])).read_text()
        text = text.replace(f"{DATASTORES}/0/{machine}/", f"{DATASTORES}/{directory}/")
        text = text.replace(f"<name>one-{machine}</name>", f"<name>{name}</name>")
        text = text.replace(f'dev="one-{machine}-', f'dev="bench-{self.copies}-')
        text = re.sub("<mac address=.*?/>", "", text)  # libvirt finds another
        text = re.sub("<uuid>.*?</uuid>", f"<uuid>{uuid.uuid4()}</uuid>", text)
        shutil.copytree(self.lab.shared / f"0/{machine}", self.lab.shared / directory)
        (self.lab.shared / directory / "console.log").unlink(missing_ok=True)
        (self.lab.shared / directory / "domain.xml").write_text(text)
        return name, directory

    def virsh_create(self, host, directory):
        return self.shells[host].run(f"virsh -q create {DATASTORES}/{directory}/domain.xml")[0]

    def virsh_destroy(self, host, name):
        self.shells[host].run(f"virsh -q destroy {name}")

    def virsh_migrate(self, name, source, to):
        """(seconds, milliseconds of downtime)"""
        took, _ = self.shells[source].run(f"virsh -q migrate --live --p2p --unsafe {name} qemu+ssh://{to}/system")
        said = self.shells[to].run(f"virsh domjobinfo --completed {name}")[1]
        return took, float(re.search(r"Total downtime: +(\d+) +ms", said).group(1))

    def virsh_shutdown(self, host, name):
        """Until libvirt has no such domain any more; the file goes away with it."""
        return self.shells[host].run(f"virsh -q shutdown {name}; while [ -e /run/libvirt/qemu/{name}.xml ]; "
                                     "do sleep 0.01; done")[0]

    # ---- processes ----

    def processes(self):
        """PIDs of the front-end's own: the server, the scheduler, the drivers, and what these started."""
        mark = f"ONE_LOCATION={self.cloud.home}".encode()
        parents, found = {}, set()
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit():
                    parents[int(entry.name)] = int(stat_of(entry.name)[1])
                    if mark in (entry / "environ").read_bytes().split(b"\0"):
                        found.add(int(entry.name))
        # libvirt starts its ssh with an environment of its own.
        while more := {pid for pid, parent in parents.items() if parent in found} - found:
            found |= more
        return sorted(found)

    def processor_seconds(self):
        """What these have used, to the nanosecond, and what children that have ended had, in ticks."""
        total = 0
        for pid in self.processes():
            with contextlib.suppress(OSError):
                total += time.clock_gettime((~pid << 3) | 2)  # the clock of that process, see clock_getcpuclockid(3)
                total += sum(map(int, stat_of(pid)[13:15])) / os.sysconf("SC_CLK_TCK")
        return total


def median(values):
    return statistics.median(list(values))


def spread(values):
    return f"{min(values):.3g} to {max(values):.3g}"


def other(lab, host):
    return next(name for name in lab.hosts if name != host)


# ---- live migration ----

def move(bench, machine, to, options, look=LOOK):
    """Seconds from the order to RUNNING at the destination."""
    begun = time.perf_counter()
    bench.call("globule.vm.migrate", machine, bench.lab.hosts.index(to), f'LIVE = "YES"\n{options}')
    bench.wait(machine, RUNNING, to, look=look)
    return time.perf_counter() - begun


def last_migration(bench, machine):
    record = ET.fromstring(bench.call("globule.vm.migrations", machine)).findall("MIGRATION")[-1]
    if record.findtext("RESULT") != "success":
        raise RuntimeError(f"a migration of machine {machine}: {record.findtext('RESULT')}, {record.findtext('REASON')}")
    return record


MODES = [("led by the driver", ""), ("led by the hosts", 'MIGRATE = [ PEER2PEER = "YES" ]')]


def migration(bench):
    at, to = bench.lab.hosts
    machine = bench.create(GUEST, "mover", at)
    bench.wait(machine, RUNNING, at)
    name, directory = bench.copy(machine)
    bench.virsh_create(at, directory)
    bench.booted(f"0/{machine}")
    bench.booted(directory)
    ours, down, inside = ({mode: [] for mode, _ in MODES} for _ in range(3))
    theirs, their_down = [], []
    for mode, options in MODES:
        move(bench, machine, to, options)  # and back: connections are open afterwards
        move(bench, machine, at, options)
    for number in range(bench.rounds):
        for mode, options in MODES if number % 2 else reversed(MODES):
            # Both of our ways and virsh's, from the same host to the other, one after the other; then back.
            ours[mode].append(move(bench, machine, to, options))
            record = last_migration(bench, machine)
            down[mode].append(float(record.findtext("DOWNTIME_MS")))
            inside[mode].append(float(record.findtext("TOTAL_MS")))
            took, downtime = bench.virsh_migrate(name, at, to)
            theirs.append(took)
            their_down.append(downtime)
            at, to = to, at
    for mode, _ in MODES:
        yield Result(f"live migration, order to RUNNING, {mode}", median(ours[mode]), "s", "virsh migrate --p2p",
                     median(theirs), at_most=0.9, theirs="2.88",
                     note=f"{spread(ours[mode])} beside {spread(theirs)}; {median(inside[mode]):.0f} ms of it QEMU's job")
        yield Result(f"  downtime, {mode}", median(down[mode]), "ms", "virsh", median(their_down), at_most=1.1,
                     theirs="36-86", note=f"{spread(down[mode])} beside {spread(their_down)}")
    bench.virsh_destroy(at, name)
    yield from processor_time(bench, machine, at)
    bench.remove(machine)


def processor_time(bench, machine, at):
    """Of the whole front-end, over some migrations; what it uses anyway in such a time is told beside it."""
    idle, begun = bench.processor_seconds(), time.perf_counter()
    time.sleep(5)
    idle = (bench.processor_seconds() - idle) / (time.perf_counter() - begun)
    before, begun = bench.processor_seconds(), time.perf_counter()
    rounds = 2 * bench.rounds
    for _ in range(rounds):
        at = other(bench.lab, at)
        move(bench, machine, at, "", look=0.1)
    took = (time.perf_counter() - begun) / rounds
    used = (bench.processor_seconds() - before) / rounds
    yield Result("front-end processor time of a live migration", used * 1000, "ms", at_most=20, theirs="1,320",
                 note=f"of it {idle * took * 1000:.1f} ms are what {took:.2f} s cost without one")


# ---- create ----

def create(bench):
    ours = {"by the scheduler": [], "deployed by hand": []}
    theirs = []
    for number in range(bench.rounds + 1):
        for mode, taken in ours.items():
            host = bench.lab.hosts[number % 2] if mode == "deployed by hand" else None
            begun = time.perf_counter()
            machine = bench.create(IDLE, f"new-{number}-{mode[0]}", host)
            text = bench.wait(machine, RUNNING)
            taken.append(time.perf_counter() - begun)
            host = re.findall("<HOSTNAME>(.*?)</HOSTNAME>", text)[-1]
            name, directory = bench.copy(machine)
            bench.remove(machine)
            theirs.append(bench.virsh_create(host, directory))
            bench.virsh_destroy(host, name)
    for mode, taken in ours.items():
        yield Result(f"create to RUNNING, {mode}", median(taken[1:]), "s", "virsh create", median(theirs[2:]),
                     at_most=1.0, theirs="5.45 tuned, 19", note=f"{spread(taken[1:])} beside {spread(theirs[2:])}")


def lab_seconds(lab, *names):
    """Processor time of everything there so far: front-end, virsh, libvirtd, QEMU, and what has ended."""
    total = 0
    for host in names or ("fe", *lab.hosts):
        accounts = [*Path("/sys/fs/cgroup").glob(f"*cpuacct*/{lab.prefix}-{host}/cpuacct.usage")][:1]
        for path in accounts or Path("/sys/fs/cgroup").glob(f"{lab.prefix}-{host}/cpu.stat"):
            text = path.read_text()
            total += int(text) / 1e9 if accounts else int(re.search(r"usage_usec (\d+)", text)[1]) / 1e6
    return total


def twenty(bench):
    """All at once on two hosts; virsh's are half on each, started together by a loop on each."""
    count, ours, theirs, our_cost, their_cost, front = 20, [], [], [], [], []
    for number in range(max(3, bench.rounds // 2)):
        begun, cost, front_cost = time.perf_counter(), lab_seconds(bench.lab), lab_seconds(bench.lab, "fe")
        machines = [bench.create(IDLE, f"many-{number}-{each}") for each in range(count)]
        for machine in machines:
            bench.wait(machine, RUNNING, look=0.02)
        ours.append(time.perf_counter() - begun)
        our_cost.append(lab_seconds(bench.lab) - cost)
        front.append(lab_seconds(bench.lab, "fe") - front_cost)
        copies = [bench.copy(machine) for machine in machines]
        bench.remove(*machines)
        begun, cost = time.perf_counter(), lab_seconds(bench.lab)
        for place, shell in enumerate(bench.shells.values()):
            files = " ".join(f"{DATASTORES}/{directory}/domain.xml" for _, directory in copies[place::2])
            shell.send(f"for file in {files}; do virsh -q create $file & done; wait")
        for shell in bench.shells.values():
            shell.receive()
        theirs.append(time.perf_counter() - begun)
        their_cost.append(lab_seconds(bench.lab) - cost)
        running = sum(len(bench.lab.domains(host)) for host in bench.lab.hosts)
        if running != count:
            raise RuntimeError(f"virsh started {running} of {count} machines")
        for place, host in enumerate(bench.lab.hosts):
            for name, _ in copies[place::2]:
                bench.virsh_destroy(host, name)
    yield Result(f"{count} machines at once, all RUNNING", median(ours), "s", "virsh create & in a loop",
                 median(theirs), at_most=0.8, note=f"{spread(ours)} beside {spread(theirs)}")
    yield Result("  processor time of all that, guests and libvirtd too", median(our_cost), "s", "the same", median(their_cost),
                 note=f"{spread(our_cost)} beside {spread(their_cost)}; {median(front):.2f} s of it are the front-end's")


# ---- end ----

def shutdown(bench):
    """A guest that obeys at once: from the order to POWEROFF, to DONE, and until virsh's is gone."""
    host = bench.lab.hosts[0]
    ours, theirs = {"poweroff": [], "terminate": []}, []
    end = {"poweroff": (POWEROFF, "5.0"), "terminate": (DONE, "5.5")}
    for number in range(bench.rounds):
        machines = {action: bench.create(GUEST, f"{action}-{number}", host) for action in ours}
        for machine in machines.values():
            bench.wait(machine, RUNNING, host)
        name, directory = bench.copy(machines["poweroff"])
        bench.virsh_create(host, directory)
        for where in [*(f"0/{machine}" for machine in machines.values()), directory]:
            bench.booted(where)
        for action, machine in machines.items() if number % 2 else reversed(machines.items()):
            begun = time.perf_counter()
            bench.call("one.vm.action", action, machine)
            bench.wait(machine, end[action][0])
            ours[action].append(time.perf_counter() - begun)
        theirs.append(bench.virsh_shutdown(host, name))
        bench.remove(machines["poweroff"])
    for action, taken in ours.items():
        yield Result(f"{action} of a guest that obeys at once", median(taken), "s", "virsh shutdown until gone",
                     median(theirs), at_most=1.0, theirs=end[action][1], note=f"{spread(taken)} beside {spread(theirs)}")


# ---- the front-end ----

SPARE_SECONDS = 65  # connections that a driver needed for a moment are closed by then


def front_end(bench, when):
    pids = bench.processes()
    names = sorted(Path(f"/proc/{pid}/comm").read_text().strip() for pid in pids)
    begun, before = time.perf_counter(), bench.processor_seconds()
    time.sleep(10)
    used = (bench.processor_seconds() - before) / (time.perf_counter() - begun)
    yield Result(f"front-end idle, two hosts, {when}: processes", len(pids), "", at_most=6, theirs="15",
                 note=" ".join(names))
    yield Result("  memory (PSS)", load.memory_mb(pids, "Pss"), "MB", at_most=40, theirs="263",
                 note=f"{used * 1000:.1f} ms of processor time a second")


def idle(bench):
    """Before any machine, and after some: the drivers keep what they need again."""
    time.sleep(3)
    yield from front_end(bench, "no machine yet")
    for host in bench.lab.hosts:
        machine = bench.create(IDLE, f"idle-{host}", host)
        bench.wait(machine, RUNNING)
        bench.remove(machine)
    time.sleep(SPARE_SECONDS)
    yield from front_end(bench, "machines gone")


ROWS = {"idle": idle, "create": create, "twenty": twenty, "shutdown": shutdown, "migration": migration}
