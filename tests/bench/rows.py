"""The rows of the table: each measures something of the server and a reference in the same run.

A row gives results: name, value and its unit, what the reference is and its value, their ratio, and what the
ratio or the value must reach. `ROWS` lists them in the order they run; those with `control` start and stop the server.
"""
import base64
import contextlib
import re
import signal
import socket
import statistics
import subprocess
import tempfile
import threading
import time

import cloud
import load
import object_rows
import storage_rows
from table import Result


class Bench:
    """What rows share: the server, the programs, how thorough to be."""

    def __init__(self, server, build, quick, say):
        self.server, self.build, self.quick, self.say = server, build, quick, say
        self.machines = 1000 if quick else 10000

    def against_bare(self, bodies, connections):
        """Ours and bare in turns, so that a busy moment of the machine meets both; the medians."""
        rounds = 2 if self.quick else 6
        with load.Bare(self.build, self.size_of(bodies[0])) as bare:
            runs = [(load.wrk(self.server.address, bodies, connections, 1),
                     load.wrk(bare.address, bodies, connections, 1)) for _ in range(rounds)]
        return [{name: statistics.median(run[which][name] for run in runs) for name in ("rate", "p99", "errors")}
                for which in (0, 1)]

    def size_of(self, text):
        return load.size_of(self.server.address, text)

    @contextlib.contextmanager
    def another(self):
        """A server of our own beside, for rows that want an exact number of things."""
        server = cloud.Cloud(self.build, self.server.directory)
        try:
            server.start()
            yield server
        finally:
            server.remove()


# ---- calls ----

def version(bench):
    bodies = [load.body("one.system.version", bench.server.session)]
    ours, bare = bench.against_bare(bodies, 64)
    yield Result("one.system.version, 64 connections", ours["rate"], "calls/s", "bare", bare["rate"], at_least=0.6,
                 theirs="1,690")


def info(bench):
    connection = bench.server.connect()
    ids = [connection.call("one.vm.allocate", bench.server.session, cloud.TEMPLATE, True) for _ in range(100)]
    connection.close()
    bodies = [load.body("one.vm.info", bench.server.session, number, False) for number in ids]
    theirs = {1: "650", 64: "802", 200: "825", 1000: ""}
    rates = {}
    for count in (1, 64, 200, 1000):
        ours, bare = bench.against_bare(bodies, count)
        rates[count] = ours["rate"] / bare["rate"]
        yield Result(f"one.vm.info, {count} connections", ours["rate"], "calls/s", "bare", bare["rate"],
                     at_least=0.5 if count == 64 else None, theirs=theirs[count],
                     note=f"{ours['errors']} errors" if ours["errors"] else "")
        if count == 64:
            yield Result("  the slowest of a hundred at 64", ours["p99"], "ms", "bare", bare["p99"], at_most=10,
                         on_value=True)
    yield Result("  1,000 connections: share of bare", rates[1000], "", "share at 200", rates[200], at_least=0.9)


def disk_ms(bench):
    """One fdatasync where our server keeps its state; of another server's disk nothing is known."""
    return load.fdatasync_ms(bench.server.directory) if bench.server.control else None


def allocate(bench):
    """The disk's moods change within seconds, so it is measured between the runs; medians of both."""
    text = [load.body("one.vm.allocate", bench.server.session, cloud.TEMPLATE, True)]
    for count, least, theirs in ((1, None, "158"), (8, 2000, "190"), (64, 6000, "190")):
        syncs, rates, disk, requests = load.Syncs(bench.server.pid), [], [disk_ms(bench)], 0
        for _ in range(2 if bench.quick else 5):
            run = load.wrk(bench.server.address, text, count, 1)
            rates.append(run["rate"])
            requests += run["requests"]
            disk.append(disk_ms(bench))
        commits = syncs.stop()
        rate = statistics.median(rates)
        sync = statistics.median(disk) if disk[0] else None
        a_commit = requests / commits if commits else None
        yield Result(f"one.vm.allocate, durable, {count} connection{'s' if count > 1 else ''}", rate, "calls/s",
                     "fdatasync/s" if sync else "", 1000 / sync if sync else None,
                     at_least=0.8 if count == 1 and sync else least, on_value=count > 1, theirs=theirs)
        if count == 1 and sync:
            with load.Bare(bench.build, bench.size_of(text[0])) as bare:
                reach = 1000 / (sync + 1000 / load.wrk(bare.address, text, 1, 1)["rate"])
            yield Result("  beside a bare call and a fdatasync", rate, "calls/s", "both, one by one", reach)
        if count == 64 and a_commit:
            yield Result("  replies to a commit at 64", a_commit, "replies", at_least=20)
        elif a_commit:
            yield Result(f"  commits a reply at {count}", commits / requests, "fdatasync")


