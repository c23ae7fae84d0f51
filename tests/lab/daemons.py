"""Daemons of containers on the lab's hosts: how each is started there, asked and ended. Tests are skipped, with the reason,
where one is not installed."""
import os
import shutil
import subprocess

import pytest
from lab.cloud import wait_for

PRESEED = """
config: { core.https_address: "ADDRESS:8443" }
storage_pools: [ { name: default, driver: dir } ]
profiles: [ { name: default, devices: { root: { path: /, pool: default, type: disk } } } ]
"""

# Counts its starts on its disk, says again what it hears on its console, obeys LXD's word to end.
INIT = """#!/bin/busybox sh
trap 'exit 0' TERM PWR
starts=$(($(/bin/busybox cat /starts 2>/dev/null || echo 0) + 1))
echo $starts >/starts
exec 2>&1
while :; do
    if read -t 1 line </dev/console; then echo "heard: $line (start $starts)" >/dev/console; else /bin/busybox sleep 0.2; fi
done
"""


def make_image(lab):
    """An image of LXD's: a description and a root with busybox."""
    top = lab.dir / "lxd-image"
    for name in ("bin", "dev", "etc", "proc", "run", "sbin", "sys", "tmp", "root", "var"):
        (top / "rootfs" / name).mkdir(parents=True, exist_ok=True)
    shutil.copy(shutil.which("busybox"), top / "rootfs/bin/busybox")
    (top / "rootfs/sbin/init").write_text(INIT)
    (top / "rootfs/sbin/init").chmod(0o755)
    (top / "metadata.yaml").write_text("architecture: x86_64\ncreation_date: 1700000000\nproperties: { os: busybox }\n")
    path = lab.shared / "box.tar.gz"
    subprocess.run(["tar", "-C", top, "-czf", path, "metadata.yaml", "rootfs"], check=True)
    return path


def make_root(lab):
    """The files of a root with busybox, for Docker."""
    top = lab.dir / "docker-image"
    shutil.rmtree(top, ignore_errors=True)
    (top / "bin").mkdir(parents=True)
    shutil.copy(shutil.which("busybox"), top / "bin/busybox")
    for name in ("sh", "sleep", "echo", "cat"):
        (top / "bin" / name).symlink_to("busybox")
    subprocess.run(["tar", "-C", top, "-cf", lab.shared / "box.tar", "."], check=True)


class Lxd:
    def __init__(self, name, daemon, client, admin, variable):
        self.name, self.daemon, self.lxc, self.admin, self.variable = name, daemon, client, admin, variable
        self.directory = f"/srv/local/{name}"
        self.program = shutil.which(daemon, path=f"{os.environ['PATH']}:/usr/libexec/incus")

    def require(self):
        if not self.program or not shutil.which(self.lxc):
            pytest.skip(f"{self.daemon} is not installed (share/doc/containers.md says from where)")

    def client(self, lab, host, *words, **options):
        return lab.on(host, "env", f"{self.variable}={self.directory}", self.lxc, *words, **options)

    def start(self, lab, host):
        """One more daemon, as its unit would start it."""
        into = self.directory
        lab.on(host, "sh", "-c", f"mkdir -p {into}; ip link show br0 >/dev/null 2>&1 || ip link add br0 type bridge; ip link set br0 up; "
                                 f"export {self.variable}={into} INCUS_OVMF_PATH=/nowhere; "
                                 f"setsid {self.program} --group root --logfile {into}.log </dev/null >{into}.out 2>&1 & "
                                 f"{self.variable}={into} {self.admin} waitready --timeout 60")
        address = lab.on(host, "hostname", "-I").split()[0]
        lab.on(host, "sh", "-c", f"echo '{PRESEED.replace('ADDRESS', address)}' | {self.variable}={into} {self.admin} init --preseed")

    def stop(self, lab, host):
        lab.on(host, "sh", "-c", f"export {self.variable}={self.directory}; {self.lxc} delete -f $({self.lxc} list -c n -f csv) 2>/dev/null; "
                                 f"{self.admin} shutdown --timeout 10", check=False)


class Engine:
    def __init__(self, name, program, socket, command):
        self.name, self.program, self.socket, self.command = name, program, socket, command

    def require(self):
        if not shutil.which(self.program):
            pytest.skip(f"{self.program} is not installed: tests/lab/run-all installs it")

    def said(self, lab, host):
        return (lab.local(host) / f"{self.name}.log").read_text(errors="replace")[-300:]

    def start(self, lab, host):
        runtime = "--runtime " + shutil.which("runc") if shutil.which("runc") else ""  # Debian 12's crun knows no checkpoints
        command = f"env PATH=/usr/local/sbin:$PATH {self.command.replace('RUNTIME', runtime)}"  # where CRIU is
        lab.on(host, "sh", "-c", f"mkdir -p /srv/local/{self.name} {os.path.dirname(self.socket)}; setsid {command} "
                                 f"</dev/null >/srv/local/{self.name}.log 2>&1 & echo $! >/run/{self.name}-test.pid")
        wait_for(self.name, 60, lambda: "OK" in lab.on(host, "curl", "-s", "--unix-socket", self.socket, "http://d/_ping", check=False))

    def ask(self, lab, host, method, path, *more):
        return lab.on(host, "curl", "-sS", "--unix-socket", self.socket, "-X", method, *more, f"http://d{path}")

    def bring(self, lab, host):
        """The root of make_root() as the image box:1. Podman wants the tag behind the name."""
        self.ask(lab, host, "POST", "/images/create?fromSrc=-&repo=box:1", "-H", "Content-Type: application/x-tar",
                 "--data-binary", "@/var/lib/one/datastores/box.tar")

    def stop(self, lab, host):
        lab.on(host, "sh", "-c", f"kill $(cat /run/{self.name}-test.pid)", check=False)
        wait_for(f"the end of {self.program}", 30, lambda: not lab.pids(host, self.program))
        lab.on(host, "rm", "-f", self.socket)


LXDS = {
    "lxd": Lxd("lxd", "lxd", "lxc", "lxd", "LXD_DIR"),
    "incus": Lxd("incus", "incusd", "incus", "incus admin", "INCUS_DIR"),
}
ENGINES = {
    "docker": Engine("docker", "dockerd", "/run/docker.sock",
                     "dockerd --iptables=false --ip6tables=false --bridge=none --storage-driver=overlay2 --data-root /srv/local/docker "
                     "--exec-root /run/docker --experimental --pidfile /run/docker.pid -H unix:///run/docker.sock"),
    "podman": Engine("podman", "podman", "/run/podman/podman.sock",
                     "podman --root /srv/local/podman --runroot /run/podman-root --cgroup-manager cgroupfs --events-backend file "
                     "--storage-driver overlay RUNTIME system service --time 0 unix:///run/podman/podman.sock"),
}
