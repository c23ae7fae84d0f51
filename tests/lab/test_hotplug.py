"""Changes of a real guest while it runs: what libvirt did is what the guest itself sees."""
import re

import pytest
from lab.cloud import POWEROFF, RUNNING, Cloud, wait_for
from lab.heartbeat import Console, text_of

TEMPLATE = """NAME = "{name}"
CPU = 0.5
MEMORY = 100
MEMORY_MAX = 160
VCPU_MAX = 2
OS = [ KERNEL = "{boot}/vmlinuz", INITRD = "{boot}/initrd.gz", KERNEL_CMD = "console=ttyS0 quiet panic=-1" ]
DISK = [ TYPE = "fs", FORMAT = "qcow2", SIZE = 8, TARGET = "vda" ]
"""
# It looks for something to boot, and never answers its hypervisor.
DEAF = """NAME = "{name}"
CPU = 0.1
MEMORY = 16
DISK = [ TYPE = "fs", SIZE = 8, TARGET = "vda" ]
"""


@pytest.fixture(scope="module")
def cloud(lab, guest):
    cloud = Cloud(lab, "hotplug", "/var/lib/one/datastores", "MONITORING_INTERVAL_HOST = 5\nMONITORING_INTERVAL_VM = 5")
    cloud.start()
    detach_within(cloud, "20", "240")  # for a guest on a busy computer
    cloud.cli("onehost", "create", "node01", "-i", "qemu", "-v", "qemu")
    cloud.wait_host("node01", "on")
    yield cloud
    lab.clean()
    cloud.stop()


def detach_within(cloud, before, seconds):
    """The driver reads it when it starts, and it starts with the next request."""
    conf = cloud.home / "etc/vmm_exec_kvm.conf"
    assert f"DETACH_TIMEOUT = {before}\n" in conf.read_text()
    conf.write_text(conf.read_text().replace(f"DETACH_TIMEOUT = {before}\n", f"DETACH_TIMEOUT = {seconds}\n"))
    for pid in cloud.lab.pids("fe", "one_vmm"):
        cloud.lab.on("fe", "kill", pid)


def start(cloud, name, template, boot=""):
    identity = cloud.create(name, template.format(name=name, boot=boot), "--hold")
    cloud.cli("onevm", "deploy", name, "node01")
    cloud.wait(name, RUNNING, 60)
    return identity


class Guest:
    """What the guest says of itself."""

    def __init__(self, cloud, identity, name):
        self.cloud, self.name, self.id = cloud, name, identity
        self.files = cloud.lab.shared / f"0/{identity}"

    def beat(self):
        return Console(self.files / "console.log").last

    def lives(self):
        begun = self.beat()
        wait_for(f"the heartbeat of {self.name}", 60, lambda: self.beat() >= begun + 3)

    def has(self):
        """The last that it said to have: {"memory": ["61324"], "disks": ["vda"], ...}."""
        lines = re.findall(r"^HAS (.*)$", text_of(self.files / "console.log"), re.M)
        return {key: words.split() for key, words in re.findall(r"(\w+)=([^=]*)(?= \w+=|$)", lines[-1])} if lines else {}

    def sees(self, what, look):
        wait_for(f"the guest to see {what}; it has {self.has()}", 60, lambda: self.has() and look(self.has()))

    def does(self, *words, check=True):
        """A command, until the machine runs again."""
        said = self.cloud.cli("onevm", *words, check=check)
        self.cloud.wait(self.name, RUNNING, 60)
        return said

    def error(self):
        return self.cloud.vm(self.name).findtext("USER_TEMPLATE/ERROR")

    def virsh(self, *words):
        return self.cloud.lab.on("node01", "virsh", "-q", *words)


@pytest.fixture(scope="module")
def machine(cloud, guest):
    machine = Guest(cloud, start(cloud, "plug", TEMPLATE, guest), "plug")
    machine.lives()
    return machine


