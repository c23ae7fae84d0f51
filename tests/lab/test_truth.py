"""Something is killed in the middle, and the truth is restored: the machine lives on, once, and is shown so."""
import json
import re
import time

import pytest
from lab.cloud import POWEROFF, RUNNING, UNKNOWN, Cloud, wait_for
from lab.heartbeat import Console

TEMPLATE = """NAME = "{name}"
CPU = 0.5
MEMORY = 100
OS = [ KERNEL = "{boot}/vmlinuz", INITRD = "{boot}/initrd.gz", KERNEL_CMD = "console=ttyS0 quiet panic=-1" ]
DISK = [ SOURCE = "{boot}/disk.img", CLONE = "YES", TARGET = "vda" ]
"""


@pytest.fixture(scope="module")
def cloud(lab, guest):
    cloud = Cloud(lab, "truth", "/var/lib/one/datastores", "MONITORING_INTERVAL_HOST = 2\nMONITORING_INTERVAL_VM = 2")
    cloud.start()
    # Two names of one driver: machines move between them.
    for host, driver in zip(lab.hosts, ("qemu", "vmm_qemu")):
        cloud.cli("onehost", "create", host, "-i", "qemu", "-v", driver)
    for host in lab.hosts:
        cloud.wait_host(host, "on")
    yield cloud
    lab.clean()
    cloud.stop()


class Machine:
    def __init__(self, cloud, guest, name, host):
        self.cloud, self.name = cloud, name
        self.id = cloud.create(name, TEMPLATE.format(name=name, boot=guest), "--hold")
        self.path = cloud.lab.shared / f"0/{self.id}/console.log"
        cloud.cli("onevm", "deploy", name, host)

    def lives(self, host=None, seconds=60):
        """RUNNING on one host alone, heart beating, one boot, no beat lost."""
        self.cloud.wait(self.name, RUNNING, seconds)
        self.cloud.runs_on(self.name, host or self.cloud.host_of(self.name))
        begun = Console(self.path).last
        wait_for(f"the heartbeat of {self.name}", 30, lambda: Console(self.path).last >= begun + 5)
        console = Console(self.path)
        assert len(console.boots) == 1 and not console.breaks(), (len(console.boots), console.breaks())


@pytest.fixture
def machine(cloud, guest, request):
    machine = Machine(cloud, guest, request.node.name.removeprefix("test_")[:40], "node01")
    machine.lives("node01")
    yield machine
    cloud.cli("onevm", "delete", machine.name, check=False)
    wait_for(f"{machine.name} gone", 40, lambda: f"one-{machine.id}" not in
             cloud.lab.domains("node01") + cloud.lab.domains("node02"))


def restart(cloud):
    """After kill -9: nothing stands in the way of a plain start."""
    wait_for("oned to be gone", 10, lambda: not cloud.lab.pids("fe", "oned"))
    cloud.cli("one", "start")


def test_oned_killed_at_rest(cloud, machine):
    cloud.lab.kill("fe", "oned")
    restart(cloud)
    machine.lives("node01")


def test_oned_killed_while_a_machine_boots(cloud, guest):
    booting = Machine(cloud, guest, "booting", "node02")
    cloud.lab.kill("fe", "oned")
    restart(cloud)
    booting.lives("node02")
    cloud.cli("onevm", "delete", "booting")


@pytest.mark.parametrize("delay", [0.0, 0.4, 0.9])
def test_oned_killed_during_live_migration(cloud, machine, delay):
    cloud.cli("onevm", "migrate", "--live", machine.name, "node02")
    time.sleep(delay)
    cloud.lab.kill("fe", "oned")
    restart(cloud)
    machine.lives()


def test_driver_killed_during_live_migration(cloud, machine):
    cloud.cli("onevm", "migrate", "--live", machine.name, "node02")
    time.sleep(0.3)
    cloud.lab.kill("fe", "one_vmm")
    machine.lives()
    wait_for("the driver back", 20, lambda: cloud.cli("onevm", "migrate", "--live", machine.name, {
        "node01": "node02", "node02": "node01"}[cloud.host_of(machine.name)], check=False) is not None)
    machine.lives()


def test_driver_killed_while_the_hosts_migrate(cloud, machine):
    """Led by the hosts, the migration goes on without the driver, and ends where it was to end."""
    options = cloud.home / "peers.one"
    options.write_text("MIGRATE = [ PEER2PEER = YES, BANDWIDTH = 30 ]\n")
    cloud.cli("onevm", "update", "--append", machine.name, options)
    cloud.cli("onevm", "migrate", "--live", machine.name, "node02")
    wait_for("the move to begin", 30, lambda: f"one-{machine.id}" in cloud.lab.domains("node02"))
    cloud.lab.kill("fe", "one_vmm")
    machine.lives("node02")


def test_information_driver_killed(cloud, machine):
    cloud.lab.kill("fe", "one_im")
    wait_for("another one_im", 20, lambda: cloud.lab.pids("fe", "one_im"))
    cloud.wait_host("node01", "on")
    machine.lives("node01")


def test_transfer_driver_killed(cloud, machine, guest):
    cloud.lab.kill("fe", "one_tm")
    second = Machine(cloud, guest, "after-tm", "node02")
    second.lives("node02")
    cloud.cli("onevm", "delete", "after-tm")


