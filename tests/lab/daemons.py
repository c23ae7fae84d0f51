"""Daemons of containers on the lab's hosts: how each is started there, asked and ended. Tests are skipped, with the reason,
where one is not installed."""
import os
import shutil

import pytest
from lab.cloud import wait_for

PRESEED = """
config: { core.https_address: "ADDRESS:8443" }
storage_pools: [ { name: default, driver: dir } ]
profiles: [ { name: default, devices: { root: { path: /, pool: default, type: disk } } } ]
"""


class Lxd:
    def __init__(self, name, daemon, client, admin, variable):
        self.name, self.daemon, self.lxc, self.admin, self.variable = name, daemon, client, admin, variable
        self.directory = f"/srv/local/{name}"

    def require(self):
        paths = f"{os.environ['PATH']}:/usr/libexec/incus"
        if not shutil.which(self.daemon, path=paths) or not shutil.which(self.lxc):
            pytest.skip(f"{self.daemon} is not installed (share/doc/containers.md says from where)")
        self.program = shutil.which(self.daemon, path=paths)

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
        lab.on(host, "sh", "-c", f"mkdir -p /srv/local/{self.name} {os.path.dirname(self.socket)}; setsid {self.command} "
                                 f"</dev/null >/srv/local/{self.name}.log 2>&1 & echo $! >/run/{self.name}-test.pid")
        wait_for(self.name, 60, lambda: "OK" in lab.on(host, "curl", "-s", "--unix-socket", self.socket, "http://d/_ping", check=False))

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
                     "--exec-root /run/docker --pidfile /run/docker.pid -H unix:///run/docker.sock"),
    "podman": Engine("podman", "podman", "/run/podman/podman.sock",
                     "podman --root /srv/local/podman --runroot /run/podman-root --cgroup-manager cgroupfs --events-backend file "
                     "--storage-driver overlay system service --time 0 unix:///run/podman/podman.sock"),
}
