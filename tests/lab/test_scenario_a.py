"""The cluster manual of 2009, command by command, with real libvirt and QEMU on two hosts.

Told twice: disks on storage that the hosts share, and disks that travel by ssh. The template is the
manual's own with the paths of this place. Each heartbeat of the guest stands in console.log beside its
disks, and the count of boots and beats also on its disk.
"""
import re
import shutil
import subprocess
import threading
import time

import pytest
from lab.cloud import LAB, NET, PENDING, RUNNING, STOPPED, SUSPENDED, Cloud, card_of, disk_count, wait_for
from lab.heartbeat import Console, text_of

MANUAL = """NAME = xen01
CPU = 1
MEMORY = 156
OS = [ kernel = {boot}/vmlinuz,
       initrd = {boot}/initrd.gz,
       root = sda2,
       kernel_cmd = "ro xencons=tty console=tty1"]
DISK = [ source = {disk}, clone = no, target = sda2, readonly = no]
DISK = [ type = swap, size = 512, target = "sda1", readonly = "no" ]
NIC = [mac=""]
"""

GUEST_ADDRESS = f"{NET}.99"  # as the card's address says
MODERN = """NAME = mover
CPU = 1
MEMORY = 100
OS = [ KERNEL = "{boot}/vmlinuz", INITRD = "{boot}/initrd.gz", KERNEL_CMD = "console=ttyS0 quiet panic=-1" ]
DISK = [ SOURCE = "{disk}", CLONE = "YES", TARGET = "vda" ]
NIC = [ BRIDGE = "br0", MAC = "{mac}" ]
"""


class ConsoleKeeper:
    """Reads the console's file on each host again and again: it goes away with the machine's directory."""

    def __init__(self, paths):
        self.paths = list(dict.fromkeys(paths))
        self.texts = ["" for _ in self.paths]
        self.going = True
        self.thread = threading.Thread(target=self.look, daemon=True)
        self.thread.start()

    def look(self):
        while self.going:
            self.texts = [max(text, text_of(path), key=len) for text, path in zip(self.texts, self.paths)]
            time.sleep(0.02)

    def console(self):
        return Console(texts=self.texts)

    def stop(self):
        self.going = False
        self.thread.join()
        return self.console()