def test_libvirtd_killed(cloud, machine):
    """libvirtd is gone for a while: the machine is not called powered off, and comes back by itself."""
    cloud.lab.on("node01", "touch", "/run/hold.libvirtd")
    try:
        cloud.lab.kill("node01", "libvirtd")
        cloud.wait_host("node01", "err")
        assert cloud.state(machine.name) in (RUNNING, UNKNOWN)
        assert "node01" in cloud.cli("onehost", "show", "node01")
    finally:
        cloud.lab.on("node01", "rm", "-f", "/run/hold.libvirtd")
    cloud.wait_host("node01", "on")
    machine.lives("node01")


def test_migration_is_checked_and_kept_on_record(cloud, machine):
    """The command's own options reach libvirt, and what libvirt measured is on record."""
    check = cloud.cli("onevm", "migrate", "--check", machine.name, "node02")
    assert check.splitlines()[0] == f"Machine {machine.id} from node01 to node02: possible", check
    assert re.search(r"^Estimate: \d+ ms in all, \d+ ms without the machine, ", check, re.M), check
    cloud.cli("onevm", "migrate", "--live", machine.name, "node02", "--bandwidth", "200M", "--max-downtime", "1s", "--wait")
    machine.lives("node02")
    rows = json.loads(cloud.cli("onevm", "migrations", machine.name, "-j"))["MIGRATION_POOL"]["MIGRATION"]
    assert (rows["RESULT"], rows["KIND"], rows["STORAGE"], rows["MODE"]) == ("success", "live", "shared", "precopy"), rows
    assert 0 < int(rows["TOTAL_MS"]) <= int(rows["ELAPSED_MS"]) and 0 <= int(rows["DOWNTIME_MS"]) <= int(rows["TOTAL_MS"]), rows
    assert int(rows["MEMORY_BYTES"]) > 1 << 20 and int(rows["ROUNDS"]) >= 1, rows


def test_libvirtd_killed_during_live_migration(cloud, machine):
    cloud.cli("onevm", "migrate", "--live", machine.name, "node02")
    time.sleep(0.4)
    cloud.lab.kill("node02", "libvirtd")
    cloud.wait_host("node02", "on", 60)
    machine.lives(seconds=120)


def test_sshd_killed(cloud, machine):
    """The way to the host is cut: the host says so, its machine is not called off, and both come back."""
    cloud.lab.on("node01", "touch", "/run/hold.sshd")
    try:
        cloud.lab.kill("node01", "sshd")
        cloud.wait_host("node01", "err")
        assert cloud.state(machine.name) in (RUNNING, UNKNOWN)
        cloud.wait_host("node02", "on")
    finally:
        cloud.lab.on("node01", "rm", "-f", "/run/hold.sshd")
    cloud.wait_host("node01", "on")
    machine.lives("node01")


def intervals(cloud, before, seconds):
    """How often hosts are asked; what is under way has ended when it returns."""
    conf = cloud.home / "etc/oned.conf"
    text = conf.read_text()
    conf.write_text(re.sub(rf"^(MONITORING_INTERVAL_(?:HOST|VM)) = {before}$", rf"\1 = {seconds}", text, flags=re.M))
    assert conf.read_text() != text
    told = cloud.log(100000).count("MONITORING_INTERVAL_HOST is in force now")
    cloud.lab.kill("fe", "oned", "HUP")
    wait_for("the new interval", 20, lambda: cloud.log(100000).count("MONITORING_INTERVAL_HOST is in force now") > told)
    time.sleep(2 * min(before, seconds))


def test_guest_death_is_seen_at_once(cloud, machine):
    """kill -9 of the guest's QEMU is told by an event, not by the next poll: that one is an hour away."""
    pid = int(cloud.lab.on("node01", "cat", f"/run/libvirt/qemu/one-{machine.id}.pid"))
    intervals(cloud, 2, 3600)
    try:
        cloud.lab.on("node01", "kill", "-9", pid)
        cloud.wait(machine.name, POWEROFF, 40)
    finally:
        intervals(cloud, 3600, 2)


def test_poweroff_from_inside_is_seen(cloud, machine):
    """The guest turns itself off: libvirt says so, and it is POWEROFF; resume starts it again."""
    cloud.lab.on("node01", "virsh", "-q", "shutdown", f"one-{machine.id}")
    cloud.wait(machine.name, POWEROFF, 30)
    cloud.cli("onevm", "resume", machine.name)
    cloud.wait(machine.name, RUNNING, 60)
    wait_for("the second boot", 60, lambda: len(Console(machine.path).boots) == 2 and Console(machine.path).last > 3)


def test_host_crash(cloud, guest):
    """A power cut: the host is in error, its machine UNKNOWN; when the host is back the machine is off."""
    victim = Machine(cloud, guest, "victim", "node02")
    victim.lives("node02")
    cloud.lab.call("crash", "node02")
    cloud.wait_host("node02", "err", 60)
    assert cloud.state("victim") in (RUNNING, UNKNOWN)
    cloud.lab.call("start", "node02")
    cloud.wait_host("node02", "on", 60)
    cloud.wait("victim", POWEROFF, 60)
    cloud.cli("onevm", "delete", "victim")
    wait_for("no domain left", 30, lambda: not cloud.lab.domains("node02"))
