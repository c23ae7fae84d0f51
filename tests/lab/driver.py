"""The virtualization driver alone, on the hosts of the lab: requests go in, results come out, no oned.

A machine of these tests is a directory with the guest's disk, on the shared storage or on each host's
own, and the document that oned would send about it.
"""
import base64
import queue
import shutil
import subprocess
import threading
import time
from xml.sax.saxutils import escape

from lab.cloud import LAB, PATIENCE, ROOT, Failed, wait_for
from lab.heartbeat import Console

SHARED = "/var/lib/one/datastores"
OWN = "/srv/local/datastores"


class Driver:
    """one_vmm on the front-end. Results are matched by action and id."""

    def __init__(self, lab, *words, etc=ROOT / "etc"):
        self.lab = lab
        self.process = subprocess.Popen(
            [LAB, "fe", "env", f"ONE_ETC={etc}", ROOT / "build/mads/one_vmm", *(words or ("qemu",))],
            env=lab.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.lines, self.log, self.ended = [], [], threading.Event()
        self.changed = threading.Condition()
        threading.Thread(target=self.read, daemon=True).start()
        self.send("INIT")
        self.result("INIT")

    def read(self):
        for line in self.process.stdout:
            with self.changed:
                (self.log if line.startswith("LOG ") else self.lines).append(line.rstrip("\n"))
                self.changed.notify_all()
        self.ended.set()

    def send(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def result(self, action, vid=None, seconds=120 * PATIENCE):
        """(success, text) of an answer, waited for."""
        def mine(line):
            words = line.split(" ", 3)
            return words[0] == action and (vid is None or words[2:3] == [str(vid)])

        end = time.monotonic() + seconds
        with self.changed:
            while not (found := next((line for line in self.lines if mine(line)), None)):
                if self.ended.is_set() or not self.changed.wait(end - time.monotonic()):
                    raise Failed(f"no answer to {action} {vid}; heard {self.lines} and {self.log}")
            self.lines.remove(found)
        words = found.split(" ", 3)
        return words[1] == "SUCCESS", words[3] if len(words) > 3 else ""

    def ask(self, machine, action, seconds=120 * PATIENCE, **options):
        self.send(f"{action} {machine.vid} {machine.document(**options)}")
        return self.result(action, machine.vid, seconds)

    def do(self, machine, action, seconds=120 * PATIENCE, **options):
        success, text = self.ask(machine, action, seconds, **options)
        assert success, f"{action} of {machine.vid} failed: {text}"
        return text

    def pid(self):
        """Of the program itself, in the processes of the front-end: the youngest of that name."""
        return max(self.lab.pids("fe", "one_vmm"))

    def stop(self):
        self.process.stdin.close()
        self.process.wait(60 * PATIENCE)


class Machine:
    """A guest with the disks of its template; `own`: each host has a directory of its own for them."""

    number = 100

    def __init__(self, lab, host, own=False, text="", memory=96, disks=None):
        Machine.number += 1
        self.lab, self.vid, self.host, self.own = lab, Machine.number, host, own
        self.name, self.text, self.memory = f"one-{self.vid}", text, memory
        self.disks = ["<FORMAT>raw</FORMAT>"] if disks is None else disks
        self.path = f"{OWN if own else SHARED}/0/{self.vid}"
        self.kept = lab.dir / f"vms/{self.vid}"  # on the front-end, as /var/lib/one/vms/ID
        for directory in (self.outside(host), self.kept):
            directory.mkdir(parents=True, exist_ok=True)

    def outside(self, host):
        """The machine's directory on a host as the tests see it."""
        return (self.lab.local(host) / "datastores" if self.own else self.lab.shared) / f"0/{self.vid}"

    def put(self, name="disk.0", host=None):
        """The guest's own disk, on which it counts its boots."""
        shutil.copy(self.lab.shared / "guest/disk.img", self.outside(host or self.host) / name)

    def document(self, to=None, at=None, migrate=None, host_migrate=None):
        """What oned would send; `at`: the host that is asked, if not the machine's."""
        def vector(name, pairs):
            return f"<{name}>{''.join(f'<{key}>{escape(str(value))}</{key}>' for key, value in pairs.items())}</{name}>"

        boot = f"{SHARED}/guest"
        disks = "".join(f"<DISK><DISK_ID>{number}</DISK_ID>{disk}</DISK>" for number, disk in enumerate(self.disks))
        xml = f"""<VMM_DRIVER_ACTION_DATA><HOST>{at or self.host}</HOST><MIGR_HOST>{to or ''}</MIGR_HOST>
            <DEPLOY_ID>{self.name}</DEPLOY_ID><DISK_TARGET_PATH>{self.path}</DISK_TARGET_PATH>
            <LOCAL_DEPLOYMENT_FILE>{self.kept}/deployment.0</LOCAL_DEPLOYMENT_FILE>
            <CHECKPOINT_FILE>{self.path}/checkpoint</CHECKPOINT_FILE>
            {vector("MIGRATE", migrate) if migrate else ''}<HOST_TEMPLATE>{vector("MIGRATE", host_migrate or {})}</HOST_TEMPLATE>
            <VM><ID>{self.vid}</ID><NAME>m{self.vid}</NAME><STIME>1</STIME><USER_TEMPLATE/>
            <TEMPLATE><CPU>1</CPU><MEMORY>{self.memory}</MEMORY>
            <OS><KERNEL>{boot}/vmlinuz</KERNEL><INITRD>{boot}/initrd.gz</INITRD>
            <KERNEL_CMD>console=ttyS0 quiet panic=-1</KERNEL_CMD></OS>{disks}{self.text}</TEMPLATE></VM>
            <DATASTORE><TEMPLATE><SHARED>{'NO' if self.own else 'YES'}</SHARED></TEMPLATE></DATASTORE>
            </VMM_DRIVER_ACTION_DATA>"""
        return base64.b64encode(xml.encode()).decode()

    def console(self):
        """What the guest said: on the hosts one after the other, when each has a file of its own."""
        hosts = self.lab.hosts if self.own else self.lab.hosts[:1]
        order = [self.host, *(host for host in hosts if host != self.host)] if self.own else hosts
        return Console(*(self.outside(host) / "console.log" for host in reversed(order)))

    def beats(self, more=3, seconds=60):
        """The guest's heart beats on, in its one boot, and no beat was lost."""
        begun = self.console().last
        wait_for(f"the heartbeat of {self.name}", seconds, lambda: self.console().last >= begun + more)
        console = self.console()
        assert len(console.boots) == 1 and not console.breaks(), (len(console.boots), console.breaks())

    def only_on(self, host):
        for other in self.lab.hosts:
            assert (self.name in self.lab.domains(other)) == (other == host), \
                f"{self.name} on {other}: {self.lab.domains(other)}; it should be on {host} alone"
        self.host = host
