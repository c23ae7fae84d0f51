"""What the tests of containers by liblxc share: an archive with busybox, and a look at the hosts."""
import base64
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from lab.cloud import ROOT, Failed

# Counts its starts on its disk, and beats: a number a line, five a second.
INIT = """#!/bin/busybox sh
trap 'exit 0' TERM PWR
starts=$(($(/bin/busybox cat /starts 2>/dev/null || echo 0) + 1))
echo $starts >/starts
beat=0
while :; do
    beat=$((beat + 1))
    echo "$starts $beat $(/bin/busybox awk '{ print $1 }' /proc/uptime)" >>/beats
    /bin/busybox sleep 0.2
done
"""
# The same, behind a program that waits for connections: as its first program, OS/INIT.
LISTENING = """#!/bin/busybox sh
/bin/busybox nc -l -p 8080 </dev/null >/dev/null 2>&1 &
exec /bin/busybox sh /sbin/init
"""
# The same, behind a program that proves its memory intact: it fails the check of test_lxc_move.py when a byte is wrong.
PROVING = """#!/bin/busybox sh
/bin/pattern 24 4 >>/pattern 2>&1 &
exec /bin/busybox sh /sbin/init
"""
TEMPLATE = """NAME = "box"
CPU = 0.5
MEMORY = 64
DISK = [ SOURCE = "/var/lib/one/datastores/box.tar", CLONE = "YES" ]
CONTAINER = [ SIZE = "32" ]
NIC = [ BRIDGE = "br0", MAC = "02:00:0a:00:00:07" ]
"""


def need_lxc(lab):
    if not shutil.which("lxc-start"):
        pytest.skip("LXC is not installed: tests/lab/run-all installs the package lxc")
    said = lab.on("node01", "lxc-checkconfig", check=False)
    if "missing" in "".join(line for line in said.splitlines() if "Namespaces" in line):
        pytest.skip(f"this kernel lacks what LXC needs: {said[-500:]}")
    for host in lab.hosts:  # what hosts note there is not this computer's
        lab.on(host, "sh", "-c", "for f in /etc/subuid /etc/subgid; do mountpoint -q $f || { touch $f; cp $f /run/${f##*/}; mount --bind /run/${f##*/} $f; }; done")


def make_image(lab):
    """An archive of a root with busybox, and the root itself beside it."""
    top = lab.dir / "lxc-root"
    for name in ("bin", "dev", "etc", "proc", "run", "sbin", "sys", "tmp", "root"):
        (top / name).mkdir(parents=True, exist_ok=True)
    shutil.copy(shutil.which("busybox"), top / "bin/busybox")
    (top / "bin/sh").unlink(missing_ok=True)
    (top / "bin/sh").symlink_to("busybox")
    for name, text in (("init", INIT), ("listening", LISTENING), ("proving", PROVING)):
        (top / "sbin" / name).write_text(text)
        (top / "sbin" / name).chmod(0o755)
    subprocess.run(["gcc", "-static", "-O2", "-o", top / "bin/pattern", ROOT / "share/examples/guest/pattern.c"], check=True)
    subprocess.run(["tar", "-C", top, "-cf", lab.shared / "box.tar", "."], check=True)


def make_qcow2(lab):
    """The same root as a file system in an image of qcow2."""
    raw, image = lab.dir / "box.raw", lab.shared / "box.qcow2"
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", lab.dir / "lxc-root", raw, "16M"], check=True)
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", raw, image], check=True)
    raw.unlink()


def group_has(lab, host, name, first, second):
    """What a file of a container's control group says; `first` and `second` are (controller, file) in hosts of version 1 and file of version 2."""
    groups = lab.root(host) / "sys/fs/cgroup"
    path = f"lxc.payload.{name}/{second}" if (groups / "cgroup.controllers").exists() else f"{first[0]}/lxc.payload.{name}/{first[1]}"
    return (groups / path).read_text().strip()


def lxc(lab, host, *words, **options):
    return lab.on(host, *words, **options)


def read(lab, host, path, name="one-0"):
    """A file of the container, by the mount on its host; "" when it is not there."""
    try:
        return (lab.root(host) / f"var/lib/lxc/{name}/rootfs/{path}").read_text()
    except OSError:
        return ""