def large_replies(bench):
    if not bench.server.control:
        yield from replies_of(bench, bench.server)  # with what it holds
        return
    with bench.another() as server:
        connection = server.connect()
        cloud.add_machines(connection, server.session, bench.machines)
        connection.close()
        yield from replies_of(bench, server)


def replies_of(bench, server):
    for method, theirs in (("one.vmpool.info", "57-97"), ("one.vmpool.infoextended", "180-220")):
        text = load.body(method, server.session, -2, -1, -1, -1)
        size = load.size_of(server.address, text)
        with load.Bare(bench.build, size) as bare:
            runs = [(load.median_ms(server.address, text, 7), load.median_ms(bare.address, text, 7))
                    for _ in range(5)]
        ours, reference = (statistics.median(run[which] for run in runs) for which in (0, 1))
        yield Result(f"{method} ({size / 1e6:.1f} MB)", ours, "ms", "bare", reference, at_most=2, theirs=theirs)


# ---- hosts and machines ----

def hosts(bench):
    count = 100 if bench.quick else 500
    connection = bench.server.connect()
    sync = load.fdatasync_ms(bench.server.directory)
    start = time.perf_counter()
    cloud.add_hosts(connection, bench.server.session, count)
    made = time.perf_counter()
    cloud.wait_monitored(connection, bench.server.session, count)
    seen = time.perf_counter()
    connection.close()
    yield Result(f"{count} one.host.allocate", made - start, "s", f"{count} fdatasync", sync * count / 1000,
                 at_most=0.001 * count, on_value=True, theirs="5.8")
    yield Result("  then all monitored", seen - made, "s", f"{count} fdatasync", sync * count / 1000, at_most=1,
                 on_value=True, theirs="8")


def one_machine(bench):
    """Deployed by the client, and found a place for by the scheduler."""
    with bench.another() as server:
        connection = server.connect()
        cloud.add_hosts(connection, server.session, 1)
        cloud.wait_monitored(connection, server.session, 1)
        sync = load.fdatasync_ms(server.directory)
        yield Result("one machine, create to RUNNING, deployed by hand", create_to_running(server, connection, True),
                     "ms", "one fdatasync", sync, at_most=20, on_value=True, theirs="10,000")
        server.start_scheduler()
        time.sleep(1)
        yield Result("one machine, create to RUNNING, by the scheduler", create_to_running(server, connection, False),
                     "ms", "one fdatasync", sync, at_most=20, on_value=True, theirs="10,000")
        connection.close()


def create_to_running(server, connection, deploy):
    """Milliseconds, the median of some machines one after the other."""
    times = []
    for _ in range(10):
        start = time.perf_counter()
        number = connection.call("one.vm.allocate", server.session, cloud.TEMPLATE, False)
        if deploy:
            connection.call("one.vm.deploy", server.session, number, 0)
        while "<LCM_STATE>3</LCM_STATE>" not in connection.call("one.vm.info", server.session, number):
            if time.perf_counter() - start > 60:
                raise RuntimeError(f"machine {number} does not run")
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1000


def plan(bench, hosts_wanted, machines, most, theirs):
    """Many pending machines and many hosts, from the moment that the scheduler starts."""
    with bench.another() as server:
        connection = server.connect()
        cloud.add_hosts(connection, server.session, hosts_wanted)
        cloud.wait_monitored(connection, server.session, hosts_wanted)
        cloud.add_machines(connection, server.session, machines, hold=False)
        sync = load.fdatasync_ms(server.directory)
        start = time.perf_counter()
        server.start_scheduler()
        while (count := cloud.count_running(connection, server.session)) < machines:
            if time.perf_counter() - start > 10 * most + 30:
                raise RuntimeError(f"only {count} of {machines} machines run")
            time.sleep(0.05)
        took = time.perf_counter() - start
        connection.close()
        yield Result(f"{machines:,} pending on {hosts_wanted:,} hosts, all RUNNING", took, "s",
                     f"{machines:,} fdatasync", machines * sync / 1000, at_most=most, on_value=True, theirs=theirs)


def plan_1000(bench):
    yield from plan(bench, 100, 1000, 2, "90")


def plan_10000(bench):
    if not bench.quick:
        yield from plan(bench, 1000, 10000, 20, "")


# ---- the process ----

