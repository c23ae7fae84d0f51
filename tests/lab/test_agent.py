"""Commands in a guest and frozen file systems of a backup, by a real QEMU guest agent in a real guest."""
import base64
import os
import re
import xml.etree.ElementTree as ET

import pytest
from lab.agent import make_initrd
from lab.cloud import DONE, RUNNING, Cloud, wait_for

if not os.environ.get("GUEST_AGENT"):
    pytest.skip("the guest agent is downloaded, and guests boot slowly: tests/lab/run-all does it", allow_module_level=True)

TEMPLATE = """NAME = "{name}"
CPU = 0.5
MEMORY = 160
OS = [ KERNEL = "{boot}/vmlinuz", INITRD = "{initrd}", KERNEL_CMD = "console=ttyS0 quiet panic=-1" ]
DISK = [ SOURCE = "{boot}/disk.img", CLONE = "YES", TARGET = "vda" ]
DISK = [ SOURCE = "{boot}/data.img", CLONE = "YES", TARGET = "vdb" ]
FEATURES = [ GUEST_AGENT = "{agent}" ]
BACKUP_CONFIG = [ FS_FREEZE = "AGENT" ]
"""
# The command line of onevm sends no input.
INPUT = """import sys, xmlrpc.client
session, machine, command, text = sys.argv[1:]
answer = xmlrpc.client.ServerProxy("http://localhost:2633/RPC2").one.vm.exec(session, int(machine), command, text)
assert answer[0], answer
"""
DATASTORES = "/var/lib/one/datastores"


@pytest.fixture(scope="module")
def initrd(lab, guest):
    path = make_initrd(lab)
    lab.on("node01", "sh", "-c", f"truncate -s 16M {guest}/data.img && mke2fs -q -t ext4 -F {guest}/data.img")
    return path


@pytest.fixture(scope="module")
def cloud(lab, guest, initrd):
    cloud = Cloud(lab, "agent", DATASTORES, "MONITORING_INTERVAL_HOST = 5")
    cloud.start()
    cloud.cli("onehost", "create", "node01", "-i", "qemu", "-v", "qemu")
    cloud.wait_host("node01", "on")
    store = cloud.home / "backups.ds"
    store.write_text("NAME = backups\nTYPE = BACKUP_DS\nDS_MAD = rsync\nDATASTORE_CAPACITY_CHECK = NO\n")
    cloud.cli("onedatastore", "create", store)
    yield cloud
    lab.clean()
    cloud.stop()


class Guest:
    def __init__(self, cloud, name, boot, initrd, agent="YES"):
        self.cloud, self.name = cloud, name
        self.id = cloud.create(name, TEMPLATE.format(name=name, boot=boot, initrd=initrd, agent=agent), "--hold")
        cloud.cli("onevm", "deploy", name, "node01")
        cloud.wait(name, RUNNING, 60)

    def said(self):
        """What it said on its console."""
        path = self.cloud.lab.shared / f"0/{self.id}/console.log"
        return path.read_text(errors="replace").replace("\r", "") if path.exists() else ""

    def hooked(self):
        """What the agent's hook was told, in order, and which of it came to its end."""
        return re.findall(r"^AGENT-HOOK (.*)$", self.said(), re.M)

    def connected(self):
        text = self.cloud.lab.on("node01", "virsh", "-q", "dumpxml", f"one-{self.id}")
        return "state='connected'" in text

    def ready(self):
        try:
            wait_for("the agent of the guest", 300, self.connected)
        except AssertionError as problem:
            raise AssertionError(f"{problem}\n{self.said()[-3000:]}") from None
        return self

    def known(self):
        found = self.cloud.vm(self.name).find("TEMPLATE/QEMU_GA_EXEC")
        return {} if found is None else {item.tag: item.text or "" for item in found}

    def output(self, name="STDOUT"):
        return base64.b64decode(self.known().get(name, "")).decode(errors="replace")

    def starts(self, command):
        self.cloud.cli("onevm", "exec", self.name, command)

    def ended(self, status="DONE", seconds=60):
        wait_for(f"{status} of the command", seconds, lambda: self.known().get("STATUS") == status)
        return self.known()

    def runs(self, command):
        self.starts(command)
        return self.ended()

    def back_up(self, seconds=120):
        """The machine's complaint, or None: the backup was made."""
        self.cloud.cli("onevm", "update", self.name, "--append", self.file('ERROR = ""'))
        self.cloud.cli("onevm", "backup", self.name, "-d", "backups")
        self.cloud.wait(self.name, RUNNING, seconds)
        return self.cloud.vm(self.name).findtext("USER_TEMPLATE/ERROR") or None

    def file(self, text):
        path = self.cloud.home / "appended"
        path.write_text(text + "\n")
        return path

    def writes(self):
        """Nothing is frozen: the agent says so, and what is written comes to its end."""
        said = self.cloud.lab.on("node01", "virsh", "qemu-agent-command", f"one-{self.id}", '{"execute":"guest-fsfreeze-status"}')
        assert '"thawed"' in said, said
        assert self.runs("echo more >>/data/file && sync && echo written")["RETURN_CODE"] == "0"
        assert self.output() == "written\n"


