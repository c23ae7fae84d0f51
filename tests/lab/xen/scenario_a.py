"""The cluster manual of 2009 with what it was written for: Xen hosts, `onehost add node01 im_xen vmm_xen tm_nfs`.

Not among what `./check` collects, since it takes many minutes: tests/lab/xen/run. Hosts are real Xen 4.17 in
software emulation (tests/lab/xen/bed); our drivers reach their libvirt by ssh, as on a site. All limits are wide:
a host has a fraction of one core. What each step took is printed at the end.
"""
import os
import re
import shlex
import shutil
import subprocess
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from lab.cloud import PENDING, RUNNING, STOPPED, SUSPENDED, Cloud, Lab, disk_count, wait_for
from lab.test_scenario_a import MANUAL

BED = Path(__file__).resolve().parent / "bed"
LONG = int(os.environ.get("XEN_STEP_SECONDS", "900"))  # what a step may take
STEPS = []  # (what, seconds)

# A machine that can move live: Debian's Xen does so with PVH machines only.
MOVER = """NAME = mover
CPU = 1
MEMORY = 100
OS = [ MACHINE = "xenpvh", KERNEL = "{boot}/vmlinuz", INITRD = "{boot}/initrd.gz",
       KERNEL_CMD = "console=hvc0 quiet panic=-1" ]
DISK = [ SOURCE = "{disk}", CLONE = "YES", TARGET = "xvda" ]
NIC = [ MAC = "02:00:{address}" ]
"""

# The same machine as Xen has always known it, paravirtual.
TALKER = MOVER.replace("NAME = mover", "NAME = talker").replace('MACHINE = "xenpvh", ', "")

# A computer with BIOS, disk and screen, which a device model (qemu-system-xen in dom0) plays.
WHOLE = """NAME = whole
CPU = 1
MEMORY = 64
OS = [ BOOT = "hd" ]
DISK = [ SOURCE = "{disk}", CLONE = "NO", TARGET = "hda", FORMAT = "raw" ]
GRAPHICS = [ TYPE = "vnc", LISTEN = "0.0.0.0" ]
"""

# What it boots: says every second on its serial line which key it heard last.
BOOT_SECTOR = """.code16
start:  xorw %ax, %ax
        movw %ax, %ds
again:  movw $text, %si
next:   lodsb
        testb %al, %al
        jz listen
        movb %al, %bl
        movw $0x3fd, %dx
full:   inb %dx, %al
        testb $0x20, %al
        jz full
        movb %bl, %al
        movw $0x3f8, %dx
        outb %al, %dx
        jmp next
listen: movw $0x3fd, %dx
        inb %dx, %al
        testb $1, %al
        jz rest
        movw $0x3f8, %dx
        inb %dx, %al
        movb %al, key
rest:   movb $0x86, %ah
        movw $0x0f, %cx
        movw $0x4240, %dx
        int $0x15
        jmp again
text:   .ascii "WHOLE heard "
key:    .ascii "-\\r\\n\\0"
        .org 510
        .byte 0x55, 0xaa
"""


# A host in software emulation on a busy computer may be silent longer than a real one.
SETTINGS = """MONITORING_INTERVAL_HOST = 20
IM_MAD = [ NAME = "im_xen",  EXECUTABLE = "one_im",  ARGUMENTS = "-w 300 xen" ]
VM_MAD = [ NAME = "vmm_xen", EXECUTABLE = "one_vmm", ARGUMENTS = "-w 300 xen", TYPE = "xen" ]
"""


class XenLab(Lab):
    """A front-end in namespaces of this computer, and Xen hosts that are computers of their own."""

    program = BED

    def __init__(self, hosts=2):
        super().__init__(hosts)
        self.prefix = os.environ.get("LAB_PREFIX", f"x{os.getpid()}")
        self.net = os.environ.get("LAB_NET", "10.91.0")
        self.dir = Path(os.environ.get("LAB_DIR", f"/var/tmp/globule-{self.prefix}"))
        self.environment = dict(os.environ, LAB_PREFIX=self.prefix, LAB_NET=self.net, LAB_DIR=str(self.dir))
        self.shared = self.dir / "shared"

    def up(self):
        print(self.call("up", len(self.hosts), timeout=2400))

    def on(self, host, *words, **options):
        return self.call("exec", host, shlex.join(words), timeout=LONG, **options)

    def domains(self, host):
        return [name for name in super().domains(host) if name != "Domain-0"]

    def xl(self, host):
        """{name: (id, state)} by Xen's own tool, which knows nothing of libvirt."""
        rows = [line.split() for line in self.on(host, "xl", "list").splitlines()[1:]]
        return {row[0]: (int(row[1]), row[4]) for row in rows if row[0] != "Domain-0"}

    def console(self, host, identity):
        """What a machine said on this host, as Xen's console daemon kept it: for a machine that came, the end."""
        return self.on(host, "sh", "-c", f"cat /var/log/xen/guest-one-{identity}*.log", check=False).replace("\r", "")