def idle_memory(bench):
    with bench.another() as server:
        connection = server.connect()
        cloud.add_hosts(connection, server.session, 1)
        cloud.wait_monitored(connection, server.session, 1)
        number = connection.call("one.vm.allocate", server.session, cloud.TEMPLATE, False)
        server.start_scheduler()
        start = time.perf_counter()
        while "<LCM_STATE>3</LCM_STATE>" not in connection.call("one.vm.info", server.session, number):
            if time.perf_counter() - start > 60:
                raise RuntimeError("the first machine does not run")
            time.sleep(0.1)
        connection.close()
        with load.Bare(bench.build, 300) as bare:
            reference = load.memory_mb([bare.process.pid])
        pids = server.pids()
        yield Result("memory, whole front-end idle", load.memory_mb(pids, "Pss"), "MB", "bare", reference,
                     at_most=40, on_value=True, theirs="several hundred",
                     note=f"{len(pids)} processes, what they share counted once; {load.memory_mb(pids):.0f} MB if not")


def start_up(bench):
    with bench.another() as server:
        reference = spawn_seconds(bench)
        took = min(restart(server) for _ in range(3))
        yield Result("start to first answer, empty", took, "s", "oned --version", reference, at_most=0.1,
                     on_value=True, theirs="4.3-5.6")
        connection = server.connect()
        cloud.add_machines(connection, server.session, bench.machines)
        connection.close()
        took = min(restart(server) for _ in range(3))
        yield Result(f"start to first answer, {bench.machines:,} machines", took, "s", "oned --version", reference,
                     at_most=0.5, on_value=True, theirs="4.5-5.1")
        connection = server.connect()
        connection.ask(load.body("one.vmpool.info", server.session, -2, -1, -1, -1))
        connection.close()
        with load.Bare(bench.build, 300) as bare:
            reference = load.memory_mb([bare.process.pid])
        yield Result(f"memory, oned with {bench.machines:,} machines", load.memory_mb([server.pid]), "MB", "bare",
                     reference, at_most=100, on_value=True, theirs="30-95")


def spawn_seconds(bench):
    start = time.perf_counter()
    subprocess.run([bench.build / "bin" / "oned", "--version"], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def restart(server):
    server.stop()
    return server.start()


def idle_connections(bench):
    count = 500 if not bench.server.control else 2000 if bench.quick else 10000
    text = load.body("one.system.version", bench.server.session)
    reference = load.median_ms(bench.server.address, text, 50)
    before = load.memory_mb([bench.server.pid]) if bench.server.pid else 0
    idle = []
    try:
        for _ in range(count):
            idle.append(socket.create_connection(bench.server.address, timeout=30))
        start = time.perf_counter()
        connection = bench.server.connect()
        connection.ask(text)
        first = (time.perf_counter() - start) * 1000
        connection.close()
        memory = f"memory +{load.memory_mb([bench.server.pid]) - before:.0f} MB" if bench.server.pid else ""
        yield Result(f"{count:,} idle connections, a new call", first, "ms", "without them", reference, at_most=100,
                     on_value=True, theirs="24,000 (500)", note=memory)
    finally:
        for one in idle:
            one.close()


# ---- what must be refused ----

def refused(bench):
    nested = ("<methodCall><methodName>one.vm.info</methodName><params><param>" + "<value><array><data>" * 100000 +
              "</data></array></value>" * 100000 + "</param></params></methodCall>")
    entities = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 10))
    bomb = (f'<?xml version="1.0"?><!DOCTYPE m [<!ENTITY e0 "0123456789">{entities}]><methodCall><methodName>&e9;'
            "</methodName></methodCall>")
    reference = load.median_ms(bench.server.address, load.body("one.system.version", bench.server.session), 50)
    for name, text, theirs in (("100 MB", None, "1.06 GB of memory"), ("100,000 nested arrays", nested, "crash"),
                               ("entity expansion", bomb, "65 s of CPU")):
        before = load.peak_mb(bench.server.pid) if bench.server.pid else None
        took, said = refuse_huge(bench.server.address) if text is None else refuse_text(bench.server.address, text)
        note = said
        if before is not None:
            note += f"; memory +{load.peak_mb(bench.server.pid) - before:.0f} MB"
        yield Result(f"refused: {name}", took, "ms", "a call", reference, at_most=200, on_value=True, theirs=theirs,
                     note=note)


def fault_of(reply):
    found = re.search(rb"<i4>(-\d+)</i4>", reply)
    return f"fault {found.group(1).decode()}" if found else "no fault"


def refuse_text(address, text):
    connection = load.Connection(address)
    start = time.perf_counter()
    reply = bytes(connection.ask(text))
    took = (time.perf_counter() - start) * 1000
    connection.close()
    return took, fault_of(reply)


def refuse_huge(address):
    """The time to the answer is that of sending, too, when a peer must send all before it reads."""
    connection = load.Connection(address)
    start = time.perf_counter()
    head = load.HEAD.format(host=address[0], length=100_000_000)
    sender = threading.Thread(target=send_blindly, args=(connection.socket, head.encode()), daemon=True)
    sender.start()
    reply = bytes(connection.receive())
    took = (time.perf_counter() - start) * 1000
    status = connection.status
    sender.join(10)
    connection.close()
    return took, f"{status}, {fault_of(reply)}"