@pytest.fixture(scope="module")
def machine(cloud, guest, initrd):
    return Guest(cloud, "talks", guest, initrd).ready()


# ---- commands ----

def test_a_command_and_its_end(machine):
    said = machine.runs("echo out; echo err >&2; id -u; exit 7")
    assert said["RETURN_CODE"] == "7" and machine.output() == "out\n0\n" and machine.output("STDERR") == "err\n"
    said = machine.runs("kill -9 $$")
    assert said["RETURN_CODE"] == str(128 + 9), "ended by a signal, as a shell tells it"


def test_input(machine):
    machine.runs("cat; echo end")
    assert machine.output() == "end\n", "there is no input, and that has an end"
    text = "one\n\"two\" <three> 'four' &\tümlaut"
    machine.cloud.cli("python3", "-c", INPUT, (machine.cloud.home / "var/.one/one_auth").read_text().strip(), machine.id, "cat", text)
    machine.ended()
    assert machine.output() == text


def test_output_that_is_cut(machine):
    said = machine.runs("head -c 200000 /dev/zero | tr '\\0' x; echo last >&2")
    assert said["RETURN_CODE"] == "0"
    assert machine.output() == "x" * 65535 and machine.output("STDERR") == "last\n"


def test_cancelled(machine):
    machine.starts("echo begun; sleep 500")
    wait_for("the start", 60, lambda: machine.known().get("PID"))
    machine.cloud.cli("onevm", "exec-cancel", machine.name)
    machine.ended("CANCELLED")
    machine.runs("ps | grep '[s]leep 500'; echo looked")
    assert machine.output() == "looked\n", "what it had started is gone, too"


def test_agent_that_is_not_there(cloud, guest, initrd):
    """What must be in the template and what in the guest is said, and soon."""
    without = Guest(cloud, "silent", guest, f"{guest}/initrd.gz")
    without.starts("true")
    without.ended("ERROR", 30)
    assert "qemu-guest-agent in the guest" in without.output("STDERR")
    complaint = without.back_up()
    assert complaint and "FS_FREEZE" in complaint and "NONE" in complaint, complaint
    cloud.cli("onevm", "terminate", "--hard", without.name)
    cloud.wait(str(without.id), DONE, 60)
    unasked = Guest(cloud, "deaf", guest, initrd, agent="NO")
    unasked.starts("true")
    unasked.ended("ERROR", 30)
    assert "GUEST_AGENT" in unasked.output("STDERR")
    cloud.cli("onevm", "terminate", "--hard", unasked.name)
    cloud.wait(str(unasked.id), DONE, 60)


# ---- frozen for a backup ----

def test_frozen_for_the_moment(machine):
    before = len(machine.hooked())
    assert machine.runs("echo kept >/data/file; echo kept")["RETURN_CODE"] == "0"
    assert machine.back_up() is None
    assert machine.hooked()[before:] == ["freeze", "freeze done", "thaw", "thaw done"]
    machine.writes()
    backup = ET.fromstring(machine.cloud.cli("oneimage", "show", "-x", machine.cloud.vm(machine.name).findtext("BACKUPS/BACKUP_IDS/ID")))
    on = machine.cloud.lab.on
    on("node01", "qemu-img", "convert", "-O", "raw", f"{backup.findtext('SOURCE')}/0/disk.1", "/srv/local/backup.raw")
    features = re.search(r"^Filesystem features:.*", on("node01", "dumpe2fs", "-h", "/srv/local/backup.raw"), re.M)[0]
    assert "has_journal" in features and "needs_recovery" not in features, "ext4 was whole at that moment"
    assert "kept\n" in on("node01", "debugfs", "-R", "cat /file", "/srv/local/backup.raw")


def test_agent_that_takes_too_long(machine):
    """It may freeze after all when nobody waits any more: the guest is thawed, and the machine says why there is no backup."""
    before = len(machine.hooked())
    machine.runs("touch /tmp/slow; (sleep 60; rm -f /tmp/slow) >/dev/null 2>&1 </dev/null &")
    complaint = machine.back_up(240)
    assert complaint and "FS_FREEZE" in complaint, complaint
    wait_for("the thaw", 120, lambda: machine.hooked()[before:][-1:] == ["thaw done"])
    machine.writes()


def test_agent_that_stands_still(machine):
    def answers():
        return '"return"' in machine.cloud.lab.on("node01", "virsh", "qemu-agent-command", "--timeout", "5", f"one-{machine.id}",
                                                  '{"execute":"guest-ping"}', check=False)

    before = len(machine.hooked())
    machine.starts("sleep 1; kill -STOP $(pidof qemu-ga); sleep 75; kill -CONT $(pidof qemu-ga)")
    wait_for("the agent to stand still", 30, lambda: not answers())
    complaint = machine.back_up(240)
    assert complaint and "FS_FREEZE" in complaint, complaint
    machine.ended(seconds=120)
    machine.writes()
    assert "freeze" not in machine.hooked()[before:]
    assert machine.back_up() is None
    machine.writes()
