"""The lab (tests/lab/lab) and a front-end of Globule on it, as Python objects for the tests."""
import os
import re
import shutil
import subprocess
import time
import xml.etree.ElementTree as ET
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
LAB = ROOT / "tests/lab/lab"
NET = os.environ.get("LAB_NET", "10.90.0")  # three numbers of the addresses of front-end and hosts

# STATE and LCM_STATE of a machine, by the names that the tests use.
RUNNING = (3, 3)
UNKNOWN = (3, 16)
POWEROFF = (8, 0)
SUSPENDED = (5, 0)
STOPPED = (4, 0)
HOLD = (2, 0)
PENDING = (1, 0)
DONE = (6, 0)
HOST_STATES = ["init", "update", "on", "err", "dsbl", "update", "update", "update", "off"]


# Limits of time in these tests are what a computer of two idle processors never needs; a busy one gets so many times that.
# Nothing waits longer for it: only what fails is told later.
PATIENCE = float(os.environ.get("LAB_PATIENCE", "6"))


class Failed(Exception):
    """A command that was expected to work did not."""


def wait_for(what, seconds, look):
    """Calls `look` until it returns something true, which is returned; `what` goes into the complaint."""
    end = time.monotonic() + seconds * PATIENCE
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds * PATIENCE:.0f} s")
        time.sleep(0.05)


class Lab:
    """N hosts and a front-end. Others may run at the same time: the name holds this process's number."""

    program = LAB

    def __init__(self, hosts=2, bare=False):
        self.bare = bare  # servers as an installer leaves them
        self.prefix = f"{'b' if bare else 't'}{os.getpid()}"
        self.dir = Path(f"/var/tmp/globule-{self.prefix}")
        self.environment = dict(os.environ, LAB_PREFIX=self.prefix, LAB_NET=NET, LAB_DIR=str(self.dir))
        self.hosts = [f"node{number:02}" for number in range(1, hosts + 1)]
        self.shared = self.dir / "shared"  # on the hosts /var/lib/one/datastores

    def call(self, *words, check=True, timeout=120):
        ended = subprocess.run([self.program, *map(str, words)], env=self.environment, text=True,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               errors="replace", timeout=timeout * PATIENCE)
        if check and ended.returncode:
            raise Failed(f"{' '.join(map(str, words))} ended with {ended.returncode}:\n{ended.stdout}")
        return ended.stdout

    def up(self):
        self.call("up", len(self.hosts), *["bare"] * self.bare)

    def down(self):
        self.call("down", check=False)
        subprocess.run(["rm", "-rf", "--one-file-system", self.dir], check=False)

    def on(self, host, *words, **options):
        return self.call("exec", host, *words, **options)

    def front(self, *words, **options):
        return self.call("fe", *words, **options)

    def local(self, host):
        """What the host has at /srv/local, seen from outside."""
        return self.dir / host / "local"

    def root(self, host):
        """The host's own view of its files, mounts of its own included, seen from outside."""
        pid = (self.dir / host / "pid").read_text().strip() if (self.dir / host / "pid").exists() else "none"
        return Path(f"/proc/{pid}/root")

    def domains(self, host):
        """Names of the domains that run on a host, by its own libvirt."""
        return self.on(host, "virsh", "-q", "list", "--name").split()

    def clean(self):
        """No guest is left on any host, running or defined, and no files of one: the next tests begin with number 0
        again, and look whether they leave anything themselves."""
        for host in self.hosts:
            try:
                left = self.on(host, "virsh", "-q", "list", "--all", "--name").split()
            except Failed:  # no libvirtd there: a test has ended it, with its guests or without
                continue
            for domain in left:
                self.on(host, "virsh", "-q", "destroy", domain, check=False)
                self.on(host, "virsh", "-q", "undefine", domain, "--snapshots-metadata", check=False)
        for datastores in (self.shared, *(self.local(host) / "datastores" for host in self.hosts)):
            for machine in (datastores / "0").glob("*"):
                shutil.rmtree(machine, ignore_errors=True)

    def pids(self, host, program):
        return [int(word) for word in self.on(host, "pidof", program, check=False).split()]

    def kill(self, host, program, signal="KILL"):
        pids = self.pids(host, program)
        assert pids, f"no {program} runs on {host}"
        self.on(host, "kill", f"-{signal}", *pids, check=False)  # one may end with another


