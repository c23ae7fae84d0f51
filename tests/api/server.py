"""A real oned in a directory of its own, with simulated hosts, and the way to talk to it."""
import ctypes
import http.client
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import time
import xmlrpc.client
from pathlib import Path

import pytest
from api import states
from api.schemas import checked
from conftest import ROOT, sanitizer_environment

BUILD = ROOT / os.environ.get("GLOBULE_BUILD", "build")
SCRIPTS = Path(__file__).parent / "drivers"
SANITIZED = BUILD.name != "build"
# How long anything may take before it counts as hung: far more than it takes anywhere, since a slow computer is no
# mistake of the program.
PATIENCE = float(os.environ.get("GLOBULE_PATIENCE", 150 if SANITIZED else 60))

PRCTL = ctypes.CDLL(None).prctl
PASSWORD = "Some-Secret.7"
CONFIGURATION = """
PORT = {port}
LISTEN_ADDRESS = "127.0.0.1"
LOG = [ SYSTEM = "file", DEBUG_LEVEL = 3 ]
MONITORING_INTERVAL_HOST = 1
MONITORING_INTERVAL_DATASTORE = 3600
MANAGER_TIMER = 1
IM_MAD = [ NAME = "dummy", EXECUTABLE = "one_im", ARGUMENTS = "dummy" ]
VM_MAD = [ NAME = "dummy", EXECUTABLE = "one_vmm", ARGUMENTS = "dummy", KEEP_SNAPSHOTS = "yes", LIVE_RESIZE = "yes" ]
TM_MAD = [ EXECUTABLE = "one_tm", ARGUMENTS = "-d dummy,shared,ssh" ]
DATASTORE_MAD = [ EXECUTABLE = "one_datastore", ARGUMENTS = "-d dummy,fs,rsync" ]
"""


