"""The web shop of share/examples/webshop on two hosts with LXD: its page is fetched while a container of it moves."""
import os
import re
import shutil
import subprocess
import threading
import time
from pathlib import Path

import pytest
from lab import daemons
from lab.cloud import ROOT, RUNNING, Cloud, Failed, wait_for

SHOP = ROOT / "share/examples/webshop"


@pytest.fixture(scope="module")
def image():
    if not os.environ.get("WEBSHOP"):
        pytest.skip("the image takes minutes to build: tests/lab/run-all does it")
    path = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "globule/webshop.tar"
    built = subprocess.run([SHOP / "build-image", path], capture_output=True, text=True)
    if built.returncode:
        pytest.skip(f"the image cannot be built here: {built.stderr[-300:]}")
    return path


@pytest.fixture(scope="module")
def cloud(lab, image):
    lxd = daemons.LXDS["lxd"]
    lxd.require()
    for host in lab.hosts:
        lxd.start(lab, host)
    endpoint = f"ssh://%h{lxd.directory}/unix.socket"
    cloud = Cloud(lab, "webshop", "/var/lib/one/datastores", f"""
MONITORING_INTERVAL_HOST = 5
IM_MAD = [ NAME = "lxd", EXECUTABLE = "one_im", ARGUMENTS = "lxd -u {endpoint}" ]
VM_MAD = [ NAME = "lxd", EXECUTABLE = "one_vmm", ARGUMENTS = "lxd -u {endpoint}", KEEP_MACHINES = "yes", KEEP_SNAPSHOTS = "yes" ]
""")
    cloud.image = lab.dir / "webshop.tar"  # the front-end does not see the home of who tests
    shutil.copy(image, cloud.image)
    cloud.start()
    for host in lab.hosts:
        cloud.cli("onehost", "create", host, "-i", "lxd", "-v", "lxd")
    for host in lab.hosts:
        cloud.wait_host(host, "on")
    yield cloud
    cloud.stop()
    for host in lab.hosts:
        lxd.stop(lab, host)
    shutil.rmtree(lab.shared / "1", ignore_errors=True)


def shop(cloud, *words, **options):
    network = os.environ.get("LAB_NET", "10.90.0")
    return cloud.cli("env", f"NETWORK={network}", f"IMAGE_FILE={cloud.image}", "PATIENCE=120", SHOP / "webshop", *words, timeout=400, **options)


class Visitor(threading.Thread):
    """Fetches the page again and again: (time, number of the visit or None)."""

    def __init__(self, cloud):
        super().__init__(daemon=True)
        self.cloud, self.seen, self.ends = cloud, [], False
        self.page = f"http://{os.environ.get('LAB_NET', '10.90.0')}.63/"

    def run(self):
        while not self.ends:
            text = self.cloud.lab.front("curl", "-s", "-m", "2", self.page, check=False)
            found = re.search(r"You are visitor (\d+)", text)
            self.seen.append((time.monotonic(), int(found.group(1)) if found else None))
            time.sleep(0.1)

    def answered(self, count):
        return len([number for _, number in self.seen if number]) >= count


def test_shop(lab, cloud):
    try:
        said = shop(cloud, "up")
    except Failed as problem:
        raise AssertionError(f"{problem}\n{cloud.logs()}") from None
    assert [line.split()[0] for line in said.splitlines() if "is healthy" in line] == ["db", "php", "web"], said
    visitor = Visitor(cloud)
    visitor.start()
    wait_for("visits", 30, lambda: visitor.answered(5))
    for role in ("php", "db"):
        there = "node02" if cloud.host_of(f"shop-{role}") == "node01" else "node01"
        shop(cloud, "move", role, there)
        cloud.wait(f"shop-{role}", RUNNING)
        assert cloud.host_of(f"shop-{role}") == there
        wait_for("visits after the move", 60, lambda: visitor.seen[-1][1])
    visitor.ends = True
    visitor.join()
    numbers = [number for _, number in visitor.seen if number]
    assert numbers == sorted(set(numbers)), "no visit is counted twice, and none is forgotten by a move"
    gaps = [round(there[0] - here[0], 1) for here, there in zip(visitor.seen, visitor.seen[1:])]
    print(f"{len(visitor.seen)} fetches, {len(numbers)} answered, longest time between two {max(gaps)} s")
    assert "healthy" in shop(cloud, "status")
    shop(cloud, "down")
