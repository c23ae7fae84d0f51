"""Containers by libvirt's own driver, from a host that is added as `lxc_libvirt` to the move by power: nothing of them can be
saved or moved while it runs, and that is said before anything is begun."""
import os
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET

import pytest
from lab.cloud import DONE, POWEROFF, RUNNING, Cloud, Failed, wait_for

# The container's first program counts its starts on its disk, and says again what it hears.
INIT = """#!/bin/busybox sh
trap 'exit 0' TERM
starts=$(($(/bin/busybox cat /starts 2>/dev/null || echo 0) + 1))
echo $starts >/starts
/bin/busybox sync
echo "start $starts on $(/bin/busybox hostname)"
while :; do
    if read -t 1 line; then echo "heard: $line (start $starts)"; fi
done
"""
TEMPLATE = """NAME = "box"
CPU = 0.5
MEMORY = 64
OS = [ INIT = "/sbin/init" ]
DISK = [ SOURCE = "/var/lib/one/datastores/box.img", CLONE = "YES" ]
NIC = [ BRIDGE = "br0" ]
"""


@pytest.fixture(scope="module")
def image(lab):
    """An ext4 file with busybox and the program above."""
    top = lab.dir / "box"
    for name in ("bin", "dev", "etc", "proc", "run", "sbin", "sys", "tmp"):
        (top / name).mkdir(parents=True, exist_ok=True)
    shutil.copy(shutil.which("busybox"), top / "bin/busybox")
    (top / "sbin/init").write_text(INIT)
    (top / "sbin/init").chmod(0o755)
    path = lab.shared / "box.img"
    with open(path, "wb") as image:
        image.truncate(16 << 20)
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-d", top, path], check=True)
    return path


@pytest.fixture(scope="module")
def cloud(lab, image):
    if not os.path.exists("/usr/lib/x86_64-linux-gnu/libvirt/connection-driver/libvirt_driver_lxc.so"):
        pytest.skip("libvirt has no driver for containers here: install libvirt-daemon-driver-lxc")
    cloud = Cloud(lab, "lxc_libvirt", "/var/lib/one/datastores", "MONITORING_INTERVAL_HOST = 2\nMONITORING_INTERVAL_VM = 2")
    cloud.start()
    for host in lab.hosts:
        cloud.cli("onehost", "create", host, "-i", "lxc_libvirt", "-v", "lxc_libvirt")
    for host in lab.hosts:
        cloud.wait_host(host, "on")
    yield cloud
    for host in lab.hosts:
        for name in containers(lab, host):
            lab.on(host, "virsh", "-q", "-c", "lxc:///system", "destroy", name, check=False)
    cloud.stop()


def containers(lab, host):
    return lab.on(host, "virsh", "-q", "-c", "lxc:///system", "list", "--name").split()


def says(cloud, text):
    """What the container answers on its console."""
    return cloud.lab.front("sh", "-c", f"printf '{text}\\n' | {' '.join(cloud.environment())} onevm console box")


class TestContainer:
    story = True  # each step stands on those before

    def test_host_tells_what_it_is(self, cloud):
        host = ET.fromstring(cloud.cli("onehost", "show", "-x", "node01"))
        assert host.findtext("TEMPLATE/HYPERVISOR") == "lxc_libvirt"
        assert int(host.findtext("HOST_SHARE/MAX_MEM")) > 0 and int(host.findtext("HOST_SHARE/MAX_CPU")) > 0

    def test_start(self, cloud):
        cloud.create("box", TEMPLATE, "--hold")
        cloud.cli("onevm", "deploy", "box", "node01")
        cloud.wait("box", RUNNING)
        identity = cloud.vm("box").findtext("ID")
        assert containers(cloud.lab, "node01") == [f"one-{identity}"] and containers(cloud.lab, "node02") == []

    def test_console(self, cloud):
        assert "heard: hello (start 1)" in says(cloud, "hello")
        assert "heard: again (start 1)" in says(cloud, "again"), "the next one finds the line free"

    def test_statistics(self, cloud):
        def sample():
            vm = cloud.vm("box")
            return int(vm.findtext("MONITORING/MEMORY") or 0) > 0 and vm.findtext("MONITORING/CPU") is not None
        wait_for("a sample of the container", 30, sample)
        wait_for("the container counted", 20, lambda: ET.fromstring(
            cloud.cli("onehost", "show", "-x", "node01")).findtext("HOST_SHARE/RUNNING_VMS") == "1")

    def test_what_it_cannot_do_is_said_in_advance(self, cloud):
        for words, part in ((["migrate", "box", "node02", "--live"], "the driver lxc_libvirt cannot move a machine while it runs"),
                            (["migrate", "box", "node02"], "migrate --poff powers the machine off"),
                            (["suspend", "box"], "the driver lxc_libvirt of host node01 has no SAVE"),
                            (["reset", "box"], "the driver lxc_libvirt of host node01 has no RESET")):
            with pytest.raises(Failed, match=re.escape(part)):
                cloud.cli("onevm", *words)
        said = cloud.cli("onevm", "migrate", "box", "node02", "--check", check=False)
        assert "cannot move a machine while it runs" in said, said
        assert cloud.state("box") == RUNNING and cloud.host_of("box") == "node01"
        assert len(cloud.vm("box").findall("HISTORY_RECORDS/HISTORY")) == 1
        assert "heard: alive (start 1)" in says(cloud, "alive"), "it was not touched"

    def test_move_by_power(self, cloud):
        identity = cloud.vm("box").findtext("ID")
        cloud.cli("onevm", "migrate", "box", "node02", "--poff")
        wait_for("the container on node02", 60, lambda: cloud.state("box") == RUNNING and cloud.host_of("box") == "node02")
        assert containers(cloud.lab, "node01") == [] and containers(cloud.lab, "node02") == [f"one-{identity}"]
        assert "heard: there (start 2)" in says(cloud, "there"), "its disk came along"

    def test_power_and_end(self, cloud):
        cloud.cli("onevm", "poweroff", "box")
        cloud.wait("box", POWEROFF)
        assert containers(cloud.lab, "node02") == []
        cloud.cli("onevm", "resume", "box")
        cloud.wait("box", RUNNING)
        assert "(start 3)" in says(cloud, "back")
        cloud.cli("onevm", "terminate", "box")
        identity = cloud.vm("box").findtext("ID")
        cloud.wait(identity, DONE)
        assert containers(cloud.lab, "node02") == []
        wait_for("its disk gone", 20, lambda: not (cloud.lab.shared / f"0/{identity}").exists())