class TestChanges:
    story = True

    def test_disk(self, machine):
        machine.does("disk-attach", "plug", "--type", "fs", "--size", "16", "--prefix", "vd")
        assert machine.error() is None
        machine.sees("the disk", lambda has: "vdb" in has["disks"])
        assert (machine.files / "disk.1").exists()
        machine.does("disk-detach", "plug", "1")
        assert machine.error() is None
        machine.sees("that it is gone", lambda has: "vdb" not in has["disks"])
        assert not (machine.files / "disk.1").exists() and "disk.1" not in machine.virsh("domblklist", f"one-{machine.id}")

    def test_card(self, machine):
        machine.does("nic-attach", "plug", "--bridge", "br0")
        assert machine.error() is None
        machine.sees("the card", lambda has: "eth0" in has["nics"])
        machine.does("nic-detach", "plug", "0")
        assert machine.error() is None
        machine.sees("that it is gone", lambda has: "eth0" not in has["nics"])

    def test_snapshot_of_the_machine(self, machine):
        """After it the heart beats on from where it was."""
        machine.does("snapshot-create", "plug", "then")
        assert machine.error() is None
        assert "then" in machine.cloud.cli("onevm", "snapshot-list", "plug")
        machine.lives()
        before = machine.beat()
        machine.lives()
        machine.does("snapshot-revert", "plug", "0")
        assert machine.error() is None
        machine.lives()
        beats = Console(machine.files / "console.log").boots[-1]
        assert any(later < before <= sooner for sooner, later in zip(beats, beats[1:])), beats[-40:]
        machine.does("snapshot-delete", "plug", "0")
        assert machine.virsh("snapshot-list", "--name", f"one-{machine.id}").strip() == ""

    def test_memory_and_processors(self, machine):
        machine.does("resize", "plug", "--memory", "150", "--vcpu", "2")
        assert machine.error() is None
        machine.sees("its memory", lambda has: int(has["memory"][0]) > 100 * 1024)
        assert "153600" in machine.virsh("dommemstat", f"one-{machine.id}")
        assert re.search(r"current\s+live\s+2", machine.virsh("vcpucount", f"one-{machine.id}"))
        machine.does("snapshot-create", "plug", "no way back from there")
        assert "was given processors" in machine.error() and machine.cloud.vm("plug").find("TEMPLATE/SNAPSHOT") is None
        machine.does("resize", "plug", "--memory", "200")
        assert "MEMORY_MAX" in machine.error() and machine.cloud.vm("plug").findtext("TEMPLATE/MEMORY") == "150"

    def test_larger_disk(self, machine):
        machine.does("disk-resize", "plug", "0", "12")
        assert machine.error() is None
        assert str(12 << 20) in machine.virsh("domblkinfo", f"one-{machine.id}", "vda")

    def test_snapshot_of_a_disk(self, machine):
        machine.does("disk-snapshot-create", "plug", "0", "first")
        assert machine.error() is None
        copy = f"/var/lib/one/datastores/0/{machine.id}/disk.0.snap/0"
        assert re.search(r"=> +0 +-1 .* 12M +first", machine.cloud.cli("onevm", "disk-snapshot-list", "plug", "0"))
        said = machine.cloud.lab.on("node01", "qemu-img", "info", copy)
        assert "qcow2" in said and "12 MiB" in said
        assert "No current block job" in machine.cloud.lab.on("node01", "virsh", "blockjob", f"one-{machine.id}", "vda", check=False)
        machine.does("disk-snapshot-delete", "plug", "0", "0")
        assert not (machine.files / "disk.0.snap").exists()

    def test_driver_dies_while_a_disk_comes(self, machine):
        machine.cloud.cli("onevm", "disk-attach", "plug", "--type", "fs", "--size", "16", "--prefix", "vd")
        machine.cloud.lab.kill("fe", "one_vmm")
        machine.cloud.wait("plug", RUNNING, 60)
        machine.sees("the disk", lambda has: "vdb" in has["disks"])
        assert len(machine.cloud.vm("plug").findall("TEMPLATE/DISK")) == 2

    def test_off(self, machine):
        machine.cloud.cli("onevm", "poweroff", "--hard", "plug")
        machine.cloud.wait("plug", POWEROFF)
        kept = machine.cloud.lab.root("node01") / f"etc/libvirt/qemu/one-{machine.id}.xml"
        assert not kept.exists(), "a libvirtd that is started again would know the guest"
        machine.cloud.cli("onevm", "disk-detach", "plug", "1")
        machine.cloud.wait("plug", POWEROFF)
        wait_for("the disk gone", 20, lambda: len(machine.cloud.vm("plug").findall("TEMPLATE/DISK")) == 1)
        machine.cloud.cli("onevm", "disk-snapshot-create", "plug", "0", "cold")
        wait_for("the snapshot", 20, lambda: (machine.files / "disk.0.snap/1").exists())
        machine.cloud.wait("plug", POWEROFF)


def test_guest_that_does_not_let_go(cloud):
    """The disk stays, in the machine and in what is shown, and the reason is told."""
    detach_within(cloud, "240", "2")
    deaf = Guest(cloud, start(cloud, "deaf", DEAF), "deaf")
    deaf.does("disk-attach", "deaf", "--type", "fs", "--size", "8", "--prefix", "vd")
    assert deaf.error() is None
    deaf.does("disk-detach", "deaf", "1")
    assert "did not let go of disk 1" in deaf.error()
    assert len(cloud.vm("deaf").findall("TEMPLATE/DISK")) == 2 and (deaf.files / "disk.1").exists()
    assert "disk.1" in deaf.virsh("domblklist", f"one-{deaf.id}")
    deaf.does("snapshot-create", "deaf", "raw")
    assert "qcow2" in deaf.error() and cloud.vm("deaf").find("TEMPLATE/SNAPSHOT") is None
    cloud.cli("onevm", "delete", "deaf")
