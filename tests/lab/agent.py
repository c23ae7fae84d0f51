"""The tiny guest with Debian's QEMU guest agent in it, and with a file system that the agent can freeze.

The agent and the libraries it asks for are laid over the guest's initrd; the guest itself stays as it is. Its first other
disk must hold ext4, which is /data. The agent's hook for freezing says on the console what it is told, and waits as long
as /tmp/slow exists.
"""
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from lab.cloud import guest_files

INIT = """#!/bin/busybox sh
/bin/busybox mknod /dev/null c 1 3
/bin/busybox sh /with-agent &
exec /bin/busybox sh /guest-init
"""
START = """export PATH=/bin
/bin/busybox --install -s /bin
until ls /dev/vport*p1 >/dev/null 2>&1 && [ -b /dev/vdb ]; do sleep 0.2; done
mkdir -p /data /run /var/run
mount -t ext4 /dev/vdb /data || echo "AGENT-DATA failed" >/dev/ttyS0
echo "AGENT-UP" >/dev/ttyS0
exec /sbin/qemu-ga -m virtio-serial -p "$(ls /dev/vport*p1)" -t /run -F/hook >/dev/ttyS0 2>&1
"""
HOOK = """#!/bin/sh
echo "AGENT-HOOK $1" >/dev/ttyS0
[ "$1" != freeze ] || while [ -e /tmp/slow ]; do sleep 0.2; done
echo "AGENT-HOOK $1 done" >/dev/ttyS0
"""

# In the order in which they are loaded, after the guest's own.
MODULES = ["virtio_console", "crc16", "crc32c_generic", "libcrc32c", "mbcache", "jbd2", "ext4"]


def unpacked(directory):
    """Debian's package, downloaded once; the test is skipped where there is none."""
    program = directory / "usr/sbin/qemu-ga"
    if not program.exists():
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o777)  # apt fetches as its own user
        said = subprocess.run(["apt-get", "-q", "download", "qemu-guest-agent"], cwd=directory, capture_output=True, text=True)
        packages = list(directory.glob("qemu-guest-agent*.deb"))
        if said.returncode or not packages:
            pytest.skip(f"qemu-guest-agent cannot be downloaded: {said.stderr[-200:]}")
        subprocess.run(["dpkg-deb", "-x", packages[0], directory], check=True)
    return program


def make_initrd(lab):
    """initrd-agent.gz beside the guest's own files on the shared storage."""
    made = guest_files()
    program = unpacked(made / "agent")
    root = lab.dir / "agent-root"
    with_it = lab.dir / "agent-initrd"
    shutil.rmtree(root, ignore_errors=True)
    for name in ("sbin", "lib/modules"):
        (root / name).mkdir(parents=True)
    shutil.copy(program, root / "sbin/qemu-ga")
    said = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    missing = re.findall(r"(\S+) => not found", said)
    if missing:
        pytest.skip(f"qemu-guest-agent needs {missing}, which this computer has not")
    for path in re.findall(r"(/\S+) \(0x", said):
        (root / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(os.path.realpath(path), root / path[1:])
    for number, module in enumerate(MODULES):
        for path in (made / "kernel/lib/modules").rglob(f"{module}.ko"):  # none: it is built in
            shutil.copy(path, root / f"lib/modules/9{number}-{module}.ko")
    shutil.copy(Path(__file__).resolve().parents[2] / "share/examples/guest/init", root / "guest-init")
    for name, text in (("init", INIT), ("with-agent", START), ("hook", HOOK)):
        (root / name).write_text(text)
        (root / name).chmod(0o755)
    listed = subprocess.run(["find", "."], cwd=root, capture_output=True, check=True).stdout
    packed = subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], cwd=root, input=listed, stdout=subprocess.PIPE, check=True).stdout
    with_it.write_bytes(packed)
    subprocess.run(["gzip", "-f", "-6", with_it], check=True)
    target = lab.shared / "guest/initrd-agent.gz"
    target.write_bytes((lab.shared / "guest/initrd.gz").read_bytes() + (lab.dir / "agent-initrd.gz").read_bytes())
    return "/var/lib/one/datastores/guest/initrd-agent.gz"