def send_blindly(peer, head):
    block = b"x" * 1_000_000
    try:
        peer.sendall(head)
        for _ in range(100):
            peer.sendall(block)
    except OSError:
        pass


# ---- kill -9 ----

def kill(bench):
    """Killed while eight clients create machines; every machine that was acknowledged must be there."""
    rounds = 3 if bench.quick else 20
    acknowledged, lost, slowest = set(), 0, 0.0

    def create(server, text):
        try:
            connection = server.connect()
            while True:
                found = re.search(rb"<boolean>1</boolean></value><value><i4>(\d+)<", bytes(connection.ask(text)))
                acknowledged.add(int(found.group(1)))
        except (OSError, AttributeError):
            pass

    with bench.another() as server:
        text = load.body("one.vm.allocate", server.session, cloud.TEMPLATE, True)
        for number in range(rounds):
            clients = [threading.Thread(target=create, args=(server, text)) for _ in range(8)]
            for client in clients:
                client.start()
            time.sleep(0.2 + 0.05 * (number % 7))
            server.stop(signal.SIGKILL)
            for client in clients:
                client.join()
            slowest = max(slowest, server.start())
            connection = server.connect()
            pool = bytes(connection.ask(load.body("one.vmpool.info", server.session, -2, -1, -1, -1)))
            connection.close()
            there = set(map(int, re.findall(rb"&lt;VM&gt;&lt;ID&gt;(\d+)&lt;", pool)))
            lost += len(acknowledged - there)
        yield Result(f"kill -9 under load, {rounds} rounds: lost", lost, "machines", at_most=0,
                     theirs="none, but a stale lock", note=f"{len(acknowledged):,} acknowledged, slowest restart "
                     f"{slowest:.2f} s")


# ---- information on a host ----

GUEST = ("<domain type='test'><name>one-{0}</name><uuid>00000000-0000-4000-8000-{0:012d}</uuid><memory>131072</memory>"
         "<vcpu>1</vcpu><os><type>hvm</type></os><devices><disk type='file'><source file='/srv/{0}/disk.0'/>"
         "<target dev='vda'/></disk><interface type='bridge'><source bridge='br0'/></interface></devices></domain>")


def lab_info(bench):
    """All that one_im tells of a host with 500 guests, beside libvirt's own list of their figures. The hypervisor is
    libvirt's simulated one, inside each of the two programs: what is measured is ours, and no host's."""
    guests, rounds = 500, 5 if bench.quick else 20
    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/guests.xml"
        with open(path, "w") as file:
            file.write("<node>" + "".join(GUEST.format(number) for number in range(guests)) + "</node>")
        uri = f"test://{path}"

        def virsh(times):
            begun = time.perf_counter()
            subprocess.run(["virsh", "-c", uri, ";".join(["domstats"] * times)], check=True, stdout=subprocess.DEVNULL)
            return time.perf_counter() - begun

        once = min(virsh(1) for _ in range(3))  # with its start and the reading of the file
        reference = (virsh(101) - once) / 100
        driver = subprocess.Popen([bench.build / "mads/one_im", "test", "-u", uri], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True)
        try:
            def ask(line):
                begun = time.perf_counter()
                print(line, file=driver.stdin, flush=True)
                answer = driver.stdout.readline()
                return time.perf_counter() - begun, answer
            ask("INIT")
            first, _ = ask(f"MONITOR 1 host {directory} 0")
            times = [ask(f"MONITOR 1 host {directory} 0") for _ in range(rounds)]
        finally:
            driver.stdin.close()
            driver.wait(10)
    for _, answer in times:
        if base64.b64decode(answer.split()[3]).count(b"\nVM=[ID=") != guests:
            raise RuntimeError(f"one_im does not tell of {guests} machines: {answer[:200]}")
    value = statistics.median(seconds for seconds, _ in times)
    yield Result(f"information on a host with {guests} guests", value, "s", "virsh domstats", reference, at_most=0.5,
                 on_value=True, theirs="52 s by its manual", note=f"the first {first:.2f} s, with the reading of the file")


# name, function, needs a server of our own
ROWS = [
    ("version", version, False),
    ("info", info, False),
    ("allocate", allocate, False),
    ("hosts", hosts, True),
    ("machine", one_machine, True),
    ("replies", large_replies, False),
    ("idle", idle_connections, False),
    ("refused", refused, False),
    *object_rows.ROWS,
    *storage_rows.ROWS,
    ("plan", plan_1000, True),
    ("plan-large", plan_10000, True),
    ("memory", idle_memory, True),
    ("start", start_up, True),
    ("kill", kill, True),
    ("lab_info", lab_info, False),
]