class Story:
    """The steps, in the order of the manual. What differs between the two transfers is in the subclasses."""

    story = True

    # Where things are on the hosts, and what oned.conf says beside that.
    datastores = boot = disk = None
    name = settings = ""

    @pytest.fixture(scope="class")
    def cloud(self, lab, guest, request):
        self.prepare(lab)
        cloud = Cloud(lab, self.name, self.datastores, f"MONITORING_INTERVAL_HOST = 2\n{self.settings}",
                      "NEW_MACHINE_DELAY = 30")  # who deploys by hand is given the time, as in 2009
        try:
            cloud.start()
            yield cloud
        finally:
            if request.node.cls.__dict__.get("broken"):
                print(cloud.logs())
            lab.clean()
            cloud.stop()

    def prepare(self, lab):
        """Puts kernel and disk where the hosts of this story have them."""
        raise NotImplementedError

    def add_host(self, host):
        """The words behind `onehost`."""
        raise NotImplementedError

    def directory(self, lab, host, identity):
        """The directory of a machine on a host, seen from outside."""
        raise NotImplementedError

    def count(self, cloud):
        """(boots, beats) that the disk of xen01 holds, wherever it is now."""
        raise NotImplementedError

    def beats_on(self, cloud, boots, seconds=15):
        """The guest lives: its count on the disk grows, in the same boot."""
        before = self.count(cloud)
        assert before[0] == boots, f"boot {before[0]} of the guest, not {boots}"
        wait_for("the heartbeat on the disk", seconds, lambda: self.count(cloud)[1] > before[1])
        assert self.count(cloud)[0] == boots

    # ---- the manual ----

    def test_start_shows_two_daemons_and_drivers(self, cloud):
        processes = cloud.lab.front("ps", "-eo", "args")
        assert "oned" in processes and "mm_sched" in processes

    def test_add_hosts_by_name(self, cloud):
        for host in cloud.lab.hosts:
            cloud.cli("onehost", *self.add_host(host))
        for host in cloud.lab.hosts:
            cloud.wait_host(host, "on")
        listed = cloud.cli("onehost", "list")
        assert "node01" in listed and "node02" in listed

    def test_create_and_deploy_by_name(self, cloud):
        text = MANUAL.format(boot=self.boot, disk=self.disk)
        cloud.create("xen01", text)
        assert cloud.state("xen01") == PENDING
        cloud.cli("onevm", "deploy", "xen01", "node02")
        cloud.runs_on("xen01", "node02", 60)
        wait_for("the guest's first count on its disk", 60, lambda: self.count(cloud)[0] == 1)

    def test_list(self, cloud):
        listed = cloud.cli("onevm", "list")
        assert "xen01" in listed and "node02" in listed and "runn" in listed
        # The same name in the hypervisor's own list.
        assert "xen01" in cloud.lab.on("node02", "virsh", "-q", "list", "--title")

    def test_cold_migration(self, cloud):
        self.beats_on(cloud, 1)
        before = self.count(cloud)
        cloud.cli("onevm", "migrate", "xen01", "node01")
        wait_for("xen01 on node01", 60, lambda: cloud.host_of("xen01") == "node01")
        cloud.runs_on("xen01", "node01", 60)
        self.beats_on(cloud, 1)  # the same boot: what ran in the guest goes on
        assert self.count(cloud)[1] > before[1]

    def test_live_migration(self, cloud):
        before = self.count(cloud)
        cloud.cli("onevm", "livemigrate", "xen01", "node02")
        wait_for("xen01 on node02", 60, lambda: cloud.host_of("xen01") == "node02")
        cloud.runs_on("xen01", "node02", 60)
        self.beats_on(cloud, 1)
        assert self.count(cloud)[1] > before[1]

    def test_suspend_and_resume(self, cloud):
        cloud.cli("onevm", "suspend", "xen01")
        cloud.wait("xen01", SUSPENDED, 60)
        assert not cloud.lab.domains("node02")
        cloud.cli("onevm", "resume", "xen01")
        cloud.runs_on("xen01", "node02", 60)
        self.beats_on(cloud, 1)

    def test_stop_and_resume(self, cloud):
        before = self.count(cloud)
        cloud.cli("onevm", "stop", "xen01")
        cloud.wait("xen01", STOPPED, 60)
        assert not cloud.lab.domains("node01") and not cloud.lab.domains("node02")
        cloud.cli("onevm", "resume", "xen01")  # the scheduler chooses where it goes on
        cloud.wait("xen01", RUNNING, 60)
        cloud.runs_on("xen01", cloud.host_of("xen01"))
        self.beats_on(cloud, 1)
        assert self.count(cloud)[1] > before[1]

    def test_reboot(self, cloud):
        cloud.cli("onevm", "reboot", "xen01")
        wait_for("the second boot", 60, lambda: self.count(cloud)[0] == 2)
        cloud.wait("xen01", RUNNING, 30)

    def test_shutdown(self, cloud):
        cloud.cli("onevm", "shutdown", "xen01")
        wait_for("xen01 gone from the list", 60, lambda: not self.still_known(cloud, "xen01"))
        wait_for("no domain left", 30, lambda: not cloud.lab.domains("node01") + cloud.lab.domains("node02"))

    def still_known(self, cloud, name):
        return name in cloud.cli("onevm", "list", "--no-header", "-l", "NAME")

    # ---- a machine in today's words: no beat is lost, and the network answers ----

    def test_mover_beats_through_a_live_migration(self, cloud):
        text = MODERN.format(boot=self.boot, disk=self.disk, mac=card_of(GUEST_ADDRESS))
        identity = cloud.create("mover", text)
        cloud.cli("onevm", "deploy", "mover", "node01")
        cloud.runs_on("mover", "node01", 60)
        keeper = ConsoleKeeper([self.directory(cloud.lab, host, identity) / "console.log" for host in cloud.lab.hosts])
        wait_for("five beats", 60, lambda: keeper.console().last >= 5)
        ping = subprocess.Popen(  # the guest answers all the while
            [str(LAB), "fe", "ping", "-q", "-i", "0.2", "-w", "10", GUEST_ADDRESS],
            env=cloud.lab.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        time.sleep(1)
        begun = keeper.console().last
        cloud.cli("onevm", "migrate", "--live", "mover", "node02")
        wait_for("mover on node02", 60, lambda: cloud.host_of("mover") == "node02")
        cloud.runs_on("mover", "node02", 60)
        wait_for("beats on node02", 20, lambda: keeper.console().last >= begun + 10)
        console = keeper.stop()
        assert len(console.boots) == 1 and not console.breaks(), (len(console.boots), console.breaks())
        answered = ping.communicate()[0]
        lost = float(re.search(r"([\d.]+)% packet loss", answered).group(1))
        assert lost <= 50, answered  # a guest that is emulated on a busy computer answers late
        wait_for("an answer", 60, lambda: "1 received" in cloud.lab.front("ping", "-c1", "-W3", GUEST_ADDRESS, check=False))

    def test_delete(self, cloud):
        cloud.cli("onevm", "delete", "mover")
        wait_for("mover gone", 30, lambda: not self.still_known(cloud, "mover"))
        wait_for("no domain left", 30, lambda: not cloud.lab.domains("node01") + cloud.lab.domains("node02"))
        self.nothing_left(cloud)

    def nothing_left(self, cloud):
        """No disk of a machine that is gone stays on a host."""
        for host in cloud.lab.hosts:
            left = cloud.lab.on(host, "sh", "-c", f"find {self.datastores}/0 -mindepth 1 2>/dev/null", check=False).split()
            assert not left, f"{host} still has {left}"


class TestShared(Story):
    name = "shared"
    datastores = "/var/lib/one/datastores"
    boot = "/var/lib/one/datastores/guest"
    disk = "/var/lib/one/datastores/domains/xen01/disk.img"

    def add_host(self, host):
        return "add", host, "im_qemu", "vmm_qemu", "tm_nfs"  # the words of 2009

    def prepare(self, lab):
        target = lab.shared / "domains/xen01/disk.img"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(lab.shared / "guest/disk.img", target)

    def directory(self, lab, host, identity):
        return lab.shared / f"0/{identity}"

    def count(self, cloud):
        return disk_count(cloud.lab.shared / "domains/xen01/disk.img")

    def test_disk_of_the_site_is_kept(self, cloud):
        """clone = no: the disk belongs to the site, and outlives the machine."""
        assert self.count(cloud)[0] == 2


class TestSsh(Story):
    name, settings = "ssh", 'DEFAULT_TM_MAD = "ssh"'
    datastores = "/srv/local/datastores"
    boot = "/srv/local/boot"
    disk = "/srv/local/images/disk.img"

    def add_host(self, host):
        return "create", host, "-i", "qemu", "-v", "qemu"  # the words of today

    def prepare(self, lab):
        for host in [*lab.hosts, "fe"]:
            shutil.copytree(lab.shared / "guest", lab.local(host) / "boot", dirs_exist_ok=True)
            (lab.local(host) / "datastores").mkdir(exist_ok=True)
        (lab.local("fe") / "images").mkdir(exist_ok=True)
        shutil.copy(lab.shared / "guest/disk.img", lab.local("fe") / "images/disk.img")

    def directory(self, lab, host, identity):
        return lab.local(host) / f"datastores/0/{identity}"

    def count(self, cloud):
        vm = cloud.vm("xen01")
        host = vm.findall("HISTORY_RECORDS/HISTORY")[-1].findtext("HOSTNAME")
        path = self.directory(cloud.lab, host, vm.findtext("ID")) / "disk.0"
        return disk_count(path) if path.exists() else (0, 0)