class step:
    """Times a part of the story for the table at the end."""

    def __init__(self, what):
        self.what = what

    def __enter__(self):
        self.begun = time.monotonic()

    def __exit__(self, kind, *_):
        STEPS.append((self.what + ("" if kind is None else ": FAILED"), time.monotonic() - self.begun))


@pytest.fixture(scope="session")
def lab():
    if os.geteuid() != 0:
        pytest.skip("the lab makes network namespaces: only root can")
    lab = XenLab(2)
    keep = os.environ.get("XEN_BED") == "keep"
    if keep and (lab.dir / "node02/pid").exists():
        for host in lab.hosts:
            for domain in lab.domains(host):
                lab.on(host, "virsh", "destroy", domain, check=False)
            lab.on(host, "sh", "-c", "for log in /var/log/xen/guest-*; do : >$log; done")
    else:
        lab.call("down", check=False)
        with step("two hosts boot: Xen, dom0, libvirt"):
            lab.up()
    yield lab
    if not keep:
        lab.down()


class TestManual:
    story = True
    boot = "/var/lib/one/datastores/guest"
    disk = "/var/lib/one/datastores/domains/xen01/disk.img"

    @pytest.fixture(scope="class")
    def cloud(self, lab, guest, request):
        del guest
        target = lab.shared / "domains/xen01/disk.img"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(lab.shared / "guest/disk.img", target)
        cloud = Cloud(lab, "xen", "/var/lib/one/datastores", SETTINGS,
                      "NEW_MACHINE_DELAY = 300")  # the manual deploys by hand
        if cloud.home.exists():  # of an earlier run on a bed that was kept
            cloud.stop()
            shutil.rmtree(cloud.home)
        try:
            cloud.start()
            yield cloud
        finally:
            if request.node.cls.__dict__.get("broken"):
                print(cloud.logs())
                for host in lab.hosts:
                    print(lab.on(host, "sh", "-c", "xl list; tail -n 20 /var/log/libvirt/libvirtd.log "
                                 "/var/log/libvirt/libxl/*.log /var/log/xen/*.log", check=False))
            cloud.stop()

    # ---- what is looked at ----

    @staticmethod
    def beats(cloud):
        return disk_count(cloud.lab.shared / "domains/xen01/disk.img")

    def beats_on(self, cloud, boots):
        """The guest lives, in the same boot: its count on the disk grows."""
        before = self.beats(cloud)
        assert before[0] == boots, f"boot {before[0]} of the guest, not {boots}"
        wait_for("the heartbeat on the disk", LONG, lambda: self.beats(cloud)[1] > before[1])
        assert self.beats(cloud)[0] == boots

    def is_on(self, cloud, name, host):
        """By our word, by libvirt's on both hosts, and by Xen's own."""
        wait_for(f"{name} on {host}", LONG, lambda: cloud.host_of(name) == host)
        cloud.runs_on(name, host, LONG)
        assert list(cloud.lab.xl(host)) == [cloud.vm(name).findtext("DEPLOY_ID")]

    # ---- the manual ----

    def test_hosts(self, cloud):
        with step("onehost add, both hosts on"):
            for host in cloud.lab.hosts:
                cloud.cli("onehost", "add", host, "im_xen", "vmm_xen", "tm_nfs")
            for host in cloud.lab.hosts:
                cloud.wait_host(host, "on", LONG)
        shown = ET.fromstring(cloud.cli("onehost", "show", "-x", "node01"))
        assert shown.findtext("TEMPLATE/HYPERVISOR") == "xen"
        # What dom0 has is not for machines.
        said = cloud.lab.on("node01", "sh", "-c", "xl info total_memory; xl list 0")
        total, dom0 = int(said.split()[0]), int(re.search(r"^Domain-0 +\d+ +(\d+)", said, re.M).group(1))
        assert abs(int(shown.findtext("HOST_SHARE/TOTAL_MEM")) / 1024 - (total - dom0)) < 8, (ET.tostring(shown), said)
        listed = cloud.cli("onehost", "list")
        assert "node01" in listed and "node02" in listed

    def test_create_and_deploy(self, cloud):
        cloud.create("xen01", MANUAL.format(boot=self.boot, disk=self.disk))
        assert cloud.state("xen01") == PENDING
        with step("onevm deploy xen01 node02, until it is RUNNING"):
            cloud.cli("onevm", "deploy", "xen01", "node02")
            self.is_on(cloud, "xen01", "node02")
        with step("until the guest has counted its first boot on its disk"):
            wait_for("the guest's first count", LONG, lambda: self.beats(cloud)[0] == 1)
        assert self.os_type(cloud, "node02", "xen01") == "linux"

    @staticmethod
    def os_type(cloud, host, name):
        deploy_id = cloud.vm(name).findtext("DEPLOY_ID")
        said = cloud.lab.on(host, "virsh", "dumpxml", deploy_id, "--xpath", "/domain/os/type")
        return re.search(r">(\w+)<", said).group(1)

    def test_list(self, cloud):
        listed = cloud.cli("onevm", "list")
        assert "xen01" in listed and "node02" in listed and "runn" in listed
        # The same name in the hypervisor's own list.
        assert "xen01" in cloud.lab.on("node02", "virsh", "-q", "list", "--title")

    def test_cold_migration(self, cloud):
        self.beats_on(cloud, 1)
        with step("onevm migrate xen01 node01 (cold: saved, restored)"):
            cloud.cli("onevm", "migrate", "xen01", "node01")
            self.is_on(cloud, "xen01", "node01")
            self.beats_on(cloud, 1)  # the same boot: what ran in the guest goes on

    def test_suspend_and_resume(self, cloud):
        with step("onevm suspend xen01 (memory to a file)"):
            cloud.cli("onevm", "suspend", "xen01")
            cloud.wait("xen01", SUSPENDED, LONG)
        assert not cloud.lab.xl("node01")
        with step("onevm resume xen01"):
            cloud.cli("onevm", "resume", "xen01")
            self.is_on(cloud, "xen01", "node01")
            self.beats_on(cloud, 1)

    def test_stop_and_resume(self, cloud):
        with step("onevm stop xen01"):
            cloud.cli("onevm", "stop", "xen01")
            cloud.wait("xen01", STOPPED, LONG)
        assert not cloud.lab.xl("node01") and not cloud.lab.xl("node02")
        with step("onevm resume xen01, deploy on node02"):
            cloud.cli("onevm", "resume", "xen01")
            cloud.cli("onevm", "deploy", "xen01", "node02")
            self.is_on(cloud, "xen01", "node02")
            self.beats_on(cloud, 1)

    def test_refuses_to_move_pv_live(self, cloud):
        """Debian's hypervisor has no shadow paging, so it cannot track what a PV guest writes. The machine must
        be found where it was, running, and nothing of it on the other host."""
        with step("onevm livemigrate xen01 node01 (PV): refused, goes on at node02"):
            cloud.cli("onevm", "livemigrate", "xen01", "node01", check=False)
            cloud.wait("xen01", RUNNING, LONG)
            self.is_on(cloud, "xen01", "node02")
            self.beats_on(cloud, 1)
        assert not cloud.lab.xl("node01")

    def test_reboot(self, cloud):
        with step("onevm reboot xen01"):
            cloud.cli("onevm", "reboot", "xen01")
            wait_for("the second boot", LONG, lambda: self.beats(cloud)[0] == 2)
            cloud.wait("xen01", RUNNING, LONG)
        assert "POWEROFF" not in cloud.vm_log("xen01")  # Xen ends it and makes it anew; it was never off
        shown = cloud.vm("xen01")
        wait_for("figures of its network", LONG, lambda: int(cloud.vm("xen01").findtext("MONITORING/NETTX") or -1) >= 0)
        assert int(shown.findtext("MONITORING/MEMORY")) == 156 * 1024

    def test_shutdown(self, cloud):
        with step("onevm shutdown xen01"):
            cloud.cli("onevm", "shutdown", "xen01")
            wait_for("xen01 gone from the list", LONG, lambda: not self.still_known(cloud, "xen01"))
        assert not cloud.lab.xl("node01") and not cloud.lab.xl("node02")
        assert self.beats(cloud)[0] == 2  # clone = no: the disk belongs to the site, and outlives the machine

    @staticmethod
    def still_known(cloud, name):
        return name in cloud.cli("onevm", "list", "--no-header", "-l", "NAME")

    # ---- live ----

    def test_live_migration(self, cloud):
        address = ":".join(f"{int(part):02x}" for part in f"{cloud.lab.net}.99".split("."))
        identity = cloud.create("mover", MOVER.format(boot=self.boot, disk=self.disk, address=address))
        with step("onevm deploy mover node01 (PVH), until its fifth beat"):
            cloud.cli("onevm", "deploy", "mover", "node01")
            self.is_on(cloud, "mover", "node01")
            wait_for("five beats", LONG, lambda: "HB 5 " in cloud.lab.console("node01", identity))
        assert self.os_type(cloud, "node01", "mover") == "xenpvh"
        cloud.lab.front("ping", "-c", "1", "-w", "30", f"{cloud.lab.net}.99")
        with step("onevm livemigrate mover node02 (PVH)"):
            cloud.cli("onevm", "livemigrate", "mover", "node02")
            self.is_on(cloud, "mover", "node02")
        before = [int(beat) for beat in re.findall(r"^HB (\d+) ", cloud.lab.console("node01", identity), re.M)]
        after = [int(beat) for beat in re.findall(r"^HB (\d+) ", cloud.lab.console("node02", identity), re.M)]
        assert before and after and after[0] <= before[-1] + 2, (before[-3:], after[:3])
        assert "GUEST-UP" not in cloud.lab.console("node02", identity)
        cloud.lab.front("ping", "-c", "1", "-w", "30", f"{cloud.lab.net}.99")
        assert not cloud.lab.xl("node01")

    # ---- consoles, and a computer with a BIOS ----

    @staticmethod
    def console(cloud, name, *talk):
        """What `onevm console` shows of a machine. `talk`: (what to wait for, what to type then)."""
        script = f'onevm console {name} --log "$1" >/dev/null'
        wait = "".join(f"i=0; until grep -aqE {shlex.quote(seen)} \"$1\" || [ $i = {LONG} ]; do sleep 1; i=$((i+1)); done; "
                       f"printf %s {shlex.quote(typed)}; " for seen, typed in talk)
        cloud.cli("sh", "-c", f'rm -f "$1"; : >"$1"; {{ {wait}}} | {script}', "sh", cloud.home / f"{name}.said", timeout=LONG * 2)
        return (cloud.home / f"{name}.said").read_text(errors="replace")

    def test_console(self, cloud):
        """PVH here, PV on the other host: by the same command, what the guest says from now on."""
        cloud.create("talker", TALKER.format(boot=self.boot, disk=self.disk, address="0a:5b:00:62"))
        cloud.cli("onevm", "deploy", "talker", "node01")
        self.is_on(cloud, "talker", "node01")
        assert self.os_type(cloud, "node01", "talker") == "linux"
        with step("onevm console mover (PVH), until it says something"):
            assert re.search(r"HB \d+ ", self.console(cloud, "mover", ("HB [0-9]+ ", "")))
        with step("onevm console talker (PV), until its third beat"):
            assert "HB 3 " in self.console(cloud, "talker", ("HB 3 ", ""))
        cloud.cli("onevm", "delete", "talker")
        wait_for("talker gone", LONG, lambda: not self.still_known(cloud, "talker"))
        assert not cloud.lab.xl("node01")

    def test_whole_computer(self, cloud):
        disk = cloud.lab.shared / "guest/whole.img"
        source = cloud.home / "whole.s"
        source.write_text(BOOT_SECTOR)
        subprocess.run(["as", "--32", "-o", f"{source}.o", source], check=True)
        subprocess.run(["ld", "-m", "elf_i386", "-e", "start", "-Ttext", "0x7c00", "--oformat", "binary", "-o", disk,
                        f"{source}.o"], check=True)
        os.truncate(disk, 1 << 20)
        cloud.create("whole", WHOLE.format(disk=f"{self.boot}/whole.img"))
        with step("onevm deploy whole node01 (HVM), until it is RUNNING"):
            cloud.cli("onevm", "deploy", "whole", "node01")
            self.is_on(cloud, "whole", "node01")
        assert self.os_type(cloud, "node01", "whole") == "hvm"
        with step("onevm console whole: it hears a key and says so"):
            said = self.console(cloud, "whole", ("heard -", "x"), ("heard x", ""))
        assert "WHOLE heard -" in said and "WHOLE heard x" in said, said
        shown = cloud.lab.on("node01", "virsh", "vncdisplay", cloud.vm("whole").findtext("DEPLOY_ID"))
        port = 5900 + int(shown.strip().rsplit(":", 1)[1])
        assert int(cloud.vm("whole").findtext("TEMPLATE/GRAPHICS/PORT")) == port
        assert cloud.lab.front("bash", "-c", f"exec 3<>/dev/tcp/node01/{port}; timeout 60 head -c 12 <&3").startswith("RFB 003.")
        with step("onevm terminate --hard whole"):
            cloud.cli("onevm", "terminate", "--hard", "whole")
            wait_for("whole gone", LONG, lambda: not self.still_known(cloud, "whole"))
        assert not cloud.lab.xl("node01")
        disk.unlink()

    def test_delete(self, cloud):
        with step("onevm delete mover"):
            cloud.cli("onevm", "delete", "mover")
            wait_for("mover gone", LONG, lambda: not self.still_known(cloud, "mover"))
        assert not cloud.lab.xl("node01") and not cloud.lab.xl("node02")
        left = list((cloud.lab.shared / "0").glob("*/*"))
        assert not left, f"left on the datastore: {left}"