def end_with_the_tests():
    """In the child: killed when the tests are, so that an aborted run leaves nothing behind."""
    PRCTL(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def cpu_seconds(pid):
    """Processor time that a process has used: what it costs, however busy the computer is with other things."""
    words = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def free_port():
    """A port of loopback below those that the kernel gives to outgoing connections: nobody takes it meanwhile."""
    while True:
        port = random.SystemRandom().randint(10000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class Failure(AssertionError):
    """A call that should have succeeded was refused."""


class From(xmlrpc.client.Transport):
    """Calls from an address of its own; wrong passwords make only that one wait."""

    def __init__(self, address):
        super().__init__()
        self.address = address

    def make_connection(self, host):
        return http.client.HTTPConnection(host, source_address=(self.address, 0))


class Client:
    """Calls with one session. `ok` wants success and gives the value, `fails` wants the refusal."""

    def __init__(self, server, session, address="127.0.0.1"):
        self.server, self.session, self.address = server, session, address

    def proxy(self):
        return xmlrpc.client.ServerProxy(f"http://127.0.0.1:{self.server.port}/RPC2", From(self.address))

    def call(self, method, *arguments):
        """The whole answer, as it came."""
        with self.proxy() as proxy:
            return getattr(proxy, method)(self.session, *arguments)

    def ok(self, method, *arguments):
        reply = self.call(method, *arguments)
        if not (isinstance(reply, list) and reply and reply[0] is True):
            raise Failure(f"{method}{arguments} answered {reply}")
        assert len(reply) == 3 and reply[2] == 0, f"{method}{arguments} answered {reply}"
        return reply[1]

    def fails(self, method, *arguments, code=None, text=None):
        reply = self.call(method, *arguments)
        assert isinstance(reply, list) and reply and reply[0] is False, f"{method}{arguments} was done: {reply}"
        assert isinstance(reply[1], str) and reply[1].startswith(f"[{method}] "), reply
        assert len(reply) == 5 and isinstance(reply[2], int) and isinstance(reply[3], int), reply
        assert code is None or reply[2] == code, f"{method}{arguments} failed with {reply}, not with {code}"
        assert text is None or text in reply[1], f"{method}{arguments} failed with {reply}, not with {text!r}"
        return reply

    def fault(self, method, *arguments, code=None):
        with pytest.raises(xmlrpc.client.Fault) as caught:
            self.call(method, *arguments)
        assert code is None or caught.value.faultCode == code, caught.value
        assert caught.value.faultString, "a fault needs a text"
        return caught.value

    def xml(self, method, *arguments, schema=None):
        """The document that a call answers with, checked against the schemas."""
        return checked(self.ok(method, *arguments), schema)

    # -- machines --

    def vm(self, identity):
        return self.xml("one.vm.info", identity)

    def state(self, identity):
        return states.of_vm(self.vm(identity))

    def wait(self, identity, *wanted, seconds=None):
        """Waits until a machine is in one of the states; gives its document."""
        seen = []

        def arrived():
            vm = self.vm(identity)
            state = states.of_vm(vm)
            if not seen or seen[-1] != state:
                seen.append(state)
            return vm if state in wanted else None
        return self.server.until(arrived, lambda: f"machine {identity} to be {' or '.join(wanted)}; it was {seen}", seconds)

    def allocate(self, template="", hold=False, name=None):
        text = f'NAME = "{name}"\n' if name else ""
        if not re.search(r"^CPU\b", template, re.M):
            text += "CPU = 0.1\n"
        if not re.search(r"^MEMORY\b", template, re.M):
            text += "MEMORY = 64\n"
        return self.ok("one.vm.allocate", text + template, hold)

    def running(self, host=0, template="", **options):
        """A machine that runs on a host."""
        identity = self.allocate(template, **options)
        self.ok("one.vm.deploy", identity, host)
        self.wait(identity, "RUNNING")
        return identity

    def action(self, word, identity):
        assert self.ok("one.vm.action", word, identity) == identity


class Server(Client):
    """oned and its directory; itself the client that is oneadmin."""

    def __init__(self, directory, configuration="", environment=None, user="oneadmin"):
        self.directory = Path(directory)
        self.var, self.etc = self.directory / "var", self.directory / "etc"
        self.port = free_port()
        self.configuration = CONFIGURATION.format(port=self.port) + configuration
        self.process, self.started, self.simulated = None, 0, False
        self.extra = environment or {}
        super().__init__(self, f"{user}:{PASSWORD}")
        self.lay_out()

    def lay_out(self):
        assert (BUILD / "bin" / "oned").exists(), f"{BUILD}/bin/oned is not built"
        for path in (self.var, self.etc, self.directory / "lib", self.directory / ".one"):
            path.mkdir(parents=True, exist_ok=True)
        mads = self.directory / "lib" / "mads"
        mads.mkdir()
        for program in (BUILD / "mads").iterdir():
            if program.is_file() and os.access(program, os.X_OK) and not program.suffix:
                (mads / program.name).symlink_to(program)
        (mads / "hooks").symlink_to(BUILD / "mads" / "hooks")
        for script in SCRIPTS.iterdir():
            (mads / script.name).symlink_to(script)
        (self.etc / "oned.conf").write_text(self.configuration)
        for template in (ROOT / "etc").glob("vmm_exec_*.conf"):
            shutil.copy(template, self.etc)
        secret = self.directory / ".one" / "one_auth"
        secret.write_text(self.session + "\n")
        secret.chmod(0o600)

    def environment(self):
        environment = sanitizer_environment() if SANITIZED else dict(os.environ)
        for name in ("ONE_XMLRPC", "ONE_AUTH", "ONE_MADS", "JOURNAL_STREAM"):
            environment.pop(name, None)
        environment.update(ONE_LOCATION=str(self.directory), HOME=str(self.directory),
                           ONE_AUTH=str(self.directory / ".one" / "one_auth"), TZ="UTC", **self.extra)
        return environment

    def command(self, *options, timeout=PATIENCE):
        """Runs oned to its end, such as `oned --check`."""
        return subprocess.run([BUILD / "bin" / "oned", *options], env=self.environment(), cwd=self.directory,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", timeout=timeout)

    def start(self, wait=True):
        assert self.process is None
        self.started += 1
        output = open(self.directory / "output", "ab")
        self.process = subprocess.Popen([BUILD / "bin" / "oned", "-f"], env=self.environment(), cwd=self.directory,
                                        stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                        start_new_session=True, preexec_fn=end_with_the_tests)
        output.close()
        if wait:
            self.until(self.answers, "oned to answer")
        return self

    def answers(self):
        if self.process.poll() is not None:
            pytest.fail(f"oned ended with {self.process.returncode}:\n{self.said()}")
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return True
        except OSError:
            return False

    def stop(self):
        """A clean end; with sanitizers it tells of leaks."""
        if self.process is None:
            return
        process, self.process = self.process, None
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            pytest.fail(f"oned does not end after SIGTERM:\n{self.said()}")
        assert code == 0, f"oned ended with {code}:\n{self.said()}"

    def kill(self):
        """kill -9 in the middle of whatever it does."""
        self.process.kill()
        self.process.wait()
        self.process = None

    def restart(self, clean=True):
        if clean:
            self.stop()
        else:
            self.kill()
        self.start()

    def clean_up(self):
        """At the end of a test: nothing of it may go on, and no sanitizer may have complained."""
        if self.process is not None:
            self.stop()
        said = (self.directory / "output").read_text(errors="replace") if (self.directory / "output").exists() else ""
        bad = re.search(r"(AddressSanitizer|LeakSanitizer|runtime error|GLib-CRITICAL|assertion).*", said)
        assert not bad, f"{bad.group(0)}\n{said[-8000:]}"

    def log(self):
        path = self.var / "oned.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def said(self):
        output = self.directory / "output"
        text = output.read_text(errors="replace")[-6000:] if output.exists() else ""
        log = "\n".join(line for line in self.log().splitlines() if "[ReM]" not in line or "FAILURE" in line)
        return f"--- output\n{text}\n--- log without successful calls\n{log[-6000:]}"

    def until(self, condition, what, seconds=None):
        """Asks again and again; gives the first answer that is not None or False."""
        end = time.monotonic() + (seconds or PATIENCE)
        pause = 0.002
        while True:
            answer = condition()
            if answer is not None and answer is not False:
                return answer
            if time.monotonic() > end:
                pytest.fail(f"waited in vain for {what() if callable(what) else what}\n{self.said()}")
            time.sleep(pause)
            pause = min(0.1, pause * 1.5)

    # -- other users, and hosts --

    def user(self, name, password="pw", groups=None):
        """A new user, and a client that is it."""
        arguments = [name, password, "core"] + ([groups] if groups is not None else [])
        identity = self.ok("one.user.allocate", *arguments)
        client = Client(self, f"{name}:{password}")
        client.uid = identity
        return client

    def client(self, session):
        """Somebody with this session, at a computer of its own."""
        return Client(self, session, f"127.{random.randint(1, 250)}.{random.randint(0, 250)}.{random.randint(1, 250)}")

    def host(self, name, mad="dummy", wait=True):
        if not self.simulated:
            self.ok("one.datastore.update", 0, "TM_MAD = dummy", 1)  # its files are simulated too
            self.simulated = True
        identity = self.ok("one.host.allocate", name, mad, mad, -1)
        if wait:
            self.wait_host(identity, "MONITORED")
        return identity

    def wait_host(self, identity, state):
        def arrived():
            host = self.xml("one.host.info", identity)
            return host if states.HOST[int(host.findtext("STATE"))] == state else None
        return self.until(arrived, f"host {identity} to be {state}")

    # -- the simulated hypervisor --

    def control(self, *lines):
        """What the simulated drivers should do wrong; without lines they do all right."""
        path = self.var / "dummy" / "control"
        path.parent.mkdir(exist_ok=True)
        beside = path.with_suffix(".new")
        beside.write_text("".join(line + "\n" for line in lines))
        beside.rename(path)
        time.sleep(0.01)

    def domain(self, host, deploy_id):
        """The simulated hypervisor's own file of a machine."""
        return self.var / "dummy" / host / deploy_id

    def domains(self):
        """All machines that the simulated hypervisors know, as (host, name)."""
        top = self.var / "dummy"
        found = [(p.parent.name, p.name) for p in top.glob("*/*") if p.is_file() and not p.name.startswith(".")]
        return sorted(found)

    def drivers(self):
        """Process ids of the driver programs, by the name of the program."""
        found = {}
        for path in Path("/proc").glob("[0-9]*"):
            try:
                stat = (path / "stat").read_text()
                words = (path / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            parent = int(stat.rsplit(")", 1)[1].split()[1])
            if self.process and parent == self.process.pid and stat.rsplit(")", 1)[1].split()[0] != "Z":
                for word in words[:3]:
                    if b"/mads/" in word:
                        found.setdefault(os.path.basename(word.decode()), []).append(int(path.name))
                        break
        return found

    # -- plain HTTP --

    def http(self, body, headers=None, method="POST", path="/RPC2", timeout=30):
        """Status, headers and body of one request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, headers if headers is not None else {"Content-Type": "text/xml"})
            response = connection.getresponse()
            return response.status, dict((k.lower(), v) for k, v in response.getheaders()), response.read()
        finally:
            connection.close()

    def cpu(self):
        return cpu_seconds(self.process.pid)

    def resident(self):
        """Resident memory of oned, in MiB."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", text).group(1)) / 1024
