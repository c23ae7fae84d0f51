"""A cloud of our own for the benchmarks: oned with simulated hosts in a directory that is removed at the end."""
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from load import Connection, body

PASSWORD = "bench-Password.1"
CONFIGURATION = """
PORT = {port}
LISTEN_ADDRESS = "127.0.0.1"
LOG = [ SYSTEM = "file", DEBUG_LEVEL = 1 ]
IM_MAD = [ NAME = "dummy", EXECUTABLE = "one_im", ARGUMENTS = "dummy" ]
VM_MAD = [ NAME = "dummy", EXECUTABLE = "one_vmm", ARGUMENTS = "dummy" ]
TM_MAD = [ EXECUTABLE = "one_tm", ARGUMENTS = "-d dummy,shared,ssh" ]
DATASTORE_MAD = [ EXECUTABLE = "one_datastore", ARGUMENTS = "-d dummy,fs" ]
"""
SCHEDULER = """
SCHED_INTERVAL = 5
MAX_VM = 0
MAX_DISPATCH = 100000
MAX_HOST = 0
LOG = [ SYSTEM = "file", DEBUG_LEVEL = 1 ]
"""
TEMPLATE = 'NAME = "bench"\nCPU = 0.1\nMEMORY = 64\n'


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Cloud:
    """Our own server, started and stopped at will. `control` says so; rows that need it ask."""

    control = True

    def __init__(self, build, parent=None):
        self.build = build
        self.directory = Path(tempfile.mkdtemp(prefix="globule-bench-", dir=parent))
        self.address = ("127.0.0.1", free_port())
        self.session = f"oneadmin:{PASSWORD}"
        self.process = self.scheduler = None
        for name in ("etc", "var", "lib", ".one"):
            (self.directory / name).mkdir()
        (self.directory / "lib" / "mads").symlink_to(build / "mads")
        (self.directory / "etc" / "oned.conf").write_text(CONFIGURATION.format(port=self.address[1]))
        (self.directory / "etc" / "sched.conf").write_text(SCHEDULER)
        for shipped in (Path(__file__).parents[2] / "etc").glob("vmm_exec_*.conf"):
            shutil.copy(shipped, self.directory / "etc")
        auth = self.directory / ".one" / "one_auth"
        auth.write_text(self.session + "\n")
        auth.chmod(0o600)
        self.environment = dict(os.environ, ONE_LOCATION=str(self.directory), HOME=str(self.directory),
                                ONE_AUTH=str(auth), ONE_XMLRPC=f"http://127.0.0.1:{self.address[1]}/RPC2")
        self.environment.pop("ONE_MADS", None)

    def _spawn(self, program):
        with open(self.directory / "output", "ab") as output:
            return subprocess.Popen([self.build / "bin" / program], env=self.environment, cwd=self.directory,
                                    stdin=subprocess.DEVNULL, stdout=output, stderr=output)

    def start(self):
        """Starts oned; seconds until it has answered a call."""
        begin = time.perf_counter()
        self.process = self._spawn("oned")
        while True:
            try:
                connection = Connection(self.address)
                connection.call("one.system.version", self.session)
                connection.close()
                return time.perf_counter() - begin
            except OSError:
                if self.process.poll() is not None:
                    raise SystemExit("oned ended: " + (self.directory / "output").read_text(errors="replace")) from None
                time.sleep(0.002)

    def stop(self, how=signal.SIGTERM):
        if self.scheduler:
            self.scheduler.terminate()
            self.scheduler.wait(30)
            self.scheduler = None
        if self.process:
            self.process.send_signal(how)
            self.process.wait(60)
            self.process = None

    def start_scheduler(self):
        self.scheduler = self._spawn("mm_sched")

    def remove(self):
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def pid(self):
        return self.process.pid

    def pids(self):
        """oned, its drivers and the scheduler."""
        children = [int(number) for task in Path(f"/proc/{self.pid}/task").iterdir()
                    for number in (task / "children").read_text().split()]
        return [self.pid, *children] + ([self.scheduler.pid] if self.scheduler else [])

    def connect(self):
        return Connection(self.address)


class Other:
    """Another server, at an address: what it holds is used as it is, and it is not restarted."""

    control = False
    pid = None
    directory = None

    def __init__(self, address, session):
        host, _, port = address.rpartition(":")
        self.address = (host or "127.0.0.1", int(port))
        self.session = session

    def connect(self):
        return Connection(self.address)

    def remove(self):
        pass


def add_hosts(connection, session, count, first=0):
    for number in range(first, first + count):
        connection.call("one.host.allocate", session, f"host{number:05}", "dummy", "dummy", -1)


def count_monitored(connection, session):
    pool = connection.call("one.hostpool.info", session)
    return len(re.findall(r"<STATE>2</STATE>", pool))


def wait_monitored(connection, session, count, seconds=120):
    end = time.perf_counter() + seconds
    while count_monitored(connection, session) < count:
        if time.perf_counter() > end:
            raise RuntimeError(f"only {count_monitored(connection, session)} of {count} hosts are monitored")
        time.sleep(0.01)


def add_machines(connection, session, count, hold=True, template=TEMPLATE):
    """Many machines, some hundreds a call. An answer that is not a success is an error."""
    calls = 250
    for done in range(0, count, calls):
        many = [{"methodName": "one.vm.allocate", "params": [session, template, hold]}] * min(calls, count - done)
        reply = bytes(connection.ask(body("system.multicall", many)))
        if reply.count(b"<boolean>1</boolean>") != len(many):
            raise RuntimeError(f"not all machines were made: {reply[:400]!r}")


def count_running(connection, session):
    """Machines in ACTIVE and RUNNING."""
    pool = bytes(connection.ask(body("one.vmpool.info", session, -2, -1, -1, 3)))
    return len(re.findall(rb"&lt;LCM_STATE&gt;3&lt;/LCM_STATE&gt;", pool))