class Cloud:
    """A front-end: an installation of its own on `fe`, started with settings added to oned.conf."""

    def __init__(self, lab, name, datastores, settings="", scheduler=""):
        self.lab = lab
        self.home = lab.dir / f"one-{name}"
        self.datastores = datastores  # path on the hosts
        self.scheduler = scheduler
        self.settings = f'\nDATASTORE_LOCATION = "{datastores}"\n{settings}\n'

    def environment(self):
        bin = f"{self.home}/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return ["env", "-u", "ONE_XMLRPC", f"ONE_LOCATION={self.home}", f"PATH={bin}",
                f"ONE_AUTH={self.home}/var/.one/one_auth"]

    def cli(self, *words, check=True, timeout=120):
        return self.lab.front(*self.environment(), *words, check=check, timeout=timeout)

    def start(self):
        installed = subprocess.run([ROOT / "install.sh", "-n", "-d", self.home], capture_output=True, text=True)
        if installed.returncode:
            raise Failed(installed.stdout + installed.stderr)
        with open(self.home / "etc/oned.conf", "a") as conf:
            conf.write(self.settings)
        if self.scheduler:  # behind the shipped keys: of a key that sched.conf has twice the last counts
            conf = self.home / "etc/sched.conf"
            conf.write_text(f"{conf.read_text()}\n{self.scheduler}\n")
        self.cli("one", "start")

    def stop(self):
        self.cli("one", "stop", check=False)

    def log(self, lines=60):
        try:
            return "".join(open(self.home / "var/oned.log", errors="replace").readlines()[-lines:])
        except OSError as error:
            return str(error)

    def logs(self):
        """What a failed test needs to be understood."""
        paths = sorted((self.home / "var/vms").glob("*/vm.log"))
        return "\n".join([self.log(200), *(f"--- {path}\n{path.read_text(errors='replace')}" for path in paths)])

    # ---- machines ----

    def create(self, name, text, *options):
        path = self.home / f"{name}.one"
        path.write_text(text)
        said = self.cli("onevm", "create", *options, path)
        return int(re.search(r"ID: (\d+)", said).group(1))

    def vm(self, name):
        return ET.fromstring(self.cli("onevm", "show", "-x", name))

    def state(self, name):
        vm = self.vm(name)
        return int(vm.findtext("STATE")), int(vm.findtext("LCM_STATE"))

    def host_of(self, name):
        records = self.vm(name).findall("HISTORY_RECORDS/HISTORY")
        return records[-1].findtext("HOSTNAME") if records else None

    def wait(self, name, state, seconds=40):
        last = []

        def look():
            last[:] = [self.state(name)]
            return last[0] == state

        try:
            wait_for(f"{name} in {state}", seconds, look)
        except AssertionError:
            raise AssertionError(f"{name} is in {last[0]}, not in {state} after {seconds * PATIENCE:.0f} s\n{self.vm_log(name)}") from None

    def vm_log(self, name):
        path = self.home / "var/vms" / self.vm(name).findtext("ID") / "vm.log"
        return path.read_text(errors="replace")[-4000:] if path.exists() else f"no {path}\n{self.log()}"

    def runs_on(self, name, host, seconds=40):
        """RUNNING by our word, and by libvirt's on this host and on no other."""
        self.wait(name, RUNNING, seconds)
        deploy_id = self.vm(name).findtext("DEPLOY_ID")
        assert self.host_of(name) == host, f"{name} is on {self.host_of(name)}, not on {host}"
        for other in self.lab.hosts:
            assert (deploy_id in self.lab.domains(other)) == (other == host), \
                f"{deploy_id} on {other}: {self.lab.domains(other)}; it should be on {host} alone"

    # ---- hosts ----

    def host_state(self, name):
        pool = ET.fromstring(self.cli("onehost", "list", "-x"))
        return next((HOST_STATES[int(host.findtext("STATE"))] for host in pool.findall("HOST")
                     if host.findtext("NAME") == name), None)

    def wait_host(self, name, state, seconds=30):
        wait_for(f"host {name} {state}", seconds, lambda: self.host_state(name) == state)


def card_of(address):
    """The address of the card by which a guest takes this one."""
    return ":".join(["02", "00", *(f"{int(number):02x}" for number in address.split("."))])


def guest_files():
    """The tiny guest; ./check has made it already."""
    made = subprocess.run([ROOT / "share/examples/guest/make-guest"], capture_output=True, text=True)
    if made.returncode:
        raise Failed(made.stdout + made.stderr)
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "globule/guest"


def share_guest(lab):
    """Directory of the guest's files, the same path on every host: on the shared storage."""
    made = guest_files()
    target = lab.shared / "guest"
    target.mkdir(exist_ok=True)
    for name in ("vmlinuz", "initrd.gz", "disk.img"):
        shutil.copy(made / name, target / name)
    return "/var/lib/one/datastores/guest"


def disk_count(path):
    """(boots, beats) as the guest keeps them on its disk."""
    with open(path, "rb") as disk:
        found = re.match(rb"GLOBULE-GUEST boots=(\d+) beats=(\d+)", disk.read(512))
    assert found, f"{path} does not carry the guest's mark"
    return int(found.group(1)), int(found.group(2))