def starts(lab, host, name="one-0"):
    return int(read(lab, host, "starts", name) or 0)


FIRST = 600100001  # the number that root of a container has on its host


def users_are_its_own(lab, host, name="one-0", first=FIRST):
    """Root inside is `first` on the host, and so is what it writes, now."""
    pid = lxc(lab, host, "lxc-info", "-n", name, "-pH").strip()
    assert lab.on(host, "stat", "-c", "%u %g", f"/proc/{pid}").split() == [str(first)] * 2
    lxc(lab, host, "lxc-attach", "-n", name, "--", "/bin/busybox", "sh", "-c", "echo new >/written; /bin/busybox test -O /written")
    assert lab.on(host, "stat", "-c", "%u %g", f"/var/lib/lxc/{name}/rootfs/written").split() == [str(first)] * 2
    lxc(lab, host, "lxc-attach", "-n", name, "--", "/bin/busybox", "rm", "/written")


def request_of(lab, host, number, to="", text=""):
    """What oned would send about the machine `number` that runs on that host, for the driver alone: base64."""
    uuid = re.search("one.uuid = (.*)", (lab.root(host) / f"var/lib/lxc/one-{number}/config").read_text()).group(1)
    xml = f"""<VMM_DRIVER_ACTION_DATA><HOST>{host}</HOST><MIGR_HOST>{to}</MIGR_HOST><DEPLOY_ID>one-{number}</DEPLOY_ID>
        <DISK_TARGET_PATH>/var/lib/one/datastores/0/{number}</DISK_TARGET_PATH><VM><ID>{number}</ID><STIME>1</STIME><USER_TEMPLATE/>
        <TEMPLATE><OS><UUID>{uuid}</UUID></OS><CPU>1</CPU><MEMORY>64</MEMORY><DISK><DISK_ID>0</DISK_ID></DISK>{text}</TEMPLATE></VM>
        <DATASTORE><TEMPLATE><SHARED>YES</SHARED></TEMPLATE></DATASTORE></VMM_DRIVER_ACTION_DATA>"""
    return base64.b64encode(xml.encode()).decode()


def end_all(lab):
    for host in lab.hosts:
        try:
            names = lxc(lab, host, "lxc-ls", "-1").split()
        except Failed:
            continue
        for name in names:
            lxc(lab, host, "lxc-stop", "-n", name, "-k", check=False)
        lab.on(host, "sh", "-c", "for d in /var/lib/lxc/*; do umount $d/rootfs; rm -rf --one-file-system $d; done 2>/dev/null", check=False)


def need_criu(lab):
    """CRIU on the hosts; else a skip with the reason."""
    why = bring_criu(lab)
    if why:
        pytest.skip(why)


def bring_criu(lab):
    """One that works with this kernel, where the hosts look for it first; as `onehost prepare` gets it. "", or why there is none."""
    kept = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "globule/criu"
    script = ROOT / "client/prepare/items.sh"
    if subprocess.run(["sh", "-c", "PATH=/usr/local/sbin:$PATH; criu check"], capture_output=True).returncode:
        if not (kept / "run").exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            made = subprocess.run(
                ["sh", "-c", f". {script}; hypervisor=lxc; criu_place={kept}; criu_link={kept}/link; work=$(mktemp -d); "
                             f"mkdir -p $work/lists/partial $work/cache/archives/partial $work/tree; get_criu; code=$?; "
                             f"tail -n 3 $work/said; rm -rf $work; exit $code"], capture_output=True, text=True)
            if made.returncode:
                return f"CRIU does not work with this kernel, and that of Debian 13 cannot be had: {made.stdout[-300:]}{made.stderr[-300:]}"
        if not (lab.dir / "criu").exists():
            shutil.copytree(kept, lab.dir / "criu", symlinks=True)  # the hosts have homes of their own
        for host in lab.hosts:
            lab.on(host, "sh", "-c", f"mountpoint -q /usr/local/sbin || mount -t tmpfs tmpfs /usr/local/sbin; ln -sf {lab.dir}/criu/run /usr/local/sbin/criu")
    said = lab.on("node01", "sh", "-c", "PATH=/usr/local/sbin:$PATH; criu check 2>&1 || echo FAILED", check=False)
    return f"CRIU does not work on the lab's hosts: {said[-300:]}" if "FAILED" in said else ""
